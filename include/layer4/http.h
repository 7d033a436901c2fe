/* HTTP/1.1 on the byte level (RFC 9112, RFC 9110): heads, framing, chunks, ranges, dates, URLs.
 *
 * No sockets, no allocation, no clock. Bytes come from the caller, results point into them. What
 * two parsers could read differently is refused, not guessed: bare CR or LF, folded lines, blanks
 * before a colon, two lengths, a length beside a transfer coding (RFC 9112 2.2, 5.1, 6.3, 11.2).
 *
 * Errors: L4_EAGAIN more bytes are needed, L4_EMALFORMED, L4_ELIMIT (a stated cap is passed). */
#ifndef LAYER4_HTTP_H
#define LAYER4_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/err.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of text in the caller's bytes, not terminated. p is NULL when there is none. */
struct l4_http_str {
	const char *p;
	size_t len;
};

/* Whether s is this text, letters compared without case (RFC 9110 5.1). */
L4_EXPORT bool l4_http_str_is(struct l4_http_str s, const char *text);

/* ---- Finding the end of a head ---------------------------------------------------------- */

#define L4_HTTP_FIELDS_MAX 96 /* field lines of one head */

/* Where the search for the end of a head stands. It never looks at a byte twice, so feeding one
 * byte at a time costs no more than feeding all. */
struct l4_http_scan {
	size_t line_max; /* bytes of one line without CRLF; default 8 KiB */
	size_t head_max; /* bytes of the whole head; default 32 KiB */
	size_t pos;      /* bytes looked at */
	size_t line;     /* where the current line begins */
	uint32_t lines;  /* lines complete, the empty ones before the start line not counted */
	uint16_t status; /* after an error: the status that fits, 400, 414 or 431 */
	bool cr;         /* the last byte was CR */
};

L4_EXPORT void l4_http_scan_init(struct l4_http_scan *s);
/* data holds all bytes since the head began, at least as many as in the last call. Returns the
 * length of the head with its empty line, L4_EAGAIN, L4_EMALFORMED (bare CR or LF, NUL) or
 * L4_ELIMIT. Up to four empty lines before the start line are taken as part of the head
 * (RFC 9112 2.2). */
L4_EXPORT int64_t l4_http_scan(struct l4_http_scan *s, const void *data, size_t len);

/* ---- Heads ------------------------------------------------------------------------------ */

enum l4_http_framing {
	L4_HTTP_BODY_NONE,    /* no body */
	L4_HTTP_BODY_LENGTH,  /* content_length bytes */
	L4_HTTP_BODY_CHUNKED, /* l4_http_chunked */
	L4_HTTP_BODY_CLOSE,   /* until the connection ends (responses only) */
};

struct l4_http_field {
	struct l4_http_str name, value; /* value without the blanks around it */
};

/* A head. The strings point into the bytes that were parsed. */
struct l4_http_head {
	uint8_t minor;                     /* of HTTP/1.minor */
	struct l4_http_str method, target; /* requests */
	uint16_t status;                   /* responses */
	struct l4_http_str reason;         /* responses; may be empty */
	uint16_t fields_n;
	struct l4_http_field fields[L4_HTTP_FIELDS_MAX];
	/* what the fields say of the message (RFC 9112 6.3, 9.3; RFC 9110 10.1.1) */
	enum l4_http_framing framing;
	uint64_t content_length; /* bytes, with L4_HTTP_BODY_LENGTH; also what HEAD announced */
	bool has_length;         /* a Content-Length was there */
	bool keep_alive;         /* the connection may carry another message */
	bool expect_continue;
	/* after an error */
	uint16_t error_status; /* the status that fits: 400, 431, 501, 505 */
	const char *error;     /* static text: what was wrong */
};

/* Parses a request head of exactly len bytes (as l4_http_scan returned). L4_EMALFORMED or L4_ELIMIT
 * with error_status and error set; the connection must then be closed after the answer. */
L4_EXPORT int l4_http_request_parse(struct l4_http_head *out, const void *data, size_t len);
/* Parses a response head. to_head says that the request was HEAD (RFC 9112 6.3, rule 1). */
L4_EXPORT int l4_http_response_parse(
    struct l4_http_head *out, const void *data, size_t len, bool to_head);
/* Value of the first field of this name, p NULL when there is none. */
L4_EXPORT struct l4_http_str l4_http_find(const struct l4_http_head *h, const char *name);
/* Whether the comma-separated lists of all fields of this name have this token. */
L4_EXPORT bool l4_http_has_token(const struct l4_http_head *h, const char *name, const char *token);
/* Whether Accept-Encoding takes this coding with a weight above 0 (RFC 9110 12.5.3). */
L4_EXPORT bool l4_http_accepts_coding(const struct l4_http_head *h, const char *coding);
/* Whether an entity tag stands in a list as of If-None-Match: "*" or by weak comparison
 * (RFC 9110 8.8.3.2, 13.1.2). etag is with its quotes. */
