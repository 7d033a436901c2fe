/* Fingerprints of services: reading their file, and judging answers by them.
 *
 * The format is described in docs/fingerprints.md: blocks of lines, a `probe` block saying what to
 * send and a `service` block a pattern (PCRE2) for an answer with what it tells. Patterns are
 * compiled once, matched on bytes, and given a limit of steps, since both the answer and its length
 * are a stranger's. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/scan_services.h"

#define MATCH_STEPS 200000
#define FINDS_MAX   4

enum field { FIELD_PRODUCT, FIELD_VERSION, FIELD_INFO, FIELDS };

struct rule {
	char service[32];
	char after[128]; /* names of probes, joined by commas; empty: any */
	pcre2_code *match;
	char *text[FIELDS]; /* with $1..$9 */
	struct {
		enum field field;
		pcre2_code *re;
	} find[FINDS_MAX];
	unsigned n_find, confidence;
	bool last; /* when it fits, no later rule is looked at */
};

struct scan_fingerprints {
	struct scan_probe *probes;
	size_t n_probes;
	struct rule *rules;
	size_t n_rules, cap_rules;
	pcre2_match_data *md;
	pcre2_match_context *mc;
};

/* --- reading ------------------------------------------------------------------------------ */

struct reader {
	struct scan_fingerprints *f;
	struct scan_probe *probe; /* the block that is open, or */
	struct rule *rule;
	char *error;
	size_t cap;
};

static int bad(struct reader *r, const char *what, const char *detail)
{
	snprintf(r->error, r->cap, "%s%s%s", what, *detail ? ": " : "", detail);
	return -1;
}

static pcre2_code *compile(struct reader *r, const char *text)
{
	int code;
	PCRE2_SIZE at;
	char why[128] = "";
	pcre2_code *re =
	    pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_DOTALL, &code, &at, NULL);
	if (re) {
		/* Fails where there is no just-in-time compiler; matching works without. */
		(void)pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
		return re;
	}
	pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
	bad(r, "pattern", why);
	return NULL;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "text with \r \n \t \0 \xNN \\ \"", the quotes included; appended to the probe. */
static int take_send(struct reader *r, const char *s)
{
	size_t len = strlen(s);
	struct scan_probe *p = r->probe;
	if (len < 2 || s[0] != '"' || s[len - 1] != '"')
		return bad(r, "send wants a text in double quotes", "");
	uint8_t *out = realloc(p->send, p->send_len + len);
	if (!out)
		return bad(r, "no memory", "");
	p->send = out;
	for (size_t i = 1; i < len - 1; i++) {
		char c = s[i];
		if (c == '\\') {
			c = s[++i];
			if (c == 'x' && i + 2 < len - 1 && hex(s[i + 1]) >= 0 &&
			    hex(s[i + 2]) >= 0) {
				c = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
				i += 2;
			} else if (strchr("rnt0\\\"", c) && c) {
				c = c == 'r'   ? '\r'
				    : c == 'n' ? '\n'
				    : c == 't' ? '\t'
				    : c == '0' ? '\0'
					       : c;
			} else {
				return bad(r,
				    "unknown escape in send; known are \\r \\n \\t \\0 \\xNN \\\\ "
				    "\\\"",
				    "");
			}
		}
		p->send[p->send_len++] = (uint8_t)c;
	}
	return 0;
}

static int open_probe(struct reader *r, char *rest)
{
	struct scan_fingerprints *f = r->f;
	char *save = NULL, *name = strtok_r(rest, " \t", &save),
	     *proto = strtok_r(NULL, " \t", &save);
	if (!name || !proto ||
	    (strcmp(proto, "tcp") && strcmp(proto, "udp") && strcmp(proto, "tls")))
		return bad(r, "probe wants a name and tcp, udp or tls", "");
	if (f->n_probes == SCAN_PROBES_MAX)
		return bad(r, "too many probes", "");
	struct scan_probe *p = &f->probes[f->n_probes++];
	snprintf(p->name, sizeof p->name, "%s", name);
	p->udp = !strcmp(proto, "udp");
	p->tls = !strcmp(proto, "tls");
	r->probe = p;
	r->rule = NULL;
	return 0;
}

static int open_service(struct reader *r, const char *name)
{
	struct scan_fingerprints *f = r->f;
	if (f->n_rules == f->cap_rules) {
		size_t cap = f->cap_rules ? f->cap_rules * 2 : 64;
		struct rule *p = realloc(f->rules, cap * sizeof *p);
		if (!p)
			return bad(r, "no memory", "");
		f->rules = p;
		f->cap_rules = cap;
	}
	struct rule *u = &f->rules[f->n_rules++];
	memset(u, 0, sizeof *u);
	snprintf(u->service, sizeof u->service, "%s", name);
	u->confidence = 10;
	r->rule = u;
	r->probe = NULL;
	return 0;
}

