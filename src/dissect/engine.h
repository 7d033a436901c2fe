/* The dissection engine's inside; for src/dissect only.
 *
 * A dissector is a function of (context, view). It opens a layer, puts the fields that are wanted,
 * sets the columns if they are wanted, and hands the rest to the next dissector. It never reads
 * past view.cap; when it needs more it says so with dis_has(), which notes the damage, and
 * returns. `d->stop` is then set and every caller returns too, except those that stand at a border
 * (a frame, a quoted packet, a datagram within a capsule). */
#ifndef L4_DISSECT_ENGINE_H
#define L4_DISSECT_ENGINE_H

#include <layer4/dissect.h>

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

enum l4_proto_id {
#define L4_PROTO(name) PROTO_##name,
#include "dissect/protos.def"
#undef L4_PROTO
	PROTO_COUNT,
	PROTO_NONE = 0xff,
};

/* Bytes: cap are there, len were on the wire (len >= cap). */
struct l4_view {
	const uint8_t *p;
	uint32_t cap, len;
};

struct l4_dissector {
	struct l4_proto proto;
	void (*run)(struct l4_dissect *d, struct l4_view v);
};

#define L4_PROTO(name) extern const struct l4_dissector l4_dis_##name;
#include "dissect/protos.def"
#undef L4_PROTO

/* For the rows of tables. */
#define AT(b, n) .bit = (b), .bits = (n)
#define WALK     .bits = 0
#define GEN      .flags = L4_FF_GENERATED
#define HID      .flags = L4_FF_HIDDEN
#define EXP(sev) .flags = L4_FF_EXPERT, .base = L4_SEV_##sev
#define ROW(n, l, t, b, ...)                                                               \
	{                                                                                  \
		.name = n, .label = l, .type = L4_FT_##t, .base = L4_BASE_##b, __VA_ARGS__ \
	}
#define ROW0(n, l, b)                                                    \
	{                                                                \
		.name = n, .label = l, .type = L4_FT_PROTOCOL, .bits = b \
	}
#define EVENT(n, l, sev)                                                         \
	{                                                                        \
		.name = n, .label = l, .type = L4_FT_NONE, .base = L4_SEV_##sev, \
		.flags = L4_FF_EXPERT                                            \
	}
#define PROTO_INIT(n, t, c, f, hb, b)                                                  \
	{                                                                              \
		.name = n, .title = t, .column = c, .fields = f,                       \
		.n_fields = (uint16_t)(sizeof(f) / sizeof((f)[0])), .header_bits = hb, \
		.bindings = b                                                          \
	}

enum {
	LAYERS_MAX = 64,
	DEPTH_MAX = 48,        /* dissectors within dissectors */
	ITEMS_MAX = 65536,     /* fields of one packet */
	INFO_MAX = 4096,       /* bytes of the info column */
	ARENA_BYTES = 1 << 18, /* strings computed for one packet */
};

enum dis_stop { DIS_GO, DIS_MALFORMED, DIS_CUT };

/* An address as pinfo knows it. */
struct l4_net {
	enum l4_addr_kind kind;
	const uint8_t *p;
};

struct l4_conv_table;
struct l4_frag_table;
struct l4_conv;
struct l4_stream_pool;
struct l4_dns_pending;
struct l4_echo_table;

struct l4_dissect {
	struct l4_dissect_config cfg;
	/* what is wanted */
	uint8_t *want;                   /* by protocol's base + row */
	uint16_t base[PROTO_COUNT];      /* first row of each protocol in want */
	uint8_t any[PROTO_COUNT];        /* some row of the protocol is wanted */
	bool items_wanted, columns, all; /* all: items of every shown field */
	bool connections;
	bool stop_at_tcp, settled;
	bool no_payload; /* settled: nothing that stands above TCP is wanted */
	/* where numbers lead */
	uint8_t by_ip_proto[256];
	uint8_t by_udp_port[65536];
	uint8_t by_tcp_port[65536];
	uint8_t by_sap[256];
	uint8_t by_linktype[512];
	uint8_t by_ethertype[65536];
	uint8_t by_ppp[65536];
	/* the current packet */
	struct l4_dissected out;
	struct l4_layer layers[LAYERS_MAX];
	struct l4_item *items;
	uint32_t items_cap;
	enum dis_stop stop;
	uint8_t cur;      /* protocol */
	uint8_t depth;    /* base depth for items of the current dissector */
	uint8_t nesting;  /* dissectors within dissectors */
	uint8_t source;   /* which buffer is being read */
	const uint8_t *w; /* want, at the current protocol */
	bool w_any;
	bool quoted;   /* inside an ICMP error's quotation */
	bool fragment; /* the current bytes are the first of a fragmented datagram */
	struct l4_net net_src, net_dst; /* innermost addresses */
	struct l4_net dl_src, dl_dst;
	uint16_t sport, dport;
	uint8_t ip_proto;
	uint8_t hop_limit; /* or time to live, of the innermost IP header */
	bool cols_locked;
	/* what a dissector over TCP asks of the stream (stream.h) */
	struct l4_conv *app_conv; /* the connection, or NULL */
	bool can_desegment;
	uint32_t deseg_offset, deseg_need;
	uint32_t scanned; /* bytes looked at to know that; 0: all */
	uint32_t info_fence;
	char info[INFO_MAX + 64];
	char *arena;
	uint32_t arena_used;
	/* A link layer's payload, and how long the network layer there says that it is: what is
	 * beyond is padding or trailer. */
	const uint8_t *net_at;
	uint32_t net_len;
	/* across packets */
	l4_time first_ts, prev_ts;
	bool have_first;
	struct l4_conv_table *convs;
	struct l4_frag_table *frags;
	struct l4_stream_pool *streams;
	struct l4_dns_pending *dns_pending;
	struct l4_echo_table *echoes;
	struct l4_http_pairs *http_pairs;
	uint32_t tcp_streams, udp_streams, ip_pairs;
};

