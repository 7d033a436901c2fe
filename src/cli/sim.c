/* l4 sim: runs a scenario in virtual time and tells what came of it: a summary, the trace of
 * events, a capture, a report with plots.
 *
 * Everything follows from the file and the seed: no clock but the simulation's is read, so two runs
 * write the same bytes. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/sim_report.h"
#include "cli/stack.h"

struct options {
	const char *file, *trace, *pcap, *html;
	bool json, quiet, check, has_seed, has_time;
	uint64_t seed, points;
	l4_time time;
};

static void usage(void)
{
	printf(
	    "Usage: l4 sim [OPTION...] SCENARIO\n\n"
	    "Runs a scenario - hosts, links with impairments that change, flows - in virtual time\n"
	    "and tells what came of it. SCENARIO is a file ('-': standard input); l4-sim(1) has "
	    "its\n"
	    "language. Everything follows from the file and the seed.\n\n"
	    "      --seed N        instead of the file's\n"
	    "      --time T        virtual seconds (or 500ms, 2m) instead of the file's\n"
	    "      --html FILE     one page with plots: time and sequence, windows, RTT, rates, "
	    "queues\n"
	    "      --points N      at most so many points of a curve on the page (4000)\n"
	    "      --trace FILE    every event as one JSON object a line; '-' standard output\n"
	    "      --pcap FILE     what every host sent and received, as pcapng\n"
	    "      --check         walk the invariants of all hosts after each step (slow)\n"
	    "      --json          the summary as one object a line\n"
	    "  -q, --quiet         no summary\n"
	    "      --help          this text\n\n"
	    "Exit: 0 every flow did what it should, 1 one did not, 2 wrong use or scenario, 3 the\n"
	    "system failed.\n\n"
	    "Examples:\n"
	    "  l4 sim examples/scenarios/fairness.sim\n"
	    "  l4 sim --html report.html examples/scenarios/cubic-bbr.sim\n"
	    "  l4 sim --seed 7 --trace - -q examples/scenarios/loss.sim | jq -c 'select(.event == "
	    "\"tcp_rto\")'\n");
}

enum {
	OPT_SEED = 1000,
	OPT_TIME,
	OPT_HTML,
	OPT_POINTS,
	OPT_TRACE,
	OPT_PCAP,
	OPT_CHECK,
	OPT_JSON,
	OPT_HELP
};

static const struct option longs[] = { { "seed", required_argument, NULL, OPT_SEED },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "html", required_argument, NULL, OPT_HTML },
	{ "points", required_argument, NULL, OPT_POINTS },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "pcap", required_argument, NULL, OPT_PCAP }, { "check", no_argument, NULL, OPT_CHECK },
	{ "json", no_argument, NULL, OPT_JSON }, { "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, OPT_HELP }, { NULL, 0, NULL, 0 } };

static int bad(const char *option, const char *arg, const char *want)
{
	fprintf(stderr, "l4 sim: %s: '%s' is not %s\n", option, arg, want);
	return -1;
}

/* 0: go on, 1: help was asked for, -1: wrong, said. */
static int parse(struct options *o, int argc, char **argv)
{
	int c;
	memset(o, 0, sizeof *o);
	o->points = 4000;
	optind = 1;
	while ((c = getopt_long(argc, argv, "q", longs, NULL)) != -1) {
		switch (c) {
		case OPT_SEED:
			if (stack_parse_number(&o->seed, optarg, 0, UINT64_MAX) < 0)
				return bad("--seed", optarg, "a number");
			o->has_seed = true;
			break;
		case OPT_TIME:
			if (stack_parse_time(&o->time, optarg) < 0 || !o->time)
				return bad("--time", optarg, "a time such as 30, 500ms, 2m");
			o->has_time = true;
			break;
		case OPT_POINTS:
			if (stack_parse_number(&o->points, optarg, 100, 1000000) < 0)
				return bad("--points", optarg, "a number from 100 to 1000000");
			break;
		case OPT_HTML:
			o->html = optarg;
			break;
		case OPT_TRACE:
			o->trace = optarg;
			break;
		case OPT_PCAP:
			o->pcap = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case OPT_HELP:
			return 1;
		default:
			return -1;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "l4 sim: %s; see 'l4 sim --help'\n",
		    optind == argc ? "no scenario given" : "one scenario at a time");
		return -1;
	}
	o->file = argv[optind];
	return 0;
}

