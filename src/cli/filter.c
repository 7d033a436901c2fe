/* Display filters: a recursive-descent parser into a tree, and its evaluation over a packet's
 * items.
 *
 *   or   := and { ("||" | "or" | "xor") and }
 *   and  := not { ("&&" | "and") not }
 *   not  := ("!" | "not") not | "(" or ")" | test
 *   test := [ "any" | "all" ] operand [ "&" mask ]
 *           [ op operand | "in" "{" set "}" | "contains" value | "matches" value ]
 *   operand := field [ "[" slice "]" ] | function "(" operand ")" | literal
 *
 * A field that occurs several times matches if any occurrence does; "!=" asks that none be equal
 * (Wireshark 4), "~=" that one differs. "matches" is PCRE2 without case. Slices are of bytes:
 * [i:n], [i-j], [i], [:n], [i:], negative from the end, several with commas. Depth and number of
 * nodes are limited, so that a filter from anywhere cannot exhaust the stack. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "cli/filter.h"

#include <ctype.h>
#include <layer4/addr.h>
#include <pcre2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES_MAX = 512, DEPTH_MAX = 64, ROWS_MAX = 16, BYTES_MAX = 512, PARTS_MAX = 8 };

enum op {
	OP_EXISTS,
	OP_EQ,
	OP_NE,
	OP_ANY_NE,
	OP_GT,
	OP_GE,
	OP_LT,
	OP_LE,
	OP_BIT,
	OP_CONTAINS,
	OP_MATCHES,
	OP_IN,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_NOT
};

enum func { FN_NONE, FN_LEN, FN_COUNT, FN_LOWER, FN_UPPER, FN_STRING };

/* A literal, read in all the ways that make sense; which one is used depends on the field. */
struct value {
	bool is_num, is_real, is_bytes, is_addr;
	uint64_t num;
	bool negative;
	double real;
	uint8_t bytes[BYTES_MAX]; /* address, MAC, bytes or text */
	uint32_t n;
	uint8_t prefix; /* bits that count, of an address */
	bool quoted;
};

struct operand {
	const struct l4_field *rows[ROWS_MAX];
	unsigned n_rows;
	enum func fn;
	bool slice;
	unsigned n_parts; /* of the slice: their bytes one after the other */
	struct part {
		bool to_end;
		int from, count;
	} part[PARTS_MAX];
};

struct node {
	enum op op;
	struct node *a, *b;  /* and, or, not */
	struct operand x, y; /* y: the right side is a field as well */
	bool y_field;
	bool all;    /* every occurrence must hold, not one of them */
	bool masked; /* "field & mask == value" */
	uint64_t mask;
	struct value *v; /* one, or the set of "in": lower and upper of each */
	unsigned n_v;
	pcre2_code *re;
};

struct filter {
	struct node nodes[NODES_MAX];
	unsigned n;
	struct node *root;
	pcre2_match_data *md;
};

struct parser {
	struct filter *f;
	struct l4_dissect *d;
	const char *start, *p;
	char *err;
	size_t cap;
	unsigned depth;
};

static void *fail(struct parser *q, const char *fmt, ...)
{
	if (!q->err[0]) {
		int n = snprintf(q->err, q->cap, "at column %u: ", (unsigned)(q->p - q->start) + 1);
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(q->err + n, q->cap - (size_t)n, fmt, ap);
		va_end(ap);
	}
	return NULL;
}

