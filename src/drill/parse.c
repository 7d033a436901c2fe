/* The parser of packetdrill scripts: options, times, events.
 *
 * Recursive descent with one token of look-ahead. The first error sticks: every function returns
 * early once p->bad is set, and the caller looks at it once. Packets and system calls have files of
 * their own. A script owns an arena, so nothing is freed one by one. */
#include "drill/parse.h"

#include <layer4/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 16384

struct l4_arena_block {
	struct l4_arena_block *next;
	size_t used, size;
	max_align_t data[];
};

void *l4_arena_alloc(struct l4_arena *a, size_t size)
{
	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!a->head || size > a->head->size - a->head->used) {
		size_t want = size > ARENA_BLOCK ? size : ARENA_BLOCK;
		struct l4_arena_block *b = malloc(sizeof(*b) + want);
		if (!b)
			return NULL;
		*b = (struct l4_arena_block){ .next = a->head, .size = want };
		a->head = b;
	}
	void *p = (char *)a->head->data + a->head->used;
	a->head->used += size;
	return memset(p, 0, size);
}

char *l4_arena_strn(struct l4_arena *a, const char *s, size_t len)
{
	char *p = l4_arena_alloc(a, len + 1);
	if (p && len)
		memcpy(p, s, len);
	return p;
}

void l4_arena_free(struct l4_arena *a)
{
	while (a->head) {
		struct l4_arena_block *b = a->head;
		a->head = b->next;
		free(b);
	}
}

bool l4_parse_fail(struct l4_parser *p, const char *what)
{
	if (p->bad)
		return false;
	p->bad = true;
	const struct l4_token *t = &p->t;
	size_t n = (size_t)(t->end - t->at);
	p->s->err_line = t->line;
	p->s->err_col = t->col;
	if (t->kind == L4_TOK_BAD)
		snprintf(p->s->err, sizeof(p->s->err), "%s", t->str);
	else if (t->kind == L4_TOK_END)
		snprintf(p->s->err, sizeof(p->s->err), "%s, but the script ends here", what);
	else
		snprintf(p->s->err, sizeof(p->s->err), "%s, not '%.*s'", what,
		    (int)(n > 40 ? 40 : n), t->at);
	return false;
}

void l4_parse_next(struct l4_parser *p)
{
	if (p->bad)
		return;
	p->prev_end = p->t.end;
	l4_lex_next(&p->x, &p->t);
	if (p->t.kind == L4_TOK_BAD)
		l4_parse_fail(p, "");
	else if (p->t.overflow && !p->raw)
		l4_parse_fail(p, "a number of reasonable size is wanted");
}

bool l4_parse_is(const struct l4_parser *p, char punct)
{
	return !p->bad && p->t.kind == L4_TOK_PUNCT && p->t.num == punct;
}

bool l4_parse_is_word(const struct l4_parser *p, const char *word)
{
	return !p->bad && p->t.kind == L4_TOK_WORD && p->t.len == strlen(word) &&
	       !memcmp(p->t.str, word, p->t.len);
}

bool l4_parse_accept(struct l4_parser *p, char punct)
{
	if (!l4_parse_is(p, punct))
		return false;
	l4_parse_next(p);
	return true;
}

bool l4_parse_expect(struct l4_parser *p, char punct)
{
	if (l4_parse_accept(p, punct))
		return true;
	char what[] = "'?' is wanted here";
	what[1] = punct;
	return l4_parse_fail(p, what);
}

bool l4_parse_number(struct l4_parser *p, int64_t min, int64_t max, int64_t *out, const char *what)
{
	*out = 0;
	if (p->bad)
		return false;
	if ((p->t.kind != L4_TOK_INT && p->t.kind != L4_TOK_HEX) || p->t.num < min ||
	    p->t.num > max) {
		char msg[120];
		snprintf(msg, sizeof(msg), "%s is wanted here (%lld to %lld)", what, (long long)min,
		    (long long)max);
		return l4_parse_fail(p, msg);
	}
	*out = p->t.num;
	l4_parse_next(p);
	return !p->bad;
}

void *l4_parse_alloc(struct l4_parser *p, size_t size)
{
	void *m = l4_arena_alloc(&p->s->arena, size);
	if (!m) {
		p->nomem = true;
		l4_parse_fail(p, "out of memory");
	}
	return m;
}

