/* l4 serve: static files by HTTP/1.1 over our own TCP.
 *
 * The HTTP server (httpd.c) knows no sockets; here its connections meet those of the host. Events
 * say which connection can go on; each is then pumped until neither direction moves: output as far
 * as the send buffer takes it (WRITABLE follows), input lent in place as far as the server wants it
 * (the rest stays in the receive buffer and closes the window). A connection that is done is shut
 * down and lingers a moment, so that bytes the client still sends do not reset what it has not read
 * yet (RFC 9112 9.6).
 *
 * With --workers each worker is a thread with a device, a loop, a host and an HTTP server of its
 * own: they share nothing but standard output, and the kernel deals connections out to them by
 * flow. */
#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/httpd.h"
#include "cli/info.h"
#include "cli/json.h"
#include "cli/signals.h"
#include "cli/stack.h"

#define LINGER  (2 * L4_SEC)
#define LOOK    (250 * L4_MSEC) /* how often deadlines are looked at */
#define GOODBYE (3 * L4_SEC)    /* for running transfers, after a signal */

struct client {
	struct client *prev, *next;
	l4_ep ep;
	struct httpd_conn *hc;
	struct l4_endpoint peer;
	bool eof, lingering;
	l4_time linger_until;
};

struct serve {
	struct stack_opts so;
	const char *dir;
	uint16_t port;
	struct l4_addr bind;
	uint64_t max, max_source;
	bool quiet;
	struct httpd_config hc;
	unsigned workers, index; /* of how many this is which */
	atomic_bool *over;       /* one of them has ended: all do */
	atomic_uint *listening;  /* how many of them do */
	struct httpd_mime *mime;
	int exit;
	/* running */
	struct stack s;
	struct httpd *httpd;
	l4_ep listener;
	struct client *first;
	struct client *spare; /* records are kept: an event of a batch may still point to one */
	uint64_t clients, served, refused;
	l4_time looked;
	bool log_waits;
};

static void usage(void)
{
	printf(
	    "Usage: l4 serve [OPTION...] [DIR]\n\n"
	    "Serves the files below DIR (default: the current directory) by HTTP/1.1 over\n"
	    "layer4's own TCP, with an access log on standard output.\n\n"
	    "  -p, --port N          port to listen on (80)\n"
	    "  -b, --bind A          listen on this address only\n"
	    "      --no-gzip         do not compress\n"
	    "      --no-list         no pages of directories\n"
	    "      --max-connections N   at a time (1024)\n"
	    "      --max-source N    of them from one address (256)\n"
	    "      --max-header N    bytes of a request head (16384)\n"
	    "      --header-timeout T    for a request head (10s)\n"
	    "      --idle-timeout T  between requests (30s)\n"
	    "      --stall-timeout T a client must take 8 KiB in this time (30s)\n"
	    "      --workers N       so many threads, each with its part of the connections (1);\n"
	    "                        tap, tun, packet or xdp, with an address (-a)\n"
	    "  -q, --quiet           no access log\n\n"
	    "%s\n"
	    "Exit: 0 ended by a signal, 2 wrong use, 3 the system failed.\n\n"
	    "Examples:\n"
	    "  l4 serve -d tap:l4 -a 10.4.0.2/24 /srv/www\n"
	    "  l4 serve -d packet:eth0 --shared -p 8080 .\n"
	    "  l4 serve -d tap:l4 -a 10.4.0.2/24 --workers 4 /srv/www\n",
	    stack_help);
}

static const struct option longs[] = { STACK_LONG, { "port", required_argument, NULL, 'p' },
	{ "bind", required_argument, NULL, 'b' }, { "quiet", no_argument, NULL, 'q' },
	{ "no-gzip", no_argument, NULL, 1000 }, { "no-list", no_argument, NULL, 1001 },
	{ "max-connections", required_argument, NULL, 1002 },
	{ "max-source", required_argument, NULL, 1003 },
	{ "max-header", required_argument, NULL, 1004 },
	{ "header-timeout", required_argument, NULL, 1005 },
	{ "idle-timeout", required_argument, NULL, 1006 },
	{ "stall-timeout", required_argument, NULL, 1007 },
	{ "workers", required_argument, NULL, 1008 }, { NULL, 0, NULL, 0 } };

static int number(uint64_t *out, const char *what, const char *arg, uint64_t lo, uint64_t hi)
{
	if (stack_parse_number(out, arg, lo, hi) == 0)
		return 1;
	fprintf(stderr, "l4 serve: --%s: '%s' is not a number from %llu to %llu\n", what, arg,
	    (unsigned long long)lo, (unsigned long long)hi);
	return -1;
}

