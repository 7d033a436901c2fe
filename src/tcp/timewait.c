/* TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4; RFC 1337; RFC 6191): what is left of a connection for 2 MSL.
 *
 * A record of its own, so that the connection's memory is free at once. All wait equally long, so
 * they stand in a queue by expiry with one timer for the first. At the limit the oldest goes early.
 */
#include "tcp/conn.h"

enum { TW_TS = 1, TW_V6 = 2, TW_TOLD = 4 }; /* timestamps; addresses elsewhere; told is one */
#define TOLD_UNIT (16 * L4_MSEC)

void l4_tcp_tw_init(struct l4_tcp_stack *ts)
{
	l4_pool_init(&ts->tw, sizeof(struct l4_tcp_tw), 0);
	ts->tw_head = ts->tw_tail = L4_REF_NONE;
}

/* The addresses of IPv6. */
static struct l4_addr *elsewhere(const struct l4_tcp_tw *t)
{
	struct l4_addr *a;
	memcpy(&a, t->addr, sizeof a);
	return a;
}

void l4_tcp_tw_ends(
    const struct l4_tcp_tw *t, struct l4_endpoint *local, struct l4_endpoint *remote)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	*local = (struct l4_endpoint){ .port = t->local_port, .ifindex = t->ifindex };
	*remote = (struct l4_endpoint){ .port = t->remote_port, .ifindex = t->ifindex };
	if (t->flags & TW_V6) {
		local->addr = elsewhere(t)[0];
		remote->addr = elsewhere(t)[1];
		return;
	}
	memcpy(local->addr.b, mapped, 12);
	memcpy(local->addr.b + 12, t->addr, 4);
	memcpy(remote->addr.b, mapped, 12);
	memcpy(remote->addr.b + 12, t->addr + 4, 4);
}

static int set_ends(struct l4_tcp_stack *ts, struct l4_tcp_tw *t, const struct l4_tcp *c)
{
	t->local_port = c->h.local.port;
	t->remote_port = c->h.remote.port;
	t->ifindex = c->h.remote.ifindex ? c->h.remote.ifindex : c->h.local.ifindex;
	if (l4_addr_is_ip4(&c->h.local.addr) && l4_addr_is_ip4(&c->h.remote.addr)) {
		memcpy(t->addr, c->h.local.addr.b + 12, 4);
		memcpy(t->addr + 4, c->h.remote.addr.b + 12, 4);
		return 0;
	}
	struct l4_addr *a = l4_tcp_alloc(ts, 2 * sizeof *a);
	if (!a)
		return L4_ENOMEM;
	a[0] = c->h.local.addr;
	a[1] = c->h.remote.addr;
	memcpy(t->addr, &a, sizeof a);
	t->flags |= TW_V6;
	return 0;
}

/* --- Time --- */

static uint32_t ms(l4_time now)
{
	return (uint32_t)(now / L4_MSEC);
}

static uint16_t told_units(l4_time now)
{
	return (uint16_t)(now / TOLD_UNIT);
}

static uint32_t age_ms(const struct l4_tcp_tw *t, l4_time now)
{
	int32_t d = (int32_t)(ms(now) - t->start_ms);
	return d > 0 ? (uint32_t)d : 0;
}

/* When it ends: 2 MSL after it began, less than a millisecond late. */
static l4_time expiry(const struct l4_tcp_stack *ts, const struct l4_tcp_tw *t, l4_time now)
{
	int64_t d = (int32_t)(ms(now) - t->start_ms);
	return (l4_time)((int64_t)(now / L4_MSEC) - d) * L4_MSEC + 2 * ts->cfg.msl;
}

bool l4_tcp_tw_reusable(const struct l4_tcp_stack *ts, const struct l4_tcp_tw *t, l4_time now)
{
	(void)ts;
	return (t->flags & TW_TS) && age_ms(t, now) >= 1000;
}

/* --- The queue --- */

static void dequeue(struct l4_tcp_stack *ts, const struct l4_tcp_tw *t)
{
	if (t->prev != L4_REF_NONE)
		l4_tw_at(ts, t->prev)->next = t->next;
	else
		ts->tw_head = t->next;
	if (t->next != L4_REF_NONE)
		l4_tw_at(ts, t->next)->prev = t->prev;
	else
		ts->tw_tail = t->prev;
}

