/* IP and ICMP, rule by rule: what RFC 8200, 8201, 4443, 6864, 6437 and 1122 demand of a host and
 * the tests of attacks (ip4, ip6, icmp) do not show already. */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static uint8_t data[9000], got[9000];
static const struct tf_opt v6 = { .src = "2001:db8::2", .dst = "2001:db8::1" };
static const struct tf_opt v4 = { .src = "192.0.2.2", .dst = "192.0.2.1" };

static void setup(struct tn *t)
{
	tn_new(t);
	tn_know_peer(t);
	tn_settle(t);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
}

static l4_ep port7(struct tn *t, bool six)
{
	l4_ep u = l4_udp_new(t->h, NULL);
	struct l4_endpoint any = ep_of(six ? "::" : "0.0.0.0", 7);
	assert_int_equal(l4_udp_bind(t->h, u, &any), 0);
	return u;
}

static l4_ep connected_udp(struct tn *t, const char *to)
{
	l4_ep u = l4_udp_new(t->h, NULL);
	struct l4_endpoint dst = ep_of(to, 9);
	assert_int_equal(l4_udp_connect(t->h, u, &dst), 0);
	return u;
}

/* Tells the sender of frame i that it is too big for the path. */
static void too_big(struct tn *t, unsigned i, bool six, uint32_t mtu, const char *router)
{
	uint8_t quote[600];
	uint32_t n = t->out[i].len - 14 < 500 ? t->out[i].len - 14 : 500;
	struct tf_opt o = { .src = router, .dst = six ? "2001:db8::1" : "192.0.2.1" };
	memcpy(quote, t->out[i].p + 14, n);
	tn_clear(t);
	tf_icmp(&f, &o, six ? L4_ICMP6_TOO_BIG : L4_ICMP_UNREACH, six ? 0 : L4_ICMP_UNREACH_NEEDED,
	    mtu, quote, n);
	tn_rxf(t, &f);
}

/* Proves: IP-024 */
static void default_ttl(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_packet k;
	(void)state;
	l4_host_config_init(&hc);
	assert_int_equal(hc.ttl, 64);
	hc.ttl = 77;
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(&t, &hc, &ic);
	struct l4_prefix p4 = px("192.0.2.1/24");
	assert_int_equal(l4_host_add_address(t.h, 1, &p4, t.now), 0);
	tn_know_peer(&t);
	tn_settle(&t);
	l4_ep u = connected_udp(&t, "192.0.2.2"), c = l4_tcp_new(t.h, NULL);
	struct l4_endpoint to = ep_of("192.0.2.2", 80);
	assert_int_equal(l4_udp_send(t.h, u, NULL, "x", 1, t.now), 1);
	assert_int_equal(l4_tcp_connect(t.h, c, &to, t.now), 0);
	tf_icmp(&f, &v4, L4_ICMP_ECHO, 0, 1, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 3);
	for (unsigned i = 0; i < 3; i++) {
		(void)tn_packet(&t, i, &k);
		assert_int_equal(k.ttl, 77);
	}
	tn_free(&t);
}

/* Hop limit 0 stops routers, not the destination.
 * Proves: 8200-3 */
static void hop_limit_zero_is_ours(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = port7(&t, true);
	tf_udp(&f, &v6, 1000, 7, "x", 1);
	f.b[14 + 7] = 0;
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_recv(t.h, u, got, 10, NULL, t.now), 1);
	tn_free(&t);
}

/* Fragments are multiples of 8 but for the last, none longer than the path takes, all of one id.
 * Proves: 8200-4.5b */
static void fragments_out(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = connected_udp(&t, "2001:db8::2");
	for (uint32_t mtu = 1280; mtu <= 1500; mtu += 11) {
		assert_int_equal(l4_host_set_mtu(t.h, 1, mtu, t.now), 0);
		assert_int_equal(l4_udp_send(t.h, u, NULL, data, 5001, t.now), 5001);
		tn_pull(&t);
		assert_true(t.n_out >= 4);
		uint32_t at = 0;
		for (unsigned i = 0; i < t.n_out; i++) {
			const uint8_t *p = t.out[i].p + 14;
			uint32_t len = l4_get_u16(p + 4) - 8u, off = l4_get_u16(p + 42) & 0xfff8u;
			assert_true(t.out[i].len - 14 <= mtu);
			assert_int_equal(p[6], L4_PROTO_FRAGMENT);
			assert_int_equal(off, at);
			assert_int_equal(p[43] & 1, i + 1 < t.n_out);
			if (i + 1 < t.n_out)
				assert_int_equal(len % 8, 0);
			assert_memory_equal(p + 44, t.out[0].p + 14 + 44, 4);
			at += len;
		}
		assert_int_equal(at, 5009);
		tn_clear(&t);
	}
	tn_free(&t);
}

