/* The HTTP server's connection machine: request bytes in, response bytes out, deadlines.
 *
 * Theory of operation. Request bytes gather in `in` until a head is whole; httpd_respond (in
 * httpd_respond.c) answers it by writing the response's head to `out` and saying where the body
 * comes from; httpd_conn_output refills `out` from there as the caller takes bytes. One response is
 * made at a time: requests that come early (pipelining) wait in `in`, which is bounded, and then
 * in the connection's receive buffer, which closes its window. A request's body is read over.
 *
 * Whatever cannot be framed is answered once and the connection closed (RFC 9112 9.6). Slow clients
 * have three deadlines: for a head, for the next request, and for taking what is sent. */
#include "cli/httpd_private.h"

#include <layer4/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void httpd_config_init(struct httpd_config *c)
{
	memset(c, 0, sizeof(*c));
	c->gzip = true;
	c->list = true;
	c->head_max = 16384;
	c->head_timeout = 10 * L4_SEC;
	c->idle_timeout = 30 * L4_SEC;
	c->stall_timeout = 30 * L4_SEC;
	c->stall_bytes = 8192;
	c->cache_max = 32u << 20;
}

struct httpd *httpd_new(const struct httpd_config *c)
{
	struct httpd *s = calloc(1, sizeof(*s));
	if (s) {
		s->c = *c;
		s->date_s = INT64_MIN;
	}
	return s;
}

void httpd_free(struct httpd *s)
{
	if (!s)
		return;
	httpd_gz_clear(s);
	while (s->pool_n)
		free(s->pool[--s->pool_n]);
	free(s);
}

struct httpd_conn *httpd_conn_new(struct httpd *s, const struct l4_endpoint *peer, l4_time now)
{
	struct httpd_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->srv = s;
	c->peer = *peer;
	c->file.fd = -1;
	c->deadline = now + s->c.head_timeout;
	return c;
}

static void out_release(struct httpd_conn *c)
{
	if (c->out && c->srv->pool_n < HTTPD_POOL_MAX)
		c->srv->pool[c->srv->pool_n++] = c->out;
	else
		free(c->out);
	c->out = NULL;
	c->out_n = c->out_pos = 0;
}

/* Lets go of everything that belongs to the response. */
static void response_release(struct httpd_conn *c)
{
	if (c->has_file)
		c->srv->c.source.close(c->srv->c.source.ctx, &c->file);
	c->has_file = false;
	if (c->gz)
		httpd_gz_put(c->gz);
	c->gz = NULL;
	free(c->text);
	c->text = NULL;
	gz_free(c->deflate);
	c->deflate = NULL;
	c->body = HTTPD_BODY_NONE;
	out_release(c);
}

void httpd_conn_free(struct httpd_conn *c)
{
	if (!c)
		return;
	response_release(c);
	free(c->in);
	free(c);
}

/* --- the body, piece by piece into out --- */

static void fill_file(struct httpd_conn *c)
{
	size_t room = HTTPD_OUT_SIZE - c->out_n;
	size_t n = c->left < room ? (size_t)c->left : room;
	if (n == 0)
		return;
	int64_t got =
	    c->srv->c.source.read(c->srv->c.source.ctx, &c->file, c->off, c->out + c->out_n, n);
	if (got <= 0) { /* the file shrank or failed: what was promised cannot be kept */
		c->failed = true;
		return;
	}
	c->out_n += (size_t)got;
	c->off += (uint64_t)got;
	c->left -= (uint64_t)got;
}

/* RFC 9110 14.6: each part with its own head. */
static int part_head(const struct httpd_conn *c, unsigned i, char *buf, size_t cap)
{
	if (i == c->range_n)
		return snprintf(buf, cap, "\r\n--%s--\r\n", c->boundary);
	return snprintf(buf, cap,
	    "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
	    c->boundary, c->type, (unsigned long long)c->ranges[i].first,
	    (unsigned long long)c->ranges[i].last, (unsigned long long)c->file.size);
}

