/* AF_XDP: frames of a queue of an interface, taken before the kernel's stack sees them.
 *
 * A program of five instructions hands what arrives on a queue to the socket that stands for it in
 * a map; the kernel receives the rest. One device takes queue 0; of many (fanout.c) each takes one,
 * and the first loads the program. It is attached by a link, which vanishes with the last of them.
 * libxdp gives the rings, libbpf loads the program; without them at build time this file says so.
 * Zero copy where the driver has it, else the kernel copies; it chooses.
 *
 * Half of the memory's chunks are for receiving: they are in the fill ring, or in frames given out
 * until the next rx. The other half is for sending: free, or in the kernel's hands until its
 * completion ring gives them back. A frame is one chunk: no super-segments, checksums are ours. */
#include "device/sys.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <layer4/err.h>

#ifdef L4_HAVE_XDP

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <xdp/xsk.h>

#define CHUNK 4096u
#define RX    2048u /* chunks for receiving, and entries of its rings */
#define TX    2048u
#define BATCH 64
#define HEADS 256u /* bytes that drivers keep in front of a frame */

struct xdp {
	struct l4_device d;
	struct l4_device_caps caps;
	struct l4_device_stats stats;
	struct xsk_umem *umem;
	struct xsk_socket *sock;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	int ifindex, map, program, link; /* -1: none */
	uint8_t *mem;
	uint32_t n_free, free[TX];
	uint32_t n_lent;
	uint64_t lent[BATCH]; /* chunks of the frames given out */
	struct l4_piece pieces[BATCH];
};

/* Chunks for the kernel to receive into. */
static void refill(struct xdp *x)
{
	uint32_t at;
	if (!x->n_lent || xsk_ring_prod__reserve(&x->fill, x->n_lent, &at) != x->n_lent)
		return;
	for (uint32_t i = 0; i < x->n_lent; i++)
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = x->lent[i];
	xsk_ring_prod__submit(&x->fill, x->n_lent);
	x->n_lent = 0;
}

static int xdp_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct xdp *x = (struct xdp *)d;
	uint32_t at, n;
	refill(x);
	if (xsk_ring_prod__needs_wakeup(&x->fill))
		(void)recvfrom(xsk_socket__fd(x->sock), NULL, 0, MSG_DONTWAIT, NULL, NULL);
	if (max > BATCH - x->n_lent)
		max = BATCH - x->n_lent;
	n = xsk_ring_cons__peek(&x->rx, (uint32_t)max, &at);
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *r = xsk_ring_cons__rx_desc(&x->rx, at + i);
		x->lent[x->n_lent++] = r->addr & ~(uint64_t)(CHUNK - 1);
		x->pieces[i] = (struct l4_piece){ x->mem + r->addr, r->len };
		memset(&out[i], 0, sizeof out[i]);
		out[i].pieces = &x->pieces[i];
		out[i].n_pieces = 1;
		out[i].len = r->len;
		out[i].time = now;
		x->stats.rx_bytes += r->len;
	}
	if (n)
		xsk_ring_cons__release(&x->rx, n);
	x->stats.rx_frames += n;
	return (int)n;
}

/* Takes back what has left. */
static void reclaim(struct xdp *x)
{
	uint32_t at, n = xsk_ring_cons__peek(&x->done, TX, &at);
	for (uint32_t i = 0; i < n; i++)
		x->free[x->n_free++] =
		    (uint32_t)(*xsk_ring_cons__comp_addr(&x->done, at + i) / CHUNK);
	if (n)
		xsk_ring_cons__release(&x->done, n);
}

