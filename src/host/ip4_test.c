/* IPv4 as strangers send it: headers, options, fragments (security cases IP4). */
#include "host/net_test.h"

static struct tf f;

static l4_ep open_port(struct tn *t, uint16_t port)
{
	l4_ep ep = l4_udp_new(t->h, NULL);
	struct l4_endpoint any = ep_of("0.0.0.0", port);
	assert_int_equal(l4_udp_bind(t->h, ep, &any), 0);
	assert_int_equal(l4_udp_set(t->h, ep, L4_UDPOPT_RCVBUF, 1 << 20), 0);
	return ep;
}

static void setup(struct tn *t, l4_ep *u)
{
	tn_new(t);
	tn_know_peer(t);
	tn_settle(t);
	*u = open_port(t, 7);
}

static void fix_ip_csum(uint8_t *ip)
{
	unsigned hdr = (ip[0] & 15u) * 4;
	memset(ip + 10, 0, 2);
	uint16_t c = l4_csum_fold(l4_csum_partial(ip, hdr, 0));
	memcpy(ip + 10, &c, 2);
}

/* IP4-01: header length against total length: only the consistent cells pass up. */
static void ip4_01_length_grid(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned ihl = 0; ihl < 16; ihl++) {
		uint32_t hl = ihl * 4, payload = 20;
		uint32_t len = (hl < 20 ? 20 : hl) + payload;
		uint32_t total[] = { 0, 1, 19, 20, hl - 1, hl, len, len + 1, 65535 };
		for (unsigned k = 0; k < 9; k++) {
			char buf[64];
			struct tf_opt o = { .opts_len = (uint8_t)(hl > 20 ? hl - 20 : 0) };
			memset(o.opts, 1, sizeof(o.opts)); /* no-operation */
			tf_udp(&f, &o, 1000, 7, "0123456789ab", 12);
			uint8_t *ip = f.b + 14;
			ip[0] = (uint8_t)(0x40 | ihl);
			l4_put_u16(ip + 2, (uint16_t)total[k]);
			if (hl >= 20)
				fix_ip_csum(ip);
			tn_rxf(&t, &f);
			bool good = hl >= 20 && total[k] == len;
			assert_int_equal(
			    l4_udp_recv(t.h, u, buf, sizeof(buf), NULL, t.now) == 12, good);
			assert_int_equal(t.n_out, 0);
		}
	}
	tn_free(&t);
}

/* IP4-02: what pads the frame is no data. */
static void ip4_02_padding(void **state)
{
	struct tn t;
	l4_ep u;
	char buf[64];
	(void)state;
	setup(&t, &u);
	struct tf_opt o = { 0 };
	tf_udp(&f, &o, 1000, 7, "abc", 3);
	memset(f.b + f.len, 0xee, 60 - f.len);
	tn_rx(&t, f.b, 60);
	assert_int_equal(l4_udp_recv(t.h, u, buf, sizeof(buf), NULL, t.now), 3);
	tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "abc", 3);
	memset(f.b + f.len, 0xee, 60 - f.len);
	tn_rx(&t, f.b, 60);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(t.out[0].len, 14 + 20 + 8 + 3);
	for (uint32_t i = 0; i < t.out[0].len; i++)
		assert_int_not_equal(t.out[0].p[i], 0xee);
	tn_free(&t);
}

/* IP4-03: every kind of option with odd lengths at each offset: bounded, small answers. */
static void ip4_03_option_walk(void **state)
{
	static const uint8_t lens[] = { 0, 1, 2, 3, 39, 40, 255 };
	struct tn t;
	l4_ep u;
	char buf[64];
	(void)state;
	setup(&t, &u);
	for (unsigned kind = 0; kind < 256; kind++)
		for (unsigned l = 0; l < 7; l++)
			for (unsigned at = 0; at < 40; at += 13) {
				struct tf_opt o = { .opts_len = 40 };
				memset(o.opts, 1, 40);
				o.opts[at] = (uint8_t)kind;
				if (at < 39)
					o.opts[at + 1] = lens[l];
				tf_udp(&f, &o, 1000, 9, "x", 1);
				tn_rxf(&t, &f);
				for (unsigned i = 0; i < t.n_out; i++)
					assert_true(t.out[i].len <= 14 + 576);
				tn_clear(&t);
			}
	/* What is well formed and unknown is passed over: Stream Identifier, and one of no name. */
	for (unsigned i = 0; i < 2; i++) {
		struct tf_opt o = { .opts_len = 8 };
		memset(o.opts, 1, 8);
		o.opts[1] = i ? 222 : 136;
		o.opts[2] = 4;
		tf_udp(&f, &o, 1000, 7, "x", 1);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_recv(t.h, u, buf, sizeof(buf), NULL, t.now), 1);
	}
	struct tf_opt o = { 0 };
	tf_udp(&f, &o, 1000, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_recv(t.h, u, buf, sizeof(buf), NULL, t.now), 1);
	tn_free(&t);
}