/* Given up 60 s after the first arrival; told, when the first fragment is there.
 * Proves: 8200-4.5d */
static void reassembly_time(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		struct tn t;
		struct l4_packet k;
		uint8_t b[200];
		setup(&t);
		(void)l4_ip6_frag_emit(L4_PROTO_UDP, first ? 0 : 64, true, 9, b, 8);
		memcpy(b + 8, data, 64);
		tf_ip(&f, &v6, L4_PROTO_FRAGMENT, b, 72);
		tn_rxf(&t, &f);
		tn_run(&t, 40 * L4_SEC);
		(void)l4_ip6_frag_emit(L4_PROTO_UDP, 128, true, 9, b, 8);
		tf_ip(&f, &v6, L4_PROTO_FRAGMENT, b, 72);
		tn_rxf(&t, &f);
		tn_run(&t, 19 * L4_SEC);
		assert_int_equal(tn_drops(&t, L4_DROP_FRAG_TIMEOUT), 0);
		assert_int_equal(t.n_out, 0);
		tn_run(&t, 2 * L4_SEC);
		assert_int_equal(tn_drops(&t, L4_DROP_FRAG_TIMEOUT), 1);
		assert_int_equal(t.n_out, first);
		if (first) {
			const uint8_t *p = tn_packet(&t, 0, &k);
			assert_int_equal(p[k.l4_off], L4_ICMP6_TIME_EXCEEDED);
			assert_int_equal(p[k.l4_off + 1], 1);
		}
		tn_free(&t);
	}
}

/* Packets of the link's MTU come in, and reassembled ones of 1500 and more.
 * Proves: 8200-5a 8200-5b */
static void sizes_received(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = port7(&t, true);
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_RCVBUF, 200000), 0);
	tf_udp(&f, &v6, 1000, 7, data, 1452);
	assert_int_equal(f.len, 14 + 1500);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), 1452);
	assert_memory_equal(got, data, 1452);
	for (uint32_t n = 1452; n <= 8000; n += 1091) {
		static uint8_t whole[9000], part[1500];
		tf_udp(&f, &v6, 1000, 7, data, n);
		memcpy(whole, f.b + 54, n + 8);
		for (uint32_t at = 0; at < n + 8; at += 1024) {
			uint32_t len = n + 8 - at < 1024 ? n + 8 - at : 1024;
			(void)l4_ip6_frag_emit(
			    L4_PROTO_UDP, (uint16_t)at, at + len < n + 8, n, part, 8);
			memcpy(part + 8, whole + at, len);
			tf_ip(&f, &v6, L4_PROTO_FRAGMENT, part, 8 + len);
			tn_rxf(&t, &f);
		}
		assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), n);
		assert_memory_equal(got, data, n);
	}
	tn_free(&t);
}

/* The way back is not the routing header read backwards.
 * Proves: 8200-8.4 */
static void routing_header_is_not_reversed(void **state)
{
	struct tn t;
	struct l4_packet k;
	uint8_t b[100] = { L4_PROTO_ICMP6, 2 };
	struct l4_addr hop = ad("2001:db8::66"), peer = ad("2001:db8::2");
	(void)state;
	setup(&t);
	memcpy(b + 8, hop.b, 16);
	struct l4_icmp_hdr h = { .type = L4_ICMP6_ECHO, .rest = 5 };
	(void)l4_icmp_emit(&h, b + 24, 8);
	tf_csum(&v6, L4_PROTO_ICMP6, b + 24, 8, 2);
	tf_ip(&f, &v6, L4_PROTO_ROUTING, b, 32);
	tn_rxf(&t, &f);
	b[0] = L4_PROTO_TCP;
	struct l4_tcp_hdr syn = { .sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 9 };
	assert_int_equal(l4_tcp_emit(&syn, b + 24, 60), 20);
	tf_csum(&v6, L4_PROTO_TCP, b + 24, 20, 16);
	tf_ip(&f, &v6, L4_PROTO_ROUTING, b, 44);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 2);
	for (unsigned i = 0; i < 2; i++) {
		(void)tn_packet(&t, i, &k);
		assert_int_equal(t.out[i].p[14 + 6], i ? L4_PROTO_TCP : L4_PROTO_ICMP6);
		assert_true(l4_addr_eq(&k.dst, &peer));
	}
	tn_free(&t);
}

/* Path MTUs are kept by destination, fall at once, never rise by an error, and are tried anew ten
 * minutes later, not in five.
 * Proves: 8201-4c 8201-4e 8201-5.2a 8201-5.3 8200-5c 1191-3c 1191-3b */
