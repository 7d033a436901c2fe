/* Packets in: whose are they, may they be here, who takes them (RFC 1122 3.2.1, RFC 8200, 4942).
 *
 * Order of checks: source possible, destination ours, then fragments, then the protocol. What the
 * walk over the headers found wrong was dropped before (host/rx.c). */
#include "ip/ip.h"

#include <string.h>

#include "base/cursor.h"

static bool is_reserved4(const struct l4_addr *a)
{
	return a->b[12] >= 240;
}

/* RFC 1122 3.2.1.3, RFC 6890, RFC 4291 2.5 and 2.7: sources that the wire cannot have. */
static enum l4_drop check_source(const struct l4_ip *ip, const struct l4_ip_in *in)
{
	const struct l4_addr *src = &in->k.src;
	if (l4_addr_is_multicast(src) || l4_addr_is_loopback(src))
		return L4_DROP_IP_MARTIAN;
	if (in->k.version == 4) {
		if (src->b[12] == 0 || is_reserved4(src) || l4_if_is_broadcast(in->ifp, src))
			return L4_DROP_IP_MARTIAN;
	} else {
		if (l4_addr_is_ip4(src))
			return L4_DROP_IP_MARTIAN; /* RFC 4942 2.2 */
		/* The unspecified address is for duplicate detection and MLD only. */
		if (l4_addr_is_any(src) && in->k.proto != L4_PROTO_ICMP6)
			return L4_DROP_IP_MARTIAN;
	}
	unsigned scope = l4_addr_is_link_local(src) ? in->ifp->index : 0;
	if (!l4_addr_is_any(src) && l4_ip_local(ip, src, scope, NULL))
		return L4_DROP_IP_LAND;
	return L4_DROP_NONE;
}

/* Ours, and in which way; what the link says must fit. */
static enum l4_drop check_destination(const struct l4_ip *ip, struct l4_ip_in *in)
{
	const struct l4_addr *dst = &in->k.dst;
	bool ip4 = in->k.version == 4;
	if (ip4 != l4_addr_is_ip4(dst))
		return L4_DROP_IP_MARTIAN;
	if (l4_addr_is_loopback(dst) && !in->loop)
		return L4_DROP_IP_MARTIAN;
	if (l4_addr_is_multicast(dst)) {
		in->dst_multicast = true;
		bool control = in->k.proto == (ip4 ? L4_PROTO_IGMP : L4_PROTO_ICMP6);
		bool wanted = control ? l4_group_exists(in->ifp, dst)
				      : l4_group_accepts(in->ifp, dst, &in->k.src);
		return wanted || in->loop ? L4_DROP_NONE : L4_DROP_IP_NOT_OURS;
	}
	if (ip4 && l4_if_is_broadcast(in->ifp, dst)) {
		in->dst_broadcast = true;
		return L4_DROP_NONE;
	}
	if (in->link_group)
		return L4_DROP_LINK_GROUP_UNICAST; /* RFC 1122 3.3.6 */
	if (!ip4 && l4_addr_is_any(dst))
		return L4_DROP_IP_MARTIAN;
	if (in->loop || ip->forwarder)
		return L4_DROP_NONE;
	return l4_ip_is_local(ip, dst, in->ifp->index) ? L4_DROP_NONE : L4_DROP_IP_NOT_OURS;
}

static bool is_dhcp_reply(const struct l4_ip_in *in)
{
	if (in->k.version != 4 || in->k.proto != L4_PROTO_UDP || !in->ifp->dhcp || in->k.is_frag ||
	    in->loop || in->avail < in->k.l4_off + L4_UDP_HDR_LEN)
		return false;
	return l4_get_u16(in->data + in->k.l4_off + 2) == L4_DHCP_CLIENT_PORT;
}

void l4_ip_dispatch(struct l4_ip *ip, struct l4_ip_in *in)
{
	switch (in->k.proto) {
	case L4_PROTO_TCP:
		if (in->dst_multicast || in->dst_broadcast || in->link_group) {
			/* RFC 9293 3.9.2.3, RFC 1122 4.2.3.10 */
			l4_ip_drop(ip, L4_DROP_TCP_GROUP, in->ifp->index, in->k.l3_len);
			return;
		}
		ip->env.tcp_in(ip->env.ctx, in);
		return;
	case L4_PROTO_UDP:
		ip->env.udp_in(ip->env.ctx, in);
		return;
	case L4_PROTO_ICMP:
		if (in->k.version == 4) {
			l4_icmp_input(ip, in);
			return;
		}
		break;
	case L4_PROTO_ICMP6:
		if (in->k.version == 6) {
			l4_icmp_input(ip, in);
			return;
		}
		break;
	case L4_PROTO_IGMP:
		if (in->k.version == 4) {
			l4_group_query_input(ip, in);
			return;
		}
		break;
	default:
		break;
	}
	l4_ip_drop(ip, L4_DROP_IP_PROTO, in->ifp->index, in->k.l3_len);
	if (in->k.version == 4) /* RFC 1122 3.2.2.1 */
		l4_icmp_error(ip, in, L4_ICMP_UNREACH, L4_ICMP_UNREACH_PROTO, 0);
	else /* RFC 8200 4: unrecognized Next Header */
		l4_icmp_error(ip, in, L4_ICMP6_PARAM, 1, in->k.nh_off);
}

void l4_ip_input(struct l4_ip *ip, struct l4_ip_in *in)
{
	ip->c->ip_in++;
	if (is_dhcp_reply(in) && l4_dhcp_input(ip, in))
		return;
	enum l4_drop why = in->loop ? L4_DROP_NONE : check_source(ip, in);
	if (!why)
		why = check_destination(ip, in);
	if (why) {
		l4_ip_drop(ip, why, in->ifp->index, in->k.l3_len);
		return;
	}
	if (in->k.is_frag)
		l4_reass_input(ip, in);
	else
		l4_ip_dispatch(ip, in);
}

void l4_ip_reject(struct l4_ip *ip, struct l4_ip_in *in)
{
	if (check_source(ip, in) == L4_DROP_NONE && check_destination(ip, in) == L4_DROP_NONE)
		l4_icmp_error(ip, in, in->k.icmp_type, in->k.icmp_code, in->k.icmp_ptr);
}

/* The interface that a looped packet seems to come in by. */
static struct l4_if *loop_interface(
    struct l4_ip *ip, const struct l4_pkt *p, const struct l4_packet *k)
{
	struct l4_if *ifp = l4_ip_if(ip, p->ifindex);
	if (!ifp)
		(void)l4_ip_local(ip, &k->dst, 0, &ifp);
	if (!ifp)
		(void)l4_ip_local(ip, &k->src, 0, &ifp);
	return ifp ? ifp : &ip->loop_if;
}

void l4_ip_run_loopback(struct l4_ip *ip, unsigned max, l4_time now)
{
	if (ip->in_loopback)
		return;
	ip->in_loopback = true;
	struct l4_pkt *p;
	while (max-- && (p = l4_pktq_pop(&ip->lo))) {
		struct l4_ip_in in = { .data = l4_pkt_bytes(p),
			.avail = p->len,
			.time = now,
			.now = now,
			.loop = true,
			.csum_ok = true };
		int rc = l4_packet_parse_ip(&in.k, in.data, p->len, p->len, L4_PACKET_NO_CSUM);
		in.ifp = loop_interface(ip, p, &in.k);
		if (rc == 0)
			l4_ip_input(ip, &in);
		else
			l4_ip_drop(ip, in.k.drop, 0, p->len);
		l4_pkt_free(ip, p, 0);
	}
	ip->in_loopback = false;
}
