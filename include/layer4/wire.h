/* Wire formats: bytes to structures and back. No allocation, no state, no clock.
 *
 * Every parser has the form
 *
 *     int l4_<proto>_parse(struct l4_<proto>_hdr *out, const void *data, size_t len);
 *
 * It reads at most len bytes, returns the length of the header in bytes (>= 0), or
 *     L4_ETRUNC       fewer bytes than the header needs,
 *     L4_EMALFORMED   bytes that the standard forbids,
 *     L4_ELIMIT       a stated cap of this library is passed.
 * After an error *out is not to be used. Emitters
 *
 *     int l4_<proto>_emit(const struct l4_<proto>_hdr *in, void *buf, size_t cap);
 *
 * return the bytes written, L4_ETRUNC when cap is too small, or L4_EINVAL for what cannot be
 * expressed. Values are in host byte order, except `_be` fields, which are as stored in memory;
 * addresses are struct l4_addr (IPv4 as IPv4-mapped). Pointers inside results point into the
 * caller's data and live as long as it does. */
#ifndef LAYER4_WIRE_H
#define LAYER4_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/checksum.h>
#include <layer4/drop.h>
#include <layer4/err.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* EtherTypes and protocol numbers in use here (IANA). */
#define L4_ETHERTYPE_IP4  0x0800
#define L4_ETHERTYPE_ARP  0x0806
#define L4_ETHERTYPE_VLAN 0x8100 /* 802.1Q */
#define L4_ETHERTYPE_QINQ 0x88a8 /* 802.1ad */
#define L4_ETHERTYPE_IP6  0x86dd

#define L4_PROTO_HOPOPTS  0
#define L4_PROTO_ICMP     1
#define L4_PROTO_IGMP     2
#define L4_PROTO_IPIP     4
#define L4_PROTO_TCP      6
#define L4_PROTO_UDP      17
#define L4_PROTO_IP6      41
#define L4_PROTO_ROUTING  43
#define L4_PROTO_FRAGMENT 44
#define L4_PROTO_ESP      50
#define L4_PROTO_AH       51
#define L4_PROTO_ICMP6    58
#define L4_PROTO_NONE     59
#define L4_PROTO_DSTOPTS  60

/* ---- Ethernet II, 802.1Q, 802.1ad ---------------------------------------------------------- */

#define L4_ETH_HDR_LEN  14
#define L4_ETH_VLAN_MAX 2 /* tags followed; more give L4_ELIMIT */

struct l4_vlan {
	uint16_t tpid; /* 0x8100 or 0x88a8 */
	uint16_t tci;  /* priority 3 bits, drop eligible 1 bit, VLAN id 12 bits */
};

struct l4_eth_hdr {
	struct l4_mac dst, src;
	uint16_t type;  /* after the tags; 0..1500: an 802.3 length, LLC follows */
	uint8_t vlan_n; /* tags present, outer first */
	struct l4_vlan vlan[L4_ETH_VLAN_MAX];
};

/* Parses the header with its tags. A type of 1501..1535, or an 802.3 length beyond the frame, is
 * L4_EMALFORMED (IEEE 802.3 3.2.6). */
L4_EXPORT int l4_eth_parse(struct l4_eth_hdr *out, const void *data, size_t len);
L4_EXPORT int l4_eth_emit(const struct l4_eth_hdr *in, void *buf, size_t cap);

L4_EXPORT bool l4_mac_is_group(const struct l4_mac *m); /* multicast or broadcast */
L4_EXPORT bool l4_mac_is_broadcast(const struct l4_mac *m);
L4_EXPORT bool l4_mac_is_zero(const struct l4_mac *m);
L4_EXPORT bool l4_mac_eq(const struct l4_mac *a, const struct l4_mac *b);
/* The group MAC of a multicast address (RFC 1112 6.4, RFC 2464 7), broadcast for the rest. */
L4_EXPORT struct l4_mac l4_mac_from_group(const struct l4_addr *group);