/* --- What came of it --- */

const char *sim_flow_cc(const struct world *w, unsigned flow)
{
	const struct sc_flow *f = &w->sc->flow[flow];
	if (f->kind == SC_UDP)
		return "";
	if (f->cc[0])
		return f->cc;
	return w->sc->node[f->end[world_client_sends(f) ? 0 : 1]].tcp.congestion;
}

double sim_goodput(const struct world *w, unsigned flow)
{
	const struct sim_flow *f = &w->flow[flow];
	l4_time end = f->done && f->ended ? f->ended : w->sc->time;
	if (f->f->stop < end && f->f->kind == SC_UDP)
		end = f->f->stop;
	if (end <= f->f->start)
		return 0;
	return (double)f->total * 8e9 / (double)(end - f->f->start);
}

bool sim_flow_good(const struct sim_flow *f, const char **why)
{
	const struct sc_flow *c = f->f;
	bool sized = (c->kind == SC_BULK && c->size) || (c->kind == SC_REQUEST && c->count);
	*why = f->done ? "done" : "to the end";
	if (f->damaged) {
		*why = "damaged bytes";
		return false;
	}
	if (f->err) {
		*why = l4_err_text(f->err);
		return false;
	}
	if (c->kind == SC_BULK && c->size && f->done && f->total != c->size) {
		*why = "bytes missing";
		return false;
	}
	if (sized && !f->done && c->stop == L4_TIME_NEVER) {
		*why = "not done in time";
		return false;
	}
	return true;
}

void sim_fairness(const struct world *w, const struct recorder *r, struct sim_fairness *out)
{
	const struct scenario *sc = w->sc;
	l4_time from = 0, to = sc->time;
	double sum = 0, squares = 0, each[SC_FLOWS] = { 0 };
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < sc->n_flows; i++) {
		const struct sim_flow *f = &w->flow[i];
		if (f->f->kind != SC_BULK || f->f->start >= sc->time)
			continue;
		l4_time end = f->f->stop < sc->time ? f->f->stop : sc->time;
		if (f->done && f->ended < end)
			end = f->ended;
		from = f->f->start > from ? f->f->start : from;
		to = end < to ? end : to;
		out->flows++;
	}
	uint64_t a = (from + r->bin - 1) / r->bin, b = to / r->bin;
	if (b > REC_BINS)
		b = REC_BINS;
	if (out->flows < 2 || b <= a) {
		out->flows = 0;
		return;
	}
	for (unsigned i = 0; i < sc->n_flows; i++) {
		if (w->flow[i].f->kind != SC_BULK || w->flow[i].f->start >= sc->time)
			continue;
		for (uint64_t k = a; k < b; k++)
			each[i] += (double)r->flow[i].bin[k];
		sum += each[i];
		squares += each[i] * each[i];
	}
	out->index = squares > 0 ? sum * sum / (out->flows * squares) : 1;
	out->from_s = (double)(a * r->bin) / 1e9;
	out->to_s = (double)(b * r->bin) / 1e9;
	for (unsigned i = 0; i < sc->n_flows; i++)
		out->share[i] = sum > 0 ? each[i] / sum : 0;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = ((const struct rec_point *)a)->v, y = ((const struct rec_point *)b)->v;
	return x < y ? -1 : x > y;
}

/* The q-th part (0..1) of the response times, ms. */
static double quantile(struct rec_series *s, double q)
{
	if (!s->n)
		return 0;
	size_t i = (size_t)(q * (double)(s->n - 1) + 0.5);
	return (double)s->p[i].v / 1e6;
}

