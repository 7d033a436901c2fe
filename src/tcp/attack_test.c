/* Attackers and broken peers against a host's TCP: cases of the security table, by their ids. Each
 * test plays the peer byte by byte, sees every frame that the host sends, and ends by showing that
 * a healthy connection lives on, or that nothing is left. Virtual time. */
#include "tcp/rig_test.h"

/* TCPB-01: resets at every kind of offset; only the exact one ends the connection. */
static void tcpb_01_reset_must_be_exact(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint32_t x = 1;
	for (int i = 0; i < 200; i++) {
		x = x * 1664525u + 1013904223u;
		uint32_t off = 2 + x % 60000;
		wait_for(&r, L4_SEC);
		peer(&r, L4_TCPF_RST, off, 0, 0);
		look(&r);
		assert_int_equal(r.out_n, 1); /* a challenge, once a second */
		assert_int_equal(r.out.flags, L4_TCPF_ACK);
		assert_int_equal(r.out.ack, r.irs + 1);
	}
	for (uint32_t off = 70000; off < 0xfff00000u; off += 40000007u) {
		peer(&r, L4_TCPF_RST, off, 0, 0);
		look(&r);
		assert_int_equal(r.out_n, 0); /* outside: silence */
	}
	alive(&r, 1, 1);
	peer(&r, L4_TCPF_RST, 11, 0, 0);
	assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_CLOSED);
	assert_int_equal(l4_tcp_error(r.h, r.ep), L4_ERESET);
	rig_down(&r);
}

/* TCPB-02: data whose ACK is older than SND.UNA - MAX.SND.WND or newer than SND.NXT is not taken.
 */
static void tcpb_02_data_needs_a_plausible_ack(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	static const uint32_t bad[] = { 2, 3, 1000, 60000, 0x7fffffff, 0x80000001,
		0xffff0000u - 70000u };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t b[8];
		wait_for(&r, L4_SEC);
		peer(&r, L4_TCPF_ACK | L4_TCPF_PSH, 1, bad[i], 8);
		assert_int_equal(l4_tcp_recv(r.h, r.ep, b, 8, 0, r.now), L4_EAGAIN);
		look(&r);
		assert_int_equal(r.out_n, 1);
		assert_int_equal(r.out.ack, r.irs + 1);
	}
	alive(&r, 1, 1);
	rig_down(&r);
}

/* TCPB-03, TCPS-07: SYNs into a connection are challenged, by a limit of the connection. */
static void tcpb_03_challenges_are_limited(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint32_t sent = 0;
	for (int i = 0; i < 1000; i++) {
		peer(&r, L4_TCPF_SYN, (uint32_t)i * 53, 0, 0);
		look(&r);
		sent += r.out_n;
		r.now += L4_MSEC;
	}
	assert_in_range(sent, 2, 3); /* one in each half second */
	alive(&r, 1, 1);
	rig_down(&r);
}

static l4_ep dial(struct rig *r, uint16_t port)
{
	struct l4_endpoint to = { .addr = r->them, .port = port };
	l4_ep e = l4_tcp_new(r->h, NULL);
	assert_true(e > 0);
	assert_int_equal(l4_tcp_connect(r->h, e, &to, r->now), 0);
	look(r);
	assert_int_equal(r->out_n, 1);
	return e;
}

/* TCPB-04, TCPB-05, RND-02: initial numbers and ports of many connections cannot be guessed,
 * and ports come from the whole range. Proves: 6056-3.2a */
static void tcpb_04_isns_and_ports_spread(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	enum { N = 1024 };
	uint32_t bins[16] = { 0 }, ones[32] = { 0 }, guessed = 0, low = 0;
	uint16_t last = 0;
	uint32_t last_isn = 0;
	for (int i = 0; i < N; i++) {
		l4_ep e = dial(&r, (uint16_t)(1 + i));
		uint32_t d = r.out.seq - last_isn;
		last_isn = r.out.seq;
		if (i) {
			bins[d >> 28]++;
			for (int b = 0; b < 32; b++)
				ones[b] += d >> b & 1;
			/* ten guesses above the last port */
			guessed += (uint16_t)(r.out.sport - last - 1) < 10;
		}
		last = r.out.sport;
		assert_in_range(r.out.sport, 1024, 65535);
		low += r.out.sport < 32768;
		l4_tcp_abort(r.h, e, r.now);
	}
	/* chi-square on 16 bins, 15 degrees: below 37.7 with probability 0.999 */
	double chi = 0, want = (N - 1) / 16.0;
	for (int i = 0; i < 16; i++)
		chi += (bins[i] - want) * (bins[i] - want) / want;
	assert_true(chi < 37.7);
	for (int b = 0; b < 32; b++)
		assert_in_range(ones[b], N / 2 - 80, N / 2 + 80);
	assert_true(guessed <= N / 100);
	assert_in_range(low, N / 4, 3 * N / 4); /* the whole range is in use */
	rig_down(&r);
}

