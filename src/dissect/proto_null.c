/* BSD loopback: an address family in the byte order of the machine that captured (NULL) or in
 * network order (LOOP). */
#include "dissect/link.h"

enum { NUL, FAMILY, TYPE };

static const struct l4_value families[] = { { 2, "IP" }, { 10, "IPv6" }, { 24, "IPv6" },
	{ 28, "IPv6" }, { 30, "IPv6" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[NUL] = ROW0("null", "Null/Loopback", 32),
	[FAMILY] = ROW("null.family", "Family", U32, DEC, WALK, .values = families),
	[TYPE] = ROW("null.type", "Type", U16, HEX, WALK, .values = l4_ethertype_names),
};

static void dissect_null(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 4);
	if (!dis_has(d, v, 4))
		return;
	col_proto(d, "Null/Loopback");
	/* Some writers put PPP frames here; they begin with address and control. */
	if (v.p[0] == 0xff && v.p[1] == 0x03 && d->by_linktype[L4_LINK_PPP] != PROTO_NONE) {
		dis_call(d, d->by_linktype[L4_LINK_PPP], v);
		return;
	}
	/* Families are small numbers: the byte order is the one in which they are. */
	uint32_t f = l4_get_u32(v.p);
	if (d->out.cap->linktype == L4_LINK_NULL && (f & 0xffff0000))
		f = __builtin_bswap32(f);
	if (f > 1500) {
		/* neither order is a family: some writers put an EtherType here */
		uint16_t type = l4_get_u16(v.p + 2);
		dis_u(d, TYPE, v.p + 2, 2, type);
		if (!dis_call_ethertype(d, type, view_skip(v, 4)))
			dis_data(d, view_skip(v, 4));
		return;
	}
	dis_u(d, FAMILY, v.p, 4, f);
	l4_link_family(d, f, view_skip(v, 4));
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_NULL },
	{ "linktype", L4_LINK_LOOP }, { NULL, 0 } };

const struct l4_dissector l4_dis_null = {
	.proto = PROTO_INIT("null", "Null/Loopback", "Null/Loopback", fields, 32, bindings),
	.run = dissect_null,
};
