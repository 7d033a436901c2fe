/* What changes under a connection: addresses, neighbours, the path's MTU, delays, the peer's
 * window; and paths that are gone for long, at the start, in between and at the close. Each row
 * ends with every byte in its place and both sides closed in order, or, where that cannot be, with
 * an error to both users. Rows of the matrix that a link description cannot say; the rest is in
 * matrix.c.
 *
 * Usage: changes [PART-OF-NAME]. TAP output with figures. */
#include "pair.h"

#include <layer4/wire.h>
#include <math.h>

#define WAY  "delay=20ms,rate=50mbit,queue=250k"
#define SIZE ((uint64_t)4 << 20)

/* What a row adds to its name in the report. */
static char figure[120];

static void patient(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.retries2 = 60;
	c->tcp.syn_retries = c->tcp.synack_retries = 30;
	c->tcp.orphan_retries = 60;
}

/* Runs on until b has more than `bytes`; returns the time that took from now, or NEVER. */
static l4_time until_more(struct pair *p, uint64_t bytes, l4_time most, char *why, size_t cap)
{
	l4_time from = l4_sim_now(p->s);
	while (l4_sim_now(p->s) < from + most) {
		pair_run(p, l4_sim_now(p->s) + 10 * L4_MSEC, true, why, cap);
		if (p->got[1] > bytes)
			return l4_sim_now(p->s) - from;
	}
	snprintf(why, cap, "nothing moved for %llu s", (unsigned long long)(most / L4_SEC));
	return L4_TIME_NEVER;
}

static bool finish(struct pair *p, char *why, size_t cap)
{
	bool ok = pair_run(p, L4_TIME_NEVER, true, why, cap);
	pair_fini(p);
	return ok;
}

/* --- Addresses --- */

struct swap {
	struct pair *p;
	int side;
	bool back; /* the address comes back after 30 s; else another takes its place */
	bool away;
	struct l4_prefix old;
	unsigned leaked; /* frames from an address that was not ours */
};

static bool watch_source(struct pair *p, int side, uint8_t *b, uint32_t len, l4_time now)
{
	struct swap *w = p->ctx;
	(void)len;
	(void)now;
	if (side == w->side && w->away && !memcmp(b + 12, w->old.addr.b + 12, 4))
		w->leaked++;
	return true;
}

static void take_away(void *ctx, l4_time now)
{
	struct swap *w = ctx;
	struct l4_prefix other;
	l4_host_del_address(w->p->h[w->side], w->p->ifx[w->side], &w->old.addr, now);
	w->away = true;
	l4_prefix_parse(&other, "192.0.2.77/24");
	if (!w->back)
		l4_host_add_address(w->p->h[w->side], w->p->ifx[w->side], &other, now);
}

static void give_back(void *ctx, l4_time now)
{
	struct swap *w = ctx;
	l4_host_add_address(w->p->h[w->side], w->p->ifx[w->side], &w->old, now);
	w->away = false;
}

static bool address(int side, bool back, char *why, size_t cap)
{
	struct swap w = { .side = side, .back = back };
	struct pair p = { .seed = 7,
		.impair = { WAY, WAY },
		.size = { SIZE, SIZE },
		.mangle = watch_source,
		.ctx = &w };
	w.p = &p;
	l4_prefix_parse(&w.old, side ? "192.0.2.2/24" : "192.0.2.1/24");
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	l4_sim_at(p.s, 200 * L4_MSEC, take_away, &w);
	if (back)
		l4_sim_at(p.s, 30200 * L4_MSEC, give_back, &w);
	bool ok = pair_run(&p, L4_TIME_NEVER, true, why, cap);
	if (!back) { /* nobody can answer any more: both users are told */
		ok = !p.damaged && p.err[0] && p.err[1];
		snprintf(figure, sizeof figure, "%s and %s", l4_err_text(p.err[0]),
		    l4_err_text(p.err[1]));
	} else {
		snprintf(figure, sizeof figure, "done after %.1f s", (double)p.done_at / 1e9);
	}
	if (w.leaked) {
		snprintf(why, cap, "%u frames from the address that was gone", w.leaked);
		ok = false;
	}
	pair_fini(&p);
	return ok;
}

static bool address_back_a(char *why, size_t cap)
{
	return address(0, true, why, cap);
}