static void print_json(
    struct world *w, struct recorder *r, const struct sim_fairness *fair, bool good)
{
	const struct scenario *sc = w->sc;
	for (unsigned i = 0; i < sc->n_flows; i++) {
		const struct sim_flow *f = &w->flow[i];
		const struct rec_flow *k = &r->flow[i];
		const char *why;
		bool ok = sim_flow_good(f, &why);
		printf("{\"flow\":");
		json_cstr(stdout, sc->flow[i].name);
		printf(",\"kind\":\"%s\",\"cc\":\"%s\",\"ok\":%s,\"result\":",
		    scenario_kind_name(sc->flow[i].kind), sim_flow_cc(w, i), ok ? "true" : "false");
		json_cstr(stdout, why);
		printf(",\"bytes\":%" PRIu64 ",\"goodput_bps\":%.0f,\"share\":%.6f,\"end_s\":%.9f",
		    f->total, sim_goodput(w, i), fair->share[i],
		    (double)(f->done ? f->ended : sc->time) / 1e9);
		if (k->rtt_n)
			printf(",\"rtt_min_ms\":%.6f,\"rtt_mean_ms\":%.6f,\"rtt_max_ms\":%.6f",
			    (double)k->rtt_min / 1e6, k->rtt_sum / (double)k->rtt_n / 1e6,
			    (double)k->rtt_max / 1e6);
		if (sc->flow[i].kind != SC_UDP) {
			printf(",\"segments\":%" PRIu64 ",\"timeouts\":%" PRIu64
			       ",\"undone\":%" PRIu64 ",\"again\":{",
			    k->segs, k->timeouts, k->undone);
			for (int c = REC_NEW + 1; c < REC_CAUSES; c++)
				printf("%s\"%s\":%" PRIu64, c > 1 ? "," : "", rec_cause_name[c],
				    k->cause[c]);
			printf("}");
		}
		if (sc->flow[i].kind == SC_UDP)
			printf(",\"sent\":%" PRIu64 ",\"received\":%" PRIu64, f->datagrams[0],
			    f->datagrams[1]);
		if (k->s[REC_LATENCY].n)
			printf(",\"responses\":%" PRIu64
			       ",\"p50_ms\":%.6f,\"p95_ms\":%.6f,\"p99_ms\":%.6f",
			    f->requests, quantile(&r->flow[i].s[REC_LATENCY], .5),
			    quantile(&r->flow[i].s[REC_LATENCY], .95),
			    quantile(&r->flow[i].s[REC_LATENCY], .99));
		printf("}\n");
	}
	for (unsigned i = 0; i < sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			struct l4_link_stats s;
			l4_link_stats(w->link[i], k, &s);
			printf("{\"link\":");
			json_cstr(stdout, sc->link[i].name);
			printf(",\"from\":");
			json_cstr(stdout, sc->node[sc->link[i].end[k]].name);
			printf(",\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64
			       ",\"queue_dropped\":%" PRIu64 ",\"lost\":%" PRIu64
			       ",\"queue_mean_ms\":%.6f,\"queue_max_bytes\":%" PRIu64 "}\n",
			    s.sent, s.delivered, s.queue_dropped, s.lost,
			    s.queue_delay_mean_s * 1e3, s.queue_bytes_max);
		}
	printf("{\"ok\":%s,\"seed\":%" PRIu64 ",\"time_s\":%.9g", good ? "true" : "false", sc->seed,
	    (double)sc->time / 1e9);
	if (fair->flows)
		printf(",\"jain\":%.6f,\"jain_flows\":%u,\"jain_from_s\":%.3f,\"jain_to_s\":%.3f",
		    fair->index, fair->flows, fair->from_s, fair->to_s);
	printf("}\n");
}

static void print_rate(double bps)
{
	if (bps >= 1e9)
		printf("%7.2f Gbit/s", bps / 1e9);
	else if (bps >= 1e6)
		printf("%7.2f Mbit/s", bps / 1e6);
	else
		printf("%7.2f kbit/s", bps / 1e3);
}

