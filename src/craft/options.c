/* What stands between a fixed header and the next layer: options, records, addresses.
 *
 * Each list holds options of the table (opttab.c), written as given and in their order. An
 * option's values are given by place or by name; where one of them is a set, its place in the
 * header is kept and the set is as any other, since options have a fixed length. Length bytes and
 * counts are derived; `len=` gives another. What has no name is opt(kind, hex=...), whose length is
 * derived too, or raw(hex=...), where nothing is. At the end a header whose length is counted in
 * words is filled up: TCP and IPv4 with zeros (RFC 9293 3.1, RFC 791 3.1), IPv6's options with
 * PadN (RFC 8200 4.2), DHCP ends with its End option (RFC 2131 4.1). */
#include <layer4/packet.h>

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

enum { ELEMENTS = 16 };

/* A format taken apart. */
struct element {
	char c;        /* as in the table; 'z' and 'c' are no values */
	uint8_t width; /* bytes; 0: as many as given */
	uint32_t at;   /* in the bytes; UINT32_MAX: not yet */
};

struct values {
	const struct l4_craft_option *o;
	struct element e[ELEMENTS];
	unsigned n, repeat; /* e[repeat..n) come any number of times; repeat == n: none do */
	unsigned next;
	uint32_t times;
	bool named;
};

static void take_apart(struct values *v, const struct l4_craft_option *o)
{
	*v = (struct values){ .o = o };
	const char *f = o->format;
	v->repeat = ELEMENTS;
	for (; *f && v->n < ELEMENTS; f++) {
		struct element *e = &v->e[v->n];
		*e = (struct element){ *f, 0, UINT32_MAX };
		if (*f == '*') {
			v->repeat = v->n;
			continue;
		}
		e->width = *f == 'a' ? 4 : *f == 'A' ? 16 : *f == 'm' ? 6 : *f == 'c' ? 2 : 0;
		if (*f == 'z')
			e->width = (uint8_t)(*++f - '0');
		else if (*f >= '1' && *f <= '9')
			e->width = (uint8_t)(*f - '0');
		v->n++;
	}
	if (v->repeat > v->n)
		v->repeat = v->n;
}

static bool is_value(const struct element *e)
{
	return e->c != 'z' && e->c != 'c';
}

/* The name of the value that element number k is. */
static void name_of(const struct values *v, unsigned k, char *out, size_t cap)
{
	const char *a = v->o->args;
	unsigned before = 0;
	for (unsigned i = 0; i < k; i++)
		before += is_value(&v->e[i]);
	while (before-- && a) {
		a = strchr(a, ',');
		a = a ? a + 1 : NULL;
	}
	snprintf(out, cap, "%.*s", a ? (int)strcspn(a, ",") : 0, a ? a : "");
}

/* The row of the table with this last part: for the names of its values. */
static const struct l4_field *row_of(const struct l4_proto *p, const char *last)
{
	for (size_t i = 1; i < p->n_fields; i++) {
		const char *dot = p->fields[i].name ? strrchr(p->fields[i].name, '.') : NULL;
		if (dot && !strcmp(dot + 1, last))
			return &p->fields[i];
	}
	return NULL;
}

static bool text(struct parser *s)
{
	expr_space(s);
	if (*s->p == '"')
		return expr_string(s);
	struct word w = expr_word(s);
	return w.n ? expr_add_bytes(s, w.p, w.n) : expr_fail(s, w.p, "expected a text");
}

/* A text behind its length (RFC 1035 3.3, <character-string>). */
static bool short_text(struct parser *s)
{
	uint32_t at = s->x->n_bytes;
	const char *from = s->p;
	if (!expr_add_zeros(s, 1) || !text(s))
		return false;
	uint32_t n = s->x->n_bytes - at - 1;
	s->x->bytes[at] = (uint8_t)n;
	return n <= 255 || expr_fail(s, from, "this text has %u bytes; at most 255", n);
}

