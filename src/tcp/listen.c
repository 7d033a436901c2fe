/* Listeners: SYNs and the accept queue (RFC 9293 3.10.7.2, RFC 4987).
 *
 * A SYN makes a small record (halfopen.c), not a connection; the ACK that completes the handshake
 * makes the connection and puts it into the accept queue. When as many are half open as the backlog
 * allows, SYN cookies take over (syncookie.c): nothing is kept. When the accept queue is full, the
 * last ACK is not taken (the peer's data brings it again), and new SYNs are dropped. */
#include "tcp/conn.h"
#include "tcp/cc.h"

/* How well a listener fits: 0 not at all, 3 the address itself, 2 any of its version, 1 :: for
 * IPv4. */
static int fit(const struct l4_tcp *l, const struct l4_endpoint *local)
{
	if (l->state != L4_TCP_LISTEN || l->h.local.port != local->port)
		return 0;
	if (l->h.local.ifindex && l->h.local.ifindex != local->ifindex)
		return 0;
	if (l4_addr_eq(&l->h.local.addr, &local->addr))
		return 3;
	if (!l4_addr_is_any(&l->h.local.addr))
		return 0;
	bool v4 = l4_addr_is_ip4(&local->addr), l4 = l4_addr_is_ip4(&l->h.local.addr);
	if (v4 == l4)
		return 2;
	return v4 && !l->opt_v6only ? 1 : 0;
}

struct l4_tcp *l4_tcp_find_listener(
    struct l4_tcp_stack *ts, const struct l4_endpoint *local, const struct l4_endpoint *remote)
{
	struct l4_tcp *best = NULL;
	int best_fit = 0;
	uint32_t n = 0, hash = 0;
	for (struct l4_tcp *l = ts->bind_bucket[local->port % L4_PORT_BUCKETS]; l;
	     l = l->bind_next) {
		int f = fit(l, local);
		if (f > best_fit) {
			best = l;
			best_fit = f;
			n = 1;
		} else if (f && f == best_fit && l->opt_reuseport) {
			/* one of several, by the flow (reservoir of one, drawn by the keyed hash)
			 */
			if (n++ == 1)
				hash = l4_tcp_hash(ts, local, remote);
			if (((uint64_t)hash * 2654435761u >> 7) % n == 0)
				best = l;
		}
	}
	return best;
}

static uint16_t advertised_mss(const struct l4_tcp *l, uint16_t if_mtu, bool v4)
{
	uint32_t mss = if_mtu - (v4 ? 40u : 60u);
	if (l->opt_maxseg && l->opt_maxseg < mss)
		mss = l->opt_maxseg;
	if (l->ts->cfg.mss_max && l->ts->cfg.mss_max < mss)
		mss = l->ts->cfg.mss_max;
	return (uint16_t)mss;
}

static uint8_t window_scale(const struct l4_tcp *l)
{
	uint32_t space = l->opt_rcvbuf_fixed ? l->rcvbuf : l->ts->cfg.rcvbuf_max;
	uint8_t s = 0;
	if (l->opt_window_clamp && l->opt_window_clamp < space)
		space = l->opt_window_clamp;
	while (s < 14 && (65535u << s) < space)
		s++;
	return s;
}

static uint16_t first_window(const struct l4_tcp *l, uint32_t mss)
{
	uint32_t w = l->rcvbuf;
	if (l->opt_window_clamp && l->opt_window_clamp < w)
		w = l->opt_window_clamp;
	if (w > mss)
		w = (w + (l->ts->cfg.bsd_ways ? mss - 1 : 0)) / mss * mss;
	return (
	    uint16_t)(w < 65535 ? w : 65535); /* a SYN's window is never scaled (RFC 7323 2.2) */
}

