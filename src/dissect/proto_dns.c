/* DNS (RFC 1035, 3596, 2782, 6891), over UDP and TCP, and its relatives on other ports: mDNS (RFC
 * 6762) and LLMNR (RFC 4795), which have the same format.
 *
 * Names are followed through compression pointers; a name may take NAME_JUMPS of them and become
 * NAME_MAX bytes, so that pointers that loop end. Answers are matched to the question of the same
 * conversation and number by a table of PENDING entries that overwrites the oldest. */
#include "dissect/conv.h"
#include "dissect/stream.h"

#include <stdlib.h>

enum {
	DNS,
	LENGTH,
	ID,
	FLAGS,
	F_RESPONSE,
	F_OPCODE,
	F_AA,
	F_CONFLICT,
	F_TENTATIVE,
	F_TC,
	F_RD,
	F_RA,
	F_Z,
	F_AD,
	F_CD,
	F_RCODE,
	ZONES,
	PREREQUISITES,
	UPDATES,
	QUERIES,
	ANSWERS,
	AUTH,
	ADDITIONAL,
	QRY_NAME,
	QRY_NAME_LEN,
	LABELS,
	QRY_TYPE,
	QRY_CLASS,
	QRY_QU,
	RESP_NAME,
	RESP_TYPE,
	RESP_CLASS,
	RESP_FLUSH,
	UDP_SIZE,
	EXT_RCODE,
	EDNS_VERSION,
	Z,
	Z_DO,
	Z_RES,
	RESP_TTL,
	RESP_LEN,
	A,
	AAAA,
	NS,
	CNAME,
	PTR,
	MX_PREF,
	MX,
	TXT_LEN,
	TXT,
	SOA_MNAME,
	SOA_RNAME,
	SOA_SERIAL,
	SOA_REFRESH,
	SOA_RETRY,
	SOA_EXPIRE,
	SOA_MINIMUM,
	SRV_SERVICE,
	SRV_PROTO,
	SRV_NAME,
	SRV_PRIO,
	SRV_WEIGHT,
	SRV_PORT,
	SRV_TARGET,
	OPT,
	OPT_CODE,
	OPT_LEN,
	OPT_DATA,
	RESPONSE_TO,
	RETRANSMISSION,
	RETRANS_REQ,
	RETRANS_RESP,
	TIME,
};

static const struct l4_value types[] = { { 1, "A" }, { 2, "NS" }, { 3, "MD" }, { 4, "MF" },
	{ 5, "CNAME" }, { 6, "SOA" }, { 7, "MB" }, { 8, "MG" }, { 9, "MR" }, { 10, "NULL" },
	{ 11, "WKS" }, { 12, "PTR" }, { 13, "HINFO" }, { 14, "MINFO" }, { 15, "MX" }, { 16, "TXT" },
	{ 17, "RP" }, { 18, "AFSDB" }, { 24, "SIG" }, { 25, "KEY" }, { 28, "AAAA" }, { 29, "LOC" },
	{ 30, "NXT" }, { 33, "SRV" }, { 35, "NAPTR" }, { 36, "KX" }, { 37, "CERT" },
	{ 39, "DNAME" }, { 41, "OPT" }, { 42, "APL" }, { 43, "DS" }, { 44, "SSHFP" },
	{ 45, "IPSECKEY" }, { 46, "RRSIG" }, { 47, "NSEC" }, { 48, "DNSKEY" }, { 49, "DHCID" },
	{ 50, "NSEC3" }, { 51, "NSEC3PARAM" }, { 52, "TLSA" }, { 53, "SMIMEA" }, { 55, "HIP" },
	{ 59, "CDS" }, { 60, "CDNSKEY" }, { 61, "OPENPGPKEY" }, { 62, "CSYNC" }, { 63, "ZONEMD" },
	{ 64, "SVCB" }, { 65, "HTTPS" }, { 99, "SPF" }, { 249, "TKEY" }, { 250, "TSIG" },
	{ 251, "IXFR" }, { 252, "AXFR" }, { 253, "MAILB" }, { 254, "MAILA" }, { 255, "ANY" },
	{ 256, "URI" }, { 257, "CAA" }, { 32769, "DLV" }, { 0, NULL } };
static const struct l4_value classes[] = { { 1, "IN" }, { 3, "CH" }, { 4, "HS" }, { 254, "NONE" },
	{ 255, "ANY" }, { 0, NULL } };
static const struct l4_value opcodes[] = { { 0, "Standard query" }, { 1, "Inverse query" },
	{ 2, "Server status request" }, { 4, "Zone change notification" }, { 5, "Dynamic update" },
	{ 0, NULL } };
static const struct l4_value rcodes[] = { { 0, "No error" }, { 1, "Format error" },
	{ 2, "Server failure" }, { 3, "No such name" }, { 4, "Not implemented" }, { 5, "Refused" },
	{ 6, "Name exists" }, { 7, "RRset exists" }, { 8, "RRset does not exist" },
	{ 9, "Not authoritative" }, { 10, "Name out of zone" }, { 0, NULL } };

