/* Tests of the simulation itself: order of callbacks, the clock, arrival times, determinism, and
 * that a clock which cannot go on is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/sim.h>

static char order[32];
static l4_time when[32];

static void note(void *ctx, l4_time now)
{
	size_t n = strlen(order);
	order[n] = *(const char *)ctx;
	when[n] = now;
}

static struct l4_sim *nested;

static void note_and_more(void *ctx, l4_time now)
{
	note(ctx, now);
	assert_int_equal(l4_sim_at(nested, now, note, "x"), 0); /* at once */
	assert_int_equal(
	    l4_sim_at(nested, now - 1, note, "y"), 0); /* late: at once too, and first */
}

static void callbacks_come_in_order(void **state)
{
	struct l4_sim *s;
	(void)state;
	memset(order, 0, sizeof order);
	assert_int_equal(l4_sim_new(&s, 1), 0);
	nested = s;
	assert_int_equal(l4_sim_at(s, 5, note, "b"), 0);
	assert_int_equal(l4_sim_at(s, 3, note, "a"), 0);
	assert_int_equal(l4_sim_at(s, 5, note, "c"), 0);
	assert_int_equal(l4_sim_at(s, 9, note_and_more, "d"), 0);
	assert_int_equal(l4_sim_at(s, 20, note, "z"), 0);
	assert_int_equal(l4_sim_run(s, 10, true), 0);
	assert_string_equal(order, "abcdyx");
	assert_int_equal(when[0], 3);
	assert_int_equal(when[2], 5);
	assert_int_equal(when[5], 9);
	assert_int_equal(l4_sim_now(s), 10);
	assert_int_equal(l4_sim_run(s, L4_TIME_NEVER, true), 0);
	assert_int_equal(l4_sim_now(s), 20);
	l4_sim_free(s);
}

/* --- Two hosts that exchange datagrams --- */

struct pair {
	struct l4_sim *s;
	struct l4_host *h[2];
	l4_ep ep[2];
	struct l4_endpoint at[2];
	unsigned got;
	l4_time arrival[64];
	uint64_t digest;
};

static void on_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct pair *p = ctx;
	struct l4_udp_msg m;
	char buf[100];
	while (l4_udp_recv(h, e->ep, buf, sizeof buf, &m, now) >= 0) {
		assert_int_equal(m.time, now);
		if (p->got < 64)
			p->arrival[p->got] = now;
		p->got++;
		if (buf[0] == 's')
			l4_sim_stop(p->s);
	}
}

static void on_frame(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
    const struct l4_frame *f, l4_time now)
{
	struct pair *p = ctx;
	(void)ifindex;
	p->digest = p->digest * 31 + now + f->len + (h == p->h[0] ? 7 : 0) + sent;
}

static void make_pair(struct pair *p, uint64_t seed, const char *impair)
{
	struct l4_link_config c = { .medium = L4_MEDIUM_IP };
	int ifindex[2];
	memset(p, 0, sizeof *p);
	assert_int_equal(l4_impair_parse(&c.to[0], impair, NULL), 0);
	c.to[1] = c.to[0];
	assert_int_equal(l4_sim_new(&p->s, seed), 0);
	l4_sim_on_frame(p->s, on_frame, p);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(l4_sim_add_host(p->s, &p->h[i], NULL), 0);
		l4_sim_on_event(p->s, p->h[i], on_event, p);
	}
	assert_int_equal(l4_sim_connect(p->s, p->h[0], p->h[1], &c, NULL, ifindex), 0);
	for (int i = 0; i < 2; i++) {
		struct l4_prefix a;
		assert_int_equal(l4_prefix_parse(&a, i ? "192.0.2.2/24" : "192.0.2.1/24"), 0);
		assert_int_equal(l4_host_add_address(p->h[i], (unsigned)ifindex[i], &a, 0), 0);
		p->at[i] = (struct l4_endpoint){ .addr = a.addr, .port = 9 };
		p->ep[i] = l4_udp_new(p->h[i], p);
		assert_int_equal(l4_udp_bind(p->h[i], p->ep[i], &p->at[i]), 0);
	}
}

