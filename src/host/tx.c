/* Frames out: first the small ones that wait, then what TCP has, built at the moment it is pulled.
 *
 * A TCP frame is headers in the frame's own head and pieces that point into send buffers. Where the
 * device completes checksums the field holds the pseudo-header's sum (as virtio_net_hdr wants it),
 * else the sum is made here over the pieces. */
#include "host/host.h"

#include <string.h>

#include "base/cursor.h"

static void start(struct l4_tx_frame *t, uint32_t head_len)
{
	t->pieces[0] = (struct l4_piece){ t->head, head_len };
	t->f = (struct l4_frame){ .pieces = t->pieces, .n_pieces = 1, .len = head_len };
}

/* A small frame. Its memory stays till the next call when it does not fit the head. */
static void from_pkt(struct l4_host *h, struct l4_tx_frame *t, struct l4_pkt *p)
{
	const uint8_t *b = l4_pkt_bytes(p);
	uint32_t head = p->len <= L4_FRAME_HEAD ? p->len : p->hdr_len;
	memcpy(t->head, b, head);
	start(t, head);
	t->f.why = p->why;
	if (head == p->len) {
		l4_pkt_free(&h->ip, p, 0);
		return;
	}
	t->pieces[1] = (struct l4_piece){ b + head, p->len - head };
	t->f.n_pieces = 2;
	t->f.len = p->len;
	if (p->ep)
		h->ip.env.pkt_done(h->ip.env.ctx, p->ep, p->size, 0);
	p->ep = 0;
	l4_pktq_push(&h->ip.spent, p);
}

/* IP and TCP headers at b; returns their length. The TCP checksum field is zero. */
static uint32_t headers(struct l4_host *h, const struct l4_seg_out *o, uint8_t *b, uint32_t *ip_len)
{
	bool ip4 = l4_addr_is_ip4(&o->dst.addr);
	uint32_t ip_hdr = ip4 ? L4_IP4_HDR_LEN : L4_IP6_HDR_LEN;
	int tcp_hdr = l4_tcp_emit(&o->h, b + ip_hdr, L4_TCP_HDR_LEN_MAX);
	if (tcp_hdr < 0)
		return 0;
	uint8_t ttl = o->ttl ? o->ttl : h->ip.ttl;
	*ip_len = ip_hdr;
	if (ip4) {
		struct l4_ip4_hdr v4 = { .tos = o->tos,
			.total_len = (uint16_t)(ip_hdr + (uint32_t)tcp_hdr + o->len),
			.id = o->df ? (uint16_t)l4_rng_u32(&h->rng)
				    : l4_ip4_next_id(
					  &h->ip, &o->src.addr, &o->dst.addr, L4_PROTO_TCP),
			.df = o->df,
			.ttl = ttl,
			.proto = L4_PROTO_TCP,
			.src = o->src.addr,
			.dst = o->dst.addr };
		(void)l4_ip4_emit(&v4, b, ip_hdr);
	} else {
		struct l4_ip6_hdr v6 = { .tclass = o->tos,
			.flow = o->flow_label,
			.payload_len = (uint16_t)((uint32_t)tcp_hdr + o->len),
			.next = L4_PROTO_TCP,
			.hop_limit = ttl,
			.src = o->src.addr,
			.dst = o->dst.addr };
		(void)l4_ip6_emit(&v6, b, ip_hdr);
	}
	return ip_hdr + (uint32_t)tcp_hdr;
}

static void store_csum(uint8_t *tcp, uint16_t csum)
{
	memcpy(tcp + 16, &csum, 2);
}

/* The whole checksum, when nobody else makes it. */
static void full_checksum(const struct l4_seg_out *o, uint8_t *tcp, uint32_t tcp_hdr)
{
	uint32_t sum = l4_csum_pseudo(&o->src.addr, &o->dst.addr, L4_PROTO_TCP, tcp_hdr + o->len);
	sum = l4_csum_partial(tcp, tcp_hdr, sum);
	uint32_t done = 0;
	for (uint32_t i = 0; i < o->n_pieces; i++) {
		const struct l4_piece *p = &o->pieces[i];
		sum = l4_csum_add(sum, l4_csum_partial(p->data, p->len, 0), done);
		done += (uint32_t)p->len;
	}
	store_csum(tcp, l4_csum_fold(sum));
}

static void link_header(const struct l4_if *ifp, uint8_t *b, const struct l4_mac *to, bool ip4)
{
	memcpy(b, to->b, 6);
	memcpy(b + 6, ifp->mac.b, 6);
	l4_put_u16(b + 12, ip4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6);
}

