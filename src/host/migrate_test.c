/* Tests of export and import: one host's connection goes on in another with the same address, and
 * its peer sees nothing of it but a pause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/layer4.h>

enum { PEER, OLD, NEW, HOSTS };
#define BYTES 60000

static struct {
	struct l4_host *h[HOSTS];
	unsigned ifx[HOSTS];
	int here;    /* OLD or NEW: which of them the peer's frames reach */
	bool deaf;   /* nothing arrives anywhere */
	bool rst;    /* the peer was sent a reset */
	long allocs; /* of NEW, until one fails; -1: none does */
	l4_time now;
	l4_ep listener, a, b; /* a: the peer's end, b: the one that moves */
	uint8_t data[BYTES], got[2 * BYTES], record[4 * BYTES];
	int64_t size;
} r;

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return r.allocs >= 0 && r.allocs-- == 0 ? NULL : malloc(size);
}

static void give(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static void new_host(int i)
{
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.has_seed = true;
	c.seed[0] = (uint8_t)(i + 1);
	c.now = r.now;
	if (i == NEW)
		c.allocator = (struct l4_allocator){ .alloc = take, .free = give };
	assert_int_equal(l4_host_new(&r.h[i], &c), 0);
	struct l4_iface_config ic = { .name = "mem0" };
	ic.caps.medium = L4_MEDIUM_IP;
	ic.caps.mtu = 1500;
	r.ifx[i] = (unsigned)l4_host_add_iface(r.h[i], &ic, r.now);
	for (int v6 = 0; v6 < 2; v6++) {
		struct l4_prefix p;
		l4_prefix_parse(&p, i == PEER ? (v6 ? "fd00::1/64" : "10.0.0.1/24")
					      : (v6 ? "fd00::2/64" : "10.0.0.2/24"));
		assert_int_equal(l4_host_add_address(r.h[i], r.ifx[i], &p, r.now), 0);
	}
}

static bool is_reset(const struct l4_frame *f)
{
	const uint8_t *p = f->pieces[0].data;
	size_t at = p[0] >> 4 == 4 ? 20 : 40;
	return f->pieces[0].len > at + 13 && p[p[0] >> 4 == 4 ? 9 : 6] == 6 && (p[at + 13] & 4);
}

static size_t move(int from)
{
	static struct l4_tx_frame out[64];
	struct l4_frame f[64];
	size_t n = l4_host_tx(r.h[from], r.ifx[from], out, 64, r.now);
	int to = from == PEER ? r.here : PEER;
	for (size_t i = 0; i < n; i++) {
		f[i] = out[i].f;
		r.rst |= to == PEER && is_reset(&f[i]);
	}
	if (n && !r.deaf && (to != PEER || from == r.here))
		l4_host_rx(r.h[to], r.ifx[to], f, n, r.now);
	return n;
}

static void check(void)
{
	char what[80] = "";
	for (int i = 0; i < HOSTS; i++)
		if (l4_host_check(r.h[i], what, sizeof what) < 0)
			fail_msg("host %d: %s", i, what);
}

/* n turns of 5 ms. */
static void run(int n)
{
	struct l4_event e[64];
	for (; n; n--) {
		for (int i = 0; i < HOSTS; i++)
			if (l4_host_deadline(r.h[i]) <= r.now)
				l4_host_tick(r.h[i], r.now);
		while (move(PEER) + move(OLD) + move(NEW) > 0)
			;
		for (int i = 0; i < HOSTS; i++)
			while (l4_host_events(r.h[i], e, 64) == 64)
				;
		check();
		r.now += 5 * L4_MSEC;
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof r);
	r.allocs = -1;
	r.now = L4_SEC;
	r.here = OLD;
	for (int i = 0; i < HOSTS; i++)
		new_host(i);
	for (size_t i = 0; i < BYTES; i++)
		r.data[i] = (uint8_t)(i * 31 + i / 251);
	struct l4_endpoint any = { .port = 80 };
	r.listener = l4_tcp_new(r.h[OLD], NULL);
	assert_int_equal(l4_tcp_bind(r.h[OLD], r.listener, &any), 0);
	assert_int_equal(l4_tcp_listen(r.h[OLD], r.listener, 8, r.now), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	check();
	for (int i = 0; i < HOSTS; i++)
		l4_host_free(r.h[i]);
	return 0;
}

static void open_to(const char *address)
{
	struct l4_endpoint to = { .port = 80 };
	l4_addr_parse(&to.addr, address);
	r.a = l4_tcp_new(r.h[PEER], NULL);
	assert_int_equal(l4_tcp_connect(r.h[PEER], r.a, &to, r.now), 0);
	run(2);
	r.b = l4_tcp_accept(r.h[OLD], r.listener, NULL, NULL, r.now);
	assert_true(r.b > 0);
}

static void export(void)
{
	int64_t need = l4_tcp_export(r.h[OLD], r.b, NULL, 0, r.now);
	assert_true(need > 0 && need <= (int64_t)sizeof r.record);
	assert_int_equal(l4_tcp_export(r.h[OLD], r.b, r.record, (size_t)need - 1, r.now), need);
	assert_true(l4_tcp_state(r.h[OLD], r.b) > 0); /* it stays while there is no room */
	r.size = l4_tcp_export(r.h[OLD], r.b, r.record, sizeof r.record, r.now);
	assert_int_equal(r.size, need);
	assert_int_equal(l4_tcp_state(r.h[OLD], r.b), L4_EBADF);
}

static void migrate(void)
{
	export();
	r.here = NEW;
	r.b = l4_tcp_import(r.h[NEW], r.record, (size_t)r.size, NULL, r.now);
	assert_true(r.b > 0);
	check();
}

static void send_all(int host, l4_ep ep, size_t from, size_t to)
{
	for (int turns = 0; from < to; turns++) {
		int64_t n = l4_tcp_send(r.h[host], ep, r.data + from, to - from, 0, r.now);
		assert_true(n > 0 || n == L4_EAGAIN);
		from += n > 0 ? (size_t)n : 0;
		if (n < 0)
			run(1);
		assert_true(turns < 1000);
	}
}

/* Reads until the end of [from, to), which must be what comes. */
static void expect_bytes(int host, l4_ep ep, size_t from, size_t to)
{
	for (int turns = 0; from < to; turns++) {
		int64_t n = l4_tcp_recv(r.h[host], ep, r.got, to - from, 0, r.now);
		if (n == L4_EAGAIN)
			run(1);
		else
			assert_true(n > 0);
		if (n > 0) {
			assert_memory_equal(r.got, r.data + from, n);
			from += (size_t)n;
		}
		assert_true(turns < 10000);
	}
}

static const char *const address[] = { "10.0.0.2", "fd00::2" };

static void with_full_buffers(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (int lost = 0; lost < 2; lost++) {
			r.here = OLD;
			open_to(address[v6]);
			send_all(PEER, r.a, 0, 9000); /* read in part, the rest moves */
			run(4);
			expect_bytes(OLD, r.b, 0, 3000);
			r.deaf = lost; /* what is in flight never comes */
			int64_t n = l4_tcp_send(r.h[OLD], r.b, r.data, BYTES, 0, r.now);
			assert_true(n > 20000);
			run(1);
			r.deaf = false;
			migrate();
			struct l4_tcp_info i;
			assert_int_equal(l4_tcp_info(r.h[NEW], r.b, &i, r.now), 0);
			assert_int_equal(i.bytes_received, 9000);
			assert_true(i.snd_mss > 1000);
			assert_int_equal(l4_tcp_inq(r.h[NEW], r.b), 6000);
			send_all(PEER, r.a, 9000, 20000);
			expect_bytes(NEW, r.b, 3000, 20000);
			expect_bytes(PEER, r.a, 0, (size_t)n);
			send_all(NEW, r.b, (size_t)n, BYTES);
			expect_bytes(PEER, r.a, (size_t)n, BYTES);
			assert_int_equal(l4_tcp_close(r.h[NEW], r.b, r.now), 0);
			run(4);
			assert_int_equal(l4_tcp_recv(r.h[PEER], r.a, r.got, 1, 0, r.now), 0);
			assert_int_equal(l4_tcp_close(r.h[PEER], r.a, r.now), 0);
			run(4);
			assert_false(r.rst);
		}
}

/* Beyond a gap there are bytes: they stay behind, and the peer sends them again. */
static void with_a_gap(void **state)
{
	(void)state;
	open_to(address[0]);
	send_all(PEER, r.a, 0, 30000);
	run(6);
	expect_bytes(OLD, r.b, 0, 30000); /* the window is open now */
	r.deaf = true;
	send_all(PEER, r.a, 30000, 31000);
	assert_int_equal(l4_tcp_set(r.h[PEER], r.a, L4_TCPOPT_NODELAY, 1, r.now), 0);
	move(PEER);
	r.deaf = false;
	send_all(PEER, r.a, 31000, 40000);
	move(PEER);
	assert_int_equal(l4_tcp_inq(r.h[OLD], r.b), 0);
	migrate();
	expect_bytes(NEW, r.b, 30000, 40000);
	assert_false(r.rst);
}

static void in_each_state(void **state)
{
	(void)state;
	static const uint8_t states[] = { L4_TCP_FIN_WAIT_1, L4_TCP_FIN_WAIT_2, L4_TCP_CLOSE_WAIT,
		L4_TCP_CLOSING, L4_TCP_LAST_ACK };
	for (size_t k = 0; k < sizeof states; k++) {
		uint8_t s = states[k];
		bool peer_first = s == L4_TCP_CLOSE_WAIT || s == L4_TCP_LAST_ACK;
		r.here = OLD;
		open_to(address[k & 1]);
		if (peer_first) {
			send_all(PEER, r.a, 0, 500);
			assert_int_equal(l4_tcp_shutdown(r.h[PEER], r.a, r.now), 0);
			run(3);
		}
		if (s != L4_TCP_CLOSE_WAIT) {
			send_all(OLD, r.b, 0, 1000);
			r.deaf = s != L4_TCP_FIN_WAIT_2;
			assert_int_equal(l4_tcp_shutdown(r.h[OLD], r.b, r.now), 0);
			run(1);
			r.deaf = false;
		}
		if (s == L4_TCP_FIN_WAIT_2)
			run(3);
		if (s == L4_TCP_CLOSING) { /* its FIN comes, our ACK and FIN are lost */
			assert_int_equal(l4_tcp_shutdown(r.h[PEER], r.a, r.now), 0);
			move(PEER);
			r.deaf = true;
			move(OLD);
			r.deaf = false;
		}
		assert_int_equal(l4_tcp_state(r.h[OLD], r.b), s);
		migrate();
		assert_int_equal(l4_tcp_state(r.h[NEW], r.b), s);
		if (s == L4_TCP_CLOSE_WAIT)
			send_all(NEW, r.b, 0, 1000);
		if (peer_first)
			expect_bytes(NEW, r.b, 0, 500);
		else if (s != L4_TCP_CLOSING) {
			send_all(PEER, r.a, 0, 500);
			expect_bytes(NEW, r.b, 0, 500);
		}
		expect_bytes(PEER, r.a, 0, 1000);
		assert_int_equal(l4_tcp_close(r.h[PEER], r.a, r.now), 0);
		run(300);
		assert_int_equal(l4_tcp_recv(r.h[NEW], r.b, r.got, 1, 0, r.now), 0);
		assert_int_equal(l4_tcp_close(r.h[NEW], r.b, r.now), 0);
		run(300);
		assert_false(r.rst);
	}
}

static void with_options(void **state)
{
	(void)state;
	static struct {
		int option;
		int64_t value;
	} set[] = { { L4_TCPOPT_NODELAY, 1 }, { L4_TCPOPT_KEEPALIVE, 1 },
		{ L4_TCPOPT_KEEPIDLE, 7 * L4_SEC }, { L4_TCPOPT_KEEPINTVL, 2 * L4_SEC },
		{ L4_TCPOPT_USER_TIMEOUT, 20 * L4_SEC }, { L4_TCPOPT_TOS, 0x28 },
		{ L4_TCPOPT_TTL, 33 }, { L4_TCPOPT_RCVBUF, 40000 } };
	open_to(address[0]);
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
		assert_int_equal(l4_tcp_set(r.h[OLD], r.b, set[i].option, set[i].value, r.now), 0);
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) /* a buffer may be larger */
		l4_tcp_get(r.h[OLD], r.b, set[i].option, &set[i].value);
	assert_int_equal(l4_tcp_set_congestion(r.h[OLD], r.b, "bbr"), 0);
	migrate();
	for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
		int64_t v = -2;
		assert_int_equal(l4_tcp_get(r.h[NEW], r.b, set[i].option, &v), 0);
		assert_int_equal(v, set[i].value);
	}
	assert_string_equal(l4_tcp_get_congestion(r.h[NEW], r.b), "bbr");
	/* keep-alives go out there; they are answered, and it lives on */
	run(12000);
	assert_int_equal(l4_tcp_state(r.h[NEW], r.b), L4_TCP_ESTABLISHED);
	struct l4_tcp_info i;
	l4_tcp_info(r.h[PEER], r.a, &i, r.now);
	assert_true(i.segs_in > 5);
}