static void send_one(void *ctx, l4_time now)
{
	struct pair *p = ctx;
	assert_int_equal(l4_udp_send(p->h[0], p->ep[0], &p->at[1], "hello", 5, now), 5);
}

static void datagrams_take_their_time(void **state)
{
	struct pair p;
	(void)state;
	make_pair(&p, 1, "delay=7ms");
	l4_sim_at(p.s, 3 * L4_MSEC, send_one, &p);
	l4_sim_at(p.s, 100 * L4_MSEC, send_one, &p);
	assert_int_equal(l4_sim_run(p.s, 50 * L4_MSEC, true), 0);
	assert_int_equal(p.got, 1);
	assert_int_equal(p.arrival[0], 10 * L4_MSEC);
	assert_int_equal(l4_sim_now(p.s), 50 * L4_MSEC);
	assert_int_equal(l4_sim_run(p.s, L4_SEC, true), 0);
	assert_int_equal(p.arrival[1], 107 * L4_MSEC);
	/* stop: at the datagram that says so, and the clock stays there */
	assert_int_equal(l4_udp_send(p.h[0], p.ep[0], &p.at[1], "stop", 4, L4_SEC), 4);
	assert_int_equal(l4_sim_run(p.s, 9 * L4_SEC, true), 0);
	assert_int_equal(l4_sim_now(p.s), L4_SEC + 7 * L4_MSEC);
	l4_sim_free(p.s);
}

static uint64_t digest_of(uint64_t seed, unsigned *got)
{
	struct pair p;
	make_pair(&p, seed, "delay=5ms,jitter=2ms,loss=20%,dup=5%,reorder=10%");
	for (unsigned i = 0; i < 200; i++)
		l4_sim_at(p.s, i * L4_MSEC, send_one, &p);
	assert_int_equal(l4_sim_run(p.s, L4_SEC, true), 0);
	*got = p.got;
	l4_sim_free(p.s);
	return p.digest;
}

static void same_seed_same_run(void **state)
{
	unsigned a, b, c;
	(void)state;
	uint64_t x = digest_of(5, &a), y = digest_of(5, &b), z = digest_of(6, &c);
	assert_true(x == y);
	assert_int_equal(a, b);
	assert_true(x != z);
	assert_true(a > 120 && a < 200);
}

/* --- A switch --- */

struct star {
	struct l4_host *h[3];
	l4_ep ep[3];
	unsigned got[3];  /* datagrams */
	unsigned seen[3]; /* frames that came in */
};

static void star_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct star *t = ctx;
	char buf[16];
	for (int i = 0; i < 3; i++)
		if (t->h[i] == h)
			while (l4_udp_recv(h, e->ep, buf, sizeof buf, NULL, now) >= 0)
				t->got[i]++;
}

static void star_frame(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
    const struct l4_frame *f, l4_time now)
{
	struct star *t = ctx;
	(void)ifindex, (void)f, (void)now;
	for (int i = 0; i < 3; i++)
		t->seen[i] += t->h[i] == h && !sent;
}

