/* The lexer of packetdrill's script language.
 *
 * Works on demand over the text, so that the parser can go back to a token and read it by another
 * rule (the TCP flags "SEW." or ".3" are no tokens of their own). White space and comments fall
 * away here; a word that is defined (-D NAME=value) is replaced here. No memory is taken: tokens
 * point into the text. Every text is accepted; what cannot be a token comes out as BAD. */
#include "drill/script.h"

#include <string.h>

void l4_lex_init(
    struct l4_lexer *x, const char *text, size_t len, const struct l4_ddef *defs, size_t n_defs)
{
	*x = (struct l4_lexer){
		.text = text,
		.p = text,
		.end = text + len,
		.line = 1,
		.line_start = text,
		.defs = defs,
		.n_defs = n_defs,
	};
}

void l4_lex_rewind(struct l4_lexer *x, const struct l4_token *t)
{
	x->p = t->at;
	x->line = t->line;
	x->line_start = t->at - (t->col - 1);
}

static size_t left(const struct l4_lexer *x)
{
	return (size_t)(x->end - x->p);
}

static void step(struct l4_lexer *x)
{
	if (*x->p++ == '\n') {
		x->line++;
		x->line_start = x->p;
	}
}

static bool starts(const struct l4_lexer *x, const char *s)
{
	size_t n = strlen(s);
	return left(x) >= n && !memcmp(x->p, s, n);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* False when a comment has no end. */
static bool skip_blank(struct l4_lexer *x)
{
	while (left(x)) {
		if (*x->p == ' ' || *x->p == '\t' || *x->p == '\n' || *x->p == '\r') {
			step(x);
		} else if (starts(x, "//")) {
			while (left(x) && *x->p != '\n')
				x->p++;
		} else if (starts(x, "/*")) {
			x->p += 2;
			while (left(x) && !starts(x, "*/"))
				step(x);
			if (!left(x))
				return false;
			x->p += 2;
		} else {
			break;
		}
	}
	return true;
}

/* Digits to *num; false when they do not fit 63 bits. */
static bool to_number(const char *p, const char *end, unsigned base, int64_t *num)
{
	uint64_t v = 0;
	for (; p < end; p++) {
		uint64_t d = (uint64_t)hex_digit(*p);
		if (v > ((uint64_t)INT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	*num = (int64_t)v;
	return true;
}

/* "12.3456789" as microseconds, truncated. */
static bool to_micros(const char *p, const char *end, int64_t *us)
{
	const char *dot = p;
	while (dot < end && *dot != '.')
		dot++;
	int64_t whole = 0, frac = 0, unit = 100000;
	if (!to_number(p, dot, 10, &whole) || whole > INT64_MAX / 2000000)
		return false;
	for (const char *q = dot + 1; q < end && unit; q++, unit /= 10)
		frac += (*q - '0') * unit;
	*us = whole * 1000000 + frac;
	return true;
}

/* A quoted text up to `close` with backslash escapes passed over; p is behind the opening one. */
static void lex_quoted(struct l4_lexer *x, struct l4_token *t, char close, enum l4_tok kind)
{
	step(x);
	t->str = x->p;
	while (left(x) && *x->p != close) {
		if (*x->p == '\\' && left(x) > 1)
			step(x);
		step(x);
	}
	t->len = (size_t)(x->p - t->str);
	if (!left(x)) {
		t->kind = L4_TOK_BAD;
		t->str = close == '"' ? "string without its closing quote"
				      : "command without its closing backquote";
		return;
	}
	step(x);
	t->kind = kind;
}

static void lex_code(struct l4_lexer *x, struct l4_token *t)
{
	x->p += 2;
	t->str = x->p;
	while (left(x) && !starts(x, "}%"))
		step(x);
	t->len = (size_t)(x->p - t->str);
	if (!left(x)) {
		t->kind = L4_TOK_BAD;
		t->str = "code without its closing }%";
		return;
	}
	x->p += 2;
	t->kind = L4_TOK_CODE;
}

static void lex_number(struct l4_lexer *x, struct l4_token *t)
{
	bool minus = *x->p == '-';
	if (minus)
		x->p++;
	const char *start = x->p;
	if (left(x) > 2 && x->p[0] == '0' && (x->p[1] == 'x' || x->p[1] == 'X') &&
	    hex_digit(x->p[2]) >= 0) {
		x->p += 2;
		start = x->p;
		while (left(x) && hex_digit(*x->p) >= 0)
			x->p++;
		t->kind = L4_TOK_HEX;
		t->overflow = !to_number(start, x->p, 16, &t->num);
	} else {
		while (left(x) && is_digit(*x->p))
			x->p++;
		t->kind = L4_TOK_INT;
		if (left(x) > 1 && *x->p == '.' && is_digit(x->p[1])) {
			x->p++;
			while (left(x) && is_digit(*x->p))
				x->p++;
			t->kind = L4_TOK_DECIMAL;
			t->overflow = !to_micros(start, x->p, &t->num);
		} else {
			t->overflow = !to_number(start, x->p, 10, &t->num);
		}
	}
	if (minus)
		t->num = -t->num;
}

/* Turns a word that is defined into what it stands for. */
static void substitute(const struct l4_lexer *x, struct l4_token *t)
{
	for (size_t i = x->n_defs; i-- > 0;) {
		const struct l4_ddef *d = &x->defs[i];
		if (strlen(d->name) != t->len || memcmp(d->name, t->str, t->len) != 0)
			continue;
		size_t n = strlen(d->value);
		t->replaced = true;
		t->str = d->value;
		t->len = n;
		if (n >= 2 && (d->value[0] == '"' || d->value[0] == '`') &&
		    d->value[n - 1] == d->value[0]) {
			t->kind = d->value[0] == '"' ? L4_TOK_STRING : L4_TOK_COMMAND;
			t->str++;
			t->len -= 2;
			return;
		}
		struct l4_lexer sub;
		struct l4_token num = { .kind = L4_TOK_BAD };
		l4_lex_init(&sub, d->value, n, NULL, 0);
		if (n && (is_digit(d->value[0]) || d->value[0] == '-'))
			lex_number(&sub, &num);
		if (num.kind != L4_TOK_BAD && sub.p == sub.end) {
			t->kind = num.kind;
			t->num = num.num;
			t->overflow = num.overflow;
		}
		return;
	}
}

void l4_lex_next(struct l4_lexer *x, struct l4_token *t)
{
	bool ok = skip_blank(x);
	*t = (struct l4_token){
		.kind = L4_TOK_END,
		.line = x->line,
		.col = (int)(x->p - x->line_start) + 1,
		.at = x->p,
	};
	if (!ok) {
		t->kind = L4_TOK_BAD;
		t->str = "comment without its end";
	} else if (left(x)) {
		char c = *x->p;
		bool digit_next = left(x) > 1 && is_digit(x->p[1]);
		bool dot_digit_next = left(x) > 2 && x->p[1] == '.' && is_digit(x->p[2]);
		if (starts(x, "...")) {
			x->p += 3;
			t->kind = L4_TOK_ELLIPSIS;
		} else if (starts(x, "%{")) {
			lex_code(x, t);
		} else if (c == '"') {
			lex_quoted(x, t, '"', L4_TOK_STRING);
		} else if (c == '`') {
			lex_quoted(x, t, '`', L4_TOK_COMMAND);
		} else if (starts(x, "--") && left(x) > 2 && is_word(x->p[2])) {
			x->p += 2;
			t->str = x->p;
			while (left(x) && is_word(*x->p))
				x->p++;
			t->len = (size_t)(x->p - t->str);
			t->kind = L4_TOK_OPTION;
		} else if (is_digit(c) || (c == '.' && digit_next) ||
			   (c == '-' && (digit_next || dot_digit_next))) {
			lex_number(x, t);
			/* 0a1b2c, 3wscale: letters on the heel of digits make a word */
			if (t->kind == L4_TOK_INT && c != '-' && left(x) && is_word(*x->p)) {
				while (left(x) && is_word(*x->p))
					x->p++;
				t->kind = L4_TOK_WORD;
				t->overflow = false;
				t->str = t->at;
				t->len = (size_t)(x->p - t->at);
			}
		} else if (is_word(c)) {
			t->str = x->p;
			while (left(x) && is_word(*x->p))
				x->p++;
			t->len = (size_t)(x->p - t->str);
			t->kind = L4_TOK_WORD;
			substitute(x, t);
		} else {
			t->kind = L4_TOK_PUNCT;
			t->num = (unsigned char)c;
			step(x);
		}
	}
	t->end = x->p;
}
