/* Input of the views: a file, a pipe, plain or compressed with gzip or zstd. Included by src/cli
 * only. */
#ifndef L4_CLI_CAPIN_H
#define L4_CLI_CAPIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capin;

/* "-" is standard input. NULL: errno says why. */
struct capin *capin_open(const char *path);
void capin_close(struct capin *c);
/* Before a read that has to wait (a pipe that is empty now), and when a signal came meanwhile,
 * `wait` is called; false: the input ends here. */
void capin_on_wait(struct capin *c, bool (*wait)(void *ctx), void *ctx);
/* As l4_capfile_read_fn. Damage in the compression gives L4_EMALFORMED or L4_ETRUNC. */
int64_t capin_read(void *c, void *buf, size_t cap);

#endif