/* TCPB-10: a segment without the negotiated timestamp is dropped, a reset without it counts. */
static void with_timestamps(struct l4_host_config *c)
{
	c->tcp.timestamps = true;
}

static void tcpb_10_timestamps_are_required(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, with_timestamps);
	struct l4_endpoint any = { .port = 80 };
	r.listener = l4_tcp_new(r.h, NULL);
	l4_tcp_bind(r.h, r.listener, &any);
	l4_tcp_listen(r.h, r.listener, 5, r.now);
	struct l4_tcp_hdr t = { .sport = 5000,
		.dport = 80,
		.seq = 99,
		.flags = L4_TCPF_SYN,
		.wnd = 9000,
		.opts = { .present = L4_TCPO_TS | L4_TCPO_MSS, .mss = 1460, .ts_val = 500 } };
	inject(&r, &t, 0);
	look(&r);
	t.flags = L4_TCPF_ACK;
	t.seq = 100;
	t.ack = r.out.seq + 1;
	t.opts.present = L4_TCPO_TS;
	t.opts.ts_ecr = r.out.opts.ts_val;
	inject(&r, &t, 0);
	r.ep = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
	assert_true(r.ep > 0);
	uint8_t b[20];
	t.opts.present = 0;
	inject(&r, &t, 10);
	assert_int_equal(l4_tcp_recv(r.h, r.ep, b, 20, 0, r.now), L4_EAGAIN);
	/* TCPB-08: a timestamp of the far future with a wrong sequence number changes nothing */
	t.opts.present = L4_TCPO_TS;
	t.opts.ts_val = 500 + 0x40000000;
	t.seq = 100 + 30000000;
	inject(&r, &t, 10);
	t.seq = 100;
	t.opts.ts_val = 501;
	inject(&r, &t, 10);
	assert_int_equal(l4_tcp_recv(r.h, r.ep, b, 20, 0, r.now), 10);
	t.opts.present = 0;
	t.seq = 110;
	t.flags = L4_TCPF_RST;
	inject(&r, &t, 0);
	assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_CLOSED);
	rig_down(&r);
}

/* TCPB-14: acknowledgments of cookies that were never given make nothing. */
static void tcpb_14_guessed_cookies_make_nothing(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint32_t x = 9;
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525u + 1013904223u;
		struct l4_tcp_hdr t = { .sport = (uint16_t)(x >> 16),
			.dport = 80,
			.seq = x,
			.ack = x * 7,
			.flags = L4_TCPF_ACK,
			.wnd = 1000 };
		if (t.sport == r.sport)
			continue;
		inject(&r, &t, 0);
		if (i % 64 == 0)
			look(&r);
	}
	look(&r);
	assert_int_equal(l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now), L4_EAGAIN);
	alive(&r, 1, 1);
	rig_down(&r);
}

/* What is in flight after 200 KB were offered and acknowledged in steps. */
static uint32_t cwnd_after(uint32_t step, uint32_t total)
{
	struct rig r;
	static uint8_t data[60000];
	struct l4_tcp_info in;
	rig_up(&r, NULL);
	establish(&r);
	uint32_t acked = 0;
	while (acked < total) {
		l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now);
		look(&r);
		r.now += L4_MSEC;
		l4_tcp_info(r.h, r.ep, &in, r.now);
		uint32_t flight = (uint32_t)(in.unacked * 1460u);
		for (uint32_t a = step; a <= flight && acked + step <= total; a += step) {
			acked += step;
			peer(&r, L4_TCPF_ACK, 1, 1 + acked, 0);
		}
		if (flight < step)
			break;
	}
	l4_tcp_info(r.h, r.ep, &in, r.now);
	rig_down(&r);
	return in.snd_cwnd;
}

