/* The edges of a host: GRO, checksums and segmentation left to the device, routes, limits, memory
 * that runs out, many endpoints. */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;

/* ---- A connection with a peer by hand ---------------------------------------------------------
 */

struct peer {
	struct tn t;
	l4_ep conn;
	struct l4_tcp_hdr h; /* what the peer sends next */
	uint32_t rcv;        /* the peer's RCV.NXT */
};

static void peer_new(struct peer *p, const struct l4_device_caps *caps)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_packet k;
	struct l4_tcp_hdr h;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	if (caps)
		ic.caps = *caps;
	tn_new_with(&p->t, &hc, &ic);
	struct l4_prefix p4 = px("192.0.2.1/24");
	assert_int_equal(l4_host_add_address(p->t.h, 1, &p4, p->t.now), 0);
	struct l4_addr a = ad("192.0.2.2");
	assert_int_equal(l4_host_add_neighbour(p->t.h, 1, &a, &tn_mac_b, p->t.now), 0);
	l4_ep l = l4_tcp_new(p->t.h, NULL);
	struct l4_endpoint local = ep_of("192.0.2.1", 80);
	assert_int_equal(l4_tcp_bind(p->t.h, l, &local), 0);
	assert_int_equal(l4_tcp_listen(p->t.h, l, 4, p->t.now), 0);
	p->h = (struct l4_tcp_hdr){
		.sport = 5000, .dport = 80, .seq = 1000, .wnd = 65535, .flags = L4_TCPF_SYN
	};
	p->h.opts = (struct l4_tcp_opts){ .present = L4_TCPO_MSS, .mss = 1460 };
	struct tf_opt o = { 0 };
	tf_tcp(&f, &o, &p->h, NULL, 0);
	tn_rxf(&p->t, &f);
	assert_int_equal(p->t.n_out, 1);
	const struct tn_frame *s = &p->t.out[0];
	assert_int_equal(l4_packet_parse_eth(&k, s->p, s->len, s->len, 0), 0);
	assert_true(l4_tcp_parse(&h, s->p + k.l4_off, k.l4_len) > 0);
	tn_clear(&p->t);
	p->rcv = h.seq + 1;
	p->h.opts.present = 0;
	p->h.seq++;
	p->h.flags = L4_TCPF_ACK;
	p->h.ack = p->rcv;
	tf_tcp(&f, &o, &p->h, NULL, 0);
	tn_rxf(&p->t, &f);
	p->conn = l4_tcp_accept(p->t.h, l, NULL, NULL, p->t.now);
	assert_true(p->conn > 0);
	tn_clear(&p->t);
}

/* A batch of n full segments, joined or not: all bytes, few ACKs. */
static void gro_joins_neighbours(void **state)
{
	enum { N = 40, LEN = 1460 };
	static uint8_t frame[N][1600], got[N * LEN];
	static struct l4_piece piece[N][2];
	static struct l4_frame fr[N];
	(void)state;
	for (unsigned how = 0; how < 4; how++) {
		static struct peer p;
		peer_new(&p, NULL);
		for (unsigned i = 0; i < N; i++) {
			uint8_t data[LEN];
			for (unsigned k = 0; k < LEN; k++)
				data[k] = (uint8_t)(i * 31 + k);
			struct l4_tcp_hdr h = p.h;
			h.seq += i * LEN;
			if (how == 1 && i % 5 == 4)
				h.flags |= L4_TCPF_PSH;
			if (how == 2)
				h.wnd = (uint16_t)(60000 + i);
			struct tf_opt o = { 0 };
			tf_tcp(&f, &o, &h, data, LEN);
			memcpy(frame[i], f.b, f.len);
			/* how 3: in two pieces, cut inside the payload or between */
			uint32_t cut = how == 3 ? 54 + i * 7 : f.len;
			piece[i][0] = (struct l4_piece){ frame[i], cut };
			piece[i][1] = (struct l4_piece){ frame[i] + cut, f.len - cut };
			fr[i] = (struct l4_frame){
				.pieces = piece[i], .n_pieces = how == 3 ? 2 : 1, .len = f.len
			};
		}
		l4_host_rx(p.t.h, 1, fr, N, p.t.now);
		tn_pull(&p.t);
		assert_int_equal(l4_tcp_recv(p.t.h, p.conn, got, sizeof(got), 0, p.t.now), N * LEN);
		for (unsigned i = 0; i < N * LEN; i++)
			assert_int_equal(got[i], (uint8_t)(i / LEN * 31 + i % LEN));
		assert_true(p.t.n_out <= N / 2 + 1);
		tn_free(&p.t);
	}
}

