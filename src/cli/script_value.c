/* Values of a script: numbers and texts, what is computed of them, and how they get into lines.
 *
 *   or    := and { "||" and }        and  := bits { "&&" bits }
 *   bits  := cmp { ("&"|"|"|"^") cmp }
 *   cmp   := shift [ ("=="|"!="|"<="|">="|"<"|">") shift ]
 *   shift := sum { ("<<"|">>") sum }  sum  := prod { ("+"|"-") prod }
 *   prod  := unary { ("*"|"/"|"%") unary }
 *   unary := ("-"|"!"|"~") unary | number | "text" | $name[.field] | "(" or ")"
 *
 * Numbers are 64 bits with a sign. A sum with a sequence number in it wraps at 2^32, so that
 * $synack.tcp.seq+1 is right at the end of the circle too (RFC 9293 3.4). Depth is limited. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/script.h"

enum { DEPTH = 64 };

struct calc {
	struct script *s;
	const char *p;
	char *err;
	size_t cap;
	int depth;
	bool failed;
};

void value_free(struct value *v)
{
	free(v->text);
	memset(v, 0, sizeof *v);
}

static struct value number(int64_t n)
{
	return (struct value){ .n = n };
}

static struct value fail(struct calc *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static struct value fail(struct calc *c, const char *fmt, ...)
{
	va_list ap;
	if (!c->failed) {
		va_start(ap, fmt);
		vsnprintf(c->err, c->cap, fmt, ap);
		va_end(ap);
	}
	c->failed = true;
	return number(0);
}

static struct value text_value(const char *p, size_t n)
{
	struct value v = { .is_text = true };
	v.text = malloc(n + 1);
	if (v.text) {
		memcpy(v.text, p, n);
		v.text[n] = 0;
		v.len = n;
	}
	return v;
}

bool value_true(const struct value *v)
{
	return v->is_text ? v->len > 0 : v->n != 0;
}

char *value_text(const struct value *v)
{
	char t[32];
	if (v->is_text)
		return v->text ? strdup(v->text) : NULL;
	snprintf(t, sizeof t, "%" PRId64, v->n);
	return strdup(t);
}

bool script_set_number(struct script *s, const char *name, int64_t n)
{
	struct name *k = script_name(s, name, true);
	if (!k)
		return false;
	value_free(&k->v);
	bound_free(k->p);
	k->p = NULL;
	k->v = number(n);
	return true;
}

static void space(struct calc *c)
{
	while (*c->p == ' ' || *c->p == '\t')
		c->p++;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* $name or $name.field.field; p stands behind the dollar. */
static struct value reference(struct calc *c)
{
	char name[48], path[128], err[256];
	size_t n = 0, k = 0;
	while (name_char(c->p[n]))
		n++;
	if (!n || n >= sizeof name)
		return fail(c, "expected a name behind '$'");
	memcpy(name, c->p, n);
	name[n] = 0;
	c->p += n;
	while ((name_char(c->p[k]) || (c->p[k] == '.' && name_char(c->p[k + 1]))) &&
	       k < sizeof path - 1)
		k++;
	bool has_path = k > 1 && c->p[0] == '.';
	struct name *v = script_name(c->s, name, false);
	if (!v)
		return fail(c, "nothing is called '$%s' here", name);
	if (!v->p) {
		struct value out = v->v;
		if (v->v.is_text)
			out = text_value(v->v.text, v->v.len);
		return out;
	}
	if (!has_path)
		return number(1); /* the packet is there */
	memcpy(path, c->p + 1, k - 1);
	path[k - 1] = 0;
	c->p += k;
	struct value out = number(0);
	if (!bound_field(v->p, path, &out, err, sizeof err))
		return fail(c, "$%s: %s", name, err);
	return out;
}

static struct value either(struct calc *c);

