/* Reads pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body, length again.
 *
 * Every length is checked against the block that holds it, and the block against the limits of
 * capfile.h; a block whose lengths do not fit ends the reading, since the place of the next one is
 * then unknown. Unknown blocks and options are stepped over. Of an option list that runs out of its
 * block the rest is dropped, its packet kept; that is told at the end of the file. */
#include <layer4/capfile.h>

#include <layer4/err.h>

#include <string.h>

#include "capture/capfile_private.h"

enum {
	BLOCK_SHB = 0x0a0d0d0a,
	BLOCK_IDB = 1,
	BLOCK_PB = 2, /* obsolete packet block */
	BLOCK_SPB = 3,
	BLOCK_EPB = 6,
};

static uint32_t padded(uint32_t n)
{
	return (n + 3) & ~(uint32_t)3;
}

/* The next option at *p (of *left bytes): its code, or 0 at the end of the list. */
static uint16_t next_option(
    struct l4_capfile *f, const uint8_t **p, uint32_t *left, const uint8_t **value, uint16_t *len)
{
	if (*left < 4)
		return 0;
	uint16_t code = l4_cap_u16(f, *p);
	uint16_t n = l4_cap_u16(f, *p + 2);
	if (!code)
		return 0;
	if (*left - 4 < n) {
		l4_capfile_note(
		    f, f->base + (uint64_t)(*p - f->buf), "an option is longer than its block");
		return 0;
	}
	*value = *p + 4;
	*len = n;
	uint32_t step = 4 + padded(n);
	if (step > *left)
		step = *left;
	*p += step;
	*left -= step;
	return code;
}

static void copy_text(char *dst, size_t cap, const uint8_t *src, uint16_t n)
{
	size_t k = n < cap - 1 ? n : cap - 1;
	memcpy(dst, src, k);
	dst[k] = 0;
}

static int read_section(struct l4_capfile *f, uint64_t offset)
{
	int r = l4_capfile_need(f, 28);
	if (r <= 0)
		return r ? r
			 : l4_capfile_fail(
			       f, L4_ETRUNC, offset, "the file ends in a section header");
	const uint8_t *b = f->buf + f->at;
	uint32_t magic;
	memcpy(&magic, b + 8, 4);
	if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
		return l4_capfile_fail(f, L4_EMALFORMED, offset + 8, "wrong byte-order magic");
	f->swapped = magic != 0x1a2b3c4d;
	if (l4_cap_u16(f, b + 12) != 1)
		return l4_capfile_fail(f, L4_EUNSUPPORTED, offset + 12, "unknown pcapng version");
	f->n_if = 0;
	f->section++;
	return 1;
}

static int read_interface(struct l4_capfile *f, const uint8_t *body, uint32_t n)
{
	if (n < 8)
		return l4_capfile_fail(f, L4_EMALFORMED, l4_capfile_offset(f),
		    "an interface description is too short");
	struct l4_cap_interface *i = l4_capfile_add_interface(f);
	if (!i)
		return l4_capfile_fail(f, L4_ELIMIT, l4_capfile_offset(f), "too many interfaces");
	i->linktype = l4_cap_u16(f, body);
	i->snaplen = l4_cap_u32(f, body + 4);
	const uint8_t *p = body + 8, *v;
	uint32_t left = n - 8;
	uint16_t len, code;
	while ((code = next_option(f, &p, &left, &v, &len)) != 0) {
		if (code == 2)
			copy_text(i->name, sizeof i->name, v, len);
		else if (code == 3)
			copy_text(i->description, sizeof i->description, v, len);
		else if (code == 9 && len >= 1)
			i->tsresol = v[0];
		else if (code == 13 && len >= 1)
			i->fcs_len = (int8_t)(v[0] > 8 ? -1 : v[0]);
		else if (code == 14 && len >= 8) {
			uint64_t a = l4_cap_u32(f, v), c = l4_cap_u32(f, v + 4);
			uint16_t probe = 1;
			bool little = *(const uint8_t *)&probe == 1;
			i->tsoffset_s = (int64_t)(little != f->swapped ? c << 32 | a : a << 32 | c);
		}
	}
	return 1;
}

/* A count of units of the interface's resolution as ns: 10^-n s, or 2^-n s with the top bit. */
static l4_time to_ns(const struct l4_cap_interface *i, uint64_t units)
{
	static const uint64_t ten[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000, 1000000000 };
	uint8_t n = i->tsresol & 0x7f;
	uint64_t ns;
	if (i->tsresol & 0x80) {
		if (n > 63)
			return 0;
		uint64_t s = units >> n, rest = units & (((uint64_t)1 << n) - 1);
		/* rest / 2^n of a second: keep 32 bits of it, enough for ns and no overflow */
		if (n > 32)
			rest >>= n - 32, n = 32;
		ns = s * L4_SEC + (rest * L4_SEC >> n);
	} else if (n <= 9) {
		ns = units * ten[9 - n];
	} else {
		ns = units;
		for (; n > 9 && ns; n--)
			ns /= 10;
	}
	return ns + (uint64_t)i->tsoffset_s * L4_SEC;
}

