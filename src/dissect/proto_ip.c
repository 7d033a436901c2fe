/* IPv4 (RFC 791): header and the way to what it carries; options are in ip_options.c, reassembly in
 * frag.c.
 *
 * A total length of 0 is what a capture on the sending machine shows of a segment that the network
 * card will cut ("TSO"): the length is then that of the frame. */
#include <layer4/checksum.h>

#include "dissect/conv.h"
#include "dissect/frag.h"
#include "dissect/ip_options.h"
#include "dissect/link.h"

enum {
	IP,
	VERSION,
	HDR_LEN,
	DSFIELD,
	DSCP,
	ECN,
	LEN,
	ID,
	FLAGS,
	FLAGS_RB,
	FLAGS_DF,
	FLAGS_MF,
	FRAG_OFFSET,
	TTL,
	PROTO,
	CHECKSUM,
	CHECKSUM_STATUS,
	CHECKSUM_CALC,
	SRC,
	ADDR1,
	SRC_HOST,
	HOST1,
	DST,
	ADDR2,
	DST_HOST,
	HOST2,
	IP_OPTION_ROWS(ROW_ENUM) FRAG_ROWS(ROW_ENUM) BOGUS_VERSION,
	BOGUS_HLEN,
	BOGUS_LEN,
};

static const struct l4_value dscp[] = { { 0, "Default" }, { 8, "CS1" }, { 10, "AF11" },
	{ 12, "AF12" }, { 14, "AF13" }, { 16, "CS2" }, { 18, "AF21" }, { 20, "AF22" },
	{ 22, "AF23" }, { 24, "CS3" }, { 26, "AF31" }, { 28, "AF32" }, { 30, "AF33" },
	{ 32, "CS4" }, { 34, "AF41" }, { 36, "AF42" }, { 38, "AF43" }, { 40, "CS5" },
	{ 44, "Voice Admit" }, { 46, "EF" }, { 48, "CS6" }, { 56, "CS7" }, { 0, NULL } };
static const struct l4_value ecn[] = { { 0, "Not-ECT" }, { 1, "ECT(1)" }, { 2, "ECT(0)" },
	{ 3, "CE" }, { 0, NULL } };

