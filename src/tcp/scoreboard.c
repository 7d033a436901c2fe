/* The scoreboard: one record for each segment in flight, oldest first.
 *
 * Records follow each other without gaps: record i ends where record i + 1 begins, the first begins
 * at snd_una. They stand in a ring, so that a sequence number is found by binary search, a
 * cumulative ACK pops from the front and a transmission pushes at the end. Two bitmaps over the
 * slots, "SACKed" and "to be sent again", let a scan pass 64 records a step: SACK blocks that
 * repeat what is known, or that are many and tiny, cost next to nothing. A list through the records
 * in the order of their last transmission serves RACK; records SACKed or marked lost leave it.
 * While nothing was SACKed, lost or sent again (not `dirty`) that order is the ring's and the list
 * is not kept: a push writes one record, and an ACK of many costs as much as an ACK of one.
 *
 * Counters: n_sacked, n_lost and n_retx (retransmission in flight) give the segments in flight as
 * n - n_sacked - n_lost + n_retx. A record is never SACKed and lost at once.
 *
 * A record counts as SACKed only when it is covered wholly (RFC 6675 2, IsSacked by octets, kept by
 * segments), and as acknowledged only when its last octet is: dividing ACKs gains nothing. */
#include "tcp/conn.h"

static uint32_t words(uint32_t cap)
{
	return cap < 64 ? 1 : cap / 64;
}

static void bit_set(uint64_t *bm, uint32_t slot)
{
	bm[slot / 64] |= 1ull << (slot % 64);
}

static void bit_clear(uint64_t *bm, uint32_t slot)
{
	bm[slot / 64] &= ~(1ull << (slot % 64));
}

/* First i >= from (as position from the head) whose bit is `value`, or sb->n. */
static uint32_t scan(const struct l4_scoreboard *sb, const uint64_t *bm, uint32_t from, bool value)
{
	while (from < sb->n) {
		uint32_t slot = (sb->head + from) & (sb->cap - 1);
		uint32_t span = sb->cap < 64 ? sb->cap - slot : 64 - slot % 64;
		uint64_t w = (value ? bm[slot / 64] : ~bm[slot / 64]) >> (slot % 64);
		if (span < 64)
			w &= (1ull << span) - 1;
		if (w) {
			from += (uint32_t)__builtin_ctzll(w);
			return from < sb->n ? from : sb->n;
		}
		from += span;
	}
	return sb->n;
}

static void list_del(struct l4_scoreboard *sb, uint32_t slot)
{
	struct l4_txseg *t = &sb->seg[slot];
	if (!(t->flags & L4_TX_LISTED))
		return;
	t->flags &= (uint8_t)~L4_TX_LISTED;
	if (t->tprev != L4_SLOT_NONE)
		sb->seg[t->tprev].tnext = t->tnext;
	else
		sb->thead = t->tnext;
	if (t->tnext != L4_SLOT_NONE)
		sb->seg[t->tnext].tprev = t->tprev;
	else
		sb->ttail = t->tprev;
}

static void list_add_tail(struct l4_scoreboard *sb, uint32_t slot)
{
	struct l4_txseg *t = &sb->seg[slot];
	t->flags |= L4_TX_LISTED;
	t->tnext = L4_SLOT_NONE;
	t->tprev = sb->ttail;
	if (sb->ttail != L4_SLOT_NONE)
		sb->seg[sb->ttail].tnext = slot;
	else
		sb->thead = slot;
	sb->ttail = slot;
}

/* Something is about to happen out of order: from now on the list is kept. */
static void soil(struct l4_scoreboard *sb)
{
	if (sb->dirty)
		return;
	sb->dirty = true;
	sb->thead = sb->ttail = L4_SLOT_NONE;
	for (uint32_t i = 0; i < sb->n; i++)
		list_add_tail(sb, (sb->head + i) & (sb->cap - 1));
}

