/* Undoes the content codings of HTTP bodies (RFC 9110 8.4.1) for l4 dissect: gzip, and deflate with
 * zlib's header or, as some servers send it, without. What does not fit is left out; a body that is
 * damaged counts as far as it goes. */
#include "cli/dissect.h"

#include <string.h>
#include <zlib.h>

static size_t inflate_all(int window, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
	z_stream z = { 0 };
	if (n > UINT32_MAX || cap > UINT32_MAX || inflateInit2(&z, window) != Z_OK)
		return 0;
	z.next_in = (Bytef *)(uintptr_t)in;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	int r = inflate(&z, Z_SYNC_FLUSH);
	size_t got = cap - z.avail_out;
	inflateEnd(&z);
	return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? got : 0;
}

size_t dissect_decode(const char *coding, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
	if (!strcmp(coding, "gzip"))
		return inflate_all(15 + 16, in, n, out, cap);
	size_t got = inflate_all(15, in, n, out, cap);
	return got ? got : inflate_all(-15, in, n, out, cap);
}
