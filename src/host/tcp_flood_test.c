/* Peers that want much and give nothing: floods, stuck and slow readers, tiny segments, clocks near
 * their ends, memory that runs out (security cases TCPC, TCPR, TCPB, TCPS by their ids). Each test
 * ends by showing that a healthy connection is served, or that nothing is left. */
#include "tcp/rig_test.h"

#include "host/host.h"
#include "tcp/conn.h"

/* A SYN, and with its SYN-ACK the ACK, from a port of the peer: a connection not yet accepted. */
static bool shake(struct rig *r, uint16_t port, uint32_t irs, uint16_t mss)
{
	r->sport = port;
	r->dport = 80;
	r->irs = irs;
	struct l4_tcp_hdr t = { .sport = port,
		.dport = 80,
		.seq = irs,
		.flags = L4_TCPF_SYN,
		.wnd = 60000,
		.opts = { .present = L4_TCPO_MSS, .mss = mss } };
	inject(r, &t, 0);
	look(r);
	if (r->out_n != 1 || r->out.flags != (L4_TCPF_SYN | L4_TCPF_ACK))
		return false;
	r->iss = r->out.seq;
	peer(r, L4_TCPF_ACK, 1, 1, 0);
	look(r);
	return true;
}

static void listen80(struct rig *r, uint32_t backlog)
{
	struct l4_endpoint any = { .port = 80 };
	r->listener = l4_tcp_new(r->h, NULL);
	assert_int_equal(l4_tcp_bind(r->h, r->listener, &any), 0);
	assert_int_equal(l4_tcp_listen(r->h, r->listener, backlog, r->now), 0);
}

/* Closes what has ended by itself, as a server does. */
static void reap(struct rig *r)
{
	struct l4_event ev[64];
	size_t n;
	while ((n = l4_host_events(r->h, ev, 64)) > 0)
		for (size_t i = 0; i < n; i++)
			if (ev[i].bits & L4_EV_ERROR)
				l4_tcp_close(r->h, ev[i].ep, r->now);
}

static void sixty_four(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->limits.connections = 64;
}

/* TCPR-02: peers that take a little and then close their window for ever hold every connection that
 * is allowed. The one stuck longest goes, a new client is served; the same with orphans whose peers
 * never say a word. */
static void tcpr_02_stuck_peers_make_room(void **state)
{
	(void)state;
	for (int orphans = 0; orphans < 2; orphans++) {
		struct rig r;
		static uint8_t data[20000];
		rig_up(&r, sixty_four);
		listen80(&r, 100);
		l4_ep first = 0;
		for (uint16_t i = 0; i < 63; i++) {
			assert_true(shake(&r, (uint16_t)(2000 + i), 77, 1460));
			l4_ep e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
			assert_true(e > 0);
			first = first ? first : e;
			assert_true(l4_tcp_send(r.h, e, data, sizeof data, 0, r.now) > 0);
			look(&r);
			if (orphans) {
				l4_tcp_close(r.h, e, r.now);
			} else { /* zero window */
				struct l4_tcp_hdr t = { .sport = r.sport,
					.dport = 80,
					.seq = r.irs + 1,
					.ack = r.iss + 1 + 1460,
					.flags = L4_TCPF_ACK };
				inject(&r, &t, 0);
			}
			look(&r);
			r.now += 100 * L4_MSEC;
		}
		assert_true(shake(&r, 3000, 5, 1460)); /* half open, but no room beyond */
		assert_int_equal(l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now), L4_EAGAIN);
		l4_ep e = L4_EAGAIN;
		for (int i = 0; i < 60 && e < 0; i++) { /* its data comes again and again */
			wait_for(&r, L4_SEC);
			peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, 1, 1, 10);
			look(&r);
			reap(&r);
			e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
		}
		assert_true(e > 0);
		r.ep = e;
		if (!orphans) /* the oldest made room */
			assert_int_equal(l4_tcp_state(r.h, first), L4_EBADF);
		uint8_t b[16];
		assert_int_equal(l4_tcp_recv(r.h, e, b, 16, 0, r.now), 10);
		alive(&r, 11, 1);
		rig_down(&r);
	}
}

static void two_megabytes(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->tcp.sndbuf_default = c->tcp.sndbuf_max = 65536;
	c->limits.buffer_bytes = 2 << 20;
}

/* TCPR-08: peers that take a byte every ten seconds fill all buffers; those with the least progress
 * go, a new client is served, memory stays in its limit. */
