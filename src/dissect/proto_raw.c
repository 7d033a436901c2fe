/* Packets without a link layer: IPv4 or IPv6 by the version. */
#include "dissect/link.h"

static const struct l4_field fields[] = { ROW0("raw", "Raw packet data", 0) };

static void dissect_raw(struct l4_dissect *d, struct l4_view v)
{
	if (d->out.cap->linktype == L4_LINK_RAW || d->nesting > 2)
		dis_layer(d, v, 0);
	l4_link_ip(d, v);
}

static const struct l4_binding bindings[] = { { "linktype", L4_LINK_RAW }, { "linktype", 12 },
	{ "linktype", 14 }, { NULL, 0 } };

const struct l4_dissector l4_dis_raw = {
	.proto = PROTO_INIT("raw", "Raw packet data", "Raw", fields, 0, bindings),
	.run = dissect_raw,
};
