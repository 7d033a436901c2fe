/* Loss recovery: what an ACK or a timeout means for the state of the connection.
 *
 * States, as in the kernel: OPEN, DISORDER (something was SACKed or duplicated), CWR (an ECN or TLP
 * reduction under way), RECOVERY (fast retransmit, by RACK, RFC 8985, or without SACK by duplicate
 * ACKs, RFC 6582), LOSS (after a timeout). Entering CWR, RECOVERY or LOSS reduces ssthresh once;
 * the way down is proportional rate reduction (RFC 9937). Each reduction remembers what was before
 * and is undone when it proves spurious: by D-SACKs of every retransmission (RFC 3708), by an ACK
 * that echoes a timestamp from before the retransmission (Eifel, RFC 3522), or after a timeout by
 * F-RTO (RFC 5682).
 *
 * c->recovery_point is snd_nxt when the episode began; it ends when that is acknowledged. */
#include "tcp/conn.h"
#include "tcp/cc.h"

void l4_recovery_init(struct l4_tcp *c)
{
	c->ca_state = L4_CA_OPEN;
	c->rack.reo_wnd_mult = 1;
	c->cwnd_cnt = 0;
	c->undo_valid = false;
	c->frto = false;
	c->tlp_active = false;
	c->dupacks = 0;
	c->reno_sacked = 0;
	if (c->cc->init)
		c->cc->init(c, c->ts->now);
	c->paces = c->cc->paces || c->ts->cfg.pacing;
}

void l4_tcp_set_ca_state(struct l4_tcp *c, uint8_t s)
{
	if (c->cc->on_state)
		c->cc->on_state(c, s);
	if (c->ca_state == s)
		return;
	l4_tcp_trace(
	    c, L4_TRACE_TCP_CA_STATE, 0, c->ca_state, s, c->snd_una - c->iss, c->snd_nxt - c->iss);
	c->ca_state = s;
}

void l4_recovery_on_retransmit(struct l4_tcp *c, uint32_t seq)
{
	c->undo_any = true;
	c->undo_retrans++;
	if (l4_seq_leq(c->high_rxt, seq))
		c->high_rxt = seq + 1;
	if (c->undo_n < sizeof c->undo_seq / sizeof c->undo_seq[0])
		c->undo_seq[c->undo_n++] = seq;
	else
		c->undo_n = L4_UNDO_MANY;
}

/* RFC 3708 3: a retransmission was needless when its segment is reported as a duplicate; one of a
 * segment that was not sent again is the network's, and tells nothing. Where there were too many to
 * be kept apart, they are believed as long as the connection has seen no more duplicates than it
 * has sent. */
void l4_recovery_on_dsack(struct l4_tcp *c, uint32_t start, uint32_t end)
{
	if (!c->undo_valid || !c->undo_retrans || l4_seq_leq(end, c->undo_marker))
		return;
	uint32_t n = 0;
	if (c->undo_n == L4_UNDO_MANY) {
		if (c->dsack_dups <= c->total_retrans)
			n = end - start > c->snd_mss ? (end - start) / c->snd_mss : 1;
	} else {
		for (uint8_t i = 0; i < c->undo_n;) {
			if (l4_seq_lt(c->undo_seq[i], start) || l4_seq_geq(c->undo_seq[i], end)) {
				i++;
				continue;
			}
			c->undo_seq[i] = c->undo_seq[--c->undo_n];
			n++;
		}
	}
	c->undo_retrans -= n < c->undo_retrans ? n : c->undo_retrans;
}

static void save_for_undo(struct l4_tcp *c)
{
	c->prior_cwnd = c->cwnd;
	c->prior_ssthresh = c->ssthresh;
	c->undo_marker = c->snd_una;
	c->undo_valid = true;
	c->undo_retrans = c->sb.n_retx;
	c->undo_any = c->sb.n_retx > 0;
	c->undo_n = c->sb.n_retx ? L4_UNDO_MANY : 0; /* where those begin was not kept */
	c->retrans_stamped = false;
}