static bool address_back_b(char *why, size_t cap)
{
	return address(1, true, why, cap);
}

static bool address_other_a(char *why, size_t cap)
{
	return address(0, false, why, cap);
}

static bool address_other_b(char *why, size_t cap)
{
	return address(1, false, why, cap);
}

/* --- Neighbours --- */

struct ether {
	l4_time mute_from, mute_to; /* answers of b are lost */
	l4_time moves;              /* b has another Ethernet address from then on; 0: never */
	struct l4_mac real;
	bool v6;
};

static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 0x77 };

/* The neighbour message in an Ethernet frame: 1 ARP request, 2 ARP reply, 135 and 136 of ICMPv6; 0:
 * none. */
static unsigned neighbour(const uint8_t *b, uint32_t len)
{
	if (len >= 42 && b[12] == 8 && b[13] == 6)
		return b[21];
	if (len >= 78 && b[12] == 0x86 && b[13] == 0xdd && b[20] == 58 &&
	    (b[54] == 135 || b[54] == 136))
		return b[54];
	return 0;
}

/* b's Ethernet address as others are to see it. */
static void disguise(uint8_t *b, uint32_t len, unsigned kind)
{
	memcpy(b + 6, other_mac, 6);
	if (kind == 1 || kind == 2)
		memcpy(b + 22, other_mac, 6);
	if (kind < 135)
		return;
	for (uint32_t at = 78; at + 8 <= len && b[at + 1]; at += b[at + 1] * 8u)
		if (b[at] == 1 || b[at] == 2)
			memcpy(b + at + 2, other_mac, 6);
	struct l4_addr src, dst;
	memcpy(src.b, b + 22, 16);
	memcpy(dst.b, b + 38, 16);
	memset(b + 56, 0, 2);
	uint16_t c = l4_wire_csum(&src, &dst, 58, b + 54, len - 54);
	memcpy(b + 56, &c, 2);
}

static bool on_ether(struct pair *p, int side, uint8_t *b, uint32_t len, l4_time now)
{
	struct ether *e = p->ctx;
	unsigned kind = neighbour(b, len);
	bool moved = e->moves && now >= e->moves;
	if (side == 1) {
		if ((kind == 2 || kind == 136) && now >= e->mute_from && now < e->mute_to)
			return false;
		if (moved)
			disguise(b, len, kind);
		return true;
	}
	if (moved && !(b[0] & 1)) { /* the old address is nobody's */
		if (memcmp(b, other_mac, 6) != 0)
			return false;
		memcpy(b, e->real.b, 6);
	}
	return true;
}

static void flap(void *ctx, l4_time now)
{
	struct pair *p = ctx;
	l4_host_set_link(p->h[0], p->ifx[0], false, now);
	l4_host_set_link(p->h[0], p->ifx[0], true, now);
}

static bool neighbours(bool v6, bool start, bool moves, char *why, size_t cap)
{
	struct ether e = { .v6 = v6 };
	struct pair p = { .seed = 9,
		.impair = { WAY, WAY },
		.size = { SIZE, 0 },
		.mangle = on_ether,
		.ethernet = true,
		.v6 = v6,
		.tune = patient,
		.ctx = &e };
	if (pair_init(&p) < 0)
		return false;
	l4_host_iface_mac(p.h[1], p.ifx[1], &e.real);
	l4_time from = start ? 0 : 200 * L4_MSEC, to = moves ? from : from + 10 * L4_SEC;
	if (moves) {
		e.moves = from;
	} else {
		e.mute_from = from;
		e.mute_to = to;
	}
	if (!start && !moves)
		l4_sim_at(p.s, from, flap, &p);
	if (pair_dial(&p) < 0)
		return false;
	pair_run(&p, to + 45 * L4_MSEC, true, why, cap); /* what is on its way arrives */
	l4_time took = until_more(&p, p.got[1], 60 * L4_SEC, why, cap);
	snprintf(figure, sizeof figure, "data moves %.2f s after, at most 5", (double)took / 1e9);
	bool ok = finish(&p, why, cap) && took <= 5 * L4_SEC;
	return ok;
}

static bool arp_lost_start(char *why, size_t cap)
{
	return neighbours(false, true, false, why, cap);
}

static bool arp_lost(char *why, size_t cap)
{
	return neighbours(false, false, false, why, cap);
}