#define ROWS(n, t, size_base)                                                                      \
	{                                                                                          \
		[DNS] = ROW0(n, t, 96), [LENGTH] = ROW("dns.length", "Length", U16, DEC, WALK),    \
		[ID] = ROW("dns.id", "Transaction ID", U16, HEX, AT(0, 16)),                       \
		[FLAGS] = ROW("dns.flags", "Flags", U16, HEX, AT(16, 16), .def = 0x0100),          \
		[F_RESPONSE] = ROW("dns.flags.response", "Response", BOOL, NONE, AT(16, 1),        \
		    .depth = 1, .alias = "qr"),                                                    \
		[F_OPCODE] = ROW("dns.flags.opcode", "Opcode", U16, DEC, AT(17, 4), .depth = 1,    \
		    .values = opcodes),                                                            \
		[F_AA] = ROW("dns.flags.authoritative", "Authoritative", BOOL, NONE, WALK,         \
		    .bit = 21, .depth = 1, .alias = "aa"),                                         \
		[F_CONFLICT] = ROW("dns.flags.conflict", "Conflict", BOOL, NONE, .depth = 1),      \
		[F_TENTATIVE] = ROW("dns.flags.tentative", "Tentative", BOOL, NONE, .depth = 1),   \
		[F_TC] = ROW("dns.flags.truncated", "Truncated", BOOL, NONE, AT(22, 1),            \
		    .depth = 1, .alias = "tc"),                                                    \
		[F_RD] = ROW("dns.flags.recdesired", "Recursion desired", BOOL, NONE, AT(23, 1),   \
		    .depth = 1, .alias = "rd"),                                                    \
		[F_RA] = ROW("dns.flags.recavail", "Recursion available", BOOL, NONE, WALK,        \
		    .depth = 1, .alias = "ra"),                                                    \
		[F_Z] = ROW("dns.flags.z", "Z", BOOL, NONE, AT(25, 1), .depth = 1),                \
		[F_AD] = ROW("dns.flags.authenticated", "Answer authenticated", BOOL, NONE, WALK,  \
		    .depth = 1, .alias = "ad"),                                                    \
		[F_CD] = ROW("dns.flags.checkdisable", "Non-authenticated data", BOOL, NONE,       \
		    AT(27, 1), .depth = 1, .alias = "cd"),                                         \
		[F_RCODE] = ROW("dns.flags.rcode", "Reply code", U16, DEC, WALK, .depth = 1,       \
		    .values = rcodes),                                                             \
		[ZONES] = ROW("dns.count.zones", "Zones", U16, DEC, WALK),                         \
		[PREREQUISITES] = ROW("dns.count.prerequisites", "Prerequisites", U16, DEC, WALK), \
		[UPDATES] = ROW("dns.count.updates", "Updates", U16, DEC, WALK),                   \
		[QUERIES] = ROW("dns.count.queries", "Questions", U16, DEC, AT(32, 16),            \
		    .derive = L4_DERIVE_COUNT, .alias = "qdcount"),                                \
		[ANSWERS] = ROW("dns.count.answers", "Answer RRs", U16, DEC, AT(48, 16),           \
		    .derive = L4_DERIVE_COUNT, .alias = "ancount"),                                \
		[AUTH] = ROW("dns.count.auth_rr", "Authority RRs", U16, DEC, AT(64, 16),           \
		    .derive = L4_DERIVE_COUNT, .alias = "nscount"),                                \
		[ADDITIONAL] = ROW("dns.count.add_rr", "Additional RRs", U16, DEC, AT(80, 16),     \
		    .derive = L4_DERIVE_COUNT, .alias = "arcount"),                                \
		[QRY_NAME] = ROW("dns.qry.name", "Name", STRING, NONE, .depth = 1),                \
		[QRY_NAME_LEN] =                                                                   \
		    ROW("dns.qry.name.len", "Name Length", U16, DEC, .depth = 1, GEN),             \
		[LABELS] = ROW("dns.count.labels", "Label Count", U16, DEC, .depth = 1, GEN),      \
		[QRY_TYPE] = ROW("dns.qry.type", "Type", U16, DEC, .depth = 1, .values = types),   \
		[QRY_CLASS] =                                                                      \
		    ROW("dns.qry.class", "Class", U16, HEX, .depth = 1, .values = classes),        \
		[QRY_QU] = ROW("dns.qry.qu", "\"QU\" question", BOOL, NONE, .depth = 1),           \
		[RESP_NAME] = ROW("dns.resp.name", "Name", STRING, NONE, .depth = 1),              \
		[RESP_TYPE] = ROW("dns.resp.type", "Type", U16, DEC, .depth = 1, .values = types), \
		[RESP_CLASS] =                                                                     \
		    ROW("dns.resp.class", "Class", U16, HEX, .depth = 1, .values = classes),       \
		[RESP_FLUSH] = ROW("dns.resp.cache_flush", "Cache flush", BOOL, NONE, .depth = 1), \
		[UDP_SIZE] = ROW(                                                                  \
		    "dns.rr.udp_payload_size", "UDP payload size", U16, size_base, .depth = 1),    \
		[EXT_RCODE] = ROW(                                                                 \
		    "dns.resp.ext_rcode", "Higher bits in extended RCODE", U8, HEX, .depth = 1),   \
		[EDNS_VERSION] =                                                                   \
		    ROW("dns.resp.edns0_version", "EDNS0 version", U8, DEC, .depth = 1),           \
		[Z] = ROW("dns.resp.z", "Z", U16, HEX, .depth = 1),                                \
		[Z_DO] = ROW("dns.resp.z.do", "DO bit", BOOL, NONE, .depth = 2),                   \
		[Z_RES] = ROW("dns.resp.z.reserved", "Reserved", U16, HEX, .depth = 2),            \
		[RESP_TTL] =                                                                       \
		    ROW("dns.resp.ttl", "Time to live", U32, DEC, .depth = 1, .unit = "s"),        \
		[RESP_LEN] = ROW("dns.resp.len", "Data length", U16, DEC, .depth = 1),             \
		[A] = ROW("dns.a", "Address", IP4, NONE, .depth = 1),                              \
		[AAAA] = ROW("dns.aaaa", "AAAA Address", IP6, NONE, .depth = 1),                   \
		[NS] = ROW("dns.ns", "Name Server", STRING, NONE, .depth = 1),                     \
		[CNAME] = ROW("dns.cname", "CNAME", STRING, NONE, .depth = 1),                     \
		[PTR] = ROW("dns.ptr.domain_name", "Domain Name", STRING, NONE, .depth = 1),       \
		[MX_PREF] = ROW("dns.mx.preference", "Preference", U16, DEC, .depth = 1),          \
		[MX] = ROW("dns.mx.mail_exchange", "Mail Exchange", STRING, NONE, .depth = 1),     \
		[TXT_LEN] = ROW("dns.txt.length", "TXT Length", U8, DEC, .depth = 1),              \
		[TXT] = ROW("dns.txt", "TXT", STRING, NONE, .depth = 1),                           \
		[SOA_MNAME] =                                                                      \
		    ROW("dns.soa.mname", "Primary name server", STRING, NONE, .depth = 1),         \
		[SOA_RNAME] = ROW(                                                                 \
		    "dns.soa.rname", "Responsible authority's mailbox", STRING, NONE, .depth = 1), \
		[SOA_SERIAL] =                                                                     \
		    ROW("dns.soa.serial_number", "Serial Number", U32, DEC, .depth = 1),           \
		[SOA_REFRESH] =                                                                    \
		    ROW("dns.soa.refresh_interval", "Refresh Interval", U32, DEC, .depth = 1),     \
		[SOA_RETRY] =                                                                      \
		    ROW("dns.soa.retry_interval", "Retry Interval", U32, DEC, .depth = 1),         \
		[SOA_EXPIRE] = ROW("dns.soa.expire_limit", "Expire limit", U32, DEC, .depth = 1),  \
		[SOA_MINIMUM] = ROW("dns.soa.minimum_ttl", "Minimum TTL", U32, DEC, .depth = 1),   \
		[SRV_SERVICE] = ROW("dns.srv.service", "Service", STRING, NONE, .depth = 1),       \
		[SRV_PROTO] = ROW("dns.srv.proto", "Protocol", STRING, NONE, .depth = 1),          \
		[SRV_NAME] = ROW("dns.srv.name", "Name", STRING, NONE, .depth = 1),                \
		[SRV_PRIO] = ROW("dns.srv.priority", "Priority", U16, DEC, .depth = 1),            \
		[SRV_WEIGHT] = ROW("dns.srv.weight", "Weight", U16, DEC, .depth = 1),              \
		[SRV_PORT] = ROW("dns.srv.port", "Port", U16, DEC, .depth = 1),                    \
		[SRV_TARGET] = ROW("dns.srv.target", "Target", STRING, NONE, .depth = 1),          \
		[OPT] = ROW("dns.opt", "Option", NONE, NONE, .depth = 1),                          \
		[OPT_CODE] = ROW("dns.opt.code", "Option Code", U16, DEC, .depth = 2),             \
		[OPT_LEN] = ROW("dns.opt.len", "Option Length", U16, DEC, .depth = 2),             \
		[OPT_DATA] = ROW("dns.opt.data", "Option Data", BYTES, NONE, .depth = 2),          \
		[RESPONSE_TO] = ROW("dns.response_to", "Request In", FRAME, NONE, GEN),            \
		[RETRANSMISSION] = ROW("dns.retransmission", "Retransmission", BOOL, NONE, GEN),   \
		[RETRANS_REQ] = ROW(                                                               \
		    "dns.retransmit_request_in", "Retransmitted request in", FRAME, NONE, GEN),    \
		[RETRANS_RESP] = ROW(                                                              \
		    "dns.retransmit_response_in", "Retransmitted response in", FRAME, NONE, GEN),  \
		[TIME] = ROW("dns.time", "Time", SPAN, NONE, GEN, .unit = "s"),                    \
	}

