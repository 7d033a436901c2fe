/* The step from an EtherType to the protocol behind it, and what the link layers share. */
#include <layer4/checksum.h>

#include "dissect/link.h"

const struct l4_value l4_checksum_status[] = { { 0, "Bad" }, { 1, "Good" }, { 2, "Unverified" },
	{ 3, "Not present" }, { 4, "Illegal" }, { 5, "Partial" }, { 0, NULL } };

static const struct l4_field fields[] = { ROW0("ethertype", "EtherType", 0) };

void l4_link_ethertype(struct l4_dissect *d, uint16_t type, struct l4_view v)
{
	dis_mark(d, PROTO_ethertype, v);
	uint8_t id = d->by_ethertype[type];
	if (id != PROTO_NONE) {
		dis_call(d, id, v);
	} else {
		if (cols(d)) {
			char *t = dis_alloc(d, 8);
			if (t) {
				char *o = t;
				*o++ = '0';
				*o++ = 'x';
				*fmt_hex(o, type, 4) = 0;
				d->out.protocol = t;
			}
			const char *name = l4_value_name(l4_ethertype_names, type);
			col_clear(d);
			if (name)
				col_str(d, name);
			else
				col_str(d, "Ethernet II");
		}
		dis_data(d, v);
	}
	/* A payload that is damaged does not damage the frame around it. */
	if (d->stop != DIS_GO && d->columns && !d->cols_locked) {
		col_str(d, d->stop == DIS_MALFORMED ? "[Malformed Packet]"
						    : "[Packet size limited during capture]");
	}
	d->stop = DIS_GO;
}

uint32_t l4_link_padding(const struct l4_dissect *d, struct l4_view t)
{
	/* Wireshark judges by the length of the whole packet, whatever is around this frame; one
	 * below the least length was not filled up. */
	uint32_t whole = d->out.cap->len;
	if (whole < 60 || t.len > whole || whole - t.len >= 60)
		return 0;
	uint32_t pad = 60 - (whole - t.len);
	if (pad > t.cap)
		return 0;
	for (uint32_t i = 0; i < pad; i++)
		if (t.p[i])
			return 0;
	return pad;
}

void l4_link_ip(struct l4_dissect *d, struct l4_view v)
{
	if (v.cap && v.p[0] >> 4 == 4)
		dis_call(d, PROTO_ip, v);
	else if (v.cap && v.p[0] >> 4 == 6)
		dis_call(d, PROTO_ipv6, v);
	else
		dis_data(d, v);
}

void l4_link_family(struct l4_dissect *d, uint32_t family, struct l4_view v)
{
	switch (family) {
	case 2:
		dis_call(d, PROTO_ip, v);
		break;
	case 10: /* Linux */
	case 24: /* NetBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		dis_call(d, PROTO_ipv6, v);
		break;
	default:
		dis_data(d, v);
		break;
	}
}

uint16_t l4_link_csum(const uint8_t *p, uint32_t n)
{
	return l4_csum_fold(l4_csum_partial(p, n, 0));
}

/* The sum of the pseudo-header. False: there are no addresses for one. */
static bool pseudo(const struct l4_dissect *d, uint32_t n, uint8_t proto, uint32_t *sum)
{
	struct l4_addr s, e;
	if (d->net_src.kind == L4_AK_IP6) {
		s = l4_addr_from_ip6(d->net_src.p);
		e = l4_addr_from_ip6(d->net_dst.p);
	} else if (d->net_src.kind == L4_AK_IP4) {
		s = l4_addr_from_ip4(d->net_src.p);
		e = l4_addr_from_ip4(d->net_dst.p);
	} else {
		return false;
	}
	*sum = l4_csum_pseudo(&s, &e, proto, n);
	return true;
}

uint16_t l4_link_csum_pseudo(
    const struct l4_dissect *d, const uint8_t *p, uint32_t n, uint8_t proto)
{
	uint32_t sum;
	return pseudo(d, n, proto, &sum) ? l4_csum_fold(l4_csum_partial(p, n, sum)) : 0;
}

/* A packet that the sender itself captured has not been at its network card: where the card was to
 * complete the checksum, the field holds the sum of the pseudo-header, not inverted (Linux's
 * CHECKSUM_PARTIAL). Where the card also cuts segments, some systems leave the length out of it. */
unsigned l4_link_csum_verify(const struct l4_dissect *d, const uint8_t *p, uint32_t n, uint32_t at,
    uint8_t proto, uint16_t *should)
{
	uint32_t sum;
	uint16_t field;
	memcpy(&field, p + at, 2);
	*should = l4_get_u16(p + at);
	if (!pseudo(d, n, proto, &sum))
		return CSUM_GOOD;
	uint16_t rest = l4_csum_fold(l4_csum_partial(p, n, sum));
	if (!rest)
		return CSUM_GOOD;
	uint16_t right = l4_csum_update16(rest, field, 0);
	*should = l4_get_u16((const uint8_t *)&right);
	if (proto == 17 && !right)
		*should = 0xffff; /* RFC 768 */
	uint16_t inverted = l4_csum_fold(sum);
	if ((field ^ inverted) == 0xffff)
		return CSUM_PARTIAL;
	if (proto != 6 || !pseudo(d, 0, proto, &sum))
		return CSUM_BAD;
	inverted = l4_csum_fold(sum);
	return (field ^ inverted) == 0xffff ? CSUM_PARTIAL : CSUM_BAD;
}

static void dissect_ethertype(struct l4_dissect *d, struct l4_view v)
{
	if (dis_has(d, v, 2))
		l4_link_ethertype(d, l4_get_u16(v.p), view_skip(v, 2));
}

const struct l4_dissector l4_dis_ethertype = {
	.proto = PROTO_INIT("ethertype", "EtherType", "", fields, 0, NULL),
	.run = dissect_ethertype,
};
