/* How fast to send, how long to wait, how often to ask again.
 *
 * Rate. Tokens accrue at `rate` packets per second. Once an epoch (some round trips) the answers
 * are weighed. Since the order of probes is random, the share of probes that are answered is the
 * same at any time; so when it falls below what it was, or when answers come to second or later
 * attempts, packets are being lost. Without more loss than usual the rate doubles at first and
 * later grows by half; with more it is halved. If the loss is then the same, it does not come from
 * our rate (a lossy link): it becomes the usual one and the rate returns. Packets that our own
 * receiver had no room for halve the rate at once. Where nothing answers there is nothing to learn
 * from, and the rate grows slowly.
 *
 * Waiting. RFC 6298's estimator over round trips of first attempts, SRTT + 4 * RTTVAR, not below a
 * floor that forgives a busy machine, not above three seconds, doubled from the third attempt on.
 *
 * Asking again. With a share p of lost attempts, k attempts miss a port that would have answered
 * with chance p^k. k is the least that makes one port wrong among a thousand whole scans, that is
 * answers * p^k <= 0.001. p is estimated from the answers, starting from a belief of 5 % worth of
 * twenty answers. */
#include <string.h>

#include "cli/scan.h"

#define EPOCH_MIN      L4_MSEC
#define EPOCH_MAX      (100 * L4_MSEC)
#define EPOCH_QUIET    (20 * L4_MSEC) /* between steps up while nothing answers */
#define EPOCH_PACKETS  100            /* the least that an epoch is judged by */
#define TIMEOUT_FIRST  L4_SEC
#define TIMEOUT_MIN    (60 * L4_MSEC)
#define TIMEOUT_MAX    (3 * L4_SEC)
#define RATE_START     50000.0
#define RATE_MIN       50.0
#define WRONG_EXPECTED 1e-3
#define PRIOR_ANSWERS  20.0
#define PRIOR_LOST     1.0
#define BURST_S        0.004 /* tokens kept at most, in seconds of sending */
#define LOSS_TOLERANCE 0.02
#define IN_HAND        512.0 /* two workers' batches */

void scan_rate_init(
    struct scan_rate *r, double max, unsigned attempts_max, l4_time timeout, l4_time now)
{
	memset(r, 0, sizeof *r);
	r->max = max > 0 ? max : 1e9;
	r->rate = r->max < RATE_START ? r->max : RATE_START;
	r->last = r->epoch = now;
	r->slow_start = true;
	r->tokens = r->rate * BURST_S;
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
	r->epoch_sent += n;
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

void scan_rate_on_answers(struct scan_rate *r, uint64_t n, uint64_t lost)
{
	r->answered += n;
	r->epoch_answered += n;
	r->lost += lost;
	r->epoch_lost += lost;
}

void scan_rate_on_answer(struct scan_rate *r, unsigned attempt)
{
	scan_rate_on_answers(r, 1, attempt - 1);
}

void scan_rate_on_unused(struct scan_rate *r, unsigned n)
{
	r->tokens += n;
	r->epoch_sent -= n;
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
	r->slow_start = false;
}

/* The loss that this epoch shows: by attempts that were not answered though a later one was, and
 * by the share of answers falling. */
static double loss_of_epoch(struct scan_rate *r)
{
	double by_attempts = (double)r->epoch_lost / (double)(r->epoch_answered + r->epoch_lost);
	/* What has just been sent, or heard and not yet told, is neither lost nor won. */
	double late =
	    r->epoch_answered < r->epoch_sent ? (double)(r->epoch_sent - r->epoch_answered) : 0;
	late = late < IN_HAND ? late : IN_HAND;
	double share = ((double)r->epoch_answered + late) / (double)r->epoch_sent;
	double by_share = 0;
	if (share > r->share)
		r->share = share < 1 ? share : 1;
	else if (r->share > 0)
		by_share = 1 - share / r->share;
	/* The best share seen may have been luck, or the targets differ: it fades. */
	r->share -= (r->share - share) / 16;
	/* Answers to what was sent in this epoch's last round trip are still to come. */
	if (by_share < 0.25)
		by_share = 0;
	return by_attempts > by_share ? by_attempts : by_share;
}

static void step(struct scan_rate *r, l4_time age)
{
	/* Above twice of what this machine could send the rate says nothing more. */
	bool used = (double)r->epoch_sent * 2e9 > r->rate * (double)age;
	double loss = loss_of_epoch(r);
	if (loss <= r->base_loss + LOSS_TOLERANCE) {
		r->rate *= !used ? 1 : r->slow_start ? 2 : 1.5;
		r->cut_rate = 0;
	} else if (r->cut_rate > 0 && loss > 0.7 * r->cut_loss) {
		r->base_loss = loss > r->base_loss ? loss : r->base_loss;
		r->rate = r->cut_rate;
		r->cut_rate = 0;
	} else {
		cut(r, loss);
	}
}

void scan_rate_update(struct scan_rate *r, l4_time now)
{
	l4_time age = now - r->epoch;
	l4_time length = (l4_time)(4 * (r->srtt + 4 * r->rttvar));
	length = length < EPOCH_MIN ? EPOCH_MIN : length > EPOCH_MAX ? EPOCH_MAX : length;
	if (r->epoch_drops) {
		/* Our own room: not a matter of estimates. */
		cut(r, 1);
		r->cut_rate = 0;
	} else if (age < length || r->epoch_sent < EPOCH_PACKETS) {
		return;
	} else if (r->epoch_answered) {
		step(r, age);
	} else if (age >= EPOCH_QUIET && age >= length) {
		r->rate *= 1.25;
	} else {
		return;
	}
	if (r->rate > r->max)
		r->rate = r->max;
	r->epoch = now;
	r->epoch_answered = r->epoch_lost = r->epoch_drops = r->epoch_sent = 0;
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
	double answers = (double)r->answered + PRIOR_ANSWERS;
	double p = ((double)r->lost + PRIOR_LOST) / (answers + (double)r->lost);
	unsigned k = 2;
	if (p > 0.9)
		p = 0.9;
	for (double wrong = answers * p * p; wrong > WRONG_EXPECTED && k < r->attempts_max; k++)
		wrong *= p;
	return k < r->attempts_max ? k : r->attempts_max;
}
