/* Sending and receiving of the raw scans.
 *
 * Sending: frames gather in a batch and leave with one sendmmsg, on Ethernet through a packet
 * socket that bypasses the queueing discipline, elsewhere through raw IP sockets (a frame put on
 * the loopback device would not be taken for local). Receiving: a ring of frames shared with the
 * kernel (packet(7), TPACKET_V2: each frame is visible at once), filtered by a small BPF program
 * to ARP, ICMP and TCP to our ports, so that other traffic costs us nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "cli/scan_net.h"

#define RING_FRAME  512u
#define RING_FRAMES 32768u
#define RING_BLOCK  65536u

#define NET(off) (uint32_t)(SKF_NET_OFF + (off))

static int set_filter(int fd, uint16_t sport)
{
	/* Jumps count instructions; `accept` is the last and `reject` the one before. */
	struct sock_filter code[] = {
		/* 0 */ BPF_STMT(
		    BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 16, 0),
		/* 2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 1, 0),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 6, 13),
		/* 4 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(9)),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 12, 0),
		/* 6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 10),
		/* 7 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, NET(0)),
		/* 8 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, NET(2)),
		/* 9 */ BPF_STMT(BPF_JMP | BPF_JA, 4),
		/* 10 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(6)),
		/* 11 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 6, 0),
		/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 4),
		/* 13 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET(42)),
		/* 14 */ BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, sport),
		/* 15 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 16, 1, 0),
		/* 16 */ BPF_STMT(BPF_RET | BPF_K, 0xffff),
		/* 17 */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 18 */ BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof *code, .filter = code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

static int open_receiver(struct scan_link *l, uint16_t sport)
{
	int version = TPACKET_V2, one = 1;
	struct tpacket_req req = { .tp_block_size = RING_BLOCK,
		.tp_block_nr = RING_FRAME * RING_FRAMES / RING_BLOCK,
		.tp_frame_size = RING_FRAME,
		.tp_frame_nr = RING_FRAMES };
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = l->ifindex };
	/* Protocol 0 until all is set: nothing unfiltered gets in. */
	l->rx_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->rx_fd < 0 || set_filter(l->rx_fd, sport) < 0 ||
	    setsockopt(l->rx_fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0)
		return -1;
	/* Linux 4.20; without it our own frames come back and find no match. */
	(void)setsockopt(l->rx_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
	if (setsockopt(l->rx_fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof req) < 0)
		return -1;
	l->ring_len = (size_t)RING_FRAME * RING_FRAMES;
	void *p = mmap(NULL, l->ring_len, PROT_READ | PROT_WRITE, MAP_SHARED, l->rx_fd, 0);
	if (p == MAP_FAILED)
		return -1;
	l->ring = p;
	sll.sll_protocol = htons(ETH_P_ALL);
	return bind(l->rx_fd, (struct sockaddr *)&sll, sizeof sll);
}

static int open_sender(struct scan_link *l)
{
	int one = 1, room = 4 << 20;
	if (l->ethernet) {
		struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = l->ifindex };
		l->tx_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		if (l->tx_fd < 0)
			return -1;
		/* Binding with protocol 0 receives nothing. */
		(void)setsockopt(l->tx_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
		(void)setsockopt(l->tx_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
		return bind(l->tx_fd, (struct sockaddr *)&sll, sizeof sll);
	}
	l->tx_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	l->tx6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	return l->tx_fd < 0 && l->tx6_fd < 0 ? -1 : 0;
}

int scan_link_open(struct scan_link *l, int ifindex, uint16_t sport, char *error, size_t cap)
{
	struct ifreq ifr;
	memset(l, 0, sizeof *l);
	l->ifindex = ifindex;
	l->tx_fd = l->tx6_fd = l->rx_fd = -1;
	memset(&ifr, 0, sizeof ifr);
	if (!if_indextoname((unsigned)ifindex, l->name)) {
		snprintf(error, cap, "interface %d: %s", ifindex, strerror(errno));
		return -1;
	}
	memcpy(ifr.ifr_name, l->name, sizeof ifr.ifr_name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &ifr) == 0 &&
	    ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER) {
		l->ethernet = true;
		memcpy(l->mac.b, ifr.ifr_hwaddr.sa_data, 6);
	}
	if (fd >= 0)
		close(fd);
	if (open_receiver(l, sport) < 0 || open_sender(l) < 0) {
		snprintf(error, cap, "packet socket on %s: %s", l->name, strerror(errno));
		scan_link_close(l);
		return -1;
	}
	return 0;
}

