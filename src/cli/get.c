/* l4 get: a file by HTTP/1.1 over our own TCP.
 *
 * The response machine (httpc.c) is fed with bytes lent in place by the connection; the body goes
 * to the output as fast as that takes it, and while it does not, nothing more is read, so that the
 * window closes. A transfer is good only when the response's own framing says that it is whole. */
#include <layer4/err.h>
#include <layer4/http.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/dnsc.h"
#include "cli/httpc.h"
#include "cli/info.h"
#include "cli/json.h"
#include "cli/outq.h"
#include "cli/progress.h"
#include "cli/stack.h"
#include "cli/tcpc.h"

#define URL_MAX_LEN 8192
#define HEADERS_MAX 64
#define REDIRECTS   10
#define SLICE       16384 /* bytes read over at a time: bounds what they may inflate to */

struct get {
	struct stack_opts so;
	const char *output; /* NULL: standard output */
	const char *headers[HEADERS_MAX];
	size_t headers_n;
	bool head, follow, resume, no_gzip, quiet, include;
	l4_time timeout, connect_timeout;
	char url[URL_MAX_LEN];
	/* the transfer */
	struct stack s;
	struct httpc h;
	struct outq out;
	int fd;                 /* of -o */
	uint64_t have;          /* bytes that -C found */
	bool complete;          /* -C: nothing was missing */
	bool wanted;            /* the body goes to the output */
	char next[URL_MAX_LEN]; /* where a redirect leads */
	bool redirect;
	char *head_text; /* of --head and --include */
	struct progress progress;
};

static void usage(void)
{
	printf(
	    "Usage: l4 get [OPTION...] URL\n\n"
	    "Fetches a file by HTTP/1.1 over layer4's own TCP and checks that it is whole.\n\n"
	    "  -o, --output FILE     write to a file (default: standard output)\n"
	    "  -C, --continue        go on where the file of -o ends\n"
	    "  -L, --location        follow redirects (at most 10)\n"
	    "  -I, --head            ask for the head only and print it\n"
	    "  -i, --include         print the head before the body\n"
	    "  -H, --header LINE     send 'Name: value'; 'Name:' takes one of ours away\n"
	    "      --no-gzip         do not ask for compression\n"
	    "      --timeout T       give up after this time without a byte (30s)\n"
	    "      --connect-timeout T   give up connecting after this time (15s)\n"
	    "  -q, --quiet           no progress\n\n"
	    "%s\n"
	    "Exit: 0 fetched whole, 1 refused, no such host or file, no reply, 2 wrong use, 3 the\n"
	    "system failed or the response was damaged or cut.\n\n"
	    "Examples:\n"
	    "  l4 get -d packet:eth0 --shared http://example.org/ -o page.html\n"
	    "  l4 get -d tap:l4 -a 10.4.0.2/24 --trace --info http://10.4.0.1/\n",
	    stack_help);
}

static const struct option longs[] = { STACK_LONG, { "output", required_argument, NULL, 'o' },
	{ "continue", no_argument, NULL, 'C' }, { "location", no_argument, NULL, 'L' },
	{ "head", no_argument, NULL, 'I' }, { "include", no_argument, NULL, 'i' },
	{ "header", required_argument, NULL, 'H' }, { "quiet", no_argument, NULL, 'q' },
	{ "no-gzip", no_argument, NULL, 1000 }, { "timeout", required_argument, NULL, 1001 },
	{ "connect-timeout", required_argument, NULL, 1002 }, { NULL, 0, NULL, 0 } };

static int own_option(struct get *g, int c, const char *arg)
{
	switch (c) {
	case 'o':
		g->output = strcmp(arg, "-") == 0 ? NULL : arg;
		return 1;
	case 'C':
		g->resume = true;
		return 1;
	case 'L':
		g->follow = true;
		return 1;
	case 'I':
		g->head = true;
		return 1;
	case 'i':
		g->include = true;
		return 1;
	case 'q':
		g->quiet = true;
		return 1;
	case 'H':
		if (g->headers_n == HEADERS_MAX) {
			fprintf(stderr, "l4 get: more than %d headers\n", HEADERS_MAX);
			return -1;
		}
		g->headers[g->headers_n++] = arg;
		return 1;
	case 1000:
		g->no_gzip = true;
		return 1;
	case 1001:
	case 1002:
		if (stack_parse_time(c == 1001 ? &g->timeout : &g->connect_timeout, arg) < 0) {
			fprintf(stderr, "l4 get: not a time: '%s'\n", arg);
			return -1;
		}
		return 1;
	default:
		return -1;
	}
}

