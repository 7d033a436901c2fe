/* Packets out: header, fragments, next hop, link header, queue (RFC 791, 8200, 6864, 7739).
 *
 * A datagram that fits the path goes as one packet. Otherwise IPv4 without DF and IPv6 are cut into
 * fragments, all or none: when the queue has no room for the last one the first is not sent either.
 * Multicast and broadcast go straight to the link; a copy comes back to ourselves where it must. */
#include "ip/ip.h"

#include <string.h>

#include "base/cursor.h"

/* ---- Identification ------------------------------------------------------------------------- */

/* RFC 6864 4.3, RFC 7739 5.3: a counter for each pair and protocol, hashed with a secret, each
 * begun at random: no two packets of a pair share an id soon, and none tells about another pair. */
static uint16_t *id_counter(
    const struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst, uint8_t proto)
{
	uint8_t in[33];
	memcpy(in, src->b, 16);
	memcpy(in + 16, dst->b, 16);
	in[32] = proto;
	return &ip->ids[l4_siphash24(ip->key_id, in, sizeof(in)) % L4_IDS];
}

uint16_t l4_ip4_next_id(
    struct l4_ip *ip, const struct l4_addr *src, const struct l4_addr *dst, uint8_t proto)
{
	uint16_t *c = id_counter(ip, src, dst, proto);
	/* A random step keeps the count of packets to another address in the bucket hidden. */
	*c = (uint16_t)(*c + 1 + l4_rng_below(ip->rng, 8));
	return *c;
}

uint32_t l4_ip_flow_label(const struct l4_ip *ip, const struct l4_addr *src,
    const struct l4_addr *dst, uint16_t sport, uint16_t dport, uint8_t proto)
{
	uint8_t in[37];
	memcpy(in, src->b, 16);
	memcpy(in + 16, dst->b, 16);
	l4_put_u16(in + 32, sport);
	l4_put_u16(in + 34, dport);
	in[36] = proto;
	uint32_t label = (uint32_t)l4_siphash24(ip->key_flow, in, sizeof(in)) & 0xfffff;
	return label ? label : 1; /* RFC 6437 3: 0 means none */
}

/* ---- Link ----------------------------------------------------------------------------------- */

int l4_if_enqueue(struct l4_ip *ip, struct l4_if *ifp, struct l4_pkt *p, const struct l4_mac *to,
    uint16_t ethertype)
{
	if (!ifp->up || ifp->out.n >= ip->limits.queue_frames) {
		l4_pkt_free(ip, p, 0);
		return ifp->up ? L4_EAGAIN : L4_ENOROUTE;
	}
	if (ifp->eth) {
		uint8_t *b = l4_pkt_prepend(p, L4_ETH_HDR_LEN);
		memcpy(b, to->b, 6);
		memcpy(b + 6, ifp->mac.b, 6);
		l4_put_u16(b + 12, ethertype);
	}
	l4_pktq_push(&ifp->out, p);
	return L4_OK;
}

int l4_if_enqueue_ip(struct l4_ip *ip, struct l4_if *ifp, struct l4_pkt *p, const struct l4_mac *to)
{
	bool ip4 = l4_pkt_bytes(p)[0] >> 4 == 4;
	return l4_if_enqueue(ip, ifp, p, to, ip4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6);
}

static int loop_back(struct l4_ip *ip, struct l4_pkt *p, unsigned ifindex)
{
	if (ip->lo.n >= ip->limits.queue_frames) {
		l4_pkt_free(ip, p, 0);
		return L4_EAGAIN;
	}
	p->ifindex = (uint16_t)ifindex;
	l4_pktq_push(&ip->lo, p);
	return L4_OK;
}

static struct l4_pkt *clone(struct l4_ip *ip, const struct l4_pkt *p)
{
	struct l4_pkt *q = l4_pkt_new(ip, L4_PKT_HEADROOM, p->len);
	if (q) {
		memcpy(l4_pkt_bytes(q), p->data + p->off, p->len);
		q->hdr_len = p->hdr_len;
	}
	return q;
}

/* A copy of a multicast or broadcast packet for our own endpoints. */
static void loop_copy(
    struct l4_ip *ip, const struct l4_pkt *p, const struct l4_hop *hop, const struct l4_ip_out *o)
{
	if (o->no_loop || o->proto != L4_PROTO_UDP)
		return;
	if (hop->multicast && !l4_group_accepts(hop->ifp, &o->dst, &hop->src))
		return;
	struct l4_pkt *q = clone(ip, p);
	if (q)
		(void)loop_back(ip, q, hop->ifp->index);
}

