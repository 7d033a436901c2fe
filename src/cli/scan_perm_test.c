/* The order of probes is a permutation, both ways; SipHash is SipHash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/scan.h"

static void test_every_value_once(void **state)
{
	static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 9, 100, 255, 256, 257, 65535, 65536,
		70001 };
	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (uint64_t k = 0; k < 3; k++) {
			struct scan_perm p;
			struct scan_key key = { k * 0x1234567, k };
			uint8_t *seen = calloc(sizes[s], 1);
			assert_non_null(seen);
			scan_perm_init(&p, sizes[s], &key);
			for (uint64_t i = 0; i < sizes[s]; i++) {
				uint64_t v = scan_perm_at(&p, i);
				assert_true(v < sizes[s]);
				assert_int_equal(seen[v], 0);
				seen[v] = 1;
				assert_true(scan_perm_index(&p, v) == i);
			}
			free(seen);
		}
}

static void test_large_and_there_and_back(void **state)
{
	struct scan_perm p;
	struct scan_key key = { 42, 43 };
	(void)state;
	scan_perm_init(&p, ((uint64_t)1 << 47) + 12345, &key);
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t v = scan_perm_at(&p, i * 0x7fffffff);
		assert_true(v < p.n);
		assert_true(scan_perm_index(&p, v) == i * 0x7fffffff);
	}
}

/* Neighbours in the order are no neighbours among the ports: else one host's firewall sees a run.
 */
static void test_it_mixes(void **state)
{
	struct scan_perm p;
	struct scan_key key = { 1, 2 };
	unsigned close_by = 0;
	(void)state;
	scan_perm_init(&p, 65536, &key);
	for (uint64_t i = 0; i + 1 < 65536; i++) {
		int64_t d = (int64_t)scan_perm_at(&p, i + 1) - (int64_t)scan_perm_at(&p, i);
		close_by += d > -64 && d < 64;
	}
	/* By chance 127 in 65536 are as near; three times that would be a pattern. */
	assert_true(close_by < 3 * 127);
}

/* The first vectors of the SipHash paper's appendix and reference: key 00 01 .. 0f. */
static void test_siphash(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} rows[] = { { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu },
		{ 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u } };
	const struct scan_key key = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
	uint8_t data[16];
	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_true(scan_siphash(&key, data, rows[i].len) == rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_value_once),
		cmocka_unit_test(test_large_and_there_and_back),
		cmocka_unit_test(test_it_mixes),
		cmocka_unit_test(test_siphash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
