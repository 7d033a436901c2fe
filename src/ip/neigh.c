/* Neighbours: which link address an on-link IP address has. One state machine for ARP (RFC 826,
 * RFC 1122 2.3.2) and NDP (RFC 4861 7.3, appendix C; RFC 7048).
 *
 *   INCOMPLETE   asked by broadcast or multicast, once a second, three times; packets wait
 *   REACHABLE    heard from lately; turns STALE by itself after about 30 s
 *   STALE        usable; the first packet starts DELAY
 *   DELAY        5 s for upper layers to confirm, then PROBE
 *   PROBE        asked by unicast; three times, then INCOMPLETE again
 *   UNREACHABLE  did not answer; packets fail at once until a growing hold-down is over
 *   PERMANENT    set by the user
 *
 * Entries are made by our own questions only, never by what a stranger tells; what is told updates
 * existing entries by the rules of RFC 4861 7.2.5. INCOMPLETE entries may use a quarter of the
 * table, so that a scan cannot push out neighbours in use (RFC 6583). Questions in all are limited
 * too. The entries lie in one array, so that an index names one; tables grow to their limit by
 * doubling. */
#include "ip/ip.h"

#include <string.h>

#define SOLICIT_MAX   3 /* RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define DELAY_FIRST   (5 * L4_SEC)
#define HOLD_MIN      (1 * L4_SEC)
#define HOLD_MAX      (20 * L4_SEC)
#define QUEUE_MAX     64  /* packets waiting for one neighbour: one datagram in fragments */
#define SOLICIT_RATE  500 /* new questions a second, all neighbours */
#define SOLICIT_BURST 300
#define IN_USE        (60 * L4_SEC) /* a neighbour sent to since then is not evicted */

static uint32_t slot_of(
    const struct l4_ip *ip, const struct l4_neigh_table *t, const struct l4_addr *a)
{
	return (uint32_t)l4_ip_hash(ip, a->b, 16) & (t->cap - 1);
}

int l4_neigh_init(struct l4_ip *ip, struct l4_if *ifp)
{
	struct l4_neigh_table *t = &ifp->neigh;
	*t = (struct l4_neigh_table){
		.max = ip->limits.neighbours, .free_head = L4_NEIGH_NONE, .due = L4_TIME_NEVER
	};
	ifp->reachable_ms = 30000;
	ifp->retrans_ms = 1000;
	ifp->reachable_ns = l4_ip_jitter(ip, 0, 15 * L4_SEC, 45 * L4_SEC);
	return L4_OK;
}

void l4_neigh_fini(struct l4_ip *ip, struct l4_if *ifp)
{
	struct l4_neigh_table *t = &ifp->neigh;
	for (uint32_t i = 0; i < t->cap; i++) {
		ip->pending -= t->e[i].q.n;
		l4_pktq_clear(ip, &t->e[i].q, L4_EABORTED);
	}
	l4_mem_free(ip->mem, t->e, t->cap * sizeof(t->e[0]));
	l4_mem_free(ip->mem, t->bucket, t->cap * sizeof(t->bucket[0]));
	*t = (struct l4_neigh_table){ .free_head = L4_NEIGH_NONE, .due = L4_TIME_NEVER };
}

struct l4_neigh *l4_neigh_find(
    const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a)
{
	const struct l4_neigh_table *t = &ifp->neigh;
	if (!t->cap)
		return NULL;
	for (uint32_t i = t->bucket[slot_of(ip, t, a)]; i != L4_NEIGH_NONE; i = t->e[i].next)
		if (l4_addr_eq(&t->e[i].addr, a))
			return &t->e[i];
	return NULL;
}

static void send_queue(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n)
{
	struct l4_pkt *p;
	struct l4_mac to = n->mac;
	while ((p = l4_pktq_pop(&n->q))) {
		ip->pending--;
		(void)l4_if_enqueue_ip(ip, ifp, p, &to);
	}
	ip->env.wake(ip->env.ctx);
}

