/* IPv6 as strangers send it: lengths, extension headers, fragments (security cases IP6). */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static uint8_t buf[66000], udp[66000], got[66000];
static const struct tf_opt v6 = { .src = "2001:db8::2", .dst = "2001:db8::1" };

static l4_ep open_port(struct tn *t, uint16_t port)
{
	l4_ep ep = l4_udp_new(t->h, NULL);
	struct l4_endpoint any = ep_of("::", port);
	assert_int_equal(l4_udp_bind(t->h, ep, &any), 0);
	return ep;
}

static void setup(struct tn *t, l4_ep *u)
{
	tn_new(t);
	tn_know_peer(t);
	tn_settle(t);
	*u = open_port(t, 7);
}

static bool received(struct tn *t, l4_ep u)
{
	return l4_udp_recv(t->h, u, got, sizeof(got), NULL, t->now) >= 0;
}

/* A datagram of n bytes to port 7 in udp[]; returns its length. */
static uint32_t make_udp(uint32_t n)
{
	struct l4_udp_hdr h = { .sport = 1000, .dport = 7, .len = (uint16_t)(8 + n) };
	(void)l4_udp_emit(&h, udp, 8);
	for (uint32_t i = 0; i < n; i++)
		udp[8 + i] = (uint8_t)(i * 5);
	tf_csum(&v6, L4_PROTO_UDP, udp, 8 + n, 6);
	return 8 + n;
}

/* What follows the IPv6 header, with its first Next Header. */
static void in6(struct tn *t, const struct tf_opt *o, uint8_t next, const uint8_t *p, uint32_t len)
{
	tf_ip(&f, o, next, p, len);
	tn_rxf(t, &f);
}

/* The one ICMPv6 error that came out; its type and code in *type, pointer or MTU returned. */
static uint32_t error_out(struct tn *t, uint8_t *type, uint8_t *code)
{
	struct l4_packet k;
	assert_int_equal(t->n_out, 1);
	const uint8_t *p = tn_packet(t, 0, &k);
	assert_int_equal(k.proto, L4_PROTO_ICMP6);
	*type = p[k.l4_off];
	*code = p[k.l4_off + 1];
	uint32_t rest = l4_get_u32(p + k.l4_off + 4);
	tn_clear(t);
	t->now += L4_SEC; /* the rate limit forgets */
	return rest;
}

/* IP6-01: payload length against what is there. */
static void ip6_01_payload_length(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	uint32_t n = make_udp(12);
	const uint32_t len[] = { 0, 1, 7, 8, n - 1, n, n + 1, 65535 };
	for (unsigned i = 0; i < 8; i++) {
		tf_ip(&f, &v6, L4_PROTO_UDP, udp, n);
		l4_put_u16(f.b + 14 + 4, (uint16_t)len[i]);
		tn_rxf(&t, &f);
		assert_int_equal(received(&t, u), len[i] == n);
		assert_int_equal(t.n_out, 0);
	}
	/* padding behind the packet is left off */
	tf_ip(&f, &v6, L4_PROTO_UDP, udp, n);
	memset(f.b + f.len, 0xee, 10);
	tn_rx(&t, f.b, f.len + 10);
	assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), 12);
	tn_free(&t);
}

/* IP6-02: extension lengths times option lengths, in blocks of the exact size. */
static void ip6_02_extension_lengths(void **state)
{
	static const uint8_t kind[] = { L4_PROTO_HOPOPTS, L4_PROTO_DSTOPTS, L4_PROTO_ROUTING };
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned k = 0; k < 3; k++)
		for (unsigned ext = 0; ext < 256; ext++)
			for (unsigned opt = 0; opt < 256; opt += opt < 16 ? 1 : 17)
				for (uint32_t n = 8; n <= 64; n += 14) {
					memset(buf, 0, n);
					buf[0] = L4_PROTO_UDP;
					buf[1] = (uint8_t)ext;
					buf[2] = k == 2 ? 0 : 1;
					buf[3] = (uint8_t)opt;
					in6(&t, &v6, kind[k], buf, n);
					tn_clear(&t);
				}
	in6(&t, &v6, L4_PROTO_UDP, udp, make_udp(3));
	assert_true(received(&t, u));
	tn_free(&t);
}

