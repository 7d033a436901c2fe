/* Reassembly of IPv4 and IPv6 fragments; the rows it fills are part of the tables of ip and
 * fraghdr. For src/dissect only. */
#ifndef L4_DISSECT_FRAG_H
#define L4_DISSECT_FRAG_H

#include "dissect/engine.h"

struct l4_frag_key {
	uint8_t src[16], dst[16];
	uint32_t id;
	uint8_t proto, version;
};

/* The rows in order; the tables of both versions have them under the same names. */
#define FRAG_ROW_ENUM(name, ...) name,
#define FRAG_FIRST               FRAGMENT
#define FRAG_ROWS(X)        \
	X(FRAGMENT, 0)      \
	X(FRAG_OVERLAP, 0)  \
	X(FRAG_CONFLICT, 0) \
	X(FRAG_TAILS, 0)    \
	X(FRAG_TOOLONG, 0)  \
	X(FRAG_ERROR, 0)    \
	X(FRAG_COUNT, 0)    \
	X(FRAG_IN, 0)       \
	X(REASS_LEN, 0)     \
	X(REASS_DATA, 0)
#define FRAG_TABLE(X, p, in)                                                                      \
	X(FRAGMENT, ROW(p ".fragment", "Fragment", FRAME, NONE, GEN, .depth = 1))                 \
	X(FRAG_OVERLAP, ROW(p ".fragment.overlap", "Overlap", BOOL, NONE, GEN, .depth = 2))       \
	X(FRAG_CONFLICT, ROW(p ".fragment.overlap.conflict", "Overlap with other data", BOOL,     \
			     NONE, GEN, .depth = 2))                                              \
	X(FRAG_TAILS, ROW(p ".fragment.multipletails", "Several last fragments", BOOL, NONE, GEN, \
			  .depth = 2))                                                            \
	X(FRAG_TOOLONG, ROW(p ".fragment.toolongfragment", "Fragment beyond the end", BOOL, NONE, \
			    GEN, .depth = 2))                                                     \
	X(FRAG_ERROR, ROW(p ".fragment.error", "Reassembly error", FRAME, NONE, GEN, .depth = 1)) \
	X(FRAG_COUNT, ROW(p ".fragment.count", "Fragment count", U32, DEC, GEN, .depth = 1))      \
	X(FRAG_IN, ROW(p in, "Reassembled in", FRAME, NONE, GEN))                                 \
	X(REASS_LEN,                                                                              \
	    ROW(p ".reassembled.length", "Reassembled length", U32, DEC, GEN, .depth = 1))        \
	X(REASS_DATA, ROW(p ".reassembled.data", "Reassembled data", BYTES, NONE, GEN, .depth = 1))
#define FRAG_ROWS4(X) FRAG_TABLE(X, "ip", ".reassembled_in")
#define FRAG_ROWS6(X) FRAG_TABLE(X, "ipv6", ".reassembled.in")

/* Whether a fragment can be kept at all: it was captured whole, and fits a datagram. */
bool l4_frag_usable(struct l4_view v, uint32_t offset);
/* Takes the fragment in *v at `offset` bytes of its datagram. True: the datagram is whole now, and
 * *v is all of it (in memory that lives until the next packet); the rows that tell of it were put,
 * from row `first` of the current protocol on. False: not whole. */
bool l4_frag_add(struct l4_dissect *d, const struct l4_frag_key *key, uint32_t offset, bool more,
    struct l4_view *v, unsigned first);

#endif
