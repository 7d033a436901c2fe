/* The rate rises without loss, falls with it, comes back when the loss is not ours; attempts follow
 * the loss. Time is made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/scan.h"

/* Sends for `ms` milliseconds; `capacity` packets a second pass, and of those `loss` of a thousand
 * are lost and answered on the second attempt instead. Returns the rate at the end. */
static double drive(struct scan_rate *r, l4_time *now, unsigned ms, double capacity, unsigned loss)
{
	static unsigned dice;
	for (unsigned i = 0; i < ms; i++) {
		*now += L4_MSEC;
		unsigned sent = scan_rate_take(r, *now, 1000000),
			 room = (unsigned)(capacity / 1000);
		for (unsigned k = 0; k < sent; k++) {
			bool lost = k >= room;
			dice = dice * 1103515245 + 12345;
			lost |= (dice >> 16) % 1000 < loss;
			scan_rate_on_answer(r, lost ? 2 : 1);
		}
		scan_rate_on_rtt(r, L4_MSEC / 2);
		scan_rate_update(r, *now);
	}
	return r->rate;
}

static void test_rises_to_the_limit(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	(void)state;
	scan_rate_init(&r, 300000, 12, 0, now);
	assert_true(drive(&r, &now, 200, 1e9, 0) > 299999);
}

static void test_never_above_the_limit(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	unsigned sent = 0;
	(void)state;
	scan_rate_init(&r, 1000, 12, 0, now);
	for (int i = 0; i < 2000; i++) {
		now += L4_MSEC;
		sent += scan_rate_take(&r, now, 1000);
		scan_rate_update(&r, now);
	}
	assert_true(sent <= 2010 && sent > 1900);
}

/* A machine that can send 200 in a millisecond: the rate stays near what is really sent, so that a
 * loss that comes later is answered at once and not after ten halvings. */
static void test_not_far_above_what_is_sent(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	(void)state;
	scan_rate_init(&r, 0, 12, 0, now);
	for (int i = 0; i < 1000; i++) {
		now += L4_MSEC;
		unsigned sent = scan_rate_take(&r, now, 200);
		scan_rate_on_answers(&r, sent, 0);
		scan_rate_update(&r, now);
	}
	assert_true(r.rate >= 200000 && r.rate <= 800000);
}

static void test_falls_to_the_bottleneck(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	(void)state;
	scan_rate_init(&r, 0, 12, 0, now);
	double sum = 0;
	drive(&r, &now, 500, 100000, 0);
	for (int i = 0; i < 100; i++)
		sum += drive(&r, &now, 20, 100000, 0) / 100;
	/* Around the 100000 that pass. */
	assert_true(sum > 40000 && sum < 250000);
}

static void test_random_loss_does_not_stop_it(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	(void)state;
	scan_rate_init(&r, 500000, 12, 0, now);
	drive(&r, &now, 1000, 1e9, 80);
	double sum = 0;
	for (int i = 0; i < 50; i++)
		sum += drive(&r, &now, 20, 1e9, 80) / 50;
	assert_true(sum > 250000);
}

static void test_own_drops_cut(void **state)
{
	struct scan_rate r;
	l4_time now = 0;
	(void)state;
	scan_rate_init(&r, 0, 12, 0, now);
	double before = drive(&r, &now, 100, 1e9, 0);
	scan_rate_on_drops(&r, 5);
	now += L4_MSEC;
	scan_rate_update(&r, now);
	assert_true(r.rate <= before / 2);
}

static void test_attempts(void **state)
{
	static const struct {
		uint64_t answered, lost;
		unsigned least, most;
	} rows[] = {
		{ 0, 0, 3, 5 },           /* nothing known: the prior belief of 5 % */
		{ 65535, 0, 2, 2 },       /* a clean path */
		{ 65315, 7060, 7, 8 },    /* 5 % each way */
		{ 65315, 15320, 10, 11 }, /* 10 % each way */
		{ 100, 10000, 12, 12 },   /* hopeless: the most there is */
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct scan_rate r;
		scan_rate_init(&r, 0, SCAN_ATTEMPTS_MAX, 0, 0);
		r.answered = rows[i].answered;
		r.lost = rows[i].lost;
		unsigned k = scan_rate_attempts(&r);
		if (k < rows[i].least || k > rows[i].most)
			fail_msg("row %zu: %u attempts", i, k);
	}
}

static void test_timeout(void **state)
{
	struct scan_rate r;
	(void)state;
	scan_rate_init(&r, 0, 12, 0, 0);
	assert_true(scan_rate_timeout(&r, 1) == L4_SEC);
	scan_rate_on_rtt(&r, 200 * L4_MSEC);
	assert_true(
	    scan_rate_timeout(&r, 1) == 600 * L4_MSEC); /* SRTT + 4 * RTTVAR, RFC 6298 2.2 */
	assert_true(scan_rate_timeout(&r, 3) == 1200 * L4_MSEC);
	for (int i = 0; i < 100; i++)
		scan_rate_on_rtt(&r, L4_USEC);
	assert_true(scan_rate_timeout(&r, 1) == 60 * L4_MSEC);
	scan_rate_init(&r, 0, 12, 5 * L4_MSEC, 0);
	assert_true(scan_rate_timeout(&r, 3) == 5 * L4_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rises_to_the_limit),
		cmocka_unit_test(test_never_above_the_limit),
		cmocka_unit_test(test_not_far_above_what_is_sent),
		cmocka_unit_test(test_falls_to_the_bottleneck),
		cmocka_unit_test(test_random_loss_does_not_stop_it),
		cmocka_unit_test(test_own_drops_cut),
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_timeout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
