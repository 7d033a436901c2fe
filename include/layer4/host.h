/* A host: interfaces, addresses, routes, neighbours, and the TCP and UDP endpoints on them.
 *
 * Sans I/O: frames come in by l4_host_rx, are pulled out by l4_host_tx, events are taken with
 * l4_host_events, and l4_host_deadline says when l4_host_tick wants to be called. A host has no
 * clock, thread or global; it allocates only through the embedder's allocator and only up to the
 * limits stated at creation. One host is used by one thread at a time; many hosts share nothing. */
#ifndef LAYER4_HOST_H
#define LAYER4_HOST_H

#include <layer4/addr.h>
#include <layer4/device.h>
#include <layer4/err.h>
#include <layer4/tcp.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/udp.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct l4_host;

/* Memory. free gets the size that alloc was asked for. Both NULL: the C library's malloc. */
struct l4_allocator {
	void *(*alloc)(void *ctx, size_t size); /* NULL when there is none */
	void (*free)(void *ctx, void *p, size_t size);
	void *ctx;
};

/* What a host may use; never exceeded. What happens when full stands beside each. */
struct l4_host_limits {
	uint32_t connections;    /* TCP beyond half-open; new ones are refused */
	uint32_t half_open;      /* SYN cookies, or the SYN is dropped */
	uint32_t time_wait;      /* the oldest is let go early */
	uint32_t udp;            /* endpoints; L4_ELIMIT */
	uint64_t buffer_bytes;   /* all send, receive and out-of-order bytes: windows shrink, sends
				  * say   L4_EAGAIN, out-of-order data is dropped */
	uint32_t fragment_bytes; /* reassembly: the oldest datagram is dropped */
	uint32_t neighbours;     /* an interface: the oldest unused entry goes */
	uint32_t routes;         /* L4_ELIMIT */
	uint32_t addresses;      /* an interface; L4_ELIMIT */
	uint32_t groups;         /* multicast memberships; L4_ELIMIT */
	uint32_t
	    queue_frames; /* small frames (ARP, ICMP, RST, UDP) waiting an interface; dropped */
};

struct l4_host_config {
	struct l4_allocator allocator;
	struct l4_host_limits limits;
	struct l4_tcp_config tcp;
	struct l4_trace_sink trace;
	uint8_t seed[32]; /* all randomness and all secrets come from it */
	bool has_seed;    /* false: l4_host_new fails with L4_EENTROPY (fail closed) */
	l4_time now;
	uint8_t ttl;           /* default hop limit, 64 */
	bool icmp_echo;        /* answer echo requests; default on */
	bool icmp_echo_groups; /* also those to multicast groups of ours (RFC 4443 4.2) and IPv4's
				* broadcast; default off: they multiply a forged question */
	bool icmp_redirects; /* follow redirects of the first hop (RFC 1122 3.2.2.2, RFC 4861 8.3);
			      * default off: any neighbour can forge them */
	uint32_t icmp_rate;  /* ICMP errors a second, default 1000, burst 50; 0: none */
	bool forwarder; /* take connections and datagrams for any address: see l4_host_events */
};

/* Fills in the defaults, sized for a desktop tool: 16,384 connections, 64 MiB of buffers. */
L4_EXPORT void l4_host_config_init(struct l4_host_config *c);
/* Makes a host. *out belongs to the caller until l4_host_free. L4_ENOMEM, L4_EENTROPY, L4_EINVAL.
 */
L4_EXPORT int l4_host_new(struct l4_host **out, const struct l4_host_config *c);
/* New settings of TCP for a host that runs. What a connection takes over when it is made (buffers,
 * timeouts, congestion control, what its SYN offered) it keeps. Without L4_FASTOPEN_CLIENT the
 * cookies of servers are forgotten. L4_EINVAL as l4_host_new. */
L4_EXPORT int l4_host_set_tcp(struct l4_host *h, const struct l4_tcp_config *c);
/* Frees the host and all its endpoints without a word to their peers. NULL is allowed. */
L4_EXPORT void l4_host_free(struct l4_host *h);

/* --- Interfaces, addresses, routes --- */

struct l4_iface_config {
	char name[16];
	struct l4_device_caps
	    caps;        /* as the device says; caps.mac zero on Ethernet: one is drawn */
	bool accept_ra;  /* SLAAC and routers from router advertisements (RFC 4862) */
	bool link_local; /* form fe80:: by itself (RFC 4862 5.3) */
	bool dad;        /* duplicate address detection (RFC 4862 5.4, RFC 5227) */
	bool dhcp4;      /* DHCPv4 client (RFC 2131) */
};

/* Returns the interface's index (1, 2, …) or L4_E*. */
L4_EXPORT int l4_host_add_iface(struct l4_host *h, const struct l4_iface_config *c, l4_time now);
L4_EXPORT int l4_host_set_link(struct l4_host *h, unsigned ifindex, bool up, l4_time now);
L4_EXPORT int l4_host_set_mtu(struct l4_host *h, unsigned ifindex, uint32_t mtu, l4_time now);
L4_EXPORT int l4_host_iface_mac(const struct l4_host *h, unsigned ifindex, struct l4_mac *out);
/* Adds an address with its on-link prefix (len in 128-bit form, see struct l4_prefix). */
L4_EXPORT int l4_host_add_address(
    struct l4_host *h, unsigned ifindex, const struct l4_prefix *p, l4_time now);
/* Takes it away; connections from it end with L4_ENOADDR after their user timeout. */
L4_EXPORT int l4_host_del_address(
    struct l4_host *h, unsigned ifindex, const struct l4_addr *a, l4_time now);