/* TCPC-01: dividing ACKs gains nothing. */
static void tcpc_01_ack_division_gains_nothing(void **state)
{
	(void)state;
	uint32_t honest = cwnd_after(1460, 14600 * 2), divided = cwnd_after(20, 14600 * 2);
	assert_true(divided <= honest + 1);
}

/* TCPC-02: a thousand duplicates without SACK information send one retransmission at most, and
 * never more than stands in flight. */
static void tcpc_02_duplicate_acks_are_bounded(void **state)
{
	(void)state;
	for (int sack = 0; sack < 2; sack++) {
		struct rig r;
		static uint8_t data[60000];
		rig_up(&r, NULL);
		establish_wnd(&r, 5000, 1, sack);
		l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now);
		look(&r);
		uint64_t first = r.out_bytes;
		r.now += 10 * L4_MSEC;
		for (int i = 0; i < 1000; i++) {
			peer(&r, L4_TCPF_ACK, 1, 1, 0);
			look(&r);
		}
		/* limited transmit, one retransmission, and inflation by no more than was in flight
		 */
		assert_true(r.out_bytes <= 2 * first + 3 * 1460);
		struct l4_tcp_info in;
		l4_tcp_info(r.h, r.ep, &in, r.now);
		assert_true(in.total_retrans <= 1);
		rig_down(&r);
	}
}

/* TCPC-03: an ACK of what was not sent is not taken. */
static void tcpc_03_optimistic_ack_is_refused(void **state)
{
	(void)state;
	struct rig r;
	static uint8_t data[1000];
	struct l4_tcp_info in;
	rig_up(&r, NULL);
	establish(&r);
	l4_tcp_send(r.h, r.ep, data, sizeof data, 0, r.now);
	look(&r);
	for (uint32_t a = 1002; a < 1100; a++)
		peer(&r, L4_TCPF_ACK, 1, a, 0);
	l4_tcp_info(r.h, r.ep, &in, r.now);
	assert_int_equal(in.bytes_acked, 0);
	assert_int_equal(in.unacked, 1);
	peer(&r, L4_TCPF_ACK, 1, 1001, 0);
	alive(&r, 1, 1001);
	rig_down(&r);
}

static void big_window(struct l4_host_config *c)
{
	c->tcp.sndbuf_default = c->tcp.sndbuf_max = 8 << 20;
	c->tcp.initial_window = 8000;
	c->limits.buffer_bytes = 64 << 20;
}

/* TCPC-05, TCPC-04: SACKs of every second segment, from the back, thousands in flight: the state
 * stays consistent (rig's look walks every invariant) and the blocks are counted once. */
static void tcpc_05_hostile_sacks_stay_consistent(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, big_window);
	struct l4_endpoint any = { .port = 80 };
	r.listener = l4_tcp_new(r.h, NULL);
	l4_tcp_bind(r.h, r.listener, &any);
	l4_tcp_listen(r.h, r.listener, 5, r.now);
	r.sport = 5000;
	r.dport = 80;
	r.irs = 77;
	struct l4_tcp_hdr t = { .sport = 5000,
		.dport = 80,
		.seq = 77,
		.flags = L4_TCPF_SYN,
		.wnd = 65535,
		.opts = { .present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE,
		    .mss = 200,
		    .wscale = 10 } };
	inject(&r, &t, 0);
	look(&r);
	r.iss = r.out.seq;
	peer(&r, L4_TCPF_ACK, 1, 1, 0);
	r.ep = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
	enum { SEGS = 4000 };
	uint8_t *data = calloc(1, SEGS * 200);
	assert_int_equal(l4_tcp_send(r.h, r.ep, data, SEGS * 200, 0, r.now), SEGS * 200);
	free(data);
	look(&r);
	r.now += 50 * L4_MSEC;
	struct l4_tcp_hdr a = { .sport = 5000,
		.dport = 80,
		.seq = r.irs + 1,
		.ack = r.iss + 1,
		.flags = L4_TCPF_ACK,
		.wnd = 60000,
		.opts = { .present = L4_TCPO_SACK, .sack_n = 3 } };
	for (int i = SEGS - 2; i > 6; i -= 6) {
		for (int b = 0; b < 3; b++) {
			a.opts.sack[b].start = r.iss + 1 + (uint32_t)(i - 2 * b) * 200;
			a.opts.sack[b].end = a.opts.sack[b].start + 200;
		}
		inject(&r, &a, 0);
		if (i % 300 < 6)
			look(&r);
	}
	struct l4_tcp_info in;
	l4_tcp_info(r.h, r.ep, &in, r.now);
	assert_in_range(in.sacked, (SEGS - 12) / 2 - 3, SEGS / 2);
	rig_down(&r);
}

