/* QUIC's version-independent header (RFC 8999) and the type of version 1's long header. The rest is
 * encrypted. */
#include "dissect/link.h"

enum { QUIC, FORM, FIXED, TYPE, VERSION, DCIL, DCID, SCIL, SCID };

static const struct l4_value types[] = { { 0, "Initial" }, { 1, "0-RTT" }, { 2, "Handshake" },
	{ 3, "Retry" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[QUIC] = ROW0("quic", "QUIC IETF", 8),
	[FORM] = ROW("quic.header_form", "Header Form", U8, DEC, AT(0, 1)),
	[FIXED] = ROW("quic.fixed_bit", "Fixed Bit", BOOL, NONE, AT(1, 1)),
	[TYPE] = ROW("quic.long.packet_type", "Packet Type", U8, DEC, WALK, .values = types),
	[VERSION] = ROW("quic.version", "Version", U32, HEX, WALK),
	[DCIL] = ROW("quic.dcil", "Destination Connection ID Length", U8, DEC, WALK),
	[DCID] = ROW("quic.dcid", "Destination Connection ID", BYTES, NONE, WALK),
	[SCIL] = ROW("quic.scil", "Source Connection ID Length", U8, DEC, WALK),
	[SCID] = ROW("quic.scid", "Source Connection ID", BYTES, NONE, WALK),
};

static void dissect_quic(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 1);
	col_proto(d, "QUIC");
	if (!dis_has(d, v, 1))
		return;
	const uint8_t *h = v.p;
	dis_fixed(d, v, FORM, FIXED);
	col_clear(d);
	if (!(h[0] & 0x80)) {
		col_str(d, "Protected Payload (KP0)");
		return;
	}
	if (!dis_has(d, v, 6))
		return;
	uint32_t version = l4_get_u32(h + 1);
	unsigned type = h[0] >> 4 & 3;
	if (version)
		dis_u(d, TYPE, h, 1, type);
	dis_u(d, VERSION, h + 1, 4, version);
	const char *t = l4_value_name(types, type);
	col_str(d, version ? t : "Version Negotiation");
	uint32_t n = h[5];
	dis_u(d, DCIL, h + 5, 1, n);
	if (!dis_has(d, v, 7 + n))
		return;
	if (n)
		dis_p(d, DCID, h + 6, n);
	uint32_t m = h[6 + n];
	dis_u(d, SCIL, h + 6 + n, 1, m);
	if (!dis_has(d, v, 7 + n + m))
		return;
	if (m)
		dis_p(d, SCID, h + 7 + n, m);
}

static const struct l4_binding bindings[] = { { "udp.port", 443 }, { "udp.port", 4433 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_quic = {
	.proto = PROTO_INIT("quic", "QUIC IETF", "QUIC", fields, 8, bindings),
	.run = dissect_quic,
};