static int xdp_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct xdp *x = (struct xdp *)d;
	uint32_t at, put = 0;
	size_t i;
	(void)now;
	reclaim(x);
	for (i = 0; i < n; i++) {
		const struct l4_frame *f = &frames[i];
		if (f->len > CHUNK || f->off.needs_csum || f->off.gso_type) {
			x->stats.tx_dropped++;
			continue;
		}
		if (!x->n_free || xsk_ring_prod__reserve(&x->tx, 1, &at) != 1)
			break;
		uint64_t addr = (uint64_t)x->free[--x->n_free] * CHUNK;
		uint8_t *p = x->mem + addr;
		for (uint32_t k = 0; k < f->n_pieces; k++) {
			memcpy(p, f->pieces[k].data, f->pieces[k].len);
			p += f->pieces[k].len;
		}
		*xsk_ring_prod__tx_desc(&x->tx, at) =
		    (struct xdp_desc){ .addr = addr, .len = f->len };
		put++;
		x->stats.tx_bytes += f->len;
	}
	if (put)
		xsk_ring_prod__submit(&x->tx, put);
	x->stats.tx_frames += put;
	/* One call sends what a budget of the kernel allows: until all has left, or it takes no
	 * more. */
	for (int turn = 0;
	     turn < 8 && x->n_free + RX / 8 < TX && xsk_ring_prod__needs_wakeup(&x->tx); turn++) {
		if (sendto(xsk_socket__fd(x->sock), NULL, 0, MSG_DONTWAIT, NULL, 0) == 0)
			break;
		if (errno == ENETDOWN || errno == ENXIO) {
			d->saved_errno = errno;
			return L4_ESYS;
		}
		if (errno != EAGAIN)
			break;
	}
	if (put && xsk_ring_prod__needs_wakeup(&x->tx))
		(void)sendto(xsk_socket__fd(x->sock), NULL, 0, MSG_DONTWAIT, NULL, 0);
	if (i < n)
		d->saved_errno = ENOBUFS;
	return (int)i;
}

static int xdp_fd(const struct l4_device *d)
{
	return xsk_socket__fd(((const struct xdp *)d)->sock);
}

static l4_time xdp_deadline(const struct l4_device *d)
{
	(void)d;
	return L4_TIME_NEVER;
}

static void xdp_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	*out = ((const struct xdp *)d)->caps;
}

static void take_down(struct xdp *x)
{
	const int fds[] = { x->link, x->program, x->map };
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (x->sock)
		xsk_socket__delete(x->sock);
	if (x->umem)
		xsk_umem__delete(x->umem);
	if (x->mem)
		munmap(x->mem, (size_t)(RX + TX) * CHUNK);
	x->map = x->program = x->link = -1;
	x->sock = NULL;
	x->umem = NULL;
	x->mem = NULL;
	x->n_free = 0;
}

static void xdp_close(struct l4_device *d)
{
	struct xdp *x = (struct xdp *)d;
	take_down(x);
	free(x);
}

static void xdp_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct xdp *x = (struct xdp *)d;
	struct xdp_statistics s;
	socklen_t n = sizeof s;
	if (getsockopt(xsk_socket__fd(x->sock), SOL_XDP, XDP_STATISTICS, &s, &n) == 0)
		x->stats.rx_dropped = s.rx_dropped + s.rx_ring_full;
	*out = x->stats;
}

static const struct l4_device_ops xdp_ops = {
	.name = "xdp",
	.rx = xdp_rx,
	.tx = xdp_tx,
	.wait_fd = xdp_fd,
	.deadline = xdp_deadline,
	.caps = xdp_caps,
	.close = xdp_close,
	.stats = xdp_stats,
};

/* MTU and MAC; the interface must be up. */
static int look(struct xdp *x, const char *name, const struct l4_device_options *o)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), e = -1;
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0) {
		memcpy(x->caps.mac.b, r.ifr_hwaddr.sa_data, 6);
		e = l4_sys_if_mtu(fd, name, 0, &x->caps.mtu);
	}
	int keep = errno;
	if (fd >= 0)
		close(fd);
	errno = keep;
	x->ifindex = (int)if_nametoindex(name);
	x->caps.medium = L4_MEDIUM_ETHERNET;
	if (o->mtu && o->mtu < x->caps.mtu)
		x->caps.mtu = o->mtu;
	if (x->caps.mtu > CHUNK - HEADS - 18)
		x->caps.mtu = CHUNK - HEADS - 18;
	return e;
}

/* Hands the frames of each queue to the socket in the map, or to the kernel where there is none. */
static int load_program(struct xdp *x)
{
	x->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "l4_xsks", 4, 4, 64, NULL);
	if (x->map < 0)
		return x->map;
	const struct bpf_insn code[] = {
		/* r2 = ctx->rx_queue_index; r1 = the map; r3 = XDP_PASS; return redirect_map() */
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		    .dst_reg = BPF_REG_2,
		    .src_reg = BPF_REG_1,
		    .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW, /* BPF_IMM, which is 0 as well */
		    .dst_reg = BPF_REG_1,
		    .src_reg = BPF_PSEUDO_MAP_FD,
		    .imm = x->map },
		{ .code = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	x->program = bpf_prog_load(
	    BPF_PROG_TYPE_XDP, "l4_xdp", "Dual MIT/GPL", code, sizeof code / sizeof code[0], NULL);
	if (x->program < 0)
		return x->program;
	/* A link: it goes with the process, in whatever way that ends. */
	x->link = bpf_link_create(x->program, x->ifindex, BPF_XDP, NULL);
	if (x->link < 0)
		return x->link;
	return 0;
}

