/* What the parts of craft share: the parsed expression. Included by src/craft only. */
#ifndef L4_CRAFT_EXPR_H
#define L4_CRAFT_EXPR_H

#include <layer4/packet.h>

#include <stdbool.h>

enum {
	EXPR_LAYERS = 64,
	EXPR_SETS = 512,          /* fields given, all layers together */
	EXPR_ITEMS = 8192,        /* values in lists, all together */
	EXPR_LISTS = 16,          /* lists of texts */
	EXPR_TEXTS = 4096,        /* packets that lists of texts make */
	EXPR_BYTES_MAX = 262144,  /* of options, text, files */
	EXPR_PACKET_MAX = 262144, /* bytes of one packet */
	EXPR_SECTIONS = 4,        /* lists of records in one layer: DNS has that many */
	EXPR_IMPLIED = 8,         /* fields of a layer that follow from others */
};

/* Some values that follow each other: lo, lo + 1, ... of a number of up to 128 bits. */
struct expr_item {
	uint64_t hi, lo;
	uint64_t count;
	bool random; /* drawn for each packet; hi, lo are not used */
};

/* Where a value stands, bits from the first of its layer. */
struct expr_place {
	uint32_t bit, bits;
};

/* The values of one field. */
struct expr_set {
	const struct l4_field *field; /* row of a table or form; NULL: inside of options */
	struct expr_place at;
	bool tail; /* the place counts from the end of the fixed header (while parsing) */
	bool wide; /* the value is bytes: l4_craft_expr.wide at `item`, n_items of them */
	uint32_t item, n_items; /* in l4_craft_expr.items */
	uint64_t count;         /* all items together */
};

enum expr_kind {
	EXPR_PROTO,
	EXPR_RAW,
	EXPR_PAD,
	EXPR_PREFIX, /* two bytes: the length of what follows (DNS over TCP, RFC 1035 4.2.2) */
};

struct expr_implied {
	struct expr_place at;
	uint64_t value;
};

struct expr_layer {
	enum expr_kind kind;
	const struct l4_proto *proto;     /* EXPR_PROTO */
	const struct l4_craft_form *form; /* that the values choose, or NULL */
	bool fuzz;                        /* draw the fields that are open */
	uint32_t header;                  /* bytes of the fixed header */
	uint16_t records[EXPR_SECTIONS];  /* how many, in each list */
	struct expr_implied implied[EXPR_IMPLIED];
	uint32_t n_implied;
	uint32_t set, n_sets;    /* in l4_craft_expr.sets */
	uint32_t bytes, n_bytes; /* what follows the fixed header; all of EXPR_RAW, EXPR_PAD */
	bool given;              /* EXPR_PREFIX: the length is that in the bytes */
	uint32_t pad_to;         /* EXPR_PAD: length of the packet, 0: as many as bytes */
	uint32_t link;           /* EXPR_RAW: link=; L4_LINK_UNKNOWN: not said */
};

struct plan;

struct l4_craft_expr {
	struct expr_layer *layers;
	uint32_t n_layers, cap_layers;
	struct expr_set *sets;
	uint32_t n_sets, cap_sets;
	struct expr_item *items;
	uint32_t n_items, cap_items;
	uint8_t *bytes;
	uint32_t n_bytes, cap_bytes;
	uint8_t *wide; /* values of fields of more than 64 bits */
	uint32_t n_wide, cap_wide;
	uint64_t count;    /* packets; UINT64_MAX: more than that */
	struct plan *plan; /* plan.c; NULL: every packet is built from the layers */
	/* Lists of texts: an expression for each further choice of them, and how many packets each
	 * of them makes. */
	struct l4_craft_expr **others;
	uint32_t n_others;
	uint64_t each;
};

/* The text being read. The first error is kept. */
struct parser {
	struct l4_craft_expr *x;
	const char *text;
	const char *p;
	l4_craft_load_fn *load;
	void *ctx;
	struct l4_craft_error *err;
	bool failed;
	/* Lists of texts: which element of each is taken this time, how many each has. */
	uint32_t pick[EXPR_LISTS], size[EXPR_LISTS], n_lists;
};