extern const struct l4_dissector *const l4_dissectors[PROTO_COUNT];

/* Where a packet's bytes are entered when it does not begin with its link layer. */
struct l4_dissect_start {
	enum l4_proto_id id;
	enum l4_addr_kind kind;   /* of the addresses that stand around it */
	const uint8_t *src, *dst; /* or NULL */
	uint16_t sport, dport;
	uint8_t ip_proto;
};

/* As l4_dissect_packet, from the given protocol on. For tests: each dissector by itself. */
const struct l4_dissected *l4_dissect_from(
    struct l4_dissect *d, const struct l4_cap_packet *cap, const struct l4_dissect_start *s);

/* ---- layers and items ---- */

/* Opens a layer of the current protocol at v with a header of n bytes (what is there of it), and
 * puts row 0. */
void dis_layer(struct l4_dissect *d, struct l4_view v, uint32_t n);
/* Corrects the header length of the layer opened last by this dissector. */
void dis_layer_len(struct l4_dissect *d, uint32_t layer, uint32_t n);
/* The layer of a protocol without fields that only shows in the list of protocols. */
void dis_mark(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v);
/* Hands v to a dissector. */
void dis_call(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v);
/* v as data of no known protocol. Nothing when it is empty. */
void dis_data(struct l4_dissect *d, struct l4_view v);
/* By table. False: nobody is registered. */
bool dis_call_ethertype(struct l4_dissect *d, uint16_t type, struct l4_view v);

struct l4_item *dis_push(struct l4_dissect *d, unsigned row, const uint8_t *at, uint32_t n);

static inline bool dis_wants(const struct l4_dissect *d, unsigned row)
{
	return d->w[row];
}

static inline struct l4_item *dis_u(
    struct l4_dissect *d, unsigned row, const uint8_t *at, uint32_t n, uint64_t value)
{
	if (!d->w[row])
		return NULL;
	struct l4_item *i = dis_push(d, row, at, n);
	if (i)
		i->v.u = value;
	return i;
}

/* A value that is the bytes at `at` themselves (addresses, bytes, strings). */
static inline struct l4_item *dis_p(
    struct l4_dissect *d, unsigned row, const uint8_t *at, uint32_t n)
{
	if (!d->w[row])
		return NULL;
	struct l4_item *i = dis_push(d, row, at, n);
	if (i) {
		i->v.p = at;
		i->n = n;
	}
	return i;
}

/* A value in memory of the arena (or static), read from n bytes at `at`. */
static inline struct l4_item *dis_s(struct l4_dissect *d, unsigned row, const uint8_t *at,
    uint32_t n, const void *value, uint32_t value_len)
{
	if (!d->w[row])
		return NULL;
	struct l4_item *i = dis_push(d, row, at, n);
	if (i) {
		i->v.p = value;
		i->n = value_len;
	}
	return i;
}

/* An event of the analysis. */
static inline void dis_expert(struct l4_dissect *d, unsigned row)
{
	if (d->w[row])
		(void)dis_push(d, row, NULL, 0);
}

