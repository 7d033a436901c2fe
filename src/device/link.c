/* Two devices joined by a simulated link.
 *
 * Each end sends into the channel of its direction and receives from the other's. There is no
 * descriptor to wait for: deadline() tells when the next frame arrives, and whoever owns the clock
 * (l4_sim, a test, a benchmark) calls rx then. Super-frames are cut as they are sent, so the
 * channel sees what a wire would; with gro, frames that have arrived by the same rx call are joined
 * again on the way up. The link owns both ends; their close does nothing. */
#include <layer4/err.h>
#include <layer4/sim.h>

#include <stdlib.h>
#include <string.h>

#include "device/channel.h"

#define BATCH 64

struct end {
	struct l4_device d;
	struct l4_link *link;
	int side;
	struct l4_chan_frame held[BATCH]; /* given out by the last rx */
	unsigned n_held;
	struct l4_piece pieces[BATCH], joined[BATCH];
	struct l4_frame raw[BATCH];
};

struct l4_link {
	struct l4_link_config c;
	struct l4_chan to[2];
	struct end end[2];
};

static struct end *end_of(struct l4_device *d)
{
	return (struct end *)d;
}

static void give_back(struct end *e)
{
	struct l4_chan *c = &e->link->to[1 - e->side];
	for (unsigned i = 0; i < e->n_held; i++)
		l4_chan_release(c, e->held[i].data);
	e->n_held = 0;
}

static int link_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct end *e = end_of(d);
	struct l4_chan *c = &e->link->to[1 - e->side];
	give_back(e);
	if (max > BATCH)
		max = BATCH;
	struct l4_frame *raw = e->link->c.gro ? e->raw : out;
	unsigned n = 0;
	for (; n < max && l4_chan_pop(c, now, &e->held[n]); n++) {
		e->pieces[n].data = e->held[n].data;
		e->pieces[n].len = e->held[n].len;
		memset(&raw[n], 0, sizeof raw[n]);
		raw[n].pieces = &e->pieces[n];
		raw[n].n_pieces = 1;
		raw[n].len = e->held[n].len;
		raw[n].time = e->held[n].at;
	}
	e->n_held = n;
	if (e->link->c.gro)
		return (int)l4_gro_join(e->link->c.medium, raw, n, out, e->joined, BATCH);
	return (int)n;
}

static int link_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct end *e = end_of(d);
	for (size_t i = 0; i < n; i++)
		l4_chan_send(&e->link->to[e->side], &frames[i], now);
	return (int)n;
}

static int link_fd(const struct l4_device *d)
{
	(void)d;
	return -1;
}

static l4_time link_deadline(const struct l4_device *d)
{
	const struct end *e = (const struct end *)d;
	return l4_chan_deadline(&e->link->to[1 - e->side]);
}

static void link_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	const struct l4_link_config *c = &((const struct end *)d)->link->c;
	memset(out, 0, sizeof *out);
	out->medium = c->medium;
	out->mtu = c->mtu;
	out->tx_csum = true;
	out->tx_tso4 = out->tx_tso6 = out->tx_uso = c->tso;
	out->rx_csum = c->gro;
	out->gso_max = c->tso ? 65535 : 0;
}

static void link_close(struct l4_device *d)
{
	(void)d; /* the link's own */
}

static const struct l4_device_ops link_ops = {
	.name = "link",
	.rx = link_rx,
	.tx = link_tx,
	.wait_fd = link_fd,
	.deadline = link_deadline,
	.caps = link_caps,
	.close = link_close,
};

int l4_link_new(struct l4_link **out, const struct l4_link_config *c, struct l4_device *ends[2])
{
	*out = NULL;
	struct l4_link *l = calloc(1, sizeof *l);
	if (!l)
		return L4_ENOMEM;
	l->c = *c;
	if (!l->c.mtu)
		l->c.mtu = 1500;
	if (l->c.mtu < 68 || l->c.mtu > 65535) {
		free(l);
		return L4_EINVAL;
	}
	struct l4_rng seeds;
	l4_rng_init_u64(&seeds, c->seed);
	for (int i = 0; i < 2; i++) {
		l4_chan_init(&l->to[i], l->c.medium, l->c.mtu, &c->to[i], l4_rng_u64(&seeds));
		l->end[i].d.ops = &link_ops;
		l->end[i].link = l;
		l->end[i].side = i;
		ends[i] = &l->end[i].d;
	}
	*out = l;
	return 0;
}

void l4_link_free(struct l4_link *l)
{
	if (!l)
		return;
	for (int i = 0; i < 2; i++)
		give_back(&l->end[i]);
	for (int i = 0; i < 2; i++)
		l4_chan_fini(&l->to[i]);
	free(l);
}

void l4_link_impair(struct l4_link *l, int direction, const struct l4_impair *i)
{
	struct l4_chan *c = &l->to[direction & 1];
	uint64_t was = c->im.rate_bytes_per_s, is = i->rate_bytes_per_s;
	if (was && is && c->busy_until > c->now) { /* what is queued leaves at the new rate */
		l4_time left = c->busy_until - c->now;
		c->busy_until = c->now + (l4_time)((double)left * (double)was / (double)is);
	}
	c->im = *i;
}

void l4_link_stats(const struct l4_link *l, int direction, struct l4_link_stats *out)
{
	l4_chan_stats(&l->to[direction & 1], out);
}