/* IP4-04: source routes, one, two, mixed: never followed. IP4-05: nor in an echo request. */
static void ip4_04_source_routes(void **state)
{
	static const uint8_t route[][12] = {
		{ 131, 7, 4, 198, 51, 100, 9, 0 },
		{ 137, 7, 4, 198, 51, 100, 9, 0 },
		{ 137, 3, 4, 137, 7, 4, 198, 51, 100, 9, 0 },
		{ 131, 3, 4, 137, 3, 4, 1, 1 },
		{ 1, 1, 131, 7, 8, 198, 51, 100, 9, 0 },
	};
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	unsigned n = 0;
	for (unsigned i = 0; i < 5; i++) {
		struct tf_opt o = { .opts_len = 12 };
		memcpy(o.opts, route[i], 12);
		struct l4_tcp_hdr syn = {
			.sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 99
		};
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		tf_udp(&f, &o, 5, 9, "x", 1);
		tn_rxf(&t, &f);
		tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1); /* IP4-05 */
		tn_rxf(&t, &f);
		n += 3;
		assert_int_equal(t.n_out, 0);
		assert_int_equal(tn_drops(&t, L4_DROP_IP4_SRCROUTE), n);
	}
	tn_free(&t);
}

/* IP4-05: options that only record: the reply goes to the source, with no option. */
static void ip4_05_echo_with_options(void **state)
{
	static const uint8_t opt[][8] = { { 7, 7, 8, 1, 2, 3, 4, 0 }, { 7, 7, 255, 1, 2, 3, 4, 0 },
		{ 7, 7, 5, 1, 2, 3, 4, 0 }, { 68, 8, 9, 0, 1, 2, 3, 4 } };
	struct tn t;
	struct l4_packet k;
	struct l4_addr peer = ad("192.0.2.2");
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < 4; i++) {
		struct tf_opt o = { .opts_len = 8 };
		memcpy(o.opts, opt[i], 8);
		tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
		tn_rxf(&t, &f);
		for (unsigned n = 0; n < t.n_out; n++) {
			(void)tn_packet(&t, n, &k);
			assert_true(l4_addr_eq(&k.dst, &peer));
			assert_int_equal(k.ip_opts, 0);
		}
		tn_clear(&t);
	}
	tn_free(&t);
}

/* ---- Fragments ------------------------------------------------------------------------------ */

/* Bytes [off, off + len) of a UDP datagram to port 7, as a fragment. */
static void frag_in(struct tn *t, const struct tf_opt *in, const uint8_t *udp, uint32_t off,
    uint32_t len, bool more, uint16_t id)
{
	struct tf_opt o = *in;
	o.id = id;
	o.mf = more;
	o.frag_off = (uint16_t)off;
	tf_ip(&f, &o, L4_PROTO_UDP, udp + off, len);
	tn_rxf(t, &f);
}

static void make_udp(uint8_t *udp, uint32_t data_len, uint8_t fill)
{
	struct l4_udp_hdr h = { .sport = 1000, .dport = 7, .len = (uint16_t)(8 + data_len) };
	(void)l4_udp_emit(&h, udp, 8);
	for (uint32_t i = 0; i < data_len; i++)
		udp[8 + i] = (uint8_t)(i * 3 + fill);
	tf_csum(&(struct tf_opt){ 0 }, L4_PROTO_UDP, udp, 8 + data_len, 6);
}

static uint8_t udp[66000], udp2[66000], got[66000];

