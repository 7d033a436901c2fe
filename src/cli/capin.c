/* Reads a capture file's bytes; gzip and zstd are told by their magic numbers, not by the name.
 *
 * Plain input goes straight from read() into the reader's window. */
#include "cli/capin.h"

#include <errno.h>
#include <fcntl.h>
#include <layer4/err.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { CHUNK = 1 << 17 };

struct capin {
	int fd;
	enum { PLAIN, GZIP, ZSTD } kind;
	bool eof, inside; /* inside: a compressed member is not at its end */
	uint8_t *buf;
	size_t at, end;
	z_stream z;
	ZSTD_DStream *zs;
	bool (*wait)(void *ctx);
	void *ctx;
};

/* Waits until there is something to read. False: there is to be no more. */
static bool ready(struct capin *c)
{
	struct pollfd f = { .fd = c->fd, .events = POLLIN };
	if (!c->wait || poll(&f, 1, 0) > 0)
		return true;
	do {
		if (!c->wait(c->ctx))
			return false;
	} while (poll(&f, 1, -1) < 0 && errno == EINTR);
	return true;
}

static ssize_t fill(struct capin *c, void *p, size_t n)
{
	ssize_t r;
	do {
		if (!ready(c))
			return 0;
		r = read(c->fd, p, n);
	} while (r < 0 && errno == EINTR);
	return r;
}

void capin_on_wait(struct capin *c, bool (*wait)(void *ctx), void *ctx)
{
	struct stat st;
	if (fstat(c->fd, &st) || S_ISREG(st.st_mode))
		return;
	c->wait = wait;
	c->ctx = ctx;
}

struct capin *capin_open(const char *path)
{
	struct capin *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->fd = !strcmp(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	c->buf = malloc(CHUNK);
	if (c->fd < 0 || !c->buf) {
		int e = errno;
		free(c->buf);
		free(c);
		errno = e;
		return NULL;
	}
	while (c->end < 4 && !c->eof) {
		ssize_t r = fill(c, c->buf + c->end, 4 - c->end);
		if (r < 0) {
			int e = errno;
			capin_close(c);
			errno = e;
			return NULL;
		}
		c->eof = r == 0;
		c->end += (size_t)r;
	}
	static const uint8_t zstd[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	if (c->end >= 2 && c->buf[0] == 0x1f && c->buf[1] == 0x8b) {
		c->kind = inflateInit2(&c->z, 15 + 16) == Z_OK ? GZIP : PLAIN;
	} else if (c->end == 4 && !memcmp(c->buf, zstd, 4)) {
		c->zs = ZSTD_createDStream();
		c->kind = c->zs ? ZSTD : PLAIN;
	}
	(void)posix_fadvise(c->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return c;
}

void capin_close(struct capin *c)
{
	if (!c)
		return;
	if (c->kind == GZIP)
		inflateEnd(&c->z);
	ZSTD_freeDStream(c->zs);
	if (c->fd != STDIN_FILENO)
		close(c->fd);
	free(c->buf);
	free(c);
}

static int64_t inflate_some(struct capin *c, void *buf, size_t cap)
{
	c->z.next_out = buf;
	c->z.avail_out = (uInt)(cap > 1u << 30 ? 1u << 30 : cap);
	uInt want = c->z.avail_out;
	c->z.next_in = c->buf + c->at;
	c->z.avail_in = (uInt)(c->end - c->at);
	int r = inflate(&c->z, Z_NO_FLUSH);
	c->at = c->end - c->z.avail_in;
	c->inside = r != Z_STREAM_END;
	if (r == Z_STREAM_END)
		inflateReset(&c->z); /* members may follow one another (RFC 1952 2.2) */
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return L4_EMALFORMED;
	return (int64_t)(want - c->z.avail_out);
}

static int64_t unzstd_some(struct capin *c, void *buf, size_t cap)
{
	ZSTD_outBuffer out = { buf, cap, 0 };
	ZSTD_inBuffer in = { c->buf, c->end, c->at };
	size_t r = ZSTD_decompressStream(c->zs, &out, &in);
	c->at = in.pos;
	if (ZSTD_isError(r))
		return L4_EMALFORMED;
	c->inside = r != 0;
	return (int64_t)out.pos;
}

int64_t capin_read(void *ctx, void *buf, size_t cap)
{
	struct capin *c = ctx;
	if (c->kind == PLAIN) {
		if (c->at < c->end) {
			size_t n = c->end - c->at < cap ? c->end - c->at : cap;
			memcpy(buf, c->buf + c->at, n);
			c->at += n;
			return (int64_t)n;
		}
		ssize_t r = c->eof ? 0 : fill(c, buf, cap);
		return r < 0 ? L4_ESYS : (int64_t)r;
	}
	for (;;) {
		if (c->at == c->end && !c->eof) {
			ssize_t r = fill(c, c->buf, CHUNK);
			if (r < 0)
				return L4_ESYS;
			c->at = 0;
			c->end = (size_t)r;
			c->eof = r == 0;
		}
		if (c->at == c->end && c->eof && !c->inside)
			return 0;
		size_t before = c->at;
		int64_t n = c->kind == GZIP ? inflate_some(c, buf, cap) : unzstd_some(c, buf, cap);
		if (n)
			return n;
		if (c->eof && c->at == before)
			return c->inside ? L4_ETRUNC : 0;
	}
}
