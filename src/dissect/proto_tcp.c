/* TCP (RFC 9293): header, relative numbers, and the columns. Options are in tcp_options.c, the
 * analysis in tcp_analysis.c, the bytes above in stream.c. */
#include "dissect/tcp.h"

#include "dissect/link.h"

enum {
	TCP,
	SRCPORT,
	DSTPORT,
	PORT1,
	PORT2,
	STREAM,
	COMPLETENESS,
	LEN,
	SEQ,
	SEQ_RAW,
	NXTSEQ,
	ACK,
	ACK_RAW,
	HDR_LEN,
	FLAGS,
	FLAGS_RES,
	FLAGS_AE,
	FLAGS_CWR,
	FLAGS_ECE,
	FLAGS_ACE,
	FLAGS_URG,
	FLAGS_ACK,
	FLAGS_PUSH,
	FLAGS_RESET,
	FLAGS_SYN,
	FLAGS_FIN,
	CONN_SYN,
	CONN_SYNACK,
	CONN_FIN,
	FIN_ACTIVE,
	FIN_PASSIVE,
	CONN_RST,
	FLAGS_STR,
	WINDOW_VALUE,
	WINDOW,
	SCALE,
	CHECKSUM,
	CHECKSUM_STATUS,
	CHECKSUM_BAD,
	CHECKSUM_PARTIAL,
	CHECKSUM_CALC,
	URGENT,
	TCP_OPTION_ROWS(ROW_ENUM) TIME_RELATIVE,
	TIME_DELTA,
	ANALYSIS,
	ACKS_FRAME,
	ACK_RTT,
	INITIAL_RTT,
	IN_FLIGHT,
	PUSH_BYTES,
	A_FLAGS,
	A_RETRANS,
	A_FAST,
	A_SPURIOUS,
	A_OOO,
	A_REUSED,
	A_LOST,
	A_ACK_LOST,
	A_UPDATE,
	A_FULL,
	A_KEEP_ALIVE,
	A_KEEP_ALIVE_ACK,
	A_DUP,
	A_ZWP,
	A_ZW,
	A_ZWP_ACK,
	A_RTO,
	A_RTO_FRAME,
	DUP_NUM,
	DUP_FRAME,
	RESET_CAUSE,
	PAYLOAD,
	SEGMENT_DATA,
	SEGMENT,
	SEGMENT_COUNT,
	REASSEMBLED_LENGTH,
	REASSEMBLED_DATA,
	BOGUS_HLEN,
	SHORT_SEGMENT,
	ACK_NONZERO,
};