void l4_tcp_send_synack(struct l4_tcp *l, const struct l4_tcp_req *r, unsigned why,
    const struct l4_tcp_opts *fo, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_seg_out o = { .src = r->h.local,
		.dst = r->h.remote,
		.df = l->opt_pmtu,
		.ttl = l->opt_ttl > 0 ? (uint8_t)l->opt_ttl : 0,
		.tos = (uint8_t)(l->opt_tos & 0xfc),
		.why = { .code = (uint16_t)why, .a = r->retries } };
	o.h = (struct l4_tcp_hdr){ .sport = r->h.local.port,
		.dport = r->h.remote.port,
		.seq = r->iss,
		.ack = r->irs + 1,
		.flags = L4_TCPF_SYN | L4_TCPF_ACK,
		.wnd = r->rcv_wnd };
	o.h.opts.present = L4_TCPO_MSS | (r->sack_ok ? L4_TCPO_SACK_PERM : 0) |
			   (r->ws_ok ? L4_TCPO_WSCALE : 0) | (r->ts_ok ? L4_TCPO_TS : 0);
	if (ts->cfg.bsd_ways)
		o.h.opts.present |= L4_TCPO_BSD_LAYOUT;
	o.h.opts.mss = advertised_mss(l, r->if_mtu, l4_addr_is_ip4(&r->h.remote.addr));
	o.h.opts.wscale = window_scale(l);
	o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + r->ts_offset;
	o.h.opts.ts_ecr = r->ts_recent;
	if (fo) {
		o.h.opts.present |= fo->present;
		o.h.opts.fo_len = fo->fo_len;
		memcpy(o.h.opts.fo_cookie, fo->fo_cookie, fo->fo_len);
	}
	/* RFC 9768 3.2.3.2.1 and 2: not with a SYN-ACK that goes again */
	if (r->accecn && ts->cfg.accecn_option && !r->retries && why != L4_WHY_SYNACK_RTX) {
		int used = l4_tcp_opts_len(&o.h.opts, true);
		if (used > 0 && used <= 28) {
			o.h.opts.present |= L4_TCPO_ACCECN1;
			o.h.opts.accecn_n = 3;
			o.h.opts.accecn[0] = o.h.opts.accecn[2] = 1;
		}
	}
	/* RFC 9768 3.1.2: echoes how the SYN's IP header arrived; 3.2.3.2.2: from the second
	 * retransmission on without, lest somebody drops such flags */
	if (r->accecn && r->retries < 2)
		o.h.flags |= l4_ecn_synack_flags(r->ecn_syn_ect);
	else if (r->ecn_ok && !r->accecn)
		o.h.flags |= L4_TCPF_ECE;
	ts->ctr.out_segs++;
	if (r->retries)
		ts->ctr.retrans_segs++;
	ts->env.reply(ts->env.ctx, &o, now);
}

static void negotiate_ecn(
    const struct l4_tcp_stack *ts, struct l4_tcp_req *r, const struct l4_seg *s)
{
	enum l4_ecn_kind k = l4_ecn_of_syn(ts, s);
	r->ecn_syn_ect = s->tos & 3;
	r->ecn_ok = k != L4_ECN_NONE;
	r->accecn = k == L4_ECN_ACCURATE;
}

/* --- A connection out of a handshake --- */

static struct l4_tcp *make_conn(
    struct l4_tcp *l, const struct l4_tcp_req *r, const struct l4_path *path, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_tcp *c = l4_tcp_conn_new(ts, NULL);
	if (!c)
		return NULL;
	c->h.local = r->h.local;
	c->h.remote = r->h.remote;
	c->path = *path;
	c->pmtu = path->mtu;
	c->passive = true;
	c->parent = l;
	c->opt_nodelay = l->opt_nodelay;
	c->opt_cork = l->opt_cork;
	c->opt_keepalive = l->opt_keepalive;
	c->opt_keepidle = l->opt_keepidle;
	c->opt_keepintvl = l->opt_keepintvl;
	c->opt_keepcnt = l->opt_keepcnt;
	c->opt_user_timeout = l->opt_user_timeout;
	c->opt_linger = l->opt_linger;
	c->opt_linger2 = l->opt_linger2;
	c->opt_maxseg = l->opt_maxseg;
	c->opt_window_clamp = l->opt_window_clamp;
	c->opt_notsent_lowat = l->opt_notsent_lowat;
	c->opt_max_pacing = l->opt_max_pacing;
	c->opt_oobinline = l->opt_oobinline;
	c->opt_ttl = l->opt_ttl;
	c->opt_tos = l->opt_tos;
	c->opt_rcvlowat = l->opt_rcvlowat;
	c->opt_pmtu = l->opt_pmtu;
	c->opt_accecn = l->opt_accecn;
	c->opt_trouble = l->opt_trouble;
	c->rcvbuf = l->rcvbuf;
	c->sndbuf = l->sndbuf;
	c->opt_rcvbuf_fixed = l->opt_rcvbuf_fixed;
	c->opt_sndbuf_fixed = l->opt_sndbuf_fixed;
	if (c->cc != l->cc) {
		c->cc = l->cc;
		l4_recovery_init(c);
	}
	c->iss = r->iss;
	c->snd_una = r->iss;
	c->snd_nxt = c->snd_end = c->push_seq = c->snd_sml = r->iss + 1;
	c->irs = r->irs;
	c->rcv_nxt = c->rcv_wup = c->last_ack_sent = c->rcv_up = r->irs + 1;
	c->rcv_wnd = r->rcv_wnd;
	c->rcv_ssthresh = r->rcv_wnd;
	c->mss_peer = r->mss;
	c->advmss = advertised_mss(l, r->if_mtu, l4_addr_is_ip4(&r->h.remote.addr));
	c->sack_ok = r->sack_ok;
	c->ts_ok = r->ts_ok;
	c->ws_ok = r->ws_ok;
	c->snd_wscale = r->ws_ok ? r->wscale : 0;
	c->rcv_wscale = r->ws_ok ? window_scale(l) : 0;
	c->ts_recent = r->ts_recent;
	c->ts_recent_time = now;
	c->ts_offset = r->ts_offset;
	c->snd_wnd = c->max_wnd = r->wnd;
	c->snd_wl1 = r->irs;
	c->snd_wl2 = r->iss;
	c->syn_retries = r->retries;
	c->probe_start = r->sent_time;
	if (r->ecn_ok)
		l4_ecn_negotiated(c, !r->accecn, r->accecn, r->ecn_syn_ect);
	/* RFC 9768 3.1.5: a SYN-ACK without flags went, or such a SYN came */
	c->ecn_no_ect = r->accecn && (r->no_ect || r->retries >= 2);
	l4_tcp_sync_mss(c);
	l4_tcp_set_state(c, L4_TCP_SYN_RECEIVED);
	return c;
}

