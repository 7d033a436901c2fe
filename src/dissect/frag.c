/* Reassembly of fragments (RFC 791 3.2, RFC 8200 4.5), as an observer sees them.
 *
 * A datagram under way keeps its fragments as they came, in order of arrival, and is put together
 * when they cover it from 0 to the end that the last fragment told. Overlaps are reported; the
 * bytes that came first stay. A capture that cut a fragment (snap length) makes its datagram
 * impossible to put together, and it is not kept.
 *
 * Limits: DATAGRAMS at a time, FRAGMENTS each, cfg.fragments_kib_max bytes in all. Beyond them the
 * datagram begun first is given up. The whole datagram is kept in one buffer until the next one
 * is finished: its bytes are borrowed by the packet that completed it. */
#include "dissect/frag.h"

#include <stdlib.h>

#include "dissect/conv.h"

enum { DATAGRAMS = 512, FRAGMENTS = 2048, DATAGRAM_MAX = 65535 + 60 };

struct piece {
	uint32_t offset, len, frame;
	bool overlap, conflict, tail, toolong;
	uint8_t *data;
};

struct datagram {
	bool used, done;
	struct l4_frag_key key;
	uint64_t age;
	struct piece *pieces;
	uint32_t n, cap;
	uint32_t bytes;
	uint32_t end; /* total length once the last fragment was seen; 0: not yet */
	bool have_end;
};

struct l4_frag_table {
	struct datagram g[DATAGRAMS];
	uint32_t bytes;
	uint64_t clock;
	uint8_t *whole[4];
	uint8_t next_whole;
};

static void drop(struct l4_frag_table *t, struct datagram *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		free(g->pieces[i].data);
	free(g->pieces);
	t->bytes -= g->bytes;
	memset(g, 0, sizeof *g);
}

void l4_frag_free(struct l4_frag_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < DATAGRAMS; i++)
		if (t->g[i].used)
			drop(t, &t->g[i]);
	for (unsigned i = 0; i < 4; i++)
		free(t->whole[i]);
	free(t);
}

static struct datagram *oldest(struct l4_frag_table *t)
{
	struct datagram *o = NULL;
	for (unsigned i = 0; i < DATAGRAMS; i++)
		if (t->g[i].used && (!o || t->g[i].age < o->age))
			o = &t->g[i];
	return o;
}

/* Member by member: the padding of a key is not part of it. */
static bool same_key(const struct l4_frag_key *a, const struct l4_frag_key *b)
{
	return a->id == b->id && a->proto == b->proto && a->version == b->version &&
	       !memcmp(a->src, b->src, sizeof a->src) && !memcmp(a->dst, b->dst, sizeof a->dst);
}

static struct datagram *lookup(struct l4_frag_table *t, const struct l4_frag_key *key)
{
	struct datagram *empty = NULL;
	for (unsigned i = 0; i < DATAGRAMS; i++) {
		if (!t->g[i].used)
			empty = empty ? empty : &t->g[i];
		else if (same_key(&t->g[i].key, key))
			return &t->g[i];
	}
	if (!empty) {
		empty = oldest(t);
		drop(t, empty);
	}
	empty->used = true;
	empty->key = *key;
	empty->age = ++t->clock;
	return empty;
}

static struct piece *add_piece(struct l4_frag_table *t, struct datagram *g, struct l4_view v)
{
	if (g->n == FRAGMENTS)
		return NULL;
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? g->cap * 2 : 4;
		struct piece *p = realloc(g->pieces, cap * sizeof *p);
		if (!p)
			return NULL;
		g->pieces = p;
		g->cap = cap;
	}
	struct piece *p = &g->pieces[g->n];
	*p = (struct piece){ .len = v.cap, .data = malloc(v.cap ? v.cap : 1) };
	if (!p->data)
		return NULL;
	memcpy(p->data, v.p, v.cap);
	g->n++;
	g->bytes += v.cap;
	t->bytes += v.cap;
	return p;
}

