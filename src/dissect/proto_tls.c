/* TLS records (RFC 8446 5.1) and what is readable of the handshake: the hello messages with server
 * name (RFC 6066) and protocol (RFC 7301). Nothing is decrypted. */
#include "dissect/conv.h"
#include "dissect/stream.h"

enum {
	TLS,
	RECORD,
	REC_TYPE,
	REC_OPAQUE,
	REC_VERSION,
	REC_LENGTH,
	HS,
	HS_TYPE,
	HS_LENGTH,
	HS_VERSION,
	HS_RANDOM,
	SID_LENGTH,
	SID,
	SUITES_LENGTH,
	SUITE,
	COMP_LENGTH,
	COMP,
	EXT_LENGTH,
	EXT_TYPE,
	EXT_LEN,
	SNI_LIST_LEN,
	SNI_TYPE,
	SNI_LEN,
	SNI,
	ALPN_LEN,
	ALPN_STR_LEN,
	ALPN,
	SUPPORTED_LEN,
	SUPPORTED,
	GROUPS_LEN,
	GROUP,
	POINTS_LEN,
	POINT,
	SIGS_LEN,
	SIG,
	SHARE_GROUP,
	SHARE_LEN,
	SHARE,
	TICKET_LIFE,
	TICKET_LEN,
	TICKET,
	CERTS_LEN,
	CERT_LEN,
	CERT,
	CCS,
	ALERT_LEVEL,
	ALERT_DESC,
	APP_DATA
};

static const struct l4_value contents[] = { { 20, "Change Cipher Spec" }, { 21, "Alert" },
	{ 22, "Handshake" }, { 23, "Application Data" }, { 24, "Heartbeat" }, { 0, NULL } };
static const struct l4_value handshakes[] = { { 0, "Hello Request" }, { 1, "Client Hello" },
	{ 2, "Server Hello" }, { 4, "New Session Ticket" }, { 8, "Encrypted Extensions" },
	{ 11, "Certificate" }, { 12, "Server Key Exchange" }, { 13, "Certificate Request" },
	{ 14, "Server Hello Done" }, { 15, "Certificate Verify" }, { 16, "Client Key Exchange" },
	{ 20, "Finished" }, { 22, "Certificate Status" }, { 0, NULL } };
static const struct l4_value versions[] = { { 0x0300, "SSL 3.0" }, { 0x0301, "TLS 1.0" },
	{ 0x0302, "TLS 1.1" }, { 0x0303, "TLS 1.2" }, { 0x0304, "TLS 1.3" }, { 0, NULL } };

