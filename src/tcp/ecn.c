/* Explicit congestion notification: RFC 3168's echo, and accurate feedback (AccECN, RFC 9768).
 *
 * With RFC 3168 a CE mark sets ecn_echo: every ACK carries ECE until a segment with CWR comes. With
 * AccECN the three flag bits are a counter of CE-marked segments (ACE), and every ACK tells it. The
 * sender reduces once a round trip, as for a loss (recovery.c, CWR), and its retransmissions and
 * pure ACKs are not ECT. */
#include "tcp/cc.h"

#define ECT1 1
#define ECT0 2
#define CE   3

/* RFC 9768 3.1.2, table 2; RFC 3168 6.1.1. */
enum l4_ecn_kind l4_ecn_of_syn(const struct l4_tcp_stack *ts, const struct l4_seg *s)
{
	uint16_t f = s->h.flags & (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE);
	bool classic = f == (L4_TCPF_ECE | L4_TCPF_CWR);
	if (!ts->cfg.ecn || !f)
		return L4_ECN_NONE;
	/* RFC 9768 3.1.3: mixes that nobody has defined yet ask for accurate feedback too */
	if (!classic && ts->cfg.ecn >= 3)
		return L4_ECN_ACCURATE;
	/* RFC 3168 6.1.1: a SYN is sent not-ECT; else distrust */
	if (classic || f == (L4_TCPF_ECE | L4_TCPF_CWR | L4_TCPF_AE))
		return (s->tos & 3) == 0 ? L4_ECN_CLASSIC : L4_ECN_NONE;
	return L4_ECN_NONE;
}

uint16_t l4_ecn_synack_flags(uint8_t syn_ect)
{
	return syn_ect == 0   ? L4_TCPF_CWR
	       : syn_ect == 1 ? L4_TCPF_CWR | L4_TCPF_ECE
	       : syn_ect == 2 ? L4_TCPF_AE
			      : L4_TCPF_AE | L4_TCPF_CWR;
}

void l4_ecn_negotiated(struct l4_tcp *c, bool classic, bool accecn, uint8_t syn_ect)
{
	c->ecn_ok = classic || accecn;
	c->accecn_ok = accecn;
	c->ecn_cwr_seq = c->iss; /* nothing is reduced yet */
	c->ecn_syn_ect = (uint8_t)(syn_ect + 1);
	if (accecn) { /* RFC 9768 3.2.1: where the counters start */
		c->rcv_ce = c->snd_cep = c->rcv_ce_told = 5;
		c->rcv_e0_bytes = c->rcv_e1_bytes = c->snd_e0_bytes = c->snd_e1_bytes = 1;
		c->told_e0 = c->told_e1 = 1;
		c->accecn_shake = c->accecn_first = !c->passive;
	}
}

/* RFC 9768 3.2.2.2: a CE mark on a SYN-ACK counts, once however often the SYN-ACK comes. */
static void synack_mark(struct l4_tcp *c, const struct l4_seg *s)
{
	if ((s->tos & 3) != CE || c->accecn_syn_ce)
		return;
	c->accecn_syn_ce = true;
	c->rcv_ce++;
}

/* The peer tells how our SYN or SYN-ACK arrived, which was sent as not ECN-capable. CE is answered
 * as any (RFC 9768 3.2.2.2). Another codepoint than was sent comes of a path that writes there. */
static void handshake_fed_back(struct l4_tcp *c, uint32_t ace, l4_time now)
{
	if (ace == 6) {
		c->delivered_ce++;
		c->ecn_cwr_seq = c->snd_nxt;
		l4_recovery_enter_cwr(c, now);
	}
	if (c->ts->cfg.ecn_fallback && (ace == 3 || ace == 4 || ace == 6)) /* 3.2.2.3 */
		c->ecn_no_ect = true;
}

