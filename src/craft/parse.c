/* Expressions of packets: text into layers with the values their fields are given.
 *
 *     expression = layer *( "/" layer )
 *     layer      = string | name [ "(" [ argument *( "," argument ) ] ")" ]
 *                | "fuzz" "(" expression ")"
 *     argument   = field "=" values | "options" "=" "[" option ... "]"
 *     values     = value | "[" value *( "," value ) "]"
 *     value      = number | name | address | low "-" high | address "/" bits | "random" | string
 *
 * One pass, no look-ahead beyond a character. Everything the text needs is held in one struct of
 * stated limits; an error stops at its first place and says what would have been right there. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craft/expr.h"

bool expr_fail(struct parser *s, const char *at, const char *fmt, ...)
{
	va_list ap;
	if (s->failed)
		return false;
	s->failed = true;
	s->err->column = (uint32_t)(at - s->text) + 1;
	va_start(ap, fmt);
	vsnprintf(s->err->text, sizeof s->err->text, fmt, ap);
	va_end(ap);
	return false;
}

void expr_space(struct parser *s)
{
	while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')
		s->p++;
}

bool expr_take(struct parser *s, char c)
{
	expr_space(s);
	if (*s->p != c)
		return false;
	s->p++;
	return true;
}

bool expr_expect(struct parser *s, char c, const char *where)
{
	if (expr_take(s, c))
		return true;
	if (!*s->p)
		return expr_fail(s, s->p, "the expression ends; expected '%c' %s", c, where);
	return expr_fail(s, s->p, "found '%c'; expected '%c' %s", *s->p, c, where);
}

struct word expr_word(struct parser *s)
{
	expr_space(s);
	struct word w = { s->p, 0 };
	w.n = strcspn(s->p, ",()[]= \t\r\n\"");
	s->p += w.n;
	return w;
}

bool word_is(struct word w, const char *text)
{
	return strlen(text) == w.n && !memcmp(w.p, text, w.n);
}

bool expr_add_bytes(struct parser *s, const void *p, size_t n)
{
	struct l4_craft_expr *x = s->x;
	if (n > EXPR_BYTES_MAX - x->n_bytes)
		return expr_fail(s, s->p, "more than %d bytes of data", EXPR_BYTES_MAX);
	if (x->n_bytes + n > x->cap_bytes) {
		size_t cap = (x->n_bytes + n) * 2;
		uint8_t *b = realloc(x->bytes, cap);
		if (!b)
			return expr_fail(s, s->p, "no memory");
		x->bytes = b;
		x->cap_bytes = (uint32_t)cap;
	}
	if (n)
		memcpy(x->bytes + x->n_bytes, p, n);
	x->n_bytes += (uint32_t)n;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One escape after the backslash: \n \r \t \0 \\ \" \' \xHH. */
static bool escape(struct parser *s, uint8_t *out)
{
	static const char from[] = "nrt0\\\"'", to[] = "\n\r\t\0\\\"'";
	char c = *s->p;
	const char *k = c ? strchr(from, c) : NULL;
	if (k) {
		*out = (uint8_t)to[k - from];
		s->p++;
		return true;
	}
	if (c == 'x' && hex_digit(s->p[1]) >= 0 && hex_digit(s->p[2]) >= 0) {
		*out = (uint8_t)(hex_digit(s->p[1]) << 4 | hex_digit(s->p[2]));
		s->p += 3;
		return true;
	}
	return expr_fail(
	    s, s->p - 1, "unknown escape; expected \\n, \\r, \\t, \\0, \\\\, \\\" or \\xHH");
}

bool expr_string(struct parser *s)
{
	const char *start = s->p;
	if (!expr_expect(s, '"', "at the beginning of a text"))
		return false;
	while (*s->p != '"') {
		uint8_t b = (uint8_t)*s->p;
		if (!b)
			return expr_fail(s, start, "this text has no closing '\"'");
		s->p++;
		if (b == '\\' && !escape(s, &b))
			return false;
		if (!expr_add_bytes(s, &b, 1))
			return false;
	}
	s->p++;
	return true;
}

bool expr_hex(struct parser *s)
{
	bool quoted = expr_take(s, '"');
	for (;;) {
		while (*s->p == ':' || (quoted && (*s->p == ' ' || *s->p == '\n')))
			s->p++;
		int h = hex_digit(*s->p);
		if (h < 0)
			break;
		int l = hex_digit(s->p[1]);
		if (l < 0)
			return expr_fail(s, s->p, "half a byte; expected two hex digits");
		uint8_t b = (uint8_t)(h << 4 | l);
		if (!expr_add_bytes(s, &b, 1))
			return false;
		s->p += 2;
	}
	if (quoted)
		return expr_expect(s, '"', "or two hex digits");
	if (*s->p && !strchr(",)] \t\n", *s->p))
		return expr_fail(s, s->p, "found '%c'; expected hex digits", *s->p);
	return true;
}

