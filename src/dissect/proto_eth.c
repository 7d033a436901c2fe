/* Ethernet II and IEEE 802.3, with padding, trailer and frame check sequence.
 *
 * What stands behind the payload is known only once the network layer has told its length: zeros
 * that fill a short frame are padding, the last four bytes are taken for the check sequence (if the
 * file says so, or if the frame is of full length), and the rest is a trailer. */
#include "dissect/engine.h"
#include "dissect/link.h"

enum {
	ETH,
	DST,
	DST_OUI,
	ADDR1,
	ADDR_OUI1,
	DST_LG,
	LG1,
	DST_IG,
	IG1,
	SRC,
	SRC_OUI,
	ADDR2,
	ADDR_OUI2,
	SRC_LG,
	LG2,
	SRC_IG,
	IG2,
	DST_NAME,
	ADDR_NAME,
	SRC_NAME,
	TYPE,
	LEN,
	INVALID,
	PADDING,
	TRAILER,
	FCS,
	FCS_STATUS,
	LEN_PAST,
	SRC_GROUP,
	FCS_BAD,
};

static const struct l4_value lg[] = { { 0, "Globally unique address" },
	{ 1, "Locally administered address" }, { 0, NULL } };
static const struct l4_value ig[] = { { 0, "Individual address (unicast)" },
	{ 1, "Group address (multicast/broadcast)" }, { 0, NULL } };

