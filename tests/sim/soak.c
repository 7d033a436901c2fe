/* Simulated hosts, random impairments, transfers both ways: soak [--seed N] [--seeds A..B]
 * [--verbose] [--twice] [--pcap FILE].
 *
 * Everything comes from the seed: the link (rate, queue, delay, jitter, loss, bursts, reordering,
 * duplication, corruption, a blackout), MTU, medium, IP version, offloads, what TCP may do, how
 * many connections there are, how much each side sends, in what bites, and how it reads. Every byte
 * must arrive in place, every stream must end as it was ended, and every invariant of both hosts
 * must hold after each step, while other connections between the same hosts abort, close early,
 * shut down, shrink buffers, and send urgent bytes as they like. Some lend their memory, some read
 * in place, some open fast. What fails is printed with the command that replays it. --twice runs
 * each seed a second time and compares all frames; --pcap writes those of the last one. Exit 0: all
 * passed, 1: one failed. */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/loop.h>
#include <layer4/sim.h>

#define CONNS_MAX  6
#define TIME_LIMIT (4 * 3600 * L4_SEC) /* virtual */
#define PORT       7000

/* One end of one connection. */
struct side {
	struct world *w;
	struct l4_host *h;
	l4_ep ep;
	uint64_t key; /* of the bytes it sends */
	uint64_t peer_key;
	uint64_t total, sent;
	uint64_t expect, got;
	l4_time nap;   /* between reads of a slow reader; 0: reads at once */
	uint32_t bite; /* most bytes per call */
	uint64_t rng;
	bool asleep, fin, eof, done;
	bool lends;    /* sends its own memory (zero copy) */
	bool in_place; /* reads lent bytes */
	bool fastopen; /* connects with its first bytes */
	int conn, which;
	struct loan *loans; /* memory lent to the connection, newest first */
	uint64_t n_loans;
};

/* Bytes that a connection sends out of our memory. */
struct loan {
	struct loan *next;
	uint64_t token;
	size_t len;
	uint8_t bytes[];
};

struct world {
	struct l4_sim *sim;
	struct l4_host *h[2];
	struct side side[CONNS_MAX][2];
	int n;
	struct l4_endpoint server;
	l4_ep listener;
	struct wild *wild; /* connections that nobody can rely on */
	uint64_t rng;
	uint64_t digest; /* of every frame and its time */
	uint64_t frames;
	bool failed;
	char why[300];
	char story[700]; /* what this seed is about */
};

