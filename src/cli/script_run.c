/* Running a script.
 *
 * Packets that come are logged while anything is waited for; an expectation looks through those
 * that no statement has used yet, oldest first, then waits for more. Each expectation dissects the
 * log anew from its beginning, so that what depends on earlier packets (streams) is right. */
#include <layer4/capfile.h>
#include <layer4/err.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/filter.h"
#include "cli/script.h"
#include "cli/signals.h"

/* ---- sending ---- */

/* Reads the packets of a text. Close it in any case. */
static bool open_packets(struct script *s, struct packets *p, const char *text)
{
	int r = packets_open(p, &s->wires, text, s->o.max, s->o.seed + s->n_sent);
	p->draw = s->draw + s->n_sent++ * 17;
	if (r != L4_EXIT_DONE)
		return script_fail(s, r, "this cannot be sent");
	if (!packets_resolve(p))
		return script_fail(s, L4_EXIT_SYSTEM, "this cannot be sent");
	return true;
}

static bool claim(struct script *s, struct wire *w, const uint8_t *p, size_t n)
{
	struct l4_match m;
	if (!s->o.shared || l4_match_sent(&m, w->linktype, p, n) < 0 ||
	    (m.kind != L4_MK_TCP && m.kind != L4_MK_UDP))
		return true;
	return wires_claim(&s->wires, w, m.protocol, m.local_port) ||
	       script_fail(s, L4_EXIT_SYSTEM, "the port cannot be ours");
}

static bool transmit(struct script *s, struct wire *w, const uint8_t *p, size_t n)
{
	l4_time now = wires_now();
	if (!claim(s, w, p, n))
		return false;
	script_log(s, w, p, n, now, true); /* before: the answer may come within the call */
	if (wires_send(&s->wires, w, p, n) < 0)
		return script_fail(s, L4_EXIT_SYSTEM, "%s: %s%s", w->name,
		    strerror(s->wires.saved_errno), sendopt_errno_hint(s->wires.saved_errno, w, n));
	return true;
}

static bool build(struct script *s, struct packets *p, uint64_t i, struct packet_out *o)
{
	enum packets_status r = packets_build(p, i, o);
	if (r == PACKETS_NO_MAC) {
		sendopt_no_mac("script", o);
		return script_fail(s, L4_EXIT_NO, "this cannot be sent");
	}
	return r == PACKETS_OK || script_fail(s, L4_EXIT_SYSTEM, "this cannot be sent");
}

static bool run_send(struct script *s, const struct stmt *st)
{
	struct packets p;
	struct packet_out o;
	char *text = script_expand(s, st->text);
	if (!text)
		return false;
	bool ok = open_packets(s, &p, text);
	for (uint64_t i = 0; ok && i < p.count; i++)
		ok = build(s, &p, i, &o) && transmit(s, o.w, o.p, o.n);
	packets_close(&p);
	free(text);
	return ok;
}

/* ---- the log ---- */

static uint64_t log_first(const struct script *s)
{
	return s->log_n > SCRIPT_LOG ? s->log_n - SCRIPT_LOG : 0;
}

/* A dissection that goes along the log. */
struct reader {
	struct l4_dissect *d;
	uint64_t at;
};

static bool reader_open(struct script *s, struct reader *r)
{
	r->d = l4_dissect_new(NULL);
	if (!r->d)
		return script_fail(s, L4_EXIT_SYSTEM, "no memory");
	l4_dissect_want_all(r->d);
	l4_dissect_want_columns(r->d);
	l4_dissect_want_connections(r->d);
	r->at = log_first(s);
	return true;
}

/* The next packet of the log; NULL: there is none yet. */
static const struct l4_dissected *reader_next(
    struct script *s, struct reader *r, struct logged **which)
{
	static struct l4_cap_packet c;
	if (r->at < log_first(s))
		r->at = log_first(s);
	if (r->at == s->log_n)
		return NULL;
	struct logged *g = &s->log[r->at++ % SCRIPT_LOG];
	c = (struct l4_cap_packet){ .data = g->data,
		.caplen = g->n,
		.len = g->n,
		.number = r->at,
		.ts = g->when,
		.has_ts = true,
		.linktype = g->linktype,
		.fcs_len = -1,
		.ts_precision = 9 };
	*which = g;
	return l4_dissect_packet(r->d, &c);
}

/* Gives a packet a name. */
static bool bind_to(
    struct script *s, const char *name, const struct l4_dissected *d, struct logged *g, l4_time rtt)
{
	g->used = true;
	if (!name[0])
		return true;
	struct name *n = script_name(s, name, true);
	struct bound *b = n ? script_bind(d, g->linktype, rtt) : NULL;
	if (!b)
		return script_fail(s, L4_EXIT_SYSTEM, "no room for $%s", name);
	value_free(&n->v);
	bound_free(n->p);
	n->p = b;
	return true;
}

/* What came of waiting. */
enum waited { FOUND, TIME_OVER, STOPPED, BROKEN };

