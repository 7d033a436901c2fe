/* The engine: a context, what is wanted of it, and one pass over each packet.
 *
 * What is wanted is a byte per field, so that a dissector's dis_u() for a field nobody asked for
 * costs one load. Fields with a fixed place are put by a loop over the protocol's table, skipped
 * whole when nothing of the protocol is wanted. Results go into arrays of the context that are
 * used again for the next packet; they grow to ITEMS_MAX and no further, and what does not fit is
 * left out and the packet marked as cut.
 *
 * Limits: LAYERS_MAX layers, DEPTH_MAX nested dissectors, ITEMS_MAX fields, ARENA_BYTES of
 * computed text a packet. Each bounds the work that a hostile packet can cause. */
#include <layer4/err.h>

#include <stdarg.h>
#include <stdlib.h>

#include "dissect/conv.h"
#include "dissect/engine.h"

static const struct l4_field text_field = { .name = "text", .label = "", .type = L4_FT_NONE };

static void bind(struct l4_dissect *d, const char *table, uint32_t key, uint8_t id)
{
	if (!strcmp(table, "ip.proto"))
		d->by_ip_proto[key & 0xff] = id;
	else if (!strcmp(table, "udp.port"))
		d->by_udp_port[key & 0xffff] = id;
	else if (!strcmp(table, "tcp.port"))
		d->by_tcp_port[key & 0xffff] = id;
	else if (!strcmp(table, "ethertype"))
		d->by_ethertype[key & 0xffff] = id;
	else if (!strcmp(table, "ppp"))
		d->by_ppp[key & 0xffff] = id;
	else if (!strcmp(table, "llc.sap"))
		d->by_sap[key & 0xff] = id;
	else if (!strcmp(table, "linktype") && key < sizeof d->by_linktype)
		d->by_linktype[key] = id;
}

static size_t total_rows(struct l4_dissect *d)
{
	size_t n = 0;
	for (size_t i = 0; i < PROTO_COUNT; i++) {
		d->base[i] = (uint16_t)n;
		n += l4_dissectors[i]->proto.n_fields;
	}
	return n;
}

struct l4_dissect *l4_dissect_new(const struct l4_dissect_config *cfg)
{
	struct l4_dissect *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	if (cfg)
		d->cfg = *cfg;
	memset(d->by_ip_proto, PROTO_NONE, sizeof d->by_ip_proto);
	memset(d->by_udp_port, PROTO_NONE, sizeof d->by_udp_port);
	memset(d->by_tcp_port, PROTO_NONE, sizeof d->by_tcp_port);
	memset(d->by_ethertype, PROTO_NONE, sizeof d->by_ethertype);
	memset(d->by_ppp, PROTO_NONE, sizeof d->by_ppp);
	memset(d->by_sap, PROTO_NONE, sizeof d->by_sap);
	memset(d->by_linktype, PROTO_NONE, sizeof d->by_linktype);
	d->want = calloc(total_rows(d), 1);
	d->items_cap = 512;
	d->items = malloc(d->items_cap * sizeof *d->items);
	d->arena = malloc(ARENA_BYTES);
	d->convs = l4_conv_new(d->cfg.connections_max, d->cfg.hash_seed);
	if (!d->want || !d->items || !d->arena || !d->convs) {
		l4_dissect_free(d);
		return NULL;
	}
	for (size_t i = 0; i < PROTO_COUNT; i++)
		for (const struct l4_binding *b = l4_dissectors[i]->proto.bindings; b && b->table;
		     b++)
			bind(d, b->table, b->key, (uint8_t)i);
	return d;
}

void l4_dissect_free(struct l4_dissect *d)
{
	if (!d)
		return;
	l4_conv_free(d->convs);
	l4_frag_free(d->frags);
	l4_streams_free(d->streams);
	l4_echoes_free(d->echoes);
	l4_http_pairs_free(d->http_pairs);
	free(d->dns_pending);
	free(d->arena);
	free(d->items);
	free(d->want);
	free(d);
}

int l4_dissect_want(struct l4_dissect *d, const char *field)
{
	int found = L4_ENOTFOUND;
	for (size_t i = 0; i < PROTO_COUNT; i++) {
		const struct l4_proto *p = &l4_dissectors[i]->proto;
		for (size_t k = 0; k < p->n_fields; k++)
			if (p->fields[k].name && !strcmp(p->fields[k].name, field)) {
				d->want[d->base[i] + k] = 1;
				d->any[i] = 1;
				d->items_wanted = true;
				found = 0;
			}
	}
	return found;
}