static bool verbose;
static const char *pcap_path;
static struct l4_pcap *pcap;

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t draw(uint64_t *s)
{
	return mix(*s += UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t below(uint64_t *s, uint64_t n)
{
	return draw(s) % n;
}

static bool one_in(uint64_t *s, unsigned n)
{
	return below(s, n) == 0;
}

/* From lo to hi, each power of two as likely as the next. */
static uint64_t log_between(uint64_t *s, uint64_t lo, uint64_t hi)
{
	unsigned span = 0;
	while (lo << (span + 1) <= hi)
		span++;
	uint64_t v = lo << below(s, span + 1);
	v += below(s, v);
	return v > hi ? hi : v;
}

static uint8_t byte_at(uint64_t key, uint64_t i)
{
	return (uint8_t)(mix(key + i / 8) >> (i % 8 * 8));
}

static void failure(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void failure(struct world *w, const char *fmt, ...)
{
	va_list ap;
	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof w->why, fmt, ap);
	va_end(ap);
	l4_sim_stop(w->sim);
}

static void broken(struct side *s, const char *call, int64_t e)
{
	failure(s->w,
	    "connection %d, %s: %s: %s (sent %" PRIu64 "/%" PRIu64 ", got %" PRIu64 "/%" PRIu64 ")",
	    s->conn, s->which ? "server" : "client", call, l4_err_text((int)e), s->sent, s->total,
	    s->got, s->expect);
}

/* --- The application --- */

/* Lends n bytes; returns what the call said. */
static int64_t lend(struct side *s, uint64_t n, int flags, l4_time now)
{
	struct loan *l = malloc(sizeof *l + n);
	if (!l)
		abort();
	for (uint64_t i = 0; i < n; i++)
		l->bytes[i] = byte_at(s->key, s->sent + i);
	l->len = n;
	l->token = ++s->n_loans;
	int64_t e = l4_tcp_send_zc(s->h, s->ep, l->bytes, n, flags, l->token, now);
	if (e != (int64_t)n) {
		free(l);
		return e == L4_EAGAIN || e < 0 ? e : L4_ESTATE;
	}
	l->next = s->loans;
	s->loans = l;
	return e;
}

/* Memory comes back: spoilt first, so that a late look at it is seen. */
static void give_back(struct side *s, uint64_t token)
{
	struct loan **at = &s->loans;
	while (*at) {
		struct loan *l = *at;
		if (l->token > token) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		memset(l->bytes, 0xdd, l->len);
		free(l);
	}
}

static void finish_sending(struct side *s, l4_time now)
{
	if (s->fin)
		return;
	s->fin = true;
	int e = l4_tcp_shutdown(s->h, s->ep, now);
	if (e < 0)
		broken(s, "shutdown", e);
}

static void put_bytes(struct side *s, l4_time now)
{
	uint8_t buf[65536];
	while (s->sent < s->total) {
		uint64_t n = 1 + below(&s->rng, s->bite);
		n = n > sizeof buf ? sizeof buf : n;
		n = n > s->total - s->sent ? s->total - s->sent : n;
		for (uint64_t i = 0; i < n; i++)
			buf[i] = byte_at(s->key, s->sent + i);
		int flags = one_in(&s->rng, 8) && s->sent + n < s->total ? L4_SEND_MORE : 0;
		int64_t e = s->lends && one_in(&s->rng, 2)
				? lend(s, n, flags, now)
				: l4_tcp_send(s->h, s->ep, buf, n, flags, now);
		if (e == L4_EAGAIN)
			return;
		if (e <= 0 || e > (int64_t)n) {
			broken(s, "send", e);
			return;
		}
		s->sent += (uint64_t)e;
	}
	finish_sending(s, now);
}

/* Compares what came; false when it is not what was sent. */
static bool judge(struct side *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++, s->got++)
		if (s->got >= s->expect || p[i] != byte_at(s->peer_key, s->got)) {
			broken(s, "wrong byte", 0);
			return false;
		}
	return true;
}

/* Reads up to n bytes; as l4_tcp_recv. */
static int64_t get_some(struct side *s, uint64_t n, l4_time now)
{
	uint8_t buf[65536];
	struct l4_piece p[2];
	if (!s->in_place) {
		int64_t e = l4_tcp_recv(s->h, s->ep, buf, n > sizeof buf ? sizeof buf : n, 0, now);
		return e > 0 && !judge(s, buf, (size_t)e) ? L4_ESTATE : e;
	}
	int k = l4_tcp_peek(s->h, s->ep, p);
	if (k <= 0)
		return k;
	size_t took = 0;
	for (int i = 0; i < k && took < n; i++) {
		size_t len = p[i].len < n - took ? p[i].len : (size_t)(n - took);
		if (!judge(s, p[i].data, len))
			return L4_ESTATE;
		took += len;
	}
	int e = l4_tcp_consume(s->h, s->ep, took, now);
	return e < 0 ? e : (int64_t)took;
}

static void wake(void *ctx, l4_time now);

static void get_bytes(struct side *s, l4_time now)
{
	while (!s->eof && !s->asleep && !s->w->failed) {
		int64_t e = get_some(s, 1 + below(&s->rng, s->bite), now);
		if (e == L4_EAGAIN)
			return;
		if (e < 0) {
			broken(s, "recv", e);
			return;
		}
		if (e == 0) {
			s->eof = true;
			if (s->got != s->expect)
				broken(s, "stream ends early", 0);
			return;
		}
		if (s->nap && one_in(&s->rng, 4)) {
			s->asleep = true;
			l4_sim_at(s->w->sim, now + 1 + below(&s->rng, s->nap), wake, s);
		}
	}
}

static void pump(struct side *s, l4_time now)
{
	if (s->done || s->ep <= 0 || s->w->failed)
		return;
	get_bytes(s, now);
	if (!s->w->failed)
		put_bytes(s, now);
	if (s->w->failed || !s->eof || !s->fin)
		return;
	s->done = true;
	int e = l4_tcp_close(s->h, s->ep, now);
	if (e < 0)
		broken(s, "close", e);
	for (int i = 0; i < s->w->n; i++)
		if (!s->w->side[i][0].done || !s->w->side[i][1].done)
			return;
	l4_sim_stop(s->w->sim);
}

static void wake(void *ctx, l4_time now)
{
	struct side *s = ctx;
	s->asleep = false;
	pump(s, now);
}

/* --- Connections that come and go as they like: what they do to the others is nothing --- */

#define WILD_MAX 4

struct wild {
	struct world *w;
	l4_ep ep[2]; /* client, server */
	uint64_t rng;
	int left; /* things to do */
};

static void wild_step(void *ctx, l4_time now)
{
	static const uint8_t junk[5000];
	uint8_t buf[3000];
	struct wild *d = ctx;
	int k = (int)below(&d->rng, 2);
	struct l4_host *h = d->w->h[k];
	if (d->left-- <= 0)
		return;
	if (d->ep[0] <= 0) {
		d->ep[0] = l4_tcp_new(d->w->h[0], NULL);
		l4_tcp_connect(d->w->h[0], d->ep[0], &d->w->server, now);
	} else if (d->ep[k] > 0) {
		switch (below(&d->rng, 12)) {
		case 0:
			l4_tcp_abort(h, d->ep[k], now);
			d->ep[k] = k ? -1 : 0;
			break;
		case 1: /* with bytes unread this resets */
			l4_tcp_close(h, d->ep[k], now);
			d->ep[k] = k ? -1 : 0;
			break;
		case 2:
			l4_tcp_shutdown(h, d->ep[k], now);
			break;
		case 3:
			l4_tcp_shutdown_recv(h, d->ep[k], now);
			break;
		case 4:
			l4_tcp_send(h, d->ep[k], junk, 1 + below(&d->rng, 10), L4_SEND_URGENT, now);
			break;
		case 5:
			l4_tcp_set(h, d->ep[k], L4_TCPOPT_LINGER, one_in(&d->rng, 2) ? 0 : -1, now);
			break;
		case 6:
			l4_tcp_set(
			    h, d->ep[k], L4_TCPOPT_RCVBUF, (int64_t)below(&d->rng, 100000), now);
			break;
		case 7:
			l4_tcp_set(h, d->ep[k], L4_TCPOPT_CORK, one_in(&d->rng, 2), now);
			break;
		case 8:
			l4_tcp_set(h, d->ep[k], L4_TCPOPT_KEEPALIVE, 1, now);
			l4_tcp_set(h, d->ep[k], L4_TCPOPT_KEEPIDLE, (int64_t)L4_SEC, now);
			break;
		case 9:
			l4_tcp_recv(h, d->ep[k], buf, sizeof buf, 0, now);
			break;
		default:
			l4_tcp_send(h, d->ep[k], junk, 1 + below(&d->rng, sizeof junk), 0, now);
			break;
		}
	}
	l4_sim_at(d->w->sim, now + log_between(&d->rng, 1000, L4_SEC), wild_step, d);
}

/* A connection that no side made: a wild one's? */
static bool take_wild(struct world *w, l4_ep ep, uint16_t port)
{
	struct l4_endpoint local;
	for (int i = 0; i < WILD_MAX; i++) {
		struct wild *d = &w->wild[i];
		if (d->ep[0] > 0 && d->ep[1] <= 0 && l4_tcp_local(w->h[0], d->ep[0], &local) == 0 &&
		    local.port == port) {
			d->ep[1] = ep;
			return true;
		}
	}
	return false;
}

static void take_connections(struct world *w, l4_time now)
{
	struct l4_endpoint remote, local;
	l4_ep ep;
	while ((ep = l4_tcp_accept(w->h[1], w->listener, &remote, NULL, now)) > 0) {
		struct side *s = NULL;
		for (int i = 0; i < w->n; i++)
			if (w->side[i][0].ep > 0 && !w->side[i][1].ep &&
			    l4_tcp_local(w->h[0], w->side[i][0].ep, &local) == 0 &&
			    local.port == remote.port)
				s = &w->side[i][1];
		if (!s) { /* a wild one, perhaps given up by its client already */
			if (!take_wild(w, ep, remote.port))
				l4_tcp_abort(w->h[1], ep, now);
			continue;
		}
		s->ep = ep;
		pump(s, now);
	}
	if (ep != L4_EAGAIN)
		failure(w, "accept: %s", l4_err_text((int)ep));
}

static void on_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct world *w = ctx;
	if (h == w->h[1] && e->ep == w->listener) {
		take_connections(w, now);
		return;
	}
	for (int i = 0; i < w->n; i++)
		for (int k = 0; k < 2; k++) {
			struct side *s = &w->side[i][k];
			if (s->h != h || s->ep != e->ep || s->done)
				continue;
			if (e->bits & L4_EV_ZC_DONE)
				give_back(s, e->token);
			if (e->bits & L4_EV_ERROR)
				broken(s, "event", e->err);
			else
				pump(s, now);
		}
}

