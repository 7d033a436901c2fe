/* Numbers, addresses and times as text, by hand: printf costs more than all the rest of a summary
 * line. Each function writes at o without NUL and returns the end; callers leave room (64 bytes
 * serve any of them). */
#include "dissect/engine.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
			    "34353637383940414243444546474849505152535455565758596061626364656667"
			    "6869707172737475767778798081828384858687888990919293949596979899";

/* Four digits, leading zeros and all. */
static char *four(char *o, unsigned v)
{
	memcpy(o, pairs + v / 100 * 2, 2);
	memcpy(o + 2, pairs + v % 100 * 2, 2);
	return o + 4;
}

/* Up to four digits, no leading zeros. */
static char *upto4(char *o, unsigned v)
{
	if (v >= 100) {
		unsigned h = v / 100;
		if (h >= 10) {
			memcpy(o, pairs + h * 2, 2);
			o += 2;
		} else {
			*o++ = (char)('0' + h);
		}
		memcpy(o, pairs + v % 100 * 2, 2);
		return o + 2;
	}
	if (v >= 10) {
		memcpy(o, pairs + v * 2, 2);
		return o + 2;
	}
	*o = (char)('0' + v);
	return o + 1;
}

/* Groups of four digits by 32-bit division, which is what the numbers of packets need. */
char *fmt_dec(char *o, uint64_t v)
{
	if (v < 10000)
		return upto4(o, (unsigned)v);
	if (v >= 100000000) {
		o = fmt_dec(o, v / 100000000);
		uint32_t low = (uint32_t)(v % 100000000);
		return four(four(o, low / 10000), low % 10000);
	}
	uint32_t x = (uint32_t)v;
	return four(upto4(o, x / 10000), x % 10000);
}

char *fmt_port_name(
    const struct l4_dissect *d, char *o, uint16_t port, uint8_t proto, const char *space)
{
	const char *name = d->cfg.port_name(d->cfg.port_name_ctx, port, proto);
	if (!name)
		return fmt_dec(o, port);
	for (unsigned n = 0; n < 31 && name[n]; n++)
		*o++ = name[n] > ' ' && name[n] < 0x7f ? name[n] : '?';
	o = fmt_str(o, space);
	*o++ = '(';
	o = fmt_dec(o, port);
	*o++ = ')';
	return o;
}

char *fmt_hex(char *o, uint64_t v, unsigned digits)
{
	for (unsigned i = digits; i-- > 0; v >>= 4)
		o[i] = "0123456789abcdef"[v & 15];
	return o + digits;
}

static char *byte_dec(char *o, unsigned v)
{
	if (v >= 100) {
		unsigned h = v >= 200 ? 2 : 1;
		*o = (char)('0' + h);
		memcpy(o + 1, pairs + (v - h * 100) * 2, 2);
		return o + 3;
	}
	return upto4(o, v);
}

char *fmt_ip4(char *o, const uint8_t *p)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*o++ = '.';
		o = byte_dec(o, p[i]);
	}
	return o;
}

static char *group_hex(char *o, unsigned v)
{
	bool started = false;
	for (int s = 12; s >= 0; s -= 4) {
		unsigned nibble = v >> s & 15;
		if (nibble || started || !s) {
			*o++ = "0123456789abcdef"[nibble];
			started = true;
		}
	}
	return o;
}

/* RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::". */
char *fmt_ip6(char *o, const uint8_t *p)
{
	unsigned g[8];
	int best = -1, best_len = 1;
	for (int i = 0; i < 8; i++)
		g[i] = (unsigned)p[2 * i] << 8 | p[2 * i + 1];
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && !g[i + n])
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
		i += n;
	}
	/* ::a.b.c.d and ::ffff:a.b.c.d are written with their IPv4 part. */
	bool mapped = best == 0 && ((best_len == 6) || (best_len == 5 && g[5] == 0xffff));
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			*o++ = ':';
			*o++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i && i != best + best_len)
			*o++ = ':';
		else if (i && best < 0)
			*o++ = ':';
		if (mapped && i == 6)
			return fmt_ip4(o, p + 12);
		o = group_hex(o, g[i]);
	}
	return o;
}