void l4_ecn_on_segment(struct l4_tcp *c, const struct l4_seg *s)
{
	if (!c->ecn_ok)
		return;
	uint8_t ect = s->tos & 3;
	if (c->accecn_ok) {
		if (ect == CE) {
			c->rcv_ce += s->n_segs;
			c->rcv_ce_bytes += s->len;
			/* RFC 9768 3.2.2.5.1: a mark on data is told at once, those on ACKs at
			 * every third, lest two peers acknowledge each other for ever */
			if (s->len || ((c->rcv_ce - c->rcv_ce_told) & 7) >= 3)
				l4_tcp_ack_now(c, L4_WHY_ACK_ECN);
		} else if (ect == ECT0) {
			c->rcv_e0_bytes += s->len;
		} else if (ect == ECT1) {
			c->rcv_e1_bytes += s->len;
		}
		return;
	}
	if (s->h.flags & L4_TCPF_CWR) /* RFC 3168 6.1.3 */
		c->ecn_echo = false;
	if (ect == CE && s->len) {
		if (!c->ecn_echo)
			l4_tcp_ack_now(c, L4_WHY_ACK_ECN);
		c->ecn_echo = true;
		c->rcv_ce++;
	} else if (ect) {
		c->rcv_e0_bytes += s->len;
	}
}

static uint32_t ace_of(uint16_t flags)
{
	return (flags & L4_TCPF_AE ? 4u : 0) | (flags & L4_TCPF_CWR ? 2u : 0) |
	       (flags & L4_TCPF_ECE ? 1u : 0);
}

static uint16_t ace_flags(uint32_t ace)
{
	return (uint16_t)((ace & 4 ? L4_TCPF_AE : 0) | (ace & 2 ? L4_TCPF_CWR : 0) |
			  (ace & 1 ? L4_TCPF_ECE : 0));
}

/* RFC 9768 3.2.2.1, tables 3 and 4: ACE for the ECN field of a SYN or SYN-ACK. */
static const uint8_t ace_of_ect[] = { 2, 3, 4, 6 };

/* Server: the pure ACK of our SYN-ACK, whose ACE field tells how that arrived. */
void l4_ecn_handshake_ack(struct l4_tcp *c, const struct l4_seg *s)
{
	if (c->accecn_ok && s->h.flags & L4_TCPF_SYN) { /* SYN-ACKs cross: ours tells of theirs */
		synack_mark(c, s);
		c->ecn_syn_ect = (uint8_t)((s->tos & 3) + 1);
		c->accecn_shake = true;
		c->accecn_seen = s->h.opts.present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1);
		return;
	}
	if (!c->accecn_ok || s->len || s->h.flags & (L4_TCPF_SYN | L4_TCPF_FIN) ||
	    s->h.opts.present & L4_TCPO_SACK)
		return;
	uint32_t ace = ace_of(s->h.flags);
	c->snd_cep = ace == 6 ? 6 : 5;
	c->accecn_shake = true; /* of this segment, until its ACK is processed */
	c->accecn_fail = c->accecn_fail || ace == 0; /* note 1: somebody clears the bits */
	handshake_fed_back(c, ace, s->time);
}

/* Client: the SYN-ACK. */
void l4_ecn_handshake_answer(struct l4_tcp *c, const struct l4_seg *s)
{
	if (!c->accecn_ok)
		return;
	c->accecn_seen = s->h.opts.present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1);
	synack_mark(c, s);
	handshake_fed_back(c, ace_of(s->h.flags), s->time);
}

/* Client: the SYN-ACK came again and has been given a challenge ACK. That one also tells how the
 * SYN-ACK arrived (RFC 9768 3.2.2.1, 3.1.5: the latest). */
void l4_ecn_synack_again(struct l4_tcp *c, const struct l4_seg *s)
{
	const unsigned both = L4_TCPF_SYN | L4_TCPF_ACK;
	if (!c->accecn_ok || c->passive || (s->h.flags & both) != both || s->h.seq != c->irs ||
	    !c->ack_now || c->ack_why.code != L4_WHY_CHALLENGE)
		return;
	synack_mark(c, s);
	c->ecn_syn_ect = (uint8_t)((s->tos & 3) + 1);
	c->accecn_shake = true;
}