uint64_t httpd_multi_length(const struct httpd_conn *c)
{
	uint64_t n = 0;
	char text[256];
	for (unsigned i = 0; i <= c->range_n; i++) {
		n += (uint64_t)part_head(c, i, text, sizeof(text));
		if (i < c->range_n)
			n += c->ranges[i].last - c->ranges[i].first + 1;
	}
	return n;
}

static void fill_multi(struct httpd_conn *c)
{
	while (!c->failed && c->range_i <= c->range_n) {
		if (!c->range_open) {
			size_t room = HTTPD_OUT_SIZE - c->out_n;
			int n = part_head(c, c->range_i, c->out + c->out_n, room);
			if ((size_t)n >= room) /* cut: written again where there is room */
				return;
			c->out_n += (size_t)n;
			if (c->range_i == c->range_n) {
				c->range_i++;
				return;
			}
			c->off = c->ranges[c->range_i].first;
			c->left = c->ranges[c->range_i].last - c->off + 1;
			c->range_open = true;
		}
		fill_file(c);
		if (c->left)
			return;
		c->range_open = false;
		c->range_i++;
	}
}

/* Chunks of compressed data (RFC 9112 7.1). */
static void fill_gzip(struct httpd_conn *c)
{
	char src[16384];
	while (!c->deflate_done && !c->failed && HTTPD_OUT_SIZE - c->out_n >= 1024) {
		size_t n = c->left < sizeof(src) ? (size_t)c->left : sizeof(src);
		int64_t got =
		    n ? c->srv->c.source.read(c->srv->c.source.ctx, &c->file, c->off, src, n) : 0;
		if (got < 0 || (n && got == 0)) {
			c->failed = true;
			return;
		}
		size_t in_n = (size_t)got, room = HTTPD_OUT_SIZE - c->out_n - 16, out_n = room;
		char *chunk = c->out + c->out_n + 6;
		int rc = gz_run(c->deflate, src, &in_n, chunk, &out_n, c->left == (uint64_t)got);
		if (rc < 0) {
			c->failed = true;
			return;
		}
		c->off += in_n;
		c->left -= in_n;
		if (out_n) {
			char size[8];
			snprintf(size, sizeof(size), "%04x\r\n", (unsigned)out_n);
			memcpy(c->out + c->out_n, size, 6);
			memcpy(chunk + out_n, "\r\n", 2);
			c->out_n += 6 + out_n + 2;
		}
		if (rc == 1) {
			memcpy(c->out + c->out_n, "0\r\n\r\n", 5);
			c->out_n += 5;
			c->deflate_done = true;
		}
	}
}

static bool body_left(const struct httpd_conn *c)
{
	switch (c->body) {
	case HTTPD_BODY_FILE:
		return c->left > 0;
	case HTTPD_BODY_MULTI:
		return c->range_i <= c->range_n;
	case HTTPD_BODY_GZ:
		return c->mem_pos < c->gz->len;
	case HTTPD_BODY_TEXT:
		return c->mem_pos < c->text_n;
	case HTTPD_BODY_GZIP:
		return !c->deflate_done;
	case HTTPD_BODY_NONE:
		break;
	}
	return false;
}

static void fill(struct httpd_conn *c)
{
	if (c->body == HTTPD_BODY_FILE)
		fill_file(c);
	else if (c->body == HTTPD_BODY_MULTI)
		fill_multi(c);
	else if (c->body == HTTPD_BODY_GZIP)
		fill_gzip(c);
}

/* --- requests --- */

static void in_consume(struct httpd_conn *c, size_t n)
{
	c->in_n -= n;
	if (c->in_n)
		memmove(c->in, c->in + n, c->in_n);
}

