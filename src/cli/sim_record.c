/* Keeps what a simulation shows: points for the report, counters, the trace.
 *
 * The trace is NDJSON: one object an event with the time in seconds (nine digits), the host, the
 * flow, the event's label and the values under the names of trace.def. It holds nothing of the
 * machine, so the same scenario and seed give the same bytes. */
#include "cli/sim_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

const char *const rec_cause_name[REC_CAUSES] = { "new", "rack", "sack", "dupack", "partial", "rto",
	"tlp", "pmtu", "syn" };

static const char *const why_name[L4_WHY_COUNT] = {
#define L4_WHY(name, text) #name,
#include <layer4/why.def>
#undef L4_WHY
};

int recorder_init(struct recorder *r, const struct scenario *sc, bool points, FILE *trace)
{
	memset(r, 0, sizeof *r);
	r->sc = sc;
	r->points = points;
	r->trace = trace;
	r->bin = sc->time / REC_BINS ? sc->time / REC_BINS : 1;
	for (unsigned i = 0; i < sc->n_flows; i++)
		r->flow[i].mss = 1448;
	return 0;
}

void recorder_fini(struct recorder *r)
{
	for (unsigned i = 0; i < SC_FLOWS; i++) {
		for (int k = 0; k < REC_SERIES; k++)
			free(r->flow[i].s[k].p);
		free(r->flow[i].send);
	}
	for (unsigned i = 0; i < SC_LINKS; i++)
		for (int k = 0; k < 2; k++) {
			free(r->link[i].queue[k].p);
			free(r->link[i].dropped[k].p);
		}
}

/* Room for one more of size bytes in an array of n. */
static void *room(struct recorder *r, void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	size_t more = *cap ? *cap * 2 : 256;
	void *q = realloc(p, more * size);
	if (!q) {
		r->failed = true;
		return NULL;
	}
	*cap = more;
	return q;
}

static void add(struct recorder *r, struct rec_series *s, l4_time t, int64_t v)
{
	if (!r->points)
		return;
	/* at one moment only the last value counts; repeated values say nothing new */
	if (s->n && s->p[s->n - 1].t == t) {
		s->p[s->n - 1].v = v;
		return;
	}
	if (s->n > 1 && s->p[s->n - 1].v == v && s->p[s->n - 2].v == v) {
		s->p[s->n - 1].t = t;
		return;
	}
	void *p = room(r, s->p, s->n, &s->cap, sizeof *s->p);
	if (!p)
		return;
	s->p = p;
	s->p[s->n++] = (struct rec_point){ t, v };
}

static enum rec_cause cause_of(unsigned why)
{
	switch (why) {
	case L4_WHY_RTX_RACK:
		return REC_RACK;
	case L4_WHY_RTX_SACK:
	case L4_WHY_RTX_SUSPECT:
	case L4_WHY_RTX_RESCUE:
		return REC_SACK;
	case L4_WHY_RTX_DUPACK:
		return REC_DUPACK;
	case L4_WHY_RTX_NEWRENO:
		return REC_PARTIAL;
	case L4_WHY_RTX_RTO:
		return REC_RTO;
	case L4_WHY_TLP_NEW:
	case L4_WHY_TLP_RTX:
		return REC_TLP;
	case L4_WHY_PMTU_RTX:
		return REC_PMTU;
	case L4_WHY_SYN_RTX:
	case L4_WHY_SYNACK_RTX:
		return REC_SYN;
	default:
		return REC_NEW;
	}
}

/* A relative sequence number, 32 bits, as an offset of the flow near the highest one sent. */
static int64_t unwrap(const struct rec_flow *f, int64_t seq)
{
	int64_t high = f->high - f->base;
	return f->base + high + (int32_t)((uint32_t)seq - (uint32_t)high);
}

static void on_send(struct recorder *r, struct rec_flow *f, const struct l4_trace_event *e)
{
	enum rec_cause c = cause_of(e->reason);
	if (e->v[1] == 0 && c == REC_NEW)
		return; /* a pure ACK */
	f->cause[c]++;
	f->segs++;
	int64_t seq = unwrap(f, e->v[0]);
	if (seq + e->v[1] > f->high)
		f->high = seq + e->v[1];
	if (!r->points)
		return;
	void *p = room(r, f->send, f->n_send, &f->cap_send, sizeof *f->send);
	if (!p)
		return;
	f->send = p;
	f->send[f->n_send++] = (struct rec_send){
		.t = e->time, .seq = seq, .len = (uint32_t)e->v[1], .cause = (uint8_t)c
	};
}

static void on_cwnd(struct recorder *r, struct rec_flow *f, const struct l4_trace_event *e)
{
	int64_t cwnd = e->v[0] * f->mss;
	f->cwnd_sum += (double)cwnd;
	f->cwnd_n++;
	add(r, &f->s[REC_CWND], e->time, cwnd);
	add(r, &f->s[REC_SSTHRESH], e->time, e->v[1] < 0 ? -1 : e->v[1] * f->mss);
	add(r, &f->s[REC_FLIGHT], e->time, e->v[2] * f->mss);
	add(r, &f->s[REC_PACING], e->time, e->v[3] ? e->v[3] : -1);
}

