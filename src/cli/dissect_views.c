/* How a dissected packet is shown: a line, a tree, its layers, JSON, chosen fields, bytes.
 *
 * The summary follows Wireshark's columns and widths, the fields its formats, so that scripts and
 * eyes used to those need not change. Everything that comes from a packet is escaped on its way to
 * the terminal, except in --fields, where it is escaped as well but numbers and names pass. */
#include "cli/dissect.h"

#include <layer4/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ports_names.h"

/* ---- columns of --fields ---- */

static int special_column(const char *name)
{
	static const struct {
		const char *name;
		char letter;
	} names[] = { { "number", 'n' }, { "no.", 'n' }, { "time", 't' }, { "source", 's' },
		{ "destination", 'd' }, { "protocol", 'p' }, { "length", 'l' }, { "info", 'i' } };
	static const char prefix[] = "_ws.col.";
	if (strncmp(name, prefix, sizeof prefix - 1))
		return 0;
	name += sizeof prefix - 1;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *a = name, *b = names[i].name;
		while (*a && (*a | 32) == (*b | 32))
			a++, b++;
		if (!*a && !*b)
			return names[i].letter;
	}
	return 0;
}

static int add_column(struct views *v, struct l4_dissect *d, const char *name)
{
	if (v->n_columns == COLUMNS_MAX) {
		fprintf(stderr, "l4 dissect: more than %d fields\n", COLUMNS_MAX);
		return -1;
	}
	struct column *c = &v->columns[v->n_columns];
	c->name = name;
	c->special = special_column(name);
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		for (size_t k = 0; k < p->n_fields && c->n_rows < COLUMN_ROWS; k++)
			if (p->fields[k].name && !strcmp(p->fields[k].name, name))
				c->rows[c->n_rows++] = &p->fields[k];
	}
	if (!c->special && (!c->n_rows || l4_dissect_want(d, name))) {
		fprintf(stderr, "l4 dissect: no field is named '%s'; 'l4 ls' lists them\n", name);
		return -1;
	}
	if (c->special)
		l4_dissect_want_columns(d);
	v->n_columns++;
	return 0;
}

int views_add_columns(struct views *v, struct l4_dissect *d, const char *list)
{
	static char names[65536];
	static size_t used;
	size_t n = strlen(list) + 1;
	if (n > sizeof names - used) {
		fprintf(stderr, "l4 dissect: the list of fields is too long\n");
		return -1;
	}
	char *s = memcpy(names + used, list, n);
	used += n;
	for (char *p = s; p && *p;) {
		char *comma = strchr(p, ',');
		if (comma)
			*comma++ = 0;
		if (*p && add_column(v, d, p))
			return -1;
		p = comma;
	}
	return 0;
}

struct row_of {
	const struct l4_field *field;
	unsigned column;
};

static uint32_t slot_of(const struct views *v, const struct l4_field *f)
{
	uint32_t h = (uint32_t)((uintptr_t)f / sizeof *f) * 2654435761u;
	uint32_t i = h >> 8 & v->row_mask;
	while (v->row_of[i].field && v->row_of[i].field != f)
		i = (i + 1) & v->row_mask;
	return i;
}

/* The way from a field to its column, so that a packet's items are gone through once. */
static void index_columns(struct views *v)
{
	uint32_t rows = 0, size = 64;
	for (unsigned k = 0; k < v->n_columns; k++)
		rows += v->columns[k].n_rows;
	while (size < rows * 4)
		size *= 2;
	v->row_of = calloc(size, sizeof *v->row_of);
	if (!v->row_of)
		abort(); /* at start, some KiB */
	v->row_mask = size - 1;
	for (unsigned k = 0; k < v->n_columns; k++) {
		struct column *c = &v->columns[k];
		c->like = k;
		for (unsigned r = 0; r < c->n_rows; r++) {
			struct row_of *x = &v->row_of[slot_of(v, c->rows[r])];
			if (x->field)
				c->like = x->column;
			else
				*x = (struct row_of){ c->rows[r], k };
		}
	}
}

