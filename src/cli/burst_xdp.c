/* Frames onto an interface through an AF_XDP socket.
 *
 * The frames lie in memory shared with the kernel, and one call has it send a batch: a packet
 * socket also copies a message header for each and dissects it. The socket only sends, in the
 * copying mode that every driver has, and loads no program; what the interface receives is not
 * touched. Rings are the kernel's (Documentation/networking/af_xdp.rst): we produce `tx`; in `done`
 * the kernel gives frames back once nobody holds them.
 *
 * What a full queue of the interface throws away is told by EBUSY, one frame at a time
 * (net/xdp/xsk.c, __xsk_generic_xmit), and sent again, so that what is counted has left. */
#define _GNU_SOURCE
#include "cli/burst_xdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h>

enum { FRAMES = 2048, RING = 2048, BATCH = 256, PATIENT = 4000 };
#define NAP 200000 /* ns */
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.18: frames of one call; 32 without it */
#endif

struct ring {
	uint32_t *producer, *consumer;
	void *entries, *map;
	size_t len;
};

struct burst_xdp {
	int fd;
	uint8_t *frames;
	struct ring tx, done;
	uint32_t n_free, free[FRAMES];
	/* what waits for the next call */
	uint32_t n;
	uint32_t chunk[BATCH], size[BATCH];
	uint64_t sent, bytes;
	uint8_t again[BURST_XDP_FRAME];
};

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static int map_ring(
    struct ring *r, int fd, const struct xdp_ring_offset *off, size_t entry, off_t page)
{
	r->len = off->desc + RING * entry;
	r->map = mmap(NULL, r->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -1;
	}
	r->producer = (void *)((uint8_t *)r->map + off->producer);
	r->consumer = (void *)((uint8_t *)r->map + off->consumer);
	r->entries = (uint8_t *)r->map + off->desc;
	return 0;
}

static int setup(struct burst_xdp *x, int ifindex)
{
	struct sockaddr_xdp a = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY, .sxdp_ifindex = (uint32_t)ifindex
	};
	struct xdp_umem_reg umem = { .len = (uint64_t)FRAMES * BURST_XDP_FRAME,
		.chunk_size = BURST_XDP_FRAME };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof off;
	int entries = RING, one = 1, budget = BATCH, room = 8 << 20;
	void *mem = mmap(NULL, (size_t)FRAMES * BURST_XDP_FRAME, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	x->frames = mem;
	umem.addr = (uint64_t)(uintptr_t)mem;
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	/* A ring of frames to fill is needed even where nothing is received: one entry. */
	if (x->fd < 0 || setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &one, sizeof one) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &entries, sizeof entries) < 0 ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0 || len < sizeof off ||
	    map_ring(&x->tx, x->fd, &off.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING) < 0 ||
	    map_ring(&x->done, x->fd, &off.cr, sizeof(uint64_t),
		(off_t)XDP_UMEM_PGOFF_COMPLETION_RING) < 0)
		return -1;
	(void)setsockopt(x->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);
	(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	for (uint32_t i = 0; i < FRAMES; i++)
		x->free[x->n_free++] = FRAMES - 1 - i;
	return bind(x->fd, (struct sockaddr *)&a, sizeof a);
}

struct burst_xdp *burst_xdp_open(int ifindex)
{
	struct burst_xdp *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	x->fd = -1;
	if (setup(x, ifindex) == 0)
		return x;
	burst_xdp_close(x);
	return NULL;
}

void burst_xdp_close(struct burst_xdp *x)
{
	if (!x)
		return;
	if (x->fd >= 0)
		close(x->fd);
	if (x->tx.map)
		munmap(x->tx.map, x->tx.len);
	if (x->done.map)
		munmap(x->done.map, x->done.len);
	if (x->frames)
		munmap(x->frames, (size_t)FRAMES * BURST_XDP_FRAME);
	free(x);
}

/* Takes back what nobody holds any more. */
static void reclaim(struct burst_xdp *x)
{
	uint32_t at = *x->done.consumer, end = load(x->done.producer);
	const uint64_t *addr = x->done.entries;
	for (; at != end && x->n_free < FRAMES; at++)
		x->free[x->n_free++] =
		    (uint32_t)(addr[at & (RING - 1)] / BURST_XDP_FRAME) & (FRAMES - 1);
	__atomic_store_n(x->done.consumer, at, __ATOMIC_RELEASE);
}

/* Gives the kernel time. Asleep: what is to be done may need this very processor. */
static void nap(void)
{
	struct timespec ts = { .tv_nsec = NAP };
	nanosleep(&ts, NULL);
}

