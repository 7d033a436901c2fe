/* Tests of impairments: the text form, and what a channel does to a thousand frames: rows of
 * settings and the figures that a seed gives, with bounds that any seed must keep. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <layer4/err.h>

#include "device/channel.h"
#include "device/testframes.h"

static void text_is_understood(void **state)
{
	(void)state;
	struct l4_impair i;
	size_t at;
	assert_int_equal(l4_impair_parse(&i, "", &at), 0);
	assert_int_equal(i.delay, 0);
	assert_int_equal(
	    l4_impair_parse(&i,
		"loss=2%,delay=20ms,jitter=1.5ms,reorder=0.01,reorder_delay=5ms,dup=1%,"
		"corrupt=0.01%,rate=10mbit,queue=64k,mtu=1400,burst=1%/5,blackout=1s..2s,"
		"ecn=30k",
		&at),
	    0);
	assert_true(fabs(i.loss - 0.02) < 1e-12);
	assert_int_equal(i.delay, 20 * L4_MSEC);
	assert_int_equal(i.jitter, 1500 * L4_USEC);
	assert_true(fabs(i.reorder - 0.01) < 1e-12);
	assert_int_equal(i.reorder_delay, 5 * L4_MSEC);
	assert_true(fabs(i.duplicate - 0.01) < 1e-12);
	assert_true(fabs(i.corrupt - 0.0001) < 1e-12);
	assert_int_equal(i.rate_bytes_per_s, 1250000);
	assert_int_equal(i.queue_bytes, 65536);
	assert_int_equal(i.mtu, 1400);
	assert_true(fabs(i.burst_loss - 0.01) < 1e-12);
	assert_true(fabs(i.burst_len - 5) < 1e-12);
	assert_int_equal(i.blackout_from, L4_SEC);
	assert_int_equal(i.blackout_to, 2 * L4_SEC);
	assert_int_equal(i.ecn_threshold_bytes, 30720);
	assert_int_equal(l4_impair_parse(&i, "delay=5,blackout=100..2000", &at), 0);
	assert_int_equal(i.delay, 5 * L4_MSEC);
	assert_int_equal(i.blackout_to, 2 * L4_SEC);
	assert_int_equal(l4_impair_parse(&i, "rate=1Gbit,queue=1MB", &at), 0);
	assert_int_equal(i.rate_bytes_per_s, 125000000);
}

static void nonsense_is_refused_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} rows[] = {
		{ "los=2%", 0 },
		{ "loss", 0 },
		{ "loss=", 0 },
		{ "loss=x", 0 },
		{ "loss=101%", 0 },
		{ "loss=1.5", 0 },
		{ "loss=2%,", 0 },
		{ "loss=2%,,delay=1ms", 8 },
		{ "loss=2%,delay=1 ms", 8 },
		{ "loss=2%,delay=1parsec", 8 },
		{ "delay=-1ms", 0 },
		{ "rate=0", 0 },
		{ "mtu=10", 0 },
		{ "mtu=70000", 0 },
		{ "delay=1ms,burst=1%", 10 },
		{ "burst=1%/0.5", 0 },
		{ "burst=100%/5", 0 },
		{ "blackout=2s..1s", 0 },
		{ "blackout=2s", 0 },
		{ "delay=99999999999999999999s", 0 },
	};
	(void)state;
	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		struct l4_impair i = { .mtu = 42 };
		size_t at = 99;
		int e = l4_impair_parse(&i, rows[k].text, &at);
		if (e != L4_EMALFORMED || at != rows[k].at || i.mtu != 42)
			fail_msg("'%s': %d at %zu", rows[k].text, e, at);
		assert_int_equal(l4_impair_parse(&i, rows[k].text, NULL), L4_EMALFORMED);
	}
}

/* --- The channel --- */

#define N 20000

/* What came out of a run of N frames of 1000 bytes, one every millisecond. */
struct outcome {
	unsigned arrived, twice, late, damaged;
	unsigned bursts; /* runs of frames lost in a row */
	l4_time delay_min, delay_max;
	uint64_t digest; /* of all bytes and times */
	struct l4_link_stats stats;
};