static void space(struct parser *q)
{
	while (isspace((unsigned char)*q->p))
		q->p++;
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

/* Steps over a symbol or a whole word. */
static bool eat(struct parser *q, const char *s)
{
	space(q);
	size_t n = strlen(s);
	if (strncmp(q->p, s, n))
		return false;
	if (isalpha((unsigned char)s[0]) && word_char(q->p[n]))
		return false;
	q->p += n;
	return true;
}

static struct node *node(struct parser *q, enum op op)
{
	if (q->f->n == NODES_MAX)
		return fail(q, "the filter is too long");
	struct node *n = &q->f->nodes[q->f->n++];
	memset(n, 0, sizeof *n);
	n->op = op;
	return n;
}

/* ---- literals ---- */

static bool hex_bytes(const char *s, size_t n, struct value *v)
{
	uint32_t k = 0;
	size_t i = 0;
	if (n < 2)
		return false;
	while (i < n) {
		if (i + 2 > n || !isxdigit((unsigned char)s[i]) ||
		    !isxdigit((unsigned char)s[i + 1]) || k == BYTES_MAX)
			return false;
		char t[3] = { s[i], s[i + 1], 0 };
		v->bytes[k++] = (uint8_t)strtoul(t, NULL, 16);
		i += 2;
		if (i == n)
			break;
		if (s[i] != ':' && s[i] != '-' && s[i] != '.')
			return false;
		i++;
		if (i == n && k == 1)
			break; /* "aa:" is one byte */
	}
	v->n = k;
	return true;
}

/* "0011.2233.4455", Cisco's way */
static bool quad_bytes(const char *s, size_t n, struct value *v)
{
	uint32_t k = 0;
	for (size_t i = 0; i < n; i += 5) {
		if (n - i < 4 || (n - i > 4 && s[i + 4] != '.') || k + 2 > BYTES_MAX)
			return false;
		for (size_t j = i; j < i + 4; j += 2) {
			char t[3] = { s[j], s[j + 1], 0 };
			if (!isxdigit((unsigned char)t[0]) || !isxdigit((unsigned char)t[1]))
				return false;
			v->bytes[k++] = (uint8_t)strtoul(t, NULL, 16);
		}
	}
	v->n = k;
	return k >= 4;
}

static void read_word(const char *s, size_t n, struct value *v)
{
	char t[256];
	if (n >= sizeof t)
		return;
	memcpy(t, s, n);
	t[n] = 0;
	char *end;
	const char *digits = t[0] == '-' ? t + 1 : t;
	v->negative = t[0] == '-';
	if (digits[0] == '0' && (digits[1] | 32) == 'b')
		v->num = strtoull(digits + 2, &end, 2);
	else
		v->num = strtoull(digits, &end, 0);
	v->is_num = *digits && !*end;
	v->real = strtod(t, &end);
	v->is_real = t[0] && !*end;
	if (!strcmp(t, "True") || !strcmp(t, "true") || !strcmp(t, "TRUE")) {
		v->is_num = true;
		v->num = 1;
	} else if (!strcmp(t, "False") || !strcmp(t, "false") || !strcmp(t, "FALSE")) {
		v->is_num = true;
		v->num = 0;
	}
	struct l4_prefix pre;
	if (!v->is_num && strpbrk(t, ".:") && !l4_prefix_parse(&pre, t)) {
		bool four = l4_addr_is_ip4(&pre.addr);
		v->is_addr = true;
		v->n = four ? 4 : 16;
		memcpy(v->bytes, pre.addr.b + (four ? 12 : 0), v->n);
		v->prefix = (uint8_t)(four ? pre.len - 96 : pre.len);
	} else if (hex_bytes(t, n, v) || quad_bytes(t, n, v)) {
		v->is_bytes = true;
	}
}

static bool quoted(struct parser *q, struct value *v, bool raw)
{
	q->p++;
	v->quoted = true;
	while (*q->p && *q->p != '"') {
		char c = *q->p++;
		if (c == '\\' && *q->p && !raw) {
			c = *q->p++;
			if (c == 'n')
				c = '\n';
			else if (c == 'r')
				c = '\r';
			else if (c == 't')
				c = '\t';
			else if (c == 'x' && isxdigit((unsigned char)q->p[0]) &&
				 isxdigit((unsigned char)q->p[1])) {
				char t[3] = { q->p[0], q->p[1], 0 };
				c = (char)strtoul(t, NULL, 16);
				q->p += 2;
			}
		} else if (c == '\\' && raw && *q->p == '"') {
			c = *q->p++;
		}
		if (v->n == BYTES_MAX)
			return fail(q, "a string is longer than %d bytes", BYTES_MAX) != NULL;
		v->bytes[v->n++] = (uint8_t)c;
	}
	if (*q->p != '"')
		return fail(q, "a string has no end") != NULL;
	q->p++;
	return true;
}

static bool literal(struct parser *q, struct value *v)
{
	memset(v, 0, sizeof *v);
	space(q);
	if (*q->p == '"')
		return quoted(q, v, false);
	if (*q->p == 'r' && q->p[1] == '"') {
		q->p++;
		return quoted(q, v, true);
	}
	const char *s = q->p;
	while (word_char(*q->p) || *q->p == ':' || *q->p == '/') {
		if (q->p[0] == '.' && q->p[1] == '.')
			break; /* a range */
		q->p++;
	}
	if (s == q->p)
		return fail(q, "a value is missing") != NULL;
	read_word(s, (size_t)(q->p - s), v);
	if (!v->is_num && !v->is_real && !v->is_addr && !v->is_bytes) {
		/* a word: text without quotes */
		v->n = (uint32_t)(q->p - s) < BYTES_MAX ? (uint32_t)(q->p - s) : BYTES_MAX;
		memcpy(v->bytes, s, v->n);
	}
	return true;
}

/* ---- operands ---- */

static bool field(struct parser *q, struct operand *x)
{
	space(q);
	const char *s = q->p, *e = s;
	while (word_char(*e))
		e++;
	char name[128];
	if (e == s || (size_t)(e - s) >= sizeof name || isdigit((unsigned char)*s))
		return false;
	memcpy(name, s, (size_t)(e - s));
	name[e - s] = 0;
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		for (size_t k = 0; k < p->n_fields && x->n_rows < ROWS_MAX; k++)
			if (p->fields[k].name && !strcmp(p->fields[k].name, name))
				x->rows[x->n_rows++] = &p->fields[k];
	}
	if (!x->n_rows || l4_dissect_want(q->d, name))
		return false;
	q->p = e;
	return true;
}