/* Has the kernel send what is in the ring, up to the first frame that it throws away; returns how
 * many it took, the last of them thrown away if *lost; -1: it takes no more. */
static int kick(struct burst_xdp *x, bool *lost)
{
	uint32_t end = *x->tx.producer, from = load(x->tx.consumer), at = from;
	*lost = false;
	for (int idle = 0; at != end;) {
		ssize_t r = sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		int why = r < 0 ? errno : 0;
		uint32_t before = at;
		at = load(x->tx.consumer);
		if (at != before)
			idle = 0;
		if (why == EBUSY && at != before) {
			*lost = true;
			break;
		}
		if (at != before)
			continue;
		if (why && why != EAGAIN && why != EBUSY && why != ENOBUFS && why != EINTR)
			return -1;
		if (++idle > PATIENT)
			return -1;
		if (why != EAGAIN) /* that is only the end of a call's budget */
			nap();
	}
	return (int)(at - from);
}

/* Leaves what waits from `first` on to be rescued. */
static bool give_up(struct burst_xdp *x, uint32_t first)
{
	x->n -= first;
	memmove(x->chunk, x->chunk + first, x->n * sizeof *x->chunk);
	memmove(x->size, x->size + first, x->n * sizeof *x->size);
	return false;
}

bool burst_xdp_flush(struct burst_xdp *x)
{
	struct xdp_desc *desc = x->tx.entries;
	uint32_t at = *x->tx.producer, first = 0;
	for (uint32_t i = 0; i < x->n; i++, at++)
		desc[at & (RING - 1)] =
		    (struct xdp_desc){ .addr = (uint64_t)x->chunk[i] * BURST_XDP_FRAME,
			    .len = x->size[i] };
	__atomic_store_n(x->tx.producer, at, __ATOMIC_RELEASE);
	while (first < x->n) {
		bool lost;
		int k = kick(x, &lost);
		if (k < 0)
			return give_up(x, first);
		for (int i = 0; i < k - lost; i++)
			x->bytes += x->size[first + (uint32_t)i];
		x->sent += (uint64_t)(k - lost);
		first += (uint32_t)k;
		if (!lost)
			continue;
		/* It goes again, behind the rest, from another place: its own comes back. */
		uint32_t old = first - 1, size = x->size[old];
		memcpy(x->again, x->frames + (size_t)x->chunk[old] * BURST_XDP_FRAME, size);
		nap();
		for (int idle = 0; !x->n_free && idle < PATIENT; idle++) {
			reclaim(x);
			if (!x->n_free)
				nap();
		}
		if (!x->n_free)
			return give_up(x, old);
		uint32_t c = x->free[--x->n_free];
		memcpy(x->frames + (size_t)c * BURST_XDP_FRAME, x->again, size);
		desc[at & (RING - 1)] =
		    (struct xdp_desc){ .addr = (uint64_t)c * BURST_XDP_FRAME, .len = size };
		__atomic_store_n(x->tx.producer, ++at, __ATOMIC_RELEASE);
		/* The list of what waits stays in the order of the ring. */
		memmove(x->chunk + old, x->chunk + old + 1, (x->n - old - 1) * sizeof *x->chunk);
		memmove(x->size + old, x->size + old + 1, (x->n - old - 1) * sizeof *x->size);
		x->chunk[x->n - 1] = c;
		x->size[x->n - 1] = size;
		first--;
	}
	x->n = 0;
	return true;
}

bool burst_xdp_put(struct burst_xdp *x, const void *frame, size_t n)
{
	if (x->n == BATCH && !burst_xdp_flush(x))
		return false;
	for (int idle = 0; !x->n_free; idle++) {
		reclaim(x);
		if (x->n_free)
			break;
		if (idle > PATIENT || !burst_xdp_flush(x))
			return false;
		nap();
	}
	uint32_t c = x->free[--x->n_free];
	memcpy(x->frames + (size_t)c * BURST_XDP_FRAME, frame, n);
	x->chunk[x->n] = c;
	x->size[x->n++] = (uint32_t)n;
	return true;
}

const void *burst_xdp_rescue(struct burst_xdp *x, size_t *n)
{
	if (!x->n)
		return NULL;
	x->n--;
	*n = x->size[x->n];
	return x->frames + (size_t)x->chunk[x->n] * BURST_XDP_FRAME;
}

uint64_t burst_xdp_sent(const struct burst_xdp *x, uint64_t *bytes)
{
	*bytes = x->bytes;
	return x->sent;
}
