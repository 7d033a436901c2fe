/* UDP (RFC 768): header, stream number, and the way to the protocol by port. */
#include "dissect/conv.h"
#include "dissect/link.h"

enum {
	UDP,
	SRCPORT,
	DSTPORT,
	PORT1,
	PORT2,
	LENGTH,
	CHECKSUM,
	CHECKSUM_STATUS,
	CHECKSUM_CALC,
	STREAM,
	TIME_RELATIVE,
	TIME_DELTA,
	PAYLOAD,
	LENGTH_BAD,
	CHECKSUM_ZERO,
	CHECKSUM_BAD,
	CHECKSUM_PARTIAL,
};

static const struct l4_field fields[] = {
	[UDP] = ROW0("udp", "User Datagram Protocol", 64),
	[SRCPORT] = ROW("udp.srcport", "Source Port", U16, DEC, AT(0, 16),
	    .derive = L4_DERIVE_SPORT, .def = 53, .alias = "sport"),
	[DSTPORT] = ROW("udp.dstport", "Destination Port", U16, DEC, AT(16, 16),
	    .derive = L4_DERIVE_PORT, .def = 53, .alias = "dport"),
	[PORT1] = ROW("udp.port", "Source or Destination Port", U16, DEC, AT(0, 16), HID),
	[PORT2] = ROW("udp.port", "Source or Destination Port", U16, DEC, AT(16, 16), HID),
	[LENGTH] = ROW("udp.length", "Length", U16, DEC, AT(32, 16), .derive = L4_DERIVE_LENGTH,
	    .alias = "len"),
	[CHECKSUM] = ROW("udp.checksum", "Checksum", U16, HEX, AT(48, 16),
	    .derive = L4_DERIVE_CHECKSUM_PSEUDO, .alias = "chksum"),
	[CHECKSUM_STATUS] = ROW(
	    "udp.checksum.status", "Checksum Status", U8, DEC, GEN, .values = l4_checksum_status),
	[CHECKSUM_CALC] = ROW("udp.checksum_calculated", "Calculated Checksum", U16, HEX, GEN),
	[STREAM] = ROW("udp.stream", "Stream index", U32, DEC, GEN),
	[TIME_RELATIVE] = ROW("udp.time_relative", "Time since first packet of the stream", SPAN,
	    NONE, GEN, .unit = "s"),
	[TIME_DELTA] = ROW("udp.time_delta", "Time since previous packet of the stream", SPAN, NONE,
	    GEN, .unit = "s"),
	[PAYLOAD] = ROW("udp.payload", "UDP payload", BYTES, NONE, WALK),
	[LENGTH_BAD] = EVENT("udp.length.bad", "Bad length value", ERROR),
	[CHECKSUM_ZERO] =
	    EVENT("udp.checksum.zero", "Checksum is zero, which IPv6 does not allow", ERROR),
	[CHECKSUM_BAD] = EVENT("udp.checksum.bad", "Bad checksum", ERROR),
	[CHECKSUM_PARTIAL] = EVENT("udp.checksum.partial",
	    "Partial checksum, of the pseudo-header: left to the sender's card (offload)", NOTE),
};

/* Whose port leads: the lower one, since it is the service's more often (as Wireshark does). */
static uint8_t by_port(const struct l4_dissect *d, const uint8_t *table)
{
	uint16_t lo = d->sport < d->dport ? d->sport : d->dport;
	uint16_t hi = d->sport < d->dport ? d->dport : d->sport;
	return table[lo] != PROTO_NONE ? table[lo] : table[hi];
}

/* The datagram's stream; *prev: when its last one came before. */
static struct l4_conv *stream(struct l4_dissect *d, uint32_t bytes, l4_time *prev)
{
	bool lo;
	struct l4_conv *c = l4_conv_find(d, 17, &lo);
	if (!c) {
		c = l4_conv_add(d, 17, &lo);
		if (!c)
			return NULL;
		c->id = d->udp_streams++;
		c->syn_ts = c->first_ts;
	}
	/* Empty datagrams do not count for the times, as Wireshark has it. */
	*prev = c->syn_ts;
	dis_u(d, STREAM, NULL, 0, c->id);
	if (!d->quoted) {
		struct l4_conv_sent *sent = &c->sent[!lo];
		sent->packets++;
		sent->bytes += d->out.cap->len;
		sent->payload += bytes;
		d->out.stream = c->id;
		d->out.stream_proto = 17;
		c->last_ts = d->out.cap->ts;
		if (bytes)
			c->syn_ts = d->out.cap->ts;
	}
	return c;
}

static void put_times(struct l4_dissect *d, const struct l4_conv *c, l4_time prev)
{
	struct l4_item *i = dis_u(d, TIME_RELATIVE, NULL, 0, 0);
	if (i)
		i->v.i = (int64_t)(d->out.cap->ts - c->first_ts);
	if ((i = dis_u(d, TIME_DELTA, NULL, 0, 0)))
		i->v.i = (int64_t)(d->out.cap->ts - prev);
}

static unsigned checksum_status(
    struct l4_dissect *d, struct l4_view v, uint32_t len, uint16_t *should)
{
	if (!l4_get_u16(v.p + 6))
		return d->net_src.kind == L4_AK_IP6 ? CSUM_ILLEGAL : CSUM_ABSENT;
	if (!d->cfg.check_checksums || v.cap < len || d->fragment || d->quoted)
		return CSUM_UNVERIFIED;
	return l4_link_csum_verify(d, v.p, len, 6, 17, should);
}

