/* The short ways of a small exchange (l4_tcp_pull_short, l4_rx_fast, the ACK of all that is in
 * flight) do what the long ones do. Two pairs of hosts have the same seeds, times and bytes to say.
 * One writes them as is usual; the other writes lent memory in two halves, which is no short write,
 * and is traced, which takes the long way for ACKs. Every frame must be the same, and at the end
 * all that a connection knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/layer4.h>

#define FRAMES 64
#define ROUNDS 10000

struct world {
	struct l4_host *h[2];
	unsigned ifx[2];
	l4_ep ep[2];
	bool plain;
	uint8_t mem[FRAMES][1600]; /* frames on their way */
	uint32_t len[FRAMES];
	size_t n;
};

static struct world world[2];
static uint8_t data[2048], got[2][8192];
static l4_time now;
static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)random_state * below) >> 32);
}

static void ignore(void *ctx, const struct l4_trace_event *e)
{
	(void)ctx;
	(void)e;
}

static void pull(struct world *w, int from)
{
	static struct l4_tx_frame t[FRAMES];
	w->n = l4_host_tx(w->h[from], w->ifx[from], t, FRAMES, now);
	for (size_t i = 0; i < w->n; i++) {
		w->len[i] = 0;
		for (uint32_t k = 0; k < t[i].f.n_pieces; k++) {
			memcpy(w->mem[i] + w->len[i], t[i].f.pieces[k].data, t[i].f.pieces[k].len);
			w->len[i] += (uint32_t)t[i].f.pieces[k].len;
		}
	}
}

static void push(struct world *w, int to)
{
	for (size_t i = 0; i < w->n; i++) {
		struct l4_piece p = { w->mem[i], w->len[i] };
		struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = w->len[i] };
		l4_host_rx(w->h[to], w->ifx[to], &f, 1, now);
	}
}

/* Both worlds move what one side has; what they move is the same. */
static void move(int from)
{
	pull(&world[0], from);
	pull(&world[1], from);
	assert_int_equal(world[0].n, world[1].n);
	for (size_t i = 0; i < world[0].n; i++) {
		assert_int_equal(world[0].len[i], world[1].len[i]);
		assert_memory_equal(world[0].mem[i], world[1].mem[i], world[0].len[i]);
	}
	if (!draw(25)) /* lost */
		return;
	push(&world[0], !from);
	push(&world[1], !from);
}

static void each_tick(l4_time step)
{
	now += step;
	for (int k = 0; k < 4; k++) {
		struct l4_host *h = world[k / 2].h[k % 2];
		if (l4_host_deadline(h) <= now)
			l4_host_tick(h, now);
	}
}

static void open_world(struct world *w, bool timestamps)
{
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
		c.tcp.timestamps = timestamps;
		c.now = now;
		c.trace.event = w->plain ? NULL : ignore;
		assert_int_equal(l4_host_new(&w->h[i], &c), 0);
		struct l4_iface_config ic = { .name = "mem0" };
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1500;
		w->ifx[i] = (unsigned)l4_host_add_iface(w->h[i], &ic, now);
		struct l4_prefix p;
		l4_prefix_parse(&p, i ? "10.0.0.2/24" : "10.0.0.1/24");
		assert_int_equal(l4_host_add_address(w->h[i], w->ifx[i], &p, now), 0);
	}
	l4_ep l = l4_tcp_new(w->h[1], NULL);
	struct l4_endpoint to = { .port = 80 };
	assert_int_equal(l4_tcp_bind(w->h[1], l, &to), 0);
	assert_int_equal(l4_tcp_listen(w->h[1], l, 8, now), 0);
	l4_addr_parse(&to.addr, "10.0.0.2");
	w->ep[0] = l4_tcp_new(w->h[0], NULL);
	assert_int_equal(l4_tcp_connect(w->h[0], w->ep[0], &to, now), 0);
	for (int i = 0; i < 4; i++) {
		pull(w, i % 2);
		push(w, !(i % 2));
	}
	w->ep[1] = l4_tcp_accept(w->h[1], l, NULL, NULL, now);
	assert_true(w->ep[1] > 0);
}

/* The second world's halves must not come to more pieces than a frame has room for. */
static void say(int side, uint32_t off, uint32_t len)
{
	static int queued[2];
	if (!l4_tcp_outq(world[0].h[side], world[0].ep[side]))
		queued[side] = 0;
	if (++queued[side] > 8)
		return;
	for (int k = 0; k < 2; k++) {
		struct world *w = &world[k];
		uint32_t half = w->plain ? 0 : len / 2;
		if (w->plain)
			assert_int_equal(
			    l4_tcp_send(w->h[side], w->ep[side], data + off, len, 0, now), len);
		else if (half)
			assert_int_equal(l4_tcp_send_zc(w->h[side], w->ep[side], data + off, half,
					     L4_SEND_MORE, 1, now),
			    half);
		if (!w->plain)
			assert_int_equal(l4_tcp_send_zc(w->h[side], w->ep[side], data + off + half,
					     len - half, 0, 2, now),
			    len - half);
	}
}

static void hear(int side)
{
	int64_t n[2];
	for (int k = 0; k < 2; k++)
		n[k] =
		    l4_tcp_recv(world[k].h[side], world[k].ep[side], got[k], sizeof got[k], 0, now);
	assert_int_equal(n[0], n[1]);
	if (n[0] > 0)
		assert_memory_equal(got[0], got[1], (size_t)n[0]);
}

static void converse(bool timestamps, uint32_t seed)
{
	static const l4_time step[] = { 0, 20 * L4_USEC, 3 * L4_MSEC, 45 * L4_MSEC, L4_SEC };
	now = L4_SEC;
	random_state = seed;
	for (int k = 0; k < 2; k++) {
		world[k].plain = !k;
		open_world(&world[k], timestamps);
	}
	for (int i = 0; i < ROUNDS; i++) {
		int side = (int)draw(2);
		if (draw(4))
			say(side, draw(512), 1 + draw(draw(8) ? 200 : 1500));
		if (draw(8))
			move(side);
		hear(!side);
		if (draw(2))
			move(!side);
		each_tick(step[draw(draw(8) ? 3 : 5)]);
	}
	for (int side = 0; side < 2; side++) {
		struct l4_tcp_info info[2];
		for (int k = 0; k < 2; k++) {
			char what[80];
			memset(&info[k], 0, sizeof info[k]);
			l4_tcp_info(world[k].h[side], world[k].ep[side], &info[k], now);
			assert_int_equal(l4_host_check(world[k].h[side], what, sizeof what), 0);
		}
		assert_true(info[0].data_segs_out > ROUNDS / 20);
		assert_memory_equal(&info[0], &info[1], sizeof info[0]);
	}
	for (int k = 0; k < 4; k++)
		l4_host_free(world[k / 2].h[k % 2]);
}

static void is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (uint32_t seed = 1; seed <= 4; seed++) {
		converse(true, seed);
		converse(false, seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(is_the_same) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
