/* The structures of the TCP stack. Included by src/tcp only; the host sees stack.h.
 *
 * Who owns what: the stack owns endpoints (struct l4_tcp: closed, listening or connected),
 * half-open records (struct l4_tcp_req) and TIME-WAIT records (struct l4_tcp_tw). All three stand
 * in one hash by their four-tuple (demux.c). An endpoint owns its send buffer (chunks), its
 * scoreboard (what was sent and is not acknowledged) and its receive ring; all three are allocated
 * when needed and given back when empty. */
#ifndef L4_TCP_CONN_H
#define L4_TCP_CONN_H

#include <assert.h>
#include <string.h>

#include "base/apart.h"
#include "base/rng.h"
#include "base/seq.h"
#include "base/siphash.h"
#include "base/wheel.h"
#include "tcp/stack.h"

/* --- Send buffer (sndbuf.c) --- */

/* A run of bytes in a chunk that will likely leave as one segment, or the part of one that lies in
 * the chunk, and their checksum's sum, made while they were copied in. */
struct l4_frag {
	uint16_t off, len;
	uint32_t sum; /* as of bytes that begin at an even offset */
};
#define L4_FRAGS 40u

struct l4_chunk {
	uint32_t refs;
	uint32_t cap;   /* bytes allocated behind the head; 0: the user's memory */
	uint32_t used;  /* bytes of data filled */
	uint64_t token; /* zero copy: what ZC_DONE names */
	uint8_t *data;
	struct l4_frag *frag;  /* room for L4_FRAGS; NULL: none are kept */
	uint16_t n_frag, hint; /* hint: the one to be asked for next */
};

/* A run of bytes of the stream in one chunk. */
struct l4_span {
	uint32_t seq;
	uint32_t len;
	struct l4_chunk *chunk;
	const uint8_t *data;
	bool eor; /* nothing later may join the segment that ends here */
};

struct l4_sndbuf {
	struct l4_span *span; /* ring of cap entries, a power of two */
	uint32_t cap, head, n;
	uint32_t bytes;        /* in all spans */
	uint32_t alloc;        /* bytes charged to the host's budget */
	uint32_t hint;         /* index into the spans where the last lookup ended */
	struct l4_chunk *open; /* the last that was copied into, while a span holds it; or NULL */
};

/* What keeps a connection that has data from sending more (tcp_info's busy_time, rwnd_limited and
 * sndbuf_limited); L4_HELD_CWND is all the rest. */
enum l4_held { L4_HELD_IDLE, L4_HELD_CWND, L4_HELD_RWND, L4_HELD_SNDBUF, L4_HELD_COUNT };

/* --- Scoreboard (scoreboard.c): what is in flight, one record per segment --- */

enum {
	L4_TX_SACKED = 1,    /* the peer has it, by SACK */
	L4_TX_LOST = 2,      /* deemed lost; to be sent again unless RETX */
	L4_TX_RETX = 4,      /* a retransmission of it is in flight */
	L4_TX_EVER_RETX = 8, /* was retransmitted at some time (Karn) */
	L4_TX_FIN = 16,      /* its last octet of sequence space is the FIN */
	L4_TX_APP_LIMITED = 32,
	L4_TX_PROBE = 64,   /* went out as part of a path MTU probe */
	L4_TX_LISTED = 128, /* in the list by time of transmission */
};

struct l4_txseg {
	uint32_t seq, len;     /* len counts the FIN */
	uint32_t tnext, tprev; /* list by time of the last transmission: slots */
	l4_time xmit_time;
	l4_time first_tx_time; /* for the delivery rate sample */
	l4_time delivered_time;
	uint64_t delivered; /* segments delivered when this one was sent */
	uint8_t flags;
	uint8_t n_tx;
	uint16_t overtaken; /* segments overtaken when this one was sent (rate.c) */
};

#define L4_SLOT_NONE UINT32_MAX
#define L4_UNDO_MANY UINT8_MAX

struct l4_scoreboard {
	struct l4_txseg *seg; /* ring of cap records, a power of two */
	uint64_t *bm_sacked;  /* bit per slot */
	uint64_t *bm_rtx;     /* bit per slot: lost and waiting to be sent again */
	uint32_t cap;
	uint32_t head, n;                  /* slot of the oldest; records */
	uint32_t thead, ttail;             /* list by time of transmission */
	uint32_t n_sacked, n_lost, n_retx; /* records with that flag */
	bool dirty; /* some record in it was SACKed, lost or sent again; until then the list by time
		     * is the ring itself and is not kept */
};

/* --- Receive ring (rcvbuf.c) --- */

struct l4_rrange {
	uint32_t start, end;
};

/* Bytes received beyond a gap. */
struct l4_island {
	uint32_t start, end;
	uint32_t serial; /* of the change that made it what it is */
};

struct l4_rcvbuf {
	uint8_t *ring; /* cap bytes, a power of two, or NULL */
	uint32_t cap;
	uint32_t base;  /* offset in the ring of rcv_read (the next byte for the user) */
	uint32_t ready; /* bytes in order, not yet read */
	uint32_t lent;  /* the last of them, not in the ring but in lent frames */
	uint16_t loan_head, loan_tail; /* entries of the stack's loans, when lent > 0 */
	struct l4_island *ooo;         /* sorted, beyond rcv_nxt */
	uint16_t ooo_n, ooo_cap;
	uint32_t serial, told; /* changes of islands so far, and of them reported by SACK */
	bool untold;           /* some island is to be reported */
	uint8_t *post;         /* the user's memory for what comes next, or NULL */
	uint32_t post_len;     /* its bytes … */
	uint32_t post_n; /* … of which the first so many are the stream's before the ring's */
};

/* --- Congestion control (cc.h) --- */

struct l4_cc_ops;

struct l4_cc_cubic {
	double w_max, k; /* segments, seconds */
	double w_est;    /* Reno-friendly estimate, segments */
	double cwnd_prior;
	double cwnd_frac;    /* part of a segment not yet added to cwnd */
	l4_time epoch_start; /* 0: none */
	l4_time last_look;   /* when the window was last looked at */
};

struct l4_cc_bbr {
	uint64_t bw[3]; /* max filter: best, second, third; bytes/s */
	uint32_t bw_round[3];
	uint32_t round; /* counts round trips */
	uint64_t next_round_delivered;
	l4_time min_rtt, min_rtt_stamp;
	l4_time probe_rtt_done;
	l4_time cycle_stamp;
	uint64_t full_bw;
	uint8_t full_bw_count, mode, cycle_index;
	bool round_start, full_reached, probe_rtt_round_done, conserve, idle_restart;
	uint32_t prior_cwnd;
	uint64_t pacing_gain, cwnd_gain; /* of 256 */
	uint8_t prev_ca_state;
};

struct l4_hystart {
	l4_time last_min_rtt, cur_min_rtt, css_baseline;
	uint32_t round_end; /* snd_nxt at the start of the round */
	uint32_t samples, css_rounds;
	bool in_css, done;
};

/* --- The connection --- */

enum l4_tcp_timer {
	L4_TIMER_RTX,    /* retransmission, SYN, zero window probe: by c->rtx_mode */
	L4_TIMER_TLP,    /* tail loss probe (RFC 8985 7) */
	L4_TIMER_REO,    /* RACK reordering (RFC 8985 6.3) */
	L4_TIMER_DELACK, /* delayed ACK; also the ACK rate limit */
	L4_TIMER_PACE,   /* next paced departure */
	L4_TIMER_KEEP,   /* keep-alive */
	L4_TIMER_LIFE,   /* FIN-WAIT-2 of an orphan, linger, user timeout */
	L4_TIMER_COUNT
};

enum l4_rtx_mode { L4_RTX_OFF, L4_RTX_RTO, L4_RTX_PERSIST, L4_RTX_SYN };