static void path_mtu_by_destination(void **state)
{
	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		struct tn t;
		const char *a = six ? "2001:db8::2" : "192.0.2.2";
		struct l4_addr dst = ad(a), other = ad(six ? "2001:db8::3" : "192.0.2.3");
		setup(&t);
		l4_ep u = connected_udp(&t, a);
		assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1500);
		assert_int_equal(l4_udp_send(t.h, u, NULL, data, 1400, t.now), 1400);
		tn_pull(&t);
		assert_int_equal(t.n_out, 1);
		too_big(&t, 0, six, 1300, a);
		assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1300);
		assert_int_equal(l4_pmtu_get(&t.h->ip, &other, 1500), 1500);
		assert_int_equal(l4_udp_send(t.h, u, NULL, data, 1200, t.now), 1200);
		tn_pull(&t);
		too_big(&t, 0, six, 1450, a);
		assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1300);
		for (unsigned i = 0; i < 9; i++) {
			tn_run(&t, 60 * L4_SEC);
			assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1300);
			assert_int_equal(l4_udp_send(t.h, u, NULL, data, 1400, t.now), 1400);
			tn_pull(&t);
			for (unsigned k = 0; k < t.n_out; k++)
				assert_true(t.out[k].len <= 1300 + 14);
			tn_clear(&t);
		}
		tn_run(&t, 61 * L4_SEC);
		assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1500);
		tn_free(&t);
	}
}

/* Two hosts and a connection between them. */
static void tcp_pair(struct tn_pair *p, bool six, l4_ep *c, l4_ep *s)
{
	tn_pair_new(p);
	struct l4_endpoint to = ep_of(six ? "2001:db8::2" : "192.0.2.2", 80);
	l4_ep l = l4_tcp_new(p->b.h, NULL);
	*c = l4_tcp_new(p->a.h, NULL);
	assert_int_equal(l4_tcp_bind(p->b.h, l, &to), 0);
	assert_int_equal(l4_tcp_listen(p->b.h, l, 8, p->b.now), 0);
	tn_pair_run(p, 5 * L4_SEC);
	assert_int_equal(l4_tcp_connect(p->a.h, *c, &to, p->a.now), 0);
	tn_pair_run(p, L4_SEC);
	*s = l4_tcp_accept(p->b.h, l, NULL, NULL, p->b.now);
	assert_true(*s > 0);
}

/* An error about a datagram tells the connections of the same path.
 * Proves: 8201-5.2b */
static void connections_hear_of_datagrams(void **state)
{
	static struct tn_pair p;
	l4_ep c, s;
	(void)state;
	tcp_pair(&p, true, &c, &s);
	l4_ep u = connected_udp(&p.a, "2001:db8::2");
	assert_int_equal(l4_udp_send(p.a.h, u, NULL, data, 1400, p.a.now), 1400);
	tn_pull(&p.a);
	too_big(&p.a, 0, true, 1300, "2001:db8::2");
	assert_int_equal(l4_tcp_send(p.a.h, c, data, 5000, 0, p.a.now), 5000);
	tn_pull(&p.a);
	assert_true(p.a.n_out >= 4);
	for (unsigned i = 0; i < p.a.n_out; i++)
		assert_true(p.a.out[i].len <= 14 + 1300);
	tn_pair_run(&p, L4_SEC);
	assert_int_equal(l4_tcp_recv(p.b.h, s, got, 5000, 0, p.b.now), 5000);
	tn_pair_free(&p);
}

static uint16_t mss_of_syn(struct tn *t, const char *to)
{
	struct l4_packet k;
	struct l4_tcp_hdr h;
	l4_ep c = l4_tcp_new(t->h, NULL);
	struct l4_endpoint dst = ep_of(to, 80);
	tn_clear(t);
	assert_int_equal(l4_tcp_connect(t->h, c, &dst, t->now), 0);
	tn_pull(t);
	assert_int_equal(t->n_out, 1);
	const uint8_t *p = tn_packet(t, 0, &k);
	assert_true(l4_tcp_parse(&h, p + k.l4_off, k.l4_len) > 0);
	assert_true(h.opts.present & L4_TCPO_MSS);
	return h.opts.mss;
}

/* The MSS announced is the interface's, whatever a path bears; and there is one on every SYN.
 * Proves: 8201-5.4d 8200-8.3 SHLD-5a SHLD-5b MAY-3 */
static void announced_mss(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	assert_int_equal(mss_of_syn(&t, "192.0.2.2"), 1460);
	assert_int_equal(mss_of_syn(&t, "2001:db8::2"), 1440);
	l4_ep u = connected_udp(&t, "2001:db8::2");
	tn_clear(&t);
	assert_int_equal(l4_udp_send(t.h, u, NULL, data, 1400, t.now), 1400);
	tn_pull(&t);
	too_big(&t, 0, true, 1300, "2001:db8::2");
	assert_int_equal(mss_of_syn(&t, "2001:db8::2"), 1440);
	assert_int_equal(l4_host_set_mtu(t.h, 1, 1280, t.now), 0);
	assert_int_equal(mss_of_syn(&t, "192.0.2.2"), 1240);
	assert_int_equal(mss_of_syn(&t, "2001:db8::2"), 1220);
	tn_free(&t);
}