static bool nd_lost_start(char *why, size_t cap)
{
	return neighbours(true, true, false, why, cap);
}

static bool nd_lost(char *why, size_t cap)
{
	return neighbours(true, false, false, why, cap);
}

static bool arp_moves(char *why, size_t cap)
{
	return neighbours(false, false, true, why, cap);
}

static bool nd_moves(char *why, size_t cap)
{
	return neighbours(true, false, true, why, cap);
}

/* --- The path's MTU --- */

struct narrow {
	bool icmp;
	unsigned told;
};

static uint32_t mtu_at(const struct pair *p, l4_time now)
{
	l4_time step = p->v6 ? 150 * L4_MSEC : 100 * L4_MSEC;
	struct narrow *n = p->ctx;
	if (!n->icmp)
		step = 20 * L4_SEC;
	if (now < step || now >= 4 * step)
		return 1500;
	return now < 2 * step || p->v6 ? 1280 : 576;
}

/* What a router says that could not pass the packet b on, sent towards a. */
static void too_big(struct pair *p, const uint8_t *b, uint32_t mtu, l4_time now)
{
	uint8_t m[20 + 8 + 1240] = { 0 };
	uint32_t quote = p->v6 ? 1232 - 40 : 28, off = p->v6 ? 40 : 20, n = off + 8 + quote;
	uint8_t *i = m + off;
	memcpy(i + 8, b, quote);
	i[6] = (uint8_t)(mtu >> 8);
	i[7] = (uint8_t)mtu;
	if (p->v6) {
		struct l4_addr src, dst;
		m[0] = 0x60;
		m[4] = (uint8_t)((8 + quote) >> 8);
		m[5] = (uint8_t)(8 + quote);
		m[6] = 58;
		m[7] = 64;
		memcpy(m + 8, b + 24, 16);
		m[23] = 0xfe; /* the router */
		memcpy(m + 24, b + 8, 16);
		memcpy(src.b, m + 8, 16);
		memcpy(dst.b, m + 24, 16);
		i[0] = 2;
		uint16_t c = l4_wire_csum(&src, &dst, 58, i, 8 + quote);
		memcpy(i + 2, &c, 2);
	} else {
		struct l4_ip4_hdr ip = {
			.total_len = (uint16_t)n, .ttl = 64, .proto = L4_PROTO_ICMP
		};
		l4_addr_parse(&ip.src, "192.0.2.254");
		ip.dst = p->at[0].addr;
		i[0] = 3;
		i[1] = 4;
		uint16_t c = l4_icmp_csum(i, 8 + quote);
		memcpy(i + 2, &c, 2);
		l4_ip4_emit(&ip, m, 20);
	}
	struct l4_piece piece = { m, n };
	struct l4_frame f = { .pieces = &piece, .n_pieces = 1, .len = n };
	p->gate[1].inner->ops->tx(p->gate[1].inner, &f, 1, now);
}

static bool on_narrow(struct pair *p, int side, uint8_t *b, uint32_t len, l4_time now)
{
	struct narrow *n = p->ctx;
	uint32_t mtu = mtu_at(p, now);
	if (side != 0 || len <= mtu)
		return true;
	if (n->icmp) {
		n->told++;
		too_big(p, b, mtu, now);
	}
	return false;
}

static bool narrow(bool v6, bool icmp, char *why, size_t cap)
{
	struct narrow n = { .icmp = icmp };
	struct pair p = { .seed = 3,
		.impair = { WAY, WAY },
		.size = { icmp ? SIZE : 60 * SIZE, 0 },
		.mangle = on_narrow,
		.v6 = v6,
		.ctx = &n };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	l4_time worst = 0;
	if (!icmp) /* each time it narrows */
		for (unsigned i = 1; i <= (v6 ? 1u : 2u); i++) {
			pair_run(&p, i * 20 * L4_SEC + 200 * L4_MSEC, true, why, cap);
			l4_time t = until_more(&p, p.got[1], 19 * L4_SEC, why, cap);
			worst = t > worst ? t : worst;
		}
	bool ok = finish(&p, why, cap);
	if (icmp)
		snprintf(figure, sizeof figure,
		    "done after %.2f s, at most 10; told %u times; %u timeouts",
		    (double)p.done_at / 1e9, n.told, p.info[0].total_rto);
	else
		snprintf(figure, sizeof figure, "black hole left after %.2f s, at most 15",
		    (double)worst / 1e9);
	return ok && (icmp ? p.done_at <= 10 * L4_SEC && n.told > 0 : worst <= 15 * L4_SEC);
}

