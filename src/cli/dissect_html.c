/* The page of a capture: one self-contained HTML file (dissect_page.html) with the packets as data
 * in it, for its script to draw: a list, a ladder of the segments, a time-sequence graph, the
 * header bits of the chosen packet on the ruler that the RFCs use, and the stream's bytes.
 *
 * Everything from packets goes into JSON strings with '<', '>' and '&' escaped, bytes as base64;
 * the script puts it on the page as text, never as markup, and the page's policy forbids it to load
 * anything. At most PACKETS_MAX packets are kept, of each connection STREAM_MAX bytes of payload
 * and of all BYTES_MAX; the page says where there were more. */
#include "cli/dissect_html.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"

enum {
	PACKETS_MAX = 20000,
	HEADERS_MAX = 256,     /* bytes of a packet that are kept in any case */
	STREAM_MAX = 64 << 10, /* of payload, a connection */
	BYTES_MAX = 8 << 20,   /* of payload, all */
	STREAMS = 4096, /* connections whose payload is counted, by their number modulo this */
	EVENTS_MAX = 512,
	PROTOS_MAX = 256,
};

extern const unsigned char dissect_page[];
extern const unsigned long dissect_page_len;

struct text {
	char *p;
	size_t n, cap;
	bool failed;
};

struct html {
	struct text packets; /* elements of a JSON array */
	uint64_t total, kept, bytes;
	l4_time first;
	uint32_t stream_bytes[STREAMS];
	const struct l4_field *event[EVENTS_MAX];
	unsigned n_events;
	const struct l4_proto *proto[PROTOS_MAX];
	unsigned n_protos;
};

struct html *html_new(struct l4_dissect *d)
{
	static const char *const names[] = { "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags",
		"tcp.window_size" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		(void)l4_dissect_want(d, names[i]);
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		for (size_t k = 0; k < p->n_fields; k++)
			if (p->fields[k].flags & L4_FF_EXPERT && p->fields[k].base >= L4_SEV_NOTE)
				(void)l4_dissect_want(d, p->fields[k].name);
	}
	l4_dissect_want_columns(d);
	return calloc(1, sizeof(struct html));
}

