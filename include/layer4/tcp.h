/* TCP (RFC 9293 and its extensions): connections and listeners of a host.
 *
 * An endpoint is made with l4_tcp_new, set up with options, then connects or listens. Nothing
 * blocks: L4_EAGAIN says wait for an event (l4_host_events). Every call that can act takes the
 * time; times must not run backwards (earlier ones count as the latest seen).
 *
 * A handle lives until l4_tcp_close or l4_tcp_abort; after either it is stale, while the
 * connection goes on closing in the background as RFC 9293 demands. */
#ifndef LAYER4_TCP_H
#define LAYER4_TCP_H

#include <layer4/addr.h>
#include <layer4/device.h>
#include <layer4/time.h>
#include <layer4/trace.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct l4_host;

/* States of RFC 9293 3.3.2, numbered as in Linux's tcp_info. */
enum l4_tcp_state {
	L4_TCP_ESTABLISHED = 1,
	L4_TCP_SYN_SENT = 2,
	L4_TCP_SYN_RECEIVED = 3,
	L4_TCP_FIN_WAIT_1 = 4,
	L4_TCP_FIN_WAIT_2 = 5,
	L4_TCP_TIME_WAIT = 6,
	L4_TCP_CLOSED = 7,
	L4_TCP_CLOSE_WAIT = 8,
	L4_TCP_LAST_ACK = 9,
	L4_TCP_LISTEN = 10,
	L4_TCP_CLOSING = 11,
};

/* "ESTABLISHED", "FIN-WAIT-1" …; static memory, never NULL. */
L4_EXPORT const char *l4_tcp_state_name(unsigned state);

/* Fast Open (RFC 7413), with the values of net.ipv4.tcp_fastopen. */
enum {
	L4_FASTOPEN_CLIENT = 1,
	L4_FASTOPEN_SERVER = 2,
	L4_FASTOPEN_CLIENT_NO_COOKIE = 4,     /* data goes in the SYN without a cookie */
	L4_FASTOPEN_SERVER_NO_COOKIE = 0x200, /* data in a SYN is taken without a cookie */
	L4_FASTOPEN_SERVER_ALL =
	    0x400, /* each listener does it, its queue as long as the backlog */
};

/* How the host's connections behave unless an option says otherwise; the names follow the
 * settings of Linux's net.ipv4.tcp_*. l4_tcp_config_init gives the defaults. */
