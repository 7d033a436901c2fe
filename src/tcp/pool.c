/* Records of one size, named by index.
 *
 * A slab holds L4_POOL_SLAB of them; a free one's first word is the index of the next free one. The
 * slabs go when the last record does, if there are more than KEEP: a host that had a million and
 * has none again has its memory back, and one that always has a few does not ask for it each time.
 */
#include "tcp/conn.h"

void l4_pool_init(struct l4_pool *p, uint32_t size, uint32_t keep)
{
	*p = (struct l4_pool){ .free = L4_REF_NONE, .size = size, .keep = keep };
}

static void link_free(struct l4_pool *p, uint32_t i)
{
	memcpy(l4_pool_at(p, i), &p->free, sizeof p->free);
	p->free = i;
}

void l4_pool_fini(struct l4_tcp_stack *ts, struct l4_pool *p)
{
	for (uint32_t k = 0; k < p->n_slabs; k++)
		l4_tcp_free(ts, p->slab[k], (size_t)L4_POOL_SLAB * p->size);
	l4_tcp_free(ts, p->slab, p->cap * sizeof *p->slab);
	l4_pool_init(p, p->size, p->keep);
}

static bool grow(struct l4_tcp_stack *ts, struct l4_pool *p)
{
	if (p->n_slabs == p->cap) {
		uint32_t cap = p->cap ? p->cap * 2 : 8;
		if (cap > L4_INDEX_MAX / L4_POOL_SLAB)
			return false;
		uint8_t **list = l4_tcp_alloc(ts, cap * sizeof *list);
		if (!list)
			return false;
		if (p->n_slabs)
			memcpy(list, p->slab, p->n_slabs * sizeof *list);
		l4_tcp_free(ts, p->slab, p->cap * sizeof *list);
		p->slab = list;
		p->cap = cap;
	}
	uint8_t *s = l4_tcp_alloc(ts, (size_t)L4_POOL_SLAB * p->size);
	if (!s)
		return false;
	uint32_t first = p->n_slabs * L4_POOL_SLAB;
	p->slab[p->n_slabs++] = s;
	for (uint32_t i = L4_POOL_SLAB; i--;) /* the first is to be taken first */
		link_free(p, first + i);
	return true;
}

uint32_t l4_pool_take(struct l4_tcp_stack *ts, struct l4_pool *p)
{
	if (p->free == L4_REF_NONE && !grow(ts, p))
		return L4_REF_NONE;
	uint32_t i = p->free;
	void *r = l4_pool_at(p, i);
	memcpy(&p->free, r, sizeof p->free);
	memset(r, 0, p->size);
	p->used++;
	return i;
}

void l4_pool_give(struct l4_tcp_stack *ts, struct l4_pool *p, uint32_t i)
{
	assert(p->used);
	link_free(p, i);
	if (!--p->used && p->n_slabs > p->keep)
		l4_pool_fini(ts, p);
}
