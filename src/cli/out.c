/* The output buffer of the views. Numbers and escapes are written by hand: a million lines pass
 * through here a second. */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void out_flush(struct out *o)
{
	size_t done = 0;
	while (done < o->n && !o->failed) {
		ssize_t r = write(o->fd, o->buf + done, o->n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			o->failed = true;
		else
			done += (size_t)r;
	}
	o->n = 0;
}

void out_long(struct out *o, const void *p, size_t n)
{
	const char *s = p;
	while (n) {
		if (o->n >= OUT_BYTES)
			out_flush(o);
		size_t k = OUT_BYTES - o->n < n ? OUT_BYTES - o->n : n;
		memcpy(o->buf + o->n, s, k);
		o->n += k;
		s += k;
		n -= k;
	}
}

void out_fmt(struct out *o, const char *fmt, ...)
{
	char t[2048];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t, sizeof t, fmt, ap);
	va_end(ap);
	if (n > 0)
		out_bytes(o, t, (size_t)n < sizeof t ? (size_t)n : sizeof t - 1);
}

void out_dec(struct out *o, uint64_t v)
{
	char t[20], *p = t + sizeof t;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	out_bytes(o, p, (size_t)(t + sizeof t - p));
}

/* Length of the UTF-8 character at p (of n bytes) that may be shown; 0: none. Control characters,
 * also those of U+0080 to U+009F, may not. */
static size_t utf8(const uint8_t *p, size_t n)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return n >= 2 && (p[1] & 0xc0) == 0x80 && !(p[0] == 0xc2 && p[1] < 0xa0) ? 2 : 0;
	if ((p[0] & 0xf0) == 0xe0) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
			return 0;
		unsigned c = (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
		/* overlong, surrogates, and the marks that turn the direction of text */
		bool bad = c < 0x800 || (c >= 0xd800 && c <= 0xdfff) ||
			   (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
			   (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
		return bad ? 0 : 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[3] & 0xc0) != 0x80)
			return 0;
		unsigned c = (p[0] & 7u) << 18 | (p[1] & 63u) << 12;
		return c < 0x10000 || c >= 0xe0000 ? 0 : 4;
	}
	return 0;
}

/* Length of the run of printable ASCII at p that needs no escape, eight bytes at a time. */
static size_t plain_run(const uint8_t *p, size_t n, bool json)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		uint64_t x;
		memcpy(&x, p + i, 8);
		uint64_t back = x ^ ones * '\\', del = x ^ ones * 0x7f;
		uint64_t quote = json ? x ^ ones * '"' : high;
		uint64_t bad =
		    (x | (x - ones * 0x20) | (back - ones) | (del - ones) | (quote - ones)) & high;
		/* A borrow can mark a byte too many, never one too few. */
		if (bad)
			break;
	}
	return i;
}

static void escape(struct out *o, const uint8_t *p, size_t n, bool json)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0, i = 0, next = 0;
	while (i < n) {
		if (i >= next && n - i >= 8) {
			i += plain_run(p + i, n - i, json);
			if (i == n)
				break;
			next = i + 8; /* what made it stop is within these */
		}
		size_t k = utf8(p + i, n - i);
		bool special = p[i] == '\\' || (json && p[i] == '"');
		if (k && !special) {
			i += k;
			continue;
		}
		out_bytes(o, p + start, i - start);
		char c = p[i] == '\n' ? 'n' : p[i] == '\t' ? 't' : p[i] == '\r' ? 'r' : 0;
		if (special || c) {
			out_char(o, '\\');
			out_char(o, c ? c : (char)p[i]);
		} else if (json) {
			/* A byte that is no character is kept as U+00NN. */
			out_str(o, "\\u00");
			out_char(o, hex[p[i] >> 4]);
			out_char(o, hex[p[i] & 15]);
		} else {
			out_str(o, "\\x");
			out_char(o, hex[p[i] >> 4]);
			out_char(o, hex[p[i] & 15]);
		}
		start = ++i;
	}
	out_bytes(o, p + start, n - start);
}

void out_escaped(struct out *o, const void *p, size_t n)
{
	escape(o, p, n, false);
}

void out_tsv(struct out *o, const void *bytes, size_t n, bool ascii)
{
	static const char names[] = "btn?fr"; /* of 8 to 13 */
	const uint8_t *p = bytes;
	size_t start = 0, i = 0;
	while (i < n) {
		bool escape = p[i] >= 8 && p[i] <= 13 && p[i] != 11;
		size_t k = p[i] < 0x80 ? 1 : ascii ? 0 : utf8(p + i, n - i);
		if (k && !escape) {
			i += k;
			continue;
		}
		out_bytes(o, p + start, i - start);
		if (escape) {
			out_char(o, '\\');
			out_char(o, names[p[i] - 8]);
		} else {
			out_str(o, "\xef\xbf\xbd"); /* U+FFFD */
		}
		start = ++i;
	}
	out_bytes(o, p + start, n - start);
}

void out_json(struct out *o, const void *p, size_t n)
{
	escape(o, p, n, true);
}