/* ---- ARP (RFC 826) for IPv4 over Ethernet -------------------------------------------------- */

#define L4_ARP_LEN     28
#define L4_ARP_REQUEST 1
#define L4_ARP_REPLY   2

struct l4_arp_hdr {
	uint16_t op; /* L4_ARP_REQUEST or L4_ARP_REPLY; others are L4_EMALFORMED */
	struct l4_mac sha, tha;
	struct l4_addr spa, tpa; /* IPv4-mapped */
};

L4_EXPORT int l4_arp_parse(struct l4_arp_hdr *out, const void *data, size_t len);
L4_EXPORT int l4_arp_emit(const struct l4_arp_hdr *in, void *buf, size_t cap);

/* ---- IPv4 (RFC 791) ------------------------------------------------------------------------ */

#define L4_IP4_HDR_LEN     20
#define L4_IP4_HDR_LEN_MAX 60

/* Options seen, in l4_ip4_hdr.opt_flags and l4_packet.ip_opts. */
#define L4_IPO_LSRR         0x01u /* loose source route */
#define L4_IPO_SSRR         0x02u /* strict source route */
#define L4_IPO_RR           0x04u /* record route */
#define L4_IPO_TS           0x08u /* internet timestamp */
#define L4_IPO_ROUTER_ALERT 0x10u /* RFC 2113; in IPv6 RFC 2711 */
#define L4_IPO_OTHER        0x80u

struct l4_ip4_hdr {
	uint8_t hdr_len; /* bytes, 20..60; emit computes it from opts_len */
	uint8_t tos;     /* DSCP 6 bits, ECN 2 bits */
	uint16_t total_len;
	uint16_t id;
	uint16_t frag_off; /* bytes, a multiple of 8 */
	bool df, mf, reserved;
	uint8_t ttl;
	uint8_t proto;
	uint16_t csum_be; /* as stored; emit computes it */
	struct l4_addr src, dst;
	uint8_t opt_flags; /* L4_IPO_*; parse only */
	uint8_t opts_len;  /* bytes of opts in use, 0..40; emit pads to 4 with zeros */
	uint8_t opts[40];  /* as on the wire */
};

/* Checks version, 20 <= header length <= total length <= len, and walks the options (each inside
 * the header). The header checksum is not checked: l4_ip4_csum_ok does. */
L4_EXPORT int l4_ip4_parse(struct l4_ip4_hdr *out, const void *data, size_t len);
/* The same for a packet quoted in an ICMP error: the total length may exceed len. */
L4_EXPORT int l4_ip4_parse_quoted(struct l4_ip4_hdr *out, const void *data, size_t len);
/* Whether the header checksum is right. hdr_len as l4_ip4_parse returned it. */
L4_EXPORT bool l4_ip4_csum_ok(const void *hdr, size_t hdr_len);
/* Writes the header with its checksum. total_len is in->total_len, header included. */
L4_EXPORT int l4_ip4_emit(const struct l4_ip4_hdr *in, void *buf, size_t cap);

/* ---- IPv6 (RFC 8200) ----------------------------------------------------------------------- */

#define L4_IP6_HDR_LEN 40
#define L4_IP6_EXT_MAX 8 /* extension headers followed */
#define L4_IP6_MTU_MIN 1280

struct l4_ip6_hdr {
	uint8_t tclass; /* DSCP 6 bits, ECN 2 bits */
	uint32_t flow;  /* 20 bits */
	uint16_t payload_len;
	uint8_t next;
	uint8_t hop_limit;
	struct l4_addr src, dst;
};

/* Checks version and 40 + payload length <= len. */
L4_EXPORT int l4_ip6_parse(struct l4_ip6_hdr *out, const void *data, size_t len);
L4_EXPORT int l4_ip6_parse_quoted(struct l4_ip6_hdr *out, const void *data, size_t len);
L4_EXPORT int l4_ip6_emit(const struct l4_ip6_hdr *in, void *buf, size_t cap);

