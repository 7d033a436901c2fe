/* Only a true answer counts: forged, cut and damaged ones change nothing (security case TOOL-02).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/scan_net.h"

static struct scan_job job = { .key = { 1, 2 } };
static struct scan_net net = { .sport = 50000 };
static struct l4_addr us, host;

/* An answer of the host's port 80 to attempt 1, as an IPv4 packet; returns its length. */
static size_t answer(uint8_t *out, uint16_t flags, uint32_t ack)
{
	struct l4_tcp_hdr t = { .sport = 80,
		.dport = 50001,
		.seq = 7,
		.ack = ack,
		.flags = flags,
		.wnd = 1000,
		.opts = { .present = L4_TCPO_MSS, .mss = 1460 } };
	struct l4_ip4_hdr ip = { .ttl = 64, .proto = L4_PROTO_TCP, .src = host, .dst = us };
	int n = l4_tcp_emit(&t, out + 20, 60);
	assert_true(n > 0);
	ip.total_len = (uint16_t)(20 + n);
	assert_int_equal(l4_ip4_emit(&ip, out, 20), 20);
	return ip.total_len;
}

static uint8_t reason_of(enum scan_type type, const uint8_t *p, size_t len, bool *forged)
{
	struct scan_answer a;
	scan_probe_parse(&job, &net, type, p, len, &a);
	if (forged)
		*forged = a.forged;
	return a.reason;
}

static void an_answer_must_carry_the_cookie(void **state)
{
	uint32_t c = scan_cookie(&job, &host, 80, 1);
	const struct {
		enum scan_type type;
		uint16_t flags;
		uint32_t ack;
		uint8_t reason;
		bool forged;
	} rows[] = {
		{ SCAN_SYN, L4_TCPF_SYN | L4_TCPF_ACK, c + 1, SCAN_R_SYN_ACK, false },
		{ SCAN_SYN, L4_TCPF_RST | L4_TCPF_ACK, c + 1, SCAN_R_RESET, false },
		{ SCAN_SYN, L4_TCPF_SYN | L4_TCPF_ACK, c, 0, true },
		{ SCAN_SYN, L4_TCPF_SYN | L4_TCPF_ACK, c + 2, 0, true },
		{ SCAN_SYN, L4_TCPF_RST | L4_TCPF_ACK, c, 0, true },
		{ SCAN_SYN, L4_TCPF_RST, c + 1, 0, true }, /* no ACK: the number means nothing */
		{ SCAN_SYN, L4_TCPF_ACK, c + 1, 0, false },
		{ SCAN_FIN, L4_TCPF_RST | L4_TCPF_ACK, c + 1, SCAN_R_RESET, false },
		{ SCAN_NULL, L4_TCPF_RST | L4_TCPF_ACK, c, SCAN_R_RESET, false },
		{ SCAN_NULL, L4_TCPF_RST | L4_TCPF_ACK, c + 1, 0, true },
		{ SCAN_FIN, L4_TCPF_SYN | L4_TCPF_ACK, c + 1, 0, false },
		{ SCAN_ACK, L4_TCPF_RST, c, 0, true }, /* its SEQ must be the cookie */
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t p[80];
		bool forged;
		size_t len = answer(p, rows[i].flags, rows[i].ack);
		if (reason_of(rows[i].type, p, len, &forged) != rows[i].reason ||
		    forged != rows[i].forged)
			fail_msg("row %zu", i);
	}
}

static void cut_answers_are_none(void **state)
{
	uint8_t p[80];
	size_t len = answer(p, L4_TCPF_SYN | L4_TCPF_ACK, scan_cookie(&job, &host, 80, 1) + 1);
	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(reason_of(SCAN_SYN, p, n, NULL), 0);
}

/* Any one bit of addresses, ports or numbers changed: another probe's answer, so none. */
static void damaged_answers_are_none(void **state)
{
	static const struct {
		size_t first, last;
	} spans[] = { { 12, 15 }, { 20, 23 }, { 28, 31 } };
	uint8_t p[80];
	size_t len = answer(p, L4_TCPF_SYN | L4_TCPF_ACK, scan_cookie(&job, &host, 80, 1) + 1);
	(void)state;
	for (size_t s = 0; s < 3; s++)
		for (size_t i = spans[s].first; i <= spans[s].last; i++)
			for (int bit = 0; bit < 8; bit++) {
				p[i] ^= (uint8_t)(1 << bit);
				assert_int_equal(reason_of(SCAN_SYN, p, len, NULL), 0);
				p[i] ^= (uint8_t)(1 << bit);
			}
}

/* Errors must quote our packet, its number included (RFC 5927 4.1). */
static void errors_must_quote_the_cookie(void **state)
{
	uint32_t c = scan_cookie(&job, &host, 80, 1);
	(void)state;
	for (uint32_t off = 0; off < 3; off++) {
		uint8_t p[120] = { 0 };
		struct l4_ip4_hdr outer = { .total_len = 20 + 8 + 28,
			.ttl = 64,
			.proto = L4_PROTO_ICMP,
			.src = host,
			.dst = us };
		struct l4_ip4_hdr inner = {
			.total_len = 44, .ttl = 1, .proto = L4_PROTO_TCP, .src = us, .dst = host
		};
		bool forged;
		l4_ip4_emit(&outer, p, 20);
		p[20] = L4_ICMP_UNREACH;
		p[21] = L4_ICMP_UNREACH_ADMIN;
		l4_ip4_emit(&inner, p + 28, 20);
		scan_put16(p + 48, 50001);
		scan_put16(p + 50, 80);
		scan_put32(p + 52, c + off);
		uint8_t r = reason_of(SCAN_SYN, p, outer.total_len, &forged);
		assert_int_equal(r, off ? 0 : SCAN_R_ADMIN_PROHIBITED);
		assert_int_equal(forged, off != 0);
		/* A quote without the eight bytes names no probe. */
		p[3] = 20 + 8 + 27;
		assert_int_equal(reason_of(SCAN_SYN, p, 20 + 8 + 27, NULL), 0);
	}
}

/* A keyed hash: another key, another number, for nearly every port. */
static void cookies_differ(void **state)
{
	struct scan_job other = { .key = { 1, 3 } };
	unsigned same = 0;
	(void)state;
	for (unsigned port = 0; port < 65536; port++)
		same += scan_cookie(&job, &host, (uint16_t)port, 1) ==
			scan_cookie(&other, &host, (uint16_t)port, 1);
	assert_true(same < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_must_carry_the_cookie),
		cmocka_unit_test(cut_answers_are_none),
		cmocka_unit_test(damaged_answers_are_none),
		cmocka_unit_test(errors_must_quote_the_cookie),
		cmocka_unit_test(cookies_differ),
	};
	l4_addr_parse(&us, "10.9.0.1");
	l4_addr_parse(&host, "10.9.0.2");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