static const struct l4_field fields[] = {
	[TCP] = ROW0("tcp", "Transmission Control Protocol", 160),
	[SRCPORT] =
	    ROW("tcp.srcport", "Source Port", U16, DEC, AT(0, 16), .def = 20, .alias = "sport"),
	[DSTPORT] = ROW("tcp.dstport", "Destination Port", U16, DEC, AT(16, 16),
	    .derive = L4_DERIVE_PORT, .def = 80, .alias = "dport"),
	[PORT1] = ROW("tcp.port", "Source or Destination Port", U16, DEC, AT(0, 16), HID),
	[PORT2] = ROW("tcp.port", "Source or Destination Port", U16, DEC, AT(16, 16), HID),
	[STREAM] = ROW("tcp.stream", "Stream index", U32, DEC, GEN),
	[COMPLETENESS] = ROW("tcp.completeness", "Conversation completeness", U8, DEC, GEN),
	[LEN] = ROW("tcp.len", "TCP Segment Len", U32, DEC, GEN),
	[SEQ] =
	    ROW("tcp.seq", "Sequence Number (relative)", U32, DEC, WALK, .flags = L4_FF_RELATIVE),
	[SEQ_RAW] =
	    ROW("tcp.seq_raw", "Sequence Number (raw)", U32, DEC, AT(32, 32), .alias = "seq"),
	[NXTSEQ] = ROW("tcp.nxtseq", "Next Sequence Number (relative)", U32, DEC, GEN),
	[ACK] = ROW(
	    "tcp.ack", "Acknowledgment Number (relative)", U32, DEC, WALK, .flags = L4_FF_RELATIVE),
	[ACK_RAW] =
	    ROW("tcp.ack_raw", "Acknowledgment Number (raw)", U32, DEC, AT(64, 32), .alias = "ack"),
	[HDR_LEN] = ROW("tcp.hdr_len", "Header Length", U8, DEC, AT(96, 4), .def = 5,
	    .derive = L4_DERIVE_HEADER_WORDS, .alias = "dataofs"),
	[FLAGS] = ROW("tcp.flags", "Flags", U16, HEX, AT(100, 12), .def = TH_SYN),
	[FLAGS_RES] = ROW("tcp.flags.res", "Reserved", BOOL, NONE, AT(100, 3), .depth = 1),
	[FLAGS_AE] = ROW("tcp.flags.ae", "Accurate ECN", BOOL, NONE, AT(103, 1), .depth = 1),
	[FLAGS_CWR] =
	    ROW("tcp.flags.cwr", "Congestion Window Reduced", BOOL, NONE, AT(104, 1), .depth = 1),
	[FLAGS_ECE] = ROW("tcp.flags.ece", "ECN-Echo", BOOL, NONE, AT(105, 1), .depth = 1),
	[FLAGS_ACE] = ROW("tcp.flags.ace", "ACE field (RFC 9768)", U8, DEC, .depth = 1),
	[FLAGS_URG] = ROW("tcp.flags.urg", "Urgent", BOOL, NONE, AT(106, 1), .depth = 1),
	[FLAGS_ACK] = ROW("tcp.flags.ack", "Acknowledgment", BOOL, NONE, AT(107, 1), .depth = 1),
	[FLAGS_PUSH] =
	    ROW("tcp.flags.push", "Push", BOOL, NONE, AT(108, 1), .depth = 1, .alias = "psh"),
	[FLAGS_RESET] =
	    ROW("tcp.flags.reset", "Reset", BOOL, NONE, AT(109, 1), .depth = 1, .alias = "rst"),
	[FLAGS_SYN] = ROW("tcp.flags.syn", "Syn", BOOL, NONE, AT(110, 1), .depth = 1),
	[FLAGS_FIN] = ROW("tcp.flags.fin", "Fin", BOOL, NONE, AT(111, 1), .depth = 1),
	[CONN_SYN] = EVENT("tcp.connection.syn", "Connection establish request (SYN)", CHAT),
	[CONN_SYNACK] =
	    EVENT("tcp.connection.synack", "Connection establish acknowledge (SYN+ACK)", CHAT),
	[CONN_FIN] = EVENT("tcp.connection.fin", "Connection finish (FIN)", CHAT),
	[FIN_ACTIVE] =
	    EVENT("tcp.connection.fin_active", "This frame initiates the connection closing", CHAT),
	[FIN_PASSIVE] = EVENT(
	    "tcp.connection.fin_passive", "This frame undergoes the connection closing", CHAT),
	[CONN_RST] = EVENT("tcp.connection.rst", "Connection reset (RST)", WARN),
	[FLAGS_STR] = ROW("tcp.flags.str", "TCP Flags", STRING, NONE, GEN, .depth = 1),
	[WINDOW_VALUE] = ROW("tcp.window_size_value", "Window", U16, DEC, AT(112, 16), .def = 8192,
	    .alias = "window"),
	[WINDOW] = ROW("tcp.window_size", "Calculated window size", U32, DEC, GEN),
	[SCALE] = ROW("tcp.window_size_scalefactor", "Window size scaling factor", I32, DEC, GEN),
	[CHECKSUM] = ROW("tcp.checksum", "Checksum", U16, HEX, AT(128, 16),
	    .derive = L4_DERIVE_CHECKSUM_PSEUDO, .alias = "chksum"),
	[CHECKSUM_STATUS] = ROW(
	    "tcp.checksum.status", "Checksum Status", U8, DEC, GEN, .values = l4_checksum_status),
	[CHECKSUM_BAD] = EVENT("tcp.checksum_bad.expert", "Bad checksum", ERROR),
	[CHECKSUM_PARTIAL] = EVENT("tcp.checksum.partial",
	    "Partial checksum, of the pseudo-header: left to the sender's card (offload)", NOTE),
	[CHECKSUM_CALC] = ROW("tcp.checksum_calculated", "Calculated Checksum", U16, HEX, GEN),
	[URGENT] =
	    ROW("tcp.urgent_pointer", "Urgent Pointer", U16, DEC, AT(144, 16), .alias = "urgptr"),
	TCP_OPTION_ROWS(ROW_TABLE)[TIME_RELATIVE] = ROW("tcp.time_relative",
	    "Time since first packet of the stream", SPAN, NONE, GEN, .unit = "s"),
	[TIME_DELTA] = ROW("tcp.time_delta", "Time since previous packet of the stream", SPAN, NONE,
	    GEN, .unit = "s"),
	[ANALYSIS] = ROW("tcp.analysis", "SEQ/ACK analysis", NONE, NONE, GEN),
	[ACKS_FRAME] = ROW("tcp.analysis.acks_frame", "This is an ACK to the segment in packet",
	    FRAME, NONE, GEN, .depth = 1),
	[ACK_RTT] = ROW("tcp.analysis.ack_rtt", "The RTT to ACK the segment was", SPAN, NONE, GEN,
	    .depth = 1, .unit = "s"),
	[INITIAL_RTT] =
	    ROW("tcp.analysis.initial_rtt", "iRTT", SPAN, NONE, GEN, .depth = 1, .unit = "s"),
	[IN_FLIGHT] =
	    ROW("tcp.analysis.bytes_in_flight", "Bytes in flight", U32, DEC, GEN, .depth = 1),
	[PUSH_BYTES] = ROW("tcp.analysis.push_bytes_sent", "Bytes sent since last PSH flag", U32,
	    DEC, GEN, .depth = 1),
	[A_FLAGS] = ROW("tcp.analysis.flags", "TCP Analysis Flags", NONE, NONE, GEN, .depth = 1),
	[A_RETRANS] = EVENT(
	    "tcp.analysis.retransmission", "This frame is a (suspected) retransmission", NOTE),
	[A_FAST] = EVENT("tcp.analysis.fast_retransmission",
	    "This frame is a (suspected) fast retransmission", NOTE),
	[A_SPURIOUS] = EVENT("tcp.analysis.spurious_retransmission",
	    "This frame is a (suspected) spurious retransmission", NOTE),
	[A_OOO] = EVENT(
	    "tcp.analysis.out_of_order", "This frame is a (suspected) out-of-order segment", WARN),
	[A_REUSED] = EVENT("tcp.analysis.reused_ports",
	    "A new tcp session is started with the same ports as an earlier session in this trace",
	    NOTE),
	[A_LOST] = EVENT("tcp.analysis.lost_segment",
	    "Previous segment(s) not captured (common at capture start)", WARN),
	[A_ACK_LOST] = EVENT("tcp.analysis.ack_lost_segment",
	    "ACKed segment that wasn't captured (common at capture start)", WARN),
	[A_UPDATE] = EVENT("tcp.analysis.window_update", "TCP window update", CHAT),
	[A_FULL] = EVENT("tcp.analysis.window_full",
	    "TCP window specified by the receiver is now completely full", WARN),
	[A_KEEP_ALIVE] = EVENT("tcp.analysis.keep_alive", "TCP keep-alive segment", NOTE),
	[A_KEEP_ALIVE_ACK] =
	    EVENT("tcp.analysis.keep_alive_ack", "ACK to a TCP keep-alive segment", NOTE),
	[A_DUP] = EVENT("tcp.analysis.duplicate_ack", "Duplicate ACK", NOTE),
	[A_ZWP] = EVENT("tcp.analysis.zero_window_probe", "TCP Zero Window Probe", NOTE),
	[A_ZW] = EVENT("tcp.analysis.zero_window", "TCP Zero Window segment", WARN),
	[A_ZWP_ACK] =
	    EVENT("tcp.analysis.zero_window_probe_ack", "ACK to a TCP Zero Window Probe", NOTE),
	[A_RTO] = ROW("tcp.analysis.rto", "The RTO for this segment was", SPAN, NONE, GEN,
	    .depth = 1, .unit = "s"),
	[A_RTO_FRAME] = ROW("tcp.analysis.rto_frame", "RTO based on delta from packet", FRAME, NONE,
	    GEN, .depth = 1),
	[DUP_NUM] =
	    ROW("tcp.analysis.duplicate_ack_num", "Duplicate ACK #", U32, DEC, GEN, .depth = 1),
	[DUP_FRAME] = ROW("tcp.analysis.duplicate_ack_frame", "Duplicate to the ACK in packet",
	    FRAME, NONE, GEN, .depth = 1),
	[RESET_CAUSE] = ROW("tcp.reset_cause", "Reset cause", STRING, NONE, WALK),
	[PAYLOAD] = ROW("tcp.payload", "TCP payload", BYTES, NONE, WALK),
	[SEGMENT_DATA] = ROW("tcp.segment_data", "TCP segment data", BYTES, NONE, WALK),
	/* the next four in the order that stream.c knows */
	[SEGMENT] = ROW("tcp.segment", "TCP Segment", FRAME, NONE, GEN, .depth = 1),
	[SEGMENT_COUNT] = ROW("tcp.segment.count", "Segment count", U32, DEC, GEN, .depth = 1),
	[REASSEMBLED_LENGTH] =
	    ROW("tcp.reassembled.length", "Reassembled TCP length", U32, DEC, GEN, .depth = 1),
	[REASSEMBLED_DATA] =
	    ROW("tcp.reassembled.data", "Reassembled TCP Data", BYTES, NONE, GEN, .depth = 1),
	[BOGUS_HLEN] = EVENT("tcp.bogus_header_length", "Bogus TCP header length", ERROR),
	[SHORT_SEGMENT] = EVENT("tcp.short_segment", "Short segment", WARN),
	[ACK_NONZERO] = EVENT("tcp.ack.nonzero",
	    "The acknowledgment number field is nonzero while the ACK flag is not set", NOTE),
};

