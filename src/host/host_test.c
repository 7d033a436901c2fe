/* The host as a whole: creation, echo, datagrams between two hosts, loopback, events. */
#include "host/net_test.h"

static void needs_a_seed(void **state)
{
	struct l4_host_config c;
	struct l4_host *h = NULL;
	(void)state;
	l4_host_config_init(&c);
	assert_int_equal(l4_host_new(&h, &c), L4_EENTROPY);
	c.has_seed = true;
	assert_int_equal(l4_host_new(&h, &c), 0);
	l4_host_free(h);
}

static void echo_is_answered(void **state)
{
	static struct tf f;
	struct tn t;
	struct l4_packet k;
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tn_new(&t);
		tn_know_peer(&t);
		tn_settle(&t);
		struct tf_opt o = { .dst = v6 ? "2001:db8::1" : "192.0.2.1" };
		tf_icmp(&f, &o, v6 ? L4_ICMP6_ECHO : L4_ICMP_ECHO, 0, 0x12340001, "hello", 5);
		tn_rxf(&t, &f);
		assert_int_equal(t.n_out, 1);
		const uint8_t *p = tn_packet(&t, 0, &k);
		assert_int_equal(p[k.l4_off], v6 ? L4_ICMP6_ECHO_REPLY : L4_ICMP_ECHO_REPLY);
		assert_int_equal(k.l4_len, 13);
		assert_memory_equal(p + k.l4_off + 8, "hello", 5);
		tn_free(&t);
	}
}

static void datagrams_cross(void **state)
{
	static struct tn_pair p;
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tn_pair_new(&p);
		l4_ep a = l4_udp_new(p.a.h, NULL), b = l4_udp_new(p.b.h, &p);
		struct l4_endpoint to = ep_of(v6 ? "2001:db8::2" : "192.0.2.2", 53);
		assert_int_equal(l4_udp_bind(p.b.h, b, &to), 0);
		assert_int_equal(l4_udp_connect(p.a.h, a, &to), 0);
		assert_int_equal(l4_udp_send(p.a.h, a, NULL, "question", 8, p.a.now), 8);
		tn_pair_run(&p, L4_SEC);
		assert_int_equal(tn_event_of(&p.b, b), L4_EV_READABLE);
		assert_ptr_equal(p.b.ev[p.b.n_ev - 1].user, &p);
		char buf[64];
		struct l4_udp_msg m;
		assert_int_equal(l4_udp_recv(p.b.h, b, buf, sizeof(buf), &m, p.b.now), 8);
		assert_memory_equal(buf, "question", 8);
		assert_int_equal(l4_udp_send(p.b.h, b, &m.from, "answer", 6, p.b.now), 6);
		tn_pair_run(&p, L4_SEC);
		assert_int_equal(l4_udp_recv(p.a.h, a, buf, sizeof(buf), &m, p.a.now), 6);
		assert_int_equal(m.from.port, 53);
		tn_pair_free(&p);
	}
}

static void own_addresses_loop(void **state)
{
	static const char *const addr[] = { "192.0.2.1", "2001:db8::1", "127.0.0.1", "::1" };
	struct tn t;
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		tn_new(&t);
		tn_settle(&t);
		l4_ep s = l4_udp_new(t.h, NULL), c = l4_udp_new(t.h, NULL);
		struct l4_endpoint local = ep_of(addr[i], 7);
		char buf[16];
		assert_int_equal(l4_udp_bind(t.h, s, &local), 0);
		assert_int_equal(l4_udp_send(t.h, c, &local, "x", 1, t.now), 1);
		tn_run(&t, 1);
		assert_int_equal(t.n_out, 0);
		assert_int_equal(l4_udp_recv(t.h, s, buf, sizeof(buf), NULL, t.now), 1);
		tn_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_a_seed),
		cmocka_unit_test(echo_is_answered),
		cmocka_unit_test(datagrams_cross),
		cmocka_unit_test(own_addresses_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
