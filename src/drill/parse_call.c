/* The parser of system calls: name(arguments) = result [ERRNO] [(note)].
 *
 * Arguments become a small tree of values; what a structure means is decided by the call that takes
 * it, so that one rule covers pollfd, epoll_event, linger, msghdr, iovec and control messages. */
#include "drill/parse.h"

#include <string.h>

#define DEPTH_MAX 16 /* nesting of lists and structures */

static struct l4_dx *parse_value(struct l4_parser *p);

static struct l4_dx *new_dx(struct l4_parser *p, enum l4_dx_kind kind)
{
	struct l4_dx *d = l4_parse_alloc(p, sizeof(*d));
	if (!d)
		return NULL;
	d->kind = kind;
	d->line = p->t.line;
	d->num = p->t.num;
	return d;
}

/* Children up to the closing character, which is taken. */
static void parse_list(struct l4_parser *p, struct l4_dx *parent, char close)
{
	struct l4_dx **last = &parent->child;
	if (l4_parse_accept(p, close))
		return;
	do {
		struct l4_dx *d = parse_value(p);
		if (!d || p->bad)
			return;
		*last = d;
		last = &d->next;
		parent->n++;
	} while (l4_parse_accept(p, ','));
	l4_parse_expect(p, close);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Resolves C's escapes of raw[0..len) to out; returns the bytes written (never more than len). */
static size_t unescape(char *out, const char *raw, size_t len)
{
	static const char from[] = "nrt0abfv", to[] = "\n\r\t\0\a\b\f\v";
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (raw[i] != '\\' || i + 1 == len) {
			out[n++] = raw[i];
			continue;
		}
		char c = raw[++i];
		const char *f = memchr(from, c, sizeof(from) - 1);
		if (c == 'x' && i + 1 < len && hex(raw[i + 1]) >= 0) {
			int v = hex(raw[++i]);
			if (i + 1 < len && hex(raw[i + 1]) >= 0)
				v = v * 16 + hex(raw[++i]);
			out[n++] = (char)v;
		} else {
			out[n++] = f ? to[f - from] : c;
		}
	}
	return n;
}

/* "a" "b" "c": joined. */
static struct l4_dx *parse_string(struct l4_parser *p)
{
	struct l4_dx *d = new_dx(p, L4_DX_STRING);
	if (!d)
		return NULL;
	d->num = 0;
	d->str = "";
	while (!p->bad && p->t.kind == L4_TOK_STRING) {
		char *s = l4_parse_alloc(p, d->str_len + p->t.len + 1);
		if (!s)
			return d;
		memcpy(s, d->str, d->str_len);
		d->str_len += unescape(s + d->str_len, p->t.str, p->t.len);
		d->str = s;
		l4_parse_next(p);
	}
	if (!p->bad && p->t.kind == L4_TOK_ELLIPSIS) {
		d->num = 1; /* "abc"...: whatever follows */
		l4_parse_next(p);
	}
	return d;
}

/* WORD, WORD = value, WORD(args), WORD(n) = value. */
static struct l4_dx *parse_word(struct l4_parser *p)
{
	struct l4_dx *d = new_dx(p, L4_DX_WORD);
	if (!d)
		return NULL;
	d->num = 0;
	d->str = l4_parse_text(p);
	d->str_len = p->t.len;
	l4_parse_next(p);
	if (l4_parse_accept(p, '(')) {
		d->kind = L4_DX_CALL;
		parse_list(p, d, ')');
	}
	if (!l4_parse_accept(p, '='))
		return d;
	if (d->kind == L4_DX_CALL && d->child && d->child->kind == L4_DX_INT)
		d->num = d->child->num;
	d->kind = L4_DX_FIELD;
	d->child = parse_value(p);
	d->n = 1;
	return d;
}

static struct l4_dx *parse_primary(struct l4_parser *p)
{
	if (p->bad)
		return NULL;
	struct l4_dx *d = NULL;
	switch (p->t.kind) {
	case L4_TOK_ELLIPSIS:
		d = new_dx(p, L4_DX_ELLIPSIS);
		l4_parse_next(p);
		return d;
	case L4_TOK_INT:
	case L4_TOK_HEX:
		d = new_dx(p, L4_DX_INT);
		l4_parse_next(p);
		return d;
	case L4_TOK_WORD:
		return parse_word(p);
	case L4_TOK_STRING:
		return parse_string(p);
	case L4_TOK_END:
	case L4_TOK_DECIMAL:
	case L4_TOK_COMMAND:
	case L4_TOK_CODE:
	case L4_TOK_OPTION:
	case L4_TOK_PUNCT:
	case L4_TOK_BAD:
		break;
	}
	bool list = l4_parse_is(p, '[');
	if (!list && !l4_parse_is(p, '{')) {
		l4_parse_fail(p, "a value is wanted here");
		return NULL;
	}
	if (p->depth >= DEPTH_MAX) {
		l4_parse_fail(p, "values are nested too deeply");
		return NULL;
	}
	d = new_dx(p, list ? L4_DX_LIST : L4_DX_STRUCT);
	if (!d)
		return NULL;
	p->depth++;
	l4_parse_next(p);
	parse_list(p, d, list ? ']' : '}');
	p->depth--;
	return d;
}

static struct l4_dx *parse_value(struct l4_parser *p)
{
	if (p->depth >= DEPTH_MAX) {
		l4_parse_fail(p, "values are nested too deeply");
		return NULL;
	}
	p->depth++;
	struct l4_dx *first = parse_primary(p);
	if (first && l4_parse_is(p, '|')) {
		struct l4_dx *d = new_dx(p, L4_DX_OR), *last = first;
		if (d) {
			d->child = first;
			d->n = 1;
		}
		while (d && l4_parse_accept(p, '|')) {
			last->next = parse_primary(p);
			if (!last->next)
				break;
			last = last->next;
			d->n++;
		}
		first = d;
	}
	p->depth--;
	return first;
}

/* (Resource temporarily unavailable): words for the reader. */
static void skip_note(struct l4_parser *p)
{
	if (!l4_parse_is(p, '('))
		return;
	while (!p->bad && !l4_parse_is(p, ')') && p->t.kind != L4_TOK_END)
		l4_parse_next(p);
	l4_parse_expect(p, ')');
}

void l4_parse_call(struct l4_parser *p, struct l4_dcall *out)
{
	out->name = l4_parse_text(p);
	l4_parse_next(p);
	if (!l4_parse_expect(p, '('))
		return;
	struct l4_dx args = { .kind = L4_DX_LIST };
	parse_list(p, &args, ')');
	out->args = args.child;
	out->n_args = args.n;
	if (!l4_parse_expect(p, '='))
		return;
	out->result = parse_primary(p);
	if (p->bad || !out->result)
		return;
	if (out->result->kind != L4_DX_INT && out->result->kind != L4_DX_ELLIPSIS &&
	    out->result->kind != L4_DX_WORD)
		l4_parse_fail(p, "a result is a number, a name or '...'");
	if (!p->bad && p->t.kind == L4_TOK_WORD) {
		out->err = l4_parse_text(p);
		l4_parse_next(p);
	}
	skip_note(p);
}