void scan_link_close(struct scan_link *l)
{
	if (l->ring)
		munmap(l->ring, l->ring_len);
	if (l->rx_fd >= 0)
		close(l->rx_fd);
	if (l->tx_fd >= 0)
		close(l->tx_fd);
	if (l->tx6_fd >= 0)
		close(l->tx6_fd);
	l->ring = NULL;
	l->rx_fd = l->tx_fd = l->tx6_fd = -1;
}

uint8_t *scan_link_next(struct scan_link *l, struct scan_counters *c)
{
	if (l->n_queued == SCAN_BATCH)
		scan_link_flush(l, c);
	return l->frame[l->n_queued];
}

void scan_link_queue(struct scan_link *l, uint32_t len, bool v6)
{
	l->len[l->n_queued] = len;
	l->v6[l->n_queued++] = v6;
}

/* Raw IP: each packet names where it goes. The frame then begins with the IP header. */
static void flush_raw(struct scan_link *l, struct scan_counters *c)
{
	for (uint32_t i = 0; i < l->n_queued; i++) {
		const uint8_t *f = l->frame[i];
		ssize_t r;
		if (l->v6[i]) {
			struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
			memcpy(&to.sin6_addr, f + 24, 16);
			r = sendto(l->tx6_fd, f, l->len[i], 0, (struct sockaddr *)&to, sizeof to);
		} else {
			struct sockaddr_in to = { .sin_family = AF_INET };
			memcpy(&to.sin_addr, f + 16, 4);
			r = sendto(l->tx_fd, f, l->len[i], 0, (struct sockaddr *)&to, sizeof to);
		}
		if (r < 0)
			c->send_errors++;
	}
}

void scan_link_flush(struct scan_link *l, struct scan_counters *c)
{
	struct mmsghdr m[SCAN_BATCH];
	struct iovec v[SCAN_BATCH];
	uint32_t at = 0;
	if (!l->n_queued)
		return;
	if (!l->ethernet) {
		flush_raw(l, c);
		l->n_queued = 0;
		return;
	}
	memset(m, 0, l->n_queued * sizeof *m);
	for (uint32_t i = 0; i < l->n_queued; i++) {
		v[i] = (struct iovec){ .iov_base = l->frame[i], .iov_len = l->len[i] };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (at < l->n_queued) {
		int r = sendmmsg(l->tx_fd, m + at, l->n_queued - at, 0);
		if (r > 0) {
			at += (uint32_t)r;
		} else if (errno == ENOBUFS || errno == EAGAIN) {
			/* The device's queue is full: give it the time of some packets. */
			struct pollfd p = { .fd = l->tx_fd, .events = POLLOUT };
			c->send_errors++;
			poll(&p, 1, 1);
		} else if (errno != EINTR) {
			/* Interface down: what is lost is asked again like any loss. */
			c->send_errors += l->n_queued - at;
			break;
		}
	}
	l->n_queued = 0;
}

const uint8_t *scan_link_receive(
    struct scan_link *l, size_t *len, uint16_t *ethertype, struct l4_mac *from)
{
	for (;;) {
		uint8_t *frame = l->ring + (size_t)l->head * RING_FRAME;
		struct tpacket2_hdr *h = (struct tpacket2_hdr *)(void *)frame;
		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return NULL;
		const struct sockaddr_ll *sll =
		    (const void *)(frame + TPACKET_ALIGN(sizeof(struct tpacket2_hdr)));
		uint32_t net = (uint32_t)h->tp_net - h->tp_mac;
		if (sll->sll_pkttype == PACKET_OUTGOING || h->tp_net < h->tp_mac ||
		    h->tp_snaplen < net || (size_t)h->tp_net + (h->tp_snaplen - net) > RING_FRAME) {
			scan_link_release(l);
			continue;
		}
		*len = h->tp_snaplen - net;
		*ethertype = ntohs(sll->sll_protocol);
		memcpy(from->b, sll->sll_addr, 6);
		return frame + h->tp_net;
	}
}

void scan_link_release(struct scan_link *l)
{
	struct tpacket2_hdr *h =
	    (struct tpacket2_hdr *)(void *)(l->ring + (size_t)l->head * RING_FRAME);
	__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	l->head = (l->head + 1) % RING_FRAMES;
}

uint64_t scan_link_drops(struct scan_link *l)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof st;
	return getsockopt(l->rx_fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0 ? st.tp_drops
										   : 0;
}

void scan_net_wait(struct scan_net *n, l4_time wait)
{
	struct pollfd p[16];
	nfds_t k = 0;
	for (size_t i = 0; i < n->n_links && k < 16; i++)
		p[k++] = (struct pollfd){ .fd = n->links[i].rx_fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(wait / L4_SEC),
		.tv_nsec = (long)(wait % L4_SEC) };
	ppoll(p, k, &ts, NULL);
}
