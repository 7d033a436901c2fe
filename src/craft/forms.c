/* Fields whose place depends on another field: what an ICMP message of this type holds.
 *
 * The protocol tables give such rows no fixed place, since reading walks to them. Here each form
 * of a header says where they stand: the rows are those of the tables by name, and their meaning
 * is looked up there. A form is chosen by the value of one field (type), given or default; naming
 * a field of another form chooses that form and, unless it is given, its type. A form of no value
 * holds for every header: flags that a reader shows only at times. */
#include <layer4/packet.h>

#include <string.h>

#include "craft/expr.h"

#define F(n, a, t, b, at, width, ...)                                                     \
	{                                                                                 \
		.name = n, .alias = a, .type = L4_FT_##t, .base = L4_BASE_##b, .bit = at, \
		.bits = width, __VA_ARGS__                                                \
	}
#define FORM(p, rows, bytes, c, ...)                                                               \
	{                                                                                          \
		.proto = p, .by = "type", .fields = rows,                                          \
		.n_fields = sizeof(rows) / sizeof((rows)[0]), .header_bits = (bytes)*8, .code = c, \
		.values = { __VA_ARGS__ }, .n_values = sizeof((uint8_t[]){ __VA_ARGS__ })          \
	}
/* The same, chosen by a list too. */
#define LISTED(p, rows, bytes, value, l)                                                \
	{                                                                               \
		.proto = p, .by = "type", .fields = rows,                               \
		.n_fields = sizeof(rows) / sizeof((rows)[0]), .header_bits = (bytes)*8, \
		.code = -1, .values = { value }, .n_values = 1, .list = l               \
	}
/* Of no value, or only when one of its fields is named. */
#define ALWAYS(p, rows, bytes)                                                            \
	{                                                                                 \
		.proto = p, .fields = rows, .n_fields = sizeof(rows) / sizeof((rows)[0]), \
		.header_bits = (bytes)*8, .code = -1                                      \
	}

/* ICMP: RFC 792, RFC 950, RFC 1191, RFC 1256, RFC 4884. */
static const struct l4_field icmp_unreachable[] = { F("icmp.unused", NULL, U8, HEX, 32, 8, 0),
	F("icmp.length", NULL, U8, DEC, 40, 8, 0), F("icmp.mtu", NULL, U16, DEC, 48, 16, 0) };
static const struct l4_field icmp_exceeded[] = { F("icmp.unused", NULL, U8, HEX, 32, 8, 0),
	F("icmp.length", NULL, U8, DEC, 40, 8, 0) };
static const struct l4_field icmp_quench[] = { F("icmp.unused", NULL, U32, HEX, 32, 32, 0) };
static const struct l4_field icmp_redirect[] = { F("icmp.redir_gw", "gw", IP4, NONE, 32, 32, 0) };
static const struct l4_field icmp_router[] = { F("icmp.num_addrs", NULL, U8, DEC, 32, 8,
						   .derive = L4_DERIVE_COUNT),
	F("icmp.addr_entry_size", NULL, U8, DEC, 40, 8, .def = 2),
	F("icmp.lifetime", NULL, U16, DEC, 48, 16, .def = 1800) };
static const struct l4_field icmp_solicit[] = { F("icmp.reserved", NULL, U32, HEX, 32, 32, 0) };
static const struct l4_field icmp_problem[] = { F("icmp.pointer", "ptr", U8, DEC, 32, 8, 0),
	F("icmp.length", NULL, U8, DEC, 40, 8, 0), F("icmp.unused", NULL, U16, HEX, 48, 16, 0) };
static const struct l4_field icmp_stamps[] = { F("icmp.originate_timestamp", "ts_ori", U32, DEC, 64,
						   32, 0),
	F("icmp.receive_timestamp", "ts_rx", U32, DEC, 96, 32, 0),
	F("icmp.transmit_timestamp", "ts_tx", U32, DEC, 128, 32, 0) };