static bool slice_part(struct parser *q, struct part *x)
{
	char *end;
	*x = (struct part){ .count = 1 };
	space(q);
	if (*q->p == ':') {
		q->p++;
		x->count = (int)strtol(q->p, &end, 10);
	} else {
		x->from = (int)strtol(q->p, &end, 10);
		if (end == q->p)
			return fail(q, "a slice needs a number") != NULL;
		q->p = end;
		if (*q->p == ':') {
			q->p++;
			if (*q->p == ']' || *q->p == ',')
				x->to_end = true, end = (char *)(uintptr_t)q->p;
			else
				x->count = (int)strtol(q->p, &end, 10);
		} else if (*q->p == '-') {
			q->p++;
			x->count = (int)strtol(q->p, &end, 10) - x->from + 1;
		}
	}
	q->p = end;
	return x->to_end || x->count > 0 || fail(q, "a slice is empty");
}

static bool slice(struct parser *q, struct operand *x)
{
	x->slice = true;
	do {
		if (x->n_parts == PARTS_MAX)
			return fail(q, "a slice has more than %d parts", PARTS_MAX) != NULL;
		if (!slice_part(q, &x->part[x->n_parts++]))
			return false;
	} while (eat(q, ","));
	return eat(q, "]") || fail(q, "a slice has no ']'");
}

static bool operand(struct parser *q, struct operand *x)
{
	static const struct {
		const char *name;
		enum func fn;
	} functions[] = { { "len", FN_LEN }, { "count", FN_COUNT }, { "lower", FN_LOWER },
		{ "upper", FN_UPPER }, { "string", FN_STRING } };
	memset(x, 0, sizeof *x);
	space(q);
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		const char *p = q->p;
		if (eat(q, functions[i].name) && eat(q, "(")) {
			if (!operand(q, x))
				return false;
			x->fn = functions[i].fn;
			return eat(q, ")") || fail(q, "a function has no ')'");
		}
		q->p = p;
	}
	if (!field(q, x))
		return false;
	if (*q->p == '[') {
		q->p++;
		return slice(q, x);
	}
	return true;
}

/* ---- the grammar ---- */

static struct node *parse_or(struct parser *q);

static bool add_value(struct parser *q, struct node *n, const struct value *v)
{
	struct value *p = realloc(n->v, (n->n_v + 1) * sizeof *p);
	if (!p)
		return fail(q, "no memory") != NULL;
	n->v = p;
	n->v[n->n_v++] = *v;
	return true;
}

static bool small_number(const char **s, int *out)
{
	char *end;
	long v = strtol(*s, &end, 10);
	if (end == *s || v < 0 || v > 9999)
		return false;
	*s = end;
	*out = (int)v;
	return true;
}

