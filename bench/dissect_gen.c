/* Makes the capture that the dissect benchmarks read: N packets (1,000,000 by default) of mixed
 * traffic, the same for the same seed, as pcap (microseconds).
 *
 * Usage: dissect_gen FILE [N [SEED]]
 *        dissect_gen --connections FILE [N]   N packets, each the SYN of another connection
 *
 * 64 connections at a time: HTTP with bodies of many segments (some lost, repeated, reordered),
 * TLS, and plain data, each from SYN to FIN; between them DNS questions and answers, other UDP,
 * ICMP echo, ARP, and a tenth of it all over IPv6. */
#include <layer4/checksum.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rng;
static FILE *out;
static uint64_t now_us = 1700000000000000ull;
static uint32_t left;

static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static void p16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void p32(uint8_t *p, uint32_t v)
{
	p16(p, v >> 16);
	p16(p + 2, v & 0xffff);
}

static void record(const uint8_t *p, uint32_t n)
{
	if (!left)
		return;
	left--;
	now_us += 5 + rnd(200);
	uint32_t h[4] = { (uint32_t)(now_us / 1000000), (uint32_t)(now_us % 1000000), n, n };
	fwrite(h, 1, sizeof h, out);
	fwrite(p, 1, n, out);
}

struct flow {
	uint8_t v6, kind; /* kind: 0 HTTP, 1 TLS, 2 data */
	uint16_t port, server;
	uint32_t host, peer;
	uint32_t seq[2]; /* client, server */
	uint32_t todo, state;
	uint32_t ts;
};

/* Ethernet and IP header; returns where the transport begins. */
static uint32_t ip_header(
    uint8_t *b, bool v6, bool from_client, uint32_t host, uint32_t peer, uint8_t proto, uint32_t n)
{
	static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };
	memcpy(b, mac[from_client], 6);
	memcpy(b + 6, mac[!from_client], 6);
	uint32_t s = from_client ? host : peer, e = from_client ? peer : host;
	if (v6) {
		p16(b + 12, 0x86dd);
		memset(b + 14, 0, 40);
		b[14] = 0x60;
		p16(b + 18, n);
		b[20] = proto;
		b[21] = 64;
		p32(b + 22, 0x20010db8);
		p32(b + 34, s);
		p32(b + 38, 0x20010db8);
		p32(b + 50, e);
		return 54;
	}
	p16(b + 12, 0x0800);
	memset(b + 14, 0, 20);
	b[14] = 0x45;
	p16(b + 16, n + 20);
	p16(b + 18, rnd(65536));
	b[20] = 0x40;
	b[22] = 64;
	b[23] = proto;
	p32(b + 26, s);
	p32(b + 30, e);
	uint16_t c = l4_csum_fold(l4_csum_partial(b + 14, 20, 0));
	memcpy(b + 24, &c, 2);
	return 34;
}

static void segment(
    struct flow *f, bool from_client, unsigned flags, uint32_t seq, const void *data, uint32_t n)
{
	uint8_t b[2048];
	bool syn = flags & 2;
	uint32_t hl = syn ? 40 : 32;
	uint32_t at = ip_header(b, f->v6, from_client, f->host, f->peer, 6, hl + n);
	uint8_t *t = b + at;
	memset(t, 0, hl);
	p16(t, from_client ? f->port : f->server);
	p16(t + 2, from_client ? f->server : f->port);
	p32(t + 4, seq);
	if (flags & 16)
		p32(t + 8, f->seq[from_client]);
	t[12] = (uint8_t)(hl / 4 << 4);
	t[13] = (uint8_t)flags;
	p16(t + 14, 502);
	uint8_t *o = t + 20;
	if (syn) {
		static const uint8_t opt[] = { 2, 4, 5, 180, 4, 2, 8, 10 };
		memcpy(o, opt, 8);
		o += 8;
	} else {
		static const uint8_t opt[] = { 1, 1, 8, 10 };
		memcpy(o, opt, 4);
		o += 4;
	}
	p32(o, f->ts++);
	p32(o + 4, f->ts - 1);
	if (syn) {
		static const uint8_t ws[] = { 1, 3, 3, 7 };
		memcpy(o + 8, ws, 4);
	}
	if (n)
		memcpy(t + hl, data, n);
	record(b, at + hl + n);
}

