/* Neighbour and router discovery, rule by rule: what RFC 4861, 4862 and 6980 demand of a host and
 * nd_test.c (attacks, the state table) does not show already. Each test names the rows that it
 * proves. */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static const struct l4_mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };
static const struct l4_mac sn1_mac = { { 0x33, 0x33, 0xff, 0, 0, 1 } };

static void raw6(struct tn *t, const struct tf_opt *o, uint8_t *msg, uint32_t len)
{
	tf_csum(o, L4_PROTO_ICMP6, msg, len, 2);
	tf_ip(&f, o, L4_PROTO_ICMP6, msg, len);
	tn_rxf(t, &f);
}

static void ndp_in(struct tn *t, const struct tf_opt *in, const struct l4_ndp_msg *m)
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
	raw6(t, &o, b, (uint32_t)n);
}

static void ra_in(struct tn *t, const struct l4_ndp_msg *m, const char *router)
{
	ndp_in(
	    t, &(struct tf_opt){ .src = router, .dst = "ff02::1", .eth_dst = &all_nodes_mac }, m);
}

/* An interface that listens to routers, with a link-local address that was tested. */
static void new_host(struct tn *t, bool dad)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.accept_ra = ic.link_local = true;
	ic.dad = dad;
	tn_new_with(t, &hc, &ic);
}

static struct l4_ndp_msg ra_with(const char *prefix)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_RA, .router_life_s = 1800 };
	if (prefix) {
		m.prefix_n = 1;
		m.prefix[0] = (struct l4_ndp_prefix){
			.on_link = true, .autonomous = true, .valid_s = 7200, .preferred_s = 3600
		};
		m.prefix[0].prefix = px(prefix);
	}
	return m;
}

static struct l4_neigh *neighbour(struct tn *t, const char *a)
{
	struct l4_addr x = ad(a);
	return l4_neigh_find(&t->h->ip, t->h->ip.ifs[1], &x);
}

static void send_udp(struct tn *t, l4_ep ep, const char *to)
{
	struct l4_endpoint dst = ep_of(to, 9);
	(void)l4_udp_send(t->h, ep, &dst, "data", 4, t->now);
	tn_pull(t);
}

/* The ND message in frame i of what went out; its type, or 0. */
static uint8_t nd_out(const struct tn *t, unsigned i, struct l4_packet *k, struct l4_ndp_msg *m)
{
	const uint8_t *p = tn_packet(t, i, k);
	if (k->proto != L4_PROTO_ICMP6 || p[k->l4_off] < L4_ICMP6_RS ||
	    p[k->l4_off] > L4_ICMP6_REDIRECT)
		return 0;
	assert_true(l4_ndp_parse(m, p + k->l4_off, k->l4_len) > 0);
	assert_int_equal(k->ttl, 255);
	assert_false(k->has_frag_hdr);
	return m->type;
}

static unsigned count_nd(const struct tn *t, uint8_t type)
{
	struct l4_packet k;
	struct l4_ndp_msg m;
	unsigned n = 0;
	for (unsigned i = 0; i < t->n_out; i++)
		n += nd_out(t, i, &k, &m) == type;
	return n;
}

/* A message with one fault each: kind 0 is without. Returns false beyond the last kind. */
enum fault { NONE, HOPS, CSUM, CODE, SHORT, OPTION, FAULTS };

static void faulty(
    struct tn *t, const struct l4_ndp_msg *m, struct tf_opt o, enum fault fault, uint32_t least)
{
	uint8_t b[512] = { 0 };
	int n = l4_ndp_emit(m, b, 400);
	assert_true(n > 0);
	if (!o.ttl)
		o.ttl = fault == HOPS ? 254 : 255;
	b[1] = fault == CODE;
	if (fault == SHORT)
		n = (int)least - 1;
	if (fault == OPTION) { /* of length zero */
		b[n] = 200;
		n += 8;
	}
	tf_csum(&o, L4_PROTO_ICMP6, b, (uint32_t)n, 2);
	tf_ip(&f, &o, L4_PROTO_ICMP6, b, (uint32_t)n);
	if (fault == CSUM)
		f.b[14 + 40 + 2] ^= 0x40;
	tn_rxf(t, &f);
}

