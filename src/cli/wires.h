/* The interfaces that packets leave by and answers come in at, for send, ask and script. Included
 * by src/cli only. */
#ifndef L4_CLI_WIRES_H
#define L4_CLI_WIRES_H

#include <layer4/loop.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/route.h"

enum { WIRES_MAX = 8, WIRES_SOURCES = 4 };

struct wire {
	struct l4_device *dev;
	struct l4_guard *guard; /* --shared */
	struct l4_mac mac;
	uint32_t mtu;
	int ifindex;
	int pcap; /* number in the capture */
	char name[16];
	bool ethernet;
	bool own; /* an address of our own is in use on it */
	uint16_t linktype;
};

struct neighbour_entry;

struct wires {
	const char *cmd;
	/* set by the caller before wires_open() */
	const char *interface; /* NULL: as the routes say */
	struct l4_addr source[WIRES_SOURCES];
	unsigned n_sources;
	struct l4_mac mac; /* with has_mac: of the addresses of our own */
	bool has_mac, shared;
	const char *pcap_path;
	/* Every frame received, whole; also those that the wires answer themselves. */
	void (*on_frame)(void *ctx, struct wire *w, const uint8_t *p, size_t n, l4_time when);
	void *ctx;
	/* inside */
	pthread_mutex_t lock; /* of opening interfaces */
	struct wire wire[WIRES_MAX];
	unsigned n;
	struct l4_pcap *pcap;
	struct neighbour_entry *neighbours;
	size_t cap_neighbours, n_neighbours, n_wanted;
	uint64_t send_errors;
	int saved_errno; /* of the last packet that could not be sent */
	uint8_t *buf;
};

l4_time wires_now(void); /* monotonic, ns */

/* 0, or the exit code with the message printed. */
int wires_open(struct wires *s);
void wires_close(struct wires *s);
/* The interface on which the kernel has this address, 0: none. */
int wires_holder(const struct l4_addr *a);
/* Whether this is one of the addresses given as our own that the kernel does not have. */
bool wires_is_own(const struct wires *s, const struct l4_addr *a);
/* The interface, opened if it is not yet; NULL: message printed. */
struct wire *wires_at(struct wires *s, int ifindex);
/* The way to an address, its source ours if one was given. 0, or -1 with a line in err. */
int wires_route(struct wires *s, const struct l4_addr *dst, struct route *r, char *err, size_t cap);
/* Our address for a question on the link when no destination tells; false: none. */
bool wires_address(const struct wires *s, const struct wire *w, bool v4, struct l4_addr *out);

/* The link address of a neighbour as far as it is known. Groups are computed. */
bool wires_mac(struct wires *s, struct wire *w, const struct l4_addr *hop, struct l4_mac *mac);
/* Remembers that a link address is wanted; wires_resolve() then asks for all of them at once. */
void wires_want(struct wires *s, struct wire *w, const struct route *r);
/* Waits until all that are wanted are known, or have not answered three times. */
void wires_resolve(struct wires *s);

/* Sends a frame. 0, or -1: counted in send_errors, saved_errno says why. */
int wires_send(struct wires *s, struct wire *w, const void *p, size_t n);
/* Receives, until there is nothing more or `until` has passed; at least looks once. false: a signal
 * asks to stop. */
bool wires_poll(struct wires *s, l4_time until);
/* With --shared: makes the port ours before it is used. false: message printed. */
bool wires_claim(struct wires *s, struct wire *w, uint8_t protocol, uint16_t port);

#endif
