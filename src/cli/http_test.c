/* The HTTP server and client machines against each other and against hostile input, without a
 * stack: bytes in, bytes out, a clock that the test sets. Cases HTTP-01, 03, 06..10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/err.h>
#include <layer4/http.h>

#include "cli/gzip.h"
#include "cli/httpc.h"
#include "cli/httpd.h"

/* --- files in memory --- */

static char text_small[5000], bin_1000[1000];
static char *text_big;
#define BIG (3u << 20)

static const struct {
	const char *path;
	char **big;
	char *data;
	size_t size;
	bool is_dir;
} tree[] = {
	{ "/", NULL, NULL, 0, true }, { "/a.txt", NULL, text_small, sizeof(text_small), false },
	{ "/b.bin", NULL, bin_1000, sizeof(bin_1000), false },
	{ "/empty", NULL, bin_1000, 0, false }, { "/big.txt", &text_big, NULL, BIG, false },
	{ "/dir", NULL, NULL, 0, true }, { "/dir/", NULL, NULL, 0, true },
	{ "/dir/index.html", NULL, text_small, 300, false },
	{ "/shrunk", NULL, bin_1000, 2000, false }, /* read gives 1000 only */
};
static int opened;

static int mem_open(void *ctx, const char *path, struct httpd_file *out)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof(tree) / sizeof(tree[0]); i++) {
		if (strcmp(path, tree[i].path) == 0) {
			memset(out, 0, sizeof(*out));
			out->is_dir = tree[i].is_dir;
			out->size = tree[i].size;
			out->data = tree[i].big ? *tree[i].big : tree[i].data;
			out->mtime_s = 1000000000;
			opened++;
			return 0;
		}
	}
	return strcmp(path, "/forbidden") == 0 ? L4_EPERM : L4_ENOTFOUND;
}

static int64_t mem_read(void *ctx, struct httpd_file *f, uint64_t off, void *buf, size_t n)
{
	(void)ctx;
	uint64_t size = f->size == 2000 ? 1000 : f->size;
	if (off >= size)
		return 0;
	if (n > size - off)
		n = (size_t)(size - off);
	memcpy(buf, (const char *)f->data + off, n);
	return (int64_t)n;
}

static int mem_list(void *ctx, struct httpd_file *f,
    void (*each)(void *arg, const struct httpd_entry *e), void *arg)
{
	(void)ctx;
	(void)f;
	each(arg, &(struct httpd_entry){ "z<script>\"&'.txt", false, 5, 0 });
	each(arg, &(struct httpd_entry){ "sub dir", true, 0, 0 });
	return 0;
}

static void mem_close(void *ctx, struct httpd_file *f)
{
	(void)ctx;
	(void)f;
	opened--;
}

static int64_t wall(void *ctx)
{
	(void)ctx;
	return 1500000000;
}

static unsigned logged;

static void on_log(void *ctx, const struct httpd_log *l)
{
	(void)ctx;
	assert_true(l->method.len > 0 && l->target.len > 0 && l->status >= 200);
	logged++;
}

static struct httpd *server(void)
{
	struct httpd_config c;
	httpd_config_init(&c);
	c.source = (struct httpd_source){ mem_open, mem_read, mem_list, mem_close, NULL };
	c.wall = wall;
	c.log = on_log;
	return httpd_new(&c);
}

/* --- driving a connection --- */

struct sink {
	char *p;
	size_t n, cap;
};

static void sink_add(struct sink *s, const void *p, size_t n)
{
	if (s->n + n + 1 > s->cap) {
		s->cap = (s->n + n + 1) * 2;
		s->p = realloc(s->p, s->cap);
		assert_non_null(s->p);
	}
	memcpy(s->p + s->n, p, n);
	s->n += n;
	s->p[s->n] = '\0';
}

static void pump(struct httpd_conn *c, struct sink *out, size_t step, l4_time now)
{
	const void *p;
	bool more;
	size_t n;
	while ((n = httpd_conn_output(c, &p, &more, now)) > 0) {
		if (n > step)
			n = step;
		sink_add(out, p, n);
		httpd_conn_sent(c, n, now);
	}
}