/* Proves: 4861-6.1.2 */
static void router_advertisements_are_checked(void **state)
{
	struct tn t;
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	unsigned routes = t.h->ip.n_routes;
	struct l4_ndp_msg m = ra_with(NULL);
	struct tf_opt o = { .src = "fe80::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac };
	for (int fault = FAULTS - 1; fault > NONE; fault--) {
		faulty(&t, &m, o, (enum fault)fault, 16);
		assert_int_equal(t.h->ip.n_routes, routes);
	}
	o.src = "2001:db8::2"; /* not link-local */
	faulty(&t, &m, o, NONE, 16);
	assert_int_equal(t.h->ip.n_routes, routes);
	o.src = "fe80::2";
	faulty(&t, &m, o, NONE, 16);
	assert_int_equal(t.h->ip.n_routes, routes + 1);
	tn_free(&t);
}

/* A host sends no advertisement and no redirect, and has no answer to solicitations of routers.
 * Proves: 4861-6.2.4 4861-6.1.1 4861-8.3c IP-052 */
static void hosts_are_no_routers(void **state)
{
	struct tn t;
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	(void)state;
	new_host(&t, true);
	struct l4_prefix p4 = px("192.0.2.1/24");
	assert_int_equal(l4_host_add_address(t.h, 1, &p4, t.now), 0);
	tn_run(&t, 3 * L4_SEC);
	ra_in(&t, &m, "fe80::2");
	tn_run(&t, 10 * L4_SEC);
	unsigned redirects4 = 0;
	tn_clear(&t);
	struct l4_ndp_msg rs = { .type = L4_ICMP6_RS, .present = L4_NDPO_SLLA, .slla = tn_mac_c };
	struct l4_mac all_routers = { { 0x33, 0x33, 0, 0, 0, 2 } };
	ndp_in(&t, &(struct tf_opt){ .src = "fe80::9", .dst = "ff02::2", .eth_dst = &all_routers },
	    &rs);
	ndp_in(&t,
	    &(struct tf_opt){ .src = "fe80::9", .dst = "ff02::1", .eth_dst = &all_nodes_mac }, &rs);
	/* packets for others on the link, sent to our link address */
	for (unsigned i = 0; i < 5; i++) {
		tf_udp(&f, &(struct tf_opt){ .dst = "2001:db8:1::77", .src = "2001:db8:1::9" }, 5,
		    9, "x", 1);
		tn_rxf(&t, &f);
		tf_udp(&f, &(struct tf_opt){ .dst = "192.0.2.77" }, 5, 9, "x", 1);
		tn_rxf(&t, &f);
	}
	assert_int_equal(t.n_out, 0);
	tn_run(&t, 3600 * L4_SEC);
	assert_int_equal(count_nd(&t, L4_ICMP6_RA), 0);
	assert_int_equal(count_nd(&t, L4_ICMP6_REDIRECT), 0);
	for (unsigned i = 0; i < t.n_out; i++) {
		struct l4_packet k;
		const uint8_t *p = tn_packet(&t, i, &k);
		redirects4 += k.proto == L4_PROTO_ICMP && p[k.l4_off] == L4_ICMP_REDIRECT;
	}
	assert_int_equal(redirects4, 0);
	tn_free(&t);
}

/* What one router says stays when another is silent about it; both are default routers.
 * Proves: 4861-6.3.4a 4861-6.3.4b */
static void advertisements_add_up(void **state)
{
	struct tn t;
	struct l4_iface_address a[8];
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	m.hop_limit = 50;
	m.reachable_ms = 20000;
	m.retrans_ms = 2000;
	m.present = L4_NDPO_MTU;
	m.mtu = 1400;
	unsigned before = t.h->ip.n_routes;
	ra_in(&t, &m, "fe80::2");
	struct l4_if *ifp = t.h->ip.ifs[1];
	l4_time reachable = ifp->reachable_ns;
	m = ra_with("2001:db8:2::/64"); /* hop limit, times, MTU: unspecified */
	ra_in(&t, &m, "fe80::3");
	assert_int_equal(ifp->hop_limit, 50);
	assert_int_equal(ifp->reachable_ms, 20000);
	assert_int_equal(ifp->retrans_ms, 2000);
	assert_true(ifp->reachable_ns == reachable);
	assert_int_equal(ifp->mtu6, 1400);
	assert_int_equal(l4_host_addresses(t.h, 1, a, 8), 3);
	/* two default routes, two prefixes */
	assert_int_equal(t.h->ip.n_routes, before + 4);
	struct l4_addr far = ad("2001:db8:ffff::1");
	struct l4_hop hop;
	struct l4_prefix all = { 0 };
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
		assert_true(l4_addr_is_link_local(&hop.next));
		assert_int_equal(l4_route_del(&t.h->ip, &all, &hop.next, 1, L4_ROUTE_RA), 0);
	}
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), L4_ENOROUTE);
	tn_free(&t);
}

