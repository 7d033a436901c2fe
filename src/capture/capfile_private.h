/* The reader's own state; for src/capture only. */
#ifndef L4_CAPTURE_CAPFILE_PRIVATE_H
#define L4_CAPTURE_CAPFILE_PRIVATE_H

#include <layer4/capfile.h>

/* The window is buf[at..end): bytes read and not yet consumed. */
struct l4_capfile {
	l4_capfile_read_fn *read;
	void *ctx;
	uint8_t *buf;
	size_t cap, at, end;
	uint64_t base;  /* offset in the input of buf[0] */
	uint64_t count; /* packets given */
	int done;       /* what every further call returns: 0 or an error; 1: going on */
	bool eof;       /* read said so */
	bool swapped;   /* the current section has the other byte order */
	enum l4_capfile_format format;
	uint32_t section;
	uint32_t n_if, cap_if;
	struct l4_cap_interface *ifs;
	const char *why;
	uint64_t why_offset;
};

/* Makes at least n bytes stand at buf+at. 1: they do; 0: the input ends before; negative: error.
 */
int l4_capfile_need(struct l4_capfile *f, size_t n);
/* Steps over n bytes, read or not. As need. */
int l4_capfile_skip(struct l4_capfile *f, uint64_t n);
/* Ends the reading with `code`, and says why and where. Returns code. */
/* Damage that does not end the reading: the first of it is told at the end. */
void l4_capfile_note(struct l4_capfile *f, uint64_t offset, const char *why);
int l4_capfile_fail(struct l4_capfile *f, int code, uint64_t offset, const char *why);

static inline uint64_t l4_capfile_offset(const struct l4_capfile *f)
{
	return f->base + f->at;
}

static inline uint16_t l4_cap_u16(const struct l4_capfile *f, const uint8_t *p)
{
	uint16_t v;
	__builtin_memcpy(&v, p, 2);
	return f->swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t l4_cap_u32(const struct l4_capfile *f, const uint8_t *p)
{
	uint32_t v;
	__builtin_memcpy(&v, p, 4);
	return f->swapped ? __builtin_bswap32(v) : v;
}

/* pcapng: the next packet, as l4_capfile_next. */
int l4_capng_next(struct l4_capfile *f, struct l4_cap_packet *out);
/* A new interface slot of the section, or NULL: no memory or too many. */
struct l4_cap_interface *l4_capfile_add_interface(struct l4_capfile *f);

#endif