enum l4_addr_state { L4_ADDR_TENTATIVE, L4_ADDR_PREFERRED, L4_ADDR_DEPRECATED, L4_ADDR_DUPLICATE };
struct l4_iface_address {
	struct l4_prefix prefix;
	enum l4_addr_state state;
	l4_time valid_until, preferred_until;
};
/* Copies up to max addresses; returns how many there are. */
L4_EXPORT int l4_host_addresses(
    const struct l4_host *h, unsigned ifindex, struct l4_iface_address *out, size_t max);
/* A route to dst by a gateway (any address: on-link). Lower metric wins among equal prefixes. */
L4_EXPORT int l4_host_add_route(struct l4_host *h, const struct l4_prefix *dst,
    const struct l4_addr *gateway, unsigned ifindex, uint32_t metric);
L4_EXPORT int l4_host_del_route(struct l4_host *h, const struct l4_prefix *dst,
    const struct l4_addr *gateway, unsigned ifindex);
/* A fixed neighbour, never expired. */
L4_EXPORT int l4_host_add_neighbour(struct l4_host *h, unsigned ifindex, const struct l4_addr *a,
    const struct l4_mac *mac, l4_time now);
/* The source address that a packet to dst would carry (RFC 6724 for v6). */
L4_EXPORT int l4_host_source_for(struct l4_host *h, const struct l4_addr *dst, struct l4_addr *out);
/* DNS servers learned (DHCP option 6, RDNSS); returns how many there are. */
L4_EXPORT int l4_host_dns_servers(const struct l4_host *h, struct l4_addr *out, size_t max);

/* --- Frames, time, events --- */

/* Takes n received frames. Each frame's time is its arrival; now is when this call is made. Never
 * fails: what is wrong with a frame is counted and traced. */
L4_EXPORT void l4_host_rx(
    struct l4_host *h, unsigned ifindex, const struct l4_frame *frames, size_t n, l4_time now);
/* The same with frames whose bytes stay as they are until l4_host_rx_end: received bytes need not
 * be copied into the connection's buffer before the user takes them (l4_tcp_recv then copies once,
 * l4_tcp_peek lends the frame's own bytes). Call l4_host_rx_end when the events of the frames have
 * been seen to, and before their memory is used again (that is, before the device's next rx). */
L4_EXPORT void l4_host_rx_lend(
    struct l4_host *h, unsigned ifindex, const struct l4_frame *frames, size_t n, l4_time now);
/* Ends the loan: what nobody took is copied. Without a loan nothing happens. l4_host_rx and
 * l4_host_rx_lend do so themselves before they take new frames. */
L4_EXPORT void l4_host_rx_end(struct l4_host *h);
/* Pulls up to n frames that may leave now. Their payload pieces stay valid until the next call on
 * this host that is not l4_host_tx. Returns their number. */
L4_EXPORT size_t l4_host_tx(
    struct l4_host *h, unsigned ifindex, struct l4_tx_frame *out, size_t n, l4_time now);
/* When l4_host_tick is wanted next; L4_TIME_NEVER if never. Also tells of paced frames: after a
 * deadline call l4_host_tx as well. */
L4_EXPORT l4_time l4_host_deadline(const struct l4_host *h);
/* Runs what is due. Early calls are harmless, late ones only cost quality. */
L4_EXPORT void l4_host_tick(struct l4_host *h, l4_time now);
/* Whether l4_host_tx might give a frame for this interface now. */
L4_EXPORT bool l4_host_wants_tx(const struct l4_host *h, unsigned ifindex);

enum l4_event_bits {
	L4_EV_CONNECTED = 1,  /* active open done */
	L4_EV_ACCEPT = 2,     /* a listener has a connection waiting */
	L4_EV_READABLE = 4,   /* bytes or a datagram to read */
	L4_EV_WRITABLE = 8,   /* room to send, after L4_EAGAIN */
	L4_EV_EOF = 16,       /* the peer's FIN has been received: no more bytes after these */
	L4_EV_CLOSED = 32,    /* the connection is over, both ways, in order */
	L4_EV_ERROR = 64,     /* over or refused with err; also ICMP errors on UDP */
	L4_EV_URGENT = 128,   /* urgent data announced */
	L4_EV_ZC_DONE = 256,  /* zero-copy memory given back, up to and including token */
	L4_EV_ADDRESS = 512,  /* ep 0: addresses of the interface `token` changed */
	L4_EV_TROUBLE = 1024, /* a TCP connection goes on, but not well: err says why, an ICMP
			       * error or L4_ETIMEDOUT for R1 retransmissions (RFC 9293 3.9.1.8) */
};

struct l4_event {
	l4_ep ep;
	uint32_t bits;  /* enum l4_event_bits */
	int err;        /* L4_E* with ERROR, TROUBLE */
	void *user;     /* as given when the endpoint was made */
	uint64_t token; /* ZC_DONE, ADDRESS */
};

/* Takes up to max events, oldest first. An endpoint stands in the queue once, with all its bits. */
L4_EXPORT size_t l4_host_events(struct l4_host *h, struct l4_event *out, size_t max);

/* Counters of the host by drop reason (enum l4_drop) and totals. */
struct l4_host_counters {
	uint64_t drops[L4_DROP_N];
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t ip_in, ip_out, ip_reassembled, ip_fragments_out;
	uint64_t udp_in, udp_out, udp_no_port;
	uint64_t icmp_in, icmp_out, icmp_rate_limited;
	uint64_t arp_in, arp_out, ndp_in, ndp_out;
	uint64_t alloc_bytes; /* now allocated */
};
L4_EXPORT void l4_host_counters(const struct l4_host *h, struct l4_host_counters *out);

/* Checks every invariant that the host can see of itself; returns 0, or L4_ESTATE with the first
 * broken one named in what (at most cap bytes). For tests: walks everything. */
L4_EXPORT int l4_host_check(const struct l4_host *h, char *what, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
