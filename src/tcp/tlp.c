/* Tail loss probes (RFC 8985 7): when the end of a flight is not acknowledged in about two round
 * trips, one more segment is sent, so that SACKs come back and RACK repairs the tail without
 * waiting for the retransmission timeout. */
#include "tcp/conn.h"

/* What peers commonly take, 40 ms, and a tick. */
#define USUAL_DELACK (50 * L4_MSEC)

/* Arms the probe timer instead of the RTO, if RFC 8985 7.2 allows it now. */
void l4_tcp_tlp_schedule(struct l4_tcp *c, l4_time now)
{
	l4_tcp_disarm(c, L4_TIMER_TLP);
	if (!c->ts->cfg.early_tlp || !c->sack_ok || !c->sb.n || c->tlp_active || !c->srtt ||
	    c->ca_state > L4_CA_DISORDER || c->sb.n_sacked || c->state < L4_TCP_ESTABLISHED ||
	    c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_SYN_RECEIVED || c->backoff)
		return;
	/* RFC 8985 7.2: a single segment may be acknowledged late, and the time for that is ours to
	 * choose. One that was sent alone gets the worst case. The last of several, whose
	 * predecessors are acknowledged, gets what is usual: it is the tail that probes are for. */
	l4_time pto = 2 * c->srtt;
	if (l4_in_flight(c) != 1)
		pto += 2 * L4_MSEC; /* timers of peers tick at a millisecond or coarser */
	else if (c->snd_una == c->flight_seq)
		pto += L4_TLP_WC_DELACK;
	else if (pto < c->srtt + USUAL_DELACK)
		pto = c->srtt + USUAL_DELACK;
	l4_time at = now + pto;
	if (at > c->timer[L4_TIMER_RTX]) /* RFC 8985 7.2: the probe goes instead of the timeout */
		at = c->timer[L4_TIMER_RTX];
	l4_tcp_arm(c, L4_TIMER_TLP, at);
}

void l4_tcp_tlp_fire(struct l4_tcp *c, l4_time now)
{
	if (!c->sb.n || c->ca_state > L4_CA_DISORDER)
		return;
	c->tlp_active = true;
	c->tlp_probes++;
	c->ts->ctr.loss_probes++;
	c->probe_now = 3;
	l4_tcp_trace(c, L4_TRACE_TCP_TLP, 0, (int64_t)(2 * c->srtt), l4_in_flight(c), 0, 0);
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
}

/* RFC 8985 7.4.2: what the ACK says about the probe. */
void l4_tcp_tlp_on_ack(struct l4_tcp *c, const struct l4_ack *a, uint32_t ack)
{
	if (!c->tlp_active || l4_seq_lt(ack, c->tlp_end_seq))
		return;
	if (!c->tlp_is_retx) {
		c->tlp_active = false; /* the probe was new data: nothing was repaired by it */
	} else if (a->dsack) {
		c->tlp_active = false; /* the original had arrived as well */
	} else if (l4_seq_gt(ack, c->tlp_end_seq)) {
		/* acknowledged beyond the probe with no word of a duplicate: it repaired a loss,
		 * which congestion control must hear of */
		c->tlp_active = false;
		if (c->ca_state < L4_CA_CWR) {
			l4_recovery_enter_cwr(c, a->now);
			c->cwnd = c->ssthresh;
			c->recovery_point = c->snd_una;
			l4_tcp_set_ca_state(c, L4_CA_OPEN);
		}
		c->ts->ctr.loss_probe_recovery++;
	} else if (!a->acked_bytes && !a->sacked && a->dup) {
		c->tlp_active = false; /* a duplicate ACK at the probe's end: both arrived */
	}
}
