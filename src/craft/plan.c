/* Many packets of one expression, quickly.
 *
 * The layout does not depend on the packet's number, so almost everything is the same in all of
 * them. The plan holds packet 0 as it is, the writes that vary, and for each checksum the sum over
 * what stays and the places of the 16-bit words that do not. Building is: copy, write, sum up. No
 * division by words that stay, no allocation, no look at a table.
 *
 * The sums are those of the plain way exactly, since one's complement addition does not depend on
 * the order and the sum is folded once at the end: zero stays zero only if every word is zero.
 * Where the plain way depends on more than the words themselves (a routing header whose type is a
 * set decides over the pseudo-header) there is no plan, and every packet is built plainly. */
#include <layer4/err.h>
#include <layer4/packet.h>

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

#define NO_BYTE UINT32_MAX

enum { STEPS = 512 }; /* writes of a plan; more: no plan */

struct step {
	struct expr_place at; /* from the packet's start */
	bool random;
	uint64_t hi, lo;        /* a single value, or the first of a range */
	uint32_t item, n_items; /* several: in l4_craft_expr.items */
	uint64_t count;         /* of the set; 1: not part of the packet's number */
};

struct sum {
	uint32_t at;          /* of the checksum */
	uint32_t word, words; /* that vary, in plan.words */
	uint32_t odd;         /* a last byte that varies, or NO_BYTE */
	uint64_t base;        /* of what stays */
	bool ones;            /* zero goes out as all ones */
};

struct plan {
	uint8_t *bytes;
	uint32_t len;
	struct step *steps;
	uint32_t n_steps, cap_steps;
	struct sum sums[EXPR_LAYERS];
	uint32_t n_sums;
	uint32_t *words;
	uint32_t n_words;
	bool random, counted;
};

struct making {
	const struct l4_craft_expr *x;
	struct plan *p;
	struct place at[EXPR_LAYERS];
	uint32_t end;
	uint8_t *varies; /* by bit of the packet */
	bool failed;
};

void craft_plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->bytes);
	free(p->steps);
	free(p->words);
	free(p);
}

static bool bit_of(const struct making *m, uint32_t bit)
{
	return m->varies[bit / 8] >> bit % 8 & 1;
}

static bool any_bit(const struct making *m, struct expr_place at)
{
	for (uint32_t i = at.bit; i < at.bit + at.bits; i++)
		if (bit_of(m, i))
			return true;
	return false;
}

static void mark(struct making *m, struct expr_place at)
{
	for (uint32_t i = at.bit; i < at.bit + at.bits; i++)
		m->varies[i / 8] |= (uint8_t)(1u << i % 8);
}

static bool byte_varies(const struct making *m, uint32_t byte)
{
	return m->varies[byte] != 0;
}

/* Keeps a write when it varies, or goes over one that does. */
static void keep(void *ctx, uint32_t layer, const struct write *w)
{
	struct making *m = ctx;
	struct plan *p = m->p;
	struct step s = { .at = w->at, .hi = w->hi, .lo = w->lo, .count = 1 };
	s.at.bit += m->at[layer].at * 8;
	s.random = w->kind == WRITE_RANDOM;
	if (w->kind == WRITE_SET) {
		const struct expr_item *i = &m->x->items[w->set->item];
		s.count = w->set->count;
		s.random = w->set->n_items == 1 && i->random;
		s.hi = i->hi;
		s.lo = i->lo;
		s.item = w->set->item;
		s.n_items = w->set->n_items;
	}
	if (!s.random && s.count == 1 && !any_bit(m, s.at))
		return;
	if (w->kind == WRITE_WIDE || p->n_steps == STEPS || m->failed) {
		m->failed = true;
		return;
	}
	if (p->n_steps == p->cap_steps) {
		uint32_t cap = p->cap_steps ? p->cap_steps * 2 : 16;
		struct step *n = realloc(p->steps, cap * sizeof *n);
		if (!n) {
			m->failed = true;
			return;
		}
		p->steps = n;
		p->cap_steps = cap;
	}
	p->steps[p->n_steps++] = s;
	p->random |= s.random || s.n_items > 1;
	p->counted |= s.count > 1;
	mark(m, s.at);
}

