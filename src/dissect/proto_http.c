/* HTTP/1 (RFC 9112): start line, header fields, and how long the body is; messages that span
 * segments are put together by stream.c. Bodies are not decoded. */
#include "dissect/conv.h"
#include "dissect/stream.h"

enum {
	HTTP,
	REQUEST,
	RESPONSE,
	REQ_METHOD,
	REQ_URI,
	REQ_VERSION,
	RESP_VERSION,
	RESP_CODE,
	RESP_CODE_DESC,
	RESP_PHRASE,
	REQ_LINE,
	RESP_LINE,
	FULL_URI,
	CONTENT_LENGTH,
	H_HOST,
	H_USER_AGENT,
	H_CONTENT_TYPE,
	H_CONTENT_LENGTH,
	H_CONTENT_ENCODING,
	H_TRANSFER_ENCODING,
	H_CONNECTION,
	H_ACCEPT,
	H_ACCEPT_LANGUAGE,
	H_ACCEPT_ENCODING,
	H_REFERER,
	H_COOKIE,
	H_SET_COOKIE,
	H_DATE,
	H_SERVER,
	H_LOCATION,
	H_CACHE_CONTROL,
	H_LAST_MODIFIED,
	H_AUTHORIZATION,
	H_UPGRADE,
	H_FORWARDED,
	FILE_DATA,
	CHAT,
	REQ_NUMBER,
	RESP_NUMBER,
	TIME,
	REQ_IN,
	RESP_FOR,
	PREV_REQ,
	PREV_RESP,
};

static const struct l4_field fields[] = {
	[HTTP] = ROW0("http", "Hypertext Transfer Protocol", 0),
	[REQUEST] = ROW("http.request", "Request", BOOL, NONE, HID),
	[RESPONSE] = ROW("http.response", "Response", BOOL, NONE, HID),
	[REQ_METHOD] = ROW("http.request.method", "Request Method", STRING, NONE, WALK),
	[REQ_URI] = ROW("http.request.uri", "Request URI", STRING, NONE, WALK),
	[REQ_VERSION] = ROW("http.request.version", "Request Version", STRING, NONE, WALK),
	[RESP_VERSION] = ROW("http.response.version", "Response Version", STRING, NONE, WALK),
	[RESP_CODE] = ROW("http.response.code", "Status Code", U16, DEC, WALK),
	[RESP_CODE_DESC] =
	    ROW("http.response.code.desc", "Status Code Description", STRING, NONE, HID),
	[RESP_PHRASE] = ROW("http.response.phrase", "Response Phrase", STRING, NONE, WALK),
	[REQ_LINE] = ROW("http.request.line", "Request line", STRING, NONE, HID),
	[RESP_LINE] = ROW("http.response.line", "Response line", STRING, NONE, HID),
	[FULL_URI] = ROW("http.request.full_uri", "Full request URI", STRING, NONE, GEN),
	[CONTENT_LENGTH] = ROW("http.content_length", "Content length", U64, DEC, HID),
	[H_HOST] = ROW("http.host", "Host", STRING, NONE, WALK),
	[H_USER_AGENT] = ROW("http.user_agent", "User-Agent", STRING, NONE, WALK),
	[H_CONTENT_TYPE] = ROW("http.content_type", "Content-Type", STRING, NONE, WALK),
	[H_CONTENT_LENGTH] =
	    ROW("http.content_length_header", "Content-Length", STRING, NONE, WALK),
	[H_CONTENT_ENCODING] = ROW("http.content_encoding", "Content-Encoding", STRING, NONE, WALK),
	[H_TRANSFER_ENCODING] =
	    ROW("http.transfer_encoding", "Transfer-Encoding", STRING, NONE, WALK),
	[H_CONNECTION] = ROW("http.connection", "Connection", STRING, NONE, WALK),
	[H_ACCEPT] = ROW("http.accept", "Accept", STRING, NONE, WALK),
	[H_ACCEPT_LANGUAGE] = ROW("http.accept_language", "Accept-Language", STRING, NONE, WALK),
	[H_ACCEPT_ENCODING] = ROW("http.accept_encoding", "Accept-Encoding", STRING, NONE, WALK),
	[H_REFERER] = ROW("http.referer", "Referer", STRING, NONE, WALK),
	[H_COOKIE] = ROW("http.cookie", "Cookie", STRING, NONE, WALK),
	[H_SET_COOKIE] = ROW("http.set_cookie", "Set-Cookie", STRING, NONE, WALK),
	[H_DATE] = ROW("http.date", "Date", STRING, NONE, WALK),
	[H_SERVER] = ROW("http.server", "Server", STRING, NONE, WALK),
	[H_LOCATION] = ROW("http.location", "Location", STRING, NONE, WALK),
	[H_CACHE_CONTROL] = ROW("http.cache_control", "Cache-Control", STRING, NONE, WALK),
	[H_LAST_MODIFIED] = ROW("http.last_modified", "Last-Modified", STRING, NONE, WALK),
	[H_AUTHORIZATION] = ROW("http.authorization", "Authorization", STRING, NONE, WALK),
	[H_UPGRADE] = ROW("http.upgrade", "Upgrade", STRING, NONE, WALK),
	[H_FORWARDED] = ROW("http.x_forwarded_for", "X-Forwarded-For", STRING, NONE, WALK),
	[FILE_DATA] = ROW("http.file_data", "File Data", STRING, NONE, WALK),
	[CHAT] = ROW("http.chat", "Formatted text", NONE, NONE, HID),
	[REQ_NUMBER] = ROW("http.request_number", "HTTP request", U32, DEC, GEN),
	[RESP_NUMBER] = ROW("http.response_number", "HTTP response", U32, DEC, GEN),
	[TIME] = ROW("http.time", "Time since request", SPAN, NONE, GEN),
	[REQ_IN] = ROW("http.request_in", "Request in frame", FRAME, NONE, GEN),
	[RESP_FOR] = ROW("http.response_for.uri", "Request URI", STRING, NONE, GEN),
	[PREV_REQ] = ROW("http.prev_request_in", "Prev request in frame", FRAME, NONE, GEN),
	[PREV_RESP] = ROW("http.prev_response_in", "Prev response in frame", FRAME, NONE, GEN),
};

