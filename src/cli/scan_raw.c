/* The engine of the raw scans (SYN, ACK, FIN, NULL, Xmas, window).
 *
 * Probes leave in the permuted order as the rate allows. Each waits in a queue of its attempt; all
 * of one attempt wait about equally long, so the queues are first in, first out and need no timer
 * heap. A probe whose time is over and that nothing answered is sent again, or given up after as
 * many attempts as the measured loss calls for. Answers are matched by cookie alone, so that even
 * one to a probe given up counts.
 *
 * Larger scans have a worker for each of two processors. A worker takes the next places of the
 * order, some hundred at a time, so that the faster one does more, and sends them from source ports
 * of its own, whose answers its own sockets take in; what is known of the
 * probes and the rate are common. That is faster than one thread that sends and one that receives:
 * most of the work is the kernel's, done by whoever sends (on a virtual link even the target's),
 * nobody has to be woken for an answer, and what one processor wrote no other has to read. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/apart.h"
#include "cli/netconf.h"
#include "cli/scan_net.h"

#define WAITING_MAX (1u << 20) /* probes that may be under way at once */
#define WORKERS_MAX 2u
#define CANARY      (SCAN_ATTEMPTS_MAX + 1) /* and on: canaries, in place of an attempt's number */
#define CANARIES    (SCAN_PORTS_EACH - CANARY)
#define MANY_PROBES 5000u /* from so many on, faster sending and a second worker are worth it */

/* A probe under way. */
struct wait {
	uint64_t probe;
	l4_time sent, due;
};

/* A ring of those whose attempt is the same. */
struct queue {
	struct wait *w;
	size_t cap, head, n; /* cap is a power of two */
};

/* What the workers share. */
struct crew {
	struct scan_job *j;
	unsigned n;
	_Atomic uint64_t next; /* place in the order that no worker has taken yet */
	pthread_mutex_t lock;  /* of the rest */
	struct scan_rate rate;
	l4_time last_look;
	double rate_reached;
};

struct worker {
	struct crew *crew;
	unsigned index;
	pthread_t thread;
	struct scan_job job; /* a copy: its counters are ours, what it points to is common */
	struct scan_net net;
	struct scan_rate rate;                 /* as it was when we last looked */
	struct queue q[SCAN_ATTEMPTS_MAX + 1]; /* by attempt, from 1 */
	size_t waiting;
	uint64_t next, end; /* places in the order that are ours to do */
	uint64_t timed_probe;
	l4_time timed_at; /* 0: no probe is being timed */
	struct scan_alive alive;
	l4_time canary_at[CANARIES]; /* when each was sent, in turn */
	unsigned n_canaries;
	/* What the rate has not been told yet. */
	unsigned unused;
	uint64_t answered, lost;
	l4_time rtt; /* 0: none */
	bool no_memory;
};

bool scan_raw_allowed(void)
{
	/* CAP_NET_RAW rules raw and packet sockets alike; a raw one is sooner closed. */
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 255);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static uint8_t reason_of(const struct scan_job *j, uint64_t probe)
{
	return __atomic_load_n(&j->reasons[probe], __ATOMIC_RELAXED);
}

static void push(struct worker *s, unsigned attempt, uint64_t probe, l4_time sent, l4_time due)
{
	struct queue *q = &s->q[attempt];
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 4096;
		struct wait *w = malloc(cap * sizeof *w);
		if (!w) {
			s->no_memory = true;
			return;
		}
		for (size_t i = 0; i < q->n; i++)
			w[i] = q->w[(q->head + i) & (q->cap - 1)];
		free(q->w);
		*q = (struct queue){ .w = w, .cap = cap, .n = q->n };
	}
	q->w[(q->head + q->n++) & (q->cap - 1)] = (struct wait){ probe, sent, due };
	s->waiting++;
}

/* Sends one probe; false when its host is down or has no route. */
static bool send_probe(struct worker *s, uint64_t probe, unsigned attempt, l4_time now)
{
	struct scan_job *j = &s->job;
	uint64_t host = probe / j->n_ports;
	if (scan_job_host_is_down(j, host))
		return false;
	struct l4_addr a = scan_targets_host(j->targets, host);
	struct scan_group *g = s->net.n_groups == 1 ? s->net.groups : scan_net_group(&s->net, &a);
	if (!g || !g->ok)
		return false;
	const struct l4_mac *mac = g->on_link && j->macs ? &j->macs[host] : &g->gw_mac;
	scan_probe_send(j, &s->net, g, &a, mac, j->ports[probe % j->n_ports], attempt);
	if (attempt == 1 && !s->timed_at) {
		s->timed_probe = probe;
		s->timed_at = now;
	} else if (attempt > 1 && attempt < CANARY) {
		j->c.retries++;
		if (probe == s->timed_probe)
			s->timed_at = 0; /* Karn: whose answer it will be cannot be told */
	}
	if (attempt >= CANARY)
		return true;
	push(s, attempt, probe, now, now + scan_rate_timeout(&s->rate, attempt));
	return true;
}

