/* Neighbour and router discovery as strangers send them (security cases ND), and the state table of
 * RFC 4861 appendix C row by row. The tests of states look into the host's table. */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static const struct l4_mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

static void tf_raw6(const struct tf_opt *o, uint8_t *msg, uint32_t len)
{
	tf_csum(o, L4_PROTO_ICMP6, msg, len, 2);
	tf_ip(&f, o, L4_PROTO_ICMP6, msg, len);
}

static void tf_ndp(const struct tf_opt *in, const struct l4_ndp_msg *m)
{
	struct tf_opt o = *in;
	uint8_t b[512];
	if (!o.src)
		o.src = "2001:db8::2";
	if (!o.dst)
		o.dst = "2001:db8::1";
	if (!o.ttl)
		o.ttl = 255;
	int n = l4_ndp_emit(m, b, sizeof(b));
	assert_true(n > 0);
	tf_raw6(&o, b, (uint32_t)n);
}

static struct l4_neigh *peer(struct tn *t, const char *a)
{
	struct l4_addr x = ad(a);
	return l4_neigh_find(&t->h->ip, t->h->ip.ifs[1], &x);
}

static int state_of(struct tn *t, const char *a)
{
	const struct l4_neigh *n = peer(t, a);
	if (!n)
		return L4_NEIGH_FREE;
	/* What the next packet would see. */
	if (n->state == L4_NEIGH_REACHABLE && t->now >= n->due)
		return L4_NEIGH_STALE;
	return n->state;
}

static void send6(struct tn *t, l4_ep ep, const char *to)
{
	struct l4_endpoint dst = ep_of(to, 9);
	(void)l4_udp_send(t->h, ep, &dst, "data", 4, t->now);
	tn_pull(t);
}

static struct l4_ndp_msg na(const char *target, const struct l4_mac *mac, bool s, bool o, bool r)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_NA, .solicited = s, .override_ = o, .router = r };
	m.target = ad(target);
	if (mac) {
		m.present = L4_NDPO_TLLA;
		m.tlla = *mac;
	}
	return m;
}

/* Asked, learned, used; asked by others, answered (RFC 4861 7.2). */
static void nd_resolves_and_answers(void **state)
{
	struct tn t;
	struct l4_packet k;
	struct l4_ndp_msg m;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	send6(&t, ep, "2001:db8::2");
	assert_int_equal(t.n_out, 1);
	const uint8_t *p = tn_packet(&t, 0, &k);
	assert_true(l4_ndp_parse(&m, p + k.l4_off, k.l4_len) > 0);
	assert_int_equal(m.type, L4_ICMP6_NS);
	assert_int_equal(k.ttl, 255);
	struct l4_addr sn = ad("ff02::1:ff00:2");
	assert_true(l4_addr_eq(&k.dst, &sn));
	tn_clear(&t);
	m = na("2001:db8::2", &tn_mac_b, true, true, false);
	tf_ndp(&(struct tf_opt){ 0 }, &m);
	tn_rxf(&t, &f);
	assert_int_equal(state_of(&t, "2001:db8::2"), L4_NEIGH_REACHABLE);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1);
	tn_clear(&t);
	struct l4_ndp_msg ns = { .type = L4_ICMP6_NS, .present = L4_NDPO_SLLA, .slla = tn_mac_c };
	ns.target = ad("2001:db8::1");
	struct l4_mac sn_mac = { { 0x33, 0x33, 0xff, 0, 0, 1 } };
	tf_ndp(
	    &(struct tf_opt){ .src = "2001:db8::77", .dst = "ff02::1:ff00:1", .eth_dst = &sn_mac },
	    &ns);
	tn_rxf(&t, &f);
	assert_int_equal(t.n_out, 1);
	p = tn_packet(&t, 0, &k);
	assert_true(l4_ndp_parse(&m, p + k.l4_off, k.l4_len) > 0);
	assert_int_equal(m.type, L4_ICMP6_NA);
	assert_true(m.solicited && m.override_);
	assert_memory_equal(t.out[0].p, tn_mac_c.b, 6);
	assert_int_equal(state_of(&t, "2001:db8::77"), L4_NEIGH_FREE);
	tn_free(&t);
}

