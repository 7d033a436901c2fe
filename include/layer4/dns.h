/* DNS messages (RFC 1035, with 3596, 2782, 8659, 6891, 9460): bytes to structures, to text, and
 * back. No allocation, no state; every function is bounded by what it is given.
 *
 * Compression pointers are followed only backwards, each to before the part that holds it, so that
 * they end (RFC 9267 2); labels are at most 63 bytes, names 255. Names are kept as they are on the
 * wire, uncompressed, so that a dot or NUL inside a label stays what it is; text form escapes them.
 *
 * Functions return a count or L4_OK, L4_ETRUNC for bytes that end too early (or an output too
 * small), L4_EMALFORMED for bytes that the standard forbids, L4_ELIMIT for a cap of this library.
 */
#ifndef LAYER4_DNS_H
#define LAYER4_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/err.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#define L4_DNS_PORT          53
#define L4_DNS_HDR_LEN       12
#define L4_DNS_NAME_MAX      255  /* bytes on the wire, the root's zero included */
#define L4_DNS_NAME_TEXT_MAX 1024 /* text of any name, NUL included */
#define L4_DNS_UDP_MAX       512  /* without EDNS (RFC 1035 4.2.1) */
#define L4_DNS_EDNS_SIZE     1232 /* what we offer: no fragments on any IPv6 link */
#define L4_DNS_CHAIN_MAX     16   /* CNAMEs followed */

/* Types (IANA). Any other number works as well; these have names and, up to HTTPS, structure. */
#define L4_DNS_A     1
#define L4_DNS_NS    2
#define L4_DNS_CNAME 5
#define L4_DNS_SOA   6
#define L4_DNS_PTR   12
#define L4_DNS_MX    15
#define L4_DNS_TXT   16
#define L4_DNS_AAAA  28
#define L4_DNS_SRV   33
#define L4_DNS_DNAME 39
#define L4_DNS_OPT   41
#define L4_DNS_SVCB  64
#define L4_DNS_HTTPS 65
#define L4_DNS_CAA   257
#define L4_DNS_ANY   255

#define L4_DNS_IN        1 /* classes */
#define L4_DNS_CH        3
#define L4_DNS_CLASS_ANY 255

#define L4_DNS_NOERROR  0 /* response codes */
#define L4_DNS_FORMERR  1
#define L4_DNS_SERVFAIL 2
#define L4_DNS_NXDOMAIN 3
#define L4_DNS_NOTIMP   4
#define L4_DNS_REFUSED  5
#define L4_DNS_BADVERS  16

/* ---- names --------------------------------------------------------------------------------- */

struct l4_dns_name {
	uint8_t len; /* bytes of b in use, 1..255 */
	uint8_t b[L4_DNS_NAME_MAX];
};

/* Reads the name at offset off of a message, following pointers. Returns the bytes it takes at
 * off. */
L4_EXPORT int l4_dns_name_parse(struct l4_dns_name *out, const void *msg, size_t len, size_t off);
/* "example.org", "example.org.", ".", "a\.b.c", "\000x": a backslash takes the next character as
 * it is, or three digits as a byte. Returns L4_OK or L4_EMALFORMED. */
L4_EXPORT int l4_dns_name_from_text(struct l4_dns_name *out, const char *text);
/* "4.3.2.1.in-addr.arpa." of 1.2.3.4; nibbles under ip6.arpa for IPv6 (RFC 3596 2.5). */
L4_EXPORT void l4_dns_name_from_addr(struct l4_dns_name *out, const struct l4_addr *a);
/* Writes the text with a final dot and escapes; returns its length without NUL, or L4_ETRUNC. cap
 * of L4_DNS_NAME_TEXT_MAX is always enough. */
L4_EXPORT int l4_dns_name_format(const struct l4_dns_name *n, char *text, size_t cap);
/* Equal, letters of ASCII without regard to case (RFC 4343). */
L4_EXPORT bool l4_dns_name_eq(const struct l4_dns_name *a, const struct l4_dns_name *b);

/* ---- messages ------------------------------------------------------------------------------ */

struct l4_dns_hdr {
	uint16_t id;
	bool qr; /* a response */
	uint8_t opcode;
	bool aa, tc, rd, ra, ad, cd;
	uint8_t rcode;     /* the low 4 bits; EDNS has 8 more */
	uint16_t count[4]; /* by section, as said; not to be trusted */
};

#define L4_DNS_QUESTION   0
#define L4_DNS_ANSWER     1
#define L4_DNS_AUTHORITY  2
#define L4_DNS_ADDITIONAL 3

