/* SEGMENT ARRIVES (RFC 9293 3.10.7) for connections; listeners are in listen.c, TIME-WAIT in
 * timewait.c.
 *
 * The order of checks is the standard's: sequence number (with PAWS before it, RFC 7323 5.3), RST,
 * security (none), SYN, ACK, URG, text, FIN. Blind attackers are answered as RFC 5961 says:
 * a RST must hit rcv_nxt exactly, a SYN and an ACK out of range get a challenge ACK.
 *
 * Segments come in batches; what can wait until the end of a batch (the ACK, the readable event) is
 * decided there, once (l4_tcp_input_end). */
#include "tcp/conn.h"
#include "tcp/cc.h"

#define PAWS_IDLE (24ull * 24 * 3600 * L4_SEC) /* RFC 7323 5.5: 24 days */

/* RFC 5961 7 and 10: a connection answers challenge_max times in challenge_window; all of them
 * together at most a number drawn anew each second, so that it tells nothing to an observer. */
static bool challenge_allowed(struct l4_tcp_stack *ts, l4_time now)
{
	if (now - ts->challenge_epoch >= L4_SEC || !ts->challenge_limit) {
		ts->challenge_epoch = now;
		ts->challenge_limit = 500 + ts->env.random(ts->env.ctx) % 1000;
		ts->challenge_count = 0;
	}
	if (ts->challenge_count >= ts->challenge_limit)
		return false;
	ts->challenge_count++;
	return true;
}

void l4_tcp_challenge_ack(struct l4_tcp *c, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	if (c->challenge_time == L4_TIME_NEVER ||
	    now - c->challenge_time >= ts->cfg.challenge_window) {
		c->challenge_time = now;
		c->challenge_n = 0;
	}
	if (c->challenge_n >= ts->cfg.challenge_max || !challenge_allowed(ts, now)) {
		ts->ctr.challenge_acks_skipped++;
		return;
	}
	c->challenge_n++;
	ts->ctr.challenge_acks++;
	l4_tcp_ack_now(c, L4_WHY_CHALLENGE);
}

/* A segment outside the window is answered (RFC 9293 3.10.7.4), but two that talk past each other
 * must not do so for ever: without data at most once in challenge_window. */
static void ack_unacceptable(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (!s->len && !(s->h.flags & (L4_TCPF_SYN | L4_TCPF_FIN))) {
		bool keepalive = s->h.seq == c->rcv_nxt - 1;
		if (!keepalive && c->oow_ack_time != L4_TIME_NEVER &&
		    now - c->oow_ack_time < c->ts->cfg.challenge_window)
			return;
		c->oow_ack_time = now;
	}
	l4_tcp_ack_now(c, L4_WHY_ACK_UNACCEPTABLE);
}

/* The options of a SYN or SYN-ACK, against what we offered. */
void l4_tcp_parse_syn(struct l4_tcp *c, const struct l4_tcp_hdr *h)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	const struct l4_tcp_opts *o = &h->opts;
	bool v4 = l4_addr_is_ip4(&c->h.remote.addr);
	/* RFC 9293 3.7.1, MUST-15: without the option 536, or 1220 for IPv6 */
	uint16_t mss = v4 ? cfg->mss_default : 1220;
	if ((o->present & L4_TCPO_MSS) && o->mss)
		mss = o->mss < cfg->mss_min ? cfg->mss_min : o->mss;
	c->mss_peer = mss;
	c->sack_ok = cfg->sack && (o->present & L4_TCPO_SACK_PERM);
	c->ws_ok = cfg->window_scaling && (o->present & L4_TCPO_WSCALE);
	c->snd_wscale = c->ws_ok ? o->wscale : 0;
	if (!c->ws_ok)
		c->rcv_wscale = 0;
	c->ts_ok = cfg->timestamps && (o->present & L4_TCPO_TS);
	if (c->ts_ok) {
		c->ts_recent = o->ts_val;
		c->ts_recent_time = c->ts->now;
	}
}

/* The receive buffer in whole segments, all of it advertised. */
static void bsd_buffer(struct l4_tcp *c)
{
	uint32_t mss = c->mss_peer && c->mss_peer < c->advmss ? c->mss_peer : c->advmss;
	if (!c->ts->cfg.bsd_ways || !mss)
		return;
	c->rcvbuf = (c->rcvbuf + mss - 1) / mss * mss;
	c->rcv_ssthresh = c->rcvbuf;
}

