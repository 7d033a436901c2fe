/* UDP: demultiplexing, checksums, buffers, options (security cases UDP; RFC 1122 4.1, RFC 768). */
#include "host/net_test.h"

static struct tf f;
static uint8_t data[66000], got[66000];

static void setup(struct tn *t)
{
	tn_new(t);
	tn_know_peer(t);
	tn_settle(t);
}

static l4_ep bound(struct tn *t, const char *a, uint16_t port)
{
	l4_ep ep = l4_udp_new(t->h, NULL);
	struct l4_endpoint e = ep_of(a, port);
	assert_int_equal(l4_udp_bind(t->h, ep, &e), 0);
	return ep;
}

static bool received(struct tn *t, l4_ep u)
{
	return l4_udp_recv(t->h, u, got, sizeof(got), NULL, t->now) >= 0;
}

/* UDP-01: length against what IP carries: only 8 <= length <= payload, delivered length - 8. */
static void udp_01_length_grid(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u4 = bound(&t, "0.0.0.0", 7), u6 = bound(&t, "2001:db8::1", 7);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (uint32_t payload = 0; payload < 40; payload++)
			for (uint32_t len = 0; len < 44; len++) {
				struct tf_opt o = { .dst = v6 ? "2001:db8::1" : "192.0.2.1" };
				uint8_t b[64] = { 0 };
				l4_put_u16(b, 1000);
				l4_put_u16(b + 2, 7);
				l4_put_u16(b + 4, (uint16_t)len);
				bool good = len >= 8 && len <= payload;
				tf_csum(&o, L4_PROTO_UDP, b, good ? len : 8, 6);
				tf_ip(&f, &o, L4_PROTO_UDP, b, payload);
				tn_rxf(&t, &f);
				int64_t n =
				    l4_udp_recv(t.h, v6 ? u6 : u4, got, sizeof(got), NULL, t.now);
				assert_int_equal(n, good ? (int64_t)len - 8 : L4_EAGAIN);
				assert_int_equal(t.n_out, 0);
			}
	tn_free(&t);
}

/* UDP-02: checksum zero on the wire, and one that computes to zero. */
static void udp_02_checksum_zero(void **state)
{
	struct tn t;
	struct tf_opt o = { .keep_csum = true };
	(void)state;
	setup(&t);
	l4_ep u4 = bound(&t, "0.0.0.0", 7), u6 = bound(&t, "2001:db8::1", 7);
	tf_udp(&f, &o, 1000, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_true(received(&t, u4));
	o.dst = "2001:db8::1";
	tf_udp(&f, &o, 1000, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_false(received(&t, u6));
	assert_int_equal(tn_drops(&t, L4_DROP_UDP_CSUM_ZERO), 1);
	/* Of 65536 two-byte payloads one makes the sum zero: all ones are sent. */
	unsigned ones = 0;
	struct l4_endpoint to = ep_of("192.0.2.2", 9);
	for (uint32_t i = 0; i < 65536; i++) {
		uint8_t b[2] = { (uint8_t)(i >> 8), (uint8_t)i };
		assert_int_equal(l4_udp_send(t.h, u4, &to, b, 2, t.now), 2);
		tn_pull(&t);
		uint16_t c = l4_get_u16(t.out[0].p + 40);
		assert_int_not_equal(c, 0);
		ones += c == 0xffff;
		tn_clear(&t);
	}
	assert_true(ones >= 1);
	/* Switched off it is zero, for IPv4 only. */
	assert_int_equal(l4_udp_set(t.h, u4, L4_UDPOPT_NO_CHECKSUM, 1), 0);
	assert_int_equal(l4_udp_send(t.h, u4, &to, "x", 1, t.now), 1);
	tn_pull(&t);
	assert_int_equal(l4_get_u16(t.out[0].p + 40), 0);
	assert_int_equal(l4_udp_set(t.h, u6, L4_UDPOPT_NO_CHECKSUM, 1), 0);
	to = ep_of("2001:db8::2", 9);
	assert_int_equal(l4_udp_send(t.h, u6, &to, "x", 1, t.now), 1);
	tn_pull(&t);
	assert_int_not_equal(l4_get_u16(t.out[1].p + 60), 0);
	tn_free(&t);
}

/* UDP-03: a spoofed datagram between two stacks with nobody who answers: one answer at most, which
 * is an error, to which there is none. */
static void udp_03_no_loops(void **state)
{
	static struct tn_pair p;
	static const uint16_t port[] = { 7, 19, 53, 69 };
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		tn_pair_new(&p);
		/* warm the caches */
		l4_ep u = l4_udp_new(p.a.h, NULL);
		struct l4_endpoint to = ep_of("192.0.2.2", 9999);
		assert_int_equal(l4_udp_send(p.a.h, u, &to, "x", 1, p.a.now), 1);
		tn_pair_run(&p, L4_SEC);
		struct l4_host_counters a0, b0, a1, b1;
		l4_host_counters(p.a.h, &a0);
		l4_host_counters(p.b.h, &b0);
		struct tf_opt o = { 0 };
		tf_udp(&f, &o, port[i], port[i], "loop", 4);
		tn_rxf(&p.a, &f);
		tn_pair_run(&p, 10 * L4_SEC);
		l4_host_counters(p.a.h, &a1);
		l4_host_counters(p.b.h, &b1);
		assert_int_equal(a1.icmp_out - a0.icmp_out + b1.icmp_out - b0.icmp_out, 1);
		tn_pair_free(&p);
	}
}

/* UDP-04: a flood to a bound endpoint that does not read: what it takes is what it was given. */
static void udp_04_receive_buffer(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		struct tn t;
		setup(&t);
		l4_ep u = bound(&t, "0.0.0.0", 7);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_RCVBUF, 65536), 0);
		uint64_t alloc = tn_alloc(&t);
		struct tf_opt o = { 0 };
		tf_udp(&f, &o, 1000, 7, "x", n);
		for (unsigned i = 0; i < 100000; i++)
			tn_rxf(&t, &f);
		assert_true(tn_alloc(&t) - alloc <= 65536);
		tn_check(&t);
		uint64_t full = tn_drops(&t, L4_DROP_UDP_FULL);
		assert_true(full > 99000);
		unsigned have = 0;
		while (received(&t, u))
			have++;
		assert_int_equal(have + full, 100000);
		assert_int_equal(tn_alloc(&t), alloc);
		tn_free(&t);
	}
}

