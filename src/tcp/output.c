/* Output: a segment is made at the moment that it can leave, when the host pulls it.
 *
 * Order of what a connection sends: SYN; retransmissions (RACK's or the timeout's losses,
 * oldest first); tail loss probe; new data as cwnd, the peer's window, Nagle and SWS avoidance
 * allow (RFC 9293 3.7.4, 3.8.6.2.1); FIN; window and keep-alive probes; and if nothing carried it,
 * a pure ACK. Payload is lent from the send buffer; headers are the host's.
 *
 * Where the path takes super-segments, new data goes out as one of up to gso_max bytes: whole
 * segments, then perhaps a last short one. A burst is no longer than about a millisecond's worth at
 * the connection's rate (at least two segments), so that a slow path is not flooded. */
#include "tcp/conn.h"
#include "tcp/cc.h"

#define HDR_MAX 60u

uint32_t l4_tcp_ts_now(const struct l4_tcp_stack *ts, l4_time now)
{
	return (uint32_t)(now / ts->cfg.ts_tick);
}

static uint32_t ip_hdr(const struct l4_tcp *c)
{
	return l4_addr_is_ip4(&c->h.remote.addr) ? 20 : 40;
}

/* RFC 9293 3.7.1, MUST-16 and RFC 6691: payload bytes of a full segment, TS deducted. */
void l4_tcp_sync_mss(struct l4_tcp *c)
{
	uint32_t mtu = c->pmtu ? c->pmtu : c->path.mtu;
	uint32_t mss = mtu > ip_hdr(c) + 20 ? mtu - ip_hdr(c) - 20 : 1;
	if (c->mss_peer && c->mss_peer < mss)
		mss = c->mss_peer;
	if (c->opt_maxseg && c->opt_maxseg < mss)
		mss = c->opt_maxseg;
	uint32_t opts = c->ts_ok ? 12 : 0;
	mss = mss > opts + 8 ? mss - opts : 8;
	if (mss != c->snd_mss) {
		c->snd_mss = (uint16_t)mss;
		l4_tcp_trace(c, L4_TRACE_TCP_MSS, 0, (int64_t)mss, (int64_t)mtu, 0, 0);
	}
}

void l4_tcp_ack_now(struct l4_tcp *c, unsigned why)
{
	if (!c->ack_now)
		c->ack_why = (struct l4_why){ .code = (uint16_t)why };
	c->ack_now = c->ack_owed = true;
	l4_tcp_make_ready(c);
}

/* What every segment of an established connection carries: ports, ACK, window, options. */
static L4_WITHIN void fill_in(
    struct l4_tcp *c, struct l4_seg_out *o, uint32_t seq, uint16_t flags, l4_time now)
{
	o->src = c->h.local;
	o->dst = c->h.remote;
	o->path = &c->path;
	o->n_pieces = 0;
	o->len = 0;
	o->gso_size = 0;
	o->split = false;
	o->ip_id = (uint16_t)((c->h.hash >> 16) + c->segs_out);
	o->ttl = c->opt_ttl > 0 ? (uint8_t)c->opt_ttl : 0;
	o->tos = (uint8_t)(c->opt_tos & 0xfc);
	o->df = c->opt_pmtu;
	o->flow_label = c->h.hash & 0xfffff;
	o->why = (struct l4_why){ .ep = c->ep };
	o->h.reserved = 0;
	o->h.urg = 0;
	o->h.opts.present = 0;
	o->h.opts.sack_n = o->h.opts.fo_len = o->h.opts.accecn_n = 0;
	o->h.sport = c->h.local.port;
	o->h.dport = c->h.remote.port;
	o->h.seq = seq;
	o->h.flags = (uint16_t)(flags | L4_TCPF_ACK);
	o->h.ack = c->rcv_nxt;
	o->h.wnd = (uint16_t)(l4_rcvbuf_window(c) >> c->rcv_wscale);
	if (c->ts_ok) {
		o->h.opts.present |= L4_TCPO_TS;
		o->h.opts.ts_val = l4_tcp_ts_now(c->ts, now) + c->ts_offset;
		o->h.opts.ts_ecr = c->ts_recent;
	}
	if (c->snd_urg && l4_seq_gt(c->snd_up, seq)) {
		/* RFC 9293 3.1 and RFC 6093 4: the pointer names the octet that follows the urgent
		 * data */
		uint32_t up = c->snd_up - seq;
		o->h.flags |= L4_TCPF_URG;
		o->h.urg = (uint16_t)(up < 65535 ? up : 65535);
	}
}

static void fill(struct l4_tcp *c, struct l4_seg_out *o, uint32_t seq, uint16_t flags, l4_time now)
{
	fill_in(c, o, seq, flags, now);
}

static int sack_room(const struct l4_tcp *c)
{
	return c->ts_ok ? 3 : 4;
}