static void udp(bool v6, bool from_client, uint32_t host, uint32_t peer, uint16_t port,
    uint16_t server, const void *data, uint32_t n)
{
	uint8_t b[2048];
	uint32_t at = ip_header(b, v6, from_client, host, peer, 17, 8 + n);
	p16(b + at, from_client ? port : server);
	p16(b + at + 2, from_client ? server : port);
	p16(b + at + 4, n + 8);
	p16(b + at + 6, 0x1234);
	memcpy(b + at + 8, data, n);
	record(b, at + 8 + n);
}

static void dns(void)
{
	uint8_t q[128] = { 0 };
	uint32_t host = 0x0a000000 + rnd(250), peer = 0x0a0000fe;
	uint16_t port = (uint16_t)(1024 + rnd(60000));
	p16(q, rnd(65536));
	p16(q + 2, 0x0100);
	p16(q + 4, 1);
	uint32_t n = 12;
	n += (uint32_t)sprintf(
	    (char *)q + n, "%c%s%c%s%u%cexample%ccom", 3, "www", 7, "host", 100 + rnd(900), 7, 3);
	q[n++] = 0;
	p16(q + n, 1);
	p16(q + n + 2, 1);
	n += 4;
	bool v6 = !rnd(10);
	udp(v6, true, host, peer, port, 53, q, n);
	p16(q + 2, 0x8180);
	p16(q + 6, 1);
	static const uint8_t answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 7 };
	memcpy(q + n, answer, sizeof answer);
	udp(v6, false, host, peer, port, 53, q, n + (uint32_t)sizeof answer);
}

static void small_talk(void)
{
	uint8_t b[128] = { 0 };
	switch (rnd(4)) {
	case 0: {
		static const uint8_t arp[] = { 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0,
			1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2 };
		memset(b, 0xff, 6);
		b[6] = 2;
		p16(b + 12, 0x0806);
		memcpy(b + 14, arp, sizeof arp);
		record(b, 60);
		break;
	}
	case 1: {
		bool ask = rnd(2);
		uint32_t at = ip_header(b, false, ask, 0x0a000001, 0x0a000002, 1, 64);
		b[at] = ask ? 8 : 0;
		p16(b + at + 4, 77);
		p16(b + at + 6, rnd(1000));
		memset(b + at + 8, 'x', 56);
		p16(b + at + 2, 0);
		uint16_t c = l4_csum_fold(l4_csum_partial(b + at, 64, 0));
		memcpy(b + at + 2, &c, 2);
		record(b, at + 64);
		break;
	}
	default:
		memset(b, 'u', 100);
		udp(!rnd(10), rnd(2), 0x0a000000 + rnd(50), 0xc0000200 + rnd(50),
		    (uint16_t)(20000 + rnd(200)), 7777, b, 20 + rnd(80));
		break;
	}
}

static void start(struct flow *f)
{
	memset(f, 0, sizeof *f);
	f->v6 = !rnd(10);
	f->kind = (uint8_t)rnd(3);
	f->port = (uint16_t)(1024 + rnd(60000));
	f->server = f->kind == 0 ? 80 : f->kind == 1 ? 443 : 9000;
	f->host = 0x0a000000 + rnd(5000);
	f->peer = 0xc0000200 + rnd(100);
	f->seq[0] = rnd(0x7fffffff);
	f->seq[1] = rnd(0x7fffffff);
	f->todo = 5 + rnd(120);
	f->ts = rnd(1000000);
}

