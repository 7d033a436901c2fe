/* Routes: where a packet goes next (RFC 1122 3.3.1, RFC 4861 5.2, RFC 4191).
 *
 * One sorted list for both versions: longest prefix first, then lower metric, so that the first
 * match is the best one. Among default routers those known to be dead are passed over (RFC 1122
 * 3.3.1.5). A host has few routes; connections keep their path, so that the walk is made once a
 * connection, not once a packet. */
#include "ip/ip.h"

#include <string.h>

static bool same(const struct l4_route *a, const struct l4_route *b)
{
	return a->dst.len == b->dst.len && l4_addr_eq(&a->dst.addr, &b->dst.addr) &&
	       l4_addr_eq(&a->gw, &b->gw) && a->ifindex == b->ifindex && a->origin == b->origin;
}

static void mask_prefix(struct l4_prefix *p)
{
	for (unsigned bit = p->len; bit < 128; bit++)
		p->addr.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static void set_due(struct l4_ip *ip)
{
	ip->route_due = L4_TIME_NEVER;
	for (uint32_t i = 0; i < ip->n_routes; i++)
		ip->route_due = l4_time_min(ip->route_due, ip->routes[i].until);
}

static bool goes_before(const struct l4_route *a, const struct l4_route *b)
{
	if (a->dst.len != b->dst.len)
		return a->dst.len > b->dst.len;
	return a->metric < b->metric;
}

static uint32_t count_limited(const struct l4_ip *ip)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < ip->n_routes; i++)
		n += ip->routes[i].origin != L4_ROUTE_CONNECTED;
	return n;
}

int l4_route_add(struct l4_ip *ip, const struct l4_route *route)
{
	struct l4_route r = *route;
	bool mapped = l4_addr_is_ip4(&r.dst.addr);
	if (r.dst.len > 128 || (mapped && r.dst.len < 96))
		return L4_EINVAL;
	mask_prefix(&r.dst);
	r.ip4 = mapped;
	r.has_gw = !l4_addr_is_any(&r.gw);
	if (!r.has_gw)
		r.gw = (struct l4_addr){ { 0 } };
	if (r.has_gw && l4_addr_is_ip4(&r.gw) != r.ip4)
		return L4_EINVAL;
	ip->gen++;
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		if (same(&ip->routes[i], &r)) {
			memmove(
			    &ip->routes[i], &ip->routes[i + 1], (ip->n_routes - i - 1) * sizeof(r));
			ip->n_routes--;
			break;
		}
	}
	if (r.origin != L4_ROUTE_CONNECTED && count_limited(ip) >= ip->limits.routes)
		return L4_ELIMIT;
	if (ip->n_routes == ip->cap_routes) {
		uint32_t cap = ip->cap_routes ? ip->cap_routes * 2 : 8;
		struct l4_route *p =
		    l4_mem_grow(ip->mem, ip->routes, ip->cap_routes * sizeof(r), cap * sizeof(r));
		if (!p)
			return L4_ENOMEM;
		ip->routes = p;
		ip->cap_routes = cap;
	}
	uint32_t at = ip->n_routes;
	while (at && goes_before(&r, &ip->routes[at - 1])) {
		ip->routes[at] = ip->routes[at - 1];
		at--;
	}
	ip->routes[at] = r;
	ip->n_routes++;
	set_due(ip);
	return L4_OK;
}

int l4_route_del(struct l4_ip *ip, const struct l4_prefix *dst, const struct l4_addr *gw,
    unsigned ifindex, enum l4_route_origin origin)
{
	struct l4_route r = {
		.dst = *dst, .gw = *gw, .ifindex = (uint16_t)ifindex, .origin = (uint8_t)origin
	};
	if (r.dst.len > 128)
		return L4_EINVAL;
	mask_prefix(&r.dst);
	if (l4_addr_is_any(gw))
		r.gw = (struct l4_addr){ { 0 } };
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		if (!same(&ip->routes[i], &r))
			continue;
		memmove(&ip->routes[i], &ip->routes[i + 1], (ip->n_routes - i - 1) * sizeof(r));
		ip->n_routes--;
		ip->gen++;
		set_due(ip);
		return L4_OK;
	}
	return L4_ENOTFOUND;
}

void l4_route_tick(struct l4_ip *ip, l4_time now)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < ip->n_routes; i++)
		if (ip->routes[i].until > now)
			ip->routes[kept++] = ip->routes[i];
	if (kept != ip->n_routes)
		ip->gen++;
	ip->n_routes = kept;
	set_due(ip);
}

