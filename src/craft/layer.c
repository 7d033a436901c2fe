/* A protocol of an expression with its fields: which form its header has, where each value goes.
 *
 * Arguments are taken from left to right. A name is looked for among the rows of the table, the
 * forms, the lists, and the values of options, in this order. When all is read the form is known:
 * by the value that was given for the choosing field, by a field of a form that was named, or by
 * default; with it the length of the fixed header, to which places behind it are moved. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft/expr.h"

struct expr_layer *expr_add_layer(struct parser *s, enum expr_kind kind, const char *at)
{
	struct l4_craft_expr *x = s->x;
	if (x->n_layers == EXPR_LAYERS) {
		expr_fail(s, at, "more than %d layers", EXPR_LAYERS);
		return NULL;
	}
	if (x->n_layers == x->cap_layers) {
		/* Whoever holds a layer holds it by its place: room for all, once. */
		x->layers = malloc(EXPR_LAYERS * sizeof *x->layers);
		x->cap_layers = x->layers ? EXPR_LAYERS : 0;
		if (!x->layers) {
			expr_fail(s, at, "no memory");
			return NULL;
		}
	}
	struct expr_layer *l = &x->layers[x->n_layers++];
	*l = (struct expr_layer){
		.kind = kind, .set = x->n_sets, .bytes = x->n_bytes, .link = L4_LINK_UNKNOWN
	};
	return l;
}

struct expr_set *expr_add_set(struct parser *s, struct expr_layer *l, const struct expr_set *set)
{
	struct l4_craft_expr *x = s->x;
	if (x->n_sets == EXPR_SETS) {
		expr_fail(s, s->p, "more than %d fields", EXPR_SETS);
		return NULL;
	}
	if (x->n_sets == x->cap_sets) {
		uint32_t cap = x->cap_sets ? x->cap_sets * 2 : 16;
		struct expr_set *n = realloc(x->sets, cap * sizeof *n);
		if (!n) {
			expr_fail(s, s->p, "no memory");
			return NULL;
		}
		x->sets = n;
		x->cap_sets = cap;
	}
	x->sets[x->n_sets] = *set;
	l->n_sets++;
	return &x->sets[x->n_sets++];
}

static bool unknown_field(struct parser *s, const struct l4_proto *p, struct word w)
{
	char name[64], near[120];
	if (!w.n)
		return expr_fail(s, w.p, "expected the name of a field of %s, or ')'", p->name);
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	if (l4_craft_nearest(p, name, near, sizeof near))
		return expr_fail(s, w.p, "%s has no field '%s'; near: %s ('l4 ls %s' lists all)",
		    p->name, name, near, p->name);
	return expr_fail(
	    s, w.p, "%s has no field '%s'; 'l4 ls %s' lists them", p->name, name, p->name);
}

/* What is known while the arguments of a layer are read. */
struct reading {
	const struct l4_proto *p;
	const struct l4_field *by;         /* the field that chooses the form */
	int64_t value;                     /* given for it; -1: nothing */
	const struct l4_craft_form *named; /* of the first field of a form */
	bool code_given;
	uint32_t bits; /* of the longest form whose field was named */
};

static void note_field(struct reading *r, const struct expr_set *set, struct l4_craft_expr *x,
    const struct l4_craft_form *form)
{
	const char *dot = strrchr(set->field->name, '.');
	if (r->by && set->field == r->by && !x->items[set->item].random)
		r->value = (int64_t)x->items[set->item].lo;
	r->code_given |= dot && !strcmp(dot, ".code");
	if (!form)
		return;
	if (!r->named && form->n_values)
		r->named = form;
	if (form->header_bits > r->bits)
		r->bits = form->header_bits;
}

static bool field_argument(
    struct parser *s, struct expr_layer *l, struct reading *r, struct tail *t, struct word w)
{
	char name[64];
	const struct l4_craft_form *form = NULL;
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	const struct l4_field *f =
	    w.n ? craft_named(r->p, r->p->fields + 1, r->p->n_fields - 1u, name) : NULL;
	/* The end of a longer name is not taken where a row of an option has just this name: the
	 * key of GRE and not its flag. */
	if (f && strcmp(craft_tail(r->p, f->name), name) && (!f->alias || strcmp(f->alias, name)) &&
	    expr_is_flat(r->p, name))
		f = NULL;
	if (!f && w.n) {
		int64_t v = r->value;
		if (v < 0 && r->named)
			v = r->named->values[0];
		f = craft_form_field(r->p, name, v, &form);
	}
	if (!f) {
		int taken = w.n ? expr_flat(s, t, name, w.p) : 0;
		return taken ? taken > 0 : unknown_field(s, r->p, w);
	}
	if (!expr_expect(s, '=', "after the name of a field"))
		return false;
	struct expr_set set = { .field = f, .at = { f->bit, f->bits } };
	if (!expr_values(s, r->p, &set) || !expr_add_set(s, l, &set))
		return false;
	note_field(r, &set, s->x, form);
	return true;
}