static void fill_sack(struct l4_tcp *c, struct l4_seg_out *o)
{
	if (!c->sack_ok || (!c->rcv.ooo_n && c->dsack.start == c->dsack.end && !c->rcv_fin_seen))
		return;
	int n = l4_rcvbuf_sack_blocks(c, o->h.opts.sack, sack_room(c));
	o->h.opts.sack_n = (uint8_t)n;
	if (n)
		o->h.opts.present |= L4_TCPO_SACK;
}

/* The ACK is on its way. */
static void ack_sent(struct l4_tcp *c, l4_time now)
{
	if (c->ack_owed && c->quick)
		c->quick--;
	/* not all that came out of order is told yet: another ACK, at once (rcvbuf.c) */
	c->ack_now = c->ack_owed = c->rcv.untold && c->rcv.ooo_n;
	if (c->ack_now)
		c->ack_why.code = L4_WHY_ACK_OOO;
	c->unacked_segs = 0;
	c->dup_acks_owed = 0;
	c->last_ack_sent = c->rcv_nxt;
	c->last_ack_out = now;
	l4_tcp_disarm(c, L4_TIMER_DELACK);
}

static void count_out(struct l4_tcp *c, const struct l4_seg_out *o)
{
	uint32_t n = o->gso_size ? (o->len + o->gso_size - 1) / o->gso_size : 1;
	c->segs_out += n;
	c->ts->ctr.out_segs += n;
	if (o->len) {
		c->data_segs_out += n;
		c->bytes_sent += o->len;
	}
	if (!c->ts->env.trace)
		return;
	uint32_t part = o->split ? o->gso_size : o->len, off = 0;
	do { /* what leaves as frames of its own is told so */
		uint32_t len = o->len - off < part ? o->len - off : part;
		l4_tcp_trace(c, L4_TRACE_TCP_SEND, o->why.code, o->h.seq + off - c->iss, len,
		    o->h.ack - c->irs, o->h.wnd);
		off += len;
	} while (off < o->len);
}

static int pull_syn(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	bool active = c->state == L4_TCP_SYN_SENT;
	c->send_syn = false;
	if (!c->syn_retries)
		c->probe_start = now; /* for the RTT of the handshake */
	/* RFC 7323 2.2: the window of a SYN is not scaled */
	uint32_t wnd = c->rcv_wnd < 65535 ? c->rcv_wnd : 65535;
	fill(c, o, c->iss, L4_TCPF_SYN, now);
	o->h.wnd = (uint16_t)wnd;
	o->h.urg = 0;
	o->h.flags &= (uint16_t)~L4_TCPF_URG;
	struct l4_tcp_opts *op = &o->h.opts;
	op->present = L4_TCPO_MSS | (cfg->bsd_ways ? L4_TCPO_BSD_LAYOUT : 0);
	op->mss = c->advmss;
	if (active) {
		o->h.flags = L4_TCPF_SYN;
		o->h.ack = 0;
		bool plain = cfg->syn_plain_after && c->syn_retries >= cfg->syn_plain_after;
		if (cfg->timestamps && !plain) {
			op->present |= L4_TCPO_TS;
			op->ts_val = l4_tcp_ts_now(c->ts, now) + c->ts_offset;
			op->ts_ecr = 0;
		}
		op->present |= (cfg->sack && !plain ? L4_TCPO_SACK_PERM : 0) |
			       (cfg->window_scaling && !plain ? L4_TCPO_WSCALE : 0);
		/* RFC 3168 6.1.1.1: after a loss the SYN may go without; RFC 9768 3.1.4 */
		if (c->syn_retries < 2) {
			if (cfg->ecn % 4 == 1)
				o->h.flags |= L4_TCPF_ECE | L4_TCPF_CWR;
			else if (cfg->ecn == 3)
				o->h.flags |= L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE;
		}
	} else {
		op->present |=
		    (c->sack_ok ? L4_TCPO_SACK_PERM : 0) | (c->ws_ok ? L4_TCPO_WSCALE : 0);
		if (c->ts_ok) {
			op->present |= L4_TCPO_TS;
			op->ts_val = l4_tcp_ts_now(c->ts, now) + c->ts_offset;
			op->ts_ecr = c->ts_recent;
		}
		if (c->ecn_ok && !c->accecn_ok)
			o->h.flags |= L4_TCPF_ECE;
		else if (c->accecn_ok && c->syn_retries < 2) /* RFC 9768 3.1.2, 3.2.3.2.2 */
			o->h.flags |= l4_ecn_synack_flags((c->ecn_syn_ect - 1) & 3);
		if (c->accecn_ok && cfg->accecn_option && !c->syn_retries &&
		    l4_tcp_opts_len(op, true) <= 28) { /* RFC 9768 3.2.3.2.1 */
			op->present |= L4_TCPO_ACCECN1;
			op->accecn_n = 3;
			op->accecn[0] = op->accecn[2] = 1;
			op->accecn[1] = 0;
		}
	}
	op->wscale = c->rcv_wscale;
	o->why.code = c->syn_retries ? (active ? L4_WHY_SYN_RTX : L4_WHY_SYNACK_RTX)
		      : active       ? L4_WHY_SYN
				     : L4_WHY_SYNACK;
	o->why.a = c->syn_retries;
	if (active && c->fo_request && !c->syn_retries) {
		if (c->fo_ask != L4_FO_ASK_NONE) {
			op->present |=
			    c->fo_ask == L4_FO_ASK_EXP ? L4_TCPO_FASTOPEN_EXP : L4_TCPO_FASTOPEN;
			op->fo_len = c->fo_cookie_len;
			memcpy(op->fo_cookie, c->fo_cookie, c->fo_cookie_len);
		}
		/* RFC 7413 4.2.1: with a cookie, data goes along */
		if ((c->fo_cookie_len || c->fo_ask == L4_FO_ASK_NONE) &&
		    l4_seq_lt(c->iss + 1, c->snd_end) && !c->syn_retries) {
			uint32_t len = c->snd_end - (c->iss + 1), room = l4_fo_room(c);
			len = len < room ? len : room;
			if (l4_sb_push(c, c->iss + 1, len, now) == 0) {
				o->n_pieces = l4_sndbuf_pieces(c, c->iss + 1, &len, o);
				o->len = len;
				l4_sb_at(&c->sb, c->sb.n - 1)->len = len;
				c->snd_nxt = c->iss + 1 + len;
				c->fo_syn_data = true;
				c->ts->ctr.fastopen_active++;
			}
		}
	}
	if (c->syn_retries) {
		c->total_retrans++;
		c->ts->ctr.retrans_segs++;
	}
	if (!active)
		ack_sent(c, now);
	count_out(c, o);
	c->rcv_wnd = wnd;
	c->rcv_wup = c->rcv_nxt;
	return 1;
}

