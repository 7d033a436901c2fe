/* Joining received neighbours of one TCP flow into one frame.
 *
 * The way up costs per frame, not per byte, so segments that arrived together and continue each
 * other are handed up as one. Only what can be split again into the same bytes is joined: equal
 * headers but for length, id, sequence number and checksum, all but the last of one size. A
 * segment's checksum is verified first, so a damaged one stays alone and is dropped by the host
 * under its own reason. Frames are joined with the one just before them only: flows that
 * interleave within a batch are not chased.
 *
 * The joined frame's pieces point into the frames given; its first header gets the whole length. */
#include <layer4/checksum.h>
#include <layer4/device.h>

#include <string.h>

#include "base/cursor.h"

#define PROTO_TCP 6
#define IP_MAX    65535u

/* Where things are in a frame that may be joined. */
struct view {
	uint8_t *p; /* the frame */
	uint32_t l3, l4, hdr, len;
	uint32_t payload; /* bytes */
	uint32_t seq;
	uint8_t flags;
};

static bool look(enum l4_medium medium, const struct l4_frame *f, struct view *v)
{
	if (f->n_pieces != 1 || f->off.gso_type != L4_GSO_NONE || f->off.needs_csum)
		return false;
	v->p = (uint8_t *)(uintptr_t)f->pieces[0].data;
	v->len = f->len;
	v->l3 = medium == L4_MEDIUM_ETHERNET ? 14 : 0;
	if (v->len < v->l3 + 40)
		return false;
	const uint8_t *ip = v->p + v->l3;
	uint32_t sum, total;
	uint8_t tail[8] = { 0 };
	if (v->l3 && l4_get_u16(v->p + 12) != (ip[0] >> 4 == 4 ? 0x0800 : 0x86dd))
		return false;
	if (ip[0] == 0x45) {
		v->l4 = v->l3 + 20;
		total = l4_get_u16(ip + 2);
		if (ip[9] != PROTO_TCP || (l4_get_u16(ip + 6) & 0xbfff) || total < 40 ||
		    l4_csum_fold(l4_csum_partial(ip, 20, 0)))
			return false;
		sum = l4_csum_partial(ip + 12, 8, 0);
	} else if (ip[0] >> 4 == 6) {
		v->l4 = v->l3 + 40;
		total = 40u + l4_get_u16(ip + 4);
		if (ip[6] != PROTO_TCP || total < 60)
			return false;
		sum = l4_csum_partial(ip + 8, 32, 0);
	} else {
		return false;
	}
	if (v->l3 + total != v->len) /* padded or cut: the host's affair */
		return false;
	const uint8_t *tcp = v->p + v->l4;
	v->hdr = v->l4 + 4u * (tcp[12] >> 4);
	if (v->hdr < v->l4 + 20 || v->hdr >= v->len)
		return false;
	v->payload = v->len - v->hdr;
	v->seq = l4_get_u32(tcp + 4);
	v->flags = tcp[13];
	if ((v->flags & 0xf7) != 0x10) /* ACK, perhaps PSH, and no other */
		return false;
	if (!f->off.csum_valid) {
		l4_put_u32(tail, v->len - v->l4);
		tail[7] = PROTO_TCP;
		sum = l4_csum_partial(tail, 8, sum);
		if (l4_csum_fold(l4_csum_partial(tcp, v->len - v->l4, sum)))
			return false;
	}
	return true;
}

/* Whether b continues the frame that began with a and now holds `have` bytes of payload. */
static bool follows(const struct view *a, uint32_t have, const struct view *b)
{
	if (a->l4 != b->l4 || a->hdr != b->hdr || b->seq != a->seq + have ||
	    b->payload > a->payload || a->hdr - a->l3 + have + b->payload > IP_MAX)
		return false;
	const uint8_t *x = a->p + a->l3, *y = b->p + b->l3;
	if (memcmp(a->p, b->p, a->l3))
		return false;
	if (x[0] == 0x45) {
		if (x[1] != y[1] || memcmp(x + 6, y + 6, 4) || memcmp(x + 12, y + 12, 8))
			return false;
	} else if (memcmp(x, y, 4) || memcmp(x + 6, y + 6, 34)) {
		return false;
	}
	x = a->p + a->l4;
	y = b->p + b->l4;
	return !memcmp(x, y, 4) && !memcmp(x + 8, y + 8, 5) && !memcmp(x + 14, y + 14, 2) &&
	       !memcmp(x + 18, y + 18, a->hdr - a->l4 - 18);
}

/* Writes the header of a frame whose payload grew to `have` bytes. */
static void finish(struct view *a, uint32_t have, uint8_t flags)
{
	uint8_t *ip = a->p + a->l3;
	uint32_t total = a->hdr - a->l3 + have;
	a->p[a->l4 + 13] = flags;
	if (ip[0] == 0x45) {
		l4_put_u16(ip + 2, (uint16_t)total);
		memset(ip + 10, 0, 2);
		uint16_t c = l4_csum_fold(l4_csum_partial(ip, 20, 0));
		memcpy(ip + 10, &c, 2);
	} else {
		l4_put_u16(ip + 4, (uint16_t)(total - 40));
	}
}

size_t l4_gro_join(enum l4_medium medium, const struct l4_frame *in, size_t n, struct l4_frame *out,
    struct l4_piece *pool, size_t pool_n)
{
	size_t n_out = 0, used = 0;
	struct view head = { 0 };
	uint32_t have = 0; /* payload of the open frame; 0: none is open */
	uint8_t flags = 0;
	for (size_t i = 0; i < n; i++) {
		struct view v;
		bool ok = look(medium, &in[i], &v) && used < pool_n;
		if (ok && have && follows(&head, have, &v)) {
			struct l4_frame *o = &out[n_out - 1];
			pool[used].data = v.p + v.hdr;
			pool[used++].len = v.payload;
			o->n_pieces++;
			o->len += v.payload;
			o->time = in[i].time;
			have += v.payload;
			flags |= v.flags;
			o->off.csum_valid = true;
			o->off.gso_type = v.p[v.l3] == 0x45 ? L4_GSO_TCPV4 : L4_GSO_TCPV6;
			o->off.gso_size = (uint16_t)head.payload;
			o->off.hdr_len = (uint16_t)head.hdr;
			o->off.csum_start = (uint16_t)head.l4;
			o->off.csum_offset = 16;
			if (v.payload < head.payload || (v.flags & 8)) {
				finish(&head, have, flags);
				have = 0;
			}
			continue;
		}
		if (have && out[n_out - 1].n_pieces > 1)
			finish(&head, have, flags);
		have = 0;
		out[n_out] = in[i];
		if (ok) {
			pool[used] = in[i].pieces[0];
			out[n_out].pieces = &pool[used++];
			if (!(v.flags & 8)) {
				head = v;
				have = v.payload;
				flags = v.flags;
			}
		}
		n_out++;
	}
	if (have && out[n_out - 1].n_pieces > 1)
		finish(&head, have, flags);
	return n_out;
}
