/* ICMP of both versions: echo, errors out with their limits, errors in with their quotes (security
 * cases ICMP). */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static uint8_t buf[2000];
static const struct tf_opt o4 = { 0 }, o6 = { .src = "2001:db8::2", .dst = "2001:db8::1" };

static void setup(struct tn *t)
{
	tn_new(t);
	tn_know_peer(t);
	tn_settle(t);
}

/* A connected endpoint that has sent one datagram, and that datagram from its IP header on. */
static l4_ep sender(struct tn *t, bool v6, uint8_t *packet, uint32_t *len)
{
	l4_ep u = l4_udp_new(t->h, NULL);
	struct l4_endpoint to = ep_of(v6 ? "2001:db8::2" : "192.0.2.2", 9);
	assert_int_equal(l4_udp_connect(t->h, u, &to), 0);
	assert_int_equal(l4_udp_send(t->h, u, NULL, "0123456789abcdef", 16, t->now), 16);
	tn_pull(t);
	assert_int_equal(t->n_out, 1);
	*len = t->out[0].len - 14;
	memcpy(packet, t->out[0].p + 14, *len);
	tn_clear(t);
	return u;
}

/* ICMP-01: messages shorter than their header, in blocks of their exact size. */
static void icmp_01_short_messages(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned reply = 0; reply < 2; reply++)
			for (uint32_t n = 0; n < 10; n++) {
				const struct tf_opt *o = v6 ? &o6 : &o4;
				uint8_t proto = v6 ? L4_PROTO_ICMP6 : L4_PROTO_ICMP;
				memset(buf, 0, 16);
				buf[0] = (uint8_t)((v6 ? L4_ICMP6_ECHO : L4_ICMP_ECHO) +
						   (reply ? v6 ? 1 : -8 : 0));
				if (n >= 4)
					tf_csum(o, proto, buf, n, 2);
				tf_ip(&f, o, proto, buf, n);
				tn_rxf(&t, &f);
				bool answered = !reply && n >= 8;
				assert_int_equal(t.n_out, answered);
				if (answered)
					assert_int_equal(t.out[0].len, f.len);
				tn_clear(&t);
			}
	assert_int_equal(tn_drops(&t, L4_DROP_ICMP_SHORT), 2 * 2 * 8);
	tn_free(&t);
}

/* Echo of every size that fits, and of more than one frame (IP-068: with all data). */
static void echo_of_all_sizes(void **state)
{
	static struct tn_pair p;
	static uint8_t data[9000];
	struct tn *t = &p.a;
	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		setup(t);
		for (uint32_t n = 0; n <= 1440; n += 9) {
			tf_icmp(
			    &f, v6 ? &o6 : &o4, v6 ? L4_ICMP6_ECHO : L4_ICMP_ECHO, 0, 77, data, n);
			tn_rxf(t, &f);
			struct l4_packet k;
			const uint8_t *b = tn_packet(t, 0, &k);
			assert_int_equal(k.l4_len, n + 8);
			assert_memory_equal(b + k.l4_off + 8, data, n);
			tn_clear(t);
		}
		tn_free(t);
	}
}

/* ICMP-02: quotes cut short, and whose header is longer than they are. */
static void icmp_02_short_quotes(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		uint8_t packet[200];
		uint32_t len;
		setup(&t);
		l4_ep u = sender(&t, v6, packet, &len);
		uint32_t need = v6 ? 48 : 28;
		uint8_t type = v6 ? L4_ICMP6_UNREACH : L4_ICMP_UNREACH;
		uint8_t code = v6 ? L4_ICMP6_UNREACH_PORT : L4_ICMP_UNREACH_PORT;
		for (uint32_t n = 0; n <= len; n++) {
			tf_icmp(&f, v6 ? &o6 : &o4, type, code, 0, packet, n);
			tn_rxf(&t, &f);
			assert_int_equal(l4_udp_error(t.h, u), n >= need ? L4_EREFUSED : 0);
		}
		assert_int_equal(tn_drops(&t, L4_DROP_ICMP_QUOTE), need);
		if (!v6)
			for (unsigned ihl = 6; ihl < 16; ihl++) {
				packet[0] = (uint8_t)(0x40 | ihl);
				tf_icmp(&f, &o4, type, code, 0, packet, 28);
				tn_rxf(&t, &f);
				assert_int_equal(l4_udp_error(t.h, u), 0);
			}
		tn_free(&t);
	}
}