/* p begins at the IP header. */
static int to_link(struct l4_ip *ip, struct l4_pkt *p, const struct l4_hop *hop,
    const struct l4_ip_out *o, l4_time now)
{
	ip->c->ip_out++;
	if (hop->local)
		return loop_back(ip, p, 0);
	if (!hop->ifp->eth) {
		static const struct l4_mac none;
		return l4_if_enqueue_ip(ip, hop->ifp, p, &none);
	}
	if (hop->broadcast || hop->multicast) {
		struct l4_mac m = l4_mac_from_group(&o->dst);
		return l4_if_enqueue_ip(ip, hop->ifp, p, &m);
	}
	if (o->to)
		return l4_if_enqueue_ip(ip, hop->ifp, p, o->to);
	return l4_neigh_output(ip, hop->ifp, &hop->next, &hop->src, p, now);
}

/* ---- Headers -------------------------------------------------------------------------------- */

static uint8_t ttl_of(const struct l4_ip *ip, const struct l4_hop *hop, const struct l4_ip_out *o)
{
	if (o->ttl)
		return o->ttl;
	if (hop->ifp && hop->ifp->hop_limit && !l4_addr_is_ip4(&o->dst))
		return hop->ifp->hop_limit; /* RFC 4861 6.3.4 */
	return ip->ttl;
}

/* The options that a fragment carries: the first one all, the others those to be copied. */
static uint8_t options4(const struct l4_ip_out *o, bool first, uint8_t *out)
{
	uint8_t n = 0;
	if (o->router_alert) { /* RFC 2113 2.1 */
		static const uint8_t alert[4] = { 148, 4, 0, 0 };
		memcpy(out, alert, 4);
		return 4;
	}
	for (uint8_t i = 0; i < o->opts_len;) {
		uint8_t type = o->opts[i], len = type > 1 ? o->opts[i + 1] : 1;
		if (type == 0)
			break;
		if (first || (type & 0x80)) { /* RFC 791 3.1: copied flag */
			memcpy(out + n, o->opts + i, len);
			n = (uint8_t)(n + len);
		}
		i = (uint8_t)(i + len);
	}
	return n;
}

/* Bytes that they take at most, padded. */
static uint32_t options_len(const struct l4_ip_out *o, bool ip4)
{
	if (o->router_alert)
		return ip4 ? 4 : 8;
	return ip4 ? (o->opts_len + 3u) & ~3u : 0;
}

static void header4(struct l4_ip *ip, struct l4_pkt *p, const struct l4_hop *hop,
    const struct l4_ip_out *o, uint16_t id, uint32_t frag_off, bool more)
{
	struct l4_ip4_hdr h = { .tos = o->tos,
		.id = id,
		.df = o->df,
		.mf = more,
		.frag_off = (uint16_t)frag_off,
		.ttl = ttl_of(ip, hop, o),
		.proto = o->proto,
		.src = hop->src,
		.dst = o->dst };
	h.opts_len = options4(o, frag_off == 0, h.opts);
	uint32_t hdr_len = L4_IP4_HDR_LEN + ((h.opts_len + 3u) & ~3u);
	uint8_t *b = l4_pkt_prepend(p, hdr_len);
	h.total_len = (uint16_t)p->len;
	(void)l4_ip4_emit(&h, b, hdr_len);
}

static void header6(struct l4_ip *ip, struct l4_pkt *p, const struct l4_hop *hop,
    const struct l4_ip_out *o, uint8_t next)
{
	if (o->router_alert) { /* RFC 2711, padded with PadN of no data */
		uint8_t *b = l4_pkt_prepend(p, 8);
		const uint8_t hbh[8] = { next, 0, 5, 2, 0, 0, 1, 0 };
		memcpy(b, hbh, 8);
		next = L4_PROTO_HOPOPTS;
	}
	struct l4_ip6_hdr h = { .tclass = o->tos,
		.flow = o->flow,
		.payload_len = (uint16_t)p->len,
		.next = next,
		.hop_limit = ttl_of(ip, hop, o),
		.src = hop->src,
		.dst = o->dst };
	uint8_t *b = l4_pkt_prepend(p, L4_IP6_HDR_LEN);
	(void)l4_ip6_emit(&h, b, L4_IP6_HDR_LEN);
}

/* ---- Fragments ------------------------------------------------------------------------------ */

static struct l4_pkt *make_fragment(
    struct l4_ip *ip, const struct l4_pkt *whole, uint32_t off, uint32_t len)
{
	struct l4_pkt *f = l4_pkt_new(ip, L4_PKT_HEADROOM, len);
	if (!f)
		return NULL;
	memcpy(l4_pkt_bytes(f), whole->data + whole->off + off, len);
	f->hdr_len = off == 0 && whole->hdr_len < len ? whole->hdr_len : 0;
	f->why = whole->why;
	return f;
}