static const struct l4_field icmp_mask[] = { F("icmp.address_mask", "mask", IP4, NONE, 64, 32, 0) };

/* ICMPv6: RFC 4443, RFC 4861, RFC 2710, RFC 3810. */
static const struct l4_field icmp6_reserved[] = { F("icmpv6.reserved", NULL, U32, HEX, 32, 32, 0) };
static const struct l4_field icmp6_big[] = { F("icmpv6.mtu", NULL, U32, DEC, 32, 32, .def = 1280) };
static const struct l4_field icmp6_problem[] = { F("icmpv6.pointer", "ptr", U32, DEC, 32, 32, 0) };
static const struct l4_field icmp6_mld[] = { F("icmpv6.mld.maximum_response_delay", "mrd", U16, DEC,
						 32, 16, 0),
	F("icmpv6.reserved", NULL, U16, HEX, 48, 16, 0),
	F("icmpv6.mld.multicast_address", "maddr", IP6, NONE, 64, 128, 0) };
static const struct l4_field icmp6_ra[] = { F("icmpv6.nd.ra.cur_hop_limit", "hlim", U8, DEC, 32, 8,
						.def = 64),
	F("icmpv6.nd.ra.flag", "flags", U8, HEX, 40, 8, 0),
	F("icmpv6.nd.ra.flag.m", NULL, BOOL, NONE, 40, 1, .depth = 1),
	F("icmpv6.nd.ra.flag.o", NULL, BOOL, NONE, 41, 1, .depth = 1),
	F("icmpv6.nd.ra.flag.h", NULL, BOOL, NONE, 42, 1, .depth = 1),
	F("icmpv6.nd.ra.flag.prf", NULL, U8, DEC, 43, 2, .depth = 1),
	F("icmpv6.nd.ra.flag.p", NULL, BOOL, NONE, 45, 1, .depth = 1),
	F("icmpv6.nd.ra.flag.rsv", NULL, U8, DEC, 46, 2, .depth = 1),
	F("icmpv6.nd.ra.router_lifetime", "lifetime", U16, DEC, 48, 16, .def = 1800),
	F("icmpv6.nd.ra.reachable_time", "reachable", U32, DEC, 64, 32, 0),
	F("icmpv6.nd.ra.retrans_timer", "retrans", U32, DEC, 96, 32, 0) };
static const struct l4_field icmp6_ns[] = { F("icmpv6.reserved", NULL, U32, HEX, 32, 32, 0),
	F("icmpv6.nd.ns.target_address", "target", IP6, NONE, 64, 128, 0) };
static const struct l4_field icmp6_na[] = { F("icmpv6.nd.na.flag", "flags", U32, HEX, 32, 32,
						.def = 0x60000000),
	F("icmpv6.nd.na.flag.r", NULL, BOOL, NONE, 32, 1, .depth = 1),
	F("icmpv6.nd.na.flag.s", NULL, BOOL, NONE, 33, 1, .depth = 1),
	F("icmpv6.nd.na.flag.o", NULL, BOOL, NONE, 34, 1, .depth = 1),
	F("icmpv6.nd.na.flag.rsv", NULL, U32, DEC, 35, 29, .depth = 1),
	F("icmpv6.nd.na.target_address", "target", IP6, NONE, 64, 128, 0) };
static const struct l4_field icmp6_rd[] = { F("icmpv6.reserved", NULL, U32, HEX, 32, 32, 0),
	F("icmpv6.nd.rd.target_address", "target", IP6, NONE, 64, 128, 0),
	F("icmpv6.rd.na.destination_address", "dest", IP6, NONE, 192, 128, 0) };
static const struct l4_field icmp6_mld2[] = { F("icmpv6.reserved", NULL, U16, HEX, 32, 16, 0),
	F("icmpv6.mldr.nb_mcast_records", NULL, U16, DEC, 48, 16, .derive = L4_DERIVE_COUNT) };