/* RFC 9768 3.2.3: takes the byte counters of an option. True: the bytes marked CE since the last
 * one are in *ce; an option that went back, as one on a late segment does, is not counted. */
static bool option_in(struct l4_tcp *c, const struct l4_tcp_opts *o, uint32_t *ce)
{
	if (!(o->present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1)))
		return false;
	bool first_e0 = o->present & L4_TCPO_ACCECN0;
	uint32_t *field[3] = { first_e0 ? &c->snd_e0_bytes : &c->snd_e1_bytes, &c->snd_ce_bytes,
		first_e0 ? &c->snd_e1_bytes : &c->snd_e0_bytes };
	bool has_ce = false;
	*ce = 0;
	for (unsigned i = 0; i < o->accecn_n && i < 3; i++) {
		uint32_t d = (o->accecn[i] - *field[i]) & 0xffffff;
		if (d >= 1u << 23)
			continue;
		*field[i] += d;
		if (i == 1) {
			has_ce = true;
			*ce = d;
		}
	}
	return has_ce;
}

/* Marks that the ACE field reports. It has three bits: an ACK of more than seven segments may hide
 * a turn, which is then assumed (RFC 9768 3.2.2.5.2) unless the bytes marked say otherwise, or, as
 * Linux has it, ACKs of many segments are the rule here (A.2). */
static uint32_t marks(
    struct l4_tcp *c, const struct l4_ack *a, uint32_t ace, bool has_bytes, uint32_t ce_bytes)
{
	uint32_t d = (ace - c->snd_cep) & 7, n = a->delivered < 2048 ? a->delivered : 2048;
	if (n)
		c->acked_avg =
		    (uint16_t)(c->acked_avg ? c->acked_avg - c->acked_avg / 8 + n * 2 : n * 16);
	if (a->delivered <= 7)
		return d;
	if (c->ts->cfg.linux_ways && c->acked_avg > 4 * 16 && !has_bytes)
		return d;
	uint32_t most = a->delivered - ((a->delivered - d) & 7);
	if (has_bytes && (uint64_t)ce_bytes <= (uint64_t)d * c->snd_mss)
		return d;
	return most;
}

void l4_ecn_on_ack(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a)
{
	if (!c->ecn_ok || (s->h.flags & L4_TCPF_SYN))
		return;
	bool reduce = false;
	if (c->accecn_ok) {
		uint32_t ce_bytes = 0;
		/* an ACK that another has overtaken tells nothing (RFC 9768 3.2.3.1): it counts
		 * if it acknowledges something, brings data, or has a newer timestamp */
		bool progress = a->delivered || a->acked_bytes ||
				(s->len && l4_seq_geq(s->h.seq, c->rcv_nxt)) ||
				(c->ts_ok && (s->h.opts.present & L4_TCPO_TS) &&
				    (int32_t)(s->h.opts.ts_val - c->ts_recent) > 0);
		bool has_bytes = progress && option_in(c, &s->h.opts, &ce_bytes);
		c->accecn_seen =
		    c->accecn_seen || (s->h.opts.present & (L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1));
		if (c->passive && c->accecn_shake) { /* it told of the SYN-ACK: no counter */
			c->accecn_shake = false;
			return;
		}
		if (!c->passive && !s->len && s->h.ack == c->iss + 1 &&
		    !(s->h.opts.present & L4_TCPO_SACK))
			return; /* so did this one, where SYN-ACKs crossed */
		uint32_t d = marks(c, a, ace_of(s->h.flags), has_bytes, ce_bytes);
		if (d && progress && !c->accecn_fail) {
			c->snd_cep += d;
			c->delivered_ce += d;
			a->ce = d;
			reduce = true;
		}
	} else if ((s->h.flags & L4_TCPF_ECE) && (a->acked_bytes || a->dup)) {
		a->ce = a->delivered ? a->delivered : 1;
		c->delivered_ce += a->ce;
		reduce = true;
	}
	if (!reduce)
		return;
	a->ece = true;
	if (c->cwnd <= 1 && !c->cc->full_control)
		c->ecn_hold = true; /* RFC 3168 6.1.2: the next segment waits for the timer */
	/* RFC 3168 6.1.2: once a window */
	if (c->ca_state < L4_CA_CWR && l4_seq_geq(c->snd_una, c->ecn_cwr_seq)) {
		c->ecn_cwr_seq = c->snd_nxt;
		l4_recovery_enter_cwr(c, a->now);
		c->ecn_cwr = !c->accecn_ok;
	}
}