/* Hop limit, times and MTU of an advertisement are used; an MTU outside 1280 to the link's is not.
 * Proves: 4861-6.3.4c */
static void advertised_parameters(void **state)
{
	static const uint32_t refused[] = { 0, 1, 68, 1279, 1501, 9000 };
	struct tn t;
	struct l4_packet k;
	struct l4_ndp_msg nm;
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	m.hop_limit = 33;
	m.reachable_ms = 10000;
	m.retrans_ms = 3000;
	m.present = L4_NDPO_MTU;
	m.mtu = 1300;
	ra_in(&t, &m, "fe80::2");
	struct l4_if *ifp = t.h->ip.ifs[1];
	assert_int_equal(ifp->mtu6, 1300);
	assert_true(ifp->reachable_ns >= 5 * L4_SEC && ifp->reachable_ns <= 15 * L4_SEC);
	for (unsigned i = 0; i < 6; i++) {
		m.mtu = refused[i];
		ra_in(&t, &m, "fe80::2");
		assert_int_equal(ifp->mtu6, 1300);
	}
	m.mtu = 1280;
	ra_in(&t, &m, "fe80::2");
	assert_int_equal(ifp->mtu6, 1280);
	l4_ep u = l4_udp_new(t.h, NULL);
	tn_clear(&t);
	send_udp(&t, u, "2001:db8:1::2");
	l4_time asked = t.now;
	tn_run(&t, 2900 * L4_MSEC);
	assert_int_equal(count_nd(&t, L4_ICMP6_NS), 1); /* the next is 3 s after the first */
	tn_run(&t, 200 * L4_MSEC);
	assert_int_equal(count_nd(&t, L4_ICMP6_NS), 2);
	assert_true(t.now - asked < 4 * L4_SEC);
	tn_clear(&t);
	struct l4_ndp_msg na = { .type = L4_ICMP6_NA,
		.solicited = true,
		.override_ = true,
		.present = L4_NDPO_TLLA,
		.tlla = tn_mac_b };
	na.target = ad("2001:db8:1::2");
	struct l4_addr src;
	char text[64];
	assert_int_equal(l4_host_source_for(t.h, &na.target, &src), 0);
	l4_addr_format(&src, text, sizeof(text));
	ndp_in(&t, &(struct tf_opt){ .src = "2001:db8:1::2", .dst = text }, &na);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(nd_out(&t, 0, &k, &nm), 0);
	(void)tn_packet(&t, 0, &k);
	assert_int_equal(k.ttl, 33);
	tn_free(&t);
}

/* An entry becomes a router's by the advertisement and a host's by R = 0; a solicitation changes
 * nothing about that.
 * Proves: 4861-6.3.4d 4861-7.2.3c 4861-7.2.5e */
static void router_flag(void **state)
{
	struct tn t;
	struct l4_hop hop;
	struct l4_addr far = ad("2001:db8:ffff::1");
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_prefix p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
	tn_settle(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	send_udp(&t, u, "fe80::2"); /* makes the entry */
	struct l4_ndp_msg m = ra_with(NULL);
	m.present = L4_NDPO_SLLA;
	m.slla = tn_mac_b;
	assert_non_null(neighbour(&t, "fe80::2"));
	assert_false(neighbour(&t, "fe80::2")->router);
	ra_in(&t, &m, "fe80::2");
	assert_true(neighbour(&t, "fe80::2")->router);
	assert_true(l4_mac_eq(&neighbour(&t, "fe80::2")->mac, &tn_mac_b));
	struct l4_ndp_msg ns = { .type = L4_ICMP6_NS, .present = L4_NDPO_SLLA, .slla = tn_mac_b };
	ns.target = ad("2001:db8::1");
	ndp_in(&t,
	    &(struct tf_opt){ .src = "fe80::2", .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac },
	    &ns);
	assert_true(neighbour(&t, "fe80::2")->router);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	struct l4_ndp_msg na = { .type = L4_ICMP6_NA, .override_ = true, .present = L4_NDPO_TLLA };
	na.tlla = tn_mac_b;
	na.target = ad("fe80::2");
	na.router = true;
	ndp_in(&t,
	    &(struct tf_opt){ .src = "fe80::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac }, &na);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	na.router = false;
	ndp_in(&t,
	    &(struct tf_opt){ .src = "fe80::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac }, &na);
	assert_false(neighbour(&t, "fe80::2")->router);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), L4_ENOROUTE);
	tn_free(&t);
}

/* A prefix without L says nothing: its addresses are reached by the router, and one that is known
 * as on-link stays so.
 * Proves: 4861-6.3.4e */
static void prefix_without_on_link(void **state)
{
	struct tn t;
	struct l4_hop hop;
	struct l4_addr a1 = ad("2001:db8:1::77"), a2 = ad("2001:db8:2::77"), r = ad("fe80::2");
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	m.prefix[0].on_link = false;
	ra_in(&t, &m, "fe80::2");
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &a1, 0, &hop, t.now), 0);
	assert_true(l4_addr_eq(&hop.next, &r));
	m = ra_with("2001:db8:2::/64");
	ra_in(&t, &m, "fe80::2");
	m.prefix[0].on_link = false;
	ra_in(&t, &m, "fe80::2");
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &a2, 0, &hop, t.now), 0);
	assert_true(l4_addr_eq(&hop.next, &a2));
	tn_free(&t);
}

