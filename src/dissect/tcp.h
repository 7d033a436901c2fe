/* What the parts of the TCP dissector share. For src/dissect only. */
#ifndef L4_DISSECT_TCP_H
#define L4_DISSECT_TCP_H

#include "base/seq.h"
#include "dissect/conv.h"
#include "dissect/ip_options.h" /* ROW_ENUM, ROW_TABLE */

enum {
	TH_FIN = 1,
	TH_SYN = 2,
	TH_RST = 4,
	TH_PSH = 8,
	TH_ACK = 16,
	TH_URG = 32,
	TH_ECE = 64,
	TH_CWR = 128,
	TH_AE = 256,
};

/* What the analysis found out about a segment. */
enum {
	TCP_A_RETRANSMISSION = 0x0001,
	TCP_A_LOST_PACKET = 0x0002,
	TCP_A_ACK_LOST_PACKET = 0x0004,
	TCP_A_KEEP_ALIVE = 0x0008,
	TCP_A_DUPLICATE_ACK = 0x0010,
	TCP_A_ZERO_WINDOW = 0x0020,
	TCP_A_ZERO_WINDOW_PROBE = 0x0040,
	TCP_A_ZERO_WINDOW_PROBE_ACK = 0x0080,
	TCP_A_KEEP_ALIVE_ACK = 0x0100,
	TCP_A_OUT_OF_ORDER = 0x0200,
	TCP_A_FAST_RETRANSMISSION = 0x0400,
	TCP_A_WINDOW_UPDATE = 0x0800,
	TCP_A_WINDOW_FULL = 0x1000,
	TCP_A_REUSED_PORTS = 0x2000,
	TCP_A_SPURIOUS_RETRANSMISSION = 0x4000,
};

/* A segment's header. */
struct l4_tcp_hdr {
	uint32_t seq, ack;
	uint32_t seglen; /* bytes of data */
	uint32_t window; /* as in the header */
	uint16_t flags;  /* TH_* */
	uint16_t hlen;
	bool have_seglen;     /* false: the length is not known (a fragment, a quotation) */
	bool closed_after;    /* the other side began to close */
	bool ace;             /* the ECN flags are a counter */
	uint8_t completeness; /* of the connection before this segment */
	uint8_t mp_ops;       /* bits of MPTCP subtypes seen in the options */
	uint8_t n_sack;
	int8_t win_scale; /* option of this segment, or SCALE_UNKNOWN */
	uint32_t sack_l[SACK_MAX], sack_r[SACK_MAX];
	uint32_t base_seq, base_ack; /* to make relative numbers */
};

struct l4_tcp_ta {
	unsigned flags; /* TCP_A_* */
	uint32_t dupack_num, dupack_frame;
	uint32_t acked_frame; /* 0: none */
	uint32_t rto_frame;
	uint32_t bytes_in_flight;
	uint32_t push_bytes;
	bool noted;           /* something was found, though it has no flag */
	int64_t ack_rtt, rto; /* ns */
};

