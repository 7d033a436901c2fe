/* The client's side of HTTP/1.1: the response machine and the request's text.
 *
 * A head is gathered and parsed whole; of the body nothing is kept: runs of it go through the
 * framing (length, chunks, until close), then through inflate when asked, then to the caller.
 * A response counts as complete only when its framing says so (RFC 9112 8): by length or last
 * chunk, or by a FIN (never a reset) for a body without either. */
#include "cli/httpc.h"

#include <layer4/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/gzip.h"

void httpc_init(struct httpc *c, bool to_head, bool decode, httpc_head_fn *on_head,
    httpc_body_fn *on_body, void *ctx)
{
	memset(c, 0, sizeof(*c));
	c->to_head = to_head;
	c->decode = decode;
	c->on_head = on_head;
	c->on_body = on_body;
	c->ctx = ctx;
	l4_http_scan_init(&c->scan);
	c->scan.head_max = HTTPC_HEAD_MAX;
	c->scan.line_max = HTTPC_HEAD_MAX / 2;
}

void httpc_fini(struct httpc *c)
{
	free(c->head);
	c->head = NULL;
	gz_free(c->inflate);
	c->inflate = NULL;
}

static void fail(struct httpc *c, int err, const char *why)
{
	if (c->phase == HTTPC_ERROR)
		return;
	c->phase = HTTPC_ERROR;
	c->error = err;
	c->why = why;
}

/* --- the body --- */

static void deliver(struct httpc *c, const void *data, size_t n)
{
	int rc = n ? c->on_body(c->ctx, data, n) : 0;
	c->body_bytes += n;
	if (rc < 0)
		fail(c, rc, "the output failed");
}

static void inflate_piece(struct httpc *c, const char *p, size_t n)
{
	char out[32768];
	while (c->phase != HTTPC_ERROR) {
		size_t in_n = n, out_n = sizeof(out);
		if (c->inflate_done) {
			if (n)
				fail(c, L4_EMALFORMED, "bytes after the compressed body");
			return;
		}
		int rc = gz_run(c->inflate, p, &in_n, out, &out_n, false);
		if (rc < 0) {
			fail(c, rc, "the compressed body is damaged");
			return;
		}
		deliver(c, out, out_n);
		p += in_n;
		n -= in_n;
		c->inflate_done = rc == 1;
		if (n == 0 && out_n < sizeof(out))
			return;
	}
}

static void body_piece(struct httpc *c, const char *p, size_t n)
{
	c->wire_bytes += n;
	if (c->inflate)
		inflate_piece(c, p, n);
	else
		deliver(c, p, n);
}

static void body_done(struct httpc *c)
{
	if (c->phase == HTTPC_ERROR)
		return;
	if (c->inflate && !c->inflate_done && c->wire_bytes)
		fail(c, L4_ETRUNC, "the compressed body ends early");
	else
		c->phase = HTTPC_DONE;
}

static size_t body_input(struct httpc *c, const char *p, size_t n)
{
	if (c->framing == L4_HTTP_BODY_LENGTH) {
		size_t take = c->left < n ? (size_t)c->left : n;
		c->left -= take;
		body_piece(c, p, take);
		if (c->left == 0)
			body_done(c);
		return take;
	}
	if (c->framing == L4_HTTP_BODY_CHUNKED) {
		size_t used;
		struct l4_http_str piece;
		int rc = l4_http_chunked_next(&c->chunks, p, n, &used, &piece);
		if (rc == 1)
			body_piece(c, piece.p, piece.len);
		else if (rc == L4_EEOF)
			body_done(c);
		else if (rc < 0)
			fail(c, rc, "the chunks of the body are malformed");
		return used;
	}
	body_piece(c, p, n);
	return n;
}

/* --- the head --- */

static void on_final_head(struct httpc *c, const struct l4_http_head *h)
{
	struct l4_http_str coding = l4_http_find(h, "content-encoding");
	c->status = h->status;
	c->keep_alive = h->keep_alive;
	c->has_length = h->has_length;
	c->content_length = h->content_length;
	c->framing = h->framing;
	c->left = h->content_length;
	c->gzip = l4_http_str_is(coding, "gzip") || l4_http_str_is(coding, "x-gzip");
	l4_http_chunked_init(&c->chunks);
	c->phase = HTTPC_BODY;
	int rc = c->on_head ? c->on_head(c->ctx, h) : 0;
	if (rc < 0) {
		fail(c, rc, "the response is not wanted");
		return;
	}
	if (c->gzip && c->decode) {
		c->inflate = gz_inflate_new();
		if (!c->inflate) {
			fail(c, L4_ENOMEM, "no memory to decompress");
			return;
		}
	}
	if (h->framing == L4_HTTP_BODY_NONE ||
	    (h->framing == L4_HTTP_BODY_LENGTH && h->content_length == 0))
		body_done(c);
}

