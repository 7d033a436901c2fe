/* Half-open records: SYN-RECEIVED of those who came in through a listener (RFC 9293 3.10.7.4, RFC
 * 4987).
 *
 * A record holds what the SYN said and what was answered, some hundred bytes with its share of the
 * tables: a flood of SYNs must not cost more. What can be had again is not kept: the path is looked
 * up when the last ACK makes the connection (listen.c).
 *
 * The SYN-ACK is sent again after rto_init, then twice that, and so on. Records that were sent
 * equally many times wait equally long, so each stands at the end of the queue of its count, and a
 * queue needs one timer, for its first. The timer may be early: when a record leaves, the timer
 * stays, finds nothing due and is set anew. */
#include "tcp/conn.h"

void l4_tcp_req_init(struct l4_tcp_stack *ts)
{
	l4_pool_init(&ts->req, sizeof(struct l4_tcp_req), 4);
	for (unsigned k = 0; k < L4_REQ_LEVELS; k++)
		ts->req_queue[k].head = ts->req_queue[k].tail = L4_REF_NONE;
}

/* The queue of those that were sent again so often, and how long they wait in it (RFC 6298 5.5);
 * any number of retries may be configured. */
static struct l4_req_queue *queue_of(struct l4_tcp_stack *ts, unsigned retries, l4_time *wait)
{
	l4_time t = ts->cfg.rto_init ? ts->cfg.rto_init : 1, max = ts->cfg.rto_max;
	unsigned k = 0;
	for (; k < retries && t < max; k++)
		t = t > max / 2 ? max : t * 2;
	*wait = t < max ? t : max;
	return &ts->req_queue[k];
}

static void enqueue(struct l4_tcp_stack *ts, uint32_t i, l4_time now)
{
	struct l4_tcp_req *r = l4_req_at(ts, i);
	l4_time wait;
	struct l4_req_queue *q = queue_of(ts, r->retries, &wait);
	r->deadline = now + wait;
	r->next = L4_REF_NONE;
	r->prev = q->tail;
	if (q->tail != L4_REF_NONE)
		l4_req_at(ts, q->tail)->next = i;
	else
		q->head = i;
	q->tail = i;
	if (!l4_wheel_is_armed(&q->wheel))
		l4_wheel_add(&ts->wheel, &q->wheel, l4_req_at(ts, q->head)->deadline);
}

static void dequeue(struct l4_tcp_stack *ts, const struct l4_tcp_req *r)
{
	l4_time wait;
	struct l4_req_queue *q = queue_of(ts, r->retries, &wait);
	if (r->prev != L4_REF_NONE)
		l4_req_at(ts, r->prev)->next = r->next;
	else
		q->head = r->next;
	if (r->next != L4_REF_NONE)
		l4_req_at(ts, r->next)->prev = r->prev;
	else
		q->tail = r->prev;
	if (q->head == L4_REF_NONE)
		l4_wheel_del(&ts->wheel, &q->wheel);
}

void l4_tcp_req_start(struct l4_tcp *l, uint32_t i, l4_time now)
{
	struct l4_tcp_stack *ts = l->ts;
	struct l4_tcp_req *r = l4_req_at(ts, i);
	r->sent_time = now;
	l->lst->n_half++;
	l4_tcp_hash_add(ts, l4_ref(L4_REF_REQ, i), l4_tcp_hash(ts, &r->h.local, &r->h.remote));
	enqueue(ts, i, now);
}

static struct l4_tcp *listener(const struct l4_tcp_stack *ts, const struct l4_tcp_req *r)
{
	struct l4_tcp *l = l4_slot_conn(&ts->slot[r->listener]);
	assert(l && l->lst);
	return l;
}

void l4_tcp_req_free(struct l4_tcp_stack *ts, uint32_t i)
{
	struct l4_tcp_req *r = l4_req_at(ts, i);
	listener(ts, r)->lst->n_half--;
	dequeue(ts, r);
	l4_tcp_hash_del(ts, l4_ref(L4_REF_REQ, i), r->h.hash);
	l4_pool_give(ts, &ts->req, i);
}

