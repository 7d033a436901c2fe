/* Parked connections: what is left of one that nothing happens to.
 *
 * A connection in use is some 1.5 KB of state, most of it about what is in flight. One that is idle
 * differs from another idle one in little more than its addresses, sequence numbers and clocks.
 * When more than PARK_LIVE connections stand in memory whole, those that were not touched since
 * they were last looked at are parked, oldest first (second chance): the state is written as its
 * difference from a pattern, sequence numbers as distances from snd_una and rcv_nxt and times from
 * last_ack_in, so that what usually is equal is zero, and only words that are not zero are kept.
 * The record takes the connection's place in the demultiplexer and behind its handle; the first
 * segment or call makes the connection again, byte for byte as it was. Nothing else knows of it.
 *
 * Only a connection without buffers, timers, events and places in lists is parked. The pattern is
 * the first connection parked, and stays for the life of the stack: an odd one costs room, no more.
 * Should there be no memory to make one whole, a segment is lost (it comes again), and a call says
 * L4_EBADF; some are kept in reserve so that this needs more than bad luck. */
#include "tcp/conn.h"

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define PARK_LIVE 1u
#else
#define PARK_LIVE 1024u /* connections that are let stand whole */
#endif
#define RESERVE    64u
#define LINE_WORDS 16u
#define LINES      ((sizeof(struct l4_tcp) + 63) / 64)

static_assert(LINES <= 32, "a bit for each line");
static_assert(sizeof(struct l4_tcp) % 4 == 0, "whole words");

struct l4_tcp_parked {
	struct l4_hnode h; /* first */
	uint32_t slot;     /* of its handle */
	uint32_t bytes;    /* that follow: lines that differ, a bit each; for each the words, a bit
			    * each, and these */
	uint8_t code[];
};

#define AT(field) offsetof(struct l4_tcp, field)
static const uint16_t send_seq[] = { AT(iss), AT(snd_nxt), AT(snd_wl2), AT(snd_up), AT(snd_end),
	AT(snd_sml), AT(push_seq), AT(rtt_seq), AT(recovery_point), AT(cwnd_usage_seq),
	AT(undo_marker), AT(rack.end_seq), AT(fack), AT(tlp_end_seq), AT(hystart.round_end) };
static const uint16_t recv_seq[] = { AT(irs), AT(rcv_wup), AT(rcv_up), AT(snd_wl1),
	AT(last_ack_sent), AT(rcv_rtt_seq) };
static const uint16_t times[] = { AT(rcv_space_time), AT(rcv_rtt_time), AT(last_data_in),
	AT(last_data_out), AT(last_ack_out), AT(ts_recent_time), AT(min_rtt_time), AT(cwnd_stamp),
	AT(rack.xmit_ts), AT(delivered_time), AT(first_tx_time), AT(established_at),
	AT(held_since) };
#undef AT
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add32(struct l4_tcp *c, uint16_t at, uint32_t v)
{
	uint32_t x;
	memcpy(&x, (uint8_t *)c + at, 4);
	x += v;
	memcpy((uint8_t *)c + at, &x, 4);
}

/* A time as the distance from the base. 0 means "none" and shall look the same everywhere: it
 * changes places with the distance of a time far away. */
#define NONE ((l4_time)1 << 62)

static void shift(struct l4_tcp *c, uint16_t at, l4_time base, bool back)
{
	l4_time x;
	memcpy(&x, (uint8_t *)c + at, 8);
	l4_time zero = 0 - base;
	if (!back) {
		x -= base;
		x = x == zero ? NONE : x == NONE ? zero : x;
	} else {
		x = x == NONE ? zero : x == zero ? NONE : x;
		x += base;
	}
	memcpy((uint8_t *)c + at, &x, 8);
}

