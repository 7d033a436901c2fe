/* Tables over a whole capture: conversations, events of the analysis, statistics. */
#include "cli/dissect_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ports_names.h"

/* ---- conversations ---- */

static const char *state_of(const struct l4_conversation *c)
{
	unsigned k = c->completeness;
	if (c->proto != 6)
		return "-";
	if (k & 32)
		return "reset";
	if ((k & 7) == 7)
		return k & 16 ? "complete" : "open";
	if ((k & 3) == 1)
		return "no answer";
	return k & 16 ? "end seen" : "middle";
}

static void conversation_json(struct out *o, const struct l4_conversation *c)
{
	char a[L4_ENDPOINT_TEXT_MAX], b[L4_ENDPOINT_TEXT_MAX];
	l4_endpoint_format(&c->a, a, sizeof a);
	l4_endpoint_format(&c->b, b, sizeof b);
	out_fmt(o,
	    "{\"protocol\":\"%s\",\"stream\":%u,\"a\":\"%s\",\"b\":\"%s\",\"packets_ab\":%u,"
	    "\"packets_ba\":%u,\"bytes_ab\":%llu,\"bytes_ba\":%llu,\"payload_ab\":%llu,"
	    "\"payload_ba\":%llu,\"start\":%llu.%09llu,\"duration\":%.6f",
	    c->proto == 6    ? "tcp"
	    : c->proto == 17 ? "udp"
			     : "ip",
	    c->id, a, b, c->packets[0], c->packets[1], (unsigned long long)c->bytes[0],
	    (unsigned long long)c->bytes[1], (unsigned long long)c->payload[0],
	    (unsigned long long)c->payload[1], (unsigned long long)(c->first / L4_SEC),
	    (unsigned long long)(c->first % L4_SEC), (double)(c->last - c->first) / 1e9);
	if (c->proto == 6)
		out_fmt(o,
		    ",\"retransmissions_ab\":%u,\"retransmissions_ba\":%u,\"rtt\":%.6f,\"state\":"
		    "\"%s\"",
		    c->retransmissions[0], c->retransmissions[1], (double)c->rtt / 1e9,
		    state_of(c));
	out_str(o, "}\n");
}

/* An end, its port by name where there is one. */
static void named(const struct l4_endpoint *e, uint8_t proto, bool names, char *t)
{
	const char *name = names ? ports_service_name(e->port, proto) : NULL;
	l4_endpoint_format(e, t, L4_ENDPOINT_TEXT_MAX);
	char *colon = strrchr(t, ':');
	if (name && colon)
		snprintf(colon + 1, 32, "%s", name);
}

static void conversation_line(struct out *o, const struct l4_conversation *c, bool names)
{
	char a[L4_ENDPOINT_TEXT_MAX + 32], b[L4_ENDPOINT_TEXT_MAX + 32];
	if (c->proto) {
		named(&c->a, c->proto, names, a);
		named(&c->b, c->proto, names, b);
	} else {
		l4_addr_format(&c->a.addr, a, sizeof a);
		l4_addr_format(&c->b.addr, b, sizeof b);
	}
	out_fmt(o, "%-3s %6u  %-24s %-24s %8u %8u %12llu %12llu %11.6f",
	    c->proto == 6    ? "tcp"
	    : c->proto == 17 ? "udp"
			     : "ip",
	    c->id, a, b, c->packets[0], c->packets[1], (unsigned long long)c->bytes[0],
	    (unsigned long long)c->bytes[1], (double)(c->last - c->first) / 1e9);
	if (c->proto == 6) {
		if (c->rtt)
			out_fmt(o, " %9.3f", (double)c->rtt / 1e6);
		else
			out_str(o, "         -");
		out_fmt(o, " %7u  %s", c->retransmissions[0] + c->retransmissions[1], state_of(c));
	}
	out_char(o, '\n');
}

void report_conversations(
    struct out *o, const struct l4_dissect *d, int proto, bool json, bool names)
{
	static const int protos[] = { 6, 17, 0 };
	uint32_t n = l4_dissect_conversations(d);
	if (!json)
		out_fmt(o, "%-3s %6s  %-24s %-24s %8s %8s %12s %12s %11s %9s %7s  %s\n", "",
		    "stream", "A", "B", "packets>", "<packets", "bytes >", "< bytes", "duration s",
		    "rtt ms", "retrans", "state");
	for (size_t k = 0; k < 3; k++) {
		if (proto >= 0 && proto != protos[k])
			continue;
		for (uint32_t i = 0; i < n; i++) {
			struct l4_conversation c;
			if (l4_dissect_conversation(d, i, &c) || c.proto != protos[k])
				continue;
			if (json)
				conversation_json(o, &c);
			else
				conversation_line(o, &c, names);
		}
	}
}

/* ---- events ---- */

enum { EVENTS_MAX = 256, FIRST_PACKETS = 8 };

struct expert {
	struct event {
		const struct l4_field *field;
		const char *proto, *text;
		unsigned severity;
		uint64_t count;
		uint64_t first[FIRST_PACKETS];
	} e[EVENTS_MAX];
	unsigned n;
};