/* Three hosts at a switch: what is for one comes to that one only, once its place is known. */
static void a_switch_learns(void **state)
{
	struct star t = { .got = { 0 } };
	struct l4_sim *s;
	struct l4_endpoint at[3];
	(void)state;
	assert_int_equal(l4_sim_new(&s, 1), 0);
	assert_int_equal(l4_sim_add_switch(s), 0);
	l4_sim_on_frame(s, star_frame, &t);
	for (int i = 0; i < 3; i++) {
		struct l4_link_config c = { .medium = L4_MEDIUM_ETHERNET,
			.to = { { .delay = L4_MSEC }, { .delay = L4_MSEC } } };
		struct l4_device *ends[2];
		struct l4_link *link;
		struct l4_prefix a;
		char text[32];
		snprintf(text, sizeof text, "192.0.2.%d/24", i + 1);
		assert_int_equal(l4_prefix_parse(&a, text), 0);
		at[i] = (struct l4_endpoint){ .addr = a.addr, .port = 9 };
		assert_int_equal(l4_link_new(&link, &c, ends), 0);
		assert_int_equal(l4_sim_adopt(s, link), 0);
		assert_int_equal(l4_sim_plug(s, 0, ends[1]), 0);
		assert_int_equal(l4_sim_add_host(s, &t.h[i], NULL), 0);
		int ifindex = l4_sim_attach(s, t.h[i], ends[0], NULL);
		assert_true(ifindex > 0);
		assert_int_equal(l4_host_add_address(t.h[i], (unsigned)ifindex, &a, 0), 0);
		l4_sim_on_event(s, t.h[i], star_event, &t);
		t.ep[i] = l4_udp_new(t.h[i], NULL);
		assert_int_equal(l4_udp_bind(t.h[i], t.ep[i], &at[i]), 0);
	}
	assert_int_equal(l4_udp_send(t.h[0], t.ep[0], &at[1], "one", 3, 0), 3);
	assert_int_equal(l4_sim_run(s, L4_SEC, true), 0);
	assert_int_equal(t.got[1], 1);
	assert_int_equal(t.got[2], 0);
	assert_int_equal(t.seen[2], 1); /* the ARP request, which is for all */
	for (int i = 0; i < 5; i++)
		assert_int_equal(l4_udp_send(t.h[0], t.ep[0], &at[1], "more", 4, L4_SEC), 4);
	assert_int_equal(l4_sim_run(s, 2 * L4_SEC, true), 0);
	assert_int_equal(t.got[1], 6);
	assert_int_equal(t.seen[2], 1);
	/* no switch of that number; a link without Ethernet */
	struct l4_link_config c = { .medium = L4_MEDIUM_IP };
	struct l4_device *ends[2];
	struct l4_link *link;
	assert_int_equal(l4_link_new(&link, &c, ends), 0);
	assert_int_equal(l4_sim_plug(s, 0, ends[0]), L4_EINVAL);
	assert_int_equal(l4_sim_plug(s, 1, ends[0]), L4_EINVAL);
	l4_link_free(link);
	l4_sim_free(s);
}

/* --- Devices that stop the clock --- */

static int nothing_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	(void)d, (void)out, (void)max, (void)now;
	return 0;
}
static int nothing_tx(struct l4_device *d, const struct l4_frame *f, size_t n, l4_time now)
{
	(void)d, (void)f, (void)now;
	return (int)n;
}
static l4_time always(const struct l4_device *d)
{
	(void)d;
	return 3;
}
static void plain_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	(void)d;
	memset(out, 0, sizeof *out);
	out->medium = L4_MEDIUM_IP;
	out->mtu = 1500;
}
static void forget(struct l4_device *d)
{
	(void)d;
}

static void a_clock_that_stands_is_an_error(void **state)
{
	static const struct l4_device_ops ops = { .name = "stuck",
		.rx = nothing_rx,
		.tx = nothing_tx,
		.deadline = always,
		.caps = plain_caps,
		.close = forget };
	struct l4_device d = { .ops = &ops };
	struct l4_host *h;
	struct l4_sim *s;
	(void)state;
	assert_int_equal(l4_sim_new(&s, 1), 0);
	assert_int_equal(l4_sim_add_host(s, &h, NULL), 0);
	assert_int_equal(l4_sim_attach(s, h, &d, NULL), 1);
	assert_string_equal(l4_sim_what(s), "");
	assert_int_equal(l4_sim_run(s, L4_SEC, true), L4_ESTATE);
	assert_non_null(strstr(l4_sim_what(s), "time stands still at 3 ns"));
	l4_sim_free(s);
}

/* --- A stream through bursts of loss ---------------------------------------------------------- */

struct stream {
	struct l4_sim *s;
	struct l4_host *h[2];
	struct l4_link *link;
	l4_ep out, listener, in;
	uint64_t got;
	struct l4_impair normal, dead;
};

