/* Tunnels over UDP and IP: VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U (3GPP TS 29.281), LISP data
 * (RFC 9300), L2TP version 2 (RFC 2661), Teredo's plain form, and the Authentication Header
 * (RFC 4302). */
#include "dissect/link.h"

enum { VX, VX_FLAGS, VX_VNI };

static const struct l4_field vx_fields[] = {
	[VX] = ROW0("vxlan", "Virtual eXtensible Local Area Network", 64),
	[VX_FLAGS] = ROW("vxlan.flags", "Flags", U16, HEX, AT(0, 16), .def = 0x0800),
	[VX_VNI] = ROW("vxlan.vni", "VXLAN Network Identifier (VNI)", U24, DEC, AT(32, 24)),
};

static void dissect_vxlan(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	col_proto(d, "VxLAN");
	dis_fixed(d, v, VX_FLAGS, VX_VNI);
	if (dis_has(d, v, 8))
		dis_call(d, PROTO_eth, view_skip(v, 8));
}

static const struct l4_binding vx_bindings[] = { { "udp.port", 4789 }, { NULL, 0 } };

const struct l4_dissector l4_dis_vxlan = {
	.proto = PROTO_INIT(
	    "vxlan", "Virtual eXtensible Local Area Network", "VxLAN", vx_fields, 64, vx_bindings),
	.run = dissect_vxlan,
};

enum { GN, GN_VERSION, GN_TYPE, GN_VNI };

static const struct l4_field gn_fields[] = {
	[GN] = ROW0("geneve", "Generic Network Virtualization Encapsulation", 64),
	[GN_VERSION] = ROW("geneve.version", "Version", U8, DEC, AT(0, 2)),
	[GN_TYPE] = ROW(
	    "geneve.proto_type", "Protocol Type", U16, HEX, AT(16, 16), .derive = L4_DERIVE_NEXT),
	[GN_VNI] = ROW("geneve.vni", "Virtual Network Identifier (VNI)", U24, HEX, AT(32, 24)),
};

static void dissect_geneve(struct l4_dissect *d, struct l4_view v)
{
	uint32_t n = v.cap ? 8 + (v.p[0] & 63u) * 4 : 8;
	dis_layer(d, v, n);
	col_proto(d, "Geneve");
	dis_fixed(d, v, GN_VERSION, GN_VNI);
	if (!dis_has(d, v, n))
		return;
	if (!dis_call_ethertype(d, l4_get_u16(v.p + 2), view_skip(v, n)))
		dis_data(d, view_skip(v, n));
}

static const struct l4_binding gn_bindings[] = { { "udp.port", 6081 }, { NULL, 0 } };

const struct l4_dissector l4_dis_geneve = {
	.proto = PROTO_INIT("geneve", "Generic Network Virtualization Encapsulation", "Geneve",
	    gn_fields, 64, gn_bindings),
	.run = dissect_geneve,
};

enum { GTP, GTP_FLAGS, GTP_MESSAGE, GTP_LENGTH, GTP_TEID };

static const struct l4_field gtp_fields[] = {
	[GTP] = ROW0("gtp", "GPRS Tunneling Protocol", 64),
	[GTP_FLAGS] = ROW("gtp.flags", "Flags", U8, HEX, AT(0, 8), .def = 0x30),
	[GTP_MESSAGE] = ROW("gtp.message", "Message Type", U8, HEX, AT(8, 8), .def = 0xff),
	[GTP_LENGTH] =
	    ROW("gtp.length", "Length", U16, DEC, AT(16, 16), .derive = L4_DERIVE_PAYLOAD),
	[GTP_TEID] = ROW("gtp.teid", "TEID", U32, HEX, AT(32, 32)),
};

static void dissect_gtp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	col_proto(d, "GTP");
	if (!dis_has(d, v, 8))
		return;
	dis_fixed(d, v, GTP_FLAGS, GTP_TEID);
	uint32_t at = 8;
	if (v.p[0] >> 5 != 1 || v.p[1] != 0xff)
		return;
	if (v.p[0] & 7) {
		if (!dis_has(d, v, 12))
			return;
		uint8_t next = v.p[11];
		at = 12;
		while (v.p[0] & 4 && next) {
			if (!dis_has(d, v, at + 1))
				return;
			uint32_t n = v.p[at] * 4u;
			if (!n || !dis_has(d, v, at + n))
				return;
			next = v.p[at + n - 1];
			at += n;
		}
	}
	l4_link_ip(d, view_skip(v, at));
}