/* RFC 9937 5: start of a reduction. */
static void start_reduction(struct l4_tcp *c, const struct l4_ack *a)
{
	save_for_undo(c);
	c->ssthresh = c->cc->ssthresh(c);
	c->prr_delivered = c->prr_out = 0;
	uint32_t fs = c->sb.n - c->sb.n_sacked;
	if (a)
		fs += a->sacked + a->acked;
	c->recover_fs = fs ? fs : 1;
	c->cwnd_cnt = 0;
	c->recovery_point = c->snd_nxt;
	c->tlp_active = false;
}

static void end_reduction(struct l4_tcp *c)
{
	if (c->cc->full_control)
		return;
	if (c->ssthresh < UINT32_MAX && (c->ca_state == L4_CA_CWR || c->ca_state == L4_CA_RECOVERY))
		c->cwnd = c->ssthresh;
	/* RFC 9438 4.6: marks may cut down to one segment, losses to two */
	if (c->ca_state == L4_CA_CWR && c->prior_cwnd <= 2)
		c->cwnd = 1;
}

void l4_recovery_enter_cwr(struct l4_tcp *c, l4_time now)
{
	(void)now;
	if (c->ca_state >= L4_CA_CWR)
		return;
	start_reduction(c, NULL);
	c->undo_valid = false; /* a mark is never spurious */
	l4_tcp_set_ca_state(c, L4_CA_CWR);
}

static void enter_recovery(struct l4_tcp *c, const struct l4_ack *a)
{
	c->high_rxt = c->snd_una;
	c->rescued = c->partial_seen = false;
	if (c->ca_state != L4_CA_CWR) {
		start_reduction(c, a);
	} else { /* one reduction a window (RFC 3168 6.1.2) */
		c->recovery_point = c->snd_nxt;
		c->undo_valid = false;
	}
	c->ts->ctr.fast_retrans++;
	l4_tcp_set_ca_state(c, L4_CA_RECOVERY);
	if (!c->rtx_why.code)
		c->rtx_why.code = L4_WHY_RTX_RACK;
}

/* RFC 9937 5: how many may be sent in answer to this ACK. */
static void prr(struct l4_tcp *c, const struct l4_ack *a, bool first)
{
	uint32_t in_flight = l4_in_flight(c);
	int64_t sndcnt;
	if (c->cc->full_control || !a->delivered)
		return;
	c->prr_delivered += a->delivered;
	if (in_flight > c->ssthresh) { /* proportional */
		uint64_t share =
		    ((uint64_t)c->prr_delivered * c->ssthresh + c->recover_fs - 1) / c->recover_fs;
		sndcnt = (int64_t)share - c->prr_out;
	} else { /* slow start or conservation of packets */
		bool safe = a->acked && !a->lost;
		sndcnt = (int64_t)c->prr_delivered - c->prr_out;
		if (sndcnt < a->delivered)
			sndcnt = a->delivered;
		if (safe)
			sndcnt++;
		int64_t room = (int64_t)c->ssthresh - in_flight;
		if (sndcnt > room)
			sndcnt = room;
	}
	/* RFC 6582 3.2 step 3: without SACK a partial ACK retransmits at once */
	bool partial = !c->sack_ok && a->acked;
	if (sndcnt <= 0)
		sndcnt = (first || !c->prr_out || partial) ? 1 : 0;
	c->cwnd = in_flight + (uint32_t)sndcnt;
}

static void trace_cwnd(struct l4_tcp *c)
{
	l4_tcp_trace(c, L4_TRACE_TCP_CWND, 0, c->cwnd,
	    c->ssthresh == UINT32_MAX ? -1 : (int64_t)c->ssthresh, l4_in_flight(c),
	    (int64_t)c->pacing_rate);
}

static void undo(struct l4_tcp *c, bool unmark, int cause)
{
	if (unmark) {
		l4_sb_unmark_lost(c);
		c->reno_sacked = 0;
	}
	if (!c->cc->full_control || c->cc->undo) {
		uint32_t w = c->cc->undo ? c->cc->undo(c) : c->prior_cwnd;
		if (w > c->cwnd)
			c->cwnd = w;
		if (c->prior_ssthresh > c->ssthresh)
			c->ssthresh = c->prior_ssthresh;
	}
	c->undo_valid = false;
	c->rack.advanced = true;
	c->spurious_undone++;
	c->ts->ctr.undo++;
	l4_tcp_trace(c, L4_TRACE_TCP_UNDO, 0, c->cwnd, c->ssthresh, cause, 0);
}

