/* What the parts of l4 script share. Included by src/cli/script*.c only. */
#ifndef L4_CLI_SCRIPT_H
#define L4_CLI_SCRIPT_H

#include <layer4/dissect.h>
#include <layer4/match.h>

#include "cli/out.h"
#include "cli/sendopt.h"

enum {
	SCRIPT_NAMES = 256,
	SCRIPT_LINES = 4096,
	SCRIPT_DEPTH = 32,
	SCRIPT_LOG = 2048,   /* packets remembered */
	SCRIPT_FLOWS = 256,  /* connections that are reset at the end */
	SCRIPT_TEXT = 65536, /* bytes of a line with everything put in */
	SCRIPT_STEPS = 10000000
};

/* A number, or text. */
struct value {
	bool is_text;
	bool seq; /* a sequence number: sums of it wrap at 2^32 */
	int64_t n;
	char *text; /* is_text: owned */
	size_t len;
};

/* One occurrence of a field of a packet that has a name. */
struct bound_item {
	const struct l4_field *field;
	char *text;
	size_t len;
};

struct bound_layer {
	const struct l4_proto *proto;
	uint32_t at, len;
};

/* A packet that has a name. */
struct bound {
	uint8_t *data;
	size_t n;
	uint16_t linktype;
	l4_time rtt; /* of an answer */
	struct bound_layer layers[64];
	unsigned n_layers;
	struct bound_item *items;
	size_t n_items;
	char protocol[32];
	char *info;
	char src[64], dst[64];
};

struct name {
	char name[48];
	bool fixed; /* given on the command line */
	struct value v;
	struct bound *p; /* a packet, if not NULL */
};

/* A packet of the log. */
struct logged {
	uint8_t *data;
	uint32_t n;
	uint16_t linktype;
	bool sent, used;
	struct wire *w;
	l4_time when;
};

struct flow {
	struct l4_match m; /* the last that was sent */
	struct wire *w;
	uint8_t last[128]; /* the last that came, as far as its headers */
	uint32_t last_n;
	bool open, heard;
};

enum stmt_kind {
	ST_SET,
	ST_DEFAULT,
	ST_SEND,
	ST_ASK,
	ST_EXPECT,
	ST_SILENCE,
	ST_WAIT,
	ST_ASSERT,
	ST_PRINT,
	ST_REPEAT,
	ST_IF,
	ST_ELSE,
	ST_END,
	ST_BREAK,
	ST_EXIT
};

struct stmt {
	enum stmt_kind kind;
	unsigned line;
	bool try_; /* failure is no failure: $ok says */
	bool has_time, while_;
	char name[48];
	char *text; /* what follows */
	l4_time time;
	uint64_t retry;
	unsigned match; /* REPEAT, IF, ELSE: where it goes on; END: back to REPEAT */
	unsigned from;  /* BREAK, END: its REPEAT or IF */
	int64_t count;  /* REPEAT: rounds done, while running */
};

struct script {
	const char *path;
	char *file;
	struct wires wires;
	struct sendopt o;
	struct stmt *st;
	unsigned n_st;
	struct name names[SCRIPT_NAMES];
	unsigned n_names;
	struct logged log[SCRIPT_LOG];
	uint64_t log_n; /* ever; the last SCRIPT_LOG are there */
	struct flow flows[SCRIPT_FLOWS];
	unsigned n_flows;
	uint64_t draw, n_sent;
	const struct stmt *at; /* being run */
	struct out out;
	bool trace;
	struct l4_dissect *trace_d;
	uint64_t trace_n;
	l4_time timeout;
	int status; /* exit code once a statement has failed */
};

/* Prints a message with the place in the script and sets the status. Returns false. */
bool script_fail(struct script *s, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* script.c */
struct name *script_name(struct script *s, const char *name, bool add);

/* script_value.c */
void value_free(struct value *v);
bool script_set_number(struct script *s, const char *name, int64_t n);
/* Computes a whole text as an expression. false: err says why, nothing is printed. */
bool script_compute(struct script *s, const char *text, struct value *out, char *err, size_t cap);
/* The text with values put in for $name, $name.field, $name.field+1, $(expression), to be freed.
 * NULL: message printed. */
char *script_expand(struct script *s, const char *text);
bool value_true(const struct value *v);
/* A value as text, to be freed. */
char *value_text(const struct value *v);

/* script_bind.c */
struct bound *script_bind(const struct l4_dissected *p, uint16_t linktype, l4_time rtt);
void bound_free(struct bound *b);
/* Reads a field of a named packet. false: err says why. */
bool bound_field(const struct bound *b, const char *path, struct value *out, char *err, size_t cap);

/* script_log.c */
void script_log(
    struct script *s, struct wire *w, const uint8_t *p, size_t n, l4_time when, bool sent);
void script_on_frame(void *ctx, struct wire *w, const uint8_t *p, size_t n, l4_time when);
/* Resets what is left of connections that the script began. */
void script_tidy(struct script *s);

/* script_run.c: runs all; the exit code. */
int script_run(struct script *s);

#endif
