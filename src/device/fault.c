/* A device that tortures another: both directions pass through an impaired channel.
 *
 * What the host sends is cut into frames of the wire, waits in the outgoing channel, and is given
 * to the inner device when its time comes; what the inner device receives waits in the incoming
 * one. Frames move whenever the device is called, and deadline() tells when that is wanted. Inner
 * frames lose their offload records on the way (checksums are completed first, so that corruption
 * is seen), which is why caps() promises nothing for receiving. */
#include <layer4/err.h>
#include <layer4/sim.h>

#include <stdlib.h>
#include <string.h>

#include "device/channel.h"

#define BATCH 64

struct fault {
	struct l4_device d;
	struct l4_device *inner;
	struct l4_device_caps caps; /* the inner device's */
	struct l4_chan tx, rx;
	struct l4_chan_frame held[BATCH]; /* given out by the last rx */
	unsigned n_held;
	struct l4_piece pieces[BATCH];
	bool blocked; /* the inner device took less than was due */
};

static struct fault *fault_of(struct l4_device *d)
{
	return (struct fault *)d;
}

/* Gives the inner device what is due. */
static int flush(struct fault *t, l4_time now)
{
	const struct l4_chan_frame *c;
	t->blocked = false;
	while ((c = l4_chan_peek(&t->tx, now))) {
		struct l4_piece p = { c->data, c->len };
		struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = c->len };
		int n = t->inner->ops->tx(t->inner, &f, 1, now);
		if (n <= 0) {
			t->d.saved_errno = t->inner->saved_errno;
			t->blocked = n == 0;
			return n;
		}
		struct l4_chan_frame done;
		if (l4_chan_pop(&t->tx, now, &done))
			l4_chan_release(&t->tx, done.data);
	}
	return 0;
}

/* Takes in what the inner device has. */
static int fill(struct fault *t, l4_time now)
{
	struct l4_frame f[BATCH];
	for (;;) {
		int n = t->inner->ops->rx(t->inner, f, BATCH, now);
		if (n <= 0) {
			t->d.saved_errno = t->inner->saved_errno;
			return n;
		}
		for (int i = 0; i < n; i++)
			l4_chan_send(&t->rx, &f[i], f[i].time && f[i].time < now ? f[i].time : now);
		if (n < BATCH)
			return 0;
	}
}

static int fault_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct fault *t = fault_of(d);
	for (unsigned i = 0; i < t->n_held; i++)
		l4_chan_release(&t->rx, t->held[i].data);
	t->n_held = 0;
	int e = flush(t, now);
	if (!e)
		e = fill(t, now);
	if (e < 0)
		return e;
	if (max > BATCH)
		max = BATCH;
	unsigned n = 0;
	for (; n < max && l4_chan_pop(&t->rx, now, &t->held[n]); n++) {
		t->pieces[n].data = t->held[n].data;
		t->pieces[n].len = t->held[n].len;
		memset(&out[n], 0, sizeof out[n]);
		out[n].pieces = &t->pieces[n];
		out[n].n_pieces = 1;
		out[n].len = t->held[n].len;
		out[n].time = t->held[n].at;
	}
	t->n_held = n;
	return (int)n;
}

static int fault_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct fault *t = fault_of(d);
	for (size_t i = 0; i < n; i++)
		l4_chan_send(&t->tx, &frames[i], now);
	int e = flush(t, now);
	return e < 0 ? e : (int)n;
}

static int fault_fd(const struct l4_device *d)
{
	const struct fault *t = (const struct fault *)d;
	return t->inner->ops->wait_fd(t->inner);
}

static l4_time fault_deadline(const struct l4_device *d)
{
	const struct fault *t = (const struct fault *)d;
	l4_time a = l4_chan_deadline(&t->tx), b = l4_chan_deadline(&t->rx);
	if (t->blocked) /* try again shortly */
		a = t->tx.now + 200 * L4_USEC;
	l4_time c = t->inner->ops->deadline(t->inner);
	a = a < b ? a : b;
	return a < c ? a : c;
}

static void fault_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	*out = ((const struct fault *)d)->caps;
	out->tx_csum = out->tx_tso4 = out->tx_tso6 = out->tx_uso = true;
	out->rx_csum = false;
	out->gso_max = 65535;
}

static void fault_close(struct l4_device *d)
{
	struct fault *t = fault_of(d);
	for (unsigned i = 0; i < t->n_held; i++)
		l4_chan_release(&t->rx, t->held[i].data);
	l4_chan_fini(&t->tx);
	l4_chan_fini(&t->rx);
	t->inner->ops->close(t->inner);
	free(t);
}

static void fault_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct fault *t = fault_of(d);
	memset(out, 0, sizeof *out);
	if (t->inner->ops->stats)
		t->inner->ops->stats(t->inner, out);
}

static const struct l4_device_ops fault_ops = {
	.name = "fault",
	.rx = fault_rx,
	.tx = fault_tx,
	.wait_fd = fault_fd,
	.deadline = fault_deadline,
	.caps = fault_caps,
	.close = fault_close,
	.stats = fault_stats,
};

int l4_fault_new(
    struct l4_device **out, struct l4_device *inner, const struct l4_impair *impair, uint64_t seed)
{
	*out = NULL;
	struct fault *t = calloc(1, sizeof *t);
	if (!t)
		return L4_ENOMEM;
	inner->ops->caps(inner, &t->caps);
	struct l4_rng seeds;
	l4_rng_init_u64(&seeds, seed);
	l4_chan_init(&t->tx, t->caps.medium, t->caps.mtu, impair, l4_rng_u64(&seeds));
	l4_chan_init(&t->rx, t->caps.medium, t->caps.mtu, impair, l4_rng_u64(&seeds));
	t->d.ops = &fault_ops;
	t->inner = inner;
	*out = &t->d;
	return 0;
}
