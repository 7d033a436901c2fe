/* The fixed paths of the stack, each between marks that callgrind can switch on: two hosts in one
 * process, virtual time, checksums made and verified, nothing random.
 *
 * Usage: paths PATH N. Does PATH N times; only what is inside a function mark_* is the path itself,
 * so `valgrind --tool=callgrind --toggle-collect=mark_in` counts its instructions.
 * tests/paths/count does so and compares with limits. out, in     one segment of 1460 bytes pulled
 * from the sender; taken by the receiver out32, in32 the same in batches of 32 ack         a pure
 * ACK taken by the sender rr          64 bytes there and back with all user calls connect connect,
 * accept, close by the client, close by the server */
#include <layer4/layer4.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 32
#define MSS   1460

static struct l4_host *host[2];
static int ifx[2];
static l4_time now = L4_SEC;
static uint8_t data[BATCH * MSS], sink[BATCH * MSS];
static struct l4_tx_frame out[64];
static struct l4_frame frames[64];

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "paths: %s\n", what);
	exit(1);
}

static void make_hosts(void)
{
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		l4_host_config_init(&c);
		c.has_seed = true;
		c.seed[0] = (uint8_t)(i + 1);
		c.tcp.rcvbuf_default = c.tcp.rcvbuf_max = 1 << 20;
		c.tcp.sndbuf_default = c.tcp.sndbuf_max = 1 << 20;
		c.tcp.slow_start_after_idle = false;
		c.tcp.port_low = 1024;
		c.tcp.port_high = 65535;
		c.limits.time_wait = 65536;
		c.now = now;
		need(l4_host_new(&host[i], &c) == 0, "no host");
		struct l4_iface_config ic = { .name = "mem0" };
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1512; /* 1460 bytes of payload beside timestamps */
		ifx[i] = l4_host_add_iface(host[i], &ic, now);
		struct l4_prefix p;
		l4_prefix_parse(&p, i ? "10.0.0.2/24" : "10.0.0.1/24");
		need(l4_host_add_address(host[i], (unsigned)ifx[i], &p, now) == 0, "no address");
	}
}

/* --- The paths. Not inlined, so that their names are there to switch counting on. --- */

__attribute__((noinline)) static size_t mark_out(size_t n)
{
	return l4_host_tx(host[0], (unsigned)ifx[0], out, n, now);
}

__attribute__((noinline)) static void mark_in(size_t n)
{
	l4_host_rx_lend(host[1], (unsigned)ifx[1], frames, n, now);
}

__attribute__((noinline)) static void mark_ack(size_t n)
{
	l4_host_rx(host[0], (unsigned)ifx[0], frames, n, now);
}

static void carry(size_t n)
{
	for (size_t i = 0; i < n; i++)
		frames[i] = out[i].f;
}

static size_t move(int from)
{
	size_t n = l4_host_tx(host[from], (unsigned)ifx[from], out, 64, now);
	carry(n);
	if (n)
		l4_host_rx(host[!from], (unsigned)ifx[!from], frames, n, now);
	return n;
}

static void tick(void)
{
	now += 20 * L4_USEC;
	for (int i = 0; i < 2; i++)
		if (l4_host_deadline(host[i]) <= now)
			l4_host_tick(host[i], now);
}

static void events(int i)
{
	struct l4_event e[8];
	while (l4_host_events(host[i], e, 8) == 8)
		;
}

static l4_ep listen_on(uint16_t port)
{
	l4_ep l = l4_tcp_new(host[1], NULL);
	struct l4_endpoint any = { .port = port };
	need(l4_tcp_bind(host[1], l, &any) == 0, "bind");
	need(l4_tcp_listen(host[1], l, 64, now) == 0, "listen");
	return l;
}

static l4_ep dial(uint16_t port)
{
	struct l4_endpoint to = { .port = port };
	l4_addr_parse(&to.addr, "10.0.0.2");
	l4_ep c = l4_tcp_new(host[0], NULL);
	need(c > 0 && l4_tcp_connect(host[0], c, &to, now) == 0, "connect");
	return c;
}

