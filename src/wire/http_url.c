/* Request targets and URLs (RFC 3986, RFC 9112 3.2): from text to a path, host and port.
 *
 * A target is decoded once, then its dot segments are resolved; what climbs above the root is an
 * error and not clipped, for no honest client sends it. */
#include <layer4/http.h>

#include <string.h>

#include "wire/http_private.h"

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

/* "http://authority" in front of an absolute-form target is stepped over. */
static int target_skip_authority(struct l4_http_str *t)
{
	if (t->len && t->p[0] == '/')
		return 0;
	for (size_t i = 0; i + 2 < t->len; i++) {
		if (t->p[i] == ':' && t->p[i + 1] == '/' && t->p[i + 2] == '/') {
			struct l4_http_str scheme = { t->p, i };
			if (!l4_http_str_is(scheme, "http") && !l4_http_str_is(scheme, "https"))
				return L4_EMALFORMED;
			i += 3;
			while (i < t->len && t->p[i] != '/' && t->p[i] != '?')
				i++;
			t->p += i;
			t->len -= i;
			return 0;
		}
	}
	return L4_EMALFORMED;
}

/* Decodes percent escapes of the path (up to '?' or '#') to out. Returns the length or an error. */
static int decode(struct l4_http_str t, char *out, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < t.len && t.p[i] != '?' && t.p[i] != '#'; i++) {
		unsigned char c = (unsigned char)t.p[i];
		if (c == '%') {
			int hi = i + 2 < t.len ? hex_value(t.p[i + 1]) : -1;
			int lo = i + 2 < t.len ? hex_value(t.p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return L4_EMALFORMED;
			c = (unsigned char)(hi << 4 | lo);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || c == '\\')
			return L4_EMALFORMED;
		if (n + 1 >= cap)
			return L4_ELIMIT;
		out[n++] = (char)c;
	}
	return (int)n;
}

/* Resolves ".", ".." and "//" in place (RFC 3986 5.2.4, but climbing out is an error). */
static int resolve_dots(char *s, size_t n)
{
	size_t r = 1, w = 1; /* s[0] is '/' */
	while (r < n) {
		size_t seg = r;
		while (r < n && s[r] != '/')
			r++;
		size_t len = r - seg;
		bool slash = r < n;
		r += slash;
		if (len == 0 || (len == 1 && s[seg] == '.'))
			continue;
		if (len == 2 && s[seg] == '.' && s[seg + 1] == '.') {
			if (w == 1)
				return L4_EMALFORMED;
			w--; /* the slash that ends the parent */
			while (s[w - 1] != '/')
				w--;
			continue;
		}
		memmove(s + w, s + seg, len);
		w += len;
		if (slash)
			s[w++] = '/';
	}
	s[w] = '\0';
	return (int)w;
}

int l4_http_target_path(struct l4_http_str target, char *out, size_t cap)
{
	int rc = target_skip_authority(&target);
	if (rc)
		return rc;
	if (cap < 2)
		return L4_ELIMIT;
	int n = decode(target, out, cap);
	if (n < 0)
		return n;
	if (n == 0)
		out[n++] = '/';
	if (out[0] != '/')
		return L4_EMALFORMED;
	return resolve_dots(out, (size_t)n);
}

/* --- URLs --- */

static bool host_ok(struct l4_http_str h)
{
	for (size_t i = 0; i < h.len; i++) {
		char c = h.p[i];
		bool alnum =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && c != '.' && c != '-' && c != '_')
			return false;
	}
	return h.len > 0 && h.len <= 253;
}

static int parse_literal(struct l4_url *u)
{
	char text[L4_ADDR_TEXT_MAX];
	if (u->host.len >= sizeof(text))
		return L4_EMALFORMED;
	memcpy(text, u->host.p, u->host.len);
	text[u->host.len] = '\0';
	return l4_addr_parse(&u->addr, text);
}

static int parse_authority(struct l4_url *u, struct l4_http_str a)
{
	struct l4_http_str port = { NULL, 0 };
	if (a.len && memchr(a.p, '@', a.len))
		return L4_EUNSUPPORTED;
	if (a.len && a.p[0] == '[') { /* RFC 3986 3.2.2: IP-literal */
		const char *end = memchr(a.p, ']', a.len);
		if (!end)
			return L4_EMALFORMED;
		u->host = (struct l4_http_str){ a.p + 1, (size_t)(end - a.p) - 1 };
		size_t rest = a.len - u->host.len - 2;
		if (rest && end[1] != ':')
			return L4_EMALFORMED;
		if (rest)
			port = (struct l4_http_str){ end + 2, rest - 1 };
		if (!memchr(u->host.p, ':', u->host.len) || parse_literal(u) != 0)
			return L4_EMALFORMED;
		u->is_literal = true;
	} else {
		const char *colon = a.len ? memchr(a.p, ':', a.len) : NULL;
		u->host = (struct l4_http_str){ a.p, colon ? (size_t)(colon - a.p) : a.len };
		if (colon)
			port = (struct l4_http_str){ colon + 1, a.len - u->host.len - 1 };
		if (!host_ok(u->host))
			return L4_EMALFORMED;
		u->is_literal = parse_literal(u) == 0;
	}
	if (port.len) {
		uint64_t v;
		if (!l4_http_digits(port, &v) || v < 1 || v > 65535)
			return L4_EMALFORMED;
		u->port = (uint16_t)v;
		u->has_port = true;
	}
	return 0;
}

