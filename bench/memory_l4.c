/* layer4 against itself in memory: two hosts in one thread, frames handed over by reference,
 * batches of 64, checksums computed and verified. Prints one number; bench/memory makes rows of
 * them.
 *
 * Usage: memory_l4 MODE [SECONDS]; MODE one of
 *   bulk-1500 window-1m bulk-64k zero-copy   bytes per second of payload
 *   connections                              connections per second: connect, 64 B, 64 B, close
 *   time-wait                                the same with 100,000 records in TIME-WAIT before
 *   rr                                       64 B requests and answers per second
 *   floor-1500 floor-64k                     bytes per second of two copies with their checksums
 *   idle time-wait-bytes                     bytes of memory for one of 1,000,000 */
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
static uint8_t buf[1 << 20];
static bool gso;

static l4_time clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

/* Seconds of processor time that this process has used: rates are per second of it, so that other
 * work on the machine does not count. */
static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, int64_t e)
{
	fprintf(stderr, "memory_l4: %s: %s\n", what, l4_err_text((int)e));
	exit(3);
}

static int addresses = 1;

static void make_hosts(uint32_t window, uint32_t conns)
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
static size_t move(int from, l4_time now)
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

static void tick(l4_time now)
{
	for (int i = 0; i < 2; i++)
		if (l4_host_deadline(host[i]) <= now)
			l4_host_tick(host[i], now);
}

static void drain_events(int i)
{
	struct l4_event e[64];
	while (l4_host_events(host[i], e, 64) == 64)
		;
}

static l4_ep listen_on(uint16_t port)
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

static l4_ep dial(uint16_t port, uint8_t net)
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

static void pump(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		l4_time now = clock_now();
		tick(now);
		if (move(0, now) + move(1, now) == 0)
			break;
	}
}

static void pair(l4_ep *a, l4_ep *b, uint16_t port)
{
	l4_ep l = listen_on(port);
	*a = dial(port, 0);
	pump(20);
	*b = l4_tcp_accept(host[1], l, NULL, NULL, clock_now());
	if (*b < 0)
		die("accept", *b);
}

static double bulk(uint32_t window, double seconds, bool zc)
{
	l4_ep a, b;
	static uint8_t sink[1 << 20];
	uint64_t got = 0, token = 0;
	make_hosts(window, 16);
	pair(&a, &b, 80);
	l4_time now = clock_now(), end = now + (l4_time)(seconds * 1e9);
	double start = cpu_s();
	while (now < end) {
		if (zc) {
			while (l4_tcp_send_zc(host[0], a, buf, 65536, 0, ++token, now) > 0)
				;
		} else {
			while (l4_tcp_send(host[0], a, buf, 65536, 0, now) > 0)
				;
		}
		move(0, now);
		int64_t n;
		if (zc) {
			struct l4_piece p[BATCH];
			while ((n = l4_tcp_peekv(host[1], b, p, BATCH)) > 0) {
				size_t bytes = 0;
				for (int64_t i = 0; i < n; i++)
					bytes += p[i].len;
				got += bytes;
				l4_tcp_consume(host[1], b, bytes, now);
			}
		} else {
			while ((n = l4_tcp_recv(host[1], b, sink, sizeof sink, 0, now)) > 0)
				got += (uint64_t)n;
		}
		if (n != L4_EAGAIN)
			die("receive", n);
		move(1, now);
		drain_events(0);
		drain_events(1);
		now = clock_now();
		tick(now);
	}
	return (double)got / (cpu_s() - start);
}

static double floor_copies(size_t seg, double seconds)
{
	static uint8_t mid[1 << 20], end[1 << 20];
	uint64_t bytes = 0;
	volatile uint32_t keep = 0;
	l4_time now = clock_now(), stop = now + (l4_time)(seconds * 1e9);
	double start = cpu_s();
	while (now < stop) {
		for (size_t off = 0; off + seg <= 65536; off += seg) {
			uint32_t s = l4_csum_copy(mid + off, buf + off, seg, 0);
			keep += l4_csum_copy(end + off, mid + off, seg, s);
			bytes += seg;
		}
		now = clock_now();
	}
	(void)keep; /* clang: a volatile that is only written to counts as unused */
	return (double)bytes / (cpu_s() - start);
}

#define PARALLEL 32

