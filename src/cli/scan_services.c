/* What answers on open ports: banners and probes over full connections.
 *
 * Each open port gets a connection that only listens, for what servers say unasked, and beside it
 * up to two that ask, first with the probes that the fingerprints name for this port, then with
 * the others. An answer is judged when the other side falls silent for a moment or ends. The first
 * judgement that is sure ends the work on the port; otherwise the best one stands. Many ports are
 * worked on at once under one event loop, over whatever carries streams (struct scan_transport), so
 * that waiting for silent services costs no time in sum. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/scan_services.h"

#define PORTS_AT_ONCE 128
#define CONNS_MAX     (PORTS_AT_ONCE * 3)
#define ASK_AT_ONCE   2 /* connections that ask, of one port */
#define ANSWER_MAX    8192
#define BANNER_FIRST  (60 * L4_MSEC) /* silence after which one asks */
#define BANNER_WAIT   (4 * L4_SEC)
#define ANSWER_WAIT   (1500 * L4_MSEC)
#define QUIET         (40 * L4_MSEC) /* silence after which an answer is whole */
#define SURE          8              /* confidence that ends the work on a port */

enum phase { CONNECTING, HANDSHAKE, TALKING };

struct target;

struct conn {
	int stream; /* -1: the slot is free */
	struct target *target;
	const struct scan_probe *probe; /* NULL: it only listens */
	enum phase phase;
	struct scan_tls *tls;
	l4_time deadline, quiet; /* quiet 0: nothing was said yet */
	size_t len;
	uint8_t answer[ANSWER_MAX];
};

struct target {
	bool used, done;
	struct l4_addr addr;
	uint16_t port;
	l4_time started;
	uint8_t order[SCAN_PROBES_MAX]; /* probes, the likely ones first */
	unsigned n_order, next, asking, hinted;
	bool listening;
	struct scan_service best;
	char tls_info[160];
};

struct engine {
	struct scan_job *j;
	struct scan_transport t;
	struct scan_fingerprints *f;
	const struct scan_probe *probes;
	size_t n_probes;
	struct conn *conns;
	struct target *targets;
	uint64_t at; /* next probe number to look at */
	uint64_t n_open, n_done;
	bool no_memory;
};

static struct conn *open_conn(
    struct engine *e, struct target *t, const struct scan_probe *p, l4_time wait)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &e->conns[i];
		if (c->stream >= 0)
			continue;
		int stream = e->t.open(e->t.ctx, &t->addr, t->port);
		if (stream < 0)
			return NULL;
		c->stream = stream;
		c->target = t;
		c->probe = p;
		c->phase = CONNECTING;
		c->tls = NULL;
		c->deadline = scan_now() + wait;
		c->quiet = 0;
		c->len = 0;
		return c;
	}
	return NULL;
}

static void close_conn(struct engine *e, struct conn *c)
{
	scan_tls_free(c->tls);
	c->tls = NULL;
	e->t.close(e->t.ctx, c->stream);
	c->stream = -1;
	if (c->probe)
		c->target->asking--;
	else
		c->target->listening = false;
}

static void finish(struct engine *e, struct target *t)
{
	struct scan_job *j = e->j;
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (e->conns[i].stream >= 0 && e->conns[i].target == t)
			close_conn(e, &e->conns[i]);
	t->done = true;
	t->used = false;
	e->n_done++;
	if (t->tls_info[0]) {
		size_t n = strlen(t->best.info);
		snprintf(
		    t->best.info + n, sizeof t->best.info - n, "%s%s", n ? "; " : "", t->tls_info);
	}
	if (!t->best.confidence && !t->best.banner_len && !t->best.tls)
		return;
	if (j->n_services == j->cap_services) {
		size_t cap = j->cap_services ? j->cap_services * 2 : 64;
		struct scan_service *p = realloc(j->services, cap * sizeof *p);
		if (!p) {
			e->no_memory = true;
			return;
		}
		j->services = p;
		j->cap_services = cap;
	}
	j->services[j->n_services++] = t->best;
}

