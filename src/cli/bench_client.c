/* The client of l4 bench: asks a server for a test, does its part, prints what came of it.
 *
 * It goes through: connecting (control), asked (the server's ok), opening (a flow of data each),
 * running, settling (datagrams still under way), ending (the server's figures). Counts of what we
 * send are of what the peer has acknowledged; of what the server receives, its own figures are
 * printed at the end. */
#include "cli/bench.h"

#include <layer4/err.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/cli.h"

#define ANSWER_WAIT (10 * L4_SEC)
#define SETTLE      (200 * L4_MSEC)
#define RETRY       L4_MSEC         /* of a connection that failed */
#define SILENCE     (500 * L4_MSEC) /* of a sender that has something left to send */
#define DATAGRAMS   256

enum state { CONNECTING, ASKED, OPENING, RUNNING, SETTLING, ENDING, OVER };

struct seen {
	struct bench_count c; /* at the last interval */
	uint32_t retrans;
};

struct bench_client {
	struct bench_net *n;
	struct bench_client_config c;
	enum state state;
	l4_time since; /* of the state */
	int64_t h;     /* control */
	char line[BENCH_LINE];
	size_t line_n;
	unsigned n_flows, opened;
	struct bench_flow *flows;
	struct seen *seen;
	struct bench_count *theirs; /* the server's figures */
	struct bench_hist hist;
	l4_time start, stop, shown; /* of the test; the last interval's end */
	double cpu_start, cpu;      /* seconds of this process */
	double remote_cpu;          /* of the server's, at its end */
	int exit;
	bool more;
	struct bench_buffer b;
};

