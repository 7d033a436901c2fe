/* Domain names: wire form, text form, comparison (RFC 1035 3.1, 4.1.4, 5.1; RFC 4343).
 *
 * Reading a compressed name, each pointer must lead before the part of the name that holds it and
 * behind the header. Parts therefore start at ever smaller offsets, and the walk ends after at
 * most as many steps as the message has bytes; the total of 255 bytes ends it much sooner. */
#include <layer4/dns.h>

#include <string.h>

#include "base/cursor.h"

#define LABEL_MAX 63

int l4_dns_name_parse(struct l4_dns_name *out, const void *msg, size_t len, size_t off)
{
	const uint8_t *p = msg;
	size_t at = off, part = off, taken = 0, n = 0;
	bool jumped = false;
	for (;;) {
		if (at >= len)
			return L4_ETRUNC;
		uint8_t c = p[at];
		if (c >= 0xc0) { /* a pointer */
			if (len - at < 2)
				return L4_ETRUNC;
			size_t to = (c & 0x3fu) << 8 | p[at + 1];
			if (to < L4_DNS_HDR_LEN || to >= part) /* RFC 9267 2 */
				return L4_EMALFORMED;
			if (!jumped)
				taken = at + 2 - off;
			jumped = true;
			at = part = to;
			continue;
		}
		if (c > LABEL_MAX) /* types 01 and 10 are not in use */
			return L4_EMALFORMED;
		if (c >= len - at) /* the label itself, before its end is believed */
			return L4_ETRUNC;
		if (n + c + 1u > L4_DNS_NAME_MAX)
			return L4_EMALFORMED;
		memcpy(out->b + n, p + at, c + 1u);
		n += c + 1u;
		at += c + 1u;
		if (c == 0)
			break;
	}
	out->len = (uint8_t)n;
	return (int)(jumped ? taken : at - off);
}

static int escaped(const char **text, uint8_t *out)
{
	const char *t = *text;
	if (t[0] >= '0' && t[0] <= '9') {
		unsigned v = 0;
		for (int i = 0; i < 3; i++) {
			if (t[i] < '0' || t[i] > '9')
				return L4_EMALFORMED;
			v = v * 10 + (unsigned)(t[i] - '0');
		}
		if (v > 255)
			return L4_EMALFORMED;
		*out = (uint8_t)v;
		*text = t + 3;
		return L4_OK;
	}
	if (t[0] == '\0')
		return L4_EMALFORMED;
	*out = (uint8_t)t[0];
	*text = t + 1;
	return L4_OK;
}

int l4_dns_name_from_text(struct l4_dns_name *out, const char *text)
{
	size_t n = 0;
	if (strcmp(text, ".") == 0)
		text++;
	else if (*text == '\0')
		return L4_EMALFORMED;
	while (*text) {
		size_t label = n++, k = 0; /* the length goes where the label starts */
		while (*text && *text != '.') {
			uint8_t c = (uint8_t)*text++;
			if (c == '\\' && escaped(&text, &c) != L4_OK)
				return L4_EMALFORMED;
			/* One byte must remain for the root. */
			if (k == LABEL_MAX || n >= L4_DNS_NAME_MAX - 1)
				return L4_EMALFORMED;
			out->b[n++] = c;
			k++;
		}
		if (k == 0)
			return L4_EMALFORMED;
		out->b[label] = (uint8_t)k;
		text += *text == '.';
	}
	out->b[n++] = 0;
	out->len = (uint8_t)n;
	return L4_OK;
}

static void add_label(struct l4_dns_name *out, const char *s, size_t n)
{
	out->b[out->len] = (uint8_t)n;
	memcpy(out->b + out->len + 1, s, n);
	out->len = (uint8_t)(out->len + n + 1);
}

void l4_dns_name_from_addr(struct l4_dns_name *out, const struct l4_addr *a)
{
	static const char hex[] = "0123456789abcdef";
	bool v4 = l4_addr_is_ip4(a);
	out->len = 0;
	for (int i = 15; i >= (v4 ? 12 : 0); i--) {
		if (v4) {
			char d[3];
			size_t n = 0;
			if (a->b[i] >= 100)
				d[n++] = (char)('0' + a->b[i] / 100);
			if (a->b[i] >= 10)
				d[n++] = (char)('0' + a->b[i] / 10 % 10);
			d[n++] = (char)('0' + a->b[i] % 10);
			add_label(out, d, n);
		} else {
			add_label(out, &hex[a->b[i] & 15], 1);
			add_label(out, &hex[a->b[i] >> 4], 1);
		}
	}
	if (v4)
		add_label(out, "in-addr", 7);
	else
		add_label(out, "ip6", 3);
	add_label(out, "arpa", 4);
	out->b[out->len++] = 0;
}

/* One byte of a label as text; returns its length, 1 to 4. */
static size_t escape(uint8_t c, char *to)
{
	if (c <= ' ' || c > '~') {
		to[0] = '\\';
		to[1] = (char)('0' + c / 100);
		to[2] = (char)('0' + c / 10 % 10);
		to[3] = (char)('0' + c % 10);
		return 4;
	}
	switch (c) {
	case '.':
	case '\\':
	case '"':
	case '(':
	case ')':
	case ';':
	case '@':
	case '$':
		to[0] = '\\';
		to[1] = (char)c;
		return 2;
	default:
		to[0] = (char)c;
		return 1;
	}
}

int l4_dns_name_format(const struct l4_dns_name *name, char *text, size_t cap)
{
	struct l4_wr w = l4_wr_init(text, cap);
	struct l4_rd r = l4_rd_init(name->b, name->len);
	char piece[4];
	uint8_t n;
	while ((n = l4_rd_u8(&r)) != 0) {
		for (; n > 0; n--) {
			size_t k = escape(l4_rd_u8(&r), piece);
			l4_wr_bytes(&w, piece, k);
		}
		l4_wr_u8(&w, '.');
	}
	if (name->len == 1)
		l4_wr_u8(&w, '.');
	l4_wr_u8(&w, 0);
	return l4_wr_ok(&w) ? (int)l4_wr_len(&w) - 1 : L4_ETRUNC;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool l4_dns_name_eq(const struct l4_dns_name *a, const struct l4_dns_name *b)
{
	if (a->len != b->len)
		return false;
	/* Length bytes are at most 63, below any letter, so they may be lowered with the rest. */
	for (size_t i = 0; i < a->len; i++)
		if (lower(a->b[i]) != lower(b->b[i]))
			return false;
	return true;
}
