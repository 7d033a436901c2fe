/* What the parts of l4 ask share. Included by src/cli/ask*.c only. */
#ifndef L4_CLI_ASK_H
#define L4_CLI_ASK_H

#include <layer4/dissect.h>
#include <layer4/match.h>

#include "cli/dissect.h"
#include "cli/filter.h"
#include "cli/out.h"
#include "cli/sendopt.h"

enum { ASK_VARIED = 4 };

enum ask_state { ASK_FRESH, ASK_WAITING, ASK_ANSWERED, ASK_SILENT, ASK_NO_MAC, ASK_REFUSED };

/* A packet sent, and what came back. */
struct question {
	struct l4_match m;
	uint8_t *frame; /* as sent */
	uint8_t *answer;
	uint32_t n, answer_n;
	struct wire *w;
	l4_time sent_at, due, rtt;
	uint32_t answers;
	int32_t next; /* with the same hash, -1: none */
	uint8_t state, attempt;
	uint8_t how; /* enum l4_match_how of the answer */
	bool matchable;
};

struct ask {
	struct wires wires;
	struct packets packets;
	struct sendopt o;
	struct question *q;
	size_t n_q, sent_q; /* all, and those that were sent */
	int32_t *buckets;
	size_t n_buckets;
	uint32_t *fifo; /* questions in the order in which their time ends */
	size_t fifo_head, fifo_n, fifo_cap;
	size_t shown; /* questions before this one are printed */
	size_t in_flight;
	double rate;
	l4_time timeout, start;
	uint64_t retry;
	bool all, first, step, detail, hex, expr, no_reset, list_silent;
	const char *until_text;
	struct filter *until;
	bool over; /* the answer that was waited for is there */
	/* counts */
	uint64_t packets_sent, answered, silent, answers, malformed, late;
	l4_time rtt_min, rtt_max, rtt_sum;
	/* showing */
	struct l4_dissect *d;
	struct views views;
	struct out out;
	const struct l4_field *varied[ASK_VARIED];
	unsigned n_varied;
	uint64_t number; /* of the next frame dissected */
};

/* ask_show.c */
bool ask_show_init(struct ask *x); /* false: message printed */
/* Prints an answer; true: --until is fulfilled by it. */
bool ask_show_answer(struct ask *x, const struct question *q, size_t index, const uint8_t *p,
    size_t n, uint16_t linktype, l4_time rtt, int how);
void ask_show_silent(struct ask *x, const struct question *q, size_t index);
void ask_show_summary(struct ask *x);

/* reset.c: ends a half-open connection that this answer (SYN, ACK) to us has begun. */
void reset_half_open(struct wires *s, struct wire *w, const uint8_t *frame, size_t n);

#endif
