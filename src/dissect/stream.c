/* The bytes above TCP: which protocol they are, and messages that span segments.
 *
 * A dissector gets a segment's bytes where they are. Only when it says that its last message is
 * incomplete are the rest of the bytes kept, one record per direction of a connection, until the
 * segments that follow have brought what it needs; it then gets the whole from one buffer. Where
 * the message's end is known, segments within it may come in any order: holes are noted, at most
 * GAPS_MAX, and filled by what comes late. Otherwise a segment that does not continue exactly where
 * the record ends is no part of it. Repeated bytes are shown as segment data.
 *
 * A message whose end its dissector cannot foresee is tried again with each segment. What these
 * tries look at is counted: beyond WORK_FREE and WORK_FACTOR times the message, the next try waits
 * until the message has grown by a quarter, so that the work stays linear in the bytes whatever
 * they say.
 *
 * Limits: RECORD_MAX bytes a message, cfg.streams_kib_max in all; a message beyond is not put
 * together, and its segments are shown one by one. */
#include "dissect/stream.h"

#include <stdlib.h>

#include "dissect/tcp.h"

enum {
	RECORD_MAX = 8 << 20,
	PARTS_MAX = 4096,
	COLUMN_BYTES = 24 << 10,
	WORK_FREE = 4 << 20,
	WORK_FACTOR = 16,
	GAPS_MAX = 8,
};

/* A segment's part of a message. */
struct part {
	uint32_t frame, at;
};

struct record {
	uint32_t id;    /* of the conversation, and which direction */
	uint32_t start; /* sequence number of the first byte */
	uint32_t have;  /* bytes */
	uint32_t kept;  /* of them, in buf; fewer than have where only columns are wanted */
	uint32_t need;  /* bytes in all, or STREAM_* */
	uint32_t cap;
	uint64_t work;     /* bytes looked at, all tries together */
	uint32_t next_try; /* no try before there are as many bytes */
	uint8_t *buf;
	struct part *parts; /* that brought them, in the order of their coming */
	uint32_t n_parts;
	uint32_t next_free;
	struct {
		uint32_t from, to;
	} gap[GAPS_MAX]; /* bytes that are missing, in order */
	uint8_t n_gaps;
	bool holed; /* too many are missing: it will never be whole */
};

struct l4_stream_pool {
	struct record *r;
	uint32_t n, cap, free;
	uint64_t bytes;
	uint8_t *lent; /* buffer of the message shown now */
	uint32_t lent_cap;
	struct part *lent_parts;
};

void l4_streams_free(struct l4_stream_pool *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		free(p->r[i].buf);
		free(p->r[i].parts);
	}
	free(p->lent);
	free(p->lent_parts);
	free(p->r);
	free(p);
}

static struct l4_stream_pool *pool(struct l4_dissect *d)
{
	if (!d->streams)
		d->streams = calloc(1, sizeof *d->streams);
	return d->streams;
}

static struct record *record_of(struct l4_stream_pool *p, struct l4_tcp_flow *f)
{
	if (f->stream)
		return &p->r[f->stream - 1];
	uint32_t i = p->free;
	if (i) {
		p->free = p->r[i - 1].next_free;
	} else {
		if (p->n == p->cap) {
			uint32_t cap = p->cap ? p->cap * 2 : 64;
			struct record *r = cap > 1u << 20 ? NULL : realloc(p->r, cap * sizeof *r);
			if (!r)
				return NULL;
			p->r = r;
			p->cap = cap;
		}
		i = ++p->n;
		p->r[i - 1] = (struct record){ .buf = NULL };
	}
	f->stream = i;
	struct record *r = &p->r[i - 1];
	r->have = r->kept = r->n_parts = 0;
	r->n_gaps = 0;
	r->holed = false;
	return r;
}

/* Gives the record back; its buffer stays for the next. Large ones are freed. */
static void release(struct l4_stream_pool *p, struct l4_tcp_flow *f)
{
	if (!f->stream)
		return;
	struct record *r = &p->r[f->stream - 1];
	p->bytes -= r->cap;
	free(r->buf);
	r->buf = NULL;
	r->cap = 0;
	r->have = r->kept = r->n_parts = 0;
	r->next_free = p->free;
	p->free = f->stream;
	f->stream = 0;
}

