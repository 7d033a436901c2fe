/* Packets out of a parsed expression.
 *
 * First every layer is laid out with its defaults and given values, so that all lengths are known;
 * then, from the innermost outwards, what is open is derived: lengths and next protocol of a layer
 * first, its checksum last, since an outer checksum sees the inner ones. A given value is never
 * touched again. */
#include <layer4/addr.h>
#include <layer4/capfile.h>
#include <layer4/checksum.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <string.h>

#include "base/cursor.h"
#include "base/rng.h"
#include "craft/expr.h"

/* Where a layer of the packet came to lie, bytes from its start. */
struct place {
	uint32_t at, fixed, header; /* header: fixed part and what belongs to it */
};

struct builder {
	const struct l4_craft_expr *x;
	uint8_t *buf;
	struct place at[EXPR_LAYERS];
	uint32_t end;   /* of what counts: padding begins here */
	uint32_t total; /* bytes of the packet */
	struct l4_rng rng;
};

static void put(
    struct builder *b, uint32_t layer, const struct l4_field *f, uint64_t hi, uint64_t lo)
{
	uint8_t *h = b->buf + b->at[layer].at;
	if (f->bits == 128 && f->bit % 8 == 0) {
		l4_put_u32(h + f->bit / 8, (uint32_t)(hi >> 32));
		l4_put_u32(h + f->bit / 8 + 4, (uint32_t)hi);
		l4_put_u32(h + f->bit / 8 + 8, (uint32_t)(lo >> 32));
		l4_put_u32(h + f->bit / 8 + 12, (uint32_t)lo);
	} else if (f->bits <= 64) {
		if (f->bits < 64)
			lo &= (UINT64_C(1) << f->bits) - 1;
		l4_field_write(f, h, b->at[layer].fixed, lo);
	}
}

/* Value number k of a set. */
static void put_set(struct builder *b, uint32_t layer, const struct expr_set *s, uint64_t k)
{
	const struct expr_item *i = &b->x->items[s->item];
	for (; k >= i->count; i++)
		k -= i->count;
	if (i->random)
		put(b, layer, s->field, l4_rng_u64(&b->rng), l4_rng_u64(&b->rng));
	else
		put(b, layer, s->field, i->hi, i->lo + k);
}

static bool given(const struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct expr_layer *l = &b->x->layers[layer];
	for (uint32_t i = 0; i < l->n_sets; i++) {
		const struct l4_field *g = b->x->sets[l->set + i].field;
		if (g == f || (g->bit == f->bit && g->bits == f->bits))
			return true;
	}
	return false;
}

static bool is_version(const struct l4_field *f)
{
	const char *dot = strrchr(f->name, '.');
	return dot && !strcmp(dot, ".version");
}

/* Defaults, or with fuzz() drawn values for what is open. Parts of a word come after it and only
 * when they have a default of their own, so that they do not undo it. */
static void put_defaults(struct builder *b, uint32_t layer)
{
	const struct expr_layer *l = &b->x->layers[layer];
	for (uint32_t i = 0; i < l->n_rows; i++) {
		const struct l4_field *f = &l->proto->fields[l->rows[i]];
		if ((f->bit + f->bits + 7u) / 8u > b->at[layer].fixed)
			continue;
		if (l->fuzz && !f->derive && !f->depth && !is_version(f))
			put(b, layer, f, l4_rng_u64(&b->rng), l4_rng_u64(&b->rng));
		else if (f->def)
			put(b, layer, f, 0, f->def);
	}
}

/* The table in which a layer's "next protocol" field is a key. */
static const char *next_table(const struct l4_proto *p, const struct l4_field *f)
{
	if (!strncmp(p->name, "ppp", 3))
		return "ppp";
	return f->bits == 8 ? "ip.proto" : "ethertype";
}

static bool binding(const struct l4_proto *p, const char *table, uint32_t *key)
{
	for (const struct l4_binding *k = p->bindings; k && k->table; k++)
		if (!strcmp(k->table, table)) {
			*key = k->key;
			return true;
		}
	return false;
}

static uint64_t next_protocol(const struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct l4_craft_expr *x = b->x;
	const char *table = next_table(x->layers[layer].proto, f);
	bool last = layer + 1 == x->n_layers || x->layers[layer + 1].kind == EXPR_PAD;
	uint32_t key;
	if (!last && x->layers[layer + 1].kind == EXPR_PROTO &&
	    binding(x->layers[layer + 1].proto, table, &key))
		return key;
	if (strcmp(table, "ip.proto"))
		return strcmp(table, "ethertype") ? 0
						  : 0x88b5; /* local experiments, IEEE 802 9.2.4 */
	return last ? 59 : 253; /* no next header, RFC 8200 4.7; for experiments, RFC 3692 */
}

/* The sum of the pseudo-header by the nearest IP header below. False: there is none. */
static bool pseudo(const struct builder *b, uint32_t layer, uint32_t len, uint32_t *sum)
{
	uint32_t key = 0;
	binding(b->x->layers[layer].proto, "ip.proto", &key);
	for (uint32_t i = layer; i-- > 0;) {
		const struct expr_layer *l = &b->x->layers[i];
		const uint8_t *h = b->buf + b->at[i].at;
		struct l4_addr src, dst;
		if (l->kind != EXPR_PROTO)
			continue;
		if (!strcmp(l->proto->name, "ip")) {
			src = l4_addr_from_ip4(h + 12);
			dst = l4_addr_from_ip4(h + 16);
		} else if (!strcmp(l->proto->name, "ipv6")) {
			src = l4_addr_from_ip6(h + 8);
			dst = l4_addr_from_ip6(h + 24);
		} else {
			continue;
		}
		*sum = l4_csum_pseudo(&src, &dst, (uint8_t)key, len);
		return true;
	}
	return false;
}

