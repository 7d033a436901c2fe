/* The engine of the raw scans (SYN, ACK, FIN, NULL, Xmas, window).
 *
 * Probes leave in the permuted order as the rate allows. Each waits in a queue of its attempt; all
 * of one attempt wait about equally long, so the queues are first in, first out and need no timer
 * heap. A probe whose time is over and that nothing answered is sent again, or given up after as
 * many attempts as the measured loss calls for. Answers are matched by cookie alone, so that even
 * one to a probe given up counts.
 *
 * In larger scans a second thread receives and parses, so that this one only sends: it hands over
 * answers in a ring of which it writes the tail and this one the head, and rings (eventfd) when
 * this one sleeps. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/netconf.h"
#include "cli/scan_net.h"

#define WAITING_MAX (1u << 20) /* probes that may be under way at once */
#define RING        32768u     /* answers between the threads; a power of two */
#define RX_PROBES   10000u     /* a second thread from so many probes on */

/* A probe under way. */
struct wait {
	uint64_t probe;
	l4_time due;
};

/* A ring of those whose attempt is the same. */
struct queue {
	struct wait *w;
	size_t cap, head, n; /* cap is a power of two */
};

/* What the receiving thread and the sending one share. */
struct receiver {
	pthread_t thread;
	bool running;
	const struct scan_job *j;
	struct scan_net *net;
	int bell; /* eventfd: there are answers */
	atomic_bool stop, asleep;
	atomic_size_t head, tail;
	atomic_ullong forged;
	atomic_ullong drained; /* all that came before this time has been handed over */
	struct scan_answer ring[RING];
};

struct raw {
	struct scan_job *j;
	struct receiver *rx; /* NULL: this thread receives too */
	struct scan_net net;
	struct scan_rate rate;
	struct queue q[SCAN_ATTEMPTS_MAX + 1]; /* by attempt, from 1 */
	size_t waiting;
	uint64_t next; /* place in the order */
	uint64_t timed_probe;
	l4_time timed_at; /* 0: no probe is being timed */
	l4_time last_look;
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

static void push(struct raw *s, unsigned attempt, uint64_t probe, l4_time due)
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
	q->w[(q->head + q->n++) & (q->cap - 1)] = (struct wait){ probe, due };
	s->waiting++;
}

/* Sends one probe; false when its host is down or has no route. */
static bool send_probe(struct raw *s, uint64_t probe, unsigned attempt, l4_time now)
{
	struct scan_job *j = s->j;
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
	} else if (attempt > 1) {
		j->c.retries++;
		if (probe == s->timed_probe)
			s->timed_at = 0; /* Karn: whose answer it will be cannot be told */
	}
	push(s, attempt, probe, now + scan_rate_timeout(&s->rate, attempt));
	return true;
}

static void on_answer(struct raw *s, const struct scan_answer *a, l4_time now)
{
	struct scan_job *j = s->j;
	int64_t host = scan_targets_find(j->targets, &a->host);
	int32_t port = j->port_index[a->dport];
	if (host < 0 || port < 0 || a->is_echo)
		return;
	uint64_t probe = (uint64_t)host * j->n_ports + (uint64_t)port;
	bool tcp = a->reason == SCAN_R_SYN_ACK || a->reason == SCAN_R_RESET ||
		   a->reason == SCAN_R_RESET_WINDOW;
	if (tcp && !j->hosts[host])
		j->hosts[host] = a->reason;
	if (probe == s->timed_probe && s->timed_at && a->attempt == 1) {
		scan_rate_on_rtt(&s->rate, now - s->timed_at);
		if (j->host_rtt_ms && j->host_rtt_ms[host] == 0)
			j->host_rtt_ms[host] = (float)((double)(now - s->timed_at) / 1e6);
		s->timed_at = 0;
	}
	if (a->reason == SCAN_R_SYN_ACK && j->has_source) {
		/* Nobody else will end it: the address is ours alone. */
		struct scan_group *g = scan_net_group(&s->net, &a->host);
		if (g && g->ok)
			scan_probe_send_reset(j, &s->net, g, &a->host,
			    g->on_link && j->macs ? &j->macs[host] : &g->gw_mac, a->dport,
			    a->attempt, a->rst_seq);
	}
	/* ICMP errors are rate-limited by design: their absence tells nothing of the link. */
	if (scan_job_answer(j, probe, a->reason) && tcp)
		scan_rate_on_answer(&s->rate, a->attempt);
}

/* --- the receiving thread ------------------------------------------------------------------ */