/* Lifetime 0: the router goes at once, and what was sent by it takes another way.
 * Proves: 4861-6.3.5 */
static void router_lifetime_zero(void **state)
{
	struct tn t;
	struct l4_hop hop;
	struct l4_addr far = ad("2001:db8:ffff::1"), first;
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	ra_in(&t, &m, "fe80::2");
	ra_in(&t, &m, "fe80::3");
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	first = hop.next;
	uint32_t gen = t.h->ip.gen;
	m.router_life_s = 0;
	ra_in(&t, &m, first.b[15] == 2 ? "fe80::2" : "fe80::3");
	assert_true(t.h->ip.gen != gen); /* kept paths are looked up anew */
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	assert_false(l4_addr_eq(&hop.next, &first));
	ra_in(&t, &m, first.b[15] == 2 ? "fe80::3" : "fe80::2");
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), L4_ENOROUTE);
	tn_free(&t);
}

/* A router that does not answer is left for one that may.
 * Proves: 4861-6.3.6 */
static void silent_router_is_left(void **state)
{
	struct tn t;
	struct l4_hop hop;
	struct l4_addr far = ad("2001:db8:ffff::1"), first;
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_ndp_msg m = ra_with("2001:db8:1::/64");
	ra_in(&t, &m, "fe80::2");
	ra_in(&t, &m, "fe80::3");
	tn_run(&t, 2 * L4_SEC);
	l4_ep u = l4_udp_new(t.h, NULL);
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	first = hop.next;
	send_udp(&t, u, "2001:db8:ffff::1");
	tn_run(&t, 4 * L4_SEC); /* three questions, no answer */
	assert_int_equal(l4_ip_route(&t.h->ip, NULL, &far, 0, &hop, t.now), 0);
	assert_false(l4_addr_eq(&hop.next, &first));
	tn_free(&t);
}

/* Up to three, about four seconds apart, the first within a second; none after an answer.
 * Proves: 4861-6.3.7a 4861-6.3.7b */
static void router_solicitations(void **state)
{
	(void)state;
	for (unsigned answered = 0; answered < 2; answered++) {
		struct tn t;
		struct l4_packet k;
		struct l4_ndp_msg m;
		l4_time at[8] = { 0 };
		unsigned n = 0;
		struct l4_addr all_routers = ad("ff02::2");
		new_host(&t, false);
		l4_time start = t.now;
		tn_run(&t, 6 * L4_SEC);
		if (answered) {
			struct l4_ndp_msg ra = ra_with(NULL);
			ra_in(&t, &ra, "fe80::2");
		}
		tn_run(&t, 20 * L4_SEC);
		for (unsigned i = 0; i < t.n_out; i++)
			if (nd_out(&t, i, &k, &m) == L4_ICMP6_RS) {
				assert_true(l4_addr_eq(&k.dst, &all_routers));
				assert_true(n < 8);
				at[n++] = t.out[i].at;
			}
		assert_true(n >= 2 && at[0] - start <= L4_SEC);
		assert_true(at[1] - at[0] >= 3500 * L4_MSEC && at[1] - at[0] <= 4500 * L4_MSEC);
		assert_int_equal(n, answered ? 2 : 3); /* the next is 16 s later (RFC 7559) */
		tn_free(&t);
	}
}

