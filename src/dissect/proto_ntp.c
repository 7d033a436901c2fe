/* NTP (RFC 5905): the header; control and private messages are shown as data. */
#include "dissect/link.h"

enum { NTP, FLAGS, LI, VN, MODE, STRATUM, POLL, PRECISION, ROOTDELAY, ROOTDISP, REFID };

static const struct l4_value modes[] = { { 0, "reserved" }, { 1, "symmetric active" },
	{ 2, "symmetric passive" }, { 3, "client" }, { 4, "server" }, { 5, "broadcast" },
	{ 6, "control" }, { 7, "private" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[NTP] = ROW0("ntp", "Network Time Protocol", 384),
	[FLAGS] = ROW("ntp.flags", "Flags", U8, HEX, AT(0, 8), .def = 0x23),
	[LI] = ROW("ntp.flags.li", "Leap Indicator", U8, DEC, AT(0, 2), .depth = 1),
	[VN] = ROW("ntp.flags.vn", "Version number", U8, DEC, AT(2, 3), .depth = 1),
	[MODE] = ROW("ntp.flags.mode", "Mode", U8, DEC, AT(5, 3), .depth = 1, .values = modes),
	[STRATUM] = ROW("ntp.stratum", "Peer Clock Stratum", U8, DEC, AT(8, 8)),
	[POLL] = ROW("ntp.ppoll", "Peer Polling Interval", U8, DEC, AT(16, 8)),
	[PRECISION] = ROW("ntp.precision", "Peer Clock Precision", U8, DEC, AT(24, 8)),
	[ROOTDELAY] = ROW("ntp.rootdelay", "Root Delay", U32, DEC, AT(32, 32)),
	[ROOTDISP] = ROW("ntp.rootdispersion", "Root Dispersion", U32, DEC, AT(64, 32)),
	[REFID] = ROW("ntp.refid", "Reference ID", BYTES, NONE, AT(96, 32)),
};

static void dissect_ntp(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 48);
	col_proto(d, "NTP");
	if (!dis_has(d, v, 1))
		return;
	unsigned mode = v.p[0] & 7;
	if (cols(d)) {
		const char *t = l4_value_name(modes, mode);
		col_clear(d);
		col_fmt(d, "NTP Version %u, %s", v.p[0] >> 3 & 7, t);
	}
	dis_head(d, "Network Time Protocol (NTP Version %u, %s)", v.p[0] >> 3 & 7,
	    l4_value_name(modes, mode));
	dis_fixed(d, v, FLAGS, FLAGS);
	if (mode != 7)
		dis_fixed(d, v, LI, LI);
	dis_fixed(d, v, VN, MODE);
	if (mode >= 6) {
		dis_data(d, view_skip(v, 1));
		return;
	}
	dis_fixed(d, v, STRATUM, REFID);
	dis_has(d, v, 48);
}

static const struct l4_binding bindings[] = { { "udp.port", 123 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ntp = {
	.proto = PROTO_INIT("ntp", "Network Time Protocol", "NTP", fields, 384, bindings),
	.run = dissect_ntp,
};
