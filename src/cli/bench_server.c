/* The server of l4 bench: does what clients ask for on their control connections.
 *
 * One port for all. The first four bytes of a connection say what it is: "l4be" opens a control
 * connection, whose line describes a test; "l4bd" a flow of data of a test by its id. A test lives
 * as long as its control connection. Datagrams name test and flow in their heads; data is sent only
 * to the address that asked for the test, so that nobody is flooded on another's word.
 *
 * Limits: SESSIONS tests at a time, BENCH_STREAMS flows each way of each, NEWCOMERS connections
 * that have not said what they are, and those for NEW_WAIT. */
#include "cli/bench.h"

#include <layer4/err.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SESSIONS  64
#define NEWCOMERS 1024
#define NEW_WAIT  (10 * L4_SEC)
#define AFTER     (60 * L4_SEC)            /* of a test beyond its time */
#define LONGEST   (7 * 24 * 3600 * L4_SEC) /* of one that ends by bytes */
#define LOOK      (200 * L4_MSEC)
#define DATAGRAMS 256 /* in one turn */

struct session {
	struct session *next;
	struct bench_test t;
	struct l4_endpoint from;
	unsigned n_flows;
	struct bench_flow *flows;
	struct bench_count sum; /* crr */
	l4_time start, until;
	int64_t cpu; /* ns of this process at the start */
	bool ended;
};

enum conn_kind { C_NEW, C_CONTROL, C_DATA };

struct conn {
	struct conn *next;
	enum conn_kind kind;
	int64_t h; /* -1: over, to be freed after the batch */
	struct l4_endpoint from;
	struct session *s;
	struct bench_flow *f; /* of C_DATA: in the session, or own */
	struct bench_flow own;
	char line[BENCH_LINE];
	size_t line_n;
	char *out; /* answers that wait to be sent */
	size_t out_n, out_at;
	l4_time since;
};

struct bench_server {
	struct bench_net *n;
	struct bench_server_config c;
	int64_t listener, udp;
	struct conn *conns;
	struct session *sessions;
	unsigned n_sessions, newcomers;
	bool more; /* datagrams may wait */
	uint64_t tests;
	l4_time looked;
	struct bench_buffer b;
};

static l4_time now_of(const struct bench_server *s)
{
	return s->n->ops->now(s->n);
}

/* --- tests --- */

static struct session *find(const struct bench_server *s, uint64_t id)
{
	struct session *x = s->sessions;
	while (x && x->t.id != id)
		x = x->next;
	return x;
}

static enum bench_role role_of(const struct bench_test *t, unsigned number)
{
	if (t->mode != BENCH_BULK)
		return BENCH_ANSWER;
	return t->up && number < t->streams ? BENCH_SINK : BENCH_SEND;
}

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * (int64_t)L4_SEC + t.tv_nsec;
}

static struct session *begin(
    struct bench_server *s, const struct bench_test *t, const struct l4_endpoint *from)
{
	struct session *x =
	    s->n_sessions < SESSIONS && !find(s, t->id) ? calloc(1, sizeof *x) : NULL;
	if (!x)
		return NULL;
	x->n_flows = t->streams * (t->up && t->down ? 2 : 1);
	x->flows = calloc(x->n_flows, sizeof *x->flows);
	if (!x->flows) {
		free(x);
		return NULL;
	}
	x->t = *t;
	x->from = *from;
	x->start = now_of(s);
	x->cpu = cpu_ns();
	x->until = x->start + (t->bytes || t->time > LONGEST ? LONGEST : t->time) + AFTER;
	for (unsigned i = 0; i < x->n_flows; i++) {
		bench_flow_init(&x->flows[i], &x->t, s->n, role_of(t, i), i);
		if (t->udp)
			x->flows[i].h = s->udp;
	}
	x->next = s->sessions;
	s->sessions = x;
	s->n_sessions++;
	s->tests++;
	return x;
}

static void add_count(struct bench_count *sum, const struct bench_count *c)
{
	sum->bytes += c->bytes;
	sum->packets += c->packets;
	sum->lost += c->lost;
	if (c->first && (!sum->first || c->first < sum->first))
		sum->first = c->first;
	if (c->last > sum->last)
		sum->last = c->last;
}

