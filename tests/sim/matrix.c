/* Byte-exact delivery over everything that a path can do: each row is a link, and every byte of
 * both directions must arrive as it was sent, both sides must end in order, and nothing may be left
 * to do afterwards, neither timer nor buffer, within a bound of virtual time. Then losses chosen
 * one by one: each of the first forty frames, each pair of the first twelve, each retransmission of
 * one frame up to five times.
 *
 * Usage: matrix [--seeds N] [--long] [--nightly]; ten seeds; --long adds 16 MiB, --nightly 100. TAP
 * output, one line a row. */
#include "pair.h"

struct row {
	const char *name, *there, *back; /* back NULL: as there */
	uint32_t mss;                    /* 0: the path's */
	l4_time nap;                     /* of b between reads … */
	uint32_t bite;                   /* … of so many bytes */
	uint64_t size;                   /* a's; 0: several */
	unsigned hours;                  /* within which it ends; 0: six */
};

/* The round trip is 40 ms. */
#define WAY "delay=20ms,rate=50mbit,queue=250k,"
static const struct row rows[] = {
	{ "perfect", "", .size = 0 },
	{ "no loss", WAY "jitter=0", .size = 0 },
	{ "loss 0.01 %", WAY "loss=0.01%", .size = 0 },
	{ "loss 0.1 %", WAY "loss=0.1%", .size = 0 },
	{ "loss 1 %", WAY "loss=1%", .size = 0 },
	{ "loss 2 %", WAY "loss=2%", .size = 0 },
	{ "loss 5 %", WAY "loss=5%", .size = 0 },
	{ "loss 10 %", WAY "loss=10%", .size = 1 << 18 },
	{ "loss 20 %", WAY "loss=20%", .size = 1 << 16 },
	{ "loss 30 %", WAY "loss=30%", .size = 1 << 16 },
	{ "bursts of 5, 1 %", WAY "burst=1%/5", .size = 0 },
	{ "bursts of 20, 1 %", WAY "burst=1%/20", .size = 0 },
	{ "bursts of 100, 1 %", WAY "burst=1%/100", .size = 0, .hours = 24 },
	{ "bursts of 5, 5 %", WAY "burst=5%/5", .size = 1 << 18 },
	{ "bursts of 20, 5 %", WAY "burst=5%/20", .size = 1 << 18 },
	{ "bursts of 100, 5 %", WAY "burst=5%/100", .size = 1 << 18, .hours = 24 },
	{ "5 % late by 1/4 R", WAY "reorder=5%,reorder_delay=10ms", .size = 0 },
	{ "20 % late by 1/4 R", WAY "reorder=20%,reorder_delay=10ms", .size = 0 },
	{ "50 % late by 1/4 R", WAY "reorder=50%,reorder_delay=10ms", .size = 0 },
	{ "5 % late by 1 R", WAY "reorder=5%,reorder_delay=40ms", .size = 0 },
	{ "20 % late by 1 R", WAY "reorder=20%,reorder_delay=40ms", .size = 0 },
	{ "50 % late by 1 R", WAY "reorder=50%,reorder_delay=40ms", .size = 0 },
	{ "5 % late by 4 R", WAY "reorder=5%,reorder_delay=160ms", .size = 0 },
	{ "20 % late by 4 R", WAY "reorder=20%,reorder_delay=160ms", .size = 0 },
	{ "50 % late by 4 R", WAY "reorder=50%,reorder_delay=160ms", .size = 0 },
	{ "5 % doubled", WAY "dup=5%", .size = 0 },
	{ "20 % doubled, copies late", WAY "dup=20%,reorder=20%,reorder_delay=40ms", .size = 0 },
	{ "flips, 1e-6 a bit", WAY "corrupt=1.2%", .size = 0 },
	{ "flips, 1e-5 a bit", WAY "corrupt=11.3%", .size = 1 << 18 },
	{ "flips, 1e-4 a bit, MSS 256", WAY "corrupt=22%", .mss = 256, .size = 1 << 16 },
	{ "jitter of a round trip", WAY "jitter=40ms", .size = 0 },
	{ "delay jumps by half a second", WAY "reorder=1%,reorder_delay=500ms", .size = 0 },
	{ "gone for 1 s at the start", WAY "blackout=0s..1s", .size = 0 },
	{ "gone for 10 s at the start", WAY "blackout=0s..10s", .size = 0 },
	{ "gone for 60 s at the start", WAY "blackout=0s..60s", .size = 0 },
	{ "gone for 1 s in between", WAY "blackout=150ms..1150ms", .size = 0 },
	{ "gone for 10 s in between", WAY "blackout=150ms..10s", .size = 0 },
	{ "gone for 60 s in between", WAY "blackout=150ms..60s", .size = 0 },
	{ "gone for 5 min in between", WAY "blackout=150ms..5m", .size = 0 },
	{ "data gone for 10 s, ACKs not", WAY "blackout=150ms..10s", WAY "jitter=0", .size = 0 },
	{ "ACKs gone for 10 s, data not", WAY "jitter=0", WAY "blackout=150ms..10s", .size = 0 },
	{ "packets above 1280 vanish", WAY "mtu=1280", .size = 0 },
	{ "packets above 576 vanish", WAY "mtu=576", .size = 1 << 16 },
	{ "b reads 1 byte a ms", WAY "loss=1%", .nap = L4_MSEC, .bite = 1, .size = 20000 },
	{ "b reads once in 10 min", WAY "loss=1%", .nap = 600 * L4_SEC, .bite = 1 << 16,
	    .size = 1 << 18 },
	{ "all at once",
	    WAY "loss=2%,reorder=20%,reorder_delay=40ms,dup=5%,jitter=5ms,blackout=200ms..10200ms",
	    .size = 0 },
};
static const uint64_t sizes[] = { 0, 1, 1447, 1448, 1449, 65536, 1 << 20 };

