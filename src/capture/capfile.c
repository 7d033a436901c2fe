/* The reader's window over its input, and the pcap format.
 *
 * The window is one buffer: what is consumed leaves at its front, what `read` gives comes at its
 * back, and the rest is moved down only when there is no room left, so a packet is copied once on
 * average. The buffer starts at 256 KiB (large enough for any believable packet with its header,
 * small enough for the cache) and grows only for a pcapng block that is larger, up to
 * L4_CAPFILE_BLOCK_MAX; larger blocks are stepped over unread.
 *
 * A pcap record whose length is beyond L4_CAPFILE_SNAP_MAX ends the reading: there is no way to
 * find the next record (no magic between records), and to guess would invent packets. */
#include <layer4/capfile.h>

#include <layer4/err.h>

#include <stdlib.h>
#include <string.h>

#include "capture/capfile_private.h"

#define WINDOW (256u << 10)

struct l4_capfile *l4_capfile_new(l4_capfile_read_fn *read, void *ctx)
{
	struct l4_capfile *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->buf = malloc(WINDOW);
	if (!f->buf) {
		free(f);
		return NULL;
	}
	f->cap = WINDOW;
	f->read = read;
	f->ctx = ctx;
	f->done = 1;
	f->why = "";
	return f;
}

void l4_capfile_free(struct l4_capfile *f)
{
	if (!f)
		return;
	free(f->ifs);
	free(f->buf);
	free(f);
}

int l4_capfile_fail(struct l4_capfile *f, int code, uint64_t offset, const char *why)
{
	f->done = code;
	f->why = why;
	f->why_offset = offset;
	return code;
}

void l4_capfile_note(struct l4_capfile *f, uint64_t offset, const char *why)
{
	if (*f->why)
		return;
	f->why = why;
	f->why_offset = offset;
}

const char *l4_capfile_damage(const struct l4_capfile *f, uint64_t *offset)
{
	if (offset)
		*offset = f->why_offset;
	return f->why;
}

enum l4_capfile_format l4_capfile_format(const struct l4_capfile *f)
{
	return f->format;
}

const struct l4_cap_interface *l4_capfile_interface(const struct l4_capfile *f, uint32_t id)
{
	return id < f->n_if ? &f->ifs[id] : NULL;
}

uint32_t l4_capfile_interfaces(const struct l4_capfile *f)
{
	return f->n_if;
}

int l4_capfile_need(struct l4_capfile *f, size_t n)
{
	if (f->end - f->at >= n)
		return 1;
	if (f->cap - f->at < n) {
		memmove(f->buf, f->buf + f->at, f->end - f->at);
		f->base += f->at;
		f->end -= f->at;
		f->at = 0;
		if (n > f->cap) {
			uint8_t *b = realloc(f->buf, n);
			if (!b)
				return l4_capfile_fail(
				    f, L4_ENOMEM, f->base, "no memory for a block");
			f->buf = b;
			f->cap = n;
		}
	}
	while (f->end - f->at < n) {
		int64_t got = f->eof ? 0 : f->read(f->ctx, f->buf + f->end, f->cap - f->end);
		if (got < 0)
			return l4_capfile_fail(f, (int)got, f->base + f->end, "reading failed");
		if (got == 0) {
			f->eof = true;
			return 0;
		}
		f->end += (size_t)got < f->cap - f->end ? (size_t)got : f->cap - f->end;
	}
	return 1;
}

int l4_capfile_skip(struct l4_capfile *f, uint64_t n)
{
	while (n > f->end - f->at) {
		n -= f->end - f->at;
		f->base += f->end;
		f->at = f->end = 0;
		int r = l4_capfile_need(f, 1);
		if (r <= 0)
			return r;
	}
	f->at += (size_t)n;
	return 1;
}

struct l4_cap_interface *l4_capfile_add_interface(struct l4_capfile *f)
{
	if (f->n_if == f->cap_if) {
		uint32_t cap = f->cap_if ? f->cap_if * 2 : 4;
		if (cap > L4_CAPFILE_IF_MAX)
			return NULL;
		struct l4_cap_interface *p = realloc(f->ifs, cap * sizeof *p);
		if (!p)
			return NULL;
		f->ifs = p;
		f->cap_if = cap;
	}
	struct l4_cap_interface *i = &f->ifs[f->n_if++];
	*i = (struct l4_cap_interface){ .tsresol = 6, .fcs_len = -1 };
	return i;
}

