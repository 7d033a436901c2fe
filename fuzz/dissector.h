/* The form of the inputs of dissector_fuzz.c, which dissector_seeds.c writes.
 *
 * The name of a protocol in src/dissect/protos.def, a newline, a byte of DF_* bits, then records:
 * two bytes that hold the length (11 bits), DF_BACK, and how many 16 bytes more the wire had (4
 * bits), and the bytes. */
#ifndef L4_FUZZ_DISSECTOR_H
#define L4_FUZZ_DISSECTOR_H

static const char *const dissector_names[] = {
#define L4_PROTO(name) #name,
#include "dissect/protos.def"
#undef L4_PROTO
};

enum {
	DF_SUMS = 1,    /* verify checksums */
	DF_IP6 = 2,     /* between IPv6 addresses */
	DF_STREAM = 4,  /* as segments of a TCP connection */
	DF_NO_PORT = 8, /* with a port that nobody registered */
	DF_LENGTH = 0x7ff,
	DF_BACK = 0x800, /* of a record: from the server */
};

#endif
