/* Frames onto an interface as fast as the kernel takes them. Included by src/cli only. */
#ifndef L4_CLI_BURST_H
#define L4_CLI_BURST_H

#include <stddef.h>
#include <stdint.h>

struct burst;

/* NULL: errno says why. room: bytes of the largest frame. */
struct burst *burst_open(int ifindex, size_t room);
void burst_close(struct burst *b);
/* Takes a frame; sends the batch when it is full. 0, or -1 with errno: the interface refuses. */
int burst_put(struct burst *b, const void *frame, size_t n);
/* Sends what is waiting. As burst_put. */
int burst_flush(struct burst *b);
/* Frames that the kernel took so far, and their bytes. */
uint64_t burst_sent(const struct burst *b, uint64_t *bytes);

#endif
