/* Congestion control by itself: CUBIC's curve, HyStart++'s rounds, RACK's reordering window, on a
 * connection that is nothing but its numbers, in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "tcp/cc.h"

struct bench {
	struct l4_tcp_stack ts;
	struct l4_tcp c;
	l4_time now;
};

static void start(struct bench *b, const char *cc, uint32_t cwnd, uint32_t ssthresh)
{
	memset(b, 0, sizeof *b);
	l4_tcp_config_init(&b->ts.cfg);
	b->c.ts = &b->ts;
	b->c.cc = l4_cc_find(cc);
	b->c.snd_mss = 1000;
	b->c.ssthresh = UINT32_MAX;
	b->c.sb.thead = b->c.sb.ttail = L4_SLOT_NONE;
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		b->c.timer[t] = L4_TIME_NEVER;
	b->now = 1000 * L4_SEC;
	b->c.cc->init(&b->c, b->now);
	b->c.cwnd = cwnd;
	b->c.ssthresh = ssthresh;
	b->c.cwnd_limited = true;
}

static void ack(struct bench *b, uint32_t n)
{
	struct l4_ack a = { .now = b->now, .acked = n, .delivered = n };
	b->c.snd_una += n * 1000;
	b->c.cc->on_ack(&b->c, &a);
}

/* A round trip: an ACK for each segment of the window. */
static void round_trip(struct bench *b, l4_time rtt)
{
	uint32_t n = b->c.cwnd;
	b->c.srtt = rtt;
	for (uint32_t i = 0; i < n; i++) {
		ack(b, 1);
		b->now += rtt / n;
	}
}

/* The window after a loss at w, as CUBIC sets it. */
static void after_loss(struct bench *b, uint32_t w)
{
	start(b, "cubic", w, UINT32_MAX);
	b->c.ssthresh = b->c.cc->ssthresh(&b->c);
	b->c.cwnd = b->c.ssthresh;
	assert_int_equal(b->c.cwnd, (uint32_t)(w * 0.7));
}

static double curve(double t, double w_max, double k)
{
	return 0.4 * (t - k) * (t - k) * (t - k) + w_max;
}

/* The window follows W(t) = 0.4 (t - K)^3 + W_max, concave before K and convex after it, between
 * W(t) and W(t + RTT), which is the target.
 * Proves: 9438-4.2a 9438-4.4 9438-4.5 9438-5.1 */
static void cubic_follows_its_curve(void **state)
{
	(void)state;
	struct bench b;
	const l4_time rtt = 200 * L4_MSEC;
	after_loss(&b, 100);
	double k = cbrt((100 - 70) / 0.4);
	l4_time begin = b.now;
	for (int i = 0; i < 60; i++) {
		round_trip(&b, rtt);
		double t = (double)(b.now - begin) / 1e9;
		double low = curve(t - 0.2, 100, k) - 1.5, high = curve(t + 0.2, 100, k) + 1.5;
		if (b.c.cwnd < low || b.c.cwnd > high)
			fail_msg("t %.1f: %u, not %.1f to %.1f", t, b.c.cwnd, low, high);
		if (t > k - 0.2 && t < k + 0.2)
			assert_in_range(b.c.cwnd, 98, 101); /* the plateau */
	}
	assert_true(b.c.cwnd > 250); /* far beyond it: convex */
}

/* The target is at most 1.5 cwnd, however far the curve is ahead, and never below cwnd.
 * Proves: 9438-4.2b */
static void cubic_target_is_clamped(void **state)
{
	(void)state;
	struct bench b;
	after_loss(&b, 100);
	ack(&b, 1);
	b.c.srtt = 100 * L4_MSEC;
	b.c.ccs.cubic.epoch_start -= 30 * L4_SEC; /* the curve is at thousands */
	uint32_t before = b.c.cwnd;
	for (uint32_t i = 0; i < before; i++)
		ack(&b, 1);
	assert_in_range(b.c.cwnd, before + before / 3, before + before / 2 + 1);
	b.c.ccs.cubic.k = 1000; /* the curve is far below */
	before = b.c.cwnd;
	for (int i = 0; i < 1000; i++) {
		ack(&b, 1);
		assert_true(b.c.cwnd >= before);
	}
}

/* Time in which the window was not used, idle or with too little to send, is not on the curve.
 * Proves: 9438-4.2c */
