/* TUN and TAP: an interface of the kernel whose other end is this program.
 *
 * With IFF_VNET_HDR every frame carries a virtio_net_hdr, so super-segments and unfinished
 * checksums cross in both directions (TUNSETOFFLOAD tells the kernel what we take; what we give it
 * accepts without asking). There is no recvmmsg for this descriptor: a batch is as many reads as
 * there are frames, each into the rest of one slab, so that a batch of small frames stays close
 * together in the cache. Batches are written by io_uring where the system has it (tapring.c).
 *
 * An interface that does not exist is made (CAP_NET_ADMIN) and vanishes with the descriptor; one
 * made before with "ip tuntap add" is attached to. For several queues, open the device once for
 * each with the same name and options. */
#include "device/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <layer4/err.h>

#include "device/tapring.h"
#include "device/vnet.h"

/* Newer than the headers of Debian 12. */
#define OFFLOAD_USO4 0x20u
#define OFFLOAD_USO6 0x40u

#define SLAB     (1024u * 1024)
#define BATCH    64
#define HDR_ROOM 64 /* in front of a frame, so that it stands on a line of the cache */

#define PIECES      64
#define RING_MIN    4 /* frames for which a ring pays */
#define RING_PIECES 8 /* of a frame that goes by it */
#define MISSES      16

struct tuntap {
	struct l4_device d;
	struct l4_device_caps caps;
	struct l4_device_stats stats;
	int fd;
	struct l4_tapring *ring; /* NULL: none, or none yet */
	bool no_ring;            /* there is none to be had */
	unsigned misses;         /* batches of which it wrote nothing, one after the other */
	uint8_t *slab;
	struct l4_piece pieces[BATCH];
};

static int tuntap_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct tuntap *t = (struct tuntap *)d;
	size_t at = 0, n = 0;
	if (max > BATCH)
		max = BATCH;
	while (n < max && SLAB - at >= HDR_ROOM + L4_FRAME_MAX) {
		/* The header goes into the bytes before the frame: one run, and a cheaper call than
		 * readv(2). */
		uint8_t *frame = t->slab + at + HDR_ROOM, *hdr = frame - L4_VNET_LEN;
		ssize_t got = read(t->fd, hdr, L4_VNET_LEN + L4_FRAME_MAX);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || n)
				break;
			d->saved_errno = errno;
			return L4_ESYS;
		}
		if (got <= L4_VNET_LEN)
			continue;
		size_t len = (size_t)got - L4_VNET_LEN;
		t->pieces[n] = (struct l4_piece){ frame, len };
		memset(&out[n], 0, sizeof out[n]);
		out[n].pieces = &t->pieces[n];
		out[n].n_pieces = 1;
		out[n].len = (uint32_t)len;
		out[n].time = now;
		l4_vnet_parse(&out[n].off, hdr);
		t->stats.rx_frames++;
		t->stats.rx_bytes += len;
		at += HDR_ROOM + ((len + 63) & ~(size_t)63);
		n++;
	}
	return (int)n;
}

/* Lays out a frame for writing; false when it has too many pieces. */
static bool lay_out(const struct l4_frame *f, uint8_t *hdr, struct iovec *v)
{
	if (f->n_pieces > PIECES)
		return false;
	l4_vnet_emit(hdr, &f->off);
	v[0] = (struct iovec){ hdr, L4_VNET_LEN };
	for (uint32_t k = 0; k < f->n_pieces; k++)
		v[k + 1] = (struct iovec){ (void *)(uintptr_t)f->pieces[k].data, f->pieces[k].len };
	return true;
}

static void count_tx(struct tuntap *t, const struct l4_frame *f)
{
	t->stats.tx_frames++;
	t->stats.tx_bytes += f->len;
}

enum fate { FULL, BROKEN, REFUSED };

/* What a failed write means: later again, the end, or this frame is lost (refused, or the interface
 * is down). */