/* UDP-05: the most specific endpoint and no other; a connected one hears only its peer. */
static void udp_05_demultiplexing(void **state)
{
	static const struct {
		const char *src, *dst;
		uint16_t sport;
		int to; /* index below, -1: port unreachable */
	} row[] = {
		{ "192.0.2.2", "192.0.2.1", 9, 0 },
		{ "192.0.2.2", "192.0.2.1", 10, 1 },
		{ "192.0.2.3", "192.0.2.1", 9, 1 },
		{ "192.0.2.2", "192.0.2.10", 9, 2 },
		{ "2001:db8::2", "2001:db8::1", 9, 3 },
	};
	struct tn t;
	(void)state;
	setup(&t);
	struct l4_prefix second = px("192.0.2.10/24");
	assert_int_equal(l4_host_add_address(t.h, 1, &second, t.now), 0);
	l4_ep u[4];
	for (unsigned i = 0; i < 4; i++) {
		u[i] = l4_udp_new(t.h, NULL);
		assert_int_equal(l4_udp_set(t.h, u[i], L4_UDPOPT_REUSEADDR, 1), 0);
	}
	struct l4_endpoint e = ep_of("192.0.2.1", 7), peer = ep_of("192.0.2.2", 9);
	assert_int_equal(l4_udp_bind(t.h, u[0], &e), 0);
	assert_int_equal(l4_udp_connect(t.h, u[0], &peer), 0);
	assert_int_equal(l4_udp_bind(t.h, u[1], &e), 0);
	e = ep_of("0.0.0.0", 7);
	assert_int_equal(l4_udp_bind(t.h, u[2], &e), 0);
	e = ep_of("::", 7);
	assert_int_equal(l4_udp_bind(t.h, u[3], &e), 0);
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tf_opt o = { .src = row[i].src, .dst = row[i].dst };
		tf_udp(&f, &o, row[i].sport, 7, "x", 1);
		tn_rxf(&t, &f);
		for (int k = 0; k < 4; k++)
			assert_int_equal(received(&t, u[k]), k == row[i].to);
	}
	/* With the connected one alone, others are told that nobody is there. */
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(l4_udp_close(t.h, u[i], t.now), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct tf_opt o = { .src = i == 2 ? "192.0.2.3" : NULL,
			.dst = i == 3 ? "192.0.2.10" : NULL };
		tf_udp(&f, &o, i == 1 ? 10 : 9, 7, "x", 1);
		tn_rxf(&t, &f);
		tn_run(&t, L4_SEC);
		assert_int_equal(received(&t, u[0]), i == 0);
		assert_int_equal(tn_drops(&t, L4_DROP_UDP_NO_PORT), i);
	}
	tn_free(&t);
}