static bool day(const char **s, struct tm *t)
{
	static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
	char name[5] = "";
	int year;
	if (isalpha((unsigned char)**s)) {
		memcpy(name, *s, strnlen(*s, 4));
		const char *m = strstr(months, name);
		if (!m || strlen(name) != 4)
			return false;
		t->tm_mon = (int)(m - months) / 4;
		*s += 4;
		if (!small_number(s, &t->tm_mday) || **s != ',')
			return false;
		(*s)++;
		if (!small_number(s, &year))
			return false;
	} else {
		if (!small_number(s, &year) || *(*s)++ != '-' || !small_number(s, &t->tm_mon) ||
		    *(*s)++ != '-' || !small_number(s, &t->tm_mday))
			return false;
		t->tm_mon--;
	}
	t->tm_year = year - 1900;
	return true;
}

/* A time of day and date, in the local zone, becomes the field's nanoseconds. False: it is none. */
static bool as_time(const struct node *n, struct value *v)
{
	if (n->x.rows[0]->type != L4_FT_TIME || n->x.slice || n->x.fn != FN_NONE)
		return true;
	if (v->is_real) {
		v->num = v->negative ? 0 : (uint64_t)(v->real * 1e9 + 0.5);
		return v->is_num = true;
	}
	char text[64];
	uint32_t len = v->n < sizeof text ? v->n : (uint32_t)sizeof text - 1;
	memcpy(text, v->bytes, len);
	text[len] = 0;
	const char *s = text;
	struct tm t = { .tm_isdst = -1 };
	if (!day(&s, &t))
		return false;
	if ((*s == ' ' || *s == 'T') && isdigit((unsigned char)s[1])) {
		s++;
		if (!small_number(&s, &t.tm_hour) || *s++ != ':' || !small_number(&s, &t.tm_min))
			return false;
		if (*s == ':' && (s++, !small_number(&s, &t.tm_sec)))
			return false;
	}
	uint64_t ns = 0;
	if (*s == '.')
		for (uint64_t digit = 100000000; isdigit((unsigned char)*++s); digit /= 10)
			ns += digit * (uint64_t)(*s - '0');
	time_t seconds = mktime(&t);
	if (*s || seconds < 0)
		return false;
	v->num = (uint64_t)seconds * 1000000000 + ns;
	return v->is_num = true;
}

/* A literal that the field can never be is a slip of who wrote the filter. */
static bool fits(struct parser *q, const struct node *n, const struct value *v)
{
	const struct l4_field *f = n->x.rows[0];
	enum l4_ftype t = (enum l4_ftype)f->type;
	if (n->x.slice || n->x.fn != FN_NONE || n->op == OP_CONTAINS || n->op == OP_MATCHES)
		return true;
	if (t == L4_FT_TIME && !v->is_num)
		return fail(q, "%s is a time, as \"2026-11-21 20:15:00\"", f->name) != NULL;
	if (((t >= L4_FT_BOOL && t <= L4_FT_U64) || (t >= L4_FT_I8 && t <= L4_FT_I64) ||
		t == L4_FT_FRAME) &&
	    !v->is_num)
		return fail(q, "%s is a number", f->name) != NULL;
	if ((t == L4_FT_IP4 || t == L4_FT_IP6) &&
	    (!v->is_addr || v->n != (t == L4_FT_IP4 ? 4 : 16)))
		return fail(q, "%s is an IPv%c address", f->name, t == L4_FT_IP4 ? '4' : '6') !=
		       NULL;
	if (t == L4_FT_MAC && !v->is_bytes)
		return fail(q, "%s is a MAC address", f->name) != NULL;
	return true;
}

static struct node *set(struct parser *q, struct node *n)
{
	n->op = OP_IN;
	if (!eat(q, "{"))
		return fail(q, "'in' needs a set in braces");
	while (!eat(q, "}")) {
		struct value lo, hi;
		if (!literal(q, &lo))
			return NULL;
		hi = lo;
		if (eat(q, "..") && !literal(q, &hi))
			return NULL;
		(void)as_time(n, &lo);
		(void)as_time(n, &hi);
		if (!fits(q, n, &lo) || !fits(q, n, &hi) || !add_value(q, n, &lo) ||
		    !add_value(q, n, &hi))
			return NULL;
		(void)eat(q, ",");
		if (!*q->p)
			return fail(q, "a set has no '}'");
	}
	return n;
}

