/* NewReno's window (RFC 5681, RFC 6582): slow start with HyStart++, then one segment a round trip,
 * half on loss. */
#include "tcp/cc.h"

static void on_ack(struct l4_tcp *c, const struct l4_ack *a)
{
	uint32_t n = a->delivered;
	if (!n || !l4_cc_is_limited(c))
		return;
	if (c->cwnd < c->ssthresh) {
		n = l4_cc_slow_start(c, l4_hystart_on_ack(c, a, n));
		if (!n)
			return;
	}
	l4_cc_avoid(c, c->cwnd, n);
}

static uint32_t ssthresh(struct l4_tcp *c)
{
	/* RFC 5681 equation 4, by cwnd: RFC 7661 keeps it near the flight size */
	return c->cwnd / 2 > 2 ? c->cwnd / 2 : 2;
}

static void init(struct l4_tcp *c, l4_time now)
{
	(void)now;
	l4_hystart_reset(c);
}

const struct l4_cc_ops l4_cc_reno = {
	.name = "reno", .init = init, .on_ack = on_ack, .ssthresh = ssthresh
};
