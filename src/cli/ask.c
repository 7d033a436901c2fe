/* l4 ask: sends the packets of an expression, matches what comes back, measures the time.
 *
 * A question waits in a first-in first-out queue for its timeout; all wait equally long, so the
 * head is always the next to end. A packet heard is looked up by the hash of what answers repeat
 * (layer4/match.h); of several questions that it could answer, an error is given to the one whose
 * IP identification it quotes, else the oldest without an answer gets it. Lines are printed in the
 * order of the questions, an answer as soon as all before it have one or have none. */
#include <layer4/err.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/signals.h"

static void usage(FILE *f)
{
	fputs("Usage: l4 ask [OPTION...] EXPRESSION\n\n"
	      "Sends the packets of an expression ('l4 craft --help' shows how they are written),\n"
	      "matches the answers to them, and prints each with its round-trip time, and what\n"
	      "stayed without answer. Answers are replies of the same protocol and ICMP errors.\n\n"
	      "  -t, --timeout TIME    how long to wait for each (1s)\n"
	      "      --retry N         ask again so many times (1)\n"
	      "  -r, --rate N          packets a second (1000)\n"
	      "  -1, --first           stop at the first answer\n"
	      "      --all             all answers to each until the timeout, not only the first\n"
	      "      --step            one after the other: the next when the last is answered\n"
	      "      --until FILTER    stop after an answer that a display filter matches\n"
	      "  -u, --unanswered      list the unanswered of more than 64 questions too\n"
	      "  -d, --detail          every field of the answers\n"
	      "  -x, --hex             their bytes\n"
	      "      --expression      the expression that builds them\n"
	      "      --no-reset        leave connections half open that a SYN of ours began\n",
	    f);
	fputs(sendopt_help, f);
	fputs(
	    "\nExit: 0 something was answered, 1 nothing was, 2 wrong use or a wrong expression,\n"
	    "3 the system failed (no route, no permission, interface down), or every answer was\n"
	    "malformed.\n\n"
	    "Examples:\n"
	    "  l4 ask 'ip(dst=192.0.2.2)/icmp()'\n"
	    "  l4 ask 'arp(pdst=192.0.2.0/24)'\n"
	    "  l4 ask 'ip(dst=192.0.2.2)/tcp(dport=[22,80,443],flags=S)'\n"
	    "  l4 ask 'ip(dst=192.0.2.53)/udp()/dns(qname=example.test)'\n"
	    "  l4 ask --step --until '!icmp.type==11' 'ip(dst=192.0.2.2,ttl=1-30)/icmp()'\n",
	    f);
}

/* ---- questions ---- */

static uint64_t hash_of(const struct question *q)
{
	return q->m.group ? q->m.any_key : q->m.key;
}

static void insert(struct ask *x, size_t i)
{
	struct question *q = &x->q[i];
	int32_t *b = &x->buckets[hash_of(q) & (x->n_buckets - 1)];
	while (*b >= 0)
		b = &x->q[*b].next; /* oldest first */
	*b = (int32_t)i;
	q->next = -1;
}

static bool push(struct ask *x, size_t i)
{
	if (x->fifo_head + x->fifo_n == x->fifo_cap) {
		size_t cap = x->fifo_cap ? x->fifo_cap * 2 : 1024;
		uint32_t *f = malloc(cap * sizeof *f);
		if (!f)
			return false;
		if (x->fifo_n)
			memcpy(f, x->fifo + x->fifo_head, x->fifo_n * sizeof *f);
		free(x->fifo);
		x->fifo = f;
		x->fifo_head = 0;
		x->fifo_cap = cap;
	}
	x->fifo[x->fifo_head + x->fifo_n++] = (uint32_t)i;
	return true;
}

/* The state of a question that is over. */
static void finish(struct ask *x, struct question *q, enum ask_state state)
{
	if (q->state == ASK_WAITING)
		x->in_flight--;
	q->state = (uint8_t)state;
	if (state != ASK_ANSWERED)
		x->silent++;
}

