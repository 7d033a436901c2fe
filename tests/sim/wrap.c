/* Sequence numbers near their wrap: for six initial values, of each side in turn, a transfer both
 * ways over a link that loses, reorders and doubles. Initial values follow from keys and time (RFC
 * 6528), and time is ours: a first connection tells where the count stands, the second is opened at
 * the moment when it gives the value wanted, hours later at most. Every byte must arrive, and the
 * invariants of both hosts hold after each step. TAP output. */
#include "pair.h"

#define TICK (4 * L4_USEC) /* of initial sequence numbers */

static const uint32_t wanted[] = { 0xffffffff, 0xfffffffe, 0xffffffff - 1448, 0xffff0000,
	0x7ffffff0, 0 };

static bool run(int side, uint32_t iss, uint64_t seed, char *why, size_t cap)
{
	struct pair p = {
		.seed = seed, .size = { 0, 0 }, .local_port = 40000, .impair = { "delay=5ms" }
	};
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	bool ok = pair_run(&p, 200 * L4_SEC, true, why, cap); /* and TIME-WAIT is over */
	if (ok) {
		l4_time wait = (l4_time)(uint32_t)(iss - p.iss[side]) * TICK;
		while (p.started + wait < l4_sim_now(p.s))
			wait += ((l4_time)1 << 32) * TICK;
		l4_sim_run(p.s, p.started + wait, false);
		for (int i = 0; i < 2; i++) {
			struct l4_impair im;
			l4_impair_parse(
			    &im, "delay=5ms,loss=2%,reorder=5%,dup=2%,rate=50mbit", NULL);
			p.ep[i] = 0;
			p.got[i] = p.sent[i] = 0;
			p.fin[i] = p.eof[i] = p.closed[i] = false;
			p.size[i] = 400000;
			l4_link_impair(p.link, i, &im);
		}
		struct l4_impair
		    im; /* the first round trip is undisturbed, so that the time is met */
		l4_impair_parse(&im, "delay=5ms", NULL);
		l4_link_impair(p.link, 0, &im);
		p.done_at = 0;
		ok = pair_dial(&p) == 0;
		l4_sim_run(p.s, p.started + 6 * L4_MSEC, true);
		l4_impair_parse(&im, "delay=5ms,loss=2%,reorder=5%,dup=2%,rate=50mbit", NULL);
		l4_link_impair(p.link, 0, &im);
		ok = ok && pair_run(&p, p.started + PAIR_MARGIN, true, why, cap);
		if (ok && p.iss[side] != iss) {
			snprintf(why, cap, "the initial number is %08x", p.iss[side]);
			ok = false;
		}
	}
	pair_fini(&p);
	return ok;
}

int main(void)
{
	int n = 0, bad = 0;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
			char why[300] = "";
			bool ok = true;
			for (uint64_t seed = 1; ok && seed <= 5; seed++)
				ok = run(side, wanted[i], seed * 100 + i, why, sizeof why);
			printf("%sok %d - %s begins at %08x%s%s\n", ok ? "" : "not ", ++n,
			    side ? "the server" : "the client", wanted[i], ok ? "" : ": ", why);
			bad += !ok;
		}
	printf("1..%d\n", n);
	return bad != 0;
}