void l4_tcp_req_close(struct l4_tcp *l)
{
	struct l4_tcp_stack *ts = l->ts;
	for (unsigned k = 0; k < L4_REQ_LEVELS && l->lst->n_half; k++) {
		for (uint32_t i = ts->req_queue[k].head, next; i != L4_REF_NONE; i = next) {
			next = l4_req_at(ts, i)->next;
			if (l4_req_at(ts, i)->listener == l->slot)
				l4_tcp_req_free(ts, i);
		}
	}
	assert(!l->lst->n_half);
}

/* --- Timers --- */

bool l4_tcp_req_is_timer(const struct l4_tcp_stack *ts, const struct l4_wheel_node *n)
{
	const char *p = (const char *)n, *first = (const char *)ts->req_queue;
	return p >= first && p < first + sizeof ts->req_queue;
}

static void on_timer(struct l4_tcp_stack *ts, uint32_t i, l4_time now)
{
	struct l4_tcp_req *r = l4_req_at(ts, i);
	struct l4_tcp *l = listener(ts, r);
	uint32_t max = l->opt_syncnt ? l->opt_syncnt : ts->cfg.synack_retries;
	if (r->retries >= max) {
		ts->ctr.attempt_fails++;
		l4_tcp_req_free(ts, i);
		return;
	}
	dequeue(ts, r);
	r->retries++;
	enqueue(ts, i, now);
	if (!r->acked) /* with DEFER_ACCEPT the peer has acknowledged: silence until its data */
		l4_tcp_send_synack(l, r, L4_WHY_SYNACK_RTX, NULL, now);
}

void l4_tcp_req_expire(struct l4_tcp_stack *ts, struct l4_wheel_node *n, l4_time now)
{
	struct l4_req_queue *q =
	    (struct l4_req_queue *)(void *)((char *)n - offsetof(struct l4_req_queue, wheel));
	while (q->head != L4_REF_NONE && l4_req_at(ts, q->head)->deadline <= now)
		on_timer(ts, q->head, now);
	if (q->head != L4_REF_NONE)
		l4_wheel_add(&ts->wheel, &q->wheel, l4_req_at(ts, q->head)->deadline);
}

/* --- Segments --- */

/* A segment from what the record knows, in answer to s. */
static void answer(struct l4_tcp_stack *ts, const struct l4_tcp_req *r, const struct l4_seg *s,
    uint16_t flags, unsigned why, l4_time now)
{
	struct l4_seg_out o = { .src = r->h.local,
		.dst = r->h.remote,
		.df = true,
		.h = { .sport = r->h.local.port,
		    .dport = r->h.remote.port,
		    .seq = r->iss + 1,
		    .ack = r->irs + 1,
		    .flags = flags,
		    .wnd = flags & L4_TCPF_RST ? 0 : r->rcv_wnd },
		.why = { .code = (uint16_t)why } };
	if (flags & L4_TCPF_RST) {
		l4_tcp_rst_echo(ts, s, &o.h.opts);
	} else if (r->ts_ok) { /* RFC 7323 3.2: on every segment */
		o.h.opts.present |= L4_TCPO_TS;
		o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + r->ts_offset;
		o.h.opts.ts_ecr = r->ts_recent;
	}
	ts->env.reply(ts->env.ctx, &o, now);
}

/* The SYN again: our SYN-ACK was lost. RFC 9768 3.1.5: one that asks for the other kind of ECN is
 * reset; else what counts of it is how it arrived. */