static void print_flow(struct world *w, struct recorder *r, unsigned i)
{
	const struct scenario *sc = w->sc;
	const struct sim_flow *f = &w->flow[i];
	const struct rec_flow *k = &r->flow[i];
	const char *why;
	sim_flow_good(f, &why);
	printf("%-12s %-7s %-5s ", sc->flow[i].name, scenario_kind_name(sc->flow[i].kind),
	    sim_flow_cc(w, i));
	print_rate(sim_goodput(w, i));
	if (k->rtt_n)
		printf("  RTT %.1f/%.1f/%.1f ms", (double)k->rtt_min / 1e6,
		    k->rtt_sum / (double)k->rtt_n / 1e6, (double)k->rtt_max / 1e6);
	if (sc->flow[i].kind == SC_UDP)
		printf("  %" PRIu64 " of %" PRIu64 " datagrams", f->datagrams[1], f->datagrams[0]);
	else
		printf("  %" PRIu64 " segments, %" PRIu64 " again", k->segs, k->segs - k->cause[0]);
	const char *between = " (";
	for (int c = 1; c < REC_CAUSES; c++)
		if (k->cause[c]) {
			printf("%s%s %" PRIu64, between, rec_cause_name[c], k->cause[c]);
			between = ", ";
		}
	printf("%s", between[0] == ',' ? ")" : "");
	if (k->undone)
		printf(", %" PRIu64 " undone", k->undone);
	if (k->s[REC_LATENCY].n)
		printf("  %" PRIu64 " responses, p50 %.1f p95 %.1f p99 %.1f ms", f->requests,
		    quantile(&r->flow[i].s[REC_LATENCY], .5),
		    quantile(&r->flow[i].s[REC_LATENCY], .95),
		    quantile(&r->flow[i].s[REC_LATENCY], .99));
	printf("  %s", why);
	if (f->done)
		printf(" at %.3f s", (double)f->ended / 1e9);
	printf("\n");
}

static void print_text(struct world *w, struct recorder *r, const struct sim_fairness *fair)
{
	const struct scenario *sc = w->sc;
	printf("%s\n%.9g s of virtual time, seed %" PRIu64 "\n\n",
	    sc->title[0] ? sc->title : "Simulation", (double)sc->time / 1e9, sc->seed);
	for (unsigned i = 0; i < sc->n_flows; i++)
		print_flow(w, r, i);
	printf("\n");
	for (unsigned i = 0; i < sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			struct l4_link_stats s;
			l4_link_stats(w->link[i], k, &s);
			if (!s.sent)
				continue;
			printf("%s to %s: %" PRIu64 " frames, %" PRIu64 " delivered, %" PRIu64
			       " dropped by the queue, %" PRIu64
			       " lost; queue mean %.2f ms, most %" PRIu64 " bytes\n",
			    sc->node[sc->link[i].end[k]].name,
			    sc->node[sc->link[i].end[1 - k]].name, s.sent, s.delivered,
			    s.queue_dropped, s.lost, s.queue_delay_mean_s * 1e3, s.queue_bytes_max);
		}
	if (fair->flows) {
		printf("\nFairness (Jain) of %u flows, %.1f to %.1f s: %.3f; shares", fair->flows,
		    fair->from_s, fair->to_s, fair->index);
		for (unsigned i = 0; i < sc->n_flows; i++)
			if (fair->share[i] > 0)
				printf(" %s %.1f %%", sc->flow[i].name, 100 * fair->share[i]);
		printf("\n");
	}
}

/* --- The run --- */

/* The whole text of the scenario, for the page; NULL without memory or when it cannot be read. */
static char *slurp(FILE *f)
{
	size_t n = 0, cap = 1 << 14;
	char *p = malloc(cap);
	while (p) {
		size_t got = fread(p + n, 1, cap - n - 1, f);
		n += got;
		if (!got)
			break;
		if (n + 1 == cap) {
			char *q = cap < 1u << 24 ? realloc(p, cap *= 2) : NULL;
			if (!q)
				free(p);
			p = q;
		}
	}
	if (p && ferror(f)) {
		free(p);
		p = NULL;
	}
	if (p)
		p[n] = 0;
	return p;
}

struct job {
	struct options o;
	struct scenario sc;
	struct recorder rec;
	struct world w;
	struct l4_pcap *pcap;
	FILE *trace;
	char *text;
};

static int say(const char *path, const char *what)
{
	fprintf(stderr, "l4 sim: %s: %s\n", path, what);
	return L4_EXIT_SYSTEM;
}

