/* Tags between Ethernet and what it carries: 802.1ah (MAC in MAC), Cisco FabricPath, MACsec
 * (integrity only), Network Service Header, VN-Tag. */
#include "dissect/link.h"

enum { AH, AH_PRI, AH_DROP, AH_NCA, AH_ISID, AH_CDST, AH_CSRC, AH_ETYPE };

static const struct l4_field ah_fields[] = {
	[AH] = ROW0("ieee8021ah", "IEEE 802.1ah", 144),
	[AH_PRI] = ROW("ieee8021ah.priority", "Priority", U32, DEC, AT(0, 3)),
	[AH_DROP] = ROW("ieee8021ah.drop", "DROP", U32, DEC, AT(3, 1)),
	[AH_NCA] = ROW("ieee8021ah.nca", "NCA", U32, DEC, AT(4, 1)),
	[AH_ISID] = ROW("ieee8021ah.isid", "I-SID", U32, DEC, AT(8, 24)),
	[AH_CDST] = ROW("ieee8021ah.cdst", "C-Destination", MAC, NONE, AT(32, 48)),
	[AH_CSRC] = ROW("ieee8021ah.csrc", "C-Source", MAC, NONE, AT(80, 48)),
	[AH_ETYPE] = ROW("ieee8021ah.etype", "Type", U16, HEX, AT(128, 16),
	    .values = l4_ethertype_names, .derive = L4_DERIVE_NEXT),
};

static void dissect_ah(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 18);
	col_proto(d, "802.1ah");
	dis_fixed(d, v, AH_PRI, AH_ETYPE);
	if (!dis_has(d, v, 18))
		return;
	dis_net(d, L4_AK_MAC, v.p + 10, v.p + 4);
	struct l4_view next = view_skip(v, 18);
	uint16_t type = l4_get_u16(v.p + 16);
	d->net_len = next.len;
	if (type <= 1500) {
		dis_call(d, PROTO_llc, view_cut(next, type));
		d->net_len = 18 + type;
	} else {
		l4_link_ethertype(d, type, next);
		d->net_len += 18;
	}
}

