/* What a script has sent and received: the packets, and the connections that must be ended.
 *
 * The log holds the last packets both ways in their order, so that dissection sees each
 * conversation from its beginning. Of every TCP connection in which the peer accepted a SYN of ours
 * the last packet each way is kept; what was not reset by either side when the script ends is
 * reset then, so that the peer keeps nothing of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/script.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static struct flow *find_flow(struct script *s, const struct l4_match *m)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		if (s->flows[i].m.key == m->key && s->flows[i].m.kind == m->kind)
			return &s->flows[i];
	return NULL;
}

static void flow_sent(struct script *s, struct wire *w, const uint8_t *p, size_t n)
{
	struct l4_match m;
	if (l4_match_sent(&m, w->linktype, p, n) < 0 || m.kind != L4_MK_TCP)
		return;
	struct flow *f = find_flow(s, &m);
	if (!f && !(m.flags & SYN))
		return;
	if (!f && s->n_flows < SCRIPT_FLOWS)
		f = &s->flows[s->n_flows++];
	if (!f)
		return;
	f->w = w;
	f->m = m;
	if (m.flags & RST)
		f->open = false;
}

static void flow_heard(struct script *s, struct wire *w, const uint8_t *p, size_t n)
{
	struct l4_match m;
	if (l4_match_heard(&m, w->linktype, p, n) != L4_MATCH_ANSWER || m.kind != L4_MK_TCP)
		return;
	struct flow *f = find_flow(s, &m);
	if (!f)
		return;
	if (m.flags & RST) {
		f->open = false;
	} else if (m.flags & ACK) {
		if (m.flags & SYN)
			f->open = true;
		f->last_n = (uint32_t)(n < sizeof f->last ? n : sizeof f->last);
		memcpy(f->last, p, f->last_n);
	}
}

void script_tidy(struct script *s)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		if (s->flows[i].open && s->flows[i].last_n)
			reset_half_open(
			    &s->wires, s->flows[i].w, s->flows[i].last, s->flows[i].last_n);
}

static void trace(struct script *s, const struct logged *g)
{
	struct l4_cap_packet c = { .data = g->data,
		.caplen = g->n,
		.len = g->n,
		.number = ++s->trace_n,
		.linktype = g->linktype,
		.fcs_len = -1,
		.ts_precision = 9 };
	const struct l4_dissected *d = l4_dissect_packet(s->trace_d, &c);
	struct bound *b = script_bind(d, g->linktype, 0);
	if (!b)
		return;
	if (s->o.json) {
		out_fmt(&s->out, "{\"type\":\"packet\",\"sent\":%s,\"src\":\"%s\",\"dst\":\"%s\",",
		    g->sent ? "true" : "false", b->src, b->dst);
		out_fmt(&s->out, "\"protocol\":\"%s\",\"info\":\"", b->protocol);
		out_json(&s->out, b->info, strlen(b->info));
		out_str(&s->out, "\"}\n");
	} else {
		out_fmt(
		    &s->out, "%s %s → %s %s ", g->sent ? ">" : "<", b->src, b->dst, b->protocol);
		out_escaped(&s->out, b->info, strlen(b->info));
		out_char(&s->out, '\n');
	}
	out_flush(&s->out);
	bound_free(b);
}

void script_log(
    struct script *s, struct wire *w, const uint8_t *p, size_t n, l4_time when, bool sent)
{
	struct logged *g = &s->log[s->log_n % SCRIPT_LOG];
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		return;
	memcpy(copy, p, n);
	free(g->data);
	*g = (struct logged){ .data = copy,
		.n = (uint32_t)n,
		.linktype = w->linktype,
		.sent = sent,
		.w = w,
		.when = when };
	s->log_n++;
	if (sent)
		flow_sent(s, w, p, n);
	else
		flow_heard(s, w, p, n);
	if (s->trace)
		trace(s, g);
}

void script_on_frame(void *ctx, struct wire *w, const uint8_t *p, size_t n, l4_time when)
{
	script_log(ctx, w, p, n, when, false);
}
