/* BBR version 1: the window and the rate follow a model of the path, not its losses
 * (draft-cardwell-iccrg-bbr-congestion-control-00).
 *
 * The model: the bottleneck's bandwidth is the largest delivery rate of the last ten round trips,
 * the path's delay the least RTT of the last ten seconds. Modes: STARTUP doubles the rate each
 * round until it no longer grows; DRAIN empties the queue that made; PROBE_BW cycles the pacing
 * gain through 1.25, 0.75 and six rounds of 1; PROBE_RTT drops to four segments for 200 ms when the
 * least RTT is old. Gains are fractions of 256. */
#include "tcp/cc.h"

enum { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

#define UNIT          256u
#define HIGH_GAIN     739u /* 2 / ln 2 */
#define DRAIN_GAIN    88u  /* its inverse */
#define CWND_GAIN     512u
#define BW_ROUNDS     10u
#define MIN_RTT_SPAN  (10 * L4_SEC)
#define PROBE_RTT_FOR (200 * L4_MSEC)
#define MIN_CWND      4u
#define CYCLE         8u

static const uint16_t cycle_gain[CYCLE] = { 320, 192, 256, 256, 256, 256, 256, 256 };

/* Windowed maximum of three samples by round (Kathleen Nichols' streaming filter). */
static void bw_update(struct l4_cc_bbr *b, uint64_t bw)
{
	uint32_t r = b->round;
	if (bw >= b->bw[0] || r - b->bw_round[2] > BW_ROUNDS) {
		for (int i = 0; i < 3; i++) {
			b->bw[i] = bw;
			b->bw_round[i] = r;
		}
		return;
	}
	if (bw >= b->bw[1]) {
		b->bw[1] = b->bw[2] = bw;
		b->bw_round[1] = b->bw_round[2] = r;
	} else if (bw >= b->bw[2]) {
		b->bw[2] = bw;
		b->bw_round[2] = r;
	}
	if (r - b->bw_round[0] > BW_ROUNDS) { /* the best is too old: the next takes its place */
		b->bw[0] = b->bw[1];
		b->bw_round[0] = b->bw_round[1];
		b->bw[1] = b->bw[2];
		b->bw_round[1] = b->bw_round[2];
		b->bw[2] = bw;
		b->bw_round[2] = r;
		if (r - b->bw_round[0] > BW_ROUNDS) {
			b->bw[0] = b->bw[1];
			b->bw_round[0] = b->bw_round[1];
			b->bw[1] = b->bw[2];
			b->bw_round[1] = b->bw_round[2];
		}
	} else if (b->bw_round[1] == b->bw_round[0] && r - b->bw_round[1] > BW_ROUNDS / 4) {
		b->bw[1] = b->bw[2] = bw;
		b->bw_round[1] = b->bw_round[2] = r;
	} else if (b->bw_round[2] == b->bw_round[1] && r - b->bw_round[2] > BW_ROUNDS / 2) {
		b->bw[2] = bw;
		b->bw_round[2] = r;
	}
}

static uint32_t target_cwnd(const struct l4_tcp *c, uint64_t gain)
{
	const struct l4_cc_bbr *b = &c->ccs.bbr;
	if (!b->min_rtt || b->min_rtt == L4_TIME_NEVER || !b->bw[0])
		return c->ts->cfg.initial_window;
	double bdp = (double)b->bw[0] * (double)b->min_rtt / 1e9 / c->snd_mss;
	double w = bdp * (double)gain / UNIT;
	if (w > 1e9)
		w = 1e9;
	uint32_t n = (uint32_t)(w + 0.999);
	n += 3 * (c->path.tso ? 4 : 1); /* room for bursts and delayed ACKs */
	if (b->mode == PROBE_BW && b->cycle_index == 0)
		n += 2;
	return n > MIN_CWND ? n : MIN_CWND;
}

static void set_rate(struct l4_tcp *c, uint64_t bw, uint64_t gain)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	/* one per cent below, so that no queue stands */
	uint64_t rate = l4_clamp_u64((double)bw * (double)gain / UNIT * 0.99 * (c->snd_mss + 52.0) /
				     (c->snd_mss ? c->snd_mss : 1));
	if (rate > c->opt_max_pacing)
		rate = c->opt_max_pacing;
	if (b->full_reached || rate > c->pacing_rate)
		c->pacing_rate = rate;
}

