/* A short TCP segment over IPv4 as a frame: the usual one, in one go.
 *
 * build.c serves any segment, and most of what it does is for runs of frames. One with at most one
 * piece of payload and no option but timestamps has headers of one form: ten or thirteen words,
 * made in registers, summed there, and stored once. */
#include "host/host.h"

#include <string.h>

#include "base/csum.h"
#include "base/cursor.h"

#define NOP_NOP_TS 0x0101080au

/* Of words as they read, in any order of bytes of the machine. */
static uint16_t fold(uint64_t s)
{
	return l4_csum_fold32(l4_csum_fold64(s));
}

/* A sum of bytes as they lie in memory, as one of words as they read. */
static uint16_t as_read(uint32_t sum)
{
	uint16_t s = l4_csum_fold32(sum);
	uint8_t b[2];
	memcpy(b, &s, 2);
	return l4_get_u16(b);
}

/* Two words at once, as they are read when they are summed: a load that spans two stores waits
 * until both have left the processor. */
static void put_two(uint8_t *b, uint32_t first, uint32_t second)
{
	uint64_t v = (uint64_t)first << 32 | second;
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		v = __builtin_bswap64(v);
	memcpy(b, &v, 8);
}

static uint64_t emit_ip(
    const struct l4_host *h, const struct l4_seg_out *o, uint8_t *b, uint32_t len)
{
	uint32_t word[5] = { 0x45000000u | (uint32_t)o->tos << 16 | len,
		(uint32_t)o->ip_id << 16 | 0x4000, /* RFC 6864 4.1: with DF it identifies nothing */
		(uint32_t)(o->ttl ? o->ttl : h->ip.ttl) << 24 | (uint32_t)L4_PROTO_TCP << 16,
		l4_get_u32(o->src.addr.b + 12), l4_get_u32(o->dst.addr.b + 12) };
	uint64_t addrs = (uint64_t)word[3] + word[4];
	uint16_t sum = fold(addrs + word[0] + word[1] + word[2]);
	put_two(b, word[0], word[1]);
	l4_put_u32(b + 8, word[2] | (uint16_t)~sum);
	put_two(b + 12, word[3], word[4]);
	return addrs;
}

bool l4_tx_short(struct l4_host *h, const struct l4_if *ifp, struct l4_tx_frame *t,
    const struct l4_seg_out *o, const struct l4_mac *to)
{
	const struct l4_tcp_hdr *th = &o->h;
	uint32_t present = th->opts.present, link = ifp->eth ? L4_ETH_HDR_LEN : 0;
	if (o->split || o->n_pieces > 1 || (present & ~(uint32_t)L4_TCPO_TS) || !o->df ||
	    ifp->conf.caps.tx_csum || !l4_addr_is_ip4(&o->dst.addr))
		return false;
	uint8_t *b = t->head;
	if (link) {
		memcpy(b, to->b, 6);
		memcpy(b + 6, ifp->mac.b, 6);
		l4_put_u16(b + 12, L4_ETHERTYPE_IP4);
		b += L4_ETH_HDR_LEN;
	}
	uint32_t hdr = present ? 32 : 20;
	uint64_t sum = emit_ip(h, o, b, L4_IP4_HDR_LEN + hdr + o->len);
	b += L4_IP4_HDR_LEN;
	uint32_t ports = (uint32_t)th->sport << 16 | th->dport;
	uint32_t ctl = (hdr / 4 << 12 | (th->flags & 0x1ffu)) << 16 | th->wnd;
	sum += (uint64_t)L4_PROTO_TCP + hdr + o->len + ports + th->seq + th->ack + ctl + th->urg;
	put_two(b, ports, th->seq);
	put_two(b + 8, th->ack, ctl);
	if (present) {
		sum += (uint64_t)NOP_NOP_TS + th->opts.ts_val + th->opts.ts_ecr;
		l4_put_u32(b + 20, NOP_NOP_TS);
		put_two(b + 24, th->opts.ts_val, th->opts.ts_ecr);
	}
	t->pieces[0] = (struct l4_piece){ t->head, link + L4_IP4_HDR_LEN + hdr };
	if (o->len) {
		t->pieces[1] = (struct l4_piece){ o->pieces[0].data, o->len };
		sum += as_read(l4_sndbuf_sum(o->chunk[0], o->pieces[0].data, o->len));
	}
	l4_put_u32(b + 16, (uint32_t)(uint16_t)~fold(sum) << 16 | th->urg);
	t->f = (struct l4_frame){ .pieces = t->pieces,
		.n_pieces = 1 + !!o->len,
		.len = link + L4_IP4_HDR_LEN + hdr + o->len,
		.why = o->why };
	return true;
}