/* IGMP: RFC 3376 4. */
static const struct l4_field igmp_query[] = { F("igmp.s", NULL, BOOL, NONE, 68, 1, 0),
	F("igmp.qrv", NULL, U8, DEC, 69, 3, .def = 2),
	F("igmp.qqic", NULL, U8, DEC, 72, 8, .def = 125),
	F("igmp.num_src", NULL, U16, DEC, 80, 16, .derive = L4_DERIVE_COUNT) };
static const struct l4_field igmp_report[] = { F("igmp.reserved", NULL, U8, HEX, 8, 8, 0),
	F("igmp.num_grp_recs", NULL, U16, DEC, 48, 16, .derive = L4_DERIVE_COUNT) };

/* Routing headers: RFC 2460 4.4, RFC 6275 6.4, RFC 8754 2. */
static const struct l4_field rh_source[] = { F(
    "ipv6.routing.src.reserved", "reserved", U32, HEX, 32, 32, 0) };
static const struct l4_field rh_mobile[] = { F("ipv6.routing.mipv6.reserved", "reserved", U32, HEX,
						 32, 32, 0),
	F("ipv6.routing.mipv6.home_address", "home", IP6, NONE, 64, 128, 0) };
static const struct l4_field rh_segment[] = { F("ipv6.routing.srh.last_entry", NULL, U8, DEC, 32, 8,
						  .derive = L4_DERIVE_LAST),
	F("ipv6.routing.srh.flags", NULL, U8, HEX, 40, 8, 0),
	F("ipv6.routing.srh.tag", NULL, U16, HEX, 48, 16, 0) };

/* DNS: RFC 1035 4.1.1, RFC 4035 3; LLMNR: RFC 4795 2.1.1. */
static const struct l4_field dns_flags[] = { F("dns.flags.authoritative", "aa", BOOL, NONE, 21, 1,
						 .depth = 1),
	F("dns.flags.conflict", NULL, BOOL, NONE, 21, 1, .depth = 1),
	F("dns.flags.tentative", NULL, BOOL, NONE, 23, 1, .depth = 1),
	F("dns.flags.recavail", "ra", BOOL, NONE, 24, 1, .depth = 1),
	F("dns.flags.authenticated", "ad", BOOL, NONE, 26, 1, .depth = 1),
	F("dns.flags.rcode", "rcode", U16, DEC, 28, 4, .depth = 1) };

/* DHCP: RFC 2131 2. */
static const struct l4_field dhcp_wide[] = { F("dhcp.hw.addr", NULL, BYTES, COLON, 224, 128, 0),
	F("dhcp.hw.addr_padding", NULL, BYTES, NONE, 272, 80, 0),
	F("dhcp.server", "sname", STRING, NONE, 352, 512, 0),
	F("dhcp.file", NULL, STRING, NONE, 864, 1024, 0),
	F("dhcp.cookie", "magic", IP4, NONE, 1888, 32, .def = 0x63825363) };

static const struct l4_field eth_len[] = { F("eth.len", NULL, U16, DEC, 96, 16, 0) };
static const struct l4_field vlan_len[] = { F("vlan.cfi", NULL, BOOL, NONE, 3, 1, 0),
	F("vlan.len", NULL, U16, DEC, 16, 16, 0) };

/* Linux cooked, version 1 (LINKTYPE_LINUX_SLL). */
static const struct l4_field sll[] = { F("sll.pkttype", NULL, U16, DEC, 0, 16, 0),
	F("sll.hatype", NULL, U16, DEC, 16, 16, .def = 1),
	F("sll.halen", NULL, U16, DEC, 32, 16, .def = 6),
	F("sll.src.eth", "src", MAC, NONE, 48, 48, 0), F("sll.unused", NULL, U16, HEX, 96, 16, 0),
	F("sll.etype", "type", U16, HEX, 112, 16, .derive = L4_DERIVE_NEXT) };

/* Reading takes this type without showing it. */
static const struct l4_field qinq_type[] = { F(
    "ieee8021ad.type", NULL, U16, HEX, 16, 16, .derive = L4_DERIVE_NEXT, .label = "Type") };