static int check_url(const char *url)
{
	struct l4_url u;
	int rc = l4_url_parse(&u, url, strlen(url));
	if (rc == L4_EUNSUPPORTED)
		fprintf(stderr, "l4 get: '%s': user names in URLs are not supported\n", url);
	else if (rc < 0)
		fprintf(stderr, "l4 get: '%s' is not a URL\n", url);
	else if (!l4_http_str_is(u.scheme, "http"))
		fprintf(stderr, "l4 get: '%s': only http is spoken here, not %.*s\n", url,
		    (int)u.scheme.len, u.scheme.p);
	else
		return 0;
	return -1;
}

static int parse(struct get *g, int argc, char **argv)
{
	int c;
	g->timeout = 30 * L4_SEC;
	g->connect_timeout = 15 * L4_SEC;
	optind = 1;
	while ((c = getopt_long(argc, argv, STACK_SHORT "o:CLIiH:q", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		int rc = stack_opt(&g->so, "get", c, optarg);
		if (rc == 0)
			rc = own_option(g, c, optarg);
		if (rc < 0)
			return -1;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "l4 get: %s; see 'l4 get --help'\n",
		    optind == argc ? "no URL" : "more than one URL");
		return -1;
	}
	const char *scheme = strstr(argv[optind], "://") ? "" : "http://";
	int n = snprintf(g->url, sizeof(g->url), "%s%s", scheme, argv[optind]);
	if (n < 0 || (size_t)n >= sizeof(g->url)) {
		fprintf(stderr, "l4 get: the URL is too long\n");
		return -1;
	}
	if (g->resume && !g->output) {
		fprintf(stderr, "l4 get: --continue needs a file (-o FILE)\n");
		return -1;
	}
	for (size_t i = 0; i < g->headers_n; i++) {
		const char *colon = strchr(g->headers[i], ':');
		if (!colon || !l4_http_token_ok(g->headers[i], (size_t)(colon - g->headers[i])) ||
		    !l4_http_value_ok(colon + 1, strlen(colon + 1))) {
			fprintf(stderr, "l4 get: '%s' is not a header line\n", g->headers[i]);
			return -1;
		}
	}
	return check_url(g->url);
}

/* --- the output --- */

static int open_output(struct get *g, bool append)
{
	if (!g->output)
		return 0;
	g->fd =
	    open(g->output, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
	if (g->fd < 0) {
		g->out.errnum = errno;
		return L4_ESYS;
	}
	outq_fini(&g->out);
	outq_init(&g->out, g->fd);
	return 0;
}

static int print_head(struct get *g, const struct l4_http_head *h)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "HTTP/1.%u %u %.*s\r\n", h->minor, h->status,
	    h->reason.len < 200 ? (int)h->reason.len : 200, h->reason.p ? h->reason.p : "");
	int rc = outq_put(&g->out, line, (size_t)n);
	for (unsigned i = 0; i < h->fields_n && rc == 0; i++) {
		const struct l4_http_field *f = &h->fields[i];
		rc = outq_put(&g->out, f->name.p, f->name.len);
		if (rc == 0)
			rc = outq_put(&g->out, ": ", 2);
		if (rc == 0)
			rc = outq_put(&g->out, f->value.p, f->value.len);
		if (rc == 0)
			rc = outq_put(&g->out, "\r\n", 2);
	}
	return rc < 0 ? rc : outq_put(&g->out, "\r\n", 2);
}

/* Where a Content-Range begins ("bytes 5-9/10"); false when it says no such thing. */
static bool range_begins(struct l4_http_str v, uint64_t want)
{
	char text[64];
	unsigned long long first;
	if (!v.p || v.len >= sizeof(text))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	return sscanf(text, "bytes %llu-", &first) == 1 && first == want;
}

