/* Packets out of the layers of an expression.
 *
 * First every layer is laid out with its defaults and given values, so that all lengths are known;
 * then, from the innermost outwards, what is open is derived: lengths and next protocol of a layer
 * first, its checksum last, since an outer checksum sees the inner ones. A given value is never
 * touched again.
 *
 * This is the plain way, and what is right by definition; plan.c does the same with less. */
#include <layer4/addr.h>
#include <layer4/capfile.h>
#include <layer4/checksum.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

struct builder {
	const struct l4_craft_expr *x;
	uint8_t *buf;
	struct place at[EXPR_LAYERS];
	uint32_t end;   /* of what counts: padding begins here */
	uint32_t total; /* bytes of the packet */
	uint64_t draw, index, rest;
};

static void put64(uint8_t *p, uint64_t v)
{
	l4_put_u32(p, (uint32_t)(v >> 32));
	l4_put_u32(p + 4, (uint32_t)v);
}

void craft_put(uint8_t *header, struct expr_place at, uint64_t hi, uint64_t lo)
{
	uint8_t *p = header + at.bit / 8;
	unsigned bits = at.bits;
	if (bits == 128) {
		put64(p, hi);
		put64(p + 8, lo);
	} else if (at.bit % 8 == 0 && bits % 8 == 0) {
		for (unsigned i = bits / 8; i-- > 0; lo >>= 8)
			p[i] = (uint8_t)lo;
	} else {
		for (unsigned i = 0; i < bits; i++) {
			unsigned k = at.bit + bits - 1u - i;
			uint8_t mask = (uint8_t)(0x80u >> k % 8u);
			header[k / 8] =
			    (uint8_t)((lo >> i & 1) ? header[k / 8] | mask : header[k / 8] & ~mask);
		}
	}
}

static void put_field(struct builder *b, uint32_t layer, const struct l4_field *f, uint64_t v)
{
	if (f->bits < 64)
		v &= (UINT64_C(1) << f->bits) - 1;
	craft_put(b->buf + b->at[layer].at, (struct expr_place){ f->bit, f->bits }, 0, v);
}

/* ---- what is written ---- */

const struct l4_field *craft_row(const struct expr_layer *l, uint32_t *i)
{
	for (;; ++*i) {
		const struct l4_field *f;
		if (*i + 1 < l->proto->n_fields)
			f = &l->proto->fields[*i + 1];
		else if (l->form && *i + 1u - l->proto->n_fields < l->form->n_fields)
			f = &l->form->fields[*i + 1u - l->proto->n_fields];
		else
			return NULL;
		if (l4_craft_writable(f) && (f->bit + f->bits + 7u) / 8u <= l->header) {
			++*i;
			return f;
		}
	}
}

/* Whether fuzz() may draw it: what keeps a packet whole is derived as ever, and the rows that hold
 * for every header are second names of others. */
bool craft_drawn(const struct expr_layer *l, const struct l4_field *f)
{
	const struct l4_craft_form *always = l->form && !l->form->n_values ? l->form : NULL;
	if (always && f >= always->fields && f < always->fields + always->n_fields)
		return false;
	return l->fuzz &&
	       (!f->derive || f->derive == L4_DERIVE_PORT || f->derive == L4_DERIVE_SPORT) &&
	       !f->depth && (f->bits <= 64 || f->type == L4_FT_IP6);
}

static bool is_version(const struct l4_field *f)
{
	const char *dot = strrchr(f->name, '.');
	return dot && !strcmp(dot, ".version");
}

/* Defaults, or with fuzz() drawn values for what is open. Parts of a word come after it and only
 * when they have a default of their own, so that they do not undo it. */
