/* The ladder's words: frames built by hand, lines as Wireshark writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/dns.h>
#include <layer4/wire.h>

#include "cli/ladder.h"
#include "cli/progress.h"

static const struct l4_tcp_opts no_opts;

/* Renders one TCP segment from a to b (or back) and compares its text. */
static void segment(struct ladder *l, bool back, unsigned flags, uint32_t seq, uint32_t ack,
    uint16_t wnd, const struct l4_tcp_opts *o, const char *payload, const char *want)
{
	uint8_t frame[2048];
	struct l4_addr a, b;
	struct ladder_line line;
	size_t len = strlen(payload);
	l4_addr_parse(&a, back ? "192.0.2.2" : "192.0.2.1");
	l4_addr_parse(&b, back ? "192.0.2.1" : "192.0.2.2");
	struct l4_tcp_hdr t = { .sport = back ? 80 : 59468,
		.dport = back ? 59468 : 80,
		.seq = seq,
		.ack = ack,
		.flags = (uint16_t)flags,
		.wnd = wnd,
		.opts = *o };
	int n = l4_tcp_emit(&t, frame + 20, sizeof(frame) - 20);
	assert_true(n > 0);
	memcpy(frame + 20 + n, payload, len);
	struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20 + (size_t)n + len),
		.ttl = 64,
		.proto = L4_PROTO_TCP,
		.src = a,
		.dst = b };
	assert_int_equal(l4_ip4_emit(&ip, frame, sizeof(frame)), 20);
	/* in two pieces, the second one the payload: as the stack sends */
	struct l4_piece p[2] = { { frame, 20 + (size_t)n }, { frame + 20 + n, len } };
	struct l4_frame f = { .pieces = p, .n_pieces = 2, .len = ip.total_len };
	ladder_render(l, &line, back ? LADDER_IN : LADDER_OUT, L4_MEDIUM_IP, &f, 0);
	assert_string_equal(line.text, want);
	assert_string_equal(line.from, back ? "192.0.2.2" : "192.0.2.1");
}

static void connection(void **state)
{
	(void)state;
	struct ladder_config c = { .out = stdout };
	struct ladder *l = ladder_new(&c);
	struct l4_tcp_opts syn = { .present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_TS |
					      L4_TCPO_WSCALE,
		.mss = 1460,
		.ts_val = 1000,
		.wscale = 7 };
	segment(l, false, L4_TCPF_SYN, 0xfffffff0u, 0, 64240, &syn, "",
	    "59468 → 80 [SYN] Seq=0 Win=64240 Len=0 MSS=1460 SACK_PERM TSval=1000 TSecr=0 WS=128");
	syn.ts_val = 5;
	syn.ts_ecr = 1000;
	syn.wscale = 2;
	segment(l, true, L4_TCPF_SYN | L4_TCPF_ACK, 777, 0xfffffff1u, 5000, &syn, "",
	    "80 → 59468 [SYN, ACK] Seq=0 Ack=1 Win=5000 Len=0 MSS=1460 SACK_PERM TSval=5 "
	    "TSecr=1000 "
	    "WS=4");
	/* windows are scaled from here on, numbers wrap */
	segment(l, false, L4_TCPF_ACK, 0xfffffff1u, 778, 502, &no_opts, "",
	    "59468 → 80 [ACK] Seq=1 Ack=1 Win=64256 Len=0");
	segment(l, false, L4_TCPF_ACK | L4_TCPF_PSH, 0xfffffff1u, 778, 502, &no_opts,
	    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	    "59468 → 80 [PSH, ACK] Seq=1 Ack=1 Win=64256 Len=27  GET / HTTP/1.1");
	struct l4_tcp_opts sack = { .present = L4_TCPO_SACK,
		.sack_n = 1,
		.sack = { { 0xfffffff1u + 100, 0xfffffff1u + 200 } } };
	segment(l, true, L4_TCPF_ACK, 778, 12, 1000, &sack, "",
	    "80 → 59468 [ACK] Seq=1 Ack=28 Win=4000 Len=0 SLE=101 SRE=201");
	segment(l, false, L4_TCPF_ACK, 0xfffffff1u, 778, 502, &no_opts, "GET",
	    "59468 → 80 [ACK] Seq=1 Ack=1 Win=64256 Len=3  (again)");
	segment(l, false, L4_TCPF_FIN | L4_TCPF_ACK, 12, 778, 502, &no_opts, "",
	    "59468 → 80 [FIN, ACK] Seq=28 Ack=1 Win=64256 Len=0");
	segment(
	    l, true, L4_TCPF_RST, 778, 0, 0, &no_opts, "", "80 → 59468 [RST] Seq=1 Win=0 Len=0");
	/* the same ports again: numbers begin anew */
	segment(
	    l, false, L4_TCPF_SYN, 5, 0, 100, &no_opts, "", "59468 → 80 [SYN] Seq=0 Win=100 Len=0");
	/* without window scale on both sides nothing is scaled */
	segment(l, true, L4_TCPF_SYN | L4_TCPF_ACK, 9, 6, 100, &no_opts, "",
	    "80 → 59468 [SYN, ACK] Seq=0 Ack=1 Win=100 Len=0");
	segment(l, false, L4_TCPF_ACK, 6, 10, 100, &no_opts, "",
	    "59468 → 80 [ACK] Seq=1 Ack=1 Win=100 Len=0");
	ladder_free(l);
}

