/* TUN and TAP: an interface of the kernel whose other end is this program.
 *
 * With IFF_VNET_HDR every frame carries a virtio_net_hdr, so super-segments and unfinished
 * checksums cross in both directions (TUNSETOFFLOAD tells the kernel what we take; what we give it
 * accepts without asking). There is no recvmmsg for this descriptor: a batch is as many reads as
 * there are frames, each into the rest of one slab, so that a batch of small frames stays close
 * together in the cache.
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

#include "device/vnet.h"

/* Newer than the headers of Debian 12. */
#define OFFLOAD_USO4 0x20u
#define OFFLOAD_USO6 0x40u

#define SLAB  (1024u * 1024)
#define BATCH 64

struct tuntap {
	struct l4_device d;
	struct l4_device_caps caps;
	struct l4_device_stats stats;
	int fd;
	uint8_t *slab;
	struct l4_piece pieces[BATCH];
};

static int tuntap_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct tuntap *t = (struct tuntap *)d;
	size_t at = 0, n = 0;
	if (max > BATCH)
		max = BATCH;
	while (n < max && SLAB - at >= L4_FRAME_MAX) {
		uint8_t hdr[L4_VNET_LEN];
		struct iovec v[2] = { { hdr, sizeof hdr }, { t->slab + at, L4_FRAME_MAX } };
		ssize_t got = readv(t->fd, v, 2);
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
		t->pieces[n] = (struct l4_piece){ t->slab + at, len };
		memset(&out[n], 0, sizeof out[n]);
		out[n].pieces = &t->pieces[n];
		out[n].n_pieces = 1;
		out[n].len = (uint32_t)len;
		out[n].time = now;
		l4_vnet_parse(&out[n].off, hdr);
		t->stats.rx_frames++;
		t->stats.rx_bytes += len;
		at += (len + 63) & ~(size_t)63;
		n++;
	}
	return (int)n;
}

static int tuntap_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct tuntap *t = (struct tuntap *)d;
	(void)now;
	for (size_t i = 0; i < n; i++) {
		const struct l4_frame *f = &frames[i];
		uint8_t hdr[L4_VNET_LEN];
		struct iovec v[1 + 64];
		if (f->n_pieces > 64) {
			t->stats.tx_dropped++;
			continue;
		}
		l4_vnet_emit(hdr, &f->off);
		v[0] = (struct iovec){ hdr, sizeof hdr };
		for (uint32_t k = 0; k < f->n_pieces; k++)
			v[k + 1] = (struct iovec){ (void *)(uintptr_t)f->pieces[k].data,
				f->pieces[k].len };
		ssize_t put;
		do
			put = writev(t->fd, v, (int)f->n_pieces + 1);
		while (put < 0 && errno == EINTR);
		if (put >= 0) {
			t->stats.tx_frames++;
			t->stats.tx_bytes += f->len;
			continue;
		}
		d->saved_errno = errno;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return (int)i;
		if (errno == EBADFD || errno == EBADF)
			return L4_ESYS;
		t->stats.tx_dropped++; /* the interface is down, or this frame is refused */
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
	if (!t || !(t->slab = malloc(SLAB))) {
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
