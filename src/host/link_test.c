/* The link: Ethernet and ARP as strangers send them (security cases ETH, ARP, LNK). */
#include "host/net_test.h"

static struct tf f;

/* An open port that must stay reachable after the attack, and a datagram to prove it. */
static l4_ep open_port(struct tn *t, uint16_t port)
{
	l4_ep ep = l4_udp_new(t->h, NULL);
	struct l4_endpoint any = ep_of("0.0.0.0", port);
	assert_int_equal(l4_udp_bind(t->h, ep, &any), 0);
	return ep;
}

static bool hears(struct tn *t, l4_ep ep)
{
	char buf[16];
	struct tf_opt o = { 0 };
	tf_udp(&f, &o, 1000, 7, "hi", 2);
	tn_rxf(t, &f);
	return l4_udp_recv(t->h, ep, buf, sizeof(buf), NULL, t->now) == 2;
}

/* ETH-01: every length cut from an ARP request, in a block of exactly that size. */
static void eth_01_short_frames(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_b, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_broadcast);
	for (uint32_t n = 0; n < 42; n++) {
		uint64_t before =
		    tn_drops(&t, L4_DROP_LINK_SHORT) + tn_drops(&t, L4_DROP_ARP_SHORT);
		tn_rx(&t, f.b, n);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(
		    tn_drops(&t, L4_DROP_LINK_SHORT) + tn_drops(&t, L4_DROP_ARP_SHORT), before + 1);
	}
	tn_rx(&t, f.b, 42);
	assert_int_equal(tn_count(&t, L4_ETHERTYPE_ARP, 0), 1);
	tn_free(&t);
}

/* ETH-02: lengths of 802.3 where a type belongs. */
static void eth_02_lengths_instead_of_types(void **state)
{
	static const uint16_t type[] = { 0, 1, 4, 0x5dc, 0x5dd, 0x5ff };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	for (unsigned i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		tf_eth(&f, &tn_mac_a, &tn_mac_b, type[i]);
		memset(f.b + 14, 0xaa, 4);
		tn_rx(&t, f.b, 18);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(tn_drops(&t, L4_DROP_LINK_8023), i + 1);
	}
	tn_free(&t);
}

/* ETH-03: tags in tags. */
static void eth_03_vlan_depth(void **state)
{
	static const unsigned depth[] = { 1, 2, 3, 8, 64, 370 };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	for (unsigned i = 0; i < sizeof(depth) / sizeof(depth[0]); i++) {
		uint8_t b[1500];
		tf_eth(&f, &tn_mac_a, &tn_mac_b, L4_ETHERTYPE_VLAN);
		memcpy(b, f.b, 12);
		for (unsigned k = 0; k < depth[i]; k++) {
			l4_put_u16(b + 12 + 4 * k, L4_ETHERTYPE_VLAN);
			l4_put_u16(b + 14 + 4 * k, 0);
		}
		size_t len = 12 + 4 * depth[i];
		for (size_t cut = len - 3; cut <= len; cut++)
			tn_rx(&t, b, cut);
		assert_int_equal(t.n_out, 0);
	}
	assert_true(tn_drops(&t, L4_DROP_LINK_VLAN_DEPTH) > 0);
	tn_free(&t);
}

/* ETH-04: sources that cannot come from the wire, to an open TCP port and an open UDP port. */
static void eth_04_martian_sources(void **state)
{
	static const char *const src[] = { "127.0.0.1", "192.0.2.1", "224.0.0.5", "255.255.255.255",
		"0.0.0.0", "192.0.2.255", "192.0.2.0", "240.0.0.1", "0.1.2.3" };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_know_peer(&t);
	tn_settle(&t);
	l4_ep u = open_port(&t, 7), l = l4_tcp_new(t.h, NULL);
	struct l4_endpoint any = ep_of("0.0.0.0", 80);
	assert_int_equal(l4_tcp_bind(t.h, l, &any), 0);
	assert_int_equal(l4_tcp_listen(t.h, l, 4, t.now), 0);
	for (unsigned i = 0; i < sizeof(src) / sizeof(src[0]); i++) {
		struct tf_opt o = { .src = src[i] };
		struct l4_tcp_hdr syn = {
			.sport = 5, .dport = 80, .flags = L4_TCPF_SYN, .wnd = 99
		};
		uint64_t before = tn_drops(&t, L4_DROP_IP_MARTIAN) + tn_drops(&t, L4_DROP_IP_LAND);
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		tf_udp(&f, &o, 5, 7, "x", 1);
		tn_rxf(&t, &f);
		tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(
		    tn_drops(&t, L4_DROP_IP_MARTIAN) + tn_drops(&t, L4_DROP_IP_LAND), before + 3);
		assert_int_equal(l4_udp_inq(t.h, u), 0);
	}
	assert_true(hears(&t, u));
	tn_free(&t);
}

