/* Ethernet II with 802.1Q and 802.1ad tags, and ARP.
 *
 * Tags are followed in a loop with a cap, never by recursion. A type below 1536 is an 802.3
 * length; it is reported as such and bounded here, but what follows (LLC) is nobody's business in
 * this stack. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

bool l4_mac_is_group(const struct l4_mac *m)
{
	return m->b[0] & 1;
}

bool l4_mac_is_broadcast(const struct l4_mac *m)
{
	return memcmp(m->b, "\xff\xff\xff\xff\xff\xff", 6) == 0;
}

bool l4_mac_is_zero(const struct l4_mac *m)
{
	return memcmp(m->b, "\0\0\0\0\0\0", 6) == 0;
}

bool l4_mac_eq(const struct l4_mac *a, const struct l4_mac *b)
{
	return memcmp(a->b, b->b, 6) == 0;
}

struct l4_mac l4_mac_from_group(const struct l4_addr *group)
{
	const uint8_t *b = group->b;
	if (!l4_addr_is_multicast(group))
		return (struct l4_mac){ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	if (l4_addr_is_ip4(group)) /* RFC 1112 6.4: the low 23 bits */
		return (struct l4_mac){ { 0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15] } };
	return (struct l4_mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } }; /* RFC 2464 7 */
}

static bool is_tag(uint16_t type)
{
	return type == L4_ETHERTYPE_VLAN || type == L4_ETHERTYPE_QINQ;
}

int l4_eth_parse(struct l4_eth_hdr *out, const void *data, size_t len)
{
	struct l4_rd r = l4_rd_init(data, len);
	l4_rd_bytes(&r, out->dst.b, 6);
	l4_rd_bytes(&r, out->src.b, 6);
	out->type = l4_rd_u16(&r);
	out->vlan_n = 0;
	while (is_tag(out->type) && l4_rd_ok(&r)) {
		if (out->vlan_n == L4_ETH_VLAN_MAX)
			return L4_ELIMIT;
		struct l4_vlan *v = &out->vlan[out->vlan_n++];
		v->tpid = out->type;
		v->tci = l4_rd_u16(&r);
		out->type = l4_rd_u16(&r);
	}
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	/* IEEE 802.3 3.2.6: up to 1500 a length, from 1536 a type, nothing between. */
	if (out->type < 1536 && (out->type > 1500 || out->type > l4_rd_left(&r)))
		return L4_EMALFORMED;
	return (int)(len - l4_rd_left(&r));
}

int l4_eth_emit(const struct l4_eth_hdr *in, void *buf, size_t cap)
{
	if (in->vlan_n > L4_ETH_VLAN_MAX)
		return L4_EINVAL;
	struct l4_wr w = l4_wr_init(buf, cap);
	l4_wr_bytes(&w, in->dst.b, 6);
	l4_wr_bytes(&w, in->src.b, 6);
	for (unsigned i = 0; i < in->vlan_n; i++) {
		l4_wr_u16(&w, in->vlan[i].tpid);
		l4_wr_u16(&w, in->vlan[i].tci);
	}
	l4_wr_u16(&w, in->type);
	return l4_wr_ok(&w) ? (int)l4_wr_len(&w) : L4_ETRUNC;
}

int l4_arp_parse(struct l4_arp_hdr *out, const void *data, size_t len)
{
	struct l4_rd r = l4_rd_init(data, len);
	uint16_t htype = l4_rd_u16(&r), ptype = l4_rd_u16(&r);
	uint8_t hlen = l4_rd_u8(&r), plen = l4_rd_u8(&r);
	uint8_t ip[4];
	out->op = l4_rd_u16(&r);
	l4_rd_bytes(&r, out->sha.b, 6);
	l4_rd_bytes(&r, ip, 4);
	out->spa = l4_addr_from_ip4(ip);
	l4_rd_bytes(&r, out->tha.b, 6);
	l4_rd_bytes(&r, ip, 4);
	out->tpa = l4_addr_from_ip4(ip);
	if (!l4_rd_ok(&r))
		return L4_ETRUNC;
	/* The positions above hold for these lengths only; hlen and plen never move a pointer. */
	if (htype != 1 || ptype != L4_ETHERTYPE_IP4 || hlen != 6 || plen != 4)
		return L4_EMALFORMED;
	if (out->op != L4_ARP_REQUEST && out->op != L4_ARP_REPLY)
		return L4_EMALFORMED;
	return L4_ARP_LEN;
}

int l4_arp_emit(const struct l4_arp_hdr *in, void *buf, size_t cap)
{
	struct l4_wr w = l4_wr_init(buf, cap);
	if (!l4_addr_is_ip4(&in->spa) || !l4_addr_is_ip4(&in->tpa))
		return L4_EINVAL;
	l4_wr_u16(&w, 1);
	l4_wr_u16(&w, L4_ETHERTYPE_IP4);
	l4_wr_u8(&w, 6);
	l4_wr_u8(&w, 4);
	l4_wr_u16(&w, in->op);
	l4_wr_bytes(&w, in->sha.b, 6);
	l4_wr_bytes(&w, in->spa.b + 12, 4);
	l4_wr_bytes(&w, in->tha.b, 6);
	l4_wr_bytes(&w, in->tpa.b + 12, 4);
	return l4_wr_ok(&w) ? L4_ARP_LEN : L4_ETRUNC;
}
