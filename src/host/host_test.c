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

/* A stream of bytes from a to b, both ways of addressing, over Ethernet with resolution. */
static void stream_crosses(void **state)
{
	static struct tn_pair p;
	static uint8_t data[200000], got[200000];
	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tn_pair_new(&p);
		struct l4_endpoint to = ep_of(v6 ? "2001:db8::2" : "192.0.2.2", 80);
		l4_ep l = l4_tcp_new(p.b.h, NULL), c = l4_tcp_new(p.a.h, NULL), s = 0;
		assert_int_equal(l4_tcp_bind(p.b.h, l, &to), 0);
		assert_int_equal(l4_tcp_listen(p.b.h, l, 8, p.b.now), 0);
		assert_int_equal(l4_tcp_connect(p.a.h, c, &to, p.a.now), 0);
		size_t sent = 0, have = 0;
		for (unsigned step = 0; step < 20000 && have < sizeof(data); step++) {
			int64_t n;
			tn_pair_run(&p, L4_MSEC);
			if (s <= 0)
				s = l4_tcp_accept(p.b.h, l, NULL, NULL, p.b.now);
			n = l4_tcp_send(p.a.h, c, data + sent, sizeof(data) - sent, 0, p.a.now);
			if (n > 0)
				sent += (size_t)n;
			if (s <= 0)
				continue;
			n = l4_tcp_recv(p.b.h, s, got + have, sizeof(got) - have, 0, p.b.now);
			if (n > 0)
				have += (size_t)n;
		}
		assert_int_equal(have, sizeof(data));
		assert_memory_equal(got, data, sizeof(data));
		assert_int_equal(l4_tcp_close(p.a.h, c, p.a.now), 0);
		tn_pair_run(&p, L4_SEC);
		assert_int_equal(l4_tcp_recv(p.b.h, s, got, sizeof(got), 0, p.b.now), 0);
		assert_int_equal(l4_tcp_close(p.b.h, s, p.b.now), 0);
		tn_pair_run(&p, 100 * L4_SEC);
		tn_pair_free(&p);
	}
}

static bool count_questions(void *ctx, bool from_a, struct tn_frame *f)
{
	unsigned *n = ctx;
	(void)from_a;
	*n += l4_get_u16(f->p + 12) == L4_ETHERTYPE_ARP;
	return true;
}

/* RFC 4861 7.3.1, RFC 1122 3.3.1.4: while TCP makes progress nobody asks for the neighbour. */
static void progress_confirms_neighbours(void **state)
{
	static struct tn_pair p;
	unsigned questions = 0;
	char buf[16];
	(void)state;
	tn_pair_new(&p);
	p.pass = count_questions;
	p.ctx = &questions;
	struct l4_endpoint to = ep_of("192.0.2.2", 80);
	l4_ep l = l4_tcp_new(p.b.h, NULL), c = l4_tcp_new(p.a.h, NULL);
	assert_int_equal(l4_tcp_bind(p.b.h, l, &to), 0);
	assert_int_equal(l4_tcp_listen(p.b.h, l, 8, p.b.now), 0);
	assert_int_equal(l4_tcp_connect(p.a.h, c, &to, p.a.now), 0);
	tn_pair_run(&p, L4_SEC);
	l4_ep s = l4_tcp_accept(p.b.h, l, NULL, NULL, p.b.now);
	for (unsigned i = 0; i < 300; i++) {
		if (i == 60)
			questions = 0;
		assert_int_equal(l4_tcp_send(p.a.h, c, "ping", 4, 0, p.a.now), 4);
		tn_pair_run(&p, L4_SEC / 2);
		assert_int_equal(l4_tcp_recv(p.b.h, s, buf, sizeof(buf), 0, p.b.now), 4);
		assert_int_equal(l4_tcp_send(p.b.h, s, "pong", 4, 0, p.b.now), 4);
		tn_pair_run(&p, L4_SEC / 2);
		assert_int_equal(l4_tcp_recv(p.a.h, c, buf, sizeof(buf), 0, p.a.now), 4);
	}
	assert_int_equal(questions, 0);
	tn_pair_free(&p);
}

static void stream_loops(void **state)
{
	struct tn t;
	char buf[64];
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		tn_new(&t);
		tn_settle(&t);
		struct l4_endpoint to = ep_of(v6 ? "::1" : "127.0.0.1", 80);
		l4_ep l = l4_tcp_new(t.h, NULL), c = l4_tcp_new(t.h, NULL);
		assert_int_equal(l4_tcp_bind(t.h, l, &to), 0);
		assert_int_equal(l4_tcp_listen(t.h, l, 8, t.now), 0);
		assert_int_equal(l4_tcp_connect(t.h, c, &to, t.now), 0);
		tn_run(&t, L4_SEC);
		l4_ep s = l4_tcp_accept(t.h, l, NULL, NULL, t.now);
		assert_true(s > 0);
		assert_int_equal(l4_tcp_send(t.h, c, "to myself", 9, 0, t.now), 9);
		tn_run(&t, L4_SEC);
		assert_int_equal(l4_tcp_recv(t.h, s, buf, sizeof(buf), 0, t.now), 9);
		assert_memory_equal(buf, "to myself", 9);
		assert_int_equal(t.n_out, 0);
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
		cmocka_unit_test(stream_crosses),
		cmocka_unit_test(progress_confirms_neighbours),
		cmocka_unit_test(stream_loops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
