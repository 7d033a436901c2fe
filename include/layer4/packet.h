/* Packets from expressions: 'ip(dst=192.0.2.2)/tcp(dport=80,flags=S)/"text"'.
 *
 * The protocol tables (field.h) say where each value goes, what it is by default and what it is
 * computed from. What an expression gives is kept, wrong values included; the rest is derived. */
#ifndef LAYER4_PACKET_H
#define LAYER4_PACKET_H

#include <stddef.h>
#include <stdint.h>
#include <layer4/field.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names ---- */

/* A protocol by its name in the tables or in expressions ("ipv6", "ip6"). NULL: unknown. */
L4_EXPORT const struct l4_proto *l4_packet_proto(const char *name);
/* A field that can be written, by alias ("dport"), name within the protocol ("flags.ack") or last
 * part ("dstport"). NULL: unknown, or has no fixed place. */
L4_EXPORT const struct l4_field *l4_packet_field(const struct l4_proto *p, const char *name);
/* Writes up to three names near to `wanted`, as "tcp, udp", NUL-terminated: of fields of p, or of
 * protocols when p is NULL. Returns the length; 0: nothing is near. */
L4_EXPORT size_t l4_packet_nearest(
    const struct l4_proto *p, const char *wanted, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