static const struct {
	unsigned bit, row;
	const char *text;
} marks[] = {
	{ TCP_A_RETRANSMISSION, A_RETRANS, "[TCP Retransmission] " },
	{ TCP_A_FAST_RETRANSMISSION, A_FAST, "[TCP Fast Retransmission] " },
	{ TCP_A_SPURIOUS_RETRANSMISSION, A_SPURIOUS, "[TCP Spurious Retransmission] " },
	{ TCP_A_OUT_OF_ORDER, A_OOO, "[TCP Out-Of-Order] " },
	{ TCP_A_REUSED_PORTS, A_REUSED, "[TCP Port numbers reused] " },
	{ TCP_A_LOST_PACKET, A_LOST, "[TCP Previous segment not captured] " },
	{ TCP_A_ACK_LOST_PACKET, A_ACK_LOST, "[TCP ACKed unseen segment] " },
	{ TCP_A_WINDOW_UPDATE, A_UPDATE, "[TCP Window Update] " },
	{ TCP_A_WINDOW_FULL, A_FULL, "[TCP Window Full] " },
	{ TCP_A_KEEP_ALIVE, A_KEEP_ALIVE, "[TCP Keep-Alive] " },
	{ TCP_A_KEEP_ALIVE_ACK, A_KEEP_ALIVE_ACK, "[TCP Keep-Alive ACK] " },
	{ TCP_A_DUPLICATE_ACK, A_DUP, "[TCP Dup ACK " },
	{ TCP_A_ZERO_WINDOW_PROBE, A_ZWP, "[TCP ZeroWindowProbe] " },
	{ TCP_A_ZERO_WINDOW, A_ZW, "[TCP ZeroWindow] " },
	{ TCP_A_ZERO_WINDOW_PROBE_ACK, A_ZWP_ACK, "[TCP ZeroWindowProbeAck] " },
};

