/* A walk over one received frame down to its upper protocol.
 *
 * Order of checks: link header, IP header and lengths, header checksum, options and extension
 * headers, fragment fields. Every length of a header is compared with what the frame holds before
 * it is used, and what an Ethernet driver padded behind the IP packet is left off. The first
 * thing wrong ends the walk under its drop reason. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

/* In fuzz builds checksums are taken as right, or no input would get further. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define ALWAYS L4_PACKET_NO_CSUM
#else
#define ALWAYS 0u
#endif

static int drop(struct l4_packet *k, enum l4_drop why)
{
	k->drop = why;
	return L4_EMALFORMED;
}

/* The IPv4 parser's error, by what RFC 1122 3.2.1 names. */
static enum l4_drop ip4_reason(const uint8_t *p, size_t len, size_t packet_len)
{
	if (len < L4_IP4_HDR_LEN)
		return L4_DROP_IP4_SHORT;
	if (p[0] >> 4 != 4)
		return L4_DROP_IP_VERSION;
	size_t hdr_len = (p[0] & 15u) * 4u, total_len = l4_get_u16(p + 2);
	if (hdr_len < L4_IP4_HDR_LEN || hdr_len > packet_len)
		return L4_DROP_IP4_HDR_LEN;
	if (total_len < hdr_len || total_len > packet_len)
		return L4_DROP_IP4_TOTAL_LEN;
	return hdr_len > len ? L4_DROP_IP4_SHORT : L4_DROP_IP4_OPTION;
}

static int check_fragment4(struct l4_packet *k, const struct l4_ip4_hdr *h, unsigned flags)
{
	uint32_t data_len = k->l4_len;
	k->is_frag = h->mf || h->frag_off;
	k->frag_more = h->mf;
	k->frag_off = h->frag_off;
	k->frag_id = h->id;
	k->frag_next = h->proto;
	k->frag_hdr_len = h->hdr_len;
	k->frag_data_off = k->l4_off;
	k->frag_data_len = data_len;
	if (!k->is_frag)
		return L4_OK;
	if (flags & L4_PACKET_REASSEMBLED)
		return drop(k, L4_DROP_IP4_FRAG_LEN);
	if (data_len == 0 || (h->mf && data_len % 8 != 0))
		return drop(k, L4_DROP_IP4_FRAG_LEN);
	if ((uint32_t)h->hdr_len + h->frag_off + data_len > 65535)
		return drop(k, L4_DROP_IP4_FRAG_BIG);
	/* RFC 1858 3, RFC 3128: nobody cuts a TCP header in two but to evade a filter. */
	if (h->proto == L4_PROTO_TCP &&
	    (h->frag_off == 8 || (h->frag_off == 0 && data_len < L4_TCP_HDR_LEN)))
		return drop(k, L4_DROP_IP4_FRAG_TINY);
	return L4_OK;
}

static int walk_ip4(
    struct l4_packet *k, const uint8_t *p, size_t len, size_t packet_len, unsigned flags)
{
	struct l4_ip4_hdr h;
	int hdr_len = l4_ip4_parse_quoted(&h, p, len);
	if (hdr_len < 0)
		return drop(k, ip4_reason(p, len, packet_len));
	if (h.total_len > packet_len)
		return drop(k, L4_DROP_IP4_TOTAL_LEN);
	k->version = 4;
	k->proto = h.proto;
	k->ttl = h.ttl;
	k->tos = h.tos;
	k->ip_opts = h.opt_flags;
	k->nh_off = 9;
	k->l3_len = h.total_len;
	k->l4_off = k->l3_off + (uint32_t)hdr_len;
	k->l4_len = h.total_len - (uint32_t)hdr_len;
	k->src = h.src;
	k->dst = h.dst;
	k->df = h.df;
	if (!((flags | ALWAYS) & L4_PACKET_NO_CSUM) && !l4_ip4_csum_ok(p, (size_t)hdr_len))
		return drop(k, L4_DROP_IP4_CSUM); /* RFC 1122 3.2.1.2 */
	if (h.opt_flags & (L4_IPO_LSRR | L4_IPO_SSRR))
		return drop(k, L4_DROP_IP4_SRCROUTE); /* RFC 7126 4.3, 4.4 */
	return check_fragment4(k, &h, flags);
}