/* Proves: 4443-2.4a */
static void unknown_errors_go_up(void **state)
{
	static const uint8_t type[] = { 5, 50, 100, 101, 127 };
	(void)state;
	for (unsigned i = 0; i < sizeof(type); i++) {
		struct tn t;
		uint8_t quote[100];
		setup(&t);
		l4_ep u = connected_udp(&t, "2001:db8::2");
		assert_int_equal(l4_udp_send(t.h, u, NULL, "x", 1, t.now), 1);
		tn_pull(&t);
		uint32_t n = t.out[0].len - 14;
		memcpy(quote, t.out[0].p + 14, n);
		tn_clear(&t);
		tf_icmp(&f, &v6, type[i], 7, 0, quote, n);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_error(t.h, u), L4_EUNREACH);
		assert_int_equal(t.n_out, 0);
		tn_free(&t);
	}
}

/* The source of an error is the address that was spoken to, or one of ours.
 * Proves: 4443-2.2a 4443-4.1 4443-4.2a */
static void sources_of_answers(void **state)
{
	struct tn t;
	struct l4_packet k;
	struct l4_mac all = { { 0x33, 0x33, 0, 0, 0, 1 } };
	(void)state;
	setup(&t);
	struct l4_prefix second = px("2001:db8::5/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &second, t.now), 0);
	tn_settle(&t);
	static const char *const dst[] = { "2001:db8::1", "2001:db8::5", "ff02::1" };
	for (unsigned i = 0; i < 3; i++) {
		struct tf_opt o = { .src = "2001:db8::2", .dst = dst[i] };
		uint8_t b[16] = { L4_PROTO_NONE, 0, 0x9e,
			4 }; /* an option that asks for an error */
		if (i == 2)
			o.eth_dst = &all;
		tf_ip(&f, &o, L4_PROTO_DSTOPTS, b, 8);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		(void)tn_packet(&t, 0, &k);
		struct l4_addr want = ad(dst[i]), one = ad(dst[0]), two = ad(dst[1]);
		if (i < 2)
			assert_true(l4_addr_eq(&k.src, &want));
		else
			assert_true(l4_addr_eq(&k.src, &one) || l4_addr_eq(&k.src, &two));
		tn_clear(&t);
		if (i == 2)
			continue;
		tf_icmp(&f, &o, L4_ICMP6_ECHO, 0, 0x00010002, data, 300);
		tn_rxf(&t, &f);
		const uint8_t *p = tn_packet(&t, 0, &k);
		assert_true(l4_addr_eq(&k.src, &want));
		assert_int_equal(p[k.l4_off], L4_ICMP6_ECHO_REPLY);
		assert_memory_equal(p + k.l4_off + 4, f.b + 54 + 4, 304);
		tn_clear(&t);
	}
	tn_free(&t);
}

/* Proves: 4443-2.4e1 4443-2.4e3 4443-2.4e6 */
static void no_errors_about(void **state)
{
	static const struct l4_mac group = { { 0x33, 0x33, 0, 0, 0, 1 } };
	static const struct {
		const char *src, *dst;
		const struct l4_mac *eth;
	} row[] = {
		{ "2001:db8::2", "ff02::1", &group },
		{ "2001:db8::2", "2001:db8::1", &group },
		{ "2001:db8::2", "2001:db8::1", &tn_broadcast },
		{ "::", "2001:db8::1", NULL },
		{ "ff02::5", "2001:db8::1", NULL },
	};
	struct tn t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tf_opt o = { .src = row[i].src, .dst = row[i].dst, .eth_dst = row[i].eth };
		tf_udp(&f, &o, 5, 9, "x", 1); /* a closed port */
		tn_rxf(&t, &f);
		o.proto = 250; /* an unknown protocol */
		tf_udp(&f, &o, 5, 9, "x", 1);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
	}
	/* errors and redirects, behind an option that asks for an error itself */
	for (unsigned type = 0; type < 256; type++) {
		uint8_t b[64] = { L4_PROTO_ICMP6, 0, 0x9e, 4 };
		if (type >= 128 && type != L4_ICMP6_REDIRECT)
			continue;
		b[8] = (uint8_t)type;
		tf_csum(&v6, L4_PROTO_ICMP6, b + 8, 40, 2);
		tf_ip(&f, &v6, L4_PROTO_DSTOPTS, b, 48);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	tf_udp(&f, &v6, 5, 9, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1);
	tn_free(&t);
}

/* Proves: 4443-2.4f1 4443-2.4f2 4443-3.1d */
static void error_rate_is_configured(void **state)
{
	static const uint32_t rate[] = { 0, 20, 200 };
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct tn t;
		struct l4_host_config hc;
		struct l4_iface_config ic;
		unsigned sent = 0;
		l4_host_config_init(&hc);
		hc.icmp_rate = rate[i];
		tn_iface(&ic, &tn_mac_a);
		tn_new_with(&t, &hc, &ic);
		struct l4_prefix p6 = px("2001:db8::1/64");
		assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
		tn_settle(&t);
		for (unsigned k = 0; k < 10000; k++) {
			char src[40];
			(void)snprintf(src, sizeof(src), "2001:db8::1:%x", k % 200 + 1);
			struct l4_addr a = ad(src);
			if (k < 200)
				assert_int_equal(
				    l4_host_add_neighbour(t.h, 1, &a, &tn_mac_b, t.now), 0);
			t.now += L4_MSEC;
			tf_udp(
			    &f, &(struct tf_opt){ .src = src, .dst = "2001:db8::1" }, 5, 9, "x", 1);
			tn_rxf(&t, &f);
			sent += t.n_out;
			tn_clear(&t);
		}
		/* ten seconds; the first burst of at most 50; some cost more than one */
		assert_true(sent <= 10 * rate[i] + (rate[i] ? 50 : 0));
		assert_true(sent >= 4 * rate[i]);
		tn_free(&t);
	}
}

