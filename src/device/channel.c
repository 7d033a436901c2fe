/* One direction of an impaired path.
 *
 * A frame meets, in the order of a real path: a black hole for packets above an MTU, a drop-tail
 * queue (with ECN marking above a threshold) in front of a link of some rate, a blackout at the
 * moment when its last byte leaves, loss, duplication, damage, and the delay. Everything is decided
 * when the frame is put in: the queue is not stored but computed, since a queue in front of a
 * constant rate is known by the time at which its last byte leaves (busy_until). What is stored is
 * a heap of frames by arrival time.
 *
 * Deterministic: all dice come from one generator, thrown only for impairments that are on, and
 * time is what the caller says. Bounded: L4_CHAN_FRAMES_MAX frames and L4_CHAN_BYTES_MAX bytes of
 * buffers, beyond which frames are dropped and counted as by a full queue. */
#include "device/channel.h"

#include <layer4/checksum.h>

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

#define QUEUE_FRAMES  256           /* default queue, in full frames */
#define REORDER_DELAY (5 * L4_MSEC) /* when none is given */

void l4_chan_init(struct l4_chan *c, enum l4_medium medium, uint32_t mtu,
    const struct l4_impair *im, uint64_t seed)
{
	memset(c, 0, sizeof *c);
	c->im = *im;
	c->medium = medium;
	c->buf_size = mtu + L4_CHAN_ROOM;
	l4_rng_init_u64(&c->rng, seed);
}

void l4_chan_fini(struct l4_chan *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		free(c->heap[i].data);
	for (uint32_t i = 0; i < c->n_spare; i++)
		free(c->spare[i]);
	free(c->heap);
	free(c->spare);
	memset(c, 0, sizeof *c);
}

uint8_t *l4_chan_reserve(struct l4_chan *c)
{
	if (c->n_spare)
		return c->spare[--c->n_spare];
	if (c->n_bufs * c->buf_size >= L4_CHAN_BYTES_MAX)
		return NULL;
	uint8_t *b = malloc(c->buf_size);
	if (b)
		c->n_bufs++;
	return b;
}

void l4_chan_release(struct l4_chan *c, uint8_t *buf)
{
	if (c->n_spare == c->cap_spare) {
		uint32_t cap = c->cap_spare ? 2 * c->cap_spare : 64;
		uint8_t **p = realloc(c->spare, cap * sizeof *p);
		if (!p) {
			free(buf);
			c->n_bufs--;
			return;
		}
		c->spare = p;
		c->cap_spare = cap;
	}
	c->spare[c->n_spare++] = buf;
}

/* True with probability p; draws nothing when p is 0. */
static bool chance(struct l4_chan *c, double p)
{
	return p > 0 && l4_rng_unit(&c->rng) < p;
}

/* --- The heap --- */

