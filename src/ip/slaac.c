/* Router advertisements: default routers, prefixes, addresses, MTU, DNS servers (RFC 4861 6.3, 4862
 * 5.5, 4191, 7217, 7559, 8106).
 *
 * Addresses formed are stable and opaque (RFC 7217). Everything learned is bounded: routers,
 * prefixes and servers have small tables, lifetimes that an unauthenticated advertisement would cut
 * short obey the two-hour rule, an MTU below 1280 or above the link's is not believed. */
#include "ip/ip.h"

#include <string.h>

#define RS_INTERVAL     (4 * L4_SEC) /* RFC 7559 2: IRT 4 s, doubling, MRT 3600 s */
#define RS_INTERVAL_MAX (3600 * L4_SEC)
#define RS_DELAY        (1 * L4_SEC) /* RFC 4861 10: MAX_RTR_SOLICITATION_DELAY */
#define TWO_HOURS       (7200 * L4_SEC)
#define FOREVER_S       0xffffffffu
#define ROUTERS_MAX     8
#define PREFIXES_MAX    16
#define ADDRESSES_MAX   8 /* formed by SLAAC on one interface */

struct l4_ra {
	l4_time rs_due;
	l4_time rs_interval;
};

static const struct l4_addr all_routers = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 } };

static l4_time lifetime(uint32_t seconds, l4_time now)
{
	return seconds == FOREVER_S ? L4_TIME_NEVER : l4_time_add(now, seconds * L4_SEC);
}

int l4_ra_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	if (!ifp->ra)
		ifp->ra = l4_mem_zalloc(ip->mem, sizeof(*ifp->ra));
	if (!ifp->ra)
		return L4_ENOMEM;
	ifp->ra->rs_interval = RS_INTERVAL;
	ifp->ra->rs_due = l4_ip_jitter(ip, now, 0, RS_DELAY);
	return L4_OK;
}

void l4_ra_stop(struct l4_ip *ip, struct l4_if *ifp)
{
	l4_mem_free(ip->mem, ifp->ra, sizeof(*ifp->ra));
	ifp->ra = NULL;
}

l4_time l4_ra_deadline(const struct l4_if *ifp)
{
	return ifp->ra ? ifp->ra->rs_due : L4_TIME_NEVER;
}

static const struct l4_ifaddr *link_local(const struct l4_if *ifp)
{
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		if (!l4_addr_is_ip4(&a->prefix.addr) && l4_addr_is_link_local(&a->prefix.addr) &&
		    (a->state == L4_ADDR_PREFERRED || a->state == L4_ADDR_DEPRECATED))
			return a;
	}
	return NULL;
}

void l4_ra_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	struct l4_ra *ra = ifp->ra;
	static const struct l4_addr any;
	const struct l4_ifaddr *ll = link_local(ifp);
	struct l4_ndp_msg m = { .type = L4_ICMP6_RS };
	if (ll) {
		m.present = L4_NDPO_SLLA;
		m.slla = ifp->mac;
	}
	l4_ndp_send(ip, ifp, &m, ll ? &ll->prefix.addr : &any, &all_routers, NULL);
	ra->rs_due = l4_ip_jitter(ip, now, ra->rs_interval - ra->rs_interval / 10,
	    ra->rs_interval + ra->rs_interval / 10);
	ra->rs_interval = l4_time_min(ra->rs_interval * 2, RS_INTERVAL_MAX);
}

/* ---- DNS servers ---------------------------------------------------------------------------- */

void l4_ip_dns_add(struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex, l4_time until)
{
	const unsigned max = sizeof(ip->dns) / sizeof(ip->dns[0]);
	unsigned i = 0;
	while (i < ip->n_dns && !l4_addr_eq(&ip->dns[i], a))
		i++;
	if (i == max || l4_addr_is_any(a) || l4_addr_is_multicast(a))
		return;
	if (i == ip->n_dns)
		ip->n_dns++;
	ip->dns[i] = *a;
	ip->dns_info[i].until = until;
	ip->dns_info[i].ifindex = (uint16_t)ifindex;
}

static void dns_remove(struct l4_ip *ip, unsigned i)
{
	ip->n_dns--;
	memmove(&ip->dns[i], &ip->dns[i + 1], (ip->n_dns - i) * sizeof(ip->dns[0]));
	memmove(&ip->dns_info[i], &ip->dns_info[i + 1], (ip->n_dns - i) * sizeof(ip->dns_info[0]));
}