static bool range_is_size(struct l4_http_str v, uint64_t size)
{
	char text[64];
	unsigned long long all;
	if (!v.p || v.len >= sizeof(text))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = '\0';
	return sscanf(text, "bytes */%llu", &all) == 1 && all == size;
}

static int on_redirect(struct get *g, const struct l4_http_head *h)
{
	struct l4_http_str loc = l4_http_find(h, "location");
	struct l4_url base;
	if (!loc.p)
		return 0;
	l4_url_parse(&base, g->url, strlen(g->url));
	int rc = l4_url_resolve(&base, loc, g->next, sizeof(g->next));
	if (rc < 0)
		return rc;
	g->redirect = true;
	return 0;
}

static int on_head(void *ctx, const struct l4_http_head *h)
{
	struct get *g = ctx;
	bool moved = h->status == 301 || h->status == 302 || h->status == 303 || h->status == 307 ||
		     h->status == 308;
	g->wanted = !g->head;
	if (moved && g->follow) {
		int rc = on_redirect(g, h);
		if (rc < 0 || g->redirect) {
			g->wanted = false;
			return rc;
		}
	}
	if (g->have && h->status == 416 &&
	    range_is_size(l4_http_find(h, "content-range"), g->have)) {
		g->complete = true;
		g->wanted = false;
		return 0;
	}
	if (h->status >= 400 && g->output) { /* an error page is not the file */
		g->wanted = false;
		return 0;
	}
	bool append = g->have && h->status == 206;
	if (append && !range_begins(l4_http_find(h, "content-range"), g->have))
		return L4_EMALFORMED;
	int rc = g->fd < 0 ? open_output(g, append) : 0;
	if (rc == 0 && (g->head || g->include))
		rc = print_head(g, h);
	g->progress.total = h->has_length ? h->content_length : 0;
	return rc;
}

static int on_body(void *ctx, const void *data, size_t n)
{
	struct get *g = ctx;
	return g->wanted ? outq_put(&g->out, data, n) : 0;
}

/* --- one exchange --- */

static void on_ready(void *ctx, int fd, short revents)
{
	(void)ctx;
	(void)fd;
	(void)revents;
}

/* Feeds what has arrived to the machine. Returns bytes moved, 0 at the end of the stream, L4_E*. */
static int64_t feed(struct get *g, struct tcpc *c)
{
	struct l4_piece p[2];
	int n = l4_tcp_peek(g->s.host, c->ep, p);
	if (n <= 0)
		return n;
	size_t len = p[0].len < SLICE || !g->h.gzip ? p[0].len : SLICE;
	size_t took = httpc_input(&g->h, p[0].data, len);
	l4_tcp_consume(g->s.host, c->ep, took, stack_now(&g->s));
	return (int64_t)(took ? took : len);
}

/* Sends the request. 0 or L4_E*. */
static int send_all(struct get *g, struct tcpc *c, const char *p, size_t n, l4_time until)
{
	while (n) {
		int64_t k = l4_tcp_send(g->s.host, c->ep, p, n, 0, stack_now(&g->s));
		if (k > 0) {
			p += k;
			n -= (size_t)k;
			continue;
		}
		if (k < 0 && k != L4_EAGAIN)
			return (int)k;
		if (stack_now(&g->s) >= until)
			return L4_ETIMEDOUT;
		if (!stack_step(&g->s, until))
			return g->s.failed ? L4_ESYS : L4_EABORTED;
		tcpc_events(c);
	}
	return 0;
}

