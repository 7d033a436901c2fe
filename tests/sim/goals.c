/* What recovery is held to, each with its figure: losses at the tail, at the head, one and thirty
 * in a window, reordering, duplication, a blackout, a black hole. All in virtual time, by seed.
 *
 * Usage: goals [--quick]; quick leaves out most of the long transfers. TAP output. */
#include "pair.h"

#define R    (50 * L4_MSEC)
#define MSS  1448u
#define PATH "delay=25ms"

static int n_tests, n_bad;

static void report(bool ok, const char *fmt, double figure, double goal, const char *name)
{
	printf("%sok %d - %s: ", ok ? "" : "not ", ++n_tests, name);
	printf(fmt, figure, goal);
	printf("\n");
	fflush(stdout);
	n_bad += !ok;
}

/* --- Chosen losses in one window --- */

struct chosen {
	const bool *lost; /* by the number of the data segment, first transmissions */
	uint32_t n;       /* how many there are */
	uint32_t before;  /* segments before them, so that the window is open */
	bool seen[256];   /* the segment was sent before */
	l4_time first;    /* when the first data left */
	uint32_t again;   /* retransmissions */
};

static bool drop_chosen(struct pair *p, int side, const struct l4_frame *f, l4_time now)
{
	struct chosen *c = p->ctx;
	uint32_t len;
	const uint8_t *t = pair_tcp(f, &len);
	if (side != 1 || !t || !len)
		return false;
	uint32_t i = (pair_u32(t + 4) - p->iss[1] - 1) / MSS;
	if (i < c->before)
		return false;
	i -= c->before;
	if (!c->first)
		c->first = now;
	if (i >= 256)
		return false;
	if (c->seen[i]) {
		c->again++;
		return false;
	}
	c->seen[i] = true;
	return i < c->n && c->lost[i];
}

static void wide(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.initial_window = 100;
	c->tcp.rcvbuf_default = c->tcp.rcvbuf_max;
	c->tcp.sndbuf_default = c->tcp.sndbuf_max;
}

static void plain(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.rcvbuf_default = 1 << 20;
}

/* b sends n segments at once; what of lost[] goes missing the first time. */
static bool burst(uint32_t n, const bool *lost, bool wide_window, struct chosen *c,
    struct l4_tcp_info *info, l4_time *took)
{
	char why[200];
	struct pair p = { .seed = 5,
		.impair = { PATH ",rate=200mbit,queue=1m" },
		.size = { 0, (uint64_t)n * MSS },
		.tune = wide_window ? wide : plain,
		.drop = drop_chosen,
		.ctx = c };
	memset(c, 0, sizeof *c);
	c->lost = lost;
	c->n = n;
	c->before = wide_window ? 200 : 0;
	p.size[1] += (uint64_t)c->before * MSS;
	bool ok = pair_init(&p) == 0 && pair_dial(&p) == 0 &&
		  pair_run(&p, 100 * L4_SEC, true, why, sizeof why);
	if (!ok)
		printf("# %s\n", why);
	*took = p.done_at - c->first;
	*info = p.info[1];
	pair_fini(&p);
	return ok;
}

static void one_window(void)
{
	struct chosen c;
	struct l4_tcp_info info;
	l4_time took;
	bool lost[100] = { false };
	lost[9] = true;
	bool ok = burst(10, lost, false, &c, &info, &took);
	/* two round trips from the ACK of the ninth; without the loss it had been half of one */
	double late = (double)took / R - 0.5;
	report(ok && late <= 3.05 && !info.total_rto,
	    "done %.2f round trips later than without loss, at most %.2f", late, 3.05,
	    "last of 10 segments lost");
	report(ok && !info.total_rto, "%.0f timeouts, %.0f allowed", info.total_rto, 0,
	    "last of 10 segments lost");
	for (int n = 2; n <= 9; n += 7) { /* the probe is SACKed, RACK finds the rest */
		char name[60];
		memset(lost, 0, sizeof lost);
		memset(lost + 10 - n, true, (size_t)n);
		ok = burst(10, lost, false, &c, &info, &took);
		late = (double)took / R - 0.5;
		snprintf(name, sizeof name, "last %d of 10 segments lost", n);
		double most = n == 2 ? 4.1 : 7.1; /* beyond the probe: slow start from one */
		report(ok && late <= most && !info.total_rto,
		    "done %.2f round trips later than without loss, at most %.2f, no timeout", late,
		    most, name);
	}
	memset(lost, 0, sizeof lost);
	lost[0] = true;
	ok = burst(10, lost, false, &c, &info, &took);
	report(ok && took <= 3 * R && !info.total_rto, "done in %.2f round trips, at most %.0f",
	    (double)took / R, 3, "first of 10 segments lost");
	memset(lost, 0, sizeof lost);
	lost[50] = true;
	ok = burst(100, lost, true, &c, &info, &took);
	report(ok && c.again == 1 && !info.total_rto, "%.0f sent again, exactly %.0f", c.again, 1,
	    "one lost of 100");
	int worst_rto = 0;
	double worst = 0;
	for (unsigned seed = 1; seed <= 20; seed++) {
		uint32_t x = seed * 2654435761u, left = 30;
		memset(lost, 0, sizeof lost);
		while (left) {
			x = x * 1664525u + 1013904223u;
			if (!lost[(x >> 8) % 99]) { /* not the last: that is another case */
				lost[(x >> 8) % 99] = true;
				left--;
			}
		}
		ok = burst(100, lost, true, &c, &info, &took) && ok;
		worst = (double)took / R > worst ? (double)took / R : worst;
		worst_rto += info.total_rto;
	}
	report(ok && worst <= 3 && !worst_rto,
	    "all there in %.2f round trips at the worst, at most %.0f", worst, 3,
	    "30 lost of 100, 20 patterns, no timeout");
}