void l4_tcp_established(struct l4_tcp *c, l4_time now)
{
	l4_tcp_set_state(c, L4_TCP_ESTABLISHED);
	c->rtx_mode = c->sb.n ? L4_RTX_RTO : L4_RTX_OFF;
	c->send_syn = false;
	if (!c->sb.n)
		l4_tcp_disarm(c, L4_TIMER_RTX);
	c->backoff = c->retransmits = 0;
	c->first_rtx_time = 0;
	l4_pmtu_start(c);
	l4_tcp_sync_mss(c);
	c->rcv_mss = c->advmss < 536 ? c->advmss : 536;
	/* RFC 6928; RFC 5681 3.1: one segment if the SYN had to be sent again */
	c->cwnd = c->syn_retries > 1 ? 1 : c->ts->cfg.initial_window;
	c->delivered = 1;
	c->delivered_time = now;
	c->cwnd_stamp = now;
	c->cwnd_usage_seq = c->snd_nxt;
	c->fack = c->snd_una;
	c->quick = c->ts->cfg.bsd_ways ? 0 : 16;
	bsd_buffer(c);
	c->rcv_space_time = c->established_at = now;
	c->rcv_space = 0;
	c->last_data_in = 0;
	c->last_ack_in = now;
	if (!c->srtt) {
		l4_tcp_rto_reset(c);
		/* RFC 6298 5.7: a SYN timed out, and no sample says better */
		if (c->syn_retries && c->rto < 3 * L4_SEC)
			c->rto = 3 * L4_SEC;
	}
	l4_hystart_reset(c);
	l4_tcp_start_keepalive(c, now);
	if (c->shut_wr) /* RFC 9293 3.10.4: a CLOSE in SYN-RECEIVED waited for this */
		l4_tcp_set_state(c, L4_TCP_FIN_WAIT_1);
	c->connected_event = true;
	l4_tcp_event(c, L4_EV_CONNECTED | L4_EV_WRITABLE);
	c->app_wants_write = false;
}

/* --- SYN-SENT (RFC 9293 3.10.7.3) --- */

static void reset_syn_sent(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (s->h.flags & L4_TCPF_RST)
		return;
	l4_tcp_send_rst_reply(c->ts, s, L4_WHY_RST_STATE, now);
}

static void syn_rtt(struct l4_tcp *c, const struct l4_seg *s)
{
	/* Karn: only if the SYN was sent once, or the timestamp tells */
	if (!c->syn_retries && s->time >= c->probe_start)
		l4_tcp_rtt_sample(c, s->time - c->probe_start, s->time);
	else if (c->ts_ok && s->h.opts.ts_ecr) {
		uint32_t t = l4_tcp_ts_now(c->ts, s->time) + c->ts_offset - s->h.opts.ts_ecr;
		if (t < 600000)
			l4_tcp_rtt_sample(c, (t ? t : 1) * c->ts->cfg.ts_tick, s->time);
	}
	c->probe_start = 0;
}

void l4_tcp_drop_syn_text(struct l4_tcp *c)
{
	if (c->syn_text)
		l4_tcp_buf_free(c->ts, c->syn_text, c->syn_text_len);
	c->syn_text = NULL;
}

/* RFC 9293 3.10.7.3, fourth: text with a SYN that crosses ours is queued until ESTABLISHED. What
 * does not fit the window, or memory, comes again: only the SYN is acknowledged. */
static void queue_syn_text(struct l4_tcp *c, const struct l4_seg *s)
{
	uint32_t len = s->len < c->rcv_wnd ? s->len : c->rcv_wnd, n = 0, skip = s->skip;
	l4_tcp_drop_syn_text(c);
	if (!len || !(c->syn_text = l4_tcp_buf_alloc(c->ts, len)))
		return;
	c->syn_text_len = len;
	for (uint32_t i = 0; i < s->n_pieces && n < len; i++) {
		uint32_t k = (uint32_t)s->pieces[i].len - skip;
		k = k < len - n ? k : len - n;
		memcpy(c->syn_text + n, (const uint8_t *)s->pieces[i].data + skip, k);
		n += k;
		skip = 0;
	}
}

/* False: the connection is no more. */
static bool deliver_syn_text(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	struct l4_piece p = { c->syn_text, c->syn_text_len };
	struct l4_seg d = *s;
	d.h.seq = c->irs + 1;
	d.h.flags = L4_TCPF_ACK;
	d.pieces = &p;
	d.n_pieces = 1;
	d.skip = 0;
	d.len = c->syn_text_len;
	d.n_segs = 1;
	d.lent = false;
	l4_tcp_deliver(c, &d, now);
	l4_tcp_drop_syn_text(c);
	return c->state != L4_TCP_CLOSED; /* the record stands until the batch ends */
}

