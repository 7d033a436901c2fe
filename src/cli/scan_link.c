/* Sending and receiving of the raw scans.
 *
 * Sending: frames gather in a batch and leave with one sendmmsg, on Ethernet through a packet
 * socket that bypasses the queueing discipline, elsewhere through raw IP sockets (a frame put on
 * the loopback device would not be taken for local). Receiving: the same packet socket, filtered
 * by a small BPF program to ARP, ICMP and TCP to our ports, so that other traffic costs us nothing,
 * emptied with recvmmsg. A ring shared with the kernel would save some of the copying; but setting
 * it up and tearing it down waits for the kernel's grace periods, longer than what it saves in a
 * scan of all ports of a host (25 ms against 10 ms, measured). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "cli/scan_net.h"

#define RCVBUF_BYTES (64 << 20)

/* Packets as recvmmsg leaves them. */
struct scan_inbox {
	struct mmsghdr msg[SCAN_INBOX];
	struct iovec iov[SCAN_INBOX];
	uint32_t n, at;
	uint8_t data[SCAN_INBOX][SCAN_SNAP];
};

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

static int open_sockets(struct scan_link *l, uint16_t sport)
{
	int one = 1, room = RCVBUF_BYTES, send_room = 4 << 20;
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = l->ifindex };
	/* Protocol 0 until all is set: nothing unfiltered gets in. SOCK_DGRAM would spare the link
	 * header on receipt, but what we send has one. */
	l->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || set_filter(l->fd, sport) < 0)
		return -1;
	/* Linux 4.20; without it our own frames come back and find no match. */
	(void)setsockopt(l->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		(void)setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	(void)setsockopt(l->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	(void)setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &send_room, sizeof send_room);
	sll.sll_protocol = htons(ETH_P_ALL);
	if (bind(l->fd, (struct sockaddr *)&sll, sizeof sll) < 0)
		return -1;
	if (l->ethernet)
		return 0;
	l->raw_fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	l->raw6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	return l->raw_fd < 0 && l->raw6_fd < 0 ? -1 : 0;
}

static struct scan_inbox *inbox_new(void)
{
	struct scan_inbox *in = calloc(1, sizeof *in);
	for (uint32_t i = 0; in && i < SCAN_INBOX; i++) {
		in->iov[i] = (struct iovec){ .iov_base = in->data[i], .iov_len = SCAN_SNAP };
		in->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &in->iov[i], .msg_iovlen = 1 };
	}
	return in;
}

int scan_link_open(struct scan_link *l, int ifindex, uint16_t sport, char *error, size_t cap)
{
	struct ifreq ifr;
	memset(l, 0, sizeof *l);
	l->ifindex = ifindex;
	l->fd = l->raw_fd = l->raw6_fd = -1;
	memset(&ifr, 0, sizeof ifr);
	if (!if_indextoname((unsigned)ifindex, l->name)) {
		snprintf(error, cap, "interface %d: %s", ifindex, strerror(errno));
		return -1;
	}
	memcpy(ifr.ifr_name, l->name, sizeof ifr.ifr_name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &ifr) == 0) {
		l->ethernet = ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
		if (l->ethernet || ifr.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
			l->hdr_len = 14;
		if (l->ethernet)
			memcpy(l->mac.b, ifr.ifr_hwaddr.sa_data, 6);
	}
	if (fd >= 0)
		close(fd);
	l->in = inbox_new();
	if (!l->in || open_sockets(l, sport) < 0) {
		snprintf(error, cap, "packet socket on %s: %s", l->name, strerror(errno));
		scan_link_close(l);
		return -1;
	}
	return 0;
}

/* Puts a descriptor into a message that waits in a socket, which itself waits in that message and
 * nowhere else: garbage, which the kernel collects by a worker of its own (unix(7), SCM_RIGHTS). */
static bool throw_away(int fd)
{
	int pair[2], fds[2];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fds)];
	} control;
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control };
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	fds[0] = fd;
	fds[1] = pair[1];
	memset(&control, 0, sizeof control);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	bool sent = sendmsg(pair[0], &msg, MSG_DONTWAIT) == 1;
	if (sent)
		close(fd);
	close(pair[1]);
	close(pair[0]);
	return sent;
}

