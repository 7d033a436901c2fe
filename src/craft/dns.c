/* DNS in expressions: names, the question of qname=, records of the sections.
 *
 * A name is written without compression, and as it is given: its length is not checked beyond what
 * a label can say. `@N` in place of a label is a pointer to byte N of the message (RFC 1035 4.1.4),
 * so that every name of a captured answer can be written. */
#include <layer4/packet.h>

#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

/* A label, or a pointer, which ends the name: 0. */
static int label(struct parser *s, const char *p, size_t n)
{
	uint8_t head[2];
	uint64_t to;
	if (p[0] == '@') {
		if (!expr_number(s, (struct word){ p + 1, n - 1 }, 0x3fff, &to))
			return -1;
		l4_put_u16(head, (uint16_t)(0xc000 | to));
		return expr_add_bytes(s, head, 2) ? 0 : -1;
	}
	/* RFC 1035 2.3.4 */
	if (n == 0 || n > 63)
		return expr_fail(s, p, "a label of a name has 1 to 63 characters") - 1;
	head[0] = (uint8_t)n;
	return expr_add_bytes(s, head, 1) && expr_add_bytes(s, p, n) ? 1 : -1;
}

/* In quotes a label may hold any byte: the escapes of texts, and "\\." for a dot. */
static bool quoted_name(struct parser *s)
{
	const char *start = s->p;
	int more = 1;
	while (*s->p && *s->p != '"' && more == 1) {
		uint32_t at = s->x->n_bytes;
		const char *from = s->p;
		if (*s->p == '@') {
			size_t n = strcspn(s->p, ".\"");
			more = label(s, s->p, n);
			s->p += n;
			continue;
		}
		if (!expr_add_zeros(s, 1))
			return false;
		while (*s->p && *s->p != '"' && *s->p != '.')
			if (!expr_text_byte(s))
				return false;
		uint32_t n = s->x->n_bytes - at - 1;
		if (n > 63 || (!n && (from != start || s->p[1] != '"')))
			return expr_fail(s, from, "a label of a name has 1 to 63 characters");
		s->x->bytes[at] = (uint8_t)n;
		if (!n) /* the root alone */
			s->x->n_bytes = at;
		s->p += *s->p == '.';
	}
	if (more < 0 || (more && !expr_add_zeros(s, 1)))
		return false;
	return expr_expect(s, '"', "after the name");
}

bool dns_name(struct parser *s)
{
	if (expr_take(s, '"'))
		return quoted_name(s);
	struct word w = expr_word(s);
	const char *p = w.p, *end = w.p + w.n;
	if (w.n > 254)
		return expr_fail(s, p, "a name has at most 254 characters");
	if (w.n && end[-1] == '.')
		end--;
	int more = 1;
	while (p < end && more == 1) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		size_t n = (size_t)((dot ? dot : end) - p);
		more = label(s, p, n);
		if (more < 0)
			return false;
		p += n + (dot != NULL);
	}
	if (p < end)
		return expr_fail(s, p, "a pointer ends a name");
	return !more || expr_add_zeros(s, 1);
}

/* A number of 16 bits, or a name of a value of this row: as a set at the end of the bytes. */
static bool number16(struct parser *s, struct tail *t, const char *row, struct expr_set *set)
{
	const struct l4_field *f = l4_field_find(row, NULL);
	struct l4_field g = { .name = row, .type = L4_FT_U16, .bits = 16, .values = f->values };
	*set = (struct expr_set){ .field = &g, .at = { 0, 16 }, .tail = true };
	bool ok = expr_values(s, t->layer->proto, set);
	set->field = NULL;
	return ok;
}

static bool put16(struct parser *s, struct tail *t, struct expr_set *set)
{
	const struct expr_item *i = set->count ? &s->x->items[set->item] : NULL;
	uint8_t b[2] = { 0, 1 }; /* A, IN */
	set->at.bit = (s->x->n_bytes - t->layer->bytes) * 8;
	if (set->count == 1 && !i->random)
		l4_put_u16(b, (uint16_t)i->lo);
	if (!expr_add_bytes(s, b, 2))
		return false;
	return set->count <= 1 && !(i && i->random) ? true : expr_add_set(s, t->layer, set) != NULL;
}

bool dns_flush_question(struct parser *s, struct tail *t)
{
	if (!t->asked || t->question_done)
		return true;
	t->question_done = true;
	t->layer->records[0]++;
	return (t->named || expr_add_zeros(s, 1)) && put16(s, t, &t->qtype) &&
	       put16(s, t, &t->qclass);
}

/* length= of a message over TCP: what stands in front of it. */
static int length_argument(struct parser *s, struct tail *t, const char *at)
{
	struct expr_layer *l = t->layer - 1;
	uint64_t v;
	if (t->layer == s->x->layers || l->kind != EXPR_PREFIX)
		return expr_fail(s, at, "dns has a length only behind tcp") - 1;
	if (!expr_expect(s, '=', "after the name of a field") ||
	    !expr_number(s, expr_word(s), 65535, &v))
		return -1;
	l4_put_u16(s->x->bytes + l->bytes, (uint16_t)v);
	l->given = true;
	return 1;
}