static void cubic_leaves_out_unused_time(void **state)
{
	(void)state;
	const l4_time rtt = 200 * L4_MSEC;
	uint32_t end[3];
	for (int how = 0; how < 3; how++) {
		struct bench b;
		after_loss(&b, 100);
		for (int i = 0; i < 10; i++)
			round_trip(&b, rtt);
		if (how == 1) { /* idle */
			b.c.last_data_out = b.now;
			b.now += 60 * L4_SEC;
			b.c.cc->on_restart(&b.c, b.now);
		} else if (how == 2) { /* a segment now and then */
			b.c.cwnd_limited = false;
			uint32_t before = b.c.cwnd;
			for (int i = 0; i < 60; i++) {
				b.now += L4_SEC;
				ack(&b, 1);
			}
			assert_int_equal(b.c.cwnd, before);
			b.c.cwnd_limited = true;
		}
		for (int i = 0; i < 3; i++)
			round_trip(&b, rtt);
		end[how] = b.c.cwnd;
	}
	assert_in_range(end[1], end[0] - 1, end[0] + 1);
	assert_in_range(end[2], end[0] - 1, end[0] + 1);
}

/* Where Reno would be faster the window is Reno's: 3 (1 - 0.7) / (1 + 0.7) = 0.53 segments a round
 * trip, and one when it has regained what it was before the loss.
 * Proves: 9438-4.3a 9438-4.3b */
static void cubic_is_never_slower_than_reno(void **state)
{
	(void)state;
	struct bench b;
	const l4_time rtt = 10 * L4_MSEC;
	after_loss(&b, 100);
	double want = 70;
	for (int i = 1; i <= 110; i++) {
		round_trip(&b, rtt);
		want += want < 100 ? 0.9 / 1.7 : 1.0;
		if (fabs(b.c.cwnd - want) > 2.5)
			fail_msg("round %d: %u, not %.1f", i, b.c.cwnd, want);
	}
}

/* Without data enough to fill it the window does not grow, in congestion avoidance of each kind.
 * Proves: 9438-4.6c */
static void unused_windows_do_not_grow(void **state)
{
	static const char *const name[] = { "cubic", "reno" };
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct bench b;
		start(&b, name[i], 50, 40);
		b.c.cwnd_limited = false;
		b.c.max_in_flight = 49;
		b.c.srtt = 100 * L4_MSEC;
		for (int k = 0; k < 5000; k++) {
			b.now += 2 * L4_MSEC;
			ack(&b, 1);
		}
		assert_int_equal(b.c.cwnd, 50);
	}
}

/* A loss below the last maximum makes room: W_max is cwnd (1 + 0.7) / 2.
 * Proves: 9438-4.7a */
static void cubic_fast_convergence(void **state)
{
	(void)state;
	struct bench b;
	start(&b, "cubic", 100, UINT32_MAX);
	(void)b.c.cc->ssthresh(&b.c);
	assert_true(fabs(b.c.ccs.cubic.w_max - 100) < 1e-9);
	b.c.cwnd = 80;
	assert_int_equal(b.c.cc->ssthresh(&b.c), 56);
	assert_true(fabs(b.c.ccs.cubic.w_max - 68) < 1e-9);
	b.c.cwnd = 120;
	(void)b.c.cc->ssthresh(&b.c);
	assert_true(fabs(b.c.ccs.cubic.w_max - 120) < 1e-9);
}

/* ---- HyStart++ ------------------------------------------------------------------------------ */

/* A round with that many samples of that round trip; returns what a growth of n each came to. */
static uint32_t hy_round(struct bench *b, uint32_t samples, l4_time rtt, uint32_t n)
{
	uint32_t grown = 0;
	b->c.snd_nxt = b->c.snd_una + 100000;
	for (uint32_t i = 0; i < samples; i++) {
		struct l4_ack a = { .now = b->now, .acked = n, .delivered = n, .rtt_newest = rtt };
		b->c.snd_una += 1000;
		grown += l4_hystart_on_ack(&b->c, &a, n);
	}
	b->c.snd_una = b->c.snd_nxt;
	return grown;
}

/* A round of eight samples whose least is above the last round's by an eighth of it, at least 4 and
 * at most 16 ms, leads into conservative slow start.
 * Proves: 9406-4.2a 9438-4.10b */
