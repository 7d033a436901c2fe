/* RFC 9293 and its neighbours, rule by rule: what scripts cannot say, because it is about bytes,
 * batches, secrets or many connections. */
#include "tcp/rig_test.h"

#include "host/host.h"
#include "tcp/conn.h"

/* A segment of the peer as bytes. */
static uint32_t build(struct rig *r, const struct l4_tcp_hdr *t, uint32_t len, uint8_t b[1500])
{
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
	return ip.total_len;
}

static void deliver(struct rig *r, const uint8_t *b, uint32_t len)
{
	struct l4_piece p = { b, len };
	struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = len, .time = r->now };
	l4_host_rx(r->h, r->ifx, &f, 1, r->now);
}

static struct l4_tcp_hdr data_hdr(const struct rig *r, uint32_t seq, uint32_t ack)
{
	return (struct l4_tcp_hdr){ .sport = r->sport,
		.dport = r->dport,
		.seq = r->irs + seq,
		.ack = r->iss + ack,
		.flags = L4_TCPF_ACK | L4_TCPF_PSH,
		.wnd = 60000 };
}

/* TCPP-12: every bit of a segment of 100 bytes flipped, alone and with one 16 bits later (such a
 * pair the sum cannot always tell; it is counted, and never more than the equal pairs): nothing is
 * taken, nothing is answered.
 * Proves: MUST-3 */
static void tcpp_12_checksums_are_verified(void **state)
{
	(void)state;
	struct rig r;
	uint8_t good[1500], bad[1500], got[200];
	uint32_t missed = 0;
	rig_up(&r, NULL);
	establish(&r);
	struct l4_tcp_hdr t = data_hdr(&r, 1, 1);
	uint32_t n = build(&r, &t, 80, good);
	assert_int_equal(n, 120);
	for (uint32_t bit = 160; bit < 8 * n; bit++)
		for (int two = 0; two < 2; two++) {
			uint32_t other = bit + 16;
			memcpy(bad, good, n);
			bad[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			if (two && other >= 8 * n)
				continue;
			if (two)
				bad[other / 8] ^= (uint8_t)(0x80 >> other % 8);
			/* 1 and 0 swapped between two words: the sum is the same */
			bool a = good[bit / 8] & (0x80 >> bit % 8), c = false;
			if (two)
				c = good[other / 8] & (0x80 >> other % 8);
			if (two && a != c) {
				missed++;
				continue;
			}
			deliver(&r, bad, n);
			look(&r);
			assert_int_equal(r.out_n, 0);
			assert_int_equal(l4_tcp_recv(r.h, r.ep, got, 200, 0, r.now), L4_EAGAIN);
			assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_ESTABLISHED);
		}
	assert_true(missed > 0); /* the known weakness of the sum */
	deliver(&r, good, n);
	assert_int_equal(l4_tcp_recv(r.h, r.ep, got, 200, 0, r.now), 80);
	look(&r);
	rig_down(&r);
}

/* Everything that leaves has a right checksum over pseudo-header, header and data. */
static uint32_t pull_checked(struct rig *r)
{
	static struct l4_tx_frame f[16];
	uint32_t segments = 0;
	size_t n;
	while ((n = l4_host_tx(r->h, r->ifx, f, 16, r->now)) > 0)
		for (size_t i = 0; i < n; i++) {
			static uint8_t b[70000];
			uint32_t len = 0;
			for (uint32_t k = 0; k < f[i].f.n_pieces; k++) {
				memcpy(b + len, f[i].f.pieces[k].data, f[i].f.pieces[k].len);
				len += (uint32_t)f[i].f.pieces[k].len;
			}
			struct l4_packet k;
			assert_true(l4_packet_parse_ip(&k, b, len, len, 0) >= 0);
			assert_int_equal(k.proto, L4_PROTO_TCP);
			assert_int_equal(
			    l4_wire_csum(&k.src, &k.dst, L4_PROTO_TCP, b + k.l4_off, k.l4_len), 0);
			assert_true(l4_tcp_parse(&r->out, b + k.l4_off, k.l4_len) > 0);
			segments++;
		}
	return segments;
}

/* SYN, SYN-ACK, data of odd and even lengths, retransmissions, ACK, FIN, RST.
 * Proves: MUST-2 */
