/* Many connections in memory: what each costs to keep, and whether a segment costs the same beside
 * a thousand as beside a million. Two hosts in one thread, as memory_l4. Prints one number.
 *
 * Usage: memory_scale MODE [N]; MODE one of
 *   idle-bytes time-wait-bytes half-open-bytes   bytes of memory for one of N
 *   idle-rr          requests and answers of 64 B per second over 128 connections while N stand
 *   timers-rr        the same, and each of the N has a timer that runs (keep-alive)
 *   half-open-rr     the same over 128 connections beside N half-open ones
 *   time-wait-rr     the same beside N in TIME-WAIT */
#include "memory_pair.h"

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

/* --- Half-open ones: SYNs whose last ACK never comes --- */

static void flood(uint32_t first, uint32_t n)
{
	static uint8_t pkt[BATCH][64];
	struct l4_piece piece[BATCH];
	struct l4_frame f[BATCH];
	struct l4_addr from, to;
	l4_addr_parse(&to, "10.1.0.1");
	for (uint32_t done = 0; done < n;) {
		l4_time now = clock_now();
		size_t k = 0;
		for (; k < BATCH && done < n; k++, done++) {
			uint32_t i = first + done;
			struct l4_tcp_hdr h = { .sport = (uint16_t)(1024 + i % 50000),
				.dport = 80,
				.seq = i * 2654435761u,
				.flags = L4_TCPF_SYN,
				.wnd = 65535 };
			h.opts.present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE;
			h.opts.mss = 1460;
			h.opts.wscale = 7;
			char text[32];
			snprintf(text, sizeof text, "10.2.%u.1", i / 50000);
			l4_addr_parse(&from, text);
			int len = l4_tcp_emit(&h, pkt[k] + 20, 44);
			uint16_t sum =
			    l4_wire_csum(&from, &to, L4_PROTO_TCP, pkt[k] + 20, (size_t)len);
			memcpy(pkt[k] + 36, &sum, 2);
			struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20 + len),
				.ttl = 64,
				.proto = L4_PROTO_TCP,
				.src = from,
				.dst = to };
			l4_ip4_emit(&ip, pkt[k], 20);
			piece[k] = (struct l4_piece){ pkt[k], 20 + (size_t)len };
			f[k] = (struct l4_frame){ .pieces = &piece[k],
				.n_pieces = 1,
				.len = 20 + (uint32_t)len,
				.time = now };
		}
		l4_host_rx(host[1], (unsigned)ifx[1], f, k, now);
		static struct l4_tx_frame out[BATCH];
		while (l4_host_tx(host[1], (unsigned)ifx[1], out, BATCH, now) == BATCH)
			;
	}
}

static double half_open_bytes(uint32_t n)
{
	make_hosts(65536, n + 1024);
	(void)listen_on(80);
	flood(0, 1024); /* what every host takes once */
	double before = resident();
	flood(1024, n);
	double r = (resident() - before) / n;
	struct l4_tcp_counters k;
	l4_tcp_counters(host[1], &k);
	if (k.syncookies_sent || k.out_segs < n)
		die("half-open", L4_ESTATE);
	return r;
}

/* --- Requests and answers beside N others --- */

#define BUSY 128u

static double busy_rr(const l4_ep *a, const l4_ep *b)
{
	uint8_t msg[64] = { 0 };
	double best = 0;
	for (int run = 0; run < 6; run++) { /* the first warms up */
		double start = cpu_s();
		const uint32_t rounds = 200;
		for (uint32_t i = 0; i < rounds * BUSY; i++) {
			/* not in the order they were made: memory does not help more than it would
			 */
			uint32_t c = i * 61u % BUSY;
			l4_time now = clock_now();
			l4_tcp_send(host[0], a[c], msg, sizeof msg, 0, now);
			while (move(0, now) == BATCH)
				;
			if (l4_tcp_recv(host[1], b[c], msg, sizeof msg, 0, now) != sizeof msg)
				die("request", L4_ESTATE);
			l4_tcp_send(host[1], b[c], msg, sizeof msg, 0, now);
			while (move(1, now) == BATCH)
				;
			if (l4_tcp_recv(host[0], a[c], msg, sizeof msg, 0, now) != sizeof msg)
				die("answer", L4_ESTATE);
			drain_events(0);
			drain_events(1);
			tick(now);
		}
		double rate = rounds * BUSY / (cpu_s() - start);
		if (run && rate > best)
			best = rate;
	}
	return best;
}

enum beside { IDLE, TIMERS, HALF_OPEN, TIME_WAIT };

static double rr_beside(enum beside what, uint32_t n)
{
	static l4_ep a[BUSY], b[BUSY];
	addresses = ADDRESSES;
	first_rto = 100 * L4_SEC; /* a million SYN-ACKs sent again are not what is measured */
	make_hosts(65536, n + 2 * BUSY);
	l4_ep l = listen_on(80);
	uint32_t whole = what == IDLE || what == TIMERS ? n : BUSY, kept = 0, made = 0, stride;
	stride = whole / BUSY;
	if (what == HALF_OPEN)
		flood(0, n);
	for (uint32_t i = 0; i < whole; i++) {
		l4_ep c = dial(80, (uint8_t)(i / 50000)), s;
		pump(20);
		s = l4_tcp_accept(host[1], l, NULL, NULL, clock_now());
		if (what == TIMERS) {
			l4_tcp_set(host[0], c, L4_TCPOPT_KEEPALIVE, 1, clock_now());
			l4_tcp_set(host[1], s, L4_TCPOPT_KEEPALIVE, 1, clock_now());
		}
		if (i % stride == 0 && kept < BUSY) {
			a[kept] = c;
			b[kept++] = s;
		}
		drain_events(0);
		drain_events(1);
	}
	for (; what == TIME_WAIT && made < n; made++) {
		l4_ep c = dial(80, (uint8_t)(1 + made / 50000)), s;
		pump(20);
		s = l4_tcp_accept(host[1], l, NULL, NULL, clock_now());
		l4_tcp_close(host[0], c, clock_now());
		pump(20);
		l4_tcp_close(host[1], s, clock_now());
		pump(20);
		drain_events(0);
		drain_events(1);
	}
	return busy_rr(a, b);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000;
	double r;
	if (!strcmp(mode, "idle-bytes"))
		r = idle_bytes(n);
	else if (!strcmp(mode, "time-wait-bytes"))
		r = time_wait_bytes(n);
	else if (!strcmp(mode, "half-open-bytes"))
		r = half_open_bytes(n);
	else if (!strcmp(mode, "idle-rr"))
		r = rr_beside(IDLE, n);
	else if (!strcmp(mode, "timers-rr"))
		r = rr_beside(TIMERS, n);
	else if (!strcmp(mode, "half-open-rr"))
		r = rr_beside(HALF_OPEN, n);
	else if (!strcmp(mode, "time-wait-rr"))
		r = rr_beside(TIME_WAIT, n);
	else {
		fprintf(stderr, "Usage: memory_scale MODE [N]\n");
		return 2;
	}
	printf("%.6g\n", r);
	for (int i = 0; i < 2; i++)
		l4_host_free(host[i]);
	return 0;
}