int l4_url_parse(struct l4_url *out, const char *text, size_t len)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < len; i++) /* nothing that could end a line or a word */
		if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
			return L4_EMALFORMED;
	const char *hash = len ? memchr(text, '#', len) : NULL;
	if (hash)
		len = (size_t)(hash - text);
	const char *colon = len ? memchr(text, ':', len) : NULL;
	if (!colon || (size_t)(colon - text) + 3 > len || colon[1] != '/' || colon[2] != '/')
		return L4_EMALFORMED;
	out->scheme = (struct l4_http_str){ text, (size_t)(colon - text) };
	if (!l4_http_token_ok(out->scheme.p, out->scheme.len))
		return L4_EMALFORMED;
	struct l4_http_str rest = { colon + 3, len - out->scheme.len - 3 };
	size_t n = 0;
	while (n < rest.len && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	int rc = parse_authority(out, (struct l4_http_str){ rest.p, n });
	if (rc)
		return rc;
	out->target = (struct l4_http_str){ rest.p + n, rest.len - n };
	if (out->target.len == 0)
		out->target = (struct l4_http_str){ "/", 1 };
	if (!out->has_port) {
		if (l4_http_str_is(out->scheme, "http"))
			out->port = 80;
		else if (l4_http_str_is(out->scheme, "https"))
			out->port = 443;
		else
			return L4_EMALFORMED;
	}
	return 0;
}

/* Text put together within a limit. */
struct joiner {
	char *p;
	size_t n, cap;
	bool full;
};

static void join(struct joiner *j, const char *p, size_t n)
{
	if (j->full || n >= j->cap - j->n) {
		j->full = true;
		return;
	}
	memcpy(j->p + j->n, p, n);
	j->n += n;
}

static void join_authority(struct joiner *j, const struct l4_url *u)
{
	bool v6 = u->is_literal && memchr(u->host.p, ':', u->host.len);
	join(j, u->scheme.p, u->scheme.len);
	join(j, "://", 3);
	join(j, "[", v6);
	join(j, u->host.p, u->host.len);
	join(j, "]", v6);
	if (u->has_port) {
		char digits[6];
		unsigned v = u->port, n = 0;
		do {
			digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
			v /= 10;
		} while (v);
		join(j, ":", 1);
		join(j, digits + sizeof(digits) - n, n);
	}
}

/* RFC 3986 5.2.4 on the path of s from `path` on, the query left as it is. Climbing is clipped. */
static size_t remove_dots(char *s, size_t path, size_t n)
{
	size_t end = path;
	while (end < n && s[end] != '?')
		end++;
	size_t r = path + 1, w = path + 1;
	while (r < end) {
		size_t seg = r;
		while (r < end && s[r] != '/')
			r++;
		size_t len = r - seg;
		bool slash = r < end;
		r += slash;
		if (len == 1 && s[seg] == '.')
			continue;
		if (len == 2 && s[seg] == '.' && s[seg + 1] == '.') {
			if (w > path + 1) {
				w--;
				while (s[w - 1] != '/')
					w--;
			}
			continue;
		}
		memmove(s + w, s + seg, len);
		w += len;
		if (slash)
			s[w++] = '/';
	}
	memmove(s + w, s + end, n - end);
	return w + (n - end);
}

/* Whether a reference begins with a scheme. */
static bool has_scheme(struct l4_http_str ref)
{
	for (size_t i = 0; i < ref.len; i++) {
		char c = ref.p[i];
		if (c == ':')
			return i > 0;
		if (c == '/' || c == '?' || c == '#')
			return false;
	}
	return false;
}

int l4_url_resolve(const struct l4_url *base, struct l4_http_str ref, char *out, size_t cap)
{
	struct joiner j = { out, 0, cap, cap == 0 };
	struct l4_url check;
	size_t path;
	for (size_t i = 0; i < ref.len; i++)
		if ((unsigned char)ref.p[i] <= 0x20 || (unsigned char)ref.p[i] >= 0x7f)
			return L4_EMALFORMED;
	const char *hash = ref.len ? memchr(ref.p, '#', ref.len) : NULL;
	if (hash)
		ref.len = (size_t)(hash - ref.p);
	if (has_scheme(ref)) {
		join(&j, ref.p, ref.len);
	} else if (ref.len >= 2 && ref.p[0] == '/' && ref.p[1] == '/') {
		join(&j, base->scheme.p, base->scheme.len);
		join(&j, ":", 1);
		join(&j, ref.p, ref.len);
	} else {
		join_authority(&j, base);
		path = j.n;
		if (ref.len == 0 || ref.p[0] != '/') { /* merge, RFC 3986 5.2.3 */
			struct l4_http_str b = base->target;
			size_t keep = 0, q = 0;
			while (q < b.len && b.p[q] != '?')
				q++;
			for (size_t i = 0; i < q; i++)
				if (b.p[i] == '/')
					keep = i + 1;
			if (ref.len == 0)
				keep = b.len;
			else if (ref.p[0] == '?')
				keep = q;
			if (keep == 0 || b.p[0] != '/')
				join(&j, "/", 1);
			join(&j, b.p, keep);
		}
		join(&j, ref.p, ref.len);
		if (!j.full)
			j.n = remove_dots(out, path, j.n);
	}
	if (j.full)
		return L4_ELIMIT;
	out[j.n] = '\0';
	int rc = l4_url_parse(&check, out, j.n);
	return rc < 0 ? rc : (int)j.n;
}