static void checksums_are_sent(void **state)
{
	(void)state;
	struct rig r;
	uint8_t data[3000];
	rig_up(&r, NULL);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 31);
	struct l4_endpoint to = { .addr = r.them, .port = 99 };
	l4_ep c = l4_tcp_new(r.h, NULL);
	assert_int_equal(l4_tcp_connect(r.h, c, &to, r.now), 0);
	assert_int_equal(pull_checked(&r), 1);
	establish(&r);
	assert_int_equal(l4_tcp_set(r.h, r.ep, L4_TCPOPT_NODELAY, 1, r.now), 0);
	uint32_t sent = 1;
	for (uint32_t len = 1; len < 2000; len += 37) {
		assert_int_equal(l4_tcp_send(r.h, r.ep, data, len, 0, r.now), len);
		assert_true(pull_checked(&r) >= 1);
		sent += len;
		peer(&r, L4_TCPF_ACK, 1, sent, 0);
	}
	assert_int_equal(l4_tcp_send(r.h, r.ep, data, 777, 0, r.now), 777);
	assert_int_equal(pull_checked(&r), 1);
	while (l4_host_deadline(r.h) < r.now + 2 * L4_SEC) {
		r.now = l4_host_deadline(r.h);
		l4_host_tick(r.h, r.now);
		(void)pull_checked(&r);
	}
	peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, 1, sent + 777, 5);
	assert_int_equal(pull_checked(&r), 1);
	assert_int_equal(l4_tcp_shutdown(r.h, r.ep, r.now), 0);
	assert_int_equal(pull_checked(&r), 1);
	assert_true(r.out.flags & L4_TCPF_FIN);
	assert_int_equal(l4_tcp_abort(r.h, r.ep, r.now), 0);
	assert_int_equal(pull_checked(&r), 1);
	assert_true(r.out.flags & L4_TCPF_RST);
	struct l4_tcp_hdr stray = { .sport = 7, .dport = 8, .flags = L4_TCPF_SYN, .wnd = 9 };
	inject(&r, &stray, 0);
	assert_int_equal(pull_checked(&r), 1); /* a reset without a connection */
	rig_down(&r);
}

/* Segments that are queued are processed together before an ACK leaves.
 * Proves: MUST-59 MUST-58 */
static void a_batch_has_one_ack(void **state)
{
	(void)state;
	struct rig r;
	enum { N = 7 };
	static uint8_t b[N][1500];
	struct l4_piece p[N];
	struct l4_frame f[N];
	uint8_t got[9000];
	rig_up(&r, NULL);
	establish(&r);
	for (uint32_t i = 0; i < N; i++) {
		struct l4_tcp_hdr t = data_hdr(&r, 1 + 1000 * i, 1);
		uint32_t n = build(&r, &t, 1000, b[i]);
		p[i] = (struct l4_piece){ b[i], n };
		f[i] = (struct l4_frame){ .pieces = &p[i], .n_pieces = 1, .len = n, .time = r.now };
	}
	l4_host_rx(r.h, r.ifx, f, N, r.now);
	look(&r);
	assert_int_equal(r.out_n, 1);
	assert_int_equal(r.out.ack, r.irs + 1 + 1000 * N);
	assert_int_equal(l4_tcp_recv(r.h, r.ep, got, sizeof got, 0, r.now), 1000 * N);
	rig_down(&r);
}

/* A second passive open of the same port fails, and touches nothing of the first.
 * Proves: MUST-41 */
static void a_listener_is_not_replaced(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	struct l4_endpoint same[] = { { .port = 80 }, { .addr = r.us, .port = 80 } };
	for (int reuse = 0; reuse < 2; reuse++)
		for (int i = 0; i < 2; i++) {
			l4_ep e = l4_tcp_new(r.h, NULL);
			assert_int_equal(l4_tcp_set(r.h, e, L4_TCPOPT_REUSEADDR, reuse, r.now), 0);
			int rc = l4_tcp_bind(r.h, e, &same[i]);
			if (rc == 0)
				rc = l4_tcp_listen(r.h, e, 5, r.now);
			assert_int_equal(rc, L4_EINUSE);
			assert_int_equal(l4_tcp_close(r.h, e, r.now), 0);
		}
	alive(&r, 1, 1);
	establish_wnd(&r, 5001, 99, true);
	alive(&r, 1, 1);
	rig_down(&r);
}

static uint8_t seed_byte;
static l4_time start_at;

static void seeded(struct l4_host_config *c)
{
	memset(c->seed, seed_byte, sizeof c->seed);
	c->now = start_at;
	c->tcp.timestamps = true;
}

