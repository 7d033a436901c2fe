/* Tests of addresses: text in and out (RFC 4291 2.2, RFC 5952), classes, prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/addr.h>
#include <layer4/err.h>

#include "base/rng.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What parses, and how it is written again. */
static void text_comes_back_in_canonical_form(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::FFFF:c000:0201", "192.0.2.1" },
		/* RFC 5952 1, 4.1: no leading zeros */
		{ "2001:0db8::0001", "2001:db8::1" },
		{ "2001:db8:0:0:0:0:0:1", "2001:db8::1" },
		{ "2001:db8::aaaa:0000:1", "2001:db8::aaaa:0:1" },
		/* 4.2.1: shortened as much as possible */
		{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
		/* 4.2.2: a single zero group is not shortened */
		{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		/* 4.2.3: the longest run; of equal ones the first */
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "0:0:1:0:0:1:0:0", "::1:0:0:1:0:0" },
		{ "1:0:0:2:0:0:3:4", "1::2:0:0:3:4" },
		/* 4.3: lower case */
		{ "2001:DB8::ABCD", "2001:db8::abcd" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "1:0:0:0:0:0:0:0", "1::" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
		{ "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "::1.2.3.4", "::102:304" },
		{ "1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a" },
		{ "fe80::1", "fe80::1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_addr a;
		char text[L4_ADDR_TEXT_MAX];
		if (l4_addr_parse(&a, rows[i].in) != L4_OK)
			fail_msg("%s does not parse", rows[i].in);
		assert_int_equal(l4_addr_format(&a, text, sizeof text), strlen(rows[i].out));
		assert_string_equal(text, rows[i].out);
	}
}

static void wrong_text_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = { "", " ", ".", ":", ":::", "1", "1.2", "1.2.3", "1.2.3.",
		"1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.1.1.256", "01.2.3.4", "1.2.3.04",
		"-1.2.3.4", "+1.2.3.4", "1 .2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.0x4", "1..2.3",
		"99999999999.1.1.1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
		"12345::", "::12345", "g::", "1:", ":1", ":1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8:9",
		"::1.2.3", "::1.2.3.4.5", "::1.2.3.256", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3.4:5", "fe80::1%eth0", "2001:db8::1 ", "[::1]", "::ffff:1.2.3.04",
		"1.2.3.4/24" };
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_addr a, before;
		memset(&a, 0x5a, sizeof a);
		before = a;
		if (l4_addr_parse(&a, rows[i]) != L4_EMALFORMED)
			fail_msg("'%s' is accepted", rows[i]);
		assert_true(l4_addr_eq(&a, &before)); /* untouched on failure */
	}
}

static void random_addresses_survive_text(void **state)
{
	(void)state;
	struct l4_rng r;
	l4_rng_init_u64(&r, 4);
	for (int i = 0; i < 50000; i++) {
		struct l4_addr a, b;
		char text[L4_ADDR_TEXT_MAX];
		l4_rng_bytes(&r, a.b, 16);
		for (int g = 0; g < 8; g++) { /* many zero groups, many short ones */
			switch (l4_rng_below(&r, 4)) {
			case 0:
			case 1:
				a.b[2 * g] = a.b[2 * g + 1] = 0;
				break;
			case 2:
				a.b[2 * g] = 0;
				break;
			default:
				break;
			}
		}
		size_t n = l4_addr_format(&a, text, sizeof text);
		assert_int_equal(n, strlen(text));
		assert_true(n < L4_ADDR_TEXT_MAX);
		assert_int_equal(l4_addr_parse(&b, text), L4_OK);
		assert_true(l4_addr_eq(&a, &b));
		char *cut = malloc(n); /* no prefix may make it read on */
		for (size_t k = 0; k < n; k++) {
			memcpy(cut, text, k);
			cut[k] = '\0';
			(void)l4_addr_parse(&b, cut);
		}
		free(cut);
	}
	char small[L4_ADDR_TEXT_MAX - 1];
	struct l4_addr a = { { 0 } };
	assert_int_equal(l4_addr_format(&a, small, sizeof small), 0);
}

#define V4  1u
#define ANY 2u
#define MC  4u
#define LO  8u
#define LL  16u
#define BC  32u

static void classes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned is;
	} rows[] = {
		{ "0.0.0.0", V4 | ANY },
		{ "0.0.0.1", V4 },
		{ "127.0.0.1", V4 | LO },
		{ "127.255.255.255", V4 | LO },
		{ "128.0.0.1", V4 },
		{ "169.254.0.1", V4 | LL },
		{ "169.255.0.1", V4 },
		{ "223.255.255.255", V4 },
		{ "224.0.0.1", V4 | MC },
		{ "239.255.255.255", V4 | MC },
		{ "240.0.0.1", V4 },
		{ "255.255.255.255", V4 | BC },
		{ "255.255.255.254", V4 },
		{ "::", ANY },
		{ "::1", LO },
		{ "::2", 0 },
		{ "fe80::1", LL },
		{ "febf::1", LL },
		{ "fec0::1", 0 },
		{ "ff02::1", MC },
		{ "ff00::", MC },
		{ "2001:db8::1", 0 },
		{ "::fffe:1.2.3.4", 0 },
		{ "::ffff:127.0.0.1", V4 | LO },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_addr a;
		assert_int_equal(l4_addr_parse(&a, rows[i].text), L4_OK);
		unsigned is =
		    (l4_addr_is_ip4(&a) ? V4 : 0) | (l4_addr_is_any(&a) ? ANY : 0) |
		    (l4_addr_is_multicast(&a) ? MC : 0) | (l4_addr_is_loopback(&a) ? LO : 0) |
		    (l4_addr_is_link_local(&a) ? LL : 0) | (l4_addr_is_broadcast(&a) ? BC : 0);
		if (is != rows[i].is)
			fail_msg("%s: classes %#x, not %#x", rows[i].text, is, rows[i].is);
	}
}

