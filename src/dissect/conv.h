/* Connections: what is remembered of each, and the table that finds them. For src/dissect only. */
#ifndef L4_DISSECT_CONV_H
#define L4_DISSECT_CONV_H

#include <layer4/addr.h>
#include <layer4/time.h>

#include "dissect/engine.h"

/* A segment sent and not yet acknowledged, in its direction's list (newest first). 32 bytes. */
struct l4_unacked {
	uint32_t seq, nextseq;
	uint32_t frame;
	uint32_t next : 31; /* index in the pool + 1; 0: end */
	uint32_t fin : 1;   /* nextseq counts a SYN or FIN */
	l4_time ts;
};

enum {
	FLOW_BASE_SET = 1,  /* base_seq is known */
	FLOW_VALID_BIF = 2, /* nothing is known to be missing since the last ACK */
	FLOW_PUSH_LAST = 4, /* the last data segment had PSH */
	FLOW_FIRST_ACK = 8, /* no segment after the SYN has been seen */
	FLOW_FIN = 16,
	FLOW_CLOSED = 32, /* this side's FIN was seen first */
	FLOW_UNSEEN = 64, /* an ACK told of bytes beyond nextseq, and nothing came since */
};

enum {
	APP_TLS13 = 1,   /* TLS 1.3 was agreed */
	APP_CONNECT = 2, /* the last request of HTTP was CONNECT */
	APP_TUNNEL = 4,  /* and what follows is what it asked for */
};

#define SACK_MAX      4
#define SCALE_UNKNOWN (-1)
#define SCALE_NONE    (-2)

/* One direction of a TCP connection: what its sender sent. */
struct l4_tcp_flow {
	uint32_t base_seq;        /* its initial sequence number, as far as known */
	uint32_t nextseq;         /* one past the highest number seen; 0: nothing yet */
	uint32_t maxseqtobeacked; /* end of what was seen without a hole */
	uint32_t lastack;         /* acknowledgement of its last segment */
	uint32_t window;          /* unscaled window of its last segment */
	uint32_t nextseqframe;    /* packet that brought nextseq */
	uint32_t lastnondupack;   /* packet of the last ACK that was not a duplicate */
	uint32_t dupacknum;
	uint32_t unacked, n_unacked; /* list of segments that nobody acknowledged */
	uint32_t push_bytes;
	uint32_t fin_seq;
	l4_time nextseqtime, lastacktime; /* ns */
	uint32_t sack_l[SACK_MAX], sack_r[SACK_MAX];
	uint16_t last_flags; /* TCP_A_* of its last segment */
	int8_t win_scale;    /* shift count, or SCALE_* */
	uint8_t n_sack;
	uint8_t bits;    /* FLOW_* */
	uint8_t mp_ops;  /* MPTCP options of its last segment */
	uint32_t stream; /* reassembly record + 1; 0: none */
	uint32_t retransmissions;
	uint32_t pdu_start, pdu_end; /* where the message put together last stood */
};

/* What one end sent. */
struct l4_conv_sent {
	uint32_t packets;
	uint64_t bytes; /* of frames */
	uint64_t payload;
};

/* A conversation of TCP, UDP or IP. `lo` is the end with the lower address (then port). What is
 * read for each packet stands in front. */
struct l4_conv {
	uint8_t lo_addr[16], hi_addr[16];
	uint16_t lo_port, hi_port;
	uint8_t proto; /* 6, 17, or 0: the pair of addresses */
	uint8_t kind;  /* address kind: 4 or 6 */
	uint8_t app;   /* protocol of the layer above once found, or PROTO_NONE */
	uint8_t completeness;
	uint32_t id; /* number of the stream */
	uint32_t first_frame;
	l4_time first_ts, last_ts;
	l4_time syn_ts, first_rtt; /* ns; 0: not known; UDP: syn_ts is of the last with bytes */
	bool first_is_lo;          /* the first packet came from lo */
	bool server_is_lo;         /* who answered, if known (port or SYN) */
	bool mptcp;
	bool app_seen;               /* the layer above was recognised by its bytes */
	uint8_t acc_ecn;             /* accurate ECN: 1 asked for, 2 agreed */
	uint8_t app_state;           /* APP_*: what the layer above keeps */
	uint16_t tunnel_port;        /* that a CONNECT of HTTP asked for */
	uint32_t http;               /* record of its messages + 1; 0: none */
	struct l4_conv_sent sent[2]; /* [0]: by lo */
	struct l4_tcp_flow flow[];   /* TCP only: two, [0]: sent by lo */
};

struct l4_conv_table;

/* seed: of the hash; bytes that a capture's maker does not know. */
struct l4_conv_table *l4_conv_new(uint32_t max, uint64_t seed);
void l4_conv_free(struct l4_conv_table *t);
/* The conversation of the current packet's addresses and ports (the newest of that name), or
 * NULL. *from_lo tells the direction. */
struct l4_conv *l4_conv_find(struct l4_dissect *d, uint8_t proto, bool *from_lo);
/* A new one of that name, in front of any older. NULL: at the limit or no memory. */
struct l4_conv *l4_conv_add(struct l4_dissect *d, uint8_t proto, bool *from_lo);
uint32_t l4_conv_count(const struct l4_conv_table *t);
struct l4_conv *l4_conv_at(struct l4_conv_table *t, uint32_t index);
/* Counts the current packet for its pair of IP addresses. */
void l4_conv_count_ip(struct l4_dissect *d);
/* A record for an unacknowledged segment: index + 1, or 0 at the limit. */
uint32_t l4_unacked_get(struct l4_conv_table *t);
struct l4_unacked *l4_unacked_at(struct l4_conv_table *t, uint32_t handle);
void l4_unacked_put(struct l4_conv_table *t, uint32_t handle);

/* IP reassembly (frag.c). */
void l4_frag_free(struct l4_frag_table *t);
/* Echoes (echo.c): remembers the request in v, or for a reply puts the row `to` with the request's
 * packet and `time` with the milliseconds that it took. */
void l4_echo_put(struct l4_dissect *d, struct l4_view v, bool reply, unsigned to, unsigned time);
void l4_echoes_free(struct l4_echo_table *t);
/* TCP streams (stream.c). */
void l4_streams_free(struct l4_stream_pool *p);
/* HTTP's messages (http_pairs.c). */
struct l4_http_told {
	uint32_t number;                      /* of the request or response, from 1 */
	uint32_t request;                     /* packet that a response answers; 0: none */
	uint32_t prev_request, prev_response; /* packets of the pair before; 0: none */
	uint32_t uri_len;
	int64_t took;    /* from the request on, ns */
	const char *uri; /* what was asked for; NULL: not known */
};
struct l4_http_pairs;
/* Counts a message of c; for a request with its whole URI. False: there is no room. */
bool l4_http_message(struct l4_dissect *d, struct l4_conv *c, bool response, const char *uri,
    uint32_t uri_len, struct l4_http_told *out);
void l4_http_pairs_free(struct l4_http_pairs *t);
/* Whether the bytes begin like an HTTP/1 message (proto_http.c). */
bool l4_http_looks(const uint8_t *p, uint32_t n);
/* The same for a DNS message with one question (proto_dns.c), and for QUIC's long header of a
 * version that is known (proto_quic.c). */
bool l4_dns_looks(const uint8_t *p, uint32_t n);
bool l4_quic_looks(const uint8_t *p, uint32_t n);

#endif
