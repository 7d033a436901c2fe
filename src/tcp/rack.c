/* RACK: a segment is lost when one sent sufficiently later has been delivered (RFC 8985).
 *
 * Records stand in a list by the time of their last transmission (scoreboard.c), without those
 * SACKed or lost, so that each ACK looks only at those it may condemn. The reordering window is 0
 * until reordering was seen, then a quarter of the least RTT, widened by D-SACKs and narrowed again
 * after 16 recoveries (6.2, step 4). */
#include "tcp/conn.h"

static bool sent_after(l4_time t1, uint32_t seq1, l4_time t2, uint32_t seq2)
{
	return t1 > t2 || (t1 == t2 && l4_seq_gt(seq1, seq2));
}

/* RFC 8985 6.2, steps 1 to 3: the most recently sent segment that has been delivered. */
void l4_rack_on_delivered(struct l4_tcp *c, const struct l4_txseg *t, const struct l4_ack *a)
{
	if (a->now < t->xmit_time)
		return;
	l4_time rtt = a->now - t->xmit_time;
	/* step 2: an ACK of a retransmission that came too early, or echoes an older timestamp, is
	 * one of the original. What is SACKed echoes an older one in any case, that of the last
	 * segment in order (RFC 7323 4.3): after a tail loss probe nothing would ever be found
	 * lost. */
	if (t->flags & L4_TX_EVER_RETX) {
		if (c->min_rtt && rtt < c->min_rtt)
			return;
		const struct l4_tcp_opts *o = a->seg ? &a->seg->h.opts : NULL;
		if (o && l4_seq_leq(t->seq + t->len, a->seg->h.ack) && c->ts_ok &&
		    (o->present & L4_TCPO_TS) && o->ts_ecr &&
		    (int32_t)(o->ts_ecr - l4_tcp_ts_now(c->ts, t->xmit_time) - c->ts_offset) < 0)
			return;
	}
	l4_rack_advance(c, t, rtt);
}

/* RFC 8985 6.2, step 4. */
static l4_time reo_wnd(struct l4_tcp *c)
{
	if (!c->rack.reordering_seen) {
		if (c->ca_state == L4_CA_RECOVERY || c->ca_state == L4_CA_LOSS)
			return 0;
		if (c->sb.n_sacked >= c->reordering)
			return 0;
	}
	l4_time min = c->min_rtt ? c->min_rtt : c->srtt;
	l4_time w = (l4_time)c->rack.reo_wnd_mult * (min / 4);
	return w < c->srtt ? w : c->srtt;
}

void l4_rack_on_dsack(struct l4_tcp *c)
{
	/* one step a round trip (RFC 8985 6.2, step 4) */
	if (c->rack.dsack_round_set && l4_seq_lt(c->snd_una, c->rack.dsack_round))
		return;
	c->rack.dsack_round_set = true;
	c->rack.dsack_round = c->snd_nxt;
	if (c->rack.reo_wnd_mult < 255)
		c->rack.reo_wnd_mult++;
	c->rack.reo_wnd_persist = 16;
	l4_tcp_trace(c, L4_TRACE_TCP_REORDER, 0, c->rack.reo_wnd_mult, 0, 0, 0);
}

void l4_rack_on_ack(struct l4_tcp *c, const struct l4_ack *a)
{
	if (a->dsack)
		l4_rack_on_dsack(c);
}

/* RFC 8985 6.2, step 5: marks what is lost; arms the reordering timer for what may be soon. */
void l4_rack_detect(struct l4_tcp *c, struct l4_ack *a, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	l4_tcp_disarm(c, L4_TIMER_REO);
	if (!c->rack.xmit_ts && !c->rack.advanced)
		return;
	c->rack.reo_wnd = reo_wnd(c);
	if (!sb->dirty)
		return; /* all that is left was sent after what was delivered */
	uint32_t slot = sb->thead;
	while (slot != L4_SLOT_NONE) {
		struct l4_txseg *t = &sb->seg[slot];
		uint32_t next = t->tnext;
		if (!sent_after(c->rack.xmit_ts, c->rack.end_seq, t->xmit_time, t->seq + t->len))
			break;
		l4_time due = t->xmit_time + c->rack.rtt + c->rack.reo_wnd;
		if (due > now) {
			/* one timer for all of these: the latest of them is due no later than this
			 */
			l4_time last = c->rack.xmit_ts + c->rack.rtt + c->rack.reo_wnd;
			l4_tcp_arm(c, L4_TIMER_REO, last > due ? last : due);
			break;
		}
		l4_tcp_trace(c, L4_TRACE_TCP_LOST, 0, t->seq - c->iss, t->len,
		    (int64_t)c->rack.reo_wnd, (int64_t)c->rack.rtt);
		l4_sb_mark_lost(c, slot);
		a->lost++;
		slot = next;
	}
}