/* A value of fixed width: into the bytes when it is one, a set of the layer when it is several. */
static bool fixed_value(struct parser *s, struct tail *t, struct values *v, unsigned k)
{
	struct element *e = &v->e[k];
	const struct l4_proto *p = t->layer->proto;
	char name[40];
	name_of(v, k, name, sizeof name);
	const struct l4_field *row = row_of(p, name);
	struct l4_field f = { .name = name,
		.type = e->c == 'a'   ? L4_FT_IP4
			: e->c == 'A' ? L4_FT_IP6
			: e->c == 'm' ? L4_FT_MAC
				      : L4_FT_U64,
		.bits = (uint16_t)(e->width * 8),
		.values = row ? row->values : NULL };
	struct expr_set set = { .field = &f, .at = { 0, f.bits } };
	if (e->at == UINT32_MAX) {
		e->at = s->x->n_bytes;
		if (!expr_add_zeros(s, e->width))
			return false;
	}
	uint32_t items = s->x->n_items;
	if (!expr_values(s, p, &set))
		return false;
	const struct expr_item *i = &s->x->items[set.item];
	if (set.count == 1 && !i->random) {
		set.at.bit = 0;
		craft_put(s->x->bytes + e->at, set.at, i->hi, i->lo);
		s->x->n_items = items;
		return true;
	}
	set.field = NULL;
	set.tail = true;
	set.at.bit = (e->at - t->layer->bytes) * 8;
	return expr_add_set(s, t->layer, &set) != NULL;
}

static bool value(struct parser *s, struct tail *t, struct values *v, unsigned k)
{
	switch (v->e[k].c) {
	case 'n':
		v->e[k].at = s->x->n_bytes;
		return expr_choice(s, dns_name);
	case 't':
		return expr_choice(s, short_text);
	case 's':
		return expr_choice(s, text);
	case 'h':
		return expr_choice(s, expr_hex);
	default:
		return fixed_value(s, t, v, k);
	}
}

/* Steps over what is no value. */
static bool skip_fill(struct parser *s, struct values *v)
{
	while (v->next < v->n && !is_value(&v->e[v->next])) {
		v->e[v->next].at = s->x->n_bytes;
		if (!expr_add_zeros(s, v->e[v->next++].width))
			return false;
	}
	return true;
}

static bool step(struct parser *s, struct values *v)
{
	v->next++;
	if (v->next == v->n && v->repeat < v->n) {
		v->next = v->repeat;
		v->times++;
		for (unsigned i = v->repeat; i < v->n; i++)
			v->e[i].at = UINT32_MAX;
	}
	return skip_fill(s, v);
}

/* Zeros for the values before number k that were not given. */
static bool fill_to(struct parser *s, struct values *v, unsigned k)
{
	while (v->next < k) {
		struct element *e = &v->e[v->next];
		e->at = s->x->n_bytes;
		if (!expr_add_zeros(s, e->c == 'n' || e->c == 't' ? 1 : e->width))
			return false;
		v->next++;
		if (!skip_fill(s, v))
			return false;
	}
	return true;
}

static bool takes(struct parser *s, const struct values *v, const char *at)
{
	const struct l4_craft_option *o = v->o;
	char args[120];
	size_t n = 0;
	args[0] = 0;
	for (unsigned k = 0; k < v->n; k++) {
		char name[40];
		if (!is_value(&v->e[k]))
			continue;
		name_of(v, k, name, sizeof name);
		if (n < sizeof args)
			n += (size_t)snprintf(args + n, sizeof args - n, "%s%s%s", n ? "," : "",
			    name, k >= v->repeat ? "..." : "");
	}
	return *args ? expr_fail(s, at, "%s takes its values as %s(%s)", o->name, o->name, args)
		     : expr_fail(s, at, "%s takes no values", o->name);
}

/* One argument by name. 1: taken; 0: the next is no name; -1: wrong. */
static int by_name(
    struct parser *s, struct tail *t, struct values *v, int64_t *kind, int64_t *length)
{
	const char *from = s->p;
	struct word w = expr_word(s);
	uint64_t number;
	if (!w.n || !expr_take(s, '=')) {
		s->p = from;
		return 0;
	}
	v->named = true;
	if (word_is(w, "kind") || (word_is(w, "len") && length)) {
		int64_t *to = word_is(w, "kind") ? kind : length;
		if (!expr_number(s, expr_word(s), 65535, &number))
			return -1;
		*to = (int64_t)number;
		return 1;
	}
	for (unsigned k = 0; k < v->n; k++) {
		char name[40];
		name_of(v, k, name, sizeof name);
		if (!is_value(&v->e[k]) || !word_is(w, name))
			continue;
		bool again = v->e[k].at != UINT32_MAX;
		if (again && !v->e[k].width)
			return expr_fail(s, w.p, "%s is given already", name) - 1;
		if (k < v->next && !again)
			return expr_fail(s, w.p, "%s must be given before", name) - 1;
		if (!again && !fill_to(s, v, k))
			return -1;
		if (!value(s, t, v, k))
			return -1;
		return again || step(s, v) ? 1 : -1;
	}
	return takes(s, v, w.p) - 1;
}

