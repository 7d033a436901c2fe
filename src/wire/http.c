/* HTTP/1.1 heads: finding their end, parsing them, and what they say of the message's framing.
 *
 * Theory of operation. A head is first delimited by l4_http_scan, which only knows lines and
 * limits, then parsed in one pass over the whole of it. Everything that two parsers might read
 * differently is refused (RFC 9112 11.2): a bare CR or LF, obs-fold, a blank before a colon,
 * Content-Length with anything but digits or with two values, Transfer-Encoding beside
 * Content-Length or in HTTP/1.0. The caller answers with error_status and closes.
 *
 * Limits: L4_HTTP_FIELDS_MAX field lines; bytes as in struct l4_http_scan. */
#include <layer4/http.h>

#include <string.h>

#include "wire/http_private.h"

#define LINE_MAX_DEFAULT 8192
#define HEAD_MAX_DEFAULT 32768
#define BLANK_LINES_MAX  4

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool l4_http_str_is(struct l4_http_str s, const char *text)
{
	size_t n = strlen(text);
	if (!s.p || s.len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(s.p[i]) != lower(text[i]))
			return false;
	return true;
}

/* RFC 9110 5.6.2: tchar. */
static bool is_tchar(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool l4_http_token_ok(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_tchar((unsigned char)text[i]))
			return false;
	return len > 0;
}

