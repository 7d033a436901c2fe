/* Random numbers: ChaCha20 (D. J. Bernstein, 2008; block function as RFC 8439 2.3 writes it) in
 * counter mode, with a 64-bit counter and a zero nonce. One block is kept; numbers are taken from
 * it in order, a u32 never straddling two blocks by being drawn from whole words only. */
#include "base/rng.h"

#include <string.h>

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static uint32_t rotl(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

static void refill(struct l4_rng *r)
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32,
		0x6b206574 }; /* "expand 32-byte k" */
	uint32_t x[16];
	memcpy(in + 4, r->key, sizeof r->key);
	in[12] = (uint32_t)r->counter;
	in[13] = (uint32_t)(r->counter >> 32);
	memcpy(x, in, sizeof x);
	for (int i = 0; i < 10; i++) {
		quarter(x, 0, 4, 8, 12);
		quarter(x, 1, 5, 9, 13);
		quarter(x, 2, 6, 10, 14);
		quarter(x, 3, 7, 11, 15);
		quarter(x, 0, 5, 10, 15);
		quarter(x, 1, 6, 11, 12);
		quarter(x, 2, 7, 8, 13);
		quarter(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		store32(r->block + 4 * i, x[i] + in[i]);
	r->counter++;
	r->used = 0;
}

void l4_rng_init(struct l4_rng *r, const uint8_t seed[32])
{
	memset(r, 0, sizeof *r);
	for (int i = 0; i < 8; i++)
		r->key[i] = load32(seed + 4 * i);
	r->used = sizeof r->block;
}

void l4_rng_init_u64(struct l4_rng *r, uint64_t seed)
{
	uint8_t bytes[32] = { 0 };
	store32(bytes, (uint32_t)seed);
	store32(bytes + 4, (uint32_t)(seed >> 32));
	l4_rng_init(r, bytes);
}

void l4_rng_fork(struct l4_rng *r, struct l4_rng *out)
{
	uint8_t seed[32];
	l4_rng_bytes(r, seed, sizeof seed);
	l4_rng_init(out, seed);
}

uint32_t l4_rng_u32(struct l4_rng *r)
{
	r->used = (uint8_t)((r->used + 3) & ~3);
	if (r->used == sizeof r->block)
		refill(r);
	uint32_t v = load32(r->block + r->used);
	r->used = (uint8_t)(r->used + 4);
	return v;
}

uint64_t l4_rng_u64(struct l4_rng *r)
{
	uint64_t low = l4_rng_u32(r);
	return low | (uint64_t)l4_rng_u32(r) << 32;
}

void l4_rng_bytes(struct l4_rng *r, void *dst, size_t n)
{
	uint8_t *d = dst;
	while (n > 0) {
		if (r->used == sizeof r->block)
			refill(r);
		size_t take = sizeof r->block - r->used;
		take = take < n ? take : n;
		memcpy(d, r->block + r->used, take);
		r->used = (uint8_t)(r->used + take);
		d += take;
		n -= take;
	}
}

uint64_t l4_rng_below(struct l4_rng *r, uint64_t n)
{
	if (n <= 1)
		return 0;
	if (n <= UINT32_MAX) {
		/* The high half of a product is uniform once the low halves that occur once too
		 * often are refused (Lemire 2019). */
		uint32_t m = (uint32_t)n;
		uint64_t product = (uint64_t)l4_rng_u32(r) * m;
		if ((uint32_t)product < m) {
			uint32_t least = (uint32_t)-m % m;
			while ((uint32_t)product < least)
				product = (uint64_t)l4_rng_u32(r) * m;
		}
		return product >> 32;
	}
	uint64_t least = (0 - n) % n, v; /* 2^64 mod n values are too many */
	do
		v = l4_rng_u64(r);
	while (v < least);
	return v % n;
}

double l4_rng_unit(struct l4_rng *r)
{
	return (double)(l4_rng_u64(r) >> 11) * 0x1p-53;
}