/* --- Demultiplexer (demux.c), pools of records (pool.c) --- */

/* What a segment can belong to is named by a reference: its kind in the two top bits, below them
 * the index of a connection's slot or of a record. Half as wide as a pointer, it halves the tables.
 */
enum l4_ref_kind { L4_REF_CONN, L4_REF_REQ, L4_REF_TW };
#define L4_REF_NONE  UINT32_MAX
#define L4_INDEX_MAX ((1u << 30) - 1) /* indices are below */

static inline uint32_t l4_ref(enum l4_ref_kind kind, uint32_t index)
{
	return (uint32_t)kind << 30 | index;
}
static inline enum l4_ref_kind l4_ref_kind(uint32_t ref)
{
	return (enum l4_ref_kind)(ref >> 30);
}
static inline uint32_t l4_ref_index(uint32_t ref)
{
	return ref & L4_INDEX_MAX;
}

/* First in connections, parked ones and half-open records. */
struct l4_hnode {
	uint32_t next; /* reference in the same bucket */
	uint32_t hash;
	struct l4_endpoint local, remote;
};

/* Records of one size, named by index, in slabs that stay until all are free. */
struct l4_pool {
	uint8_t **slab;
	uint32_t n_slabs, cap; /* cap: of the list of slabs */
	uint32_t free;         /* first free record, linked by their first word */
	uint32_t used;
	uint32_t size; /* bytes of a record */
	uint32_t keep; /* slabs that stay when all are free */
};
#define L4_POOL_SLAB 64u /* records that are allocated at once */

/* What this ACK changed; carried from input to recovery to congestion control. */
struct l4_ack {
	const struct l4_seg *seg; /* the segment that carries it; NULL: a timer */
	l4_time now;              /* arrival of the segment */
	uint32_t prior_una;
	uint32_t acked;       /* segments newly cumulatively acknowledged */
	uint32_t acked_bytes; /* bytes of sequence space by which snd_una moved */
	uint32_t sacked;      /* segments newly SACKed */
	uint32_t lost;        /* segments newly marked lost */
	uint32_t delivered;   /* acked + sacked, each segment once */
	uint32_t in_flight;   /* segments in flight before this ACK */
	l4_time rtt;          /* sample of this ACK from the oldest segment, 0: none */
	l4_time rtt_sack;     /* from a SACK, 0: none */
	l4_time rtt_newest;   /* from the newest segment, for congestion control, 0: none */
	bool data_acked;      /* snd_una moved over data */
	bool dsack;           /* it carries a D-SACK */
	bool dup;             /* a duplicate ACK (RFC 5681 2) */
	bool wnd_update;
	bool ece;
	bool orig_sacked; /* acked or SACKed something of before recovery_point never retransmitted
			   */
	bool retx_acked;  /* acked something that was retransmitted */
	bool syn_acked, fin_acked;
	bool app_limited;
	bool reordered;      /* filled a hole that was never retransmitted */
	uint32_t reord_low;  /* lowest such sequence number */
	uint32_t prior_fack; /* fack before this ACK */
	/* delivery rate sample */
	uint64_t prior_delivered;
	l4_time prior_time, interval, snd_interval;
	uint64_t rate; /* bytes/s; 0: none */
	uint32_t prior_overtaken;
	uint32_t rate_delivered; /* segments in the sample */
	bool rate_app_limited;
	uint32_t ce; /* segments newly reported CE (AccECN) */
};

struct l4_tcp_stack;
struct l4_listener;
struct l4_tcp_parked;

struct l4_tcp {
	struct l4_hnode h; /* with both ends */
	struct l4_tcp_stack *ts;
	void *user;
	struct l4_path path;
	l4_ep ep;         /* 0: the user has let go of it */
	uint32_t slot;    /* index of its entry in the stack's slots */
	uint16_t flow;    /* its entry in the table of flows + 1; 0: none */
	bool hashed;      /* stands in the demultiplexer */
	uint8_t state;    /* enum l4_tcp_state */
	uint8_t rtx_mode; /* enum l4_rtx_mode */

	/* What is out of the ordinary, side by side: an established connection where the first
	 * three words are zero (l4_is_plain) has only new data to send and ACKs of it to take. */
	union {
		struct {
			uint8_t ca_state;  /* enum l4_tcp_ca_state */
			uint8_t dupacks;   /* in a row */
			uint8_t frto_new;  /* new segments to send before retransmitting (RFC 5682
					    * 2.1, 2b) */
			uint8_t probe_now; /* pull a probe: 1 zero window, 2 keep-alive, 3 TLP; 4 a
					      suspect */
			uint8_t rcv_urg;   /* 0 none, 1 announced, 2 byte in urg_byte, 3 read */
			bool snd_urg;
			bool frto;         /* RFC 5682 is at work */
			bool tlp_active;   /* a tail loss probe is out */
			bool ecn_ok;       /* ECN was negotiated */
			bool orphan;       /* the user has closed: no handle */
			bool shut_wr;      /* a FIN is queued or sent */
			bool shut_rd;      /* received data is thrown away */
			bool rcv_fin_seen; /* beyond a gap: at rcv_fin_seq */
			bool send_syn;     /* SYN, or in SYN-RECEIVED the SYN-ACK, is to go */
			bool probe_octet;  /* a window probe with the octet at snd_nxt is out */
			uint16_t mtu_probe_size; /* of the packet that probes, 0: none is out */
			uint32_t reno_sacked;    /* without SACK: segments that duplicate ACKs say
						  * have arrived */
			/* the last word matters to sending only */
			bool sws_override; /* the timer says: send what there is (RFC 9293
					    * 3.8.6.2.1) */
			bool ecn_hold;     /* marked at a window of one: data waits for the timer */
			bool opt_cork;
			bool paces;
			uint16_t burst_left; /* segments left of the burst under way */
		};
		uint64_t odd[4];
	};
	/* facts beside the state */
	bool bound; /* has a local port by bind */
	bool in_bind_list;
	bool detached;          /* taken from the stack's tables; free when possible */
	bool fin_sent;          /* at least once */
	bool fin_rcvd;          /* the peer's FIN is in rcv_nxt */
	bool rcv_fin_told;      /* a SACK has told of a FIN that came by itself */
	bool ack_now;           /* an ACK is owed at once */
	bool ack_owed;          /* an ACK is owed, maybe delayed */
	bool in_ready, blocked; /* in the ready list; waiting for its path */
	bool connected_event;
	bool passive;         /* came from a listener */
	bool in_batch;        /* touched by this input batch */
	bool starved;         /* the host's buffer budget was used up: WRITABLE when it is not */
	bool app_wants_write; /* said L4_EAGAIN: WRITABLE when there is room */
	bool burst_multi;
	uint8_t dup_acks_owed; /* without SACK: one ACK for each segment out of order */
	bool syn_data_acked;

	/* options */
	bool opt_nodelay, opt_keepalive, opt_oobinline, opt_reuseaddr, opt_reuseport;
	bool opt_v6only, opt_freebind, opt_pmtu, opt_fo_connect, opt_accecn, opt_sndbuf_fixed;
	bool opt_rcvbuf_fixed, opt_dontroute;
	int16_t opt_ttl;
	uint8_t opt_tos;
	uint8_t opt_syncnt;
	uint32_t opt_keepcnt;
	uint32_t opt_rcvlowat, opt_notsent_lowat, opt_window_clamp, opt_fo_queue;
	uint16_t opt_maxseg;
	l4_time opt_keepidle, opt_keepintvl, opt_user_timeout, opt_defer_accept;
	int64_t opt_linger, opt_linger2; /* ns, -1 off */
	uint64_t opt_max_pacing;         /* bytes/s, UINT64_MAX none */

