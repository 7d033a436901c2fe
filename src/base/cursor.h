/* Bounded cursors over bytes: reading and writing in network order. Any layer may include this.
 *
 * A cursor never leaves its bytes: a read or write past the end sets `bad`, gives zero (or writes
 * nothing), and the failure sticks, so that a parser reads like a table and checks once at its
 * end with l4_rd_ok(). */
#ifndef L4_BASE_CURSOR_H
#define L4_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct l4_rd {
	const uint8_t *p;   /* next byte */
	const uint8_t *end; /* one past the last */
	bool bad;           /* a read went past the end */
};

static inline struct l4_rd l4_rd_init(const void *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	return (struct l4_rd){ .p = p, .end = p ? p + len : p, .bad = false };
}

static inline size_t l4_rd_left(const struct l4_rd *r)
{
	return (size_t)(r->end - r->p);
}

static inline bool l4_rd_ok(const struct l4_rd *r)
{
	return !r->bad;
}

/* The next n bytes, and steps over them; NULL when fewer are left. */
static inline const uint8_t *l4_rd_take(struct l4_rd *r, size_t n)
{
	if (r->bad || n > l4_rd_left(r)) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->p;
	r->p += n;
	return p;
}

static inline uint8_t l4_rd_u8(struct l4_rd *r)
{
	const uint8_t *p = l4_rd_take(r, 1);
	return p ? p[0] : 0;
}

static inline uint16_t l4_rd_u16(struct l4_rd *r)
{
	const uint8_t *p = l4_rd_take(r, 2);
	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t l4_rd_u24(struct l4_rd *r)
{
	const uint8_t *p = l4_rd_take(r, 3);
	return p ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t l4_rd_u32(struct l4_rd *r)
{
	const uint8_t *p = l4_rd_take(r, 4);
	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t l4_rd_u64(struct l4_rd *r)
{
	uint64_t hi = l4_rd_u32(r);
	return hi << 32 | l4_rd_u32(r);
}

/* Copies n bytes to dst, or zeroes dst when fewer are left. */
static inline void l4_rd_bytes(struct l4_rd *r, void *dst, size_t n)
{
	const uint8_t *p = l4_rd_take(r, n);
	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

static inline void l4_rd_skip(struct l4_rd *r, size_t n)
{
	(void)l4_rd_take(r, n);
}

/* A cursor over the next n bytes, and steps over them; a bad one when fewer are left. */
static inline struct l4_rd l4_rd_sub(struct l4_rd *r, size_t n)
{
	const uint8_t *p = l4_rd_take(r, n);
	struct l4_rd s = l4_rd_init(p, p ? n : 0);
	s.bad = !p;
	return s;
}

struct l4_wr {
	uint8_t *p;
	uint8_t *end;
	uint8_t *start;
	bool bad; /* a write went past the end */
};

static inline struct l4_wr l4_wr_init(void *data, size_t cap)
{
	uint8_t *p = (uint8_t *)data;
	return (struct l4_wr){ .p = p, .end = p ? p + cap : p, .start = p, .bad = false };
}

static inline size_t l4_wr_len(const struct l4_wr *w)
{
	return (size_t)(w->p - w->start);
}

static inline size_t l4_wr_left(const struct l4_wr *w)
{
	return (size_t)(w->end - w->p);
}

static inline bool l4_wr_ok(const struct l4_wr *w)
{
	return !w->bad;
}

/* Room for n bytes, and steps over it; NULL when there is less. */
static inline uint8_t *l4_wr_take(struct l4_wr *w, size_t n)
{
	if (w->bad || n > l4_wr_left(w)) {
		w->bad = true;
		return NULL;
	}
	uint8_t *p = w->p;
	w->p += n;
	return p;
}

static inline void l4_wr_u8(struct l4_wr *w, uint8_t v)
{
	uint8_t *p = l4_wr_take(w, 1);
	if (p)
		p[0] = v;
}

static inline void l4_put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void l4_put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline uint16_t l4_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t l4_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void l4_wr_u16(struct l4_wr *w, uint16_t v)
{
	uint8_t *p = l4_wr_take(w, 2);
	if (p)
		l4_put_u16(p, v);
}

static inline void l4_wr_u24(struct l4_wr *w, uint32_t v)
{
	uint8_t *p = l4_wr_take(w, 3);
	if (p) {
		p[0] = (uint8_t)(v >> 16);
		p[1] = (uint8_t)(v >> 8);
		p[2] = (uint8_t)v;
	}
}

static inline void l4_wr_u32(struct l4_wr *w, uint32_t v)
{
	uint8_t *p = l4_wr_take(w, 4);
	if (p)
		l4_put_u32(p, v);
}

static inline void l4_wr_u64(struct l4_wr *w, uint64_t v)
{
	l4_wr_u32(w, (uint32_t)(v >> 32));
	l4_wr_u32(w, (uint32_t)v);
}

static inline void l4_wr_bytes(struct l4_wr *w, const void *src, size_t n)
{
	uint8_t *p = l4_wr_take(w, n);
	if (p && n)
		memcpy(p, src, n);
}

static inline void l4_wr_zero(struct l4_wr *w, size_t n)
{
	uint8_t *p = l4_wr_take(w, n);
	if (p && n)
		memset(p, 0, n);
}

#endif
