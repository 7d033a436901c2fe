/* IGMP v1 to v3 (RFC 1112, 2236, 3376). */
#include "dissect/link.h"

enum {
	IGMP,
	VERSION,
	TYPE,
	MAX_RESP,
	RESERVED,
	CHECKSUM,
	CHECKSUM_STATUS,
	MADDR,
	S,
	QRV,
	QQIC,
	NUM_SRC,
	SADDR,
	NUM_GRP,
	REC_TYPE,
	AUX_LEN,
	REC_NUM_SRC,
	REC_MADDR,
	BAD
};

static const struct l4_value types[] = { { 0x11, "Membership Query" },
	{ 0x12, "Membership Report v1" }, { 0x16, "Membership Report v2" }, { 0x17, "Leave Group" },
	{ 0x22, "Membership Report v3" }, { 0, NULL } };
static const struct l4_value records[] = { { 1, "Mode Is Include" }, { 2, "Mode Is Exclude" },
	{ 3, "Change To Include Mode" }, { 4, "Change To Exclude Mode" },
	{ 5, "Allow New Sources" }, { 6, "Block Old Sources" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[IGMP] = ROW0("igmp", "Internet Group Management Protocol", 64),
	[VERSION] = ROW("igmp.version", "IGMP Version", U8, DEC, GEN),
	[TYPE] = ROW("igmp.type", "Type", U8, HEX, AT(0, 8), .values = types, .def = 0x16),
	[MAX_RESP] = ROW("igmp.max_resp", "Max Resp Time", U8, DEC, AT(8, 8)),
	[RESERVED] = ROW("igmp.reserved", "Reserved", BYTES, NONE, WALK),
	[CHECKSUM] = ROW(
	    "igmp.checksum", "Checksum", U16, HEX, AT(16, 16), .derive = L4_DERIVE_CHECKSUM_ALL),
	[CHECKSUM_STATUS] = ROW(
	    "igmp.checksum.status", "Checksum Status", U8, DEC, GEN, .values = l4_checksum_status),
	[MADDR] = ROW("igmp.maddr", "Multicast Address", IP4, NONE, AT(32, 32)),
	[S] = ROW("igmp.s", "S", BOOL, NONE, WALK),
	[QRV] = ROW("igmp.qrv", "QRV", U8, DEC, WALK),
	[QQIC] = ROW("igmp.qqic", "QQIC", U8, DEC, WALK),
	[NUM_SRC] = ROW("igmp.num_src", "Num Src", U16, DEC, WALK),
	[SADDR] = ROW("igmp.saddr", "Source Address", IP4, NONE, WALK),
	[NUM_GRP] = ROW("igmp.num_grp_recs", "Num Group Records", U16, DEC, WALK),
	[REC_TYPE] = ROW("igmp.record_type", "Record Type", U8, DEC, .depth = 1, .values = records),
	[AUX_LEN] = ROW("igmp.aux_data_len", "Aux Data Len", U8, DEC, .depth = 1),
	[REC_NUM_SRC] = ROW("igmp.num_src", "Num Src", U16, DEC, .depth = 1),
	[REC_MADDR] = ROW("igmp.maddr", "Multicast Address", IP4, NONE, .depth = 1),
	[BAD] = EVENT("igmp.bad_checksum", "Bad checksum", WARN),
};

static void checksum(struct l4_dissect *d, struct l4_view v)
{
	dis_u(d, CHECKSUM, v.p + 2, 2, l4_get_u16(v.p + 2));
	if (!d->w_any)
		return;
	unsigned status = v.cap == v.len ? l4_link_csum(v.p, v.len) == 0 : 2;
	dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
	if (!status)
		dis_expert(d, BAD);
}

static void report_v3(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	uint16_t n = l4_get_u16(h + 6);
	dis_u(d, NUM_GRP, h + 6, 2, n);
	uint32_t at = 8;
	for (uint16_t k = 0; k < n; k++) {
		if (!dis_has(d, v, at + 8))
			return;
		const uint8_t *r = h + at;
		uint32_t sources = l4_get_u16(r + 2), size = 8 + 4 * sources + 4u * r[1];
		const char *name = l4_value_name(records, r[0]);
		dis_title(d, r, size, "Group Record: %s", name ? name : "Unknown");
		dis_u(d, REC_TYPE, r, 1, r[0]);
		dis_u(d, AUX_LEN, r + 1, 1, r[1]);
		dis_u(d, REC_NUM_SRC, r + 2, 2, sources);
		dis_p(d, REC_MADDR, r + 4, 4);
		if (cols(d)) {
			/* "Join group" is to exclude nobody, "Leave group" to include nobody. */
			col_str(d, k ? ", " : " / ");
			if (!sources && (r[0] == 3 || r[0] == 1))
				col_str(d, "Leave group ");
			else if (!sources && (r[0] == 4 || r[0] == 2))
				col_str(d, "Join group ");
			else
				col_str(d, "Group ");
			col_ip4(d, r + 4);
			if (!sources && (r[0] == 2 || r[0] == 4))
				col_str(d, " for any sources");
		}
		at += 8;
		for (uint32_t s = 0; s < sources; s++, at += 4) {
			if (!dis_has(d, v, at + 4))
				return;
			dis_p(d, SADDR, h + at, 4);
		}
		at += 4u * r[1];
	}
}

/* RFC 3376 4.1.1: from 128 on a number with an exponent. */
static unsigned response_time(uint8_t code)
{
	return code < 128 ? code : ((code & 15u) | 16u) << ((code >> 4 & 7) + 3);
}

static void dissect_igmp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	const uint8_t *h = v.p;
	if (v.cap < 8) {
		if (v.cap >= 4) {
			dis_u(d, VERSION, NULL, 0, h[0] == 0x22 ? 3 : h[0] == 0x12 ? 1 : 2);
			dis_u(d, TYPE, h, 1, h[0]);
			dis_u(d, MAX_RESP, h + 1, 1, h[1]);
			dis_u(d, CHECKSUM, h + 2, 2, l4_get_u16(h + 2));
			dis_u(d, CHECKSUM_STATUS, NULL, 0, 2);
		}
		dis_short(d, v, 8);
		return;
	}
	unsigned version = h[0] == 0x22                  ? 3
			   : h[0] == 0x11 && v.len >= 12 ? 3
			   : h[0] == 0x12                ? 1
			   : h[0] == 0x11 && h[1] == 0   ? 1
							 : 2;
	if (cols(d)) {
		static const char *const names[] = { "IGMP", "IGMPv1", "IGMPv2", "IGMPv3" };
		const char *t = l4_value_name(types, h[0]);
		d->out.protocol = names[version];
		col_clear(d);
		col_str(d, t ? t : "Unknown");
	}
	dis_u(d, VERSION, NULL, 0, version);
	dis_u(d, TYPE, h, 1, h[0]);
	if (h[0] == 0x22) {
		dis_p(d, RESERVED, h + 1, 1);
		checksum(d, v);
		dis_p(d, RESERVED, h + 4, 2);
		report_v3(d, v);
		return;
	}
	if (version == 1)
		dis_p(d, RESERVED, h + 1, 1);
	else
		dis_u(d, MAX_RESP, h + 1, 1, version == 3 ? response_time(h[1]) : h[1]);
	checksum(d, v);
	dis_p(d, MADDR, h + 4, 4);
	if (cols(d) && h[0] == 0x11) {
		static const uint8_t any[4];
		if (memcmp(h + 4, any, 4)) {
			col_str(d, ", specific for group ");
			col_ip4(d, h + 4);
		} else {
			col_str(d, ", general");
		}
	} else if (cols(d) && (h[0] == 0x16 || h[0] == 0x17)) {
		col_str(d, " group ");
		col_ip4(d, h + 4);
	}
	if (version == 3 && dis_has(d, v, 12)) {
		uint32_t n = l4_get_u16(h + 10);
		dis_u(d, S, h + 8, 1, h[8] >> 3 & 1);
		dis_u(d, QRV, h + 8, 1, h[8] & 7);
		dis_u(d, QQIC, h + 9, 1, h[9]);
		dis_u(d, NUM_SRC, h + 10, 2, n);
		for (uint32_t k = 0; k < n && dis_has(d, v, 16 + 4 * k); k++)
			dis_p(d, SADDR, h + 12 + 4 * k, 4);
	}
}

static const struct l4_binding bindings[] = { { "ip.proto", 2 }, { NULL, 0 } };

const struct l4_dissector l4_dis_igmp = {
	.proto =
	    PROTO_INIT("igmp", "Internet Group Management Protocol", "IGMP", fields, 64, bindings),
	.run = dissect_igmp,
};