	/* negotiated */
	bool sack_ok, ts_ok, ws_ok, accecn_ok;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t mss_peer; /* the MSS option received, or the default */
	uint16_t advmss;   /* what we announced */
	uint16_t snd_mss;  /* payload bytes of a full segment now (options deducted) */
	uint16_t rcv_mss;  /* estimate of the peer's segment size */
	uint16_t pmtu;

	/* send sequence (RFC 9293 3.3.1) */
	uint32_t iss, snd_una, snd_nxt;
	uint32_t snd_wnd, max_wnd; /* bytes, scaled */
	uint32_t snd_wl1, snd_wl2;
	uint32_t snd_up;   /* urgent pointer: sequence number after the urgent byte */
	uint32_t snd_end;  /* end of what the user has written (without FIN) */
	uint32_t snd_sml;  /* end of the last small segment (Minshall) */
	uint32_t push_seq; /* PSH belongs on the segment that ends here or before */
	uint64_t bytes_acked;
	uint64_t progress_bytes; /* bytes_acked when there was progress last (pressure.c) … */
	l4_time progress_time;   /* … and when that was */

	/* receive sequence */
	uint32_t irs, rcv_nxt;
	uint32_t rcv_wnd; /* advertised, from rcv_wup */
	uint32_t rcv_wup; /* rcv_nxt when rcv_wnd was last sent */
	uint32_t rcv_up;
	uint8_t urg_byte;
	uint32_t rcv_fin_seq; /* sequence number of a FIN seen beyond a gap */
	uint64_t bytes_received;
	uint32_t rcv_ssthresh;   /* bytes: cap of the window while it grows */
	uint32_t rcvbuf, sndbuf; /* bytes allowed now */
	uint32_t rcv_copied;     /* bytes the user took since rcv_space_time */
	uint32_t rcv_space;
	l4_time rcv_space_time;
	l4_time rcv_rtt; /* receiver's estimate */
	l4_time rcv_rtt_time;
	uint32_t rcv_rtt_seq;
	uint8_t *syn_text;      /* that came with a SYN which crossed ours; NULL: none … */
	uint32_t syn_text_len;  /* … so many bytes: queued until ESTABLISHED */
	struct l4_rrange dsack; /* to report next; start == end: none */

	/* delayed ACK */
	uint8_t quick;         /* ACKs still to be sent at once */
	uint8_t pingpong;      /* interactive session: piggyback */
	uint16_t unacked_segs; /* full segments received since our last ACK */
	l4_time ato;           /* delayed ACK time in use */
	l4_time last_data_in, last_data_out, last_ack_in, last_ack_out;
	uint32_t last_ack_sent; /* Last.ACK.sent of RFC 7323 4.3 */

	/* timestamps */
	uint32_t ts_offset;
	uint32_t ts_recent;
	l4_time ts_recent_time;
	/* while something is missing: TS.Recent as it was one to two windows ago at most, below
	 * which PAWS refuses what fills the gap; ts_next takes its place at ts_next_seq */
	uint32_t ts_floor, ts_next, ts_next_seq;

	/* RTT (RFC 6298) */
	l4_time srtt, rttvar, rto, min_rtt, min_rtt_time;
	l4_time mdev_max, rttvar_seq_time;
	uint32_t rtt_seq;
	uint8_t backoff;     /* exponent of the timer now */
	uint8_t retransmits; /* timeouts in a row */
	uint8_t syn_retries;
	uint8_t probes_out;     /* zero window or keep-alive probes unanswered */
	l4_time first_rtx_time; /* first timeout of the present series; 0 none */
	l4_time probe_start;

	/* recovery (recovery.c) */
	uint32_t recovery_point; /* high_seq: snd_nxt at the start of the episode */
	uint32_t high_rxt;       /* after the start of the highest segment it has sent again */
	bool rescued;            /* its rescue retransmission is spent (RFC 6675 4, rule 4) */
	bool partial_seen;       /* a partial ACK came in it (RFC 6582 3.2, step 3) */
	uint32_t cwnd, ssthresh; /* segments */
	uint32_t cwnd_cnt;       /* acknowledged segments towards the next one (Reno) */
	uint32_t cwnd_used;      /* most in flight since cwnd_stamp (RFC 7661) */
	bool cwnd_limited;
	uint32_t max_in_flight, cwnd_usage_seq;
	l4_time cwnd_stamp;
	uint32_t prior_cwnd, prior_ssthresh; /* before the episode, for undo */
	uint32_t undo_marker;                /* snd_una at the start */
	bool undo_valid;
	uint32_t undo_retrans; /* retransmissions of the episode not yet D-SACKed … */
	uint32_t undo_seq[8];  /* … and where they begin … */
	uint8_t undo_n;        /* … of so many; L4_UNDO_MANY: of more than fit */
	bool undo_any;         /* something was retransmitted in the episode */
	bool retrans_stamped;  /* retrans_stamp holds the TSval of its first retransmission */
	uint32_t retrans_stamp;
	uint32_t prr_delivered, prr_out, recover_fs; /* segments (RFC 9937) */
	uint32_t reordering;                         /* duplicate threshold now */
	/* RACK (RFC 8985) */
	struct {
		l4_time xmit_ts, rtt;
		uint32_t end_seq;
		l4_time reo_wnd;
		uint32_t reo_wnd_mult, reo_wnd_persist;
		uint32_t rtt_seq, dsack_round;
		bool dsack_round_set, reordering_seen, advanced;
	} rack;
	uint32_t fack; /* highest sequence number SACKed or acked */
	uint32_t tlp_end_seq;
	uint32_t flight_seq; /* what was sent last when nothing was in flight */
	bool tlp_is_retx;

	/* congestion control */
	const struct l4_cc_ops *cc;
	union {
		struct l4_cc_cubic cubic;
		struct l4_cc_bbr bbr;
	} ccs;
	struct l4_hystart hystart;
	uint64_t pacing_rate; /* bytes/s; 0: not paced */
	l4_time pace_next;    /* earliest departure of the next segment */
	/* delivery rate (rate.c) */
	uint64_t delivered, delivered_ce, app_limited; /* segments */
	l4_time delivered_time, first_tx_time;
	uint64_t rate_bytes; /* last rate, bytes/s */
	bool rate_is_app_limited;

	/* ECN (ecn.c) */
	bool ecn_echo; /* RFC 3168: send ECE until CWR */
	bool ecn_cwr;  /* CWR goes out with the next new data */
	uint32_t ecn_cwr_seq;
	uint8_t ecn_syn_ect; /* AccECN: ECN bits of the received SYN or SYN-ACK + 1 */
	uint32_t rcv_ce;     /* r.cep: CE marked segments received */
	uint32_t rcv_ce_bytes, rcv_e0_bytes, rcv_e1_bytes;
	uint32_t snd_cep; /* s.cep: what the peer has reported */
	uint32_t snd_ce_bytes, snd_e0_bytes, snd_e1_bytes;
	bool accecn_fail;    /* feedback proved wrong: no ECT from now on */
	bool accecn_shake;   /* the next pure ACK completes the handshake and tells syn_ect */
	bool accecn_seen;    /* the peer sent its byte counters */
	bool accecn_first;   /* our first data is to carry ours (RFC 9768 3.2.3.2.1) */
	bool accecn_syn_ce;  /* a SYN-ACK came with CE: r.cep has counted it, once for all */
	bool ecn_no_ect;     /* nothing is sent ECN-capable; feedback counts all the same */
	uint8_t rcv_ce_told; /* r.cep modulo 8 in the last segment out */
	uint32_t told_e0, told_ce, told_e1; /* the byte counters that options have told */
	uint16_t acked_avg; /* Linux's way: segments an ACK delivers, moving average, sixteenths */

