/* The Internet checksum (RFC 1071).
 *
 * One's complement addition does not care about byte order, so words are added as the machine
 * loads them and only the folded result is stored, with memcpy. Long runs go through the widest
 * vectors that the processor has (checksum_x86.c, checksum_neon.c), found out by a look at a
 * constant that the C runtime keeps; headers and tails through 64-bit words, whose carries are
 * counted apart so that additions do not wait for each other. */
#include <layer4/checksum.h>

#include <string.h>

#include "base/checksum_impl.h"
#include "base/csum.h"

/* Bytes below which setting up vectors does not pay; measured. A copy gains earlier than a sum. */
#define SUM_LEAST  256
#define COPY_LEAST 128

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t w;
	memcpy(&w, p, 8);
	return w;
}

static inline uint32_t reduce(uint64_t s)
{
	return l4_csum_fold64(s);
}

/* Sums len bytes, and copies them when dst is not NULL. */
static inline uint32_t scalar(uint8_t *dst, const uint8_t *p, size_t len, uint64_t s)
{
	uint64_t a = 0, b = 0; /* s collects the carries too: 2^64 counts as 1 */
	for (; len >= 16; p += 16, len -= 16) {
		uint64_t v = load64(p), w = load64(p + 8);
		if (dst) {
			memcpy(dst, &v, 8);
			memcpy(dst + 8, &w, 8);
			dst += 16;
		}
		a += v;
		s += a < v;
		b += w;
		s += b < w;
	}
	if (len & 8) {
		uint64_t v = load64(p);
		if (dst) {
			memcpy(dst, &v, 8);
			dst += 8;
		}
		a += v;
		s += a < v;
		p += 8;
	}
	if (len & 4) {
		uint32_t v;
		memcpy(&v, p, 4);
		if (dst) {
			memcpy(dst, &v, 4);
			dst += 4;
		}
		s += v;
		p += 4;
	}
	if (len & 2) {
		uint16_t v;
		memcpy(&v, p, 2);
		if (dst) {
			memcpy(dst, &v, 2);
			dst += 2;
		}
		s += v;
		p += 2;
	}
	if (len & 1) {
		uint8_t pad[2] = { *p, 0 };
		uint16_t v;
		memcpy(&v, pad, 2);
		if (dst)
			*dst = *p;
		s += v;
	}
	s += (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32);
	return reduce(s);
}

#if L4_CSUM_SIMD
static uint32_t in_blocks(uint8_t *dst, const uint8_t *src, size_t len, uint64_t s)
{
	while (len >= L4_CSUM_BLOCK) {
		size_t n = len < L4_CSUM_BULK_MAX ? len : L4_CSUM_BULK_MAX;
		n -= n % L4_CSUM_BLOCK;
#if defined(__x86_64__)
		s = reduce(s) + (uint64_t)reduce(l4_csum_sse2(dst, src, n));
#else
		s = reduce(s) + (uint64_t)reduce(l4_csum_neon(dst, src, n));
#endif
		src += n;
		dst = dst ? dst + n : dst;
		len -= n;
	}
	return scalar(dst, src, len, s);
}

/* len: a block or more. */
static uint32_t bulk(uint8_t *dst, const uint8_t *src, size_t len, uint32_t s)
{
#if defined(__x86_64__)
	if (!dst && __builtin_cpu_supports("avx512bw") && len <= L4_CSUM_BULK_MAX)
		return reduce(l4_csum_avx512(src, len) + s); /* below 2^63 + 2^32 */
	if (__builtin_cpu_supports("avx2") && len <= L4_CSUM_BULK_MAX) {
		if (len % 2 == 0)
			return reduce(l4_csum_avx2(dst, src, len) + s);
		uint64_t sum = reduce(l4_csum_avx2(dst, src, len - 1)) + (uint64_t)s;
		return scalar(dst ? dst + len - 1 : dst, src + len - 1, 1, sum);
	}
#endif
	return in_blocks(dst, src, len, s);
}
#else
static uint32_t bulk(uint8_t *dst, const uint8_t *src, size_t len, uint32_t s)
{
	return scalar(dst, src, len, s);
}
#endif

uint32_t l4_csum_partial(const void *data, size_t len, uint32_t sum)
{
	return len < SUM_LEAST ? scalar(NULL, data, len, sum) : bulk(NULL, data, len, sum);
}

uint32_t l4_csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	return len < COPY_LEAST ? scalar(dst, src, len, sum) : bulk(dst, src, len, sum);
}

uint32_t l4_csum_add(uint32_t a, uint32_t b, size_t offset)
{
	if (offset & 1)
		b = (b & 0x00ff00ff) << 8 | (b & 0xff00ff00) >> 8;
	return reduce((uint64_t)a + b);
}

uint16_t l4_csum_fold(uint32_t sum)
{
	return (uint16_t)~l4_csum_fold32(sum);
}

uint32_t l4_csum_pseudo(
    const struct l4_addr *src, const struct l4_addr *dst, uint8_t protocol, uint32_t len)
{
	bool v4 = l4_addr_is_ip4(src) && l4_addr_is_ip4(dst);
	/* The last word of the pseudo-header; for IPv4 its upper 16 bits of length are zero. */
	uint8_t tail[8] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
		(uint8_t)len, 0, 0, 0, protocol };
	uint64_t s;
	memcpy(&s, tail, 8);
	s = (s & 0xffffffff) + (s >> 32);
	for (size_t i = v4 ? 12 : 0; i < 16; i += 4) {
		uint32_t a, b;
		memcpy(&a, src->b + i, 4);
		memcpy(&b, dst->b + i, 4);
		s += (uint64_t)a + b;
	}
	return reduce(s);
}

uint16_t l4_csum_update16(uint16_t csum, uint16_t old_be, uint16_t new_be)
{
	/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m') */
	uint32_t s = (uint32_t)(uint16_t)~csum + (uint16_t)~old_be + new_be;
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

uint16_t l4_csum_update32(uint16_t csum, uint32_t old_be, uint32_t new_be)
{
	csum = l4_csum_update16(csum, (uint16_t)old_be, (uint16_t)new_be);
	return l4_csum_update16(csum, (uint16_t)(old_be >> 16), (uint16_t)(new_be >> 16));
}
