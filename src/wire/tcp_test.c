/* Tests of the TCP header and its options; security cases TCPP-01 to TCPP-09, TCPP-11, TCPP-14,
 * TCPP-15 as far as they concern the parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/wire.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A header with the given option bytes in a block of exact size; the caller frees it. */
static uint8_t *segment(const uint8_t *opts, size_t n, size_t *len)
{
	size_t pad = (4 - n % 4) % 4;
	*len = 20 + n + pad;
	uint8_t *p = calloc(1, *len);
	p[12] = (uint8_t)(*len / 4 << 4);
	p[13] = L4_TCPF_ACK;
	if (n)
		memcpy(p + 20, opts, n);
	return p;
}

static int parse_opts(struct l4_tcp_hdr *h, const uint8_t *opts, size_t n)
{
	size_t len;
	uint8_t *p = segment(opts, n, &len);
	int rc = l4_tcp_parse(h, p, len);
	free(p);
	return rc;
}

static void options_go_out_as_linux_orders_them(void **state)
{
	(void)state;
	static const struct {
		uint32_t present;
		uint16_t flags;
		uint8_t bytes[40];
		int len;
	} rows[] = {
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_TS | L4_TCPO_WSCALE, L4_TCPF_SYN,
		    { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9, 1, 3, 3, 7 },
		    20 },
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE, L4_TCPF_SYN,
		    { 2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7 }, 12 },
		{ L4_TCPO_MSS | L4_TCPO_TS | L4_TCPO_WSCALE, L4_TCPF_SYN,
		    { 2, 4, 5, 0xb4, 1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9, 1, 3, 3, 7 },
		    20 },
		{ L4_TCPO_MSS, L4_TCPF_SYN, { 2, 4, 5, 0xb4 }, 4 },
		{ 0, L4_TCPF_SYN, { 0 }, 0 },
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_FASTOPEN, L4_TCPF_SYN,
		    { 2, 4, 5, 0xb4, 1, 1, 4, 2, 34, 8, 1, 2, 3, 4, 5, 6 }, 16 },
		{ L4_TCPO_FASTOPEN_EXP, L4_TCPF_SYN,
		    { 254, 10, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 1, 1 }, 12 },
		{ L4_TCPO_TS, L4_TCPF_ACK, { 1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9 },
		    12 },
		{ L4_TCPO_TS | L4_TCPO_SACK, L4_TCPF_ACK,
		    { 1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9, 1, 1, 5, 10, 0, 0, 0, 1, 0,
			0, 0, 2 },
		    24 },
		{ L4_TCPO_SACK, L4_TCPF_ACK, { 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2 }, 12 },
		{ L4_TCPO_ACCECN0, L4_TCPF_ACK, { 172, 8, 0, 0, 1, 0xff, 0xff, 0xff }, 8 },
		{ L4_TCPO_UTO, L4_TCPF_ACK, { 28, 4, 0x80, 5 }, 4 },
		/* What belongs on a SYN stays off other segments, and SACK off a SYN. */
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE | L4_TCPO_FASTOPEN, L4_TCPF_ACK,
		    { 0 }, 0 },
		{ L4_TCPO_SACK, L4_TCPF_SYN, { 0 }, 0 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_tcp_hdr h = { .sport = 59468,
			.dport = 80,
			.seq = 0x01020304,
			.ack = 0xa0b0c0d0,
			.flags = rows[i].flags,
			.wnd = 64240,
			.urg = 0x1122 };
		struct l4_tcp_hdr back;
		uint8_t buf[60];
		h.opts = (struct l4_tcp_opts){ .present = rows[i].present,
			.mss = 1460,
			.wscale = 7,
			.ts_val = 0x11223344,
			.ts_ecr = 9,
			.sack_n = 1,
			.sack = { { 1, 2 } },
			.fo_len = 6,
			.fo_cookie = { 1, 2, 3, 4, 5, 6 },
			.accecn_n = 2,
			.accecn = { 1, 0xffffff },
			.uto = 0x8005 };
		size_t len = 20 + (size_t)rows[i].len;
		bool syn = rows[i].flags & L4_TCPF_SYN;
		assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), len);
		assert_int_equal(l4_tcp_opts_len(&h.opts, syn), rows[i].len);
		assert_memory_equal(buf + 20, rows[i].bytes, (size_t)rows[i].len);
		static const uint8_t fixed[12] = { 0xe8, 0x4c, 0, 80, 1, 2, 3, 4, 0xa0, 0xb0, 0xc0,
			0xd0 };
		assert_memory_equal(buf, fixed, 12);
		assert_int_equal(buf[12], len / 4 << 4);
		assert_int_equal(buf[13], rows[i].flags);
		assert_memory_equal(
		    buf + 14, ((const uint8_t[]){ 0xfa, 0xf0, 0, 0, 0x11, 0x22 }), 6);
		assert_int_equal(l4_tcp_parse(&back, buf, len), len);
		if (rows[i].len)
			assert_int_equal(back.opts.present, rows[i].present);
		for (size_t cap = 0; cap < len; cap++)
			assert_int_equal(l4_tcp_emit(&h, buf, cap), L4_ETRUNC);
	}
}