	/* path MTU (pmtu.c) */
	uint16_t mtu_search_high; /* largest size still to be tried, 0: the path's */
	uint8_t mtu_probe_fails;  /* of this size */
	bool mtu_search_up;       /* by the table, from below */
	uint32_t mtu_probe_end;   /* sequence number after it */
	uint32_t mtu_probe_lost;  /* segments marked lost that went out in a probe */
	l4_time mtu_probe_time;   /* no probe before */

	/* Fast Open (fastopen.c) */
	bool fo_syn_data;  /* data went with our SYN */
	bool fo_child;     /* made by a SYN that opened fast: data may flow in SYN-RECEIVED */
	l4_ep fo_listener; /* of fo_child: where it counts as pending */
	bool fo_request;   /* the SYN opens fast */
	uint8_t fo_ask;    /* enum l4_fo_option: the option that asks for or shows a cookie */
	uint8_t fo_cookie_len;
	uint8_t fo_cookie[16];
	uint8_t fo_fail;

	struct l4_sndbuf snd;
	struct l4_scoreboard sb;
	struct l4_rcvbuf rcv;

	/* timers: absolute times, L4_TIME_NEVER off. The wheel holds the least (or earlier). */
	l4_time timer[L4_TIMER_COUNT];
	struct l4_wheel_node wheel;

	/* events */
	uint32_t ev_bits; /* not yet taken */
	int err;          /* why it ended; SO_ERROR */
	int soft_err;     /* last soft ICMP error (RFC 1122 4.2.3.9) */
	int trouble;      /* what L4_EV_TROUBLE tells */
	bool opt_trouble; /* L4_EV_TROUBLE is wanted */
	bool in_events;
	uint64_t zc_done; /* last token given back */

	/* lists */
	struct l4_tcp *live_next, *live_prev;   /* all that are not parked (park.c) */
	bool touched;                           /* since it was last looked at there */
	struct l4_tcp *ready_next, *ready_prev; /* ready or blocked list */
	struct l4_tcp *batch_next;
	struct l4_tcp *bind_next;   /* endpoints by local port */
	struct l4_tcp *accept_next; /* accept queue */
	struct l4_tcp *parent;      /* listener while in its accept queue */
	struct l4_listener *lst;    /* LISTEN only */

	/* challenge ACKs (RFC 5961 10) */
	l4_time challenge_time;
	uint8_t challenge_n;  /* since challenge_time */
	l4_time oow_ack_time; /* last ACK of an out-of-window segment */

	struct l4_why ack_why; /* why the next pure ACK goes out */
	struct l4_why rtx_why; /* why the next retransmission goes out */

	/* statistics */
	uint32_t segs_in, segs_out, data_segs_in, data_segs_out;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t total_retrans, total_rto, total_rto_recoveries, dsack_dups, reord_seen,
	    rcv_ooopack;
	uint32_t tlp_probes, spurious_undone, drops;
	l4_time rto_time; /* in timeout series, summed */
	uint8_t held_by;  /* enum l4_held: what sending waits for, since held_since */
	l4_time held_since, held_time[L4_HELD_COUNT];
	l4_time established_at;
	uint8_t chrono; /* what limits sending now */
};

static_assert(offsetof(struct l4_tcp, sws_override) - offsetof(struct l4_tcp, odd) == 24,
    "three words for both ways");

static inline bool l4_is_plain(const struct l4_tcp *c)
{
	return c->state == L4_TCP_ESTABLISHED && !(c->odd[0] | c->odd[1] | c->odd[2]);
}

/* A connection in SYN-RECEIVED that came in through a listener (half-open, RFC 4987): what its SYN
 * said and what we answered. */
struct l4_tcp_req {
	struct l4_hnode h;
	uint32_t next, prev; /* by deadline, of those with as many retries: indices */
	l4_time deadline;    /* of the next SYN-ACK */
	l4_time sent_time;   /* of the first */
	uint32_t listener;   /* index of its slot */
	uint32_t irs, iss;
	uint32_t ts_recent, ts_offset;
	uint16_t rcv_wnd, wnd; /* told and heard, as in the header */
	uint16_t mss;          /* the peer's */
	uint16_t if_mtu;       /* of the interface, when the SYN came */
	uint8_t wscale;
	uint8_t retries;
	uint8_t ecn_syn_ect;
	bool ws_ok : 1, sack_ok : 1, ts_ok : 1, ecn_ok : 1, accecn : 1;
	bool no_ect : 1; /* a SYN without flags came after one with AccECN's */
	bool acked : 1;  /* waits for data or queue room */
};
static_assert(sizeof(struct l4_tcp_req) <= 112, "128 bytes with its share of the tables");

/* Half-open records that have been answered equally often wait equally long: a queue each, with one
 * timer for its first. */
struct l4_req_queue {
	uint32_t head, tail;
	struct l4_wheel_node wheel;
};
#define L4_REQ_LEVELS 66u /* doublings of a time until it is past any other */

/* TIME-WAIT: what is left of a connection for 2 MSL (RFC 9293 3.6.1). First in, first out. Small:
 * many of them stand by while others come and go. Times are in milliseconds and wrap. */
struct l4_tcp_tw {
	uint32_t hnext;  /* reference in the same bucket */
	uint8_t addr[8]; /* IPv4: local, remote; else a pointer to both, elsewhere */
	uint16_t local_port, remote_port;
	uint16_t ifindex;    /* of link-local addresses */
	uint16_t wnd;        /* as in the header */
	uint32_t next, prev; /* by expiry: indices of records */
	uint32_t start_ms;   /* began (rounded up) */
	uint16_t told;       /* last answered, in units of 16 ms */
	uint8_t flags, tos;  /* see timewait.c */
	uint32_t snd_nxt, rcv_nxt;
	uint32_t ts_recent, ts_offset;
};
static_assert(sizeof(struct l4_tcp_tw) <= 52, "64 bytes with its share of the tables");

struct l4_listener {
	uint32_t backlog;
	uint32_t n_half, n_accept; /* half-open; waiting for accept */
	struct l4_tcp *acc_head, *acc_tail;
	l4_time cookie_until; /* cookies were sent lately: check ACKs for them */
	uint32_t fo_pending;  /* Fast Open connections not yet acknowledged */
	bool fo_key_set;      /* l4_tcp_set_fastopen_key */
	uint8_t fo_key[16];
};

/* A piece of a frame whose bytes stay where they are until the frames are called back. */
struct l4_loan {
	struct l4_tcp *c; /* NULL: taken */
	const uint8_t *data;
	uint32_t len;
	uint16_t next; /* of the same connection */
};
#define L4_LOANS 256u

/* What a handle's index leads to. An orphan keeps its slot, with a generation that no handle has.
 */
enum l4_slot_kind { L4_SLOT_FREE, L4_SLOT_WHOLE, L4_SLOT_PARKED };
struct l4_slot {
	union {
		struct l4_tcp *c;             /* L4_SLOT_WHOLE */
		struct l4_tcp_parked *parked; /* L4_SLOT_PARKED */
		uint64_t next_free;           /* L4_SLOT_FREE */
	} u;
	uint32_t gen;
	uint8_t kind;
};
static inline struct l4_tcp *l4_slot_conn(const struct l4_slot *s) /* NULL: no whole one */
{
	return s->kind == L4_SLOT_WHOLE ? s->u.c : NULL;
}

#define L4_PORT_BUCKETS 1024u

struct l4_fo_entry { /* Fast Open cookies learned, by server */
	struct l4_addr addr;
	uint8_t len;
	uint8_t ask;    /* enum l4_fo_option */
	uint8_t losses; /* in a row, of SYNs with data */
	bool used, exp_tried;
	uint8_t cookie[16];
	uint16_t mss;
	l4_time when;
};
#define L4_FO_CACHE 64u

#define L4_IF_MAX 64u /* interfaces with a ready list of their own */

struct l4_tcp_list {
	struct l4_tcp *head, *tail;
};

