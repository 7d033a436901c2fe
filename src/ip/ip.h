/* The IP layer of one host. Included by src/ip, src/udp and src/host.
 *
 * struct l4_ip holds interfaces, addresses, routes, neighbours, reassembly, path MTUs, group
 * memberships, and the small frames that wait for a device. It has no clock and knows no
 * endpoints: packets for the transports leave by struct l4_ip_env.
 *
 * Ways of a packet:
 *   in:   host/rx.c -> l4_ip_input -> (reassembly) -> ICMP, IGMP, MLD, NDP here; TCP, UDP by env
 *   out:  l4_ip_output -> route -> neighbour -> the interface's queue, pulled by host/tx.c; what is
 *         for ourselves goes to the loopback queue and comes back in by l4_ip_run_loopback
 *
 * A packet to send is a struct l4_pkt with headroom; l4_ip_output takes it over in every case. */
#ifndef L4_IP_IP_H
#define L4_IP_IP_H

#include <layer4/host.h>
#include <layer4/wire.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/siphash.h"

#define L4_PKT_HEADROOM \
	96 /* Ethernet 14, IPv4 with options 60, or IPv6 40, hop-by-hop and fragment 8 each */
#define L4_IP_IFS_MAX  256
#define L4_IP_MTU_MAX  65535
#define L4_IP4_MTU_MIN 68

/* ---- Packets to send ------------------------------------------------------------------------ */

struct l4_pkt {
	struct l4_pkt *next;
	uint32_t size;     /* of the allocation */
	uint32_t off, len; /* the bytes in use: data[off] .. data[off + len - 1] */
	uint32_t hdr_len;  /* leading bytes that are headers */
	uint16_t ifindex;  /* loopback: the interface it seems to come in by */
	struct l4_why why;
	l4_ep ep; /* the endpoint whose send buffer it counts in; 0: none */
	uint8_t data[];
};

struct l4_pktq {
	struct l4_pkt *head, *tail;
	uint32_t n;
};

void l4_pktq_push(struct l4_pktq *q, struct l4_pkt *p);
struct l4_pkt *l4_pktq_pop(struct l4_pktq *q);

static inline uint8_t *l4_pkt_bytes(struct l4_pkt *p)
{
	return p->data + p->off;
}

/* Room for n more bytes in front. The headroom was there when the packet was made. */
static inline uint8_t *l4_pkt_prepend(struct l4_pkt *p, uint32_t n)
{
	p->off -= n;
	p->len += n;
	p->hdr_len += n;
	return p->data + p->off;
}

/* ---- Neighbours (RFC 826, RFC 4861) --------------------------------------------------------- */

enum l4_neigh_state {
	L4_NEIGH_FREE,
	L4_NEIGH_INCOMPLETE,
	L4_NEIGH_REACHABLE,
	L4_NEIGH_STALE,
	L4_NEIGH_DELAY,
	L4_NEIGH_PROBE,
	L4_NEIGH_UNREACHABLE, /* resolution failed; asked again after a while, when wanted */
	L4_NEIGH_PERMANENT,
};

#define L4_NEIGH_NONE UINT32_MAX

struct l4_neigh {
	struct l4_addr addr;
	struct l4_addr src; /* of the packet that asked: source of our question */
	uint32_t next;      /* in the hash chain or free list; L4_NEIGH_NONE: end */
	uint8_t state;
	uint8_t probes; /* questions sent in this state */
	uint8_t fails;  /* resolutions failed in a row */
	bool router;    /* said so itself (NA) */
	bool doubted;   /* PROBE because an upper layer asked for it: packets wait */
	struct l4_mac mac;
	l4_time due;      /* of the state's timer; REACHABLE: when it turns STALE by itself */
	l4_time used;     /* last sent to */
	l4_time asked;    /* last question sent */
	struct l4_pktq q; /* waiting for resolution */
};

struct l4_neigh_table {
	struct l4_neigh *e;
	uint32_t cap, n, n_incomplete, max;
	uint32_t *bucket; /* as many as cap, a power of two */
	uint32_t free_head;
	l4_time due; /* no entry's timer is before */
};

/* ---- Addresses and interfaces --------------------------------------------------------------- */

enum l4_addr_origin { L4_ORIGIN_USER, L4_ORIGIN_LINK_LOCAL, L4_ORIGIN_SLAAC, L4_ORIGIN_DHCP };

