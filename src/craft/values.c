/* Values of fields in expressions: numbers, names, addresses, ranges, prefixes, lists, random.
 *
 * Every value is a number of up to 128 bits in the end; a range or prefix is its first number and
 * how many follow, so that a set of a million ports costs no memory. A value that does not fit in
 * the field's width is an error, any other is kept, however wrong. */
#include <layer4/addr.h>
#include <layer4/packet.h>

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)l4_get_u32(p) << 32 | l4_get_u32(p + 4);
}

static bool add_item(struct parser *s, struct expr_set *set, struct expr_item i)
{
	struct l4_craft_expr *x = s->x;
	if (x->n_items == EXPR_ITEMS)
		return expr_fail(s, s->p, "more than %d values in lists", EXPR_ITEMS);
	if (x->n_items == x->cap_items) {
		uint32_t cap = x->cap_items ? x->cap_items * 2 : 64;
		struct expr_item *n = realloc(x->items, cap * sizeof *n);
		if (!n)
			return expr_fail(s, s->p, "no memory");
		x->items = n;
		x->cap_items = cap;
	}
	x->items[x->n_items++] = i;
	set->n_items++;
	set->count = set->count > UINT64_MAX - i.count ? UINT64_MAX : set->count + i.count;
	return true;
}

/* An address as a number. False: it is none of the type. */
static bool address(uint8_t type, const char *text, struct expr_item *i)
{
	struct l4_addr a;
	struct l4_mac m;
	*i = (struct expr_item){ .count = 1 };
	if (type == L4_FT_MAC) {
		if (l4_mac_parse(&m, text) < 0)
			return false;
		i->lo = (uint64_t)l4_get_u16(m.b) << 32 | l4_get_u32(m.b + 2);
		return true;
	}
	if (l4_addr_parse(&a, text) < 0 || (type == L4_FT_IP4) != !strchr(text, ':'))
		return false;
	i->hi = type == L4_FT_IP6 ? get64(a.b) : 0;
	i->lo = type == L4_FT_IP6 ? get64(a.b + 8) : l4_get_u32(a.b + 12);
	return true;
}

static const char *kind(uint8_t type)
{
	return type == L4_FT_IP4   ? "an IPv4 address, a range, or a prefix like 192.0.2.0/28"
	       : type == L4_FT_IP6 ? "an IPv6 address or a prefix like 2001:db8::/120"
				   : "a MAC address like 02:00:00:00:00:01";
}

static bool address_value(struct parser *s, uint8_t type, struct word w, struct expr_item *i)
{
	char t[96];
	struct expr_item to;
	uint64_t bits;
	if (!w.n || w.n >= sizeof t)
		return expr_fail(s, w.p, "expected %s", kind(type));
	memcpy(t, w.p, w.n);
	t[w.n] = 0;
	if (address(type, t, i))
		return true;
	char *cut = strpbrk(t, "/-");
	if (!cut)
		return expr_fail(s, w.p, "'%s' is not %s", t, kind(type));
	char how = *cut;
	*cut = 0;
	if (!address(type, t, i))
		return expr_fail(s, w.p, "'%s' is not %s", t, kind(type));
	const char *second = w.p + (cut + 1 - t);
	if (how == '-') {
		if (!address(type, cut + 1, &to) || to.hi != i->hi || to.lo < i->lo)
			return expr_fail(
			    s, second, "expected an address not below the first of the range");
		i->count = to.lo - i->lo + 1;
		return i->count || expr_fail(s, w.p, "this range is too large");
	}
	unsigned width = type == L4_FT_IP4 ? 32 : type == L4_FT_MAC ? 48 : 128;
	struct word b = { second, w.n - (size_t)(second - w.p) };
	if (!expr_number(s, b, width, &bits))
		return false;
	unsigned host = width - (unsigned)bits;
	if (host > 63)
		return expr_fail(s, second,
		    "this prefix makes 2^%u packets; a prefix of at least %u bits can be counted",
		    host, width - 63);
	i->lo &= ~((UINT64_C(1) << host) - 1);
	i->count = UINT64_C(1) << host;
	return true;
}

static uint64_t max_of(const struct l4_field *f)
{
	return f->bits >= 64 ? UINT64_MAX : (UINT64_C(1) << f->bits) - 1;
}

static bool same(struct word w, const char *name)
{
	if (strlen(name) != w.n)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		char a = w.p[i], b = name[i];
		if (a >= 'A' && a <= 'Z')
			a = (char)(a + 32);
		if (b >= 'A' && b <= 'Z')
			b = (char)(b + 32);
		if (a != b)
			return false;
	}
	return true;
}

/* Letters of TCP's flags as in traces, RFC 9293 3.1: "S", "SA", "PA", ...; "." is ACK too. */
static bool tcp_letters(struct word w, uint64_t *v)
{
	static const char letters[] = "FSRPAUECN";
	*v = 0;
	for (size_t i = 0; i < w.n; i++) {
		const char *k = w.p[i] == '.' ? letters + 4 : strchr(letters, w.p[i]);
		if (!k || !*k)
			return false;
		*v |= UINT64_C(1) << (k - letters);
	}
	return w.n > 0;
}