static double connections(double seconds, uint32_t before)
{
	addresses = ADDRESSES;
	uint8_t msg[64] = { 0 };
	l4_ep c[PARALLEL];
	uint8_t stage[PARALLEL]; /* 0: connecting, 1: sent, waits for the answer */
	struct l4_event ev[256];
	make_hosts(65536, 4096);
	l4_ep l = listen_on(80);
	uint64_t done = 0, counted = 0;
	l4_time now = clock_now(), stop = now + (l4_time)(seconds * 1e9);
	double start = cpu_s();
	uint32_t dialled = 0;
	for (int i = 0; i < PARALLEL; i++) {
		c[i] = dial(80, (uint8_t)0);
		stage[i] = 0;
		dialled++;
	}
	while (now < stop || counted < before) {
		tick(now);
		move(0, now);
		size_t n = l4_host_events(host[1], ev, 256);
		for (size_t i = 0; i < n; i++) {
			if (ev[i].ep == l) {
				l4_ep s;
				while ((s = l4_tcp_accept(host[1], l, NULL, NULL, now)) > 0)
					;
				continue;
			}
			uint8_t in[256];
			int64_t r = l4_tcp_recv(host[1], ev[i].ep, in, sizeof in, 0, now);
			if (r > 0)
				l4_tcp_send(host[1], ev[i].ep, in, (size_t)r, 0, now);
			else if (r == 0)
				l4_tcp_close(host[1], ev[i].ep, now);
		}
		move(1, now);
		drain_events(0);
		for (int i = 0; i < PARALLEL; i++) {
			uint8_t in[256];
			if (stage[i] == 0 && l4_tcp_state(host[0], c[i]) == L4_TCP_ESTABLISHED) {
				l4_tcp_send(host[0], c[i], msg, sizeof msg, 0, now);
				stage[i] = 1;
			} else if (stage[i] == 1 &&
				   l4_tcp_recv(host[0], c[i], in, sizeof in, 0, now) > 0) {
				l4_tcp_close(host[0], c[i], now);
				done++;
				counted++;
				if (before && counted == before) { /* now it counts */
					done = 0;
					start = cpu_s();
					stop = clock_now() + (l4_time)(seconds * 1e9);
				}
				c[i] = dial(80, (uint8_t)(dialled++ / 50000 % (uint32_t)addresses));
				stage[i] = 0;
			}
		}
		now = clock_now();
	}
	return (double)done / (cpu_s() - start);
}

static double rr(double seconds)
{
	l4_ep a, b;
	uint8_t msg[64] = { 0 };
	uint64_t done = 0;
	make_hosts(65536, 16);
	pair(&a, &b, 80);
	l4_time now = clock_now(), stop = now + (l4_time)(seconds * 1e9);
	double start = cpu_s();
	l4_tcp_send(host[0], a, msg, sizeof msg, 0, now);
	while (now < stop) {
		move(0, now);
		if (l4_tcp_recv(host[1], b, msg, sizeof msg, 0, now) > 0)
			l4_tcp_send(host[1], b, msg, sizeof msg, 0, now);
		move(1, now);
		if (l4_tcp_recv(host[0], a, msg, sizeof msg, 0, now) > 0) {
			done++;
			l4_tcp_send(host[0], a, msg, sizeof msg, 0, now);
		}
		drain_events(0);
		drain_events(1);
		now = clock_now();
		tick(now);
	}
	return (double)done / (cpu_s() - start);
}

static double resident(void)
{
	unsigned long size = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu %lu", &size, &rss) != 2)
		die("statm", L4_ESYS);
	fclose(f);
	return (double)rss * (double)sysconf(_SC_PAGESIZE);
}

/* Bytes for one established and idle connection, both ends counted and halved. */
static double idle_bytes(uint32_t n)
{
	addresses = ADDRESSES;
	make_hosts(65536, n);
	l4_ep l = listen_on(80);
	double before = resident();
	for (uint32_t i = 0; i < n; i++) {
		dial(80, (uint8_t)(i / 50000));
		if (i % 32 == 31 || i + 1 == n) {
			pump(20);
			l4_ep s;
			while ((s = l4_tcp_accept(host[1], l, NULL, NULL, clock_now())) > 0)
				;
			drain_events(0);
			drain_events(1);
		}
	}
	return (resident() - before) / n / 2;
}

/* Bytes for one record in TIME-WAIT, which the client keeps: every other process memory is used
 * again by connections that follow each other, and is there after the first few. */
static double time_wait_bytes(uint32_t n)
{
	addresses = ADDRESSES;
	make_hosts(65536, n);
	l4_ep l = listen_on(80);
	double before = 0;
	const uint32_t warm = 2048;
	for (uint32_t i = 0; i < n + warm; i++) {
		if (i == warm)
			before = resident();
		l4_ep c = dial(80, (uint8_t)(i / 50000)), s;
		pump(20);
		s = l4_tcp_accept(host[1], l, NULL, NULL, clock_now());
		l4_tcp_close(host[0], c, clock_now());
		pump(20);
		l4_tcp_close(host[1], s, clock_now());
		pump(20);
		drain_events(0);
		drain_events(1);
	}
	struct l4_tcp_counters k;
	l4_tcp_counters(host[0], &k);
	if (k.time_wait < n)
		die("time-wait", L4_ESTATE);
	return (resident() - before) / n;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	double s = argc > 2 ? atof(argv[2]) : 1, r;
	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = (uint8_t)(i * 31 >> 3);
	gso = !strcmp(mode, "bulk-64k");
	if (!strcmp(mode, "bulk-1500") || gso)
		r = bulk(gso ? 1 << 18 : 65536, s, false);
	else if (!strcmp(mode, "window-1m"))
		r = bulk(1 << 20, s, false);
	else if (!strcmp(mode, "zero-copy"))
		r = bulk(65536 * 4, s, true);
	else if (!strcmp(mode, "connections"))
		r = connections(s, 0);
	else if (!strcmp(mode, "time-wait"))
		r = connections(s, 100000);
	else if (!strcmp(mode, "rr"))
		r = rr(s);
	else if (!strcmp(mode, "floor-1500"))
		r = floor_copies(1460, s);
	else if (!strcmp(mode, "floor-64k"))
		r = floor_copies(65536, s);
	else if (!strcmp(mode, "idle"))
		r = idle_bytes(argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000);
	else if (!strcmp(mode, "time-wait-bytes"))
		r = time_wait_bytes(argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000);
	else {
		fprintf(stderr, "Usage: memory_l4 MODE [SECONDS]\n");
		return 2;
	}
	printf("%.6g\n", r);
	return 0;
}