struct l4_tcp_config {
	bool sack;           /* RFC 2018; default on */
	bool dsack;          /* RFC 2883; default on */
	bool timestamps;     /* RFC 7323; default on */
	bool window_scaling; /* RFC 7323; default on */
	uint8_t ecn; /* 0 off, 1 ask and accept, 2 accept (default), 3 AccECN ask and accept,
		      * 4 AccECN accept only, 5 AccECN accept, RFC 3168 ask */
	uint8_t
	    accecn_option; /* RFC 9768 3.2.3, byte counters: 0 none; 1, the default: on SYN-ACKs,
			    * and on ACKs when they have changed; 2, Linux's way: on all that
			    * has room once the peer's was seen, and ACKs are ECT(0) too */
	/* RFC 7413, L4_FASTOPEN_*; default 0 */
	uint16_t fastopen;
	/* fastopen_key: 16 bytes that every server of one address shares so that each takes the
	 * others' cookies; without fastopen_key_set the host makes its own. A cookie is the
	 * SipHash-2-4 under it of the client's and the server's address, as Linux has it. */
	bool fastopen_key_set;
	uint8_t fastopen_key[16];
	bool rfc1337;                      /* RST does not end TIME-WAIT; default on (RFC 1337) */
	bool syncookies;                   /* when the backlog is full; default on */
	bool slow_start_after_idle;        /* RFC 5681 4.1; default on */
	bool abort_on_overflow;            /* RST when the accept queue is full; default off */
	bool autocorking, moderate_rcvbuf; /* buffer auto-tuning; default on (corking off) */
	bool path_mtu;    /* DF set and path MTU followed (L4_TCPOPT_MTU_DISCOVER); default on */
	bool mtu_probing; /* RFC 4821 and 8899: find black holes, search upwards; default on */
	bool frto;        /* RFC 5682; default on */
	bool early_tlp;   /* RFC 8985 7: tail loss probes; default on */
	bool rack;        /* RFC 8985; default on (off: RFC 6675/6582 duplicate ACK counting) */
	bool partial_ack_restarts; /* without SACK: each partial ACK restarts the timer, as Linux
				    * has it; default off, RFC 6582 3.2: the first only */
	bool tw_reuse;             /* RFC 6191: connect over a TIME-WAIT of ours; default on */
	bool pacing;             /* pace every congestion control; default off (BBR always paces) */
	bool simultaneous_open;  /* RFC 9293 3.5: a SYN that meets ours makes a connection; off: it
				  * is  dropped, against split handshakes; default on */
	bool hystart;            /* RFC 9406 HyStart++ in slow start; default on */
	char congestion[16];     /* "cubic" (default), "reno", "bbr" */
	uint16_t initial_window; /* segments, RFC 6928: 10 */
	uint16_t mss_default;    /* when the peer names none, RFC 9293 3.7.1: 536 (v6: 1220) */
	uint16_t mss_max;     /* the MSS option says no more; 0, the default: what the link takes */
	uint16_t mss_min;     /* lower bound for what a peer may ask; default 88 */
	uint16_t pmtu_floor;  /* IPv4 path MTU never believed below; default 552 */
	uint16_t mtu_base;    /* with mtu_probing: the MSS to start from and search upwards
			       * (RFC 8899 BASE_PLPMTU); 0, the default: the link's */
	uint32_t syn_retries; /* default 7, more than 3 minutes (RFC 9293 3.8.3) */
	uint8_t syn_linear;   /* so many of the first retransmissions of a SYN come after rto_init
			       * each, as Linux has it; default 0: each after twice the time
			       * (RFC 6298 5.5) */
	uint32_t synack_retries;     /* default 5 */
	uint32_t retries1, retries2; /* R1 and R2 of RFC 9293 3.8.3 in retransmissions: 3 and 15 */
	uint32_t orphan_retries;     /* after close; default 8 */
	uint32_t reordering;         /* duplicate ACK threshold, default 3 */
	uint32_t min_tso_segs;       /* segments of a burst at least, 1 to 45; default 2 */
	l4_time rto_min, rto_max,
	    rto_init;                   /* default 200 ms, 60 s (RFC 6298: at least 60 s), 1 s */
	l4_time delack_min, delack_max; /* default 40 ms and 200 ms */
	l4_time msl;         /* default 30 s, so that TIME-WAIT is 60 s as in the kernels */
	l4_time fin_timeout; /* FIN-WAIT-2 of an orphan; default 60 s */
	l4_time keepalive_time, keepalive_interval; /* default 2 h and 75 s */
	uint32_t keepalive_probes;                  /* default 9 */
	bool secure_rst; /* RFC 5961 3.2: only a RST at RCV.NXT resets, others in the window get a
			  * challenge ACK; off: RFC 793's way, any in the window; default on */
	bool secure_syn; /* RFC 5961 4.2: a SYN gets a challenge ACK; off: one in the window
			  * resets, as RFC 793 had it; default on */
	bool tolerate_missing_ts; /* segments without the timestamp that was agreed on are taken;
				   * default off, RFC 7323 3.2: dropped */
	bool paws_strict; /* RFC 7323 5.3 to the letter, as Linux: what is older than TS.Recent is
			   * refused also where it fills a gap; default off: then it is held
			   * against TS.Recent as that was before the gap, because on a path that
			   * reorders each repair makes new losses otherwise (goodput at 100
			   * Mbit/s with 20 % late by a quarter round trip: 0.45 of that in order
			   * instead of 1.00) */
	bool rst_timestamps; /* a RST that answers a segment with a timestamp echoes it, RFC 7323
			      * 5.2; off: it has no option, as kernels send it; default on */
	bool drop_synfin;    /* a SYN with FIN is dropped; off: its FIN is passed over;
				default on */
	bool bsd_ways;     /* where no RFC rules, do as the BSDs: order of a SYN's options, receive
			    * buffer rounded up to whole segments; default off: as Linux */
	bool linux_ways;   /* where RFCs leave it open, do as Linux to the letter: the ACK of a FIN
			    * may wait, ACKs of an AccECN connection are ECT, ACE does not turn
			    * where ACKs are thin; default off */
	bool ecn_fallback; /* RFC 9768 3.2.2.3: nothing is sent ECN-capable on a path that changes
			    * the ECN field of a SYN or SYN-ACK; default on */
	bool push_bursts;  /* PSH also on the last segment of what a device that cuts segments
			    * would be handed in one; off: at the end of a write; default on */
	uint32_t syn_plain_after; /* retransmissions after which a SYN goes without options but
				   * MSS; 0, the default: never */
	l4_time challenge_window; /* RFC 5961 7: in this time, 500 ms, a connection sends … */
	uint8_t challenge_max;    /* … so many challenge ACKs at most; default 1 */
	l4_time ts_tick;          /* timestamp clock; default 1 ms */
	uint32_t rcvbuf_min, rcvbuf_default, rcvbuf_max; /* bytes; 4 KiB, 128 KiB, 6 MiB */
	uint32_t sndbuf_min, sndbuf_default, sndbuf_max; /* bytes; 4 KiB, 64 KiB, 4 MiB */
	uint32_t notsent_lowat;                          /* bytes; UINT32_MAX */
	bool probe_octets; /* a zero window is probed with an octet of new data, as RFC 9293 3.8.6.1
			    * says; off: with an old sequence number and no data, as Linux does */
	uint32_t somaxconn; /* upper limit of a backlog; 4096 */
	uint32_t rst_rate;  /* resets a second, about, that answer segments of no connection;
			     * 10,000; UINT32_MAX: all */
	uint16_t port_low, port_high; /* ephemeral ports; 1024 and 65535 (RFC 6056 3.2) */
};