void views_prepare(struct views *v, struct l4_dissect *d)
{
	v->terminal = isatty(v->out->fd);
	if (v->kind == VIEW_SUMMARY)
		l4_dissect_want_columns(d);
	if (v->kind == VIEW_DETAIL || v->kind == VIEW_JSON)
		l4_dissect_want_all(d);
	if (v->kind == VIEW_FIELDS)
		index_columns(v);
}

void views_end(struct views *v)
{
	free(v->row_of);
	v->row_of = NULL;
}

/* ---- the summary ---- */

static size_t address_text(char *t, enum l4_addr_kind kind, const uint8_t *p)
{
	struct l4_item i = { .v.p = p };
	struct l4_field f = { .name = "" };
	i.field = &f;
	if (!p)
		return 0;
	switch (kind) {
	case L4_AK_MAC:
		f.type = L4_FT_MAC;
		break;
	case L4_AK_IP4:
		f.type = L4_FT_IP4;
		break;
	case L4_AK_IP6:
		f.type = L4_FT_IP6;
		break;
	case L4_AK_TEXT: {
		size_t n = strlen((const char *)p);
		if (n > 63)
			n = 63;
		memcpy(t, p, n);
		return n;
	}
	case L4_AK_NONE:
		return 0;
	}
	return l4_item_text(&i, t, 64);
}

static size_t time_text(const struct views *v, const struct l4_cap_packet *c, char *t)
{
	struct l4_field f = { .name = "", .type = L4_FT_SPAN };
	struct l4_item i = { .field = &f, .v.i = (int64_t)(c->ts - v->first) };
	size_t n = l4_item_text(&i, t, 64);
	return c->ts_precision >= 9 ? n : c->ts_precision >= 6 ? n - 3 : n - 9 + c->ts_precision;
}

static void info(struct out *o, const struct l4_dissected *p)
{
	if (p->info_plain)
		out_bytes(o, p->info, p->info_len);
	else
		out_escaped(o, p->info, p->info_len);
}

static void summary(struct views *v, const struct l4_dissected *p)
{
	struct out *o = v->out;
	o->n += l4_dissected_line(p, v->first, out_room(o));
	info(o, p);
	if (v->note) {
		out_str(o, "  [");
		out_str(o, v->note);
		out_char(o, ']');
	}
	out_char(o, '\n');
}

/* ---- fields ---- */

static void special_text(struct views *v, const struct l4_dissected *p, int letter)
{
	struct out *o = v->out;
	char t[64];
	switch (letter) {
	case 'n':
		out_dec(o, p->cap->number);
		break;
	case 't':
		out_bytes(o, t, time_text(v, p->cap, t));
		break;
	case 's':
		out_bytes(o, t, address_text(t, p->src_kind, p->src));
		break;
	case 'd':
		out_bytes(o, t, address_text(t, p->dst_kind, p->dst));
		break;
	case 'p':
		out_str(o, p->protocol);
		break;
	case 'l':
		out_dec(o, p->cap->len);
		break;
	default:
		info(o, p);
		break;
	}
}

static void value_text(struct out *o, const struct l4_item *i)
{
	if (i->field->type == L4_FT_STRING) {
		out_escaped(o, i->v.p, i->n);
		return;
	}
	if (i->field->type == L4_FT_BYTES && !i->n) {
		bool usual = i->field->flags & L4_FF_MAY_BE_EMPTY;
		out_str(o, usual ? "<none>" : "<MISSING>");
		return;
	}
	if (i->field->type == L4_FT_BYTES) {
		/* may be longer than the buffer has room for: in pieces */
		struct l4_item part = *i;
		for (uint32_t at = 0; at < i->n; at += 1024) {
			char t[2048];
			part.v.p = i->v.p + at;
			part.n = i->n - at < 1024 ? i->n - at : 1024;
			out_bytes(o, t, l4_item_text(&part, t, sizeof t));
		}
		return;
	}
	if (i->field->type == L4_FT_PROTOCOL) {
		char t[512];
		out_escaped(o, t, l4_item_text(i, t, sizeof t));
		return;
	}
	o->n += l4_item_text(i, out_room(o), OUT_ROOM);
}

