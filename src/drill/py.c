/* The evaluator for the Python of %{ }% blocks: statements and variables.
 *
 * The text is executed as it is parsed, without a tree: a loop goes back to a remembered place, a
 * branch not taken is parsed with `skip` set, in which nothing is computed and nothing fails but
 * grammar. Steps are counted, so that every text ends. Expressions are in py_expr.c. */
#include "drill/py.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill/py_private.h"

#define STEPS_MAX 1000000
#define DEPTH_MAX 40

struct l4_py *l4_py_new(void (*print)(void *ctx, const char *text), void *ctx)
{
	struct l4_py *py = calloc(1, sizeof(*py));
	if (py) {
		py->print = print;
		py->ctx = ctx;
	}
	return py;
}

void l4_py_free(struct l4_py *py)
{
	if (!py)
		return;
	l4_arena_free(&py->arena);
	free(py->vars);
	free(py);
}

struct l4_pyval *l4_py_find(const struct l4_py *py, const char *name, size_t len)
{
	for (size_t i = 0; i < py->n_vars; i++)
		if (strlen(py->vars[i].name) == len && !memcmp(py->vars[i].name, name, len))
			return &py->vars[i].value;
	return NULL;
}

bool l4_py_assign(struct l4_py *py, const char *name, size_t len, const struct l4_pyval *v)
{
	struct l4_pyval *old = l4_py_find(py, name, len);
	if (old) {
		*old = *v;
		return true;
	}
	if (py->n_vars == py->cap_vars) {
		size_t cap = py->cap_vars ? py->cap_vars * 2 : 128;
		struct l4_pyvar *vars = realloc(py->vars, cap * sizeof(*vars));
		if (!vars)
			return false;
		py->vars = vars;
		py->cap_vars = cap;
	}
	char *copy = l4_arena_strn(&py->arena, name, len);
	if (!copy)
		return false;
	py->vars[py->n_vars++] = (struct l4_pyvar){ .name = copy, .value = *v };
	return true;
}

bool l4_py_set(struct l4_py *py, const char *name, int64_t value)
{
	struct l4_pyval v = { .kind = L4_PY_INT, .i = value };
	return l4_py_assign(py, name, strlen(name), &v);
}

bool l4_py_set_unsigned(struct l4_py *py, const char *name, uint64_t value)
{
	struct l4_pyval v = { .kind = L4_PY_INT, .i = (l4_i128)value };
	return l4_py_assign(py, name, strlen(name), &v);
}

bool l4_py_get(const struct l4_py *py, const char *name, int64_t *value)
{
	const struct l4_pyval *v = l4_py_find(py, name, strlen(name));
	if (!v || v->kind != L4_PY_INT)
		return false;
	*value = (int64_t)v->i;
	return true;
}

void l4_py_fail(struct l4_py *py, const char *format, ...)
{
	if (py->bad)
		return;
	py->bad = true;
	py->err_line = py->tok_line;
	va_list ap;
	va_start(ap, format);
	vsnprintf(py->err, sizeof(py->err), format, ap);
	va_end(ap);
}

bool l4_py_step(struct l4_py *py)
{
	if (++py->steps > STEPS_MAX)
		l4_py_fail(py, "the code does not come to an end");
	return !py->bad;
}

/* ---- Tokens ---- */

static bool ident(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= '0' && c <= '9');
}

static void skip_blank(struct l4_py *py)
{
	for (;;) {
		if (*py->p == ' ' || *py->p == '\t' || *py->p == '\r') {
			py->p++;
		} else if (*py->p == '\\' &&
			   (py->p[1] == '\n' || (py->p[1] == '\r' && py->p[2] == '\n'))) {
			py->p += py->p[1] == '\n' ? 2 : 3;
			py->line++;
		} else if (*py->p == '\n' && py->parens) {
			py->p++;
			py->line++;
		} else if (*py->p == '#') {
			while (*py->p && *py->p != '\n')
				py->p++;
		} else {
			return;
		}
	}
}

