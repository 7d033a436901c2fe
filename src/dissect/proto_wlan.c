/* IEEE 802.11 data frames as far as their addresses and the LLC header behind, and the radiotap
 * header before them. Management, control and encrypted frames are shown as data. */
#include "dissect/link.h"

enum { WLAN, W_FC, W_TYPE, W_SUBTYPE, W_RA, W_DA, W_SA, W_BSSID };

static const struct l4_field fields[] = {
	[WLAN] = ROW0("wlan", "IEEE 802.11", 192),
	[W_FC] = ROW("wlan.fc", "Frame Control Field", U16, HEX, AT(0, 16)),
	[W_TYPE] = ROW("wlan.fc.type", "Type", U8, DEC, AT(4, 2), .depth = 1),
	[W_SUBTYPE] = ROW("wlan.fc.subtype", "Subtype", U8, DEC, AT(0, 4), .depth = 1),
	[W_RA] = ROW("wlan.ra", "Receiver address", MAC, NONE, WALK),
	[W_DA] = ROW("wlan.da", "Destination address", MAC, NONE, WALK),
	[W_SA] = ROW("wlan.sa", "Source address", MAC, NONE, WALK),
	[W_BSSID] = ROW("wlan.bssid", "BSS Id", MAC, NONE, WALK),
};

static void dissect_wlan(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 24);
	col_proto(d, "802.11");
	dis_fixed(d, v, W_FC, W_SUBTYPE);
	if (!dis_has(d, v, 24))
		return;
	const uint8_t *h = v.p;
	unsigned type = h[0] >> 2 & 3, subtype = h[0] >> 4, ds = h[1] & 3;
	dis_p(d, W_RA, h + 4, 6);
	/* IEEE 802.11 9.3.2.1: which address is which depends on the two DS bits. */
	const uint8_t *da = ds & 1 ? h + 16 : h + 4;
	const uint8_t *sa = ds == 2 ? h + 16 : h + 10;
	uint32_t n = ds == 3 ? 30 : 24;
	if (type != 2) {
		dis_net(d, L4_AK_MAC, h + 10, h + 4);
		dis_data(d, view_skip(v, 24));
		return;
	}
	if (ds == 3 && v.cap >= 30)
		sa = h + 24;
	dis_p(d, W_DA, da, 6);
	dis_p(d, W_SA, sa, 6);
	if (ds != 3)
		dis_p(d, W_BSSID, ds == 0 ? h + 16 : ds == 1 ? h + 4 : h + 10, 6);
	dis_net(d, L4_AK_MAC, sa, da);
	if (subtype & 8)
		n += 2; /* QoS control */
	if (!dis_has(d, v, n) || subtype & 4)
		return;
	struct l4_view next = view_skip(v, n);
	if (h[1] & 0x40)
		dis_data(d, next); /* encrypted */
	else
		dis_call(d, PROTO_llc, next);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_IEEE802_11 }, { NULL, 0 } };

const struct l4_dissector l4_dis_wlan = {
	.proto = PROTO_INIT("wlan", "IEEE 802.11", "802.11", fields, 192, bindings),
	.run = dissect_wlan,
};

enum { RT, RT_VERSION, RT_LENGTH };

static const struct l4_field rt_fields[] = {
	[RT] = ROW0("radiotap", "Radiotap Header", 64),
	[RT_VERSION] = ROW("radiotap.version", "Header revision", U8, DEC, AT(0, 8)),
	[RT_LENGTH] = ROW("radiotap.length", "Header length", U16, DEC, WALK),
};

static void dissect_radiotap(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	if (!dis_has(d, v, 8))
		return;
	uint32_t n = (uint32_t)(v.p[2] | v.p[3] << 8);
	dis_head(d, "Radiotap Header v%u, Length %u", v.p[0], n);
	dis_fixed(d, v, RT_VERSION, RT_VERSION);
	dis_u(d, RT_LENGTH, v.p + 2, 2, n);
	if (n < 8 || !dis_has(d, v, n))
		return;
	/* The flags field says whether the frame has its check sequence. */
	uint32_t present = (uint32_t)(v.p[4] | v.p[5] << 8 | v.p[6] << 16) | (uint32_t)v.p[7] << 24;
	uint32_t at = 8;
	for (uint32_t word = present; word >> 31 && at + 4 <= n; at += 4)
		word = (uint32_t)v.p[at + 3] << 24;
	if (present & 1)
		at = ((at + 7) & ~7u) + 8; /* TSFT, aligned */
	struct l4_view next = view_skip(v, n);
	if (present & 2 && at < n && v.p[at] & 0x10 && next.len > 4)
		next = view_cut(next, next.len - 4);
	dis_mark(d, PROTO_wlan_radio, next);
	dis_call(d, PROTO_wlan, next);
}

static const struct l4_binding rt_bindings[] = { { "linktype", L4_LINK_IEEE802_11_RADIO },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_radiotap = {
	.proto = PROTO_INIT("radiotap", "Radiotap Header", "802.11", rt_fields, 64, rt_bindings),
	.run = dissect_radiotap,
};

static const struct l4_field radio_fields[] = { ROW0("wlan_radio", "802.11 radio information", 0) };

static void dissect_radio(struct l4_dissect *d, struct l4_view v)
{
	dis_call(d, PROTO_wlan, v);
}

const struct l4_dissector l4_dis_wlan_radio = {
	.proto = PROTO_INIT("wlan_radio", "802.11 radio information", "", radio_fields, 0, NULL),
	.run = dissect_radio,
};
