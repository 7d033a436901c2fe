/* Packets of scripts and packets of the wire: building, taking apart, comparing, writing down.
 * Included by src/drill only. */
#ifndef L4_DRILL_PACKET_H
#define L4_DRILL_PACKET_H

#include <layer4/addr.h>
#include <layer4/time.h>

#include "drill/script.h"

#define L4_DP_TS_MAX 256 /* timestamps remembered of one connection */

/* What the runner knows of the connection under test, to translate between script and wire. */
struct l4_flow {
	struct l4_endpoint local, remote; /* on the wire; local is the stack's end */
	uint32_t local_isn, script_local_isn;
	uint32_t remote_isn; /* the same in the script and on the wire */
	bool ts_found;
	uint32_t ts_first_script, ts_first_live;
	struct {
		uint32_t script, live;
	} ts[L4_DP_TS_MAX];
	unsigned ts_n;
	bool have_last; /* the last packet that left, for ICMP errors that quote none */
	uint32_t last_seq;
};

/* A packet taken apart. Pointers point into the bytes. */
struct l4_seen {
	bool v6;
	uint8_t tos, ttl, proto;
	uint32_t flow_label;
	struct l4_endpoint src, dst;
	size_t ip_len, hdr_len; /* of the IP header; of the whole packet in total */
	size_t total;
	bool is_fragment;
	/* TCP, in the wire's numbers until l4_seen_to_script */
	unsigned flags;
	uint8_t reserved;
	uint32_t seq, ack;
	uint16_t win, urg;
	uint8_t opts[40];
	size_t opts_len;
	const uint8_t *payload;
	size_t len; /* of the payload; UDP as well */
	uint8_t icmp_type, icmp_code;
	l4_time time;
	bool dirty;     /* a byte of the payload is not zero */
	uint16_t parts; /* segments joined */
};

/* Takes a packet apart. False with why when it is malformed: wrong lengths or header checksum. */
bool l4_seen_parse(struct l4_seen *out, const void *data, size_t len, const char **why);
/* Translates sequence numbers, SACK blocks and acknowledgement to the script's. */
void l4_seen_to_script(struct l4_seen *p, const struct l4_flow *f);
/* Remembers the pair of timestamps (script's, live) when both packets carry one, and writes the
 * live one in the script's scale. */
void l4_flow_learn_ts(struct l4_flow *f, const struct l4_dp *d, struct l4_seen *p);
/* Whether the segment b follows a in a run of segments that one script line may stand for; writes
 * why not. */
bool l4_seen_joins(
    const struct l4_seen *a, const struct l4_seen *b, size_t expected_left, char *why, size_t cap);
void l4_seen_join(struct l4_seen *a, const struct l4_seen *b);

struct l4_match_rules {
	bool v6;
	uint32_t ts_tick_us; /* 0: TSval is not compared */
	int64_t ts_tolerance_us;
};

/* Compares what was seen (in the script's numbers) with what is wanted. Writes the first
 * difference. */
bool l4_drill_packet_match(const struct l4_dp *d, const struct l4_seen *p,
    const struct l4_match_rules *rules, char *why, size_t cap);

/* Writes the bytes for an inbound packet. Returns the length, or 0 with why. ts_scaled: an echoed
 * timestamp that no outbound packet carried keeps its distance from the first. */
size_t l4_drill_packet_build(const struct l4_dp *d, struct l4_flow *f, bool v6, bool ts_scaled,
    uint8_t *buf, size_t cap, char *why, size_t why_cap);

/* "P. 1:1001(1000) ack 1 win 256 <nop,nop,TS val 1 ecr 2>" */
void l4_drill_packet_text(const struct l4_dp *d, char *text, size_t cap);
void l4_seen_text(const struct l4_seen *p, char *text, size_t cap);

#endif
