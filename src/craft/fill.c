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

static bool is_given(
    const struct l4_craft_expr *x, const struct expr_layer *l, const struct l4_field *f)
{
	for (uint32_t i = l->set; i < l->set + l->n_sets; i++) {
		const struct l4_field *g = x->sets[i].field;
		if (g == f || (g->bit == f->bit && g->bits == f->bits))
			return true;
	}
	return false;
}

int l4_craft_given(const struct l4_craft_expr *x, uint32_t layer, const char *field)
{
	const struct l4_proto *p = l4_craft_layer(x, layer);
	const struct l4_field *f = p ? l4_craft_field(p, field) : NULL;
	if (!f)
		return L4_ENOTFOUND;
	return is_given(x, &x->layers[layer], f) || x->layers[layer].fuzz;
}

int l4_craft_fill(struct l4_craft_expr *x, uint32_t layer, const char *field, const char *value)
{
	const struct l4_proto *p = l4_craft_layer(x, layer);
	const struct l4_field *f = p ? l4_craft_field(p, field) : NULL;
	struct l4_craft_error err = { .column = 0 };
	struct parser s = { .x = x, .text = value, .p = value, .err = &err };
	struct expr_set set = { .field = f };
	uint32_t items = x->n_items;
	if (!f)
		return L4_ENOTFOUND;
	if (is_given(x, &x->layers[layer], f))
		return L4_EINVAL;
	if (x->n_sets == EXPR_SETS)
		return L4_ENOMEM;
	bool random = x->random;
	if (!expr_values(&s, p, &set) || *s.p || set.count != 1) {
		x->n_items = items;
		x->random = random;
		return L4_EINVAL;
	}
	/* The sets of a layer lie together; those of the layers behind it move up. */
	struct expr_layer *l = &x->layers[layer];
	uint32_t at = l->set + l->n_sets;
	memmove(&x->sets[at + 1], &x->sets[at], (x->n_sets - at) * sizeof *x->sets);
	x->sets[at] = set;
	x->n_sets++;
	l->n_sets++;
	for (uint32_t i = layer + 1; i < x->n_layers; i++)
		x->layers[i].set++;
	return 0;
}