static const struct row *present; /* for tune */
static unsigned runs;

static void patient(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.retries2 =
	    1000; /* bursts of 100 in the mean lose as many timeouts, and some are longer */
	c->tcp.syn_retries = c->tcp.synack_retries = 30;
	c->tcp.orphan_retries = 1000;
	if (present && present->mss)
		c->tcp.pmtu_floor = 256;
}

static bool transfer(const struct row *r, uint64_t a, uint64_t b, uint64_t seed, bool b_first,
    bool (*drop)(struct pair *, int, const struct l4_frame *, l4_time), void *ctx, char *why,
    size_t cap)
{
	struct pair p = { .seed = seed,
		.impair = { r->there, r->back ? r->back : r->there },
		.size = { a, b },
		.tune = patient,
		.drop = drop,
		.ctx = ctx,
		.nap = { 0, r->nap },
		.bite = { 0, r->bite },
		.b_closes_first = b_first };
	present = r;
	runs++;
	bool ok = pair_init(&p) == 0;
	if (ok && r->mss)
		l4_host_set_mtu(p.h[0], p.ifx[0], r->mss + 52, 0);
	ok = ok && pair_dial(&p) == 0 && pair_run(&p, L4_TIME_NEVER, false, why, cap);
	for (int i = 0; ok && i < 2; i++) {
		char what[160];
		if (l4_host_check(p.h[i], what, sizeof what) < 0) {
			snprintf(why, cap, "host %d: %s", i, what);
			ok = false;
		}
	}
	if (ok && l4_sim_now(p.s) > (r->hours ? r->hours : 6) * 3600 * L4_SEC) {
		snprintf(why, cap, "over only after %llu s",
		    (unsigned long long)(l4_sim_now(p.s) / L4_SEC));
		ok = false;
	}
	pair_fini(&p);
	return ok;
}

