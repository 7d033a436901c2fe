/* IPv6 (RFC 8200): header; the extension headers are dissectors of their own (ipv6_ext.c), each of
 * which leads to the next by the same table of protocol numbers. */
#include "dissect/conv.h"
#include "dissect/link.h"

enum {
	IPV6,
	VERSION,
	IP_VERSION,
	TCLASS,
	DSCP,
	ECN,
	FLOW,
	PLEN,
	NXT,
	HLIM,
	SRC,
	ADDR1,
	SRC_HOST,
	HOST1,
	SRC_SLAAC,
	SLAAC1,
	DST,
	ADDR2,
	DST_HOST,
	HOST2,
	DST_SLAAC,
	SLAAC2,
	BOGUS_VERSION,
	PLEN_EXCEEDS,
};

static const struct l4_field fields[] = {
	[IPV6] = ROW0("ipv6", "Internet Protocol Version 6", 320),
	[VERSION] = ROW("ipv6.version", "Version", U8, DEC, AT(0, 4), .def = 6),
	[IP_VERSION] = ROW("ip.version", "Version", U8, DEC, AT(0, 4), HID),
	[TCLASS] = ROW("ipv6.tclass", "Traffic Class", U32, HEX, AT(4, 8), .alias = "tc"),
	[DSCP] = ROW("ipv6.tclass.dscp", "Differentiated Services Codepoint", U32, DEC, AT(4, 6),
	    .depth = 1),
	[ECN] = ROW(
	    "ipv6.tclass.ecn", "Explicit Congestion Notification", U32, DEC, AT(10, 2), .depth = 1),
	[FLOW] = ROW("ipv6.flow", "Flow Label", U24, HEX, AT(12, 20), .alias = "fl"),
	[PLEN] =
	    ROW("ipv6.plen", "Payload Length", U16, DEC, AT(32, 16), .derive = L4_DERIVE_PAYLOAD),
	[NXT] = ROW("ipv6.nxt", "Next Header", U8, DEC, AT(48, 8), .values = l4_ip_proto_names,
	    .derive = L4_DERIVE_NEXT, .alias = "nh"),
	[HLIM] = ROW("ipv6.hlim", "Hop Limit", U8, DEC, AT(56, 8), .def = 64),
	[SRC] = ROW("ipv6.src", "Source Address", IP6, NONE, AT(64, 128), .def = 1),
	[ADDR1] = ROW("ipv6.addr", "Source or Destination Address", IP6, NONE, AT(64, 128), HID),
	[SRC_HOST] = ROW("ipv6.src_host", "Source Host", STRING, NONE, HID),
	[HOST1] = ROW("ipv6.host", "Host", STRING, NONE, HID),
	[SRC_SLAAC] = ROW("ipv6.src_slaac_mac", "Source SLAAC MAC", MAC, NONE, GEN),
	[SLAAC1] = ROW("ipv6.slaac_mac", "SLAAC MAC", MAC, NONE, HID),
	[DST] = ROW("ipv6.dst", "Destination Address", IP6, NONE, AT(192, 128), .def = 1),
	[ADDR2] = ROW("ipv6.addr", "Source or Destination Address", IP6, NONE, AT(192, 128), HID),
	[DST_HOST] = ROW("ipv6.dst_host", "Destination Host", STRING, NONE, HID),
	[HOST2] = ROW("ipv6.host", "Host", STRING, NONE, HID),
	[DST_SLAAC] = ROW("ipv6.dst_slaac_mac", "Destination SLAAC MAC", MAC, NONE, GEN),
	[SLAAC2] = ROW("ipv6.slaac_mac", "SLAAC MAC", MAC, NONE, HID),
	[BOGUS_VERSION] = EVENT("ipv6.bogus_ipv6_version", "Bogus IP version", ERROR),
	[PLEN_EXCEEDS] =
	    EVENT("ipv6.plen_exceeds_framing", "Payload length exceeds framing length", WARN),
};

static void host(struct l4_dissect *d, unsigned row, const uint8_t *p)
{
	char *t = dis_wants(d, row) ? dis_alloc(d, 48) : NULL;
	if (t)
		dis_s(d, row, p, 16, t, (uint32_t)(fmt_ip6(t, p) - t));
}