static void tcpr_08_slow_readers_make_room(void **state)
{
	(void)state;
	struct rig r;
	enum { N = 60 };
	static uint8_t data[65536];
	uint32_t iss[N], got[N];
	rig_up(&r, two_megabytes);
	uint64_t before = live_bytes;
	listen80(&r, 100);
	for (uint16_t i = 0; i < N; i++) {
		assert_true(shake(&r, (uint16_t)(2000 + i), 77, 1460));
		l4_ep e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
		(void)l4_tcp_send(r.h, e, data, sizeof data, 0, r.now);
		look(&r);
		iss[i] = r.iss;
		got[i] = 1;
	}
	uint32_t evicted = 0;
	for (int round = 0; round < 20; round++) {
		for (uint16_t i = 0; i < N; i++) {
			struct l4_tcp_hdr t = { .sport = (uint16_t)(2000 + i),
				.dport = 80,
				.seq = 78,
				.ack = iss[i] + ++got[i],
				.flags = L4_TCPF_ACK,
				.wnd = 1 };
			inject(&r, &t, 0);
			look(&r);
		}
		wait_for(&r, 10 * L4_SEC);
		reap(&r);
		assert_true(live_bytes - before < (2u << 20) + N * 8192u);
		struct l4_tcp_counters c;
		l4_tcp_counters(r.h, &c);
		evicted = (uint32_t)c.evicted;
	}
	/* a new client with a healthy appetite */
	assert_true(shake(&r, 9000, 5, 1460));
	l4_ep e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
	assert_true(e > 0);
	uint32_t sent = 0, acked = 1;
	for (int i = 0; i < 2000 && sent < 200000; i++) {
		int64_t n = l4_tcp_send(r.h, e, data, 20000, 0, r.now);
		sent += n > 0 ? (uint32_t)n : 0;
		look(&r);
		acked = r.out_n && r.out.dport == 9000 ? r.out.seq + r.out_len - r.iss : acked;
		wait_for(&r, 20 * L4_MSEC);
		peer(&r, L4_TCPF_ACK, 1, acked, 0);
		reap(&r);
	}
	assert_true(sent >= 200000);
	struct l4_tcp_counters c;
	l4_tcp_counters(r.h, &c);
	assert_true(c.evicted > 0 && c.evicted >= evicted);
	assert_true(c.evicted < N); /* not all: what is needed */
	rig_down(&r);
}

/* TCPR-05: tuples that fall into one bucket under one seed spread under another. */
static void tcpr_05_keyed_hash(void **state)
{
	(void)state;
	enum { BUCKETS = 1024, N = 1024 };
	struct rig a, b;
	static uint32_t chain[BUCKETS];
	rig_up(&a, NULL);
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.has_seed = true;
	memset(c.seed, 0x77, sizeof c.seed);
	c.now = a.now;
	assert_int_equal(l4_host_new(&b.h, &c), 0);
	uint32_t n = 0;
	for (uint32_t i = 0; n < N; i++) {
		struct l4_endpoint local = { .addr = a.us, .port = 80 },
				   remote = { .addr = a.them };
		remote.port = (uint16_t)i;
		remote.addr.b[14] = (uint8_t)(i >> 16);
		remote.addr.b[15] = (uint8_t)(i >> 24);
		if (l4_tcp_hash(a.h->tcp, &local, &remote) % BUCKETS != 5)
			continue;
		chain[l4_tcp_hash(b.h->tcp, &local, &remote) % BUCKETS]++;
		n++;
	}
	uint32_t most = 0;
	for (uint32_t i = 0; i < BUCKETS; i++)
		most = chain[i] > most ? chain[i] : most;
	assert_in_range(most, 2, 12);
	l4_host_free(b.h);
	rig_down(&a);
}

/* TCPR-06: completed handshakes with data that nobody accepts: bounded by the backlog. */
static void tcpr_06_accept_is_never_called(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	listen80(&r, 16);
	uint64_t before = live_bytes, most = 0;
	uint32_t in = 0;
	for (uint16_t i = 0; i < 500; i++) {
		if (!shake(&r, (uint16_t)(2000 + i), 77, 1460))
			continue;
		for (uint32_t k = 0; k < 100; k++)
			peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, 1 + 1000 * k, 1, 1000);
		look(&r);
		most = live_bytes - before > most ? live_bytes - before : most;
		in++;
	}
	assert_true(in >= 16);
	/* 16 connections with what they were offered, and the half-open records */
	assert_true(most <= 16ull * (2 * 131072 + 8192) + 500 * 512);
	l4_tcp_close(r.h, r.listener, r.now);
	look(&r);
	rig_down(&r);
}

static uint32_t fail_at, fail_n;

static void *fail_alloc(void *ctx, size_t n)
{
	(void)ctx;
	if (fail_at && ++fail_n >= fail_at)
		return NULL;
	live_bytes += n;
	return malloc(n);
}

