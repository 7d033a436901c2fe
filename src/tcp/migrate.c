/* Export and import: a connection goes on in another host, and its peer does not notice.
 *
 * For live upgrades and for migration. The record is what the peer knows of the connection
 * (sequence numbers, windows, what was negotiated, where its timestamps stand), what was learned of
 * the path, the endpoint's options, and the bytes of both buffers. It is written field by field
 * from one table, big-endian, so that it does not depend on the machine or the compiler.
 *
 * What is in flight counts as sent at the moment of import: acknowledgements of it are good, a tail
 * loss probe or the timer finds out what never came (its round trips are not measured: RFC 6298 3).
 * Bytes beyond a gap are left behind; the peer still has them (RFC 2018 8). An ACK goes out at
 * once, so that neighbours learn where the address lives now, and the peer what is missing.
 *
 * The record comes from another process: nothing in it is believed that was not checked. */
#include "base/cursor.h"
#include "tcp/cc.h"
#include "tcp/conn.h"

#define MAGIC     0x4c345443u /* "L4TC" */
#define VERSION   2u
#define TIMES_MAX (1000 * L4_SEC * 60 * 60) /* no round trip lasts longer */

#define BOOL(f)                               \
	{                                     \
		offsetof(struct l4_tcp, f), 0 \
	}
#define NUMBER(f)                                                           \
	{                                                                   \
		offsetof(struct l4_tcp, f), sizeof(((struct l4_tcp *)0)->f) \
	}

/* The fields that are carried as they are: offset and size, 0 for a bool. */
static const struct row {
	uint16_t at;
	uint8_t size;
} row[] = {
	NUMBER(state),
	BOOL(shut_wr),
	BOOL(fin_sent),
	BOOL(shut_rd),
	BOOL(fin_rcvd),
	BOOL(passive),
	BOOL(syn_data_acked),
	/* options */
	BOOL(opt_nodelay),
	BOOL(opt_cork),
	BOOL(opt_keepalive),
	BOOL(opt_oobinline),
	BOOL(opt_reuseaddr),
	BOOL(opt_reuseport),
	BOOL(opt_v6only),
	BOOL(opt_freebind),
	BOOL(opt_pmtu),
	BOOL(opt_accecn),
	BOOL(opt_sndbuf_fixed),
	BOOL(opt_rcvbuf_fixed),
	BOOL(opt_dontroute),
	BOOL(opt_trouble),
	NUMBER(opt_ttl),
	NUMBER(opt_tos),
	NUMBER(opt_keepcnt),
	NUMBER(opt_rcvlowat),
	NUMBER(opt_notsent_lowat),
	NUMBER(opt_window_clamp),
	NUMBER(opt_maxseg),
	NUMBER(opt_keepidle),
	NUMBER(opt_keepintvl),
	NUMBER(opt_user_timeout),
	NUMBER(opt_linger),
	NUMBER(opt_linger2),
	NUMBER(opt_max_pacing),
	/* negotiated */
	BOOL(sack_ok),
	BOOL(ts_ok),
	BOOL(ws_ok),
	BOOL(ecn_ok),
	BOOL(accecn_ok),
	NUMBER(snd_wscale),
	NUMBER(rcv_wscale),
	NUMBER(mss_peer),
	NUMBER(advmss),
	NUMBER(rcv_mss),
	/* sequence numbers (RFC 9293 3.3.1) */
	NUMBER(iss),
	NUMBER(snd_una),
	NUMBER(snd_nxt),
	NUMBER(snd_end),
	NUMBER(snd_wnd),
	NUMBER(max_wnd),
	NUMBER(snd_wl1),
	NUMBER(snd_wl2),
	NUMBER(snd_up),
	BOOL(snd_urg),
	NUMBER(push_seq),
	NUMBER(irs),
	NUMBER(rcv_nxt),
	NUMBER(rcv_wnd),
	NUMBER(rcv_wup),
	NUMBER(rcv_up),
	NUMBER(rcv_urg),
	NUMBER(urg_byte),
	NUMBER(last_ack_sent),
	NUMBER(ts_recent),
	NUMBER(rcv_ssthresh),
	NUMBER(rcvbuf),
	NUMBER(sndbuf),
	/* learned */
	NUMBER(srtt),
	NUMBER(rttvar),
	NUMBER(min_rtt),
	NUMBER(rcv_rtt),
	NUMBER(cwnd),
	NUMBER(ssthresh),
	NUMBER(reordering),
	/* ECN (RFC 3168, RFC 9768) */
	BOOL(ecn_echo),
	BOOL(ecn_cwr),
	BOOL(accecn_fail),
	BOOL(accecn_seen),
	NUMBER(rcv_ce),
	NUMBER(rcv_ce_bytes),
	NUMBER(rcv_e0_bytes),
	NUMBER(rcv_e1_bytes),
	NUMBER(snd_cep),
	NUMBER(snd_ce_bytes),
	NUMBER(snd_e0_bytes),
	NUMBER(snd_e1_bytes),
	NUMBER(rcv_ce_told),
	NUMBER(told_e0),
	NUMBER(told_ce),
	NUMBER(told_e1),
	BOOL(ecn_no_ect),
	/* statistics */
	NUMBER(bytes_acked),
	NUMBER(bytes_received),
	NUMBER(delivered),
	NUMBER(delivered_ce),
	NUMBER(segs_in),
	NUMBER(segs_out),
	NUMBER(data_segs_in),
	NUMBER(data_segs_out),
	NUMBER(bytes_sent),
	NUMBER(bytes_retrans),
	NUMBER(total_retrans),
	NUMBER(total_rto),
	NUMBER(total_rto_recoveries),
	NUMBER(dsack_dups),
	NUMBER(reord_seen),
	NUMBER(rcv_ooopack),
	NUMBER(tlp_probes),
	NUMBER(spurious_undone),
	NUMBER(drops),
};
#define ROWS (sizeof row / sizeof row[0])

