/* The order of probes and the secrets of a scan: SipHash and a permutation without memory.
 *
 * The permutation is a Feistel network over the least number of bits that holds n, its halves as
 * equal as the bits allow, with cycle walking: a value outside 0..n-1 is put in again until it
 * falls inside, which takes fewer than two steps on average since the network's domain is less
 * than twice n. (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002.) It runs both
 * ways, so that an answer leads back to its place in the order.
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012) keys the cookies that an answer must carry. */
#include "cli/scan.h"

#define ROUNDS 6

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

#define SIP_ROUND(a, b, c, d)        \
	do {                         \
		a += b;              \
		c += d;              \
		b = rotl(b, 13) ^ a; \
		d = rotl(d, 16) ^ c; \
		a = rotl(a, 32);     \
		c += b;              \
		a += d;              \
		b = rotl(b, 17) ^ c; \
		d = rotl(d, 21) ^ a; \
		c = rotl(c, 32);     \
	} while (0)

uint64_t scan_siphash(const struct scan_key *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = key->k0 ^ 0x736f6d6570736575u, b = key->k1 ^ 0x646f72616e646f6du;
	uint64_t c = key->k0 ^ 0x6c7967656e657261u, d = key->k1 ^ 0x7465646279746573u;
	for (size_t left = len;; left -= 8, p += 8) {
		uint64_t m = 0;
		size_t n = left < 8 ? left : 8;
		for (size_t i = 0; i < n; i++)
			m |= (uint64_t)p[i] << (8 * i);
		if (left < 8)
			m |= (uint64_t)len << 56;
		d ^= m;
		SIP_ROUND(a, b, c, d);
		SIP_ROUND(a, b, c, d);
		a ^= m;
		if (left < 8)
			break;
	}
	c ^= 0xff;
	for (int i = 0; i < 4; i++)
		SIP_ROUND(a, b, c, d);
	return a ^ b ^ c ^ d;
}

/* A keyed mix of one half; it need not be a one-way function, only to look like no order. */
static uint64_t mix(const struct scan_perm *p, unsigned round, uint64_t half)
{
	uint64_t x = half + (round & 1 ? p->key.k0 : p->key.k1) + round * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t mask(unsigned bits)
{
	return ((uint64_t)1 << bits) - 1;
}

void scan_perm_init(struct scan_perm *p, uint64_t n, const struct scan_key *key)
{
	unsigned bits = 2;
	while (bits < 62 && n > (uint64_t)1 << bits)
		bits++;
	p->n = n;
	p->lo_bits = bits / 2;
	p->hi_bits = bits - p->lo_bits;
	p->key = *key;
}

uint64_t scan_perm_at(const struct scan_perm *p, uint64_t i)
{
	do {
		uint64_t lo = i & mask(p->lo_bits), hi = i >> p->lo_bits;
		for (unsigned r = 0; r < ROUNDS; r += 2) {
			hi ^= mix(p, r, lo) & mask(p->hi_bits);
			lo ^= mix(p, r + 1, hi) & mask(p->lo_bits);
		}
		i = hi << p->lo_bits | lo;
	} while (i >= p->n);
	return i;
}

uint64_t scan_perm_index(const struct scan_perm *p, uint64_t v)
{
	do {
		uint64_t lo = v & mask(p->lo_bits), hi = v >> p->lo_bits;
		for (unsigned r = ROUNDS; r > 0; r -= 2) {
			lo ^= mix(p, r - 1, hi) & mask(p->lo_bits);
			hi ^= mix(p, r - 2, lo) & mask(p->hi_bits);
		}
		v = hi << p->lo_bits | lo;
	} while (v >= p->n);
	return v;
}
