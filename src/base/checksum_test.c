/* Tests of the checksum against the definition: 16-bit words in network order, one at a time
 * (RFC 1071 1). Security cases UDP-07 (odd lengths), IP4-19 (values at the corners). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/checksum.h>

#include "base/checksum_impl.h"
#include "base/rng.h"

#define LEN_MAX 2200

static uint16_t naive(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t sum = start;
	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)(p[i] << 8 | (i + 1 < len ? p[i + 1] : 0));
		sum = (sum & 0xffff) + (sum >> 16);
	}
	uint16_t v = (uint16_t)~sum;
	uint8_t be[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	memcpy(&v, be, 2);
	return v;
}

enum fill { RANDOM, ONES, ZEROS, CARRIES, FILLS };

static void fill(uint8_t *p, size_t n, enum fill how)
{
	struct l4_rng r;
	l4_rng_init_u64(&r, 11);
	if (how == RANDOM)
		l4_rng_bytes(&r, p, n);
	else if (how == CARRIES) /* sums that wrap at every width */
		for (size_t i = 0; i < n; i++)
			p[i] = i % 8 == 0 ? 1 : 0xff;
	else
		memset(p, how == ONES ? 0xff : 0, n);
}

static void every_length_and_alignment(void **state)
{
	(void)state;
	static uint8_t src[LEN_MAX + 80], dst[LEN_MAX + 96];
	for (enum fill how = RANDOM; how < FILLS; how++) {
		fill(src, sizeof src, how);
		for (size_t align = 0; align < 16; align++) {
			for (size_t len = 0; len <= LEN_MAX; len++) {
				const uint8_t *p = src + align * 5;
				uint16_t want = naive(p, len, 0);
				if (l4_csum_fold(l4_csum_partial(p, len, 0)) != want)
					fail_msg("fill %d align %zu length %zu", how, align, len);
				uint8_t *d = dst + 16 + (len * 7 + align) % 64;
				d[-1] = d[len] = 0xa5;
				if (l4_csum_fold(l4_csum_copy(d, p, len, 0)) != want)
					fail_msg(
					    "copy: fill %d align %zu length %zu", how, align, len);
				if (memcmp(d, p, len) != 0 || d[-1] != 0xa5 || d[len] != 0xa5)
					fail_msg("copied bytes: align %zu length %zu", align, len);
			}
		}
	}
}

/* Nothing is read past the end: exact heap blocks under AddressSanitizer. */
static void exact_blocks(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 600; len++) {
		uint8_t *a = malloc(len), *b = malloc(len);
		fill(a, len, RANDOM);
		uint16_t want = naive(a, len, 0);
		assert_int_equal(l4_csum_fold(l4_csum_partial(a, len, 0)), want);
		assert_int_equal(l4_csum_fold(l4_csum_copy(b, a, len, 0)), want);
		free(a);
		free(b);
	}
}

static void sums_join_at_any_cut(void **state)
{
	(void)state;
	uint8_t p[300];
	fill(p, sizeof p, RANDOM);
	uint16_t want = naive(p, sizeof p, 0);
	for (size_t cut = 0; cut <= sizeof p; cut++) {
		uint32_t a = l4_csum_partial(p, cut, 0);
		uint32_t b = l4_csum_partial(p + cut, sizeof p - cut, 0);
		assert_int_equal(l4_csum_fold(l4_csum_add(a, b, cut)), want);
		if (cut % 2 == 0) /* an even cut may be chained as well */
			assert_int_equal(
			    l4_csum_fold(l4_csum_partial(p + cut, sizeof p - cut, a)), want);
	}
	/* Accumulators at their edge. */
	static const uint32_t sums[] = { 0, 1, 0xffff, 0x10000, 0xfffffffe, 0xffffffff };
	for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
		uint32_t with = l4_csum_partial(p, sizeof p, sums[i]);
		uint32_t apart = l4_csum_add(l4_csum_partial(p, sizeof p, 0), sums[i], 0);
		assert_int_equal(l4_csum_fold(with), l4_csum_fold(apart));
	}
}

