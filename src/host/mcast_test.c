/* Groups: receive filter, IGMPv3, MLDv2 and their older versions (RFC 9776, 9777, 2236, 2710;
 * security case ICMP-14). */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;
static uint8_t got[2000];

static void setup(struct tn *t)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.link_local = true;
	tn_new_with(t, &hc, &ic);
	struct l4_prefix p4 = px("192.0.2.1/24"), p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t->h, 1, &p4, t->now), 0);
	assert_int_equal(l4_host_add_address(t->h, 1, &p6, t->now), 0);
	tn_know_peer(t);
	tn_settle(t);
}

static const char *const group_of[2] = { "239.1.2.3", "ff05::123" };
static const char *const source_of[2] = { "192.0.2.2", "2001:db8::2" };
static const char *const other_of[2] = { "192.0.2.3", "2001:db8::3" };

static l4_ep member(struct tn *t, bool v6, const char *source)
{
	l4_ep u = l4_udp_new(t->h, NULL);
	struct l4_endpoint any = ep_of(v6 ? "::" : "0.0.0.0", 7);
	struct l4_addr g = ad(group_of[v6]), s = ad(source ? source : "::");
	assert_int_equal(l4_udp_set(t->h, u, L4_UDPOPT_REUSEADDR, 1), 0);
	assert_int_equal(l4_udp_bind(t->h, u, &any), 0);
	assert_int_equal(l4_udp_join(t->h, u, &g, 1, source ? &s : NULL, t->now), 0);
	tn_pull(t);
	return u;
}

static void group_in(struct tn *t, bool v6, const char *source)
{
	struct l4_addr g = ad(group_of[v6]);
	struct l4_mac m = l4_mac_from_group(&g);
	struct tf_opt o = { .src = source, .dst = group_of[v6], .eth_dst = &m };
	tf_udp(&f, &o, 1000, 7, "x", 1);
	tn_rxf(t, &f);
}

static bool received(struct tn *t, l4_ep u)
{
	return l4_udp_recv(t->h, u, got, sizeof(got), NULL, t->now) >= 0;
}

/* One record of the only report that came out; type of record returned, 0 when there is none. */
static unsigned report_out(struct tn *t, bool v6, struct l4_mcast_record *r)
{
	unsigned found = 0;
	static uint8_t msg[1500];
	for (unsigned i = 0; i < t->n_out; i++) {
		struct l4_packet k;
		struct l4_mcast_msg m;
		const uint8_t *p = tn_packet(t, i, &k);
		if (k.version != (v6 ? 6 : 4) || k.proto != (v6 ? L4_PROTO_ICMP6 : L4_PROTO_IGMP))
			continue;
		memcpy(msg, p + k.l4_off, k.l4_len);
		assert_true(l4_mcast_parse(&m, v6, msg, k.l4_len) > 0);
		struct l4_addr to = ad(v6 ? "ff02::16" : "224.0.0.22");
		assert_true(l4_addr_eq(&k.dst, &to));
		assert_int_equal(k.ttl, 1);
		assert_true(k.ip_opts & L4_IPO_ROUTER_ALERT);
		if (v6)
			assert_true(l4_addr_is_link_local(&k.src));
		assert_int_equal(m.rec_n, 1);
		assert_true(l4_mcast_record_parse(r, v6, msg, k.l4_len, m.rec_off) > 0);
		found = r->type;
	}
	tn_clear(t);
	return found;
}