static void first_rate(struct l4_tcp *c)
{
	l4_time rtt = c->srtt ? c->srtt : L4_MSEC;
	uint64_t bw = l4_clamp_u64((double)c->cwnd * c->snd_mss * 1e9 / (double)rtt);
	set_rate(c, bw, HIGH_GAIN);
}

static void init(struct l4_tcp *c, l4_time now)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	memset(b, 0, sizeof *b);
	b->min_rtt = L4_TIME_NEVER;
	b->min_rtt_stamp = now;
	b->mode = STARTUP;
	b->pacing_gain = b->cwnd_gain = HIGH_GAIN;
	c->paces = true;
}

static void enter_probe_bw(struct l4_tcp *c, l4_time now)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	b->mode = PROBE_BW;
	b->cwnd_gain = CWND_GAIN;
	/* any phase but the draining one, drawn so that flows do not march in step */
	b->cycle_index = (uint8_t)((2 + c->ts->env.random(c->ts->env.ctx) % (CYCLE - 1)) % CYCLE);
	if (b->cycle_index == 1)
		b->cycle_index = 2;
	b->pacing_gain = cycle_gain[b->cycle_index];
	b->cycle_stamp = now;
}

static void update_bw(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	b->round_start = false;
	if (!a->rate_delivered)
		return;
	if (a->prior_delivered >= b->next_round_delivered) {
		b->next_round_delivered = c->delivered;
		b->round++;
		b->round_start = true;
		b->conserve = false;
	}
	if (a->rate && (!a->rate_app_limited || a->rate >= b->bw[0]))
		bw_update(b, a->rate);
}

static void update_cycle(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	if (b->mode != PROBE_BW)
		return;
	bool full = a->now - b->cycle_stamp > b->min_rtt;
	bool next;
	if (b->pacing_gain == UNIT)
		next = full;
	else if (b->pacing_gain > UNIT)
		next = full && (a->lost || a->in_flight >= target_cwnd(c, b->pacing_gain));
	else
		next = full || a->in_flight <= target_cwnd(c, UNIT);
	if (!next)
		return;
	b->cycle_index = (uint8_t)((b->cycle_index + 1) % CYCLE);
	b->cycle_stamp = a->now;
	b->pacing_gain = cycle_gain[b->cycle_index];
}

static void check_full(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	if (b->full_reached || !b->round_start || a->rate_app_limited)
		return;
	if (b->bw[0] >= b->full_bw + b->full_bw / 4) {
		b->full_bw = b->bw[0];
		b->full_bw_count = 0;
		return;
	}
	if (++b->full_bw_count >= 3)
		b->full_reached = true;
}

static void update_min_rtt(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	bool expired = a->now > b->min_rtt_stamp + MIN_RTT_SPAN;
	if (a->rtt_newest && (a->rtt_newest < b->min_rtt || expired)) {
		b->min_rtt = a->rtt_newest;
		b->min_rtt_stamp = a->now;
	}
	if (expired && !b->idle_restart && b->mode != PROBE_RTT) {
		b->mode = PROBE_RTT;
		b->pacing_gain = b->cwnd_gain = UNIT;
		b->prior_cwnd = c->cwnd > b->prior_cwnd ? c->cwnd : b->prior_cwnd;
		b->probe_rtt_done = 0;
	}
	if (b->mode == PROBE_RTT) {
		c->app_limited = c->delivered + l4_in_flight(c);
		if (!c->app_limited)
			c->app_limited = 1;
		if (!b->probe_rtt_done && l4_in_flight(c) <= MIN_CWND) {
			b->probe_rtt_done = a->now + PROBE_RTT_FOR;
			b->probe_rtt_round_done = false;
			b->next_round_delivered = c->delivered;
		} else if (b->probe_rtt_done) {
			if (b->round_start)
				b->probe_rtt_round_done = true;
			if (b->probe_rtt_round_done && a->now > b->probe_rtt_done) {
				b->min_rtt_stamp = a->now;
				if (b->prior_cwnd > c->cwnd)
					c->cwnd = b->prior_cwnd;
				if (b->full_reached) {
					enter_probe_bw(c, a->now);
				} else {
					b->mode = STARTUP;
					b->pacing_gain = b->cwnd_gain = HIGH_GAIN;
				}
			}
		}
	}
	if (a->delivered)
		b->idle_restart = false;
}

