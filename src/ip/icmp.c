/* ICMP and ICMPv6: echo, errors out, errors in (RFC 792, 1122 3.2.2, 4443, 5927, 6633, 6918).
 *
 * Errors out obey the list of cases in which none may be sent, then two limits: one for each
 * destination (hashed with a secret), and one for all whose credit is random, so that nobody can
 * count what others triggered (SAD DNS). Errors in are believed only when the quoted packet comes
 * from an address of ours; whether it was really sent is for its transport to judge. Redirects,
 * source quench, timestamps, address masks and node information are not taken (RFC 6633, 6918). */
#include "ip/ip.h"

#include <string.h>

#include "base/cursor.h"

#define DST_RATE  10 /* errors a second to one destination … */
#define DST_BURST 10
#define ALL_BURST 50
#define QUOTE4    (576 - L4_IP4_HDR_LEN - L4_ICMP_HDR_LEN)            /* RFC 1812 4.3.2.3 */
#define QUOTE6    (L4_IP6_MTU_MIN - L4_IP6_HDR_LEN - L4_ICMP_HDR_LEN) /* RFC 4443 2.4 (c) */

/* ---- Out ------------------------------------------------------------------------------------ */

static void set_checksum(
    uint8_t *msg, uint32_t len, const struct l4_addr *src, const struct l4_addr *dst)
{
	uint16_t csum = l4_addr_is_ip4(dst) ? l4_icmp_csum(msg, len)
					    : l4_wire_csum(src, dst, L4_PROTO_ICMP6, msg, len);
	memcpy(msg + 2, &csum, 2);
}

/* Whether the quoted IPv6 packet is an ICMPv6 error or a redirect. The chain of its headers may
 * have been given up before the upper layer, so it is walked here (RFC 4443 2.4 (e.1), (e.2)). */
static bool quotes_error6(const uint8_t *quote, uint32_t len)
{
	uint8_t next = len >= L4_IP6_HDR_LEN ? quote[6] : L4_PROTO_NONE;
	uint32_t at = L4_IP6_HDR_LEN;
	while (len - at >= 8 && (next == L4_PROTO_HOPOPTS || next == L4_PROTO_ROUTING ||
				    next == L4_PROTO_DSTOPTS || next == L4_PROTO_FRAGMENT)) {
		uint32_t n = next == L4_PROTO_FRAGMENT ? 8 : 8u * (quote[at + 1] + 1u);
		if (n > len - at)
			return false;
		next = quote[at];
		at += n;
	}
	if (next != L4_PROTO_ICMP6)
		return false;
	return len == at || l4_icmp_is_error(true, quote[at]) || quote[at] == L4_ICMP6_REDIRECT;
}

/* Whether a packet may be answered by an error at all. */
static bool may_answer(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_packet *k,
    const uint8_t *quote, uint32_t len, bool link_group, bool group_allowed)
{
	bool v6 = k->version == 6;
	const struct l4_addr *src = &k->src;
	uint32_t l4_at = k->l4_off - k->l3_off;
	/* RFC 1122 3.2.2, RFC 4443 2.4 (e) */
	if (k->is_frag && k->frag_off > 0)
		return false;
	if (l4_addr_is_any(src) || l4_addr_is_multicast(src) || l4_ip_is_broadcast(ip, src))
		return false;
	if (!v6 && (src->b[12] >= 224 || src->b[12] == 0))
		return false;
	if (l4_addr_is_ip4(src) == v6)
		return false;
	if (!group_allowed &&
	    (link_group || l4_addr_is_multicast(&k->dst) || l4_if_is_broadcast(ifp, &k->dst)))
		return false;
	if (v6)
		return !quotes_error6(quote, len);
	return k->proto != L4_PROTO_ICMP || (len > l4_at && !l4_icmp_is_error(v6, quote[l4_at]));
}