/* The values in brackets. kind and length: what was given of them; length NULL: none here. */
static bool arguments(struct parser *s, struct tail *t, struct values *v, int64_t *kind,
    int64_t *length, const char *at)
{
	if (!skip_fill(s, v))
		return false;
	if (expr_take(s, '(') && !expr_take(s, ')')) {
		do {
			expr_space(s);
			int r = by_name(s, t, v, kind, length);
			if (r < 0)
				return false;
			if (r > 0)
				continue;
			if (v->next == v->n)
				return takes(s, v, s->p);
			if (!value(s, t, v, v->next) || !step(s, v))
				return false;
		} while (expr_take(s, ','));
		if (!expr_expect(s, ')', "or ',' and another value"))
			return false;
	}
	if (v->next > v->repeat)
		return takes(s, v, at); /* a group half given */
	if (v->next < v->repeat && v->e[v->next].width && !v->named)
		return takes(s, v, at);
	if (!fill_to(s, v, v->repeat))
		return false;
	for (unsigned k = 0; k < v->n; k++)
		if (v->e[k].c == 'c')
			l4_put_u16(s->x->bytes + v->e[k].at, (uint16_t)v->times);
	return true;
}

static bool put_head(struct parser *s, const struct l4_craft_option *o)
{
	uint8_t head[4] = { (uint8_t)o->kind, 0, 0, 0 };
	if (o->style == STYLE_TAG)
		l4_put_u16(head, (uint16_t)o->kind);
	static const uint8_t bytes[] = { [STYLE_PLAIN] = 0,
		[STYLE_TCP] = 2,
		[STYLE_BARE] = 1,
		[STYLE_IP6] = 2,
		[STYLE_NDP] = 2,
		[STYLE_TAG] = 4 };
	return expr_add_bytes(s, head, o->style < sizeof bytes ? bytes[o->style] : 0);
}

/* The length, and what fills the option up to its units. */
static bool put_length(
    struct parser *s, uint8_t style, uint32_t start, int64_t kind, int64_t length, const char *at)
{
	if (style == STYLE_NDP && !expr_add_zeros(s, (8 - (s->x->n_bytes - start) % 8) % 8))
		return false;
	uint32_t n = s->x->n_bytes - start, in = n;
	uint8_t *o = s->x->bytes + start;
	if (style == STYLE_IP6)
		in = n - 2;
	else if (style == STYLE_NDP)
		in = n / 8;
	else if (style == STYLE_TAG)
		in = n - 4;
	if (length >= 0)
		in = (uint32_t)length;
	if (style == STYLE_PLAIN)
		return true;
	if (in > (style == STYLE_TAG ? 65535 : 255))
		return expr_fail(
		    s, at, "this option has %u bytes, more than its length can say", n);
	if (style == STYLE_TAG) {
		l4_put_u16(o + 2, (uint16_t)in);
		if (kind >= 0)
			l4_put_u16(o, (uint16_t)kind);
		return true;
	}
	if (style != STYLE_BARE)
		o[1] = (uint8_t)in;
	if (kind >= 0)
		o[0] = (uint8_t)kind;
	return true;
}

static void imply_flag(struct expr_layer *l, const struct l4_craft_option *o)
{
	if (o->flag && l->n_implied < EXPR_IMPLIED)
		l->implied[l->n_implied++] = (struct expr_implied){ { o->flag - 1u, 1 }, 1 };
}

static bool named_option(
    struct parser *s, struct tail *t, const struct l4_craft_option *o, const char *at)
{
	struct values v;
	int64_t kind = -1, length = -1;
	uint32_t start = s->x->n_bytes;
	take_apart(&v, o);
	imply_flag(t->layer, o);
	t->raw_last = o->style == STYLE_BARE && !strcmp(o->proto, "dhcp");
	if (o->style >= STYLE_RECORD)
		return dns_record(s, t, o, at);
	return put_head(s, o) && arguments(s, t, &v, &kind, &length, at) &&
	       put_length(s, o->style, start, kind, length, at);
}

/* The values of a DNS record, as those of an option. */
bool expr_record_values(
    struct parser *s, struct tail *t, const struct l4_craft_option *o, struct dns_head *h)
{
	struct values v;
	int64_t kind = -1;
	take_apart(&v, o);
	/* The bracket is open already, and its first value was the name. */
	v.named = true;
	if (!skip_fill(s, &v))
		return false;
	while (expr_take(s, ',')) {
		int r = dns_head_argument(s, h);
		if (r > 0)
			continue;
		r = r < 0 ? r : by_name(s, t, &v, &kind, NULL);
		if (r < 0 || (!r && v.next == v.n))
			return r < 0 ? false : takes(s, &v, s->p);
		if (!r && (!value(s, t, &v, v.next) || !step(s, &v)))
			return false;
	}
	return fill_to(s, &v, v.repeat) && expr_expect(s, ')', "or ',' and another value");
}