/* ETH-05: unicast packets in frames for all (RFC 1122 3.3.6). */
static void eth_05_unicast_in_broadcast(void **state)
{
	static const struct l4_mac mcast = { { 1, 0, 0x5e, 0, 0, 1 } };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_know_peer(&t);
	tn_settle(&t);
	for (unsigned i = 0; i < 4; i++) {
		bool v6 = i & 2;
		struct tf_opt o = { .eth_dst = i & 1 ? &mcast : &tn_broadcast,
			.dst = v6 ? "2001:db8::1" : "192.0.2.1" };
		struct l4_tcp_hdr syn = {
			.sport = 5, .dport = 81, .flags = L4_TCPF_SYN, .wnd = 99
		};
		tf_tcp(&f, &o, &syn, NULL, 0);
		tn_rxf(&t, &f);
		tf_udp(&f, &o, 5, 9, "x", 1);
		tn_rxf(&t, &f);
		tf_icmp(&f, &o, v6 ? L4_ICMP6_ECHO : L4_ICMP_ECHO, 0, 1, "x", 1);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(tn_drops(&t, L4_DROP_LINK_GROUP_UNICAST), 3 * (i + 1));
	}
	tn_free(&t);
}

/* Frames for other stations, and with a group as source. */
static void other_stations(void **state)
{
	static const struct l4_mac group = { { 3, 0, 0, 0, 0, 1 } };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	struct tf_opt o = { .eth_dst = &tn_mac_c };
	tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_LINK_NOT_OURS), 1);
	o = (struct tf_opt){ .eth_src = &group };
	tf_icmp(&f, &o, L4_ICMP_ECHO, 0, 1, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_LINK_SRC_GROUP), 1);
	assert_int_equal(t.n_out, 0);
	tn_free(&t);
}

/* LNK-01: frames longer than the link takes. */
static void lnk_01_long_frames(void **state)
{
	static const struct {
		uint32_t len;
		bool passes;
	} row[] = { { 1513, true }, { 1514, true }, { 1523, false }, { 9014, false },
		{ 65549, false } };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep u = open_port(&t, 7);
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		static uint8_t data[66000];
		struct tf_opt o = { 0 };
		tf_udp(&f, &o, 1, 7, data, row[i].len - 42);
		tn_rx(&t, f.b, row[i].len);
		assert_int_equal(l4_udp_inq(t.h, u) != 0, row[i].passes);
		while (l4_udp_recv(t.h, u, data, sizeof(data), NULL, t.now) > 0)
			continue;
	}
	assert_true(tn_drops(&t, L4_DROP_LINK_LONG) >= 2);
	tn_free(&t);
}

/* ---- ARP ------------------------------------------------------------------------------------ */

static void send_to(struct tn *t, l4_ep ep, const char *to)
{
	struct l4_endpoint dst = ep_of(to, 9);
	assert_int_equal(l4_udp_send(t->h, ep, &dst, "data", 4, t->now), 4);
	tn_pull(t);
}