static void report(struct bench_server *s, const struct session *x)
{
	static const char *const modes[] = { "bulk", "request-response", "connections" };
	struct bench_count sum = x->sum;
	char who[L4_ADDR_TEXT_MAX];
	for (unsigned i = 0; i < x->n_flows; i++)
		add_count(&sum, &x->flows[i].c);
	double seconds = (double)(sum.last - sum.first) / 1e9;
	l4_addr_format(&x->from.addr, who, sizeof who);
	if (s->c.quiet)
		return;
	if (s->c.json)
		printf("{\"event\":\"test\",\"peer\":\"%s\",\"mode\":\"%s\",\"protocol\":\"%s\","
		       "\"streams\":%u,\"bytes\":%" PRIu64 ",\"packets\":%" PRIu64
		       ",\"seconds\":%.3f}\n",
		    who, modes[x->t.mode], x->t.udp ? "udp" : "tcp", x->t.streams, sum.bytes,
		    sum.packets, seconds);
	else
		printf("%s: %s %s, %u stream%s: %" PRIu64 " bytes, %" PRIu64 " %s, %.2f s\n", who,
		    x->t.udp ? "UDP" : "TCP", modes[x->t.mode], x->t.streams,
		    x->t.streams == 1 ? "" : "s", sum.bytes, sum.packets,
		    x->t.mode == BENCH_BULK ? "datagrams" : "transactions", seconds);
	fflush(stdout);
}

/* --- connections --- */

/* Ends a connection; its record goes after the batch of events. */
static void hang_up(struct bench_server *s, struct conn *k, bool abort)
{
	struct bench_info i;
	if (k->h < 0)
		return;
	if (k->kind == C_NEW)
		s->newcomers--;
	if (k->f) {
		if (k->f->role == BENCH_SEND) {
			s->n->ops->info(s->n, k->h, &i);
			k->f->c.retrans = i.retrans;
		}
		if (k->f == &k->own && k->s)
			add_count(&k->s->sum, &k->own.c);
		k->f->h = -1;
	}
	s->n->ops->close(s->n, k->h, false, abort);
	k->h = -1;
}

static void end(struct bench_server *s, struct session *x)
{
	struct session **at = &s->sessions;
	for (struct conn *k = s->conns; k; k = k->next)
		if (k->s == x) {
			hang_up(s, k, k->kind == C_DATA);
			k->s = NULL;
			k->f = NULL;
		}
	report(s, x);
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	free(x->flows);
	free(x);
	s->n_sessions--;
}

static void gone(struct bench_server *s, struct conn *k, bool abort)
{
	struct session *x = k->kind == C_CONTROL ? k->s : NULL;
	hang_up(s, k, abort);
	if (x)
		end(s, x);
}

/* --- control --- */

static void flush(struct bench_server *s, struct conn *k)
{
	while (k->out_at < k->out_n) {
		int64_t r = s->n->ops->send(s->n, k->h, k->out + k->out_at, k->out_n - k->out_at);
		if (r == L4_EAGAIN)
			return;
		if (r < 0) {
			gone(s, k, true);
			return;
		}
		k->out_at += (size_t)r;
	}
}

static void say(struct bench_server *s, struct conn *k, const char *text, size_t n)
{
	char *p = realloc(k->out, k->out_n + n);
	if (!p)
		return;
	k->out = p;
	memcpy(p + k->out_n, text, n);
	k->out_n += n;
	flush(s, k);
}

static void answer_end(struct bench_server *s, struct conn *k)
{
	struct session *x = k->s;
	char *text = malloc((size_t)(x->n_flows + 1) * BENCH_LINE);
	size_t n = 0;
	if (!text) {
		gone(s, k, true);
		return;
	}
	x->ended = true;
	for (unsigned i = 0; i < x->n_flows; i++) {
		struct bench_flow *f = &x->flows[i];
		struct bench_count c = f->c;
		struct bench_info info;
		f->stopped = true;
		if (f->h >= 0 && f->role == BENCH_SEND && !x->t.udp) {
			s->n->ops->info(s->n, f->h, &info);
			c.retrans = info.retrans;
		}
		if (x->t.mode == BENCH_CRR && i == 0)
			c = x->sum;
		n += bench_count_format(&c, i, text + n, BENCH_LINE);
	}
	n += (size_t)snprintf(
	    text + n, BENCH_LINE, "done cpu=%lld\n", (long long)(cpu_ns() - x->cpu));
	say(s, k, text, n);
	free(text);
}

static void on_line(struct bench_server *s, struct conn *k)
{
	struct bench_test t;
	if (!k->s) {
		if (!bench_test_parse(&t, k->line)) {
			say(s, k, "error not a test of this version\n", 33);
		} else if (!(k->s = begin(s, &t, &k->from))) {
			say(s, k, "error busy\n", 11);
		} else {
			say(s, k, "ok\n", 3);
		}
	} else if (!strcmp(k->line, "end") && !k->s->ended) {
		answer_end(s, k);
	} else {
		gone(s, k, true);
	}
}

