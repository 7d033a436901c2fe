/* What l4 ask prints: a line for an answer, with what distinguishes its question in front. */
#include <layer4/capfile.h>
#include <layer4/err.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"

enum { TEXT_BYTES = 512, EXPR_BYTES = 300000 };

bool ask_show_init(struct ask *x)
{
	char err[256];
	x->out.fd = STDOUT_FILENO;
	x->d = l4_dissect_new(
	    &(struct l4_dissect_config){ .check_checksums = true, .no_streams = true });
	if (!x->d) {
		fprintf(stderr, "l4 ask: no memory\n");
		return false;
	}
	x->views.out = &x->out;
	x->views.kind = x->detail ? VIEW_DETAIL : VIEW_NONE;
	x->views.hex = x->hex;
	views_prepare(&x->views, x->d);
	l4_dissect_want_columns(x->d);
	for (unsigned i = 0; i < ASK_VARIED; i++) {
		const struct l4_field *f = l4_craft_varied(x->packets.x, i, NULL);
		if (!f)
			break;
		l4_dissect_want(x->d, f->name);
		x->varied[x->n_varied++] = f;
	}
	if (x->until_text) {
		x->until = filter_new(x->d, x->until_text, err, sizeof err);
		if (!x->until) {
			fprintf(stderr, "l4 ask: --until: %s\n", err);
			return false;
		}
	}
	return true;
}

static const struct l4_dissected *dissect(
    struct ask *x, const uint8_t *p, size_t n, uint16_t linktype)
{
	static struct l4_cap_packet c;
	c = (struct l4_cap_packet){ .data = p,
		.caplen = (uint32_t)n,
		.len = (uint32_t)n,
		.number = ++x->number,
		.linktype = linktype,
		.fcs_len = -1,
		.ts_precision = 9 };
	return l4_dissect_packet(x->d, &c);
}

static void address(char *t, size_t cap, enum l4_addr_kind kind, const uint8_t *p)
{
	struct l4_addr a;
	struct l4_mac m;
	t[0] = 0;
	if (kind == L4_AK_MAC) {
		memcpy(m.b, p, 6);
		l4_mac_format(&m, t, cap);
	} else if (kind == L4_AK_IP4 || kind == L4_AK_IP6) {
		a = kind == L4_AK_IP4 ? l4_addr_from_ip4(p) : l4_addr_from_ip6(p);
		l4_addr_format(&a, t, cap);
	} else if (kind == L4_AK_TEXT) {
		snprintf(t, cap, "%s", (const char *)p);
	}
}

/* What the columns of a packet say, kept while another is dissected. */
struct said {
	char src[64], dst[64], protocol[32];
	char info[TEXT_BYTES];
	size_t info_n;
	char varied[ASK_VARIED][64];
	size_t varied_n[ASK_VARIED];
	bool malformed, to_mac;
};

static void note(struct ask *x, const struct l4_dissected *p, struct said *s)
{
	memset(s, 0, sizeof *s);
	address(s->src, sizeof s->src, p->src_kind, p->src);
	address(s->dst, sizeof s->dst, p->dst_kind, p->dst);
	snprintf(s->protocol, sizeof s->protocol, "%s", p->protocol);
	s->info_n = p->info_len < TEXT_BYTES ? p->info_len : TEXT_BYTES;
	memcpy(s->info, p->info, s->info_n);
	s->malformed = p->malformed;
	s->to_mac = p->dst_kind == L4_AK_MAC;
	for (unsigned k = 0; k < x->n_varied; k++)
		for (uint32_t i = 0; i < p->n_items && !s->varied_n[k]; i++)
			if (p->items[i].field == x->varied[k])
				s->varied_n[k] =
				    l4_item_text(&p->items[i], s->varied[k], sizeof s->varied[k]);
}

static const char *field_name(const struct l4_field *f)
{
	const char *dot = strrchr(f->name, '.');
	return f->alias ? f->alias : dot ? dot + 1 : f->name;
}

static void put_json_text(struct out *o, const char *key, const char *text, size_t n)
{
	out_fmt(o, ",\"%s\":\"", key);
	out_json(o, text, n);
	out_char(o, '"');
}

static void put_json_packet(struct ask *x, const char *key, const struct said *s)
{
	struct out *o = &x->out;
	out_fmt(o, ",\"%s\":{\"src\":\"%s\",\"dst\":\"%s\"", key, s->src, s->dst);
	put_json_text(o, "protocol", s->protocol, strlen(s->protocol));
	put_json_text(o, "info", s->info, s->info_n);
	out_str(o, s->malformed ? ",\"malformed\":true}" : "}");
}

static void put_json_head(
    struct ask *x, const char *type, const struct question *q, size_t index, const struct said *s)
{
	struct out *o = &x->out;
	out_fmt(o, "{\"type\":\"%s\",\"number\":%zu,\"attempts\":%u,\"varied\":{", type, index + 1,
	    q->attempt);
	for (unsigned k = 0; k < x->n_varied; k++) {
		out_fmt(o, "%s\"%s\":\"", k ? "," : "", field_name(x->varied[k]));
		out_json(o, s->varied[k], s->varied_n[k]);
		out_char(o, '"');
	}
	out_char(o, '}');
	put_json_packet(x, "sent", s);
}