/* A v6 endpoint takes IPv4 too, unless it is told not to. */
static void v6only(void **state)
{
	(void)state;
	for (unsigned only = 0; only < 2; only++) {
		struct tn t;
		setup(&t);
		l4_ep u = l4_udp_new(t.h, NULL), v = l4_udp_new(t.h, NULL);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_V6ONLY, only), 0);
		struct l4_endpoint any6 = ep_of("::", 7), any4 = ep_of("0.0.0.0", 7);
		assert_int_equal(l4_udp_bind(t.h, u, &any6), 0);
		assert_int_equal(l4_udp_bind(t.h, v, &any4), only ? 0 : L4_EINUSE);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_V6ONLY, 0), L4_ESTATE);
		tf_udp(&f, &(struct tf_opt){ 0 }, 1000, 7, "x", 1);
		tn_rxf(&t, &f);
		assert_int_equal(received(&t, u), !only);
		assert_int_equal(received(&t, v), only);
		tn_free(&t);
	}
}

/* UDP-06: ports 0, and a group as source. */
static void udp_06_port_zero(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	struct tf_opt o = { 0 };
	tf_udp(&f, &o, 0, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_true(received(&t, u)); /* legal */
	tf_udp(&f, &o, 0, 8, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 0); /* but nobody to answer */
	tf_udp(&f, &o, 5, 0, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_UDP_PORT_ZERO), 1);
	o.src = "224.0.0.9";
	tf_udp(&f, &o, 5, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_false(received(&t, u));
	assert_int_equal(t.n_out, 0);
	struct l4_endpoint zero = ep_of("192.0.2.2", 0);
	assert_int_equal(l4_udp_send(t.h, u, &zero, "x", 1, t.now), L4_EINVAL);
	assert_int_equal(l4_udp_connect(t.h, u, &zero), L4_EINVAL);
	tn_free(&t);
}

/* UDP-07: odd lengths against a sum made bit by bit. */
static void udp_07_odd_lengths(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	struct l4_endpoint to = ep_of("192.0.2.2", 9);
	for (uint32_t n = 0; n <= 33; n++) {
		for (uint32_t i = 0; i < n; i++)
			data[i] = (uint8_t)(200 + i * 7);
		assert_int_equal(l4_udp_send(t.h, u, &to, data, n, t.now), n);
		tn_pull(&t);
		const uint8_t *p = t.out[0].p + 34;
		uint32_t sum = L4_PROTO_UDP + 8 + n;
		for (unsigned i = 0; i < 8; i += 2)
			sum += l4_get_u16(t.out[0].p + 26 + i);
		for (uint32_t i = 0; i < 8 + n; i++)
			sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(sum, 0xffff);
		tn_clear(&t);
		tf_udp(&f, &(struct tf_opt){ 0 }, 9, 7, data, n);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_recv(t.h, u, got, sizeof(got), NULL, t.now), n);
		if (n) { /* and any bit wrong is noticed */
			f.b[f.len - 1] ^= 1;
			tn_rxf(&t, &f);
			assert_false(received(&t, u));
		}
	}
	tn_free(&t);
}

/* UDP-08: the largest and the smallest. */
static void udp_08_sizes(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL), v = l4_udp_new(t.h, NULL);
	struct l4_endpoint to4 = ep_of("192.0.2.2", 9), to6 = ep_of("2001:db8::2", 9);
	assert_int_equal(l4_udp_send(t.h, u, &to4, data, 65508, t.now), L4_EMSGSIZE);
	assert_int_equal(l4_udp_send(t.h, u, &to4, data, 65507, t.now), 65507);
	tn_pull(&t);
	assert_int_equal(l4_udp_send(t.h, u, &to4, data, 0, t.now), 0);
	assert_int_equal(l4_udp_send(t.h, v, &to6, data, 65528, t.now), L4_EMSGSIZE);
	assert_int_equal(l4_udp_send(t.h, v, &to6, data, 65527, t.now), 65527);
	tn_pull(&t);
	tn_free(&t);
}

