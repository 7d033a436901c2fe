/* Tests of the range set against a bitmap: every operation on a small circle of numbers around
 * the wrap, compared number by number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/err.h>

#include "base/ranges.h"
#include "base/rng.h"

#define SPAN 96 /* numbers in the model */

struct model {
	uint32_t base;
	uint8_t has[SPAN];
};

static void agree(const struct l4_ranges *s, const struct model *m)
{
	uint32_t total = 0;
	assert_true(l4_ranges_check(s));
	for (uint32_t i = 0; i < SPAN; i++) {
		uint32_t q = m->base + i;
		assert_int_equal(l4_ranges_contains(s, q, q + 1), m->has[i]);
		assert_int_equal(l4_ranges_touches(s, q, q + 1), m->has[i]);
		total += m->has[i];
	}
	assert_int_equal(l4_ranges_total(s), total);
	const struct l4_range *first = l4_ranges_first(s);
	assert_true((first != NULL) == (total > 0));
	if (first)
		assert_true(
		    m->has[first->start - m->base] &&
		    (first->start == m->base || !memchr(m->has, 1, first->start - m->base)));
}

/* Ranges that the model consists of. */
static uint32_t runs(const struct model *m)
{
	uint32_t n = 0;
	for (int i = 0; i < SPAN; i++)
		n += m->has[i] && (i == 0 || !m->has[i - 1]);
	return n;
}

static void one_step(struct l4_ranges *s, struct model *m, struct l4_rng *r)
{
	uint32_t a = (uint32_t)l4_rng_below(r, SPAN), b = a + (uint32_t)l4_rng_below(r, 12);
	b = b > SPAN ? SPAN : b;
	struct model after = *m;
	int64_t changed = 0, rc;
	switch (l4_rng_below(r, 4)) {
	case 0:
	case 1:
		for (uint32_t i = a; i < b; i++) {
			changed += !after.has[i];
			after.has[i] = 1;
		}
		rc = l4_ranges_add(s, m->base + a, m->base + b);
		break;
	case 2:
		for (uint32_t i = a; i < b; i++) {
			changed += after.has[i];
			after.has[i] = 0;
		}
		rc = l4_ranges_remove(s, m->base + a, m->base + b);
		break;
	default:
		a = (uint32_t)l4_rng_below(r, 8) ? 0 : a; /* seldom, or the set is always empty */
		for (uint32_t i = 0; i < a; i++) {
			changed += after.has[i];
			after.has[i] = 0;
		}
		rc = l4_ranges_remove_below(s, m->base + a);
		break;
	}
	if (rc == L4_ELIMIT) {
		assert_true(runs(&after) > s->cap); /* refused only when it cannot fit */
	} else {
		assert_true(rc == changed);
		*m = after;
	}
	agree(s, m);
}

static void set_behaves_as_a_bitmap(void **state)
{
	(void)state;
	static const uint32_t bases[] = { 0, 1000, 0x7fffffe0, 0xffffffc0, 0xfffffff0 };
	for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++) {
		for (uint32_t cap = 1; cap <= 16; cap += 5) {
			struct l4_rng r;
			struct l4_range array[16];
			struct l4_ranges s;
			struct model m = { .base = bases[b] };
			l4_rng_init_u64(&r, cap);
			l4_ranges_init(&s, array, cap);
			for (int i = 0; i < 3000; i++)
				one_step(&s, &m, &r);
		}
	}
}

static void full_set_still_joins_and_then_moves(void **state)
{
	(void)state;
	struct l4_range two[2], four[4];
	struct l4_ranges s;
	l4_ranges_init(&s, two, 2);
	assert_int_equal(l4_ranges_add(&s, 10, 20), 10);
	assert_int_equal(l4_ranges_add(&s, 30, 40), 10);
	assert_int_equal(l4_ranges_add(&s, 50, 60), L4_ELIMIT);
	assert_int_equal(l4_ranges_total(&s), 20);
	assert_int_equal(l4_ranges_remove(&s, 12, 13), L4_ELIMIT);
	l4_ranges_move(&s, four, 4);
	assert_int_equal(l4_ranges_add(&s, 50, 60), 10);
	assert_int_equal(l4_ranges_add(&s, 15, 55), 20); /* joins all three */
	assert_int_equal(s.n, 1);
	assert_int_equal(s.r[0].start, 10);
	assert_int_equal(s.r[0].end, 60);
	assert_int_equal(l4_ranges_add(&s, 5, 5), 0);
	assert_int_equal(l4_ranges_add(&s, 9, 8), 0); /* backwards is empty */
	assert_int_equal(l4_ranges_find(&s, 59), 0);
	assert_int_equal(l4_ranges_find(&s, 60), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_behaves_as_a_bitmap),
		cmocka_unit_test(full_set_still_joins_and_then_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
