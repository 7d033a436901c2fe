/* The frame: what the capture file says about a packet, and the list of protocols found in it.
 * Not a protocol; the outermost layer, by whose link type the first real one is chosen. */
#include "dissect/engine.h"

enum {
	FRAME,
	SECTION,
	INTERFACE_ID,
	INTERFACE_NAME,
	INTERFACE_DESCR,
	FLAGS,
	FLAGS_DIR,
	FLAGS_RX,
	FLAGS_FCS,
	ENCAP,
	TIME,
	OFFSET_SHIFT,
	EPOCH,
	DELTA,
	DELTA_DISPLAYED,
	RELATIVE,
	NUMBER,
	LEN,
	CAP_LEN,
	MARKED,
	IGNORED,
	PROTOCOLS,
	COMMENT,
	LEN_LT_CAPLEN,
};

static const struct l4_value directions[] = { { 0, "Unknown" }, { 1, "Inbound" }, { 2, "Outbound" },
	{ 0, NULL } };

static const struct l4_field fields[] = {
	[FRAME] = ROW0("frame", "Frame", 0),
	[SECTION] = ROW("frame.section_number", "Section number", U32, DEC, GEN),
	[INTERFACE_ID] = ROW("frame.interface_id", "Interface id", U32, DEC, GEN),
	[INTERFACE_NAME] =
	    ROW("frame.interface_name", "Interface name", STRING, NONE, .depth = 1, WALK),
	[INTERFACE_DESCR] = ROW(
	    "frame.interface_description", "Interface description", STRING, NONE, .depth = 1, WALK),
	[FLAGS] = ROW("frame.packet_flags", "Packet flags", U32, HEX, WALK),
	[FLAGS_DIR] = ROW("frame.packet_flags_direction", "Direction", U32, HEX, .depth = 1,
	    .values = directions),
	[FLAGS_RX] =
	    ROW("frame.packet_flags_reception_type", "Reception type", U32, DEC, .depth = 1),
	[FLAGS_FCS] = ROW("frame.packet_flags_fcs_length", "FCS length", U32, DEC, .depth = 1),
	[ENCAP] = ROW("frame.encap_type", "Encapsulation type (Wireshark's number)", I16, DEC, HID),
	[TIME] = ROW("frame.time", "Arrival Time", TIME, UTC, WALK),
	[OFFSET_SHIFT] = ROW("frame.offset_shift", "Time shift", SPAN, NONE, HID),
	[EPOCH] = ROW("frame.time_epoch", "Epoch Time", SPAN, NONE, WALK, .unit = "s"),
	[DELTA] =
	    ROW("frame.time_delta", "Time since previous packet", SPAN, NONE, GEN, .unit = "s"),
	[DELTA_DISPLAYED] = ROW("frame.time_delta_displayed", "Time since previous shown packet",
	    SPAN, NONE, HID, .unit = "s"),
	[RELATIVE] =
	    ROW("frame.time_relative", "Time since first packet", SPAN, NONE, GEN, .unit = "s"),
	[NUMBER] = ROW("frame.number", "Packet Number", U32, DEC, WALK),
	[LEN] = ROW("frame.len", "Length on the wire", U32, DEC, WALK, .unit = "bytes"),
	[CAP_LEN] = ROW("frame.cap_len", "Captured length", U32, DEC, WALK, .unit = "bytes"),
	[MARKED] = ROW("frame.marked", "Marked", BOOL, NONE, HID),
	[IGNORED] = ROW("frame.ignored", "Ignored", BOOL, NONE, HID),
	[PROTOCOLS] = ROW("frame.protocols", "Protocols in packet", STRING, NONE, GEN),
	[COMMENT] = ROW("frame.comment", "Comment", STRING, NONE, WALK),
	[LEN_LT_CAPLEN] =
	    EVENT("frame.len_lt_caplen", "Length on the wire is below the captured length", ERROR),
};

/* Wireshark numbers the link layers in an order of its own. */
static int16_t encapsulation(uint16_t linktype)
{
	static const struct {
		uint16_t linktype;
		int16_t encap;
	} rows[] = { { 0, 15 }, { 1, 1 }, { 3, 148 }, { 6, 2 }, { 7, 8 }, { 8, 3 }, { 9, 4 },
		{ 10, 6 }, { 12, 7 }, { 14, 7 }, { 50, 4 }, { 51, 139 }, { 99, 61 }, { 100, 10 },
		{ 101, 7 }, { 104, 28 }, { 105, 20 }, { 107, 26 }, { 108, 174 }, { 109, 38 },
		{ 113, 25 }, { 114, 30 }, { 117, 39 }, { 119, 21 }, { 122, 18 }, { 123, 13 },
		{ 127, 23 }, { 129, 9 }, { 143, 33 }, { 147, 45 }, { 148, 46 }, { 149, 47 },
		{ 150, 48 }, { 151, 49 }, { 152, 50 }, { 153, 51 }, { 154, 52 }, { 155, 53 },
		{ 156, 54 }, { 157, 55 }, { 158, 56 }, { 159, 57 }, { 160, 58 }, { 161, 59 },
		{ 162, 60 }, { 163, 24 }, { 165, 63 }, { 169, 66 }, { 178, 83 }, { 187, 41 },
		{ 189, 95 }, { 192, 97 }, { 195, 104 }, { 201, 99 }, { 203, 131 }, { 204, 19 },
		{ 220, 115 }, { 224, 121 }, { 226, 124 }, { 227, 125 }, { 228, 129 }, { 229, 130 },
		{ 230, 127 }, { 231, 146 }, { 235, 132 }, { 239, 141 }, { 240, 135 }, { 242, 180 },
		{ 243, 138 }, { 248, 149 }, { 249, 152 }, { 251, 154 }, { 253, 158 }, { 258, 171 },
		{ 259, 172 }, { 264, 177 }, { 266, 182 }, { 270, 183 }, { 271, 185 }, { 272, 186 },
		{ 273, 199 }, { 276, 210 } };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].linktype == linktype)
			return rows[i].encap;
	return 0;
}

