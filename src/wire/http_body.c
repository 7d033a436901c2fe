/* HTTP/1.1 below the head: the chunked coding, ranges, content negotiation, entity tags, dates.
 *
 * The chunked decoder is a machine of ten states fed with whatever bytes are there; it lends runs
 * of the caller's bytes and copies nothing. Strict CRLF everywhere (RFC 9112 7.1); sizes have at
 * most 16 digits and never wrap; extensions and trailers are read over within stated limits. */
#include <layer4/http.h>

#include <string.h>

#include "wire/http_private.h"

enum chunk_state {
	CH_SIZE,         /* hex digits */
	CH_EXT,          /* chunk extensions, up to CR */
	CH_SIZE_LF,      /* LF behind the size line */
	CH_DATA,         /* left bytes of data */
	CH_DATA_CR,      /* CR behind the data */
	CH_DATA_LF,      /* LF behind it */
	CH_TRAILER,      /* at the first byte of a trailer line */
	CH_TRAILER_LINE, /* inside one */
	CH_TRAILER_LF,   /* LF behind a trailer line */
	CH_END_LF,       /* LF of the empty line that ends it all */
	CH_DONE,
};

void l4_http_chunked_init(struct l4_http_chunked *c)
{
	memset(c, 0, sizeof(*c));
}