/* --- Data --- */

/* Segments that may leave in one go (about a millisecond at the present rate, min_tso_segs at
 * least). */
static uint32_t burst_limit(const struct l4_tcp *c)
{
	uint32_t max = c->path.gso_max ? c->path.gso_max : 65535;
	max = (max - ip_hdr(c) - HDR_MAX) / c->snd_mss;
	uint32_t min = c->ts->cfg.min_tso_segs, half = c->cwnd > 2 ? c->cwnd / 2 : 1;
	if (max > half)
		max = half; /* what is in flight comes back in two parts at least */
	if (!c->srtt)
		return max < min || c->ts->cfg.linux_ways ? max : min;
	uint64_t rate = c->pacing_rate;
	if (!rate)
		rate =
		    l4_clamp_u64((double)c->cwnd * c->snd_mss *
				 (c->cwnd < c->ssthresh / 2 ? 2.0 : 1.2) * 1e9 / (double)c->srtt);
	uint64_t bytes = rate / 1024;
	l4_time r = c->min_rtt / (512 * L4_USEC);
	if (r < 16)
		bytes += 65536u >> r;
	uint64_t n = bytes / c->snd_mss;
	if (n < min)
		n = min;
	if (n > max)
		n = max;
	return n ? (uint32_t)n : 1;
}

static bool pace_ok(struct l4_tcp *c, l4_time now)
{
	if (!c->paces || !c->pacing_rate || c->pace_next <= now)
		return true;
	l4_tcp_arm(c, L4_TIMER_PACE, c->pace_next);
	return false;
}

/* No memory to note what would be sent. With nothing in flight no timer and no ACK would ever bring
 * the connection back here. */
static int try_later(struct l4_tcp *c, l4_time now)
{
	if (!c->sb.n)
		l4_tcp_arm(c, L4_TIMER_PACE, now + 100 * L4_MSEC);
	return 0;
}

static void pace_sent(struct l4_tcp *c, uint32_t bytes, l4_time now)
{
	if (!c->paces || !c->pacing_rate)
		return;
	uint64_t rate = c->pacing_rate < c->opt_max_pacing ? c->pacing_rate : c->opt_max_pacing;
	l4_time cost =
	    l4_clamp_u64((double)(bytes + ip_hdr(c) + 32) * 1e9 / (double)(rate ? rate : 1));
	l4_time from = c->pace_next > now ? c->pace_next : now;
	/* a late pull may catch up half a burst, and a millisecond, which loops that sleep are late
	 * by now and then; no more */
	if (c->pace_next && c->pace_next < now &&
	    now - c->pace_next < (cost / 2 > L4_MSEC ? cost / 2 : L4_MSEC))
		from = c->pace_next;
	c->pace_next = from + cost;
}

static void set_pacing_rate(struct l4_tcp *c)
{
	if (c->cc->paces || !c->paces || !c->srtt)
		return;
	double f = c->cwnd < c->ssthresh / 2 ? 2.0 : 1.2;
	uint32_t w = c->cwnd > c->sb.n ? c->cwnd : c->sb.n;
	c->pacing_rate = l4_clamp_u64(f * w * c->snd_mss * 1e9 / (double)c->srtt);
	if (c->pacing_rate > c->opt_max_pacing)
		c->pacing_rate = c->opt_max_pacing;
}

