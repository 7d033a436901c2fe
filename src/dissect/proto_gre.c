/* GRE (RFC 2784, RFC 2890; RFC 2637 for version 1) and ERSPAN, which Cisco carries in it. */
#include "dissect/link.h"

enum {
	GRE,
	FLAGS,
	F_CSUM,
	F_ROUTING,
	F_KEY,
	F_SEQ,
	F_SSR,
	F_RECUR,
	F_ACK,
	F_RES,
	VERSION,
	PROTO,
	CHECKSUM,
	OFFSET,
	KEY,
	KEY_LEN,
	KEY_CALL,
	SEQ,
	ACK
};

static const struct l4_field fields[] = {
	[GRE] = ROW0("gre", "Generic Routing Encapsulation", 32),
	[FLAGS] = ROW("gre.flags_and_version", "Flags and Version", U16, HEX, AT(0, 16)),
	[F_CSUM] = ROW("gre.flags.checksum", "Checksum Bit", BOOL, NONE, AT(0, 1), .depth = 1),
	[F_ROUTING] = ROW("gre.flags.routing", "Routing Bit", BOOL, NONE, AT(1, 1), .depth = 1),
	[F_KEY] = ROW("gre.flags.key", "Key Bit", BOOL, NONE, AT(2, 1), .depth = 1),
	[F_SEQ] = ROW(
	    "gre.flags.sequence_number", "Sequence Number Bit", BOOL, NONE, AT(3, 1), .depth = 1),
	[F_SSR] = ROW("gre.flags.strict_source_route", "Strict Source Route Bit", BOOL, NONE,
	    AT(4, 1), .depth = 1),
	[F_RECUR] =
	    ROW("gre.flags.recursion_control", "Recursion control", U16, DEC, AT(5, 3), .depth = 1),
	[F_ACK] = ROW("gre.flags.ack", "Acknowledgment", BOOL, NONE, WALK, .depth = 1),
	[F_RES] = ROW("gre.flags.reserved", "Flags (Reserved)", U16, DEC, AT(8, 5), .depth = 1),
	[VERSION] = ROW("gre.flags.version", "Version", U16, DEC, AT(13, 3), .depth = 1),
	[PROTO] = ROW("gre.proto", "Protocol Type", U16, HEX, AT(16, 16),
	    .values = l4_ethertype_names, .derive = L4_DERIVE_NEXT),
	[CHECKSUM] = ROW("gre.checksum", "Checksum", U16, HEX, WALK),
	[OFFSET] = ROW("gre.offset", "Offset", U16, DEC, WALK),
	[KEY] = ROW("gre.key", "Key", U32, HEX, WALK),
	[KEY_LEN] = ROW("gre.key.payload_length", "Payload Length", U16, DEC, WALK),
	[KEY_CALL] = ROW("gre.key.call_id", "Call ID", U16, DEC, WALK),
	[SEQ] = ROW("gre.sequence_number", "Sequence Number", U32, DEC, WALK),
	[ACK] = ROW("gre.ack_number", "Acknowledgment Number", U32, DEC, WALK),
};

/* Where the protocol has another name here than behind Ethernet. */
static const struct l4_value gre_names[] = { { 0, "Possible GRE keepalive packet" },
	{ 0x0800, "IP" }, { 0x2000, "CDP (Cisco)" }, { 0x2001, "NHRP" }, { 0x22eb, "ERSPAN III" },
	{ 0x6400, "MIKROTIK EoIP" }, { 0x883e, "WCCP" }, { 0x88be, "ERSPAN" }, { 0, NULL } };

static void hand_over(struct l4_dissect *d, uint16_t proto, uint16_t flags, struct l4_view v)
{
	if (!v.len)
		return;
	if (proto == 0x88be) {
		/* Without a sequence number there is no ERSPAN header either (type I). */
		if (flags & 0x1000)
			dis_call(d, PROTO_erspan, v);
		else
			dis_call(d, PROTO_eth, v);
	} else if (proto == 0x6400) {
		dis_call(d, PROTO_eth, v);
	} else if (proto == 0x22eb) {
		dis_call(d, PROTO_erspan, v);
	} else if (!dis_call_ethertype(d, proto, v)) {
		dis_data(d, v);
	}
}

