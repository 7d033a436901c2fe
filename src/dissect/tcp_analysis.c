/* What a segment means, told from all that went before: Wireshark's analysis, rule by rule, since
 * its words are what people know.
 *
 * The observer stands somewhere on the path and sees each direction as a sequence of segments,
 * perhaps with gaps. For each direction it keeps the end of the highest bytes seen (nextseq), the
 * end of what came without a gap (maxseqtobeacked), the last acknowledgement and window, and the
 * list of segments that have not been acknowledged. A segment is judged against these before they
 * are brought up to date; the order of the rules matters, since some exclude later ones.
 *
 * Two rules use the clock: a repetition within 20 ms of the second duplicate ACK is a fast
 * retransmission, and a late arrival within the first round trip (3 ms if unknown) of the highest
 * segment is taken for reordering.
 *
 * The list of unacknowledged segments is walked for each segment; it is cut at UNACKED_LIST. */
#include "dissect/tcp.h"

enum { UNACKED_LIST = 1000 };

#define FAST_NS 20000000
#define OOO_NS  3000000

static bool plain(const struct l4_tcp_hdr *t)
{
	return !(t->flags & (TH_SYN | TH_FIN | TH_RST));
}

/* The segment repeats the last one of its direction: no data, same numbers. */
static bool repeats(const struct l4_tcp_hdr *t, const struct l4_tcp_flow *fwd)
{
	return t->seglen == 0 && t->seq == fwd->nextseq && plain(t);
}

/* Rules about the window and about repeated ACKs. False: no further rule of this kind. */
static void window_rules(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd,
    struct l4_tcp_flow *rev, struct l4_tcp_ta *ta)
{
	(void)d;
	if (t->seglen == 1 && t->seq == fwd->nextseq && rev->nextseq && rev->window == 0) {
		ta->flags |= TCP_A_ZERO_WINDOW_PROBE;
		return;
	}
	if (t->window == 0 && plain(t))
		ta->flags |= TCP_A_ZERO_WINDOW;
	if (fwd->nextseq && l4_seq_gt(t->seq, fwd->nextseq) && !(t->flags & TH_RST)) {
		ta->flags |= TCP_A_LOST_PACKET;
		fwd->bits &= (uint8_t)~FLOW_VALID_BIF;
	}
	if (t->seglen <= 1 && t->seq == fwd->nextseq - 1 && plain(t))
		ta->flags |= TCP_A_KEEP_ALIVE;
	if (repeats(t, fwd) && t->window && t->window != fwd->window && t->ack == fwd->lastack)
		ta->flags |= TCP_A_WINDOW_UPDATE;
	if (t->seglen && rev->win_scale != SCALE_UNKNOWN && plain(t)) {
		int shift = rev->bits & FLOW_FIRST_ACK || rev->win_scale < 0 ? 0 : rev->win_scale;
		if (t->seq + t->seglen == rev->lastack + (rev->window << shift))
			ta->flags |= TCP_A_WINDOW_FULL;
	}
	bool again = t->ack == fwd->lastack || t->ack == fwd->lastack + 1;
	if (repeats(t, fwd) && t->window && t->window == fwd->window && t->ack == fwd->lastack &&
	    rev->last_flags & TCP_A_KEEP_ALIVE) {
		ta->flags |= TCP_A_KEEP_ALIVE_ACK;
		return;
	}
	if (repeats(t, fwd) && t->window == 0 && fwd->window == 0 && again &&
	    rev->last_flags & TCP_A_ZERO_WINDOW_PROBE) {
		ta->flags |= TCP_A_ZERO_WINDOW_PROBE_ACK;
		/* The receiver took the byte of the probe after all. */
		if (t->ack == fwd->lastack + 1) {
			rev->nextseq = t->ack;
			rev->maxseqtobeacked = t->ack;
		}
		return;
	}
	if (repeats(t, fwd) && t->window && t->window == fwd->window && t->ack == fwd->lastack) {
		/* MPTCP may repeat an ACK to carry another signal (RFC 8684 4). */
		if (t->mp_ops == fwd->mp_ops) {
			fwd->dupacknum++;
			ta->flags |= TCP_A_DUPLICATE_ACK;
			ta->dupack_num = fwd->dupacknum;
			ta->dupack_frame = fwd->lastnondupack;
		}
	}
}

