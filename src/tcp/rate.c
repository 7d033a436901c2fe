/* Delivery rate: how many segments the network delivered in how much time, for each ACK.
 *
 * Every transmission remembers how much had been delivered by then, and when; its ACK tells how
 * much was delivered since. The interval is the longer of the time the segments took to be sent and
 * the time their ACKs took to come, so that neither a burst of sends nor a burst of ACKs shows a
 * rate that the path does not have. A sample taken while the application had nothing to send only
 * counts as a lower bound (app-limited). The method is that of
 * draft-cheng-iccrg-delivery-rate-estimation.
 *
 * One thing is added. Where the path reorders, what is late at the start of an interval and arrives
 * within it makes the rate too high, by a few segments of a window; BBR takes the highest of ten
 * rounds and then keeps a queue for ever. So what others have overtaken and is not deemed lost
 * counts as delivered when it was overtaken, at both ends of the interval. */
#include "tcp/conn.h"

void l4_rate_on_send(struct l4_tcp *c, struct l4_txseg *t, l4_time now)
{
	if (l4_sb_in_flight(&c->sb) == 0) { /* restart after idle: the pipe was empty */
		c->first_tx_time = now;
		c->delivered_time = now;
	}
	t->first_tx_time = c->first_tx_time;
	t->delivered_time = c->delivered_time;
	t->delivered = c->delivered;
	uint32_t late = l4_sb_overtaken(c);
	t->overtaken = (uint16_t)(late < UINT16_MAX ? late : UINT16_MAX);
	if (c->app_limited)
		t->flags |= L4_TX_APP_LIMITED;
	else
		t->flags &= (uint8_t)~L4_TX_APP_LIMITED;
}

void l4_rate_on_delivered(struct l4_tcp *c, const struct l4_txseg *t, struct l4_ack *a)
{
	/* the newest of what this ACK delivers counts */
	if (a->prior_time &&
	    (t->delivered < a->prior_delivered ||
		(t->delivered == a->prior_delivered && t->xmit_time < c->first_tx_time)))
		return;
	a->prior_delivered = t->delivered;
	a->prior_overtaken = t->overtaken;
	a->prior_time = t->delivered_time;
	a->rate_app_limited = t->flags & L4_TX_APP_LIMITED;
	a->snd_interval = t->xmit_time - t->first_tx_time;
	c->first_tx_time = t->xmit_time;
}

void l4_rate_sample(struct l4_tcp *c, struct l4_ack *a)
{
	if (c->app_limited && c->delivered > c->app_limited)
		c->app_limited = 0;
	if (a->delivered)
		c->delivered_time = a->now;
	if (!a->prior_time || a->prior_delivered > c->delivered)
		return;
	a->rate_delivered = (uint32_t)(c->delivered - a->prior_delivered);
	uint32_t late = l4_sb_overtaken(c);
	if (late < a->prior_overtaken) {
		late = a->prior_overtaken - late;
		a->rate_delivered = a->rate_delivered > late ? a->rate_delivered - late : 1;
	}
	l4_time ack_interval = a->now - a->prior_time;
	a->interval = a->snd_interval > ack_interval ? a->snd_interval : ack_interval;
	/* below the least round trip it cannot be: ACKs were compressed */
	if (c->min_rtt && a->interval < c->min_rtt) {
		a->interval = 0;
		return;
	}
	if (!a->interval)
		return;
	a->rate = l4_clamp_u64((double)a->rate_delivered * c->snd_mss * 1e9 / (double)a->interval);
	if (!a->rate_app_limited || a->rate >= c->rate_bytes) {
		c->rate_bytes = a->rate;
		c->rate_is_app_limited = a->rate_app_limited;
	}
}

void l4_rate_all(struct l4_tcp *c, const struct l4_txseg *t, l4_time now)
{
	if (c->app_limited && c->delivered > c->app_limited)
		c->app_limited = 0;
	l4_time sent = t->xmit_time - t->first_tx_time;
	c->first_tx_time = t->xmit_time;
	c->delivered_time = now;
	if (!t->delivered_time || t->delivered > c->delivered)
		return;
	l4_time interval = now - t->delivered_time;
	interval = sent > interval ? sent : interval;
	if (!interval || (c->min_rtt && interval < c->min_rtt))
		return;
	double bytes = (double)(uint32_t)(c->delivered - t->delivered) * c->snd_mss * 1e9;
	bool limited = t->flags & L4_TX_APP_LIMITED;
	/* a division for what will count only */
	if (limited && bytes < (double)c->rate_bytes * (double)interval)
		return;
	c->rate_bytes = l4_clamp_u64(bytes / (double)interval);
	c->rate_is_app_limited = limited;
}
