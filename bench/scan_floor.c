/* How fast this machine can send SYNs while the target's kernel answers them: the floor that a SYN
 * scan stands on. Prints packets per second; answers are not read (bench/scan sees by the
 * interface's counter that they came).
 *
 * Usage: scan_floor sendto|sendmmsg|ring|xdp INTERFACE TARGET-MAC SOURCE TARGET (IPv4) */
#define _GNU_SOURCE
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

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <xdp/xsk.h>

#include <layer4/wire.h>

#define PACKETS   131072u
#define BATCH     256u
#define FRAME_LEN 58u
#define FRAMES    4096u
#define CHUNK     2048u

static uint8_t frame[FRAME_LEN];
static struct l4_addr src, dst;
static double started; /* when sending began */

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void build(uint8_t *out, uint32_t i)
{
	struct l4_tcp_hdr t = { .sport = 50000,
		.dport = (uint16_t)(i % 65535 + 1),
		.seq = i,
		.flags = L4_TCPF_SYN,
		.wnd = 1024,
		.opts = { .present = L4_TCPO_MSS, .mss = 1460 } };
	memcpy(out, frame, FRAME_LEN);
	l4_tcp_emit(&t, out + 34, FRAME_LEN - 34);
	uint16_t csum = l4_wire_csum(&src, &dst, L4_PROTO_TCP, out + 34, FRAME_LEN - 34);
	memcpy(out + 34 + 16, &csum, 2);
}

static int by_sendto(unsigned ifindex)
{
	uint8_t data[FRAME_LEN];
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		return -1;
	for (uint32_t i = 0; i < PACKETS; i++) {
		build(data, i);
		if (sendto(fd, data, sizeof data, 0, (struct sockaddr *)&sll, sizeof sll) < 0)
			return -1;
	}
	close(fd);
	return 0;
}

/* PACKET_TX_RING (packet(7)): frames in shared memory, one call a batch. */
static int by_ring(unsigned ifindex)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	struct tpacket_req req = { .tp_block_size = BATCH * 256,
		.tp_block_nr = 1,
		.tp_frame_size = 256,
		.tp_frame_nr = BATCH };
	int one = 1, version = TPACKET_V2, fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof sll) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof req) < 0)
		return -1;
	uint8_t *ring = mmap(NULL, BATCH * 256, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return -1;
	for (uint32_t i = 0; i < PACKETS; i += BATCH) {
		for (uint32_t k = 0; k < BATCH; k++) {
			struct tpacket2_hdr *h = (void *)(ring + (size_t)k * 256);
			while (
			    __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
				if (send(fd, NULL, 0, 0) < 0)
					return -1;
			build((uint8_t *)h + TPACKET2_HDRLEN - sizeof sll, i + k);
			h->tp_len = FRAME_LEN;
			__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		}
		if (send(fd, NULL, 0, 0) < 0)
			return -1;
	}
	close(fd);
	return 0;
}

static int by_sendmmsg(unsigned ifindex)
{
	static uint8_t data[BATCH][FRAME_LEN];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof sll) < 0)
		return -1;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	memset(m, 0, sizeof m);
	for (uint32_t i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ .iov_base = data[i], .iov_len = FRAME_LEN };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint32_t i = 0; i < PACKETS; i += BATCH) {
		for (uint32_t k = 0; k < BATCH; k++)
			build(data[k], i + k);
		for (int at = 0; at < (int)BATCH;) {
			int n = sendmmsg(fd, m + at, BATCH - (unsigned)at, 0);
			if (n < 0)
				return -1;
			at += n;
		}
	}
	close(fd);
	return 0;
}

static int by_xdp(const char *name)
{
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	static uint32_t free_frames[FRAMES];
	uint32_t n_free = FRAMES, id;
	uint8_t *mem = mmap(NULL, (size_t)FRAMES * CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xsk_umem_config uc = {
		.fill_size = FRAMES, .comp_size = FRAMES, .frame_size = CHUNK
	};
	struct xsk_socket_config sc = { .rx_size = 2048,
		.tx_size = FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY };
	if (mem == MAP_FAILED ||
	    xsk_umem__create(&umem, mem, (uint64_t)FRAMES * CHUNK, &fill, &done, &uc))
		return -1;
	/* A socket that was closed just before may hold the queue for a moment yet. */
	int r = -EBUSY;
	for (int i = 0; r == -EBUSY && i < 200; i++) {
		struct timespec nap = { .tv_nsec = 5000000 };
		r = xsk_socket__create(&xsk, name, 0, umem, &rx, &tx, &sc);
		if (r == -EBUSY)
			nanosleep(&nap, NULL);
	}
	if (r) {
		errno = -r;
		return -1;
	}
	started = now_s();
	for (uint32_t i = 0; i < FRAMES; i++)
		free_frames[i] = i;
	for (uint32_t i = 0; i < PACKETS;) {
		uint32_t n = (uint32_t)xsk_ring_cons__peek(&done, FRAMES, &id);
		for (uint32_t k = 0; k < n; k++)
			free_frames[n_free++] =
			    (uint32_t)(*xsk_ring_cons__comp_addr(&done, id + k) / CHUNK);
		xsk_ring_cons__release(&done, n);
		n = (uint32_t)xsk_ring_prod__reserve(&tx, n_free < BATCH ? n_free : BATCH, &id);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t f = free_frames[--n_free];
			build(mem + (size_t)f * CHUNK, i++);
			struct xdp_desc *d = xsk_ring_prod__tx_desc(&tx, id + k);
			*d = (struct xdp_desc){ .addr = (uint64_t)f * CHUNK, .len = FRAME_LEN };
		}
		if (n)
			xsk_ring_prod__submit(&tx, n);
		/* The interface's queue was full and a packet is lost: a nap lets it drain. */
		struct timespec nap = { .tv_nsec = 500000 };
		if (sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		    errno == EBUSY)
			nanosleep(&nap, NULL);
	}
	/* The kernel takes some at each call: all must have left. */
	while (xsk_prod_nb_free(&tx, FRAMES) < FRAMES)
		sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct l4_eth_hdr eth = { .type = L4_ETHERTYPE_IP4 };
	struct ifreq ifr;
	if (argc != 6 || l4_mac_parse(&eth.dst, argv[3]) < 0 || l4_addr_parse(&src, argv[4]) < 0 ||
	    l4_addr_parse(&dst, argv[5]) < 0)
		return 2;
	memset(&ifr, 0, sizeof ifr);
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", argv[2]);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return 1;
	memcpy(eth.src.b, ifr.ifr_hwaddr.sa_data, 6);
	struct l4_ip4_hdr ip = { .total_len = FRAME_LEN - 14,
		.ttl = 64,
		.proto = L4_PROTO_TCP,
		.src = src,
		.dst = dst };
	l4_eth_emit(&eth, frame, sizeof frame);
	l4_ip4_emit(&ip, frame + 14, sizeof frame - 14);
	started = now_s();
	unsigned ifindex = if_nametoindex(argv[2]);
	int r = !strcmp(argv[1], "xdp")      ? by_xdp(argv[2])
		: !strcmp(argv[1], "ring")   ? by_ring(ifindex)
		: !strcmp(argv[1], "sendto") ? by_sendto(ifindex)
					     : by_sendmmsg(ifindex);
	if (r < 0) {
		perror(argv[1]);
		return 1;
	}
	printf("%.0f\n", PACKETS / (now_s() - started));
	return 0;
}