/* Our question and its answer make an entry; the datagram that waited goes out. */
static void resolve_peer(struct tn *t, l4_ep ep, const char *peer, const struct l4_mac *mac)
{
	send_to(t, ep, peer);
	assert_int_equal(tn_count(t, L4_ETHERTYPE_ARP, 0), 1);
	tn_clear(t);
	tf_arp(&f, L4_ARP_REPLY, mac, peer, &tn_mac_a, "192.0.2.1", &tn_mac_a);
	tn_rxf(t, &f);
	assert_int_equal(tn_count(t, 0, L4_PROTO_UDP), 1);
	assert_memory_equal(t->out[0].p, mac->b, 6);
	tn_clear(t);
}

/* RFC 826: asked, learned, used; and asked by the peer, answered. */
static void arp_resolves_and_answers(void **state)
{
	struct tn t;
	struct l4_arp_hdr h;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	send_to(&t, ep, "192.0.2.2");
	assert_int_equal(t.n_out, 1);
	assert_memory_equal(t.out[0].p, tn_broadcast.b, 6);
	assert_int_equal(l4_arp_parse(&h, t.out[0].p + 14, 28), 28);
	assert_int_equal(h.op, L4_ARP_REQUEST);
	assert_true(l4_mac_eq(&h.sha, &tn_mac_a));
	tn_clear(&t);
	tf_arp(&f, L4_ARP_REPLY, &tn_mac_b, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_mac_a);
	tn_rxf(&t, &f);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1);
	tn_clear(&t);
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "192.0.2.77", &tn_mac_a, "192.0.2.1", &tn_broadcast);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(l4_arp_parse(&h, t.out[0].p + 14, 28), 28);
	assert_int_equal(h.op, L4_ARP_REPLY);
	assert_true(l4_mac_eq(&h.tha, &tn_mac_c));
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "192.0.2.77", &tn_mac_a, "192.0.2.99", &tn_broadcast);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1);
	tn_free(&t);
}

/* ARP-01: a spoofed reply does not move a confirmed entry; the old owner is asked first. */
static void arp_01_spoofed_reply(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	tf_arp(&f, L4_ARP_REPLY, &tn_mac_c, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_mac_a);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_ARP_UNSOLICITED), 1);
	resolve_peer(&t, ep, "192.0.2.2", &tn_mac_b);
	for (unsigned i = 0; i < 5; i++) {
		tn_rxf(&t, (tf_arp(&f, L4_ARP_REPLY, &tn_mac_c, "192.0.2.2", &tn_mac_a, "192.0.2.1",
				i & 1 ? &tn_broadcast : &tn_mac_a),
			       &f));
		send_to(&t, ep, "192.0.2.2");
	}
	assert_true(tn_drops(&t, L4_DROP_ARP_CONFLICT) >= 1);
	for (unsigned i = 0; i < t.n_out; i++) /* probe and data: all to the old one */
		assert_memory_equal(t.out[i].p, tn_mac_b.b, 6);
	assert_int_equal(tn_count(&t, L4_ETHERTYPE_ARP, 0), 1);
	tn_clear(&t);
	/* The old owner answers: it stays. */
	tf_arp(&f, L4_ARP_REPLY, &tn_mac_b, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_mac_a);
	tn_rxf(&t, &f);
	tn_run(&t, 4 * L4_SEC);
	send_to(&t, ep, "192.0.2.2");
	assert_memory_equal(t.out[t.n_out - 1].p, tn_mac_b.b, 6);
	tn_free(&t);
}

/* The neighbour really has another link address now: the old one does not answer. */
static void neighbour_moves(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	resolve_peer(&t, ep, "192.0.2.2", &tn_mac_b);
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_broadcast);
	tn_rxf(&t, &f);
	tn_run(&t, 3500 * L4_MSEC); /* three probes unanswered, then broadcast again */
	tf_arp(&f, L4_ARP_REPLY, &tn_mac_c, "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_mac_a);
	tn_rxf(&t, &f);
	tn_clear(&t);
	send_to(&t, ep, "192.0.2.2");
	assert_memory_equal(t.out[0].p, tn_mac_c.b, 6);
	tn_free(&t);
}