static void in_syn_sent(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	bool has_ack = h->flags & L4_TCPF_ACK;
	/* first: the ACK */
	if (has_ack && (l4_seq_leq(h->ack, c->iss) || l4_seq_gt(h->ack, c->snd_nxt))) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_BAD_ACK, s);
		reset_syn_sent(c, s, now);
		return;
	}
	/* second: RST, believed only with an ACK of our SYN */
	if (h->flags & L4_TCPF_RST) {
		if (has_ack)
			l4_tcp_done(c, L4_EREFUSED);
		else
			l4_tcp_drop(c->ts, c, L4_DROP_TCP_RST_SEQ, s);
		return;
	}
	/* fourth: SYN */
	if (!(h->flags & L4_TCPF_SYN)) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_FLAGS, s);
		return;
	}
	if (!has_ack && !c->ts->cfg.simultaneous_open) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_FLAGS, s);
		return;
	}
	c->irs = h->seq;
	c->rcv_nxt = c->rcv_wup = c->last_ack_sent = h->seq + 1;
	c->rcv_up = c->rcv_nxt;
	l4_tcp_parse_syn(c, h);
	c->snd_wnd = h->wnd; /* RFC 7323 2.2: not scaled */
	c->max_wnd = c->snd_wnd;
	c->snd_wl1 = h->seq;
	c->snd_wl2 = has_ack ? h->ack : c->iss;
	if (!has_ack) { /* simultaneous open (RFC 9293 3.5, MUST-10) */
		enum l4_ecn_kind k = l4_ecn_of_syn(c->ts, s);
		l4_tcp_set_state(c, L4_TCP_SYN_RECEIVED);
		/* RFC 9768 3.1.2: as if it had been a listener; both then feed back by SYN-ACK */
		l4_ecn_negotiated(c, k == L4_ECN_CLASSIC, k == L4_ECN_ACCURATE, s->tos & 3);
		c->accecn_shake = c->accecn_first = false;
		queue_syn_text(c, s);
		bsd_buffer(c);
		c->snd_nxt = c->iss + 1;
		l4_sb_clear(c);
		c->send_syn = true;
		c->syn_retries = 0;
		c->backoff = 0;
		l4_tcp_rearm_rto(c, now);
		l4_tcp_make_ready(c);
		return;
	}
	/* our SYN is acknowledged, maybe with data of Fast Open */
	uint16_t f = h->flags & (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE);
	uint8_t ecn = c->ts->cfg.ecn;
	bool acc =
	    ecn == 3 && f != L4_TCPF_ECE && f != 0 && f != (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE);
	l4_ecn_negotiated(
	    c, (ecn == 1 || ecn == 3 || ecn == 5) && f == L4_TCPF_ECE, acc, s->tos & 3);
	syn_rtt(c, s);
	if (c->fo_request)
		l4_fo_learn(c, &h->opts, h->ack, now);
	c->snd_una = h->ack;
	c->bytes_acked = 0;
	l4_tcp_established(c, now);
	l4_ecn_handshake_answer(c, s);
	if (c->fo_syn_data) {
		struct l4_ack a = { .seg = s, .now = s->time, .prior_fack = c->iss };
		c->syn_data_acked = h->ack == c->snd_nxt;
		l4_sb_ack(c, h->ack, &a);
		l4_sndbuf_ack(c, h->ack);
		if (c->syn_data_acked && c->delivered > 1)
			c->delivered--; /* the SYN and its data are one segment */
		if (c->ts->cfg.linux_ways && !c->sb.n && l4_unsent(c)) {
			c->last_data_in = now; /* what follows is part of a conversation */
			c->ato = c->ts->cfg.delack_min;
		}
		if (c->sb.n) { /* the server took the SYN only, or part: the rest again, at once,
				* in segments of the size that it can take (RFC 9293 3.7.1) */
			l4_sb_resize_segments(c, c->snd_mss);
			for (uint32_t i = 0; i < c->sb.n; i++)
				l4_sb_mark_lost(c, (c->sb.head + i) & (c->sb.cap - 1));
			c->rtx_why.code = L4_WHY_RTX_RTO;
			c->ts->ctr.fastopen_active_fail++;
		}
		l4_tcp_rearm_rto(c, now);
	}
	c->ts->ctr.active_opens += 0;
	l4_tcp_ack_now(c, L4_WHY_ACK);
	/* data with the SYN-ACK is queued as in ESTABLISHED */
	if (s->len || (h->flags & L4_TCPF_FIN)) {
		struct l4_seg d = *s;
		d.h.seq++;
		d.h.flags &= (uint16_t)~L4_TCPF_SYN;
		l4_tcp_deliver(c, &d, now);
	}
	l4_tcp_output_check(c);
}