/* Rows of the options, part of tcp's table. */
#define TCP_OPTION_FIRST OPTIONS
#define TCP_OPTION_ROWS(X)                                                                         \
	X(OPTIONS, ROW("tcp.options", "Options", BYTES, NONE, WALK))                               \
	X(OPT_NOP, ROW("tcp.options.nop", "No-Operation", BYTES, NONE, .depth = 1))                \
	X(OPT_EOL, ROW("tcp.options.eol", "End of Option List", BYTES, NONE, .depth = 1))          \
	X(OPT_MSS, ROW("tcp.options.mss", "Maximum segment size", BYTES, NONE, .depth = 1))        \
	X(OPT_WS, ROW("tcp.options.wscale", "Window scale", BYTES, NONE, .depth = 1))              \
	X(OPT_SACK_PERM, ROW("tcp.options.sack_perm", "SACK permitted", BYTES, NONE, .depth = 1))  \
	X(OPT_SACK, ROW("tcp.options.sack", "SACK", BYTES, NONE, .depth = 1))                      \
	X(OPT_ECHO, ROW("tcp.options.echo", "Echo", BYTES, NONE, .depth = 1))                      \
	X(OPT_ECHO_REPLY, ROW("tcp.options.echoreply", "Echo reply", BYTES, NONE, .depth = 1))     \
	X(OPT_TS, ROW("tcp.options.timestamp", "Timestamps", BYTES, NONE, .depth = 1))             \
	X(OPT_CC, ROW("tcp.options.cc", "CC", BYTES, NONE, .depth = 1))                            \
	X(OPT_CC_NEW, ROW("tcp.options.ccnew", "CC.NEW", BYTES, NONE, .depth = 1))                 \
	X(OPT_CC_ECHO, ROW("tcp.options.ccecho", "CC.ECHO", BYTES, NONE, .depth = 1))              \
	X(OPT_MD5, ROW("tcp.options.md5", "TCP MD5 signature", BYTES, NONE, .depth = 1))           \
	X(OPT_AO, ROW("tcp.options.ao", "TCP Authentication Option", BYTES, NONE, .depth = 1))     \
	X(OPT_QS, ROW("tcp.options.qs", "Quick-Start", BYTES, NONE, .depth = 1))                   \
	X(OPT_UTO, ROW("tcp.options.user_to", "User Timeout", BYTES, NONE, .depth = 1))            \
	X(OPT_TFO, ROW("tcp.options.tfo", "Fast Open", BYTES, NONE, .depth = 1))                   \
	X(OPT_EXP, ROW("tcp.options.experimental", "Experimental", BYTES, NONE, .depth = 1))       \
	X(OPT_UNKNOWN, ROW("tcp.options.unknown", "Unknown", BYTES, NONE, .depth = 1))             \
	X(OPTION_KIND, ROW("tcp.option_kind", "Kind", U8, DEC, .depth = 2))                        \
	X(OPTION_LEN, ROW("tcp.option_len", "Length", U8, DEC, .depth = 2))                        \
	X(MSS_VAL, ROW("tcp.options.mss_val", "MSS Value", U16, DEC, .depth = 2))                  \
	X(WS_SHIFT, ROW("tcp.options.wscale.shift", "Shift count", U8, DEC, .depth = 2))           \
	X(WS_MULT, ROW("tcp.options.wscale.multiplier", "Multiplier", U16, DEC, .depth = 2, GEN))  \
	X(SACK_COUNT, ROW("tcp.options.sack.count", "SACK Count", U8, DEC, .depth = 2, GEN))       \
	X(SACK_LE, ROW("tcp.options.sack_le", "Left edge", U32, DEC, .depth = 2))                  \
	X(SACK_RE, ROW("tcp.options.sack_re", "Right edge", U32, DEC, .depth = 2))                 \
	X(DSACK_LE,                                                                                \
	    ROW("tcp.options.sack.dsack_le", "D-SACK Left edge", U32, DEC, .depth = 2, GEN))       \
	X(DSACK_RE,                                                                                \
	    ROW("tcp.options.sack.dsack_re", "D-SACK Right edge", U32, DEC, .depth = 2, GEN))      \
	X(DSACK, EVENT("tcp.options.sack.dsack", "D-SACK Sequence", WARN))                         \
	X(ECHO_VAL, ROW("tcp.options.echo_value", "Echo", U32, DEC, .depth = 2))                   \
	X(TSVAL, ROW("tcp.options.timestamp.tsval", "Timestamp value", U32, DEC, .depth = 2))      \
	X(TSECR, ROW("tcp.options.timestamp.tsecr", "Timestamp echo reply", U32, DEC, .depth = 2)) \
	X(CC_VAL, ROW("tcp.options.cc_value", "Connection count", U32, DEC, .depth = 2))           \
	X(MD5_DIGEST, ROW("tcp.options.md5.digest", "MD5 digest", BYTES, NONE, .depth = 2))        \
	X(AO_KEYID, ROW("tcp.options.ao.keyid", "AO KeyID", U8, DEC, .depth = 2))                  \
	X(AO_RNEXT, ROW("tcp.options.ao.rnextkeyid", "AO RNextKeyID", U8, DEC, .depth = 2))        \
	X(AO_MAC, ROW("tcp.options.ao.mac", "AO MAC", BYTES, NONE, .depth = 2))                    \
	X(QS_RATE, ROW("tcp.options.qs.rate", "QS Rate", U8, DEC, .depth = 2))                     \
	X(QS_TTL, ROW("tcp.options.qs.ttl_diff", "QS TTL difference", U8, DEC, .depth = 2))        \
	X(UTO_GRAN, ROW("tcp.options.user_to_granularity", "Granularity", BOOL, NONE, .depth = 2)) \
	X(UTO_VAL, ROW("tcp.options.user_to_val", "User Timeout", U16, DEC, .depth = 2))           \
	X(MP_SUBTYPE, ROW("tcp.options.mptcp.subtype", "MPTCP subtype", U8, DEC, .depth = 2))      \
	X(TFO_REQUEST,                                                                             \
	    ROW("tcp.options.tfo.request", "Fast Open Cookie Request", NONE, NONE, .depth = 2))    \
	X(TFO_COOKIE, ROW("tcp.options.tfo.cookie", "Fast Open Cookie", BYTES, NONE, .depth = 2))  \
	X(EXP_EXID,                                                                                \
	    ROW("tcp.options.experimental.exid", "Experiment Identifier", U16, HEX, .depth = 2))   \
	X(EXP_DATA, ROW("tcp.options.experimental.data", "Data", BYTES, NONE, .depth = 2))         \
	X(UNKNOWN_DATA, ROW("tcp.options.unknown.payload", "Payload", BYTES, NONE, .depth = 2))    \
	X(OPT_LEN_INVALID, EVENT("tcp.option.len.invalid", "Invalid length for option", WARN))     \
	X(WS_INVALID,                                                                              \
	    EVENT("tcp.options.wscale.shift.invalid", "Window scale shift exceeds 14", WARN))

/* Puts the options in v's header (from byte 20 to hlen), notes in *t what the analysis needs, and
 * appends to the info column. False: stopped. */
bool dis_tcp_options(struct l4_dissect *d, struct l4_view v, struct l4_tcp_hdr *t, unsigned first);
/* Judges a segment and brings its connection up to date. */
void l4_tcp_analyse(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd,
    struct l4_tcp_flow *rev, struct l4_conv *c, struct l4_tcp_ta *ta);
/* The bytes above TCP: finds the protocol, puts streams together for it. */
void l4_tcp_payload(struct l4_dissect *d, struct l4_view v, const struct l4_tcp_hdr *t,
    struct l4_conv *c, bool from_lo, const struct l4_tcp_ta *ta, unsigned first_row);

/* A FIN without bytes: ends the message that lasts until then. */
void l4_tcp_end(struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_conv *c, bool from_lo,
    unsigned first_row);

#endif