/* Size of a large chunk of a send buffer with its head; freed ones are kept for the next. */
#define L4_CHUNK_BYTES       32768u
#define L4_CHUNK_SMALL_BYTES 2048u
struct l4_spare {
	struct l4_spare *next;
};

struct l4_tcp_stack {
	struct l4_tcp_env env;
	struct l4_tcp_config cfg;
	struct l4_host_limits lim;
	uint8_t key_hash[16], key_isn[16], key_port[16], key_cookie[16], key_fo[16];
	l4_time now;           /* latest time seen */
	struct l4_wheel wheel; /* connections, and a node for each queue of records */

	uint32_t *bucket; /* the demultiplexer: first reference of each chain */
	uint32_t n_buckets, n_hashed;

	struct l4_slot *slot; /* endpoints by handle index */
	uint32_t n_slots, free_slot, n_conns;
	struct l4_tcp *live_head, *live_tail, *reserve; /* park.c */
	struct l4_tcp *pattern;
	uint32_t n_live, n_parked, n_reserve;

	struct l4_tcp *bind_bucket[L4_PORT_BUCKETS];
	struct l4_tcp_flow flow[1 << L4_TCP_FLOW_BITS];

	struct l4_pool tw; /* TIME-WAIT records */
	uint32_t tw_head, tw_tail;
	struct l4_wheel_node tw_wheel;
	struct l4_pool req; /* half-open records */
	struct l4_req_queue req_queue[L4_REQ_LEVELS];

	struct l4_tcp_list ready[L4_IF_MAX];
	struct l4_tcp_list blocked;
	struct l4_tcp *batch; /* connections touched by this batch */

	struct l4_loan *loan; /* L4_LOANS; NULL until the first */
	uint32_t n_loans;     /* used since the last settling */

	uint64_t buffer_used;      /* bytes charged to limits.buffer_bytes */
	bool starved;              /* a connection is */
	struct l4_spare *spare[2]; /* small and large chunks to use again, not charged */
	uint32_t n_spare[2], most_spare[2];
	uint32_t challenge_count, challenge_limit; /* global, random limit per second */
	bool room_wanted;  /* pressure.c: somebody was refused for want of room */
	l4_time room_time; /* last search; 0: none */
	l4_time rst_epoch; /* resets without a connection, in this second */
	uint32_t rst_count, rst_limit;
	l4_time challenge_epoch;
	uint32_t port_counter;
	struct l4_fo_entry fo[L4_FO_CACHE];
	struct l4_tcp_counters ctr;
};

/* A rate or time that was computed in floating point, kept inside what the rest can hold. */
static inline uint64_t l4_clamp_u64(double v)
{
	return v < 0 ? 0 : v > 1e18 ? (uint64_t)1e18 : (uint64_t)v;
}

/* --- stack.c --- */
void *l4_tcp_alloc(struct l4_tcp_stack *ts, size_t size);
void l4_tcp_free(struct l4_tcp_stack *ts, void *p, size_t size);
/* Charged to the buffer budget as well. */
void *l4_tcp_buf_alloc(struct l4_tcp_stack *ts, size_t size);
void l4_tcp_buf_free(struct l4_tcp_stack *ts, void *p, size_t size);
/* The same for L4_CHUNK_SMALL_BYTES, which come and go with each small write. */
static inline void *l4_tcp_small_alloc(struct l4_tcp_stack *ts)
{
	struct l4_spare *s = ts->spare[0];
	if (!s)
		return l4_tcp_buf_alloc(ts, L4_CHUNK_SMALL_BYTES);
	ts->spare[0] = s->next;
	ts->n_spare[0]--;
	ts->buffer_used += L4_CHUNK_SMALL_BYTES;
	return s;
}
static inline void l4_tcp_small_free(struct l4_tcp_stack *ts, void *p)
{
	struct l4_spare *s = p;
	if (ts->n_spare[0] >= ts->most_spare[0] || ts->starved) {
		l4_tcp_buf_free(ts, p, L4_CHUNK_SMALL_BYTES);
		return;
	}
	assert(ts->buffer_used >= L4_CHUNK_SMALL_BYTES);
	ts->buffer_used -= L4_CHUNK_SMALL_BYTES;
	s->next = ts->spare[0];
	ts->spare[0] = s;
	ts->n_spare[0]++;
}

/* --- pool.c --- */
void l4_pool_init(struct l4_pool *p, uint32_t size, uint32_t keep);
void l4_pool_fini(struct l4_tcp_stack *ts, struct l4_pool *p);     /* frees all, and it is as new */
uint32_t l4_pool_take(struct l4_tcp_stack *ts, struct l4_pool *p); /* L4_REF_NONE: no memory */
void l4_pool_give(struct l4_tcp_stack *ts, struct l4_pool *p, uint32_t i);
static inline void *l4_pool_at(const struct l4_pool *p, uint32_t i)
{
	return p->slab[i / L4_POOL_SLAB] + (size_t)(i % L4_POOL_SLAB) * p->size;
}

/* --- demux.c --- */
int l4_demux_init(struct l4_tcp_stack *ts);
void l4_demux_fini(struct l4_tcp_stack *ts);
uint32_t l4_tcp_hash(const struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote);
/* The reference of what has these ends, L4_REF_NONE when nothing has. */
uint32_t l4_tcp_find(const struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote);
uint32_t l4_ref_next(const struct l4_tcp_stack *ts, uint32_t ref);
uint32_t l4_ref_hash(const struct l4_tcp_stack *ts, uint32_t ref);
void l4_tcp_hash_add(struct l4_tcp_stack *ts, uint32_t ref, uint32_t hash);
void l4_tcp_hash_del(struct l4_tcp_stack *ts, uint32_t ref, uint32_t hash);
void l4_tcp_conn_add(struct l4_tcp *c, uint32_t hash); /* as its ends are now */
void l4_tcp_conn_del(struct l4_tcp *c);                /* if it stands there */
void l4_tcp_forget_flow(struct l4_tcp *c);
/* The connection of a reference of that kind, made whole; NULL: no memory. */
struct l4_tcp *l4_tcp_of_ref(struct l4_tcp_stack *ts, uint32_t ref);
static inline struct l4_tcp_req *l4_req_at(const struct l4_tcp_stack *ts, uint32_t i)
{
	return l4_pool_at(&ts->req, i);
}
static inline struct l4_tcp_tw *l4_tw_at(const struct l4_tcp_stack *ts, uint32_t i)
{
	return l4_pool_at(&ts->tw, i);
}

/* --- park.c --- */
struct l4_tcp *l4_tcp_conn_alloc(struct l4_tcp_stack *ts);
void l4_tcp_conn_dealloc(struct l4_tcp_stack *ts, struct l4_tcp *c);
void l4_tcp_live_add(struct l4_tcp *c);
void l4_tcp_live_del(struct l4_tcp *c);
bool l4_tcp_park(struct l4_tcp *c); /* frees c; false: it is not idle, or no memory */
struct l4_tcp *l4_tcp_unpark(
    struct l4_tcp_stack *ts, struct l4_tcp_parked *p); /* NULL: no memory */
void l4_tcp_parked_free(struct l4_tcp_stack *ts, struct l4_tcp_parked *p);
struct l4_hnode *l4_tcp_parked_node(struct l4_tcp_parked *p);
void l4_tcp_park_some(struct l4_tcp_stack *ts); /* a few, when many stand whole */