static void on_frame(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
    const struct l4_frame *f, l4_time now)
{
	struct world *w = ctx;
	(void)ifindex;
	if (pcap) /* an interface a host, with what it sends and what it gets */
		l4_pcap_frame(pcap, h == w->h[1], sent, f, now);
	if (!sent)
		return;
	uint64_t d = w->digest ^ mix(now + (h == w->h[1]));
	for (uint32_t i = 0; i < f->n_pieces; i++) {
		const uint8_t *p = f->pieces[i].data;
		for (size_t k = 0; k < f->pieces[i].len; k++)
			d = (d ^ p[k]) * UINT64_C(0x100000001b3);
	}
	w->digest = d;
	w->frames++;
}

static void connect_one(void *ctx, l4_time now)
{
	struct side *s = ctx;
	s->ep = l4_tcp_new(s->h, NULL);
	if (s->ep < 0) {
		failure(s->w, "new: %s", l4_err_text((int)s->ep));
		return;
	}
	if (one_in(&s->rng, 3))
		l4_tcp_set(s->h, s->ep, L4_TCPOPT_NODELAY, 1, now);
	if (s->fastopen && s->total) {
		uint8_t first[1000];
		size_t n = s->total < sizeof first ? (size_t)s->total : sizeof first;
		for (size_t i = 0; i < n; i++)
			first[i] = byte_at(s->key, i);
		int64_t k =
		    l4_tcp_sendto(s->h, s->ep, &s->w->server, first, n, L4_SEND_FASTOPEN, now);
		if (k > 0)
			s->sent = (uint64_t)k;
		else if (k != L4_EAGAIN)
			broken(s, "sendto", k);
		return;
	}
	int e = l4_tcp_connect(s->h, s->ep, &s->w->server, now);
	if (e < 0)
		broken(s, "connect", e);
}