static struct value quoted(struct calc *c)
{
	const char *start = ++c->p;
	while (*c->p && *c->p != '"')
		c->p++;
	if (!*c->p)
		return fail(c, "this text has no closing '\"'");
	return text_value(start, (size_t)(c->p++ - start));
}

static struct value literal(struct calc *c)
{
	char *end;
	errno = 0;
	unsigned long long v = strtoull(c->p, &end, 0);
	if (errno || name_char(*end) || *end == '.' || *end == ':')
		return fail(c, "'%.20s' is not a number", c->p);
	c->p = end;
	return number((int64_t)v);
}

static struct value unary(struct calc *c)
{
	space(c);
	char op = *c->p;
	if (c->depth >= DEPTH)
		return fail(c, "too many brackets");
	if (op == '-' || op == '~' || (op == '!' && c->p[1] != '=')) {
		c->p++;
		c->depth++;
		struct value v = unary(c);
		c->depth--;
		bool truth = value_true(&v);
		int64_t n = v.n;
		bool text = v.is_text;
		value_free(&v);
		if (op == '!')
			return number(!truth);
		if (text)
			return fail(c, "'%c' of a text", op);
		return number(op == '-' ? (int64_t)(0 - (uint64_t)n) : ~n);
	}
	if (op == '(') {
		c->p++;
		c->depth++;
		struct value v = either(c);
		c->depth--;
		space(c);
		if (*c->p != ')') {
			value_free(&v);
			return fail(c, "expected ')'");
		}
		c->p++;
		return v;
	}
	if (op == '$') {
		c->p++;
		return reference(c);
	}
	if (op == '"')
		return quoted(c);
	if (isdigit((unsigned char)op))
		return literal(c);
	return fail(c,
	    op ? "expected a number, a \"text\" or a $name, found '%.20s'"
	       : "the expression ends; expected a number, a \"text\" or a $name%s",
	    c->p);
}

/* Two numbers by one operator; op is its first character, twice: '<<', '>>', '&&', '||', and the
 * comparisons by their own letters. */
static struct value apply(struct calc *c, int op, struct value a, struct value b)
{
	bool seq = a.seq || b.seq, text = a.is_text || b.is_text;
	uint64_t x = (uint64_t)a.n, y = (uint64_t)b.n, r = 0;
	if (text && (op == 'e' || op == 'n')) {
		char *s = value_text(&a), *t = value_text(&b);
		r = s && t && !strcmp(s, t) ? op == 'e' : op == 'n';
		free(s);
		free(t);
	}
	value_free(&a);
	value_free(&b);
	if (text && op != 'e' && op != 'n')
		return fail(c, "a text cannot be computed with");
	if (text)
		return number((int64_t)r);
	switch (op) {
	case '+':
		r = x + y;
		break;
	case '-':
		r = x - y;
		break;
	case '*':
		r = x * y;
		break;
	case '/':
	case '%':
		if (!y || ((int64_t)x == INT64_MIN && (int64_t)y == -1))
			return fail(c, "division by %s", y ? "minus one overflows" : "zero");
		r = (uint64_t)(op == '/' ? (int64_t)x / (int64_t)y : (int64_t)x % (int64_t)y);
		break;
	case '&':
		r = x & y;
		break;
	case '|':
		r = x | y;
		break;
	case '^':
		r = x ^ y;
		break;
	case 'L':
		r = y < 64 ? x << y : 0;
		break;
	case 'R':
		r = y < 64 ? x >> y : 0;
		break;
	case 'e':
		return number(x == y);
	case 'n':
		return number(x != y);
	case '<':
		return number((int64_t)x < (int64_t)y);
	case '>':
		return number((int64_t)x > (int64_t)y);
	case 'l':
		return number((int64_t)x <= (int64_t)y);
	case 'g':
		return number((int64_t)x >= (int64_t)y);
	default:
		break;
	}
	struct value v = number((int64_t)(seq ? r & UINT32_MAX : r));
	v.seq = seq;
	return v;
}