/* Tells the format by its first bytes, and reads pcap's file header. */
static int open_file(struct l4_capfile *f)
{
	int r = l4_capfile_need(f, 4);
	if (r < 0)
		return r;
	if (!r)
		return l4_capfile_fail(f, L4_EUNSUPPORTED, 0,
		    f->end ? "too short to be a capture file" : "the file is empty");
	uint32_t magic;
	memcpy(&magic, f->buf, 4);
	if (magic == 0x0a0d0d0a) {
		f->format = L4_CAPFILE_PCAPNG;
		return 1;
	}
	f->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
	if (f->swapped)
		magic = __builtin_bswap32(magic);
	if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
		return l4_capfile_fail(f, L4_EUNSUPPORTED, 0, "not a pcap or pcapng file");
	r = l4_capfile_need(f, 24);
	if (r < 0)
		return r;
	if (!r)
		return l4_capfile_fail(f, L4_ETRUNC, 4, "the file ends in its header");
	f->format = magic == 0xa1b2c3d4 ? L4_CAPFILE_PCAP : L4_CAPFILE_PCAP_NS;
	struct l4_cap_interface *i = l4_capfile_add_interface(f);
	if (!i)
		return l4_capfile_fail(f, L4_ENOMEM, 0, "no memory");
	/* The upper bits of the link type word: bit 26 says that bits 28-31 count 16-bit words
	 * of frame check sequence. */
	uint32_t link = l4_cap_u32(f, f->buf + 20);
	i->linktype = (uint16_t)link;
	if (link & 0x04000000)
		i->fcs_len = (int8_t)((link >> 28) * 2);
	i->snaplen = l4_cap_u32(f, f->buf + 16);
	i->tsresol = magic == 0xa1b2c3d4 ? 6 : 9;
	f->section = 1;
	f->at = 24;
	return 1;
}

static int next_pcap(struct l4_capfile *f, struct l4_cap_packet *out)
{
	int r = l4_capfile_need(f, 16);
	uint64_t offset = l4_capfile_offset(f);
	if (r < 0)
		return r;
	if (!r)
		return f->end == f->at ? (f->done = 0)
				       : l4_capfile_fail(f, L4_ETRUNC, offset,
					     "the file ends inside a record's header");
	const uint8_t *h = f->buf + f->at;
	uint32_t caplen = l4_cap_u32(f, h + 8);
	if (caplen > L4_CAPFILE_SNAP_MAX)
		return l4_capfile_fail(
		    f, L4_EMALFORMED, offset, "a record's length is beyond 262144 bytes");
	r = l4_capfile_need(f, 16 + (size_t)caplen);
	if (r < 0)
		return r;
	if (!r)
		return l4_capfile_fail(f, L4_ETRUNC, offset, "the file ends inside a packet");
	h = f->buf + f->at;
	uint64_t s = l4_cap_u32(f, h), fraction = l4_cap_u32(f, h + 4);
	const struct l4_cap_interface *i = &f->ifs[0];
	out->data = h + 16;
	out->caplen = caplen;
	out->len = l4_cap_u32(f, h + 12);
	out->ts = s * L4_SEC + fraction * (f->format == L4_CAPFILE_PCAP ? L4_USEC : L4_NSEC);
	out->number = ++f->count;
	out->offset = offset;
	out->interface_id = 0;
	out->section = 1;
	out->linktype = i->linktype;
	out->has_ts = true;
	out->has_flags = false;
	out->pcapng = false;
	out->flags = 0;
	out->comment = NULL;
	out->comment_len = 0;
	out->interface = NULL;
	out->fcs_len = i->fcs_len;
	out->ts_precision = i->tsresol;
	f->at += 16 + (size_t)caplen;
	return 1;
}

int l4_capfile_next(struct l4_capfile *f, struct l4_cap_packet *out)
{
	if (f->done <= 0)
		return f->done;
	if (!f->format) {
		int r = open_file(f);
		if (r <= 0)
			return r;
	}
	return f->format == L4_CAPFILE_PCAPNG ? l4_capng_next(f, out) : next_pcap(f, out);
}