/* The ACK echoes a timestamp from before the first retransmission (RFC 3522 3.2). */
static bool eifel(const struct l4_tcp *c, const struct l4_seg *s)
{
	return c->ts_ok && c->retrans_stamped && (s->h.opts.present & L4_TCPO_TS) &&
	       s->h.opts.ts_ecr && (int32_t)(s->h.opts.ts_ecr - c->retrans_stamp) < 0;
}

static bool may_undo(const struct l4_tcp *c, const struct l4_seg *s, const struct l4_ack *a)
{
	if (!c->undo_valid)
		return false;
	if (c->undo_any && !c->undo_retrans)
		return true; /* every retransmission was reported as a duplicate */
	return a->acked_bytes && eifel(c, s);
}

static bool try_undo_loss(
    struct l4_tcp *c, const struct l4_seg *s, const struct l4_ack *a, bool frto)
{
	if (!frto && !may_undo(c, s, a))
		return false;
	if (!c->undo_valid)
		return false;
	undo(c, true, frto ? 3 : 2);
	c->ts->ctr.spurious_rtos++;
	c->retransmits = 0;
	c->backoff = 0;
	c->frto = false;
	if (frto || c->sack_ok)
		l4_tcp_set_ca_state(c, c->sb.n_sacked ? L4_CA_DISORDER : L4_CA_OPEN);
	return true;
}

/* RFC 6675 without RACK: a segment is lost when `reordering` segments above it are SACKed. */
static void mark_by_sack(struct l4_tcp *c, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t above = sb->n_sacked;
	for (uint32_t i = 0; i < sb->n && above >= c->reordering; i++) {
		struct l4_txseg *t = l4_sb_at(sb, i);
		if (t->flags & L4_TX_SACKED) {
			above--;
		} else if (!(t->flags & L4_TX_LOST)) {
			a->lost++;
			if (c->ca_state == L4_CA_RECOVERY && (t->flags & L4_TX_RETX) &&
			    l4_seq_lt(t->seq, c->high_rxt)) {
				/* sent again on suspicion (rule 3 of RFC 6675 4): not once more */
				t->flags |= L4_TX_LOST;
				sb->n_lost++;
				continue;
			}
			l4_sb_mark_lost(c, (uint32_t)(t - sb->seg));
			c->rtx_why.code = L4_WHY_RTX_SACK;
		}
	}
}

/* RFC 6582 3.2 without SACK: the third duplicate, and each partial ACK, condemn the oldest. */
static void mark_newreno(struct l4_tcp *c, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	if (!sb->n)
		return;
	bool partial = c->ca_state == L4_CA_RECOVERY && a->acked;
	if ((c->ca_state < L4_CA_RECOVERY && c->dupacks >= c->reordering) || partial) {
		struct l4_txseg *t = l4_sb_at(sb, 0);
		if (!(t->flags & L4_TX_LOST)) {
			l4_sb_mark_lost(c, sb->head);
			a->lost++;
			c->rtx_why = (struct l4_why){ .code = partial ? L4_WHY_RTX_NEWRENO
								      : L4_WHY_RTX_DUPACK,
				.a = c->dupacks };
		}
	}
}

static void detect_loss(struct l4_tcp *c, struct l4_ack *a)
{
	if (!c->sb.n) {
		l4_tcp_disarm(c, L4_TIMER_REO);
		return;
	}
	if (!c->sack_ok) {
		mark_newreno(c, a);
		return;
	}
	if (!c->ts->cfg.rack) {
		mark_by_sack(c, a);
		return;
	}
	uint32_t before = a->lost;
	l4_rack_detect(c, a, a->now);
	if (a->lost != before)
		c->rtx_why = (struct l4_why){ .code = L4_WHY_RTX_RACK,
			.a = (int64_t)c->rack.reo_wnd,
			.b = (int64_t)c->rack.rtt };
}