/* Join, receive, leave: any source. */
static void joins_and_leaves(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		struct l4_mcast_record r;
		struct l4_addr g = ad(group_of[v6]);
		setup(&t);
		group_in(&t, v6, source_of[v6]);
		assert_int_equal(tn_drops(&t, L4_DROP_IP_NOT_OURS), 1);
		l4_ep u = member(&t, v6, NULL);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_EX);
		assert_true(l4_addr_eq(&r.group, &g));
		assert_int_equal(r.src_n, 0);
		tn_run(&t, 2 * L4_SEC); /* repeated once */
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_EX);
		tn_run(&t, 10 * L4_SEC);
		assert_int_equal(t.n_out, 0);
		group_in(&t, v6, source_of[v6]);
		assert_true(received(&t, u));
		group_in(&t, v6, other_of[v6]);
		assert_true(received(&t, u));
		/* an endpoint that did not join hears nothing of it */
		l4_ep deaf = l4_udp_new(t.h, NULL);
		struct l4_endpoint any = ep_of(v6 ? "::" : "0.0.0.0", 7);
		assert_int_equal(l4_udp_set(t.h, deaf, L4_UDPOPT_REUSEADDR, 1), 0);
		assert_int_equal(l4_udp_bind(t.h, deaf, &any), 0);
		group_in(&t, v6, source_of[v6]);
		assert_true(received(&t, u));
		assert_false(received(&t, deaf));
		assert_int_equal(l4_udp_leave(t.h, u, &g, 1, NULL, t.now), 0);
		assert_int_equal(l4_udp_leave(t.h, u, &g, 1, NULL, t.now), L4_ENOTFOUND);
		tn_pull(&t);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_IN);
		assert_int_equal(r.src_n, 0);
		group_in(&t, v6, source_of[v6]);
		assert_false(received(&t, u));
		tn_run(&t, 2 * L4_SEC);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_IN);
		/* closing leaves too */
		l4_ep w = member(&t, v6, NULL);
		tn_settle(&t);
		assert_int_equal(l4_udp_close(t.h, w, t.now), 0);
		tn_pull(&t);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_IN);
		tn_settle(&t);
		tn_free(&t);
	}
}

/* One source of the group. */
static void source_filters(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		struct l4_mcast_record r;
		struct l4_addr g = ad(group_of[v6]), s = ad(source_of[v6]);
		setup(&t);
		l4_ep u = member(&t, v6, source_of[v6]);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_ALLOW);
		assert_int_equal(r.src_n, 1);
		struct l4_addr told = l4_mcast_source(r.src, v6, 0);
		assert_true(l4_addr_eq(&told, &s));
		tn_settle(&t);
		group_in(&t, v6, source_of[v6]);
		assert_true(received(&t, u));
		group_in(&t, v6, other_of[v6]);
		assert_false(received(&t, u));
		/* another wants all: the filter opens, but the first still hears its source only */
		l4_ep w = member(&t, v6, NULL);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_EX);
		tn_settle(&t);
		group_in(&t, v6, other_of[v6]);
		assert_true(received(&t, w));
		assert_false(received(&t, u));
		/* and closes again to the one source */
		assert_int_equal(l4_udp_close(t.h, w, t.now), 0);
		tn_pull(&t);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_IN);
		assert_int_equal(r.src_n, 1);
		tn_settle(&t);
		assert_int_equal(l4_udp_leave(t.h, u, &g, 1, &s, t.now), 0);
		tn_pull(&t);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_BLOCK);
		tn_settle(&t);
		assert_int_equal(t.h->ip.ifs[1]->n_groups, 2); /* the solicited nodes' */
		tn_free(&t);
	}
}

static void query_in(struct tn *t, bool v6, const char *group, const struct l4_addr *src,
    unsigned n_src, unsigned version, uint16_t code)
{
	uint8_t b[200] = { 0 };
	struct l4_addr g = ad(group ? group : v6 ? "::" : "0.0.0.0");
	struct l4_addr to = group ? g : ad(v6 ? "ff02::1" : "224.0.0.1");
	struct l4_mac m = l4_mac_from_group(&to);
	struct tf_opt o = { .src = v6 ? "fe80::2" : "192.0.2.2", .ttl = 1, .eth_dst = &m };
	char text[64];
	uint32_t len;
	(void)l4_addr_format(&to, text, sizeof(text));
	o.dst = text;
	if (v6) {
		b[0] = L4_ICMP6_MLD_QUERY;
		l4_put_u16(b + 4, code);
		memcpy(b + 8, g.b, 16);
		b[24] = 2;
		l4_put_u16(b + 26, (uint16_t)n_src);
		for (unsigned i = 0; i < n_src; i++)
			memcpy(b + 28 + 16 * i, src[i].b, 16);
		len = version == 1 ? 24 : 28 + 16 * n_src;
		uint8_t hbh[220] = { L4_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0 };
		tf_csum(&o, L4_PROTO_ICMP6, b, len, 2);
		memcpy(hbh + 8, b, len);
		tf_ip(&f, &o, L4_PROTO_HOPOPTS, hbh, 8 + len);
	} else {
		b[0] = L4_IGMP_QUERY;
		b[1] = (uint8_t)code;
		memcpy(b + 4, g.b + 12, 4);
		b[8] = 2;
		l4_put_u16(b + 10, (uint16_t)n_src);
		for (unsigned i = 0; i < n_src; i++)
			memcpy(b + 12 + 4 * i, src[i].b + 12, 4);
		len = version < 3 ? 8 : 12 + 4 * n_src;
		tf_csum(&o, L4_PROTO_ICMP, b, len, 2);
		o.opts_len = 4;
		o.opts[0] = 148;
		o.opts[1] = 4;
		tf_ip(&f, &o, L4_PROTO_IGMP, b, len);
	}
	tn_rxf(t, &f);
}

