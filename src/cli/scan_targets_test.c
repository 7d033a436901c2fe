/* Targets at their edges (security case TOOL-04): what is refused, counted, left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/scan.h"

static void wrong_targets_are_refused(void **state)
{
	static const char *const rows[] = { "10.0.0.0/33", "10.0.0.9-3", "10.0.0.9-256",
		"10.0.0.1-x", "300.1.1.1", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.1-fd00::1",
		"fd00::/129", "1.2.3", "10.0.0.5-10.0.0.1", "::g/64" };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct scan_targets t = { 0 };
		char error[200] = "";
		if (scan_targets_add(&t, rows[i], error, sizeof error) == 0)
			fail_msg("'%s' is taken", rows[i]);
		if (!strstr(error, rows[i]))
			fail_msg("'%s': the message is '%s'", rows[i], error);
		scan_targets_fini(&t);
	}
}

static void targets_are_counted_once(void **state)
{
	static const struct {
		const char *add[4], *exclude;
		uint64_t hosts, reserved, public;
	} rows[] = {
		{ { "10.0.0.1" }, NULL, 1, 0, 0 },
		{ { "10.0.0.1", "10.0.0.1", "10.0.0.0/30" }, NULL, 4, 0, 0 },
		{ { "10.0.0.0/31", "10.0.0.2-3" }, "10.0.0.1", 3, 0, 0 },
		{ { "10.0.0.0/24" }, "10.0.0.0/24", 0, 0, 0 },
		{ { "10.255.255.255-11.0.0.0" }, NULL, 2, 0, 1 },
		{ { "fd00::/120", "fd00::ff-fd00::100" }, NULL, 257, 0, 0 },
		{ { "224.0.0.0/28" }, NULL, 0, 16, 0 },
		{ { "224.0.0.1" }, NULL, 1, 0, 1 }, /* named: meant */
		{ { "255.255.255.254/31" }, NULL, 0, 2, 0 },
		{ { "0.0.0.0/0" }, NULL, 3741317888u, 553649408u, 3702258432u },
		{ { "8.8.8.0/24", "::ffff:8.8.8.8" }, NULL, 256, 0, 256 },
		{ { "ff02::/127", "fe80::1" }, NULL, 1, 2, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct scan_targets t = { 0 };
		char error[200] = "";
		for (size_t k = 0; k < 4 && rows[i].add[k]; k++)
			assert_int_equal(
			    scan_targets_add(&t, rows[i].add[k], error, sizeof error), 0);
		if (rows[i].exclude)
			assert_int_equal(
			    scan_targets_exclude(&t, rows[i].exclude, error, sizeof error), 0);
		assert_int_equal(scan_targets_finish(&t, error, sizeof error), 0);
		if (t.n_hosts != rows[i].hosts || t.n_reserved != rows[i].reserved ||
		    t.n_public != rows[i].public)
			fail_msg("%s: %llu hosts, %llu reserved, %llu public", rows[i].add[0],
			    (unsigned long long)t.n_hosts, (unsigned long long)t.n_reserved,
			    (unsigned long long)t.n_public);
		scan_targets_fini(&t);
	}
}

static void numbers_and_addresses_agree(void **state)
{
	struct scan_targets t = { 0 };
	char error[200];
	(void)state;
	assert_int_equal(scan_targets_add(&t, "10.0.0.0/25", error, sizeof error), 0);
	assert_int_equal(scan_targets_add(&t, "10.0.1.7", error, sizeof error), 0);
	assert_int_equal(scan_targets_add(&t, "fd00::fff0/124", error, sizeof error), 0);
	assert_int_equal(scan_targets_finish(&t, error, sizeof error), 0);
	assert_int_equal(t.n_hosts, 128 + 1 + 16);
	for (uint64_t i = 0; i < t.n_hosts; i++) {
		struct l4_addr a = scan_targets_host(&t, i);
		assert_true(scan_targets_find(&t, &a) == (int64_t)i);
	}
	struct l4_addr out;
	l4_addr_parse(&out, "10.0.0.128");
	assert_true(scan_targets_find(&t, &out) == -1);
	scan_targets_fini(&t);
}

static void too_many_are_refused(void **state)
{
	struct scan_targets t = { 0 };
	char error[200];
	(void)state;
	assert_int_equal(scan_targets_add(&t, "fd00::/64", error, sizeof error), 0);
	assert_int_equal(scan_targets_finish(&t, error, sizeof error), -1);
	scan_targets_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_targets_are_refused),
		cmocka_unit_test(targets_are_counted_once),
		cmocka_unit_test(numbers_and_addresses_agree),
		cmocka_unit_test(too_many_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