/* A list may belong to one form only. */
static void note_list(struct reading *r, const char *name)
{
	const struct l4_craft_form *f;
	for (size_t i = 0; (f = l4_craft_form(r->p, i)) != NULL; i++)
		if (f->list && !strcmp(f->list, name)) {
			r->named = r->named ? r->named : f;
			r->bits = f->header_bits > r->bits ? f->header_bits : r->bits;
		}
}

static bool argument(
    struct parser *s, struct expr_layer *l, struct reading *r, struct tail *t, struct word w)
{
	char name[64];
	int taken = dns_argument(s, t, w, w.p);
	if (taken)
		return taken > 0;
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	/* "ns" of dns is a list; a field of this name is looked for only without '['. */
	if (w.n && expr_is_list(r->p, name)) {
		if (!expr_expect(s, '=', "after the name of a list"))
			return false;
		note_list(r, name);
		return expr_list(s, t, name, w.p);
	}
	return field_argument(s, l, r, t, w);
}

static void imply(struct expr_layer *l, const struct l4_field *f, uint64_t value)
{
	if (f && l->n_implied < EXPR_IMPLIED)
		l->implied[l->n_implied++] = (struct expr_implied){ { f->bit, f->bits }, value };
}

/* Chooses the form, and moves what stands behind the header to its place. */
static void settle(struct parser *s, struct expr_layer *l, struct reading *r)
{
	uint64_t v = r->by ? r->by->def : 0;
	if (r->value < 0 && r->named) {
		v = r->named->values[0];
		imply(l, r->by, v);
		if (r->named->code >= 0 && !r->code_given)
			imply(l, craft_named(r->p, r->p->fields + 1, r->p->n_fields - 1u, "code"),
			    (uint64_t)r->named->code);
	} else if (r->value >= 0) {
		v = (uint64_t)r->value;
	}
	l->form = craft_form_of(r->p, v);
	if (r->named && (!l->form || !l->form->n_values))
		l->form = r->named;
	uint32_t bits = r->p->header_bits;
	if (l->form && l->form->header_bits > bits)
		bits = l->form->header_bits;
	l->header = (bits > r->bits ? bits : r->bits) / 8;
	for (uint32_t i = l->set; i < l->set + l->n_sets; i++)
		if (s->x->sets[i].tail) {
			s->x->sets[i].at.bit += l->header * 8;
			s->x->sets[i].tail = false;
		}
}

/* The field that chooses between the forms of a protocol. */
static const struct l4_field *chooser(const struct l4_proto *p)
{
	const struct l4_craft_form *f;
	for (size_t i = 0; (f = l4_craft_form(p, i)) != NULL; i++)
		if (f->by)
			return craft_named(p, p->fields + 1, p->n_fields - 1u, f->by);
	return NULL;
}

/* Over TCP a DNS message has its length in front. */
static bool prefix(struct parser *s, const struct l4_proto *p, const char *at)
{
	const struct expr_layer *before = s->x->n_layers ? &s->x->layers[s->x->n_layers - 1] : NULL;
	if (strcmp(p->name, "dns") || !before || before->kind != EXPR_PROTO ||
	    strcmp(before->proto->name, "tcp"))
		return true;
	struct expr_layer *l = expr_add_layer(s, EXPR_PREFIX, at);
	if (!l || !expr_add_zeros(s, 2))
		return false;
	l->n_bytes = 2;
	return true;
}

bool expr_protocol(struct parser *s, const struct l4_proto *p, const char *at, bool fuzz)
{
	if (!p->header_bits)
		return expr_fail(
		    s, at, "%s has no header to write; use raw(hex=...) or a text", p->name);
	if (!prefix(s, p, at))
		return false;
	struct expr_layer *l = expr_add_layer(s, EXPR_PROTO, at);
	if (!l)
		return false;
	struct reading r = { .p = p, .by = chooser(p), .value = -1 };
	struct tail t = { .layer = l };
	l->proto = p;
	l->fuzz = fuzz;
	if (expr_take(s, '(') && !expr_take(s, ')')) {
		do {
			if (!argument(s, l, &r, &t, expr_word(s)))
				return false;
		} while (expr_take(s, ','));
		if (!expr_expect(s, ')', "or ',' and another field"))
			return false;
	}
	if (!expr_tail_end(s, &t))
		return false;
	settle(s, l, &r);
	l->n_bytes = s->x->n_bytes - l->bytes;
	return true;
}