static const struct l4_field dns_fields[] = ROWS("dns", "Domain Name System", DEC);
static const struct l4_field mdns_fields[] = ROWS("mdns", "Multicast Domain Name System", HEX);
static const struct l4_field llmnr_fields[] =
    ROWS("llmnr", "Link-local Multicast Name Resolution", DEC);

enum { NAME_TEXT_MAX = 1024, NAME_JUMPS = 64, PENDING = 1024 };

struct l4_dns_pending {
	struct {
		uint64_t key;
		uint32_t frame, answered; /* packets */
		l4_time ts;
	} q[PENDING];
};

struct name {
	char *text;
	uint32_t len;
	uint32_t raw; /* length without escapes */
	uint32_t labels;
	uint32_t used; /* bytes at its place in the message */
	bool bad;
};

/* A label's bytes; those that nobody can read as octal numbers. */
static uint32_t label_text(char *o, uint32_t cap, const uint8_t *p, uint32_t n)
{
	uint32_t k = 0;
	for (uint32_t i = 0; i < n && k + 4 <= cap; i++) {
		if (p[i] >= 0x20 && p[i] != 0x7f) {
			o[k++] = (char)p[i];
			continue;
		}
		o[k++] = '\\';
		if (p[i] >= 7 && p[i] <= 13) {
			o[k++] = "abtnvfr"[p[i] - 7];
			continue;
		}
		o[k++] = (char)('0' + (p[i] >> 6));
		o[k++] = (char)('0' + (p[i] >> 3 & 7));
		o[k++] = (char)('0' + (p[i] & 7));
	}
	return k;
}