static enum fate judge(struct tuntap *t, int errnum)
{
	t->d.saved_errno = errnum;
	if (errnum == EAGAIN || errnum == ENOBUFS || errnum == ENOMEM)
		return FULL;
	if (errnum == EBADFD || errnum == EBADF)
		return BROKEN;
	t->stats.tx_dropped++;
	return REFUSED;
}

static int tx_one(struct tuntap *t, const struct l4_frame *f)
{
	uint8_t hdr[L4_VNET_LEN];
	struct iovec v[1 + PIECES];
	ssize_t put;
	if (!lay_out(f, hdr, v)) {
		t->stats.tx_dropped++;
		return 1;
	}
	do
		put = writev(t->fd, v, (int)f->n_pieces + 1);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		count_tx(t, f);
		return 1;
	}
	enum fate e = judge(t, errno);
	return e == FULL ? 0 : e == BROKEN ? L4_ESYS : 1;
}

static void drop_ring(struct tuntap *t)
{
	l4_tapring_free(t->ring);
	t->ring = NULL;
	t->no_ring = true;
}

/* A batch in one call. Returns how many are done with, sent or lost; less than n: the next is to go
 * by itself. A frame that fails while a later one goes is lost, as on a wire. */
static size_t tx_batch(struct tuntap *t, const struct l4_frame *frames, size_t n)
{
	uint8_t hdr[L4_TAPRING_MAX][L4_VNET_LEN];
	struct iovec v[L4_TAPRING_MAX][1 + RING_PIECES];
	struct l4_tapring_write w[L4_TAPRING_MAX];
	int res[L4_TAPRING_MAX];
	size_t k = 0, end;
	for (; k < n && k < L4_TAPRING_MAX && frames[k].n_pieces <= RING_PIECES; k++) {
		lay_out(&frames[k], hdr[k], v[k]);
		w[k] = (struct l4_tapring_write){ v[k], frames[k].n_pieces + 1 };
	}
	if (k < RING_MIN)
		return 0;
	int rc = l4_tapring_write(t->ring, w, k, res);
	if (rc)
		drop_ring(t);
	if (rc < 0) {
		t->stats.tx_dropped += k;
		return k;
	}
	for (end = k; end && res[end - 1] < 0; end--)
		;
	for (size_t i = 0; i < end; i++) {
		if (res[i] < 0) {
			t->d.saved_errno = -res[i];
			t->stats.tx_dropped++;
		} else {
			count_tx(t, &frames[i]);
		}
	}
	return end;
}

static bool has_ring(struct tuntap *t)
{
	if (!t->ring && !t->no_ring) {
		t->ring = l4_tapring_new(t->fd);
		t->no_ring = !t->ring;
	}
	return t->ring;
}

static int tuntap_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct tuntap *t = (struct tuntap *)d;
	size_t i = 0;
	(void)now;
	while (i < n) {
		bool ring = n - i >= RING_MIN && has_ring(t);
		size_t put = ring ? tx_batch(t, frames + i, n - i) : 0;
		i += put;
		if (i == n)
			break;
		/* Few, or the one that the batch stopped at: its own write tells why. */
		uint64_t sent = t->stats.tx_frames;
		int e = tx_one(t, &frames[i]);
		if (e <= 0)
			return e < 0 && !i ? e : (int)i;
		i++;
		if (put || sent == t->stats.tx_frames)
			t->misses = 0;
		else if (ring && ++t->misses == MISSES) /* the ring fails where write(2) does not */
			drop_ring(t);
	}
	return (int)n;
}

static int tuntap_fd(const struct l4_device *d)
{
	return ((const struct tuntap *)d)->fd;
}

static l4_time tuntap_deadline(const struct l4_device *d)
{
	(void)d;
	return L4_TIME_NEVER;
}

static void tuntap_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	*out = ((const struct tuntap *)d)->caps;
}

static void tuntap_close(struct l4_device *d)
{
	struct tuntap *t = (struct tuntap *)d;
	l4_tapring_free(t->ring);
	if (t->fd >= 0)
		close(t->fd);
	free(t->slab);
	free(t);
}