/* Proves: 4861-7.1.1 */
static void solicitations_are_checked(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	struct l4_ndp_msg m = { .type = L4_ICMP6_NS };
	m.target = ad("2001:db8::1");
	struct tf_opt o = { .src = "2001:db8::2", .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac };
	for (int fault = FAULTS - 1; fault >= NONE; fault--) {
		faulty(&t, &m, o, (enum fault)fault, 24);
		assert_int_equal(t.n_out, fault == NONE);
	}
	tn_clear(&t);
	m.target = ad("ff02::1:ff00:1"); /* a group as target */
	faulty(&t, &m, o, NONE, 24);
	m.target = ad("2001:db8::1");
	struct tf_opt dad = o;
	dad.src = "::";
	m.present = L4_NDPO_SLLA; /* a link address of the unspecified */
	m.slla = tn_mac_b;
	faulty(&t, &m, dad, NONE, 24);
	m.present = 0;
	dad.dst = "2001:db8::1"; /* from the unspecified, but not to the solicited-node group */
	dad.eth_dst = NULL;
	faulty(&t, &m, dad, NONE, 24);
	assert_int_equal(t.n_out, 0);
	dad = o;
	dad.src = "::";
	faulty(&t, &m, dad, NONE, 24);
	assert_int_equal(t.n_out, 1);
	tn_free(&t);
}

/* Proves: 4861-7.1.2 */
static void advertisements_are_checked(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	send_udp(&t, u, "2001:db8::2");
	struct l4_ndp_msg m = { .type = L4_ICMP6_NA,
		.solicited = true,
		.override_ = true,
		.present = L4_NDPO_TLLA,
		.tlla = tn_mac_b };
	m.target = ad("2001:db8::2");
	struct tf_opt o = { .src = "2001:db8::2", .dst = "2001:db8::1" };
	struct tf_opt group = { .src = "2001:db8::2", .dst = "ff02::1", .eth_dst = &all_nodes_mac };
	faulty(&t, &m, group, NONE, 24); /* S = 1 to a group */
	assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_INCOMPLETE);
	for (int fault = FAULTS - 1; fault >= NONE; fault--) {
		assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_INCOMPLETE);
		faulty(&t, &m, o, (enum fault)fault, 24);
	}
	assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_REACHABLE);
	tn_free(&t);
}

/* The groups of an address are joined with it, before it is tested, and left with the last address
 * that needs them.
 * Proves: 4861-7.2.1a 4862-5.4c */
static void groups_of_addresses(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_addr sn = ad("ff02::1:ff00:1"), nodes = ad("ff02::1"), src = ad("2001:db8::9");
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.dad = true;
	tn_new_with(&t, &hc, &ic);
	struct l4_if *ifp = t.h->ip.ifs[1];
	struct l4_prefix one = px("2001:db8::1/64"), two = px("2001:db8:2::1/64");
	assert_false(l4_group_accepts(ifp, &sn, &src));
	assert_int_equal(l4_host_add_address(t.h, 1, &one, t.now), 0);
	assert_true(l4_group_accepts(ifp, &sn, &src));
	assert_true(l4_group_accepts(ifp, &nodes, &src));
	assert_int_equal(l4_host_add_address(t.h, 1, &two, t.now), 0);
	tn_run(&t, 5 * L4_SEC);
	/* the first report of the group goes out no later than the first probe */
	struct l4_packet k;
	struct l4_ndp_msg m;
	unsigned probe = 0, report = 0;
	for (unsigned i = 0; i < t.n_out; i++) {
		const uint8_t *p = tn_packet(&t, i, &k);
		if (nd_out(&t, i, &k, &m) == L4_ICMP6_NS && !probe)
			probe = i + 1;
		(void)tn_packet(&t, i, &k);
		if (k.proto == L4_PROTO_ICMP6 && p[k.l4_off] == L4_ICMP6_MLD2_REPORT && !report)
			report = i + 1;
	}
	assert_true(probe && report && report < probe);
	assert_int_equal(l4_host_del_address(t.h, 1, &one.addr, t.now), 0);
	assert_true(l4_group_accepts(ifp, &sn, &src));
	assert_int_equal(l4_host_del_address(t.h, 1, &two.addr, t.now), 0);
	assert_false(l4_group_accepts(ifp, &sn, &src));
	tn_free(&t);
}

/* Resolution: whom it asks, from where, with what, how often, what waits and how it ends.
 * Proves: 4861-7.2.2a 4861-7.2.2b 4861-7.2.2c 4861-7.2.2d 4861-7.2.2e 4861-7.2.2f 6980-5a */
