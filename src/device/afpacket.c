/* Packet sockets: frames of an interface that the kernel has too.
 *
 * PACKET_VNET_HDR puts a virtio_net_hdr before every frame, so that super-segments of up to 64 KiB
 * and unfinished checksums come and go as through TAP; recvmmsg and sendmmsg move a batch a call.
 * A TPACKET ring would save a copy of small frames but cannot carry super-segments larger than a
 * block, and one 64 KiB frame is worth forty-odd in a ring.
 *
 * Frames are stamped by the kernel when they arrive; the stamp is turned from its clock to ours, so
 * that a program which is late still measures round trips rightly.
 *
 * What the kernel itself sends is ignored. A filter in the kernel lets through what is for our
 * address: our MAC, groups and broadcasts. With a MAC of our own the interface is made
 * promiscuous, for as long as the socket lives. */
#define _GNU_SOURCE /* sendmmsg, recvmmsg */
#include "device/sys.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <layer4/err.h>

#include "base/cursor.h"
#include "device/vnet.h"

#ifndef ARPHRD_NONE
#define ARPHRD_NONE 0xfffe
#endif
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef PACKET_FANOUT_FLAG_UNIQUEID
#define PACKET_FANOUT_FLAG_UNIQUEID 0x2000
#endif
#ifndef PACKET_QDISC_BYPASS
#define PACKET_QDISC_BYPASS 20
#endif

#define BATCH    64
#define RCVBUF   (8 << 20) /* bytes asked for; CAP_NET_ADMIN goes beyond the system's limit */
#define PIECES   64
#define VLAN_HDR 4

struct packet {
	struct l4_device d;
	struct l4_device_caps caps;
	struct l4_device_stats stats;
	int fd;
	int ifindex;
	bool vnet;
	bool drop_outgoing; /* old kernels: we have to look at each */
	uint8_t *bufs;      /* BATCH of L4_FRAME_MAX */
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH][2];
	struct sockaddr_ll from[BATCH];
	uint8_t hdrs[BATCH][L4_VNET_LEN];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct tpacket_auxdata)) +
							CMSG_SPACE(sizeof(struct timespec))];
	struct l4_piece pieces[BATCH];
};

/* The frame's bytes begin here in buffer i: room for a VLAN tag is left in front. */
static uint8_t *frame_at(struct packet *p, size_t i)
{
	return p->bufs + i * L4_FRAME_MAX + VLAN_HDR;
}

/* The kernel takes the VLAN tag off a frame and tells it beside: put it back. Returns where the
 * frame now begins. */
static uint8_t *put_back_tag(struct packet *p, size_t i, struct l4_offload *o, size_t *len)
{
	uint8_t *b = frame_at(p, i);
	struct msghdr *m = &p->msgs[i].msg_hdr;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata a;
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&a, CMSG_DATA(c), sizeof a);
		if (!(a.tp_status & TP_STATUS_VLAN_VALID) || *len < 14 ||
		    p->caps.medium != L4_MEDIUM_ETHERNET)
			continue;
		uint16_t tpid =
		    a.tp_status & TP_STATUS_VLAN_TPID_VALID ? a.tp_vlan_tpid : ETH_P_8021Q;
		memmove(b - VLAN_HDR, b, 12);
		b -= VLAN_HDR;
		b[12] = (uint8_t)(tpid >> 8);
		b[13] = (uint8_t)tpid;
		b[14] = (uint8_t)(a.tp_vlan_tci >> 8);
		b[15] = (uint8_t)a.tp_vlan_tci;
		*len += VLAN_HDR;
		if (o->needs_csum)
			o->csum_start = (uint16_t)(o->csum_start + VLAN_HDR);
		if (o->gso_type)
			o->hdr_len = (uint16_t)(o->hdr_len + VLAN_HDR);
	}
	return b;
}

/* When a frame arrived, from the kernel's stamp: now less its age. */
static l4_time arrival(struct packet *p, size_t i, const struct timespec *real, l4_time now)
{
	struct msghdr *m = &p->msgs[i].msg_hdr;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct timespec t;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof t);
		int64_t age =
		    ((int64_t)real->tv_sec - t.tv_sec) * 1000000000 + real->tv_nsec - t.tv_nsec;
		/* The wall clock may have been set in between: believe what is possible. */
		if (age > 0 && age < (int64_t)(10 * L4_SEC) && (l4_time)age < now)
			return now - (l4_time)age;
	}
	return now;
}