void l4_dissect_want_all(struct l4_dissect *d)
{
	d->all = d->items_wanted = true;
	for (size_t i = 0; i < PROTO_COUNT; i++) {
		const struct l4_proto *p = &l4_dissectors[i]->proto;
		d->any[i] = 1;
		for (size_t k = 0; k < p->n_fields; k++)
			if (!(p->fields[k].flags & L4_FF_HIDDEN))
				d->want[d->base[i] + k] = 1;
	}
}

void l4_dissect_want_columns(struct l4_dissect *d)
{
	d->columns = true;
}

void l4_dissect_want_connections(struct l4_dissect *d)
{
	d->connections = true;
}

void l4_dissect_stop_at_tcp(struct l4_dissect *d)
{
	d->stop_at_tcp = true;
}

/* Whether a row's value comes from what a segment carries. */
static bool needs_payload(size_t proto, const struct l4_field *f)
{
	if (proto == PROTO_frame)
		return !strcmp(f->name, "frame.protocols");
	if (proto == PROTO_tcp)
		return !strncmp(f->name, "tcp.segment", 11) ||
		       !strncmp(f->name, "tcp.reassembled", 15);
	if (proto == PROTO_data || proto == PROTO_http || proto == PROTO_tls)
		return true;
	for (const struct l4_binding *b = l4_dissectors[proto]->proto.bindings; b && b->table; b++)
		if (!strcmp(b->table, "tcp.port"))
			return true;
	return false;
}

/* Before the first packet: what is wanted is known now. */
static void settle(struct l4_dissect *d)
{
	d->settled = true;
	d->no_payload = d->stop_at_tcp && !d->columns && !d->all;
	for (size_t i = 0; i < PROTO_COUNT && d->no_payload; i++) {
		const struct l4_proto *p = &l4_dissectors[i]->proto;
		for (size_t k = 0; k < p->n_fields && d->any[i]; k++)
			if (d->want[d->base[i] + k] && needs_payload(i, &p->fields[k]))
				d->no_payload = false;
	}
}

/* ---- damage ---- */

static void damaged(struct l4_dissect *d, enum dis_stop why, const uint8_t *at)
{
	if (d->stop == DIS_GO)
		d->stop = why;
	if (d->quoted)
		return; /* an ICMP error quotes only the beginning of a packet */
	if (!d->out.damaged) {
		d->out.damaged = d->cur < PROTO_COUNT ? l4_dissectors[d->cur]->proto.name : NULL;
		const uint8_t *base = d->out.cap->data;
		d->out.damage_offset =
		    at >= base && at <= base + d->out.cap->caplen ? (uint32_t)(at - base) : 0;
	}
	if (why == DIS_MALFORMED)
		d->out.malformed = true;
	else
		d->out.cut = true;
}

bool dis_short(struct l4_dissect *d, struct l4_view v, uint32_t n)
{
	damaged(d, v.len >= n ? DIS_CUT : DIS_MALFORMED, v.p + v.cap);
	return false;
}

void dis_bad(struct l4_dissect *d, const uint8_t *at)
{
	damaged(d, DIS_MALFORMED, at);
}

/* ---- layers and items ---- */

void *dis_alloc(struct l4_dissect *d, uint32_t n)
{
	n = (n + 7) & ~7u;
	if (n > ARENA_BYTES - d->arena_used)
		return NULL;
	void *p = d->arena + d->arena_used;
	d->arena_used += n;
	return p;
}

static struct l4_item *push(
    struct l4_dissect *d, const struct l4_field *f, const uint8_t *at, uint32_t n)
{
	if (d->out.n_items == d->items_cap) {
		uint32_t cap = d->items_cap * 2;
		struct l4_item *p = cap > ITEMS_MAX ? NULL : realloc(d->items, cap * sizeof *p);
		if (!p) {
			d->out.cut = true;
			return NULL;
		}
		d->items = p;
		d->items_cap = cap;
	}
	struct l4_item *i = &d->items[d->out.n_items++];
	i->field = f;
	i->at = at;
	i->at_len = n;
	i->n = 0;
	i->v.u = 0;
	i->text = NULL;
	i->layer = (uint8_t)(d->out.n_layers ? d->out.n_layers - 1 : 0);
	i->depth = (uint8_t)(d->depth + f->depth + 1);
	i->source = d->source;
	return i;
}

struct l4_item *dis_push(struct l4_dissect *d, unsigned row, const uint8_t *at, uint32_t n)
{
	return push(d, &l4_dissectors[d->cur]->proto.fields[row], at, n);
}

void dis_layer(struct l4_dissect *d, struct l4_view v, uint32_t n)
{
	if (d->out.n_layers == LAYERS_MAX) {
		d->out.cut = true;
		return;
	}
	const struct l4_proto *p = &l4_dissectors[d->cur]->proto;
	struct l4_layer *l = &d->layers[d->out.n_layers++];
	l->proto = p;
	l->data = v.p;
	l->header_len = n < v.cap ? n : v.cap;
	l->caplen = v.cap;
	l->len = v.len;
	l->source = d->source;
	if (d->w[0]) {
		struct l4_item *i = push(d, &p->fields[0], v.p, l->header_len);
		if (i)
			i->depth = 0;
	}
}