static const struct l4_binding ah_bindings[] = { { "ethertype", 0x88e7 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ieee8021ah = {
	.proto = PROTO_INIT("ieee8021ah", "IEEE 802.1ah", "802.1ah", ah_fields, 144, ah_bindings),
	.run = dissect_ah,
};

enum { MS, MS_TCI, MS_AN, MS_SL, MS_PN, MS_SYS, MS_PORT, MS_ETYPE, MS_ICV };

static const struct l4_field ms_fields[] = {
	[MS] = ROW0("macsec", "802.1AE Security tag", 48),
	[MS_TCI] = ROW("macsec.TCI", "TCI", U8, HEX, AT(0, 6)),
	[MS_AN] = ROW("macsec.AN", "AN", U8, HEX, AT(6, 2)),
	[MS_SL] = ROW("macsec.SL", "Short length", U8, DEC, AT(8, 8)),
	[MS_PN] = ROW("macsec.PN", "Packet number", U32, DEC, AT(16, 32)),
	[MS_SYS] = ROW("macsec.SCI.system_identifier", "System Identifier", MAC, NONE, WALK),
	[MS_PORT] = ROW("macsec.SCI.port_identifier", "Port Identifier", U16, DEC, WALK),
	[MS_ETYPE] = ROW("macsec.etype", "Ethertype", U16, HEX, WALK),
	[MS_ICV] = ROW("macsec.ICV", "ICV", BYTES, NONE, WALK),
};

static void dissect_macsec(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 6);
	col_proto(d, "MACSEC");
	if (!dis_has(d, v, 6))
		return;
	const uint8_t *h = v.p;
	if (h[0] & 0x80) {
		dis_bad(d, h);
		return;
	}
	dis_fixed(d, v, MS_TCI, MS_PN);
	uint32_t at = 6;
	if (h[0] & 0x20) {
		if (!dis_has(d, v, 14))
			return;
		dis_p(d, MS_SYS, h + 6, 6);
		dis_u(d, MS_PORT, h + 12, 2, l4_get_u16(h + 12));
		at = 14;
	}
	bool hidden = (h[0] & 0x0c) != 0;
	uint32_t len = v.len - at, icv = 16, n;
	if (h[1] & 63)
		n = h[1] & 63;
	else
		n = len > icv ? len - icv : 0;
	if (n > len || len - n < icv) {
		dis_data(d, view_skip(v, at));
		return;
	}
	struct l4_view body = view_cut(view_skip(v, at), n), tail = view_skip(v, at + n);
	if (hidden) {
		dis_data(d, body);
	} else if (body.cap >= 2) {
		uint16_t type = l4_get_u16(body.p);
		dis_u(d, MS_ETYPE, body.p, 2, type);
		if (tail.cap >= icv)
			dis_p(d, MS_ICV, tail.p, icv);
		d->net_len = body.len - 2;
		l4_link_ethertype(d, type, view_skip(body, 2));
	}
	d->net_len = at + n + icv;
}

static const struct l4_binding ms_bindings[] = { { "ethertype", 0x88e5 }, { NULL, 0 } };

const struct l4_dissector l4_dis_macsec = {
	.proto = PROTO_INIT("macsec", "802.1AE Security tag", "MACSEC", ms_fields, 48, ms_bindings),
	.run = dissect_macsec,
};

enum { NSH, NSH_VERSION, NSH_LENGTH, NSH_MDTYPE, NSH_NEXT, NSH_SPI, NSH_SI };

static const struct l4_field nsh_fields[] = {
	[NSH] = ROW0("nsh", "Network Service Header", 64),
	[NSH_VERSION] = ROW("nsh.version", "Version", U16, DEC, AT(0, 2)),
	[NSH_LENGTH] = ROW("nsh.length", "Length", U16, DEC, AT(10, 6)),
	[NSH_MDTYPE] = ROW("nsh.mdtype", "MD Type", U8, DEC, AT(16, 8)),
	[NSH_NEXT] = ROW("nsh.nextproto", "Next Protocol", U8, DEC, AT(24, 8)),
	[NSH_SPI] = ROW("nsh.spi", "SPI", U24, HEX, AT(32, 24)),
	[NSH_SI] = ROW("nsh.si", "SI", U8, DEC, AT(56, 8)),
};

static void dissect_nsh(struct l4_dissect *d, struct l4_view v)
{
	uint32_t n = v.cap >= 2 ? (v.p[1] & 63u) * 4 : 8;
	dis_layer(d, v, n);
	col_proto(d, "NSH");
	dis_fixed(d, v, NSH_VERSION, NSH_SI);
	if (!dis_has(d, v, n < 8 ? 8 : n))
		return;
	struct l4_view next = view_skip(v, n);
	switch (v.p[3]) {
	case 1:
		dis_call(d, PROTO_ip, next);
		break;
	case 2:
		dis_call(d, PROTO_ipv6, next);
		break;
	case 3:
		dis_call(d, PROTO_eth, next);
		break;
	case 5:
		dis_call(d, PROTO_mpls, next);
		break;
	default:
		dis_data(d, next);
		break;
	}
}

static const struct l4_binding nsh_bindings[] = { { "ethertype", 0x894f }, { NULL, 0 } };

const struct l4_dissector l4_dis_nsh = {
	.proto = PROTO_INIT("nsh", "Network Service Header", "NSH", nsh_fields, 64, nsh_bindings),
	.run = dissect_nsh,
};

static const struct l4_field vntag_fields[] = { ROW0("vntag", "VN-Tag", 48) };

static void dissect_vntag(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 6);
	if (!dis_has(d, v, 6))
		return;
	d->net_len = v.len - 6;
	l4_link_ethertype(d, l4_get_u16(v.p + 4), view_skip(v, 6));
	d->net_len += 6;
}

static const struct l4_binding vntag_bindings[] = { { "ethertype", 0x8926 }, { NULL, 0 } };

const struct l4_dissector l4_dis_vntag = {
	.proto = PROTO_INIT("vntag", "VN-Tag", "VNTAG", vntag_fields, 48, vntag_bindings),
	.run = dissect_vntag,
};

static const struct l4_field cfp_fields[] = { ROW0("cfp", "Cisco FabricPath", 128) };

/* FabricPath puts its own addresses and a tag of type 0x8903 before an ordinary frame, and a check
 * sequence behind. */
static void dissect_cfp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 16);
	if (!dis_has(d, v, 16) || v.len < 20)
		return;
	const uint8_t *h = v.p;
	char dst[20];
	if (h[0] & 1)
		*fmt_mac(dst, h) = 0;
	else
		snprintf(dst, sizeof dst, "%03x.%02x.%04x", (h[1] & 15u) << 8 | h[2], h[3],
		    l4_get_u16(h + 4));
	dis_head(d, "Cisco FabricPath, Src: %03x.%02x.%04x, Dst: %s", (h[7] & 15u) << 8 | h[8],
	    h[9], l4_get_u16(h + 10), dst);
	struct l4_view inner = view_skip(v, 16);
	dis_call(d, PROTO_eth, view_cut(inner, inner.len - 4));
	d->net_len = v.len;
}

static const struct l4_binding cfp_bindings[] = { { "ethertype", 0x8903 }, { NULL, 0 } };

const struct l4_dissector l4_dis_cfp = {
	.proto = PROTO_INIT("cfp", "Cisco FabricPath", "CFP", cfp_fields, 128, cfp_bindings),
	.run = dissect_cfp,
};
