/* The ACK field: RFC 9293 3.10.7.4, fifth step, with RFC 5961 5, 7323 and the recovery of
 * recovery.c. */
#include "tcp/conn.h"
#include "tcp/cc.h"

static bool dup_ack(const struct l4_tcp *c, const struct l4_seg *s, uint32_t new_wnd)
{
	/* RFC 5681 2: outstanding data, no data, no SYN or FIN, the same ACK, the same window */
	return c->sb.n && !s->len && !(s->h.flags & (L4_TCPF_SYN | L4_TCPF_FIN)) &&
	       s->h.ack == c->snd_una && new_wnd == c->snd_wnd;
}

/* RFC 7323 4.1: the echo tells even for a retransmission. */
static void rtt_from_echo(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (!c->ts_ok || !(s->h.opts.present & L4_TCPO_TS) || !s->h.opts.ts_ecr)
		return;
	uint32_t ticks = l4_tcp_ts_now(c->ts, now) + c->ts_offset - s->h.opts.ts_ecr;
	if (ticks < 600000)
		l4_tcp_rtt_sample(c, (ticks ? ticks : 1) * c->ts->cfg.ts_tick, now);
}

/* RFC 6298 3: neither the ACK nor the SACK blocks beside it tell anything when a retransmission may
 * have brought them: what was SACKed may have been so in an ACK that was lost. */
static void rtt_from_ack(struct l4_tcp *c, const struct l4_seg *s, const struct l4_ack *a)
{
	if (a->rtt) {
		l4_tcp_rtt_sample(c, a->rtt, a->now);
	} else if (a->rtt_sack && !a->retx_acked) {
		l4_tcp_rtt_sample(c, a->rtt_sack, a->now);
	} else if (a->acked) {
		rtt_from_echo(c, s, a->now);
	}
}

/* The send buffer follows the window (auto-tuning): room for what may be in flight, and for what
 * waits behind holes for as many round trips as losses of retransmissions take. */
static void tune_sndbuf(struct l4_tcp *c)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	if (c->opt_sndbuf_fixed || !cfg->moderate_rcvbuf)
		return;
	uint64_t want = 4ull * c->cwnd * c->snd_mss;
	if (want > cfg->sndbuf_max)
		want = cfg->sndbuf_max;
	if (want > c->sndbuf && c->ts->buffer_used < c->ts->lim.buffer_bytes / 4 * 3)
		c->sndbuf = (uint32_t)want;
}

static void maybe_writable(struct l4_tcp *c)
{
	if (!c->app_wants_write || c->shut_wr)
		return;
	if (l4_sndbuf_room(c) < c->sndbuf / 3)
		return;
	if (l4_unsent(c) >= c->opt_notsent_lowat)
		return;
	c->app_wants_write = false;
	if (c->held_by == L4_HELD_SNDBUF)
		l4_tcp_held_by(c, L4_HELD_CWND, c->ts->now);
	l4_tcp_event(c, L4_EV_WRITABLE);
}

static void update_window(struct l4_tcp *c, const struct l4_seg *s, uint32_t wnd, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	/* RFC 9293 3.10.7.4: only from a segment that is not older than the last that told one */
	if (!(l4_seq_lt(c->snd_wl1, h->seq) ||
		(c->snd_wl1 == h->seq && l4_seq_leq(c->snd_wl2, h->ack)) ||
		(c->snd_wl1 == h->seq && wnd > c->snd_wnd)))
		return;
	c->snd_wl1 = h->seq;
	c->snd_wl2 = h->ack;
	if (wnd == c->snd_wnd)
		return;
	c->snd_wnd = wnd;
	if (wnd > c->max_wnd)
		c->max_wnd = wnd;
	if (wnd && c->rtx_mode == L4_RTX_PERSIST) {
		c->rtx_mode = L4_RTX_OFF;
		l4_tcp_disarm(c, L4_TIMER_RTX);
		c->backoff = 0;
	}
	(void)now;
}

/* What was sent arrives: the peer and the path are there. */
static inline void got_through(struct l4_tcp *c, l4_time now)
{
	if (!c->snd.bytes)
		l4_tcp_held_by(c, L4_HELD_IDLE, now);
	c->retransmits = c->backoff = 0;
	c->first_rtx_time = 0;
	c->soft_err = 0;
	if (c->path.hop)
		c->ts->env.path_confirm(c->ts->env.ctx, &c->path, now);
}