static void refused(void **state)
{
	(void)state;
	open_to(address[0]);
	assert_int_equal(
	    l4_tcp_export(r.h[OLD], r.listener, r.record, sizeof r.record, r.now), L4_ENOTCONN);
	assert_int_equal(
	    l4_tcp_export(r.h[OLD], r.b + 1, r.record, sizeof r.record, r.now), L4_EBADF);
	l4_ep fresh = l4_tcp_new(r.h[OLD], NULL);
	assert_int_equal(
	    l4_tcp_export(r.h[OLD], fresh, r.record, sizeof r.record, r.now), L4_ENOTCONN);
	migrate();
	assert_int_equal(l4_tcp_import(r.h[NEW], r.record, (size_t)r.size, NULL, r.now), L4_EINUSE);
	/* the peer has another address */
	assert_int_equal(
	    l4_tcp_import(r.h[PEER], r.record, (size_t)r.size, NULL, r.now), L4_ENOADDR);
	assert_int_equal(l4_tcp_import(r.h[NEW], "", 0, NULL, r.now), L4_EINVAL);
	/* back again */
	r.size = l4_tcp_export(r.h[NEW], r.b, r.record, sizeof r.record, r.now);
	assert_true(r.size > 0);
	r.here = OLD;
	r.b = l4_tcp_import(r.h[OLD], r.record, (size_t)r.size, NULL, r.now);
	assert_true(r.b > 0);
	send_all(PEER, r.a, 0, 5000);
	expect_bytes(OLD, r.b, 0, 5000);
}