static bool row(const struct row *r, uint64_t seeds, uint64_t big, char *why, size_t cap)
{
	for (uint64_t s = 1; s <= seeds; s++) {
		if (r->size && !transfer(r, r->size, r->bite ? 5000 : r->size / 2, s, s & 1, NULL,
				   NULL, why, cap))
			return false;
		for (size_t i = 0; !r->size && i < sizeof sizes / sizeof sizes[0]; i++)
			if (!transfer(r, sizes[i], s & 2 ? sizes[i] / 3 : 0, s, s & 1, NULL, NULL,
				why, cap))
				return false;
		if (big && !r->size && s == 1 &&
		    !transfer(r, big, 1 << 20, s, false, NULL, NULL, why, cap))
			return false;
	}
	return true;
}

/* --- Chosen losses --- */

struct pick {
	uint32_t at[2]; /* frames of a, from 0, that are lost; UINT32_MAX: none */
	uint32_t again; /* of the segment with the bytes of `seq`, so many transmissions are lost */
	uint32_t seq;   /* offset in the stream */
	uint32_t n, lost;
};

static bool drop_picked(struct pair *p, int side, const struct l4_frame *f, l4_time now)
{
	struct pick *k = p->ctx;
	uint32_t len;
	const uint8_t *t = pair_tcp(f, &len);
	(void)now;
	if (side != 0 || !t)
		return false;
	uint32_t i = k->n++;
	if (i == k->at[0] || i == k->at[1])
		return true;
	uint32_t off = pair_u32(t + 4) - p->iss[0] - 1;
	if (k->again && len && off <= k->seq && k->seq - off < len && k->lost < k->again) {
		k->lost++;
		return true;
	}
	return false;
}

static bool chosen(int what, char *why, size_t cap)
{
	static const struct row plain = { "chosen", "delay=20ms,rate=50mbit,queue=250k",
		.size = 60000 };
	char inner[200];
	for (uint32_t a = 0; a < (what == 0 ? 40u : what == 1 ? 12u : 10u); a++)
		for (uint32_t b = what == 0   ? 0
				  : what == 1 ? a + 1
					      : 1;
		     b < (what == 0      ? 1u
			     : what == 1 ? 12u
					 : 6u);
		     b++) {
			struct pick k = { .at = { UINT32_MAX, UINT32_MAX } };
			if (what < 2)
				k.at[0] = a;
			if (what == 1)
				k.at[1] = b;
			if (what == 2) {
				k.seq = a * 6000;
				k.again =
				    b + 1; /* the first transmission and b of its repetitions */
			}
			if (!transfer(&plain, 60000, 3000, 1, false, drop_picked, &k, inner,
				sizeof inner)) {
				snprintf(why, cap, "%u and %u: %s", a, b, inner);
				return false;
			}
		}
	return true;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "each of the first 40 frames lost",
		"each pair of the first 12 lost", "one to five repetitions lost, too" };
	uint64_t seeds = 10;
	uint64_t big = 0;
	int n = 0, bad = 0;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--long"))
			big = 16 << 20;
		else if (!strcmp(argv[i], "--nightly"))
			big = 100 << 20;
		else if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
			seeds = strtoull(argv[++i], NULL, 10);
		else
			return fprintf(stderr, "matrix: unknown option '%s'\n", argv[i]), 2;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char why[300] = "";
		bool ok = row(&rows[i], seeds, big, why, sizeof why);
		printf(
		    "%sok %d - %s%s%s\n", ok ? "" : "not ", ++n, rows[i].name, ok ? "" : ": ", why);
		fflush(stdout);
		bad += !ok;
	}
	for (int i = 0; i < 3; i++) {
		char why[300] = "";
		bool ok = chosen(i, why, sizeof why);
		printf("%sok %d - %s%s%s\n", ok ? "" : "not ", ++n, names[i], ok ? "" : ": ", why);
		bad += !ok;
	}
	printf("# %u transfers\n1..%d\n", runs, n);
	return bad != 0;
}