/* Puts n bytes at `at` of the message. */
static bool place(struct l4_dissect *d, struct record *r, uint32_t at, const uint8_t *b, uint32_t n)
{
	struct l4_stream_pool *p = d->streams;
	if (at > RECORD_MAX || n > RECORD_MAX - at || r->n_parts == PARTS_MAX)
		return false;
	uint32_t end = at + n;
	r->have = end > r->have ? end : r->have;
	/* For the columns alone the beginning of a message of known length is enough. */
	if (!d->items_wanted && r->need < STREAM_UNTIL_FIN && at >= COLUMN_BYTES)
		return true;
	if (end > r->cap) {
		uint32_t cap = r->cap ? r->cap : 2048;
		while (cap < end)
			cap *= 2;
		uint64_t limit =
		    (d->cfg.streams_kib_max ? d->cfg.streams_kib_max : 16384) * 1024ull;
		uint8_t *nb = p->bytes + cap - r->cap > limit ? NULL : realloc(r->buf, cap);
		if (!nb)
			return false;
		p->bytes += cap - r->cap;
		r->buf = nb;
		r->cap = cap;
	}
	memcpy(r->buf + at, b, n);
	r->kept = end > r->kept ? end : r->kept;
	if (r->n_parts % 64 == 0) {
		struct part *np = realloc(r->parts, (r->n_parts + 64) * sizeof *np);
		if (!np)
			return false;
		r->parts = np;
	}
	r->parts[r->n_parts++] = (struct part){ .frame = (uint32_t)d->out.cap->number, .at = at };
	return true;
}

static bool append(struct l4_dissect *d, struct record *r, const uint8_t *b, uint32_t n)
{
	return place(d, r, r->have, b, n);
}

/* Takes [from, to) out of the gaps. False: no gap held any of it, or there would be too many. */
static bool fill_gaps(struct record *r, uint32_t from, uint32_t to)
{
	bool any = false;
	for (uint8_t k = 0; k < r->n_gaps;) {
		uint32_t a = r->gap[k].from, b = r->gap[k].to;
		if (to <= a || from >= b) {
			k++;
			continue;
		}
		any = true;
		if (from > a && to < b) {
			if (r->n_gaps == GAPS_MAX)
				return false;
			memmove(
			    &r->gap[k + 1], &r->gap[k], (size_t)(r->n_gaps - k) * sizeof r->gap[0]);
			r->n_gaps++;
			r->gap[k].to = from;
			r->gap[k + 1].from = to;
			break;
		}
		if (from <= a && to >= b) {
			r->n_gaps--;
			memmove(
			    &r->gap[k], &r->gap[k + 1], (size_t)(r->n_gaps - k) * sizeof r->gap[0]);
			continue;
		}
		if (from <= a)
			r->gap[k].from = to;
		else
			r->gap[k].to = from;
		k++;
	}
	return any;
}

static void segment_of(struct l4_dissect *d, struct l4_view v, unsigned row)
{
	if (v.cap)
		dis_p(d, row, v.p, v.cap);
}

static void info_segment(struct l4_dissect *d)
{
	if (!cols(d))
		return;
	d->info_fence = 0;
	col_str(d, " [TCP segment of a reassembled PDU]");
	d->out.protocol = "TCP";
}

/* Runs the dissector on v; what it left incomplete goes to the record. True: a part is kept. */
static bool run(struct l4_dissect *d, uint8_t id, struct l4_view v, const struct l4_tcp_hdr *t,
    struct l4_tcp_flow *f, uint32_t seq)
{
	/* After the end there is nothing to wait for. */
	d->can_desegment = f && v.cap == v.len && !d->quoted && !d->cfg.no_streams &&
			   !(t->flags & (TH_FIN | TH_RST));
	d->deseg_need = d->scanned = 0;
	dis_call(d, id, v);
	d->can_desegment = false;
	if (!d->deseg_need || d->stop != DIS_GO || d->deseg_offset >= v.len)
		return false;
	if (!f || t->flags & (TH_FIN | TH_RST))
		return false;
	struct l4_stream_pool *p = pool(d);
	struct record *r = p ? record_of(p, f) : NULL;
	if (!r)
		return false;
	r->start = seq + d->deseg_offset;
	r->need = d->deseg_need >= STREAM_UNTIL_FIN ? d->deseg_need
						    : v.len - d->deseg_offset + d->deseg_need;
	if (v.p == p->lent && !d->deseg_offset && v.cap == v.len) {
		/* The whole message again: its buffer goes back instead of a copy. */
		r->buf = p->lent;
		r->cap = p->lent_cap;
		r->have = r->kept = v.len;
		p->bytes += r->cap;
		p->lent = NULL;
		return true;
	}
	if (!append(d, r, v.p + d->deseg_offset, v.len - d->deseg_offset)) {
		release(p, f);
		return false;
	}
	return true;
}