/* Feeds a request text in pieces of `step` bytes; the end of input follows when eof. */
static enum httpd_state run(
    struct httpd *s, const char *text, size_t len, size_t step, bool eof, struct sink *out)
{
	struct l4_endpoint peer = { .port = 4711 };
	struct httpd_conn *c = httpd_conn_new(s, &peer, 0);
	size_t pos = 0;
	memset(out, 0, sizeof(*out));
	sink_add(out, "", 0);
	while (pos < len) {
		size_t n = len - pos < step ? len - pos : step;
		size_t took = httpd_conn_input(c, text + pos, n, 0);
		assert_true(took <= n);
		pos += took;
		size_t before = out->n;
		pump(c, out, step * 100, 0);
		assert_true(took > 0 || out->n > before); /* always forward */
	}
	if (eof)
		httpd_conn_eof(c, 0);
	pump(c, out, 1000, 0);
	enum httpd_state st = httpd_conn_state(c);
	httpd_conn_free(c);
	return st;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
		n++;
	return n;
}

static void statuses(void **state)
{
	(void)state;
	static const struct {
		const char *name, *request, *want;
		enum httpd_state end;
	} rows[] = {
		{ "get", "GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK", HTTPD_OPEN },
		{ "close", "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200",
		    HTTPD_CLOSE },
		{ "1.0", "GET /a.txt HTTP/1.0\r\n\r\n", "200", HTTPD_CLOSE },
		{ "1.0 kept", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		    "Connection: keep-alive", HTTPD_OPEN },
		{ "empty file", "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n", "Content-Length: 0\r\n",
		    HTTPD_OPEN },
		{ "absolute form", "GET http://h/a.txt HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK",
		    HTTPD_OPEN },
		{ "no such file", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "404", HTTPD_OPEN },
		{ "forbidden", "GET /forbidden HTTP/1.1\r\nHost: h\r\n\r\n", "403", HTTPD_OPEN },
		{ "slash behind a file", "GET /a.txt/ HTTP/1.1\r\nHost: h\r\n\r\n", "404",
		    HTTPD_OPEN },
		{ "dir", "GET /dir HTTP/1.1\r\nHost: h\r\n\r\n", "Location: /dir/\r\n",
		    HTTPD_OPEN },
		{ "index", "GET /dir/ HTTP/1.1\r\nHost: h\r\n\r\n", "Content-Length: 300\r\n",
		    HTTPD_OPEN },
		{ "post", "POST /a.txt HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		    "405 Method Not Allowed", HTTPD_OPEN },
		{ "unknown method", "BREW /a.txt HTTP/1.1\r\nHost: h\r\n\r\n", "501", HTTPD_OPEN },
		{ "method case", "get /a.txt HTTP/1.1\r\nHost: h\r\n\r\n", "501", HTTPD_OPEN },
		{ "no host", "GET /a.txt HTTP/1.1\r\n\r\n", "400", HTTPD_CLOSE },
		{ "traversal", "GET /../etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", "400",
		    HTTPD_OPEN },
		{ "encoded traversal", "GET /%2e%2e/x HTTP/1.1\r\nHost: h\r\n\r\n", "400",
		    HTTPD_OPEN },
		{ "NUL", "GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n", "400", HTTPD_OPEN },
		{ "bare LF", "GET /a.txt HTTP/1.1\nHost: h\n\n", "400", HTTPD_CLOSE },
		{ "garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400",
		    HTTPD_CLOSE },
		{ "both lengths",
		    "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
		    "chunked\r\n\r\n",
		    "400", HTTPD_CLOSE },
		{ "large body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
		    "413", HTTPD_CLOSE },
		{ "expect",
		    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: "
		    "100-continue\r\n\r\n",
		    "405", HTTPD_CLOSE },
		{ "version", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505", HTTPD_CLOSE },
		{ "shrunk", "GET /shrunk HTTP/1.1\r\nHost: h\r\n\r\n", "", HTTPD_ABORT },
	};
	struct httpd *s = server();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = rows[i].request[0] == '\x16' ? 15 : strlen(rows[i].request);
		struct sink whole, bytes;
		enum httpd_state a = run(s, rows[i].request, len, 100000, false, &whole);
		enum httpd_state b = run(s, rows[i].request, len, 1, false, &bytes);
		if (a != rows[i].end || b != a || !strstr(whole.p, rows[i].want))
			fail_msg("%s: state %d/%d: %.300s", rows[i].name, (int)a, (int)b, whole.p);
		if (rows[i].end != HTTPD_ABORT &&
		    (whole.n != bytes.n || memcmp(whole.p, bytes.p, whole.n)))
			fail_msg("%s: answers differ with the cut", rows[i].name);
		if (rows[i].end != HTTPD_ABORT && count(whole.p, "HTTP/1.1 ") != 1)
			fail_msg("%s: not one answer", rows[i].name);
		free(whole.p);
		free(bytes.p);
	}
	httpd_free(s);
	assert_int_equal(opened, 0);
}

/* --- the client as judge of the answers --- */

struct got {
	struct sink body;
	char type[80], etag[80], range[80];
	int limit; /* bytes the output takes before it fails; 0: all */
};

static int on_head(void *ctx, const struct l4_http_head *h)
{
	struct got *g = ctx;
	struct l4_http_str v = l4_http_find(h, "etag");
	snprintf(g->etag, sizeof(g->etag), "%.*s", (int)v.len, v.p ? v.p : "");
	v = l4_http_find(h, "content-type");
	snprintf(g->type, sizeof(g->type), "%.*s", (int)v.len, v.p ? v.p : "");
	v = l4_http_find(h, "content-range");
	snprintf(g->range, sizeof(g->range), "%.*s", (int)v.len, v.p ? v.p : "");
	return 0;
}

static int on_body(void *ctx, const void *p, size_t n)
{
	struct got *g = ctx;
	sink_add(&g->body, p, n);
	return g->limit && g->body.n > (size_t)g->limit ? L4_ESYS : 0;
}

/* One request; the answer through the client machine in pieces of `step`. */
static struct httpc fetch(struct httpd *s, const char *method, const char *path, const char *fields,
    size_t step, struct got *g)
{
	char req[1024];
	struct sink raw;
	struct httpc c;
	memset(g, 0, sizeof(*g));
	sink_add(&g->body, "", 0);
	int n =
	    snprintf(req, sizeof(req), "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, path, fields);
	run(s, req, (size_t)n, 100000, false, &raw);
	httpc_init(&c, strcmp(method, "HEAD") == 0, true, on_head, on_body, g);
	size_t pos = 0;
	while (pos < raw.n) {
		size_t k = raw.n - pos < step ? raw.n - pos : step;
		size_t took = httpc_input(&c, raw.p + pos, k);
		pos += took;
		if (took < k)
			break;
	}
	httpc_end(&c, true);
	if (c.phase == HTTPC_DONE)
		assert_int_equal(pos, raw.n); /* nothing behind the answer */
	free(raw.p);
	httpc_fini(&c);
	return c;
}

static void content(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *path, *fields;
		unsigned status;
		bool gzip;
		const char *range;
		int from, to; /* of the plain file; -1: no body */
	} rows[] = {
		{ "plain", "GET", "/a.txt", "", 200, false, "", 0, 5000 },
		{ "gzip", "GET", "/a.txt", "Accept-Encoding: gzip\r\n", 200, true, "", 0, 5000 },
		{ "gzip refused", "GET", "/a.txt", "Accept-Encoding: gzip;q=0\r\n", 200, false, "",
		    0, 5000 },
		{ "not compressible", "GET", "/b.bin", "Accept-Encoding: gzip\r\n", 200, false, "",
		    0, 1000 },
		{ "head", "HEAD", "/a.txt", "", 200, false, "", -1, 0 },
		{ "head gzip", "HEAD", "/a.txt", "Accept-Encoding: gzip\r\n", 200, true, "", -1,
		    0 },
		{ "range", "GET", "/a.txt", "Range: bytes=100-199\r\n", 206, false,
		    "bytes 100-199/5000", 100, 200 },
		{ "range and gzip", "GET", "/a.txt",
		    "Range: bytes=-10\r\nAccept-Encoding: gzip\r\n", 206, false,
		    "bytes 4990-4999/5000", 4990, 5000 },
		{ "range on head", "HEAD", "/a.txt", "Range: bytes=1-1\r\n", 200, false, "", -1,
		    0 },
		{ "range beyond", "GET", "/a.txt", "Range: bytes=5000-\r\n", 416, false,
		    "bytes */5000", -2, 0 },
		{ "range nonsense", "GET", "/a.txt", "Range: bytes=9-1\r\n", 200, false, "", 0,
		    5000 },
		{ "ranges overlapping", "GET", "/a.txt", "Range: bytes=0-,0-,0-\r\n", 200, false,
		    "", 0, 5000 },
		{ "if-range old", "GET", "/a.txt", "Range: bytes=1-1\r\nIf-Range: \"x\"\r\n", 200,
		    false, "", 0, 5000 },
		{ "if-range date", "GET", "/a.txt",
		    "Range: bytes=1-1\r\nIf-Range: Sun, 09 Sep 2001 01:46:40 GMT\r\n", 206, false,
		    "bytes 1-1/5000", 1, 2 },
		{ "not modified", "GET", "/a.txt",
		    "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n", 304, false, "", -1, 0 },
		{ "modified", "GET", "/a.txt",
		    "If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n", 200, false, "", 0,
		    5000 },
		{ "bad date", "GET", "/a.txt", "If-Modified-Since: yesterday\r\n", 200, false, "",
		    0, 5000 },
		{ "any tag", "GET", "/a.txt", "If-None-Match: *\r\n", 304, false, "", -1, 0 },
		{ "other tag", "GET", "/a.txt",
		    "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n",
		    200, false, "", 0, 5000 },
		{ "if-match", "GET", "/a.txt", "If-Match: \"x\"\r\n", 412, false, "", -2, 0 },
		{ "unmodified since", "GET", "/a.txt",
		    "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT\r\n", 412, false, "", -2,
		    0 },
	};
	struct httpd *s = server();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct got g;
		for (size_t step = 1; step < 100000; step = step * 7 + 1) {
			struct httpc c =
			    fetch(s, rows[i].method, rows[i].path, rows[i].fields, step, &g);
			const char *plain = strcmp(rows[i].path, "/a.txt") ? bin_1000 : text_small;
			if (c.phase != HTTPC_DONE || c.status != rows[i].status ||
			    c.gzip != rows[i].gzip || strcmp(g.range, rows[i].range) != 0)
				fail_msg("%s: phase %d (%s) status %u range %s", rows[i].name,
				    (int)c.phase, c.why ? c.why : "", c.status, g.range);
			size_t want = rows[i].from >= 0 ? (size_t)(rows[i].to - rows[i].from) : 0;
			if (rows[i].from >= -1 &&
			    (g.body.n != want ||
				(want && memcmp(g.body.p, plain + rows[i].from, want))))
				fail_msg("%s: body of %zu bytes", rows[i].name, g.body.n);
			if (rows[i].gzip && want)
				assert_true(c.wire_bytes < c.body_bytes);
			free(g.body.p);
		}
	}
	/* the tag that was given is known again; that of the compressed form is another */
	struct got g;
	char fields[256];
	fetch(s, "GET", "/a.txt", "", 1000, &g);
	free(g.body.p);
	snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", g.etag);
	struct httpc c = fetch(s, "GET", "/a.txt", fields, 1000, &g);
	free(g.body.p);
	assert_int_equal(c.status, 304);
	strcat(fields, "Accept-Encoding: gzip\r\n");
	c = fetch(s, "GET", "/a.txt", fields, 1000, &g);
	free(g.body.p);
	assert_int_equal(c.status, 200);
	httpd_free(s);
	assert_int_equal(opened, 0);
}