/* All that was in flight is acknowledged in order, and the window was not what held sending back:
 * nothing is left to be timed, recovery and congestion control have nothing to learn. It does what
 * l4_tcp_fast_ack does for any ACK, in the same order. */
static bool ack_all(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t ack = c->snd_nxt, n = sb->n;
	l4_time at = s->time < now ? s->time : now;
	if (!n || s->h.ack != ack || c->cc->full_control || l4_cc_is_limited(c) || c->ts->env.trace)
		return false;
	const struct l4_txseg *first = l4_sb_at(sb, 0), *last = l4_sb_at(sb, n - 1);
	if (at < last->xmit_time)
		return false;
	l4_time rtt = at - first->xmit_time;
	c->bytes_acked += ack - c->snd_una;
	c->snd_una = c->fack = ack;
	c->delivered += n;
	sb->head = (sb->head + n) & (sb->cap - 1);
	sb->n = 0;
	l4_sndbuf_ack(c, ack);
	got_through(c, now);
	l4_rack_advance(c, last, at - last->xmit_time);
	if (rtt)
		l4_tcp_rtt_sample(c, rtt, at);
	else
		rtt_from_echo(c, s, at);
	l4_rate_all(c, last, at);
	if (c->cc->on_slack)
		c->cc->on_slack(c, at);
	if (c->rtx_mode == L4_RTX_RTO) {
		c->rtx_mode = L4_RTX_OFF;
		l4_tcp_disarm(c, L4_TIMER_RTX);
	}
	l4_tcp_disarm(c, L4_TIMER_TLP);
	l4_tcp_disarm(c, L4_TIMER_REO);
	if (sb->cap > 64)
		l4_sb_clear(c);
	tune_sndbuf(c);
	return true;
}

/* The same of part of it, or where it has more to tell. */
L4_APART static void ack_part(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	uint32_t ack = s->h.ack;
	struct l4_ack a = { .seg = s,
		.now = s->time < now ? s->time : now,
		.prior_una = c->snd_una,
		.prior_fack = c->snd_una,
		.acked_bytes = ack - c->snd_una,
		.in_flight = l4_in_flight(c) };
	c->bytes_acked += a.acked_bytes;
	c->snd_una = c->fack = ack;
	l4_sb_ack(c, ack, &a);
	l4_sndbuf_ack(c, ack);
	got_through(c, now);
	rtt_from_ack(c, s, &a);
	l4_rate_sample(c, &a);
	l4_recovery_on_ack(c, &a, ack);
	if (ts->env.trace && a.acked)
		l4_tcp_trace(c, L4_TRACE_TCP_ACKED, 0, c->snd_una - c->iss, a.acked, a.sacked,
		    l4_in_flight(c));
	l4_tcp_rearm_rto(c, now);
	l4_tcp_tlp_schedule(c, now);
	tune_sndbuf(c);
}

/* The usual ACK: in order, nothing lost or SACKed, no probe or episode under way (l4_is_plain, as
 * the caller knows). What it does is what l4_tcp_process_ack does then; whatever else may be the
 * case goes there. */
bool l4_tcp_fast_ack(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	uint32_t ack = h->ack, wnd = (uint32_t)h->wnd << c->snd_wscale;
	bool advanced = ack != c->snd_una;
	if (c->sb.dirty || c->rtx_mode == L4_RTX_PERSIST ||
	    ack - c->snd_una > c->snd_nxt - c->snd_una || (!advanced && !s->len))
		return false;
	c->last_ack_in = now;
	if (c->opt_keepalive)
		c->probes_out = 0;
	c->probe_start = 0;
	c->snd_wl1 = h->seq; /* the segment is the newest: its window counts */
	c->snd_wl2 = ack;
	c->snd_wnd = wnd;
	if (wnd > c->max_wnd)
		c->max_wnd = wnd;
	if (advanced && !ack_all(c, s, now))
		ack_part(c, s, now);
	maybe_writable(c);
	if (l4_unsent(c))
		l4_tcp_make_ready(c);
	else
		l4_rate_check_app_limited(c);
	return true;
}