/* Bytes from 0 without a hole. */
static uint32_t covered(const struct datagram *g)
{
	uint32_t end = 0;
	for (bool moved = true; moved;) {
		moved = false;
		for (uint32_t i = 0; i < g->n; i++) {
			const struct piece *p = &g->pieces[i];
			if (p->offset <= end && p->offset + p->len > end) {
				end = p->offset + p->len;
				moved = true;
			}
		}
	}
	return end;
}

static int by_offset(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

static void put_rows(struct l4_dissect *d, const struct datagram *g, const uint8_t *whole,
    uint32_t len, unsigned first)
{
	enum { FRAG_ROWS(FRAG_ROW_ENUM) };
	dis_title(d, NULL, 0, "%u fragments, %u bytes", g->n, len);
	for (uint32_t i = 0; i < g->n; i++) {
		const struct piece *p = &g->pieces[i];
		dis_u(d, first + FRAGMENT, NULL, 0, p->frame);
		if (p->overlap)
			dis_u(d, first + FRAG_OVERLAP, NULL, 0, 1);
		if (p->conflict)
			dis_u(d, first + FRAG_CONFLICT, NULL, 0, 1);
		if (p->tail)
			dis_u(d, first + FRAG_TAILS, NULL, 0, 1);
		if (p->toolong)
			dis_u(d, first + FRAG_TOOLONG, NULL, 0, 1);
	}
	dis_u(d, first + FRAG_COUNT, NULL, 0, g->n);
	dis_u(d, first + REASS_LEN, NULL, 0, len);
	dis_s(d, first + REASS_DATA, NULL, 0, whole, len);
}

static bool finish(struct l4_dissect *d, struct datagram *g, struct l4_view *v, unsigned first)
{
	struct l4_frag_table *t = d->frags;
	uint32_t len = g->end;
	uint8_t *w = malloc(len ? len : 1), *seen = calloc(len / 8 + 1, 1);
	if (!w || !seen) {
		free(w);
		free(seen);
		return false;
	}
	qsort(g->pieces, g->n, sizeof *g->pieces, by_offset);
	for (uint32_t i = 0; i < g->n; i++) {
		struct piece *p = &g->pieces[i];
		if (p->offset + p->len > len)
			p->toolong = true;
		for (uint32_t k = 0; k < p->len && p->offset + k < len; k++) {
			uint32_t at = p->offset + k;
			if (seen[at / 8] >> at % 8 & 1) {
				p->overlap = true;
				p->conflict = p->conflict || w[at] != p->data[k];
				continue;
			}
			seen[at / 8] |= (uint8_t)(1u << at % 8);
			w[at] = p->data[k];
		}
	}
	free(seen);
	free(t->whole[t->next_whole]);
	t->whole[t->next_whole] = w;
	t->next_whole = (uint8_t)((t->next_whole + 1) % 4);
	if (d->w_any)
		put_rows(d, g, w, len, first);
	*v = (struct l4_view){ w, len, len };
	d->source = (uint8_t)(d->source + 1);
	return true;
}

bool l4_frag_usable(struct l4_view v, uint32_t offset)
{
	return v.cap == v.len && offset + v.len <= DATAGRAM_MAX;
}

bool l4_frag_add(struct l4_dissect *d, const struct l4_frag_key *key, uint32_t offset, bool more,
    struct l4_view *v, unsigned first)
{
	if (!l4_frag_usable(*v, offset))
		return false;
	if (!d->frags && !(d->frags = calloc(1, sizeof *d->frags)))
		return false;
	struct l4_frag_table *t = d->frags;
	uint32_t budget = (d->cfg.fragments_kib_max ? d->cfg.fragments_kib_max : 4096) * 1024u;
	struct datagram *g = lookup(t, key);
	while (t->bytes + v->cap > budget) {
		struct datagram *o = oldest(t);
		if (o == g)
			return false;
		drop(t, o);
	}
	struct piece *p = add_piece(t, g, *v);
	if (!p)
		return false;
	p->offset = offset;
	p->frame = (uint32_t)d->out.cap->number;
	if (!more) {
		p->tail = g->have_end && g->end != offset + v->len;
		if (!g->have_end)
			g->end = offset + v->len;
		g->have_end = true;
	}
	if (!g->have_end || covered(g) < g->end)
		return false;
	bool ok = finish(d, g, v, first);
	drop(t, g);
	return ok;
}