/* ---- the connection ---- */

static void set_bases(const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd, struct l4_tcp_flow *rev)
{
	/* Without the SYN the first number seen counts as 1. */
	if (!(fwd->bits & FLOW_BASE_SET)) {
		fwd->base_seq = t->flags & TH_SYN ? t->seq : t->seq - 1;
		fwd->bits |= FLOW_BASE_SET;
	}
	if (!(rev->bits & FLOW_BASE_SET) && t->flags & TH_ACK) {
		rev->base_seq = t->ack - 1;
		rev->bits |= FLOW_BASE_SET;
	}
}

/* Finds the connection; a SYN with another initial number is a new one of the same name. */
static struct l4_conv *connection(
    struct l4_dissect *d, const struct l4_tcp_hdr *t, bool *lo, unsigned *a_flags)
{
	struct l4_conv *c = l4_conv_find(d, 6, lo);
	bool reused = false;
	if (c && !d->quoted && t->flags & TH_SYN) {
		struct l4_tcp_flow *fwd = &c->flow[!*lo];
		if (!(t->flags & TH_ACK))
			reused = fwd->bits & FLOW_BASE_SET && t->seq != fwd->base_seq;
		else if (fwd->bits & FLOW_BASE_SET && t->seq != fwd->base_seq) {
			/* Wireshark keeps the conversation and counts from the new number. */
			fwd->base_seq = t->seq;
			*a_flags |= TCP_A_REUSED_PORTS;
		}
	}
	if (!c || reused) {
		struct l4_conv *n = l4_conv_add(d, 6, lo);
		if (!n)
			return c;
		n->id = d->tcp_streams++;
		if (reused) {
			*a_flags |= TCP_A_REUSED_PORTS;
			n->completeness = 1;
		}
		c = n;
	}
	return c;
}

/* The bits of tcp.completeness: which parts of a connection's life were seen. Of the first packet
 * only a SYN counts; a SYN counts only as the beginning, and a FIN only with an ACK. */
static void note_life(
    struct l4_dissect *d, const struct l4_tcp_hdr *t, struct l4_conv *c, bool begun)
{
	bool fresh = c->first_frame == d->out.cap->number;
	if ((t->flags & (TH_SYN | TH_ACK)) == TH_SYN) {
		if (!begun)
			c->completeness |= 1;
		if (t->seglen)
			c->completeness |= 8;
		c->syn_ts = d->out.cap->ts;
	} else if (fresh) {
		return;
	} else if (t->flags & TH_SYN) {
		c->completeness |= 2;
	} else if (t->flags & TH_ACK) {
		c->completeness |= t->seglen ? 8 : 4;
		if (c->syn_ts && !c->first_rtt)
			c->first_rtt = d->out.cap->ts - c->syn_ts;
	}
	if ((t->flags & (TH_FIN | TH_ACK)) == (TH_FIN | TH_ACK))
		c->completeness |= 16;
	if (t->flags & TH_RST)
		c->completeness |= 32;
}

/* RFC 9768 3.1: both SYNs announce accurate ECN by their flags; the three ECN flags of all other
 * segments are then one counter. */
