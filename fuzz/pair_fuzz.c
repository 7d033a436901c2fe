/* Two stacks against each other over a link that the input makes lossy: what the settings of each
 * are, which frames are lost, late or doubled, how much each sends, how lazily it reads, and who
 * resets or closes early. Whatever happens, no byte may arrive wrong and no invariant may break;
 * and when the input leaves the link alone in the end, everything arrives. */
#include "../tests/sim/pair.h"

struct input {
	const uint8_t *p;
	size_t n;
	uint32_t frames; /* that may still be lost: fewer than the retransmissions of anything */
};

static struct input *settings; /* of the run that is being built */

static uint8_t next(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static void tune(struct l4_host_config *c, int side)
{
	static const char *const ccs[] = { "cubic", "reno", "bbr", "cubic" };
	uint8_t a = next(settings), b = next(settings), d = next(settings);
	(void)side;
	c->tcp.sack = !(a & 1);
	c->tcp.timestamps = !(a & 2);
	c->tcp.window_scaling = !(a & 4);
	c->tcp.rack = !(a & 8);
	c->tcp.early_tlp = !(a & 16);
	c->tcp.frto = !(a & 32);
	c->tcp.pacing = a & 64;
	c->tcp.hystart = !(a & 128);
	c->tcp.ecn = b % 5;
	c->tcp.probe_octets = b & 128;
	c->tcp.dsack = !(b & 64);
	snprintf(c->tcp.congestion, sizeof c->tcp.congestion, "%s", ccs[d & 3]);
	c->tcp.retries2 = 100; /* nobody gives up before the input is used up */
	c->tcp.syn_retries = c->tcp.synack_retries = 100;
	c->tcp.orphan_retries = 100;
	c->tcp.rto_max = 60 * L4_SEC;
	c->tcp.msl = L4_SEC;
	if (d & 4)
		c->tcp.rcvbuf_default = c->tcp.rcvbuf_max = 4096u << (d >> 6);
	if (d & 8)
		c->tcp.sndbuf_default = c->tcp.sndbuf_max = 4096u << (d >> 6);
	if (d & 16)
		c->tcp.initial_window = 1;
}

/* One byte decides for a frame; with none left all pass. */
static bool drop(struct pair *p, int side, const struct l4_frame *f, l4_time now)
{
	struct input *in = p->ctx;
	(void)side, (void)f, (void)now;
	if (!in->n || !in->frames || (next(in) & 3) != 3)
		return false;
	in->frames--;
	return true;
}

struct wild {
	struct pair *p;
	uint8_t what;
};

static bool broken; /* a side was reset on purpose */

static void act(void *ctx, l4_time now)
{
	struct wild *w = ctx;
	int i = w->what & 1;
	if (!w->p->ep[i] || w->p->closed[i])
		return;
	switch (w->what >> 1 & 7) {
	case 0:
		l4_tcp_abort(w->p->h[i], w->p->ep[i], now);
		w->p->closed[i] = true;
		broken = true;
		break;
	case 1:
		l4_tcp_close(w->p->h[i], w->p->ep[i], now);
		w->p->closed[i] = true;
		broken = true;
		break;
	case 2:
		l4_tcp_set(w->p->h[i], w->p->ep[i], L4_TCPOPT_NODELAY, w->what >> 4 & 1, now);
		break;
	case 3:
		l4_tcp_set(w->p->h[i], w->p->ep[i], L4_TCPOPT_SNDBUF, 2048 << (w->what >> 5), now);
		break;
	case 4:
		l4_tcp_set(w->p->h[i], w->p->ep[i], L4_TCPOPT_RCVBUF, 2048 << (w->what >> 5), now);
		break;
	case 5:
		l4_host_set_mtu(w->p->h[i], w->p->ifx[i], 576u + 300u * (w->what >> 5), now);
		break;
	default:
		l4_tcp_set(w->p->h[i], w->p->ep[i], L4_TCPOPT_QUICKACK, 1, now);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const links[] = { "delay=1ms", "delay=20ms,rate=5mbit,queue=20k",
		"delay=10ms,reorder=20%,reorder_delay=30ms", "delay=5ms,dup=20%",
		"delay=10ms,jitter=10ms,loss=5%", "", "delay=100ms,burst=5%/4",
		"delay=2ms,rate=1mbit,queue=5000,ecn=3000" };
	struct input in = { .p = data, .n = size, .frames = 90 };
	struct wild wild[4];
	char why[300];
	uint8_t a = next(&in), b = next(&in), c = next(&in);
	struct pair p = { .seed = (uint64_t)(a >> 3) + 1,
		.impair = { links[a & 7], links[b & 7] },
		.tune = tune,
		.drop = drop,
		.ctx = &in };
	settings = &in;
	broken = false;
	p.size[0] = (uint64_t)(b >> 3) * (b >> 3) * 97;
	p.size[1] = (uint64_t)(c & 31) * (c & 31) * 89;
	p.b_closes_first = c & 32;
	if (c & 64) {
		p.nap[1] = 5 * L4_MSEC;
		p.bite[1] = 1000;
	}
	if (pair_init(&p) < 0)
		abort();
	uint8_t n = next(&in) & 3;
	for (uint8_t i = 0; i < n; i++) {
		wild[i] = (struct wild){ &p, next(&in) };
		l4_sim_at(p.s, (l4_time)next(&in) * 4 * L4_MSEC, act, &wild[i]);
	}
	pair_dial(&p);
	bool good = pair_run(&p, 12 * 3600 * L4_SEC, true, why, sizeof why);
	if (p.damaged || l4_sim_what(p.s)[0] || (!good && !broken)) {
		fprintf(stderr, "two stacks: %s\n", why);
		abort();
	}
	pair_fini(&p);
	return 0;
}
