/* TCP Fast Open (RFC 7413): cookies given as a server, remembered as a client. */
#include "tcp/conn.h"

/* Tells a server what to do with a SYN, and a client how much its SYN may carry.
 *
 * A cookie is SipHash-2-4 of the client's and the server's address: it proves that the client has
 * received at that address before. The hash and the layout of its key are Linux's, so that servers
 * of both kinds behind one address can share a key. */

/* The host's own key, out of its secret. */
void l4_fo_init(struct l4_tcp_stack *ts)
{
	if (ts->cfg.fastopen_key_set) {
		memcpy(ts->key_fo, ts->cfg.fastopen_key, sizeof ts->key_fo);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint8_t m[8] = { 'f', 'a', 's', 't', 'o', 'p', 'e', (uint8_t)i };
		uint64_t h = l4_siphash24(ts->key_cookie, m, sizeof m);
		memcpy(ts->key_fo + (size_t)8 * i, &h, 8);
	}
}

int l4_tcps_set_fastopen_key(struct l4_tcp_stack *ts, l4_ep ep, const uint8_t key[16])
{
	struct l4_tcp *l = l4_tcp_from_ep(ts, ep);
	if (!l)
		return L4_EBADF;
	if (!l->lst)
		return L4_ESTATE;
	l->lst->fo_key_set = key;
	if (key)
		memcpy(l->lst->fo_key, key, sizeof l->lst->fo_key);
	return 0;
}

static void make_cookie(const struct l4_tcp *l, const struct l4_seg *s, uint8_t out[8])
{
	uint8_t m[32];
	const uint8_t *key = l->lst->fo_key_set ? l->lst->fo_key : l->ts->key_fo;
	bool v4 = l4_addr_is_ip4(&s->src.addr);
	size_t skip = v4 ? 12 : 0, n = 16 - skip;
	memcpy(m, s->src.addr.b + skip, n);
	memcpy(m + n, s->dst.addr.b + skip, n);
	uint64_t h = l4_siphash24(key, m, 2 * n);
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(h >> (8 * i));
}

/* RFC 7413 4.2.2. L4_FO_OPEN: the connection is made at once, its data given to the application;
 * L4_FO_COOKIE: an ordinary handshake, whose SYN-ACK carries *cookie; L4_FO_NO: an ordinary one. */
enum l4_fo_answer l4_fo_judge(struct l4_tcp *l, const struct l4_seg *s, struct l4_tcp_opts *cookie)
{
	struct l4_tcp_stack *ts = l->ts;
	const struct l4_tcp_opts *o = &s->h.opts;
	unsigned how = ts->cfg.fastopen;
	uint32_t queue = l->opt_fo_queue;
	uint16_t kind = o->present & (L4_TCPO_FASTOPEN | L4_TCPO_FASTOPEN_EXP);
	if (!queue && how & L4_FASTOPEN_SERVER_ALL)
		queue = l->lst->backlog;
	if (kind && !o->fo_len)
		ts->ctr.fastopen_cookie_reqd++;
	if (!(how & L4_FASTOPEN_SERVER) || !queue || !(kind || s->len))
		return L4_FO_NO;
	if (l->lst->fo_pending >= queue || l->lst->n_accept >= l->lst->backlog) {
		if (!kind || o->fo_len)
			ts->ctr.fastopen_passive_fail++;
		return L4_FO_NO;
	}
	if (s->len && how & L4_FASTOPEN_SERVER_NO_COOKIE)
		return L4_FO_OPEN;
	if (!kind)
		return L4_FO_NO;
	uint8_t good[8];
	make_cookie(l, s, good);
	if (o->fo_len == sizeof good && !memcmp(good, o->fo_cookie, sizeof good))
		return L4_FO_OPEN;
	if (o->fo_len)
		ts->ctr.fastopen_passive_fail++;
	*cookie = (struct l4_tcp_opts){ .present = kind, .fo_len = sizeof good };
	memcpy(cookie->fo_cookie, good, sizeof good);
	return L4_FO_COOKIE;
}

/* What the path and the server's MSS leave after the longest options there are: boxes on the way
 * add to a SYN (RFC 7413 4.1.3.2). */
uint32_t l4_fo_room(const struct l4_tcp *c)
{
	uint32_t hdr = l4_addr_is_ip4(&c->h.remote.addr) ? 40 : 60;
	uint32_t mss = c->path.mtu > hdr ? c->path.mtu - hdr : 0;
	if (c->mss_peer && c->mss_peer < mss)
		mss = c->mss_peer;
	if (c->opt_maxseg && c->opt_maxseg < mss)
		mss = c->opt_maxseg;
	return mss > 40 ? mss - 40 : 0;
}