static int packet_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct packet *p = (struct packet *)d;
	if (max > BATCH)
		max = BATCH;
	for (size_t i = 0; i < max; i++) {
		struct msghdr *m = &p->msgs[i].msg_hdr;
		m->msg_namelen = sizeof p->from[i];
		m->msg_controllen = sizeof p->control[i];
	}
	struct timespec real; /* as near to `now` as can be */
	clock_gettime(CLOCK_REALTIME, &real);
	int got;
	do
		got = recvmmsg(p->fd, p->msgs, (unsigned)max, MSG_DONTWAIT, NULL);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		if (errno == EAGAIN)
			return 0;
		d->saved_errno = errno;
		return errno == ENETDOWN ? 0 : L4_ESYS; /* down may come up again */
	}
	size_t n = 0, skip = p->vnet ? L4_VNET_LEN : 0;
	for (size_t i = 0; i < (size_t)got; i++) {
		size_t len = p->msgs[i].msg_len;
		if (len <= skip || (p->msgs[i].msg_hdr.msg_flags & MSG_TRUNC) ||
		    (p->drop_outgoing && p->from[i].sll_pkttype == PACKET_OUTGOING))
			continue;
		len -= skip;
		memset(&out[n], 0, sizeof out[n]);
		if (p->vnet)
			l4_vnet_parse(&out[n].off, p->hdrs[i]);
		uint8_t *b = put_back_tag(p, i, &out[n].off, &len);
		p->pieces[i] = (struct l4_piece){ b, len };
		out[n].pieces = &p->pieces[i];
		out[n].n_pieces = 1;
		out[n].len = (uint32_t)len;
		out[n].time = arrival(p, i, &real, now);
		p->stats.rx_frames++;
		p->stats.rx_bytes += len;
		n++;
	}
	return (int)n;
}

/* Lays out message i for a frame; false when it has too many pieces. */
static bool lay_out(
    struct packet *p, struct mmsghdr *m, struct iovec *v, uint8_t *hdr, const struct l4_frame *f)
{
	size_t n = 0;
	if (f->n_pieces > PIECES)
		return false;
	if (p->vnet) {
		l4_vnet_emit(hdr, &f->off);
		v[n++] = (struct iovec){ hdr, L4_VNET_LEN };
	}
	for (uint32_t k = 0; k < f->n_pieces; k++)
		v[n++] = (struct iovec){ (void *)(uintptr_t)f->pieces[k].data, f->pieces[k].len };
	memset(m, 0, sizeof *m);
	m->msg_hdr.msg_iov = v;
	m->msg_hdr.msg_iovlen = n;
	return true;
}

#define TX_BATCH 16

static int packet_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct packet *p = (struct packet *)d;
	struct mmsghdr m[TX_BATCH];
	struct iovec v[TX_BATCH][PIECES + 1];
	uint8_t hdr[TX_BATCH][L4_VNET_LEN];
	size_t done = 0;
	(void)now;
	while (done < n) {
		unsigned k = 0;
		while (k < TX_BATCH && done + k < n &&
		       lay_out(p, &m[k], v[k], hdr[k], &frames[done + k]))
			k++;
		if (!k) {
			p->stats.tx_dropped++;
			done++;
			continue;
		}
		int put;
		do
			put = sendmmsg(p->fd, m, k, MSG_DONTWAIT);
		while (put < 0 && errno == EINTR);
		if (put > 0) {
			for (int i = 0; i < put; i++)
				p->stats.tx_bytes += frames[done + (size_t)i].len;
			p->stats.tx_frames += (uint64_t)put;
			done += (size_t)put;
			continue;
		}
		d->saved_errno = errno;
		if (errno == EAGAIN || errno == ENOBUFS)
			return (int)done;
		if (errno == ENXIO || errno == ENODEV || errno == EBADF)
			return done ? (int)done : L4_ESYS;
		p->stats
		    .tx_dropped++; /* this frame is refused: too large, or the interface is down */
		done++;
	}
	return (int)n;
}

static int packet_fd(const struct l4_device *d)
{
	return ((const struct packet *)d)->fd;
}

static l4_time packet_deadline(const struct l4_device *d)
{
	(void)d;
	return L4_TIME_NEVER;
}

static void packet_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	*out = ((const struct packet *)d)->caps;
}

static void packet_close(struct l4_device *d)
{
	struct packet *p = (struct packet *)d;
	if (p->fd >= 0)
		close(p->fd);
	free(p->bufs);
	free(p);
}