/* --- The world of a seed --- */

static struct l4_impair draw_impair(uint64_t *r, uint32_t mtu_from, uint32_t mtu)
{
	struct l4_impair i = { 0 };
	if (one_in(r, 10) && mtu > mtu_from)
		i.mtu = (uint32_t)(mtu_from + below(r, mtu - mtu_from)); /* a black hole */
	if (!one_in(r, 4))
		i.rate_bytes_per_s = log_between(r, 16384, 128 << 20);
	if (one_in(r, 2))
		i.queue_bytes = log_between(r, 4096, 1 << 20);
	if (!one_in(r, 6))
		i.delay = log_between(r, L4_USEC, 300 * L4_MSEC);
	if (one_in(r, 2))
		i.jitter = below(r, 1 + i.delay / 2);
	if (one_in(r, 2))
		i.loss = (double)below(r, 100) / 1000;
	if (one_in(r, 5)) {
		i.burst_loss = (double)below(r, 50) / 1000;
		i.burst_len = 1 + (double)below(r, 3); /* thirty in a row must not happen */
	}
	if (one_in(r, 2)) {
		i.reorder = (double)below(r, 200) / 1000;
		i.reorder_delay = log_between(r, 1000, 50 * L4_MSEC);
	}
	if (one_in(r, 3))
		i.duplicate = (double)below(r, 100) / 1000;
	if (one_in(r, 3))
		i.corrupt = (double)below(r, 30) / 1000;
	if (one_in(r, 6)) {
		i.blackout_from = below(r, 5 * L4_SEC);
		i.blackout_to = i.blackout_from + below(r, 8 * L4_SEC);
	}
	if (i.rate_bytes_per_s && one_in(r, 2))
		i.ecn_threshold_bytes = log_between(r, 2000, 200000);
	return i;
}

