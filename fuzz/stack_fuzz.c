/* A whole host fed (time, frame, call) tuples. Input bytes are operations: let time pass, call the
 * stack as a user would, or hand it a segment of a peer that knows the connection: ports are right,
 * sequence and acknowledgment numbers are near what was last sent, flags, options, payload and
 * window are the fuzzer's. So the state machine is reached: handshake, established, closing, every
 * timer. After each operation all invariants are walked. A raw frame can be handed in as well, or
 * an ICMP error about what we sent. */
#include <layer4/host.h>
#include <layer4/wire.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 3 /* 0: we dial it; 1, 2: they dial us */

struct peer {
	uint16_t port, our_port;
	uint32_t seq, ack; /* what the peer sends next, and expects next */
	uint32_t ts;       /* the last TSval seen from us */
	uint32_t at;       /* where the last segment from us began */
	bool seen;
};

struct fuzz {
	const uint8_t *p, *end;
	struct l4_host *h;
	unsigned ifx;
	l4_time now;
	l4_ep ep[6];
	struct peer peer[PEERS];
	struct l4_addr us, them;
};

static uint32_t take(struct fuzz *f, int n)
{
	uint32_t v = 0;
	while (n-- > 0)
		v = v << 8 | (f->p < f->end ? *f->p++ : 0);
	return v;
}

/* Sees what we sent: that is how the peer knows where we are. */
static void drain(struct fuzz *f)
{
	static struct l4_tx_frame out[8];
	size_t n;
	int rounds = 0;
	while ((n = l4_host_tx(f->h, f->ifx, out, 8, f->now)) > 0 && rounds++ < 400) {
		for (size_t i = 0; i < n; i++) {
			const struct l4_frame *fr = &out[i].f;
			struct l4_packet k;
			struct l4_tcp_hdr t;
			const uint8_t *b = fr->pieces[0].data;
			if (l4_packet_parse_ip(&k, b, fr->pieces[0].len, fr->len, 0) < 0 ||
			    k.proto != L4_PROTO_TCP ||
			    l4_tcp_parse(&t, b + k.l4_off, fr->pieces[0].len - k.l4_off) < 0)
				continue;
			for (int j = 0; j < PEERS; j++) {
				struct peer *p = &f->peer[j];
				if (t.dport != p->port)
					continue;
				p->our_port = t.sport;
				uint32_t len = k.l4_len - t.hdr_len + !!(t.flags & L4_TCPF_SYN) +
					       !!(t.flags & L4_TCPF_FIN);
				p->ack = t.seq + len;
				if (t.flags & L4_TCPF_ACK)
					p->seq = t.ack;
				p->ts = t.opts.ts_val;
				p->at = t.seq;
				p->seen = true;
			}
		}
	}
	struct l4_event e[16];
	while ((n = l4_host_events(f->h, e, 16)) > 0)
		for (size_t i = 0; i < n; i++)
			if (e[i].bits & L4_EV_ACCEPT)
				for (int j = 2; j < 6; j++)
					if (!f->ep[j]) {
						l4_ep a = l4_tcp_accept(
						    f->h, e[i].ep, NULL, NULL, f->now);
						f->ep[j] = a > 0 ? a : 0;
						break;
					}
}

