/* Connect scan: sockets of the kernel, no privileges.
 *
 * Non-blocking connects under one epoll, as many at once as descriptors allow. A port that answers
 * is open and closed again with a reset (SO_LINGER 0), so that neither side keeps TIME-WAIT. An
 * attempt that stays silent is taken back and made anew after a short time instead of the kernel's
 * own second; how often follows the loss measured, as in the raw scans. Silence counts only once
 * something asked later has been answered, as there (scan_raw.c). Descriptors index a table of
 * their probes, so that an event leads there at once. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/scan.h"

#define AT_ONCE_MOST  4096
#define AT_ONCE_FIRST 256
#define WORKERS_MAX   4
#define KEEP_FDS      64    /* for the rest of the program */
#define CANARY        1000u /* in place of an attempt's number */

struct attempt {
	uint64_t probe;
	l4_time started, due;
	unsigned number; /* 0: the slot is free */
};

/* What waits for its turn again. */
struct again {
	uint64_t probe;
	unsigned number;
};

/* A descriptor and when its attempt ends; stale when the table says otherwise. */
struct deadline {
	int fd;
	l4_time due;
};

struct conn {
	struct scan_job *j;
	struct scan_rate rate;
	int epoll;
	struct attempt *at; /* by descriptor */
	int n_at;
	struct deadline *order; /* as they were opened, a ring: the oldest is due first */
	size_t order_cap, order_head, order_n;
	size_t open, open_max, open_limit;
	struct again *again;
	size_t n_again, cap_again;
	uint64_t next;
	bool out_of_ports;
	int spare; /* a socket whose connect was refused can be used again; -1 */
	int spare_family;
	struct scan_alive alive;
	unsigned quick_tried, quick_hit; /* connects whose refusal was there at once */
};

static uint8_t reason_of_errno(int e)
{
	switch (e) {
	case 0:
		return SCAN_R_SYN_ACK;
	case ECONNREFUSED:
	case ECONNRESET:
		return SCAN_R_CONN_REFUSED;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		return SCAN_R_HOST_UNREACH;
	case ENETUNREACH:
		return SCAN_R_NET_UNREACH;
	case EACCES:
	case EPERM:
		return SCAN_R_ADMIN_PROHIBITED;
	case ENOPROTOOPT:
		return SCAN_R_PROTO_UNREACH;
	default:
		return SCAN_R_NO_RESPONSE;
	}
}

static socklen_t to_sockaddr(
    struct sockaddr_storage *ss, const struct scan_job *j, const struct l4_addr *a, uint16_t port)
{
	memset(ss, 0, sizeof *ss);
	if (l4_addr_is_ip4(a)) {
		struct sockaddr_in *s = (struct sockaddr_in *)ss;
		s->sin_family = AF_INET;
		s->sin_port = htons(port);
		memcpy(&s->sin_addr, a->b + 12, 4);
		return sizeof *s;
	}
	struct sockaddr_in6 *s = (struct sockaddr_in6 *)ss;
	s->sin6_family = AF_INET6;
	s->sin6_port = htons(port);
	memcpy(&s->sin6_addr, a->b, 16);
	if (l4_addr_is_link_local(a) && j->interface)
		s->sin6_scope_id = if_nametoindex(j->interface);
	return sizeof *s;
}

static void finish(struct conn *c, int fd, uint8_t reason, l4_time now)
{
	struct scan_job *j = c->j;
	struct attempt *a = &c->at[fd];
	uint64_t host = a->probe / j->n_ports;
	struct linger hard = { .l_onoff = 1 };
	bool answered = reason == SCAN_R_SYN_ACK || reason == SCAN_R_CONN_REFUSED;
	if (reason == SCAN_R_SYN_ACK)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	if (fd != c->spare)
		close(fd);
	c->open--;
	if (answered)
		scan_alive_on_answer(&c->alive, a->probe, a->started);
	if (a->number == CANARY) {
		a->number = 0;
		return;
	}
	if (answered) {
		scan_job_heard(j, host, reason, now - a->started);
		if (a->number == 1)
			scan_rate_on_rtt(&c->rate, now - a->started);
		scan_rate_on_answer(&c->rate, a->number);
		/* Answers make room for more, as a window does. */
		if (c->open_max < c->open_limit)
			c->open_max++;
	}
	scan_job_answer(j, a->probe, reason);
	a->number = 0;
}