static int hex_value(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

/* One byte of a size line. 0 or an error. */
static int chunk_size_byte(struct l4_http_chunked *c, char ch)
{
	int v = hex_value(ch);
	if (c->state == CH_SIZE && v >= 0) {
		if (c->digits == 16)
			return L4_ELIMIT;
		c->digits++;
		c->left = c->left << 4 | (uint64_t)v;
		return 0;
	}
	if (c->digits == 0 || c->left > INT64_MAX)
		return L4_EMALFORMED;
	if (ch == '\r') {
		c->state = CH_SIZE_LF;
		return 0;
	}
	/* RFC 9112 7.1.1: extensions are read over; only ';' or blanks may begin one. */
	if (c->state == CH_SIZE && ch != ';' && ch != ' ' && ch != '\t')
		return L4_EMALFORMED;
	if (ch == '\n' || ch == '\0')
		return L4_EMALFORMED;
	c->state = CH_EXT;
	return ++c->ext > L4_HTTP_CHUNK_EXT_MAX ? L4_ELIMIT : 0;
}

/* One byte anywhere else but in data. 0 or an error. */
static int chunk_byte(struct l4_http_chunked *c, char ch)
{
	enum chunk_state s = (enum chunk_state)c->state;
	if (s == CH_SIZE || s == CH_EXT)
		return chunk_size_byte(c, ch);
	if (s == CH_SIZE_LF || s == CH_DATA_LF || s == CH_TRAILER_LF || s == CH_END_LF) {
		if (ch != '\n')
			return L4_EMALFORMED;
		if (s == CH_SIZE_LF)
			c->state = c->left ? CH_DATA : CH_TRAILER;
		else if (s == CH_DATA_LF)
			c->state = CH_SIZE;
		else
			c->state = s == CH_TRAILER_LF ? CH_TRAILER : CH_DONE;
		c->digits = 0;
		return 0;
	}
	if (s == CH_DATA_CR) {
		c->state = CH_DATA_LF;
		return ch == '\r' ? 0 : L4_EMALFORMED;
	}
	/* trailers: thrown away, but their lines must be lines */
	if (ch == '\r') {
		c->state = s == CH_TRAILER ? CH_END_LF : CH_TRAILER_LF;
		return 0;
	}
	if (ch == '\n' || ch == '\0')
		return L4_EMALFORMED;
	c->state = CH_TRAILER_LINE;
	return ++c->trailer > L4_HTTP_CHUNK_TRAILER_MAX ? L4_ELIMIT : 0;
}

int l4_http_chunked_next(struct l4_http_chunked *c, const void *data, size_t len, size_t *used,
    struct l4_http_str *piece)
{
	const char *p = data;
	size_t i = 0;
	*used = 0;
	while (c->state != CH_DONE) {
		if (i == len) {
			*used = i;
			return 0;
		}
		if (c->state == CH_DATA) {
			size_t n = len - i;
			if (n > c->left)
				n = (size_t)c->left;
			*piece = (struct l4_http_str){ p + i, n };
			c->left -= n;
			if (c->left == 0)
				c->state = CH_DATA_CR;
			*used = i + n;
			return 1;
		}
		int rc = chunk_byte(c, p[i++]);
		if (rc) {
			*used = i;
			return rc;
		}
	}
	*used = i;
	return L4_EEOF;
}

/* --- Ranges --- */

/* One range-spec: "a-b", "a-" or "-n". 1 satisfiable, 0 not, L4_EMALFORMED. */
static int range_spec(struct l4_http_range *r, struct l4_http_str s, uint64_t size)
{
	const char *dash = memchr(s.p, '-', s.len);
	if (!dash)
		return L4_EMALFORMED;
	struct l4_http_str a = { s.p, (size_t)(dash - s.p) };
	struct l4_http_str b = { dash + 1, s.len - a.len - 1 };
	uint64_t first, last = UINT64_MAX;
	if (b.len && !l4_http_digits(b, &last))
		return L4_EMALFORMED;
	if (a.len == 0) { /* the last n bytes */
		if (b.len == 0)
			return L4_EMALFORMED;
		if (last == 0 || size == 0)
			return 0;
		r->first = last < size ? size - last : 0;
		r->last = size - 1;
		return 1;
	}
	if (!l4_http_digits(a, &first) || first > last)
		return L4_EMALFORMED;
	if (first >= size)
		return 0;
	r->first = first;
	r->last = last < size ? last : size - 1;
	return 1;
}

int l4_http_range_parse(
    struct l4_http_range *out, size_t max, struct l4_http_str value, uint64_t size)
{
	struct l4_http_str unit, item;
	const char *eq = value.len ? memchr(value.p, '=', value.len) : NULL;
	size_t n = 0, specs = 0;
	if (!eq)
		return L4_EMALFORMED;
	unit = (struct l4_http_str){ value.p, (size_t)(eq - value.p) };
	if (!l4_http_str_is(unit, "bytes")) /* RFC 9110 14.2: an unknown unit is ignored */
		return L4_EMALFORMED;
	value.len -= unit.len + 1;
	value.p = eq + 1;
	while (l4_http_list_next(&value, &item)) {
		struct l4_http_range r;
		int rc = range_spec(&r, item, size);
		if (rc < 0)
			return rc;
		if (++specs > max)
			return L4_ELIMIT;
		if (rc)
			out[n++] = r;
	}
	if (specs == 0)
		return L4_EMALFORMED;
	return n ? (int)n : L4_ENOTFOUND;
}

/* --- Negotiation and entity tags --- */

/* Whether ";q=" parameters of a list item say 0. */
static bool weight_is_zero(struct l4_http_str params)
{
	for (size_t i = 0; i + 2 < params.len; i++) {
		if ((params.p[i] == 'q' || params.p[i] == 'Q') && params.p[i + 1] == '=') {
			for (i += 2; i < params.len; i++)
				if (params.p[i] >= '1' && params.p[i] <= '9')
					return false;
			return true;
		}
	}
	return false;
}

bool l4_http_accepts_coding(const struct l4_http_head *h, const char *coding)
{
	int named = -1, star = -1; /* -1: not mentioned; the coding's own name wins over "*" */
	for (unsigned i = 0; i < h->fields_n; i++) {
		if (!l4_http_str_is(h->fields[i].name, "accept-encoding"))
			continue;
		struct l4_http_str list = h->fields[i].value, item;
		while (l4_http_list_next(&list, &item)) {
			const char *semi = memchr(item.p, ';', item.len);
			struct l4_http_str name = { item.p,
				semi ? (size_t)(semi - item.p) : item.len };
			struct l4_http_str params = { item.p + name.len, item.len - name.len };
			int ok = !weight_is_zero(params);
			name = l4_http_trim(name);
			if (l4_http_str_is(name, coding))
				named = ok;
			else if (l4_http_str_is(name, "*"))
				star = ok;
		}
	}
	return named >= 0 ? named == 1 : star == 1;
}

bool l4_http_etag_listed(struct l4_http_str list, const char *etag)
{
	struct l4_http_str item;
	size_t n = strlen(etag);
	while (l4_http_list_next(&list, &item)) {
		if (item.len == 1 && item.p[0] == '*')
			return true;
		/* RFC 9110 8.8.3.2: weak comparison does not look at W/ */
		if (item.len > 2 && item.p[0] == 'W' && item.p[1] == '/') {
			item.p += 2;
			item.len -= 2;
		}
		if (item.len == n && memcmp(item.p, etag, n) == 0)
			return true;
	}
	return false;
}

const char *l4_http_reason(unsigned status)
{
	static const struct {
		uint16_t status;
		const char *reason;
	} table[] = {
		{ 100, "Continue" },
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].reason;
	return "Unknown";
}
