/* What l4 sim keeps of a run: counters always, points in time for the report, the trace as NDJSON.
 * Included by src/cli/sim*.c only. */
#ifndef L4_CLI_SIM_RECORD_H
#define L4_CLI_SIM_RECORD_H

#include "cli/sim_scenario.h"

#include <stdio.h>

/* Why a segment went out again, as the report marks it. */
enum rec_cause {
	REC_NEW, /* not again: new data */
	REC_RACK,
	REC_SACK,
	REC_DUPACK,
	REC_PARTIAL,
	REC_RTO,
	REC_TLP, /* a probe of either kind */
	REC_PMTU,
	REC_SYN,
	REC_CAUSES
};
extern const char *const rec_cause_name[REC_CAUSES];

struct rec_point {
	l4_time t;
	int64_t v; /* -1: no value from here on */
};

struct rec_series {
	struct rec_point *p;
	size_t n, cap;
};

struct rec_send {
	l4_time t;
	int64_t seq;
	uint32_t len;
	uint8_t cause; /* enum rec_cause */
};

enum rec_which {
	REC_CWND, /* bytes, as the next two */
	REC_SSTHRESH,
	REC_FLIGHT,
	REC_PACING, /* bytes/s */
	REC_RTT,    /* ns */
	REC_SRTT,
	REC_ACKED,   /* stream offset up to which all is acknowledged */
	REC_LATENCY, /* ns, of responses */
	REC_SERIES
};

#define REC_BINS 240 /* of goodput over the whole time */

/* A flow, seen from the end that sends most of its data. */
struct rec_flow {
	struct rec_series s[REC_SERIES];
	struct rec_send *send;
	size_t n_send, cap_send;
	uint64_t bin[REC_BINS]; /* bytes that reached the application */
	uint64_t cause[REC_CAUSES];
	uint64_t segs, undone, timeouts, rtt_n;
	uint64_t cwnd_n;
	double cwnd_sum; /* bytes, for the mean */
	l4_time rtt_min, rtt_max;
	double rtt_sum; /* ns */
	int64_t base;   /* stream offset where this connection began */
	int64_t high;   /* highest offset sent */
	uint32_t mss;
};

struct rec_link {
	struct rec_series queue[2], dropped[2]; /* bytes; frames so far */
};

struct recorder {
	const struct scenario *sc;
	bool points; /* keep them: a report will be written */
	FILE *trace; /* or NULL */
	bool failed; /* no memory */
	l4_time bin;
	struct rec_flow flow[SC_FLOWS];
	struct rec_link link[SC_LINKS];
};

int recorder_init(struct recorder *r, const struct scenario *sc, bool points, FILE *trace);
void recorder_fini(struct recorder *r);
/* A new connection of a flow begins. */
void recorder_connection(struct recorder *r, unsigned flow);
/* An event of a host. flow: index, or -1; data: of the end that sends most. */
void recorder_event(
    struct recorder *r, const char *host, int flow, bool data, const struct l4_trace_event *e);
void recorder_received(struct recorder *r, unsigned flow, uint64_t bytes, l4_time now);
void recorder_latency(struct recorder *r, unsigned flow, l4_time took, l4_time now);
void recorder_queue(
    struct recorder *r, unsigned link, int way, const struct l4_link_stats *s, l4_time now);
/* A line of the trace about the scenario itself. name and value may be NULL. */
void recorder_note(struct recorder *r, const char *event, const char *what, const char *name,
    uint64_t value, l4_time now);

#endif