static const struct l4_field fields[] = {
	[TLS] = ROW0("tls", "Transport Layer Security", 0),
	[RECORD] = ROW("tls.record", "Record Layer", NONE, NONE, WALK),
	[REC_TYPE] =
	    ROW("tls.record.content_type", "Content Type", U8, DEC, .depth = 1, .values = contents),
	[REC_OPAQUE] =
	    ROW("tls.record.opaque_type", "Opaque Type", U8, DEC, .depth = 1, .values = contents),
	[REC_VERSION] =
	    ROW("tls.record.version", "Version", U16, HEX, .depth = 1, .values = versions),
	[REC_LENGTH] = ROW("tls.record.length", "Length", U16, DEC, .depth = 1),
	[HS] = ROW("tls.handshake", "Handshake Protocol", NONE, NONE, .depth = 1, HID),
	[HS_TYPE] =
	    ROW("tls.handshake.type", "Handshake Type", U8, DEC, .depth = 1, .values = handshakes),
	[HS_LENGTH] = ROW("tls.handshake.length", "Length", U24, DEC, .depth = 2),
	[HS_VERSION] =
	    ROW("tls.handshake.version", "Version", U16, HEX, .depth = 2, .values = versions),
	[HS_RANDOM] = ROW("tls.handshake.random", "Random", BYTES, NONE, .depth = 2),
	[SID_LENGTH] =
	    ROW("tls.handshake.session_id_length", "Session ID Length", U16, DEC, .depth = 2),
	[SID] = ROW("tls.handshake.session_id", "Session ID", BYTES, NONE, .depth = 2),
	[SUITES_LENGTH] =
	    ROW("tls.handshake.cipher_suites_length", "Cipher Suites Length", U16, DEC, .depth = 2),
	[SUITE] = ROW("tls.handshake.ciphersuite", "Cipher Suite", U16, HEX, .depth = 2),
	[COMP_LENGTH] = ROW(
	    "tls.handshake.comp_methods_length", "Compression Methods Length", U8, DEC, .depth = 2),
	[COMP] = ROW("tls.handshake.comp_method", "Compression Method", U8, DEC, .depth = 2),
	[EXT_LENGTH] =
	    ROW("tls.handshake.extensions_length", "Extensions Length", U16, DEC, .depth = 2),
	[EXT_TYPE] = ROW("tls.handshake.extension.type", "Extension Type", U16, DEC, .depth = 2),
	[EXT_LEN] = ROW("tls.handshake.extension.len", "Extension Length", U16, DEC, .depth = 3),
	[SNI_LIST_LEN] = ROW("tls.handshake.extensions_server_name_list_len",
	    "Server Name list length", U16, DEC, .depth = 3),
	[SNI_TYPE] = ROW(
	    "tls.handshake.extensions_server_name_type", "Server Name Type", U8, DEC, .depth = 3),
	[SNI_LEN] = ROW(
	    "tls.handshake.extensions_server_name_len", "Server Name length", U16, DEC, .depth = 3),
	[SNI] =
	    ROW("tls.handshake.extensions_server_name", "Server Name", STRING, NONE, .depth = 3),
	[ALPN_LEN] =
	    ROW("tls.handshake.extensions_alpn_len", "ALPN Extension Length", U16, DEC, .depth = 3),
	[ALPN_STR_LEN] =
	    ROW("tls.handshake.extensions_alpn_str_len", "ALPN string length", U8, DEC, .depth = 3),
	[ALPN] = ROW(
	    "tls.handshake.extensions_alpn_str", "ALPN Next Protocol", STRING, NONE, .depth = 3),
	[SUPPORTED_LEN] = ROW("tls.handshake.extensions.supported_versions_len",
	    "Supported Versions length", U8, DEC, .depth = 3),
	[SUPPORTED] = ROW("tls.handshake.extensions.supported_version", "Supported Version", U16,
	    HEX, .depth = 3, .values = versions),
	[GROUPS_LEN] = ROW("tls.handshake.extensions_supported_groups_length",
	    "Supported Groups List Length", U16, DEC, .depth = 3),
	[GROUP] = ROW(
	    "tls.handshake.extensions_supported_group", "Supported Group", U16, HEX, .depth = 3),
	[POINTS_LEN] = ROW("tls.handshake.extensions_ec_point_formats_length",
	    "EC point formats Length", U8, DEC, .depth = 3),
	[POINT] =
	    ROW("tls.handshake.extensions_ec_point_format", "EC point format", U8, DEC, .depth = 3),
	[SIGS_LEN] = ROW("tls.handshake.sig_hash_alg_len", "Signature Hash Algorithms Length", U16,
	    DEC, .depth = 3),
	[SIG] = ROW("tls.handshake.sig_hash_alg", "Signature Algorithm", U16, HEX, .depth = 3),
	[SHARE_GROUP] =
	    ROW("tls.handshake.extensions_key_share_group", "Group", U16, DEC, .depth = 3),
	[SHARE_LEN] = ROW("tls.handshake.extensions_key_share_key_exchange_length",
	    "Key Exchange Length", U16, DEC, .depth = 3),
	[SHARE] = ROW("tls.handshake.extensions_key_share_key_exchange", "Key Exchange", BYTES,
	    NONE, .depth = 3),
	[TICKET_LIFE] = ROW("tls.handshake.session_ticket_lifetime_hint",
	    "Session Ticket Lifetime Hint", U32, DEC, .depth = 2, .unit = "s"),
	[TICKET_LEN] = ROW(
	    "tls.handshake.session_ticket_length", "Session Ticket Length", U16, DEC, .depth = 2),
	[TICKET] = ROW("tls.handshake.session_ticket", "Session Ticket", BYTES, NONE, .depth = 2),
	[CERTS_LEN] =
	    ROW("tls.handshake.certificates_length", "Certificates Length", U24, DEC, .depth = 2),
	[CERT_LEN] =
	    ROW("tls.handshake.certificate_length", "Certificate Length", U24, DEC, .depth = 2),
	[CERT] = ROW("tls.handshake.certificate", "Certificate", BYTES, NONE, .depth = 2),
	[CCS] = ROW("tls.change_cipher_spec", "Change Cipher Spec Message", NONE, NONE, .depth = 1),
	[ALERT_LEVEL] = ROW("tls.alert_message.level", "Level", U8, DEC, .depth = 1),
	[ALERT_DESC] = ROW("tls.alert_message.desc", "Description", U8, DEC, .depth = 1),
	[APP_DATA] = ROW("tls.app_data", "Encrypted Application Data", BYTES, NONE, .depth = 1),
};