/* Reads the name at `at`; text is in the arena. */
static struct name read_name(struct l4_dissect *d, struct l4_view v, uint32_t at)
{
	struct name n = { .text = NULL };
	char buf[NAME_TEXT_MAX];
	uint32_t o = 0, pos = at, jumps = 0;
	bool jumped = false, too_long = false;
	for (;;) {
		if (pos >= v.cap) {
			dis_short(d, v, pos + 1);
			n.bad = true;
			return n;
		}
		uint8_t c = v.p[pos];
		if (c == 0) {
			if (!jumped)
				n.used = pos + 1 - at;
			break;
		}
		if ((c & 0xc0) == 0xc0) {
			if (pos + 1 >= v.cap) {
				dis_short(d, v, pos + 2);
				n.bad = true;
				return n;
			}
			uint32_t to = (c & 63u) << 8 | v.p[pos + 1];
			if (!jumped)
				n.used = pos + 2 - at;
			jumped = true;
			if (to >= v.len) {
				dis_short(d, v, to + 1);
				n.bad = true;
				return n;
			}
			if (++jumps > NAME_JUMPS) {
				static const char loop[] = "<Name contains a pointer that loops>";
				n.text = dis_alloc(d, sizeof loop);
				if (n.text)
					memcpy(n.text, loop, sizeof loop);
				n.raw = n.len = sizeof loop - 1;
				return n;
			}
			pos = to;
			continue;
		}
		if ((c & 0xc0) == 0x80) {
			dis_bad(d, v.p + pos);
			n.bad = true;
			return n;
		}
		if (c & 0xc0) { /* extended labels (RFC 6891 5) never came to be */
			static const char odd[] = "<Unknown extended label>";
			n.text = dis_alloc(d, sizeof odd);
			if (n.text)
				memcpy(n.text, odd, sizeof odd);
			n.raw = n.len = sizeof odd - 1;
			n.labels = 1;
			if (!jumped)
				n.used = pos + 1 - at;
			n.bad = !n.text;
			return n;
		}
		if (pos + 1u + c > v.cap) {
			dis_short(d, v, pos + 1u + c);
			n.bad = true;
			return n;
		}
		if (n.raw + c + 2 > NAME_TEXT_MAX)
			too_long = true;
		if (o + c + 2 < NAME_TEXT_MAX) {
			if (o) {
				buf[o++] = '.';
				n.raw++;
			}
			n.raw += c;
			o += label_text(buf + o, NAME_TEXT_MAX - 2 - o, v.p + pos + 1, c);
		}
		n.labels++;
		pos += 1u + c;
	}
	if (too_long) {
		o = (uint32_t)snprintf(buf, sizeof buf, "<Name too long>");
		n.labels = 1;
		n.raw = o;
	}
	static const char root[] = "<Root>";
	n.len = o ? o : sizeof root - 1;
	if (!o) {
		n.labels = 1;
		n.raw = n.len;
	}
	n.text = dis_alloc(d, n.len + 1);
	if (!n.text) {
		n.bad = true;
		return n;
	}
	memcpy(n.text, o ? buf : root, n.len);
	return n;
}

static void put_name(struct l4_dissect *d, unsigned row, const uint8_t *at, const struct name *n)
{
	dis_s(d, row, at, n->used, n->text, n->len);
}

static void col_type(struct l4_dissect *d, uint16_t type)
{
	const char *t = l4_value_name(types, type);
	col_str(d, " ");
	if (t)
		col_str(d, t);
	else
		col_fmt(d, "Unknown (%u)", type);
}

