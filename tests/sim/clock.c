/* The embedder's clock under a connection: it begins anywhere, jumps ahead by an hour, falls back
 * by an hour, stands still for a minute (a host that was suspended). Two hosts with a clock each
 * and a path of 20 ms that loses 1 %; each millisecond of the path both are served, as a program
 * does that wakes up now and then. The contract (host.h, tcp.h): times do not run backwards,
 * earlier ones count as the latest seen, late calls only cost time. So the connection lives, every
 * byte arrives, and the invariants hold; a host whose clock fell back waits with its timers until
 * the clock has caught up, but answers at once. TAP output. */
#include <layer4/host.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELAY 20 /* ms */
#define TOTAL 3000000u
#define SLOTS 4096u

struct held {
	uint8_t *b;
	uint32_t len, due;
};

struct side {
	struct l4_host *h;
	unsigned ifx;
	l4_time offset;       /* of its clock from the path's */
	uint32_t asleep_till; /* ms of the path */
	struct held q[SLOTS]; /* on the way to it */
	uint32_t head, n;
	l4_ep ep, listener;
	uint64_t sent, got;
	bool damaged, eof, fin, closed;
	int err;
};

struct jump {
	const char *name;
	l4_time start;     /* of both clocks */
	int side;          /* whose clock jumps */
	int64_t ahead_s;   /* by so much */
	uint32_t asleep;   /* ms that it is not served */
	uint32_t at, most; /* ms of the path: when; until when all is to be done */
};

static const struct jump rows[] = {
	{ .name = "from 0", .start = 0, .most = 60000 },
	{ .name = "across 2^32 ms", .start = ((l4_time)1 << 32) * L4_MSEC - L4_SEC, .most = 60000 },
	{ .name = "across 2^31 ms", .start = ((l4_time)1 << 31) * L4_MSEC - L4_SEC, .most = 60000 },
	{ .name = "across 2^32 us", .start = ((l4_time)1 << 32) * L4_USEC - L4_SEC, .most = 60000 },
	{ .name = "across 2^63 ns", .start = ((l4_time)1 << 63) - L4_SEC, .most = 60000 },
	{ .name = "the sender an hour ahead", .ahead_s = 3600, .at = 300, .most = 60000 },
	{ .name = "the receiver an hour ahead",
	    .side = 1,
	    .ahead_s = 3600,
	    .at = 300,
	    .most = 60000 },
	{ .name = "the sender an hour back",
	    .start = 7200 * L4_SEC,
	    .ahead_s = -3600,
	    .at = 300,
	    .most = 3800000 },
	{ .name = "the receiver an hour back",
	    .start = 7200 * L4_SEC,
	    .side = 1,
	    .ahead_s = -3600,
	    .at = 300,
	    .most = 3800000 },
	{ .name = "the sender 5 s back",
	    .start = 7200 * L4_SEC,
	    .ahead_s = -5,
	    .at = 300,
	    .most = 90000 },
	{ .name = "the sender suspended for 60 s", .asleep = 60000, .at = 300, .most = 180000 },
	{ .name = "the receiver suspended for 60 s",
	    .side = 1,
	    .asleep = 60000,
	    .at = 300,
	    .most = 180000 },
	{ .name = "the sender suspended, its clock too",
	    .asleep = 60000,
	    .ahead_s = -60,
	    .at = 300,
	    .start = 7200 * L4_SEC,
	    .most = 180000 },
};

static struct side s[2];
static uint32_t rnd, ms;

static bool lost(void)
{
	rnd = rnd * 1664525u + 1013904223u;
	return (rnd >> 8) % 100 == 0;
}

static uint8_t byte_at(int side, uint64_t off)
{
	return (uint8_t)((off * 2654435761u >> 9) + (unsigned)side * 77);
}

static l4_time clock_of(const struct side *x)
{
	return x->offset + ms * L4_MSEC;
}

static void move(int i, l4_time now)
{
	struct side *x = &s[i];
	struct l4_event e[8];
	uint8_t buf[4096];
	size_t k;
	while ((k = l4_host_events(x->h, e, 8)) > 0)
		for (size_t j = 0; j < k; j++) {
			if (e[j].ep == x->listener && !x->ep) {
				l4_ep ep = l4_tcp_accept(x->h, x->listener, NULL, NULL, now);
				x->ep = ep > 0 ? ep : 0;
			}
			if (e[j].bits & L4_EV_ERROR)
				x->err = e[j].err ? e[j].err : L4_ERESET;
		}
	if (!x->ep || x->closed || x->err)
		return;
	int64_t n;
	while ((n = l4_tcp_recv(x->h, x->ep, buf, sizeof buf, 0, now)) > 0)
		for (int64_t j = 0; j < n; j++)
			x->damaged |= buf[j] != byte_at(1 - i, x->got++);
	x->eof = n == 0;
	while (x->sent < TOTAL) {
		uint32_t want = TOTAL - (uint32_t)x->sent;
		want = want < sizeof buf ? want : (uint32_t)sizeof buf;
		for (uint32_t j = 0; j < want; j++)
			buf[j] = byte_at(i, x->sent + j);
		n = l4_tcp_send(x->h, x->ep, buf, want, 0, now);
		if (n <= 0)
			break;
		x->sent += (uint64_t)n;
	}
	if (x->sent == TOTAL && !x->fin)
		x->fin = l4_tcp_shutdown(x->h, x->ep, now) == 0;
	if (x->fin && x->eof) {
		l4_tcp_close(x->h, x->ep, now);
		x->closed = true;
	}
}

