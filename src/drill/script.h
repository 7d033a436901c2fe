/* A parsed packetdrill script. Included by src/drill, src/adapter and fuzz only.
 *
 * Everything that a script holds lives in its arena and is freed with it. Numbers are kept as the
 * script says them: sequence numbers relative, timestamps as names; the runner translates. */
#ifndef L4_DRILL_SCRIPT_H
#define L4_DRILL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that is freed all at once. */
struct l4_arena {
	struct l4_arena_block *head;
};

/* Zeroed memory, or NULL. */
void *l4_arena_alloc(struct l4_arena *a, size_t size);
/* A copy of len bytes with a NUL behind them. */
char *l4_arena_strn(struct l4_arena *a, const char *s, size_t len);
void l4_arena_free(struct l4_arena *a);

/* ---- Expressions of system calls ---- */

enum l4_dx_kind {
	L4_DX_ELLIPSIS, /* ... */
	L4_DX_INT,      /* 10, 0x1f, -1 */
	L4_DX_WORD,     /* SOCK_STREAM */
	L4_DX_STRING,   /* "text", escapes resolved */
	L4_DX_OR,       /* a|b: the operands are the children */
	L4_DX_LIST,     /* [a, b] */
	L4_DX_STRUCT,   /* {a, b = c} */
	L4_DX_CALL,     /* htons(80): str is the name, the arguments are the children */
	L4_DX_FIELD,    /* name = value, name(n) = value: str, num, the value is the child */
};

struct l4_dx {
	enum l4_dx_kind kind;
	int line;
	int64_t num;
	const char *str;
	size_t str_len;
	struct l4_dx *child; /* first of the children */
	struct l4_dx *next;  /* sibling */
	unsigned n;          /* children */
};

/* ---- Packets ---- */

enum l4_dp_proto { L4_DP_TCP, L4_DP_UDP, L4_DP_ICMP };

enum l4_dp_ecn {
	L4_DP_ECN_ANY,   /* nothing said */
	L4_DP_ECN_VALUE, /* the two bits */
	L4_DP_ECN_ECT01, /* either ECT; outbound only */
	L4_DP_ECN_TOS,   /* the whole octet */
};

enum l4_dp_echo {
	L4_DP_ECHO_DEFAULT, /* nothing said: the last packet sent */
	L4_DP_ECHO_TCP,
	L4_DP_ECHO_UDP,
	L4_DP_ECHO_RAW,
};

/* Bits of l4_dp.flags: the wire's own (RFC 9293 3.1, AE of RFC 9768). */
#define L4_DP_FIN 0x001u
#define L4_DP_SYN 0x002u
#define L4_DP_RST 0x004u
#define L4_DP_PSH 0x008u
#define L4_DP_ACK 0x010u
#define L4_DP_URG 0x020u
#define L4_DP_ECE 0x040u
#define L4_DP_CWR 0x080u
#define L4_DP_AE  0x100u

struct l4_dp {
	bool inbound; /* '<': injected into the stack */
	enum l4_dp_proto proto;
	enum l4_dp_ecn ecn;
	uint8_t tos; /* for VALUE the two bits, for TOS the octet */
	bool has_ttl, has_flow;
	uint8_t ttl;
	uint32_t flow;
	uint16_t sport, dport; /* 0: of the connection under test */
	/* TCP */
	unsigned flags;
	uint32_t seq, len, ack;
	bool has_ack, has_win;
	uint16_t win, urg;
	bool any_options; /* <...> */
	uint8_t opts_len; /* bytes, a multiple of 4 */
	uint8_t opts[40]; /* as on the wire, with the script's numbers */
	/* UDP: payload bytes in len. ICMP: */
	bool icmp_type_named;
	uint8_t icmp_type[2], icmp_code[2]; /* [0] on IPv4, [1] on IPv6 */
	bool icmp_valid[2];                 /* the name exists in that version */
	bool has_mtu;
	uint32_t mtu;
	uint16_t icmp_id;
	enum l4_dp_echo echo;
	uint32_t echo_seq, echo_len;
};