static void add(struct text *t, const void *s, size_t n)
{
	if (t->n + n > t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 1 << 16;
		while (cap < t->n + n)
			cap *= 2;
		char *p = realloc(t->p, cap);
		if (!p) {
			t->failed = true;
			return;
		}
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
}

static void add_str(struct text *t, const char *s)
{
	add(t, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void add_fmt(struct text *t, const char *fmt, ...)
{
	char s[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(s, sizeof s, fmt, ap);
	va_end(ap);
	if (n > 0)
		add(t, s, (size_t)n < sizeof s ? (size_t)n : sizeof s - 1);
}

/* A JSON string that is also harmless within a script element. Control characters and bytes that
 * are no UTF-8 were escaped by out_json. */
static void add_text(struct text *t, const char *s, size_t n)
{
	static struct out o;
	o.fd = -1;
	o.n = 0;
	if (n > OUT_BYTES / 8)
		n = OUT_BYTES / 8;
	out_json(&o, s, n);
	add_str(t, "\"");
	for (size_t i = 0; i < o.n; i++) {
		char c = o.buf[i];
		if (c == '<' || c == '>' || c == '&')
			add_fmt(t, "\\u%04x", (unsigned)c);
		else
			add(t, &c, 1);
	}
	add_str(t, "\"");
}

static void add_address(struct text *t, enum l4_addr_kind k, const uint8_t *p)
{
	struct l4_field f = { .name = "",
		.type = k == L4_AK_MAC   ? L4_FT_MAC
			: k == L4_AK_IP6 ? L4_FT_IP6
					 : L4_FT_IP4 };
	struct l4_item i = { .field = &f, .v.p = p };
	char s[64];
	if (p && k == L4_AK_TEXT)
		add_text(t, (const char *)p, strlen((const char *)p));
	else
		add_text(t, s, p && k != L4_AK_NONE ? l4_item_text(&i, s, sizeof s) : 0);
}

static void add_base64(struct text *t, const uint8_t *p, uint32_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	add_str(t, "\"");
	for (uint32_t i = 0; i < n; i += 3) {
		uint32_t left = n - i, v = (uint32_t)p[i] << 16;
		v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= left > 2 ? p[i + 2] : 0;
		char s[4] = { digits[v >> 18], digits[v >> 12 & 63],
			left > 1 ? digits[v >> 6 & 63] : '=', left > 2 ? digits[v & 63] : '=' };
		add(t, s, 4);
	}
	add_str(t, "\"");
}

static int event_of(struct html *h, const struct l4_field *f)
{
	for (unsigned i = 0; i < h->n_events; i++)
		if (!strcmp(h->event[i]->name, f->name))
			return (int)i;
	if (h->n_events == EVENTS_MAX)
		return -1;
	h->event[h->n_events] = f;
	return (int)h->n_events++;
}

static int proto_of(struct html *h, const struct l4_proto *p)
{
	for (unsigned i = 0; i < h->n_protos; i++)
		if (h->proto[i] == p)
			return (int)i;
	if (h->n_protos == PROTOS_MAX)
		return -1;
	h->proto[h->n_protos] = p;
	return (int)h->n_protos++;
}

/* The headers that stand in the packet itself; returns how many of its bytes to keep. */
static uint32_t add_layers(struct html *h, const struct l4_dissected *p)
{
	struct text *t = &h->packets;
	const uint8_t *base = p->cap->data;
	uint32_t payload = 0;
	bool first = true;
	add_str(t, "[");
	for (uint32_t k = 1; k < p->n_layers; k++) {
		const struct l4_layer *l = &p->layers[k];
		if (!l->header_len || l->source || l->data < base ||
		    l->data > base + p->cap->caplen)
			continue;
		uint32_t at = (uint32_t)(l->data - base);
		int id = proto_of(h, l->proto);
		if (id < 0)
			continue;
		add_fmt(t, "%s[%d,%u,%u,%u]", first ? "" : ",", id, at, l->header_len, l->len);
		first = false;
		if (!strcmp(l->proto->name, "tcp") || !strcmp(l->proto->name, "udp"))
			payload = at + l->header_len;
	}
	add_str(t, "]");
	uint32_t n = p->cap->caplen, least = payload > HEADERS_MAX ? payload : HEADERS_MAX;
	if (n <= least)
		return n;
	uint32_t more = n - (payload ? payload : least), *used = NULL;
	if (p->stream >= 0)
		used =
		    &h->stream_bytes[(uint64_t)p->stream * 2 % STREAMS + (p->stream_proto == 17)];
	if (!used || h->bytes + more > BYTES_MAX || *used + more > STREAM_MAX)
		return least;
	*used += more;
	h->bytes += more;
	return n;
}

static void add_tcp(struct text *t, const struct l4_dissected *p)
{
	static const char *const names[] = { "tcp.seq", "tcp.ack", "tcp.len", "tcp.flags",
		"tcp.window_size" };
	unsigned long long v[5] = { 0 };
	bool there[5] = { false };
	for (uint32_t i = 0; i < p->n_items; i++)
		for (int k = 0; k < 5; k++)
			if (!there[k] && !strcmp(p->items[i].field->name, names[k])) {
				v[k] = p->items[i].v.u;
				there[k] = true;
			}
	if (p->stream_proto == 6 && there[0] && there[3])
		add_fmt(t, ",[%llu,%llu,%llu,%llu,%llu]", v[0], v[1], v[2], v[3], v[4]);
	else
		add_str(t, ",null");
}

static void add_events(struct html *h, const struct l4_dissected *p)
{
	struct text *t = &h->packets;
	uint8_t seen[EVENTS_MAX] = { 0 };
	bool first = true;
	add_str(t, ",[");
	for (uint32_t i = 0; i < p->n_items; i++) {
		const struct l4_field *f = p->items[i].field;
		int id = f->flags & L4_FF_EXPERT ? event_of(h, f) : -1;
		if (id < 0 || seen[id]++)
			continue;
		add_fmt(t, "%s%d", first ? "" : ",", id);
		first = false;
	}
	add_str(t, "]");
}

/* [number, time, length, stream, its protocol, source, destination, protocol, info, headers,
 * TCP's numbers or null, events, bytes] */
void html_packet(struct html *h, const struct l4_dissected *p)
{
	struct text *t = &h->packets;
	if (h->total++ == 0)
		h->first = p->cap->ts;
	if (h->kept == PACKETS_MAX)
		return;
	h->kept++;
	add_fmt(t, "%s[%llu,%.9f,%u,%lld,%u,", t->n ? ",\n" : "",
	    (unsigned long long)p->cap->number, (double)(int64_t)(p->cap->ts - h->first) / 1e9,
	    p->cap->len, (long long)p->stream, p->stream_proto);
	add_address(t, p->src_kind, p->src);
	add_str(t, ",");
	add_address(t, p->dst_kind, p->dst);
	add_str(t, ",");
	add_text(t, p->protocol, strlen(p->protocol));
	add_str(t, ",");
	add_text(t, p->info, p->info_len);
	add_str(t, ",");
	uint32_t n = add_layers(h, p);
	add_tcp(t, p);
	add_events(h, p);
	add_str(t, ",");
	add_base64(t, p->cap->data, n);
	add_str(t, "]");
}

static const char *type_name(const struct l4_field *f)
{
	switch ((enum l4_ftype)f->type) {
	case L4_FT_IP4:
		return "ip4";
	case L4_FT_IP6:
		return "ip6";
	case L4_FT_MAC:
		return "mac";
	case L4_FT_BYTES:
	case L4_FT_STRING:
		return "bytes";
	case L4_FT_NONE:
	case L4_FT_PROTOCOL:
	case L4_FT_BOOL:
	case L4_FT_U8:
	case L4_FT_U16:
	case L4_FT_U24:
	case L4_FT_U32:
	case L4_FT_U64:
	case L4_FT_I8:
	case L4_FT_I16:
	case L4_FT_I32:
	case L4_FT_I64:
	case L4_FT_FRAME:
	case L4_FT_TIME:
	case L4_FT_SPAN:
	case L4_FT_DOUBLE:
		break;
	}
	return "u";
}

/* The rows of a table with a place: [name, label, bit, width, type, base, depth, names of values]
 */
static void add_proto(struct text *t, const struct l4_proto *p)
{
	add_str(t, "{\"name\":");
	add_text(t, p->name, strlen(p->name));
	add_str(t, ",\"title\":");
	add_text(t, p->title, strlen(p->title));
	add_str(t, ",\"fields\":[");
	bool first = true;
	for (size_t k = 1; k < p->n_fields; k++) {
		const struct l4_field *f = &p->fields[k];
		if (!f->bits || f->flags & (L4_FF_HIDDEN | L4_FF_EXPERT))
			continue;
		add_str(t, first ? "[" : ",[");
		first = false;
		add_text(t, f->name, strlen(f->name));
		add_str(t, ",");
		add_text(t, f->label, strlen(f->label));
		bool hex = f->base == L4_BASE_HEX || f->base == L4_BASE_HEX_DEC;
		add_fmt(t, ",%u,%u,\"%s\",\"%s\",%u", f->bit, f->bits, type_name(f),
		    hex ? "hex" : "dec", f->depth);
		for (const struct l4_value *v = f->values; v && v->name; v++) {
			add_fmt(t, "%s\"%llu\":", v == f->values ? ",{" : ",",
			    (unsigned long long)v->value);
			add_text(t, v->name, strlen(v->name));
		}
		add_str(t, f->values && f->values->name ? "}]" : "]");
	}
	add_str(t, "]}");
}

static void add_rest(struct html *h, struct text *t)
{
	add_str(t, "],\"events\":[");
	for (unsigned i = 0; i < h->n_events; i++) {
		const char *name = h->event[i]->name, *dot = strrchr(name, '.');
		char words[64];
		snprintf(words, sizeof words, "%s", dot ? dot + 1 : name);
		for (char *c = words; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		add_str(t, i ? ",[" : "[");
		add_text(t, words, strlen(words));
		add_str(t, ",");
		add_text(t, h->event[i]->label, strlen(h->event[i]->label));
		add_str(t, "]");
	}
	add_str(t, "],\"protos\":[");
	for (unsigned i = 0; i < h->n_protos; i++) {
		if (i)
			add_str(t, ",");
		add_proto(t, h->proto[i]);
	}
	add_str(t, "]}");
}

int html_write(struct html *h, const char *path, const char *name)
{
	static struct out o;
	static const char mark[] = "@DATA@";
	const char *page = (const char *)dissect_page, *at = strstr(page, mark);
	struct text front = { 0 }, rest = { 0 };
	int r = -1;
	o.fd = !strcmp(path, "-") ? STDOUT_FILENO
				  : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (o.fd >= 0 && at) {
		add_str(&front, "{\"file\":");
		add_text(&front, name, strlen(name));
		add_fmt(&front, ",\"total\":%llu,\"packets\":[", (unsigned long long)h->total);
		add_rest(h, &rest);
		out_bytes(&o, page, (size_t)(at - page));
		out_bytes(&o, front.p, front.n);
		if (h->packets.n)
			out_bytes(&o, h->packets.p, h->packets.n);
		out_bytes(&o, rest.p, rest.n);
		at += sizeof mark - 1;
		out_bytes(&o, at, dissect_page_len - (size_t)(at - page));
		out_flush(&o);
		r = o.failed || h->packets.failed || front.failed || rest.failed ? -1 : 0;
		if (o.fd != STDOUT_FILENO && close(o.fd))
			r = -1;
	}
	free(front.p);
	free(rest.p);
	free(h->packets.p);
	free(h);
	return r;
}
