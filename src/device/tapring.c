/* Batched writes to a TUN or TAP descriptor by io_uring.
 *
 * A descriptor of this kind takes one frame a write(2). Each takes a way into the kernel and out of
 * it, on which the scheduler may let the reader at the other end run first, for one frame. Here a
 * batch is one system call, which returns when all are done; nothing is in flight between calls, so
 * the frames' bytes are the caller's again, as after write(2).
 *
 * Order: the descriptor is non-blocking and the kernel's driver says so to io_uring, so each write
 * is done within the call, one after the other, and one that has no room fails at once. Links
 * between them (IOSQE_IO_LINK) would demand it, but cost all that the batch gains. So the order of
 * the answers is looked at: where a kernel hands writes to its threads, they come in any order, and
 * the ring is given up. Where it knows io_uring for this driver not at all, each fails with EAGAIN,
 * and a write(2) after it does not: our caller sees that. */
#include "device/tapring.h"

#ifdef L4_HAVE_URING

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

struct l4_tapring {
	struct io_uring ring;
	int fd;
};

struct l4_tapring *l4_tapring_new(int fd)
{
	struct l4_tapring *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	struct io_uring_params p;
	memset(&p, 0, sizeof p);
	/* Work of the kernel's waits for our call and does not interrupt us (Linux 5.19). */
	p.flags = IORING_SETUP_COOP_TASKRUN;
	if (io_uring_queue_init_params(L4_TAPRING_MAX, &r->ring, &p) < 0) {
		memset(&p, 0, sizeof p);
		if (io_uring_queue_init_params(L4_TAPRING_MAX, &r->ring, &p) < 0) {
			free(r);
			return NULL;
		}
	}
	io_uring_ring_dontfork(&r->ring);
	r->fd = fd;
	return r;
}

void l4_tapring_free(struct l4_tapring *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->ring);
	free(r);
}

/* Takes the answers to n writes. 0, 1: out of order, -1: some never came. */
static int reap(struct l4_tapring *r, unsigned n, int *res)
{
	int rc = 0;
	for (unsigned i = 0; i < n; i++) {
		struct io_uring_cqe *c;
		int e;
		do
			e = io_uring_wait_cqe(&r->ring, &c);
		while (e == -EINTR);
		if (e < 0 || c->user_data >= n)
			return -1;
		if (c->user_data != i)
			rc = 1;
		res[c->user_data] = c->res;
		io_uring_cqe_seen(&r->ring, c);
	}
	return rc;
}

int l4_tapring_write(struct l4_tapring *r, const struct l4_tapring_write *w, size_t n, int *res)
{
	unsigned k = (unsigned)n;
	for (unsigned i = 0; i < k; i++) {
		struct io_uring_sqe *s = io_uring_get_sqe(&r->ring);
		if (!s)
			return -1;
		io_uring_prep_writev(s, r->fd, w[i].v, w[i].n, 0);
		s->user_data = i;
	}
	int e = io_uring_submit_and_wait(&r->ring, k);
	if (e < 0 && e != -EINTR)
		return -1;
	return reap(r, k, res);
}

#else

struct l4_tapring *l4_tapring_new(int fd)
{
	(void)fd;
	return NULL;
}

void l4_tapring_free(struct l4_tapring *r)
{
	(void)r;
}

int l4_tapring_write(struct l4_tapring *r, const struct l4_tapring_write *w, size_t n, int *res)
{
	(void)r;
	(void)w;
	(void)n;
	(void)res;
	return -1;
}

#endif