/* IP6-03: long chains, hop-by-hop not first. */
static void ip6_03_long_chains(void **state)
{
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	for (unsigned n = 0; n < 180; n++) {
		for (unsigned i = 0; i < n; i++) {
			uint8_t *e = buf + 8 * i;
			memset(e, 0, 8);
			e[0] = i + 1 < n ? L4_PROTO_DSTOPTS : L4_PROTO_UDP;
		}
		uint32_t len = make_udp(2);
		memcpy(buf + 8 * n, udp, len);
		in6(&t, &v6, n ? L4_PROTO_DSTOPTS : L4_PROTO_UDP, buf, 8 * n + len);
		assert_int_equal(received(&t, u), n <= L4_IP6_EXT_MAX);
		assert_true(t.n_out <= 1);
		tn_clear(&t);
	}
	assert_true(tn_drops(&t, L4_DROP_IP6_EXT_MANY) > 100);
	tn_run(&t, 20 * L4_SEC);
	memset(buf, 0, 16);
	buf[0] = L4_PROTO_HOPOPTS;
	buf[8] = L4_PROTO_UDP;
	in6(&t, &v6, L4_PROTO_DSTOPTS, buf, 24);
	assert_int_equal(error_out(&t, &type, &code), 40); /* RFC 8200 4.1 */
	assert_int_equal(type, L4_ICMP6_PARAM);
	assert_int_equal(code, 1);
	tn_free(&t);
}

/* IP6-04: what the high bits of an unknown option ask for. */
static void ip6_04_option_actions(void **state)
{
	(void)state;
	for (unsigned act = 0; act < 4; act++)
		for (unsigned multicast = 0; multicast < 2; multicast++) {
			struct tn t;
			l4_ep u;
			struct l4_mac all = { { 0x33, 0x33, 0, 0, 0, 1 } };
			struct tf_opt o = v6;
			setup(&t, &u);
			if (multicast) {
				o.dst = "ff02::1";
				o.eth_dst = &all;
			}
			memset(buf, 0, 8);
			buf[0] = L4_PROTO_UDP;
			buf[2] = (uint8_t)(act << 6 | 0x1e);
			buf[3] = 4;
			struct l4_udp_hdr h = { .sport = 1000, .dport = 7, .len = 8 };
			(void)l4_udp_emit(&h, buf + 8, 8);
			tf_csum(&o, L4_PROTO_UDP, buf + 8, 8, 6);
			in6(&t, &o, L4_PROTO_DSTOPTS, buf, 16);
			bool tell = act == 2 || (act == 3 && !multicast);
			assert_int_equal(received(&t, u), act == 0);
			assert_int_equal(t.n_out, tell);
			if (tell) {
				uint8_t type, code;
				assert_int_equal(error_out(&t, &type, &code), 42);
				assert_int_equal(type, L4_ICMP6_PARAM);
				assert_int_equal(code, 2);
			}
			tn_free(&t);
		}
}

/* IP6-05: routing headers with segments left. */
static void ip6_05_routing_headers(void **state)
{
	static const uint8_t types[] = { 0, 1, 2, 3, 4, 253, 255 };
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < sizeof(types); i++)
		for (unsigned left = 0; left < 256; left += left < 3 ? 1 : 84) {
			struct l4_addr hop = ad("2001:db8::66");
			memset(buf, 0, 24);
			buf[0] = L4_PROTO_UDP;
			buf[1] = 2;
			buf[2] = types[i];
			buf[3] = (uint8_t)left;
			memcpy(buf + 8, hop.b, 16);
			uint32_t len = make_udp(2);
			memcpy(buf + 24, udp, len);
			in6(&t, &v6, L4_PROTO_ROUTING, buf, 24 + len);
			assert_int_equal(received(&t, u), left == 0);
			if (left) {
				assert_int_equal(error_out(&t, &type, &code), 42);
				assert_int_equal(type, L4_ICMP6_PARAM);
				assert_int_equal(code, 0);
			}
			assert_int_equal(t.n_out, 0);
		}
	tn_free(&t);
}