/* --- The text of the segment and its FIN --- */

static void measure_rcv_mss(struct l4_tcp *c, const struct l4_seg *s)
{
	uint32_t len = s->n_segs > 1 ? s->len / s->n_segs : s->len;
	if (len > c->rcv_mss)
		c->rcv_mss = (uint16_t)(len < c->advmss ? len : c->advmss);
}

/* The urgent pointer (RFC 9293 3.8.5, RFC 6093). It never moves the stream. */
static void in_urgent(struct l4_tcp *c, const struct l4_seg *s)
{
	uint32_t up = s->h.seq + s->h.urg;
	if (!(s->h.flags & L4_TCPF_URG) || !s->h.urg || l4_seq_leq(up, c->rcv_up) ||
	    l4_seq_leq(up, c->rcv_nxt - c->rcv.ready))
		return;
	c->rcv_up = up;
	c->rcv_urg = 1;
	l4_tcp_event(c, L4_EV_URGENT);
}

/* RFC 9293 3.10.7.4, eighth: the peer is done sending. */
static void in_fin(struct l4_tcp *c, l4_time now)
{
	c->rcv_nxt++;
	c->fin_rcvd = true;
	c->rcv_fin_seen = false;
	if (c->ts->cfg.linux_ways && c->state == L4_TCP_ESTABLISHED && c->last_data_in) {
		c->ack_owed = true; /* delayed: if the user closes too, one segment does for both */
		c->pingpong = 3;
	} else {
		l4_tcp_ack_now(c, L4_WHY_ACK_FIN);
	}
	l4_tcp_event(c, L4_EV_EOF | L4_EV_READABLE);
	switch (c->state) {
	case L4_TCP_SYN_RECEIVED:
	case L4_TCP_ESTABLISHED:
		l4_tcp_set_state(c, L4_TCP_CLOSE_WAIT);
		break;
	case L4_TCP_FIN_WAIT_1: /* our FIN is not acknowledged yet, else it were FIN-WAIT-2 */
		l4_tcp_set_state(c, L4_TCP_CLOSING);
		break;
	case L4_TCP_FIN_WAIT_2:
		if (l4_tcp_enter_time_wait(c, now) < 0)
			l4_tcp_done(c, 0);
		break;
	default:
		break;
	}
}

static bool takes_data(const struct l4_tcp *c)
{
	return c->state == L4_TCP_ESTABLISHED || c->state == L4_TCP_FIN_WAIT_1 ||
	       c->state == L4_TCP_FIN_WAIT_2 || c->state == L4_TCP_SYN_RECEIVED;
}

/* Data arrived that nobody will ever read: the peer must learn that it is lost (RFC 1122 4.2.2.13).
 */
static void data_after_close(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	c->ts->ctr.abort_on_data++;
	l4_tcp_drop(c->ts, c, L4_DROP_TCP_AFTER_FIN, s);
	l4_tcp_send_rst_reply(c->ts, s, L4_WHY_RST_DATA_LOST, now);
	l4_tcp_done(c, L4_ERESET);
}

static void grow_window(struct l4_tcp *c, uint32_t len)
{
	/* what is offered grows with what arrives, up to the buffer */
	uint32_t to = c->rcv_ssthresh + (len > 2u * c->advmss ? len : 2u * c->advmss);
	c->rcv_ssthresh = to < c->rcvbuf ? to : c->rcvbuf;
}

static inline void schedule_ack(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (c->ts->cfg.bsd_ways) { /* every second segment, whatever its size */
		c->ack_owed = true;
		if (c->timer[L4_TIMER_DELACK] != L4_TIME_NEVER || s->n_segs > 1)
			l4_tcp_ack_now(c, L4_WHY_ACK_SECOND);
		c->last_data_in = now ? now : 1;
		return;
	}
	c->ack_owed = true;
	if (s->n_segs > 1 || s->len >= c->rcv_mss)
		c->unacked_segs = (uint16_t)(c->unacked_segs + s->n_segs);
	/* an interval of silence starts quick mode again, and tells the peer's rhythm (ato) */
	if (c->last_data_in) {
		l4_time m = now - c->last_data_in;
		if (m <= c->ts->cfg.delack_min / 2) {
			c->ato = c->ato / 2 + c->ts->cfg.delack_min / 2;
		} else if (m < c->ato) {
			c->ato = c->ato / 2 + m;
			if (c->ato > c->rto)
				c->ato = c->rto;
		} else if (m > c->rto) {
			uint32_t q = c->rcv_wnd / (2u * (c->rcv_mss ? c->rcv_mss : 1));
			c->quick = q > 16 ? 16 : q < 2 ? 2 : (uint8_t)q;
		}
	} else {
		uint32_t q = c->rcv_wnd / (2u * (c->rcv_mss ? c->rcv_mss : 1));
		c->quick = q > 16 ? 16 : q < 2 ? 2 : (uint8_t)q;
	}
	if (c->ato < c->ts->cfg.delack_min)
		c->ato = c->ts->cfg.delack_min;
	c->last_data_in = now ? now : 1;
}

