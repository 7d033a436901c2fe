/* How fast to send, how long to wait, how often to ask again.
 *
 * Rate. Tokens accrue at `rate` packets per second. Each epoch looks at the answers that came: one
 * to a second or later attempt proves that the earlier ones, or their answers, were lost. Without
 * more loss than usual the rate grows by half; with more it is halved. If the loss is then the
 * same, it does not come from our rate (a lossy link): the loss becomes the usual one and the rate
 * returns. Packets that our own receiver had no room for halve the rate at once.
 *
 * Waiting. RFC 6298's estimator over round trips of first attempts, SRTT + 4 * RTTVAR, not below a
 * floor that forgives a busy machine, not above three seconds, doubled from the third attempt on.
 *
 * Asking again. With a share p of lost attempts, k attempts miss a port that would have answered
 * with chance p^k; k is the least that makes this a millionth. p is estimated from the answers,
 * starting from a belief of 5 % worth of twenty answers. */
#include <math.h>
#include <string.h>

#include "cli/scan.h"

#define EPOCH_NS       (20 * L4_MSEC)
#define EPOCH_ANSWERS  100
#define TIMEOUT_FIRST  L4_SEC
#define TIMEOUT_MIN    (60 * L4_MSEC)
#define TIMEOUT_MAX    (3 * L4_SEC)
#define RATE_START     50000.0
#define RATE_MIN       50.0
#define MISS_CHANCE    1e-6
#define PRIOR_ANSWERS  20.0
#define PRIOR_LOST     1.0
#define BURST_S        0.004 /* tokens kept at most, in seconds of sending */
#define LOSS_TOLERANCE 0.02

void scan_rate_init(
    struct scan_rate *r, double max, unsigned attempts_max, l4_time timeout, l4_time now)
{
	memset(r, 0, sizeof *r);
	r->max = max > 0 ? max : 1e9;
	r->rate = r->max < RATE_START ? r->max : RATE_START;
	r->last = r->epoch = now;
	r->attempts_max = attempts_max < 1                   ? 1
			  : attempts_max > SCAN_ATTEMPTS_MAX ? SCAN_ATTEMPTS_MAX
							     : attempts_max;
	r->timeout = timeout;
}

unsigned scan_rate_take(struct scan_rate *r, l4_time now, unsigned want)
{
	double burst = r->rate * BURST_S;
	if (burst < 1)
		burst = 1;
	r->tokens += (double)(now - r->last) / 1e9 * r->rate;
	r->last = now;
	if (r->tokens > burst)
		r->tokens = burst;
	unsigned n = r->tokens < want ? (unsigned)r->tokens : want;
	r->tokens -= n;
	return n;
}

void scan_rate_on_rtt(struct scan_rate *r, l4_time rtt)
{
	double x = (double)rtt;
	if (r->srtt == 0) {
		r->srtt = x;
		r->rttvar = x / 2;
		return;
	}
	double d = x > r->srtt ? x - r->srtt : r->srtt - x;
	r->rttvar += (d - r->rttvar) / 4;
	r->srtt += (x - r->srtt) / 8;
}

void scan_rate_on_answer(struct scan_rate *r, unsigned attempt)
{
	r->answered++;
	r->epoch_answered++;
	r->lost += attempt - 1;
	r->epoch_lost += attempt - 1;
}

void scan_rate_on_drops(struct scan_rate *r, uint64_t n)
{
	r->epoch_drops += n;
}

static void cut(struct scan_rate *r, double loss)
{
	r->cut_loss = loss;
	r->cut_rate = r->rate;
	r->rate = r->rate / 2 > RATE_MIN ? r->rate / 2 : RATE_MIN;
}

void scan_rate_update(struct scan_rate *r, l4_time now)
{
	if (now - r->epoch < EPOCH_NS)
		return;
	if (r->epoch_drops) {
		/* Our own room: not a matter of estimates. */
		cut(r, 1);
		r->cut_rate = 0;
	} else if (r->epoch_answered + r->epoch_lost < EPOCH_ANSWERS && r->epoch_lost == 0) {
		/* Nothing speaks against more, but little speaks for it. */
		if (now - r->epoch < 5 * EPOCH_NS)
			return;
	} else {
		double loss = (double)r->epoch_lost / (double)(r->epoch_answered + r->epoch_lost);
		if (r->epoch_answered < EPOCH_ANSWERS && now - r->epoch < 10 * EPOCH_NS)
			return;
		if (loss <= r->base_loss + LOSS_TOLERANCE) {
			r->rate *= 1.5;
			r->cut_rate = 0;
		} else if (r->cut_rate > 0 && loss > 0.7 * r->cut_loss) {
			r->base_loss = loss > r->base_loss ? loss : r->base_loss;
			r->rate = r->cut_rate;
			r->cut_rate = 0;
		} else {
			cut(r, loss);
		}
	}
	if (r->rate > r->max)
		r->rate = r->max;
	r->epoch = now;
	r->epoch_answered = r->epoch_lost = r->epoch_drops = 0;
}

l4_time scan_rate_timeout(const struct scan_rate *r, unsigned attempt)
{
	double t = r->srtt > 0 ? r->srtt + 4 * r->rttvar : (double)TIMEOUT_FIRST;
	if (r->timeout)
		return r->timeout;
	if (t < (double)TIMEOUT_MIN)
		t = (double)TIMEOUT_MIN;
	if (attempt > 2)
		t *= 2;
	return t > (double)TIMEOUT_MAX ? TIMEOUT_MAX : (l4_time)t;
}

unsigned scan_rate_attempts(const struct scan_rate *r)
{
	double p =
	    ((double)r->lost + PRIOR_LOST) / ((double)(r->answered + r->lost) + PRIOR_ANSWERS);
	unsigned k = 2;
	if (p > 0.9)
		p = 0.9;
	for (double miss = p * p; miss > MISS_CHANCE && k < r->attempts_max; k++)
		miss *= p;
	return k < r->attempts_max ? k : r->attempts_max;
}