L4_EXPORT void l4_tcp_config_init(struct l4_tcp_config *c);

/* Options of one endpoint: L4_TCPOPT(NAME, doc). */
enum l4_tcp_option {
	L4_TCPOPT_NODELAY = 1,      /* bool: no Nagle (RFC 9293 3.7.4) */
	L4_TCPOPT_CORK,             /* bool: only full segments until it is cleared */
	L4_TCPOPT_QUICKACK,         /* bool: acknowledge at once for now */
	L4_TCPOPT_KEEPALIVE,        /* bool (RFC 9293 3.8.4; default off) */
	L4_TCPOPT_KEEPIDLE,         /* ns */
	L4_TCPOPT_KEEPINTVL,        /* ns */
	L4_TCPOPT_KEEPCNT,          /* number */
	L4_TCPOPT_USER_TIMEOUT,     /* ns, 0: by R2 (RFC 5482) */
	L4_TCPOPT_LINGER,           /* ns; -1: off (default); 0: close resets */
	L4_TCPOPT_LINGER2,          /* ns FIN-WAIT-2 may last after close; -1: none */
	L4_TCPOPT_SNDBUF,           /* bytes; fixes it (no auto-tuning) */
	L4_TCPOPT_RCVBUF,           /* bytes; fixes it */
	L4_TCPOPT_MAXSEG,           /* bytes; get: the segment size in use */
	L4_TCPOPT_WINDOW_CLAMP,     /* bytes; most that is advertised */
	L4_TCPOPT_SYNCNT,           /* number of SYN retransmissions */
	L4_TCPOPT_DEFER_ACCEPT,     /* ns; accept only with data */
	L4_TCPOPT_FASTOPEN,         /* listener: length of the Fast Open queue */
	L4_TCPOPT_FASTOPEN_CONNECT, /* bool: connect waits for the first write */
	L4_TCPOPT_NOTSENT_LOWAT,    /* bytes: writable only while less is unsent */
	L4_TCPOPT_MAX_PACING_RATE,  /* bytes/s; -1: none */
	L4_TCPOPT_OOBINLINE,        /* bool: urgent byte stays in the stream (RFC 6093) */
	L4_TCPOPT_TTL,              /* hop limit, 1..255; -1: the host's */
	L4_TCPOPT_TOS,              /* DSCP and, without ECN, the two low bits */
	L4_TCPOPT_RCVLOWAT,         /* bytes before READABLE */
	L4_TCPOPT_ACCECN_OPTION,    /* bool */
	L4_TCPOPT_REUSEADDR,        /* bool: bind over TIME-WAIT */
	L4_TCPOPT_REUSEPORT,        /* bool: several listeners share one port, split by flow */
	L4_TCPOPT_V6ONLY,           /* bool: a listener on :: takes no IPv4 */
	L4_TCPOPT_FREEBIND,         /* bool: bind to an address that is not ours (yet) */
	L4_TCPOPT_DONTROUTE,        /* bool */
	L4_TCPOPT_MTU_DISCOVER,     /* bool: DF set and path MTU followed (default on) */
	L4_TCPOPT_MD5_REQUIRED,     /* reserved */
	L4_TCPOPT_TROUBLE,          /* bool: L4_EV_TROUBLE is told (default on) */
	L4_TCPOPT_COUNT
};