struct expert *expert_new(struct l4_dissect *d)
{
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		for (size_t k = 0; k < p->n_fields; k++)
			if (p->fields[k].flags & L4_FF_EXPERT)
				(void)l4_dissect_want(d, p->fields[k].name);
	}
	return calloc(1, sizeof(struct expert));
}

static void note(struct expert *x, const struct l4_field *f, const char *proto, const char *text,
    unsigned severity, uint64_t number)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->e[i].field == f && x->e[i].text == text && !strcmp(x->e[i].proto, proto)) {
			if (x->e[i].count < FIRST_PACKETS)
				x->e[i].first[x->e[i].count] = number;
			x->e[i].count++;
			return;
		}
	if (x->n == EVENTS_MAX)
		return;
	x->e[x->n] = (struct event){ .field = f,
		.proto = proto,
		.text = text,
		.severity = severity,
		.count = 1,
		.first = { number } };
	x->n++;
}

void expert_packet(struct expert *x, const struct l4_dissected *p)
{
	static const char malformed[] = "Malformed packet",
			  cut[] = "Packet cut short by the capture";
	const struct l4_field *last = NULL;
	for (uint32_t i = 0; i < p->n_items; i++) {
		const struct l4_item *it = &p->items[i];
		if (!(it->field->flags & L4_FF_EXPERT) || it->field == last)
			continue;
		last = it->field; /* a node and its event have one name: counted once */
		note(x, it->field, p->layers[it->layer].proto->name, it->field->label,
		    it->field->base, p->cap->number);
	}
	if (p->malformed)
		note(x, NULL, p->damaged ? p->damaged : "?", malformed, L4_SEV_ERROR,
		    p->cap->number);
	else if (p->cut)
		note(x, NULL, p->damaged ? p->damaged : "?", cut, L4_SEV_NOTE, p->cap->number);
}

static int worse_first(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return x->count > y->count ? -1 : x->count < y->count;
}

void expert_print(struct expert *x, struct out *o, bool json)
{
	static const char *const names[] = { "", "chat", "note", "warning", "error" };
	qsort(x->e, x->n, sizeof x->e[0], worse_first);
	for (unsigned i = 0; i < x->n; i++) {
		const struct event *e = &x->e[i];
		const char *sev = names[e->severity <= L4_SEV_ERROR ? e->severity : 0];
		if (json)
			out_fmt(o,
			    "{\"severity\":\"%s\",\"protocol\":\"%s\",\"field\":\"%s\","
			    "\"count\":%llu,\"text\":\"%s\",\"first\":[",
			    sev, e->proto, e->field ? e->field->name : "",
			    (unsigned long long)e->count, e->text);
		else
			out_fmt(o, "%-8s %8llu  %-8s %s (packet", sev, (unsigned long long)e->count,
			    e->proto, e->text);
		for (unsigned k = 0; k < FIRST_PACKETS && k < e->count; k++)
			out_fmt(o, "%s%llu", json ? (k ? "," : "") : (k ? ", " : " "),
			    (unsigned long long)e->first[k]);
		out_str(o, json ? "]}\n" : e->count > FIRST_PACKETS ? ", ...)\n" : ")\n");
	}
	free(x);
}

/* ---- statistics ---- */

enum { SIZES = 8, RTTS = 12, PROTOS_MAX = 128 };

struct stats {
	uint64_t packets, bytes, captured;
	l4_time first, last;
	uint64_t size[SIZES], rtt[RTTS], rtt_n;
	double rtt_sum;
	int64_t rtt_min, rtt_max;
	struct {
		const char *name;
		uint64_t packets, bytes;
	} proto[PROTOS_MAX];
	unsigned n_protos;
	uint64_t malformed;
};

struct stats *stats_new(struct l4_dissect *d)
{
	(void)l4_dissect_want(d, "tcp.analysis.ack_rtt");
	return calloc(1, sizeof(struct stats));
}

static void count_layers(struct stats *s, const struct l4_dissected *p)
{
	for (uint32_t k = 1; k < p->n_layers; k++) {
		const char *name = p->layers[k].proto->name;
		bool again = !strcmp(name, "ethertype");
		for (uint32_t j = 1; j < k && !again; j++)
			again = p->layers[j].proto == p->layers[k].proto;
		if (again)
			continue;
		unsigned i = 0;
		while (i < s->n_protos && s->proto[i].name != name)
			i++;
		if (i == PROTOS_MAX)
			continue;
		if (i == s->n_protos)
			s->proto[s->n_protos++].name = name;
		s->proto[i].packets++;
		s->proto[i].bytes += p->cap->len;
	}
}