/* In order, reversed, shuffled: the same datagram (RFC 791, RFC 815). */
static void fragments_join_in_any_order(void **state)
{
	static const uint8_t order[][5] = { { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 0, 4, 1, 3 },
		{ 1, 3, 0, 2, 4 } };
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	make_udp(udp, 5 * 400 - 8 - 3, 0);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 5; k++) {
			uint32_t off = order[i][k] * 400u, end = off + 400;
			if (end > 5 * 400 - 3)
				end = 5 * 400 - 3;
			assert_int_equal(l4_udp_inq(t.h, u), 0);
			frag_in(&t, &o, udp, off, end - off, order[i][k] != 4, (uint16_t)i);
			/* exact repetitions are passed over */
			frag_in(&t, &o, udp, off, end - off, order[i][k] != 4, (uint16_t)(i + 99));
			frag_in(&t, &o, udp, off, end - off, order[i][k] != 4, (uint16_t)(i + 99));
		}
		assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), 1989);
		assert_memory_equal(got, udp + 8, 1989);
		assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), 1989);
	}
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* A datagram of the largest size crosses, cut at 1500 (IP-113, RFC 791). */
static void largest_datagram_crosses(void **state)
{
	static struct tn_pair p;
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tn_pair_new(&p);
		struct l4_endpoint to = ep_of(v6 ? "2001:db8::2" : "192.0.2.2", 53);
		l4_ep a = l4_udp_new(p.a.h, NULL), b = l4_udp_new(p.b.h, NULL);
		assert_int_equal(l4_udp_bind(p.b.h, b, &to), 0);
		uint32_t max = v6 ? 65527 : 65507;
		for (uint32_t i = 0; i < max; i++)
			udp[i] = (uint8_t)(i ^ i >> 8);
		assert_int_equal(l4_udp_send(p.a.h, a, &to, udp, max, p.a.now), max);
		tn_pair_run(&p, L4_SEC);
		assert_int_equal(l4_udp_recv(p.b.h, b, got, sizeof(got), NULL, p.b.now), max);
		assert_memory_equal(got, udp, max);
		assert_int_equal(l4_udp_send(p.a.h, a, &to, udp, max + 1, p.a.now), L4_EMSGSIZE);
		tn_pair_free(&p);
	}
}

/* IP4-06: ping of death. */
static void ip4_06_beyond_65535(void **state)
{
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	uint64_t alloc = tn_alloc(&t);
	for (uint32_t len = 1; len < 120; len++) {
		o.frag_off = 65528;
		o.id = (uint16_t)len;
		tf_ip(&f, &o, L4_PROTO_UDP, udp, len);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	assert_int_equal(tn_drops(&t, L4_DROP_IP4_FRAG_BIG), 119);
	assert_int_equal(tn_alloc(&t), alloc);
	tn_free(&t);
}

/* IP4-07 and IP4-08: every pair of ranges on a grid of six cells and a third that completes: what
 * comes up is the datagram as sent, or nothing. */
static void ip4_07_overlaps(void **state)
{
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	uint16_t id = 1;
	unsigned delivered = 0;
	(void)state;
	setup(&t, &u);
	make_udp(udp, 6 * 8 - 8, 0);
	memcpy(udp2, udp, 48);
	for (unsigned i = 8; i < 48; i++)
		udp2[i] ^= 0xff; /* IP4-08: the overlapping bytes differ */
	for (unsigned a = 0; a < 6; a++)
		for (unsigned b = a + 1; b <= 6; b++)
			for (unsigned c = 0; c < 6; c++)
				for (unsigned d = c + 1; d <= 6; d++, id++) {
					frag_in(&t, &o, udp, a * 8, (b - a) * 8, b < 6, id);
					bool same = a == c && b == d;
					bool apart = d <= a || c >= b;
					frag_in(&t, &o, apart ? udp : udp2, c * 8, (d - c) * 8,
					    d < 6, id);
					for (unsigned k = 0; k < 6; k++)
						if ((k < a || k >= b) &&
						    (!apart || k < c || k >= d))
							frag_in(&t, &o, udp, k * 8, 8, k < 5, id);
					int64_t n =
					    l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now);
					if (n >= 0) {
						assert_int_equal(n, 40);
						assert_memory_equal(got, udp + 8, 40);
						delivered++;
					}
					/* what is whole is no fragment; the first cell, the
					 * UDP header, is alike in both */
					bool whole = b - a == 6 || d - c == 6;
					bool repeated = same && b == 1;
					assert_int_equal(n >= 0, apart || whole || repeated);
				}
	assert_true(delivered > 0 && tn_drops(&t, L4_DROP_FRAG_OVERLAP) > 100);
	/* the teardrop itself */
	frag_in(&t, &o, udp, 0, 40, true, 60000);
	frag_in(&t, &o, udp, 24, 4, false, 60000);
	assert_int_equal(l4_udp_inq(t.h, u), 0);
	assert_int_equal(t.n_out, 0);
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-09: TCP headers cut in two. */
static void ip4_09_tiny_fragments(void **state)
{
	struct tn t;
	l4_ep u;
	uint8_t tcp[60];
	(void)state;
	setup(&t, &u);
	struct l4_tcp_hdr syn = { .sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 99 };
	int n = l4_tcp_emit(&syn, tcp, 60);
	assert_int_equal(n, 20);
	struct tf_opt o = { .mf = true, .id = 1 };
	tf_ip(&f, &o, L4_PROTO_TCP, tcp, 8);
	tn_rxf(&t, &f);
	o.mf = false;
	o.frag_off = 8;
	tf_ip(&f, &o, L4_PROTO_TCP, tcp + 8, 12);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_IP4_FRAG_TINY), 2);
	assert_int_equal(t.n_out, 0);
	tn_free(&t);
}