static void set_cwnd(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	uint32_t target = target_cwnd(c, b->cwnd_gain), w = c->cwnd;
	uint8_t was = b->prev_ca_state;
	b->prev_ca_state = c->ca_state;
	if (a->delivered) {
		w = w > a->lost ? w - a->lost : 1;
		if (c->ca_state == L4_CA_RECOVERY && was != L4_CA_RECOVERY) {
			/* one round of conservation: what is lost is not made up for */
			b->conserve = true;
			b->next_round_delivered = c->delivered;
			w = l4_in_flight(c) + a->delivered;
		} else if (was >= L4_CA_RECOVERY && c->ca_state < L4_CA_RECOVERY) {
			b->conserve = false;
			if (b->prior_cwnd > w)
				w = b->prior_cwnd;
		}
		if (b->conserve) {
			uint32_t f = l4_in_flight(c) + a->delivered;
			w = w > f ? w : f;
		} else if (b->full_reached) {
			w = w + a->delivered < target ? w + a->delivered : target;
		} else if (w < target || c->delivered < c->ts->cfg.initial_window) {
			w += a->delivered;
		}
	}
	if (w < MIN_CWND)
		w = MIN_CWND;
	if (b->mode == PROBE_RTT && w > MIN_CWND)
		w = MIN_CWND;
	c->cwnd = w;
}

static void on_ack(struct l4_tcp *c, const struct l4_ack *a)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	if (!c->pacing_rate)
		first_rate(c);
	update_bw(c, a);
	update_cycle(c, a);
	check_full(c, a);
	if (b->mode == STARTUP && b->full_reached) {
		b->mode = DRAIN;
		b->pacing_gain = DRAIN_GAIN;
		b->cwnd_gain = HIGH_GAIN;
	}
	if (b->mode == DRAIN && l4_in_flight(c) <= target_cwnd(c, UNIT))
		enter_probe_bw(c, a->now);
	update_min_rtt(c, a);
	if (b->bw[0])
		set_rate(c, b->bw[0], b->pacing_gain);
	set_cwnd(c, a);
	if (c->ts->env.trace && b->round_start)
		l4_tcp_trace(c, L4_TRACE_TCP_CC, 0, b->mode, (int64_t)b->bw[0], (int64_t)b->min_rtt,
		    (int64_t)b->pacing_gain);
}

static uint32_t ssthresh(struct l4_tcp *c)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	if (b->prev_ca_state < L4_CA_RECOVERY && b->mode != PROBE_RTT)
		b->prior_cwnd = c->cwnd;
	else if (c->cwnd > b->prior_cwnd)
		b->prior_cwnd = c->cwnd;
	return c->ssthresh; /* not used */
}

static void on_state(struct l4_tcp *c, uint8_t state)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	if (state == L4_CA_LOSS) {
		b->prev_ca_state = L4_CA_LOSS;
		b->full_bw = 0;
		b->round_start = true;
		b->conserve = false;
	}
}

static uint32_t undo(struct l4_tcp *c)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	b->full_bw = 0;
	b->full_bw_count = 0;
	return b->prior_cwnd > c->cwnd ? b->prior_cwnd : c->cwnd;
}

static void on_restart(struct l4_tcp *c, l4_time now)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	(void)now;
	if (!c->app_limited)
		return;
	b->idle_restart = true;
	if (b->mode == PROBE_BW && b->bw[0])
		set_rate(c, b->bw[0], UNIT);
}

static void on_mss(struct l4_tcp *c, double factor)
{
	struct l4_cc_bbr *b = &c->ccs.bbr;
	b->prior_cwnd = (uint32_t)(b->prior_cwnd * factor);
}

const struct l4_cc_ops l4_cc_bbr = { .name = "bbr",
	.full_control = true,
	.paces = true,
	.init = init,
	.on_ack = on_ack,
	.ssthresh = ssthresh,
	.on_state = on_state,
	.undo = undo,
	.on_restart = on_restart,
	.on_mss = on_mss };