/* Where a chain of extension headers leads. Offsets count from the IPv6 header's first byte. */
struct l4_ip6_chain {
	uint8_t proto;   /* upper protocol; L4_PROTO_NONE: nothing follows. ESP, AH, and unknown
			  * headers count as upper protocols */
	uint8_t ext_n;   /* extension headers passed */
	uint16_t nh_off; /* the octet that named proto (for Parameter Problem code 1) */
	uint32_t
	    upper_off;     /* first byte of the upper protocol (in a later fragment: of the data) */
	uint8_t opt_flags; /* L4_IPO_ROUTER_ALERT */
	bool has_frag;     /* a Fragment header is there, be it atomic (RFC 6946) */
	bool frag_more;
	uint8_t frag_next;     /* its Next Header */
	uint16_t frag_nh_off;  /* the octet that named the Fragment header */
	uint32_t frag_hdr_off; /* the Fragment header = length of the unfragmentable part */
	uint16_t frag_off;     /* bytes */
	uint32_t frag_id;
	/* When the chain is not accepted: the reason and the answer that it deserves. */
	enum l4_drop drop;
	uint8_t icmp_code; /* of a Parameter Problem (type 4) */
	bool icmp_send;    /* whether one is to be sent at all */
	uint32_t icmp_ptr;
};

/* Walks the chain that starts with `next` behind the fixed header. data is the IPv6 header with the
 * len bytes at hand, packet_len the packet's true length (40 + payload length). dst decides whether
 * unknown options of the kind "11" are answered. Returns 0, or L4_EMALFORMED with drop and icmp_*
 * set. One iterative loop, at most L4_IP6_EXT_MAX headers (RFC 8200 4, RFC 7045, RFC 7112 5, RFC
 * 5095). */
L4_EXPORT int l4_ip6_walk(struct l4_ip6_chain *out, uint8_t next, const void *data, size_t len,
    size_t packet_len, const struct l4_addr *dst);
/* Writes a Fragment header (8 bytes). off in bytes, a multiple of 8. */
L4_EXPORT int l4_ip6_frag_emit(
    uint8_t next, uint16_t off, bool more, uint32_t id, void *buf, size_t cap);

/* ---- UDP (RFC 768) ------------------------------------------------------------------------- */

#define L4_UDP_HDR_LEN 8

struct l4_udp_hdr {
	uint16_t sport, dport;
	uint16_t len;     /* header and data, bytes; 8 <= len <= bytes present */
	uint16_t csum_be; /* as stored; 0: none */
};

L4_EXPORT int l4_udp_parse(struct l4_udp_hdr *out, const void *data, size_t len);
/* Writes the header with csum_be as given. */
L4_EXPORT int l4_udp_emit(const struct l4_udp_hdr *in, void *buf, size_t cap);

/* ---- TCP (RFC 9293) ------------------------------------------------------------------------ */

#define L4_TCP_HDR_LEN     20
#define L4_TCP_HDR_LEN_MAX 60

#define L4_TCPF_FIN 0x001u
#define L4_TCPF_SYN 0x002u
#define L4_TCPF_RST 0x004u
#define L4_TCPF_PSH 0x008u
#define L4_TCPF_ACK 0x010u
#define L4_TCPF_URG 0x020u
#define L4_TCPF_ECE 0x040u
#define L4_TCPF_CWR 0x080u
#define L4_TCPF_AE  0x100u /* RFC 9768 */

