/* Output of the views: one buffer, written whole; text from packets made harmless. Included by
 * src/cli only. */
#ifndef L4_CLI_OUT_H
#define L4_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OUT_BYTES = 1 << 16, OUT_ROOM = 4096 };

struct out {
	char buf[OUT_BYTES + OUT_ROOM]; /* room for a short piece beyond the mark */
	size_t n;
	int fd;
	bool failed; /* a write failed: nobody reads any more */
};

void out_flush(struct out *o);
void out_long(struct out *o, const void *p, size_t n);
static inline void out_bytes(struct out *o, const void *p, size_t n)
{
	if (o->n + n < OUT_BYTES) {
		memcpy(o->buf + o->n, p, n);
		o->n += n;
	} else {
		out_long(o, p, n);
	}
}
/* Where OUT_ROOM bytes may be written by hand; o->n grows by as many as were. */
static inline char *out_room(struct out *o)
{
	if (o->n >= OUT_BYTES)
		out_flush(o);
	return o->buf + o->n;
}
void out_fmt(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_dec(struct out *o, uint64_t v);
/* Text from a packet: control characters, bytes that are not UTF-8 and escape sequences come out
 * as \xNN, so that a terminal cannot be played with. Tab, newline, backslash as \t, \n, \\. */
void out_escaped(struct out *o, const void *p, size_t n);
/* As tshark -T fields has it, for programs: tab, newline and their like escaped, other control
 * characters as they are, U+FFFD for what is no character (ascii: for all beyond ASCII). */
void out_tsv(struct out *o, const void *p, size_t n, bool ascii);
/* As out_escaped, inside a JSON string (without the quotes). */
void out_json(struct out *o, const void *p, size_t n);

static inline void out_str(struct out *o, const char *s)
{
	out_bytes(o, s, strlen(s));
}

static inline void out_char(struct out *o, char c)
{
	o->buf[o->n++] = c;
	if (o->n >= OUT_BYTES)
		out_flush(o);
}

#endif
