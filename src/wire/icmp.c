/* ICMP and ICMPv6: the common eight bytes and the packet that an error quotes (RFC 792, 4443).
 *
 * A quote is another host's word about a packet of ours. It is parsed as any input, except that
 * the packet it begins may go on beyond the quote. */
#include <layer4/wire.h>

#include <string.h>

#include "base/cursor.h"

int l4_icmp_parse(struct l4_icmp_hdr *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	if (len < L4_ICMP_HDR_LEN)
		return L4_ETRUNC;
	out->type = p[0];
	out->code = p[1];
	memcpy(&out->csum_be, p + 2, 2);
	out->rest = l4_get_u32(p + 4);
	return L4_ICMP_HDR_LEN;
}

int l4_icmp_emit(const struct l4_icmp_hdr *in, void *buf, size_t cap)
{
	uint8_t *p = buf;
	if (cap < L4_ICMP_HDR_LEN)
		return L4_ETRUNC;
	p[0] = in->type;
	p[1] = in->code;
	memcpy(p + 2, &in->csum_be, 2);
	l4_put_u32(p + 4, in->rest);
	return L4_ICMP_HDR_LEN;
}

uint16_t l4_icmp_csum(const void *data, size_t len)
{
	return l4_csum_fold(l4_csum_partial(data, len, 0));
}

bool l4_icmp_is_error(bool v6, uint8_t type)
{
	if (v6)
		return type < 128; /* RFC 4443 2.1 */
	switch (type) {
	case L4_ICMP_UNREACH:
	case L4_ICMP_SOURCE_QUENCH:
	case L4_ICMP_REDIRECT:
	case L4_ICMP_TIME_EXCEEDED:
	case L4_ICMP_PARAM:
		return true;
	default:
		return false;
	}
}

static void quote_upper(struct l4_icmp_quote *q, const uint8_t *p)
{
	switch (q->proto) {
	case L4_PROTO_TCP:
		q->tcp_seq = l4_get_u32(p + 4);
		/* fallthrough */
	case L4_PROTO_UDP:
		q->sport = l4_get_u16(p);
		q->dport = l4_get_u16(p + 2);
		break;
	case L4_PROTO_ICMP:
	case L4_PROTO_ICMP6:
		q->icmp_type = p[0];
		q->sport = l4_get_u16(p + 4);
		q->dport = l4_get_u16(p + 6);
		break;
	default:
		break;
	}
}

/* The quoted IPv6 chain: as l4_ip6_walk, but what the quote lacks ends it without blame. */
static int quote_ip6(struct l4_icmp_quote *q, const uint8_t *p, size_t len)
{
	struct l4_ip6_hdr h;
	int rc = l4_ip6_parse_quoted(&h, p, len);
	if (rc < 0)
		return rc;
	size_t off = L4_IP6_HDR_LEN;
	uint8_t next = h.next;
	for (unsigned n = 0;; n++) {
		bool frag = next == L4_PROTO_FRAGMENT;
		if (next != L4_PROTO_HOPOPTS && next != L4_PROTO_DSTOPTS &&
		    next != L4_PROTO_ROUTING && !frag)
			break;
		if (n == L4_IP6_EXT_MAX)
			return L4_ELIMIT;
		if (len - off < 8)
			return L4_ETRUNC;
		size_t ext_len = frag ? 8 : 8 * (p[off + 1] + (size_t)1);
		if (ext_len > len - off)
			return L4_ETRUNC;
		next = p[off];
		if (frag && (l4_get_u16(p + off + 2) & 0xfff8)) {
			q->is_frag_rest = true;
			off += ext_len;
			break;
		}
		off += ext_len;
	}
	q->src = h.src;
	q->dst = h.dst;
	q->proto = next;
	size_t whole = (size_t)L4_IP6_HDR_LEN + h.payload_len;
	q->ip_len = (uint16_t)(whole > 65535 ? 65535 : whole);
	return (int)off;
}

static int quote_ip4(struct l4_icmp_quote *q, const uint8_t *p, size_t len)
{
	struct l4_ip4_hdr h;
	int rc = l4_ip4_parse_quoted(&h, p, len);
	if (rc < 0)
		return rc;
	q->src = h.src;
	q->dst = h.dst;
	q->proto = h.proto;
	q->ip_len = h.total_len;
	q->is_frag_rest = h.frag_off != 0;
	return rc;
}

size_t l4_icmp_quote_len(bool v6, uint8_t type, uint32_t rest, size_t len)
{
	size_t said = 0;
	if (v6 && (type == L4_ICMP6_UNREACH || type == L4_ICMP6_TIME_EXCEEDED))
		said = (rest >> 24) * (size_t)8;
	else if (!v6 && (type == L4_ICMP_UNREACH || type == L4_ICMP_TIME_EXCEEDED ||
			    type == L4_ICMP_PARAM))
		said = (rest >> 16 & 0xff) * (size_t)4;
	return said && said < len ? said : len;
}

int l4_icmp_quote_parse(struct l4_icmp_quote *out, bool v6, const void *data, size_t len)
{
	memset(out, 0, sizeof *out);
	const uint8_t *p = data;
	int rc = v6 ? quote_ip6(out, p, len) : quote_ip4(out, p, len);
	if (rc < 0)
		return rc;
	out->hdr_len = (size_t)rc;
	if (out->is_frag_rest)
		return rc;
	if (len - out->hdr_len < 8) /* RFC 792: at least 64 bits of the original data */
		return L4_ETRUNC;
	quote_upper(out, p + out->hdr_len);
	return rc;
}