struct l4_ifaddr {
	struct l4_prefix prefix; /* host bits kept */
	uint8_t state;           /* enum l4_addr_state */
	uint8_t origin;          /* enum l4_addr_origin */
	uint8_t dad_sent;        /* probes, then (IPv4) announcements sent */
	uint8_t dad_tries;       /* generation of a stable IID (RFC 7217 DAD_Counter) */
	uint8_t nonce[6];        /* of our own DAD probes (RFC 7527) */
	l4_time dad_due;         /* L4_TIME_NEVER: no DAD under way */
	l4_time defended;        /* last defence (RFC 5227 2.4); 0: never */
	l4_time valid_until, preferred_until;
};

/* One source of a group's filter. */
struct l4_group_src {
	struct l4_addr addr;
	uint32_t refs; /* memberships that include it */
	uint8_t rtx;   /* ALLOW (refs > 0) or BLOCK reports still to send */
	bool queried;  /* named in the query that is being answered */
};

/* A multicast group of an interface. */
struct l4_group {
	struct l4_addr addr;
	uint32_t any_refs; /* memberships without a source: EXCLUDE {} */
	struct l4_group_src *src;
	uint32_t n_src, cap_src;
	uint8_t mode_rtx;   /* filter-mode-change reports still to send */
	bool reported;      /* false: a group of our own that no router asks about */
	bool query_all;     /* the pending answer is about the whole group */
	bool last_reporter; /* IGMPv2, MLDv1: our report was the last heard */
	l4_time rtx_due;    /* next state-change report */
	l4_time query_due;  /* answer to a group's query */
};

/* The links of an interface to group membership routers. */
struct l4_mcast_if {
	uint8_t robustness;
	l4_time general_due;        /* answer to a general query */
	l4_time v1_until, v2_until; /* an older querier was heard: speak its version till then */
};

struct l4_dhcp; /* dhcp4.c */
struct l4_ra;   /* slaac.c */

struct l4_if {
	uint16_t index;
	bool up;
	bool eth; /* has link addresses */
	struct l4_iface_config conf;
	struct l4_mac mac;
	uint32_t mtu;      /* of IP packets; what the device takes */
	uint32_t mtu6;     /* of IPv6, by RA; <= mtu */
	uint8_t hop_limit; /* by RA; 0: the host's */
	struct l4_pktq out;
	struct l4_ifaddr *addrs;
	uint32_t n_addrs, cap_addrs;
	l4_time addr_due; /* no address has something to do before */
	struct l4_neigh_table neigh;
	uint32_t reachable_ms, retrans_ms; /* RFC 4861 6.3.2 */
	l4_time reachable_ns;              /* the randomized one */
	struct l4_group *groups;
	uint32_t n_groups, cap_groups;
	struct l4_mcast_if mc4, mc6;
	l4_time group_due;
	struct l4_dhcp *dhcp;
	struct l4_ra *ra;
	bool address_event; /* L4_EV_ADDRESS to be told */
};

/* ---- Routes --------------------------------------------------------------------------------- */

enum l4_route_origin {
	L4_ROUTE_USER,
	L4_ROUTE_CONNECTED,
	L4_ROUTE_RA,
	L4_ROUTE_DHCP,
	L4_ROUTE_REDIRECT
};

struct l4_route {
	struct l4_prefix dst;
	struct l4_addr gw; /* any: on-link */
	uint16_t ifindex;
	uint8_t origin;
	bool ip4;
	bool has_gw;
	uint32_t metric;
	l4_time until; /* RA */
};

/* Where a packet goes. */
struct l4_hop {
	struct l4_if *ifp;   /* NULL: loopback */
	struct l4_addr next; /* on-link address to resolve */
	struct l4_addr src;  /* source to use */
	uint16_t mtu;        /* path MTU known now */
	bool local, broadcast, multicast;
};

/* ---- Reassembly, path MTU, rate limits: see their files ------------------------------------- */

struct l4_reass; /* reass.c */
struct l4_pmtu_entry {
	struct l4_addr dst;
	uint16_t mtu; /* 0: free */
	l4_time until;
};
#define L4_PMTU_SETS 256
#define L4_PMTU_WAYS 4