/* What each error becomes for its endpoint (IP-049, IP-059, IP-061, RFC 1122 4.1.3.3). */
static void errors_reach_their_endpoint(void **state)
{
	static const struct {
		bool v6;
		uint8_t type, code;
		int err;
	} row[] = {
		{ false, L4_ICMP_UNREACH, 0, L4_EUNREACH },
		{ false, L4_ICMP_UNREACH, 1, L4_EUNREACH },
		{ false, L4_ICMP_UNREACH, 2, L4_EREFUSED },
		{ false, L4_ICMP_UNREACH, 3, L4_EREFUSED },
		{ false, L4_ICMP_UNREACH, 5, L4_EUNREACH },
		{ false, L4_ICMP_UNREACH, 13, L4_EUNREACH },
		{ false, L4_ICMP_TIME_EXCEEDED, 0, L4_EUNREACH },
		{ false, L4_ICMP_TIME_EXCEEDED, 1, L4_EUNREACH },
		{ false, L4_ICMP_PARAM, 0, L4_EUNREACH },
		{ false, L4_ICMP_SOURCE_QUENCH, 0, 0 },
		{ false, L4_ICMP_REDIRECT, 1, 0 },
		{ true, L4_ICMP6_UNREACH, 0, L4_EUNREACH },
		{ true, L4_ICMP6_UNREACH, 3, L4_EUNREACH },
		{ true, L4_ICMP6_UNREACH, 4, L4_EREFUSED },
		{ true, L4_ICMP6_TIME_EXCEEDED, 0, L4_EUNREACH },
		{ true, L4_ICMP6_PARAM, 0, L4_EUNREACH },
		{ true, L4_ICMP6_PARAM, 1, L4_EREFUSED },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tn t;
		uint8_t packet[200];
		uint32_t len;
		char c;
		setup(&t);
		l4_ep u = sender(&t, row[i].v6, packet, &len);
		tn_events(&t);
		tf_icmp(&f, row[i].v6 ? &o6 : &o4, row[i].type, row[i].code, 0, packet, len);
		tn_rxf(&t, &f);
		uint32_t ev = tn_event_of(&t, u);
		assert_int_equal(ev, row[i].err ? L4_EV_ERROR : 0);
		if (ev)
			assert_int_equal(t.ev[t.n_ev - 1].err, row[i].err);
		/* told once, by whichever call comes first */
		int64_t rc = l4_udp_recv(t.h, u, &c, 1, NULL, t.now);
		assert_int_equal(rc, row[i].err ? row[i].err : L4_EAGAIN);
		assert_int_equal(l4_udp_error(t.h, u), 0);
		tn_free(&t);
	}
}

/* ICMP-04: path MTUs out of reason. The floor is 552 or 1280; a larger one is no news; after ten
 * minutes the path is tried anew. */