static bool mtu_icmp(char *why, size_t cap)
{
	return narrow(false, true, why, cap);
}

static bool mtu_icmp6(char *why, size_t cap)
{
	return narrow(true, true, why, cap);
}

static bool mtu_hole(char *why, size_t cap)
{
	return narrow(false, false, why, cap);
}

static bool mtu_hole6(char *why, size_t cap)
{
	return narrow(true, false, why, cap);
}

/* --- Delays --- */

/* The delay of each frame from a, drawn as it leaves. */
struct delays {
	bool steps; /* 10 ms, for a second 500 ms, then 10 ms again, and so on; else Pareto */
	uint32_t x;
	bool bad; /* RTO or SRTT out of bounds */
};

static bool on_delay(struct pair *p, int side, uint8_t *b, uint32_t len, l4_time now)
{
	struct delays *d = p->ctx;
	struct l4_impair im;
	(void)b;
	(void)len;
	if (side != 0)
		return true;
	l4_impair_parse(&im, WAY, NULL);
	if (d->steps) {
		im.delay = now / L4_SEC % 2 ? 500 * L4_MSEC : 10 * L4_MSEC;
	} else { /* Pareto, shape 1.5, from 5 ms on, 2 s at most */
		d->x = d->x * 1664525u + 1013904223u;
		double late = 5e6 * pow((d->x / 4294967296.0) + 1e-9, -1 / 1.5);
		im.delay = (l4_time)(late < 2e9 ? late : 2e9);
	}
	l4_link_impair(p->link, 0, &im);
	const struct l4_tcp_info *i = &p->info[0];
	if (i->rtt &&
	    (i->rto < 200000 || i->rto < i->rtt || i->rto > 60000000 || i->rtt > 10000000))
		d->bad = true;
	return true;
}

static bool delays(bool steps, char *why, size_t cap)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct delays d = { .steps = steps, .x = (uint32_t)seed };
		struct pair p = { .seed = seed,
			.impair = { WAY, WAY },
			.size = { SIZE, SIZE / 8 },
			.mangle = on_delay,
			.ctx = &d };
		if (pair_init(&p) < 0 || pair_dial(&p) < 0 || !finish(&p, why, cap))
			return false;
		if (d.bad) {
			snprintf(why, cap, "RTO %u us, SRTT %u us", p.info[0].rto, p.info[0].rtt);
			return false;
		}
		snprintf(figure, sizeof figure, "RTO %u ms at the end", p.info[0].rto / 1000);
	}
	return true;
}

static bool pareto(char *why, size_t cap)
{
	return delays(false, why, cap);
}

static bool delay_steps(char *why, size_t cap)
{
	return delays(true, why, cap);
}

static bool three_copies(char *why, size_t cap)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct pair p = { .seed = seed,
			.impair = { WAY ",reorder=50%,reorder_delay=40ms" },
			.size = { SIZE / 8, SIZE / 16 },
			.copies = 3 };
		if (pair_init(&p) < 0 || pair_dial(&p) < 0 || !finish(&p, why, cap))
			return false;
	}
	return true;
}

/* --- Gone for long --- */

struct gone {
	l4_time time, from; /* from 0: when the first FIN leaves */
	bool way[2];        /* the ways that are gone */
	bool on_fin;
};

static bool on_gone(struct pair *p, int side, const struct l4_frame *f, l4_time now)
{
	struct gone *g = p->ctx;
	uint32_t len;
	const uint8_t *t = pair_tcp(f, &len);
	if (g->on_fin && !g->from && t && (t[13] & 1))
		g->from = now;
	return g->from && now >= g->from && now < g->from + g->time && g->way[side];
}