/* Queries of each kind are answered within their time. */
static void queries_are_answered(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		struct l4_mcast_record r;
		struct l4_addr s[2] = { ad(source_of[v6]), ad(other_of[v6]) };
		setup(&t);
		if (v6) /* keep the report to one group */
			t.h->ip.ifs[1]->n_groups = 0;
		(void)member(&t, v6, source_of[v6]);
		tn_settle(&t);
		query_in(&t, v6, NULL, NULL, 0, 3, v6 ? 1000 : 10);
		assert_int_equal(t.n_out, 0);
		tn_run(&t, L4_SEC);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_IS_IN);
		assert_int_equal(r.src_n, 1);
		query_in(&t, v6, group_of[v6], NULL, 0, 3, v6 ? 1000 : 10);
		tn_run(&t, L4_SEC);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_IS_IN);
		query_in(&t, v6, group_of[v6], s, 2, 3, v6 ? 1000 : 10);
		tn_run(&t, L4_SEC);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_IS_IN);
		assert_int_equal(r.src_n, 1);
		query_in(&t, v6, group_of[v6], s + 1, 1, 3, v6 ? 1000 : 10);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
		(void)member(&t, v6, NULL);
		tn_settle(&t);
		query_in(&t, v6, NULL, NULL, 0, 3, v6 ? 1000 : 10);
		tn_run(&t, L4_SEC);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_IS_EX);
		assert_int_equal(r.src_n, 0);
		/* of a group that nobody is in nothing is said */
		query_in(&t, v6, v6 ? "ff05::9" : "239.9.9.9", NULL, 0, 3, v6 ? 1000 : 10);
		tn_run(&t, L4_SEC);
		assert_int_equal(t.n_out, 0);
		tn_free(&t);
	}
}

