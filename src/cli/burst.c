/* Frames onto an interface as fast as the kernel takes them.
 *
 * Through an AF_XDP socket where that can be had (burst_xdp.c): of the three ways that Linux has it
 * is the fastest (bench/send measures all). Else, or when a second thread sends, whose socket
 * cannot have the same queue, through a packet socket that bypasses the queueing discipline, by
 * sendmmsg with 256 frames a call; small frames lie side by side, so that the batch stays in the
 * cache. */
#define _GNU_SOURCE
#include "cli/burst.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "cli/burst_xdp.h"

enum { BATCH = 256, ARENA = 1 << 16, PATIENT = 2000 };

struct burst {
	struct burst_xdp *xdp; /* or NULL */
	int fd;
	unsigned n;
	size_t used, room;
	uint64_t sent, bytes;
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	uint8_t *arena; /* ARENA + room bytes */
};

struct burst *burst_open(int ifindex, size_t room)
{
	/* Protocol 0: nothing is received. */
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	const int one = 1, size = 4 << 20;
	struct burst *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->room = room;
	b->arena = malloc(ARENA + room);
	b->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (!b->arena || b->fd < 0 || bind(b->fd, (struct sockaddr *)&a, sizeof a) < 0) {
		int e = errno;
		burst_close(b);
		errno = e;
		return NULL;
	}
	(void)setsockopt(b->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	if (setsockopt(b->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		(void)setsockopt(b->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (room <= BURST_XDP_FRAME)
		b->xdp = burst_xdp_open(ifindex);
	for (unsigned i = 0; i < BATCH; i++) {
		b->msg[i].msg_hdr.msg_iov = &b->iov[i];
		b->msg[i].msg_hdr.msg_iovlen = 1;
	}
	return b;
}

void burst_close(struct burst *b)
{
	if (!b)
		return;
	burst_xdp_close(b->xdp);
	if (b->fd >= 0)
		close(b->fd);
	free(b->arena);
	free(b);
}

static int flush_packets(struct burst *b)
{
	unsigned at = 0;
	int result = 0;
	for (int idle = 0; at < b->n;) {
		int k = sendmmsg(b->fd, b->msg + at, b->n - at, 0);
		if (k > 0) {
			for (int i = 0; i < k; i++)
				b->bytes += b->iov[at + (unsigned)i].iov_len;
			b->sent += (uint64_t)k;
			at += (unsigned)k;
			idle = 0;
		} else if (k < 0 && (errno == ENOBUFS || errno == EAGAIN) && idle++ < PATIENT) {
			/* The interface's queue is full: give it the time of some packets. */
			struct pollfd p = { .fd = b->fd, .events = POLLOUT };
			poll(&p, 1, 1);
		} else if (k == 0 || errno != EINTR) {
			result = -1;
			break;
		}
	}
	b->n = 0;
	b->used = 0;
	return result;
}

static int put_packet(struct burst *b, const void *frame, size_t n)
{
	if (b->n == BATCH || b->used + n > ARENA + b->room)
		if (flush_packets(b) < 0)
			return -1;
	uint8_t *p = b->arena + b->used;
	memcpy(p, frame, n);
	b->iov[b->n++] = (struct iovec){ .iov_base = p, .iov_len = n };
	b->used += n;
	return b->n == BATCH || b->used >= ARENA ? flush_packets(b) : 0;
}

/* Goes on with the packet socket, which also says what is wrong. */
static int leave_xdp(struct burst *b)
{
	const void *p;
	size_t n;
	uint64_t bytes;
	int r = 0;
	b->sent += burst_xdp_sent(b->xdp, &bytes);
	b->bytes += bytes;
	while (!r && (p = burst_xdp_rescue(b->xdp, &n)))
		r = put_packet(b, p, n);
	burst_xdp_close(b->xdp);
	b->xdp = NULL;
	return r;
}

int burst_put(struct burst *b, const void *frame, size_t n)
{
	if (n > b->room) {
		errno = EMSGSIZE;
		return -1;
	}
	if (b->xdp) {
		if (burst_xdp_put(b->xdp, frame, n))
			return 0;
		if (leave_xdp(b) < 0)
			return -1;
	}
	return put_packet(b, frame, n);
}

int burst_flush(struct burst *b)
{
	if (b->xdp) {
		if (burst_xdp_flush(b->xdp))
			return 0;
		if (leave_xdp(b) < 0)
			return -1;
	}
	return flush_packets(b);
}

uint64_t burst_sent(const struct burst *b, uint64_t *bytes)
{
	uint64_t n = b->xdp ? burst_xdp_sent(b->xdp, bytes) : 0;
	*bytes = b->bytes + (b->xdp ? *bytes : 0);
	return b->sent + n;
}