/* ARP-02: a flood of requests from everybody makes no entries. */
static void arp_02_request_flood(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL), u = open_port(&t, 7);
	resolve_peer(&t, ep, "192.0.2.2", &tn_mac_b);
	uint64_t alloc = tn_alloc(&t);
	for (unsigned i = 0; i < 10000; i++) {
		char src[32];
		struct l4_mac m = { { 2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
		(void)snprintf(
		    src, sizeof(src), "%s.%u", i & 1 ? "192.0.2" : "198.51.100", i % 250 + 3);
		tf_arp(&f, L4_ARP_REQUEST, &m, src, &tn_mac_a, "192.0.2.1", &tn_broadcast);
		tn_rxf(&t, &f);
		tn_clear(&t);
	}
	assert_int_equal(tn_alloc(&t), alloc);
	assert_int_equal(tn_drops(&t, L4_DROP_ARP_OFF_LINK), 5000);
	send_to(&t, ep, "192.0.2.2"); /* the gateway's entry is still there */
	assert_int_equal(t.n_out, 1);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1);
	assert_true(hears(&t, u));
	tn_free(&t);
}

/* ARP-03: datagrams to who never answers: a small queue, one question a second, then an error. */
static void arp_03_silent_neighbour(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	struct l4_endpoint dst = ep_of("192.0.2.55", 9);
	uint64_t alloc = tn_alloc(&t);
	int64_t rc = 0;
	bool error = false;
	l4_time last = 0;
	for (unsigned i = 0; i < 10000; i++) {
		rc = l4_udp_send(t.h, ep, &dst, "x", 1, t.now);
		error |= rc == L4_EUNREACH;
		tn_run(&t, L4_MSEC);
	}
	assert_true(error);
	assert_true(tn_alloc(&t) - alloc < 64 * 1024);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 0);
	for (unsigned i = 0; i < t.n_out; i++) {
		assert_true(!last || t.out[i].at - last >= L4_SEC);
		last = t.out[i].at;
	}
	assert_true(t.n_out >= 3 && t.n_out <= 10);
	tn_free(&t);
}

/* ARP-04: another station claims our address: one defence in ten seconds, and we keep it. */
static void arp_04_conflict(void **state)
{
	struct tn t;
	struct l4_iface_address a[4];
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	tn_events(&t);
	l4_ep u = open_port(&t, 7);
	for (unsigned i = 0; i < 100; i++) {
		tf_arp(&f, i & 1 ? L4_ARP_REPLY : L4_ARP_REQUEST, &tn_mac_c, "192.0.2.1", &tn_mac_c,
		    "192.0.2.1", &tn_broadcast);
		tn_rxf(&t, &f);
		tn_run(&t, 10 * L4_MSEC);
	}
	assert_int_equal(tn_count(&t, L4_ETHERTYPE_ARP, 0), 1);
	assert_int_equal(tn_drops(&t, L4_DROP_ARP_CONFLICT), 100);
	tn_events(&t);
	assert_true(t.n_ev >= 1 && (t.ev[0].bits & L4_EV_ADDRESS));
	assert_int_equal(l4_host_addresses(t.h, 1, a, 4), 2);
	assert_int_equal(a[0].state, L4_ADDR_PREFERRED);
	tn_clear(&t);
	assert_true(hears(&t, u));
	tn_run(&t, 11 * L4_SEC);
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "192.0.2.1", &tn_mac_c, "192.0.2.1", &tn_broadcast);
	tn_rxf(&t, &f);
	assert_int_equal(tn_count(&t, L4_ETHERTYPE_ARP, 0), 1);
	tn_free(&t);
}