static void failing(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->allocator.alloc = fail_alloc;
}

/* TCPR-09: the allocator fails at the n-th call and from there on, for every n of a whole session;
 * what was acknowledged is there to be read, and with memory back a new session goes well. */
static void tcpr_09_no_memory_at_any_call(void **state)
{
	(void)state;
	uint8_t data[3000] = { 0 }, got[8000];
	for (uint32_t n = 1;; n++) {
		struct rig r;
		fail_at = fail_n = 0;
		rig_up(&r, failing);
		listen80(&r, 8);
		fail_at = n;
		bool up = shake(&r, 5000, 7000, 1460);
		l4_ep e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
		uint32_t acked = 1;
		for (uint32_t i = 0; i < 3; i++) { /* the last out of order, then the gap */
			static const uint32_t at[] = { 1, 2001, 1001 };
			peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, at[i], 1, 1000);
			look(&r);
			if (up && r.out_n && (r.out.flags & L4_TCPF_ACK) &&
			    !(r.out.flags & L4_TCPF_RST))
				acked = r.out.ack - r.irs;
		}
		if (e > 0) {
			int64_t have = l4_tcp_recv(r.h, e, got, sizeof got, 0, r.now);
			assert_int_equal(have > 0 ? have : 0, acked - 1);
			(void)l4_tcp_send(r.h, e, data, sizeof data, 0, r.now);
			look(&r);
			wait_for(&r, 2 * L4_SEC);
			l4_tcp_close(r.h, e, r.now);
			wait_for(&r, 2 * L4_SEC);
		}
		bool through = fail_n < fail_at;
		fail_at = 0; /* memory is back */
		r.now += 300 * L4_SEC;
		l4_host_tick(r.h, r.now);
		look(&r);
		while ((e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now)) > 0)
			l4_tcp_abort(r.h, e, r.now);
		look(&r);
		establish_wnd(&r, 6000, 123, true);
		alive(&r, 1, 1);
		rig_down(&r);
		if (through)
			break;
		assert_true(n < 1000);
	}
}

static l4_time clock_start;

static void at_clock(struct l4_host_config *c)
{
	c->now = clock_start;
	c->tcp.timestamps = false;
}

/* TCPR-10: clocks near 2^32 ms and 2^63 ns, and a clock that steps back. */
static void tcpr_10_clocks_near_their_ends(void **state)
{
	static const l4_time at[] = { ((1ull << 32) - 10) * L4_MSEC, (1ull << 63) - L4_SEC, 0,
		((1ull << 31) - 10) * L4_MSEC };
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct rig r;
		clock_start = at[i];
		rig_up(&r, at_clock);
		r.now = at[i];
		establish(&r);
		assert_int_equal(l4_tcp_send(r.h, r.ep, "x", 1, 0, r.now), 1);
		look(&r);
		uint32_t again = 0;
		for (int k = 0; k < 300; k++) { /* retransmissions over the edge */
			r.now += 10 * L4_MSEC;
			l4_host_tick(r.h, r.now);
			look(&r);
			again += r.out_n;
		}
		if (again < 2 || again > 5)
			fail_msg("clock %d: %u", i, again);
		/* back by a minute: as if no time had passed */
		l4_time real = r.now;
		r.now = real > 60 * L4_SEC ? real - 60 * L4_SEC : 0;
		l4_host_tick(r.h, r.now);
		peer(&r, L4_TCPF_ACK, 1, 2, 0);
		look(&r);
		assert_int_equal(r.out_n, 0);
		r.now = real + L4_SEC;
		alive(&r, 1, 2);
		l4_tcp_close(r.h, r.ep, r.now);
		look(&r);
		rig_down(&r);
	}
}

/* TCPR-11: an application that writes a million single bytes is told to wait; they share memory. */
static void tcpr_11_single_bytes_share_memory(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint64_t before = live_bytes;
	uint32_t taken = 0, refused = 0;
	for (uint32_t i = 0; i < 1000000; i++) {
		int64_t n = l4_tcp_send(r.h, r.ep, "x", 1, 0, r.now);
		assert_true(n == 1 || n == L4_EAGAIN);
		taken += n == 1;
		refused += n == L4_EAGAIN;
	}
	assert_int_equal(taken, 65536);
	assert_int_equal(refused, 1000000 - 65536);
	assert_true(live_bytes - before <= 2 * 65536 + 16384);
	look(&r);
	rig_down(&r);
}

/* TCPR-12, TCPR-13: SYNs, FINs, ACKs and Christmas trees to closed ports at a million a second:
 * resets by the limit, no state, and a connection goes on through the flood. */