/* ---- Fragments ------------------------------------------------------------------------------ */

static void frag6(
    struct tn *t, const uint8_t *whole, uint32_t off, uint32_t len, bool more, uint32_t id)
{
	(void)l4_ip6_frag_emit(L4_PROTO_UDP, (uint16_t)off, more, id, buf, 8);
	memcpy(buf + 8, whole + off, len);
	in6(t, &v6, L4_PROTO_FRAGMENT, buf, 8 + len);
}

/* IP6-06: every pair of ranges; after an overlap the id is dead till its time is up. */
static void ip6_06_overlaps(void **state)
{
	struct tn t;
	l4_ep u;
	uint32_t id = 1;
	(void)state;
	setup(&t, &u);
	assert_int_equal(make_udp(40), 48);
	for (unsigned a = 0; a < 6; a++)
		for (unsigned b = a + 1; b <= 6; b++)
			for (unsigned c = 0; c < 6; c++)
				for (unsigned d = c + 1; d <= 6; d++, id++) {
					if (b - a == 6 || d - c == 6)
						continue; /* atomic fragments: IP6-07 */
					bool apart = d <= a || c >= b, same = a == c && b == d;
					frag6(&t, udp, a * 8, (b - a) * 8, b < 6, id);
					frag6(&t, udp, c * 8, (d - c) * 8, d < 6, id);
					/* all that is missing comes, twice */
					for (unsigned k = 0; k < 12; k++)
						if ((k % 6 < a || k % 6 >= b) &&
						    (!apart || k % 6 < c || k % 6 >= d))
							frag6(&t, udp, k % 6 * 8, 8, k % 6 < 5, id);
					assert_int_equal(received(&t, u), apart || same);
					assert_false(received(&t, u));
				}
	tn_clear(&t);
	assert_true(tn_drops(&t, L4_DROP_FRAG_OVERLAP) > 100);
	tn_run(&t, 70 * L4_SEC);
	tn_free(&t);
}

/* IP6-07: atomic fragments stand alone (RFC 6946). */
static void ip6_07_atomic_fragments(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	uint32_t n = make_udp(72);
	frag6(&t, udp, 0, 40, true, 5);
	frag6(&t, udp, 0, n, false, 5);
	assert_true(received(&t, u));
	frag6(&t, udp, 40, 40, false, 5);
	assert_true(received(&t, u));
	assert_false(received(&t, u));
	/* A path MTU below 1280 makes no fragment (RFC 8200 5). */
	l4_ep c = l4_udp_new(t.h, NULL);
	struct l4_endpoint to = ep_of("2001:db8::2", 9);
	assert_int_equal(l4_udp_connect(t.h, c, &to), 0);
	assert_int_equal(l4_udp_send(t.h, c, NULL, udp, 1200, t.now), 1200);
	tn_pull(&t);
	assert_int_equal(t.n_out, 1);
	uint8_t quote[1240];
	memcpy(quote, t.out[0].p + 14, 1000);
	tn_clear(&t);
	tf_icmp(&f, &v6, L4_ICMP6_TOO_BIG, 0, 296, quote, 1000);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_send(t.h, c, NULL, udp, 1200, t.now), 1200);
	tn_pull(&t);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(t.out[0].p[14 + 6], L4_PROTO_UDP);
	tn_free(&t);
}

