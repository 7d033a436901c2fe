/* Tests of the random generator: the key stream against ChaCha20 as OpenSSL computes it, the
 * bounds against counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* openssl enc -chacha20 over 96 zero bytes, zero nonce and counter. */
static const struct {
	const char *name;
	uint8_t step; /* key byte i is i * step */
	uint8_t stream[96];
} streams[] = {
	{ "zero key", 0,
	    { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86,
		0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36, 0xef, 0xcc,
		0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24,
		0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c,
		0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86, 0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51,
		0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d, 0xcb, 0x0f, 0x29, 0xa0,
		0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6, 0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed } },
	{ "counting key", 1,
	    { 0x39, 0xfd, 0x2b, 0x7d, 0xd9, 0xc5, 0x19, 0x6a, 0x8d, 0xbd, 0x03, 0x77, 0xb8, 0xdc,
		0x4a, 0x49, 0x8a, 0x35, 0xd8, 0x6f, 0xbc, 0xde, 0x6a, 0xcc, 0xb2, 0xcc, 0x7d, 0x4c,
		0xd8, 0xea, 0x24, 0x92, 0x2b, 0x23, 0xcc, 0xe7, 0xa2, 0x60, 0x23, 0xab, 0x3f, 0x0e,
		0xef, 0x69, 0x3a, 0xc8, 0x7f, 0x64, 0x25, 0x82, 0x35, 0xea, 0xb1, 0xf7, 0xa3, 0x2d,
		0xc2, 0x27, 0x62, 0xa0, 0x48, 0x5b, 0x41, 0x0c, 0x18, 0xb8, 0x42, 0x31, 0xad, 0xe6,
		0xa6, 0xd1, 0x13, 0x61, 0x5c, 0x61, 0xaf, 0x43, 0x4e, 0x27, 0xf8, 0xb1, 0xf3, 0xf5,
		0xe1, 0xad, 0x5b, 0x5c, 0xec, 0xf8, 0xfc, 0x12, 0x2a, 0x35, 0x75, 0x5c } },
};

static void stream_is_chacha20(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(streams); i++) {
		uint8_t seed[32], got[96];
		for (unsigned b = 0; b < sizeof seed; b++)
			seed[b] = (uint8_t)(b * streams[i].step);
		struct l4_rng r;
		l4_rng_init(&r, seed);
		/* In pieces that straddle the block's end. */
		for (size_t at = 0, n = 1; at < sizeof got; at += n, n = n % 13 + 1) {
			n = n < sizeof got - at ? n : sizeof got - at;
			l4_rng_bytes(&r, got + at, n);
		}
		assert_memory_equal(got, streams[i].stream, sizeof got);
		l4_rng_init(&r, seed);
		const uint8_t *s = streams[i].stream;
		assert_int_equal(
		    l4_rng_u32(&r), s[0] | s[1] << 8 | s[2] << 16 | (uint32_t)s[3] << 24);
	}
}

static void words_never_repeat_across_mixed_draws(void **state)
{
	(void)state;
	struct l4_rng a, b;
	uint8_t byte;
	l4_rng_init_u64(&a, 7);
	l4_rng_init_u64(&b, 7);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(l4_rng_u32(&a), l4_rng_u32(&b));
		l4_rng_bytes(&a, &byte, 1);
		l4_rng_bytes(&b, &byte, 1);
		assert_true(l4_rng_u64(&a) == l4_rng_u64(&b));
	}
	l4_rng_init_u64(&b, 8);
	assert_true(l4_rng_u64(&a) != l4_rng_u64(&b));
}

static void below_is_in_range_and_even(void **state)
{
	(void)state;
	static const uint64_t bounds[] = { 1, 2, 3, 5, 10, 255, 256, 1000, (1u << 31) + 1,
		UINT32_MAX, (uint64_t)UINT32_MAX + 1, (uint64_t)3 << 62, UINT64_MAX };
	struct l4_rng r;
	l4_rng_init_u64(&r, 1);
	assert_true(l4_rng_below(&r, 0) == 0);
	for (size_t i = 0; i < N(bounds); i++) {
		uint64_t half = 0, n = bounds[i];
		for (int k = 0; k < 20000; k++) {
			uint64_t v = l4_rng_below(&r, n);
			assert_true(v < n);
			half += v < n / 2;
		}
		if (n >= 2) { /* within six standard deviations of a fair share */
			double share = (double)(n / 2) / (double)n * 20000;
			assert_true((double)half > share - 425 && (double)half < share + 425);
		}
	}
	unsigned seen[10] = { 0 };
	for (int k = 0; k < 100000; k++)
		seen[l4_rng_below(&r, 10)]++;
	for (int k = 0; k < 10; k++)
		assert_in_range(seen[k], 9400, 10600);
}

static void unit_is_half_open(void **state)
{
	(void)state;
	struct l4_rng r;
	double sum = 0;
	l4_rng_init_u64(&r, 3);
	for (int i = 0; i < 100000; i++) {
		double v = l4_rng_unit(&r);
		assert_true(v >= 0 && v < 1);
		sum += v;
	}
	assert_true(sum > 49000 && sum < 51000);
}

static void fork_is_independent(void **state)
{
	(void)state;
	struct l4_rng a, b, fork;
	l4_rng_init_u64(&a, 7);
	l4_rng_init_u64(&b, 7);
	l4_rng_fork(&a, &fork);
	uint8_t skip[32];
	l4_rng_bytes(&b, skip, sizeof skip);
	for (int i = 0; i < 100; i++)
		(void)l4_rng_u32(&fork);
	assert_true(l4_rng_u64(&a) == l4_rng_u64(&b));
	assert_true(l4_rng_u64(&fork) != l4_rng_u64(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_is_chacha20),
		cmocka_unit_test(words_never_repeat_across_mixed_draws),
		cmocka_unit_test(below_is_in_range_and_even),
		cmocka_unit_test(unit_is_half_open),
		cmocka_unit_test(fork_is_independent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