static void tcpr_12_13_resets_are_limited(void **state)
{
	static const uint16_t flags[] = { L4_TCPF_SYN, L4_TCPF_FIN, L4_TCPF_ACK,
		L4_TCPF_PSH | L4_TCPF_ACK, L4_TCPF_FIN | L4_TCPF_URG | L4_TCPF_PSH,
		L4_TCPF_FIN | L4_TCPF_ACK };
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint64_t before = live_bytes;
	uint32_t resets = 0, x = 1, next = 1;
	enum { N = 200000 };
	for (uint32_t i = 0; i < N; i++) {
		x = x * 1664525u + 1013904223u;
		struct l4_tcp_hdr t = { .sport = (uint16_t)(x >> 16),
			.dport = (uint16_t)(81 + i % 50000),
			.seq = x,
			.ack = x * 3,
			.flags = flags[i % 6],
			.wnd = 100 };
		r.now += L4_USEC;
		inject(&r, &t, 0);
		if (i % 16 == 0) {
			look(&r);
			resets += r.out_n;
		}
		if (i % 20000 == 19999) { /* the connection is served in between */
			uint8_t b[16];
			peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, next, 1, 10);
			assert_int_equal(l4_tcp_recv(r.h, r.ep, b, 16, 0, r.now), 10);
			next += 10;
		}
	}
	look(&r);
	assert_true(resets > 100 && resets <= 12500 + 12500);
	struct l4_tcp_counters c;
	l4_tcp_counters(r.h, &c);
	assert_true(c.out_rsts_skipped > N / 2);
	assert_true(live_bytes - before <= 200000);
	alive(&r, next, 1);
	rig_down(&r);
}

/* TCPC-06: a peer with the smallest segments that reads nothing. */
static void small_buffer(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->tcp.sndbuf_default = c->tcp.sndbuf_max = 65536;
	c->tcp.initial_window = 2000;
}

static void tcpc_06_smallest_segments(void **state)
{
	(void)state;
	struct rig r;
	static uint8_t data[65536];
	rig_up(&r, small_buffer);
	listen80(&r, 5);
	assert_true(shake(&r, 5000, 7, 48));
	uint64_t before = live_bytes, most = 0;
	r.ep = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
	while (l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now) > 0)
		look(&r);
	for (int i = 0; i < 20; i++) {
		look(&r);
		most = live_bytes - before > most ? live_bytes - before : most;
		wait_for(&r, L4_SEC);
	}
	if (most > 2 * 65536 + 8192)
		fail_msg("%u", (unsigned)most);
	rig_down(&r);
}

/* TCPC-07: 20,000 segments of one byte, every second byte of the window: what is kept is bounded,
 * and the stream is right when it is filled. */
static void tcpc_07_every_second_byte(void **state)
{
	(void)state;
	struct rig r;
	static uint8_t got[70000];
	rig_up(&r, NULL);
	establish(&r);
	uint64_t before = live_bytes, most = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		peer(&r, L4_TCPF_ACK, 2 + 2 * i, 1, 1);
		if (i % 100 == 0)
			look(&r);
		most = live_bytes - before > most ? live_bytes - before : most;
	}
	assert_true(most <= 2 * 131072 + 65536);
	for (uint32_t at = 1; at < 42001; at += 1000)
		peer(&r, L4_TCPF_ACK, at, 1, 1000);
	look(&r);
	int64_t n = l4_tcp_recv(r.h, r.ep, got, sizeof got, 0, r.now);
	assert_int_equal(n, 42000);
	for (uint32_t i = 0; i < 42000; i++)
		assert_int_equal(got[i], (uint8_t)(r.irs + 1 + i));
	alive(&r, 42001, 1);
	rig_down(&r);
}

/* TCPC-13: ECN-Echo on every ACK, and one without negotiation: the window stays at its floor and
 * data flows; without negotiation it is nothing. */
static void ecn_on(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->tcp.ecn = 1;
}

static void tcpc_13_marks_without_end(void **state)
{
	(void)state;
	for (int ecn = 0; ecn < 2; ecn++) {
		struct rig r;
		static uint8_t data[20000];
		struct l4_tcp_info in;
		rig_up(&r, ecn_on);
		listen80(&r, 5);
		r.sport = 5000;
		r.dport = 80;
		r.irs = 7;
		struct l4_tcp_hdr t = { .sport = 5000,
			.dport = 80,
			.seq = 7,
			.flags = L4_TCPF_SYN | (ecn ? L4_TCPF_ECE | L4_TCPF_CWR : 0),
			.wnd = 60000,
			.opts = { .present = L4_TCPO_MSS, .mss = 1460 } };
		inject(&r, &t, 0);
		look(&r);
		r.iss = r.out.seq;
		peer(&r, L4_TCPF_ACK, 1, 1, 0);
		r.ep = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
		uint32_t acked = 1, progress = 0;
		for (int i = 0; i < 1000; i++) {
			(void)l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now);
			look(&r);
			if (r.out_n) {
				acked = r.out.seq + r.out_len - r.iss;
				progress++;
			}
			peer(&r, L4_TCPF_ACK | L4_TCPF_ECE, 1, acked, 0);
			for (int k = 0; k < 5; k++) {
				r.now += 100 * L4_MSEC;
				l4_host_tick(r.h, r.now);
			}
		}
		l4_tcp_info(r.h, r.ep, &in, r.now);
		if (ecn)
			assert_in_range(in.snd_cwnd, 1, 2);
		else
			assert_true(in.snd_cwnd >= 10);
		assert_true(progress >= 300); /* by the timer at least */
		rig_down(&r);
	}
}

