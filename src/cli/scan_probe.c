/* Probes as bytes, and answers back to probes.
 *
 * A group's probes differ in address, ports, and cookie only: the rest is a template with the
 * checksum's sum over what stays. The cookie is a keyed hash of address, port and attempt. It goes
 * into the sequence number, and in probes with ACK into the acknowledgment number too, so that any
 * true answer (SYN-ACK, RST, or ICMP with our packet quoted) carries it back; nothing need be
 * remembered to tell it from a forged one. The source port says which attempt is answered. */
#include <string.h>

#include "cli/scan_net.h"

#define ETH_LEN 14u

uint32_t scan_cookie(
    const struct scan_job *j, const struct l4_addr *dst, uint16_t dport, unsigned attempt)
{
	uint8_t b[20];
	memcpy(b, dst->b, 16);
	scan_put16(b + 16, dport);
	scan_put16(b + 18, attempt);
	return (uint32_t)scan_siphash(&j->key, b, sizeof b);
}

static uint8_t flags_of(enum scan_type type)
{
	switch (type) {
	case SCAN_ACK:
	case SCAN_WINDOW:
		return L4_TCPF_ACK;
	case SCAN_FIN:
		return L4_TCPF_FIN;
	case SCAN_NULL:
		return 0;
	case SCAN_XMAS:
		return L4_TCPF_FIN | L4_TCPF_PSH | L4_TCPF_URG;
	case SCAN_SYN:
	case SCAN_CONNECT:
	case SCAN_UDP:
		break;
	}
	return L4_TCPF_SYN;
}

static uint32_t sum16(const uint8_t *p, size_t len)
{
	uint32_t s = 0;
	for (size_t i = 0; i + 1 < len; i += 2)
		s += scan_get16(p + i);
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* The Ethernet and IP headers in front of `payload` bytes; returns the offset behind. */
static uint32_t put_headers(const struct scan_net *n, const struct scan_group *g, uint8_t *f,
    uint8_t proto, uint32_t payload, uint32_t *l3)
{
	const struct scan_link *l = &n->links[g->link];
	bool v4 = l4_addr_is_ip4(&g->src);
	uint32_t at = 0;
	if (l->ethernet) {
		memcpy(f + 6, l->mac.b, 6);
		scan_put16(f + 12, v4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6);
		at = ETH_LEN;
	}
	*l3 = at;
	uint8_t *ip = f + at;
	if (v4) {
		ip[0] = 0x45;
		scan_put16(ip + 2, L4_IP4_HDR_LEN + payload);
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, g->src.b + 12, 4);
		return at + L4_IP4_HDR_LEN;
	}
	ip[0] = 0x60;
	scan_put16(ip + 4, payload);
	ip[6] = proto;
	ip[7] = 64;
	memcpy(ip + 8, g->src.b, 16);
	return at + L4_IP6_HDR_LEN;
}

void scan_probe_template(
    const struct scan_job *j, struct scan_net *n, struct scan_group *g, enum scan_type type)
{
	uint8_t flags = flags_of(type);
	uint32_t tcp_len = L4_TCP_HDR_LEN + (flags & L4_TCPF_SYN ? 4 : 0);
	bool v4 = l4_addr_is_ip4(&g->src);
	(void)j;
	memset(g->tmpl, 0, sizeof g->tmpl);
	g->l4 = put_headers(n, g, g->tmpl, L4_PROTO_TCP, tcp_len, &g->l3);
	uint8_t *t = g->tmpl + g->l4;
	t[12] = (uint8_t)(tcp_len / 4 << 4);
	t[13] = flags;
	scan_put16(t + 14, 1024);
	if (flags & L4_TCPF_SYN) {
		t[20] = 2;
		t[21] = 4;
		scan_put16(t + 22, v4 ? 1460 : 1440);
	}
	g->tmpl_len = g->l4 + tcp_len;
	g->ip_sum = v4 ? sum16(g->tmpl + g->l3, L4_IP4_HDR_LEN) : 0;
	g->tcp_sum = sum16(v4 ? g->src.b + 12 : g->src.b, v4 ? 4 : 16) + L4_PROTO_TCP + tcp_len +
		     sum16(t, tcp_len);
}

