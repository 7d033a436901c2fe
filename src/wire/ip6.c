/* IPv6 headers and the chain of extension headers (RFC 8200).
 *
 * One loop walks the chain, at most L4_IP6_EXT_MAX headers, each step checking that the header
 * lies inside the packet. The walk stops at the upper protocol; ESP, AH and headers it does not
 * know count as that (RFC 7045 leaves their treatment to the host, which answers with Parameter
 * Problem code 1). In a fragment other than the first it stops behind the Fragment header, since
 * what follows there is data. A first fragment must hold the whole chain (RFC 7112 5). */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

static int parse(struct l4_ip6_hdr *out, const uint8_t *p, size_t len, bool quoted)
{
	if (len < L4_IP6_HDR_LEN)
		return L4_ETRUNC;
	if (p[0] >> 4 != 6)
		return L4_EMALFORMED;
	uint32_t word = l4_get_u32(p);
	out->tclass = (uint8_t)(word >> 20);
	out->flow = word & 0xfffff;
	out->payload_len = l4_get_u16(p + 4);
	if (!quoted && out->payload_len > len - L4_IP6_HDR_LEN)
		return L4_ETRUNC;
	out->next = p[6];
	out->hop_limit = p[7];
	out->src = l4_addr_from_ip6(p + 8);
	out->dst = l4_addr_from_ip6(p + 24);
	return L4_IP6_HDR_LEN;
}

int l4_ip6_parse(struct l4_ip6_hdr *out, const void *data, size_t len)
{
	return parse(out, data, len, false);
}

int l4_ip6_parse_quoted(struct l4_ip6_hdr *out, const void *data, size_t len)
{
	return parse(out, data, len, true);
}

int l4_ip6_emit(const struct l4_ip6_hdr *in, void *buf, size_t cap)
{
	if (cap < L4_IP6_HDR_LEN)
		return L4_ETRUNC;
	uint8_t *p = buf;
	l4_put_u32(p, 6u << 28 | (uint32_t)in->tclass << 20 | (in->flow & 0xfffff));
	l4_put_u16(p + 4, in->payload_len);
	p[6] = in->next;
	p[7] = in->hop_limit;
	memcpy(p + 8, in->src.b, 16);
	memcpy(p + 24, in->dst.b, 16);
	return L4_IP6_HDR_LEN;
}

int l4_ip6_frag_emit(uint8_t next, uint16_t off, bool more, uint32_t id, void *buf, size_t cap)
{
	if (off % 8 != 0)
		return L4_EINVAL;
	if (cap < 8)
		return L4_ETRUNC;
	uint8_t *p = buf;
	p[0] = next;
	p[1] = 0;
	l4_put_u16(p + 2, (uint16_t)(off | (more ? 1 : 0)));
	l4_put_u32(p + 4, id);
	return 8;
}

static int refuse(struct l4_ip6_chain *c, enum l4_drop why)
{
	c->drop = why;
	return L4_EMALFORMED;
}

static int refuse_telling(struct l4_ip6_chain *c, enum l4_drop why, uint8_t code, uint32_t ptr)
{
	c->icmp_send = true;
	c->icmp_code = code;
	c->icmp_ptr = ptr;
	return refuse(c, why);
}

/* The options of a hop-by-hop or destination header (RFC 8200 4.2): [off, end) of data. The high
 * two bits of an unknown type say what to do: 00 skip, 01 drop, 10 drop and tell, 11 drop and
 * tell unless the destination is multicast. The jumbo payload (RFC 2675) is 0xc2, so it is
 * refused by its own bits. */
static int walk_options(
    struct l4_ip6_chain *c, const uint8_t *data, size_t off, size_t end, const struct l4_addr *dst)
{
	while (off < end) {
		uint8_t type = data[off];
		if (type == 0) { /* Pad1 */
			off++;
			continue;
		}
		if (end - off < 2 || data[off + 1] > end - off - 2)
			return refuse(c, L4_DROP_IP6_OPTION);
		size_t optlen = 2u + data[off + 1];
		if (type == 5 && data[off + 1] == 2) { /* RFC 2711 */
			c->opt_flags |= L4_IPO_ROUTER_ALERT;
		} else if (type != 1 && type >> 6 != 0) { /* neither PadN nor to be skipped */
			if (type >> 6 == 2 || (type >> 6 == 3 && !l4_addr_is_multicast(dst)))
				return refuse_telling(
				    c, L4_DROP_IP6_OPTION_UNKNOWN, 2, (uint32_t)off);
			return refuse(c, L4_DROP_IP6_OPTION_UNKNOWN);
		}
		off += optlen;
	}
	return L4_OK;
}

