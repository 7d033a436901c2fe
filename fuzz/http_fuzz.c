/* HTTP/1.1: the first byte chooses the parser, the rest is its input. */
#include <layer4/http.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void head(const char *p, size_t n, bool request)
{
	struct l4_http_scan s;
	struct l4_http_head h;
	l4_http_scan_init(&s);
	int64_t len = l4_http_scan(&s, p, n);
	if (len > (int64_t)n)
		abort();
	if (len > 0)
		n = (size_t)len;
	int rc =
	    request ? l4_http_request_parse(&h, p, n) : l4_http_response_parse(&h, p, n, false);
	if (rc < 0) {
		if (!h.error || h.error_status < 400)
			abort();
		return;
	}
	if (h.fields_n > L4_HTTP_FIELDS_MAX || h.content_length > INT64_MAX)
		abort();
	(void)l4_http_accepts_coding(&h, "gzip");
	for (unsigned i = 0; i < h.fields_n; i++) {
		struct l4_http_range r[8];
		int64_t t;
		if (!l4_http_token_ok(h.fields[i].name.p, h.fields[i].name.len))
			abort();
		int k = l4_http_range_parse(r, 8, h.fields[i].value, 1000);
		for (int j = 0; j < k; j++)
			if (r[j].first > r[j].last || r[j].last > 999)
				abort();
		(void)l4_http_date_parse(&t, h.fields[i].value, 0);
		(void)l4_http_etag_listed(h.fields[i].value, "\"x\"");
	}
}

static void chunked(const char *p, size_t n)
{
	struct l4_http_chunked c;
	size_t pos = 0, used;
	struct l4_http_str piece;
	l4_http_chunked_init(&c);
	for (;;) {
		int rc = l4_http_chunked_next(&c, p + pos, n - pos, &used, &piece);
		if (used > n - pos)
			abort();
		pos += used;
		if (rc != 1)
			return;
		if (piece.len == 0 || piece.p < p || piece.p + piece.len > p + n)
			abort();
	}
}

static void url(const char *p, size_t n)
{
	struct l4_url u, base;
	char out[300];
	static const char base_text[] = "http://h:8/a/b?c";
	struct l4_http_str s = { p, n };
	if (l4_url_parse(&u, p, n) == 0 && u.host.len == 0)
		abort();
	if (l4_url_parse(&base, base_text, sizeof(base_text) - 1) != 0)
		abort();
	int rc = l4_url_resolve(&base, s, out, sizeof(out));
	if (rc >= 0 && strlen(out) != (size_t)rc)
		abort();
	rc = l4_http_target_path(s, out, sizeof(out));
	if (rc < 0)
		return;
	if (out[0] != '/' || strlen(out) != (size_t)rc || strstr(out, "/../") || strstr(out, "//"))
		abort();
	if (rc >= 3 && strcmp(out + rc - 3, "/..") == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const char *p = (const char *)data + 1;
	switch (data[0] & 3) {
	case 0:
		head(p, size - 1, true);
		break;
	case 1:
		head(p, size - 1, false);
		break;
	case 2:
		chunked(p, size - 1);
		break;
	default:
		url(p, size - 1);
		break;
	}
	return 0;
}
