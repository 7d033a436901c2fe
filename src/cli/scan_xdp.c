/* Sending frames through an AF_XDP socket.
 *
 * A packet socket costs a message header, its copy and its checks for each frame; here the frames
 * lie in memory shared with the kernel and one system call sends a batch (about a third less time
 * for each SYN, `bench/run scan` measures both). The socket only sends, in the copying mode that
 * every driver has, and loads no program: what the interface receives is not touched. The rings are
 * the kernel's (Documentation/networking/af_xdp.rst): we are the producer of `tx`, the kernel that
 * of `done`, where the addresses of frames come back once they have left. Several threads can send:
 * each has a socket and a `tx` ring of its own, the frames and `done` are shared. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "cli/scan_net.h"

#define CHUNK   2048u  /* the kernel's least */
#define FRAMES  1024u  /* of all sockets */
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

/* What the sockets of one interface share. */
struct pool {
	pthread_mutex_t lock;
	unsigned users;
	uint8_t *frames;
	struct ring done;
	uint32_t n_free;
	uint32_t free[FRAMES];
};

struct scan_xdp {
	struct pool *pool;
	int fd;
	struct ring tx;
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

static int setup_pool(struct pool *p, int fd)
{
	struct xdp_umem_reg umem = { .len = (uint64_t)FRAMES * CHUNK, .chunk_size = CHUNK };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof off;
	int entries = RING, one = 1;
	void *mem = mmap(NULL, (size_t)FRAMES * CHUNK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	p->frames = mem;
	umem.addr = (uint64_t)(uintptr_t)mem;
	/* Memory needs a ring of frames to fill, even where nothing is received: one entry. */
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &one, sizeof one) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) < 0 ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0 || len < sizeof off ||
	    map_ring(
		&p->done, fd, &off.cr, sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_COMPLETION_RING) < 0)
		return -1;
	for (uint32_t i = 0; i < FRAMES; i++)
		p->free[p->n_free++] = i;
	return 0;
}

/* first: the socket whose memory is shared, or -1. */
static int setup(struct scan_xdp *x, int ifindex, int first)
{
	struct sockaddr_xdp sxdp = { .sxdp_family = AF_XDP,
		.sxdp_flags = first < 0 ? XDP_COPY : XDP_SHARED_UMEM,
		.sxdp_ifindex = (uint32_t)ifindex,
		.sxdp_shared_umem_fd = first < 0 ? 0 : (uint32_t)first };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof off;
	int entries = RING, batch = SCAN_BATCH, room = 4 << 20;
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0 || (first < 0 && setup_pool(x->pool, x->fd) < 0) ||
	    setsockopt(x->fd, SOL_XDP, XDP_TX_RING, &entries, sizeof entries) < 0 ||
	    getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0 || len < sizeof off ||
	    map_ring(&x->tx, x->fd, &off.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING) < 0)
		return -1;
	(void)setsockopt(x->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &batch, sizeof batch);
	(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	return bind(x->fd, (struct sockaddr *)&sxdp, sizeof sxdp);
}

struct scan_xdp *scan_xdp_open(int ifindex, const struct scan_xdp *share)
{
	struct scan_xdp *x = calloc(1, sizeof *x);
	struct pool *p = share ? share->pool : calloc(1, sizeof *p);
	if (!x || !p) {
		if (!share)
			free(p);
		free(x);
		return NULL;
	}
	if (!share)
		pthread_mutex_init(&p->lock, NULL);
	*x = (struct scan_xdp){ .pool = p, .fd = -1 };
	p->users++;
	if (setup(x, ifindex, share ? share->fd : -1) == 0)
		return x;
	scan_xdp_close(x);
	return NULL;
}

void scan_xdp_close(struct scan_xdp *x)
{
	struct pool *p = x->pool;
	if (x->fd >= 0)
		scan_close_behind(x->fd);
	if (x->tx.map)
		munmap(x->tx.map, x->tx.map_len);
	free(x);
	pthread_mutex_lock(&p->lock);
	unsigned left = --p->users;
	pthread_mutex_unlock(&p->lock);
	if (left)
		return;
	if (p->done.map)
		munmap(p->done.map, p->done.map_len);
	if (p->frames)
		munmap(p->frames, (size_t)FRAMES * CHUNK);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Takes back the frames that have left, then at most n for what is to leave. */
static uint32_t take(struct pool *p, uint32_t *out, uint32_t n)
{
	uint32_t got = 0;
	pthread_mutex_lock(&p->lock);
	uint32_t at = *p->done.consumer, end = load(p->done.producer);
	const uint64_t *addr = p->done.entries;
	for (; at != end && p->n_free < FRAMES; at++)
		p->free[p->n_free++] = (uint32_t)(addr[at & (RING - 1)] / CHUNK) & (FRAMES - 1);
	__atomic_store_n(p->done.consumer, at, __ATOMIC_RELEASE);
	while (got < n && p->n_free)
		out[got++] = p->free[--p->n_free];
	pthread_mutex_unlock(&p->lock);
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
		uint32_t k = take(x->pool, chunk, n);
		for (uint32_t i = 0; i < k; i++, at++) {
			uint64_t addr = (uint64_t)chunk[i] * CHUNK;
			memcpy(x->pool->frames + addr, frame[todo[i]], SCAN_FRAME_MAX);
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