/* A datagram that finds no room is dropped without a word of any kind.
 * Proves: 4443-3.1b 6633-3 */
static void full_buffers_are_silent(void **state)
{
	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		struct tn t;
		setup(&t);
		l4_ep u = port7(&t, six);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_RCVBUF, 4096), 0);
		tf_udp(&f, six ? &v6 : &v4, 1000, 7, data, 1000);
		for (unsigned i = 0; i < 100; i++)
			tn_rxf(&t, &f);
		assert_true(tn_drops(&t, L4_DROP_UDP_FULL) > 90);
		tn_run(&t, 5 * L4_SEC);
		assert_int_equal(t.n_out, 0);
		tn_free(&t);
	}
}

/* Ids of datagrams that may be cut do not come back; whole ones that may not be cut carry DF and
 * are never cut.
 * Proves: 6864-4.1 6864-4.3a 6864-4.3b */
static void identifications(void **state)
{
	static uint8_t seen[65536];
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = connected_udp(&t, "192.0.2.2");
	for (unsigned i = 0; i < 5000; i++) {
		assert_int_equal(
		    l4_udp_send(t.h, u, NULL, data, i & 1 ? 2000 : 10, t.now), i & 1 ? 2000 : 10);
		tn_pull(&t);
		for (unsigned k = 0; k < t.n_out; k++) /* all fragments carry the first one's */
			assert_memory_equal(t.out[k].p + 18, t.out[0].p + 18, 2);
		assert_int_equal(seen[l4_get_u16(t.out[0].p + 18)]++, 0);
		tn_clear(&t);
	}
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_DONTFRAG, 1), 0);
	assert_int_equal(l4_udp_send(t.h, u, NULL, data, 2000, t.now), L4_EMSGSIZE);
	assert_int_equal(l4_udp_send(t.h, u, NULL, data, 1000, t.now), 1000);
	tn_pull(&t);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(l4_get_u16(t.out[0].p + 20), 0x4000);
	tn_clear(&t);
	assert_int_equal(mss_of_syn(&t, "192.0.2.2"), 1460);
	assert_int_equal(l4_get_u16(t.out[0].p + 20), 0x4000); /* TCP does not serve fragments */
	tn_free(&t);
}

/* Each connection has a label of its own, the same in all its packets; what belongs to no flow has
 * none.
 * Proves: 6437-3a 6437-3b 8200-6 */
