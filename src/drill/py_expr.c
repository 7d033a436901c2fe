/* Expressions of the small Python: operators by precedence, values, built-in functions.
 *
 * One function a level, lowest precedence first. With py->skip set the grammar is followed and
 * nothing is computed, which is how 'and', 'or' and branches leave out what Python leaves out. */
#include "drill/py_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEST_MAX 60

static void expr_or(struct l4_py *py, struct l4_pyval *out);
static void expr_unary(struct l4_py *py, struct l4_pyval *out);

bool l4_py_true(const struct l4_pyval *v)
{
	switch (v->kind) {
	case L4_PY_INT:
		return v->i != 0;
	case L4_PY_FLOAT:
		return v->f != 0.0;
	case L4_PY_STR:
	case L4_PY_LIST:
		return v->n != 0;
	case L4_PY_NONE:
		break;
	}
	return false;
}

static size_t int_text(l4_i128 i, char *text, size_t cap)
{
	char digits[48];
	size_t n = sizeof(digits);
	bool minus = i < 0;
	digits[--n] = '\0';
	do {
		int d = (int)(i % 10);
		digits[--n] = (char)('0' + (d < 0 ? -d : d));
		i /= 10;
	} while (i);
	if (minus)
		digits[--n] = '-';
	size_t len = strlen(digits + n);
	if (len >= cap)
		len = cap - 1;
	memcpy(text, digits + n, len);
	text[len] = '\0';
	return len;
}

size_t l4_py_text(const struct l4_pyval *v, char *text, size_t cap)
{
	size_t n = 0;
	if (!cap)
		return 0;
	text[0] = '\0';
	switch (v->kind) {
	case L4_PY_INT:
		return int_text(v->i, text, cap);
	case L4_PY_FLOAT:
		n = (size_t)snprintf(text, cap, "%.12g", v->f);
		break;
	case L4_PY_STR:
		n = (size_t)snprintf(text, cap, "%.*s", (int)v->n, v->s);
		break;
	case L4_PY_NONE:
		n = (size_t)snprintf(text, cap, "None");
		break;
	case L4_PY_LIST:
		n = (size_t)snprintf(text, cap, "(");
		for (size_t i = 0; i < v->n && n + 3 < cap; i++) {
			n += l4_py_text(&v->items[i], text + n, cap - n);
			if (i + 1 < v->n && n + 3 < cap)
				n += (size_t)snprintf(text + n, cap - n, ", ");
		}
		if (n + 1 < cap)
			n += (size_t)snprintf(text + n, cap - n, ")");
		break;
	}
	return n < cap ? n : cap - 1;
}

static double to_float(const struct l4_pyval *v)
{
	return v->kind == L4_PY_FLOAT ? v->f : (double)v->i;
}

static bool is_number(const struct l4_pyval *v)
{
	return v->kind == L4_PY_INT || v->kind == L4_PY_FLOAT;
}

static void set_int(struct l4_pyval *out, l4_i128 i)
{
	*out = (struct l4_pyval){ .kind = L4_PY_INT, .i = i };
}

static void set_float(struct l4_pyval *out, double f)
{
	*out = (struct l4_pyval){ .kind = L4_PY_FLOAT, .f = f };
}

static void set_text(struct l4_py *py, struct l4_pyval *out, const char *s, size_t n)
{
	char *copy = l4_arena_strn(&py->arena, s, n);
	if (!copy)
		l4_py_fail(py, "out of memory");
	*out = (struct l4_pyval){ .kind = L4_PY_STR, .s = copy ? copy : "", .n = copy ? n : 0 };
}