void craft_writes(const struct l4_craft_expr *x, uint32_t layer, write_fn *fn, void *ctx)
{
	const struct expr_layer *l = &x->layers[layer];
	const struct l4_field *f;
	struct write w;
	for (uint32_t i = 0; (f = craft_row(l, &i)) != NULL;) {
		w = (struct write){ .kind = WRITE_CONST, .at = { f->bit, f->bits }, .lo = f->def };
		bool open = craft_drawn(l, f) && !is_version(f);
		if (open)
			w.kind = WRITE_RANDOM;
		if (open || f->def)
			fn(ctx, layer, &w);
	}
	for (uint32_t i = 0; i < l->n_implied; i++) {
		w = (struct write){ .at = l->implied[i].at, .lo = l->implied[i].value };
		fn(ctx, layer, &w);
	}
	for (uint32_t i = l->set; i < l->set + l->n_sets; i++) {
		const struct expr_set *s = &x->sets[i];
		w = (struct write){
			.kind = s->wide ? WRITE_WIDE : WRITE_SET, .at = s->at, .set = s
		};
		fn(ctx, layer, &w);
	}
}

static void write_now(void *ctx, uint32_t layer, const struct write *w)
{
	struct builder *b = ctx;
	uint8_t *h = b->buf + b->at[layer].at;
	uint64_t hi = w->hi, lo = w->lo;
	if (w->kind == WRITE_WIDE) {
		memcpy(h + w->at.bit / 8, b->x->wide + w->set->item, w->set->n_items);
		return;
	}
	bool random = w->kind == WRITE_RANDOM;
	if (w->kind == WRITE_SET) {
		const struct expr_item *i = &b->x->items[w->set->item];
		b->rest /= w->set->count;
		uint64_t k = b->rest ? b->index / b->rest % w->set->count : 0;
		for (; k >= i->count; i++)
			k -= i->count;
		random = i->random;
		hi = i->hi;
		lo = i->lo + k;
	}
	if (random) {
		hi = w->at.bits > 64 ? craft_draw(&b->draw) : 0;
		lo = craft_draw(&b->draw);
		if (w->at.bits < 64)
			lo &= (UINT64_C(1) << w->at.bits) - 1;
	}
	craft_put(h, w->at, hi, lo);
}

bool craft_open(const struct l4_craft_expr *x, uint32_t layer, const struct l4_field *f)
{
	const struct expr_layer *l = &x->layers[layer];
	for (uint32_t i = l->set; i < l->set + l->n_sets; i++)
		if (x->sets[i].at.bit == f->bit && x->sets[i].at.bits == f->bits)
			return false;
	return true;
}

/* ---- what is derived ---- */

/* The table in which a layer's "next protocol" field is a key. */
const char *craft_next_table(const struct l4_proto *p, const struct l4_field *f)
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

/* The protocol behind a layer, or NULL. */
static const struct l4_proto *next_of(const struct l4_craft_expr *x, uint32_t layer)
{
	uint32_t k = layer + 1;
	if (k < x->n_layers && x->layers[k].kind == EXPR_PREFIX)
		k++;
	return k < x->n_layers && x->layers[k].kind == EXPR_PROTO ? x->layers[k].proto : NULL;
}

static uint64_t next_protocol(const struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct l4_craft_expr *x = b->x;
	const char *table = craft_next_table(x->layers[layer].proto, f);
	const struct l4_proto *next = next_of(x, layer);
	bool last = layer + 1 == x->n_layers || x->layers[layer + 1].kind == EXPR_PAD;
	uint32_t key;
	if (next && binding(next, table, &key))
		return key;
	if (strcmp(table, "ip.proto")) {
		if (next && !strcmp(next->name, "llc")) /* a length, IEEE 802.3 3.2.6 */
			return b->end - b->at[layer].at - b->at[layer].header;
		/* local experiments, IEEE 802 9.2.4 */
		return strcmp(table, "ethertype") ? 0 : 0x88b5;
	}
	return last ? 59 : 253; /* no next header, RFC 8200 4.7; for experiments, RFC 3692 */
}

/* The destination of the pseudo-header where a routing header says that this one is not yet the
 * last: its last address (RFC 8200 8.1). */
static uint32_t last_destination(const uint8_t *buf, const struct place *r)
{
	const uint8_t *h = buf + r->at;
	if (r->header < 24 || !h[3])
		return 0;
	if (h[2] == 0)
		return r->at + r->header - 16;
	/* Segments are listed last one first, RFC 8754 2. */
	return h[2] == 2 || h[2] == 4 ? r->at + 8 : 0;
}

