/* A TCP segment as frames: headers in the frame's own head, pieces that point into send buffers.
 *
 * Where the device completes checksums the field holds the pseudo-header's sum (as virtio_net_hdr
 * wants it), else the sum is made here over the pieces. A pulled segment may be longer than the
 * device takes (l4_seg_out.gso_size): what TCP decided once is then written once, and each frame
 * gets a copy of the first's headers with its own length, sequence number, identification and
 * checksums, so that the work a frame is little more than its payload's sum. */
#include "host/host.h"

#include <assert.h>
#include <string.h>

#include "base/csum.h"
#include "base/cursor.h"

/* Sums of one segment's headers without what differs from frame to frame. */
struct tmpl {
	uint32_t link, ip_len, tcp_len; /* bytes of each header */
	bool ip4;
	uint64_t ip_sum;  /* IPv4 header without total length and identification */
	uint64_t tcp_sum; /* pseudo-header without length, TCP header without sequence number and
			   * the word of the flags */
};

static uint64_t word16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}

static uint64_t word32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

static uint64_t be16(uint32_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	return word16(b);
}

/* To 16 bits and complemented, as l4_csum_fold, of any sum that did not overflow. */
static uint16_t fold(uint64_t s)
{
	return (uint16_t)~l4_csum_fold32(l4_csum_fold64(s));
}

static void emit_ip4(struct l4_host *h, const struct l4_seg_out *o, uint8_t *b, struct tmpl *t)
{
	uint8_t fixed[12] = { 0x45, o->tos, 0, 0, 0, 0, o->df ? 0x40 : 0, 0,
		o->ttl ? o->ttl : h->ip.ttl, L4_PROTO_TCP, 0, 0 };
	memcpy(b, fixed, 12);
	memcpy(b + 12, o->src.addr.b + 12, 4);
	memcpy(b + 16, o->dst.addr.b + 12, 4);
	t->ip_sum = word16(b) + word16(b + 6) + word16(b + 8) + word32(b + 12) + word32(b + 16);
	t->tcp_sum = word32(b + 12) + word32(b + 16);
}

static void emit_ip6(struct l4_host *h, const struct l4_seg_out *o, uint8_t *b, struct tmpl *t)
{
	struct l4_ip6_hdr v6 = { .tclass = o->tos,
		.flow = o->flow_label,
		.next = L4_PROTO_TCP,
		.hop_limit = o->ttl ? o->ttl : h->ip.ttl,
		.src = o->src.addr,
		.dst = o->dst.addr };
	(void)l4_ip6_emit(&v6, b, L4_IP6_HDR_LEN);
	for (unsigned i = 8; i < L4_IP6_HDR_LEN; i += 4)
		t->tcp_sum += word32(b + i);
}

/* The headers of the first frame, but for lengths, identification and checksums. */
static bool begin(struct l4_host *h, const struct l4_if *ifp, const struct l4_seg_out *o,
    const struct l4_mac *to, uint8_t *b, struct tmpl *t)
{
	*t = (struct tmpl){ .link = ifp->eth ? L4_ETH_HDR_LEN : 0,
		.ip4 = l4_addr_is_ip4(&o->dst.addr) };
	t->ip_len = t->ip4 ? L4_IP4_HDR_LEN : L4_IP6_HDR_LEN;
	if (t->link) {
		memcpy(b, to->b, 6);
		memcpy(b + 6, ifp->mac.b, 6);
		l4_put_u16(b + 12, t->ip4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6);
		b += t->link;
	}
	int len = l4_tcp_emit(&o->h, b + t->ip_len, L4_TCP_HDR_LEN_MAX);
	if (len < 0)
		return false;
	t->tcp_len = (uint32_t)len;
	if (t->ip4)
		emit_ip4(h, o, b, t);
	else
		emit_ip6(h, o, b, t);
	const uint8_t *tcp = b + t->ip_len;
	t->tcp_sum += be16(L4_PROTO_TCP) + word32(tcp) + word32(tcp + 8) + word16(tcp + 14) +
		      word16(tcp + 18);
	for (uint32_t i = L4_TCP_HDR_LEN; i < t->tcp_len; i += 4)
		t->tcp_sum += word32(tcp + i);
	return true;
}

/* Lengths, identification and the IPv4 header's checksum, for len bytes of payload. */
__attribute__((always_inline)) static inline void finish_ip(struct l4_host *h,
    const struct l4_seg_out *o, const struct tmpl *t, uint8_t *ip, uint32_t len, uint32_t i)
{
	if (!t->ip4) {
		l4_put_u16(ip + 4, (uint16_t)(t->tcp_len + len));
		return;
	}
	/* RFC 6864 4.1: with DF it identifies nothing; it counts within the connection only, so
	 * that it tells nobody else anything */
	uint16_t id = o->df ? (uint16_t)(o->ip_id + i)
			    : l4_ip4_next_id(&h->ip, &o->src.addr, &o->dst.addr, L4_PROTO_TCP);
	l4_put_u16(ip + 2, (uint16_t)(t->ip_len + t->tcp_len + len));
	l4_put_u16(ip + 4, id);
	uint16_t csum = fold(t->ip_sum + word32(ip + 2));
	memcpy(ip + 10, &csum, 2);
}

/* Where the payload goes on. */
struct cut {
	uint32_t piece, at;
};

