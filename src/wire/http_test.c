/* HTTP/1.1 heads: limits, ambiguity, framing; cases HTTP-01..05, 07, 10 of the security list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/http.h>

#define STR(s) ((struct l4_http_str){ (s), sizeof(s) - 1 })

/* Scans (whole and byte by byte, which must agree) and parses. */
static int request(struct l4_http_head *h, const char *text, size_t len)
{
	struct l4_http_scan a, b;
	l4_http_scan_init(&a);
	l4_http_scan_init(&b);
	int64_t n = l4_http_scan(&a, text, len), m = L4_EAGAIN;
	for (size_t i = 1; i <= len && m == L4_EAGAIN; i++) {
		char *copy = malloc(i); /* exact size: a read beyond is seen by ASan */
		memcpy(copy, text, i);
		m = l4_http_scan(&b, copy, i);
		free(copy);
	}
	if (len)
		assert_int_equal(n, m);
	if (n < 0)
		return (int)n;
	return l4_http_request_parse(h, text, (size_t)n);
}

static void requests(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int rc;
		unsigned status; /* error_status */
	} rows[] = {
		{ "plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0 },
		{ "1.0 without host", "GET / HTTP/1.0\r\n\r\n", 0, 0 },
		{ "leading empty line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0 },
		{ "incomplete", "GET / HTTP/1.1\r\nHost: a\r\n", L4_EAGAIN, 0 },
		{ "no host", "GET / HTTP/1.1\r\n\r\n", L4_EMALFORMED, 400 },
		{ "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "host with slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", L4_EMALFORMED, 400 },
		{ "bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "bare CR", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", L4_EMALFORMED, 400 },
		{ "two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "no version", "GET /\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", L4_EMALFORMED, 505 },
		{ "version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "target tab", "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "target 8 bit", "GET /\xc3 HTTP/1.1\r\nHost: a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", L4_EMALFORMED, 400 },
		{ "blank before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", L4_EMALFORMED, 400 },
		{ "empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", L4_EMALFORMED, 400 },
		{ "no colon", "GET / HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n", L4_EMALFORMED, 400 },
		{ "control in value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", L4_EMALFORMED,
		    400 },
		{ "six empty lines", "\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		    L4_EMALFORMED, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_http_head h = { 0 };
		int rc = request(&h, rows[i].text, strlen(rows[i].text));
		if (rc != rows[i].rc || (rc < 0 && h.error && h.error_status != rows[i].status))
			fail_msg("%s: rc %d status %u", rows[i].name, rc, h.error_status);
	}
}

/* HTTP-02, HTTP-03: framing that two parsers could read differently. */
static void framing(void **state)
{
	(void)state;
	static const struct {
		const char *fields;
		int rc;
		enum l4_http_framing framing;
		uint64_t length;
	} rows[] = {
		{ "", 0, L4_HTTP_BODY_NONE, 0 },
		{ "Content-Length: 5\r\n", 0, L4_HTTP_BODY_LENGTH, 5 },
		{ "Content-Length: 0\r\n", 0, L4_HTTP_BODY_NONE, 0 },
		{ "Content-Length: 5, 5\r\n", 0, L4_HTTP_BODY_LENGTH, 5 },
		{ "Content-Length: 5\r\ncontent-length: 5\r\n", 0, L4_HTTP_BODY_LENGTH, 5 },
		{ "Content-Length: 005\r\n", 0, L4_HTTP_BODY_LENGTH, 5 },
		{ "Content-Length: 9223372036854775807\r\n", 0, L4_HTTP_BODY_LENGTH, INT64_MAX },
		{ "Content-Length: 9223372036854775808\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 18446744073709551616\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5, 6\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5\r\nContent-Length: 6\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: +5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: -5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5 5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 0x5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5.0\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: five\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length:\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: ,5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5,\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: chunked\r\n", 0, L4_HTTP_BODY_CHUNKED, 0 },
		{ "Transfer-Encoding: CHUNKED\r\n", 0, L4_HTTP_BODY_CHUNKED, 0 },
		{ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", L4_EMALFORMED, 0, 0 },
		{ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: xchunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: chunked, identity\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: identity\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: chunked, chunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: gzip, chunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: \"chunked\"\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding:\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding : chunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding:\r\n chunked\r\n", L4_EMALFORMED, 0, 0 },
		{ "Transfer-Encoding: chunked;x\r\n", L4_EMALFORMED, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_http_head h = { 0 };
		char text[512];
		int n = snprintf(
		    text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", rows[i].fields);
		int rc = request(&h, text, (size_t)n);
		if (rc != rows[i].rc || (rc == 0 && (h.framing != rows[i].framing ||
							h.content_length != rows[i].length)))
			fail_msg("%s: rc %d framing %d", rows[i].fields, rc, (int)h.framing);
	}
	struct l4_http_head h;
	static const char old[] = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
	assert_int_equal(request(&h, old, sizeof(old) - 1), L4_EMALFORMED);
}

/* HTTP-01: one below, at and above each limit. */
static void limits(void **state)
{
	(void)state;
	static char text[70000];
	struct l4_http_head h;
	for (int d = -1; d <= 1; d++) {
		struct l4_http_scan s;
		l4_http_scan_init(&s);
		size_t target = s.line_max - strlen("GET  HTTP/1.1") + (size_t)d;
		int n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n",
		    (int)target - 1, 0);
		int64_t rc = l4_http_scan(&s, text, (size_t)n);
		if (d <= 0) {
			assert_int_equal(rc, n);
		} else {
			assert_int_equal(rc, L4_ELIMIT);
			assert_int_equal(s.status, 414);
		}
	}
	for (int d = -1; d <= 1; d++) {
		struct l4_http_scan s;
		l4_http_scan_init(&s);
		int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
		for (int i = 0; i < L4_HTTP_FIELDS_MAX - 1 + d; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "X: %d\r\n", i);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
		int64_t rc = l4_http_scan(&s, text, (size_t)n);
		if (d <= 0) {
			assert_int_equal(rc, n);
			assert_int_equal(l4_http_request_parse(&h, text, (size_t)n), 0);
			assert_int_equal(h.fields_n, L4_HTTP_FIELDS_MAX + d);
		} else {
			assert_int_equal(rc, L4_ELIMIT);
			assert_int_equal(s.status, 431);
			assert_int_equal(l4_http_request_parse(&h, text, (size_t)n), L4_ELIMIT);
			assert_int_equal(h.error_status, 431);
		}
	}
	/* 64 KiB of field in one line */
	struct l4_http_scan s;
	l4_http_scan_init(&s);
	int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nX: %065536d\r\n\r\n", 0);
	assert_int_equal(l4_http_scan(&s, text, (size_t)n), L4_ELIMIT);
	assert_int_equal(s.status, 431);
	assert_true(s.pos < 9000);
}

static void responses(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool to_head;
		int rc;
		enum l4_http_framing framing;
		bool keep_alive;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, 0, L4_HTTP_BODY_LENGTH,
		    true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, 0, L4_HTTP_BODY_NONE,
		    true },
		{ "HTTP/1.1 200 \r\n\r\n", false, 0, L4_HTTP_BODY_CLOSE, false },
		{ "HTTP/1.1 200\r\n\r\n", false, 0, L4_HTTP_BODY_CLOSE, false },
		{ "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", false, 0,
		    L4_HTTP_BODY_NONE, true },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false, 0,
		    L4_HTTP_BODY_NONE, true },
		{ "HTTP/1.1 100 Continue\r\n\r\n", false, 0, L4_HTTP_BODY_NONE, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 0,
		    L4_HTTP_BODY_CHUNKED, true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
		    false, L4_EMALFORMED, 0, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x, Close\r\n\r\n", false, 0,
		    L4_HTTP_BODY_LENGTH, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", false, 0, L4_HTTP_BODY_LENGTH,
		    false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", false,
		    0, L4_HTTP_BODY_LENGTH, true },
		{ "HTTP/1.1 20 OK\r\n\r\n", false, L4_EMALFORMED, 0, false },
		{ "HTTP/1.1 2000 OK\r\n\r\n", false, L4_EMALFORMED, 0, false },
		{ "HTTP/1.1 abc OK\r\n\r\n", false, L4_EMALFORMED, 0, false },
		{ "ICY 200 OK\r\n\r\n", false, L4_EMALFORMED, 0, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, L4_EMALFORMED, 0, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_http_head h;
		int rc =
		    l4_http_response_parse(&h, rows[i].text, strlen(rows[i].text), rows[i].to_head);
		if (rc != rows[i].rc || (rc == 0 && (h.framing != rows[i].framing ||
							h.keep_alive != rows[i].keep_alive)))
			fail_msg("%s: rc %d framing %d keep %d", rows[i].text, rc, (int)h.framing,
			    h.keep_alive);
	}
}

/* Every cut and every single-byte change of samples: no crash, and never a read beyond (ASan). */
static void damage(void **state)
{
	(void)state;
	static const char sample[] =
	    "GET /a?b HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n"
	    "Accept-Encoding: gzip;q=0.5, *;q=0\r\nContent-Length: 2\r\n\r\n";
	size_t n = sizeof(sample) - 1;
	struct l4_http_head h;
	for (size_t cut = 0; cut < n; cut++) {
		char *copy = malloc(cut ? cut : 1);
		memcpy(copy, sample, cut);
		assert_int_not_equal(l4_http_request_parse(&h, copy, cut), 0);
		free(copy);
	}
	char *copy = malloc(n);
	for (size_t i = 0; i < n; i++) {
		for (int v = 0; v < 256; v++) {
			memcpy(copy, sample, n);
			copy[i] = (char)v;
			if (request(&h, copy, n) == 0) {
				(void)l4_http_accepts_coding(&h, "gzip");
				assert_true(h.fields_n <= L4_HTTP_FIELDS_MAX);
			}
		}
	}
	free(copy);
}

static void accepts(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		bool gzip;
	} rows[] = {
		{ "gzip", true },
		{ "gzip, deflate, br", true },
		{ "deflate", false },
		{ "identity, GZIP;q=0.5", true },
		{ "gzip;q=0", false },
		{ "gzip; q=0.000", false },
		{ "gzip;q=0.001", true },
		{ "*", true },
		{ "*;q=0", false },
		{ "gzip;q=0, *", false },
		{ "*;q=0, gzip", true },
		{ "xgzip", false },
		{ "", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_http_head h;
		char text[256];
		int n = snprintf(text, sizeof(text),
		    "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", rows[i].value);
		assert_int_equal(l4_http_request_parse(&h, text, (size_t)n), 0);
		if (l4_http_accepts_coding(&h, "gzip") != rows[i].gzip)
			fail_msg("%s", rows[i].value);
	}
	assert_true(l4_http_etag_listed(STR("\"a\", W/\"b\""), "\"b\""));
	assert_true(l4_http_etag_listed(STR("*"), "\"b\""));
	assert_false(l4_http_etag_listed(STR("\"a,\"b\""), "\"b\""));
	assert_false(l4_http_etag_listed(STR("\"bb\""), "\"b\""));
}

/* Feeds a chunked body in pieces of `step` bytes; what comes out goes to out. */
static int chunked(const char *text, size_t len, size_t step, char *out, size_t *out_n)
{
	struct l4_http_chunked c;
	size_t pos = 0;
	*out_n = 0;
	l4_http_chunked_init(&c);
	while (pos < len) {
		size_t n = len - pos < step ? len - pos : step, used;
		struct l4_http_str piece;
		char *copy = malloc(n);
		memcpy(copy, text + pos, n);
		int rc = l4_http_chunked_next(&c, copy, n, &used, &piece);
		if (rc == 1) {
			memcpy(out + *out_n, piece.p, piece.len);
			*out_n += piece.len;
		}
		free(copy);
		pos += used;
		if (rc < 0)
			return rc == L4_EEOF ? (int)pos : rc;
	}
	return L4_EAGAIN;
}

/* HTTP-04 */
static void chunks(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc; /* 0: complete, all bytes used */
		const char *body;
	} rows[] = {
		{ "0\r\n\r\n", 0, "" },
		{ "5\r\nhello\r\n0\r\n\r\n", 0, "hello" },
		{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 0, "hello world" },
		{ "A\r\n0123456789\r\n0\r\n\r\n", 0, "0123456789" },
		{ "a;x=y\r\n0123456789\r\n0;z\r\nT: u\r\nV: w\r\n\r\n", 0, "0123456789" },
		{ "00000005\r\nhello\r\n000\r\n\r\n", 0, "hello" },
		{ "5\r\nhello\r\n", L4_EAGAIN, "hello" },
		{ "5\r\nhello\r\n0\r\n", L4_EAGAIN, "hello" },
		{ "5\nhello\r\n0\r\n\r\n", L4_EMALFORMED, "" },
		{ "5\r\nhelloX\r\n0\r\n\r\n", L4_EMALFORMED, "hello" },
		{ "5\r\nhello0\r\n\r\n", L4_EMALFORMED, "hello" },
		{ "\r\nhello", L4_EMALFORMED, "" },
		{ "-1\r\n", L4_EMALFORMED, "" },
		{ "+5\r\nhello", L4_EMALFORMED, "" },
		{ "0x5\r\nhello", L4_EMALFORMED, "" },
		{ " 5\r\nhello", L4_EMALFORMED, "" },
		{ "FFFFFFFFFFFFFFFF\r\nx", L4_EMALFORMED, "" },
		{ "8000000000000000\r\nx", L4_EMALFORMED, "" },
		{ "80000000\r\nx", L4_EAGAIN, "x" },
		{ "00000000000000000\r\n\r\n", L4_ELIMIT, "" },
		{ "10000000000000005\r\nhello", L4_ELIMIT, "" },
		{ "0\r\nT: u\n\r\n", L4_EMALFORMED, "" },
		{ "0\r\n\rx", L4_EMALFORMED, "" },
	};
	char out[256];
	size_t n;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step < 30; step++) {
			size_t len = strlen(rows[i].text);
			int rc = chunked(rows[i].text, len, step, out, &n);
			int want = rows[i].rc ? rows[i].rc : (int)len;
			if (rc != want || n != strlen(rows[i].body) ||
			    memcmp(out, rows[i].body, n) != 0)
				fail_msg(
				    "%s step %zu: rc %d, %zu bytes", rows[i].text, step, rc, n);
		}
	}
	static char big[1u << 20];
	memset(big, 'x', sizeof(big));
	memcpy(big, "5;", 2);
	assert_int_equal(chunked(big, sizeof(big), 1000, out, &n), L4_ELIMIT);
	memcpy(big, "0\r\n", 3);
	assert_int_equal(chunked(big, sizeof(big), 1000, out, &n), L4_ELIMIT);
}

static void ranges(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		uint64_t size;
		int rc;
		struct l4_http_range r[2];
	} rows[] = {
		{ "bytes=0-499", 1000, 1, { { 0, 499 } } },
		{ "bytes=500-", 1000, 1, { { 500, 999 } } },
		{ "bytes=-500", 1000, 1, { { 500, 999 } } },
		{ "bytes=-5000", 1000, 1, { { 0, 999 } } },
		{ "Bytes=0-0,-1", 1000, 2, { { 0, 0 }, { 999, 999 } } },
		{ "bytes=0-9999", 1000, 1, { { 0, 999 } } },
		{ "bytes=5000-, 1-1", 1000, 1, { { 1, 1 } } },
		{ "bytes=1000-", 1000, L4_ENOTFOUND, { { 0, 0 } } },
		{ "bytes=-0", 1000, L4_ENOTFOUND, { { 0, 0 } } },
		{ "bytes=0-0", 0, L4_ENOTFOUND, { { 0, 0 } } },
		{ "bytes=-1", 0, L4_ENOTFOUND, { { 0, 0 } } },
		{ "bytes=5-4", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=-", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "lines=0-1", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=a-b", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=0x1-2", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=0-1-2", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=18446744073709551616-", 1000, L4_EMALFORMED, { { 0, 0 } } },
		{ "bytes=0-18446744073709551615", 1000, 1, { { 0, 999 } } },
		{ "bytes=0-0,1-1,2-2", 1000, L4_ELIMIT, { { 0, 0 } } },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_http_range r[2];
		struct l4_http_str v = { rows[i].value, strlen(rows[i].value) };
		int rc = l4_http_range_parse(r, 2, v, rows[i].size);
		if (rc != rows[i].rc)
			fail_msg("%s: rc %d", rows[i].value, rc);
		for (int k = 0; k < rc; k++)
			if (r[k].first != rows[i].r[k].first || r[k].last != rows[i].r[k].last)
				fail_msg("%s: range %d", rows[i].value, k);
	}
}

static void dates(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t unix_s;
		bool back; /* formats back to the same text */
	} rows[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777, true },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777, false },
		{ "Sun Nov  6 08:49:37 1994", 784111777, false },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0, true },
		{ "Thu, 29 Feb 2024 23:59:59 GMT", 1709251199, true },
		{ "Wed, 31 Dec 1969 23:59:59 GMT", -1, true },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799, true },
		{ "Friday, 01-Jan-27 00:00:00 GMT", 1798761600, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t t = 0;
		char text[L4_HTTP_DATE_LEN + 1];
		struct l4_http_str s = { rows[i].text, strlen(rows[i].text) };
		int rc = l4_http_date_parse(&t, s, 1790000000);
		if (rc || t != rows[i].unix_s)
			fail_msg("%s: rc %d, %lld", rows[i].text, rc, (long long)t);
		l4_http_date_format(t, text);
		if (rows[i].back)
			assert_string_equal(text, rows[i].text);
	}
	static const char *const wrong[] = { "", "Sun", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 6 Nov 1994", "Sun, 31 Jun 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int64_t t;
		struct l4_http_str s = { wrong[i], strlen(wrong[i]) };
		if (l4_http_date_parse(&t, s, 0) == 0)
			fail_msg("%s", wrong[i]);
	}
	/* every day of 400 years there and back */
	for (int64_t day = -20000; day < 146097; day++) {
		char text[L4_HTTP_DATE_LEN + 1];
		int64_t t;
		l4_http_date_format(day * 86400 + 1, text);
		struct l4_http_str s = { text, L4_HTTP_DATE_LEN };
		assert_int_equal(l4_http_date_parse(&t, s, 0), 0);
		assert_int_equal(t, day * 86400 + 1);
	}
}