static void packet_options(
    struct l4_capfile *f, struct l4_cap_packet *out, const uint8_t *p, uint32_t left)
{
	const uint8_t *v;
	uint16_t len, code;
	while ((code = next_option(f, &p, &left, &v, &len)) != 0) {
		if (code == 1 && !out->comment) {
			out->comment = (const char *)v;
			out->comment_len = len;
		} else if (code == 2 && len == 4) {
			out->has_flags = true;
			out->flags = l4_cap_u32(f, v);
			uint32_t fcs = out->flags >> 5 & 15;
			if (fcs)
				out->fcs_len = (int8_t)fcs;
		}
	}
}

/* The body of an enhanced (6), obsolete (2) or simple (3) packet block. */
static int read_packet(struct l4_capfile *f, struct l4_cap_packet *out, uint32_t type,
    const uint8_t *b, uint32_t n, uint64_t offset)
{
	uint32_t head = type == BLOCK_SPB ? 4 : 20;
	if (n < head)
		return l4_capfile_fail(f, L4_EMALFORMED, offset, "a packet block is too short");
	uint32_t id = type == BLOCK_SPB  ? 0
		      : type == BLOCK_PB ? l4_cap_u16(f, b)
					 : l4_cap_u32(f, b);
	if (id >= f->n_if)
		return l4_capfile_fail(
		    f, L4_EMALFORMED, offset, "a packet names an interface that was not described");
	const struct l4_cap_interface *i = &f->ifs[id];
	*out = (struct l4_cap_packet){ .interface_id = id,
		.section = f->section,
		.pcapng = true,
		.offset = offset,
		.linktype = i->linktype,
		.fcs_len = i->fcs_len,
		.ts_precision = i->tsresol & 0x80 ? 9 : i->tsresol,
		.interface = i };
	if (type == BLOCK_SPB) {
		out->len = l4_cap_u32(f, b);
		out->caplen = i->snaplen && out->len > i->snaplen ? i->snaplen : out->len;
		/* A length beyond the block: what the block holds is what was captured. */
		if (out->caplen > n - head)
			return l4_capfile_fail(
			    f, L4_EMALFORMED, offset, "a packet is longer than its block");
	} else {
		uint64_t units = (uint64_t)l4_cap_u32(f, b + 4) << 32 | l4_cap_u32(f, b + 8);
		out->has_ts = true;
		out->ts = to_ns(i, units);
		out->caplen = l4_cap_u32(f, b + 12);
		out->len = l4_cap_u32(f, b + 16);
	}
	if (out->caplen > n - head)
		return l4_capfile_fail(
		    f, L4_EMALFORMED, offset, "a packet is longer than its block");
	if (out->caplen > L4_CAPFILE_SNAP_MAX)
		return l4_capfile_fail(
		    f, L4_EMALFORMED, offset, "a packet's length is beyond 262144 bytes");
	out->data = b + head;
	uint32_t used = head + padded(out->caplen);
	if (type != BLOCK_SPB && used < n)
		packet_options(f, out, b + used, n - used);
	out->number = ++f->count;
	return 1;
}

int l4_capng_next(struct l4_capfile *f, struct l4_cap_packet *out)
{
	for (;;) {
		int r = l4_capfile_need(f, 12);
		uint64_t offset = l4_capfile_offset(f);
		if (r < 0)
			return r;
		if (!r)
			return f->end == f->at ? (f->done = 0)
					       : l4_capfile_fail(f, L4_ETRUNC, offset,
						     "the file ends inside a block");
		uint32_t type;
		memcpy(&type, f->buf + f->at, 4);
		if (type == BLOCK_SHB) {
			r = read_section(f, offset);
			if (r <= 0)
				return r;
		} else if (f->swapped) {
			type = __builtin_bswap32(type);
		}
		uint32_t total = l4_cap_u32(f, f->buf + f->at + 4);
		if (total < 12 || total % 4 || (type == BLOCK_SHB && total < 28))
			return l4_capfile_fail(
			    f, L4_EMALFORMED, offset + 4, "a block lies about its size");
		bool packet = type == BLOCK_EPB || type == BLOCK_PB || type == BLOCK_SPB;
		if ((!packet && type != BLOCK_IDB) || total > L4_CAPFILE_BLOCK_MAX) {
			if (total > L4_CAPFILE_BLOCK_MAX)
				return l4_capfile_fail(
				    f, L4_EMALFORMED, offset + 4, "a block is larger than 16 MiB");
			r = l4_capfile_skip(f, total - 4);
			if (r > 0)
				r = l4_capfile_need(f, 4);
			if (r < 0)
				return r;
			if (!r)
				return l4_capfile_fail(
				    f, L4_ETRUNC, offset, "the file ends inside a block");
			if (l4_cap_u32(f, f->buf + f->at) != total)
				return l4_capfile_fail(f, L4_EMALFORMED, offset + total - 4,
				    "a block's two lengths differ");
			f->at += 4;
			continue;
		}
		r = l4_capfile_need(f, total);
		if (r < 0)
			return r;
		if (!r)
			return l4_capfile_fail(
			    f, L4_ETRUNC, offset, "the file ends inside a block");
		const uint8_t *b = f->buf + f->at;
		if (l4_cap_u32(f, b + total - 4) != total)
			return l4_capfile_fail(
			    f, L4_EMALFORMED, offset + total - 4, "a block's two lengths differ");
		r = packet ? read_packet(f, out, type, b + 8, total - 12, offset)
			   : read_interface(f, b + 8, total - 12);
		if (r <= 0)
			return r;
		f->at += total;
		if (packet)
			return 1;
	}
}