/* Waits for a packet: by a filter, or as an answer to q. */
static enum waited wait_for(struct script *s, struct reader *r, const struct filter *f,
    const struct l4_match *q, l4_time until, const char *name, l4_time sent_at)
{
	const struct l4_dissected *d;
	struct logged *g;
	for (;;) {
		while ((d = reader_next(s, r, &g))) {
			struct l4_match h;
			if (g->sent || g->used || (q && g->when < sent_at))
				continue;
			if (f ? !filter_match(f, d)
			      : l4_match_heard(&h, g->linktype, g->data, g->n) == L4_MATCH_NONE ||
				    !l4_match_is(q, &h))
				continue;
			l4_time rtt = g->when > sent_at ? g->when - sent_at : 0;
			return bind_to(s, name, d, g, rtt) ? FOUND : BROKEN;
		}
		if (wires_now() >= until)
			return TIME_OVER;
		if (!wires_poll(&s->wires, until))
			return STOPPED;
	}
}

static void give_up_name(struct script *s, const char *name)
{
	struct name *n = name[0] ? script_name(s, name, true) : NULL;
	if (!n)
		return;
	value_free(&n->v);
	bound_free(n->p);
	n->p = NULL;
}

/* The end of ask, expect, silence: `ok` is what was hoped for. */
static bool outcome(
    struct script *s, const struct stmt *st, bool ok, const char *what, const char *text)
{
	if (st->try_)
		return script_set_number(s, "ok", ok);
	return ok || script_fail(s, L4_EXIT_NO, "%s: %s", what, text);
}

static bool run_ask(struct script *s, const struct stmt *st)
{
	struct packets p;
	struct packet_out o;
	struct l4_match q;
	struct reader r = { NULL, 0 };
	enum waited w = TIME_OVER;
	l4_time limit = st->has_time ? st->time : s->timeout;
	char *text = script_expand(s, st->text);
	if (!text)
		return false;
	bool ok = open_packets(s, &p, text) && build(s, &p, 0, &o);
	if (ok && p.count != 1)
		ok = script_fail(
		    s, L4_EXIT_USAGE, "ask takes one packet; this makes %" PRIu64, p.count);
	if (ok && l4_match_sent(&q, o.w->linktype, o.p, o.n) < 0)
		ok = script_fail(
		    s, L4_EXIT_USAGE, "nothing can answer this packet; use send and expect");
	ok = ok && reader_open(s, &r);
	if (ok)
		q.group |= o.r.group;
	for (uint64_t k = 0; ok && w == TIME_OVER && k <= st->retry; k++) {
		l4_time now = wires_now();
		ok = transmit(s, o.w, o.p, o.n);
		if (ok)
			w = wait_for(s, &r, NULL, &q, now + limit, st->name, now);
	}
	l4_dissect_free(r.d);
	if (ok && w == TIME_OVER) {
		give_up_name(s, st->name);
		ok = outcome(s, st, false, "no answer", text);
	} else if (ok && w == FOUND) {
		ok = outcome(s, st, true, "", text);
	} else {
		ok = false;
	}
	packets_close(&p);
	free(text);
	return ok;
}

static bool run_expect(struct script *s, const struct stmt *st)
{
	char err[256];
	struct reader r = { NULL, 0 };
	bool want = st->kind == ST_EXPECT;
	l4_time limit = st->has_time ? st->time : s->timeout;
	char *text = script_expand(s, st->text);
	if (!text)
		return false;
	struct filter *f = reader_open(s, &r) ? filter_new(r.d, text, err, sizeof err) : NULL;
	bool ok = f != NULL;
	if (!f && r.d)
		script_fail(s, L4_EXIT_USAGE, "filter: %s", err);
	if (ok) {
		l4_time now = wires_now();
		enum waited w = wait_for(s, &r, f, NULL, now + limit, st->name, now);
		if (w == TIME_OVER)
			give_up_name(s, st->name);
		ok = (w == FOUND || w == TIME_OVER) &&
		     outcome(s, st, (w == FOUND) == want,
			 want ? "nothing came that matches" : "this was to stay away", text);
	}
	filter_free(f);
	l4_dissect_free(r.d);
	free(text);
	return ok;
}

/* ---- the others ---- */

static bool compute(struct script *s, const char *text, struct value *v)
{
	char err[256];
	return script_compute(s, text, v, err, sizeof err) ||
	       script_fail(s, L4_EXIT_USAGE, "%s", err);
}

/* An expression if it is one; else text, as an address. */
static bool run_set(struct script *s, const struct stmt *st)
{
	struct value v;
	char err[256], *text = NULL;
	struct name *n = script_name(s, st->name, true);
	if (!n)
		return script_fail(s, L4_EXIT_USAGE, "more than %d names", SCRIPT_NAMES);
	if (st->kind == ST_DEFAULT && n->fixed)
		return true;
	if (!script_compute(s, st->text, &v, err, sizeof err)) {
		if (st->text[0] == '(' || strstr(st->text, " + ") || !strncmp(st->text, "$(", 2))
			return script_fail(s, L4_EXIT_USAGE, "%s", err);
		text = script_expand(s, st->text);
		if (!text)
			return false;
		v = (struct value){ .is_text = true, .text = text, .len = strlen(text) };
	}
	value_free(&n->v);
	bound_free(n->p);
	n->p = NULL;
	n->v = v;
	return true;
}

