/* l4 script: a small sequence of packets sent, answers expected, values taken from them.
 *
 * A script is lines; each is read into a statement before anything is sent, so that a wrong word in
 * the last line does not come out half way. What stands in a statement behind its keyword is put
 * together and computed when it runs (script_run.c, script_value.c). */
#include <layer4/err.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/script.h"
#include "cli/signals.h"
#include "cli/stack.h"

static void usage(FILE *f)
{
	fputs(
	    "Usage: l4 script [OPTION...] FILE [NAME=VALUE...]\n\n"
	    "Runs a sequence: send packets, expect answers, take values from them. Lines:\n\n"
	    "  NAME = EXPRESSION          default NAME = VALUE    (unless given behind FILE)\n"
	    "  send PACKET                as 'l4 send'; $name.tcp.seq+1, $(expression) are put in\n"
	    "  ask NAME = PACKET          send, and call the answer NAME; no answer: the script "
	    "fails\n"
	    "  expect NAME = FILTER       the next packet that a display filter matches\n"
	    "  silence = FILTER           nothing that matches may come\n"
	    "     with 'timeout 2s', 'retry 3' (ask) before the '='; with 'try' in front they do\n"
	    "     not fail, and $ok says whether\n"
	    "  wait TIME    assert EXPRESSION    print TEXT    exit N    break\n"
	    "  repeat N [as NAME] ... end    repeat while EXPRESSION ... end\n"
	    "  if EXPRESSION ... else ... end\n\n"
	    "      --trace           print every packet of the script, both ways\n"
	    "      --check           only read the script\n"
	    "  -t, --timeout TIME    of ask, expect and silence (1s)\n",
	    f);
	fputs(sendopt_help, f);
	fputs("\nTCP by hand needs the kernel kept out, or it resets what it does not know: use\n"
	      "--shared, or an address of our own (-a). What a script leaves open is reset at its "
	      "end.\n"
	      "\nExit: 0 done, 1 an answer or an assertion failed, 2 wrong use or a wrong script, "
	      "3 the\n"
	      "system failed; or as 'exit' says.\n\n"
	      "Examples:\n"
	      "  l4 script --shared get.l4 dst=192.0.2.2\n"
	      "  l4 script -a 192.0.2.77 --trace get.l4 dst=192.0.2.2\n",
	    f);
}