/* ND-01: packets to 100 000 addresses of the /64 push out nobody in use. */
static void nd_01_scan_of_the_prefix(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	send6(&t, ep, "2001:db8::2");
	struct l4_ndp_msg m = na("2001:db8::2", &tn_mac_b, true, true, false);
	tf_ndp(&(struct tf_opt){ 0 }, &m);
	tn_rxf(&t, &f);
	tn_clear(&t);
	unsigned asked = 0;
	l4_time start = t.now;
	for (unsigned i = 0; i < 100000; i++) {
		struct l4_endpoint dst = ep_of("2001:db8::1:0:0", 9);
		l4_put_u32(dst.addr.b + 12, i);
		(void)l4_udp_send(t.h, ep, &dst, "x", 1, t.now);
		if (i % 100 == 0) {
			t.now += L4_MSEC;
			l4_host_tick(t.h, t.now);
		}
		tn_pull(&t);
		asked += t.n_out;
		tn_clear(&t);
	}
	tn_check(&t);
	l4_time took = t.now - start;
	assert_true(asked <= 300 + 500 * (took / L4_SEC + 1) + 300 * 3);
	assert_true(t.h->ip.ifs[1]->neigh.n <= 1024);
	assert_int_equal(state_of(&t, "2001:db8::2"), L4_NEIGH_REACHABLE);
	send6(&t, ep, "2001:db8::2");
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1);
	tn_free(&t);
}

/* ND-02: hop limit 255, code 0, right checksum, whole messages: or nothing happens. */
static void nd_02_only_from_the_link(void **state)
{
	static const uint8_t hops[] = { 254, 64, 1, 255 };
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.accept_ra = true;
	tn_new_with(&t, &hc, &ic);
	struct l4_prefix p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	send6(&t, ep, "2001:db8::2");
	tn_clear(&t);
	for (unsigned type = L4_ICMP6_RS; type <= L4_ICMP6_REDIRECT; type++)
		for (unsigned i = 0; i < 4; i++) {
			struct l4_ndp_msg m = na("2001:db8::2", &tn_mac_c, true, true, true);
			uint8_t b[512];
			m.type = (uint8_t)type;
			m.router_life_s = 1800;
			m.present |= L4_NDPO_SLLA;
			m.slla = tn_mac_c;
			if (type == L4_ICMP6_NS)
				m.target = ad("2001:db8::1");
			m.dst = ad("2001:db8::2");
			int n = l4_ndp_emit(&m, b, sizeof(b));
			assert_true(n > 0);
			struct tf_opt o = {
				.src = "fe80::2", .dst = "2001:db8::1", .ttl = hops[i]
			};
			if (hops[i] == 255) /* and short */
				n = type == L4_ICMP6_RS         ? 7
				    : type == L4_ICMP6_RA       ? 15
				    : type == L4_ICMP6_REDIRECT ? 39
								: 23;
			tf_raw6(&o, b, (uint32_t)n);
			tn_rxf(&t, &f);
			assert_int_equal(t.n_out, 0);
			assert_int_equal(state_of(&t, "2001:db8::2"), L4_NEIGH_INCOMPLETE);
			assert_int_equal(t.h->ip.n_routes, 1);
		}
	assert_int_equal(tn_drops(&t, L4_DROP_NDP_HOP_LIMIT), 15);
	tn_free(&t);
}

/* ND-03: options of length 0 and options beyond the end. ND-04: RDNSS of even length. */
static void nd_03_option_lengths(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_addr dns;
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.accept_ra = true;
	tn_new_with(&t, &hc, &ic);
	struct l4_prefix p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
	tn_settle(&t);
	uint8_t ra[16 + 64] = { L4_ICMP6_RA, 0, 0, 0, 64, 0, 0x07, 0x08 };
	struct tf_opt o = {
		.src = "fe80::2", .dst = "ff02::1", .ttl = 255, .eth_dst = &all_nodes_mac
	};
	for (unsigned len = 0; len < 256; len++) {
		if (len == 1)
			continue; /* a whole option */
		ra[16] = 1;
		ra[17] = (uint8_t)len;
		tf_raw6(&o, ra, 24);
		tn_rxf(&t, &f);
		assert_int_equal(t.h->ip.n_routes, 1);
	}
	/* ND-04: length 4 is even: passed over, and what it holds is no option header. */
	ra[16] = 25;
	ra[17] = 4;
	memset(ra + 18, 0, 30);
	ra[20] = 0xff;
	memset(ra + 24, 0x25, 24); /* "options" of type 37, length 37 */
	ra[48] = 5;                /* then an MTU option */
	ra[49] = 1;
	l4_put_u32(ra + 52, 1400);
	tf_raw6(&o, ra, 56);
	tn_rxf(&t, &f);
	assert_int_equal(l4_host_dns_servers(t.h, &dns, 1), 0);
	assert_int_equal(t.h->ip.ifs[1]->mtu6, 1400);
	tn_free(&t);
}