/* The MAC address in a modified EUI-64 interface identifier (RFC 4291, appendix A). */
static void slaac(struct l4_dissect *d, unsigned row, unsigned row2, const uint8_t *p)
{
	if (p[0] == 0xff || p[11] != 0xff || p[12] != 0xfe || !(p[8] & 2))
		return;
	if (!dis_wants(d, row) && !dis_wants(d, row2))
		return;
	uint8_t *m = dis_alloc(d, 6);
	if (!m)
		return;
	m[0] = (uint8_t)(p[8] ^ 2);
	m[1] = p[9];
	m[2] = p[10];
	memcpy(m + 3, p + 13, 3);
	dis_s(d, row, p + 8, 8, m, 6);
	dis_s(d, row2, p + 8, 8, m, 6);
}

static void put_header(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_ip6(fmt_str(o, "Internet Protocol Version 6, Src: "), h + 8);
		*fmt_ip6(fmt_str(o, ", Dst: "), h + 24) = 0;
	}
	dis_fixed(d, v, VERSION, ADDR1);
	host(d, SRC_HOST, h + 8);
	host(d, HOST1, h + 8);
	slaac(d, SRC_SLAAC, SLAAC1, h + 8);
	dis_fixed(d, v, DST, ADDR2);
	host(d, DST_HOST, h + 24);
	host(d, HOST2, h + 24);
	slaac(d, DST_SLAAC, SLAAC2, h + 24);
}

/* What is there of a header that the packet ends in; the first eight bytes are read four at a
 * time. */
static void cut_header(struct l4_dissect *d, struct l4_view v)
{
	dis_fixed(d, v, VERSION, IP_VERSION);
	if (v.cap < 4)
		return;
	if (v.cap < 7) {
		dis_fixed(d, view_cut(v, 4), IP_VERSION + 1, ADDR2);
		return;
	}
	dis_fixed(d, v, IP_VERSION + 1, ADDR1);
	if (v.cap < 24)
		return;
	host(d, SRC_HOST, v.p + 8);
	host(d, HOST1, v.p + 8);
	if (cols(d)) {
		d->out.src_kind = L4_AK_IP6;
		d->out.src = v.p + 8;
	}
}

static void dissect_ipv6(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 40);
	col_proto(d, "IPv6");
	col_clear(d);
	if (!dis_has(d, v, 1))
		return;
	const uint8_t *h = v.p;
	if (h[0] >> 4 != 6) {
		dis_fixed(d, v, VERSION, IP_VERSION);
		dis_expert(d, BOGUS_VERSION);
		if (cols(d))
			col_fmt(d, "Bogus IPv6 version (%u, must be 6)", h[0] >> 4);
		return;
	}
	if (v.cap < 40) {
		cut_header(d, v);
		dis_short(d, v, 40);
		return;
	}
	uint32_t plen = l4_get_u16(h + 4);
	bool exceeds = plen + 40 > v.len;
	if (plen || h[6] == 59 || v.len < 65576)
		v = view_cut(v, plen || h[6] != 0 ? 40 + plen : v.len);
	if (d->net_at == h)
		d->net_len = v.len;
	dis_net(d, L4_AK_IP6, h + 8, h + 24);
	d->hop_limit = h[7];
	if (d->connections && !d->quoted)
		l4_conv_count_ip(d);
	if (d->w_any) {
		put_header(d, v);
		if (exceeds && !d->quoted)
			dis_expert(d, PLEN_EXCEEDS);
	}
	l4_ipv6_next(d, h[6], view_skip(v, 40));
}

void l4_ipv6_next(struct l4_dissect *d, uint8_t nxt, struct l4_view next)
{
	d->ip_proto = nxt;
	uint8_t id = d->by_ip_proto[nxt];
	if (id == PROTO_icmp)
		id = PROTO_NONE; /* ICMP for IPv4 has no business here */
	if (id != PROTO_NONE && nxt != 59) {
		dis_call(d, id, next);
		return;
	}
	if (cols(d)) {
		const char *name = l4_value_name(l4_ip_proto_names, nxt);
		col_clear(d);
		if (nxt == 59)
			col_str(d, "IPv6 no next header");
		else
			col_fmt(d, "%s (%u)", name ? name : "Unknown", nxt);
	}
	dis_data(d, next);
}

static const struct l4_binding bindings[] = { { "ethertype", 0x86dd }, { "linktype", L4_LINK_IPV6 },
	{ "ip.proto", 41 }, { "ppp", 0x0057 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ipv6 = {
	.proto = PROTO_INIT("ipv6", "Internet Protocol Version 6", "IPv6", fields, 320, bindings),
	.run = dissect_ipv6,
};