static struct outcome run(const char *text, uint64_t seed, l4_time gap)
{
	static uint8_t seen[N];
	struct l4_impair im;
	struct l4_chan c;
	struct outcome o = { .delay_min = L4_TIME_NEVER };
	uint32_t newest = 0;
	assert_int_equal(l4_impair_parse(&im, text, NULL), 0);
	l4_chan_init(&c, L4_MEDIUM_IP, 1500, &im, seed);
	memset(seen, 0, sizeof seen);
	for (uint32_t i = 0; i <= N; i++) {
		l4_time now = i == N ? 1000 * L4_SEC : (i + 1) * gap;
		struct l4_chan_frame f;
		while (l4_chan_pop(&c, now, &f)) {
			uint32_t id = l4_get_u32(f.data + 996);
			bool good = id < N;
			for (uint32_t k = 0; k < 996; k++) {
				o.digest = (o.digest ^ f.data[k]) * UINT64_C(0x100000001b3);
				good &= f.data[k] == (k == 0      ? 0x45
							 : k == 1 ? (f.data[k] & 3)
								  : 0) ||
					k == 10 || k == 11;
			}
			o.digest = (o.digest ^ f.at) * UINT64_C(0x100000001b3);
			if (!good) {
				o.damaged++;
			} else {
				l4_time d = f.at - (id + 1) * gap;
				o.delay_min = d < o.delay_min ? d : o.delay_min;
				o.delay_max = d > o.delay_max ? d : o.delay_max;
				o.twice += seen[id];
				seen[id] = 1;
				o.late += id < newest;
				newest = id > newest ? id : newest;
				o.arrived++;
			}
			l4_chan_release(&c, f.data);
		}
		if (i == N)
			break;
		uint8_t *b = l4_chan_reserve(&c);
		memset(b, 0, 1000);
		b[0] = 0x45;
		b[1] = 2; /* ECT(0) */
		l4_put_u32(b + 996, i);
		l4_chan_push(&c, b, 1000, now);
	}
	for (uint32_t i = 1; i < N; i++)
		o.bursts += seen[i - 1] && !seen[i];
	l4_chan_stats(&c, &o.stats);
	assert_int_equal(l4_chan_deadline(&c), L4_TIME_NEVER);
	l4_chan_fini(&c);
	return o;
}

static void between(const char *what, double v, double lo, double hi)
{
	if (v < lo || v > hi)
		fail_msg("%s is %g, not %g to %g", what, v, lo, hi);
}

static void rates_are_what_was_asked(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct outcome o = run("", seed, L4_MSEC);
		assert_int_equal(o.arrived, N);
		assert_int_equal(o.delay_max, 0);

		o = run("loss=5%", seed, L4_MSEC);
		between("loss", (double)o.stats.lost / N, 0.044, 0.056);
		assert_int_equal(o.arrived + o.stats.lost, N);

		o = run("burst=5%/10", seed, L4_MSEC);
		between("burst loss", (double)o.stats.lost / N, 0.035, 0.065);
		between("burst length", (double)o.stats.lost / o.bursts, 8, 12);

		o = run("dup=2%", seed, L4_MSEC);
		between("duplicates", (double)o.twice / N, 0.016, 0.024);
		assert_int_equal(o.stats.duplicated, o.twice);

		o = run("corrupt=2%", seed, L4_MSEC);
		between("corrupted", (double)o.stats.corrupted / N, 0.016, 0.024);
		/* A flipped bit of the id, or of the ECN bits, is seen as another frame. */
		between("seen damaged", (double)o.damaged, (double)o.stats.corrupted * 0.97,
		    (double)o.stats.corrupted);

		o = run("delay=20ms,jitter=4ms", seed, L4_MSEC);
		assert_int_equal(o.late, 0);
		assert_int_equal(o.arrived, N);
		between("least delay", (double)o.delay_min, 20e6, 20.1e6);
		between("most delay", (double)o.delay_max, 23.9e6, 24e6);

		o = run("delay=20ms,reorder=3%,reorder_delay=5ms", seed, L4_MSEC);
		between("late", (double)o.stats.reordered / N, 0.026, 0.034);
		between("overtaken", (double)o.late / N, 0.018, 0.034);
		between("most delay", (double)o.delay_max, 24.5e6, 25e6 + 1);
	}
}

static void rate_and_queue_shape_time(void **state)
{
	(void)state;
	/* 1000 bytes a millisecond is 8 Mbit/s: at 8 all pass without waiting, each taking 1 ms. */
	struct outcome o = run("rate=8mbit,delay=10ms", 1, L4_MSEC);
	assert_int_equal(o.arrived, N);
	assert_int_equal(o.delay_min, 11 * L4_MSEC);
	assert_int_equal(o.delay_max, 11 * L4_MSEC);
	/* At half the rate half is dropped once the queue of 100 frames is full: 200 ms. */
	o = run("rate=4mbit,queue=100000", 1, L4_MSEC);
	between("arrived", o.arrived, N / 2 + 98, N / 2 + 102);
	assert_int_equal(o.arrived + o.stats.queue_dropped, N);
	between("most delay", (double)o.delay_max, 198e6, 200e6);
	between("mean wait", o.stats.queue_delay_mean_s, 0.19, 0.2);
	assert_int_equal(o.stats.queue_bytes_max, 100000);
	/* The same with marks above 50 frames: dropped as before, marked besides. */
	o = run("rate=4mbit,queue=100000,ecn=50000", 1, L4_MSEC);
	between("marked", (double)o.stats.marked_ce, N / 2 - 60, N / 2 + 60);
	/* A rate that divides nothing still keeps its mean. */
	o = run("rate=7mbit,queue=1000000000", 1, L4_MSEC);
	between(
	    "last delay", (double)o.delay_max, N / 7.0 * 1e6 + 1e6 - 10, N / 7.0 * 1e6 + 1e6 + 10);
}

