/* l4 bench: what a path carries, between two of us, us and the kernel, or in memory.
 *
 * Server and client are machines without hands (bench_server.c, bench_client.c) on a net: our stack
 * on a device, the kernel's sockets, or one of two hosts in this process. Here the options become a
 * test, and the loops turn. */
#define _GNU_SOURCE /* close_range */
#include "cli/bench.h"

#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dnsc.h"
#include "cli/signals.h"

#define DEFAULT_TIME    (10 * L4_SEC)
#define DEFAULT_UDP_BPS 1000000 /* as iperf3 */
#define GOODBYE         (2 * L4_SEC)

struct bench {
	struct stack_opts so;
	bool server, memory, kernel, reverse, bidir, rr, crr, has_rate, has_len;
	struct l4_prefix against; /* --against-kernel */
	bool has_against;
	struct bench_server_config sc;
	struct bench_client_config cc;
	uint16_t port;
	char text[L4_ADDR_TEXT_MAX];
};

static void usage(void)
{
	printf(
	    "Usage: l4 bench [OPTION...] HOST\n"
	    "       l4 bench [OPTION...] --server\n"
	    "       l4 bench [OPTION...] --memory\n\n"
	    "Measures what a path carries: layer4's own stack on a device at either end, or the\n"
	    "kernel's sockets (--kernel), or both ends in this process (--memory).\n\n"
	    "  -s, --server          wait for clients\n"
	    "  -1, --one-off         with --server: end after one test\n"
	    "      --bind A          with --server: listen on this address only\n"
	    "  -m, --memory          server and client in this process, without a network\n"
	    "  -K, --kernel          this end over the kernel's sockets, without a device\n"
	    "      --against-kernel A/LEN  with -d tap: or tun: the server is a process of our\n"
	    "                        own on the kernel's sockets; the interface gets this address\n"
	    "  -p, --port N          the server's port, TCP and UDP (5210)\n\n"
	    "What is measured (default: bulk, to the server):\n"
	    "  -R, --reverse         from the server\n"
	    "      --bidir           both ways at once\n"
	    "      --rr              requests and answers, one after the other\n"
	    "      --crr             a connection for each request and answer\n"
	    "  -u, --udp             datagrams\n"
	    "  -P, --parallel N      streams, or requests at a time (1)\n"
	    "  -t, --time T          for this time (10s)\n"
	    "  -n, --bytes N         until each stream has moved so many bytes (k, M, G);\n"
	    "                        with --rr and --crr: so many transactions\n"
	    "  -l, --length N        bytes of a write (131072), datagram (1448), request (64)\n"
	    "  -b, --bitrate N       bits a second and stream (k, M, G); 0: no limit\n"
	    "                        (UDP: 1M, TCP: no limit)\n"
	    "  -w, --window N        bytes of send and receive buffer (tuned by themselves)\n"
	    "  -C, --congestion NAME reno, cubic or bbr\n"
	    "      --no-offload      plain frames of at most the MTU, checksums by us\n"
	    "  -i, --interval T      a line each (1s); 0: none\n"
	    "      --connect-timeout T   for the server's answer (5s)\n"
	    "  -q, --quiet           with --server: no line for each test\n\n"
	    "%s\n"
	    "Exit: 0 done, 1 no server or it ended the test, 2 wrong use, 3 the system failed.\n\n"
	    "Examples:\n"
	    "  l4 bench --memory -t 2\n"
	    "  l4 bench --server --kernel\n"
	    "  l4 bench -d tap:l4 -a 10.4.0.2/24 -P 4 10.4.0.1\n"
	    "  l4 bench -d tap:l4 -a 10.4.0.2/24 --against-kernel 10.4.0.1/24 --rr\n"
	    "  l4 bench -d packet:eth0 --shared -u -b 100M --reverse 192.0.2.7\n",
	    stack_help);
}