static void enqueue(struct l4_tcp *l, struct l4_tcp *c)
{
	struct l4_listener *q = l->lst;
	c->parent = l;
	c->accept_next = NULL;
	if (q->acc_tail)
		q->acc_tail->accept_next = c;
	else
		q->acc_head = c;
	q->acc_tail = c;
	q->n_accept++;
	l->ts->ctr.passive_opens++;
	l4_tcp_event(l, L4_EV_ACCEPT);
}

static void feed(struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	c->in_batch = true;
	c->batch_next = ts->batch;
	ts->batch = c;
	l4_tcp_conn_input(c, s, now);
}

/* Whether the segment that made the connection also established it. If it did not (it was a reset
 * in disguise, or was refused), the connection goes when the batch ends. */
static bool lives(struct l4_tcp *c)
{
	if (c->state != L4_TCP_CLOSED && c->state != L4_TCP_SYN_RECEIVED)
		return true;
	c->parent = NULL;
	l4_tcp_release_handle(c);
	c->orphan = true;
	if (c->state == L4_TCP_SYN_RECEIVED)
		l4_tcp_done(c, L4_EABORTED);
	else
		c->detached = true;
	return false;
}

/* --- SYN for a listener --- */

static bool fast_open(struct l4_tcp *l, const struct l4_seg *s, const struct l4_tcp_req *r,
    const struct l4_path *path, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_tcp *c = make_conn(l, r, path, now);
	if (!c)
		return false;
	/* RFC 7413 4.2.2: the data is given to the application before the handshake ends */
	ts->ctr.fastopen_passive++;
	l->lst->fo_pending++;
	c->fo_child = true;
	c->snd_wnd++; /* the SYN's window is of the bytes behind our SYN */
	c->max_wnd = c->snd_wnd;
	c->fo_listener = l->ep;
	c->syn_data_acked = s->len > 0;
	c->send_syn = true;
	l4_tcp_conn_add(c, l4_tcp_hash(ts, &c->h.local, &c->h.remote));
	l4_tcp_sync_mss(c);
	c->rcv_mss = 536;
	enqueue(l, c);
	struct l4_seg d = *s;
	d.h.seq++;
	d.h.flags &= (uint16_t)~L4_TCPF_SYN;
	c->in_batch = true;
	c->batch_next = ts->batch;
	ts->batch = c;
	l4_tcp_deliver(c, &d, now);
	c->ack_now = c->ack_owed = false;
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
	return true;
}