static void resolution(void **state)
{
	struct tn t;
	struct l4_packet k;
	struct l4_ndp_msg m;
	(void)state;
	tn_new(&t);
	struct l4_prefix second = px("2001:db8::5/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &second, t.now), 0);
	tn_settle(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	struct l4_endpoint local = { second.addr, 700, 0 };
	assert_int_equal(l4_udp_bind(t.h, u, &local), 0);
	struct l4_addr sn = ad("ff02::1:ff00:2"), target = ad("2001:db8::2");
	struct l4_mac sn_mac = { { 0x33, 0x33, 0xff, 0, 0, 2 } };
	for (unsigned i = 0; i < 3; i++)
		send_udp(&t, u, "2001:db8::2");
	assert_int_equal(t.n_out, 1);
	assert_int_equal(nd_out(&t, 0, &k, &m), L4_ICMP6_NS);
	assert_true(l4_addr_eq(&k.dst, &sn));
	assert_true(l4_mac_eq(&k.eth_dst, &sn_mac));
	assert_true(l4_addr_eq(&m.target, &target));
	assert_true(l4_addr_eq(&k.src, &second.addr));
	assert_true(m.present & L4_NDPO_SLLA);
	assert_true(l4_mac_eq(&m.slla, &tn_mac_a));
	/* more packets, no more questions in this second */
	tn_run(&t, 900 * L4_MSEC);
	send_udp(&t, u, "2001:db8::2");
	assert_int_equal(t.n_out, 1);
	tn_run(&t, 5 * L4_SEC);
	assert_int_equal(count_nd(&t, L4_ICMP6_NS), 3);
	for (unsigned i = 1; i < 3; i++)
		assert_true(t.out[i].at - t.out[i - 1].at >= L4_SEC);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 0);
	assert_int_equal(l4_udp_error(t.h, u), L4_EUNREACH);
	/* answered this time: what waits goes */
	tn_run(&t, 30 * L4_SEC);
	tn_clear(&t);
	send_udp(&t, u, "2001:db8::2");
	assert_int_equal(count_nd(&t, L4_ICMP6_NS), 1);
	m = (struct l4_ndp_msg){ .type = L4_ICMP6_NA,
		.solicited = true,
		.override_ = true,
		.present = L4_NDPO_TLLA,
		.tlla = tn_mac_b,
		.target = target };
	ndp_in(&t, &(struct tf_opt){ .dst = "2001:db8::5" }, &m);
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1);
	tn_free(&t);
}

/* A solicitation with a link address updates its sender's entry, as STALE; one from the
 * unspecified address touches nothing.
 * Proves: 4861-7.2.3a 4861-7.2.3b */
static void solicitation_updates_its_sender(void **state)
{
	struct tn t;
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	send_udp(&t, u, "2001:db8::2");
	struct l4_ndp_msg ns = { .type = L4_ICMP6_NS };
	ns.target = ad("2001:db8::1");
	struct tf_opt dad = { .src = "::", .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac };
	unsigned n = t.h->ip.ifs[1]->neigh.n;
	ndp_in(&t, &dad, &ns);
	assert_int_equal(t.h->ip.ifs[1]->neigh.n, n);
	assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_INCOMPLETE);
	tn_clear(&t);
	ns.present = L4_NDPO_SLLA;
	ns.slla = tn_mac_b;
	ndp_in(&t, &(struct tf_opt){ .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac }, &ns);
	assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_STALE);
	assert_true(l4_mac_eq(&neighbour(&t, "2001:db8::2")->mac, &tn_mac_b));
	assert_int_equal(tn_count(&t, 0, L4_PROTO_UDP), 1); /* what waited */
	ns.slla = tn_mac_c;
	ndp_in(&t, &(struct tf_opt){ .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac }, &ns);
	assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_STALE);
	assert_true(l4_mac_eq(&neighbour(&t, "2001:db8::2")->mac, &tn_mac_c));
	tn_free(&t);
}