static void segment(struct fuzz *f)
{
	uint8_t b[40 + 60 + 3000];
	struct peer *p = &f->peer[take(f, 1) % PEERS];
	struct l4_tcp_hdr t = { .sport = p->port, .dport = p->our_port ? p->our_port : 80 };
	uint8_t shape = (uint8_t)take(f, 1);
	t.flags = take(f, 1) & 0xff;
	if (shape & 1)
		t.flags |= L4_TCPF_ACK;
	t.seq = p->seq + (shape & 2 ? (uint32_t)(int32_t)(int16_t)take(f, 2) : 0);
	t.ack = t.flags & L4_TCPF_ACK
		    ? p->ack + (shape & 4 ? (uint32_t)(int32_t)(int16_t)take(f, 2) : 0)
		    : 0;
	t.wnd = shape & 8 ? (uint16_t)take(f, 2) : 0xffff;
	t.urg = t.flags & L4_TCPF_URG ? (uint16_t)take(f, 2) : 0;
	if (shape & 16) {
		t.opts.present |= L4_TCPO_TS;
		t.opts.ts_val = (uint32_t)(f->now / L4_MSEC) + take(f, 1);
		t.opts.ts_ecr = p->ts;
	}
	if (t.flags & L4_TCPF_SYN) {
		uint8_t o = (uint8_t)take(f, 1);
		t.opts.present |= (o & 1 ? L4_TCPO_MSS : 0) | (o & 2 ? L4_TCPO_WSCALE : 0) |
				  (o & 4 ? L4_TCPO_SACK_PERM : 0) | (o & 8 ? L4_TCPO_FASTOPEN : 0);
		t.opts.mss = (uint16_t)take(f, 2);
		t.opts.wscale = o >> 4 & 15;
		if (o & 8) {
			t.opts.fo_len = 8;
			memset(t.opts.fo_cookie, o, 8);
		}
	} else if (shape & 32) {
		t.opts.present |= L4_TCPO_SACK;
		t.opts.sack_n = (uint8_t)(1 + take(f, 1) % 3);
		for (int i = 0; i < t.opts.sack_n; i++) {
			t.opts.sack[i].start = p->ack + (uint32_t)(int32_t)(int16_t)take(f, 2);
			t.opts.sack[i].end = t.opts.sack[i].start + take(f, 2);
		}
	}
	uint32_t len = shape & 64 ? take(f, 2) % 2900 : shape & 128 ? take(f, 1) : 0;
	int hl = l4_tcp_emit(&t, b + 20, 60);
	if (hl < 0)
		return;
	for (uint32_t i = 0; i < len; i++)
		b[20 + hl + (int)i] = (uint8_t)i;
	if (20u + (uint32_t)hl + len > 1500)
		len = 1480u - (uint32_t)hl;
	uint16_t c = l4_wire_csum(&f->them, &f->us, L4_PROTO_TCP, b + 20, (size_t)hl + len);
	memcpy(b + 36, &c, 2);
	struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20u + (uint32_t)hl + len),
		.ttl = 64,
		.tos = (uint8_t)(shape & 3),
		.proto = L4_PROTO_TCP,
		.src = f->them,
		.dst = f->us };
	if (l4_ip4_emit(&ip, b, 20) < 0)
		return;
	struct l4_piece piece = { b, ip.total_len };
	struct l4_frame fr = {
		.pieces = &piece, .n_pieces = 1, .len = ip.total_len, .time = f->now
	};
	if ((t.flags & L4_TCPF_ACK) && !(shape & 2))
		p->seq = t.seq + len + !!(t.flags & L4_TCPF_SYN) + !!(t.flags & L4_TCPF_FIN);
	l4_host_rx(f->h, f->ifx, &fr, 1, f->now);
}

/* An ICMP error about the last segment that went to a peer, mostly of the kinds that TCP hears. */
static void icmp(struct fuzz *f)
{
	static const uint8_t codes[] = { 4, 4, 4, 0, 1, 2, 3, 5, 10, 13 };
	uint8_t b[20 + 8 + 28] = { 0 }, *m = b + 20, *q = m + 8;
	const struct peer *p = &f->peer[take(f, 1) % PEERS];
	uint8_t kind = (uint8_t)take(f, 1);
	uint32_t mtu = take(f, 2), seq = p->at + (kind & 64 ? take(f, 2) : 0);
	m[0] = kind & 128 ? 11 : 3;
	m[1] = kind & 128 ? kind & 1 : codes[(kind & 63) % sizeof codes];
	m[6] = (uint8_t)(mtu >> 8);
	m[7] = (uint8_t)mtu;
	struct l4_ip4_hdr quoted = { .total_len = 1500,
		.ttl = 60,
		.df = true,
		.proto = L4_PROTO_TCP,
		.src = f->us,
		.dst = f->them };
	if (l4_ip4_emit(&quoted, q, 20) < 0)
		return;
	uint16_t sport = p->our_port ? p->our_port : 80;
	const uint8_t ports[8] = { (uint8_t)(sport >> 8), (uint8_t)sport, (uint8_t)(p->port >> 8),
		(uint8_t)p->port, (uint8_t)(seq >> 24), (uint8_t)(seq >> 16), (uint8_t)(seq >> 8),
		(uint8_t)seq };
	memcpy(q + 20, ports, 8);
	uint16_t c = l4_icmp_csum(m, 36);
	memcpy(m + 2, &c, 2);
	struct l4_ip4_hdr ip = { .total_len = sizeof b,
		.ttl = 64,
		.proto = L4_PROTO_ICMP,
		.src = f->them,
		.dst = f->us };
	if (l4_ip4_emit(&ip, b, 20) < 0)
		return;
	struct l4_piece piece = { b, sizeof b };
	struct l4_frame fr = { .pieces = &piece, .n_pieces = 1, .len = sizeof b, .time = f->now };
	l4_host_rx(f->h, f->ifx, &fr, 1, f->now);
}

