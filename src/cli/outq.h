/* Bytes on their way to a descriptor that may be slow: written as far as it takes them without
 * waiting, the rest kept. Included by src/cli only. */
#ifndef L4_CLI_OUTQ_H
#define L4_CLI_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outq {
	int fd;
	bool regular; /* a file: never waits */
	char *buf;    /* what was not taken yet: n bytes from at */
	size_t at, n, cap;
	uint64_t written; /* bytes */
	int errnum;       /* of the first failure; sticks */
};

void outq_init(struct outq *q, int fd);
void outq_fini(struct outq *q);
/* Takes all of data. 0, or L4_ESYS with errnum, or L4_ENOMEM. */
int outq_put(struct outq *q, const void *data, size_t n);
/* Writes what can be written now. 0 or L4_ESYS. */
int outq_flush(struct outq *q);
static inline size_t outq_waiting(const struct outq *q)
{
	return q->n;
}

#endif