static l4_time now_of(const struct bench_client *c)
{
	return c->n->ops->now(c->n);
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void enter(struct bench_client *c, enum state s)
{
	c->state = s;
	c->since = now_of(c);
}

static void fail(struct bench_client *c, const char *what, int e)
{
	if (c->state == OVER)
		return;
	fprintf(stderr, "l4 bench: %s port %u: %s%s%s\n", c->c.host, c->c.to.port, what,
	    e ? ": " : "", e ? l4_err_text(e) : "");
	c->exit = L4_EXIT_NO;
	enter(c, OVER);
}

static bool is_up(const struct bench_client *c, unsigned number)
{
	return c->c.t.mode != BENCH_BULK || (c->c.t.up && number < c->c.t.streams);
}

/* --- flows --- */

static void release(struct bench_client *c, struct bench_flow *f, bool abort)
{
	struct bench_info i;
	if (f->h < 0)
		return;
	if (f->role == BENCH_SEND && !c->c.t.udp) {
		c->n->ops->info(c->n, f->h, &i);
		f->c.retrans = i.retrans;
	}
	c->n->ops->close(c->n, f->h, c->c.t.udp, abort);
	f->h = -1;
}

static int dial(struct bench_client *c, struct bench_flow *f)
{
	const struct l4_endpoint any = { .port = 0 };
	struct bench_tune tune = c->c.tune;
	tune.nodelay = c->c.t.mode != BENCH_BULK;
	bench_preamble_emit(f->pre, c->c.t.id, f->number);
	f->pre_left = c->c.t.udp ? 0 : BENCH_PREAMBLE;
	f->connected = f->done = false;
	f->resend = 0;
	if (c->c.t.mode == BENCH_CRR) {
		f->asked = now_of(c);
		f->owed = c->c.t.len;
		f->moved = 0;
	}
	f->h = c->c.t.udp ? c->n->ops->udp(c->n, &any, &c->c.to, f)
			  : c->n->ops->connect(c->n, &c->c.to, &tune, f);
	return f->h < 0 ? (int)f->h : 0;
}

/* A connection of the connection rate ended or failed: the next. */
static void redial(struct bench_client *c, struct bench_flow *f, bool failed)
{
	release(c, f, failed);
	f->c.failed += failed;
	if (c->state != RUNNING)
		return;
	if (c->c.t.bytes && f->c.packets >= c->c.t.bytes) {
		f->stopped = f->done = true;
		return;
	}
	if (failed || dial(c, f) < 0)
		f->resend = now_of(c) + RETRY;
}

static void pump(struct bench_client *c, struct bench_flow *f)
{
	if (f->h < 0)
		return;
	int e = bench_flow_pump(f, &c->b);
	c->more |= f->more;
	if (c->c.t.mode == BENCH_CRR) {
		if (e < 0 || f->done)
			redial(c, f, e < 0);
		return;
	}
	if (e < 0) {
		release(c, f, true);
		if (c->state == RUNNING)
			fail(c, "a stream broke", e);
	} else if (f->done && f->role != BENCH_ASK) {
		release(c, f, false);
	}
}

static void take_datagrams(struct bench_client *c, struct bench_flow *f)
{
	for (int i = 0; i < DATAGRAMS; i++) {
		struct l4_endpoint from;
		struct bench_dgram d;
		l4_time when;
		int64_t k = c->n->ops->udp_recv(c->n, f->h, c->b.in, sizeof c->b.in, &from, &when);
		if (k == L4_EAGAIN)
			return;
		if (k > 0 && bench_dgram_parse(&d, c->b.in, (size_t)k) && d.id == c->c.t.id &&
		    d.flow == f->number && (uint32_t)k <= c->c.t.len)
			bench_flow_datagram(f, &d, (size_t)k, when, &from, &c->b);
	}
	c->more = true;
}

/* --- the course of it --- */

static void run(struct bench_client *c)
{
	l4_time now = now_of(c);
	enter(c, RUNNING);
	c->start = c->shown = now;
	c->cpu_start = cpu_s();
	for (unsigned i = 0; i < c->n_flows; i++) {
		struct bench_flow *f = &c->flows[i];
		f->start = now;
		f->hist = &c->hist;
		if (c->c.t.mode == BENCH_CRR) {
			if (dial(c, f) < 0)
				redial(c, f, true);
		} else if (c->c.t.udp) {
			bench_flow_send(f, &c->b);
		} else {
			pump(c, f);
		}
	}
}

static void open_flows(struct bench_client *c)
{
	bench_report_start(&c->c, c->n->what);
	enter(c, OPENING);
	for (unsigned i = 0; i < c->n_flows && c->c.t.mode != BENCH_CRR; i++) {
		int e = dial(c, &c->flows[i]);
		if (e < 0) {
			fail(c, "no connection", e);
			return;
		}
	}
	if (c->c.t.udp || c->c.t.mode == BENCH_CRR)
		run(c);
}

static void try_open(struct bench_client *c, struct bench_flow *f)
{
	if (f->connected || f->h < 0)
		return;
	int e = bench_flow_open(f);
	if (e < 0)
		fail(c, "no connection", e);
	if (e <= 0)
		return;
	f->connected = true;
	if (++c->opened == c->n_flows)
		run(c);
}

static void end_test(struct bench_client *c)
{
	c->stop = now_of(c);
	c->cpu = cpu_s() - c->cpu_start;
	for (unsigned i = 0; i < c->n_flows; i++) {
		struct bench_flow *f = &c->flows[i];
		if (f->role == BENCH_SEND && f->h >= 0 && !c->c.t.udp) {
			struct bench_info info;
			c->n->ops->info(c->n, f->h, &info);
			f->c.bytes -= info.waiting < f->c.bytes ? info.waiting : f->c.bytes;
			f->c.retrans = info.retrans;
		}
		if (!c->c.t.udp || f->role != BENCH_SINK)
			f->stopped = true;
	}
	enter(c, SETTLING);
}

static void ask_end(struct bench_client *c)
{
	for (unsigned i = 0; i < c->n_flows; i++)
		c->flows[i].stopped = true;
	enter(c, ENDING);
	if (c->n->ops->send(c->n, c->h, "end\n", 4) != 4)
		fail(c, "control connection", L4_EPIPE);
}

/* --- what is shown --- */

static void note(const struct bench_client *c, unsigned i, struct bench_span *s)
{
	const struct bench_flow *f = &c->flows[i];
	memset(s, 0, sizeof *s);
	s->number = i;
	s->up = is_up(c, i);
	s->sender = f->role == BENCH_SEND;
	s->c = f->c;
	if (s->sender && f->h >= 0 && !c->c.t.udp && c->state == RUNNING) {
		c->n->ops->info(c->n, f->h, &s->info);
		s->has_info = true;
		s->c.bytes -= s->info.waiting < s->c.bytes ? s->info.waiting : s->c.bytes;
		s->c.retrans = s->info.retrans;
	}
}

static void add(struct bench_span *sum, const struct bench_span *s)
{
	sum->c.bytes += s->c.bytes;
	sum->c.packets += s->c.packets;
	sum->c.lost += s->c.lost;
	sum->c.late += s->c.late;
	sum->c.retrans += s->c.retrans;
	sum->c.failed += s->c.failed;
	sum->c.jitter = (sum->c.jitter * sum->sum + s->c.jitter) / (sum->sum + 1);
	sum->sum++;
}

static void less(struct bench_count *c, const struct bench_count *before)
{
	c->bytes = c->bytes > before->bytes ? c->bytes - before->bytes : 0;
	c->packets -= before->packets;
	c->lost = c->lost > before->lost ? c->lost - before->lost : 0;
	c->late -= before->late;
	c->failed -= before->failed;
	c->retrans -= before->retrans;
}

static void show_interval(struct bench_client *c, l4_time now)
{
	struct bench_span sum[2];
	memset(sum, 0, sizeof sum);
	for (unsigned i = 0; i < c->n_flows; i++) {
		struct bench_span s;
		note(c, i, &s);
		struct bench_count all = s.c;
		less(&s.c, &c->seen[i].c);
		c->seen[i].c = all;
		s.from = (double)(c->shown - c->start) / 1e9;
		s.to = (double)(now - c->start) / 1e9;
		struct bench_span *t = &sum[s.up];
		t->up = s.up;
		t->sender = s.sender;
		t->from = s.from;
		t->to = s.to;
		add(t, &s);
		if (c->c.t.mode == BENCH_BULK)
			bench_report_interval(&c->c, &s);
	}
	for (int i = 1; i >= 0; i--)
		if (sum[i].sum > (c->c.t.mode == BENCH_BULK ? 1 : 0))
			bench_report_interval(&c->c, &sum[i]);
	c->shown = now;
}

static void show_side(struct bench_client *c, bool up, bool sender, double seconds)
{
	struct bench_span sum, s;
	memset(&sum, 0, sizeof sum);
	for (unsigned i = 0; i < c->n_flows; i++) {
		if (is_up(c, i) != up)
			continue;
		note(c, i, &s);
		s.from = 0;
		s.to = seconds;
		if (s.sender != sender && c->c.t.mode == BENCH_BULK) {
			uint64_t sent = s.c.packets;
			s.c = c->theirs[i];
			s.sender = sender;
			/* what was lost behind the last that arrived */
			if (!sender && c->c.t.udp && sent > s.c.packets + s.c.lost)
				s.c.lost = sent - s.c.packets;
		} else if (!sender && c->c.t.udp && c->theirs[i].packets > s.c.packets + s.c.lost) {
			s.c.lost = c->theirs[i].packets - s.c.packets;
		}
		sum.up = up;
		sum.sender = sender;
		sum.to = seconds;
		add(&sum, &s);
		if (c->c.t.mode == BENCH_BULK)
			bench_report_summary(&c->c, &s);
	}
	if (sum.sum > (c->c.t.mode == BENCH_BULK ? 1 : 0))
		bench_report_summary(&c->c, &sum);
}

static void show_summary(struct bench_client *c)
{
	double seconds = (double)(c->stop - c->start) / 1e9;
	if (seconds <= 0)
		seconds = 1e-9;
	if (c->c.t.mode != BENCH_BULK) {
		show_side(c, true, true, seconds);
		bench_report_latency(&c->c, &c->hist, seconds);
	} else {
		for (int up = 1; up >= 0; up--)
			for (int sender = 1; sender >= 0; sender--)
				show_side(c, up, sender, seconds);
	}
	bench_report_cpu(&c->c, c->cpu / seconds, c->remote_cpu / seconds);
	bool any = false;
	for (unsigned i = 0; i < c->n_flows; i++)
		any |= c->flows[i].c.bytes || c->flows[i].c.packets || c->theirs[i].bytes;
	c->exit = any ? L4_EXIT_DONE : L4_EXIT_NO;
}

/* --- control --- */

static void on_line(struct bench_client *c, const char *line)
{
	struct bench_count k;
	unsigned number;
	long long cpu;
	if (c->state == ASKED) {
		if (!strcmp(line, "ok"))
			open_flows(c);
		else
			fail(c,
			    strncmp(line, "error ", 6) ? "it does not speak our protocol"
						       : line + 6,
			    0);
	} else if (c->state != ENDING) {
		fail(c, "it does not speak our protocol", 0);
	} else if (bench_count_parse(&k, &number, line) && number < c->n_flows) {
		c->theirs[number] = k;
	} else if (sscanf(line, "done cpu=%18lld", &cpu) == 1) {
		c->remote_cpu = (double)cpu / 1e9;
		show_summary(c);
		enter(c, OVER);
	}
}

static void pump_control(struct bench_client *c)
{
	while (c->state != OVER && c->state != CONNECTING) {
		char *nl = memchr(c->line, '\n', c->line_n);
		if (nl) {
			size_t used = (size_t)(nl - c->line) + 1;
			*nl = 0;
			on_line(c, c->line);
			memmove(c->line, c->line + used, c->line_n - used);
			c->line_n -= used;
			continue;
		}
		int64_t r = c->line_n < sizeof c->line
				? c->n->ops->recv(
				      c->n, c->h, c->line + c->line_n, sizeof c->line - c->line_n)
				: L4_EMALFORMED;
		if (r == L4_EAGAIN)
			return;
		if (r <= 0) {
			fail(c, "the server ended the test", r < 0 ? (int)r : 0);
			return;
		}
		c->line_n += (size_t)r;
	}
}

static void on_control(struct bench_client *c, const struct bench_event *e)
{
	if (e->bits & BENCH_EV_ERROR) {
		fail(c, c->state == CONNECTING ? "no connection" : "the connection broke",
		    e->err ? e->err : L4_ERESET);
		return;
	}
	if (c->state == CONNECTING) {
		char line[BENCH_LINE];
		size_t n = bench_test_format(&c->c.t, line, sizeof line);
		int64_t k = c->n->ops->send(c->n, c->h, line, n);
		if (k == L4_EAGAIN || k == L4_ENOTCONN)
			return;
		if (k != (int64_t)n) {
			fail(c, "no connection", k < 0 ? (int)k : L4_EPIPE);
			return;
		}
		enter(c, ASKED);
	}
	pump_control(c);
}

/* --- turns --- */

static void on_flow(struct bench_client *c, struct bench_flow *f, const struct bench_event *e)
{
	if (f->h < 0 || c->state == OVER)
		return;
	if (c->c.t.udp) {
		take_datagrams(c, f);
	} else if (e->bits & BENCH_EV_ERROR) {
		if (c->c.t.mode == BENCH_CRR) {
			redial(c, f, true);
		} else {
			release(c, f, true);
			if (c->state == OPENING || c->state == RUNNING)
				fail(c, "a stream broke", e->err ? e->err : L4_ERESET);
		}
	} else if (c->state == OPENING) {
		try_open(c, f);
	} else {
		pump(c, f);
	}
}

/* Whether all that was to be moved has been; datagrams that stay away are lost. */
static bool all_done(const struct bench_client *c, l4_time now)
{
	for (unsigned i = 0; i < c->n_flows; i++) {
		const struct bench_flow *f = &c->flows[i];
		bool silent =
		    c->c.t.udp && f->role == BENCH_SINK && f->c.last && now - f->c.last > SILENCE;
		if (!f->done && !silent)
			return false;
	}
	return true;
}

static void on_time(struct bench_client *c, l4_time now)
{
	l4_time age = now - c->since;
	switch (c->state) {
	case CONNECTING:
	case ASKED:
	case OPENING:
		if (age >= c->c.connect_timeout)
			fail(c, "no connection", L4_ETIMEDOUT);
		break;
	case RUNNING:
		if (c->c.interval && now - c->shown >= c->c.interval)
			show_interval(c, now);
		if ((c->c.t.time && now - c->start >= c->c.t.time) ||
		    (c->c.t.bytes && all_done(c, now)))
			end_test(c);
		break;
	case SETTLING:
		if (!c->c.t.udp || age >= SETTLE)
			ask_end(c);
		break;
	case ENDING:
		if (age >= ANSWER_WAIT)
			fail(c, "no figures from the server", L4_ETIMEDOUT);
		break;
	case OVER:
		break;
	}
}

void bench_client_run(struct bench_client *c)
{
	struct bench_event ev[64];
	size_t n = c->n->ops->events(c->n, ev, 64);
	c->more = n == 64;
	for (size_t i = 0; i < n && c->state != OVER; i++) {
		if (ev[i].user == c)
			on_control(c, &ev[i]);
		else if (ev[i].user)
			on_flow(c, ev[i].user, &ev[i]);
	}
	l4_time now = now_of(c);
	for (unsigned i = 0; i < c->n_flows && c->state == RUNNING; i++) {
		struct bench_flow *f = &c->flows[i];
		if (c->c.t.mode == BENCH_CRR && f->h < 0 && !f->done) {
			if (now >= f->resend)
				redial(c, f, false);
		} else if (f->h >= 0 && bench_flow_deadline(f) <= now) {
			if (c->c.t.udp)
				bench_flow_send(f, &c->b);
			else
				pump(c, f);
		}
	}
	on_time(c, now);
}

l4_time bench_client_deadline(const struct bench_client *c)
{
	l4_time at = c->more ? 0 : c->since + c->c.connect_timeout;
	if (c->state == SETTLING)
		at = c->c.t.udp ? c->since + SETTLE : 0;
	if (c->state == ENDING)
		at = c->since + ANSWER_WAIT;
	if (c->state != RUNNING || c->more)
		return at;
	at = c->c.t.time ? c->start + c->c.t.time : L4_TIME_NEVER;
	if (c->c.interval && c->shown + c->c.interval < at)
		at = c->shown + c->c.interval;
	if (c->c.t.udp && c->c.t.bytes && now_of(c) + SILENCE / 4 < at)
		at = now_of(c) + SILENCE / 4;
	for (unsigned i = 0; i < c->n_flows; i++) {
		const struct bench_flow *f = &c->flows[i];
		l4_time t = f->h < 0 && c->c.t.mode == BENCH_CRR && !f->done
				? f->resend
				: bench_flow_deadline(f);
		at = t < at ? t : at;
	}
	return at;
}

int bench_client_over(const struct bench_client *c)
{
	return c->state == OVER ? c->exit : -1;
}

void bench_client_stop(struct bench_client *c)
{
	if (c->state == RUNNING) {
		end_test(c);
		ask_end(c);
	} else if (c->state < RUNNING) {
		c->exit = L4_EXIT_NO;
		enter(c, OVER);
	}
}

struct bench_client *bench_client_new(struct bench_net *n, const struct bench_client_config *cfg)
{
	struct bench_client *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->n = n;
	c->c = *cfg;
	c->h = -1;
	c->exit = L4_EXIT_SYSTEM;
	c->n_flows = cfg->t.streams * (cfg->t.up && cfg->t.down ? 2 : 1);
	c->flows = calloc(c->n_flows, sizeof *c->flows);
	c->seen = calloc(c->n_flows, sizeof *c->seen);
	c->theirs = calloc(c->n_flows, sizeof *c->theirs);
	if (!c->flows || !c->seen || !c->theirs) {
		bench_client_free(c);
		return NULL;
	}
	for (unsigned i = 0; i < c->n_flows; i++)
		bench_flow_init(&c->flows[i], &c->c.t, n,
		    cfg->t.mode != BENCH_BULK ? BENCH_ASK
		    : is_up(c, i)             ? BENCH_SEND
					      : BENCH_SINK,
		    i);
	for (size_t i = 0; i < sizeof c->b.out; i++) /* does not compress, is the same each time */
		c->b.out[i] = (uint8_t)(i * 2654435761u >> 13);
	enter(c, CONNECTING);
	const struct bench_tune tune = { .nodelay = true };
	c->h = n->ops->connect(n, &c->c.to, &tune, c);
	if (c->h < 0)
		fail(c, "no connection", (int)c->h);
	return c;
}

void bench_client_free(struct bench_client *c)
{
	if (!c)
		return;
	for (unsigned i = 0; c->flows && i < c->n_flows; i++)
		release(c, &c->flows[i], true);
	if (c->h >= 0)
		c->n->ops->close(c->n, c->h, false, false);
	free(c->flows);
	free(c->seen);
	free(c->theirs);
	free(c);
}