static void on_answer(struct worker *s, const struct scan_answer *a, l4_time now)
{
	struct scan_job *j = &s->job;
	int64_t host = scan_targets_find(j->targets, &a->host);
	int32_t port = j->port_index[a->dport];
	if (host < 0 || port < 0 || a->is_echo)
		return;
	uint64_t probe = (uint64_t)host * j->n_ports + (uint64_t)port;
	bool tcp = a->reason == SCAN_R_SYN_ACK || a->reason == SCAN_R_RESET ||
		   a->reason == SCAN_R_RESET_WINDOW;
	l4_time timed = 0;
	if (probe == s->timed_probe && s->timed_at && a->attempt == 1) {
		timed = s->timed_at;
		s->rtt = now - s->timed_at;
		s->timed_at = 0;
	}
	if (tcp)
		scan_job_heard(j, (uint64_t)host, a->reason, timed ? now - timed : 0);
	if (a->reason == SCAN_R_SYN_ACK && j->has_source) {
		/* Nobody else will end it: the address is ours alone. */
		struct scan_group *g = scan_net_group(&s->net, &a->host);
		if (g && g->ok)
			scan_probe_send_reset(j, &s->net, g, &a->host,
			    g->on_link && j->macs ? &j->macs[host] : &g->gw_mac, a->dport,
			    a->attempt, a->rst_seq);
	}
	if (a->attempt >= CANARY) {
		if (tcp)
			scan_alive_on_answer(&s->alive, probe, s->canary_at[a->attempt - CANARY]);
		return;
	}
	/* When a probe was sent is known of the one that is timed; enough while answers flow. */
	if (tcp)
		scan_alive_on_answer(&s->alive, probe, timed);
	/* ICMP errors are rate-limited by design: their absence tells nothing of the link. */
	if (scan_job_answer(j, probe, a->reason) && tcp)
		s->answered++, s->lost += a->attempt - 1;
}

static unsigned receive(struct worker *s, l4_time now)
{
	struct scan_job *j = &s->job;
	unsigned n = 0;
	for (size_t i = 0; i < s->net.n_links; i++) {
		struct scan_link *l = &s->net.links[i];
		const uint8_t *p;
		size_t len;
		uint16_t type;
		struct l4_mac from, mac;
		struct l4_addr whose;
		struct scan_answer a;
		while ((p = scan_link_receive(l, &len, &type, &from))) {
			if (!scan_learn_mac(j, &s->net, l, type, p, len, &from, &whose, &mac) &&
			    type != L4_ETHERTYPE_ARP) {
				scan_probe_parse(j, &s->net, j->type, p, len, &a);
				j->c.forged += a.forged;
				if (a.reason)
					on_answer(s, &a, now);
			}
			scan_link_release(l);
			n++;
		}
	}
	return n;
}

static void flush(struct worker *s)
{
	for (size_t i = 0; i < s->net.n_links; i++)
		scan_link_flush(&s->net.links[i], &s->job.c);
}

/* Handles probes whose time is over; returns how many packets were sent. */
static unsigned resend_due(struct worker *s, l4_time now, unsigned budget)
{
	struct scan_job *j = &s->job;
	unsigned sent = 0, most = scan_rate_attempts(&s->rate);
	for (unsigned k = SCAN_ATTEMPTS_MAX; k >= 1; k--) {
		struct queue *q = &s->q[k];
		while (q->n) {
			struct wait w = q->w[q->head];
			bool known = reason_of(j, w.probe) != SCAN_R_NONE;
			/* Answered probes leave at once; so the queue stays short. */
			if (!known &&
			    (w.due > now || !scan_alive_since(&s->alive, w.sent, now, w.due)))
				break;
			if (!known && k < most && sent >= budget)
				break;
			q->head = (q->head + 1) & (q->cap - 1);
			q->n--;
			s->waiting--;
			if (known)
				continue;
			if (k < most) {
				send_probe(s, w.probe, k + 1, now);
				sent++;
			} else {
				scan_job_answer(j, w.probe, SCAN_R_NO_RESPONSE);
			}
		}
	}
	return sent;
}

