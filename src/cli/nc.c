/* l4 nc: bytes between standard input and output and a TCP connection or UDP endpoint of ours.
 *
 * Neither side runs ahead of the other: standard input is read only while what was read before has
 * gone into the send buffer, the connection only while standard output has taken what came before;
 * so a stalled reader closes the window, and a closed window stalls the writer. */
#include <layer4/err.h>
#include <layer4/udp.h>
#include <layer4/wire.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dnsc.h"
#include "cli/info.h"
#include "cli/outq.h"
#include "cli/signals.h"
#include "cli/stack.h"
#include "cli/tcpc.h"

#define GROUPS_MAX 8
#define READ_SIZE  65536

struct nc {
	struct stack_opts so;
	bool listen, udp, shut, keep, verbose;
	l4_time wait; /* 0: for ever */
	const char *host;
	struct l4_addr bind;
	uint16_t port, source;
	struct l4_addr group[GROUPS_MAX];
	unsigned group_n;
	uint64_t ttl; /* 0: the host's */
	/* running */
	struct stack s;
	struct outq out;
	char in[READ_SIZE];
	size_t in_at, in_n; /* read from standard input, not yet sent */
	bool in_eof, watching_in, watching_out, in_ready;
};

static void usage(void)
{
	printf(
	    "Usage: l4 nc [OPTION...] HOST PORT\n"
	    "       l4 nc [OPTION...] -l [ADDRESS] PORT\n\n"
	    "Moves bytes between standard input and output and a TCP connection of layer4's own\n"
	    "(or UDP datagrams).\n\n"
	    "  -l, --listen          wait for a connection (or datagrams)\n"
	    "  -u, --udp             UDP\n"
	    "  -N, --shutdown        send FIN at the end of standard input (UDP: end)\n"
	    "  -k, --keep            with -l: take one connection after the other\n"
	    "  -w, --wait T          give up after this time without a connection or a byte\n"
	    "  -p, --source-port N   our port\n"
	    "  -j, --join GROUP      with -u -l: receive what is sent to this multicast group\n"
	    "      --ttl N           hop limit of what we send\n"
	    "  -v, --verbose         say who is connected\n\n"
	    "%s\n"
	    "Exit: 0 done, 1 refused, reset or no connection, 2 wrong use, 3 the system failed.\n\n"
	    "Examples:\n"
	    "  echo hello | l4 nc -N -d tap:l4 -a 10.4.0.2/24 10.4.0.1 7\n"
	    "  l4 nc -d tap:l4 -a 10.4.0.2/24 -l 9000 > file\n"
	    "  l4 nc -d tap:l4 -a 10.4.0.2/24 -u -l -j 239.1.2.3 5000\n",
	    stack_help);
}

