/* User calls (RFC 9293 3.10.1 to 3.10.6): OPEN, SEND, RECEIVE, CLOSE, ABORT, by handle. */
#include "tcp/conn.h"
#include "tcp/cc.h"

static void advance(struct l4_tcp_stack *ts, l4_time now)
{
	if (now > ts->now)
		ts->now = now;
}

l4_ep l4_tcps_new(struct l4_tcp_stack *ts, void *user)
{
	if (ts->n_conns >= ts->lim.connections)
		return L4_ELIMIT;
	struct l4_tcp *c = l4_tcp_conn_new(ts, user);
	return c ? c->ep : L4_ENOMEM;
}

/* --- Bind, listen, connect --- */

static bool bind_conflicts(const struct l4_tcp *a, const struct l4_tcp *b)
{
	if (a == b || a->h.local.port != b->h.local.port)
		return false;
	if (a->h.local.ifindex && b->h.local.ifindex && a->h.local.ifindex != b->h.local.ifindex)
		return false;
	const struct l4_addr *x = &a->h.local.addr, *y = &b->h.local.addr;
	bool v4x = l4_addr_is_ip4(x), v4y = l4_addr_is_ip4(y);
	bool anyx = l4_addr_is_any(x), anyy = l4_addr_is_any(y);
	bool overlap =
	    l4_addr_eq(x, y) || (v4x == v4y && (anyx || anyy)) ||
	    (v4x != v4y && ((anyx && !v4x && !a->opt_v6only) || (anyy && !v4y && !b->opt_v6only)));
	if (!overlap)
		return false;
	if (a->opt_reuseport && b->opt_reuseport)
		return false;
	return !(a->opt_reuseaddr && b->opt_reuseaddr && b->state != L4_TCP_LISTEN);
}

static bool port_free(struct l4_tcp_stack *ts, const struct l4_tcp *c)
{
	for (struct l4_tcp *b = ts->bind_bucket[c->h.local.port % L4_PORT_BUCKETS]; b;
	     b = b->bind_next)
		if (bind_conflicts(c, b))
			return false;
	return true;
}

static int pick_listen_port(struct l4_tcp_stack *ts, struct l4_tcp *c)
{
	uint32_t low = ts->cfg.port_low, n = (uint32_t)ts->cfg.port_high - low + 1;
	uint32_t off = ts->env.random(ts->env.ctx) % n;
	for (uint32_t i = 0; i < n; i++) {
		c->h.local.port = (uint16_t)(low + (off + i) % n);
		if (port_free(ts, c))
			return 0;
	}
	c->h.local.port = 0;
	return L4_EINUSE;
}

int l4_tcps_bind(struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *local)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (c->state != L4_TCP_CLOSED || c->bound)
		return L4_ESTATE;
	if (!l4_addr_is_any(&local->addr)) {
		if (l4_addr_is_multicast(&local->addr) || l4_addr_is_broadcast(&local->addr))
			return L4_ENOADDR;
		if (!c->opt_freebind &&
		    !ts->env.is_local(ts->env.ctx, &local->addr, local->ifindex))
			return L4_ENOADDR;
	}
	c->h.local = *local;
	int e = 0;
	if (!local->port)
		e = pick_listen_port(ts, c);
	else if (!port_free(ts, c))
		e = L4_EINUSE;
	if (e < 0) {
		memset(&c->h.local, 0, sizeof c->h.local);
		return e;
	}
	c->bound = true;
	l4_tcp_bind_add(c);
	return 0;
}