static void note_ecn(struct l4_tcp_hdr *t, struct l4_conv *c)
{
	unsigned ecn = t->flags >> 6 & 7;
	if ((t->flags & (TH_SYN | TH_ACK)) == TH_SYN)
		c->acc_ecn = ecn == 7 ? 1 : 0;
	else if (t->flags & TH_SYN && c->acc_ecn)
		c->acc_ecn = ecn == 2 || ecn == 3 || ecn == 4 || ecn == 6 ? 2 : 0;
	else
		t->ace = c->acc_ecn == 2;
}

/* RFC 7323 1.3: scaling is used only if both SYNs had the option. A SYN without it tells both
 * sides, also when the answer is not captured. */
static void settle_scale(
    const struct l4_tcp_hdr *t, struct l4_tcp_flow *fwd, struct l4_tcp_flow *rev)
{
	if (!(t->flags & TH_SYN))
		return;
	if (fwd->win_scale == SCALE_UNKNOWN)
		fwd->win_scale = rev->win_scale = SCALE_NONE;
	else if (t->flags & TH_ACK && rev->win_scale == SCALE_NONE)
		fwd->win_scale = SCALE_NONE;
}

/* ---- showing ---- */

static void flags_text(struct l4_dissect *d, unsigned f, bool ace)
{
	if (!dis_wants(d, FLAGS_STR))
		return;
	static const char names[] = "RRRACEUAPRSF";
	char *s = dis_alloc(d, 32), *o = s;
	if (!s)
		return;
	for (unsigned i = 0; i < 12; i++) {
		if (ace && i >= 3 && i <= 5) {
			/* the three bits are a counter: "-2-" */
			*o++ = i == 4 ? (char)('0' + (f >> 6 & 7)) : '-';
		} else if (f >> (11 - i) & 1) {
			*o++ = names[i];
		} else {
			*o++ = (char)0xc2; /* U+00B7, a dot in the middle */
			*o++ = (char)0xb7;
		}
	}
	dis_s(d, FLAGS_STR, NULL, 0, s, (uint32_t)(o - s));
}

static char *info_flags(char *o, unsigned f)
{
	static const char names[9][4] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR",
		"AE" };
	if (f == TH_ACK)
		return fmt_str(o, " [ACK]");
	if (f == (TH_ACK | TH_PSH))
		return fmt_str(o, " [PSH, ACK]");
	o = fmt_str(o, " [");
	char *from = o;
	for (unsigned i = 0; i < 9; i++) {
		if (!(f >> i & 1))
			continue;
		if (o != from)
			o = fmt_str(o, ", ");
		o = fmt_str(o, names[i]);
	}
	if (f & 0xe00)
		o = fmt_str(o, o == from ? "Reserved" : ", Reserved");
	if (o == from)
		o = fmt_str(o, "<None>");
	*o++ = ']';
	return o;
}

static bool is_scaled(const struct l4_tcp_hdr *t, const struct l4_tcp_flow *fwd)
{
	return fwd && fwd->win_scale >= 0 && !(t->flags & TH_SYN) && t->have_seglen;
}