struct l4_dns_rr {
	uint8_t section; /* L4_DNS_QUESTION .. L4_DNS_ADDITIONAL */
	struct l4_dns_name name;
	uint16_t type, class_;
	/* not for questions: */
	uint32_t ttl_s;     /* seconds; above 2^31 - 1 reads as 0 (RFC 2181 8), except in OPT */
	uint16_t rdata_len; /* bytes */
	size_t rdata_off;   /* from the message's first byte */
};

/* Where a walk through a message's records stands. */
struct l4_dns_iter {
	const uint8_t *msg; /* borrowed */
	size_t len, off;
	uint8_t section;
	uint16_t left[4]; /* records still due, by section */
};

/* Returns L4_DNS_HDR_LEN or L4_ETRUNC. */
L4_EXPORT int l4_dns_hdr_parse(struct l4_dns_hdr *out, const void *msg, size_t len);
/* Starts a walk; reads the header into *hdr (NULL: not wanted). Returns L4_OK or L4_ETRUNC. */
L4_EXPORT int l4_dns_iter_init(
    struct l4_dns_iter *it, struct l4_dns_hdr *hdr, const void *msg, size_t len);
/* The next question or record. Returns 1, 0 when all sections are done, or an error (also when the
 * header counts more than is there). Bytes behind the last record are ignored. */
L4_EXPORT int l4_dns_iter_next(struct l4_dns_iter *it, struct l4_dns_rr *out);
/* Walks the whole message, structured rdata included. L4_OK when all of it is well formed. */
L4_EXPORT int l4_dns_check(const void *msg, size_t len);
/* Whether msg is a response to the question: QR, id, and exactly this one question (RFC 5452 9.1;
 * address and port are the caller's to compare). */
L4_EXPORT bool l4_dns_is_answer(const void *msg, size_t len, uint16_t id,
    const struct l4_dns_name *name, uint16_t type, uint16_t class_);
/* Follows CNAMEs of the answer section from *name, which becomes the last name. Records of other
 * owners do not count. Returns how many were followed, L4_ELIMIT above L4_DNS_CHAIN_MAX (loops
 * too). */
L4_EXPORT int l4_dns_follow(struct l4_dns_name *name, const void *msg, size_t len);
/* The addresses in an answer for name, CNAMEs followed: A and AAAA. Returns how many (at most
 * max are stored and counted). */
L4_EXPORT int l4_dns_addrs(
    struct l4_addr *out, size_t max, const struct l4_dns_name *name, const void *msg, size_t len);

/* ---- rdata --------------------------------------------------------------------------------- */

struct l4_dns_soa {
	struct l4_dns_name mname, rname;
	uint32_t serial, refresh_s, retry_s, expire_s, minimum_s;
};

struct l4_dns_srv { /* also MX (priority, target) */
	uint16_t priority, weight, port;
	struct l4_dns_name target;
};

struct l4_dns_caa {
	uint8_t flags;
	uint8_t tag_len;
	uint16_t value_len;
	const uint8_t *tag, *value; /* borrowed */
};

struct l4_dns_svcb {
	uint16_t priority; /* 0: alias */
	struct l4_dns_name target;
	const uint8_t *params; /* SvcParams as on the wire, borrowed; l4_dns_tlv_next reads them */
	uint16_t params_len;
};

struct l4_dns_opt {
	uint16_t udp_size; /* at least 512 */
	uint8_t ext_rcode; /* high 8 bits of the response code */
	uint8_t version;
	bool dnssec_ok;
	const uint8_t *options; /* as on the wire, borrowed; l4_dns_tlv_next reads them */
	uint16_t options_len;
};

/* The data of a record; which member holds follows from the type. */
struct l4_dns_rdata {
	uint16_t type;
	union {
		struct l4_addr addr;     /* A, AAAA */
		struct l4_dns_name name; /* NS, CNAME, PTR, DNAME */
		struct l4_dns_soa soa;
		struct l4_dns_srv srv; /* SRV, MX */
		struct l4_dns_caa caa;
		struct l4_dns_svcb svcb; /* SVCB, HTTPS */
		struct l4_dns_opt opt;
		struct {
			const uint8_t *bytes; /* TXT: strings, each led by its length; all other
						 types: as is */
			uint16_t len;
		} raw;
	} u;
};

/* Structure of the record's data. Lengths are exact: a name ends where the data ends, A has 4
 * bytes (RFC 9267 5). Types without structure here give u.raw. Returns L4_OK or L4_EMALFORMED. */