static uint32_t question(struct l4_dissect *d, struct l4_view v, uint32_t at, bool mdns)
{
	struct name n = read_name(d, v, at);
	if (n.bad)
		return 0;
	if (!dis_has(d, v, at + n.used + 4))
		return 0;
	const uint8_t *q = v.p + at + n.used;
	uint16_t type = l4_get_u16(q), class = l4_get_u16(q + 2);
	dis_title(d, v.p + at, n.used + 4, "Question: %.*s", (int)n.len, n.text);
	put_name(d, QRY_NAME, v.p + at, &n);
	dis_u(d, QRY_NAME_LEN, NULL, 0, n.raw);
	dis_u(d, LABELS, NULL, 0, n.labels);
	dis_u(d, QRY_TYPE, q, 2, type);
	if (mdns) {
		dis_u(d, QRY_CLASS, q + 2, 2, class & 0x7fff);
		dis_u(d, QRY_QU, q + 2, 2, class >> 15);
	} else {
		dis_u(d, QRY_CLASS, q + 2, 2, class);
	}
	if (cols(d)) {
		col_type(d, type);
		col_str(d, " ");
		col_bytes(d, n.text, n.len);
		if (mdns)
			col_str(d, class >> 15 ? ", \"QU\" question" : ", \"QM\" question");
	}
	return n.used + 4;
}

/* RFC 6891 6.1.2 and 6.1.3: the class and TTL of an OPT record mean other things. */
static void opt_record(
    struct l4_dissect *d, struct l4_view v, uint32_t at, uint32_t end, const uint8_t *h)
{
	/* mDNS keeps the first bit for itself (RFC 6762 10.2). */
	dis_u(
	    d, UDP_SIZE, h + 2, 2, l4_get_u16(h + 2) & (d->cur == PROTO_mdns ? 0x7fffu : 0xffffu));
	dis_u(d, EXT_RCODE, h + 4, 1, h[4]);
	dis_u(d, EDNS_VERSION, h + 5, 1, h[5]);
	uint16_t z = l4_get_u16(h + 6);
	dis_u(d, Z, h + 6, 2, z);
	dis_u(d, Z_DO, h + 6, 2, z >> 15);
	dis_u(d, Z_RES, h + 6, 2, z & 0x7fff);
	dis_u(d, RESP_LEN, h + 8, 2, l4_get_u16(h + 8));
	while (at < end) {
		/* An option that reaches beyond its record is shown, too. */
		if (!dis_has(d, v, at + 4))
			return;
		const uint8_t *o = v.p + at;
		uint32_t n = l4_get_u16(o + 2);
		if (dis_wants(d, OPT))
			dis_push(d, OPT, o, 4);
		dis_u(d, OPT_CODE, o, 2, l4_get_u16(o));
		dis_u(d, OPT_LEN, o + 2, 2, n);
		if (!dis_has(d, v, at + 4 + n))
			return;
		dis_p(d, OPT_DATA, o + 4, n);
		at += 4 + n;
	}
}

static bool name_in(
    struct l4_dissect *d, struct l4_view v, uint32_t at, unsigned row, struct name *n)
{
	*n = read_name(d, v, at);
	if (n->bad)
		return false;
	put_name(d, row, v.p + at, n);
	return true;
}

static void col_name(struct l4_dissect *d, const struct name *n)
{
	if (!cols(d))
		return;
	col_str(d, " ");
	col_bytes(d, n->text, n->len);
}

static void soa(struct l4_dissect *d, struct l4_view v, uint32_t at)
{
	struct name m, r;
	if (!name_in(d, v, at, SOA_MNAME, &m))
		return;
	col_name(d, &m);
	if (!name_in(d, v, at + m.used, SOA_RNAME, &r))
		return;
	at += m.used + r.used;
	if (!dis_has(d, v, at + 20))
		return;
	for (unsigned k = 0; k < 5; k++)
		dis_u(d, SOA_SERIAL + k, v.p + at + 4 * k, 4, l4_get_u32(v.p + at + 4 * k));
}

static void txt(struct l4_dissect *d, struct l4_view v, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint32_t n = v.p[at];
		dis_u(d, TXT_LEN, v.p + at, 1, n);
		if (!dis_has(d, v, at + 1 + n))
			return;
		dis_p(d, TXT, v.p + at + 1, n);
		at += 1 + n;
	}
}

/* The types that a name has (RFC 4034 4.1.2): windows of up to 32 bytes of bits. */
static void type_bitmap(struct l4_dissect *d, struct l4_view v, uint32_t at, uint32_t end)
{
	while (at + 2 <= end) {
		uint32_t window = v.p[at], n = v.p[at + 1];
		at += 2;
		if (n > end - at)
			return;
		for (uint32_t i = 0; i < n * 8; i++)
			if (v.p[at + i / 8] >> (7 - i % 8) & 1)
				dis_u(d, RESP_TYPE, v.p + at + i / 8, 1, window * 256 + i);
		at += n;
	}
}