/* TCPC-15: D-SACKs of data that was never sent twice undo nothing and widen nothing without bound.
 */
static void tcpc_15_false_dsacks_gain_nothing(void **state)
{
	(void)state;
	struct rig r;
	static uint8_t data[20000];
	struct l4_tcp_info in;
	rig_up(&r, NULL);
	establish(&r);
	l4_tcp_send(r.h, r.ep, data, 10000, 0, r.now);
	look(&r);
	r.now += 20 * L4_MSEC;
	peer(&r, L4_TCPF_ACK, 1, 10001, 0);
	l4_tcp_info(r.h, r.ep, &in, r.now);
	uint32_t before = in.snd_cwnd;
	for (int i = 0; i < 1000; i++) {
		struct l4_tcp_hdr a = { .sport = r.sport,
			.dport = 80,
			.seq = r.irs + 1,
			.ack = r.iss + 10001,
			.flags = L4_TCPF_ACK,
			.wnd = 60000,
			.opts = { .present = L4_TCPO_SACK, .sack_n = 1 } };
		a.opts.sack[0].start = r.iss + 1;
		a.opts.sack[0].end = r.iss + 1461;
		inject(&r, &a, 0);
	}
	l4_tcp_info(r.h, r.ep, &in, r.now);
	assert_true(in.snd_cwnd <= before);
	assert_int_equal(in.spurious_undone, 0);
	assert_true(in.rack_reo_wnd_us <= in.rtt);
	alive(&r, 1, 10001);
	rig_down(&r);
}

/* TCPS-10: any urgent pointer on ten bytes leaves the stream as it was. */
static void tcps_10_urgent_never_moves_the_stream(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	l4_tcp_set(r.h, r.ep, L4_TCPOPT_OOBINLINE, 1, r.now);
	uint32_t next = 1;
	uint8_t b[32];
	for (uint32_t up = 0; up <= 65535; up += up < 40 ? 1 : 97) {
		struct l4_tcp_hdr t = { .sport = r.sport,
			.dport = 80,
			.seq = r.irs + next,
			.ack = r.iss + 1,
			.flags = L4_TCPF_ACK | L4_TCPF_URG,
			.wnd = 60000,
			.urg = (uint16_t)up };
		inject(&r, &t, 10);
		uint32_t n = 0;
		for (int reads = 0; n < 10; reads++) { /* in two, where the mark is among them */
			assert_true(reads < 2);
			int64_t k = l4_tcp_recv(r.h, r.ep, b + n, sizeof b - n, 0, r.now);
			assert_true(k > 0);
			n += (uint32_t)k;
		}
		assert_int_equal(n, 10);
		for (uint32_t i = 0; i < 10; i++)
			assert_int_equal(b[i], (uint8_t)(r.irs + next + i));
		next += 10;
		look(&r);
	}
	alive(&r, next, 1);
	rig_down(&r);
}

/* TCPS-11: data 1, data 2 and FIN in every order, each twice. */
static void tcps_11_fin_waits_for_its_place(void **state)
{
	(void)state;
	static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	for (int o = 0; o < 6; o++) {
		struct rig r;
		uint8_t b[64];
		rig_up(&r, NULL);
		establish(&r);
		for (int i = 0; i < 6; i++) {
			int k = order[o][i / 2];
			if (k == 2)
				peer(&r, L4_TCPF_ACK | L4_TCPF_FIN, 21, 1, 0);
			else
				peer(&r, L4_TCPF_ACK, 1 + 10 * (uint32_t)k, 1, 10);
			look(&r);
		}
		peer(&r, L4_TCPF_ACK, 22, 1, 10); /* beyond the end: nothing */
		assert_int_equal(l4_tcp_recv(r.h, r.ep, b, sizeof b, 0, r.now), 20);
		for (uint32_t i = 0; i < 20; i++)
			assert_int_equal(b[i], (uint8_t)(r.irs + 1 + i));
		assert_int_equal(l4_tcp_recv(r.h, r.ep, b, sizeof b, 0, r.now), 0);
		assert_int_equal(l4_tcp_state(r.h, r.ep), L4_TCP_CLOSE_WAIT);
		rig_down(&r);
	}
}

