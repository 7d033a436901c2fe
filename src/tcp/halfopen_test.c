/* Tests of half-open records: their queues, whose they are, what is left of them. */
#include "tcp/rig_test.h"

static l4_ep listen_at(struct rig *r, uint16_t port)
{
	struct l4_endpoint any = { .port = port };
	l4_ep l = l4_tcp_new(r->h, NULL);
	assert_int_equal(l4_tcp_bind(r->h, l, &any), 0);
	assert_int_equal(l4_tcp_listen(r->h, l, 512, r->now), 0);
	return l;
}

static void syn(struct rig *r, uint16_t from, uint16_t to)
{
	struct l4_tcp_hdr t = { .sport = from,
		.dport = to,
		.seq = from,
		.flags = L4_TCPF_SYN,
		.wnd = 60000,
		.opts = { .present = L4_TCPO_MSS, .mss = 1460 } };
	inject(r, &t, 0);
}

/* RFC 6298 5.5: each record is answered again one, then two, then four seconds later, however those
 * of different ages stand beside each other. */
static void each_has_its_own_time(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	listen_at(&r, 80);
	enum { N = 5, STEP_MS = 300, END_MS = 9000 };
	uint32_t sent = 0, expected = 0;
	for (unsigned ms = 0; ms <= END_MS; ms += 100) {
		for (unsigned i = 0; i < N; i++) {
			if (ms == i * STEP_MS)
				syn(&r, (uint16_t)(2000 + i), 80);
			unsigned age = ms - i * STEP_MS;
			expected += ms >= i * STEP_MS &&
				    (age == 0 || age == 1000 || age == 3000 || age == 7000);
		}
		l4_host_tick(r.h, r.now);
		look(&r);
		sent += r.out_n;
		assert_int_equal(sent, expected);
		r.now += 100 * L4_MSEC;
	}
	rig_down(&r);
}

/* RFC 9293 3.10.4: a listener that closes takes its own half-open ones along, at whatever count of
 * retries they are, and no other's. */
static void a_listener_takes_its_own(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	l4_ep going = listen_at(&r, 81);
	r.listener = listen_at(&r, 80);
	for (uint16_t i = 0; i < 100; i++) {
		syn(&r, (uint16_t)(3000 + i), i & 1 ? 80 : 81);
		if (i == 50)
			wait_for(&r, 1500 * L4_MSEC);
	}
	look(&r);
	assert_int_equal(l4_tcp_close(r.h, going, r.now), 0);
	look(&r);
	struct l4_tcp_counters k;
	for (uint16_t i = 0; i < 100; i++) {
		syn(&r, (uint16_t)(3000 + i), i & 1 ? 80 : 81); /* the SYN again */
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_int_equal(
		    r.out.flags, i & 1 ? L4_TCPF_SYN | L4_TCPF_ACK : L4_TCPF_RST | L4_TCPF_ACK);
		if (!(i & 1))
			continue;
		struct l4_tcp_hdr t = { .sport = (uint16_t)(3000 + i),
			.dport = 80,
			.seq = 3000u + i + 1,
			.ack = r.out.seq + 1,
			.flags = L4_TCPF_ACK,
			.wnd = 60000 };
		inject(&r, &t, 0);
		look(&r);
		assert_true(l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now) > 0);
	}
	l4_tcp_counters(r.h, &k);
	assert_int_equal(k.passive_opens, 50);
	rig_down(&r);
}

/* The memory of many goes when the last is gone. */
static void a_flood_leaves_nothing(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	listen_at(&r, 80);
	for (uint16_t i = 0; i < 8; i++)
		syn(&r, (uint16_t)(1000 + i), 80);
	look(&r);
	uint64_t before = live_bytes;
	for (uint16_t i = 0; i < 400; i++) {
		syn(&r, (uint16_t)(4000 + i), 80);
		look(&r);
	}
	assert_true(live_bytes > before + 400 * 100);
	assert_true(live_bytes < before + 400 * 128);
	wait_for(&r, 300 * L4_SEC);
	look(&r);
	assert_true(live_bytes < before + 2048);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own_time),
		cmocka_unit_test(a_listener_takes_its_own),
		cmocka_unit_test(a_flood_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
