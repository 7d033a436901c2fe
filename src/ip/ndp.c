/* Neighbour discovery messages (RFC 4861 7, 4862 5.4, 6980, 7527).
 *
 * Every message must have hop limit 255, so that none comes from beyond the link, and no Fragment
 * header. A solicitation is answered to its sender; of the sender nothing is learned but for
 * neighbours that we already have. Redirects are not accepted. */
#include "ip/ip.h"

#include <string.h>

void l4_ndp_send(struct l4_ip *ip, struct l4_if *ifp, const struct l4_ndp_msg *m,
    const struct l4_addr *src, const struct l4_addr *dst, const struct l4_mac *to)
{
	uint8_t buf[128];
	int len = l4_ndp_emit(m, buf, sizeof(buf));
	if (len < 0)
		return;
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, (uint32_t)len);
	if (!p)
		return;
	uint8_t *b = l4_pkt_bytes(p);
	memcpy(b, buf, (size_t)len);
	uint16_t csum = l4_wire_csum(src, dst, L4_PROTO_ICMP6, b, (size_t)len);
	memcpy(b + 2, &csum, 2);
	p->hdr_len = (uint32_t)len;
	p->why.code = L4_WHY_NDP;
	struct l4_ip_out o = { .src = *src,
		.dst = *dst,
		.to = to,
		.ifindex = ifp->index,
		.proto = L4_PROTO_ICMP6,
		.ttl = 255,
		.no_loop = true,
		.unspecified = true };
	ip->c->ndp_out++;
	(void)l4_ip_output(ip, p, &o, ip->now);
}

void l4_ndp_solicit(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *src,
    const struct l4_addr *target, const struct l4_mac *to, const uint8_t *nonce)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_NS, .target = *target };
	struct l4_addr dst = to ? *target : l4_addr_solicited_node(target);
	if (!l4_addr_is_any(src)) { /* RFC 4861 4.3 */
		m.present |= L4_NDPO_SLLA;
		m.slla = ifp->mac;
	}
	if (nonce) { /* RFC 7527 4.1 */
		m.present |= L4_NDPO_NONCE;
		memcpy(m.nonce, nonce, sizeof(m.nonce));
	}
	l4_ndp_send(ip, ifp, &m, src, &dst, to);
}

static void refuse(struct l4_ip *ip, const struct l4_ip_in *in, enum l4_drop why)
{
	l4_ip_drop(ip, why, in->ifp->index, in->k.l3_len);
}

static bool is_ours_nonce(const struct l4_ifaddr *a, const struct l4_ndp_msg *m)
{
	return (m->present & L4_NDPO_NONCE) && memcmp(a->nonce, m->nonce, sizeof(a->nonce)) == 0;
}

/* RFC 4861 7.2.4 */
static void advertise(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *q)
{
	static const struct l4_addr all_nodes = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    1 } };
	bool dad = l4_addr_is_any(&in->k.src);
	struct l4_ndp_msg m = { .type = L4_ICMP6_NA,
		.solicited = !dad,
		.override_ = true,
		.target = q->target,
		.present = L4_NDPO_TLLA,
		.tlla = in->ifp->mac };
	struct l4_addr dst = dad ? all_nodes : in->k.src;
	const struct l4_mac *to = NULL;
	if (!dad)
		to = q->present & L4_NDPO_SLLA ? &q->slla : &in->k.eth_src;
	if (to && l4_mac_is_group(to))
		return;
	l4_ndp_send(ip, in->ifp, &m, &q->target, &dst, to);
}

static void on_solicitation(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m)
{
	bool dad = l4_addr_is_any(&in->k.src);
	/* RFC 4861 7.1.1 */
	if (l4_addr_is_multicast(&m->target) || (dad && (m->present & L4_NDPO_SLLA)) ||
	    (dad && !in->dst_multicast)) {
		refuse(ip, in, L4_DROP_NDP_FORMAT);
		return;
	}
	struct l4_ifaddr *a = l4_if_addr(in->ifp, &m->target);
	if (!a || a->state == L4_ADDR_DUPLICATE)
		return;
	if (a->state == L4_ADDR_TENTATIVE) {
		/* RFC 4862 5.4.3: another one probes too, unless it is our own probe. */
		if (dad && a->dad_sent && !is_ours_nonce(a, m))
			l4_ip_addr_conflict(ip, in->ifp, a, in->now);
		else if (dad && !a->dad_sent)
			l4_ip_addr_conflict(ip, in->ifp, a, in->now);
		return;
	}
	if (!dad && (m->present & L4_NDPO_SLLA) && !l4_mac_is_group(&m->slla))
		l4_neigh_on_sender(ip, in->ifp, &in->k.src, &m->slla, false, in->now);
	advertise(ip, in, m);
}

static void on_advertisement(
    struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m)
{
	/* RFC 4861 7.1.2 */
	if (l4_addr_is_multicast(&m->target) || (in->dst_multicast && m->solicited)) {
		refuse(ip, in, L4_DROP_NDP_FORMAT);
		return;
	}
	struct l4_ifaddr *a = l4_if_addr(in->ifp, &m->target);
	if (a) { /* RFC 4862 5.4.4 */
		if (a->state == L4_ADDR_TENTATIVE)
			l4_ip_addr_conflict(ip, in->ifp, a, in->now);
		else
			refuse(ip, in, L4_DROP_ARP_CONFLICT);
		return;
	}
	struct l4_neigh *n = l4_neigh_find(ip, in->ifp, &m->target);
	if (!n) {
		refuse(ip, in, L4_DROP_NDP_UNSOLICITED);
		return;
	}
	bool has_mac =
	    (m->present & L4_NDPO_TLLA) && !l4_mac_is_group(&m->tlla) && !l4_mac_is_zero(&m->tlla);
	bool was_router = n->router;
	n->router = m->router;
	l4_neigh_on_advert(
	    ip, in->ifp, n, has_mac ? &m->tlla : NULL, m->solicited, m->override_, false, in->now);
	if (was_router && !m->router) /* RFC 4861 7.2.5: it is no router any more */
		l4_ra_router_gone(ip, in->ifp, &m->target);
}

void l4_ndp_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	struct l4_ndp_msg m;
	ip->c->ndp_in++;
	if (in->k.ttl != 255) {
		refuse(ip, in, L4_DROP_NDP_HOP_LIMIT);
		return;
	}
	if (in->reassembled || in->k.has_frag_hdr) { /* RFC 6980 5 */
		refuse(ip, in, L4_DROP_NDP_FRAGMENT);
		return;
	}
	if (!in->ifp->eth || l4_ndp_parse(&m, in->data + in->k.l4_off, in->k.l4_len) < 0) {
		refuse(ip, in, L4_DROP_NDP_FORMAT);
		return;
	}
	switch (m.type) {
	case L4_ICMP6_NS:
		on_solicitation(ip, in, &m);
		return;
	case L4_ICMP6_NA:
		on_advertisement(ip, in, &m);
		return;
	case L4_ICMP6_RA:
		l4_ra_input(ip, in, &m);
		return;
	case L4_ICMP6_REDIRECT:
		l4_redirect6_input(ip, in, &m);
		return;
	default: /* RS: for routers */
		refuse(ip, in, L4_DROP_ICMP_TYPE);
		return;
	}
}