/* What the host has to send goes on its way. */
static void drain(int i, l4_time now)
{
	static struct l4_tx_frame f[16];
	size_t n;
	while ((n = l4_host_tx(s[i].h, s[i].ifx, f, 16, now)) > 0)
		for (size_t k = 0; k < n; k++) {
			struct side *to = &s[1 - i];
			if (to->n == SLOTS || (ms > 200 && lost()))
				continue;
			struct held *q = &to->q[(to->head + to->n++) % SLOTS];
			*q = (struct held){ malloc(f[k].f.len), f[k].f.len, ms + DELAY };
			uint32_t at = 0;
			for (uint32_t j = 0; j < f[k].f.n_pieces; j++) {
				memcpy(q->b + at, f[k].f.pieces[j].data, f[k].f.pieces[j].len);
				at += (uint32_t)f[k].f.pieces[j].len;
			}
		}
}

static void serve(int i)
{
	struct side *x = &s[i];
	l4_time now = clock_of(x);
	if (ms < x->asleep_till)
		return;
	while (x->n && x->q[x->head].due <= ms) {
		struct held *q = &x->q[x->head];
		struct l4_piece p = { q->b, q->len };
		struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = q->len, .time = now };
		l4_host_rx(x->h, x->ifx, &f, 1, now);
		free(q->b);
		x->head = (x->head + 1) % SLOTS;
		x->n--;
	}
	if (l4_host_deadline(x->h) <= now)
		l4_host_tick(x->h, now);
	move(i, now);
	drain(i, now);
}

static bool set_up(const struct jump *j)
{
	struct l4_endpoint at = { .port = 80 };
	memset(s, 0, sizeof s);
	rnd = 5;
	ms = 0;
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c;
		struct l4_iface_config ic = { .name = "if0" };
		struct l4_prefix p;
		l4_host_config_init(&c);
		c.has_seed = true;
		memset(c.seed, 3 + i, sizeof c.seed);
		s[i].offset = c.now = j->start;
		ic.caps.medium = L4_MEDIUM_IP;
		ic.caps.mtu = 1500;
		if (l4_host_new(&s[i].h, &c) < 0)
			return false;
		s[i].ifx = (unsigned)l4_host_add_iface(s[i].h, &ic, c.now);
		l4_prefix_parse(&p, i ? "192.0.2.2/24" : "192.0.2.1/24");
		l4_host_add_address(s[i].h, s[i].ifx, &p, c.now);
		at.addr = p.addr;
	}
	s[1].listener = l4_tcp_new(s[1].h, NULL);
	l4_tcp_bind(s[1].h, s[1].listener, &at);
	l4_tcp_listen(s[1].h, s[1].listener, 4, j->start);
	s[0].ep = l4_tcp_new(s[0].h, NULL);
	return l4_tcp_connect(s[0].h, s[0].ep, &at, j->start) == 0;
}

static bool run(const struct jump *j, char *why, size_t cap)
{
	if (!set_up(j))
		return false;
	bool ok = true;
	while (ms < j->most && ok && !(s[0].closed && s[1].closed) && !s[0].err && !s[1].err) {
		ms++;
		struct side *x = &s[j->side];
		if (j->at && ms == j->at) {
			x->offset += (l4_time)j->ahead_s * L4_SEC;
			x->asleep_till = ms + j->asleep;
		}
		for (int i = 0; i < 2 && ok; i++) {
			serve(i);
			ok = l4_host_check(s[i].h, why, cap) == 0;
		}
		/* both wait for a clock to catch up: so may we */
		if (!s[0].n && !s[1].n && ms % 1000 == 0 && ms > j->at + 5000 &&
		    j->most > 1000000) {
			l4_time rest[2];
			for (int i = 0; i < 2; i++) {
				l4_time due = l4_host_deadline(s[i].h), now = clock_of(&s[i]);
				rest[i] = due <= now ? 0 : due - now;
			}
			l4_time least = rest[0] < rest[1] ? rest[0] : rest[1];
			if (least < 4000 * L4_SEC)
				ms += (uint32_t)(least / L4_MSEC);
		}
	}
	if (ok && (s[0].err || s[1].err || s[0].damaged || s[1].damaged || s[0].got != TOTAL ||
		      s[1].got != TOTAL || !s[0].closed || !s[1].closed)) {
		snprintf(why, cap, "errors %d and %d, %llu and %llu of %u bytes%s", s[0].err,
		    s[1].err, (unsigned long long)s[0].got, (unsigned long long)s[1].got, TOTAL,
		    s[0].damaged || s[1].damaged ? ", changed" : "");
		ok = false;
	}
	for (int i = 0; i < 2; i++) {
		l4_host_free(s[i].h);
		for (; s[i].n; s[i].n--, s[i].head = (s[i].head + 1) % SLOTS)
			free(s[i].q[s[i].head].b);
	}
	return ok;
}

int main(void)
{
	int bad = 0, n = 0;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char why[200] = "";
		bool ok = run(&rows[i], why, sizeof why);
		printf("%sok %d - clock %s: done after %.1f s%s%s\n", ok ? "" : "not ", ++n,
		    rows[i].name, ms / 1e3, ok ? "" : ": ", why);
		fflush(stdout);
		bad += !ok;
	}
	printf("1..%d\n", n);
	return bad != 0;
}