/* IP6-08: fragment headers in fragments. */
static void ip6_08_nested_fragments(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned depth = 2; depth <= 5; depth++) {
		uint32_t len = make_udp(10);
		for (unsigned i = 0; i < depth; i++)
			(void)l4_ip6_frag_emit(i + 1 < depth ? L4_PROTO_FRAGMENT : L4_PROTO_UDP, 0,
			    false, depth, buf + 8 * i, 8);
		memcpy(buf + 8 * depth, udp, len);
		in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 8 * depth + len);
		assert_false(received(&t, u));
		/* and hidden in the reassembled packet */
		uint8_t inner[64];
		(void)l4_ip6_frag_emit(L4_PROTO_UDP, 0, false, 1, inner, 8);
		memcpy(inner + 8, udp, len);
		(void)l4_ip6_frag_emit(L4_PROTO_DSTOPTS, 0, true, 90 + depth, buf, 8);
		memset(buf + 8, 0, 8);
		buf[8] = L4_PROTO_FRAGMENT;
		in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 16);
		(void)l4_ip6_frag_emit(L4_PROTO_DSTOPTS, 8, false, 90 + depth, buf, 8);
		memcpy(buf + 8, inner, 8 + len);
		in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 16 + len);
		assert_false(received(&t, u));
	}
	tn_clear(&t);
	tn_run(&t, 70 * L4_SEC);
	tn_free(&t);
}

/* IP6-09: the first fragment without the whole chain (RFC 7112). */
static void ip6_09_cut_chain(void **state)
{
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	uint32_t len = make_udp(16);
	(void)l4_ip6_frag_emit(L4_PROTO_DSTOPTS, 0, true, 3, buf, 8);
	memset(buf + 8, 0, 8);
	buf[8] = L4_PROTO_UDP;
	in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 16);
	(void)error_out(&t, &type, &code);
	assert_int_equal(type, L4_ICMP6_PARAM);
	assert_int_equal(code, 3);
	(void)l4_ip6_frag_emit(L4_PROTO_DSTOPTS, 8, false, 3, buf, 8);
	memcpy(buf + 8, udp, len);
	in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 8 + len);
	assert_false(received(&t, u));
	assert_int_equal(tn_drops(&t, L4_DROP_IP6_FRAG_CHAIN), 1);
	tn_clear(&t);
	tn_run(&t, 70 * L4_SEC);
	assert_int_equal(t.n_out, 0);
	tn_free(&t);
}

/* IP6-10: pointers of the answers to odd lengths and to ends beyond 65535. */
static void ip6_10_fragment_errors(void **state)
{
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	(void)make_udp(100);
	frag6(&t, udp, 0, 13, true, 1);
	assert_int_equal(error_out(&t, &type, &code), 4);
	assert_int_equal(type, L4_ICMP6_PARAM);
	assert_int_equal(code, 0);
	(void)l4_ip6_frag_emit(L4_PROTO_UDP, 65528, false, 2, buf, 8);
	memcpy(buf + 8, udp, 100);
	in6(&t, &v6, L4_PROTO_FRAGMENT, buf, 108);
	assert_int_equal(error_out(&t, &type, &code), 42);
	assert_int_equal(type, L4_ICMP6_PARAM);
	assert_int_equal(code, 0);
	tn_free(&t);
}

/* IP6-11: bad options, fragments and the timeout, interleaved: memory balances. */
static void ip6_11_errors_and_timeouts(void **state)
{
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	uint64_t alloc = tn_alloc(&t);
	(void)make_udp(200);
	for (uint32_t i = 0; i < 3000; i++) {
		memset(buf, 0, 16);
		buf[0] = L4_PROTO_FRAGMENT;
		buf[2] = 0x81; /* drop and tell */
		buf[3] = 200;
		(void)l4_ip6_frag_emit(
		    L4_PROTO_UDP, (uint16_t)(i % 5 * 8), true, i % 7, buf + 8, 8);
		memcpy(buf + 16, udp, 32);
		in6(&t, &v6, L4_PROTO_DSTOPTS, buf, 48);
		frag6(&t, udp, i % 9 * 16, 16, i % 11 != 0, i % 7);
		if (i % 64 == 0)
			tn_run(&t, L4_SEC);
		tn_clear(&t);
	}
	while (received(&t, u))
		continue;
	tn_run(&t, 61 * L4_SEC);
	tn_clear(&t);
	assert_int_equal(tn_alloc(&t), alloc);
	tn_free(&t);
}

