/* What an expression says of its layers, and values for fields that it leaves open.
 *
 * A sender needs this: it asks whether the source address is open, and fills it from the route. A
 * value filled in counts as given from then on. */
#include <layer4/err.h>
#include <layer4/packet.h>

#include <string.h>

#include "craft/expr.h"

uint32_t l4_craft_layers(const struct l4_craft_expr *x)
{
	return x->n_layers;
}

const struct l4_proto *l4_craft_layer(const struct l4_craft_expr *x, uint32_t layer)
{
	if (layer >= x->n_layers || x->layers[layer].kind != EXPR_PROTO)
		return NULL;
	return x->layers[layer].proto;
}

int l4_craft_given(const struct l4_craft_expr *x, uint32_t layer, const char *field)
{
	const struct l4_proto *p = l4_craft_layer(x, layer);
	const struct l4_field *f = p ? l4_craft_field(p, field) : NULL;
	if (!f)
		return L4_ENOTFOUND;
	return !craft_open(x, layer, f) || x->layers[layer].fuzz;
}

static int fill(
    struct l4_craft_expr *x, uint32_t layer, const struct l4_field *f, const char *value)
{
	struct l4_craft_error err = { .column = 0 };
	struct parser s = { .x = x, .text = value, .p = value, .err = &err };
	struct expr_set set = { .field = f, .at = { f->bit, f->bits } };
	struct expr_layer *l = &x->layers[layer];
	uint32_t items = x->n_items, wide = x->n_wide, at = l->set + l->n_sets;
	if (!expr_values(&s, l->proto, &set) || *s.p || set.count != 1 || s.n_lists ||
	    (f->bit + f->bits + 7u) / 8u > l->header) {
		x->n_items = items;
		x->n_wide = wide;
		return L4_EINVAL;
	}
	if (!expr_add_set(&s, l, &set))
		return L4_ENOMEM;
	/* The sets of a layer lie together; those of the layers behind it move up. */
	memmove(&x->sets[at + 1], &x->sets[at], (x->n_sets - 1 - at) * sizeof *x->sets);
	x->sets[at] = set;
	for (uint32_t i = layer + 1; i < x->n_layers; i++)
		x->layers[i].set++;
	return craft_plan(x);
}

int l4_craft_fill(struct l4_craft_expr *x, uint32_t layer, const char *field, const char *value)
{
	const struct l4_proto *p = l4_craft_layer(x, layer);
	const struct l4_field *f = p ? l4_craft_field(p, field) : NULL;
	if (!f)
		return L4_ENOTFOUND;
	if (!craft_open(x, layer, f))
		return L4_EINVAL;
	int e = fill(x, layer, f, value);
	for (uint32_t i = 0; i < x->n_others && !e; i++)
		e = fill(x->others[i], layer, f, value);
	return e;
}

const struct l4_field *l4_craft_varied(const struct l4_craft_expr *x, uint32_t n, uint32_t *layer)
{
	for (uint32_t i = 0; i < x->n_layers; i++)
		for (uint32_t k = x->layers[i].set; k < x->layers[i].set + x->layers[i].n_sets;
		     k++) {
			const struct expr_set *s = &x->sets[k];
			if (!s->field || (s->count <= 1 && (s->wide || !x->items[s->item].random)))
				continue;
			if (n--)
				continue;
			if (layer)
				*layer = i;
			return s->field;
		}
	return NULL;
}
