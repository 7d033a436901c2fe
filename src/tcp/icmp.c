/* ICMP errors about our segments (RFC 1122 4.2.3.9, RFC 5927).
 *
 * An error counts only when the sequence number that it quotes is in flight. In synchronized states
 * no error ends a connection: a hard one is remembered and told when the connection times out.
 * While connecting, a hard error refuses. Source quench is not here at all (RFC 6633). */
#include "tcp/conn.h"

static void on_error(
    struct l4_tcp *c, bool has_seq, uint32_t seq, int err, bool hard, uint32_t mtu, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	bool opening = c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_SYN_RECEIVED;
	/* RFC 5927 4.1: SND.UNA <= SEG.SEQ < SND.NXT */
	if (!has_seq || !l4_seq_between(seq, c->snd_una, c->snd_nxt)) {
		ts->ctr.icmp_ignored++;
		return;
	}
	if (err == L4_EMSGSIZE) {
		if (!c->opt_pmtu || !c->pmtu) {
			ts->ctr.icmp_ignored++;
			return;
		}
		/* RFC 5927 7.2: smaller than what is in flight, or it is a lie */
		uint32_t got = ts->env.set_pmtu(ts->env.ctx, &c->remote, mtu, now);
		l4_pmtu_reduced(c, got, now);
		if (c->state == L4_TCP_SYN_SENT && c->fo_syn_data)
			l4_fo_give_up(c, now);
		return;
	}
	if (opening && hard) {
		l4_tcp_done(c, err);
		return;
	}
	c->soft_err = err;
	l4_tcp_trouble(c, err);
}

void l4_tcp_stack_icmp(struct l4_tcp_stack *ts, const struct l4_endpoint *src,
    const struct l4_endpoint *dst, bool has_seq, uint32_t seq, int err, bool hard, uint32_t mtu,
    l4_time now)
{
	if (now > ts->now)
		ts->now = now;
	struct l4_hnode *n = l4_tcp_find(ts, src, dst);
	if (!n) {
		ts->ctr.icmp_ignored++;
		return;
	}
	switch ((enum l4_hkind)n->kind) {
	case L4_H_CONN:
		on_error((struct l4_tcp *)(void *)n, has_seq, seq, err, hard, mtu, ts->now);
		break;
	case L4_H_REQ: {
		struct l4_tcp_req *r = (struct l4_tcp_req *)(void *)n;
		if (hard && err != L4_EMSGSIZE && has_seq && seq == r->iss)
			l4_tcp_req_free(r);
		else
			ts->ctr.icmp_ignored++;
		break;
	}
	case L4_H_TW:
	case L4_H_PARKED: /* l4_tcp_find makes them whole */
		ts->ctr.icmp_ignored++;
		break;
	}
}

/* Connections from an address that is gone cannot be heard any more: without their address they end
 * when they next would send (path_ready says L4_ENOADDR); those that wait for nothing end now. */
void l4_tcp_stack_address_gone(struct l4_tcp_stack *ts, const struct l4_addr *a, l4_time now)
{
	if (now > ts->now)
		ts->now = now;
	for (uint32_t i = 0; i < ts->n_buckets; i++)
		for (struct l4_hnode *n = ts->bucket[i], *next; n; n = next) {
			next = n->next;
			struct l4_endpoint local, remote;
			if (n->kind != L4_H_TW)
				continue;
			l4_tcp_tw_ends((struct l4_tcp_tw *)(void *)n, &local, &remote);
			if (l4_addr_eq(&local.addr, a))
				l4_tcp_tw_free(ts, (struct l4_tcp_tw *)(void *)n);
		}
}