static void data_sent(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	c->last_data_out = now;
	/* the answer to what came lately: a conversation (RFC 9293 3.8.6.3 lets the ACK ride along)
	 */
	if (c->last_data_in && now - c->last_data_in < c->ato && c->pingpong < 3)
		c->pingpong = c->ts->cfg.linux_ways ? 3 : (uint8_t)(c->pingpong + 1);
	ack_sent(c, now);
	count_out(c, o);
	set_pacing_rate(c);
	pace_sent(c, o->len, now);
	if (c->ca_state == L4_CA_RECOVERY || c->ca_state == L4_CA_CWR)
		c->prr_out += o->gso_size ? (o->len + o->gso_size - 1) / o->gso_size : 1;
}

/* Sends record i once more. */
static int pull_rtx(struct l4_tcp *c, struct l4_seg_out *o, uint32_t i, l4_time now, bool tlp)
{
	struct l4_txseg *t = l4_sb_at(&c->sb, i);
	uint32_t fin = !!(t->flags & L4_TX_FIN), len = t->len - fin;
	uint16_t flags = fin ? L4_TCPF_FIN : 0;
	if (l4_seq_leq(t->seq, c->snd_end) && l4_seq_gt(t->seq + len, c->snd_end))
		len = c->snd_end - t->seq;
	fill(c, o, t->seq, flags, now);
	uint32_t want = len;
	o->n_pieces = l4_sndbuf_pieces(c, t->seq, &len, o);
	assert(len == want || o->n_pieces == L4_FRAME_PIECES - 1 || len);
	(void)want;
	o->len = len;
	if (len && l4_seq_leq(c->push_seq, t->seq + len) && l4_seq_gt(c->push_seq, t->seq))
		o->h.flags |= L4_TCPF_PSH;
	else if (len && (t->seq + len == c->snd_end || l4_sndbuf_ends_record(c, t->seq + len) ||
			    (c->fo_syn_data && t->seq == c->iss + 1 && c->ts->cfg.linux_ways)))
		o->h.flags |= L4_TCPF_PSH;
	o->h.flags |= l4_ecn_flags(c, false, true);
	if (c->ts->cfg.linux_ways)
		o->tos |= l4_ecn_codepoint(c, false);
	if (c->ts->cfg.accecn_option >= 2 && len + l4_ecn_option_room(c) <= c->snd_mss)
		l4_ecn_option_out(c, &o->h.opts);
	o->why = c->rtx_why;
	if (tlp)
		o->why = (struct l4_why){ .code = L4_WHY_TLP_RTX, .a = (int64_t)(2 * c->srtt) };
	else if (!o->why.code)
		o->why.code = L4_WHY_RTX_RACK;
	o->why.ep = c->ep;
	if (!c->retrans_stamped && c->ts_ok) {
		c->retrans_stamped = true;
		c->retrans_stamp = o->h.opts.ts_val;
	}
	l4_recovery_on_retransmit(c, t->seq);
	c->total_retrans++;
	c->bytes_retrans += len;
	c->ts->ctr.retrans_segs++;
	if (!c->first_rtx_time)
		c->first_rtx_time = t->xmit_time ? t->xmit_time : 1;
	l4_sb_on_retransmit(c, i, now);
	data_sent(c, o, now);
	if (c->timer[L4_TIMER_RTX] == L4_TIME_NEVER)
		l4_tcp_rearm_rto(c, now);
	return 1;
}

static void limited(struct l4_tcp *c, bool by_cwnd, l4_time now)
{
	/* RFC 7661, as the kernel keeps it: what was in flight at most in this window */
	if (l4_seq_geq(c->snd_una, c->cwnd_usage_seq) || by_cwnd ||
	    (!c->cwnd_limited && c->sb.n > c->max_in_flight)) {
		c->cwnd_limited = by_cwnd;
		c->max_in_flight = c->sb.n;
		c->cwnd_usage_seq = c->snd_nxt;
	}
	if (by_cwnd) {
		c->cwnd_used = 0;
		c->cwnd_stamp = now;
		return;
	}
	if (c->sb.n > c->cwnd_used)
		c->cwnd_used = c->sb.n;
	if (c->ts->cfg.slow_start_after_idle && !c->cc->full_control &&
	    now - c->cwnd_stamp >= c->rto && c->cwnd_stamp) {
		/* for a whole RTO the window was not used: let half of the unused part go */
		uint32_t used = c->cwnd_used > c->ts->cfg.initial_window
				    ? c->cwnd_used
				    : c->ts->cfg.initial_window;
		if (c->ca_state == L4_CA_OPEN && used < c->cwnd) {
			uint32_t keep = c->cwnd - c->cwnd / 4;
			if (c->ssthresh < UINT32_MAX && keep > c->ssthresh)
				c->ssthresh = keep;
			c->cwnd = (c->cwnd + used) / 2;
		}
		c->cwnd_used = 0;
		c->cwnd_stamp = now;
	}
	if (!c->cwnd_stamp)
		c->cwnd_stamp = now;
}