/* A derived field that is no checksum is the same in every packet; one that lies over a field that
 * varies is written again. */
static void keep_derived(struct making *m, uint32_t layer)
{
	const struct expr_layer *l = &m->x->layers[layer];
	const struct l4_field *f;
	for (uint32_t i = 0; (f = craft_row(l, &i)) != NULL;) {
		struct expr_place at = { f->bit + m->at[layer].at * 8, f->bits };
		if (f->derive && !craft_is_sum(f) && craft_open(m->x, layer, f) &&
		    !craft_drawn(l, f) && any_bit(m, at))
			m->failed = true;
	}
}

static uint16_t word_at(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}

/* Takes a word into a sum: into its base, or into the list of those that vary. */
static void take_word(struct making *m, struct sum *s, uint32_t at)
{
	struct plan *p = m->p;
	if (byte_varies(m, at) || byte_varies(m, at + 1)) {
		p->words[p->n_words++] = at;
		s->words++;
	} else {
		s->base += word_at(p->bytes + at);
	}
}

static void keep_sum(struct making *m, uint32_t layer, const struct l4_field *f)
{
	struct plan *p = m->p;
	const struct place *a = &m->at[layer];
	uint32_t n = f->derive == L4_DERIVE_CHECKSUM ? a->header : m->end - a->at;
	uint32_t at = a->at + f->bit / 8u;
	struct sum s = { .at = at, .word = p->n_words, .odd = NO_BYTE };
	struct pseudo pseudo;
	if (f->bits != 16 || f->bit % 16)
		return;
	if (f->derive == L4_DERIVE_CHECKSUM_PSEUDO) {
		if (!craft_pseudo(m->x, m->at, p->bytes, layer, &pseudo))
			return;
		uint8_t b[8] = { 0 };
		l4_put_u32(b, n);
		b[5] = pseudo.proto;
		for (unsigned i = 0; i < 8; i += 2)
			s.base += word_at(b + i);
		for (uint32_t i = 0; i < pseudo.n; i += 2) {
			take_word(m, &s, pseudo.src + i);
			take_word(m, &s, pseudo.dst + i);
		}
	}
	for (uint32_t i = 0; i + 1 < n; i += 2)
		if (a->at + i != at)
			take_word(m, &s, a->at + i);
	if (n % 2) {
		uint8_t last[2] = { p->bytes[a->at + n - 1], 0 };
		if (byte_varies(m, a->at + n - 1))
			s.odd = a->at + n - 1;
		else
			s.base += word_at(last);
	}
	/* Nothing varies: the checksum stands in the bytes already. */
	if (!s.words && s.odd == NO_BYTE && !any_bit(m, (struct expr_place){ at * 8, 16 }))
		return;
	s.ones = !strcmp(m->x->layers[layer].proto->name, "udp");
	p->sums[p->n_sums++] = s;
	mark(m, (struct expr_place){ at * 8, 16 });
}

/* How many words all sums have together at most. */
static size_t words_of(const struct making *m)
{
	size_t n = 0;
	for (uint32_t i = 0; i < m->x->n_layers; i++)
		n += (m->end - m->at[i].at) / 2 + 20;
	return n;
}

static bool make(struct making *m)
{
	const struct l4_craft_expr *x = m->x;
	const struct l4_field *f;
	for (uint32_t i = 0; i < x->n_layers && !m->failed; i++)
		if (x->layers[i].kind == EXPR_PROTO) {
			craft_writes(x, i, keep, m);
			keep_derived(m, i);
			/* A routing header decides over the pseudo-header by its first bytes. */
			if (!strcmp(x->layers[i].proto->name, "ipv6.routing") &&
			    (byte_varies(m, m->at[i].at + 2) || byte_varies(m, m->at[i].at + 3)))
				m->failed = true;
		}
	for (uint32_t i = x->n_layers; i-- > 0 && !m->failed;) {
		const struct expr_layer *l = &x->layers[i];
		for (uint32_t k = 0; l->kind == EXPR_PROTO && (f = craft_row(l, &k)) != NULL;)
			if (craft_is_sum(f) && craft_open(x, i, f)) {
				if (m->p->n_sums == EXPR_LAYERS)
					m->failed = true;
				else
					keep_sum(m, i, f);
			}
	}
	return !m->failed;
}