/* A string for a program: as tshark gives it. HTTP/1's text is ASCII. */
static void program_text(struct out *o, const struct l4_item *i)
{
	out_tsv(o, i->v.p, i->n, !strncmp(i->field->name, "http.", 5));
}

static void fields(struct views *v, const struct l4_dissected *p)
{
	static uint32_t next[ITEMS_MAX];
	struct out *o = v->out;
	for (unsigned k = 0; k < v->n_columns; k++)
		v->columns[k].head = 0;
	for (uint32_t i = 0; i < p->n_items && i < ITEMS_MAX; i++) {
		const struct row_of *x = &v->row_of[slot_of(v, p->items[i].field)];
		if (!x->field)
			continue;
		struct column *c = &v->columns[x->column];
		if (!c->head)
			c->head = i + 1;
		else
			next[c->tail - 1] = i + 1;
		c->tail = i + 1;
		next[i] = 0;
	}
	for (unsigned k = 0; k < v->n_columns; k++) {
		const struct column *c = &v->columns[k];
		if (k)
			out_char(o, '\t');
		if (c->special) {
			special_text(v, p, c->special);
			continue;
		}
		uint32_t first = v->columns[c->like].head;
		for (uint32_t i = first; i; i = next[i - 1]) {
			if (i != first)
				out_char(o, ',');
			if (p->items[i - 1].field->type == L4_FT_STRING && !v->terminal)
				program_text(o, &p->items[i - 1]);
			else
				value_text(o, &p->items[i - 1]);
		}
	}
	out_char(o, '\n');
}

/* ---- names of ports ---- */

const char *views_port_name(void *ctx, uint16_t port, uint8_t proto)
{
	(void)ctx;
	return ports_service_name(port, proto);
}

/* The name of the port that the field holds, NULL: it holds none, or there is no name. */
static const char *port_name(const struct views *v, const struct l4_item *i)
{
	const char *n = i->field->name;
	if (!v->names || i->field->type != L4_FT_U16 ||
	    (strncmp(n, "tcp.", 4) && strncmp(n, "udp.", 4)))
		return NULL;
	if (strcmp(n + 4, "srcport") && strcmp(n + 4, "dstport") && strcmp(n + 4, "port"))
		return NULL;
	return ports_service_name((uint16_t)i->v.u, n[0] == 't' ? 6 : 17);
}

/* ---- detail ---- */

enum { DETAIL_BYTES = 40 }; /* the rest is in --hex */

static void detail_value(const struct views *v, const struct l4_item *i)
{
	struct out *o = v->out;
	const struct l4_field *f = i->field;
	if (f->type == L4_FT_BOOL) {
		const char *name = l4_value_name(f->values, i->v.u);
		out_str(o, name ? name : i->v.u ? "Set" : "Not set");
		return;
	}
	const char *name =
	    f->type >= L4_FT_U8 && f->type <= L4_FT_U64 ? l4_value_name(f->values, i->v.u) : NULL;
	if (!name)
		name = port_name(v, i);
	if (name) {
		out_str(o, name);
		out_str(o, " (");
	}
	if (f->type == L4_FT_BYTES && i->n > DETAIL_BYTES) {
		struct l4_item part = *i;
		part.n = DETAIL_BYTES;
		value_text(o, &part);
		out_str(o, "…");
	} else {
		value_text(o, i);
	}
	if (f->base == L4_BASE_HEX_DEC && !name) {
		out_str(o, " (");
		out_dec(o, i->v.u);
		out_char(o, ')');
	}
	if (name)
		out_char(o, ')');
	if (f->unit) {
		out_char(o, ' ');
		out_str(o, f->unit);
	}
}

