/* gzip (RFC 1952): libdeflate for whole buffers, zlib where the size is not known or too large. */
#include "cli/gzip.h"

#include <layer4/err.h>

#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int gz_whole(const void *in, size_t n, void **out, size_t *out_n)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	if (!c)
		return L4_ENOMEM;
	char *p = malloc(n ? n : 1);
	size_t got = p && n ? libdeflate_gzip_compress(c, in, n, p, n - 1) : 0;
	libdeflate_free_compressor(c);
	if (!got) {
		free(p);
		return p ? L4_ELIMIT : L4_ENOMEM;
	}
	void *fit = realloc(p, got);
	if (fit)
		p = fit;
	*out = p;
	*out_n = got;
	return 0;
}

struct gz_stream {
	z_stream z;
	bool inflate;
};

static struct gz_stream *stream_new(bool inflate)
{
	struct gz_stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->inflate = inflate;
	/* windowBits 15 + 16: gzip format (zlib.h) */
	int rc = inflate ? inflateInit2(&s->z, 15 + 16)
			 : deflateInit2(&s->z, 4, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	if (rc != Z_OK) {
		free(s);
		return NULL;
	}
	return s;
}

struct gz_stream *gz_deflate_new(void)
{
	return stream_new(false);
}

struct gz_stream *gz_inflate_new(void)
{
	return stream_new(true);
}

void gz_free(struct gz_stream *s)
{
	if (!s)
		return;
	if (s->inflate)
		inflateEnd(&s->z);
	else
		deflateEnd(&s->z);
	free(s);
}

int gz_run(struct gz_stream *s, const void *in, size_t *in_n, void *out, size_t *out_n, bool finish)
{
	uInt give = *in_n > UINT_MAX ? UINT_MAX : (uInt)*in_n;
	uInt room = *out_n > UINT_MAX ? UINT_MAX : (uInt)*out_n;
	union { /* zlib's next_in is not const in its older API */
		const void *c;
		Bytef *p;
	} u = { .c = in };
	s->z.next_in = u.p;
	s->z.avail_in = give;
	s->z.next_out = out;
	s->z.avail_out = room;
	int rc = s->inflate ? inflate(&s->z, Z_NO_FLUSH)
			    : deflate(&s->z, finish ? Z_FINISH : Z_NO_FLUSH);
	*in_n = give - s->z.avail_in;
	*out_n = room - s->z.avail_out;
	if (rc == Z_STREAM_END) {
		/* RFC 1952 2.2: members may follow one another */
		if (s->inflate && s->z.avail_in && s->z.next_in[0] == 0x1f)
			return inflateReset(&s->z) == Z_OK ? 0 : L4_EMALFORMED;
		return 1;
	}
	if (rc == Z_OK || rc == Z_BUF_ERROR)
		return 0;
	return rc == Z_MEM_ERROR ? L4_ENOMEM : L4_EMALFORMED;
}
