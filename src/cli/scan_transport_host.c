/* Streams of the service detection over layer4's own TCP, on the interface that was scanned.
 *
 * A host on a packet device with the interface's own address (the kernel is kept silent on our
 * ports) or, with -a, an address of our own. A slot keeps its local port for all of its
 * connections: a port is claimed from the kernel once, and an aborted connection leaves nothing
 * behind that the next one could meet. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/netconf.h"
#include "cli/scan_services.h"
#include "cli/stack.h"

#define SLOTS 512

struct slot {
	l4_ep ep;      /* 0: free */
	uint16_t port; /* 0: none claimed yet */
};

struct own {
	struct stack_opts opts;
	struct stack stack;
	char device[32];
	struct slot slots[SLOTS];
};

static int h_open(void *ctx, const struct l4_addr *a, uint16_t port)
{
	struct own *o = ctx;
	struct l4_endpoint remote = { .addr = *a, .port = port };
	struct l4_endpoint local = { .port = 0 };
	int i = 0;
	while (i < SLOTS && o->slots[i].ep)
		i++;
	if (i == SLOTS)
		return -1;
	struct slot *s = &o->slots[i];
	if (o->opts.shared && !s->port && !stack_claim(&o->stack, 6, &s->port))
		return -1;
	l4_ep ep = l4_tcp_new(o->stack.host, s);
	if (ep <= 0)
		return -1;
	local.port = s->port;
	if ((s->port && l4_tcp_bind(o->stack.host, ep, &local) < 0) ||
	    l4_tcp_connect(o->stack.host, ep, &remote, stack_now(&o->stack)) < 0) {
		l4_tcp_abort(o->stack.host, ep, stack_now(&o->stack));
		return -1;
	}
	s->ep = ep;
	return i;
}

static long result(int64_t n)
{
	return n >= 0 ? (long)n : n == L4_EAGAIN || n == L4_ENOTCONN ? -1 : -2;
}

static long h_send(void *ctx, int stream, const void *data, size_t len)
{
	struct own *o = ctx;
	return result(
	    l4_tcp_send(o->stack.host, o->slots[stream].ep, data, len, 0, stack_now(&o->stack)));
}

static long h_recv(void *ctx, int stream, void *data, size_t cap)
{
	struct own *o = ctx;
	return result(
	    l4_tcp_recv(o->stack.host, o->slots[stream].ep, data, cap, 0, stack_now(&o->stack)));
}

static void h_close(void *ctx, int stream)
{
	struct own *o = ctx;
	l4_tcp_abort(o->stack.host, o->slots[stream].ep, stack_now(&o->stack));
	o->slots[stream].ep = 0;
}

static int take_events(struct own *o, struct scan_event *events, int max)
{
	struct l4_event ev[64];
	int n = 0;
	size_t k = l4_host_events(o->stack.host, ev, max < 64 ? (size_t)max : 64);
	for (size_t i = 0; i < k; i++) {
		struct slot *s = ev[i].user;
		if (!ev[i].ep || !s || s->ep != ev[i].ep)
			continue;
		events[n].stream = (int)(s - o->slots);
		events[n].what =
		    (ev[i].bits & (L4_EV_READABLE | L4_EV_EOF) ? SCAN_READABLE : 0u) |
		    (ev[i].bits & (L4_EV_CONNECTED | L4_EV_WRITABLE) ? SCAN_WRITABLE : 0u) |
		    (ev[i].bits & (L4_EV_ERROR | L4_EV_CLOSED) ? SCAN_FAILED : 0u);
		n++;
	}
	return n;
}

static int h_wait(void *ctx, struct scan_event *events, int max, l4_time wait)
{
	struct own *o = ctx;
	l4_time end = stack_now(&o->stack) + wait;
	for (;;) {
		int n = take_events(o, events, max);
		if (n || stack_now(&o->stack) >= end)
			return n;
		if (!stack_step(&o->stack, end)) {
			/* The device is gone, which was said, or Ctrl-C. */
			scan_stop = 1;
			return 0;
		}
	}
}

static bool nothing_left(void *ctx)
{
	const struct own *o = ctx;
	return !l4_host_wants_tx(o->stack.host, o->stack.ifindex);
}

static void h_fini(void *ctx)
{
	struct own *o = ctx;
	/* The last resets. */
	stack_drain(&o->stack, 20 * L4_MSEC, nothing_left, o);
	stack_close(&o->stack);
	free(o);
}

int scan_transport_host(struct scan_transport *t, const struct scan_job *j)
{
	struct own *o = calloc(1, sizeof *o);
	if (!o)
		return -1;
	snprintf(o->device, sizeof o->device, "packet:%s", j->own_interface);
	o->opts.device = o->device;
	o->opts.shared = !j->has_source;
	if (j->has_source) {
		/* With the prefix length that the interface's addresses of this version have. */
		struct l4_prefix p[16];
		unsigned n = netconf_addresses(j->own_interface, p, 16);
		o->opts.address[0] = (struct l4_prefix){ j->source, 128 };
		for (unsigned i = 0; i < n; i++)
			if (l4_prefix_has(&p[i], &j->source))
				o->opts.address[0].len = p[i].len;
		o->opts.address_n = 1;
		o->opts.gateway_n = netconf_gateways(j->own_interface, o->opts.gateway, STACK_DNS);
	}
	if (stack_open(&o->stack, &o->opts, "scan") != L4_EXIT_DONE) {
		free(o);
		return -1;
	}
	*t = (struct scan_transport){ o, h_open, h_send, h_recv, h_close, h_wait, h_fini };
	return 0;
}
