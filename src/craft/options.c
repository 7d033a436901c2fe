/* What stands between a fixed header and the next layer: options of TCP and IPv4, DNS questions.
 *
 * Options are written as given, in their order; only the end is filled with zeros to a multiple of
 * four bytes (End of Option List, RFC 9293 3.1, RFC 791 3.1). What has no name here is opt(kind,
 * hex=...), whose length byte is derived, or raw(hex=...), where nothing is. */
#include <layer4/packet.h>

#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

/* Options of a name: kind, and the widths in bytes of their values. sack takes pairs. */
static const struct named_option {
	const char *proto, *name;
	uint8_t kind;
	uint8_t args;     /* how many numbers; 255: any */
	uint8_t width[2]; /* bytes of each */
	bool bare;        /* no length byte */
} named_options[] = {
	{ "tcp", "eol", 0, 0, { 0, 0 }, true }, { "tcp", "nop", 1, 0, { 0, 0 }, true },
	{ "tcp", "mss", 2, 1, { 2, 0 }, false },    /* RFC 9293 3.7.1 */
	{ "tcp", "ws", 3, 1, { 1, 0 }, false },     /* RFC 7323 2 */
	{ "tcp", "sackok", 4, 0, { 0, 0 }, false }, /* RFC 2018 2 */
	{ "tcp", "sack", 5, 255, { 4, 4 }, false }, /* RFC 2018 3 */
	{ "tcp", "ts", 8, 2, { 4, 4 }, false },     /* RFC 7323 3 */
	{ "tcp", "uto", 28, 1, { 2, 0 }, false },   /* RFC 5482 3 */
	{ "ip", "eol", 0, 0, { 0, 0 }, true }, { "ip", "nop", 1, 0, { 0, 0 }, true },
	{ "ip", "ra", 148, 1, { 2, 0 }, false }, /* RFC 2113 */
};

static bool put_number(struct parser *s, uint64_t v, unsigned width)
{
	uint8_t b[4];
	l4_put_u32(b, (uint32_t)v);
	return expr_add_bytes(s, b + 4 - width, width);
}

static bool named_option(struct parser *s, const struct named_option *o, const char *at)
{
	uint32_t start = s->x->n_bytes;
	uint8_t head[2] = { o->kind, 0 };
	uint64_t v;
	unsigned n = 0;
	if (!expr_add_bytes(s, head, o->bare ? 1 : 2))
		return false;
	if (expr_take(s, '(') && !expr_take(s, ')')) {
		do {
			unsigned width = o->width[n % 2];
			if (n >= o->args || n >= 62)
				return expr_fail(s, s->p, "%s takes %u numbers", o->name, o->args);
			if (!expr_number(s, expr_word(s), UINT32_MAX >> (32 - width * 8), &v) ||
			    !put_number(s, v, width))
				return false;
			n++;
		} while (expr_take(s, ','));
		if (!expr_expect(s, ')', "or ',' and another number"))
			return false;
	}
	if (o->args != 255 && n != o->args)
		return expr_fail(s, at, "%s takes %u number%s, like %s(%s)", o->name, o->args,
		    o->args == 1 ? "" : "s", o->name, o->args == 2 ? "1,0" : "7");
	if (!o->bare)
		s->x->bytes[start + 1] = (uint8_t)(s->x->n_bytes - start);
	return true;
}

/* opt(kind, hex=...): the length is derived. */
static bool any_option(struct parser *s)
{
	uint32_t start = s->x->n_bytes;
	uint8_t head[2] = { 0, 0 };
	uint64_t v;
	if (!expr_expect(s, '(', "after opt") || !expr_number(s, expr_word(s), 255, &v))
		return false;
	head[0] = (uint8_t)v;
	if (!expr_add_bytes(s, head, 2))
		return false;
	if (expr_take(s, ',')) {
		struct word w = expr_word(s);
		if (!word_is(w, "hex"))
			return expr_fail(s, w.p, "expected hex= in opt(kind, hex=...)");
		if (!expr_expect(s, '=', "after hex") || !expr_hex(s))
			return false;
	}
	uint32_t len = s->x->n_bytes - start;
	if (len > 255)
		return expr_fail(s, s->p, "an option has at most 255 bytes");
	s->x->bytes[start + 1] = (uint8_t)len;
	return expr_expect(s, ')', "after opt(...");
}

static bool option(struct parser *s, const struct l4_proto *p)
{
	struct word w = expr_word(s);
	for (size_t i = 0; i < sizeof named_options / sizeof named_options[0]; i++)
		if (!strcmp(named_options[i].proto, p->name) && word_is(w, named_options[i].name))
			return named_option(s, &named_options[i], w.p);
	if (word_is(w, "opt"))
		return any_option(s);
	if (word_is(w, "raw")) {
		if (!expr_expect(s, '(', "after raw"))
			return false;
		struct word h = expr_word(s);
		if (!word_is(h, "hex"))
			return expr_fail(s, h.p, "expected hex= in raw(hex=...)");
		return expr_expect(s, '=', "after hex") && expr_hex(s) &&
		       expr_expect(s, ')', "after raw(...");
	}
	return expr_fail(s, w.p,
	    "%s has no option '%.*s'; expected %sopt(kind,hex=...) or raw(hex=...)", p->name,
	    (int)(w.n < 40 ? w.n : 40), w.p,
	    !strcmp(p->name, "tcp")  ? "mss(N), ws(N), sackok, sack(L,R), ts(V,E), nop, eol, "
	    : !strcmp(p->name, "ip") ? "nop, eol, ra(N), "
				     : "");
}

bool expr_options(struct parser *s, const struct l4_proto *p)
{
	uint32_t start = s->x->n_bytes;
	if (!expr_expect(s, '[', "and a list of options"))
		return false;
	if (!expr_take(s, ']')) {
		do {
			if (!option(s, p))
				return false;
		} while (expr_take(s, ','));
		if (!expr_expect(s, ']', "or ',' and another option"))
			return false;
	}
	static const uint8_t zeros[4];
	bool words = !strcmp(p->name, "tcp") || !strcmp(p->name, "ip");
	uint32_t n = s->x->n_bytes - start;
	if (words && n > 40)
		return expr_fail(s, s->p - 1, "%u bytes of options; the header has room for 40", n);
	return !words || expr_add_bytes(s, zeros, (4 - n % 4) % 4);
}

bool expr_question(struct parser *s, struct word name, uint64_t type, uint64_t class)
{
	const char *p = name.p, *end = name.p + name.n;
	if (name.n > 254)
		return expr_fail(s, p, "a name has at most 254 characters");
	if (name.n && end[-1] == '.')
		end--;
	while (p < end) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		size_t n = (size_t)((dot ? dot : end) - p);
		uint8_t len = (uint8_t)n;
		/* RFC 1035 2.3.4 */
		if (n == 0 || n > 63)
			return expr_fail(s, p, "a label of a name has 1 to 63 characters");
		if (!expr_add_bytes(s, &len, 1) || !expr_add_bytes(s, p, n))
			return false;
		p += n + (dot != NULL);
	}
	uint8_t tail[5] = { 0 };
	l4_put_u16(tail + 1, (uint16_t)type);
	l4_put_u16(tail + 3, (uint16_t) class);
	return expr_add_bytes(s, tail, 5);
}