/* The SYN of a connection from port 40000 to port of the peer, by a host that started with that
 * seed at that time. */
static struct l4_tcp_hdr syn_of(uint8_t seed, l4_time at, uint16_t port)
{
	struct rig r;
	seed_byte = seed;
	start_at = at;
	rig_up(&r, seeded);
	r.now = at;
	struct l4_endpoint from = { .addr = r.us, .port = 40000 };
	struct l4_endpoint to = { .addr = r.them, .port = port };
	l4_ep e = l4_tcp_new(r.h, NULL);
	assert_int_equal(l4_tcp_bind(r.h, e, &from), 0);
	assert_int_equal(l4_tcp_connect(r.h, e, &to, r.now), 0);
	look(&r);
	assert_int_equal(r.out_n, 1);
	rig_down(&r);
	return r.out;
}

/* ISN = M + F(ends, secret): M counts every four microseconds, F is another with each secret.
 * Proves: MUST-8 SHLD-1 6528-3a 6528-3c */
static void isns_follow_the_clock(void **state)
{
	(void)state;
	uint32_t first = syn_of(1, 1000 * L4_SEC, 80).seq, last = first;
	for (uint32_t s = 1; s < 20; s++) {
		uint32_t isn = syn_of(1, (1000 + s * s) * L4_SEC, 80).seq;
		assert_int_equal(isn - first, s * s * 250000u);
		assert_true((int32_t)(isn - last) > 0);
		last = isn;
	}
	assert_int_equal(
	    syn_of(1, 1000 * L4_SEC + 4 * L4_USEC, 80).seq - first, 1); /* one each 4 us */
}

/* Without the secret nothing is known of it: bits of the difference between hosts that differ in
 * the secret alone, and between ports of one host, are those of a coin.
 * Proves: MUST-9 6528-3b 6528-4 6056-3.3.r */
static void isns_depend_on_the_secret(void **state)
{
	(void)state;
	uint32_t ones[32] = { 0 };
	enum { N = 200 };
	uint32_t base = syn_of(0, 1000 * L4_SEC, 80).seq;
	for (uint32_t i = 1; i <= N; i++) {
		uint32_t d = syn_of((uint8_t)i, 1000 * L4_SEC, (uint16_t)(80 + i / 256)).seq - base;
		for (int b = 0; b < 32; b++)
			ones[b] += d >> b & 1;
	}
	for (int b = 0; b < 32; b++)
		assert_in_range(ones[b], N / 2 - 36, N / 2 + 36); /* five sigma */
}

/* TCPB-07: clocks of timestamps begin at random for each pair of hosts, and go on evenly.
 * Proves: 7323-7.1 7323-3.2e */
static void tcpb_07_timestamps_begin_at_random(void **state)
{
	(void)state;
	struct rig r;
	enum { N = 1000 };
	uint32_t bins[16] = { 0 };
	seed_byte = 3;
	start_at = 1000 * L4_SEC;
	rig_up(&r, seeded);
	for (uint32_t i = 0; i < N; i++) {
		struct l4_endpoint to = { .addr = r.them, .port = 80 };
		to.addr.b[14] = (uint8_t)(i / 250);
		to.addr.b[15] = (uint8_t)(i % 250 + 2);
		struct l4_prefix all = { .len = 96 };
		all.addr = r.us;
		memset(all.addr.b + 12, 0, 4);
		if (!i)
			assert_int_equal(l4_host_add_route(r.h, &all, &r.them, r.ifx, 0), 0);
		l4_ep e = l4_tcp_new(r.h, NULL);
		assert_int_equal(l4_tcp_connect(r.h, e, &to, r.now), 0);
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_true(r.out.opts.present & L4_TCPO_TS);
		assert_int_equal(r.out.opts.ts_ecr, 0); /* no ACK, nothing to echo */
		bins[r.out.opts.ts_val >> 28]++;
		l4_tcp_abort(r.h, e, r.now);
	}
	double chi = 0;
	for (int i = 0; i < 16; i++)
		chi += (bins[i] - N / 16.0) * (bins[i] - N / 16.0) / (N / 16.0);
	assert_true(chi < 37.7); /* 15 degrees, probability 0.999 */
	rig_down(&r);
	uint32_t a = syn_of(3, 1000 * L4_SEC, 80).opts.ts_val;
	assert_int_equal(syn_of(3, 1001 * L4_SEC, 80).opts.ts_val - a, 1000);
	assert_int_not_equal(syn_of(4, 1000 * L4_SEC, 80).opts.ts_val, a);
}

