/* Capture files: a bounded reader of pcap and pcapng, and a writer of pcapng.
 *
 * Neither opens files nor maps memory: bytes come and go through a function of the caller's, so
 * that a file, a pipe, a decompressor, a socket or a buffer of a test all serve alike. The reader
 * holds one block at a time (a window that slides over the input), so its memory does not depend
 * on the size of the capture.
 *
 * pcap: magics a1b2c3d4 (microseconds) and a1b23c4d (nanoseconds), both byte orders
 * (draft-ietf-opsawg-pcap). pcapng: section header, interface description, enhanced, simple and
 * obsolete packet blocks, comments, any number of sections and interfaces
 * (draft-ietf-opsawg-pcapng); other blocks are stepped over. */
#ifndef LAYER4_CAPFILE_H
#define LAYER4_CAPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/time.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Link types (the LINKTYPE_ registry), those that this project has a name for. */
enum l4_linktype {
	L4_LINK_NULL = 0,       /* BSD loopback: 4 bytes address family, writer's byte order */
	L4_LINK_ETHERNET = 1,   /* Ethernet II or 802.3 */
	L4_LINK_TOKEN_RING = 6, /* IEEE 802.5 */
	L4_LINK_ARCNET = 7,     /* ARCNET, BSD */
	L4_LINK_SLIP = 8,
	L4_LINK_PPP = 9,
	L4_LINK_FDDI = 10,
	L4_LINK_PPP_HDLC = 50,
	L4_LINK_PPP_ETHER = 51,
	L4_LINK_ATM_RFC1483 = 100,
	L4_LINK_RAW = 101,    /* IPv4 or IPv6, told by the first nibble */
	L4_LINK_C_HDLC = 104, /* Cisco HDLC */
	L4_LINK_IEEE802_11 = 105,
	L4_LINK_FRELAY = 107,
	L4_LINK_LOOP = 108, /* OpenBSD loopback: as NULL, big endian */
	L4_LINK_LINUX_SLL = 113,
	L4_LINK_IEEE802_11_RADIO = 127,
	L4_LINK_ARCNET_LINUX = 129,
	L4_LINK_PPP_PPPD = 166,
	L4_LINK_IPV4 = 228,
	L4_LINK_IPV6 = 229,
	L4_LINK_NFLOG = 239,
	L4_LINK_LINUX_SLL2 = 276,
	L4_LINK_UNKNOWN = 0xffff, /* a packet block named an interface that was not described */
};

/* ---- reading ---- */

/* Gives up to cap bytes into buf; returns how many, 0 at the end of input, or a negative L4_E*. */
typedef int64_t l4_capfile_read_fn(void *ctx, void *buf, size_t cap);

#define L4_CAPFILE_BLOCK_MAX (16u << 20) /* largest pcapng block that is looked into, bytes */
#define L4_CAPFILE_SNAP_MAX  262144u     /* largest packet that is believed, bytes */
#define L4_CAPFILE_IF_MAX    1024        /* interfaces of one section that are remembered */

enum l4_capfile_format {
	L4_CAPFILE_PCAP = 1,
	L4_CAPFILE_PCAP_NS = 2,
	L4_CAPFILE_PCAPNG = 3,
};

struct l4_cap_interface;

/* One packet as the file tells it. Pointers are borrowed until the next call on the reader. */
struct l4_cap_packet {
	const uint8_t *data;
	uint32_t caplen;       /* bytes at data */
	uint32_t len;          /* bytes on the wire, as the file says; may be below caplen in a
				  damaged file */
	l4_time ts;            /* ns since 1970-01-01 UTC */
	uint64_t number;       /* 1 for the first packet of the file */
	uint64_t offset;       /* of the record or block in the file, bytes */
	uint32_t interface_id; /* pcapng: index in its section; pcap: 0 */
	uint32_t section;      /* pcapng: which section, from 1 */
	uint16_t linktype;     /* enum l4_linktype */
	bool has_ts;           /* false: a simple packet block, ts is 0 */
	bool pcapng;           /* interface_id and section mean something */
	bool has_flags;        /* epb_flags was there */
	uint32_t flags;        /* epb_flags: bits 0-1 direction (1 in, 2 out), ... */
	const char *comment;   /* first opt_comment, not NUL-terminated; NULL: none */
	uint32_t comment_len;
	int8_t fcs_len;       /* bytes of frame check sequence at the end; -1: not said */
	uint8_t ts_precision; /* decimal digits below a second that the file keeps: 6, 9, ... */
	const struct l4_cap_interface *interface; /* pcapng: what is said of it; pcap: NULL */
};