const struct l4_value l4_ip_proto_names[] = { { 0, "IPv6 Hop-by-Hop Option" }, { 1, "ICMP" },
	{ 2, "IGMP" }, { 3, "GGP" }, { 4, "IPIP" }, { 5, "Stream" }, { 6, "TCP" }, { 8, "EGP" },
	{ 9, "IGRP" }, { 17, "UDP" }, { 27, "RDP" }, { 33, "DCCP" }, { 41, "IPv6" },
	{ 43, "Routing Header for IPv6" }, { 44, "Fragment Header for IPv6" },
	{ 46, "Reservation Protocol" }, { 47, "Generic Routing Encapsulation" },
	{ 50, "Encap Security Payload" }, { 51, "Authentication Header" }, { 58, "ICMPv6" },
	{ 59, "IPv6 no next header" }, { 60, "Destination Options for IPv6" }, { 88, "EIGRP" },
	{ 89, "OSPF IGP" }, { 94, "IPIP" }, { 97, "Ethernet within IP" }, { 103, "PIM" },
	{ 108, "IPComp" }, { 112, "VRRP" }, { 115, "L2TP" }, { 132, "SCTP" },
	{ 135, "Mobile IPv6" }, { 136, "UDPlite" }, { 137, "MPLS in IP" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[IP] = ROW0("ip", "Internet Protocol Version 4", 160),
	[VERSION] = ROW("ip.version", "Version", U8, DEC, AT(0, 4), .def = 4),
	[HDR_LEN] = ROW("ip.hdr_len", "Header Length", U8, DEC, AT(4, 4), .def = 5,
	    .derive = L4_DERIVE_HEADER_WORDS, .alias = "ihl"),
	[DSFIELD] =
	    ROW("ip.dsfield", "Differentiated Services Field", U8, HEX, AT(8, 8), .alias = "tos"),
	[DSCP] = ROW("ip.dsfield.dscp", "Differentiated Services Codepoint", U8, DEC, AT(8, 6),
	    .depth = 1, .values = dscp),
	[ECN] = ROW("ip.dsfield.ecn", "Explicit Congestion Notification", U8, DEC, AT(14, 2),
	    .depth = 1, .values = ecn),
	[LEN] = ROW("ip.len", "Total Length", U16, DEC, AT(16, 16), .derive = L4_DERIVE_LENGTH),
	[ID] = ROW("ip.id", "Identification", U16, HEX_DEC, AT(32, 16), .def = 1),
	[FLAGS] = ROW("ip.flags", "Flags", U8, HEX, AT(48, 3)),
	[FLAGS_RB] = ROW("ip.flags.rb", "Reserved bit", BOOL, NONE, AT(48, 1), .depth = 1),
	[FLAGS_DF] = ROW("ip.flags.df", "Don't fragment", BOOL, NONE, AT(49, 1), .depth = 1),
	[FLAGS_MF] = ROW("ip.flags.mf", "More fragments", BOOL, NONE, AT(50, 1), .depth = 1),
	[FRAG_OFFSET] = ROW("ip.frag_offset", "Fragment Offset (units of 8 bytes)", U16, DEC,
	    AT(51, 13), .alias = "frag"),
	[TTL] = ROW("ip.ttl", "Time to Live", U8, DEC, AT(64, 8), .def = 64),
	[PROTO] = ROW("ip.proto", "Protocol", U8, DEC, AT(72, 8), .values = l4_ip_proto_names,
	    .derive = L4_DERIVE_NEXT),
	[CHECKSUM] = ROW("ip.checksum", "Header Checksum", U16, HEX, AT(80, 16),
	    .derive = L4_DERIVE_CHECKSUM, .alias = "chksum"),
	[CHECKSUM_STATUS] = ROW("ip.checksum.status", "Header checksum status", U8, DEC, GEN,
	    .values = l4_checksum_status),
	[CHECKSUM_CALC] = ROW("ip.checksum_calculated", "Calculated checksum", U16, HEX, GEN),
	[SRC] = ROW("ip.src", "Source Address", IP4, NONE, AT(96, 32), .def = 0x7f000001),
	[ADDR1] = ROW("ip.addr", "Source or Destination Address", IP4, NONE, AT(96, 32), HID),
	[SRC_HOST] = ROW("ip.src_host", "Source Host", STRING, NONE, HID),
	[HOST1] = ROW("ip.host", "Host", STRING, NONE, HID),
	[DST] = ROW("ip.dst", "Destination Address", IP4, NONE, AT(128, 32), .def = 0x7f000001),
	[ADDR2] = ROW("ip.addr", "Source or Destination Address", IP4, NONE, AT(128, 32), HID),
	[DST_HOST] = ROW("ip.dst_host", "Destination Host", STRING, NONE, HID),
	[HOST2] = ROW("ip.host", "Host", STRING, NONE, HID),
	IP_OPTION_ROWS(ROW_TABLE) FRAG_ROWS4(ROW_TABLE)[BOGUS_VERSION] =
	    EVENT("ip.bogus_ip_version", "Bogus IP version", ERROR),
	[BOGUS_HLEN] = EVENT("ip.bogus_header_length", "Bogus IP header length", ERROR),
	[BOGUS_LEN] = EVENT("ip.bogus_ip_length", "Bogus IP length", ERROR),
};

static void host(struct l4_dissect *d, unsigned row, const uint8_t *p)
{
	char *t = dis_wants(d, row) ? dis_alloc(d, 16) : NULL;
	if (t)
		dis_s(d, row, p, 4, t, (uint32_t)(fmt_ip4(t, p) - t));
}

void dis_ip_dst(struct l4_dissect *d, const uint8_t *p)
{
	dis_p(d, DST, p, 4);
	dis_p(d, ADDR2, p, 4);
	host(d, DST_HOST, p);
	host(d, HOST2, p);
}

/* beyond: the total length goes past the end of the packet. */
static void put_header(struct l4_dissect *d, struct l4_view v, uint32_t len, bool beyond)
{
	const uint8_t *h = v.p, *dst = d->net_dst.p;
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_ip4(fmt_str(o, "Internet Protocol Version 4, Src: "), h + 12);
		o = fmt_ip4(fmt_str(o, ", Dst: "), dst);
		if (dst != h + 16)
			o = fmt_ip4(fmt_str(o, ", Via: "), h + 16);
		*o = 0;
	}
	dis_fixed(d, v, VERSION, VERSION);
	dis_u(d, HDR_LEN, h, 1, (h[0] & 15u) * 4);
	dis_fixed(d, v, DSFIELD, ECN);
	dis_u(d, LEN, h + 2, 2, len);
	if (beyond)
		dis_expert(d, BOGUS_LEN);
	dis_fixed(d, v, ID, FLAGS_MF);
	dis_fixed(d, v, FRAG_OFFSET, CHECKSUM);
	uint32_t hlen = (h[0] & 15u) * 4;
	unsigned status = 2;
	if (d->cfg.check_checksums && v.cap >= hlen)
		status = l4_link_csum(h, hlen) == 0;
	dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
	dis_fixed(d, v, SRC, ADDR1);
	host(d, SRC_HOST, h + 12);
	host(d, HOST1, h + 12);
	if (dst != h + 16)
		dis_p(d, OPT_CUR_RT, h + 16, 4);
	else
		dis_ip_dst(d, dst);
}