/* RFC 8106: whole RDNSS options are learned, and taken back with lifetime 0. */
static void rdnss_is_learned(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_addr got[4];
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.accept_ra = ic.link_local = true;
	tn_new_with(&t, &hc, &ic);
	struct l4_ndp_msg m = {
		.type = L4_ICMP6_RA, .router_life_s = 1800, .dns_n = 2, .dns_life_s = 600
	};
	m.dns[0] = ad("2001:db8::53");
	m.dns[1] = ad("2001:db8::54");
	struct tf_opt o = { .src = "fe80::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac };
	tf_ndp(&o, &m);
	tn_rxf(&t, &f);
	assert_int_equal(l4_host_dns_servers(t.h, got, 4), 2);
	assert_true(l4_addr_eq(&got[0], &m.dns[0]));
	m.dns_life_s = 0;
	tf_ndp(&o, &m);
	tn_rxf(&t, &f);
	assert_int_equal(l4_host_dns_servers(t.h, got, 4), 0);
	tn_free(&t);
}

/* ---- ND-05: RFC 4861 appendix C, the rows about advertisements --------------------------------
 */

enum { SAME, OTHER, NONE }; /* the target link address given */

static void put_in_state(struct tn *t, l4_ep ep, int st)
{
	struct l4_ndp_msg m = na("2001:db8::2", &tn_mac_b, true, true, true);
	send6(t, ep, "2001:db8::2");
	assert_int_equal(state_of(t, "2001:db8::2"), L4_NEIGH_INCOMPLETE);
	if (st == L4_NEIGH_INCOMPLETE)
		return;
	tf_ndp(&(struct tf_opt){ 0 }, &m);
	tn_rxf(t, &f);
	if (st == L4_NEIGH_REACHABLE)
		return;
	tn_run(t, 46 * L4_SEC);
	assert_int_equal(state_of(t, "2001:db8::2"), L4_NEIGH_STALE);
	if (st == L4_NEIGH_STALE)
		return;
	send6(t, ep, "2001:db8::2");
	assert_int_equal(state_of(t, "2001:db8::2"), L4_NEIGH_DELAY);
	if (st == L4_NEIGH_DELAY)
		return;
	tn_run(t, 5 * L4_SEC);
	assert_int_equal(state_of(t, "2001:db8::2"), L4_NEIGH_PROBE);
}

static void nd_05_advertisements(void **state)
{
	/* Not asked: the flag S counts for nothing. In PROBE and INCOMPLETE we have asked. */
	static const struct {
		int from;
		bool s, o;
		int mac;
		int to;
		bool moved; /* the link address is the new one */
	} row[] = {
		{ L4_NEIGH_INCOMPLETE, false, false, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_INCOMPLETE, false, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_INCOMPLETE, true, false, OTHER, L4_NEIGH_REACHABLE, true },
		{ L4_NEIGH_INCOMPLETE, true, true, OTHER, L4_NEIGH_REACHABLE, true },
		{ L4_NEIGH_INCOMPLETE, true, true, NONE, L4_NEIGH_INCOMPLETE, false },
		{ L4_NEIGH_REACHABLE, false, false, OTHER, L4_NEIGH_STALE, false },
		{ L4_NEIGH_REACHABLE, false, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_REACHABLE, false, false, SAME, L4_NEIGH_REACHABLE, false },
		{ L4_NEIGH_REACHABLE, false, true, NONE, L4_NEIGH_REACHABLE, false },
		{ L4_NEIGH_STALE, true, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_STALE, false, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_STALE, false, false, OTHER, L4_NEIGH_STALE, false },
		{ L4_NEIGH_STALE, true, true, SAME, L4_NEIGH_STALE, false },
		{ L4_NEIGH_DELAY, false, false, OTHER, L4_NEIGH_DELAY, false },
		{ L4_NEIGH_DELAY, false, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_DELAY, false, true, SAME, L4_NEIGH_DELAY, false },
		{ L4_NEIGH_PROBE, true, false, SAME, L4_NEIGH_REACHABLE, false },
		{ L4_NEIGH_PROBE, true, false, NONE, L4_NEIGH_REACHABLE, false },
		{ L4_NEIGH_PROBE, true, false, OTHER, L4_NEIGH_PROBE, false },
		{ L4_NEIGH_PROBE, true, true, SAME, L4_NEIGH_REACHABLE, false },
		{ L4_NEIGH_PROBE, true, true, OTHER, L4_NEIGH_REACHABLE, true },
		{ L4_NEIGH_PROBE, false, true, OTHER, L4_NEIGH_STALE, true },
		{ L4_NEIGH_PROBE, false, false, OTHER, L4_NEIGH_PROBE, false },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tn t;
		tn_new(&t);
		tn_settle(&t);
		l4_ep ep = l4_udp_new(t.h, NULL);
		put_in_state(&t, ep, row[i].from);
		const struct l4_mac *mac = row[i].mac == SAME    ? &tn_mac_b
					   : row[i].mac == OTHER ? &tn_mac_c
								 : NULL;
		struct l4_ndp_msg m = na("2001:db8::2", mac, row[i].s, row[i].o, true);
		tf_ndp(&(struct tf_opt){ 0 }, &m);
		tn_rxf(&t, &f);
		const struct l4_neigh *n = peer(&t, "2001:db8::2");
		if (state_of(&t, "2001:db8::2") != row[i].to ||
		    l4_mac_eq(&n->mac, &tn_mac_c) != row[i].moved)
			fail_msg("row %u: state %d", i, state_of(&t, "2001:db8::2"));
		tn_free(&t);
	}
	/* No entry is made by an advertisement. */
	struct tn t;
	tn_new(&t);
	tn_settle(&t);
	struct l4_ndp_msg m = na("2001:db8::99", &tn_mac_c, true, true, true);
	tf_ndp(&(struct tf_opt){ .src = "2001:db8::99" }, &m);
	tn_rxf(&t, &f);
	assert_int_equal(state_of(&t, "2001:db8::99"), L4_NEIGH_FREE);
	assert_int_equal(tn_drops(&t, L4_DROP_NDP_UNSOLICITED), 1);
	tn_free(&t);
}

/* Timers of appendix C: DELAY, PROBE, three questions, resolution anew, failure. */
static void nd_unreachability(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep ep = l4_udp_new(t.h, NULL);
	put_in_state(&t, ep, L4_NEIGH_PROBE);
	tn_clear(&t);
	tn_run(&t, 1900 * L4_MSEC);
	assert_int_equal(t.n_out, 1); /* the second and … */
	assert_memory_equal(t.out[0].p, tn_mac_b.b, 6);
	tn_run(&t, 5 * L4_SEC);
	assert_int_equal(state_of(&t, "2001:db8::2"), L4_NEIGH_UNREACHABLE);
	struct l4_endpoint dst = ep_of("2001:db8::2", 9);
	assert_int_equal(l4_udp_send(t.h, ep, &dst, "x", 1, t.now), L4_EUNREACH);
	tn_run(&t, 30 * L4_SEC);
	tn_clear(&t);
	assert_int_equal(l4_udp_send(t.h, ep, &dst, "x", 1, t.now), 1); /* asked again */
	tn_pull(&t);
	assert_int_equal(t.n_out, 1);
	tn_free(&t);
}

/* ---- Router advertisements ------------------------------------------------------------------ */

static void new_slaac(struct tn *t, bool dad)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.accept_ra = ic.link_local = true;
	ic.dad = dad;
	tn_new_with(t, &hc, &ic);
	tn_run(t, 3 * L4_SEC);
}

