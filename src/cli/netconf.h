/* What the system knows of its network: addresses, gateways, name servers.
 * Included by src/cli only. */
#ifndef L4_CLI_NETCONF_H
#define L4_CLI_NETCONF_H

#include <layer4/addr.h>

/* Each returns how many were stored. */
unsigned netconf_addresses(const char *interface, struct l4_prefix *out, unsigned max);
unsigned netconf_gateways(const char *interface, struct l4_addr *out, unsigned max);
unsigned netconf_dns(struct l4_addr *out, unsigned max); /* /etc/resolv.conf */

#endif