void l4_py_next(struct l4_py *py)
{
	static const char *const ops[] = { "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>",
		"<=", ">=", "==", "!=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=" };
	skip_blank(py);
	py->tok_line = py->line;
	py->tok = py->p;
	py->tok_len = 0;
	if (!*py->p) {
		py->kind = L4_PYT_END;
		return;
	}
	if (*py->p == '\n' || *py->p == ';') {
		py->kind = *py->p == ';' ? L4_PYT_SEMI : L4_PYT_NEWLINE;
		py->tok_len = 1;
		return; /* taken by the statement loop */
	}
	const char *p = py->p;
	if ((*p >= '0' && *p <= '9') || (*p == '.' && p[1] >= '0' && p[1] <= '9')) {
		py->kind = L4_PYT_NUMBER;
		bool hex = *p == '0' && (p[1] == 'x' || p[1] == 'X');
		while (ident(*p) || *p == '.' ||
		       (!hex && (*p == '+' || *p == '-') && (p[-1] == 'e' || p[-1] == 'E')))
			p++;
	} else if (*p == '\'' || *p == '"') {
		char quote = *p++;
		py->kind = L4_PYT_STRING;
		while (*p && *p != quote && *p != '\n')
			p += *p == '\\' && p[1] ? 2 : 1;
		if (*p != quote)
			l4_py_fail(py, "a string without its end");
		else
			p++;
	} else if (ident(*p)) {
		py->kind = L4_PYT_NAME;
		while (ident(*p))
			p++;
		if ((*p == '\'' || *p == '"') && p == py->p + 1 && strchr("fFrRbBuU", *py->p)) {
			py->p = p; /* a prefix of a string says nothing here */
			l4_py_next(py);
			return;
		}
	} else {
		py->kind = L4_PYT_OP;
		size_t n = 1;
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			if (!strncmp(p, ops[i], strlen(ops[i]))) {
				n = strlen(ops[i]);
				break;
			}
		}
		p += n;
	}
	py->tok_len = (size_t)(p - py->p);
	py->p = p;
}

bool l4_py_is(const struct l4_py *py, const char *text)
{
	return !py->bad && (py->kind == L4_PYT_OP || py->kind == L4_PYT_NAME) &&
	       strlen(text) == py->tok_len && !memcmp(text, py->tok, py->tok_len);
}

bool l4_py_accept(struct l4_py *py, const char *text)
{
	if (!l4_py_is(py, text))
		return false;
	l4_py_next(py);
	return true;
}

void l4_py_expect(struct l4_py *py, const char *text)
{
	if (!l4_py_accept(py, text))
		l4_py_fail(py, "'%s' is wanted before '%.20s'", text, py->tok);
}

/* ---- Statements ---- */

static void block(struct l4_py *py, int indent);

/* Columns of white space at the start of the line on which the text goes on, blank lines passed
 * over; -1 at the end. */
static int indent_of_line(struct l4_py *py)
{
	for (;;) {
		const char *p = py->p;
		int n = 0;
		for (; *p == ' ' || *p == '\t' || *p == '\r'; p++)
			n += *p == '\t' ? 8 - n % 8 : 1;
		if (*p == '#')
			while (*p && *p != '\n')
				p++;
		if (!*p)
			return -1;
		if (*p != '\n')
			return n;
		py->p = p + 1;
		py->line++;
	}
}

static void print_values(struct l4_py *py)
{
	char text[512] = "";
	size_t n = 0;
	bool paren = l4_py_accept(py, "(");
	if (paren)
		py->parens++;
	while (!py->bad && py->kind != L4_PYT_END && py->kind != L4_PYT_NEWLINE &&
	       py->kind != L4_PYT_SEMI && !l4_py_is(py, ")")) {
		struct l4_pyval v;
		l4_py_expr(py, &v);
		if (l4_py_accept(py, "=")) /* end='', file=...: no matter */
			l4_py_expr(py, &v);
		else if (n < sizeof(text) - 2)
			n += l4_py_text(&v, text + n, sizeof(text) - 1 - n);
		if (!l4_py_accept(py, ","))
			break;
		if (n < sizeof(text) - 2)
			text[n++] = ' ';
	}
	if (paren) {
		py->parens--;
		l4_py_expect(py, ")");
	}
	text[n < sizeof(text) ? n : sizeof(text) - 1] = '\0';
	if (!py->bad && !py->skip && py->print)
		py->print(py->ctx, text);
}