void l4_tcp_deliver(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	uint32_t seq = s->h.seq, len = s->len, skip = 0;
	bool fin = s->h.flags & L4_TCPF_FIN;
	if (!len && !fin)
		return;
	if (!takes_data(c)) {
		/* CLOSE-WAIT and later: nothing can follow the peer's FIN (RFC 9293 3.10.7.4) */
		if (l4_seq_gt(seq + len, c->rcv_nxt))
			l4_tcp_drop(c->ts, c, L4_DROP_TCP_AFTER_FIN, s);
		l4_tcp_ack_now(c, L4_WHY_ACK_UNACCEPTABLE);
		return;
	}
	uint32_t edge = c->rcv_nxt + l4_rcvbuf_wnd_now(c);
	if (l4_seq_lt(seq, c->rcv_nxt)) { /* cut off what is there already; report it (RFC 2883) */
		uint32_t old = c->rcv_nxt - seq;
		c->dsack = (struct l4_rrange){ seq, old < len ? c->rcv_nxt : seq + len };
		if (old > len)
			return; /* all of it, with the FIN: the caller has answered */
		skip = old;
		len -= old;
		seq = c->rcv_nxt;
		l4_tcp_ack_now(c, L4_WHY_ACK_DUP);
	}
	if (l4_seq_gt(seq + len + fin, edge)) { /* beyond the window */
		if (l4_seq_gt(seq + len, edge)) {
			len = l4_seq_lt(seq, edge) ? edge - seq : 0;
			fin = false;
			l4_tcp_ack_now(c, L4_WHY_ACK_UNACCEPTABLE);
			l4_tcp_drop(c->ts, c, L4_DROP_TCP_WINDOW, s);
		}
	}
	/* a FIN that was seen fixes the end of the stream */
	if (c->rcv_fin_seen && l4_seq_gt(seq + len, c->rcv_fin_seq)) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_AFTER_FIN, s);
		len = l4_seq_lt(seq, c->rcv_fin_seq) ? c->rcv_fin_seq - seq : 0;
	}
	if (len && c->orphan && l4_seq_gt(seq + len, c->rcv_nxt)) {
		data_after_close(c, s, now);
		return;
	}
	if (fin && !c->rcv_fin_seen) { /* first: nothing beyond it may join the stream */
		c->rcv_fin_seen = true;
		c->rcv_fin_seq = seq + len;
		l4_rcvbuf_cut(c, c->rcv_fin_seq);
	}
	uint32_t before = c->rcv_nxt;
	bool had_gap = c->rcv.ooo_n > 0;
	if (len) {
		measure_rcv_mss(c, s);
		int e = l4_rcvbuf_put(c, s, skip, seq, len);
		if (e < 0) { /* not acknowledged: it will come again */
			l4_tcp_drop(c->ts, c, L4_DROP_TCP_MEMORY, s);
			c->ts->ctr.ooo_dropped++;
			c->ts->ctr.rcv_pruned++;
			l4_tcp_ack_now(c, L4_WHY_ACK_UNACCEPTABLE);
			return;
		}
	}
	if (c->rcv_nxt != before) {
		uint32_t n = c->rcv_nxt - before;
		c->bytes_received += n;
		grow_window(c, n);
		schedule_ack(c, s, now);
		if (had_gap) /* RFC 5681 4.2: at once when a gap is filled, in part or whole */
			l4_tcp_ack_now(c, L4_WHY_ACK_FILL);
		if (c->rcv_urg == 1 && !c->opt_oobinline && l4_seq_geq(c->rcv_nxt, c->rcv_up)) {
			/* the urgent octet is here: keep a copy for out-of-band reading */
			struct l4_piece p[2];
			l4_rcvbuf_settle(c);
			int np = (int)l4_rcvbuf_pieces(c, p, 2);
			uint32_t off = c->rcv_up - 1 - (c->rcv_nxt - c->rcv.ready);
			for (int i = 0; i < np; i++) {
				if (off < p[i].len) {
					c->urg_byte = ((const uint8_t *)p[i].data)[off];
					c->rcv_urg = 2;
					l4_tcp_event(c, L4_EV_URGENT);
					break;
				}
				off -= (uint32_t)p[i].len;
			}
		}
		if (c->shut_rd) {
			l4_rcvbuf_drop(c, c->rcv.ready);
		}
	} else if (len) {
		c->rcv_ooopack++;
		c->ts->ctr.ooo_queued++;
		if (!c->sack_ok && c->dup_acks_owed < 64)
			c->dup_acks_owed++;
		l4_tcp_ack_now(c, L4_WHY_ACK_OOO);
		c->last_data_in = now ? now : 1;
	}
	if (c->rcv_fin_seen && c->rcv_nxt == c->rcv_fin_seq && !c->fin_rcvd)
		in_fin(c, now);
	else if (fin && !c->fin_rcvd)
		l4_tcp_ack_now(c, L4_WHY_ACK_OOO);
	if (!c->ack_now && (s->h.flags & L4_TCPF_CWR) && c->ecn_ok && !c->accecn_ok)
		l4_tcp_ack_now(c, L4_WHY_ACK_ECN); /* RFC 3168 6.1.3 */
}