static void put_header(struct l4_dissect *d, struct l4_view v, const struct l4_tcp_hdr *t,
    const struct l4_conv *c, const struct l4_tcp_flow *fwd)
{
	const uint8_t *h = v.p;
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_str(o, "Transmission Control Protocol, Src Port: ");
		o = fmt_port(d, o, d->sport, 6, " ");
		o = fmt_port(d, fmt_str(o, ", Dst Port: "), d->dport, 6, " ");
		o = fmt_dec(fmt_str(o, ", Seq: "), t->seq - t->base_seq);
		if (t->flags & TH_ACK && t->hlen >= 20)
			o = fmt_dec(fmt_str(o, ", Ack: "), t->ack - t->base_ack);
		if (t->have_seglen && t->hlen >= 20)
			o = fmt_dec(fmt_str(o, ", Len: "), t->seglen);
		*o = 0;
	}
	dis_fixed(d, v, SRCPORT, PORT2);
	if (c) {
		dis_u(d, STREAM, NULL, 0, c->id);
		dis_u(d, COMPLETENESS, NULL, 0, t->completeness);
	}
	if (t->have_seglen)
		dis_u(d, LEN, NULL, 0, t->seglen);
	else if (!d->fragment && v.len < t->hlen)
		dis_expert(d, SHORT_SEGMENT);
	dis_u(d, SEQ, h + 4, 4, t->seq - t->base_seq);
	dis_fixed(d, v, SEQ_RAW, SEQ_RAW);
	if (t->hlen < 20) {
		/* An impossible header length: nothing after it can be believed. */
		dis_u(d, HDR_LEN, h + 12, 1, t->hlen);
		dis_expert(d, BOGUS_HLEN);
		return;
	}
	if (t->have_seglen)
		dis_u(d, NXTSEQ, NULL, 0,
		    t->seq - t->base_seq + t->seglen + (t->flags & (TH_SYN | TH_FIN) ? 1 : 0));
	dis_u(d, ACK, h + 8, 4, t->flags & TH_ACK ? t->ack - t->base_ack : t->ack);
	dis_fixed(d, v, ACK_RAW, ACK_RAW);
	if (t->ack && !(t->flags & TH_ACK))
		dis_expert(d, ACK_NONZERO);
	dis_u(d, HDR_LEN, h + 12, 1, t->hlen);
	dis_u(d, FLAGS, h + 12, 2, t->flags);
	dis_u(d, FLAGS_RES, h + 12, 1, (t->flags & 0xe00) != 0);
	if (t->ace) {
		dis_u(d, FLAGS_ACE, h + 12, 2, t->flags >> 6 & 7);
		dis_fixed(d, v, FLAGS_URG, FLAGS_FIN);
	} else {
		dis_fixed(d, v, FLAGS_AE, FLAGS_FIN);
	}
	if (!d->quoted) {
		if (t->flags & TH_SYN)
			dis_expert(d, t->flags & TH_ACK ? CONN_SYNACK : CONN_SYN);
		if (t->flags & TH_FIN) {
			dis_expert(d, CONN_FIN);
			dis_expert(d, t->closed_after ? FIN_PASSIVE : FIN_ACTIVE);
		}
		if (t->flags & TH_RST)
			dis_expert(d, CONN_RST);
	}
	flags_text(d, t->flags, t->ace);
	dis_fixed(d, v, WINDOW_VALUE, WINDOW_VALUE);
	bool scaled = fwd && is_scaled(t, fwd);
	dis_u(d, WINDOW, NULL, 0, scaled ? t->window << fwd->win_scale : t->window);
	if (fwd && !(t->flags & TH_SYN)) {
		struct l4_item *i = dis_u(d, SCALE, NULL, 0, 0);
		if (i)
			i->v.i = fwd->win_scale >= 0 ? 1 << fwd->win_scale : fwd->win_scale;
	}
}

static bool checksum_known(const struct l4_dissect *d, struct l4_view v)
{
	return d->cfg.check_checksums && v.cap == v.len && v.len >= 20 && !d->fragment &&
	       !d->quoted;
}

static void put_checksum(struct l4_dissect *d, struct l4_view v)
{
	dis_u(d, CHECKSUM, v.p + 16, 2, l4_get_u16(v.p + 16));
	unsigned status = CSUM_UNVERIFIED;
	uint16_t should = 0;
	if (checksum_known(d, v))
		status = l4_link_csum_verify(d, v.p, v.len, 16, 6, &should);
	if (status == CSUM_BAD)
		dis_expert(d, CHECKSUM_BAD);
	if (status == CSUM_PARTIAL)
		dis_expert(d, CHECKSUM_PARTIAL);
	dis_u(d, CHECKSUM_STATUS, NULL, 0, status);
	if (status != CSUM_UNVERIFIED)
		dis_u(d, CHECKSUM_CALC, NULL, 0, should);
	dis_fixed(d, v, URGENT, URGENT);
}

static void put_times(struct l4_dissect *d, const struct l4_conv *c, l4_time prev)
{
	struct l4_item *i = dis_u(d, TIME_RELATIVE, NULL, 0, 0);
	if (i)
		i->v.i = (int64_t)(d->out.cap->ts - c->first_ts);
	if ((i = dis_u(d, TIME_DELTA, NULL, 0, 0)))
		i->v.i = (int64_t)(d->out.cap->ts - prev);
}

static void put_analysis(struct l4_dissect *d, const struct l4_tcp_ta *ta, const struct l4_conv *c)
{
	bool any = ta->noted || ta->flags || ta->acked_frame || ta->bytes_in_flight;
	if (!any)
		return;
	dis_expert(d, ANALYSIS);
	if (ta->acked_frame) {
		dis_u(d, ACKS_FRAME, NULL, 0, ta->acked_frame);
		struct l4_item *i = ta->ack_rtt ? dis_u(d, ACK_RTT, NULL, 0, 0) : NULL;
		if (i)
			i->v.i = ta->ack_rtt;
	}
	if (c->first_rtt) {
		struct l4_item *i = dis_u(d, INITIAL_RTT, NULL, 0, 0);
		if (i)
			i->v.i = (int64_t)c->first_rtt;
	}
	if (ta->bytes_in_flight)
		dis_u(d, IN_FLIGHT, NULL, 0, ta->bytes_in_flight);
	if (ta->push_bytes && ta->bytes_in_flight)
		dis_u(d, PUSH_BYTES, NULL, 0, ta->push_bytes);
	if (!ta->flags)
		return;
	dis_expert(d, A_FLAGS);
	for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++)
		if (ta->flags & marks[k].bit)
			dis_expert(d, marks[k].row);
	/* The two special kinds are retransmissions as well. */
	if (ta->flags & (TCP_A_FAST_RETRANSMISSION | TCP_A_SPURIOUS_RETRANSMISSION))
		dis_expert(d, A_RETRANS);
	if (ta->rto) {
		struct l4_item *i = dis_u(d, A_RTO, NULL, 0, 0);
		if (i)
			i->v.i = ta->rto;
		dis_u(d, A_RTO_FRAME, NULL, 0, ta->rto_frame);
	}
	if (ta->flags & TCP_A_DUPLICATE_ACK) {
		dis_expert(d, A_DUP); /* the node and the event have one name */
		dis_u(d, DUP_NUM, NULL, 0, ta->dupack_num);
		dis_u(d, DUP_FRAME, NULL, 0, ta->dupack_frame);
	}
}