bool expr_number(struct parser *s, struct word w, uint64_t max, uint64_t *out)
{
	char t[32], *end;
	if (!w.n || w.n >= sizeof t || w.p[0] < '0' || w.p[0] > '9')
		return expr_fail(s, w.p, "expected a number, found '%.*s'",
		    w.n    ? (int)w.n
		    : *w.p ? 1
			   : 7,
		    w.n || *w.p ? w.p : "the end");
	memcpy(t, w.p, w.n);
	t[w.n] = 0;
	bool hex = w.n > 2 && t[0] == '0' && (t[1] == 'x' || t[1] == 'X');
	*out = strtoull(t, &end, hex ? 16 : 10);
	if (*end)
		return expr_fail(s, w.p + (end - t), "'%s' is not a number", t);
	if (*out > max || w.n > (hex ? 18 : 19))
		return expr_fail(
		    s, w.p, "%s is too large; at most %llu", t, (unsigned long long)max);
	return true;
}

/* ---- layers ---- */

static bool chain(struct parser *s, bool fuzz);

static struct expr_layer *add_layer(struct parser *s, enum expr_kind kind, const char *at)
{
	if (s->x->n_layers == EXPR_LAYERS) {
		expr_fail(s, at, "more than %d layers", EXPR_LAYERS);
		return NULL;
	}
	struct expr_layer *l = &s->x->layers[s->x->n_layers++];
	*l = (struct expr_layer){
		.kind = kind, .set = s->x->n_sets, .bytes = s->x->n_bytes, .link = L4_LINK_UNKNOWN
	};
	return l;
}

static bool unknown_field(struct parser *s, const struct l4_proto *p, struct word w)
{
	char name[64], near[120];
	if (!w.n)
		return expr_fail(s, w.p, "expected the name of a field of %s, or ')'", p->name);
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	if (l4_craft_nearest(p, name, near, sizeof near))
		return expr_fail(s, w.p, "%s has no field '%s'; near: %s ('l4 ls %s' lists all)",
		    p->name, name, near, p->name);
	return expr_fail(
	    s, w.p, "%s has no field '%s'; 'l4 ls %s' lists them", p->name, name, p->name);
}

/* What a question of dns(qname=, qtype=, qclass=) is made of. */
struct question {
	struct word name;
	uint64_t type, class;
	bool asked;
};

/* The value of a name in the table of this field of dns, or a number. */
static bool named(struct parser *s, const char *field, uint64_t *out)
{
	struct word w = expr_word(s);
	const struct l4_field *f = l4_field_find(field, NULL);
	for (const struct l4_value *v = f ? f->values : NULL; v && v->name; v++)
		if (word_is(w, v->name)) {
			*out = v->value;
			return true;
		}
	return expr_number(s, w, 65535, out);
}

/* Arguments that are no rows of the table. 1: taken; 0: not one of these; -1: wrong. */
static int special(struct parser *s, const struct l4_proto *p, struct word w, struct question *q)
{
	if (word_is(w, "options")) {
		if (!expr_expect(s, '=', "after the name of a field"))
			return -1;
		return expr_options(s, p) ? 1 : -1;
	}
	if (strcmp(p->name, "dns") && strcmp(p->name, "mdns") && strcmp(p->name, "llmnr"))
		return 0;
	bool name = word_is(w, "qname"), type = word_is(w, "qtype");
	if (!name && !type && !word_is(w, "qclass"))
		return 0;
	if (!expr_expect(s, '=', "after the name of a field"))
		return -1;
	q->asked = true;
	if (type)
		return named(s, "dns.qry.type", &q->type) ? 1 : -1;
	if (!name)
		return named(s, "dns.qry.class", &q->class) ? 1 : -1;
	bool quoted = expr_take(s, '"');
	q->name = expr_word(s);
	return !quoted || expr_expect(s, '"', "after the name") ? 1 : -1;
}