const char *l4_parse_text(struct l4_parser *p)
{
	char *s = l4_arena_strn(&p->s->arena, p->t.str, p->t.len);
	if (!s) {
		p->nomem = true;
		l4_parse_fail(p, "out of memory");
		return "";
	}
	return s;
}

/* ---- Options ---- */

/* What stands between '=' and the next blank outside quotes. */
static const char *option_value(struct l4_parser *p, const struct l4_token *name)
{
	const char *q = name->end + 1, *start = q, *end = p->x.text + (p->x.end - p->x.text);
	char quote = 0;
	for (; q < end; q++) {
		if (quote ? *q == quote : *q == '"' || *q == '`')
			quote = quote ? 0 : *q;
		else if (!quote && (*q == ' ' || *q == '\t' || *q == '\n' || *q == '\r'))
			break;
	}
	/* go on behind the value; it holds no line ends outside quotes */
	p->x.p = q;
	for (const char *c = start; c < q; c++) {
		if (*c == '\n') {
			p->x.line++;
			p->x.line_start = c + 1;
		}
	}
	char *v = l4_arena_strn(&p->s->arena, start, (size_t)(q - start));
	if (!v) {
		p->nomem = true;
		l4_parse_fail(p, "out of memory");
		return "";
	}
	size_t n = strlen(v);
	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v[n - 1] = '\0';
		v++;
	}
	return v;
}

/* --define=NAME=value: from here on. */
static void define(struct l4_parser *p, const char *text)
{
	const char *eq = strchr(text, '=');
	if (!eq || eq == text) {
		l4_parse_fail(p, "--define wants NAME=value");
		return;
	}
	size_t n = p->x.n_defs;
	struct l4_ddef *defs = l4_parse_alloc(p, (n + 1) * sizeof(*defs));
	char *name = defs ? l4_arena_strn(&p->s->arena, text, (size_t)(eq - text)) : NULL;
	if (!name)
		return;
	/* definitions of the command line stand last: they win */
	defs[0] = (struct l4_ddef){ .name = name, .value = eq + 1 };
	if (n)
		memcpy(defs + 1, p->x.defs, n * sizeof(*defs));
	p->x.defs = defs;
	p->x.n_defs = n + 1;
}

static void parse_options(struct l4_parser *p)
{
	struct l4_dopt **last = &p->s->options;
	while (!p->bad && p->t.kind == L4_TOK_OPTION) {
		struct l4_token name = p->t;
		struct l4_dopt *o = l4_parse_alloc(p, sizeof(*o));
		if (!o)
			return;
		o->name = l4_parse_text(p);
		o->value = "";
		o->line = name.line;
		if (name.end < p->x.end && *name.end == '=')
			o->value = option_value(p, &name);
		if (!strcmp(o->name, "define"))
			define(p, o->value);
		*last = o;
		last = &o->next;
		l4_parse_next(p);
	}
}

/* ---- Times and events ---- */

static int64_t parse_time(struct l4_parser *p)
{
	if (p->bad)
		return 0;
	int64_t us = 0;
	if (p->t.kind == L4_TOK_DECIMAL && p->t.num >= 0)
		us = p->t.num;
	else if (p->t.kind == L4_TOK_INT && p->t.num >= 0 && p->t.num < INT64_MAX / 2000000)
		us = p->t.num * 1000000;
	else
		l4_parse_fail(p, "a time in seconds is wanted here");
	l4_parse_next(p);
	return us;
}

static void parse_event_time(struct l4_parser *p, struct l4_de *e)
{
	if (l4_parse_accept(p, '*')) {
		e->time_kind = L4_DT_ANY;
		return;
	}
	bool rel = l4_parse_accept(p, '+');
	e->time_kind = rel ? L4_DT_REL : L4_DT_ABS;
	e->at_us = parse_time(p);
	if (!l4_parse_accept(p, '~'))
		return;
	if (rel)
		l4_parse_expect(p, '+');
	e->time_kind = rel ? L4_DT_REL_RANGE : L4_DT_ABS_RANGE;
	e->end_us = parse_time(p);
	if (e->end_us < e->at_us)
		l4_parse_fail(p, "the range of times ends before it begins");
}

