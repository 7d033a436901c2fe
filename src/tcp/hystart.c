/* HyStart++: leaves slow start when the delay begins to rise, before the queue overflows (RFC
 * 9406).
 *
 * Each round the least RTT of its first samples is compared with the last round's. A rise by more
 * than an eighth (within 4 to 16 ms) leads into conservative slow start, a quarter as fast; when
 * the delay falls back below its baseline slow start resumes, else after five rounds ssthresh is
 * set. */
#include "tcp/cc.h"

#define MIN_RTT_THRESH (4 * L4_MSEC)
#define MAX_RTT_THRESH (16 * L4_MSEC)
#define RTT_DIVISOR    8
#define N_RTT_SAMPLE   8u
#define CSS_GROWTH     4u
#define CSS_ROUNDS     5u

void l4_hystart_reset(struct l4_tcp *c)
{
	c->hystart = (struct l4_hystart){ .last_min_rtt = L4_TIME_NEVER,
		.cur_min_rtt = L4_TIME_NEVER,
		.css_baseline = L4_TIME_NEVER,
		.round_end = c->snd_nxt };
}

uint32_t l4_hystart_on_ack(struct l4_tcp *c, const struct l4_ack *a, uint32_t n)
{
	struct l4_hystart *h = &c->hystart;
	if (!c->ts->cfg.hystart || h->done || c->ssthresh != UINT32_MAX)
		return n;                          /* RFC 9406 4.3: for the first slow start only */
	if (l4_seq_gt(c->snd_una, h->round_end)) { /* a new round */
		h->last_min_rtt = h->cur_min_rtt;
		h->cur_min_rtt = L4_TIME_NEVER;
		h->samples = 0;
		h->round_end = c->snd_nxt;
		if (h->in_css && ++h->css_rounds >= CSS_ROUNDS) {
			c->ssthresh = c->cwnd;
			h->done = true;
			return n;
		}
	}
	if (a->rtt_newest) {
		if (a->rtt_newest < h->cur_min_rtt)
			h->cur_min_rtt = a->rtt_newest;
		h->samples++;
	}
	if (h->samples >= N_RTT_SAMPLE && h->cur_min_rtt != L4_TIME_NEVER &&
	    h->last_min_rtt != L4_TIME_NEVER) {
		if (!h->in_css) {
			l4_time t = h->last_min_rtt / RTT_DIVISOR;
			t = t < MIN_RTT_THRESH   ? MIN_RTT_THRESH
			    : t > MAX_RTT_THRESH ? MAX_RTT_THRESH
						 : t;
			if (h->cur_min_rtt >= h->last_min_rtt + t) {
				h->css_baseline = h->cur_min_rtt;
				h->in_css = true;
				h->css_rounds = 0;
			}
		} else if (h->cur_min_rtt < h->css_baseline) {
			h->css_baseline = L4_TIME_NEVER;
			h->in_css = false;
		}
	}
	if (!h->in_css)
		return n;
	/* a quarter of the growth, kept exact over ACKs */
	c->cwnd_cnt += n;
	n = c->cwnd_cnt / CSS_GROWTH;
	c->cwnd_cnt %= CSS_GROWTH;
	return n;
}
