/* PPP (RFC 1661, RFC 1662): address and control if they are there, protocol number in one or two
 * bytes. */
#include "dissect/link.h"

enum { PPP, ADDRESS, CONTROL, PROTOCOL };

static const struct l4_value protocols[] = { { 0x0021, "Internet Protocol version 4" },
	{ 0x0057, "Internet Protocol version 6" }, { 0x0281, "MPLS Unicast" },
	{ 0x8021, "Internet Protocol Control Protocol" }, { 0x8057, "IPv6 Control Protocol" },
	{ 0xc021, "Link Control Protocol" }, { 0xc023, "Password Authentication Protocol" },
	{ 0xc223, "Challenge Handshake Authentication Protocol" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[PPP] = ROW0("ppp", "Point-to-Point Protocol", 16),
	[ADDRESS] = ROW("ppp.address", "Address", U8, HEX, WALK),
	[CONTROL] = ROW("ppp.control", "Control", U8, HEX, WALK),
	[PROTOCOL] = ROW("ppp.protocol", "Protocol", U16, HEX, AT(0, 16), .values = protocols,
	    .derive = L4_DERIVE_NEXT),
};

static void dissect_ppp(struct l4_dissect *d, struct l4_view v)
{
	/* Cisco HDLC framing, which BSD calls PPP as well */
	if (d->out.n_layers == 1 && v.cap >= 4 && (v.p[0] == 0x0f || v.p[0] == 0x8f)) {
		dis_mark(d, PROTO_ppp, v);
		dis_call(d, PROTO_chdlc, v);
		return;
	}
	dis_layer(d, v, 2);
	col_proto(d, "PPP");
	if (!dis_has(d, v, 1))
		return;
	const uint8_t *h = v.p;
	uint32_t at = 0;
	if (h[0] == 0xff && dis_has(d, v, 2)) {
		dis_u(d, ADDRESS, h, 1, h[0]);
		dis_u(d, CONTROL, h + 1, 1, h[1]);
		at = 2;
	}
	if (!dis_has(d, v, at + 1))
		return;
	/* A first byte that is odd is the whole number (RFC 1661 6.5). */
	uint32_t n = h[at] & 1 ? 1 : 2;
	if (!dis_has(d, v, at + n))
		return;
	uint16_t proto = n == 1 ? h[at] : l4_get_u16(h + at);
	dis_u(d, PROTOCOL, h + at, n, proto);
	struct l4_view next = view_skip(v, at + n);
	uint8_t id = d->by_ppp[proto];
	if (id != PROTO_NONE) {
		dis_call(d, id, next);
		return;
	}
	if (cols(d)) {
		const char *t = l4_value_name(protocols, proto);
		col_clear(d);
		col_str(d, t ? t : "Unknown");
	}
	dis_data(d, next);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_PPP },
	{ "linktype", L4_LINK_PPP_HDLC }, { "linktype", L4_LINK_PPP_PPPD }, { "ethertype", 0x880b },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_ppp = {
	.proto = PROTO_INIT("ppp", "Point-to-Point Protocol", "PPP", fields, 16, bindings),
	.run = dissect_ppp,
};
