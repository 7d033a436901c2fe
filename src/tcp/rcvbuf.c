/* The receive buffer: a ring of bytes, in order up to rcv_nxt, with islands beyond it.
 *
 * A byte's place in the ring follows from its sequence number, so out-of-order data is copied once,
 * to where it belongs; the islands are a sorted array of ranges. The ring is allocated when data
 * comes, grows by doubling up to the power of two that holds rcvbuf, and is given back when it is
 * empty. While it is empty its start is arbitrary, so a reader that keeps up uses the same few
 * cache lines again and again.
 *
 * Bytes that were received once stay: a later copy of the same sequence numbers never changes them
 * (policy of the security cases). The window advertised never moves its right edge back
 * (RFC 9293 3.8.6) and opens in steps worth sending (3.8.6.2.2).
 *
 * Where the host lends its frames (l4_host_rx_lend), bytes in order stay in them: the ring has room
 * for them, but only what the user has not taken when the frames are called back is copied there.
 * Lent bytes are always the last in order; while there are islands nothing is lent.
 *
 * Where the user has posted memory (RFC 9293 3.9.1.3: RECEIVE names a buffer), what comes in order
 * goes there. The host may write a payload into it while it sums it, before anything is known of
 * its segment (landing): the copy then costs nothing beside the sum. What so was written counts
 * only when the segment is taken as a whole at rcv_nxt with nothing waiting before it, and until
 * then may be written over; in all other cases the payload is taken out of its frame, as ever.
 * Bytes in posted memory stand in the stream before those in the ring, and count as read for the
 * window.
 *
 * Limits: rcvbuf bytes, RANGES_MAX islands (more: the segment is dropped), and the budget. */
#include "tcp/conn.h"

#define RANGES_MAX 512u
#define RING_MIN   2048u

/* Sequence number of the byte at the base of the ring. */
static uint32_t base_seq(const struct l4_tcp *c)
{
	return c->rcv_nxt - c->rcv.ready;
}

static int grow_ring(struct l4_tcp *c, uint32_t need)
{
	struct l4_rcvbuf *r = &c->rcv;
	uint32_t cap = r->cap ? r->cap : RING_MIN;
	while (cap < need) {
		if (cap >= 1u << 30)
			return L4_ELIMIT;
		cap *= 2;
	}
	uint8_t *p = l4_tcp_buf_alloc(c->ts, cap);
	if (!p)
		return L4_ENOMEM;
	if (r->cap) {
		/* everything up to the last island moves */
		uint32_t used = r->ready - r->lent;
		if (r->ooo_n)
			used = r->ooo[r->ooo_n - 1].end - base_seq(c);
		uint32_t first = r->cap - r->base < used ? r->cap - r->base : used;
		memcpy(p, r->ring + r->base, first);
		memcpy(p + first, r->ring, used - first);
		l4_tcp_buf_free(c->ts, r->ring, r->cap);
	}
	r->ring = p;
	r->cap = cap;
	r->base = 0;
	return 0;
}

/* Copies n bytes that start `from` bytes into the payload to offset off from the base. */
static void copy_in(
    struct l4_tcp *c, const struct l4_seg *s, uint32_t from, uint32_t off, uint32_t n)
{
	struct l4_rcvbuf *r = &c->rcv;
	from += s->skip;
	for (uint32_t i = 0; i < s->n_pieces && n; i++) {
		uint32_t len = (uint32_t)s->pieces[i].len;
		if (from >= len) {
			from -= len;
			continue;
		}
		const uint8_t *p = (const uint8_t *)s->pieces[i].data + from;
		uint32_t take = len - from < n ? len - from : n;
		from = 0;
		n -= take;
		while (take) {
			uint32_t at = (r->base + off) & (r->cap - 1);
			uint32_t run = r->cap - at < take ? r->cap - at : take;
			memcpy(r->ring + at, p, run);
			p += run;
			off += run;
			take -= run;
		}
	}
	assert(n == 0);
}

