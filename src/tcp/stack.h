/* The TCP stack as its host sees it. Included by src/tcp and src/host only.
 *
 * struct l4_tcp_stack holds every connection, listener, half-open record and TIME-WAIT record of
 * one host, their demultiplexer and their timers. It has no hands: the host brings segments in
 * (l4_tcp_stack_input), pulls segments out (l4_tcp_stack_pull), ticks it, and answers questions
 * through struct l4_tcp_env. The functions of <layer4/tcp.h> are this file's l4_tcps_* with the
 * stack of the host. */
#ifndef L4_TCP_STACK_H
#define L4_TCP_STACK_H

#include <layer4/host.h>
#include <layer4/wire.h>

struct l4_tcp_stack;
struct l4_chunk;

/* How to reach a peer; filled by the host's route(), kept in the connection. */
struct l4_path {
	uint32_t nh;     /* the host's: index of the next hop it chose */
	uint32_t nh_gen; /* the host's: to see that nh is stale */
	uint16_t ifindex;
	uint16_t mtu;     /* path MTU known now: IP packet bytes */
	uint16_t if_mtu;  /* of the interface: what we can receive */
	bool local;       /* loops back to this host */
	bool hop;         /* nh is one: path_confirm wants to hear that it answers */
	bool csum;        /* checksums are completed by the device, or not needed */
	bool tso;         /* super-segments may be pulled */
	uint32_t gso_max; /* bytes of the largest super-segment's payload and headers */
};

/* A segment received, checked by the host: lengths, IP header, checksum right, destination ours. */
struct l4_seg {
	struct l4_endpoint src, dst; /* ifindex set in both for link-local */
	struct l4_tcp_hdr h;
	const struct l4_piece *pieces; /* payload starts `skip` bytes into pieces[0] */
	uint32_t n_pieces;
	uint32_t skip;
	uint32_t len; /* payload bytes */
	uint8_t tos;  /* DS field with ECN bits */
	uint8_t ttl;
	uint16_t ifindex;
	uint16_t n_segs;       /* wire segments joined into this one (GRO), at least 1 */
	bool lent;             /* the pieces' bytes stay until l4_tcp_stack_settle */
	const uint8_t *landed; /* the payload stands here, too: see l4_tcp_stack_landing; or NULL */
	uint8_t flow_slot;     /* the host's, for the table of flows */
	uint32_t flow_gen; /* the host's count for the table of flows; 0: not to be noted there */
	l4_time time;      /* arrival of the (last) segment */
};

/* A connection's segments as they look on the wire (IPv4), so that the host finds it by comparing
 * twelve bytes. Entries are noted by l4_tcp_stack_input and vanish with their connection. */
struct l4_tcp_flow {
	struct l4_tcp *c; /* NULL: none */
	uint64_t addrs;   /* source and destination as loaded from the IPv4 header */
	uint32_t ports;   /* as loaded from the TCP header */
	uint32_t gen;     /* flow_gen of the segment that was noted */
	uint16_t ifindex;
	uint8_t slot; /* the host's: of its GRO */
	struct l4_endpoint remote, local;
};
#define L4_TCP_FLOW_BITS 9

static inline unsigned l4_tcp_flow_index(uint64_t addrs, uint32_t ports)
{
	return (unsigned)(((addrs ^ ports) * 0x9e3779b97f4a7c15u) >> (64 - L4_TCP_FLOW_BITS));
}
/* The table: 1 << L4_TCP_FLOW_BITS entries, as long-lived as the stack. */
struct l4_tcp_flow *l4_tcp_stack_flows(struct l4_tcp_stack *ts);

/* Where payload may be written that seems to come next, at seq, before anything else of its segment
 * is looked at; *room: how many bytes at most. The memory was posted by the user, who sees nothing
 * of it until the segment, with `landed` set to this place, was taken. NULL: nowhere. */
uint8_t *l4_tcp_stack_landing(const struct l4_tcp *c, uint32_t seq, uint32_t *room);

/* A segment to send. The host adds IP and link headers and finishes the checksum. */
struct l4_seg_out {
	struct l4_endpoint src, dst;
	struct l4_path *path; /* NULL for replies without a connection: route by dst */
	struct l4_tcp_hdr h;  /* hdr_len is computed by l4_tcp_emit */
	struct l4_piece pieces[L4_FRAME_PIECES - 1];
	struct l4_chunk *chunk[L4_FRAME_PIECES - 1]; /* whose bytes each piece is */
	uint32_t n_pieces;
	uint32_t len;      /* payload bytes */
	uint16_t gso_size; /* payload bytes per segment when len is larger, else 0 */
	bool split;        /* len is larger, and the path takes no super-segments: the host cuts */
	uint16_t ip_id;    /* IPv4 identification of the first, with df */
	uint8_t ttl;       /* 0: the host's default */
	uint8_t tos;       /* DS field with ECN bits */
	bool df;           /* IPv4 don't-fragment */
	uint32_t flow_label; /* IPv6, 20 bits (RFC 6437) */
	struct l4_why why;
};

