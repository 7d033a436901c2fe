/* Example of <layer4/device.h>: a device of one's own, here a box that gives back what it was
 * given, and the edge that cuts a super-frame into what a wire can carry. */
#include <layer4/device.h>

#include <stdio.h>
#include <string.h>

struct box {
	struct l4_device d; /* first: the library sees this */
	unsigned char bytes[2][1600];
	struct l4_piece pieces[2];
	int n;
};

static int box_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct box *b = (struct box *)d;
	(void)now;
	for (size_t i = 0; i < n; i++) {
		struct l4_gso g;
		int len = 1;
		if (b->n + (int)l4_gso_parts(&frames[i]) > 2)
			return (int)i; /* full: the rest is offered again later */
		l4_gso_begin(&g, &frames[i]);
		while ((len = l4_gso_next(&g, b->bytes[b->n], sizeof b->bytes[0])) > 0) {
			b->pieces[b->n].data = b->bytes[b->n];
			b->pieces[b->n++].len = (size_t)len;
		}
	}
	return (int)n;
}

static int box_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct box *b = (struct box *)d;
	int n = 0;
	for (; n < b->n && (size_t)n < max; n++) {
		memset(&out[n], 0, sizeof out[n]);
		out[n].pieces = &b->pieces[n];
		out[n].n_pieces = 1;
		out[n].len = (unsigned)b->pieces[n].len;
		out[n].time = now;
	}
	b->n = 0;
	return n;
}

static const struct l4_device_ops box_ops = { "box", box_rx, box_tx, 0, 0, 0, 0, 0 };

int main(void)
{
	/* An IPv4 packet with 2,000 bytes of TCP payload, as a host sends it: checksum to be
	 * finished, to be cut at 1,448. Fields that cutting rewrites are left out. */
	static unsigned char head[40] = { 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1,
		192, 0, 2, 2, 0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0 };
	static unsigned char payload[2000];
	struct l4_piece pieces[2] = { { head, sizeof head }, { payload, sizeof payload } };
	struct l4_frame f, got[4];
	struct box b;

	memset(&b, 0, sizeof b);
	b.d.ops = &box_ops;
	memset(&f, 0, sizeof f);
	f.pieces = pieces;
	f.n_pieces = 2;
	f.len = 2040;
	f.off.needs_csum = true;
	f.off.csum_start = 20;
	f.off.csum_offset = 16;
	f.off.gso_type = L4_GSO_TCPV4;
	f.off.gso_size = 1448;
	f.off.hdr_len = 40;

	int taken = b.d.ops->tx(&b.d, &f, 1, 0);
	int again = b.d.ops->tx(&b.d, &f, 1, 0); /* no room */
	int n = b.d.ops->rx(&b.d, got, 4, 5 * L4_MSEC);
	for (int i = 0; i < n; i++)
		printf("frame of %u bytes, sequence number byte %u\n", got[i].len,
		    ((const unsigned char *)got[i].pieces[0].data)[26] * 256u +
			((const unsigned char *)got[i].pieces[0].data)[27]);
	return !(taken == 1 && again == 0 && n == 2 && got[0].len == 1488 && got[1].len == 592);
}