int l4_tcps_listen(struct l4_tcp_stack *ts, l4_ep ep, uint32_t backlog, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (backlog > ts->cfg.somaxconn)
		backlog = ts->cfg.somaxconn;
	if (!backlog)
		backlog = 1;
	if (c->state == L4_TCP_LISTEN) {
		c->lst->backlog = backlog;
		return 0;
	}
	if (c->state != L4_TCP_CLOSED || c->err)
		return L4_ESTATE;
	if (!c->bound) {
		struct l4_endpoint any = { .port = 0 };
		int e = l4_tcps_bind(ts, ep, &any);
		if (e < 0)
			return e;
	}
	for (struct l4_tcp *b = ts->bind_bucket[c->h.local.port % L4_PORT_BUCKETS]; b;
	     b = b->bind_next)
		if (b != c && b->state == L4_TCP_LISTEN && bind_conflicts(c, b))
			return L4_EINUSE;
	c->lst = l4_tcp_alloc(ts, sizeof *c->lst);
	if (!c->lst)
		return L4_ENOMEM;
	*c->lst = (struct l4_listener){ .backlog = backlog };
	l4_tcp_set_state(c, L4_TCP_LISTEN);
	return 0;
}

l4_ep l4_tcps_accept(
    struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *remote, void *user, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *l = l4_tcp_from_ep(ts, ep);
	if (!l)
		return L4_EBADF;
	if (l->state != L4_TCP_LISTEN)
		return L4_ESTATE;
	struct l4_listener *q = l->lst;
	struct l4_tcp *c = q->acc_head;
	if (!c)
		return L4_EAGAIN;
	q->acc_head = c->accept_next;
	if (!q->acc_head)
		q->acc_tail = NULL;
	q->n_accept--;
	c->accept_next = NULL;
	c->parent = NULL;
	c->user = user;
	if (remote)
		*remote = c->h.remote;
	c->ev_bits &= ~(uint32_t)(L4_EV_CONNECTED | L4_EV_WRITABLE);
	if (c->ev_bits)
		l4_tcp_event(c, 0);
	if (q->acc_head)
		l4_tcp_event(l, L4_EV_ACCEPT);
	return c->ep;
}

/* What an earlier connection of this endpoint has left; options and the bound port stay. */
static void forget(struct l4_tcp *c)
{
	l4_rcvbuf_clear(c);
	c->err = c->soft_err = 0;
	c->shut_wr = c->shut_rd = c->fin_sent = c->fin_rcvd = c->rcv_fin_seen = c->passive = false;
	c->connected_event = c->rcv_fin_told = false;
	l4_tcp_drop_syn_text(c);
	c->ack_now = c->ack_owed = c->send_syn = false;
	c->srtt = c->rttvar = c->min_rtt = 0;
	c->rto = c->ts->cfg.rto_init;
	c->cwnd = c->ts->cfg.initial_window;
	c->ssthresh = UINT32_MAX;
	c->backoff = c->retransmits = c->syn_retries = c->probes_out = 0;
	c->snd_mss = 0;
	c->rcv_urg = 0;
	c->dsack.start = c->dsack.end = 0;
	c->delivered = c->app_limited = 0;
	c->probe_octet = c->sws_override = c->ecn_hold = false;
	memset(&c->rack, 0, sizeof c->rack);
	l4_recovery_init(c);
	c->iss = c->irs = c->rcv_nxt = c->rcv_wup = 0;
	c->rcv_fin_seen = c->syn_data_acked = c->fo_syn_data = c->fo_child = c->fo_request = false;
	c->first_rtx_time = c->probe_start = c->last_data_in = c->last_data_out = 0;
	c->rtx_why.code = 0;
}