static void flow_labels_of_connections(void **state)
{
	static struct tn t;
	uint32_t label[64];
	struct l4_packet k;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < 64; i++) {
		l4_ep c = l4_tcp_new(t.h, NULL);
		struct l4_endpoint to = ep_of("2001:db8::2", (uint16_t)(80 + i));
		tn_clear(&t);
		assert_int_equal(l4_tcp_connect(t.h, c, &to, t.now), 0);
		tn_run(&t, 4 * L4_SEC); /* the SYN and its repetitions */
		assert_true(t.n_out >= 2);
		label[i] = l4_get_u32(t.out[0].p + 14) & 0xfffff;
		assert_int_not_equal(label[i], 0);
		for (unsigned n = 1; n < t.n_out; n++)
			assert_int_equal(l4_get_u32(t.out[n].p + 14) & 0xfffff, label[i]);
		for (unsigned n = 0; n < i; n++)
			assert_int_not_equal(label[n], label[i]);
		assert_int_equal(l4_tcp_abort(t.h, c, t.now), 0);
		tn_pull(&t);
	}
	tn_clear(&t);
	tf_icmp(&f, &v6, L4_ICMP6_ECHO, 0, 1, "x", 1);
	tn_rxf(&t, &f);
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint nobody = ep_of("2001:db8::99", 9);
	assert_int_equal(l4_udp_send(t.h, u, &nobody, "x", 1, t.now), 1);
	tn_pull(&t); /* the echo, and a question for the neighbour */
	assert_int_equal(t.n_out, 2);
	for (unsigned i = 0; i < 2; i++) {
		(void)tn_packet(&t, i, &k);
		assert_int_equal(l4_get_u32(t.out[i].p + 14) & 0xfffff, 0);
	}
	tn_free(&t);
}

/* Nobody can connect to, from or by an address that is not one host's.
 * Proves: MUST-46a MUST-46b MUST-57a MUST-57b MUST-63 */
static void tcp_has_two_hosts(void **state)
{
	static const char *const dst[] = { "192.0.2.255", "255.255.255.255", "224.0.0.1",
		"ff02::1" };
	static const char *const src[] = { "192.0.2.255", "255.255.255.255", "224.0.0.9", "0.0.0.0",
		"127.0.0.1", "240.0.0.1", "ff02::9", "::", "::1" };
	static const char *const remote[] = { "0.0.0.0", "::", "255.255.255.255", "192.0.2.255",
		"224.0.0.1", "ff02::1", "ff05::2" };
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep l = l4_tcp_new(t.h, NULL);
	struct l4_endpoint any = ep_of("::", 80);
	assert_int_equal(l4_tcp_bind(t.h, l, &any), 0);
	assert_int_equal(l4_tcp_listen(t.h, l, 8, t.now), 0);
	const struct l4_tcp_hdr syn = { .sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 99 };
	const struct l4_tcp_hdr ack = { .sport = 5, .dport = 81, .flags = L4_TCPF_ACK, .wnd = 99 };
	struct l4_tcp_counters before, after;
	l4_tcp_counters(t.h, &before);
	for (unsigned i = 0; i < 4; i++) {
		struct l4_addr a = ad(dst[i]);
		struct l4_mac m = l4_mac_from_group(&a);
		struct tf_opt o = { .dst = dst[i], .eth_dst = &m };
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		tf_tcp(&f, &o, &ack, NULL, 0);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	/* to our address, but in a broadcast frame */
	tf_tcp(&f, &(struct tf_opt){ .eth_dst = &tn_broadcast }, &syn, NULL, 0);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 0);
	for (unsigned i = 0; i < 9; i++) {
		bool six = strchr(src[i], ':');
		struct tf_opt o = { .src = src[i], .dst = six ? "2001:db8::1" : "192.0.2.1" };
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
	}
	l4_tcp_counters(t.h, &after);
	assert_int_equal(after.in_segs, before.in_segs); /* none came as far as TCP */
	for (unsigned i = 0; i < 7; i++) {
		l4_ep c = l4_tcp_new(t.h, NULL);
		struct l4_endpoint to = ep_of(remote[i], 80);
		assert_true(l4_tcp_connect(t.h, c, &to, t.now) < 0);
		assert_int_equal(l4_tcp_state(t.h, c), L4_TCP_CLOSED);
		to = ep_of("192.0.2.2", 0);
		assert_true(l4_tcp_connect(t.h, c, &to, t.now) < 0);
	}
	tn_run(&t, L4_SEC);
	assert_int_equal(t.n_out, 0);
	tf_tcp(&f, &v4, &syn, NULL, 0);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1); /* a real peer is answered */
	tn_free(&t);
}

/* IP options that TCP knows nothing of do not concern it.
 * Proves: MUST-50 */