/* Bits of l4_tcp_opts.present. */
#define L4_TCPO_MSS          0x0001u
#define L4_TCPO_WSCALE       0x0002u
#define L4_TCPO_SACK_PERM    0x0004u
#define L4_TCPO_SACK         0x0008u
#define L4_TCPO_TS           0x0010u
#define L4_TCPO_FASTOPEN     0x0020u
#define L4_TCPO_UTO          0x0040u
#define L4_TCPO_ACCECN0      0x0080u
#define L4_TCPO_ACCECN1      0x0100u
#define L4_TCPO_UNKNOWN      0x0200u /* a kind not listed here, or a listed one of odd length */
#define L4_TCPO_FASTOPEN_EXP 0x0400u /* kind 254 with magic 0xF989 (RFC 7413 A) */
#define L4_TCPO_WSCALE_BIG   0x0800u /* the shift on the wire was above 14; wscale is 14 */
#define L4_TCPO_MD5          0x1000u /* kind 19 of length 18; not checked here */
#define L4_TCPO_AO           0x2000u /* kind 29 of length >= 4; not checked here */
#define L4_TCPO_BSD_LAYOUT   0x4000u /* emit only: a SYN's options as the BSDs order them */

struct l4_sack_block {
	uint32_t start, end; /* [start, end); as on the wire, not checked */
};

struct l4_tcp_opts {
	uint32_t present; /* L4_TCPO_* */
	uint16_t mss;     /* bytes; as on the wire, may be 0 */
	uint8_t wscale;   /* shift, 0..14 (RFC 7323 2.3) */
	uint8_t sack_n;   /* blocks, 0..4 */
	uint32_t ts_val, ts_ecr;
	struct l4_sack_block sack[4];
	uint8_t fo_len; /* cookie bytes, 0 (a request) or 4..16 */
	uint8_t fo_cookie[16];
	uint16_t uto;       /* granularity bit (0x8000: minutes) and 15 bits (RFC 5482) */
	uint8_t accecn_n;   /* counters present, 0..3 */
	uint32_t accecn[3]; /* 24 bits each, in the order on the wire (RFC 9768 3.2.3) */
};

struct l4_tcp_hdr {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t flags; /* L4_TCPF_* */
	uint16_t wnd;   /* as on the wire, not scaled */
	uint16_t csum_be;
	uint16_t urg;
	uint8_t hdr_len;  /* bytes, 20..60; emit computes it */
	uint8_t reserved; /* 3 bits; leave 0 when sending (RFC 9293 3.1) */
	struct l4_tcp_opts opts;
};

/* Parses the header and its options; len is the length of the segment. L4_ETRUNC below 20 bytes;
 * L4_EMALFORMED when the data offset is below 5 or beyond len, or the options are malformed (a
 * length below 2 or beyond the header, MD5 or AO of impossible length). Options of known kind but
 * odd length are passed over; of an option given twice the first counts; what follows
 * End-of-Option-List is not read (RFC 9293 3.1, 3.2). */
L4_EXPORT int l4_tcp_parse(struct l4_tcp_hdr *out, const void *data, size_t len);
/* The option area alone. Returns 0 or L4_EMALFORMED. */
L4_EXPORT int l4_tcp_opts_parse(struct l4_tcp_opts *out, const void *data, size_t len);
/* Bytes that the options take in a header, padded to 4: 0..40, or L4_EINVAL when they do not
 * fit. syn says whether the options of a SYN are written. */
L4_EXPORT int l4_tcp_opts_len(const struct l4_tcp_opts *in, bool syn);
/* Writes the header with its options in the order that Linux uses: SYN: mss, sack-permitted, ts,
 * AccECN, nop, wscale (sack-permitted or ts alone each led by nop, nop); then fast open, uto.
 * Else: nop, nop, ts, AccECN, nop, nop, sack, uto, padded with nop. MSS, WSCALE, SACK_PERM and fast
 * open are written on SYN only, SACK only without. With L4_TCPO_BSD_LAYOUT a SYN has mss, nop,
 * wscale, sack-permitted, ts, the rest, and zeros at the end. The checksum field is zero. */
L4_EXPORT int l4_tcp_emit(const struct l4_tcp_hdr *in, void *buf, size_t cap);

/* The checksum of an upper-layer packet (TCP, UDP, ICMPv6) with pseudo-header, over len bytes
 * with the checksum field as it stands: for a field of 0 the value to store with memcpy, for a
 * received packet 0 when right. */