static void four_megabytes(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->limits.buffer_bytes = 4 << 20;
}

/* TCPC-14: a hundred peers fill the windows that they were offered: memory keeps its limit, no edge
 * that was offered is taken back, and nothing acknowledged is lost. */
static void tcpc_14_windows_are_covered(void **state)
{
	(void)state;
	struct rig r;
	enum { N = 100 };
	l4_ep ep[N];
	uint32_t got[N];
	static uint8_t b[300000];
	rig_up(&r, four_megabytes);
	listen80(&r, N);
	uint64_t before = live_bytes;
	for (uint16_t i = 0; i < N; i++) {
		assert_true(shake(&r, (uint16_t)(2000 + i), 77, 1460));
		ep[i] = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
		assert_true(ep[i] > 0);
		uint32_t next = 1, edge = 60000;
		got[i] = 0;
		for (int k = 0; k < 200; k++) {
			if (next + 1000 > edge)
				break;
			peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, next, 1, 1000);
			look(&r);
			if (r.out_n) {
				uint32_t ack = r.out.ack - r.irs;
				if (ack == next)
					break; /* not taken: no memory, and not acknowledged */
				next = ack;
				assert_true(ack + r.out.wnd >= edge || edge == 60000);
				edge = ack + r.out.wnd;
			} else {
				next += 1000;
			}
		}
		got[i] = next - 1;
		assert_true(live_bytes - before <= (4u << 20) + N * 8192u);
	}
	for (int i = 0; i < N; i++) {
		int64_t n = l4_tcp_recv(r.h, ep[i], b, sizeof b, 0, r.now);
		assert_true((n > 0 ? n : 0) >= (int64_t)got[i] - 1000);
	}
	look(&r);
	rig_down(&r);
}

/* TCPC-11: one ACK for 64 segments, with pacing: what leaves at one moment is a burst of a
 * millisecond's worth, not 64 segments. */
static void paced(struct l4_host_config *c)
{
	c->tcp.timestamps = false;
	c->tcp.pacing = true;
	c->tcp.sndbuf_default = c->tcp.sndbuf_max = 4 << 20;
	c->tcp.initial_window = 64;
}

static void tcpc_11_stretch_acks(void **state)
{
	(void)state;
	struct rig r;
	static uint8_t data[400000];
	rig_up(&r, paced);
	listen80(&r, 5);
	r.now += L4_SEC;
	r.sport = 5000;
	r.dport = 80;
	r.irs = 7;
	struct l4_tcp_hdr t = { .sport = 5000,
		.dport = 80,
		.seq = 7,
		.flags = L4_TCPF_SYN,
		.wnd = 60000,
		.opts = { .present = L4_TCPO_MSS | L4_TCPO_WSCALE, .mss = 1000, .wscale = 7 } };
	inject(&r, &t, 0);
	look(&r);
	r.iss = r.out.seq;
	r.now += 50 * L4_MSEC;
	peer(&r, L4_TCPF_ACK, 1, 1, 0);
	r.ep = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
	uint32_t biggest = 0, end = 1, rounds = 0;
	for (int i = 0; i < 10; i++) {
		(void)l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now);
		uint32_t in_round = 0;
		for (int k = 0; k < 500; k++) { /* 50 ms in steps of 0.1 */
			look(&r);
			biggest = r.out_n > biggest ? r.out_n : biggest;
			in_round += r.out_n;
			if (r.out_n)
				end = r.out.seq + r.out_len - r.iss;
			r.now += 100 * L4_USEC;
			l4_host_tick(r.h, r.now);
		}
		rounds += in_round >= 32;
		if (i % 2) /* every second ACK is lost */
			continue;
		peer(&r, L4_TCPF_ACK, 1, end, 0);
	}
	assert_in_range(biggest, 1, 16);
	assert_true(rounds >= 5);
	rig_down(&r);
}