/* "& mask" behind a field. */
static bool read_mask(struct parser *q, struct node *n)
{
	space(q);
	if (!(q->p[0] == '&' && q->p[1] != '&' && (q->p++, true)) && !eat(q, "bitwise_and"))
		return true;
	struct value v;
	if (!literal(q, &v))
		return false;
	if (!v.is_num)
		return fail(q, "a mask is a number") != NULL;
	n->masked = true;
	n->mask = v.num;
	return true;
}

static struct node *test(struct parser *q)
{
	static const struct {
		const char *text;
		enum op op;
	} ops[] = { { "===", OP_EQ }, { "all_eq", OP_EQ }, { "==", OP_EQ }, { "any_eq", OP_EQ },
		{ "eq", OP_EQ }, { "!==", OP_ANY_NE }, { "all_ne", OP_NE }, { "!=", OP_NE },
		{ "ne", OP_NE }, { "~=", OP_ANY_NE }, { "any_ne", OP_ANY_NE }, { ">=", OP_GE },
		{ "ge", OP_GE }, { "<=", OP_LE }, { "le", OP_LE }, { ">", OP_GT }, { "gt", OP_GT },
		{ "<", OP_LT }, { "lt", OP_LT }, { "contains", OP_CONTAINS },
		{ "matches", OP_MATCHES }, { "~", OP_MATCHES } };
	struct node *n = node(q, OP_EXISTS);
	if (!n)
		return NULL;
	bool any = eat(q, "any");
	n->all = !any && eat(q, "all");
	const char *at = q->p;
	if (!operand(q, &n->x)) {
		q->p = at;
		space(q);
		return fail(q, "no field is named like this; 'l4 ls' lists them");
	}
	if (eat(q, "not in")) {
		struct node *s = set(q, n), *no = s ? node(q, OP_NOT) : NULL;
		if (no)
			no->a = s;
		return no;
	}
	if (eat(q, "in"))
		return set(q, n);
	if (!read_mask(q, n))
		return NULL;
	bool found = false;
	for (size_t i = 0; i < sizeof ops / sizeof ops[0] && !found; i++)
		if (eat(q, ops[i].text)) {
			n->op = ops[i].op;
			n->all |= i < 2; /* the first two ask it of all */
			found = true;
		}
	if (!found && n->masked)
		n->op = OP_BIT;
	if (!found)
		return n;
	if (n->op == OP_NE && any)
		n->op = OP_ANY_NE;
	struct value v;
	at = q->p;
	space(q);
	if (*q->p != '"' && n->op != OP_MATCHES && operand(q, &n->y)) {
		n->y_field = true;
		return n;
	}
	if (q->err[0])
		return NULL;
	q->p = at;
	if (!literal(q, &v) || !add_value(q, n, &v))
		return NULL;
	/* a name of the field's values stands for its number */
	const struct l4_value *names = n->x.rows[0]->values;
	for (; !n->v[0].is_num && names && names->name; names++)
		if (strlen(names->name) == v.n && !memcmp(names->name, v.bytes, v.n)) {
			n->v[0].is_num = true;
			n->v[0].num = names->value;
			break;
		}
	if (n->op != OP_CONTAINS && n->op != OP_MATCHES)
		(void)as_time(n, &n->v[0]);
	if (!fits(q, n, &n->v[0]))
		return NULL;
	if (n->op == OP_MATCHES) {
		int code;
		PCRE2_SIZE where;
		n->re = pcre2_compile(
		    v.bytes, v.n, PCRE2_CASELESS | PCRE2_NEVER_UTF, &code, &where, NULL);
		if (!n->re)
			return fail(q, "the regular expression is wrong at %u", (unsigned)where);
	}
	return n;
}

static struct node *parse_not(struct parser *q)
{
	if (++q->depth > DEPTH_MAX)
		return fail(q, "nested too deeply");
	struct node *n;
	space(q);
	if ((q->p[0] == '!' && q->p[1] != '=' && (q->p++, true)) || eat(q, "not")) {
		n = node(q, OP_NOT);
		if (n && !(n->a = parse_not(q)))
			n = NULL;
	} else if (eat(q, "(")) {
		n = parse_or(q);
		if (n && !eat(q, ")"))
			n = fail(q, "a ')' is missing");
	} else {
		n = test(q);
	}
	q->depth--;
	return n;
}

