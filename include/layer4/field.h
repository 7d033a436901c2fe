/* Protocol tables: one const table per protocol, of its fields.
 *
 * The same row serves reading and writing. To dissect, a row says where a value stands in the
 * header, how wide it is, and how it is shown; to craft, it says where to put a value, what it is
 * when nobody said (def), and what it is computed from (derive). Names are those of Wireshark's
 * display filters; the short name used in craft expressions is what follows the last dot
 * ("tcp.dstport" -> "dstport"), with `alias` as a second short name ("dport").
 *
 * A table's row 0 is the protocol itself (type L4_FT_PROTOCOL, name "tcp"); its bits is the length
 * of the fixed header. Rows follow in the order in which the values stand in the packet; a row
 * with depth n+1 is part of the closest row above with depth n (a flag of a flags word). A row
 * with bits 0 has no fixed place: its value is computed, or found by walking the packet (options,
 * names); `bit` has no meaning then. Bit 0 is the most significant bit of the header's first byte,
 * as in the drawings of the RFCs. */
#ifndef LAYER4_FIELD_H
#define LAYER4_FIELD_H

#include <stddef.h>
#include <stdint.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a value is and how it is held in struct l4_item. Numbers are in host order. */
enum l4_ftype {
	L4_FT_NONE,     /* there or not there; no value */
	L4_FT_PROTOCOL, /* row 0 */
	L4_FT_BOOL,     /* u: 0 or 1 */
	L4_FT_U8,       /* u; the width tells how many hex digits are shown, not bits on the wire */
	L4_FT_U16,
	L4_FT_U24,
	L4_FT_U32,
	L4_FT_U64,
	L4_FT_I8, /* i */
	L4_FT_I16,
	L4_FT_I32,
	L4_FT_I64,
	L4_FT_FRAME,  /* u: number of a packet of this capture */
	L4_FT_IP4,    /* p: 4 bytes in network order */
	L4_FT_IP6,    /* p: 16 bytes in network order */
	L4_FT_MAC,    /* p: 6 bytes */
	L4_FT_BYTES,  /* p, n */
	L4_FT_STRING, /* p, n: as on the wire, unescaped; not NUL-terminated */
	L4_FT_TIME,   /* u: ns since 1970-01-01 UTC */
	L4_FT_SPAN,   /* i: ns */
	L4_FT_DOUBLE, /* d */
};

enum l4_fbase {
	L4_BASE_NONE,
	L4_BASE_DEC,
	L4_BASE_HEX,
	L4_BASE_DEC_HEX, /* decimal, hex in brackets */
	L4_BASE_HEX_DEC, /* hex, decimal in brackets */
	L4_BASE_OUI,     /* the first three bytes of a MAC address */
	L4_BASE_COLON,   /* bytes as 0a:1b:2c */
	L4_BASE_UTC,     /* times */
};

/* What a field is computed from when it is crafted and nobody gave a value. */
enum l4_derive {
	L4_DERIVE_NONE,         /* def */
	L4_DERIVE_LENGTH,       /* bytes of this header and everything after it */
	L4_DERIVE_PAYLOAD,      /* bytes after the fixed header (IPv6's payload length) */
	L4_DERIVE_HEADER_WORDS, /* this header with options, in units of 4 bytes (IHL, data offset)
				 */
	L4_DERIVE_CHECKSUM,     /* Internet checksum of this header only (IPv4) */
	L4_DERIVE_CHECKSUM_ALL, /* ... of this header and everything after it (ICMP, IGMP) */
	L4_DERIVE_CHECKSUM_PSEUDO, /* ... and the pseudo-header (TCP, UDP, ICMPv6) */
	L4_DERIVE_NEXT,  /* number of the next layer in this protocol's table (ethertype, ...) */
	L4_DERIVE_COUNT, /* number of records that follow (DNS) */
	L4_DERIVE_LAST,  /* that less one (segment routing) */
	L4_DERIVE_HEADER_UNITS, /* this header with options, in units of 8 bytes, less one (IPv6) */
	L4_DERIVE_PORT,         /* of the next layer's protocol, or def */
	L4_DERIVE_SPORT,        /* its client's where there is one (DHCP, mDNS), or def */
};

