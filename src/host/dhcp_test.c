/* The DHCPv4 client against a server of twenty lines (RFC 2131 3.1, 4.1, 4.4). */
#include "host/net_test.h"

#include "host/host.h"

static struct tf f;

/* The last DHCP message that came out; false: none. */
static bool message_out(struct tn *t, struct l4_dhcp_msg *m, struct l4_packet *k)
{
	bool found = false;
	static uint8_t copy[1500];
	for (unsigned i = 0; i < t->n_out; i++) {
		const uint8_t *p = tn_packet(t, i, k);
		if (k->version != 4 || k->proto != L4_PROTO_UDP)
			continue;
		assert_int_equal(l4_get_u16(p + k->l4_off), L4_DHCP_CLIENT_PORT);
		assert_int_equal(l4_get_u16(p + k->l4_off + 2), L4_DHCP_SERVER_PORT);
		memcpy(copy, p, t->out[i].len);
		assert_true(l4_dhcp_parse(m, copy + k->l4_off + 8, k->l4_len - 8) > 0);
		found = true;
	}
	tn_clear(t);
	return found;
}

static void reply(
    struct tn *t, const struct l4_dhcp_msg *q, uint8_t type, const char *yiaddr, const char *server)
{
	uint8_t b[600];
	struct l4_dhcp_msg m = { .reply = true,
		.type = type,
		.xid = q->xid,
		.chaddr = q->chaddr,
		.present = L4_DHCPO_SERVER_ID | L4_DHCPO_MASK | L4_DHCPO_LEASE,
		.mask_len = 24,
		.lease_s = 3600,
		.router_n = 1,
		.dns_n = 2 };
	m.ciaddr = m.siaddr = m.giaddr = ad("0.0.0.0");
	m.yiaddr = ad(yiaddr);
	m.server_id = ad(server);
	m.router[0] = ad("192.0.2.254");
	m.dns[0] = ad("192.0.2.53");
	m.dns[1] = ad("192.0.2.54");
	int n = l4_dhcp_emit(&m, b, sizeof(b));
	assert_true(n > 0);
	struct tf_opt o = { .src = server, .dst = yiaddr };
	tf_udp(&f, &o, L4_DHCP_SERVER_PORT, L4_DHCP_CLIENT_PORT, b, (uint32_t)n);
	tn_rxf(t, &f);
}

static void setup(struct tn *t, bool dad)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	ic.dhcp4 = true;
	ic.dad = dad;
	tn_new_with(t, &hc, &ic);
}

/* DISCOVER, OFFER, REQUEST, ACK. */
static void acquire(struct tn *t, struct l4_dhcp_msg *m)
{
	struct l4_packet k;
	tn_run(t, L4_SEC);
	assert_true(message_out(t, m, &k));
	assert_int_equal(m->type, L4_DHCP_DISCOVER);
	assert_true(l4_addr_is_broadcast(&k.dst) && l4_addr_is_any(&k.src));
	reply(t, m, L4_DHCP_OFFER, "192.0.2.77", "192.0.2.2");
	tn_pull(t);
	assert_true(message_out(t, m, &k));
	assert_int_equal(m->type, L4_DHCP_REQUEST);
	struct l4_addr want = ad("192.0.2.77"), server = ad("192.0.2.2");
	assert_true(l4_addr_eq(&m->req_addr, &want));
	assert_true(l4_addr_eq(&m->server_id, &server));
	reply(t, m, L4_DHCP_ACK, "192.0.2.77", "192.0.2.2");
}

