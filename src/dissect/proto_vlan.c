/* IEEE 802.1Q and 802.1ad tags. */
#include "dissect/link.h"

enum { VLAN, PRIORITY, CFI, DEI, ID, ETYPE, LEN, PADDING, TRAILER };

static const struct l4_field fields[] = {
	[VLAN] = ROW0("vlan", "802.1Q Virtual LAN", 32),
	[PRIORITY] = ROW("vlan.priority", "Priority", U16, DEC, AT(0, 3), .alias = "pcp"),
	[CFI] = ROW("vlan.cfi", "CFI", BOOL, NONE, WALK),
	[DEI] = ROW("vlan.dei", "DEI", BOOL, NONE, AT(3, 1)),
	[ID] = ROW("vlan.id", "ID", U16, DEC, AT(4, 12), .def = 1),
	[ETYPE] = ROW("vlan.etype", "Type", U16, HEX, AT(16, 16), .values = l4_ethertype_names,
	    .derive = L4_DERIVE_NEXT, .alias = "type"),
	[LEN] = ROW("vlan.len", "Length", U16, DEC, WALK),
	[PADDING] = ROW("eth.padding", "Padding", BYTES, NONE, WALK),
	[TRAILER] = ROW("vlan.trailer", "Trailer", BYTES, NONE, WALK),
};

static void dissect_vlan(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 4);
	if (!dis_has(d, v, 4)) {
		dis_fixed(d, v, PRIORITY, ID);
		return;
	}
	col_proto(d, "VLAN");
	uint16_t tci = l4_get_u16(v.p), type = l4_get_u16(v.p + 2);
	if (cols(d)) {
		col_clear(d);
		col_fmt(d, "PRI: %u  DEI: %u  ID: %u", tci >> 13, tci >> 12 & 1, tci & 0xfff);
	}
	uint32_t layer = d->out.n_layers;
	dis_head(d, "802.1Q Virtual LAN, PRI: %u, DEI: %u, ID: %u", tci >> 13, tci >> 12 & 1,
	    tci & 0xfff);
	dis_fixed(d, v, PRIORITY, ID);
	struct l4_view next = view_skip(v, 4);
	uint32_t outer = d->net_len;
	const uint8_t *outer_at = d->net_at;
	d->net_len = next.len;
	d->net_at = next.p;
	if (type <= 1500) {
		dis_u(d, LEN, v.p + 2, 2, type);
		if (type < next.len)
			next = view_cut(next, type);
		d->net_len = next.len;
		dis_call(d, PROTO_llc, next);
		d->net_len = next.len;
	} else {
		dis_u(d, ETYPE, v.p + 2, 2, type);
		l4_link_ethertype(d, type, next);
	}
	uint32_t used = 4 + d->net_len;
	if (used < v.len) {
		struct l4_view t = view_skip(v, used);
		uint32_t pad = l4_link_padding(d, t);
		if (pad && dis_p(d, PADDING, t.p, pad))
			d->items[d->out.n_items - 1].layer = (uint8_t)(layer - 1);
		t = view_skip(t, pad);
		if (t.cap && dis_p(d, TRAILER, t.p, t.cap))
			d->items[d->out.n_items - 1].layer = (uint8_t)(layer - 1);
	}
	/* To the layer below, the tag's payload is all that there is. */
	d->net_at = outer_at;
	d->net_len = outer;
}

static const struct l4_binding bindings[] = { { "ethertype", 0x8100 }, { "ethertype", 0x9100 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_vlan = {
	.proto = PROTO_INIT("vlan", "802.1Q Virtual LAN", "VLAN", fields, 32, bindings),
	.run = dissect_vlan,
};

enum { AD, AD_PRIORITY, AD_DEI, AD_ID };

static const struct l4_field ad_fields[] = {
	[AD] = ROW0("ieee8021ad", "IEEE 802.1ad", 32),
	[AD_PRIORITY] = ROW("ieee8021ad.priority", "Priority", U16, DEC, AT(0, 3)),
	[AD_DEI] = ROW("ieee8021ad.dei", "DEI", U16, DEC, AT(3, 1)),
	[AD_ID] = ROW("ieee8021ad.id", "ID", U16, DEC, AT(4, 12), .def = 1),
};

static void dissect_ad(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 4);
	col_proto(d, "802.1ad");
	if (!dis_has(d, v, 4)) {
		dis_fixed(d, v, AD_PRIORITY, AD_ID);
		return;
	}
	dis_head(d, "IEEE 802.1ad, ID: %u", l4_get_u16(v.p) & 0xfffu);
	dis_fixed(d, v, AD_PRIORITY, AD_ID);
	struct l4_view next = view_skip(v, 4);
	uint32_t outer = d->net_len;
	const uint8_t *outer_at = d->net_at;
	d->net_len = next.len;
	d->net_at = next.p;
	l4_link_ethertype(d, l4_get_u16(v.p + 2), next);
	d->net_at = outer_at;
	d->net_len = outer;
}

static const struct l4_binding ad_bindings[] = { { "ethertype", 0x88a8 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ieee8021ad = {
	.proto = PROTO_INIT("ieee8021ad", "IEEE 802.1ad", "802.1ad", ad_fields, 32, ad_bindings),
	.run = dissect_ad,
};
