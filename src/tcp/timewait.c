/* TIME-WAIT (RFC 9293 3.6.1, 3.10.7.4; RFC 1337; RFC 6191): what is left of a connection for 2 MSL.
 *
 * A record of its own, so that the connection's memory is free at once. All wait equally long, so
 * they stand in a queue by expiry with one timer for the first. At the limit the oldest goes early.
 */
#include "tcp/conn.h"

void l4_tcp_tw_free(struct l4_tcp_stack *ts, struct l4_tcp_tw *t)
{
	l4_tcp_hash_del(ts, &t->h);
	if (t->prev)
		t->prev->next = t->next;
	else
		ts->tw_head = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		ts->tw_tail = t->prev;
	ts->n_tw--;
	l4_tcp_free(ts, t, sizeof *t);
}

static void append(struct l4_tcp_stack *ts, struct l4_tcp_tw *t, l4_time now)
{
	t->expire = now + 2 * ts->cfg.msl;
	t->next = NULL;
	t->prev = ts->tw_tail;
	if (ts->tw_tail)
		ts->tw_tail->next = t;
	else
		ts->tw_head = t;
	ts->tw_tail = t;
	if (!l4_wheel_is_armed(&ts->tw_wheel))
		l4_wheel_add(&ts->wheel, &ts->tw_wheel, ts->tw_head->expire);
}

void l4_tcp_tw_expire(struct l4_tcp_stack *ts, l4_time now)
{
	while (ts->tw_head && ts->tw_head->expire <= now)
		l4_tcp_tw_free(ts, ts->tw_head);
	if (ts->tw_head)
		l4_wheel_add(&ts->wheel, &ts->tw_wheel, ts->tw_head->expire);
}

/* The connection leaves the tables; a record takes its place. The endpoint itself stays for its
 * user (to read what came, and to be closed), or is freed. L4_ENOMEM: nothing was changed. */
int l4_tcp_enter_time_wait(struct l4_tcp *c, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	if (!ts->lim.time_wait)
		return L4_ELIMIT;
	if (ts->n_tw >= ts->lim.time_wait) {
		l4_tcp_tw_free(ts, ts->tw_head);
		ts->ctr.time_wait_overflow++;
	}
	struct l4_tcp_tw *t = l4_tcp_alloc(ts, sizeof *t);
	if (!t)
		return L4_ENOMEM;
	memset(t, 0, sizeof *t);
	t->h.kind = L4_H_TW;
	t->ts = ts;
	t->local = c->local;
	t->remote = c->remote;
	t->snd_nxt = c->snd_nxt;
	t->rcv_nxt = c->rcv_nxt;
	t->rcv_wnd = l4_rcvbuf_wnd_now(c);
	t->rcv_wscale = c->rcv_wscale;
	t->ts_ok = c->ts_ok;
	t->ts_recent = c->ts_recent;
	t->ts_recent_time = c->ts_recent_time;
	t->ts_offset = c->ts_offset;
	t->tos = c->opt_tos;
	t->last_ack_time = L4_TIME_NEVER;
	uint32_t hash = c->h.hash;
	bool ack = c->ack_now || c->ack_owed;
	l4_tcp_hash_del(ts, &c->h);
	l4_tcp_hash_add(ts, &t->h, hash);
	ts->n_tw++;
	ts->ctr.time_wait++;
	append(ts, t, now);

	l4_tcp_set_state(c, L4_TCP_TIME_WAIT);
	l4_tcp_bind_del(c);
	l4_tcp_unready(c);
	for (int i = 0; i < L4_TIMER_COUNT; i++)
		c->timer[i] = L4_TIME_NEVER;
	l4_wheel_del(&ts->wheel, &c->wheel);
	c->rtx_mode = L4_RTX_OFF;
	c->probe_now = 0;
	if (ack) { /* the ACK of the FIN, from the record */
		struct l4_seg_out o = { .src = t->local,
			.dst = t->remote,
			.df = true,
			.h = { .sport = t->local.port,
			    .dport = t->remote.port,
			    .seq = t->snd_nxt,
			    .ack = t->rcv_nxt,
			    .flags = L4_TCPF_ACK,
			    .wnd = (uint16_t)(t->rcv_wnd >> t->rcv_wscale) },
			.why = { .code = L4_WHY_ACK_FIN, .ep = c->ep } };
		if (t->ts_ok) {
			o.h.opts.present = L4_TCPO_TS;
			o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + t->ts_offset;
			o.h.opts.ts_ecr = t->ts_recent;
		}
		c->ack_now = c->ack_owed = false;
		c->segs_out++;
		ts->ctr.out_segs++;
		ts->env.reply(ts->env.ctx, &o, now);
	}
	l4_sb_clear(c);
	l4_sndbuf_clear(c);
	if (c->orphan)
		l4_tcp_conn_free(c);
	else
		l4_tcp_event(c, L4_EV_CLOSED);
	return 0;
}

