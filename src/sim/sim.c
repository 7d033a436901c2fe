/* Simulations: hosts, devices and callbacks under one virtual clock.
 *
 * A run is a sequence of instants. At each instant, rounds are made until nothing moves any more:
 * callbacks that are due, then for every host in the order of its making: frames in, timers,
 * events to its application, frames out. Then the clock jumps to the next thing that will happen:
 * the least of all deadlines of hosts and devices and of the callbacks. Nothing depends on memory
 * addresses or on the machine, so the same seed and calls give the same run, byte for byte.
 *
 * A host that asks to be called now, again and again, without anything coming of it would stop
 * the clock; so would two that answer each other without end over a link without delay. Both are
 * counted, and are errors (L4_SIM_IDLE_MAX, L4_SIM_ROUNDS_MAX). */
#include <layer4/sim.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sim/switch.h"

#define L4_SIM_IDLE_MAX   64       /* rounds at one instant in which nothing moved */
#define L4_SIM_ROUNDS_MAX 10000000 /* rounds at one instant */
#define BATCH             32

struct iface {
	struct l4_device *d;
	unsigned ifindex;
};

struct node {
	struct l4_host *h;
	struct iface *ifs;
	size_t n_ifs;
	void (*on_event)(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now);
	void *event_ctx;
};

struct appointment {
	l4_time when;
	uint64_t serial;
	void (*fn)(void *ctx, l4_time now);
	void *ctx;
};

struct l4_sim {
	l4_time now;
	struct l4_rng rng;
	struct node **nodes;
	size_t n_nodes;
	struct l4_link **links;
	size_t n_links;
	struct l4_switch **switches;
	size_t n_switches;
	struct appointment *at; /* heap by (when, serial) */
	size_t n_at, cap_at;
	uint64_t serial;
	void (*on_frame)(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
	    const struct l4_frame *f, l4_time now);
	void *frame_ctx;
	bool stop;
	char what[256];
	struct l4_tx_frame out[BATCH]; /* being sent */
};

int l4_sim_new(struct l4_sim **out, uint64_t seed)
{
	struct l4_sim *s = *out = calloc(1, sizeof *s);
	if (!s)
		return L4_ENOMEM;
	l4_rng_init_u64(&s->rng, seed);
	return 0;
}

void l4_sim_free(struct l4_sim *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct node *n = s->nodes[i];
		l4_host_free(n->h);
		for (size_t k = 0; k < n->n_ifs; k++)
			n->ifs[k].d->ops->close(n->ifs[k].d);
		free(n->ifs);
		free(n);
	}
	for (size_t i = 0; i < s->n_switches; i++)
		l4_switch_free(s->switches[i]);
	for (size_t i = 0; i < s->n_links; i++)
		l4_link_free(s->links[i]);
	free(s->switches);
	free(s->nodes);
	free(s->links);
	free(s->at);
	free(s);
}

l4_time l4_sim_now(const struct l4_sim *s)
{
	return s->now;
}

const char *l4_sim_what(const struct l4_sim *s)
{
	return s->what;
}

uint64_t l4_sim_random(struct l4_sim *s)
{
	return l4_rng_u64(&s->rng);
}

void l4_sim_stop(struct l4_sim *s)
{
	s->stop = true;
}

/* One more element for an array of n elements of size bytes; NULL without memory. */
static void *grown(void *p, size_t n, size_t size)
{
	return realloc(p, (n + 1) * size);
}

int l4_sim_add_host(struct l4_sim *s, struct l4_host **out, const struct l4_host_config *config)
{
	struct l4_host_config c;
	*out = NULL;
	if (config)
		c = *config;
	else
		l4_host_config_init(&c);
	if (!c.has_seed) {
		for (int i = 0; i < 4; i++) {
			uint64_t v = l4_rng_u64(&s->rng);
			memcpy(c.seed + 8 * i, &v, 8);
		}
		c.has_seed = true;
	}
	c.now = s->now;
	struct node **nodes = grown(s->nodes, s->n_nodes, sizeof *nodes);
	if (!nodes)
		return L4_ENOMEM;
	s->nodes = nodes;
	struct node *n = calloc(1, sizeof *n);
	if (!n)
		return L4_ENOMEM;
	int e = l4_host_new(&n->h, &c);
	if (e < 0) {
		free(n);
		return e;
	}
	s->nodes[s->n_nodes++] = n;
	*out = n->h;
	return 0;
}

static struct node *node_of(struct l4_sim *s, const struct l4_host *h)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i]->h == h)
			return s->nodes[i];
	return NULL;
}