/* What listen.c derives for passive connections, for active ones. */
static void prepare_active(struct l4_tcp *c, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	bool v4 = l4_addr_is_ip4(&c->h.remote.addr);
	uint32_t mss = c->path.if_mtu - (v4 ? 40u : 60u);
	if (c->opt_maxseg && c->opt_maxseg < mss)
		mss = c->opt_maxseg;
	if (ts->cfg.mss_max && ts->cfg.mss_max < mss)
		mss = ts->cfg.mss_max;
	c->advmss = (uint16_t)mss;
	c->pmtu = c->path.mtu;
	uint32_t space = c->opt_rcvbuf_fixed ? c->rcvbuf : ts->cfg.rcvbuf_max;
	if (c->opt_window_clamp && c->opt_window_clamp < space)
		space = c->opt_window_clamp;
	c->rcv_wscale = 0;
	while (ts->cfg.window_scaling && c->rcv_wscale < 14 && (65535u << c->rcv_wscale) < space)
		c->rcv_wscale++;
	uint32_t w = c->rcvbuf;
	if (c->opt_window_clamp && c->opt_window_clamp < w)
		w = c->opt_window_clamp;
	if (w > mss)
		w = (w + (ts->cfg.bsd_ways ? mss - 1 : 0)) / mss * mss;
	c->rcv_wnd = w < 65535 ? w : 65535; /* a SYN's window is never scaled (RFC 7323 2.2) */
	c->rcv_ssthresh = c->rcv_wnd;
	if (!c->iss)
		c->iss = l4_tcp_isn(ts, &c->h.local, &c->h.remote, now);
	c->ts_offset = l4_tcp_ts_offset(ts, &c->h.local, &c->h.remote);
	uint32_t queued = c->snd_end - c->push_seq; /* nothing before connect, unless Fast Open */
	(void)queued;
	c->snd_una = c->iss;
	c->snd_nxt = c->snd_end = c->push_seq = c->snd_sml = c->snd_up = c->iss + 1;
	c->fack = c->snd_una;
	c->mss_peer = v4 ? ts->cfg.mss_default : 1220;
	l4_tcp_sync_mss(c);
}

static void start_syn(struct l4_tcp *c, l4_time now)
{
	if (c->state != L4_TCP_SYN_SENT) /* it is when the SYN waited for the first send */
		l4_tcp_set_state(c, L4_TCP_SYN_SENT);
	c->send_syn = true;
	c->syn_retries = 0;
	c->backoff = 0;
	c->probe_start = now; /* when the SYN left, for the RTT */
	c->first_rtx_time = now ? now : 1;
	c->ts->ctr.active_opens++;
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
}

static int open_active(
    struct l4_tcp_stack *ts, struct l4_tcp *c, const struct l4_endpoint *remote, l4_time now)
{
	switch (c->state) {
	case L4_TCP_CLOSED:
		break;
	case L4_TCP_LISTEN:
		return L4_ESTATE;
	default:
		return L4_EISCONN;
	}
	if (c->err)
		return L4_ESTATE;
	if (c->iss) /* tried before, and told how that ended */
		forget(c);
	if (!remote->port)
		return L4_EINVAL;
	/* RFC 9293 3.9.2.3, MUST-46, MUST-57: no group or broadcast addresses */
	if (l4_addr_is_multicast(&remote->addr) || l4_addr_is_broadcast(&remote->addr) ||
	    l4_addr_is_any(&remote->addr))
		return L4_ENOROUTE;
	struct l4_endpoint local = c->h.local;
	if (l4_addr_is_any(&local.addr))
		memset(&local.addr, 0, sizeof local.addr);
	c->h.remote = *remote;
	int e = ts->env.route(ts->env.ctx, &local, &c->h.remote, &c->path);
	if (e < 0)
		return e;
	l4_tcp_bind_del(c);
	uint16_t port = c->h.local.port;
	c->h.local = local;
	c->h.local.port = port;
	c->iss = 0;
	if (!port) {
		e = l4_tcp_pick_port(ts, c, now);
	} else if (port == c->h.remote.port && l4_addr_eq(&c->h.local.addr, &c->h.remote.addr)) {
		e = L4_EINVAL; /* a connection to itself */
	} else {
		uint32_t ref = l4_tcp_find(ts, &c->h.local, &c->h.remote), k = l4_ref_index(ref);
		if (ref == L4_REF_NONE) {
			e = 0;
		} else if (l4_ref_kind(ref) == L4_REF_TW && ts->cfg.tw_reuse &&
			   l4_tcp_tw_reusable(ts, l4_tw_at(ts, k), now)) {
			/* RFC 9293 3.6.1, MAY-2; RFC 6191 */
			c->iss = l4_tw_at(ts, k)->snd_nxt + 65536;
			l4_tcp_tw_free(ts, k);
		} else {
			e = L4_EINUSE;
		}
	}
	if (e < 0) {
		if (c->bound)
			l4_tcp_bind_add(c);
		else
			memset(&c->h.local, 0, sizeof c->h.local);
		return e;
	}
	if (c->bound)
		l4_tcp_bind_add(c);
	prepare_active(c, now);
	l4_tcp_conn_add(c, l4_tcp_hash(ts, &c->h.local, &c->h.remote));
	return 0;
}

