/* Tests of lent memory. Frames (l4_host_rx_lend): what the user takes in time is read where it
 * lies, what he leaves is copied when the loan ends. The user's (l4_tcp_recv_post): what comes is
 * there before he asks. Whatever happens, no byte is lost or changed. */
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

/* --- Posted memory --- */

#define GUARD 0xa5

/* What arrives stands in the memory before anybody asks, lent frames or not; other ways to receive
 * say no meanwhile. */
static void post_whole(void **state)
{
	struct rig *r = *state;
	struct l4_piece p[2];
	for (int lend = 0; lend < 2; lend++) {
		memset(r->got, GUARD, BYTES);
		assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
		assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), L4_ESTATE);
		assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), L4_EAGAIN);
		send_all(r);
		if (lend)
			l4_host_rx_end(r->h[1]);
		assert_memory_equal(r->got, r->data, BYTES);
		assert_int_equal(l4_tcp_inq(r->h[1], r->b), BYTES);
		assert_true(l4_tcp_ready(r->h[1], r->b) & L4_EV_READABLE);
		assert_int_equal(l4_tcp_recv(r->h[1], r->b, r->mem, 9, 0, r->now), L4_ESTATE);
		assert_int_equal(l4_tcp_peek(r->h[1], r->b, p), L4_ESTATE);
		assert_int_equal(l4_tcp_consume(r->h[1], r->b, 1, r->now), L4_ESTATE);
		assert_int_equal(
		    l4_tcp_export(r->h[1], r->b, r->mem, sizeof r->mem, r->now), L4_ESTATE);
		assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, NULL, 0, r->now), L4_EINVAL);
		assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), BYTES);
		assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), L4_EINVAL);
		move(r, 1);
	}
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, NULL, 0, r->now), 0);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), L4_EINVAL);
}

/* Any size: what finds no room waits, and nothing is written behind the memory's end. */
static void post_sizes(void **state)
{
	struct rig *r = *state;
	static const size_t size[] = { 1, 700, MSS - 1, MSS, MSS + 1, 3 * MSS + 5, BYTES - 1,
		BYTES };
	for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
		memset(r->got, GUARD, BYTES);
		assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, size[k], r->now), 0);
		send_all(r);
		l4_host_rx_end(r->h[1]);
		memset(r->mem, 0xee, sizeof r->mem);
		assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), size[k]);
		for (size_t i = size[k]; i < BYTES; i++)
			assert_int_equal(r->got[i], GUARD);
		int left = BYTES - (int)size[k]; /* the rest is there when it is posted for */
		if (left) {
			assert_int_equal(
			    l4_tcp_recv_post(r->h[1], r->b, r->got + size[k], BYTES, r->now), 1);
			assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), left);
		}
		assert_memory_equal(r->got, r->data, BYTES);
		move(r, 1);
	}
}

/* The checksum of a frame's segment, made right again. */
static void seal(struct l4_frame *f)
{
	uint8_t *b = (uint8_t *)(uintptr_t)f->pieces[0].data;
	struct l4_addr src, dst;
	l4_addr_parse(&src, "10.0.0.1");
	l4_addr_parse(&dst, "10.0.0.2");
	memset(b + 36, 0, 2);
	uint16_t sum = l4_wire_csum(&src, &dst, L4_PROTO_TCP, b + 20, f->len - 20);
	memcpy(b + 36, &sum, 2);
}

/* What was written before it was known to be bad counts for nothing: a wrong checksum, and a right
 * one on a segment that TCP refuses (it acknowledges what was never sent). */
static void post_bad(void **state)
{
	struct rig *r = *state;
	for (int how = 0; how < 2; how++) {
		memset(r->got, GUARD, BYTES);
		assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
		assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
		assert_int_equal(carry(r, 0), FRAMES);
		uint8_t save[1600];
		memcpy(save, r->mem[3], sizeof save);
		r->mem[3][700] ^= 1;
		if (how) {
			r->mem[3][20 + 8] ^= 0x10; /* acknowledgment number */
			seal(&r->f[3]);
		}
		l4_host_rx_lend(r->h[1], r->ifx[1], r->f, 4, r->now);
		assert_int_equal(l4_tcp_inq(r->h[1], r->b), 3 * MSS);
		memcpy(r->mem[3], save, sizeof save);
		l4_host_rx_lend(r->h[1], r->ifx[1], r->f + 3, FRAMES - 3, r->now);
		assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), BYTES);
		assert_memory_equal(r->got, r->data, BYTES);
		l4_host_rx_end(r->h[1]);
		move(r, 1);
	}
}

/* A gap: what comes after waits elsewhere, and follows when the gap is filled. Frames that come
 * again change nothing. */
static void post_out_of_order(void **state)
{
	struct rig *r = *state;
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
	assert_int_equal(carry(r, 0), FRAMES);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f, 2, r->now);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f + 3, FRAMES - 3, r->now);
	assert_int_equal(l4_tcp_inq(r->h[1], r->b), 2 * MSS);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f, 3, r->now);
	l4_host_rx_lend(r->h[1], r->ifx[1], r->f + 1, 4, r->now);
	l4_host_rx_end(r->h[1]);
	memset(r->mem, 0xee, sizeof r->mem);
	assert_memory_equal(r->got, r->data, BYTES);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), BYTES);
}