/* What the file says of an interface. name and the like are copies cut at their size. */
struct l4_cap_interface {
	uint16_t linktype;
	uint32_t snaplen;
	uint8_t tsresol;       /* if_tsresol as in the file; 6 by default */
	int64_t tsoffset_s;    /* if_tsoffset, s */
	int8_t fcs_len;        /* if_fcslen; -1: not said */
	char name[64];         /* if_name, "" when not given */
	char description[128]; /* if_description */
};

struct l4_capfile;

/* A reader over what `read` gives. Reads nothing yet. NULL: no memory. The context is borrowed
 * until l4_capfile_free. */
L4_EXPORT struct l4_capfile *l4_capfile_new(l4_capfile_read_fn *read, void *ctx);
L4_EXPORT void l4_capfile_free(struct l4_capfile *f);
/* The next packet. Returns 1; 0 at a clean end of the input; or
 * L4_EUNSUPPORTED  the input is not a capture file (first call only),
 * L4_ETRUNC        the input ends inside a record or block (the part of a packet that was there
 *                  is not given),
 * L4_EMALFORMED    a length that cannot be; nothing after it can be trusted,
 * L4_ENOMEM, or what `read` returned.
 * After any of these the reader stays at its end; l4_capfile_damage tells where and why. */
L4_EXPORT int l4_capfile_next(struct l4_capfile *f, struct l4_cap_packet *out);
/* Reason and place (offset in the input, bytes) of the error above; after a clean end, of the first
 * damage that did not hinder the reading (a list of options that runs out of its block). "" when
 * there was none. */
L4_EXPORT const char *l4_capfile_damage(const struct l4_capfile *f, uint64_t *offset);
/* 0 before the first call of next. */
L4_EXPORT enum l4_capfile_format l4_capfile_format(const struct l4_capfile *f);
/* The interface of the current section; NULL when id is not one. For a pcap file, id 0. */
L4_EXPORT const struct l4_cap_interface *l4_capfile_interface(
    const struct l4_capfile *f, uint32_t id);
L4_EXPORT uint32_t l4_capfile_interfaces(const struct l4_capfile *f);

/* ---- writing ---- */

/* Takes n bytes; returns 0 or a negative L4_E*. It must take all of them. */
typedef int l4_capwr_fn(void *ctx, const void *data, size_t n);

/* A pcapng writer. In the caller's memory; nothing is allocated. Every call writes whole blocks,
 * so the file is whole after each of them. */
struct l4_capwr {
	l4_capwr_fn *write;
	void *ctx;
	uint32_t interfaces; /* described so far */
	int error;           /* first error of `write`, sticks: later calls return it */
};

enum l4_capwr_direction { L4_CAPWR_UNKNOWN = 0, L4_CAPWR_IN = 1, L4_CAPWR_OUT = 2 };

/* A packet to write: borrowed until return. */
struct l4_capwr_packet {
	uint32_t interface_id; /* as l4_capwr_interface returned */
	l4_time ts;            /* ns since 1970-01-01 UTC */
	const void *data;
	uint32_t caplen; /* bytes at data */
	uint32_t len;    /* bytes on the wire; 0: as caplen */
	enum l4_capwr_direction direction;
	const char *comment; /* UTF-8, NUL-terminated, cut at 65535 bytes; NULL: none */
};

/* Writes the section header block; application (for shb_userappl) may be NULL.
 * Returns 0 or what `write` returned. */
L4_EXPORT int l4_capwr_init(
    struct l4_capwr *w, l4_capwr_fn *write, void *ctx, const char *application);
/* Describes an interface: link type, snap length (0: none), name and description (may be NULL).
 * Time stamps have nanoseconds (if_tsresol 9). Returns its id, from 0, or a negative L4_E*. */
L4_EXPORT int l4_capwr_interface(struct l4_capwr *w, uint16_t linktype, uint32_t snaplen,
    const char *name, const char *description);
/* Writes one enhanced packet block. Returns 0; L4_EINVAL: the interface was not described;
 * or what `write` returned. */
L4_EXPORT int l4_capwr_packet(struct l4_capwr *w, const struct l4_capwr_packet *p);
/* Writes an interface statistics block: packets received and dropped by the system so far. */
L4_EXPORT int l4_capwr_stats(
    struct l4_capwr *w, uint32_t interface_id, l4_time ts, uint64_t received, uint64_t dropped);

#ifdef __cplusplus
}
#endif
#endif
