/* ICMP (RFC 792, 950, 1191, 1256, 4884), with the quoted packet of the error messages.
 *
 * What is quoted is dissected like any packet, except that its columns are not shown, that it
 * changes no connection, and that its end in the middle is no damage. */
#include "dissect/conv.h"
#include "dissect/link.h"

enum {
	ICMP,
	TYPE,
	CODE,
	CHECKSUM,
	CHECKSUM_STATUS,
	UNUSED,
	LENGTH,
	ORIG_LENGTH,
	RESERVED,
	IDENT,
	IDENT_LE,
	SEQ,
	SEQ_LE,
	MTU,
	POINTER,
	REDIR_GW,
	NUM_ADDRS,
	ENTRY_SIZE,
	LIFETIME,
	ROUTER,
	PREF,
	ORIGINATE,
	RECEIVE,
	TRANSMIT,
	MASK,
	RESP_TO,
	RESP_TIME,
	CHECKSUM_BAD,
};

static const struct l4_value types[] = { { 0, "Echo (ping) reply" },
	{ 3, "Destination unreachable" }, { 4, "Source quench" }, { 5, "Redirect" },
	{ 8, "Echo (ping) request" }, { 9, "Router advertisement" }, { 10, "Router solicitation" },
	{ 11, "Time-to-live exceeded" }, { 12, "Parameter problem" }, { 13, "Timestamp request" },
	{ 14, "Timestamp reply" }, { 15, "Information request" }, { 16, "Information reply" },
	{ 17, "Address mask request" }, { 18, "Address mask reply" }, { 0, NULL } };
static const struct l4_value unreachable[] = { { 0, "Network unreachable" },
	{ 1, "Host unreachable" }, { 2, "Protocol unreachable" }, { 3, "Port unreachable" },
	{ 4, "Fragmentation needed" }, { 5, "Source route failed" },
	{ 6, "Destination network unknown" }, { 7, "Destination host unknown" },
	{ 8, "Source host isolated" }, { 9, "Network administratively prohibited" },
	{ 10, "Host administratively prohibited" }, { 11, "Network unreachable for TOS" },
	{ 12, "Host unreachable for TOS" }, { 13, "Communication administratively filtered" },
	{ 14, "Host precedence violation" }, { 15, "Precedence cutoff in effect" }, { 0, NULL } };
static const struct l4_value exceeded[] = { { 0, "Time to live exceeded in transit" },
	{ 1, "Fragment reassembly time exceeded" }, { 0, NULL } };