static void relative(struct l4_tcp *c, bool back)
{
	for (size_t i = 0; i < COUNT(send_seq); i++)
		add32(c, send_seq[i], back ? c->snd_una : 0 - c->snd_una);
	for (size_t i = 0; i < COUNT(recv_seq); i++)
		add32(c, recv_seq[i], back ? c->rcv_nxt : 0 - c->rcv_nxt);
	for (size_t i = 0; i < COUNT(times); i++)
		shift(c, times[i], c->last_ack_in, back);
}

static uint32_t word(const struct l4_tcp *c, uint32_t i)
{
	uint32_t v;
	memcpy(&v, (const uint8_t *)c + 4 * (size_t)i, 4);
	return v;
}

/* The words of c that differ from the pattern; returns the bytes written. */
static uint32_t encode(const struct l4_tcp *c, const struct l4_tcp *pattern, uint8_t *out)
{
	uint32_t lines = 0, n = 4;
	for (uint32_t l = 0; l < LINES; l++) {
		uint16_t words = 0;
		uint32_t at = n + 2;
		for (uint32_t k = 0; k < LINE_WORDS; k++) {
			uint32_t i = l * LINE_WORDS + k;
			if (i >= sizeof *c / 4)
				break;
			uint32_t v = word(c, i) ^ word(pattern, i);
			if (!v)
				continue;
			words = (uint16_t)(words | 1u << k);
			memcpy(out + at, &v, 4);
			at += 4;
		}
		if (!words)
			continue;
		lines |= 1u << l;
		memcpy(out + n, &words, 2);
		n = at;
	}
	memcpy(out, &lines, 4);
	return n;
}

static void decode(struct l4_tcp *c, const struct l4_tcp *pattern, const uint8_t *in)
{
	uint32_t lines, n = 4;
	memcpy(c, pattern, sizeof *c);
	memcpy(&lines, in, 4);
	for (; lines; lines &= lines - 1) {
		uint32_t l = (uint32_t)__builtin_ctz(lines);
		uint16_t words;
		memcpy(&words, in + n, 2);
		n += 2;
		for (uint32_t w = words; w; w &= w - 1) {
			uint32_t i = l * LINE_WORDS + (uint32_t)__builtin_ctz(w), v;
			memcpy(&v, in + n, 4);
			v ^= word(c, i);
			memcpy((uint8_t *)c + 4 * (size_t)i, &v, 4);
			n += 4;
		}
	}
}

/* --- Memory of whole connections, and the list of them --- */

struct l4_tcp *l4_tcp_conn_alloc(struct l4_tcp_stack *ts)
{
	struct l4_tcp *c = ts->reserve;
	if (!c)
		return l4_tcp_alloc(ts, sizeof *c);
	ts->reserve = c->live_next;
	ts->n_reserve--;
	return c;
}

void l4_tcp_conn_dealloc(struct l4_tcp_stack *ts, struct l4_tcp *c)
{
	if (!ts->n_parked || ts->n_reserve >= RESERVE) {
		l4_tcp_free(ts, c, sizeof *c);
		return;
	}
	c->live_next = ts->reserve;
	ts->reserve = c;
	ts->n_reserve++;
}

void l4_tcp_live_add(struct l4_tcp *c)
{
	struct l4_tcp_stack *ts = c->ts;
	c->live_next = NULL;
	c->live_prev = ts->live_tail;
	if (ts->live_tail)
		ts->live_tail->live_next = c;
	else
		ts->live_head = c;
	ts->live_tail = c;
	ts->n_live++;
}

void l4_tcp_live_del(struct l4_tcp *c)
{
	struct l4_tcp_stack *ts = c->ts;
	if (c->live_prev)
		c->live_prev->live_next = c->live_next;
	else
		ts->live_head = c->live_next;
	if (c->live_next)
		c->live_next->live_prev = c->live_prev;
	else
		ts->live_tail = c->live_prev;
	c->live_next = c->live_prev = NULL;
	ts->n_live--;
}

/* --- Parking --- */