/* Starts one attempt. False: no socket is to be had now. */
static bool start(struct conn *c, uint64_t probe, unsigned number, l4_time now)
{
	struct scan_job *j = c->j;
	struct sockaddr_storage ss;
	struct l4_addr a = scan_targets_host(j->targets, probe / j->n_ports);
	socklen_t len = to_sockaddr(&ss, j, &a, j->ports[probe % j->n_ports]);
	bool used = c->spare >= 0 && c->spare_family == ss.ss_family;
	int fd =
	    used ? c->spare : socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || fd >= c->n_at) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (used)
		c->spare = -1;
	if (!used && j->interface)
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, j->interface,
		    (socklen_t)strlen(j->interface) + 1);
	if (!used && j->has_source && l4_addr_is_ip4(&j->source) == l4_addr_is_ip4(&a)) {
		struct sockaddr_storage src;
		socklen_t n = to_sockaddr(&src, j, &j->source, 0);
		(void)bind(fd, (struct sockaddr *)&src, n);
	}
	c->at[fd] = (struct attempt){ .probe = probe, .started = now, .number = number };
	c->open++;
	j->c.sent++;
	j->c.retries += number > 1 && number != CANARY;
	int e = connect(fd, (struct sockaddr *)&ss, len) == 0 ? 0 : errno;
	if (e == EAGAIN || e == EADDRNOTAVAIL) {
		/* All local ports towards this host are in use. */
		close(fd);
		c->open--;
		c->at[fd].number = 0;
		c->out_of_ports = true;
		return false;
	}
	if (e != EINPROGRESS) {
		finish(c, fd, reason_of_errno(e), e == 0 || e == ECONNREFUSED ? scan_now() : now);
		return true;
	}
	/* On a fast path the refusal came while we were in the kernel: then epoll is a detour. */
	if (c->quick_tried < 64 || c->quick_hit * 4 > c->quick_tried) {
		c->quick_tried++;
		e = connect(fd, (struct sockaddr *)&ss, len) == 0 ? 0 : errno;
		if (e != EALREADY && e != EINPROGRESS) {
			/* A socket that was refused is as new, once connect has told so. */
			if (e == ECONNREFUSED && c->spare < 0) {
				c->spare = fd;
				c->spare_family = ss.ss_family;
			}
			c->quick_hit++;
			finish(c, fd, reason_of_errno(e), scan_now());
			return true;
		}
	}
	struct epoll_event ev = { .events = EPOLLOUT, .data = { .fd = fd } };
	epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev);
	c->at[fd].due = now + scan_rate_timeout(&c->rate, number) + 40 * L4_MSEC;
	c->order[(c->order_head + c->order_n++) % c->order_cap] =
	    (struct deadline){ fd, c->at[fd].due };
	return true;
}

static void put_again(struct conn *c, uint64_t probe, unsigned number)
{
	if (c->n_again == c->cap_again) {
		size_t cap = c->cap_again ? c->cap_again * 2 : 1024;
		struct again *p = realloc(c->again, cap * sizeof *p);
		if (!p) {
			scan_job_answer(c->j, probe, SCAN_R_NO_RESPONSE);
			return;
		}
		c->again = p;
		c->cap_again = cap;
	}
	c->again[c->n_again++] = (struct again){ probe, number };
}

/* Takes back what is silent for too long. */
static void expire(struct conn *c, l4_time now)
{
	while (c->order_n) {
		struct deadline d = c->order[c->order_head];
		int fd = d.fd;
		struct attempt *a = &c->at[fd];
		bool stale = !a->number || a->due != d.due;
		if (!stale && (d.due > now || !scan_alive_since(&c->alive, a->started, now, d.due)))
			return;
		c->order_head = (c->order_head + 1) % c->order_cap;
		c->order_n--;
		if (stale)
			continue;
		uint64_t probe = a->probe;
		unsigned number = a->number;
		close(fd);
		c->open--;
		a->number = 0;
		if (number == CANARY)
			continue;
		if (number < scan_rate_attempts(&c->rate))
			put_again(c, probe, number + 1);
		else
			scan_job_answer(c->j, probe, SCAN_R_NO_RESPONSE);
	}
}

static void take_events(struct conn *c, int wait_ms)
{
	struct epoll_event ev[AT_ONCE_MOST];
	/* All at once: none that has answered may be taken for silent. */
	int n = epoll_wait(c->epoll, ev, AT_ONCE_MOST, wait_ms);
	l4_time now = scan_now();
	for (int i = 0; i < n; i++) {
		int fd = ev[i].data.fd, e = 0;
		socklen_t len = sizeof e;
		if (!c->at[fd].number)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
			e = errno;
		finish(c, fd, reason_of_errno(e), now);
	}
}

static unsigned start_some(struct conn *c, l4_time now)
{
	struct scan_job *j = c->j;
	unsigned started = 0, budget = scan_rate_take(&c->rate, now, 64);
	while (started < budget && c->open < c->open_max && c->order_n < c->order_cap) {
		if (c->n_again) {
			struct again a = c->again[c->n_again - 1];
			if (j->reasons[a.probe] == SCAN_R_NONE && !start(c, a.probe, a.number, now))
				break;
			c->n_again--;
		} else if (c->next < j->n_probes) {
			uint64_t probe = scan_perm_at(&j->perm, c->next);
			if (j->reasons[probe] == SCAN_R_NONE && !start(c, probe, 1, now))
				break;
			c->next += j->n_shards;
		} else {
			break;
		}
		started++;
	}
	scan_rate_on_unused(&c->rate, budget - started);
	return started;
}

