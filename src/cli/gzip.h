/* gzip for the commands: whole buffers by libdeflate, streams by zlib. src/cli only. */
#ifndef L4_CLI_GZIP_H
#define L4_CLI_GZIP_H

#include <stdbool.h>
#include <stddef.h>

/* Compresses n bytes into fresh memory (free it). Returns 0, L4_ENOMEM, or L4_ELIMIT when the
 * result would not be smaller. No time stamp inside: equal input gives equal output. */
int gz_whole(const void *in, size_t n, void **out, size_t *out_n);

struct gz_stream;
/* NULL: no memory. */
struct gz_stream *gz_deflate_new(void);
struct gz_stream *gz_inflate_new(void);
void gz_free(struct gz_stream *s);
/* Moves bytes through: takes up to *in_n from in and gives up to *out_n to out; both are set to
 * what was moved. finish: in holds the last bytes. Returns 0 to be called again, 1 at the end of
 * the stream (inflate: a member ended and no other follows in this input), L4_EMALFORMED for
 * damaged input, L4_ENOMEM. */
int gz_run(
    struct gz_stream *s, const void *in, size_t *in_n, void *out, size_t *out_n, bool finish);

#endif
