/* Progress on standard error: only on a terminal, only after a second. Included by src/cli only. */
#ifndef L4_CLI_PROGRESS_H
#define L4_CLI_PROGRESS_H

#include <layer4/time.h>

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on, shown;
	l4_time start, last;
	uint64_t total; /* bytes; 0: not known */
};

/* quiet: never show. */
void progress_init(struct progress *p, bool quiet, l4_time now);
/* done and total in bytes. Call as often as you like. */
void progress_show(struct progress *p, uint64_t done, l4_time now);
/* Clears the line. */
void progress_end(struct progress *p);
/* "1.5 MiB", "12 B". */
void progress_bytes(char *out, unsigned cap, uint64_t n);

#endif