static void *close_main(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

void scan_close_behind(int fd)
{
	pthread_t t;
	if (throw_away(fd))
		return;
	if (pthread_create(&t, NULL, close_main, (void *)(intptr_t)fd) == 0)
		pthread_detach(t);
	else
		close(fd);
}

void scan_link_close(struct scan_link *l)
{
	if (l->fd >= 0)
		scan_close_behind(l->fd);
	if (l->xdp)
		scan_xdp_close(l->xdp);
	l->xdp = NULL;
	if (l->raw_fd >= 0)
		close(l->raw_fd);
	if (l->raw6_fd >= 0)
		close(l->raw6_fd);
	free(l->in);
	l->in = NULL;
	l->fd = l->raw_fd = l->raw6_fd = -1;
}

void scan_link_hurry(struct scan_link *l)
{
	if (l->ethernet && !l->xdp)
		l->xdp = scan_xdp_open(l->ifindex);
}

int scan_link_share(struct scan_link *l, const struct scan_link *of, uint16_t sport)
{
	*l = *of;
	l->n_queued = 0;
	l->fd = l->raw_fd = l->raw6_fd = -1;
	l->in = inbox_new();
	l->xdp = NULL;
	return l->in && open_sockets(l, sport) == 0 ? 0 : -1;
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
			r = sendto(l->raw6_fd, f, l->len[i], 0, (struct sockaddr *)&to, sizeof to);
		} else {
			struct sockaddr_in to = { .sin_family = AF_INET };
			memcpy(&to.sin_addr, f + 16, 4);
			r = sendto(l->raw_fd, f, l->len[i], 0, (struct sockaddr *)&to, sizeof to);
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
	if (l->xdp && scan_xdp_send(l->xdp, l->frame, l->len, l->n_queued, &c->send_errors) == 0) {
		l->n_queued = 0;
		return;
	}
	if (l->xdp) {
		/* Which of them left is not known; twice does no harm. */
		scan_xdp_close(l->xdp);
		l->xdp = NULL;
	}
	memset(m, 0, l->n_queued * sizeof *m);
	for (uint32_t i = 0; i < l->n_queued; i++) {
		v[i] = (struct iovec){ .iov_base = l->frame[i], .iov_len = l->len[i] };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (at < l->n_queued) {
		int r = sendmmsg(l->fd, m + at, l->n_queued - at, 0);
		if (r > 0) {
			at += (uint32_t)r;
		} else if (errno == ENOBUFS || errno == EAGAIN) {
			/* The device's queue is full: give it the time of some packets. */
			struct pollfd p = { .fd = l->fd, .events = POLLOUT };
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
	struct scan_inbox *in = l->in;
	for (;;) {
		if (in->at == in->n) {
			/* A batch that was not full emptied the socket: no need to ask again now.
			 */
			bool more = in->n == 0 || in->n == SCAN_INBOX;
			in->at = in->n = 0;
			int r = more ? recvmmsg(l->fd, in->msg, SCAN_INBOX, MSG_DONTWAIT, NULL) : 0;
			if (r <= 0)
				return NULL;
			in->n = (uint32_t)r;
		}
		const uint8_t *p = in->data[in->at];
		size_t got = in->msg[in->at].msg_len, link = l->hdr_len;
		if (got < link + 1) {
			in->at++;
			continue;
		}
		*len = (got < SCAN_SNAP ? got : SCAN_SNAP) - link;
		if (link) {
			*ethertype = scan_get16(p + 12);
			memcpy(from->b, p + 6, 6);
		} else {
			*ethertype = p[0] >> 4 == 4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6;
		}
		return in->data[in->at] + link;
	}
}

void scan_link_release(struct scan_link *l)
{
	l->in->at++;
}

uint64_t scan_link_drops(struct scan_link *l)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof st;
	return getsockopt(l->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0 ? st.tp_drops : 0;
}

void scan_net_wait(struct scan_net *n, l4_time wait)
{
	struct pollfd p[16];
	nfds_t k = 0;
	for (size_t i = 0; i < n->n_links && k < 16; i++)
		p[k++] = (struct pollfd){ .fd = n->links[i].fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(wait / L4_SEC),
		.tv_nsec = (long)(wait % L4_SEC) };
	ppoll(p, k, &ts, NULL);
}