static const struct l4_value reasons[] = { { 100, "Continue" }, { 101, "Switching Protocols" },
	{ 102, "Processing" }, { 103, "Early Hints" }, { 200, "OK" }, { 201, "Created" },
	{ 202, "Accepted" }, { 203, "Non-authoritative Information" }, { 204, "No Content" },
	{ 205, "Reset Content" }, { 206, "Partial Content" }, { 207, "Multi-Status" },
	{ 208, "Already Reported" }, { 226, "IM Used" }, { 300, "Multiple Choices" },
	{ 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" },
	{ 304, "Not Modified" }, { 305, "Use Proxy" }, { 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 402, "Payment Required" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" }, { 408, "Request Time-out" }, { 409, "Conflict" },
	{ 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" },
	{ 413, "Request Entity Too Large" }, { 414, "Request-URI Too Long" },
	{ 415, "Unsupported Media Type" }, { 416, "Requested Range Not Satisfiable" },
	{ 417, "Expectation Failed" }, { 418, "I'm a teapot" }, { 421, "Misdirected Request" },
	{ 422, "Unprocessable Entity" }, { 423, "Locked" }, { 424, "Failed Dependency" },
	{ 426, "Upgrade Required" }, { 428, "Precondition Required" }, { 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" }, { 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
	{ 503, "Service Unavailable" }, { 504, "Gateway Time-out" },
	{ 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" }, { 0, NULL } };

static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT",
	"TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
	"REPORT", "SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH", "BCOPY", "BMOVE",
	"BDELETE", "POLL", "ICY", "MERGE", "CHECKOUT" };

static bool is_response(const uint8_t *p, uint32_t n)
{
	return n >= 5 && !memcmp(p, "HTTP/", 5);
}

static bool is_request(const uint8_t *p, uint32_t n)
{
	if (!n || p[0] < 'B' || p[0] > 'U')
		return false;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		size_t k = strlen(methods[i]);
		if (n > k && !memcmp(p, methods[i], k) && p[k] == ' ')
			return true;
	}
	return false;
}

bool l4_http_looks(const uint8_t *p, uint32_t n)
{
	if (is_response(p, n))
		return true;
	/* a request line ends with its version */
	const uint8_t *nl = is_request(p, n) ? memchr(p, '\n', n) : NULL;
	if (!nl || nl - p < 14)
		return false;
	const uint8_t *e = nl > p && nl[-1] == '\r' ? nl - 1 : nl;
	return e - p > 8 && !memcmp(e - 8, "HTTP/1.", 7);
}

struct msg {
	bool response;
	uint32_t line;   /* length of the start line with its end */
	uint32_t header; /* length of start line and fields with the empty line */
	const uint8_t *host, *type;
	uint32_t host_len, type_len;
	const char *coding; /* of the body, if it can be undone */
	const char *full;   /* the whole URI, if somebody asked */
	uint32_t full_len;
	bool coded; /* in some way */
	bool has_length, chunked;
	bool connect; /* the request is CONNECT, or was */
	uint64_t length;
	unsigned code;
};

static bool same_word(const uint8_t *p, uint32_t n, const char *w)
{
	for (uint32_t i = 0; i < n; i++)
		if (!w[i] || (p[i] | 32) != (w[i] | 32))
			return false;
	return w[n] == 0;
}

/* End of the header (after the empty line), or 0: not there yet. */
static uint32_t header_end(const uint8_t *p, uint32_t n)
{
	const uint8_t *s = p, *end = p + n;
	while (s < end) {
		const uint8_t *nl = memchr(s, '\n', (size_t)(end - s));
		if (!nl)
			return 0;
		if (nl == s || (nl == s + 1 && *s == '\r'))
			return (uint32_t)(nl + 1 - p);
		s = nl + 1;
	}
	return 0;
}

/* Body length of a chunked message from `at` on, with its trailer; 0: not all there. *work grows by
 * about as many bytes as were looked at. */
static uint32_t chunks_end(const uint8_t *p, uint32_t n, uint32_t at, uint32_t *work)
{
	for (;;) {
		uint64_t size = 0;
		*work += 32;
		uint32_t k = at;
		while (k < n && size < UINT32_MAX) {
			uint8_t c = p[k];
			unsigned digit = c >= '0' && c <= '9'                 ? c - '0' + 0u
					 : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10u
									      : 16u;
			if (digit == 16)
				break;
			size = size << 4 | digit;
			k++;
		}
		const uint8_t *nl = k < n ? memchr(p + k, '\n', n - k) : NULL;
		*work += nl ? (uint32_t)(nl - p) - at : n - at;
		if (!nl)
			return 0;
		if (k == at)
			return n; /* no size: the rest is what it is */
		at = (uint32_t)(nl + 1 - p);
		if (size == 0) {
			uint32_t t = header_end(p + at, n - at);
			return t ? at + t : n - at >= 2 ? n : 0;
		}
		if (size + 2 > n - at)
			return 0;
		at += (uint32_t)size + 2;
	}
}

/* As text, a body ends at the first NUL. */
static uint32_t text_len(const uint8_t *p, uint32_t n)
{
	const uint8_t *nul = n ? memchr(p, 0, n) : NULL;
	return nul ? (uint32_t)(nul - p) : n;
}

/* A body of n bytes at `body`, which came as the `came` bytes at p; decoded where that is possible.
 */
static void put_body(struct l4_dissect *d, const struct msg *m, const uint8_t *p, uint32_t came,
    const uint8_t *body, uint32_t n)
{
	enum { ROOM_MIN = 4096, KEEP = 16384 };
	uint32_t left = ARENA_BYTES - d->arena_used;
	if (m->coding && d->cfg.decode && dis_wants(d, FILE_DATA) && left > KEEP + ROOM_MIN) {
		uint32_t cap = left - KEEP;
		uint8_t *out = (uint8_t *)d->arena + d->arena_used;
		size_t k = d->cfg.decode(m->coding, body, n, out, cap);
		if (k && k <= cap) {
			(void)dis_alloc(d, (uint32_t)k);
			dis_s(d, FILE_DATA, p, came, out, text_len(out, (uint32_t)k));
			return;
		}
	}
	/* What is coded otherwise, or damaged, is no text to show. */
	if (!m->coded || !d->cfg.decode)
		dis_s(d, FILE_DATA, p, came, body, text_len(body, n));
}

/* The body of a chunked message, put together. */
static void put_chunks(
    struct l4_dissect *d, const struct msg *m, struct l4_view v, uint32_t at, uint32_t end)
{
	uint32_t n = 0, limit = end < v.cap ? end : v.cap;
	char *body = dis_alloc(d, limit - at);
	const uint8_t *from = v.p + at;
	while (body && at < limit) {
		uint32_t size = 0;
		const uint8_t *nl = memchr(v.p + at, '\n', limit - at);
		if (!nl)
			break;
		for (const uint8_t *q = v.p + at; q < nl && size < 1u << 27; q++) {
			unsigned c = *q | 32u;
			if (c >= '0' && c <= '9')
				size = size << 4 | (c - '0');
			else if (c >= 'a' && c <= 'f')
				size = size << 4 | (c - 'a' + 10);
			else
				break;
		}
		at = (uint32_t)(nl + 1 - v.p);
		if (!size)
			break;
		uint32_t k = size < limit - at ? size : limit - at;
		memcpy(body + n, v.p + at, k);
		n += k;
		at += k < limit - at ? k + 2 : k;
	}
	if (n)
		put_body(d, m, from, end - (uint32_t)(from - v.p), (const uint8_t *)body, n);
}

/* The end of the line at s, without what ends it; the last one may have nothing that does. */
static const uint8_t *line_end(const uint8_t *s, const uint8_t *end, const uint8_t **next)
{
	const uint8_t *nl = memchr(s, '\n', (size_t)(end - s));
	*next = nl ? nl + 1 : end;
	if (!nl)
		return end;
	return nl > s && nl[-1] == '\r' ? nl - 1 : nl;
}

static const char *coding_of(const uint8_t *v, uint32_t n)
{
	if (same_word(v, n, "gzip") || same_word(v, n, "x-gzip"))
		return "gzip";
	if (same_word(v, n, "deflate") || same_word(v, n, "x-deflate"))
		return "deflate";
	return NULL;
}

static void read_fields(const uint8_t *p, struct msg *m)
{
	const uint8_t *s = p + m->line, *end = p + m->header;
	while (s < end) {
		const uint8_t *next, *e = line_end(s, end, &next);
		const uint8_t *colon = memchr(s, ':', (size_t)(e - s));
		if (colon) {
			uint32_t n = (uint32_t)(colon - s);
			const uint8_t *v = colon + 1;
			while (v < e && (*v == ' ' || *v == '\t'))
				v++;
			uint32_t vn = (uint32_t)(e - v);
			if (same_word(s, n, "content-length")) {
				uint32_t i = 0;
				m->length = 0;
				for (; i < vn && v[i] >= '0' && v[i] <= '9' &&
				       m->length < UINT64_MAX / 16;
				     i++)
					m->length = m->length * 10 + v[i] - '0';
				while (i < vn && v[i] == ' ')
					i++;
				m->has_length = vn && i == vn; /* else: no number */
			} else if (same_word(s, n, "transfer-encoding")) {
				m->chunked = vn >= 7 && same_word(v, 7, "chunked");
			} else if (same_word(s, n, "content-encoding")) {
				while (vn && (v[vn - 1] == ' ' || v[vn - 1] == '\t'))
					vn--;
				m->coding = coding_of(v, vn);
				m->coded = vn && !same_word(v, vn, "identity");
			} else if (same_word(s, n, "host")) {
				m->host = v;
				m->host_len = vn;
			} else if (same_word(s, n, "content-type")) {
				m->type = v;
				m->type_len = vn;
			}
		}
		s = next;
	}
}

static void put_fields(struct l4_dissect *d, const uint8_t *p, const struct msg *m)
{
	const uint8_t *s = p + m->line, *end = p + m->header;
	while (s < end) {
		const uint8_t *next, *e = line_end(s, end, &next);
		const uint8_t *colon = memchr(s, ':', (size_t)(e - s));
		uint32_t whole = (uint32_t)(next - s);
		if (e == s || !colon)
			break; /* what is no field ends them */
		dis_p(d, m->response ? RESP_LINE : REQ_LINE, s, whole);
		const uint8_t *v = colon + 1;
		while (v < e && (*v == ' ' || *v == '\t'))
			v++;
		for (unsigned r = H_HOST; r <= H_FORWARDED; r++)
			if (same_word(s, (uint32_t)(colon - s), fields[r].label)) {
				dis_s(d, r, s, whole, v, (uint32_t)(e - v));
				if (r == H_CONTENT_LENGTH && v < e && *v >= '0' && *v <= '9')
					dis_u(d, CONTENT_LENGTH, NULL, 0, m->length);
			}
		s = next;
	}
}

static bool pairs_wanted(const struct l4_dissect *d)
{
	for (unsigned r = REQ_NUMBER; r <= PREV_RESP; r++)
		if (dis_wants(d, r))
			return true;
	return false;
}

/* Which request or response of its connection it is. */
static void put_pair(struct l4_dissect *d, const struct msg *m)
{
	struct l4_http_told t;
	if (!d->app_conv || !pairs_wanted(d) ||
	    !l4_http_message(d, d->app_conv, m->response, m->full, m->full_len, &t))
		return;
	dis_u(d, m->response ? RESP_NUMBER : REQ_NUMBER, NULL, 0, t.number);
	if (t.prev_request)
		dis_u(d, PREV_REQ, NULL, 0, t.prev_request);
	if (!m->response)
		return;
	if (t.prev_response)
		dis_u(d, PREV_RESP, NULL, 0, t.prev_response);
	if (!t.request)
		return;
	struct l4_item *i = dis_u(d, TIME, NULL, 0, 0);
	if (i)
		i->v.i = t.took;
	dis_u(d, REQ_IN, NULL, 0, t.request);
	char *uri = t.uri ? dis_alloc(d, t.uri_len) : NULL; /* the record may change */
	if (uri) {
		memcpy(uri, t.uri, t.uri_len);
		dis_s(d, RESP_FOR, NULL, 0, uri, t.uri_len);
	}
}

/* Method, URI and version, or version, code and phrase. */
static void put_line(struct l4_dissect *d, const uint8_t *p, struct msg *m)
{
	const uint8_t *e = p + m->line;
	while (e > p && (e[-1] == '\n' || e[-1] == '\r'))
		e--;
	const uint8_t *a = memchr(p, ' ', (size_t)(e - p));
	if (!a)
		a = e;
	const uint8_t *b = a < e ? a + 1 : e, *c;
	dis_title(d, p, m->line, "%.*s", (int)(e - p), (const char *)p);
	dis_u(d, m->response ? RESPONSE : REQUEST, NULL, 0, 1);
	if (dis_wants(d, CHAT))
		dis_push(d, CHAT, p, m->line);
	if (m->response) {
		dis_p(d, RESP_VERSION, p, (uint32_t)(a - p));
		c = memchr(b, ' ', (size_t)(e - b));
		if (!c)
			c = e;
		for (const uint8_t *x = b; x < c && *x >= '0' && *x <= '9' && m->code < 100; x++)
			m->code = m->code * 10 + *x - '0';
		if (b < c) {
			dis_u(d, RESP_CODE, b, (uint32_t)(c - b), m->code);
			const char *reason = l4_value_name(reasons, m->code);
			if (reason)
				dis_s(d, RESP_CODE_DESC, NULL, 0, reason, (uint32_t)strlen(reason));
		}
		if (c < e)
			dis_p(d, RESP_PHRASE, c + 1, (uint32_t)(e - c - 1));
		return;
	}
	dis_p(d, REQ_METHOD, p, (uint32_t)(a - p));
	/* The URI ends at the next space; whatever follows is the version. */
	const uint8_t *uri_end = b < e ? memchr(b, ' ', (size_t)(e - b)) : NULL;
	if (!uri_end)
		uri_end = e;
	c = uri_end;
	while (c < e && *c == ' ')
		c++;
	dis_p(d, REQ_URI, b, (uint32_t)(uri_end - b));
	if (c < e)
		dis_p(d, REQ_VERSION, c, (uint32_t)(e - c));
	if (m->host && (dis_wants(d, FULL_URI) || pairs_wanted(d))) {
		bool absolute = m->connect || (uri_end - b > 7 && same_word(b, 4, "http") &&
						  !memcmp(b + 4, "://", 3));
		uint32_t n = (uint32_t)(uri_end - b) + (absolute ? 0 : m->host_len + 7);
		char *t = dis_alloc(d, n), *o = t;
		if (t) {
			if (!absolute) {
				memcpy(o, "http://", 7);
				memcpy(o + 7, m->host, m->host_len);
				o += 7 + m->host_len;
			}
			memcpy(o, b, (size_t)(uri_end - b));
			dis_s(d, FULL_URI, NULL, 0, t, n);
			m->full = t;
			m->full_len = n;
		}
	}
}

static void info_line(struct l4_dissect *d, const uint8_t *p, const struct msg *m)
{
	if (!cols(d))
		return;
	uint32_t n = m->line;
	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	col_clear(d);
	col_bytes(d, p, n);
	col_str(d, " ");
}

/* How long the message is; 0: incomplete, and more was asked for. */
static uint32_t extent(struct l4_dissect *d, struct l4_view v, uint32_t at, struct msg *m)
{
	const uint8_t *p = v.p;
	if (m->chunked) {
		d->scanned = m->header;
		uint32_t end = chunks_end(p, v.cap, m->header, &d->scanned);
		if (end)
			return end;
		return stream_want(d, at, STREAM_ONE_MORE) ? 0 : v.len;
	}
	bool bodiless = m->response && (m->code / 100 == 1 || m->code == 204 || m->code == 304 ||
					   (m->connect && m->code / 100 == 2));
	if (m->has_length && !bodiless) {
		if (m->length <= v.len - m->header)
			return m->header + (uint32_t)m->length;
		uint64_t more = m->length - (v.len - m->header);
		if (more < UINT32_MAX / 2 && stream_want(d, at, (uint32_t)more))
			return 0;
		return v.len;
	}
	if (m->response && !bodiless)
		return stream_want(d, at, STREAM_UNTIL_FIN) ? 0 : v.len;
	return m->header;
}

/* Which port a CONNECT's target names (RFC 9110 9.3.6); 0: none. */
static unsigned target_port(const uint8_t *p, uint32_t n)
{
	unsigned port = 0;
	const uint8_t *e = n > 8 ? memchr(p + 8, ' ', n - 8) : NULL;
	if (!e)
		return 0;
	const uint8_t *s = e;
	while (s > p && s[-1] >= '0' && s[-1] <= '9')
		s--;
	if (s[-1] != ':')
		return 0;
	for (; s < e && port < 65536; s++)
		port = port * 10 + *s - '0';
	return port < 65536 ? port : 0;
}

/* What the message makes of its connection. */
static void note(struct l4_dissect *d, const struct msg *m, const uint8_t *p, unsigned code)
{
	struct l4_conv *c = d->app_conv;
	if (!c)
		return;
	c->app_seen = true;
	if (!m->response) {
		c->app_state &= (uint8_t)~APP_CONNECT;
		if (m->connect) {
			c->app_state |= APP_CONNECT;
			c->tunnel_port = (uint16_t)target_port(p, m->line);
		}
	} else if (m->connect && code / 100 == 2) {
		c->app_state |= APP_TUNNEL;
		c->app = PROTO_http;
		c->app_seen = false;
	} else if (m->response && code == 101) {
		c->app = PROTO_data; /* an upgrade: no HTTP any more */
	}
}

/* Bytes that begin no message: nothing, between messages, or the middle of one. */
static void continuation(struct l4_dissect *d, struct l4_view rest, bool first)
{
	dis_layer(d, rest, 0);
	col_proto(d, "HTTP");
	if (first) {
		col_clear(d);
		col_str(d, "Continuation");
		dis_s(d, FILE_DATA, rest.p, rest.cap, rest.p, text_len(rest.p, rest.cap));
	}
}

/* ssdp: the layer is there, and the messages are HTTP in datagrams. */
static void messages(struct l4_dissect *d, struct l4_view v, bool ssdp)
{
	uint32_t at = 0;
	bool first = true;
	while (at < v.cap) {
		struct l4_view rest = view_skip(v, at);
		struct msg m = { .response = is_response(rest.p, rest.cap) };
		if (!m.response && !is_request(rest.p, rest.cap)) {
			if (ssdp)
				return;
			/* A byte of a keep-alive begins nothing. */
			if (first && rest.p[0] >= 0x20 && rest.p[0] < 0x7f &&
			    !memchr(rest.p, '\n', rest.cap) && stream_want(d, at, STREAM_ONE_MORE))
				return;
			/* On a connection without a message before, it is nothing. */
			if (first && d->app_conv && !d->app_conv->app_seen)
				return;
			continuation(d, rest, first);
			return;
		}
		m.connect = m.response ? d->app_conv && d->app_conv->app_state & APP_CONNECT
				       : rest.cap > 8 && !memcmp(rest.p, "CONNECT ", 8);
		if (d->app_conv)
			d->app_conv->app_seen = true;
		const uint8_t *nl = memchr(rest.p, '\n', rest.cap);
		m.line = nl ? (uint32_t)(nl + 1 - rest.p) : rest.cap;
		m.header = header_end(rest.p, rest.cap);
		info_line(d, rest.p, &m);
		if (!m.header) {
			if (stream_want(d, at, STREAM_ONE_MORE))
				return;
			m.header = rest.cap;
		}
		read_fields(rest.p, &m);
		for (const uint8_t *x = rest.p + 9; m.response && x < rest.p + 12 &&
						    x < rest.p + rest.cap && *x >= '0' && *x <= '9';
		     x++)
			m.code = m.code * 10 + *x - '0';
		uint32_t n = extent(d, rest, at, &m);
		if (!n)
			return;
		note(d, &m, rest.p, m.code);
		m.code = 0;
		if (!ssdp) {
			dis_layer(d, view_cut(rest, n), m.header);
			col_proto(d, "HTTP");
		}
		if (d->w_any) {
			put_line(d, rest.p, &m);
			put_fields(d, rest.p, &m);
			put_pair(d, &m);
			if (n > m.header && !m.chunked && m.header < rest.cap) {
				uint32_t k = (n < rest.cap ? n : rest.cap) - m.header;
				put_body(d, &m, rest.p + m.header, k, rest.p + m.header, k);
			} else if (m.chunked && n > m.header && dis_wants(d, FILE_DATA)) {
				put_chunks(d, &m, rest, m.header, n);
			}
		}
		if (cols(d) && m.type && n > m.header) {
			const uint8_t *semi = memchr(m.type, ';', m.type_len);
			uint32_t k = semi ? (uint32_t)(semi - m.type) : m.type_len;
			while (k && m.type[k - 1] == ' ')
				k--;
			col_str(d, " (");
			col_bytes(d, m.type, k);
			col_str(d, ")");
		}
		if (cols(d) && n < rest.len)
			col_str(d, " ");
		at += n;
		first = false;
	}
}

static void dissect_http(struct l4_dissect *d, struct l4_view v)
{
	const struct l4_conv *c = d->app_conv;
	if (c && c->app_state & APP_TUNNEL) {
		uint8_t id = d->by_tcp_port[c->tunnel_port];
		dis_layer(d, v, 0);
		dis_call(d, id == PROTO_NONE || id == PROTO_http ? PROTO_data : id, v);
		return;
	}
	messages(d, v, false);
}

/* UPnP's discovery: messages of HTTP, whose fields they show, in datagrams. */
static void dissect_ssdp(struct l4_dissect *d, struct l4_view v)
{
	if (!is_response(v.p, v.cap) && !is_request(v.p, v.cap)) {
		dis_data(d, v);
		return;
	}
	dis_layer(d, v, 0);
	col_proto(d, "SSDP");
	d->cur = PROTO_http;
	d->w = d->want + d->base[PROTO_http];
	d->w_any = d->any[PROTO_http];
	messages(d, v, true);
}

static const struct l4_field ssdp_fields[] = { ROW0(
    "ssdp", "Simple Service Discovery Protocol", 0) };

static const struct l4_binding ssdp_bindings[] = { { "udp.port", 1900 }, { NULL, 0 } };

const struct l4_dissector l4_dis_ssdp = {
	.proto = PROTO_INIT(
	    "ssdp", "Simple Service Discovery Protocol", "SSDP", ssdp_fields, 0, ssdp_bindings),
	.run = dissect_ssdp,
};

static const struct l4_binding bindings[] = { { "tcp.port", 80 }, { "tcp.port", 3128 },
	{ "tcp.port", 3132 }, { "tcp.port", 5985 }, { "tcp.port", 8080 }, { "tcp.port", 8088 },
	{ "tcp.port", 11371 }, { "tcp.port", 1900 }, { "tcp.port", 2869 }, { "tcp.port", 2710 },
	{ NULL, 0 } };

const struct l4_dissector l4_dis_http = {
	.proto = PROTO_INIT("http", "Hypertext Transfer Protocol", "HTTP", fields, 0, bindings),
	.run = dissect_http,
};