/* An older querier: its version is spoken till it has been silent for long. */
static void older_versions(void **state)
{
	static const struct {
		bool v6;
		unsigned version;
		uint8_t report, leave;
	} row[] = { { false, 1, L4_IGMP_REPORT1, 0 }, { false, 2, L4_IGMP_REPORT2, L4_IGMP_LEAVE },
		{ true, 1, L4_ICMP6_MLD1_REPORT, L4_ICMP6_MLD1_DONE } };
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct tn t;
		bool v6 = row[i].v6;
		struct l4_packet k;
		struct l4_mcast_record r;
		struct l4_addr g = ad(group_of[v6]);
		setup(&t);
		if (v6)
			t.h->ip.ifs[1]->n_groups = 0;
		query_in(
		    &t, v6, NULL, NULL, 0, row[i].version, row[i].version == 1 && !v6 ? 0 : 100);
		tn_settle(&t);
		l4_ep u = member(&t, v6, NULL);
		assert_int_equal(t.n_out, 1);
		const uint8_t *p = tn_packet(&t, 0, &k);
		assert_int_equal(p[k.l4_off], row[i].report);
		assert_true(l4_addr_eq(&k.dst, &g));
		tn_settle(&t);
		query_in(
		    &t, v6, NULL, NULL, 0, row[i].version, row[i].version == 1 && !v6 ? 0 : 100);
		tn_run(&t, 11 * L4_SEC);
		assert_int_equal(t.n_out, 1);
		p = tn_packet(&t, 0, &k);
		assert_int_equal(p[k.l4_off], row[i].report);
		tn_clear(&t);
		/* another member's report makes ours needless */
		query_in(
		    &t, v6, NULL, NULL, 0, row[i].version, row[i].version == 1 && !v6 ? 0 : 100);
		struct l4_mac m = l4_mac_from_group(&g);
		struct tf_opt o = { .src = v6 ? "fe80::3" : "192.0.2.3",
			.dst = group_of[v6],
			.ttl = 1,
			.eth_dst = &m };
		uint8_t b[40] = { 0 };
		if (v6) {
			b[0] = L4_ICMP6_MLD1_REPORT;
			memcpy(b + 8, g.b, 16);
			tf_csum(&o, L4_PROTO_ICMP6, b, 24, 2);
			uint8_t hbh[40] = { L4_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0 };
			memcpy(hbh + 8, b, 24);
			tf_ip(&f, &o, L4_PROTO_HOPOPTS, hbh, 32);
		} else {
			b[0] = row[i].report;
			memcpy(b + 4, g.b + 12, 4);
			tf_csum(&o, L4_PROTO_ICMP, b, 8, 2);
			tf_ip(&f, &o, L4_PROTO_IGMP, b, 8);
		}
		tn_rxf(&t, &f);
		tn_run(&t, 11 * L4_SEC);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(l4_udp_leave(t.h, u, &g, 1, NULL, t.now), 0);
		tn_pull(&t);
		assert_int_equal(t.n_out, row[i].leave != 0);
		if (row[i].leave) {
			p = tn_packet(&t, 0, &k);
			struct l4_addr to = ad(v6 ? "ff02::2" : "224.0.0.2");
			assert_int_equal(p[k.l4_off], row[i].leave);
			assert_true(l4_addr_eq(&k.dst, &to));
		}
		tn_clear(&t);
		tn_run(&t, 300 * L4_SEC);
		tn_clear(&t);
		(void)member(&t, v6, NULL);
		assert_int_equal(report_out(&t, v6, &r), L4_MCAST_TO_EX);
		tn_free(&t);
	}
}

/* ICMP-14: malformed queries and reports: nothing happens, nothing comes out. */
static void icmp_14_malformed_queries(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		setup(&t);
		l4_ep u = member(&t, v6, NULL);
		tn_settle(&t);
		struct l4_addr s[2] = { ad(source_of[v6]), ad(other_of[v6]) };
		for (unsigned what = 0; what < 6; what++) {
			query_in(&t, v6, group_of[v6], s, 2, 3, v6 ? 100 : 1);
			tn_run(&t, 30 * L4_SEC);
			tn_clear(&t);
			uint32_t at = v6 ? 14 + 40 + 8 : 14 + 24;
			uint8_t *p = f.b + at;
			if (what == 0) /* more sources than are there */
				l4_put_u16(p + (v6 ? 26 : 10), 65535);
			else if (what == 1)
				l4_put_u16(p + (v6 ? 26 : 10), 3);
			else if (what == 2) /* no group */
				p[v6 ? 8 : 4] = 0x20;
			else if (what == 3) /* not from this link */
				f.b[v6 ? 14 + 7 : 14 + 8] = 2;
			else if (what == 4) /* cut */
				l4_put_u16(f.b + (v6 ? 18 : 16), v6 ? 8 + 5 : 24 + 5);
			else if (v6) /* from a global address */
				f.b[14 + 8] = 0x20;
			else
				p[1] ^= 1; /* its checksum wrong */
			if (v6) {
				struct l4_addr src = l4_addr_from_ip6(f.b + 22);
				struct l4_addr dst = l4_addr_from_ip6(f.b + 38);
				uint32_t len = what == 4 ? 5 : 28 + 32;
				memset(p + 2, 0, 2);
				uint16_t c = l4_wire_csum(&src, &dst, L4_PROTO_ICMP6, p, len);
				memcpy(p + 2, &c, 2);
			} else {
				memset(f.b + 24, 0, 2);
				uint16_t c = l4_csum_fold(l4_csum_partial(f.b + 14, 24, 0));
				memcpy(f.b + 24, &c, 2);
				if (what != 5) {
					memset(p + 2, 0, 2);
					c = l4_icmp_csum(p, what == 4 ? 5 : 12 + 8);
					memcpy(p + 2, &c, 2);
				}
			}
			tn_rxf(&t, &f);
			tn_run(&t, 30 * L4_SEC);
			assert_int_equal(t.n_out, 0);
		}
		group_in(&t, v6, source_of[v6]);
		assert_true(received(&t, u));
		tn_free(&t);
	}
}