static void prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		int len; /* of 128, or -1: refused */
		const char *in, *out;
	} rows[] = {
		{ "192.0.2.0/24", 120, "192.0.2.255", "192.0.3.0" },
		{ "192.0.2.77/24", 120, "192.0.2.0", "192.0.1.255" },
		{ "192.0.2.1", 128, "192.0.2.1", "192.0.2.0" },
		{ "10.0.0.0/9", 105, "10.127.255.255", "10.128.0.0" },
		{ "0.0.0.0/0", 96, "255.1.2.3", "::1" },
		{ "::/0", 0, "::1", NULL },
		{ "2001:db8::/32", 32, "2001:db8:ffff::", "2001:db9::" },
		{ "2001:db8::/33", 33, "2001:db8:7fff::", "2001:db8:8000::" },
		{ "2001:db8::1/128", 128, "2001:db8::1", "2001:db8::" },
		{ "fe80::/10", 10, "febf::1", "fec0::1" },
		{ "192.0.2.0/33", -1, NULL, NULL },
		{ "192.0.2.0/", -1, NULL, NULL },
		{ "192.0.2.0/-1", -1, NULL, NULL },
		{ "192.0.2.0/24x", -1, NULL, NULL },
		{ "192.0.2.0/024", -1, NULL, NULL },
		{ "2001:db8::/129", -1, NULL, NULL },
		{ "/24", -1, NULL, NULL },
		{ "", -1, NULL, NULL },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_prefix p;
		struct l4_addr a;
		int rc = l4_prefix_parse(&p, rows[i].prefix);
		if (rows[i].len < 0) {
			if (rc != L4_EMALFORMED)
				fail_msg("'%s' is accepted", rows[i].prefix);
			continue;
		}
		assert_int_equal(rc, L4_OK);
		assert_int_equal(p.len, rows[i].len);
		l4_addr_parse(&a, rows[i].in);
		assert_true(l4_prefix_has(&p, &a));
		if (rows[i].out) {
			l4_addr_parse(&a, rows[i].out);
			assert_false(l4_prefix_has(&p, &a));
		}
	}
	struct l4_prefix bad = { .len = 129 };
	struct l4_addr zero = { { 0 } };
	assert_false(l4_prefix_has(&bad, &zero));
}

static void macs_and_endpoints(void **state)
{
	(void)state;
	struct l4_mac m;
	char text[L4_ENDPOINT_TEXT_MAX];
	assert_int_equal(l4_mac_parse(&m, "02:0A:ff:00:12:fe"), L4_OK);
	assert_int_equal(l4_mac_format(&m, text, sizeof text), 17);
	assert_string_equal(text, "02:0a:ff:00:12:fe");
	assert_int_equal(l4_mac_parse(&m, "02-0a-ff-00-12-fe"), L4_OK);
	static const char *const bad[] = { "", "02", "02:", "02:0a:ff:00:12", "02:0a:ff:00:12:f",
		"02:0a:ff:00:12:fe:", "02:0a:ff:00:12:fe:00", "02:0a:ff:00:12:fg", "020aff0012fe",
		"2:0a:ff:00:12:fe", "02:0a:ff:00:12 fe" };
	for (size_t i = 0; i < N(bad); i++)
		if (l4_mac_parse(&m, bad[i]) != L4_EMALFORMED)
			fail_msg("'%s' is accepted", bad[i]);
	struct l4_endpoint e = { .port = 80, .ifindex = 3 };
	l4_addr_parse(&e.addr, "192.0.2.1");
	l4_endpoint_format(&e, text, sizeof text);
	assert_string_equal(text, "192.0.2.1:80");
	l4_addr_parse(&e.addr, "2001:db8::1");
	l4_endpoint_format(&e, text, sizeof text);
	assert_string_equal(text, "[2001:db8::1]:80");
	l4_addr_parse(&e.addr, "fe80::1");
	assert_int_equal(l4_endpoint_format(&e, text, sizeof text), strlen("[fe80::1%3]:80"));
	assert_string_equal(text, "[fe80::1%3]:80");
	memset(e.addr.b, 0xfe, 16); /* the longest */
	e.addr.b[1] = 0x80;
	e.port = e.ifindex = 65535;
	assert_true(l4_endpoint_format(&e, text, sizeof text) < L4_ENDPOINT_TEXT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back_in_canonical_form),
		cmocka_unit_test(wrong_text_is_refused),
		cmocka_unit_test(random_addresses_survive_text),
		cmocka_unit_test(classes),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(macs_and_endpoints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