/* A connection whose beginning was not seen counts from 1. */
static void middle(void **state)
{
	(void)state;
	struct ladder_config c = { .out = stdout };
	struct ladder *l = ladder_new(&c);
	segment(l, true, L4_TCPF_ACK, 5000, 7000, 100, &no_opts, "abc",
	    "80 → 59468 [ACK] Seq=1 Ack=1 Win=100 Len=3");
	segment(l, false, L4_TCPF_ACK, 7000, 5003, 100, &no_opts, "",
	    "59468 → 80 [ACK] Seq=1 Ack=4 Win=100 Len=0");
	ladder_free(l);
}

/* Every cut of a frame, and every byte changed: a text, no crash. */
static void damage(void **state)
{
	(void)state;
	struct ladder_config c = { .out = stdout };
	struct ladder *l = ladder_new(&c);
	struct ladder_line line;
	uint8_t frame[600];
	struct l4_dns_name name;
	struct l4_eth_hdr eth = { .type = L4_ETHERTYPE_IP4 };
	l4_dns_name_from_text(&name, "www.example.test");
	int n = l4_dns_query_emit(frame + 42, sizeof(frame) - 42, 7, &name, L4_DNS_A, 1232, false);
	struct l4_udp_hdr udp = { .sport = 4000, .dport = 53, .len = (uint16_t)(8 + n) };
	struct l4_ip4_hdr ip = {
		.total_len = (uint16_t)(28 + n), .ttl = 64, .proto = L4_PROTO_UDP
	};
	l4_addr_parse(&ip.src, "192.0.2.1");
	l4_addr_parse(&ip.dst, "192.0.2.2");
	l4_eth_emit(&eth, frame, sizeof(frame));
	l4_ip4_emit(&ip, frame + 14, sizeof(frame) - 14);
	l4_udp_emit(&udp, frame + 34, sizeof(frame) - 34);
	size_t len = 42 + (size_t)n;
	for (size_t cut = 0; cut <= len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, frame, cut);
		struct l4_piece p = { copy, cut };
		struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = (uint32_t)cut };
		ladder_render(l, &line, LADDER_OUT, L4_MEDIUM_ETHERNET, &f, 0);
		if (cut == len)
			assert_string_equal(line.text,
			    "4000 → 53 UDP Len=45  DNS question 0x0007 A www.example.test.");
		free(copy);
	}
	for (size_t i = 0; i < len; i++) {
		for (int v = 0; v < 256; v++) {
			uint8_t *copy = malloc(len);
			memcpy(copy, frame, len);
			copy[i] = (uint8_t)v;
			struct l4_piece p = { copy, len };
			struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = (uint32_t)len };
			ladder_render(l, &line, LADDER_IN, L4_MEDIUM_ETHERNET, &f, 0);
			assert_true(strlen(line.text) < sizeof(line.text));
			free(copy);
		}
	}
	ladder_free(l);
}

static void sizes(void **state)
{
	(void)state;
	static const struct {
		uint64_t n;
		const char *want;
	} rows[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536 * 1024, "1.5 MiB" },
		{ (uint64_t)5 << 40, "5.0 TiB" },
		{ (uint64_t)5000 << 40, "5000.0 TiB" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[24];
		progress_bytes(text, sizeof(text), rows[i].n);
		assert_string_equal(text, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection),
		cmocka_unit_test(middle),
		cmocka_unit_test(damage),
		cmocka_unit_test(sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