static struct node *join(struct parser *q, enum op op, struct node *a, struct node *b)
{
	struct node *n = a && b ? node(q, op) : NULL;
	if (n) {
		n->a = a;
		n->b = b;
	}
	return n;
}

static struct node *parse_and(struct parser *q)
{
	struct node *a = parse_not(q);
	while (a && (eat(q, "&&") || eat(q, "and")))
		a = join(q, OP_AND, a, parse_not(q));
	return a;
}

static struct node *parse_or(struct parser *q)
{
	struct node *a = parse_and(q);
	while (a) {
		if (eat(q, "||") || eat(q, "or"))
			a = join(q, OP_OR, a, parse_and(q));
		else if (eat(q, "^^") || eat(q, "xor"))
			a = join(q, OP_XOR, a, parse_and(q));
		else
			break;
	}
	return a;
}

struct filter *filter_new(struct l4_dissect *d, const char *text, char *err, size_t cap)
{
	struct filter *f = calloc(1, sizeof *f);
	struct parser q = { .f = f, .d = d, .start = text, .p = text, .err = err, .cap = cap };
	err[0] = 0;
	if (!f) {
		snprintf(err, cap, "no memory");
		return NULL;
	}
	f->md = pcre2_match_data_create(4, NULL);
	f->root = parse_or(&q);
	space(&q);
	if (f->root && *q.p)
		f->root = fail(&q, "'%s' is not understood here", q.p);
	if (!f->root) {
		if (!err[0])
			snprintf(err, cap, "not understood");
		filter_free(f);
		return NULL;
	}
	return f;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n; i++) {
		free(f->nodes[i].v);
		pcre2_code_free(f->nodes[i].re);
	}
	pcre2_match_data_free(f->md);
	free(f);
}

/* ---- evaluation ---- */

/* What an operand is for one occurrence: a number, or bytes. */
struct got {
	bool num, neg, real;
	uint64_t u;
	double d;
	const uint8_t *p;
	uint32_t n;
	uint8_t buf[BYTES_MAX];
};

static bool is_row(const struct operand *x, const struct l4_field *f)
{
	for (unsigned i = 0; i < x->n_rows; i++)
		if (x->rows[i] == f)
			return true;
	return false;
}

static void bytes_of(const struct l4_dissected *p, const struct l4_item *i, struct got *g)
{
	enum l4_ftype t = (enum l4_ftype)i->field->type;
	if (t == L4_FT_PROTOCOL) {
		const struct l4_layer *l = &p->layers[i->layer];
		g->p = l->data;
		g->n = l->caplen;
	} else if (t == L4_FT_IP4 || t == L4_FT_IP6 || t == L4_FT_MAC || t == L4_FT_BYTES ||
		   t == L4_FT_STRING) {
		g->p = i->v.p;
		g->n = t == L4_FT_IP4 ? 4 : t == L4_FT_IP6 ? 16 : t == L4_FT_MAC ? 6 : i->n;
	} else {
		g->p = i->at;
		g->n = i->at ? i->at_len : 0;
	}
}

static void cut_one(const struct part *x, struct got *g)
{
	int from = x->from < 0 ? (int)g->n + x->from : x->from;
	if (from < 0 || (uint32_t)from > g->n) {
		g->n = 0;
		return;
	}
	uint32_t left = g->n - (uint32_t)from;
	g->p += from;
	if (x->to_end)
		g->n = left;
	else
		g->n = (uint32_t)x->count > left ? 0 : (uint32_t)x->count;
}

static void cut(const struct operand *x, struct got *g)
{
	if (x->n_parts == 1) {
		cut_one(&x->part[0], g);
		return;
	}
	uint32_t n = 0;
	for (unsigned i = 0; i < x->n_parts; i++) {
		struct got one = { .p = g->p, .n = g->n };
		cut_one(&x->part[i], &one);
		if (one.n > BYTES_MAX - n)
			one.n = BYTES_MAX - n;
		if (one.n)
			memcpy(g->buf + n, one.p, one.n);
		n += one.n;
	}
	g->p = g->buf;
	g->n = n;
}