/* Adds one or more bytes to the head. Returns how many of them belong to it. */
static size_t head_input(struct httpc *c, const char *p, size_t n)
{
	size_t take = n < 4096 ? n : 4096, had = c->head_n;
	if (c->head_n + take > c->head_cap) {
		size_t cap = c->head_cap ? c->head_cap * 2 : 8192;
		char *q = realloc(c->head, cap);
		if (!q) {
			fail(c, L4_ENOMEM, "no memory for the head");
			return 0;
		}
		c->head = q;
		c->head_cap = cap;
	}
	memcpy(c->head + c->head_n, p, take);
	c->head_n += take;
	int64_t len = l4_http_scan(&c->scan, c->head, c->head_n);
	if (len == L4_EAGAIN)
		return take;
	if (len < 0) {
		fail(c, (int)len,
		    len == L4_ELIMIT ? "the head of the response is too large"
				     : "the head of the response is malformed");
		return take;
	}
	struct l4_http_head h;
	int rc = l4_http_response_parse(&h, c->head, (size_t)len, c->to_head);
	if (rc < 0) {
		fail(c, rc, h.error);
	} else if (h.status < 200) { /* RFC 9110 15.2 */
		if (h.status == 101)
			fail(c, L4_EMALFORMED, "the server switched protocols unasked");
		else if (++c->interim > HTTPC_INTERIM_MAX)
			fail(c, L4_ELIMIT, "too many interim responses");
	} else {
		on_final_head(c, &h);
	}
	size_t line_max = c->scan.line_max, head_max = c->scan.head_max;
	l4_http_scan_init(&c->scan);
	c->scan.line_max = line_max;
	c->scan.head_max = head_max;
	c->head_n = 0;
	return (size_t)len - had;
}

size_t httpc_input(struct httpc *c, const void *data, size_t n)
{
	const char *p = data;
	size_t pos = 0;
	while (pos < n && (c->phase == HTTPC_HEAD || c->phase == HTTPC_BODY)) {
		size_t took = c->phase == HTTPC_HEAD ? head_input(c, p + pos, n - pos)
						     : body_input(c, p + pos, n - pos);
		pos += took;
	}
	return pos;
}

void httpc_end(struct httpc *c, bool in_order)
{
	if (c->phase == HTTPC_HEAD)
		fail(c, L4_ETRUNC,
		    c->head_n ? "the connection ended inside the head"
			      : "the connection ended without a response");
	else if (c->phase == HTTPC_BODY && c->framing == L4_HTTP_BODY_CLOSE && in_order)
		body_done(c);
	else if (c->phase == HTTPC_BODY)
		fail(c, L4_ETRUNC, "the connection ended inside the body");
}

/* --- the request --- */

struct builder {
	char *p;
	size_t n, cap;
};

static void puts_to(struct builder *b, const char *s, size_t n)
{
	if (b->cap && n < b->cap - b->n) {
		memcpy(b->p + b->n, s, n);
		b->n += n;
	} else {
		b->cap = 0; /* full: sticks */
	}
}

/* The user's line for a header of this name; NULL when there is none. */
static const char *user_header(const char *const *headers, size_t n, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < n; i++)
		if (strncasecmp(headers[i], name, len) == 0 && headers[i][len] == ':')
			return headers[i];
	return NULL;
}

static void put_header(
    struct builder *b, const char *const *headers, size_t n, const char *name, const char *value)
{
	if (user_header(headers, n, name))
		return;
	puts_to(b, name, strlen(name));
	puts_to(b, ": ", 2);
	puts_to(b, value, strlen(value));
	puts_to(b, "\r\n", 2);
}

int httpc_request(char *buf, size_t cap, const char *method, const struct l4_url *u,
    const char *const *headers, size_t n, bool gzip, uint64_t resume_from)
{
	struct builder b = { buf, 0, cap };
	char host[300], range[48];
	for (size_t i = 0; i < n; i++) {
		const char *colon = strchr(headers[i], ':');
		if (!colon || !l4_http_token_ok(headers[i], (size_t)(colon - headers[i])) ||
		    !l4_http_value_ok(colon + 1, strlen(colon + 1)))
			return L4_EINVAL;
	}
	bool v6 = u->is_literal && memchr(u->host.p, ':', u->host.len);
	bool usual = u->port == 80;
	int len = snprintf(host, sizeof(host), "%s%.*s%s", v6 ? "[" : "", (int)u->host.len,
	    u->host.p, v6 ? "]" : "");
	if (len > 0 && !usual && (size_t)len < sizeof(host))
		snprintf(host + len, sizeof(host) - (size_t)len, ":%u", u->port);
	puts_to(&b, method, strlen(method));
	puts_to(&b, " /", u->target.len && u->target.p[0] == '/' ? 1 : 2);
	puts_to(&b, u->target.p, u->target.len);
	puts_to(&b, " HTTP/1.1\r\n", 11);
	put_header(&b, headers, n, "Host", host);
	put_header(&b, headers, n, "User-Agent", "layer4");
	put_header(&b, headers, n, "Accept", "*/*");
	if (gzip)
		put_header(&b, headers, n, "Accept-Encoding", "gzip");
	if (resume_from) {
		snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)resume_from);
		put_header(&b, headers, n, "Range", range);
	}
	put_header(&b, headers, n, "Connection", "close");
	for (size_t i = 0; i < n; i++) {
		const char *colon = strchr(headers[i], ':');
		if (colon[1 + strspn(colon + 1, " \t")] == '\0')
			continue; /* "Name:" takes a header away */
		puts_to(&b, headers[i], strlen(headers[i]));
		puts_to(&b, "\r\n", 2);
	}
	puts_to(&b, "\r\n", 2);
	return b.cap ? (int)b.n : L4_ELIMIT;
}
