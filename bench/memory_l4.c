/* layer4 against itself in memory: two hosts in one thread, frames handed over by reference,
 * batches of 64, checksums computed and verified. Prints one number; bench/memory makes rows of
 * them.
 *
 * Usage: memory_l4 MODE [SECONDS]; MODE one of
 *   bulk-1500 window-1m bulk-64k zero-copy   bytes per second of payload
 *   bulk-1500-recv                           the same, without memory posted beforehand
 *   connections                              connections per second: connect, 64 B, 64 B, close
 *   time-wait                                the same with 100,000 records in TIME-WAIT before
 *   rr                                       64 B requests and answers per second
 *   floor-1500 floor-64k                     bytes per second of two copies with their checksums
 */
#include "memory_pair.h"

static uint8_t buf[1 << 20];

/* How the user takes bytes: into memory posted before they come, by recv, or where they lie. */
enum take { POSTED, RECV, IN_PLACE };

static double bulk(uint32_t window, double seconds, enum take how)
{
	l4_ep a, b;
	static uint8_t sink[1 << 20];
	uint64_t got = 0, token = 0;
	make_hosts(window, 16);
	pair(&a, &b, 80);
	bool zc = how == IN_PLACE, posted = false;
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
		if (how == POSTED && !posted)
			posted = l4_tcp_recv_post(host[1], b, sink, window, now) == 0;
		move(0, now);
		int64_t n;
		if (how == POSTED) {
			n = l4_tcp_recv_take(host[1], b, now);
			if (n > 0) {
				got += (uint64_t)n;
				posted = false;
				n = L4_EAGAIN;
			}
		} else if (zc) {
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

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	double s = argc > 2 ? atof(argv[2]) : 1, r;
	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = (uint8_t)(i * 31 >> 3);
	gso = !strcmp(mode, "bulk-64k");
	if (!strcmp(mode, "bulk-1500") || gso)
		r = bulk(gso ? 1 << 18 : 65536, s, POSTED);
	else if (!strcmp(mode, "bulk-1500-recv"))
		r = bulk(65536, s, RECV);
	else if (!strcmp(mode, "window-1m"))
		r = bulk(1 << 20, s, POSTED);
	else if (!strcmp(mode, "zero-copy"))
		r = bulk(65536 * 4, s, IN_PLACE);
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
	else {
		fprintf(stderr, "Usage: memory_l4 MODE [SECONDS]\n");
		return 2;
	}
	printf("%.6g\n", r);
	return 0;
}
