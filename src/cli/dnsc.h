/* Asking a DNS server over our own UDP and TCP, and addresses of names. Included by src/cli only.
 */
#ifndef L4_CLI_DNSC_H
#define L4_CLI_DNSC_H

#include <layer4/dns.h>

#include <stdbool.h>

#include "cli/stack.h"

struct dnsc_opts {
	l4_time timeout; /* of one try */
	unsigned tries;
	uint16_t udp_size; /* EDNS buffer size; 0: no EDNS */
	bool tcp;          /* not UDP first */
	bool keep_tc;      /* take a truncated answer as it is */
	bool dnssec;
};

struct dnsc_answer {
	uint8_t msg[65535];
	size_t len;
	bool tcp;           /* came by TCP */
	bool truncated_udp; /* UDP said TC before */
	l4_time rtt;
	unsigned tries;
	unsigned malformed; /* datagrams for this question that were not well-formed */
	unsigned strange;   /* datagrams that did not answer this question */
};

void dnsc_opts_init(struct dnsc_opts *o);
/* Asks and waits. 0 with *out filled in (any response code), L4_ETIMEDOUT, L4_EMALFORMED (nothing
 * but malformed answers), L4_EABORTED (a signal), L4_EREFUSED and other errors of the way there. */
int dnsc_ask(struct stack *s, const struct l4_endpoint *server, const struct l4_dns_name *name,
    uint16_t type, const struct dnsc_opts *o, struct dnsc_answer *out);
/* Addresses of a host name or literal, the reachable versions only, v6 first. Returns how many were
 * stored, or L4_E* with the message printed. */
int dnsc_resolve(struct stack *s, const char *host, struct l4_addr *out, unsigned max);

#endif