/* READABLE comes when as much stands there as was asked for, and at the end of the stream. */
static void post_low_water(void **state)
{
	struct rig *r = *state;
	struct l4_event e[4];
	l4_host_events(r->h[1], e, 4);
	assert_int_equal(l4_tcp_set(r->h[1], r->b, L4_TCPOPT_RCVLOWAT, 4 * MSS, r->now), 0);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
	assert_int_equal(carry(r, 0), FRAMES);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(l4_host_events(r->h[1], e, 4), 0);
		l4_host_rx(r->h[1], r->ifx[1], r->f + i, 1, r->now);
	}
	assert_int_equal(l4_host_events(r->h[1], e, 4), 1);
	assert_true(e[0].bits & L4_EV_READABLE);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), 4 * MSS);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got + 4 * MSS, BYTES, r->now), 0);
	l4_host_rx(r->h[1], r->ifx[1], r->f + 4, FRAMES - 4, r->now);
	move(r, 1);
	l4_tcp_shutdown(r->h[0], r->a, r->now);
	move(r, 0);
	assert_int_equal(l4_host_events(r->h[1], e, 4), 1);
	assert_true(e[0].bits & L4_EV_EOF);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), BYTES - 4 * MSS);
	assert_memory_equal(r->got, r->data, BYTES);
	/* after the end there is something to tell at once: that it is the end */
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, 9, r->now), 1);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), 0);
}

/* The urgent octet stands aside, as with recv: a read ends before it. */
static void post_urgent(void **state)
{
	struct rig *r = *state;
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, 9, r->now), 0);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, "ab!", 3, L4_SEND_URGENT, r->now), 3);
	move(r, 0);
	move(r, 1);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, "cd", 2, 0, r->now), 2);
	move(r, 0);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), 2);
	assert_memory_equal(r->got, "ab", 2);
	assert_int_equal(l4_tcp_at_mark(r->h[1], r->b), 1);
	assert_int_equal(l4_tcp_recv(r->h[1], r->b, r->got, 1, L4_RECV_URGENT, r->now), 1);
	assert_int_equal(r->got[0], '!');
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, 9, r->now), 1);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), 2);
	assert_memory_equal(r->got, "cd", 2);
}

/* The peer resets: what came is the user's, then he learns why. He aborts, or closes with bytes
 * that he did not take: from then on nobody writes there, and the peer is told. */
static void post_ends(void **state)
{
	struct rig *r = *state;
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
	send_all(r);
	l4_host_rx_end(r->h[1]);
	move(r, 1);
	l4_tcp_abort(r->h[0], r->a, r->now);
	move(r, 0);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), BYTES);
	assert_memory_equal(r->got, r->data, BYTES);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 1);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), L4_ERESET);
}

static void post_closed(void **state)
{
	struct rig *r = *state;
	struct l4_tcp_counters k;
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, BYTES, r->now), 0);
	assert_int_equal(l4_tcp_send(r->h[0], r->a, r->data, BYTES, 0, r->now), BYTES);
	assert_int_equal(carry(r, 0), FRAMES);
	l4_host_rx(r->h[1], r->ifx[1], r->f, 2, r->now);
	assert_int_equal(l4_tcp_close(r->h[1], r->b, r->now), 0);
	l4_tcp_counters(r->h[1], &k);
	assert_int_equal(k.abort_on_data, 1);
	memset(r->got, GUARD, BYTES);
	l4_host_rx(r->h[1], r->ifx[1], r->f + 2, FRAMES - 2, r->now);
	for (int i = 0; i < BYTES; i++)
		assert_int_equal(r->got[i], GUARD);
	assert_int_equal(l4_tcp_recv_take(r->h[1], r->b, r->now), L4_EBADF);
}

/* What cannot be posted, or to whom. */
static void post_wrong(void **state)
{
	struct rig *r = *state;
	l4_ep l = l4_tcp_new(r->h[1], NULL);
	struct l4_endpoint any = { .port = 81 };
	assert_int_equal(l4_tcp_recv_post(r->h[1], l, r->got, 9, r->now), L4_ENOTCONN);
	l4_tcp_bind(r->h[1], l, &any);
	l4_tcp_listen(r->h[1], l, 1, r->now);
	assert_int_equal(l4_tcp_recv_post(r->h[1], l, r->got, 9, r->now), L4_ENOTCONN);
	assert_int_equal(l4_tcp_recv_post(r->h[1], 77, r->got, 9, r->now), L4_EBADF);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, r->got, 0, r->now), L4_EINVAL);
	assert_int_equal(l4_tcp_recv_post(r->h[1], r->b, NULL, 9, r->now), L4_EINVAL);
	assert_int_equal(
	    l4_tcp_recv_post(r->h[1], r->b, r->got, (size_t)1 << 31, r->now), L4_EINVAL);
	assert_int_equal(l4_tcp_recv_take(r->h[1], 77, r->now), L4_EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(leave_some, setup, teardown),
		cmocka_unit_test_setup_teardown(end_by_next, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_order, setup, teardown),
		cmocka_unit_test_setup_teardown(abort_with_loan, setup, teardown),
		cmocka_unit_test_setup_teardown(post_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(post_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(post_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(post_out_of_order, setup, teardown),
		cmocka_unit_test_setup_teardown(post_low_water, setup, teardown),
		cmocka_unit_test_setup_teardown(post_urgent, setup, teardown),
		cmocka_unit_test_setup_teardown(post_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(post_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(post_wrong, setup, teardown),
	};
	return cmocka_run_group_tests_name("lend", tests, NULL, NULL);
}