static void rdata(struct l4_dissect *d, struct l4_view v, uint16_t type, uint32_t at, uint32_t len)
{
	struct name n;
	const uint8_t *p = v.p + at;
	switch (type) {
	case 1:
		if (!dis_has(d, v, at + 4))
			return;
		dis_p(d, A, p, 4);
		if (cols(d)) {
			col_str(d, " ");
			col_ip4(d, p);
		}
		break;
	case 28:
		if (!dis_has(d, v, at + 16))
			return;
		dis_p(d, AAAA, p, 16);
		if (cols(d)) {
			col_str(d, " ");
			col_ip6(d, p);
		}
		break;
	case 2:
	case 5:
	case 12:
		if (name_in(d, v, at, type == 2 ? NS : type == 5 ? CNAME : PTR, &n))
			col_name(d, &n);
		break;
	case 6:
		soa(d, v, at);
		break;
	case 15:
		if (!dis_has(d, v, at + 2))
			return;
		dis_u(d, MX_PREF, p, 2, l4_get_u16(p));
		col_fmt(d, " %u", l4_get_u16(p));
		if (name_in(d, v, at + 2, MX, &n))
			col_name(d, &n);
		break;
	case 16:
	case 99:
		if (dis_has(d, v, at + len))
			txt(d, v, at, at + len);
		break;
	case 33:
		if (!dis_has(d, v, at + 6))
			return;
		for (unsigned k = 0; k < 3; k++)
			dis_u(d, SRV_PRIO + k, p + 2 * k, 2, l4_get_u16(p + 2 * k));
		col_fmt(d, " %u %u %u", l4_get_u16(p), l4_get_u16(p + 2), l4_get_u16(p + 4));
		if (name_in(d, v, at + 6, SRV_TARGET, &n))
			col_name(d, &n);
		break;
	case 47:
		n = read_name(d, v, at);
		if (!n.bad && n.used <= len && dis_has(d, v, at + len))
			type_bitmap(d, v, at + n.used, at + len);
		break;
	default:
		dis_has(d, v, at + len);
		break;
	}
}

/* An SRV record's owner is _service._proto.name (RFC 2782), of which Wireshark shows the parts and
 * not the whole. */
static void srv_owner(struct l4_dissect *d, const struct name *n)
{
	static const unsigned rows[] = { SRV_SERVICE, SRV_PROTO, SRV_NAME };
	const char *s = n->text, *end = s + n->len;
	for (unsigned k = 0; k < 3; k++) {
		const char *dot = k < 2 ? memchr(s, '.', (size_t)(end - s)) : NULL;
		const char *stop = dot ? dot : end;
		dis_s(d, rows[k], NULL, 0, s, (uint32_t)(stop - s));
		if (!dot)
			return;
		s = dot + 1;
	}
}

static uint32_t record(struct l4_dissect *d, struct l4_view v, uint32_t at, bool mdns, bool show)
{
	struct name n = read_name(d, v, at);
	if (n.bad)
		return 0;
	uint32_t head = at + n.used;
	if (!dis_has(d, v, head + 4)) {
		return 0;
	}
	const uint8_t *h = v.p + head;
	uint16_t type = l4_get_u16(h), class = l4_get_u16(h + 2);
	if (!dis_has(d, v, head + 10))
		return 0;
	uint32_t len = l4_get_u16(h + 8), data = head + 10;
	if (!dis_has(d, v, data + len)) /* nothing of a record whose data are not there */
		return 0;
	const char *tn = l4_value_name(types, type);
	dis_title(d, v.p + at, n.used + 10 + len, "%.*s: type %s", (int)n.len, n.text,
	    tn ? tn : "unknown");
	bool locked = d->cols_locked;
	if (!show)
		d->cols_locked = true;
	if (cols(d))
		col_type(d, type);
	if (type == 33)
		srv_owner(d, &n);
	else
		put_name(d, RESP_NAME, v.p + at, &n);
	dis_u(d, RESP_TYPE, h, 2, type);
	if (type == 41) {
		if (mdns)
			dis_u(d, RESP_FLUSH, h + 2, 2, class >> 15);
		opt_record(d, v, data, data + len, h);
	} else {
		dis_u(d, RESP_CLASS, h + 2, 2, mdns ? class & 0x7fff : class);
		if (mdns)
			dis_u(d, RESP_FLUSH, h + 2, 2, class >> 15);
		dis_u(d, RESP_TTL, h + 4, 4, l4_get_u32(h + 4));
		dis_u(d, RESP_LEN, h + 8, 2, len);
		if (len)
			rdata(d, v, type, data, len);
	}
	d->cols_locked = locked;
	return d->stop == DIS_GO ? n.used + 10 + len : 0;
}

/* What is known of a question and its answer. */
struct story {
	uint32_t question, again, answered; /* packets; 0: none */
	l4_time took;
};

enum { AGAIN_S_MAX = 5 }; /* seconds after which the same question is a new one */

