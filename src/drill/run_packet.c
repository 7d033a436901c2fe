/* The runner's packets: injecting what a script says comes in, waiting for what it says goes out.
 *
 * One connection is under test at a time: the one of the newest socket() call, or the one that the
 * newest inbound packet to a listener made. Packets of others are noted in the ladder and passed
 * over. An outbound line takes the oldest packet that left; when it has less payload than the line
 * says, the next ones are joined to it as long as they continue it. */
#include "drill/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_AFTER_US 2000000             /* how long after its time a packet is waited for */
#define WAIT_ANY_US   (24 * 3600000000LL) /* for '*' */
#define PACKET_MAX    65575

struct l4_tut *l4_run_new_tut(struct l4_run *r, enum l4_tut_state state)
{
	struct l4_tut *t = calloc(1, sizeof(*t));
	if (!t) {
		r->nomem = true;
		return NULL;
	}
	t->next = r->tut;
	t->state = state;
	t->fd = -1;
	t->flow.local = (struct l4_endpoint){ .addr = r->settings.local, .port = r->bind_port };
	t->flow.remote =
	    (struct l4_endpoint){ .addr = r->settings.remote, .port = r->connect_port };
	r->tut = t;
	return t;
}

bool l4_run_tolerates(const struct l4_run *r, int64_t at, int64_t from, int64_t to, int64_t span_us)
{
	int64_t t = (int64_t)((double)span_us * r->tolerance_percent / 100.0);
	if (t < r->tolerance_us)
		t = r->tolerance_us;
	return at >= from - t && at <= to + t;
}

static void say_packet(struct l4_run *r, bool sent, const struct l4_seen *p, int64_t at_us,
    const struct l4_why *why, const char *remark)
{
	char text[300], reason[120] = "";
	l4_seen_text(p, text, sizeof(text));
	if (why && why->code != L4_WHY_NONE)
		l4_why_format(why, reason, sizeof(reason));
	l4_run_log(r, at_us, "%c %s%s%s%s%s", sent ? '>' : '<', text, reason[0] ? "   # " : "",
	    reason, remark[0] ? "   # " : "", remark);
}

/* ---- Inbound ---- */

/* The socket that an inbound packet concerns; a packet to a listener makes one. */
static struct l4_tut *inbound_tut(struct l4_run *r, const struct l4_dp *d)
{
	struct l4_tut *t = r->tut;
	if (d->proto != L4_DP_TCP) {
		if (!t) {
			t = l4_run_new_tut(r, L4_TUT_CONNECTED);
			if (t)
				t->udp = d->proto == L4_DP_UDP;
		}
		return t;
	}
	if (!t || t->state == L4_TUT_LISTENING) {
		t = l4_run_new_tut(r, L4_TUT_SYN_SEEN);
		if (!t)
			return NULL;
		t->learned = true;
		t->flow.remote.port = r->next_port++;
		if (r->next_port < 32768)
			r->next_port = 32768;
		t->flow.remote_isn = d->seq;
	} else if (t->state == L4_TUT_NEW && !t->udp && !t->learned) {
		/* to a socket that does not listen: the numbers mean what they say */
		t->learned = true;
		t->flow.remote.port = r->next_port++;
	} else if (t->state == L4_TUT_SYNACK && d->flags & L4_DP_ACK) {
		t->state = L4_TUT_ACKED;
	} else if (t->state == L4_TUT_SYN_SENT && d->flags & L4_DP_SYN) {
		if (d->flags & L4_DP_ACK)
			t->state = L4_TUT_CONNECTED;
		t->flow.remote_isn = d->seq;
	} else if (t->state >= L4_TUT_SYNACK && t->state <= L4_TUT_ACKED &&
		   (d->flags & (L4_DP_SYN | L4_DP_ACK)) == L4_DP_SYN) {
		t->syn_again = true;
		t->new_isn = d->seq;
	}
	return t;
}