/* Lends the next len bytes of payload to the frame; returns their sum if it is wanted. */
static uint32_t lend(
    struct l4_tx_frame *t, const struct l4_seg_out *o, struct cut *c, uint32_t len, bool sum)
{
	const struct l4_piece *p = &o->pieces[c->piece];
	if (len && p->len - c->at >= len) { /* as it mostly is: one piece */
		const uint8_t *data = (const uint8_t *)p->data + c->at;
		t->pieces[1] = (struct l4_piece){ data, len };
		t->f.n_pieces = 2;
		uint32_t s = sum ? l4_sndbuf_sum(o->chunk[c->piece], data, len) : 0;
		c->at += len;
		if (c->at == p->len) {
			c->piece++;
			c->at = 0;
		}
		return s;
	}
	uint32_t done = 0, total = 0, n = 1;
	while (done < len) {
		p = &o->pieces[c->piece];
		uint32_t take = (uint32_t)p->len - c->at;
		if (take > len - done)
			take = len - done;
		const uint8_t *data = (const uint8_t *)p->data + c->at;
		t->pieces[n++] = (struct l4_piece){ data, take };
		if (sum) {
			uint32_t s = l4_sndbuf_sum(o->chunk[c->piece], data, take);
			total = done ? l4_csum_add(total, s, done) : s;
		}
		done += take;
		c->at += take;
		if (c->at == p->len) {
			c->piece++;
			c->at = 0;
		}
	}
	t->f.n_pieces = n;
	return total;
}

static void start(struct l4_tx_frame *t, const struct l4_seg_out *o, uint32_t head, uint32_t len)
{
	t->pieces[0] = (struct l4_piece){ t->head, head };
	t->f = (struct l4_frame){
		.pieces = t->pieces, .n_pieces = 1, .len = head + len, .why = o->why
	};
}

/* One frame for all of it, which the device completes. */
static void offloaded(
    struct l4_host *h, struct l4_tx_frame *t, const struct l4_seg_out *o, const struct tmpl *m)
{
	struct cut c = { 0, 0 };
	uint32_t head = m->link + m->ip_len;
	uint8_t *tcp = t->head + head;
	start(t, o, head + m->tcp_len, o->len);
	finish_ip(h, o, m, t->head + m->link, o->len, 0);
	(void)lend(t, o, &c, o->len, false);
	uint16_t sum = (uint16_t)~l4_csum_fold(
	    l4_csum_pseudo(&o->src.addr, &o->dst.addr, L4_PROTO_TCP, m->tcp_len + o->len));
	memcpy(tcp + 16, &sum, 2);
	struct l4_offload *off = &t->f.off;
	off->needs_csum = true;
	off->csum_start = (uint16_t)head;
	off->csum_offset = 16;
	if (o->gso_size && o->len > o->gso_size) {
		off->gso_type = m->ip4 ? L4_GSO_TCPV4 : L4_GSO_TCPV6;
		off->gso_size = o->gso_size;
		off->hdr_len = (uint16_t)(head + m->tcp_len);
		off->gso_ecn = (o->h.flags & L4_TCPF_CWR) != 0;
	}
}

/* Frame i: its own sequence number, flags, length and checksums over a copy of the headers. */
static void part(struct l4_host *h, const struct l4_if *ifp, struct l4_tx_frame *t,
    const struct l4_seg_out *o, const struct tmpl *m, struct cut *c, uint32_t off, uint32_t len,
    uint32_t i)
{
	uint32_t head = m->link + m->ip_len;
	uint8_t *tcp = t->head + head;
	bool last = off + len == o->len, csum = !ifp->conf.caps.tx_csum;
	start(t, o, head + m->tcp_len, len);
	if (!last && t->f.why.code == L4_WHY_DATA_FIN)
		t->f.why.code = L4_WHY_DATA;
	t->f.why.b += off;
	finish_ip(h, o, m, t->head + m->link, len, i);
	l4_put_u32(tcp + 4, o->h.seq + off);
	if (!last)
		tcp[13] &= (uint8_t) ~(L4_TCPF_PSH | L4_TCPF_FIN);
	uint32_t payload = lend(t, o, c, len, csum);
	if (csum) {
		uint16_t sum = fold(m->tcp_sum + be16(m->tcp_len + len) + word32(tcp + 4) +
				    word16(tcp + 12) + payload);
		memcpy(tcp + 16, &sum, 2);
		return;
	}
	uint16_t sum = (uint16_t)~l4_csum_fold(
	    l4_csum_pseudo(&o->src.addr, &o->dst.addr, L4_PROTO_TCP, m->tcp_len + len));
	memcpy(tcp + 16, &sum, 2);
	t->f.off.needs_csum = true;
	t->f.off.csum_start = (uint16_t)head;
	t->f.off.csum_offset = 16;
}

/* n bytes of headers at least; a length that is known is a few moves. */
static void copy_head(uint8_t *to, const uint8_t *from, uint32_t n)
{
	static_assert(L4_FRAME_HEAD >= 64, "room for the usual headers and a little more");
	memcpy(to, from, 64);
	if (n > 64)
		memcpy(to + 64, from + 64, n - 64);
}

size_t l4_tx_build(struct l4_host *h, const struct l4_if *ifp, struct l4_tx_frame *t, size_t n,
    const struct l4_seg_out *o, const struct l4_mac *to)
{
	struct tmpl m;
	struct cut c = { 0, 0 };
	if (!begin(h, ifp, o, to, t->head, &m))
		return 0;
	if (ifp->conf.caps.tx_csum && !o->split) {
		offloaded(h, t, o, &m);
		return 1;
	}
	uint32_t size = o->split ? o->gso_size : o->len, off = 0, i = 0;
	do {
		uint32_t len = o->len - off < size ? o->len - off : size;
		if (i)
			copy_head(t[i].head, t[0].head, m.link + m.ip_len + m.tcp_len);
		if (i && off + len == o->len) /* the first frame's were taken away */
			t[i].head[m.link + m.ip_len + 13] = (uint8_t)o->h.flags;
		part(h, ifp, &t[i], o, &m, &c, off, len, i);
		off += len;
		i++;
	} while (off < o->len && i < n);
	return i;
}