/* Receives the response. 0 when the machine has come to its end, or L4_E*. */
static int receive(struct get *g, struct tcpc *c)
{
	l4_time last = stack_now(&g->s);
	bool watching = false;
	int rc = 0;
	while (g->h.phase == HTTPC_HEAD || g->h.phase == HTTPC_BODY || outq_waiting(&g->out)) {
		l4_time now = stack_now(&g->s);
		if (outq_flush(&g->out) < 0)
			break;
		bool slow = outq_waiting(&g->out) > 0;
		int64_t n = L4_EAGAIN;
		if (!slow && g->h.phase < HTTPC_DONE) {
			n = feed(g, c);
			if (n > 0) {
				last = now;
				progress_show(&g->progress, g->h.wire_bytes, now);
				/* let acknowledgments out after each bite */
				if (!stack_step(&g->s, now)) {
					rc = g->s.failed ? L4_ESYS : L4_EABORTED;
					break;
				}
				tcpc_events(c);
				continue;
			}
			if (n != L4_EAGAIN) {
				httpc_end(&g->h, n == 0);
				rc = n == 0 ? 0 : (int)n;
				continue;
			}
		}
		if (slow != watching) {
			l4_loop_watch(g->s.loop, g->out.fd, slow ? POLLOUT : 0, on_ready, g);
			watching = slow;
		}
		if (!slow && now - last >= g->timeout) {
			rc = L4_ETIMEDOUT;
			break;
		}
		if (!stack_step(&g->s, slow ? L4_TIME_NEVER : last + g->timeout)) {
			rc = g->s.failed ? L4_ESYS : L4_EABORTED;
			break;
		}
		tcpc_events(c);
	}
	if (watching)
		l4_loop_watch(g->s.loop, g->out.fd, 0, on_ready, g);
	return rc;
}

static int say(const struct get *g, const char *where, const char *what, int code)
{
	(void)g;
	fprintf(stderr, "l4 get: %s: %s\n", where, what);
	return code;
}

/* The exit code of an exchange, with its message. */
static int verdict(struct get *g, const char *where, int rc)
{
	char text[160];
	if (g->out.errnum) {
		snprintf(text, sizeof(text), "cannot write: %s%s", strerror(g->out.errnum),
		    g->out.errnum == ENOSPC ? " (free some and go on with -C)" : "");
		return say(g, g->output ? g->output : "standard output", text, L4_EXIT_SYSTEM);
	}
	if (rc == L4_EABORTED && g->h.phase != HTTPC_ERROR)
		return say(g, where, "interrupted", L4_EXIT_SYSTEM);
	if (rc == L4_ETIMEDOUT) {
		snprintf(text, sizeof(text), "no byte for %.0f s; %llu received",
		    (double)g->timeout / 1e9, (unsigned long long)g->h.wire_bytes);
		return say(g, where, text, g->h.phase == HTTPC_HEAD ? L4_EXIT_NO : L4_EXIT_SYSTEM);
	}
	if (g->h.phase == HTTPC_ERROR) {
		if (g->h.error == L4_ETRUNC && g->h.has_length)
			snprintf(text, sizeof(text), "%s: %llu of %llu bytes%s%s", g->h.why,
			    (unsigned long long)g->h.wire_bytes,
			    (unsigned long long)g->h.content_length, rc < 0 ? ", " : "",
			    rc < 0 ? l4_err_text(rc) : "");
		else
			snprintf(text, sizeof(text), "%s%s%s",
			    g->h.why ? g->h.why : "damaged response", rc < 0 ? ": " : "",
			    rc < 0 ? l4_err_text(rc) : "");
		return say(g, where, text, L4_EXIT_SYSTEM);
	}
	if (rc < 0)
		return say(g, where, l4_err_text(rc), L4_EXIT_SYSTEM);
	if (g->h.status >= 400 && !g->complete) {
		snprintf(text, sizeof(text), "%u %s", g->h.status, l4_http_reason(g->h.status));
		return say(g, g->url, text, L4_EXIT_NO);
	}
	return L4_EXIT_DONE;
}

static int connect_any(
    struct get *g, struct tcpc *c, const struct l4_url *u, char *where, size_t cap)
{
	struct l4_addr addr[16];
	char host[256];
	struct l4_endpoint remote;
	int n = 1, rc = L4_ENOTFOUND;
	memset(&remote, 0, sizeof(remote));
	snprintf(host, sizeof(host), "%.*s", (int)u->host.len, u->host.p);
	if (u->is_literal) {
		addr[0] = u->addr;
	} else {
		n = dnsc_resolve(&g->s, host, addr, 16);
		if (n < 0)
			return n;
	}
	remote.port = u->port;
	for (int i = 0; i < n; i++) {
		remote.addr = addr[i];
		l4_endpoint_format(&remote, where, cap);
		rc = tcpc_connect(c, &g->s, &remote, g->connect_timeout);
		if (rc == 0 || rc == L4_EABORTED || g->s.failed)
			return rc;
		fprintf(stderr, "l4 get: %s: %s\n", where, l4_err_text(rc));
	}
	return rc;
}