char *fmt_mac(char *o, const uint8_t *p)
{
	static const char hex[] = "0123456789abcdef";
	for (int i = 0; i < 6; i++, o += 3) {
		o[0] = hex[p[i] >> 4];
		o[1] = hex[p[i] & 15];
		o[2] = ':';
	}
	return o - 1;
}

/* Seconds with `digits` decimals (6 or 9). */
char *fmt_span(char *o, int64_t ns, unsigned digits)
{
	uint64_t u = (uint64_t)ns;
	if (ns < 0) {
		*o++ = '-';
		u = 0 - u;
	}
	uint64_t s = u / 1000000000;
	uint32_t f = (uint32_t)(u - s * 1000000000);
	o = fmt_dec(o, s);
	*o++ = '.';
	*o = (char)('0' + f / 100000000);
	f %= 100000000;
	(void)four(four(o + 1, f / 10000), f % 10000);
	return o + (digits < 9 ? digits : 9);
}

/* Civil date of a day count from 1970-01-01 (proleptic Gregorian calendar, eras of 400 years). */
char *fmt_utc(char *o, l4_time ns)
{
	static const char month[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t s = ns / L4_SEC;
	uint64_t days = s / 86400 + 719468;
	unsigned rest = (unsigned)(s % 86400);
	uint64_t era = days / 146097;
	unsigned doe = (unsigned)(days - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned day = doy - (153 * mp + 2) / 5 + 1;
	unsigned mon = mp < 10 ? mp + 3 : mp - 9;
	uint64_t year = yoe + era * 400 + (mon <= 2);
	memcpy(o, month + 3 * (mon - 1), 3);
	o += 3;
	*o++ = ' ';
	if (day < 10)
		*o++ = ' ';
	o = fmt_dec(o, day);
	*o++ = ',';
	*o++ = ' ';
	o = fmt_dec(o, year);
	*o++ = ' ';
	unsigned hms[3] = { rest / 3600, rest / 60 % 60, rest % 60 };
	for (int i = 0; i < 3; i++) {
		if (i)
			*o++ = ':';
		*o++ = pairs[hms[i] * 2];
		*o++ = pairs[hms[i] * 2 + 1];
	}
	*o++ = '.';
	uint64_t f = ns % L4_SEC;
	for (uint64_t d = 100000000; d; d /= 10)
		*o++ = (char)('0' + f / d % 10);
	memcpy(o, " UTC", 4);
	return o + 4;
}

static size_t finish(char *out, size_t cap, const char *t, size_t n)
{
	if (n > cap)
		n = cap;
	if (n) /* an empty text may have no address */
		memcpy(out, t, n);
	return n;
}

static size_t bytes_text(const struct l4_item *i, char *out, size_t cap)
{
	size_t n = i->n;
	if (!n && i->field->flags & L4_FF_MAY_BE_EMPTY)
		return finish(out, cap, "<none>", 6);
	if (!n)
		return finish(out, cap, "<MISSING>", 9);
	if (i->field->base == L4_BASE_COLON) {
		size_t at = 0;
		for (size_t k = 0; k < n && at + 3 <= cap; k++) {
			if (k)
				out[at++] = ':';
			out[at++] = "0123456789abcdef"[i->v.p[k] >> 4];
			out[at++] = "0123456789abcdef"[i->v.p[k] & 15];
		}
		return at;
	}
	if (n > cap / 2)
		n = cap / 2;
	const uint8_t *p = i->v.p;
	for (size_t k = 0; k < n; k++) {
		/* both digits at once: nibbles apart, then letters moved up */
		uint32_t x = (uint32_t)p[k] >> 4 | (uint32_t)(p[k] & 15) << 8;
		x += 0x3030 + ((x + 0x0606) >> 4 & 0x0101) * 39;
		out[2 * k] = (char)x;
		out[2 * k + 1] = (char)(x >> 8);
	}
	return 2 * n;
}

static char *uint_text(char *o, const struct l4_field *f, uint64_t v)
{
	static const uint8_t width[] = {
		[L4_FT_U8] = 2, [L4_FT_U16] = 4, [L4_FT_U24] = 6, [L4_FT_U32] = 8, [L4_FT_U64] = 16
	};
	if (f->base != L4_BASE_HEX && f->base != L4_BASE_HEX_DEC)
		return fmt_dec(o, v);
	*o++ = '0';
	*o++ = 'x';
	return fmt_hex(o, v, width[f->type]);
}

size_t l4_item_text(const struct l4_item *i, char *out, size_t cap)
{
	char small[64];
	char *t = cap >= sizeof small ? out : small; /* where it fits in any case: in place */
	char *o = t;
	switch ((enum l4_ftype)i->field->type) {
	case L4_FT_NONE:
		*o++ = '1';
		break;
	case L4_FT_PROTOCOL: {
		if (i->n) /* unknown bytes are shown themselves */
			return bytes_text(i, out, cap);
		/* A layer without a title of its own shows its name, as tshark has it. */
		const char *s = i->text ? i->text : i->field->name;
		return finish(out, cap, s, strlen(s));
	}
	case L4_FT_BOOL:
		*o++ = i->v.u ? '1' : '0';
		break;
	case L4_FT_U8:
	case L4_FT_U16:
	case L4_FT_U24:
	case L4_FT_U32:
	case L4_FT_U64:
	case L4_FT_FRAME:
		o = uint_text(o, i->field, i->v.u);
		break;
	case L4_FT_I8:
	case L4_FT_I16:
	case L4_FT_I32:
	case L4_FT_I64:
		if (i->v.i < 0)
			*o++ = '-';
		o = fmt_dec(o, i->v.i < 0 ? 0 - (uint64_t)i->v.i : (uint64_t)i->v.i);
		break;
	case L4_FT_IP4:
		o = fmt_ip4(o, i->v.p);
		break;
	case L4_FT_IP6:
		o = fmt_ip6(o, i->v.p);
		break;
	case L4_FT_MAC:
		o = fmt_mac(o, i->v.p);
		break;
	case L4_FT_BYTES:
		return bytes_text(i, out, cap);
	case L4_FT_STRING:
		return finish(out, cap, (const char *)i->v.p, i->n);
	case L4_FT_TIME:
		o = fmt_utc(o, i->v.u);
		break;
	case L4_FT_SPAN:
		o = fmt_span(o, i->v.i, 9);
		break;
	case L4_FT_DOUBLE:
		o += snprintf(o, sizeof small, "%g", i->v.d);
		break;
	}
	return t == out ? (size_t)(o - t) : finish(out, cap, t, (size_t)(o - t));
}

static char *fmt_address(char *o, enum l4_addr_kind kind, const uint8_t *p)
{
	switch (p ? kind : L4_AK_NONE) {
	case L4_AK_MAC:
		return fmt_mac(o, p);
	case L4_AK_IP4:
		return fmt_ip4(o, p);
	case L4_AK_IP6:
		return fmt_ip6(o, p);
	case L4_AK_TEXT: {
		size_t n = strnlen((const char *)p, 63);
		memcpy(o, p, n);
		return o + n;
	}
	case L4_AK_NONE:
		break;
	}
	return o;
}

static char *spaces(char *o, ptrdiff_t n)
{
	while (n-- > 0)
		*o++ = ' ';
	return o;
}

/* Right-aligned: written first, moved when it turns out to be short. */
static char *right(char *from, char *end, ptrdiff_t width)
{
	ptrdiff_t n = end - from;
	if (n >= width)
		return end;
	memmove(from + width - n, from, (size_t)n);
	(void)spaces(from, width - n);
	return from + width;
}

size_t l4_dissected_line(const struct l4_dissected *p, l4_time first, char *out)
{
	const struct l4_cap_packet *c = p->cap;
	unsigned digits = c->ts_precision >= 9 ? 9 : c->ts_precision >= 6 ? 6 : c->ts_precision;
	char *o = right(out, fmt_dec(out, c->number), 5), *from;
	*o++ = ' ';
	from = o;
	o = right(from, fmt_span(o, (int64_t)(c->ts - first), digits), 10);
	*o++ = ' ';
	from = o;
	o = right(from, fmt_address(o, p->src_kind, p->src), 12);
	o = fmt_str(o, " → ");
	from = o;
	o = fmt_address(o, p->dst_kind, p->dst);
	o = spaces(o, 12 - (o - from));
	*o++ = ' ';
	size_t n = strnlen(p->protocol, 63);
	memcpy(o, p->protocol, n);
	o += n;
	*o++ = ' ';
	o = fmt_dec(o, c->len);
	*o++ = ' ';
	return (size_t)(o - out);
}
