/* ARP for IPv4 over Ethernet (RFC 826, RFC 1122 2.3.2, RFC 5227).
 *
 * A request for an address of ours is answered to its sender; nothing is learned from it but for
 * neighbours that we already have. A reply counts when we asked. Whoever claims an address of ours
 * is a conflict (RFC 5227 2.4). */
#include "ip/ip.h"

#include "base/cursor.h"

static const struct l4_mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

static void send(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_arp_hdr *h, const struct l4_mac *to)
{
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, L4_ARP_LEN);
	if (!p)
		return;
	(void)l4_arp_emit(h, l4_pkt_bytes(p), L4_ARP_LEN);
	p->hdr_len = L4_ARP_LEN;
	p->why.code = L4_WHY_ARP;
	ip->c->arp_out++;
	(void)l4_if_enqueue(ip, ifp, p, to, L4_ETHERTYPE_ARP);
}

void l4_arp_request(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *spa,
    const struct l4_addr *tpa, const struct l4_mac *to)
{
	struct l4_arp_hdr h = { .op = L4_ARP_REQUEST, .sha = ifp->mac, .spa = *spa, .tpa = *tpa };
	if (to)
		h.tha = *to;
	send(ip, ifp, &h, to ? to : &broadcast);
}

static void answer(struct l4_ip *ip, struct l4_if *ifp, const struct l4_arp_hdr *q)
{
	struct l4_arp_hdr h = {
		.op = L4_ARP_REPLY, .sha = ifp->mac, .spa = q->tpa, .tha = q->sha, .tpa = q->spa
	};
	send(ip, ifp, &h, &q->sha);
}

/* RFC 5227: another host uses, or probes for, an address of ours. True when it is so. */
static bool check_conflict(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_arp_hdr *h, l4_time now)
{
	struct l4_ifaddr *a = l4_if_addr(ifp, &h->spa);
	if (!a && h->op == L4_ARP_REQUEST && l4_addr_is_any(&h->spa)) {
		/* 2.1.1: two hosts that probe for the same address at once both give way. */
		a = l4_if_addr(ifp, &h->tpa);
		if (!a || a->state != L4_ADDR_TENTATIVE)
			return false;
	}
	if (!a)
		return false;
	l4_ip_drop(ip, L4_DROP_ARP_CONFLICT, ifp->index, L4_ARP_LEN);
	l4_ip_addr_conflict(ip, ifp, a, now);
	return true;
}

void l4_arp_input(struct l4_ip *ip, struct l4_if *ifp, const uint8_t *data, uint32_t len,
    const struct l4_mac *eth_src, bool link_group, l4_time now)
{
	struct l4_arp_hdr h;
	(void)eth_src;
	ip->c->arp_in++;
	int rc = l4_arp_parse(&h, data, len);
	if (rc < 0) {
		l4_ip_drop(
		    ip, rc == L4_ETRUNC ? L4_DROP_ARP_SHORT : L4_DROP_ARP_FORMAT, ifp->index, len);
		return;
	}
	/* RFC 1812 3.3.2: such a link address is never one host's. Our own is our own echo. */
	if (l4_mac_is_group(&h.sha) || l4_mac_is_zero(&h.sha) || l4_mac_eq(&h.sha, &ifp->mac)) {
		l4_ip_drop(ip, L4_DROP_ARP_MAC, ifp->index, len);
		return;
	}
	if (check_conflict(ip, ifp, &h, now))
		return;
	bool probe = l4_addr_is_any(&h.spa);
	if (!probe && !l4_if_on_link(ip, ifp, &h.spa)) {
		l4_ip_drop(ip, L4_DROP_ARP_OFF_LINK, ifp->index, len);
		return;
	}
	if (h.op == L4_ARP_REQUEST) {
		if (!probe)
			l4_neigh_on_sender(ip, ifp, &h.spa, &h.sha, true, now);
		if (l4_ip_local(ip, &h.tpa, ifp->index, NULL))
			answer(ip, ifp, &h);
		return;
	}
	struct l4_neigh *n = probe ? NULL : l4_neigh_find(ip, ifp, &h.spa);
	bool to_us = !link_group && l4_mac_eq(&h.tha, &ifp->mac);
	if (!n) {
		l4_ip_drop(ip, L4_DROP_ARP_UNSOLICITED, ifp->index, len);
		return;
	}
	if (!l4_mac_eq(&h.sha, &n->mac) && n->state != L4_NEIGH_INCOMPLETE &&
	    n->state != L4_NEIGH_UNREACHABLE && n->state != L4_NEIGH_STALE)
		ip->c->drops[L4_DROP_ARP_CONFLICT]++;
	l4_neigh_on_advert(ip, ifp, n, &h.sha, to_us, true, true, now);
}