int l4_sim_attach(
    struct l4_sim *s, struct l4_host *h, struct l4_device *d, const struct l4_iface_config *config)
{
	struct node *n = node_of(s, h);
	if (!n)
		return L4_EINVAL;
	struct l4_iface_config c = { 0 };
	if (config)
		c = *config;
	else
		snprintf(c.name, sizeof c.name, "sim%zu", n->n_ifs);
	struct l4_mac mac = c.caps.mac;
	d->ops->caps(d, &c.caps);
	if (mac.b[0] | mac.b[1] | mac.b[2] | mac.b[3] | mac.b[4] | mac.b[5])
		c.caps.mac = mac;
	struct iface *ifs = grown(n->ifs, n->n_ifs, sizeof *ifs);
	if (!ifs)
		return L4_ENOMEM;
	n->ifs = ifs;
	int ifindex = l4_host_add_iface(h, &c, s->now);
	if (ifindex < 0)
		return ifindex;
	n->ifs[n->n_ifs++] = (struct iface){ .d = d, .ifindex = (unsigned)ifindex };
	return ifindex;
}

int l4_sim_connect(struct l4_sim *s, struct l4_host *a, struct l4_host *b,
    const struct l4_link_config *config, struct l4_link **link, int ifindex[2])
{
	struct l4_link_config c = *config;
	struct l4_device *ends[2];
	struct l4_link *l;
	if (link)
		*link = NULL;
	if (!c.seed)
		c.seed = l4_rng_u64(&s->rng);
	struct l4_link **links = grown(s->links, s->n_links, sizeof *links);
	if (!links)
		return L4_ENOMEM;
	s->links = links;
	int e = l4_link_new(&l, &c, ends);
	if (e < 0)
		return e;
	s->links[s->n_links++] = l;
	for (int i = 0; i < 2; i++) {
		int index = l4_sim_attach(s, i ? b : a, ends[i], NULL);
		if (index < 0)
			return index;
		if (ifindex)
			ifindex[i] = index;
	}
	if (link)
		*link = l;
	return 0;
}

int l4_sim_add_switch(struct l4_sim *s)
{
	struct l4_switch **p = grown(s->switches, s->n_switches, sizeof *p);
	if (!p)
		return L4_ENOMEM;
	s->switches = p;
	if (!(p[s->n_switches] = l4_switch_new()))
		return L4_ENOMEM;
	return (int)s->n_switches++;
}

int l4_sim_plug(struct l4_sim *s, int number, struct l4_device *d)
{
	if (number < 0 || (size_t)number >= s->n_switches)
		return L4_EINVAL;
	return l4_switch_plug(s->switches[number], d);
}

int l4_sim_adopt(struct l4_sim *s, struct l4_link *l)
{
	struct l4_link **links = grown(s->links, s->n_links, sizeof *links);
	if (!links)
		return L4_ENOMEM;
	s->links = links;
	s->links[s->n_links++] = l;
	return 0;
}

void l4_sim_on_event(struct l4_sim *s, struct l4_host *h,
    void (*fn)(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now), void *ctx)
{
	struct node *n = node_of(s, h);
	if (n) {
		n->on_event = fn;
		n->event_ctx = ctx;
	}
}

void l4_sim_on_frame(struct l4_sim *s,
    void (*fn)(void *ctx, struct l4_host *h, unsigned ifindex, bool sent, const struct l4_frame *f,
	l4_time now),
    void *ctx)
{
	s->on_frame = fn;
	s->frame_ctx = ctx;
}

/* --- Appointments --- */

static bool before(const struct appointment *a, const struct appointment *b)
{
	return a->when != b->when ? a->when < b->when : a->serial < b->serial;
}

