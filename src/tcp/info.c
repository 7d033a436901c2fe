/* Statistics of a connection, with the names and units of Linux's tcp_info. */
#include "tcp/conn.h"

static uint32_t us(l4_time t)
{
	return t / L4_USEC > UINT32_MAX ? UINT32_MAX : (uint32_t)(t / L4_USEC);
}

static uint32_t ms_ago(l4_time t, l4_time now)
{
	return t && now > t ? (uint32_t)((now - t) / L4_MSEC) : 0;
}

/* Microseconds. */
static uint64_t held(const struct l4_tcp *c, enum l4_held what, l4_time now)
{
	l4_time t = c->held_time[what] + (c->held_by == what ? now - c->held_since : 0);
	return t / L4_USEC;
}

int l4_tcps_info(struct l4_tcp_stack *ts, l4_ep ep, struct l4_tcp_info *o, l4_time now)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (now < ts->now)
		now = ts->now;
	memset(o, 0, sizeof *o);
	o->state = c->state;
	if (c->state == L4_TCP_LISTEN) { /* as Linux: the accept queue and its limit */
		o->unacked = c->lst->n_accept;
		o->sacked = c->lst->backlog;
		return 0;
	}
	o->ca_state = c->ca_state;
	o->retransmits = c->retransmits;
	o->probes = c->probes_out;
	o->backoff = c->backoff;
	o->options = (uint8_t)((c->ts_ok ? 1 : 0) | (c->sack_ok ? 2 : 0) | (c->ws_ok ? 4 : 0) |
			       (c->ecn_ok ? 8 : 0) | (c->rcv_ce || c->rcv_e0_bytes ? 16 : 0) |
			       (c->syn_data_acked ? 32 : 0));
	o->snd_wscale = c->snd_wscale;
	o->rcv_wscale = c->rcv_wscale;
	o->delivery_rate_app_limited = c->rate_is_app_limited;
	o->rto = us(c->rto);
	o->ato = us(c->ato);
	o->snd_mss = c->snd_mss;
	o->rcv_mss = c->rcv_mss;
	o->unacked = c->sb.n;
	o->sacked = c->sb.n_sacked + c->reno_sacked;
	o->lost = c->sb.n_lost;
	o->retrans = c->sb.n_retx;
	o->last_data_sent = ms_ago(c->last_data_out, now);
	o->last_ack_sent = ms_ago(c->last_ack_out, now);
	o->last_data_recv = ms_ago(c->last_data_in ? c->last_data_in : c->established_at, now);
	o->last_ack_recv = ms_ago(c->last_ack_in, now);
	o->pmtu = c->pmtu;
	o->rcv_ssthresh = c->rcv_ssthresh;
	o->rtt = us(c->srtt);
	o->rttvar = us(c->rttvar);
	o->snd_ssthresh = c->ssthresh == UINT32_MAX ? 0x7fffffff : c->ssthresh;
	o->snd_cwnd = c->cwnd;
	o->advmss = c->advmss;
	o->reordering = c->reordering;
	o->rcv_rtt = us(c->rcv_rtt);
	o->rcv_space = c->rcv_space;
	o->total_retrans = c->total_retrans;
	o->pacing_rate = c->pacing_rate ? c->pacing_rate : UINT64_MAX;
	o->max_pacing_rate = c->opt_max_pacing;
	o->bytes_acked = c->bytes_acked;
	o->bytes_received = c->bytes_received;
	o->segs_out = c->segs_out;
	o->segs_in = c->segs_in;
	o->notsent_bytes = l4_seq_gt(c->snd_end, c->snd_nxt) ? c->snd_end - c->snd_nxt : 0;
	o->min_rtt = c->min_rtt ? us(c->min_rtt) : UINT32_MAX;
	o->data_segs_in = c->data_segs_in;
	o->data_segs_out = c->data_segs_out;
	o->delivery_rate = c->rate_bytes;
	o->rwnd_limited = held(c, L4_HELD_RWND, now);
	o->sndbuf_limited = held(c, L4_HELD_SNDBUF, now);
	o->busy_time = held(c, L4_HELD_CWND, now) + o->rwnd_limited + o->sndbuf_limited;
	o->delivered = (uint32_t)c->delivered;
	o->delivered_ce = (uint32_t)c->delivered_ce;
	o->bytes_sent = c->bytes_sent;
	o->bytes_retrans = c->bytes_retrans;
	o->dsack_dups = c->dsack_dups;
	o->reord_seen = c->reord_seen;
	o->rcv_ooopack = c->rcv_ooopack;
	o->snd_wnd = c->snd_wnd;
	o->rcv_wnd = c->rcv_wnd;
	o->total_rto = (uint16_t)c->total_rto;
	o->total_rto_recoveries = (uint16_t)c->total_rto_recoveries;
	o->total_rto_time = (uint32_t)(c->rto_time / L4_MSEC);
	o->received_ce = c->rcv_ce - (c->accecn_ok ? 5 : 0); /* it starts at 5 */
	o->ecn_mode = c->state == L4_TCP_SYN_SENT && c->ts->cfg.ecn ? 3
		      : c->accecn_ok                                ? 2
								    : c->ecn_ok;
	o->accecn_opt_seen = c->accecn_seen ? 2 : 0;
	o->accecn_fail_mode = (uint8_t)(c->ecn_no_ect | c->accecn_fail << 1);
	o->delivered_e1_bytes = c->snd_e1_bytes - c->accecn_ok; /* they start at 1 */
	o->delivered_e0_bytes = c->snd_e0_bytes - c->accecn_ok;
	o->delivered_ce_bytes = c->snd_ce_bytes;
	o->received_e1_bytes = c->rcv_e1_bytes - c->accecn_ok;
	o->received_e0_bytes = c->rcv_e0_bytes - c->accecn_ok;
	o->received_ce_bytes = c->rcv_ce_bytes;
	o->cwnd_bytes = (uint64_t)c->cwnd * c->snd_mss;
	o->ssthresh_bytes =
	    c->ssthresh == UINT32_MAX ? UINT64_MAX : (uint64_t)c->ssthresh * c->snd_mss;
	o->in_flight_bytes = (uint64_t)l4_in_flight(c) * c->snd_mss;
	o->tlp_probes = c->tlp_probes;
	o->spurious_undone = c->spurious_undone;
	o->rack_reo_wnd_us = us(c->rack.reo_wnd);
	o->drops = c->drops;
	return 0;
}