/* --- Fields --- */

static void put_field(struct l4_wr *w, const struct l4_tcp *c, const struct row *r)
{
	const uint8_t *p = (const uint8_t *)c + r->at;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;
	bool b;
	switch (r->size) {
	case 0:
		memcpy(&b, p, sizeof b);
		l4_wr_u8(w, b);
		break;
	case 1:
		l4_wr_u8(w, *p);
		break;
	case 2:
		memcpy(&v16, p, 2);
		l4_wr_u16(w, v16);
		break;
	case 4:
		memcpy(&v32, p, 4);
		l4_wr_u32(w, v32);
		break;
	default:
		memcpy(&v64, p, 8);
		l4_wr_u64(w, v64);
	}
}

static void take_field(struct l4_rd *r, struct l4_tcp *c, const struct row *f)
{
	uint8_t *p = (uint8_t *)c + f->at;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;
	bool b;
	switch (f->size) {
	case 0:
		b = l4_rd_u8(r) != 0;
		memcpy(p, &b, sizeof b);
		break;
	case 1:
		*p = l4_rd_u8(r);
		break;
	case 2:
		v16 = l4_rd_u16(r);
		memcpy(p, &v16, 2);
		break;
	case 4:
		v32 = l4_rd_u32(r);
		memcpy(p, &v32, 4);
		break;
	default:
		v64 = l4_rd_u64(r);
		memcpy(p, &v64, 8);
	}
}

static void put_end(struct l4_wr *w, const struct l4_endpoint *e)
{
	l4_wr_bytes(w, e->addr.b, 16);
	l4_wr_u16(w, e->port);
	l4_wr_u16(w, (uint16_t)e->ifindex);
}

static void take_end(struct l4_rd *r, struct l4_endpoint *e)
{
	memset(e, 0, sizeof *e);
	l4_rd_bytes(r, e->addr.b, 16);
	e->port = l4_rd_u16(r);
	e->ifindex = l4_rd_u16(r);
}

/* Bytes of the stream that wait for acknowledgement or for their turn; the FIN is not one. */
static uint32_t unacked(const struct l4_tcp *c)
{
	return l4_seq_lt(c->snd_una, c->snd_end) ? c->snd_end - c->snd_una : 0;
}

/* --- Out --- */