static const struct option longs[] = { STACK_LONG, { "server", no_argument, NULL, 's' },
	{ "one-off", no_argument, NULL, '1' }, { "bind", required_argument, NULL, 1000 },
	{ "memory", no_argument, NULL, 'm' }, { "kernel", no_argument, NULL, 'K' },
	{ "against-kernel", required_argument, NULL, 1001 },
	{ "port", required_argument, NULL, 'p' }, { "reverse", no_argument, NULL, 'R' },
	{ "bidir", no_argument, NULL, 1002 }, { "rr", no_argument, NULL, 1003 },
	{ "crr", no_argument, NULL, 1004 }, { "udp", no_argument, NULL, 'u' },
	{ "parallel", required_argument, NULL, 'P' }, { "time", required_argument, NULL, 't' },
	{ "bytes", required_argument, NULL, 'n' }, { "length", required_argument, NULL, 'l' },
	{ "bitrate", required_argument, NULL, 'b' }, { "window", required_argument, NULL, 'w' },
	{ "congestion", required_argument, NULL, 'C' }, { "no-offload", no_argument, NULL, 1005 },
	{ "interval", required_argument, NULL, 'i' },
	{ "connect-timeout", required_argument, NULL, 1006 }, { "quiet", no_argument, NULL, 'q' },
	{ NULL, 0, NULL, 0 } };

/* --- options --- */

/* A whole number with k, M or G behind it, in thousands, or Ki, Mi, Gi. */
static int amount(uint64_t *out, const char *arg, const char *what, uint64_t lo, uint64_t hi)
{
	char *end;
	errno = 0;
	double v = strtod(arg, &end);
	double unit = 1;
	bool ok = end != arg && !errno && v >= 0;
	if (*end) {
		const char *at = strchr("kKmMgGtT", *end);
		double base = end[1] == 'i' ? 1024 : 1000;
		ok = ok && at;
		for (long i = at ? (at - "kKmMgGtT") / 2 : -1; i >= 0; i--)
			unit *= base;
		ok = ok && !end[end[1] == 'i' ? 2 : 1];
	}
	if (ok && v * unit >= (double)lo && v * unit <= (double)hi) {
		*out = (uint64_t)(v * unit);
		return 1;
	}
	fprintf(stderr, "l4 bench: %s: '%s' is not a number from %llu to %llu\n", what, arg,
	    (unsigned long long)lo, (unsigned long long)hi);
	return -1;
}

static int duration(l4_time *out, const char *arg, const char *what, l4_time lo)
{
	if (stack_parse_time(out, arg) == 0 && *out >= lo)
		return 1;
	fprintf(stderr, "l4 bench: %s: '%s' is not a time\n", what, arg);
	return -1;
}

static int switches(struct bench *b, int c)
{
	switch (c) {
	case 's':
		b->server = true;
		return 1;
	case '1':
		b->sc.one_off = true;
		return 1;
	case 'm':
		b->memory = true;
		return 1;
	case 'K':
		b->kernel = true;
		return 1;
	case 'R':
		b->reverse = true;
		return 1;
	case 'u':
		b->cc.t.udp = true;
		return 1;
	case 'q':
		b->sc.quiet = true;
		return 1;
	case 1002:
		b->bidir = true;
		return 1;
	case 1003:
		b->rr = true;
		return 1;
	case 1004:
		b->crr = true;
		return 1;
	case 1005:
		b->so.no_offload = true;
		return 1;
	default:
		return 0;
	}
}