static void detail_line(const struct views *v, const struct l4_item *i)
{
	static const char spaces[] = "                                                            ";
	struct out *o = v->out;
	const struct l4_field *f = i->field;
	size_t in = i->depth * 4u < sizeof spaces - 1 ? i->depth * 4u : sizeof spaces - 1;
	out_bytes(o, spaces, in);
	bool generated = f->flags & (L4_FF_GENERATED | L4_FF_EXPERT);
	if (generated)
		out_char(o, '[');
	if (f->type == L4_FT_PROTOCOL || (f->type == L4_FT_NONE && i->text)) {
		const char *t = i->text ? i->text : f->label;
		out_escaped(o, t, strlen(t));
	} else {
		out_str(o, f->label);
		if (f->type != L4_FT_NONE) {
			out_str(o, ": ");
			detail_value(v, i);
		}
	}
	if (generated)
		out_char(o, ']');
	out_char(o, '\n');
}

/* What stands before and after the values of a field, written once: the lines of a million packets
 * are a few hundred kinds. */
enum { LINES = 2048, LINE_HEAD = 88, LINE_TAIL = 24 };

struct line {
	const struct l4_field *field;
	uint8_t depth, head_n, tail_n;
	char head[LINE_HEAD], tail[LINE_TAIL];
};

/* NULL: a field whose value is no plain number or address, or whose words are too long. */
static const struct line *line_of(const struct l4_item *i)
{
	static struct line lines[LINES];
	const struct l4_field *f = i->field;
	if (f->type < L4_FT_BOOL || f->type > L4_FT_MAC)
		return NULL;
	struct line *l = &lines[(uint32_t)((uintptr_t)f / sizeof *f) * 2654435761u >> 21];
	if (l->field == f && l->depth == i->depth)
		return l;
	bool generated = f->flags & (L4_FF_GENERATED | L4_FF_EXPERT);
	size_t label = strlen(f->label), unit = f->unit ? strlen(f->unit) : 0, in = i->depth * 4u;
	if (in + label + 3 > LINE_HEAD || unit + 3 > LINE_TAIL || in > 60)
		return NULL;
	char *h = l->head, *t = l->tail;
	memset(h, ' ', in);
	h += in;
	if (generated)
		*h++ = '[';
	memcpy(h, f->label, label);
	h += label;
	*h++ = ':';
	*h++ = ' ';
	if (unit) {
		*t++ = ' ';
		memcpy(t, f->unit, unit);
		t += unit;
	}
	if (generated)
		*t++ = ']';
	*t++ = '\n';
	l->head_n = (uint8_t)(h - l->head);
	l->tail_n = (uint8_t)(t - l->tail);
	l->depth = i->depth;
	l->field = f;
	return l;
}

static char *put(char *o, const char *s)
{
	size_t n = strlen(s);
	memcpy(o, s, n);
	return o + n;
}

/* A line of a field that line_of knows, at o (of OUT_ROOM bytes); returns its end. */
static char *quick_line(char *o, const struct line *l, const struct l4_item *i)
{
	const struct l4_field *f = l->field;
	memcpy(o, l->head, LINE_HEAD);
	o += l->head_n;
	const char *name = NULL;
	if (f->values && f->type <= L4_FT_U64) {
		name = l4_value_name(f->values, i->v.u);
		if (name)
			o = put(o, name);
	}
	if (f->type == L4_FT_BOOL) {
		if (!name)
			o = put(o, i->v.u ? "Set" : "Not set");
	} else if (name) {
		*o++ = ' ';
		*o++ = '(';
		o += l4_item_text(i, o, 64);
		*o++ = ')';
	} else {
		o += l4_item_text(i, o, 64);
		if (f->base == L4_BASE_HEX_DEC) {
			struct l4_field dec = *f;
			struct l4_item n = *i;
			dec.base = L4_BASE_DEC;
			n.field = &dec;
			*o++ = ' ';
			*o++ = '(';
			o += l4_item_text(&n, o, 64);
			*o++ = ')';
		}
	}
	memcpy(o, l->tail, LINE_TAIL);
	return o + l->tail_n;
}