L4_EXPORT uint16_t l4_wire_csum(const struct l4_addr *src, const struct l4_addr *dst, uint8_t proto,
    const void *data, size_t len);

/* ---- ICMP (RFC 792) and ICMPv6 (RFC 4443) -------------------------------------------------- */

#define L4_ICMP_HDR_LEN 8

#define L4_ICMP_ECHO_REPLY    0
#define L4_ICMP_UNREACH       3
#define L4_ICMP_SOURCE_QUENCH 4
#define L4_ICMP_REDIRECT      5
#define L4_ICMP_ECHO          8
#define L4_ICMP_TIME_EXCEEDED 11
#define L4_ICMP_PARAM         12

#define L4_ICMP_UNREACH_NET    0
#define L4_ICMP_UNREACH_HOST   1
#define L4_ICMP_UNREACH_PROTO  2
#define L4_ICMP_UNREACH_PORT   3
#define L4_ICMP_UNREACH_NEEDED 4 /* fragmentation needed and DF set (RFC 1191) */
#define L4_ICMP_UNREACH_ADMIN  13

#define L4_ICMP6_UNREACH         1
#define L4_ICMP6_TOO_BIG         2
#define L4_ICMP6_TIME_EXCEEDED   3
#define L4_ICMP6_PARAM           4
#define L4_ICMP6_ECHO            128
#define L4_ICMP6_ECHO_REPLY      129
#define L4_ICMP6_MLD_QUERY       130
#define L4_ICMP6_MLD1_REPORT     131
#define L4_ICMP6_MLD1_DONE       132
#define L4_ICMP6_RS              133
#define L4_ICMP6_RA              134
#define L4_ICMP6_NS              135
#define L4_ICMP6_NA              136
#define L4_ICMP6_REDIRECT        137
#define L4_ICMP6_MLD2_REPORT     143
#define L4_ICMP6_UNREACH_NOROUTE 0
#define L4_ICMP6_UNREACH_ADMIN   1
#define L4_ICMP6_UNREACH_ADDR    3
#define L4_ICMP6_UNREACH_PORT    4

/* The first 8 bytes, common to every message that the stack handles by hand. */
struct l4_icmp_hdr {
	uint8_t type, code;
	uint16_t csum_be;
	uint32_t rest; /* bytes 4..7: id << 16 | sequence of an echo; MTU; pointer (v4: << 24) */
};

/* Both versions. L4_ETRUNC below 8 bytes. The checksum is not checked. */
L4_EXPORT int l4_icmp_parse(struct l4_icmp_hdr *out, const void *data, size_t len);
/* Writes the 8 bytes, csum_be as given. */
L4_EXPORT int l4_icmp_emit(const struct l4_icmp_hdr *in, void *buf, size_t cap);
/* The checksum of an ICMPv4 message, as l4_wire_csum but without pseudo-header. */
L4_EXPORT uint16_t l4_icmp_csum(const void *data, size_t len);
/* Whether the message is an error, to which no error may answer (RFC 1122 3.2.2, RFC 4443 2.1). */
L4_EXPORT bool l4_icmp_is_error(bool v6, uint8_t type);

/* The packet that an ICMP error quotes. */
struct l4_icmp_quote {
	struct l4_addr src, dst; /* of the quoted packet: src is the one who is told */
	uint8_t proto;
	bool is_frag_rest;     /* a fragment that is not the first: ports are not there */
	uint16_t sport, dport; /* TCP and UDP; for echo: id, sequence */
	uint32_t tcp_seq;      /* TCP only */
	uint8_t icmp_type;     /* ICMP only */
	uint16_t ip_len;       /* the packet's whole length by its own header, bytes */
	size_t hdr_len;        /* IP header and extension headers */
};

/* How many of the len bytes behind the ICMP header are the quote: all, or what RFC 4884 4 says in
 * `rest` when extensions follow. */
