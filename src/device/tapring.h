/* Writes to a TUN or TAP descriptor, many a system call, by io_uring. Included by src/device only.
 */
#ifndef L4_DEVICE_TAPRING_H
#define L4_DEVICE_TAPRING_H

#include <stddef.h>
#include <sys/uio.h>

#define L4_TAPRING_MAX 64 /* writes a call */

struct l4_tapring;

/* A ring for one descriptor, borrowed. NULL: not built with liburing, refused by the system (sysctl
 * kernel.io_uring_disabled, a filter of system calls), or no memory; write(2) does as well. */
struct l4_tapring *l4_tapring_new(int fd);
void l4_tapring_free(struct l4_tapring *r); /* NULL is allowed */

/* One frame to write. */
struct l4_tapring_write {
	const struct iovec *v;
	unsigned n;
};

/* Writes n frames in order, at most L4_TAPRING_MAX; res[i] gets what write(2) of frame i would have
 * returned, or -errno. Returns 0; 1 when they were not surely written in order; -1 when the ring
 * itself failed, and of the batch nothing is known. After the latter two it is not to be used. */
int l4_tapring_write(struct l4_tapring *r, const struct l4_tapring_write *w, size_t n, int *res);

#endif
