/* The checksum's inner loops for x86-64: SSE2, which every such processor has, and AVX2.
 *
 * A vector of 64-bit lanes is added twice, whole and its high 32 bits alone. The whole sum may
 * overflow, but without the high halves, which are known, it is that of the low halves: less than
 * 2^64 within 2^32 steps, and so right. */
#include "base/checksum_impl.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

#define LOAD256(p)     _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE256(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define ADD256(i, v)                                                     \
	do {                                                             \
		a##i = _mm256_add_epi64(a##i, v);                        \
		h##i = _mm256_add_epi64(h##i, _mm256_srli_epi64(v, 32)); \
	} while (0)

/* copy is a constant where this is inlined: the loops do not ask. */
__attribute__((target("avx2"), always_inline)) static inline uint64_t run(
    uint8_t *dst, const uint8_t *src, size_t len, bool copy)
{
	/* from r on: a mask of the last r bytes */
	static const uint8_t last[64] = { [32] = 0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff };
	__m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
	__m256i h0 = a0, h1 = a0, h2 = a0, h3 = a0;
	for (; len >= 128; len -= 128) {
		__m256i v0 = LOAD256(src), v1 = LOAD256(src + 32), v2 = LOAD256(src + 64),
			v3 = LOAD256(src + 96);
		if (copy) {
			STORE256(dst, v0);
			STORE256(dst + 32, v1);
			STORE256(dst + 64, v2);
			STORE256(dst + 96, v3);
			dst += 128;
		}
		ADD256(0, v0);
		ADD256(1, v1);
		ADD256(2, v2);
		ADD256(3, v3);
		src += 128;
	}
	for (; len >= 32; len -= 32) {
		__m256i v0 = LOAD256(src);
		if (copy) {
			STORE256(dst, v0);
			dst += 32;
		}
		ADD256(0, v0);
		src += 32;
	}
	if (len) { /* the last 32 bytes, of which some were counted */
		__m256i v0 = LOAD256(src + len - 32);
		if (copy)
			STORE256(dst + len - 32, v0);
		v0 = _mm256_and_si256(v0, LOAD256(last + len));
		ADD256(1, v0);
	}
	a0 = _mm256_add_epi64(_mm256_add_epi64(a0, a1), _mm256_add_epi64(a2, a3));
	h0 = _mm256_add_epi64(_mm256_add_epi64(h0, h1), _mm256_add_epi64(h2, h3));
	a0 = _mm256_add_epi64(_mm256_sub_epi64(a0, _mm256_slli_epi64(h0, 32)), h0);
	__m128i h = _mm_add_epi64(_mm256_castsi256_si128(a0), _mm256_extracti128_si256(a0, 1));
	h = _mm_add_epi64(h, _mm_unpackhi_epi64(h, h));
	return (uint64_t)_mm_cvtsi128_si64(h);
}

__attribute__((target("avx2"))) uint64_t l4_csum_avx2(uint8_t *dst, const uint8_t *src, size_t len)
{
	return dst ? run(dst, src, len, true) : run(NULL, src, len, false);
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