/* A word of an expression: the text up to one of , ) ] or white space. */
struct word {
	const char *p;
	size_t n;
};

/* parse.c */
bool expr_fail(struct parser *s, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void expr_space(struct parser *s);
bool expr_take(struct parser *s, char c); /* steps over c if it is next */
bool expr_expect(struct parser *s, char c, const char *where);
struct word expr_word(struct parser *s);
bool word_is(struct word w, const char *text);
bool expr_add_bytes(struct parser *s, const void *p, size_t n);
bool expr_add_zeros(struct parser *s, size_t n);
bool expr_text_byte(struct parser *s); /* one character of a text, or one escape */
bool expr_string(struct parser *s);    /* "..." into the bytes */
bool expr_hex(struct parser *s);       /* digits, in quotes or not, into the bytes */
bool expr_number(struct parser *s, struct word w, uint64_t max, uint64_t *out);
/* One value that adds bytes, by `one`, or a list of them in brackets, of which one is taken. */
bool expr_choice(struct parser *s, bool (*one)(struct parser *s));
struct expr_set *expr_add_set(struct parser *s, struct expr_layer *l, const struct expr_set *set);

/* layer.c: a protocol with its fields */
bool expr_protocol(struct parser *s, const struct l4_proto *p, const char *at, bool fuzz);
struct expr_layer *expr_add_layer(struct parser *s, enum expr_kind kind, const char *at);

/* values.c: the values of a field, up to and without the , or ) */
bool expr_values(struct parser *s, const struct l4_proto *p, struct expr_set *set);

/* options.c: what stands between the fixed header and the next layer */
struct tail {
	struct expr_layer *layer;
	const struct l4_craft_option *flat; /* the option that a field named by itself began */
	uint32_t flat_at, flat_given;
	uint32_t section; /* of the list being read */
	bool raw_last;    /* the last thing given is raw(hex=): nothing is added behind it */
	/* dns: the question of qname=, qtype=, qclass= */
	bool asked, named, question_done;
	struct expr_set qtype, qclass;
};
bool expr_is_list(const struct l4_proto *p, const char *name);
bool expr_list(struct parser *s, struct tail *t, const char *name, const char *at);
/* A field that stands in an option, by its own name. 0: there is none; 1: taken; -1: wrong. */
bool expr_is_flat(const struct l4_proto *p, const char *name);
int expr_flat(struct parser *s, struct tail *t, const char *name, const char *at);
bool expr_tail_end(struct parser *s, struct tail *t);
/* The value of `element` of a format at the end of the bytes, or at `at` if it is there already. */
const struct l4_craft_option *craft_option_of(
    const struct l4_proto *p, const char *list, uint32_t kind);

/* Where the value `name` stands in options of o: bits from the option's first byte, if its place is
 * fixed. False: o has no such value, or it has no fixed place. */
bool craft_option_place(const struct l4_craft_option *o, const char *name, struct expr_place *at);

/* How an option's kind and length are written. */
enum option_style {
	STYLE_PLAIN,   /* neither: values only */
	STYLE_TCP,     /* kind, length of all: TCP, IPv4 */
	STYLE_BARE,    /* a kind of STYLE_TCP, STYLE_IP6 or DHCP without length */
	STYLE_IP6,     /* kind, length of the values: IPv6 extension headers, DHCP */
	STYLE_NDP,     /* kind, length of all in units of 8 bytes */
	STYLE_TAG,     /* two bytes each, length of the values: PPPoE */
	STYLE_RECORD,  /* DNS: name, type, class, time to live, length, values */
	STYLE_EDNS,    /* the OPT record */
	STYLE_QUESTION /* DNS: name, type, class */
};

/* dns.c: what stands in front of a record's values, by name: type=, class=, ttl=, len=. */
struct dns_head {
	uint64_t type, class, ttl;
	int64_t len; /* -1: derived */
	bool edns;
};
/* 1: taken; 0: the next is something else; -1: wrong. */
int dns_head_argument(struct parser *s, struct dns_head *h);
bool dns_name(struct parser *s); /* one name into the bytes */
int dns_argument(struct parser *s, struct tail *t, struct word w, const char *at);
bool dns_flush_question(struct parser *s, struct tail *t);
/* The values of a record behind its name, to the closing bracket. */
bool expr_record_values(
    struct parser *s, struct tail *t, const struct l4_craft_option *o, struct dns_head *h);
bool dns_record(struct parser *s, struct tail *t, const struct l4_craft_option *o, const char *at);

/* names.c: whether an expression may set this row: it has a place and is neither computed nor a
 * second name. */
bool l4_craft_writable(const struct l4_field *f);
const struct l4_field *craft_named(
    const struct l4_proto *p, const struct l4_field *rows, size_t n, const char *name);
/* As l4_craft_nearest, of the options of a list. */
size_t craft_nearest_option(
    const struct l4_proto *p, const char *list, const char *wanted, char *out, size_t cap);
const char *craft_tail(const struct l4_proto *p, const char *name);
const char *craft_short(const struct l4_proto *p, const struct l4_field *f);

/* read.c: bytes of this header with its options; 0: it is cut off. Sets the form and the bytes of
 * the fixed part. */
uint32_t craft_header(const struct l4_proto *p, const uint8_t *h, uint32_t left,
    const struct l4_craft_form **form, uint32_t *fixed);
/* The table that the value of a layer's "next protocol" field is a key of. */
const char *craft_next_table(const struct l4_proto *p, const struct l4_field *f);

/* forms.c: the form that a value of the choosing field selects, and a field of any form, of one
 * that fits the value (-1: not known yet) before others. */
const struct l4_craft_form *craft_form_of(const struct l4_proto *p, uint64_t value);
const struct l4_field *craft_form_field(
    const struct l4_proto *p, const char *name, int64_t value, const struct l4_craft_form **form);

/* build.c: what is written into a layer, in this order: defaults or drawn values, what is implied,
 * what is given, what is derived. plan.c goes over the same list once and keeps what varies. */
enum write_kind { WRITE_CONST, WRITE_RANDOM, WRITE_SET, WRITE_WIDE };
struct write {
	enum write_kind kind;
	struct expr_place at;
	uint64_t hi, lo;
	const struct expr_set *set;
};
typedef void write_fn(void *ctx, uint32_t layer, const struct write *w);
void craft_writes(const struct l4_craft_expr *x, uint32_t layer, write_fn *fn, void *ctx);

/* Where a layer of the packet came to lie, bytes from its start. */
struct place {
	uint32_t at, fixed, header; /* header: fixed part and what belongs to it */
};
bool craft_lay_out(const struct l4_craft_expr *x, struct place *at, uint32_t *end, uint32_t *total);
/* Whether a derived row of this layer is open. */
bool craft_open(const struct l4_craft_expr *x, uint32_t layer, const struct l4_field *f);
bool craft_drawn(const struct expr_layer *l, const struct l4_field *f);    /* by fuzz() */
const struct l4_field *craft_row(const struct expr_layer *l, uint32_t *i); /* steps; NULL: end */
bool craft_is_sum(const struct l4_field *f);
/* Where the addresses of the pseudo-header stand: false: there is none. */
struct pseudo {
	uint32_t src, dst; /* bytes from the packet's start */
	uint32_t n;        /* bytes of each */
	uint8_t proto;
};
bool craft_pseudo(const struct l4_craft_expr *x, const struct place *at, const uint8_t *buf,
    uint32_t layer, struct pseudo *out);
void craft_put(uint8_t *header, struct expr_place at, uint64_t hi, uint64_t lo);
int craft_build_layers(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, uint8_t *buf,
    size_t cap, size_t *len);

/* What is drawn for packet `index`: a function of seed and index alone, the same everywhere, and
 * cheap; there is nothing here to be kept secret. (SplitMix64, Steele, Lea, Flood 2014.) */
static inline uint64_t craft_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t craft_draw_start(uint64_t seed, uint64_t index)
{
	return craft_mix(craft_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) + index);
}

static inline uint64_t craft_draw(uint64_t *state)
{
	return craft_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* plan.c */
int craft_plan(struct l4_craft_expr *x);
void craft_plan_free(struct plan *p);
int craft_plan_build(const struct l4_craft_expr *x, uint64_t index, uint64_t seed, uint8_t *buf,
    size_t cap, size_t *len);

#endif