static bool may_park(const struct l4_tcp *c)
{
	if (c->state != L4_TCP_ESTABLISHED || c->in_ready || c->in_batch || c->in_events ||
	    c->ev_bits || c->parent || c->in_bind_list || c->lst || c->orphan || c->detached ||
	    c->snd.n || c->sb.n || c->rcv.ready || c->rcv.ooo_n || c->rcv.post || c->ack_owed ||
	    c->starved || !c->hashed)
		return false;
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		if (c->timer[t] != L4_TIME_NEVER)
			return false;
	return true;
}

/* What the record has itself, or what is made anew. */
static void strip(struct l4_tcp *c)
{
	memset(&c->h, 0, sizeof c->h);
	c->slot = 0;
	memset(&c->wheel, 0, sizeof c->wheel);
	c->ts = NULL;
	c->ep = 0;
	c->live_next = c->live_prev = NULL;
}

bool l4_tcp_park(struct l4_tcp *c)
{
	struct l4_tcp_stack *ts = c->ts;
	struct l4_tcp image;
	uint8_t code[4 + LINES * 2 + sizeof image];
	if (!may_park(c))
		return false;
	l4_sndbuf_clear(c); /* empty: only their room is given back */
	l4_sb_clear(c);
	l4_rcvbuf_clear(c);
	l4_wheel_del(&ts->wheel, &c->wheel);
	l4_tcp_forget_flow(c);
	c->touched = false;
	memcpy(&image, c, sizeof image);
	strip(&image);
	relative(&image, false);
	if (!ts->pattern) {
		ts->pattern = l4_tcp_alloc(ts, sizeof image);
		if (!ts->pattern)
			return false;
		memcpy(ts->pattern, &image, sizeof image);
	}
	uint32_t n = encode(&image, ts->pattern, code);
	struct l4_tcp_parked *p = l4_tcp_alloc(ts, sizeof *p + n);
	if (!p)
		return false;
	*p = (struct l4_tcp_parked){ .h = c->h, .slot = c->slot, .bytes = n };
	memcpy(p->code, code, n);
	ts->slot[p->slot].u.parked = p; /* the demultiplexer knows it by its slot */
	ts->slot[p->slot].kind = L4_SLOT_PARKED;
	l4_tcp_live_del(c);
	ts->n_parked++;
	l4_tcp_conn_dealloc(ts, c);
	return true;
}

static void dispose(struct l4_tcp_stack *ts, struct l4_tcp_parked *p)
{
	ts->n_parked--;
	l4_tcp_free(ts, p, sizeof *p + p->bytes);
}

void l4_tcp_parked_free(struct l4_tcp_stack *ts, struct l4_tcp_parked *p)
{
	l4_tcp_hash_del(ts, l4_ref(L4_REF_CONN, p->slot), p->h.hash);
	ts->slot[p->slot].kind = L4_SLOT_FREE;
	dispose(ts, p);
}

struct l4_tcp *l4_tcp_unpark(struct l4_tcp_stack *ts, struct l4_tcp_parked *p)
{
	struct l4_tcp *c = l4_tcp_conn_alloc(ts);
	if (!c)
		return NULL;
	decode(c, ts->pattern, p->code);
	relative(c, true);
	c->ts = ts;
	c->h = p->h;
	c->slot = p->slot;
	struct l4_slot *s = &ts->slot[p->slot];
	c->ep = L4_EP_TCP | (l4_ep)s->gen << 32 | p->slot;
	s->u.c = c;
	s->kind = L4_SLOT_WHOLE;
	dispose(ts, p);
	l4_tcp_live_add(c);
	return c;
}

struct l4_hnode *l4_tcp_parked_node(struct l4_tcp_parked *p)
{
	return &p->h;
}

void l4_tcp_park_some(struct l4_tcp_stack *ts)
{
	for (int i = 0; i < 4 && ts->n_live > PARK_LIVE; i++) {
		struct l4_tcp *c = ts->live_head;
		bool touched = c->touched;
		c->touched = false;
		if (!touched && l4_tcp_park(c))
			continue;
		l4_tcp_live_del(c);
		l4_tcp_live_add(c);
	}
}