/* IP4-10: a flood of fragments: bounded memory and work, and the honest get through. */
static void ip4_10_fragment_flood(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	uint64_t base = tn_alloc(&t);
	make_udp(udp, 100, 0);
	for (uint32_t i = 0; i < 200000; i++) {
		char src[32];
		struct tf_opt o = { .src = src, .eth_src = &tn_mac_c };
		(void)snprintf(src, sizeof(src), "198.51.100.%u", i % 3 + 1);
		frag_in(&t, &o, udp, 8 * (i % 13), 8, true, (uint16_t)i);
		if (i % 1000 == 0) {
			assert_true(tn_alloc(&t) - base <= (4u << 20));
			tn_check(&t);
		}
	}
	/* One datagram in the worst order, more pieces than are kept. */
	for (uint32_t i = 0; i < 500; i++)
		frag_in(
		    &t, &(struct tf_opt){ .src = "198.51.100.7" }, udp2, 8 * (600 - i), 8, true, 9);
	struct tf_opt o = { 0 };
	frag_in(&t, &o, udp, 0, 56, true, 77);
	frag_in(&t, &o, udp, 56, 52, false, 77);
	assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), 100);
	tn_clear(&t);
	tn_run(&t, 60 * L4_SEC);
	assert_int_equal(tn_alloc(&t), base);
	tn_free(&t);
}