/* The rows of a message put together. */
enum { SEGMENT, SEGMENT_COUNT, REASS_LEN, REASS_DATA };

static void put_parts(struct l4_dissect *d, const struct part *parts, uint32_t n, const uint8_t *b,
    uint32_t len, unsigned row)
{
	if (!d->w_any)
		return;
	dis_title(d, NULL, 0, "%u reassembled TCP segments (%u bytes)", n, len);
	for (uint32_t i = 0; i < n; i++)
		dis_u(d, row + SEGMENT, NULL, 0, parts[i].frame);
	dis_u(d, row + SEGMENT_COUNT, NULL, 0, n);
	dis_u(d, row + REASS_LEN, NULL, 0, len);
	dis_s(d, row + REASS_DATA, NULL, 0, b, len);
}

static void sort_parts(struct part *p, uint32_t n)
{
	/* mostly in order */
	for (uint32_t i = 1; i < n; i++) {
		struct part x = p[i];
		uint32_t k = i;
		for (; k && p[k - 1].at > x.at; k--)
			p[k] = p[k - 1];
		p[k] = x;
	}
}

/* The segment is a part of the record of its direction: it stands `at` bytes from its beginning. */
static void continue_record(struct l4_dissect *d, uint8_t id, struct l4_view v,
    const struct l4_tcp_hdr *t, struct l4_tcp_flow *f, unsigned row, uint32_t at)
{
	struct l4_stream_pool *p = d->streams;
	struct record *r = &p->r[f->stream - 1];
	bool last = t->flags & TH_FIN && at == r->have && !r->n_gaps;
	uint32_t part = v.len;
	/* The bytes that end the message; what follows them is a message of its own. */
	if (r->need < STREAM_UNTIL_FIN && part > r->need - at)
		part = r->need - at;
	if (at > r->have) {
		if (r->n_gaps == GAPS_MAX) {
			r->holed = true;
			segment_of(d, v, row);
			info_segment(d);
			return;
		}
		r->gap[r->n_gaps].from = r->have;
		r->gap[r->n_gaps++].to = at;
	}
	/* A FIN without bytes counts as one of the segments. */
	if (v.cap < v.len || !place(d, r, at, v.p, part)) {
		release(p, f);
		run(d, id, v, t, NULL, 0);
		return;
	}
	bool whole = last || (r->need == STREAM_ONE_MORE && r->have >= r->next_try) ||
		     (r->need < STREAM_UNTIL_FIN && r->have >= r->need && !r->n_gaps);
	if (!whole) {
		segment_of(d, v, row);
		info_segment(d);
		return;
	}
	/* Lend the buffer to this packet. */
	uint32_t start = r->start, have = r->have, n_parts = r->n_parts;
	uint32_t there = r->kept;
	uint64_t work = r->work;
	sort_parts(r->parts, n_parts);
	f->pdu_start = start;
	f->pdu_end = start + have;
	p->bytes -= r->cap;
	free(p->lent);
	free(p->lent_parts);
	p->lent = r->buf;
	p->lent_cap = r->cap;
	p->lent_parts = r->parts;
	r->buf = NULL;
	r->parts = NULL;
	r->cap = 0;
	release(p, f);
	uint32_t items = d->out.n_items;
	uint8_t source = d->source;
	d->source = (uint8_t)(source + 1);
	uint32_t layers = d->out.n_layers;
	if (part)
		segment_of(d, view_cut(v, part), row);
	uint32_t with = d->out.n_items;
	put_parts(d, p->lent_parts, n_parts, p->lent, have, row + 1);
	uint32_t info = d->out.info_len;
	bool again = run(d, id, (struct l4_view){ p->lent, there, have }, t, f, start);
	d->source = source;
	(void)with;
	if (again && d->deseg_offset == 0) {
		/* Still incomplete: the record took the same bytes again. */
		struct record *k = &p->r[f->stream - 1];
		struct part *parts = k->parts;
		k->parts = p->lent_parts;
		k->n_parts = n_parts;
		p->lent_parts = parts;
		k->work = work + (d->scanned ? d->scanned : have);
		if (k->work > WORK_FREE + (uint64_t)WORK_FACTOR * have)
			k->next_try = have + have / 4;
		d->out.n_items = items;
		d->out.n_layers = layers;
		segment_of(d, v, row);
		if (d->out.info_len == info || true)
			info_segment(d);
	} else if (again && cols(d)) {
		d->info_fence = 0;
		col_str(d, " [TCP segment of a reassembled PDU]");
	} else if (part < v.len && d->stop == DIS_GO) {
		struct l4_view rest = view_skip(v, part);
		if (run(d, id, rest, t, f, t->seq + part))
			segment_of(d, rest, row);
	}
}