static void packet_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct packet *p = (struct packet *)d;
	struct tpacket_stats s;
	socklen_t n = sizeof s;
	/* Reading them sets the kernel's to zero. */
	if (getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0)
		p->stats.rx_dropped += s.tp_drops;
	*out = p->stats;
}

static const struct l4_device_ops packet_ops = {
	.name = "packet",
	.rx = packet_rx,
	.tx = packet_tx,
	.wait_fd = packet_fd,
	.deadline = packet_deadline,
	.caps = packet_caps,
	.close = packet_close,
	.stats = packet_stats,
};

static bool mac_is_zero(const struct l4_mac *m)
{
	return !(m->b[0] | m->b[1] | m->b[2] | m->b[3] | m->b[4] | m->b[5]);
}

#define BPF_MAX 4096 /* the kernel's BPF_MAXINSNS */

/* A filter being written, in the classic BPF of the kernel. */
struct prog {
	struct sock_filter code[BPF_MAX];
	unsigned short n;
};

static void put(struct prog *p, int code, uint32_t k)
{
	p->code[p->n++] = (struct sock_filter)BPF_STMT((uint16_t)code, k);
}

static void put_jump(struct prog *p, int code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->code[p->n++] = (struct sock_filter)BPF_JUMP((uint16_t)code, k, yes, no);
}

#define LD_B    (BPF_LD | BPF_B | BPF_ABS)
#define LD_H    (BPF_LD | BPF_H | BPF_ABS)
#define LD_W    (BPF_LD | BPF_W | BPF_ABS)
#define JEQ     (BPF_JMP | BPF_JEQ | BPF_K)
#define JSET    (BPF_JMP | BPF_JSET | BPF_K)
#define RET     (BPF_RET | BPF_K)
#define PASS    0xffffffffu
#define DISCARD 0u

/* Falls through for this MAC, groups and broadcasts; the rest stays in the kernel. */
static void put_mac(struct prog *p, const struct l4_mac *mac)
{
	put(p, LD_B, 0);
	put_jump(p, JSET, 1, 5, 0); /* the group bit */
	put(p, LD_W, 0);
	put_jump(p, JEQ, l4_get_u32(mac->b), 0, 2);
	put(p, LD_H, 4);
	put_jump(p, JEQ, l4_get_u16(mac->b + 4), 1, 0);
	put(p, RET, DISCARD);
}

/* From A = protocol on: falls through with A = protocol << 16 | port for TCP and UDP whose header
 * begins at `at` past X, and is left out otherwise. */
static void put_port(struct prog *p, uint32_t at)
{
	put_jump(p, JEQ, IPPROTO_TCP, 2, 0);
	put_jump(p, JEQ, IPPROTO_UDP, 1, 0);
	put(p, RET, DISCARD);
	put(p, BPF_ALU | BPF_LSH | BPF_K, 16);
	put(p, BPF_ST, 0);
	put(p, BPF_LD | BPF_H | BPF_IND, at + 2);
	put(p, BPF_LDX | BPF_MEM, 0);
	put(p, BPF_ALU | BPF_OR | BPF_X, 0);
}

/* IPv4 at offset `ip`. Ends in a return, or falls through as put_port. */
static void put_ip4(struct prog *p, uint32_t ip)
{
	put(p, LD_H, ip + 6);
	put_jump(p, JSET, 0x1fff, 0, 1); /* the rest of a datagram has no ports */
	put(p, RET, PASS);
	put(p, BPF_LDX | BPF_B | BPF_MSH, ip);
	put(p, LD_B, ip + 9);
	put_jump(p, JEQ, IPPROTO_IGMP, 0, 1);
	put(p, RET, PASS);
	put_jump(p, JEQ, IPPROTO_ICMP, 0, 4);
	put(p, BPF_LD | BPF_B | BPF_IND, ip);
	put_jump(p, JEQ, 8, 0, 1); /* echo request */
	put(p, RET, DISCARD);
	put(p, RET, PASS);
	put_port(p, ip);
}

static void put_ip6(struct prog *p, uint32_t ip)
{
	put(p, BPF_LDX | BPF_IMM, 40);
	put(p, LD_B, ip + 6);
	put_jump(p, JEQ, IPPROTO_FRAGMENT, 1, 0);
	put_jump(p, JEQ, IPPROTO_HOPOPTS, 0, 1); /* MLD queries */
	put(p, RET, PASS);
	put_jump(p, JEQ, IPPROTO_ICMPV6, 0, 5);
	put(p, LD_B, ip + 40);
	put_jump(p, JEQ, 128, 1, 0); /* echo request */
	put_jump(p, JEQ, 135, 0, 1); /* neighbour solicitation */
	put(p, RET, DISCARD);
	put(p, RET, PASS);
	put_port(p, ip);
}