/* --- stack.c --- */
uint64_t l4_tcp_spare_bytes(const struct l4_tcp_stack *ts);
/* The budget had no room for what c has to send: it is told WRITABLE when there is. */
void l4_tcp_starve(struct l4_tcp *c);
/* The endpoint of a handle, made whole if it was parked; NULL: it is stale, or no memory. */
struct l4_tcp *l4_tcp_whole_from_ep(struct l4_tcp_stack *ts, l4_ep ep);
static inline struct l4_tcp *l4_tcp_from_ep(struct l4_tcp_stack *ts, l4_ep ep)
{
	if ((uint32_t)ep >= ts->n_slots) /* before the address is formed: there may be no table */
		return l4_tcp_whole_from_ep(ts, ep);
	const struct l4_slot *s = &ts->slot[(uint32_t)ep];
	if (s->kind != L4_SLOT_WHOLE || ep >> 32 != (L4_EP_TCP >> 32 | s->gen))
		return l4_tcp_whole_from_ep(ts, ep);
	s->u.c->touched = true;
	return s->u.c;
}
struct l4_tcp *l4_tcp_conn_new(struct l4_tcp_stack *ts, void *user);
void l4_tcp_conn_free(struct l4_tcp *c);      /* everything, at once */
void l4_tcp_release_handle(struct l4_tcp *c); /* the handle becomes stale */
void l4_tcp_bind_add(struct l4_tcp *c);
void l4_tcp_bind_del(struct l4_tcp *c);
void l4_tcp_make_ready(struct l4_tcp *c); /* has something to send: put in the ready list */
void l4_tcp_unready(struct l4_tcp *c);
void l4_tcp_event(struct l4_tcp *c, uint32_t bits);
void l4_tcp_trouble(struct l4_tcp *c, int err);
void l4_tcp_drop(
    struct l4_tcp_stack *ts, struct l4_tcp *c, unsigned reason, const struct l4_seg *s);
void l4_tcp_set_state(struct l4_tcp *c, uint8_t state);
/* Ends the connection: error for the user (0: none), leaves the tables. Frees orphans. */
void l4_tcp_done(struct l4_tcp *c, int err);

static inline void l4_tcp_trace(
    struct l4_tcp *c, unsigned kind, unsigned reason, int64_t a, int64_t b, int64_t d, int64_t e)
{
	struct l4_tcp_stack *ts = c->ts;
	if (!ts->env.trace)
		return;
	struct l4_trace_event ev = { .time = ts->now,
		.kind = (uint16_t)kind,
		.reason = (uint16_t)reason,
		.ep = c->ep,
		.v = { a, b, d, e } };
	ts->env.trace(ts->env.ctx, &ev);
}

/* --- timers.c --- */
static inline void l4_tcp_arm(struct l4_tcp *c, enum l4_tcp_timer t, l4_time when)
{
	c->timer[t] = when;
	if (when == L4_TIME_NEVER)
		return;
	if (!l4_wheel_is_armed(&c->wheel) || when < c->wheel.deadline)
		l4_wheel_add(&c->ts->wheel, &c->wheel, when);
}
static inline void l4_tcp_disarm(struct l4_tcp *c, enum l4_tcp_timer t)
{
	c->timer[t] = L4_TIME_NEVER;
}
void l4_tcp_on_timer(struct l4_tcp *c, l4_time now);
void l4_tcp_rearm_rto(struct l4_tcp *c, l4_time now);
void l4_tcp_start_keepalive(struct l4_tcp *c, l4_time now);
void l4_tcp_arm_alone(struct l4_tcp *c, l4_time now);
/* Worst case delayed ACK of the peer (RFC 8985 7.2, WCDelAckT). */
#define L4_TLP_WC_DELACK (200 * L4_MSEC)
void l4_tcp_tlp_schedule(struct l4_tcp *c, l4_time now); /* tlp.c */
void l4_tcp_tlp_fire(struct l4_tcp *c, l4_time now);
void l4_tcp_tlp_on_ack(struct l4_tcp *c, const struct l4_ack *a, uint32_t ack);

/* --- sndbuf.c --- */
int64_t l4_sndbuf_append(struct l4_tcp *c, const void *data, size_t len);
int l4_sndbuf_append_zc(struct l4_tcp *c, const void *data, size_t len, uint64_t token);
void l4_sndbuf_eor(struct l4_tcp *c);
/* Whether the bytes just taken by l4_sndbuf_pieces, up to end, end a record (L4_SEND_EOR). */
bool l4_sndbuf_ends_record(const struct l4_tcp *c, uint32_t end);
void l4_sndbuf_ack(struct l4_tcp *c, uint32_t una); /* lets go of what is acknowledged */
void l4_sndbuf_clear(struct l4_tcp *c);
/* Pieces for [seq, seq+len); returns how many, and in *len the bytes they hold (may be fewer when
 * max pieces are used up or at an end of record). */
uint32_t l4_sndbuf_pieces(struct l4_tcp *c, uint32_t seq, uint32_t *len, struct l4_seg_out *o);
static inline uint32_t l4_sndbuf_room(const struct l4_tcp *c)
{
	return c->snd.bytes >= c->sndbuf ? 0 : c->sndbuf - c->snd.bytes;
}

/* --- rcvbuf.c --- */
int l4_rcvbuf_put(
    struct l4_tcp *c, const struct l4_seg *s, uint32_t skip, uint32_t seq, uint32_t len);
/* The same for a segment in order, in one piece, when all before it was read; a short one is copied
 * even if it is lent: that costs less than a note of where it is. False: nothing was done. */
#define L4_RCV_SHORT 256u
static inline bool l4_rcvbuf_put_short(struct l4_tcp *c, const struct l4_seg *s)
{
	struct l4_rcvbuf *r = &c->rcv;
	if (s->n_pieces != 1 || (s->lent && s->len > L4_RCV_SHORT) || s->skip || r->ready ||
	    r->ooo_n || r->post || s->len > r->cap)
		return false;
	memcpy(r->ring, s->pieces[0].data, s->len);
	r->base = 0;
	r->ready = s->len;
	c->rcv_nxt += s->len;
	return true;
}
/* The user takes n bytes that lie in one run at the ring's base; false: they do not. */
static inline bool l4_rcvbuf_take_short(struct l4_tcp *c, void *buf, uint32_t n)
{
	struct l4_rcvbuf *r = &c->rcv;
	if (r->lent || r->ooo_n || r->base + n > r->cap || n != r->ready ||
	    c->ts->buffer_used > c->ts->lim.buffer_bytes / 2)
		return false;
	memcpy(buf, r->ring + r->base, n);
	r->ready = r->base = 0;
	return true;
}
void l4_rcvbuf_cut(struct l4_tcp *c, uint32_t end);
void l4_rcvbuf_clear(struct l4_tcp *c);
uint32_t l4_rcvbuf_pieces(const struct l4_tcp *c, struct l4_piece *p, uint32_t max);
void l4_rcvbuf_copy(const struct l4_tcp *c, void *buf, uint32_t n); /* the first n ready */
void l4_rcvbuf_settle(struct l4_tcp *c); /* copies what is lent into the ring */
void l4_rcvbuf_drop(struct l4_tcp *c, uint32_t n);
void l4_rcvbuf_unpost(struct l4_tcp *c);
void l4_rcvbuf_fill(struct l4_tcp *c); /* moves what is ready to the memory the user has posted */
uint32_t l4_rcvbuf_window(struct l4_tcp *c); /* the window to advertise now (RFC 9293 3.8.6.2) */
/* What is left of the window advertised last. */
static inline uint32_t l4_rcvbuf_wnd_now(const struct l4_tcp *c)
{
	uint32_t edge = c->rcv_wup + c->rcv_wnd;
	return l4_seq_gt(edge, c->rcv_nxt) ? edge - c->rcv_nxt : 0;
}
int l4_rcvbuf_sack_blocks(struct l4_tcp *c, struct l4_sack_block *out, int max);
void l4_rcvbuf_space_adjust(struct l4_tcp *c, uint32_t copied, l4_time now);
uint32_t l4_rcvbuf_ooo_bytes(const struct l4_tcp *c);

/* --- scoreboard.c --- */
int l4_sb_push(struct l4_tcp *c, uint32_t seq, uint32_t len, l4_time now); /* L4_ENOMEM */
/* Records for len bytes in segments of mss, and a FIN in the last; there is room (l4_sb_reserve).
 */
