/* Input of the views: a file, a pipe, plain or compressed with gzip or zstd. Included by src/cli
 * only. */
#ifndef L4_CLI_CAPIN_H
#define L4_CLI_CAPIN_H

#include <stddef.h>
#include <stdint.h>

struct capin;

/* "-" is standard input. NULL: errno says why. */
struct capin *capin_open(const char *path);
void capin_close(struct capin *c);
/* As l4_capfile_read_fn. Damage in the compression gives L4_EMALFORMED or L4_ETRUNC. */
int64_t capin_read(void *c, void *buf, size_t cap);

#endif