/* Lists of numbers: what each takes, how wide the list's length is. */
static void numbers(struct l4_dissect *d, struct l4_rd e, unsigned len_row, unsigned len_width,
    unsigned row, unsigned width)
{
	const uint8_t *p = e.p;
	if (l4_rd_left(&e) < len_width)
		return;
	dis_u(d, len_row, p, len_width, len_width == 2 ? l4_rd_u16(&e) : l4_rd_u8(&e));
	while (l4_rd_left(&e) >= width) {
		p = e.p;
		dis_u(d, row, p, width, width == 2 ? l4_rd_u16(&e) : l4_rd_u8(&e));
	}
}

/* RFC 8446 4.2.8 */
static void key_shares(struct l4_dissect *d, struct l4_rd e, bool client)
{
	if (client)
		(void)l4_rd_u16(&e);
	do {
		const uint8_t *p = e.p;
		if (l4_rd_left(&e) < 2)
			return;
		dis_u(d, SHARE_GROUP, p, 2, l4_rd_u16(&e));
		if (l4_rd_left(&e) < 2) /* a retry names the group only */
			return;
		p = e.p;
		uint32_t n = l4_rd_u16(&e);
		const uint8_t *key = l4_rd_take(&e, n);
		dis_u(d, SHARE_LEN, p, 2, n);
		if (!key)
			return;
		dis_p(d, SHARE, key, n);
	} while (client);
}

static void one_extension(
    struct l4_dissect *d, uint16_t type, struct l4_rd e, bool client, uint16_t *version)
{
	const uint8_t *p = e.p;
	if (type == 0 && l4_rd_left(&e) >= 2) {
		dis_u(d, SNI_LIST_LEN, p, 2, l4_rd_u16(&e));
		while (l4_rd_left(&e) >= 3) {
			p = e.p;
			uint8_t t = l4_rd_u8(&e);
			uint32_t n = l4_rd_u16(&e);
			const uint8_t *s = l4_rd_take(&e, n);
			if (!s)
				return;
			dis_u(d, SNI_TYPE, p, 1, t);
			dis_u(d, SNI_LEN, p + 1, 2, n);
			dis_p(d, SNI, s, n);
		}
	} else if (type == 16 && l4_rd_left(&e) >= 2) {
		dis_u(d, ALPN_LEN, p, 2, l4_rd_u16(&e));
		while (l4_rd_left(&e)) {
			p = e.p;
			uint32_t n = l4_rd_u8(&e);
			const uint8_t *s = l4_rd_take(&e, n);
			if (!s)
				return;
			dis_u(d, ALPN_STR_LEN, p, 1, n);
			dis_p(d, ALPN, s, n);
		}
	} else if (type == 10) {
		numbers(d, e, GROUPS_LEN, 2, GROUP, 2);
	} else if (type == 11) {
		numbers(d, e, POINTS_LEN, 1, POINT, 1);
	} else if (type == 13) {
		numbers(d, e, SIGS_LEN, 2, SIG, 2);
	} else if (type == 51) {
		key_shares(d, e, client);
	} else if (type == 43) {
		if (client && l4_rd_left(&e)) {
			dis_u(d, SUPPORTED_LEN, p, 1, l4_rd_u8(&e));
		}
		while (l4_rd_left(&e) >= 2) {
			p = e.p;
			uint16_t v = l4_rd_u16(&e);
			dis_u(d, SUPPORTED, p, 2, v);
			if (!client) /* drafts of version 1.3 had numbers of their own */
				*version = v >> 8 == 0x7f || v >> 8 == 0xfb ? 0x0304 : v;
		}
	}
}