static void icmp_04_path_mtu(void **state)
{
	static const uint32_t mtu[] = { 0, 1, 68, 296, 552, 1279, 1280, 1400, 9000 };
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned i = 0; i < sizeof(mtu) / sizeof(mtu[0]); i++) {
			struct tn t;
			uint8_t packet[200];
			uint32_t len;
			struct l4_addr dst = ad(v6 ? "2001:db8::2" : "192.0.2.2");
			setup(&t);
			l4_ep u = sender(&t, v6, packet, &len);
			tf_icmp(&f, v6 ? &o6 : &o4, v6 ? L4_ICMP6_TOO_BIG : L4_ICMP_UNREACH,
			    v6 ? 0 : L4_ICMP_UNREACH_NEEDED, mtu[i], packet, len);
			tn_rxf(&t, &f);
			uint32_t floor = v6 ? 1280 : 552, want = mtu[i] < floor ? floor : mtu[i];
			if (want > 1500)
				want = 1500;
			assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), want);
			assert_int_equal(l4_udp_error(t.h, u), 0); /* datagrams are cut instead */
			assert_int_equal(l4_udp_send(t.h, u, NULL, buf, 1400, t.now), 1400);
			tn_pull(&t);
			assert_int_equal(t.n_out > 1, want < 1448);
			for (unsigned n = 0; n < t.n_out; n++)
				assert_true(t.out[n].len <= want + 14);
			tn_run(&t, 601 * L4_SEC);
			assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1500);
			tn_free(&t);
		}
}

/* RFC 1191 5: a router that names no MTU: the plateau below the packet's length. */
static void old_routers_plateau(void **state)
{
	struct tn t;
	struct l4_addr dst = ad("192.0.2.2");
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint to = { dst, 9, 0 };
	assert_int_equal(l4_udp_connect(t.h, u, &to), 0);
	assert_int_equal(l4_udp_send(t.h, u, NULL, buf, 1472, t.now), 1472);
	tn_pull(&t);
	tf_icmp(&f, &o4, L4_ICMP_UNREACH, L4_ICMP_UNREACH_NEEDED, 0, t.out[0].p + 14, 28);
	tn_clear(&t);
	tn_rxf(&t, &f);
	assert_int_equal(l4_pmtu_get(&t.h->ip, &dst, 1500), 1492);
	tn_free(&t);
}

/* ICMP-03, ICMP-05: an established connection and errors about it: the connection lives. */
static void icmp_03_established_connection(void **state)
{
	static struct tn_pair p;
	(void)state;
	tn_pair_new(&p);
	struct l4_endpoint to = ep_of("192.0.2.2", 80);
	l4_ep l = l4_tcp_new(p.b.h, NULL), c = l4_tcp_new(p.a.h, NULL);
	assert_int_equal(l4_tcp_bind(p.b.h, l, &to), 0);
	assert_int_equal(l4_tcp_listen(p.b.h, l, 8, p.b.now), 0);
	assert_int_equal(l4_tcp_connect(p.a.h, c, &to, p.a.now), 0);
	tn_pair_run(&p, L4_SEC);
	assert_int_equal(l4_tcp_state(p.a.h, c), L4_TCP_ESTABLISHED);
	l4_ep s = l4_tcp_accept(p.b.h, l, NULL, NULL, p.b.now);
	assert_true(s > 0);
	assert_int_equal(l4_tcp_send(p.a.h, c, "data", 4, 0, p.a.now), 4);
	tn_pull(&p.a);
	assert_int_equal(p.a.n_out, 1);
	uint8_t quote[40];
	memcpy(quote, p.a.out[0].p + 14, 40);
	static const uint8_t what[][2] = { { 3, 2 }, { 3, 3 }, { 3, 0 }, { 3, 13 }, { 4, 0 },
		{ 11, 0 }, { 12, 0 } };
	for (unsigned i = 0; i < 7; i++)
		for (unsigned far = 0; far < 2; far++) {
			uint8_t q[40];
			memcpy(q, quote, 40);
			if (far)
				q[24] ^= 0x40; /* the sequence number */
			tf_icmp(&f, &o4, what[i][0], what[i][1], 0, q, 40);
			uint8_t *b = malloc(f.len);
			memcpy(b, f.b, f.len);
			struct l4_piece piece = { b, f.len };
			struct l4_frame fr = { .pieces = &piece, .n_pieces = 1, .len = f.len };
			l4_host_rx(p.a.h, 1, &fr, 1, p.a.now);
			free(b);
			assert_int_equal(l4_tcp_state(p.a.h, c), L4_TCP_ESTABLISHED);
		}
	tn_pair_run(&p, L4_SEC);
	char got[8];
	assert_int_equal(l4_tcp_recv(p.b.h, s, got, 8, 0, p.b.now), 4);
	tn_pair_free(&p);
}

