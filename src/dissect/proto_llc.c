/* IEEE 802.2 LLC and the SNAP header behind it. */
#include "dissect/link.h"

enum { LLC, DSAP, SSAP, CONTROL, OUI, PID, TYPE };

static const struct l4_field fields[] = {
	[LLC] = ROW0("llc", "Logical-Link Control", 24),
	[DSAP] = ROW("llc.dsap", "DSAP", U8, HEX, AT(0, 8), .def = 0xaa),
	[SSAP] = ROW("llc.ssap", "SSAP", U8, HEX, AT(8, 8), .def = 0xaa),
	[CONTROL] = ROW("llc.control", "Control field", U16, HEX, AT(16, 8), .def = 3),
	[OUI] = ROW("llc.oui", "Organization Code", U24, OUI, WALK),
	[PID] = ROW("llc.pid", "Protocol ID", U16, HEX, WALK),
	[TYPE] = ROW("llc.type", "Type", U16, HEX, WALK, .values = l4_ethertype_names),
};

static void dissect_llc(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 3);
	col_proto(d, "LLC");
	dis_fixed(d, v, DSAP, SSAP);
	if (!dis_has(d, v, 3))
		return;
	const uint8_t *h = v.p;
	/* Information and supervisory frames have two bytes of control. */
	bool u = (h[2] & 3) == 3;
	if (!u && !dis_has(d, v, 4))
		return;
	dis_u(d, CONTROL, h + 2, u ? 1 : 2, u ? h[2] : (uint64_t)(h[2] | h[3] << 8));
	if (h[0] == 0xaa && h[1] == 0xaa && u) {
		if (!dis_has(d, v, 8))
			return;
		uint32_t oui = (uint32_t)h[3] << 16 | (uint32_t)h[4] << 8 | h[5];
		uint16_t type = l4_get_u16(h + 6);
		dis_u(d, OUI, h + 3, 3, oui);
		struct l4_view next = view_skip(v, 8);
		/* RFC 1042 and 802.1H: these two organizations mean EtherTypes. */
		if (oui == 0 || oui == 0xf8) {
			dis_u(d, TYPE, h + 6, 2, type);
			uint8_t id = d->by_ethertype[type];
			if (id != PROTO_NONE) {
				dis_call(d, id, next);
				return;
			}
		} else {
			/* Cisco and the bridging group have tables of their own. */
			if (oui != 0x00000c && oui != 0x0080c2 && oui != 0x00e02b &&
			    oui != 0x000081)
				dis_u(d, PID, h + 6, 2, type);
			if (oui == 0x0080c2 && (type == 1 || type == 7)) {
				dis_call(d, PROTO_eth, next);
				return;
			}
		}
		dis_data(d, next);
		return;
	}
	struct l4_view next = view_skip(v, u ? 3 : 4);
	if (d->by_sap[h[0]] != PROTO_NONE)
		dis_call(d, d->by_sap[h[0]], next);
	else
		dis_data(d, next);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_ATM_RFC1483 }, { NULL, 0 } };

const struct l4_dissector l4_dis_llc = {
	.proto = PROTO_INIT("llc", "Logical-Link Control", "LLC", fields, 24, bindings),
	.run = dissect_llc,
};