static bool inject(struct l4_run *r, const struct l4_de *e)
{
	char why[160];
	struct l4_tut *t = inbound_tut(r, &e->packet);
	if (!r->packet_buf)
		r->packet_buf = malloc(PACKET_MAX);
	uint8_t *buf = r->packet_buf;
	if (!t || !buf) {
		r->nomem = true;
		return l4_run_fail(r, e, "out of memory");
	}
	size_t len = l4_drill_packet_build(
	    &e->packet, &t->flow, r->v6, r->ts_scaled, buf, PACKET_MAX, why, sizeof(why));
	if (!len) {
		r->broken = true;
		return l4_run_fail(r, e, "%s", why);
	}
	struct l4_seen seen;
	const char *odd = "";
	char text[300];
	if (l4_seen_parse(&seen, buf, len, &odd)) {
		l4_drill_packet_text(&e->packet, text, sizeof(text));
		static const char *const ecn[] = { "", "[ect1] ", "[ect0] ", "[ce] " };
		l4_run_log(r, l4_run_now(r), "< %s%s", ecn[seen.tos & 3], text);
	}
	if (r->o->packet)
		r->o->packet(r->o->ctx, false, buf, len, (uint64_t)l4_run_now(r) * 1000);
	r->result->packets_in++;
	l4_world_inject(&r->world, buf, len);
	l4_run_step_pending(r);
	return true;
}

/* ---- Outbound ---- */

static bool same_end(const struct l4_endpoint *a, const struct l4_endpoint *b)
{
	return l4_addr_eq(&a->addr, &b->addr) && a->port == b->port;
}

/* Whether a packet that left is of the socket under test; learns the local end from a SYN or the
 * first datagram. */
static bool is_ours(struct l4_run *r, struct l4_tut *t, const struct l4_seen *p)
{
	(void)r;
	if (p->proto == 1 || p->proto == 58)
		return l4_addr_eq(&p->dst.addr, &t->flow.remote.addr);
	if (p->proto != (t->udp ? 17 : 6))
		return false;
	if (t->learned)
		return same_end(&p->src, &t->flow.local) && same_end(&p->dst, &t->flow.remote);
	bool syn = (p->flags & (L4_DP_SYN | L4_DP_ACK)) == L4_DP_SYN;
	if (!same_end(&p->dst, &t->flow.remote))
		return false;
	if (t->udp || (t->state == L4_TUT_SYN_SENT && syn)) {
		t->flow.local = p->src;
		t->flow.local_isn = p->seq;
		t->learned = true;
		return true;
	}
	return false;
}

/* The next packet of the socket under test that left by until_us. NULL when there is none. */
static struct l4_wire_packet *next_packet(
    struct l4_run *r, struct l4_tut *t, int64_t until_us, struct l4_seen *seen, const char **odd)
{
	*odd = NULL;
	for (;;) {
		struct l4_wire_packet *w;
		while ((w = l4_world_take(&r->world))) {
			int64_t at_us = (int64_t)((w->time - r->zero) / L4_USEC);
			if (r->o->packet)
				r->o->packet(r->o->ctx, true, w->data, w->len, w->time - r->zero);
			r->result->packets_out++;
			if (!l4_seen_parse(seen, w->data, w->len, odd))
				return w;
			seen->time = w->time;
			if (is_ours(r, t, seen)) {
				if (t->state == L4_TUT_NEW || t->state == L4_TUT_CONNECTING)
					t->state = t->udp ? t->state : L4_TUT_SYN_SENT;
				return w;
			}
			say_packet(r, true, seen, at_us, &w->why, "of no socket under test");
			free(w);
		}
		if (l4_run_now(r) > until_us || !l4_run_move(r, until_us))
			return NULL;
	}
}

/* A line wants a SYN-ACK and the stack sends one: that is where the stack's ISN is learned. */
static void learn_isn(struct l4_tut *t, const struct l4_dp *d, const struct l4_seen *p)
{
	const unsigned both = L4_DP_SYN | L4_DP_ACK;
	if (d->proto != L4_DP_TCP || !(d->flags & L4_DP_SYN) || !(p->flags & L4_DP_SYN))
		return;
	bool synack = (d->flags & both) == both && (p->flags & both) == both;
	if (synack && (t->state == L4_TUT_SYN_SEEN || t->syn_again)) {
		if (t->syn_again)
			t->flow.remote_isn = t->new_isn;
		t->syn_again = false;
		t->state = L4_TUT_SYNACK;
		t->flow.script_local_isn = d->seq;
		t->flow.local_isn = p->seq;
	} else if ((d->flags & both) == L4_DP_SYN && t->state == L4_TUT_SYN_SENT &&
		   !t->flow.have_last) {
		t->flow.script_local_isn = d->seq;
	}
}

static int64_t span(const struct l4_run *r, int64_t to)
{
	int64_t s = to - r->last_us;
	return s > 0 ? s : 0;
}