/* ---- Events ---- */

enum l4_de_kind { L4_DE_PACKET, L4_DE_CALL, L4_DE_COMMAND, L4_DE_CODE };

enum l4_de_time {
	L4_DT_ABS,
	L4_DT_REL,
	L4_DT_ANY,
	L4_DT_ABS_RANGE,
	L4_DT_REL_RANGE,
};

struct l4_dcall {
	const char *name;
	struct l4_dx *args; /* first argument */
	unsigned n_args;
	struct l4_dx *result; /* INT or WORD or ELLIPSIS */
	const char *err;      /* "EAGAIN", or NULL */
};

struct l4_de {
	enum l4_de_kind kind;
	enum l4_de_time time_kind;
	int64_t at_us, end_us; /* end of a range, or of a blocking call */
	bool blocking;         /* a call with an end time */
	int line;
	const char *text; /* the event as written, in the script's text */
	size_t text_len;
	struct l4_dp packet;
	struct l4_dcall call;
	const char *code; /* COMMAND, CODE */
	struct l4_de *next;
};

struct l4_dopt {
	const char *name;
	const char *value; /* "" when there is none */
	int line;
	struct l4_dopt *next;
};

struct l4_script {
	struct l4_arena arena;
	const char *file;
	const char *text;
	size_t text_len;
	struct l4_dopt *options;
	const char *init, *cleanup; /* commands, or NULL */
	int init_line;
	struct l4_de *events;
	unsigned n_events;
	/* after an error */
	int err_line, err_col;
	char err[200];
};

/* A definition, -D NAME=value. */
struct l4_ddef {
	const char *name, *value;
};

/* Parses len bytes of text. defs (n of them) are replaced where their names occur. Returns 0, or
 * L4_EMALFORMED with err, err_line, err_col filled, or L4_ENOMEM. *s is to be freed in any case.
 * file is borrowed. */
int l4_script_parse(struct l4_script *s, const char *file, const char *text, size_t len,
    const struct l4_ddef *defs, size_t n_defs);
void l4_script_free(struct l4_script *s);

/* ---- Lexer ---- */

enum l4_tok {
	L4_TOK_END,
	L4_TOK_INT,      /* num */
	L4_TOK_HEX,      /* num */
	L4_TOK_DECIMAL,  /* 1.5, .25; micros in num */
	L4_TOK_WORD,     /* str */
	L4_TOK_STRING,   /* str, raw between the quotes */
	L4_TOK_COMMAND,  /* `...` */
	L4_TOK_CODE,     /* %{ ... }% */
	L4_TOK_OPTION,   /* --name */
	L4_TOK_ELLIPSIS, /* ... */
	L4_TOK_PUNCT,    /* one character, in num */
	L4_TOK_BAD,      /* unterminated string, comment, command, code; str says what */
};

struct l4_token {
	enum l4_tok kind;
	int line, col;
	const char *at, *end; /* in the text */
	int64_t num;
	const char *str;
	size_t len;
	bool overflow; /* the number does not fit */
	bool replaced; /* by a definition; str holds its text, whatever the kind */
};

struct l4_lexer {
	const char *text, *p, *end;
	int line;
	const char *line_start;
	const struct l4_ddef *defs;
	size_t n_defs;
};

void l4_lex_init(
    struct l4_lexer *x, const char *text, size_t len, const struct l4_ddef *defs, size_t n_defs);
/* The next token. */
void l4_lex_next(struct l4_lexer *x, struct l4_token *t);
/* Goes back to the start of t. */
void l4_lex_rewind(struct l4_lexer *x, const struct l4_token *t);

/* ---- Names ---- */

/* Looks up a constant of the Linux headers. */
bool l4_drill_symbol(const char *name, int64_t *value);
/* "EAGAIN" for an errno value, "E?" when unknown. */
const char *l4_drill_errno_name(int err);
/* Type and code of ICMP by name; v6 0 or 1. code may be NULL. False when there is no such name. */
bool l4_drill_icmp(
    int v6, const char *type, const char *code, uint8_t *type_out, uint8_t *code_out);

#endif