/* One byte wrong somewhere, in any piece: the segment is dropped, whatever its neighbours. */
static void gro_checks_every_segment(void **state)
{
	static struct peer p;
	static uint8_t frame[3][1600], got[8000];
	struct l4_piece piece[3];
	struct l4_frame fr[3];
	(void)state;
	peer_new(&p, NULL);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t data[1000] = { 0 };
		struct l4_tcp_hdr h = p.h;
		h.seq += i * 1000;
		struct tf_opt o = { 0 };
		tf_tcp(&f, &o, &h, data, 1000);
		memcpy(frame[i], f.b, f.len);
		piece[i] = (struct l4_piece){ frame[i], f.len };
		fr[i] = (struct l4_frame){ .pieces = &piece[i], .n_pieces = 1, .len = f.len };
	}
	frame[1][700] ^= 4;
	l4_host_rx(p.t.h, 1, fr, 3, p.t.now);
	assert_int_equal(tn_drops(&p.t, L4_DROP_TCP_CSUM), 1);
	assert_int_equal(l4_tcp_recv(p.t.h, p.conn, got, sizeof(got), 0, p.t.now), 1000);
	tn_free(&p.t);
}

/* A device that completes checksums and cuts segments gets them so; cut by l4_gso they are the
 * frames that a plain device gets. */
static void device_offloads(void **state)
{
	static struct peer p;
	static struct l4_tx_frame tx[16];
	static uint8_t data[20000], part[2000];
	struct l4_device_caps caps = { .medium = L4_MEDIUM_ETHERNET,
		.mtu = 1500,
		.mac = tn_mac_a,
		.tx_csum = true,
		.tx_tso4 = true,
		.tx_tso6 = true,
		.gso_max = 65535 };
	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	peer_new(&p, &caps);
	assert_int_equal(l4_tcp_send(p.t.h, p.conn, data, sizeof(data), 0, p.t.now), sizeof(data));
	size_t n = l4_host_tx(p.t.h, 1, tx, 16, p.t.now);
	assert_true(n >= 1);
	uint32_t sent = 0;
	bool super = false;
	for (size_t i = 0; i < n; i++) {
		const struct l4_frame *fr = &tx[i].f;
		struct l4_gso g;
		int len;
		assert_true(fr->off.needs_csum);
		assert_int_equal(fr->off.csum_start, 34);
		assert_int_equal(fr->off.csum_offset, 16);
		super |= fr->off.gso_type == L4_GSO_TCPV4;
		l4_gso_begin(&g, fr);
		while ((len = l4_gso_next(&g, part, sizeof(part))) > 0) {
			struct l4_packet k;
			struct l4_tcp_hdr h;
			assert_true(len <= 1514);
			assert_int_equal(
			    l4_packet_parse_eth(&k, part, (size_t)len, (size_t)len, 0), 0);
			assert_int_equal(
			    l4_wire_csum(&k.src, &k.dst, L4_PROTO_TCP, part + k.l4_off, k.l4_len),
			    0);
			int hdr = l4_tcp_parse(&h, part + k.l4_off, k.l4_len);
			assert_true(hdr > 0);
			assert_int_equal(h.seq, p.rcv + sent);
			assert_memory_equal(
			    part + k.l4_off + hdr, data + sent, k.l4_len - (uint32_t)hdr);
			sent += k.l4_len - (uint32_t)hdr;
		}
		assert_int_equal(len, 0);
	}
	assert_true(super);
	assert_true(sent >= 10 * 1460);
	/* received: a checksum that the device vouches for is not made again */
	tn_free(&p.t);
}