static void request(struct flow *f)
{
	char t[600];
	int n;
	if (f->kind == 0)
		n = sprintf(t,
		    "GET /index/%u.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: "
		    "bench/1.0\r\n"
		    "Accept: */*\r\n\r\n",
		    rnd(1000));
	else if (f->kind == 1)
		n = 5 + 200, memset(t, 0x5a, sizeof t), t[0] = 23, t[1] = 3, t[2] = 3, t[3] = 0,
		t[4] = (char)200;
	else
		n = 100, memset(t, 'q', sizeof t);
	segment(f, true, 0x18, f->seq[0], t, (uint32_t)n);
	f->seq[0] += (uint32_t)n;
}

static void response(struct flow *f)
{
	static uint8_t body[1448];
	uint32_t n = 1448;
	memset(body, 'b', sizeof body);
	if (f->state == 3 && f->kind == 0)
		(void)sprintf((char *)body,
		    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %u\r\n\r\n",
		    1448 * f->todo - 67 - (f->todo > 99 || f->todo * 1448 > 99999 ? 3 : 2));
	if (f->kind == 1) {
		body[0] = 23;
		body[1] = body[2] = 3;
		p16(body + 3, 1443);
	}
	uint32_t dice = rnd(200);
	if (dice == 0) { /* lost before the capture, seen only when it comes again */
		segment(f, false, 0x10, f->seq[1] + n, body, n);
		segment(f, true, 0x10, f->seq[0], NULL, 0);
		segment(f, true, 0x10, f->seq[0], NULL, 0);
		segment(f, false, 0x10, f->seq[1], body, n);
		f->seq[1] += 2 * n;
	} else {
		segment(f, false, 0x10, f->seq[1], body, n);
		if (dice == 1)
			segment(f, false, 0x10, f->seq[1], body, n);
		f->seq[1] += n;
	}
	if (rnd(2))
		segment(f, true, 0x10, f->seq[0], NULL, 0);
}

static void step(struct flow *f)
{
	switch (f->state) {
	case 0:
		segment(f, true, 2, f->seq[0]++, NULL, 0);
		break;
	case 1:
		segment(f, false, 0x12, f->seq[1]++, NULL, 0);
		segment(f, true, 0x10, f->seq[0], NULL, 0);
		break;
	case 2:
		request(f);
		break;
	case 4:
		segment(f, true, 0x11, f->seq[0]++, NULL, 0);
		segment(f, false, 0x11, f->seq[1]++, NULL, 0);
		segment(f, true, 0x10, f->seq[0], NULL, 0);
		start(f);
		return;
	default:
		response(f);
		if (--f->todo)
			return;
		break;
	}
	f->state++;
}

int main(int argc, char **argv)
{
	bool many = argc > 1 && !strcmp(argv[1], "--connections");
	argc -= many;
	argv += many;
	if (argc < 2) {
		fprintf(stderr, "Usage: dissect_gen [--connections] FILE [N [SEED]]\n");
		return 2;
	}
	left = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	rng = 0x9e3779b97f4a7c15u + (argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
	out = fopen(argv[1], "wb");
	if (!out) {
		perror(argv[1]);
		return 3;
	}
	uint32_t head[6] = { 0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1 };
	fwrite(head, 1, sizeof head, out);
	for (uint32_t i = 0; many && left; i++) {
		struct flow f = { .port = (uint16_t)(1024 + i % 60000),
			.server = 80,
			.host = 0x0a000000 + i,
			.peer = 0xc0000200 };
		segment(&f, true, 2, i, NULL, 0);
	}
	static struct flow flows[64];
	for (size_t i = 0; i < 64; i++)
		start(&flows[i]);
	while (left) {
		uint32_t dice = rnd(100);
		if (dice < 4)
			dns();
		else if (dice < 10)
			small_talk();
		else
			step(&flows[rnd(64)]);
	}
	return fclose(out) ? 3 : 0;
}