bool script_fail(struct script *s, int status, const char *fmt, ...)
{
	va_list ap;
	out_flush(&s->out);
	fprintf(stderr, "l4 script: %s", s->path);
	if (s->at)
		fprintf(stderr, ":%u", s->at->line);
	fputs(": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	s->status = status;
	return false;
}

struct name *script_name(struct script *s, const char *name, bool add)
{
	for (unsigned i = 0; i < s->n_names; i++)
		if (!strcmp(s->names[i].name, name))
			return &s->names[i];
	if (!add || s->n_names == SCRIPT_NAMES || strlen(name) >= sizeof s->names[0].name)
		return NULL;
	struct name *n = &s->names[s->n_names++];
	memset(n, 0, sizeof *n);
	snprintf(n->name, sizeof n->name, "%s", name);
	return n;
}

/* ---- lines into statements ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static char *skip(char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* Takes the word at *p if it is this one. */
static bool take(char **p, const char *word)
{
	size_t n = strlen(word);
	if (strncmp(*p, word, n) || is_word((*p)[n]))
		return false;
	*p = skip(*p + n);
	return true;
}

static bool take_name(char **p, char *out, size_t cap)
{
	size_t n = 0;
	while (is_word((*p)[n]))
		n++;
	if (!n || n >= cap || isdigit((unsigned char)**p))
		return false;
	memcpy(out, *p, n);
	out[n] = 0;
	*p = skip(*p + n);
	return true;
}

static bool take_time(char **p, l4_time *out)
{
	char text[32];
	size_t n = strcspn(*p, " \t=");
	if (!n || n >= sizeof text)
		return false;
	memcpy(text, *p, n);
	text[n] = 0;
	*p = skip(*p + n);
	return stack_parse_time(out, text) == 0;
}

/* NAME, timeout, retry, up to the '='. */
static bool head(struct script *s, struct stmt *st, char **p)
{
	while (**p != '=') {
		if (take(p, "timeout")) {
			st->has_time = true;
			if (!take_time(p, &st->time))
				return script_fail(s, L4_EXIT_USAGE,
				    "a time like 2s or 500ms goes behind timeout");
		} else if (take(p, "retry")) {
			char *end;
			st->retry = strtoull(*p, &end, 10);
			if (end == *p)
				return script_fail(s, L4_EXIT_USAGE, "a number goes behind retry");
			*p = skip(end);
		} else if (st->name[0] || !take_name(p, st->name, sizeof st->name)) {
			return script_fail(s, L4_EXIT_USAGE,
			    "expected a name, timeout, retry or '=', found '%.30s'",
			    **p ? *p : "the end");
		}
	}
	*p = skip(*p + 1);
	return true;
}

static bool rest(struct script *s, struct stmt *st, char *p, const char *what)
{
	st->text = p;
	if (!*p)
		return script_fail(s, L4_EXIT_USAGE, "expected %s", what);
	return true;
}

static bool repeat(struct script *s, struct stmt *st, char *p)
{
	st->kind = ST_REPEAT;
	st->while_ = take(&p, "while");
	char *as = st->while_ ? NULL : strstr(p, " as ");
	if (as) {
		char *k = skip(as + 4);
		*as = 0;
		if (!take_name(&k, st->name, sizeof st->name) || *k)
			return script_fail(s, L4_EXIT_USAGE, "expected a name behind 'as'");
	}
	return rest(s, st, p, "how often, or 'while' and a condition");
}

static bool unknown(struct script *s, const char *p)
{
	return script_fail(s, L4_EXIT_USAGE,
	    "'%.30s' is no statement; there are: NAME = ..., default, send, ask, expect, silence, "
	    "try, "
	    "wait, assert, print, repeat, if, else, end, break, exit",
	    p);
}

static bool statement(struct script *s, struct stmt *st, char *p)
{
	char *begin = p;
	st->try_ = take(&p, "try");
	if (take(&p, "ask")) {
		st->kind = ST_ASK;
		st->retry = 2;
		return head(s, st, &p) &&
		       rest(s, st, p, "a packet, as 'ask a = ip(dst=$dst)/icmp()'");
	}
	if (take(&p, "expect")) {
		st->kind = ST_EXPECT;
		return head(s, st, &p) &&
		       rest(s, st, p, "a filter, as 'expect a = tcp.flags.syn==1'");
	}
	if (take(&p, "silence")) {
		st->kind = ST_SILENCE;
		return head(s, st, &p) &&
		       rest(s, st, p, "a filter, as 'silence = tcp.flags.reset==1'");
	}
	if (st->try_)
		return script_fail(s, L4_EXIT_USAGE, "ask, expect or silence goes behind try");
	if (take(&p, "send")) {
		st->kind = ST_SEND;
		return rest(s, st, p, "a packet, as 'send ip(dst=$dst)/icmp()'");
	}
	if (take(&p, "default")) {
		st->kind = ST_DEFAULT;
		if (!take_name(&p, st->name, sizeof st->name) || *p != '=')
			return script_fail(s, L4_EXIT_USAGE, "expected 'default NAME = VALUE'");
		return rest(s, st, skip(p + 1), "a value");
	}
	if (take(&p, "wait")) {
		st->kind = ST_WAIT;
		st->text = p;
		return take_time(&p, &st->time) ||
		       script_fail(
			   s, L4_EXIT_USAGE, "expected a time like 2s or 500ms behind wait");
	}
	if (take(&p, "assert")) {
		st->kind = ST_ASSERT;
		return rest(s, st, p, "a condition");
	}
	if (take(&p, "print")) {
		st->kind = ST_PRINT;
		st->text = p;
		return true;
	}
	if (take(&p, "repeat"))
		return repeat(s, st, p);
	if (take(&p, "if")) {
		st->kind = ST_IF;
		return rest(s, st, p, "a condition");
	}
	if (take(&p, "exit")) {
		st->kind = ST_EXIT;
		st->text = *p ? p : "0";
		return true;
	}
	if (take(&p, "else") || take(&p, "end") || take(&p, "break")) {
		st->kind = begin[0] == 'b' ? ST_BREAK : begin[1] == 'l' ? ST_ELSE : ST_END;
		return !*p || script_fail(s, L4_EXIT_USAGE, "nothing goes behind %.5s", begin);
	}
	st->kind = ST_SET;
	if (!take_name(&p, st->name, sizeof st->name) || *p != '=' || p[1] == '=')
		return unknown(s, begin);
	return rest(s, st, skip(p + 1), "a value");
}

/* Which line belongs to which: repeat and if with their end. */
static bool pair_up(struct script *s)
{
	unsigned stack[SCRIPT_DEPTH], depth = 0;
	for (unsigned i = 0; i < s->n_st; i++) {
		struct stmt *st = &s->st[i];
		s->at = st;
		if (st->kind == ST_REPEAT || st->kind == ST_IF) {
			if (depth == SCRIPT_DEPTH)
				return script_fail(
				    s, L4_EXIT_USAGE, "more than %d levels", SCRIPT_DEPTH);
			stack[depth++] = i;
		} else if (st->kind == ST_ELSE) {
			if (!depth || s->st[stack[depth - 1]].kind != ST_IF)
				return script_fail(s, L4_EXIT_USAGE, "else without if");
			s->st[stack[depth - 1]].match = i;
			stack[depth - 1] = i;
		} else if (st->kind == ST_END) {
			if (!depth)
				return script_fail(s, L4_EXIT_USAGE, "end without repeat or if");
			st->from = stack[--depth];
			s->st[st->from].match = i;
		} else if (st->kind == ST_BREAK) {
			unsigned k = depth;
			while (k && s->st[stack[k - 1]].kind != ST_REPEAT)
				k--;
			if (!k)
				return script_fail(s, L4_EXIT_USAGE, "break without repeat");
			st->from = stack[k - 1];
		}
	}
	if (depth) {
		s->at = &s->st[stack[depth - 1]];
		return script_fail(s, L4_EXIT_USAGE, "this has no end");
	}
	s->at = NULL;
	return true;
}

/* Cuts off a comment, which begins with '#' at the start or behind white space, outside of "...".
 */
static void strip(char *line)
{
	bool quoted = false;
	for (char *p = line; *p; p++) {
		if (*p == '\\' && quoted && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '#' && !quoted && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
			*p = 0;
			break;
		}
	}
	size_t n = strlen(line);
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		line[--n] = 0;
}

static bool parse(struct script *s)
{
	unsigned line = 0;
	s->st = calloc(SCRIPT_LINES, sizeof *s->st);
	if (!s->st)
		return script_fail(s, L4_EXIT_SYSTEM, "no memory");
	for (char *p = s->file, *next; p; p = next) {
		unsigned first = ++line;
		char *end = strchr(p, '\n');
		/* A backslash at the end of a line joins the next to it. */
		while (end && end > p && end[-1] == '\\') {
			end[-1] = end[0] = ' ';
			line++;
			end = strchr(end, '\n');
		}
		next = end ? end + 1 : NULL;
		if (end)
			*end = 0;
		char *text = skip(p);
		strip(text);
		if (!*text)
			continue;
		if (s->n_st == SCRIPT_LINES)
			return script_fail(
			    s, L4_EXIT_USAGE, "more than %d statements", SCRIPT_LINES);
		struct stmt *st = &s->st[s->n_st++];
		st->line = first;
		s->at = st;
		if (!statement(s, st, text))
			return false;
	}
	return pair_up(s);
}

/* ---- the command ---- */

static char *read_all(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	size_t n = 0, cap = 1 << 20;
	char *t = f ? malloc(cap + 1) : NULL;
	if (t) {
		n = fread(t, 1, cap, f);
		t[n] = 0;
	}
	if (t && (ferror(f) || n == cap || strlen(t) != n)) {
		errno = ferror(f) ? errno : n == cap ? EFBIG : EINVAL;
		free(t);
		t = NULL;
	}
	if (f && f != stdin)
		fclose(f);
	return t;
}

static bool give(struct script *s, char *arg)
{
	char *eq = strchr(arg, '='), *p = arg, name[48];
	char *end;
	if (!eq || !take_name(&p, name, sizeof name) || p != eq) {
		fprintf(stderr, "l4 script: '%s' is not NAME=VALUE\n", arg);
		return false;
	}
	struct name *n = script_name(s, name, true);
	if (!n)
		return false;
	value_free(&n->v);
	n->fixed = true;
	errno = 0;
	n->v.n = (int64_t)strtoull(eq + 1, &end, 0);
	if (!eq[1] || *end || errno)
		n->v = (struct value){
			.is_text = true, .text = strdup(eq + 1), .len = strlen(eq + 1)
		};
	return true;
}

/* 0: go on; otherwise the exit code + 1. */
static int read_options(struct script *s, int argc, char **argv, bool *check)
{
	static const struct option longs[] = { { "trace", no_argument, NULL, 1000 },
		{ "check", no_argument, NULL, 1001 }, { "timeout", required_argument, NULL, 't' },
		SENDOPT_LONG, { NULL, 0, NULL, 0 } };
	int c;
	while ((c = getopt_long(argc, argv, "t:" SENDOPT_SHORT, longs, NULL)) != -1) {
		int k = sendopt_take(&s->o, "script", c, optarg);
		if (k < 0)
			return L4_EXIT_USAGE + 1;
		if (c == 1000)
			s->trace = true;
		else if (c == 1001)
			*check = true;
		else if (c == 't' && !sendopt_time(&s->timeout, "script", optarg))
			return L4_EXIT_USAGE + 1;
		else if (c == 'h') {
			usage(stdout);
			return L4_EXIT_DONE + 1;
		} else if (c == '?')
			return L4_EXIT_USAGE + 1;
	}
	if (optind == argc) {
		fprintf(stderr, "l4 script: no file; see 'l4 script --help'\n");
		return L4_EXIT_USAGE + 1;
	}
	for (int i = optind + 1; i < argc; i++)
		if (!give(s, argv[i]))
			return L4_EXIT_USAGE + 1;
	return 0;
}

static void release(struct script *s)
{
	for (unsigned i = 0; i < s->n_names; i++) {
		value_free(&s->names[i].v);
		bound_free(s->names[i].p);
	}
	for (unsigned i = 0; i < SCRIPT_LOG; i++)
		free(s->log[i].data);
	l4_dissect_free(s->trace_d);
	free(s->st);
	free(s->file);
	free(s);
}

int cmd_script(int argc, char **argv)
{
	struct script *s = calloc(1, sizeof *s);
	bool check = false;
	if (!s)
		return L4_EXIT_SYSTEM;
	sendopt_init(&s->o);
	s->timeout = L4_SEC;
	s->out.fd = STDOUT_FILENO;
	int r = read_options(s, argc, argv, &check);
	if (r) {
		release(s);
		return r - 1;
	}
	s->path = argv[optind];
	s->file = read_all(s->path);
	if (!s->file) {
		fprintf(stderr, "l4 script: %s: %s\n", s->path,
		    errno == EINVAL ? "this is no text" : strerror(errno));
		release(s);
		return L4_EXIT_SYSTEM;
	}
	if (!parse(s)) {
		r = s->status;
	} else if (!check) {
		signals_init();
		r = script_run(s);
	}
	out_flush(&s->out);
	release(s);
	return r;
}