/* Whether there are places to do, after taking more of them if ours are done. */
static bool has_places(struct worker *s)
{
	const struct scan_job *j = &s->job;
	if (s->next < s->end)
		return true;
	if (atomic_load_explicit(&s->crew->next, memory_order_relaxed) >= j->n_probes)
		return false;
	uint64_t many = (uint64_t)SCAN_BATCH * j->n_shards;
	s->next = atomic_fetch_add(&s->crew->next, many);
	s->end = s->next + many < j->n_probes ? s->next + many : j->n_probes;
	return s->next < s->end;
}

static unsigned send_fresh(struct worker *s, l4_time now, unsigned budget)
{
	struct scan_job *j = &s->job;
	unsigned sent = 0;
	unsigned skipped = 0;
	while (sent < budget && s->waiting < WAITING_MAX && has_places(s)) {
		uint64_t probe = scan_perm_at(&j->perm, s->next);
		s->next += j->n_shards;
		if (reason_of(j, probe) == SCAN_R_NONE && send_probe(s, probe, 1, now))
			sent++;
		else if (++skipped >= 65536)
			break;
	}
	return sent;
}

/* The earliest time at which a waiting probe is due. */
static l4_time next_due(const struct worker *s, l4_time now)
{
	l4_time due = now + 100 * L4_MSEC;
	for (unsigned k = 1; k <= SCAN_ATTEMPTS_MAX; k++)
		if (s->q[k].n && s->q[k].w[s->q[k].head].due < due)
			due = s->q[k].w[s->q[k].head].due;
	return due;
}

/* Once in a millisecond, by the first worker; the crew is locked. */
static void look_around(struct worker *s, l4_time now)
{
	struct crew *c = s->crew;
	if (s->index || now - c->last_look < L4_MSEC)
		return;
	c->last_look = now;
	for (size_t i = 0; i < s->net.n_links; i++) {
		uint64_t drops = scan_link_drops(&s->net.links[i]);
		s->job.c.rx_drops += drops;
		scan_rate_on_drops(&c->rate, drops);
	}
	scan_rate_update(&c->rate, now);
	if (c->rate.rate > c->rate_reached)
		c->rate_reached = c->rate.rate;
	uint64_t at = atomic_load(&c->next);
	scan_progress(&s->job, scan_type_name(s->job.type),
	    at < s->job.n_probes ? at : s->job.n_probes, s->job.n_probes, false);
}

/* Tells the common rate what we saw, and returns how many packets we may send. */
static unsigned budget_of(struct worker *s, l4_time now)
{
	struct crew *c = s->crew;
	pthread_mutex_lock(&c->lock);
	scan_rate_on_unused(&c->rate, s->unused);
	scan_rate_on_answers(&c->rate, s->answered, s->lost);
	if (s->rtt)
		scan_rate_on_rtt(&c->rate, s->rtt);
	look_around(s, now);
	unsigned budget = scan_rate_take(&c->rate, now, SCAN_BATCH);
	s->rate = c->rate;
	pthread_mutex_unlock(&c->lock);
	s->unused = 0;
	s->answered = s->lost = 0;
	s->rtt = 0;
	return budget;
}

static void loop(struct worker *s)
{
	while (!scan_stop && !s->no_memory) {
		l4_time now = scan_now();
		unsigned got = receive(s, now);
		unsigned budget = budget_of(s, now);
		unsigned sent = resend_due(s, now, budget);
		sent += send_fresh(s, now, budget - sent);
		uint64_t canary;
		if (scan_alive_ask(&s->alive, now, &canary)) {
			unsigned k = s->n_canaries++ % CANARIES;
			s->canary_at[k] = now;
			send_probe(s, canary, CANARY + k, now);
		}
		s->unused = budget - sent;
		flush(s);
		bool more = has_places(s);
		if (!more && !s->waiting)
			break;
		if (sent || got)
			continue;
		l4_time due = next_due(s, now);
		if (due <= now)
			due = now + L4_MSEC; /* a canary is on its way */
		if (more && s->waiting < WAITING_MAX) {
			l4_time token = now + (l4_time)(1e9 / s->rate.rate) + 1;
			due = token < due ? token : due;
		}
		if (due > now)
			scan_net_wait(&s->net, due - now);
	}
	flush(s);
	receive(s, scan_now());
	budget_of(s, scan_now());
}

static void *worker_main(void *arg)
{
	loop(arg);
	return NULL;
}

