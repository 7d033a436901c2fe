/* Two simulated hosts and one TCP connection between them, for the tests of this folder: both sides
 * send a known stream, which the other compares byte by byte. Frames can be looked at, and lost on
 * purpose, as they leave. Included by the files of this folder only. */
#ifndef L4_TESTS_SIM_PAIR_H
#define L4_TESTS_SIM_PAIR_H

#include <layer4/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_PORT   7000
#define PAIR_MARGIN (600 * L4_SEC)

struct pair;

/* Between a host and its end of the link. */
struct pair_gate {
	struct l4_device d;
	struct l4_device *inner;
	struct pair *p;
	int side;
};

struct pair {
	/* set before pair_init */
	uint64_t seed;
	const char *cc;        /* NULL: the default */
	const char *impair[2]; /* from a to b, from b to a; NULL: as the other, or perfect */
	uint64_t size[2];      /* bytes that a and b send; UINT64_MAX: without end */
	void (*tune)(struct l4_host_config *c, int side);
	bool (*drop)(struct pair *p, int side, const struct l4_frame *f, l4_time now);
	/* changes a frame as it leaves; false: it is lost. bytes: all of it */
	bool (*mangle)(struct pair *p, int side, uint8_t *bytes, uint32_t len, l4_time now);
	void *ctx;           /* for drop and mangle */
	bool sums;           /* mangle has made the checksums */
	unsigned copies;     /* of each frame; 0: one */
	bool ethernet, v6;   /* else frames of IP, IPv4 */
	l4_time nap[2];      /* between reads; 0: reads at once */
	uint32_t bite[2];    /* bytes of a read; 0: any */
	uint16_t local_port; /* of a; 0: any */
	bool b_closes_first; /* else a sends its FIN as soon as it can */
	/* the world */
	struct l4_sim *s;
	struct l4_link *link;
	struct l4_host *h[2];
	unsigned ifx[2];
	struct pair_gate gate[2];
	struct l4_endpoint at[2];
	l4_ep listener, ep[2];
	uint64_t sent[2], got[2];
	bool fin[2], eof[2], closed[2], damaged, asleep[2];
	int err[2];
	l4_time started, connected, done_at; /* done: all bytes of both ways have arrived */
	uint32_t iss[2];                     /* as seen on the wire */
	struct l4_tcp_info info[2];          /* the latest */
};

static uint8_t pair_bytes[1 << 17], pair_flat[1 << 17];

static inline const uint8_t *pair_at(int side, uint64_t off)
{
	return pair_bytes + (off + (unsigned)side * 4099u) % 65536;
}

static inline bool pair_done(const struct pair *p)
{
	return p->got[0] == p->size[1] && p->got[1] == p->size[0];
}

static void pair_wake(void *ctx, l4_time now);

/* Moves one side on: reads, writes, closes. */
static void pair_move(struct pair *p, int i, l4_time now)
{
	struct l4_host *h = p->h[i];
	struct l4_piece piece[2];
	int n = L4_EAGAIN;
	if (!p->ep[i] || p->closed[i])
		return;
	while (!p->asleep[i] && (n = l4_tcp_peek(h, p->ep[i], piece)) > 0) {
		size_t len = piece[0].len < 65536 ? piece[0].len : 65536;
		if (p->bite[i] && len > p->bite[i])
			len = p->bite[i];
		if (memcmp(piece[0].data, pair_at(1 - i, p->got[i]), len) != 0)
			p->damaged = true;
		p->got[i] += len;
		l4_tcp_consume(h, p->ep[i], len, now);
		if (p->nap[i]) {
			p->asleep[i] = true;
			l4_sim_at(p->s, now + p->nap[i], pair_wake, p);
		}
	}
	if (n == 0 && !p->asleep[i])
		p->eof[i] = true;
	if (pair_done(p) && !p->done_at)
		p->done_at = now;
	while (p->sent[i] < p->size[i]) {
		uint64_t left = p->size[i] - p->sent[i];
		int64_t k = l4_tcp_send(h, p->ep[i], pair_at(i, p->sent[i]),
		    left < 65536 ? (size_t)left : 65536, 0, now);
		if (k <= 0)
			break;
		p->sent[i] += (uint64_t)k;
	}
	bool first = (i == 1) == p->b_closes_first;
	if (!p->fin[i] && p->sent[i] == p->size[i] && (first || p->eof[i]))
		p->fin[i] = l4_tcp_shutdown(h, p->ep[i], now) == 0;
	l4_tcp_info(h, p->ep[i], &p->info[i], now);
	if (p->fin[i] && p->eof[i]) {
		p->closed[i] = true;
		l4_tcp_close(h, p->ep[i], now);
	}
}