void l4_ip_dns_del(struct l4_ip *ip, unsigned ifindex, bool ip4)
{
	for (unsigned i = 0; i < ip->n_dns;)
		if (ip->dns_info[i].ifindex == ifindex && l4_addr_is_ip4(&ip->dns[i]) == ip4)
			dns_remove(ip, i);
		else
			i++;
}

static void learn_dns(
    struct l4_ip *ip, const struct l4_if *ifp, const struct l4_ndp_msg *m, l4_time now)
{
	for (unsigned i = 0; i < ip->n_dns;) /* what has run out meanwhile */
		if (ip->dns_info[i].until <= now)
			dns_remove(ip, i);
		else
			i++;
	for (unsigned i = 0; i < m->dns_n; i++) {
		if (m->dns_life_s) {
			l4_ip_dns_add(ip, &m->dns[i], ifp->index, lifetime(m->dns_life_s, now));
			continue;
		}
		for (unsigned k = 0; k < ip->n_dns; k++) /* RFC 8106 5.1: 0 takes it back */
			if (l4_addr_eq(&ip->dns[k], &m->dns[i]))
				dns_remove(ip, k--);
	}
}

/* ---- Routers and prefixes ------------------------------------------------------------------- */

static unsigned count_routes(const struct l4_ip *ip, const struct l4_if *ifp, bool with_gw)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route *r = &ip->routes[i];
		n += r->origin == L4_ROUTE_RA && r->ifindex == ifp->index && r->has_gw == with_gw;
	}
	return n;
}

static bool has_route(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_prefix *p,
    const struct l4_addr *gw)
{
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route *r = &ip->routes[i];
		if (r->origin == L4_ROUTE_RA && r->ifindex == ifp->index && r->dst.len == p->len &&
		    l4_addr_eq(&r->gw, gw) && l4_prefix_has(p, &r->dst.addr))
			return true;
	}
	return false;
}

void l4_ra_router_gone(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a)
{
	static const struct l4_prefix all;
	(void)l4_route_del(ip, &all, a, ifp->index, L4_ROUTE_RA);
}

static void learn_router(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *router,
    const struct l4_ndp_msg *m, l4_time now)
{
	static const struct l4_prefix all;
	/* RFC 4191 2.1: 01 high, 00 medium, 11 low, 10 reserved: medium. */
	static const uint32_t metric[4] = { 1024, 512, 1024, 2048 };
	if (m->router_life_s == 0) {
		l4_ra_router_gone(ip, ifp, router);
		return;
	}
	if (!has_route(ip, ifp, &all, router) && count_routes(ip, ifp, true) >= ROUTERS_MAX) {
		l4_ip_drop(ip, L4_DROP_NDP_LIMIT, ifp->index, 0);
		return;
	}
	struct l4_route r = { .gw = *router,
		.ifindex = ifp->index,
		.origin = L4_ROUTE_RA,
		.metric = metric[m->pref & 3],
		.until = now + m->router_life_s * L4_SEC };
	(void)l4_route_add(ip, &r);
}

/* RFC 4861 6.3.4 */
static void learn_on_link(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_ndp_prefix *p, l4_time now)
{
	static const struct l4_addr none;
	struct l4_route r = { .dst = p->prefix,
		.ifindex = ifp->index,
		.origin = L4_ROUTE_RA,
		.until = lifetime(p->valid_s, now) };
	if (p->valid_s == 0) {
		(void)l4_route_del(ip, &p->prefix, &none, ifp->index, L4_ROUTE_RA);
		return;
	}
	if (!has_route(ip, ifp, &p->prefix, &none) &&
	    count_routes(ip, ifp, false) >= PREFIXES_MAX) {
		l4_ip_drop(ip, L4_DROP_NDP_LIMIT, ifp->index, 0);
		return;
	}
	(void)l4_route_add(ip, &r);
}

static struct l4_ifaddr *formed_from(struct l4_if *ifp, const struct l4_prefix *p, unsigned *n)
{
	struct l4_ifaddr *found = NULL;
	*n = 0;
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		struct l4_ifaddr *a = &ifp->addrs[i];
		if (a->origin != L4_ORIGIN_SLAAC)
			continue;
		++*n;
		if (l4_prefix_has(p, &a->prefix.addr))
			found = a;
	}
	return found;
}