/* --- Synchronized states --- */

/* RFC 7323 5.3 R1: whether PAWS refuses the segment.
 *
 * A retransmission that fills a gap moves TS.Recent to its own late time. What was sent before it
 * and is still on its way, late, would then be refused, sent again, and fill its gap as late: each
 * repair makes new losses for as long as the path reorders. So while data is missing, new data is
 * held against what TS.Recent was when the first of it went missing (at most two windows ago):
 * an old duplicate of another turn of the sequence numbers is older than that as well. */
static bool paws_fails(const struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (!c->ts_ok || !(s->h.opts.present & L4_TCPO_TS) ||
	    (int32_t)(s->h.opts.ts_val - c->ts_recent) >= 0 || now - c->ts_recent_time >= PAWS_IDLE)
		return false;
	bool late = !c->ts->cfg.paws_strict && c->rcv.ooo_n && s->len &&
		    l4_seq_geq(s->h.seq, c->rcv_nxt) &&
		    (int32_t)(s->h.opts.ts_val - c->ts_floor) >= 0;
	return !late;
}

/* TS.Recent is about to move. */
static void keep_ts_floor(struct l4_tcp *c)
{
	if (!c->rcv.ooo_n || l4_seq_lt(c->rcv_nxt, c->ts_next_seq))
		return;
	c->ts_floor = c->ts_next;
	c->ts_next = c->ts_recent;
	c->ts_next_seq = c->rcv_nxt + c->rcv_wnd;
}

/* RFC 9293 3.10.7.4, first: whether any of it lies in the window. */
static bool acceptable(const struct l4_tcp *c, const struct l4_seg *s)
{
	uint32_t seq = s->h.seq, wnd = l4_rcvbuf_wnd_now(c);
	uint32_t len = s->len + !!(s->h.flags & L4_TCPF_SYN) + !!(s->h.flags & L4_TCPF_FIN);
	if (c->ts->cfg.bsd_ways && c->rcvbuf > c->rcv.ready + wnd)
		wnd = c->rcvbuf - c->rcv.ready; /* what did not fit the field counts as well */
	if ((s->h.flags & L4_TCPF_RST) && !len) /* RFC 9293 3.4, table 6, to the letter */
		return seq == c->rcv_nxt ||
		       (l4_seq_lt(c->rcv_nxt, seq) && l4_seq_lt(seq, c->rcv_nxt + wnd));
	if (!len) /* at the right edge too: a peer that has filled the window acknowledges from
		     there */
		return l4_seq_leq(c->rcv_nxt, seq) && l4_seq_leq(seq, c->rcv_nxt + wnd);
	if (!wnd)
		return seq ==
		       c->rcv_nxt; /* a probe: its ACK, RST and URG count, its data does not fit */
	return l4_seq_between(seq, c->rcv_nxt, c->rcv_nxt + wnd) ||
	       l4_seq_between(seq + len - 1, c->rcv_nxt, c->rcv_nxt + wnd) ||
	       (l4_seq_leq(seq, c->rcv_nxt) && l4_seq_gt(seq + len, c->rcv_nxt));
}

static void in_rst(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	/* RFC 5961 3.2 */
	if (s->h.seq != c->rcv_nxt && c->ts->cfg.secure_rst) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_CHALLENGE, s);
		l4_tcp_challenge_ack(c, now);
		return;
	}
	int err = L4_ERESET;
	if (c->state == L4_TCP_SYN_RECEIVED && !c->passive)
		err = L4_EREFUSED;
	else if (c->ts->cfg.bsd_ways)
		err = L4_ERESET;
	else if (c->state == L4_TCP_CLOSE_WAIT)
		err = L4_EPIPE;
	else if (c->state == L4_TCP_CLOSING || c->state == L4_TCP_LAST_ACK)
		err = 0; /* RFC 9293 3.10.7.4: enter CLOSED, nobody is told */
	l4_tcp_done(c, err);
}