L4_EXPORT size_t l4_icmp_quote_len(bool v6, uint8_t type, uint32_t rest, size_t len);
/* data is what follows the 8 bytes of the ICMP header. At least 8 bytes of the upper protocol
 * must be there (RFC 792; RFC 5927 4.1). Returns the length of the quoted IP header(s). */
L4_EXPORT int l4_icmp_quote_parse(struct l4_icmp_quote *out, bool v6, const void *data, size_t len);

/* ---- NDP (RFC 4861) ------------------------------------------------------------------------ */

#define L4_NDP_PREFIX_MAX 8 /* prefix options kept of one RA; more are passed over */
#define L4_NDP_DNS_MAX    4

#define L4_NDPO_SLLA     0x01u
#define L4_NDPO_TLLA     0x02u
#define L4_NDPO_MTU      0x04u
#define L4_NDPO_NONCE    0x08u /* RFC 3971, used by RFC 7527 */
#define L4_NDPO_REDIRHDR 0x10u

struct l4_ndp_prefix {
	struct l4_prefix prefix; /* host bits as on the wire */
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s; /* seconds, 0xffffffff: for ever */
};

struct l4_ndp_msg {
	uint8_t type; /* L4_ICMP6_RS .. L4_ICMP6_REDIRECT */
	/* RA */
	uint8_t hop_limit; /* 0: unspecified */
	bool managed, other;
	uint8_t pref;           /* router preference, 2 bits (RFC 4191) */
	uint16_t router_life_s; /* 0: not a default router */
	uint32_t reachable_ms;  /* 0: unspecified */
	uint32_t retrans_ms;    /* 0: unspecified */
	/* NA */
	bool router, solicited, override_;
	/* NS, NA, redirect */
	struct l4_addr target;
	struct l4_addr dst; /* redirect */
	/* options */
	uint8_t present; /* L4_NDPO_* */
	struct l4_mac slla, tlla;
	uint32_t mtu;
	uint8_t nonce[6];
	uint8_t prefix_n;
	struct l4_ndp_prefix prefix[L4_NDP_PREFIX_MAX];
	uint8_t dns_n;
	struct l4_addr dns[L4_NDP_DNS_MAX];
	uint32_t dns_life_s;       /* of the first RDNSS option (RFC 8106 5.1) */
	const uint8_t *redirected; /* the redirected packet, borrowed; NULL: none */
	size_t redirected_len;
};

/* data begins at the ICMPv6 header; all of len is the message. Checks what RFC 4861 6.1, 7.1
 * and 8.1 demand of the bytes: code 0, minimum length, every option's length > 0 and inside. Hop
 * limit, checksum and addresses of the IPv6 header are the caller's. Returns len or an error. */
L4_EXPORT int l4_ndp_parse(struct l4_ndp_msg *out, const void *data, size_t len);
/* Writes the whole ICMPv6 message with its options; the checksum field is zero. */
L4_EXPORT int l4_ndp_emit(const struct l4_ndp_msg *in, void *buf, size_t cap);

/* ---- Group membership: IGMPv3 (RFC 9776), MLDv2 (RFC 9777) ---------------------------------- */

#define L4_IGMP_QUERY   0x11
#define L4_IGMP_REPORT1 0x12
#define L4_IGMP_REPORT2 0x16
#define L4_IGMP_LEAVE   0x17
#define L4_IGMP_REPORT3 0x22
#define L4_MCAST_IS_IN  1 /* record types */
#define L4_MCAST_IS_EX  2
#define L4_MCAST_TO_IN  3
#define L4_MCAST_TO_EX  4
#define L4_MCAST_ALLOW  5
#define L4_MCAST_BLOCK  6

