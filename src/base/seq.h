/* Sequence numbers: 32 bits that wrap (RFC 9293 3.4). Any layer may include this.
 *
 * They are compared only here: a is before b when the way from a to b is shorter forwards than
 * backwards. Two numbers exactly 2^31 apart have no order; each then counts as before the other. */
#ifndef L4_BASE_SEQ_H
#define L4_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool l4_seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool l4_seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool l4_seq_gt(uint32_t a, uint32_t b)
{
	return l4_seq_lt(b, a);
}

static inline bool l4_seq_geq(uint32_t a, uint32_t b)
{
	return l4_seq_leq(b, a);
}

/* low <= x < high on the circle. */
static inline bool l4_seq_between(uint32_t x, uint32_t low, uint32_t high)
{
	return x - low < high - low;
}

static inline uint32_t l4_seq_max(uint32_t a, uint32_t b)
{
	return l4_seq_lt(a, b) ? b : a;
}

static inline uint32_t l4_seq_min(uint32_t a, uint32_t b)
{
	return l4_seq_lt(a, b) ? a : b;
}

#endif