/* The marks stand before the line, and stay there whatever the layers above make of it. */
static void info_marks(struct l4_dissect *d, const struct l4_tcp_ta *ta)
{
	uint32_t before = d->out.info_len;
	for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++) {
		if (!(ta->flags & marks[k].bit))
			continue;
		if (marks[k].bit == TCP_A_DUPLICATE_ACK) {
			char t[64];
			snprintf(
			    t, sizeof t, "[TCP Dup ACK %u#%u] ", ta->dupack_frame, ta->dupack_num);
			col_prepend(d, t);
		} else {
			col_prepend(d, marks[k].text);
		}
	}
	d->info_fence = d->out.info_len - before;
}

/* ---- a segment ---- */

static void info_start(struct l4_dissect *d, const struct l4_tcp_hdr *t,
    const struct l4_tcp_flow *fwd, struct l4_view v)
{
	char *o = col_room(d, 512);
	uint16_t should;
	if (!o)
		return;
	o = fmt_port(d, o, d->sport, 6, "");
	o = fmt_port(d, fmt_str(o, " → "), d->dport, 6, "");
	o = info_flags(o, t->flags);
	o = fmt_dec(fmt_str(o, " Seq="), t->seq - t->base_seq);
	if (t->flags & TH_ACK)
		o = fmt_dec(fmt_str(o, " Ack="), t->ack - t->base_ack);
	o = fmt_dec(
	    fmt_str(o, " Win="), is_scaled(t, fwd) ? t->window << fwd->win_scale : t->window);
	if (t->flags & TH_URG)
		o = fmt_dec(fmt_str(o, " Urg="), v.cap >= 20 ? l4_get_u16(v.p + 18) : 0);
	if (checksum_known(d, v)) {
		unsigned status = l4_link_csum_verify(d, v.p, v.len, 16, 6, &should);
		if (status == CSUM_BAD)
			o = fmt_str(o, " [TCP CHECKSUM INCORRECT]");
		if (status == CSUM_PARTIAL)
			o = fmt_str(o, " [TCP CHECKSUM PARTIAL]");
	}
	if (t->have_seglen)
		o = fmt_dec(fmt_str(o, " Len="), t->seglen);
	col_took(d, o);
}

static void short_header(struct l4_dissect *d, struct l4_view v)
{
	/* ICMP quotes at least eight bytes: ports and sequence number. */
	char *o = dis_title_room(d);
	if (o) {
		o = fmt_str(o, "Transmission Control Protocol, Src Port: ");
		o = fmt_port(d, o, l4_get_u16(v.p), 6, " ");
		*fmt_port(d, fmt_str(o, ", Dst Port: "), l4_get_u16(v.p + 2), 6, " ") = 0;
	}
	dis_fixed(d, v, SRCPORT, PORT2);
	if (v.cap >= 4) {
		d->sport = l4_get_u16(v.p);
		d->dport = l4_get_u16(v.p + 2);
		col_clear(d);
		col_dec(d, d->sport);
		col_str(d, " → ");
		col_dec(d, d->dport);
	}
	if (v.cap >= 8 && d->quoted) {
		dis_u(d, SEQ, v.p + 4, 4, l4_get_u32(v.p + 4));
		dis_fixed(d, v, SEQ_RAW, SEQ_RAW);
	}
	dis_short(d, v, 20);
}

