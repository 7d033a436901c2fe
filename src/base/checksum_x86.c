/* The checksum's inner loops for x86-64: SSE2, which every such processor has, and AVX2.
 *
 * A vector of 64-bit lanes is added twice: its low 32 bits and its high 32 bits, so that no carry
 * is ever lost and no lane fills up within 2^32 steps. */
#include "base/checksum_impl.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define LOAD256(i)  _mm256_loadu_si256((const __m256i *)(const void *)(src + 32 * (i)))
#define STORE256(i) _mm256_storeu_si256((__m256i *)(void *)(dst + 32 * (i)), v##i)
#define ADD256(i)                \
	a##i = _mm256_add_epi64( \
	    a##i, _mm256_add_epi64(_mm256_and_si256(v##i, low), _mm256_srli_epi64(v##i, 32)))

__attribute__((target("avx2"))) uint64_t l4_csum_avx2(uint8_t *dst, const uint8_t *src, size_t len)
{
	__m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
	for (; len >= 128; len -= 128) {
		__m256i v0 = LOAD256(0), v1 = LOAD256(1), v2 = LOAD256(2), v3 = LOAD256(3);
		if (dst) {
			STORE256(0);
			STORE256(1);
			STORE256(2);
			STORE256(3);
			dst += 128;
		}
		ADD256(0);
		ADD256(1);
		ADD256(2);
		ADD256(3);
		src += 128;
	}
	for (; len >= 32; len -= 32) {
		__m256i v0 = LOAD256(0);
		if (dst) {
			STORE256(0);
			dst += 32;
		}
		ADD256(0);
		src += 32;
	}
	a0 = _mm256_add_epi64(_mm256_add_epi64(a0, a1), _mm256_add_epi64(a2, a3));
	__m128i h = _mm_add_epi64(_mm256_castsi256_si128(a0), _mm256_extracti128_si256(a0, 1));
	h = _mm_add_epi64(h, _mm_unpackhi_epi64(h, h));
	return (uint64_t)_mm_cvtsi128_si64(h);
}

#define LOAD128(i)  _mm_loadu_si128((const __m128i *)(const void *)(src + 16 * (i)))
#define STORE128(i) _mm_storeu_si128((__m128i *)(void *)(dst + 16 * (i)), v##i)
#define ADD128(i) \
	a##i =    \
	    _mm_add_epi64(a##i, _mm_add_epi64(_mm_and_si128(v##i, low), _mm_srli_epi64(v##i, 32)))

uint64_t l4_csum_sse2(uint8_t *dst, const uint8_t *src, size_t len)
{
	__m128i low = _mm_set1_epi64x(0xffffffff);
	__m128i a0 = _mm_setzero_si128(), a1 = a0, a2 = a0, a3 = a0;
	for (; len >= 64; len -= 64) {
		__m128i v0 = LOAD128(0), v1 = LOAD128(1), v2 = LOAD128(2), v3 = LOAD128(3);
		if (dst) {
			STORE128(0);
			STORE128(1);
			STORE128(2);
			STORE128(3);
			dst += 64;
		}
		ADD128(0);
		ADD128(1);
		ADD128(2);
		ADD128(3);
		src += 64;
	}
	if (len >= 32) {
		__m128i v0 = LOAD128(0), v1 = LOAD128(1);
		if (dst) {
			STORE128(0);
			STORE128(1);
		}
		ADD128(0);
		ADD128(1);
	}
	a0 = _mm_add_epi64(_mm_add_epi64(a0, a1), _mm_add_epi64(a2, a3));
	a0 = _mm_add_epi64(a0, _mm_unpackhi_epi64(a0, a0));
	return (uint64_t)_mm_cvtsi128_si64(a0);
}

#endif