/* Puts the rows first..last that have a fixed place, as far as v reaches. False: v ended. */
bool dis_fixed(struct l4_dissect *d, struct l4_view v, unsigned first, unsigned last);
/* A node of the tree with a title (only when everything is shown). */
void dis_title(struct l4_dissect *d, const uint8_t *at, uint32_t n, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Room for the title of the layer opened just now (256 bytes, to be closed by a NUL), or NULL when
 * nobody wants it. */
char *dis_title_room(struct l4_dissect *d);
/* The same in one call, for layers that are rare. */
void dis_head(struct l4_dissect *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the text of the item put last. */
void dis_text(struct l4_dissect *d, struct l4_item *i, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* n bytes for the rest of this packet, or NULL. */
void *dis_alloc(struct l4_dissect *d, uint32_t n);

/* True: v has n bytes. False: notes the damage and stops. */
bool dis_short(struct l4_dissect *d, struct l4_view v, uint32_t n);
static inline bool dis_has(struct l4_dissect *d, struct l4_view v, uint32_t n)
{
	return v.cap >= n || dis_short(d, v, n);
}
/* A value that cannot be: stops. */
void dis_bad(struct l4_dissect *d, const uint8_t *at);

/* v without its first n bytes (n may be beyond its end). */
static inline struct l4_view view_skip(struct l4_view v, uint32_t n)
{
	uint32_t c = n < v.cap ? n : v.cap, l = n < v.len ? n : v.len;
	return (struct l4_view){ v.p + c, v.cap - c, v.len - l };
}

/* The first n bytes of v. */
static inline struct l4_view view_cut(struct l4_view v, uint32_t n)
{
	return (struct l4_view){ v.p, n < v.cap ? n : v.cap, n < v.len ? n : v.len };
}

/* ---- columns ---- */

static inline bool cols(const struct l4_dissect *d)
{
	return d->columns && !d->cols_locked;
}

/* What is written by col_bytes may come from the packet; everything else is text of ours, which
 * needs no escaping: then out.info_plain stays true. */
static inline void col_proto(struct l4_dissect *d, const char *name)
{
	if (cols(d))
		d->out.protocol = name;
}
static inline void col_clear(struct l4_dissect *d)
{
	if (cols(d)) {
		d->out.info_len = d->info_fence;
		d->out.info_plain = true; /* marks are ours */
	}
}
void col_bytes(struct l4_dissect *d, const void *p, uint32_t n);
void col_ours(struct l4_dissect *d, const char *s, uint32_t n);
static inline void col_str(struct l4_dissect *d, const char *s)
{
	uint32_t n = (uint32_t)strlen(s), at = d->out.info_len;
	if (!cols(d))
		return;
	if (n > INFO_MAX - at) {
		col_ours(d, s, n);
		return;
	}
	memcpy(d->info + at, s, n);
	d->out.info_len = at + n;
}
/* Room for n (at most 256) bytes to write by hand, or NULL; col_took() with the end of them. */
static inline char *col_room(struct l4_dissect *d, uint32_t n)
{
	return cols(d) && INFO_MAX - d->out.info_len >= n ? d->info + d->out.info_len : NULL;
}
static inline void col_took(struct l4_dissect *d, const char *end)
{
	d->out.info_len = (uint32_t)(end - d->info);
}
void col_dec(struct l4_dissect *d, uint64_t v);
void col_hex(struct l4_dissect *d, uint64_t v, unsigned digits);
void col_ip4(struct l4_dissect *d, const uint8_t *p);
void col_ip6(struct l4_dissect *d, const uint8_t *p);
void col_mac(struct l4_dissect *d, const uint8_t *p);
void col_fmt(struct l4_dissect *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text before what is there since the fence. */
void col_prepend(struct l4_dissect *d, const char *s);

static inline void dis_net(
    struct l4_dissect *d, enum l4_addr_kind k, const uint8_t *src, const uint8_t *dst)
{
	d->net_src = (struct l4_net){ k, src };
	d->net_dst = (struct l4_net){ k, dst };
	if (cols(d)) {
		d->out.src_kind = d->out.dst_kind = k;
		d->out.src = src;
		d->out.dst = dst;
	}
}

/* ---- text (fmt.c): each writes and returns the end ---- */

static inline char *fmt_str(char *o, const char *s)
{
	size_t n = strlen(s);
	memcpy(o, s, n);
	return o + n;
}
char *fmt_dec(char *o, uint64_t v);
/* A port; with its name before it where the configuration names it: "http(80)", at most 48 bytes.
 * space: what stands between name and number. */
char *fmt_port_name(
    const struct l4_dissect *d, char *o, uint16_t port, uint8_t proto, const char *space);
static inline char *fmt_port(
    const struct l4_dissect *d, char *o, uint16_t port, uint8_t proto, const char *space)
{
	return d->cfg.port_name ? fmt_port_name(d, o, port, proto, space) : fmt_dec(o, port);
}
char *fmt_hex(char *o, uint64_t v, unsigned digits);
char *fmt_ip4(char *o, const uint8_t *p);
char *fmt_ip6(char *o, const uint8_t *p);
char *fmt_mac(char *o, const uint8_t *p);
char *fmt_span(char *o, int64_t ns, unsigned digits);
char *fmt_utc(char *o, l4_time ns); /* "Nov 21, 2026 09:41:17.123456789 UTC" */

#endif
