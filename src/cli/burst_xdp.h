/* Frames onto an interface through an AF_XDP socket. Included by src/cli/burst*.c only. */
#ifndef L4_CLI_BURST_XDP_H
#define L4_CLI_BURST_XDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BURST_XDP_FRAME = 2048 }; /* bytes of the largest */

struct burst_xdp;

/* NULL: not possible here, or somebody has the interface's queue. */
struct burst_xdp *burst_xdp_open(int ifindex);
void burst_xdp_close(struct burst_xdp *x);
/* Takes a frame. false: the kernel takes no more; what is waiting can be had by
 * burst_xdp_rescue. */
bool burst_xdp_put(struct burst_xdp *x, const void *frame, size_t n);
/* Sends all that is waiting. As put. */
bool burst_xdp_flush(struct burst_xdp *x);
/* The next of the frames that are waiting, which is taken away; NULL: none. */
const void *burst_xdp_rescue(struct burst_xdp *x, size_t *n);
uint64_t burst_xdp_sent(const struct burst_xdp *x, uint64_t *bytes);

#endif