void dis_layer_len(struct l4_dissect *d, uint32_t layer, uint32_t n)
{
	if (layer < d->out.n_layers && n <= d->layers[layer].caplen)
		d->layers[layer].header_len = n;
}

void dis_mark(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v)
{
	if (d->out.n_layers == LAYERS_MAX)
		return;
	struct l4_layer *l = &d->layers[d->out.n_layers++];
	*l = (struct l4_layer){ .proto = &l4_dissectors[id]->proto,
		.data = v.p,
		.caplen = v.cap,
		.len = v.len,
		.source = d->source };
}

void dis_call(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v)
{
	if (d->nesting == DEPTH_MAX) {
		dis_bad(d, v.p);
		return;
	}
	uint8_t cur = d->cur, depth = d->depth;
	const uint8_t *w = d->w;
	bool any = d->w_any;
	d->cur = (uint8_t)id;
	d->w = d->want + d->base[id];
	d->w_any = d->any[id];
	d->depth = 0;
	d->nesting++;
	l4_dissectors[id]->run(d, v);
	d->nesting--;
	d->cur = cur;
	d->depth = depth;
	d->w = w;
	d->w_any = any;
}

void dis_data(struct l4_dissect *d, struct l4_view v)
{
	if (v.len)
		dis_call(d, PROTO_data, v);
}

bool dis_call_ethertype(struct l4_dissect *d, uint16_t type, struct l4_view v)
{
	uint8_t id = d->by_ethertype[type];
	if (id == PROTO_NONE)
		return false;
	dis_call(d, id, v);
	return true;
}

/* A value of f's bits in the header at p. All bytes are there. */
static uint64_t bits_at(const struct l4_field *f, const uint8_t *p)
{
	p += f->bit / 8u;
	if (f->bit % 8u == 0) {
		switch (f->bits) {
		case 8:
			return p[0];
		case 16:
			return l4_get_u16(p);
		case 32:
			return l4_get_u32(p);
		default:
			break;
		}
	}
	uint64_t v = 0;
	unsigned end = f->bit % 8u + f->bits;
	for (unsigned i = 0; i * 8 < end; i++)
		v = v << 8 | p[i];
	v >>= (8 - end % 8) % 8;
	return f->bits < 64 ? v & (((uint64_t)1 << f->bits) - 1) : v;
}

bool dis_fixed(struct l4_dissect *d, struct l4_view v, unsigned first, unsigned last)
{
	if (!d->w_any)
		return true;
	const struct l4_field *rows = l4_dissectors[d->cur]->proto.fields;
	for (unsigned r = first; r <= last; r++) {
		const struct l4_field *f = &rows[r];
		if (!d->w[r] || !f->bits)
			continue;
		uint32_t from = f->bit / 8u, to = (f->bit + f->bits + 7u) / 8u;
		if (to > v.cap)
			return false;
		struct l4_item *i = push(d, f, v.p + from, to - from);
		if (!i)
			return true;
		if (f->type >= L4_FT_IP4 && f->type <= L4_FT_STRING) {
			i->v.p = v.p + from;
			i->n = to - from;
		} else {
			i->v.u = bits_at(f, v.p);
		}
	}
	return true;
}

void dis_title(struct l4_dissect *d, const uint8_t *at, uint32_t n, const char *fmt, ...)
{
	if (!d->all)
		return;
	struct l4_item *i = push(d, &text_field, at, n);
	char *s = i ? dis_alloc(d, 256) : NULL;
	if (!s)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, 256, fmt, ap);
	va_end(ap);
	i->text = s;
}

char *dis_title_room(struct l4_dissect *d)
{
	if (!d->w[0] || !d->out.n_items)
		return NULL;
	char *s = dis_alloc(d, 256);
	if (s)
		d->items[d->out.n_items - 1].text = s;
	return s;
}

void dis_head(struct l4_dissect *d, const char *fmt, ...)
{
	char *s = dis_title_room(d);
	if (!s)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, 256, fmt, ap);
	va_end(ap);
}

void dis_text(struct l4_dissect *d, struct l4_item *i, const char *fmt, ...)
{
	char *s = i ? dis_alloc(d, 256) : NULL;
	if (!s)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, 256, fmt, ap);
	va_end(ap);
	i->text = s;
}

/* ---- columns ---- */