/* The program that another queue's device has loaded; it stays until the last of them is closed. */
static int join_program(struct xdp *x, const struct xdp *first)
{
	x->map = fcntl(first->map, F_DUPFD_CLOEXEC, 0);
	x->program = fcntl(first->program, F_DUPFD_CLOEXEC, 0);
	x->link = fcntl(first->link, F_DUPFD_CLOEXEC, 0);
	return x->map < 0 || x->program < 0 || x->link < 0 ? -errno : 0;
}

static int set_up(struct xdp *x, const char *name, uint32_t queue, const struct xdp *first)
{
	const struct xsk_umem_config uc = {
		.fill_size = RX, .comp_size = TX, .frame_size = CHUNK, .frame_headroom = 0
	};
	const struct xsk_socket_config sc = { .rx_size = RX,
		.tx_size = TX,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP };
	uint32_t at;
	void *mem = mmap(NULL, (size_t)(RX + TX) * CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	x->mem = mem;
	int e =
	    xsk_umem__create(&x->umem, mem, (uint64_t)(RX + TX) * CHUNK, &x->fill, &x->done, &uc);
	if (!e)
		e = xsk_socket__create(&x->sock, name, queue, x->umem, &x->rx, &x->tx, &sc);
	if (e)
		return e;
	for (uint32_t i = 0; i < TX; i++)
		x->free[x->n_free++] = TX - 1 - i;
	if (xsk_ring_prod__reserve(&x->fill, RX - BATCH, &at) != RX - BATCH)
		return -ENOBUFS;
	for (uint32_t i = 0; i < RX - BATCH; i++)
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = (uint64_t)(TX + i) * CHUNK;
	xsk_ring_prod__submit(&x->fill, RX - BATCH);
	e = first ? join_program(x, first) : load_program(x);
	const int fd = xsk_socket__fd(x->sock);
	return e ? e : bpf_map_update_elem(x->map, &queue, &fd, BPF_ANY);
}

/* The kernel gives back the queue of a process that has ended a moment after its end: one that is
 * busy is asked for again, for a second. */
static int set_up_in_time(struct xdp *x, const char *name, uint32_t queue, const struct xdp *first)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	for (int tries = 0;; tries++) {
		int e = set_up(x, name, queue, first);
		if (e != -EBUSY || tries == 50)
			return e;
		take_down(x);
		nanosleep(&pause, NULL);
	}
}

int l4_xdp_open(struct l4_device **out, const char *name, uint32_t queue,
    const struct l4_device *first, const struct l4_device_options *o, char *err, size_t cap)
{
	struct xdp *x = calloc(1, sizeof *x);
	if (!x)
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	x->d.ops = &xdp_ops;
	x->map = x->program = x->link = -1;
	int e = 0;
	if (look(x, name, o) < 0)
		e = l4_sys_fail(err, cap, l4_sys_code(errno),
		    "xdp:%s: %s (ip link shows what is there)", name, strerror(errno));
	int sys = e ? 0 : set_up_in_time(x, name, queue, (const struct xdp *)first);
	if (sys)
		e = l4_sys_fail(err, cap, l4_sys_code(-sys), "xdp:%s: queue %u: %s%s", name,
		    (unsigned)queue, strerror(-sys),
		    sys == -EPERM
			? "; AF_XDP needs CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF: run as root"
		    : sys == -EBUSY      ? "; another program has it"
		    : sys == -EOPNOTSUPP ? "; the driver has no AF_XDP: use packet:"
					 : "");
	if (e < 0) {
		xdp_close(&x->d);
		return e;
	}
	*out = &x->d;
	return 0;
}

int l4_xdp_queues(const char *name)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = 0;
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	r.ifr_data = (void *)&c;
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0)
		n = (int)(c.combined_count + c.rx_count);
	if (fd >= 0)
		close(fd);
	return n;
}

#else

int l4_xdp_open(struct l4_device **out, const char *name, uint32_t queue,
    const struct l4_device *first, const struct l4_device_options *o, char *err, size_t cap)
{
	(void)out;
	(void)queue;
	(void)first;
	(void)o;
	return l4_sys_fail(err, cap, L4_EUNSUPPORTED,
	    "device 'xdp:%s': AF_XDP is not built in (libxdp was missing); use packet:%s", name,
	    name);
}

int l4_xdp_queues(const char *name)
{
	(void)name;
	return 0;
}

#endif