static void options_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	struct l4_tcp_hdr h = { .flags = L4_TCPF_ACK };
	uint8_t buf[60];
	h.opts.present = L4_TCPO_TS | L4_TCPO_SACK;
	h.opts.sack_n = 3; /* 12 + 2 + 26 = 40 */
	assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), 60);
	h.opts.sack_n = 4;
	assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), L4_EINVAL);
	assert_int_equal(l4_tcp_opts_len(&h.opts, false), L4_EINVAL);
	h.opts.present = L4_TCPO_SACK;
	assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), 56);
	h.opts.sack_n = 5; /* more than the structure holds */
	assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), L4_EINVAL);
}

static void offset_against_length(void **state) /* TCPP-01 */
{
	(void)state;
	for (size_t len = 0; len <= 80; len++) {
		for (unsigned doff = 0; doff < 16; doff++) {
			uint8_t *p = malloc(len ? len : 1);
			struct l4_tcp_hdr h;
			memset(p, 1, len); /* options: all NOP */
			if (len > 12)
				p[12] = (uint8_t)(doff << 4);
			int want = len < 20                     ? L4_ETRUNC
				   : doff < 5 || doff * 4 > len ? L4_EMALFORMED
								: (int)doff * 4;
			assert_int_equal(l4_tcp_parse(&h, p, len), want);
			free(p);
		}
	}
}

static void lengths_below_two_condemn(void **state) /* TCPP-02 */
{
	(void)state;
	for (unsigned kind = 2; kind < 256; kind++) {
		for (uint8_t optlen = 0; optlen < 2; optlen++) {
			for (size_t at = 0; at < 40; at++) {
				uint8_t opts[40];
				struct l4_tcp_hdr h;
				memset(opts, 1, sizeof opts);
				opts[at] = (uint8_t)kind;
				if (at + 1 < sizeof opts)
					opts[at + 1] = optlen;
				assert_int_equal(parse_opts(&h, opts, sizeof opts), L4_EMALFORMED);
			}
		}
	}
}

static void lengths_past_the_header_condemn(void **state) /* TCPP-03 */
{
	(void)state;
	for (unsigned kind = 2; kind < 256; kind++) {
		for (size_t at = 0; at < 40; at += 3) {
			for (unsigned optlen = 2; optlen < 256; optlen++) {
				uint8_t opts[40];
				struct l4_tcp_hdr h;
				memset(opts, 1, sizeof opts);
				opts[at] = (uint8_t)kind;
				if (at + 1 < sizeof opts)
					opts[at + 1] = (uint8_t)optlen;
				bool fits = at + 1 < sizeof opts && optlen <= 40 - at;
				/* TCPP-15: signatures of impossible length condemn as well */
				bool bad =
				    (kind == 19 && optlen != 18) || (kind == 29 && optlen < 4);
				assert_int_equal(parse_opts(&h, opts, sizeof opts),
				    fits && !bad ? 60 : L4_EMALFORMED);
			}
		}
	}
	/* The payload behind the header is never read as an option. */
	uint8_t p[24] = { [12] = 5 << 4, [20] = 2, 4, 5, 0xb4 };
	struct l4_tcp_hdr h;
	assert_int_equal(l4_tcp_parse(&h, p, sizeof p), 20);
	assert_int_equal(h.opts.present, 0);
}

