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

void l4_ecn_negotiated(struct l4_tcp *c, bool classic, bool accecn, uint8_t syn_ect)
{
	c->ecn_ok = classic || accecn;
	c->accecn_ok = accecn;
	c->ecn_syn_ect = (uint8_t)(syn_ect + 1);
	if (accecn) { /* RFC 9768 3.2.1: the counters start at 5, 0 bytes */
		c->rcv_ce = 5 + (syn_ect == CE);
		c->snd_cep = 5;
	}
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
			if (s->len) /* RFC 9768 3.2.2.5: a change is told soon */
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

void l4_ecn_on_ack(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a)
{
	if (!c->ecn_ok || (s->h.flags & L4_TCPF_SYN))
		return;
	bool reduce = false;
	if (c->accecn_ok) {
		uint32_t ace = (s->h.flags & L4_TCPF_AE ? 4u : 0) |
			       (s->h.flags & L4_TCPF_CWR ? 2u : 0) |
			       (s->h.flags & L4_TCPF_ECE ? 1u : 0);
		uint32_t d = (ace - c->snd_cep) & 7;
		/* RFC 9768 3.2.2.5.2: without new ACKs it cannot have grown; else take the safe
		 * reading */
		if (d && (a->delivered || a->acked_bytes)) {
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
		uint32_t ace = c->rcv_ce & 7;
		return (uint16_t)((ace & 4 ? L4_TCPF_AE : 0) | (ace & 2 ? L4_TCPF_CWR : 0) |
				  (ace & 1 ? L4_TCPF_ECE : 0));
	}
	uint16_t f = c->ecn_echo ? L4_TCPF_ECE : 0;
	if (data && !retx && c->ecn_cwr) { /* RFC 3168 6.1.2: with the first new data */
		f |= L4_TCPF_CWR;
		c->ecn_cwr = false;
	}
	return f;
}

/* RFC 3168 6.1.5: new data only is ECT. */
uint8_t l4_ecn_codepoint(const struct l4_tcp *c, bool new_data)
{
	return c->ecn_ok && new_data && !c->accecn_fail ? ECT0 : 0;
}