/* --- Long transfers --- */

/* Parts of what was sent: lost in the link, and sent again though it had arrived. */
struct again {
	double lost, spurious;
};

static uint64_t lost_so_far(struct pair *p)
{
	struct l4_link_stats st;
	l4_link_stats(p->link, 0, &st);
	return st.queue_dropped + st.lost;
}

/* Bits per second from a to b, from `from` to `to`. What was sent again beyond what the link lost
 * was spurious, and the receiver's D-SACKs say so, too: the larger of both counts. */
static double rate(
    const char *cc, const char *data_way, l4_time from, l4_time to, struct again *again)
{
	char why[200];
	struct pair p = { .seed = 3,
		.cc = cc,
		.impair = { data_way, PATH },
		.tune = wide,
		.size = { UINT64_MAX, 0 } };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return -1;
	pair_run(&p, from, false, why, sizeof why);
	uint64_t before = p.got[1];
	struct l4_tcp_info was = p.info[0];
	uint64_t lost = lost_so_far(&p);
	pair_run(&p, to, false, why, sizeof why);
	double r = (double)(p.got[1] - before) * 8e9 / (double)(to - from);
	if (again) {
		const struct l4_tcp_info *is = &p.info[0];
		double sent = (double)(is->data_segs_out - was.data_segs_out) + 1;
		double twice = (double)(is->total_retrans - was.total_retrans);
		double told = (double)(is->dsack_dups - was.dsack_dups);
		again->lost = (double)(lost_so_far(&p) - lost) / sent;
		again->spurious = twice / sent - again->lost;
		if (told / sent > again->spurious)
			again->spurious = told / sent;
	}
	if (p.damaged)
		r = -1;
	pair_fini(&p);
	return r;
}

static void long_ones(bool quick)
{
	static const char *const ccs[] = { "cubic", "bbr" };
	static const int mbits[] = { 100, 10 }, percents[] = { 20, 5, 50 };
	char way[200], base_way[100], name[120];
	for (int k = 0; k < 2; k++)
		for (int m = 0; m < (quick ? 1 : 2); m++) {
			int q = mbits[m] * 6103; /* one bandwidth-delay product */
			snprintf(base_way, sizeof base_way, "delay=25ms,rate=%dmbit,queue=%d",
			    mbits[m], q);
			double base = rate(ccs[k], base_way, 5 * L4_SEC, 25 * L4_SEC, NULL);
			for (int i = 0; i < (quick ? 1 : 3); i++) {
				struct again again;
				double g;
				snprintf(way, sizeof way, "%s,reorder=%d%%,reorder_delay=12500us",
				    base_way, percents[i]);
				g = rate(ccs[k], way, 5 * L4_SEC, 25 * L4_SEC, &again);
				snprintf(name, sizeof name,
				    "%s %d Mbit/s, %d %% late by up to a quarter round trip",
				    ccs[k], mbits[m], percents[i]);
				report(g >= 0.85 * base,
				    "%.3f of the goodput in order, at least %.2f", g / base, 0.85,
				    name);
				report(again.spurious <= 0.01,
				    "%.4f sent again needlessly, at most %.2f", again.spurious,
				    0.01, name);
				/* where BBR takes a jittery path for a faster one, its queue
				 * overflows */
				report(again.lost <= 0.03, "%.4f lost in the queue, at most %.2f",
				    again.lost, 0.03, name);
			}
			snprintf(way, sizeof way, "%s,dup=20%%", base_way);
			struct again again;
			double g = rate(ccs[k], way, 5 * L4_SEC, 25 * L4_SEC, &again);
			snprintf(
			    name, sizeof name, "%s %d Mbit/s, 20 %% doubled", ccs[k], mbits[m]);
			report(g >= 0.85 * 0.965e6 * mbits[m] / 1.2,
			    "%.3f of the ceiling, at least %.3f", g / (0.965e6 * mbits[m]),
			    0.85 / 1.2, name);
			/* RFC 3708 3: taken for needless retransmissions, the copies would undo
			 * every cut */
			if (k == 0)
				report(again.lost <= 0.01, "%.4f lost in the queue, at most %.2f",
				    again.lost, 0.01, name);
		}
}

