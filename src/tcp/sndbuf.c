/* The send buffer: bytes the user has written, from snd_una to snd_end.
 *
 * Bytes stand in reference-counted chunks and are copied once, on the way in; transmission and
 * retransmission lend pieces of the chunks. A span is a run of the stream within one chunk; spans
 * stand in a ring in the order of the stream, so that finding a sequence number is a binary search
 * (a hint makes the usual case, one after the other, constant). Zero-copy memory is a chunk whose
 * bytes are the user's; its token is given back when the last of it is acknowledged.
 *
 * Where checksums are made here, copying sums: the stream is cut in thought where its segments will
 * likely be cut, a full segment after the other from snd_nxt on, and a large chunk keeps the sum of
 * each run between two cuts. What then leaves just so costs no second look at its bytes; what is
 * cut elsewhere (a short segment, another MSS) is summed when it leaves.
 *
 * Limits: c->sndbuf bytes, and the host's buffer budget. */
#include "tcp/conn.h"

#define CHUNK_SMALL (L4_CHUNK_SMALL_BYTES - (uint32_t)sizeof(struct l4_chunk))
#define CHUNK_LARGE \
	(L4_CHUNK_BYTES - (uint32_t)(sizeof(struct l4_chunk) + L4_FRAGS * sizeof(struct l4_frag)))

static struct l4_span *span_at(const struct l4_sndbuf *b, uint32_t i)
{
	return &b->span[(b->head + i) & (b->cap - 1)];
}

static int grow_spans(struct l4_tcp *c)
{
	struct l4_sndbuf *b = &c->snd;
	uint32_t cap = b->cap ? b->cap * 2 : 4;
	struct l4_span *s = l4_tcp_alloc(c->ts, cap * sizeof *s);
	if (!s)
		return L4_ENOMEM;
	for (uint32_t i = 0; i < b->n; i++)
		s[i] = *span_at(b, i);
	l4_tcp_free(c->ts, b->span, b->cap * sizeof *s);
	b->span = s;
	b->cap = cap;
	b->head = 0;
	return 0;
}

static uint32_t chunk_bytes(uint32_t cap)
{
	uint32_t frags = cap == CHUNK_LARGE ? L4_FRAGS * (uint32_t)sizeof(struct l4_frag) : 0;
	return (uint32_t)sizeof(struct l4_chunk) + frags + cap;
}

static struct l4_chunk *chunk_new(struct l4_tcp *c, uint32_t cap)
{
	struct l4_chunk *k =
	    cap ? l4_tcp_buf_alloc(c->ts, chunk_bytes(cap)) : l4_tcp_alloc(c->ts, sizeof *k);
	if (!k)
		return NULL;
	*k = (struct l4_chunk){ .refs = 1, .cap = cap, .data = cap ? (uint8_t *)(k + 1) : NULL };
	if (cap == CHUNK_LARGE) {
		if (!c->path.csum)
			k->frag = (struct l4_frag *)(void *)k->data;
		k->data += L4_FRAGS * sizeof(struct l4_frag);
	}
	return k;
}

/* Copies up to n bytes to the chunk's end, to the next cut at most, and keeps their sum. */
static uint32_t copy_summed(struct l4_tcp *c, struct l4_chunk *k, const uint8_t *p, uint32_t n)
{
	uint32_t d = (c->snd_end - c->snd_nxt) % c->snd_mss;
	struct l4_frag *f = k->n_frag ? &k->frag[k->n_frag - 1] : NULL;
	if (!f || d == 0 || (uint32_t)f->off + f->len != k->used) {
		if (k->n_frag == L4_FRAGS) {
			memcpy(k->data + k->used, p, n);
			return n;
		}
		f = &k->frag[k->n_frag++];
		*f = (struct l4_frag){ .off = (uint16_t)k->used };
	}
	if (n > c->snd_mss - d)
		n = c->snd_mss - d;
	uint32_t s = l4_csum_copy(k->data + k->used, p, n, 0);
	f->sum = f->len ? l4_csum_add(f->sum, s, f->len) : s;
	f->len = (uint16_t)(f->len + n);
	return n;
}

