/* Cutting super-frames into frames of the wire, and completing checksums.
 *
 * The edge of the library: a frame of up to 64 KiB that its device cannot take is written out here
 * part by part. Each part gets the headers of the whole with its own lengths, IPv4 id, sequence
 * number, flags and checksums; payload is copied and summed in one pass. A frame without GSO is
 * one part: its pieces joined, its checksum completed when needs_csum says so.
 *
 * Where the IP header begins is not in the offload record. It is told by csum_start, the offset
 * of the TCP or UDP header: IP headers are multiples of 4 bytes and Ethernet headers, tags
 * included, are 2 more than one (14, 18, 22), so csum_start modulo 4 says which medium it is.
 *
 * Frames from elsewhere (a kernel's, through TAP) come here too when a capture is written, so
 * nothing in them is trusted: what contradicts itself is L4_EMALFORMED. */
#include <layer4/checksum.h>
#include <layer4/device.h>
#include <layer4/err.h>

#include <string.h>

#include "base/cursor.h"

#define ETHERTYPE_IP4  0x0800
#define ETHERTYPE_IP6  0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

#define PROTO_TCP 6
#define PROTO_UDP 17

#define HDR_MAX                                                                          \
	256 /* bytes of headers that are looked at: Ethernet 22, IP with options, TCP 60 \
	     */

/* A walk over the bytes of a list of pieces. */
struct walk {
	const struct l4_piece *p;
	uint32_t n, i, at;
};

/* The next run of at most len bytes; NULL at the end. */
static const uint8_t *walk_run(struct walk *w, uint32_t len, uint32_t *run)
{
	while (w->i < w->n && w->at >= w->p[w->i].len) {
		w->i++;
		w->at = 0;
	}
	if (w->i == w->n)
		return NULL;
	size_t left = w->p[w->i].len - w->at;
	*run = left < len ? (uint32_t)left : len;
	const uint8_t *d = (const uint8_t *)w->p[w->i].data + w->at;
	w->at += *run;
	return d;
}

static bool walk_copy(struct walk *w, uint8_t *dst, uint32_t len)
{
	while (len) {
		uint32_t run;
		const uint8_t *d = walk_run(w, len, &run);
		if (!d)
			return false;
		memcpy(dst, d, run);
		dst += run;
		len -= run;
	}
	return true;
}

/* Copies and adds to *sum; the bytes begin at an even offset of what is summed. */
static bool walk_copy_sum(struct walk *w, uint8_t *dst, uint32_t len, uint32_t *sum)
{
	uint32_t off = 0;
	while (off < len) {
		uint32_t run;
		const uint8_t *d = walk_run(w, len - off, &run);
		if (!d)
			return false;
		*sum = l4_csum_add(*sum, l4_csum_copy(dst + off, d, run, 0), off);
		off += run;
	}
	return true;
}

/* Offset of the IP header, from the headers at h (n bytes); -1 when there is none. */
static int find_l3(const uint8_t *h, uint32_t n, uint16_t l4, unsigned *version)
{
	uint32_t off = 0;
	if (l4 % 4 == 2) {
		unsigned type = 0;
		for (off = 14; off <= 22; off += 4) {
			if (n < off)
				return -1;
			type = l4_get_u16(h + off - 2);
			if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
				break;
		}
		if (type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6)
			return -1;
	}
	if (n < off + 20 || n < l4)
		return -1;
	*version = h[off] >> 4;
	if (*version == 4)
		return off + 4u * (h[off] & 15) == l4 ? (int)off : -1;
	return *version == 6 && off + 40 <= l4 ? (int)off : -1;
}

static int plan(struct l4_gso *g)
{
	const struct l4_frame *f = g->frame;
	const struct l4_offload *o = &f->off;
	uint8_t h[HDR_MAX];
	uint32_t n = f->len < HDR_MAX ? f->len : HDR_MAX;
	struct walk w = { f->pieces, f->n_pieces, 0, 0 };
	if (!walk_copy(&w, h, n))
		return L4_EMALFORMED;
	unsigned version = 0;
	int l3 = find_l3(h, n, o->csum_start, &version);
	if (l3 < 0 || !o->gso_size)
		return L4_EMALFORMED;
	g->l3 = (uint16_t)l3;
	g->l4 = o->csum_start;
	if (o->gso_type == L4_GSO_UDP_L4) {
		g->hdr_len = g->l4 + 8u;
	} else {
		if ((o->gso_type == L4_GSO_TCPV4 ? 4 : 6) != version || n < g->l4 + 20u)
			return L4_EMALFORMED;
		unsigned doff = 4u * (h[g->l4 + 12] >> 4);
		if (doff < 20)
			return L4_EMALFORMED;
		g->hdr_len = g->l4 + doff;
	}
	return g->hdr_len > n ? L4_EMALFORMED : 0;
}

void l4_gso_begin(struct l4_gso *g, const struct l4_frame *frame)
{
	memset(g, 0, sizeof *g);
	g->frame = frame;
	if (frame->off.gso_type != L4_GSO_NONE)
		g->error = plan(g);
}

