/* When silence counts, and when the canary is asked: a probe is called silent only once something
 * sent later was answered, or nothing ever was, or the canary stays silent too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/scan.h"

#define MS(n) ((l4_time)(n)*L4_MSEC)

static void test_nothing_answers(void **state)
{
	struct scan_alive a = { 0 };
	uint64_t probe;
	(void)state;
	assert_true(scan_alive_since(&a, MS(10), MS(70), MS(70)));
	assert_false(scan_alive_ask(&a, MS(70), &probe));
}

static void test_answers(void **state)
{
	/* answered: when the latest answered probe was sent, 0: not known. All else in ms. */
	static const struct {
		unsigned answered, sent, due, now;
		bool silent;
	} rows[] = {
		{ 20, 10, 70, 70, true },   /* a later one was answered */
		{ 10, 10, 70, 70, false },  /* of the same time: not later */
		{ 5, 10, 70, 70, false },   /* only an earlier one */
		{ 0, 10, 70, 70, false },   /* some, we do not know when */
		{ 5, 10, 70, 1070, false }, /* still within our patience */
		{ 5, 10, 70, 1071, true },  /* over */
		{ 0, 10, 70, 1071, true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct scan_alive a = { 0 };
		uint64_t probe = 0;
		scan_alive_on_answer(&a, 77, MS(rows[i].answered));
		bool silent =
		    scan_alive_since(&a, MS(rows[i].sent), MS(rows[i].now), MS(rows[i].due));
		assert_int_equal(silent, rows[i].silent);
		/* Where it cannot be told, the one that answered is to be asked. */
		assert_int_equal(scan_alive_ask(&a, MS(rows[i].now), &probe), !silent);
		assert_int_equal(probe, silent ? 0 : 77);
	}
}

static void test_canary(void **state)
{
	struct scan_alive a = { 0 };
	uint64_t probe;
	(void)state;
	scan_alive_on_answer(&a, 5, MS(1));
	assert_false(scan_alive_since(&a, MS(10), MS(70), MS(70)));
	/* Asked at once, and again after ever longer. */
	static const unsigned asked[] = { 70, 80, 100, 140, 220, 380, 540 };
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		if (i)
			assert_false(scan_alive_ask(&a, MS(asked[i]) - 1, &probe));
		assert_true(scan_alive_ask(&a, MS(asked[i]), &probe));
	}
	/* The answer to one sent before the probe in doubt says nothing; a later one does. */
	scan_alive_on_answer(&a, 6, MS(9));
	assert_false(scan_alive_since(&a, MS(10), MS(541), MS(70)));
	scan_alive_on_answer(&a, 5, MS(540));
	assert_true(scan_alive_since(&a, MS(10), MS(541), MS(70)));
	assert_false(scan_alive_ask(&a, MS(800), &probe));
	/* The next doubt begins with short waits again. */
	assert_false(scan_alive_since(&a, MS(600), MS(700), MS(660)));
	assert_true(scan_alive_ask(&a, MS(700), &probe));
	assert_true(scan_alive_ask(&a, MS(710), &probe));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_answers),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_canary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