static void detail(struct views *v, const struct l4_dissected *p)
{
	struct out *o = v->out;
	for (uint32_t k = 0; k < p->n_items; k++) {
		const struct l4_item *i = &p->items[k];
		const struct line *l = port_name(v, i) ? NULL : line_of(i);
		if (!l) {
			detail_line(v, i);
			continue;
		}
		char *from = out_room(o);
		o->n += (size_t)(quick_line(from, l, i) - from);
	}
	if (p->malformed || p->cut) {
		out_fmt(o, "[%s: %s, at byte %u]\n",
		    p->malformed ? "Malformed Packet" : "Packet size limited during capture",
		    p->damaged ? p->damaged : "?", p->damage_offset);
	}
	out_char(o, '\n');
}

/* ---- layers ---- */

static void bits_of(struct out *o, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			out_str(o, i ? "\n        " : "        ");
		else
			out_char(o, ' ');
		for (int b = 7; b >= 0; b--)
			out_char(o, p[i] >> b & 1 ? '1' : '0');
	}
	if (n)
		out_char(o, '\n');
}

static const char *osi(const char *proto, const char **pdu)
{
	static const struct {
		const char *proto, *layer, *pdu;
	} rows[] = { { "raw", "1 capture", "bytes" }, { "radiotap", "1 capture", "bytes" },
		{ "wlan_radio", "1 capture", "bytes" }, { "ppi", "1 capture", "bytes" },
		{ "pktap", "1 capture", "bytes" }, { "pcap_pktdata", "1 capture", "bytes" },
		{ "eth", "2 link", "frame" }, { "vlan", "2 link", "frame" },
		{ "ieee8021ad", "2 link", "frame" }, { "ieee8021ah", "2 link", "frame" },
		{ "macsec", "2 link", "frame" }, { "vntag", "2 link", "frame" },
		{ "cfp", "2 link", "frame" }, { "llc", "2 link", "frame" },
		{ "sll", "2 link", "frame" }, { "null", "2 link", "frame" },
		{ "ppp", "2 link", "frame" }, { "pppoes", "2 link", "frame" },
		{ "pppoed", "2 link", "frame" }, { "chdlc", "2 link", "frame" },
		{ "fr", "2 link", "frame" }, { "tr", "2 link", "frame" },
		{ "fddi", "2 link", "frame" }, { "arcnet", "2 link", "frame" },
		{ "wlan", "2 link", "frame" }, { "ipnet", "2 link", "frame" },
		{ "l2tp", "2 link", "frame" }, { "mpls", "2 link", "label" },
		{ "arp", "2 link", "frame" }, { "nsh", "3 network", "packet" },
		{ "ip", "3 network", "packet" }, { "ipv6", "3 network", "packet" },
		{ "ipv6.hopopts", "3 network", "packet" },
		{ "ipv6.dstopts", "3 network", "packet" },
		{ "ipv6.routing", "3 network", "packet" },
		{ "ipv6.fraghdr", "3 network", "packet" }, { "ah", "3 network", "packet" },
		{ "icmp", "3 network", "message" }, { "icmpv6", "3 network", "message" },
		{ "igmp", "3 network", "message" }, { "gre", "3 network", "packet" },
		{ "udp", "4 transport", "datagram" }, { "tcp", "4 transport", "segment" } };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!strcmp(rows[i].proto, proto)) {
			*pdu = rows[i].pdu;
			return rows[i].layer;
		}
	*pdu = !strcmp(proto, "data") ? "bytes" : "message";
	return "5+ application";
}

/* A port, with its name if names are wanted, in a buffer of 48 bytes. */
static const char *port_text(const struct views *v, char *t, unsigned port, bool tcp)
{
	const char *name = v->names ? ports_service_name((uint16_t)port, tcp ? 6 : 17) : NULL;
	if (name)
		snprintf(t, 48, "%.31s(%u)", name, port);
	else
		snprintf(t, 48, "%u", port);
	return t;
}

