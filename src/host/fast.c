/* The short way in: a plain TCP segment over IPv4 of a connection that was found before.
 *
 * The first segment of a connection takes the long way (rx.c, ip/input.c), where every check is
 * made: whose addresses these are, whether they may come in here, which connection they belong to.
 * What was found is noted under the twelve bytes of addresses and ports as they stand on the wire
 * (struct l4_tcp_flow), and stays true until addresses, routes or links change (ip.gen). A frame
 * with those bytes then needs only what is its own looked at: lengths, fragment fields, flags,
 * options, checksums. Anything but ACK and PSH, any option but timestamps, anything wrong or odd
 * goes the long way, which knows its name.
 *
 * The table of flows is a plain cache of few lines: whoever makes its entries fight costs the long
 * way, no more. */
#include "host/host.h"

#include <string.h>

#include "base/csum.h"
#include "base/cursor.h"

#define PIECES_MAX 8u
#define NOP_NOP_TS 0x0101080au
#define LEN_MAX    65535u
#define LAND_LEAST 128u

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

/* What the frame says, once it is known to be plain. */
struct plain {
	const uint8_t *tcp;
	uint32_t off; /* of the payload, from the frame's first byte */
	uint32_t len; /* payload bytes */
	uint32_t tcp_len;
	bool ts;
	uint32_t n; /* pieces of payload */
	struct l4_piece piece[PIECES_MAX];
};

/* The first eight bytes of a plain IPv4 header: version and length; no fragment (DF may be set). */
static const uint8_t ip_is[8] = { 0x45 }, ip_mask[8] = { 0xff, 0, 0, 0, 0, 0, 0xbf, 0xff };

/* The link header is ours; the IPv4 and TCP headers have nothing special and lie in one run. */
static bool is_plain(const struct l4_if *ifp, const struct l4_frame *f, struct plain *k)
{
	const uint8_t *p = f->pieces[0].data;
	size_t near = f->pieces[0].len;
	uint32_t link = ifp->eth ? L4_ETH_HDR_LEN : 0;
	if (near < link + 40 || f->len < link + 40)
		return false;
	if (ifp->eth && (memcmp(p, ifp->mac.b, 6) != 0 || (p[6] & 1) || p[12] != 8 || p[13] != 0))
		return false;
	p += link;
	uint32_t total = l4_get_u16(p + 2);
	if ((load64(p) & load64(ip_mask)) != load64(ip_is) || p[9] != L4_PROTO_TCP ||
	    total > f->len - link)
		return false;
	if (f->off.gso_type == L4_GSO_NONE ? total > ifp->mtu : f->off.gso_type != L4_GSO_TCPV4)
		return false;
	const uint8_t *t = p + L4_IP4_HDR_LEN;
	k->ts = t[12] == 0x80; /* header lengths 20 and 32 */
	if ((!k->ts && t[12] != 0x50) || (t[13] & ~(unsigned)L4_TCPF_PSH) != L4_TCPF_ACK)
		return false;
	k->tcp_len = k->ts ? 32 : 20;
	if (total < L4_IP4_HDR_LEN + k->tcp_len || near < link + L4_IP4_HDR_LEN + k->tcp_len)
		return false;
	if (k->ts && l4_get_u32(t + 20) != NOP_NOP_TS)
		return false;
	k->tcp = t;
	k->off = link + L4_IP4_HDR_LEN + k->tcp_len;
	k->len = total - L4_IP4_HDR_LEN - k->tcp_len;
	return true;
}

/* Where the payload lies; false: not all of it is there. */
static bool gather(const struct l4_frame *f, struct plain *k)
{
	uint32_t skip = k->off, left = k->len, i = 0;
	k->n = 0;
	if (skip == f->pieces[0].len) { /* as hosts make them */
		if (f->n_pieces == 2 && f->pieces[1].len == left) {
			k->piece[0] = f->pieces[1];
			k->n = !!left;
			return true;
		}
		skip = 0;
		i = 1;
	}
	for (; left && i < f->n_pieces; i++) {
		const uint8_t *p = f->pieces[i].data;
		size_t n = f->pieces[i].len;
		if (skip >= n) {
			skip -= (uint32_t)n;
			continue;
		}
		n -= skip;
		if (n > left)
			n = left;
		k->piece[k->n++] = (struct l4_piece){ p + skip, n };
		left -= (uint32_t)n;
		skip = 0;
	}
	return !left;
}

/* The halves of eight bytes, as words to be summed. */
static uint64_t words(const uint8_t *p)
{
	uint64_t v = load64(p);
	return (v & 0xffffffff) + (v >> 32);
}