static void assertion(struct l4_py *py)
{
	const char *start = py->tok;
	struct l4_pyval ok, msg = { .kind = L4_PY_NONE };
	unsigned line = py->tok_line;
	l4_py_expr(py, &ok);
	int len = (int)(py->tok - start);
	while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\n'))
		len--;
	bool has_msg = l4_py_accept(py, ",");
	if (has_msg)
		l4_py_expr(py, &msg);
	if (py->bad || py->skip || l4_py_true(&ok))
		return;
	char text[160] = "";
	if (has_msg)
		l4_py_text(&msg, text, sizeof(text));
	l4_py_fail(py, "assertion failed: %.*s%s%s%s", len > 200 ? 200 : len, start,
	    has_msg ? " (seen: " : "", text, has_msg ? ")" : "");
	py->err_line = line;
}

/* name = value, name += value, a, b = 1, 2; or a bare expression. */
static void assignment(struct l4_py *py)
{
	const char *name = py->tok;
	size_t len = py->tok_len;
	const char *after = py->p;
	unsigned line = py->line;
	bool is_name = py->kind == L4_PYT_NAME;
	enum l4_pytok kind = py->kind;
	struct l4_pyval v, old;
	if (is_name) {
		l4_py_next(py);
		if (l4_py_accept(py, "=")) {
			l4_py_expr_list(py, &v);
			if (!py->skip && !py->bad && !l4_py_assign(py, name, len, &v))
				l4_py_fail(py, "out of memory");
			return;
		}
		if (py->kind == L4_PYT_OP && py->tok_len >= 2 && py->tok[py->tok_len - 1] == '=' &&
		    !l4_py_is(py, "==") && !l4_py_is(py, "<=") && !l4_py_is(py, ">=") &&
		    !l4_py_is(py, "!=")) {
			char op[4] = { 0 };
			memcpy(op, py->tok, py->tok_len - 1);
			l4_py_next(py);
			l4_py_expr(py, &v);
			struct l4_pyval *var = l4_py_find(py, name, len);
			if (py->skip || py->bad)
				return;
			if (!var) {
				l4_py_fail(py, "name '%.*s' is not defined", (int)len, name);
				return;
			}
			old = *var;
			l4_py_binary(py, op, &old, &v, &old);
			l4_py_assign(py, name, len, &old);
			return;
		}
		/* an expression: back to its start */
		py->p = after;
		py->line = line;
		py->tok = name;
		py->tok_len = len;
		py->kind = kind;
	}
	l4_py_expr_list(py, &v);
}

static void simple(struct l4_py *py)
{
	if (!l4_py_step(py))
		return;
	if (l4_py_accept(py, "assert")) {
		assertion(py);
	} else if (l4_py_accept(py, "print")) {
		print_values(py);
	} else if (l4_py_accept(py, "pass")) {
		return;
	} else if (l4_py_is(py, "import") || l4_py_is(py, "from")) {
		while (*py->p && *py->p != '\n' && *py->p != ';')
			py->p++;
		l4_py_next(py);
	} else if (py->kind != L4_PYT_NEWLINE && py->kind != L4_PYT_SEMI &&
		   py->kind != L4_PYT_END) {
		assignment(py);
	}
}

/* Simple statements with ';' between them, up to the end of the line, which is taken. */
static void simple_line(struct l4_py *py)
{
	for (;;) {
		simple(py);
		if (py->bad)
			return;
		if (py->kind == L4_PYT_SEMI) {
			py->p++;
			l4_py_next(py);
			continue;
		}
		if (py->kind == L4_PYT_NEWLINE) {
			py->p++;
			py->line++;
			return;
		}
		if (py->kind != L4_PYT_END)
			l4_py_fail(py, "the statement should end before '%.20s'", py->tok);
		return;
	}
}