/* Names of the parts of a flags word, joined by '+': "df", "df+mf", "syn+ack". */
static bool parts(const struct l4_proto *p, const struct l4_field *f, struct word w, uint64_t *v)
{
	const char *end = w.p + w.n;
	uint32_t row = 0;
	*v = 0;
	/* Parts stand behind their word in the table; a value of an option or a form has none. */
	while (row < p->n_fields && &p->fields[row] != f)
		row++;
	if (row == p->n_fields)
		return false;
	for (const char *at = w.p; at < end;) {
		const char *plus = memchr(at, '+', (size_t)(end - at));
		struct word one = { at, (size_t)((plus ? plus : end) - at) };
		const struct l4_field *c = f + 1, *found = NULL;
		for (; c < p->fields + p->n_fields && c->depth > f->depth; c++) {
			const char *dot = c->name ? strrchr(c->name, '.') : NULL;
			if (c->bits == 1 && c->bit >= f->bit && c->bit < f->bit + f->bits &&
			    ((dot && same(one, dot + 1)) || (c->alias && same(one, c->alias))))
				found = c;
		}
		if (!found)
			return false;
		*v |= UINT64_C(1) << (f->bit + f->bits - 1u - found->bit);
		at = plus ? plus + 1 : end;
	}
	return w.n > 0;
}

static bool by_name(const struct l4_proto *p, const struct l4_field *f, struct word w, uint64_t *v)
{
	/* A row of a form has its names in the table. */
	const struct l4_field *named = f->values || f->label ? f : l4_field_find(f->name, NULL);
	for (const struct l4_value *k = named ? named->values : NULL; k && k->name; k++)
		if (same(w, k->name)) {
			*v = k->value;
			return true;
		}
	if (!strcmp(f->name, "tcp.flags") && tcp_letters(w, v))
		return true;
	return parts(p, f, w, v);
}

static bool number_value(struct parser *s, const struct l4_proto *p, const struct l4_field *f,
    struct word w, struct expr_item *i)
{
	uint64_t to;
	*i = (struct expr_item){ .count = 1 };
	if (by_name(p, f, w, &i->lo))
		return true;
	const char *dash = w.n ? memchr(w.p, '-', w.n) : NULL;
	struct word first = { w.p, dash ? (size_t)(dash - w.p) : w.n };
	if (!w.n || w.p[0] < '0' || w.p[0] > '9')
		return expr_fail(s, w.p, "expected a number up to %llu%s for %s, found '%.*s'",
		    (unsigned long long)max_of(f),
		    f->values                       ? ", or a name of a value,"
		    : !strcmp(f->name, "tcp.flags") ? ", or letters of FSRPAUECN,"
						    : "",
		    f->name, w.n ? (int)w.n : 1, w.p);
	if (!expr_number(s, first, max_of(f), &i->lo))
		return false;
	if (!dash)
		return true;
	struct word last = { dash + 1, w.n - first.n - 1 };
	if (!expr_number(s, last, max_of(f), &to))
		return false;
	if (to < i->lo)
		return expr_fail(s, last.p, "the range ends below its beginning");
	i->count = to - i->lo + 1;
	return i->count || expr_fail(s, w.p, "this range is too large");
}

static bool one(struct parser *s, const struct l4_proto *p, struct expr_set *set)
{
	const struct l4_field *f = set->field;
	struct expr_item i = { .count = 1 };
	if (expr_take(s, '"')) {
		/* A name of a value with spaces in it. */
		struct word w = { s->p, strcspn(s->p, "\"") };
		s->p += w.n;
		return expr_expect(s, '"', "after the name") && by_name(p, f, w, &i.lo)
			   ? add_item(s, set, i)
			   : expr_fail(s, w.p, "%s has no value of this name; see 'l4 ls %s'",
				 f->name, f->name);
	}
	struct word w = expr_word(s);
	if (word_is(w, "random"))
		i.random = true;
	else if (f->type == L4_FT_IP4 || f->type == L4_FT_IP6 || f->type == L4_FT_MAC) {
		if (!address_value(s, f->type, w, &i))
			return false;
	} else if (!number_value(s, p, f, w, &i)) {
		return false;
	}
	return add_item(s, set, i);
}

static bool bytes(struct parser *s)
{
	expr_space(s);
	return *s->p == '"' ? expr_string(s) : expr_hex(s);
}

/* More than 64 bits that are no address: a text, or bytes in hex; zeros follow a shorter one. */
static bool wide_value(struct parser *s, struct expr_set *set)
{
	struct l4_craft_expr *x = s->x;
	const char *from = s->p;
	uint32_t start = x->n_bytes;
	if (set->field->bit % 8 || set->field->bits % 8)
		return expr_fail(s, from, "%s is too wide to be given", set->field->name);
	if (!expr_choice(s, bytes))
		return false;
	uint32_t n = x->n_bytes - start;
	if (n > set->field->bits / 8u)
		return expr_fail(s, from, "%u bytes; %s has room for %u", n, set->field->name,
		    set->field->bits / 8u);
	if (x->n_wide + n > x->cap_wide) {
		uint8_t *w = realloc(x->wide, (x->n_wide + n) * 2u);
		if (!w)
			return expr_fail(s, from, "no memory");
		x->wide = w;
		x->cap_wide = (x->n_wide + n) * 2;
	}
	set->wide = true;
	set->count = 1;
	set->item = x->n_wide;
	set->n_items = n;
	if (n)
		memcpy(x->wide + x->n_wide, x->bytes + start, n);
	x->n_wide += n;
	x->n_bytes = start;
	return true;
}

bool expr_values(struct parser *s, const struct l4_proto *p, struct expr_set *set)
{
	set->item = s->x->n_items;
	if (set->field->bits > 64 && set->field->type != L4_FT_IP6)
		return wide_value(s, set);
	if (!expr_take(s, '['))
		return one(s, p, set);
	do {
		if (!one(s, p, set))
			return false;
	} while (expr_take(s, ','));
	return expr_expect(s, ']', "or ',' and another value");
}