/* ICMP-06: echo to groups. */
static void icmp_06_group_echo(void **state)
{
	static const char *const dst[] = { "192.0.2.255", "255.255.255.255", "224.0.0.1",
		"ff02::1" };
	struct tn t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < 4; i++) {
		struct l4_addr a = ad(dst[i]);
		struct l4_mac m = l4_mac_from_group(&a);
		struct tf_opt o = { .dst = dst[i], .eth_dst = &m };
		tf_icmp(&f, &o, i == 3 ? L4_ICMP6_ECHO : L4_ICMP_ECHO, 0, 1, "x", 1);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	assert_int_equal(tn_drops(&t, L4_DROP_ICMP_GROUP_ECHO), 4);
	tn_free(&t);
}

/* ICMP-07: SAD DNS. The attacker spoofs probes of 50 ports, then asks one closed port himself: an
 * answer would mean that credit is left, so that one of the 50 was open. His guess is no better
 * than a coin. */
static void icmp_07_limit_is_no_oracle(void **state)
{
	struct tn t;
	unsigned right = 0, trials = 1000;
	uint32_t lcg = 12345;
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint local = ep_of("192.0.2.1", 4000);
	assert_int_equal(l4_udp_bind(t.h, u, &local), 0);
	for (unsigned i = 0; i < trials; i++) {
		bool open = (lcg = lcg * 1103515245u + 12345u) >> 16 & 1;
		t.now += 2 * L4_SEC;
		for (unsigned k = 0; k < 50; k++) {
			char src[32];
			(void)snprintf(src, sizeof(src), "198.51.%u.%u", i % 200 + 1, k + 1);
			struct tf_opt o = { .src = src };
			tf_udp(&f, &o, 53, open && k == 20 ? 4000 : (uint16_t)(5000 + k), "x", 1);
			tn_rxf(&t, &f);
		}
		tn_clear(&t);
		tf_udp(&f, &o4, 53, 6000, "x", 1);
		tn_rxf(&t, &f);
		right += (t.n_out == 1) == open;
		tn_clear(&t);
		char c;
		while (l4_udp_recv(t.h, u, &c, 1, NULL, t.now) >= 0)
			continue;
	}
	assert_true(right <= trials * 56 / 100);
	tn_free(&t);
}

/* ICMP-08: forged errors about 10 000 ports make no state. */
static void icmp_08_forged_quotes(void **state)
{
	struct tn t;
	uint8_t packet[200];
	uint32_t len;
	(void)state;
	setup(&t);
	(void)sender(&t, false, packet, &len);
	uint64_t alloc = tn_alloc(&t);
	unsigned gen = t.h->ip.gen;
	for (unsigned i = 0; i < 10000; i++) {
		if (l4_get_u16(packet + 20) == i + 1)
			continue;
		uint8_t q[28];
		memcpy(q, packet, 28);
		l4_put_u16(q + 20, (uint16_t)(i + 1));
		tf_icmp(&f, &o4, L4_ICMP_UNREACH, L4_ICMP_UNREACH_NEEDED, 600, q, 28);
		tn_rxf(&t, &f);
	}
	assert_int_equal(tn_alloc(&t), alloc);
	assert_int_equal(t.h->ip.gen, gen);
	assert_null(t.h->ip.pmtu);
	tn_free(&t);
}