/* TCPS-14: every set of flags to a closed port: one answer at most, none to a reset. */
static void tcps_14_closed_port_answers_once(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	for (unsigned f = 0; f < 64; f++) {
		struct l4_tcp_hdr t = { .sport = 5000,
			.dport = 9,
			.seq = 1000,
			.ack = 2000,
			.flags = (uint16_t)f,
			.wnd = 100 };
		inject(&r, &t, 3);
		look(&r);
		bool nonsense = !(f & (L4_TCPF_SYN | L4_TCPF_ACK | L4_TCPF_RST | L4_TCPF_FIN)) ||
				((f & L4_TCPF_SYN) && (f & (L4_TCPF_RST | L4_TCPF_FIN)));
		if ((f & L4_TCPF_RST) || nonsense) {
			assert_int_equal(r.out_n, 0);
			continue;
		}
		assert_int_equal(r.out_n, 1);
		assert_true(r.out.flags & L4_TCPF_RST);
		if (f & L4_TCPF_ACK) {
			assert_int_equal(r.out.seq, 2000);
			assert_false(r.out.flags & L4_TCPF_ACK);
		} else {
			assert_int_equal(r.out.seq, 0);
			assert_int_equal(
			    r.out.ack, 1000u + 3 + !!(f & L4_TCPF_SYN) + !!(f & L4_TCPF_FIN));
		}
	}
	rig_down(&r);
}

/* TCPS-19: the peer vanishes with data in flight: an error after R2 of at least 100 s, nothing
 * left. */
static void tcps_19_a_vanished_peer_ends_in_an_error(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	assert_int_equal(l4_tcp_send(r.h, r.ep, "x", 1, 0, r.now), 1);
	look(&r);
	l4_time start = r.now;
	while (l4_tcp_state(r.h, r.ep) != L4_TCP_CLOSED && r.now - start < 3600 * L4_SEC)
		wait_for(&r, L4_SEC);
	assert_true(r.now - start >= 100 * L4_SEC);
	assert_int_equal(l4_tcp_error(r.h, r.ep), L4_ETIMEDOUT);
	rig_down(&r);
}

static void small_limits(struct l4_host_config *c)
{
	c->limits.half_open = 128;
	c->limits.connections = 64;
	c->limits.time_wait = 50;
}

/* TCPR-01: a flood of SYNs costs bounded memory, and an honest client gets in. */
static void tcpr_01_syn_flood(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, small_limits);
	establish(&r);
	l4_tcp_close(r.h, r.ep, r.now);
	uint64_t most = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		struct l4_tcp_hdr t = { .sport = (uint16_t)(10000 + i % 50000),
			.dport = 80,
			.seq = i * 977,
			.flags = L4_TCPF_SYN,
			.wnd = 1000,
			.opts = { .present = L4_TCPO_MSS, .mss = 1460 } };
		inject(&r, &t, 0);
		if (i % 32 == 0)
			look(&r);
		if (i == 1000)
			most = live_bytes;
		if (i > 1000)
			assert_true(live_bytes <= most + 65536);
	}
	look(&r);
	establish_wnd(&r, 7777, 31337, false);
	alive(&r, 1, 1);
	rig_down(&r);
}

