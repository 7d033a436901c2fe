/* The report of l4 sim: one self-contained page.
 *
 * The page (sim_report.html), the plotting library and the data are written one after the other;
 * the first two are carried by the tool (tools/embed). The data are one JSON object. Curves longer
 * than the limit are cut into equal spans of time of which each keeps its first, least, largest and
 * last value, so that no peak is lost. */
#include "cli/sim_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/version.h>

extern const unsigned char sim_page[], sim_chart[];
extern const unsigned long sim_page_len, sim_chart_len;

#define RTX_MAX 20000 /* retransmissions of one cause of one flow */

bool sim_html_available(void)
{
	return sim_chart_len > 0;
}

/* A JSON string that is harmless inside a script element as well. */
static void text(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' ||
		    c == 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void seconds(FILE *f, l4_time t)
{
	fprintf(f, "%" PRIu64 ".%06u", t / L4_SEC, (unsigned)(t % L4_SEC / 1000));
}

/* --- Points, thinned --- */

struct kept {
	size_t *i;
	size_t n;
};

static int by_index(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return x < y ? -1 : x > y;
}

/* Which points of n to keep; out has room for max + 8. */
static size_t thin(const struct rec_point *p, size_t n, l4_time whole, size_t max, size_t *out)
{
	size_t kept = 0;
	if (n <= max) {
		for (size_t i = 0; i < n; i++)
			out[i] = i;
		return n;
	}
	l4_time span = whole / (max / 4) + 1;
	for (size_t i = 0; i < n && kept + 4 <= max + 8;) {
		size_t first = i, low = i, high = i;
		l4_time end = (p[i].t / span + 1) * span;
		for (; i < n && p[i].t < end; i++) {
			if (p[i].v < p[low].v)
				low = i;
			if (p[i].v > p[high].v)
				high = i;
		}
		size_t four[4] = { first, low, high, i - 1 };
		qsort(four, 4, sizeof four[0], by_index);
		for (int k = 0; k < 4; k++)
			if (!k || four[k] != four[k - 1])
				out[kept++] = four[k];
	}
	return kept;
}

static void write_points(FILE *f, const struct rec_point *p, size_t n, l4_time whole, size_t max)
{
	size_t *keep = malloc((max + 8) * sizeof *keep);
	size_t m = keep ? thin(p, n, whole, max, keep) : 0;
	fputs("{\"t\":[", f);
	for (size_t i = 0; i < m; i++) {
		if (i)
			fputc(',', f);
		seconds(f, p[keep[i]].t);
	}
	fputs("],\"v\":[", f);
	for (size_t i = 0; i < m; i++) {
		if (p[keep[i]].v < 0)
			fputs(i ? ",null" : "null", f);
		else
			fprintf(f, i ? ",%" PRId64 : "%" PRId64, p[keep[i]].v);
	}
	fputs("]}", f);
	free(keep);
}

static void series(
    FILE *f, const char *name, const struct rec_series *s, const struct world *w, size_t max)
{
	fprintf(f, ",\n\"%s\":", name);
	write_points(f, s->p, s->n, w->sc->time, max);
}

/* The highest offset sent so far, each transmission, and those again by cause. */
static void write_sends(FILE *f, const struct rec_flow *r, const struct world *w, size_t max)
{
	struct rec_point *p = malloc((r->n_send + 1) * sizeof *p);
	if (!p)
		return;
	size_t n = 0;
	int64_t high = -1;
	for (size_t i = 0; i < r->n_send; i++)
		if (r->send[i].seq + r->send[i].len > high) {
			high = r->send[i].seq + r->send[i].len;
			p[n++] = (struct rec_point){ r->send[i].t, high };
		}
	fputs(",\n\"sent\":", f);
	write_points(f, p, n, w->sc->time, max);
	size_t step = r->n_send / (4 * max) + 1;
	n = 0;
	for (size_t i = 0; i < r->n_send; i += step)
		if (r->send[i].cause == REC_NEW)
			p[n++] = (struct rec_point){ r->send[i].t, r->send[i].seq };
	fputs(",\n\"segs\":", f);
	write_points(f, p, n, w->sc->time, 4 * max + 8);
	fputs(",\n\"rtx\":{", f);
	bool first = true;
	for (int c = REC_NEW + 1; c < REC_CAUSES; c++) {
		n = 0;
		for (size_t i = 0; i < r->n_send && n < RTX_MAX; i++)
			if (r->send[i].cause == c)
				p[n++] = (struct rec_point){ r->send[i].t, r->send[i].seq };
		if (!n)
			continue;
		fprintf(f, "%s\"%s\":", first ? "" : ",\n", rec_cause_name[c]);
		write_points(f, p, n, w->sc->time, RTX_MAX);
		first = false;
	}
	fputs("}", f);
	free(p);
}

static void write_flow(FILE *f, const struct world *w, const struct recorder *r, unsigned i,
    const struct sim_fairness *fair, double total, size_t max)
{
	const struct sc_flow *c = &w->sc->flow[i];
	const struct rec_flow *k = &r->flow[i];
	const char *why;
	uint64_t again = k->segs - k->cause[REC_NEW];
	double goodput = sim_goodput(w, i);
	sim_flow_good(&w->flow[i], &why);
	fputs("{\"name\":", f);
	text(f, c->name);
	fputs(",\"kind\":", f);
	text(f, scenario_kind_name(c->kind));
	fputs(",\"from\":", f);
	text(f, w->sc->node[c->end[0]].name);
	fputs(",\"to\":", f);
	text(f, w->sc->node[c->end[1]].name);
	fputs(",\"cc\":", f);
	text(f, sim_flow_cc(w, i));
	fputs(",\"result\":", f);
	text(f, why);
	fprintf(f,
	    ",\"goodput\":%.0f,\"share\":%.6f,\"again\":%" PRIu64 ",\"timeouts\":%" PRIu64
	    ",\"undone\":%" PRIu64 ",\"cwnd_mean\":%.0f",
	    goodput,
	    fair->share[i] > 0 ? fair->share[i]
	    : total > 0        ? (double)w->flow[i].total / total
			       : 0,
	    again, k->timeouts, k->undone, k->cwnd_n ? k->cwnd_sum / (double)k->cwnd_n : 0);
	if (k->rtt_n)
		fprintf(f, ",\"rtt\":[%.6f,%.6f,%.6f]", (double)k->rtt_min / 1e6,
		    k->rtt_sum / (double)k->rtt_n / 1e6, (double)k->rtt_max / 1e6);
	fputs(",\"causes\":{", f);
	for (int n = 0; n < REC_CAUSES; n++)
		fprintf(f, "%s\"%s\":%" PRIu64, n ? "," : "", rec_cause_name[n], k->cause[n]);
	fputs("},\n\"bins\":[", f);
	for (int n = 0; n < REC_BINS; n++)
		fprintf(f, "%s%" PRIu64, n ? "," : "", k->bin[n]);
	fputs("]", f);
	if (c->kind != SC_UDP) {
		series(f, "cwnd", &k->s[REC_CWND], w, max);
		series(f, "ssthresh", &k->s[REC_SSTHRESH], w, max);
		series(f, "flight", &k->s[REC_FLIGHT], w, max);
		series(f, "rtts", &k->s[REC_RTT], w, max);
		series(f, "srtt", &k->s[REC_SRTT], w, max);
		series(f, "pacing", &k->s[REC_PACING], w, max);
		series(f, "acked", &k->s[REC_ACKED], w, max);
		write_sends(f, k, w, max);
	}
	if (k->s[REC_LATENCY].n)
		series(f, "latency", &k->s[REC_LATENCY], w, max);
	fputs("}", f);
}

static void way_name(FILE *f, const struct world *w, unsigned link, int way)
{
	char name[3 * SC_NAME];
	const struct sc_link *l = &w->sc->link[link];
	snprintf(name, sizeof name, "%s \xe2\x86\x92 %s", w->sc->node[l->end[way]].name,
	    w->sc->node[l->end[1 - way]].name);
	text(f, name);
}

static void write_links(FILE *f, const struct world *w)
{
	bool first = true;
	for (unsigned i = 0; i < w->sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			struct l4_link_stats s;
			l4_link_stats(w->link[i], k, &s);
			double rate = (double)w->sc->link[i].to[k].rate_bytes_per_s;
			double use =
			    rate > 0 ? (double)s.bytes_delivered * 1e9 / (double)w->sc->time / rate
				     : 0;
			fprintf(f, "%s{\"name\":", first ? "" : ",\n");
			way_name(f, w, i, k);
			fprintf(f,
			    ",\"sent\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dropped\":%" PRIu64
			    ",\"lost\":%" PRIu64 ",\"reordered\":%" PRIu64
			    ",\"duplicated\":%" PRIu64 ",\"corrupted\":%" PRIu64 ",\"ce\":%" PRIu64
			    ",\"delay_ms\":%.6f,\"queue_max\":%" PRIu64 ",\"use\":%.6f}",
			    s.sent, s.delivered, s.queue_dropped, s.lost, s.reordered, s.duplicated,
			    s.corrupted, s.marked_ce, s.queue_delay_mean_s * 1e3, s.queue_bytes_max,
			    use > 0.2 ? use : 0);
			first = false;
		}
}

static void write_queues(FILE *f, const struct world *w, const struct recorder *r, size_t max)
{
	bool first = true;
	for (unsigned i = 0; i < w->sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			const struct rec_series *q = &r->link[i].queue[k],
						*d = &r->link[i].dropped[k];
			bool any = d->n && d->p[d->n - 1].v > 0;
			for (size_t n = 0; n < q->n && !any; n++)
				any = q->p[n].v > 0;
			struct rec_point *p = malloc((d->n + 1) * sizeof *p);
			if (!any || !p) {
				free(p);
				continue;
			}
			size_t m = 0, at = 0; /* where the count grew, at the height of the queue */
			for (size_t n = 1; n < d->n; n++) {
				if (d->p[n].v <= d->p[n - 1].v)
					continue;
				while (at + 1 < q->n && q->p[at + 1].t <= d->p[n].t)
					at++;
				p[m++] = (struct rec_point){ d->p[n].t, q->n ? q->p[at].v : 0 };
			}
			fprintf(f, "%s{\"name\":", first ? "" : ",\n");
			way_name(f, w, i, k);
			series(f, "queue", q, w, max);
			fputs(",\n\"drops\":", f);
			write_points(f, p, m, w->sc->time, max);
			fputs("}", f);
			first = false;
			free(p);
		}
}

static void write_data(
    FILE *f, const struct world *w, const struct recorder *r, const char *scenario, size_t max)
{
	const struct scenario *sc = w->sc;
	struct sim_fairness fair;
	double total = 0;
	uint64_t again = 0;
	l4_time end = 0;
	bool thinned = false;
	sim_fairness(w, r, &fair);
	for (unsigned i = 0; i < sc->n_flows; i++) {
		total += (double)w->flow[i].total;
		if (!w->flow[i].done)
			end = sc->time;
		else if (w->flow[i].ended > end)
			end = w->flow[i].ended;
		again += r->flow[i].segs - r->flow[i].cause[REC_NEW];
		thinned |= r->flow[i].s[REC_CWND].n > max || r->flow[i].n_send > 4 * max;
	}
	fputs("{\"title\":", f);
	text(f, sc->title[0] ? sc->title : "Simulation");
	fputs(",\"version\":", f);
	text(f, l4_version());
	fprintf(f,
	    ",\"seed\":\"%" PRIu64 "\",\"time\":%.9g,\"end\":%.9g,\"bin\":%.9g,\"total\":%.0f,"
	    "\"retrans\":%" PRIu64 ",\"thinned\":%s,\"scenario\":",
	    sc->seed, (double)sc->time / 1e9, (double)end / 1e9, (double)r->bin / 1e9,
	    end ? total * 8e9 / (double)end : 0, again, thinned ? "true" : "false");
	text(f, scenario);
	if (fair.flows > 1)
		fprintf(f, ",\"jain\":{\"flows\":%u,\"index\":%.6f,\"from\":%.3f,\"to\":%.3f}",
		    fair.flows, fair.index, fair.from_s, fair.to_s);
	fputs(",\n\"changes\":[", f);
	for (unsigned i = 0; i < sc->n_changes; i++) {
		fprintf(
		    f, "%s{\"t\":%.9g,\"text\":", i ? "," : "", (double)sc->change[i].when / 1e9);
		text(f, sc->link[sc->change[i].link].name);
		fputs("}", f);
	}
	fputs("],\n\"links\":[", f);
	write_links(f, w);
	fputs("],\n\"queues\":[", f);
	write_queues(f, w, r, max);
	fputs("],\n\"flows\":[", f);
	for (unsigned i = 0; i < sc->n_flows; i++) {
		fputs(i ? ",\n" : "", f);
		write_flow(f, w, r, i, &fair, total, max);
	}
	fputs("]}", f);
}

int sim_html_write(const char *path, const struct world *w, const struct recorder *r,
    const char *scenario, size_t points)
{
	static const char chart_mark[] = "/*@CHART@*/", data_mark[] = "/*@DATA@*/";
	const char *page = (const char *)sim_page;
	const char *chart = strstr(page, chart_mark), *data = strstr(page, data_mark);
	bool whole = !strcmp(path, "-");
	FILE *f = whole ? stdout : fopen(path, "w");
	if (!f)
		return -1;
	fwrite(page, 1, (size_t)(chart - page), f);
	fwrite(sim_chart, 1, sim_chart_len, f);
	chart += sizeof chart_mark - 1;
	fwrite(chart, 1, (size_t)(data - chart), f);
	write_data(f, w, r, scenario, points);
	data += sizeof data_mark - 1;
	fwrite(data, 1, (size_t)(page + sim_page_len - data), f);
	bool bad = ferror(f) || fflush(f) != 0;
	if (!whole && fclose(f) != 0)
		bad = true;
	return bad ? -1 : 0;
}
