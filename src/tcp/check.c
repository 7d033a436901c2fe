/* The invariants of the stack, walked whole; for tests, after every step. */
#include "tcp/conn.h"

#define CHECK(cond)                   \
	do {                          \
		if (!(cond))          \
			return #cond; \
	} while (0)

static const char *check_scoreboard(const struct l4_tcp *c)
{
	const struct l4_scoreboard *sb = &c->sb;
	uint32_t sacked = 0, lost = 0, retx = 0, seq = c->snd_una, listed = 0;
	CHECK(sb->n <= sb->cap);
	for (uint32_t i = 0; i < sb->n; i++) {
		uint32_t slot = (sb->head + i) & (sb->cap - 1);
		const struct l4_txseg *t = &sb->seg[slot];
		CHECK(i == 0 || t->seq == seq);
		CHECK(t->len > 0);
		seq = t->seq + t->len;
		sacked += !!(t->flags & L4_TX_SACKED);
		lost += !!(t->flags & L4_TX_LOST);
		retx += !!(t->flags & L4_TX_RETX);
		listed += !!(t->flags & L4_TX_LISTED);
		CHECK(!((t->flags & L4_TX_SACKED) && (t->flags & (L4_TX_LOST | L4_TX_LISTED))));
		CHECK(!!(sb->bm_sacked[slot / 64] >> slot % 64 & 1) == !!(t->flags & L4_TX_SACKED));
		CHECK(!!(sb->bm_rtx[slot / 64] >> slot % 64 & 1) ==
		      ((t->flags & (L4_TX_LOST | L4_TX_RETX)) == L4_TX_LOST));
	}
	CHECK(!sb->n || l4_sb_at((struct l4_scoreboard *)(uintptr_t)sb, 0)->seq == c->snd_una ||
	      c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_SYN_RECEIVED);
	CHECK(!sb->n || seq == c->snd_nxt);
	CHECK(sacked == sb->n_sacked);
	CHECK(lost == sb->n_lost);
	CHECK(retx == sb->n_retx);
	l4_time last = 0;
	CHECK(sb->dirty || (!listed && !sacked && !lost && !retx));
	for (uint32_t s = sb->n && sb->dirty ? sb->thead : L4_SLOT_NONE; s != L4_SLOT_NONE;
	     s = sb->seg[s].tnext) {
		CHECK(sb->seg[s].xmit_time >= last || c->spurious_undone);
		last = sb->seg[s].xmit_time;
		CHECK(listed-- > 0);
	}
	CHECK(listed == 0);
	return NULL;
}

static const char *check_rcv(const struct l4_tcp *c)
{
	const struct l4_rcvbuf *r = &c->rcv;
	CHECK(r->ready <= r->cap);
	CHECK(r->post_n <= r->post_len);
	CHECK(r->post || !r->post_len);
	uint32_t at = c->rcv_nxt;
	for (uint32_t i = 0; i < r->ooo_n; i++) {
		CHECK(l4_seq_gt(r->ooo[i].start, at));
		CHECK(l4_seq_gt(r->ooo[i].end, r->ooo[i].start));
		at = r->ooo[i].end;
	}
	CHECK(at - (c->rcv_nxt - r->ready) <= r->cap || (!r->ready && !r->ooo_n));
	return NULL;
}

static const char *check_snd(const struct l4_tcp *c)
{
	uint32_t bytes = 0, seq = 0;
	for (uint32_t i = 0; i < c->snd.n; i++) {
		const struct l4_span *s = &c->snd.span[(c->snd.head + i) & (c->snd.cap - 1)];
		CHECK(i == 0 || s->seq == seq);
		CHECK(s->len > 0);
		CHECK(s->chunk->refs > 0);
		seq = s->seq + s->len;
		bytes += s->len;
	}
	CHECK(bytes == c->snd.bytes);
	CHECK(!c->snd.n || seq == c->snd_end);
	return NULL;
}

static const char *check_conn(const struct l4_tcp *c)
{
	if (c->state == L4_TCP_CLOSED || c->state == L4_TCP_LISTEN || c->state == L4_TCP_TIME_WAIT)
		return NULL;
	CHECK(l4_seq_leq(c->snd_una, c->snd_nxt));
	CHECK(l4_seq_leq(c->snd_nxt, c->snd_end + 1));
	CHECK(c->cwnd >= 1);
	CHECK(c->snd_mss > 0);
	/* liveness: what waits has a timer, or is ready to be sent */
	bool deferred =
	    c->opt_fo_connect && !c->send_syn && !c->syn_retries; /* to the first write */
	bool waits = c->sb.n > 0 || (c->state == L4_TCP_SYN_SENT && !deferred);
	CHECK(!waits || c->timer[L4_TIMER_RTX] != L4_TIME_NEVER || c->in_ready);
	bool unsent = l4_seq_lt(c->snd_nxt, c->snd_end) && c->state != L4_TCP_SYN_SENT &&
		      c->state != L4_TCP_SYN_RECEIVED;
	CHECK(!unsent || c->in_ready || c->timer[L4_TIMER_RTX] != L4_TIME_NEVER ||
	      c->timer[L4_TIMER_PACE] != L4_TIME_NEVER);
	l4_time least = L4_TIME_NEVER;
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		least = c->timer[t] < least ? c->timer[t] : least;
	CHECK(
	    least == L4_TIME_NEVER || (l4_wheel_is_armed(&c->wheel) && c->wheel.deadline <= least));
	const char *e = check_scoreboard(c);
	e = e ? e : check_rcv(c);
	return e ? e : check_snd(c);
}

int l4_tcp_stack_check(const struct l4_tcp_stack *ts, char *what, size_t cap)
{
	const char *e = NULL;
	uint32_t hashed = 0, tw = 0, req = 0;
	for (uint32_t b = 0; b < ts->n_buckets && !e; b++) {
		for (uint32_t ref = ts->bucket[b]; ref != L4_REF_NONE && !e;
		     ref = l4_ref_next(ts, ref)) {
			enum l4_ref_kind kind = l4_ref_kind(ref);
			hashed++;
			tw += kind == L4_REF_TW;
			req += kind == L4_REF_REQ;
			if ((l4_ref_hash(ts, ref) & (ts->n_buckets - 1)) != b) {
				e = "record in its bucket";
			} else if (kind == L4_REF_CONN) {
				const struct l4_tcp *c = l4_slot_conn(&ts->slot[l4_ref_index(ref)]);
				e = c ? check_conn(c) : NULL;
			}
		}
	}
	if (!e && (hashed != ts->n_hashed || tw != ts->tw.used || req != ts->req.used))
		e = "counts of hashed records";
	if (!e && (ts->tw.used > ts->lim.time_wait || ts->n_conns > ts->lim.connections ||
		      ts->req.used > ts->lim.half_open ||
		      ts->buffer_used + l4_tcp_spare_bytes(ts) > ts->lim.buffer_bytes))
		e = "limits";
	if (!e)
		return 0;
	size_t n = strlen(e) < cap ? strlen(e) : cap ? cap - 1 : 0;
	if (cap) {
		memcpy(what, e, n);
		what[n] = '\0';
	}
	return L4_ESTATE;
}