static bool gone(struct gone g, uint64_t seed, char *why, size_t cap)
{
	struct pair p = { .seed = seed,
		.impair = { WAY, WAY },
		.size = { SIZE / 4, 100000 },
		.tune = patient,
		.drop = on_gone,
		.b_closes_first = seed & 1,
		.ctx = &g };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	pair_run(&p, 30 * L4_SEC, true, why, cap);
	l4_time end = g.from + g.time, before = l4_sim_now(p.s);
	/* one timeout, backed off, at most 60 s, and the rest of the transfer from a window of one;
	 * at the close both ways wait for each other */
	l4_time most = 65 * L4_SEC + (g.on_fin ? 60 * L4_SEC : 0);
	if (end + most > before)
		pair_run(&p, end + most, true, why, cap);
	bool in_time = pair_done(&p) && p.closed[0] && p.closed[1];
	bool ok = finish(&p, why, cap);
	if (ok && !in_time)
		snprintf(why, cap, "not closed %llu s after the path was back",
		    (unsigned long long)(most / L4_SEC));
	return ok && in_time;
}

static bool gone_times(bool fin, l4_time from, char *why, size_t cap)
{
	static const l4_time times[] = { L4_SEC, 10 * L4_SEC, 60 * L4_SEC, 300 * L4_SEC };
	for (int ways = 1; ways <= 3; ways++)
		for (int i = 0; i < 4; i++)
			for (uint64_t seed = 1; seed <= 4; seed++) {
				struct gone g = { .time = times[i],
					.from = from,
					.on_fin = fin,
					.way = { ways & 1, ways & 2 } };
				char inner[200];
				if (!gone(g, seed, inner, sizeof inner)) {
					snprintf(why, cap, "%llu s, ways %d, seed %llu: %s",
					    (unsigned long long)(times[i] / L4_SEC), ways,
					    (unsigned long long)seed, inner);
					return false;
				}
			}
	return true;
}

static bool gone_start(char *why, size_t cap)
{
	return gone_times(false, 1, why, cap);
}

static bool gone_between(char *why, size_t cap)
{
	return gone_times(false, 150 * L4_MSEC, why, cap);
}

static bool gone_close(char *why, size_t cap)
{
	return gone_times(true, 0, why, cap);
}

/* Longer than R2: an error to both users, and nothing is left. */
static bool gone_for_ever(char *why, size_t cap)
{
	struct gone g = {
		.time = 24ull * 3600 * L4_SEC, .from = 150 * L4_MSEC, .way = { true, true }
	};
	struct pair p = { .seed = 1,
		.impair = { WAY, WAY },
		.size = { SIZE, SIZE },
		.drop = on_gone,
		.ctx = &g };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	pair_run(&p, L4_TIME_NEVER, true, why, cap);
	bool ok = p.err[0] == L4_ETIMEDOUT && p.err[1] == L4_ETIMEDOUT && !p.damaged;
	l4_time end = l4_sim_now(p.s);
	snprintf(figure, sizeof figure, "given up after %.0f s", (double)end / 1e9);
	/* RFC 9293 3.8.3: R2 of at least 100 s */
	ok = ok && end > 100 * L4_SEC && end < 3600 * L4_SEC;
	pair_fini(&p);
	return ok;
}

/* --- The peer's window --- */

struct windows {
	int what; /* 0: updates are lost; 1: of one byte; 2: shrinks */
	unsigned lost, small;
};

static bool on_windows(struct pair *p, int side, uint8_t *b, uint32_t len, l4_time now)
{
	struct windows *w = p->ctx;
	uint8_t *t = b + 20;
	bool syn = t[13] & 2;
	uint32_t data = len - 20 - (t[12] >> 4) * 4u;
	uint32_t wnd = (uint32_t)t[14] << 8 | t[15];
	if (side == 0)
		w->small += w->what == 1 && data && data < 100 && now < 20 * L4_SEC;
	else if (w->what == 0 && now >= 60 * L4_SEC && w->lost < 5)
		return w->lost++, false;
	else if (w->what == 1 && !syn && now < 20 * L4_SEC)
		wnd = wnd ? 1 : 0;
	else if (w->what == 2 && !syn && now / (40 * L4_MSEC) % 2)
		wnd = wnd < 2000 ? wnd : 2000; /* far less than before */
	t[14] = (uint8_t)(wnd >> 8);
	t[15] = (uint8_t)wnd;
	memset(t + 16, 0, 2);
	uint16_t c =
	    l4_wire_csum(&p->at[side].addr, &p->at[1 - side].addr, L4_PROTO_TCP, t, len - 20);
	memcpy(t + 16, &c, 2);
	return true;
}