/* TCPB-12: out of step with each other: what one sends is outside the other's window. Both answer,
 * each at most twice a second. */
static void tcpb_12_no_ack_storm(void **state)
{
	(void)state;
	struct rig a, b;
	rig_up(&a, NULL);
	rig_up(&b, NULL);
	establish(&a);
	establish(&b);
	uint32_t frames = 0;
	/* a's ACKs to b, as if b's peer, and back; the first is a stranger's */
	struct l4_tcp_hdr first = { .sport = b.sport,
		.dport = 80,
		.seq = b.irs + 500000,
		.ack = b.iss + 1,
		.flags = L4_TCPF_ACK,
		.wnd = 1000 };
	inject(&b, &first, 0);
	for (int i = 0; i < 10000; i++) { /* ten seconds, a round trip of a millisecond */
		look(&b);
		for (uint32_t k = 0; k < b.out_n; k++, frames++) {
			struct l4_tcp_hdr t = { .sport = a.sport,
				.dport = 80,
				.seq = a.irs + 700000,
				.ack = a.iss + 1,
				.flags = b.out.flags,
				.wnd = b.out.wnd };
			inject(&a, &t, 0);
		}
		look(&a);
		for (uint32_t k = 0; k < a.out_n; k++, frames++)
			inject(&b, &first, 0);
		a.now += L4_MSEC;
		b.now += L4_MSEC;
		l4_host_tick(a.h, a.now);
		l4_host_tick(b.h, b.now);
		if (i % 100 == 0)
			inject(&b, &first, 0);
	}
	assert_in_range(frames, 2, 2 * 2 * 10 + 4);
	alive(&a, 1, 1);
	alive(&b, 1, 1);
	l4_host_free(a.h);
	l4_host_free(b.h);
}

/* TCPB-06, TCPB-13: ids of segments tell nothing: between two looks of an observer the difference
 * is the same with and without segments to others, and DF stays on whatever routers are said to
 * say; forged messages that do not hit the flight change nothing. */
static void tcpb_06_13_ids_tell_nothing(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint32_t small[2] = { 0 };
	uint16_t last = 0;
	for (int i = 0; i < 2000; i++) {
		bool busy = i & 1;
		struct l4_tcp_hdr probe = {
			.sport = 666, .dport = 9, .seq = 1, .flags = L4_TCPF_SYN, .wnd = 9
		};
		if (busy) { /* the spoofed event: resets to another address */
			struct l4_addr them = r.them;
			r.them.b[15] = 77;
			inject(&r, &probe, 0);
			r.them = them;
			look(&r);
		}
		r.now += 10 * L4_MSEC;
		inject(&r, &probe, 0);
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_true(r.out_df);
		small[busy] += (uint16_t)(r.out_id - last) < 256;
		last = r.out_id;
	}
	/* 256 of 65536, of a thousand each: four expected */
	assert_true(small[0] <= 16 && small[1] <= 16);
	assert_int_equal(l4_tcp_send(r.h, r.ep, "0123456789", 10, 0, r.now), 10);
	look(&r);
	struct l4_tcp_info in;
	for (uint32_t guess = 0; guess < 2000; guess++) { /* of sequence numbers, none in flight */
		uint8_t b[56] = { 0 }, q[28] = { 0 };
		struct l4_ip4_hdr quote = { .total_len = 1500,
			.ttl = 64,
			.proto = L4_PROTO_TCP,
			.df = true,
			.src = r.us,
			.dst = r.them };
		assert_true(l4_ip4_emit(&quote, q, 20) > 0);
		q[20] = 0;
		q[21] = 80;
		q[22] = (uint8_t)(r.sport >> 8);
		q[23] = (uint8_t)r.sport;
		uint32_t seq = r.iss + 100 + guess * 2147001u;
		if (seq - (r.iss + 1) < 10)
			continue;
		for (int k = 0; k < 4; k++)
			q[24 + k] = (uint8_t)(seq >> (24 - 8 * k));
		struct l4_icmp_hdr h = { .type = 3, .code = 4, .rest = 600 };
		assert_true(l4_icmp_emit(&h, b + 20, 8) > 0);
		memcpy(b + 28, q, 28);
		uint16_t c = l4_icmp_csum(b + 20, 36);
		memcpy(b + 22, &c, 2);
		struct l4_ip4_hdr ip = { .total_len = 56,
			.ttl = 64,
			.proto = L4_PROTO_ICMP,
			.src = r.them,
			.dst = r.us };
		assert_true(l4_ip4_emit(&ip, b, 20) > 0);
		struct l4_piece p = { b, 56 };
		struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = 56, .time = r.now };
		l4_host_rx(r.h, r.ifx, &f, 1, r.now);
	}
	l4_tcp_info(r.h, r.ep, &in, r.now);
	assert_int_equal(in.snd_mss, 1460);
	peer(&r, L4_TCPF_ACK, 1, 11, 0);
	alive(&r, 1, 11);
	assert_true(r.out_df);
	rig_down(&r);
}

