/* Captures of what devices carry, and the device that takes them.
 *
 * Frames are written as they are on the wire: super-frames in the parts that they are cut into,
 * unfinished checksums completed, so that a reader sees valid packets. The decision behind a frame
 * that we sent becomes the comment of its (first) packet.
 *
 * Blocks are gathered in a buffer and handed to the system only at block boundaries, so the file
 * is whole at every moment, also after kill -9; what is lost then is the end of the buffer.
 * The buffer is handed over when it fills and when a frame comes a quarter second after the last
 * time. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/loop.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/sys.h"

#define BUFFER   (256u * 1024)
#define PART_MAX (65536u + 64)   /* bytes of one part */
#define EVERY    (250 * L4_MSEC) /* between hand-overs */

struct l4_pcap {
	struct l4_capwr w;
	int fd;
	l4_time epoch;
	l4_time flushed; /* time of the last frame that was handed over */
	uint8_t *buf;
	size_t n;     /* bytes in buf */
	size_t whole; /* of those, up to the end of the last whole block */
	int errnum;   /* of the first write that failed */
	uint8_t part[PART_MAX];
};

/* Hands the first n bytes of the buffer to the system. */
static int hand_over(struct l4_pcap *p, size_t n)
{
	size_t at = 0;
	while (at < n && !p->errnum) {
		ssize_t put = write(p->fd, p->buf + at, n - at);
		if (put < 0 && errno != EINTR)
			p->errnum = errno;
		if (put > 0)
			at += (size_t)put;
	}
	if (p->errnum)
		return L4_ESYS;
	memmove(p->buf, p->buf + n, p->n - n);
	p->n -= n;
	p->whole -= n;
	return 0;
}

/* The writer's sink. A block that does not fit goes out in pieces only if it is larger than the
 * buffer, which no packet is. */
static int gather(void *ctx, const void *data, size_t n)
{
	struct l4_pcap *p = ctx;
	if (n > BUFFER - p->n && hand_over(p, p->whole ? p->whole : p->n) < 0)
		return L4_ESYS;
	if (n > BUFFER - p->n)
		return L4_ELIMIT;
	memcpy(p->buf + p->n, data, n);
	p->n += n;
	return 0;
}

int l4_pcap_open(struct l4_pcap **out, const char *path, l4_time epoch, char *err, size_t cap)
{
	*out = NULL;
	struct l4_pcap *p = calloc(1, sizeof *p);
	if (!p || !(p->buf = malloc(BUFFER))) {
		free(p);
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	}
	p->epoch = epoch;
	p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int e = p->fd < 0 ? L4_ESYS : l4_capwr_init(&p->w, gather, p, "layer4");
	p->whole = p->n;
	if (e == 0)
		e = l4_pcap_flush(p);
	if (e < 0) {
		l4_sys_fail(err, cap, e, "%s: %s", path, strerror(p->errnum ? p->errnum : errno));
		if (p->fd >= 0)
			close(p->fd);
		free(p->buf);
		free(p);
		return e;
	}
	*out = p;
	return 0;
}

int l4_pcap_add_iface(struct l4_pcap *p, const char *name, enum l4_medium medium)
{
	uint16_t link = medium == L4_MEDIUM_ETHERNET ? L4_LINK_ETHERNET : L4_LINK_RAW;
	int id = l4_capwr_interface(&p->w, link, 0, name, NULL);
	p->whole = p->n;
	return id;
}

