/* Two hosts in one thread, joined by handing frames over by reference. Included by the programs of
 * bench/memory only. */
#ifndef L4_BENCH_MEMORY_PAIR_H
#define L4_BENCH_MEMORY_PAIR_H

#include <layer4/layer4.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define ADDRESSES 24

static struct l4_host *host[2];
static int ifx[2];
static bool gso; /* super-segments, sums by the device */

static inline l4_time clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

/* Seconds of processor time that this process has used: rates are per second of it, so that other
 * work on the machine does not count. */
static inline double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void die(const char *what, int64_t e)
{
	fprintf(stderr, "memory_l4: %s: %s\n", what, l4_err_text((int)e));
	exit(3);
}

static int addresses = 1;
static l4_time first_rto; /* 0: the default */

static inline void make_hosts(uint32_t window, uint32_t conns)
{
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
		c.tcp.timestamps = false;
		c.tcp.rcvbuf_default = c.tcp.rcvbuf_max = window;
		c.tcp.sndbuf_default = c.tcp.sndbuf_max = window;
		c.tcp.moderate_rcvbuf = false;
		c.tcp.somaxconn = 1 << 21;
		c.tcp.port_low = 1024;
		c.tcp.port_high = 65535;
		c.limits.connections = conns + 16;
		c.limits.half_open = conns + 16;
		c.limits.time_wait = conns + 4096 > 200000 ? conns + 4096 : 200000;
		c.limits.buffer_bytes = 1u << 30;
		c.limits.addresses = ADDRESSES + 2;
		if (first_rto)
			c.tcp.rto_init = first_rto;
		c.now = clock_now();
		int e = l4_host_new(&host[i], &c);
		if (e < 0)
			die("host", e);
		struct l4_iface_config ic = { .name = "mem0" };
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1500;
		ic.caps.tx_tso4 = ic.caps.tx_csum = gso;
		ic.caps.rx_csum = gso;
		ic.caps.gso_max = gso ? 65535 : 0;
		ifx[i] = l4_host_add_iface(host[i], &ic, c.now);
		if (ifx[i] < 0)
			die("interface", ifx[i]);
		/* several addresses, so that a million connections find a free pair of ports */
		for (int net = 0; net < (i ? addresses : 1); net++) {
			struct l4_prefix p;
			char text[32];
			snprintf(text, sizeof text, "10.%d.%d.1/8", i, net);
			l4_prefix_parse(&p, text);
			e = l4_host_add_address(host[i], (unsigned)ifx[i], &p, c.now);
			if (e < 0)
				die("address", e);
		}
	}
}

/* Moves what waits from one host to the other; returns the frames moved. */
static inline size_t move(int from, l4_time now)
{
	l4_host_rx_end(host[from]); /* its loans point into the other's send buffers */
	static struct l4_tx_frame out[BATCH];
	struct l4_frame f[BATCH];
	size_t n = l4_host_tx(host[from], (unsigned)ifx[from], out, BATCH, now);
	for (size_t i = 0; i < n; i++) {
		f[i] = out[i].f;
		f[i].time = now;
	}
	if (n)
		l4_host_rx_lend(host[!from], (unsigned)ifx[!from], f, n, now);
	return n;
}

/* Looks at the timers once a millisecond, as the loop with lwIP does. */
static inline void tick(l4_time now)
{
	static l4_time looked;
	if (now - looked < L4_MSEC)
		return;
	looked = now;
	for (int i = 0; i < 2; i++)
		if (l4_host_deadline(host[i]) <= now)
			l4_host_tick(host[i], now);
}

static inline void drain_events(int i)
{
	struct l4_event e[64];
	while (l4_host_events(host[i], e, 64) == 64)
		;
}

static inline l4_ep listen_on(uint16_t port)
{
	l4_ep l = l4_tcp_new(host[1], NULL);
	struct l4_endpoint any = { .port = port };
	int e = l4_tcp_bind(host[1], l, &any);
	if (e == 0)
		e = l4_tcp_listen(host[1], l, 1 << 20, clock_now());
	if (e < 0)
		die("listen", e);
	return l;
}

static inline l4_ep dial(uint16_t port, uint8_t net)
{
	l4_ep c = l4_tcp_new(host[0], NULL);
	struct l4_endpoint to = { .port = port };
	char text[32];
	snprintf(text, sizeof text, "10.1.%u.1", net);
	l4_addr_parse(&to.addr, text);
	int e = c < 0 ? (int)c : l4_tcp_connect(host[0], c, &to, clock_now());
	if (e < 0)
		die("connect", e);
	return c;
}

static inline void pump(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		l4_time now = clock_now();
		tick(now);
		if (move(0, now) + move(1, now) == 0)
			break;
	}
}

static inline void pair(l4_ep *a, l4_ep *b, uint16_t port)
{
	l4_ep l = listen_on(port);
	*a = dial(port, 0);
	pump(20);
	*b = l4_tcp_accept(host[1], l, NULL, NULL, clock_now());
	if (*b < 0)
		die("accept", *b);
}

#endif