/* Cuts p; the fragments are in q, with IP headers. */
static int cut(struct l4_ip *ip, const struct l4_pkt *p, const struct l4_hop *hop,
    const struct l4_ip_out *o, struct l4_pktq *q)
{
	bool ip4 = l4_addr_is_ip4(&o->dst);
	uint32_t over = ip4 ? L4_IP4_HDR_LEN : L4_IP6_HDR_LEN + 8;
	over += options_len(o, ip4);
	uint32_t room = (hop->mtu - over) & ~7u, n = (p->len + room - 1) / room;
	const struct l4_pktq *wait = hop->local ? &ip->lo : &hop->ifp->out;
	if (wait->n + n > ip->limits.queue_frames)
		return L4_EAGAIN;
	uint16_t id4 = ip4 ? l4_ip4_next_id(ip, &hop->src, &o->dst, o->proto) : 0;
	uint32_t id6 = ip4 ? 0 : l4_rng_u32(ip->rng); /* RFC 7739 5.2 */
	for (uint32_t off = 0; off < p->len; off += room) {
		bool more = p->len - off > room;
		struct l4_pkt *f = make_fragment(ip, p, off, more ? room : p->len - off);
		if (!f) {
			l4_pktq_clear(ip, q, 0);
			return L4_ENOMEM;
		}
		if (ip4) {
			header4(ip, f, hop, o, id4, off, more);
		} else {
			uint8_t *b = l4_pkt_prepend(f, 8);
			(void)l4_ip6_frag_emit(o->proto, (uint16_t)off, more, id6, b, 8);
			header6(ip, f, hop, o, L4_PROTO_FRAGMENT);
		}
		l4_pktq_push(q, f);
	}
	return L4_OK;
}

static int send_fragments(struct l4_ip *ip, struct l4_pkt *p, const struct l4_hop *hop,
    const struct l4_ip_out *o, l4_time now)
{
	struct l4_pktq q = { 0 };
	struct l4_pkt *f;
	int rc = cut(ip, p, hop, o, &q);
	if (rc == 0 && q.tail && p->ep) {
		/* The last one accounts for the endpoint's memory, as the datagram did. */
		q.tail->ep = p->ep;
		ip->env.pkt_done(ip->env.ctx, p->ep, p->size - q.tail->size, 0);
		p->ep = 0;
	}
	l4_pkt_free(ip, p, 0);
	while ((f = l4_pktq_pop(&q))) {
		ip->c->ip_fragments_out++;
		int r = to_link(ip, f, hop, o, now);
		if (r < 0)
			rc = r;
	}
	return rc;
}

/* ---- The way out ---------------------------------------------------------------------------- */

static int find_hop(struct l4_ip *ip, const struct l4_ip_out *o, struct l4_hop *hop, l4_time now)
{
	if (!o->unspecified)
		return l4_ip_route(ip, &o->src, &o->dst, o->ifindex, hop, now);
	*hop = (struct l4_hop){ .next = o->dst, .src = o->src, .ifp = l4_ip_if(ip, o->ifindex) };
	if (!hop->ifp || !hop->ifp->up)
		return L4_ENOROUTE;
	hop->multicast = l4_addr_is_multicast(&o->dst);
	hop->broadcast = !hop->multicast && l4_if_is_broadcast(hop->ifp, &o->dst);
	hop->mtu = (uint16_t)(hop->ifp->mtu > L4_IP_MTU_MAX ? L4_IP_MTU_MAX : hop->ifp->mtu);
	return L4_OK;
}

int l4_ip_output(struct l4_ip *ip, struct l4_pkt *p, const struct l4_ip_out *o, l4_time now)
{
	struct l4_hop hop;
	bool ip4 = l4_addr_is_ip4(&o->dst);
	int rc = find_hop(ip, o, &hop, now);
	if (rc == 0 && l4_addr_is_ip4(&hop.src) != ip4)
		rc = L4_ENOADDR;
	uint32_t hdr_len = (ip4 ? L4_IP4_HDR_LEN : L4_IP6_HDR_LEN) + options_len(o, ip4);
	if (rc == 0 && p->len + hdr_len > hop.mtu) {
		if ((ip4 && o->df) || p->len + hdr_len > 65535 + (ip4 ? 0u : 40u))
			rc = L4_EMSGSIZE;
		else if (hop.mtu < (ip4 ? L4_IP4_MTU_MIN : L4_IP6_MTU_MIN))
			rc = L4_EMSGSIZE; /* RFC 8200 5: the link cannot carry IPv6 at all */
		else
			return send_fragments(ip, p, &hop, o, now);
	}
	if (rc < 0) {
		l4_pkt_free(ip, p, 0);
		return rc;
	}
	if (ip4) {
		/* RFC 6864 4.1: of an atomic datagram the id says nothing. */
		uint16_t id = o->df ? (uint16_t)l4_rng_u32(ip->rng)
				    : l4_ip4_next_id(ip, &hop.src, &o->dst, o->proto);
		header4(ip, p, &hop, o, id, 0, false);
	} else {
		header6(ip, p, &hop, o, o->proto);
	}
	if (hop.multicast || hop.broadcast)
		loop_copy(ip, p, &hop, o);
	return to_link(ip, p, &hop, o, now);
}
