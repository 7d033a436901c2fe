/* Sending frames through an AF_XDP socket.
 *
 * A packet socket costs a message header, its copy and its checks for each frame; here the frames
 * lie in memory shared with the kernel and one system call sends a batch (about a third less time
 * for each SYN, `bench/run scan` measures both). The socket only sends, in the copying mode that
 * every driver has, and loads no program: what the interface receives is not touched. The rings are
 * the kernel's (Documentation/networking/af_xdp.rst): we are the producer of `tx`, the kernel that
 * of `done`, where the addresses of frames come back once they have left. An interface's queue
 * takes one such socket; a second that shares its memory shares a lock in the kernel too, for each
 * frame, and was slower than a packet socket beside it: other threads have those. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "cli/scan_net.h"

#define CHUNK   2048u /* the kernel's least */
#define FRAMES  1024u
#define RING    1024u  /* entries of each ring; a power of two */
#define NAP     500000 /* ns */
#define PATIENT 1000   /* naps without progress before the socket is given up */
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.18: frames of one call; 32 without it */
#endif

struct ring {
	uint32_t *producer, *consumer;
	void *entries;
	void *map;
	size_t map_len;
};

struct scan_xdp {
	int fd;
	uint8_t *frames;
	struct ring tx, done;
	uint32_t n_free;
	uint32_t free[FRAMES];
};

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static int map_ring(
    struct ring *r, int fd, const struct xdp_ring_offset *off, size_t entry, off_t page)
{
	r->map_len = off->desc + RING * entry;
	r->map =
	    mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return -1;
	}
	r->producer = (void *)((uint8_t *)r->map + off->producer);
	r->consumer = (void *)((uint8_t *)r->map + off->consumer);
	r->entries = (uint8_t *)r->map + off->desc;
	return 0;
}

static int setup_frames(struct scan_xdp *x)
{
	struct xdp_umem_reg umem = { .len = (uint64_t)FRAMES * CHUNK, .chunk_size = CHUNK };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof off;
	int entries = RING, one = 1;
	void *mem = mmap(NULL, (size_t)FRAMES * CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	x->frames = mem;
	umem.addr = (uint64_t)(uintptr_t)mem;
	/* Memory needs a ring of frames to fill, even where nothing is received: one entry. */
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &one, sizeof one) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) < 0 ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0 || len < sizeof off ||
	    map_ring(&x->done, x->fd, &off.cr, sizeof(uint64_t),
		(off_t)XDP_UMEM_PGOFF_COMPLETION_RING) < 0)
		return -1;
	for (uint32_t i = 0; i < FRAMES; i++)
		x->free[x->n_free++] = i;
	return 0;
}

static int setup(struct scan_xdp *x, int ifindex)
{
	struct sockaddr_xdp sxdp = {
		.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY, .sxdp_ifindex = (uint32_t)ifindex
	};
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof off;
	int entries = RING, batch = SCAN_BATCH, room = 4 << 20;
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0 || setup_frames(x) < 0 ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &entries, sizeof entries) < 0 ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0 || len < sizeof off ||
	    map_ring(&x->tx, x->fd, &off.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING) < 0)
		return -1;
	(void)setsockopt(x->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &batch, sizeof batch);
	(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	return bind(x->fd, (struct sockaddr *)&sxdp, sizeof sxdp);
}

struct scan_xdp *scan_xdp_open(int ifindex)
{
	struct scan_xdp *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	x->fd = -1;
	if (setup(x, ifindex) == 0)
		return x;
	scan_xdp_close(x);
	return NULL;
}

void scan_xdp_close(struct scan_xdp *x)
{
	if (x->fd >= 0)
		scan_close_behind(x->fd);
	if (x->tx.map)
		munmap(x->tx.map, x->tx.map_len);
	if (x->done.map)
		munmap(x->done.map, x->done.map_len);
	if (x->frames)
		munmap(x->frames, (size_t)FRAMES * CHUNK);
	free(x);
}

/* Takes back the frames that have left, then at most n for what is to leave. */
static uint32_t take(struct scan_xdp *x, uint32_t *out, uint32_t n)
{
	uint32_t got = 0;
	uint32_t at = *x->done.consumer, end = load(x->done.producer);
	const uint64_t *addr = x->done.entries;
	for (; at != end && x->n_free < FRAMES; at++)
		x->free[x->n_free++] = (uint32_t)(addr[at & (RING - 1)] / CHUNK) & (FRAMES - 1);
	__atomic_store_n(x->done.consumer, at, __ATOMIC_RELEASE);
	while (got < n && x->n_free)
		out[got++] = x->free[--x->n_free];
	return got;
}

/* Gives the kernel time to process what is queued. Asleep rather than busy: what is to do that may
 * need this very processor. */
static void nap(void)
{
	struct timespec ts = { .tv_nsec = NAP };
	nanosleep(&ts, NULL);
}

/* Has the kernel send until it has taken all that is in the ring; 0, or -1 when it takes no more.
 * `lost` (of at least as many entries) gets the places of those that it took and threw away,
 * because the interface's queue was full. */
static int kick(struct scan_xdp *x, uint32_t *lost, uint32_t *n_lost)
{
	uint32_t end = *x->tx.producer, at = load(x->tx.consumer);
	for (int idle = 0; at != end;) {
		ssize_t r = sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		int why = r < 0 ? errno : 0;
		uint32_t before = at;
		at = load(x->tx.consumer);
		if (why == EBUSY && at != before) {
			/* net/xdp/xsk.c, __xsk_generic_xmit: the last one was dropped. */
			lost[(*n_lost)++] = at - 1;
			nap();
		}
		if (at != before) {
			idle = 0;
			continue;
		}
		if (why && why != EAGAIN && why != EBUSY && why != ENOBUFS && why != EINTR)
			return -1;
		if (++idle > PATIENT)
			return -1;
		nap();
	}
	return 0;
}

int scan_xdp_send(struct scan_xdp *x, uint8_t (*frame)[SCAN_FRAME_MAX], const uint32_t *len,
    uint32_t n, uint64_t *full)
{
	struct xdp_desc *desc = x->tx.entries;
	uint32_t chunk[SCAN_BATCH], todo[SCAN_BATCH], lost[SCAN_BATCH];
	for (uint32_t i = 0; i < n; i++)
		todo[i] = i;
	for (int idle = 0; n;) {
		uint32_t start = *x->tx.producer, at = start, n_lost = 0;
		uint32_t k = take(x, chunk, n);
		for (uint32_t i = 0; i < k; i++, at++) {
			uint64_t addr = (uint64_t)chunk[i] * CHUNK;
			memcpy(x->frames + addr, frame[todo[i]], SCAN_FRAME_MAX);
			desc[at & (RING - 1)] =
			    (struct xdp_desc){ .addr = addr, .len = len[todo[i]] };
		}
		__atomic_store_n(x->tx.producer, at, __ATOMIC_RELEASE);
		if (kick(x, lost, &n_lost) < 0)
			return -1;
		idle = k ? 0 : idle + 1;
		if (idle > PATIENT)
			return -1;
		if (!k)
			nap();
		/* What was thrown away goes again, behind the rest. */
		for (uint32_t i = 0; i < n_lost; i++)
			lost[i] = todo[lost[i] - start];
		memmove(todo, todo + k, (n - k) * sizeof *todo);
		memcpy(todo + n - k, lost, n_lost * sizeof *todo);
		n = n - k + n_lost;
		*full += n_lost;
	}
	return 0;
}
