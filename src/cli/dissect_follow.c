/* The bytes of one stream, each direction in its own order, in the order in which they became
 * known: put together over loss, repetition, overlap and reordering.
 *
 * Per direction: the number of the next byte to show, and the segments that came before their turn,
 * sorted, found by halving, within a budget of bytes and PIECES_MAX. When either is used up, or at
 * the end of the capture, a hole that nobody filled is reported with its size and stepped over.
 * Bytes shown first stay: an overlap that says something else does not change them. */
#include "cli/dissect_report.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 16384 };

struct piece {
	uint32_t seq, n;
	uint8_t data[];
};

struct side {
	bool started;
	uint32_t next_seq;
	struct piece *piece[PIECES_MAX]; /* [from..to), in order of seq */
	unsigned from, to;
	uint64_t shown;
};

struct follow {
	uint8_t proto;
	bool raw, found;
	uint32_t stream;
	size_t budget, held;
	struct l4_endpoint client;
	char name[2][L4_ENDPOINT_TEXT_MAX]; /* [0]: who sent first */
	struct side side[2];
	int last_side;
};

struct follow *follow_new(uint8_t proto, uint32_t stream, bool raw, size_t budget)
{
	struct follow *f = calloc(1, sizeof *f);
	if (f) {
		f->proto = proto;
		f->stream = stream;
		f->raw = raw;
		f->budget = budget;
		f->last_side = -1;
	}
	return f;
}

void follow_raw(struct follow *f)
{
	f->raw = true;
}

static void show(struct follow *f, struct out *o, int s, const uint8_t *p, uint32_t n)
{
	if (!n)
		return;
	if (f->raw) {
		out_bytes(o, p, n);
	} else {
		if (f->last_side != s)
			out_fmt(o, "%s%s %s -> %s\n", f->last_side >= 0 ? "\n" : "",
			    s ? "<<<" : ">>>", f->name[s], f->name[!s]);
		/* lines stay lines; everything else that is no text is escaped */
		uint32_t from = 0;
		for (uint32_t i = 0; i < n; i++) {
			if (p[i] != '\n')
				continue;
			uint32_t e = i > from && p[i - 1] == '\r' ? i - 1 : i;
			out_escaped(o, p + from, e - from);
			out_char(o, '\n');
			from = i + 1;
		}
		out_escaped(o, p + from, n - from);
	}
	f->last_side = s;
	f->side[s].shown += n;
}

static void hole(struct follow *f, struct out *o, int s, uint32_t n)
{
	if (!f->raw)
		out_fmt(o, "\n[%u bytes missing]\n", n);
	f->side[s].next_seq += n;
}

static struct piece *first(const struct side *d)
{
	return d->from < d->to ? d->piece[d->from] : NULL;
}

/* Shows what is next in order, as far as it is there. */
static void drain(struct follow *f, struct out *o, int s)
{
	struct side *d = &f->side[s];
	struct piece *p;
	while ((p = first(d)) && (int32_t)(p->seq - d->next_seq) <= 0) {
		uint32_t skip = d->next_seq - p->seq;
		if (skip < p->n) {
			show(f, o, s, p->data + skip, p->n - skip);
			d->next_seq = p->seq + p->n;
		}
		d->from++;
		f->held -= p->n;
		free(p);
	}
	if (d->from == d->to)
		d->from = d->to = 0;
}