int dns_argument(struct parser *s, struct tail *t, struct word w, const char *at)
{
	const char *p = t->layer->proto->name;
	if (strcmp(p, "dns") && strcmp(p, "mdns") && strcmp(p, "llmnr"))
		return 0;
	if (word_is(w, "length"))
		return length_argument(s, t, at);
	bool name = word_is(w, "qname") || word_is(w, "qry.name");
	bool type = word_is(w, "qtype") || word_is(w, "qry.type");
	if (!name && !type && !word_is(w, "qclass") && !word_is(w, "qry.class"))
		return 0;
	if (!expr_expect(s, '=', "after the name of a field"))
		return -1;
	if (t->question_done || t->section || (name && t->named))
		return expr_fail(s, at, "%.*s must be given once, before the lists of records",
			   (int)w.n, w.p) -
		       1;
	t->asked = true;
	if (type)
		return number16(s, t, "dns.qry.type", &t->qtype) ? 1 : -1;
	if (!name)
		return number16(s, t, "dns.qry.class", &t->qclass) ? 1 : -1;
	if (s->x->n_bytes != t->layer->bytes)
		return expr_fail(s, at, "qname must be given before qd") - 1;
	t->named = true;
	return expr_choice(s, dns_name) ? 1 : -1;
}

/* edns(size, ext_rcode=, version=, do=, z=, hex...): RFC 6891 6.1.2. */
static int edns_argument(struct parser *s, struct word w, struct dns_head *h)
{
	static const struct {
		const char *name;
		uint32_t max;
		uint8_t shift;
	} parts[] = { { "ext_rcode", 255, 24 }, { "version", 255, 16 }, { "do", 1, 15 },
		{ "z", 65535, 0 } };
	uint64_t v;
	for (size_t i = 0; i < 4; i++)
		if (word_is(w, parts[i].name)) {
			if (!expr_expect(s, '=', "after this name") ||
			    !expr_number(s, expr_word(s), parts[i].max, &v))
				return -1;
			h->ttl |= v << parts[i].shift;
			return 1;
		}
	return 0;
}

int dns_head_argument(struct parser *s, struct dns_head *h)
{
	expr_space(s);
	const char *back = s->p;
	struct word w = expr_word(s);
	int taken = h->edns ? edns_argument(s, w, h) : 0;
	if (taken)
		return taken;
	bool ttl = word_is(w, "ttl"), class = word_is(w, "class"), len = word_is(w, "len");
	if ((!ttl && !class && !len && !word_is(w, "type")) || !expr_take(s, '=')) {
		s->p = back;
		return 0;
	}
	const struct l4_field *f =
	    ttl || len ? NULL : l4_field_find(class ? "dns.resp.class" : "dns.resp.type", NULL);
	struct word value = expr_word(s);
	const struct l4_value *k = f ? f->values : NULL;
	uint64_t v;
	while (k && k->name && !word_is(value, k->name))
		k++;
	if (k && k->name)
		v = k->value;
	else if (!expr_number(s, value, ttl ? UINT32_MAX : 65535, &v))
		return -1;
	if (len)
		h->len = (int64_t)v;
	else
		*(ttl ? &h->ttl : class ? &h->class : &h->type) = v;
	return 1;
}

bool dns_record(struct parser *s, struct tail *t, const struct l4_craft_option *o, const char *at)
{
	bool question = o->style == STYLE_QUESTION;
	struct dns_head h = { o->kind, 1, 300, -1, o->style == STYLE_EDNS };
	if (!expr_expect(s, '(', "after the kind of record"))
		return false;
	if (question)
		h.type = 1;
	if (h.edns) { /* the root's name; the class is the size of datagrams */
		h.ttl = 0;
		if (!expr_number(s, expr_word(s), 65535, &h.class) || !expr_add_zeros(s, 1))
			return false;
	} else if (!expr_choice(s, dns_name)) {
		return false;
	}
	uint32_t start = s->x->n_bytes;
	if (!expr_add_zeros(s, question ? 4 : 10) || !expr_record_values(s, t, o, &h))
		return false;
	uint8_t *b = s->x->bytes + start;
	uint32_t n = s->x->n_bytes - start - (question ? 4 : 10);
	l4_put_u16(b, (uint16_t)h.type);
	l4_put_u16(b + 2, (uint16_t)h.class);
	if (question)
		return true;
	if (n > 65535)
		return expr_fail(s, at, "a record has at most 65535 bytes of data");
	l4_put_u32(b + 4, (uint32_t)h.ttl);
	l4_put_u16(b + 8, (uint16_t)(h.len >= 0 ? (uint32_t)h.len : n));
	return true;
}