int l4_tcp_process_ack(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	uint32_t ack = h->ack, wnd = (uint32_t)h->wnd << c->snd_wscale;
	struct l4_ack a = {
		.seg = s, .now = s->time, .prior_una = c->snd_una, .prior_fack = c->fack
	};
	if (a.now > now)
		a.now = now;

	/* RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT */
	if (l4_seq_gt(ack, c->snd_nxt + c->probe_octet) ||
	    l4_seq_lt(ack, c->snd_una - c->max_wnd)) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_BAD_ACK, s);
		l4_tcp_challenge_ack(c, now);
		return -1;
	}
	c->last_ack_in = now;
	if (c->rtx_mode == L4_RTX_PERSIST || c->opt_keepalive)
		c->probes_out = 0; /* the peer lives */
	c->probe_start = 0;

	bool advanced = l4_seq_gt(ack, c->snd_una);
	a.in_flight = l4_in_flight(c);
	if (!l4_seq_lt(ack, c->snd_una)) {
		a.dup = dup_ack(c, s, wnd);
		update_window(c, s, wnd, now);
	}
	if (!s->len && !advanced)
		c->ts->ctr.pure_acks_in++;
	if (c->sack_ok && (h->opts.present & L4_TCPO_SACK) && (c->sb.n || h->opts.sack_n))
		l4_sb_sack(c, s, &a);

	if (advanced) {
		if (c->probe_octet &&
		    ack == c->snd_nxt + 1) { /* the window probe's octet was taken */
			c->snd_nxt++;
			c->probe_octet = false;
		}
		a.acked_bytes = ack - c->snd_una;
		c->bytes_acked += a.acked_bytes;
		c->snd_una = ack;
		if (c->snd_urg && l4_seq_geq(ack, c->snd_up))
			c->snd_urg = false;
		l4_sb_ack(c, ack, &a); /* before fack: it tells what was delivered out of order */
		if (l4_seq_lt(c->fack, ack))
			c->fack = ack;
		l4_sndbuf_ack(c, l4_seq_min(ack, c->snd_end));
		got_through(c, now);
	}
	rtt_from_ack(c, s, &a);
	l4_rate_sample(c, &a);
	l4_ecn_on_ack(c, s, &a);
	l4_tcp_tlp_on_ack(c, &a, ack);
	if (advanced || a.sacked || a.dup || a.dsack || a.ece || c->sb.n_lost)
		l4_recovery_on_ack(c, &a, ack);
	else
		a.dup = false;
	if (c->ts->env.trace && (a.acked || a.sacked))
		l4_tcp_trace(c, L4_TRACE_TCP_ACKED, 0, c->snd_una - c->iss, a.acked, a.sacked,
		    l4_in_flight(c));

	/* RFC 6298 5.2 and 5.3; RFC 8985 7.2 */
	if (advanced || a.sacked) {
		if (!c->partial_seen || c->ca_state != L4_CA_RECOVERY)
			l4_tcp_rearm_rto(c, now);
		l4_tcp_tlp_schedule(c, now);
		tune_sndbuf(c);
		/* RFC 6582 3.2, step 3: without SACK only the first partial ACK restarts the timer,
		 * so that many losses in a window end in slow start, not in one a round trip */
		c->partial_seen = !c->sack_ok && !c->ts->cfg.partial_ack_restarts &&
				  c->ca_state == L4_CA_RECOVERY && advanced;
	}
	if (advanced && c->mtu_probe_size && l4_seq_geq(ack, c->mtu_probe_end))
		l4_pmtu_probe_acked(c);
	maybe_writable(c);
	l4_tcp_output_check(c);

	if (!c->fin_sent || l4_seq_lt(c->snd_una, c->snd_end + 1))
		return 0;
	/* our FIN is acknowledged */
	switch (c->state) {
	case L4_TCP_FIN_WAIT_1:
		l4_tcp_set_state(c, L4_TCP_FIN_WAIT_2);
		if (c->orphan) { /* nobody will read: it need not last for ever */
			l4_time t =
			    c->opt_linger2 >= 0 ? (l4_time)c->opt_linger2 : c->ts->cfg.fin_timeout;
			l4_tcp_arm(c, L4_TIMER_LIFE, now + t);
		}
		break;
	case L4_TCP_CLOSING:
		if (l4_tcp_enter_time_wait(c, now) < 0)
			l4_tcp_done(c, 0);
		return -1;
	case L4_TCP_LAST_ACK:
		l4_tcp_done(c, 0);
		return -1;
	default:
		break;
	}
	return 0;
}