/* Routes: longest prefix, then metric; a dead router gives way (IP-094 to IP-111). */
static void routes_choose(void **state)
{
	struct tn t;
	struct l4_hop hop;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	struct l4_prefix all = px("0.0.0.0/0"), net = px("198.51.100.0/24"),
			 one = px("198.51.100.7");
	struct l4_addr g1 = ad("192.0.2.254"), g2 = ad("192.0.2.253"), g3 = ad("192.0.2.252");
	struct l4_addr far = ad("203.0.113.1"), in_net = ad("198.51.100.8"),
		       host = ad("198.51.100.7");
	struct l4_addr near = ad("192.0.2.99");
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), L4_ENOROUTE);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &near, 0, &hop, t.now), 0);
	assert_true(l4_addr_eq(&hop.next, &near)); /* IP-095: no router needed */
	assert_int_equal(l4_host_add_route(t.h, &all, &g1, 1, 20), 0);
	assert_int_equal(l4_host_add_route(t.h, &all, &g2, 1, 10), 0);
	assert_int_equal(l4_host_add_route(t.h, &net, &g3, 1, 50), 0);
	assert_int_equal(l4_host_add_route(t.h, &one, &g1, 1, 50), 0);
	const struct {
		const struct l4_addr *dst, *next;
	} row[] = { { &far, &g2 }, { &in_net, &g3 }, { &host, &g1 }, { &near, &near } };
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(l4_ip_route(&t.h->ip, NULL, row[i].dst, 0, &hop, t.now), 0);
		assert_true(l4_addr_eq(&hop.next, row[i].next));
	}
	/* g2 does not answer: traffic moves to g1, and back after g2 was heard again */
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint to = { far, 9, 0 };
	assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
	tn_run(&t, 4 * L4_SEC);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	assert_true(l4_addr_eq(&hop.next, &g1));
	tf_arp(&f, L4_ARP_REQUEST, &tn_mac_c, "192.0.2.253", &tn_mac_a, "192.0.2.1", &tn_broadcast);
	tn_rxf(&t, &f);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	assert_true(l4_addr_eq(&hop.next, &g2));
	assert_int_equal(l4_host_del_route(t.h, &all, &g2, 1), 0);
	assert_int_equal(l4_host_del_route(t.h, &all, &g2, 1), L4_ENOTFOUND);
	assert_int_equal(l4_host_add_route(t.h, &all, &far, 9, 0), L4_EINVAL);
	/* a foreign source is refused (IP-013) */
	assert_int_equal(l4_ip_route(&t.h->ip, &host, &near, 0, &hop, t.now), L4_ENOADDR);
	tn_free(&t);
}

/* RFC 6724 5: sources for destinations. */
static void source_selection(void **state)
{
	static const struct {
		const char *dst, *src;
	} row[] = {
		{ "2001:db8:1::9", "2001:db8:1::1" },
		{ "2001:db8:2::9", "2001:db8:2::1" },
		{ "fe80::9", "fe80::1" },
		{ "fd00::9", "fd00::1" },
		{ "ff02::1", "fe80::1" },
		{ "ff05::1", "2001:db8:2::1" },
	};
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(&t, &hc, &ic);
	static const char *const own[] = { "fe80::1/64", "2001:db8:1::1/64", "2001:db8:2::1/64",
		"fd00::1/64", "192.0.2.1/24" };
	for (unsigned i = 0; i < 5; i++) {
		struct l4_prefix p = px(own[i]);
		assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), 0);
	}
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct l4_addr got, dst = ad(row[i].dst), want = ad(row[i].src);
		assert_int_equal(l4_host_source_for(t.h, &dst, &got), 0);
		if (i == 5) /* either global address will do */
			assert_false(l4_addr_is_link_local(&got));
		else
			assert_true(l4_addr_eq(&got, &want));
	}
	tn_free(&t);
}

