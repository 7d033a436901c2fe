/* Tests of lent frames (l4_host_rx_lend): what the user takes in time is read where it lies, what
 * he leaves is copied when the loan ends, and whatever happens no byte is lost or changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/layer4.h>

#define FRAMES 8
#define MSS    1460
#define BYTES  (FRAMES * MSS)

struct rig {
	struct l4_host *h[2];
	unsigned ifx[2];
	l4_ep a, b;
	l4_time now;
	uint8_t mem[FRAMES][1600]; /* the device's */
	struct l4_piece piece[FRAMES];
	struct l4_frame f[FRAMES];
	uint8_t data[BYTES], got[BYTES];
};

static struct rig rig;

/* Frames of one host, copied to the device's memory of the other. */
static size_t carry(struct rig *r, int from)
{
	struct l4_tx_frame t[FRAMES];
	size_t n = l4_host_tx(r->h[from], r->ifx[from], t, FRAMES, r->now);
	for (size_t i = 0; i < n; i++) {
		uint32_t at = 0;
		for (uint32_t k = 0; k < t[i].f.n_pieces; k++) {
			memcpy(r->mem[i] + at, t[i].f.pieces[k].data, t[i].f.pieces[k].len);
			at += (uint32_t)t[i].f.pieces[k].len;
		}
		r->piece[i] = (struct l4_piece){ r->mem[i], at };
		r->f[i] = (struct l4_frame){ .pieces = &r->piece[i], .n_pieces = 1, .len = at };
	}
	return n;
}

static void move(struct rig *r, int from)
{
	size_t n = carry(r, from);
	l4_host_rx(r->h[!from], r->ifx[!from], r->f, n, r->now);
	r->now += L4_MSEC;
}

/* Whether a piece lies in the device's memory. */
static bool in_place(const struct rig *r, const struct l4_piece *p)
{
	uintptr_t d = (uintptr_t)p->data, mem = (uintptr_t)r->mem;
	return d >= mem && d < mem + sizeof r->mem;
}

static int setup(void **state)
{
	struct rig *r = &rig;
	*state = r;
	memset(r, 0, sizeof *r);
	r->now = L4_SEC;
	for (int i = 0; i < BYTES; i++)
		r->data[i] = (uint8_t)(i * 31 >> 3);
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
		c.tcp.timestamps = false;
		assert_int_equal(l4_host_new(&r->h[i], &c), 0);
		struct l4_iface_config ic = { .name = "mem0" };
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1500;
		int x = l4_host_add_iface(r->h[i], &ic, r->now);
		assert_true(x > 0);
		r->ifx[i] = (unsigned)x;
		struct l4_prefix p;
		l4_prefix_parse(&p, i ? "10.0.0.2/24" : "10.0.0.1/24");
		assert_int_equal(l4_host_add_address(r->h[i], r->ifx[i], &p, r->now), 0);
	}
	l4_ep l = l4_tcp_new(r->h[1], NULL);
	struct l4_endpoint any = { .port = 80 }, to = { .port = 80 };
	assert_int_equal(l4_tcp_bind(r->h[1], l, &any), 0);
	assert_int_equal(l4_tcp_listen(r->h[1], l, 4, r->now), 0);
	l4_addr_parse(&to.addr, "10.0.0.2");
	r->a = l4_tcp_new(r->h[0], NULL);
	assert_int_equal(l4_tcp_connect(r->h[0], r->a, &to, r->now), 0);
	for (int i = 0; i < 3; i++) {
		move(r, 0);
		move(r, 1);
	}
	r->b = l4_tcp_accept(r->h[1], l, NULL, NULL, r->now);
	assert_true(r->b > 0);
	/* one segment by the long way, so that the flow is known */
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, 1, 0, r->now), 1);
	move(r, 0);
	assert_int_equal(l4_tcp_recv(r->h[1], r->b, r->got, 9, 0, r->now), 1);
	move(r, 1);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 2; i++) {
		char what[80];
		assert_int_equal(l4_host_check(r->h[i], what, sizeof what), 0);
		l4_host_free(r->h[i]);
	}
	return 0;
}

static size_t send_all(struct rig *r)
{
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
	size_t n = carry(r, 0);
	assert_int_equal(n, FRAMES);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f, n, r->now);
	return n;
}