static bool run_assert(struct script *s, const struct stmt *st)
{
	struct value v;
	if (!compute(s, st->text, &v))
		return false;
	bool ok = value_true(&v);
	value_free(&v);
	if (ok)
		return true;
	char *text = script_expand(s, st->text);
	if (text)
		script_fail(s, L4_EXIT_NO, "not so: %s (%s)", st->text, text);
	free(text);
	return false;
}

static bool run_print(struct script *s, const struct stmt *st)
{
	char *text = script_expand(s, st->text);
	if (!text)
		return false;
	size_t n = strlen(text);
	if (s->o.json) {
		out_str(&s->out, "{\"type\":\"print\",\"text\":\"");
		out_json(&s->out, text, n);
		out_str(&s->out, "\"}\n");
	} else {
		out_escaped(&s->out, text, n);
		out_char(&s->out, '\n');
	}
	out_flush(&s->out);
	free(text);
	return true;
}

static bool run_wait(struct script *s, const struct stmt *st)
{
	l4_time until = wires_now() + st->time;
	while (wires_now() < until)
		if (!wires_poll(&s->wires, until))
			return false;
	return true;
}

/* Whether the loop goes for another round; *next is where to go on. */
static bool run_repeat(struct script *s, unsigned *next)
{
	struct stmt *st = &s->st[*next];
	struct value v;
	if (!compute(s, st->text, &v))
		return false;
	bool more = st->while_ ? value_true(&v) : st->count < v.n;
	value_free(&v);
	if (more && st->name[0] && !script_set_number(s, st->name, st->count + 1))
		return script_fail(s, L4_EXIT_USAGE, "more than %d names", SCRIPT_NAMES);
	st->count = more ? st->count + 1 : 0;
	*next = more ? *next + 1 : st->match + 1;
	return true;
}

static bool run_if(struct script *s, unsigned *next)
{
	struct stmt *st = &s->st[*next];
	struct value v;
	if (!compute(s, st->text, &v))
		return false;
	*next = value_true(&v) ? *next + 1 : st->match + 1;
	value_free(&v);
	return true;
}

static bool run_exit(struct script *s, const struct stmt *st, unsigned *next)
{
	struct value v;
	if (!compute(s, st->text, &v))
		return false;
	s->status = v.is_text || v.n < 0 || v.n > 255 ? L4_EXIT_USAGE : (int)v.n;
	value_free(&v);
	*next = s->n_st;
	return true;
}

/* Runs statement *next and says which comes after it. */
static bool step(struct script *s, unsigned *next)
{
	struct stmt *st = &s->st[*next];
	s->at = st;
	switch (st->kind) {
	case ST_REPEAT:
		return run_repeat(s, next);
	case ST_IF:
		return run_if(s, next);
	case ST_ELSE: /* come to from above: the other branch is done */
		*next = st->match + 1;
		return true;
	case ST_END:
		*next = s->st[st->from].kind == ST_REPEAT ? st->from : *next + 1;
		return true;
	case ST_BREAK:
		s->st[st->from].count = 0;
		*next = s->st[st->from].match + 1;
		return true;
	case ST_EXIT:
		return run_exit(s, st, next);
	case ST_SET:
	case ST_DEFAULT:
	case ST_SEND:
	case ST_ASK:
	case ST_EXPECT:
	case ST_SILENCE:
	case ST_WAIT:
	case ST_ASSERT:
	case ST_PRINT:
		break;
	}
	++*next;
	return st->kind == ST_SEND                               ? run_send(s, st)
	       : st->kind == ST_ASK                              ? run_ask(s, st)
	       : st->kind == ST_EXPECT || st->kind == ST_SILENCE ? run_expect(s, st)
	       : st->kind == ST_WAIT                             ? run_wait(s, st)
	       : st->kind == ST_ASSERT                           ? run_assert(s, st)
	       : st->kind == ST_PRINT                            ? run_print(s, st)
								 : run_set(s, st);
}

int script_run(struct script *s)
{
	unsigned next = 0;
	uint64_t steps = 0;
	sendopt_wires(&s->o, &s->wires, "script");
	s->wires.on_frame = script_on_frame;
	s->wires.ctx = s;
	s->draw = sendopt_draw(&s->o);
	if (s->trace) {
		s->trace_d = l4_dissect_new(NULL);
		if (s->trace_d)
			l4_dissect_want_columns(s->trace_d);
		else
			s->trace = false;
	}
	int r = wires_open(&s->wires);
	bool ok = r == L4_EXIT_DONE;
	while (ok && next < s->n_st) {
		if (++steps > SCRIPT_STEPS)
			ok = script_fail(s, L4_EXIT_NO, "more than %d steps", SCRIPT_STEPS);
		else if (signals_stop())
			ok = false;
		else
			ok = step(s, &next);
	}
	if (!ok && r == L4_EXIT_DONE && !s->status)
		s->status = L4_EXIT_NO; /* stopped by a signal */
	script_tidy(s);
	wires_close(&s->wires);
	return r != L4_EXIT_DONE ? r : s->status;
}
