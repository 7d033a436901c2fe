/* Routes and link addresses, asked of the kernel by netlink. Included by src/cli only. */
#ifndef L4_CLI_ROUTE_H
#define L4_CLI_ROUTE_H

#include <layer4/addr.h>

#include <stdbool.h>
#include <stddef.h>

/* The way to an address. */
struct route {
	struct l4_addr src; /* our address towards it */
	struct l4_addr hop; /* the next on the link: a gateway, or the address itself */
	int ifindex;        /* for our own addresses: of the loopback interface */
	bool local;         /* it is our own */
	bool group;         /* multicast or broadcast */
};

/* Asks for the way to dst, out of one interface if oif is not 0. 0, or -1 with a line in err that
 * says why there is none. */
int route_lookup(struct route *out, const struct l4_addr *dst, int oif, char *err, size_t cap);
/* The link address that the kernel knows of a neighbour. false: none, or not to be trusted. */
bool route_neighbour(int ifindex, const struct l4_addr *hop, struct l4_mac *mac);

#endif