#define L4_LIMIT_SLOTS 256
struct l4_bucket {
	l4_time at;      /* when tokens was right */
	uint32_t tokens; /* thousandths */
};

#define L4_IDS 1024

struct l4_local { /* one of our addresses, in a hash table rebuilt at each change */
	struct l4_addr addr;
	uint16_t ifindex; /* 0: free slot */
	uint32_t i;       /* in the interface's addresses */
};

/* ---- Input ---------------------------------------------------------------------------------- */

/* A packet on its way up. For TCP that came in several pieces only its headers are sure to be
 * contiguous; everything else is. */
struct l4_ip_in {
	const uint8_t *data; /* first byte of what k's offsets count from */
	uint32_t avail;      /* contiguous bytes there */
	struct l4_packet k;
	const struct l4_frame *frame; /* NULL: reassembled or looped */
	struct l4_if *ifp; /* never NULL: looped packets come by the interface of the address */
	l4_time time;      /* arrival */
	l4_time now;
	bool link_group; /* the frame was link-layer broadcast or multicast */
	bool loop;       /* from ourselves */
	bool csum_ok;    /* transport checksum known to be right */
	bool reassembled;
	bool dst_broadcast; /* IP destination is a broadcast address; set by l4_ip_input */
	bool dst_multicast;
};

/* What an ICMP error says, for the transports. */
struct l4_icmp_report {
	struct l4_icmp_quote q;
	int err;      /* L4_EMSGSIZE, L4_EREFUSED, L4_EUNREACH */
	bool hard;    /* RFC 1122 4.2.3.9 */
	uint32_t mtu; /* with L4_EMSGSIZE */
	uint16_t ifindex;
};

/* ---- The layer ------------------------------------------------------------------------------ */

struct l4_ip_env {
	void *ctx;
	void (*tcp_in)(void *ctx, const struct l4_ip_in *in);
	void (*udp_in)(void *ctx, const struct l4_ip_in *in);
	void (*icmp_in)(void *ctx, const struct l4_icmp_report *r, l4_time now);
	/* A packet of this endpoint left (err 0) or was dropped; size as in l4_pkt. */
	void (*pkt_done)(void *ctx, l4_ep ep, uint32_t size, int err);
	/* Something resolved or changed: TCP paths that wait may go on. */
	void (*wake)(void *ctx);
	void (*address_gone)(void *ctx, const struct l4_addr *a, l4_time now);
};

struct l4_ip {
	struct l4_ip_env env;
	struct l4_mem *mem;
	struct l4_rng *rng;
	struct l4_host_counters *c;
	struct l4_trace_sink trace;
	struct l4_host_limits limits;
	uint8_t ttl;
	bool icmp_echo, icmp_echo_groups, icmp_redirects, forwarder;
	uint32_t icmp_rate;
	uint8_t key[16];      /* hash tables */
	uint8_t key_id[16];   /* identifications */
	uint8_t key_iid[16];  /* interface identifiers (RFC 7217) */
	uint8_t key_flow[16]; /* flow labels (RFC 6437) */
	uint8_t key_limit[16];
	l4_time now;  /* latest seen */
	uint32_t gen; /* counts every change that can make a kept path stale */
	struct l4_if *ifs[L4_IP_IFS_MAX + 1]; /* by index; [0] is loop_if */
	struct l4_if loop_if;                 /* where looped packets come in that fit no other */
	unsigned n_ifs;
	struct l4_local *local;
	uint32_t local_mask;     /* slots - 1 */
	struct l4_route *routes; /* longest prefix first, then lower metric */
	uint32_t n_routes, cap_routes;
	l4_time route_due;
	struct l4_pktq lo; /* to ourselves */
	struct l4_reass *reass;
	struct l4_pmtu_entry *pmtu; /* L4_PMTU_SETS * L4_PMTU_WAYS; NULL until the first */
	l4_time pmtu_due;
	struct l4_bucket icmp_all, icmp_dst[L4_LIMIT_SLOTS], solicit;
	uint16_t *ids; /* L4_IDS counters (RFC 6864) */
	struct l4_addr dns[8];
	struct {
		l4_time until;
		uint16_t ifindex;
	} dns_info[8];
	unsigned n_dns;
	uint32_t pending;     /* packets in neighbours' queues */
	struct l4_pktq spent; /* pulled; freed by the next call */
	bool in_loopback;
	bool address_event; /* some interface's is set */
};