/* The checksum's sum of len bytes at data, in a chunk of l4_seg_out. */
uint32_t l4_sndbuf_sum(struct l4_chunk *k, const uint8_t *data, uint32_t len);

/* What the host does for the stack. Every function is needed. */
struct l4_tcp_env {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
	/* Fills *path for local -> remote and, when local->addr is any, chooses it. 0, L4_ENOROUTE,
	 * or L4_ENOADDR when local is not ours. */
	int (*route)(void *ctx, struct l4_endpoint *local, const struct l4_endpoint *remote,
	    struct l4_path *path);
	/* Whether a segment on this path can leave now: 1 yes; 0 not yet, resolution is under way
	 * and l4_tcp_stack_wake follows; L4_EUNREACH when resolution failed for now; L4_ENOROUTE or
	 * L4_ENOADDR. Refreshes a stale path. */
	int (*path_ready)(void *ctx, const struct l4_endpoint *local,
	    const struct l4_endpoint *remote, struct l4_path *path, l4_time now);
	/* The peer answers: its neighbour entry is reachable (RFC 4861 7.3.1). */
	void (*path_confirm)(void *ctx, struct l4_path *path, l4_time now);
	/* R1 retransmissions of a segment had no answer: the next hop may be dead (RFC 9293 3.8.3,
	 * RFC 1122 3.3.1.4). */
	void (*path_suspect)(void *ctx, struct l4_path *path, l4_time now);
	/* Lowers the path MTU towards remote in the host's cache; returns the MTU now believed. */
	uint32_t (*set_pmtu)(
	    void *ctx, const struct l4_endpoint *remote, uint32_t mtu, l4_time now);
	/* Sends at once a small segment that has no connection: RST, cookie, ACK of TIME-WAIT. */
	void (*reply)(void *ctx, const struct l4_seg_out *o, l4_time now);
	bool (*is_local)(void *ctx, const struct l4_addr *a, unsigned ifindex);
	/* Adds bits to the endpoint's entry in the event queue. The stack keeps what is shown in
	 * the event in the connection; the host reads it with l4_tcps_event when it hands it out.
	 */
	void (*event)(void *ctx, l4_ep ep);
	/* A connection has something to send on this interface: pull. */
	void (*kick)(void *ctx, unsigned ifindex);
	uint32_t (*random)(void *ctx);
	void (*trace)(void *ctx, const struct l4_trace_event *e); /* NULL: off */
};

/* Handles: bits 60..62 the kind, 32..55 the generation, 0..31 the index. */
#define L4_EP_TCP      ((l4_ep)1 << 60)
#define L4_EP_UDP      ((l4_ep)2 << 60)
#define L4_EP_KIND(ep) ((ep) & ((l4_ep)7 << 60))

/* Size of the stack's own memory is the limits'; config and limits are copied. secret keys the hash
 * tables, ISNs, ports, cookies: 64 bytes drawn by the host. */
int l4_tcp_stack_new(struct l4_tcp_stack **out, const struct l4_tcp_env *env,
    const struct l4_tcp_config *config, const struct l4_host_limits *limits,
    const uint8_t secret[64], l4_time now);
/* Other settings while it runs; L4_EINVAL as above, and nothing changes. */
int l4_tcp_stack_configure(struct l4_tcp_stack *ts, const struct l4_tcp_config *config);
void l4_tcp_stack_free(struct l4_tcp_stack *ts);

/* One segment in; answers are made in the next pulls (and replies at once). */
void l4_tcp_stack_input(struct l4_tcp_stack *ts, const struct l4_seg *seg, l4_time now);
/* The same for a segment of a connection found in the table of flows. */
void l4_tcp_stack_input_flow(
    struct l4_tcp_stack *ts, struct l4_tcp *c, const struct l4_seg *seg, l4_time now);
/* After the last segment of a batch: readable events and ACK decisions are made once per batch. */
void l4_tcp_stack_input_end(struct l4_tcp_stack *ts, l4_time now);
/* Copies what is still lent into its connection's buffer: the frames may go. */
void l4_tcp_stack_settle(struct l4_tcp_stack *ts);
/* The next segment for this interface: 1, or 0 when there is none now. max: into so many frames at
 * most the caller would cut a longer one (o->split), 1 or more. */
int l4_tcp_stack_pull(
    struct l4_tcp_stack *ts, unsigned ifindex, struct l4_seg_out *o, uint32_t max, l4_time now);
bool l4_tcp_stack_wants_pull(const struct l4_tcp_stack *ts, unsigned ifindex);
/* Paths may be ready that were not: connections that wait are tried again. */
void l4_tcp_stack_wake(struct l4_tcp_stack *ts, l4_time now);
l4_time l4_tcp_stack_deadline(const struct l4_tcp_stack *ts);
void l4_tcp_stack_tick(struct l4_tcp_stack *ts, l4_time now);

