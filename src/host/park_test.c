/* Tests of parked connections: what comes back is what was put away, byte for byte, whatever the
 * connection has lived through; and none that has something to do is put away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/layer4.h>

#include "host/host.h"
#include "tcp/conn.h"

#define MANY 3000

static struct l4_host *host[2];
static unsigned ifx[2];
static l4_time now;
static l4_ep a[MANY], b[MANY], listener;

static size_t move(int from)
{
	static struct l4_tx_frame out[64];
	struct l4_frame f[64];
	size_t n = l4_host_tx(host[from], ifx[from], out, 64, now);
	for (size_t i = 0; i < n; i++)
		f[i] = out[i].f;
	if (n)
		l4_host_rx(host[!from], ifx[!from], f, n, now);
	return n;
}

static void settle(void)
{
	struct l4_event e[64];
	for (int i = 0; i < 2; i++)
		if (l4_host_deadline(host[i]) <= now)
			l4_host_tick(host[i], now);
	while (move(0) + move(1) > 0)
		;
	for (int i = 0; i < 2; i++)
		while (l4_host_events(host[i], e, 64) == 64)
			;
	now += 3 * L4_MSEC;
}

static int setup(void **state)
{
	(void)state;
	now = L4_SEC;
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
		c.limits.half_open = c.tcp.somaxconn = MANY;
		c.now = now;
		assert_int_equal(l4_host_new(&host[i], &c), 0);
		struct l4_iface_config ic = { .name = "mem0" };
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1500;
		ifx[i] = (unsigned)l4_host_add_iface(host[i], &ic, now);
		struct l4_prefix p;
		l4_prefix_parse(&p, i ? "10.0.0.2/24" : "10.0.0.1/24");
		assert_int_equal(l4_host_add_address(host[i], ifx[i], &p, now), 0);
	}
	struct l4_endpoint any = { .port = 80 };
	listener = l4_tcp_new(host[1], NULL);
	assert_int_equal(l4_tcp_bind(host[1], listener, &any), 0);
	assert_int_equal(l4_tcp_listen(host[1], listener, MANY, now), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		char what[80] = "";
		assert_int_equal(l4_host_check(host[i], what, sizeof what), 0);
		l4_host_free(host[i]);
	}
	return 0;
}

static void connect_n(int n)
{
	struct l4_endpoint to = { .port = 80 };
	l4_addr_parse(&to.addr, "10.0.0.2");
	for (int i = 0; i < n; i++) {
		a[i] = l4_tcp_new(host[0], &a[i]);
		assert_int_equal(l4_tcp_connect(host[0], a[i], &to, now), 0);
		settle();
		b[i] = l4_tcp_accept(host[1], listener, NULL, &b[i], now);
		assert_true(b[i] > 0);
	}
}

/* n bytes each way and read. */
static void talk(int i, size_t n)
{
	static uint8_t out[5000], in[5000];
	for (size_t k = 0; k < n; k++)
		out[k] = (uint8_t)(k * 7 + (size_t)i);
	assert_int_equal(l4_tcp_send(host[0], a[i], out, n, 0, now), n);
	settle();
	assert_int_equal(l4_tcp_recv(host[1], b[i], in, sizeof in, 0, now), n);
	assert_memory_equal(in, out, n);
	assert_int_equal(l4_tcp_send(host[1], b[i], in, n, 0, now), n);
	settle();
	assert_int_equal(l4_tcp_recv(host[0], a[i], in, sizeof in, 0, now), n);
	assert_memory_equal(in, out, n);
	for (int k = 0; k < 100; k++) { /* delayed ACKs go, timers end */
		now += 5 * L4_MSEC;
		settle();
	}
}

/* The state without what stands in lists or is made anew. */
static void image(const struct l4_tcp *c, struct l4_tcp *out)
{
	memcpy(out, c, sizeof *c);
	memset(&out->h, 0, sizeof out->h);
	memset(&out->wheel, 0, sizeof out->wheel);
	out->live_next = out->live_prev = NULL;
	out->touched = false;
}

static void byte_for_byte(void **state)
{
	(void)state;
	static struct l4_tcp before, after;
	connect_n(12);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 24; i++) {
			struct l4_tcp_stack *ts = host[i & 1]->tcp;
			l4_ep ep = i & 1 ? b[i / 2] : a[i / 2];
			struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
			assert_non_null(c);
			assert_true(l4_tcp_park(c)); /* gives back what is empty */
			c = l4_tcp_from_ep(ts, ep);
			assert_non_null(c);
			image(c, &before);
			assert_true(l4_tcp_park(c));
			assert_int_equal(ts->n_parked, 1);
			c = l4_tcp_from_ep(ts, ep);
			assert_int_equal(ts->n_parked, 0);
			image(c, &after);
			assert_memory_equal(&before, &after, sizeof before);
		}
		for (int i = 0; i < 12; i += 1 + round)
			talk(i, (size_t)(1 + 397 * i));
		now += L4_SEC;
		settle();
	}
}

static void busy_ones_stay(void **state)
{
	(void)state;
	connect_n(1);
	struct l4_tcp_stack *ts = host[0]->tcp;
	struct l4_tcp *c = l4_tcp_from_ep(ts, a[0]);
	assert_false(l4_tcp_park(l4_tcp_from_ep(host[1]->tcp, listener)));
	assert_int_equal(l4_tcp_send(host[0], a[0], "x", 1, 0, now), 1); /* unsent */
	assert_false(l4_tcp_park(c));
	move(0); /* in flight */
	assert_false(l4_tcp_park(c));
	struct l4_tcp *d = l4_tcp_from_ep(host[1]->tcp, b[0]);
	assert_false(l4_tcp_park(d)); /* unread, an event waits, an ACK is owed */
	settle();
	assert_false(l4_tcp_park(d)); /* unread */
	l4_tcp_set(host[0], a[0], L4_TCPOPT_KEEPALIVE, 1, now);
	settle();
	assert_false(l4_tcp_park(c)); /* a timer */
}

/* More than stand whole: all still talk, are found by segments and handles, and end in order. */
static void many(void **state)
{
	(void)state;
	connect_n(MANY);
	assert_true(host[0]->tcp->n_parked > MANY / 3);
	assert_true(host[1]->tcp->n_parked > MANY / 3);
	for (int i = 0; i < MANY; i += 37)
		talk(i, 64);
	for (int i = 0; i < MANY; i += 3) {
		l4_tcp_close(host[i & 1], i & 1 ? b[i] : a[i], now);
		settle();
		assert_int_equal(
		    l4_tcp_state(host[!(i & 1)], i & 1 ? a[i] : b[i]), L4_TCP_CLOSE_WAIT);
	}
	struct l4_tcp_info info;
	for (int i = 1; i < MANY; i += 3)
		assert_int_equal(l4_tcp_info(host[0], a[i], &info, now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(byte_for_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(busy_ones_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
	};
	return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