/* ip.c */
int l4_ip_init(struct l4_ip *ip, const struct l4_ip_env *env, struct l4_mem *mem,
    struct l4_rng *rng, struct l4_host_counters *c, const struct l4_host_config *conf);
void l4_ip_fini(struct l4_ip *ip);
struct l4_pkt *l4_pkt_new(struct l4_ip *ip, uint32_t headroom, uint32_t len);
/* Frees it and tells its endpoint (err: 0 when it was sent). NULL is allowed. */
void l4_pkt_free(struct l4_ip *ip, struct l4_pkt *p, int err);
void l4_pktq_clear(struct l4_ip *ip, struct l4_pktq *q, int err);
void l4_ip_drop(struct l4_ip *ip, enum l4_drop why, unsigned ifindex, uint32_t len);
void l4_ip_trace(struct l4_ip *ip, unsigned kind, int64_t v0, int64_t v1, int64_t v2, int64_t v3);
uint64_t l4_ip_hash(const struct l4_ip *ip, const void *data, size_t len);
l4_time l4_ip_deadline(const struct l4_ip *ip);
void l4_ip_tick(struct l4_ip *ip, l4_time now);
static inline struct l4_if *l4_ip_if(const struct l4_ip *ip, unsigned ifindex)
{
	return ifindex >= 1 && ifindex <= ip->n_ifs ? ip->ifs[ifindex] : NULL;
}
/* A time in now + [low, high). */
l4_time l4_ip_jitter(struct l4_ip *ip, l4_time now, l4_time low, l4_time high);
static inline l4_time l4_time_add(l4_time a, l4_time b)
{
	return a > L4_TIME_NEVER - b ? L4_TIME_NEVER : a + b;
}
static inline l4_time l4_time_min(l4_time a, l4_time b)
{
	return a < b ? a : b;
}
/* Takes one of `rate` a second, at most `burst` at once. */
bool l4_bucket_take(struct l4_bucket *b, uint32_t rate, uint32_t burst, l4_time now);
int l4_ip_check(const struct l4_ip *ip, char *what, size_t cap);

/* addr_table.c */
int l4_ip_addr_add(struct l4_ip *ip, struct l4_if *ifp, const struct l4_prefix *p,
    enum l4_addr_origin origin, l4_time valid_until, l4_time preferred_until, l4_time now);
int l4_ip_addr_del(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now);
/* One of our usable addresses (not tentative, not duplicate), or NULL. ifindex 0: any. */
struct l4_ifaddr *l4_ip_local(
    const struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex, struct l4_if **ifp);
/* The same in any state, on one interface. */
struct l4_ifaddr *l4_if_addr(const struct l4_if *ifp, const struct l4_addr *a);
bool l4_ip_is_local(const struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex);
bool l4_if_is_broadcast(const struct l4_if *ifp, const struct l4_addr *a);
bool l4_ip_is_broadcast(const struct l4_ip *ip, const struct l4_addr *a);
/* Whether some prefix of the interface holds it. */
bool l4_if_on_link(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a);
/* RFC 6724 5 for v6; for v4 the address whose prefix holds dst, else the first. */
int l4_ip_source(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *dst,
    struct l4_addr *out);
void l4_ip_addr_conflict(struct l4_ip *ip, struct l4_if *ifp, struct l4_ifaddr *a, l4_time now);
void l4_ip_addr_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_if_link_changed(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
struct l4_addr l4_addr_solicited_node(const struct l4_addr *a);
struct l4_addr l4_ip_stable_address(
    const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_prefix *p, unsigned tries);

/* route.c */
int l4_route_add(struct l4_ip *ip, const struct l4_route *r);
int l4_route_del(struct l4_ip *ip, const struct l4_prefix *dst, const struct l4_addr *gw,
    unsigned ifindex, enum l4_route_origin origin);
void l4_route_tick(struct l4_ip *ip, l4_time now);
/* The next hop to dst. *src any: chosen; else checked to be ours (L4_ENOADDR). ifindex 0: any.
 * L4_ENOROUTE when there is none. */
int l4_ip_route(struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst,
    unsigned ifindex, struct l4_hop *out, l4_time now);

/* redirect.c */
void l4_redirect4_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_icmp_hdr *h,
    const uint8_t *msg, uint32_t len);