/* IP4-11: two datagrams with one id, mixed: never a mixture with a right checksum delivered. */
static void ip4_11_reused_id(void **state)
{
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	make_udp(udp, 792, 0);
	make_udp(udp2, 792, 77);
	frag_in(&t, &o, udp, 0, 400, true, 5);
	frag_in(&t, &o, udp2, 400, 400, false, 5);
	assert_int_equal(l4_udp_inq(t.h, u), 0);
	assert_int_equal(tn_drops(&t, L4_DROP_UDP_CSUM), 1);
	frag_in(&t, &o, udp2, 0, 400, true, 6);
	frag_in(&t, &o, udp, 0, 400, true, 6);
	frag_in(&t, &o, udp, 400, 400, false, 6);
	assert_int_equal(l4_udp_inq(t.h, u), 0);
	assert_int_equal(t.n_out, 0);
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-12: other protocols do not mix; the ECN table of RFC 3168 5.3. */
static void ip4_12_protocol_and_ecn(void **state)
{
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	struct l4_udp_msg m;
	(void)state;
	setup(&t, &u);
	make_udp(udp, 792, 0);
	o.proto = L4_PROTO_ICMP;
	frag_in(&t, &o, udp, 400, 400, false, 1);
	o.proto = 0;
	frag_in(&t, &o, udp, 0, 400, true, 1);
	assert_int_equal(l4_udp_inq(t.h, u), 0);
	for (uint8_t a = 0; a < 4; a++)
		for (uint8_t b = 0; b < 4; b++) {
			uint16_t id = (uint16_t)(10 + a * 4 + b);
			o.tos = a;
			frag_in(&t, &o, udp, 0, 400, true, id);
			o.tos = b;
			frag_in(&t, &o, udp, 400, 400, false, id);
			int64_t n = l4_udp_recv(t.h, u, got, sizeof(got), &m, t.now);
			bool refused = (a == 3 && b == 0) || (a == 0 && b == 3);
			assert_int_equal(n == 792, !refused);
			if (n < 0)
				continue;
			if (a == b)
				assert_int_equal(m.tos, a);
			else if (a == 3 || b == 3)
				assert_int_equal(m.tos, 3);
		}
	assert_int_equal(tn_drops(&t, L4_DROP_FRAG_ECN), 2);
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-13: more to come but not a multiple of 8; nothing at all. */
static void ip4_13_odd_lengths(void **state)
{
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	uint64_t alloc = tn_alloc(&t);
	frag_in(&t, &o, udp, 0, 13, true, 1);
	frag_in(&t, &o, udp, 0, 0, true, 2);
	frag_in(&t, &o, udp, 8, 0, false, 3);
	assert_int_equal(tn_drops(&t, L4_DROP_IP4_FRAG_LEN), 3);
	assert_int_equal(tn_alloc(&t), alloc);
	tn_free(&t);
}

/* IP4-14: all flag values, at offset 0 and 8. */
static void ip4_14_flags(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned flags = 0; flags < 8; flags++)
		for (unsigned off = 0; off < 2; off++) {
			struct tf_opt o = { .id = (uint16_t)(100 + flags * 2 + off) };
			tf_udp(&f, &o, 1000, 7, "0123456789abcdef", 16);
			uint8_t *ip = f.b + 14;
			l4_put_u16(ip + 6, (uint16_t)(flags << 13 | off));
			fix_ip_csum(ip);
			tn_rxf(&t, &f);
			/* the reserved bit and DF change nothing */
			bool whole = !(flags & 1) && !off;
			assert_int_equal(
			    l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now) == 16, whole);
			assert_int_equal(t.n_out, 0);
		}
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-15: two last fragments, data behind the last one, in all orders. */
static void ip4_15_two_ends(void **state)
{
	static const struct {
		uint16_t off, len;
		bool more;
	} part[3] = { { 0, 400, true }, { 400, 392, false }, { 792, 104, false } };
	static const uint8_t order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	struct tn t;
	l4_ep u;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	make_udp(udp, 888, 0);
	for (uint16_t i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 3; k++) {
			unsigned x = order[i][k];
			frag_in(&t, &o, udp, part[x].off, part[x].len, part[x].more, i);
		}
		while (l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now) >= 0)
			fail_msg("order %u delivered", i);
	}
	assert_true(tn_drops(&t, L4_DROP_FRAG_END) >= 4);
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-16: tunnels are not opened. */
static void ip4_16_tunnels(void **state)
{
	struct tn t;
	l4_ep u;
	static struct tf inner;
	(void)state;
	setup(&t, &u);
	struct tf_opt o = { 0 };
	tf_udp(&inner, &o, 1000, 7, "inner", 5);
	l4_put_u16(inner.b + 14 + 2, 21); /* shorter than what is there */
	fix_ip_csum(inner.b + 14);
	for (unsigned i = 0; i < 2; i++) {
		tf_ip(&f, &o, i ? L4_PROTO_IP6 : L4_PROTO_IPIP, inner.b + 14, inner.len - 14);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_inq(t.h, u), 0);
	}
	assert_int_equal(tn_drops(&t, L4_DROP_IP_PROTO), 2);
	for (unsigned i = 0; i < t.n_out; i++) {
		struct l4_packet k;
		const uint8_t *p = tn_packet(&t, i, &k);
		assert_int_equal(p[k.l4_off], L4_ICMP_UNREACH);
		assert_int_equal(p[k.l4_off + 1], L4_ICMP_UNREACH_PROTO);
	}
	/* The same in fragments. */
	tn_clear(&t);
	o.mf = true;
	tf_ip(&f, &o, L4_PROTO_IPIP, inner.b + 14, 16);
	tn_rxf(&t, &f);
	o.mf = false;
	o.frag_off = 16;
	tf_ip(&f, &o, L4_PROTO_IPIP, inner.b + 30, inner.len - 30);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_inq(t.h, u), 0);
	tn_free(&t);
}

