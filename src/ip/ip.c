/* The IP layer's own life: creation, packets, drops, deadlines.
 *
 * Timers are few and coarse here, so there is no wheel: each part keeps the earliest time at which
 * one of its entries has something to do (never too late, perhaps too early) and walks its entries
 * only then. */
#include "ip/ip.h"

#include <stdio.h>

void l4_pktq_push(struct l4_pktq *q, struct l4_pkt *p)
{
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->n++;
}

struct l4_pkt *l4_pktq_pop(struct l4_pktq *q)
{
	struct l4_pkt *p = q->head;
	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	q->n--;
	p->next = NULL;
	return p;
}

struct l4_pkt *l4_pkt_new(struct l4_ip *ip, uint32_t headroom, uint32_t len)
{
	uint32_t size = (uint32_t)sizeof(struct l4_pkt) + headroom + len;
	struct l4_pkt *p = l4_mem_alloc(ip->mem, size);
	if (!p)
		return NULL;
	*p = (struct l4_pkt){ .size = size, .off = headroom, .len = len };
	return p;
}

void l4_pkt_free(struct l4_ip *ip, struct l4_pkt *p, int err)
{
	if (!p)
		return;
	if (p->ep)
		ip->env.pkt_done(ip->env.ctx, p->ep, p->size, err);
	l4_mem_free(ip->mem, p, p->size);
}

void l4_pktq_clear(struct l4_ip *ip, struct l4_pktq *q, int err)
{
	struct l4_pkt *p;
	while ((p = l4_pktq_pop(q)))
		l4_pkt_free(ip, p, err);
}

void l4_ip_drop(struct l4_ip *ip, enum l4_drop why, unsigned ifindex, uint32_t len)
{
	ip->c->drops[why]++;
	if (!ip->trace.event)
		return;
	struct l4_trace_event e = { .time = ip->now,
		.kind = L4_TRACE_DROP,
		.reason = (uint16_t)why,
		.v = { ifindex, len, 0, 0 } };
	ip->trace.event(ip->trace.ctx, &e);
}

void l4_ip_trace(struct l4_ip *ip, unsigned kind, int64_t v0, int64_t v1, int64_t v2, int64_t v3)
{
	if (!ip->trace.event)
		return;
	struct l4_trace_event e = {
		.time = ip->now, .kind = (uint16_t)kind, .v = { v0, v1, v2, v3 }
	};
	ip->trace.event(ip->trace.ctx, &e);
}

uint64_t l4_ip_hash(const struct l4_ip *ip, const void *data, size_t len)
{
	return l4_siphash13(ip->key, data, len);
}

l4_time l4_ip_jitter(struct l4_ip *ip, l4_time now, l4_time low, l4_time high)
{
	return l4_time_add(now, low + (high > low ? l4_rng_below(ip->rng, high - low) : 0));
}

