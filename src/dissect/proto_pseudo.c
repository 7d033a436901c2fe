/* Headers that capture systems put before a packet: NFLOG, Solaris IPNET, Apple PKTAP. */
#include "dissect/link.h"

enum { NFLOG, N_FAMILY, N_VERSION, N_RES, N_LEN, N_TYPE };

static const struct l4_field nflog_fields[] = {
	[NFLOG] = ROW0("nflog", "Linux netfilter log messages", 32),
	[N_FAMILY] = ROW("nflog.family", "Family", U8, DEC, AT(0, 8)),
	[N_VERSION] = ROW("nflog.version", "Version", U8, DEC, AT(8, 8)),
	[N_RES] = ROW("nflog.res_id", "Resource ID", U16, DEC, AT(16, 16)),
	[N_LEN] = ROW("nflog.tlv_length", "Length", U16, DEC, .depth = 1),
	[N_TYPE] = ROW("nflog.tlv_type", "Type", U16, DEC, .depth = 1),
};

static void dissect_nflog(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 4);
	col_proto(d, "NFLOG");
	dis_fixed(d, v, N_FAMILY, N_RES);
	if (!dis_has(d, v, 4))
		return;
	struct l4_view payload = { NULL, 0, 0 };
	/* Attributes in the byte order of the host that captured: little, where the high byte of
	 * a length is small. */
	bool big = v.cap >= 6 && v.p[4] < v.p[5];
	for (uint32_t at = 4; at + 4 <= v.cap;) {
		const uint8_t *t = v.p + at;
		uint32_t n = big ? l4_get_u16(t) : (uint32_t)(t[0] | t[1] << 8);
		uint32_t type = (big ? l4_get_u16(t + 2) : (uint32_t)(t[2] | t[3] << 8)) & 0x7fff;
		if (n < 4)
			break;
		dis_u(d, N_LEN, t, 2, n);
		dis_u(d, N_TYPE, t + 2, 2, type);
		if (type == 9)
			payload = view_cut(view_skip(v, at + 4), n - 4);
		at += (n + 3) & ~3u;
	}
	if (!payload.p)
		return;
	if (v.p[0] == 2)
		dis_call(d, PROTO_ip, payload);
	else if (v.p[0] == 10)
		dis_call(d, PROTO_ipv6, payload);
	else
		dis_data(d, payload);
}

static const struct l4_binding nflog_bindings[] = { { "linktype", L4_LINK_NFLOG }, { NULL, 0 } };

const struct l4_dissector l4_dis_nflog = {
	.proto = PROTO_INIT(
	    "nflog", "Linux netfilter log messages", "NFLOG", nflog_fields, 32, nflog_bindings),
	.run = dissect_nflog,
};

enum { IPNET, I_VERSION, I_FAMILY, I_HTYPE, I_LEN, I_IFINDEX };

static const struct l4_field ipnet_fields[] = {
	[IPNET] = ROW0("ipnet", "Solaris IPNET", 192),
	[I_VERSION] = ROW("ipnet.version", "Header version", U8, DEC, AT(0, 8)),
	[I_FAMILY] = ROW("ipnet.family", "Address family", U8, DEC, AT(8, 8)),
	[I_HTYPE] = ROW("ipnet.htype", "Hook type", U16, DEC, AT(16, 16)),
	[I_LEN] = ROW("ipnet.pktlen", "Data length", U32, DEC, AT(32, 32)),
	[I_IFINDEX] = ROW("ipnet.ifindex", "Interface index", U32, DEC, AT(64, 32)),
};

static void dissect_ipnet(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 24);
	col_proto(d, "IPNET");
	dis_fixed(d, v, I_VERSION, I_IFINDEX);
	if (!dis_has(d, v, 24))
		return;
	if (v.p[1] == 2)
		dis_call(d, PROTO_ip, view_skip(v, 24));
	else if (v.p[1] == 26 || v.p[1] == 10)
		dis_call(d, PROTO_ipv6, view_skip(v, 24));
	else
		dis_data(d, view_skip(v, 24));
}