static void ra_in(struct tn *t, const struct l4_ndp_msg *m, const char *router)
{
	struct tf_opt o = { .src = router, .dst = "ff02::1", .eth_dst = &all_nodes_mac };
	tf_ndp(&o, m);
	tn_rxf(t, &f);
}

static struct l4_ndp_msg ra_of(const char *prefix, uint32_t valid, uint32_t preferred)
{
	struct l4_ndp_msg m = {
		.type = L4_ICMP6_RA, .hop_limit = 64, .router_life_s = 1800, .prefix_n = 1
	};
	m.prefix[0] = (struct l4_ndp_prefix){
		.on_link = true, .autonomous = true, .valid_s = valid, .preferred_s = preferred
	};
	m.prefix[0].prefix = px(prefix);
	return m;
}

static void slaac_forms_addresses(void **state)
{
	struct tn t;
	struct l4_iface_address a[8];
	struct l4_addr src, dst = ad("2001:db8:ffff::1");
	(void)state;
	new_slaac(&t, true);
	/* A link-local address was formed and tested, routers were asked. */
	assert_int_equal(l4_host_addresses(t.h, 1, a, 8), 1);
	assert_true(l4_addr_is_link_local(&a[0].prefix.addr));
	assert_int_equal(a[0].state, L4_ADDR_PREFERRED);
	unsigned rs = 0;
	for (unsigned i = 0; i < t.n_out; i++) {
		struct l4_packet k;
		const uint8_t *p = tn_packet(&t, i, &k);
		rs += k.proto == L4_PROTO_ICMP6 && p[k.l4_off] == L4_ICMP6_RS;
	}
	assert_true(rs >= 1);
	struct l4_ndp_msg m = ra_of("2001:db8:1::/64", 7200, 3600);
	ra_in(&t, &m, "fe80::2");
	tn_run(&t, 3 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, a, 8), 2);
	assert_int_equal(a[1].state, L4_ADDR_PREFERRED);
	assert_int_equal(a[1].valid_until / L4_SEC, (t.now + 7197 * L4_SEC) / L4_SEC);
	assert_int_equal(l4_host_source_for(t.h, &dst, &src), 0);
	assert_true(l4_addr_eq(&src, &a[1].prefix.addr));
	/* Asking ends with an answer. */
	tn_clear(&t);
	tn_run(&t, 60 * L4_SEC);
	for (unsigned i = 0; i < t.n_out; i++) {
		struct l4_packet k;
		const uint8_t *p = tn_packet(&t, i, &k);
		assert_true(p[k.l4_off] != L4_ICMP6_RS);
	}
	/* Lifetimes end: deprecated, then gone; the router too. */
	tn_run(&t, 3600 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, a, 8), 2);
	assert_int_equal(a[1].state, L4_ADDR_DEPRECATED);
	assert_int_equal(l4_host_source_for(t.h, &dst, &src), L4_ENOROUTE);
	tn_run(&t, 3600 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, a, 8), 1);
	tn_free(&t);
}