static int field_of(const char *word)
{
	static const char *const names[FIELDS] = { "product", "version", "info" };
	for (int i = 0; i < FIELDS; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

static int take_find(struct reader *r, char *rest)
{
	struct rule *u = r->rule;
	size_t n = strcspn(rest, " \t");
	char word[16];
	snprintf(word, sizeof word, "%.*s", (int)n, rest);
	int field = field_of(word);
	if (field < 0 || u->n_find == FINDS_MAX)
		return bad(
		    r, "find wants product, version or info, and a pattern; four at most", "");
	u->find[u->n_find].field = (enum field)field;
	u->find[u->n_find].re = compile(r, rest + n + strspn(rest + n, " \t"));
	return u->find[u->n_find++].re ? 0 : -1;
}

static int take_line(struct reader *r, const char *word, char *rest)
{
	struct rule *u = r->rule;
	const char *error;
	int field = field_of(word);
	if (!strcmp(word, "probe"))
		return open_probe(r, rest);
	if (!strcmp(word, "service"))
		return open_service(r, rest);
	if (r->probe && !strcmp(word, "ports")) {
		error = ports_set_parse(&r->probe->ports, rest, r->probe->udp ? 17 : 6);
		return error ? bad(r, error, "") : 0;
	}
	if (r->probe && !strcmp(word, "send"))
		return take_send(r, rest);
	if (!u)
		return bad(r, "this line belongs to no block", word);
	if (!strcmp(word, "after")) {
		snprintf(u->after, sizeof u->after, "%s", rest);
		return 0;
	}
	if (!strcmp(word, "match")) {
		if (u->match)
			return bad(r, "a service block has one match", "");
		u->match = compile(r, rest);
		return u->match ? 0 : -1;
	}
	if (!strcmp(word, "find"))
		return take_find(r, rest);
	if (!strcmp(word, "last")) {
		u->last = true;
		return 0;
	}
	if (!strcmp(word, "confidence")) {
		u->confidence = (unsigned)strtoul(rest, NULL, 10);
		return u->confidence >= 1 && u->confidence <= 10
			   ? 0
			   : bad(r, "confidence is 1 to 10", rest);
	}
	if (field < 0)
		return bad(r, "unknown word", word);
	free(u->text[field]);
	u->text[field] = strdup(rest);
	return u->text[field] ? 0 : bad(r, "no memory", "");
}

static FILE *open_file(const char *path, char *name, size_t cap)
{
	const char *env = getenv("L4_FINGERPRINTS");
	char exe[512];
	if (!path && env && *env)
		path = env;
	if (path) {
		snprintf(name, cap, "%s", path);
		return fopen(path, "re");
	}
	snprintf(name, cap, "%s", L4_DATADIR "/fingerprints");
	FILE *f = fopen(name, "re");
	/* In the build folder: the source tree is one above. */
	ssize_t n = f ? -1 : readlink("/proc/self/exe", exe, sizeof exe - 1);
	if (n > 0) {
		exe[n] = 0;
		char *slash = strrchr(exe, '/');
		char other[600];
		*slash = 0;
		snprintf(other, sizeof other, "%s/../data/fingerprints", exe);
		f = fopen(other, "re");
		if (f)
			snprintf(name, cap, "%s", other);
	}
	return f;
}

static int check(struct scan_fingerprints *f, char *error, size_t cap)
{
	for (size_t i = 0; i < f->n_rules; i++)
		if (!f->rules[i].match) {
			snprintf(error, cap, "service %s (block %zu) has no match",
			    f->rules[i].service, i + 1);
			return -1;
		}
	f->md = pcre2_match_data_create(16, NULL);
	f->mc = pcre2_match_context_create(NULL);
	if (!f->md || !f->mc || !f->n_rules) {
		snprintf(error, cap, "no memory, or no service in the file");
		return -1;
	}
	pcre2_set_match_limit(f->mc, MATCH_STEPS);
	return 0;
}

struct scan_fingerprints *scan_fingerprints_load(const char *path, char *error, size_t cap)
{
	char name[700], why[200], *line = NULL;
	size_t size = 0;
	int number = 0, r = 0;
	FILE *in = open_file(path, name, sizeof name);
	if (!in) {
		snprintf(error, cap, "fingerprints %s: %s", name, strerror(errno));
		return NULL;
	}
	struct scan_fingerprints *f = calloc(1, sizeof *f);
	if (f)
		f->probes = calloc(SCAN_PROBES_MAX, sizeof *f->probes);
	struct reader rd = { .f = f, .error = why, .cap = sizeof why };
	while (f && f->probes && r == 0 && getline(&line, &size, in) >= 0) {
		number++;
		char *p = line + strspn(line, " \t");
		p[strcspn(p, "\r\n")] = 0;
		for (size_t n = strlen(p); n && (p[n - 1] == ' ' || p[n - 1] == '\t');)
			p[--n] = 0;
		if (!*p || *p == '#')
			continue;
		size_t n = strcspn(p, " \t");
		char *rest = p + n + strspn(p + n, " \t");
		p[n] = 0;
		r = take_line(&rd, p, rest);
	}
	free(line);
	fclose(in);
	if (r < 0)
		snprintf(error, cap, "%s:%d: %s", name, number, why);
	else if (!f || !f->probes)
		snprintf(error, cap, "no memory for fingerprints");
	else
		r = check(f, error, cap);
	if (r == 0 && f && f->probes)
		return f;
	scan_fingerprints_free(f);
	return NULL;
}

void scan_fingerprints_free(struct scan_fingerprints *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_probes; i++)
		free(f->probes[i].send);
	for (size_t i = 0; i < f->n_rules; i++) {
		struct rule *u = &f->rules[i];
		pcre2_code_free(u->match);
		for (int k = 0; k < FIELDS; k++)
			free(u->text[k]);
		for (unsigned k = 0; k < u->n_find; k++)
			pcre2_code_free(u->find[k].re);
	}
	pcre2_match_data_free(f->md);
	pcre2_match_context_free(f->mc);
	free(f->probes);
	free(f->rules);
	free(f);
}

size_t scan_fingerprints_probes(const struct scan_fingerprints *f, const struct scan_probe **probes)
{
	*probes = f->probes;
	return f->n_probes;
}

/* --- judging ------------------------------------------------------------------------------ */

static bool is_after(const struct rule *u, const char *probe)
{
	size_t len = strlen(probe);
	if (!u->after[0])
		return true;
	for (const char *p = u->after; *p;) {
		size_t n = strcspn(p, ", ");
		if (n == len && !memcmp(p, probe, n))
			return true;
		p += n;
		p += strspn(p, ", ");
	}
	return false;
}

/* The groups of a match, as copied out of the answer. */
struct groups {
	const uint8_t *data;
	const PCRE2_SIZE *at;
	uint32_t n;
};

static size_t put_group(const struct groups *g, uint32_t i, char *out, size_t cap)
{
	if (i >= g->n || g->at[2 * i] == PCRE2_UNSET)
		return 0;
	size_t len = g->at[2 * i + 1] - g->at[2 * i];
	if (len >= cap)
		len = cap - 1;
	memcpy(out, g->data + g->at[2 * i], len);
	/* One line, no edges of space. */
	for (size_t k = 0; k < len; k++)
		if (isspace((unsigned char)out[k]) || !out[k])
			out[k] = ' ';
	while (len && out[len - 1] == ' ')
		len--;
	return len;
}

static void expand(const char *text, const struct groups *g, char *out, size_t cap)
{
	size_t n = 0;
	for (; *text && n + 1 < cap; text++) {
		if (text[0] == '$' && text[1] >= '0' && text[1] <= '9')
			n += put_group(g, (uint32_t)(*++text - '0'), out + n, cap - n);
		else
			out[n++] = *text;
	}
	/* What stood between empty groups. */
	while (n && strchr(" ,;/-(", out[n - 1]))
		n--;
	out[n] = 0;
}

static bool matches(const struct scan_fingerprints *f, const pcre2_code *re, const uint8_t *data,
    size_t len, struct groups *g)
{
	int r = pcre2_match(re, data, len, 0, 0, f->md, f->mc);
	if (r < 0)
		return false;
	g->data = data;
	g->at = pcre2_get_ovector_pointer(f->md);
	g->n = r == 0 ? pcre2_get_ovector_count(f->md) : (uint32_t)r;
	return true;
}

unsigned scan_fingerprints_match(const struct scan_fingerprints *f, const char *probe,
    const uint8_t *data, size_t len, struct scan_service *out)
{
	for (size_t i = 0; i < f->n_rules; i++) {
		const struct rule *u = &f->rules[i];
		struct groups g;
		bool better = u->confidence > out->confidence;
		if ((!better && !u->last) || !is_after(u, probe) ||
		    !matches(f, u->match, data, len, &g))
			continue;
		if (!better)
			break;
		char *field[FIELDS] = { out->product, out->version, out->info };
		const size_t cap[FIELDS] = { sizeof out->product, sizeof out->version,
			sizeof out->info };
		snprintf(out->name, sizeof out->name, "%s", u->service);
		out->confidence = (uint8_t)u->confidence;
		for (int k = 0; k < FIELDS; k++) {
			field[k][0] = 0;
			if (u->text[k])
				expand(u->text[k], &g, field[k], cap[k]);
		}
		for (unsigned k = 0; k < u->n_find; k++)
			if (matches(f, u->find[k].re, data, len, &g)) {
				enum field x = u->find[k].field;
				size_t n = put_group(&g, 1, field[x], cap[x]);
				field[x][n] = 0;
			}
		if (out->confidence == 10 || u->last)
			break;
	}
	return out->confidence;
}
