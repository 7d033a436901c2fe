/* IPv6 extension headers (RFC 8200 4): hop-by-hop and destination options, routing, fragment. */
#include "dissect/frag.h"
#include "dissect/ip_options.h"
#include "dissect/link.h"

/* Rows of the options, which both options headers share; names are those of ipv6 itself. */
#define OPTION_ROWS(X)                                                                          \
	X(OPT_TYPE, ROW("ipv6.opt.type", "Type", U8, HEX, .depth = 1))                          \
	X(OPT_ACTION, ROW("ipv6.opt.type.action", "Action", U8, DEC, .depth = 2))               \
	X(OPT_CHANGE, ROW("ipv6.opt.type.change", "May Change", BOOL, NONE, .depth = 2))        \
	X(OPT_REST, ROW("ipv6.opt.type.rest", "Low-order bits", U8, HEX, .depth = 2))           \
	X(OPT_LENGTH, ROW("ipv6.opt.length", "Length", U8, DEC, .depth = 1))                    \
	X(OPT_PAD1, ROW("ipv6.opt.pad1", "Pad1", NONE, NONE, .depth = 1))                       \
	X(OPT_PADN,                                                                             \
	    ROW("ipv6.opt.padn", "PadN", BYTES, NONE, .depth = 1, .flags = L4_FF_MAY_BE_EMPTY)) \
	X(OPT_RA, ROW("ipv6.opt.router_alert", "Router Alert", U16, DEC, .depth = 1))           \
	X(OPT_JUMBO, ROW("ipv6.opt.jumbo", "Payload Length", U32, DEC, .depth = 1))             \
	X(OPT_HOME, ROW("ipv6.opt.mipv6.home_address", "Home Address", IP6, NONE, .depth = 1))  \
	X(OPT_TEL, ROW("ipv6.opt.tel", "Tunnel Encapsulation Limit", U8, DEC, .depth = 1))      \
	X(OPT_UNKNOWN, ROW("ipv6.opt.unknown", "Unknown Data", BYTES, NONE, .depth = 1))

enum { OPTS, OPTS_NXT, OPTS_LEN, OPTS_LEN_OCT, OPTION_ROWS(ROW_ENUM) };

static const struct l4_field hop_fields[] = { [OPTS] = ROW0(
						  "ipv6.hopopts", "IPv6 Hop-by-Hop Option", 16),
	[OPTS_NXT] = ROW("ipv6.hopopts.nxt", "Next Header", U8, DEC, AT(0, 8),
	    .values = l4_ip_proto_names, .derive = L4_DERIVE_NEXT),
	[OPTS_LEN] =
	    ROW("ipv6.hopopts.len", "Length", U8, DEC, AT(8, 8), .derive = L4_DERIVE_HEADER_UNITS),
	[OPTS_LEN_OCT] = ROW("ipv6.hopopts.len_oct", "Length in bytes", U16, DEC, GEN),
	OPTION_ROWS(ROW_TABLE) };

static const struct l4_field dst_fields[] = { [OPTS] = ROW0("ipv6.dstopts",
						  "Destination Options for IPv6", 16),
	[OPTS_NXT] = ROW("ipv6.dstopts.nxt", "Next Header", U8, DEC, AT(0, 8),
	    .values = l4_ip_proto_names, .derive = L4_DERIVE_NEXT),
	[OPTS_LEN] =
	    ROW("ipv6.dstopts.len", "Length", U8, DEC, AT(8, 8), .derive = L4_DERIVE_HEADER_UNITS),
	[OPTS_LEN_OCT] = ROW("ipv6.dstopts.len_oct", "Length in bytes", U16, DEC, GEN),
	OPTION_ROWS(ROW_TABLE) };

static void one_option(struct l4_dissect *d, const uint8_t *o, uint8_t type, uint8_t len)
{
	const uint8_t *p = o + 2;
	if (type == 1)
		dis_p(d, OPT_PADN, p, len);
	else if (type == 5 && len == 2)
		dis_u(d, OPT_RA, p, 2, l4_get_u16(p));
	else if (type == 0xc2 && len == 4)
		dis_u(d, OPT_JUMBO, p, 4, l4_get_u32(p));
	else if (type == 0xc9 && len == 16)
		dis_p(d, OPT_HOME, p, 16);
	else if (type == 4 && len == 1)
		dis_u(d, OPT_TEL, p, 1, p[0]);
	else
		dis_p(d, OPT_UNKNOWN, p, len);
}