/* Prints what is over, in order. */
static void show(struct ask *x)
{
	for (; x->shown < x->sent_q; x->shown++) {
		struct question *q = &x->q[x->shown];
		if (q->state == ASK_WAITING)
			return;
		if (x->all && q->answers)
			continue; /* they were shown as they came */
		if (q->state != ASK_ANSWERED)
			ask_show_silent(x, q, x->shown);
		else if (ask_show_answer(x, q, x->shown, q->answer, q->answer_n, q->w->linktype,
			     q->rtt, q->how))
			x->over = true;
		free(q->answer);
		q->answer = NULL;
	}
}

static struct question *find(struct ask *x, uint64_t key, const struct l4_match *h)
{
	struct question *best = NULL;
	for (int32_t i = x->buckets[key & (x->n_buckets - 1)]; i >= 0; i = x->q[i].next) {
		struct question *q = &x->q[i];
		if (hash_of(q) != key || !l4_match_is(&q->m, h))
			continue;
		if (h->how == L4_MATCH_ERROR && h->ip_id && q->m.ip_id == h->ip_id)
			return q;
		if (!best || (best->answers && !q->answers))
			best = q;
	}
	return best;
}

static void on_frame(void *ctx, struct wire *w, const uint8_t *p, size_t n, l4_time when)
{
	struct ask *x = ctx;
	struct l4_match h;
	if (!x->q || l4_match_heard(&h, w->linktype, p, n) == L4_MATCH_NONE)
		return;
	struct question *q = find(x, h.key, &h);
	if (!q)
		q = find(x, h.any_key, &h);
	if (!q || q->state == ASK_NO_MAC)
		return;
	if (!x->no_reset && h.kind == L4_MK_TCP && h.how == L4_MATCH_ANSWER &&
	    (h.flags & 0x12) == 0x12)
		reset_half_open(&x->wires, w, p, n);
	if (q->answers && !x->all)
		return; /* a second one */
	if (q->state == ASK_SILENT)
		x->silent--;
	l4_time rtt = when > q->sent_at ? when - q->sent_at : 0;
	x->answered += !q->answers;
	q->answers++;
	x->answers++;
	x->rtt_min = x->answers == 1 || rtt < x->rtt_min ? rtt : x->rtt_min;
	x->rtt_max = rtt > x->rtt_max ? rtt : x->rtt_max;
	x->rtt_sum += rtt;
	if (x->all) {
		if (ask_show_answer(x, q, (size_t)(q - x->q), p, n, w->linktype, rtt, h.how))
			x->over = true;
		return;
	}
	finish(x, q, ASK_ANSWERED);
	q->rtt = rtt;
	q->how = h.how;
	q->answer = malloc(n);
	q->answer_n = q->answer ? (uint32_t)n : 0;
	if (q->answer)
		memcpy(q->answer, p, n);
	if (x->first) {
		x->over = true;
		x->shown = (size_t)(q - x->q);
	}
}

/* ---- sending ---- */

static bool transmit(struct ask *x, size_t i)
{
	struct question *q = &x->q[i];
	q->sent_at = wires_now(); /* before: the answer may be there when the call returns */
	if (wires_send(&x->wires, q->w, q->frame, q->n) < 0) {
		if (x->wires.send_errors == 1)
			fprintf(stderr, "l4 ask: %s: %s%s\n", q->w->name,
			    strerror(x->wires.saved_errno),
			    sendopt_errno_hint(x->wires.saved_errno, q->w, q->n));
		finish(x, q, ASK_REFUSED);
		return true;
	}
	x->packets_sent++;
	q->attempt++;
	q->due = q->sent_at + x->timeout;
	return push(x, i);
}