/* Data waits, nothing is in flight that would bring an ACK: the persist timer will look again. */
void l4_tcp_persist(struct l4_tcp *c, l4_time now)
{
	if (c->sb.n || c->rtx_mode == L4_RTX_PERSIST || c->state == L4_TCP_SYN_RECEIVED)
		return;
	c->rtx_mode = L4_RTX_PERSIST;
	c->backoff = 0;
	l4_time t = c->rto > c->ts->cfg.rto_min ? c->rto : c->ts->cfg.rto_min;
	l4_tcp_arm(c, L4_TIMER_RTX, now + t);
}

/* How many segments may leave as one that the host cuts: none that need a header of their own. */
static uint32_t split_max(const struct l4_tcp *c, uint32_t extra, uint32_t max)
{
	bool own = extra || c->snd_urg || c->ecn_cwr || (c->paces && c->pacing_rate) ||
		   (l4_seq_gt(c->push_seq, c->snd_nxt) && c->push_seq != c->snd_end);
	return own ? 1 : c->burst_left < max ? c->burst_left : max;
}

/* The short way out: the usual small write. All that waits leaves as one short segment, nothing is
 * in flight, nothing is odd. What it does is what pull_new does then, and nothing is left to be
 * sent. */
bool l4_tcp_pull_short(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t len = c->snd_end - c->snd_nxt;
	if (!l4_is_plain(c) || c->odd[3] || sb->n || sb->dirty || !sb->cap ||
	    len - 1 >= c->snd_mss - 1u || len > c->snd_wnd || c->rcv.ooo_n ||
	    c->push_seq != c->snd_end || c->snd.n != 1)
		return false;
	struct l4_span *s = &c->snd.span[c->snd.head];
	if (s->seq != c->snd_nxt || s->len != len)
		return false;
	l4_recovery_idle_restart(c, now);
	c->flight_seq = c->snd_nxt;
	fill_in(c, o, c->snd_nxt, L4_TCPF_PSH, now);
	o->chunk[0] = s->chunk;
	o->pieces[0] = (struct l4_piece){ s->data, len };
	o->n_pieces = 1;
	o->len = len;
	c->snd.hint = 0;
	o->why.code = L4_WHY_DATA;
	o->why.a = (int64_t)c->cwnd * c->snd_mss;
	/* the pipe was empty: rate samples begin here (rate.c) */
	c->first_tx_time = c->delivered_time = now;
	struct l4_txseg *t = &sb->seg[sb->head];
	t->seq = c->snd_nxt;
	t->len = len;
	t->tnext = t->tprev = 0;
	t->xmit_time = t->first_tx_time = t->delivered_time = now;
	t->delivered = c->delivered;
	t->flags = c->app_limited ? L4_TX_APP_LIMITED : 0;
	t->n_tx = 1;
	t->overtaken = 0;
	sb->n = 1;
	c->burst_multi = false;
	c->snd_sml = c->snd_nxt = c->snd_end;
	c->last_data_out = now;
	if (c->last_data_in && now - c->last_data_in < c->ato && c->pingpong < 3)
		c->pingpong = c->ts->cfg.linux_ways ? 3 : (uint8_t)(c->pingpong + 1);
	ack_sent(c, now);
	if (c->ts->env.trace) {
		count_out(c, o);
	} else {
		c->segs_out++;
		c->ts->ctr.out_segs++;
		c->data_segs_out++;
		c->bytes_sent += len;
	}
	l4_tcp_arm_alone(c, now);
	limited(c, false, now);
	if (c->app_wants_write)
		l4_tcp_held_by(c, L4_HELD_SNDBUF, now);
	else if (c->held_by == L4_HELD_RWND)
		l4_tcp_held_by(c, L4_HELD_CWND, now);
	return true;
}