static void pair_wake(void *ctx, l4_time now)
{
	struct pair *p = ctx;
	for (int i = 0; i < 2; i++) {
		bool was = p->asleep[i];
		p->asleep[i] = false;
		if (was)
			pair_move(p, i, now);
	}
}

static void pair_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct pair *p = ctx;
	int i = h == p->h[1];
	if (e->ep == p->listener) {
		l4_ep ep = l4_tcp_accept(h, p->listener, NULL, NULL, now);
		if (ep > 0 && !p->ep[1])
			p->ep[1] = ep;
		else if (ep > 0)
			l4_tcp_abort(h, ep, now);
	} else if (e->ep != p->ep[i]) {
		return;
	}
	if (e->bits & L4_EV_CONNECTED)
		p->connected = now;
	if (e->bits & L4_EV_ERROR) {
		p->err[i] = e->err;
		p->closed[i] = true;
	}
	pair_move(p, i, now);
}

/* --- The gate --- */

/* The TCP header of a frame on a medium of IP packets, IPv4; NULL: none. */
static inline const uint8_t *pair_tcp(const struct l4_frame *f, uint32_t *payload)
{
	const uint8_t *ip = f->n_pieces ? f->pieces[0].data : NULL;
	if (!ip || f->pieces[0].len < 40 || ip[0] >> 4 != 4 || ip[9] != 6)
		return NULL;
	uint32_t hl = (ip[0] & 15u) * 4;
	const uint8_t *t = ip + hl;
	*payload = f->len - hl - (t[12] >> 4) * 4u;
	return t;
}

static inline uint32_t pair_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int pair_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct l4_device *in = ((struct pair_gate *)d)->inner;
	return in->ops->rx(in, out, max, now);
}

static int pair_tx(struct l4_device *d, const struct l4_frame *f, size_t n, l4_time now)
{
	struct pair_gate *g = (struct pair_gate *)d;
	for (size_t k = 0; k < n; k++) {
		uint32_t len;
		const uint8_t *t = g->p->ethernet || g->p->v6 ? NULL : pair_tcp(&f[k], &len);
		if (t && (t[13] & 2)) /* SYN */
			g->p->iss[g->side] = pair_u32(t + 4);
		if (g->p->drop && g->p->drop(g->p, g->side, &f[k], now))
			continue;
		struct l4_frame one = f[k];
		struct l4_piece flat = { pair_flat, one.len };
		if (g->p->mangle) {
			size_t at = 0;
			for (uint32_t i = 0; i < one.n_pieces; at += one.pieces[i++].len)
				memcpy(pair_flat + at, one.pieces[i].data, one.pieces[i].len);
			if (!g->p->mangle(g->p, g->side, pair_flat, one.len, now))
				continue;
			one.pieces = &flat;
			one.n_pieces = 1;
			if (g->p->sums)
				memset(&one.off, 0, sizeof one.off);
		}
		for (unsigned i = 0; i < (g->p->copies ? g->p->copies : 1); i++)
			g->inner->ops->tx(g->inner, &one, 1, now);
	}
	return (int)n;
}

static int pair_fd(const struct l4_device *d)
{
	(void)d;
	return -1;
}

static l4_time pair_deadline(const struct l4_device *d)
{
	const struct l4_device *in = ((const struct pair_gate *)d)->inner;
	return in->ops->deadline(in);
}

static void pair_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	const struct l4_device *in = ((const struct pair_gate *)d)->inner;
	in->ops->caps(in, out);
}

static void pair_close(struct l4_device *d)
{
	(void)d; /* the link's */
}

static const struct l4_device_ops pair_ops = { .name = "gate",
	.rx = pair_rx,
	.tx = pair_tx,
	.wait_fd = pair_fd,
	.deadline = pair_deadline,
	.caps = pair_caps,
	.close = pair_close };

/* --- The whole --- */