/* Who may send to broadcast addresses, and how it goes out (IP-142, IP-144). */
static void broadcast_needs_permission(void **state)
{
	static const char *const dst[] = { "255.255.255.255", "192.0.2.255" };
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	for (unsigned i = 0; i < 2; i++) {
		struct l4_endpoint to = ep_of(dst[i], 9);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_BROADCAST, 0), 0);
		assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), L4_EPERM);
		assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_BROADCAST, 1), 0);
		assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
		tn_pull(&t);
		assert_int_equal(t.n_out, 1);
		assert_memory_equal(t.out[0].p, tn_broadcast.b, 6);
		tn_clear(&t);
	}
	/* Bound to a broadcast address, one sends from a real one (IP-137). */
	struct l4_packet k;
	struct l4_endpoint peer = ep_of("192.0.2.2", 9);
	struct l4_addr ours = ad("192.0.2.1");
	l4_ep b = bound(&t, "192.0.2.255", 8);
	assert_int_equal(l4_udp_send(t.h, b, &peer, "x", 1, t.now), 1);
	tn_pull(&t);
	(void)tn_packet(&t, 0, &k);
	assert_true(l4_addr_eq(&k.src, &ours));
	tn_clear(&t);
	/* Received by all that are bound to the port (IP-138: the old form too). */
	static const char *const to[] = { "255.255.255.255", "192.0.2.255", "192.0.2.0",
		"0.0.0.0" };
	for (unsigned i = 0; i < 4; i++) {
		struct tf_opt o = { .dst = to[i], .eth_dst = &tn_broadcast };
		struct l4_udp_msg m;
		tf_udp(&f, &o, 1000, 7, "x", 1);
		tn_rxf(&t, &f);
		assert_int_equal(l4_udp_recv(t.h, u, got, 8, &m, t.now), 1);
		struct l4_addr a = ad(to[i]);
		assert_true(l4_addr_eq(&m.to.addr, &a)); /* row 11 of 4.1.5 */
	}
	tn_free(&t);
}

/* The application chooses its address, or leaves it open and learns it (RFC 1122 4.1.3.5). */
static void local_addresses(void **state)
{
	struct tn t;
	struct l4_packet k;
	struct l4_endpoint e;
	(void)state;
	setup(&t);
	struct l4_prefix second = px("192.0.2.10/24");
	assert_int_equal(l4_host_add_address(t.h, 1, &second, t.now), 0);
	l4_ep u = bound(&t, "192.0.2.10", 0), v = l4_udp_new(t.h, NULL), w = l4_udp_new(t.h, NULL);
	struct l4_endpoint to = ep_of("192.0.2.2", 9), foreign = ep_of("198.51.100.1", 9);
	assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
	assert_int_equal(l4_udp_connect(t.h, v, &to), 0);
	assert_int_equal(l4_udp_send(t.h, v, NULL, "x", 1, t.now), 1);
	tn_pull(&t);
	(void)tn_packet(&t, 0, &k);
	assert_true(l4_addr_eq(&k.src, &second.addr));
	assert_int_equal(l4_udp_local(t.h, v, &e), 0);
	(void)tn_packet(&t, 1, &k);
	assert_true(l4_addr_eq(&k.src, &e.addr));
	assert_true(e.port >= 1024);
	assert_int_equal(l4_udp_bind(t.h, w, &foreign), L4_ENOADDR);
	assert_int_equal(l4_udp_remote(t.h, v, &e), 0);
	assert_int_equal(l4_udp_remote(t.h, u, &e), L4_ENOTCONN);
	assert_int_equal(l4_udp_send(t.h, w, NULL, "x", 1, t.now), L4_ENOTCONN);
	assert_int_equal(l4_udp_send(t.h, w, &foreign, "x", 1, t.now), L4_ENOROUTE);
	/* A port is one endpoint's. */
	assert_int_equal(l4_udp_local(t.h, u, &e), 0);
	assert_int_equal(l4_udp_bind(t.h, w, &e), L4_EINUSE);
	e.addr = ad("0.0.0.0");
	assert_int_equal(l4_udp_bind(t.h, w, &e), L4_EINUSE);
	e.addr = ad("192.0.2.1");
	assert_int_equal(l4_udp_bind(t.h, w, &e), 0);
	tn_free(&t);
}