/* RFC 5682 3.1 (SACK) and 2.1, and the end of LOSS. */
static void in_loss(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a)
{
	bool recovered = l4_seq_geq(c->snd_una, c->recovery_point);
	if (a->acked_bytes && try_undo_loss(c, s, a, false))
		return;
	if (c->frto) {
		/* step 3b: something sent before the timeout and never again has arrived */
		if (a->orig_sacked && try_undo_loss(c, s, a, true))
			return;
		if (l4_seq_gt(c->snd_nxt, c->recovery_point)) {
			if (a->sacked || a->dup)
				c->frto = false; /* step 3a: a genuine loss */
		} else if (a->acked_bytes && !recovered) {
			c->recovery_point = c->snd_nxt; /* step 2b: probe with new data */
			if (l4_seq_lt(c->snd_nxt, c->snd_end) &&
			    c->snd_nxt - c->snd_una < c->snd_wnd) {
				c->frto_new = 2;
				return;
			}
			c->frto = false;
		} else if (a->dup && !a->acked_bytes) {
			c->frto = false; /* step 2a */
		}
	}
	if (recovered) {
		c->total_rto_recoveries++;
		c->frto = false;
		l4_tcp_set_ca_state(c, L4_CA_OPEN);
		c->dupacks = 0;
		c->reno_sacked = 0;
		c->retrans_stamped = false;
		c->undo_valid = false;
	}
}

static void in_recovery(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a)
{
	if (l4_seq_geq(c->snd_una, c->recovery_point)) {
		if (may_undo(c, s, a)) {
			undo(c, true, 1);
		} else {
			end_reduction(c);
			/* RFC 6582 3.2, full ACK; RFC 8985 6.2: reo_wnd persists for 16 recoveries
			 */
			c->undo_valid =
			    c->undo_valid && c->undo_any; /* late D-SACKs may still tell */
		}
		if (c->rack.reo_wnd_persist && !--c->rack.reo_wnd_persist)
			c->rack.reo_wnd_mult = 1;
		l4_tcp_set_ca_state(c, c->sb.n_sacked ? L4_CA_DISORDER : L4_CA_OPEN);
		c->dupacks = 0;
		c->reno_sacked = 0;
		c->rtx_why.code = 0;
		return;
	}
	/* partial ACK or SACK; a spurious episode may show itself before its end */
	if (a->acked_bytes && c->undo_valid && eifel(c, s) && !c->sb.n_retx) {
		undo(c, true, 1);
		l4_tcp_set_ca_state(c, c->sb.n_sacked ? L4_CA_DISORDER : L4_CA_OPEN);
		return;
	}
	if (c->undo_valid && c->undo_any && !c->undo_retrans && a->dsack) {
		undo(c, true, 1);
		l4_tcp_set_ca_state(c, c->sb.n_sacked ? L4_CA_DISORDER : L4_CA_OPEN);
	}
}

static void note_reordering(struct l4_tcp *c, const struct l4_ack *a)
{
	if (!a->reordered)
		return;
	if (!c->rack.reordering_seen)
		l4_tcp_trace(
		    c, L4_TRACE_TCP_REORDER, 0, c->rack.reo_wnd_mult, c->fack - a->reord_low, 0, 0);
	c->rack.reordering_seen = true;
	c->reord_seen++;
	uint32_t dist = c->snd_mss ? (c->fack - a->reord_low + c->snd_mss - 1) / c->snd_mss : 1;
	if (dist > c->reordering)
		c->reordering = dist < 300 ? dist : 300;
}