static int own_option(struct serve *v, int c, const char *arg)
{
	uint64_t n = 0;
	int rc;
	switch (c) {
	case 'p':
		rc = number(&n, "port", arg, 1, 65535);
		v->port = (uint16_t)n;
		return rc;
	case 'b':
		if (l4_addr_parse(&v->bind, arg) == 0)
			return 1;
		fprintf(stderr, "l4 serve: --bind: '%s' is not an address\n", arg);
		return -1;
	case 'q':
		v->quiet = true;
		return 1;
	case 1000:
		v->hc.gzip = false;
		return 1;
	case 1001:
		v->hc.list = false;
		return 1;
	case 1002:
		return number(&v->max, "max-connections", arg, 1, 1000000);
	case 1003:
		return number(&v->max_source, "max-source", arg, 1, 1000000);
	case 1004:
		rc = number(&n, "max-header", arg, 256, 1u << 20);
		v->hc.head_max = (size_t)n;
		return rc;
	case 1005:
	case 1006:
	case 1007: {
		l4_time *t = c == 1005   ? &v->hc.head_timeout
			     : c == 1006 ? &v->hc.idle_timeout
					 : &v->hc.stall_timeout;
		if (stack_parse_time(t, arg) == 0 && *t > 0)
			return 1;
		fprintf(stderr, "l4 serve: '%s' is not a time\n", arg);
		return -1;
	}
	case 1008:
		rc = number(&n, "workers", arg, 1, L4_FANOUT_MAX);
		v->workers = (unsigned)n;
		return rc;
	default:
		return -1;
	}
}

/* What many threads cannot have: each would need its own. */
static int check_workers(const struct serve *v)
{
	const struct stack_opts *o = &v->so;
	const char *not = o->shared  ? "--shared"
			  : o->pcap  ? "--pcap"
			  : o->trace ? "--trace"
			  : o->device && !o->address_n
			      ? "addresses by DHCP or router advertisement (give one with -a)"
			      : NULL;
	if (v->workers == 1 || !not )
		return 0;
	fprintf(stderr, "l4 serve: --workers does not go with %s\n", not );
	return -1;
}