static bool in_syn_received(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (l4_seq_leq(s->h.ack, c->iss) || l4_seq_gt(s->h.ack, c->snd_nxt)) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_BAD_ACK, s);
		l4_tcp_send_rst_reply(c->ts, s, L4_WHY_RST_STATE, now);
		return false;
	}
	if (!c->fo_child || c->snd_una == c->iss)
		c->snd_una = c->iss + 1;
	c->snd_wnd = (uint32_t)s->h.wnd << c->snd_wscale;
	c->max_wnd = c->snd_wnd > c->max_wnd ? c->snd_wnd : c->max_wnd;
	c->snd_wl1 = s->h.seq;
	c->snd_wl2 = s->h.ack;
	syn_rtt(c, s);
	l4_tcp_established(c, now);
	l4_ecn_handshake_ack(c, s);
	return true;
}

/* Header prediction: the segment that comes next in an established connection, with nothing in it
 * but data and an ACK. Each line is one of the checks below that then need not be made. */
static bool predicted(const struct l4_tcp *c, const struct l4_seg *s)
{
	const struct l4_tcp_hdr *h = &s->h;
	return l4_is_plain(c) && h->seq == c->rcv_nxt &&
	       (h->flags & ~(unsigned)L4_TCPF_PSH) == L4_TCPF_ACK &&
	       s->len <= l4_rcvbuf_wnd_now(c) && !c->rcv.ooo_n &&
	       h->opts.present == (c->ts_ok ? L4_TCPO_TS : 0u) &&
	       (!c->ts_ok || (int32_t)(h->opts.ts_val - c->ts_recent) >= 0);
}

static void fast_deliver(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	if (!s->len)
		return;
	measure_rcv_mss(c, s);
	if (!l4_rcvbuf_put_short(c, s) && l4_rcvbuf_put(c, s, 0, s->h.seq, s->len) < 0) {
		l4_tcp_deliver(c, s, now); /* fails again, and says so */
		return;
	}
	c->bytes_received += s->len;
	grow_window(c, s->len);
	schedule_ack(c, s, now);
}

/* Any segment, in the order of the standard. */
L4_APART static void in_any(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	if (c->state == L4_TCP_SYN_SENT) {
		in_syn_sent(c, s, now);
		return;
	}
	if (c->state == L4_TCP_CLOSED || c->state == L4_TCP_TIME_WAIT)
		return;

	/* first: timestamps and sequence number */
	bool rst = h->flags & L4_TCPF_RST;
	if (!rst && paws_fails(c, s, now)) {
		c->ts->ctr.paws_estab++;
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_PAWS, s);
		if (s->len && l4_seq_leq(h->seq + s->len, c->rcv_nxt))
			c->dsack = (struct l4_rrange){ h->seq, h->seq + s->len };
		ack_unacceptable(c, s, now);
		return;
	}
	if (c->ts_ok && !rst && !(h->opts.present & L4_TCPO_TS) && !(h->flags & L4_TCPF_SYN) &&
	    !c->ts->cfg.tolerate_missing_ts) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_NO_TS, s); /* RFC 7323 3.2 */
		return;
	}
	/* simultaneous open: the SYN-ACK to our SYN-ACK */
	bool crossing =
	    c->state == L4_TCP_SYN_RECEIVED &&
	    (h->flags & (L4_TCPF_SYN | L4_TCPF_ACK | L4_TCPF_RST)) == (L4_TCPF_SYN | L4_TCPF_ACK) &&
	    h->seq + 1 == c->rcv_nxt && h->ack == c->snd_nxt;
	if (!crossing && !acceptable(c, s)) {
		if (rst) {
			l4_tcp_drop(c->ts, c, L4_DROP_TCP_RST_SEQ, s);
			return;
		}
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_WINDOW, s);
		if (h->flags & L4_TCPF_SYN) {
			if (c->state == L4_TCP_SYN_RECEIVED && h->seq == c->irs &&
			    !(h->flags & L4_TCPF_ACK)) {
				c->send_syn = true; /* the SYN again: our SYN-ACK was lost */
				l4_tcp_make_ready(c);
			} else {
				l4_tcp_challenge_ack(c, now); /* RFC 5961 4.2 */
				l4_ecn_synack_again(c, s);
			}
			return;
		}
		if (s->len && l4_seq_leq(h->seq + s->len, c->rcv_nxt))
			c->dsack = (struct l4_rrange){ h->seq, h->seq + s->len };
		ack_unacceptable(c, s, now);
		return;
	}
	if (rst) {
		in_rst(c, s, now);
		return;
	}
	/* fourth: SYN in the window (RFC 5961 4.2) */
	if ((h->flags & L4_TCPF_SYN) && !crossing) {
		if (!c->ts->cfg.secure_syn) {
			l4_tcp_send_rst_of(c, L4_WHY_RST_STATE, now);
			l4_tcp_done(c, L4_ERESET);
			return;
		}
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_CHALLENGE, s);
		l4_tcp_challenge_ack(c, now);
		return;
	}
	/* fifth: ACK */
	if (!(h->flags & L4_TCPF_ACK)) {
		l4_tcp_drop(c->ts, c, L4_DROP_TCP_NO_ACK, s);
		return;
	}
	if (c->state == L4_TCP_SYN_RECEIVED && !in_syn_received(c, s, now))
		return;
	l4_ecn_on_segment(c, s);
	if (l4_tcp_process_ack(c, s, now) < 0)
		return;
	/* RFC 7323 4.3: TS.Recent from the segment that spans Last.ACK.sent; not from one
	 * whose ACK is refused, which may be forged to poison PAWS (RFC 5961 5) */
	if (c->ts_ok && (h->opts.present & L4_TCPO_TS) && l4_seq_leq(h->seq, c->last_ack_sent) &&
	    (int32_t)(h->opts.ts_val - c->ts_recent) >= 0) {
		keep_ts_floor(c);
		c->ts_recent = h->opts.ts_val;
		c->ts_recent_time = now;
	}
	if (c->syn_text && !deliver_syn_text(c, s, now))
		return;
	if (crossing) {
		l4_tcp_ack_now(c, L4_WHY_ACK);
		return;
	}
	if (c->timer[L4_TIMER_KEEP] != L4_TIME_NEVER)
		c->probes_out = 0;
	/* sixth, seventh, eighth */
	in_urgent(c, s);
	l4_tcp_deliver(c, s, now);
}