static void holes_and_blackouts_swallow(void **state)
{
	(void)state;
	struct outcome o = run("mtu=999", 1, L4_MSEC);
	assert_int_equal(o.arrived, 0);
	o = run("mtu=1000", 1, L4_MSEC);
	assert_int_equal(o.arrived, N);
	o = run("blackout=1s..2s", 1, L4_MSEC);
	assert_int_equal(o.stats.lost, 1000);
	assert_int_equal(o.arrived, N - 1000);
}

static void same_seed_same_bytes(void **state)
{
	static const char text[] = "loss=3%,burst=1%/4,delay=20ms,jitter=5ms,reorder=3%,dup=2%,"
				   "corrupt=1%,rate=9mbit";
	(void)state;
	struct outcome a = run(text, 7, L4_MSEC), b = run(text, 7, L4_MSEC),
		       c = run(text, 8, L4_MSEC);
	assert_true(a.digest == b.digest);
	assert_memory_equal(&a.stats, &b.stats, sizeof a.stats);
	assert_true(a.digest != c.digest);
}

static void marks_keep_the_header_checksum(void **state)
{
	static const struct {
		bool v6, bare;
		uint8_t tos, marked;
	} rows[] = {
		{ false, false, 0x02, 0x03 },
		{ false, true, 0xb9, 0xbb },
		{ false, false, 0xb8, 0xb8 },
		{ true, false, 0x02, 0x03 },
		{ true, true, 0x01, 0x03 },
		{ true, true, 0x00, 0x00 },
	};
	static struct made m;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct l4_impair im = { .rate_bytes_per_s = 1000, .ecn_threshold_bytes = 1 };
		struct l4_chan c;
		struct shape s = { .v6 = rows[i].v6,
			.bare_ip = rows[i].bare,
			.tos = rows[i].tos,
			.payload = 500 };
		l4_chan_init(&c, s.bare_ip ? L4_MEDIUM_IP : L4_MEDIUM_ETHERNET, 1500, &im, 1);
		make(&m, &s);
		for (int k = 0; k < 2; k++) {
			uint8_t *b = l4_chan_reserve(&c);
			memcpy(b, m.bytes, m.len);
			l4_chan_push(&c, b, m.len, 0);
		}
		struct l4_chan_frame f[2];
		for (int k = 0; k < 2; k++)
			assert_true(l4_chan_pop(&c, 10 * L4_SEC, &f[k]));
		const uint8_t *ip = f[1].data + m.l3;
		assert_memory_equal(f[0].data, m.bytes, m.len); /* the first found no queue */
		uint8_t tos = s.v6 ? (uint8_t)(l4_get_u16(ip) >> 4) : ip[1];
		assert_int_equal(tos, rows[i].marked);
		if (!s.v6)
			assert_int_equal(slow_sum(ip, 20, 0), 0xffff);
		for (int k = 0; k < 2; k++)
			l4_chan_release(&c, f[k].data);
		l4_chan_fini(&c);
	}
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct l4_impair im = { .delay = 10 * L4_SEC };
	struct l4_chan c;
	uint64_t pushed = 0;
	l4_chan_init(&c, L4_MEDIUM_IP, 65535, &im, 1);
	for (;;) {
		uint8_t *b = l4_chan_reserve(&c);
		if (!b)
			break;
		l4_chan_push(&c, b, 20, 0);
		pushed++;
		assert_true(pushed < 10000);
	}
	assert_true(pushed * 65535 <= L4_CHAN_BYTES_MAX);
	l4_chan_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_understood),
		cmocka_unit_test(nonsense_is_refused_at_its_place),
		cmocka_unit_test(rates_are_what_was_asked),
		cmocka_unit_test(rate_and_queue_shape_time),
		cmocka_unit_test(holes_and_blackouts_swallow),
		cmocka_unit_test(same_seed_same_bytes),
		cmocka_unit_test(marks_keep_the_header_checksum),
		cmocka_unit_test(memory_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