static void odd_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t n, opts[40];
		uint32_t present;
		int rc; /* 0: parses */
	} rows[] = {
		{ "TCPP-04 mss 0 is kept", 4, { 2, 4, 0, 0 }, L4_TCPO_MSS, 0 },
		{ "TCPP-04 mss of 3", 4, { 2, 3, 5, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-04 mss of 5", 8, { 2, 5, 5, 5, 5, 1, 1, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-06 shift 14", 4, { 3, 3, 14, 1 }, L4_TCPO_WSCALE, 0 },
		{ "TCPP-06 shift 15", 4, { 3, 3, 15, 1 }, L4_TCPO_WSCALE | L4_TCPO_WSCALE_BIG, 0 },
		{ "TCPP-06 shift 31", 4, { 3, 3, 31, 1 }, L4_TCPO_WSCALE | L4_TCPO_WSCALE_BIG, 0 },
		{ "TCPP-06 shift 255", 4, { 3, 3, 255, 1 }, L4_TCPO_WSCALE | L4_TCPO_WSCALE_BIG,
		    0 },
		{ "TCPP-07 sack of 2", 4, { 5, 2, 1, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-07 sack of 3", 4, { 5, 3, 1, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-07 sack of 9", 12, { 5, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1 }, L4_TCPO_UNKNOWN,
		    0 },
		{ "TCPP-07 sack of 10", 12, { 5, 10, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1 }, L4_TCPO_SACK,
		    0 },
		{ "TCPP-07 sack of 34", 36, { 5, 34, [34] = 1, 1 }, L4_TCPO_SACK, 0 },
		{ "TCPP-07 sack of 38", 40, { 5, 38, [38] = 1, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-07 sack of 42", 40, { 5, 42 }, 0, L4_EMALFORMED },
		{ "TCPP-08 ts of 9", 12, { 8, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, L4_TCPO_UNKNOWN,
		    0 },
		{ "TCPP-08 ts of 11", 12, { 8, 11, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, L4_TCPO_UNKNOWN,
		    0 },
		{ "TCPP-14 request", 4, { 34, 2, 1, 1 }, L4_TCPO_FASTOPEN, 0 },
		{ "TCPP-14 odd", 8, { 34, 7, 1, 2, 3, 4, 5, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-14 two bytes", 4, { 34, 4, 1, 2 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-14 sixteen", 20, { 34, 18, [18] = 1, 1 }, L4_TCPO_FASTOPEN, 0 },
		{ "TCPP-14 eighteen", 20, { 34, 20 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-14 experimental", 8, { 254, 8, 0xf9, 0x89, 1, 2, 3, 4 },
		    L4_TCPO_FASTOPEN_EXP, 0 },
		{ "other experiment", 8, { 254, 8, 0xf9, 0x8a, 1, 2, 3, 4 }, L4_TCPO_UNKNOWN, 0 },
		{ "experiment without id", 4, { 254, 3, 0xf9, 1 }, L4_TCPO_UNKNOWN, 0 },
		{ "TCPP-15 ao of 3", 4, { 29, 3, 0, 1 }, 0, L4_EMALFORMED },
		{ "TCPP-15 ao of 16", 16, { 29, 16 }, L4_TCPO_AO, 0 },
		{ "TCPP-15 md5 of 17", 20, { 19, 17, [17] = 1, 1, 1 }, 0, L4_EMALFORMED },
		{ "TCPP-15 md5 of 18", 20, { 19, 18, [18] = 1, 1 }, L4_TCPO_MD5, 0 },
		{ "uto", 4, { 28, 4, 0, 7 }, L4_TCPO_UTO, 0 },
		{ "accecn, no counter", 4, { 172, 2, 1, 1 }, L4_TCPO_ACCECN0, 0 },
		{ "accecn, one and a byte", 8, { 174, 6, 0, 0, 1, 9, 1, 1 }, L4_TCPO_ACCECN1, 0 },
		{ "after the end", 8, { 1, 0, 2, 4, 5, 0xb4, 5, 0 }, 0, 0 }, /* TCPP-09 */
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_tcp_hdr h;
		int rc = parse_opts(&h, rows[i].opts, rows[i].n);
		int want = rows[i].rc ? rows[i].rc : 20 + rows[i].n;
		if (rc != want)
			fail_msg("%s: %d, not %d", rows[i].name, rc, want);
		if (rc > 0 && h.opts.present != rows[i].present)
			fail_msg("%s: %#x", rows[i].name, h.opts.present);
		if (rc > 0 && (h.opts.present & L4_TCPO_WSCALE_BIG))
			assert_int_equal(h.opts.wscale, 14);
	}
}

static void first_of_two_counts(void **state) /* TCPP-05 */
{
	(void)state;
	static const uint8_t opts[] = { 2, 4, 1, 0, 2, 4, 2, 0, 3, 3, 1, 3, 3, 9, 8, 10, 0, 0, 0, 1,
		0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4, 4, 2 };
	struct l4_tcp_hdr h;
	assert_int_equal(parse_opts(&h, opts, sizeof opts), 20 + sizeof opts);
	assert_int_equal(h.opts.mss, 256);
	assert_int_equal(h.opts.wscale, 1);
	assert_int_equal(h.opts.ts_val, 1);
	assert_int_equal(h.opts.ts_ecr, 2);
	static const uint8_t fo[] = { 34, 6, 1, 2, 3, 4, 34, 8, 9, 9, 9, 9, 9, 9, 254, 8, 0xf9,
		0x89, 7, 7, 7, 7, 1, 1 };
	assert_int_equal(parse_opts(&h, fo, sizeof fo), 20 + sizeof fo);
	assert_int_equal(h.opts.fo_len, 4);
	assert_int_equal(h.opts.fo_cookie[0], 1);
}

static void unknown_kinds_are_passed_over(void **state) /* TCPP-09 */
{
	(void)state;
	static const uint8_t opts[] = { 2, 4, 5, 0xac, 1, 3, 3, 2, 1, 1, 20, 2, 0, 0, 0, 0 };
	struct l4_tcp_hdr h;
	assert_int_equal(parse_opts(&h, opts, sizeof opts), 36);
	assert_int_equal(h.opts.mss, 1452);
	assert_int_equal(h.opts.wscale, 2);
	for (unsigned kind = 35; kind < 256; kind++) {
		for (uint8_t optlen = 2; optlen <= 36; optlen++) {
			uint8_t o[40];
			memset(o, 1, sizeof o);
			o[0] = (uint8_t)kind;
			o[1] = optlen;
			memcpy(o + optlen, ((const uint8_t[]){ 2, 4, 5, 0xac }), 4);
			assert_int_equal(parse_opts(&h, o, sizeof o), 60);
			assert_int_equal(h.opts.mss, 1452);
		}
	}
}

static void every_flag_and_reserved_bit(void **state) /* TCPP-11 */
{
	(void)state;
	uint8_t p[20] = { 0 }, out[20];
	for (unsigned bits = 0; bits < 0x1000; bits++) {
		struct l4_tcp_hdr h;
		p[12] = (uint8_t)(5 << 4 | bits >> 8);
		p[13] = (uint8_t)bits;
		assert_int_equal(l4_tcp_parse(&h, p, 20), 20);
		assert_int_equal(h.flags, bits & 0x1ff);
		assert_int_equal(h.reserved, bits >> 9);
		h.reserved = 0; /* as the stack sends */
		assert_int_equal(l4_tcp_emit(&h, out, sizeof out), 20);
		assert_int_equal(out[12] & 0x0e, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_go_out_as_linux_orders_them),
		cmocka_unit_test(options_that_do_not_fit_are_refused),
		cmocka_unit_test(offset_against_length),
		cmocka_unit_test(lengths_below_two_condemn),
		cmocka_unit_test(lengths_past_the_header_condemn),
		cmocka_unit_test(odd_values),
		cmocka_unit_test(first_of_two_counts),
		cmocka_unit_test(unknown_kinds_are_passed_over),
		cmocka_unit_test(every_flag_and_reserved_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