static uint32_t range_find(const struct l4_rcvbuf *r, uint32_t seq) /* first with end >= seq */
{
	uint32_t lo = 0, hi = r->ooo_n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (l4_seq_lt(r->ooo[mid].end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int range_add(struct l4_tcp *c, uint32_t start, uint32_t end)
{
	struct l4_rcvbuf *r = &c->rcv;
	uint32_t i = range_find(r, start), j = i;
	while (j < r->ooo_n && l4_seq_leq(r->ooo[j].start, end)) { /* touches: joined */
		start = l4_seq_min(start, r->ooo[j].start);
		end = l4_seq_max(end, r->ooo[j].end);
		j++;
	}
	if (i == j) {
		if (r->ooo_n == r->ooo_cap) {
			uint16_t cap = r->ooo_cap ? (uint16_t)(r->ooo_cap * 2) : 4;
			if (cap > RANGES_MAX)
				return L4_ELIMIT;
			struct l4_island *n = l4_tcp_alloc(c->ts, cap * sizeof *n);
			if (!n)
				return L4_ENOMEM;
			if (r->ooo_n)
				memcpy(n, r->ooo, r->ooo_n * sizeof *n);
			l4_tcp_free(c->ts, r->ooo, r->ooo_cap * sizeof *n);
			r->ooo = n;
			r->ooo_cap = cap;
		}
		memmove(r->ooo + i + 1, r->ooo + i, (r->ooo_n - i) * sizeof *r->ooo);
		r->ooo_n++;
	} else {
		memmove(r->ooo + i + 1, r->ooo + j, (r->ooo_n - j) * sizeof *r->ooo);
		r->ooo_n = (uint16_t)(r->ooo_n - (j - i - 1));
	}
	r->ooo[i] = (struct l4_island){ start, end, ++r->serial };
	r->untold = c->sack_ok;
	return 0;
}

/* Copies the parts of [seq, seq + len) that no island has yet. */
static void copy_gaps(
    struct l4_tcp *c, const struct l4_seg *s, uint32_t skip, uint32_t seq, uint32_t len)
{
	struct l4_rcvbuf *r = &c->rcv;
	uint32_t at = seq, end = seq + len, base = base_seq(c);
	for (uint32_t i = range_find(r, seq); i < r->ooo_n && l4_seq_lt(r->ooo[i].start, end);
	     i++) {
		if (l4_seq_lt(at, r->ooo[i].start))
			copy_in(c, s, skip + (at - seq), at - base, r->ooo[i].start - at);
		at = l4_seq_max(at, r->ooo[i].end);
		if (l4_seq_geq(at, end))
			return;
	}
	copy_in(c, s, skip + (at - seq), at - base, end - at);
}

/* Notes the payload's bytes, all of them, where they are; false when there is no room to. */
static bool borrow(struct l4_tcp *c, const struct l4_seg *s)
{
	struct l4_tcp_stack *ts = c->ts;
	struct l4_rcvbuf *r = &c->rcv;
	if (!ts->loan)
		ts->loan = l4_tcp_alloc(ts, L4_LOANS * sizeof *ts->loan);
	if (!ts->loan || s->skip || ts->n_loans + s->n_pieces > L4_LOANS)
		return false;
	uint32_t left = s->len;
	for (uint32_t i = 0; left; i++) {
		uint32_t n = s->pieces[i].len < left ? (uint32_t)s->pieces[i].len : left;
		uint16_t k = (uint16_t)ts->n_loans++;
		ts->loan[k] = (struct l4_loan){ .c = c, .data = s->pieces[i].data, .len = n };
		if (r->lent)
			ts->loan[r->loan_tail].next = k;
		else
			r->loan_head = k;
		r->loan_tail = k;
		r->lent += n;
		left -= n;
	}
	return true;
}

void l4_rcvbuf_settle(struct l4_tcp *c)
{
	struct l4_rcvbuf *r = &c->rcv;
	uint32_t off = r->ready - r->lent;
	while (r->lent) {
		struct l4_loan *l = &c->ts->loan[r->loan_head];
		struct l4_piece p = { l->data, l->len };
		struct l4_seg s = { .pieces = &p, .n_pieces = 1 };
		copy_in(c, &s, 0, off, l->len);
		off += l->len;
		r->lent -= l->len;
		l->c = NULL;
		r->loan_head = l->next;
	}
}

uint8_t *l4_tcp_stack_landing(const struct l4_tcp *c, uint32_t seq, uint32_t *room)
{
	const struct l4_rcvbuf *r = &c->rcv;
	*room = r->post_len - r->post_n;
	if (!r->post || r->ready || r->ooo_n || seq != c->rcv_nxt || c->rcv_urg || c->shut_rd)
		return NULL;
	return r->post + r->post_n;
}

/* The segment's payload lies where the next byte for the user goes, and all of it is new. */
static bool has_landed(
    const struct l4_tcp *c, const struct l4_seg *s, uint32_t skip, uint32_t seq, uint32_t len)
{
	const struct l4_rcvbuf *r = &c->rcv;
	return s->landed && r->post && s->landed == r->post + r->post_n && !skip && len == s->len &&
	       seq == c->rcv_nxt && !r->ready && !r->ooo_n && !c->rcv_urg &&
	       len <= r->post_len - r->post_n;
}

void l4_rcvbuf_unpost(struct l4_tcp *c)
{
	c->rcv.post = NULL;
	c->rcv.post_len = c->rcv.post_n = 0;
}

void l4_rcvbuf_fill(struct l4_tcp *c)
{
	struct l4_rcvbuf *r = &c->rcv;
	uint32_t room = r->post_len - r->post_n, n = r->ready < room ? r->ready : room;
	if (!r->post || !n)
		return;
	l4_rcvbuf_copy(c, r->post + r->post_n, n);
	l4_rcvbuf_drop(c, n);
	r->post_n += n;
}

/* Takes the payload's bytes [skip, skip + len) for [seq, seq + len), which lies in the window and
 * not before rcv_nxt. Advances rcv_nxt when it can. L4_ENOMEM, L4_ELIMIT: nothing was taken. */
int l4_rcvbuf_put(
    struct l4_tcp *c, const struct l4_seg *s, uint32_t skip, uint32_t seq, uint32_t len)
{
	struct l4_rcvbuf *r = &c->rcv;
	if (has_landed(c, s, skip, seq, len)) {
		c->rcv_nxt += len;
		r->post_n += len;
		return 0;
	}
	uint32_t need = seq + len - base_seq(c);
	if (!r->ready && !r->ooo_n)
		r->base = 0;
	if (need > r->cap) {
		int e = grow_ring(c, need);
		if (e < 0)
			return e;
	}
	if (s->lent && seq == c->rcv_nxt && !skip && len == s->len && !r->ooo_n && borrow(c, s)) {
		c->rcv_nxt += len;
		r->ready += len;
		return 0;
	}
	l4_rcvbuf_settle(c);
	if (seq != c->rcv_nxt) {
		if (!r->ooo_n) { /* the first gap: see PAWS in input.c */
			c->ts_floor = c->ts_next = c->ts_recent;
			c->ts_next_seq = c->rcv_nxt + c->rcv_wnd;
		}
		/* RFC 2883 4: what of it was there already is reported */
		uint32_t i = range_find(r, seq + 1);
		if (i < r->ooo_n && l4_seq_lt(r->ooo[i].start, seq + len)) {
			c->dsack.start = l4_seq_max(seq, r->ooo[i].start);
			c->dsack.end = l4_seq_min(seq + len, r->ooo[i].end);
		}
		copy_gaps(c, s, skip, seq, len);
		return range_add(c, seq, seq + len);
	}
	if (!r->ooo_n) {
		copy_in(c, s, skip, r->ready, len);
		c->rcv_nxt += len;
		r->ready += len;
		return 0;
	}
	copy_gaps(c, s, skip, seq, len);
	uint32_t end = seq + len;
	uint32_t n = 0;
	while (n < r->ooo_n && l4_seq_leq(r->ooo[n].start, end)) {
		if (l4_seq_lt(r->ooo[n].start, end) && c->dsack.start == c->dsack.end) {
			c->dsack.start = r->ooo[n].start;
			c->dsack.end = l4_seq_min(end, r->ooo[n].end);
		}
		end = l4_seq_max(end, r->ooo[n].end);
		n++;
	}
	memmove(r->ooo, r->ooo + n, (r->ooo_n - n) * sizeof *r->ooo);
	r->ooo_n = (uint16_t)(r->ooo_n - n);
	r->ready += end - c->rcv_nxt;
	c->rcv_nxt = end;
	if (!r->ooo_n) {
		r->serial = r->told = 0;
		r->untold = false;
		l4_tcp_free(c->ts, r->ooo, r->ooo_cap * sizeof *r->ooo);
		r->ooo = NULL;
		r->ooo_cap = 0;
	}
	return 0;
}

/* The stream ends at `end`: islands beyond it were no part of it. */
void l4_rcvbuf_cut(struct l4_tcp *c, uint32_t end)
{
	struct l4_rcvbuf *r = &c->rcv;
	while (r->ooo_n && l4_seq_geq(r->ooo[r->ooo_n - 1].start, end))
		r->ooo_n--;
	if (r->ooo_n && l4_seq_gt(r->ooo[r->ooo_n - 1].end, end))
		r->ooo[r->ooo_n - 1].end = end;
}

void l4_rcvbuf_clear(struct l4_tcp *c)
{
	struct l4_rcvbuf *r = &c->rcv;
	if (r->lent)
		l4_rcvbuf_drop(c, r->ready);
	l4_tcp_buf_free(c->ts, r->ring, r->cap);
	l4_tcp_free(c->ts, r->ooo, r->ooo_cap * sizeof *r->ooo);
	memset(r, 0, sizeof *r);
}

/* What the user has not read, in order: the ring's part, then what is lent. */
uint32_t l4_rcvbuf_pieces(const struct l4_tcp *c, struct l4_piece *p, uint32_t max)
{
	const struct l4_rcvbuf *r = &c->rcv;
	uint32_t held = r->ready - r->lent, n = 0;
	if (held) {
		uint32_t first = r->cap - r->base < held ? r->cap - r->base : held;
		p[n++] = (struct l4_piece){ r->ring + r->base, first };
		if (first < held) {
			if (n == max)
				return n;
			p[n++] = (struct l4_piece){ r->ring, held - first };
		}
	}
	uint32_t left = r->lent;
	for (uint16_t i = r->loan_head; left && n < max; i = c->ts->loan[i].next) {
		const struct l4_loan *l = &c->ts->loan[i];
		p[n++] = (struct l4_piece){ l->data, l->len };
		left -= l->len;
	}
	return n;
}

void l4_rcvbuf_copy(const struct l4_tcp *c, void *buf, uint32_t n)
{
	const struct l4_rcvbuf *r = &c->rcv;
	uint32_t held = r->ready - r->lent, done = n < held ? n : held;
	uint8_t *to = buf;
	if (done) {
		uint32_t first = r->cap - r->base < done ? r->cap - r->base : done;
		memcpy(to, r->ring + r->base, first);
		if (first < done)
			memcpy(to + first, r->ring, done - first);
	}
	for (uint16_t i = r->loan_head; done < n; i = c->ts->loan[i].next) {
		const struct l4_loan *l = &c->ts->loan[i];
		uint32_t take = l->len < n - done ? l->len : n - done;
		memcpy(to + done, l->data, take);
		done += take;
	}
}

void l4_rcvbuf_drop(struct l4_tcp *c, uint32_t n)
{
	struct l4_rcvbuf *r = &c->rcv;
	assert(n <= r->ready);
	uint32_t held = r->ready - r->lent, ring = n < held ? n : held;
	r->ready -= n;
	r->base = r->cap ? (r->base + ring) & (r->cap - 1) : 0;
	for (n -= ring; n;) {
		struct l4_loan *l = &c->ts->loan[r->loan_head];
		uint32_t take = l->len < n ? l->len : n;
		n -= take;
		r->lent -= take;
		l->data += take;
		l->len -= take;
		if (!l->len) {
			l->c = NULL;
			r->loan_head = l->next;
		}
	}
	if (!r->ready && !r->ooo_n && r->cap > 4 * RING_MIN &&
	    c->ts->buffer_used > c->ts->lim.buffer_bytes / 2) {
		l4_tcp_buf_free(c->ts, r->ring, r->cap);
		r->ring = NULL;
		r->cap = 0;
	}
}

uint32_t l4_rcvbuf_ooo_bytes(const struct l4_tcp *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->rcv.ooo_n; i++)
		n += c->rcv.ooo[i].end - c->rcv.ooo[i].start;
	return n;
}

/* Up to max islands into pick[], latest change first: the latest of all, or of those that were not
 * reported yet the earliest. */
static int choose(const struct l4_rcvbuf *r, bool unsaid, int max, const struct l4_island **pick)
{
	int n = 0;
	for (uint32_t i = 0; i < r->ooo_n; i++) {
		const struct l4_island *is = &r->ooo[i];
		if (unsaid && l4_seq_leq(is->serial, r->told))
			continue;
		if (n == max && unsaid == l4_seq_gt(is->serial, pick[unsaid ? 0 : n - 1]->serial))
			continue;
		if (n == max && unsaid) /* the latest of them can wait */
			memmove(pick, pick + 1, (size_t)--n * sizeof *pick);
		else if (n == max)
			n--;
		int k = n++;
		for (; k > 0 && l4_seq_gt(is->serial, pick[k - 1]->serial); k--)
			pick[k] = pick[k - 1];
		pick[k] = is;
	}
	return n;
}

/* RFC 2018 4, RFC 2883 4: the D-SACK first, then the islands, latest change first.
 *
 * A batch is answered by one ACK. Where more islands have changed in it than that has room for, it
 * tells of the earliest, without the D-SACK, and leaves the rest to the next (r->untold): what is
 * never reported would be taken for lost. RFC 5681 4.2 wants an ACK for each. */
int l4_rcvbuf_sack_blocks(struct l4_tcp *c, struct l4_sack_block *out, int max)
{
	struct l4_rcvbuf *r = &c->rcv;
	const struct l4_island *pick[4];
	uint32_t fresh = 0;
	bool dsack = c->dsack.start != c->dsack.end && c->ts->cfg.dsack;
	int n = 0;
	for (uint32_t i = 0; i < r->ooo_n && r->untold; i++)
		fresh += l4_seq_gt(r->ooo[i].serial, r->told);
	bool behind = fresh > (uint32_t)(max - dsack);
	if (dsack && !behind) {
		out[n++] = (struct l4_sack_block){ c->dsack.start, c->dsack.end };
		c->dsack.start = c->dsack.end;
		c->ts->ctr.dsack_sent++;
	}
	/* a FIN that came by itself, beyond a gap, is an island of one octet */
	bool lone =
	    c->rcv_fin_seen && !behind && (!r->ooo_n || r->ooo[r->ooo_n - 1].end != c->rcv_fin_seq);
	const struct l4_sack_block fin_block = { c->rcv_fin_seq, c->rcv_fin_seq + 1 };
	bool fin_first = lone && !c->rcv_fin_told;
	if (fin_first) {
		c->rcv_fin_told = true;
		out[n++] = fin_block;
	}
	int islands = choose(r, behind, max - n, pick);
	for (int k = 0; k < islands; k++) {
		/* the FIN's octet is part of the sequence space (RFC 2018 3): without it the peer
		 * would send the last segment again */
		uint32_t fin = c->rcv_fin_seen && pick[k]->end == c->rcv_fin_seq;
		out[n++] = (struct l4_sack_block){ pick[k]->start, pick[k]->end + fin };
	}
	if (lone && !fin_first && n < max)
		out[n++] = fin_block;
	if (behind)
		r->told = pick[0]->serial;
	else
		r->told = r->serial;
	r->untold = behind && (dsack || fresh > (uint32_t)islands);
	return n;
}

/* The window to advertise in the segment that is being made; remembers it. In bytes, a multiple of
 * the scale unit. */
uint32_t l4_rcvbuf_window(struct l4_tcp *c)
{
	uint32_t cur = l4_rcvbuf_wnd_now(c);
	uint32_t room = c->rcv.ready >= c->rcvbuf ? 0 : c->rcvbuf - c->rcv.ready;
	uint32_t most = c->opt_window_clamp && c->opt_window_clamp < c->rcv_ssthresh
			    ? c->opt_window_clamp
			    : c->rcv_ssthresh;
	if (c->rcv_wscale == 0 && most > 65535)
		most = 65535;
	uint32_t unit = 1u << c->rcv_wscale;
	uint32_t cap = 65535u << c->rcv_wscale;
	if (most > cap)
		most = cap;
	uint32_t wnd = room < most ? room : most;
	/* RFC 9293 3.8.6.2.2: only steps of a segment, or half the buffer, are worth telling */
	uint32_t buf = c->rcvbuf < most ? c->rcvbuf : most; /* all that may be told */
	uint32_t step = buf / 2 < c->advmss ? buf / 2 : c->advmss;
	if (c->ts->cfg.bsd_ways && wnd > cur) /* all of it, in a segment that is sent anyway */
		step = 0;
	if (wnd <= cur || (wnd - cur < step && c->rcv_wup != 0 && cur != 0))
		wnd = cur;
	else if (cur == 0 && wnd < step)
		wnd = 0;
	if (wnd == cur || c->ts->cfg.bsd_ways)
		wnd = (wnd + unit - 1) & ~(unit - 1); /* the right edge never moves back */
	else
		wnd &= ~(unit - 1);
	if (wnd < cur)
		wnd = (cur + unit - 1) & ~(unit - 1);
	if (wnd > cap)
		wnd = cap;
	c->rcv_wnd = wnd;
	c->rcv_wup = c->rcv_nxt;
	return wnd;
}

/* The user took `copied` bytes: once a round trip, the buffer is made large enough for twice what
 * was taken in it, so that it never limits a growing sender (dynamic right-sizing). */
void l4_rcvbuf_space_adjust(struct l4_tcp *c, uint32_t copied, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	c->rcv_copied += copied;
	l4_time rtt = c->rcv_rtt ? c->rcv_rtt : c->srtt;
	if (!rtt || now - c->rcv_space_time < rtt)
		return;
	if (c->rcv_copied > c->rcv_space) {
		if (ts->cfg.moderate_rcvbuf && !c->opt_rcvbuf_fixed) {
			uint64_t want = 2ull * c->rcv_copied + 16ull * c->advmss;
			if (c->rcv_space)
				want += want * (c->rcv_copied - c->rcv_space) / c->rcv_space;
			if (want > ts->cfg.rcvbuf_max)
				want = ts->cfg.rcvbuf_max;
			bool tight = ts->buffer_used > ts->lim.buffer_bytes / 4 * 3;
			if (want > c->rcvbuf && !tight) {
				c->rcvbuf = (uint32_t)want;
				l4_tcp_trace(c, L4_TRACE_TCP_WINDOW, 0, c->rcv_wnd, c->rcvbuf,
				    c->rcv.ready, 0);
			}
		}
		c->rcv_space = c->rcv_copied;
	}
	c->rcv_copied = 0;
	c->rcv_space_time = now;
}