static const struct l4_binding gtp_bindings[] = { { "udp.port", 2152 }, { NULL, 0 } };

const struct l4_dissector l4_dis_gtp = {
	.proto = PROTO_INIT("gtp", "GPRS Tunneling Protocol", "GTP", gtp_fields, 64, gtp_bindings),
	.run = dissect_gtp,
};

static const struct l4_field lisp_fields[] = { ROW0("lisp-data", "LISP Data", 64) };

static void dissect_lisp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	col_proto(d, "LISP");
	if (dis_has(d, v, 8))
		l4_link_ip(d, view_skip(v, 8));
}

static const struct l4_binding lisp_bindings[] = { { "udp.port", 4341 }, { NULL, 0 } };

const struct l4_dissector l4_dis_lisp_data = {
	.proto = PROTO_INIT("lisp-data", "LISP Data", "LISP", lisp_fields, 64, lisp_bindings),
	.run = dissect_lisp,
};

enum { L2, L2_FLAGS, L2_TYPE, L2_LENGTH, L2_TUNNEL, L2_SESSION, L2_NS, L2_NR };

static const struct l4_field l2_fields[] = {
	[L2] = ROW0("l2tp", "Layer 2 Tunneling Protocol", 48),
	[L2_FLAGS] = ROW("l2tp.flags", "Flags", U16, HEX, AT(0, 16)),
	[L2_TYPE] = ROW("l2tp.type", "Type", U16, DEC, AT(0, 1), .depth = 1),
	[L2_LENGTH] = ROW("l2tp.length", "Length", U16, DEC, WALK),
	[L2_TUNNEL] = ROW("l2tp.tunnel", "Tunnel ID", U16, DEC, WALK),
	[L2_SESSION] = ROW("l2tp.session", "Session ID", U16, DEC, WALK),
	[L2_NS] = ROW("l2tp.Ns", "Ns", U16, DEC, WALK),
	[L2_NR] = ROW("l2tp.Nr", "Nr", U16, DEC, WALK),
};

static void dissect_l2tp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 6);
	col_proto(d, "L2TP");
	if (!dis_has(d, v, 6))
		return;
	const uint8_t *h = v.p;
	uint16_t f = l4_get_u16(h);
	dis_fixed(d, v, L2_FLAGS, L2_TYPE);
	if ((f & 15) != 2)
		return;
	uint32_t at = 2;
	if (f & 0x4000) {
		dis_u(d, L2_LENGTH, h + 2, 2, l4_get_u16(h + 2));
		at = 4;
	}
	if (!dis_has(d, v, at + 4))
		return;
	dis_u(d, L2_TUNNEL, h + at, 2, l4_get_u16(h + at));
	dis_u(d, L2_SESSION, h + at + 2, 2, l4_get_u16(h + at + 2));
	at += 4;
	if (f & 0x0800) {
		if (!dis_has(d, v, at + 4))
			return;
		dis_u(d, L2_NS, h + at, 2, l4_get_u16(h + at));
		dis_u(d, L2_NR, h + at + 2, 2, l4_get_u16(h + at + 2));
		at += 4;
	}
	if (f & 0x0200) {
		if (!dis_has(d, v, at + 2))
			return;
		at += 2u + l4_get_u16(h + at);
	}
	if (!(f & 0x8000) && dis_has(d, v, at))
		dis_call(d, PROTO_ppp, view_skip(v, at));
}

static const struct l4_binding l2_bindings[] = { { "udp.port", 1701 }, { NULL, 0 } };

const struct l4_dissector l4_dis_l2tp = {
	.proto =
	    PROTO_INIT("l2tp", "Layer 2 Tunneling Protocol", "L2TP", l2_fields, 48, l2_bindings),
	.run = dissect_l2tp,
};

enum { AH, AH_NEXT, AH_LEN, AH_RES, AH_SPI, AH_SEQ, AH_ICV };