/* A large file: plain, and compressed while it is sent. */
static void large(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct got g;
	struct httpc c = fetch(s, "GET", "/big.txt", "", 4096, &g);
	assert_int_equal(c.phase, HTTPC_DONE);
	assert_true(g.body.n == BIG && memcmp(g.body.p, text_big, BIG) == 0);
	free(g.body.p);
	c = fetch(s, "GET", "/big.txt", "Accept-Encoding: gzip\r\n", 4096, &g);
	assert_int_equal(c.phase, HTTPC_DONE);
	assert_true(c.gzip && !c.has_length && c.wire_bytes < BIG / 2);
	assert_true(g.body.n == BIG && memcmp(g.body.p, text_big, BIG) == 0);
	free(g.body.p);
	httpd_free(s);
}

static void multipart(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct got g;
	struct httpc c = fetch(s, "GET", "/a.txt", "Range: bytes=0-9, 4000-4009\r\n", 10000, &g);
	assert_int_equal(c.phase, HTTPC_DONE);
	assert_int_equal(c.status, 206);
	const char *b = strstr(g.type, "boundary=");
	assert_true(strncmp(g.type, "multipart/byteranges", 20) == 0 && b);
	char want[600];
	snprintf(want, sizeof(want),
	    "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
	    "0-9/5000\r\n\r\n%.10s\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Range: bytes 4000-4009/5000\r\n\r\n%.10s\r\n--%s--\r\n",
	    b + 9, text_small, b + 9, text_small + 4000, b + 9);
	assert_string_equal(g.body.p, want);
	free(g.body.p);
	httpd_free(s);
}