static struct l4_fo_entry *find(struct l4_tcp_stack *ts, const struct l4_addr *server)
{
	for (uint32_t i = 0; i < L4_FO_CACHE; i++)
		if (ts->fo[i].used && l4_addr_eq(&ts->fo[i].addr, server))
			return &ts->fo[i];
	return NULL;
}

static struct l4_fo_entry *entry(struct l4_tcp_stack *ts, const struct l4_addr *server)
{
	struct l4_fo_entry *e = find(ts, server);
	if (e)
		return e;
	e = &ts->fo[0];
	for (uint32_t i = 0; i < L4_FO_CACHE;
	     i++) { /* a free one, or that not renewed for longest */
		if (!ts->fo[i].used)
			return &ts->fo[i];
		if (ts->fo[i].when < e->when)
			e = &ts->fo[i];
	}
	*e = (struct l4_fo_entry){ .len = 0 };
	return e;
}

/* RFC 7413 4.1.3: the cookie and the MSS; without a cookie, what to try next: the experimental
 * option once, and, where SYNs with it were lost twice in a row, ordinary ones for a while. */
void l4_fo_learn(struct l4_tcp *c, const struct l4_tcp_opts *o, uint32_t ack, l4_time now)
{
	bool kind = o->present & (L4_TCPO_FASTOPEN | L4_TCPO_FASTOPEN_EXP);
	bool cookie = kind && o->fo_len >= 4 && o->fo_len <= 16;
	bool lost = c->syn_retries && !kind && c->fo_syn_data && ack == c->iss + 1;
	struct l4_fo_entry *e = entry(c->ts, &c->h.remote.addr);
	e->used = true;
	e->addr = c->h.remote.addr;
	e->when = now;
	e->mss = o->mss;
	if (c->fo_ask == L4_FO_ASK_NONE)
		return;
	e->losses = lost ? (uint8_t)(e->losses + (e->losses < 10)) : 0;
	/* RFC 7413 4.1.3.1: data that a server does not take is an answer too: it has no use for
	 * this cookie. For some minutes ordinary SYNs; the BSDs do so too when none came */
	bool refused = c->fo_syn_data && !c->syn_retries && ack == c->iss + 1;
	if (!cookie && (refused || (c->ts->cfg.bsd_ways && !e->len)))
		e->losses = 2;
	if (cookie) {
		e->len = o->fo_len;
		memcpy(e->cookie, o->fo_cookie, o->fo_len);
		e->ask = o->present & L4_TCPO_FASTOPEN ? L4_FO_ASK_STD : L4_FO_ASK_EXP;
	} else if (!kind && !c->syn_retries && !c->fo_syn_data && !e->len) {
		e->exp_tried = e->exp_tried || c->fo_ask == L4_FO_ASK_EXP;
		bool std = e->exp_tried || c->ts->cfg.bsd_ways; /* they know no experimental one */
		e->ask = std ? L4_FO_ASK_STD : L4_FO_ASK_EXP;
	}
}

/* Prepares c's SYN to open fast; true when it may carry data. */
bool l4_fo_ask(struct l4_tcp *c, const struct l4_addr *server, l4_time now)
{
	unsigned how = c->ts->cfg.fastopen;
	if (!(how & L4_FASTOPEN_CLIENT))
		return false;
	const struct l4_fo_entry *e = find(c->ts, server);
	if (e && e->mss)
		c->mss_peer = e->mss;
	else if (c->ts->cfg.linux_ways)
		c->mss_peer = UINT16_MAX; /* what the path takes, not RFC 7413's default */
	c->fo_request = true;
	if (how & L4_FASTOPEN_CLIENT_NO_COOKIE) {
		c->fo_ask = L4_FO_ASK_NONE;
		return true;
	}
	if (e && e->losses > 1 && now < e->when + (L4_SEC * 60 << e->losses)) {
		c->fo_request = false;
		return false;
	}
	c->fo_ask = e ? e->ask : L4_FO_ASK_STD;
	if (!e || !e->len)
		return false;
	c->fo_cookie_len = e->len;
	memcpy(c->fo_cookie, e->cookie, e->len);
	return true;
}

void l4_fo_give_up(struct l4_tcp *c, l4_time now)
{
	if (c->syn_retries)
		return;
	c->syn_retries = 1;
	c->send_syn = true;
	c->fo_fail = 2;
	c->ts->ctr.fastopen_active_fail++;
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
}

void l4_fo_settled(struct l4_tcp *c)
{
	struct l4_tcp *l = l4_tcp_from_ep(c->ts, c->fo_listener);
	if (l && l->lst && l->lst->fo_pending)
		l->lst->fo_pending--;
}