int craft_plan(struct l4_craft_expr *x)
{
	struct making m = { .x = x };
	uint32_t total;
	size_t len;
	craft_plan_free(x->plan);
	x->plan = NULL;
	if (!craft_lay_out(x, m.at, &m.end, &total))
		return 0; /* building says that it is too long */
	m.p = calloc(1, sizeof *m.p);
	m.varies = calloc(1, total + 1u);
	if (m.p) {
		m.p->bytes = malloc(total + 1u);
		m.p->words = malloc((words_of(&m) + 1) * sizeof *m.p->words);
		m.p->len = total;
	}
	bool memory = m.p && m.varies && m.p->bytes && m.p->words;
	if (memory && craft_build_layers(x, 0, 0, m.p->bytes, total, &len) == 0 && make(&m)) {
		x->plan = m.p;
		m.p = NULL;
	}
	craft_plan_free(m.p);
	free(m.varies);
	return memory ? 0 : L4_ENOMEM;
}

/* ---- building ---- */

static inline void write_step(uint8_t *buf, struct expr_place at, uint64_t hi, uint64_t lo)
{
	uint8_t *p = buf + at.bit / 8;
	if (at.bit % 8 == 0) {
		switch (at.bits) {
		case 8:
			p[0] = (uint8_t)lo;
			return;
		case 16:
			l4_put_u16(p, (uint16_t)lo);
			return;
		case 32:
			l4_put_u32(p, (uint32_t)lo);
			return;
		default:
			break;
		}
	}
	if (at.bits < 64)
		lo &= (UINT64_C(1) << at.bits) - 1;
	craft_put(buf, at, hi, lo);
}

/* The packet's number has a digit for each set, the last lowest: to the value of one digit. */
static inline uint64_t digit(uint64_t *rest, uint64_t count)
{
	uint64_t q, k;
	if ((*rest | count) >> 32 == 0) { /* the shorter division is several times faster */
		q = (uint32_t)*rest / (uint32_t)count;
		k = (uint32_t)*rest % (uint32_t)count;
	} else {
		q = *rest / count;
		k = *rest % count;
	}
	*rest = q;
	return k;
}

static void write_all(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, uint8_t *buf)
{
	const struct plan *p = x->plan;
	uint64_t digits[STEPS], rest = index;
	uint64_t draw = p->random ? craft_draw_start(seed, index) : 0;
	for (uint32_t i = p->n_steps; p->counted && i-- > 0;)
		if (p->steps[i].count > 1)
			digits[i] = digit(&rest, p->steps[i].count);
	for (uint32_t i = 0; i < p->n_steps; i++) {
		const struct step *s = &p->steps[i];
		uint64_t hi = s->hi, lo = s->lo;
		bool random = s->random;
		if (s->count > 1) {
			uint64_t k = digits[i];
			if (s->n_items > 1) {
				const struct expr_item *t = x->items + s->item;
				for (; k >= t->count; t++)
					k -= t->count;
				hi = t->hi;
				lo = t->lo;
				random = t->random;
			}
			lo += k;
		}
		if (random) {
			hi = s->at.bits > 64 ? craft_draw(&draw) : 0;
			lo = craft_draw(&draw);
		}
		write_step(buf, s->at, hi, lo);
	}
}

int craft_plan_build(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, uint8_t *buf,
    size_t cap, size_t *len)
{
	const struct plan *p = x->plan;
	if (p->len > cap)
		return L4_EMSGSIZE;
	memcpy(buf, p->bytes, p->len);
	write_all(x, index, seed, buf);
	for (uint32_t i = 0; i < p->n_sums; i++) {
		const struct sum *s = &p->sums[i];
		uint64_t sum = s->base;
		for (uint32_t k = 0; k < s->words; k++)
			sum += word_at(buf + p->words[s->word + k]);
		if (s->odd != NO_BYTE) {
			uint8_t last[2] = { buf[s->odd], 0 };
			sum += word_at(last);
		}
		sum = (sum & 0xffffffff) + (sum >> 32);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		uint16_t c = (uint16_t)~sum;
		if (c == 0 && s->ones)
			c = 0xffff;
		memcpy(buf + s->at, &c, 2);
	}
	*len = p->len;
	return 0;
}