/* What is there of a header that the packet ends in. */
static void cut_header(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	if (v.cap >= 16) {
		char *o = dis_title_room(d);
		if (o)
			*fmt_ip4(fmt_str(o, "Internet Protocol Version 4, Src: "), h + 12) = 0;
	}
	dis_fixed(d, v, VERSION, VERSION);
	dis_u(d, HDR_LEN, h, 1, (h[0] & 15u) * 4);
	if (!dis_fixed(d, v, DSFIELD, LEN))
		return;
	if (v.cap >= 4) {
		uint32_t len = l4_get_u16(h + 2), all = len ? len : v.len;
		if (len > v.len || all < (h[0] & 15u) * 4)
			dis_expert(d, BOGUS_LEN);
		if (all < (h[0] & 15u) * 4)
			return;
	}
	dis_fixed(d, v, ID, ID);
	if (v.cap >= 8)
		dis_fixed(d, v, FLAGS, CHECKSUM);
	if (v.cap >= 12)
		dis_u(d, CHECKSUM_STATUS, NULL, 0, 2);
	if (v.cap < 16)
		return;
	dis_fixed(d, v, SRC, ADDR1);
	host(d, SRC_HOST, h + 12);
	host(d, HOST1, h + 12);
	if (cols(d)) {
		d->out.src_kind = L4_AK_IP4;
		d->out.src = h + 12;
	}
}

static void show_fragment(struct l4_dissect *d, const uint8_t *h, struct l4_view v)
{
	if (cols(d)) {
		const char *name = l4_value_name(l4_ip_proto_names, h[9]);
		col_clear(d);
		col_fmt(d, "Fragmented IP protocol (proto=%s %u, off=%u, ID=%04x)",
		    name ? name : "Unknown", h[9], (l4_get_u16(h + 6) & 0x1fffu) * 8,
		    l4_get_u16(h + 4));
	}
	dis_data(d, v);
}