/* ARP-05: a grid of header fields, each in a block of its exact size. */
static void arp_05_header_grid(void **state)
{
	static const uint8_t size[] = { 0, 1, 4, 6, 16, 255 };
	static const uint16_t op[] = { 0, 1, 2, 3, 4, 8, 65535 };
	struct tn t;
	unsigned answers = 0;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	for (unsigned hl = 0; hl < 6; hl++)
		for (unsigned pl = 0; pl < 6; pl++)
			for (unsigned k = 0; k < 7; k++)
				for (unsigned ht = 0; ht < 2; ht++) {
					tf_arp(&f, 1, &tn_mac_b, "192.0.2.2", &tn_mac_a,
					    "192.0.2.1", &tn_broadcast);
					f.b[18] = size[hl];
					f.b[19] = size[pl];
					l4_put_u16(f.b + 20, op[k]);
					l4_put_u16(f.b + 14, ht ? 6 : 1);
					tn_rxf(&t, &f);
					bool good =
					    size[hl] == 6 && size[pl] == 4 && op[k] == 1 && !ht;
					answers += good;
					assert_int_equal(t.n_out, answers);
				}
	assert_int_equal(answers, 1);
	assert_true(tn_drops(&t, L4_DROP_ARP_FORMAT) > 400);
	tn_free(&t);
}

/* ARP-06: link addresses that are nobody's. */
static void arp_06_group_macs(void **state)
{
	static const struct l4_mac bad[] = { { { 255, 255, 255, 255, 255, 255 } },
		{ { 1, 0, 0x5e, 0, 0, 1 } }, { { 0, 0, 0, 0, 0, 0 } }, { { 2, 0, 0, 0, 0, 0xa } } };
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	send_to(&t, ep, "192.0.2.2");
	tn_clear(&t);
	for (unsigned i = 0; i < 4; i++) {
		tf_arp(&f, L4_ARP_REPLY, &bad[i], "192.0.2.2", &tn_mac_a, "192.0.2.1", &tn_mac_a);
		memcpy(f.b + 6, tn_mac_b.b, 6); /* the frame itself looks honest */
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(tn_drops(&t, L4_DROP_ARP_MAC), i + 1);
	}
	tn_free(&t);
}

/* RFC 5227 2.1: probes, then announcements; a conflict while probing takes the address away. */
static void address_conflict_detection(void **state)
{
	(void)state;
	for (unsigned conflict = 0; conflict < 3; conflict++) {
		struct l4_host_config hc;
		struct l4_iface_config ic;
		struct l4_iface_address a;
		struct tn t;
		l4_host_config_init(&hc);
		tn_iface(&ic, &tn_mac_a);
		ic.dad = true;
		tn_new_with(&t, &hc, &ic);
		struct l4_prefix p = px("192.0.2.1/24");
		assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), 0);
		assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
		assert_int_equal(a.state, L4_ADDR_TENTATIVE);
		tn_run(&t, 1500 * L4_MSEC);
		if (conflict == 1)
			tf_arp(&f, L4_ARP_REPLY, &tn_mac_c, "192.0.2.1", &tn_mac_a, "0.0.0.0",
			    &tn_broadcast);
		if (conflict == 2) /* probes at the same time */
			tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "0.0.0.0", &tn_mac_c, "192.0.2.1",
			    &tn_broadcast);
		if (conflict)
			tn_rxf(&t, &f);
		tn_run(&t, 20 * L4_SEC);
		assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
		assert_int_equal(a.state, conflict ? L4_ADDR_DUPLICATE : L4_ADDR_PREFERRED);
		if (!conflict)
			assert_int_equal(tn_count(&t, L4_ETHERTYPE_ARP, 0), 3 + 2);
		tn_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eth_01_short_frames),
		cmocka_unit_test(eth_02_lengths_instead_of_types),
		cmocka_unit_test(eth_03_vlan_depth),
		cmocka_unit_test(eth_04_martian_sources),
		cmocka_unit_test(eth_05_unicast_in_broadcast),
		cmocka_unit_test(other_stations),
		cmocka_unit_test(lnk_01_long_frames),
		cmocka_unit_test(arp_resolves_and_answers),
		cmocka_unit_test(arp_01_spoofed_reply),
		cmocka_unit_test(neighbour_moves),
		cmocka_unit_test(arp_02_request_flood),
		cmocka_unit_test(arp_03_silent_neighbour),
		cmocka_unit_test(arp_04_conflict),
		cmocka_unit_test(arp_05_header_grid),
		cmocka_unit_test(arp_06_group_macs),
		cmocka_unit_test(address_conflict_detection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
