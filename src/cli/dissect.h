/* What the parts of l4 dissect and l4 capture share. Included by src/cli only. */
#ifndef L4_CLI_DISSECT_H
#define L4_CLI_DISSECT_H

#include <layer4/dissect.h>

#include "cli/out.h"

enum view_kind { VIEW_SUMMARY, VIEW_DETAIL, VIEW_LAYERS, VIEW_JSON, VIEW_FIELDS, VIEW_NONE };

enum { COLUMNS_MAX = 1024, COLUMN_ROWS = 16, ITEMS_MAX = 65536 };

/* One column of --fields: the rows of the tables that have its name, or a column of the summary. */
struct column {
	const char *name;
	const struct l4_field *rows[COLUMN_ROWS];
	unsigned n_rows;
	int special;         /* 0: rows; otherwise a letter of the summary: n t s d p l i */
	unsigned like;       /* the first column of this name: itself, as a rule */
	uint32_t head, tail; /* of the current packet's items, index + 1 */
};

struct views {
	enum view_kind kind;
	bool hex;   /* bytes after each packet */
	bool bits;  /* --layers: bytes as bits */
	bool names; /* ports by the names of /etc/services */
	bool colour;
	bool terminal; /* output goes to one */
	struct column columns[COLUMNS_MAX];
	unsigned n_columns;
	struct row_of *row_of; /* from a field to its column, made by views_prepare */
	uint32_t row_mask;
	struct out *out;
	l4_time first;
	bool have_first;
	const char *note; /* for the end of the summary line; NULL: none */
};

/* Adds the names of a comma-separated list to the columns. 0, or -1 with a message on stderr. */
int views_add_columns(struct views *v, struct l4_dissect *d, const char *list);
/* Tells the dissection what the view needs. */
void views_prepare(struct views *v, struct l4_dissect *d);
/* Gives back what views_prepare made. */
void views_end(struct views *v);
/* For l4_dissect_config: undoes gzip and deflate. */
size_t dissect_decode(const char *coding, const uint8_t *in, size_t n, uint8_t *out, size_t cap);
/* For l4_dissect_config: the name of a port in /etc/services. */
const char *views_port_name(void *ctx, uint16_t port, uint8_t proto);
void views_packet(struct views *v, const struct l4_dissected *p);

#endif