static bool build_tcp(struct l4_host *h, struct l4_if *ifp, struct l4_tx_frame *t,
    const struct l4_seg_out *o, const struct l4_mac *to)
{
	uint32_t link = ifp->eth ? L4_ETH_HDR_LEN : 0, ip_len = 0;
	bool ip4 = l4_addr_is_ip4(&o->dst.addr);
	uint32_t len = headers(h, o, t->head + link, &ip_len);
	if (!len)
		return false;
	if (link)
		link_header(ifp, t->head, to, ip4);
	start(t, link + len);
	t->f.why = o->why;
	for (uint32_t i = 0; i < o->n_pieces; i++)
		t->pieces[1 + i] = o->pieces[i];
	t->f.n_pieces = 1 + o->n_pieces;
	t->f.len += o->len;
	uint8_t *tcp = t->head + link + ip_len;
	uint32_t tcp_hdr = len - ip_len;
	if (!ifp->conf.caps.tx_csum) {
		full_checksum(o, tcp, tcp_hdr);
		return true;
	}
	struct l4_offload *off = &t->f.off;
	off->needs_csum = true;
	off->csum_start = (uint16_t)(link + ip_len);
	off->csum_offset = 16;
	store_csum(tcp, (uint16_t)~l4_csum_fold(l4_csum_pseudo(
			    &o->src.addr, &o->dst.addr, L4_PROTO_TCP, tcp_hdr + o->len)));
	if (o->gso_size && o->len > o->gso_size) {
		off->gso_type = ip4 ? L4_GSO_TCPV4 : L4_GSO_TCPV6;
		off->gso_size = o->gso_size;
		off->hdr_len = (uint16_t)(link + len);
		off->gso_ecn = (o->h.flags & L4_TCPF_CWR) != 0;
	}
	return true;
}

/* Where the segment goes on this link; false: nowhere now, it is lost. */
static bool link_target(struct l4_host *h, struct l4_if *ifp, const struct l4_seg_out *o,
    struct l4_mac *to, l4_time now)
{
	if (!ifp->eth)
		return true;
	if (!o->path || l4_path_ready(h, &o->src, &o->dst, o->path, now) != 1 ||
	    o->path->ifindex != ifp->index || o->path->nh == L4_NEIGH_NONE)
		return false;
	*to = ifp->neigh.e[o->path->nh].mac;
	return true;
}

size_t l4_host_tx(
    struct l4_host *h, unsigned ifindex, struct l4_tx_frame *out, size_t n, l4_time now)
{
	struct l4_if *ifp = l4_ip_if(&h->ip, ifindex);
	struct l4_seg_out o;
	struct l4_pkt *p;
	size_t got = 0;
	if (!ifp || !ifindex || !ifp->up)
		return 0;
	if (now > h->now)
		h->now = h->ip.now = now;
	now = h->now;
	while (got < n && (p = l4_pktq_pop(&ifp->out)))
		from_pkt(h, &out[got++], p);
	if (got)
		l4_udp_stack_unblock(h->udp);
	while (got < n && l4_tcp_stack_pull(h->tcp, ifindex, &o, now) == 1) {
		struct l4_mac to = { { 0 } };
		if (link_target(h, ifp, &o, &to, now) && build_tcp(h, ifp, &out[got], &o, &to)) {
			h->c.ip_out++;
			got++;
		}
	}
	h->c.tx_frames += got;
	for (size_t i = 0; i < got; i++)
		h->c.tx_bytes += out[i].f.len;
	return got;
}

bool l4_host_wants_tx(const struct l4_host *h, unsigned ifindex)
{
	const struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	return ifp && ifp->up && (ifp->out.n || l4_tcp_stack_wants_pull(h->tcp, ifindex));
}

/* A segment as a packet of its own, IP header not there yet. */
static struct l4_pkt *segment_pkt(struct l4_host *h, const struct l4_seg_out *o, bool checksum)
{
	uint8_t head[L4_TCP_HDR_LEN_MAX];
	int hdr = l4_tcp_emit(&o->h, head, sizeof(head));
	if (hdr < 0)
		return NULL;
	struct l4_pkt *p = l4_pkt_new(&h->ip, L4_PKT_HEADROOM, (uint32_t)hdr + o->len);
	if (!p)
		return NULL;
	uint8_t *b = l4_pkt_bytes(p);
	memcpy(b, head, (size_t)hdr);
	uint32_t at = (uint32_t)hdr;
	for (uint32_t i = 0; i < o->n_pieces; i++) {
		memcpy(b + at, o->pieces[i].data, o->pieces[i].len);
		at += (uint32_t)o->pieces[i].len;
	}
	if (checksum) {
		uint16_t csum = l4_wire_csum(&o->src.addr, &o->dst.addr, L4_PROTO_TCP, b, p->len);
		store_csum(b, csum);
	}
	p->hdr_len = (uint32_t)hdr;
	p->why = o->why;
	return p;
}

static int send_segment(struct l4_host *h, const struct l4_seg_out *o, bool checksum, l4_time now)
{
	struct l4_pkt *p = segment_pkt(h, o, checksum);
	if (!p)
		return L4_ENOMEM;
	struct l4_ip_out out = { .src = o->src.addr,
		.dst = o->dst.addr,
		.ifindex = o->dst.ifindex ? o->dst.ifindex : o->src.ifindex,
		.proto = L4_PROTO_TCP,
		.ttl = o->ttl,
		.tos = o->tos,
		.df = o->df,
		.flow = o->flow_label };
	return l4_ip_output(&h->ip, p, &out, now);
}

void l4_tx_reply(void *ctx, const struct l4_seg_out *o, l4_time now)
{
	(void)send_segment(ctx, o, true, now);
}

void l4_tx_loopback_tcp(struct l4_host *h, unsigned max, l4_time now)
{
	struct l4_seg_out o;
	while (max-- && h->ip.lo.n < h->ip.limits.queue_frames &&
	       l4_tcp_stack_pull(h->tcp, 0, &o, now) == 1)
		(void)send_segment(h, &o, false, now);
}