static bool before(const struct l4_chan_frame *a, const struct l4_chan_frame *b)
{
	return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static bool heap_push(struct l4_chan *c, struct l4_chan_frame f)
{
	if (c->n == c->cap) {
		uint32_t cap = c->cap ? 2 * c->cap : 64;
		if (cap > L4_CHAN_FRAMES_MAX)
			return false;
		struct l4_chan_frame *p = realloc(c->heap, cap * sizeof *p);
		if (!p)
			return false;
		c->heap = p;
		c->cap = cap;
	}
	uint32_t i = c->n++;
	while (i && before(&f, &c->heap[(i - 1) / 2])) {
		c->heap[i] = c->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	c->heap[i] = f;
	return true;
}

static struct l4_chan_frame heap_pop(struct l4_chan *c)
{
	struct l4_chan_frame top = c->heap[0], f = c->heap[--c->n];
	uint32_t i = 0;
	for (;;) {
		uint32_t k = 2 * i + 1;
		if (k >= c->n)
			break;
		if (k + 1 < c->n && before(&c->heap[k + 1], &c->heap[k]))
			k++;
		if (!before(&c->heap[k], &f))
			break;
		c->heap[i] = c->heap[k];
		i = k;
	}
	c->heap[i] = f;
	return top;
}

/* --- What happens to a frame --- */

static uint32_t l3_offset(const struct l4_chan *c, const uint8_t *p, uint32_t len)
{
	if (c->medium == L4_MEDIUM_IP)
		return 0;
	uint32_t off = 14;
	while (off <= 22 && len >= off && l4_get_u16(p + off - 2) == 0x8100)
		off += 4;
	return off;
}

/* Marks CE when the packet says that its ends understand it (RFC 3168 5: ECT(0), ECT(1)). */
static bool mark_ce(const struct l4_chan *c, uint8_t *p, uint32_t len)
{
	uint32_t off = l3_offset(c, p, len);
	if (len < off + 20)
		return false;
	uint8_t *ip = p + off;
	if (ip[0] >> 4 == 4) {
		if (!(ip[1] & 3))
			return false;
		uint16_t was, is, sum;
		memcpy(&was, ip, 2);
		ip[1] |= 3;
		memcpy(&is, ip, 2);
		memcpy(&sum, ip + 10, 2);
		sum = l4_csum_update16(sum, was, is);
		memcpy(ip + 10, &sum, 2);
		return true;
	}
	if (ip[0] >> 4 != 6 || !(ip[1] & 0x30))
		return false;
	ip[1] |= 0x30;
	return true;
}

static uint64_t backlog(const struct l4_chan *c, l4_time now)
{
	uint64_t rate = c->im.rate_bytes_per_s;
	if (!rate || c->busy_until <= now)
		return 0;
	uint64_t ns = c->busy_until - now;
	if (ns > UINT64_MAX / rate)
		return UINT64_MAX / 1000000000;
	return (ns * rate + 999999999) / 1000000000;
}

/* Queue and rate. Returns when the last byte leaves, or L4_TIME_NEVER for a full queue. */
static l4_time enqueue(struct l4_chan *c, uint8_t *buf, uint32_t len, l4_time now)
{
	uint64_t rate = c->im.rate_bytes_per_s;
	if (!rate)
		return now;
	uint64_t queued = backlog(c, now);
	uint64_t limit =
	    c->im.queue_bytes ? c->im.queue_bytes : (uint64_t)QUEUE_FRAMES * c->buf_size;
	if (queued && queued + len > limit)
		return L4_TIME_NEVER;
	if (c->im.ecn_threshold_bytes && queued > c->im.ecn_threshold_bytes && mark_ce(c, buf, len))
		c->stats.marked_ce++;
	if (queued + len > c->stats.queue_bytes_max)
		c->stats.queue_bytes_max = queued + len;
	if (c->busy_until < now) {
		c->busy_until = now;
		c->busy_rest = 0;
	}
	c->delay_sum_s += (double)(c->busy_until - now) * 1e-9;
	c->delay_n++;
	uint64_t t = (uint64_t)len * 1000000000 + c->busy_rest;
	c->busy_until += t / rate;
	c->busy_rest = t % rate;
	return c->busy_until;
}

/* Gilbert-Elliott: all frames are lost in the bad state. The chances to leave (1 / burst_len) and
 * to enter it follow from mean loss and mean burst. */
static bool burst(struct l4_chan *c)
{
	const struct l4_impair *im = &c->im;
	if (im->burst_loss <= 0)
		return false;
	double leave = im->burst_len > 1 ? 1 / im->burst_len : 1;
	double enter = im->burst_loss >= 1 ? 1 : leave * im->burst_loss / (1 - im->burst_loss);
	c->in_burst = c->in_burst ? !chance(c, leave) : chance(c, enter);
	return c->in_burst;
}

/* Sends a buffer on its way from `depart`. */
static void fly(struct l4_chan *c, uint8_t *buf, uint32_t len, l4_time depart)
{
	const struct l4_impair *im = &c->im;
	if (chance(c, im->corrupt) && len) {
		uint64_t bit = l4_rng_below(&c->rng, (uint64_t)len * 8);
		buf[bit / 8] ^= (uint8_t)(1u << (bit & 7));
		c->stats.corrupted++;
	}
	l4_time at = depart + im->delay;
	if (im->jitter)
		at += l4_rng_below(&c->rng, im->jitter + 1);
	if (chance(c, im->reorder)) {
		l4_time late = im->reorder_delay ? im->reorder_delay : REORDER_DELAY;
		at += 1 + l4_rng_below(&c->rng, late);
		c->stats.reordered++;
	} else {
		if (at < c->last_arrival)
			at = c->last_arrival;
		c->last_arrival = at;
	}
	struct l4_chan_frame f = { .data = buf, .len = len, .at = at, .serial = c->serial++ };
	if (!heap_push(c, f)) {
		c->stats.queue_dropped++;
		l4_chan_release(c, buf);
	}
}

void l4_chan_push(struct l4_chan *c, uint8_t *buf, uint32_t len, l4_time now)
{
	const struct l4_impair *im = &c->im;
	if (now < c->now)
		now = c->now;
	c->now = now;
	c->stats.sent++;
	bool lost = im->mtu && len > l3_offset(c, buf, len) + im->mtu;
	l4_time depart = now;
	if (!lost) {
		depart = enqueue(c, buf, len, now);
		if (depart == L4_TIME_NEVER) {
			c->stats.queue_dropped++;
			l4_chan_release(c, buf);
			return;
		}
		lost = depart >= im->blackout_from && depart < im->blackout_to;
	}
	bool in_burst = burst(c);
	if (lost || in_burst || chance(c, im->loss)) {
		c->stats.lost++;
		l4_chan_release(c, buf);
		return;
	}
	uint8_t *twin = NULL;
	if (chance(c, im->duplicate) && (twin = l4_chan_reserve(c)))
		memcpy(twin, buf, len);
	fly(c, buf, len, depart);
	if (twin) {
		c->stats.duplicated++;
		fly(c, twin, len, depart);
	}
}

void l4_chan_send(struct l4_chan *c, const struct l4_frame *f, l4_time now)
{
	struct l4_gso g;
	if (f->time > now)
		now = f->time;
	l4_gso_begin(&g, f);
	for (;;) {
		uint8_t *buf = l4_chan_reserve(c);
		if (!buf) {
			uint32_t left = l4_gso_parts(f) - g.part;
			c->stats.sent += left;
			c->stats.queue_dropped += left;
			return;
		}
		int n = l4_gso_next(&g, buf, c->buf_size);
		if (n <= 0) {
			l4_chan_release(c, buf);
			if (n < 0) { /* too large for the link, or nonsense */
				c->stats.sent++;
				c->stats.lost++;
			}
			return;
		}
		l4_chan_push(c, buf, (uint32_t)n, now);
	}
}

const struct l4_chan_frame *l4_chan_peek(const struct l4_chan *c, l4_time now)
{
	return c->n && c->heap[0].at <= now ? &c->heap[0] : NULL;
}

bool l4_chan_pop(struct l4_chan *c, l4_time now, struct l4_chan_frame *out)
{
	if (!l4_chan_peek(c, now))
		return false;
	*out = heap_pop(c);
	c->stats.delivered++;
	c->stats.bytes_delivered += out->len;
	if (now > c->now)
		c->now = now;
	return true;
}

l4_time l4_chan_deadline(const struct l4_chan *c)
{
	return c->n ? c->heap[0].at : L4_TIME_NEVER;
}

void l4_chan_stats(const struct l4_chan *c, struct l4_link_stats *out)
{
	*out = c->stats;
	out->queue_bytes_now = backlog(c, c->now);
	out->queue_delay_mean_s = c->delay_n ? c->delay_sum_s / (double)c->delay_n : 0;
}