static int own_option(struct bench *b, int c, const char *arg)
{
	uint64_t n = 0;
	int rc;
	switch (c) {
	case 'p':
		rc = amount(&n, arg, "--port", 1, 65535);
		b->port = (uint16_t)n;
		return rc;
	case 'P':
		rc = amount(&n, arg, "--parallel", 1, BENCH_STREAMS);
		b->cc.t.streams = (unsigned)n;
		return rc;
	case 't':
		return duration(&b->cc.t.time, arg, "--time", L4_MSEC);
	case 'n':
		return amount(&b->cc.t.bytes, arg, "--bytes", 1, 1000000000000000);
	case 'l':
		rc = amount(&n, arg, "--length", 1, BENCH_LEN_MAX);
		b->cc.t.len = (uint32_t)n;
		b->has_len = true;
		return rc;
	case 'b':
		b->has_rate = true;
		return amount(&b->cc.t.rate_bps, arg, "--bitrate", 0, 1000000000000);
	case 'w':
		rc = amount(&n, arg, "--window", 4096, 1u << 30);
		b->cc.tune.window = b->cc.t.window = (uint32_t)n;
		return rc;
	case 'C':
		if (strcmp(arg, "reno") && strcmp(arg, "cubic") && strcmp(arg, "bbr")) {
			fprintf(stderr, "l4 bench: --congestion: '%s' is not reno, cubic or bbr\n",
			    arg);
			return -1;
		}
		b->cc.tune.congestion = b->sc.tune.congestion = arg;
		return 1;
	case 'i':
		return duration(&b->cc.interval, arg, "--interval", 0);
	case 1000:
		if (l4_addr_parse(&b->sc.at.addr, arg) == 0)
			return 1;
		fprintf(stderr, "l4 bench: --bind: '%s' is not an address\n", arg);
		return -1;
	case 1001:
		b->has_against = true;
		if (strchr(arg, '/') && l4_prefix_parse(&b->against, arg) == 0 &&
		    l4_addr_is_ip4(&b->against.addr))
			return 1;
		fprintf(stderr,
		    "l4 bench: --against-kernel: '%s' is not an IPv4 address with its prefix "
		    "length (as 10.4.0.1/24)\n",
		    arg);
		return -1;
	case 1006:
		return duration(&b->cc.connect_timeout, arg, "--connect-timeout", 1);
	default:
		rc = switches(b, c);
		return rc ? rc : -1;
	}
}

static int wrong(const char *what)
{
	fprintf(stderr, "l4 bench: %s; see 'l4 bench --help'\n", what);
	return -1;
}

/* What does not go together. */
static int check(const struct bench *b)
{
	const struct bench_test *t = &b->cc.t;
	if (b->server && (b->memory || b->has_against || b->cc.host))
		return wrong("--server takes no HOST, --memory or --against-kernel");
	if (b->memory && (b->kernel || b->so.device || b->cc.host))
		return wrong("--memory takes no HOST, no device and no --kernel");
	if (b->kernel && (b->so.device || b->has_against))
		return wrong("--kernel goes without a device");
	if (b->has_against && b->cc.host)
		return wrong("--against-kernel takes no HOST: it is the address that it names");
	if (b->has_against && b->so.device && strncmp(b->so.device, "tap:", 4) != 0 &&
	    strncmp(b->so.device, "tun:", 4) != 0)
		return wrong("--against-kernel goes with -d tap:NAME or tun:NAME");
	if (!b->server && !b->memory && !b->has_against && !b->cc.host)
		return wrong("no host, and neither --server nor --memory");
	if (!b->server && (b->sc.one_off || b->sc.quiet))
		return wrong("--one-off and --quiet go with --server");
	if (b->rr + b->crr + b->reverse + b->bidir > 1)
		return wrong("--rr, --crr, --reverse and --bidir: one of them");
	if (b->crr && (t->udp || b->so.shared))
		return wrong("--crr does not go with --udp or --shared");
	if (t->udp && (t->len < BENCH_DGRAM || t->len > 65507))
		return wrong("--udp: a datagram has 32 to 65507 bytes (--length)");
	return 0;
}

static void settle(struct bench *b)
{
	struct bench_test *t = &b->cc.t;
	t->mode = b->rr ? BENCH_RR : b->crr ? BENCH_CRR : BENCH_BULK;
	t->up = !b->reverse;
	t->down = b->reverse || b->bidir;
	if (!b->has_len)
		t->len = t->mode != BENCH_BULK ? 64 : t->udp ? 1448 : 131072;
	if (!b->has_rate && t->udp && t->mode == BENCH_BULK)
		t->rate_bps = DEFAULT_UDP_BPS;
	if (!t->time && !t->bytes)
		t->time = DEFAULT_TIME;
	b->cc.json = b->sc.json = b->so.json;
	b->sc.at.port = b->cc.to.port = b->port;
}