static int pull_new(struct l4_tcp *c, struct l4_seg_out *o, uint32_t max, l4_time now, bool tlp)
{
	uint32_t avail = l4_unsent(c);
	bool fin_waits = c->shut_wr && !c->fin_sent;
	if (!avail && !fin_waits)
		return 0;
	if (!c->sb.n) {
		l4_recovery_idle_restart(c, now);
		c->flight_seq = c->snd_nxt;
	}
	if (c->ecn_hold && !c->sb.n) { /* RFC 3168 6.1.2 */
		l4_tcp_persist(c, now);
		return 0;
	}
	uint32_t in_flight = l4_in_flight(c);
	if (in_flight >= c->cwnd && !tlp && avail) { /* cwnd holds data back, not a FIN */
		limited(c, true, now);
		return 0;
	}
	uint32_t mss = c->snd_mss;
	uint32_t extra = c->rcv.ooo_n && c->sack_ok ? 4 + 8u * (uint32_t)sack_room(c) : 0;
	uint32_t counters = extra || !c->accecn_ok ? 0 : l4_ecn_option_room(c);
	if (extra + counters &&
	    mss >
		extra + counters + 8) /* RFC 9293 3.7.1: options make the segment's data shorter */
		mss -= extra + counters;
	uint32_t edge = c->snd_una + c->snd_wnd;
	uint32_t wnd = l4_seq_gt(edge, c->snd_nxt) ? edge - c->snd_nxt : 0;
	if (!avail) { /* FIN alone; it may go into a window that is full by one (it takes no buffer)
		       */
		if (wnd == 0 && c->sb.n)
			return 0;
		if (wnd == 0) {
			l4_tcp_persist(c, now);
			return 0;
		}
		if (l4_sb_push(c, c->snd_nxt, 1, now) < 0)
			return try_later(c, now);
		l4_sb_at(&c->sb, c->sb.n - 1)->flags |= L4_TX_FIN;
		fill(c, o, c->snd_nxt, L4_TCPF_FIN, now);
		o->h.flags |= l4_ecn_flags(c, false, false);
		o->tos |= l4_ecn_codepoint(c, false);
		fill_sack(c, o);
		o->why.code = L4_WHY_FIN;
		c->snd_nxt++;
		c->fin_sent = true;
		c->burst_left = 0;
		data_sent(c, o, now);
		l4_tcp_rearm_rto(c, now);
		l4_tcp_tlp_schedule(c, now);
		return 1;
	}
	if (!wnd) {
		l4_tcp_held_by(c, L4_HELD_RWND, now);
		l4_tcp_persist(c, now);
		return 0;
	}
	uint32_t room = tlp ? 1 : c->cwnd - in_flight;
	uint64_t by_cwnd = (uint64_t)room * mss;
	uint32_t len = avail < wnd ? avail : wnd;
	bool cwnd_bound = by_cwnd < len;
	if (cwnd_bound)
		len = (uint32_t)by_cwnd;
	if (!c->burst_left) {
		uint32_t n = burst_limit(c);
		uint32_t have = (len + mss - 1) / mss;
		c->burst_left = (uint16_t)(have < n ? have : n);
		c->burst_multi = c->burst_left > 1;
	}
	uint32_t probe = tlp || extra ? 0 : l4_pmtu_probe_len(c, avail, wnd, now);
	uint32_t most = mss * (c->path.tso ? c->burst_left : split_max(c, extra, max));
	if (probe)
		len = probe;
	else if (len > most)
		len = most;
	/* the last, short segment: may it go? */
	uint32_t tail = len % mss;
	if (tail && !tlp && !probe) {
		bool all = len == avail;
		bool hold;
		if (!all) { /* the peer's window cuts it: RFC 9293 3.8.6.2.1 (3) */
			hold = tail < c->max_wnd / 2 && !c->sws_override && len == wnd;
		} else if (fin_waits) {
			hold = false;
		} else if (c->opt_cork || l4_seq_lt(c->push_seq, c->snd_end)) {
			hold = !c->sws_override; /* more is announced, Nagle or not */
		} else if (c->opt_nodelay) {
			hold = false;
		} else {
			/* Nagle, with Minshall's change: wait only while a short segment is
			 * unacknowledged */
			hold = l4_seq_gt(c->snd_sml, c->snd_una) && c->sb.n > 0;
		}
		if (hold) {
			len -= tail;
			tail = 0;
			if (!len) {
				c->burst_left = 0;
				if (!all)
					l4_tcp_held_by(c, L4_HELD_RWND, now);
				l4_tcp_persist(c, now);
				return 0;
			}
		}
	}
	if (!tlp && !pace_ok(c, now))
		return 0;
	uint32_t want = len;
	if (!l4_sb_reserve(c, (len + mss - 1) / mss))
		return try_later(c, now);
	fill(c, o, c->snd_nxt, 0, now);
	if (extra)
		fill_sack(c, o);
	o->n_pieces = l4_sndbuf_pieces(c, c->snd_nxt, &len, o);
	if (len < want && len > mss)
		len -= len % mss; /* pieces ran out: whole segments */
	if (len < want) {
		uint32_t l = len;
		o->n_pieces = l4_sndbuf_pieces(c, c->snd_nxt, &l, o);
	}
	o->len = len;
	probe = len == probe ? probe : 0;
	o->gso_size = len > mss && !probe ? (uint16_t)mss : 0;
	o->split = len > mss && !probe && !c->path.tso;
	uint32_t end = c->snd_nxt + len;
	o->why = (struct l4_why){ .code = L4_WHY_DATA,
		.ep = c->ep,
		.a = (int64_t)c->cwnd * c->snd_mss,
		.b = (int64_t)in_flight * c->snd_mss };
	if (tlp)
		o->why = (struct l4_why){
			.code = L4_WHY_TLP_NEW, .ep = c->ep, .a = (int64_t)(2 * c->srtt)
		};
	if (probe)
		o->why = (struct l4_why){ .code = L4_WHY_PMTU_PROBE,
			.ep = c->ep,
			.a = (int64_t)probe + ip_hdr(c) + 20 + (c->ts_ok ? 12 : 0) };
	/* PSH: the end of a write, and the end of a burst (RFC 9293 3.9.1.2, SHLD-28) */
	uint32_t segs = (len + mss - 1) / mss;
	c->burst_left = segs >= c->burst_left ? 0 : (uint16_t)(c->burst_left - segs);
	if ((l4_seq_gt(c->push_seq, c->snd_nxt) && l4_seq_leq(c->push_seq, end)) ||
	    end == c->snd_end ||
	    (c->burst_left == 0 && c->burst_multi && !probe && c->ts->cfg.push_bursts) ||
	    l4_sndbuf_ends_record(c, end))
		o->h.flags |= L4_TCPF_PSH;
	bool fin = fin_waits && end == c->snd_end;
	if (fin) {
		o->h.flags |= L4_TCPF_FIN;
		o->why.code = L4_WHY_DATA_FIN;
	}
	o->h.flags |= l4_ecn_flags(c, true, false);
	o->tos |= l4_ecn_codepoint(c, true);
	if (counters) {
		l4_ecn_option_out(c, &o->h.opts);
		c->accecn_first = false;
	}
	l4_sb_push_run(c, c->snd_nxt, len, mss, fin, now);
	if (fin)
		c->fin_sent = true;
	if (len % mss && !probe)
		c->snd_sml = end;
	c->snd_nxt = end + fin;
	if (probe && !fin)
		l4_pmtu_probe_sent(c, len);
	if (c->probe_octet)
		c->probe_octet = false;
	c->sws_override = false;
	if (c->rtx_mode == L4_RTX_PERSIST)
		c->rtx_mode = L4_RTX_OFF;
	data_sent(c, o, now);
	if (c->timer[L4_TIMER_RTX] == L4_TIME_NEVER || c->rtx_mode != L4_RTX_RTO)
		l4_tcp_rearm_rto(c, now);
	if (!tlp)
		l4_tcp_tlp_schedule(c, now);
	limited(c, cwnd_bound, now);
	if (c->app_wants_write && !cwnd_bound && end == c->snd_end)
		l4_tcp_held_by(c, L4_HELD_SNDBUF, now);
	else if (c->held_by == L4_HELD_RWND)
		l4_tcp_held_by(c, L4_HELD_CWND, now);
	return 1;
}