/* ND-06: a thousand rogue advertisements. */
static void nd_06_ra_flood(void **state)
{
	struct tn t;
	struct l4_iface_address a[64];
	(void)state;
	new_slaac(&t, false);
	for (unsigned i = 0; i < 1000; i++) {
		char prefix[64], router[64];
		(void)snprintf(prefix, sizeof(prefix), "2001:db8:%x::/64", i + 1);
		(void)snprintf(router, sizeof(router), "fe80::%x", i + 2);
		struct l4_ndp_msg m = ra_of(prefix, 3600, 1800);
		m.hop_limit = 0;
		m.present = L4_NDPO_MTU;
		m.mtu = i % 3 == 0 ? 0 : i % 3 == 1 ? 1279 : 9000;
		m.router_life_s = i % 7 ? 1800 : 0;
		ra_in(&t, &m, router);
		tn_clear(&t);
	}
	tn_check(&t);
	assert_true(l4_host_addresses(t.h, 1, a, 64) <= 1 + 8);
	assert_true(t.h->ip.n_routes <= 1 + 8 + 16);
	assert_int_equal(t.h->ip.ifs[1]->mtu6, 1500);
	assert_int_equal(t.h->ip.ifs[1]->hop_limit, 0);
	tn_free(&t);
}

/* ND-07: an unauthenticated lifetime cannot end an address in less than two hours. */
static void nd_07_two_hour_rule(void **state)
{
	static const struct {
		uint32_t have, told, left;
	} row[] = { { 86400, 0, 7200 }, { 86400, 1, 7200 }, { 86400, 7201, 7201 },
		{ 86400, 90000, 90000 }, { 3600, 60, 3600 }, { 3600, 5000, 5000 },
		{ 0xffffffff, 1, 7200 } };
	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tn t;
		struct l4_iface_address a[4];
		new_slaac(&t, false);
		struct l4_ndp_msg m = ra_of("2001:db8:1::/64", row[i].have, 60);
		ra_in(&t, &m, "fe80::2");
		m = ra_of("2001:db8:1::/64", row[i].told, row[i].told < 60 ? row[i].told : 60);
		ra_in(&t, &m, "fe80::2");
		assert_int_equal(l4_host_addresses(t.h, 1, a, 4), 2);
		assert_int_equal((a[1].valid_until - t.now) / L4_SEC, row[i].left);
		tn_free(&t);
	}
}