static void set_state(
    struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, enum l4_neigh_state to, l4_time due)
{
	struct l4_neigh_table *t = &ifp->neigh;
	t->n_incomplete += (to == L4_NEIGH_INCOMPLETE) - (n->state == L4_NEIGH_INCOMPLETE);
	if (n->state != (uint8_t)to)
		l4_ip_trace(ip, L4_TRACE_NEIGH, n->state, to, ifp->index, 0);
	n->state = (uint8_t)to;
	n->due = due;
	if (due != L4_TIME_NEVER && to != L4_NEIGH_REACHABLE && to != L4_NEIGH_UNREACHABLE)
		t->due = l4_time_min(t->due, due);
	if (n->doubted && to != L4_NEIGH_PROBE) { /* what waited may go, unless it is lost */
		n->doubted = false;
		if (to == L4_NEIGH_REACHABLE || to == L4_NEIGH_STALE || to == L4_NEIGH_DELAY)
			send_queue(ip, ifp, n);
	}
}

static void fail_queue(struct l4_ip *ip, struct l4_neigh *n)
{
	ip->pending -= n->q.n;
	l4_pktq_clear(ip, &n->q, L4_EUNREACH);
}

static void unlink_entry(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n)
{
	struct l4_neigh_table *t = &ifp->neigh;
	uint32_t self = (uint32_t)(n - t->e);
	uint32_t *at = &t->bucket[slot_of(ip, t, &n->addr)];
	while (*at != self)
		at = &t->e[*at].next;
	*at = n->next;
	fail_queue(ip, n);
	set_state(ip, ifp, n, L4_NEIGH_FREE, L4_TIME_NEVER);
	n->next = t->free_head;
	t->free_head = self;
	t->n--;
	ip->gen++;
}

static int grow(struct l4_ip *ip, struct l4_neigh_table *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 16;
	uint32_t *bucket = l4_mem_alloc(ip->mem, cap * sizeof(*bucket));
	if (!bucket)
		return L4_ENOMEM;
	struct l4_neigh *e = l4_mem_grow(ip->mem, t->e, t->cap * sizeof(*e), cap * sizeof(*e));
	if (!e) {
		l4_mem_free(ip->mem, bucket, cap * sizeof(*bucket));
		return L4_ENOMEM;
	}
	l4_mem_free(ip->mem, t->bucket, t->cap * sizeof(*bucket));
	uint32_t old = t->cap;
	t->e = e;
	t->bucket = bucket;
	t->cap = cap;
	memset(bucket, 0xff, cap * sizeof(*bucket));
	for (uint32_t i = 0; i < old; i++) {
		if (e[i].state == L4_NEIGH_FREE)
			continue;
		uint32_t *b = &bucket[slot_of(ip, t, &e[i].addr)];
		e[i].next = *b;
		*b = i;
	}
	for (uint32_t i = cap; i-- > old;) {
		e[i].next = t->free_head;
		t->free_head = i;
	}
	return L4_OK;
}

/* The entry that is missed least: the longest unused of those that nobody uses now. */
static struct l4_neigh *victim(struct l4_neigh_table *t, bool incomplete_only, l4_time now)
{
	struct l4_neigh *v = NULL;
	for (uint32_t i = 0; i < t->cap; i++) {
		struct l4_neigh *n = &t->e[i];
		if (n->state == L4_NEIGH_FREE || n->state == L4_NEIGH_PERMANENT)
			continue;
		if (incomplete_only && n->state != L4_NEIGH_INCOMPLETE)
			continue;
		bool weak = n->state == L4_NEIGH_INCOMPLETE || n->state == L4_NEIGH_UNREACHABLE;
		if (!weak && now - n->used < IN_USE)
			continue;
		if (!v || n->used < v->used)
			v = n;
	}
	return v;
}