/* Reads over a request's body. true when it is done. */
static bool drain(struct httpd_conn *c)
{
	if (!c->chunked) {
		size_t n = c->drain_left < c->in_n ? (size_t)c->drain_left : c->in_n;
		in_consume(c, n);
		c->drain_left -= n;
		return c->drain_left == 0;
	}
	size_t pos = 0;
	int rc = 0;
	do {
		size_t used;
		struct l4_http_str piece = { NULL, 0 };
		rc = l4_http_chunked_next(&c->chunks, c->in + pos, c->in_n - pos, &used, &piece);
		pos += used;
		if (rc == 1 && piece.len > c->drain_left)
			rc = L4_ELIMIT;
		else if (rc == 1)
			c->drain_left -= piece.len;
	} while (rc == 1);
	in_consume(c, pos);
	if (rc < 0 && rc != L4_EEOF) { /* the answer is under way; nothing after it makes sense */
		c->close_after = true;
		c->in_n = 0;
		return true;
	}
	return rc == L4_EEOF;
}

static void begin_drain(struct httpd_conn *c, const struct l4_http_head *h)
{
	c->draining = true;
	c->chunked = h->framing == L4_HTTP_BODY_CHUNKED;
	c->drain_left = c->chunked ? HTTPD_BODY_MAX : h->content_length;
	l4_http_chunked_init(&c->chunks);
}

/* Answers the head that is whole in the first n bytes of in. */
static void on_head(struct httpd_conn *c, size_t n, l4_time now)
{
	struct l4_http_head h;
	int rc = l4_http_request_parse(&h, c->in, n);
	if (!c->out) {
		c->out = c->srv->pool_n ? c->srv->pool[--c->srv->pool_n] : malloc(HTTPD_OUT_SIZE);
		if (!c->out) {
			c->failed = true;
			return;
		}
	}
	c->responding = true;
	if (rc < 0) {
		httpd_error(c, h.error_status, NULL, true);
	} else if (h.framing == L4_HTTP_BODY_LENGTH && h.content_length > HTTPD_BODY_MAX) {
		httpd_error(c, 413, &h, true);
	} else {
		/* The final answer comes without a 100, so whether the body follows is not known
		 * (RFC 9110 10.1.1): close. */
		c->close_after = !h.keep_alive || h.expect_continue;
		if (h.framing != L4_HTTP_BODY_NONE && !h.expect_continue)
			begin_drain(c, &h);
		httpd_respond(c, &h);
	}
	in_consume(c, n);
	c->in_head = false;
	c->deadline = now + c->srv->c.stall_timeout;
	c->moved = 0;
	if (!c->failed)
		fill(c);
}

static void on_bad_head(struct httpd_conn *c, l4_time now)
{
	c->out = c->srv->pool_n ? c->srv->pool[--c->srv->pool_n] : malloc(HTTPD_OUT_SIZE);
	if (!c->out) {
		c->failed = true;
		return;
	}
	c->responding = true;
	c->in_head = false;
	c->in_n = 0;
	c->deadline = now + c->srv->c.stall_timeout;
	c->moved = 0;
	httpd_error(c, c->scan.status, NULL, true);
}

/* Goes on as far as the bytes at hand allow. */
static void advance(struct httpd_conn *c, l4_time now)
{
	while (!c->failed) {
		if (c->draining) {
			if (!drain(c)) {
				if (c->eof && !c->responding)
					c->close_after = true;
				return;
			}
			c->draining = false;
		}
		if (c->responding)
			return;
		if (c->close_after) {
			c->in_n = 0;
			return;
		}
		if (c->in_n == 0) {
			c->close_after = c->eof;
			return;
		}
		if (!c->in_head) {
			l4_http_scan_init(&c->scan);
			c->scan.head_max = c->srv->c.head_max;
			if (c->scan.line_max > c->scan.head_max)
				c->scan.line_max = c->scan.head_max;
			c->in_head = true;
			c->deadline = now + c->srv->c.head_timeout;
		}
		int64_t n = l4_http_scan(&c->scan, c->in, c->in_n);
		if (n == L4_EAGAIN) {
			c->close_after = c->eof;
			return;
		}
		if (n < 0)
			on_bad_head(c, now);
		else
			on_head(c, (size_t)n, now);
	}
}