/* Whether it is the sum of a message with a right checksum. */
static bool is_right(uint64_t s)
{
	return l4_csum_fold32(l4_csum_fold64(s)) == 0xffff;
}

/* Both checksums (RFC 1122 3.2.1.2, RFC 9293 3.1). The payload is copied to `to`, if any, by the
 * way: the caller believes what stands there only when the sums are right. */
static bool sums_right(
    const struct l4_if *ifp, const struct l4_frame *f, const struct plain *k, uint8_t *to)
{
	const uint8_t *ip = k->tcp - L4_IP4_HDR_LEN, *t = k->tcp;
	uint64_t addrs = words(ip + 12);
	if (!is_right(addrs + words(ip) + load32(ip + 8)))
		return false;
	if (ifp->conf.caps.rx_csum && (f->off.csum_valid || f->off.needs_csum)) {
		for (uint32_t i = 0; to && i < k->n; to += k->piece[i++].len)
			memcpy(to, k->piece[i].data, k->piece[i].len);
		return true;
	}
	uint8_t tail[4] = { 0, L4_PROTO_TCP, 0, 0 };
	l4_put_u16(tail + 2, (uint16_t)(k->tcp_len + k->len));
	uint64_t s = addrs + load32(tail) + words(t) + words(t + 8) + load32(t + 16);
	if (k->ts)
		s += load32(t + 20) + words(t + 24);
	if (k->n == 1) {
		const struct l4_piece *p = &k->piece[0];
		return is_right(s + (to ? l4_csum_copy(to, p->data, k->len, 0)
					: l4_csum_partial(p->data, k->len, 0)));
	}
	uint32_t done = 0;
	for (uint32_t i = 0; i < k->n; i++) {
		const struct l4_piece *p = &k->piece[i];
		uint32_t part = to ? l4_csum_copy(to + done, p->data, p->len, 0)
				   : l4_csum_partial(p->data, p->len, 0);
		s += done & 1 ? l4_csum_add(0, part, 1) : part;
		done += (uint32_t)p->len;
	}
	return is_right(s);
}

/* Pieces that touch in memory, as a link within one process may hand them over, become one. */
static inline void add_pieces(struct l4_gro_slot *g, const struct plain *k)
{
	struct l4_piece *last = g->seg.n_pieces ? &g->pieces[g->seg.n_pieces - 1] : NULL;
	for (uint32_t i = 0; i < k->n; i++) {
		if (last && (const uint8_t *)last->data + last->len == k->piece[i].data) {
			last->len += k->piece[i].len;
			continue;
		}
		last = &g->pieces[g->seg.n_pieces++];
		*last = k->piece[i];
	}
}

/* The segment for the stack. Options that are not there are left as they are: opts.present tells.
 */
static void fill(struct l4_seg *s, const struct l4_tcp_flow *w, const struct plain *k, l4_time time)
{
	const uint8_t *ip = k->tcp - L4_IP4_HDR_LEN, *t = k->tcp;
	s->src = w->remote;
	s->dst = w->local;
	s->h.sport = l4_get_u16(t);
	s->h.dport = l4_get_u16(t + 2);
	s->h.seq = l4_get_u32(t + 4);
	s->h.ack = l4_get_u32(t + 8);
	s->h.flags = t[13];
	s->h.wnd = l4_get_u16(t + 14);
	s->h.urg = 0;
	s->h.hdr_len = (uint8_t)k->tcp_len;
	s->h.opts.sack_n = s->h.opts.accecn_n = 0;
	s->h.opts.present = k->ts ? L4_TCPO_TS : 0;
	if (k->ts) {
		s->h.opts.ts_val = l4_get_u32(t + 24);
		s->h.opts.ts_ecr = l4_get_u32(t + 28);
	}
	s->n_pieces = 0;
	s->landed = NULL;
	s->skip = 0;
	s->len = k->len;
	s->tos = ip[1];
	s->ttl = ip[8];
	s->ifindex = w->ifindex;
	s->n_segs = 1;
	s->time = time;
	s->flow_gen = 0; /* noted already */
}

/* Of a TCP header what is the same from one segment of a run to the next: ACK, header length, flags
 * but PSH, window. */
static uint64_t kind(const uint8_t *t)
{
	static const uint8_t mask[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff & ~L4_TCPF_PSH, 0xff,
		0xff };
	return load64(t + 8) & load64(mask);
}