static void pump_control(struct bench_server *s, struct conn *k)
{
	flush(s, k);
	while (k->h >= 0) {
		char *nl = memchr(k->line, '\n', k->line_n);
		if (nl) {
			size_t used = (size_t)(nl - k->line) + 1;
			*nl = 0;
			on_line(s, k);
			memmove(k->line, k->line + used, k->line_n - used);
			k->line_n -= used;
			continue;
		}
		if (k->line_n == sizeof k->line) {
			gone(s, k, true);
			return;
		}
		int64_t r =
		    s->n->ops->recv(s->n, k->h, k->line + k->line_n, sizeof k->line - k->line_n);
		if (r == L4_EAGAIN)
			return;
		if (r <= 0) {
			gone(s, k, r < 0);
			return;
		}
		k->line_n += (size_t)r;
	}
}

/* --- data --- */

static void pump_data(struct bench_server *s, struct conn *k)
{
	int e = bench_flow_pump(k->f, &s->b);
	if (e < 0 || k->f->done)
		hang_up(s, k, e < 0);
}

/* Which flow of which test this is. */
static void on_preamble(struct bench_server *s, struct conn *k)
{
	uint64_t id;
	unsigned number;
	struct session *x = NULL;
	if (bench_preamble_parse((const uint8_t *)k->line, &id, &number))
		x = find(s, id);
	if (!x || x->t.udp || number >= x->n_flows || x->ended ||
	    !l4_addr_eq(&x->from.addr, &k->from.addr) ||
	    (x->t.mode != BENCH_CRR && x->flows[number].h >= 0)) {
		hang_up(s, k, true);
		return;
	}
	struct bench_tune tune = s->c.tune;
	tune.nodelay = x->t.mode != BENCH_BULK;
	if (x->t.window)
		tune.window = x->t.window;
	s->newcomers--;
	k->kind = C_DATA;
	k->s = x;
	k->f = &x->flows[number];
	if (x->t.mode == BENCH_CRR) {
		k->f = &k->own;
		bench_flow_init(k->f, &x->t, s->n, BENCH_ANSWER, number);
	}
	k->f->h = k->h;
	s->n->ops->tune(s->n, k->h, &tune);
	pump_data(s, k);
}

static void pump_new(struct bench_server *s, struct conn *k)
{
	while (k->line_n < BENCH_PREAMBLE) {
		size_t want = k->line_n < 4 ? 4 : BENCH_PREAMBLE;
		int64_t r = s->n->ops->recv(s->n, k->h, k->line + k->line_n, want - k->line_n);
		if (r == L4_EAGAIN)
			return;
		if (r <= 0) {
			hang_up(s, k, true);
			return;
		}
		k->line_n += (size_t)r;
		if (k->line_n == 4 && memcmp(k->line, "l4be", 4) == 0) {
			s->newcomers--;
			k->kind = C_CONTROL;
			pump_control(s, k);
			return;
		}
	}
	on_preamble(s, k);
}

static void pump(struct bench_server *s, struct conn *k)
{
	if (k->h < 0)
		return;
	if (k->kind == C_NEW)
		pump_new(s, k);
	else if (k->kind == C_CONTROL)
		pump_control(s, k);
	else
		pump_data(s, k);
}

static void take(struct bench_server *s)
{
	for (;;) {
		struct conn *k = calloc(1, sizeof *k);
		if (!k)
			return;
		k->h = s->n->ops->accept(s->n, s->listener, &k->from, k);
		if (k->h < 0) {
			free(k);
			return;
		}
		k->since = now_of(s);
		k->next = s->conns;
		s->conns = k;
		s->newcomers++;
		if (s->newcomers > NEWCOMERS)
			hang_up(s, k, true);
		else
			pump(s, k);
	}
}

static void take_datagrams(struct bench_server *s)
{
	struct session *x = NULL;
	s->more = false;
	for (int i = 0; i < DATAGRAMS; i++) {
		struct l4_endpoint from;
		struct bench_dgram d;
		l4_time when;
		int64_t k =
		    s->n->ops->udp_recv(s->n, s->udp, s->b.in, sizeof s->b.in, &from, &when);
		if (k == L4_EAGAIN)
			return;
		if (k < 0 || !bench_dgram_parse(&d, s->b.in, (size_t)k))
			continue;
		if (!x || x->t.id != d.id)
			x = find(s, d.id);
		if (x && x->t.udp && d.flow < x->n_flows && (uint32_t)k <= x->t.len &&
		    l4_addr_eq(&x->from.addr, &from.addr))
			bench_flow_datagram(&x->flows[d.flow], &d, (size_t)k, when, &from, &s->b);
	}
	s->more = true;
}