static int pull_tlp(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	c->probe_now = 0;
	if (!c->sb.n) {
		c->tlp_active = false;
		return 0;
	}
	/* RFC 8985 7.3: new data if there is any and the window allows, else the last segment again
	 */
	c->tlp_is_retx = false;
	int r = pull_new(c, o, 1, now, true);
	if (!r) {
		uint32_t i = c->sb.n - 1;
		struct l4_txseg *t = l4_sb_at(&c->sb, i);
		if (t->flags & (L4_TX_SACKED | L4_TX_LOST)) {
			c->tlp_active = false;
			return 0;
		}
		c->tlp_is_retx = true;
		r = pull_rtx(c, o, i, now, true);
	}
	c->tlp_end_seq = c->snd_nxt;
	l4_tcp_rearm_rto(c, now);
	return r;
}

/* RFC 6675 4, NextSeg rules 3 and 4, when there is no lost segment and no new data to send: what is
 * not SACKed below what is, each once; then, once a recovery, the last segment that is not SACKed,
 * unless it is just being sent again. RACK needs none of that: its timer decides (RFC 8985 9.2). */
static int pull_suspect(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	bool new_data = l4_unsent(c) && l4_seq_lt(c->snd_nxt, c->snd_una + c->snd_wnd);
	if (c->ca_state != L4_CA_RECOVERY || c->ts->cfg.rack || new_data ||
	    l4_in_flight(c) >= c->cwnd || !pace_ok(c, now))
		return 0;
	struct l4_why why = c->rtx_why;
	uint32_t high = c->high_rxt;
	uint32_t i = l4_sb_next_unsacked(sb, l4_sb_find(sb, high));
	if (i < sb->n && l4_seq_lt(l4_sb_at(sb, i)->seq, c->fack)) {
		c->rtx_why.code = L4_WHY_RTX_SUSPECT;
		high = l4_sb_at(sb, i)->seq + 1;
	} else {
		i = l4_sb_last_unsacked(sb);
		if (c->rescued || i == sb->n || (l4_sb_at(sb, i)->flags & L4_TX_RETX))
			return 0;
		c->rescued = true;
		c->rtx_why.code = L4_WHY_RTX_RESCUE;
	}
	int r = pull_rtx(c, o, i, now, false);
	c->rtx_why = why;
	c->high_rxt = high; /* the rescue does not count */
	c->probe_now = 4;
	return r;
}