static const struct l4_craft_form forms[] = {
	FORM("icmp", icmp_unreachable, 8, 4, 3),
	FORM("icmp", icmp_exceeded, 8, -1, 11),
	FORM("icmp", icmp_quench, 8, -1, 4),
	FORM("icmp", icmp_redirect, 8, 1, 5),
	LISTED("icmp", icmp_router, 8, 9, "routers"),
	FORM("icmp", icmp_solicit, 8, -1, 10),
	FORM("icmp", icmp_problem, 8, -1, 12),
	FORM("icmp", icmp_stamps, 20, -1, 13, 14),
	FORM("icmp", icmp_mask, 12, -1, 17, 18),
	FORM("icmpv6", icmp6_reserved, 8, -1, 1, 3, 133),
	FORM("icmpv6", icmp6_big, 8, -1, 2),
	FORM("icmpv6", icmp6_problem, 8, -1, 4),
	FORM("icmpv6", icmp6_mld, 24, -1, 130, 131, 132),
	FORM("icmpv6", icmp6_ra, 16, -1, 134),
	FORM("icmpv6", icmp6_ns, 24, -1, 135),
	FORM("icmpv6", icmp6_na, 24, -1, 136),
	FORM("icmpv6", icmp6_rd, 40, -1, 137),
	LISTED("icmpv6", icmp6_mld2, 8, 143, "records"),
	LISTED("igmp", igmp_report, 8, 0x22, "records"),
	/* A query of version 3 is longer than others of its type. */
	{ .proto = "igmp",
	    .by = "type",
	    .values = { 0x11 },
	    .n_values = 1,
	    .code = -1,
	    .on_demand = true,
	    .list = "sources",
	    .fields = igmp_query,
	    .n_fields = 4,
	    .header_bits = 96 },
	FORM("ipv6.routing", rh_source, 8, -1, 0),
	FORM("ipv6.routing", rh_mobile, 24, -1, 2),
	FORM("ipv6.routing", rh_segment, 8, -1, 4),
	ALWAYS("dns", dns_flags, 12),
	ALWAYS("mdns", dns_flags, 12),
	ALWAYS("llmnr", dns_flags, 12),
	ALWAYS("dhcp", dhcp_wide, 240),
	ALWAYS("eth", eth_len, 14),
	ALWAYS("vlan", vlan_len, 4),
	ALWAYS("ieee8021ad", qinq_type, 4),
	ALWAYS("sll", sll, 16),
};

const struct l4_craft_form *l4_craft_form(const struct l4_proto *p, size_t index)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		if (!strcmp(forms[i].proto, p->name) && index-- == 0)
			return &forms[i];
	return NULL;
}

static bool has_value(const struct l4_craft_form *f, uint64_t v)
{
	for (unsigned i = 0; i < f->n_values; i++)
		if (f->values[i] == v)
			return true;
	return !f->n_values;
}

const struct l4_craft_form *craft_form_of(const struct l4_proto *p, uint64_t value)
{
	const struct l4_craft_form *f, *always = NULL;
	for (size_t i = 0; (f = l4_craft_form(p, i)) != NULL; i++) {
		if (!f->n_values)
			always = f;
		else if (!f->on_demand && has_value(f, value))
			return f;
	}
	return always;
}

const struct l4_field *craft_form_field(
    const struct l4_proto *p, const char *name, int64_t value, const struct l4_craft_form **form)
{
	const struct l4_craft_form *f;
	for (int other = 0; other < 2; other++)
		for (size_t i = 0; (f = l4_craft_form(p, i)) != NULL; i++) {
			bool fits = value >= 0 && has_value(f, (uint64_t)value);
			if (fits == (other != 0))
				continue;
			const struct l4_field *r = craft_named(p, f->fields, f->n_fields, name);
			if (r) {
				*form = f;
				return r;
			}
		}
	return NULL;
}
