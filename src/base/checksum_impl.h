/* The inner loops of the checksum, one per instruction set. Only checksum*.c include this.
 *
 * Each sums (and copies, when dst is not NULL) the first len bytes, len a multiple of
 * L4_CSUM_BLOCK, as 32-bit words in the machine's order, and returns a sum below 2^63. The one for
 * AVX2 takes any even len of a block or more, that for AVX-512 any; parts may then be summed at
 * another offset, which is even, so that what comes of it when folded to 16 bits is the same. */
#ifndef L4_BASE_CHECKSUM_IMPL_H
#define L4_BASE_CHECKSUM_IMPL_H

#include <stddef.h>
#include <stdint.h>

#define L4_CSUM_BLOCK 32

/* At most this many bytes a call, so that no lane overflows. */
#define L4_CSUM_BULK_MAX ((size_t)1 << 30)

#if defined(__x86_64__)
#define L4_CSUM_SIMD 1
uint64_t l4_csum_avx2(uint8_t *dst, const uint8_t *src, size_t len);
uint64_t l4_csum_avx512(const uint8_t *src, size_t len); /* any len; sums only */
uint64_t l4_csum_sse2(uint8_t *dst, const uint8_t *src, size_t len);
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define L4_CSUM_SIMD 1
uint64_t l4_csum_neon(uint8_t *dst, const uint8_t *src, size_t len);
#else
#define L4_CSUM_SIMD 0
#endif

#endif