static bool within_limits(struct l4_ip *ip, const struct l4_addr *dst, l4_time now)
{
	if (!ip->icmp_rate)
		return false; /* RFC 4443 3.1: switched off */
	uint64_t slot = l4_siphash13(ip->key_limit, dst->b, 16) % L4_LIMIT_SLOTS;
	if (!l4_bucket_take(&ip->icmp_dst[slot], DST_RATE, DST_BURST, now))
		return false;
	/* Now and then one costs more than one: the sum cannot be probed. */
	if (ip->icmp_all.tokens >= 1000 && l4_rng_below(ip->rng, 4) == 0) {
		uint32_t extra = (uint32_t)l4_rng_below(ip->rng, 3) * 1000;
		ip->icmp_all.tokens -= ip->icmp_all.tokens < extra ? ip->icmp_all.tokens : extra;
	}
	return l4_bucket_take(&ip->icmp_all, ip->icmp_rate, ALL_BURST, now);
}

static void send_error(struct l4_ip *ip, struct l4_if *ifp, const struct l4_packet *k,
    const uint8_t *quote, uint32_t len, const struct l4_icmp_hdr *h, l4_time now)
{
	bool v6 = k->version == 6;
	if (!within_limits(ip, &k->src, now)) {
		ip->c->icmp_rate_limited++;
		return;
	}
	uint32_t max = v6 ? QUOTE6 : QUOTE4, n = len < max ? len : max;
	struct l4_ip_out o = { .dst = k->src, .proto = v6 ? L4_PROTO_ICMP6 : L4_PROTO_ICMP };
	if (l4_addr_is_link_local(&k->src))
		o.ifindex = ifp->index;
	if (!l4_addr_is_multicast(&k->dst) && l4_ip_is_local(ip, &k->dst, ifp->index))
		o.src = k->dst;
	struct l4_hop hop;
	if (l4_ip_route(ip, &o.src, &o.dst, o.ifindex, &hop, now) < 0)
		return;
	o.src = hop.src;
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, L4_ICMP_HDR_LEN + n);
	if (!p)
		return;
	uint8_t *msg = l4_pkt_bytes(p);
	(void)l4_icmp_emit(h, msg, L4_ICMP_HDR_LEN);
	memcpy(msg + L4_ICMP_HDR_LEN, quote, n);
	set_checksum(msg, p->len, &o.src, &o.dst);
	p->hdr_len = L4_ICMP_HDR_LEN;
	p->why.code = L4_WHY_ICMP_ERROR;
	ip->c->icmp_out++;
	(void)l4_ip_output(ip, p, &o, now);
}

void l4_icmp_error_quote(struct l4_ip *ip, struct l4_if *ifp, const struct l4_packet *k,
    const uint8_t *quote, uint32_t len, uint8_t type, uint8_t code, uint32_t rest, l4_time now)
{
	struct l4_icmp_hdr h = { .type = type, .code = code, .rest = rest };
	if (may_answer(ip, ifp, k, quote, len, false, false))
		send_error(ip, ifp, k, quote, len, &h, now);
}

void l4_icmp_error(
    struct l4_ip *ip, const struct l4_ip_in *in, uint8_t type, uint8_t code, uint32_t rest)
{
	const struct l4_packet *k = &in->k;
	if (in->avail <= k->l3_off)
		return;
	uint32_t len = in->avail - k->l3_off;
	if (k->l3_len && k->l3_len < len)
		len = k->l3_len;
	const uint8_t *quote = in->data + k->l3_off;
	/* RFC 4443 2.4 (e.3): an unknown option that demands it is reported for groups too. */
	bool group_allowed = k->version == 6 && type == L4_ICMP6_PARAM && code == 2;
	struct l4_icmp_hdr h = { .type = type, .code = code, .rest = rest };
	if (may_answer(ip, in->ifp, k, quote, len, in->link_group, group_allowed))
		send_error(ip, in->ifp, k, quote, len, &h, in->now);
}