void l4_recovery_on_ack(struct l4_tcp *c, struct l4_ack *a, uint32_t ack)
{
	(void)ack;
	const struct l4_seg *s = a->seg;
	uint8_t was = c->ca_state;
	note_reordering(c, a);
	l4_rack_on_ack(c, a);

	/* without SACK duplicates stand for arrivals (RFC 5681 3.2 steps 4 and 5, RFC 6582) */
	if (!c->sack_ok) {
		if (a->acked) {
			uint32_t gone = a->acked - 1;
			/* what duplicates have told before is no news */
			a->delivered -= c->reno_sacked < gone ? c->reno_sacked : gone;
			c->reno_sacked = c->reno_sacked > gone ? c->reno_sacked - gone : 0;
			c->dupacks = 0;
		} else if (a->dup && c->sb.n) {
			if (c->dupacks < UINT8_MAX)
				c->dupacks++;
			/* never more than are outstanding: spoofed duplicates gain nothing (RFC
			 * 5681 3.2) */
			uint32_t most = c->ca_state == L4_CA_RECOVERY ? c->recover_fs : c->sb.n;
			if (c->reno_sacked + 1 < most && c->reno_sacked + 1 < c->sb.n) {
				c->reno_sacked++;
				a->delivered++;
			}
		}
		if (!c->sb.n)
			c->reno_sacked = 0;
	} else if (a->dup && c->dupacks < UINT8_MAX) {
		c->dupacks++;
	} else if (a->acked_bytes) {
		c->dupacks = 0;
	}

	switch (c->ca_state) {
	case L4_CA_RECOVERY:
		in_recovery(c, s, a);
		break;
	case L4_CA_LOSS:
		in_loss(c, s, a);
		break;
	case L4_CA_CWR:
		if (l4_seq_geq(c->snd_una, c->recovery_point)) {
			end_reduction(c);
			l4_tcp_set_ca_state(c, L4_CA_OPEN);
		}
		break;
	default:
		/* a late D-SACK can still undo the episode that has ended */
		if (a->dsack && c->undo_valid && c->undo_any && !c->undo_retrans)
			undo(c, false, 1);
		break;
	}
	detect_loss(c, a);
	bool entered = false;
	if (c->ca_state < L4_CA_RECOVERY && c->sb.n_lost > c->mtu_probe_lost) {
		enter_recovery(c, a);
		entered = true;
	} else if (c->ca_state == L4_CA_OPEN && (c->sb.n_sacked || c->reno_sacked)) {
		l4_tcp_set_ca_state(c, L4_CA_DISORDER);
	} else if (c->ca_state == L4_CA_DISORDER && !c->sb.n_sacked && !c->reno_sacked) {
		l4_tcp_set_ca_state(c, L4_CA_OPEN);
	}

	if (c->cc->full_control) {
		c->cc->on_ack(c, a);
	} else if (c->ca_state == L4_CA_RECOVERY || c->ca_state == L4_CA_CWR) {
		prr(c, a, entered);
		/* whatever the window leaves may go to what is only suspected (output.c) */
		if (!c->ts->cfg.rack && c->sack_ok && c->ca_state == L4_CA_RECOVERY &&
		    !c->probe_now)
			c->probe_now = 4;
	} else if (a->delivered && !a->ece &&
		   (was != L4_CA_RECOVERY || c->ca_state != L4_CA_OPEN)) {
		/* RFC 5681: OPEN, DISORDER and LOSS (slow start) grow by what is newly delivered
		 * when the ACK advances; where the path reorders, a SACK is as good;
		 * RFC 3168 6.1.2: an ACK with ECN-Echo never makes the window grow */
		if (a->acked || c->reordering > c->ts->cfg.reordering)
			c->cc->on_ack(c, a);
	}
	if (c->cwnd < 1)
		c->cwnd = 1;
	if (c->ts->env.trace)
		trace_cwnd(c);
}

/* The RACK reordering timer (RFC 8985 6.3). */
void l4_recovery_on_reo(struct l4_tcp *c, l4_time now)
{
	struct l4_ack a = { .now = now };
	l4_rack_detect(c, &a, now);
	if (!a.lost)
		return;
	c->rtx_why = (struct l4_why){
		.code = L4_WHY_RTX_RACK, .a = (int64_t)c->rack.reo_wnd, .b = (int64_t)c->rack.rtt
	};
	l4_tcp_rearm_rto(c, now); /* RFC 8985 8: it had taken the timeout's place */
	if (c->ca_state < L4_CA_RECOVERY && c->sb.n_lost > c->mtu_probe_lost) {
		enter_recovery(c, NULL);
		if (!c->cc->full_control)
			c->cwnd = l4_in_flight(c) + 1; /* the fast retransmit itself */
	} else if (c->ca_state == L4_CA_RECOVERY && !c->cc->full_control) {
		uint32_t f = l4_in_flight(c);
		if (c->cwnd <= f)
			c->cwnd = f + 1;
	}
	l4_tcp_output_check(c);
}

