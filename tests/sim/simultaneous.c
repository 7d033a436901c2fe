/* Simultaneous open (RFC 9293 3.5, figure 8; TCPS-02): two hosts dial each other at the same
 * moment, on the same pair of ports. First without loss, then over links that lose a third of the
 * frames, by 60 seeds. Both ends must be one connection and carry bytes both ways. TAP output. */
#include <layer4/sim.h>

#include <stdio.h>
#include <string.h>

struct end {
	struct l4_host *h;
	l4_ep ep;
	char got[16];
	size_t n;
	bool sent;
};

static void on_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct end *x = ctx;
	if (e->ep != x->ep)
		return;
	if ((e->bits & L4_EV_CONNECTED) && !x->sent)
		x->sent = l4_tcp_send(h, x->ep, "over the wire", 13, 0, now) == 13;
	int64_t r = l4_tcp_recv(h, x->ep, x->got + x->n, sizeof x->got - x->n, 0, now);
	if (r > 0)
		x->n += (size_t)r;
}

static bool run(uint64_t seed, double loss)
{
	struct l4_sim *s;
	struct end x[2];
	struct l4_link_config lc;
	struct l4_link *link;
	int ifx[2];
	static const char *const addr[2] = { "192.0.2.1/24", "192.0.2.2/24" };
	struct l4_prefix p[2];
	memset(x, 0, sizeof x);
	memset(&lc, 0, sizeof lc);
	lc.mtu = 1500;
	lc.to[0].delay = lc.to[1].delay = 10 * L4_MSEC;
	if (l4_sim_new(&s, seed) < 0)
		return false;
	bool ok = l4_sim_add_host(s, &x[0].h, NULL) >= 0 &&
		  l4_sim_add_host(s, &x[1].h, NULL) >= 0 &&
		  l4_sim_connect(s, x[0].h, x[1].h, &lc, &link, ifx) >= 0;
	for (int i = 0; ok && i < 2; i++) {
		ok = l4_prefix_parse(&p[i], addr[i]) == 0 &&
		     l4_host_add_address(x[i].h, (unsigned)ifx[i], &p[i], 0) == 0;
		l4_sim_on_event(s, x[i].h, on_event, &x[i]);
	}
	ok = ok && l4_sim_run(s, 5 * L4_SEC, true) == 0;
	lc.to[0].loss = lc.to[1].loss = loss;
	for (int i = 0; ok && i < 2; i++) {
		l4_link_impair(link, i, &lc.to[i]);
		struct l4_endpoint from = { .addr = p[i].addr, .port = 7000 };
		struct l4_endpoint to = { .addr = p[!i].addr, .port = 7000 };
		x[i].ep = l4_tcp_new(x[i].h, NULL);
		ok = l4_tcp_bind(x[i].h, x[i].ep, &from) == 0 &&
		     l4_tcp_connect(x[i].h, x[i].ep, &to, l4_sim_now(s)) == 0;
	}
	ok = ok && l4_sim_run(s, 300 * L4_SEC, true) == 0;
	for (int i = 0; ok && i < 2; i++)
		ok = l4_tcp_state(x[i].h, x[i].ep) == L4_TCP_ESTABLISHED && x[i].n == 13 &&
		     !memcmp(x[i].got, "over the wire", 13);
	l4_sim_free(s);
	return ok;
}

int main(void)
{
	int bad = 0;
	for (uint64_t seed = 0; seed <= 60; seed++) {
		bool ok = run(seed, seed ? 1.0 / 3 : 0);
		printf("%sok %d - simultaneous open, seed %d\n", ok ? "" : "not ", (int)seed + 1,
		    (int)seed);
		bad += !ok;
	}
	printf("1..61\n");
	return bad != 0;
}