static int attach(struct packet *p, struct prog *g)
{
	struct sock_fprog prog = { g->n, g->code };
	return setsockopt(p->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

int l4_packet_share(struct l4_device *d, const uint32_t *keys, size_t n)
{
	struct packet *p = (struct packet *)d;
	struct prog *g, *v6;
	bool ether;
	uint32_t ip;
	if (d->ops != &packet_ops || n > 1024)
		return L4_EINVAL;
	g = calloc(2, sizeof *g);
	if (!g)
		return L4_ENOMEM;
	v6 = g + 1;
	ether = p->caps.medium == L4_MEDIUM_ETHERNET;
	ip = ether ? 14 : 0;
	put_ip6(v6, ip);
	if (ether) {
		put_mac(g, &p->caps.mac);
		put(g, LD_H, 12);
		put_jump(g, JEQ, ETH_P_ARP, 0, 4);
		put(g, LD_H, 20);
		put_jump(g, JEQ, 2, 0, 1); /* a reply */
		put(g, RET, PASS);
		put(g, RET, DISCARD);
		put_jump(g, JEQ, ETH_P_IPV6, 1, 0);
		put_jump(g, JEQ, ETH_P_IP, 0, 0);
	} else {
		put(g, LD_B, 0);
		put(g, BPF_ALU | BPF_AND | BPF_K, 0xf0);
		put_jump(g, JEQ, 0x60, 1, 0);
		put_jump(g, JEQ, 0x40, 0, 0);
	}
	unsigned short fix = (unsigned short)(g->n - 1); /* its targets are known below */
	memcpy(g->code + g->n, v6->code, v6->n * sizeof v6->code[0]);
	g->n = (unsigned short)(g->n + v6->n);
	put(g, BPF_JMP | BPF_JA, 0); /* over IPv4, to the ports */
	unsigned short over = (unsigned short)(g->n - 1);
	put(g, RET, DISCARD);
	g->code[fix].jt = (uint8_t)(g->n - fix - 1);
	g->code[fix].jf = (uint8_t)(g->n - fix - 2);
	put_ip4(g, ip);
	g->code[over].k = (uint32_t)(g->n - over - 1);
	for (size_t i = 0; i < n; i++) {
		put_jump(g, JEQ, keys[i], 0, 1);
		put(g, RET, PASS);
	}
	put(g, RET, DISCARD);
	int e = attach(p, g);
	d->saved_errno = e < 0 ? errno : 0;
	free(g);
	return e < 0 ? L4_ESYS : 0;
}

int l4_packet_fanout(struct l4_device *d, uint16_t *id)
{
	struct packet *p = (struct packet *)d;
	unsigned arg = *id | (unsigned)PACKET_FANOUT_HASH << 16;
	int got = 0;
	socklen_t len = sizeof got;
	if (!*id) /* one that no other program has */
		arg |= (unsigned)PACKET_FANOUT_FLAG_UNIQUEID << 16;
	if (setsockopt(p->fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof arg) < 0)
		return -1;
	if (!*id && getsockopt(p->fd, SOL_PACKET, PACKET_FANOUT, &got, &len) < 0)
		return -1;
	*id = *id ? *id : (uint16_t)got;
	return 0;
}

/* What kind of interface it is: medium, MAC, MTU. */
static int look(
    struct packet *p, const char *name, const struct l4_device_options *o, char *err, size_t cap)
{
	struct ifreq r = { 0 };
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (ioctl(p->fd, SIOCGIFINDEX, &r) < 0)
		return l4_sys_fail(err, cap, l4_sys_code(errno),
		    "packet:%s: %s (ip link shows what is there)", name, strerror(errno));
	p->ifindex = r.ifr_ifindex;
	if (ioctl(p->fd, SIOCGIFFLAGS, &r) < 0 || !(r.ifr_flags & IFF_UP))
		return l4_sys_fail(err, cap, L4_ESYS,
		    "packet:%s: the interface is down (ip link set %s up)", name, name);
	if (ioctl(p->fd, SIOCGIFHWADDR, &r) < 0)
		return l4_sys_fail(
		    err, cap, l4_sys_code(errno), "packet:%s: %s", name, strerror(errno));
	switch (r.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		p->caps.medium = L4_MEDIUM_ETHERNET;
		memcpy(p->caps.mac.b, r.ifr_hwaddr.sa_data, 6);
		break;
	case ARPHRD_NONE:
		p->caps.medium = L4_MEDIUM_IP;
		break;
	default:
		return l4_sys_fail(err, cap, L4_EUNSUPPORTED,
		    "packet:%s: hardware type %u is neither Ethernet nor bare IP", name,
		    (unsigned)r.ifr_hwaddr.sa_family);
	}
	if (l4_sys_if_mtu(p->fd, name, 0, &p->caps.mtu) < 0)
		return l4_sys_fail(
		    err, cap, l4_sys_code(errno), "packet:%s: MTU: %s", name, strerror(errno));
	if (o->mtu && o->mtu < p->caps.mtu)
		p->caps.mtu = o->mtu;
	return 0;
}

static int configure(
    struct packet *p, const char *name, const struct l4_device_options *o, char *err, size_t cap)
{
	const int one = 1;
	int size = RCVBUF;
	p->drop_outgoing =
	    setsockopt(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0;
	setsockopt(p->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
	setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (o->qdisc_bypass)
		setsockopt(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	p->vnet = setsockopt(p->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) == 0;
	if (p->vnet) {
		/* Receiving needs the header even when we do not offload: the kernel hands out its
		 * own unfinished frames regardless. */
		p->caps.rx_csum = true;
		p->caps.tx_csum = !o->no_offload;
		p->caps.tx_tso4 = p->caps.tx_tso6 = p->caps.tx_uso = !o->no_offload;
		p->caps.gso_max = o->no_offload ? 0 : 65535;
	}
	bool own = !mac_is_zero(&o->mac) && p->caps.medium == L4_MEDIUM_ETHERNET;
	if (own)
		p->caps.mac = o->mac;
	if (own || o->promiscuous) {
		struct packet_mreq m = { .mr_ifindex = p->ifindex, .mr_type = PACKET_MR_PROMISC };
		if (setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) < 0)
			return l4_sys_fail(err, cap, l4_sys_code(errno),
			    "packet:%s: promiscuous: %s", name, strerror(errno));
	} else if (p->caps.medium == L4_MEDIUM_ETHERNET) {
		struct packet_mreq m = { .mr_ifindex = p->ifindex, .mr_type = PACKET_MR_ALLMULTI };
		setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m);
	}
	struct prog filter = { .n = 0 };
	put_mac(&filter, &p->caps.mac);
	put(&filter, RET, PASS);
	if (p->caps.medium == L4_MEDIUM_ETHERNET && (own || !o->promiscuous) &&
	    attach(p, &filter) < 0)
		return l4_sys_fail(
		    err, cap, l4_sys_code(errno), "packet:%s: filter: %s", name, strerror(errno));
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->ifindex
	};
	if (bind(p->fd, (struct sockaddr *)&a, sizeof a) < 0)
		return l4_sys_fail(
		    err, cap, l4_sys_code(errno), "packet:%s: bind: %s", name, strerror(errno));
	return 0;
}

int l4_packet_open(struct l4_device **out, const char *name, const struct l4_device_options *o,
    char *err, size_t cap)
{
	struct packet *p = calloc(1, sizeof *p);
	if (!p || !(p->bufs = malloc((size_t)BATCH * L4_FRAME_MAX))) {
		free(p);
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	}
	p->d.ops = &packet_ops;
	/* Protocol 0: nothing is received before the filter stands and the socket is bound. */
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int e = 0;
	if (p->fd < 0)
		e = l4_sys_fail(err, cap, l4_sys_code(errno), "packet:%s: %s%s", name,
		    strerror(errno),
		    errno == EPERM ? "; packet sockets need CAP_NET_RAW: run as root" : "");
	if (!e)
		e = look(p, name, o, err, cap);
	if (!e)
		e = configure(p, name, o, err, cap);
	if (e < 0) {
		packet_close(&p->d);
		return e;
	}
	for (size_t i = 0; i < BATCH; i++) {
		struct msghdr *m = &p->msgs[i].msg_hdr;
		size_t k = 0;
		if (p->vnet)
			p->iov[i][k++] = (struct iovec){ p->hdrs[i], L4_VNET_LEN };
		p->iov[i][k++] = (struct iovec){ frame_at(p, i), L4_FRAME_MAX - VLAN_HDR };
		m->msg_iov = p->iov[i];
		m->msg_iovlen = k;
		m->msg_name = &p->from[i];
		m->msg_control = p->control[i];
	}
	*out = &p->d;
	return 0;
}