L4_EXPORT int l4_dns_rdata_parse(
    struct l4_dns_rdata *out, const struct l4_dns_rr *rr, const void *msg, size_t len);
/* The OPT record of a message. Returns 1, 0 when there is none, L4_EMALFORMED for two or a bad one
 * (RFC 6891 6.1.1). */
L4_EXPORT int l4_dns_edns(struct l4_dns_opt *out, const void *msg, size_t len);
/* The next string of a TXT record: *off counts in bytes, from 0. Returns 1, 0 at the end, or an
 * error. */
L4_EXPORT int l4_dns_txt_next(
    const uint8_t *bytes, size_t len, size_t *off, const uint8_t **str, uint8_t *str_len);
/* The next key and value of EDNS options or SvcParams (16-bit key, 16-bit length). As above. */
L4_EXPORT int l4_dns_tlv_next(const uint8_t *bytes, size_t len, size_t *off, uint16_t *key,
    const uint8_t **value, uint16_t *value_len);

/* ---- text ---------------------------------------------------------------------------------- */

/* The data in presentation form, as in a zone file. Unknown types as RFC 3597 5 ("\# 3 abcdef").
 * Returns the length without NUL, L4_ETRUNC when cap is too small, or L4_EMALFORMED. */
L4_EXPORT int l4_dns_rdata_format(
    const struct l4_dns_rr *rr, const void *msg, size_t len, char *text, size_t cap);
/* "name ttl class type data", fields separated by tabs; a question without ttl and data. */
L4_EXPORT int l4_dns_rr_format(
    const struct l4_dns_rr *rr, const void *msg, size_t len, char *text, size_t cap);
/* "MX", or "TYPE1234" (RFC 3597). cap at least 16. Returns the length. */
L4_EXPORT int l4_dns_type_format(uint16_t type, char *text, size_t cap);
L4_EXPORT int l4_dns_class_format(uint16_t class_, char *text, size_t cap);
/* Response code of 12 bits: "NXDOMAIN", "RCODE1234". */
L4_EXPORT int l4_dns_rcode_format(uint16_t rcode, char *text, size_t cap);
L4_EXPORT int l4_dns_opcode_format(uint8_t opcode, char *text, size_t cap);
/* Names as above, any case, or "TYPE1234". Returns the number or L4_ENOTFOUND. */
L4_EXPORT int l4_dns_type_parse(const char *text);
L4_EXPORT int l4_dns_class_parse(const char *text);

/* ---- building ------------------------------------------------------------------------------ */

/* A message under construction in the caller's memory. Sections are filled in their order. A
 * record that does not fit is left out whole, sets TC, and is reported. */
struct l4_dns_writer {
	uint8_t *buf;
	size_t cap, len;
	uint8_t section;
	uint8_t seen_n;
	uint16_t seen[32]; /* offsets of names that pointers may lead to */
};

/* Writes the header (its counts start at 0). Returns L4_OK or L4_ETRUNC. */
L4_EXPORT int l4_dns_writer_init(
    struct l4_dns_writer *w, void *buf, size_t cap, const struct l4_dns_hdr *hdr);
L4_EXPORT int l4_dns_add_question(
    struct l4_dns_writer *w, const struct l4_dns_name *name, uint16_t type, uint16_t class_);
/* Adds a record of the type in rdata->type (class IN), its names compressed where RFC 3597 4
 * allows. Returns L4_OK, L4_ETRUNC when it does not fit, L4_ESTATE when the section is already
 * past, L4_EINVAL. */
L4_EXPORT int l4_dns_add_rr(struct l4_dns_writer *w, uint8_t section,
    const struct l4_dns_name *name, uint32_t ttl_s, const struct l4_dns_rdata *rdata);
/* Adds A or AAAA, by the address. */
L4_EXPORT int l4_dns_add_addr(struct l4_dns_writer *w, uint8_t section,
    const struct l4_dns_name *name, uint32_t ttl_s, const struct l4_addr *a);
/* Adds the OPT record (additional section). */
L4_EXPORT int l4_dns_add_opt(struct l4_dns_writer *w, const struct l4_dns_opt *opt);
/* A whole query: RD set, one question, and EDNS when udp_size is not 0. Returns its length or
 * L4_ETRUNC. */
L4_EXPORT int l4_dns_query_emit(void *buf, size_t cap, uint16_t id, const struct l4_dns_name *name,
    uint16_t type, uint16_t udp_size, bool dnssec_ok);

#ifdef __cplusplus
}
#endif
#endif