/* RFC 4862 5.5.3 */
static void form_address(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_ndp_prefix *p, l4_time now)
{
	unsigned n;
	if (p->preferred_s > p->valid_s || p->prefix.len != 64)
		return; /* (c), and our identifiers have 64 bits (d) */
	l4_time valid = lifetime(p->valid_s, now), preferred = lifetime(p->preferred_s, now);
	struct l4_ifaddr *a = formed_from(ifp, &p->prefix, &n);
	if (!a) {
		if (p->valid_s == 0)
			return;
		if (n >= ADDRESSES_MAX) {
			l4_ip_drop(ip, L4_DROP_NDP_LIMIT, ifp->index, 0);
			return;
		}
		struct l4_prefix q = p->prefix;
		q.addr = l4_ip_stable_address(ip, ifp, &p->prefix, 0);
		(void)l4_ip_addr_add(ip, ifp, &q, L4_ORIGIN_SLAAC, valid, preferred, now);
		return;
	}
	/* (e): what nobody vouches for cannot end an address in less than two hours. */
	l4_time left = a->valid_until == L4_TIME_NEVER ? L4_TIME_NEVER
		       : a->valid_until > now          ? a->valid_until - now
						       : 0;
	l4_time told = valid == L4_TIME_NEVER ? L4_TIME_NEVER : valid - now;
	if (told > TWO_HOURS || told > left)
		a->valid_until = valid;
	else if (left > TWO_HOURS)
		a->valid_until = now + TWO_HOURS;
	a->preferred_until = preferred;
	if (a->state == L4_ADDR_DEPRECATED && preferred > now)
		a->state = L4_ADDR_PREFERRED;
	ifp->addr_due = now; /* looked at in the next tick */
}

void l4_ra_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m)
{
	struct l4_if *ifp = in->ifp;
	/* RFC 4861 6.1.2: only a router of this link. */
	if (!l4_addr_is_link_local(&in->k.src) || l4_addr_is_ip4(&in->k.src)) {
		l4_ip_drop(ip, L4_DROP_NDP_FORMAT, ifp->index, in->k.l3_len);
		return;
	}
	if (!ifp->ra)
		return; /* not wanted here */
	l4_time now = in->now;
	if (m->hop_limit)
		ifp->hop_limit = m->hop_limit;
	if (m->reachable_ms && m->reachable_ms <= 3600000 && m->reachable_ms != ifp->reachable_ms) {
		ifp->reachable_ms = m->reachable_ms;
		l4_time base = m->reachable_ms * L4_MSEC;
		ifp->reachable_ns = l4_ip_jitter(ip, 0, base / 2, base + base / 2);
	}
	if (m->retrans_ms >= 100 && m->retrans_ms <= 60000)
		ifp->retrans_ms = m->retrans_ms;
	if ((m->present & L4_NDPO_MTU) && m->mtu >= L4_IP6_MTU_MIN && m->mtu <= ifp->mtu &&
	    m->mtu != ifp->mtu6) {
		ifp->mtu6 = m->mtu;
		ip->gen++;
	}
	if ((m->present & L4_NDPO_SLLA) && !l4_mac_is_group(&m->slla))
		l4_neigh_on_sender(ip, ifp, &in->k.src, &m->slla, false, now);
	struct l4_neigh *n = l4_neigh_find(ip, ifp, &in->k.src);
	if (n) /* RFC 4861 6.3.4: whoever advertises is a router */
		n->router = true;
	learn_router(ip, ifp, &in->k.src, m, now);
	for (unsigned i = 0; i < m->prefix_n; i++) {
		const struct l4_ndp_prefix *p = &m->prefix[i];
		if (p->prefix.len > 128 || l4_addr_is_link_local(&p->prefix.addr) ||
		    l4_addr_is_multicast(&p->prefix.addr) || l4_addr_is_ip4(&p->prefix.addr))
			continue;
		if (p->on_link)
			learn_on_link(ip, ifp, p, now);
		if (p->autonomous)
			form_address(ip, ifp, p, now);
	}
	learn_dns(ip, ifp, m, now);
	if (m->router_life_s) /* RFC 7559 2.1: an answer, so asking ends */
		ifp->ra->rs_due = L4_TIME_NEVER;
}
