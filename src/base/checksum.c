/* The Internet checksum (RFC 1071), portable form: eight bytes a step into a 64-bit sum.
 *
 * One's complement addition does not care about byte order, so words are added as the machine
 * loads them and only the folded result is stored, with memcpy. */
#include <layer4/checksum.h>

#include <string.h>

static uint32_t reduce(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	return (uint32_t)s;
}

static uint64_t add64(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

uint32_t l4_csum_partial(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;
	uint64_t s = sum;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		s = add64(s, w);
	}
	if (len) {
		uint64_t w = 0;
		memcpy(&w, p, len);
		s = add64(s, w);
	}
	return reduce(s);
}

uint32_t l4_csum_copy(void *dst, const void *src, size_t len, uint32_t sum)
{
	if (len)
		memcpy(dst, src, len);
	return l4_csum_partial(dst, len, sum);
}

uint32_t l4_csum_add(uint32_t a, uint32_t b, size_t offset)
{
	if (offset & 1)
		b = (b & 0x00ff00ff) << 8 | (b & 0xff00ff00) >> 8;
	return reduce((uint64_t)a + b);
}

uint16_t l4_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t l4_csum_pseudo(
    const struct l4_addr *src, const struct l4_addr *dst, uint8_t protocol, uint32_t len)
{
	size_t skip = l4_addr_is_ip4(src) && l4_addr_is_ip4(dst) ? 12 : 0;
	uint32_t sum = l4_csum_partial(src->b + skip, 16 - skip, 0);
	sum = l4_csum_partial(dst->b + skip, 16 - skip, sum);
	uint8_t tail[8] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
		(uint8_t)len, 0, 0, 0, protocol };
	return l4_csum_partial(tail, sizeof tail, sum);
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