static void listing(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct got g;
	struct httpc c = fetch(s, "GET", "/", "", 10000, &g);
	assert_int_equal(c.phase, HTTPC_DONE);
	assert_int_equal(c.status, 200);
	assert_null(strstr(g.body.p, "<script>"));
	assert_non_null(strstr(g.body.p, "z&lt;script&gt;&quot;&amp;&#39;.txt"));
	assert_non_null(strstr(g.body.p, "href=\"./sub%20dir/\""));
	assert_true(strstr(g.body.p, "sub dir") < strstr(g.body.p, "z&lt;"));
	free(g.body.p);
	httpd_free(s);
}

/* HTTP-07: a thousand requests at once: all answered, in bounded memory. */
static void pipeline(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct sink req = { NULL, 0, 0 }, out;
	for (int i = 0; i < 1000; i++) {
		static const char r[] =
		    "HEAD /a.txt HTTP/1.1\r\nHost: h\r\nX: abcdefghijklmnop\r\n\r\n";
		sink_add(&req, r, sizeof(r) - 1);
	}
	logged = 0;
	assert_int_equal(run(s, req.p, req.n, req.n, true, &out), HTTPD_CLOSE);
	assert_int_equal(logged, 1000);
	assert_int_equal(count(out.p, "HTTP/1.1 200 OK"), 1000);
	free(out.p);
	/* bodies of requests are not taken for requests */
	static const char mix[] =
	    "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n"
	    "GET /b HTTP/1.1\r\nHost: h"
	    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "5\r\nGET /\r\n0\r\n\r\n"
	    "GET /d HTTP/1.1\r\nHost: h\r\n\r\n";
	for (size_t step = 1; step < sizeof(mix); step++) {
		logged = 0;
		run(s, mix, sizeof(mix) - 1, step, true, &out);
		assert_int_equal(logged, 3);
		assert_int_equal(count(out.p, "HTTP/1.1 405"), 2);
		assert_int_equal(count(out.p, "HTTP/1.1 404"), 1);
		free(out.p);
	}
	free(req.p);
	/* while the answer is not taken, input stops */
	struct l4_endpoint peer = { .port = 1 };
	struct httpd_conn *c = httpd_conn_new(s, &peer, 0);
	size_t total = 0;
	for (int i = 0; i < 10000; i++) {
		static const char r[] = "GET /big.txt HTTP/1.1\r\nHost: h\r\n\r\n";
		total += httpd_conn_input(c, r, sizeof(r) - 1, 0);
	}
	assert_true(total < 32768);
	httpd_conn_free(c);
	httpd_free(s);
}

