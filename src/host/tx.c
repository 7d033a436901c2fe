/* Frames out: first the small ones that wait, then what TCP has, built at the moment it is pulled.
 *
 * How a TCP segment becomes frames stands in build.c. */
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

/* Those that wait. */
L4_APART static size_t from_queue(
    struct l4_host *h, struct l4_if *ifp, struct l4_tx_frame *out, size_t n)
{
	struct l4_pkt *p;
	size_t got = 0;
	while (got < n && (p = l4_pktq_pop(&ifp->out)))
		from_pkt(h, &out[got++], p);
	if (got)
		l4_udp_stack_unblock(h->udp);
	return got;
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
	size_t got = 0;
	if (!ifp || !ifindex || !ifp->up)
		return 0;
	if (now > h->now)
		h->now = h->ip.now = now;
	now = h->now;
	if (ifp->out.n)
		got = from_queue(h, ifp, out, n);
	while (got < n && l4_tcp_stack_wants_pull(h->tcp, ifindex) &&
	       l4_tcp_stack_pull(h->tcp, ifindex, &o, (uint32_t)(n - got), now) == 1) {
		struct l4_mac to;
		if (!link_target(h, ifp, &o, &to, now))
			continue;
		size_t made = 1;
		if (!l4_tx_short(h, ifp, &out[got], &o, &to))
			made = l4_tx_build(h, ifp, &out[got], n - got, &o, &to);
		h->c.ip_out += made;
		got += made;
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
		memcpy(b + 16, &csum, 2);
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
	       l4_tcp_stack_pull(h->tcp, 0, &o, 1, now) == 1)
		(void)send_segment(h, &o, false, now);
}