/* Sends of l4_tcp_send. */
enum {
	L4_SEND_MORE = 1,     /* more follows: do not send a partial segment yet */
	L4_SEND_URGENT = 2,   /* the last byte is urgent (RFC 9293 3.8.5) */
	L4_SEND_EOR = 4,      /* end of record: later bytes go in another segment */
	L4_SEND_FASTOPEN = 8, /* l4_tcp_sendto: data goes in the SYN or stays with the caller */
	L4_RECV_PEEK = 16,    /* leave the bytes in the buffer */
	L4_RECV_URGENT = 32,  /* the urgent byte out of line */
	L4_RECV_TRUNC = 64,   /* throw the bytes away instead of copying them */
};

/* A fresh endpoint in CLOSED, with the host's defaults. Returns its handle, L4_ENOMEM or L4_ELIMIT.
 * user comes back in every event. */
L4_EXPORT l4_ep l4_tcp_new(struct l4_host *h, void *user);
/* Names the local end. Port 0: chosen at connect or listen (RFC 6056). Address any: chosen by
 * route. L4_EINUSE, L4_ENOADDR, L4_ESTATE. */
L4_EXPORT int l4_tcp_bind(struct l4_host *h, l4_ep ep, const struct l4_endpoint *local);
/* Passive OPEN (RFC 9293 3.10.1). backlog: connections waiting for accept, and as many half open.
 */
L4_EXPORT int l4_tcp_listen(struct l4_host *h, l4_ep ep, uint32_t backlog, l4_time now);
/* The oldest waiting connection, or L4_EAGAIN. remote may be NULL. */
L4_EXPORT l4_ep l4_tcp_accept(
    struct l4_host *h, l4_ep listener, struct l4_endpoint *remote, void *user, l4_time now);
/* Active OPEN. Returns 0 when the SYN is under way, 1 when L4_TCPOPT_FASTOPEN_CONNECT holds it back
 * until the first send; the event CONNECTED or an error follows.
 * L4_ENOROUTE, L4_EISCONN, L4_EINUSE (no port free), L4_ESTATE (listening). */
L4_EXPORT int l4_tcp_connect(
    struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote, l4_time now);
/* Copies up to len bytes into the send buffer. Returns the bytes taken (at least 1 unless len is
 * 0), L4_EAGAIN when there is no room (WRITABLE follows), L4_ENOTCONN, L4_EPIPE after shutdown, or
 * the error that ended the connection. */
L4_EXPORT int64_t l4_tcp_send(
    struct l4_host *h, l4_ep ep, const void *data, size_t len, int flags, l4_time now);
/* As l4_tcp_send, after an active OPEN that carries the data in the SYN if a Fast Open cookie is
 * known (RFC 7413 4.2). */
L4_EXPORT int64_t l4_tcp_sendto(struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote,
    const void *data, size_t len, int flags, l4_time now);
/* Zero copy: the memory belongs to the connection until the event ZC_DONE names the token. Returns
 * len, or as l4_tcp_send with nothing taken. */
L4_EXPORT int64_t l4_tcp_send_zc(struct l4_host *h, l4_ep ep, const void *data, size_t len,
    int flags, uint64_t token, l4_time now);
/* Copies received bytes to buf. Returns their number, 0 at the end of the stream (the peer's FIN),
 * L4_EAGAIN, or the error that ended the connection (after all bytes are read). */
L4_EXPORT int64_t l4_tcp_recv(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, int flags, l4_time now);
/* RECEIVE with a buffer given before the bytes come (RFC 9293 3.9.1.3): lends len bytes at buf, 1
 * to INT32_MAX, to the connection. What comes in order goes there, copied while its checksum is
 * verified, which saves a pass over it; what finds no room waits in the receive buffer. Bytes there
 * count as read for the window. The memory is the connection's, which may write any of it, until
 * l4_tcp_recv_take returns anything but L4_EAGAIN, l4_tcp_close, l4_tcp_abort or l4_tcp_disconnect
 * returns, or the host is freed; with buf NULL and len 0 it is taken back, if no byte has come.
 * One a connection; meanwhile l4_tcp_recv, l4_tcp_peek, l4_tcp_consume and l4_tcp_export say
 * L4_ESTATE. Returns 1 when l4_tcp_recv_take has something to tell at once: bytes that had come
 * before, the end of the stream, an error; else 0, and READABLE follows (when there are
 * L4_TCPOPT_RCVLOWAT bytes). L4_ESTATE (one is lent already), L4_ENOTCONN, L4_EINVAL. */
