/* What the parts of reading back share. Included by src/craft/text*.c only. */
#ifndef L4_CRAFT_TEXT_H
#define L4_CRAFT_TEXT_H

#include "craft/expr.h"

/* A layer as it will be written. */
struct text_part {
	struct expr_layer layer; /* its protocol, form and fixed header */
	uint32_t at, header;     /* bytes from the packet's start; header with its lists */
	bool open;               /* its lists reach to the end of the packet */
	bool prefixed;           /* two bytes of length stand in front */
	uint64_t give;           /* rows of derived fields that must be said, a bit each */
};

struct text_reader {
	const uint8_t *data;
	uint32_t n;
	uint16_t linktype;
	struct text_part parts[EXPR_LAYERS];
	uint32_t n_parts;
	uint32_t payload, pad; /* where the payload begins, where padding begins */
	bool plain;            /* payload and options as hex only */
	char *out;
	size_t cap, len;
};

/* text.c */
void text_add(struct text_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_hex(struct text_reader *r, const uint8_t *p, size_t n);

/* textlist.c: the form and the length of a header; false: the packet ends in it. */
bool text_header(const struct text_reader *r, const struct l4_proto *p, struct text_part *k);
/* Where the lists of the last layer end that reach to the packet's end. */
uint32_t text_open_end(struct text_reader *r, struct text_part *k);
/* The lists of a layer; n: how many fields were written before. */
void text_lists(struct text_reader *r, const struct text_part *k, unsigned n);

#endif