/* What follows the colon: on the same line, or an indented block. skip as given. */
static void suite(struct l4_py *py, int indent, bool skip)
{
	bool saved = py->skip;
	py->skip = saved || skip;
	l4_py_expect(py, ":");
	if (!py->bad && py->kind == L4_PYT_NEWLINE) {
		py->p++;
		py->line++;
		int inner = indent_of_line(py);
		if (inner <= indent)
			l4_py_fail(py, "an indented block is wanted");
		else
			block(py, inner);
	} else {
		simple_line(py);
	}
	py->skip = saved;
}

static void if_statement(struct l4_py *py, int indent)
{
	bool done = false, first = true;
	for (;;) {
		struct l4_pyval cond = { .kind = L4_PY_INT, .i = 1 };
		bool last = !first && l4_py_is(py, "else");
		l4_py_next(py);
		bool saved = py->skip;
		py->skip = saved || done;
		if (!last)
			l4_py_expr(py, &cond);
		py->skip = saved;
		bool take = !saved && !done && !py->bad && l4_py_true(&cond);
		suite(py, indent, !take);
		done = done || take;
		first = false;
		if (py->bad || last)
			return;
		const char *p = py->p;
		unsigned line = py->line;
		if (indent_of_line(py) != indent)
			return;
		l4_py_next(py);
		if (!l4_py_is(py, "elif") && !l4_py_is(py, "else")) {
			py->p = p;
			py->line = line;
			return;
		}
	}
}

static void loop_statement(struct l4_py *py, int indent)
{
	bool is_for = l4_py_is(py, "for");
	l4_py_next(py);
	const char *name = py->tok;
	size_t len = py->tok_len;
	struct l4_pyval seq = { .kind = L4_PY_NONE };
	if (is_for) {
		if (py->kind != L4_PYT_NAME)
			l4_py_fail(py, "a name is wanted behind 'for'");
		l4_py_next(py);
		l4_py_expect(py, "in");
		l4_py_expr_list(py, &seq);
		if (!py->skip && !py->bad && seq.kind != L4_PY_LIST)
			l4_py_fail(py, "cannot loop over that");
	}
	struct l4_py mark = *py; /* the place to go back to; only the cursor is restored */
	for (size_t i = 0;; i++) {
		bool go = !py->skip;
		py->p = mark.p;
		py->line = mark.line;
		py->tok = mark.tok;
		py->tok_len = mark.tok_len;
		py->tok_line = mark.tok_line;
		py->kind = mark.kind;
		if (is_for) {
			go = go && i < seq.n;
			if (go)
				l4_py_assign(py, name, len, &seq.items[i]);
		} else {
			struct l4_pyval cond;
			l4_py_expr(py, &cond);
			go = go && !py->bad && l4_py_true(&cond);
		}
		suite(py, indent, !go);
		if (!go || !l4_py_step(py))
			return;
	}
}

/* Lines of one indentation. */
static void block(struct l4_py *py, int indent)
{
	if (++py->depth > DEPTH_MAX)
		l4_py_fail(py, "blocks are nested too deeply");
	while (!py->bad) {
		int n = indent_of_line(py);
		if (n < indent)
			break;
		if (n > indent) {
			py->tok_line = py->line;
			l4_py_fail(py, "unexpected indentation");
			break;
		}
		l4_py_next(py);
		if (l4_py_is(py, "if"))
			if_statement(py, indent);
		else if (l4_py_is(py, "for") || l4_py_is(py, "while"))
			loop_statement(py, indent);
		else
			simple_line(py);
	}
	py->depth--;
}

bool l4_py_run(struct l4_py *py, const char *code, unsigned *line, char *text, size_t cap)
{
	py->p = code;
	py->line = 0;
	py->tok_line = 0;
	py->parens = 0;
	py->depth = 0;
	py->steps = 0;
	py->skip = false;
	py->bad = false;
	/* The text begins behind "%{": its first line counts as not indented. */
	while (*py->p == ' ' || *py->p == '\t')
		py->p++;
	if (*py->p == '\n' || *py->p == '\r') {
		int n = indent_of_line(py);
		if (n >= 0)
			block(py, n);
	} else {
		block(py, 0);
	}
	if (py->bad) {
		*line = py->err_line;
		snprintf(text, cap, "%s", py->err);
	}
	return !py->bad;
}