/* The retransmission timeout (RFC 6298 5.4 to 5.6, RFC 5681 3.1). */
void l4_recovery_on_rto(struct l4_tcp *c, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	bool fresh = c->ca_state != L4_CA_LOSS || l4_seq_geq(c->snd_una, c->recovery_point);
	if (c->ca_state <= L4_CA_DISORDER || l4_seq_geq(c->snd_una, c->recovery_point) ||
	    (c->ca_state == L4_CA_LOSS && !c->retransmits)) {
		save_for_undo(c);
		c->ssthresh = c->cc->ssthresh(c);
	}
	if (c->cc->on_rto)
		c->cc->on_rto(c);
	c->tlp_active = false;
	c->reno_sacked = 0;
	c->dupacks = 0;

	/* RFC 2018 8: a receiver may have thrown away what it SACKed */
	bool renege = sb->n && (l4_sb_at(sb, 0)->flags & L4_TX_SACKED);
	if (renege)
		c->ts->ctr.sack_reneging++;
	for (uint32_t i = 0; i < sb->n; i++) {
		uint32_t slot = (sb->head + i) & (sb->cap - 1);
		struct l4_txseg *t = &sb->seg[slot];
		if (renege && (t->flags & L4_TX_SACKED)) {
			t->flags &= (uint8_t)~L4_TX_SACKED;
			sb->bm_sacked[slot / 64] &= ~(1ull << (slot % 64));
			sb->n_sacked--;
		}
		if (t->flags & L4_TX_SACKED)
			continue;
		/* RFC 8985 6.3: what was sent a moment ago is not lost yet */
		if (c->ts->cfg.rack && c->sack_ok && i > 0 && c->rack.advanced && !renege &&
		    t->xmit_time + c->rack.rtt + c->rack.reo_wnd > now)
			continue;
		if (!(t->flags & L4_TX_LOST) || (t->flags & L4_TX_RETX))
			l4_sb_mark_lost(c, slot);
	}
	c->frto = c->ts->cfg.frto && (fresh || c->retransmits) && !c->mtu_probe_size && sb->n > 0;
	c->frto_new = 0;
	c->recovery_point = c->snd_nxt;
	c->cwnd_cnt = 0;
	c->cwnd = l4_in_flight(c) + 1;
	c->rtx_why =
	    (struct l4_why){ .code = L4_WHY_RTX_RTO, .a = (int64_t)c->rto, .b = c->backoff };
	l4_tcp_set_ca_state(c, L4_CA_LOSS);
	if (c->ts->env.trace)
		trace_cwnd(c);
}

/* RFC 5681 4.1: after idling longer than the RTO, the window is no longer true. */
void l4_recovery_idle_restart(struct l4_tcp *c, l4_time now)
{
	if (c->cc->on_restart)
		c->cc->on_restart(c, now);
	if (!c->ts->cfg.slow_start_after_idle || c->cc->full_control || c->sb.n ||
	    !c->last_data_out)
		return;
	l4_time idle = now - c->last_data_out;
	if (idle <= c->rto)
		return;
	uint32_t restart = c->ts->cfg.initial_window;
	if (restart > c->cwnd)
		return;
	/* keep three quarters as ssthresh (RFC 2861, RFC 7661), halve the window for each RTO idle
	 */
	uint32_t keep = c->cwnd - c->cwnd / 4;
	if (c->ssthresh != UINT32_MAX && keep > c->ssthresh)
		c->ssthresh = keep;
	uint32_t w = c->cwnd;
	for (l4_time t = c->rto; t < idle && w > restart; t += c->rto)
		w /= 2;
	c->cwnd = w > restart ? w : restart;
	c->cwnd_cnt = 0;
	c->cwnd_stamp = now;
	c->cwnd_used = 0;
}
