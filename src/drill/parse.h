/* What the parts of the script parser share. Included by src/drill/parse*.c only. */
#ifndef L4_DRILL_PARSE_H
#define L4_DRILL_PARSE_H

#include "drill/script.h"

struct l4_parser {
	struct l4_script *s;
	struct l4_lexer x;
	struct l4_token t;    /* the next token, not yet taken */
	const char *prev_end; /* of the token taken last */
	bool bad;             /* an error is in s->err; everything that follows is skipped */
	bool nomem;
	bool raw; /* the next token is read as characters: a number of any size will do */
	unsigned depth;
};

/* Notes the first error, at the next token. Always returns false. */
bool l4_parse_fail(struct l4_parser *p, const char *what);
void l4_parse_next(struct l4_parser *p);
bool l4_parse_is(const struct l4_parser *p, char punct);
bool l4_parse_is_word(const struct l4_parser *p, const char *word);
/* Takes the character if it comes next. */
bool l4_parse_accept(struct l4_parser *p, char punct);
/* Takes the character or fails. */
bool l4_parse_expect(struct l4_parser *p, char punct);
/* Takes a whole number between min and max or fails naming what it is. */
bool l4_parse_number(struct l4_parser *p, int64_t min, int64_t max, int64_t *out, const char *what);
/* A text of the next token in the arena. */
const char *l4_parse_text(struct l4_parser *p);
void *l4_parse_alloc(struct l4_parser *p, size_t size);

/* A packet, from its '<' or '>' on. */
void l4_parse_packet(struct l4_parser *p, struct l4_dp *out);
/* name(arguments) = result ... */
void l4_parse_call(struct l4_parser *p, struct l4_dcall *out);

#endif