static void tcp_ignores_ip_options(void **state)
{
	static const uint8_t opts[][8] = { { 7, 7, 4, 0, 0, 0, 0, 1 }, { 1, 1, 1, 1, 0 },
		{ 68, 8, 5, 0, 0, 0, 0, 0 }, { 148, 4, 0, 0, 1, 1, 1, 1 },
		{ 130, 8, 1, 2, 3, 4, 5, 6 }, { 222, 4, 9, 9, 223, 4, 9, 9 } };
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep l = l4_tcp_new(t.h, NULL);
	struct l4_endpoint any = ep_of("0.0.0.0", 80);
	assert_int_equal(l4_tcp_bind(t.h, l, &any), 0);
	assert_int_equal(l4_tcp_listen(t.h, l, 8, t.now), 0);
	for (unsigned i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		struct tf_opt o = { .opts_len = 8 };
		struct l4_tcp_hdr h = { .sport = (uint16_t)(100 + i),
			.dport = 80,
			.seq = 9,
			.wnd = 99 },
				  out;
		struct l4_packet k;
		memcpy(o.opts, opts[i], 8);
		h.flags = L4_TCPF_SYN;
		tf_tcp(&f, &o, &h, NULL, 0);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		const uint8_t *p = tn_packet(&t, 0, &k);
		assert_int_equal(k.l4_off, 34); /* none comes back */
		assert_true(l4_tcp_parse(&out, p + k.l4_off, k.l4_len) > 0);
		tn_clear(&t);
		h.flags = L4_TCPF_ACK;
		h.seq = 10;
		h.ack = out.seq + 1;
		tf_tcp(&f, &o, &h, "hello", 5);
		tn_rxf(&t, &f);
		l4_ep c = l4_tcp_accept(t.h, l, NULL, NULL, t.now);
		assert_true(c > 0);
		assert_int_equal(l4_tcp_recv(t.h, c, got, 10, 0, t.now), 5);
		assert_int_equal(l4_tcp_abort(t.h, c, t.now), 0);
		tn_pull(&t);
		tn_clear(&t);
	}
	tn_free(&t);
}

/* A connection keeps its local address, whatever addresses come and would be preferred.
 * Proves: MUST-45 */
static void local_address_stays(void **state)
{
	static struct tn_pair p;
	l4_ep c, s;
	struct l4_packet k;
	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		tcp_pair(&p, six, &c, &s);
		struct l4_addr first = ad(six ? "2001:db8::1" : "192.0.2.1");
		struct l4_prefix nearer = px(six ? "2001:db8::3/127" : "192.0.2.3/30");
		assert_int_equal(l4_host_add_address(p.a.h, 1, &nearer, p.a.now), 0);
		tn_pair_run(&p, 5 * L4_SEC);
		assert_int_equal(l4_tcp_send(p.a.h, c, data, 5000, 0, p.a.now), 5000);
		tn_pull(&p.a);
		assert_true(p.a.n_out >= 4);
		for (unsigned i = 0; i < p.a.n_out; i++) {
			(void)tn_packet(&p.a, i, &k);
			assert_true(l4_addr_eq(&k.src, &first));
		}
		tn_pair_run(&p, L4_SEC);
		assert_int_equal(l4_tcp_recv(p.b.h, s, got, 5000, 0, p.b.now), 5000);
		assert_int_equal(l4_tcp_close(p.a.h, c, p.a.now), 0);
		tn_pull(&p.a);
		(void)tn_packet(&p.a, 0, &k);
		assert_true(l4_addr_eq(&k.src, &first));
		tn_pair_free(&p);
	}
}

static bool nothing_passes(void *ctx, bool from_a, struct tn_frame *fr)
{
	(void)ctx;
	(void)from_a;
	(void)fr;
	return false;
}

/* Runs one host alone; returns the error of the last L4_EV_TROUBLE of ep, and counts them. */
static int trouble(struct tn *t, l4_ep ep, l4_time for_ns, unsigned *count)
{
	int err = 0;
	*count = 0;
	for (l4_time end = t->now + for_ns; t->now < end;) {
		tn_run(t, 100 * L4_MSEC);
		tn_clear(t);
		tn_events(t);
		for (size_t i = 0; i < t->n_ev; i++)
			if (t->ev[i].ep == ep && (t->ev[i].bits & L4_EV_TROUBLE)) {
				err = t->ev[i].err;
				++*count;
			}
	}
	return err;
}

/* R1 retransmissions without an answer: the neighbour is asked again, before its time, and the
 * user is told, unless he has said that he does not want that.
 * Proves: MUST-20a SHLD-9 SHLD-20 */
static void trouble_after_r1(void **state)
{
	(void)state;
	for (unsigned wanted = 0; wanted < 2; wanted++) {
		static struct tn_pair p;
		l4_ep c, s;
		unsigned n;
		tcp_pair(&p, false, &c, &s);
		p.pass = nothing_passes;
		tn_events(&p.a);
		struct l4_addr peer = ad("192.0.2.2");
		struct l4_if *ifp = p.a.h->ip.ifs[1];
		assert_int_equal(l4_tcp_set(p.a.h, c, L4_TCPOPT_TROUBLE, wanted, p.a.now), 0);
		assert_int_equal(l4_tcp_send(p.a.h, c, "x", 1, 0, p.a.now), 1);
		/* with the least timeout of 200 ms three take 1.4 s */
		int err = trouble(&p.a, c, 1000 * L4_MSEC, &n);
		assert_int_equal(n, 0);
		assert_int_equal(l4_neigh_find(&p.a.h->ip, ifp, &peer)->state, L4_NEIGH_REACHABLE);
		err = trouble(&p.a, c, 4 * L4_SEC, &n);
		assert_int_equal(n, wanted);
		assert_int_equal(err, wanted ? L4_ETIMEDOUT : 0);
		assert_int_not_equal(
		    l4_neigh_find(&p.a.h->ip, ifp, &peer)->state, L4_NEIGH_REACHABLE);
		assert_int_equal(l4_tcp_state(p.a.h, c), L4_TCP_ESTABLISHED);
		tn_pair_free(&p);
	}
}

