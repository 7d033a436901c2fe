/* The checksum's inner loops for x86-64: SSE2, which every such processor has, AVX2, and
 * AVX-512 for sums without a copy.
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

/* 32 bytes from n on are a mask of the last n of them; from 32 - n on, of the first n. */
#define EIGHT 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define NONE8 0, 0, 0, 0, 0, 0, 0, 0
static const uint8_t last_mask[64] = { NONE8, NONE8, NONE8, NONE8, EIGHT, EIGHT, EIGHT, EIGHT };
static const uint8_t first_mask[64] = { EIGHT, EIGHT, EIGHT, EIGHT, NONE8, NONE8, NONE8, NONE8 };

/* Bytes that a copy asks for ahead of time: where they lie in a farther cache it gains a twentieth,
 * also over the gap between one segment and the next. What does not exist is asked for in vain. */
#define AHEAD 768

/* copy is a constant where this is inlined: the loops do not ask. A copy first gets to where its
 * stores do not cross cache lines, by a vector of which only the first bytes are counted. */
__attribute__((target("avx2"), always_inline)) static inline uint64_t run(
    uint8_t *dst, const uint8_t *src, size_t len, bool copy)
{
	__m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
	__m256i h0 = a0, h1 = a0, h2 = a0, h3 = a0;
	size_t skew = copy ? (0 - (uintptr_t)dst) % 32 : 0;
	if (skew && skew % 2 == 0 && len >= 64) {
		__m256i v0 = LOAD256(src);
		STORE256(dst, v0);
		v0 = _mm256_and_si256(v0, LOAD256(first_mask + 32 - skew));
		ADD256(0, v0);
		src += skew;
		dst += skew;
		len -= skew;
	}
	for (; len >= 128; len -= 128) {
		__m256i v0 = LOAD256(src), v1 = LOAD256(src + 32), v2 = LOAD256(src + 64),
			v3 = LOAD256(src + 96);
		if (copy) {
			_mm_prefetch((const char *)src + AHEAD, _MM_HINT_T0);
			_mm_prefetch((const char *)src + AHEAD + 64, _MM_HINT_T0);
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
		v0 = _mm256_and_si256(v0, LOAD256(last_mask + len));
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

/* A sum alone is bound by how many vectors are added: wider ones gain a third. A copy is bound by
 * its stores, for which they gain nothing. Loads are brought to where they do not cross lines. */
#define ADD512(i, v)                                                     \
	do {                                                             \
		a##i = _mm512_add_epi64(a##i, v);                        \
		h##i = _mm512_add_epi64(h##i, _mm512_srli_epi64(v, 32)); \
	} while (0)
#define FIRST512(p, n) _mm512_maskz_loadu_epi8(((__mmask64)1 << (n)) - 1, p)

__attribute__((target("avx512f,avx512bw"))) uint64_t l4_csum_avx512(const uint8_t *src, size_t len)
{
	__m512i a0 = _mm512_setzero_si512(), a1 = a0, h0 = a0, h1 = a0;
	size_t skew = (0 - (uintptr_t)src) % 64;
	if (skew % 2 == 0 && skew && skew <= len) {
		__m512i v0 = FIRST512(src, skew);
		ADD512(1, v0);
		src += skew;
		len -= skew;
	}
	for (; len >= 128; len -= 128, src += 128) {
		__m512i v0 = _mm512_loadu_si512(src), v1 = _mm512_loadu_si512(src + 64);
		ADD512(0, v0);
		ADD512(1, v1);
	}
	if (len >= 64) {
		__m512i v0 = _mm512_loadu_si512(src);
		ADD512(0, v0);
		src += 64;
		len -= 64;
	}
	if (len) {
		__m512i v0 = FIRST512(src, len);
		ADD512(1, v0);
	}
	a0 = _mm512_add_epi64(a0, a1);
	h0 = _mm512_add_epi64(h0, h1);
	a0 = _mm512_add_epi64(_mm512_sub_epi64(a0, _mm512_slli_epi64(h0, 32)), h0);
	__m256i s = _mm256_add_epi64(_mm512_castsi512_si256(a0), _mm512_extracti64x4_epi64(a0, 1));
	__m128i h = _mm_add_epi64(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
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