/* Fills in what differs: next hop, destination, and for TCP ports, numbers and checksums. */
static void put_destination(struct scan_group *g, uint8_t *f, const struct l4_addr *dst,
    const struct l4_mac *mac, uint32_t ip_sum)
{
	bool v4 = l4_addr_is_ip4(dst);
	uint8_t *ip = f + g->l3;
	if (g->l3)
		memcpy(f, mac->b, 6);
	memcpy(ip + (v4 ? 16 : 24), v4 ? dst->b + 12 : dst->b, v4 ? 4 : 16);
	if (v4)
		scan_put16(ip + 10, fold(ip_sum + sum16(dst->b + 12, 4)));
}

static void send_tcp(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac, uint16_t dport, unsigned attempt,
    uint32_t seq, uint32_t ack, int flags)
{
	struct scan_link *l = &n->links[g->link];
	uint8_t *f = scan_link_next(l, &j->c);
	bool v4 = l4_addr_is_ip4(dst);
	memcpy(f, g->tmpl, g->tmpl_len);
	put_destination(g, f, dst, mac, g->ip_sum);
	uint8_t *t = f + g->l4;
	uint32_t sum = g->tcp_sum + sum16(v4 ? dst->b + 12 : dst->b, v4 ? 4 : 16);
	scan_put16(t, n->sport + attempt);
	scan_put16(t + 2, dport);
	scan_put32(t + 4, seq);
	scan_put32(t + 8, ack);
	sum += sum16(t, 12);
	if (flags >= 0) {
		sum -= t[13];
		t[13] = (uint8_t)flags;
		sum += t[13];
	}
	scan_put16(t + 16, fold(sum));
	scan_link_queue(l, g->tmpl_len, !v4);
}

void scan_probe_send(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac, uint16_t dport, unsigned attempt)
{
	uint32_t cookie = scan_cookie(j, dst, dport, attempt);
	bool ack = g->tmpl[g->l4 + 13] & L4_TCPF_ACK;
	send_tcp(j, n, g, dst, mac, dport, attempt, cookie, ack ? cookie : 0, -1);
	j->c.sent++;
}

void scan_probe_send_reset(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac, uint16_t dport, unsigned attempt,
    uint32_t seq)
{
	send_tcp(j, n, g, dst, mac, dport, attempt, seq, 0, L4_TCPF_RST);
}

void scan_echo_send(struct scan_job *j, struct scan_net *n, struct scan_group *g,
    const struct l4_addr *dst, const struct l4_mac *mac)
{
	struct scan_link *l = &n->links[g->link];
	uint8_t *f = scan_link_next(l, &j->c);
	bool v4 = l4_addr_is_ip4(dst);
	uint32_t l3;
	memset(f, 0, SCAN_FRAME_MAX);
	uint32_t at = put_headers(n, g, f, v4 ? L4_PROTO_ICMP : L4_PROTO_ICMP6, 8, &l3);
	put_destination(g, f, dst, mac, v4 ? sum16(f + l3, L4_IP4_HDR_LEN) : 0);
	uint8_t *p = f + at;
	p[0] = v4 ? L4_ICMP_ECHO : L4_ICMP6_ECHO;
	scan_put32(p + 4, scan_cookie(j, dst, 0, 0));
	uint16_t csum = v4 ? l4_icmp_csum(p, 8) : l4_wire_csum(&g->src, dst, L4_PROTO_ICMP6, p, 8);
	memcpy(p + 2, &csum, 2);
	scan_link_queue(l, at + 8, !v4);
	j->c.sent++;
}

