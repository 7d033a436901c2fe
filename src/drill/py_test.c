/* Tests of the small Python: every row is a block and what has to come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drill/py.h"

static char printed[256];

static void on_print(void *ctx, const char *text)
{
	(void)ctx;
	strncat(printed, text, sizeof(printed) - strlen(printed) - 1);
	strncat(printed, "\n", sizeof(printed) - strlen(printed) - 1);
}

static struct l4_py *fresh(void)
{
	struct l4_py *py = l4_py_new(on_print, NULL);
	assert_non_null(py);
	assert_true(l4_py_set(py, "tcpi_snd_cwnd", 10));
	assert_true(l4_py_set(py, "tcpi_options", 7));
	assert_true(l4_py_set(py, "tcpi_rtt", 10123));
	assert_true(l4_py_set_unsigned(py, "tcpi_pacing_rate", UINT64_MAX));
	assert_true(l4_py_set(py, "TCPI_OPT_SACK", 2));
	assert_true(l4_py_set(py, "TCP_CA_Open", 0));
	printed[0] = '\0';
	return py;
}

static void test_blocks(void **state)
{
	(void)state;
	static const struct {
		const char *code;
		const char *error; /* NULL: passes; else a part of the message */
		unsigned line;
	} rows[] = {
		{ " assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd ", NULL, 0 },
		{ "assert tcpi_snd_cwnd == 11, tcpi_snd_cwnd", "(seen: 10)", 0 },
		{ "assert tcpi_snd_cwnd == 11, 'cwnd=%d' % tcpi_snd_cwnd", "(seen: cwnd=10)", 0 },
		{ "assert 5000 <= tcpi_rtt <= 20000", NULL, 0 },
		{ "assert 5000 <= tcpi_rtt < 10123", "assertion failed", 0 },
		{ "assert (tcpi_options & TCPI_OPT_SACK) != 0, tcpi_options", NULL, 0 },
		{ "assert tcpi_options & TCPI_OPT_SACK == 0", "failed", 0 },
		{ "a = 3; b = a << 2; assert b == 12 and not b == 13 or 1/0", NULL, 0 },
		{ "assert 1 == 1 or nothing", NULL, 0 },
		{ "assert nothing", "not defined", 0 },
		{ "\na = 1\nassert a == 2\n", "failed", 2 },
		{ "a = 1\na += 4\na *= 3\nassert a == 15\n", NULL, 0 },
		{ "assert 7 // 2 == 3 and -7 // 2 == -4 and 7 % 3 == 1 and -7 % 3 == 2", NULL, 0 },
		{ "assert 7 / 2 == 3.5 and 2 ** 10 == 1024 and -2 ** 2 == -4", NULL, 0 },
		{ "assert 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 1 | 2 ^ 2 & 6 == 1", NULL, 0 },
		{ "assert tcpi_pacing_rate == 0xffffffffffffffff == 18446744073709551615", NULL,
		    0 },
		{ "assert abs(-3) == 3 and min(4, 2, 3) == 2 and max([1, 9]) == 9", NULL, 0 },
		{ "assert int(3.9) == 3 and round(2.5) == 2 and float(2) == 2.0", NULL, 0 },
		{ "assert tcpi_snd_cwnd in (9, 10, 11) and 3 not in [1, 2]", NULL, 0 },
		{ "assert 1 / 0", "division", 0 },
		{ "if tcpi_snd_cwnd > 5:\n  a = 1\n  b = 2\nelse:\n  a = 9\nassert a == 1 and b == "
		  "2",
		    NULL, 0 },
		{ "if tcpi_snd_cwnd < 5: a = 1\nelif tcpi_snd_cwnd == 10: a = 2\nelse: a = 3\n"
		  "assert a == 2",
		    NULL, 0 },
		{ "if 0:\n  if 1:\n    a = b\n  else:\n    1/0\nassert 1", NULL, 0 },
		{ "s = 0\nfor i in range(5):\n  s += i\nassert s == 10", NULL, 0 },
		{ "n = 0\nwhile n < 7: n += 1\nassert n == 7", NULL, 0 },
		{ "while 1: pass", "end", 0 },
		{ "assert 1 == 1, \\\n  'x'; assert 2 == 3", "2 == 3", 1 },
		{ "assert (1 ==\n 1)  # comment\nimport math\npass", NULL, 0 },
		{ "x = 5 if tcpi_snd_cwnd == 10 else 6; assert x == 5", NULL, 0 },
		{ "assert ((((1", "before", 0 },
		{ "assert 1 2", "should end", 0 },
		{ "def f(): pass", "", 0 },
		{ "  ", NULL, 0 },
		{ "a = 1\n  b = 2", "indentation", 1 },
		{ "print 'x', 3\nprint(4, 'y')\nprint tcpi_snd_cwnd", NULL, 0 },
		{ "a = 1 << 200", "range", 0 },
		{ "assert 'a' 'b' == 'ab' and '%s-%d' % ('q', 3) == 'q-3'", NULL, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_py *py = fresh();
		char text[256] = "";
		unsigned line = 99;
		bool ok = l4_py_run(py, rows[i].code, &line, text, sizeof(text));
		if (ok != !rows[i].error)
			fail_msg("'%s': %s", rows[i].code, ok ? "passed" : text);
		if (!ok && (!strstr(text, rows[i].error) || line != rows[i].line))
			fail_msg("'%s': line %u: %s", rows[i].code, line, text);
		if (!strncmp(rows[i].code, "print", 5))
			assert_string_equal(printed, "x 3\n4 y\n10\n");
		l4_py_free(py);
	}
}

/* Variables live on from block to block. */
static void test_variables_live_on(void **state)
{
	(void)state;
	struct l4_py *py = fresh();
	char text[100];
	unsigned line;
	assert_true(l4_py_run(py, " cwnd = 10 ", &line, text, sizeof(text)));
	assert_true(l4_py_set(py, "tcpi_snd_cwnd", 20));
	assert_true(
	    l4_py_run(py, "cwnd += 10; assert tcpi_snd_cwnd == cwnd", &line, text, sizeof(text)));
	int64_t v = 0;
	assert_true(l4_py_get(py, "cwnd", &v));
	assert_int_equal(v, 20);
	l4_py_free(py);
}

/* Depth is bounded, so that no text exhausts the stack. */
static void test_depth(void **state)
{
	(void)state;
	static const char *const units[] = { "(", "-", "not ", "1 if 1 else ", "abs(", "[" };
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		char code[4000] = "a = ";
		while (strlen(code) < sizeof(code) - 40)
			strcat(code, units[u]);
		struct l4_py *py = fresh();
		char text[100];
		unsigned line;
		assert_false(l4_py_run(py, code, &line, text, sizeof(text)));
		l4_py_free(py);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_variables_live_on),
		cmocka_unit_test(test_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
