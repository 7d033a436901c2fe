/* Addresses: tests, text in and out (RFC 4291, 5952). */
#include <layer4/addr.h>
#include <layer4/err.h>

#include <stdio.h>
#include <string.h>

static const uint8_t map_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct l4_addr l4_addr_from_ip4(const uint8_t ip4[4])
{
	struct l4_addr a;
	memcpy(a.b, map_prefix, 12);
	memcpy(a.b + 12, ip4, 4);
	return a;
}

struct l4_addr l4_addr_from_ip6(const uint8_t ip6[16])
{
	struct l4_addr a;
	memcpy(a.b, ip6, 16);
	return a;
}

bool l4_addr_is_loopback(const struct l4_addr *a)
{
	static const uint8_t one[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	return l4_addr_is_ip4(a) ? a->b[12] == 127 : memcmp(a->b, one, 16) == 0;
}

bool l4_addr_is_link_local(const struct l4_addr *a)
{
	if (l4_addr_is_ip4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool l4_prefix_has(const struct l4_prefix *p, const struct l4_addr *a)
{
	size_t whole = p->len / 8, rest = p->len % 8;
	if (p->len > 128 || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

/* Decimal 0..max without sign, blanks or leading zeros; steps *s over it. */
static int number(const char **s, unsigned max)
{
	const char *p = *s;
	unsigned v = 0;
	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (unsigned)(*p - '0');
		if (v > max)
			return -1;
	}
	*s = p;
	return (int)v;
}

static bool parse_ip4(const char **s, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0 && *(*s)++ != '.')
			return false;
		int v = number(s, 255);
		if (v < 0)
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_ip6(const char **s, uint8_t out[16])
{
	const char *p = *s;
	size_t n = 0, gap = SIZE_MAX; /* bytes so far; where "::" stands */
	if (p[0] == ':' && p[1] == ':') {
		gap = 0;
		p += 2;
	}
	while (n < 16 && hex_digit(*p) >= 0) {
		const char *start = p;
		unsigned v = 0;
		int digits = 0;
		for (; digits < 5 && hex_digit(*p) >= 0; digits++)
			v = v << 4 | (unsigned)hex_digit(*p++);
		if (*p == '.' && n <= 12) {
			p = start;
			if (!parse_ip4(&p, out + n))
				return false;
			n += 4;
			break;
		}
		if (digits > 4)
			return false;
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		if (p[0] == ':' && p[1] == ':') {
			if (gap != SIZE_MAX)
				return false;
			gap = n;
			p += 2;
		} else if (p[0] == ':') {
			if (hex_digit(p[1]) < 0 || n == 16)
				return false;
			p++;
		} else {
			break;
		}
	}
	if (gap == SIZE_MAX && n != 16)
		return false;
	if (gap != SIZE_MAX) {
		if (n == 16)
			return false;
		memmove(out + 16 - (n - gap), out + gap, n - gap);
		memset(out + gap, 0, 16 - n);
	}
	*s = p;
	return true;
}

static bool parse_any(struct l4_addr *out, const char **s)
{
	if (strchr(*s, ':'))
		return parse_ip6(s, out->b);
	uint8_t v4[4];
	if (!parse_ip4(s, v4))
		return false;
	*out = l4_addr_from_ip4(v4);
	return true;
}

int l4_addr_parse(struct l4_addr *out, const char *text)
{
	struct l4_addr a;
	if (!parse_any(&a, &text) || *text)
		return L4_EMALFORMED;
	*out = a;
	return L4_OK;
}

int l4_prefix_parse(struct l4_prefix *out, const char *text)
{
	bool v6 = strchr(text, ':') != NULL;
	int len = v6 ? 128 : 32;
	struct l4_addr a;
	if (!parse_any(&a, &text))
		return L4_EMALFORMED;
	if (*text == '/') {
		text++;
		len = number(&text, v6 ? 128 : 32);
	}
	if (*text || len < 0)
		return L4_EMALFORMED;
	out->addr = a;
	out->len = (uint8_t)(v6 ? len : len + 96);
	return L4_OK;
}

int l4_mac_parse(struct l4_mac *out, const char *text)
{
	struct l4_mac m;
	for (int i = 0; i < 6; i++) {
		if (i > 0 && *text != ':' && *text != '-')
			return L4_EMALFORMED;
		text += i > 0;
		int hi = hex_digit(text[0]);
		int lo = hi < 0 ? -1 : hex_digit(text[1]);
		if (lo < 0)
			return L4_EMALFORMED;
		m.b[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	if (*text)
		return L4_EMALFORMED;
	*out = m;
	return L4_OK;
}

static size_t format_ip6(const uint8_t *b, char *text, size_t cap)
{
	/* RFC 5952 4.2: the longest run of at least two zero groups, the first of equals. */
	int best = -1, best_len = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && b[2 * (i + n)] == 0 && b[2 * (i + n) + 1] == 0)
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
	}
	char *t = text;
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			*t++ = ':';
			*t++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i > 0 && i != best + best_len)
			*t++ = ':';
		else if (i > 0 && best < 0)
			*t++ = ':';
		t += snprintf(t, cap - (size_t)(t - text), "%x", b[2 * i] << 8 | b[2 * i + 1]);
	}
	*t = '\0';
	return (size_t)(t - text);
}

size_t l4_addr_format(const struct l4_addr *a, char *text, size_t cap)
{
	if (cap < L4_ADDR_TEXT_MAX)
		return 0;
	if (l4_addr_is_ip4(a))
		return (size_t)snprintf(
		    text, cap, "%u.%u.%u.%u", a->b[12], a->b[13], a->b[14], a->b[15]);
	return format_ip6(a->b, text, cap);
}

size_t l4_endpoint_format(const struct l4_endpoint *e, char *text, size_t cap)
{
	char addr[L4_ADDR_TEXT_MAX];
	l4_addr_format(&e->addr, addr, sizeof addr);
	if (l4_addr_is_ip4(&e->addr))
		return (size_t)snprintf(text, cap, "%s:%u", addr, e->port);
	if (e->ifindex && l4_addr_is_link_local(&e->addr))
		return (size_t)snprintf(text, cap, "[%s%%%u]:%u", addr, e->ifindex, e->port);
	return (size_t)snprintf(text, cap, "[%s]:%u", addr, e->port);
}

size_t l4_mac_format(const struct l4_mac *m, char *text, size_t cap)
{
	return (size_t)snprintf(text, cap, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1],
	    m->b[2], m->b[3], m->b[4], m->b[5]);
}
