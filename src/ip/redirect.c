/* Redirects: a router names a better first hop for one destination (RFC 1122 3.2.2.2, RFC 4861 8).
 *
 * Any neighbour can forge one, so they count only where the embedder has switched them on, and only
 * from the present first hop of that destination, about a packet of ours, to a neighbour on the
 * same interface. What is learned is a route to that one host that ages; redirects for a network
 * are taken as ones for the host (RFC 1122 3.3.1.2). Of such routes there are REDIRECTS_MAX at
 * most: a router that redirects more is not followed. */
#include "ip/ip.h"

#define REDIRECT_LIFE (600 * L4_SEC)
#define REDIRECTS_MAX 64u

static bool on_link(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a)
{
	if (!l4_addr_is_ip4(a) && l4_addr_is_link_local(a))
		return true;
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route *r = &ip->routes[i];
		if (r->origin == L4_ROUTE_CONNECTED && r->ifindex == ifp->index &&
		    l4_prefix_has(&r->dst, a))
			return true;
	}
	return false;
}

/* A neighbour's address that can be a first hop. */
static bool is_hop(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a)
{
	return !l4_addr_is_any(a) && !l4_addr_is_multicast(a) && !l4_addr_is_loopback(a) &&
	       !l4_ip_is_broadcast(ip, a) && !l4_if_is_broadcast(ifp, a) &&
	       !l4_ip_is_local(ip, a, ifp->index) && on_link(ip, ifp, a);
}

/* A later redirect for the same destination takes the place of the earlier one. */
static void forget(struct l4_ip *ip, const struct l4_prefix *dst)
{
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route r = ip->routes[i];
		if (r.origin != L4_ROUTE_REDIRECT || r.dst.len != dst->len ||
		    !l4_addr_eq(&r.dst.addr, &dst->addr))
			continue;
		(void)l4_route_del(ip, &r.dst, &r.gw, r.ifindex, L4_ROUTE_REDIRECT);
		return;
	}
}

static bool take(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_addr *dst,
    const struct l4_addr *target)
{
	struct l4_hop hop;
	uint32_t known = 0;
	bool direct = l4_addr_eq(dst, target); /* the destination is a neighbour itself */
	if (!ip->icmp_redirects || l4_addr_is_multicast(dst) ||
	    l4_addr_is_ip4(dst) != l4_addr_is_ip4(target) ||
	    l4_ip_route(ip, NULL, dst, 0, &hop, in->now) < 0 || hop.local || hop.ifp != in->ifp ||
	    !l4_addr_eq(&hop.next, &in->k.src) || l4_addr_eq(&hop.next, dst))
		return false;
	if (direct ? l4_ip_is_local(ip, target, in->ifp->index) : !is_hop(ip, in->ifp, target))
		return false;
	struct l4_route r = { .dst = { .addr = *dst, .len = 128 },
		.ifindex = in->ifp->index,
		.origin = L4_ROUTE_REDIRECT,
		.until = l4_time_add(in->now, REDIRECT_LIFE) };
	if (!direct)
		r.gw = *target;
	forget(ip, &r.dst);
	for (uint32_t i = 0; i < ip->n_routes; i++)
		known += ip->routes[i].origin == L4_ROUTE_REDIRECT;
	return known < REDIRECTS_MAX && l4_route_add(ip, &r) == L4_OK;
}

/* RFC 1122 3.2.2.2: the quoted packet is ours and tells the destination. */
void l4_redirect4_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_icmp_hdr *h,
    const uint8_t *msg, uint32_t len)
{
	struct l4_icmp_quote q;
	uint8_t b[4] = { (uint8_t)(h->rest >> 24), (uint8_t)(h->rest >> 16),
		(uint8_t)(h->rest >> 8), (uint8_t)h->rest };
	struct l4_addr target = l4_addr_from_ip4(b);
	if (h->code <= 3 && !in->dst_broadcast && !in->dst_multicast && !in->link_group &&
	    l4_icmp_quote_parse(&q, false, msg + L4_ICMP_HDR_LEN, len - L4_ICMP_HDR_LEN) >= 0 &&
	    l4_ip_is_local(ip, &q.src, in->ifp->index) && take(ip, in, &q.dst, &target))
		return;
	l4_ip_drop(ip, L4_DROP_ICMP_REDIRECT, in->ifp->index, in->k.l3_len);
}

/* RFC 4861 8.1 and 8.3; the hop limit was checked (ndp.c). */
void l4_redirect6_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m)
{
	if (l4_addr_is_link_local(&in->k.src) && !in->dst_multicast &&
	    (l4_addr_is_link_local(&m->target) || l4_addr_eq(&m->target, &m->dst)) &&
	    take(ip, in, &m->dst, &m->target))
		return;
	l4_ip_drop(ip, L4_DROP_ICMP_REDIRECT, in->ifp->index, in->k.l3_len);
}