static int resize(struct l4_tcp *c, uint32_t cap)
{
	struct l4_scoreboard *sb = &c->sb, old = *sb;
	struct l4_txseg *seg = l4_tcp_alloc(c->ts, cap * sizeof *seg);
	uint64_t *bm = l4_tcp_alloc(c->ts, 2 * words(cap) * sizeof *bm);
	if (!seg || !bm) {
		l4_tcp_free(c->ts, seg, cap * sizeof *seg);
		l4_tcp_free(c->ts, bm, 2 * words(cap) * sizeof *bm);
		return L4_ENOMEM;
	}
	memset(bm, 0, 2 * words(cap) * sizeof *bm);
	sb->seg = seg;
	sb->bm_sacked = bm;
	sb->bm_rtx = bm + words(cap);
	sb->cap = cap;
	sb->head = 0;
	for (uint32_t i = 0; i < old.n; i++) {
		seg[i] = *l4_sb_at(&old, i);
		if (seg[i].flags & L4_TX_SACKED)
			bit_set(sb->bm_sacked, i);
		if ((seg[i].flags & (L4_TX_LOST | L4_TX_RETX)) == L4_TX_LOST)
			bit_set(sb->bm_rtx, i);
		seg[i].flags &= (uint8_t)~L4_TX_LISTED;
	}
	/* the list again, in its old order, by the new slots */
	sb->thead = sb->ttail = L4_SLOT_NONE;
	for (uint32_t s = sb->dirty ? old.thead : L4_SLOT_NONE; s != L4_SLOT_NONE;
	     s = old.seg[s].tnext)
		list_add_tail(sb, (s - old.head) & (old.cap - 1));
	if (old.cap) {
		l4_tcp_free(c->ts, old.seg, old.cap * sizeof *seg);
		l4_tcp_free(c->ts, old.bm_sacked, 2 * words(old.cap) * sizeof *bm);
	}
	return 0;
}

bool l4_sb_reserve(struct l4_tcp *c, uint32_t n)
{
	uint32_t cap = c->sb.cap ? c->sb.cap : 8;
	while (cap - c->sb.n < n && cap < 1u << 30)
		cap *= 2;
	/* records are part of what a send buffer may cost: a peer with tiny segments gets fewer of
	 * them in flight (CVE-2019-11479) */
	if (cap > 64 && cap > c->sb.cap && (uint64_t)cap * sizeof(struct l4_txseg) > c->sndbuf / 2)
		return false;
	return cap == c->sb.cap || resize(c, cap) == 0;
}

int l4_sb_push(struct l4_tcp *c, uint32_t seq, uint32_t len, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	if (sb->n == sb->cap && !l4_sb_reserve(c, 1))
		return L4_ENOMEM;
	uint32_t slot = (sb->head + sb->n) & (sb->cap - 1);
	struct l4_txseg *t = &sb->seg[slot];
	*t = (struct l4_txseg){ .seq = seq, .len = len, .xmit_time = now, .n_tx = 1 };
	l4_rate_on_send(c, t, now);
	sb->n++;
	if (sb->dirty)
		list_add_tail(sb, slot);
	return 0;
}

void l4_sb_push_run(
    struct l4_tcp *c, uint32_t seq, uint32_t len, uint32_t mss, bool fin, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	struct l4_txseg t = { .len = mss, .xmit_time = now, .n_tx = 1 };
	l4_rate_on_send(c, &t, now);
	do {
		uint32_t slot = (sb->head + sb->n) & (sb->cap - 1);
		if (len <= mss) {
			t.len = len + fin;
			if (fin)
				t.flags |= L4_TX_FIN;
			mss = len;
		}
		t.seq = seq;
		sb->seg[slot] = t;
		sb->n++;
		if (sb->dirty)
			list_add_tail(sb, slot);
		seq += mss;
		len -= mss;
	} while (len);
}

void l4_sb_clear(struct l4_tcp *c)
{
	struct l4_scoreboard *sb = &c->sb;
	if (sb->cap) {
		l4_tcp_free(c->ts, sb->bm_sacked, 2 * words(sb->cap) * sizeof *sb->bm_sacked);
		l4_tcp_free(c->ts, sb->seg, sb->cap * sizeof *sb->seg);
	}
	c->mtu_probe_lost = 0;
	memset(sb, 0, sizeof *sb);
	sb->thead = sb->ttail = L4_SLOT_NONE;
}