/* ND-08: duplicate detection: a foreign NA, a foreign NS, our own NS come back. */
static void nd_08_duplicate_detection(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 4; what++) {
		struct tn t;
		struct l4_host_config hc;
		struct l4_iface_config ic;
		struct l4_iface_address a;
		l4_host_config_init(&hc);
		tn_iface(&ic, &tn_mac_a);
		ic.dad = true;
		tn_new_with(&t, &hc, &ic);
		struct l4_prefix p = px("2001:db8::1/64");
		assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), 0);
		tn_run(&t, 1100 * L4_MSEC);
		int probe = -1;
		for (unsigned i = 0; i < t.n_out; i++) {
			struct l4_packet k;
			const uint8_t *b = tn_packet(&t, i, &k);
			if (b[k.l4_off] == L4_ICMP6_NS)
				probe = (int)i;
		}
		assert_true(probe >= 0);
		struct tn_frame own = t.out[probe];
		uint8_t copy[256];
		memcpy(copy, own.p, own.len);
		tn_clear(&t);
		struct l4_mac sn_mac = { { 0x33, 0x33, 0xff, 0, 0, 1 } };
		if (what == 0) {
			struct l4_ndp_msg m = na("2001:db8::1", &tn_mac_c, false, true, false);
			tf_ndp(
			    &(struct tf_opt){
				.src = "2001:db8::1", .dst = "ff02::1", .eth_dst = &all_nodes_mac },
			    &m);
			/* RFC 4862 5.4: its source is our tentative address, so not yet ours */
			tn_rxf(&t, &f);
		} else if (what == 1) {
			struct l4_ndp_msg m = { .type = L4_ICMP6_NS };
			m.target = ad("2001:db8::1");
			tf_ndp(
			    &(struct tf_opt){
				.src = "::", .dst = "ff02::1:ff00:1", .eth_dst = &sn_mac },
			    &m);
			tn_rxf(&t, &f);
		} else if (what == 2) {
			tn_rx(&t, copy, own.len);
		} else { /* asked about while tentative: no answer */
			struct l4_ndp_msg m = {
				.type = L4_ICMP6_NS, .present = L4_NDPO_SLLA, .slla = tn_mac_b
			};
			m.target = ad("2001:db8::1");
			tf_ndp(&(struct tf_opt){ .dst = "ff02::1:ff00:1", .eth_dst = &sn_mac }, &m);
			tn_rxf(&t, &f);
			assert_int_equal(t.n_out, 0);
		}
		tn_run(&t, 3 * L4_SEC);
		assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
		assert_int_equal(a.state, what < 2 ? L4_ADDR_DUPLICATE : L4_ADDR_PREFERRED);
		tn_events(&t);
		assert_true(t.n_ev && (t.ev[0].bits & L4_EV_ADDRESS));
		tn_free(&t);
	}
}

/* RFC 7217 6: a formed address that is taken is replaced by another. */
static void slaac_retries_after_conflict(void **state)
{
	struct tn t;
	struct l4_iface_address a[4], b[4];
	(void)state;
	new_slaac(&t, true);
	struct l4_ndp_msg m = ra_of("2001:db8:1::/64", 7200, 3600);
	ra_in(&t, &m, "fe80::2");
	assert_int_equal(l4_host_addresses(t.h, 1, a, 4), 2);
	struct l4_ndp_msg n = {
		.type = L4_ICMP6_NA, .override_ = true, .present = L4_NDPO_TLLA, .tlla = tn_mac_c
	};
	n.target = a[1].prefix.addr;
	tf_ndp(
	    &(struct tf_opt){ .src = "fe80::99", .dst = "ff02::1", .eth_dst = &all_nodes_mac }, &n);
	tn_rxf(&t, &f);
	tn_run(&t, 5 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, b, 4), 2);
	assert_false(l4_addr_eq(&a[1].prefix.addr, &b[1].prefix.addr));
	assert_int_equal(b[1].state, L4_ADDR_PREFERRED);
	tn_free(&t);
}

/* ND-09: redirects of both versions change nothing unless they are enabled. */
static void nd_09_redirects(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_know_peer(&t);
	tn_settle(&t);
	unsigned routes = t.h->ip.n_routes, gen = t.h->ip.gen;
	struct l4_ndp_msg m = { .type = L4_ICMP6_REDIRECT };
	m.target = ad("fe80::66");
	m.dst = ad("2001:db8:5::1");
	tf_ndp(&(struct tf_opt){ .src = "fe80::2" }, &m);
	tn_rxf(&t, &f);
	uint8_t quote[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 8, 8, 8, 8, 0,
		9, 0, 9, 0, 8, 0, 0 };
	for (uint8_t code = 0; code < 4; code++) {
		tf_icmp(&f, &(struct tf_opt){ 0 }, L4_ICMP_REDIRECT, code, 0xc0000242, quote,
		    sizeof(quote));
		tn_rxf(&t, &f);
	}
	assert_int_equal(tn_drops(&t, L4_DROP_ICMP_REDIRECT), 5);
	assert_int_equal(t.h->ip.n_routes, routes);
	assert_int_equal(t.h->ip.gen, gen);
	assert_int_equal(t.n_out, 0);
	tn_free(&t);
}

static void expect_hop(struct tn *t, const char *dst, const char *next)
{
	struct l4_hop hop;
	struct l4_addr d = ad(dst), n = ad(next);
	assert_int_equal(l4_ip_route(&t->h->ip, NULL, &d, 0, &hop, t->now), 0);
	if (!l4_addr_eq(&hop.next, &n))
		fail_msg("%s does not go by %s", dst, next);
}

static void with_routers(struct tn *t, bool redirects)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	hc.icmp_redirects = redirects;
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(t, &hc, &ic);
	struct l4_prefix p4 = px("192.0.2.1/24"), p6 = px("2001:db8::1/64");
	struct l4_prefix all4 = px("0.0.0.0/0"), all6 = px("::/0");
	struct l4_addr r4 = ad("192.0.2.254"), r6 = ad("fe80::2");
	assert_int_equal(l4_host_add_address(t->h, 1, &p4, t->now), 0);
	assert_int_equal(l4_host_add_address(t->h, 1, &p6, t->now), 0);
	tn_settle(t);
	assert_int_equal(l4_host_add_route(t->h, &all4, &r4, 1, 0), 0);
	assert_int_equal(l4_host_add_route(t->h, &all6, &r6, 1, 0), 0);
}