static void in_syn(struct l4_tcp *l, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_listener *q = l->lst;
	const struct l4_tcp_opts *o = &s->h.opts;
	if (q->n_accept >= q->backlog && q->backlog) {
		ts->ctr.listen_overflows++;
		ts->ctr.listen_drops++;
		l4_tcp_drop(ts, l, L4_DROP_TCP_BACKLOG, s);
		return;
	}
	struct l4_path path;
	struct l4_tcp_req tmp = { .h = { .local = s->dst, .remote = s->src }, .listener = l->slot };
	if (ts->env.route(ts->env.ctx, &tmp.h.local, &tmp.h.remote, &path) < 0) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_NO_PORT, s);
		return;
	}
	bool v4 = l4_addr_is_ip4(&s->src.addr);
	tmp.irs = s->h.seq;
	tmp.wnd = s->h.wnd;
	tmp.mss = v4 ? ts->cfg.mss_default : 1220;
	if ((o->present & L4_TCPO_MSS) && o->mss)
		tmp.mss = o->mss < ts->cfg.mss_min ? ts->cfg.mss_min : o->mss;
	tmp.ws_ok = ts->cfg.window_scaling && (o->present & L4_TCPO_WSCALE);
	tmp.wscale = tmp.ws_ok ? o->wscale : 0;
	tmp.sack_ok = ts->cfg.sack && (o->present & L4_TCPO_SACK_PERM);
	tmp.ts_ok = ts->cfg.timestamps && (o->present & L4_TCPO_TS);
	tmp.ts_recent = tmp.ts_ok ? o->ts_val : 0;
	tmp.if_mtu = path.if_mtu;
	tmp.rcv_wnd = first_window(l, advertised_mss(l, path.if_mtu, v4));
	tmp.ts_offset = l4_tcp_ts_offset(ts, &tmp.h.local, &tmp.h.remote);
	negotiate_ecn(ts, &tmp, s);

	bool full = q->n_half >= q->backlog || ts->req.used >= ts->lim.half_open;
	uint32_t i = full ? L4_REF_NONE : l4_pool_take(ts, &ts->req);
	if (i == L4_REF_NONE) {
		if (!ts->cfg.syncookies) {
			ts->ctr.listen_drops++;
			l4_tcp_drop(ts, l, L4_DROP_TCP_BACKLOG, s);
			return;
		}
		tmp.iss = l4_cookie_make(ts, s, tmp.mss, now);
		if (tmp.ts_ok) { /* the timestamp carries what the cookie has no room for */
			uint32_t v = l4_tcp_ts_now(ts, now) & ~63u;
			v |= tmp.ws_ok ? tmp.wscale : 15;
			v |= tmp.sack_ok ? 16 : 0;
			v |= tmp.ecn_ok && !tmp.accecn ? 32 : 0;
			tmp.ts_offset = v - l4_tcp_ts_now(ts, now);
		} else {
			tmp.ws_ok = tmp.sack_ok = false;
		}
		tmp.accecn = false;
		tmp.ecn_ok = tmp.ecn_ok && tmp.ts_ok;
		ts->ctr.syncookies_sent++;
		q->cookie_until = now + 4 * 64 * L4_SEC;
		l4_tcp_send_synack(l, &tmp, L4_WHY_SYN_COOKIE, NULL, now);
		return;
	}
	tmp.iss = l4_tcp_isn(ts, &tmp.h.local, &tmp.h.remote, now);
	struct l4_tcp_opts cookie;
	enum l4_fo_answer fo = l4_fo_judge(l, s, &cookie);
	if (fo == L4_FO_OPEN && fast_open(l, s, &tmp, &path, now)) {
		l4_pool_give(ts, &ts->req, i);
		return;
	}
	*l4_req_at(ts, i) = tmp;
	l4_tcp_req_start(l, i, now);
	l4_tcp_send_synack(l, &tmp, L4_WHY_SYNACK, fo == L4_FO_COOKIE ? &cookie : NULL, now);
}