/* TTL, TOS, IP options, both ways (RFC 1122 4.1.4, 4.1.3.2). */
static void header_fields_both_ways(void **state)
{
	static const uint8_t opts[] = { 148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 1 };
	struct tn t;
	struct l4_packet k;
	struct l4_udp_msg m;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	struct l4_endpoint to = ep_of("192.0.2.2", 9);
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_TTL, 3), 0);
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_TOS, 0xb8), 0);
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_TTL, 0), L4_EINVAL);
	assert_int_equal(l4_udp_set_ip_options(t.h, u, opts, sizeof(opts)), 0);
	assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
	tn_pull(&t);
	const uint8_t *p = tn_packet(&t, 0, &k);
	assert_int_equal(k.ttl, 3);
	assert_int_equal(k.tos, 0xb8);
	assert_int_equal(p[14], 0x48);
	assert_memory_equal(p + 34, opts, sizeof(opts));
	tn_clear(&t);
	/* In fragments the later ones carry only what is to be copied. */
	assert_int_equal(l4_udp_send(t.h, u, &to, data, 3000, t.now), 3000);
	tn_pull(&t);
	assert_int_equal(t.n_out, 3);
	assert_int_equal(t.out[0].p[14], 0x48);
	assert_int_equal(t.out[1].p[14], 0x46);
	assert_memory_equal(t.out[1].p + 34, opts, 4);
	tn_clear(&t);
	static const uint8_t bad[] = { 7, 1 };
	assert_int_equal(l4_udp_set_ip_options(t.h, u, bad, 2), L4_EINVAL);
	assert_int_equal(l4_udp_set_ip_options(t.h, u, opts, 0), 0);
	struct tf_opt o = { .ttl = 9, .tos = 0x2e, .opts_len = 12 };
	memcpy(o.opts, opts, sizeof(opts));
	tf_udp(&f, &o, 1000, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_recv(t.h, u, got, 8, &m, t.now), 1);
	assert_int_equal(m.ttl, 9);
	assert_int_equal(m.tos, 0x2e);
	assert_int_equal(m.ifindex, 1);
	assert_int_equal(m.ip_opts_len, 12);
	assert_memory_equal(m.ip_opts, opts, sizeof(opts));
	tn_free(&t);
}

/* What does not fit the reader's buffer is lost, and said; peek leaves it. */
static void receiving(void **state)
{
	struct tn t;
	struct l4_udp_msg m;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	tf_udp(&f, &(struct tf_opt){ 0 }, 1000, 7, "0123456789", 10);
	tn_rxf(&t, &f);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_inq(t.h, u), 10);
	assert_int_equal(l4_udp_peek(t.h, u, got, 4, &m, t.now), 4);
	assert_int_equal(m.len, 10);
	assert_int_equal(l4_udp_recv(t.h, u, got, 4, &m, t.now), 4);
	assert_int_equal(m.len, 10);
	assert_int_equal(l4_udp_recv(t.h, u, got, 64, NULL, t.now), 10);
	assert_int_equal(l4_udp_recv(t.h, u, got, 64, NULL, t.now), L4_EAGAIN);
	tn_free(&t);
}

/* The send buffer fills while the device takes nothing; WRITABLE follows. */
static void sending_blocks(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint to = ep_of("192.0.2.2", 9);
	assert_int_equal(l4_udp_set(t.h, u, L4_UDPOPT_SNDBUF, 20000), 0);
	unsigned n = 0;
	int64_t rc;
	while ((rc = l4_udp_send(t.h, u, &to, data, 1000, t.now)) == 1000)
		n++;
	assert_int_equal(rc, L4_EAGAIN);
	assert_true(n >= 15 && n <= 20);
	assert_int_equal(tn_event_of(&t, u), 0);
	tn_pull(&t);
	assert_int_equal(t.n_out, n);
	assert_int_equal(tn_event_of(&t, u), L4_EV_WRITABLE);
	assert_int_equal(l4_udp_send(t.h, u, &to, data, 1000, t.now), 1000);
	tn_free(&t);
}