/* The path is gone for a second: how long until 80 % of the rate before is back. */
static void blackout(const char *cc)
{
	char why[200], name[80];
	struct pair p = { .seed = 4,
		.cc = cc,
		.tune = wide,
		.size = { UINT64_MAX, 0 },
		.impair = { "delay=25ms,rate=10mbit,queue=61030,blackout=20s..21s",
		    "delay=25ms,blackout=20s..21s" } };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return;
	pair_run(&p, 10 * L4_SEC, false, why, sizeof why);
	uint64_t at10 = p.got[1];
	pair_run(&p, 20 * L4_SEC, false, why, sizeof why);
	double old = (double)(p.got[1] - at10) / 10; /* bytes a second */
	pair_run(&p, 21 * L4_SEC, false, why, sizeof why);
	double back = 99;
	uint64_t got = p.got[1];
	for (int i = 1; i <= 100 && back > 50; i++) { /* in halves of a second */
		pair_run(&p, 21 * L4_SEC + i * L4_SEC / 10, false, why, sizeof why);
		if (i >= 5 && i % 5 == 0) {
			if ((double)(p.got[1] - got) >= 0.8 * old / 2)
				back = i / 10.0;
			got = p.got[1];
		}
	}
	snprintf(name, sizeof name, "%s after a blackout of 1 s", cc);
	report(back <= 5, "80 %% of the rate is back after %.1f s, at most %.0f", back, 5, name);
	pair_fini(&p);
}

/* Packets above an MTU vanish without a word. */
static void black_hole(unsigned mtu)
{
	char why[200], name[80], way[100];
	struct l4_impair im;
	struct pair p = { .seed = 4,
		.size = { UINT64_MAX, 0 },
		.impair = { "delay=15ms,rate=20mbit,queue=75000", "delay=15ms" } };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return;
	pair_run(&p, 10 * L4_SEC, true, why, sizeof why);
	snprintf(way, sizeof way, "delay=15ms,rate=20mbit,queue=75000,mtu=%u", mtu);
	l4_impair_parse(&im, way, NULL);
	l4_link_impair(p.link, 0, &im);
	pair_run(&p, 10200 * L4_MSEC, true, why, sizeof why);
	uint64_t stuck = p.got[1];
	double found = 99;
	for (int i = 3; i <= 300 && found > 60; i++) {
		pair_run(&p, 10 * L4_SEC + i * L4_SEC / 10, true, why, sizeof why);
		if (p.got[1] > stuck + 100000)
			found = i / 10.0;
	}
	snprintf(name, sizeof name, "black hole above %u bytes", mtu);
	report(found <= 15, "data flows again after %.1f s, at most %.0f", found, 15, name);
	/* and the largest size of the table that fits is found, where the old one is let through
	 * again the search finds that, too, at the latest after ten minutes */
	pair_run(&p, 45 * L4_SEC, true, why, sizeof why);
	unsigned fit = mtu >= 1400 ? 1400 : mtu >= 1280 ? 1280 : mtu >= 1024 ? 1024 : 576;
	report(p.info[0].pmtu == fit, "packets of %.0f bytes, %.0f fit", p.info[0].pmtu, fit, name);
	l4_impair_parse(&im, "delay=15ms,rate=20mbit,queue=75000", NULL);
	l4_link_impair(p.link, 0, &im);
	pair_run(&p, 720 * L4_SEC, false, why, sizeof why);
	report(p.info[0].pmtu == 1500, "packets of %.0f bytes ten minutes later, of %.0f",
	    p.info[0].pmtu, 1500, name);
	pair_fini(&p);
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "--quick");
	one_window();
	blackout("cubic");
	blackout("bbr");
	black_hole(1400);
	if (!quick) {
		black_hole(1280);
		black_hole(1100);
		black_hole(576);
	}
	long_ones(quick);
	printf("1..%d\n", n_tests);
	return n_bad != 0;
}
