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

bool expr_add_zeros(struct parser *s, size_t n)
{
	static const uint8_t zeros[256];
	for (size_t k; n; n -= k) {
		k = n < sizeof zeros ? n : sizeof zeros;
		if (!expr_add_bytes(s, zeros, k))
			return false;
	}
	return true;
}

/* The bytes of the element taken stay, those of the others go again. */
bool expr_choice(struct parser *s, bool (*one)(struct parser *s))
{
	if (!expr_take(s, '['))
		return one(s);
	if (s->n_lists == EXPR_LISTS)
		return expr_fail(s, s->p - 1, "more than %d lists of texts", EXPR_LISTS);
	uint32_t list = s->n_lists++, k = 0;
	do {
		uint32_t start = s->x->n_bytes;
		expr_space(s);
		if (!one(s))
			return false;
		if (k++ != s->pick[list])
			s->x->n_bytes = start;
	} while (expr_take(s, ','));
	s->size[list] = k;
	return expr_expect(s, ']', "or ',' and another value");
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
	static const char from[] = "nrt0\\\"'.", to[] = "\n\r\t\0\\\"'.";
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

bool expr_text_byte(struct parser *s)
{
	uint8_t b = (uint8_t)*s->p++;
	if (b == '\\' && !escape(s, &b))
		return false;
	return expr_add_bytes(s, &b, 1);
}

bool expr_string(struct parser *s)
{
	const char *start = s->p;
	if (!expr_expect(s, '"', "at the beginning of a text"))
		return false;
	while (*s->p != '"') {
		if (!*s->p)
			return expr_fail(s, start, "this text has no closing '\"'");
		if (!expr_text_byte(s))
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

static bool raw(struct parser *s, const char *at)
{
	struct expr_layer *l = expr_add_layer(s, EXPR_RAW, at);
	uint64_t v;
	if (!l || !expr_expect(s, '(', "after raw"))
		return false;
	while (!expr_take(s, ')')) {
		if (*s->p == '"' || *s->p == '[') {
			if (!expr_choice(s, expr_string))
				return false;
		} else {
			struct word w = expr_word(s);
			if (!expr_expect(s, '=', "in raw(hex=..., zeros=..., link=...)"))
				return false;
			if (word_is(w, "hex")) {
				if (!expr_choice(s, expr_hex))
					return false;
			} else if (word_is(w, "link")) {
				if (!expr_number(s, expr_word(s), 65534, &v))
					return false;
				l->link = (uint32_t)v;
			} else if (word_is(w, "zeros")) {
				if (!expr_number(s, expr_word(s), 65535, &v) ||
				    !expr_add_zeros(s, v))
					return false;
			} else {
				return expr_fail(s, w.p,
				    "raw has no '%.*s'; expected hex, zeros or link", (int)w.n,
				    w.p);
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
	struct expr_layer *l = expr_add_layer(s, EXPR_PAD, at);
	uint64_t v = 0;
	if (!l || !expr_expect(s, '(', "after pad"))
		return false;
	struct word w = expr_word(s);
	if (word_is(w, "hex") || word_is(w, "to")) {
		if (!expr_expect(s, '=', "in pad(hex=...) or pad(to=...)"))
			return false;
		if (word_is(w, "hex")) {
			if (!expr_choice(s, expr_hex))
				return false;
		} else {
			if (!expr_number(s, expr_word(s), 65535, &v))
				return false;
			l->pad_to = (uint32_t)v;
		}
	} else {
		if (!expr_number(s, w, 65535, &v) || !expr_add_zeros(s, v))
			return false;
	}
	l->n_bytes = s->x->n_bytes - l->bytes;
	return expr_expect(s, ')', "after pad(...");
}

static bool file(struct parser *s, const char *at)
{
	struct expr_layer *l = expr_add_layer(s, EXPR_RAW, at);
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
	if (*at == '"' || *at == '[') {
		struct expr_layer *l = expr_add_layer(s, EXPR_RAW, at);
		if (!l || !expr_choice(s, expr_string))
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
	if (word_is(w, "fuzz") && fuzz) /* nor may a text make us go deep */
		return expr_fail(s, at, "fuzz() within fuzz(); one is enough");
	if (word_is(w, "fuzz"))
		return expr_expect(s, '(', "after fuzz") && chain(s, true) &&
		       expr_expect(s, ')', "or '/' and another layer");
	char name[64];
	snprintf(name, sizeof name, "%.*s", (int)(w.n < 60 ? w.n : 60), w.p);
	const struct l4_proto *p = w.n ? l4_craft_proto(name) : NULL;
	return p ? expr_protocol(s, p, at, fuzz) : unknown_protocol(s, w);
}

static bool chain(struct parser *s, bool fuzz)
{
	do {
		if (!layer(s, fuzz))
			return false;
	} while (expr_take(s, '/'));
	return true;
}

/* One reading of the text, with the elements of lists of texts that s says. */
static int read_once(struct parser *s)
{
	s->x = calloc(1, sizeof *s->x);
	s->p = s->text;
	s->n_lists = 0;
	if (!s->x)
		return L4_ENOMEM;
	if (chain(s, false)) {
		expr_space(s);
		if (*s->p)
			expr_fail(s, s->p, "found '%c'; expected '/' and another layer, or the end",
			    *s->p);
	}
	if (s->failed)
		return L4_EMALFORMED;
	struct l4_craft_expr *x = s->x;
	x->count = 1;
	for (uint32_t i = 0; i < x->n_sets; i++) {
		uint64_t n = x->sets[i].count;
		x->count = x->count > UINT64_MAX / n ? UINT64_MAX : x->count * n;
	}
	x->each = x->count;
	return craft_plan(x);
}

/* The other choices of lists of texts: the last list changes fastest. */
static int read_others(struct parser *s, struct l4_craft_expr *first, uint64_t texts)
{
	first->others = calloc(texts - 1, sizeof(struct l4_craft_expr *));
	if (!first->others)
		return L4_ENOMEM;
	for (uint64_t k = 1; k < texts; k++) {
		uint64_t rest = k;
		for (uint32_t i = s->n_lists; i-- > 0; rest /= s->size[i])
			s->pick[i] = (uint32_t)(rest % s->size[i]);
		int e = read_once(s);
		if (e < 0)
			return e;
		first->others[first->n_others++] = s->x;
	}
	first->count = first->each > UINT64_MAX / texts ? UINT64_MAX : first->each * texts;
	return 0;
}

int l4_craft_parse(struct l4_craft_expr **out, const char *text, l4_craft_load_fn *load, void *ctx,
    struct l4_craft_error *err)
{
	*out = NULL;
	*err = (struct l4_craft_error){ .column = 0 };
	struct parser s = { .text = text, .load = load, .ctx = ctx, .err = err };
	int e = read_once(&s);
	struct l4_craft_expr *first = s.x;
	uint64_t texts = 1;
	for (uint32_t i = 0; !e && i < s.n_lists; i++) {
		texts *= s.size[i];
		if (texts > EXPR_TEXTS) {
			expr_fail(&s, text, "lists of texts make %llu packets and more; at most %d",
			    (unsigned long long)texts, EXPR_TEXTS);
			e = L4_EMALFORMED;
		}
	}
	if (!e && texts > 1)
		e = read_others(&s, first, texts);
	if (e < 0) {
		if (s.x != first)
			l4_craft_free(s.x);
		l4_craft_free(first);
		return e;
	}
	*out = first;
	return 0;
}

void l4_craft_free(struct l4_craft_expr *x)
{
	if (!x)
		return;
	for (uint32_t i = 0; i < x->n_others; i++)
		l4_craft_free(x->others[i]);
	free(x->others);
	craft_plan_free(x->plan);
	free(x->layers);
	free(x->sets);
	free(x->items);
	free(x->bytes);
	free(x->wide);
	free(x);
}

uint64_t l4_craft_count(const struct l4_craft_expr *x)
{
	return x->count;
}

uint16_t l4_craft_linktype(const struct l4_craft_expr *x)
{
	const struct expr_layer *l = &x->layers[0];
	if (!x->n_layers)
		return L4_LINK_UNKNOWN;
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