int l4_tcps_connect(
    struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *remote, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = open_active(ts, c, remote, ts->now);
	if (e < 0)
		return e;
	if (c->opt_fo_connect && l4_fo_ask(c, &remote->addr, ts->now)) {
		l4_tcp_set_state(c, L4_TCP_SYN_SENT); /* the SYN waits for the first send */
		return 1;
	}
	start_syn(c, ts->now);
	return 0;
}

/* --- Send --- */

static int send_error(struct l4_tcp *c)
{
	if (c->state == L4_TCP_ESTABLISHED && !c->shut_wr)
		return 0;
	switch (c->state) {
	case L4_TCP_ESTABLISHED:
	case L4_TCP_CLOSE_WAIT:
	case L4_TCP_SYN_SENT:
	case L4_TCP_SYN_RECEIVED:
		return c->shut_wr ? L4_EPIPE : 0;
	case L4_TCP_CLOSED:
		if (c->err) {
			int e = c->err;
			c->err = L4_EPIPE; /* told once, as SO_ERROR is */
			return e;
		}
		return c->connected_event ? L4_EPIPE : L4_ENOTCONN;
	case L4_TCP_LISTEN:
		return L4_ENOTCONN;
	case L4_TCP_FIN_WAIT_1:
	case L4_TCP_FIN_WAIT_2:
	case L4_TCP_TIME_WAIT:
	case L4_TCP_LAST_ACK:
	case L4_TCP_CLOSING:
		break;
	}
	return L4_EPIPE;
}

static L4_WITHIN void after_send(struct l4_tcp *c, int flags, l4_time now)
{
	if (c->held_by == L4_HELD_IDLE) /* nothing was queued before */
		c->progress_time = 0;
	if (!c->progress_time)
		l4_tcp_progress(c, now);
	if (c->held_by == L4_HELD_IDLE)
		l4_tcp_held_by(c, L4_HELD_CWND, now);
	if (!(flags & L4_SEND_MORE))
		c->push_seq = c->snd_end;
	if (flags & L4_SEND_EOR)
		l4_sndbuf_eor(c);
	if (flags & L4_SEND_URGENT) {
		c->snd_urg = true;
		c->snd_up = c->snd_end;
	}
	l4_tcp_output_check(c);
}

int64_t l4_tcps_send(
    struct l4_tcp_stack *ts, l4_ep ep, const void *data, size_t len, int flags, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = send_error(c);
	if (e < 0)
		return e;
	bool opens = c->state == L4_TCP_SYN_SENT && c->opt_fo_connect && !c->send_syn &&
		     !c->syn_retries && c->timer[L4_TIMER_RTX] == L4_TIME_NEVER;
	if (!len && opens) { /* nothing for the SYN to carry */
		start_syn(c, ts->now);
		return L4_EAGAIN;
	}
	if (!len) {
		if (!(flags & L4_SEND_MORE) && c->push_seq != c->snd_end)
			after_send(c, flags, ts->now);
		return 0;
	}
	uint32_t room = l4_sndbuf_room(c);
	if (!room) {
		c->app_wants_write = true;
		return L4_EAGAIN;
	}
	if (opens && room > l4_fo_room(c))
		room = l4_fo_room(c);
	size_t take = len < room ? len : room;
	int64_t n = l4_sndbuf_append(c, data, take);
	if (n <= 0) { /* the budget of the host: as if the buffer were full */
		l4_tcp_starve(c);
		return L4_EAGAIN;
	}
	if ((size_t)n < len) {
		flags &= ~L4_SEND_URGENT;
		c->app_wants_write = true;
	}
	if (opens)
		start_syn(c, ts->now);
	after_send(c, flags, ts->now);
	return n;
}