static void head_limit(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct sink req = { NULL, 0, 0 }, out;
	static const char start[] = "GET /a.txt HTTP/1.1\r\nHost: h\r\n";
	sink_add(&req, start, sizeof(start) - 1);
	for (int i = 0; i < 60; i++) {
		char line[400];
		int n = snprintf(line, sizeof(line), "X-%d: %0300d\r\n", i, i);
		sink_add(&req, line, (size_t)n);
	}
	assert_int_equal(run(s, req.p, req.n, 700, false, &out), HTTPD_CLOSE);
	assert_non_null(strstr(out.p, "HTTP/1.1 431 "));
	assert_int_equal(count(out.p, "HTTP/1.1 "), 1);
	free(out.p);
	free(req.p);
	httpd_free(s);
}

/* HTTP-09: deadlines on a clock of our own. */
static void slow(void **state)
{
	(void)state;
	struct httpd *s = server();
	struct l4_endpoint peer = { .port = 1 };
	struct sink out = { NULL, 0, 0 };
	static const char req[] = "GET /big.txt HTTP/1.1\r\nHost: h\r\n\r\n";
	/* a byte each 9 s does not prolong the time for a head */
	struct httpd_conn *c = httpd_conn_new(s, &peer, 0);
	l4_time now = 0;
	for (int i = 0; i < 3 && httpd_conn_state(c) == HTTPD_OPEN; i++) {
		now += 9 * L4_SEC;
		if (now >= httpd_conn_deadline(c))
			httpd_conn_on_deadline(c, now);
		httpd_conn_input(c, req + i, 1, now);
		pump(c, &out, 1000, now);
	}
	assert_int_equal(httpd_conn_state(c), HTTPD_CLOSE);
	assert_non_null(strstr(out.p, "HTTP/1.1 408 "));
	httpd_conn_free(c);
	free(out.p);
	/* an idle one is closed without a word */
	memset(&out, 0, sizeof(out));
	c = httpd_conn_new(s, &peer, 0);
	httpd_conn_on_deadline(c, 5 * L4_SEC);
	assert_int_equal(httpd_conn_state(c), HTTPD_OPEN); /* early calls are harmless */
	httpd_conn_on_deadline(c, httpd_conn_deadline(c));
	pump(c, &out, 1000, now);
	assert_int_equal(httpd_conn_state(c), HTTPD_CLOSE);
	assert_int_equal(out.n, 0);
	httpd_conn_free(c);
	/* a reader of one byte a second is reset; one of a kilobyte a second is served on */
	for (int fast = 0; fast <= 1; fast++) {
		c = httpd_conn_new(s, &peer, 0);
		httpd_conn_input(c, req, sizeof(req) - 1, 0);
		for (now = 0; now < 100 * L4_SEC && httpd_conn_state(c) == HTTPD_OPEN;
		     now += L4_SEC) {
			const void *p;
			bool more;
			if (httpd_conn_output(c, &p, &more, now))
				httpd_conn_sent(c, fast ? 1024 : 1, now);
			if (now >= httpd_conn_deadline(c))
				httpd_conn_on_deadline(c, now);
		}
		assert_int_equal(httpd_conn_state(c), fast ? HTTPD_OPEN : HTTPD_ABORT);
		httpd_conn_free(c);
	}
	httpd_free(s);
	assert_int_equal(opened, 0);
}