static int parse(struct bench *b, int argc, char **argv)
{
	int c;
	b->port = BENCH_PORT;
	b->cc.t.streams = 1;
	b->cc.interval = L4_SEC;
	b->cc.connect_timeout = 5 * L4_SEC;
	optind = 1;
	while ((c = getopt_long(
		    argc, argv, STACK_SHORT "s1mKp:RuP:t:n:l:b:w:C:i:q", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		int rc = stack_opt(&b->so, "bench", c, optarg);
		if (rc == 0)
			rc = own_option(b, c, optarg);
		if (rc < 0)
			return -1;
	}
	if (optind + 1 < argc)
		return wrong("more than one host");
	if (optind < argc)
		b->cc.host = argv[optind];
	settle(b);
	return check(b);
}

/* --- names --- */

static int resolve_kernel(struct bench *b)
{
	const struct addrinfo hint = { .ai_family = AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG };
	struct addrinfo *a;
	if (l4_addr_parse(&b->cc.to.addr, b->cc.host) == 0)
		return L4_EXIT_DONE;
	int e = getaddrinfo(b->cc.host, NULL, &hint, &a);
	if (e) {
		fprintf(stderr, "l4 bench: %s: %s\n", b->cc.host, gai_strerror(e));
		return L4_EXIT_NO;
	}
	const struct sockaddr_in6 *s = (const void *)a->ai_addr;
	memcpy(b->cc.to.addr.b, &s->sin6_addr, 16);
	b->cc.to.ifindex = (uint16_t)s->sin6_scope_id;
	freeaddrinfo(a);
	return L4_EXIT_DONE;
}

/* --- loops --- */

static int serve(struct bench *b, struct bench_net *n)
{
	char text[L4_ENDPOINT_TEXT_MAX] = "";
	struct bench_server *s = bench_server_new(n, &b->sc);
	if (!s)
		return L4_EXIT_SYSTEM;
	snprintf(text, sizeof text, "port %u", b->port);
	if (!l4_addr_is_any(&b->sc.at.addr))
		l4_endpoint_format(&b->sc.at, text, sizeof text);
	fprintf(stderr, "l4 bench: serving on %s, over %s\n", text, n->what);
	bool on = true;
	while (on && !bench_server_over(s)) {
		bench_server_run(s);
		on = n->ops->step(n, bench_server_deadline(s), false);
	}
	for (int i = 0; i < 3 && !n->failed; i++) /* what was said last leaves */
		n->ops->step(n, n->ops->now(n), true);
	fprintf(stderr, "l4 bench: %llu tests\n", (unsigned long long)bench_server_tests(s));
	bench_server_free(s);
	if (!n->failed)
		n->ops->step(n, n->ops->now(n), true);
	return n->failed ? L4_EXIT_SYSTEM : L4_EXIT_DONE;
}

/* Turns until the client is through; a signal ends the test early, a second one at once. */
static int turn(struct bench_client *c, struct bench_net *n)
{
	int rc;
	l4_time give_up = L4_TIME_NEVER;
	while ((rc = bench_client_over(c)) < 0) {
		bench_client_run(c);
		l4_time now = n->ops->now(n), until = bench_client_deadline(c);
		if (now >= give_up)
			return L4_EXIT_NO;
		until = until < give_up ? until : give_up;
		if (bench_client_over(c) >= 0)
			until = now;
		if (!n->ops->step(n, until, give_up != L4_TIME_NEVER) && !n->failed) {
			bench_client_stop(c);
			give_up = now + GOODBYE;
		}
		if (n->failed)
			return L4_EXIT_SYSTEM;
	}
	return rc;
}

static int ask(struct bench *b, struct bench_net *n)
{
	if (getrandom(&b->cc.t.id, sizeof b->cc.t.id, 0) != (ssize_t)sizeof b->cc.t.id)
		return L4_EXIT_SYSTEM;
	struct bench_client *c = bench_client_new(n, &b->cc);
	if (!c)
		return L4_EXIT_SYSTEM;
	int rc = turn(c, n);
	bench_client_free(c);
	for (int i = 0; i < 3 && !n->failed; i++) /* the last segments leave */
		n->ops->step(n, n->ops->now(n), true);
	return rc;
}

static int in_memory(struct bench *b)
{
	struct bench_net *n[2];
	struct bench_server *s = NULL;
	struct bench_client *c = NULL;
	int rc = bench_memory_new(n, &b->so);
	if (rc != L4_EXIT_DONE)
		return rc;
	signals_init();
	b->sc.quiet = true;
	b->cc.host = "10.0.0.2";
	l4_addr_parse(&b->cc.to.addr, b->cc.host);
	rc = L4_EXIT_SYSTEM;
	if (getrandom(&b->cc.t.id, sizeof b->cc.t.id, 0) == (ssize_t)sizeof b->cc.t.id)
		s = bench_server_new(n[1], &b->sc);
	if (s)
		c = bench_client_new(n[0], &b->cc);
	bool stopped = false;
	while (c && (rc = bench_client_over(c)) < 0) {
		bench_client_run(c);
		l4_time now = n[0]->ops->now(n[0]);
		if (!n[0]->ops->step(n[0], now, stopped)) {
			bench_client_stop(c);
			stopped = true;
			continue;
		}
		bench_server_run(s);
		l4_time until = bench_client_deadline(c), other = bench_server_deadline(s);
		n[1]->ops->step(n[1], until < other ? until : other, true);
	}
	bench_memory_settle(n[0]);
	bench_client_free(c);
	bench_server_free(s);
	for (int i = 0; i < 2; i++)
		n[i]->ops->close_all(n[i]);
	return rc;
}

/* --- the kernel of this machine as the peer --- */

static int give_address(const struct bench *b)
{
	struct ifreq r = { 0 };
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t bits = b->against.len - 96u;
	uint32_t mask = bits ? 0xffffffffu << (32 - bits) : 0;
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", strchr(b->so.device, ':') + 1);
	memcpy(&a.sin_addr, b->against.addr.b + 12, 4);
	memcpy(&r.ifr_addr, &a, sizeof a);
	int e = fd < 0 ? -1 : ioctl(fd, SIOCSIFADDR, &r);
	if (e == 0) {
		a.sin_addr.s_addr = htonl(mask);
		memcpy(&r.ifr_netmask, &a, sizeof a);
		e = ioctl(fd, SIOCSIFNETMASK, &r);
	}
	if (e < 0)
		fprintf(stderr, "l4 bench: %s: giving it an address: %s\n", b->so.device,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	return e;
}

/* The child: a server on the kernel's sockets, until its parent goes. */
static void serve_child(struct bench *b, int ready)
{
	struct bench_net *n;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* of the terminal: the parent ends us */
	if (ready > 3)
		close_range(3, (unsigned)ready - 1, 0);
	close_range((unsigned)ready + 1, ~0u, 0); /* the device is the parent's */
	b->sc.quiet = true;
	b->sc.at.addr = b->against.addr;
	if (bench_kernel_new(&n) != L4_EXIT_DONE)
		_exit(L4_EXIT_SYSTEM);
	signal(SIGINT, SIG_IGN);
	struct bench_server *s = bench_server_new(n, &b->sc);
	if (!s || write(ready, "r", 1) != 1)
		_exit(L4_EXIT_SYSTEM);
	while (n->ops->step(n, bench_server_deadline(s), false))
		bench_server_run(s);
	_exit(0);
}

static int against_kernel(struct bench *b, struct bench_net *n)
{
	int p[2], status, rc = L4_EXIT_SYSTEM;
	char r;
	if (give_address(b) < 0 || pipe(p) < 0)
		return L4_EXIT_SYSTEM;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		serve_child(b, p[1]);
	close(p[1]);
	if (child > 0 && read(p[0], &r, 1) == 1) {
		l4_addr_format(&b->against.addr, b->text, sizeof b->text);
		b->cc.host = b->text;
		b->cc.to.addr = b->against.addr;
		rc = ask(b, n);
	}
	close(p[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	return rc;
}

/* --- the command --- */

static int run(struct bench *b)
{
	struct bench_net *n;
	if (b->memory)
		return in_memory(b);
	int rc = b->kernel ? bench_kernel_new(&n) : bench_stack_new(&n, &b->so);
	if (rc != L4_EXIT_DONE)
		return rc;
	if (b->server)
		rc = serve(b, n);
	else if (b->has_against)
		rc = against_kernel(b, n);
	else if ((rc = b->kernel
			   ? resolve_kernel(b)
			   : bench_stack_resolve(n, b->cc.host, &b->cc.to.addr)) == L4_EXIT_DONE)
		rc = ask(b, n);
	n->ops->close_all(n);
	return rc;
}

int cmd_bench(int argc, char **argv)
{
	struct bench b;
	memset(&b, 0, sizeof b);
	int rc = parse(&b, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	return rc < 0 ? L4_EXIT_USAGE : run(&b);
}