static int load(struct job *j)
{
	const struct options *o = &j->o;
	char err[256];
	bool in = !strcmp(o->file, "-");
	FILE *f = in ? stdin : fopen(o->file, "r");
	if (!f)
		return say(o->file, strerror(errno));
	errno = 0;
	j->text = slurp(f);
	int saved = errno;
	if (!in)
		fclose(f);
	if (!j->text)
		return say(o->file, saved ? strerror(saved) : "too large, or no memory");
	if (!(f = fmemopen(j->text, strlen(j->text) ? strlen(j->text) : 1, "r")))
		return say(o->file, strerror(errno));
	int rc = scenario_read(&j->sc, f, in ? "standard input" : o->file, err, sizeof err);
	fclose(f);
	if (rc < 0) {
		fprintf(stderr, "l4 sim: %s\n", err);
		return L4_EXIT_USAGE;
	}
	if (o->has_seed)
		j->sc.seed = o->seed;
	if (o->has_time)
		j->sc.time = o->time;
	return L4_EXIT_DONE;
}

static int open_outputs(struct job *j)
{
	const struct options *o = &j->o;
	char err[256] = "";
	if (o->html && !sim_html_available()) {
		fprintf(stderr,
		    "l4 sim: --html: this l4 was built without the plotting library; install "
		    "Chart.js (Debian: libjs-chart.js) and build again\n");
		return L4_EXIT_SYSTEM;
	}
	if (o->trace && !(j->trace = strcmp(o->trace, "-") != 0 ? fopen(o->trace, "w") : stdout))
		return say(o->trace, strerror(errno));
	if (o->pcap && l4_pcap_open(&j->pcap, o->pcap, 0, err, sizeof err) < 0) {
		fprintf(stderr, "l4 sim: %s\n", err);
		return L4_EXIT_SYSTEM;
	}
	recorder_init(&j->rec, &j->sc, o->html != NULL, j->trace);
	return L4_EXIT_DONE;
}

static int run(struct job *j)
{
	const struct options *o = &j->o;
	if (world_init(&j->w, &j->sc, &j->rec, j->pcap) < 0) {
		fprintf(stderr, "l4 sim: %s: %s\n", o->file, j->w.err);
		return L4_EXIT_USAGE;
	}
	if (world_run(&j->w, o->check) < 0)
		return say(o->file, j->w.err);
	bool good = true;
	struct sim_fairness fair;
	const char *why;
	for (unsigned i = 0; i < j->sc.n_flows; i++)
		good &= sim_flow_good(&j->w.flow[i], &why);
	if (o->html && sim_html_write(o->html, &j->w, &j->rec, j->text, (size_t)o->points) < 0)
		return say(o->html, strerror(errno));
	sim_fairness(&j->w, &j->rec, &fair);
	for (unsigned i = 0; i < j->sc.n_flows; i++) {
		struct rec_series *s = &j->rec.flow[i].s[REC_LATENCY];
		if (s->n)
			qsort(s->p, s->n, sizeof *s->p, ascending);
	}
	if (o->json && !o->quiet)
		print_json(&j->w, &j->rec, &fair, good);
	else if (!o->quiet)
		print_text(&j->w, &j->rec, &fair);
	return good ? L4_EXIT_DONE : L4_EXIT_NO;
}

int cmd_sim(int argc, char **argv)
{
	static struct job j;
	memset(&j, 0, sizeof j);
	int rc = parse(&j.o, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	if ((rc = load(&j)) == L4_EXIT_DONE && (rc = open_outputs(&j)) == L4_EXIT_DONE)
		rc = run(&j);
	world_fini(&j.w);
	if (j.pcap && l4_pcap_close(j.pcap) < 0)
		rc = say(j.o.pcap, "cannot be written");
	if (j.trace && j.trace != stdout && fclose(j.trace) != 0)
		rc = say(j.o.trace, strerror(errno));
	if (fflush(stdout) != 0) {
		perror("l4 sim: standard output");
		rc = L4_EXIT_SYSTEM;
	}
	recorder_fini(&j.rec);
	free(j.text);
	return rc;
}