static bool field_argument(
    struct parser *s, const struct l4_proto *p, struct expr_layer *l, struct word w)
{
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	const struct l4_field *f = w.n ? l4_craft_field(p, name) : NULL;
	if (!f)
		return unknown_field(s, p, w);
	if (!expr_expect(s, '=', "after the name of a field"))
		return false;
	if (s->x->n_sets == EXPR_SETS)
		return expr_fail(s, w.p, "more than %d fields", EXPR_SETS);
	struct expr_set set = { .field = f };
	if (!expr_values(s, p, &set))
		return false;
	s->x->sets[s->x->n_sets++] = set;
	l->n_sets++;
	return true;
}

static bool protocol(struct parser *s, const struct l4_proto *p, const char *at, bool fuzz)
{
	struct expr_layer *l = add_layer(s, EXPR_PROTO, at);
	struct question q = { { "", 0 }, 1, 1, false };
	if (!l)
		return false;
	l->proto = p;
	l->fuzz = fuzz;
	for (uint16_t i = 1; i < p->n_fields && l->n_rows < EXPR_ROWS; i++)
		if (l4_craft_writable(&p->fields[i]) &&
		    (p->fields[i].derive || p->fields[i].def || fuzz))
			l->rows[l->n_rows++] = i;
	s->x->random |= fuzz;
	if (!p->header_bits)
		return expr_fail(
		    s, at, "%s has no header to write; use raw(hex=...) or a text", p->name);
	if (expr_take(s, '(') && !expr_take(s, ')')) {
		do {
			struct word w = expr_word(s);
			int taken = special(s, p, w, &q);
			if (taken < 0 || (!taken && !field_argument(s, p, l, w)))
				return false;
		} while (expr_take(s, ','));
		if (!expr_expect(s, ')', "or ',' and another field"))
			return false;
	}
	if (q.asked && !expr_question(s, q.name, q.type, q.class))
		return false;
	l->questions = q.asked;
	l->n_bytes = s->x->n_bytes - l->bytes;
	return true;
}

static bool raw(struct parser *s, const char *at)
{
	struct expr_layer *l = add_layer(s, EXPR_RAW, at);
	uint64_t v;
	if (!l || !expr_expect(s, '(', "after raw"))
		return false;
	while (!expr_take(s, ')')) {
		if (*s->p == '"') {
			if (!expr_string(s))
				return false;
		} else {
			struct word w = expr_word(s);
			if (!expr_expect(s, '=', "in raw(hex=..., link=...)"))
				return false;
			if (word_is(w, "hex")) {
				if (!expr_hex(s))
					return false;
			} else if (word_is(w, "link")) {
				if (!expr_number(s, expr_word(s), 65534, &v))
					return false;
				l->link = (uint32_t)v;
			} else {
				return expr_fail(s, w.p, "raw has no '%.*s'; expected hex or link",
				    (int)w.n, w.p);
			}
		}
		expr_take(s, ',');
		expr_space(s);
		if (!*s->p)
			return expr_expect(s, ')', "after raw(...");
	}
	l->n_bytes = s->x->n_bytes - l->bytes;
	return true;
}

/* pad(10): zeros; pad(to=60): up to a length of the packet; pad(hex=...). It is at the end and
 * counts in no length above the link layer. */
static bool pad(struct parser *s, const char *at)
{
	struct expr_layer *l = add_layer(s, EXPR_PAD, at);
	uint64_t v = 0;
	if (!l || !expr_expect(s, '(', "after pad"))
		return false;
	struct word w = expr_word(s);
	if (word_is(w, "hex") || word_is(w, "to")) {
		if (!expr_expect(s, '=', "in pad(hex=...) or pad(to=...)"))
			return false;
		if (word_is(w, "hex")) {
			if (!expr_hex(s))
				return false;
		} else {
			if (!expr_number(s, expr_word(s), 65535, &v))
				return false;
			l->pad_to = (uint32_t)v;
		}
	} else {
		static const uint8_t zeros[256];
		if (!expr_number(s, w, 65535, &v))
			return false;
		for (uint64_t n; v; v -= n) {
			n = v < sizeof zeros ? v : sizeof zeros;
			if (!expr_add_bytes(s, zeros, n))
				return false;
		}
	}
	l->n_bytes = s->x->n_bytes - l->bytes;
	return expr_expect(s, ')', "after pad(...");
}