/* RFC 8200 4.5. Returns 0 to walk on, 1 when data follows (not the first fragment). */
static int walk_fragment(
    struct l4_ip6_chain *c, const uint8_t *data, size_t off, size_t packet_len, uint16_t nh_off)
{
	if (c->has_frag)
		return refuse(c, L4_DROP_IP6_FRAG_NESTED);
	const uint8_t *p = data + off;
	uint16_t word = l4_get_u16(p + 2);
	size_t payload = packet_len - off - 8;
	c->has_frag = true;
	c->frag_next = p[0];
	c->frag_nh_off = nh_off;
	c->frag_hdr_off = (uint32_t)off;
	c->frag_off = word & 0xfff8;
	c->frag_more = word & 1;
	c->frag_id = l4_get_u32(p + 4);
	if (c->frag_more && payload % 8 != 0)
		return refuse_telling(c, L4_DROP_IP6_FRAG_LEN, 0, 4); /* the payload length field */
	if (payload == 0 && (c->frag_more || c->frag_off))
		return refuse(c, L4_DROP_IP6_FRAG_LEN);
	/* The reassembled payload length is what the unfragmentable part has beyond the fixed
	 * header, and all fragments' data. */
	if (off - L4_IP6_HDR_LEN + c->frag_off + payload > 65535)
		return refuse_telling(c, L4_DROP_IP6_FRAG_BIG, 0, (uint32_t)off + 2);
	return c->frag_off != 0;
}

/* Whether the upper-layer header at off is whole, as RFC 7112 asks of a first fragment. */
static bool upper_is_whole(uint8_t proto, const uint8_t *data, size_t off, size_t len)
{
	size_t left = len - off;
	switch (proto) {
	case L4_PROTO_TCP:
		return left >= L4_TCP_HDR_LEN && left >= (data[off + 12] >> 4) * 4u;
	case L4_PROTO_UDP:
	case L4_PROTO_ICMP6:
		return left >= 8;
	case L4_PROTO_NONE:
		return true;
	default:
		return left > 0;
	}
}

/* A header that passes the packet's end. RFC 7112 5: in a first fragment that means that the chain
 * goes on in the next one, and its sender is told. */
static int refuse_cut(struct l4_ip6_chain *c)
{
	if (c->has_frag && c->frag_more)
		return refuse_telling(c, L4_DROP_IP6_FRAG_CHAIN, 3, 0);
	return refuse(c, L4_DROP_IP6_EXT_SHORT);
}

static bool is_ext(uint8_t next)
{
	return next == L4_PROTO_HOPOPTS || next == L4_PROTO_DSTOPTS || next == L4_PROTO_ROUTING ||
	       next == L4_PROTO_FRAGMENT;
}

int l4_ip6_walk(struct l4_ip6_chain *c, uint8_t next, const void *data, size_t len,
    size_t packet_len, const struct l4_addr *dst)
{
	const uint8_t *p = data;
	size_t off = L4_IP6_HDR_LEN;
	uint16_t nh_off = 6;
	memset(c, 0, sizeof *c);
	if (len > packet_len)
		len = packet_len;
	if (len < L4_IP6_HDR_LEN)
		return refuse(c, L4_DROP_IP6_SHORT);
	int rc = 0;
	while (rc == 0 && is_ext(next)) {
		bool frag = next == L4_PROTO_FRAGMENT;
		if (next == L4_PROTO_HOPOPTS &&
		    c->ext_n > 0) /* RFC 8200 4.1: first or not at all */
			return refuse_telling(c, L4_DROP_IP6_EXT_ORDER, 1, nh_off);
		if (c->ext_n == L4_IP6_EXT_MAX)
			return refuse(c, L4_DROP_IP6_EXT_MANY);
		if (len - off < 8)
			return refuse_cut(c);
		size_t ext_len = frag ? 8 : 8 * (p[off + 1] + (size_t)1);
		if (ext_len > len - off)
			return refuse_cut(c);
		c->ext_n++;
		if (frag)
			rc = walk_fragment(c, p, off, packet_len, nh_off);
		else if (next != L4_PROTO_ROUTING)
			rc = walk_options(c, p, off + 2, off + ext_len, dst);
		else if (p[off + 3] != 0)
			/* RFC 5095 for type 0, RFC 8200 4.4 for those that we do not know. */
			rc = refuse_telling(c, L4_DROP_IP6_ROUTING, 0, (uint32_t)off + 2);
		if (rc < 0)
			return rc;
		nh_off = (uint16_t)off;
		next = p[off];
		off += ext_len;
	}
	c->proto = next;
	c->nh_off = nh_off;
	c->upper_off = (uint32_t)off;
	if (c->has_frag && c->frag_more && c->frag_off == 0 && !upper_is_whole(next, p, off, len))
		return refuse_telling(c, L4_DROP_IP6_FRAG_CHAIN, 3, 0);
	return L4_OK;
}