static uint8_t by_port(const struct l4_dissect *d)
{
	uint16_t a = d->sport < d->dport ? d->sport : d->dport;
	uint16_t b = d->sport < d->dport ? d->dport : d->sport;
	return d->by_tcp_port[a] != PROTO_NONE ? d->by_tcp_port[a] : d->by_tcp_port[b];
}

/* Ports of protocols that are not known here, but that are none of those found by their bytes. */
static bool taken(uint16_t port)
{
	static const uint16_t ports[] = { 21, 22, 23, 25, 88, 102, 110, 111, 119, 139, 143, 179,
		389, 445, 502, 515, 554, 587, 1080, 1433, 1723, 1883, 3306, 3389, 5060, 5222, 5432,
		5672, 6667, 11211 };
	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
		if (ports[i] == port)
			return true;
	return false;
}

/* A protocol by its first bytes, where no port tells. */
static uint8_t by_look(const struct l4_dissect *d, struct l4_view v)
{
	if (v.cap >= 6 && v.p[0] == 0x16 && v.p[1] == 3 && v.p[2] <= 4 && v.p[5] <= 2 && v.p[5])
		return PROTO_tls;
	if (l4_http_looks(v.p, v.cap) && !taken(d->sport) && !taken(d->dport))
		return PROTO_http;
	return PROTO_NONE;
}

/* A segment out of its order: the whole messages in it, and the rest as a segment. */
static void late_message(
    struct l4_dissect *d, uint8_t id, struct l4_view v, const struct l4_tcp_hdr *t, unsigned row)
{
	uint32_t n_layers = d->out.n_layers;
	d->can_desegment = v.cap == v.len && !d->cfg.no_streams && !(t->flags & (TH_FIN | TH_RST));
	d->deseg_need = d->scanned = d->deseg_offset = 0;
	dis_call(d, id, v);
	d->can_desegment = false;
	if (!d->deseg_need || d->stop != DIS_GO || d->deseg_offset >= v.len)
		return;
	if (d->deseg_offset == 0) {
		d->out.n_layers = n_layers;
		info_segment(d);
	}
	segment_of(d, view_skip(v, d->deseg_offset), row);
}