static void pump(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	static char buf[65536];
	struct stream *t = ctx;
	(void)e;
	if (h == t->h[0]) {
		while (l4_tcp_send(h, t->out, buf, sizeof buf, 0, now) > 0)
			;
		return;
	}
	if (!t->in && (t->in = l4_tcp_accept(h, t->listener, NULL, NULL, now)) < 0)
		t->in = 0;
	int64_t n;
	while (t->in && (n = l4_tcp_recv(h, t->in, buf, sizeof buf, 0, now)) > 0)
		t->got += (uint64_t)n;
}

static void cut(void *ctx, l4_time now)
{
	struct stream *t = ctx;
	(void)now;
	l4_link_impair(t->link, 0, &t->dead);
}

static void mend(void *ctx, l4_time now)
{
	struct stream *t = ctx;
	(void)now;
	l4_link_impair(t->link, 0, &t->normal);
}

/* TCPC-09: the shrew: for 100 ms of every second all is lost. A timeout of a second or more would
 * meet every burst; what crosses is at least 60 % of what a quiet link carries. */
static void tcpc_09_bursts_each_second(void **state)
{
	(void)state;
	uint64_t got[2];
	for (int attack = 0; attack < 2; attack++) {
		struct stream t = { 0 };
		struct l4_link_config c = { .medium = L4_MEDIUM_IP };
		int ifindex[2];
		assert_int_equal(
		    l4_impair_parse(&t.normal, "delay=10ms,rate=10mbit,queue=64k", NULL), 0);
		t.dead = t.normal;
		t.dead.loss = 1;
		c.to[0] = t.normal;
		assert_int_equal(l4_impair_parse(&c.to[1], "delay=10ms", NULL), 0);
		assert_int_equal(l4_sim_new(&t.s, 7), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(l4_sim_add_host(t.s, &t.h[i], NULL), 0);
			l4_sim_on_event(t.s, t.h[i], pump, &t);
		}
		assert_int_equal(l4_sim_connect(t.s, t.h[0], t.h[1], &c, &t.link, ifindex), 0);
		struct l4_endpoint at = { .port = 80 };
		for (int i = 0; i < 2; i++) {
			struct l4_prefix a;
			assert_int_equal(
			    l4_prefix_parse(&a, i ? "192.0.2.2/24" : "192.0.2.1/24"), 0);
			assert_int_equal(
			    l4_host_add_address(t.h[i], (unsigned)ifindex[i], &a, 0), 0);
			at.addr = a.addr;
		}
		t.listener = l4_tcp_new(t.h[1], NULL);
		assert_int_equal(l4_tcp_bind(t.h[1], t.listener, &at), 0);
		assert_int_equal(l4_tcp_listen(t.h[1], t.listener, 4, 0), 0);
		t.out = l4_tcp_new(t.h[0], NULL);
		assert_int_equal(l4_tcp_connect(t.h[0], t.out, &at, 0), 0);
		for (l4_time s = 1; attack && s < 30; s++) {
			l4_sim_at(t.s, s * L4_SEC, cut, &t);
			l4_sim_at(t.s, s * L4_SEC + 100 * L4_MSEC, mend, &t);
		}
		assert_int_equal(l4_sim_run(t.s, 30 * L4_SEC, false), 0);
		got[attack] = t.got;
		l4_sim_free(t.s);
	}
	assert_true(got[0] > 30u * 1000 * 1000); /* 10 Mbit/s, nearly */
	if (got[1] < got[0] * 60 / 100)
		fail_msg(
		    "%llu of %llu bytes", (unsigned long long)got[1], (unsigned long long)got[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callbacks_come_in_order),
		cmocka_unit_test(datagrams_take_their_time),
		cmocka_unit_test(same_seed_same_run),
		cmocka_unit_test(a_switch_learns),
		cmocka_unit_test(a_clock_that_stands_is_an_error),
		cmocka_unit_test(tcpc_09_bursts_each_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