/* --- turns --- */

static void reap(struct bench_server *s)
{
	struct conn **at = &s->conns;
	while (*at) {
		struct conn *k = *at;
		if (k->h >= 0) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		free(k->out);
		free(k);
	}
}

static void look(struct bench_server *s, l4_time now)
{
	struct session *next;
	s->looked = now;
	for (struct conn *k = s->conns; k; k = k->next)
		if (k->kind == C_NEW && k->h >= 0 && now - k->since > NEW_WAIT)
			hang_up(s, k, true);
	for (struct session *x = s->sessions; x; x = next) {
		next = x->next;
		if (now < x->until)
			continue;
		for (struct conn *k = s->conns; k; k = k->next)
			if (k->kind == C_CONTROL && k->s == x) {
				gone(s, k, true);
				break;
			}
	}
}

void bench_server_run(struct bench_server *s)
{
	struct bench_event ev[64];
	size_t n = s->n->ops->events(s->n, ev, 64);
	for (size_t i = 0; i < n; i++) {
		if (ev[i].user == &s->listener)
			take(s);
		else if (ev[i].user == &s->udp)
			continue; /* below, in every turn */
		else if (ev[i].bits & BENCH_EV_ERROR)
			gone(s, ev[i].user, true);
		else if (ev[i].user)
			pump(s, ev[i].user);
	}
	take_datagrams(s);
	l4_time now = now_of(s);
	for (struct conn *k = s->conns; k; k = k->next)
		if (k->kind == C_DATA && k->h >= 0 && bench_flow_deadline(k->f) <= now)
			pump_data(s, k);
	for (struct session *x = s->sessions; x; x = x->next)
		for (unsigned i = 0; x->t.udp && i < x->n_flows; i++)
			if (x->flows[i].connected && bench_flow_deadline(&x->flows[i]) <= now)
				bench_flow_send(&x->flows[i], &s->b);
	if (now - s->looked >= LOOK)
		look(s, now);
	reap(s);
}

l4_time bench_server_deadline(const struct bench_server *s)
{
	l4_time at = s->more ? 0 : L4_TIME_NEVER;
	if (s->conns && !s->more)
		at = s->looked + LOOK;
	for (const struct conn *k = s->conns; k; k = k->next)
		if (k->kind == C_DATA && k->h >= 0 && bench_flow_deadline(k->f) < at)
			at = bench_flow_deadline(k->f);
	for (const struct session *x = s->sessions; x; x = x->next)
		for (unsigned i = 0; x->t.udp && i < x->n_flows; i++)
			if (x->flows[i].connected && bench_flow_deadline(&x->flows[i]) < at)
				at = bench_flow_deadline(&x->flows[i]);
	return at;
}

bool bench_server_over(const struct bench_server *s)
{
	return s->c.one_off && s->tests && !s->sessions;
}

uint64_t bench_server_tests(const struct bench_server *s)
{
	return s->tests;
}

struct bench_server *bench_server_new(struct bench_net *n, const struct bench_server_config *c)
{
	struct bench_server *s = calloc(1, sizeof *s);
	char text[L4_ENDPOINT_TEXT_MAX];
	if (!s)
		return NULL;
	s->n = n;
	s->c = *c;
	s->udp = -1;
	s->listener = n->ops->listen(n, &c->at, &s->listener);
	if (s->listener >= 0)
		s->udp = n->ops->udp(n, &c->at, NULL, &s->udp);
	if (s->listener >= 0 && s->udp >= 0)
		return s;
	l4_endpoint_format(&c->at, text, sizeof text);
	fprintf(stderr, "l4 bench: cannot listen on %s: %s\n", text,
	    l4_err_text((int)(s->listener < 0 ? s->listener : s->udp)));
	bench_server_free(s);
	return NULL;
}

void bench_server_free(struct bench_server *s)
{
	if (!s)
		return;
	while (s->sessions)
		end(s, s->sessions);
	for (struct conn *k = s->conns; k; k = k->next)
		hang_up(s, k, true);
	reap(s);
	if (s->listener >= 0)
		s->n->ops->close(s->n, s->listener, false, false);
	if (s->udp >= 0)
		s->n->ops->close(s->n, s->udp, true, false);
	free(s);
}
