/* Every allocation of two hosts fails once: the n-th, for n = 1, 2, … until a run needs fewer than
 * n; then each with probability 1 % and 10 %. A run makes hosts, interfaces and endpoints, carries
 * bytes both ways over a lossy link and closes. Whatever fails, there must be no crash, no leak, an
 * error code where one is due, and no byte that is wrong: a failed run may deliver less, never
 * other bytes. (IMPL and TCPR cases on allocation failure; promise 5 of the security guide.)
 *
 * Usage: alloc [--from N] [--to N]. Exit 0: all well. */
#include <layer4/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOTAL 40000u

struct meter {
	uint64_t calls, fail_at; /* 0: by chance */
	double chance;
	uint64_t rng;
	uint64_t live, live_bytes, failed;
};

static struct meter m;

static void *meter_alloc(void *ctx, size_t size)
{
	struct meter *k = ctx;
	k->calls++;
	k->rng = k->rng * 6364136223846793005u + 1442695040888963407u;
	if (k->calls == k->fail_at ||
	    (k->chance > 0 && (double)(k->rng >> 11) / 9007199254740992.0 < k->chance)) {
		k->failed++;
		return NULL;
	}
	void *p = malloc(size);
	if (p) {
		k->live++;
		k->live_bytes += size;
	}
	return p;
}

static void meter_free(void *ctx, void *p, size_t size)
{
	struct meter *k = ctx;
	if (!p)
		return;
	k->live--;
	k->live_bytes -= size;
	memset(p, 0xdd, size); /* the size is right, and use after free shows */
	free(p);
}

struct run {
	struct l4_host *h[2];
	l4_ep listener, ep[2];
	uint32_t sent[2], got[2];
	bool wrong, closed[2];
};

static uint8_t byte_at(int who, uint32_t i)
{
	return (uint8_t)((i * 2654435761u + (uint32_t)who * 977u) >> 11);
}

static void push(struct run *r, int who, l4_time now)
{
	uint8_t b[3000];
	while (r->ep[who] > 0 && r->sent[who] < TOTAL) {
		uint32_t n = TOTAL - r->sent[who] < sizeof b ? TOTAL - r->sent[who] : sizeof b;
		for (uint32_t i = 0; i < n; i++)
			b[i] = byte_at(who, r->sent[who] + i);
		int64_t k = l4_tcp_send(r->h[who], r->ep[who], b, n, 0, now);
		if (k <= 0)
			return;
		r->sent[who] += (uint32_t)k;
		if (r->sent[who] == TOTAL)
			l4_tcp_shutdown(r->h[who], r->ep[who], now);
	}
}

static void pull(struct run *r, int who, l4_time now)
{
	uint8_t b[3000];
	int64_t n;
	while (r->ep[who] > 0 && (n = l4_tcp_recv(r->h[who], r->ep[who], b, sizeof b, 0, now)) > 0)
		for (int64_t i = 0; i < n; i++, r->got[who]++)
			r->wrong |= b[i] != byte_at(!who, r->got[who]);
}

static void on_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct run *r = ctx;
	int who = h == r->h[1];
	if (e->ep == r->listener && who == 1) {
		l4_ep ep = l4_tcp_accept(h, r->listener, NULL, NULL, now);
		if (ep > 0)
			r->ep[1] = ep;
		push(r, 1, now);
		return;
	}
	if (e->ep != r->ep[who])
		return;
	pull(r, who, now);
	push(r, who, now);
	if (e->bits & (L4_EV_CLOSED | L4_EV_ERROR)) {
		r->closed[who] = true;
		l4_tcp_close(h, r->ep[who], now);
		r->ep[who] = 0;
	}
}

/* One run; returns whether every byte arrived. */
static bool run(bool *wrong, char *broken, size_t cap)
{
	struct run r;
	memset(&r, 0, sizeof r);
	struct l4_sim *s;
	if (l4_sim_new(&s, 7) < 0)
		return false;
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.allocator = (struct l4_allocator){ meter_alloc, meter_free, &m };
	struct l4_link_config lc;
	memset(&lc, 0, sizeof lc);
	lc.mtu = 1500;
	for (int d = 0; d < 2; d++) {
		lc.to[d].delay = 5 * L4_MSEC;
		lc.to[d].loss = 0.03;
	}
	struct l4_link *link;
	int ifx[2];
	struct l4_prefix p[2];
	l4_prefix_parse(&p[0], "192.0.2.1/24");
	l4_prefix_parse(&p[1], "192.0.2.2/24");
	bool ok = l4_sim_add_host(s, &r.h[0], &c) >= 0 && l4_sim_add_host(s, &r.h[1], &c) >= 0 &&
		  l4_sim_connect(s, r.h[0], r.h[1], &lc, &link, ifx) >= 0 &&
		  l4_host_add_address(r.h[0], (unsigned)ifx[0], &p[0], 0) >= 0 &&
		  l4_host_add_address(r.h[1], (unsigned)ifx[1], &p[1], 0) >= 0;
	broken[0] = '\0';
	if (ok) {
		struct l4_endpoint at = { .port = 80 };
		l4_sim_on_event(s, r.h[0], on_event, &r);
		l4_sim_on_event(s, r.h[1], on_event, &r);
		r.listener = l4_tcp_new(r.h[1], NULL);
		ok = r.listener > 0 && l4_tcp_bind(r.h[1], r.listener, &at) == 0 &&
		     l4_tcp_listen(r.h[1], r.listener, 4, 0) == 0;
		r.ep[0] = l4_tcp_new(r.h[0], NULL);
		at.addr = p[1].addr;
		ok = ok && r.ep[0] > 0 && l4_tcp_connect(r.h[0], r.ep[0], &at, 0) == 0;
		if (ok)
			l4_sim_run(s, 900 * L4_SEC, false);
		for (int i = 0; i < 2 && !broken[0]; i++)
			l4_host_check(r.h[i], broken, cap);
	}
	l4_sim_free(s);
	*wrong = r.wrong;
	return r.got[0] == TOTAL && r.got[1] == TOTAL;
}

static int judge(const char *what, uint64_t n, bool wrong, const char *broken)
{
	if (!wrong && !broken[0] && !m.live && !m.live_bytes)
		return 0;
	printf("not ok - %s %llu: %s%s, %llu allocations (%llu bytes) left\n", what,
	    (unsigned long long)n, wrong ? "wrong bytes, " : "",
	    broken[0] ? broken : "invariants hold", (unsigned long long)m.live,
	    (unsigned long long)m.live_bytes);
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t from = 1, to = UINT64_MAX;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--from"))
			from = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--to"))
			to = strtoull(argv[i + 1], NULL, 10);
	}
	int bad = 0;
	bool wrong;
	char broken[128];
	uint64_t n = from, complete = 0;
	for (; n <= to; n++) {
		m = (struct meter){ .fail_at = n };
		complete += run(&wrong, broken, sizeof broken);
		bad += judge("failure of allocation", n, wrong, broken);
		if (m.calls < n)
			break; /* nothing failed: the end */
	}
	printf("# %llu allocations failed in turn, %llu runs delivered everything all the same\n",
	    (unsigned long long)(n - from), (unsigned long long)complete);
	for (int k = 0; k < 40; k++) {
		m = (struct meter){ .chance = k % 2 ? 0.1 : 0.01, .rng = (uint64_t)k * 99991 + 1 };
		complete += run(&wrong, broken, sizeof broken);
		bad += judge("chance, run", (uint64_t)k, wrong, broken);
	}
	printf("%s - allocation failures\n1..1\n", bad ? "not ok 1" : "ok 1");
	return bad != 0;
}