/* Sends question number i for the first time. 0, or the exit code. */
static int send_fresh(struct ask *x, size_t i)
{
	struct question *q = &x->q[i];
	struct packet_out o;
	enum packets_status s = packets_build(&x->packets, i, &o);
	if (s == PACKETS_FAILED)
		return L4_EXIT_SYSTEM;
	q->frame = malloc(o.n ? o.n : 1);
	if (!q->frame)
		return L4_EXIT_SYSTEM;
	memcpy(q->frame, o.p, o.n);
	q->n = (uint32_t)o.n;
	q->w = o.w;
	x->sent_q = i + 1;
	if (s == PACKETS_NO_MAC) {
		/* Shown as what was to be sent: without its link header. */
		q->w = o.w;
		q->frame = realloc(q->frame, o.n + 14);
		if (!q->frame)
			return L4_EXIT_SYSTEM;
		memmove(q->frame + (o.w->ethernet ? 14 : 0), q->frame, o.n);
		if (o.w->ethernet) {
			memset(q->frame, 0, 12);
			q->frame[12] = q->frame[14] >> 4 == 6 ? 0x86 : 0x08;
			q->frame[13] = q->frame[14] >> 4 == 6 ? 0xdd : 0;
			q->n += 14;
		}
		finish(x, q, ASK_NO_MAC);
		return 0;
	}
	q->matchable = l4_match_sent(&q->m, o.w->linktype, q->frame, q->n) == 0;
	if (q->matchable) {
		q->m.group |= o.r.group;
		insert(x, i);
	} else if (i == 0) {
		fprintf(
		    stderr, "l4 ask: nothing can answer this packet, as far as is known here\n");
	}
	if ((q->m.protocol == 6 || q->m.protocol == 17) &&
	    !wires_claim(&x->wires, q->w, q->m.protocol, q->m.local_port))
		return L4_EXIT_SYSTEM;
	q->state = ASK_WAITING;
	x->in_flight++;
	return transmit(x, i) ? 0 : L4_EXIT_SYSTEM;
}

/* Those whose time is over ask again or give up. */
static bool expire(struct ask *x, l4_time now)
{
	while (x->fifo_n) {
		size_t i = x->fifo[x->fifo_head];
		struct question *q = &x->q[i];
		if (q->state == ASK_WAITING && q->due > now)
			return true;
		x->fifo_head++;
		x->fifo_n--;
		if (q->state != ASK_WAITING)
			continue;
		if (q->answers)
			finish(x, q, ASK_ANSWERED);
		else if (q->attempt > x->retry)
			finish(x, q, ASK_SILENT);
		else if (!transmit(x, i))
			return false;
	}
	return true;
}

static l4_time next_fresh(const struct ask *x, l4_time now)
{
	if (x->sent_q == x->n_q || (x->step && x->in_flight))
		return L4_TIME_NEVER;
	if (x->step || x->rate <= 0)
		return now;
	return x->start + (l4_time)((double)x->sent_q / x->rate * 1e9);
}

static int run(struct ask *x)
{
	x->start = wires_now();
	while (!x->over) {
		l4_time now = wires_now(), fresh = next_fresh(x, now);
		for (int burst = 0; fresh <= now && burst < 64; burst++) {
			int r = send_fresh(x, x->sent_q);
			if (r)
				return r;
			fresh = next_fresh(x, now);
		}
		if (!expire(x, now))
			return L4_EXIT_SYSTEM;
		show(x);
		if (x->over || (x->sent_q == x->n_q && !x->in_flight))
			break;
		l4_time until = fresh;
		if (x->fifo_n && x->q[x->fifo[x->fifo_head]].due < until)
			until = x->q[x->fifo[x->fifo_head]].due;
		if (!wires_poll(&x->wires, until))
			break;
		show(x);
	}
	if (x->first && x->over && x->shown < x->sent_q)
		ask_show_answer(x, &x->q[x->shown], x->shown, x->q[x->shown].answer,
		    x->q[x->shown].answer_n, x->q[x->shown].w->linktype, x->q[x->shown].rtt,
		    x->q[x->shown].how);
	ask_show_summary(x);
	if (x->answers && x->malformed == x->answers)
		return L4_EXIT_SYSTEM;
	if (!x->answers && x->wires.send_errors)
		return L4_EXIT_SYSTEM;
	return x->answers ? L4_EXIT_DONE : L4_EXIT_NO;
}

/* ---- the command ---- */

static bool take_option(struct ask *x, int c, const char *arg)
{
	switch (c) {
	case 't':
		return sendopt_time(&x->timeout, "ask", arg);
	case 'r':
		return sendopt_rate(&x->rate, "ask", arg);
	case 1000:
		return sendopt_number(&x->retry, "ask", arg, 0, 100);
	case '1':
		x->first = true;
		return true;
	case 1001:
		x->all = true;
		return true;
	case 1002:
		x->step = true;
		return true;
	case 1003:
		x->until_text = arg;
		return true;
	case 'u':
		x->list_silent = true;
		return true;
	case 'd':
		x->detail = true;
		return true;
	case 'x':
		x->hex = true;
		return true;
	case 1004:
		x->expr = true;
		return true;
	case 1005:
		x->no_reset = true;
		return true;
	default:
		return false;
	}
}