/* ICMP-09: a flood to closed ports: so many answers a second and no more. */
static void icmp_09_error_rate(void **state)
{
	struct tn t;
	struct l4_host_counters c;
	(void)state;
	setup(&t);
	unsigned one = 0, many = 0;
	for (unsigned i = 0; i < 100000; i++) {
		t.now += 10 * L4_USEC;
		tf_udp(&f, &o4, 53, 6000, "x", 1);
		tn_rxf(&t, &f);
		one += t.n_out;
		tn_clear(&t);
	}
	assert_true(one <= 10 + 10 + 1);
	t.now += 10 * L4_SEC;
	for (unsigned i = 0; i < 100000; i++) {
		char src[32];
		t.now += 10 * L4_USEC;
		(void)snprintf(src, sizeof(src), "198.51.%u.%u", i / 250 % 250, i % 250 + 1);
		struct tf_opt o = { .src = src };
		tf_udp(&f, &o, 53, 6000, "x", 1);
		tn_rxf(&t, &f);
		l4_host_tick(t.h, t.now);
		tn_pull(&t);
		many += t.n_out;
		tn_clear(&t);
	}
	assert_true(many <= 1000 + 50 + 300 * 3);
	l4_host_counters(t.h, &c);
	assert_true(c.icmp_rate_limited > 150000);
	tn_run(&t, 10 * L4_SEC);
	tn_free(&t);
}

/* ICMP-10: the bytes of short answers are those of the question; nothing stands behind them. */
static void icmp_10_no_leaks(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	for (uint32_t n = 0; n < 20; n++) {
		tf_icmp(&f, &o4, L4_ICMP_ECHO, 0, 0x01020304, "abcdefghijklmnopqrstuvwxyz", n);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		assert_int_equal(t.out[0].len, f.len);
		assert_memory_equal(t.out[0].p + 38, f.b + 38, f.len - 38);
		tn_clear(&t);
	}
	tn_free(&t);
}

/* ICMP-11: every bit of an ICMPv6 message, and checksum 0. */
static void icmp_11_checksum6(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	for (unsigned bit = 0; bit < 8 * 16; bit++) {
		tf_icmp(&f, &o6, L4_ICMP6_ECHO, 0, 1, "abcdefgh", 8);
		f.b[54 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	tf_icmp(&f, &o6, L4_ICMP6_ECHO, 0, 1, "abcdefgh", 8);
	memset(f.b + 56, 0, 2);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 0);
	assert_int_equal(tn_drops(&t, L4_DROP_ICMP_CSUM), 129);
	tn_free(&t);
}

/* ICMP-12: timestamps, masks, information requests, node information. */
static void icmp_12_obsolete_questions(void **state)
{
	static const uint8_t type[] = { 13, 14, 15, 16, 17, 18, 9, 10, 30, 37 };
	struct tn t;
	struct l4_iface_address a[2], b[2];
	(void)state;
	setup(&t);
	assert_int_equal(l4_host_addresses(t.h, 1, a, 2), 2);
	for (unsigned i = 0; i < sizeof(type); i++) {
		memset(buf, 255, 12);
		tf_icmp(&f, &o4, type[i], 0, 1, buf, 12);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	for (uint8_t ty = 139; ty <= 140; ty++) {
		tf_icmp(&f, &o6, ty, 0, 1, buf, 12);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 0);
	}
	assert_int_equal(l4_host_addresses(t.h, 1, b, 2), 2);
	assert_memory_equal(&a[0].prefix, &b[0].prefix, sizeof(a[0].prefix));
	tn_free(&t);
}

/* ICMP-13: quotes of packets that are not ours. */
static void icmp_13_not_our_packets(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		uint8_t packet[200];
		uint32_t len;
		setup(&t);
		l4_ep u = sender(&t, v6, packet, &len);
		uint32_t src = v6 ? 23 : 15, dst = v6 ? 39 : 19, sp = v6 ? 41 : 21,
			 dp = v6 ? 43 : 23;
		const uint32_t at[] = { src, dst, sp, dp };
		for (unsigned i = 0; i < 5; i++) {
			uint8_t q[200];
			memcpy(q, packet, len);
			if (i < 4)
				q[at[i]] ^= 0x10;
			tf_icmp(&f, v6 ? &o6 : &o4, v6 ? L4_ICMP6_UNREACH : L4_ICMP_UNREACH,
			    v6 ? L4_ICMP6_UNREACH_PORT : L4_ICMP_UNREACH_PORT, 0, q, len);
			tn_rxf(&t, &f);
			assert_int_equal(l4_udp_error(t.h, u), i < 4 ? 0 : L4_EREFUSED);
		}
		assert_int_equal(tn_drops(&t, L4_DROP_ICMP_NOT_OURS), 4);
		tn_free(&t);
	}
}