static void redirect4(
    struct tn *t, const char *from, const char *src, const char *target, uint8_t code)
{
	uint8_t quote[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 0,
		9, 0, 9, 0, 8, 0, 0 };
	struct l4_addr s = ad(src), to = ad(target);
	memcpy(quote + 12, s.b + 12, 4);
	tf_icmp(&f, &(struct tf_opt){ .src = from }, L4_ICMP_REDIRECT, code, l4_get_u32(to.b + 12),
	    quote, sizeof(quote));
	tn_rxf(t, &f);
}

static void redirect6(
    struct tn *t, const char *from, const char *dst, const char *target, uint8_t ttl)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_REDIRECT };
	m.target = ad(target);
	m.dst = ad(dst);
	tf_ndp(&(struct tf_opt){ .src = from, .ttl = ttl }, &m);
	tn_rxf(t, &f);
}

/* ND-09: where redirects are followed, only the present first hop of the destination is believed,
 * about a packet of ours, and only when it names a neighbour; for ten minutes, for that one host.
 * See: IP-053 IP-054 IP-097 4861-8.3a */
static void nd_09_redirects_when_enabled(void **state)
{
	struct tn t;
	(void)state;
	for (int on = 0; on < 2; on++) {
		with_routers(&t, on);
		redirect4(&t, "192.0.2.9", "192.0.2.1", "192.0.2.66", 1);   /* not the first hop */
		redirect4(&t, "192.0.2.254", "192.0.2.7", "192.0.2.66", 1); /* not our packet */
		redirect4(&t, "192.0.2.254", "192.0.2.1", "198.51.100.1", 1); /* no neighbour */
		redirect4(&t, "192.0.2.254", "192.0.2.1", "192.0.2.1", 1);    /* ourselves */
		redirect4(&t, "192.0.2.254", "192.0.2.1", "192.0.2.255", 1);  /* all of them */
		redirect4(&t, "192.0.2.254", "192.0.2.1", "192.0.2.66", 4);   /* no such code */
		expect_hop(&t, "8.8.8.8", "192.0.2.254");
		const char *far = "2001:db8:5::1";
		redirect6(&t, "fe80::9", far, "fe80::66", 255);     /* not the first hop */
		redirect6(&t, "2001:db8::2", far, "fe80::66", 255); /* not link-local */
		redirect6(&t, "fe80::2", far, "2001:db8::66", 255); /* no router's address */
		redirect6(&t, "fe80::2", "ff0e::1", "fe80::66", 255);
		redirect6(&t, "fe80::2", far, "fe80::66", 64); /* from afar */
		expect_hop(&t, far, "fe80::2");
		for (uint8_t code = 0; code < 4; code++) { /* of networks as of hosts */
			char target[20];
			snprintf(target, sizeof target, "192.0.2.%u", 66u + code);
			redirect4(&t, on && code ? "192.0.2.65" : "192.0.2.254", "192.0.2.1",
			    target, code);
			expect_hop(&t, "8.8.8.8", !on ? "192.0.2.254" : "192.0.2.66");
			redirect4(
			    &t, "192.0.2.66", "192.0.2.1", "192.0.2.254", code); /* and back */
			expect_hop(&t, "8.8.8.8", "192.0.2.254");
			redirect4(&t, "192.0.2.254", "192.0.2.1", "192.0.2.66", code);
			expect_hop(&t, "8.8.8.8", on ? "192.0.2.66" : "192.0.2.254");
		}
		expect_hop(&t, "8.8.4.4", "192.0.2.254");
		redirect6(&t, "fe80::2", far, "fe80::66", 255);
		expect_hop(&t, far, on ? "fe80::66" : "fe80::2");
		redirect6(
		    &t, "fe80::2", "2001:db8:5::2", "2001:db8:5::2", 255); /* a neighbour itself */
		expect_hop(&t, "2001:db8:5::2", on ? "2001:db8:5::2" : "fe80::2");
		tn_check(&t);
		t.now += 601 * L4_SEC;
		l4_host_tick(t.h, t.now);
		expect_hop(&t, "8.8.8.8", "192.0.2.254");
		expect_hop(&t, far, "fe80::2");
		tn_free(&t);
	}
}

/* ICMP-06: echo requests to groups are answered where that is asked for, from an address of ours.
 * See: 4443-4.2b */
