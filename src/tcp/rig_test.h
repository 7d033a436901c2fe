/* For the tests of src/tcp that play the peer byte by byte: a host with one interface without link
 * header, whose every frame is seen, in virtual time. */
#ifndef L4_TCP_RIG_TEST_H
#define L4_TCP_RIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/host.h>
#include <layer4/wire.h>

struct rig {
	struct l4_host *h;
	unsigned ifx;
	l4_time now;
	struct l4_addr us, them;
	uint32_t out_n;        /* TCP segments sent since the last look */
	struct l4_tcp_hdr out; /* the last of them */
	uint32_t out_len;
	uint64_t out_bytes; /* payload */
	uint16_t out_id;    /* IPv4 id of the last */
	bool out_df;
	l4_ep listener, ep;
	uint32_t iss, irs; /* of the connection of establish(): ours (the host's), the peer's */
	uint16_t sport, dport;
};

static uint64_t live_bytes;

static inline void *count_alloc(void *ctx, size_t n)
{
	(void)ctx;
	live_bytes += n;
	return malloc(n);
}

static inline void count_free(void *ctx, void *p, size_t n)
{
	(void)ctx;
	if (p)
		live_bytes -= n;
	free(p);
}

static inline void rig_up(struct rig *r, void (*tune)(struct l4_host_config *c))
{
	memset(r, 0, sizeof *r);
	live_bytes = 0;
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.allocator = (struct l4_allocator){ count_alloc, count_free, NULL };
	c.has_seed = true;
	memset(c.seed, 0x5a, sizeof c.seed);
	r->now = c.now = 1000 * L4_SEC;
	c.tcp.timestamps = false;
	if (tune)
		tune(&c);
	r->now = c.now;
	assert_int_equal(l4_host_new(&r->h, &c), 0);
	struct l4_iface_config ic = { .name = "t0" };
	ic.caps.medium = L4_MEDIUM_IP;
	ic.caps.mtu = 1500;
	r->ifx = (unsigned)l4_host_add_iface(r->h, &ic, r->now);
	struct l4_prefix p;
	l4_prefix_parse(&p, "192.0.2.1/24");
	r->us = p.addr;
	l4_addr_parse(&r->them, "192.0.2.2");
	assert_int_equal(l4_host_add_address(r->h, r->ifx, &p, r->now), 0);
}

static inline void look(struct rig *r)
{
	static struct l4_tx_frame f[16];
	size_t n;
	r->out_n = 0;
	while ((n = l4_host_tx(r->h, r->ifx, f, 16, r->now)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct l4_packet k;
			const uint8_t *b = f[i].f.pieces[0].data;
			if (l4_packet_parse_ip(&k, b, f[i].f.pieces[0].len, f[i].f.len, 0) < 0 ||
			    k.proto != L4_PROTO_TCP)
				continue;
			assert_true(l4_tcp_parse(&r->out, b + k.l4_off,
					f[i].f.pieces[0].len - k.l4_off) > 0);
			r->out_len = k.l4_len - r->out.hdr_len;
			r->out_bytes += r->out_len;
			r->out_id = (uint16_t)k.frag_id;
			r->out_df = k.df;
			r->out_n++;
		}
	}
	char what[100];
	assert_int_equal(l4_host_check(r->h, what, sizeof what), 0);
}

static inline void wait_for(struct rig *r, l4_time t)
{
	l4_time end = r->now + t;
	while (l4_host_deadline(r->h) <= end) {
		r->now = l4_host_deadline(r->h) > r->now ? l4_host_deadline(r->h) : r->now;
		l4_host_tick(r->h, r->now);
		static struct l4_tx_frame f[16];
		while (l4_host_tx(r->h, r->ifx, f, 16, r->now) > 0)
			;
	}
	r->now = end;
	l4_host_tick(r->h, end);
}

static inline void inject(struct rig *r, const struct l4_tcp_hdr *t, uint32_t len)
{
	uint8_t b[1500];
	int hl = l4_tcp_emit(t, b + 20, 60);
	assert_true(hl > 0);
	for (uint32_t i = 0; i < len; i++)
		b[20 + hl + (int)i] = (uint8_t)(t->seq + i);
	uint16_t c = l4_wire_csum(&r->them, &r->us, L4_PROTO_TCP, b + 20, (size_t)hl + len);
	memcpy(b + 36, &c, 2);
	struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20 + hl + (int)len),
		.ttl = 64,
		.proto = L4_PROTO_TCP,
		.src = r->them,
		.dst = r->us };
	assert_true(l4_ip4_emit(&ip, b, 20) > 0);
	struct l4_piece p = { b, ip.total_len };
	struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = ip.total_len, .time = r->now };
	l4_host_rx(r->h, r->ifx, &f, 1, r->now);
}

/* A segment of the peer of establish(), seq and ack relative to the initial numbers. */
static inline void peer(struct rig *r, unsigned flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct l4_tcp_hdr t = { .sport = r->sport,
		.dport = r->dport,
		.seq = r->irs + seq,
		.ack = flags & L4_TCPF_ACK ? r->iss + ack : 0,
		.flags = (uint16_t)flags,
		.wnd = 60000 };
	inject(r, &t, len);
}

static inline void establish_wnd(struct rig *r, uint16_t port, uint32_t irs, bool sack)
{
	if (!r->listener) {
		struct l4_endpoint any = { .port = 80 };
		r->listener = l4_tcp_new(r->h, NULL);
		assert_int_equal(l4_tcp_bind(r->h, r->listener, &any), 0);
		assert_int_equal(l4_tcp_listen(r->h, r->listener, 128, r->now), 0);
	}
	r->sport = port;
	r->dport = 80;
	r->irs = irs;
	struct l4_tcp_hdr t = { .sport = port,
		.dport = 80,
		.seq = irs,
		.flags = L4_TCPF_SYN,
		.wnd = 60000,
		.opts = { .present = L4_TCPO_MSS | (sack ? L4_TCPO_SACK_PERM : 0), .mss = 1460 } };
	inject(r, &t, 0);
	look(r);
	assert_int_equal(r->out_n, 1);
	assert_int_equal(r->out.flags, L4_TCPF_SYN | L4_TCPF_ACK);
	r->iss = r->out.seq;
	peer(r, L4_TCPF_ACK, 1, 1, 0);
	look(r);
	r->ep = l4_tcp_accept(r->h, r->listener, NULL, NULL, r->now);
	assert_true(r->ep > 0);
}

static inline void establish(struct rig *r)
{
	establish_wnd(r, 5000, 7000, true);
}

/* The connection is alive: bytes both ways. next: the peer's next sequence number, relative. */
static inline void alive(struct rig *r, uint32_t next, uint32_t ack)
{
	uint8_t b[64];
	assert_int_equal(l4_tcp_state(r->h, r->ep), L4_TCP_ESTABLISHED);
	peer(r, L4_TCPF_ACK | L4_TCPF_PSH, next, ack, 10);
	assert_int_equal(l4_tcp_recv(r->h, r->ep, b, sizeof b, 0, r->now), 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(b[i], (uint8_t)(r->irs + next + i));
	assert_int_equal(l4_tcp_send(r->h, r->ep, b, 10, 0, r->now), 10);
	look(r);
	assert_true(r->out_n >= 1);
	assert_int_equal(r->out.seq, r->iss + ack);
	assert_int_equal(r->out_len, 10);
}

static inline void rig_down(struct rig *r)
{
	l4_host_free(r->h);
	assert_int_equal(live_bytes, 0);
}

#endif