/* ClientHello (1) and ServerHello (2), RFC 8446 4.1.2 and 4.1.3. */
static void hello(struct l4_dissect *d, struct l4_rd r, bool client, uint16_t *version)
{
	const uint8_t *p = r.p;
	uint16_t v = l4_rd_u16(&r);
	const uint8_t *random = l4_rd_take(&r, 32);
	if (!random)
		return;
	dis_u(d, HS_VERSION, p, 2, v);
	dis_p(d, HS_RANDOM, random, 32);
	if (!client)
		*version = v;
	p = r.p;
	uint32_t n = l4_rd_u8(&r);
	const uint8_t *sid = l4_rd_take(&r, n);
	if (!sid)
		return;
	dis_u(d, SID_LENGTH, p, 1, n);
	if (n)
		dis_p(d, SID, sid, n);
	if (client) {
		p = r.p;
		n = l4_rd_u16(&r);
		struct l4_rd s = l4_rd_sub(&r, n);
		if (!l4_rd_ok(&s))
			return;
		dis_u(d, SUITES_LENGTH, p, 2, n);
		while (l4_rd_left(&s) >= 2) {
			p = s.p;
			dis_u(d, SUITE, p, 2, l4_rd_u16(&s));
		}
		p = r.p;
		n = l4_rd_u8(&r);
		s = l4_rd_sub(&r, n);
		if (!l4_rd_ok(&s))
			return;
		dis_u(d, COMP_LENGTH, p, 1, n);
		while (l4_rd_left(&s)) {
			p = s.p;
			dis_u(d, COMP, p, 1, l4_rd_u8(&s));
		}
	} else {
		p = r.p;
		uint16_t suite = l4_rd_u16(&r);
		uint8_t comp = l4_rd_u8(&r);
		if (!l4_rd_ok(&r))
			return;
		dis_u(d, SUITE, p, 2, suite);
		dis_u(d, COMP, p + 2, 1, comp);
	}
	if (l4_rd_left(&r) < 2)
		return;
	p = r.p;
	dis_u(d, EXT_LENGTH, p, 2, l4_rd_u16(&r));
	while (l4_rd_left(&r) >= 4) {
		p = r.p;
		uint16_t type = l4_rd_u16(&r);
		n = l4_rd_u16(&r);
		struct l4_rd e = l4_rd_sub(&r, n);
		if (!l4_rd_ok(&e))
			return;
		dis_u(d, EXT_TYPE, p, 2, type);
		dis_u(d, EXT_LEN, p + 2, 2, n);
		one_extension(d, type, e, client, version);
	}
}

/* RFC 5077 3.3 */
static void ticket(struct l4_dissect *d, struct l4_rd r)
{
	const uint8_t *p = r.p;
	if (l4_rd_left(&r) < 6)
		return;
	dis_u(d, TICKET_LIFE, p, 4, l4_rd_u32(&r));
	uint32_t n = l4_rd_u16(&r);
	dis_u(d, TICKET_LEN, p + 4, 2, n);
	const uint8_t *t = l4_rd_take(&r, n);
	if (t && n)
		dis_p(d, TICKET, t, n);
}

/* RFC 5246 7.4.2 */
static void certificates(struct l4_dissect *d, struct l4_rd r)
{
	const uint8_t *p = r.p;
	if (l4_rd_left(&r) < 3)
		return;
	dis_u(d, CERTS_LEN, p, 3, l4_rd_u24(&r));
	while (l4_rd_left(&r) >= 3) {
		p = r.p;
		uint32_t n = l4_rd_u24(&r);
		const uint8_t *c = l4_rd_take(&r, n);
		if (!c)
			return;
		dis_u(d, CERT_LEN, p, 3, n);
		if (n)
			dis_p(d, CERT, c, n);
	}
}

static void name_info(struct l4_dissect *d, bool *first, const char *s)
{
	if (!cols(d))
		return;
	if (!*first || d->out.info_len)
		col_str(d, ", ");
	*first = false;
	col_str(d, s);
}

static void handshake(struct l4_dissect *d, struct l4_view body, bool *first, uint16_t *version)
{
	struct l4_rd r = l4_rd_init(body.p, body.cap);
	while (l4_rd_left(&r) >= 4) {
		const uint8_t *p = r.p;
		uint8_t type = l4_rd_u8(&r);
		uint32_t n = l4_rd_u24(&r);
		const char *name = l4_value_name(handshakes, type);
		/* A Hello Request stands alone; anything else that begins so is encrypted. */
		if (!type && (n || body.len != 4))
			name = NULL;
		if (!name || n > l4_rd_left(&r)) {
			/* encrypted, or a message in several records */
			if (!name || body.cap == body.len)
				name_info(d, first, "Encrypted Handshake Message");
			return;
		}
		if (dis_wants(d, HS))
			dis_push(d, HS, p, n + 4);
		dis_u(d, HS_TYPE, p, 1, type);
		dis_u(d, HS_LENGTH, p + 1, 3, n);
		name_info(d, first, name);
		struct l4_rd m = l4_rd_sub(&r, n);
		if (type == 1 || type == 2)
			hello(d, m, type == 1, version);
		else if (*version != 0x0304 && type == 4)
			ticket(d, m);
		else if (*version != 0x0304 && type == 11)
			certificates(d, m);
	}
}