/* ---- Memory that runs out ------------------------------------------------------------------- */

struct failing {
	unsigned countdown; /* allocations that still succeed */
	int64_t live;
};

static void *fail_alloc(void *ctx, size_t size)
{
	struct failing *x = ctx;
	if (!x->countdown)
		return NULL;
	x->countdown--;
	x->live += (int64_t)size;
	return malloc(size);
}

static void fail_free(void *ctx, void *p, size_t size)
{
	struct failing *x = ctx;
	x->live -= (int64_t)size;
	free(p);
}

static void use_everything(struct tn *t)
{
	static struct tf g;
	struct l4_prefix p4 = px("192.0.2.1/24"), p6 = px("2001:db8::1/64"), all = px("0.0.0.0/0");
	struct l4_addr gw = ad("192.0.2.254"), peer = ad("192.0.2.2"), group = ad("239.1.1.1");
	struct l4_endpoint to = ep_of("192.0.2.2", 9), local = ep_of("0.0.0.0", 7);
	char buf[2048];
	(void)l4_host_add_address(t->h, 1, &p4, t->now);
	(void)l4_host_add_address(t->h, 1, &p6, t->now);
	(void)l4_host_add_route(t->h, &all, &gw, 1, 0);
	(void)l4_host_add_neighbour(t->h, 1, &peer, &tn_mac_b, t->now);
	l4_ep u = l4_udp_new(t->h, NULL), c = l4_tcp_new(t->h, NULL), l = l4_tcp_new(t->h, NULL);
	(void)l4_udp_bind(t->h, u, &local);
	(void)l4_udp_join(t->h, u, &group, 1, NULL, t->now);
	memset(buf, 1, sizeof(buf));
	(void)l4_udp_send(t->h, u, &to, buf, sizeof(buf), t->now);
	to.addr = ad("192.0.2.77");
	(void)l4_udp_send(t->h, u, &to, buf, 10, t->now);
	to = ep_of("192.0.2.1", 7);
	(void)l4_udp_send(t->h, u, &to, buf, 10, t->now);
	(void)l4_tcp_bind(t->h, l, &(struct l4_endpoint){ p4.addr, 80, 0 });
	(void)l4_tcp_listen(t->h, l, 4, t->now);
	(void)l4_tcp_connect(t->h, c, &(struct l4_endpoint){ p4.addr, 80, 0 }, t->now);
	tn_run(t, L4_SEC);
	struct tf_opt o = { .mf = true, .id = 3 };
	tf_udp(&g, &o, 9, 7, buf, 200);
	tn_rxf(t, &g);
	o = (struct tf_opt){ .frag_off = 208, .id = 3 };
	tf_ip(&g, &o, L4_PROTO_UDP, buf, 40);
	tn_rxf(t, &g);
	o = (struct tf_opt){ 0 };
	tf_icmp(&g, &o, L4_ICMP_ECHO, 0, 1, buf, 300);
	tn_rxf(t, &g);
	tf_udp(&g, &o, 9, 7, buf, 100);
	tn_rxf(t, &g);
	tf_udp(&g, &o, 9, 8, buf, 100);
	tn_rxf(t, &g);
	(void)l4_tcp_send(t->h, c, buf, sizeof(buf), 0, t->now);
	l4_ep s = l4_tcp_accept(t->h, l, NULL, NULL, t->now);
	tn_run(t, L4_SEC);
	(void)l4_tcp_recv(t->h, s, buf, sizeof(buf), 0, t->now);
	(void)l4_udp_recv(t->h, u, buf, sizeof(buf), NULL, t->now);
	tn_events(t);
	tn_run(t, 40 * L4_SEC);
	(void)l4_udp_close(t->h, u, t->now);
	tn_run(t, L4_SEC);
}

