/* What the HTTP server answers: methods, files, directories, conditions, ranges, codings.
 *
 * The order is that of RFC 9110 13.2: find the resource, check the preconditions, then the range.
 * A compressed file is a representation of its own with its own entity tag; a request with Range is
 * answered from the plain one. */
#include "cli/httpd_private.h"

#include <layer4/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a response is made of, before its head is written. */
struct answer {
	const struct l4_http_head *req; /* NULL: the request could not be read */
	unsigned status;
	const char *type;
	char etag[64];
	bool has_etag, vary, gzip;
	uint64_t length;
	bool has_length; /* false: chunked */
	char location[3 * HTTPD_PATH_MAX];
	bool allow, head_only;
	char content_range[96];
};

static void put(struct httpd_conn *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct httpd_conn *c, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(c->out + c->out_n, HTTPD_OUT_SIZE - c->out_n, format, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < HTTPD_OUT_SIZE - c->out_n)
		c->out_n += (size_t)n;
}

static void write_head(struct httpd_conn *c, const struct answer *a)
{
	struct httpd *s = c->srv;
	int64_t now_s = s->c.wall(s->c.ctx);
	if (now_s != s->date_s) {
		l4_http_date_format(now_s, s->date);
		s->date_s = now_s;
	}
	put(c, "HTTP/1.1 %u %s\r\nDate: %s\r\nServer: layer4\r\n", a->status,
	    l4_http_reason(a->status), s->date);
	if (a->type)
		put(c, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", a->type);
	if (a->has_length)
		put(c, "Content-Length: %llu\r\n", (unsigned long long)a->length);
	else if (a->status != 304)
		put(c, "Transfer-Encoding: chunked\r\n");
	if (a->gzip && a->status != 304)
		put(c, "Content-Encoding: gzip\r\n");
	if (a->vary)
		put(c, "Vary: Accept-Encoding\r\n");
	if (a->has_etag) {
		char date[L4_HTTP_DATE_LEN + 1];
		l4_http_date_format(c->file.mtime_s, date);
		put(c, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", date, a->etag);
	}
	if (a->content_range[0])
		put(c, "Content-Range: %s\r\n", a->content_range);
	if (a->location[0])
		put(c, "Location: %s\r\n", a->location);
	if (a->allow)
		put(c, "Allow: GET, HEAD\r\n");
	if (c->close_after)
		put(c, "Connection: close\r\n");
	else if (a->req && a->req->minor == 0)
		put(c, "Connection: keep-alive\r\n");
	put(c, "\r\n");
	if (s->c.log) {
		struct httpd_log l = { .peer = &c->peer,
			.method = a->req ? a->req->method : (struct l4_http_str){ "-", 1 },
			.target = a->req ? a->req->target : (struct l4_http_str){ "-", 1 },
			.status = a->status,
			.bytes = a->has_length ? a->length : 0,
			.gzip = a->gzip };
		s->c.log(s->c.ctx, &l);
	}
}

static void drop_file(struct httpd_conn *c)
{
	if (c->has_file)
		c->srv->c.source.close(c->srv->c.source.ctx, &c->file);
	c->has_file = false;
}

/* A response whose body is text in fresh memory (given), or none. */
static void answer_text(struct httpd_conn *c, struct answer *a, char *text, size_t n)
{
	drop_file(c);
	a->length = n;
	a->has_length = true;
	write_head(c, a);
	if (a->head_only) {
		free(text);
		return;
	}
	c->body = n ? HTTPD_BODY_TEXT : HTTPD_BODY_NONE;
	c->text = text;
	c->text_n = n;
	c->mem_pos = 0;
}

static void answer_status(struct httpd_conn *c, struct answer *a, unsigned status)
{
	char *text = malloc(256);
	a->status = status;
	a->type = "text/html; charset=utf-8";
	a->has_etag = a->vary = a->gzip = false;
	int n = text
		    ? snprintf(text, 256, "<!DOCTYPE html>\n<title>%u %s</title>\n<h1>%u %s</h1>\n",
			  status, l4_http_reason(status), status, l4_http_reason(status))
		    : 0;
	answer_text(c, a, text, (size_t)n);
}

void httpd_error(struct httpd_conn *c, unsigned status, const struct l4_http_head *h, bool close)
{
	struct answer a;
	memset(&a, 0, sizeof(a));
	a.req = h;
	a.head_only = h && l4_http_str_is(h->method, "HEAD");
	if (close)
		c->close_after = true;
	answer_status(c, &a, status);
}

/* --- preconditions, RFC 9110 13.2.2 --- */

/* 0: go on; else 304 or 412. */
static unsigned preconditions(
    const struct httpd_conn *c, const struct l4_http_head *h, const char *etag)
{
	int64_t t, now_s = c->srv->c.wall(c->srv->c.ctx);
	struct l4_http_str v = l4_http_find(h, "if-match");
	if (v.p) {
		if (!l4_http_etag_listed(v, etag))
			return 412;
	} else if ((v = l4_http_find(h, "if-unmodified-since")).p) {
		if (l4_http_date_parse(&t, v, now_s) == 0 && c->file.mtime_s > t)
			return 412;
	}
	v = l4_http_find(h, "if-none-match");
	if (v.p)
		return l4_http_etag_listed(v, etag) ? 304 : 0;
	v = l4_http_find(h, "if-modified-since");
	if (v.p && l4_http_date_parse(&t, v, now_s) == 0 && c->file.mtime_s <= t)
		return 304;
	return 0;
}

/* RFC 9110 13.1.5: whether Range is still meant for what the file is now. */
static bool if_range_holds(
    const struct httpd_conn *c, const struct l4_http_head *h, const char *etag)
{
	struct l4_http_str v = l4_http_find(h, "if-range");
	int64_t t;
	if (!v.p)
		return true;
	if (v.len && v.p[0] == '"')
		return l4_http_str_is(v, etag);
	return l4_http_date_parse(&t, v, c->srv->c.wall(c->srv->c.ctx)) == 0 &&
	       t == c->file.mtime_s;
}

/* --- ranges --- */

/* Sets up the ranges asked for. Returns 200 (none, or to be ignored), 206 or 416. */
static unsigned choose_ranges(struct httpd_conn *c, const struct l4_http_head *h, const char *etag)
{
	struct l4_http_str v = l4_http_find(h, "range");
	c->range_n = 0;
	if (!v.p || !l4_http_str_is(h->method, "GET") || !if_range_holds(c, h, etag))
		return 200;
	int n = l4_http_range_parse(c->ranges, HTTPD_RANGES_MAX, v, c->file.size);
	if (n == L4_ENOTFOUND)
		return 416;
	if (n < 0)
		return 200;
	uint64_t sum = 0;
	for (int i = 0; i < n; i++)
		sum += c->ranges[i].last - c->ranges[i].first + 1;
	if (n > 1 && sum > c->file.size) /* RFC 9110 14.2: many overlapping ranges are an attack */
		return 200;
	c->range_n = (unsigned)n;
	return 206;
}

static void answer_range(struct httpd_conn *c, struct answer *a)
{
	char type[64];
	a->status = 206;
	a->has_length = true;
	if (c->range_n == 1) {
		c->off = c->ranges[0].first;
		c->left = a->length = c->ranges[0].last - c->off + 1;
		snprintf(a->content_range, sizeof(a->content_range), "bytes %llu-%llu/%llu",
		    (unsigned long long)c->off, (unsigned long long)c->ranges[0].last,
		    (unsigned long long)c->file.size);
		c->body = HTTPD_BODY_FILE;
	} else {
		c->type = a->type;
		c->range_i = 0;
		c->range_open = false;
		snprintf(c->boundary, sizeof(c->boundary), "l4%016llx",
		    (unsigned long long)(c->file.size * 0x9e3779b97f4a7c15u +
					 (uint64_t)c->file.mtime_s * 0xc2b2ae3d27d4eb4fu +
					 c->file.mtime_ns));
		snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", c->boundary);
		a->type = type;
		a->length = httpd_multi_length(c);
		c->body = HTTPD_BODY_MULTI;
	}
	write_head(c, a);
}

/* --- files and directories --- */

/* Whether the file goes out compressed; gets it from the cache when it is small. */
static bool choose_gzip(struct httpd_conn *c, const struct l4_http_head *h, const char *path,
    struct answer *a, const char *etag)
{
	a->vary =
	    c->srv->c.gzip && httpd_mime_compressible(a->type) && c->file.size >= HTTPD_GZIP_MIN;
	if (!a->vary || !l4_http_accepts_coding(h, "gzip") || l4_http_find(h, "range").p)
		return false;
	if (c->file.size > HTTPD_GZIP_WHOLE)
		return h->minor >= 1; /* needs chunked */
	c->gz = httpd_gz_get(c->srv, path, etag, &c->file);
	if (c->gz && !c->gz->data) {
		httpd_gz_put(c->gz);
		c->gz = NULL;
	}
	return c->gz != NULL;
}

static void answer_file(
    struct httpd_conn *c, const struct l4_http_head *h, const char *path, struct answer *a)
{
	struct httpd_file *f = &c->file;
	a->type = httpd_mime_type(c->srv->c.mime, path);
	snprintf(a->etag, sizeof(a->etag), "\"%llx-%x-%llx\"", (unsigned long long)f->mtime_s,
	    f->mtime_ns, (unsigned long long)f->size);
	a->gzip = choose_gzip(c, h, path, a, a->etag);
	if (a->gzip)
		snprintf(a->etag + strlen(a->etag) - 1, 5, "-gz\"");
	a->has_etag = true;
	unsigned pre = preconditions(c, h, a->etag);
	unsigned range = pre ? 200 : choose_ranges(c, h, a->etag);
	if (pre == 412) {
		answer_status(c, a, 412);
	} else if (pre == 304) {
		a->status = 304;
		a->type = NULL;
		write_head(c, a);
	} else if (range == 416) {
		snprintf(a->content_range, sizeof(a->content_range), "bytes */%llu",
		    (unsigned long long)f->size);
		answer_status(c, a, 416);
	} else if (range == 206) {
		answer_range(c, a);
	} else {
		a->status = 200;
		a->has_length = !a->gzip || c->gz;
		a->length = c->gz ? c->gz->len : f->size;
		write_head(c, a);
		c->off = c->mem_pos = 0;
		c->left = f->size;
		c->deflate_done = false;
		c->body = c->gz ? HTTPD_BODY_GZ : HTTPD_BODY_FILE;
		if (a->gzip && !c->gz && !a->head_only) {
			c->body = HTTPD_BODY_GZIP;
			c->deflate = gz_deflate_new();
			c->failed = !c->deflate;
		}
	}
	if (a->head_only)
		c->body = HTTPD_BODY_NONE;
}

static void answer_dir(
    struct httpd_conn *c, const struct l4_http_head *h, char *path, size_t n, struct answer *a)
{
	struct httpd_source *src = &c->srv->c.source;
	if (path[n - 1] != '/') {
		path[n] = '/';
		path[n + 1] = '\0';
		if (httpd_encode_path(path, a->location, sizeof(a->location)) < 0)
			a->location[0] = '\0';
		answer_status(c, a, a->location[0] ? 301 : 414);
		return;
	}
	struct httpd_file index;
	if (n + sizeof("index.html") <= HTTPD_PATH_MAX) {
		memcpy(path + n, "index.html", sizeof("index.html"));
		if (src->open(src->ctx, path, &index) == 0) {
			if (!index.is_dir) {
				drop_file(c);
				c->file = index;
				c->has_file = true;
				answer_file(c, h, path, a);
				return;
			}
			src->close(src->ctx, &index);
		}
		path[n] = '\0';
	}
	char *page;
	size_t page_n;
	if (!c->srv->c.list || !src->list) {
		answer_status(c, a, 403);
	} else if (httpd_list_page(c->srv, &c->file, path, &page, &page_n) < 0) {
		answer_status(c, a, 500);
	} else {
		a->status = 200;
		a->type = "text/html; charset=utf-8";
		answer_text(c, a, page, page_n);
	}
}

void httpd_respond(struct httpd_conn *c, const struct l4_http_head *h)
{
	static const char *const known[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH",
		"CONNECT" };
	struct httpd_source *src = &c->srv->c.source;
	struct answer a;
	char path[HTTPD_PATH_MAX + 2]; /* room for the slash of a directory */
	memset(&a, 0, sizeof(a));
	a.req = h;
	a.head_only = h->method.len == 4 && memcmp(h->method.p, "HEAD", 4) == 0;
	if (!a.head_only && (h->method.len != 3 || memcmp(h->method.p, "GET", 3) != 0)) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			a.allow |= l4_http_str_is(h->method, known[i]);
		answer_status(c, &a, a.allow ? 405 : 501);
		return;
	}
	int n = l4_http_target_path(h->target, path, HTTPD_PATH_MAX);
	if (n < 0) {
		answer_status(c, &a, n == L4_ELIMIT ? 414 : 400);
		return;
	}
	int rc = src->open(src->ctx, path, &c->file);
	if (rc < 0) {
		answer_status(c, &a,
		    rc == L4_ENOTFOUND ? 404
		    : rc == L4_EPERM   ? 403
		    : rc == L4_ELIMIT  ? 503
				       : 500);
		return;
	}
	c->has_file = true;
	if (c->file.is_dir)
		answer_dir(c, h, path, (size_t)n, &a);
	else if (path[n - 1] == '/')
		answer_status(c, &a, 404);
	else
		answer_file(c, h, path, &a);
}