/* Soft errors reach the user as events while the connection goes on, and can be switched off.
 * Proves: MUST-47 SHLD-20 */
static void soft_errors_are_told(void **state)
{
	(void)state;
	for (unsigned wanted = 0; wanted < 2; wanted++) {
		static struct tn_pair p;
		uint8_t quote[60];
		l4_ep c, s;
		unsigned n;
		tcp_pair(&p, false, &c, &s);
		assert_int_equal(l4_tcp_set(p.a.h, c, L4_TCPOPT_TROUBLE, wanted, p.a.now), 0);
		tn_events(&p.a);
		assert_int_equal(l4_tcp_send(p.a.h, c, "x", 1, 0, p.a.now), 1);
		tn_pull(&p.a);
		assert_int_equal(p.a.n_out, 1);
		uint32_t len = p.a.out[0].len - 14;
		memcpy(quote, p.a.out[0].p + 14, len < 60 ? len : 60);
		tf_icmp(&f, &v4, L4_ICMP_UNREACH, 1, 0, quote, len < 60 ? len : 60);
		struct l4_piece piece = { f.b, f.len };
		struct l4_frame fr = { .pieces = &piece, .n_pieces = 1, .len = f.len };
		l4_host_rx(p.a.h, 1, &fr, 1, p.a.now);
		int err = trouble(&p.a, c, 100 * L4_MSEC, &n);
		assert_int_equal(n, wanted);
		assert_int_equal(err, wanted ? L4_EUNREACH : 0);
		assert_int_equal(l4_tcp_state(p.a.h, c), L4_TCP_ESTABLISHED);
		tn_pair_free(&p);
	}
}

/* TCPS-23: an error ends an open, the user takes the error at once: the state is not changed by
 * that, and the endpoint can try again. */
static void tcps_23_error_read_at_once(void **state)
{
	struct tn t;
	uint8_t quote[60];
	(void)state;
	setup(&t);
	l4_ep c = l4_tcp_new(t.h, NULL);
	struct l4_endpoint to = ep_of("192.0.2.2", 80);
	for (unsigned i = 0; i < 3; i++) {
		tn_clear(&t);
		assert_int_equal(l4_tcp_connect(t.h, c, &to, t.now), 0);
		tn_pull(&t);
		assert_int_equal(t.n_out, 1);
		memcpy(quote, t.out[0].p + 14, 40);
		tf_icmp(&f, &v4, L4_ICMP_UNREACH, L4_ICMP_UNREACH_PORT, 0, quote, 40);
		tn_rxf(&t, &f);
		assert_int_equal(l4_tcp_state(t.h, c), L4_TCP_CLOSED);
		assert_int_equal(l4_tcp_error(t.h, c), L4_EREFUSED);
		assert_int_equal(l4_tcp_error(t.h, c), 0);
		assert_int_equal(l4_tcp_state(t.h, c), L4_TCP_CLOSED);
		tn_rxf(&t, &f); /* once more, about nothing */
		assert_int_equal(l4_tcp_error(t.h, c), 0);
		t.now += L4_SEC;
	}
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_ttl),
		cmocka_unit_test(hop_limit_zero_is_ours),
		cmocka_unit_test(fragments_out),
		cmocka_unit_test(reassembly_time),
		cmocka_unit_test(sizes_received),
		cmocka_unit_test(routing_header_is_not_reversed),
		cmocka_unit_test(path_mtu_by_destination),
		cmocka_unit_test(connections_hear_of_datagrams),
		cmocka_unit_test(announced_mss),
		cmocka_unit_test(unknown_errors_go_up),
		cmocka_unit_test(sources_of_answers),
		cmocka_unit_test(no_errors_about),
		cmocka_unit_test(error_rate_is_configured),
		cmocka_unit_test(full_buffers_are_silent),
		cmocka_unit_test(identifications),
		cmocka_unit_test(flow_labels_of_connections),
		cmocka_unit_test(tcp_has_two_hosts),
		cmocka_unit_test(tcp_ignores_ip_options),
		cmocka_unit_test(local_address_stays),
		cmocka_unit_test(trouble_after_r1),
		cmocka_unit_test(soft_errors_are_told),
		cmocka_unit_test(tcps_23_error_read_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