static void lease_from_begin_to_end(void **state)
{
	struct tn t;
	struct l4_dhcp_msg m;
	struct l4_packet k;
	struct l4_iface_address a;
	struct l4_addr dns[4], src, far = ad("198.51.100.1");
	(void)state;
	setup(&t, false);
	acquire(&t, &m);
	assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
	struct l4_prefix want = px("192.0.2.77/24");
	assert_memory_equal(&a.prefix, &want, sizeof(want));
	assert_int_equal(l4_host_dns_servers(t.h, dns, 4), 2);
	assert_int_equal(l4_host_source_for(t.h, &far, &src), 0);
	assert_true(l4_addr_eq(&src, &want.addr));
	tn_events(&t);
	assert_true(t.n_ev && (t.ev[0].bits & L4_EV_ADDRESS));
	/* T1: by unicast to the server; it does not answer, so again, and at T2 to all */
	struct l4_addr server = ad("192.0.2.2");
	assert_int_equal(l4_host_add_neighbour(t.h, 1, &server, &tn_mac_b, t.now), 0);
	tn_run(&t, 1790 * L4_SEC);
	assert_false(message_out(&t, &m, &k));
	tn_run(&t, 20 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	assert_int_equal(m.type, L4_DHCP_REQUEST);
	assert_true(l4_addr_eq(&k.dst, &server) && l4_addr_eq(&m.ciaddr, &want.addr));
	assert_int_equal(m.present & (L4_DHCPO_REQ_ADDR | L4_DHCPO_SERVER_ID), 0);
	tn_run(&t, 1330 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	tn_run(&t, 30 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	assert_true(l4_addr_is_broadcast(&k.dst));
	/* renewed after all: from here for another hour */
	reply(&t, &m, L4_DHCP_ACK, "192.0.2.77", "192.0.2.9");
	tn_run(&t, 1700 * L4_SEC);
	assert_false(message_out(&t, &m, &k));
	/* then nobody answers any more: the address goes with its lease */
	tn_run(&t, 1800 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 1);
	tn_run(&t, 110 * L4_SEC);
	assert_int_equal(l4_host_addresses(t.h, 1, &a, 1), 0);
	assert_int_equal(l4_host_dns_servers(t.h, dns, 4), 0);
	assert_int_equal(l4_host_source_for(t.h, &far, &src), L4_ENOROUTE);
	tn_free(&t);
}

/* 4.1: 4, 8, 16, 32, 64, 64 s, each plus or minus one. */
static void repeats_with_backoff(void **state)
{
	static const unsigned gap[] = { 4, 8, 16, 32, 64, 64 };
	struct tn t;
	(void)state;
	setup(&t, false);
	tn_run(&t, 250 * L4_SEC);
	assert_true(t.n_out >= 7);
	for (unsigned i = 0; i < 6; i++) {
		l4_time d = t.out[i + 1].at - t.out[i].at;
		assert_true(d >= (gap[i] - 1) * L4_SEC && d <= (gap[i] + 1) * L4_SEC);
	}
	tn_free(&t);
}

/* Replies that are not for us, or not in order, change nothing. */
static void strange_replies(void **state)
{
	struct tn t;
	struct l4_dhcp_msg m, q;
	struct l4_packet k;
	(void)state;
	setup(&t, false);
	tn_run(&t, L4_SEC);
	assert_true(message_out(&t, &m, &k));
	q = m;
	q.xid ^= 1;
	reply(&t, &q, L4_DHCP_OFFER, "192.0.2.77", "192.0.2.2");
	q = m;
	q.chaddr = tn_mac_c;
	reply(&t, &q, L4_DHCP_OFFER, "192.0.2.77", "192.0.2.2");
	reply(&t, &m, L4_DHCP_ACK, "192.0.2.77", "192.0.2.2"); /* nothing was requested */
	reply(&t, &m, L4_DHCP_NAK, "192.0.2.77", "192.0.2.2");
	assert_false(message_out(&t, &m, &k));
	assert_int_equal(l4_host_addresses(t.h, 1, NULL, 0), 0);
	tn_run(&t, 5 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	reply(&t, &m, L4_DHCP_OFFER, "192.0.2.77", "192.0.2.2");
	assert_true(message_out(&t, &m, &k));
	reply(&t, &m, L4_DHCP_ACK, "192.0.2.77", "192.0.2.66"); /* another server */
	reply(&t, &m, L4_DHCP_ACK, "192.0.2.78", "192.0.2.2");  /* another address */
	assert_int_equal(l4_host_addresses(t.h, 1, NULL, 0), 0);
	reply(&t, &m, L4_DHCP_NAK, "192.0.2.77", "192.0.2.2"); /* refused: begin anew */
	tn_run(&t, 2 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	assert_int_equal(m.type, L4_DHCP_DISCOVER);
	tn_free(&t);
}

/* 3.1.5: the address is another's: DECLINE, ten seconds, anew. */
static void declines_what_is_taken(void **state)
{
	struct tn t;
	struct l4_dhcp_msg m;
	struct l4_packet k;
	(void)state;
	setup(&t, true);
	acquire(&t, &m);
	tn_run(&t, 1500 * L4_MSEC);
	tn_clear(&t);
	tf_arp(&f, L4_ARP_REPLY, &tn_mac_c, "192.0.2.77", &tn_mac_a, "0.0.0.0", &tn_mac_a);
	tn_rxf(&t, &f);
	assert_true(message_out(&t, &m, &k));
	assert_int_equal(m.type, L4_DHCP_DECLINE);
	assert_int_equal(l4_host_addresses(t.h, 1, NULL, 0), 0);
	tn_run(&t, 9 * L4_SEC);
	assert_false(message_out(&t, &m, &k));
	tn_run(&t, 3 * L4_SEC);
	assert_true(message_out(&t, &m, &k));
	assert_int_equal(m.type, L4_DHCP_DISCOVER);
	tn_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_from_begin_to_end),
		cmocka_unit_test(repeats_with_backoff),
		cmocka_unit_test(strange_replies),
		cmocka_unit_test(declines_what_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