/* Puts a piece at its place: behind those that begin at or before it. */
static void insert(struct side *d, struct piece *p)
{
	if (d->to == PIECES_MAX) {
		memmove(d->piece, d->piece + d->from, (d->to - d->from) * sizeof(d->piece[0]));
		d->to -= d->from;
		d->from = 0;
	}
	unsigned lo = d->from, hi = d->to;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if ((int32_t)(d->piece[mid]->seq - p->seq) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(d->piece + lo + 1, d->piece + lo, (d->to - lo) * sizeof(d->piece[0]));
	d->piece[lo] = p;
	d->to++;
}

static void keep(struct follow *f, struct out *o, int s, uint32_t seq, const uint8_t *b, uint32_t n)
{
	struct side *d = &f->side[s];
	while (d->from < d->to && (f->held + n > f->budget || d->to - d->from == PIECES_MAX)) {
		hole(f, o, s, first(d)->seq - d->next_seq);
		drain(f, o, s);
	}
	if ((int32_t)(seq - d->next_seq) <= 0) {
		uint32_t skip = d->next_seq - seq;
		if (skip < n) {
			show(f, o, s, b + skip, n - skip);
			d->next_seq = seq + n;
		}
		drain(f, o, s);
		return;
	}
	struct piece *p = malloc(sizeof *p + n);
	if (!p)
		return;
	p->seq = seq;
	p->n = n;
	memcpy(p->data, b, n);
	insert(d, p);
	f->held += n;
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool ends(
    const struct l4_dissected *p, uint32_t layer, struct l4_endpoint *a, struct l4_endpoint *b)
{
	const struct l4_layer *t = &p->layers[layer];
	for (uint32_t k = layer; k-- > 0;) {
		const struct l4_layer *l = &p->layers[k];
		if (!strcmp(l->proto->name, "ip") && l->header_len >= 20) {
			a->addr = l4_addr_from_ip4(l->data + 12);
			b->addr = l4_addr_from_ip4(l->data + 16);
		} else if (!strcmp(l->proto->name, "ipv6") && l->header_len >= 40) {
			a->addr = l4_addr_from_ip6(l->data + 8);
			b->addr = l4_addr_from_ip6(l->data + 24);
		} else {
			continue;
		}
		a->port = (uint16_t)(t->data[0] << 8 | t->data[1]);
		b->port = (uint16_t)(t->data[2] << 8 | t->data[3]);
		return true;
	}
	return false;
}

void follow_packet(struct follow *f, struct out *o, const struct l4_dissected *p)
{
	if (p->stream != f->stream || p->stream_proto != f->proto)
		return;
	const char *name = f->proto == 6 ? "tcp" : "udp";
	for (uint32_t k = p->n_layers; k-- > 1;) {
		const struct l4_layer *l = &p->layers[k];
		if (strcmp(l->proto->name, name))
			continue;
		uint32_t head = l->header_len;
		struct l4_endpoint a = { .port = 0 }, b = { .port = 0 };
		if (head < (f->proto == 6 ? 20u : 8u) || !ends(p, k, &a, &b))
			return;
		if (!f->found) {
			f->found = true;
			f->client = a;
			l4_endpoint_format(&a, f->name[0], sizeof f->name[0]);
			l4_endpoint_format(&b, f->name[1], sizeof f->name[1]);
		}
		int s = !(l4_addr_eq(&a.addr, &f->client.addr) && a.port == f->client.port);
		uint32_t n = l->caplen > head ? l->caplen - head : 0;
		if (f->proto == 17) {
			show(f, o, s, l->data + head, n);
			return;
		}
		uint32_t seq = u32(l->data + 4);
		bool syn = l->data[13] & 2;
		struct side *d = &f->side[s];
		if (!d->started || syn) {
			d->started = true;
			d->next_seq = seq + syn;
		}
		if (n && !(l->data[13] & 4))
			keep(f, o, s, seq + syn, l->data + head, n);
		return;
	}
}

bool follow_end(struct follow *f, struct out *o)
{
	bool found = f->found;
	for (int s = 0; s < 2; s++)
		while (first(&f->side[s])) {
			hole(f, o, s, first(&f->side[s])->seq - f->side[s].next_seq);
			drain(f, o, s);
		}
	if (!f->raw && found)
		out_fmt(o, "%s[%llu bytes from %s, %llu from %s]\n", f->last_side >= 0 ? "\n" : "",
		    (unsigned long long)f->side[0].shown, f->name[0],
		    (unsigned long long)f->side[1].shown, f->name[1]);
	free(f);
	return found;
}