void l4_tcp_payload(struct l4_dissect *d, struct l4_view v, const struct l4_tcp_hdr *t,
    struct l4_conv *c, bool from_lo, const struct l4_tcp_ta *ta, unsigned first_row)
{
	/* What a SYN carries begins behind it. */
	struct l4_tcp_hdr behind;
	if (t->flags & TH_SYN) {
		behind = *t;
		behind.seq++;
		t = &behind;
	}
	uint8_t id = c && c->app != PROTO_NONE ? c->app : by_port(d);
	/* Plain HTTP is spoken on TLS's ports, too. */
	if (id == PROTO_tls && c && c->app == PROTO_NONE && l4_http_looks(v.p, v.cap))
		c->app = id = PROTO_http;
	if (id == PROTO_NONE && !d->quoted) {
		id = by_look(d, v);
		if (c && id != PROTO_NONE)
			c->app = id;
	}
	if (id == PROTO_NONE) {
		dis_data(d, v);
		return;
	}
	struct l4_tcp_flow *f = c ? &c->flow[!from_lo] : NULL;
	d->app_conv = d->quoted ? NULL : c;
	/* A keep-alive's byte and bytes seen before are no part of the stream. */
	bool repeated = ta->flags & (TCP_A_KEEP_ALIVE | TCP_A_RETRANSMISSION);
	/* These may be new to us: whole messages in them are shown, others are not waited for. */
	bool late = ta->flags & (TCP_A_FAST_RETRANSMISSION | TCP_A_SPURIOUS_RETRANSMISSION |
				    TCP_A_OUT_OF_ORDER);
	if (f && f->stream) {
		struct record *r = &d->streams->r[f->stream - 1];
		bool open_end = r->need == STREAM_UNTIL_FIN, known = r->need < STREAM_UNTIL_FIN;
		uint32_t off = t->seq - r->start;
		if (t->seq == r->start + r->have && !r->holed && (!known || off < r->need)) {
			continue_record(d, id, v, t, f, first_row, r->have);
			return;
		}
		/* What comes late may fill a gap, and where the end is known there may be gaps. */
		if (known && !r->holed && off < r->need) {
			bool fills = off < r->have && fill_gaps(r, off, off + v.len);
			if (fills || (off > r->have && !repeated)) {
				continue_record(d, id, v, t, f, first_row, off);
				return;
			}
		}
		/* After a hole, what lies within the message is still no message of its own. */
		if (!repeated && !late && l4_seq_geq(t->seq, r->start + r->have) &&
		    (open_end ||
			(r->need < STREAM_UNTIL_FIN && l4_seq_lt(t->seq, r->start + r->need)))) {
			r->holed = true;
			r->have = t->seq - r->start + v.len;
			segment_of(d, v, first_row);
			info_segment(d);
			if (t->flags & (TH_FIN | TH_RST))
				release(d->streams, f);
			return;
		}
		bool inside = l4_seq_geq(t->seq, r->start) && l4_seq_lt(t->seq, r->start + r->have);
		if (repeated || (late && inside)) {
			segment_of(d, v, first_row);
			return;
		}
		if (!late)
			release(d->streams, f);
	} else if (repeated && !d->quoted) {
		segment_of(d, v, first_row);
		return;
	} else if (late && f && !d->quoted && f->pdu_start != f->pdu_end &&
		   l4_seq_geq(t->seq, f->pdu_start) && l4_seq_leq(t->seq + v.len, f->pdu_end)) {
		/* of a message that was put together before */
		segment_of(d, v, first_row);
		return;
	}
	if (late && !d->quoted) {
		late_message(d, id, v, t, first_row);
		return;
	}
	uint32_t n_layers = d->out.n_layers;
	if (run(d, id, v, t, f, t->seq)) {
		struct l4_view rest = view_skip(v, d->deseg_offset);
		if (d->deseg_offset == 0)
			d->out.n_layers = n_layers;
		segment_of(d, rest, first_row);
		if (cols(d) && d->deseg_offset == 0) {
			info_segment(d);
		} else if (cols(d)) {
			d->info_fence = 0;
			col_str(d, " [TCP segment of a reassembled PDU]");
		}
	}
}

void l4_tcp_end(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_conv *c, bool from_lo,
    unsigned first_row)
{
	struct l4_tcp_flow *f = &c->flow[!from_lo];
	struct record *r = &d->streams->r[f->stream - 1];
	if (r->holed || r->need != STREAM_UNTIL_FIN || t->seq != r->start + r->have) {
		release(d->streams, f);
		return;
	}
	uint8_t id = c->app != PROTO_NONE ? c->app : by_port(d);
	d->app_conv = c;
	if (id != PROTO_NONE)
		continue_record(
		    d, id, (struct l4_view){ d->out.cap->data, 0, 0 }, t, f, first_row, r->have);
}
