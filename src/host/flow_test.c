/* Tests of the table of known flows (fast.c) when it is too small: more connections than entries
 * send in one batch, so that entries change hands while the batch is taken. Each segment must reach
 * its own connection, and none may be lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/layer4.h>

#define CONNS  1000
#define ROUNDS 20
#define BATCH  64

struct rig {
	struct l4_host *h[2];
	unsigned ifx[2];
	l4_ep listener, a[CONNS], b[CONNS]; /* b[i] is the other end of a[i] */
	l4_time now;
	uint8_t mem[2 * CONNS][128];
	struct l4_piece piece[2 * CONNS];
	struct l4_frame f[2 * CONNS];
	uint32_t random;
};

static struct rig rig;

static uint32_t draw(struct rig *r, uint32_t below)
{
	r->random = r->random * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)r->random * below) >> 32);
}

/* Everything that one host has to send, in one batch to the other, in an order of chance. */
static void move(struct rig *r, int from)
{
	static struct l4_tx_frame t[BATCH];
	size_t n = 0, got;
	while ((got = l4_host_tx(r->h[from], r->ifx[from], t, BATCH, r->now)) > 0)
		for (size_t i = 0; i < got; i++, n++) {
			uint32_t at = 0;
			assert_true(n < 2 * CONNS && t[i].f.len <= sizeof r->mem[n]);
			for (uint32_t k = 0; k < t[i].f.n_pieces; k++) {
				memcpy(r->mem[n] + at, t[i].f.pieces[k].data, t[i].f.pieces[k].len);
				at += (uint32_t)t[i].f.pieces[k].len;
			}
			r->piece[n] = (struct l4_piece){ r->mem[n], at };
			r->f[n] =
			    (struct l4_frame){ .pieces = &r->piece[n], .n_pieces = 1, .len = at };
		}
	for (size_t i = n; i > 1; i--) {
		uint32_t k = draw(r, (uint32_t)i);
		struct l4_frame f = r->f[i - 1];
		r->f[i - 1] = r->f[k];
		r->f[k] = f;
	}
	l4_host_rx(r->h[!from], r->ifx[!from], r->f, n, r->now);
	r->now += L4_USEC;
}

/* The client's port names the connection at both ends. */
static void match(struct rig *r)
{
	struct l4_endpoint peer, me;
	l4_ep e;
	unsigned n = 0;
	while ((e = l4_tcp_accept(r->h[1], r->listener, &peer, NULL, r->now)) > 0)
		for (int i = 0; i < CONNS; i++) {
			assert_int_equal(l4_tcp_local(r->h[0], r->a[i], &me), 0);
			if (me.port == peer.port) {
				r->b[i] = e;
				n++;
			}
		}
	assert_int_equal(n, CONNS);
}

static int setup(void **state)
{
	struct rig *r = &rig;
	*state = r;
	memset(r, 0, sizeof *r);
	r->now = L4_SEC;
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
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
	struct l4_endpoint any = { .port = 80 }, to = { .port = 80 };
	r->listener = l4_tcp_new(r->h[1], NULL);
	assert_int_equal(l4_tcp_bind(r->h[1], r->listener, &any), 0);
	assert_int_equal(l4_tcp_listen(r->h[1], r->listener, CONNS, r->now), 0);
	l4_addr_parse(&to.addr, "10.0.0.2");
	for (int i = 0; i < CONNS; i++) {
		r->a[i] = l4_tcp_new(r->h[0], NULL);
		assert_int_equal(l4_tcp_connect(r->h[0], r->a[i], &to, r->now), 0);
		l4_tcp_set(r->h[0], r->a[i], L4_TCPOPT_NODELAY, 1, r->now);
	}
	for (int i = 0; i < 3; i++) {
		move(r, 0);
		move(r, 1);
	}
	match(r);
	for (int i = 0; i < CONNS; i++)
		l4_tcp_set(r->h[1], r->b[i], L4_TCPOPT_NODELAY, 1, r->now);
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

/* All write, one batch, all read what they were sent. */
static void speak(struct rig *r, int from, const l4_ep *w, const l4_ep *rd, unsigned round)
{
	for (unsigned i = 0; i < CONNS; i++) {
		char say[40];
		int n = snprintf(say, sizeof say, "%u of %u from %d", i, round, from);
		assert_int_equal(l4_tcp_send(r->h[from], w[i], say, (size_t)n, 0, r->now), n);
	}
	move(r, from);
	for (unsigned i = 0; i < CONNS; i++) {
		char say[40], got[40];
		int n = snprintf(say, sizeof say, "%u of %u from %d", i, round, from);
		int64_t k = l4_tcp_recv(r->h[!from], rd[i], got, sizeof got, 0, r->now);
		if (k != n || memcmp(say, got, (size_t)n) != 0)
			fail_msg("round %u from %d: connection %u got %lld bytes", round, from, i,
			    (long long)k);
	}
}

static void more_connections_than_entries(void **state)
{
	struct rig *r = *state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		speak(r, 0, r->a, r->b, round);
		speak(r, 1, r->b, r->a, round);
	}
	for (int i = 0; i < 2; i++) {
		struct l4_host_counters c;
		l4_host_counters(r->h[i], &c);
		for (unsigned d = 1; d < L4_DROP_N; d++)
			assert_int_equal(c.drops[d], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(more_connections_than_entries, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