/* Finds the question to an answer, or remembers a question. */
static struct story transaction(struct l4_dissect *d, uint16_t id, bool response)
{
	struct story none = { 0 }, t = { 0 };
	if (d->quoted)
		return none;
	if (!d->dns_pending && !(d->dns_pending = calloc(1, sizeof *d->dns_pending)))
		return none;
	uint64_t key = ((uint64_t)(d->out.stream_proto + 1) << 56) |
		       ((uint64_t)(uint32_t)d->out.stream << 16) | id;
	uint64_t h = key * 0x9e3779b97f4a7c15u >> 40;
	unsigned slot = (unsigned)h % PENDING, take = slot;
	for (unsigned k = 0; k < 4; k++) {
		unsigned s = (slot + k) % PENDING;
		if (d->dns_pending->q[s].frame < d->dns_pending->q[take].frame)
			take = s; /* the oldest */
	}
	for (unsigned k = 0; k < 4; k++) {
		unsigned s = (slot + k) % PENDING;
		if (d->dns_pending->q[s].key != key || !d->dns_pending->q[s].frame)
			continue;
		l4_time took = d->out.cap->ts - d->dns_pending->q[s].ts;
		uint32_t answered = d->dns_pending->q[s].answered;
		if (response && answered) {
			t.answered = answered;
			return t;
		}
		if (response) {
			d->dns_pending->q[s].answered = (uint32_t)d->out.cap->number;
			t.question = d->dns_pending->q[s].frame;
			t.took = took;
			return t;
		}
		if (!answered && (int64_t)took <= AGAIN_S_MAX * (int64_t)L4_SEC) {
			t.again = d->dns_pending->q[s].frame;
			return t;
		}
		take = s;
		break;
	}
	if (response)
		return none;
	d->dns_pending->q[take].key = key;
	d->dns_pending->q[take].frame = (uint32_t)d->out.cap->number;
	d->dns_pending->q[take].answered = 0;
	d->dns_pending->q[take].ts = d->out.cap->ts;
	return none;
}

static void put_story(struct l4_dissect *d, const struct story *t)
{
	if (t->again || t->answered) {
		dis_u(d, RETRANSMISSION, NULL, 0, 1);
		dis_u(d, t->again ? RETRANS_REQ : RETRANS_RESP, NULL, 0,
		    t->again ? t->again : t->answered);
	}
	if (!t->question)
		return;
	dis_u(d, RESPONSE_TO, NULL, 0, t->question);
	struct l4_item *i = dis_u(d, TIME, NULL, 0, 0);
	if (i)
		i->v.i = (int64_t)t->took;
}

static void put_flags(struct l4_dissect *d, const uint8_t *p)
{
	uint16_t f = l4_get_u16(p);
	bool response = f >> 15, llmnr = d->cur == PROTO_llmnr;
	dis_u(d, FLAGS, p, 2, f);
	dis_u(d, F_RESPONSE, p, 2, response);
	dis_u(d, F_OPCODE, p, 2, f >> 11 & 15);
	if (llmnr)
		dis_u(d, F_CONFLICT, p, 2, f >> 10 & 1);
	else if (response)
		dis_u(d, F_AA, p, 2, f >> 10 & 1);
	dis_u(d, F_TC, p, 2, f >> 9 & 1);
	if (llmnr) {
		dis_u(d, F_TENTATIVE, p, 2, f >> 8 & 1);
	} else {
		dis_u(d, F_RD, p, 2, f >> 8 & 1);
		if (response)
			dis_u(d, F_RA, p, 2, f >> 7 & 1);
		dis_u(d, F_Z, p, 2, f >> 6 & 1);
		if (response || f & 0x20)
			dis_u(d, F_AD, p, 2, f >> 5 & 1);
		dis_u(d, F_CD, p, 2, f >> 4 & 1);
	}
	if (response)
		dis_u(d, F_RCODE, p, 2, f & 15);
}

static void info(struct l4_dissect *d, uint16_t id, uint16_t f)
{
	const char *op = l4_value_name(opcodes, f >> 11 & 15);
	col_clear(d);
	if (op)
		col_str(d, op);
	else
		col_fmt(d, "Unknown operation (%u)", f >> 11 & 15u);
	if (f >> 15)
		col_str(d, " response");
	col_str(d, " 0x");
	col_hex(d, id, 4);
	if (f >> 15 && f & 15) {
		const char *r = l4_value_name(rcodes, f & 15);
		col_fmt(d, " %s", r ? r : "Unknown error");
	}
}

/* The counts of an update have other names (RFC 2136 2.2). */
static void put_counts(struct l4_dissect *d, struct l4_view v)
{
	if (v.cap < 12 || (v.p[2] & 0x78) != 0x28) {
		dis_fixed(d, v, QUERIES, ADDITIONAL);
		return;
	}
	for (unsigned k = 0; k < 3; k++)
		dis_u(d, ZONES + k, v.p + 4 + 2 * k, 2, l4_get_u16(v.p + 4 + 2 * k));
	dis_fixed(d, v, ADDITIONAL, ADDITIONAL);
}