/* Proves: 4861-7.2.4a 4861-7.2.4b 4861-7.2.4c */
static void answers_to_solicitations(void **state)
{
	struct tn t;
	struct l4_packet k;
	struct l4_ndp_msg m, ns = { .type = L4_ICMP6_NS };
	struct l4_addr nodes = ad("ff02::1"), asker = ad("2001:db8::2"), us = ad("2001:db8::1");
	(void)state;
	tn_new(&t);
	tn_settle(&t);
	ns.target = us;
	for (unsigned dad = 0; dad < 2; dad++) {
		struct tf_opt o = { .src = dad ? "::" : "2001:db8::2",
			.dst = "ff02::1:ff00:1",
			.eth_dst = &sn1_mac };
		ndp_in(&t, &o, &ns);
		assert_int_equal(t.n_out, 1);
		assert_int_equal(nd_out(&t, 0, &k, &m), L4_ICMP6_NA);
		assert_int_equal(m.solicited, !dad);
		assert_true(l4_addr_eq(&k.dst, dad ? &nodes : &asker));
		assert_true(l4_mac_eq(&k.eth_dst, dad ? &all_nodes_mac : &tn_mac_b));
		assert_true(l4_addr_eq(&m.target, &us));
		assert_true((m.present & L4_NDPO_TLLA) && l4_mac_eq(&m.tlla, &tn_mac_a));
		assert_true(m.override_);
		assert_false(m.router);
		tn_clear(&t);
	}
	tn_free(&t);
}

/* RFC 6980: every message of discovery, in one fragment or in two, is dropped.
 * Proves: 6980-5b */
static void no_discovery_in_fragments(void **state)
{
	struct tn t;
	(void)state;
	new_host(&t, false);
	tn_settle(&t);
	struct l4_prefix p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &p6, t.now), 0);
	tn_settle(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	send_udp(&t, u, "2001:db8::2");
	tn_clear(&t);
	unsigned routes = t.h->ip.n_routes, dropped = 0;
	for (uint8_t type = L4_ICMP6_RS; type <= L4_ICMP6_REDIRECT; type++)
		for (unsigned cut = 0; cut < 2; cut++) {
			uint8_t b[200], part[200];
			struct l4_ndp_msg m = { .type = type,
				.router_life_s = 1800,
				.present = L4_NDPO_SLLA | L4_NDPO_TLLA,
				.slla = tn_mac_b,
				.tlla = tn_mac_b };
			m.target = ad(type == L4_ICMP6_NS ? "2001:db8::1" : "2001:db8::2");
			m.dst = ad("2001:db8::77");
			int n = l4_ndp_emit(&m, b, sizeof(b));
			struct tf_opt o = { .src = "fe80::2", .dst = "2001:db8::1", .ttl = 255 };
			tf_csum(&o, L4_PROTO_ICMP6, b, (uint32_t)n, 2);
			uint32_t id = type * 2u + cut, first = cut ? 8 : (uint32_t)n;
			(void)l4_ip6_frag_emit(L4_PROTO_ICMP6, 0, cut, id, part, 8);
			memcpy(part + 8, b, first);
			tf_ip(&f, &o, L4_PROTO_FRAGMENT, part, 8 + first);
			tn_rxf(&t, &f);
			if (cut && (uint32_t)n > first) {
				(void)l4_ip6_frag_emit(
				    L4_PROTO_ICMP6, (uint16_t)first, false, id, part, 8);
				memcpy(part + 8, b + first, (uint32_t)n - first);
				tf_ip(&f, &o, L4_PROTO_FRAGMENT, part, 8 + (uint32_t)n - first);
				tn_rxf(&t, &f);
			}
			dropped++;
			assert_int_equal(tn_drops(&t, L4_DROP_NDP_FRAGMENT), dropped);
			assert_int_equal(t.n_out, 0);
			assert_int_equal(t.h->ip.n_routes, routes);
			assert_int_equal(neighbour(&t, "2001:db8::2")->state, L4_NEIGH_INCOMPLETE);
		}
	tn_free(&t);
}

/* While an address is tested it is neither answered for nor used; the probe came first.
 * Proves: 4862-5.4a 4862-5.4b */