#if defined(__x86_64__)
static void every_instruction_set_agrees(void **state)
{
	(void)state;
	static uint8_t src[4096 + 1], dst[4096 + 1];
	for (enum fill how = RANDOM; how < FILLS; how++) {
		fill(src, sizeof src, how);
		for (size_t len = 0; len <= 4096; len += L4_CSUM_BLOCK) {
			uint64_t want = 0;
			for (size_t i = 0; i < len; i += 4) {
				uint32_t w;
				memcpy(&w, src + 1 + i, 4);
				want += w;
			}
			assert_true(l4_csum_sse2(NULL, src + 1, len) == want);
			memset(dst, 0, sizeof dst);
			assert_true(l4_csum_sse2(dst + 1, src + 1, len) == want);
			assert_memory_equal(dst + 1, src + 1, len);
			if (__builtin_cpu_supports("avx512bw"))
				assert_true(l4_csum_avx512(src + 1, len) == want);
			if (!__builtin_cpu_supports("avx2"))
				continue;
			assert_true(l4_csum_avx2(NULL, src + 1, len) == want);
			memset(dst, 0, sizeof dst);
			assert_true(l4_csum_avx2(dst + 1, src + 1, len) == want);
			assert_memory_equal(dst + 1, src + 1, len);
		}
	}
}
#endif

static void incremental_update_equals_recomputing(void **state)
{
	(void)state;
	/* RFC 1624 4: the case that RFC 1141 gets wrong, then every value of one field. */
	uint16_t old_be, new_be, csum;
	memcpy(&csum, (const uint8_t[]){ 0xdd, 0x2f }, 2);
	memcpy(&old_be, (const uint8_t[]){ 0x55, 0x55 }, 2);
	memcpy(&new_be, (const uint8_t[]){ 0x32, 0x85 }, 2);
	uint16_t got = l4_csum_update16(csum, old_be, new_be);
	assert_memory_equal(&got, ((const uint8_t[]){ 0x00, 0x00 }), 2);
	uint8_t h[20];
	fill(h, sizeof h, RANDOM);
	uint16_t before = l4_csum_fold(l4_csum_partial(h, sizeof h, 0));
	memcpy(&old_be, h + 4, 2);
	for (uint32_t v = 0; v <= 0xffff; v++) { /* IP4-19 */
		new_be = (uint16_t)v;
		memcpy(h + 4, &new_be, 2);
		uint16_t want = l4_csum_fold(l4_csum_partial(h, sizeof h, 0));
		got = l4_csum_update16(before, old_be, new_be);
		/* 0 and 0xffff are the same number; the data here is not all zero, so the sum is
		 * never +0 and the two agree bit for bit. */
		if (got != want)
			fail_msg("new value %#x", v);
	}
	uint32_t old32, new32 = 0x01020304;
	fill(h, sizeof h, RANDOM);
	memcpy(&old32, h + 12, 4);
	memcpy(h + 12, &new32, 4);
	assert_int_equal(
	    l4_csum_update32(before, old32, new32), l4_csum_fold(l4_csum_partial(h, sizeof h, 0)));
}

static void pseudo_headers_as_the_standards_draw_them(void **state)
{
	(void)state;
	struct l4_addr s, d;
	l4_addr_parse(&s, "192.0.2.1");
	l4_addr_parse(&d, "198.51.100.200");
	uint8_t v4[12] = { 192, 0, 2, 1, 198, 51, 100, 200, 0, 6, 0x12, 0x34 };
	assert_int_equal(l4_csum_fold(l4_csum_pseudo(&s, &d, 6, 0x1234)), naive(v4, 12, 0));
	uint8_t v6[40];
	fill(v6, 32, RANDOM);
	memcpy(s.b, v6, 16);
	memcpy(d.b, v6 + 16, 16);
	/* RFC 8200 8.1: a 32-bit length, for super-segments and jumbograms */
	memcpy(v6 + 32, (const uint8_t[]){ 0x00, 0x01, 0x86, 0xa0, 0, 0, 0, 17 }, 8);
	assert_int_equal(l4_csum_fold(l4_csum_pseudo(&s, &d, 17, 100000)), naive(v6, 40, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_and_alignment),
		cmocka_unit_test(exact_blocks),
		cmocka_unit_test(sums_join_at_any_cut),
#if defined(__x86_64__)
		cmocka_unit_test(every_instruction_set_agrees),
#endif
		cmocka_unit_test(incremental_update_equals_recomputing),
		cmocka_unit_test(pseudo_headers_as_the_standards_draw_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