/* -1, 0, 1; 2 when they cannot be compared. */
static int compare(const struct l4_pyval *a, const struct l4_pyval *b)
{
	if (a->kind == L4_PY_INT && b->kind == L4_PY_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	if (is_number(a) && is_number(b)) {
		double x = to_float(a), y = to_float(b);
		return x < y ? -1 : x > y;
	}
	if (a->kind == L4_PY_STR && b->kind == L4_PY_STR) {
		size_t n = a->n < b->n ? a->n : b->n;
		int c = n ? memcmp(a->s, b->s, n) : 0;
		if (c)
			return c < 0 ? -1 : 1;
		return a->n < b->n ? -1 : a->n > b->n;
	}
	if (a->kind == L4_PY_NONE && b->kind == L4_PY_NONE)
		return 0;
	if (a->kind == L4_PY_LIST && b->kind == L4_PY_LIST) {
		for (size_t i = 0; i < a->n && i < b->n; i++) {
			int c = compare(&a->items[i], &b->items[i]);
			if (c)
				return c;
		}
		return a->n < b->n ? -1 : a->n > b->n;
	}
	return 2;
}

/* ---- Binary operators ---- */

/* 'cwnd=%d, %s' % value: the conversions of Python that take one value each. */
static void format_text(
    struct l4_py *py, const struct l4_pyval *f, const struct l4_pyval *v, struct l4_pyval *out)
{
	char text[512];
	size_t n = 0, item = 0;
	for (size_t i = 0; i < f->n && n < sizeof(text) - 64; i++) {
		if (f->s[i] != '%' || i + 1 == f->n) {
			text[n++] = f->s[i];
			continue;
		}
		i++;
		while (i < f->n && strchr("0123456789.-+ l", f->s[i]))
			i++; /* width and precision: the text is for people */
		char c = i < f->n ? f->s[i] : '%';
		if (c == '%') {
			text[n++] = '%';
			continue;
		}
		const struct l4_pyval *a = v;
		if (v->kind == L4_PY_LIST)
			a = item < v->n ? &v->items[item] : NULL;
		item++;
		if (!a) {
			l4_py_fail(py, "not enough values for the format");
			return;
		}
		struct l4_pyval one = *a;
		if (one.kind == L4_PY_FLOAT && fabs(one.f) < 1e30 && (c == 'd' || c == 'i'))
			set_int(&one, (l4_i128)one.f);
		if ((c == 'x' || c == 'X') && one.kind == L4_PY_INT)
			n += (size_t)snprintf(
			    text + n, sizeof(text) - n, "%llx", (unsigned long long)one.i);
		else
			n += l4_py_text(&one, text + n, sizeof(text) - n);
	}
	set_text(py, out, text, n);
}

static l4_i128 floor_div(l4_i128 a, l4_i128 b)
{
	l4_i128 q = a / b;
	return a % b != 0 && (a % b < 0) != (b < 0) ? q - 1 : q;
}

static l4_i128 int_power(l4_i128 base, l4_i128 exp)
{
	l4_i128 r = 1;
	for (; exp > 0; exp--)
		r = (l4_i128)((l4_u128)r * (l4_u128)base);
	return r;
}

static void int_binary(struct l4_py *py, const char *op, l4_i128 a, l4_i128 b, struct l4_pyval *out)
{
	/* wrap instead of overflow: 128 bits hold all that tcp_info can */
	l4_u128 ua = (l4_u128)a, ub = (l4_u128)b;
	if ((op[0] == '/' || op[0] == '%') && !b) {
		l4_py_fail(py, "division by zero");
		return;
	}
	bool shift = !strcmp(op, "<<") || !strcmp(op, ">>");
	if ((shift || !strcmp(op, "**")) && (b < 0 || b > 126)) {
		l4_py_fail(py, "operand of %s out of range", op);
		return;
	}
	if (b == -1 && (!strcmp(op, "//") || !strcmp(op, "%"))) {
		set_int(out, op[0] == '%' ? 0 : (l4_i128)(0 - ua));
		return;
	}
	if (!strcmp(op, "+"))
		set_int(out, (l4_i128)(ua + ub));
	else if (!strcmp(op, "-"))
		set_int(out, (l4_i128)(ua - ub));
	else if (!strcmp(op, "*"))
		set_int(out, (l4_i128)(ua * ub));
	else if (!strcmp(op, "/"))
		set_float(out, (double)a / (double)b);
	else if (!strcmp(op, "//"))
		set_int(out, floor_div(a, b));
	else if (!strcmp(op, "%"))
		set_int(out, (l4_i128)(ua - (l4_u128)floor_div(a, b) * ub));
	else if (!strcmp(op, "<<"))
		set_int(out, (l4_i128)(ua << (unsigned)b));
	else if (!strcmp(op, ">>"))
		set_int(out, floor_div(a, (l4_i128)1 << (unsigned)b));
	else if (!strcmp(op, "&"))
		set_int(out, a & b);
	else if (!strcmp(op, "|"))
		set_int(out, a | b);
	else if (!strcmp(op, "^"))
		set_int(out, a ^ b);
	else
		set_int(out, int_power(a, b));
}

void l4_py_binary(struct l4_py *py, const char *op, const struct l4_pyval *a,
    const struct l4_pyval *b, struct l4_pyval *out)
{
	struct l4_pyval r = { .kind = L4_PY_NONE };
	if (a->kind == L4_PY_STR && !strcmp(op, "%")) {
		format_text(py, a, b, &r);
	} else if (a->kind == L4_PY_STR && b->kind == L4_PY_STR && !strcmp(op, "+")) {
		char text[512];
		int n = snprintf(text, sizeof(text), "%.*s%.*s", (int)a->n, a->s, (int)b->n, b->s);
		set_text(py, &r, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	} else if (a->kind == L4_PY_INT && b->kind == L4_PY_INT) {
		int_binary(py, op, a->i, b->i, &r);
	} else if (is_number(a) && is_number(b)) {
		double x = to_float(a), y = to_float(b);
		if ((op[0] == '/' || op[0] == '%') && y == 0.0)
			l4_py_fail(py, "division by zero");
		else if (!strcmp(op, "+"))
			set_float(&r, x + y);
		else if (!strcmp(op, "-"))
			set_float(&r, x - y);
		else if (!strcmp(op, "*"))
			set_float(&r, x * y);
		else if (!strcmp(op, "/"))
			set_float(&r, x / y);
		else if (!strcmp(op, "//"))
			set_float(&r, floor(x / y));
		else if (!strcmp(op, "%"))
			set_float(&r, x - y * floor(x / y));
		else if (!strcmp(op, "**"))
			set_float(&r, pow(x, y));
		else
			l4_py_fail(py, "'%s' wants whole numbers", op);
	} else {
		l4_py_fail(py, "'%s' does not fit its operands", op);
	}
	*out = r;
}

/* A level of left-associative binary operators; next is the level above. */
static void left_assoc(struct l4_py *py, struct l4_pyval *out, const char *const *ops,
    void (*next)(struct l4_py *, struct l4_pyval *))
{
	next(py, out);
	while (!py->bad) {
		const char *op = NULL;
		for (const char *const *o = ops; *o && !op; o++)
			if (py->kind == L4_PYT_OP && l4_py_is(py, *o))
				op = *o;
		if (!op)
			return;
		struct l4_pyval right;
		l4_py_next(py);
		next(py, &right);
		if (!py->skip && !py->bad)
			l4_py_binary(py, op, out, &right, out);
	}
}

/* ---- Built-in functions ---- */

static void call_minmax(
    struct l4_py *py, const struct l4_pyval *args, size_t n, bool max, struct l4_pyval *out)
{
	if (n == 1 && args[0].kind == L4_PY_LIST) {
		n = args[0].n;
		args = args[0].items;
	}
	if (!n) {
		l4_py_fail(py, "min and max want a value");
		return;
	}
	*out = args[0];
	for (size_t i = 1; i < n; i++) {
		int c = compare(&args[i], out);
		if (c == 2)
			l4_py_fail(py, "these values cannot be compared");
		else if (max ? c > 0 : c < 0)
			*out = args[i];
	}
}

static void call_range(
    struct l4_py *py, const struct l4_pyval *args, size_t n, struct l4_pyval *out)
{
	for (size_t i = 0; i < n; i++)
		if (args[i].kind != L4_PY_INT)
			l4_py_fail(py, "range wants whole numbers");
	if (py->bad || n < 1 || n > 3)
		return;
	l4_i128 from = n > 1 ? args[0].i : 0, to = n > 1 ? args[1].i : args[0].i;
	l4_i128 by = n > 2 ? args[2].i : 1;
	if (by == 0 || by < -1000000000 || by > 1000000000 || from < -1000000000 ||
	    from > 1000000000 || to < -1000000000 || to > 1000000000) {
		l4_py_fail(py, "range is out of range");
		return;
	}
	l4_i128 span = by > 0 ? to - from : from - to, mag = by > 0 ? by : -by;
	size_t count = span > 0 ? (size_t)((span + mag - 1) / mag) : 0;
	if (count > 100000) {
		l4_py_fail(py, "range is too long");
		return;
	}
	*out = (struct l4_pyval){ .kind = L4_PY_LIST, .n = count };
	out->items = l4_arena_alloc(&py->arena, (count + 1) * sizeof(*out->items));
	if (!out->items) {
		l4_py_fail(py, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		set_int(&out->items[i], from + (l4_i128)i * by);
}

static void call_number(
    struct l4_py *py, const char *name, const struct l4_pyval *a, size_t n, struct l4_pyval *out)
{
	if (a->kind == L4_PY_STR && (!strcmp(name, "int") || !strcmp(name, "float"))) {
		double f = strtod(a->s, NULL);
		if (name[0] == 'i')
			set_int(out, strtoll(a->s, NULL, 0));
		else
			set_float(out, f);
	} else if (!is_number(a)) {
		l4_py_fail(py, "%s() wants a number", name);
	} else if (!strcmp(name, "abs")) {
		if (a->kind == L4_PY_INT)
			set_int(out, a->i < 0 ? (l4_i128)(0 - (l4_u128)a->i) : a->i);
		else
			set_float(out, fabs(a->f));
	} else if (!strcmp(name, "float")) {
		set_float(out, to_float(a));
	} else if (!strcmp(name, "round") && n > 1) {
		double unit = pow(10, to_float(&a[1]));
		set_float(out, nearbyint(to_float(a) * unit) / unit);
	} else if (!strcmp(name, "int") || !strcmp(name, "round")) {
		double f = to_float(a);
		if (a->kind == L4_PY_FLOAT && !(fabs(f) < 1e30))
			l4_py_fail(py, "%s() of a number that is too large", name);
		else
			set_int(out, a->kind == L4_PY_INT ? a->i
				     : name[0] == 'r'     ? (l4_i128)nearbyint(f)
							  : (l4_i128)f);
	} else {
		char text[40];
		int len = snprintf(text, sizeof(text), "0x%llx", (unsigned long long)a->i);
		set_text(py, out, text, (size_t)len);
	}
}

static void call(
    struct l4_py *py, const char *name, const struct l4_pyval *args, size_t n, struct l4_pyval *out)
{
	static const char *const numeric[] = { "abs", "int", "float", "round", "hex" };
	set_int(out, 0);
	out->kind = L4_PY_NONE;
	for (size_t i = 0; n && i < sizeof(numeric) / sizeof(numeric[0]); i++) {
		if (!strcmp(name, numeric[i])) {
			call_number(py, name, args, n, out);
			return;
		}
	}
	if (!strcmp(name, "min") || !strcmp(name, "max")) {
		call_minmax(py, args, n, name[1] == 'a', out);
	} else if (!strcmp(name, "range")) {
		call_range(py, args, n, out);
	} else if (!strcmp(name, "len") && n == 1 &&
		   (args[0].kind == L4_PY_LIST || args[0].kind == L4_PY_STR)) {
		set_int(out, (l4_i128)args[0].n);
	} else if (!strcmp(name, "bool") && n == 1) {
		set_int(out, l4_py_true(&args[0]));
	} else if ((!strcmp(name, "str") || !strcmp(name, "repr")) && n == 1) {
		char text[256];
		size_t len = l4_py_text(&args[0], text, sizeof(text));
		set_text(py, out, text, len);
	} else if (!strcmp(name, "sum") && n == 1 && args[0].kind == L4_PY_LIST) {
		set_int(out, 0);
		for (size_t i = 0; i < args[0].n && !py->bad; i++)
			l4_py_binary(py, "+", out, &args[0].items[i], out);
	} else {
		l4_py_fail(py, "%s() is not known here, or not with these values", name);
	}
}

/* ---- Atoms ---- */

/* Values up to the closing bracket, which is the current token and stays. */
static size_t values(struct l4_py *py, const char *close, struct l4_pyval **out, bool *comma)
{
	struct l4_pyval local[64];
	size_t n = 0;
	*comma = false;
	*out = NULL;
	while (!py->bad && !l4_py_is(py, close)) {
		if (n == 64) {
			l4_py_fail(py, "more than 64 values");
			break;
		}
		l4_py_expr(py, &local[n++]);
		if (!l4_py_accept(py, ","))
			break;
		*comma = true;
	}
	*out = l4_arena_alloc(&py->arena, (n + 1) * sizeof(**out));
	if (!*out) {
		l4_py_fail(py, "out of memory");
		return 0;
	}
	if (n)
		memcpy(*out, local, n * sizeof(**out));
	return n;
}

static void number(struct l4_py *py, struct l4_pyval *out)
{
	char text[64];
	size_t n = 0;
	bool hex = py->tok_len > 1 && py->tok[0] == '0' && (py->tok[1] | 32) == 'x', real = false;
	for (size_t i = 0; i < py->tok_len && n < sizeof(text) - 1; i++) {
		if (py->tok[i] != '_')
			text[n++] = py->tok[i];
		if (!hex && (py->tok[i] == '.' || (py->tok[i] | 32) == 'e'))
			real = true;
	}
	text[n] = '\0';
	char *end;
	if (real)
		set_float(out, strtod(text, &end));
	else
		set_int(out, (l4_i128)strtoull(text, &end, hex ? 16 : 10));
	if (*end && *end != 'L')
		l4_py_fail(py, "'%s' is no number", text);
	l4_py_next(py);
}

static void string(struct l4_py *py, struct l4_pyval *out)
{
	char text[512];
	size_t n = 0;
	while (!py->bad && py->kind == L4_PYT_STRING) {
		for (size_t i = 1; i + 1 < py->tok_len && n < sizeof(text); i++) {
			char c = py->tok[i];
			if (c == '\\' && i + 2 < py->tok_len) {
				c = py->tok[++i];
				c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
			}
			text[n++] = c;
		}
		l4_py_next(py);
	}
	set_text(py, out, text, n);
}

static void name(struct l4_py *py, struct l4_pyval *out)
{
	char id[64];
	size_t n = py->tok_len < sizeof(id) ? py->tok_len : sizeof(id) - 1;
	memcpy(id, py->tok, n);
	id[n] = '\0';
	l4_py_next(py);
	set_int(out, 0);
	if (l4_py_is(py, "(")) {
		struct l4_pyval *args;
		bool comma;
		py->parens++;
		l4_py_next(py);
		n = values(py, ")", &args, &comma);
		py->parens--;
		l4_py_expect(py, ")");
		if (!py->skip && !py->bad)
			call(py, id, args, n, out);
		return;
	}
	if (!strcmp(id, "True") || !strcmp(id, "False")) {
		set_int(out, id[0] == 'T');
	} else if (!strcmp(id, "None")) {
		out->kind = L4_PY_NONE;
	} else if (!py->skip && !py->bad) {
		struct l4_pyval *v = l4_py_find(py, id, strlen(id));
		if (v)
			*out = *v;
		else
			l4_py_fail(py, "name '%s' is not defined", id);
	}
}

static void bracket(struct l4_py *py, struct l4_pyval *out)
{
	bool comma, square = l4_py_is(py, "[");
	struct l4_pyval *items;
	py->parens++;
	l4_py_next(py);
	size_t n = values(py, square ? "]" : ")", &items, &comma);
	py->parens--;
	l4_py_expect(py, square ? "]" : ")");
	if (py->bad)
		return;
	if (n == 1 && !comma && !square)
		*out = items[0];
	else
		*out = (struct l4_pyval){ .kind = L4_PY_LIST, .items = items, .n = n };
}

static void atom(struct l4_py *py, struct l4_pyval *out)
{
	set_int(out, 0);
	if (py->kind == L4_PYT_NUMBER) {
		number(py, out);
	} else if (py->kind == L4_PYT_STRING) {
		string(py, out);
	} else if (py->kind == L4_PYT_NAME) {
		name(py, out);
	} else if (l4_py_is(py, "(") || l4_py_is(py, "[")) {
		bracket(py, out);
	} else {
		l4_py_fail(py, "a value is wanted before '%.20s'", py->tok);
	}
	while (!py->bad && l4_py_is(py, "[")) {
		struct l4_pyval at;
		py->parens++;
		l4_py_next(py);
		l4_py_expr(py, &at);
		py->parens--;
		l4_py_expect(py, "]");
		if (py->skip || py->bad)
			continue;
		l4_i128 i = at.i < 0 ? at.i + (l4_i128)out->n : at.i;
		if (out->kind != L4_PY_LIST || at.kind != L4_PY_INT || i < 0 ||
		    i >= (l4_i128)out->n)
			l4_py_fail(py, "index out of range");
		else
			*out = out->items[i];
	}
}

/* ---- Levels ---- */

static void expr_power(struct l4_py *py, struct l4_pyval *out)
{
	atom(py, out);
	if (l4_py_accept(py, "**")) {
		struct l4_pyval right;
		expr_unary(py, &right);
		if (!py->skip && !py->bad)
			l4_py_binary(py, "**", out, &right, out);
	}
}

static void expr_unary(struct l4_py *py, struct l4_pyval *out)
{
	set_int(out, 0);
	if (++py->depth > NEST_MAX)
		l4_py_fail(py, "the expression is nested too deeply");
	bool minus = l4_py_is(py, "-"), tilde = l4_py_is(py, "~");
	if (!minus && !tilde && !l4_py_is(py, "+")) {
		if (!py->bad)
			expr_power(py, out);
		py->depth--;
		return;
	}
	l4_py_next(py);
	expr_unary(py, out);
	py->depth--;
	if (py->skip || py->bad)
		return;
	if (out->kind == L4_PY_INT && tilde)
		out->i = ~out->i;
	else if (out->kind == L4_PY_INT && minus)
		out->i = (l4_i128)(0 - (l4_u128)out->i);
	else if (out->kind == L4_PY_FLOAT && minus)
		out->f = -out->f;
	else if (!is_number(out) || tilde)
		l4_py_fail(py, "this wants a number");
}

static void expr_product(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "*", "//", "/", "%", NULL };
	left_assoc(py, out, ops, expr_unary);
}

static void expr_sum(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "+", "-", NULL };
	left_assoc(py, out, ops, expr_product);
}

static void expr_shift(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "<<", ">>", NULL };
	left_assoc(py, out, ops, expr_sum);
}

static void expr_bitand(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "&", NULL };
	left_assoc(py, out, ops, expr_shift);
}

