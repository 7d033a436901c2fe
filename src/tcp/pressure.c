/* What goes when there is no room: connections that do nothing for those who wait.
 *
 * When as many connections stand as are allowed, or all buffers are in use, a new peer could only
 * be refused, and a few thousand peers that have stopped reading would keep the host to themselves
 * (Naptha, sockstress, slow readers). So the need is noted where it arises, and met at the end of
 * the batch or at the next tick, when no connection is being worked on: an orphan that has heard
 * nothing for ORPHAN_IDLE goes first; then, among those whose data has made no progress of
 * L4_PROGRESS bytes for STUCK, the one stuck longest. It is reset, and its user learns L4_ELIMIT
 * (RFC 6429 4 leaves this to the system). Connections that make progress, and idle ones that hold
 * no data, never go. A search walks all connections, so there is one in SEARCH_EVERY at most. */
#include "tcp/conn.h"

#define ORPHAN_IDLE  (5 * L4_SEC)
#define STUCK        (30 * L4_SEC)
#define SEARCH_EVERY (10 * L4_MSEC)

void l4_tcp_need_room(struct l4_tcp_stack *ts)
{
	ts->room_wanted = true;
}

/* Since when nothing of use has come of it; L4_TIME_NEVER: it is of use. */
static l4_time useless_since(const struct l4_tcp *c, bool orphans, l4_time now)
{
	l4_time since = orphans ? c->last_ack_in : c->progress_time;
	if (c->orphan != orphans || c->in_batch || c->state == L4_TCP_CLOSED)
		return L4_TIME_NEVER;
	if (!orphans && (!c->snd.bytes || c->parent))
		return L4_TIME_NEVER;
	return now - since >= (orphans ? ORPHAN_IDLE : STUCK) ? since : L4_TIME_NEVER;
}

static struct l4_tcp *victim(struct l4_tcp_stack *ts, bool orphans)
{
	struct l4_tcp *v = NULL;
	l4_time least = L4_TIME_NEVER;
	for (uint32_t i = 0; i < ts->n_slots; i++) {
		struct l4_tcp *c = l4_slot_conn(&ts->slot[i]);
		l4_time t = c && c->hashed ? useless_since(c, orphans, ts->now) : L4_TIME_NEVER;
		if (t < least) {
			least = t;
			v = c;
		}
	}
	return v;
}

static void evict(struct l4_tcp *c)
{
	c->ts->ctr.evicted++;
	l4_tcp_send_rst_of(c, L4_WHY_RST_LIMIT, c->ts->now);
	l4_tcp_done(c, L4_ELIMIT);
}

void l4_tcp_make_room(struct l4_tcp_stack *ts)
{
	if (ts->room_time && ts->now - ts->room_time < SEARCH_EVERY)
		return;
	ts->room_wanted = false;
	ts->room_time = ts->now ? ts->now : 1;
	struct l4_tcp *c = victim(ts, true);
	if (!c)
		c = victim(ts, false);
	if (c)
		evict(c);
}