/* Whether the frame goes on where the slot's segment ends, and differs in nothing else. */
static bool goes_on(const struct l4_gro_slot *g, const struct plain *k)
{
	const uint8_t *ip = k->tcp - L4_IP4_HDR_LEN, *t = k->tcp;
	return !g->ends && l4_get_u32(t + 4) == g->next_seq && kind(t) == g->kind &&
	       ip[1] == g->seg.tos && ip[8] == g->seg.ttl && k->len <= g->seg_len &&
	       g->seg.len + k->len <= LEN_MAX && g->seg.n_pieces + k->n <= L4_GRO_PIECES &&
	       (!k->ts || load64(t + 24) == g->ts);
}

static uint16_t segments(const struct l4_frame *f, uint32_t len)
{
	uint32_t size = f->off.gso_size;
	return size && len > size ? (uint16_t)((len + size - 1) / size) : 1;
}

static bool is_of(const struct l4_tcp_flow *w, uint64_t addrs, uint32_t ports)
{
	return w->c && w->addrs == addrs && w->ports == ports;
}

static void count(struct l4_host *h, const struct l4_frame *f)
{
	h->c.rx_frames++;
	h->c.rx_bytes += f->len;
	h->c.ip_in++;
}

/* Posted memory for the payload of a segment that begins a run (l4_tcp_stack_landing). */
static void find_landing(struct l4_gro_slot *g, const struct l4_tcp *c, const struct plain *k)
{
	/* a short payload is copied as fast as it is asked where to */
	g->land = k->len > LAND_LEAST
		      ? l4_tcp_stack_landing(c, l4_get_u32(k->tcp + 4), &g->land_room)
		      : NULL;
	if (g->land && k->len > g->land_room)
		g->land = NULL;
}

/* The payload has landed; the next goes behind it. Returns where. */
static const uint8_t *landed(struct l4_gro_slot *g, uint32_t len)
{
	uint8_t *at = g->land;
	if (at) {
		g->land += len;
		g->land_room -= len;
	}
	return at;
}

bool l4_rx_fast(struct l4_host *h, struct l4_if *ifp, const struct l4_frame *f, l4_time now)
{
	struct plain k;
	if (!f->n_pieces || f->n_pieces > PIECES_MAX || !is_plain(ifp, f, &k))
		return false;
	const uint8_t *key = k.tcp - 8;
	uint64_t addrs = load64(key);
	uint32_t ports = load32(key + 8);
	struct l4_tcp_flow *w = &h->flow[l4_tcp_flow_index(addrs, ports)];
	if (!is_of(w, addrs, ports) || w->gen != h->ip.gen || w->ifindex != ifp->index ||
	    !gather(f, &k))
		return false;
	struct l4_gro_slot *g = &h->gro[w->slot];
	bool join = g->used && k.len && g->c == w->c && goes_on(g, &k) &&
		    (!g->land || k.len <= g->land_room);
	if (g->used && !join) {
		l4_gro_flush_slot(h, w->slot, now);
		/* That may have ended the connection, or noted another one's flow here. */
		if (!is_of(w, addrs, ports))
			return false;
	}
	if (!join)
		find_landing(g, w->c, &k);
	if (!sums_right(ifp, f, &k, g->land))
		return false;
	count(h, f);
	l4_time time = f->time && f->time <= now ? f->time : now;
	if (join) {
		add_pieces(g, &k);
		g->seg.len += k.len;
		g->seg.n_segs++;
		g->seg.h.flags |= k.tcp[13];
		g->seg.time = time;
		g->next_seq += k.len;
		g->ends = k.len < g->seg_len || (k.tcp[13] & L4_TCPF_PSH) || f->off.gso_size;
		(void)landed(g, k.len);
		return true;
	}
	if (!k.len || (k.tcp[13] & L4_TCPF_PSH)) { /* nothing will be joined to it */
		struct l4_seg *s = &h->alone;
		fill(s, w, &k, time);
		s->pieces = k.piece;
		s->n_pieces = k.n;
		s->lent = h->lending;
		s->landed = g->land;
		s->n_segs = segments(f, k.len);
		l4_tcp_stack_input_flow(h->tcp, w->c, s, now);
		return true;
	}
	fill(&g->seg, w, &k, time);
	g->seg.lent = h->lending;
	g->seg.landed = landed(g, k.len);
	g->seg.pieces = g->pieces;
	add_pieces(g, &k);
	g->seg.n_segs = segments(f, k.len);
	g->c = w->c;
	g->flow = w;
	g->kind = kind(k.tcp);
	g->ts = k.ts ? load64(k.tcp + 24) : 0;
	g->next_seq = g->seg.h.seq + k.len;
	g->seg_len = k.len;
	g->ends = g->seg.n_segs > 1;
	g->used = true;
	h->gro_used |= 1u << w->slot;
	return true;
}
