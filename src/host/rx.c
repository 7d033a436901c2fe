/* Frames in: link layer, then IP or ARP (IEEE 802.3, RFC 894, RFC 1122 2.3 and 3.3.6).
 *
 * Only TCP is taken in pieces; what else comes in several is made contiguous first, into one
 * buffer of the host. TCP segments pass GRO and reach the stack at the end of the batch. */
#include "host/host.h"

#include <string.h>

#include "base/cursor.h"

#define PIECES_MAX 64

/* The frame's bytes in one run. */
static const uint8_t *linearize(struct l4_host *h, const struct l4_frame *f)
{
	if (f->len > L4_LINEAR_SIZE)
		return NULL;
	if (!h->linear)
		h->linear = l4_mem_alloc(&h->mem, L4_LINEAR_SIZE);
	if (!h->linear)
		return NULL;
	uint32_t at = 0;
	for (uint32_t i = 0; i < f->n_pieces; i++) {
		size_t n = f->pieces[i].len;
		if (n > f->len - at)
			n = f->len - at;
		if (n)
			memcpy(h->linear + at, f->pieces[i].data, n);
		at += (uint32_t)n;
	}
	return at == f->len ? h->linear : NULL;
}

/* Whether the first piece alone will do: it is all, or holds the headers of a TCP segment. */
static bool first_piece_does(const struct l4_frame *f, const struct l4_packet *k, int rc)
{
	size_t n = f->pieces[0].len;
	if (n >= f->len)
		return true;
	if (rc < 0 || k->proto != L4_PROTO_TCP || k->is_frag || f->n_pieces > PIECES_MAX ||
	    n < k->l4_off + L4_TCP_HDR_LEN)
		return false;
	const uint8_t *p = f->pieces[0].data;
	return n >= k->l4_off + 4u * (p[k->l4_off + 12] >> 4);
}

static int parse(
    const struct l4_if *ifp, struct l4_packet *k, const uint8_t *p, size_t len, size_t frame_len)
{
	return ifp->eth ? l4_packet_parse_eth(k, p, len, frame_len, 0)
			: l4_packet_parse_ip(k, p, len, frame_len, 0);
}

/* What the link header says. */
static enum l4_drop check_link(
    const struct l4_if *ifp, const struct l4_ip_in *in, uint32_t frame_len)
{
	const struct l4_packet *k = &in->k;
	if (!ifp->eth)
		return L4_DROP_NONE;
	if (frame_len < L4_ETH_HDR_LEN)
		return L4_DROP_LINK_SHORT;
	if (l4_mac_is_group(&k->eth_src))
		return L4_DROP_LINK_SRC_GROUP;
	if (!l4_mac_is_group(&k->eth_dst) && !l4_mac_eq(&k->eth_dst, &ifp->mac))
		return L4_DROP_LINK_NOT_OURS;
	/* No VLAN is configured; a tag of id 0 only carries a priority (802.1Q 6.9). */
	for (unsigned i = 0; i < k->vlan_n; i++)
		if (k->vlan_tci[i] & 0xfff)
			return L4_DROP_LINK_NOT_OURS;
	return L4_DROP_NONE;
}

static bool too_long(const struct l4_if *ifp, const struct l4_frame *f)
{
	uint32_t link = ifp->eth ? L4_ETH_HDR_LEN + 4 * L4_ETH_VLAN_MAX : 0;
	if (f->off.gso_type != L4_GSO_NONE)
		return f->len > L4_LINEAR_SIZE;
	return f->len > ifp->mtu + link;
}

