/* Simulated networks in virtual time: hosts, links between them, impairments, one seed.
 *
 * A simulation owns its clock (it starts at 0) and its links; the hosts' applications are
 * callbacks. Same seed and same calls give the same bytes at the same times, always. */
#ifndef LAYER4_SIM_H
#define LAYER4_SIM_H

#include <layer4/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to frames of one direction of a link, in this order: black hole, queue, rate,
 * blackout, loss, duplication, corruption, delay. All zero: a perfect link without delay.
 * Probabilities in 0..1. */
struct l4_impair {
	uint64_t rate_bytes_per_s; /* 0: unlimited */
	uint64_t queue_bytes;      /* drop-tail queue in front of the rate; 0: 256 full frames */
	l4_time delay;             /* one way */
	l4_time jitter;            /* uniform 0..jitter added, order kept unless reorder says */
	double loss;               /* independent */
	double burst_loss;         /* Gilbert-Elliott: mean loss rate … */
	double burst_len;          /* … and mean length of a burst in frames, at least 1 */
	double reorder; /* fraction of frames that are late, letting others overtake, by … */
	l4_time reorder_delay; /* … uniform 1..reorder_delay; 0: 5 ms */
	double duplicate;
	double corrupt;                     /* fraction of frames with one bit flipped */
	uint32_t mtu;                       /* frames with larger IP packets vanish; 0: no limit */
	l4_time blackout_from, blackout_to; /* nothing passes in between */
	uint64_t ecn_threshold_bytes; /* frames that find more than this queued and say ECT are
				       * marked CE (RFC 3168 5); others wait their turn; 0: never */
};

/* Parses "loss=2%,delay=20ms,jitter=1ms,reorder=1%,reorder_delay=5ms,dup=1%,corrupt=0.01%,
 * rate=10mbit,queue=64k,mtu=1400,burst=1%/5,blackout=1s..2s,ecn=30k". Times: ns, us, ms, s, m
 * (digits alone: ms). Rates: bit, kbit, mbit, gbit (1000s of bits/s), or bps, kbps, mbps, gbps
 * (bytes/s). Sizes: bytes, k, m (1024). Fractions: "2%" or "0.02". "" is a perfect link. On error
 * returns L4_EMALFORMED and *at (unless NULL) is the offset of the offending part. */
L4_EXPORT int l4_impair_parse(struct l4_impair *out, const char *text, size_t *at);

/* --- A device that tortures another (real time or simulated) --- */
/* Takes over `inner`; its close closes inner. Impairs both directions alike. */
L4_EXPORT int l4_fault_new(
    struct l4_device **out, struct l4_device *inner, const struct l4_impair *impair, uint64_t seed);

/* --- A pair of linked devices in virtual time --- */
struct l4_link;
/* ends[0] and ends[1] belong to the link. medium, mtu, tso as in caps. */
struct l4_link_config {
	struct l4_impair to[2]; /* to[0]: from end 0 to end 1 */
	enum l4_medium medium;
	uint32_t mtu; /* 1500 */
	bool tso;     /* the ends take super-segments; they are cut before impairment */
	bool gro;     /* neighbours arriving together are joined again */
	uint64_t seed;
};
L4_EXPORT int l4_link_new(
    struct l4_link **out, const struct l4_link_config *c, struct l4_device *ends[2]);
L4_EXPORT void l4_link_free(struct l4_link *l);
/* Changes the impairment of one direction from now on. */
L4_EXPORT void l4_link_impair(struct l4_link *l, int direction, const struct l4_impair *i);
struct l4_link_stats {
	uint64_t sent, delivered, lost, queue_dropped, duplicated, reordered, corrupted, marked_ce;
	uint64_t bytes_delivered, queue_bytes_now, queue_bytes_max;
	double queue_delay_mean_s;
};
L4_EXPORT void l4_link_stats(const struct l4_link *l, int direction, struct l4_link_stats *out);

/* --- A simulation: hosts on links, one clock --- */
struct l4_sim;
L4_EXPORT int l4_sim_new(struct l4_sim **out, uint64_t seed);
L4_EXPORT void l4_sim_free(struct l4_sim *s);
L4_EXPORT l4_time l4_sim_now(const struct l4_sim *s);
/* A host of this simulation; config may be NULL for defaults (its seed is drawn from the
 * simulation's unless has_seed). Owned by the simulation. */
L4_EXPORT int l4_sim_add_host(
    struct l4_sim *s, struct l4_host **out, const struct l4_host_config *config);
/* Binds a device to a host as a new interface (ownership moves). c may be NULL for a plain
 * interface (no SLAAC, no link-local address, no DAD); c->caps are taken from the device. Returns
 * the ifindex. */
L4_EXPORT int l4_sim_attach(
    struct l4_sim *s, struct l4_host *h, struct l4_device *d, const struct l4_iface_config *c);
/* A link between two hosts with one plain interface on each; ifindex[] tells which. The link's seed
 * is drawn from the simulation's unless it is given. link may be NULL. Returns 0 or L4_E*. */
L4_EXPORT int l4_sim_connect(struct l4_sim *s, struct l4_host *a, struct l4_host *b,
    const struct l4_link_config *c, struct l4_link **link, int ifindex[2]);
/* A learning Ethernet switch, without delay or queue of its own, so that several hosts share one
 * link. Returns its number from 0, or L4_ENOMEM. Loops are not broken: make none. */
L4_EXPORT int l4_sim_add_switch(struct l4_sim *s);
/* Plugs an Ethernet device into a switch (ownership moves). L4_EINVAL: no such switch, or another
 * medium. */
L4_EXPORT int l4_sim_plug(struct l4_sim *s, int number, struct l4_device *d);
/* Takes over a link made with l4_link_new, whose ends were attached or plugged one by one: it is
 * freed with the simulation. L4_ENOMEM. */
L4_EXPORT int l4_sim_adopt(struct l4_sim *s, struct l4_link *l);
/* Called with every event of a host. */
L4_EXPORT void l4_sim_on_event(struct l4_sim *s, struct l4_host *h,
    void (*fn)(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now), void *ctx);
/* Calls fn once at a time. */
L4_EXPORT int l4_sim_at(
    struct l4_sim *s, l4_time when, void (*fn)(void *ctx, l4_time now), void *ctx);
/* Seen by every frame that is put on (sent = true) or taken off a link; for ladders and captures.
 */
L4_EXPORT void l4_sim_on_frame(struct l4_sim *s,
    void (*fn)(void *ctx, struct l4_host *h, unsigned ifindex, bool sent, const struct l4_frame *f,
	l4_time now),
    void *ctx);
/* Runs until `until`, or until nothing is left to do (the clock then stays at the last thing that
 * happened; with an `until` that is not L4_TIME_NEVER it moves on to it), or until stop is called.
 * With check, the invariants of every host are walked after each step. Returns 0; L4_ESTATE when an
 * invariant broke, or when time stands still without progress (l4_sim_what tells); L4_ENOMEM. */
L4_EXPORT int l4_sim_run(struct l4_sim *s, l4_time until, bool check);
L4_EXPORT void l4_sim_stop(struct l4_sim *s);
/* What went wrong, with time and host, after l4_sim_run failed; "" before. */
L4_EXPORT const char *l4_sim_what(const struct l4_sim *s);
/* A number from the simulation's seed, for workloads. */
L4_EXPORT uint64_t l4_sim_random(struct l4_sim *s);

#ifdef __cplusplus
}
#endif
#endif