static int walk_ip6(
    struct l4_packet *k, const uint8_t *p, size_t len, size_t packet_len, unsigned flags)
{
	struct l4_ip6_hdr h;
	struct l4_ip6_chain c;
	if (l4_ip6_parse_quoted(&h, p, len) < 0)
		return drop(k, len < L4_IP6_HDR_LEN ? L4_DROP_IP6_SHORT : L4_DROP_IP_VERSION);
	size_t whole = (size_t)L4_IP6_HDR_LEN + h.payload_len;
	k->version = 6;
	k->ttl = h.hop_limit;
	k->tos = h.tclass;
	k->flow = h.flow;
	k->src = h.src;
	k->dst = h.dst;
	k->df = true;
	if (whole > packet_len)
		return drop(k, L4_DROP_IP6_PAYLOAD_LEN);
	k->l3_len = (uint32_t)whole;
	int rc = L4_OK;
	if (h.next == L4_PROTO_TCP || h.next == L4_PROTO_UDP) {
		c = (struct l4_ip6_chain){
			.proto = h.next, .nh_off = 6, .upper_off = L4_IP6_HDR_LEN
		};
	} else {
		rc = l4_ip6_walk(&c, h.next, p, len, whole, &h.dst);
	}
	k->has_frag_hdr = c.has_frag;
	if (rc < 0) {
		k->icmp_type = c.icmp_send ? L4_ICMP6_PARAM : 0;
		k->icmp_code = c.icmp_code;
		k->icmp_ptr = c.icmp_ptr;
		return drop(k, c.drop);
	}
	k->proto = c.proto;
	k->nh_off = c.nh_off;
	k->ip_opts = c.opt_flags;
	k->l4_off = k->l3_off + c.upper_off;
	k->l4_len = (uint32_t)whole - c.upper_off;
	if (c.has_frag) {
		if (flags & L4_PACKET_REASSEMBLED)
			return drop(k, L4_DROP_IP6_FRAG_NESTED);
		k->is_frag = c.frag_off || c.frag_more;
		k->frag_more = c.frag_more;
		k->frag_off = c.frag_off;
		k->frag_id = c.frag_id;
		k->frag_next = c.frag_next;
		k->frag_nh_off = c.frag_nh_off;
		k->frag_hdr_len = c.frag_hdr_off;
		k->frag_data_off = k->l3_off + c.frag_hdr_off + 8;
		k->frag_data_len = (uint32_t)whole - c.frag_hdr_off - 8;
	}
	if (c.proto == L4_PROTO_NONE)
		return drop(k, L4_DROP_IP6_NO_NEXT);
	return L4_OK;
}

static int walk_ip(
    struct l4_packet *k, const uint8_t *p, size_t len, size_t packet_len, unsigned flags)
{
	if (len == 0)
		return drop(k, L4_DROP_IP_VERSION);
	if (p[0] >> 4 == 4)
		return walk_ip4(k, p, len, packet_len, flags);
	if (p[0] >> 4 == 6)
		return walk_ip6(k, p, len, packet_len, flags);
	return drop(k, L4_DROP_IP_VERSION);
}

int l4_packet_parse_ip(
    struct l4_packet *out, const void *data, size_t len, size_t packet_len, unsigned flags)
{
	memset(out, 0, sizeof *out);
	return walk_ip(out, data, len, packet_len, flags);
}

int l4_packet_parse_eth(
    struct l4_packet *out, const void *data, size_t len, size_t frame_len, unsigned flags)
{
	struct l4_eth_hdr eth;
	memset(out, 0, sizeof *out);
	int hdr_len = l4_eth_parse(&eth, data, len);
	if (hdr_len == L4_ELIMIT)
		return drop(out, L4_DROP_LINK_VLAN_DEPTH);
	if (hdr_len < 0)
		return drop(out, hdr_len == L4_ETRUNC ? L4_DROP_LINK_SHORT : L4_DROP_LINK_8023);
	out->eth_dst = eth.dst;
	out->eth_src = eth.src;
	out->ethertype = eth.type;
	out->vlan_n = eth.vlan_n;
	for (unsigned i = 0; i < eth.vlan_n; i++)
		out->vlan_tci[i] = eth.vlan[i].tci;
	out->l3_off = (uint16_t)hdr_len;
	out->l3_len = (uint32_t)(frame_len - (size_t)hdr_len);
	if (eth.type < 1536)
		return drop(out, L4_DROP_LINK_8023);
	if (eth.type != L4_ETHERTYPE_IP4 && eth.type != L4_ETHERTYPE_IP6)
		return L4_OK;
	const uint8_t *p = (const uint8_t *)data + hdr_len;
	size_t left = len - (size_t)hdr_len, packet_len = frame_len - (size_t)hdr_len;
	/* The version must be the one that the EtherType says. */
	if (eth.type == L4_ETHERTYPE_IP4)
		return walk_ip4(out, p, left, packet_len, flags);
	return walk_ip6(out, p, left, packet_len, flags);
}