static struct l4_host_config draw_config(uint64_t *r)
{
	static const char *const cc[] = { "cubic", "reno", "cubic", "bbr" };
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.tcp.sack = !one_in(r, 6);
	c.tcp.timestamps = !one_in(r, 5);
	c.tcp.window_scaling = !one_in(r, 6);
	c.tcp.ecn = (uint8_t)below(r, 5);
	c.tcp.rack = !one_in(r, 5);
	c.tcp.early_tlp = !one_in(r, 5);
	c.tcp.frto = !one_in(r, 5);
	c.tcp.dsack = !one_in(r, 5);
	c.tcp.pacing = one_in(r, 5);
	c.tcp.hystart = !one_in(r, 5);
	c.tcp.autocorking = one_in(r, 5);
	c.tcp.fastopen = (uint8_t)below(r, 4);
	c.tcp.moderate_rcvbuf = !one_in(r, 5);
	snprintf(c.tcp.congestion, sizeof c.tcp.congestion, "%s", cc[below(r, 4)]);
	if (one_in(r, 4))
		c.tcp.rcvbuf_default = (uint32_t)log_between(r, 4096, 1 << 20);
	if (one_in(r, 4))
		c.tcp.sndbuf_default = (uint32_t)log_between(r, 4096, 1 << 20);
	if (one_in(r, 8))
		c.limits.buffer_bytes = log_between(r, 1 << 19, 4 << 20);
	/* A blackout or a bad link must not end a connection that would have come through. */
	c.tcp.retries2 = 30;
	c.tcp.syn_retries = 20;
	c.tcp.synack_retries = 20;
	c.tcp.orphan_retries = 20;
	return c;
}

static void tell(struct world *w, bool v6, const struct l4_link_config *c)
{
	int n = snprintf(w->story, sizeof w->story, "%s %s mtu %u%s%s, %d connections",
	    v6 ? "v6" : "v4", c->medium == L4_MEDIUM_IP ? "ip" : "eth", c->mtu,
	    c->tso ? " tso" : "", c->gro ? " gro" : "", w->n);
	for (int i = 0; i < 2 && n < (int)sizeof w->story; i++) {
		const struct l4_impair *m = &c->to[i];
		n += snprintf(w->story + n, sizeof w->story - (size_t)n,
		    ";\n  rate %" PRIu64 " queue %" PRIu64
		    " delay %.3g ms jitter %.3g ms loss %.3g burst "
		    "%.3g/%.0f reorder %.3g/%.3g ms dup %.3g corrupt %.3g blackout %.3g..%.3g s "
		    "ecn %" PRIu64 " mtu %u",
		    m->rate_bytes_per_s, m->queue_bytes, (double)m->delay / 1e6,
		    (double)m->jitter / 1e6, m->loss, m->burst_loss, m->burst_len, m->reorder,
		    (double)m->reorder_delay / 1e6, m->duplicate, m->corrupt,
		    (double)m->blackout_from / 1e9, (double)m->blackout_to / 1e9,
		    m->ecn_threshold_bytes, m->mtu);
	}
}

