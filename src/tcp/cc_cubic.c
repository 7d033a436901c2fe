/* CUBIC (RFC 9438): the window grows as a cube of the time since the last reduction, fast far from
 * the size at which loss came, slow near it; never less than Reno would (4.3).
 *
 * W(t) = C * (t - K)^3 + W_max in segments and seconds, C = 0.4, beta = 0.7. Between ACKs the
 * fraction of a segment that the window should have grown is carried in cwnd_frac. */
#include "tcp/cc.h"

#define C    0.4
#define BETA 0.7
/* RFC 9438 4.3: so that the Reno-friendly region has Reno's average rate */
#define ALPHA (3.0 * (1.0 - BETA) / (1.0 + BETA))

/* The real cube root, by Newton's steps: no math library in the core. */
static double cube_root(double x)
{
	if (x <= 0)
		return 0;
	double r = x > 1 ? x : 1;
	while (r * r * r > x * 8) /* come near first */
		r /= 2;
	for (int i = 0; i < 12; i++)
		r -= (r * r * r - x) / (3 * r * r);
	return r;
}

static void reset(struct l4_tcp *c)
{
	memset(&c->ccs.cubic, 0, sizeof c->ccs.cubic);
}

static void init(struct l4_tcp *c, l4_time now)
{
	(void)now;
	reset(c);
	l4_hystart_reset(c);
}

/* RFC 9438 4.2: time without data to send does not count. */
static void on_slack(struct l4_tcp *c, l4_time now)
{
	struct l4_cc_cubic *q = &c->ccs.cubic;
	if (q->epoch_start && q->last_look && now > q->last_look)
		q->epoch_start += now - q->last_look;
	q->last_look = now;
}

static void on_ack(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_cubic *q = &c->ccs.cubic;
	uint32_t n = a->delivered;
	if (!n || !l4_cc_is_limited(c)) {
		on_slack(c, a->now);
		return;
	}
	q->last_look = a->now;
	if (c->cwnd < c->ssthresh) {
		n = l4_cc_slow_start(c, l4_hystart_on_ack(c, a, n));
		if (!n)
			return;
	}
	if (!q->epoch_start) { /* RFC 9438 4.2: start of this congestion avoidance stage */
		q->epoch_start = a->now ? a->now : 1;
		q->w_est = c->cwnd;
		if (q->w_max <= c->cwnd) {
			q->w_max = c->cwnd;
			q->k = 0;
		} else {
			q->k = cube_root((q->w_max - c->cwnd) / C);
		}
		q->cwnd_frac = 0;
	}
	double t = (double)(a->now - q->epoch_start) / 1e9;
	double rtt = (double)(c->srtt ? c->srtt : c->rto) / 1e9;
	double d = t + rtt - q->k;
	double target = C * d * d * d + q->w_max;
	double cwnd = c->cwnd + q->cwnd_frac;
	if (target < cwnd)
		target = cwnd;
	else if (target > 1.5 * cwnd)
		target = 1.5 * cwnd;
	/* RFC 9438 4.3, equation 4; alpha becomes 1 when W_est has regained cwnd_prior */
	q->w_est += (q->w_est >= q->cwnd_prior ? 1.0 : ALPHA) * n / cwnd;
	double now_t = t - q->k;
	double w_now = C * now_t * now_t * now_t + q->w_max;
	if (w_now < q->w_est) {
		if (q->w_est > cwnd)
			cwnd = q->w_est;
	} else {
		cwnd += (target - cwnd) / cwnd * n; /* 4.4 and 4.5 */
	}
	if (cwnd > 1e9)
		cwnd = 1e9;
	c->cwnd = (uint32_t)cwnd;
	q->cwnd_frac = cwnd - c->cwnd;
}

static uint32_t ssthresh(struct l4_tcp *c)
{
	struct l4_cc_cubic *q = &c->ccs.cubic;
	double cwnd = c->cwnd;
	q->epoch_start = 0;
	q->cwnd_prior = cwnd;
	/* RFC 9438 4.7, fast convergence: make room for new flows */
	q->w_max = cwnd < q->w_max ? cwnd * (1 + BETA) / 2 : cwnd;
	uint32_t s = (uint32_t)(cwnd * BETA);
	return s > 2 ? s : 2;
}

static void on_rto(struct l4_tcp *c)
{
	/* RFC 9438 4.8: after a timeout the next stage starts at ssthresh with K = 0 */
	double prior = c->ccs.cubic.cwnd_prior;
	reset(c);
	c->ccs.cubic.cwnd_prior = prior;
}

static void on_restart(struct l4_tcp *c, l4_time now)
{
	/* RFC 9438 5.8: idle time is not growth time */
	struct l4_cc_cubic *q = &c->ccs.cubic;
	if (q->epoch_start && c->last_data_out && now > c->last_data_out) {
		q->epoch_start += now - c->last_data_out;
		if (q->epoch_start > now)
			q->epoch_start = now;
		q->last_look = now;
	}
}

static void on_mss(struct l4_tcp *c, double factor)
{
	struct l4_cc_cubic *q = &c->ccs.cubic;
	q->w_max *= factor;
	q->cwnd_prior *= factor;
	q->epoch_start = 0; /* the rest begins with the next stage */
}

const struct l4_cc_ops l4_cc_cubic = { .name = "cubic",
	.init = init,
	.on_ack = on_ack,
	.on_slack = on_slack,
	.ssthresh = ssthresh,
	.on_rto = on_rto,
	.on_restart = on_restart,
	.on_mss = on_mss };