bool l4_bucket_take(struct l4_bucket *b, uint32_t rate, uint32_t burst, l4_time now)
{
	uint64_t full = (uint64_t)burst * 1000;
	if (b->tokens > full)
		b->tokens = (uint32_t)full;
	if (now > b->at) {
		l4_time past = now - b->at;
		/* thousandths of a token: past in us times rate a second, over 1000 */
		uint64_t add = past >= 3600 * L4_SEC ? full : past / 1000 * rate / 1000;
		if (add) {
			b->tokens = (uint32_t)(b->tokens + add > full ? full : b->tokens + add);
			b->at = now;
		}
	}
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

int l4_ip_init(struct l4_ip *ip, const struct l4_ip_env *env, struct l4_mem *mem,
    struct l4_rng *rng, struct l4_host_counters *c, const struct l4_host_config *conf)
{
	*ip = (struct l4_ip){ .env = *env, .mem = mem, .rng = rng, .c = c };
	ip->trace = conf->trace;
	ip->limits = conf->limits;
	ip->ttl = conf->ttl ? conf->ttl : 64;
	ip->icmp_echo = conf->icmp_echo;
	ip->icmp_echo_groups = conf->icmp_echo_groups;
	ip->icmp_redirects = conf->icmp_redirects;
	ip->forwarder = conf->forwarder;
	ip->icmp_rate = conf->icmp_rate;
	ip->now = conf->now;
	ip->route_due = ip->pmtu_due = L4_TIME_NEVER;
	ip->gen = 1;
	ip->loop_if.up = true;
	ip->loop_if.mtu = ip->loop_if.mtu6 = L4_IP_MTU_MAX;
	ip->ifs[0] = &ip->loop_if;
	l4_rng_bytes(rng, ip->key, sizeof(ip->key));
	l4_rng_bytes(rng, ip->key_id, sizeof(ip->key_id));
	l4_rng_bytes(rng, ip->key_iid, sizeof(ip->key_iid));
	l4_rng_bytes(rng, ip->key_flow, sizeof(ip->key_flow));
	l4_rng_bytes(rng, ip->key_limit, sizeof(ip->key_limit));
	ip->icmp_all.at = ip->solicit.at = conf->now;
	ip->icmp_all.tokens = 50 * 1000;
	ip->solicit.tokens = UINT32_MAX;
	for (unsigned i = 0; i < L4_LIMIT_SLOTS; i++)
		ip->icmp_dst[i] = (struct l4_bucket){ .at = conf->now, .tokens = UINT32_MAX };
	ip->ids = l4_mem_alloc(mem, L4_IDS * sizeof(ip->ids[0]));
	if (!ip->ids)
		return L4_ENOMEM;
	l4_rng_bytes(rng, ip->ids, L4_IDS * sizeof(ip->ids[0]));
	return l4_reass_new(ip);
}

static void free_if(struct l4_ip *ip, struct l4_if *ifp)
{
	l4_dhcp_stop(ip, ifp);
	l4_ra_stop(ip, ifp);
	l4_pktq_clear(ip, &ifp->out, L4_EABORTED);
	l4_neigh_fini(ip, ifp);
	l4_group_free_all(ip, ifp);
	l4_mem_free(ip->mem, ifp->addrs, ifp->cap_addrs * sizeof(ifp->addrs[0]));
	l4_mem_free(ip->mem, ifp, sizeof(*ifp));
}

void l4_ip_fini(struct l4_ip *ip)
{
	for (unsigned i = 1; i <= ip->n_ifs; i++)
		free_if(ip, ip->ifs[i]);
	l4_pktq_clear(ip, &ip->lo, L4_EABORTED);
	l4_pktq_clear(ip, &ip->spent, 0);
	l4_reass_free(ip);
	if (ip->local)
		l4_mem_free(ip->mem, ip->local, (ip->local_mask + 1) * sizeof(ip->local[0]));
	l4_mem_free(ip->mem, ip->routes, ip->cap_routes * sizeof(ip->routes[0]));
	l4_mem_free(ip->mem, ip->pmtu, L4_PMTU_SETS * L4_PMTU_WAYS * sizeof(ip->pmtu[0]));
	l4_mem_free(ip->mem, ip->ids, L4_IDS * sizeof(ip->ids[0]));
}

l4_time l4_ip_deadline(const struct l4_ip *ip)
{
	l4_time t = l4_time_min(ip->route_due, ip->pmtu_due);
	if (ip->lo.n)
		return ip->now;
	if (ip->reass)
		t = l4_time_min(t, l4_reass_deadline(ip));
	for (unsigned i = 1; i <= ip->n_ifs; i++) {
		const struct l4_if *ifp = ip->ifs[i];
		t = l4_time_min(t, ifp->neigh.due);
		if (!ifp->up)
			continue;
		t = l4_time_min(t, ifp->addr_due);
		t = l4_time_min(t, ifp->group_due);
		if (ifp->ra)
			t = l4_time_min(t, l4_ra_deadline(ifp));
		if (ifp->dhcp)
			t = l4_time_min(t, l4_dhcp_deadline(ifp));
	}
	return t;
}

void l4_ip_tick(struct l4_ip *ip, l4_time now)
{
	if (now >= ip->route_due)
		l4_route_tick(ip, now);
	if (now >= ip->pmtu_due)
		l4_pmtu_tick(ip, now);
	if (now >= l4_reass_deadline(ip))
		l4_reass_tick(ip, now);
	for (unsigned i = 1; i <= ip->n_ifs; i++) {
		struct l4_if *ifp = ip->ifs[i];
		if (now >= ifp->neigh.due)
			l4_neigh_tick(ip, ifp, now);
		if (!ifp->up)
			continue;
		if (now >= ifp->addr_due)
			l4_ip_addr_tick(ip, ifp, now);
		if (now >= ifp->group_due)
			l4_group_tick(ip, ifp, now);
		if (now >= l4_ra_deadline(ifp))
			l4_ra_tick(ip, ifp, now);
		if (now >= l4_dhcp_deadline(ifp))
			l4_dhcp_tick(ip, ifp, now);
	}
}

static int broken(char *what, size_t cap, const char *text, unsigned i)
{
	if (cap)
		(void)snprintf(what, cap, "ip: %s (%u)", text, i);
	return L4_ESTATE;
}

static int check_queue(const struct l4_pktq *q)
{
	uint32_t n = 0;
	const struct l4_pkt *last = NULL;
	for (const struct l4_pkt *p = q->head; p; p = p->next) {
		last = p;
		n++;
		if (sizeof(*p) + p->off + p->len > p->size || p->hdr_len > p->len)
			return L4_ESTATE;
	}
	return n == q->n && last == q->tail ? 0 : L4_ESTATE;
}

static int check_neighbours(const struct l4_neigh_table *t, uint32_t *pending)
{
	uint32_t used = 0, incomplete = 0, chained = 0;
	for (uint32_t i = 0; i < t->cap; i++) {
		const struct l4_neigh *n = &t->e[i];
		if (n->state == L4_NEIGH_FREE) {
			if (n->q.n)
				return L4_ESTATE;
			continue;
		}
		used++;
		incomplete += n->state == L4_NEIGH_INCOMPLETE;
		*pending += n->q.n;
		if (check_queue(&n->q))
			return L4_ESTATE;
		if (n->due < t->due && n->state != L4_NEIGH_REACHABLE &&
		    n->state != L4_NEIGH_UNREACHABLE && n->state != L4_NEIGH_PERMANENT &&
		    n->state != L4_NEIGH_STALE)
			return L4_ESTATE;
	}
	for (uint32_t b = 0; b < t->cap; b++)
		for (uint32_t i = t->bucket[b]; i != L4_NEIGH_NONE; i = t->e[i].next)
			if (++chained > used)
				return L4_ESTATE;
	if (used != t->n || incomplete != t->n_incomplete || chained != used || used > t->max)
		return L4_ESTATE;
	return 0;
}

int l4_ip_check(const struct l4_ip *ip, char *what, size_t cap)
{
	uint32_t pending = 0;
	for (unsigned i = 1; i <= ip->n_ifs; i++) {
		const struct l4_if *ifp = ip->ifs[i];
		if (check_queue(&ifp->out))
			return broken(what, cap, "interface queue", i);
		if (ifp->out.n > ip->limits.queue_frames)
			return broken(what, cap, "interface queue beyond its limit", i);
		if (ifp->eth && check_neighbours(&ifp->neigh, &pending))
			return broken(what, cap, "neighbours", i);
		if (ifp->n_addrs > ip->limits.addresses)
			return broken(what, cap, "addresses beyond their limit", i);
	}
	if (pending != ip->pending)
		return broken(what, cap, "count of pending packets", pending);
	if (check_queue(&ip->lo) || check_queue(&ip->spent))
		return broken(what, cap, "loopback or spent queue", 0);
	for (uint32_t i = 1; i < ip->n_routes; i++)
		if (ip->routes[i - 1].dst.len < ip->routes[i].dst.len)
			return broken(what, cap, "order of routes", i);
	if (l4_reass_bytes(ip) > ip->limits.fragment_bytes)
		return broken(what, cap, "fragments beyond their budget", 0);
	return 0;
}