static void get(
    const struct operand *x, const struct l4_dissected *p, const struct l4_item *i, struct got *g)
{
	enum l4_ftype t = (enum l4_ftype)i->field->type;
	*g = (struct got){ .p = NULL };
	bytes_of(p, i, g);
	if (x->slice) {
		cut(x, g);
	} else if (t == L4_FT_SPAN || t == L4_FT_DOUBLE) {
		g->num = g->real = true;
		g->d = t == L4_FT_SPAN ? (double)i->v.i / 1e9 : i->v.d;
	} else if (t >= L4_FT_I8 && t <= L4_FT_I64) {
		g->num = true;
		g->neg = i->v.i < 0;
		g->u = g->neg ? 0 - (uint64_t)i->v.i : (uint64_t)i->v.i;
	} else if ((t >= L4_FT_BOOL && t <= L4_FT_U64) || t == L4_FT_FRAME || t == L4_FT_TIME) {
		g->num = true;
		g->u = i->v.u;
	}
	if (!g->num && g->n <= 8 && x->slice)
		for (uint32_t k = 0; k < g->n; k++)
			g->u = g->u << 8 | g->p[k]; /* for bitwise tests of a slice */
	if (x->fn == FN_LEN) {
		g->u = g->n;
		g->num = true;
		g->real = g->neg = false;
	} else if (x->fn == FN_STRING) {
		g->n = (uint32_t)l4_item_text(i, (char *)g->buf, sizeof g->buf);
		g->p = g->buf;
		g->num = g->real = false;
	} else if (x->fn == FN_LOWER || x->fn == FN_UPPER) {
		uint32_t n = g->n < BYTES_MAX ? g->n : BYTES_MAX;
		for (uint32_t k = 0; k < n; k++)
			g->buf[k] =
			    (uint8_t)(x->fn == FN_LOWER ? tolower(g->p[k]) : toupper(g->p[k]));
		g->p = g->buf;
		g->n = n;
	}
}

static int sign(bool less, bool more)
{
	return more - less;
}

static int order_bytes(const uint8_t *a, uint32_t an, const uint8_t *b, uint32_t bn)
{
	uint32_t n = an < bn ? an : bn;
	int c = n ? memcmp(a, b, n) : 0;
	return c ? c : sign(an<bn, an> bn);
}

/* The order of an occurrence and a literal; false: they cannot be compared. */
static bool compare(const struct got *g, const struct value *v, int *c)
{
	if (g->num && g->real) {
		*c = sign(g->d<v->real, g->d> v->real);
		return v->is_real;
	}
	if (g->num) {
		if (!v->is_num)
			return false;
		if (g->neg != v->negative)
			*c = g->neg ? -1 : 1;
		else
			*c = sign(g->u<v->num, g->u> v->num) * (g->neg ? -1 : 1);
		return true;
	}
	if (v->is_addr && g->n == v->n) {
		/* only the bits of the prefix count */
		uint8_t a[16], b[16];
		for (uint32_t i = 0; i < v->n; i++) {
			unsigned bits = v->prefix > 8 * i ? v->prefix - 8 * i : 0;
			uint8_t m = bits >= 8 ? 0xff : (uint8_t)(0xff00u >> bits);
			a[i] = g->p[i] & m;
			b[i] = v->bytes[i] & m;
		}
		*c = memcmp(a, b, v->n);
		return true;
	}
	if (v->is_num && !v->is_bytes && g->n == 1) {
		*c = sign(g->p[0]<v->num, g->p[0]> v->num);
		return true;
	}
	if (v->is_num && v->is_bytes && g->n == 1 && v->n != 1) {
		*c = sign(g->p[0]<v->num, g->p[0]> v->num);
		return true;
	}
	*c = order_bytes(g->p, g->n, v->bytes, v->n);
	return true;
}

static bool holds(enum op op, int c)
{
	switch (op) {
	case OP_EQ:
	case OP_NE: /* asked the other way round */
		return c == 0;
	case OP_ANY_NE:
		return c != 0;
	case OP_GT:
		return c > 0;
	case OP_GE:
		return c >= 0;
	case OP_LT:
		return c < 0;
	case OP_LE:
		return c <= 0;
	case OP_EXISTS:
	case OP_BIT:
	case OP_CONTAINS:
	case OP_MATCHES:
	case OP_IN:
	case OP_AND:
	case OP_OR:
	case OP_XOR:
	case OP_NOT:
		break;
	}
	return false;
}

