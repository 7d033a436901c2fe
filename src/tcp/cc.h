/* Congestion control as a table of functions. Included by src/tcp only.
 *
 * It decides how much may be in flight; recovery.c decides what is sent. Neither knows the other's
 * internals: congestion control reads struct l4_ack and writes c->cwnd, c->ssthresh (segments) and,
 * if it paces, c->pacing_rate. A new algorithm is one file and one line in cc.c. */
#ifndef L4_TCP_CC_H
#define L4_TCP_CC_H

#include "tcp/conn.h"

struct l4_cc_ops {
	const char *name;
	bool full_control; /* sets cwnd in every state: no PRR, no cwnd validation (BBR) */
	bool paces;
	void (*init)(struct l4_tcp *c, l4_time now);
	/* Each ACK that delivers something. Without full_control: only while cwnd is not being
	 * reduced. */
	void (*on_ack)(struct l4_tcp *c, const struct l4_ack *a);
	/* May be called instead when the window was not the limit (l4_cc_is_limited): it does not
	 * grow. NULL: that needs nothing. */
	void (*on_slack)(struct l4_tcp *c, l4_time now);
	/* Segments: the new ssthresh when loss or ECN calls for a reduction (RFC 5681 equation 4).
	 */
	uint32_t (*ssthresh)(struct l4_tcp *c);
	void (*on_rto)(struct l4_tcp *c); /* may be NULL, as the rest */
	void (*on_state)(
	    struct l4_tcp *c, uint8_t state); /* enum l4_tcp_ca_state about to be entered */
	uint32_t (*undo)(struct l4_tcp *c);   /* cwnd after a spurious reduction */
	void (*on_restart)(struct l4_tcp *c, l4_time now); /* sending again after idle */
	/* Segments are longer than before: so many of the new hold what one of the old held, < 1 */
	void (*on_mss)(struct l4_tcp *c, double factor);
};

/* Segments; about what the largest window of RFC 7323 holds in segments of one byte. */
#define L4_CWND_MAX 1000000000u

const struct l4_cc_ops *l4_cc_find(const char *name);

extern const struct l4_cc_ops l4_cc_reno, l4_cc_cubic, l4_cc_bbr;

/* Slow start (RFC 5681 3.1) by n acknowledged segments, up to ssthresh; returns how many of n are
 * left for congestion avoidance. No bound L for one ACK (RFC 3465 2.2; RFC 9406 4.3 has 8 without
 * pacing): a receiver that takes segments in batches acknowledges 45 at once, and would be held to
 * a fifth of slow start; what an ACK lets go leaves in bursts of a millisecond (output.c). */
uint32_t l4_cc_slow_start(struct l4_tcp *c, uint32_t n);
/* cwnd += n / w: one segment for each w acknowledged (RFC 5681 3.1, RFC 3465). */
void l4_cc_avoid(struct l4_tcp *c, uint32_t w, uint32_t n);
/* Whether the window was the limit, so that it may grow (RFC 7661 4.3; RFC 9438 5.8). */
static inline bool l4_cc_is_limited(const struct l4_tcp *c)
{
	/* in slow start half the window in use is enough: it doubles in a round trip */
	return c->cwnd_limited || (c->cwnd < c->ssthresh && c->cwnd < 2 * c->max_in_flight);
}

/* HyStart++ (RFC 9406), hystart.c: called in slow start with each ACK; may end it by setting
 * ssthresh. Returns the segments to grow by. */
void l4_hystart_reset(struct l4_tcp *c);
uint32_t l4_hystart_on_ack(struct l4_tcp *c, const struct l4_ack *a, uint32_t n);

#endif
