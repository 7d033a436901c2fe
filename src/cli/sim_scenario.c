/* Scenario files: one statement a line, words between blanks, '#' begins a comment.
 *
 *   title TEXT | seed N | time T | ipv6
 *   set KEY=VALUE...                     TCP settings of every host named later
 *   host NAME [KEY=VALUE...]             with settings of its own
 *   switch NAME
 *   link A B IMPAIR [IMPAIR-BACK] [mtu=N]
 *   at T link A B IMPAIR [IMPAIR-BACK]   replaces what the link said
 *   flow NAME CLIENT SERVER KIND [KEY=VALUE...]
 *
 * Keys are rows of tables below, by the offset of what they set. Times, rates, sizes and fractions
 * are those of --impair, read by the same function. */
#include "cli/sim_scenario.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 40

struct reader {
	struct scenario *sc;
	const char *name;
	unsigned line;
	char *word[WORDS];
	unsigned n;
	char *err;
	size_t cap;
};

static int wrong(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(r->err, r->cap, "%s:%u: ", r->name, r->line);
	if (n < 0 || (size_t)n >= r->cap)
		return -1;
	va_start(ap, fmt);
	vsnprintf(r->err + n, r->cap - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* --- Values --- */

enum type { BOOL, U8, U16, U32, U64, TIME, SIZE, SIZE32, RATE, TEXT16, WHOLE };

struct key {
	const char *name;
	enum type type;
	size_t at;
};

#define T(field, type)                                              \
	{                                                           \
#field, type, offsetof(struct l4_tcp_config, field) \
	}
static const struct key tcp_keys[] = { { "cc", TEXT16, offsetof(struct l4_tcp_config, congestion) },
	T(sack, BOOL), T(dsack, BOOL), T(timestamps, BOOL), T(window_scaling, BOOL), T(ecn, U8),
	T(fastopen, U8), T(slow_start_after_idle, BOOL), T(autocorking, BOOL),
	T(moderate_rcvbuf, BOOL), T(mtu_probing, BOOL), T(frto, BOOL), T(early_tlp, BOOL),
	T(rack, BOOL), T(pacing, BOOL), T(hystart, BOOL), T(initial_window, U16),
	T(pmtu_floor, U16), T(syn_retries, U32), T(synack_retries, U32), T(retries1, U32),
	T(retries2, U32), T(orphan_retries, U32), T(reordering, U32), T(rto_min, TIME),
	T(rto_max, TIME), T(rto_init, TIME), T(delack_min, TIME), T(delack_max, TIME), T(msl, TIME),
	T(ts_tick, TIME), T(rcvbuf_default, SIZE32), T(rcvbuf_max, SIZE32),
	T(sndbuf_default, SIZE32), T(sndbuf_max, SIZE32), { NULL, BOOL, 0 } };
#undef T

static const struct key host_keys[] = { { "memory", SIZE, offsetof(struct sc_node, memory) },
	{ NULL, BOOL, 0 } };

#define F(field, type)                                        \
	{                                                     \
#field, type, offsetof(struct sc_flow, field) \
	}
static const struct key flow_keys[] = { F(cc, TEXT16), F(start, TIME), F(stop, TIME), F(size, SIZE),
	F(request, SIZE), F(response, SIZE), F(think, TIME), F(on, TIME), F(off, TIME),
	F(rate, RATE), F(count, WHOLE), F(fresh, BOOL), F(nodelay, BOOL), F(sndbuf, SIZE),
	F(rcvbuf, SIZE), { "max_rate", RATE, offsetof(struct sc_flow, max_rate) },
	{ NULL, BOOL, 0 } };
#undef F

/* Times, rates and sizes as --impair has them: through its parser. */
static int quantity(uint64_t *out, enum type t, const char *text)
{
	struct l4_impair im;
	char spec[80];
	const char *name = t == TIME ? "delay" : t == RATE ? "rate" : "queue";
	if (strchr(text, ',') ||
	    snprintf(spec, sizeof spec, "%s=%s", name, text) >= (int)sizeof spec)
		return -1;
	if (l4_impair_parse(&im, spec, NULL) < 0)
		return -1;
	*out = t == TIME ? im.delay : t == RATE ? im.rate_bytes_per_s : im.queue_bytes;
	return 0;
}

static int whole(uint64_t *out, const char *text, uint64_t max)
{
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return -1;
	unsigned long long v = strtoull(text, &end, 10);
	if (*end || v > max)
		return -1;
	*out = v;
	return 0;
}

static int boolean(bool *out, const char *text)
{
	static const char *const yes[] = { "on", "yes", "true", "1" };
	static const char *const no[] = { "off", "no", "false", "0" };
	for (int i = 0; i < 4; i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*out = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return -1;
}

static const char *store(void *base, const struct key *k, const char *text)
{
	char *p = (char *)base + k->at;
	uint64_t v;
	bool b;
	uint64_t max = k->type == U8    ? UINT8_MAX
		       : k->type == U16 ? UINT16_MAX
		       : k->type == U32 ? UINT32_MAX
					: UINT64_MAX;
	switch (k->type) {
	case BOOL:
		if (boolean(&b, text) < 0)
			return "on or off";
		memcpy(p, &b, sizeof b);
		return NULL;
	case TEXT16:
		if (!*text || strlen(text) > 15)
			return "a name";
		strcpy(p, text);
		return NULL;
	case TIME:
	case RATE:
	case SIZE:
	case SIZE32:
		if (quantity(&v, k->type, text) < 0 || (k->type == SIZE32 && v > UINT32_MAX))
			return k->type == TIME   ? "a time such as 250ms, 1.5s, 2m"
			       : k->type == RATE ? "a rate such as 10mbit"
						 : "a size such as 1500, 64k, 10m";
		break;
	case U8:
	case U16:
	case U32:
	case U64:
	case WHOLE:
		if (whole(&v, text, max) < 0)
			return "a whole number in range";
		break;
	}
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;
	if (k->type == U8)
		memcpy(p, &v8, sizeof v8);
	else if (k->type == U16)
		memcpy(p, &v16, sizeof v16);
	else if (k->type == U32 || k->type == SIZE32)
		memcpy(p, &v32, sizeof v32);
	else
		memcpy(p, &v, sizeof v);
	return NULL;
}

/* KEY=VALUE by the tables a (what it sets is at base_a) and b. */
static int assign(struct reader *r, char *word, const struct key *a, void *base_a,
    const struct key *b, void *base_b)
{
	char *eq = strchr(word, '=');
	if (!eq)
		return wrong(r, "'%s': expected KEY=VALUE", word);
	*eq = 0;
	for (int i = 0; i < 2; i++) {
		const struct key *k = i ? b : a;
		for (; k && k->name; k++) {
			if (strcmp(k->name, word) != 0)
				continue;
			const char *want = store(i ? base_b : base_a, k, eq + 1);
			return want ? wrong(r, "%s=%s: expected %s", word, eq + 1, want) : 0;
		}
	}
	return wrong(r, "'%s' is no setting here; l4-sim(1) lists them", word);
}

static bool known_cc(const char *name)
{
	return !strcmp(name, "cubic") || !strcmp(name, "reno") || !strcmp(name, "bbr");
}

/* --- Statements --- */

static int find_node(const struct scenario *sc, const char *name)
{
	for (unsigned i = 0; i < sc->n_nodes; i++)
		if (!strcmp(sc->node[i].name, name))
			return (int)i;
	return -1;
}

static int find_link(const struct scenario *sc, unsigned a, unsigned b, int *turned)
{
	for (unsigned i = 0; i < sc->n_links; i++)
		for (int t = 0; t < 2; t++)
			if (sc->link[i].end[t] == a && sc->link[i].end[1 - t] == b) {
				*turned = t;
				return (int)i;
			}
	return -1;
}

static int node_arg(struct reader *r, unsigned i, unsigned *out, bool host)
{
	int k = find_node(r->sc, r->word[i]);
	if (k < 0)
		return wrong(r, "'%s' is not known here: name it with 'host %s' first", r->word[i],
		    r->word[i]);
	if (host && r->sc->node[k].is_switch)
		return wrong(r, "'%s' is a switch: flows go between hosts", r->word[i]);
	*out = (unsigned)k;
	return 0;
}

static int st_node(struct reader *r)
{
	struct scenario *sc = r->sc;
	bool is_switch = !strcmp(r->word[0], "switch");
	if (r->n < 2)
		return wrong(r, "%s needs a name", r->word[0]);
	if (strlen(r->word[1]) >= SC_NAME)
		return wrong(r, "'%s' is longer than %d bytes", r->word[1], SC_NAME - 1);
	if (find_node(sc, r->word[1]) >= 0)
		return wrong(r, "'%s' is there already", r->word[1]);
	if (sc->n_nodes == SC_NODES)
		return wrong(r, "more than %d hosts and switches", SC_NODES);
	struct sc_node *n = &sc->node[sc->n_nodes++];
	memset(n, 0, sizeof *n);
	strcpy(n->name, r->word[1]);
	n->is_switch = is_switch;
	n->tcp = sc->base;
	if (is_switch && r->n > 2)
		return wrong(r, "a switch has no settings");
	for (unsigned i = 2; i < r->n; i++)
		if (assign(r, r->word[i], tcp_keys, &n->tcp, host_keys, n) < 0)
			return -1;
	if (!known_cc(n->tcp.congestion))
		return wrong(r, "cc=%s: there are cubic, reno and bbr", n->tcp.congestion);
	return 0;
}

static int impair_arg(struct reader *r, const char *text, struct l4_impair *out)
{
	size_t at;
	if (l4_impair_parse(out, text, &at) < 0)
		return wrong(r, "'%s': cannot read '%s'; impairments as in 'l4 demo --help'", text,
		    text + at);
	return 0;
}

/* IMPAIR [IMPAIR-BACK]; "-" or nothing: perfect, or as forward. */
static int two_ways(struct reader *r, unsigned first, unsigned n, struct l4_impair to[2])
{
	memset(to, 0, 2 * sizeof *to);
	if (n > first && strcmp(r->word[first], "-") != 0 &&
	    impair_arg(r, r->word[first], &to[0]) < 0)
		return -1;
	to[1] = to[0];
	if (n > first + 1) {
		memset(&to[1], 0, sizeof to[1]);
		if (strcmp(r->word[first + 1], "-") != 0 &&
		    impair_arg(r, r->word[first + 1], &to[1]) < 0)
			return -1;
	}
	return n > first + 2
		   ? wrong(r, "'%s': one impairment each way, no more", r->word[first + 2])
		   : 0;
}

static int st_link(struct reader *r)
{
	struct scenario *sc = r->sc;
	struct sc_link l = { .mtu = 1500 };
	int turned;
	uint64_t mtu;
	unsigned n = r->n;
	if (n < 3)
		return wrong(r, "link needs its two ends");
	if (node_arg(r, 1, &l.end[0], false) < 0 || node_arg(r, 2, &l.end[1], false) < 0)
		return -1;
	if (l.end[0] == l.end[1])
		return wrong(r, "a link from '%s' to itself", r->word[1]);
	if (find_link(sc, l.end[0], l.end[1], &turned) >= 0)
		return wrong(r, "'%s' and '%s' are linked already", r->word[1], r->word[2]);
	if (sc->n_links == SC_LINKS)
		return wrong(r, "more than %d links", SC_LINKS);
	if (!strncmp(r->word[n - 1], "mtu=", 4) && !strchr(r->word[n - 1], ',') && n > 3) {
		if (whole(&mtu, r->word[n - 1] + 4, 65535) < 0 || mtu < 576)
			return wrong(r, "%s: expected 576 to 65535", r->word[n - 1]);
		l.mtu = (uint32_t)mtu;
		n--;
	}
	if (two_ways(r, 3, n, l.to) < 0)
		return -1;
	snprintf(
	    l.name, sizeof l.name, "%.*s-%.*s", SC_NAME - 1, r->word[1], SC_NAME - 1, r->word[2]);
	sc->link[sc->n_links++] = l;
	return 0;
}

static int st_at(struct reader *r)
{
	struct scenario *sc = r->sc;
	struct sc_change c;
	unsigned a, b;
	int turned = 0, link;
	struct l4_impair to[2];
	if (r->n < 5 || strcmp(r->word[2], "link") != 0)
		return wrong(r, "expected 'at TIME link A B IMPAIR [IMPAIR-BACK]'");
	if (quantity(&c.when, TIME, r->word[1]) < 0)
		return wrong(r, "'%s': expected a time such as 250ms, 1.5s, 2m", r->word[1]);
	if (node_arg(r, 3, &a, false) < 0 || node_arg(r, 4, &b, false) < 0)
		return -1;
	if ((link = find_link(sc, a, b, &turned)) < 0)
		return wrong(r, "there is no link between '%s' and '%s'", r->word[3], r->word[4]);
	if (sc->n_changes == SC_CHANGES)
		return wrong(r, "more than %d changes", SC_CHANGES);
	if (two_ways(r, 5, r->n, to) < 0)
		return -1;
	c.link = (unsigned)link;
	c.to[turned] = to[0];
	c.to[1 - turned] = to[1];
	sc->change[sc->n_changes++] = c;
	return 0;
}

static const char *const kinds[] = { "bulk", "request", "onoff", "udp" };

const char *scenario_kind_name(enum sc_kind k)
{
	return kinds[k];
}

static int st_flow(struct reader *r)
{
	struct scenario *sc = r->sc;
	struct sc_flow f = { .stop = L4_TIME_NEVER,
		.request = 200,
		.response = 10000,
		.on = L4_SEC,
		.off = L4_SEC };
	if (r->n < 5)
		return wrong(r, "expected 'flow NAME CLIENT SERVER KIND [KEY=VALUE...]'");
	if (strlen(r->word[1]) >= SC_NAME)
		return wrong(r, "'%s' is longer than %d bytes", r->word[1], SC_NAME - 1);
	for (unsigned i = 0; i < sc->n_flows; i++)
		if (!strcmp(sc->flow[i].name, r->word[1]))
			return wrong(r, "flow '%s' is there already", r->word[1]);
	if (sc->n_flows == SC_FLOWS)
		return wrong(r, "more than %d flows", SC_FLOWS);
	strcpy(f.name, r->word[1]);
	if (node_arg(r, 2, &f.end[0], true) < 0 || node_arg(r, 3, &f.end[1], true) < 0)
		return -1;
	if (f.end[0] == f.end[1])
		return wrong(r, "a flow from '%s' to itself", r->word[2]);
	unsigned k = 0;
	while (k < 4 && strcmp(kinds[k], r->word[4]) != 0)
		k++;
	if (k == 4)
		return wrong(r, "'%s' is no kind of flow: bulk, request, onoff, udp", r->word[4]);
	f.kind = (enum sc_kind)k;
	if (f.kind == SC_UDP) {
		f.size = 1200;
		f.rate = 125000;
	}
	for (unsigned i = 5; i < r->n; i++)
		if (assign(r, r->word[i], flow_keys, &f, NULL, NULL) < 0)
			return -1;
	if (f.cc[0] && !known_cc(f.cc))
		return wrong(r, "cc=%s: there are cubic, reno and bbr", f.cc);
	if (f.stop <= f.start)
		return wrong(r, "flow '%s' stops before it starts", f.name);
	if (f.kind == SC_REQUEST && (!f.request || !f.response || f.response > 1u << 30))
		return wrong(r, "request and response need at least one byte, at most 1 GiB");
	if (f.kind == SC_UDP && (f.size < 1 || f.size > 65000 || !f.rate))
		return wrong(r, "udp needs a size of 1 to 65000 bytes and a rate");
	if (f.kind == SC_ONOFF && !f.on)
		return wrong(r, "onoff needs a time on");
	if (f.sndbuf > INT32_MAX || f.rcvbuf > INT32_MAX)
		return wrong(r, "buffers of at most 2 GiB");
	sc->flow[sc->n_flows++] = f;
	return 0;
}

static int st_set(struct reader *r)
{
	for (unsigned i = 1; i < r->n; i++)
		if (assign(r, r->word[i], tcp_keys, &r->sc->base, NULL, NULL) < 0)
			return -1;
	return known_cc(r->sc->base.congestion)
		   ? 0
		   : wrong(r, "cc=%s: there are cubic, reno and bbr", r->sc->base.congestion);
}

static int st_simple(struct reader *r)
{
	struct scenario *sc = r->sc;
	if (!strcmp(r->word[0], "ipv6") && r->n == 1) {
		sc->v6 = true;
		return 0;
	}
	if (!strcmp(r->word[0], "seed") && r->n == 2)
		return whole(&sc->seed, r->word[1], UINT64_MAX) < 0
			   ? wrong(r, "'%s' is not a number", r->word[1])
			   : 0;
	if (!strcmp(r->word[0], "time") && r->n == 2) {
		if (quantity(&sc->time, TIME, r->word[1]) < 0 || !sc->time)
			return wrong(r, "'%s': expected a time such as 30s", r->word[1]);
		return 0;
	}
	return wrong(r,
	    "'%s' is no statement: title, seed, time, ipv6, set, host, switch, link, at, flow",
	    r->word[0]);
}

static int statement(struct reader *r, char *line)
{
	static const struct {
		const char *name;
		int (*fn)(struct reader *r);
	} table[] = { { "set", st_set }, { "host", st_node }, { "switch", st_node },
		{ "link", st_link }, { "at", st_at }, { "flow", st_flow } };
	char *save = NULL;
	r->n = 0;
	for (char *w = strtok_r(line, " \t\r\n", &save); w; w = strtok_r(NULL, " \t\r\n", &save)) {
		if (r->n == WORDS)
			return wrong(r, "more than %d words", WORDS);
		r->word[r->n++] = w;
	}
	if (!r->n)
		return 0;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (!strcmp(table[i].name, r->word[0]))
			return table[i].fn(r);
	return st_simple(r);
}

/* title keeps its blanks. */
static bool title(struct scenario *sc, const char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, "title", 5) != 0 || (line[5] != ' ' && line[5] != '\t'))
		return false;
	line += 5 + strspn(line + 5, " \t");
	size_t n = strcspn(line, "\r\n");
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	snprintf(sc->title, sizeof sc->title, "%.*s", (int)n, line);
	return true;
}

int scenario_read(struct scenario *sc, FILE *f, const char *name, char *err, size_t cap)
{
	struct reader r = { .sc = sc, .name = name, .err = err, .cap = cap };
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc = 0;
	memset(sc, 0, sizeof *sc);
	sc->seed = 1;
	sc->time = 30 * L4_SEC;
	l4_tcp_config_init(&sc->base);
	err[0] = 0;
	while (rc == 0 && (len = getline(&line, &size, f)) > 0) {
		r.line++;
		if (memchr(line, 0, (size_t)len)) {
			rc = wrong(&r, "a zero byte: this is no text");
			break;
		}
		char *hash = strchr(line, '#');
		if (hash)
			*hash = 0;
		if (!title(sc, line))
			rc = statement(&r, line);
	}
	free(line);
	if (rc == 0 && ferror(f))
		rc = wrong(&r, "cannot be read");
	if (rc == 0 && !sc->n_flows)
		rc = wrong(&r, "no flow: nothing would happen");
	return rc;
}