static void read_in_place(void **state)
{
	struct rig *r = *state;
	struct l4_piece p[FRAMES + 1];
	send_all(r);
	assert_int_equal(l4_tcp_peek(r->h[1], r->b, p), 2);
	int n = l4_tcp_peekv(r->h[1], r->b, p, FRAMES + 1);
	assert_int_equal(n, FRAMES);
	for (int i = 0; i < n; i++) {
		assert_true(in_place(r, &p[i]));
		assert_int_equal(p[i].len, MSS);
		assert_memory_equal(p[i].data, r->data + i * MSS, MSS);
	}
	assert_int_equal(l4_tcp_consume(r->h[1], r->b, BYTES, r->now), 0);
	assert_int_equal(l4_tcp_peekv(r->h[1], r->b, p, 9), L4_EAGAIN);
	assert_int_equal(l4_tcp_peekv(r->h[1], r->b, p, 0), L4_EINVAL);
	l4_host_rx_end(r->h[1]);
}

/* Every number of bytes taken before the loan ends, by consume and by recv. */
static void leave_some(void **state)
{
	struct rig *r = *state;
	static const int take[] = { 0, 1, 700, MSS - 1, MSS, MSS + 1, 3 * MSS, BYTES - 1, BYTES };
	for (size_t k = 0; k < 2 * sizeof take / sizeof take[0]; k++) {
		int n = take[k / 2];
		memset(r->got, 0, BYTES);
		send_all(r);
		if (k & 1) {
			assert_int_equal(
			    l4_tcp_recv(r->h[1], r->b, r->got, (size_t)n, 0, r->now), n);
		} else {
			memcpy(r->got, r->data, (size_t)n);
			assert_int_equal(l4_tcp_consume(r->h[1], r->b, (size_t)n, r->now), 0);
		}
		l4_host_rx_end(r->h[1]);
		memset(r->mem, 0xee, sizeof r->mem); /* the device uses it again */
		int64_t left = l4_tcp_recv(r->h[1], r->b, r->got + n, BYTES, 0, r->now);
		assert_int_equal(left, n < BYTES ? BYTES - n : L4_EAGAIN);
		assert_memory_equal(r->got, r->data, BYTES);
		move(r, 1);
	}
}

/* A loan ends by itself when new frames come; what came between goes behind it in order. */
static void end_by_next(void **state)
{
	struct rig *r = *state;
	send_all(r);
	move(r, 1);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, "after", 5, 0, r->now), 5);
	struct l4_tx_frame t[1];
	assert_int_equal(l4_host_tx(r->h[0], r->ifx[0], t, 1, r->now), 1);
	l4_host_rx(r->h[1], r->ifx[1], &t[0].f, 1, r->now);
	memset(r->mem, 0xee, sizeof r->mem);
	uint8_t end[9];
	assert_int_equal(l4_tcp_recv(r->h[1], r->b, r->got, BYTES, 0, r->now), BYTES);
	assert_memory_equal(r->got, r->data, BYTES);
	assert_int_equal(l4_tcp_recv(r->h[1], r->b, end, 9, 0, r->now), 5);
	assert_memory_equal(end, "after", 5);
}

/* With a gap nothing is lent; the frame that fills it brings all in order. */
static void out_of_order(void **state)
{
	struct rig *r = *state;
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
	assert_int_equal(carry(r, 0), FRAMES);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f, 2, r->now);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f + 3, FRAMES - 3, r->now);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f + 2, 1, r->now);
	l4_host_rx_end(r->h[1]);
	memset(r->mem, 0xee, sizeof r->mem);
	assert_int_equal(l4_tcp_recv(r->h[1], r->b, r->got, BYTES, 0, r->now), BYTES);
	assert_memory_equal(r->got, r->data, BYTES);
}

/* The connection ends while it holds a loan. */
static void abort_with_loan(void **state)
{
	struct rig *r = *state;
	send_all(r);
	assert_int_equal(l4_tcp_abort(r->h[1], r->b, r->now), 0);
	l4_host_rx_end(r->h[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(leave_some, setup, teardown),
		cmocka_unit_test_setup_teardown(end_by_next, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_order, setup, teardown),
		cmocka_unit_test_setup_teardown(abort_with_loan, setup, teardown),
	};
	return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