static void dissect_options(struct l4_dissect *d, struct l4_view v)
{
	if (!dis_has(d, v, 2)) {
		dis_layer(d, v, 2);
		return;
	}
	uint32_t n = (v.p[1] + 1u) * 8;
	dis_layer(d, v, n);
	if (d->w_any) {
		dis_fixed(d, v, OPTS_NXT, OPTS_LEN);
		dis_u(d, OPTS_LEN_OCT, v.p + 1, 1, n);
		uint32_t end = n < v.cap ? n : v.cap;
		for (uint32_t at = 2; at < end;) {
			const uint8_t *o = v.p + at;
			uint8_t type = o[0];
			uint32_t len = type == 0 ? 0 : at + 1 < end ? o[1] : 0;
			dis_title(d, o, type ? 2 + len : 1, "Option %u", type);
			dis_u(d, OPT_TYPE, o, 1, type);
			if (type == 0) {
				if (dis_wants(d, OPT_PAD1))
					dis_push(d, OPT_PAD1, o, 1);
				at++;
				continue;
			}
			dis_u(d, OPT_ACTION, o, 1, type >> 6);
			dis_u(d, OPT_CHANGE, o, 1, type >> 5 & 1);
			dis_u(d, OPT_REST, o, 1, type & 31);
			if (at + 2 > end)
				break;
			dis_u(d, OPT_LENGTH, o + 1, 1, len);
			if (len > end - at - 2)
				break;
			one_option(d, o, type, (uint8_t)len);
			at += 2 + len;
		}
	}
	if (!dis_has(d, v, n))
		return;
	l4_ipv6_next(d, v.p[0], view_skip(v, n));
}

enum {
	RT,
	RT_NXT,
	RT_LEN,
	RT_LEN_OCT,
	RT_TYPE,
	RT_LEFT,
	RT_SRC_RES,
	RT_SRC_ADDR,
	RT_MIP_RES,
	RT_MIP_ADDR,
	RT_SRH_LAST,
	RT_SRH_FLAGS,
	RT_SRH_TAG,
	RT_SRH_ADDR,
	RT_DATA
};

static const struct l4_field rt_fields[] = {
	[RT] = ROW0("ipv6.routing", "Routing Header for IPv6", 32),
	[RT_NXT] = ROW("ipv6.routing.nxt", "Next Header", U8, DEC, AT(0, 8),
	    .values = l4_ip_proto_names, .derive = L4_DERIVE_NEXT),
	[RT_LEN] =
	    ROW("ipv6.routing.len", "Length", U8, DEC, AT(8, 8), .derive = L4_DERIVE_HEADER_UNITS),
	[RT_LEN_OCT] = ROW("ipv6.routing.len_oct", "Length in bytes", U16, DEC, GEN),
	[RT_TYPE] = ROW("ipv6.routing.type", "Type", U8, DEC, AT(16, 8)),
	[RT_LEFT] = ROW("ipv6.routing.segleft", "Segments Left", U8, DEC, AT(24, 8)),
	[RT_SRC_RES] = ROW("ipv6.routing.src.reserved", "Reserved", BYTES, NONE, WALK),
	[RT_SRC_ADDR] = ROW("ipv6.routing.src.addr", "Address", IP6, NONE, WALK),
	[RT_MIP_RES] = ROW("ipv6.routing.mipv6.reserved", "Reserved", BYTES, NONE, WALK),
	[RT_MIP_ADDR] = ROW("ipv6.routing.mipv6.home_address", "Home Address", IP6, NONE, WALK),
	[RT_SRH_LAST] = ROW("ipv6.routing.srh.last_entry", "Last Entry", U8, DEC, WALK),
	[RT_SRH_FLAGS] = ROW("ipv6.routing.srh.flags", "Flags", U8, HEX, WALK),
	[RT_SRH_TAG] = ROW("ipv6.routing.srh.tag", "Tag", BYTES, NONE, WALK),
	[RT_SRH_ADDR] = ROW("ipv6.routing.srh.addr", "Address", IP6, NONE, WALK),
	[RT_DATA] = ROW("ipv6.routing.unknown_data", "Type-specific data", BYTES, NONE, WALK),
};

static const char *const rt_names[] = { "Source Route", "Nimrod", "Type 2", "RPL Source Route",
	"Segment Routing" };

static void dissect_routing(struct l4_dissect *d, struct l4_view v)
{
	if (!dis_has(d, v, 4)) {
		dis_layer(d, v, 4);
		return;
	}
	uint32_t n = (v.p[1] + 1u) * 8;
	uint8_t type = v.p[2];
	dis_layer(d, v, n);
	dis_head(d, "Routing Header for IPv6 (%s)",
	    type < sizeof rt_names / sizeof rt_names[0] ? rt_names[type] : "Unknown");
	dis_fixed(d, v, RT_NXT, RT_LEN);
	dis_u(d, RT_LEN_OCT, v.p + 1, 1, n);
	dis_fixed(d, v, RT_TYPE, RT_LEFT);
	if (!dis_has(d, v, n))
		return;
	uint32_t at = 8;
	if (type == 0) {
		dis_p(d, RT_SRC_RES, v.p + 4, 4);
		for (; at + 16 <= n; at += 16)
			dis_p(d, RT_SRC_ADDR, v.p + at, 16);
	} else if (type == 2) {
		dis_p(d, RT_MIP_RES, v.p + 4, 4);
		if (n >= 24)
			dis_p(d, RT_MIP_ADDR, v.p + 8, 16);
	} else if (type == 4) {
		dis_u(d, RT_SRH_LAST, v.p + 4, 1, v.p[4]);
		dis_u(d, RT_SRH_FLAGS, v.p + 5, 1, v.p[5]);
		dis_p(d, RT_SRH_TAG, v.p + 6, 2);
		for (uint32_t k = 0; k <= v.p[4] && at + 16 <= n; k++, at += 16)
			dis_p(d, RT_SRH_ADDR, v.p + at, 16);
	} else {
		dis_p(d, RT_DATA, v.p + 4, n - 4);
	}
	/* The final destination is the last address while segments are left (RFC 2460 4.4); the
	 * checksum and the connection are between the ends. */
	if ((type == 0 || type == 2) && v.p[3] && n >= 24 && d->net_dst.kind == L4_AK_IP6)
		d->net_dst.p = type == 2 ? v.p + 8 : v.p + 8 + ((n - 8) / 16 - 1) * 16;
	l4_ipv6_next(d, v.p[0], view_skip(v, n));
}