void l4_redirect6_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m);

/* pmtu.c */
uint32_t l4_pmtu_get(const struct l4_ip *ip, const struct l4_addr *dst, uint32_t if_mtu);
/* Returns the MTU now believed. */
uint32_t l4_pmtu_lower(struct l4_ip *ip, const struct l4_addr *dst, uint32_t mtu, uint32_t if_mtu,
    uint32_t floor4, l4_time now);
void l4_pmtu_tick(struct l4_ip *ip, l4_time now);

/* neigh.c */
int l4_neigh_init(struct l4_ip *ip, struct l4_if *ifp);
void l4_neigh_fini(struct l4_ip *ip, struct l4_if *ifp);
struct l4_neigh *l4_neigh_find(
    const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a);
/* Finds or makes an entry and says whether a frame can go there: 1, 0 (resolution under way), or
 * L4_EUNREACH, L4_ELIMIT. src: of the packet that wants to go. */
int l4_neigh_use(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_addr *src, struct l4_neigh **out, l4_time now);
/* The same for an entry at hand. */
int l4_neigh_touch(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now);
/* Sends the packet, whose link header is not there yet, to the neighbour; queues it while
 * resolution is under way. Takes the packet. */
int l4_neigh_output(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *next,
    const struct l4_addr *src, struct l4_pkt *p, l4_time now);
/* Upper layers heard from it (RFC 4861 7.3.1). */
void l4_neigh_confirm(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now);
void l4_neigh_suspect(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n, l4_time now);
/* What an ARP reply or NA told: RFC 4861 7.2.5. mac NULL: none was given. */
void l4_neigh_on_advert(struct l4_ip *ip, struct l4_if *ifp, struct l4_neigh *n,
    const struct l4_mac *mac, bool solicited, bool override_, bool guard, l4_time now);
/* What an ARP request, NS, RS or RA told of its sender (RFC 4861 7.2.3): existing entries only. */
void l4_neigh_on_sender(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_mac *mac, bool guard, l4_time now);
int l4_neigh_set_permanent(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a,
    const struct l4_mac *mac, l4_time now);
void l4_neigh_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_neigh_flush(struct l4_ip *ip, struct l4_if *ifp);

/* arp.c */
void l4_arp_input(struct l4_ip *ip, struct l4_if *ifp, const uint8_t *data, uint32_t len,
    const struct l4_mac *eth_src, bool link_group, l4_time now);
/* target's address; to NULL: broadcast. spa any: a probe (RFC 5227). */
void l4_arp_request(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *spa,
    const struct l4_addr *tpa, const struct l4_mac *to);

/* ndp.c */
void l4_ndp_input(struct l4_ip *ip, const struct l4_ip_in *in);
/* to NULL: multicast to the solicited node. src any: a DAD probe with this nonce. */
void l4_ndp_solicit(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *src,
    const struct l4_addr *target, const struct l4_mac *to, const uint8_t *nonce);
void l4_ndp_send(struct l4_ip *ip, struct l4_if *ifp, const struct l4_ndp_msg *m,
    const struct l4_addr *src, const struct l4_addr *dst, const struct l4_mac *to);

/* slaac.c */
int l4_ra_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_ra_stop(struct l4_ip *ip, struct l4_if *ifp);
/* It said that it is no router any more. */
void l4_ra_router_gone(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a);
void l4_ra_input(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_ndp_msg *m);
l4_time l4_ra_deadline(const struct l4_if *ifp);
void l4_ra_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_ip_dns_add(struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex, l4_time until);
void l4_ip_dns_del(struct l4_ip *ip, unsigned ifindex, bool ip4);

