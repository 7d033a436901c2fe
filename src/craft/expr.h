/* What the parts of craft share: the parsed expression. Included by src/craft only. */
#ifndef L4_CRAFT_EXPR_H
#define L4_CRAFT_EXPR_H

#include <layer4/packet.h>

#include <stdbool.h>

enum {
	EXPR_LAYERS = 64,
	EXPR_ROWS = 64,          /* rows of a table that can be written; the longest has about 25 */
	EXPR_SETS = 512,         /* fields given, all layers together */
	EXPR_ITEMS = 8192,       /* values in lists, all together */
	EXPR_BYTES_MAX = 262144, /* of options, text, files */
	EXPR_PACKET_MAX = 262144, /* bytes of one packet */
};

/* Some values that follow each other: lo, lo + 1, ... of a number of up to 128 bits. */
struct expr_item {
	uint64_t hi, lo;
	uint64_t count;
	bool random; /* drawn for each packet; hi, lo are not used */
};

/* The values of one field. */
struct expr_set {
	const struct l4_field *field;
	uint32_t item, n_items; /* in l4_craft_expr.items */
	uint64_t count;         /* all items together */
};

enum expr_kind { EXPR_PROTO, EXPR_RAW, EXPR_PAD };

struct expr_layer {
	enum expr_kind kind;
	const struct l4_proto *proto; /* EXPR_PROTO */
	bool fuzz;                    /* draw the fields that are open */
	uint8_t questions;            /* dns: of qname= */
	uint32_t set, n_sets;         /* in l4_craft_expr.sets */
	uint32_t bytes, n_bytes;      /* what follows the fixed header; all of EXPR_RAW, EXPR_PAD */
	uint32_t pad_to;              /* EXPR_PAD: length of the packet, 0: as many as bytes */
	uint32_t link;                /* EXPR_RAW: link=; L4_LINK_UNKNOWN: not said */
	uint16_t rows[EXPR_ROWS];     /* EXPR_PROTO: those of the table that are written */
	uint32_t n_rows;
};

struct l4_craft_expr {
	struct expr_layer layers[EXPR_LAYERS];
	uint32_t n_layers;
	struct expr_set sets[EXPR_SETS];
	uint32_t n_sets;
	struct expr_item *items;
	uint32_t n_items, cap_items;
	uint8_t *bytes;
	uint32_t n_bytes, cap_bytes;
	uint64_t count; /* packets; UINT64_MAX: more than that */
	bool random;    /* something is drawn */
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
bool expr_string(struct parser *s); /* "..." into the bytes */
bool expr_hex(struct parser *s);    /* digits, in quotes or not, into the bytes */
bool expr_number(struct parser *s, struct word w, uint64_t max, uint64_t *out);
/* values.c: the values of a field, up to and without the , or ) */
bool expr_values(struct parser *s, const struct l4_proto *p, struct expr_set *set);
/* options.c */
bool expr_options(struct parser *s, const struct l4_proto *p);
bool expr_question(struct parser *s, struct word name, uint64_t type, uint64_t class);

/* names.c: whether an expression may set this row: it has a place and is neither computed nor a
 * second name. */
bool l4_craft_writable(const struct l4_field *f);

#endif
