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
		uint32_t got = ts->env.set_pmtu(ts->env.ctx, &c->h.remote, mtu, now);
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
	uint32_t ref = l4_tcp_find(ts, src, dst);
	struct l4_tcp *c = NULL;
	const struct l4_tcp_req *r = NULL;
	if (ref != L4_REF_NONE && l4_ref_kind(ref) == L4_REF_CONN)
		c = l4_tcp_of_ref(ts, ref);
	else if (ref != L4_REF_NONE && l4_ref_kind(ref) == L4_REF_REQ)
		r = l4_req_at(ts, l4_ref_index(ref));
	if (c)
		on_error(c, has_seq, seq, err, hard, mtu, ts->now);
	else if (r && hard && err != L4_EMSGSIZE && has_seq && seq == r->iss)
		l4_tcp_req_free(ts, l4_ref_index(ref));
	else
		ts->ctr.icmp_ignored++;
}

/* Connections from an address that is gone cannot be heard any more: without their address they end
 * when they next would send (path_ready says L4_ENOADDR); those that wait for nothing end now. */
void l4_tcp_stack_address_gone(struct l4_tcp_stack *ts, const struct l4_addr *a, l4_time now)
{
	if (now > ts->now)
		ts->now = now;
	l4_tcp_tw_address_gone(ts, a);
}
