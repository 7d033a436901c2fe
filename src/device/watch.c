/* A device that shows every frame to a callback and otherwise is the device it wraps. */
#include <layer4/err.h>
#include <layer4/loop.h>

#include <stdlib.h>
#include <string.h>

struct watch {
	struct l4_device d;
	struct l4_device *inner;
	void (*fn)(void *ctx, bool sent, const struct l4_frame *f, l4_time now);
	void *ctx;
};

static int watch_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct watch *w = (struct watch *)d;
	int n = w->inner->ops->rx(w->inner, out, max, now);
	d->saved_errno = w->inner->saved_errno;
	for (int i = 0; i < n; i++)
		w->fn(w->ctx, false, &out[i], now);
	return n;
}

static int watch_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct watch *w = (struct watch *)d;
	int taken = w->inner->ops->tx(w->inner, frames, n, now);
	d->saved_errno = w->inner->saved_errno;
	for (int i = 0; i < taken; i++)
		w->fn(w->ctx, true, &frames[i], now);
	return taken;
}

static int watch_fd(const struct l4_device *d)
{
	const struct watch *w = (const struct watch *)d;
	return w->inner->ops->wait_fd(w->inner);
}

static l4_time watch_deadline(const struct l4_device *d)
{
	const struct watch *w = (const struct watch *)d;
	return w->inner->ops->deadline(w->inner);
}

static void watch_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	const struct watch *w = (const struct watch *)d;
	w->inner->ops->caps(w->inner, out);
}

static void watch_close(struct l4_device *d)
{
	struct watch *w = (struct watch *)d;
	w->inner->ops->close(w->inner);
	free(w);
}

static void watch_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct watch *w = (struct watch *)d;
	memset(out, 0, sizeof *out);
	if (w->inner->ops->stats)
		w->inner->ops->stats(w->inner, out);
}

static const struct l4_device_ops watch_ops = {
	.name = "watch",
	.rx = watch_rx,
	.tx = watch_tx,
	.wait_fd = watch_fd,
	.deadline = watch_deadline,
	.caps = watch_caps,
	.close = watch_close,
	.stats = watch_stats,
};

int l4_tap_new(struct l4_device **out, struct l4_device *inner,
    void (*fn)(void *ctx, bool sent, const struct l4_frame *f, l4_time now), void *ctx)
{
	*out = NULL;
	struct watch *w = calloc(1, sizeof *w);
	if (!w)
		return L4_ENOMEM;
	w->d.ops = &watch_ops;
	w->inner = inner;
	w->fn = fn;
	w->ctx = ctx;
	*out = &w->d;
	return 0;
}