static const struct l4_value redirects[] = { { 0, "Redirect for network" },
	{ 1, "Redirect for host" }, { 2, "Redirect for TOS and network" },
	{ 3, "Redirect for TOS and host" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[ICMP] = ROW0("icmp", "Internet Control Message Protocol", 64),
	[TYPE] = ROW("icmp.type", "Type", U8, DEC, AT(0, 8), .values = types, .def = 8),
	[CODE] = ROW("icmp.code", "Code", U8, DEC, AT(8, 8)),
	[CHECKSUM] = ROW("icmp.checksum", "Checksum", U16, HEX, AT(16, 16),
	    .derive = L4_DERIVE_CHECKSUM_ALL, .alias = "chksum"),
	[CHECKSUM_STATUS] = ROW(
	    "icmp.checksum.status", "Checksum Status", U8, DEC, GEN, .values = l4_checksum_status),
	[UNUSED] = ROW("icmp.unused", "Unused", BYTES, NONE, WALK),
	[LENGTH] = ROW("icmp.length", "Length", U8, DEC, WALK),
	[ORIG_LENGTH] =
	    ROW("icmp.length.original_datagram", "Length of original datagram", U8, DEC, GEN),
	/* of a solicitation, for who writes one; Wireshark does not show it */
	[RESERVED] = ROW("icmp.reserved", "Reserved", BYTES, NONE, WALK),
	[IDENT] = ROW("icmp.ident", "Identifier (BE)", U16, DEC_HEX, AT(32, 16), .alias = "id"),
	[IDENT_LE] = ROW("icmp.ident_le", "Identifier (LE)", U16, DEC_HEX, WALK),
	[SEQ] = ROW("icmp.seq", "Sequence Number (BE)", U16, DEC_HEX, AT(48, 16)),
	[SEQ_LE] = ROW("icmp.seq_le", "Sequence Number (LE)", U16, DEC_HEX, WALK),
	[MTU] = ROW("icmp.mtu", "MTU of next hop", U16, DEC, WALK),
	[POINTER] = ROW("icmp.pointer", "Pointer", U32, DEC, WALK),
	[REDIR_GW] = ROW("icmp.redir_gw", "Gateway Address", IP4, NONE, WALK),
	[NUM_ADDRS] = ROW("icmp.num_addrs", "Number of addresses", U8, DEC, WALK),
	[ENTRY_SIZE] = ROW("icmp.addr_entry_size", "Address entry size", U8, DEC, WALK),
	[LIFETIME] = ROW("icmp.lifetime", "Lifetime", U16, DEC, WALK, .unit = "s"),
	[ROUTER] = ROW("icmp.router_address", "Router address", IP4, NONE, WALK),
	[PREF] = ROW("icmp.pref_level", "Preference level", I32, DEC, WALK),
	[ORIGINATE] = ROW("icmp.originate_timestamp", "Originate Timestamp", U32, DEC, WALK),
	[RECEIVE] = ROW("icmp.receive_timestamp", "Receive Timestamp", U32, DEC, WALK),
	[TRANSMIT] = ROW("icmp.transmit_timestamp", "Transmit Timestamp", U32, DEC, WALK),
	[MASK] = ROW("icmp.address_mask", "Address Mask", IP4, NONE, WALK),
	[RESP_TO] = ROW("icmp.resp_to", "Response to", FRAME, NONE, GEN),
	[RESP_TIME] = ROW("icmp.resptime", "Response Time", DOUBLE, NONE, GEN, .unit = "ms"),
	[CHECKSUM_BAD] = EVENT("icmp.checksum_bad", "Bad checksum", WARN),
};

static const char *code_name(uint8_t type, uint8_t code)
{
	switch (type) {
	case 3:
		return l4_value_name(unreachable, code);
	case 5:
		return l4_value_name(redirects, code);
	case 11:
		return l4_value_name(exceeded, code);
	default:
		return NULL;
	}
}

void l4_icmp_quote(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v)
{
	if (!v.len)
		return;
	/* Save what the quotation must not change. */
	struct l4_net ns = d->net_src, nd = d->net_dst;
	uint16_t sp = d->sport, dp = d->dport;
	uint32_t nl = d->net_len;
	uint8_t ipp = d->ip_proto;
	bool quoted = d->quoted, locked = d->cols_locked, fragment = d->fragment;
	enum dis_stop stop = d->stop;
	d->quoted = d->cols_locked = true;
	dis_call(d, id, v);
	d->quoted = quoted;
	d->cols_locked = locked;
	d->fragment = fragment;
	d->stop = stop;
	d->net_src = ns;
	d->net_dst = nd;
	d->sport = sp;
	d->dport = dp;
	d->net_len = nl;
	d->ip_proto = ipp;
}

static void checksum(struct l4_dissect *d, struct l4_view v)
{
	if (!d->w_any)
		return;
	unsigned status = 2;
	if (v.cap == v.len && !d->fragment && !d->quoted)
		status = l4_link_csum(v.p, v.len) == 0;
	dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
	if (status == 0)
		dis_expert(d, CHECKSUM_BAD);
}

static void echo(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	dis_u(d, IDENT, h + 4, 2, l4_get_u16(h + 4));
	dis_u(d, IDENT_LE, h + 4, 2, (uint64_t)(h[4] | h[5] << 8));
	dis_u(d, SEQ, h + 6, 2, l4_get_u16(h + 6));
	dis_u(d, SEQ_LE, h + 6, 2, (uint64_t)(h[6] | h[7] << 8));
	if (cols(d)) {
		col_str(d, " id=0x");
		col_hex(d, l4_get_u16(h + 4), 4);
		col_str(d, ", seq=");
		col_dec(d, l4_get_u16(h + 6));
		col_str(d, "/");
		col_dec(d, (uint64_t)(h[6] | h[7] << 8));
		if (d->ip_proto == 1 && d->net_src.kind == L4_AK_IP4 && d->net_src.p) {
			col_str(d, ", ttl=");
			col_dec(d, d->hop_limit);
		}
	}
	l4_echo_put(d, v, h[0] == 0, RESP_TO, RESP_TIME);
	dis_data(d, view_skip(v, 8));
}

static void error_message(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	uint8_t type = h[0];
	uint32_t quote = v.len > 8 ? v.len - 8 : 0;
	if (type == 5) {
		dis_p(d, REDIR_GW, h + 4, 4);
	} else if (type == 12) {
		dis_u(d, POINTER, h + 4, 1, h[4]);
		dis_p(d, UNUSED, h + 5, 3);
	} else if (type != 4) {
		bool mtu = type == 3 && h[1] == 4;
		/* RFC 4884: the length of the quotation, in words, where extensions follow. */
		if (h[5] && (type == 3 || type == 11)) {
			dis_p(d, UNUSED, h + 4, 1);
			dis_u(d, LENGTH, h + 5, 1, h[5]);
			dis_u(d, ORIG_LENGTH, NULL, 0, h[5] * 4u);
			if (mtu)
				dis_u(d, MTU, h + 6, 2, l4_get_u16(h + 6));
			else
				dis_p(d, UNUSED, h + 6, 2);
		} else if (mtu) {
			dis_p(d, UNUSED, h + 4, 2);
			dis_u(d, MTU, h + 6, 2, l4_get_u16(h + 6));
		} else {
			dis_p(d, UNUSED, h + 4, 4);
		}
	}
	struct l4_view q = view_skip(v, 8);
	if (quote && h[5] && (type == 3 || type == 11) && h[5] * 4u < quote)
		q = view_cut(q, h[5] * 4u);
	l4_icmp_quote(d, PROTO_ip, q);
}

static void router(struct l4_dissect *d, struct l4_view v)
{
	const uint8_t *h = v.p;
	dis_u(d, NUM_ADDRS, h + 4, 1, h[4]);
	dis_u(d, ENTRY_SIZE, h + 5, 1, h[5]);
	dis_u(d, LIFETIME, h + 6, 2, l4_get_u16(h + 6));
	uint32_t at = 8;
	for (uint32_t k = 0; k < h[4] && at + 8 <= v.cap && h[5] == 2; k++, at += 8) {
		dis_p(d, ROUTER, h + at, 4);
		struct l4_item *i = dis_u(d, PREF, h + at + 4, 4, 0);
		if (i)
			i->v.i = (int32_t)l4_get_u32(h + at + 4);
	}
}

static bool known(uint8_t type)
{
	return type == 0 || (type >= 3 && type <= 5) || (type >= 8 && type <= 18) || type == 42 ||
	       type == 43;
}

static void dissect_icmp(struct l4_dissect *d, struct l4_view v)
{
	col_proto(d, "ICMP");
	if (v.cap >= 4 && v.cap < 8 && !known(v.p[0])) {
		dis_short(d, v, 8);
		return;
	}
	dis_layer(d, v, 8);
	if (!dis_has(d, v, 4))
		return;
	const uint8_t *h = v.p;
	uint8_t type = h[0];
	if (cols(d)) {
		const char *t = l4_value_name(types, type), *c = code_name(type, h[1]);
		col_clear(d);
		col_str(d, t ? t : "Unknown ICMP");
		if (c) {
			col_str(d, " (");
			col_str(d, c);
			col_str(d, ")");
		}
		if (type == 0)
			col_str(d, "   ");
		else if (type == 8)
			col_str(d, " ");
	}
	dis_fixed(d, v, TYPE, CHECKSUM);
	checksum(d, v);
	if (!known(type)) {
		dis_data(d, view_skip(v, 4));
		return;
	}
	if (!dis_has(d, v, 8)) {
		if (v.cap >= 6 && (type == 0 || type == 8)) {
			dis_u(d, IDENT, h + 4, 2, l4_get_u16(h + 4));
			dis_u(d, IDENT_LE, h + 4, 2, (uint64_t)(h[4] | h[5] << 8));
		}
		return;
	}
	switch (type) {
	case 0:
	case 8:
		echo(d, v);
		break;
	case 9:
		router(d, v);
		break;
	case 10:
		break;
	case 42: /* RFC 8335 */
	case 43:
		dis_u(d, IDENT, h + 4, 2, l4_get_u16(h + 4));
		dis_u(d, IDENT_LE, h + 4, 2, (uint64_t)(h[4] | h[5] << 8));
		break;
	case 13:
	case 14:
	case 15:
	case 16:
	case 17:
	case 18:
		dis_u(d, IDENT, h + 4, 2, l4_get_u16(h + 4));
		dis_u(d, IDENT_LE, h + 4, 2, (uint64_t)(h[4] | h[5] << 8));
		dis_u(d, SEQ, h + 6, 2, l4_get_u16(h + 6));
		dis_u(d, SEQ_LE, h + 6, 2, (uint64_t)(h[6] | h[7] << 8));
		if (cols(d))
			col_fmt(d, " id=0x%04x, seq=%u/%u", l4_get_u16(h + 4), l4_get_u16(h + 6),
			    (unsigned)(h[6] | h[7] << 8));
		if ((type == 13 || type == 14) && dis_has(d, v, 20)) {
			dis_u(d, ORIGINATE, h + 8, 4, l4_get_u32(h + 8));
			dis_u(d, RECEIVE, h + 12, 4, l4_get_u32(h + 12));
			dis_u(d, TRANSMIT, h + 16, 4, l4_get_u32(h + 16));
		} else if (type >= 17 && dis_has(d, v, 12)) {
			dis_p(d, MASK, h + 8, 4);
		}
		break;
	default:
		error_message(d, v);
		break;
	}
}

static const struct l4_binding bindings[] = { { "ip.proto", 1 }, { NULL, 0 } };

const struct l4_dissector l4_dis_icmp = {
	.proto =
	    PROTO_INIT("icmp", "Internet Control Message Protocol", "ICMP", fields, 64, bindings),
	.run = dissect_icmp,
};