L4_APART static void rx_frame(
    struct l4_host *h, struct l4_if *ifp, const struct l4_frame *f, l4_time now)
{
	struct l4_ip *ip = &h->ip;
	h->c.rx_frames++;
	h->c.rx_bytes += f->len;
	if (f->n_pieces == 0 || f->len == 0) {
		l4_ip_drop(ip, L4_DROP_LINK_SHORT, ifp->index, f->len);
		return;
	}
	if (too_long(ifp, f)) {
		l4_ip_drop(ip, L4_DROP_LINK_LONG, ifp->index, f->len);
		return;
	}
	struct l4_ip_in in = { .frame = f,
		.ifp = ifp,
		.time = f->time && f->time <= now ? f->time : now,
		.now = now,
		.csum_ok = ifp->conf.caps.rx_csum && (f->off.csum_valid || f->off.needs_csum) };
	size_t len = f->pieces[0].len < f->len ? f->pieces[0].len : f->len;
	in.data = f->pieces[0].data;
	int rc = parse(ifp, &in.k, in.data, len, f->len);
	if (!first_piece_does(f, &in.k, rc)) {
		in.data = linearize(h, f);
		if (!in.data) {
			l4_ip_drop(ip, L4_DROP_LINK_LONG, ifp->index, f->len);
			return;
		}
		len = f->len;
		in.frame = NULL;
		rc = parse(ifp, &in.k, in.data, len, len);
	}
	in.avail = (uint32_t)len;
	bool link_bad = in.k.drop == L4_DROP_LINK_SHORT || in.k.drop == L4_DROP_LINK_8023 ||
			in.k.drop == L4_DROP_LINK_VLAN_DEPTH;
	enum l4_drop why = link_bad ? in.k.drop : check_link(ifp, &in, f->len);
	in.link_group = ifp->eth && l4_mac_is_group(&in.k.eth_dst);
	if (why || rc < 0) {
		l4_ip_drop(ip, why ? why : in.k.drop, ifp->index, f->len);
		if (!why && in.k.icmp_type && in.k.version) /* RFC 8200 4: parameter problems */
			l4_ip_reject(ip, &in);
		return;
	}
	if (in.k.version) {
		l4_ip_input(ip, &in);
		return;
	}
	if (ifp->eth && in.k.ethertype == L4_ETHERTYPE_ARP) {
		l4_arp_input(ip, ifp, in.data + in.k.l3_off, in.avail - in.k.l3_off, &in.k.eth_src,
		    in.link_group, now);
		return;
	}
	l4_ip_drop(
	    ip, in.k.ethertype < 1536 ? L4_DROP_LINK_8023 : L4_DROP_LINK_TYPE, ifp->index, f->len);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

/* The sum over the segment, wherever its pieces lie. */
static uint32_t sum_pieces(const struct l4_piece *pieces, uint32_t n, uint32_t skip, uint32_t len)
{
	uint32_t sum = 0, done = 0;
	for (uint32_t i = 0; i < n && done < len; i++) {
		const uint8_t *p = pieces[i].data;
		size_t m = pieces[i].len;
		if (skip >= m) {
			skip -= (uint32_t)m;
			continue;
		}
		m -= skip;
		if (m > len - done)
			m = len - done;
		sum = l4_csum_add(sum, l4_csum_partial(p + skip, m, 0), done);
		done += (uint32_t)m;
		skip = 0;
	}
	return sum;
}

bool l4_rx_parse_tcp(struct l4_host *h, const struct l4_ip_in *in, struct l4_seg *s,
    struct l4_piece *pieces, uint32_t max_pieces)
{
	const struct l4_packet *k = &in->k;
	uint32_t near = in->avail - k->l4_off < k->l4_len ? in->avail - k->l4_off : k->l4_len;
	uint16_t scope = (uint16_t)(l4_addr_is_link_local(&k->src) || l4_addr_is_link_local(&k->dst)
					? in->ifp->index
					: 0);
	enum l4_drop why = L4_DROP_NONE;
	*s = (struct l4_seg){ .len = 0 };
	int rc = l4_tcp_parse(&s->h, in->data + k->l4_off, near);
	if (rc < 0)
		why = k->l4_len < L4_TCP_HDR_LEN ? L4_DROP_TCP_SHORT
		      : 4u * (in->data[k->l4_off + 12] >> 4) < L4_TCP_HDR_LEN ||
			      4u * (in->data[k->l4_off + 12] >> 4) > near
			  ? L4_DROP_TCP_OFFSET
			  : L4_DROP_TCP_OPTION;
	if (!why) {
		uint32_t n = 1;
		if (in->frame) {
			n = in->frame->n_pieces < max_pieces ? in->frame->n_pieces : max_pieces;
			memcpy(pieces, in->frame->pieces, n * sizeof(*pieces));
		} else {
			pieces[0] = (struct l4_piece){ in->data, in->avail };
		}
		s->pieces = pieces;
		s->n_pieces = n;
		s->skip = k->l4_off + (uint32_t)rc;
		s->len = k->l4_len - (uint32_t)rc;
		if (!in->csum_ok) {
			uint32_t sum = sum_pieces(pieces, n, k->l4_off, k->l4_len);
			sum = l4_csum_add(
			    sum, l4_csum_pseudo(&k->src, &k->dst, L4_PROTO_TCP, k->l4_len), 0);
			if (l4_csum_fold(sum) != 0)
				why = L4_DROP_TCP_CSUM;
		}
	}
	if (why) {
		l4_ip_drop(&h->ip, why, in->ifp->index, k->l3_len);
		return false;
	}
	s->src = (struct l4_endpoint){ k->src, s->h.sport, scope };
	s->dst = (struct l4_endpoint){ k->dst, s->h.dport, scope };
	s->tos = k->tos;
	s->ttl = k->ttl;
	s->ifindex = in->ifp->index;
	s->time = in->time;
	s->n_segs = 1;
	if (in->frame && k->version == 4 && !in->loop && !in->reassembled && !k->ip_opts)
		s->flow_gen = h->ip.gen;
	s->flow_slot = (uint8_t)l4_gro_slot_of(&s->src, &s->dst);
	if (in->frame && in->frame->off.gso_size && s->len > in->frame->off.gso_size)
		s->n_segs =
		    (uint16_t)((s->len + in->frame->off.gso_size - 1) / in->frame->off.gso_size);
	/* Payload in a first piece that ends with the headers begins in the next. */
	while (s->n_pieces > 1 && s->skip >= s->pieces[0].len) {
		s->skip -= (uint32_t)s->pieces[0].len;
		s->pieces++;
		s->n_pieces--;
	}
	return true;
}

void l4_rx_tcp(void *ctx, const struct l4_ip_in *in)
{
	struct l4_host *h = ctx;
	struct l4_seg s;
	struct l4_piece pieces[PIECES_MAX];
	if (!l4_rx_parse_tcp(h, in, &s, pieces, PIECES_MAX))
		return;
	/* Bytes that do not outlive this call cannot wait for their neighbours. */
	if (in->frame && !in->reassembled && !in->loop) {
		l4_gro_add(h, &s, in->now);
		return;
	}
	l4_gro_flush(h, in->now); /* what came before goes before */
	l4_tcp_stack_input(h->tcp, &s, in->now);
}

static inline void rx(
    struct l4_host *h, unsigned ifindex, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct l4_if *ifp = l4_ip_if(&h->ip, ifindex);
	now = l4_host_enter(h, now);
	if (!ifp || !ifp->up)
		return;
	for (size_t i = 0; i < n; i++)
		if (!l4_rx_fast(h, ifp, &frames[i], now))
			rx_frame(h, ifp, &frames[i], now);
	if (h->gro_used)
		l4_gro_flush(h, now);
	l4_tcp_stack_input_end(h->tcp, now);
	l4_host_wake(h, now);
}

void l4_host_rx(
    struct l4_host *h, unsigned ifindex, const struct l4_frame *frames, size_t n, l4_time now)
{
	l4_tcp_stack_settle(h->tcp);
	rx(h, ifindex, frames, n, now);
}

void l4_host_rx_lend(
    struct l4_host *h, unsigned ifindex, const struct l4_frame *frames, size_t n, l4_time now)
{
	l4_tcp_stack_settle(h->tcp);
	h->lending = true;
	rx(h, ifindex, frames, n, now);
	h->lending = false;
}

void l4_host_rx_end(struct l4_host *h)
{
	l4_tcp_stack_settle(h->tcp);
}