L4_EXPORT int l4_tcp_recv_post(struct l4_host *h, l4_ep ep, void *buf, size_t len, l4_time now);
/* How many bytes of the stream stand in the posted buffer, which is the caller's again. Where there
 * are none: 0 at the end of the stream, or the error that ended the connection; L4_EAGAIN, and the
 * buffer stays lent. L4_EINVAL: none is. */
L4_EXPORT int64_t l4_tcp_recv_take(struct l4_host *h, l4_ep ep, l4_time now);
/* Lends the received bytes in place: up to two pieces, valid until the next call on this host.
 * Returns the number of pieces, 0 at the end of the stream, or as l4_tcp_recv. */
L4_EXPORT int l4_tcp_peek(struct l4_host *h, l4_ep ep, struct l4_piece pieces[2]);
/* The same in up to max pieces, 1 or more: where frames are lent (l4_host_rx_lend) each has its
 * own. */
L4_EXPORT int l4_tcp_peekv(struct l4_host *h, l4_ep ep, struct l4_piece *pieces, unsigned max);
/* Gives back n lent bytes; opens the window. L4_EINVAL when fewer are there. */
L4_EXPORT int l4_tcp_consume(struct l4_host *h, l4_ep ep, size_t n, l4_time now);
/* Half close: FIN after all that was sent (RFC 9293 3.10.4). L4_ENOTCONN. */
L4_EXPORT int l4_tcp_shutdown(struct l4_host *h, l4_ep ep, l4_time now);
/* Stops receiving: what arrives from now on is acknowledged and thrown away. */
L4_EXPORT int l4_tcp_shutdown_recv(struct l4_host *h, l4_ep ep, l4_time now);
/* Releases the handle; the connection closes gracefully behind it. With received bytes unread it
 * resets instead (RFC 2525 2.17), and by L4_TCPOPT_LINGER. */
L4_EXPORT int l4_tcp_close(struct l4_host *h, l4_ep ep, l4_time now);
/* ABORT (RFC 9293 3.10.5): RST where the state demands it, and releases the handle. */
L4_EXPORT int l4_tcp_abort(struct l4_host *h, l4_ep ep, l4_time now);
/* Disconnects but keeps the handle for another connect (RST as in abort). */
L4_EXPORT int l4_tcp_disconnect(struct l4_host *h, l4_ep ep, l4_time now);

/* Live upgrade and migration: takes the connection out of this host without a word to its peer, and
 * writes to buf what another host needs to go on with it: state, options, what was negotiated and
 * learned, the bytes not yet acknowledged and those not yet read. The record is independent of the
 * machine. Returns its size in bytes. When that is more than cap, or buf is NULL, nothing was done:
 * come again with more room. Possible from ESTABLISHED to LAST-ACK while the handle lives, else
 * L4_ENOTCONN. Zero-copy memory is the caller's again. Frames already pulled may still leave. */
L4_EXPORT int64_t l4_tcp_export(struct l4_host *h, l4_ep ep, void *buf, size_t cap, l4_time now);
/* Takes up a connection from such a record of len bytes, which must come from somebody trusted: it
 * is checked so that nothing breaks, not so that it is true. The host must have the local address
 * (or be a forwarder). What was in flight counts as sent now; bytes beyond a gap are asked for
 * again (RFC 2018 8). The events READABLE, WRITABLE and EOF tell what holds. Returns the handle,
 * L4_EINVAL (no such record, or a damaged one), L4_EINUSE (a connection with these ends is here),
 * L4_ENOADDR, L4_ENOROUTE, L4_ENOMEM. */
L4_EXPORT l4_ep l4_tcp_import(
    struct l4_host *h, const void *buf, size_t len, void *user, l4_time now);

L4_EXPORT int l4_tcp_set(struct l4_host *h, l4_ep ep, int option, int64_t value, l4_time now);
L4_EXPORT int l4_tcp_get(struct l4_host *h, l4_ep ep, int option, int64_t *value);
L4_EXPORT int l4_tcp_set_congestion(struct l4_host *h, l4_ep ep, const char *name);
L4_EXPORT const char *l4_tcp_get_congestion(struct l4_host *h, l4_ep ep);
/* The key of a listener's Fast Open cookies (RFC 7413 4.1.2), 16 bytes in the order of Linux's
 * TCP_FASTOPEN_KEY, in place of the host's; NULL: the host's again. 0, L4_EBADF, or L4_ESTATE when
 * it does not listen. */