static bool movable(uint8_t state)
{
	switch (state) {
	case L4_TCP_ESTABLISHED:
	case L4_TCP_FIN_WAIT_1:
	case L4_TCP_FIN_WAIT_2:
	case L4_TCP_CLOSE_WAIT:
	case L4_TCP_CLOSING:
	case L4_TCP_LAST_ACK:
		return true;
	default:
		return false;
	}
}

static size_t record_size(const struct l4_tcp *c)
{
	size_t n = 4 + 1 + 2 * 20 + 4 + 4 + 16 + 4 + 4;
	for (size_t i = 0; i < ROWS; i++)
		n += row[i].size ? row[i].size : 1u;
	return n + unacked(c) + c->rcv.ready;
}

static void put_sent(struct l4_wr *w, struct l4_tcp *c)
{
	struct l4_seg_out o;
	uint32_t left = unacked(c);
	for (uint32_t seq = c->snd_una, n; left; seq += n, left -= n) {
		n = left < 65536 ? left : 65536;
		o.n_pieces = 0;
		uint32_t k = l4_sndbuf_pieces(c, seq, &n, &o);
		for (uint32_t i = 0; i < k; i++)
			l4_wr_bytes(w, o.pieces[i].data, o.pieces[i].len);
		if (!n) {
			w->bad = true;
			return;
		}
	}
}

int64_t l4_tcps_export(struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t cap, l4_time now)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (!movable(c->state) || c->parent)
		return L4_ENOTCONN;
	if (c->rcv.post)
		return L4_ESTATE;
	size_t size = record_size(c);
	if (cap < size || !buf)
		return (int64_t)size;
	struct l4_wr w = l4_wr_init(buf, cap);
	l4_wr_u32(&w, MAGIC);
	l4_wr_u8(&w, VERSION);
	put_end(&w, &c->h.local);
	put_end(&w, &c->h.remote);
	for (size_t i = 0; i < ROWS; i++)
		put_field(&w, c, &row[i]);
	l4_wr_u32(&w, l4_tcp_ts_now(ts, now) + c->ts_offset); /* TSval now */
	l4_time age = now > c->ts_recent_time ? (now - c->ts_recent_time) / L4_SEC : 0;
	l4_wr_u32(&w, age < UINT32_MAX ? (uint32_t)age : UINT32_MAX);
	char cc[16] = "";
	memcpy(cc, c->cc->name, strnlen(c->cc->name, sizeof cc - 1));
	l4_wr_bytes(&w, cc, sizeof cc);
	l4_wr_u32(&w, unacked(c));
	l4_wr_u32(&w, c->rcv.ready);
	put_sent(&w, c);
	uint32_t ready = c->rcv.ready;
	uint8_t *to = l4_wr_take(&w, ready);
	if (!l4_wr_ok(&w))
		return L4_ESTATE;
	if (ready)
		l4_rcvbuf_copy(c, to, ready);
	l4_tcp_conn_free(c);
	return (int64_t)size;
}

/* --- In --- */

/* seq lies in [from, from + 1 GiB], the most that a window spans (RFC 7323 2.2). */
static bool near(uint32_t from, uint32_t seq)
{
	return seq - from <= 1u << 30;
}

static bool state_fits(const struct l4_tcp *c)
{
	bool fin_acked = c->fin_sent && c->snd_una == c->snd_end + 1;
	switch (c->state) {
	case L4_TCP_ESTABLISHED:
		return !c->shut_wr && !c->fin_sent && !c->fin_rcvd;
	case L4_TCP_CLOSE_WAIT:
		return !c->shut_wr && !c->fin_sent && c->fin_rcvd;
	case L4_TCP_FIN_WAIT_1:
		return c->shut_wr && !c->fin_rcvd && !fin_acked;
	case L4_TCP_FIN_WAIT_2:
		return c->shut_wr && !c->fin_rcvd && fin_acked;
	case L4_TCP_CLOSING:
	case L4_TCP_LAST_ACK:
		return c->shut_wr && c->fin_rcvd && !fin_acked;
	default:
		return false;
	}
}