/* --- answers ------------------------------------------------------------------------------ */

static uint8_t reason_of_error(bool v6, uint8_t type, uint8_t code)
{
	if (v6) {
		if (type == L4_ICMP6_TIME_EXCEEDED)
			return SCAN_R_TTL_EXCEEDED;
		if (type != L4_ICMP6_UNREACH)
			return 0;
		return code == L4_ICMP6_UNREACH_NOROUTE ? SCAN_R_NO_ROUTE
		       : code == L4_ICMP6_UNREACH_PORT  ? SCAN_R_PORT_UNREACH
		       : code == L4_ICMP6_UNREACH_ADDR  ? SCAN_R_HOST_UNREACH
							: SCAN_R_ADMIN_PROHIBITED;
	}
	if (type == L4_ICMP_TIME_EXCEEDED)
		return SCAN_R_TTL_EXCEEDED;
	if (type != L4_ICMP_UNREACH)
		return 0;
	switch (code) {
	case 0:
	case 6:
	case 11:
		return SCAN_R_NET_UNREACH;
	case 2:
		return SCAN_R_PROTO_UNREACH;
	case 3:
		return SCAN_R_PORT_UNREACH;
	case 9:
	case 10:
	case 13:
		return SCAN_R_ADMIN_PROHIBITED;
	case 4:
		return 0;
	default:
		return SCAN_R_HOST_UNREACH;
	}
}

static bool attempt_of(const struct scan_net *n, uint16_t our_port, unsigned *attempt)
{
	*attempt = (unsigned)(uint16_t)(our_port - n->sport);
	return *attempt >= 1 && *attempt < 16;
}

static void parse_tcp(const struct scan_job *j, const struct scan_net *n, enum scan_type type,
    const uint8_t *p, size_t len, struct scan_answer *a)
{
	struct l4_tcp_hdr t;
	/* A reset with damaged options is a reset still; only the fixed header counts here. */
	if (len < L4_TCP_HDR_LEN)
		return;
	if (l4_tcp_parse(&t, p, len) < 0)
		return;
	if (!attempt_of(n, t.dport, &a->attempt))
		return;
	a->dport = t.sport;
	uint32_t cookie = scan_cookie(j, &a->host, t.sport, a->attempt);
	uint8_t flags = flags_of(type);
	uint32_t len_of_probe = (flags & L4_TCPF_SYN ? 1u : 0u) + (flags & L4_TCPF_FIN ? 1u : 0u);
	if (t.flags & L4_TCPF_RST) {
		/* RFC 9293 3.10.7.1: a reset to a segment with ACK takes its SEQ from there, to one
		 * without it acknowledges the segment's length. */
		bool ok = flags & L4_TCPF_ACK
			      ? t.seq == cookie
			      : t.flags & L4_TCPF_ACK && t.ack == cookie + len_of_probe;
		a->forged = !ok;
		if (ok)
			a->reason =
			    t.wnd && type == SCAN_WINDOW ? SCAN_R_RESET_WINDOW : SCAN_R_RESET;
	} else if (t.flags & L4_TCPF_SYN && t.flags & L4_TCPF_ACK && flags & L4_TCPF_SYN) {
		a->forged = t.ack != cookie + 1;
		a->rst_seq = cookie + 1;
		if (!a->forged)
			a->reason = SCAN_R_SYN_ACK;
	}
}