/* IP4-17: packets worth an error in contexts in which none may be sent. */
static void ip4_17_no_error_storms(void **state)
{
	static const struct {
		const char *src, *dst;
		const struct l4_mac *eth_dst;
		bool icmp_error, rest;
	} bad[] = {
		{ .dst = "192.0.2.255", .eth_dst = &tn_broadcast },
		{ .dst = "255.255.255.255", .eth_dst = &tn_broadcast },
		{ .dst = "224.0.0.1", .eth_dst = &tn_broadcast },
		{ .eth_dst = &tn_broadcast },
		{ .src = "0.0.0.0" },
		{ .src = "127.0.0.1" },
		{ .src = "224.0.0.9" },
		{ .src = "192.0.2.255" },
		{ .src = "255.255.255.255" },
		{ .src = "240.1.1.1" },
		{ .icmp_error = true },
		{ .rest = true },
	};
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tf_opt o = {
			.src = bad[i].src, .dst = bad[i].dst, .eth_dst = bad[i].eth_dst
		};
		if (bad[i].icmp_error) {
			/* an error about nothing we sent, and an unknown type */
			static const uint8_t quote[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 1, 17, 0, 0,
				192, 0, 2, 1, 192, 0, 2, 2, 0, 9, 0, 9 };
			for (unsigned type = 0; type < 256; type++) {
				if (type == L4_ICMP_ECHO)
					continue;
				tf_icmp(&f, &o, (uint8_t)type, 0, 0, quote, 28);
				tn_rxf(&t, &f);
			}
			assert_int_equal(t.n_out, 0);
			continue;
		}
		if (bad[i].rest)
			o.frag_off = 64;
		tf_udp(&f, &o, 5, 9, "x", 1);
		tn_rxf(&t, &f);
		o.proto = 250;
		tf_udp(&f, &o, 5, 9, "x", 1);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
	}
	/* and the same packet without fault is answered */
	tf_udp(&f, &(struct tf_opt){ 0 }, 5, 9, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1);
	tn_run(&t, 40 * L4_SEC);
	tn_free(&t);
}

/* IP4-18: every single bit flipped in the header. */
static void ip4_18_header_checksum(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned bit = 0; bit < 160; bit++) {
		tf_udp(&f, &(struct tf_opt){ 0 }, 1000, 7, "x", 1);
		f.b[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_inq(t.h, u), 0);
		assert_int_equal(l4_udp_ready(t.h, u) & L4_EV_READABLE, 0);
		assert_int_equal(t.n_out, 0);
	}
	tn_free(&t);
}

/* IP4-19: checksums that come out as 0 and 0xffff, over all values of one field. */
static void ip4_19_checksum_corners(void **state)
{
	struct tn t;
	l4_ep u;
	unsigned zero = 0;
	(void)state;
	setup(&t, &u);
	for (uint32_t id = 0; id < 65536; id++) {
		struct tf_opt o = { .id = (uint16_t)id };
		tf_udp(&f, &o, 1000, 7, "x", 1);
		zero += l4_get_u16(f.b + 24) == 0;
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_recv(t.h, u, got, 8, NULL, t.now), 1);
	}
	assert_true(zero >= 1);
	tn_free(&t);
}