static void expr_xor(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "^", NULL };
	left_assoc(py, out, ops, expr_bitand);
}

static void expr_bitor(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "|", NULL };
	left_assoc(py, out, ops, expr_xor);
}

static bool compare_op(
    struct l4_py *py, const char *op, const struct l4_pyval *a, const struct l4_pyval *b)
{
	if (!strcmp(op, "in") || !strcmp(op, "not in")) {
		bool found = false;
		if (b->kind != L4_PY_LIST)
			l4_py_fail(py, "'in' wants a list");
		for (size_t i = 0; b->kind == L4_PY_LIST && i < b->n; i++)
			found = found || compare(a, &b->items[i]) == 0;
		return found == (op[0] == 'i');
	}
	int c = compare(a, b);
	if (!strcmp(op, "==") || !strcmp(op, "is"))
		return c == 0;
	if (!strcmp(op, "!=") || !strcmp(op, "is not"))
		return c != 0;
	if (c == 2) {
		l4_py_fail(py, "these values cannot be compared by %s", op);
		return false;
	}
	if (op[0] == '<')
		return op[1] ? c <= 0 : c < 0;
	return op[1] ? c >= 0 : c > 0;
}

/* a < b <= c: all of them. */
static void expr_compare(struct l4_py *py, struct l4_pyval *out)
{
	static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">", "in", "is" };
	bool any = false, all = true;
	expr_bitor(py, out);
	struct l4_pyval left = *out;
	while (!py->bad) {
		const char *op = NULL;
		for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]) && !op; i++)
			if (l4_py_is(py, ops[i]))
				op = ops[i];
		bool not_in = !op && l4_py_is(py, "not") && !strncmp(py->p, " in", 3);
		if (!op && !not_in)
			break;
		l4_py_next(py);
		if (not_in) {
			l4_py_next(py);
			op = "not in";
		} else if (!strcmp(op, "is") && l4_py_accept(py, "not")) {
			op = "is not";
		}
		struct l4_pyval right;
		expr_bitor(py, &right);
		if (!py->skip && !py->bad && all)
			all = compare_op(py, op, &left, &right);
		left = right;
		any = true;
	}
	if (any)
		set_int(out, all);
}

