/* Tests of sequence number arithmetic: rows of (a, b, expected order). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/seq.h"

static void order_holds_at_every_wrap(void **state)
{
	(void)state;
	static const struct {
		uint32_t a, b;
		int lt, leq;
	} rows[] = {
		{ 0, 0, 0, 1 },
		{ 0, 1, 1, 1 },
		{ 1, 0, 0, 0 },
		{ 0xffffffff, 0, 1, 1 },
		{ 0, 0xffffffff, 0, 0 },
		{ 0x7fffffff, 0x80000000, 1, 1 },
		{ 0x80000000, 0x7fffffff, 0, 0 },
		{ 0, 0x7fffffff, 1, 1 },
		{ 0xfffffff0, 0x10, 1, 1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(l4_seq_lt(rows[i].a, rows[i].b), rows[i].lt);
		assert_int_equal(l4_seq_leq(rows[i].a, rows[i].b), rows[i].leq);
		assert_int_equal(l4_seq_gt(rows[i].b, rows[i].a), rows[i].lt);
		assert_int_equal(l4_seq_geq(rows[i].b, rows[i].a), rows[i].leq);
	}
	assert_int_equal(l4_seq_max(0xffffffff, 5), 5);
	assert_int_equal(l4_seq_min(0xffffffff, 5), 0xffffffff);
}

static void between_is_half_open(void **state)
{
	(void)state;
	assert_true(l4_seq_between(5, 5, 10));
	assert_true(l4_seq_between(9, 5, 10));
	assert_false(l4_seq_between(10, 5, 10));
	assert_false(l4_seq_between(4, 5, 10));
	assert_false(l4_seq_between(5, 5, 5));
	assert_true(l4_seq_between(1, 0xfffffff0, 2));
	assert_false(l4_seq_between(2, 0xfffffff0, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_holds_at_every_wrap),
		cmocka_unit_test(between_is_half_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