enum { FH, FH_NXT, FH_RES, FH_OFFSET, FH_RES_BITS, FH_MORE, FH_ID, FRAG_ROWS(FRAG_ROW_ENUM) };

static const struct l4_field fh_fields[] = { [FH] = ROW0(
						 "ipv6.fraghdr", "Fragment Header for IPv6", 64),
	[FH_NXT] = ROW("ipv6.fraghdr.nxt", "Next header", U8, DEC, AT(0, 8),
	    .values = l4_ip_proto_names, .derive = L4_DERIVE_NEXT),
	[FH_RES] = ROW("ipv6.fraghdr.reserved_octet", "Reserved octet", U8, HEX, AT(8, 8)),
	[FH_OFFSET] = ROW("ipv6.fraghdr.offset", "Offset", U16, DEC, AT(16, 13)),
	[FH_RES_BITS] = ROW("ipv6.fraghdr.reserved_bits", "Reserved bits", U16, DEC, AT(29, 2)),
	[FH_MORE] = ROW("ipv6.fraghdr.more", "More Fragments", BOOL, NONE, AT(31, 1)),
	[FH_ID] = ROW("ipv6.fraghdr.ident", "Identification", U32, HEX, AT(32, 32), .alias = "id"),
	FRAG_ROWS6(ROW_TABLE) };

static void dissect_fraghdr(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	dis_fixed(d, v, FH_NXT, FH_RES);
	if (!dis_has(d, v, 8))
		return;
	uint16_t word = l4_get_u16(v.p + 2);
	uint32_t offset = word & 0xfff8u, id = l4_get_u32(v.p + 4);
	bool more = word & 1;
	dis_fixed(d, v, FH_OFFSET, FH_ID);
	if (cols(d)) {
		col_clear(d);
		col_fmt(d, "IPv6 fragment (off=%u more=%c ident=0x%08x nxt=%u)", offset,
		    more ? 'y' : 'n', id, v.p[0]);
	}
	struct l4_view next = view_skip(v, 8);
	uint8_t source = d->source;
	if (offset || more) {
		struct l4_frag_key key = { .id = id, .version = 6 };
		/* A datagram of IPv4 may name protocol 44, too; its addresses are short. */
		bool keep =
		    !d->quoted && d->net_src.kind == L4_AK_IP6 && l4_frag_usable(next, offset);
		if (keep) {
			memcpy(key.src, d->net_src.p, 16);
			memcpy(key.dst, d->net_dst.p, 16);
		}
		if (keep ? !l4_frag_add(d, &key, offset, more, &next, FRAG_FIRST) : offset != 0) {
			dis_data(d, next);
			return;
		}
		d->fragment = !keep;
	}
	l4_ipv6_next(d, v.p[0], next);
	d->source = source;
}

static const struct l4_binding hop_bindings[] = { { "ip.proto", 0 }, { NULL, 0 } };
static const struct l4_binding dst_bindings[] = { { "ip.proto", 60 }, { NULL, 0 } };
static const struct l4_binding rt_bindings[] = { { "ip.proto", 43 }, { NULL, 0 } };
static const struct l4_binding fh_bindings[] = { { "ip.proto", 44 }, { NULL, 0 } };

const struct l4_dissector l4_dis_hopopts = {
	.proto = PROTO_INIT(
	    "ipv6.hopopts", "IPv6 Hop-by-Hop Option", "IPv6", hop_fields, 16, hop_bindings),
	.run = dissect_options,
};
const struct l4_dissector l4_dis_dstopts = {
	.proto = PROTO_INIT(
	    "ipv6.dstopts", "Destination Options for IPv6", "IPv6", dst_fields, 16, dst_bindings),
	.run = dissect_options,
};
const struct l4_dissector l4_dis_routing = {
	.proto = PROTO_INIT(
	    "ipv6.routing", "Routing Header for IPv6", "IPv6", rt_fields, 32, rt_bindings),
	.run = dissect_routing,
};
const struct l4_dissector l4_dis_fraghdr = {
	.proto = PROTO_INIT(
	    "ipv6.fraghdr", "Fragment Header for IPv6", "IPv6", fh_fields, 64, fh_bindings),
	.run = dissect_fraghdr,
};
