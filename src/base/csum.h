/* Folding sums of the Internet checksum. Any layer may include this. */
#ifndef L4_BASE_CSUM_H
#define L4_BASE_CSUM_H

#include <stdint.h>

/* The halves of v added with the carry brought around: v plus itself with its halves exchanged has
 * it in its upper half. */
static inline uint32_t l4_csum_fold64(uint64_t v)
{
	return (uint32_t)((v + (v >> 32 | v << 32)) >> 32);
}
static inline uint16_t l4_csum_fold32(uint32_t v)
{
	return (uint16_t)((v + (v >> 16 | v << 16)) >> 16);
}

#endif