/* A query or report of IGMP (v4) or MLD (v6). */
struct l4_mcast_msg {
	uint8_t type;         /* IGMP type or ICMPv6 type */
	uint8_t version;      /* of the protocol: IGMP 1..3, MLD 1..2 */
	uint32_t max_resp_ms; /* queries */
	struct l4_addr group; /* any: general query */
	bool suppress;        /* S flag */
	uint8_t qrv;          /* robustness variable, 0: default */
	uint32_t qqi_s;       /* query interval */
	uint16_t src_n;       /* sources of a query */
	const uint8_t *src;   /* src_n addresses of 4 or 16 bytes, borrowed */
	uint16_t rec_n;       /* group records of a v3/MLDv2 report */
	uint16_t rec_off;     /* where they begin in the message */
};

struct l4_mcast_record {
	uint8_t type; /* L4_MCAST_* */
	struct l4_addr group;
	uint16_t src_n;
	const uint8_t *src;             /* parse: src_n addresses of 4 or 16 bytes, borrowed */
	const struct l4_addr *src_addr; /* emit: src_n addresses */
};

/* data begins at the IGMP header, or for v6 at the ICMPv6 header; all of len is the message.
 * Checksum and IP header are the caller's. Returns len or an error. */
L4_EXPORT int l4_mcast_parse(struct l4_mcast_msg *out, bool v6, const void *data, size_t len);
/* The record at offset off of a report (first rec_off): returns its length, to add to off. */
L4_EXPORT int l4_mcast_record_parse(
    struct l4_mcast_record *out, bool v6, const void *data, size_t len, size_t off);
/* Address i of a list of sources. */
L4_EXPORT struct l4_addr l4_mcast_source(const uint8_t *src, bool v6, unsigned i);
/* Writes an IGMPv3 report or MLDv2 report. The checksum is set for IGMP; for MLD its field is
 * zero. */
L4_EXPORT int l4_mcast_report_emit(
    const struct l4_mcast_record *rec, size_t n, bool v6, void *buf, size_t cap);
/* Writes a query (in->type is ignored; version 3 or MLD 2, no sources). As above for checksums. */
L4_EXPORT int l4_mcast_query_emit(const struct l4_mcast_msg *in, bool v6, void *buf, size_t cap);

/* ---- DHCPv4 (RFC 2131, 2132) ---------------------------------------------------------------- */

#define L4_DHCP_SERVER_PORT 67
#define L4_DHCP_CLIENT_PORT 68
#define L4_DHCP_LEN_MIN     300 /* messages are padded to this (RFC 1542 2.1) */

#define L4_DHCP_DISCOVER 1
#define L4_DHCP_OFFER    2
#define L4_DHCP_REQUEST  3
#define L4_DHCP_DECLINE  4
#define L4_DHCP_ACK      5
#define L4_DHCP_NAK      6
#define L4_DHCP_RELEASE  7
#define L4_DHCP_INFORM   8

#define L4_DHCP_LIST_MAX 4

#define L4_DHCPO_MASK      0x001u
#define L4_DHCPO_SERVER_ID 0x002u
#define L4_DHCPO_REQ_ADDR  0x004u
#define L4_DHCPO_LEASE     0x008u
#define L4_DHCPO_T1        0x010u
#define L4_DHCPO_T2        0x020u
#define L4_DHCPO_MTU       0x040u
#define L4_DHCPO_BROADCAST 0x080u
#define L4_DHCPO_CLIENT_ID 0x100u /* type 1 and chaddr */

struct l4_dhcp_msg {
	bool reply;   /* op: BOOTREPLY */
	uint8_t type; /* L4_DHCP_* */
	uint32_t xid;
	uint16_t secs;
	bool broadcast_flag;
	struct l4_addr ciaddr, yiaddr, siaddr, giaddr;
	struct l4_mac chaddr;
	uint32_t present; /* L4_DHCPO_* */
	uint8_t mask_len; /* bits, from option 1 (L4_DHCPO_MASK) */
	uint16_t mtu;
	struct l4_addr server_id, req_addr, broadcast;
	uint32_t lease_s, t1_s, t2_s;
	uint8_t router_n, dns_n;
	struct l4_addr router[L4_DHCP_LIST_MAX], dns[L4_DHCP_LIST_MAX];
	const char *hostname, *domain, *message; /* borrowed, not terminated; NULL: none */
	uint8_t hostname_len, domain_len, message_len;
	bool ask_params; /* emit: the parameter request list 1, 3, 6, 15, 26, 28, 51, 54, 58, 59 */
};