void col_ours(struct l4_dissect *d, const char *s, uint32_t n)
{
	if (!cols(d))
		return;
	uint32_t left = INFO_MAX - d->out.info_len;
	if (n > left)
		n = left;
	memcpy(d->info + d->out.info_len, s, n);
	d->out.info_len += n;
}

void col_bytes(struct l4_dissect *d, const void *p, uint32_t n)
{
	if (!cols(d))
		return;
	d->out.info_plain = false;
	col_ours(d, p, n);
}

/* The number and address writers need at most 64 bytes, which stand behind INFO_MAX. */
static char *room(struct l4_dissect *d)
{
	return cols(d) && d->out.info_len < INFO_MAX ? d->info + d->out.info_len : NULL;
}

static void took(struct l4_dissect *d, const char *end)
{
	d->out.info_len = (uint32_t)(end - d->info);
	if (d->out.info_len > INFO_MAX)
		d->out.info_len = INFO_MAX;
}

void col_dec(struct l4_dissect *d, uint64_t v)
{
	char *o = room(d);
	if (o)
		took(d, fmt_dec(o, v));
}

void col_hex(struct l4_dissect *d, uint64_t v, unsigned digits)
{
	char *o = room(d);
	if (o)
		took(d, fmt_hex(o, v, digits));
}

void col_ip4(struct l4_dissect *d, const uint8_t *p)
{
	char *o = room(d);
	if (o)
		took(d, fmt_ip4(o, p));
}

void col_ip6(struct l4_dissect *d, const uint8_t *p)
{
	char *o = room(d);
	if (o)
		took(d, fmt_ip6(o, p));
}

void col_mac(struct l4_dissect *d, const uint8_t *p)
{
	char *o = room(d);
	if (o)
		took(d, fmt_mac(o, p));
}

void col_fmt(struct l4_dissect *d, const char *fmt, ...)
{
	if (!cols(d))
		return;
	char t[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(t, sizeof t, fmt, ap);
	va_end(ap);
	if (n > 0)
		col_ours(d, t, (uint32_t)n < sizeof t ? (uint32_t)n : (uint32_t)sizeof t - 1);
}

void col_prepend(struct l4_dissect *d, const char *s)
{
	if (!cols(d))
		return;
	uint32_t n = (uint32_t)strlen(s), from = d->info_fence, have = d->out.info_len - from;
	if (n > INFO_MAX - from)
		return;
	if (have > INFO_MAX - from - n)
		have = INFO_MAX - from - n;
	memmove(d->info + from + n, d->info + from, have);
	memcpy(d->info + from, s, n);
	d->out.info_len = from + n + have;
}

/* ---- a packet ---- */

static void begin(struct l4_dissect *d, const struct l4_cap_packet *cap)
{
	if (!d->settled)
		settle(d);
	d->out = (struct l4_dissected){ .cap = cap, .layers = d->layers, .stream = -1 };
	d->stop = DIS_GO;
	d->depth = d->nesting = d->source = 0;
	d->quoted = d->fragment = d->cols_locked = d->can_desegment = false;
	d->info_fence = 0;
	d->out.info_plain = true;
	d->arena_used = 0;
	d->net_src = d->net_dst = d->dl_src = d->dl_dst = (struct l4_net){ L4_AK_NONE, NULL };
	d->sport = d->dport = 0;
	d->app_conv = NULL;
	d->net_len = 0;
	d->net_at = NULL;
	if (d->columns)
		d->out.protocol = "";
}

static const struct l4_dissected *end(struct l4_dissect *d)
{
	d->prev_ts = d->out.cap->ts;
	if (d->columns) {
		if (d->stop == DIS_MALFORMED)
			col_fmt(d, "[Malformed Packet]");
		else if (d->stop == DIS_CUT)
			col_fmt(d, "[Packet size limited during capture]");
		d->info[d->out.info_len] = 0;
	}
	d->out.info = d->info;
	d->out.items = d->items;
	return &d->out;
}

static struct l4_view whole(const struct l4_cap_packet *cap)
{
	return (struct l4_view){ cap->data, cap->caplen,
		cap->len > cap->caplen ? cap->len : cap->caplen };
}

const struct l4_dissected *l4_dissect_packet(struct l4_dissect *d, const struct l4_cap_packet *cap)
{
	begin(d, cap);
	dis_call(d, PROTO_frame, whole(cap));
	return end(d);
}

const struct l4_dissected *l4_dissect_from(
    struct l4_dissect *d, const struct l4_cap_packet *cap, const struct l4_dissect_start *s)
{
	begin(d, cap);
	d->net_src = (struct l4_net){ s->kind, s->src };
	d->net_dst = (struct l4_net){ s->kind, s->dst };
	d->sport = s->sport;
	d->dport = s->dport;
	d->ip_proto = s->ip_proto;
	dis_call(d, s->id, whole(cap));
	return end(d);
}