static void again(
    struct l4_tcp_stack *ts, struct l4_tcp *l, uint32_t i, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_req *r = l4_req_at(ts, i);
	uint16_t f = s->h.flags & (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE);
	bool classic = f == (L4_TCPF_ECE | L4_TCPF_CWR);
	bool accurate = f == (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE);
	if (ts->cfg.ecn >= 3 && r->ecn_ok && (r->accecn ? classic : accurate)) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_FLAGS, s);
		l4_tcp_count_rst(ts);
		answer(ts, r, s, L4_TCPF_RST | L4_TCPF_ACK, L4_WHY_RST_STATE, now);
		ts->ctr.attempt_fails++;
		l4_tcp_req_free(ts, i);
		return;
	}
	r->ecn_syn_ect = s->tos & 3;
	r->no_ect = r->no_ect || (r->accecn && !f);
	l4_tcp_send_synack(l, r, L4_WHY_SYNACK_RTX, NULL, now);
}

void l4_tcp_req_input(struct l4_tcp_stack *ts, uint32_t i, const struct l4_seg *s, l4_time now)
{
	struct l4_tcp_req *r = l4_req_at(ts, i);
	struct l4_tcp *l = listener(ts, r);
	const struct l4_tcp_hdr *h = &s->h;
	uint32_t nxt = r->irs + 1;
	bool rst = h->flags & L4_TCPF_RST;
	if (!rst && r->ts_ok && (h->opts.present & L4_TCPO_TS) &&
	    (int32_t)(h->opts.ts_val - r->ts_recent) < 0) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_PAWS, s);
		return;
	}
	if (!rst && r->ts_ok && !(h->opts.present & L4_TCPO_TS) && !(h->flags & L4_TCPF_SYN) &&
	    !ts->cfg.tolerate_missing_ts) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_NO_TS, s); /* RFC 7323 3.2 */
		return;
	}
	if (!rst && (h->flags & (L4_TCPF_SYN | L4_TCPF_ACK)) == L4_TCPF_SYN && h->seq == r->irs) {
		again(ts, l, i, s, now);
		return;
	}
	/* RFC 9293 3.10.7.4, first: the window starts at irs + 1 */
	uint32_t seglen = s->len + !!(h->flags & L4_TCPF_SYN) + !!(h->flags & L4_TCPF_FIN);
	bool ok = seglen ? l4_seq_lt(h->seq, nxt + r->rcv_wnd) && l4_seq_gt(h->seq + seglen, nxt)
			 : l4_seq_leq(nxt, h->seq) && l4_seq_leq(h->seq, nxt + r->rcv_wnd - rst);
	if (!ok) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_WINDOW, s);
		if (!rst) {
			ts->ctr.out_segs++;
			answer(ts, r, s, L4_TCPF_ACK, L4_WHY_ACK_UNACCEPTABLE, now);
		}
		return;
	}
	if (rst && (h->seq == nxt || !ts->cfg.secure_rst)) { /* RFC 5961 3.2: back to LISTEN */
		ts->ctr.attempt_fails++;
		l4_tcp_req_free(ts, i);
		return;
	}
	if (rst || h->flags & L4_TCPF_SYN) { /* not exact: challenge (RFC 5961 3.2, 4.2) */
		l4_tcp_drop(ts, l, L4_DROP_TCP_CHALLENGE, s);
		ts->ctr.challenge_acks++;
		ts->ctr.out_segs++;
		answer(ts, r, s, L4_TCPF_ACK, L4_WHY_CHALLENGE, now);
		return;
	}
	if (!(h->flags & L4_TCPF_ACK)) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_NO_ACK, s);
		return;
	}
	if (h->ack != r->iss + 1) {
		l4_tcp_drop(ts, l, L4_DROP_TCP_BAD_ACK, s);
		l4_tcp_send_rst_reply(ts, s, L4_WHY_RST_STATE, now);
		return;
	}
	if (l->opt_defer_accept && !s->len && !(h->flags & L4_TCPF_FIN) &&
	    now - r->sent_time < l->opt_defer_accept) {
		r->acked = true;
		return;
	}
	l4_tcp_listen_finish(l, i, s, now);
}