static struct l4_neigh *make(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now)
{
	struct l4_neigh_table *t = &ifp->neigh;
	uint32_t incomplete_max = t->max / 4 > 4 ? t->max / 4 : 4;
	if (t->n_incomplete >= incomplete_max || t->n >= t->max) {
		struct l4_neigh *v = victim(t, t->n_incomplete >= incomplete_max, now);
		if (!v)
			return NULL;
		unlink_entry(ip, ifp, v);
	}
	if (t->free_head == L4_NEIGH_NONE && grow(ip, t) < 0)
		return NULL;
	uint32_t i = t->free_head;
	struct l4_neigh *n = &t->e[i];
	t->free_head = n->next;
	uint32_t *b = &t->bucket[slot_of(ip, t, a)];
	*n = (struct l4_neigh){ .addr = *a, .next = *b, .due = L4_TIME_NEVER, .used = now };
	*b = i;
	t->n++;
	return n;
}

static void ask(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, bool unicast, l4_time now)
{
	struct l4_addr src = n->src;
	if (l4_addr_is_any(&src) || !l4_if_addr(ifp, &src))
		if (l4_ip_source(ip, ifp, &n->addr, &src) < 0)
			src = (struct l4_addr){ { 0 } };
	n->probes++;
	n->asked = now;
	if (l4_addr_is_ip4(&n->addr)) {
		if (!l4_addr_is_ip4(&src))
			src = l4_addr_from_ip4((const uint8_t[4]){ 0, 0, 0, 0 });
		l4_arp_request(ip, ifp, &src, &n->addr, unicast ? &n->mac : NULL);
	} else if (!l4_addr_is_any(&src)) {
		l4_ndp_solicit(ip, ifp, &src, &n->addr, unicast ? &n->mac : NULL, NULL);
	}
}

static l4_time retrans(const struct l4_if *ifp)
{
	return ifp->retrans_ms * L4_MSEC;
}

/* Begins resolution. RFC 1122 2.3.2.1: at most one question a second for a destination. */
static void resolve(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	n->probes = 0;
	l4_time soonest = n->asked ? n->asked + retrans(ifp) : 0;
	if (soonest > now) {
		set_state(ip, ifp, n, L4_NEIGH_INCOMPLETE, soonest);
		return;
	}
	set_state(ip, ifp, n, L4_NEIGH_INCOMPLETE, now + retrans(ifp));
	ask(ip, ifp, n, false, now);
}

static void become_reachable(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	bool was_dead = n->state == L4_NEIGH_UNREACHABLE;
	n->fails = n->probes = 0;
	set_state(ip, ifp, n, L4_NEIGH_REACHABLE, now + ifp->reachable_ns);
	if (was_dead)
		ip->gen++; /* routes by it are good again */
}

static void give_up(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	l4_time hold = HOLD_MIN << (n->fails < 5 ? n->fails : 5);
	if (n->fails < 255)
		n->fails++;
	set_state(
	    ip, ifp, n, L4_NEIGH_UNREACHABLE, l4_time_add(now, hold < HOLD_MAX ? hold : HOLD_MAX));
	ip->gen++; /* another router may do (RFC 1122 3.3.1.5) */
	fail_queue(ip, n);
	ip->env.wake(ip->env.ctx);
}

int l4_neigh_touch(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	n->used = now;
	if (n->state == L4_NEIGH_REACHABLE && now >= n->due)
		set_state(ip, ifp, n, L4_NEIGH_STALE, L4_TIME_NEVER);
	switch ((enum l4_neigh_state)n->state) {
	case L4_NEIGH_STALE:
		n->probes = 0;
		set_state(ip, ifp, n, L4_NEIGH_DELAY, now + DELAY_FIRST);
		return 1;
	case L4_NEIGH_REACHABLE:
	case L4_NEIGH_DELAY:
	case L4_NEIGH_PERMANENT:
		return 1;
	case L4_NEIGH_PROBE:
		return !n->doubted;
	case L4_NEIGH_UNREACHABLE:
		if (now < n->due)
			return L4_EUNREACH;
		resolve(ip, ifp, n, now);
		return 0;
	case L4_NEIGH_INCOMPLETE:
	case L4_NEIGH_FREE:
		break;
	}
	return 0;
}