static void put_label(struct ask *x, const struct said *s)
{
	struct out *o = &x->out;
	for (unsigned k = 0; k < x->n_varied; k++) {
		size_t n = strlen(field_name(x->varied[k])) + 1 + s->varied_n[k];
		out_fmt(o, "%s=", field_name(x->varied[k]));
		out_escaped(o, s->varied[k], s->varied_n[k]);
		for (; n < 10; n++)
			out_char(o, ' ');
		out_str(o, "  ");
	}
}

static void put_expression(struct ask *x, uint16_t linktype, const uint8_t *p, size_t n)
{
	char *text = malloc(EXPR_BYTES);
	int64_t k = text ? l4_craft_text(linktype, p, n, text, EXPR_BYTES) : L4_ENOMEM;
	if (k >= 0 && x->o.json) {
		put_json_text(&x->out, "expression", text, (size_t)k);
	} else if (k >= 0) {
		out_str(&x->out, "  ");
		out_bytes(&x->out, text, (size_t)k);
		out_char(&x->out, '\n');
	}
	free(text);
}

static void put_json_hex(struct ask *x, const uint8_t *p, size_t n)
{
	out_str(&x->out, ",\"hex\":\"");
	for (size_t i = 0; i < n; i++)
		out_fmt(&x->out, "%02x", p[i]);
	out_char(&x->out, '"');
}

bool ask_show_answer(struct ask *x, const struct question *q, size_t index, const uint8_t *p,
    size_t n, uint16_t linktype, l4_time rtt, int how)
{
	struct said asked, said;
	note(x, dissect(x, q->frame, q->n, q->w->linktype), &asked);
	const struct l4_dissected *d = dissect(x, p, n, linktype);
	note(x, d, &said);
	bool over = x->until && filter_match(x->until, d);
	double ms = (double)rtt / 1e6;
	x->malformed += d->malformed;
	struct out *o = &x->out;
	if (x->o.json) {
		put_json_head(x, "answer", q, index, &asked);
		put_json_packet(x, "answer", &said);
		out_fmt(o, ",\"kind\":\"%s\",\"rtt_ms\":%.6f",
		    how == L4_MATCH_ERROR ? "error" : "answer", ms);
		if (x->hex)
			put_json_hex(x, p, n);
		if (x->expr)
			put_expression(x, linktype, p, n);
		out_str(o, "}\n");
	} else {
		put_label(x, &asked);
		out_fmt(o, "%-15s  %8.3f ms  %s  ", said.src, ms, said.protocol);
		out_escaped(o, said.info, said.info_n);
		if (said.malformed)
			out_fmt(o, "  [malformed: %s ends too early or contradicts itself]",
			    d->damaged ? d->damaged : "the packet");
		out_char(o, '\n');
		if (x->detail || x->hex)
			views_packet(&x->views, d);
		if (x->expr)
			put_expression(x, linktype, p, n);
	}
	out_flush(o);
	return over;
}

void ask_show_silent(struct ask *x, const struct question *q, size_t index)
{
	static const char *const why[] = { [ASK_SILENT] = "no answer",
		[ASK_NO_MAC] = "no answer (the next hop has no link address)",
		[ASK_REFUSED] = "not sent" };
	struct said asked;
	if (!x->o.json && x->n_q > 64 && !x->list_silent)
		return;
	note(x, dissect(x, q->frame, q->n, q->w->linktype), &asked);
	if (x->o.json) {
		put_json_head(x, "unanswered", q, index, &asked);
		out_fmt(&x->out, ",\"reason\":\"%s\"}\n", why[q->state]);
	} else {
		put_label(x, &asked);
		out_fmt(&x->out, "%-15s  %11s  %s", asked.dst, "-", why[q->state]);
		if (asked.to_mac) { /* which says little */
			out_str(&x->out, ": ");
			out_escaped(&x->out, asked.info, asked.info_n);
		}
		out_char(&x->out, '\n');
	}
	out_flush(&x->out);
}

void ask_show_summary(struct ask *x)
{
	struct out *o = &x->out;
	double min = (double)x->rtt_min / 1e6, max = (double)x->rtt_max / 1e6,
	       avg = x->answers ? (double)x->rtt_sum / (double)x->answers / 1e6 : 0;
	uint64_t silent = x->sent_q - x->answered;
	if (x->o.json) {
		out_fmt(o,
		    "{\"type\":\"summary\",\"asked\":%zu,\"packets\":%" PRIu64
		    ",\"answered\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"answers\":%" PRIu64
		    ",\"malformed\":%" PRIu64,
		    x->sent_q, x->packets_sent, x->answered, silent, x->answers, x->malformed);
		if (x->answers)
			out_fmt(o, ",\"rtt_min_ms\":%.6f,\"rtt_avg_ms\":%.6f,\"rtt_max_ms\":%.6f",
			    min, avg, max);
		out_str(o, "}\n");
	} else if (!x->o.quiet) {
		out_fmt(o, "%zu asked, %" PRIu64 " answered, %" PRIu64 " not", x->sent_q,
		    x->answered, silent);
		if (x->answers > x->answered)
			out_fmt(o, ", %" PRIu64 " answers", x->answers);
		if (x->answers)
			out_fmt(
			    o, "; round trip %.3f/%.3f/%.3f ms (least/mean/most)", min, avg, max);
		out_char(o, '\n');
	}
	out_flush(o);
}