/* The allocator fails at call 1, 2, … n, and from there on: no leak, no crash, invariants hold. */
static void memory_runs_out(void **state)
{
	static struct tn t;
	(void)state;
	unsigned n = 0;
	for (bool enough = false; !enough; n++) {
		struct failing x = { .countdown = n };
		struct l4_host_config hc;
		struct l4_iface_config ic;
		assert_true(n < 5000);
		l4_host_config_init(&hc);
		hc.limits.connections = 64;
		hc.limits.half_open = 64;
		hc.limits.time_wait = 64;
		hc.allocator = (struct l4_allocator){ fail_alloc, fail_free, &x };
		hc.has_seed = true;
		hc.now = L4_SEC;
		tn_iface(&ic, &tn_mac_a);
		ic.link_local = ic.accept_ra = ic.dhcp4 = true;
		t = (struct tn){ .now = L4_SEC };
		int rc = l4_host_new(&t.h, &hc);
		if (rc == 0) {
			t.ifindex = l4_host_add_iface(t.h, &ic, t.now);
			assert_true(t.ifindex == 1 || t.ifindex == L4_ENOMEM);
			if (t.ifindex == 1)
				use_everything(&t);
			enough = x.countdown > 0;
			tn_free(&t);
		} else {
			assert_int_equal(rc, L4_ENOMEM);
		}
		assert_int_equal(x.live, 0);
	}
	assert_true(n > 30);
}

/* Limits hold. */
static void limits_hold(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	(void)state;
	l4_host_config_init(&hc);
	hc.limits.udp = 3;
	hc.limits.addresses = 2;
	hc.limits.routes = 2;
	hc.limits.queue_frames = 4;
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(&t, &hc, &ic);
	l4_ep u = 0;
	for (unsigned i = 0; i < 4; i++) {
		char text[40];
		(void)snprintf(text, sizeof(text), "192.0.2.%u/24", i + 1);
		struct l4_prefix p = px(text);
		assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), i < 2 ? 0 : L4_ELIMIT);
		l4_ep e = l4_udp_new(t.h, NULL);
		assert_true(i < 3 ? e > 0 : e == L4_ELIMIT);
		u = e > 0 ? e : u;
		(void)snprintf(text, sizeof(text), "10.%u.0.0/16", i);
		p = px(text);
		struct l4_addr gw = ad("192.0.2.254");
		assert_int_equal(l4_host_add_route(t.h, &p, &gw, 1, 0), i < 2 ? 0 : L4_ELIMIT);
	}
	struct l4_addr peer = ad("192.0.2.77");
	struct l4_endpoint to = { peer, 9, 0 };
	assert_int_equal(l4_host_add_neighbour(t.h, 1, &peer, &tn_mac_b, t.now), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), i < 4 ? 1 : L4_EAGAIN);
	tn_pull(&t);
	assert_int_equal(t.n_out, 4);
	assert_true(tn_event_of(&t, u) & L4_EV_WRITABLE);
	tn_free(&t);
}

/* Same seed, same calls, same bytes. */
static void deterministic(void **state)
{
	static struct tn t[2];
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct l4_host_config hc;
		struct l4_iface_config ic;
		l4_host_config_init(&hc);
		hc.seed[5] = 9;
		tn_iface(&ic, &(struct l4_mac){ { 0 } });
		ic.link_local = ic.accept_ra = ic.dad = ic.dhcp4 = true;
		tn_new_with(&t[i], &hc, &ic);
		tn_run(&t[i], 60 * L4_SEC);
	}
	assert_true(t[0].n_out > 5);
	assert_int_equal(t[0].n_out, t[1].n_out);
	for (unsigned i = 0; i < t[0].n_out; i++) {
		assert_int_equal(t[0].out[i].len, t[1].out[i].len);
		assert_int_equal(t[0].out[i].at, t[1].out[i].at);
		assert_memory_equal(t[0].out[i].p, t[1].out[i].p, t[0].out[i].len);
	}
	tn_free(&t[0]);
	tn_free(&t[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gro_joins_neighbours),
		cmocka_unit_test(gro_checks_every_segment),
		cmocka_unit_test(device_offloads),
		cmocka_unit_test(routes_choose),
		cmocka_unit_test(source_selection),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(deterministic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