static void on_rtt(struct recorder *r, struct rec_flow *f, const struct l4_trace_event *e)
{
	l4_time rtt = (l4_time)e->v[0];
	if (!f->rtt_n || rtt < f->rtt_min)
		f->rtt_min = rtt;
	if (rtt > f->rtt_max)
		f->rtt_max = rtt;
	f->rtt_sum += (double)rtt;
	f->rtt_n++;
	add(r, &f->s[REC_RTT], e->time, e->v[0]);
	add(r, &f->s[REC_SRTT], e->time, e->v[1]);
}

static void head(struct recorder *r, const char *event, l4_time t)
{
	fprintf(r->trace, "{\"t\":%" PRIu64 ".%09u,\"event\":\"%s\"", t / L4_SEC,
	    (unsigned)(t % L4_SEC), event);
}

static void write_event(
    struct recorder *r, const char *host, int flow, const struct l4_trace_event *e)
{
	head(r, l4_trace_label(e->kind), e->time);
	fputs(",\"host\":", r->trace);
	json_cstr(r->trace, host);
	if (flow >= 0) {
		fputs(",\"flow\":", r->trace);
		json_cstr(r->trace, r->sc->flow[flow].name);
	}
	if (e->kind == L4_TRACE_TCP_SEND && e->reason < L4_WHY_COUNT)
		fprintf(r->trace, ",\"why\":\"%s\"", why_name[e->reason]);
	else if (e->kind == L4_TRACE_DROP)
		fprintf(r->trace, ",\"why\":\"%s\"", l4_drop_name((enum l4_drop)e->reason));
	for (unsigned i = 0; i < 4; i++) {
		const char *name = l4_trace_value_name(e->kind, i);
		if (!name[0])
			continue;
		bool state = e->kind == L4_TRACE_TCP_STATE;
		fprintf(r->trace, ",\"%s\":", name);
		if (state)
			fprintf(r->trace, "\"%s\"", l4_tcp_state_name((unsigned)e->v[i]));
		else
			fprintf(r->trace, "%" PRId64, e->v[i]);
	}
	fputs("}\n", r->trace);
}

void recorder_event(
    struct recorder *r, const char *host, int flow, bool data, const struct l4_trace_event *e)
{
	if (r->trace)
		write_event(r, host, flow, e);
	if (flow < 0 || !data)
		return;
	struct rec_flow *f = &r->flow[flow];
	switch (e->kind) {
	case L4_TRACE_TCP_SEND:
		on_send(r, f, e);
		break;
	case L4_TRACE_TCP_ACKED:
		add(r, &f->s[REC_ACKED], e->time, unwrap(f, e->v[0]));
		break;
	case L4_TRACE_TCP_RTT:
		on_rtt(r, f, e);
		break;
	case L4_TRACE_TCP_CWND:
		on_cwnd(r, f, e);
		break;
	case L4_TRACE_TCP_MSS:
		f->mss = (uint32_t)e->v[0];
		break;
	case L4_TRACE_TCP_RTO:
		f->timeouts++;
		break;
	case L4_TRACE_TCP_UNDO:
		f->undone++;
		break;
	default:
		break;
	}
}

void recorder_connection(struct recorder *r, unsigned flow)
{
	struct rec_flow *f = &r->flow[flow];
	f->base = f->high;
}

void recorder_received(struct recorder *r, unsigned flow, uint64_t bytes, l4_time now)
{
	uint64_t b = now / r->bin;
	r->flow[flow].bin[b < REC_BINS ? b : REC_BINS - 1] += bytes;
}

void recorder_latency(struct recorder *r, unsigned flow, l4_time took, l4_time now)
{
	bool keep = r->points;
	r->points = true; /* few, and the summary needs them */
	add(r, &r->flow[flow].s[REC_LATENCY], now, (int64_t)took);
	r->points = keep;
	if (r->trace)
		recorder_note(r, "response", "flow", r->sc->flow[flow].name, took, now);
}

void recorder_queue(
    struct recorder *r, unsigned link, int way, const struct l4_link_stats *s, l4_time now)
{
	add(r, &r->link[link].queue[way], now, (int64_t)s->queue_bytes_now);
	add(r, &r->link[link].dropped[way], now, (int64_t)(s->queue_dropped + s->lost));
}

void recorder_note(struct recorder *r, const char *event, const char *what, const char *name,
    uint64_t value, l4_time now)
{
	if (!r->trace)
		return;
	head(r, event, now);
	if (what) {
		fprintf(r->trace, ",\"%s\":", what);
		json_cstr(r->trace, name);
	}
	fprintf(r->trace, ",\"value\":%" PRIu64 "}\n", value);
}