static void few_ports(struct l4_host_config *c)
{
	c->tcp.port_low = 40000;
	c->tcp.port_high = 40009;
	c->tcp.timestamps = false;
}

/* TCPB-11: no port of a listener, no five-tuple that is in use or was lately, and never oneself.
 * Proves: 6056-3.1 6056-3.2b */
static void tcpb_11_ports_are_free(void **state)
{
	(void)state;
	struct rig r;
	bool seen[10] = { false };
	rig_up(&r, few_ports);
	struct l4_endpoint busy = { .port = 40003 };
	l4_ep l = l4_tcp_new(r.h, NULL);
	assert_int_equal(l4_tcp_bind(r.h, l, &busy), 0);
	assert_int_equal(l4_tcp_listen(r.h, l, 5, r.now), 0);
	struct l4_endpoint to = { .addr = r.them, .port = 80 };
	for (int i = 0; i < 10; i++) {
		l4_ep e = l4_tcp_new(r.h, NULL);
		int rc = l4_tcp_connect(r.h, e, &to, r.now);
		if (i == 9) { /* all nine are taken */
			assert_int_equal(rc, L4_EINUSE);
			continue;
		}
		assert_int_equal(rc, 0);
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_in_range(r.out.sport, 40000, 40009);
		assert_int_not_equal(r.out.sport, 40003);
		assert_false(seen[r.out.sport - 40000]);
		seen[r.out.sport - 40000] = true;
	}
	/* another destination may have them again */
	to.port = 81;
	assert_int_equal(l4_tcp_connect(r.h, l4_tcp_new(r.h, NULL), &to, r.now), 0);
	look(&r);
	/* to ourselves, over every port of the range: none meets itself */
	for (uint16_t port = 40000; port < 40010; port++)
		for (int i = 0; i < 20; i++) {
			struct l4_endpoint self = { .addr = r.us, .port = port };
			l4_ep e = l4_tcp_new(r.h, NULL);
			assert_int_equal(l4_tcp_connect(r.h, e, &self, r.now), 0);
			wait_for(&r, L4_MSEC);
			int st = l4_tcp_state(r.h, e);
			assert_true(st == L4_TCP_CLOSED || port == 40003);
			l4_tcp_abort(r.h, e, r.now);
			look(&r);
		}
	l4_ep e = l4_tcp_new(r.h, NULL);
	struct l4_endpoint self = { .addr = r.us, .port = 40005 };
	assert_int_equal(l4_tcp_bind(r.h, e, &self), 0);
	assert_int_equal(l4_tcp_connect(r.h, e, &self, r.now), L4_EINVAL);
	rig_down(&r);
}

/* TCPS-01: LAND: segments from our own address, off the wire, to a listener and to a connection. */
static void tcps_01_land(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	struct l4_addr them = r.them;
	for (unsigned f = 0; f < 512; f++) {
		for (int port = 0; port < 2; port++) {
			struct l4_tcp_hdr t = { .sport = port ? 80 : 5000,
				.dport = 80,
				.seq = r.irs + 1,
				.ack = r.iss + 1,
				.flags = (uint16_t)f,
				.wnd = 1000 };
			r.them = r.us;
			inject(&r, &t, 0);
			r.them = them;
			look(&r);
			assert_int_equal(r.out_n, 0);
		}
	}
	assert_int_equal(l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now), L4_EAGAIN);
	alive(&r, 1, 1);
	rig_down(&r);
}

static bool allow_simultaneous;

static void simultaneous(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->tcp.simultaneous_open = allow_simultaneous;
}

/* TCPS-03: split handshakes: an ACK alone changes nothing in SYN-SENT, a wrong one is reset; a SYN
 * alone is a simultaneous open, unless the setting refuses it. */