/* The ECN bits of an outgoing header. */
uint16_t l4_ecn_flags(struct l4_tcp *c, bool data, bool retx)
{
	if (!c->ecn_ok)
		return 0;
	if (c->accecn_ok) {
		if (c->accecn_shake && !data && !retx && c->ecn_syn_ect) {
			c->accecn_shake = false;
			return ace_flags(ace_of_ect[(c->ecn_syn_ect - 1) & 3]);
		}
		c->rcv_ce_told = c->rcv_ce & 7;
		return ace_flags(c->rcv_ce);
	}
	uint16_t f = c->ecn_echo ? L4_TCPF_ECE : 0;
	if (data && !retx && c->ecn_cwr) { /* RFC 3168 6.1.2: with the first new data */
		f |= L4_TCPF_CWR;
		c->ecn_cwr = false;
	}
	return f;
}

/* RFC 3168 6.1.5: new data only is ECT, unless the kernel's way is asked for. */
uint8_t l4_ecn_codepoint(const struct l4_tcp *c, bool new_data)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	bool all = c->accecn_ok && (cfg->accecn_option >= 2 || cfg->linux_ways);
	return c->ecn_ok && (new_data || all) && !c->accecn_fail && !c->ecn_no_ect ? ECT0 : 0;
}

/* Room in the header of a segment with data for the byte counters: RFC 9768 3.2.3.2.1, on the first
 * of a client; Linux's way, on all once the peer has shown its own. */
uint32_t l4_ecn_option_room(const struct l4_tcp *c)
{
	uint8_t how = c->accecn_ok ? c->ts->cfg.accecn_option : 0;
	return how >= 2 ? (c->accecn_seen ? 12 : 0) : how && c->accecn_first ? 12 : 0;
}

/* RFC 9768 3.2.3.3: the byte counters, on a pure ACK whenever one of them has changed: all of them,
 * or where room is short two, if those have all the news. Two blocks of SACK go first, more do
 * not. */
void l4_ecn_option_out(struct l4_tcp *c, struct l4_tcp_opts *o)
{
	bool e0 = c->rcv_e0_bytes != c->told_e0, e1 = c->rcv_e1_bytes != c->told_e1;
	bool news = e0 || e1 || c->rcv_ce_bytes != c->told_ce;
	uint8_t how = c->accecn_ok ? c->ts->cfg.accecn_option : 0;
	if (!how || (how >= 2 ? !c->accecn_seen : !news && !c->accecn_first))
		return;
	bool order1 = how >= 2 || !e0; /* Linux knows no other */
	bool two = order1 ? !e0 : !e1;
	uint8_t blocks = o->sack_n;
	int room = 40 - l4_tcp_opts_len(o, false);
	while (room < (two ? 8 : 12) && o->sack_n > 2) {
		o->sack_n--;
		room += 8;
	}
	if (room < (two ? 8 : 12)) {
		o->sack_n = blocks;
		return;
	}
	bool all = room >= 12;
	order1 = order1 || all;
	o->present |= order1 ? L4_TCPO_ACCECN1 : L4_TCPO_ACCECN0;
	o->accecn_n = all ? 3 : 2;
	o->accecn[order1 ? 2 : 0] = c->rcv_e0_bytes & 0xffffff;
	o->accecn[1] = c->rcv_ce_bytes & 0xffffff;
	o->accecn[order1 ? 0 : 2] = c->rcv_e1_bytes & 0xffffff;
	c->told_e0 = c->rcv_e0_bytes; /* where two are told the third has no news */
	c->told_e1 = c->rcv_e1_bytes;
	c->told_ce = c->rcv_ce_bytes;
}