/* RFC 1122 3.2.2.6, RFC 4443 4.2: from the address asked, with all of the data. */
static void echo(struct l4_ip *ip, const struct l4_ip_in *in, const uint8_t *msg, uint32_t len)
{
	bool v6 = in->k.version == 6;
	if (!ip->icmp_echo) {
		l4_ip_drop(ip, L4_DROP_ICMP_TYPE, in->ifp->index, in->k.l3_len);
		return;
	}
	bool group = in->dst_multicast || in->dst_broadcast;
	if ((group || in->link_group) && !(group && ip->icmp_echo_groups)) {
		l4_ip_drop(ip, L4_DROP_ICMP_GROUP_ECHO, in->ifp->index, in->k.l3_len);
		return;
	}
	if (l4_addr_is_any(&in->k.src)) {
		l4_ip_drop(ip, L4_DROP_IP_MARTIAN, in->ifp->index, in->k.l3_len);
		return;
	}
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, len);
	if (!p)
		return;
	uint8_t *b = l4_pkt_bytes(p);
	memcpy(b, msg, len);
	b[0] = v6 ? L4_ICMP6_ECHO_REPLY : L4_ICMP_ECHO_REPLY;
	memset(b + 2, 0, 2);
	struct l4_addr from = in->k.dst;
	struct l4_hop hop;
	if (group) { /* RFC 4443 4.2: an address of the interface that it came by */
		if (l4_ip_route(ip, NULL, &in->k.src, in->ifp->index, &hop, in->now) < 0) {
			l4_pkt_free(ip, p, 0);
			return;
		}
		from = hop.src;
	}
	set_checksum(b, len, &from, &in->k.src);
	p->hdr_len = L4_ICMP_HDR_LEN;
	p->why.code = L4_WHY_ICMP_REPLY;
	struct l4_ip_out o = { .src = from,
		.dst = in->k.src,
		.ifindex = group || l4_addr_is_link_local(&in->k.src) ? in->ifp->index : 0,
		.proto = v6 ? L4_PROTO_ICMP6 : L4_PROTO_ICMP,
		.tos = in->k.tos & 0xfc };
	ip->c->icmp_out++;
	(void)l4_ip_output(ip, p, &o, in->now);
}

/* ---- In ------------------------------------------------------------------------------------- */

/* RFC 1191 7.1: a router that names no MTU; the next plateau below the packet's length. */
static uint32_t plateau_below(uint32_t len)
{
	static const uint16_t table[] = { 65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508,
		296 };
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i] < len)
			return table[i];
	return L4_IP4_MTU_MIN;
}

static bool classify4(const struct l4_icmp_hdr *h, struct l4_icmp_report *r)
{
	r->err = L4_EUNREACH;
	switch (h->type) {
	case L4_ICMP_UNREACH:
		if (h->code > 15)
			return false;
		if (h->code == L4_ICMP_UNREACH_PROTO || h->code == L4_ICMP_UNREACH_PORT) {
			r->err = L4_EREFUSED; /* RFC 1122 4.2.3.9: hard */
			r->hard = true;
		} else if (h->code == L4_ICMP_UNREACH_NEEDED) {
			r->err = L4_EMSGSIZE;
			r->mtu = h->rest & 0xffff;
			if (r->mtu == 0)
				r->mtu = plateau_below(r->q.ip_len);
		}
		return true;
	case L4_ICMP_TIME_EXCEEDED:
		return h->code <= 1;
	case L4_ICMP_PARAM:
		return h->code <= 2;
	default:
		return false;
	}
}

static bool classify6(const struct l4_icmp_hdr *h, struct l4_icmp_report *r)
{
	r->err = L4_EUNREACH;
	switch (h->type) {
	case L4_ICMP6_UNREACH:
		if (h->code == L4_ICMP6_UNREACH_PORT) {
			r->err = L4_EREFUSED;
			r->hard = true;
		}
		return true;
	case L4_ICMP6_TOO_BIG:
		r->err = L4_EMSGSIZE;
		r->mtu = h->rest;
		return true;
	case L4_ICMP6_TIME_EXCEEDED:
		return true;
	case L4_ICMP6_PARAM:
		if (h->code == 1) { /* the peer does not speak the protocol */
			r->err = L4_EREFUSED;
			r->hard = true;
		}
		return true;
	default:
		return h->type < 128; /* RFC 4443 2.4 (a): errors yet unknown go up as well */
	}
}