/* TCPR-04: connections up to the limit, then more: refused, memory as before, all usable again. */
static void tcpr_04_connection_limit_holds(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, small_limits);
	struct l4_endpoint any = { .port = 80 };
	r.listener = l4_tcp_new(r.h, NULL);
	l4_tcp_bind(r.h, r.listener, &any);
	l4_tcp_listen(r.h, r.listener, 1000, r.now);
	for (int round = 0; round < 2; round++) {
		l4_ep got[200];
		int n = 0;
		for (int i = 0; i < 164; i++) {
			struct l4_tcp_hdr t = { .sport = (uint16_t)(2000 + i + round * 500),
				.dport = 80,
				.seq = 5,
				.flags = L4_TCPF_SYN,
				.wnd = 1000 };
			inject(&r, &t, 0);
			look(&r);
			if (!r.out_n)
				continue;
			t.seq = 6;
			t.ack = r.out.seq + 1;
			t.flags = L4_TCPF_ACK;
			inject(&r, &t, 0);
			look(&r);
			l4_ep e = l4_tcp_accept(r.h, r.listener, NULL, NULL, r.now);
			if (e > 0)
				got[n++] = e;
		}
		assert_int_equal(n, 63); /* the listener is one of the 64 */
		for (int i = 0; i < n; i++)
			assert_int_equal(l4_tcp_abort(r.h, got[i], r.now), 0);
		look(&r);
		wait_for(&r, 300 * L4_SEC); /* half-open records of the refused are gone */
	}
	rig_down(&r);
}

/* TCPR-03: a peer that acknowledges our FIN and never sends its own: an orphan ends by its timer.
 */
static void tcpr_03_orphan_in_fin_wait_2_ends(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, NULL);
	establish(&r);
	uint64_t before = live_bytes;
	l4_tcp_close(r.h, r.ep, r.now);
	look(&r);
	peer(&r, L4_TCPF_ACK, 1, 2, 0);
	wait_for(&r, 61 * L4_SEC);
	wait_for(&r, 61 * L4_SEC);
	assert_true(live_bytes < before);
	rig_down(&r);
}

/* TCPR-07: many connections closed by us: TIME-WAIT records are capped, the oldest goes. */
static void tcpr_07_time_wait_is_capped(void **state)
{
	(void)state;
	struct rig r;
	rig_up(&r, small_limits);
	for (int i = 0; i < 300; i++) {
		establish_wnd(&r, (uint16_t)(3000 + i), 1000, false);
		l4_tcp_close(r.h, r.ep, r.now);
		look(&r);
		peer(&r, L4_TCPF_ACK | L4_TCPF_FIN, 1, 2, 0);
		look(&r);
	}
	struct l4_tcp_counters c;
	l4_tcp_counters(r.h, &c);
	assert_int_equal(c.time_wait, 300);
	assert_int_equal(c.time_wait_overflow, 250);
	establish_wnd(&r, 9999, 1000, false);
	alive(&r, 1, 1);
	rig_down(&r);
}

/* RND-01: without a seed a host does not start; two seeds share nothing. */
static void rnd_01_no_entropy_no_start(void **state)
{
	(void)state;
	struct l4_host *h = NULL;
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.has_seed = false;
	assert_int_equal(l4_host_new(&h, &c), L4_EENTROPY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcpb_01_reset_must_be_exact),
		cmocka_unit_test(tcpb_02_data_needs_a_plausible_ack),
		cmocka_unit_test(tcpb_03_challenges_are_limited),
		cmocka_unit_test(tcpb_04_isns_and_ports_spread),
		cmocka_unit_test(tcpb_10_timestamps_are_required),
		cmocka_unit_test(tcpb_14_guessed_cookies_make_nothing),
		cmocka_unit_test(tcpc_01_ack_division_gains_nothing),
		cmocka_unit_test(tcpc_02_duplicate_acks_are_bounded),
		cmocka_unit_test(tcpc_03_optimistic_ack_is_refused),
		cmocka_unit_test(tcpc_05_hostile_sacks_stay_consistent),
		cmocka_unit_test(tcpc_15_false_dsacks_gain_nothing),
		cmocka_unit_test(tcps_10_urgent_never_moves_the_stream),
		cmocka_unit_test(tcps_11_fin_waits_for_its_place),
		cmocka_unit_test(tcps_14_closed_port_answers_once),
		cmocka_unit_test(tcps_19_a_vanished_peer_ends_in_an_error),
		cmocka_unit_test(tcpr_01_syn_flood),
		cmocka_unit_test(tcpr_03_orphan_in_fin_wait_2_ends),
		cmocka_unit_test(tcpr_04_connection_limit_holds),
		cmocka_unit_test(tcpr_07_time_wait_is_capped),
		cmocka_unit_test(rnd_01_no_entropy_no_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