static void parse_action(struct l4_parser *p, struct l4_de *e)
{
	if (!p->bad && p->t.kind == L4_TOK_ELLIPSIS) {
		if (e->time_kind != L4_DT_ABS && e->time_kind != L4_DT_REL)
			l4_parse_fail(p, "a blocking call starts at one time, not in a range");
		l4_parse_next(p);
		e->blocking = true;
		e->end_us = parse_time(p);
		if (!p->bad && e->end_us < e->at_us)
			l4_parse_fail(p, "the call ends before it begins");
		if (!p->bad && p->t.kind != L4_TOK_WORD)
			l4_parse_fail(p, "a system call is wanted behind an end time");
	}
	if (p->bad)
		return;
	if (l4_parse_is(p, '<') || l4_parse_is(p, '>')) {
		e->kind = L4_DE_PACKET;
		l4_parse_packet(p, &e->packet);
	} else if (p->t.kind == L4_TOK_WORD) {
		e->kind = L4_DE_CALL;
		l4_parse_call(p, &e->call);
	} else if (p->t.kind == L4_TOK_COMMAND || p->t.kind == L4_TOK_CODE) {
		e->kind = p->t.kind == L4_TOK_CODE ? L4_DE_CODE : L4_DE_COMMAND;
		e->code = l4_parse_text(p);
		l4_parse_next(p);
	} else {
		l4_parse_fail(p, "a packet, a system call, a `command` or %{ code }% is wanted");
	}
	if (!p->bad && e->time_kind > L4_DT_REL && (e->kind != L4_DE_PACKET || e->packet.inbound))
		l4_parse_fail(p, "only an outbound packet may have a range of times or '*'");
}

static void parse_events(struct l4_parser *p)
{
	struct l4_de **last = &p->s->events;
	int64_t abs_us = 0;
	while (!p->bad && p->t.kind != L4_TOK_END && p->t.kind != L4_TOK_COMMAND) {
		struct l4_de *e = l4_parse_alloc(p, sizeof(*e));
		if (!e)
			return;
		e->line = p->t.line;
		e->text = p->t.at;
		parse_event_time(p, e);
		/* the line that a message names is the one where the action stands */
		if (!p->bad)
			e->line = p->t.line;
		bool abs = e->time_kind == L4_DT_ABS || e->time_kind == L4_DT_ABS_RANGE;
		if (!p->bad && abs && e->at_us < abs_us)
			l4_parse_fail(p, "this time is before that of an event further up");
		if (!p->bad && !p->s->events && e->time_kind != L4_DT_ANY && e->at_us != 0)
			l4_parse_fail(p, "the first event must be at time 0");
		if (abs)
			abs_us = e->at_us;
		parse_action(p, e);
		e->text_len = p->bad ? 0 : (size_t)(p->prev_end - e->text);
		*last = e;
		last = &e->next;
		p->s->n_events++;
	}
}

int l4_script_parse(struct l4_script *s, const char *file, const char *text, size_t len,
    const struct l4_ddef *defs, size_t n_defs)
{
	*s = (struct l4_script){ .file = file, .text = text, .text_len = len };
	struct l4_parser p = { .s = s };
	l4_lex_init(&p.x, text, len, defs, n_defs);
	l4_parse_next(&p);
	parse_options(&p);
	if (!p.bad && p.t.kind == L4_TOK_COMMAND) {
		s->init_line = p.t.line;
		s->init = l4_parse_text(&p);
		l4_parse_next(&p);
	}
	parse_events(&p);
	if (!p.bad && p.t.kind == L4_TOK_COMMAND) {
		s->cleanup = l4_parse_text(&p);
		l4_parse_next(&p);
	}
	if (!p.bad && p.t.kind != L4_TOK_END)
		l4_parse_fail(&p, "nothing may follow the clean-up command");
	if (!p.bad && !s->events)
		l4_parse_fail(&p, "at least one event is wanted");
	if (p.nomem)
		return L4_ENOMEM;
	return p.bad ? L4_EMALFORMED : 0;
}

void l4_script_free(struct l4_script *s)
{
	l4_arena_free(&s->arena);
}