static bool numbers_fit(const struct l4_tcp *c, uint32_t unsent, uint32_t ready)
{
	uint32_t end = c->snd_end + c->fin_sent; /* with the FIN */
	return near(c->snd_una, c->snd_nxt) && near(c->snd_nxt, end) &&
	       (!c->fin_sent || c->snd_nxt == end) && unsent == unacked(c) && ready <= 1u << 30 &&
	       near(c->rcv_wup, c->rcv_nxt) && c->rcv_wnd <= 1u << 30 &&
	       near(c->last_ack_sent, c->rcv_nxt) && c->snd_wnd <= 1u << 30 &&
	       c->max_wnd <= 1u << 30 && c->snd_wscale <= 14 && c->rcv_wscale <= 14;
}

static bool values_fit(const struct l4_tcp *c)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	return c->mss_peer >= cfg->mss_min && c->advmss >= cfg->mss_min && c->rcv_mss &&
	       c->rcv_urg <= 3 && c->opt_ttl >= -1 && c->opt_ttl <= 255 && c->opt_ttl != 0 &&
	       c->rcvbuf <= 1u << 30 && c->sndbuf <= 1u << 30 && c->rcv_ssthresh <= 1u << 30 &&
	       c->srtt <= TIMES_MAX && c->rttvar <= TIMES_MAX && c->min_rtt <= TIMES_MAX &&
	       c->rcv_rtt <= TIMES_MAX && c->opt_keepidle <= TIMES_MAX &&
	       c->opt_keepintvl <= TIMES_MAX && c->opt_user_timeout <= TIMES_MAX &&
	       c->opt_linger >= -1 && c->opt_linger <= (int64_t)TIMES_MAX && c->opt_linger2 >= -1 &&
	       c->opt_linger2 <= (int64_t)TIMES_MAX && c->cwnd && c->cwnd <= 1u << 24 &&
	       c->ssthresh && c->reordering && c->reordering <= 1u << 16 &&
	       (!c->accecn_ok || c->ecn_ok) && c->rcv_ce_told <= 7;
}

static bool ends_fit(const struct l4_tcp *c)
{
	const struct l4_endpoint *l = &c->h.local, *r = &c->h.remote;
	return l->port && r->port && !l4_addr_is_any(&l->addr) && !l4_addr_is_any(&r->addr) &&
	       !l4_addr_is_multicast(&l->addr) && !l4_addr_is_multicast(&r->addr) &&
	       !l4_addr_is_broadcast(&l->addr) && !l4_addr_is_broadcast(&r->addr) &&
	       l4_addr_is_ip4(&l->addr) == l4_addr_is_ip4(&r->addr);
}

/* Everything of the record that stands before the bytes. */
static int take_head(struct l4_tcp *c, struct l4_rd *r, uint32_t *unsent, uint32_t *ready)
{
	struct l4_tcp_stack *ts = c->ts;
	char cc[17] = "";
	if (l4_rd_u32(r) != MAGIC || l4_rd_u8(r) != VERSION)
		return L4_EINVAL;
	take_end(r, &c->h.local);
	take_end(r, &c->h.remote);
	for (size_t i = 0; i < ROWS; i++)
		take_field(r, c, &row[i]);
	c->ts_offset = l4_rd_u32(r) - l4_tcp_ts_now(ts, ts->now);
	l4_time age = (l4_time)l4_rd_u32(r) * L4_SEC;
	c->ts_recent_time = age < ts->now ? ts->now - age : 0;
	l4_rd_bytes(r, cc, 16);
	*unsent = l4_rd_u32(r);
	*ready = l4_rd_u32(r);
	if (!l4_rd_ok(r) || !ends_fit(c) || !state_fits(c) || !numbers_fit(c, *unsent, *ready) ||
	    !values_fit(c) || (uint64_t)*unsent + *ready != (uint64_t)(r->end - r->p))
		return L4_EINVAL;
	c->cc = l4_cc_find(cc);
	return c->cc ? 0 : L4_EINVAL;
}

static int take_bytes(struct l4_tcp *c, struct l4_rd *r, uint32_t unsent, uint32_t ready)
{
	const uint8_t *sent = l4_rd_take(r, unsent), *got = l4_rd_take(r, ready);
	c->snd_end -= unsent;
	for (uint32_t n = 0; n < unsent;) {
		int64_t k = l4_sndbuf_append(c, sent + n, unsent - n);
		if (k <= 0)
			return L4_ENOMEM;
		n += (uint32_t)k;
	}
	if (!ready)
		return 0;
	struct l4_piece p = { got, ready };
	struct l4_seg s = { .pieces = &p, .n_pieces = 1, .len = ready, .n_segs = 1 };
	c->rcv_nxt -= ready + c->fin_rcvd;
	int e = l4_rcvbuf_put(c, &s, 0, c->rcv_nxt, ready);
	c->rcv_nxt += c->fin_rcvd;
	return e;
}