static int pull_probe(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	uint8_t kind = c->probe_now;
	c->probe_now = 0;
	if (kind >= 3)
		return kind == 4 && pull_suspect(c, o, now);
	if (kind == 1 && l4_seq_lt(c->snd_nxt, c->snd_end) && c->ts->cfg.probe_octets) {
		/* RFC 9293 3.8.6.1: one octet of new data into the closed window */
		uint32_t len = 1;
		fill(c, o, c->snd_nxt, 0, now);
		o->n_pieces = l4_sndbuf_pieces(c, c->snd_nxt, &len, o);
		o->len = len;
		c->probe_octet = true;
	} else {
		/* an old sequence number without data: the peer must answer it (RFC 9293 3.8.4) */
		fill(c, o, c->snd_nxt - 1, 0, now);
		if (kind == 1)
			o->h.seq = c->snd_una - 1;
	}
	o->h.flags |= l4_ecn_flags(c, false, true);
	o->why.code = kind == 1 ? L4_WHY_WND_PROBE : L4_WHY_KEEPALIVE;
	o->why.a = c->probes_out;
	if (kind == 1)
		c->ts->ctr.zero_window_probes++;
	ack_sent(c, now);
	count_out(c, o);
	return 1;
}

static int pull_ack(struct l4_tcp *c, struct l4_seg_out *o, l4_time now)
{
	uint32_t seq = c->snd_nxt;
	/* a window that shrank below what was sent: the peer takes only what lies in it */
	uint32_t edge = c->snd_una + c->snd_wnd;
	if (l4_seq_gt(seq, edge) && seq - edge >= 1u << c->snd_wscale)
		seq = edge;
	uint8_t again = c->dup_acks_owed;
	fill(c, o, seq, 0, now);
	fill_sack(c, o);
	o->h.flags |= l4_ecn_flags(c, false, false);
	o->tos |= l4_ecn_codepoint(c, false);
	l4_ecn_option_out(c, &o->h.opts);
	if (c->ts->cfg.bsd_ways && c->state == L4_TCP_CLOSING &&
	    c->ack_why.code == L4_WHY_ACK_FIN) {
		o->h.seq = c->snd_nxt - 1; /* the ACK of a FIN that crossed ours repeats ours */
		o->h.flags |= L4_TCPF_FIN;
	}
	o->why = c->ack_why;
	o->why.ep = c->ep;
	if (!o->why.code)
		o->why.code = L4_WHY_ACK;
	c->ack_why.code = 0;
	ack_sent(c, now);
	count_out(c, o);
	if (again > 1) { /* RFC 5681 4.2: each segment out of order has its duplicate */
		c->dup_acks_owed = (uint8_t)(again - 1);
		c->ack_now = c->ack_owed = true;
	}
	return 1;
}

static bool may_send_data(const struct l4_tcp *c)
{
	switch ((enum l4_tcp_state)c->state) {
	case L4_TCP_ESTABLISHED:
	case L4_TCP_CLOSE_WAIT:
	case L4_TCP_FIN_WAIT_1:
	case L4_TCP_CLOSING:
	case L4_TCP_LAST_ACK:
		return true;
	case L4_TCP_SYN_RECEIVED:
		return c->fo_child && !c->send_syn; /* Fast Open server (RFC 7413 4.2.2) */
	case L4_TCP_SYN_SENT:
	case L4_TCP_FIN_WAIT_2:
	case L4_TCP_TIME_WAIT:
	case L4_TCP_CLOSED:
	case L4_TCP_LISTEN:
		break;
	}
	return false;
}

int l4_tcp_conn_pull(struct l4_tcp *c, struct l4_seg_out *o, uint32_t max, l4_time now)
{
	if (c->send_syn)
		return pull_syn(c, o, now);
	if (c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_CLOSED ||
	    c->state == L4_TCP_TIME_WAIT)
		return 0;
	if (may_send_data(c)) {
		if (c->frto_new) { /* RFC 5682 2.1, 2b: new data before any retransmission */
			c->frto_new--;
			if (pull_new(c, o, max, now, false))
				return 1;
			if (c->sb.n_lost > c->sb.n_retx && c->frto_new == 1)
				c->frto = false;
			c->frto_new = 0;
		}
		if (c->sb.n_lost) {
			uint32_t i = l4_sb_next_rtx(&c->sb);
			if (i < c->sb.n) {
				struct l4_txseg *t = l4_sb_at(&c->sb, i);
				bool in_wnd = l4_seq_lt(t->seq, c->snd_una + c->snd_wnd) || i == 0;
				if (l4_in_flight(c) < c->cwnd && in_wnd && pace_ok(c, now))
					return pull_rtx(c, o, i, now, false);
				if (l4_in_flight(c) >= c->cwnd)
					limited(c, true, now);
				goto other; /* what is lost goes before what is new */
			}
		}
		if (c->probe_now == 3 && pull_tlp(c, o, now))
			return 1;
		if (pull_new(c, o, max, now, false))
			return 1;
		l4_rate_check_app_limited(c);
	}
other:
	c->burst_left = 0;
	if (c->probe_now && pull_probe(c, o, now))
		return 1;
	if (c->ack_now)
		return pull_ack(c, o, now);
	return 0;
}