uint32_t l4_gso_parts(const struct l4_frame *frame)
{
	if (frame->off.gso_type == L4_GSO_NONE)
		return 1;
	struct l4_gso g;
	l4_gso_begin(&g, frame);
	uint32_t size = frame->off.gso_size;
	if (g.error || frame->len <= g.hdr_len)
		return 1;
	return (frame->len - g.hdr_len + size - 1) / size;
}

/* The one part of a frame that is not split. */
static int whole(struct l4_gso *g, uint8_t *buf, size_t cap)
{
	const struct l4_frame *f = g->frame;
	const struct l4_offload *o = &f->off;
	if (g->part)
		return 0;
	if (f->len > cap)
		return L4_EMSGSIZE;
	struct walk w = { f->pieces, f->n_pieces, 0, 0 };
	if (!o->needs_csum) {
		if (!walk_copy(&w, buf, f->len))
			return L4_EMALFORMED;
	} else {
		uint32_t start = o->csum_start, sum = 0;
		if (start > f->len || start + o->csum_offset + 2u > f->len)
			return L4_EMALFORMED;
		if (!walk_copy(&w, buf, start) ||
		    !walk_copy_sum(&w, buf + start, f->len - start, &sum))
			return L4_EMALFORMED;
		uint16_t c = l4_csum_fold(sum);
		if (!c && o->csum_offset == 6)
			c = 0xffff; /* the same sum; zero would mean none (RFC 768) */
		memcpy(buf + start + o->csum_offset, &c, 2);
	}
	g->part = 1;
	g->done = f->len;
	return (int)f->len;
}

/* Rewrites the IP header for a part whose upper packet has l4_len bytes; returns the sum of its
 * pseudo-header. */
static uint32_t patch_ip(const struct l4_gso *g, uint8_t *buf, uint8_t proto, uint32_t l4_len)
{
	uint8_t *ip = buf + g->l3;
	uint32_t sum;
	if (ip[0] >> 4 == 4) {
		l4_put_u16(ip + 2, (uint16_t)(g->l4 - g->l3 + l4_len));
		l4_put_u16(ip + 4, (uint16_t)(l4_get_u16(ip + 4) + g->part));
		memset(ip + 10, 0, 2);
		uint16_t c = l4_csum_fold(l4_csum_partial(ip, g->l4 - g->l3, 0));
		memcpy(ip + 10, &c, 2);
		sum = l4_csum_partial(ip + 12, 8, 0);
	} else {
		l4_put_u16(ip + 4, (uint16_t)(g->l4 - g->l3 - 40 + l4_len));
		sum = l4_csum_partial(ip + 8, 32, 0);
	}
	uint8_t tail[8] = { 0 };
	l4_put_u32(tail, l4_len);
	tail[7] = proto;
	return l4_csum_partial(tail, sizeof tail, sum);
}

static void patch_tcp(const struct l4_gso *g, uint8_t *tcp, bool last)
{
	l4_put_u32(tcp + 4, l4_get_u32(tcp + 4) + g->done);
	/* RFC 3168 6.1.2: CWR tells of one event, so it goes with the first segment only. Under
	 * AccECN (RFC 9768) the bit is part of a counter and stays on all. */
	if (g->part && g->frame->off.gso_ecn)
		tcp[13] &= (uint8_t)~0x80;
	if (!last)
		tcp[13] &= (uint8_t)~0x09; /* FIN and PSH */
	memset(tcp + 16, 0, 2);
}

int l4_gso_next(struct l4_gso *g, void *out, size_t cap)
{
	const struct l4_frame *f = g->frame;
	uint8_t *buf = out;
	if (g->error)
		return g->error;
	if (f->off.gso_type == L4_GSO_NONE)
		return whole(g, buf, cap);

	uint32_t total = f->len - g->hdr_len;
	if (g->part && g->done >= total)
		return 0;
	uint32_t n = total - g->done < f->off.gso_size ? total - g->done : f->off.gso_size;
	if (g->hdr_len + n > cap)
		return L4_EMSGSIZE;
	struct walk w = { f->pieces, f->n_pieces, 0, 0 };
	if (!walk_copy(&w, buf, g->hdr_len))
		return L4_EMALFORMED;
	if (g->part) {
		w.i = g->piece;
		w.at = g->at;
	}
	uint32_t sum = 0, l4_len = g->hdr_len - g->l4 + n;
	if (!walk_copy_sum(&w, buf + g->hdr_len, n, &sum))
		return L4_EMALFORMED;
	g->piece = w.i;
	g->at = w.at;

	bool udp = f->off.gso_type == L4_GSO_UDP_L4;
	sum = l4_csum_add(sum, patch_ip(g, buf, udp ? PROTO_UDP : PROTO_TCP, l4_len), 0);
	uint8_t *up = buf + g->l4;
	if (udp) {
		l4_put_u16(up + 4, (uint16_t)l4_len);
		memset(up + 6, 0, 2);
	} else {
		patch_tcp(g, up, g->done + n >= total);
	}
	uint16_t c = l4_csum_fold(l4_csum_partial(up, g->hdr_len - g->l4, sum));
	if (udp && !c)
		c = 0xffff;
	memcpy(up + (udp ? 6 : 16), &c, 2);
	g->done += n;
	g->part++;
	return (int)(g->hdr_len + n);
}