static bool check_time(
    struct l4_run *r, const struct l4_de *e, int64_t at, int64_t from, int64_t to)
{
	if (e->time_kind == L4_DT_ANY || l4_run_tolerates(r, at, from, to, span(r, to)))
		return true;
	if (from == to)
		return l4_run_fail(r, e, "the packet left at %.6f s, expected at %.6f s",
		    (double)at / 1e6, (double)from / 1e6);
	return l4_run_fail(r, e, "the packet left at %.6f s, expected from %.6f to %.6f s",
	    (double)at / 1e6, (double)from / 1e6, (double)to / 1e6);
}

/* Tells the line of the script and the packet side by side. */
static bool mismatch(
    struct l4_run *r, const struct l4_de *e, const struct l4_seen *p, const char *why)
{
	char have[300], want[300];
	l4_seen_text(p, have, sizeof(have));
	l4_drill_packet_text(&e->packet, want, sizeof(want));
	return l4_run_fail(r, e, "%s\n  expected  > %s\n  seen      > %s", why, want, have);
}

static bool expect(struct l4_run *r, const struct l4_de *e, int64_t from, int64_t to)
{
	const struct l4_dp *d = &e->packet;
	struct l4_tut *t = r->tut;
	char why[200], want[300];
	if (!t) {
		r->broken = true;
		return l4_run_fail(r, e, "no socket is under test yet");
	}
	if (t->state == L4_TUT_CONNECTING && d->flags & L4_DP_SYN)
		t->state = t->udp ? t->state : L4_TUT_SYN_SENT;
	struct l4_seen all = { 0 }, p;
	uint8_t *first = NULL; /* the bytes that `all` points into */
	struct l4_wire_packet *w;
	const char *odd;
	int64_t until =
	    e->time_kind == L4_DT_ANY ? l4_run_now(r) + WAIT_ANY_US : to + WAIT_AFTER_US;
	bool ok = false;
	do {
		w = next_packet(r, t, until, &p, &odd);
		if (!w) {
			l4_drill_packet_text(d, want, sizeof(want));
			l4_run_fail(r, e, "no packet left%s\n  expected  > %s",
			    all.parts ? ", and more payload is wanted" : "", want);
			goto out;
		}
		if (odd) {
			l4_run_fail(r, e, "the stack sent a bad packet: %s", odd);
			free(w);
			goto out;
		}
		learn_isn(t, d, &p);
		l4_seen_to_script(&p, &t->flow);
		say_packet(r, true, &p, (int64_t)((w->time - r->zero) / L4_USEC), &w->why, "");
		if (!all.parts) {
			all = p;
			first = (uint8_t *)w;
		} else {
			bool joins =
			    l4_seen_joins(&all, &p, d->len - (uint32_t)all.len, why, sizeof(why));
			if (joins)
				l4_seen_join(&all, &p);
			else
				mismatch(r, e, &p, why);
			free(w);
			if (!joins)
				goto out;
		}
	} while (d->proto == L4_DP_TCP && all.len < d->len && all.len && !r->strict_segments);
	t->flow.have_last = true;
	t->flow.last_seq = all.seq + t->flow.local_isn;
	if (d->proto == L4_DP_TCP)
		l4_flow_learn_ts(&t->flow, d, &all);
	int64_t at = (int64_t)((all.time - r->zero) / L4_USEC);
	struct l4_match_rules rules = { .v6 = r->v6, .ts_tick_us = r->ts_tick_us };
	rules.ts_tolerance_us = (int64_t)((double)to * r->tolerance_percent / 100.0);
	if (rules.ts_tolerance_us < r->tolerance_us)
		rules.ts_tolerance_us = r->tolerance_us;
	if (!l4_drill_packet_match(d, &all, &rules, why, sizeof(why)))
		mismatch(r, e, &all, why);
	else
		ok = check_time(r, e, at, from, to);
out:
	free(first);
	return ok;
}

bool l4_run_packet(struct l4_run *r, const struct l4_de *e)
{
	if (e->packet.inbound)
		return inject(r, e);
	int64_t to = r->scheduled_us;
	if (e->time_kind == L4_DT_ABS_RANGE || e->time_kind == L4_DT_REL_RANGE)
		to += e->end_us - e->at_us;
	bool ok = expect(r, e, r->scheduled_us, to);
	if (e->time_kind == L4_DT_ANY)
		r->scheduled_us = l4_run_now(r);
	return ok;
}