int64_t l4_tcps_send_zc(struct l4_tcp_stack *ts, l4_ep ep, const void *data, size_t len, int flags,
    uint64_t token, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = send_error(c);
	if (e < 0)
		return e;
	if (!len || len > INT32_MAX)
		return L4_EINVAL;
	if (!l4_sndbuf_room(c) || (c->snd.bytes && len > l4_sndbuf_room(c))) {
		c->app_wants_write = true;
		return L4_EAGAIN;
	}
	if (l4_sndbuf_append_zc(c, data, len, token) < 0)
		return L4_ENOMEM;
	after_send(c, flags, ts->now);
	return (int64_t)len;
}

int64_t l4_tcps_sendto(struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *remote,
    const void *data, size_t len, int flags, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = open_active(ts, c, remote, ts->now);
	if (e < 0)
		return e;
	if (!l4_fo_ask(c, &remote->addr, ts->now) && flags & L4_SEND_FASTOPEN && len) {
		start_syn(c, ts->now); /* only in the SYN, says the caller: it keeps the data */
		return L4_EAGAIN;
	}
	size_t take = len < l4_sndbuf_room(c) ? len : l4_sndbuf_room(c);
	if (c->fo_request && take > l4_fo_room(c))
		take = l4_fo_room(c);
	int64_t n = take ? l4_sndbuf_append(c, data, take) : 0;
	if (n < 0) { /* the SYN goes alone */
		l4_tcp_starve(c);
		n = L4_EAGAIN;
	}
	c->push_seq = c->snd_end;
	start_syn(c, ts->now);
	return n;
}

/* --- Receive --- */

static int recv_error(struct l4_tcp *c)
{
	if (c->rcv.ready)
		return 0;
	if (c->state == L4_TCP_LISTEN)
		return L4_ENOTCONN;
	if (c->state == L4_TCP_CLOSED) {
		if (c->err) {
			int e = c->err;
			c->err = 0;
			return e == L4_EPIPE ? L4_ERESET : e;
		}
		return c->connected_event ? 1 : L4_ENOTCONN;
	}
	if (c->fin_rcvd || c->shut_rd)
		return 1;
	if (c->state == L4_TCP_TIME_WAIT)
		return 1;
	return L4_EAGAIN;
}

/* Room has come: tell the peer when it is worth a segment (RFC 9293 3.8.6.2.2). */
static void window_opened(struct l4_tcp *c, uint32_t taken, l4_time now)
{
	l4_rcvbuf_space_adjust(c, taken, now);
	uint32_t cur = l4_rcvbuf_wnd_now(c);
	if (c->rcv_ssthresh < (uint64_t)2 * cur && !c->ts->cfg.bsd_ways)
		return; /* what could be offered is not worth a segment */
	if (c->state != L4_TCP_ESTABLISHED && c->state != L4_TCP_FIN_WAIT_1 &&
	    c->state != L4_TCP_FIN_WAIT_2)
		return;
	uint32_t room = c->rcv.ready >= c->rcvbuf ? 0 : c->rcvbuf - c->rcv.ready;
	uint32_t can = room < c->rcv_ssthresh ? room : c->rcv_ssthresh;
	if (c->opt_window_clamp && c->opt_window_clamp < can)
		can = c->opt_window_clamp;
	uint32_t step = c->rcvbuf / 2 < c->advmss ? c->rcvbuf / 2 : c->advmss;
	bool worth = can >= 2 * cur;
	if (c->ts->cfg
		.bsd_ways) /* two segments, and a quarter of the buffer or what is left of it */
		worth = can - cur >= 2u * c->advmss &&
			(can - cur >= c->rcvbuf / 4 || cur <= c->rcvbuf / 8 ||
			    c->rcvbuf <= 8u * c->advmss);
	if (can > cur && can - cur >= step && worth)
		l4_tcp_ack_now(c, L4_WHY_ACK_WINDOW);
}