/* IP4-20: TTL 0 and 1 for us is for us; for another it is nothing. */
static void ip4_20_small_ttl(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (uint8_t ttl = 0; ttl < 2; ttl++) {
		struct tf_opt o = { .ttl = 1 };
		tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
		f.b[14 + 8] = ttl;
		fix_ip_csum(f.b + 14);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		assert_true(t.out[0].p[14 + 8] >= 1); /* and nothing is sent with TTL 0 */
		tn_clear(&t);
		o.dst = "198.51.100.1";
		tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	assert_int_equal(tn_drops(&t, L4_DROP_IP_NOT_OURS), 2);
	tn_free(&t);
}

/* IP4-21: time exceeded only if the first fragment came. */
static void ip4_21_reassembly_timeout(void **state)
{
	struct tn t;
	l4_ep u;
	struct l4_packet k;
	struct tf_opt o = { 0 };
	(void)state;
	setup(&t, &u);
	uint64_t alloc = tn_alloc(&t);
	make_udp(udp, 792, 0);
	frag_in(&t, &o, udp, 400, 400, false, 1);
	tn_run(&t, 60 * L4_SEC);
	assert_int_equal(t.n_out, 0);
	frag_in(&t, &o, udp, 0, 400, true, 2);
	tn_run(&t, 29 * L4_SEC);
	assert_int_equal(t.n_out, 0);
	tn_run(&t, 2 * L4_SEC);
	assert_int_equal(t.n_out, 1);
	const uint8_t *p = tn_packet(&t, 0, &k);
	assert_int_equal(p[k.l4_off], L4_ICMP_TIME_EXCEEDED);
	assert_int_equal(p[k.l4_off + 1], 1);
	assert_memory_equal(p + k.l4_off + 8 + 20, udp, 400);
	assert_int_equal(tn_drops(&t, L4_DROP_FRAG_TIMEOUT), 2);
	assert_int_equal(tn_alloc(&t), alloc);
	tn_free(&t);
}

/* IP4-22: TCP to and from groups and broadcast addresses. */
static void ip4_22_tcp_to_groups(void **state)
{
	static const char *const dst[] = { "240.0.0.1", "0.0.0.0", "192.0.2.255", "255.255.255.255",
		"224.0.0.1" };
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < 5; i++) {
		struct tf_opt o = { .dst = dst[i], .eth_dst = i ? &tn_broadcast : &tn_mac_a };
		struct l4_tcp_hdr syn = {
			.sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 99
		};
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
		if (i == 0)
			continue;
		l4_ep c = l4_tcp_new(t.h, NULL);
		struct l4_endpoint to = ep_of(dst[i], 80);
		assert_true(l4_tcp_connect(t.h, c, &to, t.now) < 0);
	}
	tn_free(&t);
}

/* A path with a smaller MTU: what is sent is cut, with DF it is refused (IP-118 to IP-120). */
static void mtu_rules_sending(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	struct l4_endpoint to = ep_of("192.0.2.2", 9);
	assert_int_equal(l4_host_set_mtu(t.h, 1, 600, t.now), 0);
	assert_int_equal(l4_udp_send(t.h, u, &to, udp, 1000, t.now), 1000);
	tn_pull(&t);
	assert_int_equal(t.n_out, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_true(t.out[i].len <= 614);
	assert_int_equal(l4_get_u16(t.out[0].p + 14 + 4), l4_get_u16(t.out[1].p + 14 + 4));
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_DONTFRAG, 1), 0);
	assert_int_equal(l4_udp_send(t.h, u, &to, udp, 1000, t.now), L4_EMSGSIZE);
	assert_int_equal(l4_udp_send(t.h, u, &to, udp, 572, t.now), 572);
	tn_clear(&t);
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_01_length_grid),
		cmocka_unit_test(ip4_02_padding),
		cmocka_unit_test(ip4_03_option_walk),
		cmocka_unit_test(ip4_04_source_routes),
		cmocka_unit_test(ip4_05_echo_with_options),
		cmocka_unit_test(fragments_join_in_any_order),
		cmocka_unit_test(largest_datagram_crosses),
		cmocka_unit_test(ip4_06_beyond_65535),
		cmocka_unit_test(ip4_07_overlaps),
		cmocka_unit_test(ip4_09_tiny_fragments),
		cmocka_unit_test(ip4_10_fragment_flood),
		cmocka_unit_test(ip4_11_reused_id),
		cmocka_unit_test(ip4_12_protocol_and_ecn),
		cmocka_unit_test(ip4_13_odd_lengths),
		cmocka_unit_test(ip4_14_flags),
		cmocka_unit_test(ip4_15_two_ends),
		cmocka_unit_test(ip4_16_tunnels),
		cmocka_unit_test(ip4_17_no_error_storms),
		cmocka_unit_test(ip4_18_header_checksum),
		cmocka_unit_test(ip4_19_checksum_corners),
		cmocka_unit_test(ip4_20_small_ttl),
		cmocka_unit_test(ip4_21_reassembly_timeout),
		cmocka_unit_test(ip4_22_tcp_to_groups),
		cmocka_unit_test(mtu_rules_sending),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
