/* Our own stack under l4 bench: one host on a device, or two in this process.
 *
 * In memory the frames of one host are handed to the other by reference, as a device would that
 * copies nothing: received bytes are lent in place, and what was lent is given back before the
 * sender's buffers may change. */
#include "cli/bench.h"

#include <layer4/err.h>
#include <layer4/udp.h>
#include <layer4/wire.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/dnsc.h"
#include "cli/signals.h"

#define BATCH 64

struct memory;

struct own {
	struct bench_net n;
	struct stack s; /* on a device */
	struct l4_host *host;
	unsigned ifindex;
	struct memory *m; /* or in memory */
	bool end;         /* which of the two */
	char what[96];
};

struct memory {
	struct own *host[2];
	struct l4_tx_frame out[BATCH];
	unsigned users;
};

static struct own *own(struct bench_net *n)
{
	return (struct own *)n;
}

static l4_time own_now(struct bench_net *n)
{
	struct timespec t;
	(void)n;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

static bool claim(struct own *o, uint8_t protocol, uint16_t *port)
{
	return o->m || stack_claim(&o->s, protocol, port);
}

static void own_tune(struct bench_net *n, int64_t h, const struct bench_tune *t)
{
	struct l4_host *host = own(n)->host;
	l4_time now = own_now(n);
	if (t->nodelay)
		l4_tcp_set(host, h, L4_TCPOPT_NODELAY, 1, now);
	if (t->window) {
		l4_tcp_set(host, h, L4_TCPOPT_SNDBUF, t->window, now);
		l4_tcp_set(host, h, L4_TCPOPT_RCVBUF, t->window, now);
	}
	if (t->congestion)
		l4_tcp_set_congestion(host, h, t->congestion);
}

static int64_t own_listen(struct bench_net *n, const struct l4_endpoint *at, void *user)
{
	struct own *o = own(n);
	struct l4_endpoint me = *at;
	if (!claim(o, L4_PROTO_TCP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_tcp_new(o->host, user);
	int rc = ep < 0 ? (int)ep : l4_tcp_bind(o->host, ep, &me);
	if (rc == 0)
		rc = l4_tcp_listen(o->host, ep, 1024, own_now(n));
	return rc < 0 ? rc : ep;
}

static int64_t own_accept(
    struct bench_net *n, int64_t listener, struct l4_endpoint *from, void *user)
{
	return l4_tcp_accept(own(n)->host, listener, from, user, own_now(n));
}

static int64_t own_connect(
    struct bench_net *n, const struct l4_endpoint *to, const struct bench_tune *t, void *user)
{
	struct own *o = own(n);
	struct l4_endpoint me;
	memset(&me, 0, sizeof me);
	if (!claim(o, L4_PROTO_TCP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_tcp_new(o->host, user);
	if (ep < 0)
		return ep;
	own_tune(n, ep, t);
	int rc = me.port ? l4_tcp_bind(o->host, ep, &me) : 0;
	if (rc == 0)
		rc = l4_tcp_connect(o->host, ep, to, own_now(n));
	if (rc < 0)
		l4_tcp_abort(o->host, ep, own_now(n));
	return rc < 0 ? rc : ep;
}

static int64_t own_send(struct bench_net *n, int64_t h, const void *p, size_t len)
{
	return l4_tcp_send(own(n)->host, h, p, len, 0, own_now(n));
}

static int64_t own_recv(struct bench_net *n, int64_t h, void *p, size_t len)
{
	return l4_tcp_recv(own(n)->host, h, p, len, 0, own_now(n));
}

static void own_shutdown(struct bench_net *n, int64_t h)
{
	l4_tcp_shutdown(own(n)->host, h, own_now(n));
}

static void own_close(struct bench_net *n, int64_t h, bool udp, bool abort)
{
	if (udp)
		l4_udp_close(own(n)->host, h, own_now(n));
	else if (abort)
		l4_tcp_abort(own(n)->host, h, own_now(n));
	else
		l4_tcp_close(own(n)->host, h, own_now(n));
}

static void own_info(struct bench_net *n, int64_t h, struct bench_info *out)
{
	struct l4_tcp_info i;
	int64_t q = l4_tcp_outq(own(n)->host, h);
	memset(out, 0, sizeof *out);
	if (l4_tcp_info(own(n)->host, h, &i, own_now(n)) < 0)
		return;
	out->waiting = q > 0 ? (uint64_t)q : 0;
	out->retrans = i.total_retrans;
	out->cwnd_bytes = (uint32_t)i.cwnd_bytes;
	out->rtt_us = i.rtt;
}

static int64_t own_udp(
    struct bench_net *n, const struct l4_endpoint *at, const struct l4_endpoint *to, void *user)
{
	struct own *o = own(n);
	struct l4_endpoint me = *at;
	if (!claim(o, L4_PROTO_UDP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_udp_new(o->host, user);
	if (ep < 0)
		return ep;
	l4_udp_set(o->host, ep, L4_UDPOPT_RCVBUF, 4 << 20);
	int rc = l4_udp_bind(o->host, ep, &me);
	if (rc == 0 && to)
		rc = l4_udp_connect(o->host, ep, to);
	if (rc < 0)
		l4_udp_close(o->host, ep, own_now(n));
	return rc < 0 ? rc : ep;
}

static int64_t own_udp_send(
    struct bench_net *n, int64_t h, const struct l4_endpoint *to, const void *p, size_t len)
{
	return l4_udp_send(own(n)->host, h, to, p, len, own_now(n));
}

static int64_t own_udp_recv(
    struct bench_net *n, int64_t h, void *p, size_t len, struct l4_endpoint *from, l4_time *when)
{
	struct l4_udp_msg m;
	int64_t got = l4_udp_recv(own(n)->host, h, p, len, &m, own_now(n));
	if (got >= 0) {
		*from = m.from;
		*when = m.time;
	}
	return got;
}

static size_t own_events(struct bench_net *n, struct bench_event *out, size_t max)
{
	struct l4_event ev[BATCH];
	size_t got = l4_host_events(own(n)->host, ev, max < BATCH ? max : BATCH);
	for (size_t i = 0; i < got; i++) {
		out[i].user = ev[i].user;
		out[i].err = ev[i].err;
		out[i].bits = ev[i].bits & L4_EV_ERROR    ? BENCH_EV_ERROR
			      : ev[i].bits & L4_EV_ACCEPT ? BENCH_EV_ACCEPT
							  : BENCH_EV_OTHER;
	}
	return got;
}

static bool device_step(struct bench_net *n, l4_time until, bool anyway)
{
	struct own *o = own(n);
	bool on = anyway && signals_stop() ? l4_loop_once(o->s.loop, until) != L4_ESYS
					   : stack_step(&o->s, until);
	n->failed = o->s.failed;
	return on;
}

static void device_close(struct bench_net *n)
{
	stack_close(&own(n)->s);
	free(n);
}

static const struct bench_ops device_ops = { own_listen, own_accept, own_connect, own_tune,
	own_send, own_recv, own_shutdown, own_close, own_info, own_udp, own_udp_send, own_udp_recv,
	own_events, device_step, own_now, device_close };

int bench_stack_new(struct bench_net **out, struct stack_opts *so)
{
	struct own *o = calloc(1, sizeof *o);
	if (!o)
		return L4_EXIT_SYSTEM;
	int rc = stack_open(&o->s, so, "bench");
	if (rc != L4_EXIT_DONE) {
		free(o);
		return rc;
	}
	o->n.ops = &device_ops;
	o->host = o->s.host;
	o->ifindex = o->s.ifindex;
	snprintf(o->what, sizeof o->what, "layer4 on %s", so->device);
	o->n.what = o->what;
	*out = &o->n;
	return L4_EXIT_DONE;
}

int bench_stack_resolve(struct bench_net *n, const char *host, struct l4_addr *out)
{
	return dnsc_resolve(&own(n)->s, host, out, 1) > 0 ? L4_EXIT_DONE : L4_EXIT_NO;
}

/* --- in memory --- */

/* Moves what waits from one host to the other; whether anything did. */
static bool carry(struct memory *m, int from, l4_time now)
{
	struct l4_frame f[BATCH];
	struct own *a = m->host[from], *b = m->host[!from];
	/* Its loans point into what the other sends from. */
	l4_host_rx_end(a->host);
	l4_host_rx_end(b->host);
	size_t n = l4_host_tx(a->host, a->ifindex, m->out, BATCH, now);
	for (size_t i = 0; i < n; i++) {
		f[i] = m->out[i].f;
		f[i].time = now;
	}
	if (n)
		l4_host_rx_lend(b->host, b->ifindex, f, n, now);
	return n > 0;
}

static bool memory_step(struct bench_net *n, l4_time until, bool anyway)
{
	struct memory *m = own(n)->m;
	l4_time now = own_now(n);
	if (!anyway && signals_stop())
		return false;
	for (int i = 0; i < 2; i++) {
		l4_time at = l4_host_deadline(m->host[i]->host);
		if (at <= now)
			l4_host_tick(m->host[i]->host, now);
		until = at < until ? at : until;
	}
	/* What this end has to send: what the other answers comes with its own turn. */
	if (carry(m, own(n)->end, now) || until <= now)
		return true;
	if (l4_host_wants_tx(m->host[!own(n)->end]->host, m->host[!own(n)->end]->ifindex))
		return true;
	l4_time wait = until - now < L4_MSEC ? until - now : L4_MSEC;
	struct timespec t = { .tv_nsec = (long)wait };
	nanosleep(&t, NULL);
	return true;
}

void bench_memory_settle(struct bench_net *n)
{
	for (int i = 0; i < 2; i++)
		l4_host_rx_end(own(n)->m->host[i]->host);
}

static void memory_close(struct bench_net *n)
{
	struct memory *m = own(n)->m;
	if (--m->users)
		return;
	for (int i = 0; i < 2; i++) {
		l4_host_free(m->host[i]->host);
		free(m->host[i]);
	}
	free(m);
}

static const struct bench_ops memory_ops = { own_listen, own_accept, own_connect, own_tune,
	own_send, own_recv, own_shutdown, own_close, own_info, own_udp, own_udp_send, own_udp_recv,
	own_events, memory_step, own_now, memory_close };

static int memory_host(struct own *o, const struct stack_opts *so, int which)
{
	struct l4_host_config c;
	struct l4_iface_config ic;
	struct l4_prefix p;
	l4_host_config_init(&c);
	c.now = own_now(&o->n);
	c.limits.buffer_bytes = 256u << 20;
	if (so->has_seed) {
		memcpy(c.seed, &so->seed, sizeof so->seed);
		c.seed[31] = (uint8_t)which;
		c.has_seed = true;
	} else {
		c.has_seed = l4_entropy(c.seed) == 0;
	}
	int rc = l4_host_new(&o->host, &c);
	if (rc < 0)
		return rc;
	memset(&ic, 0, sizeof ic);
	strcpy(ic.name, "mem0");
	ic.caps.medium = L4_MEDIUM_IP;
	ic.caps.mtu = so->mtu ? so->mtu : 1500;
	if (!so->no_offload) {
		ic.caps.tx_tso4 = ic.caps.tx_csum = ic.caps.rx_csum = true;
		ic.caps.gso_max = 65535;
	}
	rc = l4_host_add_iface(o->host, &ic, c.now);
	if (rc < 0)
		return rc;
	o->ifindex = (unsigned)rc;
	l4_prefix_parse(&p, which ? "10.0.0.2/24" : "10.0.0.1/24");
	return l4_host_add_address(o->host, o->ifindex, &p, c.now);
}

int bench_memory_new(struct bench_net *out[2], const struct stack_opts *so)
{
	struct memory *m = calloc(1, sizeof *m);
	int rc = m ? 0 : L4_ENOMEM;
	for (int i = 0; i < 2 && rc >= 0; i++) {
		struct own *o = m->host[i] = calloc(1, sizeof *o);
		if (!o) {
			rc = L4_ENOMEM;
			break;
		}
		*o = (struct own){
			.n = { .ops = &memory_ops, .what = "layer4 in memory" }, .m = m, .end = i
		};
		rc = memory_host(o, so, i);
		out[i] = &o->n;
	}
	if (rc >= 0) {
		m->users = 2;
		return L4_EXIT_DONE;
	}
	fprintf(stderr, "l4 bench: memory: %s\n", l4_err_text(rc));
	for (int i = 0; m && i < 2; i++) {
		if (m->host[i])
			l4_host_free(m->host[i]->host);
		free(m->host[i]);
	}
	free(m);
	return L4_EXIT_SYSTEM;
}