int l4_neigh_use(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_addr *src, struct l4_neigh **out, l4_time now)
{
	struct l4_neigh *n = l4_neigh_find(ip, ifp, a);
	if (!n) {
		if (!l4_bucket_take(&ip->solicit, SOLICIT_RATE, SOLICIT_BURST, now))
			return L4_ELIMIT;
		n = make(ip, ifp, a, now);
		if (!n) {
			l4_ip_drop(ip, L4_DROP_NDP_LIMIT, ifp->index, 0);
			return L4_ELIMIT;
		}
		n->src = *src;
		resolve(ip, ifp, n, now);
	}
	*out = n;
	return l4_neigh_touch(ip, ifp, n, now);
}

int l4_neigh_output(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *next,
    const struct l4_addr *src, struct l4_pkt *p, l4_time now)
{
	struct l4_neigh *n = NULL;
	int rc = l4_neigh_use(ip, ifp, next, src, &n, now);
	if (rc < 0) {
		l4_pkt_free(ip, p, 0); /* the caller learns of it by rc */
		return rc;
	}
	if (rc > 0)
		return l4_if_enqueue_ip(ip, ifp, p, &n->mac);
	/* RFC 1122 2.3.2.2: keep the latest; the oldest goes first. */
	if (n->q.n >= QUEUE_MAX || ip->pending >= ip->limits.queue_frames) {
		struct l4_pkt *old = l4_pktq_pop(&n->q);
		if (!old) {
			l4_pkt_free(ip, p, 0);
			return L4_EAGAIN;
		}
		ip->pending--;
		l4_pkt_free(ip, old, 0);
	}
	l4_pktq_push(&n->q, p);
	ip->pending++;
	return L4_OK;
}

void l4_neigh_confirm(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	if (n->state == L4_NEIGH_REACHABLE) {
		n->due = now + ifp->reachable_ns;
		return;
	}
	if (n->state == L4_NEIGH_STALE || n->state == L4_NEIGH_DELAY || n->state == L4_NEIGH_PROBE)
		become_reachable(ip, ifp, n, now);
}

/* An upper layer doubts it (RFC 1122 3.3.1.4, RFC 4861 7.3.1): it is probed at once, without the
 * time that is given to confirm, and packets wait for the answer, so that they leave as soon as it
 * is found where it is now. */
void l4_neigh_suspect(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	if (n->state != L4_NEIGH_REACHABLE && n->state != L4_NEIGH_STALE &&
	    n->state != L4_NEIGH_DELAY)
		return;
	n->probes = 0;
	n->doubted = true;
	set_state(ip, ifp, n, L4_NEIGH_PROBE, now + retrans(ifp));
	ask(ip, ifp, n, true, now);
}

static bool asked_lately(const struct l4_if *ifp, const struct l4_neigh *n, l4_time now)
{
	return n->asked && now - n->asked < SOLICIT_MAX * retrans(ifp);
}

void l4_neigh_on_advert(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n,
    const struct l4_mac *mac, bool solicited, bool override_, bool guard, l4_time now)
{
	if (n->state == L4_NEIGH_PERMANENT || n->state == L4_NEIGH_FREE)
		return;
	if (n->state == L4_NEIGH_REACHABLE && now >= n->due)
		set_state(ip, ifp, n, L4_NEIGH_STALE, L4_TIME_NEVER);
	/* Solicited is what they say; only a question of ours makes it true. */
	solicited = solicited && asked_lately(ifp, n, now);
	if (n->state == L4_NEIGH_INCOMPLETE || n->state == L4_NEIGH_UNREACHABLE) {
		if (!mac) /* 7.2.5: without link address it says nothing */
			return;
		n->mac = *mac;
		if (solicited)
			become_reachable(ip, ifp, n, now);
		else
			set_state(ip, ifp, n, L4_NEIGH_STALE, L4_TIME_NEVER);
		ip->gen++;
		send_queue(ip, ifp, n);
		return;
	}
	bool differs = mac && !l4_mac_eq(mac, &n->mac);
	if (differs && guard && n->state != L4_NEIGH_STALE) {
		/* Someone else claims a neighbour that was confirmed: ask the old one first. If it
		 * is gone, resolution starts anew and takes what answers. */
		if (n->state == L4_NEIGH_REACHABLE || n->state == L4_NEIGH_DELAY) {
			n->probes = 0;
			set_state(ip, ifp, n, L4_NEIGH_PROBE, now + retrans(ifp));
			ask(ip, ifp, n, true, now);
		}
		return;
	}
	if (differs && !override_) { /* 7.2.5 I */
		if (n->state == L4_NEIGH_REACHABLE)
			set_state(ip, ifp, n, L4_NEIGH_STALE, L4_TIME_NEVER);
		return;
	}
	if (differs)
		n->mac = *mac;
	if (solicited)
		become_reachable(ip, ifp, n, now);
	else if (differs)
		set_state(ip, ifp, n, L4_NEIGH_STALE, L4_TIME_NEVER);
}

