/* PPPoE session and discovery (RFC 2516). */
#include "dissect/link.h"

enum { PPPOE, VERSION, TYPE, CODE, SESSION, LENGTH };

#define ROWS(n, t)                                                                             \
	{                                                                                      \
		[PPPOE] = ROW0(n, t, 48),                                                      \
		[VERSION] = ROW("pppoe.version", "Version", U8, DEC, AT(0, 4), .def = 1),      \
		[TYPE] = ROW("pppoe.type", "Type", U8, DEC, AT(4, 4), .def = 1),               \
		[CODE] = ROW("pppoe.code", "Code", U8, HEX, AT(8, 8)),                         \
		[SESSION] = ROW("pppoe.session_id", "Session ID", U16, HEX, AT(16, 16)),       \
		[LENGTH] = ROW("pppoe.payload_length", "Payload Length", U16, DEC, AT(32, 16), \
		    .derive = L4_DERIVE_PAYLOAD),                                              \
	}

static const struct l4_field session_fields[] = ROWS("pppoes", "PPP-over-Ethernet Session");
static const struct l4_field discovery_fields[] = ROWS("pppoed", "PPP-over-Ethernet Discovery");

static void session(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 6);
	col_proto(d, "PPPoES");
	dis_fixed(d, v, VERSION, LENGTH);
	if (!dis_has(d, v, 6))
		return;
	uint32_t len = l4_get_u16(v.p + 4);
	struct l4_view next = view_cut(view_skip(v, 6), len);
	dis_call(d, PROTO_ppp, next);
}

static void discovery(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 6);
	col_proto(d, "PPPoED");
	dis_fixed(d, v, VERSION, LENGTH);
	if (!dis_has(d, v, 6))
		return;
	if (cols(d)) {
		uint8_t c = v.p[1];
		col_clear(d);
		col_str(d, c == 9      ? "Active Discovery Initiation (PADI)"
			   : c == 7    ? "Active Discovery Offer (PADO)"
			   : c == 0x19 ? "Active Discovery Request (PADR)"
			   : c == 0x65 ? "Active Discovery Session-confirmation (PADS)"
			   : c == 0xa7 ? "Active Discovery Terminate (PADT)"
				       : "Unknown");
	}
}

static const struct l4_binding session_bindings[] = { { "ethertype", 0x8864 },
	{ "linktype", L4_LINK_PPP_ETHER }, { NULL, 0 } };
static const struct l4_binding discovery_bindings[] = { { "ethertype", 0x8863 }, { NULL, 0 } };

const struct l4_dissector l4_dis_pppoes = {
	.proto = PROTO_INIT(
	    "pppoes", "PPP-over-Ethernet Session", "PPPoES", session_fields, 48, session_bindings),
	.run = session,
};
const struct l4_dissector l4_dis_pppoed = {
	.proto = PROTO_INIT("pppoed", "PPP-over-Ethernet Discovery", "PPPoED", discovery_fields, 48,
	    discovery_bindings),
	.run = discovery,
};