static void answer(struct l4_tcp_stack *ts, struct l4_tcp_tw *t, l4_time now)
{
	struct l4_seg_out o = { .src = t->local,
		.dst = t->remote,
		.df = true,
		.h = { .sport = t->local.port,
		    .dport = t->remote.port,
		    .seq = t->snd_nxt,
		    .ack = t->rcv_nxt,
		    .flags = L4_TCPF_ACK,
		    .wnd = (uint16_t)(t->rcv_wnd >> t->rcv_wscale) },
		.tos = (uint8_t)(t->tos & 0xfc),
		.why = { .code = L4_WHY_ACK_TIME_WAIT } };
	if (t->ts_ok) {
		o.h.opts.present = L4_TCPO_TS;
		o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + t->ts_offset;
		o.h.opts.ts_ecr = t->ts_recent;
	}
	ts->ctr.out_segs++;
	ts->env.reply(ts->env.ctx, &o, now);
}

void l4_tcp_tw_input(struct l4_tcp_tw *t, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_stack *ts = t->ts;
	const struct l4_tcp_hdr *h = &s->h;
	bool old_ts = t->ts_ok && (h->opts.present & L4_TCPO_TS) &&
		      (int32_t)(h->opts.ts_val - t->ts_recent) < 0;
	if (h->flags & L4_TCPF_RST) {
		/* RFC 1337: hazards are fewer when resets are ignored here; RFC 5961 otherwise */
		if (!ts->cfg.rfc1337 && h->seq == t->rcv_nxt && !old_ts)
			l4_tcp_tw_free(ts, t);
		else
			l4_tcp_drop(ts, NULL, L4_DROP_TCP_TIME_WAIT, s);
		return;
	}
	if ((h->flags & (L4_TCPF_SYN | L4_TCPF_ACK)) == L4_TCPF_SYN && !old_ts) {
		/* RFC 9293 3.6.1 (MAY-2) and RFC 6191 2: a new incarnation that cannot be mistaken
		 */
		bool newer = l4_seq_gt(h->seq, t->rcv_nxt);
		if (t->ts_ok && (h->opts.present & L4_TCPO_TS))
			newer = newer || (int32_t)(h->opts.ts_val - t->ts_recent) > 0;
		struct l4_tcp *l = l4_tcp_find_listener(ts, &s->dst, &s->src);
		if (newer && l) {
			ts->ctr.time_wait_recycled++;
			l4_tcp_tw_free(ts, t);
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
		if (t->prev)
			t->prev->next = t->next;
		else
			ts->tw_head = t->next;
		if (t->next)
			t->next->prev = t->prev;
		else
			ts->tw_tail = t->prev;
		append(ts, t, now);
		answer(ts, t, now);
		return;
	}
	if (!s->len && !fin && !(h->flags & L4_TCPF_SYN) && h->seq == t->rcv_nxt && !old_ts)
		return; /* an ACK as it should be */
	if (t->last_ack_time != L4_TIME_NEVER && now - t->last_ack_time < ts->cfg.challenge_window)
		return;
	t->last_ack_time = now;
	answer(ts, t, now);
}