void l4_neigh_on_sender(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_mac *mac, bool guard, l4_time now)
{
	struct l4_neigh *n = l4_neigh_find(ip, ifp, a);
	if (!n)
		return;
	if (n->state == L4_NEIGH_INCOMPLETE || !l4_mac_eq(mac, &n->mac))
		l4_neigh_on_advert(ip, ifp, n, mac, false, true, guard, now);
}

int l4_neigh_set_permanent(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_mac *mac, l4_time now)
{
	struct l4_neigh *n = l4_neigh_find(ip, ifp, a);
	if (!n)
		n = make(ip, ifp, a, now);
	if (!n)
		return L4_ELIMIT;
	n->mac = *mac;
	set_state(ip, ifp, n, L4_NEIGH_PERMANENT, L4_TIME_NEVER);
	ip->gen++;
	send_queue(ip, ifp, n);
	return L4_OK;
}

static void on_due(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now)
{
	switch ((enum l4_neigh_state)n->state) {
	case L4_NEIGH_INCOMPLETE:
		if (n->probes >= SOLICIT_MAX) {
			give_up(ip, ifp, n, now);
			return;
		}
		set_state(ip, ifp, n, L4_NEIGH_INCOMPLETE, now + retrans(ifp));
		ask(ip, ifp, n, false, now);
		return;
	case L4_NEIGH_DELAY:
		n->probes = 0;
		set_state(ip, ifp, n, L4_NEIGH_PROBE, now + retrans(ifp));
		ask(ip, ifp, n, true, now);
		return;
	case L4_NEIGH_PROBE:
		if (n->probes >= SOLICIT_MAX) { /* perhaps it has another link address now */
			resolve(ip, ifp, n, now);
			return;
		}
		set_state(ip, ifp, n, L4_NEIGH_PROBE, now + retrans(ifp));
		ask(ip, ifp, n, true, now);
		return;
	case L4_NEIGH_FREE:
	case L4_NEIGH_REACHABLE:
	case L4_NEIGH_STALE:
	case L4_NEIGH_UNREACHABLE:
	case L4_NEIGH_PERMANENT:
		return;
	}
}

void l4_neigh_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	struct l4_neigh_table *t = &ifp->neigh;
	t->due = L4_TIME_NEVER;
	for (uint32_t i = 0; i < t->cap; i++) {
		struct l4_neigh *n = &t->e[i];
		if (n->state != L4_NEIGH_INCOMPLETE && n->state != L4_NEIGH_DELAY &&
		    n->state != L4_NEIGH_PROBE)
			continue;
		if (n->due <= now)
			on_due(ip, ifp, n, now);
		else
			t->due = l4_time_min(t->due, n->due);
	}
}

void l4_neigh_flush(struct l4_ip *ip, struct l4_if *ifp)
{
	struct l4_neigh_table *t = &ifp->neigh;
	for (uint32_t i = 0; i < t->cap; i++)
		if (t->e[i].state != L4_NEIGH_FREE && t->e[i].state != L4_NEIGH_PERMANENT)
			unlink_entry(ip, ifp, &t->e[i]);
}