static void dissect_ip(struct l4_dissect *d, struct l4_view v)
{
	if (v.cap && v.p[0] >> 4 == 6) {
		dis_call(d, PROTO_ipv6, v);
		return;
	}
	uint32_t layer = d->out.n_layers;
	col_proto(d, "IPv4");
	col_clear(d);
	if (!dis_has(d, v, 1)) {
		dis_mark(d, PROTO_ip, v);
		return;
	}
	dis_layer(d, v, 20);
	const uint8_t *h = v.p;
	uint32_t hlen = (h[0] & 15u) * 4;
	if (h[0] >> 4 != 4) {
		dis_fixed(d, v, VERSION, VERSION);
		dis_expert(d, BOGUS_VERSION);
		if (cols(d))
			col_fmt(d, "Bogus IPv4 version (%u, must be 4)", h[0] >> 4);
		return;
	}
	if (hlen < 20) {
		dis_fixed(d, v, VERSION, VERSION);
		dis_u(d, HDR_LEN, h, 1, hlen);
		dis_expert(d, BOGUS_HLEN);
		if (cols(d))
			col_fmt(d, "Bogus IP header length (%u, must be at least 20)", hlen);
		return;
	}
	if (v.cap < 20) {
		cut_header(d, v);
		dis_short(d, v, 20);
		return;
	}
	uint32_t len = l4_get_u16(h + 2), ip_len = len;
	if (len == 0)
		ip_len = v.len;
	if (ip_len < hlen) {
		dis_fixed(d, v, VERSION, VERSION);
		dis_u(d, HDR_LEN, h, 1, hlen);
		dis_fixed(d, v, DSFIELD, ECN);
		dis_u(d, LEN, h + 2, 2, ip_len);
		dis_expert(d, BOGUS_LEN);
		if (cols(d))
			col_fmt(
			    d, "Bogus IP length (%u, less than header length %u)", ip_len, hlen);
		return;
	}
	bool beyond = ip_len > v.len && !d->quoted;
	v = view_cut(v, ip_len);
	if (d->net_at == h)
		d->net_len = v.len;
	/* With a source route to go, the destination is where it ends. */
	const uint8_t *dst = h + 16;
	if (hlen > 20 && !dis_ip_route_end(v, hlen, &dst)) {
		cut_header(d, v);
		dis_short(d, v, hlen);
		return;
	}
	dis_net(d, L4_AK_IP4, h + 12, dst);
	d->ip_proto = h[9];
	d->hop_limit = h[8];
	if (d->connections && !d->quoted)
		l4_conv_count_ip(d);
	if (d->w_any)
		put_header(d, v, ip_len, beyond);
	if (hlen > 20) {
		dis_layer_len(d, layer, hlen);
		if (d->w_any && !dis_ip_options(d, v, hlen, IP_OPTION_FIRST))
			return;
		if (!dis_has(d, v, hlen))
			return;
	}
	struct l4_view next = view_skip(v, hlen);
	uint16_t frag = l4_get_u16(h + 6);
	uint8_t source = d->source;
	if (frag & 0x3fff) {
		struct l4_frag_key key = { .id = l4_get_u16(h + 4), .proto = h[9], .version = 4 };
		memcpy(key.src, h + 12, 4);
		memcpy(key.dst, h + 16, 4);
		uint32_t offset = (frag & 0x1fffu) * 8;
		bool keep = !d->quoted && ip_len - hlen <= next.cap && l4_frag_usable(next, offset);
		if (keep && !l4_frag_add(d, &key, offset, frag & 0x2000, &next, FRAG_FIRST)) {
			show_fragment(d, h, next);
			return;
		}
		if (!keep && offset) {
			show_fragment(d, h, next);
			return;
		}
		/* A first fragment that cannot wait for the others is shown as far as it goes. */
		d->fragment = !keep;
	}
	uint8_t id = d->by_ip_proto[h[9]];
	if (id != PROTO_NONE) {
		dis_call(d, id, next);
	} else {
		if (cols(d)) {
			const char *name = l4_value_name(l4_ip_proto_names, h[9]);
			col_fmt(d, "%s (%u)", name ? name : "Unknown", h[9]);
		}
		dis_data(d, next);
	}
	d->source = source;
}

static const struct l4_binding bindings[] = { { "ethertype", 0x0800 }, { "linktype", L4_LINK_IPV4 },
	{ "ip.proto", 4 }, { "ip.proto", 94 }, { "ppp", 0x0021 }, { "llc.sap", 0x06 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_ip = {
	.proto = PROTO_INIT("ip", "Internet Protocol Version 4", "IPv4", fields, 160, bindings),
	.run = dissect_ip,
};