static void payload(struct l4_dissect *d, struct l4_view next, struct l4_conv *c)
{
	if (!next.len)
		return;
	uint8_t id = c && c->app == PROTO_quic ? PROTO_quic : by_port(d, d->by_udp_port);
	if (id == PROTO_NONE) {
		if (l4_quic_looks(next.p, next.cap)) {
			id = PROTO_quic;
			if (c) /* its short headers are known by that */
				c->app = id;
		} else if (d->sport != 137 && d->dport != 137 && l4_dns_looks(next.p, next.cap)) {
			/* NetBIOS names (RFC 1002) look alike */
			id = PROTO_dns;
		}
	}
	if (id != PROTO_NONE)
		dis_call(d, id, next);
	else
		dis_data(d, next);
}

/* Ports, as far as the header is there. False: not even those. */
static bool ports(struct l4_dissect *d, struct l4_view v)
{
	if (v.cap < 4) {
		dis_mark(d, PROTO_udp, v);
		dis_short(d, v, 8);
		return false;
	}
	dis_layer(d, v, 8);
	col_proto(d, "UDP");
	col_clear(d);
	d->sport = l4_get_u16(v.p);
	d->dport = l4_get_u16(v.p + 2);
	if (cols(d)) {
		char *o = col_room(d, 192);
		if (o) {
			o = fmt_port(d, o, d->sport, 17, "");
			col_took(d, fmt_port(d, fmt_str(o, " → "), d->dport, 17, ""));
		}
	}
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_str(o, "User Datagram Protocol, Src Port: ");
		o = fmt_port(d, o, d->sport, 17, " ");
		*fmt_port(d, fmt_str(o, ", Dst Port: "), d->dport, 17, " ") = 0;
	}
	dis_fixed(d, v, SRCPORT, LENGTH);
	return true;
}

static void dissect_udp(struct l4_dissect *d, struct l4_view v)
{
	if (!ports(d, v))
		return;
	const uint8_t *h = v.p;
	if (v.cap < 8) {
		if (v.cap >= 6 && l4_get_u16(h + 4) > v.len && !d->fragment && !d->quoted)
			dis_expert(d, LENGTH_BAD);
		dis_short(d, v, 8);
		return;
	}
	uint32_t len = l4_get_u16(h + 4);
	bool jumbo = len == 0 && d->net_src.kind == L4_AK_IP6; /* RFC 2675 4 */
	if (jumbo)
		len = v.len;
	if (len < 8) {
		dis_expert(d, LENGTH_BAD);
		if (cols(d))
			col_fmt(d, " [BAD UDP LENGTH %u < 8]", len);
		return;
	}
	if (len > v.len && !d->fragment && !d->quoted) {
		dis_expert(d, LENGTH_BAD);
		if (cols(d))
			col_fmt(d, " [BAD UDP LENGTH %u > IP PAYLOAD LENGTH]", len);
	}
	if (cols(d)) {
		col_str(d, " Len=");
		col_dec(d, len - 8);
	}
	struct l4_view all = view_cut(v, len);
	struct l4_conv *c = NULL;
	l4_time prev = 0;
	/* DNS matches answers to questions by the stream; QUIC is known by it. */
	bool asked = d->any[PROTO_dns] || d->any[PROTO_mdns] || d->any[PROTO_llmnr] ||
		     d->any[PROTO_quic] || d->any[PROTO_data];
	if (d->w_any || d->columns || d->connections || asked) {
		dis_u(d, CHECKSUM, h + 6, 2, l4_get_u16(h + 6));
		uint16_t should = 0;
		unsigned status = checksum_status(d, all, len, &should);
		if (status == CSUM_BAD)
			dis_expert(d, CHECKSUM_BAD);
		if (status == CSUM_PARTIAL)
			dis_expert(d, CHECKSUM_PARTIAL);
		if (status == CSUM_ILLEGAL)
			dis_expert(d, CHECKSUM_ZERO);
		dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
		if (d->cfg.check_checksums && (status <= CSUM_GOOD || status == CSUM_PARTIAL))
			dis_u(d, CHECKSUM_CALC, NULL, 0, should);
		if (cols(d) && (status == CSUM_BAD || status == CSUM_PARTIAL))
			col_str(d, status == CSUM_BAD ? " [UDP CHECKSUM INCORRECT]"
						      : " [UDP CHECKSUM PARTIAL]");
		c = stream(d, len - 8, &prev);
	}
	struct l4_view next = view_skip(all, 8);
	if (next.cap)
		dis_p(d, PAYLOAD, next.p, next.cap);
	if (c && !d->quoted && len > 8)
		put_times(d, c, prev);
	if (next.len && !next.cap)
		dis_short(d, next, 1);
	else
		payload(d, next, c);
}

static const struct l4_binding bindings[] = { { "ip.proto", 17 }, { NULL, 0 } };

const struct l4_dissector l4_dis_udp = {
	.proto = PROTO_INIT("udp", "User Datagram Protocol", "UDP", fields, 64, bindings),
	.run = dissect_udp,
};