/* The unconnected endpoint hears of its last destination only. */
static void unconnected_hears_of_its_last(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct l4_endpoint to = ep_of("192.0.2.2", (uint16_t)(9 + i));
		assert_int_equal(l4_udp_send(t.h, u, &to, "x", 1, t.now), 1);
	}
	tn_pull(&t);
	for (unsigned i = 0; i < 2; i++) {
		tf_icmp(&f, &o4, L4_ICMP_UNREACH, L4_ICMP_UNREACH_PORT, 0, t.out[i].p + 14, 28);
		struct l4_piece piece = { f.b, f.len };
		struct l4_frame fr = { .pieces = &piece, .n_pieces = 1, .len = f.len };
		l4_host_rx(t.h, 1, &fr, 1, t.now);
		assert_int_equal(l4_udp_error(t.h, u), i ? L4_EREFUSED : 0);
	}
	tn_free(&t);
}

/* A closed port answers, from the address that was asked, quoting what came (IP-039, IP-067). */
static void port_unreachable(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		struct l4_packet k;
		setup(&t);
		struct tf_opt o = v6 ? o6 : o4;
		o.tos = 0xb8;
		tf_udp(&f, &o, 5, 9, "what is this", 12);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		const uint8_t *p = tn_packet(&t, 0, &k);
		struct l4_addr us = ad(v6 ? "2001:db8::1" : "192.0.2.1");
		assert_true(l4_addr_eq(&k.src, &us));
		assert_int_equal(k.tos, 0); /* IP-041 */
		assert_int_equal(p[k.l4_off], v6 ? L4_ICMP6_UNREACH : L4_ICMP_UNREACH);
		assert_int_equal(
		    p[k.l4_off + 1], v6 ? L4_ICMP6_UNREACH_PORT : L4_ICMP_UNREACH_PORT);
		assert_int_equal(k.l4_len, 8 + f.len - 14);
		assert_memory_equal(p + k.l4_off + 8, f.b + 14, f.len - 14);
		tn_clear(&t);
		/* no more than fits 576 or 1280 bytes */
		tf_udp(&f, &o, 5, 9, buf, 1400);
		tn_rxf(&t, &f);
		(void)tn_packet(&t, 0, &k);
		assert_int_equal(k.l3_len, v6 ? 1280 : 576);
		tn_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(icmp_01_short_messages),
		cmocka_unit_test(echo_of_all_sizes),
		cmocka_unit_test(icmp_02_short_quotes),
		cmocka_unit_test(errors_reach_their_endpoint),
		cmocka_unit_test(icmp_03_established_connection),
		cmocka_unit_test(icmp_04_path_mtu),
		cmocka_unit_test(old_routers_plateau),
		cmocka_unit_test(icmp_06_group_echo),
		cmocka_unit_test(icmp_07_limit_is_no_oracle),
		cmocka_unit_test(icmp_08_forged_quotes),
		cmocka_unit_test(icmp_09_error_rate),
		cmocka_unit_test(icmp_10_no_leaks),
		cmocka_unit_test(icmp_11_checksum6),
		cmocka_unit_test(icmp_12_obsolete_questions),
		cmocka_unit_test(icmp_13_not_our_packets),
		cmocka_unit_test(unconnected_hears_of_its_last),
		cmocka_unit_test(port_unreachable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
