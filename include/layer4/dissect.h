/* Dissection: packets of a capture, one after the other, into layers, fields and a summary.
 *
 * A context holds what is remembered across packets (connections, fragments, streams). It is fed
 * the packets in order, each once; the result of a call is borrowed until the next. Memory is
 * bounded by the limits of the configuration: when one is reached the oldest or newest entry is
 * given up as said there, and dissection goes on.
 *
 * What is computed depends on what was asked for: nothing is formatted or stored for fields that
 * nobody wants. */
#ifndef LAYER4_DISSECT_H
#define LAYER4_DISSECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/capfile.h>
#include <layer4/field.h>
#include <layer4/time.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct l4_dissect;

struct l4_dissect_config {
	uint32_t connections_max; /* remembered; 0: 4 million. More: not analysed */
	uint32_t
	    fragments_kib_max;    /* bytes of IP fragments held, KiB; 0: 4096. More: oldest first */
	uint32_t streams_kib_max; /* bytes of streams held for reassembly, KiB; 0: 16384 */
	bool no_streams;          /* no reassembly of TCP streams for the layers above */
	bool check_checksums;     /* verify IP, TCP, UDP checksums (offload recognised) */
	/* Undoes a content coding ("gzip", "deflate") of the n bytes at in, for http.file_data:
	 * writes at most cap bytes to out and returns how many, 0: it cannot. NULL: bodies are
	 * shown as they came. */
	size_t (*decode)(const char *coding, const uint8_t *in, size_t n, uint8_t *out, size_t cap);
	uint64_t hash_seed; /* any number that the capture's maker does not know; changes no
			       result, only what colliding names cost */
	/* The name of a port of protocol 6 or 17 for titles and the info column, as "http(80)";
	 * returns NUL-terminated text of at most 31 bytes (more is cut) that stays, or NULL: it has
	 * none. NULL: ports are numbers. */
	const char *(*port_name)(void *ctx, uint16_t port, uint8_t proto);
	void *port_name_ctx;
};

/* cfg may be NULL. NULL: no memory. */
L4_EXPORT struct l4_dissect *l4_dissect_new(const struct l4_dissect_config *cfg);
L4_EXPORT void l4_dissect_free(struct l4_dissect *d);

/* Asks for a field by name, for every field, for the columns of the summary. Before the first
 * packet. l4_dissect_want returns 0 or L4_ENOTFOUND. */
L4_EXPORT int l4_dissect_want(struct l4_dissect *d, const char *field);
L4_EXPORT void l4_dissect_want_all(struct l4_dissect *d);
L4_EXPORT void l4_dissect_want_columns(struct l4_dissect *d);
/* Asks that connections be tracked even if no field or column needs them. */
L4_EXPORT void l4_dissect_want_connections(struct l4_dissect *d);

/* Says that nobody looks at layers above TCP: what a segment carries is then dissected only if a
 * wanted field needs it, and may be missing from `layers`. Before the first packet. */
L4_EXPORT void l4_dissect_stop_at_tcp(struct l4_dissect *d);

struct l4_layer {
	const struct l4_proto *proto;
	const uint8_t *data;  /* first byte of its header */
	uint32_t header_len;  /* bytes of its header that are there */
	uint32_t caplen, len; /* header and everything after it: captured, and on the wire */
	uint8_t source;       /* 0: the packet itself; n: the n-th reassembled buffer */
};

/* One occurrence of a field. */
struct l4_item {
	const struct l4_field *field;
	const uint8_t *at; /* the bytes it was read from; NULL: computed */
	uint32_t at_len;
	uint32_t n; /* length of p, bytes */
	union {
		uint64_t u;
		int64_t i;
		double d;
		const uint8_t *p;
	} v;
	const char *text; /* a title in words for a node of the tree, or NULL; NUL-terminated */
	uint8_t layer;    /* index of its layer */
	uint8_t depth;    /* nesting below its layer; row 0: 0, its fields: 1, ... */
	uint8_t source;   /* as in its layer */
};

enum l4_addr_kind { L4_AK_NONE, L4_AK_MAC, L4_AK_IP4, L4_AK_IP6, L4_AK_TEXT };

struct l4_dissected {
	const struct l4_cap_packet *cap;
	const struct l4_layer *layers;
	uint32_t n_layers;
	const struct l4_item *items; /* the wanted fields, in the order of the packet's tree */
	uint32_t n_items;
	/* Columns; valid if wanted. */
	enum l4_addr_kind src_kind, dst_kind;
	const uint8_t *src, *dst; /* 6, 4, 16 bytes, or text */
	const char *protocol;
	const char *info;
	uint32_t info_len; /* bytes of info */
	bool info_plain;   /* info holds nothing that a terminal could take for a command */
	/* Damage in the packet itself. */
	bool malformed;         /* a length or value that cannot be */
	bool cut;               /* the capture kept too few bytes of it */
	const char *damaged;    /* name of the protocol that found it, or NULL */
	uint32_t damage_offset; /* bytes from the packet's start (0 in a reassembled buffer) */
	/* Its connection. */
	int64_t stream;       /* number of the TCP or UDP stream, -1: none */
	uint8_t stream_proto; /* 6 or 17 */
};

/* Dissects one packet. The result is borrowed until the next call. */
L4_EXPORT const struct l4_dissected *l4_dissect_packet(
    struct l4_dissect *d, const struct l4_cap_packet *cap);

/* What stands before the info column in a summary line: number, time since `first` (ns since
 * 1970-01-01 UTC), addresses, protocol, length, padded to Wireshark's widths, with a space at the
 * end. Columns must be wanted. Writes at most L4_DISSECTED_LINE_MAX bytes, without NUL, and returns
 * how many. */
#define L4_DISSECTED_LINE_MAX 320
L4_EXPORT size_t l4_dissected_line(const struct l4_dissected *p, l4_time first, char *out);

/* A conversation: what was seen between two ends. [0]: sent by `a`, who sent the first packet. */
struct l4_conversation {
	uint8_t proto; /* 6 TCP, 17 UDP, 0: all of IP between two addresses */
	uint32_t id;   /* stream number, within its protocol */
	struct l4_endpoint a, b;
	uint32_t packets[2];
	uint64_t bytes[2];   /* of the packets on the wire */
	uint64_t payload[2]; /* bytes above TCP or UDP, as sent (repetitions included) */
	uint32_t retransmissions[2];
	l4_time first, last;  /* ns since 1970-01-01 UTC */
	l4_time rtt;          /* of the handshake, ns; 0: not seen */
	uint8_t completeness; /* bits: 1 SYN, 2 SYN+ACK, 4 ACK, 8 data, 16 FIN, 32 RST */
};

/* The number of conversations so far, and one of them, in the order of their beginning. Returns 0
 * or L4_ENOTFOUND. */
L4_EXPORT uint32_t l4_dissect_conversations(const struct l4_dissect *d);
L4_EXPORT int l4_dissect_conversation(
    const struct l4_dissect *d, uint32_t index, struct l4_conversation *out);

/* Writes the value of an item as text the way --fields shows it (numbers plain, hex with the
 * width of the type, bytes as hex digits), and returns its length; at most cap bytes, without
 * NUL. Text from the packet is not escaped here. */
L4_EXPORT size_t l4_item_text(const struct l4_item *i, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