void l4_tcp_conn_input(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	const struct l4_tcp_hdr *h = &s->h;
	c->segs_in += s->n_segs;
	if (s->len)
		c->data_segs_in += s->n_segs;
	l4_tcp_trace(c, L4_TRACE_TCP_RECV, 0, h->seq - c->irs, s->len,
	    (h->flags & L4_TCPF_ACK) ? (int64_t)(h->ack - c->iss) : -1, h->wnd);
	if (predicted(c, s) && l4_tcp_fast_ack(c, s, now)) {
		if (c->ts_ok && l4_seq_leq(h->seq, c->last_ack_sent)) { /* RFC 7323 4.3 */
			c->ts_recent = h->opts.ts_val;
			c->ts_recent_time = now;
		}
		if (c->timer[L4_TIMER_KEEP] != L4_TIME_NEVER)
			c->probes_out = 0;
		fast_deliver(c, s, now);
		return;
	}
	in_any(c, s, now);
}

/* After a batch: one decision about the ACK, one event for what can be read. */
void l4_tcp_input_end(struct l4_tcp *c, l4_time now)
{
	if (c->rcv.post && !c->rcv_urg)
		l4_rcvbuf_fill(c);
	uint32_t unread = c->rcv.post_n + c->rcv.ready;
	if (unread >= c->opt_rcvlowat || (unread && c->fin_rcvd))
		l4_tcp_event(c, L4_EV_READABLE);
	if (!c->ack_owed || c->ack_now) {
		if (c->ack_now)
			l4_tcp_make_ready(c);
		return;
	}
	uint32_t since = c->rcv_nxt - c->rcv_wup;
	if (since >
	    c->rcv_mss) { /* RFC 9293 3.8.6.3, SHLD-18, MUST-58: every second full segment */
		l4_tcp_ack_now(c, L4_WHY_ACK_SECOND);
	} else if (c->quick && c->pingpong < 3) {
		l4_tcp_ack_now(c, L4_WHY_ACK_QUICK);
	} else if (c->rcv.ooo_n) {
		l4_tcp_ack_now(c, L4_WHY_ACK_OOO);
	} else if (c->timer[L4_TIMER_DELACK] == L4_TIME_NEVER) {
		l4_time d = c->ato < c->ts->cfg.delack_max ? c->ato : c->ts->cfg.delack_max;
		l4_tcp_arm(c, L4_TIMER_DELACK, now + d); /* MUST-59: under half a second */
	}
}