static void no_scale(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.window_scaling = false;
}

static bool windows(int what, char *why, size_t cap)
{
	struct windows w = { .what = what };
	struct pair p = { .seed = 2,
		.impair = { WAY, WAY },
		.size = { what == 1 ? 60000 : SIZE / 4, 0 },
		.mangle = on_windows,
		.tune = no_scale,
		.sums = true,
		.nap = { 0, what ? 0 : 60 * L4_SEC },
		.ctx = &w };
	if (pair_init(&p) < 0 || pair_dial(&p) < 0)
		return false;
	bool ok = finish(&p, why, cap);
	if (what == 0) {
		snprintf(figure, sizeof figure, "%u updates lost", w.lost);
		ok = ok && w.lost == 5;
	} else if (what == 1) {
		/* RFC 9293 3.8.6.2.1: only the override timer sends so little */
		snprintf(figure, sizeof figure, "%u small segments in 20 s, at most 110", w.small);
		ok = ok && w.small <= 110;
	}
	return ok;
}

static bool update_lost(char *why, size_t cap)
{
	return windows(0, why, cap);
}

static bool one_byte(char *why, size_t cap)
{
	return windows(1, why, cap);
}

static bool shrinks(char *why, size_t cap)
{
	return windows(2, why, cap);
}

static void tiny(struct l4_host_config *c, int side)
{
	(void)side;
	c->tcp.rcvbuf_default = c->tcp.rcvbuf_max = c->tcp.rcvbuf_min;
	c->tcp.sndbuf_default = c->tcp.sndbuf_max = c->tcp.sndbuf_min;
}

static bool least_buffers(char *why, size_t cap)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct pair p = { .seed = seed,
			.impair = { WAY ",loss=2%,reorder=5%" },
			.size = { SIZE / 16, SIZE / 32 },
			.tune = tiny };
		if (pair_init(&p) < 0 || pair_dial(&p) < 0 || !finish(&p, why, cap))
			return false;
	}
	return true;
}

static const struct {
	const char *name;
	bool (*run)(char *why, size_t cap);
} rows[] = {
	{ "a's address gone for 30 s", address_back_a },
	{ "b's address gone for 30 s", address_back_b },
	{ "a has another address for ever", address_other_a },
	{ "b has another address for ever", address_other_b },
	{ "ARP answers lost for 10 s at the start", arp_lost_start },
	{ "ARP answers lost for 10 s in between", arp_lost },
	{ "ND answers lost for 10 s at the start", nd_lost_start },
	{ "ND answers lost for 10 s in between", nd_lost },
	{ "b has another Ethernet address, ARP", arp_moves },
	{ "b has another Ethernet address, ND", nd_moves },
	{ "MTU 1500, 1280, 576, 1500, with ICMP", mtu_icmp },
	{ "MTU 1500, 1280, 1500, with ICMPv6", mtu_icmp6 },
	{ "MTU 1500, 1280, 576, 1500, without ICMP", mtu_hole },
	{ "MTU 1500, 1280, 1500, without ICMPv6", mtu_hole6 },
	{ "Pareto delays up to 2 s", pareto },
	{ "delay of 10 ms and 500 ms by turns", delay_steps },
	{ "three copies of each frame, up to a round trip late", three_copies },
	{ "gone for 1, 10, 60, 300 s at the start", gone_start },
	{ "gone for 1, 10, 60, 300 s in between", gone_between },
	{ "gone for 1, 10, 60, 300 s at the close", gone_close },
	{ "gone for ever", gone_for_ever },
	{ "window 0 for 60 s, five updates lost", update_lost },
	{ "window of one byte", one_byte },
	{ "window shrinks again and again", shrinks },
	{ "buffers at the minimum", least_buffers },
};

int main(int argc, char **argv)
{
	int n = 0, bad = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char why[300] = "";
		if (argc > 1 && !strstr(rows[i].name, argv[1]))
			continue;
		*figure = 0;
		bool ok = rows[i].run(why, sizeof why);
		printf("%sok %d - %s%s%s%s%s\n", ok ? "" : "not ", ++n, rows[i].name,
		    *figure ? ": " : "", figure, ok ? "" : ": ", ok ? "" : why);
		fflush(stdout);
		bad += !ok;
	}
	printf("1..%d\n", n);
	return bad != 0;
}