static void plan_transfers(struct world *w, const struct l4_link_config *c)
{
	uint64_t *r = &w->rng, slowest = UINT64_MAX;
	for (int i = 0; i < 2; i++)
		if (c->to[i].rate_bytes_per_s && c->to[i].rate_bytes_per_s < slowest)
			slowest = c->to[i].rate_bytes_per_s;
	uint64_t most = slowest < 200000 ? 100000 : 1 << 20;
	w->n = 1 + (int)below(r, CONNS_MAX);
	for (int i = 0; i < w->n; i++) {
		uint64_t key = draw(r);
		for (int k = 0; k < 2; k++) {
			struct side *s = &w->side[i][k];
			s->w = w;
			s->h = w->h[k];
			s->conn = i;
			s->which = k;
			s->rng = draw(r);
			s->total = one_in(r, 8) ? 0 : log_between(r, 1, most);
			s->lends = one_in(r, 4);
			s->in_place = one_in(r, 3);
			s->fastopen = one_in(r, 4);
			s->nap = one_in(r, 5) ? log_between(r, L4_MSEC, 300 * L4_MSEC) : 0;
			s->key = key + (uint64_t)k * 1000003;
			s->peer_key = key + (uint64_t)(1 - k) * 1000003;
		}
		uint64_t more = 0;
		for (int k = 0; k < 2; k++) {
			w->side[i][k].expect = w->side[i][1 - k].total;
			more = w->side[i][k].total > more ? w->side[i][k].total : more;
		}
		for (int k = 0; k < 2; k++)
			w->side[i][k].bite =
			    (uint32_t)log_between(r, more > 50000 ? 512 : 1, 65536);
		l4_sim_at(w->sim, one_in(r, 2) ? 0 : below(r, L4_SEC), connect_one, &w->side[i][0]);
	}
}

static int build_world(struct world *w, uint64_t seed)
{
	struct l4_link_config lc = { 0 };
	int ifx[2];
	w->rng = mix(seed + 1);
	uint64_t *r = &w->rng;
	bool v6 = one_in(r, 2);
	lc.medium = one_in(r, 4) ? L4_MEDIUM_IP : L4_MEDIUM_ETHERNET;
	lc.mtu = (uint32_t)log_between(r, v6 ? 1280 : 576, 9000);
	lc.tso = one_in(r, 2);
	lc.gro = one_in(r, 2);
	lc.to[0] = draw_impair(r, v6 ? 1280 : 576, lc.mtu);
	lc.to[1] = one_in(r, 2) ? lc.to[0] : draw_impair(r, v6 ? 1280 : 576, lc.mtu);
	if (l4_sim_new(&w->sim, seed) < 0)
		return -1;
	l4_sim_on_frame(w->sim, on_frame, w);
	if (pcap_path) {
		if (l4_pcap_open(&pcap, pcap_path, 0, w->why, sizeof w->why) < 0)
			return -1;
		l4_pcap_add_iface(pcap, "client", lc.medium);
		l4_pcap_add_iface(pcap, "server", lc.medium);
	}
	for (int i = 0; i < 2; i++) {
		struct l4_host_config c = draw_config(r);
		int e = l4_sim_add_host(w->sim, &w->h[i], &c);
		if (e < 0) {
			snprintf(w->why, sizeof w->why, "host: %s", l4_err_text(e));
			return -1;
		}
		l4_sim_on_event(w->sim, w->h[i], on_event, w);
	}
	if (l4_sim_connect(w->sim, w->h[0], w->h[1], &lc, NULL, ifx) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		struct l4_prefix p;
		char text[40];
		snprintf(text, sizeof text, v6 ? "2001:db8::%d/64" : "192.0.2.%d/24", i + 1);
		if (l4_prefix_parse(&p, text) < 0 ||
		    l4_host_add_address(w->h[i], (unsigned)ifx[i], &p, 0) < 0) {
			snprintf(w->why, sizeof w->why, "address %s", text);
			return -1;
		}
		w->server.addr = p.addr;
	}
	w->server.port = PORT;
	w->listener = l4_tcp_new(w->h[1], NULL);
	if (w->listener < 0 || l4_tcp_bind(w->h[1], w->listener, &w->server) < 0 ||
	    l4_tcp_listen(w->h[1], w->listener, 16, 0) < 0) {
		snprintf(w->why, sizeof w->why, "listen failed");
		return -1;
	}
	if (one_in(r, 3))
		l4_tcp_set(w->h[1], w->listener, L4_TCPOPT_FASTOPEN, 8, 0);
	plan_transfers(w, &lc);
	w->wild = calloc(WILD_MAX, sizeof *w->wild);
	if (!w->wild)
		abort();
	for (int i = 0; i < WILD_MAX; i++) {
		w->wild[i] = (struct wild){ .w = w, .rng = draw(r), .left = (int)below(r, 60) };
		l4_sim_at(w->sim, below(r, 3 * L4_SEC), wild_step, &w->wild[i]);
	}
	tell(w, v6, &lc);
	return 0;
}