static void tuntap_stats(struct l4_device *d, struct l4_device_stats *out)
{
	*out = ((struct tuntap *)d)->stats;
}

static const struct l4_device_ops tuntap_ops = {
	.name = "tuntap",
	.rx = tuntap_rx,
	.tx = tuntap_tx,
	.wait_fd = tuntap_fd,
	.deadline = tuntap_deadline,
	.caps = tuntap_caps,
	.close = tuntap_close,
	.stats = tuntap_stats,
};

/* Makes or joins the interface. */
static int attach(struct tuntap *t, bool tap, const char *name, const struct l4_device_options *o,
    char *err, size_t cap)
{
	const char *kind = tap ? "tap" : "tun";
	struct ifreq r = { 0 };
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	unsigned flags = (tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR;
	if (o->queues > 1)
		flags |= IFF_MULTI_QUEUE;
	r.ifr_flags = (short)flags;
	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0)
		return l4_sys_fail(err, cap, l4_sys_code(errno), "/dev/net/tun: %s%s",
		    strerror(errno), errno == ENOENT || errno == ENODEV ? " (modprobe tun)" : "");
	if (ioctl(t->fd, TUNSETIFF, &r) < 0) {
		int e = errno;
		const char *hint = "";
		if (e == EPERM || e == EACCES)
			hint = "; making interfaces needs CAP_NET_ADMIN: run as root, or have it "
			       "made for "
			       "you with ip tuntap add";
		else if (e == EBUSY)
			hint = "; another program has it";
		else if (e == EINVAL)
			hint = o->queues > 1
				   ? "; it exists and is not of this kind with multi_queue"
				   : "; it exists and is not of this kind, or has multi_queue";
		return l4_sys_fail(
		    err, cap, l4_sys_code(e), "%s:%s: %s%s", kind, name, strerror(e), hint);
	}
	int hdr = L4_VNET_LEN;
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &hdr) < 0)
		return l4_sys_fail(err, cap, l4_sys_code(errno),
		    "%s:%s: setting the header size: %s", kind, name, strerror(errno));
	return 0;
}

/* Asks the kernel for super-segments, with UDP ones if it knows them. */
static void offloads(struct tuntap *t, bool off)
{
	unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct l4_device_caps *c = &t->caps;
	if (off || ioctl(t->fd, TUNSETOFFLOAD, tcp) < 0) {
		ioctl(t->fd, TUNSETOFFLOAD, 0UL);
		return;
	}
	c->tx_csum = c->tx_tso4 = c->tx_tso6 = c->rx_csum = true;
	c->gso_max = 65535;
	c->tx_uso = ioctl(t->fd, TUNSETOFFLOAD, tcp | OFFLOAD_USO4 | OFFLOAD_USO6) == 0;
}

int l4_tuntap_open(struct l4_device **out, bool tap, const char *name,
    const struct l4_device_options *o, char *err, size_t cap)
{
	struct tuntap *t = calloc(1, sizeof *t);
	if (!t || !(t->slab = aligned_alloc(64, SLAB))) {
		free(t);
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	}
	t->d.ops = &tuntap_ops;
	int e = attach(t, tap, name, o, err, cap), sock = -1;
	if (e < 0)
		goto out;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || l4_sys_if_mtu(sock, name, o->mtu, &t->caps.mtu) < 0) {
		e = l4_sys_fail(err, cap, l4_sys_code(errno), "%s: MTU: %s", name, strerror(errno));
		goto out;
	}
	if (l4_sys_if_up(sock, name) < 0) {
		e = l4_sys_fail(err, cap, l4_sys_code(errno), "%s is down and cannot be set up: %s",
		    name, strerror(errno));
		goto out;
	}
	t->caps.medium = tap ? L4_MEDIUM_ETHERNET : L4_MEDIUM_IP;
	offloads(t, o->no_offload);
	*out = &t->d;
out:
	if (sock >= 0)
		close(sock);
	if (e < 0)
		tuntap_close(&t->d);
	return e;
}