enum {
	L4_FF_GENERATED = 1,     /* computed, not in the packet; shown in [brackets] */
	L4_FF_HIDDEN = 2,        /* a second name for a value (ip.addr): for filters, not shown */
	L4_FF_RELATIVE = 4,      /* counted from the connection's first number */
	L4_FF_CSUM = 8,          /* status of a checksum */
	L4_FF_MAY_BE_EMPTY = 32, /* bytes of which none is nothing unusual */
	L4_FF_EXPERT = 16, /* an event of the analysis: `label` is its text, `base` its severity */
};

/* Severities of L4_FF_EXPERT rows. */
enum l4_severity { L4_SEV_CHAT = 1, L4_SEV_NOTE, L4_SEV_WARN, L4_SEV_ERROR };

/* A value and its name. Tables end with name NULL. */
struct l4_value {
	uint64_t value;
	const char *name;
};

struct l4_field {
	const char *name;              /* "tcp.srcport" */
	const char *label;             /* "Source Port" */
	uint8_t type;                  /* enum l4_ftype */
	uint8_t base;                  /* enum l4_fbase; with L4_FF_EXPERT enum l4_severity */
	uint16_t bit;                  /* offset in the header, bits; meaningful if bits != 0 */
	uint16_t bits;                 /* width on the wire; 0: no fixed place */
	uint8_t depth;                 /* nesting, 0: directly below the protocol */
	uint8_t flags;                 /* L4_FF_* */
	uint8_t derive;                /* enum l4_derive */
	const struct l4_value *values; /* names of values, or NULL */
	uint64_t def;                  /* default when crafted */
	const char *alias;             /* second short name, or NULL */
	const char *unit;              /* shown after the value, or NULL */
};

/* Which number in which table of another protocol leads here: { "ip.proto", 6 }. Ends with table
 * NULL. Tables: linktype, ethertype, ip.proto, ppp, sll, udp.port, tcp.port, llc.sap, gre.proto. */
struct l4_binding {
	const char *table;
	uint32_t key;
};

struct l4_proto {
	const char *name;              /* "tcp" */
	const char *title;             /* "Transmission Control Protocol" */
	const char *column;            /* as in the summary's Protocol column: "TCP" */
	const struct l4_field *fields; /* row 0 is the protocol itself */
	uint16_t n_fields;
	uint16_t header_bits;              /* fixed header; 0: none */
	const struct l4_binding *bindings; /* or NULL */
};

/* All protocols, by index below l4_proto_count(). */
L4_EXPORT size_t l4_proto_count(void);
L4_EXPORT const struct l4_proto *l4_proto_at(size_t index);
/* By name ("tcp"), or NULL. */
L4_EXPORT const struct l4_proto *l4_proto_find(const char *name);
/* By full name ("tcp.srcport", or "tcp" itself); *proto_index is set if not NULL. NULL: unknown. */
L4_EXPORT const struct l4_field *l4_field_find(const char *name, size_t *proto_index);
/* By short name or alias within a protocol ("srcport", "sport"), or NULL. */
L4_EXPORT const struct l4_field *l4_field_short(const struct l4_proto *p, const char *name);
/* Name of a value, or NULL. */
L4_EXPORT const char *l4_value_name(const struct l4_value *values, uint64_t value);

/* Reads a field at its fixed place in a header of n bytes: up to 64 bits, host order. Returns 0;
 * L4_ETRUNC: the header ends before it; L4_EINVAL: no fixed place, or wider than 64 bits. */
L4_EXPORT int l4_field_read(const struct l4_field *f, const void *header, size_t n, uint64_t *out);
/* Writes it; the neighbouring bits stay. Returns as read; L4_EINVAL also if the value does not fit.
 */
L4_EXPORT int l4_field_write(const struct l4_field *f, void *header, size_t n, uint64_t value);

#ifdef __cplusplus
}
#endif
#endif
