/* What link layers share. For src/dissect only. */
#ifndef L4_DISSECT_LINK_H
#define L4_DISSECT_LINK_H

#include "dissect/engine.h"

/* How many of the first bytes of t, what is left behind a payload, are zeros that fill the packet
 * up to 60 bytes. */
uint32_t l4_link_padding(const struct l4_dissect *d, struct l4_view t);
/* The payload of an EtherType: marks "ethertype", hands over, shows an unknown one as data. */
void l4_link_ethertype(struct l4_dissect *d, uint16_t type, struct l4_view v);
/* IPv4 or IPv6 by the first nibble; otherwise data. */
void l4_link_ip(struct l4_dissect *d, struct l4_view v);
/* A BSD address family. */
void l4_link_family(struct l4_dissect *d, uint32_t family, struct l4_view v);

/* The header that an IPv6 next header number names. */
void l4_ipv6_next(struct l4_dissect *d, uint8_t nxt, struct l4_view next);

/* The packet that an ICMP error quotes: dissected without columns or effects. */
void l4_icmp_quote(struct l4_dissect *d, enum l4_proto_id id, struct l4_view v);

extern const struct l4_value l4_ethertype_names[];
extern const struct l4_value l4_ip_proto_names[];
/* The values of the fields *.checksum.status. */
enum {
	CSUM_BAD,
	CSUM_GOOD,
	CSUM_UNVERIFIED,
	CSUM_ABSENT,
	CSUM_ILLEGAL,
	CSUM_PARTIAL, /* the sum of the pseudo-header only: the sender's card was to complete it */
};
extern const struct l4_value l4_checksum_status[];

/* Internet checksum over a view that is whole: the sum as it should be in the field, given the
 * field itself was included. 0: right. */
uint16_t l4_link_csum(const uint8_t *p, uint32_t n);
/* The same with the pseudo-header of the current addresses. */
uint16_t l4_link_csum_pseudo(
    const struct l4_dissect *d, const uint8_t *p, uint32_t n, uint8_t proto);
/* Verifies the checksum of TCP or UDP that stands `at` bytes into the n at p: CSUM_GOOD, CSUM_BAD
 * or CSUM_PARTIAL; *should is what it should be (host order). */
unsigned l4_link_csum_verify(const struct l4_dissect *d, const uint8_t *p, uint32_t n, uint32_t at,
    uint8_t proto, uint16_t *should);

#endif