static void echo_to_groups_when_enabled(void **state)
{
	struct tn t;
	struct l4_packet k;
	(void)state;
	for (int on = 0; on < 2; on++) {
		struct l4_host_config hc;
		struct l4_iface_config ic;
		l4_host_config_init(&hc);
		hc.icmp_echo_groups = on;
		tn_iface(&ic, &tn_mac_a);
		tn_new_with(&t, &hc, &ic);
		struct l4_prefix p4 = px("192.0.2.1/24"), p6 = px("2001:db8::1/64");
		assert_int_equal(l4_host_add_address(t.h, 1, &p4, t.now), 0);
		assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
		tn_know_peer(&t);
		tn_settle(&t);
		tf_icmp(&f,
		    &(struct tf_opt){
			.src = "2001:db8::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac },
		    L4_ICMP6_ECHO, 0, 0x12345678, "abcd", 4);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, on);
		if (on) {
			(void)tn_packet(&t, 0, &k);
			assert_true(l4_addr_eq(&k.src, &p6.addr));
		}
		tn_clear(&t);
		tf_icmp(&f, &(struct tf_opt){ .dst = "192.0.2.255", .eth_dst = &tn_broadcast },
		    L4_ICMP_ECHO, 0, 0x12345678, "abcd", 4);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, on);
		if (on) {
			(void)tn_packet(&t, 0, &k);
			assert_true(l4_addr_eq(&k.src, &p4.addr));
		}
		tn_free(&t);
	}
}

/* No more than 64 destinations are redirected at a time. */
static void redirects_are_bounded(void **state)
{
	struct tn t;
	(void)state;
	with_routers(&t, true);
	for (unsigned i = 0; i < 1000; i++) {
		char dst[40];
		snprintf(dst, sizeof dst, "2001:db8:5::%x", i + 1);
		redirect6(&t, "fe80::2", dst, "fe80::66", 255);
		expect_hop(&t, dst, i < 64 ? "fe80::66" : "fe80::2");
	}
	tn_free(&t);
}

/* ND-10: discovery with a Fragment header, also an atomic one (RFC 6980). */
static void nd_10_fragments(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	uint8_t b[128];
	struct l4_ndp_msg m = { .type = L4_ICMP6_NS, .present = L4_NDPO_SLLA, .slla = tn_mac_b };
	m.target = ad("2001:db8::1");
	int n = l4_ndp_emit(&m, b + 8, 120);
	struct tf_opt o = { .src = "2001:db8::2", .dst = "2001:db8::1", .ttl = 255 };
	tf_csum(&o, L4_PROTO_ICMP6, b + 8, (uint32_t)n, 2);
	(void)l4_ip6_frag_emit(L4_PROTO_ICMP6, 0, false, 7, b, 8);
	tf_ip(&f, &o, L4_PROTO_FRAGMENT, b, 8 + (uint32_t)n);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_NDP_FRAGMENT), 1);
	/* In two fragments of 16 bytes. */
	uint8_t part[64];
	(void)l4_ip6_frag_emit(L4_PROTO_ICMP6, 0, true, 8, part, 8);
	memcpy(part + 8, b + 8, 16);
	tf_ip(&f, &o, L4_PROTO_FRAGMENT, part, 24);
	tn_rxf(&t, &f);
	(void)l4_ip6_frag_emit(L4_PROTO_ICMP6, 16, false, 8, part, 8);
	memcpy(part + 8, b + 24, (size_t)n - 16);
	tf_ip(&f, &o, L4_PROTO_FRAGMENT, part, 8 + (uint32_t)n - 16);
	tn_rxf(&t, &f);
	assert_int_equal(tn_drops(&t, L4_DROP_NDP_FRAGMENT), 2);
	assert_int_equal(t.n_out, 0);
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nd_resolves_and_answers),
		cmocka_unit_test(nd_01_scan_of_the_prefix),
		cmocka_unit_test(nd_02_only_from_the_link),
		cmocka_unit_test(nd_03_option_lengths),
		cmocka_unit_test(rdnss_is_learned),
		cmocka_unit_test(nd_05_advertisements),
		cmocka_unit_test(nd_unreachability),
		cmocka_unit_test(slaac_forms_addresses),
		cmocka_unit_test(nd_06_ra_flood),
		cmocka_unit_test(nd_07_two_hour_rule),
		cmocka_unit_test(nd_08_duplicate_detection),
		cmocka_unit_test(slaac_retries_after_conflict),
		cmocka_unit_test(nd_09_redirects),
		cmocka_unit_test(nd_09_redirects_when_enabled),
		cmocka_unit_test(echo_to_groups_when_enabled),
		cmocka_unit_test(redirects_are_bounded),
		cmocka_unit_test(nd_10_fragments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