static bool is_dead(const struct l4_ip *ip, const struct l4_route *r)
{
	const struct l4_if *ifp = l4_ip_if(ip, r->ifindex);
	if (!ifp || !ifp->eth || !r->has_gw)
		return false;
	const struct l4_neigh *n = l4_neigh_find(ip, ifp, &r->gw);
	return n && n->state == L4_NEIGH_UNREACHABLE;
}

static const struct l4_route *lookup(
    const struct l4_ip *ip, const struct l4_addr *dst, unsigned ifindex)
{
	const struct l4_route *dead = NULL;
	bool ip4 = l4_addr_is_ip4(dst);
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route *r = &ip->routes[i];
		if (r->ip4 != ip4 || (ifindex && r->ifindex != ifindex))
			continue;
		/* Only a route as specific as the dead one can stand in for it. */
		if (dead && r->dst.len < dead->dst.len)
			break;
		const struct l4_if *ifp = l4_ip_if(ip, r->ifindex);
		if (!ifp || !ifp->up || !l4_prefix_has(&r->dst, dst))
			continue;
		if (!is_dead(ip, r))
			return r;
		if (!dead && r->origin != L4_ROUTE_REDIRECT) /* that was a hint only */
			dead = r;
	}
	return dead;
}

static struct l4_if *first_up(const struct l4_ip *ip, bool ip4)
{
	for (unsigned i = 1; i <= ip->n_ifs; i++) {
		const struct l4_if *ifp = ip->ifs[i];
		for (uint32_t k = 0; ifp->up && k < ifp->n_addrs; k++)
			if (l4_addr_is_ip4(&ifp->addrs[k].prefix.addr) == ip4)
				return ip->ifs[i];
	}
	return NULL;
}

static int fill_source(
    struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst, struct l4_hop *out)
{
	if (src && !l4_addr_is_any(src)) {
		out->src = *src;
		if (ip->forwarder || l4_addr_is_loopback(src))
			return L4_OK;
		return l4_ip_local(ip, src, 0, NULL) ? L4_OK : L4_ENOADDR;
	}
	return l4_ip_source(ip, out->ifp, dst, &out->src);
}

static int route_local(
    struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst, struct l4_hop *out)
{
	out->local = true;
	out->mtu = L4_IP_MTU_MAX;
	out->next = *dst;
	if (src && !l4_addr_is_any(src))
		return fill_source(ip, src, dst, out);
	out->src = *dst;
	return L4_OK;
}

int l4_ip_route(struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst,
    unsigned ifindex, struct l4_hop *out, l4_time now)
{
	(void)now;
	*out = (struct l4_hop){ .next = *dst };
	if (l4_addr_is_loopback(dst) || l4_ip_local(ip, dst, 0, NULL))
		return route_local(ip, src, dst, out);
	bool ip4 = l4_addr_is_ip4(dst);
	out->multicast = l4_addr_is_multicast(dst);
	out->broadcast = !out->multicast && l4_ip_is_broadcast(ip, dst);
	const struct l4_route *r = NULL;
	if (ifindex &&
	    (out->multicast || l4_addr_is_link_local(dst) || l4_addr_is_broadcast(dst))) {
		out->ifp = l4_ip_if(ip, ifindex);
		if (!out->ifp || !out->ifp->up)
			return L4_ENOROUTE;
	} else if ((r = lookup(ip, dst, ifindex))) {
		out->ifp = l4_ip_if(ip, r->ifindex);
		if (r->has_gw && !out->multicast && !out->broadcast)
			out->next = r->gw;
	} else if (out->multicast || out->broadcast || l4_addr_is_link_local(dst)) {
		/* The source names the interface, or there is only the first. */
		struct l4_if *ifp = NULL;
		if (src && !l4_addr_is_any(src))
			(void)l4_ip_local(ip, src, 0, &ifp);
		out->ifp = ifp ? ifp : first_up(ip, ip4);
	}
	if (!out->ifp)
		return L4_ENOROUTE;
	if (l4_if_is_broadcast(out->ifp, dst))
		out->broadcast = true;
	uint32_t if_mtu = ip4 ? out->ifp->mtu : out->ifp->mtu6;
	out->mtu = (uint16_t)l4_pmtu_get(ip, dst, if_mtu);
	return fill_source(ip, src, dst, out);
}