/* The ACK of a cookie: the connection is made from what it proves. */
static bool in_cookie(struct l4_tcp *l, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	if (!ts->cfg.syncookies || now > l->lst->cookie_until)
		return false;
	uint16_t mss = l4_cookie_check(ts, s, now);
	if (!mss) {
		ts->ctr.syncookies_failed++;
		return false;
	}
	if (l->lst->n_accept >= l->lst->backlog && l->lst->backlog) {
		ts->ctr.listen_overflows++;
		return true;
	}
	struct l4_path path;
	struct l4_tcp_req r = { .h = { .local = s->dst, .remote = s->src },
		.iss = s->h.ack - 1,
		.irs = s->h.seq - 1,
		.mss = mss,
		.retries = 1 };
	if (ts->env.route(ts->env.ctx, &r.h.local, &r.h.remote, &path) < 0)
		return true;
	r.if_mtu = path.if_mtu;
	bool v4 = l4_addr_is_ip4(&s->src.addr);
	r.rcv_wnd = first_window(l, advertised_mss(l, path.if_mtu, v4));
	if (ts->cfg.timestamps && (s->h.opts.present & L4_TCPO_TS)) {
		uint32_t e = s->h.opts.ts_ecr;
		r.ts_ok = true;
		r.ts_recent = s->h.opts.ts_val;
		r.ws_ok = ts->cfg.window_scaling && (e & 15) != 15;
		r.wscale = r.ws_ok ? (uint8_t)(e & 15) : 0;
		r.sack_ok = ts->cfg.sack && (e & 16);
		r.ecn_ok = ts->cfg.ecn && (e & 32);
		/* our clock goes on from the value that was sent */
		r.ts_offset = e - l4_tcp_ts_now(ts, now);
	}
	r.wnd = s->h.wnd;
	struct l4_tcp *c = make_conn(l, &r, &path, now);
	if (!c)
		return true;
	c->syn_retries = 0;
	c->probe_start = now; /* no RTT is known */
	ts->ctr.syncookies_recv++;
	l4_tcp_conn_add(c, l4_tcp_hash(ts, &c->h.local, &c->h.remote));
	struct l4_seg d = *s;
	d.time = 0; /* no sample */
	feed(c, &d, now);
	if (lives(c))
		enqueue(l, c);
	return true;
}

void l4_tcp_listen_input(struct l4_tcp *l, const struct l4_seg *s, l4_time now)
{
	uint16_t f = s->h.flags;
	if (f & L4_TCPF_RST) { /* first */
		l4_tcp_drop(l->ts, l, L4_DROP_TCP_RST_SEQ, s);
		return;
	}
	if (f & L4_TCPF_ACK) { /* second: cookie, or a reset */
		if (!(f & L4_TCPF_SYN) && in_cookie(l, s, now))
			return;
		l4_tcp_drop(l->ts, l, L4_DROP_TCP_NO_PORT, s);
		l4_tcp_send_rst_reply(l->ts, s, L4_WHY_RST_STATE, now);
		return;
	}
	if (!(f & L4_TCPF_SYN)) { /* fourth */
		l4_tcp_drop(l->ts, l, L4_DROP_TCP_FLAGS, s);
		return;
	}
	in_syn(l, s, now);
}

/* --- The last ACK of a handshake --- */

void l4_tcp_listen_finish(struct l4_tcp *l, uint32_t i, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_tcp_req *r = l4_req_at(ts, i);
	struct l4_path path;
	if (l->lst->n_accept >= l->lst->backlog && l->lst->backlog) {
		ts->ctr.listen_overflows++;
		l4_tcp_drop(ts, l, L4_DROP_TCP_BACKLOG, s);
		if (ts->cfg.abort_on_overflow) {
			l4_tcp_send_rst_reply(ts, s, L4_WHY_RST_LIMIT, now);
			l4_tcp_req_free(ts, i);
		} else {
			r->acked = true;
		}
		return;
	}
	/* the way back may have changed since the SYN; without one the peer will try again */
	struct l4_endpoint local = r->h.local;
	if (ts->env.route(ts->env.ctx, &local, &r->h.remote, &path) < 0) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_NO_PORT, s);
		return;
	}
	struct l4_tcp *c = make_conn(l, r, &path, now);
	if (!c) { /* no memory, or as many connections as allowed: the peer will try again */
		ts->ctr.listen_drops++;
		l4_tcp_drop(ts, l, L4_DROP_TCP_MEMORY, s);
		return;
	}
	uint32_t hash = r->h.hash;
	l4_tcp_req_free(ts, i);
	l4_tcp_conn_add(c, hash);
	feed(c, s, now);
	if (lives(c))
		enqueue(l, c);
}

/* The listener is closed: what nobody has accepted is reset (RFC 9293 3.10.4, LISTEN). */
void l4_tcp_listen_close(struct l4_tcp *l, l4_time now)
{
	struct l4_listener *q = l->lst;
	l4_tcp_req_close(l);
	while (q->acc_head) {
		struct l4_tcp *c = q->acc_head;
		q->acc_head = c->accept_next;
		q->n_accept--;
		c->parent = NULL;
		l4_tcps_abort(l->ts, c->ep, now);
	}
	q->acc_tail = NULL;
}