/* An answer is whole: judge it. True when the port is settled. */
static bool judge(struct engine *e, struct conn *c)
{
	struct target *t = c->target;
	if (!c->len)
		return false;
	/* Who speaks first does so whatever he is asked, within TLS too. */
	scan_fingerprints_match(e->f, "banner", c->answer, c->len, &t->best);
	if (c->probe)
		scan_fingerprints_match(e->f, c->probe->name, c->answer, c->len, &t->best);
	if (!t->best.banner_len) {
		size_t n = c->len < sizeof t->best.banner ? c->len : sizeof t->best.banner;
		memcpy(t->best.banner, c->answer, n);
		t->best.banner_len = (uint16_t)n;
	}
	return t->best.confidence >= SURE;
}

/* The probe's text with {host} filled in. */
static void say(struct engine *e, struct conn *c)
{
	const struct scan_probe *p = c->probe;
	uint8_t out[2048];
	char host[L4_ADDR_TEXT_MAX];
	size_t n = 0;
	const char *name = scan_targets_name(e->j->targets, &c->target->addr);
	if (!name) {
		l4_addr_format(&c->target->addr, host, sizeof host);
		name = host;
	}
	for (size_t i = 0; i < p->send_len && n < sizeof out; i++) {
		if (p->send_len - i >= 6 && !memcmp(p->send + i, "{host}", 6)) {
			size_t len = strlen(name);
			len = len < sizeof out - n ? len : sizeof out - n;
			memcpy(out + n, name, len);
			n += len;
			i += 5;
		} else {
			out[n++] = p->send[i];
		}
	}
	/* Small enough for any send buffer of a fresh connection. */
	if (n && c->tls)
		scan_tls_send(c->tls, out, n);
	else if (n)
		e->t.send(e->t.ctx, c->stream, out, n);
	e->j->c.sent++;
}

static void settle(struct engine *e, struct conn *c)
{
	struct target *t = c->target;
	bool sure = judge(e, c);
	close_conn(e, c);
	if (sure)
		finish(e, t);
}

/* One step of the handshake; false when the connection is gone. */
static bool shake(struct engine *e, struct conn *c)
{
	struct target *t = c->target;
	int r = scan_tls_handshake(c->tls);
	if (r < 0) {
		close_conn(e, c);
		return false;
	}
	if (r == 0)
		return true;
	t->best.tls = true;
	scan_tls_describe(c->tls, t->tls_info, sizeof t->tls_info);
	if (!t->best.confidence) {
		snprintf(t->best.name, sizeof t->best.name, "tls");
		t->best.confidence = 5;
	}
	c->phase = TALKING;
	say(e, c);
	return true;
}

static void on_connected(struct engine *e, struct conn *c)
{
	const char *name = scan_targets_name(e->j->targets, &c->target->addr);
	c->phase = TALKING;
	if (!c->probe)
		return;
	if (!c->probe->tls) {
		say(e, c);
		return;
	}
	c->tls = scan_tls_new(&e->t, c->stream, name);
	c->phase = HANDSHAKE;
	if (!c->tls)
		close_conn(e, c);
}

static void read_all(struct engine *e, struct conn *c)
{
	for (;;) {
		if (c->len == ANSWER_MAX) {
			settle(e, c);
			return;
		}
		long n = c->tls ? scan_tls_recv(c->tls, c->answer + c->len, ANSWER_MAX - c->len)
				: e->t.recv(
				      e->t.ctx, c->stream, c->answer + c->len, ANSWER_MAX - c->len);
		if (n == -1)
			return;
		if (n <= 0) {
			settle(e, c);
			return;
		}
		c->len += (size_t)n;
		c->quiet = scan_now() + QUIET;
	}
}

