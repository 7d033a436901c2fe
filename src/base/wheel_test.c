/* Tests of the timing wheel against a plain array searched in full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/wheel.h"

#define NODES 200

struct fix {
	struct l4_wheel w;
	struct l4_wheel_node n[NODES];
	l4_time due[NODES]; /* L4_TIME_NEVER: not armed */
};

static l4_time earliest(const struct fix *f)
{
	l4_time t = L4_TIME_NEVER;
	for (int i = 0; i < NODES; i++)
		t = f->due[i] < t ? f->due[i] : t;
	return t;
}

/* Distances of every size, to touch every level. */
static l4_time distance(struct l4_rng *r)
{
	return l4_rng_u64(r) >> l4_rng_below(r, 64);
}

static void pop_all(struct fix *f, l4_time now)
{
	l4_time last = 0;
	struct l4_wheel_node *n;
	while ((n = l4_wheel_pop(&f->w, now)) != NULL) {
		ptrdiff_t i = n - f->n;
		assert_true(f->due[i] <= now && n->deadline == f->due[i]);
		assert_true(f->due[i] >= last); /* in order */
		assert_true(f->due[i] == earliest(f));
		assert_false(l4_wheel_is_armed(n));
		last = f->due[i];
		f->due[i] = L4_TIME_NEVER;
	}
	assert_true(earliest(f) > now); /* nothing forgotten */
}

static void random_walk(l4_time start, uint64_t seed, bool removing)
{
	static struct fix f;
	struct l4_rng r;
	l4_time now = start;
	memset(&f, 0, sizeof f);
	l4_rng_init_u64(&r, seed);
	l4_wheel_init(&f.w, now);
	for (int i = 0; i < NODES; i++)
		f.due[i] = L4_TIME_NEVER;
	for (int step = 0; step < 4000; step++) {
		for (uint64_t k = l4_rng_below(&r, 4); k > 0; k--) {
			uint64_t i = l4_rng_below(&r, NODES);
			if (removing && l4_rng_below(&r, 3) == 0) {
				l4_wheel_del(&f.w, &f.n[i]);
				f.due[i] = L4_TIME_NEVER;
				continue;
			}
			if (!removing && f.due[i] != L4_TIME_NEVER)
				continue;
			l4_time d = distance(&r);
			f.due[i] = d > L4_TIME_NEVER - 1 - now ? L4_TIME_NEVER - 1 : now + d;
			l4_wheel_add(&f.w, &f.n[i], f.due[i]);
		}
		assert_true(l4_wheel_check(&f.w));
		l4_time next = l4_wheel_next(&f.w), true_next = earliest(&f);
		assert_true(removing ? next <= true_next : next == true_next);
		l4_time d = distance(&r) >> 20;
		if (l4_rng_below(&r, 2) && next != L4_TIME_NEVER && next > now)
			now = next; /* exactly */
		else
			now = now + d < now || now + d == L4_TIME_NEVER ? now : now + d;
		pop_all(&f, now);
		assert_true(l4_wheel_check(&f.w));
	}
}

static void order_is_exact_from_any_start(void **state)
{
	(void)state;
	static const l4_time starts[] = { 0, 1, 63, 64, 4095, 1000000007, (l4_time)1 << 32,
		((l4_time)1 << 63) - 5, UINT64_MAX - 100, UINT64_MAX / 3 };
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		random_walk(starts[i], i, false);
		random_walk(starts[i], i, true);
	}
}

static void late_and_equal_deadlines_fire(void **state)
{
	(void)state;
	static struct l4_wheel w;
	struct l4_wheel_node n[4];
	memset(n, 0, sizeof n);
	l4_wheel_init(&w, 1000);
	assert_true(l4_wheel_next(&w) == L4_TIME_NEVER);
	assert_null(l4_wheel_pop(&w, 5000));
	l4_wheel_add(&w, &n[0], 10); /* long past */
	l4_wheel_add(&w, &n[1], 6000);
	l4_wheel_add(&w, &n[2], 6000);
	l4_wheel_add(&w, &n[3], L4_TIME_NEVER);
	assert_false(l4_wheel_is_armed(&n[3]));
	assert_true(l4_wheel_next(&w) <= 5000);
	assert_ptr_equal(l4_wheel_pop(&w, 5000), &n[0]);
	assert_null(l4_wheel_pop(&w, 5999));
	assert_true(l4_wheel_next(&w) == 6000);
	assert_ptr_equal(l4_wheel_pop(&w, 6000), &n[1]);
	assert_ptr_equal(l4_wheel_pop(&w, 6000), &n[2]);
	assert_null(l4_wheel_pop(&w, L4_TIME_NEVER));
	l4_wheel_add(&w, &n[0], 7000);
	l4_wheel_add(&w, &n[0], 6500); /* moves */
	assert_int_equal(w.count, 1);
	l4_wheel_add(&w, &n[0], L4_TIME_NEVER); /* disarms */
	assert_int_equal(w.count, 0);
	l4_wheel_del(&w, &n[0]); /* twice is once */
	assert_true(l4_wheel_check(&w));
}

/* The steps that a run takes are counted through how often a node is placed: bounded by the
 * levels, however many nodes there are. Here only that a million nodes work and come in order. */
static void million_nodes_come_in_order(void **state)
{
	(void)state;
	enum { MANY = 1000000 };
	static struct l4_wheel w;
	struct l4_wheel_node *n = calloc(MANY, sizeof *n);
	struct l4_rng r;
	assert_non_null(n);
	l4_rng_init_u64(&r, 5);
	l4_wheel_init(&w, 77);
	for (int i = 0; i < MANY; i++)
		l4_wheel_add(&w, &n[i], 77 + l4_rng_below(&r, 300 * L4_SEC));
	for (int i = 0; i < MANY; i += 2)
		l4_wheel_del(&w, &n[i]);
	l4_time last = 0;
	size_t count = 0;
	while (w.count) {
		struct l4_wheel_node *p = l4_wheel_pop(&w, l4_wheel_next(&w));
		if (!p)
			continue; /* next was early because of a removed node */
		assert_true(p->deadline >= last);
		last = p->deadline;
		count++;
	}
	assert_int_equal(count, MANY / 2);
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_exact_from_any_start),
		cmocka_unit_test(late_and_equal_deadlines_fire),
		cmocka_unit_test(million_nodes_come_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
