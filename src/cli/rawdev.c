/* Packets on the loopback interface and on tunnels, as a device.
 *
 * A frame put on the loopback interface by a packet socket would not be taken for local by the
 * kernel. So IP packets are handed to it by raw sockets; it computes the IPv4 header's checksum and
 * length anew. What passes over the interface, answers and all else, is read from a packet socket.
 */
#define _GNU_SOURCE
#include "cli/rawdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <layer4/err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { BATCH = 32, SNAP = 65536 };

struct rawdev {
	struct l4_device d;
	int fd, raw4, raw6;
	uint8_t *bufs;
	struct l4_piece pieces[BATCH];
};

static int rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct rawdev *r = (struct rawdev *)d;
	size_t n = 0;
	while (n < max && n < BATCH) {
		uint8_t *b = r->bufs + n * SNAP;
		ssize_t got = recv(r->fd, b, SNAP, MSG_DONTWAIT | MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (got == 0 || got > SNAP || (b[0] >> 4 != 4 && b[0] >> 4 != 6))
			continue;
		r->pieces[n] = (struct l4_piece){ b, (size_t)got };
		memset(&out[n], 0, sizeof out[n]);
		out[n].pieces = &r->pieces[n];
		out[n].n_pieces = 1;
		out[n].len = (uint32_t)got;
		out[n].time = now;
		n++;
	}
	return (int)n;
}

static int send_one(struct rawdev *r, const uint8_t *p, size_t n)
{
	ssize_t k = -1;
	if (n >= 20 && p[0] >> 4 == 4) {
		struct sockaddr_in to = { .sin_family = AF_INET };
		memcpy(&to.sin_addr, p + 16, 4);
		k = sendto(r->raw4, p, n, 0, (struct sockaddr *)&to, sizeof to);
	} else if (n >= 40 && p[0] >> 4 == 6) {
		struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
		memcpy(&to.sin6_addr, p + 24, 16);
		k = sendto(r->raw6, p, n, 0, (struct sockaddr *)&to, sizeof to);
	} else {
		errno = EINVAL;
	}
	return k < 0 ? -1 : 0;
}

static int tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct rawdev *r = (struct rawdev *)d;
	(void)now;
	for (size_t i = 0; i < n; i++)
		if (frames[i].n_pieces != 1 ||
		    send_one(r, frames[i].pieces[0].data, frames[i].pieces[0].len) < 0) {
			d->saved_errno = errno;
			return i ? (int)i : L4_ESYS;
		}
	return (int)n;
}

static int wait_fd(const struct l4_device *d)
{
	return ((const struct rawdev *)d)->fd;
}

static l4_time deadline(const struct l4_device *d)
{
	(void)d;
	return L4_TIME_NEVER;
}

static void caps(const struct l4_device *d, struct l4_device_caps *out)
{
	(void)d;
	memset(out, 0, sizeof *out);
	out->medium = L4_MEDIUM_IP;
	out->mtu = 65535;
}

static void close_all(struct l4_device *d)
{
	struct rawdev *r = (struct rawdev *)d;
	if (r->fd >= 0)
		close(r->fd);
	if (r->raw4 >= 0)
		close(r->raw4);
	if (r->raw6 >= 0)
		close(r->raw6);
	free(r->bufs);
	free(r);
}

static const struct l4_device_ops ops = { .name = "raw",
	.rx = rx,
	.tx = tx,
	.wait_fd = wait_fd,
	.deadline = deadline,
	.caps = caps,
	.close = close_all };

int rawdev_open(struct l4_device **out, int ifindex, char *err, size_t cap)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	const int one = 1, room = 8 << 20;
	struct rawdev *r = calloc(1, sizeof *r);
	if (!r)
		return L4_ENOMEM;
	r->d.ops = &ops;
	r->bufs = malloc((size_t)BATCH * SNAP);
	r->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r->raw4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	r->raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	a.sll_protocol = htons(ETH_P_ALL);
	if (r->fd >= 0) {
		(void)setsockopt(r->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
		(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	}
	if (!r->bufs || r->fd < 0 || (r->raw4 < 0 && r->raw6 < 0) ||
	    bind(r->fd, (struct sockaddr *)&a, sizeof a) < 0) {
		int e = errno;
		snprintf(err, cap, "raw sockets: %s%s", strerror(e),
		    e == EPERM ? "; they need CAP_NET_RAW: run as root" : "");
		close_all(&r->d);
		return e == EPERM ? L4_EPERM : L4_ESYS;
	}
	*out = &r->d;
	return 0;
}