bool craft_pseudo(const struct l4_craft_expr *x, const struct place *at, const uint8_t *buf,
    uint32_t layer, struct pseudo *out)
{
	uint32_t key = 0, final = 0;
	binding(x->layers[layer].proto, "ip.proto", &key);
	for (uint32_t i = layer; i-- > 0;) {
		const struct expr_layer *l = &x->layers[i];
		if (l->kind != EXPR_PROTO)
			continue;
		if (!strcmp(l->proto->name, "ipv6.routing")) {
			final = last_destination(buf, &at[i]);
		} else if (!strcmp(l->proto->name, "ip")) {
			*out = (struct pseudo){ at[i].at + 12, at[i].at + 16, 4, (uint8_t)key };
			return true;
		} else if (!strcmp(l->proto->name, "ipv6")) {
			*out = (struct pseudo){ at[i].at + 8, final ? final : at[i].at + 24, 16,
				(uint8_t)key };
			return true;
		}
	}
	return false;
}

bool craft_is_sum(const struct l4_field *f)
{
	return f->derive == L4_DERIVE_CHECKSUM || f->derive == L4_DERIVE_CHECKSUM_ALL ||
	       f->derive == L4_DERIVE_CHECKSUM_PSEUDO;
}

static void checksum(struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct place *a = &b->at[layer];
	uint32_t len = f->derive == L4_DERIVE_CHECKSUM ? a->header : b->end - a->at, sum = 0;
	struct pseudo p;
	if (f->bits != 16 || f->bit % 16)
		return;
	put_field(b, layer, f, 0);
	if (f->derive == L4_DERIVE_CHECKSUM_PSEUDO) {
		if (!craft_pseudo(b->x, b->at, b->buf, layer, &p))
			return;
		struct l4_addr src, dst;
		src =
		    p.n == 4 ? l4_addr_from_ip4(b->buf + p.src) : l4_addr_from_ip6(b->buf + p.src);
		dst =
		    p.n == 4 ? l4_addr_from_ip4(b->buf + p.dst) : l4_addr_from_ip6(b->buf + p.dst);
		sum = l4_csum_pseudo(&src, &dst, p.proto, len);
	}
	uint16_t c = l4_csum_fold(l4_csum_partial(b->buf + a->at, len, sum));
	/* A sum of zero is sent as all ones, for zero means none (RFC 768). */
	if (c == 0 && !strcmp(b->x->layers[layer].proto->name, "udp"))
		c = 0xffff;
	memcpy(b->buf + a->at + f->bit / 8, &c, 2);
}

/* Which of a layer's lists of records a count is of. */
static uint32_t records(const struct expr_layer *l, const struct l4_field *f)
{
	bool dns = !strncmp(f->name, "dns.", 4) && f->bit >= 32 && f->bit < 96;
	return l->records[dns ? (f->bit - 32u) / 16u : 0];
}

static uint64_t port(const struct l4_craft_expr *x, uint32_t layer, const struct l4_field *f)
{
	const struct l4_proto *next = next_of(x, layer);
	char table[16];
	uint32_t key;
	size_t n = strlen(x->layers[layer].proto->name);
	if (n > 8)
		return f->def;
	memcpy(table, x->layers[layer].proto->name, n);
	memcpy(table + n, ".port", 6);
	if (!next || !binding(next, table, &key))
		return f->def;
	if (f->derive == L4_DERIVE_PORT)
		return key;
	/* RFC 2131 4.1; RFC 6762 5.2 */
	return !strcmp(next->name, "dhcp") ? 68 : !strcmp(next->name, "mdns") ? key : f->def;
}