void l4_tcp_tw_free(struct l4_tcp_stack *ts, uint32_t i)
{
	struct l4_tcp_tw *t = l4_tw_at(ts, i);
	uint32_t ref = l4_ref(L4_REF_TW, i);
	l4_tcp_hash_del(ts, ref, l4_ref_hash(ts, ref));
	dequeue(ts, t);
	if (t->flags & TW_V6)
		l4_tcp_free(ts, elsewhere(t), 2 * sizeof(struct l4_addr));
	l4_pool_give(ts, &ts->tw, i);
}

static void append(struct l4_tcp_stack *ts, uint32_t i, l4_time now)
{
	struct l4_tcp_tw *t = l4_tw_at(ts, i);
	t->start_ms = ms(now + L4_MSEC - 1);
	t->next = L4_REF_NONE;
	t->prev = ts->tw_tail;
	if (ts->tw_tail != L4_REF_NONE)
		l4_tw_at(ts, ts->tw_tail)->next = i;
	else
		ts->tw_head = i;
	ts->tw_tail = i;
	if (!l4_wheel_is_armed(&ts->tw_wheel))
		l4_wheel_add(&ts->wheel, &ts->tw_wheel, expiry(ts, l4_tw_at(ts, ts->tw_head), now));
}

void l4_tcp_tw_address_gone(struct l4_tcp_stack *ts, const struct l4_addr *a)
{
	for (uint32_t i = ts->tw_head, next; i != L4_REF_NONE; i = next) {
		const struct l4_tcp_tw *t = l4_tw_at(ts, i);
		struct l4_endpoint local, remote;
		next = t->next;
		l4_tcp_tw_ends(t, &local, &remote);
		if (l4_addr_eq(&local.addr, a))
			l4_tcp_tw_free(ts, i);
	}
}

void l4_tcp_tw_expire(struct l4_tcp_stack *ts, l4_time now)
{
	while (ts->tw_head != L4_REF_NONE && expiry(ts, l4_tw_at(ts, ts->tw_head), now) <= now)
		l4_tcp_tw_free(ts, ts->tw_head);
	if (ts->tw_head != L4_REF_NONE)
		l4_wheel_add(&ts->wheel, &ts->tw_wheel, expiry(ts, l4_tw_at(ts, ts->tw_head), now));
}

static void answer(
    struct l4_tcp_stack *ts, const struct l4_tcp_tw *t, const struct l4_why *why, l4_time now)
{
	struct l4_seg_out o = { .df = true,
		.h = { .sport = t->local_port,
		    .dport = t->remote_port,
		    .seq = t->snd_nxt,
		    .ack = t->rcv_nxt,
		    .flags = L4_TCPF_ACK,
		    .wnd = t->wnd },
		.tos = (uint8_t)(t->tos & 0xfc),
		.why = *why };
	l4_tcp_tw_ends(t, &o.src, &o.dst);
	if (t->flags & TW_TS) {
		o.h.opts.present = L4_TCPO_TS;
		o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + t->ts_offset;
		o.h.opts.ts_ecr = t->ts_recent;
	}
	ts->ctr.out_segs++;
	ts->env.reply(ts->env.ctx, &o, now);
}

/* The connection leaves the tables; a record takes its place. The endpoint itself stays for its
 * user (to read what came, and to be closed), or is freed. L4_ENOMEM: nothing was changed. */
