/* UDP endpoints of one host. Included by src/udp and src/host.
 *
 * The functions of <layer4/udp.h> are this file's l4_udps_* with the stack of the host. */
#ifndef L4_UDP_UDP_H
#define L4_UDP_UDP_H

#include <layer4/host.h>

#include "ip/ip.h"

struct l4_udp_stack;

struct l4_udp_env {
	void *ctx;
	struct l4_ip *ip;
	struct l4_mem *mem;
	struct l4_rng *rng;
	struct l4_host_counters *c;
	/* The endpoint has bits pending: read them with l4_udps_event. */
	void (*event)(void *ctx, l4_ep ep);
	uint32_t max;        /* endpoints */
	uint64_t max_bytes;  /* of waiting datagrams, all endpoints */
	uint32_t max_groups; /* memberships, all endpoints */
	uint16_t port_low, port_high;
};

int l4_udp_stack_new(struct l4_udp_stack **out, const struct l4_udp_env *env);
void l4_udp_stack_free(struct l4_udp_stack *us);
void l4_udp_stack_input(struct l4_udp_stack *us, const struct l4_ip_in *in);
void l4_udp_stack_icmp(struct l4_udp_stack *us, const struct l4_icmp_report *r, l4_time now);
/* A packet of the endpoint left (err 0) or was dropped. */
void l4_udp_stack_pkt_done(struct l4_udp_stack *us, l4_ep ep, uint32_t size, int err);
/* Room in the interfaces' queues: those that were refused may try again. */
void l4_udp_stack_unblock(struct l4_udp_stack *us);
bool l4_udps_event(struct l4_udp_stack *us, l4_ep ep, struct l4_event *e);
int l4_udp_stack_check(const struct l4_udp_stack *us, char *what, size_t cap);

l4_ep l4_udps_new(struct l4_udp_stack *us, void *user);
int l4_udps_bind(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *local);
int l4_udps_connect(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *remote);
int64_t l4_udps_send(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *to,
    const void *data, size_t len, l4_time now);
int64_t l4_udps_recv(
    struct l4_udp_stack *us, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, bool peek);
int l4_udps_join(struct l4_udp_stack *us, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now);
int l4_udps_leave(struct l4_udp_stack *us, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now);
int l4_udps_set(struct l4_udp_stack *us, l4_ep ep, int option, int64_t value);
int l4_udps_get(struct l4_udp_stack *us, l4_ep ep, int option, int64_t *value);
int l4_udps_set_ip_options(struct l4_udp_stack *us, l4_ep ep, const void *opts, size_t len);
int l4_udps_local(struct l4_udp_stack *us, l4_ep ep, struct l4_endpoint *out);
int l4_udps_remote(struct l4_udp_stack *us, l4_ep ep, struct l4_endpoint *out);
int l4_udps_error(struct l4_udp_stack *us, l4_ep ep);
int64_t l4_udps_ready(struct l4_udp_stack *us, l4_ep ep);
int64_t l4_udps_inq(struct l4_udp_stack *us, l4_ep ep);
int l4_udps_close(struct l4_udp_stack *us, l4_ep ep, l4_time now);

/* ---- Inside src/udp ------------------------------------------------------------------------- */

struct l4_dgram {
	struct l4_dgram *next;
	uint32_t size; /* of the allocation: what the receive buffer is charged */
	struct l4_udp_msg m;
	uint8_t data[];
};

struct l4_membership {
	struct l4_membership *next;
	struct l4_addr group;
	uint16_t ifindex;
	bool any; /* all sources; else one */
	struct l4_addr source;
};

enum { L4_UEP_BOUND = 1, L4_UEP_CONNECTED = 2 };

struct l4_uep {
	struct l4_uep *hash_next;
	struct l4_uep *blocked_next;
	l4_ep ep;
	void *user;
	struct l4_endpoint local, remote;
	struct l4_endpoint last; /* sent to without connect: whose ICMP errors are believed */
	uint8_t flags;           /* L4_UEP_* */
	bool broadcast, no_checksum, reuse, v6only, dontfrag, mcast_loop, blocked, catch_all;
	bool has_last;
	int16_t ttl; /* -1: the host's */
	uint8_t tos, mcast_ttl;
	uint16_t mcast_if;
	int err;         /* pending */
	uint32_t events; /* enum l4_event_bits not yet told */
	uint32_t rcvbuf, sndbuf, rcvq_bytes, sndq_bytes;
	struct l4_dgram *head, *tail;
	struct l4_membership *groups;
	uint8_t *ip_opts; /* 40 bytes, NULL: none */
	uint8_t ip_opts_len;
};

struct l4_uslot {
	struct l4_uep *u;
	uint32_t gen; /* 24 bits */
	uint32_t next_free;
};

struct l4_uhash {
	struct l4_uep **b;
	uint32_t mask, n;
};

struct l4_uport {
	uint32_t refs[2];      /* endpoints with this local port that take IPv4, IPv6 */
	uint32_t exclusive[2]; /* of these, without REUSEADDR */
};

struct l4_udp_stack {
	struct l4_udp_env env;
	uint8_t key[16];
	struct l4_uslot *slots;
	uint32_t n_slots, cap_slots, free_slot, n;
	struct l4_uhash bound, conn;
	struct l4_uport *ports[256]; /* pages of 256 ports */
	struct l4_uep *blocked;
	struct l4_uep *catch_all; /* forwarder: takes what nobody else does */
	uint64_t rcv_bytes;
	uint32_t n_groups;
};

/* udp_demux.c */
int l4_udp_hash_insert(struct l4_udp_stack *us, struct l4_uep *u);
void l4_udp_hash_remove(struct l4_udp_stack *us, struct l4_uep *u);
struct l4_uep *l4_udp_find_connected(const struct l4_udp_stack *us, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, unsigned ifindex);
/* The best match for a unicast datagram. */
struct l4_uep *l4_udp_find(const struct l4_udp_stack *us, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, unsigned ifindex);
/* The first endpoint bound to exactly this, and the next ones in its chain. */
struct l4_uep *l4_udp_bound_first(
    const struct l4_udp_stack *us, const struct l4_addr *a, uint16_t port);
struct l4_uep *l4_udp_bound_next(struct l4_uep *u);
/* Whether the endpoint takes datagrams of the version (0: IPv4, 1: IPv6). */
bool l4_udp_takes(const struct l4_uep *u, unsigned v6);
int l4_udp_port_ref(struct l4_udp_stack *us, struct l4_uep *u);
void l4_udp_port_unref(struct l4_udp_stack *us, struct l4_uep *u);
const struct l4_uport *l4_udp_port(const struct l4_udp_stack *us, uint16_t port);
int l4_udp_pick_port(struct l4_udp_stack *us);

#endif