static void loop(struct conn *c)
{
	struct scan_job *j = c->j;
	while (!scan_stop && (c->next < j->n_probes || c->open || c->n_again)) {
		l4_time now = scan_now();
		c->out_of_ports = false;
		unsigned started = start_some(c, now);
		uint64_t probe;
		if (scan_alive_ask(&c->alive, now, &probe))
			(void)start(c, probe, CANARY, now);
		bool idle = !started || c->open >= c->open_max;
		if (c->open || idle)
			take_events(c, idle ? 2 : 0);
		expire(c, now); /* silence is known only as far as answers were looked at */
		scan_rate_update(&c->rate, now);
		scan_progress(j, "connect", c->next, j->n_probes, false);
	}
}

/* A worker has its part of the order, as a shard has, and its own descriptors and counters. */
struct worker {
	struct scan_job job; /* a copy; the tables it points to are shared, a byte a probe */
	struct conn c;
	pthread_t thread;
	bool running;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	loop(&w->c);
	return NULL;
}

static int worker_init(struct worker *w, const struct scan_job *j, unsigned i, unsigned n, int fds)
{
	struct conn *c = &w->c;
	w->job = *j;
	w->job.start = j->start + (uint64_t)i * j->n_shards;
	w->job.n_shards = j->n_shards * n;
	w->job.progress = j->progress && i == 0;
	memset(&w->job.c, 0, sizeof w->job.c);
	c->j = &w->job;
	c->spare = -1;
	c->next = w->job.start;
	c->n_at = fds;
	c->order_cap = (size_t)fds * 4;
	c->open_max = (size_t)(fds / (int)n > AT_ONCE_FIRST + KEEP_FDS ? AT_ONCE_FIRST : 16) / n;
	c->open_limit = (size_t)(fds - KEEP_FDS) / n;
	c->at = calloc((size_t)fds, sizeof *c->at);
	c->order = calloc(c->order_cap, sizeof *c->order);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!c->at || !c->order || c->epoll < 0)
		return -1;
	scan_rate_init(&c->rate, j->rate_max / n, j->retries + 1, j->timeout, scan_now());
	if (j->rate_max <= 0)
		c->rate.rate = c->rate.max;
	return 0;
}

static void worker_fini(struct worker *w, struct scan_job *j)
{
	struct conn *c = &w->c;
	for (int fd = 0; c->at && fd < c->n_at; fd++)
		if (c->at[fd].number)
			close(fd);
	j->c.sent += w->job.c.sent;
	j->c.retries += w->job.c.retries;
	j->c.answers += w->job.c.answers;
	j->c.late += w->job.c.late;
	j->c.lost += c->rate.lost;
	if (c->spare >= 0)
		close(c->spare);
	if (c->epoll >= 0)
		close(c->epoll);
	free(c->at);
	free(c->order);
	free(c->again);
}

/* Descriptors that may be open: as many as allowed, to a sensible number. */
static int raise_limit(void)
{
	struct rlimit lim;
	const rlim_t most = AT_ONCE_MOST + KEEP_FDS;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 256;
	if (lim.rlim_cur < lim.rlim_max && lim.rlim_cur < most) {
		lim.rlim_cur = lim.rlim_max > most ? most : lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
		(void)getrlimit(RLIMIT_NOFILE, &lim);
	}
	return lim.rlim_cur > most ? (int)most : (int)lim.rlim_cur;
}

int scan_connect_run(struct scan_job *j, char *error, size_t cap)
{
	int fds = raise_limit(), result = -1;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* With few probes, or a rate to keep, one is enough. */
	unsigned n = cpus < 2 || j->n_probes < 2000 || j->rate_max > 0 || fds < 1024 ? 1
		     : cpus > WORKERS_MAX                                            ? WORKERS_MAX
					  : (unsigned)cpus;
	struct worker *w = calloc(n, sizeof *w);
	for (unsigned i = 0; w && i < n; i++) {
		w[i].c.epoll = w[i].c.spare = -1;
		if (worker_init(&w[i], j, i, n, fds) < 0) {
			snprintf(error, cap, "preparing the connect scan: %s", strerror(errno));
			goto out;
		}
	}
	if (!w) {
		snprintf(error, cap, "no memory for the connect scan");
		return -1;
	}
	for (unsigned i = 1; i < n; i++) {
		w[i].running = pthread_create(&w[i].thread, NULL, work, &w[i]) == 0;
		if (!w[i].running)
			loop(&w[i].c);
	}
	loop(&w[0].c);
	for (unsigned i = 1; i < n; i++)
		if (w[i].running)
			pthread_join(w[i].thread, NULL);
	scan_progress(j, "connect", 1, 1, true);
	result = 0;
out:
	for (unsigned i = 0; i < n; i++)
		worker_fini(&w[i], j);
	free(w);
	uint64_t all = j->c.answers + j->c.lost;
	j->loss = all ? (double)j->c.lost / (double)all : 0;
	return result;
}