void l4_sb_push_run(
    struct l4_tcp *c, uint32_t seq, uint32_t len, uint32_t mss, bool fin, l4_time now);
bool l4_sb_reserve(struct l4_tcp *c, uint32_t n); /* room for n more */
void l4_sb_clear(struct l4_tcp *c);
void l4_sb_resize_segments(struct l4_tcp *c, uint32_t mss); /* cut records larger than mss */
static inline struct l4_txseg *l4_sb_at(struct l4_scoreboard *sb, uint32_t i) /* i-th oldest */
{
	return &sb->seg[(sb->head + i) & (sb->cap - 1)];
}
uint32_t l4_sb_find(const struct l4_scoreboard *sb, uint32_t seq); /* first i with seq <= its seq */
void l4_sb_mark_lost(struct l4_tcp *c, uint32_t slot);
void l4_sb_unmark_lost(struct l4_tcp *c);
uint32_t l4_sb_next_rtx(const struct l4_scoreboard *sb); /* i of the oldest to resend, or n */
uint32_t l4_sb_next_unsacked(const struct l4_scoreboard *sb, uint32_t i); /* from i on, or n */
uint32_t l4_sb_last_unsacked(const struct l4_scoreboard *sb);             /* the newest, or n */
void l4_sb_on_retransmit(struct l4_tcp *c, uint32_t i, l4_time now);
static inline uint32_t l4_sb_in_flight(const struct l4_scoreboard *sb)
{
	return sb->n - sb->n_sacked - sb->n_lost + sb->n_retx;
}
/* Records below what was SACKed last that are neither SACKed nor deemed lost. */
uint32_t l4_sb_overtaken(const struct l4_tcp *c);
/* Segments in flight, less what duplicate ACKs without SACK stand for. */
static inline uint32_t l4_in_flight(const struct l4_tcp *c)
{
	uint32_t n = l4_sb_in_flight(&c->sb);
	return n > c->reno_sacked ? n - c->reno_sacked : 0;
}
/* Bytes written and not yet sent once; 0 after the FIN. */
static inline uint32_t l4_unsent(const struct l4_tcp *c)
{
	return l4_seq_lt(c->snd_nxt, c->snd_end) ? c->snd_end - c->snd_nxt : 0;
}
/* Removes what ack covers and marks what the SACK blocks cover; fills *a. */
void l4_sb_ack(struct l4_tcp *c, uint32_t ack, struct l4_ack *a);
void l4_sb_sack(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a);

/* --- rtt.c --- */
void l4_tcp_rtt_sample(struct l4_tcp *c, l4_time rtt, l4_time now);
void l4_tcp_rto_reset(struct l4_tcp *c);

/* --- rate.c --- */
void l4_rate_on_send(struct l4_tcp *c, struct l4_txseg *t, l4_time now);
void l4_rate_on_delivered(struct l4_tcp *c, const struct l4_txseg *t, struct l4_ack *a);
void l4_rate_sample(struct l4_tcp *c, struct l4_ack *a);
/* The same for the newest of all that was in flight, now delivered, when nothing is dirty. */
void l4_rate_all(struct l4_tcp *c, const struct l4_txseg *t, l4_time now);
/* Called when there is nothing (more) to send: from here on samples are app-limited. */
static inline void l4_rate_check_app_limited(struct l4_tcp *c)
{
	if (l4_seq_geq(c->snd_nxt, c->snd_end) && l4_sb_in_flight(&c->sb) < c->cwnd &&
	    c->sb.n_lost <= c->sb.n_retx) {
		uint64_t mark = c->delivered + l4_sb_in_flight(&c->sb);
		c->app_limited = mark ? mark : 1;
	}
}

/* --- pressure.c --- */
#define L4_PROGRESS 4096u /* bytes that count as some */
static inline void l4_tcp_progress(struct l4_tcp *c, l4_time now)
{
	if (c->snd.bytes && c->bytes_acked - c->progress_bytes < L4_PROGRESS && c->progress_time)
		return;
	c->progress_time = now ? now : 1;
	c->progress_bytes = c->bytes_acked;
}
void l4_tcp_need_room(struct l4_tcp_stack *ts);
void l4_tcp_make_room(struct l4_tcp_stack *ts);

/* --- rack.c --- */
/* RFC 8985 6.2, step 3: t, sent rtt ago, is delivered. */
static inline void l4_rack_advance(struct l4_tcp *c, const struct l4_txseg *t, l4_time rtt)
{
	uint32_t end = t->seq + t->len;
	if (t->xmit_time < c->rack.xmit_ts ||
	    (t->xmit_time == c->rack.xmit_ts && l4_seq_leq(end, c->rack.end_seq)))
		return;
	c->rack.xmit_ts = t->xmit_time;
	c->rack.end_seq = end;
	c->rack.rtt = rtt;
	c->rack.advanced = true;
}
void l4_rack_on_delivered(struct l4_tcp *c, const struct l4_txseg *t, const struct l4_ack *a);
void l4_rack_detect(struct l4_tcp *c, struct l4_ack *a, l4_time now);
void l4_rack_on_dsack(struct l4_tcp *c);
void l4_rack_on_ack(struct l4_tcp *c, const struct l4_ack *a);

/* --- recovery.c --- */
void l4_recovery_on_ack(struct l4_tcp *c, struct l4_ack *a, uint32_t ack);
void l4_recovery_on_rto(struct l4_tcp *c, l4_time now);
void l4_recovery_on_reo(struct l4_tcp *c, l4_time now);
void l4_recovery_on_retransmit(struct l4_tcp *c, uint32_t seq);
void l4_recovery_on_dsack(struct l4_tcp *c, uint32_t start, uint32_t end);
void l4_recovery_enter_cwr(struct l4_tcp *c, l4_time now);
void l4_recovery_idle_restart(struct l4_tcp *c, l4_time now);
void l4_recovery_init(struct l4_tcp *c);
void l4_tcp_set_ca_state(struct l4_tcp *c, uint8_t s);

/* --- input.c / ack.c --- */
void l4_tcp_conn_input(struct l4_tcp *c, const struct l4_seg *s, l4_time now);
/* 0, or -1 when the segment is to be dropped (already answered). */
int l4_tcp_process_ack(struct l4_tcp *c, const struct l4_seg *s, l4_time now);
/* The same for the usual case, when l4_is_plain; false: nothing was done. */
bool l4_tcp_fast_ack(struct l4_tcp *c, const struct l4_seg *s, l4_time now);
void l4_tcp_deliver(struct l4_tcp *c, const struct l4_seg *s, l4_time now);
void l4_tcp_parse_syn(struct l4_tcp *c, const struct l4_tcp_hdr *h);
void l4_tcp_drop_syn_text(struct l4_tcp *c);
void l4_tcp_established(struct l4_tcp *c, l4_time now);
void l4_tcp_challenge_ack(struct l4_tcp *c, l4_time now);
void l4_tcp_input_end(struct l4_tcp *c, l4_time now);

/* --- output.c --- */
/* max: frames that the host would cut a longer segment into. */
int l4_tcp_conn_pull(struct l4_tcp *c, struct l4_seg_out *o, uint32_t max, l4_time now);
/* The same for a small write; false: nothing was done. */
bool l4_tcp_pull_short(struct l4_tcp *c, struct l4_seg_out *o, l4_time now);
bool l4_tcp_has_output(struct l4_tcp *c, l4_time now);
void l4_tcp_ack_now(struct l4_tcp *c, unsigned why);
void l4_tcp_persist(struct l4_tcp *c, l4_time now); /* data waits: look again by a timer */
/* Makes it ready if it may send. */
static inline void l4_tcp_output_check(struct l4_tcp *c)
{
	if (c->state != L4_TCP_CLOSED && c->state != L4_TCP_LISTEN && c->state != L4_TCP_TIME_WAIT)
		l4_tcp_make_ready(c);
}
uint32_t l4_tcp_ts_now(const struct l4_tcp_stack *ts, l4_time now);
void l4_tcp_sync_mss(struct l4_tcp *c);
uint32_t l4_tcp_can_recv_window(struct l4_tcp *c);

