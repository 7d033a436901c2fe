/* One flow of l4 bench: bytes one way, or requests and answers; the words of its protocol.
 *
 * A flow is pumped when something happened to it or when its pace lets it go on. It moves until it
 * would block or a bound is reached (then `more` is set), so that many flows are served alike and
 * the clock is looked at. The same code is the client's and the server's. */
#include "cli/bench.h"

#include <layer4/err.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN   (1u << 20)      /* bytes a flow moves before others have their turn */
#define BURST  64              /* datagrams, or transactions */
#define RESEND (200 * L4_MSEC) /* a request, or what opens the way, over UDP */
#define SLACK  (10 * L4_MSEC)  /* what a paced sender may be behind and make good at once */

/* --- words --- */

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

void bench_dgram_emit(uint8_t out[BENCH_DGRAM], const struct bench_dgram *d)
{
	memcpy(out, "l4bu", 4);
	put(out + 4, d->flow, 2);
	put(out + 6, d->kind, 2);
	put(out + 8, d->id, 8);
	put(out + 16, d->serial, 8);
	put(out + 24, d->time, 8);
}

bool bench_dgram_parse(struct bench_dgram *d, const uint8_t *p, size_t len)
{
	if (len < BENCH_DGRAM || memcmp(p, "l4bu", 4) != 0)
		return false;
	d->flow = (uint16_t)get(p + 4, 2);
	d->kind = (uint16_t)get(p + 6, 2);
	d->id = get(p + 8, 8);
	d->serial = get(p + 16, 8);
	d->time = get(p + 24, 8);
	return d->kind <= BENCH_D_ANSWER;
}

void bench_preamble_emit(uint8_t out[BENCH_PREAMBLE], uint64_t id, unsigned flow)
{
	memcpy(out, "l4bd", 4);
	put(out + 4, flow, 4);
	put(out + 8, id, 8);
}

bool bench_preamble_parse(const uint8_t in[BENCH_PREAMBLE], uint64_t *id, unsigned *flow)
{
	*flow = (unsigned)get(in + 4, 4);
	*id = get(in + 8, 8);
	return memcmp(in, "l4bd", 4) == 0;
}