/* TCPS-21: islands that overlap with other bytes: the first received stay, against a map. */
static void tcps_21_first_bytes_stay(void **state)
{
	(void)state;
	enum { LEN = 2000 };
	for (uint32_t seed = 1; seed <= 200; seed++) {
		struct rig r;
		uint8_t map[LEN], got[LEN + 10];
		bool have[LEN] = { false };
		uint32_t x = seed * 2654435761u;
		rig_up(&r, NULL);
		establish(&r);
		for (uint32_t i = 0; i <= 40; i++) {
			x = x * 1664525u + 1013904223u;
			uint32_t at = 1 + (x >> 16) % (LEN - 1), len = 1 + (x >> 4) % 300;
			if (i == 40) /* at last the first byte, and the rest in order */
				at = 0, len = LEN;
			if (at + len > LEN)
				len = LEN - at;
			for (uint32_t done = 0; done < len;) {
				uint32_t n = len - done < 1000 ? len - done : 1000;
				uint8_t b[1500];
				struct l4_tcp_hdr t = { .sport = r.sport,
					.dport = 80,
					.seq = r.irs + 1 + at + done,
					.ack = r.iss + 1,
					.flags = L4_TCPF_ACK,
					.wnd = 60000 };
				int hl = l4_tcp_emit(&t, b + 20, 60);
				for (uint32_t k = 0; k < n; k++) {
					b[20 + hl + (int)k] = (uint8_t)(i + 1);
					if (!have[at + done + k]) {
						have[at + done + k] = true;
						map[at + done + k] = (uint8_t)(i + 1);
					}
				}
				uint16_t c = l4_wire_csum(
				    &r.them, &r.us, L4_PROTO_TCP, b + 20, (size_t)hl + n);
				memcpy(b + 36, &c, 2);
				struct l4_ip4_hdr ip = { .total_len = (uint16_t)(20 + hl + (int)n),
					.ttl = 64,
					.proto = L4_PROTO_TCP,
					.src = r.them,
					.dst = r.us };
				assert_true(l4_ip4_emit(&ip, b, 20) > 0);
				struct l4_piece p = { b, ip.total_len };
				struct l4_frame f = { .pieces = &p,
					.n_pieces = 1,
					.len = ip.total_len,
					.time = r.now };
				l4_host_rx(r.h, r.ifx, &f, 1, r.now);
				done += n;
			}
			look(&r);
		}
		assert_int_equal(l4_tcp_recv(r.h, r.ep, got, sizeof got, 0, r.now), LEN);
		assert_memory_equal(got, map, LEN);
		rig_down(&r);
	}
}

/* TCPS-22: at every event the user closes, aborts, listens again or does nothing, while a reset or
 * a SYN for the same ends comes in the same batch; old handles are errors, nothing is left. */
static void tcps_22_actions_at_every_event(void **state)
{
	(void)state;
	static const unsigned then[] = { 0, L4_TCPF_RST, L4_TCPF_SYN, L4_TCPF_ACK | L4_TCPF_FIN };
	for (int action = 0; action < 4; action++)
		for (int k = 0; k < 4; k++)
			for (int when = 0; when < 3; when++) {
				struct rig r;
				struct l4_event ev[16];
				rig_up(&r, NULL);
				establish(&r);
				l4_ep e = r.ep;
				if (when >= 1)
					peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, 1, 1, 10);
				if (when >= 2)
					peer(&r, L4_TCPF_ACK | L4_TCPF_FIN, 11, 1, 0);
				if (then[k])
					peer(&r, then[k],
					    when == 0   ? 1
					    : when == 1 ? 11
							: 12,
					    1, 0);
				size_t n = l4_host_events(r.h, ev, 16);
				for (size_t i = 0; i < n; i++) {
					if (action == 1)
						l4_tcp_close(r.h, ev[i].ep, r.now);
					else if (action == 2)
						l4_tcp_abort(r.h, ev[i].ep, r.now);
					else if (action == 3)
						(void)l4_tcp_listen(r.h, ev[i].ep, 3, r.now);
					if (action == 1 || action == 2) {
						char c;
						assert_int_equal(
						    l4_tcp_recv(r.h, ev[i].ep, &c, 1, 0, r.now),
						    L4_EBADF);
						assert_int_equal(
						    l4_tcp_close(r.h, ev[i].ep, r.now), L4_EBADF);
					}
				}
				if (then[k])
					peer(&r, then[k], 12, 1, 0);
				look(&r);
				(void)l4_tcp_close(r.h, e, r.now);
				wait_for(&r, 10 * L4_SEC);
				look(&r);
				if (action == 0 || action == 3)
					establish_wnd(&r, 6001, 9, false);
				rig_down(&r);
			}
}

