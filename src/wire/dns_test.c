/* Tests of DNS: names, messages, record data, text and building.
 *
 * Security cases DNS-01 to DNS-05, DNS-10, DNS-11, DNS-13, DNS-16 are about the parser and stand
 * here; DNS-06 and DNS-08 in their parser's part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/dns.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A real answer: mozilla.org A, three addresses, compressed owners. */
static const uint8_t mozilla[] = {
	0x37,
	0xa0,
	0x81,
	0x20,
	0x00,
	0x01,
	0x00,
	0x03,
	0x00,
	0x00,
	0x00,
	0x00,
	0x07,
	0x6d,
	0x6f,
	0x7a,
	0x69,
	0x6c,
	0x6c,
	0x61,
	0x03,
	0x6f,
	0x72,
	0x67,
	0x00,
	0x00,
	0x01,
	0x00,
	0x01,
	0x07,
	0x6d,
	0x6f,
	0x7a,
	0x69,
	0x6c,
	0x6c,
	0x61,
	0x03,
	0x6f,
	0x72,
	0x67,
	0x00,
	0x00,
	0x01,
	0x00,
	0x01,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x04,
	0x2c,
	0xec,
	0x48,
	0x5d,
	0xc0,
	0x1d,
	0x00,
	0x01,
	0x00,
	0x01,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x04,
	0x2c,
	0xeb,
	0xf6,
	0x9b,
	0xc0,
	0x1d,
	0x00,
	0x01,
	0x00,
	0x01,
	0x00,
	0x00,
	0x00,
	0x00,
	0x00,
	0x04,
	0x2c,
	0xec,
	0x30,
	0x1f,
};

static struct l4_dns_name name_of(const char *text)
{
	struct l4_dns_name n;
	assert_int_equal(l4_dns_name_from_text(&n, text), L4_OK);
	return n;
}

static void real_answer_reads(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"mozilla.org.\tIN\tA",
		"mozilla.org.\t0\tIN\tA\t44.236.72.93",
		"mozilla.org.\t0\tIN\tA\t44.235.246.155",
		"mozilla.org.\t0\tIN\tA\t44.236.48.31",
	};
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr rr;
	char text[256];
	assert_int_equal(l4_dns_iter_init(&it, &h, mozilla, sizeof mozilla), L4_OK);
	assert_int_equal(h.id, 0x37a0);
	assert_true(h.qr && h.rd && h.ad && !h.ra && !h.tc && !h.aa);
	for (size_t i = 0; i < N(lines); i++) {
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		assert_int_equal(l4_dns_rr_format(&rr, mozilla, sizeof mozilla, text, sizeof text),
		    strlen(lines[i]));
		assert_string_equal(text, lines[i]);
	}
	assert_int_equal(l4_dns_iter_next(&it, &rr), 0);
	struct l4_addr a[8];
	struct l4_dns_name q = name_of("MOZILLA.org");
	assert_int_equal(l4_dns_addrs(a, 8, &q, mozilla, sizeof mozilla), 3);
	assert_int_equal(a[2].b[15], 31);
	assert_int_equal(l4_dns_addrs(a, 2, &q, mozilla, sizeof mozilla), 2);
	assert_true(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 1));
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a1, &q, 1, 1)); /* DNS-06 */
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 28, 1));
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 3));
	q = name_of("mozilla.com");
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_answer_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