static void raw(struct fuzz *f)
{
	size_t n = take(f, 1);
	if (n > (size_t)(f->end - f->p))
		n = (size_t)(f->end - f->p);
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		return;
	memcpy(copy, f->p, n);
	f->p += n;
	struct l4_piece piece = { copy, n };
	struct l4_frame fr = {
		.pieces = &piece, .n_pieces = 1, .len = (uint32_t)n, .time = f->now
	};
	l4_host_rx(f->h, f->ifx, &fr, 1, f->now);
	free(copy);
}

/* Everything that can be asked of an endpoint. */
static void ask(struct fuzz *f, l4_ep ep)
{
	struct l4_tcp_info info;
	struct l4_endpoint at;
	int64_t v;
	l4_tcp_info(f->h, ep, &info, f->now);
	l4_tcp_ready(f->h, ep);
	l4_tcp_state(f->h, ep);
	l4_tcp_error(f->h, ep);
	l4_tcp_inq(f->h, ep);
	l4_tcp_outq(f->h, ep);
	l4_tcp_outq_unsent(f->h, ep);
	l4_tcp_at_mark(f->h, ep);
	l4_tcp_local(f->h, ep, &at);
	l4_tcp_remote(f->h, ep, &at);
	l4_tcp_get_congestion(f->h, ep);
	for (int o = 0; o <= L4_TCPOPT_COUNT; o++)
		l4_tcp_get(f->h, ep, o, &v);
}

static void on_trace(void *ctx, const struct l4_trace_event *e)
{
	(void)ctx;
	(void)e;
}