/* opt(kind, hex=...): the length is derived. */
static bool any_option(struct parser *s, const struct l4_proto *p, const char *at)
{
	uint32_t start = s->x->n_bytes;
	uint64_t v, length = 0;
	bool given = false;
	uint8_t style = STYLE_TCP;
	const struct l4_craft_option *o;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++)
		if (o->style != STYLE_BARE && o->style != STYLE_PLAIN)
			style = o->style;
	if (!expr_expect(s, '(', "after opt") ||
	    !expr_number(s, expr_word(s), style == STYLE_TAG ? 65535 : 255, &v))
		return false;
	struct l4_craft_option any = { .kind = (uint32_t)v, .style = style };
	if (!put_head(s, &any))
		return false;
	while (expr_take(s, ',')) {
		struct word w = expr_word(s);
		if (!expr_expect(s, '=', "in opt(kind,hex=...,len=...)"))
			return false;
		if (word_is(w, "hex")) {
			if (!expr_choice(s, expr_hex))
				return false;
		} else if (word_is(w, "len")) {
			given = true;
			if (!expr_number(s, expr_word(s), 65535, &length))
				return false;
		} else {
			return expr_fail(s, w.p, "expected hex= or len= in opt(kind,hex=...)");
		}
	}
	return put_length(s, style, start, -1, given ? (int64_t)length : -1, at) &&
	       expr_expect(s, ')', "after opt(...");
}

static bool raw_option(struct parser *s)
{
	if (!expr_expect(s, '(', "after raw"))
		return false;
	struct word h = expr_word(s);
	if (!word_is(h, "hex"))
		return expr_fail(s, h.p, "expected hex= in raw(hex=...)");
	return expr_expect(s, '=', "after hex") && expr_choice(s, expr_hex) &&
	       expr_expect(s, ')', "after raw(...");
}

/* What could stand here: the nearest names, or the first ones. */
static bool unknown_option(
    struct parser *s, const struct l4_proto *p, const char *list, struct word w)
{
	char names[160], wanted[40];
	size_t n = 0;
	const struct l4_craft_option *o;
	snprintf(wanted, sizeof wanted, "%.*s", (int)(w.n < 39 ? w.n : 39), w.p);
	if (w.n && craft_nearest_option(p, list, wanted, names, sizeof names))
		return expr_fail(s, w.p, "%s has no option '%s'; near: %s ('l4 ls %s' lists all)",
		    p->name, wanted, names, p->name);
	names[0] = 0;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL && n < 80; i++)
		if (!strcmp(o->list, list) && *o->name)
			n += (size_t)snprintf(names + n, sizeof names - n, "%s, ", o->name);
	return expr_fail(s, w.p, "expected an option of %s: %s%sopt(kind,hex=...) or raw(hex=...)",
	    p->name, names, n >= 80 ? "..., " : "");
}

static bool option(struct parser *s, struct tail *t, const char *list)
{
	const struct l4_proto *p = t->layer->proto;
	const struct l4_craft_option *o;
	expr_space(s);
	const char *from = s->p;
	struct word w = expr_word(s);
	t->raw_last = word_is(w, "raw");
	if (t->raw_last)
		return raw_option(s);
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++) {
		if (strcmp(o->list, list))
			continue;
		if (!*o->name) { /* plain values */
			struct values v;
			take_apart(&v, o);
			s->p = from;
			return value(s, t, &v, 0);
		}
		if (word_is(w, o->name))
			return named_option(s, t, o, w.p);
	}
	if (word_is(w, "opt"))
		return any_option(s, p, w.p);
	return unknown_option(s, p, list, w);
}

bool expr_is_list(const struct l4_proto *p, const char *name)
{
	const struct l4_craft_option *o;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++)
		if (!strcmp(o->list, name))
			return true;
	/* Bytes at least. */
	return !strcmp(name, "options");
}

/* Which of the layer's records these are: DNS has four lists, in this order. */
static uint32_t section_of(const char *list)
{
	return !strcmp(list, "an") ? 1 : !strcmp(list, "ns") ? 2 : !strcmp(list, "ar") ? 3 : 0;
}

