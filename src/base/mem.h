/* The embedder's memory with an account of what is in use. Any layer may include this.
 *
 * free gets the size that alloc was asked for, as the embedder's interface demands; who holds a
 * block therefore knows its size. */
#ifndef L4_BASE_MEM_H
#define L4_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct l4_mem {
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
	void *ctx;
	uint64_t used; /* bytes now allocated */
};

/* n bytes, not cleared; NULL when there are none. */
static inline void *l4_mem_alloc(struct l4_mem *m, size_t n)
{
	void *p = m->alloc(m->ctx, n);
	if (p)
		m->used += n;
	return p;
}

static inline void *l4_mem_zalloc(struct l4_mem *m, size_t n)
{
	void *p = l4_mem_alloc(m, n);
	if (p)
		memset(p, 0, n);
	return p;
}

/* n is the size that was asked for; p may be NULL. */
static inline void l4_mem_free(struct l4_mem *m, void *p, size_t n)
{
	if (!p)
		return;
	m->used -= n;
	m->free(m->ctx, p, n);
}

/* A larger block with the old content, its new part cleared; NULL leaves the old one as it is. */
static inline void *l4_mem_grow(struct l4_mem *m, void *p, size_t old_size, size_t new_size)
{
	uint8_t *q = l4_mem_alloc(m, new_size);
	if (!q)
		return NULL;
	if (old_size)
		memcpy(q, p, old_size);
	memset(q + old_size, 0, new_size - old_size);
	l4_mem_free(m, p, old_size);
	return q;
}

#endif