/* Whether the seed passes. digest gets that of all frames. */
static bool run_seed(uint64_t seed, uint64_t *digest)
{
	struct world *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	int e = build_world(w, seed);
	if (e < 0)
		w->failed = true;
	if (!w->failed && l4_sim_run(w->sim, TIME_LIMIT, true) < 0)
		failure(w, "%s", l4_sim_what(w->sim));
	for (int i = 0; i < w->n && !w->failed; i++)
		for (int k = 0; k < 2; k++)
			if (!w->side[i][k].done)
				broken(&w->side[i][k],
				    w->side[i][k].ep ? "not over in time" : "never accepted", 0);
	l4_time over = w->sim ? l4_sim_now(w->sim) : 0;
	/* After the last close: what is left of the connections goes away by itself. */
	if (!w->failed && l4_sim_run(w->sim, over + 300 * L4_SEC, true) < 0)
		failure(w, "%s", l4_sim_what(w->sim));
	if (w->failed || verbose) {
		printf("seed %" PRIu64 ": %s; %.3f s and %" PRIu64 " frames\n  %s\n", seed,
		    w->failed ? w->why : "passed", (double)over / 1e9, w->frames, w->story);
		if (w->failed)
			printf("  replay: tests/sim/soak --seed %" PRIu64 " --verbose\n", seed);
		fflush(stdout);
	}
	*digest = w->digest;
	bool ok = !w->failed;
	l4_sim_free(w->sim);
	l4_pcap_close(pcap);
	pcap = NULL;
	for (int i = 0; i < CONNS_MAX; i++)
		for (int k = 0; k < 2; k++)
			give_back(&w->side[i][k], UINT64_MAX);
	free(w->wild);
	free(w);
	return ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'r' }, { "verbose", no_argument, NULL, 'v' },
		{ "twice", no_argument, NULL, '2' }, { "pcap", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 } };
	uint64_t from = 1, to = 60, bad = 0, digest = 0, again = 0;
	bool twice = false;
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *end = NULL;
		if (c == 's') {
			from = to = strtoull(optarg, &end, 10);
		} else if (c == 'r') {
			from = to = strtoull(optarg, &end, 10);
			if (!strncmp(end, "..", 2))
				to = strtoull(end + 2, &end, 10);
		} else if (c == 'v') {
			verbose = true;
		} else if (c == 'p') {
			pcap_path = optarg;
		} else if (c == '2') {
			twice = true;
		}
		if (c == '?' || (end && *end)) {
			fprintf(stderr,
			    "usage: soak [--seed N | --seeds A..B] [--verbose] [--twice]"
			    " [--pcap FILE]\n");
			return 2;
		}
	}
	for (uint64_t seed = from; seed <= to; seed++) {
		bool ok = run_seed(seed, &digest);
		if (ok && twice && (!run_seed(seed, &again) || again != digest)) {
			printf("seed %" PRIu64 ": another run of it sent other frames\n", seed);
			ok = false;
		}
		bad += !ok;
	}
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", to - from + 1 - bad, bad);
	return bad != 0;
}