static void tcps_03_split_handshake(void **state)
{
	(void)state;
	for (int allow = 0; allow < 2; allow++) {
		struct rig r;
		allow_simultaneous = allow;
		rig_up(&r, simultaneous);
		struct l4_endpoint to = { .addr = r.them, .port = 80 };
		r.ep = l4_tcp_new(r.h, NULL);
		assert_int_equal(l4_tcp_connect(r.h, r.ep, &to, r.now), 0);
		look(&r);
		r.iss = r.out.seq;
		r.sport = 80;
		r.dport = r.out.sport;
		r.irs = 900;
		peer(&r, L4_TCPF_ACK, 1, 1, 0);
		look(&r);
		assert_int_equal(r.out_n, 0);
		assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_SYN_SENT);
		peer(&r, L4_TCPF_ACK, 1, 7, 0);
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_int_equal(r.out.flags, L4_TCPF_RST);
		assert_int_equal(r.out.seq, r.iss + 7);
		assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_SYN_SENT);
		peer(&r, L4_TCPF_SYN, 0, 0, 0);
		look(&r);
		assert_int_equal(r.out_n, allow);
		assert_int_equal(
		    l4_tcp_state(r.h, r.ep), allow ? L4_TCP_SYN_RECEIVED : L4_TCP_SYN_SENT);
		if (!allow) {
			peer(&r, L4_TCPF_SYN | L4_TCPF_ACK, 0, 1, 0);
			look(&r);
		} else {
			assert_int_equal(r.out.flags, L4_TCPF_SYN | L4_TCPF_ACK);
			peer(&r, L4_TCPF_ACK, 1, 1, 0);
		}
		assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_ESTABLISHED);
		alive(&r, 1, 1);
		rig_down(&r);
	}
}

/* ---- Every set of flags in every state ------------------------------------------------------ */

enum { CLOSED_PORT = 100, HALF_OPEN };

/* Brings a connection into a state; the next segment of the peer is *seq, our next is *ack. */
static void bring_to(struct rig *r, int st, uint32_t *seq, uint32_t *ack)
{
	rig_up(r, NULL);
	*seq = *ack = 1;
	r->ep = 0;
	if (st == CLOSED_PORT) {
		r->sport = 5000;
		r->dport = 9;
		r->irs = 7000;
		r->iss = 1234;
		return;
	}
	if (st == L4_TCP_SYN_SENT) {
		struct l4_endpoint to = { .addr = r->them, .port = 80 };
		r->ep = l4_tcp_new(r->h, NULL);
		assert_int_equal(l4_tcp_connect(r->h, r->ep, &to, r->now), 0);
		look(r);
		r->iss = r->out.seq;
		r->sport = 80;
		r->dport = r->out.sport;
		r->irs = 7000;
		*seq = 0;
		return;
	}
	establish(r);
	if (st == L4_TCP_LISTEN || st == HALF_OPEN) {
		r->sport = 5001;
		r->irs = 9000;
		r->ep = 0;
		*seq = 0;
		if (st == HALF_OPEN) {
			peer(r, L4_TCPF_SYN, 0, 0, 0);
			look(r);
			r->iss = r->out.seq;
			*seq = 1;
		}
		return;
	}
	bool ours = st == L4_TCP_FIN_WAIT_1 || st == L4_TCP_FIN_WAIT_2 || st == L4_TCP_CLOSING ||
		    st == L4_TCP_TIME_WAIT;
	bool theirs = st == L4_TCP_CLOSE_WAIT || st == L4_TCP_LAST_ACK;
	if (theirs) {
		peer(r, L4_TCPF_ACK | L4_TCPF_FIN, 1, 1, 0);
		*seq = 2;
	}
	if (ours || st == L4_TCP_LAST_ACK) {
		assert_int_equal(l4_tcp_shutdown(r->h, r->ep, r->now), 0);
		look(r);
		*ack = 2;
	}
	if (st == L4_TCP_FIN_WAIT_2)
		peer(r, L4_TCPF_ACK, 1, 2, 0);
	if (st == L4_TCP_CLOSING || st == L4_TCP_TIME_WAIT) {
		peer(r, L4_TCPF_ACK | L4_TCPF_FIN, 1, st == L4_TCP_CLOSING ? 1 : 2, 0);
		*seq = 2;
	}
	look(r);
	assert_int_equal(l4_tcp_state(r->h, r->ep), st);
}

/* What RFC 9293 3.10.7 says to a segment without data at RCV.NXT that acknowledges all: the flags
 * of the answer (0: none), and the state after it. */