static void call(struct fuzz *f)
{
	static uint8_t buf[70000], posted[70000];
	uint8_t what = (uint8_t)take(f, 1);
	l4_ep *ep = &f->ep[take(f, 1) % 6];
	struct l4_endpoint to = { .addr = f->them, .port = f->peer[0].port };
	struct l4_piece pc[2];
	uint32_t n;
	int flags, option;
	int64_t v;
	switch (what % 16) {
	case 0:
		if (!*ep)
			*ep = l4_tcp_new(f->h, NULL);
		if (*ep < 0)
			*ep = 0;
		l4_tcp_connect(f->h, *ep, &to, f->now);
		break;
	case 1:
	case 2:
		n = take(f, 2);
		flags = (int)take(f, 1) & 7;
		l4_tcp_send(f->h, *ep, buf, n, flags, f->now);
		break;
	case 3:
	case 4:
		n = take(f, 2);
		flags = (int)take(f, 1);
		if (flags & 128)
			l4_tcp_recv_post(f->h, *ep, posted, n, f->now);
		else if (flags & 8)
			l4_tcp_recv_take(f->h, *ep, f->now);
		else
			l4_tcp_recv(f->h, *ep, buf, n, flags & (16 | 32 | 64), f->now);
		break;
	case 5:
		l4_tcp_shutdown(f->h, *ep, f->now);
		break;
	case 6:
		l4_tcp_close(f->h, *ep, f->now);
		if (*ep != f->ep[1])
			*ep = 0;
		break;
	case 7:
		if (take(f, 1) < 16)
			l4_tcp_abort(f->h, *ep, f->now);
		break;
	case 8:
		v = (int16_t)take(f, 2);
		option = (int)take(f, 1) % (L4_TCPOPT_COUNT + 1);
		v *= take(f, 1) & 1 ? (int64_t)L4_MSEC : 1;
		l4_tcp_set(f->h, *ep, option, v, f->now);
		break;
	case 9:
		if (l4_tcp_peek(f->h, *ep, pc) > 0)
			l4_tcp_consume(f->h, *ep, take(f, 1) % (pc[0].len + 1), f->now);
		break;
	case 10:
		ask(f, *ep);
		break;
	case 11:
		l4_tcp_disconnect(f->h, *ep, f->now);
		break;
	case 12:
		l4_tcp_shutdown_recv(f->h, *ep, f->now);
		break;
	case 13:
		l4_tcp_set_congestion(f->h, *ep, take(f, 1) & 1 ? "bbr" : "reno");
		break;
	case 14:
		n = take(f, 2);
		l4_tcp_send_zc(f->h, *ep, buf, n, 0, take(f, 1), f->now);
		break;
	case 15:
		n = take(f, 1);
		if (!*ep && (n & 1))
			*ep = l4_tcp_new(f->h, NULL);
		if (*ep < 0)
			*ep = 0;
		l4_tcp_sendto(f->h, *ep, &to, buf, n, n & 1 ? L4_SEND_FASTOPEN : 0, f->now);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .p = data, .end = data + size, .now = 1000 * L4_SEC };
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.has_seed = true;
	c.now = f.now;
	uint8_t mode = (uint8_t)take(&f, 1);
	c.tcp.sack = !(mode & 1);
	c.tcp.timestamps = !(mode & 2);
	c.tcp.ecn = mode >> 2 & 3;
	c.tcp.fastopen = mode >> 4 & 3;
	c.tcp.rack = !(mode & 64);
	c.limits.buffer_bytes = mode & 128 ? 100000 : 8 << 20;
	c.limits.connections = 6;
	if (mode & 1)
		c.trace = (struct l4_trace_sink){ .event = on_trace };
	c.limits.half_open = mode & 128 ? 1 : 2; /* one: the other peer gets a SYN cookie */
	c.limits.time_wait = 2;
	if (l4_host_new(&f.h, &c) < 0)
		return 0;
	struct l4_iface_config ic = { .name = "f0" };
	ic.caps.medium = L4_MEDIUM_IP;
	ic.caps.mtu = 1500;
	struct l4_prefix pf;
	l4_prefix_parse(&pf, "192.0.2.1/24");
	f.us = pf.addr;
	l4_addr_parse(&f.them, "192.0.2.2");
	f.ifx = (unsigned)l4_host_add_iface(f.h, &ic, f.now);
	l4_host_add_address(f.h, f.ifx, &pf, f.now);
	for (int i = 0; i < PEERS; i++)
		f.peer[i] =
		    (struct peer){ .port = (uint16_t)(5000 + i), .seq = 1000u * (uint32_t)i };
	/* ep[1] listens; ep[0] dials */
	struct l4_endpoint any = { .port = 80 };
	f.ep[1] = l4_tcp_new(f.h, NULL);
	l4_tcp_bind(f.h, f.ep[1], &any);
	l4_tcp_set(f.h, f.ep[1], L4_TCPOPT_FASTOPEN, 5, f.now);
	l4_tcp_listen(f.h, f.ep[1], 2, f.now);
	f.ep[0] = l4_tcp_new(f.h, NULL);
	struct l4_endpoint to = { .addr = f.them, .port = f.peer[0].port };
	l4_tcp_connect(f.h, f.ep[0], &to, f.now);
	drain(&f);
	int steps = 0;
	while (f.p < f.end && steps++ < 300) {
		uint8_t op = (uint8_t)take(&f, 1);
		switch (op & 7) {
		case 0:
		case 1:
		case 2:
		case 3:
			segment(&f);
			break;
		case 4:
		case 5:
			call(&f);
			break;
		case 6:
			f.now += (l4_time)(op >> 3) * (op & 128 ? 2 * L4_SEC : 3 * L4_MSEC) + 1;
			l4_host_tick(f.h, f.now);
			break;
		case 7:
			if (op & 64)
				icmp(&f);
			else
				raw(&f);
			break;
		}
		drain(&f);
		char what[128];
		if (l4_host_check(f.h, what, sizeof what) < 0) {
			fprintf(stderr, "invariant broken after step %d: %s\n", steps, what);
			abort();
		}
	}
	l4_host_free(f.h);
	return 0;
}