static const char *interface_name(const struct l4_cap_packet *c)
{
	return c->interface && c->interface->name[0] ? c->interface->name : "unknown";
}

static void origin(struct l4_dissect *d, const struct l4_cap_packet *c)
{
	if (c->pcapng)
		dis_u(d, SECTION, NULL, 0, c->section);
	if (c->pcapng) {
		dis_u(d, INTERFACE_ID, NULL, 0, c->interface_id);
		const char *name = interface_name(c);
		dis_s(d, INTERFACE_NAME, NULL, 0, name, (uint32_t)strlen(name));
		if (c->interface && c->interface->description[0])
			dis_s(d, INTERFACE_DESCR, NULL, 0, c->interface->description,
			    (uint32_t)strlen(c->interface->description));
	}
	if (c->has_flags) {
		dis_u(d, FLAGS, NULL, 0, c->flags);
		dis_u(d, FLAGS_DIR, NULL, 0, c->flags & 3);
		dis_u(d, FLAGS_RX, NULL, 0, c->flags >> 2 & 7);
		dis_u(d, FLAGS_FCS, NULL, 0, c->flags >> 5 & 15);
	}
	struct l4_item *i = dis_u(d, ENCAP, NULL, 0, 0);
	if (i)
		i->v.i = encapsulation(c->linktype);
}

static void times(struct l4_dissect *d, const struct l4_cap_packet *c)
{
	struct l4_item *i;
	dis_u(d, TIME, NULL, 0, c->ts);
	dis_u(d, OFFSET_SHIFT, NULL, 0, 0);
	dis_u(d, EPOCH, NULL, 0, c->ts);
	if ((i = dis_u(d, DELTA, NULL, 0, 0)))
		i->v.i = (int64_t)(c->ts - d->prev_ts);
	if ((i = dis_u(d, DELTA_DISPLAYED, NULL, 0, 0)))
		i->v.i = (int64_t)(c->ts - d->prev_ts);
	if ((i = dis_u(d, RELATIVE, NULL, 0, 0)))
		i->v.i = (int64_t)(c->ts - d->first_ts);
}

/* "eth:ethertype:ip:tcp": known only after the rest was dissected, so the item is filled then. */
static void list_protocols(struct l4_dissect *d, uint32_t item)
{
	char *s = dis_alloc(d, 1024), *o = s;
	if (!s)
		return;
	for (uint32_t k = 1; k < d->out.n_layers; k++) {
		const char *name = d->layers[k].proto->name;
		size_t n = strlen(name);
		if ((size_t)(o - s) + n + 1 >= 1024)
			break;
		if (o > s)
			*o++ = ':';
		memcpy(o, name, n);
		o += n;
	}
	d->items[item].v.p = (const uint8_t *)s;
	d->items[item].n = (uint32_t)(o - s);
}

/* "64 bytes on wire (512 bits)" */
static char *size_text(char *o, uint32_t bytes, const char *where)
{
	o = fmt_str(fmt_dec(o, bytes), bytes == 1 ? " byte" : " bytes");
	o = fmt_dec(fmt_str(fmt_str(o, where), " ("), bytes * (uint64_t)8);
	return fmt_str(o, " bits)");
}

static void dissect_frame(struct l4_dissect *d, struct l4_view v)
{
	const struct l4_cap_packet *c = d->out.cap;
	if (!d->have_first) {
		d->have_first = true;
		d->first_ts = d->prev_ts = c->ts;
	}
	dis_layer(d, v, 0);
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_dec(fmt_str(o, "Frame "), c->number);
		o = size_text(fmt_str(o, ": "), c->len, " on wire");
		o = size_text(fmt_str(o, ", "), c->caplen, " captured");
		if (c->pcapng) {
			o = fmt_str(fmt_str(o, " on interface "), interface_name(c));
			o = fmt_dec(fmt_str(o, ", id "), c->interface_id);
			if (c->has_flags && (c->flags & 3) % 3)
				o = fmt_str(o, (c->flags & 3) == 1 ? " (inbound)" : " (outbound)");
		}
		*o = 0;
	}
	uint32_t protocols = UINT32_MAX;
	if (d->w_any) {
		origin(d, c);
		if (c->has_ts)
			times(d, c);
		dis_u(d, NUMBER, NULL, 0, c->number);
		dis_u(d, LEN, NULL, 0, c->len);
		dis_u(d, CAP_LEN, NULL, 0, c->caplen);
		dis_u(d, MARKED, NULL, 0, 0);
		dis_u(d, IGNORED, NULL, 0, 0);
		if (c->comment)
			dis_s(d, COMMENT, NULL, 0, c->comment,
			    (uint32_t)strnlen(c->comment, c->comment_len));
		if (c->len < c->caplen)
			dis_expert(d, LEN_LT_CAPLEN);
		if (dis_u(d, PROTOCOLS, NULL, 0, 0))
			protocols = d->out.n_items - 1;
	}
	uint8_t id = c->linktype < sizeof d->by_linktype ? d->by_linktype[c->linktype] : PROTO_NONE;
	if (id != PROTO_NONE)
		dis_call(d, id, v);
	else
		dis_data(d, v);
	if (protocols != UINT32_MAX)
		list_protocols(d, protocols);
}

const struct l4_dissector l4_dis_frame = {
	.proto = PROTO_INIT("frame", "Frame", "", fields, 0, NULL),
	.run = dissect_frame,
};