/* How many of the bytes ready come before the urgent octet. Out of line it is skipped; in line a
 * read ends before it, so that l4_tcp_at_mark can tell where it is, and the next begins with it. */
static uint32_t until_urgent(struct l4_tcp *c)
{
	if (!c->rcv_urg || (c->rcv_urg < 2 && !c->opt_oobinline))
		return c->rcv.ready;
	uint32_t first = c->rcv_nxt - c->rcv.ready;
	uint32_t off = c->rcv_up - 1 - first;
	if (off >= c->rcv.ready)
		return c->rcv.ready;
	if (c->opt_oobinline)
		return off ? off : c->rcv.ready;
	if (off == 0) { /* at the mark: step over it */
		l4_rcvbuf_drop(c, 1);
		c->rcv_urg = c->rcv_urg == 3 ? 0 : c->rcv_urg;
		return c->rcv.ready;
	}
	return off;
}

/* The user has taken n bytes. */
static void taken(struct l4_tcp *c, uint32_t n, l4_time now)
{
	l4_rcvbuf_drop(c, n);
	if (c->rcv_urg && c->opt_oobinline && l4_seq_geq(c->rcv_nxt - c->rcv.ready, c->rcv_up))
		c->rcv_urg = 0; /* it was among them */
	window_opened(c, n, now);
}

/* What cannot be while the user's memory is posted: bytes in it come before all others. */
static int posted_error(const struct l4_tcp *c)
{
	return c->rcv.post ? L4_ESTATE : 0;
}

int l4_tcps_recv_post(struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t len, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	struct l4_rcvbuf *r = &c->rcv;
	bool over = c->fin_rcvd || c->shut_rd || c->state == L4_TCP_TIME_WAIT;
	if (!buf && !len && !r->post_n) {
		l4_rcvbuf_unpost(c);
		return 0;
	}
	if (!buf || !len || len > INT32_MAX)
		return L4_EINVAL;
	if (r->post)
		return L4_ESTATE;
	if (c->state == L4_TCP_CLOSED)
		over = c->err || c->connected_event;
	if (c->state == L4_TCP_LISTEN || (c->state == L4_TCP_CLOSED && !over))
		return L4_ENOTCONN;
	r->post = buf;
	r->post_len = (uint32_t)len;
	uint32_t ready = until_urgent(c);
	if (!c->rcv_urg)
		l4_rcvbuf_fill(c);
	return over || ready;
}

int64_t l4_tcps_recv_take(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	struct l4_rcvbuf *r = &c->rcv;
	if (!r->post)
		return L4_EINVAL;
	uint32_t n = r->post_n, more = r->post_len - n, ready = until_urgent(c);
	if (more > ready)
		more = ready;
	int e = n + more ? 0 : recv_error(c);
	if (e == L4_EAGAIN)
		return e;
	if (more)
		l4_rcvbuf_copy(c, r->post + n, more);
	l4_rcvbuf_unpost(c);
	if (e)
		return e == 1 ? 0 : e;
	c->rcv_copied += n;
	taken(c, more, ts->now);
	return n + more;
}

int64_t l4_tcps_recv(
    struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t len, int flags, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (flags & L4_RECV_URGENT) {
		if (c->opt_oobinline || !c->rcv_urg || c->rcv_urg == 3)
			return L4_EINVAL;
		if (c->rcv_urg != 2)
			return L4_EAGAIN;
		if (len)
			*(uint8_t *)buf = c->urg_byte;
		if (!(flags & L4_RECV_PEEK))
			c->rcv_urg = 3;
		return len ? 1 : 0;
	}
	int e = posted_error(c);
	if (e < 0)
		return e;
	uint32_t n = c->rcv.ready;
	if (!flags && n && n <= len && !c->rcv_urg && l4_rcvbuf_take_short(c, buf, n)) {
		window_opened(c, n, ts->now);
		return n;
	}
	uint32_t ready = until_urgent(c);
	e = recv_error(c);
	if (e)
		return e == 1 ? 0 : e;
	n = len < ready ? (uint32_t)len : ready;
	if (!(flags & L4_RECV_TRUNC))
		l4_rcvbuf_copy(c, buf, n);
	if (flags & L4_RECV_PEEK)
		return n;
	taken(c, n, ts->now);
	return n;
}

