/* MPLS label stacks (RFC 3032). What follows the last label is told by its first nibble: IPv4,
 * IPv6, a pseudowire control word, or Ethernet. */
#include "dissect/link.h"

enum { MPLS, LABEL, EXP_BITS, BOTTOM, TTL };

static const struct l4_field fields[] = {
	[MPLS] = ROW0("mpls", "MultiProtocol Label Switching Header", 32),
	[LABEL] = ROW("mpls.label", "MPLS Label", U32, DEC_HEX, AT(0, 20)),
	[EXP_BITS] = ROW("mpls.exp", "MPLS Experimental Bits", U32, DEC, AT(20, 3)),
	[BOTTOM] = ROW("mpls.bottom", "MPLS Bottom Of Label Stack", U32, DEC, AT(23, 1), .def = 1),
	[TTL] = ROW("mpls.ttl", "MPLS TTL", U32, DEC, AT(24, 8), .def = 64),
};

static void carried(struct l4_dissect *d, struct l4_view v)
{
	if (v.p[0] >> 4 == 4)
		dis_call(d, PROTO_ip, v);
	else if (v.p[0] >> 4 == 6)
		dis_call(d, PROTO_ipv6, v);
	else if (v.p[0] >> 4 == 0 && v.cap >= 18)
		dis_call(d, PROTO_eth, view_skip(v, 4));
	else
		dis_data(d, v);
}

static void title(struct l4_dissect *d, const uint8_t *h)
{
	static const struct l4_value names[] = { { 0, " (IPv4 Explicit-Null)" },
		{ 1, " (Router Alert)" }, { 2, " (IPv6 Explicit-Null)" }, { 3, " (Implicit-Null)" },
		{ 7, " (Entropy Label Indicator (ELI))" },
		{ 13, " (Generic Associated Channel Label (GAL))" }, { 14, " (OAM Alert)" },
		{ 0, NULL } };
	uint32_t label = l4_get_u32(h) >> 12;
	const char *name = l4_value_name(names, label);
	dis_head(d, "MultiProtocol Label Switching Header, Label: %u%s, Exp: %u, S: %u, TTL: %u",
	    label,
	    name         ? name
	    : label < 16 ? " (Reserved - Unknown)"
			 : "",
	    h[2] >> 1 & 7, h[2] & 1, h[3]);
}

static void dissect_mpls(struct l4_dissect *d, struct l4_view v)
{
	col_proto(d, "MPLS");
	col_clear(d);
	col_str(d, "MPLS Label Switched Packet");
	const uint8_t *stack = v.p;
	for (bool bottom = false; !bottom;) {
		dis_layer(d, v, 4);
		if (!dis_has(d, v, 4))
			return;
		title(d, v.p);
		dis_fixed(d, v, LABEL, TTL);
		bottom = v.p[2] & 1;
		v = view_skip(v, 4);
		if (!bottom)
			d->out.n_layers -= d->all ? 0 : 1; /* one entry in the list of protocols */
	}
	if (!v.cap) {
		dis_has(d, v, 1);
		return;
	}
	/* What the packet behind the labels says of its length holds for the link as well. */
	bool outer = d->net_at == stack;
	uint32_t labels = (uint32_t)(v.p - stack);
	if (outer) {
		d->net_at = v.p;
		d->net_len = v.len;
	}
	carried(d, v);
	if (outer) {
		d->net_at = stack;
		d->net_len += labels;
	}
}

static const struct l4_binding bindings[] = { { "ethertype", 0x8847 }, { "ethertype", 0x8848 },
	{ "ip.proto", 137 }, { "ppp", 0x0281 }, { "ppp", 0x0283 }, { "udp.port", 6635 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_mpls = {
	.proto = PROTO_INIT(
	    "mpls", "MultiProtocol Label Switching Header", "MPLS", fields, 32, bindings),
	.run = dissect_mpls,
};