static const struct l4_field ah_fields[] = {
	[AH] = ROW0("ah", "Authentication Header", 96),
	[AH_NEXT] = ROW("ah.next_header", "Next header", U8, DEC, AT(0, 8),
	    .values = l4_ip_proto_names, .derive = L4_DERIVE_NEXT),
	[AH_LEN] = ROW("ah.length", "Length", U8, DEC, AT(8, 8)),
	[AH_RES] = ROW("ah.reserved", "Reserved", BYTES, NONE, AT(16, 16)),
	[AH_SPI] = ROW("ah.spi", "AH SPI", U32, HEX, AT(32, 32)),
	[AH_SEQ] = ROW("ah.sequence", "AH Sequence", U32, DEC, AT(64, 32)),
	[AH_ICV] = ROW("ah.icv", "AH ICV", BYTES, NONE, WALK),
};

static void dissect_ah(struct l4_dissect *d, struct l4_view v)
{
	uint32_t n = v.cap >= 2 ? (v.p[1] + 2u) * 4 : 12;
	dis_layer(d, v, n);
	col_proto(d, "AH");
	dis_fixed(d, v, AH_NEXT, AH_SEQ);
	if (!dis_has(d, v, n < 12 ? 12 : n))
		return;
	if (n > 12)
		dis_p(d, AH_ICV, v.p + 12, n - 12);
	uint8_t nxt = v.p[0];
	if (d->net_src.kind == L4_AK_IP6)
		l4_ipv6_next(d, nxt, view_skip(v, n));
	else if (d->by_ip_proto[nxt] != PROTO_NONE)
		dis_call(d, d->by_ip_proto[nxt], view_skip(v, n));
	else
		dis_data(d, view_skip(v, n));
}

static const struct l4_binding ah_bindings[] = { { "ip.proto", 51 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ah = {
	.proto = PROTO_INIT("ah", "Authentication Header", "AH", ah_fields, 96, ah_bindings),
	.run = dissect_ah,
};

enum { ESP, ESP_SPI, ESP_SEQ };

static const struct l4_field esp_fields[] = {
	[ESP] = ROW0("esp", "Encapsulating Security Payload", 64),
	[ESP_SPI] = ROW("esp.spi", "ESP SPI", U32, HEX, AT(0, 32)),
	[ESP_SEQ] = ROW("esp.sequence", "ESP Sequence", U32, DEC, AT(32, 32)),
};

static void dissect_esp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, v.cap);
	col_proto(d, "ESP");
	dis_fixed(d, v, ESP_SPI, ESP_SEQ);
	if (dis_has(d, v, 8) && cols(d)) {
		col_clear(d);
		col_fmt(d, "ESP (SPI=0x%08x)", l4_get_u32(v.p));
	}
}

static const struct l4_binding esp_bindings[] = { { "ip.proto", 50 }, { NULL, 0 } };

const struct l4_dissector l4_dis_esp = {
	.proto = PROTO_INIT(
	    "esp", "Encapsulating Security Payload", "ESP", esp_fields, 64, esp_bindings),
	.run = dissect_esp,
};

static const struct l4_field teredo_fields[] = { ROW0(
    "teredo", "Teredo IPv6 over UDP tunneling", 0) };

/* RFC 4380 5.1.1: authentication and origin indications may stand before the IPv6 packet. */
static void dissect_teredo(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 0);
	col_proto(d, "Teredo");
	struct l4_view next = v;
	if (next.cap >= 4 && l4_get_u16(next.p) == 1) {
		uint32_t n = 4u + next.p[2] + next.p[3] + 8 + 1;
		if (!dis_has(d, next, n))
			return;
		next = view_skip(next, n);
	}
	if (next.cap >= 2 && l4_get_u16(next.p) == 0) {
		if (!dis_has(d, next, 8))
			return;
		next = view_skip(next, 8);
	}
	if (next.cap && next.p[0] >> 4 == 6)
		dis_call(d, PROTO_ipv6, next);
	else
		dis_data(d, next);
}

static const struct l4_binding teredo_bindings[] = { { "udp.port", 3544 }, { NULL, 0 } };

const struct l4_dissector l4_dis_teredo = {
	.proto = PROTO_INIT("teredo", "Teredo", "Teredo", teredo_fields, 0, teredo_bindings),
	.run = dissect_teredo,
};
