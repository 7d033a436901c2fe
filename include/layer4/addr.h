/* Addresses. One 16-byte form serves both versions of IP: an IPv4 address is kept as its
 * IPv4-mapped IPv6 address ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that tables and comparisons
 * have no second case. Bytes are in network order. */
#ifndef LAYER4_ADDR_H
#define LAYER4_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct l4_addr {
	uint8_t b[16];
};

/* An address with a port: one end of a connection or datagram. */
struct l4_endpoint {
	struct l4_addr addr;
	uint16_t port;    /* host byte order */
	uint16_t ifindex; /* scope of link-local and multicast addresses (RFC 4007); 0: any */
};

struct l4_mac {
	uint8_t b[6];
};

/* A prefix in CIDR form. len counts bits of the 128-bit form: an IPv4 /24 has len 120. */
struct l4_prefix {
	struct l4_addr addr;
	uint8_t len;
};

#define L4_ADDR_TEXT_MAX     46 /* "ffff:...:255.255.255.255" and NUL, as INET6_ADDRSTRLEN */
#define L4_ENDPOINT_TEXT_MAX 64 /* "[addr%65535]:65535" and NUL */

/* The IPv4 address a.b.c.d, from four bytes in network order. */
L4_EXPORT struct l4_addr l4_addr_from_ip4(const uint8_t ip4[4]);
L4_EXPORT struct l4_addr l4_addr_from_ip6(const uint8_t ip6[16]);
/* Parses "192.0.2.1", "2001:db8::1" or "::ffff:192.0.2.1". Returns 0 or L4_EMALFORMED. */
L4_EXPORT int l4_addr_parse(struct l4_addr *out, const char *text);
/* Parses "192.0.2.0/24", "2001:db8::/32"; without a slash, the single address. The host bits are
 * kept. Returns 0 or L4_EMALFORMED. */
L4_EXPORT int l4_prefix_parse(struct l4_prefix *out, const char *text);
/* Parses "aa:bb:cc:dd:ee:ff" or with '-'. Returns 0 or L4_EMALFORMED. */
L4_EXPORT int l4_mac_parse(struct l4_mac *out, const char *text);
/* Writes the text of an address (IPv6 as RFC 5952 says, mapped addresses as IPv4) and returns
 * its length without NUL; cap must be at least L4_ADDR_TEXT_MAX. */
L4_EXPORT size_t l4_addr_format(const struct l4_addr *a, char *text, size_t cap);
/* "192.0.2.1:80", "[2001:db8::1]:80"; cap at least L4_ENDPOINT_TEXT_MAX. */
L4_EXPORT size_t l4_endpoint_format(const struct l4_endpoint *e, char *text, size_t cap);
/* "aa:bb:cc:dd:ee:ff"; cap at least 18. */
L4_EXPORT size_t l4_mac_format(const struct l4_mac *m, char *text, size_t cap);

/* The tests of the data path are inline: they are made several times a packet. */
static inline bool l4_addr_is_ip4(const struct l4_addr *a)
{
	uint64_t hi;
	uint32_t mid;
	static const uint8_t mark[4] = { 0, 0, 0xff, 0xff };
	uint32_t want;
	memcpy(&hi, a->b, 8);
	memcpy(&mid, a->b + 8, 4);
	memcpy(&want, mark, 4);
	return hi == 0 && mid == want;
}

static inline bool l4_addr_eq(const struct l4_addr *a, const struct l4_addr *b)
{
	uint64_t x[2], y[2];
	memcpy(x, a->b, 16);
	memcpy(y, b->b, 16);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* 0.0.0.0 or :: */
static inline bool l4_addr_is_any(const struct l4_addr *a)
{
	uint64_t x[2];
	uint32_t low;
	memcpy(x, a->b, 16);
	memcpy(&low, a->b + 12, 4);
	return (x[0] | x[1]) == 0 || (low == 0 && l4_addr_is_ip4(a));
}

static inline bool l4_addr_is_multicast(const struct l4_addr *a)
{
	return a->b[0] == 0xff || ((a->b[12] & 0xf0) == 0xe0 && l4_addr_is_ip4(a));
}

/* 255.255.255.255 only. */
static inline bool l4_addr_is_broadcast(const struct l4_addr *a)
{
	uint32_t low;
	memcpy(&low, a->b + 12, 4);
	return low == UINT32_MAX && l4_addr_is_ip4(a);
}

L4_EXPORT bool l4_addr_is_loopback(const struct l4_addr *a);
L4_EXPORT bool l4_addr_is_link_local(const struct l4_addr *a);
/* Whether the first p->len bits of the 128-bit forms agree. */
L4_EXPORT bool l4_prefix_has(const struct l4_prefix *p, const struct l4_addr *a);

#ifdef __cplusplus
}
#endif
#endif