static void on_event(struct engine *e, const struct scan_event *ev)
{
	struct conn *c = NULL;
	for (size_t i = 0; i < CONNS_MAX && !c; i++)
		if (e->conns[i].stream == ev->stream)
			c = &e->conns[i];
	if (!c)
		return;
	if (c->phase == CONNECTING && ev->what & (SCAN_WRITABLE | SCAN_READABLE) &&
	    !(ev->what & SCAN_FAILED && !(ev->what & SCAN_READABLE)))
		on_connected(e, c);
	if (c->stream < 0)
		return;
	if (c->phase == HANDSHAKE && !shake(e, c))
		return;
	if (c->phase == TALKING && ev->what & (SCAN_READABLE | SCAN_FAILED))
		read_all(e, c);
	else if (ev->what & SCAN_FAILED)
		settle(e, c);
}

/* Probes for a port: those that name it, then the others, in the order of the file. */
static void order_probes(struct engine *e, struct target *t)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < e->n_probes; i++) {
			const struct scan_probe *p = &e->probes[i];
			bool here = ports_set_has(&p->ports, t->port);
			if (p->udp || here != (pass == 0) || (p->tls && !scan_tls_available()))
				continue;
			t->order[t->n_order++] = (uint8_t)i;
		}
		if (pass == 0)
			t->hinted = t->n_order;
	}
}

static void start_targets(struct engine *e)
{
	struct scan_job *j = e->j;
	for (size_t i = 0; i < PORTS_AT_ONCE && e->at < j->n_probes; i++) {
		struct target *t = &e->targets[i];
		if (t->used)
			continue;
		while (
		    e->at < j->n_probes && scan_state_of(j->type, j->reasons[e->at]) != SCAN_OPEN)
			e->at++;
		if (e->at == j->n_probes)
			return;
		memset(t, 0, sizeof *t);
		t->used = true;
		t->addr = scan_targets_host(j->targets, e->at / j->n_ports);
		t->port = j->ports[e->at % j->n_ports];
		t->best.probe = e->at++;
		t->started = scan_now();
		order_probes(e, t);
		t->listening = open_conn(e, t, NULL, BANNER_WAIT) != NULL;
	}
}

/* What is due: answers that are whole, connections that waited enough, probes to begin. */
static void on_time(struct engine *e, l4_time now)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &e->conns[i];
		if (c->stream >= 0 && ((c->quiet && c->quiet <= now) || c->deadline <= now))
			settle(e, c);
	}
	for (size_t i = 0; i < PORTS_AT_ONCE; i++) {
		struct target *t = &e->targets[i];
		if (!t->used)
			continue;
		while (t->next < t->n_order && t->asking < ASK_AT_ONCE &&
		       (t->next < t->hinted || now - t->started >= BANNER_FIRST)) {
			if (!open_conn(e, t, &e->probes[t->order[t->next]], ANSWER_WAIT))
				break;
			t->asking++;
			t->next++;
		}
		if (t->next == t->n_order && !t->asking && !t->listening)
			finish(e, t);
	}
}

static void loop(struct engine *e)
{
	while (!scan_stop && e->n_done < e->n_open && !e->no_memory) {
		struct scan_event ev[64];
		start_targets(e);
		on_time(e, scan_now());
		int n = e->t.wait(e->t.ctx, ev, 64, 10 * L4_MSEC);
		for (int i = 0; i < n; i++)
			on_event(e, &ev[i]);
		scan_progress(e->j, "services", e->n_done, e->n_open, false);
	}
	for (size_t i = 0; i < PORTS_AT_ONCE; i++)
		if (e->targets[i].used)
			finish(e, &e->targets[i]);
}

/* --- UDP: one question, one answer -------------------------------------------------------- */