/* The operator at p that belongs to this level, or 0; its length in *len. */
static int operator_at(const char *p, int level, size_t *len)
{
	static const struct {
		const char *text;
		int op, level;
	} table[] = { { "||", 'O', 0 }, { "&&", 'A', 1 }, { "==", 'e', 3 }, { "!=", 'n', 3 },
		{ "<<", 'L', 4 }, { ">>", 'R', 4 }, { "<=", 'l', 3 }, { ">=", 'g', 3 },
		{ "<", '<', 3 }, { ">", '>', 3 }, { "&", '&', 2 }, { "|", '|', 2 }, { "^", '^', 2 },
		{ "+", '+', 5 }, { "-", '-', 5 }, { "*", '*', 6 }, { "/", '/', 6 },
		{ "%", '%', 6 } };
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (!strncmp(p, table[i].text, strlen(table[i].text))) {
			*len = strlen(table[i].text);
			return table[i].level == level ? table[i].op : 0;
		}
	return 0;
}

static struct value binary(struct calc *c, int level)
{
	if (level == 7)
		return unary(c);
	struct value a = binary(c, level + 1);
	for (;;) {
		size_t len;
		space(c);
		int op = c->failed ? 0 : operator_at(c->p, level, &len);
		if (!op)
			return a;
		c->p += len;
		struct value b = binary(c, level + 1);
		if (op == 'O' || op == 'A') {
			bool x = value_true(&a), y = value_true(&b);
			value_free(&a);
			value_free(&b);
			a = number(op == 'O' ? x || y : x && y);
		} else {
			a = apply(c, op, a, b);
		}
	}
}

static struct value either(struct calc *c)
{
	return binary(c, 0);
}

bool script_compute(struct script *s, const char *text, struct value *out, char *err, size_t cap)
{
	struct calc c = { .s = s, .p = text, .err = err, .cap = cap };
	*out = either(&c);
	space(&c);
	if (!c.failed && *c.p)
		fail(&c, "found '%.20s' behind the expression", c.p);
	if (c.failed)
		value_free(out);
	return !c.failed;
}

/* $ref or number, then + - * and another, without spaces: what may stand in a packet. */
static struct value close_sum(struct calc *c)
{
	struct value a;
	c->p++;
	a = reference(c);
	while (!c->failed && !a.is_text && (*c->p == '+' || *c->p == '-' || *c->p == '*') &&
	       (c->p[1] == '$' || isdigit((unsigned char)c->p[1]))) {
		char op = *c->p++;
		struct value b;
		if (*c->p == '$') {
			c->p++;
			b = reference(c);
		} else {
			char *end;
			b = number((int64_t)strtoull(c->p, &end, 0));
			c->p = end;
		}
		a = apply(c, op, a, b);
	}
	return a;
}

char *script_expand(struct script *s, const char *text)
{
	char err[256] = "", *out = malloc(SCRIPT_TEXT);
	struct calc c = { .s = s, .p = text, .err = err, .cap = sizeof err };
	size_t n = 0;
	while (out && *c.p && !c.failed) {
		char one[2] = { *c.p, 0 }, *t = NULL;
		if (*c.p != '$' || c.p[1] == '$') {
			c.p += *c.p == '$' ? 2 : 1;
		} else {
			struct value v;
			if (c.p[1] == '(') {
				c.p++;
				v = unary(&c);
			} else {
				v = close_sum(&c);
			}
			t = c.failed ? NULL : value_text(&v);
			value_free(&v);
		}
		const char *piece = t ? t : one;
		size_t k = strlen(piece);
		if (k >= SCRIPT_TEXT - n)
			fail(&c, "the line is too long");
		else
			memcpy(out + n, piece, k);
		n += c.failed ? 0 : k;
		free(t);
	}
	if (!out || c.failed) {
		script_fail(s, 2, "%s", out ? err : "no memory");
		free(out);
		return NULL;
	}
	out[n] = 0;
	return out;
}