static void tentative_addresses_are_not_used(void **state)
{
	struct tn t;
	struct l4_host_config hc;
	struct l4_iface_config ic;
	struct l4_iface_address a;
	struct l4_addr src, dst = ad("2001:db8::2"), any = { 0 };
	struct l4_packet k;
	struct l4_ndp_msg m;
	(void)state;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.dad = true;
	tn_new_with(&t, &hc, &ic);
	struct l4_prefix p = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t.h, 1, &p, t.now), 0);
	assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
	assert_int_equal(a.state, L4_ADDR_TENTATIVE);
	assert_true(l4_host_source_for(t.h, &dst, &src) < 0);
	struct l4_ndp_msg ns = { .type = L4_ICMP6_NS };
	ns.target = p.addr;
	ndp_in(&t, &(struct tf_opt){ .dst = "ff02::1:ff00:1", .eth_dst = &sn1_mac }, &ns);
	assert_int_equal(count_nd(&t, L4_ICMP6_NA), 0);
	tf_icmp(&f, &(struct tf_opt){ .dst = "2001:db8::1" }, L4_ICMP6_ECHO, 0, 1, "x", 1);
	tn_rxf(&t, &f);
	for (unsigned i = 0; i < t.n_out; i++) {
		(void)tn_packet(&t, i, &k);
		assert_false(l4_addr_eq(&k.src, &p.addr));
	}
	tn_run(&t, 4 * L4_SEC);
	unsigned probes = 0;
	for (unsigned i = 0; i < t.n_out; i++)
		if (nd_out(&t, i, &k, &m) == L4_ICMP6_NS && l4_addr_eq(&m.target, &p.addr)) {
			assert_true(l4_addr_eq(&k.src, &any));
			assert_false(m.present & L4_NDPO_SLLA);
			probes++;
		}
	assert_true(probes >= 1);
	assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
	assert_int_equal(a.state, L4_ADDR_PREFERRED);
	assert_int_equal(l4_host_source_for(t.h, &dst, &src), 0);
	tn_free(&t);
}

/* Which prefixes make an address: A = 1, 64 bits, a lifetime, not link-local; and one past its
 * valid lifetime is nobody's.
 * Proves: 4862-5.5a 4862-5.5c */
static void which_prefixes_make_addresses(void **state)
{
	static const struct {
		const char *prefix;
		bool autonomous;
		uint32_t valid, preferred;
		bool makes;
	} row[] = {
		{ "2001:db8:1::/64", true, 7200, 3600, true },
		{ "2001:db8:1::/64", false, 7200, 3600, false },
		{ "2001:db8:1::/63", true, 7200, 3600, false },
		{ "2001:db8:1::/96", true, 7200, 3600, false },
		{ "2001:db8:1::/64", true, 0, 0, false },
		{ "2001:db8:1::/64", true, 3600, 7200, false },
		{ "fe80::/64", true, 7200, 3600, false },
	};
	struct l4_iface_address a[4];
	struct l4_addr src, far = ad("2001:db8:ffff::1");
	char text[64];
	(void)state;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct tn t;
		new_host(&t, false);
		tn_settle(&t);
		struct l4_ndp_msg m = ra_with(row[i].prefix);
		m.router_life_s = 9000;
		m.prefix[0].autonomous = row[i].autonomous;
		m.prefix[0].valid_s = row[i].valid;
		m.prefix[0].preferred_s = row[i].preferred;
		ra_in(&t, &m, "fe80::2");
		assert_int_equal(l4_host_addresses(t.h, 1, a, 4), 1 + row[i].makes);
		if (!row[i].makes) {
			tn_free(&t);
			continue;
		}
		l4_addr_format(&a[1].prefix.addr, text, sizeof(text));
		assert_int_equal(l4_host_source_for(t.h, &far, &src), 0);
		tn_clear(&t);
		for (unsigned late = 0; late < 2; late++) {
			tf_icmp(&f, &(struct tf_opt){ .src = "fe80::2", .dst = text },
			    L4_ICMP6_ECHO, 0, 1, "x", 1);
			tn_rxf(&t, &f);
			tn_run(&t, L4_SEC);
			assert_int_equal(t.n_out > 0, !late);
			tn_run(&t, 7201 * L4_SEC);
			tn_clear(&t);
		}
		assert_int_equal(l4_host_source_for(t.h, &far, &src), L4_ENOROUTE);
		tn_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router_advertisements_are_checked),
		cmocka_unit_test(hosts_are_no_routers),
		cmocka_unit_test(advertisements_add_up),
		cmocka_unit_test(advertised_parameters),
		cmocka_unit_test(router_flag),
		cmocka_unit_test(prefix_without_on_link),
		cmocka_unit_test(router_lifetime_zero),
		cmocka_unit_test(silent_router_is_left),
		cmocka_unit_test(router_solicitations),
		cmocka_unit_test(solicitations_are_checked),
		cmocka_unit_test(advertisements_are_checked),
		cmocka_unit_test(groups_of_addresses),
		cmocka_unit_test(resolution),
		cmocka_unit_test(solicitation_updates_its_sender),
		cmocka_unit_test(answers_to_solicitations),
		cmocka_unit_test(no_discovery_in_fragments),
		cmocka_unit_test(tentative_addresses_are_not_used),
		cmocka_unit_test(which_prefixes_make_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
