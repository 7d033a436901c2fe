/* Serial links: Cisco HDLC, and Frame Relay with RFC 2427 encapsulation. */
#include "dissect/link.h"

enum { CHDLC, C_ADDRESS, C_CONTROL, C_PROTOCOL };

static const struct l4_field chdlc_fields[] = {
	[CHDLC] = ROW0("chdlc", "Cisco HDLC", 32),
	[C_ADDRESS] = ROW("chdlc.address", "Address", U8, HEX, AT(0, 8), .def = 0x0f),
	[C_CONTROL] = ROW("chdlc.control", "Control", U8, HEX, AT(8, 8)),
	[C_PROTOCOL] = ROW("chdlc.protocol", "Protocol", U16, HEX, AT(16, 16),
	    .values = l4_ethertype_names, .derive = L4_DERIVE_NEXT),
};

static void dissect_chdlc(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 4);
	col_proto(d, "CHDLC");
	dis_fixed(d, v, C_ADDRESS, C_PROTOCOL);
	if (!dis_has(d, v, 4))
		return;
	uint16_t type = l4_get_u16(v.p + 2);
	/* 0x8035 is Cisco's SLARP here, not RARP */
	if (type == 0x8035 || !dis_call_ethertype(d, type, view_skip(v, 4)))
		dis_data(d, view_skip(v, 4));
}

static const struct l4_binding chdlc_bindings[] = { { "linktype", L4_LINK_C_HDLC }, { NULL, 0 } };

const struct l4_dissector l4_dis_chdlc = {
	.proto = PROTO_INIT("chdlc", "Cisco HDLC", "CHDLC", chdlc_fields, 32, chdlc_bindings),
	.run = dissect_chdlc,
};

enum { FR, F_DLCI, F_CONTROL, F_NLPID, F_TYPE };

static const struct l4_field fr_fields[] = {
	[FR] = ROW0("fr", "Frame Relay", 16),
	[F_DLCI] = ROW("fr.dlci", "DLCI", U32, DEC, WALK),
	[F_CONTROL] = ROW("fr.control", "Control", U8, HEX, WALK),
	[F_NLPID] = ROW("fr.nlpid", "NLPID", U8, HEX, WALK),
	[F_TYPE] = ROW("fr.type", "Type", U16, HEX, WALK, .values = l4_ethertype_names),
};

static void dissect_fr(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 2);
	dis_head(d, "Frame Relay");
	col_proto(d, "FR");
	if (!dis_has(d, v, 4))
		return;
	const uint8_t *h = v.p;
	uint32_t at = 0, dlci = 0;
	/* The address goes on until a byte with its last bit set (Q.922 3.3). */
	do {
		uint8_t b = h[at];
		dlci = at == 0               ? b >> 2u
		       : at == 1             ? dlci << 4 | b >> 4u
		       : at == 2 && !(b & 1) ? dlci << 7 | b >> 1u
					     : dlci << 6 | b >> 2u;
	} while (!(h[at++] & 1) && at < 4);
	dis_u(d, F_DLCI, h, at, dlci);
	if (!dis_has(d, v, at + 2))
		return;
	if (h[at] != 3) {
		/* Cisco encapsulation: an EtherType follows */
		uint16_t type = l4_get_u16(h + at);
		dis_u(d, F_TYPE, h + at, 2, type);
		if (!dis_call_ethertype(d, type, view_skip(v, at + 2)))
			dis_data(d, view_skip(v, at + 2));
		return;
	}
	dis_u(d, F_CONTROL, h + at, 1, 3);
	at++;
	if (h[at] == 0)
		at++; /* padding to an even length */
	if (!dis_has(d, v, at + 1))
		return;
	uint8_t nlpid = h[at];
	dis_u(d, F_NLPID, h + at, 1, nlpid);
	struct l4_view next = view_skip(v, at + 1);
	if (nlpid == 0xcc)
		dis_call(d, PROTO_ip, next);
	else if (nlpid == 0x8e)
		dis_call(d, PROTO_ipv6, next);
	else if (nlpid == 0x80 && next.cap >= 5) {
		uint16_t pid = l4_get_u16(next.p + 3);
		if (!dis_call_ethertype(d, pid, view_skip(next, 5)))
			dis_data(d, view_skip(next, 5));
	} else {
		dis_data(d, next);
	}
}

static const struct l4_binding fr_bindings[] = { { "linktype", L4_LINK_FRELAY }, { NULL, 0 } };

const struct l4_dissector l4_dis_fr = {
	.proto = PROTO_INIT("fr", "Frame Relay", "FR", fr_fields, 16, fr_bindings),
	.run = dissect_fr,
};