L4_EXPORT int l4_tcp_set_fastopen_key(struct l4_host *h, l4_ep ep, const uint8_t key[16]);
L4_EXPORT int l4_tcp_local(struct l4_host *h, l4_ep ep, struct l4_endpoint *out);
L4_EXPORT int l4_tcp_remote(struct l4_host *h, l4_ep ep, struct l4_endpoint *out);
/* State as in enum l4_tcp_state, or L4_EBADF. */
L4_EXPORT int l4_tcp_state(struct l4_host *h, l4_ep ep);
/* The pending error, cleared by this call (SO_ERROR); 0 when there is none. */
L4_EXPORT int l4_tcp_error(struct l4_host *h, l4_ep ep);
/* What is so now, as bits of enum l4_event_bits: level-triggered readiness for poll. */
L4_EXPORT int64_t l4_tcp_ready(struct l4_host *h, l4_ep ep);
/* Bytes: readable now; in the send buffer; of those not yet sent. L4_EBADF. */
L4_EXPORT int64_t l4_tcp_inq(struct l4_host *h, l4_ep ep);
L4_EXPORT int64_t l4_tcp_outq(struct l4_host *h, l4_ep ep);
L4_EXPORT int64_t l4_tcp_outq_unsent(struct l4_host *h, l4_ep ep);
/* 1 when the next byte to read is the urgent one (SIOCATMARK), else 0. */
L4_EXPORT int l4_tcp_at_mark(struct l4_host *h, l4_ep ep);

/* Statistics, with the names of Linux's tcp_info. Times in microseconds or milliseconds as there.
 */
struct l4_tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff;
	uint8_t options; /* 1 timestamps, 2 SACK, 4 wscale, 8 ECN, 16 ECN seen, 32 SYN data */
	uint8_t snd_wscale, rcv_wscale, delivery_rate_app_limited, fastopen_client_fail;
	uint32_t rto, ato;                                                     /* us */
	uint32_t snd_mss, rcv_mss;                                             /* bytes */
	uint32_t unacked, sacked, lost, retrans, fackets;                      /* segments */
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv; /* ms ago */
	uint32_t pmtu, rcv_ssthresh;                                           /* bytes */
	uint32_t rtt, rttvar;                                                  /* us */
	uint32_t snd_ssthresh, snd_cwnd;                                       /* segments */
	uint32_t advmss, reordering;
	uint32_t rcv_rtt, rcv_space; /* us, bytes */
	uint32_t total_retrans;
	uint64_t pacing_rate, max_pacing_rate; /* bytes/s; UINT64_MAX: none */
	uint64_t bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt; /* min_rtt us */
	uint32_t data_segs_in, data_segs_out;
	uint64_t delivery_rate;                           /* bytes/s */
	uint64_t busy_time, rwnd_limited, sndbuf_limited; /* us */
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time; /* ms */
	uint32_t received_ce, delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
	uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes;
	uint8_t ecn_mode;         /* 0 none, 1 RFC 3168, 2 AccECN, 3 not settled yet */
	uint8_t accecn_opt_seen;  /* the peer's byte counters: 0 not seen, 2 seen */
	uint8_t accecn_fail_mode; /* bits: 1 the path or the handshake forbids us ECT, 2 the peer's
				   * ACE field came cleared */
	/* beyond Linux */
	uint64_t cwnd_bytes, ssthresh_bytes, in_flight_bytes;
	uint32_t tlp_probes, spurious_undone, rack_reo_wnd_us, drops;
};

enum l4_tcp_ca_state {
	L4_CA_OPEN = 0,
	L4_CA_DISORDER = 1,
	L4_CA_CWR = 2,
	L4_CA_RECOVERY = 3,
	L4_CA_LOSS = 4,
};

L4_EXPORT int l4_tcp_info(struct l4_host *h, l4_ep ep, struct l4_tcp_info *out, l4_time now);

/* The protocol's counters, summed over all connections of a host; names after RFC 4898 and the
 * kernels' where they have one. */
struct l4_tcp_counters {
#define L4_COUNTER(name) uint64_t name;
#include <layer4/tcp_counters.def>
#undef L4_COUNTER
};

L4_EXPORT void l4_tcp_counters(const struct l4_host *h, struct l4_tcp_counters *out);

#ifdef __cplusplus
}
#endif
#endif