static int exchange(struct get *g)
{
	struct l4_url u;
	struct tcpc c;
	char where[L4_ENDPOINT_TEXT_MAX], req[URL_MAX_LEN + 16384];
	l4_url_parse(&u, g->url, strlen(g->url));
	g->redirect = false;
	bool gzip = !g->no_gzip && !g->have && !g->head;
	int len = httpc_request(req, sizeof(req), g->head ? "HEAD" : "GET", &u, g->headers,
	    g->headers_n, gzip, g->have);
	if (len < 0)
		return say(g, g->url, "the request is too large", L4_EXIT_USAGE);
	int rc = connect_any(g, &c, &u, where, sizeof(where));
	if (rc == L4_EABORTED)
		return say(g, g->url, "interrupted", L4_EXIT_SYSTEM);
	if (rc < 0)
		return g->s.failed || rc == L4_ENOMEM ? L4_EXIT_SYSTEM : L4_EXIT_NO;
	httpc_fini(&g->h);
	httpc_init(&g->h, g->head, gzip, on_head, on_body, g);
	progress_init(&g->progress, g->quiet, stack_now(&g->s));
	rc = send_all(g, &c, req, (size_t)len, stack_now(&g->s) + g->timeout);
	if (rc == 0)
		rc = receive(g, &c);
	progress_end(&g->progress);
	tcpc_finish(&c, g->h.phase == HTTPC_DONE, 2 * L4_SEC);
	if (g->so.info && c.has_info)
		info_print(stderr, &c.info, &c.local, &c.remote, g->so.json);
	if (g->h.phase == HTTPC_DONE && rc != L4_EABORTED)
		rc = 0; /* the response was whole; what came after does not matter */
	return verdict(g, where, rc);
}

/* Bytes of the file that -C goes on with. */
static int find_resume(struct get *g)
{
	struct stat st;
	if (!g->resume || stat(g->output, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode)) {
		fprintf(stderr, "l4 get: %s is not a file to go on with\n", g->output);
		return -1;
	}
	g->have = (uint64_t)st.st_size;
	return 0;
}

static int fetch(struct get *g)
{
	for (int i = 0; i <= REDIRECTS; i++) {
		int rc = exchange(g);
		if (rc != L4_EXIT_DONE || !g->redirect)
			return rc;
		memcpy(g->url, g->next, sizeof(g->url));
		if (check_url(g->url) < 0)
			return L4_EXIT_NO;
	}
	fprintf(stderr, "l4 get: more than %d redirects\n", REDIRECTS);
	return L4_EXIT_NO;
}

static void print_summary(const struct get *g)
{
	fputs("{\"url\":", stderr);
	json_cstr(stderr, g->url);
	fprintf(stderr, ",\"status\":%u,\"wire_bytes\":%llu,\"body_bytes\":%llu,\"gzip\":%s}\n",
	    g->h.status, (unsigned long long)g->h.wire_bytes, (unsigned long long)g->h.body_bytes,
	    g->h.gzip ? "true" : "false");
}

int cmd_get(int argc, char **argv)
{
	static struct get g;
	memset(&g, 0, sizeof(g));
	g.fd = -1;
	int rc = parse(&g, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	if (find_resume(&g) < 0)
		return L4_EXIT_USAGE;
	rc = stack_open(&g.s, &g.so, "get");
	if (rc != L4_EXIT_DONE)
		return rc;
	outq_init(&g.out, STDOUT_FILENO);
	rc = fetch(&g);
	if (g.so.json)
		print_summary(&g);
	if (g.fd >= 0 && close(g.fd) < 0 && rc == L4_EXIT_DONE)
		rc = say(&g, g.output, strerror(errno), L4_EXIT_SYSTEM);
	outq_fini(&g.out);
	httpc_fini(&g.h);
	stack_close(&g.s);
	return rc;
}