/* Stale handles are errors, and their events never another endpoint's. */
static void stale_handles(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = bound(&t, "0.0.0.0", 7);
	tf_udp(&f, &(struct tf_opt){ 0 }, 1000, 7, "x", 1);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_close(t.h, u, t.now), 0);
	assert_int_equal(l4_udp_close(t.h, u, t.now), L4_EBADF);
	l4_ep v = bound(&t, "0.0.0.0", 7);
	assert_int_equal((uint32_t)u, (uint32_t)v);
	assert_int_not_equal(u, v);
	assert_int_equal(l4_udp_recv(t.h, u, got, 8, NULL, t.now), L4_EBADF);
	assert_int_equal(l4_udp_inq(t.h, v), 0);
	tn_rxf(&t, &f);
	tn_events(&t);
	assert_int_equal(t.n_ev, 1 + (t.ev[0].bits == L4_EV_ADDRESS));
	assert_int_equal(t.ev[t.n_ev - 1].ep, v);
	assert_int_equal(l4_udp_recv(t.h, 0, got, 8, NULL, t.now), L4_EBADF);
	assert_int_equal(l4_udp_recv(t.h, -5, got, 8, NULL, t.now), L4_EBADF);
	assert_int_equal(l4_udp_recv(t.h, INT64_MAX, got, 8, NULL, t.now), L4_EBADF);
	tn_free(&t);
}

/* Ports chosen at random (RFC 6056): all in range, none twice, no order. */
static void ephemeral_ports(void **state)
{
	static uint8_t seen[65536];
	struct tn t;
	unsigned up = 0;
	uint16_t last = 0;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < 2000; i++) {
		struct l4_endpoint e;
		l4_ep u = bound(&t, "0.0.0.0", 0);
		assert_int_equal(l4_udp_local(t.h, u, &e), 0);
		assert_true(e.port >= 1024);
		assert_int_equal(seen[e.port]++, 0);
		up += e.port > last;
		last = e.port;
	}
	assert_true(up > 850 && up < 1150);
	tn_free(&t);
}

/* A forwarder takes datagrams for anybody (config.forwarder). */
static void forwarder_takes_all(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_udp_msg m;
	(void)state;
	l4_host_config_init(&hc);
	hc.forwarder = true;
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(&t, &hc, &ic);
	struct l4_prefix p = px("192.0.2.1/24");
	assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), 0);
	tn_know_peer(&t);
	l4_ep u = l4_udp_new(t.h, NULL), answer = l4_udp_new(t.h, NULL);
	struct l4_endpoint any = ep_of("0.0.0.0", 0);
	assert_int_equal(l4_udp_bind(t.h, u, &any), 0);
	struct tf_opt o = { .dst = "203.0.113.9" };
	tf_udp(&f, &o, 1000, 53, "who?", 4);
	tn_rxf(&t, &f);
	assert_int_equal(l4_udp_recv(t.h, u, got, 64, &m, t.now), 4);
	struct l4_addr meant = ad("203.0.113.9");
	assert_true(l4_addr_eq(&m.to.addr, &meant));
	assert_int_equal(m.to.port, 53);
	/* and answers in the other's name */
	assert_int_equal(l4_udp_bind(t.h, answer, &m.to), 0);
	assert_int_equal(l4_udp_send(t.h, answer, &m.from, "me", 2, t.now), 2);
	tn_pull(&t);
	struct l4_packet k;
	(void)tn_packet(&t, 0, &k);
	assert_true(l4_addr_eq(&k.src, &meant));
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_01_length_grid),
		cmocka_unit_test(udp_02_checksum_zero),
		cmocka_unit_test(udp_03_no_loops),
		cmocka_unit_test(udp_04_receive_buffer),
		cmocka_unit_test(udp_05_demultiplexing),
		cmocka_unit_test(v6only),
		cmocka_unit_test(udp_06_port_zero),
		cmocka_unit_test(udp_07_odd_lengths),
		cmocka_unit_test(udp_08_sizes),
		cmocka_unit_test(broadcast_needs_permission),
		cmocka_unit_test(local_addresses),
		cmocka_unit_test(header_fields_both_ways),
		cmocka_unit_test(receiving),
		cmocka_unit_test(sending_blocks),
		cmocka_unit_test(stale_handles),
		cmocka_unit_test(ephemeral_ports),
		cmocka_unit_test(forwarder_takes_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