static void parse_icmp(const struct scan_job *j, const struct scan_net *n, bool v6,
    const uint8_t *p, size_t len, struct scan_answer *a)
{
	struct l4_icmp_hdr h;
	struct l4_icmp_quote q;
	if (l4_icmp_parse(&h, p, len) < 0)
		return;
	if (h.type == (v6 ? L4_ICMP6_ECHO_REPLY : L4_ICMP_ECHO_REPLY)) {
		if (h.rest == scan_cookie(j, &a->host, 0, 0)) {
			a->reason = SCAN_R_ECHO_REPLY;
			a->is_echo = true;
		}
		return;
	}
	uint8_t reason = reason_of_error(v6, h.type, h.code);
	if (!reason || l4_icmp_quote_parse(&q, v6, p + L4_ICMP_HDR_LEN, len - L4_ICMP_HDR_LEN) < 0)
		return;
	if (q.proto != L4_PROTO_TCP || q.is_frag_rest || !attempt_of(n, q.sport, &a->attempt))
		return;
	a->host = q.dst;
	a->dport = q.dport;
	a->forged = q.tcp_seq != scan_cookie(j, &q.dst, q.dport, a->attempt);
	if (!a->forged)
		a->reason = reason;
}

void scan_probe_parse(const struct scan_job *j, const struct scan_net *n, enum scan_type type,
    const uint8_t *p, size_t len, struct scan_answer *a)
{
	memset(a, 0, sizeof *a);
	if (len < 1)
		return;
	if (p[0] >> 4 == 4) {
		struct l4_ip4_hdr h;
		int n4 = l4_ip4_parse(&h, p, len);
		if (n4 < 0 || h.frag_off || h.mf)
			return;
		a->host = h.src;
		size_t left = (size_t)h.total_len - (size_t)n4;
		if (h.proto == L4_PROTO_TCP)
			parse_tcp(j, n, type, p + n4, left, a);
		else if (h.proto == L4_PROTO_ICMP)
			parse_icmp(j, n, false, p + n4, left, a);
		return;
	}
	struct l4_ip6_hdr h;
	int n6 = l4_ip6_parse(&h, p, len);
	if (n6 < 0)
		return;
	a->host = h.src;
	if (h.next == L4_PROTO_TCP)
		parse_tcp(j, n, type, p + n6, h.payload_len, a);
	else if (h.next == L4_PROTO_ICMP6)
		parse_icmp(j, n, true, p + n6, h.payload_len, a);
}

/* --- link addresses ----------------------------------------------------------------------- */

static void put_arp(struct scan_link *l, struct scan_counters *c, uint16_t op,
    const struct l4_addr *spa, const struct l4_mac *tha, const struct l4_addr *tpa,
    const struct l4_mac *dst)
{
	struct l4_arp_hdr a = { .op = op, .sha = l->mac, .tha = *tha, .spa = *spa, .tpa = *tpa };
	uint8_t *f = scan_link_next(l, c);
	memcpy(f, dst->b, 6);
	memcpy(f + 6, l->mac.b, 6);
	scan_put16(f + 12, L4_ETHERTYPE_ARP);
	int n = l4_arp_emit(&a, f + ETH_LEN, SCAN_FRAME_MAX - ETH_LEN);
	if (n > 0)
		scan_link_queue(l, ETH_LEN + (uint32_t)n, false);
}

static void put_ndp(struct scan_link *l, struct scan_counters *c, struct l4_ndp_msg *m,
    const struct l4_addr *src, const struct l4_addr *dst, const struct l4_mac *mac)
{
	uint8_t *f = scan_link_next(l, c);
	memset(f, 0, SCAN_FRAME_MAX);
	memcpy(f, mac->b, 6);
	memcpy(f + 6, l->mac.b, 6);
	scan_put16(f + 12, L4_ETHERTYPE_IP6);
	uint8_t *ip = f + ETH_LEN, *p = ip + L4_IP6_HDR_LEN;
	int n = l4_ndp_emit(m, p, SCAN_FRAME_MAX - ETH_LEN - L4_IP6_HDR_LEN);
	if (n < 0)
		return;
	ip[0] = 0x60;
	scan_put16(ip + 4, (uint32_t)n);
	ip[6] = L4_PROTO_ICMP6;
	ip[7] = 255; /* RFC 4861 7.1.1 */
	memcpy(ip + 8, src->b, 16);
	memcpy(ip + 24, dst->b, 16);
	uint16_t csum = l4_wire_csum(src, dst, L4_PROTO_ICMP6, p, (size_t)n);
	memcpy(p + 2, &csum, 2);
	scan_link_queue(l, ETH_LEN + L4_IP6_HDR_LEN + (uint32_t)n, true);
}