int l4_tcps_peek(struct l4_tcp_stack *ts, l4_ep ep, struct l4_piece *pieces, unsigned max)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = posted_error(c);
	if (e < 0)
		return e;
	uint32_t ready = until_urgent(c);
	e = recv_error(c);
	if (e)
		return e == 1 ? 0 : e;
	uint32_t n = l4_rcvbuf_pieces(c, pieces, max);
	for (uint32_t i = 0; i < n; i++) { /* the urgent octet ends what is lent */
		if (pieces[i].len >= ready) {
			pieces[i].len = ready;
			return (int)i + 1;
		}
		ready -= (uint32_t)pieces[i].len;
	}
	return (int)n;
}

int l4_tcps_consume(struct l4_tcp_stack *ts, l4_ep ep, size_t n, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = posted_error(c);
	if (e < 0)
		return e;
	if (n > until_urgent(c))
		return L4_EINVAL;
	taken(c, (uint32_t)n, ts->now);
	return 0;
}

/* --- Close --- */

static bool synchronized(const struct l4_tcp *c)
{
	return c->state != L4_TCP_CLOSED && c->state != L4_TCP_LISTEN &&
	       c->state != L4_TCP_SYN_SENT && c->state != L4_TCP_TIME_WAIT;
}

static void queue_fin(struct l4_tcp *c)
{
	c->shut_wr = true;
	c->push_seq = c->snd_end;
	if (c->state == L4_TCP_ESTABLISHED)
		l4_tcp_set_state(c, L4_TCP_FIN_WAIT_1);
	else if (c->state == L4_TCP_CLOSE_WAIT)
		l4_tcp_set_state(c, L4_TCP_LAST_ACK);
	l4_tcp_output_check(c);
}

int l4_tcps_shutdown(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (c->state == L4_TCP_CLOSED || c->state == L4_TCP_LISTEN ||
	    c->state == L4_TCP_TIME_WAIT || c->state == L4_TCP_SYN_SENT)
		return c->shut_wr ? 0 : L4_ENOTCONN;
	if (!c->shut_wr)
		queue_fin(c);
	return 0;
}

int l4_tcps_shutdown_recv(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (!synchronized(c))
		return L4_ENOTCONN;
	c->shut_rd = true;
	l4_tcp_event(c, L4_EV_READABLE | L4_EV_EOF);
	return 0;
}

static void orphan(struct l4_tcp *c)
{
	l4_tcp_release_handle(c);
	c->orphan = true;
	c->user = NULL;
	l4_rcvbuf_unpost(c);
}

int l4_tcps_abort(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (c->state == L4_TCP_LISTEN)
		l4_tcp_listen_close(c, ts->now);
	/* RFC 9293 3.10.5: a reset for synchronized states only */
	if (synchronized(c)) {
		ts->ctr.abort_on_close++;
		l4_tcp_send_rst_of(c, L4_WHY_RST_ABORT, ts->now);
	}
	orphan(c);
	if (c->state == L4_TCP_CLOSED || c->state == L4_TCP_TIME_WAIT || c->state == L4_TCP_LISTEN)
		l4_tcp_conn_free(c);
	else
		l4_tcp_done(c, L4_EABORTED);
	return 0;
}

int l4_tcps_close(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	bool unread = c->rcv.ready + c->rcv.post_n > 0 && !c->shut_rd;
	if (!synchronized(c) || c->opt_linger == 0 || unread) {
		if (unread && synchronized(c))
			ts->ctr.abort_on_data++;
		return l4_tcps_abort(ts, ep, now);
	}
	if (c->state == L4_TCP_SYN_RECEIVED &&
	    !c->passive) { /* RFC 9293 3.10.4: FIN after the handshake */
		c->shut_wr = true;
		orphan(c);
		return 0;
	}
	bool waiting = c->state == L4_TCP_FIN_WAIT_2;
	orphan(c);
	if (!c->shut_wr)
		queue_fin(c);
	if (waiting) {
		l4_time t = c->opt_linger2 >= 0 ? (l4_time)c->opt_linger2 : ts->cfg.fin_timeout;
		l4_tcp_arm(c, L4_TIMER_LIFE, ts->now + t);
	}
	return 0;
}

