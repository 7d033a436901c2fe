/* A deterministic generator of random numbers. Any layer may include this.
 *
 * The numbers are the ChaCha20 key stream under the seed as key: the same seed gives the same
 * numbers on every machine, and whoever sees some of them learns nothing about the rest. A forked
 * generator is independent of its parent, so that adding a consumer does not shift the numbers of
 * the others. */
#ifndef L4_BASE_RNG_H
#define L4_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct l4_rng {
	uint32_t key[8];
	uint64_t counter;  /* of the next block */
	uint8_t block[64]; /* key stream, little-endian words */
	uint8_t used;      /* bytes of block already given out */
};

void l4_rng_init(struct l4_rng *r, const uint8_t seed[32]);
/* A seed from a number, for simulations ("--seed 7"). */
void l4_rng_init_u64(struct l4_rng *r, uint64_t seed);
/* An independent generator, by drawing its seed. */
void l4_rng_fork(struct l4_rng *r, struct l4_rng *out);

uint32_t l4_rng_u32(struct l4_rng *r);
uint64_t l4_rng_u64(struct l4_rng *r);
void l4_rng_bytes(struct l4_rng *r, void *dst, size_t n);
/* Uniform in 0..n-1, without bias; 0 when n is 0. */
uint64_t l4_rng_below(struct l4_rng *r, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double l4_rng_unit(struct l4_rng *r);

#endif