L4_EXPORT bool l4_http_etag_listed(struct l4_http_str list, const char *etag);
/* Whether text may stand in a field value that is sent: no CR, LF, NUL or other control but tab. */
L4_EXPORT bool l4_http_value_ok(const char *text, size_t len);
/* Whether text may be a field name or method (RFC 9110 5.6.2). */
L4_EXPORT bool l4_http_token_ok(const char *text, size_t len);
/* Usual reason phrase of a status, "Unknown" for others. Static memory. */
L4_EXPORT const char *l4_http_reason(unsigned status);

/* ---- Chunked bodies (RFC 9112 7.1) ------------------------------------------------------ */

#define L4_HTTP_CHUNK_EXT_MAX     4096 /* bytes of extensions of a whole body */
#define L4_HTTP_CHUNK_TRAILER_MAX 8192 /* bytes of trailer fields */

struct l4_http_chunked {
	uint64_t left; /* bytes of the current chunk still to come */
	uint32_t ext, trailer;
	uint8_t state, digits;
};

L4_EXPORT void l4_http_chunked_init(struct l4_http_chunked *c);
/* Reads on. Returns 1 when *piece is a run of body bytes inside data, 0 when all of data is used
 * and more is needed, L4_EEOF when the body is complete, L4_EMALFORMED or L4_ELIMIT. *used tells
 * how many bytes of data were taken; call again with the rest. */
L4_EXPORT int l4_http_chunked_next(struct l4_http_chunked *c, const void *data, size_t len,
    size_t *used, struct l4_http_str *piece);

/* ---- Ranges (RFC 9110 14) --------------------------------------------------------------- */

struct l4_http_range {
	uint64_t first, last; /* bytes, both included */
};

/* Parses a Range value for a representation of `size` bytes. Returns the number of satisfiable
 * ranges put in out (in the order asked), L4_ENOTFOUND when none is satisfiable (416), or
 * L4_EMALFORMED or L4_ELIMIT (more than max): the field is to be ignored. */
L4_EXPORT int l4_http_range_parse(
    struct l4_http_range *out, size_t max, struct l4_http_str value, uint64_t size);

/* ---- Dates (RFC 9110 5.6.7) ------------------------------------------------------------- */

#define L4_HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes the preferred form with NUL. unix_s: seconds since 1970-01-01 UTC, years 1..9999. */
L4_EXPORT void l4_http_date_format(int64_t unix_s, char out[L4_HTTP_DATE_LEN + 1]);
/* Parses any of the three forms. Two-digit years more than 50 years after now_s are in the past.
 * L4_EMALFORMED. */
L4_EXPORT int l4_http_date_parse(int64_t *unix_s, struct l4_http_str text, int64_t now_s);

/* ---- Targets and URLs ------------------------------------------------------------------- */

/* Writes the file path that a request target means: the path is cut out (origin-form or
 * absolute-form), percent-decoded once, and dot segments and doubled slashes are resolved. The
 * result begins with '/', keeps a last slash, and ends with NUL. Returns its length,
 * L4_EMALFORMED (bad escape, NUL, control, backslash, climbs above the root) or L4_ELIMIT. */
L4_EXPORT int l4_http_target_path(struct l4_http_str target, char *out, size_t cap);

/* An http URL (RFC 3986, RFC 9110 4.2). Strings point into the text. */
struct l4_url {
	struct l4_http_str scheme;
	struct l4_http_str host;   /* without brackets */
	struct l4_http_str target; /* path and query; "/" when the URL has none */
	struct l4_addr addr;       /* with is_literal */
	uint16_t port;             /* 80 when not given (443 for https) */
	bool is_literal;           /* the host is an IPv4 or IPv6 address */
	bool has_port;
};

/* Parses an absolute URL. L4_EMALFORMED, or L4_EUNSUPPORTED for user information. Any scheme is
 * parsed; http and https know their ports, others need one. */
L4_EXPORT int l4_url_parse(struct l4_url *out, const char *text, size_t len);
/* Resolves a reference (RFC 3986 5.2), as of Location, against an absolute URL. Writes an absolute
 * URL without fragment and NUL; returns its length, L4_EMALFORMED or L4_ELIMIT. */
L4_EXPORT int l4_url_resolve(
    const struct l4_url *base, struct l4_http_str ref, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