static bool holds_bytes(const uint8_t *p, uint32_t n, const uint8_t *what, uint32_t k)
{
	for (const uint8_t *end = p + n - k; p <= end; p++) {
		p = memchr(p, what[0], (size_t)(end - p) + 1);
		if (!p)
			return false;
		if (!memcmp(p, what, k))
			return true;
	}
	return false;
}

static bool one(const struct filter *f, const struct node *n, const struct got *g)
{
	int c;
	switch (n->op) {
	case OP_CONTAINS: {
		const struct value *v = &n->v[0];
		return g->p && v->n && g->n >= v->n && holds_bytes(g->p, g->n, v->bytes, v->n);
	}
	case OP_MATCHES:
		return g->p && pcre2_match(n->re, g->p, g->n, 0, 0, f->md, NULL) >= 0;
	case OP_BIT:
		return (g->num || n->x.slice) && g->u;
	case OP_IN:
		for (unsigned k = 0; k + 1 < n->n_v; k += 2) {
			int lo, hi;
			if (compare(g, &n->v[k], &lo) && compare(g, &n->v[k + 1], &hi) && lo >= 0 &&
			    hi <= 0)
				return true;
		}
		return false;
	case OP_EXISTS:
	case OP_EQ:
	case OP_NE:
	case OP_ANY_NE:
	case OP_GT:
	case OP_GE:
	case OP_LT:
	case OP_LE:
	case OP_AND:
	case OP_OR:
	case OP_XOR:
	case OP_NOT:
		break;
	}
	return compare(g, &n->v[0], &c) && holds(n->op, c);
}

static bool two_fields(const struct node *n, const struct l4_dissected *p, const struct got *g)
{
	for (uint32_t k = 0; k < p->n_items; k++) {
		if (!is_row(&n->y, p->items[k].field))
			continue;
		struct got h;
		get(&n->y, p, &p->items[k], &h);
		int c;
		if (g->num && h.num && !g->real && !h.real)
			c = sign(g->u<h.u, g->u> h.u);
		else if (g->real && h.real)
			c = sign(g->d<h.d, g->d> h.d);
		else
			c = order_bytes(g->p, g->n, h.p, h.n);
		if (holds(n->op, c))
			return true;
	}
	return false;
}

static bool eval_test(const struct filter *f, const struct node *n, const struct l4_dissected *p)
{
	uint64_t count = 0;
	for (uint32_t k = 0; k < p->n_items; k++) {
		const struct l4_item *i = &p->items[k];
		if (!is_row(&n->x, i->field))
			continue;
		count++;
		if (n->x.fn == FN_COUNT)
			continue;
		struct got g;
		get(&n->x, p, i, &g);
		if (n->op == OP_EXISTS) {
			if (!n->x.slice || g.n)
				return true;
			continue;
		}
		if (n->masked) {
			g.u &= n->mask;
			g.num = g.num || n->x.slice;
		}
		bool held = n->y_field ? two_fields(n, p, &g) : one(f, n, &g);
		if (n->all && n->op != OP_NE) {
			if (!held)
				return false;
		} else if (held) {
			return n->op != OP_NE;
		}
	}
	if (n->all && n->op != OP_NE && n->x.fn != FN_COUNT)
		return count;
	if (n->x.fn == FN_COUNT && n->n_v) {
		struct got g = { .num = true, .u = count };
		return one(f, n, &g) != (n->op == OP_NE);
	}
	return n->op == OP_NE && count;
}

static bool eval(const struct filter *f, const struct node *n, const struct l4_dissected *p)
{
	switch (n->op) {
	case OP_AND:
		return eval(f, n->a, p) && eval(f, n->b, p);
	case OP_OR:
		return eval(f, n->a, p) || eval(f, n->b, p);
	case OP_XOR:
		return eval(f, n->a, p) != eval(f, n->b, p);
	case OP_NOT:
		return !eval(f, n->a, p);
	case OP_EXISTS:
	case OP_EQ:
	case OP_NE:
	case OP_ANY_NE:
	case OP_GT:
	case OP_GE:
	case OP_LT:
	case OP_LE:
	case OP_BIT:
	case OP_CONTAINS:
	case OP_MATCHES:
	case OP_IN:
		break;
	}
	return eval_test(f, n, p);
}

bool filter_match(const struct filter *f, const struct l4_dissected *p)
{
	return eval(f, f->root, p);
}