/* Also used by the other link layers that carry an EtherType. */
const struct l4_value l4_ethertype_names[] = { { 0x0800, "IPv4" }, { 0x0806, "ARP" },
	{ 0x86dd, "IPv6" }, { 0x8100, "802.1Q Virtual LAN" }, { 0x88a8, "802.1ad Service VLAN" },
	{ 0x9100, "QinQ" }, { 0x8847, "MPLS unicast" }, { 0x8848, "MPLS multicast" },
	{ 0x8863, "PPPoE Discovery" }, { 0x8864, "PPPoE Session" }, { 0x88cc, "LLDP" },
	{ 0x888e, "802.1X Authentication" }, { 0x88e5, "802.1AE (MACsec)" },
	{ 0x6558, "Transparent Ethernet bridging" }, { 0x8035, "RARP" }, { 0x8906, "FCoE" },
	{ 0x894f, "Network Service Header" }, { 0x88be, "ERSPAN II" }, { 0x22eb, "ERSPAN III" },
	{ 0x880b, "PPP" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[ETH] = ROW0("eth", "Ethernet II", 112),
	[DST] = ROW("eth.dst", "Destination", MAC, NONE, AT(0, 48)),
	[DST_OUI] = ROW("eth.dst.oui", "Destination OUI", U24, OUI, AT(0, 24), .depth = 1, HID),
	[ADDR1] = ROW("eth.addr", "Address", MAC, NONE, AT(0, 48), .depth = 1, HID),
	[ADDR_OUI1] = ROW("eth.addr.oui", "Address OUI", U24, OUI, AT(0, 24), .depth = 1, HID),
	[DST_LG] = ROW("eth.dst.lg", "LG bit", BOOL, NONE, AT(6, 1), .depth = 1, .values = lg),
	[LG1] = ROW("eth.lg", "LG bit", BOOL, NONE, AT(6, 1), .depth = 1, HID, .values = lg),
	[DST_IG] = ROW("eth.dst.ig", "IG bit", BOOL, NONE, AT(7, 1), .depth = 1, .values = ig),
	[IG1] = ROW("eth.ig", "IG bit", BOOL, NONE, AT(7, 1), .depth = 1, HID, .values = ig),
	[SRC] = ROW("eth.src", "Source", MAC, NONE, AT(48, 48)),
	[SRC_OUI] = ROW("eth.src.oui", "Source OUI", U24, OUI, AT(48, 24), .depth = 1, HID),
	[ADDR2] = ROW("eth.addr", "Address", MAC, NONE, AT(48, 48), .depth = 1, HID),
	[ADDR_OUI2] = ROW("eth.addr.oui", "Address OUI", U24, OUI, AT(48, 24), .depth = 1, HID),
	[SRC_LG] = ROW("eth.src.lg", "LG bit", BOOL, NONE, AT(54, 1), .depth = 1, .values = lg),
	[LG2] = ROW("eth.lg", "LG bit", BOOL, NONE, AT(54, 1), .depth = 1, HID, .values = lg),
	[SRC_IG] = ROW("eth.src.ig", "IG bit", BOOL, NONE, AT(55, 1), .depth = 1, .values = ig),
	[IG2] = ROW("eth.ig", "IG bit", BOOL, NONE, AT(55, 1), .depth = 1, HID, .values = ig),
	[DST_NAME] = ROW("eth.dst_resolved", "Destination (resolved)", STRING, NONE, HID),
	[ADDR_NAME] = ROW("eth.addr_resolved", "Address (resolved)", STRING, NONE, HID),
	[SRC_NAME] = ROW("eth.src_resolved", "Source (resolved)", STRING, NONE, HID),
	[TYPE] = ROW("eth.type", "Type", U16, HEX, AT(96, 16), .values = l4_ethertype_names,
	    .derive = L4_DERIVE_NEXT),
	[LEN] = ROW("eth.len", "Length", U16, DEC, WALK),
	[INVALID] = ROW("eth.invalid_lentype", "Invalid length/type", U16, HEX_DEC, WALK),
	[PADDING] = ROW("eth.padding", "Padding", BYTES, NONE, WALK),
	[TRAILER] = ROW("eth.trailer", "Trailer", BYTES, NONE, WALK),
	[FCS] = ROW("eth.fcs", "Frame check sequence", U32, HEX, WALK),
	[FCS_STATUS] =
	    ROW("eth.fcs.status", "FCS Status", U8, DEC, GEN, .values = l4_checksum_status),
	[LEN_PAST] =
	    EVENT("eth.len.past_end", "Length field value goes past the end of the payload", ERROR),
	[SRC_GROUP] = EVENT("eth.src_not_group", "Source MAC must not be a group address", WARN),
	[FCS_BAD] = EVENT("eth.fcs_bad", "Bad checksum", ERROR),
};

/* v: the frame from its first byte; used: bytes of it that header and payload took. A frame that
 * came in a tunnel has no check sequence. */
static void trailer(struct l4_dissect *d, struct l4_view v, uint32_t used, bool inner)
{
	if (used >= v.len || !d->w_any)
		return;
	struct l4_view t = view_skip(v, used);
	uint32_t pad = l4_link_padding(d, t);
	if (pad) {
		dis_p(d, PADDING, t.p, pad);
		t = view_skip(t, pad);
	}
	int fcs = inner ? 0 : d->out.cap->fcs_len;
	bool has = false;
	if (t.cap >= 4 && t.cap == t.len && fcs != 0) {
		has = fcs == 4;
		/* A frame of full length with a trailer: the last four bytes are taken for it. */
		if (!has)
			has = d->out.cap->len >= 64;
	}
	uint32_t n = has ? t.cap - 4 : t.cap;
	if (n)
		dis_p(d, TRAILER, t.p, n);
	if (has) {
		const uint8_t *f = t.p + t.cap - 4;
		dis_u(d, FCS, f, 4, l4_get_u32(f));
		dis_u(d, FCS_STATUS, NULL, 0, 2);
	}
}

/* The addresses as names: nobody has a table here, so they are their own. */
static void names(struct l4_dissect *d, const uint8_t *h)
{
	for (unsigned k = 0; k < 2; k++) {
		char *t = dis_alloc(d, 17);
		if (!t)
			return;
		(void)fmt_mac(t, h + 6 * k);
		dis_s(d, k ? SRC_NAME : DST_NAME, h + 6 * k, 6, t, 17);
		dis_s(d, ADDR_NAME, h + 6 * k, 6, t, 17);
	}
}

static void dissect_eth(struct l4_dissect *d, struct l4_view v)
{
	/* The addresses are not looked at before the type is there. */
	if (!dis_has(d, v, 14)) {
		dis_mark(d, PROTO_eth, v);
		if (v.cap >= 12) {
			dis_net(d, L4_AK_MAC, v.p + 6, v.p);
			col_proto(d, "Ethernet");
		} else if (v.cap >= 6) {
			col_proto(d, "Ethernet");
		}
		return;
	}
	const uint8_t *h = v.p;
	uint16_t type = l4_get_u16(h + 12);
	bool length = type && type <= 1500; /* 802.3; 0 is taken for a type */
	bool raw = length && v.cap >= 16 && l4_get_u16(h + 14) == 0xffff; /* IPX without LLC */
	/* FabricPath's addresses are none of Ethernet's. */
	if (type == 0x8903) {
		dis_mark(d, PROTO_eth, v);
		dis_call(d, PROTO_cfp, v);
		return;
	}
	dis_layer(d, v, 14);
	d->dl_src = (struct l4_net){ L4_AK_MAC, h + 6 };
	d->dl_dst = (struct l4_net){ L4_AK_MAC, h };
	dis_net(d, L4_AK_MAC, h + 6, h);
	uint32_t layer = d->out.n_layers;
	if (d->w_any) {
		char *o = dis_title_room(d);
		if (o) {
			if (length) {
				*fmt_str(o,
				    raw ? "IEEE 802.3 Ethernet Raw " : "IEEE 802.3 Ethernet ") = 0;
			} else {
				o = fmt_mac(fmt_str(o, "Ethernet II, Src: "), h + 6);
				*fmt_mac(fmt_str(o, ", Dst: "), h) = 0;
			}
		}
		dis_fixed(d, v, DST, IG2);
		if (d->w[DST_NAME] | d->w[ADDR_NAME] | d->w[SRC_NAME])
			names(d, h);
		if (h[6] & 1 && !length)
			dis_expert(d, SRC_GROUP);
	}
	if (length)
		dis_u(d, LEN, h + 12, 2, type);
	else if (type && type < 1536)
		dis_u(d, INVALID, h + 12, 2, type);
	else
		dis_u(d, TYPE, h + 12, 2, type);
	struct l4_view next = view_skip(v, 14);
	uint32_t saved = d->net_len;
	const uint8_t *saved_at = d->net_at;
	d->net_len = next.len;
	d->net_at = next.p;
	bool past = length && type > next.len;
	if (past)
		dis_expert(d, LEN_PAST);
	if (length) {
		col_proto(d, raw ? "IPX" : "LLC");
		if (type < next.len)
			next = view_cut(next, type);
		d->net_len = next.len;
		if (raw)
			dis_data(d, next);
		else
			dis_call(d, PROTO_llc, next);
		/* An 802.3 length is the payload's length, whatever it held. */
		d->net_len = next.len;
	} else if (type && type < 1536) {
		dis_data(d, next);
	} else {
		l4_link_ethertype(d, type, next);
	}
	uint32_t used = 14 + d->net_len;
	d->net_len = saved;
	d->net_at = saved_at;
	/* The trailer belongs to this layer again. */
	uint32_t items = d->out.n_items;
	trailer(d, v, used, layer > 2);
	for (; items < d->out.n_items; items++)
		d->items[items].layer = (uint8_t)(layer - 1);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_ETHERNET },
	{ "ethertype", 0x6558 }, { NULL, 0 } };

const struct l4_dissector l4_dis_eth = {
	.proto = PROTO_INIT("eth", "Ethernet", "Ethernet", fields, 112, bindings),
	.run = dissect_eth,
};