static const struct option longs[] = { STACK_LONG, { "listen", no_argument, NULL, 'l' },
	{ "udp", no_argument, NULL, 'u' }, { "shutdown", no_argument, NULL, 'N' },
	{ "keep", no_argument, NULL, 'k' }, { "wait", required_argument, NULL, 'w' },
	{ "source-port", required_argument, NULL, 'p' }, { "join", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' }, { "ttl", required_argument, NULL, 1000 },
	{ NULL, 0, NULL, 0 } };

static int wrong(const char *what, const char *arg)
{
	fprintf(stderr, "l4 nc: %s: '%s'\n", what, arg);
	return -1;
}

static int own_option(struct nc *n, int c, const char *arg)
{
	uint64_t v;
	switch (c) {
	case 'l':
		n->listen = true;
		return 1;
	case 'u':
		n->udp = true;
		return 1;
	case 'N':
		n->shut = true;
		return 1;
	case 'k':
		n->keep = true;
		return 1;
	case 'v':
		n->verbose = true;
		return 1;
	case 'w':
		if (stack_parse_time(&n->wait, arg) < 0 || n->wait == 0)
			return wrong("not a time", arg);
		return 1;
	case 'p':
		if (stack_parse_number(&v, arg, 1, 65535) < 0)
			return wrong("not a port", arg);
		n->source = (uint16_t)v;
		return 1;
	case 'j':
		if (n->group_n == GROUPS_MAX || l4_addr_parse(&n->group[n->group_n], arg) < 0 ||
		    !l4_addr_is_multicast(&n->group[n->group_n]))
			return wrong("not a multicast group", arg);
		n->group_n++;
		return 1;
	case 1000:
		if (stack_parse_number(&n->ttl, arg, 1, 255) < 0)
			return wrong("not a hop limit", arg);
		return 1;
	default:
		return -1;
	}
}

static int take_words(struct nc *n, int words, char **word)
{
	uint64_t v;
	if (words < (n->listen ? 1 : 2) || words > 2) {
		fprintf(stderr, "l4 nc: %s; see 'l4 nc --help'\n",
		    n->listen ? "-l takes a port, or an address and a port"
			      : "give a host and a port");
		return -1;
	}
	if (stack_parse_number(&v, word[words - 1], 1, 65535) < 0)
		return wrong("not a port", word[words - 1]);
	n->port = (uint16_t)v;
	if (n->listen && words == 2 && l4_addr_parse(&n->bind, word[0]) < 0)
		return wrong("not an address of ours", word[0]);
	if (!n->listen)
		n->host = word[0];
	if (n->group_n && !(n->udp && n->listen)) {
		fprintf(stderr, "l4 nc: --join goes with -u -l\n");
		return -1;
	}
	return 0;
}

static int parse(struct nc *n, int argc, char **argv)
{
	int c;
	optind = 1;
	while ((c = getopt_long(argc, argv, STACK_SHORT "luNkvw:p:j:", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		int rc = stack_opt(&n->so, "nc", c, optarg);
		if (rc == 0)
			rc = own_option(n, c, optarg);
		if (rc < 0)
			return -1;
	}
	return take_words(n, argc - optind, argv + optind);
}

/* --- standard input and output --- */

static void on_input(void *ctx, int fd, short revents)
{
	struct nc *n = ctx;
	(void)fd;
	if (revents)
		n->in_ready = true;
}

static void on_output(void *ctx, int fd, short revents)
{
	(void)ctx;
	(void)fd;
	(void)revents;
}

/* Watches the descriptors that something is wanted of. */
static void watch(struct nc *n, bool in, bool out)
{
	if (in != n->watching_in)
		l4_loop_watch(n->s.loop, STDIN_FILENO, in ? POLLIN : 0, on_input, n);
	if (out != n->watching_out)
		l4_loop_watch(n->s.loop, STDOUT_FILENO, out ? POLLOUT : 0, on_output, n);
	n->watching_in = in;
	n->watching_out = out;
}

/* Reads standard input when it is ready and nothing waits. true when bytes or the end came. */
static bool read_input(struct nc *n)
{
	struct pollfd f = { .fd = STDIN_FILENO, .events = POLLIN };
	if (n->in_eof || n->in_n)
		return false;
	if (!n->in_ready && poll(&f, 1, 0) <= 0)
		return false;
	n->in_ready = false;
	if (f.revents & POLLNVAL) { /* closed from the start */
		n->in_eof = true;
		return true;
	}
	ssize_t got;
	do
		got = read(STDIN_FILENO, n->in, n->udp ? 16384 : sizeof(n->in));
	while (got < 0 && errno == EINTR && !signals_stop());
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	n->in_at = 0;
	n->in_n = got > 0 ? (size_t)got : 0;
	n->in_eof = got <= 0;
	return true;
}

static int output_failed(const struct nc *n)
{
	fprintf(stderr, "l4 nc: standard output: %s\n", strerror(n->out.errnum));
	return L4_EXIT_SYSTEM;
}

/* --- TCP --- */

/* Moves bytes both ways as far as they go. 1 moved, 0 not, L4_E*. */
static int move_tcp(struct nc *n, struct tcpc *c, bool *fin_sent, bool *peer_eof)
{
	struct l4_host *h = n->s.host;
	l4_time now = stack_now(&n->s);
	int moved = 0;
	if (read_input(n))
		moved = 1;
	while (n->in_n) {
		int64_t k = l4_tcp_send(h, c->ep, n->in + n->in_at, n->in_n, 0, now);
		if (k == L4_EAGAIN)
			break;
		if (k < 0)
			return (int)k;
		n->in_at += (size_t)k;
		n->in_n -= (size_t)k;
		moved = 1;
	}
	if (n->in_eof && !n->in_n && n->shut && !*fin_sent) {
		l4_tcp_shutdown(h, c->ep, now);
		*fin_sent = true;
	}
	if (outq_flush(&n->out) < 0)
		return L4_ESYS;
	if (outq_waiting(&n->out) == 0 && !*peer_eof) {
		struct l4_piece p[2];
		int k = l4_tcp_peek(h, c->ep, p);
		if (k == 0) {
			*peer_eof = true;
			return 1;
		}
		if (k < 0)
			return k == L4_EAGAIN ? moved : k;
		if (outq_put(&n->out, p[0].data, p[0].len) < 0)
			return L4_ESYS;
		l4_tcp_consume(h, c->ep, p[0].len, now);
		moved = 1;
	}
	return moved;
}

static int report(const struct nc *n, const struct tcpc *c, int rc)
{
	char text[L4_ENDPOINT_TEXT_MAX];
	if (n->out.errnum)
		return output_failed(n);
	l4_endpoint_format(&c->remote, text, sizeof(text));
	if (rc == L4_EABORTED && signals_stop())
		return L4_EXIT_NO;
	fprintf(stderr, "l4 nc: %s: %s\n", text, l4_err_text(rc));
	return n->s.failed ? L4_EXIT_SYSTEM : L4_EXIT_NO;
}

/* Runs a connection to its end. */
static int run_tcp(struct nc *n, struct tcpc *c)
{
	bool fin_sent = false, peer_eof = false;
	l4_time last = stack_now(&n->s);
	int rc;
	for (;;) {
		rc = move_tcp(n, c, &fin_sent, &peer_eof);
		if (rc < 0)
			break;
		if (rc > 0)
			last = stack_now(&n->s);
		/* The peer is done: what we still have to say may go out, a person need not. */
		bool mine_done = n->in_eof && !n->in_n;
		if (peer_eof && !outq_waiting(&n->out) &&
		    (mine_done || (!n->in_n && isatty(STDIN_FILENO)))) {
			rc = 0;
			break;
		}
		l4_time until = rc > 0 ? last : n->wait ? last + n->wait : L4_TIME_NEVER;
		watch(n, !n->in_eof && !n->in_n, outq_waiting(&n->out) > 0);
		if (n->wait && rc == 0 && stack_now(&n->s) >= until) {
			rc = L4_ETIMEDOUT;
			break;
		}
		if (!stack_step(&n->s, until)) {
			rc = n->s.failed ? L4_ESYS : L4_EABORTED;
			break;
		}
		tcpc_events(c);
		if (c->err && peer_eof) {
			rc = c->err;
			break;
		}
	}
	watch(n, false, false);
	tcpc_finish(c, rc == 0 || (rc == L4_EABORTED && !n->in_n), 2 * L4_SEC);
	if (n->so.info && c->has_info)
		info_print(stderr, &c->info, &c->local, &c->remote, n->so.json);
	return rc < 0 ? report(n, c, rc) : L4_EXIT_DONE;
}

static int resolve(struct nc *n, struct l4_endpoint *list, unsigned max)
{
	struct l4_addr a[16];
	int k = dnsc_resolve(&n->s, n->host, a, max < 16 ? max : 16);
	for (int i = 0; i < k; i++) {
		memset(&list[i], 0, sizeof(list[i]));
		list[i].addr = a[i];
		list[i].port = n->port;
	}
	return k;
}

static int connect_tcp(struct nc *n)
{
	struct l4_endpoint remote[16], me;
	char text[L4_ENDPOINT_TEXT_MAX];
	struct tcpc c;
	int k = resolve(n, remote, 16), rc = L4_ENOTFOUND;
	if (k < 0)
		return k == L4_EABORTED ? L4_EXIT_SYSTEM : L4_EXIT_NO;
	memset(&me, 0, sizeof(me));
	me.port = n->source;
	for (int i = 0; i < k; i++) {
		l4_endpoint_format(&remote[i], text, sizeof(text));
		rc =
		    tcpc_connect_from(&c, &n->s, &me, &remote[i], n->wait ? n->wait : 120 * L4_SEC);
		if (rc == 0) {
			if (n->verbose)
				fprintf(stderr, "l4 nc: connected to %s\n", text);
			if (n->ttl)
				l4_tcp_set(n->s.host, c.ep, L4_TCPOPT_TTL, (int64_t)n->ttl,
				    stack_now(&n->s));
			return run_tcp(n, &c);
		}
		if (rc == L4_EABORTED)
			return L4_EXIT_NO;
		fprintf(stderr, "l4 nc: %s: %s\n", text, l4_err_text(rc));
	}
	return n->s.failed ? L4_EXIT_SYSTEM : L4_EXIT_NO;
}

/* Waits for a connection. 0, or L4_E*. */
static int accept_one(struct nc *n, l4_ep listener, struct tcpc *c)
{
	l4_time until = n->wait ? stack_now(&n->s) + n->wait : L4_TIME_NEVER;
	struct l4_event ev[16];
	memset(c, 0, sizeof(*c));
	c->s = &n->s;
	for (;;) {
		l4_ep ep = l4_tcp_accept(n->s.host, listener, &c->remote, NULL, stack_now(&n->s));
		if (ep > 0) {
			c->ep = ep;
			c->connected = true;
			return 0;
		}
		if (ep != L4_EAGAIN)
			return (int)ep;
		if (stack_now(&n->s) >= until)
			return L4_ETIMEDOUT;
		if (!stack_step(&n->s, until))
			return n->s.failed ? L4_ESYS : L4_EABORTED;
		while (l4_host_events(n->s.host, ev, 16) > 0)
			;
	}
}

static int listen_tcp(struct nc *n)
{
	struct l4_endpoint me;
	struct tcpc c;
	memset(&me, 0, sizeof(me));
	me.addr = n->bind;
	me.port = n->port;
	if (!stack_claim(&n->s, L4_PROTO_TCP, &me.port))
		return L4_EXIT_SYSTEM;
	l4_ep ep = l4_tcp_new(n->s.host, NULL);
	int rc = ep < 0 ? (int)ep : l4_tcp_bind(n->s.host, ep, &me);
	if (rc == 0)
		rc = l4_tcp_listen(n->s.host, ep, n->keep ? 16 : 1, stack_now(&n->s));
	if (rc < 0) {
		fprintf(stderr, "l4 nc: cannot listen on port %u: %s\n", n->port, l4_err_text(rc));
		return L4_EXIT_SYSTEM;
	}
	int code = L4_EXIT_DONE;
	do {
		char text[L4_ENDPOINT_TEXT_MAX];
		rc = accept_one(n, ep, &c);
		if (rc < 0) {
			if (rc != L4_EABORTED)
				fprintf(stderr, "l4 nc: port %u: %s\n", n->port, l4_err_text(rc));
			return n->s.failed ? L4_EXIT_SYSTEM : L4_EXIT_NO;
		}
		l4_endpoint_format(&c.remote, text, sizeof(text));
		if (n->verbose)
			fprintf(stderr, "l4 nc: connection from %s\n", text);
		if (!n->keep) /* others are refused from now on */
			l4_tcp_close(n->s.host, ep, stack_now(&n->s));
		code = run_tcp(n, &c);
	} while (n->keep && !signals_stop() && !n->s.failed && !n->out.errnum);
	return code;
}

/* --- UDP --- */

static int open_udp(struct nc *n, l4_ep *out, const struct l4_endpoint *remote)
{
	struct l4_endpoint me;
	memset(&me, 0, sizeof(me));
	me.addr = n->bind;
	me.port = n->listen ? n->port : n->source;
	if (!stack_claim(&n->s, L4_PROTO_UDP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_udp_new(n->s.host, NULL);
	if (ep < 0)
		return (int)ep;
	if (n->group_n)
		l4_udp_set(n->s.host, ep, L4_UDPOPT_REUSEADDR, 1);
	if (n->ttl) {
		l4_udp_set(n->s.host, ep, L4_UDPOPT_TTL, (int64_t)n->ttl);
		l4_udp_set(n->s.host, ep, L4_UDPOPT_MULTICAST_TTL, (int64_t)n->ttl);
	}
	int rc = l4_udp_bind(n->s.host, ep, &me);
	for (unsigned i = 0; i < n->group_n && rc == 0; i++)
		rc = l4_udp_join(n->s.host, ep, &n->group[i], n->s.ifindex, NULL, stack_now(&n->s));
	/* answers to a group's datagrams come from its members' own addresses */
	if (rc == 0 && remote && !l4_addr_is_multicast(&remote->addr))
		rc = l4_udp_connect(n->s.host, ep, remote);
	*out = ep;
	return rc;
}

/* One turn. 1 moved, 0 not, L4_E*. */
static int move_udp(struct nc *n, l4_ep ep, struct l4_endpoint *to, bool *has_to)
{
	static char buf[65536];
	l4_time now = stack_now(&n->s);
	int moved = 0;
	if (*has_to && read_input(n))
		moved = 1;
	if (n->in_n) {
		int64_t k = l4_udp_send(n->s.host, ep, to, n->in, n->in_n, now);
		if (k < 0 && k != L4_EAGAIN)
			return (int)k;
		if (k >= 0) {
			n->in_n = 0;
			moved = 1;
		}
	}
	if (outq_flush(&n->out) < 0)
		return L4_ESYS;
	if (outq_waiting(&n->out) == 0) {
		struct l4_udp_msg m;
		int64_t k = l4_udp_recv(n->s.host, ep, buf, sizeof(buf), &m, now);
		if (k < 0)
			return k == L4_EAGAIN ? moved : (int)k;
		if (n->listen && !*has_to) { /* the first one is who we talk with */
			*to = m.from;
			*has_to = true;
			if (n->verbose) {
				char text[L4_ENDPOINT_TEXT_MAX];
				l4_endpoint_format(&m.from, text, sizeof(text));
				fprintf(stderr, "l4 nc: datagrams from %s\n", text);
			}
		}
		if (outq_put(&n->out, buf, (size_t)k) < 0)
			return L4_ESYS;
		moved = 1;
	}
	return moved;
}

static int run_udp(struct nc *n)
{
	struct l4_endpoint to;
	struct l4_event ev[16];
	bool has_to = !n->listen;
	l4_ep ep = 0;
	memset(&to, 0, sizeof(to));
	if (!n->listen) {
		int k = resolve(n, &to, 1);
		if (k < 0)
			return k == L4_EABORTED ? L4_EXIT_SYSTEM : L4_EXIT_NO;
	}
	int rc = open_udp(n, &ep, has_to ? &to : NULL);
	if (rc < 0) {
		fprintf(stderr, "l4 nc: UDP port %u: %s\n", n->port, l4_err_text(rc));
		return L4_EXIT_SYSTEM;
	}
	l4_time last = stack_now(&n->s);
	for (;;) {
		rc = move_udp(n, ep, &to, &has_to);
		if (rc < 0)
			break;
		if (rc > 0)
			last = stack_now(&n->s);
		if (n->in_eof && n->shut && !n->in_n)
			break;
		l4_time until = rc > 0 ? last : n->wait ? last + n->wait : L4_TIME_NEVER;
		watch(n, has_to && !n->in_eof && !n->in_n, outq_waiting(&n->out) > 0);
		if (n->wait && rc == 0 && stack_now(&n->s) >= until)
			break;
		if (!stack_step(&n->s, until)) {
			rc = n->s.failed ? L4_ESYS : 0;
			break;
		}
		while (l4_host_events(n->s.host, ev, 16) > 0)
			;
	}
	watch(n, false, false);
	l4_udp_close(n->s.host, ep, stack_now(&n->s));
	if (!n->s.failed)
		l4_loop_once(n->s.loop, stack_now(&n->s)); /* the last datagram, the leave */
	if (n->out.errnum)
		return output_failed(n);
	if (rc < 0) {
		fprintf(stderr, "l4 nc: UDP: %s\n", l4_err_text(rc));
		return n->s.failed ? L4_EXIT_SYSTEM : L4_EXIT_NO;
	}
	return L4_EXIT_DONE;
}

int cmd_nc(int argc, char **argv)
{
	static struct nc n;
	memset(&n, 0, sizeof(n));
	int rc = parse(&n, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	rc = stack_open(&n.s, &n.so, "nc");
	if (rc != L4_EXIT_DONE)
		return rc;
	outq_init(&n.out, STDOUT_FILENO);
	rc = n.udp ? run_udp(&n) : n.listen ? listen_tcp(&n) : connect_tcp(&n);
	outq_fini(&n.out);
	stack_close(&n.s);
	return rc;
}
