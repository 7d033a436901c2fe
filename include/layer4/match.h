/* Which packet answers which: requests and replies of IP, TCP, UDP, DNS, ICMP, ARP and neighbour
 * discovery, and ICMP errors by the packet that they quote.
 *
 * A packet sent is read once into a struct l4_match; so is each packet heard, from the point of
 * view of whom it may answer. Equal keys find candidates in a table, l4_match_is() decides. */
#ifndef LAYER4_MATCH_H
#define LAYER4_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/addr.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a packet heard can be to one that was sent. */
enum l4_match_how {
	L4_MATCH_NONE = 0,   /* it answers nothing */
	L4_MATCH_ANSWER = 1, /* from the one who was asked, or one of a group */
	L4_MATCH_ERROR = 2,  /* an ICMP error that quotes the packet (RFC 792, RFC 4443) */
};

enum l4_match_kind {
	L4_MK_OTHER, /* of IP: addresses and protocol */
	L4_MK_TCP,
	L4_MK_UDP,  /* DNS too */
	L4_MK_ECHO, /* echo, timestamp and address mask: identifier and sequence number */
	L4_MK_ARP,
	L4_MK_ND,   /* neighbour discovery: the target's address */
	L4_MK_RA,   /* a router is solicited */
	L4_MK_DHCP, /* the transaction */
};

/* What of a packet its answers repeat; as the sender of the question sees it. To be read only. */
struct l4_match {
	uint64_t key;                 /* equal for a packet and what may answer it */
	uint64_t any_key;             /* the same without the far end: for questions to groups */
	struct l4_addr local, remote; /* who asked and who was asked */
	uint16_t local_port, remote_port; /* L4_MK_ECHO: identifier, sequence number */
	uint32_t seq, end, ack; /* TCP: first number, number after the segment, acknowledgement */
	uint32_t question;      /* DNS: of the first question, 0: none; DHCP: transaction */
	uint16_t dns_id;
	uint16_t ip_id;   /* IPv4 identification, host order */
	uint8_t kind;     /* enum l4_match_kind */
	uint8_t protocol; /* of IP */
	uint8_t flags;    /* TCP: the low 8 flags; L4_MK_ECHO: type of the question */
	uint8_t how;      /* enum l4_match_how; of a packet sent: L4_MATCH_NONE */
	bool group;       /* sent to a multicast or broadcast address */
	bool has_dns;     /* dns_id is there */
	bool has_seq;     /* TCP: seq is there (an error may quote less) */
};

/* Reads a packet that was sent, n bytes of this link type (enum l4_linktype: Ethernet with tags, or
 * raw IP). Returns 0; L4_EUNSUPPORTED: nothing that can be answered. */
L4_EXPORT int l4_match_sent(struct l4_match *out, uint16_t linktype, const void *packet, size_t n);
/* Reads a packet that was heard. Returns enum l4_match_how. */
L4_EXPORT int l4_match_heard(struct l4_match *out, uint16_t linktype, const void *packet, size_t n);
/* Whether `heard` answers `sent`. Packets sent that differ in nothing that answers repeat are all
 * answered: the caller chooses (by ip_id, or the oldest). */
L4_EXPORT bool l4_match_is(const struct l4_match *sent, const struct l4_match *heard);

#ifdef __cplusplus
}
#endif
#endif
