/* The round-trip time and the retransmission timeout (RFC 6298).
 *
 * SRTT and RTTVAR by Jacobson's gains of 1/8 and 1/4. Samples come several a round trip; so that
 * RTTVAR does not shrink to nothing between them it is taken from the largest deviation of each
 * round trip, as RFC 6298 4 and RFC 7323 4.2 allow. RTO = SRTT + max(G, 4 * RTTVAR), within
 * rto_min and rto_max. min_rtt is the least over a sliding ten seconds. */
#include "tcp/conn.h"

#define MIN_RTT_WINDOW (10 * L4_SEC)

void l4_tcp_rto_reset(struct l4_tcp *c)
{
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	if (!c->srtt) {
		c->rto = cfg->rto_init;
		return;
	}
	l4_time var = 4 * c->rttvar;
	if (var < cfg->rto_min)
		var = cfg->rto_min; /* the floor holds for the variance part, as kernels do: an RTO
				     * of at least SRTT + 200 ms; RFC 6298 2.4 would have 1 s */
	l4_time rto = c->srtt + var;
	c->rto = rto > cfg->rto_max ? cfg->rto_max : rto;
}

void l4_tcp_rtt_sample(struct l4_tcp *c, l4_time rtt, l4_time now)
{
	if (rtt == 0)
		rtt = 1;
	if (!c->min_rtt || rtt <= c->min_rtt || now - c->min_rtt_time > MIN_RTT_WINDOW) {
		c->min_rtt = rtt;
		c->min_rtt_time = now;
	}
	if (!c->srtt) { /* RFC 6298 2.2 */
		c->srtt = rtt;
		c->rttvar = rtt / 2;
		c->mdev_max = 0;
		c->rtt_seq = c->snd_nxt;
	} else { /* RFC 6298 2.3 */
		l4_time dev = rtt > c->srtt ? rtt - c->srtt : c->srtt - rtt;
		if (dev > c->mdev_max)
			c->mdev_max = dev;
		if (dev > c->rttvar)
			c->rttvar += (dev - c->rttvar) / 4;
		if (l4_seq_geq(c->snd_una, c->rtt_seq)) { /* a round trip has passed */
			if (c->mdev_max < c->rttvar)
				c->rttvar -= (c->rttvar - c->mdev_max) / 4;
			c->rtt_seq = c->snd_nxt;
			c->mdev_max = 0;
		}
		c->srtt = c->srtt - c->srtt / 8 + rtt / 8;
		if (!c->srtt)
			c->srtt = 1;
	}
	l4_tcp_rto_reset(c);
	l4_tcp_trace(c, L4_TRACE_TCP_RTT, 0, (int64_t)rtt, (int64_t)c->srtt, (int64_t)c->rttvar,
	    (int64_t)c->rto);
}