size_t httpd_conn_input(struct httpd_conn *c, const void *data, size_t n, l4_time now)
{
	const char *p = data;
	size_t done = 0, max = c->srv->c.head_max + 4096;
	while (done < n && !c->failed) {
		if (c->close_after && !c->draining)
			return n; /* thrown away: nothing more is answered */
		size_t take = n - done < max - c->in_n ? n - done : max - c->in_n;
		if (take == 0)
			break;
		if (c->in_cap < c->in_n + take) {
			size_t cap = c->in_cap ? c->in_cap : 1024;
			while (cap < c->in_n + take)
				cap *= 2;
			char *q = realloc(c->in, cap);
			if (!q) {
				c->failed = true;
				break;
			}
			c->in = q;
			c->in_cap = cap;
		}
		memcpy(c->in + c->in_n, p + done, take);
		c->in_n += take;
		done += take;
		advance(c, now);
	}
	return done;
}

void httpd_conn_eof(struct httpd_conn *c, l4_time now)
{
	c->eof = true;
	advance(c, now);
}

/* --- output --- */

static void on_response_done(struct httpd_conn *c, l4_time now)
{
	response_release(c);
	c->responding = false;
	c->deadline = now + (c->draining ? c->srv->c.head_timeout : c->srv->c.idle_timeout);
	advance(c, now);
	if (!c->in_n && c->in_cap > 4096) {
		free(c->in);
		c->in = NULL;
		c->in_cap = 0;
	}
}

size_t httpd_conn_output(struct httpd_conn *c, const void **p, bool *more, l4_time now)
{
	(void)now;
	if (!c->responding || c->failed)
		return 0;
	if (c->out_pos == c->out_n && body_left(c)) {
		if (c->body == HTTPD_BODY_GZ || c->body == HTTPD_BODY_TEXT) {
			const char *mem = c->body == HTTPD_BODY_GZ ? c->gz->data : c->text;
			*p = mem + c->mem_pos;
			*more = false;
			return (c->body == HTTPD_BODY_GZ ? c->gz->len : c->text_n) - c->mem_pos;
		}
		c->out_pos = c->out_n = 0;
		fill(c);
		if (c->failed)
			return 0;
	}
	*p = c->out + c->out_pos;
	*more = body_left(c);
	return c->out_n - c->out_pos;
}

void httpd_conn_sent(struct httpd_conn *c, size_t n, l4_time now)
{
	c->moved += n;
	if (c->out_pos < c->out_n)
		c->out_pos += n;
	else
		c->mem_pos += n;
	if (c->out_pos == c->out_n && !body_left(c))
		on_response_done(c, now);
}

enum httpd_state httpd_conn_state(const struct httpd_conn *c)
{
	if (c->failed)
		return HTTPD_ABORT;
	return c->close_after && !c->responding && !c->draining ? HTTPD_CLOSE : HTTPD_OPEN;
}

l4_time httpd_conn_deadline(const struct httpd_conn *c)
{
	return c->deadline;
}

void httpd_conn_on_deadline(struct httpd_conn *c, l4_time now)
{
	if (now < c->deadline || c->failed)
		return;
	if (c->responding) {
		if (c->moved < c->srv->c.stall_bytes) {
			c->failed = true;
			return;
		}
		c->moved = 0;
		c->deadline = now + c->srv->c.stall_timeout;
	} else if (c->in_head) {
		c->scan.status = 408;
		on_bad_head(c, now);
	} else { /* nothing asked, or a body that does not come */
		c->draining = false;
		c->close_after = true;
		c->in_n = 0;
	}
}

void httpd_conn_finish(struct httpd_conn *c)
{
	c->close_after = true;
}