/* A segment with data, SYN or FIN that brings nothing new is one kind of repetition or another. */
static void repetition_rules(struct l4_dissect *d, const struct l4_tcp_hdr *t,
    struct l4_tcp_flow *fwd, const struct l4_tcp_flow *rev, const struct l4_conv *c,
    struct l4_tcp_ta *ta)
{
	l4_time now = d->out.cap->ts;
	bool old = fwd->nextseq && l4_seq_lt(t->seq, fwd->nextseq);
	if (old && ta->flags & TCP_A_KEEP_ALIVE)
		return;
	/* One byte before the end and more than one byte: a zero window probe was there before. */
	if (t->seglen > 1 && fwd->nextseq - 1 == t->seq)
		old = false;
	if (t->seglen && rev->lastack && l4_seq_leq(t->seq + t->seglen, rev->lastack)) {
		ta->flags |= TCP_A_SPURIOUS_RETRANSMISSION;
		return;
	}
	if (!old)
		return;
	uint64_t since_ack = now - rev->lastacktime;
	if (rev->dupacknum >= 2 && since_ack < FAST_NS && rev->lastack == t->seq) {
		ta->flags |= TCP_A_FAST_RETRANSMISSION;
		return;
	}
	uint64_t reorder = c->first_rtt ? c->first_rtt : OOO_NS;
	if (now - fwd->nextseqtime < reorder &&
	    fwd->nextseq != t->seq + t->seglen + (t->flags & (TH_SYN | TH_FIN) ? 1 : 0)) {
		ta->flags |= TCP_A_OUT_OF_ORDER;
		return;
	}
	ta->flags |= TCP_A_RETRANSMISSION;
	ta->rto = (int64_t)(now - fwd->nextseqtime);
	ta->rto_frame = fwd->nextseqframe;
	/* Better: the oldest that is not acknowledged, which is likely what came again. */
	for (uint32_t h = fwd->unacked; h;) {
		const struct l4_unacked *u = l4_unacked_at(d->convs, h);
		ta->rto = (int64_t)(now - u->ts);
		ta->rto_frame = u->frame;
		h = u->next;
	}
}

static void remember(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd,
    const struct l4_tcp_ta *ta)
{
	uint32_t nextseq = t->seq + t->seglen;
	if (t->seglen || t->flags & (TH_SYN | TH_FIN)) {
		if (t->flags & (TH_SYN | TH_FIN))
			nextseq++;
		uint32_t h = fwd->n_unacked < UNACKED_LIST ? l4_unacked_get(d->convs) : 0;
		if (h) {
			*l4_unacked_at(d->convs, h) = (struct l4_unacked){ .seq = t->seq,
				.nextseq = nextseq,
				.frame = (uint32_t)d->out.cap->number,
				.next = fwd->unacked & 0x7fffffff,
				.fin = (t->flags & (TH_SYN | TH_FIN)) != 0,
				.ts = d->out.cap->ts };
			fwd->unacked = h;
			fwd->n_unacked++;
		}
	}
	bool probe = ta->flags & TCP_A_ZERO_WINDOW_PROBE;
	if ((l4_seq_gt(nextseq, fwd->nextseq) || !fwd->nextseq) && !probe) {
		fwd->nextseq = nextseq;
		fwd->bits &= (uint8_t)~FLOW_UNSEEN;
		fwd->nextseqframe = (uint32_t)d->out.cap->number;
		fwd->nextseqtime = d->out.cap->ts;
	}
	if ((t->seq == fwd->maxseqtobeacked || !fwd->maxseqtobeacked) && !probe) {
		fwd->maxseqtobeacked = fwd->nextseq;
		fwd->bits &= (uint8_t)~FLOW_UNSEEN;
	}
	fwd->window = t->window;
	fwd->lastack = t->ack;
	fwd->lastacktime = d->out.cap->ts;
	fwd->last_flags = (uint16_t)ta->flags;
	fwd->mp_ops = t->mp_ops;
	fwd->n_sack = t->n_sack;
	if (t->n_sack) {
		memcpy(fwd->sack_l, t->sack_l, sizeof fwd->sack_l);
		memcpy(fwd->sack_r, t->sack_r, sizeof fwd->sack_r);
	}
	if (t->flags & TH_SYN)
		fwd->bits |= FLOW_FIRST_ACK;
	else
		fwd->bits &= (uint8_t)~FLOW_FIRST_ACK;
}