/* Every cut of a record is refused; with any byte changed it is refused or taken, and then the host
 * is in order and goes on. */
static void damaged(void **state)
{
	(void)state;
	open_to(address[0]);
	send_all(PEER, r.a, 0, 300);
	run(2);
	r.deaf = true;
	send_all(OLD, r.b, 0, 200);
	run(1);
	export();
	for (int64_t n = 0; n < r.size; n++) {
		uint8_t *cut = malloc((size_t)n + 1);
		memcpy(cut, r.record, (size_t)n);
		assert_int_equal(l4_tcp_import(r.h[NEW], cut, (size_t)n, NULL, r.now), L4_EINVAL);
		free(cut);
	}
	unsigned taken = 0;
	static const uint8_t change[] = { 1, 0x80, 0xff, 0x7f };
	for (int64_t n = 0; n < r.size; n++)
		for (size_t k = 0; k < sizeof change; k++) {
			r.record[n] ^= change[k];
			l4_ep ep = l4_tcp_import(r.h[NEW], r.record, (size_t)r.size, NULL, r.now);
			r.record[n] ^= change[k];
			check();
			if (ep < 0)
				continue;
			taken++;
			(void)move(NEW);
			l4_tcp_send(r.h[NEW], ep, r.data, 100, 0, r.now);
			l4_tcp_recv(r.h[NEW], ep, r.got, 100, 0, r.now);
			(void)move(NEW);
			check();
			l4_tcp_abort(r.h[NEW], ep, r.now);
			(void)move(NEW);
		}
	assert_true(taken > 100); /* the bytes of the stream, counters, options */
	run(400);
}

static void without_memory(void **state)
{
	(void)state;
	open_to(address[0]);
	send_all(PEER, r.a, 0, 3000);
	run(2);
	r.deaf = true;
	send_all(OLD, r.b, 0, 30000);
	run(1);
	export();
	r.deaf = false;
	r.here = NEW;
	int n = 0;
	for (;; n++) {
		r.allocs = n;
		r.b = l4_tcp_import(r.h[NEW], r.record, (size_t)r.size, NULL, r.now);
		r.allocs = -1;
		check();
		if (r.b > 0)
			break;
		assert_int_equal(r.b, L4_ENOMEM);
		assert_true(n < 100);
	}
	assert_true(n >= 4);
	expect_bytes(NEW, r.b, 0, 3000);
	expect_bytes(PEER, r.a, 0, 30000);
	assert_false(r.rst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(with_full_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(with_a_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(in_each_state, setup, teardown),
		cmocka_unit_test_setup_teardown(with_options, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
	};
	return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