static void expr_not(struct l4_py *py, struct l4_pyval *out)
{
	bool invert = false, any = false;
	while (l4_py_accept(py, "not")) {
		invert = !invert;
		any = true;
	}
	expr_compare(py, out);
	if (any && !py->bad)
		set_int(out, l4_py_true(out) != invert);
}

/* 'and' and 'or' give the operand that decides, as in Python. */
static void expr_and(struct l4_py *py, struct l4_pyval *out)
{
	bool saved = py->skip;
	expr_not(py, out);
	while (!py->bad && l4_py_accept(py, "and")) {
		struct l4_pyval right;
		py->skip = py->skip || !l4_py_true(out);
		expr_not(py, &right);
		if (!py->skip)
			*out = right;
	}
	py->skip = saved;
}

static void expr_or(struct l4_py *py, struct l4_pyval *out)
{
	bool saved = py->skip;
	expr_and(py, out);
	while (!py->bad && l4_py_accept(py, "or")) {
		struct l4_pyval right;
		py->skip = py->skip || l4_py_true(out);
		expr_and(py, &right);
		if (!py->skip)
			*out = right;
	}
	py->skip = saved;
}

void l4_py_expr(struct l4_py *py, struct l4_pyval *out)
{
	set_int(out, 0);
	if (!l4_py_step(py))
		return;
	if (++py->depth > NEST_MAX)
		l4_py_fail(py, "the expression is nested too deeply");
	expr_or(py, out);
	if (l4_py_accept(py, "if")) {
		/* value if condition else other */
		struct l4_pyval cond, other;
		expr_or(py, &cond);
		l4_py_expect(py, "else");
		l4_py_expr(py, &other);
		if (!py->skip && !py->bad && !l4_py_true(&cond))
			*out = other;
	}
	py->depth--;
}

void l4_py_expr_list(struct l4_py *py, struct l4_pyval *out)
{
	l4_py_expr(py, out);
	if (!l4_py_is(py, ","))
		return;
	struct l4_pyval first = *out;
	struct l4_pyval *items = l4_arena_alloc(&py->arena, 64 * sizeof(*items));
	size_t n = 1;
	if (!items) {
		l4_py_fail(py, "out of memory");
		return;
	}
	items[0] = first;
	while (l4_py_accept(py, ",") && n < 64 && py->kind != L4_PYT_NEWLINE &&
	       py->kind != L4_PYT_SEMI && py->kind != L4_PYT_END)
		l4_py_expr(py, &items[n++]);
	*out = (struct l4_pyval){ .kind = L4_PY_LIST, .items = items, .n = n };
}
