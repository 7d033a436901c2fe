/* Packets of a capture, sent again. Included by src/cli only. */
#ifndef L4_CLI_REPLAY_H
#define L4_CLI_REPLAY_H

#include "cli/flood.h"

struct replay {
	const char *path; /* of the capture; "-": standard input */
	double speed;     /* times as fast as it was; 0: without pauses */
	double rate;      /* if not below 0: so many a second instead (0: no limit) */
	uint64_t rounds;  /* UINT64_MAX: until a signal */
	uint64_t skipped; /* out: packets of other links, or cut by the capture */
};

/* The exit code, with messages printed. */
int replay_run(struct replay *r, struct wires *s, struct flood_result *out);

#endif