/* --- reset.c --- */
void l4_tcp_send_rst_reply(
    struct l4_tcp_stack *ts, const struct l4_seg *s, unsigned why, l4_time now);
void l4_tcp_send_rst_of(struct l4_tcp *c, unsigned why, l4_time now);
void l4_tcp_rst_echo(
    const struct l4_tcp_stack *ts, const struct l4_seg *s, struct l4_tcp_opts *out);
void l4_tcp_count_rst(struct l4_tcp_stack *ts);

/* --- info.c --- */

/* A change of what sending waits for closes the time of what it waited for before. */
static inline void l4_tcp_held_by(struct l4_tcp *c, enum l4_held what, l4_time now)
{
	if (c->held_by == what)
		return;
	c->held_time[c->held_by] += now - c->held_since;
	c->held_by = (uint8_t)what;
	c->held_since = now;
}

/* --- listen.c, syncookie.c, timewait.c, isn.c, fastopen.c, ecn.c, pmtu.c --- */
struct l4_tcp *l4_tcp_find_listener(
    struct l4_tcp_stack *ts, const struct l4_endpoint *local, const struct l4_endpoint *remote);
void l4_tcp_listen_input(struct l4_tcp *l, const struct l4_seg *s, l4_time now);
void l4_tcp_req_init(struct l4_tcp_stack *ts);
void l4_tcp_req_input(struct l4_tcp_stack *ts, uint32_t i, const struct l4_seg *s, l4_time now);
void l4_tcp_req_free(struct l4_tcp_stack *ts, uint32_t i);
bool l4_tcp_req_is_timer(const struct l4_tcp_stack *ts, const struct l4_wheel_node *n);
void l4_tcp_req_expire(struct l4_tcp_stack *ts, struct l4_wheel_node *n, l4_time now);
void l4_tcp_req_close(struct l4_tcp *l);                          /* frees all of the listener's */
void l4_tcp_req_start(struct l4_tcp *l, uint32_t i, l4_time now); /* i: filled */
/* fo: a Fast Open cookie to give, or NULL. */
void l4_tcp_send_synack(struct l4_tcp *l, const struct l4_tcp_req *r, unsigned why,
    const struct l4_tcp_opts *fo, l4_time now);
/* The acceptable ACK of our SYN: record i becomes a connection, if there is room. */
void l4_tcp_listen_finish(struct l4_tcp *l, uint32_t i, const struct l4_seg *s, l4_time now);
void l4_tcp_listen_close(struct l4_tcp *l, l4_time now);
uint32_t l4_cookie_make(struct l4_tcp_stack *ts, const struct l4_seg *s, uint16_t mss, l4_time now);
/* The MSS of the SYN when the ACK proves a cookie, else 0. */
uint16_t l4_cookie_check(struct l4_tcp_stack *ts, const struct l4_seg *s, l4_time now);
int l4_tcp_enter_time_wait(struct l4_tcp *c, l4_time now);
void l4_tcp_tw_input(struct l4_tcp_stack *ts, uint32_t i, const struct l4_seg *s, l4_time now);
void l4_tcp_tw_init(struct l4_tcp_stack *ts);
void l4_tcp_tw_ends(
    const struct l4_tcp_tw *t, struct l4_endpoint *local, struct l4_endpoint *remote);
void l4_tcp_tw_address_gone(struct l4_tcp_stack *ts, const struct l4_addr *a);
/* Whether a new connection may take its place (RFC 9293 3.6.1, RFC 6191 2): a second later its
 * timestamps tell old from new. */
bool l4_tcp_tw_reusable(const struct l4_tcp_stack *ts, const struct l4_tcp_tw *t, l4_time now);
void l4_tcp_tw_free(struct l4_tcp_stack *ts, uint32_t i);
void l4_tcp_tw_expire(struct l4_tcp_stack *ts, l4_time now);
uint32_t l4_tcp_isn(struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, l4_time now);
uint32_t l4_tcp_ts_offset(
    struct l4_tcp_stack *ts, const struct l4_endpoint *local, const struct l4_endpoint *remote);
int l4_tcp_pick_port(struct l4_tcp_stack *ts, struct l4_tcp *c, l4_time now);
void l4_fo_init(struct l4_tcp_stack *ts);
enum l4_fo_option { L4_FO_ASK_STD, L4_FO_ASK_EXP, L4_FO_ASK_NONE };
/* What a SYN to listener l gets: see fastopen.c. */
enum l4_fo_answer { L4_FO_NO, L4_FO_OPEN, L4_FO_COOKIE };
enum l4_fo_answer l4_fo_judge(struct l4_tcp *l, const struct l4_seg *s, struct l4_tcp_opts *cookie);
/* Bytes of data that the SYN of c may carry. */
uint32_t l4_fo_room(const struct l4_tcp *c);
bool l4_fo_ask(struct l4_tcp *c, const struct l4_addr *server, l4_time now);
/* c, opened fast by its peer, leaves SYN-RECEIVED (RFC 7413 5.1: PendingFastOpenRequests). */
void l4_fo_settled(struct l4_tcp *c);
/* The SYN with data does not get through: an ordinary one, at once. */
void l4_fo_give_up(struct l4_tcp *c, l4_time now);
/* What the SYN-ACK tells about the server, kept for the next connection. */
void l4_fo_learn(struct l4_tcp *c, const struct l4_tcp_opts *o, uint32_t ack, l4_time now);
void l4_ecn_on_segment(struct l4_tcp *c, const struct l4_seg *s);
void l4_ecn_on_ack(struct l4_tcp *c, const struct l4_seg *s, struct l4_ack *a);
uint16_t l4_ecn_flags(struct l4_tcp *c, bool data, bool retx);
uint8_t l4_ecn_codepoint(const struct l4_tcp *c, bool new_data);
void l4_ecn_handshake_ack(struct l4_tcp *c, const struct l4_seg *s);
void l4_ecn_handshake_answer(struct l4_tcp *c, const struct l4_seg *s);
void l4_ecn_synack_again(struct l4_tcp *c, const struct l4_seg *s);
uint32_t l4_ecn_option_room(const struct l4_tcp *c);
void l4_ecn_option_out(struct l4_tcp *c, struct l4_tcp_opts *o);
/* What a SYN with that header and DS field asks for, and we agree to. */
enum l4_ecn_kind { L4_ECN_NONE, L4_ECN_CLASSIC, L4_ECN_ACCURATE };
enum l4_ecn_kind l4_ecn_of_syn(const struct l4_tcp_stack *ts, const struct l4_seg *s);
/* The flags of a SYN-ACK that answers a SYN which arrived with that codepoint. */
uint16_t l4_ecn_synack_flags(uint8_t syn_ect);
void l4_ecn_negotiated(struct l4_tcp *c, bool classic, bool accecn, uint8_t syn_ect);
void l4_pmtu_reduced(struct l4_tcp *c, uint32_t mtu, l4_time now);
void l4_pmtu_on_rto(struct l4_tcp *c, l4_time now);
void l4_pmtu_start(struct l4_tcp *c); /* the connection is established */
uint32_t l4_pmtu_probe_len(const struct l4_tcp *c, uint32_t avail, uint32_t wnd, l4_time now);
void l4_pmtu_probe_sent(struct l4_tcp *c, uint32_t len);
void l4_pmtu_probe_acked(struct l4_tcp *c);
void l4_pmtu_probe_lost(struct l4_tcp *c);

#endif