/* The layer's own item came last, or before the length of TCP. */
static void message(struct l4_dissect *d, struct l4_view v, bool mdns, uint32_t titled)
{
	const uint8_t *h = v.p;
	if (!dis_has(d, v, 12)) {
		if (titled && v.cap >= 4)
			dis_text(d, &d->items[titled - 1], "%s (%s)",
			    l4_dissectors[d->cur]->proto.title, h[2] >> 7 ? "response" : "query");
		dis_fixed(d, v, ID, ID);
		if (v.cap >= 4)
			put_flags(d, h + 2);
		dis_fixed(d, v, QUERIES, ADDITIONAL);
		if (d->w_any && v.cap >= 4) /* counts as question or answer all the same */
			(void)transaction(d, l4_get_u16(h), h[2] >> 7);
		return;
	}
	uint16_t id = l4_get_u16(h), f = l4_get_u16(h + 2);
	if (cols(d))
		info(d, id, f);
	if (titled)
		dis_text(d, &d->items[titled - 1], "%s (%s)", l4_dissectors[d->cur]->proto.title,
		    f >> 15 ? "response" : "query");
	dis_fixed(d, v, ID, ID);
	put_flags(d, h + 2);
	put_counts(d, v);
	struct story story = { 0 };
	if (d->w_any)
		story = transaction(d, id, f >> 15);
	uint32_t at = 12;
	/* What nobody sees need not be walked. */
	bool see = d->w_any || cols(d);
	for (unsigned k = 0, n = l4_get_u16(h + 4); see && k < n; k++) {
		uint32_t used = question(d, v, at, mdns);
		if (!used)
			return;
		at += used;
	}
	for (unsigned section = 0; see && section < 3; section++) {
		bool show = section == 0 || (f >> 15 && section == 1) || section == 2;
		for (unsigned k = 0, n = l4_get_u16(h + 6 + 2 * section); k < n; k++) {
			uint32_t used = record(d, v, at, mdns, show);
			if (!used)
				return;
			at += used;
		}
	}
	put_story(d, &story);
}

bool l4_dns_looks(const uint8_t *p, uint32_t n)
{
	enum { RECORDS_MAX = 10, NAME_BYTES = 255 };
	if (n < 17 || (p[2] & 0x78) || l4_get_u16(p + 4) != 1)
		return false;
	unsigned answers = l4_get_u16(p + 6), authority = l4_get_u16(p + 8);
	bool response = p[2] >> 7;
	if (response ? answers > RECORDS_MAX || authority > RECORDS_MAX : answers || authority)
		return false;
	if (l4_get_u16(p + 10) > RECORDS_MAX)
		return false;
	/* The name asked for has no pointer. */
	uint32_t at = 12;
	while (at < n && p[at] && p[at] < 64 && at < 12 + NAME_BYTES)
		at += 1u + p[at];
	return at + 5 <= n && !p[at];
}

/* The item of the layer opened just now, + 1; 0: not wanted. */
static uint32_t own_item(const struct l4_dissect *d)
{
	return d->w[0] ? d->out.n_items : 0;
}

static void dissect_dns(struct l4_dissect *d, struct l4_view v)
{
	if (d->ip_proto != 6) {
		/* The number is not looked at before the flags are there. */
		if (v.cap < 4) {
			dis_mark(d, PROTO_dns, v);
			dis_short(d, v, 12);
			return;
		}
		dis_layer(d, v, 12);
		col_proto(d, "DNS");
		message(d, v, false, own_item(d));
		return;
	}
	/* RFC 1035 4.2.2: over TCP each message has its length before it. */
	for (uint32_t at = 0; at < v.len && d->stop == DIS_GO;) {
		struct l4_view m = view_skip(v, at);
		if (m.len < 2) {
			if (stream_want(d, at, STREAM_ONE_MORE))
				return;
		}
		if (!dis_has(d, m, 2))
			return;
		uint32_t n = l4_get_u16(m.p);
		if (m.len < n + 2 && stream_want(d, at, n + 2 - m.len))
			return;
		struct l4_view body = view_cut(view_skip(m, 2), n);
		dis_layer(d, view_cut(m, n + 2), 14);
		col_proto(d, "DNS");
		uint32_t own = own_item(d);
		dis_u(d, LENGTH, m.p, 2, n);
		message(d, body, false, own);
		at += n + 2;
	}
}

static void dissect_mdns(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 12);
	col_proto(d, "MDNS");
	message(d, v, true, own_item(d));
}

static void dissect_llmnr(struct l4_dissect *d, struct l4_view v)
{
	dis_layer(d, v, 12);
	col_proto(d, "LLMNR");
	message(d, v, false, own_item(d));
}

static const struct l4_binding dns_bindings[] = { { "udp.port", 53 }, { "tcp.port", 53 },
	{ NULL, 0 } };
static const struct l4_binding mdns_bindings[] = { { "udp.port", 5353 }, { NULL, 0 } };
static const struct l4_binding llmnr_bindings[] = { { "udp.port", 5355 }, { NULL, 0 } };

const struct l4_dissector l4_dis_dns = {
	.proto = PROTO_INIT("dns", "Domain Name System", "DNS", dns_fields, 96, dns_bindings),
	.run = dissect_dns,
};
const struct l4_dissector l4_dis_mdns = {
	.proto = PROTO_INIT(
	    "mdns", "Multicast Domain Name System", "MDNS", mdns_fields, 96, mdns_bindings),
	.run = dissect_mdns,
};
const struct l4_dissector l4_dis_llmnr = {
	.proto = PROTO_INIT("llmnr", "Link-local Multicast Name Resolution", "LLMNR", llmnr_fields,
	    96, llmnr_bindings),
	.run = dissect_llmnr,
};
