/* Linux cooked captures, v1 and v2 (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2). */
#include "dissect/link.h"

enum {
	SLL,
	ETYPE2,
	IFINDEX,
	HATYPE2,
	PKTTYPE,
	HATYPE,
	HALEN,
	SRC_ETH,
	SRC_IP4,
	SRC_OTHER,
	UNUSED,
	LTYPE,
	GRETYPE,
	ETYPE,
	PADDING,
	TRAILER
};

static const struct l4_value pkttypes[] = { { 0, "Unicast to us" }, { 1, "Broadcast" },
	{ 2, "Multicast" }, { 3, "Unicast to another host" }, { 4, "Sent by us" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[SLL] = ROW0("sll", "Linux cooked capture", 128),
	[ETYPE2] = ROW("sll.etype", "Protocol", U16, HEX, WALK, .values = l4_ethertype_names),
	[IFINDEX] = ROW("sll.ifindex", "Interface index", U32, DEC, WALK),
	[HATYPE2] = ROW("sll.hatype", "Link-layer address type", U16, DEC, WALK),
	[PKTTYPE] = ROW("sll.pkttype", "Packet type", U16, DEC, WALK, .values = pkttypes),
	[HATYPE] = ROW("sll.hatype", "Link-layer address type", U16, DEC, WALK),
	[HALEN] = ROW("sll.halen", "Link-layer address length", U16, DEC, WALK),
	[SRC_ETH] = ROW("sll.src.eth", "Source", MAC, NONE, WALK),
	[SRC_IP4] = ROW("sll.src.ipv4", "Source", IP4, NONE, WALK),
	[SRC_OTHER] = ROW("sll.src.other", "Source", BYTES, NONE, WALK),
	[UNUSED] = ROW("sll.unused", "Unused", BYTES, NONE, WALK),
	[LTYPE] = ROW("sll.ltype", "Protocol", U16, HEX, WALK),
	[GRETYPE] = ROW("sll.gretype", "Protocol", U16, HEX, WALK),
	[ETYPE] = ROW("sll.etype", "Protocol", U16, HEX, WALK, .values = l4_ethertype_names),
	[PADDING] = ROW("eth.padding", "Padding", BYTES, NONE, WALK),
	[TRAILER] = ROW("sll.trailer", "Trailer", BYTES, NONE, WALK),
};

static void source(struct l4_dissect *d, const uint8_t *p, uint16_t halen)
{
	if (halen == 6) {
		dis_p(d, SRC_ETH, p, 6);
		if (cols(d)) {
			d->out.src_kind = L4_AK_MAC;
			d->out.src = p;
		}
	} else if (halen == 4) {
		dis_p(d, SRC_IP4, p, 4);
		if (cols(d)) {
			d->out.src_kind = L4_AK_IP4;
			d->out.src = p;
		}
	} else if (halen) {
		dis_p(d, SRC_OTHER, p, halen > 8 ? 8 : halen);
	}
	if (halen < 8)
		dis_p(d, UNUSED, p + halen, 8u - halen);
}

/* The payload of an EtherType, and what stands behind it. */
static void with_trailer(struct l4_dissect *d, uint16_t type, struct l4_view next)
{
	uint32_t layer = d->out.n_layers;
	d->net_at = next.p;
	d->net_len = next.len;
	l4_link_ethertype(d, type, next);
	if (d->net_len >= next.len || !d->w_any)
		return;
	uint32_t items = d->out.n_items;
	struct l4_view t = view_skip(next, d->net_len);
	uint32_t pad = l4_link_padding(d, t);
	if (pad)
		dis_p(d, PADDING, t.p, pad);
	t = view_skip(t, pad);
	if (t.cap)
		dis_p(d, TRAILER, t.p, t.cap);
	for (; items < d->out.n_items; items++)
		d->items[items].layer = (uint8_t)(layer - 1);
}

static void payload(struct l4_dissect *d, uint16_t type, uint16_t hatype, const uint8_t *at,
    struct l4_view next, unsigned row)
{
	/* ARPHRD_IPGRE: the protocol is GRE's, which is an EtherType as well. */
	if (hatype == 778) {
		dis_u(d, GRETYPE, at, 2, type);
		if (!dis_call_ethertype(d, type, next))
			dis_data(d, next);
	} else if (type < 1536) {
		dis_u(d, LTYPE, at, 2, type);
		if (type == 4)
			dis_call(d, PROTO_llc, next);
		else
			dis_data(d, next);
	} else {
		dis_u(d, row, at, 2, type);
		with_trailer(d, type, next);
	}
}

static void version_2(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	dis_layer(d, v, 20);
	dis_head(d, "Linux cooked capture v2");
	if (v.cap < 20) {
		if (v.cap >= 2 && l4_get_u16(h) >= 1536)
			dis_u(d, ETYPE2, h, 2, l4_get_u16(h));
		if (v.cap >= 8)
			dis_u(d, IFINDEX, h + 4, 4, l4_get_u32(h + 4));
		if (v.cap >= 10)
			dis_u(d, HATYPE2, h + 8, 2, l4_get_u16(h + 8));
		if (v.cap >= 11)
			dis_u(d, PKTTYPE, h + 10, 1, h[10]);
		if (v.cap >= 12)
			dis_u(d, HALEN, h + 11, 1, h[11]);
		dis_short(d, v, 20);
		return;
	}
	col_proto(d, "SLL");
	uint16_t type = l4_get_u16(h), hatype = l4_get_u16(h + 8);
	if (type >= 1536 && hatype != 778)
		dis_u(d, ETYPE2, h, 2, type);
	dis_u(d, IFINDEX, h + 4, 4, l4_get_u32(h + 4));
	dis_u(d, HATYPE2, h + 8, 2, hatype);
	dis_u(d, PKTTYPE, h + 10, 1, h[10]);
	dis_u(d, HALEN, h + 11, 1, h[11]);
	source(d, h + 12, h[11]);
	struct l4_view next = view_skip(v, 20);
	if (type >= 1536 && hatype != 778)
		with_trailer(d, type, next);
	else
		payload(d, type, hatype, h, next, ETYPE);
}

static void dissect_sll(struct l4_dissect *d, struct l4_view v)
{
	if (d->out.cap->linktype == L4_LINK_LINUX_SLL2) {
		version_2(d, v);
		return;
	}
	const uint8_t *h = v.p;
	dis_layer(d, v, 16);
	dis_head(d, "Linux cooked capture v1");
	col_proto(d, "SLL");
	if (v.cap >= 2)
		dis_u(d, PKTTYPE, h, 2, l4_get_u16(h));
	if (v.cap >= 4)
		dis_u(d, HATYPE, h + 2, 2, l4_get_u16(h + 2));
	if (v.cap >= 6)
		dis_u(d, HALEN, h + 4, 2, l4_get_u16(h + 4));
	if (v.cap >= 14)
		source(d, h + 6, l4_get_u16(h + 4));
	if (!dis_has(d, v, 16))
		return;
	payload(d, l4_get_u16(h + 14), l4_get_u16(h + 2), h + 14, view_skip(v, 16), ETYPE);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_LINUX_SLL },
	{ "linktype", L4_LINK_LINUX_SLL2 }, { NULL, 0 } };

const struct l4_dissector l4_dis_sll = {
	.proto = PROTO_INIT("sll", "Linux cooked capture", "SLL", fields, 128, bindings),
	.run = dissect_sll,
};