static void hystart_enters_css(void **state)
{
	static const struct {
		unsigned last_ms, cur_ms, samples;
		bool css;
	} row[] = {
		{ 20, 23, 10, false },
		{ 20, 24, 10, true },
		{ 20, 24, 7, false },
		{ 20, 24, 8, true },
		{ 80, 89, 10, false },
		{ 80, 90, 10, true },
		{ 400, 415, 10, false },
		{ 400, 416, 10, true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct bench b;
		start(&b, "cubic", 10, UINT32_MAX);
		(void)hy_round(&b, 10, row[i].last_ms * L4_MSEC, 1);
		(void)hy_round(&b, row[i].samples, row[i].cur_ms * L4_MSEC, 1);
		if (b.c.hystart.in_css != row[i].css)
			fail_msg("row %zu", i);
	}
	/* and it is CUBIC's and Reno's slow start that asks */
	for (int k = 0; k < 2; k++) {
		struct bench b;
		start(&b, k ? "reno" : "cubic", 10, UINT32_MAX);
		for (int round = 0; round < 2; round++) {
			b.c.snd_nxt = b.c.snd_una + 100000;
			for (int i = 0; i < 12; i++) {
				struct l4_ack a = { .now = b.now,
					.acked = 1,
					.delivered = 1,
					.rtt_newest = (round ? 50u : 20u) * L4_MSEC };
				b.c.snd_una += 1000;
				b.c.cc->on_ack(&b.c, &a);
			}
			b.c.snd_una = b.c.snd_nxt;
		}
		assert_true(b.c.hystart.in_css);
	}
}

/* It grows a quarter as fast for five rounds, then slow start is over; a round trip below its
 * baseline lets slow start go on.
 * Proves: 9406-4.2b 9406-4.3b */
static void hystart_css_rounds(void **state)
{
	(void)state;
	struct bench b;
	start(&b, "cubic", 40, UINT32_MAX);
	(void)hy_round(&b, 10, 20 * L4_MSEC, 1);
	(void)hy_round(&b, 10, 50 * L4_MSEC, 1);
	assert_true(b.c.hystart.in_css);
	for (int i = 0; i < 4; i++) { /* the round in which it began is the first */
		assert_true(b.c.ssthresh == UINT32_MAX);
		uint32_t grown = hy_round(&b, 40, 50 * L4_MSEC, 2);
		assert_in_range(grown, 19, 22); /* 80 acknowledged, a quarter of it */
	}
	(void)hy_round(&b, 1, 50 * L4_MSEC, 1);
	assert_int_equal(b.c.ssthresh, 40);

	start(&b, "cubic", 40, UINT32_MAX);
	(void)hy_round(&b, 10, 20 * L4_MSEC, 1);
	(void)hy_round(&b, 10, 50 * L4_MSEC, 1);
	assert_true(b.c.hystart.in_css);
	(void)hy_round(&b, 10, 30 * L4_MSEC, 1);
	assert_false(b.c.hystart.in_css);
	assert_int_equal(hy_round(&b, 5, 30 * L4_MSEC, 4), 20);
	assert_true(b.c.ssthresh == UINT32_MAX);
}

/* Only the first slow start of a connection: after a loss growth is not slowed.
 * Proves: 9406-4.3a */
static void hystart_is_for_the_first_slow_start(void **state)
{
	(void)state;
	struct bench b;
	start(&b, "cubic", 10, 100);
	(void)hy_round(&b, 10, 20 * L4_MSEC, 1);
	assert_int_equal(hy_round(&b, 20, 200 * L4_MSEC, 3), 60);
	assert_false(b.c.hystart.in_css);
	assert_int_equal(b.c.ssthresh, 100);
}

/* TCPC-12: a million ACKs near the largest window overflow nothing. */
static void tcpc_12_windows_have_an_end(void **state)
{
	static const char *const name[] = { "cubic", "reno" };
	(void)state;
	for (int i = 0; i < 2; i++)
		for (int phase = 0; phase < 2; phase++) {
			struct bench b;
			start(&b, name[i], L4_CWND_MAX - 1000, phase ? 1000 : UINT32_MAX);
			b.ts.cfg.hystart = false;
			b.c.srtt = 100 * L4_MSEC;
			uint32_t last = b.c.cwnd;
			for (int k = 0; k < 1000000; k++) {
				b.now += 10 * L4_USEC;
				ack(&b, 1 + (uint32_t)k % 1000);
				assert_true(b.c.cwnd >= last && b.c.cwnd <= L4_CWND_MAX);
				last = b.c.cwnd;
			}
		}
}

/* ---- RACK ----------------------------------------------------------------------------------- */

static l4_time window_of(struct bench *b)
{
	struct l4_ack a = { .now = b->now };
	l4_rack_detect(&b->c, &a, b->now);
	return b->c.rack.reo_wnd;
}

/* A quarter of the least round trip, one quarter more for each round trip with a D-SACK, at most
 * the smoothed round trip.
 * Proves: 8985-3.3.2b 8985-3.3.2c 8985-6.2-4 */
static void rack_window_grows_by_dsacks(void **state)
{
	(void)state;
	struct bench b;
	start(&b, "cubic", 10, UINT32_MAX);
	b.c.rack.reo_wnd_mult = 1;
	b.c.rack.reordering_seen = b.c.rack.advanced = true;
	b.c.min_rtt = 40 * L4_MSEC;
	b.c.srtt = 95 * L4_MSEC;
	b.c.snd_una = 1000;
	b.c.snd_nxt = 5000;
	assert_int_equal(window_of(&b), 10 * L4_MSEC);
	for (unsigned i = 2; i < 20; i++) {
		struct l4_ack a = { .now = b.now, .dsack = true };
		l4_rack_on_ack(&b.c, &a);
		l4_rack_on_ack(&b.c, &a); /* the same round trip */
		l4_time want = i * 10 * L4_MSEC;
		assert_int_equal(window_of(&b), want < b.c.srtt ? want : b.c.srtt);
		b.c.snd_una = b.c.snd_nxt;
		b.c.snd_nxt += 4000;
	}
	assert_int_equal(b.c.rack.reo_wnd_persist, 16);
}

/* What an ACK says of a segment that was sent twice counts only if it can be the second's: not
 * sooner than the least round trip, and not with an older timestamp where the ACK is cumulative: a
 * SACK always echoes that of the last segment in order.
 * Proves: 8985-6.2-2 */
static void rack_distrusts_early_acks(void **state)
{
	static const struct {
		bool again;
		unsigned after_ms;
		int echo; /* -1: of before the retransmission, 0: none, 1: of it */
		bool counts, sack;
	} row[] = {
		{ false, 5, 0, true, false },
		{ true, 5, 0, false, false },
		{ true, 5, 1, false, false },
		{ true, 30, 0, true, false },
		{ true, 30, 1, true, false },
		{ true, 30, -1, false, false },
		{ true, 30, -1, true, true },
		{ true, 5, -1, false, true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct bench b;
		start(&b, "cubic", 10, UINT32_MAX);
		b.c.min_rtt = 20 * L4_MSEC;
		b.c.ts_ok = row[i].echo != 0;
		b.c.ts_offset = 77;
		struct l4_txseg t = { .seq = 1000,
			.len = 1000,
			.xmit_time = b.now,
			.flags = row[i].again ? L4_TX_EVER_RETX : 0 };
		struct l4_seg s = { .h.opts.present = row[i].echo ? L4_TCPO_TS : 0 };
		s.h.opts.ts_ecr = l4_tcp_ts_now(&b.ts, b.now) + 77 - (row[i].echo < 0 ? 50u : 0u);
		s.h.ack = row[i].sack ? 1000 : 2000;
		struct l4_ack a = { .seg = &s, .now = b.now + row[i].after_ms * L4_MSEC };
		l4_rack_on_delivered(&b.c, &t, &a);
		if (b.c.rack.advanced != row[i].counts)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cubic_follows_its_curve),
		cmocka_unit_test(cubic_target_is_clamped),
		cmocka_unit_test(cubic_leaves_out_unused_time),
		cmocka_unit_test(cubic_is_never_slower_than_reno),
		cmocka_unit_test(unused_windows_do_not_grow),
		cmocka_unit_test(cubic_fast_convergence),
		cmocka_unit_test(hystart_enters_css),
		cmocka_unit_test(hystart_css_rounds),
		cmocka_unit_test(hystart_is_for_the_first_slow_start),
		cmocka_unit_test(tcpc_12_windows_have_an_end),
		cmocka_unit_test(rack_window_grows_by_dsacks),
		cmocka_unit_test(rack_distrusts_early_acks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