bool expr_list(struct parser *s, struct tail *t, const char *name, const char *at)
{
	uint32_t section = section_of(name);
	t->flat = NULL;
	if (section < t->section)
		return expr_fail(s, at, "%s must be given before the lists behind it", name);
	if (section && !dns_flush_question(s, t))
		return false;
	t->section = section;
	if (!expr_expect(s, '[', "and a list"))
		return false;
	if (expr_take(s, ']'))
		return true;
	do {
		if (!option(s, t, name))
			return false;
		t->layer->records[section]++;
	} while (expr_take(s, ','));
	if (!expr_expect(s, ']', "or ',' and another one"))
		return false;
	uint32_t n = s->x->n_bytes - t->layer->bytes;
	const char *p = t->layer->proto->name;
	if (n > 40 && (!strcmp(p, "tcp") || !strcmp(p, "ip")))
		return expr_fail(s, s->p - 1, "%u bytes of options; the header has room for 40", n);
	return true;
}

/* The option and the element that a name is of. */
static const struct l4_craft_option *flat_option(
    const struct l4_proto *p, const char *name, struct values *v, unsigned *k)
{
	const struct l4_craft_option *o;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++) {
		if (o->style >= STYLE_RECORD)
			continue;
		take_apart(v, o);
		for (*k = 0; *k < v->n; ++*k) {
			char arg[40];
			name_of(v, *k, arg, sizeof arg);
			if (!is_value(&v->e[*k]) || !*arg)
				continue;
			const struct l4_field *row = row_of(p, arg);
			if (!strcmp(arg, name) || (row && !strcmp(craft_tail(p, row->name), name)))
				return o;
		}
	}
	return NULL;
}

bool craft_option_place(const struct l4_craft_option *o, const char *name, struct expr_place *at)
{
	struct values v;
	take_apart(&v, o);
	at->bit = o->style == STYLE_PLAIN ? 0 : o->style == STYLE_TAG ? 32 : 16;
	for (unsigned k = 0; k < v.n && v.e[k].width && o->style < STYLE_RECORD; k++) {
		char arg[40];
		name_of(&v, k, arg, sizeof arg);
		at->bits = v.e[k].width * 8u;
		if (is_value(&v.e[k]) && !strcmp(arg, name))
			return true;
		at->bit += at->bits;
	}
	return false;
}

bool expr_is_flat(const struct l4_proto *p, const char *name)
{
	struct values v;
	unsigned k;
	return flat_option(p, name, &v, &k) != NULL;
}

int expr_flat(struct parser *s, struct tail *t, const char *name, const char *at)
{
	struct values v;
	unsigned k;
	const struct l4_craft_option *o = flat_option(t->layer->proto, name, &v, &k);
	if (!o)
		return 0;
	if (!expr_expect(s, '=', "after the name of a field"))
		return -1;
	/* A second value of the option that the field before began. */
	bool same = t->flat == o && v.e[k].width && !(t->flat_given >> k & 1);
	if (!same) {
		t->flat = o;
		t->flat_at = s->x->n_bytes;
		t->flat_given = 0;
		imply_flag(t->layer, o);
		if (t->section || !put_head(s, o))
			return t->section
				   ? expr_fail(s, at, "%s must be given before the lists", name) - 1
				   : -1;
		if (!skip_fill(s, &v) || !fill_to(s, &v, k) || !value(s, t, &v, k))
			return -1;
		v.next = k + 1;
		if (!skip_fill(s, &v) || !fill_to(s, &v, v.n) ||
		    !put_length(s, o->style, t->flat_at, -1, -1, at))
			return -1;
		if (*o->list != 'o')
			t->layer->records[0]++;
	} else {
		uint32_t place = t->flat_at + (o->style == STYLE_PLAIN ? 0 : 2);
		for (unsigned i = 0; i < k; i++)
			place += v.e[i].width;
		v.e[k].at = place;
		if (!value(s, t, &v, k))
			return -1;
	}
	t->flat_given |= 1u << k;
	t->raw_last = false;
	return 1;
}

bool expr_tail_end(struct parser *s, struct tail *t)
{
	struct expr_layer *l = t->layer;
	const char *p = l->proto->name;
	static const uint8_t end = 255;
	if (!dns_flush_question(s, t))
		return false;
	uint32_t n = s->x->n_bytes - l->bytes;
	if (!strcmp(p, "tcp") || !strcmp(p, "ip"))
		return expr_add_zeros(s, (4 - n % 4) % 4);
	if (!strcmp(p, "dhcp") && n && !t->raw_last)
		return expr_add_bytes(s, &end, 1);
	if (!strcmp(p, "ipv6.hopopts") || !strcmp(p, "ipv6.dstopts")) {
		uint32_t pad = (8 - (n + 2) % 8) % 8;
		uint8_t head[2] = { 1, (uint8_t)(pad - 2) };
		return pad < 2 ? expr_add_zeros(s, pad)
			       : expr_add_bytes(s, head, 2) && expr_add_zeros(s, pad - 2);
	}
	return true;
}