int l4_tcp_enter_time_wait(struct l4_tcp *c, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	if (!ts->lim.time_wait)
		return L4_ELIMIT;
	if (ts->tw.used >= ts->lim.time_wait) {
		l4_tcp_tw_free(ts, ts->tw_head);
		ts->ctr.time_wait_overflow++;
	}
	uint32_t i = l4_pool_take(ts, &ts->tw);
	if (i == L4_REF_NONE)
		return L4_ENOMEM;
	struct l4_tcp_tw *t = l4_tw_at(ts, i);
	t->tos = c->opt_tos;
	t->flags = c->ts_ok ? TW_TS : 0;
	if (set_ends(ts, t, c) < 0) {
		l4_pool_give(ts, &ts->tw, i);
		return L4_ENOMEM;
	}
	t->snd_nxt = c->snd_nxt;
	t->rcv_nxt = c->rcv_nxt;
	uint32_t wnd = ts->cfg.bsd_ways ? l4_rcvbuf_window(c) : l4_rcvbuf_wnd_now(c);
	t->wnd = (uint16_t)(wnd >> c->rcv_wscale);
	t->ts_recent = c->ts_recent;
	t->ts_offset = c->ts_offset;
	uint32_t hash = c->h.hash;
	bool ack = c->ack_now || c->ack_owed;
	l4_tcp_conn_del(c);
	l4_tcp_hash_add(ts, l4_ref(L4_REF_TW, i), hash);
	ts->ctr.time_wait++;
	append(ts, i, now);

	l4_tcp_set_state(c, L4_TCP_TIME_WAIT);
	l4_tcp_bind_del(c);
	l4_tcp_unready(c);
	for (int k = 0; k < L4_TIMER_COUNT; k++)
		c->timer[k] = L4_TIME_NEVER;
	l4_wheel_del(&ts->wheel, &c->wheel);
	c->rtx_mode = L4_RTX_OFF;
	c->probe_now = 0;
	if (ack) { /* the ACK of the FIN, from the record */
		c->ack_now = c->ack_owed = false;
		c->segs_out++;
		answer(ts, t, &(struct l4_why){ .code = L4_WHY_ACK_FIN, .ep = c->ep }, now);
	}
	l4_sb_clear(c);
	l4_sndbuf_clear(c);
	if (c->orphan)
		l4_tcp_conn_free(c);
	else
		l4_tcp_event(c, L4_EV_CLOSED);
	return 0;
}

void l4_tcp_tw_input(struct l4_tcp_stack *ts, uint32_t i, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_tw *t = l4_tw_at(ts, i);
	const struct l4_why again = { .code = L4_WHY_ACK_TIME_WAIT };
	bool ts_ok = t->flags & TW_TS;
	const struct l4_tcp_hdr *h = &s->h;
	bool old_ts =
	    ts_ok && (h->opts.present & L4_TCPO_TS) && (int32_t)(h->opts.ts_val - t->ts_recent) < 0;
	if (h->flags & L4_TCPF_RST) {
		/* RFC 1337: hazards are fewer when resets are ignored here; RFC 5961 otherwise */
		if (!ts->cfg.rfc1337 && h->seq == t->rcv_nxt && !old_ts)
			l4_tcp_tw_free(ts, i);
		else
			l4_tcp_drop(ts, NULL, L4_DROP_TCP_TIME_WAIT, s);
		return;
	}
	if ((h->flags & (L4_TCPF_SYN | L4_TCPF_ACK)) == L4_TCPF_SYN && !old_ts) {
		/* RFC 9293 3.6.1 (MAY-2) and RFC 6191 2: a new incarnation that cannot be mistaken
		 */
		bool newer = l4_seq_gt(h->seq, t->rcv_nxt);
		if (ts_ok && (h->opts.present & L4_TCPO_TS))
			newer = newer || (int32_t)(h->opts.ts_val - t->ts_recent) > 0;
		struct l4_tcp *l = l4_tcp_find_listener(ts, &s->dst, &s->src);
		if (newer && l) {
			ts->ctr.time_wait_recycled++;
			l4_tcp_tw_free(ts, i);
			l4_tcp_listen_input(l, s, now);
			return;
		}
	}
	l4_tcp_drop(ts, NULL, L4_DROP_TCP_TIME_WAIT, s);
	if (!(h->flags & L4_TCPF_ACK) && !(h->flags & L4_TCPF_SYN))
		return;
	bool fin = h->flags & L4_TCPF_FIN;
	if (fin && h->seq + s->len + 1 == t->rcv_nxt && !old_ts) {
		/* the peer's FIN again: our ACK was lost. ACK it, restart the 2 MSL */
		dequeue(ts, t);
		append(ts, i, now);
		answer(ts, t, &again, now);
		return;
	}
	if (!s->len && !fin && !(h->flags & L4_TCPF_SYN) && h->seq == t->rcv_nxt && !old_ts)
		return; /* an ACK as it should be */
	if ((t->flags & TW_TOLD) &&
	    (uint16_t)(told_units(now) - t->told) < ts->cfg.challenge_window / TOLD_UNIT)
		return;
	t->told = told_units(now);
	t->flags |= TW_TOLD;
	answer(ts, t, &again, now);
}