/* An ICMP error that quotes a segment of ours (src is our end). seq is the quoted sequence number;
 * has_seq says whether it was there. err: L4_EMSGSIZE with mtu, L4_EREFUSED, L4_EUNREACH;
 * hard says whether RFC 1122 4.2.3.9 calls it a hard error. Checked against the window (RFC 5927).
 */
void l4_tcp_stack_icmp(struct l4_tcp_stack *ts, const struct l4_endpoint *src,
    const struct l4_endpoint *dst, bool has_seq, uint32_t seq, int err, bool hard, uint32_t mtu,
    l4_time now);
/* An address of ours went away. */
void l4_tcp_stack_address_gone(struct l4_tcp_stack *ts, const struct l4_addr *a, l4_time now);

/* Takes the pending bits of an endpoint for the event queue: fills bits, err, user, token of *e and
 * clears them. False when the endpoint is gone. */
bool l4_tcps_event(struct l4_tcp_stack *ts, l4_ep ep, struct l4_event *e);

/* The functions of <layer4/tcp.h>, with the stack instead of the host. */
l4_ep l4_tcps_new(struct l4_tcp_stack *ts, void *user);
int l4_tcps_bind(struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *local);
int l4_tcps_listen(struct l4_tcp_stack *ts, l4_ep ep, uint32_t backlog, l4_time now);
l4_ep l4_tcps_accept(
    struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *remote, void *user, l4_time now);
int l4_tcps_connect(
    struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *remote, l4_time now);
int64_t l4_tcps_send(
    struct l4_tcp_stack *ts, l4_ep ep, const void *data, size_t len, int flags, l4_time now);
int64_t l4_tcps_sendto(struct l4_tcp_stack *ts, l4_ep ep, const struct l4_endpoint *remote,
    const void *data, size_t len, int flags, l4_time now);
int64_t l4_tcps_send_zc(struct l4_tcp_stack *ts, l4_ep ep, const void *data, size_t len, int flags,
    uint64_t token, l4_time now);
int64_t l4_tcps_recv(
    struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t len, int flags, l4_time now);
int l4_tcps_recv_post(struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t len, l4_time now);
int64_t l4_tcps_recv_take(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_peek(struct l4_tcp_stack *ts, l4_ep ep, struct l4_piece *pieces, unsigned max);
int l4_tcps_consume(struct l4_tcp_stack *ts, l4_ep ep, size_t n, l4_time now);
int l4_tcps_shutdown(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_shutdown_recv(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_close(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_abort(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_disconnect(struct l4_tcp_stack *ts, l4_ep ep, l4_time now);
int l4_tcps_set(struct l4_tcp_stack *ts, l4_ep ep, int option, int64_t value, l4_time now);
int l4_tcps_get(struct l4_tcp_stack *ts, l4_ep ep, int option, int64_t *value);
int l4_tcps_set_congestion(struct l4_tcp_stack *ts, l4_ep ep, const char *name);
const char *l4_tcps_get_congestion(struct l4_tcp_stack *ts, l4_ep ep);
int l4_tcps_set_fastopen_key(struct l4_tcp_stack *ts, l4_ep ep, const uint8_t key[16]);
int l4_tcps_local(struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *out);
int l4_tcps_remote(struct l4_tcp_stack *ts, l4_ep ep, struct l4_endpoint *out);
int l4_tcps_state(struct l4_tcp_stack *ts, l4_ep ep);
int l4_tcps_error(struct l4_tcp_stack *ts, l4_ep ep);
int64_t l4_tcps_ready(struct l4_tcp_stack *ts, l4_ep ep);
int64_t l4_tcps_inq(struct l4_tcp_stack *ts, l4_ep ep);
int64_t l4_tcps_outq(struct l4_tcp_stack *ts, l4_ep ep);
int64_t l4_tcps_outq_unsent(struct l4_tcp_stack *ts, l4_ep ep);
int l4_tcps_at_mark(struct l4_tcp_stack *ts, l4_ep ep);
int l4_tcps_info(struct l4_tcp_stack *ts, l4_ep ep, struct l4_tcp_info *out, l4_time now);
int64_t l4_tcps_export(struct l4_tcp_stack *ts, l4_ep ep, void *buf, size_t cap, l4_time now);
l4_ep l4_tcps_import(struct l4_tcp_stack *ts, const void *buf, size_t len, void *user, l4_time now);
void l4_tcps_forget(struct l4_tcp_stack *ts, l4_ep ep); /* without a word to the peer */
void l4_tcps_counters(const struct l4_tcp_stack *ts, struct l4_tcp_counters *out);
/* Walks every invariant; 0 or L4_ESTATE with the first broken one in what. */
int l4_tcp_stack_check(const struct l4_tcp_stack *ts, char *what, size_t cap);

#endif