/* TCPP-13: data, islands, SACKs, FINs with numbers that begin just before every edge. */
static void tcpp_13_numbers_near_wrap(void **state)
{
	static const uint32_t edge[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	(void)state;
	for (int i = 0; i < 6; i++)
		for (int k = 0; k < 6; k++) {
			struct rig r;
			static uint8_t data[30000], got[30000];
			/* a first host tells its number for this port; time makes the wanted one */
			clock_start = 1000 * L4_SEC;
			rig_up(&r, at_clock);
			establish_wnd(&r, 5000, edge[i] - 5000, true);
			uint32_t want = edge[k] - 7000;
			l4_time later = (l4_time)(want - r.iss) * 4 * L4_USEC;
			rig_down(&r);
			rig_up(&r, at_clock);
			r.now += later;
			l4_host_tick(r.h, r.now);
			establish_wnd(&r, 5000, edge[i] - 5000, true);
			assert_int_equal(r.iss, want);
			/* in: islands from the back, the gap last */
			for (uint32_t at = 9001; at > 1; at -= 1000)
				peer(&r, L4_TCPF_ACK, at, 1, 1000);
			look(&r);
			peer(&r, L4_TCPF_ACK, 1, 1, 1000);
			look(&r);
			assert_int_equal(r.out.ack, r.irs + 10001);
			assert_int_equal(l4_tcp_recv(r.h, r.ep, got, sizeof got, 0, r.now), 10000);
			for (uint32_t b = 0; b < 10000; b++)
				assert_int_equal(got[b], (uint8_t)(r.irs + 1 + b));
			/* out: ten segments, the second lost, the rest SACKed over the edge */
			assert_int_equal(l4_tcp_send(r.h, r.ep, data, 14600, 0, r.now), 14600);
			look(&r);
			assert_int_equal(r.out_bytes, 14600);
			r.now += 50 * L4_MSEC;
			struct l4_tcp_hdr a = { .sport = 5000,
				.dport = 80,
				.seq = r.irs + 10001,
				.ack = r.iss + 1461,
				.flags = L4_TCPF_ACK,
				.wnd = 60000,
				.opts = { .present = L4_TCPO_SACK, .sack_n = 1 } };
			a.opts.sack[0].start = r.iss + 1 + 2 * 1460;
			a.opts.sack[0].end = r.iss + 1 + 14600;
			inject(&r, &a, 0);
			look(&r);
			assert_int_equal(r.out_n, 1);
			assert_int_equal(r.out.seq, r.iss + 1461);
			peer(&r, L4_TCPF_ACK, 10001, 14601, 0);
			/* FIN both ways */
			assert_int_equal(l4_tcp_shutdown(r.h, r.ep, r.now), 0);
			look(&r);
			assert_int_equal(r.out.seq, r.iss + 14601);
			assert_true(r.out.flags & L4_TCPF_FIN);
			peer(&r, L4_TCPF_ACK | L4_TCPF_FIN, 10001, 14602, 0);
			look(&r);
			assert_int_equal(r.out.ack, r.irs + 10002);
			assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_TIME_WAIT);
			rig_down(&r);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcpr_02_stuck_peers_make_room),
		cmocka_unit_test(tcpr_05_keyed_hash),
		cmocka_unit_test(tcpr_06_accept_is_never_called),
		cmocka_unit_test(tcpr_08_slow_readers_make_room),
		cmocka_unit_test(tcpr_09_no_memory_at_any_call),
		cmocka_unit_test(tcpr_10_clocks_near_their_ends),
		cmocka_unit_test(tcpr_11_single_bytes_share_memory),
		cmocka_unit_test(tcpr_12_13_resets_are_limited),
		cmocka_unit_test(tcpc_06_smallest_segments),
		cmocka_unit_test(tcpc_07_every_second_byte),
		cmocka_unit_test(tcpc_11_stretch_acks),
		cmocka_unit_test(tcpc_13_marks_without_end),
		cmocka_unit_test(tcpc_14_windows_are_covered),
		cmocka_unit_test(tcpb_06_13_ids_tell_nothing),
		cmocka_unit_test(tcpb_12_no_ack_storm),
		cmocka_unit_test(tcps_21_first_bytes_stay),
		cmocka_unit_test(tcps_22_actions_at_every_event),
		cmocka_unit_test(tcpp_13_numbers_near_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
