/* Routes, links and packets of the raw scans. Included by src/cli/scan_{route,link,probe,hosts,
 * raw}.c only. */
#ifndef L4_CLI_SCAN_NET_H
#define L4_CLI_SCAN_NET_H

#include <layer4/wire.h>

#include "cli/scan.h"

#define SCAN_BATCH     256
#define SCAN_FRAME_MAX 128 /* bytes of a frame that we send */

#define SCAN_PORTS_EACH 16   /* source ports of each thread */
#define SCAN_INBOX      256  /* packets taken from the kernel at once */
#define SCAN_SNAP       1024 /* bytes of each that we look at */

struct scan_inbox;
struct scan_xdp;

/* An interface with what sends and receives on it. On Ethernet, frames go out by an AF_XDP socket
 * where there is one, else by a packet socket; elsewhere (loopback, tunnels) packets by raw IP
 * sockets. */
struct scan_link {
	int ifindex;
	char name[16];
	bool ethernet;
	size_t hdr_len; /* bytes of a received frame in front of the IP header */
	struct l4_mac mac;
	int fd;               /* packet socket: receives, and sends on Ethernet */
	struct scan_xdp *xdp; /* or NULL */
	int raw_fd;           /* raw socket of version 4, elsewhere */
	int raw6_fd;
	struct scan_inbox *in; /* what was received in the last call */
	uint32_t n_queued;
	uint32_t len[SCAN_BATCH];
	bool v6[SCAN_BATCH];
	uint8_t frame[SCAN_BATCH][SCAN_FRAME_MAX];
};

/* Addresses that one route leads to. */
struct scan_group {
	scan_u128 first, last;
	uint32_t link;       /* index */
	struct l4_addr src;  /* our address towards them */
	struct l4_addr gw;   /* when not on the link */
	bool on_link, local; /* local: this machine itself */
	bool ok;             /* there is a route */
	bool gw_known;
	struct l4_mac gw_mac;
	/* The probe's frame with all that does not change, and the sums over it. */
	uint8_t tmpl[SCAN_FRAME_MAX];
	uint32_t tmpl_len, l3, l4; /* offsets of the IP and TCP headers */
	uint32_t ip_sum, tcp_sum;
};

struct scan_net {
	struct scan_group *groups;
	size_t n_groups, cap_groups;
	struct scan_link *links;
	size_t n_links;
	uint16_t sport; /* attempt k is sent from sport + k, k < SCAN_PORTS_EACH */
};

/* scan_route.c */
int scan_net_init(struct scan_net *n, const struct scan_job *j, char *error, size_t cap);
void scan_net_fini(struct scan_net *n);
/* For a second thread: the same groups, but sockets and source ports of its own, so that each
 * thread gets the answers to what it sent. */
int scan_net_share(struct scan_net *n, const struct scan_net *of);
void scan_net_unshare(struct scan_net *n);
struct scan_group *scan_net_group(struct scan_net *n, const struct l4_addr *a);

/* scan_link.c */
int scan_link_open(struct scan_link *l, int ifindex, uint16_t sport, char *error, size_t cap);
void scan_link_close(struct scan_link *l);
/* Sends faster from now on, where the kernel can. */
void scan_link_hurry(struct scan_link *l);
/* Closes a packet or AF_XDP socket without waiting for it: the kernel waits then until no processor
 * can still be using it, 10 ms on an idle machine and 50 on a busy one, which neither we nor
 * whoever waits for our end need to. */
void scan_close_behind(int fd);
/* The same interface for another thread, with source ports of its own; sends by a packet socket. */
int scan_link_share(struct scan_link *l, const struct scan_link *of, uint16_t sport);
/* Room for the next frame to send; flushes when the batch is full. */
uint8_t *scan_link_next(struct scan_link *l, struct scan_counters *c);
void scan_link_queue(struct scan_link *l, uint32_t len, bool v6);
void scan_link_flush(struct scan_link *l, struct scan_counters *c);
/* The next packet received, from its network header, or NULL; valid until scan_link_release. */
const uint8_t *scan_link_receive(
    struct scan_link *l, size_t *len, uint16_t *ethertype, struct l4_mac *from);
void scan_link_release(struct scan_link *l);
/* Packets that the kernel could not give us since the last call. */
uint64_t scan_link_drops(struct scan_link *l);
/* Waits until something is to be received on any link, at most `wait`. */
void scan_net_wait(struct scan_net *n, l4_time wait);

/* scan_probe.c */
uint32_t scan_cookie(
    const struct scan_job *j, const struct l4_addr *dst, uint16_t dport, unsigned attempt);
void scan_probe_template(
    const struct scan_job *j, struct scan_net *n, struct scan_group *g, enum scan_type type);
/* Queues one probe. mac: of the next hop (Ethernet). */
void scan_probe_send(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac, uint16_t dport, unsigned attempt);
/* What an IP packet says about one of our probes. */
struct scan_answer {
	struct l4_addr host;
	uint16_t dport;
	unsigned attempt;
	uint8_t reason; /* 0: it is none of ours */
	bool forged;    /* it looked like one, but the cookie is wrong */
	bool is_echo;
	uint32_t rst_seq; /* what a reset must carry to end the half-open connection */
};
void scan_probe_parse(const struct scan_job *j, const struct scan_net *n, enum scan_type type,
    const uint8_t *p, size_t len, struct scan_answer *a);
void scan_probe_send_reset(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac, uint16_t dport, unsigned attempt,
    uint32_t seq);
void scan_echo_send(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac);
/* Asks for the link address of dst: ARP, or a neighbour solicitation. */
void scan_ask_mac(
    struct scan_job *j, struct scan_net *n, struct scan_group *g, const struct l4_addr *dst);
/* A frame that tells a link address: returns true with whose. Answers questions for our own
 * address (-a) by the way. */
bool scan_learn_mac(struct scan_job *j, struct scan_net *n, struct scan_link *l, uint16_t ethertype,
    const uint8_t *p, size_t len, const struct l4_mac *from, struct l4_addr *whose,
    struct l4_mac *mac);

/* scan_xdp.c */

/* A socket that sends on the interface, or NULL where the kernel or our rights have none, or where
 * somebody has it already. */
struct scan_xdp *scan_xdp_open(int ifindex);
void scan_xdp_close(struct scan_xdp *x);
/* Sends n frames, at most SCAN_BATCH; 0, or -1 when it sends no more: the socket is of no further
 * use and some may not have left. `full` counts how often the interface's queue was full. */
int scan_xdp_send(struct scan_xdp *x, uint8_t (*frame)[SCAN_FRAME_MAX], const uint32_t *len,
    uint32_t n, uint64_t *full);

/* scan_hosts.c: finds link addresses, and which hosts are up. */
int scan_hosts_run(
    struct scan_job *j, struct scan_net *n, struct scan_rate *r, char *error, size_t cap);

#endif