int l4_tcps_disconnect(struct l4_tcp_stack *ts, l4_ep ep, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (c->state == L4_TCP_LISTEN) {
		l4_tcp_listen_close(c, ts->now);
		l4_tcp_free(ts, c->lst, sizeof *c->lst);
		c->lst = NULL;
		l4_tcp_set_state(c, L4_TCP_CLOSED);
	} else {
		if (synchronized(c))
			l4_tcp_send_rst_of(c, L4_WHY_RST_ABORT, ts->now);
		if (c->state != L4_TCP_CLOSED)
			l4_tcp_done(c, L4_EABORTED);
	}
	forget(c);
	if (c->bound)
		l4_tcp_bind_add(c);
	else
		memset(&c->h.local, 0, sizeof c->h.local);
	memset(&c->h.remote, 0, sizeof c->h.remote);
	c->ev_bits = 0;
	return 0;
}

/* --- Questions --- */

int l4_tcps_local(struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *out)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	*out = c->h.local;
	return 0;
}

int l4_tcps_remote(struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *out)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (!c->h.remote.port)
		return L4_ENOTCONN;
	*out = c->h.remote;
	return 0;
}

int l4_tcps_state(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	return c ? c->state : L4_EBADF;
}

int l4_tcps_error(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	int e = c->err ? c->err : c->soft_err;
	c->err = c->soft_err = 0;
	return e;
}

int64_t l4_tcps_ready(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (c->state == L4_TCP_LISTEN)
		return c->lst->acc_head ? L4_EV_ACCEPT : 0;
	int64_t r = 0;
	uint32_t unread = c->rcv.post_n + c->rcv.ready;
	if (unread && (unread >= c->opt_rcvlowat || c->fin_rcvd))
		r |= L4_EV_READABLE;
	if (c->fin_rcvd || c->shut_rd || c->state == L4_TCP_TIME_WAIT)
		r |= L4_EV_EOF | L4_EV_READABLE;
	if (c->state == L4_TCP_CLOSED) {
		r |= L4_EV_CLOSED;
		if (c->connected_event || c->err)
			r |= L4_EV_EOF | L4_EV_READABLE | L4_EV_WRITABLE;
	}
	if (c->err || c->soft_err)
		r |= L4_EV_ERROR;
	if (c->state == L4_TCP_ESTABLISHED || c->state == L4_TCP_CLOSE_WAIT) {
		r |= L4_EV_CONNECTED;
		if (!c->shut_wr && l4_sndbuf_room(c) >= c->sndbuf / 3 &&
		    l4_unsent(c) < c->opt_notsent_lowat)
			r |= L4_EV_WRITABLE;
	}
	if (c->shut_wr)
		r |= L4_EV_WRITABLE; /* a write would not wait: it fails */
	if (c->rcv_urg == 2 && !c->opt_oobinline)
		r |= L4_EV_URGENT;
	return r;
}

int64_t l4_tcps_inq(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	return c ? (int64_t)c->rcv.post_n + c->rcv.ready : L4_EBADF;
}

int64_t l4_tcps_outq(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	return c ? (int64_t)c->snd.bytes : L4_EBADF;
}

int64_t l4_tcps_outq_unsent(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	return l4_seq_gt(c->snd_end, c->snd_nxt) ? (int64_t)(c->snd_end - c->snd_nxt) : 0;
}

int l4_tcps_at_mark(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	return c->rcv_urg && !c->rcv.post_n && c->rcv_up - 1 == c->rcv_nxt - c->rcv.ready;
}
