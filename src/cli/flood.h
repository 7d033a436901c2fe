/* Sending at rates that single packets cannot reach. Included by src/cli only. */
#ifndef L4_CLI_FLOOD_H
#define L4_CLI_FLOOD_H

#include "cli/packets.h"

struct flood_result {
	uint64_t sent, bytes, unresolved;
	double seconds;
	int error;    /* errno of what ended it, 0: nothing did */
	size_t large; /* bytes of the frame that was refused */
	struct wire *w;
};

/* Sends packets 0 to total - 1 (UINT64_MAX: until a signal), at most rate a second (0: no limit),
 * by `threads` threads, each of which reads the expression itself. false: message printed. */
bool flood(
    struct packets *p, uint64_t total, double rate, unsigned threads, struct flood_result *out);

#endif