static void pair(l4_ep *a, l4_ep *b)
{
	l4_ep l = listen_on(80);
	*a = dial(80);
	for (int i = 0; i < 4; i++) {
		move(0);
		move(1);
		tick();
	}
	*b = l4_tcp_accept(host[1], l, NULL, NULL, now);
	need(*b > 0, "accept");
	events(0);
	events(1);
}

/* Until the congestion window holds a batch. */
static void warm(l4_ep a, l4_ep b)
{
	for (int i = 0; i < 60; i++) {
		while (l4_tcp_send(host[0], a, data, sizeof data, 0, now) > 0)
			;
		for (int k = 0; k < 64; k++) {
			size_t n = move(0);
			while (l4_tcp_recv(host[1], b, sink, sizeof sink, 0, now) > 0)
				;
			tick();
			if (n + move(1) == 0)
				break;
		}
	}
	for (int i = 0; i < 100; i++) {
		now += 10 * L4_MSEC;
		tick();
		move(0);
		while (l4_tcp_recv(host[1], b, sink, sizeof sink, 0, now) > 0)
			;
		move(1);
	}
	need(l4_tcp_outq(host[0], a) == 0, "warm");
	events(0);
	events(1);
}

static void bulk(l4_ep a, l4_ep b, size_t batch)
{
	size_t want = batch * MSS;
	need(l4_tcp_send(host[0], a, data, want, 0, now) == (int64_t)want, "send");
	size_t n = mark_out(batch);
	need(n == batch, "frames");
	carry(n);
	tick();
	mark_in(n);
	need(l4_tcp_recv(host[1], b, sink, sizeof sink, 0, now) == (int64_t)want, "recv");
	need(memcmp(sink, data, want) == 0, "bytes");
	events(1);
	tick();
	n = l4_host_tx(host[1], (unsigned)ifx[1], out, 64, now);
	carry(n);
	if (n)
		mark_ack(n);
	events(0);
}

__attribute__((noinline)) static void mark_rr(l4_ep a, l4_ep b)
{
	need(l4_tcp_send(host[0], a, data, 64, 0, now) == 64, "send");
	move(0);
	events(1);
	need(l4_tcp_recv(host[1], b, sink, 64, 0, now) == 64, "recv");
	need(l4_tcp_send(host[1], b, sink, 64, 0, now) == 64, "send");
	move(1);
	events(0);
	need(l4_tcp_recv(host[0], a, sink, 64, 0, now) == 64, "recv");
	tick();
}

__attribute__((noinline)) static void mark_connect(l4_ep l)
{
	l4_ep a = dial(80);
	for (int i = 0; i < 3; i++) {
		move(0);
		move(1);
	}
	l4_ep b = l4_tcp_accept(host[1], l, NULL, NULL, now);
	need(b > 0, "accept");
	l4_tcp_close(host[0], a, now);
	move(0);
	move(1);
	l4_tcp_close(host[1], b, now);
	for (int i = 0; i < 3; i++) {
		move(1);
		move(0);
	}
	events(0);
	events(1);
	tick();
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;
	l4_ep a = 0, b = 0, l = 0;
	bool rr = !strcmp(path, "rr"), conn = !strcmp(path, "connect"),
	     many = strstr(path, "32") != NULL;
	need(n > 0, "usage: paths PATH N");
	make_hosts();
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	if (conn)
		l = listen_on(80);
	else
		pair(&a, &b);
	if (many)
		warm(a, b);
	for (int i = 0; i < n; i++) {
		if (rr)
			mark_rr(a, b);
		else if (conn)
			mark_connect(l);
		else
			bulk(a, b, many ? BATCH : 1);
		tick();
	}
	for (int i = 0; i < 2; i++) {
		char what[80];
		need(l4_host_check(host[i], what, sizeof what) == 0, what);
		l4_host_free(host[i]);
	}
	return 0;
}