/* What was in flight, as sent now; no round trip is measured by it. */
static int take_flight(struct l4_tcp *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una, mss = c->snd_mss;
	if (!flight)
		return 0;
	bool fin = c->fin_sent && c->snd_nxt == c->snd_end + 1;
	uint32_t n = (flight + mss - 1) / mss;
	if (!l4_sb_reserve(c, n))
		return L4_ENOMEM;
	l4_sb_push_run(c, c->snd_una, flight - fin, mss, fin, c->ts->now);
	for (uint32_t i = 0; i < c->sb.n; i++)
		l4_sb_at(&c->sb, i)->flags |= L4_TX_EVER_RETX;
	return 0;
}

static void go_on(struct l4_tcp *c)
{
	l4_time now = c->ts->now;
	c->connected_event = true;
	c->snd_sml = c->snd_nxt;
	c->fack = c->snd_una;
	c->cwnd_usage_seq = c->recovery_point = c->snd_nxt;
	c->quick = 16;
	c->delivered_time = c->cwnd_stamp = c->rcv_space_time = c->established_at = now;
	c->last_ack_in = now;
	l4_tcp_rto_reset(c);
	l4_tcp_rearm_rto(c, now);
	l4_tcp_tlp_schedule(c, now);
	l4_tcp_start_keepalive(c, now);
	if (c->snd.bytes || c->sb.n) {
		l4_tcp_progress(c, now);
		l4_tcp_held_by(c, L4_HELD_CWND, now);
	}
	l4_tcp_ack_now(c, L4_WHY_ACK);
	l4_tcp_event(c, (c->rcv.ready ? L4_EV_READABLE : 0u) | (c->fin_rcvd ? L4_EV_EOF : 0u) |
			    (c->shut_wr ? 0u : L4_EV_WRITABLE));
	l4_tcp_output_check(c);
}

static int rebuild(struct l4_tcp *c, const void *buf, size_t len)
{
	struct l4_tcp_stack *ts = c->ts;
	struct l4_rd r = l4_rd_init(buf, len);
	uint32_t unsent = 0, ready = 0;
	int e = take_head(c, &r, &unsent, &ready);
	if (e < 0)
		return e;
	if (l4_tcp_find(ts, &c->h.local, &c->h.remote) != L4_REF_NONE)
		return L4_EINUSE;
	if ((e = ts->env.route(ts->env.ctx, &c->h.local, &c->h.remote, &c->path)) < 0)
		return e;
	c->pmtu = c->path.mtu;
	uint32_t cwnd = c->cwnd, ssthresh = c->ssthresh;
	l4_recovery_init(c);
	c->cwnd = cwnd;
	c->ssthresh = ssthresh;
	l4_pmtu_start(c);
	l4_tcp_sync_mss(c);
	if ((e = take_bytes(c, &r, unsent, ready)) < 0 || (e = take_flight(c)) < 0)
		return e;
	return 0;
}

l4_ep l4_tcps_import(struct l4_tcp_stack *ts, const void *buf, size_t len, void *user, l4_time now)
{
	if (now > ts->now)
		ts->now = now;
	struct l4_tcp *c = l4_tcp_conn_new(ts, user);
	if (!c)
		return L4_ENOMEM;
	int e = rebuild(c, buf, len);
	if (e < 0) {
		l4_tcp_conn_free(c);
		return e;
	}
	l4_tcp_trace(c, L4_TRACE_TCP_STATE, 0, L4_TCP_CLOSED, c->state, 0, 0);
	l4_tcp_conn_add(c, l4_tcp_hash(ts, &c->h.local, &c->h.remote));
	go_on(c);
	return c->ep;
}

void l4_tcps_forget(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (c)
		l4_tcp_conn_free(c);
}