/* 0: go on; otherwise the exit code + 1. */
static int read_options(struct ask *x, int argc, char **argv)
{
	static const struct option longs[] = { { "timeout", required_argument, NULL, 't' },
		{ "retry", required_argument, NULL, 1000 },
		{ "rate", required_argument, NULL, 'r' }, { "first", no_argument, NULL, '1' },
		{ "all", no_argument, NULL, 1001 }, { "step", no_argument, NULL, 1002 },
		{ "until", required_argument, NULL, 1003 },
		{ "unanswered", no_argument, NULL, 'u' }, { "detail", no_argument, NULL, 'd' },
		{ "hex", no_argument, NULL, 'x' }, { "expression", no_argument, NULL, 1004 },
		{ "no-reset", no_argument, NULL, 1005 }, SENDOPT_LONG, { NULL, 0, NULL, 0 } };
	int c;
	while ((c = getopt_long(argc, argv, "t:r:1udx" SENDOPT_SHORT, longs, NULL)) != -1) {
		int k = sendopt_take(&x->o, "ask", c, optarg);
		if (c == 'h') {
			usage(stdout);
			return L4_EXIT_DONE + 1;
		}
		if (k < 0 || (!k && !take_option(x, c, optarg)))
			return L4_EXIT_USAGE + 1;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "l4 ask: one expression in quotes; see 'l4 ask --help'\n");
		return L4_EXIT_USAGE + 1;
	}
	return 0;
}

static int make_questions(struct ask *x)
{
	x->n_q = (size_t)x->packets.count;
	x->n_buckets = 64;
	while (x->n_buckets < x->n_q * 2)
		x->n_buckets *= 2;
	x->buckets = malloc(x->n_buckets * sizeof *x->buckets);
	x->q = calloc(x->n_q, sizeof *x->q);
	if (!x->buckets || !x->q) {
		fprintf(stderr, "l4 ask: no memory for %zu questions\n", x->n_q);
		return L4_EXIT_SYSTEM;
	}
	for (size_t i = 0; i < x->n_buckets; i++)
		x->buckets[i] = -1;
	return L4_EXIT_DONE;
}

static void release(struct ask *x)
{
	for (size_t i = 0; x->q && i < x->n_q; i++) {
		free(x->q[i].frame);
		free(x->q[i].answer);
	}
	free(x->q);
	x->q = NULL;
	free(x->buckets);
	free(x->fifo);
	packets_close(&x->packets);
	wires_close(&x->wires);
	if (x->until)
		filter_free(x->until);
	l4_dissect_free(x->d);
	free(x);
}

int cmd_ask(int argc, char **argv)
{
	struct ask *x = calloc(1, sizeof *x);
	if (!x)
		return L4_EXIT_SYSTEM;
	sendopt_init(&x->o);
	x->o.max = 65536;
	x->rate = 1000;
	x->timeout = L4_SEC;
	x->retry = 1;
	int r = read_options(x, argc, argv);
	if (r) {
		free(x);
		return r - 1;
	}
	signals_init();
	sendopt_wires(&x->o, &x->wires, "ask");
	x->wires.on_frame = on_frame;
	x->wires.ctx = x;
	r = packets_open(&x->packets, &x->wires, argv[optind], x->o.max, x->o.seed);
	if (r == L4_EXIT_DONE) {
		x->packets.draw = sendopt_draw(&x->o);
		r = ask_show_init(x) ? L4_EXIT_DONE : L4_EXIT_USAGE;
	}
	if (r == L4_EXIT_DONE)
		r = wires_open(&x->wires);
	if (r == L4_EXIT_DONE && !packets_resolve(&x->packets))
		r = L4_EXIT_SYSTEM;
	if (r == L4_EXIT_DONE)
		r = make_questions(x);
	if (r == L4_EXIT_DONE)
		r = run(x);
	release(x);
	return r;
}