static void error_in(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_icmp_hdr *h,
    const uint8_t *msg, uint32_t len)
{
	bool v6 = in->k.version == 6;
	struct l4_icmp_report r = { .ifindex = in->ifp->index };
	if (l4_icmp_quote_parse(&r.q, v6, msg + L4_ICMP_HDR_LEN, len - L4_ICMP_HDR_LEN) < 0) {
		l4_ip_drop(ip, L4_DROP_ICMP_QUOTE, in->ifp->index, in->k.l3_len);
		return;
	}
	if (!(v6 ? classify6(h, &r) : classify4(h, &r))) {
		l4_ip_drop(ip, L4_DROP_ICMP_TYPE, in->ifp->index, in->k.l3_len);
		return;
	}
	/* RFC 5927 4.1: it must be about a packet from us, and not about a fragment's rest. */
	bool ours = ip->forwarder || l4_ip_is_local(ip, &r.q.src, in->ifp->index);
	if (!ours || r.q.is_frag_rest || l4_addr_is_ip4(&r.q.src) == v6 ||
	    (r.q.proto != L4_PROTO_TCP && r.q.proto != L4_PROTO_UDP)) {
		l4_ip_drop(ip, L4_DROP_ICMP_NOT_OURS, in->ifp->index, in->k.l3_len);
		return;
	}
	l4_ip_trace(ip, L4_TRACE_ICMP_ERROR, h->type, h->code, r.mtu, 0);
	ip->env.icmp_in(ip->env.ctx, &r, in->now);
}

static void input4(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_icmp_hdr *h,
    const uint8_t *msg, uint32_t len)
{
	switch (h->type) {
	case L4_ICMP_ECHO:
		echo(ip, in, msg, len);
		return;
	case L4_ICMP_UNREACH:
	case L4_ICMP_TIME_EXCEEDED:
	case L4_ICMP_PARAM:
		error_in(ip, in, h, msg, len);
		return;
	case L4_ICMP_REDIRECT:
		l4_redirect4_input(ip, in, h, msg, len);
		return;
	default: /* source quench too: RFC 6633 3 */
		l4_ip_drop(ip, L4_DROP_ICMP_TYPE, in->ifp->index, in->k.l3_len);
		return;
	}
}

static void input6(struct l4_ip *ip, const struct l4_ip_in *in, const struct l4_icmp_hdr *h,
    const uint8_t *msg, uint32_t len)
{
	switch (h->type) {
	case L4_ICMP6_ECHO:
		echo(ip, in, msg, len);
		return;
	case L4_ICMP6_UNREACH:
	case L4_ICMP6_TOO_BIG:
	case L4_ICMP6_TIME_EXCEEDED:
	case L4_ICMP6_PARAM:
		error_in(ip, in, h, msg, len);
		return;
	case L4_ICMP6_RS:
	case L4_ICMP6_RA:
	case L4_ICMP6_NS:
	case L4_ICMP6_NA:
	case L4_ICMP6_REDIRECT:
		l4_ndp_input(ip, in);
		return;
	case L4_ICMP6_MLD_QUERY:
	case L4_ICMP6_MLD1_REPORT:
	case L4_ICMP6_MLD1_DONE:
	case L4_ICMP6_MLD2_REPORT:
		l4_group_query_input(ip, in);
		return;
	default:
		if (h->type < 128)
			error_in(ip, in, h, msg, len);
		else
			l4_ip_drop(ip, L4_DROP_ICMP_TYPE, in->ifp->index, in->k.l3_len);
		return;
	}
}

void l4_icmp_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	const uint8_t *msg = in->data + in->k.l4_off;
	uint32_t len = in->k.l4_len;
	struct l4_icmp_hdr h;
	bool v6 = in->k.version == 6;
	ip->c->icmp_in++;
	if (in->k.l4_off + len > in->avail || l4_icmp_parse(&h, msg, len) < 0) {
		l4_ip_drop(ip, L4_DROP_ICMP_SHORT, in->ifp->index, in->k.l3_len);
		return;
	}
	uint16_t csum = v6 ? l4_wire_csum(&in->k.src, &in->k.dst, L4_PROTO_ICMP6, msg, len)
			   : l4_icmp_csum(msg, len);
	if (csum != 0 && !in->loop) {
		l4_ip_drop(ip, L4_DROP_ICMP_CSUM, in->ifp->index, in->k.l3_len);
		return;
	}
	if (v6)
		input6(ip, in, &h, msg, len);
	else
		input4(ip, in, &h, msg, len);
}
