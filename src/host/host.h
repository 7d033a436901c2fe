/* A host's own state. Included by src/host only.
 *
 * The host joins the IP layer (src/ip), UDP (src/udp) and TCP (src/tcp), which know nothing of each
 * other: frames are parsed in rx.c, runs of TCP segments joined in gro.c, frames to send made in
 * tx.c, events collected in events.c. */
#ifndef L4_HOST_HOST_H
#define L4_HOST_HOST_H

#include <layer4/host.h>

#include "base/apart.h"
#include "base/mem.h"
#include "base/rng.h"
#include "ip/ip.h"
#include "tcp/stack.h"
#include "udp/udp.h"

/* ---- Events --------------------------------------------------------------------------------- */

/* For each index of a kind of endpoint: the generation to tell of, and whether it is queued. */
struct l4_event_marks {
	uint32_t *gen; /* QUEUED | generation */
	uint32_t cap;
};

/* A ring of (kind, index); an endpoint stands in it once. Its room is reserved when endpoints are
 * made, so that telling an event never fails. */
struct l4_event_queue {
	uint64_t *ring;
	uint32_t cap, head, n;
	struct l4_event_marks marks[2]; /* TCP, UDP */
};

int l4_events_reserve(struct l4_host *h, l4_ep ep);
/* As the stacks want them. */
void l4_events_push_tcp(void *host, l4_ep ep);
void l4_events_push_udp(void *host, l4_ep ep);
void l4_events_fini(struct l4_host *h);

/* ---- GRO ------------------------------------------------------------------------------------ */

#define L4_GRO_SLOTS  8
#define L4_GRO_PIECES 64

struct l4_gro_slot {
	bool used;
	struct l4_tcp *c;               /* of the segment, when it came the short way; else NULL */
	const struct l4_tcp_flow *flow; /* where it was found */
	bool ends;                      /* nothing may be joined any more */
	uint32_t next_seq;
	uint32_t seg_len;   /* payload of the first: later ones must not be longer */
	uint64_t kind, ts;  /* of a segment that came the short way, as loaded (fast.c) */
	uint8_t *land;      /* where the next payload may be copied while it is summed … */
	uint32_t land_room; /* … and how many bytes fit; when seg.landed, or NULL */
	struct l4_seg seg;
	struct l4_piece pieces[L4_GRO_PIECES];
};

/* ---- The host ------------------------------------------------------------------------------- */

struct l4_host {
	struct l4_mem mem;
	struct l4_rng rng;
	struct l4_host_config conf;
	struct l4_host_counters c;
	struct l4_ip ip;
	struct l4_udp_stack *udp;
	struct l4_tcp_stack *tcp;
	struct l4_event_queue ev;
	struct l4_gro_slot *gro;  /* L4_GRO_SLOTS */
	unsigned gro_used;        /* bit i: slot i is */
	struct l4_tcp_flow *flow; /* the TCP stack's table of flows */
	bool lending;             /* frames of the present l4_host_rx_lend */
	struct l4_seg alone;      /* of fast.c: a segment that joins no other */
	uint8_t *linear; /* L4_LINEAR_SIZE bytes: a frame of several pieces in one; NULL until
			  * the first */
	l4_time now;     /* latest seen */
	bool wake;       /* paths may be ready that were not */
};

#define L4_LINEAR_SIZE (65535 + 256)

static inline l4_time l4_host_advance(struct l4_host *h, l4_time now)
{
	if (now > h->now)
		h->now = now;
	h->ip.now = h->now;
	return h->now;
}
/* Every call comes by here: time never runs back, and what the last pull lent is freed. */
static inline l4_time l4_host_enter(struct l4_host *h, l4_time now)
{
	if (h->ip.spent.n)
		l4_pktq_clear(&h->ip, &h->ip.spent, 0);
	return l4_host_advance(h, now);
}

/* Tells the TCP stack of paths that became ready. */
static inline void l4_host_wake(struct l4_host *h, l4_time now)
{
	if (!h->wake)
		return;
	h->wake = false;
	l4_tcp_stack_wake(h->tcp, now);
}
/* Moves packets to ourselves, within bounds. */
void l4_host_loop(struct l4_host *h, l4_time now);

/* rx.c */
void l4_rx_tcp(void *ctx, const struct l4_ip_in *in);
/* Checks a TCP segment and fills *s; pieces has room for the frame's. False: dropped. */
bool l4_rx_parse_tcp(struct l4_host *h, const struct l4_ip_in *in, struct l4_seg *s,
    struct l4_piece *pieces, uint32_t max_pieces);

/* gro.c */
void l4_gro_add(struct l4_host *h, const struct l4_seg *s, l4_time now);
void l4_gro_flush(struct l4_host *h, l4_time now);
void l4_gro_flush_slot(struct l4_host *h, unsigned slot, l4_time now);
/* The slot of a flow, by what is last in its addresses and ports. */
static inline unsigned l4_gro_slot_of(const struct l4_endpoint *src, const struct l4_endpoint *dst)
{
	return (unsigned)(src->port ^ dst->port ^ src->addr.b[15]) % L4_GRO_SLOTS;
}

/* fast.c: takes a plain segment of a flow that is known; false: nothing was done. */
bool l4_rx_fast(struct l4_host *h, struct l4_if *ifp, const struct l4_frame *f, l4_time now);

/* tx.c */
void l4_tx_reply(void *ctx, const struct l4_seg_out *o, l4_time now);
void l4_tx_loopback_tcp(struct l4_host *h, unsigned max, l4_time now);

/* build.c: the frames of a segment that was pulled, at most n of them; returns how many, 0 when it
 * has no room for its headers. Segments that the device cannot cut are cut here. */
size_t l4_tx_build(struct l4_host *h, const struct l4_if *ifp, struct l4_tx_frame *t, size_t n,
    const struct l4_seg_out *o, const struct l4_mac *to);
/* short.c: the same for a short segment, one frame; false: it is not one, nothing was done. */
bool l4_tx_short(struct l4_host *h, const struct l4_if *ifp, struct l4_tx_frame *t,
    const struct l4_seg_out *o, const struct l4_mac *to);

/* path.c: what the TCP stack asks of the host */
void l4_host_fill_tcp_env(struct l4_host *h, struct l4_tcp_env *env);
int l4_path_ready(void *ctx, const struct l4_endpoint *local, const struct l4_endpoint *remote,
    struct l4_path *path, l4_time now);

#endif