/* HTTP-06 */
static void paths(void **state)
{
	(void)state;
	static const struct {
		const char *target, *path; /* NULL: refused */
	} rows[] = {
		{ "/", "/" },
		{ "/a", "/a" },
		{ "/a/", "/a/" },
		{ "/a?b=/../c", "/a" },
		{ "/a%20b", "/a b" },
		{ "/%61", "/a" },
		{ "/%c3%a4", "/\xc3\xa4" },
		{ "//a///b", "/a/b" },
		{ "/./a/./", "/a/" },
		{ "/a/../b", "/b" },
		{ "/a/..", "/" },
		{ "/a/b/..", "/a/" },
		{ "/...", "/..." },
		{ "/..a/", "/..a/" },
		{ "http://h/x", "/x" },
		{ "http://h", "/" },
		{ "HTTPS://h:1/x?y", "/x" },
		{ "/..", NULL },
		{ "/../etc/passwd", NULL },
		{ "/a/../../etc/passwd", NULL },
		{ "/%2e%2e/etc/passwd", NULL },
		{ "/%2E./x", NULL },
		{ "/.%2e/%2e./", NULL },
		{ "/..%2fetc", NULL },
		{ "/%252e%252e/x", "/%2e%2e/x" }, /* decoded once only: an odd but plain name */
		{ "/..%5cetc", NULL },
		{ "/\\..\\etc", NULL },
		{ "/a%00.html", NULL },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%zz", NULL },
		{ "/%0a", NULL },
		{ "/%7f", NULL },
		{ "file:///etc/passwd", NULL },
		{ "http://h/../x", NULL },
		{ "a", NULL },
		{ "*", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		struct l4_http_str t = { rows[i].target, strlen(rows[i].target) };
		int rc = l4_http_target_path(t, out, sizeof(out));
		if (!rows[i].path) {
			if (rc >= 0)
				fail_msg("%s is taken as %s", rows[i].target, out);
		} else if (rc < 0 || strcmp(out, rows[i].path) != 0 || (size_t)rc != strlen(out)) {
			fail_msg("%s: rc %d %s", rows[i].target, rc, rc < 0 ? "" : out);
		}
	}
	char out[9];
	assert_int_equal(l4_http_target_path(STR("/1234567"), out, 9), 8);
	assert_int_equal(l4_http_target_path(STR("/1234567"), out, 8), L4_ELIMIT);
}

static void urls(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc;
		const char *host, *target;
		unsigned port;
		bool literal;
	} rows[] = {
		{ "http://a.example/x?y#z", 0, "a.example", "/x?y", 80, false },
		{ "http://a.example", 0, "a.example", "/", 80, false },
		{ "http://a.example?q", 0, "a.example", "?q", 80, false },
		{ "http://a.example:8080/", 0, "a.example", "/", 8080, false },
		{ "http://a.example:/", 0, "a.example", "/", 80, false },
		{ "https://a/", 0, "a", "/", 443, false },
		{ "http://192.0.2.1:1/", 0, "192.0.2.1", "/", 1, true },
		{ "http://[2001:db8::1]/", 0, "2001:db8::1", "/", 80, true },
		{ "http://[2001:db8::1]:81/", 0, "2001:db8::1", "/", 81, true },
		{ "http://u@a/", L4_EUNSUPPORTED, NULL, NULL, 0, false },
		{ "http://[1.2.3.4]/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://[::1/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://[::1]x/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://:80/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a:0/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a:65536/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a:1x/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a:1:2/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a b/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http://a/\r\nX: y", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http:/a/", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "http:", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "a/b", L4_EMALFORMED, NULL, NULL, 0, false },
		{ "", L4_EMALFORMED, NULL, NULL, 0, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_url u;
		int rc = l4_url_parse(&u, rows[i].text, strlen(rows[i].text));
		if (rc != rows[i].rc)
			fail_msg("%s: rc %d", rows[i].text, rc);
		if (rc)
			continue;
		if (!l4_http_str_is(u.host, rows[i].host) ||
		    !l4_http_str_is(u.target, rows[i].target) || u.port != rows[i].port ||
		    u.is_literal != rows[i].literal)
			fail_msg("%s: %.*s %.*s %u", rows[i].text, (int)u.host.len, u.host.p,
			    (int)u.target.len, u.target.p, u.port);
	}
	/* RFC 3986 5.4, the forms that Location has in practice */
	static const struct {
		const char *ref, *want;
	} refs[] = {
		{ "http://b/x", "http://b/x" },
		{ "//b/x", "http://b/x" },
		{ "/x", "http://[::1]:81/x" },
		{ "x", "http://[::1]:81/b/c/x" },
		{ "./x", "http://[::1]:81/b/c/x" },
		{ "../x", "http://[::1]:81/b/x" },
		{ "../../../x", "http://[::1]:81/x" },
		{ "?y", "http://[::1]:81/b/c/d?y" },
		{ "", "http://[::1]:81/b/c/d?q" },
		{ "x#frag", "http://[::1]:81/b/c/x" },
		{ "x?a=../b", "http://[::1]:81/b/c/x?a=../b" },
		{ "ftp://b/x", NULL },
		{ "http://u@b/x", NULL },
		{ "x\r\ny", NULL },
	};
	struct l4_url base;
	static const char base_text[] = "http://[::1]:81/b/c/d?q";
	assert_int_equal(l4_url_parse(&base, base_text, sizeof(base_text) - 1), 0);
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		char out[64];
		struct l4_http_str r = { refs[i].ref, strlen(refs[i].ref) };
		int rc = l4_url_resolve(&base, r, out, sizeof(out));
		if (refs[i].want ? rc < 0 || strcmp(out, refs[i].want) != 0 : rc >= 0)
			fail_msg("%s: rc %d %s", refs[i].ref, rc, rc < 0 ? "" : out);
	}
	char small[10];
	assert_int_equal(l4_url_resolve(&base, STR("/x"), small, sizeof(small)), L4_ELIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(framing),
		cmocka_unit_test(limits),
		cmocka_unit_test(responses),
		cmocka_unit_test(damage),
		cmocka_unit_test(accepts),
		cmocka_unit_test(chunks),
		cmocka_unit_test(ranges),
		cmocka_unit_test(dates),
		cmocka_unit_test(paths),
		cmocka_unit_test(urls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
