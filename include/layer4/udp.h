/* UDP (RFC 768, 8085; checksum rules of RFC 1122 4.1.3.4 and RFC 8200 8.1). */
#ifndef LAYER4_UDP_H
#define LAYER4_UDP_H

#include <layer4/addr.h>
#include <layer4/device.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct l4_host;

enum l4_udp_option {
	L4_UDPOPT_BROADCAST = 1, /* bool: may send to broadcast addresses (default off) */
	L4_UDPOPT_NO_CHECKSUM,   /* bool: send without a checksum (IPv4 only) */
	L4_UDPOPT_REUSEADDR,     /* bool: several endpoints may bind one port (multicast) */
	L4_UDPOPT_TTL,           /* hop limit, 1..255; -1: the host's */
	L4_UDPOPT_TOS,
	L4_UDPOPT_MULTICAST_TTL,  /* default 1 */
	L4_UDPOPT_MULTICAST_LOOP, /* bool: own multicast comes back (default on) */
	L4_UDPOPT_MULTICAST_IF,   /* ifindex */
	L4_UDPOPT_RCVBUF,         /* bytes of datagrams that may wait */
	L4_UDPOPT_SNDBUF,
	L4_UDPOPT_V6ONLY,
	L4_UDPOPT_DONTFRAG, /* bool: DF and L4_EMSGSIZE above the path MTU */
	L4_UDPOPT_COUNT
};

/* What comes with a datagram. */
struct l4_udp_msg {
	struct l4_endpoint from; /* sender */
	struct l4_endpoint to;   /* the address it was sent to */
	uint32_t len;            /* bytes of the datagram, also when the buffer was smaller */
	uint8_t ttl, tos;
	uint16_t ifindex;
	l4_time time;        /* arrival */
	uint8_t ip_opts_len; /* bytes of IPv4 options, 0..40 */
	uint8_t ip_opts[40]; /* as on the wire (RFC 1122 4.1.3.2) */
};

/* An endpoint without address. user comes back in every event. L4_ENOMEM, L4_ELIMIT. */
L4_EXPORT l4_ep l4_udp_new(struct l4_host *h, void *user);
/* Names the local end; port 0 chooses one (RFC 6056). L4_EINUSE, L4_ENOADDR. */
L4_EXPORT int l4_udp_bind(struct l4_host *h, l4_ep ep, const struct l4_endpoint *local);
/* Fixes the remote end: only its datagrams and ICMP errors arrive. */
L4_EXPORT int l4_udp_connect(struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote);
/* Copies and queues one datagram; to may be NULL when connected. Returns len, or L4_EMSGSIZE (above
 * 65507/65527 bytes), L4_EAGAIN (queue full), L4_ENOROUTE, L4_ENOTCONN, L4_EPERM (broadcast), or
 * a pending ICMP error, which it clears. */
L4_EXPORT int64_t l4_udp_send(struct l4_host *h, l4_ep ep, const struct l4_endpoint *to,
    const void *data, size_t len, l4_time now);
/* The oldest waiting datagram. Returns the bytes copied (the rest of a longer datagram is lost, and
 * m->len tells), L4_EAGAIN, or a pending ICMP error, which it clears. m may be NULL. */
L4_EXPORT int64_t l4_udp_recv(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, l4_time now);
/* As l4_udp_recv, but the datagram stays. */
L4_EXPORT int64_t l4_udp_peek(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, l4_time now);
/* Multicast membership on an interface (0: by route): IGMPv3 or MLDv2 follow. source NULL: any. */
L4_EXPORT int l4_udp_join(struct l4_host *h, l4_ep ep, const struct l4_addr *group,
    unsigned ifindex, const struct l4_addr *source, l4_time now);
L4_EXPORT int l4_udp_leave(struct l4_host *h, l4_ep ep, const struct l4_addr *group,
    unsigned ifindex, const struct l4_addr *source, l4_time now);
L4_EXPORT int l4_udp_set(struct l4_host *h, l4_ep ep, int option, int64_t value);
L4_EXPORT int l4_udp_get(struct l4_host *h, l4_ep ep, int option, int64_t *value);
/* IPv4 options for all datagrams sent from now on (RFC 1122 4.1.3.2), as on the wire; len 0: none.
 * Fragments behind the first carry those whose copied flag is set (RFC 791 3.1). L4_EINVAL when
 * they are longer than 40 bytes or malformed. */
L4_EXPORT int l4_udp_set_ip_options(struct l4_host *h, l4_ep ep, const void *opts, size_t len);
L4_EXPORT int l4_udp_local(struct l4_host *h, l4_ep ep, struct l4_endpoint *out);
L4_EXPORT int l4_udp_remote(struct l4_host *h, l4_ep ep, struct l4_endpoint *out);
L4_EXPORT int l4_udp_error(struct l4_host *h, l4_ep ep);     /* pending error, cleared */
L4_EXPORT int64_t l4_udp_ready(struct l4_host *h, l4_ep ep); /* bits of enum l4_event_bits */
L4_EXPORT int64_t l4_udp_inq(struct l4_host *h, l4_ep ep);   /* bytes of the next datagram */
L4_EXPORT int l4_udp_close(struct l4_host *h, l4_ep ep, l4_time now);

#ifdef __cplusplus
}
#endif
#endif
