/* QUIC's version-independent header (RFC 8999) and what else of the long headers of versions 1 and
 * 2 can be read without keys (RFC 9000 17.2, RFC 9369 3.2). A datagram may hold several packets.
 *
 * No port tells QUIC: a long header of a known version does, and what follows on its stream. */
#include "dissect/conv.h"
#include "dissect/link.h"

enum {
	QUIC,
	FORM,
	FIXED,
	TYPE,
	VERSION,
	DCIL,
	DCID,
	SCIL,
	SCID,
	TOKEN_LENGTH,
	TOKEN,
	LENGTH,
	RETRY_TOKEN,
	RETRY_TAG,
	SUPPORTED
};

static const struct l4_value types[] = { { 0, "Initial" }, { 1, "0-RTT" }, { 2, "Handshake" },
	{ 3, "Retry" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[QUIC] = ROW0("quic", "QUIC IETF", 8),
	[FORM] = ROW("quic.header_form", "Header Form", U8, DEC, AT(0, 1)),
	[FIXED] = ROW("quic.fixed_bit", "Fixed Bit", BOOL, NONE, AT(1, 1)),
	[TYPE] = ROW("quic.long.packet_type", "Packet Type", U8, DEC, WALK, .values = types),
	[VERSION] = ROW("quic.version", "Version", U32, HEX, WALK),
	[DCIL] = ROW("quic.dcil", "Destination Connection ID Length", U8, DEC, WALK),
	[DCID] = ROW("quic.dcid", "Destination Connection ID", BYTES, NONE, WALK),
	[SCIL] = ROW("quic.scil", "Source Connection ID Length", U8, DEC, WALK),
	[SCID] = ROW("quic.scid", "Source Connection ID", BYTES, NONE, WALK),
	[TOKEN_LENGTH] = ROW("quic.token_length", "Token Length", U64, DEC, WALK),
	[TOKEN] = ROW("quic.token", "Token", BYTES, NONE, WALK),
	[LENGTH] = ROW("quic.length", "Length", U64, DEC, WALK),
	[RETRY_TOKEN] = ROW("quic.retry_token", "Retry Token", BYTES, NONE, WALK),
	[RETRY_TAG] = ROW("quic.retry_integrity_tag", "Retry Integrity Tag", BYTES, NONE, WALK),
	[SUPPORTED] = ROW("quic.supported_version", "Supported Version", U32, HEX, WALK),
};

/* Versions whose long header is that of RFC 9000 or its drafts from -23 on, and those that are
 * reserved to be refused (RFC 9000 15). */
static bool version_known(uint32_t v)
{
	if (v == 1 || v == 0x6b3343cf || v == 0x709a50c4 || (v & 0x0f0f0f0f) == 0x0a0a0a0a)
		return true;
	if (v >> 8 == 0xff0000)
		return (v & 255) >= 11;
	return v >> 4 == 0x0faceb00 || v == 0x51303530 || v == 0x54303530 || v == 0x54303531;
}

bool l4_quic_looks(const uint8_t *p, uint32_t n)
{
	return n >= 13 && p[0] & 0x80 && version_known(l4_get_u32(p + 1)) && p[5] <= 20;
}

/* A number of RFC 9000 16 at `at`. False: not all there. */
static bool number(struct l4_view v, uint32_t *at, uint64_t *out)
{
	if (*at >= v.cap)
		return false;
	uint32_t n = 1u << (v.p[*at] >> 6);
	if (n > v.cap - *at)
		return false;
	*out = v.p[*at] & 63;
	for (uint32_t k = 1; k < n; k++)
		*out = *out << 8 | v.p[*at + k];
	*at += n;
	return true;
}

/* What follows the connection IDs (RFC 9000 17.2): token and length. Returns where the packet ends,
 * so that the next in the same datagram begins there; the end of v if it cannot be told. */
static uint32_t rest_of_long(struct l4_dissect *d, struct l4_view v, unsigned type, uint32_t at)
{
	uint64_t n = 0;
	uint32_t start = at;
	if (type == 3) {
		if (v.cap >= at + 16) {
			if (v.cap > at + 16)
				dis_p(d, RETRY_TOKEN, v.p + at, v.cap - at - 16);
			dis_p(d, RETRY_TAG, v.p + v.cap - 16, 16);
		}
		return v.len;
	}
	if (type == 0) {
		if (!number(v, &at, &n))
			return v.len;
		dis_u(d, TOKEN_LENGTH, v.p + start, at - start, n);
		if (n > v.cap - at)
			return v.len;
		if (n)
			dis_p(d, TOKEN, v.p + at, (uint32_t)n);
		at += (uint32_t)n;
		start = at;
	}
	if (!number(v, &at, &n))
		return v.len;
	dis_u(d, LENGTH, v.p + start, at - start, n);
	return n <= v.cap - at ? at + (uint32_t)n : v.len;
}

/* One packet; returns its length. */
static uint32_t packet(struct l4_dissect *d, struct l4_view v, bool first)
{
	uint32_t version = v.cap >= 5 ? l4_get_u32(v.p + 1) : 0;
	dis_layer(d, v, 1);
	col_proto(d, "QUIC");
	if (!dis_has(d, v, 1))
		return v.len;
	const uint8_t *h = v.p;
	dis_fixed(d, v, FORM, FIXED);
	if (first)
		col_clear(d);
	else
		col_str(d, ", ");
	if (!(h[0] & 0x80)) {
		col_str(d, "Protected Payload (KP0)");
		return v.len;
	}
	if (!dis_has(d, v, 6))
		return v.len;
	unsigned type = h[0] >> 4 & 3;
	if (version == 0x6b3343cf || version == 0x709a50c4)
		type = (type + 3) & 3; /* RFC 9369 3.2 */
	if (version)
		dis_u(d, TYPE, h, 1, h[0] >> 4 & 3);
	dis_u(d, VERSION, h + 1, 4, version);
	const char *t = l4_value_name(types, type);
	col_str(d, version ? t : "Version Negotiation");
	uint32_t n = h[5];
	dis_u(d, DCIL, h + 5, 1, n);
	if (!dis_has(d, v, 7 + n))
		return v.len;
	if (n)
		dis_p(d, DCID, h + 6, n);
	uint32_t m = h[6 + n];
	dis_u(d, SCIL, h + 6 + n, 1, m);
	if (!dis_has(d, v, 7 + n + m))
		return v.len;
	if (m)
		dis_p(d, SCID, h + 7 + n, m);
	uint32_t at = 7 + n + m;
	if (version)
		return rest_of_long(d, v, type, at);
	for (; at + 4 <= v.cap; at += 4)
		dis_u(d, SUPPORTED, h + at, 4, l4_get_u32(h + at));
	return v.len;
}

static void dissect_quic(struct l4_dissect *d, struct l4_view v)
{
	uint32_t version = v.cap >= 5 ? l4_get_u32(v.p + 1) : 0;
	for (bool first = true;; first = false) {
		uint32_t n = packet(d, v, first);
		if (d->stop != DIS_GO || n >= v.len)
			return;
		v = view_skip(v, n);
		/* What has another version is no packet of this connection. */
		if (v.cap < 5 || (v.p[0] & 0x80 && l4_get_u32(v.p + 1) != version)) {
			dis_mark(d, PROTO_quic, v);
			return;
		}
	}
}

const struct l4_dissector l4_dis_quic = {
	.proto = PROTO_INIT("quic", "QUIC IETF", "QUIC", fields, 8, NULL),
	.run = dissect_quic,
};