int l4_pcap_frame(struct l4_pcap *p, int iface, bool sent, const struct l4_frame *f, l4_time now)
{
	struct l4_gso g;
	char why[160];
	l4_time ts = p->epoch + (f->time && (!sent || f->time > now) ? f->time : now);
	if (p->errnum)
		return L4_ESYS;
	struct l4_capwr_packet k = {
		.interface_id = (uint32_t)iface,
		.ts = ts,
		.data = p->part,
		.direction = sent ? L4_CAPWR_OUT : L4_CAPWR_IN,
	};
	if (sent && f->why.code && l4_why_format(&f->why, why, sizeof why))
		k.comment = why;
	l4_gso_begin(&g, f);
	int n, e = 0;
	while (!e && (n = l4_gso_next(&g, p->part, sizeof p->part)) > 0) {
		k.caplen = (uint32_t)n;
		e = l4_capwr_packet(&p->w, &k);
		p->whole = p->n;
		k.comment = NULL;
	}
	if (!e && now - p->flushed > EVERY)
		e = l4_pcap_flush(p);
	if (now - p->flushed > EVERY)
		p->flushed = now;
	return e;
}

int l4_pcap_flush(struct l4_pcap *p)
{
	return hand_over(p, p->whole);
}

int l4_pcap_close(struct l4_pcap *p)
{
	if (!p)
		return 0;
	int e = l4_pcap_flush(p);
	if (close(p->fd) < 0)
		e = L4_ESYS;
	free(p->buf);
	free(p);
	return e;
}

/* --- The device --- */

struct recorder {
	struct l4_device d;
	struct l4_device *inner; /* the watcher around the device given */
	struct l4_pcap *pcap;
};

static void record(void *ctx, bool sent, const struct l4_frame *f, l4_time now)
{
	struct recorder *r = ctx;
	l4_pcap_frame(r->pcap, 0, sent, f, now); /* a full disk does not stop the traffic */
}

static int rec_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct recorder *r = (struct recorder *)d;
	int n = r->inner->ops->rx(r->inner, out, max, now);
	d->saved_errno = r->inner->saved_errno;
	return n;
}

static int rec_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct recorder *r = (struct recorder *)d;
	int taken = r->inner->ops->tx(r->inner, frames, n, now);
	d->saved_errno = r->inner->saved_errno;
	return taken;
}

static int rec_fd(const struct l4_device *d)
{
	const struct recorder *r = (const struct recorder *)d;
	return r->inner->ops->wait_fd(r->inner);
}

static l4_time rec_deadline(const struct l4_device *d)
{
	const struct recorder *r = (const struct recorder *)d;
	return r->inner->ops->deadline(r->inner);
}

static void rec_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	const struct recorder *r = (const struct recorder *)d;
	r->inner->ops->caps(r->inner, out);
}

static void rec_close(struct l4_device *d)
{
	struct recorder *r = (struct recorder *)d;
	r->inner->ops->close(r->inner);
	l4_pcap_close(r->pcap);
	free(r);
}

static void rec_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct recorder *r = (struct recorder *)d;
	r->inner->ops->stats(r->inner, out);
}

static const struct l4_device_ops rec_ops = {
	.name = "pcap",
	.rx = rec_rx,
	.tx = rec_tx,
	.wait_fd = rec_fd,
	.deadline = rec_deadline,
	.caps = rec_caps,
	.close = rec_close,
	.stats = rec_stats,
};

int l4_pcap_new(
    struct l4_device **out, struct l4_device *inner, const char *path, char *err, size_t cap)
{
	struct timespec real, mono;
	struct l4_device_caps caps;
	*out = NULL;
	struct recorder *r = calloc(1, sizeof *r);
	if (!r)
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	l4_time epoch = (l4_time)(real.tv_sec - mono.tv_sec) * L4_SEC + (l4_time)real.tv_nsec -
			(l4_time)mono.tv_nsec;
	int e = l4_pcap_open(&r->pcap, path, epoch, err, cap);
	inner->ops->caps(inner, &caps);
	if (!e) {
		int id = l4_pcap_add_iface(r->pcap, inner->ops->name, caps.medium);
		e = id < 0 ? id : l4_tap_new(&r->inner, inner, record, r);
	}
	if (e < 0) {
		l4_pcap_close(r->pcap);
		free(r);
		return e;
	}
	r->d.ops = &rec_ops;
	*out = &r->d;
	return 0;
}