uint32_t l4_sb_find(const struct l4_scoreboard *sb, uint32_t seq)
{
	uint32_t lo = 0, hi = sb->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct l4_txseg *t = &sb->seg[(sb->head + mid) & (sb->cap - 1)];
		if (l4_seq_lt(t->seq, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t l4_sb_overtaken(const struct l4_tcp *c)
{
	const struct l4_scoreboard *sb = &c->sb;
	if (!sb->n_sacked)
		return 0;
	uint32_t below = l4_sb_find(sb, c->fack), known = sb->n_sacked + sb->n_lost;
	return below > known ? below - known : 0;
}

void l4_sb_mark_lost(struct l4_tcp *c, uint32_t slot)
{
	struct l4_scoreboard *sb = &c->sb;
	struct l4_txseg *t = &sb->seg[slot];
	assert(!(t->flags & L4_TX_SACKED));
	soil(sb);
	if (t->flags & L4_TX_RETX) {
		t->flags &= (uint8_t)~L4_TX_RETX;
		sb->n_retx--;
	}
	if (!(t->flags & L4_TX_LOST)) {
		t->flags |= L4_TX_LOST;
		sb->n_lost++;
		if (t->flags & L4_TX_PROBE) {
			c->mtu_probe_lost++;
			l4_pmtu_probe_lost(c);
		}
	}
	bit_set(sb->bm_rtx, slot);
	list_del(sb, slot);
}

/* Undo: nothing is lost any more (retransmissions in flight stay what they are). */
void l4_sb_unmark_lost(struct l4_tcp *c)
{
	struct l4_scoreboard *sb = &c->sb;
	if (!sb->n_lost)
		return;
	for (uint32_t i = 0; i < sb->n; i++) {
		uint32_t slot = (sb->head + i) & (sb->cap - 1);
		struct l4_txseg *t = &sb->seg[slot];
		if (!(t->flags & L4_TX_LOST))
			continue;
		t->flags &= (uint8_t)~L4_TX_LOST;
		if (t->flags & L4_TX_RETX) {
			t->flags &= (uint8_t)~L4_TX_RETX;
			sb->n_retx--;
		}
		bit_clear(sb->bm_rtx, slot);
		if (!(t->flags & L4_TX_LISTED))
			list_add_tail(sb, slot);
	}
	sb->n_lost = 0;
	c->mtu_probe_lost = 0;
}

uint32_t l4_sb_next_rtx(const struct l4_scoreboard *sb)
{
	return sb->n ? scan(sb, sb->bm_rtx, 0, true) : 0;
}

uint32_t l4_sb_next_unsacked(const struct l4_scoreboard *sb, uint32_t i)
{
	return i < sb->n ? scan(sb, sb->bm_sacked, i, false) : sb->n;
}

uint32_t l4_sb_last_unsacked(const struct l4_scoreboard *sb)
{
	for (uint32_t i = sb->n; i-- > 0;)
		if (!(sb->seg[(sb->head + i) & (sb->cap - 1)].flags & L4_TX_SACKED))
			return i;
	return sb->n;
}

void l4_sb_on_retransmit(struct l4_tcp *c, uint32_t i, l4_time now)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t slot = (sb->head + i) & (sb->cap - 1);
	struct l4_txseg *t = &sb->seg[slot];
	soil(sb);
	if (!(t->flags & L4_TX_RETX)) {
		t->flags |= L4_TX_RETX;
		sb->n_retx++;
	}
	t->flags |= L4_TX_EVER_RETX;
	if (t->n_tx < UINT8_MAX)
		t->n_tx++;
	bit_clear(sb->bm_rtx, slot);
	list_del(sb, slot);
	t->xmit_time = now;
	l4_rate_on_send(c, t, now);
	list_add_tail(sb, slot);
}

/* The record is delivered: cumulatively (popped) or by SACK. */
static void delivered(struct l4_tcp *c, struct l4_txseg *t, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t slot = (uint32_t)(t - sb->seg);
	if (t->flags & L4_TX_EVER_RETX)
		a->retx_acked = true;
	else if (l4_seq_leq(t->seq + t->len, c->recovery_point))
		a->orig_sacked = true;
	l4_rate_on_delivered(c, t, a);
	l4_rack_on_delivered(c, t, a);
	c->delivered++;
	a->delivered++;
	if (t->flags & L4_TX_LOST) {
		t->flags &= (uint8_t)~L4_TX_LOST;
		sb->n_lost--;
		c->mtu_probe_lost -= !!(t->flags & L4_TX_PROBE);
	}
	if (t->flags & L4_TX_RETX) {
		t->flags &= (uint8_t)~L4_TX_RETX;
		sb->n_retx--;
	}
	bit_clear(sb->bm_rtx, slot);
	list_del(sb, slot);
}

/* Records in the order they were sent, each sent once: only the oldest and the newest of those
 * covered have something to tell. */
static void ack_clean(struct l4_tcp *c, uint32_t ack, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	const struct l4_txseg *end = l4_sb_at(sb, sb->n - 1);
	uint32_t k = sb->n;
	if (l4_seq_lt(ack, end->seq + end->len)) {
		k = l4_sb_find(
		    sb, ack); /* those that begin before it; the last may be covered in part */
		if (k) {
			struct l4_txseg *t = l4_sb_at(sb, k - 1);
			if (l4_seq_lt(ack, t->seq + t->len)) {
				t->len -= ack - t->seq;
				t->seq = ack;
				k--;
			}
		}
	}
	if (!k)
		return;
	const struct l4_txseg *first = &sb->seg[sb->head], *last = l4_sb_at(sb, k - 1);
	a->fin_acked = last->flags & L4_TX_FIN;
	a->orig_sacked = l4_seq_leq(first->seq + first->len, c->recovery_point);
	l4_rate_on_delivered(c, last, a);
	l4_rack_on_delivered(c, last, a);
	c->delivered += k;
	a->delivered += k;
	a->acked += k;
	if (a->now >= first->xmit_time)
		a->rtt = a->now - first->xmit_time;
	if (a->now >= last->xmit_time)
		a->rtt_newest = a->now - last->xmit_time;
	sb->head = (sb->head + k) & (sb->cap - 1);
	sb->n -= k;
}

static void ack_dirty(struct l4_tcp *c, uint32_t ack, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	l4_time oldest = 0, newest = 0; /* transmissions of what was sent once only (Karn) */
	while (sb->n) {
		struct l4_txseg *t = &sb->seg[sb->head];
		if (l4_seq_leq(ack, t->seq))
			break;
		if (l4_seq_lt(ack, t->seq + t->len)) { /* part of it: cut off the front */
			uint32_t n = ack - t->seq;
			t->seq += n;
			t->len -= n;
			break;
		}
		if (t->flags & L4_TX_FIN)
			a->fin_acked = true;
		if (!(t->flags & (L4_TX_EVER_RETX | L4_TX_SACKED))) {
			oldest = oldest ? oldest : t->xmit_time;
			newest = t->xmit_time;
			/* RFC 8985 6.2 step 3: below what was delivered before this ACK */
			if (l4_seq_lt(t->seq, a->prior_fack) && !a->reordered) {
				a->reordered = true;
				a->reord_low = t->seq;
			}
		}
		if (t->flags & L4_TX_SACKED) {
			sb->n_sacked--;
			bit_clear(sb->bm_sacked, sb->head);
		} else {
			delivered(c, t, a);
		}
		a->acked++;
		sb->head = (sb->head + 1) & (sb->cap - 1);
		sb->n--;
	}
	/* RFC 6298 3: the oldest, so that the delay of a delayed ACK is in it; no sample from an
	 * ACK that also covers a retransmission. The newest is what congestion control wants. */
	if (oldest && !a->retx_acked && a->now >= oldest)
		a->rtt = a->now - oldest;
	if (newest && a->now >= newest)
		a->rtt_newest = a->now - newest;
	if (!sb->n)
		sb->dirty = false;
}

void l4_sb_ack(struct l4_tcp *c, uint32_t ack, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	if (sb->dirty)
		ack_dirty(c, ack, a);
	else if (sb->n)
		ack_clean(c, ack, a);
	if (!sb->n && sb->cap > 64)
		l4_sb_clear(c);
	a->data_acked = true;
}

/* Marks what [start, end) covers; end is at most snd_nxt. */
static void sack_block(struct l4_tcp *c, uint32_t start, uint32_t end, struct l4_ack *a)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t i = l4_sb_find(sb, start);
	uint32_t stop = l4_sb_find(sb, end);
	/* the last record counts only if it ends within */
	if (stop > i) {
		const struct l4_txseg *last = l4_sb_at(sb, stop - 1);
		if (l4_seq_gt(last->seq + last->len, end))
			stop--;
	}
	soil(sb);
	while ((i = scan(sb, sb->bm_sacked, i, false)) < stop) {
		uint32_t slot = (sb->head + i) & (sb->cap - 1);
		struct l4_txseg *t = &sb->seg[slot];
		if (!(t->flags & L4_TX_EVER_RETX)) {
			/* RFC 6298: a SACK gives a sample as well, from the newest */
			if (a->now >= t->xmit_time)
				a->rtt_sack = a->rtt_newest = a->now - t->xmit_time;
			if (l4_seq_lt(t->seq, c->fack)) {
				if (!a->reordered || l4_seq_lt(t->seq, a->reord_low))
					a->reord_low = t->seq;
				a->reordered = true;
			}
		}
		delivered(c, t, a);
		t->flags |= L4_TX_SACKED;
		bit_set(sb->bm_sacked, slot);
		sb->n_sacked++;
		a->sacked++;
		i++;
	}
}

/* RFC 2018 5, RFC 6675 4, RFC 2883 4. Blocks outside what is in flight are passed over. */
void l4_sb_sack(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a)
{
	const struct l4_tcp_opts *o = &s->h.opts;
	uint32_t ack = s->h.ack;
	uint32_t high = c->fack;
	for (unsigned i = 0; i < o->sack_n; i++) {
		uint32_t start = o->sack[i].start, end = o->sack[i].end;
		if (!l4_seq_lt(start, end)) {
			c->ts->ctr.sack_discard++;
			continue;
		}
		/* RFC 2883 4: the first block is a D-SACK when it lies below the ACK, or inside the
		 * second */
		if (i == 0 && (l4_seq_leq(end, ack) ||
				  (o->sack_n > 1 && l4_seq_geq(start, o->sack[1].start) &&
				      l4_seq_leq(end, o->sack[1].end)))) {
			/* plausible only if we did send it, not too long ago */
			if (l4_seq_geq(start, c->snd_una - (c->max_wnd ? c->max_wnd : 65535)) &&
			    l4_seq_leq(end, c->snd_nxt)) {
				a->dsack = true;
				c->dsack_dups++;
				c->ts->ctr.dsack_recv++;
				l4_recovery_on_dsack(c, start, end);
			}
			if (l4_seq_leq(end, ack))
				continue;
		}
		if (l4_seq_leq(end, c->snd_una) || l4_seq_gt(end, c->snd_nxt) ||
		    l4_seq_lt(start, c->snd_una)) {
			c->ts->ctr.sack_discard += l4_seq_gt(end, c->snd_nxt);
			if (l4_seq_leq(end, c->snd_una) || l4_seq_gt(end, c->snd_nxt))
				continue;
			start = c->snd_una;
		}
		sack_block(c, start, end, a);
		high = l4_seq_max(high, end);
	}
	c->fack = high;
}

/* The path got narrower: cuts the records that no longer fit into segments of mss. Everything not
 * SACKed is to be sent again (RFC 1191 6.5: without touching cwnd). */
void l4_sb_resize_segments(struct l4_tcp *c, uint32_t mss)
{
	struct l4_scoreboard *sb = &c->sb;
	uint32_t need = 0;
	for (uint32_t i = 0; i < sb->n; i++) {
		const struct l4_txseg *t = l4_sb_at(sb, i);
		uint32_t data = t->len - !!(t->flags & L4_TX_FIN);
		need += data > mss ? (data + mss - 1) / mss : 1;
	}
	if (need == sb->n)
		return;
	struct l4_tcp_stack *ts = c->ts;
	struct l4_scoreboard old = *sb;
	memset(sb, 0, sizeof *sb);
	sb->thead = sb->ttail = L4_SLOT_NONE;
	/* beyond what l4_sb_reserve grants, if need be: what is in flight would never arrive as it
	 * is, and the least MTU that is believed bounds how many records it can become */
	uint32_t cap = 8;
	while (cap < need)
		cap *= 2;
	if (resize(c, cap) < 0) {
		*sb = old; /* no memory: they are sent as they are; the next timeout tries again */
		return;
	}
	sb->dirty = true;
	c->mtu_probe_lost = 0;
	c->mtu_probe_size = 0;
	for (uint32_t i = 0; i < old.n; i++) {
		struct l4_txseg t = *l4_sb_at(&old, i);
		uint32_t fin = !!(t.flags & L4_TX_FIN), data = t.len - fin, off = 0;
		do {
			uint32_t n = data - off > mss ? mss : data - off;
			uint32_t slot = sb->n;
			struct l4_txseg *d = &sb->seg[slot];
			*d = t;
			d->seq = t.seq + off;
			d->len = n;
			d->flags &= (uint8_t) ~(L4_TX_LISTED | L4_TX_FIN | L4_TX_PROBE);
			off += n;
			if (off == data && fin) {
				d->len++;
				d->flags |= L4_TX_FIN;
			}
			sb->n++;
			if (d->flags & L4_TX_SACKED) {
				sb->n_sacked++;
				bit_set(sb->bm_sacked, slot);
			} else {
				d->flags |= L4_TX_LOST;
				d->flags &= (uint8_t)~L4_TX_RETX;
				sb->n_lost++;
				bit_set(sb->bm_rtx, slot);
			}
		} while (off < data);
	}
	l4_tcp_free(ts, old.seg, old.cap * sizeof *old.seg);
	l4_tcp_free(ts, old.bm_sacked, 2 * words(old.cap) * sizeof *old.bm_sacked);
}