void stats_packet(struct stats *s, const struct l4_dissected *p)
{
	static const uint32_t edges[SIZES] = { 64, 128, 256, 512, 1024, 1514, 9018, UINT32_MAX };
	const struct l4_cap_packet *c = p->cap;
	if (!s->packets)
		s->first = s->last = c->ts;
	if (c->ts > s->last)
		s->last = c->ts;
	s->packets++;
	s->bytes += c->len;
	s->captured += c->caplen;
	s->malformed += p->malformed;
	for (unsigned i = 0; i < SIZES; i++)
		if (c->len <= edges[i]) {
			s->size[i]++;
			break;
		}
	count_layers(s, p);
	for (uint32_t i = 0; i < p->n_items; i++) {
		int64_t ns = p->items[i].v.i, edge = 10000; /* 10 us, then times about 3 */
		unsigned k = 0;
		while (k < RTTS - 1 && ns > edge) {
			edge = k & 1 ? edge / 3 * 10 : edge * 3;
			k++;
		}
		s->rtt[k]++;
		if (!s->rtt_n || ns < s->rtt_min)
			s->rtt_min = ns;
		if (!s->rtt_n || ns > s->rtt_max)
			s->rtt_max = ns;
		s->rtt_n++;
		s->rtt_sum += (double)ns;
	}
}

static int more_first(const void *a, const void *b)
{
	const uint64_t *x = (const uint64_t *)((const char *)a + sizeof(char *));
	const uint64_t *y = (const uint64_t *)((const char *)b + sizeof(char *));
	return *x > *y ? -1 : *x < *y;
}

static void stats_json(const struct stats *s, struct out *o, double t)
{
	out_fmt(o,
	    "{\"packets\":%llu,\"bytes\":%llu,\"captured\":%llu,\"duration\":%.6f,"
	    "\"malformed\":%llu,\"protocols\":{",
	    (unsigned long long)s->packets, (unsigned long long)s->bytes,
	    (unsigned long long)s->captured, t, (unsigned long long)s->malformed);
	for (unsigned i = 0; i < s->n_protos; i++)
		out_fmt(o, "%s\"%s\":%llu", i ? "," : "", s->proto[i].name,
		    (unsigned long long)s->proto[i].packets);
	out_fmt(o, "},\"rtt\":{\"samples\":%llu,\"min\":%.6f,\"mean\":%.6f,\"max\":%.6f}}\n",
	    (unsigned long long)s->rtt_n, (double)s->rtt_min / 1e9,
	    s->rtt_n ? s->rtt_sum / (double)s->rtt_n / 1e9 : 0, (double)s->rtt_max / 1e9);
}

static void bar(struct out *o, uint64_t n, uint64_t of)
{
	unsigned k = of ? (unsigned)(n * 40 / of) : 0;
	for (unsigned i = 0; i < k; i++)
		out_char(o, '#');
	out_char(o, '\n');
}

void stats_print(struct stats *s, struct out *o, bool json)
{
	static const char *const labels[SIZES] = { "up to 64", "65-128", "129-256", "257-512",
		"513-1024", "1025-1514", "1515-9018", "more" };
	double t = (double)(s->last - s->first) / 1e9;
	qsort(s->proto, s->n_protos, sizeof s->proto[0], more_first);
	if (json) {
		stats_json(s, o, t);
		free(s);
		return;
	}
	out_fmt(o, "packets   %llu (%llu malformed)\nbytes     %llu on the wire, %llu captured\n",
	    (unsigned long long)s->packets, (unsigned long long)s->malformed,
	    (unsigned long long)s->bytes, (unsigned long long)s->captured);
	out_fmt(o, "duration  %.6f s\n", t);
	if (t > 0)
		out_fmt(o, "rate      %.1f packets/s, %.3f Mbit/s\n", (double)s->packets / t,
		    (double)s->bytes * 8 / t / 1e6);
	out_str(o, "\nprotocols\n");
	for (unsigned i = 0; i < s->n_protos; i++)
		out_fmt(o, "  %-14s %10llu packets %5.1f %%  %14llu bytes\n", s->proto[i].name,
		    (unsigned long long)s->proto[i].packets,
		    100.0 * (double)s->proto[i].packets / (double)s->packets,
		    (unsigned long long)s->proto[i].bytes);
	out_str(o, "\nsizes, bytes\n");
	for (unsigned i = 0; i < SIZES; i++) {
		out_fmt(o, "  %-14s %10llu  ", labels[i], (unsigned long long)s->size[i]);
		bar(o, s->size[i], s->packets);
	}
	if (s->rtt_n) {
		out_fmt(o,
		    "\ntime from segment to ACK: %llu samples, min %.6f, mean %.6f, max %.6f s\n",
		    (unsigned long long)s->rtt_n, (double)s->rtt_min / 1e9,
		    s->rtt_sum / (double)s->rtt_n / 1e9, (double)s->rtt_max / 1e9);
		int64_t edge = 10000;
		for (unsigned k = 0; k < RTTS; k++) {
			out_fmt(o, "  %s %9.3f ms %10llu  ", k < RTTS - 1 ? "up to" : "over ",
			    (double)edge / 1e6, (unsigned long long)s->rtt[k]);
			bar(o, s->rtt[k], s->rtt_n);
			if (k < RTTS - 2)
				edge = k & 1 ? edge / 3 * 10 : edge * 3;
		}
	}
	free(s);
}