/* Parses a message with option overload (RFC 2131 4.1); of an option given twice the
 * first counts. L4_EMALFORMED without magic cookie or message type, for hardware other than
 * Ethernet, or a mask with holes. */
L4_EXPORT int l4_dhcp_parse(struct l4_dhcp_msg *out, const void *data, size_t len);
L4_EXPORT int l4_dhcp_emit(const struct l4_dhcp_msg *in, void *buf, size_t cap);

/* ---- A whole frame or packet ---------------------------------------------------------------- */

/* What a walk over one received frame found. Offsets count from the first byte given. */
struct l4_packet {
	/* link; zero when the walk began at IP */
	struct l4_mac eth_dst, eth_src;
	uint16_t ethertype;
	uint8_t vlan_n;
	uint16_t vlan_tci[L4_ETH_VLAN_MAX];
	/* IP */
	uint8_t version; /* 4 or 6; 0: not IP (ARP and others: see ethertype, l3_off, l3_len) */
	uint8_t proto;   /* upper protocol */
	uint8_t ttl;     /* or hop limit */
	uint8_t tos;     /* or traffic class; the low 2 bits are ECN */
	uint8_t ip_opts; /* L4_IPO_* */
	uint16_t l3_off; /* = length of the link header */
	uint16_t nh_off; /* from l3_off: the octet that named proto */
	uint32_t l3_len; /* the IP packet, trailing padding left off */
	uint32_t l4_off; /* the upper protocol */
	uint32_t l4_len;
	uint32_t flow; /* IPv6 flow label */
	struct l4_addr src, dst;
	/* fragments. A fragment goes to reassembly before l4_* means anything. */
	bool is_frag;      /* offset or more; an atomic fragment is none (RFC 6946) */
	bool has_frag_hdr; /* IPv6: a Fragment header was there (RFC 6980) */
	bool df, frag_more;
	uint8_t frag_next; /* IPv6: Next Header of the Fragment header; IPv4: proto */
	uint16_t frag_off; /* bytes */
	uint32_t frag_id;
	uint16_t frag_nh_off;   /* IPv6: octet that named the Fragment header, from l3_off */
	uint32_t frag_hdr_len;  /* bytes of l3 before the Fragment header, or the IPv4 header */
	uint32_t frag_data_off; /* the fragment's data */
	uint32_t frag_data_len;
	/* when dropped */
	enum l4_drop drop; /* why; L4_DROP_NONE otherwise */
	uint8_t icmp_type; /* the answer that the standard asks for (rate limits and "may I" are the
			    * caller's); 0: none */
	uint8_t icmp_code;
	uint32_t icmp_ptr; /* pointer of a Parameter Problem */
};

/* For l4_packet_parse_*. */
#define L4_PACKET_NO_CSUM     0x1u /* take the IPv4 header checksum as right */
#define L4_PACKET_REASSEMBLED 0x2u /* any fragment in it is an error */

/* Walks an Ethernet frame down to the upper protocol. data holds the first len bytes of a frame
 * of frame_len bytes (len == frame_len when it is in one piece); headers must be inside len,
 * lengths are checked against frame_len. Returns 0, or L4_EMALFORMED with out->drop set; fields
 * found before that are kept. Frames that are not IP return 0 with version 0. */
L4_EXPORT int l4_packet_parse_eth(
    struct l4_packet *out, const void *data, size_t len, size_t frame_len, unsigned flags);
/* The same from the IP header on, by its version field. */
L4_EXPORT int l4_packet_parse_ip(
    struct l4_packet *out, const void *data, size_t len, size_t packet_len, unsigned flags);

#ifdef __cplusplus
}
#endif
#endif