static void hand_over(struct receiver *r, const struct scan_answer *a)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	while (tail - atomic_load_explicit(&r->head, memory_order_acquire) == RING &&
	       !atomic_load(&r->stop)) {
		/* The sender is busy; the kernel keeps what comes meanwhile. */
		struct timespec ts = { .tv_nsec = 20000 };
		nanosleep(&ts, NULL);
	}
	r->ring[tail % RING] = *a;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

static void *receiver_main(void *arg)
{
	struct receiver *r = arg;
	while (!atomic_load(&r->stop)) {
		unsigned got = 0;
		l4_time before = scan_now();
		for (size_t i = 0; i < r->net->n_links; i++) {
			struct scan_link *l = &r->net->links[i];
			const uint8_t *p;
			size_t len;
			uint16_t type;
			struct l4_mac from;
			struct scan_answer a;
			while ((p = scan_link_receive(l, &len, &type, &from))) {
				if (type != L4_ETHERTYPE_ARP) {
					scan_probe_parse(r->j, r->net, r->j->type, p, len, &a);
					if (a.reason)
						hand_over(r, &a);
					else if (a.forged)
						atomic_fetch_add(&r->forged, 1);
				}
				scan_link_release(l);
				got++;
			}
		}
		atomic_store(&r->drained, before);
		uint64_t one = 1;
		if (got && atomic_exchange(&r->asleep, false))
			(void)!write(r->bell, &one, sizeof one);
		if (!got)
			scan_net_wait(r->net, 5 * L4_MSEC);
	}
	return NULL;
}

