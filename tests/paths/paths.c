/* The fixed paths of the stack, each between marks that callgrind can switch on: two hosts in one
 * process, virtual time, checksums made and verified, nothing random.
 *
 * Usage: paths PATH N. Does PATH N times; only what is inside a function mark_* is the path itself,
 * so `valgrind --tool=callgrind --toggle-collect=mark_in` counts its instructions.
 * tests/paths/count does so and compares with limits.
 *   out, in        one segment of 1460 bytes pulled from the sender; taken by the receiver
 *   out32, in32    the same in batches of 32
 *   post32         the same as in32, into memory that was posted: with the copy to the user
 *   ack            a pure ACK taken by the sender
 *   rr             64 bytes there and back with all user calls
 *   flat1k flat64k the same over 96 connections in turn (more than the short way in knows), beside
 *                  so many half-open ones, each found by its addresses and with its timer
 *   connect        connect, accept, close by the client, close by the server */
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
		c.tcp.somaxconn = 1 << 17;
		c.limits.half_open = 1 << 17;
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
	need(l4_tcp_listen(host[1], l, 1 << 17, now) == 0, "listen");
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

static void bulk(l4_ep a, l4_ep b, size_t batch, bool post)
{
	size_t want = batch * MSS;
	need(l4_tcp_send(host[0], a, data, want, 0, now) == (int64_t)want, "send");
	size_t n = mark_out(batch);
	need(n == batch, "frames");
	carry(n);
	tick();
	memset(sink, 0, sizeof sink);
	if (post)
		need(l4_tcp_recv_post(host[1], b, sink, sizeof sink, now) == 0, "post");
	mark_in(n);
	need((post ? l4_tcp_recv_take(host[1], b, now)
		   : l4_tcp_recv(host[1], b, sink, sizeof sink, 0, now)) == (int64_t)want,
	    "recv");
	need(memcmp(sink, data, want) == 0, "bytes");
	events(1);
	tick();
	n = l4_host_tx(host[1], (unsigned)ifx[1], out, 64, now);
	carry(n);
	if (n)
		mark_ack(n);
	events(0);
}

static void rr_once(l4_ep a, l4_ep b)
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

__attribute__((noinline)) static void mark_rr(l4_ep a, l4_ep b)
{
	rr_once(a, b);
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

/* --- Beside many --- */

#define BUSY 96

static void half_open(uint32_t n)
{
	uint8_t pkt[64];
	struct l4_addr from, to;
	l4_addr_parse(&from, "10.0.0.3");
	l4_addr_parse(&to, "10.0.0.2");
	for (uint32_t i = 0; i < n; i++) {
		struct l4_tcp_hdr h = { .sport = (uint16_t)(i % 60000 + 1024),
			.dport = 80,
			.seq = i,
			.flags = L4_TCPF_SYN,
			.wnd = 65535 };
		from.b[15] = (uint8_t)(3 + i / 60000);
		int len = l4_tcp_emit(&h, pkt + 20, 44);
		uint16_t sum = l4_wire_csum(&from, &to, L4_PROTO_TCP, pkt + 20, (size_t)len);
		memcpy(pkt + 36, &sum, 2);
		struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20 + len),
			.ttl = 64,
			.proto = L4_PROTO_TCP,
			.src = from,
			.dst = to };
		l4_ip4_emit(&ip, pkt, 20);
		struct l4_piece piece = { pkt, 20 + (size_t)len };
		struct l4_frame f = { .pieces = &piece, .n_pieces = 1, .len = (uint32_t)piece.len };
		l4_host_rx(host[1], (unsigned)ifx[1], &f, 1, now);
		while (l4_host_tx(host[1], (unsigned)ifx[1], out, 64, now) == 64)
			;
	}
	struct l4_tcp_counters k;
	l4_tcp_counters(host[1], &k);
	need(k.out_segs >= n && !k.syncookies_sent, "half-open");
}

static void beside(uint32_t others, int n)
{
	static l4_ep a[BUSY], b[BUSY];
	l4_ep l = listen_on(80);
	for (int i = 0; i < BUSY; i++) {
		a[i] = dial(80);
		for (int k = 0; k < 3; k++) {
			move(0);
			move(1);
		}
		b[i] = l4_tcp_accept(host[1], l, NULL, NULL, now);
		need(b[i] > 0, "accept");
		events(0);
		events(1);
	}
	half_open(others);
	for (int i = 0; i < 3 * BUSY; i++) { /* their windows and timers settle */
		uint8_t c = (uint8_t)(i % BUSY);
		rr_once(a[c], b[c]);
	}
	for (int i = 0; i < n; i++)
		mark_rr(a[i % BUSY], b[i % BUSY]);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;
	l4_ep a = 0, b = 0, l = 0;
	bool flat = !strncmp(path, "flat", 4), rr = !strcmp(path, "rr"),
	     conn = !strcmp(path, "connect"), many = strstr(path, "32") != NULL,
	     post = !strcmp(path, "post32");
	need(n > 0, "usage: paths PATH N");
	make_hosts();
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	if (flat) {
		beside(strcmp(path, "flat1k") ? 65536 : 1000, n);
		n = 0;
	} else if (conn) {
		l = listen_on(80);
	} else {
		pair(&a, &b);
	}
	if (many)
		warm(a, b);
	for (int i = 0; i < n; i++) {
		if (rr)
			mark_rr(a, b);
		else if (conn)
			mark_connect(l);
		else
			bulk(a, b, many ? BATCH : 1, post);
		tick();
	}
	for (int i = 0; i < 2; i++) {
		char what[80];
		need(l4_host_check(host[i], what, sizeof what) == 0, what);
		l4_host_free(host[i]);
	}
	return 0;
}
