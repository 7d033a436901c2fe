/* How fast this machine can put frames onto an interface, by the three ways of Linux for it: the
 * floor that l4 send stands on. Always the same frame, built once; prints frames handed over.
 *
 * Usage: send_floor sendmmsg|ring|xdp INTERFACE SECONDS HEX-FRAME */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <xdp/xsk.h>

#define BATCH  256u
#define FRAMES 2048u
#define CHUNK  2048u

static uint8_t frame[1514];
static unsigned len;
static double until;

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int packet_socket(unsigned ifindex)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	int one = 1, room = 4 << 20, fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	return bind(fd, (struct sockaddr *)&sll, sizeof sll) < 0 ? -1 : fd;
}

static int64_t by_sendmmsg(unsigned ifindex)
{
	struct mmsghdr m[BATCH];
	struct iovec v = { .iov_base = frame, .iov_len = len };
	int64_t sent = 0;
	int fd = packet_socket(ifindex);
	if (fd < 0)
		return -1;
	memset(m, 0, sizeof m);
	for (uint32_t i = 0; i < BATCH; i++) {
		m[i].msg_hdr.msg_iov = &v;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (now_s() < until) {
		int n = sendmmsg(fd, m, BATCH, 0);
		if (n > 0)
			sent += n;
		else if (errno != ENOBUFS && errno != EAGAIN)
			return -1;
	}
	return sent;
}

static int64_t by_ring(unsigned ifindex)
{
	struct tpacket_req req = { .tp_block_size = CHUNK * FRAMES / 4,
		.tp_block_nr = 4,
		.tp_frame_size = CHUNK,
		.tp_frame_nr = FRAMES };
	int version = TPACKET_V2, fd = packet_socket(ifindex), one = 1;
	int64_t sent = 0;
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_LOSS, &one, sizeof one) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof req) < 0)
		return -1;
	uint8_t *ring =
	    mmap(NULL, (size_t)CHUNK * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return -1;
	uint32_t at = 0;
	while (now_s() < until) {
		uint32_t put = 0;
		for (; put < BATCH; put++, at = (at + 1) % FRAMES) {
			struct tpacket2_hdr *h = (void *)(ring + (size_t)at * CHUNK);
			if (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
				break;
			memcpy((uint8_t *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), frame,
			    len);
			h->tp_len = len;
			__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		}
		if (send(fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS)
			return -1;
		sent += put;
	}
	return sent;
}

static int64_t by_xdp(const char *name)
{
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done;
	static uint32_t free_frames[FRAMES];
	uint32_t n_free = FRAMES, id;
	int64_t sent = 0;
	uint8_t *mem = mmap(NULL, (size_t)FRAMES * CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xsk_umem_config uc = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = CHUNK
	};
	struct xsk_socket_config sc = { .tx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY };
	if (mem == MAP_FAILED ||
	    xsk_umem__create(&umem, mem, (uint64_t)FRAMES * CHUNK, &fill, &done, &uc) ||
	    xsk_socket__create(&xsk, name, 0, umem, NULL, &tx, &sc))
		return -1;
	for (uint32_t i = 0; i < FRAMES; i++) {
		free_frames[i] = i;
		memcpy(mem + (size_t)i * CHUNK, frame, len);
	}
	while (now_s() < until) {
		uint32_t n = (uint32_t)xsk_ring_cons__peek(&done, FRAMES, &id);
		for (uint32_t k = 0; k < n; k++)
			free_frames[n_free++] =
			    (uint32_t)(*xsk_ring_cons__comp_addr(&done, id + k) / CHUNK);
		xsk_ring_cons__release(&done, n);
		n = (uint32_t)xsk_ring_prod__reserve(&tx, n_free < BATCH ? n_free : BATCH, &id);
		for (uint32_t k = 0; k < n; k++)
			*xsk_ring_prod__tx_desc(&tx, id + k) =
			    (struct xdp_desc){ .addr = (uint64_t)free_frames[--n_free] * CHUNK,
				    .len = len };
		if (n)
			xsk_ring_prod__submit(&tx, n);
		sent += n;
		sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	}
	return sent;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	unsigned b;
	for (const char *p = argv[4]; len < sizeof frame && sscanf(p, "%2x", &b) == 1; p += 2)
		frame[len++] = (uint8_t)b;
	unsigned ifindex = if_nametoindex(argv[2]);
	double start = now_s();
	until = start + atof(argv[3]);
	int64_t sent = !strcmp(argv[1], "xdp")    ? by_xdp(argv[2])
		       : !strcmp(argv[1], "ring") ? by_ring(ifindex)
						  : by_sendmmsg(ifindex);
	if (sent < 0) {
		perror(argv[1]);
		return 1;
	}
	printf("%.0f\n", (double)sent / (now_s() - start));
	return 0;
}