void scan_ask_mac(
    struct scan_job *j, struct scan_net *n, struct scan_group *g, const struct l4_addr *dst)
{
	static const struct l4_mac none, all = { { 255, 255, 255, 255, 255, 255 } };
	struct scan_link *l = &n->links[g->link];
	j->c.sent++;
	if (l4_addr_is_ip4(dst)) {
		put_arp(l, &j->c, L4_ARP_REQUEST, &g->src, &none, dst, &all);
		return;
	}
	/* RFC 4291 2.7.1: the solicited-node group ff02::1:ffXX:XXXX. */
	struct l4_addr group = { { 0xff, 2, [11] = 1, [12] = 0xff } };
	memcpy(group.b + 13, dst->b + 13, 3);
	struct l4_mac mac = l4_mac_from_group(&group);
	struct l4_ndp_msg m = {
		.type = L4_ICMP6_NS, .target = *dst, .present = L4_NDPO_SLLA, .slla = l->mac
	};
	put_ndp(l, &j->c, &m, &g->src, &group, &mac);
}

static bool learn_arp(struct scan_job *j, struct scan_link *l, const uint8_t *p, size_t len,
    struct l4_addr *whose, struct l4_mac *mac)
{
	struct l4_arp_hdr a;
	if (l4_arp_parse(&a, p, len) < 0)
		return false;
	if (a.op == L4_ARP_REQUEST && j->has_source && l4_addr_eq(&a.tpa, &j->source))
		put_arp(l, &j->c, L4_ARP_REPLY, &j->source, &a.sha, &a.spa, &a.sha);
	if (a.op != L4_ARP_REPLY)
		return false;
	*whose = a.spa;
	*mac = a.sha;
	return true;
}

static bool learn_ndp(struct scan_job *j, struct scan_link *l, const uint8_t *p, size_t len,
    const struct l4_mac *from, struct l4_addr *whose, struct l4_mac *mac)
{
	struct l4_ip6_hdr h;
	struct l4_ndp_msg m;
	int at = l4_ip6_parse(&h, p, len);
	if (at < 0 || h.next != L4_PROTO_ICMP6 || h.hop_limit != 255 || h.payload_len < 24)
		return false;
	uint8_t type = p[at];
	if ((type != L4_ICMP6_NA && type != L4_ICMP6_NS) ||
	    l4_ndp_parse(&m, p + at, h.payload_len) < 0)
		return false;
	if (type == L4_ICMP6_NS && j->has_source && l4_addr_eq(&m.target, &j->source)) {
		struct l4_ndp_msg na = { .type = L4_ICMP6_NA,
			.target = j->source,
			.solicited = true,
			.override_ = true,
			.present = L4_NDPO_TLLA,
			.tlla = l->mac };
		put_ndp(l, &j->c, &na, &j->source, &h.src, from);
	}
	if (type != L4_ICMP6_NA)
		return false;
	*whose = m.target;
	*mac = m.present & L4_NDPO_TLLA ? m.tlla : *from;
	return true;
}

bool scan_learn_mac(struct scan_job *j, struct scan_net *n, struct scan_link *l, uint16_t ethertype,
    const uint8_t *p, size_t len, const struct l4_mac *from, struct l4_addr *whose,
    struct l4_mac *mac)
{
	(void)n;
	if (!l->ethernet)
		return false;
	if (ethertype == L4_ETHERTYPE_ARP)
		return learn_arp(j, l, p, len, whose, mac);
	if (ethertype == L4_ETHERTYPE_IP6)
		return learn_ndp(j, l, p, len, from, whose, mac);
	return false;
}
