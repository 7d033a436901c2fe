/* What l4 bench prints: a line each interval and flow, sums, a summary; or the same as JSON. */
#include "cli/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"

/* 1234567 as "1.23 M", in decimal thousands. */
static const char *figure(double v, char *text, size_t cap)
{
	static const char *const unit[] = { "", "k", "M", "G", "T" };
	unsigned u = 0;
	while (v >= 999.5 && u < 4) {
		v /= 1000;
		u++;
	}
	snprintf(text, cap, "%.*f %s",
	    v >= 99.95 || (u == 0 && v == (double)(int)v) ? 0
	    : v >= 9.995                                  ? 1
							  : 2,
	    v, unit[u]);
	return text;
}

static const char *direction(const struct bench_span *s)
{
	return s->up ? "up" : "down";
}

void bench_report_start(const struct bench_client_config *c, const char *what)
{
	static const char *const modes[] = { "bulk", "rr", "crr" };
	const struct bench_test *t = &c->t;
	if (c->json) {
		printf("{\"event\":\"start\",\"host\":");
		json_cstr(stdout, c->host);
		printf(",\"port\":%u,\"over\":", c->to.port);
		json_cstr(stdout, what);
		printf(",\"protocol\":\"%s\",\"mode\":\"%s\",\"streams\":%u,\"length\":%u,"
		       "\"up\":%s,\"down\":%s,\"bits_per_second\":%" PRIu64 "}\n",
		    t->udp ? "udp" : "tcp", modes[t->mode], t->streams, t->len,
		    t->up ? "true" : "false", t->down ? "true" : "false", t->rate_bps);
	} else {
		printf(
		    "%s port %u over %s: %s ", c->host, c->to.port, what, t->udp ? "UDP" : "TCP");
		if (t->mode == BENCH_BULK)
			printf("%s, %u stream%s%s, %u bytes a %s\n",
			    t->up && t->down ? "both ways"
			    : t->up          ? "to the server"
					     : "from the server",
			    t->streams, t->streams == 1 ? "" : "s", t->up && t->down ? " each" : "",
			    t->len, t->udp ? "datagram" : "write");
		else
			printf("%s, %u at a time, %u bytes there and back\n",
			    t->mode == BENCH_RR ? "requests and answers" : "connections",
			    t->streams, t->len);
	}
	fflush(stdout);
}

static void json_span(
    const struct bench_client_config *c, const struct bench_span *s, const char *event)
{
	double seconds = s->to - s->from > 0 ? s->to - s->from : 1e-9;
	printf("{\"event\":\"%s\"", event);
	if (s->sum)
		printf(",\"streams\":%u", s->sum);
	else
		printf(",\"stream\":%u", s->number + 1);
	printf(",\"start\":%.6f,\"end\":%.6f", s->from, s->to);
	if (c->t.mode != BENCH_BULK) {
		printf(",\"transactions\":%" PRIu64 ",\"transactions_per_second\":%.1f"
		       ",\"failed\":%" PRIu64 "}\n",
		    s->c.packets, (double)s->c.packets / seconds, s->c.failed + s->c.lost);
		return;
	}
	printf(",\"direction\":\"%s\",\"counted_by\":\"%s\",\"bytes\":%" PRIu64
	       ",\"bits_per_second\":%.0f",
	    direction(s), s->sender ? "sender" : "receiver", s->c.bytes,
	    (double)s->c.bytes * 8 / seconds);
	if (c->t.udp) {
		printf(",\"datagrams\":%" PRIu64, s->c.packets);
		if (!s->sender)
			printf(",\"lost\":%" PRIu64 ",\"out_of_order\":%" PRIu64
			       ",\"jitter_ms\":%.6f",
			    s->c.lost, s->c.late, s->c.jitter / 1e6);
	} else if (s->sender) {
		printf(",\"retransmits\":%u", s->c.retrans);
		if (s->has_info)
			printf(
			    ",\"cwnd_bytes\":%u,\"rtt_us\":%u", s->info.cwnd_bytes, s->info.rtt_us);
	}
	puts("}");
}

static void text_span(const struct bench_client_config *c, const struct bench_span *s, bool summary)
{
	double seconds = s->to - s->from > 0 ? s->to - s->from : 1e-9;
	char a[32], b[32], id[16] = "sum";
	if (!s->sum)
		snprintf(id, sizeof id, "%u", s->number + 1);
	if (c->t.mode != BENCH_BULK) {
		printf("%6.2f-%-6.2f s  %sTransactions  %s/s", s->from, s->to,
		    figure((double)s->c.packets, a, sizeof a),
		    figure((double)s->c.packets / seconds, b, sizeof b));
		if (s->c.failed + s->c.lost)
			printf("  %" PRIu64 " failed", s->c.failed + s->c.lost);
		puts("");
		return;
	}
	printf("[%3s] %-4s %6.2f-%-6.2f s  %8sB  %8sbit/s", id, direction(s), s->from, s->to,
	    figure((double)s->c.bytes, a, sizeof a),
	    figure((double)s->c.bytes * 8 / seconds, b, sizeof b));
	if (c->t.udp) {
		uint64_t all = s->c.packets + s->c.lost;
		printf("  %" PRIu64 " datagrams", s->c.packets);
		if (!s->sender)
			printf("  %" PRIu64 " lost (%.2g%%)  %" PRIu64
			       " out of order  jitter %.3f ms",
			    s->c.lost, all ? 100.0 * (double)s->c.lost / (double)all : 0.0,
			    s->c.late, s->c.jitter / 1e6);
	} else if (s->sender) {
		printf("  %u retr", s->c.retrans);
		if (s->has_info)
			printf("  cwnd %sB  rtt %.3f ms", figure(s->info.cwnd_bytes, a, sizeof a),
			    s->info.rtt_us / 1e3);
	}
	puts(!summary ? "" : s->sender ? "  sent" : "  received");
}

void bench_report_interval(const struct bench_client_config *c, const struct bench_span *s)
{
	if (c->json)
		json_span(c, s, "interval");
	else
		text_span(c, s, false);
	fflush(stdout);
}

void bench_report_summary(const struct bench_client_config *c, const struct bench_span *s)
{
	if (c->json)
		json_span(c, s, "summary");
	else
		text_span(c, s, true);
}

void bench_report_latency(
    const struct bench_client_config *c, const struct bench_hist *h, double seconds)
{
	double mean = h->n ? (double)h->sum / (double)h->n / 1e3 : 0;
	double p50 = (double)bench_hist_at(h, 0.5) / 1e3, p90 = (double)bench_hist_at(h, 0.9) / 1e3;
	double p99 = (double)bench_hist_at(h, 0.99) / 1e3, max = (double)h->max / 1e3;
	(void)seconds;
	if (c->json)
		printf("{\"event\":\"latency\",\"count\":%" PRIu64 ",\"mean_us\":%.1f,"
		       "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
		    h->n, mean, p50, p90, p99, max);
	else
		printf("latency: mean %.1f us, median %.1f, 90%% %.1f, 99%% %.1f, longest %.1f\n",
		    mean, p50, p90, p99, max);
}

void bench_report_cpu(const struct bench_client_config *c, double local, double remote)
{
	if (c->json)
		printf("{\"event\":\"cpu\",\"client\":%.3f,\"server\":%.3f}\n", local, remote);
	else
		printf("processor: client %.0f %%, server %.0f %%\n", 100 * local, 100 * remote);
	fflush(stdout);
}
