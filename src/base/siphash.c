/* SipHash-2-4 and SipHash-1-3, from the definition in the paper: four 64-bit words of state, c
 * rounds per message word, d rounds at the end. */
#include "base/siphash.h"

#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

/* Little-endian loads. Written with memcpy: compilers do not always see one load in eight. */
static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v;
}

static inline uint64_t rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static inline void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

/* n is 1 to 4 and constant wherever this is inlined; written out so that no loop is left. */
static inline void rounds(struct state *s, int n)
{
	round_once(s);
	if (n > 1)
		round_once(s);
	if (n > 2)
		round_once(s);
	if (n > 3)
		round_once(s);
}

static inline struct state start(const uint8_t key[16])
{
	uint64_t k0 = load64(key), k1 = load64(key + 8);
	return (struct state){ k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573 };
}

static inline void word(struct state *s, uint64_t m, int c)
{
	s->v3 ^= m;
	rounds(s, c);
	s->v0 ^= m;
}

static inline uint64_t finish(struct state *s, int d)
{
	s->v2 ^= 0xff;
	rounds(s, d);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t hash(const uint8_t key[16], const void *data, size_t len, int c, int d)
{
	const uint8_t *p = data;
	struct state s = start(key);
	uint64_t last = (uint64_t)(len & 0xff) << 56;
	for (; len >= 8; p += 8, len -= 8)
		word(&s, load64(p), c);
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)p[i] << 8 * i;
	word(&s, last, c);
	return finish(&s, d);
}

uint64_t l4_siphash24(const uint8_t key[16], const void *data, size_t len)
{
	return hash(key, data, len, 2, 4);
}

uint64_t l4_siphash13(const uint8_t key[16], const void *data, size_t len)
{
	return hash(key, data, len, 1, 3);
}

static inline uint64_t hash_tuple(const uint8_t key[16], const uint8_t *p, int c, int d)
{
	struct state s = start(key);
	word(&s, load64(p), c);
	word(&s, load64(p + 8), c);
	word(&s, load64(p + 16), c);
	word(&s, load64(p + 24), c);
	word(&s, load32(p + 32) | (uint64_t)L4_TUPLE_LEN << 56, c);
	return finish(&s, d);
}

uint64_t l4_siphash24_tuple(const uint8_t key[16], const void *tuple)
{
	return hash_tuple(key, tuple, 2, 4);
}

uint64_t l4_siphash13_tuple(const uint8_t key[16], const void *tuple)
{
	return hash_tuple(key, tuple, 1, 3);
}