/* What we send to a group comes back to our own members, unless we say no; its TTL is 1. */
static void own_multicast(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct tn t;
		struct l4_packet k;
		struct l4_udp_msg m;
		setup(&t);
		l4_ep u = member(&t, v6, NULL), s = l4_udp_new(t.h, NULL);
		tn_settle(&t);
		struct l4_endpoint to = ep_of(group_of[v6], 7);
		to.ifindex = 1;
		for (unsigned loop = 0; loop < 2; loop++) {
			assert_int_equal(l4_udp_set(t.h, s, L4_UDPOPT_MULTICAST_LOOP, loop), 0);
			assert_int_equal(
			    l4_udp_set(t.h, s, L4_UDPOPT_MULTICAST_TTL, 1 + 4 * loop), 0);
			assert_int_equal(l4_udp_send(t.h, s, &to, "all", 3, t.now), 3);
			tn_run(&t, 1);
			assert_int_equal(t.n_out, 1);
			(void)tn_packet(&t, 0, &k);
			assert_int_equal(k.ttl, 1 + 4 * loop);
			struct l4_mac gm = l4_mac_from_group(&to.addr);
			assert_memory_equal(t.out[0].p, gm.b, 6);
			tn_clear(&t);
			int64_t n = l4_udp_recv(t.h, u, got, sizeof(got), &m, t.now);
			assert_int_equal(n, loop ? 3 : L4_EAGAIN);
		}
		tn_free(&t);
	}
}

/* Memberships have a limit, for all and each. */
static void membership_limits(void **state)
{
	struct tn t;
	(void)state;
	setup(&t);
	l4_ep u = l4_udp_new(t.h, NULL);
	unsigned n = 0;
	int rc = 0;
	for (; n < 1000 && rc == 0; n++) {
		struct l4_addr g = ad("239.0.0.0");
		l4_put_u16(g.b + 14, (uint16_t)n);
		rc = l4_udp_join(t.h, u, &g, 1, NULL, t.now);
	}
	assert_int_equal(rc, L4_ELIMIT);
	assert_int_equal(n, 64 + 1);
	struct l4_addr unicast = ad("192.0.2.9");
	assert_int_equal(l4_udp_join(t.h, u, &unicast, 1, NULL, t.now), L4_EINVAL);
	tn_run(&t, 3 * L4_SEC);
	tn_clear(&t);
	/* A general query about many groups: few reports, all of them whole. */
	query_in(&t, false, NULL, NULL, 0, 3, 10);
	tn_run(&t, L4_SEC);
	assert_true(t.n_out >= 1 && t.n_out <= 4);
	unsigned records = 0;
	for (unsigned i = 0; i < t.n_out; i++) {
		struct l4_packet k;
		struct l4_mcast_msg m;
		const uint8_t *p = tn_packet(&t, i, &k);
		assert_true(l4_mcast_parse(&m, false, p + k.l4_off, k.l4_len) > 0);
		records += m.rec_n;
	}
	assert_int_equal(records, 64);
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_and_leaves),
		cmocka_unit_test(source_filters),
		cmocka_unit_test(queries_are_answered),
		cmocka_unit_test(older_versions),
		cmocka_unit_test(icmp_14_malformed_queries),
		cmocka_unit_test(own_multicast),
		cmocka_unit_test(membership_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