static int parse(struct serve *v, int argc, char **argv)
{
	int c;
	v->port = 80;
	v->max = 1024;
	v->workers = 1;
	v->max_source = 256;
	v->dir = ".";
	httpd_config_init(&v->hc);
	optind = 1;
	while ((c = getopt_long(argc, argv, STACK_SHORT "p:b:q", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		int rc = stack_opt(&v->so, "serve", c, optarg);
		if (rc == 0)
			rc = own_option(v, c, optarg);
		if (rc < 0)
			return -1;
	}
	if (optind + 1 < argc) {
		fprintf(stderr, "l4 serve: more than one directory; see 'l4 serve --help'\n");
		return -1;
	}
	if (optind < argc)
		v->dir = argv[optind];
	return check_workers(v);
}

/* --- the log --- */

static int64_t wall(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

static void on_log(void *ctx, const struct httpd_log *l)
{
	struct serve *v = ctx;
	char stamp[32], peer[L4_ENDPOINT_TEXT_MAX];
	time_t t = time(NULL);
	struct tm tm;
	v->served++;
	if (v->quiet)
		return;
	localtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%m/%d/%Y %H:%M:%S", &tm);
	l4_endpoint_format(l->peer, peer, sizeof(peer));
	flockfile(stdout); /* a line is one, whatever other workers say */
	if (v->so.json) {
		printf("{\"time\":\"%s\",\"peer\":\"%s\",\"method\":", stamp, peer);
		json_str(stdout, l->method.p, l->method.len);
		fputs(",\"path\":", stdout);
		json_str(stdout, l->target.p, l->target.len);
		printf(",\"status\":%u,\"bytes\":%llu,\"gzip\":%s}\n", l->status,
		    (unsigned long long)l->bytes, l->gzip ? "true" : "false");
	} else {
		printf("[%s] - %s - %.*s - %.*s\n", stamp, peer, (int)l->method.len, l->method.p,
		    (int)l->target.len, l->target.p);
	}
	funlockfile(stdout);
	v->log_waits = true;
}

/* --- clients --- */

static void forget(struct serve *v, struct client *c)
{
	if (v->so.info) {
		struct l4_tcp_info i;
		struct l4_endpoint me;
		memset(&me, 0, sizeof(me));
		if (c->ep && l4_tcp_info(v->s.host, c->ep, &i, stack_now(&v->s)) == 0) {
			l4_tcp_local(v->s.host, c->ep, &me);
			info_print(stderr, &i, &me, &c->peer, v->so.json);
		}
	}
	*(c->prev ? &c->prev->next : &v->first) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	httpd_conn_free(c->hc);
	memset(c, 0, sizeof(*c));
	c->next = v->spare;
	v->spare = c;
	v->clients--;
}

static void end_client(struct serve *v, struct client *c, bool in_order)
{
	l4_ep ep = c->ep;
	forget(v, c);
	if (in_order)
		l4_tcp_close(v->s.host, ep, stack_now(&v->s));
	else
		l4_tcp_abort(v->s.host, ep, stack_now(&v->s));
}

enum pumped { IDLE, GONE };

/* Reads and throws away what a client sends after the last answer. */
static enum pumped pump_lingering(struct serve *v, struct client *c)
{
	for (;;) {
		char waste[4096];
		int64_t n =
		    l4_tcp_recv(v->s.host, c->ep, waste, sizeof(waste), 0, stack_now(&v->s));
		if (n > 0)
			continue;
		if (n == L4_EAGAIN)
			return IDLE;
		end_client(v, c, true);
		return GONE;
	}
}

/* Output as far as it goes. 1 moved, 0 not, -1 gone. */
static int pump_out(struct serve *v, struct client *c)
{
	const void *p;
	bool more;
	size_t n;
	int moved = 0;
	l4_time now = stack_now(&v->s);
	while ((n = httpd_conn_output(c->hc, &p, &more, now)) > 0) {
		int64_t k = l4_tcp_send(v->s.host, c->ep, p, n, more ? L4_SEND_MORE : 0, now);
		if (k == L4_EAGAIN)
			return moved;
		if (k < 0) {
			end_client(v, c, false);
			return -1;
		}
		httpd_conn_sent(c->hc, (size_t)k, now);
		moved = 1;
	}
	return moved;
}

/* Input as far as it is wanted. As pump_out. */
static int pump_in(struct serve *v, struct client *c)
{
	struct l4_piece p[2];
	int n = l4_tcp_peek(v->s.host, c->ep, p);
	l4_time now = stack_now(&v->s);
	if (n > 0) {
		size_t took = httpd_conn_input(c->hc, p[0].data, p[0].len, now);
		if (took)
			l4_tcp_consume(v->s.host, c->ep, took, now);
		return took > 0;
	}
	if (n == 0) {
		if (c->eof)
			return 0;
		c->eof = true;
		httpd_conn_eof(c->hc, now);
		return 1;
	}
	if (n == L4_EAGAIN)
		return 0;
	end_client(v, c, false);
	return -1;
}

/* Moves a connection on until nothing moves. */
static enum pumped pump(struct serve *v, struct client *c)
{
	if (c->lingering)
		return pump_lingering(v, c);
	for (;;) {
		int out = pump_out(v, c);
		if (out < 0)
			return GONE;
		enum httpd_state st = httpd_conn_state(c->hc);
		if (st == HTTPD_ABORT) {
			end_client(v, c, false);
			return GONE;
		}
		if (st == HTTPD_CLOSE) {
			c->lingering = true;
			c->linger_until = stack_now(&v->s) + LINGER;
			l4_tcp_shutdown(v->s.host, c->ep, stack_now(&v->s));
			return pump_lingering(v, c);
		}
		int in = pump_in(v, c);
		if (in < 0)
			return GONE;
		if (!in && !out)
			return IDLE;
	}
}

static uint64_t from_source(const struct serve *v, const struct l4_addr *a)
{
	uint64_t n = 0;
	for (const struct client *c = v->first; c; c = c->next)
		n += l4_addr_eq(&c->peer.addr, a);
	return n;
}

static void accept_all(struct serve *v)
{
	for (;;) {
		struct l4_endpoint peer;
		struct client *c = v->spare;
		if (!c)
			c = v->spare = calloc(1, sizeof(*c));
		if (!c)
			return;
		l4_time now = stack_now(&v->s);
		l4_ep ep = l4_tcp_accept(v->s.host, v->listener, &peer, c, now);
		if (ep < 0)
			return;
		if (v->clients < v->max && from_source(v, &peer.addr) < v->max_source)
			c->hc = httpd_conn_new(v->httpd, &peer, now);
		if (!c->hc) {
			l4_tcp_abort(v->s.host, ep, now);
			v->refused++;
			continue;
		}
		v->spare = c->next;
		l4_tcp_set(v->s.host, ep, L4_TCPOPT_NODELAY, 1, now);
		c->ep = ep;
		c->peer = peer;
		c->next = v->first;
		if (c->next)
			c->next->prev = c;
		v->first = c;
		v->clients++;
		pump(v, c);
	}
}

static void take_events(struct serve *v)
{
	struct l4_event ev[64];
	size_t n;
	while ((n = l4_host_events(v->s.host, ev, 64)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (ev[i].ep == v->listener) {
				accept_all(v);
				continue;
			}
			struct client *c = ev[i].user;
			if (!c || c->ep != ev[i].ep) /* ended by an earlier event of the batch */
				continue;
			if (ev[i].bits & L4_EV_ERROR)
				end_client(v, c, false);
			else
				pump(v, c);
		}
	}
}

static void look_at_deadlines(struct serve *v)
{
	l4_time now = stack_now(&v->s);
	if (now - v->looked < LOOK)
		return;
	v->looked = now;
	struct client *next;
	for (struct client *c = v->first; c; c = next) {
		next = c->next;
		if (c->lingering) {
			if (now >= c->linger_until)
				end_client(v, c, true);
		} else if (now >= httpd_conn_deadline(c->hc)) {
			httpd_conn_on_deadline(c->hc, now);
			pump(v, c);
		}
	}
}

/* --- the command --- */

static int start(struct serve *v)
{
	struct l4_endpoint me;
	char text[L4_ENDPOINT_TEXT_MAX];
	memset(&me, 0, sizeof(me));
	me.addr = v->bind;
	me.port = v->port;
	if (!stack_claim(&v->s, L4_PROTO_TCP, &me.port))
		return L4_EXIT_SYSTEM;
	v->listener = l4_tcp_new(v->s.host, NULL);
	int rc = v->listener < 0 ? (int)v->listener : l4_tcp_bind(v->s.host, v->listener, &me);
	if (rc == 0)
		rc = l4_tcp_listen(v->s.host, v->listener, 1024, stack_now(&v->s));
	if (rc < 0) {
		l4_endpoint_format(&me, text, sizeof(text));
		fprintf(stderr, "l4 serve: cannot listen on %s: %s\n", text, l4_err_text(rc));
		return L4_EXIT_SYSTEM;
	}
	atomic_fetch_add(v->listening, 1);
	if (v->index)
		return L4_EXIT_DONE; /* the first says where, once all listen */
	while (atomic_load(v->listening) < v->workers && !atomic_load(v->over))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	struct l4_iface_address a[8];
	int n = l4_host_addresses(v->s.host, v->s.ifindex, a, 8);
	for (int i = 0; i < n && i < 8; i++) {
		me.addr = a[i].prefix.addr;
		if (l4_addr_is_link_local(&me.addr) ||
		    (!l4_addr_is_any(&v->bind) && !l4_addr_eq(&v->bind, &me.addr)))
			continue;
		l4_endpoint_format(&me, text, sizeof(text));
		fprintf(stderr, "l4 serve: %s on http://%s/\n", v->dir, text);
	}
	return L4_EXIT_DONE;
}

static bool nobody(void *ctx)
{
	struct serve *v = ctx;
	take_events(v);
	look_at_deadlines(v);
	return v->clients == 0;
}

static int run(struct serve *v)
{
	int rc = start(v);
	if (rc != L4_EXIT_DONE)
		return rc;
	for (;;) {
		/* A signal wakes one thread; the others look. */
		bool look = v->clients || v->workers > 1;
		l4_time until = look ? stack_now(&v->s) + LOOK : L4_TIME_NEVER;
		if (v->log_waits) {
			if (fflush(stdout) != 0 && errno == EINTR) {
				clearerr(stdout); /* nobody reads, and we are to end */
			} else if (ferror(stdout)) {
				perror("l4 serve: standard output");
				return L4_EXIT_SYSTEM;
			}
			v->log_waits = false;
		}
		if (atomic_load(v->over) || !stack_step(&v->s, until))
			break;
		take_events(v);
		look_at_deadlines(v);
	}
	fflush(stdout);
	if (v->s.failed)
		return L4_EXIT_SYSTEM;
	/* no new ones; the running answers have a moment to end */
	l4_tcp_close(v->s.host, v->listener, stack_now(&v->s));
	struct client *next;
	for (struct client *c = v->first; c; c = next) {
		next = c->next;
		httpd_conn_finish(c->hc);
		pump(v, c);
	}
	stack_drain(&v->s, GOODBYE, nobody, v);
	while (v->first)
		end_client(v, v->first, false);
	l4_loop_once(v->s.loop, stack_now(&v->s));
	return L4_EXIT_DONE;
}

/* Each connection may have a file open. */
static void raise_file_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* One worker from its device on. */
static void *work(void *arg)
{
	struct serve *v = arg;
	v->hc.ctx = v;
	v->exit = L4_EXIT_SYSTEM;
	v->httpd = httpd_new(&v->hc);
	if (v->httpd)
		v->exit = stack_open(&v->s, &v->so, "serve");
	else if (v->so.opened)
		v->so.opened->ops->close(v->so.opened);
	if (v->exit == L4_EXIT_DONE) {
		v->exit = run(v);
		while (v->first)
			end_client(v, v->first, false);
		while (v->spare) {
			struct client *next = v->spare->next;
			free(v->spare);
			v->spare = next;
		}
		stack_close(&v->s);
	}
	atomic_store(v->over, true);
	httpd_free(v->httpd);
	return NULL;
}

static void say_goodbye(const struct serve *v)
{
	unsigned long long served = 0, refused = 0;
	for (unsigned i = 0; i < v->workers; i++) {
		served += v[i].served;
		refused += v[i].refused;
	}
	fprintf(stderr, "l4 serve: %llu requests answered", served);
	for (unsigned i = 0; v->workers > 1 && i < v->workers; i++)
		fprintf(stderr, "%s%llu", i ? ", " : " (", (unsigned long long)v[i].served);
	fputs(v->workers > 1 ? ")" : "", stderr);
	if (refused)
		fprintf(stderr, ", %llu connections refused", refused);
	fputc('\n', stderr);
}

/* All workers but the first in threads of their own; that one here, so that signals find it. */
static int run_workers(struct serve *v)
{
	struct l4_device *d[L4_FANOUT_MAX];
	pthread_t thread[L4_FANOUT_MAX];
	const struct l4_device_options o = stack_device_options(&v->so);
	char err[256];
	int rc = l4_device_open_many(d, v->workers, v->so.device, &o, err, sizeof(err));
	if (rc < 0) {
		fprintf(stderr, "l4 serve: %s\n", err[0] ? err : l4_err_text(rc));
		return L4_EXIT_SYSTEM;
	}
	unsigned n = v->workers, started = 1;
	for (unsigned i = 0; i < n; i++) {
		if (i)
			v[i] = v[0];
		v[i].index = i;
		v[i].so.seed += i; /* one seed, but not one stream of numbers */
		v[i].so.opened = d[i];
	}
	for (unsigned i = 0; i < n; i++)
		v[i].max = (v[i].max + n - 1) / n;
	while (started < n && pthread_create(&thread[started], NULL, work, &v[started]) == 0)
		started++;
	if (started < n) {
		fprintf(stderr, "l4 serve: no thread: %s\n", strerror(errno));
		atomic_store(v->over, true);
		for (unsigned i = started; i < n; i++)
			d[i]->ops->close(d[i]);
	}
	work(&v[0]);
	rc = v[0].exit;
	for (unsigned i = 1; i < started; i++) {
		pthread_join(thread[i], NULL);
		rc = rc == L4_EXIT_DONE ? v[i].exit : rc;
	}
	return started < n ? L4_EXIT_SYSTEM : rc;
}

/* The options are right: serves, with one worker or several. */
static int serve_all(struct serve *v)
{
	static char log_buffer[65536];
	int rc;
	raise_file_limit();
	/* Send buffers come and go by the hundred: their pages stay ours. */
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	setvbuf(stdout, log_buffer, _IOFBF, sizeof(log_buffer));
	if (v->workers > 1 && v->so.device) {
		rc = run_workers(v);
	} else {
		v->workers = 1; /* without a device there is nothing to share: it says so */
		work(v);
		rc = v->exit;
	}
	fflush(stdout);
	setvbuf(stdout, NULL, _IONBF, 0);
	if (rc == L4_EXIT_DONE)
		say_goodbye(v);
	return rc;
}

int cmd_serve(int argc, char **argv)
{
	atomic_bool over = false;
	atomic_uint listening = 0;
	struct serve first;
	memset(&first, 0, sizeof(first));
	int rc = parse(&first, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	if (httpd_dir_open(&first.hc.source, first.dir) < 0) {
		fprintf(stderr, "l4 serve: %s: %s\n", first.dir, strerror(errno));
		return L4_EXIT_USAGE;
	}
	struct serve *v = calloc(first.workers, sizeof(*v));
	if (!v) {
		httpd_dir_close(&first.hc.source);
		return L4_EXIT_SYSTEM;
	}
	*v = first;
	v->over = &over;
	v->listening = &listening;
	v->mime = httpd_mime_load("/etc/mime.types");
	v->hc.mime = v->mime;
	v->hc.wall = wall;
	v->hc.log = on_log;
	rc = serve_all(v);
	httpd_mime_free(v->mime);
	httpd_dir_close(&v->hc.source);
	free(v);
	return rc;
}