static void checksum(struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct place *a = &b->at[layer];
	uint32_t len = f->derive == L4_DERIVE_CHECKSUM ? a->header : b->end - a->at, sum = 0;
	if (f->bits != 16 || f->bit % 8)
		return;
	put(b, layer, f, 0, 0);
	if (f->derive == L4_DERIVE_CHECKSUM_PSEUDO && !pseudo(b, layer, len, &sum))
		return;
	uint16_t c = l4_csum_fold(l4_csum_partial(b->buf + a->at, len, sum));
	/* A sum of zero is sent as all ones, for zero means none (RFC 768). */
	if (c == 0 && !strcmp(b->x->layers[layer].proto->name, "udp"))
		c = 0xffff;
	memcpy(b->buf + a->at + f->bit / 8, &c, 2);
}

static void derive(struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct place *a = &b->at[layer];
	const struct expr_layer *l = &b->x->layers[layer];
	switch ((enum l4_derive)f->derive) {
	case L4_DERIVE_LENGTH:
		put(b, layer, f, 0, b->end - a->at);
		break;
	case L4_DERIVE_PAYLOAD:
		put(b, layer, f, 0, b->end - a->at - a->fixed);
		break;
	case L4_DERIVE_HEADER_WORDS:
		put(b, layer, f, 0, a->header / 4);
		break;
	case L4_DERIVE_NEXT:
		put(b, layer, f, 0, next_protocol(b, layer, f));
		break;
	case L4_DERIVE_COUNT:
		/* The first of the counts is that of the questions. */
		put(b, layer, f, 0, f->bit == 32 ? l->questions : 0);
		break;
	case L4_DERIVE_CHECKSUM:
	case L4_DERIVE_CHECKSUM_ALL:
	case L4_DERIVE_CHECKSUM_PSEUDO:
		checksum(b, layer, f);
		break;
	case L4_DERIVE_NONE:
		break;
	}
}

static bool is_checksum(const struct l4_field *f)
{
	return f->derive == L4_DERIVE_CHECKSUM || f->derive == L4_DERIVE_CHECKSUM_ALL ||
	       f->derive == L4_DERIVE_CHECKSUM_PSEUDO;
}

static void derive_layer(struct builder *b, uint32_t layer)
{
	const struct expr_layer *l = &b->x->layers[layer];
	for (int sums = 0; sums < 2; sums++)
		for (uint32_t i = 0; i < l->n_rows; i++) {
			const struct l4_field *f = &l->proto->fields[l->rows[i]];
			if (f->derive && is_checksum(f) == sums && !given(b, layer, f))
				derive(b, layer, f);
		}
}

/* Places all layers; false: more than cap bytes. */
static bool lay_out(struct builder *b, size_t cap)
{
	uint32_t at = 0;
	bool padded = false;
	for (uint32_t i = 0; i < b->x->n_layers; i++) {
		const struct expr_layer *l = &b->x->layers[i];
		uint32_t fixed = l->kind == EXPR_PROTO ? l->proto->header_bits / 8u : 0;
		uint32_t n = fixed + l->n_bytes;
		if (l->kind == EXPR_PAD && !padded) {
			padded = true;
			b->end = at;
		}
		if (l->kind == EXPR_PAD && l->pad_to > at)
			n = l->pad_to - at;
		b->at[i] = (struct place){ at, fixed, fixed + l->n_bytes };
		if (n > cap || at > cap - n)
			return false;
		memset(b->buf + at, 0, n);
		if (l->n_bytes)
			memcpy(b->buf + at + fixed, b->x->bytes + l->bytes, l->n_bytes);
		at += n;
	}
	b->total = at;
	if (!padded)
		b->end = at;
	return true;
}

int l4_craft_build(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, void *buf,
    size_t cap, size_t *len)
{
	struct builder b;
	b.x = x;
	b.buf = buf;
	*len = 0;
	if (index >= x->count)
		return L4_ENOTFOUND;
	if (x->random) /* each packet its own numbers, whatever was built before it */
		l4_rng_init_u64(&b.rng, seed * UINT64_C(0x9e3779b97f4a7c15) + index);
	if (!lay_out(&b, cap))
		return L4_EMSGSIZE;
	uint64_t rest = x->count;
	for (uint32_t i = 0; i < x->n_layers; i++) {
		const struct expr_layer *l = &x->layers[i];
		if (l->kind != EXPR_PROTO)
			continue;
		put_defaults(&b, i);
		for (uint32_t k = l->set; k < l->set + l->n_sets; k++) {
			rest /= x->sets[k].count;
			put_set(&b, i, &x->sets[k], rest ? index / rest % x->sets[k].count : 0);
		}
	}
	for (uint32_t i = x->n_layers; i-- > 0;)
		if (x->layers[i].kind == EXPR_PROTO)
			derive_layer(&b, i);
	*len = b.total;
	return 0;
}