static void pair_listen(struct pair *p)
{
	p->listener = l4_tcp_new(p->h[1], NULL);
	l4_tcp_bind(p->h[1], p->listener, &p->at[1]);
	l4_tcp_listen(p->h[1], p->listener, 8, l4_sim_now(p->s));
}

static inline int pair_dial(struct pair *p)
{
	p->ep[0] = l4_tcp_new(p->h[0], NULL);
	if (p->local_port)
		l4_tcp_bind(p->h[0], p->ep[0], &p->at[0]);
	p->started = l4_sim_now(p->s);
	return l4_tcp_connect(p->h[0], p->ep[0], &p->at[1], p->started);
}

/* Builds hosts and link; nothing is dialled yet. 0 or an error, said. */
static inline int pair_init(struct pair *p)
{
	struct l4_link_config lc = { .mtu = 1500,
		.medium = p->ethernet ? L4_MEDIUM_ETHERNET : L4_MEDIUM_IP };
	struct l4_device *ends[2];
	size_t at;
	for (unsigned i = 0; i < sizeof pair_bytes && !pair_bytes[sizeof pair_bytes - 1]; i++)
		pair_bytes[i] = (uint8_t)((i % 65536 * 2654435761u >> 13) | (i % 65536 == 65535));
	for (int i = 0; i < 2; i++) {
		const char *im = p->impair[i] ? p->impair[i] : p->impair[0] ? p->impair[0] : "";
		if (l4_impair_parse(&lc.to[i], im, &at) < 0) {
			printf("# cannot read '%s'\n", im + at);
			return L4_EINVAL;
		}
	}
	lc.seed = p->seed * 2 + 1;
	if (l4_sim_new(&p->s, p->seed) < 0 || l4_link_new(&p->link, &lc, ends) < 0 ||
	    l4_sim_adopt(p->s, p->link) < 0)
		return L4_ENOMEM;
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		struct l4_prefix a;
		l4_host_config_init(&c);
		c.limits.buffer_bytes = 256u << 20;
		if (p->cc)
			snprintf(c.tcp.congestion, sizeof c.tcp.congestion, "%s", p->cc);
		if (p->tune)
			p->tune(&c, i);
		p->gate[i] = (struct pair_gate){
			.d = { .ops = &pair_ops }, .inner = ends[i], .p = p, .side = i
		};
		if (l4_sim_add_host(p->s, &p->h[i], &c) < 0)
			return L4_ENOMEM;
		int ifx = l4_sim_attach(p->s, p->h[i], &p->gate[i].d, NULL);
		if (ifx < 0)
			return ifx;
		p->ifx[i] = (unsigned)ifx;
		l4_prefix_parse(&a, p->v6 ? (i ? "2001:db8::2/64" : "2001:db8::1/64")
					  : (i ? "192.0.2.2/24" : "192.0.2.1/24"));
		l4_host_add_address(p->h[i], p->ifx[i], &a, 0);
		p->at[i] =
		    (struct l4_endpoint){ .addr = a.addr, .port = i ? PAIR_PORT : p->local_port };
		l4_sim_on_event(p->s, p->h[i], pair_event, p);
	}
	pair_listen(p);
	return 0;
}

/* Runs until both sides have closed and nothing is left to do, or until the time. True: every byte
 * arrived, both ended in order, no invariant broke, no buffer is left. */
static inline bool pair_run(struct pair *p, l4_time until, bool check, char *why, size_t cap)
{
	int rc = l4_sim_run(p->s, until, check);
	struct l4_tcp_counters ctr;
	*why = 0;
	if (rc < 0)
		snprintf(why, cap, "%s", l4_sim_what(p->s));
	else if (p->damaged)
		snprintf(why, cap, "bytes were changed");
	else if (p->err[0] || p->err[1])
		snprintf(why, cap, "error: %s, %s", l4_err_text(p->err[0]), l4_err_text(p->err[1]));
	else if (!pair_done(p))
		snprintf(why, cap, "%llu and %llu of %llu and %llu bytes",
		    (unsigned long long)p->got[1], (unsigned long long)p->got[0],
		    (unsigned long long)p->size[0], (unsigned long long)p->size[1]);
	else if (!p->eof[0] || !p->eof[1])
		snprintf(why, cap, "not closed");
	(void)ctr;
	return !*why;
}

static inline void pair_fini(struct pair *p)
{
	l4_sim_free(p->s);
}

#endif
