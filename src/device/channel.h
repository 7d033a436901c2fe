/* One direction of an impaired path: frames go in at a time and come out at a later one, or not at
 * all. Shared by the simulated link and the fault device; included by src/device only. */
#ifndef L4_DEVICE_CHANNEL_H
#define L4_DEVICE_CHANNEL_H

#include <layer4/device.h>
#include <layer4/sim.h>

#include "base/rng.h"

/* Limits of one direction: above either a frame is dropped as by a full queue. */
#define L4_CHAN_FRAMES_MAX 262144u
#define L4_CHAN_BYTES_MAX  ((uint64_t)256 << 20)

/* A frame on its way. */
struct l4_chan_frame {
	uint8_t *data;
	uint32_t len;
	l4_time at;      /* arrival */
	uint64_t serial; /* order among equal times */
};

struct l4_chan {
	struct l4_impair im;
	enum l4_medium medium;
	struct l4_rng rng;
	uint32_t buf_size;          /* bytes of every buffer: the largest frame */
	struct l4_chan_frame *heap; /* by (at, serial) */
	uint32_t n, cap;
	uint64_t serial;
	l4_time now;          /* latest time seen; earlier ones count as this */
	l4_time busy_until;   /* when the last queued byte has left */
	uint64_t busy_rest;   /* part of a nanosecond, in 1/rate, not yet charged */
	l4_time last_arrival; /* of frames that keep their order */
	bool in_burst;        /* Gilbert-Elliott: the bad state */
	uint8_t **spare;      /* buffers to use again */
	uint32_t n_spare, cap_spare;
	uint64_t n_bufs;    /* all buffers alive */
	double delay_sum_s; /* queueing, for the mean */
	uint64_t delay_n;
	struct l4_link_stats stats;
};

/* mtu: bytes of the largest IP packet; frames may be L4_CHAN_ROOM longer. */
#define L4_CHAN_ROOM 22u
void l4_chan_init(struct l4_chan *c, enum l4_medium medium, uint32_t mtu,
    const struct l4_impair *im, uint64_t seed);
void l4_chan_fini(struct l4_chan *c);
/* A buffer of c->buf_size bytes to write a frame to, or NULL without memory or room; to be given
 * back with push or release. */
uint8_t *l4_chan_reserve(struct l4_chan *c);
void l4_chan_release(struct l4_chan *c, uint8_t *buf);
/* Puts len bytes of a reserved buffer on the way at time now. */
void l4_chan_push(struct l4_chan *c, uint8_t *buf, uint32_t len, l4_time now);
/* Splits a frame as the wire needs it and pushes the parts. Malformed frames are lost. */
void l4_chan_send(struct l4_chan *c, const struct l4_frame *f, l4_time now);
/* The next frame that has arrived at `now` (it stays), or NULL. */
const struct l4_chan_frame *l4_chan_peek(const struct l4_chan *c, l4_time now);
/* Takes that frame; its buffer is the caller's until release. False: none. */
bool l4_chan_pop(struct l4_chan *c, l4_time now, struct l4_chan_frame *out);
/* Arrival of the next frame; L4_TIME_NEVER when none is on its way. */
l4_time l4_chan_deadline(const struct l4_chan *c);
void l4_chan_stats(const struct l4_chan *c, struct l4_link_stats *out);

#endif