bool l4_http_value_ok(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

void l4_http_scan_init(struct l4_http_scan *s)
{
	memset(s, 0, sizeof(*s));
	s->line_max = LINE_MAX_DEFAULT;
	s->head_max = HEAD_MAX_DEFAULT;
}

static int scan_fail(struct l4_http_scan *s, int err)
{
	if (err == L4_ELIMIT)
		s->status = s->lines ? 431 : 414; /* RFC 6585 5, RFC 9110 15.5.15 */
	else
		s->status = 400;
	return err;
}

int64_t l4_http_scan(struct l4_http_scan *s, const void *data, size_t len)
{
	const char *p = data;
	while (s->pos < len) {
		char c = p[s->pos];
		if (s->cr && c != '\n') /* RFC 9112 2.2: a bare CR is invalid */
			return scan_fail(s, L4_EMALFORMED);
		if (c == '\n') {
			if (!s->cr)
				return scan_fail(s, L4_EMALFORMED);
			size_t n = s->pos - 1 - s->line;
			s->cr = false;
			s->pos++;
			s->line = s->pos;
			if (n > 0) {
				s->lines++;
			} else if (s->lines > 0) {
				return (int64_t)s->pos;
			} else if (s->pos > (size_t)2 * BLANK_LINES_MAX) {
				return scan_fail(s, L4_EMALFORMED);
			}
			continue;
		}
		if (c == '\0')
			return scan_fail(s, L4_EMALFORMED);
		s->cr = c == '\r';
		s->pos++;
		if (s->pos - s->line > s->line_max + s->cr || s->pos > s->head_max)
			return scan_fail(s, L4_ELIMIT);
		if (s->lines > L4_HTTP_FIELDS_MAX + 1u) /* the start line is one */
			return scan_fail(s, L4_ELIMIT);
	}
	return L4_EAGAIN;
}

/* --- parsing a delimited head --- */

static int fail(struct l4_http_head *h, int err, uint16_t status, const char *why)
{
	h->error_status = status;
	h->error = why;
	return err;
}

static int bad(struct l4_http_head *h, const char *why)
{
	return fail(h, L4_EMALFORMED, 400, why);
}

/* The next line without its CRLF. false at the end of the data or without CRLF. */
static bool next_line(struct l4_http_str *rest, struct l4_http_str *line)
{
	const char *nl = rest->len ? memchr(rest->p, '\n', rest->len) : NULL;
	if (!nl || nl == rest->p || nl[-1] != '\r')
		return false;
	line->p = rest->p;
	line->len = (size_t)(nl - rest->p) - 1;
	rest->len -= line->len + 2;
	rest->p = nl + 1;
	return memchr(line->p, '\r', line->len) == NULL && memchr(line->p, '\0', line->len) == NULL;
}

/* Cuts s at the first blank: the word before it, and the rest behind it in *s. */
static struct l4_http_str word(struct l4_http_str *s)
{
	const char *sp = s->len ? memchr(s->p, ' ', s->len) : NULL;
	struct l4_http_str w = { s->p, sp ? (size_t)(sp - s->p) : s->len };
	size_t skip = sp ? w.len + 1 : w.len;
	s->p += skip;
	s->len -= skip;
	return w;
}

/* "HTTP/1.1" (RFC 9112 2.3: case-sensitive). 0, or the error. */
static int parse_version(struct l4_http_head *h, struct l4_http_str v)
{
	if (v.len != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.' || v.p[5] < '0' ||
	    v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return bad(h, "not an HTTP version");
	if (v.p[5] != '1')
		return fail(h, L4_EMALFORMED, 505, "HTTP major version is not 1");
	h->minor = (uint8_t)(v.p[7] - '0');
	return 0;
}

static int parse_request_line(struct l4_http_head *h, struct l4_http_str line)
{
	h->method = word(&line);
	h->target = word(&line);
	if (!l4_http_token_ok(h->method.p, h->method.len))
		return bad(h, "method is not a token");
	if (h->target.len == 0)
		return bad(h, "request line has no target");
	for (size_t i = 0; i < h->target.len; i++) {
		unsigned char c = (unsigned char)h->target.p[i];
		if (c <= 0x20 || c >= 0x7f) /* RFC 3986 2: only visible US-ASCII */
			return bad(h, "target has a character that no URI has");
	}
	return parse_version(h, line);
}

static int parse_status_line(struct l4_http_head *h, struct l4_http_str line)
{
	int rc = parse_version(h, word(&line));
	if (rc)
		return rc;
	struct l4_http_str code = word(&line);
	if (code.len != 3 || code.p[0] < '1' || code.p[0] > '9')
		return bad(h, "status is not three digits");
	unsigned v = 0;
	for (size_t i = 0; i < 3; i++) {
		if (code.p[i] < '0' || code.p[i] > '9')
			return bad(h, "status is not three digits");
		v = v * 10 + (unsigned)(code.p[i] - '0');
	}
	h->status = (uint16_t)v;
	h->reason = line;
	if (!l4_http_value_ok(line.p, line.len))
		return bad(h, "control character in the reason phrase");
	return 0;
}

struct l4_http_str l4_http_trim(struct l4_http_str s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static int parse_field(struct l4_http_head *h, struct l4_http_str line)
{
	if (line.p[0] == ' ' || line.p[0] == '\t') /* RFC 9112 5.2 */
		return bad(h, "folded field line");
	const char *colon = memchr(line.p, ':', line.len);
	if (!colon)
		return bad(h, "field line without a colon");
	struct l4_http_field f;
	f.name = (struct l4_http_str){ line.p, (size_t)(colon - line.p) };
	f.value = (struct l4_http_str){ colon + 1, line.len - f.name.len - 1 };
	f.value = l4_http_trim(f.value);
	if (!l4_http_token_ok(f.name.p, f.name.len)) /* RFC 9112 5.1: no blank before the colon */
		return bad(h, "field name is not a token");
	if (!l4_http_value_ok(f.value.p, f.value.len))
		return bad(h, "control character in a field value");
	if (h->fields_n >= L4_HTTP_FIELDS_MAX)
		return fail(h, L4_ELIMIT, 431, "too many fields");
	h->fields[h->fields_n++] = f;
	return 0;
}

struct l4_http_str l4_http_find(const struct l4_http_head *h, const char *name)
{
	for (unsigned i = 0; i < h->fields_n; i++)
		if (l4_http_str_is(h->fields[i].name, name))
			return h->fields[i].value;
	return (struct l4_http_str){ NULL, 0 };
}

bool l4_http_list_next(struct l4_http_str *list, struct l4_http_str *item)
{
	while (list->len) {
		bool quoted = false;
		size_t n = 0;
		for (; n < list->len && (quoted || list->p[n] != ','); n++) {
			if (quoted && list->p[n] == '\\' && n + 1 < list->len)
				n++;
			else if (list->p[n] == '"')
				quoted = !quoted;
		}
		*item = l4_http_trim((struct l4_http_str){ list->p, n });
		size_t skip = n < list->len ? n + 1 : n;
		list->p += skip;
		list->len -= skip;
		if (item->len)
			return true;
	}
	return false;
}

bool l4_http_has_token(const struct l4_http_head *h, const char *name, const char *token)
{
	for (unsigned i = 0; i < h->fields_n; i++) {
		if (!l4_http_str_is(h->fields[i].name, name))
			continue;
		struct l4_http_str list = h->fields[i].value, item;
		while (l4_http_list_next(&list, &item))
			if (l4_http_str_is(item, token))
				return true;
	}
	return false;
}

/* Digits only, no overflow (RFC 9110 8.6). */
bool l4_http_digits(struct l4_http_str s, uint64_t *out)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		unsigned d = (unsigned)(s.p[i] - '0');
		if (v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return s.len > 0;
}

/* All Content-Length fields and list members must be one and the same number (RFC 9112 6.3, 5). */
static int parse_lengths(struct l4_http_head *h)
{
	for (unsigned i = 0; i < h->fields_n; i++) {
		if (!l4_http_str_is(h->fields[i].name, "content-length"))
			continue;
		struct l4_http_str list = h->fields[i].value, item;
		if (list.len == 0)
			return bad(h, "empty Content-Length");
		if (list.p[0] == ',' || list.p[list.len - 1] == ',')
			return bad(h, "Content-Length is not a number");
		while (l4_http_list_next(&list, &item)) {
			uint64_t v;
			if (!l4_http_digits(item, &v) || v > INT64_MAX)
				return bad(h, "Content-Length is not a number");
			if (h->has_length && v != h->content_length)
				return bad(h, "two different Content-Length");
			h->has_length = true;
			h->content_length = v;
		}
	}
	return 0;
}

/* Sets *chunked when Transfer-Encoding is there and is "chunked" alone. */
static int parse_codings(struct l4_http_head *h, bool *chunked)
{
	unsigned n = 0, chunked_n = 0;
	bool last = false, any = false;
	*chunked = false;
	for (unsigned i = 0; i < h->fields_n; i++) {
		if (!l4_http_str_is(h->fields[i].name, "transfer-encoding"))
			continue;
		struct l4_http_str list = h->fields[i].value, item;
		any = true;
		while (l4_http_list_next(&list, &item)) {
			n++;
			last = l4_http_str_is(item, "chunked");
			chunked_n += last;
		}
	}
	if (!any)
		return 0;
	if (h->minor == 0) /* RFC 9112 6.1 */
		return bad(h, "Transfer-Encoding in HTTP/1.0");
	if (h->has_length) /* RFC 9112 6.3, 3: request smuggling */
		return bad(h, "Transfer-Encoding beside Content-Length");
	if (!last || chunked_n != 1)
		return bad(h, "chunked is not the final transfer coding");
	if (n > 1)
		return fail(h, L4_EMALFORMED, 501, "transfer coding not supported");
	*chunked = true;
	return 0;
}

static void parse_connection(struct l4_http_head *h)
{
	/* RFC 9112 9.3 */
	if (l4_http_has_token(h, "connection", "close"))
		h->keep_alive = false;
	else if (h->minor >= 1)
		h->keep_alive = true;
	else
		h->keep_alive = l4_http_has_token(h, "connection", "keep-alive");
}

static int parse_head(struct l4_http_head *h, const void *data, size_t len, bool request)
{
	struct l4_http_str rest = { data, len }, line = { NULL, 0 };
	int rc;
	memset(h, 0, sizeof(*h));
	do {
		if (!next_line(&rest, &line))
			return bad(h, "head is not made of lines");
	} while (line.len == 0 && rest.len > 0);
	rc = request ? parse_request_line(h, line) : parse_status_line(h, line);
	if (rc)
		return rc;
	for (;;) {
		if (!next_line(&rest, &line))
			return bad(h, "head is not made of lines");
		if (line.len == 0)
			break;
		rc = parse_field(h, line);
		if (rc)
			return rc;
	}
	if (rest.len)
		return bad(h, "bytes after the head");
	return parse_lengths(h);
}

/* RFC 9112 3.2: exactly one Host in HTTP/1.1, of the form host[:port]. */
static int check_host(struct l4_http_head *h)
{
	unsigned n = 0;
	struct l4_http_str v = { NULL, 0 };
	for (unsigned i = 0; i < h->fields_n; i++) {
		if (l4_http_str_is(h->fields[i].name, "host")) {
			n++;
			v = h->fields[i].value;
		}
	}
	if (n > 1)
		return bad(h, "more than one Host");
	if (n == 0)
		return h->minor == 0 ? 0 : bad(h, "no Host");
	for (size_t i = 0; i < v.len; i++)
		if (strchr(" \t\"<>\\^`{|}/?#@,", v.p[i]))
			return bad(h, "Host is not a host");
	return 0;
}

int l4_http_request_parse(struct l4_http_head *out, const void *data, size_t len)
{
	bool chunked;
	int rc = parse_head(out, data, len, true);
	if (rc)
		return rc;
	if ((rc = check_host(out)) || (rc = parse_codings(out, &chunked)))
		return rc;
	if (chunked)
		out->framing = L4_HTTP_BODY_CHUNKED;
	else if (out->has_length && out->content_length)
		out->framing = L4_HTTP_BODY_LENGTH;
	out->expect_continue = out->minor >= 1 && l4_http_has_token(out, "expect", "100-continue");
	parse_connection(out);
	return 0;
}

int l4_http_response_parse(struct l4_http_head *out, const void *data, size_t len, bool to_head)
{
	bool chunked;
	int rc = parse_head(out, data, len, false);
	if (rc)
		return rc;
	if ((rc = parse_codings(out, &chunked)))
		return rc;
	parse_connection(out);
	/* RFC 9112 6.3, in its order */
	if (to_head || out->status < 200 || out->status == 204 || out->status == 304) {
		out->framing = L4_HTTP_BODY_NONE;
	} else if (chunked) {
		out->framing = L4_HTTP_BODY_CHUNKED;
	} else if (out->has_length) {
		out->framing = L4_HTTP_BODY_LENGTH;
	} else {
		out->framing = L4_HTTP_BODY_CLOSE;
		out->keep_alive = false;
	}
	return 0;
}