uint32_t l4_sndbuf_sum(struct l4_chunk *k, const uint8_t *data, uint32_t len)
{
	if (!k->n_frag) /* none are kept, or none yet */
		return l4_csum_partial(data, len, 0);
	uint32_t off = (uint32_t)(data - k->data), i = k->hint < k->n_frag ? k->hint : 0;
	if (k->frag[i].off != off) {
		uint32_t lo = 0, hi = k->n_frag;
		while (lo + 1 < hi) {
			uint32_t mid = lo + (hi - lo) / 2;
			if (k->frag[mid].off <= off)
				lo = mid;
			else
				hi = mid;
		}
		i = lo;
	}
	if (k->frag[i].off != off || k->frag[i].len != len)
		return l4_csum_partial(data, len, 0);
	k->hint = (uint16_t)(i + 1);
	return k->frag[i].sum;
}

static void chunk_unref(struct l4_tcp *c, struct l4_chunk *k)
{
	if (--k->refs)
		return;
	if (c->snd.open == k)
		c->snd.open = NULL;
	if (k->cap == CHUNK_SMALL) {
		l4_tcp_small_free(c->ts, k);
		return;
	}
	if (k->cap) {
		l4_tcp_buf_free(c->ts, k, chunk_bytes(k->cap));
		return;
	}
	c->zc_done = k->token;
	l4_tcp_free(c->ts, k, sizeof *k);
	l4_tcp_event(c, L4_EV_ZC_DONE);
}

static struct l4_span *push_span(struct l4_tcp *c, struct l4_chunk *k, const uint8_t *data)
{
	struct l4_sndbuf *b = &c->snd;
	if (b->n == b->cap && grow_spans(c) < 0)
		return NULL;
	struct l4_span *s = span_at(b, b->n);
	*s = (struct l4_span){ .seq = c->snd_end, .chunk = k, .data = data };
	b->n++;
	return s;
}

/* A chunk with room and one reference for the span to come: the last one again, though records or
 * lent memory may have come between, or a fresh one. NULL: no memory. */
static struct l4_chunk *chunk_with_room(struct l4_tcp *c, size_t left)
{
	struct l4_sndbuf *b = &c->snd;
	if (b->open && b->open->used < b->open->cap) {
		b->open->refs++;
		return b->open;
	}
	struct l4_chunk *k =
	    chunk_new(c, left > CHUNK_SMALL || b->bytes ? CHUNK_LARGE : CHUNK_SMALL);
	if (!k)
		k = chunk_new(c, CHUNK_SMALL);
	return k;
}

/* A small write into an empty buffer, the usual one of a conversation: false, nothing was done. */
static bool append_first(struct l4_tcp *c, const void *data, uint32_t len)
{
	struct l4_sndbuf *b = &c->snd;
	struct l4_chunk *k = l4_tcp_small_alloc(c->ts);
	if (!k)
		return false;
	uint8_t *to = (uint8_t *)(k + 1);
	struct l4_span *s = &b->span[b->head];
	*k = (struct l4_chunk){ .refs = 1, .cap = CHUNK_SMALL, .used = len, .data = to };
	s->seq = c->snd_end;
	s->len = len;
	s->chunk = k;
	s->data = to;
	s->eor = false;
	memcpy(to, data, len);
	b->n = 1;
	b->bytes = len;
	b->open = k;
	c->snd_end += len;
	return true;
}

/* Copies up to len bytes in; returns how many, or L4_ENOMEM when not one. */
int64_t l4_sndbuf_append(struct l4_tcp *c, const void *data, size_t len)
{
	struct l4_sndbuf *b = &c->snd;
	if (!b->n && len - 1 < CHUNK_SMALL && data && b->cap &&
	    append_first(c, data, (uint32_t)len))
		return (int64_t)len;
	const uint8_t *p = data;
	size_t done = 0;
	while (done < len) {
		struct l4_span *s = b->n ? span_at(b, b->n - 1) : NULL;
		struct l4_chunk *k = s ? s->chunk : NULL;
		if (!s || s->eor || !k->cap || k->used == k->cap ||
		    s->data + s->len != k->data + k->used) {
			k = chunk_with_room(c, len - done);
			s = k ? push_span(c, k, k->data + k->used) : NULL;
			if (!s) {
				if (k)
					chunk_unref(c, k);
				break;
			}
			b->open = k;
		}
		uint32_t n = k->cap - k->used;
		if (n > len - done)
			n = (uint32_t)(len - done);
		if (p && k->frag && c->snd_mss)
			n = copy_summed(c, k, p + done, n);
		else if (p)
			memcpy(k->data + k->used, p + done, n);
		else
			memset(k->data + k->used, 0, n);
		k->used += n;
		s->len += n;
		b->bytes += n;
		c->snd_end += n;
		done += n;
	}
	return done || !len ? (int64_t)done : L4_ENOMEM;
}