/* dhcp4.c */
int l4_dhcp_start(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_dhcp_stop(struct l4_ip *ip, struct l4_if *ifp);
/* A datagram to port 68. Whether it was for the client. */
bool l4_dhcp_input(struct l4_ip *ip, const struct l4_ip_in *in);
l4_time l4_dhcp_deadline(const struct l4_if *ifp);
void l4_dhcp_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
/* The link came up; the address was found to be another's. */
void l4_dhcp_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_dhcp_on_conflict(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now);

/* icmp.c */
void l4_icmp_input(struct l4_ip *ip, const struct l4_ip_in *in);
/* Sends an error about the packet if the standards allow one and the limits too. rest: bytes 4..7.
 */
void l4_icmp_error(
    struct l4_ip *ip, const struct l4_ip_in *in, uint8_t type, uint8_t code, uint32_t rest);
/* The same for a packet that is not at hand as it came: its first bytes from the IP header on. */
void l4_icmp_error_quote(struct l4_ip *ip, struct l4_if *ifp, const struct l4_packet *k,
    const uint8_t *quote, uint32_t len, uint8_t type, uint8_t code, uint32_t rest, l4_time now);

/* mcast.c: groups of an interface. source NULL: any. */
int l4_group_join(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, bool reported, l4_time now);
int l4_group_leave(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, l4_time now);
/* Whether the interface takes packets from source to the group. */
bool l4_group_accepts(
    const struct l4_if *ifp, const struct l4_addr *group, const struct l4_addr *source);
/* Whether it is in the group at all, with whatever filter: queries come from routers, not from the
 * sources that the filter is about. */
bool l4_group_exists(const struct l4_if *ifp, const struct l4_addr *group);
void l4_group_query_input(struct l4_ip *ip, const struct l4_ip_in *in);
void l4_group_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_group_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now);
void l4_group_free_all(struct l4_ip *ip, struct l4_if *ifp);

/* reass.c */
int l4_reass_new(struct l4_ip *ip);
void l4_reass_free(struct l4_ip *ip);
/* Takes a fragment; when the datagram is whole, hands it to l4_ip_input_whole. */
void l4_reass_input(struct l4_ip *ip, const struct l4_ip_in *in);
l4_time l4_reass_deadline(const struct l4_ip *ip);
void l4_reass_tick(struct l4_ip *ip, l4_time now);
uint64_t l4_reass_bytes(const struct l4_ip *ip);

/* input.c */
/* A parsed packet whose link layer was in order. */
void l4_ip_input(struct l4_ip *ip, struct l4_ip_in *in);
/* One that the walk over its headers refused, and for which the standards ask an ICMP answer. */
void l4_ip_reject(struct l4_ip *ip, struct l4_ip_in *in);
/* By protocol, for a whole packet that is ours. */
void l4_ip_dispatch(struct l4_ip *ip, struct l4_ip_in *in);
/* Delivers what waits in the loopback queue, at most max packets. */
void l4_ip_run_loopback(struct l4_ip *ip, unsigned max, l4_time now);

/* output.c */
struct l4_ip_out {
	struct l4_addr src; /* any: chosen */
	struct l4_addr dst;
	const struct l4_mac *to; /* link destination, when it is known; NULL: resolved */
	uint16_t ifindex;        /* 0: by route */
	uint8_t proto;
	uint8_t ttl; /* 0: default */
	uint8_t tos;
	bool df;
	bool router_alert;
	bool no_loop;     /* multicast does not come back to us */
	bool unspecified; /* src any is meant: DHCP, DAD, MLD */
	uint32_t flow;
	const uint8_t *opts; /* IPv4 options, NULL: none */
	uint8_t opts_len;
};
/* p holds the transport packet with its checksum; taken in every case. Returns 0 or L4_ENOROUTE,
 * L4_ENOADDR, L4_EMSGSIZE (DF), L4_EAGAIN (queue full), L4_EUNREACH, L4_ENOMEM. */
int l4_ip_output(struct l4_ip *ip, struct l4_pkt *p, const struct l4_ip_out *o, l4_time now);
/* Puts a link header in front (Ethernet) and queues the frame. Takes the packet. */
int l4_if_enqueue(struct l4_ip *ip, struct l4_if *ifp, struct l4_pkt *p, const struct l4_mac *to,
    uint16_t ethertype);
/* Same for IP packets: the EtherType from the version. */
int l4_if_enqueue_ip(
    struct l4_ip *ip, struct l4_if *ifp, struct l4_pkt *p, const struct l4_mac *to);
/* Identification of the next IPv4 packet that might be fragmented (RFC 6864). */
uint16_t l4_ip4_next_id(
    struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst, uint8_t proto);
uint32_t l4_ip_flow_label(const struct l4_ip *ip, const struct l4_addr *src,
    const struct l4_addr *dst, uint16_t sport, uint16_t dport, uint8_t proto);

#endif