static void ends_text(const struct views *v, char *t, size_t cap, const struct l4_layer *l)
{
	char a[64], b[64];
	const uint8_t *h = l->data;
	const char *n = l->proto->name;
	t[0] = 0;
	if (!strcmp(n, "eth") && l->header_len >= 14) {
		a[address_text(a, L4_AK_MAC, h + 6)] = 0;
		b[address_text(b, L4_AK_MAC, h)] = 0;
	} else if (!strcmp(n, "ip") && l->header_len >= 20) {
		a[address_text(a, L4_AK_IP4, h + 12)] = 0;
		b[address_text(b, L4_AK_IP4, h + 16)] = 0;
	} else if (!strcmp(n, "ipv6") && l->header_len >= 40) {
		a[address_text(a, L4_AK_IP6, h + 8)] = 0;
		b[address_text(b, L4_AK_IP6, h + 24)] = 0;
	} else if ((!strcmp(n, "tcp") || !strcmp(n, "udp")) && l->header_len >= 4) {
		snprintf(t, cap, "%s → %s",
		    port_text(v, a, (unsigned)(h[0] << 8 | h[1]), n[0] == 't'),
		    port_text(v, b, (unsigned)(h[2] << 8 | h[3]), n[0] == 't'));
		return;
	} else {
		return;
	}
	snprintf(t, cap, "%s → %s", a, b);
}

static void layers(struct views *v, const struct l4_dissected *p)
{
	struct out *o = v->out;
	out_fmt(o, "Packet %llu, %u bytes\n", (unsigned long long)p->cap->number, p->cap->len);
	if (v->note)
		out_fmt(o, "  %-14s  %s\n", "process", v->note);
	for (uint32_t k = 1; k < p->n_layers; k++) {
		const struct l4_layer *l = &p->layers[k];
		if (!strcmp(l->proto->name, "ethertype"))
			continue;
		const char *pdu, *layer = osi(l->proto->name, &pdu);
		char ends[160];
		ends_text(v, ends, sizeof ends, l);
		out_fmt(o, "  %-14s  %-9s %-8s header %3u  payload %5u%s%s\n", layer,
		    l->proto->name, pdu, l->header_len,
		    l->len > l->header_len ? l->len - l->header_len : 0, ends[0] ? "  " : "", ends);
		if (v->bits)
			bits_of(o, l->data, l->header_len);
	}
}

/* ---- JSON ---- */

static void json_value(struct out *o, const struct l4_item *i)
{
	switch ((enum l4_ftype)i->field->type) {
	case L4_FT_NONE:
		out_str(o, "true");
		break;
	case L4_FT_BOOL:
		out_str(o, i->v.u ? "true" : "false");
		break;
	case L4_FT_U8:
	case L4_FT_U16:
	case L4_FT_U24:
	case L4_FT_U32:
	case L4_FT_FRAME:
		out_dec(o, i->v.u);
		break;
	case L4_FT_I8:
	case L4_FT_I16:
	case L4_FT_I32:
	case L4_FT_SPAN:
	case L4_FT_DOUBLE:
		value_text(o, i);
		break;
	case L4_FT_STRING:
		out_char(o, '"');
		out_json(o, i->v.p, i->n);
		out_char(o, '"');
		break;
	case L4_FT_PROTOCOL:
	case L4_FT_U64:
	case L4_FT_I64:
	case L4_FT_IP4:
	case L4_FT_IP6:
	case L4_FT_MAC:
	case L4_FT_BYTES:
	case L4_FT_TIME:
		/* 64-bit numbers are strings: JSON's numbers are doubles to most readers */
		out_char(o, '"');
		value_text(o, i);
		out_char(o, '"');
		break;
	}
}

/* The fields of one layer; a field that occurs more than once is an array. Occurrences are linked
 * by name in one pass, so that a packet of many records costs no more than its length. */
