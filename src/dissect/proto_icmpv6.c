/* ICMPv6 (RFC 4443) with neighbour discovery (RFC 4861), MLD (RFC 2710, RFC 3810) and the quoted
 * packet of the error messages. */
#include "dissect/conv.h"
#include "dissect/link.h"

enum {
	ICMPV6,
	TYPE,
	CODE,
	CHECKSUM,
	CHECKSUM_STATUS,
	RESERVED,
	MTU,
	POINTER,
	ECHO_ID,
	ECHO_SEQ,
	RESP_TO,
	RESP_TIME,
	RA_HLIM,
	RA_FLAG,
	RA_M,
	RA_O,
	RA_H,
	RA_PRF,
	RA_P,
	RA_RSV,
	RA_LIFETIME,
	RA_REACHABLE,
	RA_RETRANS,
	NS_TARGET,
	NA_FLAG,
	NA_R,
	NA_S,
	NA_O,
	NA_RSV,
	NA_TARGET,
	RD_TARGET,
	RD_DEST,
	OPT,
	OPT_TYPE,
	OPT_LEN,
	OPT_LINKADDR,
	OPT_SRC_LINK,
	OPT_TGT_LINK,
	PFX_LEN,
	PFX_FLAG,
	PFX_L,
	PFX_A,
	PFX_R,
	PFX_RSV,
	PFX_VALID,
	PFX_PREFERRED,
	OPT_RESERVED,
	PFX,
	OPT_MTU,
	OPT_NONCE,
	RDNSS_LIFE,
	RDNSS,
	MLD_DELAY,
	MLD_ADDR,
	MLDR_COUNT,
	MLDR_TYPE,
	MLDR_AUX,
	MLDR_SOURCES,
	MLDR_ADDR,
	MLDR_SRC,
	DATA,
	CHECKSUM_BAD,
};

static const struct l4_value types[] = { { 1, "Destination Unreachable" }, { 2, "Packet Too Big" },
	{ 3, "Time Exceeded" }, { 4, "Parameter Problem" }, { 128, "Echo (ping) request" },
	{ 129, "Echo (ping) reply" }, { 130, "Multicast Listener Query" },
	{ 131, "Multicast Listener Report" }, { 132, "Multicast Listener Done" },
	{ 133, "Router Solicitation" }, { 134, "Router Advertisement" },
	{ 135, "Neighbor Solicitation" }, { 136, "Neighbor Advertisement" }, { 137, "Redirect" },
	{ 138, "Router renumbering" }, { 143, "Multicast Listener Report Message v2" },
	{ 0, NULL } };
static const struct l4_value unreachable[] = { { 0, "no route to destination" },
	{ 1, "Administratively prohibited" }, { 2, "Beyond scope of source address" },
	{ 3, "Address unreachable" }, { 4, "Port unreachable" },
	{ 5, "Source address failed ingress/egress policy" }, { 6, "Reject route to destination" },
	{ 0, NULL } };
static const struct l4_value exceeded[] = { { 0, "hop limit exceeded in transit" },
	{ 1, "fragment reassembly time exceeded" }, { 0, NULL } };