static struct receiver *receiver_start(const struct scan_job *j, struct scan_net *n)
{
	/* With an address of our own, questions for it must be answered by who sends. */
	if (j->has_source || j->n_probes < RX_PROBES || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return NULL;
	struct receiver *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->j = j;
	r->net = n;
	r->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->running = r->bell >= 0 && pthread_create(&r->thread, NULL, receiver_main, r) == 0;
	if (r->running)
		return r;
	if (r->bell >= 0)
		close(r->bell);
	free(r);
	return NULL;
}

static unsigned receiver_take(struct raw *s, l4_time now)
{
	struct receiver *r = s->rx;
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	unsigned n = (unsigned)(tail - head);
	for (; head != tail; head++) {
		on_answer(s, &r->ring[head % RING], now);
		if (head % 256 == 0)
			atomic_store_explicit(&r->head, head, memory_order_release);
	}
	atomic_store_explicit(&r->head, head, memory_order_release);
	return n;
}

static void receiver_sleep(struct receiver *r, l4_time wait)
{
	uint64_t rings;
	struct pollfd p = { .fd = r->bell, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(wait / L4_SEC),
		.tv_nsec = (long)(wait % L4_SEC) };
	atomic_store(&r->asleep, true);
	/* What came before the flag was up does not ring. */
	if (atomic_load(&r->tail) == atomic_load(&r->head))
		ppoll(&p, 1, &ts, NULL);
	atomic_store(&r->asleep, false);
	(void)!read(r->bell, &rings, sizeof rings);
}

static unsigned receive(struct raw *s, l4_time now);

static void receiver_stop(struct raw *s)
{
	struct receiver *r = s->rx;
	if (!r)
		return;
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	receiver_take(s, scan_now());
	s->j->c.forged += atomic_load(&r->forged);
	close(r->bell);
	free(r);
	s->rx = NULL;
	receive(s, scan_now()); /* what came since */
}

/* -------------------------------------------------------------------------------------------- */

static unsigned receive(struct raw *s, l4_time now)
{
	if (s->rx)
		return receiver_take(s, now);
	struct scan_job *j = s->j;
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

static void flush(struct raw *s)
{
	for (size_t i = 0; i < s->net.n_links; i++)
		scan_link_flush(&s->net.links[i], &s->j->c);
}

/* Handles probes whose time was over at `heard`; returns how many packets were sent. */
static unsigned resend_due(struct raw *s, l4_time heard, l4_time now, unsigned budget)
{
	struct scan_job *j = s->j;
	unsigned sent = 0, most = scan_rate_attempts(&s->rate);
	for (unsigned k = SCAN_ATTEMPTS_MAX; k >= 1; k--) {
		struct queue *q = &s->q[k];
		while (q->n) {
			struct wait w = q->w[q->head];
			bool known = j->reasons[w.probe] != SCAN_R_NONE;
			/* Answered probes leave at once; so the queue stays short. */
			if (!known && w.due > heard)
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

static unsigned send_fresh(struct raw *s, l4_time now, unsigned budget)
{
	struct scan_job *j = s->j;
	unsigned sent = 0;
	unsigned skipped = 0;
	while (sent < budget && s->next < j->n_probes && s->waiting < WAITING_MAX) {
		uint64_t probe = scan_perm_at(&j->perm, s->next);
		s->next += j->n_shards;
		if (j->reasons[probe] == SCAN_R_NONE && send_probe(s, probe, 1, now))
			sent++;
		else if (++skipped >= 65536)
			break;
	}
	return sent;
}

/* The earliest time at which a waiting probe is due. */
static l4_time next_due(const struct raw *s, l4_time now)
{
	l4_time due = now + 100 * L4_MSEC;
	for (unsigned k = 1; k <= SCAN_ATTEMPTS_MAX; k++)
		if (s->q[k].n && s->q[k].w[s->q[k].head].due < due)
			due = s->q[k].w[s->q[k].head].due;
	return due;
}

static void look_around(struct raw *s, l4_time now)
{
	if (now - s->last_look < L4_MSEC)
		return;
	s->last_look = now;
	for (size_t i = 0; i < s->net.n_links; i++) {
		uint64_t drops = scan_link_drops(&s->net.links[i]);
		s->j->c.rx_drops += drops;
		scan_rate_on_drops(&s->rate, drops);
	}
	scan_rate_update(&s->rate, now);
	if (s->rate.rate > s->j->rate_reached)
		s->j->rate_reached = s->rate.rate;
	scan_progress(s->j, scan_type_name(s->j->type), s->next, s->j->n_probes, false);
}

static void loop(struct raw *s)
{
	struct scan_job *j = s->j;
	s->next = j->start;
	while (!scan_stop && !s->no_memory) {
		l4_time now = scan_now();
		unsigned got = receive(s, now);
		look_around(s, now);
		unsigned budget = scan_rate_take(&s->rate, now, SCAN_BATCH);
		/* Silence is only known as far as answers have been looked at. */
		l4_time heard = s->rx ? atomic_load(&s->rx->drained) : now;
		unsigned sent = resend_due(s, heard < now ? heard : now, now, budget);
		sent += send_fresh(s, now, budget - sent);
		scan_rate_on_unused(&s->rate, budget - sent);
		flush(s);
		bool more = s->next < j->n_probes;
		if (!more && !s->waiting)
			break;
		if (sent || got)
			continue;
		l4_time due = next_due(s, now);
		if (due <= now)
			due = now + L4_MSEC; /* the receiver is behind */
		if (more && s->waiting < WAITING_MAX) {
			l4_time token = now + (l4_time)(1e9 / s->rate.rate) + 1;
			due = token < due ? token : due;
		}
		if (due > now && s->rx)
			receiver_sleep(s->rx, due - now);
		else if (due > now)
			scan_net_wait(&s->net, due - now);
	}
	flush(s);
	receive(s, scan_now());
	/* With Ctrl-C, what is still waiting is not done: resume before it. */
	j->done = s->next;
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
	struct raw *s = calloc(1, sizeof *s);
	if (!s || scan_net_init(&s->net, j, error, cap) < 0) {
		free(s);
		return -1;
	}
	int result = -1;
	s->j = j;
	scan_rate_init(&s->rate, j->rate_max, j->retries + 1, j->timeout, scan_now());
	note_own_interface(j, &s->net);
	if (scan_hosts_run(j, &s->net, &s->rate, error, cap) < 0)
		goto out;
	for (size_t i = 0; i < s->net.n_groups; i++)
		if (s->net.groups[i].ok)
			scan_probe_template(j, &s->net, &s->net.groups[i], j->type);
	s->rate.last = s->rate.epoch = scan_now();
	s->rx = receiver_start(j, &s->net);
	loop(s);
	receiver_stop(s);
	j->loss = s->rate.answered + s->rate.lost
		      ? (double)s->rate.lost / (double)(s->rate.answered + s->rate.lost)
		      : 0;
	j->c.lost = s->rate.lost;
	scan_progress(j, scan_type_name(j->type), s->next, j->n_probes, true);
	result = s->no_memory ? -1 : 0;
	if (s->no_memory)
		snprintf(error, cap, "no memory for probes under way");
out:
	for (unsigned k = 0; k <= SCAN_ATTEMPTS_MAX; k++)
		free(s->q[k].w);
	scan_net_fini(&s->net);
	free(s);
	return result;
}