static void derive(struct builder *b, uint32_t layer, const struct l4_field *f)
{
	const struct place *a = &b->at[layer];
	const struct expr_layer *l = &b->x->layers[layer];
	switch ((enum l4_derive)f->derive) {
	case L4_DERIVE_LENGTH:
		put_field(b, layer, f, b->end - a->at);
		break;
	case L4_DERIVE_PAYLOAD:
		put_field(b, layer, f, b->end - a->at - a->fixed);
		break;
	case L4_DERIVE_HEADER_WORDS:
		put_field(b, layer, f, a->header / 4);
		break;
	case L4_DERIVE_HEADER_UNITS:
		put_field(b, layer, f, a->header < 8 ? 0 : a->header / 8 - 1);
		break;
	case L4_DERIVE_NEXT:
		put_field(b, layer, f, next_protocol(b, layer, f));
		break;
	case L4_DERIVE_PORT:
	case L4_DERIVE_SPORT:
		put_field(b, layer, f, port(b->x, layer, f));
		break;
	case L4_DERIVE_COUNT:
		put_field(b, layer, f, records(l, f));
		break;
	case L4_DERIVE_LAST:
		put_field(b, layer, f, l->records[0] ? l->records[0] - 1u : 0);
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

static void derive_layer(struct builder *b, uint32_t layer)
{
	const struct expr_layer *l = &b->x->layers[layer];
	const struct l4_field *f;
	if (l->kind == EXPR_PREFIX && !l->given)
		l4_put_u16(b->buf + b->at[layer].at, (uint16_t)(b->end - b->at[layer].at - 2));
	if (l->kind != EXPR_PROTO)
		return;
	for (int sums = 0; sums < 2; sums++)
		for (uint32_t i = 0; (f = craft_row(l, &i)) != NULL;)
			if (f->derive && craft_is_sum(f) == sums && !craft_drawn(l, f) &&
			    craft_open(b->x, layer, f))
				derive(b, layer, f);
}

bool craft_lay_out(
    const struct l4_craft_expr *x, struct place *places, uint32_t *end, uint32_t *total)
{
	uint32_t at = 0;
	bool padded = false;
	for (uint32_t i = 0; i < x->n_layers; i++) {
		const struct expr_layer *l = &x->layers[i];
		uint32_t fixed = l->kind == EXPR_PROTO ? l->header : 0;
		uint32_t n = fixed + l->n_bytes;
		if (l->kind == EXPR_PAD && !padded) {
			padded = true;
			*end = at;
		}
		if (l->kind == EXPR_PAD && l->pad_to > at)
			n = l->pad_to - at;
		places[i] = (struct place){ at, fixed, fixed + l->n_bytes };
		if (n > EXPR_PACKET_MAX || at > EXPR_PACKET_MAX - n)
			return false;
		at += n;
	}
	*total = at;
	if (!padded)
		*end = at;
	return true;
}

int craft_build_layers(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, uint8_t *buf,
    size_t cap, size_t *len)
{
	struct builder b;
	b.x = x;
	b.buf = buf;
	if (!craft_lay_out(x, b.at, &b.end, &b.total) || b.total > cap)
		return L4_EMSGSIZE;
	b.draw = craft_draw_start(seed, index);
	b.index = index;
	b.rest = x->each;
	memset(buf, 0, b.total);
	for (uint32_t i = 0; i < x->n_layers; i++) {
		const struct expr_layer *l = &x->layers[i];
		if (l->n_bytes)
			memcpy(buf + b.at[i].at + b.at[i].fixed, x->bytes + l->bytes, l->n_bytes);
		if (l->kind == EXPR_PROTO)
			craft_writes(x, i, write_now, &b);
	}
	for (uint32_t i = x->n_layers; i-- > 0;)
		derive_layer(&b, i);
	*len = b.total;
	return 0;
}

int l4_craft_build(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, void *buf,
    size_t cap, size_t *len)
{
	*len = 0;
	if (index >= x->count)
		return L4_ENOTFOUND;
	if (x->n_others) {
		uint64_t k = index / x->each;
		if (k)
			x = x->others[k - 1];
	}
	return x->plan ? craft_plan_build(x, index, seed, buf, cap, len)
		       : craft_build_layers(x, index, seed, buf, cap, len);
}