static long ask_udp(struct engine *e, const struct l4_addr *a, uint16_t port, const uint8_t *q,
    size_t len, uint8_t *out, size_t cap)
{
	struct sockaddr_in s4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v4 = l4_addr_is_ip4(a);
	long n = -1;
	memcpy(&s4.sin_addr, a->b + 12, 4);
	memcpy(&s6.sin6_addr, a->b, 16);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *to = v4 ? (struct sockaddr *)&s4 : (struct sockaddr *)&s6;
	if (fd >= 0 && connect(fd, to, v4 ? sizeof s4 : sizeof s6) == 0)
		for (int i = 0; i < 3 && n < 0 && !scan_stop; i++) {
			struct pollfd p = { .fd = fd, .events = POLLIN };
			(void)send(fd, q, len, 0);
			e->j->c.sent++;
			if (poll(&p, 1, 300) > 0)
				n = recv(fd, out, cap, MSG_DONTWAIT);
		}
	if (fd >= 0)
		close(fd);
	return n;
}

static void run_udp(struct engine *e)
{
	struct scan_job *j = e->j;
	static uint8_t answer[65536];
	for (e->at = 0; e->at < j->n_probes && !scan_stop; e->at++) {
		if (scan_state_of(j->type, j->reasons[e->at]) != SCAN_OPEN)
			continue;
		struct target *t = &e->targets[0];
		memset(t, 0, sizeof *t);
		t->best.probe = e->at;
		t->addr = scan_targets_host(j->targets, e->at / j->n_ports);
		t->port = j->ports[e->at % j->n_ports];
		for (size_t i = 0; i <= e->n_probes && t->best.confidence < SURE; i++) {
			uint8_t q[1500];
			const struct scan_probe *p = i < e->n_probes ? &e->probes[i] : NULL;
			size_t len = p ? p->send_len : scan_udp_payload(t->port, 1, q, sizeof q);
			if (p && (!p->udp || !ports_set_has(&p->ports, t->port)))
				continue;
			long n = ask_udp(
			    e, &t->addr, t->port, p ? p->send : q, len, answer, sizeof answer);
			if (n <= 0)
				continue;
			scan_fingerprints_match(
			    e->f, p ? p->name : "udp", answer, (size_t)n, &t->best);
			size_t k =
			    (size_t)n < sizeof t->best.banner ? (size_t)n : sizeof t->best.banner;
			memcpy(t->best.banner, answer, k);
			t->best.banner_len = (uint16_t)k;
		}
		finish(e, t);
	}
}

int scan_services_run(struct scan_job *j, const char *fingerprints, char *error, size_t cap)
{
	struct engine e = { .j = j };
	int result = -1;
	for (uint64_t i = 0; i < j->n_probes; i++)
		e.n_open += scan_state_of(j->type, j->reasons[i]) == SCAN_OPEN;
	if (!e.n_open)
		return 0;
	e.f = scan_fingerprints_load(fingerprints, error, cap);
	if (!e.f)
		return -1;
	e.n_probes = scan_fingerprints_probes(e.f, &e.probes);
	e.conns = malloc(CONNS_MAX * sizeof *e.conns);
	e.targets = calloc(PORTS_AT_ONCE, sizeof *e.targets);
	bool own = e.conns && e.targets && j->own_interface[0] && !j->kernel_tcp &&
		   j->type != SCAN_UDP && scan_transport_host(&e.t, j) == 0;
	if (!e.conns || !e.targets || (!own && scan_transport_kernel(&e.t, j) < 0)) {
		snprintf(error, cap, "preparing the service detection: %s", strerror(errno));
		goto out;
	}
	j->own_tcp = own;
	for (size_t i = 0; i < CONNS_MAX; i++)
		e.conns[i].stream = -1;
	if (j->type == SCAN_UDP)
		run_udp(&e);
	else
		loop(&e);
	scan_progress(j, "services", 1, 1, true);
	e.t.fini(e.t.ctx);
	result = e.no_memory ? -1 : 0;
	if (e.no_memory)
		snprintf(error, cap, "no memory for services");
out:
	free(e.conns);
	free(e.targets);
	scan_fingerprints_free(e.f);
	return result;
}