/* IP6-12: jumbo payload options are refused by their own bits. */
static void ip6_12_jumbograms(void **state)
{
	static const uint32_t len[] = { 0, 65535, 65536, 0xffffffff };
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	uint64_t alloc = tn_alloc(&t);
	for (unsigned i = 0; i < 4; i++) {
		memset(buf, 0, 8);
		buf[0] = L4_PROTO_UDP;
		buf[2] = 0xc2;
		buf[3] = 4;
		l4_put_u32(buf + 4, len[i]);
		in6(&t, &v6, L4_PROTO_HOPOPTS, buf, 8 + make_udp(4));
		assert_int_equal(error_out(&t, &type, &code), 42);
		assert_int_equal(type, L4_ICMP6_PARAM);
		assert_int_equal(code, 2);
		/* with payload length 0, as a jumbogram would have it */
		tf_ip(&f, &v6, L4_PROTO_HOPOPTS, buf, 20);
		l4_put_u16(f.b + 18, 0);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	assert_int_equal(tn_alloc(&t), alloc);
	tn_free(&t);
}

/* IP6-13: addresses that the wire cannot have. */
static void ip6_13_strange_addresses(void **state)
{
	static const char *const pair[][2] = {
		{ "::1", "2001:db8::1" },
		{ "ff02::9", "2001:db8::1" },
		{ "::", "2001:db8::1" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "2001:db8::2", "::1" },
		{ "2001:db8::2", "::" },
		{ "2001:db8::2", "2001:db8::9" },
	};
	struct tn t;
	l4_ep u;
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < sizeof(pair) / sizeof(pair[0]) + 2; i++) {
		struct l4_udp_hdr h = { .sport = 1000, .dport = 7, .len = 8 };
		struct l4_ip6_hdr ip = { .next = L4_PROTO_UDP, .payload_len = 8, .hop_limit = 64 };
		if (i < sizeof(pair) / sizeof(pair[0])) {
			ip.src = ad(pair[i][0]);
			ip.dst = ad(pair[i][1]);
		} else { /* IPv4-mapped ones, on either side */
			bool dst = i & 1;
			ip.src = ad(dst ? "2001:db8::2" : "127.0.0.1");
			ip.dst = ad(dst ? "192.0.2.1" : "2001:db8::1");
		}
		tf_eth(&f, &tn_mac_a, &tn_mac_b, L4_ETHERTYPE_IP6);
		(void)l4_ip6_emit(&ip, f.b + 14, 40);
		(void)l4_udp_emit(&h, f.b + 54, 8);
		uint16_t c = l4_wire_csum(&ip.src, &ip.dst, L4_PROTO_UDP, f.b + 54, 8);
		memcpy(f.b + 60, &c, 2);
		f.len = 62;
		tn_rxf(&t, &f);
		assert_false(received(&t, u));
		assert_int_equal(t.n_out, 0);
	}
	tn_free(&t);
}

/* IP6-14: flow labels: keyed by a secret, spread over the whole range. */
static void ip6_14_flow_labels(void **state)
{
	static uint32_t label[2][1000];
	unsigned same = 0, bin[16] = { 0 };
	(void)state;
	for (unsigned run = 0; run < 2; run++) {
		struct l4_host_config hc;
		struct l4_iface_config ic;
		struct tn t;
		l4_host_config_init(&hc);
		hc.seed[0] = (uint8_t)(run + 1);
		tn_iface(&ic, &tn_mac_a);
		tn_new_with(&t, &hc, &ic);
		struct l4_prefix p6 = px("2001:db8::1/64");
		assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
		tn_know_peer(&t);
		tn_settle(&t);
		l4_ep u = l4_udp_new(t.h, NULL);
		struct l4_endpoint local = ep_of("2001:db8::1", 5000);
		assert_int_equal(l4_udp_bind(t.h, u, &local), 0);
		for (uint16_t i = 0; i < 1000; i++) {
			struct l4_endpoint to = ep_of("2001:db8::2", (uint16_t)(i + 1));
			assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
			tn_pull(&t);
			label[run][i] = l4_get_u32(t.out[0].p + 14) & 0xfffff;
			assert_int_not_equal(label[run][i], 0);
			bin[label[run][i] >> 16]++;
			tn_clear(&t);
		}
		tn_free(&t);
	}
	for (unsigned i = 0; i < 1000; i++)
		same += label[0][i] == label[1][i];
	assert_true(same <= 2);
	for (unsigned i = 0; i < 16; i++) /* 125 expected, sigma 11 */
		assert_true(bin[i] > 75 && bin[i] < 175);
}