static bool file(struct parser *s, const char *at)
{
	struct expr_layer *l = add_layer(s, EXPR_RAW, at);
	char path[4096];
	if (!l || !expr_expect(s, '(', "after file"))
		return false;
	expr_space(s);
	bool quoted = *s->p == '"';
	const char *name = s->p + quoted;
	size_t n = strcspn(name, quoted ? "\"" : ")");
	if (!n || n >= sizeof path || !name[n])
		return expr_fail(s, s->p, "expected the path of a file");
	memcpy(path, name, n);
	path[n] = 0;
	s->p = name + n + quoted;
	if (!s->load)
		return expr_fail(s, at, "files cannot be read here");
	uint8_t *buf = malloc(EXPR_BYTES_MAX);
	int64_t got = buf ? s->load(s->ctx, path, buf, EXPR_BYTES_MAX) : L4_ENOMEM;
	if (got < 0)
		expr_fail(s, name, "cannot read this file: %s", l4_err_text((int)got));
	else
		expr_add_bytes(s, buf, (size_t)got);
	free(buf);
	if (s->failed)
		return false;
	l->n_bytes = s->x->n_bytes - l->bytes;
	return expr_expect(s, ')', "after file(...");
}

static bool unknown_protocol(struct parser *s, struct word w)
{
	char name[64], near[120];
	if (!w.n)
		return *w.p ? expr_fail(s, w.p,
				  "found '%c'; expected a protocol (ip, tcp, ...) or a \"text\"",
				  *w.p)
			    : expr_fail(s, w.p,
				  "the expression ends; expected a protocol (ip, tcp, ...) or a "
				  "\"text\"");
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	if (l4_craft_nearest(NULL, name, near, sizeof near))
		return expr_fail(
		    s, w.p, "no protocol '%s'; near: %s ('l4 ls' lists all)", name, near);
	return expr_fail(s, w.p, "no protocol '%s'; 'l4 ls' lists them", name);
}

static bool layer(struct parser *s, bool fuzz)
{
	expr_space(s);
	const char *at = s->p;
	if (*at == '"') {
		struct expr_layer *l = add_layer(s, EXPR_RAW, at);
		if (!l || !expr_string(s))
			return false;
		l->n_bytes = s->x->n_bytes - l->bytes;
		return true;
	}
	struct word w = { at, strcspn(at, "/,()[]= \t\r\n\"") };
	s->p += w.n;
	if (word_is(w, "raw"))
		return raw(s, at);
	if (word_is(w, "pad"))
		return pad(s, at);
	if (word_is(w, "file"))
		return file(s, at);
	if (word_is(w, "fuzz"))
		return expr_expect(s, '(', "after fuzz") && chain(s, true) &&
		       expr_expect(s, ')', "or '/' and another layer");
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	const struct l4_proto *p = w.n ? l4_craft_proto(name) : NULL;
	return p ? protocol(s, p, at, fuzz) : unknown_protocol(s, w);
}

static bool chain(struct parser *s, bool fuzz)
{
	do {
		if (!layer(s, fuzz))
			return false;
	} while (expr_take(s, '/'));
	return true;
}

int l4_craft_parse(struct l4_craft_expr **out, const char *text, l4_craft_load_fn *load, void *ctx,
    struct l4_craft_error *err)
{
	*out = NULL;
	*err = (struct l4_craft_error){ .column = 0 };
	struct l4_craft_expr *x = calloc(1, sizeof *x);
	if (!x)
		return L4_ENOMEM;
	struct parser s = { .x = x, .text = text, .p = text, .load = load, .ctx = ctx, .err = err };
	if (chain(&s, false)) {
		expr_space(&s);
		if (*s.p)
			expr_fail(&s, s.p, "found '%c'; expected '/' and another layer, or the end",
			    *s.p);
	}
	if (s.failed) {
		l4_craft_free(x);
		return L4_EMALFORMED;
	}
	x->count = 1;
	for (uint32_t i = 0; i < x->n_sets; i++) {
		uint64_t n = x->sets[i].count;
		x->count = x->count > UINT64_MAX / n ? UINT64_MAX : x->count * n;
	}
	*out = x;
	return 0;
}

void l4_craft_free(struct l4_craft_expr *x)
{
	if (!x)
		return;
	free(x->items);
	free(x->bytes);
	free(x);
}

uint64_t l4_craft_count(const struct l4_craft_expr *x)
{
	return x->count;
}

uint16_t l4_craft_linktype(const struct l4_craft_expr *x)
{
	const struct expr_layer *l = &x->layers[0];
	if (l->kind == EXPR_RAW)
		return (uint16_t)l->link;
	if (l->kind != EXPR_PROTO)
		return L4_LINK_UNKNOWN;
	if (!strcmp(l->proto->name, "ip") || !strcmp(l->proto->name, "ipv6"))
		return L4_LINK_RAW;
	for (const struct l4_binding *b = l->proto->bindings; b && b->table; b++)
		if (!strcmp(b->table, "linktype"))
			return (uint16_t)b->key;
	return L4_LINK_UNKNOWN;
}