static void dissect_gre(struct l4_dissect *d, struct l4_view v)
{
	uint32_t layer = d->out.n_layers;
	dis_layer(d, v, 4);
	col_proto(d, "GRE");
	if (!dis_has(d, v, 4)) {
		dis_fixed(d, v, FLAGS, VERSION);
		return;
	}
	const uint8_t *h = v.p;
	uint16_t flags = l4_get_u16(h), proto = l4_get_u16(h + 2);
	bool ppp = proto == 0x880b; /* RFC 2637 4.1 */
	const char *name = l4_value_name(gre_names, proto);
	if (!name)
		name = l4_value_name(l4_ethertype_names, proto);
	if (cols(d)) {
		col_clear(d);
		col_fmt(d, "Encapsulated %s", name ? name : "0x");
		if (!name)
			col_hex(d, proto, 4);
	}
	dis_head(d, "Generic Routing Encapsulation (%s)", name ? name : "Unknown");
	dis_fixed(d, v, FLAGS, F_RECUR);
	if (ppp) {
		dis_u(d, F_ACK, h, 2, flags >> 7 & 1);
		dis_u(d, F_RES, h, 2, flags >> 3 & 15);
		dis_fixed(d, v, VERSION, PROTO);
	} else {
		dis_fixed(d, v, F_RES, PROTO);
	}
	uint32_t at = 4;
	if (flags & 0xc000) {
		if (!dis_has(d, v, at + 4))
			return;
		if (flags & 0x8000)
			dis_u(d, CHECKSUM, h + at, 2, l4_get_u16(h + at));
		dis_u(d, OFFSET, h + at + 2, 2, l4_get_u16(h + at + 2));
		at += 4;
	}
	if (flags & 0x2000) {
		if (!dis_has(d, v, at + 4))
			return;
		if (ppp) {
			dis_u(d, KEY_LEN, h + at, 2, l4_get_u16(h + at));
			dis_u(d, KEY_CALL, h + at + 2, 2, l4_get_u16(h + at + 2));
		} else {
			dis_u(d, KEY, h + at, 4, l4_get_u32(h + at));
		}
		at += 4;
	}
	if (flags & 0x1000) {
		if (!dis_has(d, v, at + 4))
			return;
		dis_u(d, SEQ, h + at, 4, l4_get_u32(h + at));
		at += 4;
	}
	if (ppp && flags & 0x80) {
		if (!dis_has(d, v, at + 4))
			return;
		dis_u(d, ACK, h + at, 4, l4_get_u32(h + at));
		at += 4;
	}
	dis_layer_len(d, layer, at);
	hand_over(d, proto, flags, view_skip(v, at));
}

static const struct l4_binding bindings[] = { { "ip.proto", 47 }, { NULL, 0 } };

const struct l4_dissector l4_dis_gre = {
	.proto = PROTO_INIT("gre", "Generic Routing Encapsulation", "GRE", fields, 32, bindings),
	.run = dissect_gre,
};

enum { ERSPAN, E_VERSION, E_VLAN, E_COS, E_SPANID };

static const struct l4_field erspan_fields[] = {
	[ERSPAN] = ROW0("erspan", "Encapsulated Remote Switch Packet ANalysis", 64),
	[E_VERSION] = ROW("erspan.version", "Version", U16, DEC, AT(0, 4)),
	[E_VLAN] = ROW("erspan.vlan", "Vlan", U16, DEC, AT(4, 12)),
	[E_COS] = ROW("erspan.cos", "COS", U16, DEC, AT(16, 3)),
	[E_SPANID] = ROW("erspan.spanid", "SpanID", U16, DEC, AT(22, 10)),
};

static void dissect_erspan(struct l4_dissect *d, struct l4_view v)
{
	if (!dis_has(d, v, 8)) {
		dis_layer(d, v, 8);
		return;
	}
	unsigned version = v.p[0] >> 4;
	uint32_t n = version == 2 ? 12 : 8;
	if (version == 2 && v.cap >= 12 && v.p[11] & 1)
		n = 20; /* with the platform's subheader */
	dis_layer(d, v, n);
	col_proto(d, "ERSPAN");
	dis_head(d, "Encapsulated Remote Switch Packet ANalysis Type %s",
	    version == 1   ? "II"
	    : version == 2 ? "III"
			   : "Unknown");
	dis_fixed(d, v, E_VERSION, E_SPANID);
	if (version != 1 && version != 2) {
		dis_data(d, view_skip(v, 2));
		return;
	}
	if (!dis_has(d, v, n))
		return;
	/* Type III tells what it carries. */
	unsigned carries = version == 2 ? l4_get_u16(v.p + 10) >> 10 & 31 : 0;
	struct l4_view rest = view_skip(v, n);
	if (carries == 0)
		dis_call(d, PROTO_eth, rest);
	else if (carries == 2)
		dis_call(d, PROTO_ip, rest);
	else
		dis_data(d, rest);
}

const struct l4_dissector l4_dis_erspan = {
	.proto = PROTO_INIT("erspan", "Encapsulated Remote Switch Packet ANalysis", "ERSPAN",
	    erspan_fields, 64, NULL),
	.run = dissect_erspan,
};