/* IP6-15: no next header, and unknown ones. IP6-16: AH and ESP. */
static void ip6_15_next_headers(void **state)
{
	struct tn t;
	l4_ep u;
	uint8_t type, code;
	(void)state;
	setup(&t, &u);
	in6(&t, &v6, L4_PROTO_NONE, udp, make_udp(4));
	assert_int_equal(t.n_out, 0);
	/* IP6-16: AH with odd lengths behind a hop-by-hop header, ESP */
	static const uint8_t unknown[] = { 253, 255, L4_PROTO_AH, L4_PROTO_ESP };
	for (unsigned i = 0; i < sizeof(unknown); i++) {
		in6(&t, &v6, unknown[i], udp, make_udp(4));
		assert_int_equal(error_out(&t, &type, &code), 6);
		assert_int_equal(type, L4_ICMP6_PARAM);
		assert_int_equal(code, 1);
	}
	for (unsigned len = 0; len < 256; len += 255) {
		memset(buf, 0, 16);
		buf[0] = L4_PROTO_AH;
		buf[8] = L4_PROTO_UDP;
		buf[9] = (uint8_t)len;
		uint32_t n = make_udp(4);
		memcpy(buf + 16, udp, n);
		in6(&t, &v6, L4_PROTO_HOPOPTS, buf, 16 + n);
		assert_int_equal(error_out(&t, &type, &code), 40);
		assert_false(received(&t, u));
	}
	tn_free(&t);
}

/* IP6-17: identifications of our fragments to two hosts have nothing to do with each other. */
static void ip6_17_fragment_ids(void **state)
{
	struct tn t;
	l4_ep u;
	static uint32_t id[2000];
	(void)state;
	setup(&t, &u);
	for (unsigned i = 0; i < 2000; i++) {
		struct l4_endpoint to = ep_of("2001:db8::2", (uint16_t)(9 + (i & 1)));
		assert_int_equal(l4_udp_send(t.h, u, &to, udp, 1500, t.now), 1500);
		tn_pull(&t);
		assert_int_equal(t.n_out, 2);
		id[i] = l4_get_u32(t.out[0].p + 14 + 40 + 4);
		assert_int_equal(id[i], l4_get_u32(t.out[1].p + 14 + 40 + 4));
		tn_clear(&t);
	}
	unsigned near = 0, up = 0;
	for (unsigned i = 1; i < 2000; i++) {
		near += id[i] - id[i - 1] + 1000 < 2000;
		up += id[i] > id[i - 1];
	}
	assert_true(near <= 2);
	assert_true(up > 850 && up < 1150);
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip6_01_payload_length),
		cmocka_unit_test(ip6_02_extension_lengths),
		cmocka_unit_test(ip6_03_long_chains),
		cmocka_unit_test(ip6_04_option_actions),
		cmocka_unit_test(ip6_05_routing_headers),
		cmocka_unit_test(ip6_06_overlaps),
		cmocka_unit_test(ip6_07_atomic_fragments),
		cmocka_unit_test(ip6_08_nested_fragments),
		cmocka_unit_test(ip6_09_cut_chain),
		cmocka_unit_test(ip6_10_fragment_errors),
		cmocka_unit_test(ip6_11_errors_and_timeouts),
		cmocka_unit_test(ip6_12_jumbograms),
		cmocka_unit_test(ip6_13_strange_addresses),
		cmocka_unit_test(ip6_14_flow_labels),
		cmocka_unit_test(ip6_15_next_headers),
		cmocka_unit_test(ip6_17_fragment_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