static uint16_t model(int st, unsigned f, int *after)
{
	bool syn = f & L4_TCPF_SYN, fin = f & L4_TCPF_FIN, rst = f & L4_TCPF_RST,
	     a = f & L4_TCPF_ACK;
	const uint16_t ACK = L4_TCPF_ACK;
	*after = st;
	/* SYN with FIN or RST, and nothing at all: dropped, as the standard leaves open */
	if (!(syn || fin || rst || a) || (syn && (fin || rst)))
		return 0;
	switch (st) {
	case CLOSED_PORT:
		return rst ? 0 : a ? L4_TCPF_RST : L4_TCPF_RST | L4_TCPF_ACK;
	case L4_TCP_LISTEN:
		if (rst || (!a && !syn))
			return 0;
		return a ? L4_TCPF_RST : L4_TCPF_SYN | L4_TCPF_ACK;
	case L4_TCP_SYN_SENT:
		if (rst) {
			*after = a ? L4_TCP_CLOSED : st;
			return 0;
		}
		if (!syn)
			return 0;
		*after = a ? L4_TCP_ESTABLISHED : L4_TCP_SYN_RECEIVED;
		return a ? ACK : L4_TCPF_SYN | L4_TCPF_ACK;
	case HALF_OPEN:
		return rst ? 0 : syn ? ACK : a && fin ? ACK : 0;
	case L4_TCP_TIME_WAIT:
		if (rst || (!a && !syn))
			return 0; /* RFC 1337 */
		return syn || fin ? ACK : 0;
	default:
		break;
	}
	if (rst) {
		*after = L4_TCP_CLOSED;
		return 0;
	}
	if (syn)
		return ACK; /* RFC 5961 4.2 */
	if (!a)
		return 0;
	switch (st) {
	case L4_TCP_ESTABLISHED:
		*after = fin ? L4_TCP_CLOSE_WAIT : st;
		return fin ? ACK : 0;
	case L4_TCP_FIN_WAIT_1:
	case L4_TCP_FIN_WAIT_2:
		*after = fin ? L4_TCP_TIME_WAIT : L4_TCP_FIN_WAIT_2;
		return fin ? ACK : 0;
	case L4_TCP_CLOSE_WAIT:
		return fin ? ACK : 0;
	case L4_TCP_CLOSING:
		*after = L4_TCP_TIME_WAIT;
		return 0;
	default: /* LAST-ACK */
		*after = L4_TCP_CLOSED;
		return 0;
	}
}

/* TCPP-10: all 512 sets of flags in eleven states, against the model. */
static void tcpp_10_every_flag_in_every_state(void **state)
{
	static const int st[] = { CLOSED_PORT, L4_TCP_LISTEN, HALF_OPEN, L4_TCP_SYN_SENT,
		L4_TCP_ESTABLISHED, L4_TCP_FIN_WAIT_1, L4_TCP_FIN_WAIT_2, L4_TCP_CLOSE_WAIT,
		L4_TCP_CLOSING, L4_TCP_LAST_ACK, L4_TCP_TIME_WAIT };
	const unsigned keep = L4_TCPF_SYN | L4_TCPF_FIN | L4_TCPF_RST | L4_TCPF_ACK;
	(void)state;
	for (size_t i = 0; i < sizeof st / sizeof st[0]; i++)
		for (unsigned f = 0; f < 512; f++) {
			struct rig r;
			uint32_t seq, ack;
			int after;
			bring_to(&r, st[i], &seq, &ack);
			struct l4_tcp_hdr t = { .sport = r.sport,
				.dport = r.dport,
				.seq = r.irs + seq,
				.ack = r.iss + ack,
				.flags = (uint16_t)f,
				.wnd = 1000 };
			uint16_t want = model(st[i], f, &after);
			inject(&r, &t, 0);
			look(&r);
			uint16_t answer = r.out_n ? (uint16_t)(r.out.flags & keep) : 0;
			int now = r.ep ? l4_tcp_state(r.h, r.ep) : st[i];
			if (r.out_n > 1 || answer != want || (r.ep && now != after))
				fail_msg("state %d flags %03x: %u answers, %03x not %03x, then %d "
					 "not %d",
				    st[i], f, r.out_n, answer, want, now, after);
			rig_down(&r);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcpp_12_checksums_are_verified),
		cmocka_unit_test(checksums_are_sent),
		cmocka_unit_test(a_batch_has_one_ack),
		cmocka_unit_test(a_listener_is_not_replaced),
		cmocka_unit_test(isns_follow_the_clock),
		cmocka_unit_test(isns_depend_on_the_secret),
		cmocka_unit_test(tcpb_07_timestamps_begin_at_random),
		cmocka_unit_test(tcpb_11_ports_are_free),
		cmocka_unit_test(tcps_01_land),
		cmocka_unit_test(tcps_03_split_handshake),
		cmocka_unit_test(tcpp_10_every_flag_in_every_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