/* A second worker beside the first; false: there is none, and need not be. */
static bool hire(struct worker *s, const struct worker *first)
{
	s->crew = first->crew;
	s->index = 1;
	s->job = first->job;
	if (scan_net_share(&s->net, &first->net) < 0)
		return false;
	s->crew->n = 2;
	if (apart_start(&s->thread, 0, worker_main, s) == 0)
		return true;
	s->crew->n = 1;
	scan_net_unshare(&s->net);
	return false;
}

static void add_counters(struct scan_counters *to, const struct scan_counters *c)
{
	to->sent += c->sent;
	to->retries += c->retries;
	to->answers += c->answers;
	to->late += c->late;
	to->forged += c->forged;
	to->rx_drops += c->rx_drops;
	to->send_errors += c->send_errors;
}

/* All workers' loops. */
static void work(struct crew *c, struct worker *w)
{
	struct scan_job *j = c->j;
	unsigned n = 1;
	bool many = j->n_probes >= MANY_PROBES;
	w[0].job = *j;
	memset(&w[0].job.c, 0, sizeof w[0].job.c);
	if (many)
		for (size_t i = 0; i < w[0].net.n_links; i++)
			scan_link_hurry(&w[0].net.links[i]);
	/* With an address of our own there are questions to answer too: one does it all. */
	if (many && !j->has_source && sysconf(_SC_NPROCESSORS_ONLN) > 1 && hire(&w[1], &w[0]))
		n = 2;
	loop(&w[0]);
	if (n > 1)
		pthread_join(w[1].thread, NULL);
	j->done = atomic_load(&c->next);
	if (j->done > j->n_probes)
		j->done = j->n_probes;
	for (unsigned i = 0; i < n; i++) {
		add_counters(&j->c, &w[i].job.c);
		if (w[i].next < w[i].end)
			j->done = w[i].next < j->done ? w[i].next : j->done;
	}
	if (n > 1)
		scan_net_unshare(&w[1].net);
	j->c.lost = c->rate.lost;
	j->rate_reached = c->rate_reached;
}

/* Our own TCP knows the link and its default gateways: whether that is enough for all targets. */
static void note_own_interface(struct scan_job *j, const struct scan_net *n)
{
	struct l4_addr gw[8];
	for (size_t i = 0; i < n->n_groups; i++) {
		const struct scan_group *g = &n->groups[i];
		bool known = g->on_link;
		if (!g->ok)
			continue;
		const struct scan_link *l = &n->links[g->link];
		unsigned k = known || g->local ? 0 : netconf_gateways(l->name, gw, 8);
		while (k-- && !known)
			known = l4_addr_eq(&gw[k], &g->gw);
		if (!l->ethernet || g->local || !known ||
		    (j->own_interface[0] && strcmp(j->own_interface, l->name))) {
			j->own_interface[0] = 0;
			return;
		}
		memcpy(j->own_interface, l->name, sizeof j->own_interface);
	}
}

int scan_raw_run(struct scan_job *j, char *error, size_t cap)
{
	struct crew c = { .j = j, .n = 1 };
	struct worker *w = calloc(WORKERS_MAX, sizeof *w);
	struct scan_net *n = w ? &w[0].net : NULL;
	if (!w || scan_net_init(n, j, error, cap) < 0) {
		free(w);
		return -1;
	}
	int result = -1;
	w[0].crew = &c;
	pthread_mutex_init(&c.lock, NULL);
	scan_rate_init(&c.rate, j->rate_max, j->retries + 1, j->timeout, scan_now());
	note_own_interface(j, n);
	if (scan_hosts_run(j, n, &c.rate, error, cap) < 0)
		goto out;
	for (size_t i = 0; i < n->n_groups; i++)
		if (n->groups[i].ok)
			scan_probe_template(j, n, &n->groups[i], j->type);
	l4_time start = scan_now();
	c.rate.last = c.rate.epoch = start;
	atomic_store(&c.next, j->start);
	work(&c, w);
	j->probing = scan_now() - start;
	j->loss = c.rate.answered + c.rate.lost
		      ? (double)c.rate.lost / (double)(c.rate.answered + c.rate.lost)
		      : 0;
	scan_progress(j, scan_type_name(j->type), j->done, j->n_probes, true);
	result = w[0].no_memory || w[1].no_memory ? -1 : 0;
	if (result < 0)
		snprintf(error, cap, "no memory for probes under way");
out:
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		for (unsigned k = 0; k <= SCAN_ATTEMPTS_MAX; k++)
			free(w[i].q[k].w);
	scan_net_fini(n);
	pthread_mutex_destroy(&c.lock);
	free(w);
	return result;
}