static const struct l4_value problem[] = { { 0, "erroneous header field encountered" },
	{ 1, "unrecognized Next Header type encountered" },
	{ 2, "unrecognized IPv6 option encountered" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[ICMPV6] = ROW0("icmpv6", "Internet Control Message Protocol v6", 32),
	[TYPE] = ROW("icmpv6.type", "Type", U8, DEC, AT(0, 8), .values = types, .def = 128),
	[CODE] = ROW("icmpv6.code", "Code", U8, DEC, AT(8, 8)),
	[CHECKSUM] = ROW("icmpv6.checksum", "Checksum", U16, HEX, AT(16, 16),
	    .derive = L4_DERIVE_CHECKSUM_PSEUDO, .alias = "cksum"),
	[CHECKSUM_STATUS] = ROW("icmpv6.checksum.status", "Checksum Status", U8, DEC, GEN,
	    .values = l4_checksum_status),
	[RESERVED] = ROW("icmpv6.reserved", "Reserved", BYTES, NONE, WALK),
	[MTU] = ROW("icmpv6.mtu", "MTU", U32, DEC, WALK),
	[POINTER] = ROW("icmpv6.pointer", "Pointer", U32, DEC, WALK),
	[ECHO_ID] =
	    ROW("icmpv6.echo.identifier", "Identifier", U16, HEX, AT(32, 16), .alias = "id"),
	[RESP_TO] = ROW("icmpv6.resp_to", "Response To", FRAME, NONE, GEN),
	[RESP_TIME] = ROW("icmpv6.resptime", "Response Time", DOUBLE, NONE, GEN, .unit = "ms"),
	[ECHO_SEQ] =
	    ROW("icmpv6.echo.sequence_number", "Sequence", U16, DEC, AT(48, 16), .alias = "seq"),
	[RA_HLIM] = ROW("icmpv6.nd.ra.cur_hop_limit", "Cur hop limit", U8, DEC, WALK),
	[RA_FLAG] = ROW("icmpv6.nd.ra.flag", "Flags", U8, HEX, WALK),
	[RA_M] =
	    ROW("icmpv6.nd.ra.flag.m", "Managed address configuration", BOOL, NONE, .depth = 1),
	[RA_O] = ROW("icmpv6.nd.ra.flag.o", "Other configuration", BOOL, NONE, .depth = 1),
	[RA_H] = ROW("icmpv6.nd.ra.flag.h", "Home Agent", BOOL, NONE, .depth = 1),
	[RA_PRF] = ROW("icmpv6.nd.ra.flag.prf", "Prf", U8, DEC, .depth = 1),
	[RA_P] = ROW("icmpv6.nd.ra.flag.p", "ND Proxy", BOOL, NONE, .depth = 1),
	[RA_RSV] = ROW("icmpv6.nd.ra.flag.rsv", "Reserved", U8, DEC, .depth = 1),
	[RA_LIFETIME] =
	    ROW("icmpv6.nd.ra.router_lifetime", "Router lifetime", U16, DEC, WALK, .unit = "s"),
	[RA_REACHABLE] =
	    ROW("icmpv6.nd.ra.reachable_time", "Reachable time", U32, DEC, WALK, .unit = "ms"),
	[RA_RETRANS] =
	    ROW("icmpv6.nd.ra.retrans_timer", "Retrans timer", U32, DEC, WALK, .unit = "ms"),
	[NS_TARGET] = ROW("icmpv6.nd.ns.target_address", "Target Address", IP6, NONE, WALK),
	[NA_FLAG] = ROW("icmpv6.nd.na.flag", "Flags", U32, HEX, WALK),
	[NA_R] = ROW("icmpv6.nd.na.flag.r", "Router", BOOL, NONE, .depth = 1),
	[NA_S] = ROW("icmpv6.nd.na.flag.s", "Solicited", BOOL, NONE, .depth = 1),
	[NA_O] = ROW("icmpv6.nd.na.flag.o", "Override", BOOL, NONE, .depth = 1),
	[NA_RSV] = ROW("icmpv6.nd.na.flag.rsv", "Reserved", U32, DEC, .depth = 1),
	[NA_TARGET] = ROW("icmpv6.nd.na.target_address", "Target Address", IP6, NONE, WALK),
	[RD_TARGET] = ROW("icmpv6.nd.rd.target_address", "Target Address", IP6, NONE, WALK),
	[RD_DEST] = ROW("icmpv6.rd.na.destination_address", "Destination Address", IP6, NONE, WALK),
	[OPT] = ROW("icmpv6.opt", "Option", NONE, NONE, WALK),
	[OPT_TYPE] = ROW("icmpv6.opt.type", "Type", U8, DEC, .depth = 1),
	[OPT_LEN] = ROW("icmpv6.opt.length", "Length", U8, DEC, .depth = 1),
	[OPT_LINKADDR] = ROW("icmpv6.opt.linkaddr", "Link-layer address", BYTES, COLON, .depth = 1),
	[OPT_SRC_LINK] = ROW(
	    "icmpv6.opt.src_linkaddr", "Source Link-layer address", BYTES, COLON, .depth = 1, HID),
	[OPT_TGT_LINK] = ROW("icmpv6.opt.target_linkaddr", "Target Link-layer address", BYTES,
	    COLON, .depth = 1, HID),
	[PFX_LEN] = ROW("icmpv6.opt.prefix.length", "Prefix Length", U8, DEC, .depth = 1),
	[PFX_FLAG] = ROW("icmpv6.opt.prefix.flag", "Flag", U8, HEX, .depth = 1),
	[PFX_L] = ROW("icmpv6.opt.prefix.flag.l", "On-link flag(L)", BOOL, NONE, .depth = 2),
	[PFX_A] = ROW("icmpv6.opt.prefix.flag.a", "Autonomous address-configuration flag(A)", BOOL,
	    NONE, .depth = 2),
	[PFX_R] = ROW("icmpv6.opt.prefix.flag.r", "Router address flag(R)", BOOL, NONE, .depth = 2),
	[PFX_RSV] = ROW("icmpv6.opt.prefix.flag.reserved", "Reserved", U8, DEC, .depth = 2),
	[PFX_VALID] = ROW("icmpv6.opt.prefix.valid_lifetime", "Valid Lifetime", U32, DEC,
	    .depth = 1, .unit = "s"),
	[PFX_PREFERRED] = ROW("icmpv6.opt.prefix.preferred_lifetime", "Preferred Lifetime", U32,
	    DEC, .depth = 1, .unit = "s"),
	[OPT_RESERVED] = ROW("icmpv6.opt.reserved", "Reserved", NONE, NONE, .depth = 1),
	[PFX] = ROW("icmpv6.opt.prefix", "Prefix", IP6, NONE, .depth = 1),
	[OPT_MTU] = ROW("icmpv6.opt.mtu", "MTU", U32, DEC, .depth = 1),
	[OPT_NONCE] = ROW("icmpv6.opt.nonce", "Nonce", BYTES, NONE, .depth = 1),
	[RDNSS_LIFE] =
	    ROW("icmpv6.opt.rdnss.lifetime", "Lifetime", U32, DEC, .depth = 1, .unit = "s"),
	[RDNSS] = ROW("icmpv6.opt.rdnss", "Recursive DNS Server", IP6, NONE, .depth = 1),
	[MLD_DELAY] = ROW("icmpv6.mld.maximum_response_delay", "Maximum Response Delay", U16, DEC,
	    WALK, .unit = "ms"),
	[MLD_ADDR] = ROW("icmpv6.mld.multicast_address", "Multicast Address", IP6, NONE, WALK),
	[MLDR_COUNT] = ROW(
	    "icmpv6.mldr.nb_mcast_records", "Number of Multicast Address Records", U16, DEC, WALK),
	[MLDR_TYPE] = ROW("icmpv6.mldr.mar.record_type", "Record Type", U8, DEC, .depth = 1),
	[MLDR_AUX] = ROW("icmpv6.mldr.mar.aux_data_len", "Aux Data Len", U8, DEC, .depth = 1),
	[MLDR_SOURCES] =
	    ROW("icmpv6.mldr.mar.nb_sources", "Number of Sources", U16, DEC, .depth = 1),
	[MLDR_ADDR] =
	    ROW("icmpv6.mldr.mar.multicast_address", "Multicast Address", IP6, NONE, .depth = 1),
	[MLDR_SRC] = ROW("icmpv6.mldr.mar.source_address", "Source Address", IP6, NONE, .depth = 1),
	[DATA] = ROW("icmpv6.data", "Data", BYTES, NONE, WALK),
	[CHECKSUM_BAD] = EVENT("icmpv6.checksum_bad.expert", "Bad checksum", WARN),
};

static const char *code_name(uint8_t type, uint8_t code)
{
	switch (type) {
	case 1:
		return l4_value_name(unreachable, code);
	case 3:
		return l4_value_name(exceeded, code);
	case 4:
		return l4_value_name(problem, code);
	default:
		return NULL;
	}
}

static void put_prefix(struct l4_dissect *d, const uint8_t *o)
{
	dis_u(d, PFX_LEN, o + 2, 1, o[2]);
	dis_u(d, PFX_FLAG, o + 3, 1, o[3]);
	dis_u(d, PFX_L, o + 3, 1, o[3] >> 7);
	dis_u(d, PFX_A, o + 3, 1, o[3] >> 6 & 1);
	dis_u(d, PFX_R, o + 3, 1, o[3] >> 5 & 1);
	dis_u(d, PFX_RSV, o + 3, 1, o[3] & 31);
	dis_u(d, PFX_VALID, o + 4, 4, l4_get_u32(o + 4));
	dis_u(d, PFX_PREFERRED, o + 8, 4, l4_get_u32(o + 8));
	if (dis_wants(d, OPT_RESERVED))
		dis_push(d, OPT_RESERVED, o + 12, 4);
	dis_p(d, PFX, o + 16, 16);
}

/* The options of neighbour discovery (RFC 4861 4.6), from `at` on. */
static void options(struct l4_dissect *d, struct l4_view v, uint32_t at)
{
	while (at + 2 <= v.cap) {
		const uint8_t *o = v.p + at;
		uint32_t n = o[1] * 8u;
		if (dis_wants(d, OPT))
			dis_push(d, OPT, o, n);
		dis_u(d, OPT_TYPE, o, 1, o[0]);
		dis_u(d, OPT_LEN, o + 1, 1, o[1]);
		if (!n) {
			dis_bad(d, o + 1);
			return;
		}
		if (n > v.cap - at) {
			dis_short(d, v, at + n);
			return;
		}
		if (o[0] == 1 || o[0] == 2) {
			uint32_t len = n == 8 ? 6 : n - 2;
			dis_p(d, OPT_LINKADDR, o + 2, len);
			dis_p(d, o[0] == 1 ? OPT_SRC_LINK : OPT_TGT_LINK, o + 2, len);
			if (cols(d) && n == 8) {
				col_str(d, o[0] == 1 ? " from " : " is at ");
				col_mac(d, o + 2);
			}
		} else if (o[0] == 3 && n == 32) {
			put_prefix(d, o);
		} else if (o[0] == 4) {
			if (dis_wants(d, OPT_RESERVED))
				dis_push(d, OPT_RESERVED, o + 2, 6);
			l4_icmp_quote(d, PROTO_ipv6, view_cut(view_skip(v, at + 8), n - 8));
		} else if (o[0] == 5 && n == 8) {
			if (dis_wants(d, OPT_RESERVED))
				dis_push(d, OPT_RESERVED, o + 2, 2);
			dis_u(d, OPT_MTU, o + 4, 4, l4_get_u32(o + 4));
		} else if (o[0] == 14) {
			dis_p(d, OPT_NONCE, o + 2, n - 2);
		} else if (o[0] == 25 && n >= 24) {
			if (dis_wants(d, OPT_RESERVED))
				dis_push(d, OPT_RESERVED, o + 2, 2);
			dis_u(d, RDNSS_LIFE, o + 4, 4, l4_get_u32(o + 4));
			for (uint32_t k = 8; k + 16 <= n; k += 16)
				dis_p(d, RDNSS, o + k, 16);
		}
		at += n;
	}
}

static void neighbor(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	uint8_t type = h[0];
	if (type == 136) {
		uint32_t f = l4_get_u32(h + 4);
		dis_u(d, NA_FLAG, h + 4, 4, f);
		dis_u(d, NA_R, h + 4, 4, f >> 31);
		dis_u(d, NA_S, h + 4, 4, f >> 30 & 1);
		dis_u(d, NA_O, h + 4, 4, f >> 29 & 1);
		dis_u(d, NA_RSV, h + 4, 4, f & 0x1fffffff);
		if (!dis_has(d, v, 24))
			return;
		dis_p(d, NA_TARGET, h + 8, 16);
		if (cols(d)) {
			col_str(d, " ");
			col_ip6(d, h + 8);
			static const char *const text[] = { "", " (ovr)", " (sol)", " (sol, ovr)",
				" (rtr)", " (rtr, ovr)", " (rtr, sol)", " (rtr, sol, ovr)" };
			col_str(d, text[f >> 29]);
		}
		options(d, v, 24);
		return;
	}
	dis_p(d, RESERVED, h + 4, 4);
	if (!dis_has(d, v, 24))
		return;
	if (type == 135) {
		dis_p(d, NS_TARGET, h + 8, 16);
		if (cols(d)) {
			col_str(d, " for ");
			col_ip6(d, h + 8);
		}
		options(d, v, 24);
		return;
	}
	dis_p(d, RD_TARGET, h + 8, 16);
	if (!dis_has(d, v, 40))
		return;
	dis_p(d, RD_DEST, h + 24, 16);
	options(d, v, 40);
}

static void advertisement(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	dis_u(d, RA_HLIM, h + 4, 1, h[4]);
	dis_u(d, RA_FLAG, h + 5, 1, h[5]);
	dis_u(d, RA_M, h + 5, 1, h[5] >> 7);
	dis_u(d, RA_O, h + 5, 1, h[5] >> 6 & 1);
	dis_u(d, RA_H, h + 5, 1, h[5] >> 5 & 1);
	dis_u(d, RA_PRF, h + 5, 1, h[5] >> 3 & 3);
	dis_u(d, RA_P, h + 5, 1, h[5] >> 2 & 1);
	dis_u(d, RA_RSV, h + 5, 1, h[5] & 3);
	dis_u(d, RA_LIFETIME, h + 6, 2, l4_get_u16(h + 6));
	if (v.cap >= 12)
		dis_u(d, RA_REACHABLE, h + 8, 4, l4_get_u32(h + 8));
	if (!dis_has(d, v, 16))
		return;
	dis_u(d, RA_RETRANS, h + 12, 4, l4_get_u32(h + 12));
	options(d, v, 16);
}

static void report_v2(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	uint16_t n = l4_get_u16(h + 6);
	dis_p(d, RESERVED, h + 4, 2);
	dis_u(d, MLDR_COUNT, h + 6, 2, n);
	uint32_t at = 8;
	for (uint16_t k = 0; k < n; k++) {
		if (!dis_has(d, v, at + 20))
			return;
		const uint8_t *r = h + at;
		uint32_t sources = l4_get_u16(r + 2);
		dis_u(d, MLDR_TYPE, r, 1, r[0]);
		dis_u(d, MLDR_AUX, r + 1, 1, r[1]);
		dis_u(d, MLDR_SOURCES, r + 2, 2, sources);
		dis_p(d, MLDR_ADDR, r + 4, 16);
		at += 20;
		for (uint32_t s = 0; s < sources; s++, at += 16) {
			if (!dis_has(d, v, at + 16))
				return;
			dis_p(d, MLDR_SRC, h + at, 16);
		}
		at += 4u * r[1];
	}
}

static void error_message(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	if (h[0] == 2)
		dis_u(d, MTU, h + 4, 4, l4_get_u32(h + 4));
	else if (h[0] == 4)
		dis_u(d, POINTER, h + 4, 4, l4_get_u32(h + 4));
	else
		dis_p(d, RESERVED, h + 4, 4);
	l4_icmp_quote(d, PROTO_ipv6, view_skip(v, 8));
}

static void body(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	switch (h[0]) {
	case 1:
	case 2:
	case 3:
	case 4:
		error_message(d, v);
		break;
	case 128:
	case 129:
		dis_u(d, ECHO_ID, h + 4, 2, l4_get_u16(h + 4));
		dis_u(d, ECHO_SEQ, h + 6, 2, l4_get_u16(h + 6));
		if (cols(d)) {
			col_fmt(d, " id=0x%04x, seq=%u", l4_get_u16(h + 4), l4_get_u16(h + 6));
			if (d->net_src.kind == L4_AK_IP6 && d->net_src.p)
				col_fmt(d, ", hop limit=%u", d->hop_limit);
		}
		l4_echo_put(d, v, h[0] == 129, RESP_TO, RESP_TIME);
		dis_data(d, view_skip(v, 8));
		break;
	case 130:
	case 131:
	case 132:
		dis_u(d, MLD_DELAY, h + 4, 2, l4_get_u16(h + 4));
		dis_p(d, RESERVED, h + 6, 2);
		if (dis_has(d, v, 24))
			dis_p(d, MLD_ADDR, h + 8, 16);
		break;
	case 133:
		dis_p(d, RESERVED, h + 4, 4);
		options(d, v, 8);
		break;
	case 134:
		advertisement(d, v);
		break;
	case 135:
	case 136:
	case 137:
		neighbor(d, v);
		break;
	case 144: /* mobility (RFC 6275 6.5 to 6.8) */
	case 145:
	case 146:
	case 147:
		dis_p(d, RESERVED, h + 6, 2);
		break;
	case 143:
		report_v2(d, v);
		break;
	default:
		dis_p(d, DATA, h + 4, v.cap - 4);
		break;
	}
}

static void dissect_icmpv6(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	col_proto(d, "ICMPv6");
	if (!dis_has(d, v, 4)) {
		dis_fixed(d, v, TYPE, CHECKSUM);
		return;
	}
	const uint8_t *h = v.p;
	if (cols(d)) {
		const char *t = l4_value_name(types, h[0]), *c = code_name(h[0], h[1]);
		col_clear(d);
		col_str(d, t ? t : "Unknown");
		if (c)
			col_fmt(d, " (%s)", c);
	}
	dis_fixed(d, v, TYPE, CHECKSUM);
	if (d->w_any) {
		unsigned status = 2;
		if (v.cap == v.len && !d->fragment && !d->quoted)
			status = l4_link_csum_pseudo(d, v.p, v.len, 58) == 0;
		dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
		if (!status)
			dis_expert(d, CHECKSUM_BAD);
	}
	if (dis_has(d, v, 8))
		body(d, v);
}

static const struct l4_binding bindings[] = { { "ip.proto", 58 }, { NULL, 0 } };

const struct l4_dissector l4_dis_icmpv6 = {
	.proto = PROTO_INIT(
	    "icmpv6", "Internet Control Message Protocol v6", "ICMPv6", fields, 64, bindings),
	.run = dissect_icmpv6,
};
