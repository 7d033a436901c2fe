/* ARP and RARP (RFC 826, RFC 903, RFC 5227). */
#include "dissect/link.h"

enum {
	ARP,
	HW_TYPE,
	PROTO_TYPE,
	HW_SIZE,
	PROTO_SIZE,
	OPCODE,
	PROBE,
	GRATUITOUS,
	ANNOUNCEMENT,
	SRC_MAC,
	SRC_HW,
	SRC_IP,
	SRC_PROTO,
	DST_MAC,
	DST_HW,
	DST_IP,
	DST_PROTO,
};

static const struct l4_value opcodes[] = { { 1, "request" }, { 2, "reply" },
	{ 3, "reverse request" }, { 4, "reverse reply" }, { 8, "inverse request" },
	{ 9, "inverse reply" }, { 0, NULL } };
static const struct l4_value hardware[] = { { 1, "Ethernet" }, { 6, "IEEE 802" }, { 7, "ARCNET" },
	{ 15, "Frame Relay" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[ARP] = ROW0("arp", "Address Resolution Protocol", 224),
	[HW_TYPE] = ROW("arp.hw.type", "Hardware type", U16, DEC, AT(0, 16), .def = 1,
	    .values = hardware, .alias = "hwtype"),
	[PROTO_TYPE] = ROW("arp.proto.type", "Protocol type", U16, HEX, AT(16, 16), .def = 0x800,
	    .values = l4_ethertype_names, .alias = "ptype"),
	[HW_SIZE] =
	    ROW("arp.hw.size", "Hardware size", U8, DEC, AT(32, 8), .def = 6, .alias = "hwlen"),
	[PROTO_SIZE] =
	    ROW("arp.proto.size", "Protocol size", U8, DEC, AT(40, 8), .def = 4, .alias = "plen"),
	[OPCODE] = ROW("arp.opcode", "Opcode", U16, DEC, AT(48, 16), .def = 1, .values = opcodes,
	    .alias = "op"),
	[PROBE] = ROW("arp.isprobe", "Is probe", BOOL, NONE, GEN),
	[GRATUITOUS] = ROW("arp.isgratuitous", "Is gratuitous", BOOL, NONE, GEN),
	[ANNOUNCEMENT] = ROW("arp.isannouncement", "Is announcement", BOOL, NONE, GEN),
	[SRC_MAC] =
	    ROW("arp.src.hw_mac", "Sender MAC address", MAC, NONE, AT(64, 48), .alias = "hwsrc"),
	[SRC_HW] = ROW("arp.src.hw", "Sender hardware address", BYTES, NONE, WALK),
	[SRC_IP] =
	    ROW("arp.src.proto_ipv4", "Sender IP address", IP4, NONE, AT(112, 32), .alias = "psrc"),
	[SRC_PROTO] = ROW("arp.src.proto", "Sender protocol address", BYTES, NONE, WALK),
	[DST_MAC] =
	    ROW("arp.dst.hw_mac", "Target MAC address", MAC, NONE, AT(144, 48), .alias = "hwdst"),
	[DST_HW] = ROW("arp.dst.hw", "Target hardware address", BYTES, NONE, WALK),
	[DST_IP] =
	    ROW("arp.dst.proto_ipv4", "Target IP address", IP4, NONE, AT(192, 32), .alias = "pdst"),
	[DST_PROTO] = ROW("arp.dst.proto", "Target protocol address", BYTES, NONE, WALK),
};

static void info(struct l4_dissect *d, uint16_t op, const uint8_t *sha, const uint8_t *spa,
    const uint8_t *tpa, bool gratuitous, bool probe)
{
	col_clear(d);
	switch (op) {
	case 1:
		if (gratuitous) {
			col_str(d, "ARP Announcement for ");
			col_ip4(d, tpa);
		} else {
			col_str(d, "Who has ");
			col_ip4(d, tpa);
			col_str(d, probe ? "? (ARP Probe)" : "? Tell ");
			if (!probe)
				col_ip4(d, spa);
		}
		break;
	case 2:
		if (gratuitous) {
			col_str(d, "Gratuitous ARP for ");
			col_ip4(d, spa);
			col_str(d, " (Reply)");
			break;
		}
		col_ip4(d, spa);
		col_str(d, " is at ");
		col_mac(d, sha);
		break;
	case 3:
		col_str(d, "Who is ");
		col_mac(d, tpa - 6);
		col_str(d, "? Tell ");
		col_mac(d, sha);
		break;
	case 4:
		col_mac(d, tpa - 6);
		col_str(d, " is at ");
		col_ip4(d, tpa);
		break;
	default:
		col_fmt(d, "Opcode %u", op);
		break;
	}
}

static void title(struct l4_dissect *d, uint16_t op, bool gratuitous, bool probe)
{
	static const char *const names[] = { NULL, "request", "reply", "reverse request",
		"reverse reply", "drarp request", "drarp reply", "drarp error", "inverse request",
		"inverse reply", "arp nak" };
	const char *name = op < sizeof names / sizeof names[0] ? names[op] : NULL;
	if (!name)
		dis_head(d, "Address Resolution Protocol (opcode 0x%04x)", op);
	else
		dis_head(d, "Address Resolution Protocol (%s%s)",
		    gratuitous && op == 1 ? "ARP Announcement"
		    : probe               ? "ARP Probe"
					  : name,
		    gratuitous && op == 2 ? "/gratuitous ARP" : "");
}

static void dissect_arp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 28);
	col_proto(d, "ARP");
	if (!dis_has(d, v, 8)) {
		dis_fixed(d, v, HW_TYPE, OPCODE);
		return;
	}
	const uint8_t *h = v.p;
	uint16_t hw = l4_get_u16(h), proto = l4_get_u16(h + 2), op = l4_get_u16(h + 6);
	uint32_t hl = h[4], pl = h[5], total = 8 + 2 * hl + 2 * pl;
	bool mac = hl == 6 && (hw == 1 || hw == 6), ip = pl == 4 && proto == 0x800;
	if (op == 3 || op == 4)
		col_proto(d, "RARP");
	if (d->net_at == h && total < d->net_len)
		d->net_len = total;
	if (v.cap < total) {
		dis_fixed(d, v, HW_TYPE, OPCODE);
		dis_short(d, v, total);
		return;
	}
	const uint8_t *sha = h + 8, *spa = sha + hl, *tha = spa + pl, *tpa = tha + hl;
	static const uint8_t zero[4];
	bool probe = ip && op == 1 && !memcmp(spa, zero, 4);
	bool gratuitous = ip && (op == 1 || op == 2) && !memcmp(spa, tpa, 4);
	if (cols(d) && ip && mac)
		info(d, op, sha, spa, tpa, gratuitous, probe);
	if (!d->w_any)
		return;
	title(d, op, gratuitous, probe);
	dis_fixed(d, v, HW_TYPE, OPCODE);
	if (probe)
		dis_u(d, PROBE, NULL, 0, 1);
	if (gratuitous)
		dis_u(d, GRATUITOUS, NULL, 0, 1);
	if (gratuitous && op == 1)
		dis_u(d, ANNOUNCEMENT, NULL, 0, 1);
	if (hl)
		dis_p(d, mac ? SRC_MAC : SRC_HW, sha, hl);
	if (pl)
		dis_p(d, ip ? SRC_IP : SRC_PROTO, spa, pl);
	if (hl)
		dis_p(d, mac ? DST_MAC : DST_HW, tha, hl);
	if (pl)
		dis_p(d, ip ? DST_IP : DST_PROTO, tpa, pl);
}

static const struct l4_binding bindings[] = { { "ethertype", 0x0806 }, { "ethertype", 0x8035 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_arp = {
	.proto = PROTO_INIT("arp", "Address Resolution Protocol", "ARP", fields, 224, bindings),
	.run = dissect_arp,
};