int l4_sim_at(struct l4_sim *s, l4_time when, void (*fn)(void *ctx, l4_time now), void *ctx)
{
	if (s->n_at == s->cap_at) {
		size_t cap = s->cap_at ? 2 * s->cap_at : 16;
		struct appointment *p = realloc(s->at, cap * sizeof *p);
		if (!p)
			return L4_ENOMEM;
		s->at = p;
		s->cap_at = cap;
	}
	struct appointment a = { when, s->serial++, fn, ctx };
	size_t i = s->n_at++;
	while (i && before(&a, &s->at[(i - 1) / 2])) {
		s->at[i] = s->at[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->at[i] = a;
	return 0;
}

static struct appointment take_first(struct l4_sim *s)
{
	struct appointment top = s->at[0], a = s->at[--s->n_at];
	size_t i = 0;
	for (;;) {
		size_t k = 2 * i + 1;
		if (k >= s->n_at)
			break;
		if (k + 1 < s->n_at && before(&s->at[k + 1], &s->at[k]))
			k++;
		if (!before(&s->at[k], &a))
			break;
		s->at[i] = s->at[k];
		i = k;
	}
	s->at[i] = a;
	return top;
}

/* --- A round --- */

static bool frames_in(struct l4_sim *s, struct node *n)
{
	struct l4_frame f[BATCH];
	bool moved = false;
	for (size_t k = 0; k < n->n_ifs; k++) {
		struct iface *i = &n->ifs[k];
		int got;
		do {
			l4_host_rx_end(n->h); /* before the device uses its memory again */
			got = i->d->ops->rx(i->d, f, BATCH, s->now);
			if (got <= 0)
				break;
			moved = true;
			if (s->on_frame)
				for (int j = 0; j < got; j++)
					s->on_frame(
					    s->frame_ctx, n->h, i->ifindex, false, &f[j], s->now);
			l4_host_rx_lend(n->h, i->ifindex, f, (size_t)got, s->now);
		} while (got == BATCH);
	}
	return moved;
}

static bool events_out(struct l4_sim *s, struct node *n)
{
	struct l4_event e[BATCH];
	bool moved = false;
	size_t got;
	/* Bounded: what callbacks cause is dealt with in the next round. */
	for (int turn = 0; turn < 16 && !s->stop; turn++) {
		got = l4_host_events(n->h, e, BATCH);
		for (size_t j = 0; j < got; j++)
			if (n->on_event)
				n->on_event(n->event_ctx, n->h, &e[j], s->now);
		moved |= got > 0;
		if (got < BATCH)
			break;
	}
	return moved;
}

static bool frames_out(struct l4_sim *s, struct node *n)
{
	struct l4_frame f[BATCH];
	bool moved = false;
	for (size_t k = 0; k < n->n_ifs; k++) {
		struct iface *i = &n->ifs[k];
		size_t got;
		while ((got = l4_host_tx(n->h, i->ifindex, s->out, BATCH, s->now)) > 0) {
			moved = true;
			for (size_t j = 0; j < got; j++) {
				f[j] = s->out[j].f;
				if (s->on_frame)
					s->on_frame(
					    s->frame_ctx, n->h, i->ifindex, true, &f[j], s->now);
			}
			/* What a full device leaves is lost: simulated ones queue by themselves. */
			i->d->ops->tx(i->d, f, got, s->now);
		}
	}
	return moved;
}

static int check_all(struct l4_sim *s)
{
	char what[160];
	for (size_t i = 0; i < s->n_nodes; i++)
		if (l4_host_check(s->nodes[i]->h, what, sizeof what) < 0) {
			snprintf(s->what, sizeof s->what, "host %zu at %llu ns: %s", i,
			    (unsigned long long)s->now, what);
			return L4_ESTATE;
		}
	return 0;
}

/* One round over all hosts. Returns whether anything moved. */
static bool round_once(struct l4_sim *s)
{
	bool moved = false;
	while (s->n_at && s->at[0].when <= s->now && !s->stop) {
		struct appointment a = take_first(s);
		a.fn(a.ctx, s->now);
		moved = true;
	}
	for (size_t i = 0; i < s->n_nodes && !s->stop; i++) {
		struct node *n = s->nodes[i];
		moved |= frames_in(s, n);
		if (l4_host_deadline(n->h) <= s->now)
			l4_host_tick(n->h, s->now);
		moved |= events_out(s, n);
		moved |= frames_out(s, n);
	}
	for (size_t i = 0; i < s->n_switches && !s->stop; i++)
		moved |= l4_switch_step(s->switches[i], s->now);
	return moved;
}

static l4_time next_time(const struct l4_sim *s)
{
	l4_time t = s->n_at ? s->at[0].when : L4_TIME_NEVER;
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct node *n = s->nodes[i];
		l4_time d = l4_host_deadline(n->h);
		t = d < t ? d : t;
		for (size_t k = 0; k < n->n_ifs; k++) {
			d = n->ifs[k].d->ops->deadline(n->ifs[k].d);
			t = d < t ? d : t;
		}
	}
	for (size_t i = 0; i < s->n_switches; i++) {
		l4_time d = l4_switch_deadline(s->switches[i]);
		t = d < t ? d : t;
	}
	return t;
}

static int stuck(struct l4_sim *s, const char *how)
{
	size_t who = 0;
	for (size_t i = 0; i < s->n_nodes; i++)
		if (l4_host_deadline(s->nodes[i]->h) <= s->now)
			who = i;
	snprintf(s->what, sizeof s->what, "time stands still at %llu ns: %s (host %zu)",
	    (unsigned long long)s->now, how, who);
	return L4_ESTATE;
}

int l4_sim_run(struct l4_sim *s, l4_time until, bool check)
{
	unsigned idle = 0, rounds = 0;
	s->stop = false;
	for (;;) {
		bool moved = round_once(s);
		if (check && check_all(s) < 0)
			return L4_ESTATE;
		if (s->stop)
			return 0;
		if (++rounds > L4_SIM_ROUNDS_MAX)
			return stuck(s, "hosts answer each other without end");
		if (moved) {
			idle = 0;
			continue;
		}
		l4_time next = next_time(s);
		if (next <= s->now) {
			if (++idle > L4_SIM_IDLE_MAX)
				return stuck(s, "a deadline passes and nothing comes of it");
			continue;
		}
		if (next > until || next == L4_TIME_NEVER) {
			if (until != L4_TIME_NEVER && until > s->now)
				s->now = until;
			return 0;
		}
		s->now = next;
		idle = rounds = 0;
	}
}