static void dissect_tcp(struct l4_dissect *d, struct l4_view v)
{
	uint32_t layer = d->out.n_layers;
	if (v.cap < 4) {
		dis_mark(d, PROTO_tcp, v);
		dis_short(d, v, 20);
		return;
	}
	dis_layer(d, v, 20);
	col_proto(d, "TCP");
	col_clear(d);
	if (v.cap < 16) {
		short_header(d, v);
		return;
	}
	const uint8_t *h = v.p;
	struct l4_tcp_hdr t = { .seq = l4_get_u32(h + 4),
		.ack = l4_get_u32(h + 8),
		.hlen = (uint16_t)((h[12] >> 4) * 4),
		.flags = l4_get_u16(h + 12) & 0xfff,
		.window = l4_get_u16(h + 14),
		.win_scale = SCALE_UNKNOWN };
	d->sport = l4_get_u16(h);
	d->dport = l4_get_u16(h + 2);
	if (!d->fragment && v.len >= t.hlen) {
		t.have_seglen = true;
		t.seglen = v.len - t.hlen;
	}
	struct l4_tcp_ta ta = { 0 };
	struct l4_conv *c = NULL;
	struct l4_tcp_flow *fwd = NULL, *rev = NULL;
	bool lo = false;
	l4_time prev = 0;
	if (d->w_any || d->columns || d->connections || !d->cfg.no_streams) {
		c = connection(d, &t, &lo, &ta.flags);
		if (c) {
			fwd = &c->flow[!lo];
			rev = &c->flow[lo];
			bool begun = fwd->bits & FLOW_BASE_SET;
			if (!d->quoted && t.have_seglen)
				set_bases(&t, fwd, rev);
			/* Where no length is known there are no relative numbers. */
			t.base_seq = t.have_seglen || d->quoted ? fwd->base_seq : 0;
			t.base_ack = t.have_seglen || d->quoted ? rev->base_seq : 0;
			t.completeness = c->completeness;
			prev = c->last_ts;
			if (!d->quoted) {
				c->last_ts = d->out.cap->ts;
				note_life(d, &t, c, begun);
				t.closed_after = rev->bits & FLOW_CLOSED;
				if (t.flags & TH_FIN && !t.closed_after)
					fwd->bits |= FLOW_CLOSED;
				note_ecn(&t, c);
			}
		}
	}
	if (cols(d))
		info_start(d, &t, fwd, v);
	if (t.hlen < 20) {
		put_header(d, v, &t, c, fwd);
		if (cols(d)) {
			col_clear(d);
			col_fmt(d, "%u → %u, bogus TCP header length (%u, must be at least 20)",
			    d->sport, d->dport, t.hlen);
		}
		return;
	}
	if (d->w_any)
		put_header(d, v, &t, c, fwd);
	if (v.cap < 20) {
		if (v.cap >= 18)
			put_checksum(d, v);
		/* Numbers and flags are there: the segment counts. */
		if (c && !d->quoted && t.have_seglen)
			l4_tcp_analyse(d, &t, fwd, rev, c, &ta);
		dis_short(d, v, 20);
		return;
	}
	if (d->w_any)
		put_checksum(d, v);
	if (t.hlen > 20) {
		dis_layer_len(d, layer, t.hlen);
		dis_tcp_options(d, v, &t, TCP_OPTION_FIRST);
		if (fwd && t.win_scale != SCALE_UNKNOWN && !d->quoted)
			fwd->win_scale = t.win_scale;
	}
	if (d->w_any && c && !d->quoted)
		put_times(d, c, prev); /* whether the options are whole or not */
	if (!dis_has(d, v, t.hlen)) {
		if (c && !d->quoted && t.have_seglen)
			l4_tcp_analyse(d, &t, fwd, rev, c, &ta);
		return;
	}
	if (c && !d->quoted) {
		settle_scale(&t, fwd, rev);
		if (t.have_seglen)
			l4_tcp_analyse(d, &t, fwd, rev, c, &ta);
		struct l4_conv_sent *sent = &c->sent[!lo];
		sent->packets++;
		sent->bytes += d->out.cap->len;
		sent->payload += t.seglen;
		d->out.stream = c->id;
		d->out.stream_proto = 6;
		if (d->w_any)
			put_analysis(d, &ta, c);
		if (cols(d) && ta.flags)
			info_marks(d, &ta);
	}
	struct l4_view next = view_skip(v, t.hlen);
	/* RFC 9293 3.5.3: what a RST carries is text about its cause. */
	if (t.flags & TH_RST && next.len) {
		dis_p(d, RESET_CAUSE, next.p, next.cap);
		return;
	}
	if (next.cap)
		dis_p(d, PAYLOAD, next.p, next.cap);
	if (c && !next.len && t.flags & TH_FIN && fwd->stream && !d->quoted)
		l4_tcp_end(d, &t, c, lo, SEGMENT_DATA);
	if (next.len && !d->no_payload)
		l4_tcp_payload(d, next, &t, c, lo, &ta, SEGMENT_DATA);
}

static const struct l4_binding bindings[] = { { "ip.proto", 6 }, { NULL, 0 } };

const struct l4_dissector l4_dis_tcp = {
	.proto = PROTO_INIT("tcp", "Transmission Control Protocol", "TCP", fields, 160, bindings),
	.run = dissect_tcp,
};