static const struct l4_binding ipnet_bindings[] = { { "linktype", 226 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ipnet = {
	.proto = PROTO_INIT("ipnet", "Solaris IPNET", "IPNET", ipnet_fields, 192, ipnet_bindings),
	.run = dissect_ipnet,
};

enum { PKTAP, P_HDRLEN, P_DLT };

static const struct l4_field pktap_fields[] = {
	[PKTAP] = ROW0("pktap", "PKTAP packet header", 0),
	[P_HDRLEN] = ROW("pktap.hdrlen", "Header Length", U32, DEC, WALK),
	[P_DLT] = ROW("pktap.dlt", "DLT", U32, DEC, WALK),
};

static const struct l4_field pktdata_fields[] = { ROW0("pcap_pktdata", "Packet data", 0) };

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void dissect_pktap(struct l4_dissect *d, struct l4_view v)
{
	if (!dis_has(d, v, 48)) {
		dis_layer(d, v, 48);
		return;
	}
	uint32_t n = le32(v.p), dlt = le32(v.p + 8);
	dis_layer(d, v, n);
	col_proto(d, "PKTAP");
	dis_u(d, P_HDRLEN, v.p, 4, n);
	dis_u(d, P_DLT, v.p + 8, 4, dlt);
	if (n < 48 || !dis_has(d, v, n))
		return;
	struct l4_view next = view_skip(v, n);
	dis_mark(d, PROTO_pktdata, next);
	if (dlt < sizeof d->by_linktype && d->by_linktype[dlt] != PROTO_NONE &&
	    d->by_linktype[dlt] != PROTO_pktap)
		dis_call(d, d->by_linktype[dlt], next);
	else
		dis_data(d, next);
}

static void dissect_pktdata(struct l4_dissect *d, struct l4_view v)
{
	dis_data(d, v);
}

static const struct l4_binding pktap_bindings[] = { { "linktype", 258 }, { "linktype", 149 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_pktap = {
	.proto =
	    PROTO_INIT("pktap", "PKTAP packet header", "PKTAP", pktap_fields, 0, pktap_bindings),
	.run = dissect_pktap,
};
const struct l4_dissector l4_dis_pktdata = {
	.proto = PROTO_INIT("pcap_pktdata", "Packet data", "", pktdata_fields, 0, NULL),
	.run = dissect_pktdata,
};

enum { PPI, PPI_VERSION, PPI_FLAGS, PPI_LENGTH, PPI_DLT };

static const struct l4_field ppi_fields[] = {
	[PPI] = ROW0("ppi", "PPI", 64),
	[PPI_VERSION] = ROW("ppi.version", "Version", U8, DEC, AT(0, 8)),
	[PPI_FLAGS] = ROW("ppi.flags", "Flags", U8, HEX, AT(8, 8)),
	[PPI_LENGTH] = ROW("ppi.length", "Header length", U16, DEC, WALK),
	[PPI_DLT] = ROW("ppi.dlt", "DLT", U32, DEC, WALK),
};

/* Per-packet information: a header, fields of its own, and a packet of another link type. */
static void dissect_ppi(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 8);
	col_proto(d, "PPI");
	if (!dis_has(d, v, 8))
		return;
	uint32_t n = (uint32_t)(v.p[2] | v.p[3] << 8), dlt = le32(v.p + 4);
	dis_head(d, "PPI version %u, %u bytes", v.p[0], n);
	dis_fixed(d, v, PPI_VERSION, PPI_FLAGS);
	dis_u(d, PPI_LENGTH, v.p + 2, 2, n);
	dis_u(d, PPI_DLT, v.p + 4, 4, dlt);
	if (n < 8 || !dis_has(d, v, n))
		return;
	struct l4_view next = view_skip(v, n);
	dis_mark(d, PROTO_pktdata, next);
	uint8_t id = dlt < sizeof d->by_linktype ? d->by_linktype[dlt] : PROTO_NONE;
	if (id != PROTO_NONE && id != PROTO_ppi)
		dis_call(d, id, next);
	else
		dis_data(d, next);
}

static const struct l4_binding ppi_bindings[] = { { "linktype", 192 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ppi = {
	.proto = PROTO_INIT("ppi", "Per-Packet Information", "PPI", ppi_fields, 64, ppi_bindings),
	.run = dissect_ppi,
};

enum { JUN, JUN_MAGIC, JUN_EXT };

static const struct l4_field juniper_fields[] = {
	[JUN] = ROW0("juniper", "Juniper Ethernet", 32),
	[JUN_MAGIC] = ROW("juniper.magic-number", "Magic Number", U24, HEX, AT(0, 24)),
	[JUN_EXT] = ROW("juniper.ext_total_len", "Extension(s) Total length", U16, DEC, WALK),
};

/* What Juniper's routers put before an Ethernet frame. */
static void dissect_juniper(struct l4_dissect *d, struct l4_view v)
{
	dis_mark(d, PROTO_juniper, v);
	if (!dis_has(d, v, 4))
		return;
	dis_fixed(d, v, JUN_MAGIC, JUN_MAGIC);
	uint32_t at = 4;
	if (v.p[3] & 0x80) {
		if (!dis_has(d, v, 6))
			return;
		uint32_t n = l4_get_u16(v.p + 4);
		dis_u(d, JUN_EXT, v.p + 4, 2, n);
		at = 6 + n;
	}
	if (dis_has(d, v, at))
		dis_call(d, PROTO_eth, view_skip(v, at));
}

static const struct l4_binding juniper_bindings[] = { { "linktype", 178 }, { NULL, 0 } };

const struct l4_dissector l4_dis_juniper = {
	.proto = PROTO_INIT(
	    "juniper", "Juniper Ethernet", "Juniper", juniper_fields, 32, juniper_bindings),
	.run = dissect_juniper,
};