int l4_sndbuf_append_zc(struct l4_tcp *c, const void *data, size_t len, uint64_t token)
{
	struct l4_chunk *k = chunk_new(c, 0);
	if (!k)
		return L4_ENOMEM;
	k->token = token;
	struct l4_span *s = push_span(c, k, data);
	if (!s) {
		l4_tcp_free(c->ts, k, sizeof *k);
		return L4_ENOMEM;
	}
	s->len = (uint32_t)len;
	c->snd.bytes += (uint32_t)len;
	c->snd_end += (uint32_t)len;
	return 0;
}

void l4_sndbuf_eor(struct l4_tcp *c)
{
	if (c->snd.n)
		span_at(&c->snd, c->snd.n - 1)->eor = true;
}

void l4_sndbuf_ack(struct l4_tcp *c, uint32_t una)
{
	struct l4_sndbuf *b = &c->snd;
	l4_tcp_progress(c, c->ts->now);
	if (b->n == 1 && una == c->snd_end && b->cap <= 16) { /* the last of it, as a rule all */
		struct l4_chunk *k = b->span[b->head].chunk;
		if (k->refs == 1 && k->cap == CHUNK_SMALL) {
			b->open = NULL;
			b->n = b->bytes = b->hint = 0;
			l4_tcp_small_free(c->ts, k);
			return;
		}
	}
	while (b->n) {
		struct l4_span *s = span_at(b, 0);
		if (l4_seq_leq(una, s->seq))
			break;
		uint32_t n = una - s->seq;
		if (n < s->len) {
			s->seq += n;
			s->data += n;
			s->len -= n;
			b->bytes -= n;
			break;
		}
		b->bytes -= s->len;
		chunk_unref(c, s->chunk);
		b->head = (b->head + 1) & (b->cap - 1);
		b->n--;
		if (b->hint)
			b->hint--;
	}
	if (!b->n && b->cap > 16) {
		l4_tcp_free(c->ts, b->span, b->cap * sizeof *b->span);
		b->span = NULL;
		b->cap = b->head = b->hint = 0;
	}
}

void l4_sndbuf_clear(struct l4_tcp *c)
{
	struct l4_sndbuf *b = &c->snd;
	for (uint32_t i = 0; i < b->n; i++)
		chunk_unref(c, span_at(b, i)->chunk);
	l4_tcp_free(c->ts, b->span, b->cap * sizeof *b->span);
	memset(b, 0, sizeof *b);
}

/* Index of the span that holds seq. */
static uint32_t find_span(const struct l4_sndbuf *b, uint32_t seq)
{
	for (uint32_t i = b->hint; i < b->n && i < b->hint + 2; i++) {
		const struct l4_span *s = span_at(b, i);
		if (seq - s->seq < s->len)
			return i;
	}
	uint32_t lo = 0, hi = b->n;
	while (lo + 1 < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (l4_seq_leq(span_at(b, mid)->seq, seq))
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Asked right after l4_sndbuf_pieces, whose last span the hint names. */
bool l4_sndbuf_ends_record(const struct l4_tcp *c, uint32_t end)
{
	const struct l4_sndbuf *b = &c->snd;
	if (b->hint >= b->n)
		return false;
	const struct l4_span *s = span_at(b, b->hint);
	return s->eor && s->seq + s->len == end;
}

uint32_t l4_sndbuf_pieces(struct l4_tcp *c, uint32_t seq, uint32_t *len, struct l4_seg_out *o)
{
	struct l4_sndbuf *b = &c->snd;
	uint32_t want = *len, got = 0, n = 0;
	if (!want || !b->n) {
		*len = 0;
		return 0;
	}
	uint32_t i = find_span(b, seq);
	for (; i < b->n && got < want && n < L4_FRAME_PIECES - 1; i++) {
		const struct l4_span *s = span_at(b, i);
		uint32_t skip = seq + got - s->seq;
		assert(skip < s->len);
		uint32_t take = s->len - skip;
		if (take > want - got)
			take = want - got;
		o->chunk[n] = s->chunk;
		o->pieces[n++] = (struct l4_piece){ s->data + skip, take };
		got += take;
		b->hint = i;
		if (s->eor && skip + take == s->len)
			break;
	}
	*len = got;
	return n;
}