size_t bench_test_format(const struct bench_test *t, char *line, size_t cap)
{
	static const char *const modes[] = { "bulk", "rr", "crr" };
	int n = snprintf(line, cap,
	    "l4bench 1 id=%016" PRIx64 " mode=%s udp=%d up=%d down=%d streams=%u len=%u"
	    " rate=%" PRIu64 " bytes=%" PRIu64 " time=%" PRIu64 " window=%u\n",
	    t->id, modes[t->mode], t->udp, t->up, t->down, t->streams, t->len, t->rate_bps,
	    t->bytes, t->time, t->window);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

bool bench_test_parse(struct bench_test *t, const char *line)
{
	char mode[8];
	unsigned udp, up, down;
	int end = 0;
	memset(t, 0, sizeof *t);
	if (sscanf(line,
		"l4bench 1 id=%16" SCNx64 " mode=%7s udp=%1u up=%1u down=%1u streams=%6u len=%8u"
		" rate=%18" SCNu64 " bytes=%18" SCNu64 " time=%18" SCNu64 " window=%10u%n",
		&t->id, mode, &udp, &up, &down, &t->streams, &t->len, &t->rate_bps, &t->bytes,
		&t->time, &t->window, &end) != 11 ||
	    line[end])
		return false;
	if (!strcmp(mode, "bulk"))
		t->mode = BENCH_BULK;
	else if (!strcmp(mode, "rr"))
		t->mode = BENCH_RR;
	else if (!strcmp(mode, "crr"))
		t->mode = BENCH_CRR;
	else
		return false;
	t->udp = udp;
	t->up = up;
	t->down = down;
	return t->streams >= 1 && t->streams <= BENCH_STREAMS && t->len >= 1 &&
	       t->len <= BENCH_LEN_MAX && (t->up || t->down) &&
	       (!t->udp || (t->len >= BENCH_DGRAM && t->len <= 65507 && t->mode != BENCH_CRR)) &&
	       (t->mode == BENCH_BULK || !t->down);
}

size_t bench_count_format(const struct bench_count *c, unsigned number, char *line, size_t cap)
{
	int n = snprintf(line, cap,
	    "flow=%u bytes=%" PRIu64 " packets=%" PRIu64 " lost=%" PRIu64 " late=%" PRIu64
	    " ns=%" PRIu64 " jitter=%.0f retrans=%u\n",
	    number, c->bytes, c->packets, c->lost, c->late,
	    c->last > c->first ? c->last - c->first : 0, c->jitter, c->retrans);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

bool bench_count_parse(struct bench_count *c, unsigned *number, const char *line)
{
	memset(c, 0, sizeof *c);
	return sscanf(line,
		   "flow=%6u bytes=%20" SCNu64 " packets=%20" SCNu64 " lost=%20" SCNu64
		   " late=%20" SCNu64 " ns=%20" SCNu64 " jitter=%20lf retrans=%10u",
		   number, &c->bytes, &c->packets, &c->lost, &c->late, &c->last, &c->jitter,
		   &c->retrans) == 8;
}

/* --- latencies: 32 slots for each doubling --- */

static unsigned slot_of(uint64_t ns)
{
	unsigned e = 0;
	while (ns >> e >= 64)
		e++;
	return e * 32 + (unsigned)(ns >> e); /* below 64: itself; above: 32..63 of its power */
}

static uint64_t slot_value(unsigned s)
{
	unsigned e = s < 64 ? 0 : s / 32 - 1;
	uint64_t v = s - e * 32;
	return (v << e) + ((uint64_t)1 << e) / 2;
}

void bench_hist_add(struct bench_hist *h, uint64_t ns)
{
	unsigned s = slot_of(ns);
	h->n++;
	h->sum += ns;
	h->max = ns > h->max ? ns : h->max;
	h->slot[s < 64 * 32 ? s : 64 * 32 - 1]++;
}

uint64_t bench_hist_at(const struct bench_hist *h, double part)
{
	uint64_t want = (uint64_t)((double)h->n * part), n = 0;
	for (unsigned i = 0; i < 64 * 32; i++) {
		n += h->slot[i];
		if (n > want)
			return slot_value(i) < h->max ? slot_value(i) : h->max;
	}
	return h->max;
}

/* --- a flow --- */

void bench_flow_init(struct bench_flow *f, const struct bench_test *t, struct bench_net *n,
    enum bench_role role, unsigned number)
{
	memset(f, 0, sizeof *f);
	f->t = t;
	f->n = n;
	f->h = -1;
	f->role = role;
	f->number = number;
}

static void moved(struct bench_flow *f, size_t bytes, l4_time when)
{
	f->c.bytes += bytes;
	if (!f->c.first)
		f->c.first = when;
	f->c.last = when;
}

/* Bytes that the pace allows by now. */
static uint64_t allowed(const struct bench_flow *f, l4_time now)
{
	if (!f->t->rate_bps)
		return UINT64_MAX;
	double s = (double)(now - f->start) / 1e9;
	return (uint64_t)((double)f->t->rate_bps / 8 * s) + f->t->len;
}

l4_time bench_flow_deadline(const struct bench_flow *f)
{
	if (f->h < 0 || f->stopped || f->done)
		return L4_TIME_NEVER;
	if (f->t->udp && f->resend && f->resend != L4_TIME_NEVER)
		return f->resend;
	if (f->more)
		return 0;
	if (f->role != BENCH_SEND || !f->t->rate_bps || !f->connected)
		return L4_TIME_NEVER;
	/* when one more write fits */
	double s = (double)(f->c.bytes) * 8 / (double)f->t->rate_bps;
	return f->start + (l4_time)(s * 1e9) + 1;
}

static int pump_send(struct bench_flow *f, struct bench_buffer *b)
{
	size_t turn = 0;
	l4_time now = f->n->ops->now(f->n);
	uint64_t may = allowed(f, now);
	while (!f->stopped) {
		size_t n = f->t->len;
		if (f->t->bytes && f->t->bytes - f->c.bytes < n)
			n = (size_t)(f->t->bytes - f->c.bytes);
		if (!n) {
			f->n->ops->shutdown(f->n, f->h);
			f->stopped = true;
			break;
		}
		if (f->t->rate_bps && f->c.bytes + n > may)
			return 0;
		if (turn >= TURN) {
			f->more = true;
			return 0;
		}
		int64_t k = f->n->ops->send(f->n, f->h, b->out, n);
		if (k < 0)
			return k == L4_EAGAIN ? 0 : (int)k;
		moved(f, (size_t)k, now);
		turn += (size_t)k;
	}
	/* the peer closes once it has all */
	int64_t k = f->n->ops->recv(f->n, f->h, b->in, sizeof b->in);
	f->done = k == 0;
	return k < 0 && k != L4_EAGAIN ? (int)k : 0;
}

static int pump_sink(struct bench_flow *f, struct bench_buffer *b)
{
	size_t turn = 0;
	for (;;) {
		if (turn >= TURN) {
			f->more = true;
			return 0;
		}
		int64_t k = f->n->ops->recv(f->n, f->h, b->in, 128 << 10);
		if (k == L4_EAGAIN)
			return 0;
		if (k < 0)
			return (int)k;
		if (k == 0) {
			f->done = true;
			return 0;
		}
		if (!f->stopped)
			moved(f, (size_t)k, f->n->ops->now(f->n));
		turn += (size_t)k;
	}
}

/* Sends what is owed of a request or answer. 1: all of it is sent. */
static int pay(struct bench_flow *f, struct bench_buffer *b)
{
	while (f->owed) {
		size_t n = f->owed < sizeof b->out ? (size_t)f->owed : sizeof b->out;
		int64_t k = f->n->ops->send(f->n, f->h, b->out, n);
		if (k < 0)
			return k == L4_EAGAIN ? 0 : (int)k;
		f->owed -= (uint64_t)k;
		f->c.bytes += (uint64_t)k;
	}
	return 1;
}

/* One connection a transaction: the server closes when it has answered. */
static int wait_end(struct bench_flow *f, struct bench_buffer *b)
{
	int64_t k = f->n->ops->recv(f->n, f->h, b->in, 1);
	f->done = k == 0;
	return k == 0 || k == L4_EAGAIN ? 0 : k > 0 ? L4_EMALFORMED : (int)k;
}

static int pump_ask(struct bench_flow *f, struct bench_buffer *b)
{
	for (int turn = 0; turn < BURST; turn++) {
		l4_time now = f->n->ops->now(f->n);
		if (f->t->mode == BENCH_CRR && !f->asked)
			return wait_end(f, b);
		if (!f->asked) {
			if (f->stopped || (f->t->bytes && f->c.packets >= f->t->bytes)) {
				f->stopped = f->done = true;
				return 0;
			}
			f->asked = now;
			f->owed = f->t->len;
			f->moved = 0;
		}
		int e = pay(f, b);
		if (e <= 0)
			return e;
		while (f->moved < f->t->len) {
			int64_t k =
			    f->n->ops->recv(f->n, f->h, b->in, (size_t)(f->t->len - f->moved));
			if (k <= 0)
				return k == L4_EAGAIN ? 0 : k == 0 ? L4_ERESET : (int)k;
			f->moved += (uint64_t)k;
		}
		now = f->n->ops->now(f->n);
		if (f->hist && !f->stopped)
			bench_hist_add(f->hist, now - f->asked);
		if (!f->stopped) {
			f->c.packets++;
			f->c.first = f->c.first ? f->c.first : f->asked;
			f->c.last = now;
		}
		f->asked = 0;
	}
	f->more = true;
	return 0;
}

static int pump_answer(struct bench_flow *f, struct bench_buffer *b)
{
	for (int turn = 0; turn < BURST; turn++) {
		int e = pay(f, b);
		if (e <= 0)
			return e;
		if (f->t->mode == BENCH_CRR && f->moved == f->t->len) {
			/* The side that closes first keeps TIME-WAIT: it is the server, so that
			 * the client does not run out of ports. */
			f->done = true;
			return 0;
		}
		f->moved = f->moved == f->t->len ? 0 : f->moved;
		int64_t k = f->n->ops->recv(f->n, f->h, b->in, (size_t)(f->t->len - f->moved));
		if (k <= 0) {
			f->done = k == 0;
			return k == 0 || k == L4_EAGAIN ? 0 : (int)k;
		}
		f->moved += (uint64_t)k;
		if (f->moved == f->t->len) {
			f->owed = f->t->len;
			f->c.packets++;
		}
	}
	f->more = true;
	return 0;
}

int bench_flow_open(struct bench_flow *f)
{
	while (f->pre_left) {
		int64_t k =
		    f->n->ops->send(f->n, f->h, f->pre + BENCH_PREAMBLE - f->pre_left, f->pre_left);
		if (k < 0)
			return k == L4_EAGAIN || k == L4_ENOTCONN ? 0 : (int)k;
		f->pre_left -= (size_t)k;
	}
	return 1;
}

int bench_flow_pump(struct bench_flow *f, struct bench_buffer *b)
{
	f->more = false;
	int e = bench_flow_open(f);
	if (e <= 0)
		return e;
	if (!f->connected) {
		f->connected = true;
		f->start = f->n->ops->now(f->n);
	}
	switch (f->role) {
	case BENCH_SEND:
		return pump_send(f, b);
	case BENCH_SINK:
		return pump_sink(f, b);
	case BENCH_ASK:
		return pump_ask(f, b);
	case BENCH_ANSWER:
		break;
	}
	return pump_answer(f, b);
}

/* --- datagrams --- */

static int64_t emit(struct bench_flow *f, struct bench_buffer *b, enum bench_dgram_kind kind,
    uint64_t serial, size_t len, l4_time now)
{
	struct bench_dgram d = { .id = f->t->id,
		.flow = (uint16_t)f->number,
		.kind = (uint16_t)kind,
		.serial = serial,
		.time = now };
	bench_dgram_emit(b->out, &d);
	return f->n->ops->udp_send(f->n, f->h, f->has_peer ? &f->peer : NULL, b->out, len);
}

static int send_data(struct bench_flow *f, struct bench_buffer *b)
{
	l4_time now = f->n->ops->now(f->n);
	uint64_t may = allowed(f, now);
	const size_t len = f->t->len;
	/* Who was late does not make good all of it at once: no burst beyond a moment's worth. */
	if (f->t->rate_bps && may > f->c.bytes + len) {
		uint64_t most = f->t->rate_bps / 8 * SLACK / L4_SEC + 16 * (uint64_t)len;
		if (may - f->c.bytes > most) {
			double behind =
			    (double)(may - f->c.bytes - most) * 8 / (double)f->t->rate_bps;
			f->start += (l4_time)(behind * 1e9);
			may = f->c.bytes + most;
		}
	}
	for (int i = 0; i < BURST; i++) {
		if (f->t->bytes && f->c.bytes >= f->t->bytes) {
			f->stopped = f->done = true;
			return 0;
		}
		if (f->t->rate_bps && f->c.bytes + len > may)
			return 0;
		int64_t k = emit(f, b, BENCH_D_DATA, f->serial, len, now);
		if (k == L4_EAGAIN) /* the queue is full: it empties at the next turn */
			break;
		if (k == L4_EREFUSED) /* an ICMP error of before */
			continue;
		if (k < 0)
			return (int)k;
		f->serial++;
		f->c.packets++;
		moved(f, len, now);
	}
	f->more = true;
	return 0;
}

int bench_flow_send(struct bench_flow *f, struct bench_buffer *b)
{
	l4_time now = f->n->ops->now(f->n);
	f->more = false;
	if (f->stopped)
		return 0;
	if (!f->connected) {
		f->connected = true;
		f->start = now;
	}
	if (f->resend > now && f->role != BENCH_SEND)
		return 0;
	f->resend = 0;
	if (f->role == BENCH_SEND)
		return send_data(f, b);
	if (f->role == BENCH_SINK && !f->high) { /* tells the server where to send to */
		f->resend = now + RESEND;
		emit(f, b, BENCH_D_HELLO, 0, BENCH_DGRAM, now);
	} else if (f->role == BENCH_ASK) {
		if (f->t->bytes && f->c.packets >= f->t->bytes) {
			f->stopped = f->done = true;
			return 0;
		}
		if (f->asked)
			f->c.lost++;
		f->asked = now;
		f->resend = now + RESEND;
		emit(f, b, BENCH_D_ASK, ++f->serial, f->t->len, now);
	}
	return 0;
}

/* RFC 3550 6.4.1: the mean deviation of differences of transit. The clocks' offset drops out. */
static void note_transit(struct bench_flow *f, uint64_t sent, l4_time when)
{
	double transit = (double)(int64_t)(when - sent);
	double d = transit - f->transit;
	if (f->has_transit)
		f->c.jitter += ((d < 0 ? -d : d) - f->c.jitter) / 16;
	f->transit = transit;
	f->has_transit = true;
}

void bench_flow_datagram(struct bench_flow *f, const struct bench_dgram *d, size_t len,
    l4_time when, const struct l4_endpoint *from, struct bench_buffer *b)
{
	l4_time now = f->n->ops->now(f->n);
	if (f->stopped)
		return;
	if (d->kind == BENCH_D_HELLO && f->role == BENCH_SEND && !f->connected) {
		f->peer = *from;
		f->has_peer = true;
		bench_flow_send(f, b);
	} else if (d->kind == BENCH_D_ASK && f->role == BENCH_ANSWER) {
		f->peer = *from;
		f->has_peer = true;
		if (emit(f, b, BENCH_D_ANSWER, d->serial, len, now) >= 0)
			f->c.packets++;
	} else if (d->kind == BENCH_D_ANSWER && f->role == BENCH_ASK && f->asked &&
		   d->serial == f->serial) {
		if (f->hist)
			bench_hist_add(f->hist, now - f->asked);
		f->c.packets++;
		f->c.first = f->c.first ? f->c.first : f->asked;
		f->c.last = now;
		f->asked = 0;
		f->resend = 0;
		bench_flow_send(f, b);
	} else if (d->kind == BENCH_D_DATA && f->role == BENCH_SINK) {
		f->resend = L4_TIME_NEVER;
		f->c.packets++;
		moved(f, len, now);
		if (d->serial >= f->high) {
			f->c.lost += d->serial - f->high;
			f->high = d->serial + 1;
			f->done = f->t->bytes && f->high * f->t->len >= f->t->bytes;
		} else {
			f->c.late++;
			if (f->c.lost)
				f->c.lost--; /* it was counted when it was passed over */
		}
		note_transit(f, d->time, when);
	}
}