/* Takes what the segment acknowledges off the other direction's list. */
static void acknowledge(
    struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *rev, struct l4_tcp_ta *ta)
{
	uint32_t before = 0; /* the one in front, 0: none */
	for (uint32_t h = rev->unacked, next; h; h = next) {
		struct l4_unacked *u = l4_unacked_at(d->convs, h);
		next = u->next;
		if (t->ack == u->nextseq) {
			ta->acked_frame = u->frame;
			ta->ack_rtt = (int64_t)(d->out.cap->ts - u->ts);
		} else if (l4_seq_gt(t->ack, u->seq) && l4_seq_leq(t->ack, u->nextseq)) {
			u->seq = t->ack; /* a part of it */
			before = h;
			continue;
		} else if (l4_seq_gt(u->nextseq, t->ack)) {
			before = h;
			continue;
		}
		if (before)
			l4_unacked_at(d->convs, before)->next = next & 0x7fffffff;
		else
			rev->unacked = next;
		l4_unacked_put(d->convs, h);
		rev->n_unacked--;
	}
}

static void in_flight(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd,
    const struct l4_tcp_flow *rev, struct l4_tcp_ta *ta)
{
	if (!t->seglen || !fwd->unacked || !(fwd->bits & FLOW_VALID_BIF))
		return;
	uint32_t first = UINT32_MAX, last = 0;
	for (uint32_t h = fwd->unacked; h;) {
		const struct l4_unacked *u = l4_unacked_at(d->convs, h);
		uint32_t from = u->seq - fwd->base_seq, to = u->nextseq - fwd->base_seq;
		first = from < first ? from : first;
		to -= u->fin;
		last = to > last ? to : last;
		h = u->next;
	}
	uint32_t n = last - first;
	/* What the other side has told to have arrived is not in flight any more. */
	for (unsigned i = 0; i < rev->n_sack; i++)
		n -= rev->sack_r[i] - rev->sack_l[i];
	ta->noted = true;
	if (n && n < 2000000000)
		ta->bytes_in_flight = n;
	bool push = t->flags & TH_PSH;
	bool was = fwd->bits & FLOW_PUSH_LAST;
	fwd->push_bytes = was ? t->seglen : fwd->push_bytes + t->seglen;
	if (push)
		fwd->bits |= FLOW_PUSH_LAST;
	else
		fwd->bits &= (uint8_t)~FLOW_PUSH_LAST;
	ta->push_bytes = fwd->push_bytes;
}

void l4_tcp_analyse(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd,
    struct l4_tcp_flow *rev, struct l4_conv *c, struct l4_tcp_ta *ta)
{
	if (t->flags & TH_ACK)
		rev->bits |= FLOW_VALID_BIF;
	window_rules(d, t, fwd, rev, ta);
	if (t->ack != fwd->lastack) {
		fwd->lastnondupack = (uint32_t)d->out.cap->number;
		fwd->dupacknum = 0;
	}
	if (rev->maxseqtobeacked && l4_seq_gt(t->ack, rev->maxseqtobeacked) && t->flags & TH_ACK) {
		/* With nothing new from that side, once is enough. */
		ta->noted = true;
		bool nothing_new = rev->maxseqtobeacked == rev->nextseq;
		if (!nothing_new || !(rev->bits & FLOW_UNSEEN))
			ta->flags |= TCP_A_ACK_LOST_PACKET;
		if (nothing_new)
			rev->bits |= FLOW_UNSEEN;
		rev->maxseqtobeacked = rev->nextseq;
	}
	if (t->seglen || t->flags & (TH_SYN | TH_FIN))
		repetition_rules(d, t, fwd, rev, c, ta);
	remember(d, t, fwd, ta);
	acknowledge(d, t, rev, ta);
	in_flight(d, t, fwd, rev, ta);
	if (ta->flags &
	    (TCP_A_RETRANSMISSION | TCP_A_FAST_RETRANSMISSION | TCP_A_SPURIOUS_RETRANSMISSION))
		fwd->retransmissions++;
}