static void json_layer(struct out *o, const struct l4_dissected *p, uint32_t layer, uint32_t first)
{
	enum { ROWS = 512 };
	static uint32_t head[ROWS], tail[ROWS], next[ITEMS_MAX];
	const struct l4_proto *proto = p->layers[layer].proto;
	memset(head, 0, sizeof head);
	for (uint32_t i = first; i < p->n_items && i < ITEMS_MAX; i++) {
		const struct l4_item *it = &p->items[i];
		if (it->layer != layer || it->field->type == L4_FT_PROTOCOL)
			continue;
		ptrdiff_t row = it->field - proto->fields;
		if (row < 0 || row >= proto->n_fields || row >= ROWS)
			continue;
		/* rows of one name share the list of the first */
		ptrdiff_t r = row;
		for (ptrdiff_t k = 0; k < row; k++)
			if (!strcmp(proto->fields[k].name, it->field->name)) {
				r = k;
				break;
			}
		next[i] = 0;
		if (!head[r])
			head[r] = i + 1;
		else
			next[tail[r] - 1] = i + 1;
		tail[r] = i + 1;
	}
	for (unsigned r = 0; r < proto->n_fields && r < ROWS; r++) {
		if (!head[r])
			continue;
		out_str(o, ",\"");
		out_str(o, proto->fields[r].name);
		out_str(o, "\":");
		bool many = next[head[r] - 1];
		if (many)
			out_char(o, '[');
		for (uint32_t i = head[r]; i; i = next[i - 1]) {
			if (i != head[r])
				out_char(o, ',');
			json_value(o, &p->items[i - 1]);
		}
		if (many)
			out_char(o, ']');
	}
}

static void json(struct views *v, const struct l4_dissected *p)
{
	struct out *o = v->out;
	out_str(o, "{\"number\":");
	out_dec(o, p->cap->number);
	out_str(o, ",\"layers\":[");
	bool first = true;
	for (uint32_t k = 0; k < p->n_layers; k++) {
		if (!strcmp(p->layers[k].proto->name, "ethertype"))
			continue;
		out_str(o, first ? "{\"layer\":\"" : ",{\"layer\":\"");
		first = false;
		out_str(o, p->layers[k].proto->name);
		out_char(o, '"');
		json_layer(o, p, k, 0);
		out_char(o, '}');
	}
	out_str(o, "]");
	if (p->malformed || p->cut)
		out_fmt(o, ",\"damage\":{\"kind\":\"%s\",\"layer\":\"%s\",\"offset\":%u}",
		    p->malformed ? "malformed" : "cut", p->damaged ? p->damaged : "",
		    p->damage_offset);
	out_str(o, "}\n");
}

/* ---- bytes ---- */

static void hex(struct out *o, const uint8_t *p, uint32_t n)
{
	static const char d[] = "0123456789abcdef";
	for (uint32_t i = 0; i < n; i += 16) {
		for (int s = 12; s >= 0; s -= 4)
			out_char(o, d[i >> s & 15]);
		out_str(o, "  ");
		for (uint32_t k = 0; k < 16; k++) {
			if (i + k < n) {
				out_char(o, d[p[i + k] >> 4]);
				out_char(o, d[p[i + k] & 15]);
			} else {
				out_str(o, "  ");
			}
			out_char(o, ' ');
		}
		out_str(o, "  ");
		for (uint32_t k = 0; k < 16 && i + k < n; k++)
			out_char(o, p[i + k] >= 0x20 && p[i + k] < 0x7f ? (char)p[i + k] : '.');
		out_char(o, '\n');
	}
	out_char(o, '\n');
}

void views_packet(struct views *v, const struct l4_dissected *p)
{
	switch (v->kind) {
	case VIEW_SUMMARY:
		summary(v, p);
		break;
	case VIEW_DETAIL:
		detail(v, p);
		break;
	case VIEW_LAYERS:
		layers(v, p);
		break;
	case VIEW_JSON:
		json(v, p);
		break;
	case VIEW_FIELDS:
		fields(v, p);
		break;
	case VIEW_NONE:
		break;
	}
	if (v->hex)
		hex(v->out, p->cap->data, p->cap->caplen);
}