static const char *version_name(uint16_t v)
{
	switch (v) {
	case 0x0300:
		return "SSLv3";
	case 0x0301:
		return "TLSv1";
	case 0x0302:
		return "TLSv1.1";
	case 0x0303:
		return "TLSv1.2";
	case 0x0304:
		return "TLSv1.3";
	default:
		return "TLS";
	}
}

/* Text on a connection without a record before: something else on TLS's port. */
static bool foreign(const struct l4_dissect *d, struct l4_view v)
{
	if (!d->app_conv || d->app_conv->app_seen || v.cap < 4)
		return false;
	for (unsigned k = 0; k < 4; k++)
		if (v.p[k] < 0x20 || v.p[k] > 0x7e)
			return false;
	return true;
}

static void dissect_tls(struct l4_dissect *d, struct l4_view v)
{
	bool first = true;
	uint16_t version = 0;
	for (uint32_t at = 0; at < v.len && d->stop == DIS_GO;) {
		struct l4_view r = view_skip(v, at);
		if (r.cap < 5) {
			if (!stream_want(d, at, STREAM_ONE_MORE) && first)
				dis_has(d, r, 5);
			return;
		}
		uint32_t n = l4_get_u16(r.p + 3);
		uint8_t type = r.p[0];
		if (type < 20 || type > 24 || r.p[1] != 3 || n > 16384 + 2048) {
			if (first && foreign(d, r)) {
				dis_data(d, r);
			} else if (first) {
				dis_layer(d, r, 0);
				col_proto(d, "SSL");
				col_clear(d);
				col_str(d, "Continuation Data");
			}
			return;
		}
		if (r.len < n + 5 && stream_want(d, at, n + 5 - r.len))
			return;
		if (first) {
			dis_layer(d, r, 5);
			col_clear(d);
		}
		if (d->app_conv)
			d->app_conv->app_seen = true;
		uint16_t ver = l4_get_u16(r.p + 1);
		if (!version || version == ver)
			version = ver;
		if (dis_wants(d, RECORD))
			dis_push(d, RECORD, r.p, n + 5);
		if (version == 0x0304 && d->app_conv)
			d->app_conv->app_state |= APP_TLS13;
		/* RFC 8446 5.2: what is in a record of application data may be anything. */
		bool opaque = type == 23 && d->app_conv && d->app_conv->app_state & APP_TLS13;
		dis_u(d, opaque ? REC_OPAQUE : REC_TYPE, r.p, 1, type);
		dis_u(d, REC_VERSION, r.p + 1, 2, ver);
		dis_u(d, REC_LENGTH, r.p + 3, 2, n);
		struct l4_view body = view_cut(view_skip(r, 5), n);
		if (type == 22) {
			handshake(d, body, &first, &version);
		} else {
			name_info(d, &first,
			    type == 21 && n != 2 ? "Encrypted Alert"
						 : l4_value_name(contents, type));
			if (type == 21 && n == 2 && body.cap == 2) {
				dis_u(d, ALERT_LEVEL, body.p, 1, body.p[0]);
				dis_u(d, ALERT_DESC, body.p + 1, 1, body.p[1]);
			} else if (type == 20 && dis_wants(d, CCS)) {
				dis_push(d, CCS, body.p, body.cap);
			} else if (type == 23) {
				dis_p(d, APP_DATA, body.p, body.cap);
			}
		}
		first = false;
		col_proto(d, version_name(version));
		if (!dis_has(d, r, n + 5))
			return;
		at += n + 5;
	}
}

static const struct l4_binding bindings[] = { { "tcp.port", 443 }, { "tcp.port", 636 },
	{ "tcp.port", 853 }, { "tcp.port", 989 }, { "tcp.port", 990 }, { "tcp.port", 993 },
	{ "tcp.port", 995 }, { "tcp.port", 5061 }, { NULL, 0 } };

const struct l4_dissector l4_dis_tls = {
	.proto = PROTO_INIT("tls", "Transport Layer Security", "TLS", fields, 0, bindings),
	.run = dissect_tls,
};