/* HTTP-10: an answer cut at any byte is never complete, unless its end is the connection's. */
static void cut(void **state)
{
	(void)state;
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
		"10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\n\r\n0123456789",
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		size_t len = strlen(answers[i]), head = len - 10;
		for (size_t n = 0; n <= len; n++) {
			for (int fin = 0; fin <= 1; fin++) {
				struct got g = { 0 };
				struct httpc c;
				httpc_init(&c, false, true, NULL, on_body, &g);
				httpc_input(&c, answers[i], n);
				httpc_end(&c, fin == 1);
				bool until_close = i == 3 && n >= head && fin;
				bool whole = n == len && i != 3;
				bool done = c.phase == HTTPC_DONE;
				if (done != (until_close || whole))
					fail_msg("answer %zu cut at %zu, fin %d", i, n, fin);
				if (!done)
					assert_int_equal(c.error, L4_ETRUNC);
				httpc_fini(&c);
				free(g.body.p);
			}
		}
	}
}

static void hostile_server(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int repeat, error;
	} rows[] = {
		{ "1xx flood", "HTTP/1.1 100 Continue\r\n\r\n", 100000, L4_ELIMIT },
		{ "endless head", "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		    100000, L4_EMALFORMED },
		{ "no HTTP", "SSH-2.0-x\r\n\r\n", 1, L4_EMALFORMED },
		{ "101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 1, L4_EMALFORMED },
		{ "not gzip",
		    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
		    1, L4_EMALFORMED },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct got g = { 0 };
		struct httpc c;
		httpc_init(&c, false, true, NULL, on_body, &g);
		for (int k = 0; k < rows[i].repeat; k++)
			httpc_input(&c, rows[i].text, strlen(rows[i].text));
		httpc_end(&c, true);
		if (c.phase != HTTPC_ERROR || (i != 1 && c.error != rows[i].error))
			fail_msg("%s: phase %d error %d", rows[i].name, (int)c.phase, c.error);
		httpc_fini(&c);
		free(g.body.p);
	}
	/* the output's failure ends it with its error */
	struct got g = { .limit = 3 };
	struct httpc c;
	static const char a[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
	httpc_init(&c, false, true, NULL, on_body, &g);
	httpc_input(&c, a, sizeof(a) - 1);
	assert_int_equal(c.error, L4_ESYS);
	httpc_fini(&c);
	free(g.body.p);
}

static void request_text(void **state)
{
	(void)state;
	struct l4_url u;
	char buf[500];
	static const char url[] = "http://[2001:db8::1]:8080?q";
	assert_int_equal(l4_url_parse(&u, url, sizeof(url) - 1), 0);
	const char *const h[] = { "x-a: b", "accept:", "USER-AGENT: me" };
	int n = httpc_request(buf, sizeof(buf), "GET", &u, h, 3, true, 100);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf,
	    "GET /?q HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nAccept-Encoding: gzip\r\n"
	    "Range: bytes=100-\r\nConnection: close\r\nx-a: b\r\nUSER-AGENT: me\r\n\r\n");
	/* HTTP-05: nothing that could end a line gets in */
	static const char *const wrong[] = { "a: b\r\nc: d", "a: b\n", "a b: c", ": c", "a",
		"a : b" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
		    httpc_request(buf, sizeof(buf), "GET", &u, &wrong[i], 1, true, 0), L4_EINVAL);
	assert_int_equal(httpc_request(buf, 60, "GET", &u, NULL, 0, true, 0), L4_ELIMIT);
}

static void mime(void **state)
{
	(void)state;
	assert_string_equal(httpd_mime_type(NULL, "/a.HTML"), "text/html; charset=utf-8");
	assert_string_equal(httpd_mime_type(NULL, "/a.b/c"), "application/octet-stream");
	assert_string_equal(httpd_mime_type(NULL, "/x."), "application/octet-stream");
	assert_true(httpd_mime_compressible("text/html; charset=utf-8"));
	assert_false(httpd_mime_compressible("image/png"));
}

static int fill_data(void **state)
{
	(void)state;
	text_big = malloc(BIG);
	uint32_t x = 1;
	for (size_t i = 0; i < sizeof(text_small); i++)
		text_small[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < sizeof(bin_1000); i++)
		bin_1000[i] = (char)i;
	for (size_t i = 0; text_big && i < BIG; i++) {
		x = x * 1664525 + 1013904223;
		text_big[i] = (char)('a' + (x >> 28) % 8);
	}
	return text_big ? 0 : -1;
}

static int free_data(void **state)
{
	(void)state;
	free(text_big);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(content),
		cmocka_unit_test(large),
		cmocka_unit_test(multipart),
		cmocka_unit_test(listing),
		cmocka_unit_test(pipeline),
		cmocka_unit_test(head_limit),
		cmocka_unit_test(slow),
		cmocka_unit_test(cut),
		cmocka_unit_test(hostile_server),
		cmocka_unit_test(request_text),
		cmocka_unit_test(mime),
	};
	return cmocka_run_group_tests(tests, fill_data, free_data);
}
