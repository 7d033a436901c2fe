/* Which packet answers which.
 *
 * Both sides are brought to one form, that of the question: a packet sent is read as it stands, a
 * reply with its ends exchanged, an ICMP error as the packet that it quotes. The key is a hash of
 * what must be equal in that form; what may differ in a right answer (the acknowledgement, the
 * spelling of a name) is compared afterwards. Nothing here trusts a length of the packet: what is
 * cut off is not there. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/match.h>
#include <layer4/wire.h>

#include "base/cursor.h"
#include "base/seq.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* An IP packet down to its payload. */
struct ip {
	struct l4_addr src, dst;
	struct l4_rd body; /* what is there of the payload */
	uint32_t len;      /* of the payload, as the header says */
	uint16_t id;
	uint8_t proto;
	bool first; /* not a later fragment: the payload begins with its header */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t mix_addr(uint64_t h, const struct l4_addr *a)
{
	uint64_t w[2];
	memcpy(w, a->b, sizeof w);
	return mix(mix(h, w[0]), w[1]);
}

static void set_keys(struct l4_match *m)
{
	uint64_t h = mix(UINT64_C(0x6c617965723421), (uint64_t)m->kind << 8 | m->protocol);
	if (m->kind == L4_MK_DHCP) {
		m->key = m->any_key = mix(h, m->question);
		return;
	}
	h = mix(h, m->local_port);
	if (m->kind == L4_MK_ECHO)
		h = mix(h, m->remote_port);
	if (m->kind != L4_MK_ARP && m->kind != L4_MK_ND && m->kind != L4_MK_RA)
		h = mix_addr(h, &m->local);
	m->any_key = h;
	if (m->kind != L4_MK_RA)
		h = mix_addr(h, &m->remote);
	m->key = mix(h, m->remote_port);
}

/* ---- down to the payload ---- */

static bool read_ip4(struct l4_rd *r, struct ip *out)
{
	size_t all = l4_rd_left(r);
	uint8_t vhl = l4_rd_u8(r), src[4], dst[4];
	l4_rd_skip(r, 1);
	uint16_t total = l4_rd_u16(r);
	out->id = l4_rd_u16(r);
	uint16_t frag = l4_rd_u16(r);
	l4_rd_skip(r, 1);
	out->proto = l4_rd_u8(r);
	l4_rd_skip(r, 2);
	l4_rd_bytes(r, src, 4);
	l4_rd_bytes(r, dst, 4);
	unsigned header = (vhl & 15u) * 4u;
	if (!l4_rd_ok(r) || header < 20 || total < header)
		return false;
	l4_rd_skip(r, header - 20);
	out->src = l4_addr_from_ip4(src);
	out->dst = l4_addr_from_ip4(dst);
	out->len = total - header;
	out->first = (frag & 0x1fff) == 0;
	size_t left = l4_rd_ok(r) ? all - header : 0;
	out->body = l4_rd_sub(r, left < out->len ? left : out->len);
	return l4_rd_ok(r);
}

/* Steps over extension headers (RFC 8200 4). */
static bool read_ip6(struct l4_rd *r, struct ip *out)
{
	uint8_t src[16], dst[16];
	l4_rd_skip(r, 4);
	uint32_t len = l4_rd_u16(r);
	uint8_t next = l4_rd_u8(r);
	l4_rd_skip(r, 1);
	l4_rd_bytes(r, src, 16);
	l4_rd_bytes(r, dst, 16);
	if (!l4_rd_ok(r))
		return false;
	out->src = l4_addr_from_ip6(src);
	out->dst = l4_addr_from_ip6(dst);
	out->first = true;
	out->id = 0;
	struct l4_rd b = l4_rd_sub(r, l4_rd_left(r) < len ? l4_rd_left(r) : len);
	while (next == 0 || next == 43 || next == 44 || next == 60 || next == 51) {
		uint8_t kind = next;
		next = l4_rd_u8(&b);
		uint8_t words = l4_rd_u8(&b);
		uint32_t n = kind == 44 ? 8u : kind == 51 ? words * 4u + 8u : words * 8u + 8u;
		if (kind == 44) {
			out->first = (l4_rd_u16(&b) & 0xfff8) == 0;
			l4_rd_skip(&b, n - 4);
		} else {
			l4_rd_skip(&b, n - 2);
		}
		if (!l4_rd_ok(&b) || n > len)
			return false;
		len -= n;
		if (!out->first)
			break;
	}
	out->proto = next;
	out->len = len;
	out->body = b;
	return true;
}

static bool read_ip(struct l4_rd *r, struct ip *out)
{
	if (!l4_rd_left(r))
		return false;
	return r->p[0] >> 4 == 4 ? read_ip4(r, out) : r->p[0] >> 4 == 6 && read_ip6(r, out);
}

/* Steps over the link header; gives the ethertype of what follows. */
static uint16_t read_link(struct l4_rd *r, uint16_t linktype)
{
	if (linktype == L4_LINK_RAW || linktype == L4_LINK_IPV4 || linktype == L4_LINK_IPV6)
		return !l4_rd_left(r) ? 0 : r->p[0] >> 4 == 4 ? L4_ETHERTYPE_IP4 : L4_ETHERTYPE_IP6;
	if (linktype != L4_LINK_ETHERNET)
		return 0;
	l4_rd_skip(r, 12);
	uint16_t type = l4_rd_u16(r);
	for (int tags = 0; tags < 4 && (type == 0x8100 || type == 0x88a8); tags++) {
		l4_rd_skip(r, 2);
		type = l4_rd_u16(r);
	}
	return l4_rd_ok(r) ? type : 0;
}

/* ---- what is above IP ---- */

/* A hash of the first question's name (without regard to case), type and class; 0: there is none.
 */
static uint32_t question(struct l4_rd r, uint16_t count)
{
	uint64_t h = 1;
	if (!count)
		return 0;
	for (;;) {
		uint8_t n = l4_rd_u8(&r);
		if (!l4_rd_ok(&r) || n > 63)
			return 0;
		h = mix(h, n);
		if (!n)
			break;
		while (n--) {
			uint8_t c = l4_rd_u8(&r);
			h = mix(h, c >= 'A' && c <= 'Z' ? c + 32u : c);
		}
	}
	h = mix(h, l4_rd_u32(&r));
	return l4_rd_ok(&r) ? (uint32_t)h | 1 : 0;
}

static bool is_dns(uint16_t port)
{
	return port == 53 || port == 5353 || port == 5355;
}

static void read_udp_body(struct l4_match *m, struct l4_rd r)
{
	uint16_t a = m->local_port, b = m->remote_port;
	if (is_dns(a) || is_dns(b)) {
		m->dns_id = l4_rd_u16(&r);
		m->has_dns = l4_rd_ok(&r);
		l4_rd_skip(&r, 2);
		uint16_t questions = l4_rd_u16(&r);
		l4_rd_skip(&r, 6);
		m->question = l4_rd_ok(&r) ? question(r, questions) : 0;
	} else if ((a == 68 && b == 67) || (a == 546 && b == 547)) {
		if (a == 68)
			l4_rd_skip(&r, 4);
		uint32_t xid = l4_rd_u32(&r);
		if (!l4_rd_ok(&r))
			return;
		m->kind = L4_MK_DHCP;
		m->question = a == 68 ? xid : xid & 0xffffff;
	}
}

/* Ports, or what stands in their place; swap: the packet comes from whom was asked. */
static bool read_transport(struct l4_match *m, struct ip *i, bool swap)
{
	struct l4_rd r = i->body;
	m->protocol = i->proto;
	m->ip_id = i->id;
	m->local = swap ? i->dst : i->src;
	m->remote = swap ? i->src : i->dst;
	m->kind = L4_MK_OTHER;
	if (!i->first || (i->proto != L4_PROTO_TCP && i->proto != L4_PROTO_UDP))
		return true;
	uint16_t from = l4_rd_u16(&r), to = l4_rd_u16(&r);
	if (!l4_rd_ok(&r))
		return false;
	m->local_port = swap ? to : from;
	m->remote_port = swap ? from : to;
	m->kind = i->proto == L4_PROTO_TCP ? L4_MK_TCP : L4_MK_UDP;
	if (i->proto == L4_PROTO_UDP) {
		l4_rd_skip(&r, 4);
		if (l4_rd_ok(&r))
			read_udp_body(m, r);
		return true;
	}
	m->seq = l4_rd_u32(&r);
	m->has_seq = l4_rd_ok(&r);
	m->ack = l4_rd_u32(&r);
	uint16_t word = l4_rd_u16(&r);
	m->flags = (uint8_t)word;
	uint32_t header = (uint32_t)(word >> 12) * 4;
	m->end = m->seq + (i->len > header ? i->len - header : 0) + ((m->flags & SYN) != 0) +
		 ((m->flags & FIN) != 0);
	return true;
}

/* A question of ICMP, or with `reply` the answer to one. kinds: question, answer. */
static bool read_echo(struct l4_match *m, struct ip *i, const uint8_t kinds[][2], bool reply)
{
	struct l4_rd r = i->body;
	uint8_t type = l4_rd_u8(&r);
	l4_rd_skip(&r, 3);
	uint16_t id = l4_rd_u16(&r), seq = l4_rd_u16(&r);
	if (!l4_rd_ok(&r) || !i->first)
		return false;
	for (; kinds[0][0] | kinds[0][1]; kinds++)
		if (kinds[0][reply] == type)
			break;
	if (!(kinds[0][0] | kinds[0][1]))
		return false;
	m->kind = L4_MK_ECHO;
	m->flags = kinds[0][0];
	m->local_port = id;
	m->remote_port = seq;
	return true;
}

static const uint8_t icmp4_kinds[][2] = { { 8, 0 }, { 13, 14 }, { 17, 18 }, { 0, 0 } };
static const uint8_t icmp6_kinds[][2] = { { 128, 129 }, { 0, 0 } };

static bool read_target(struct l4_match *m, struct ip *i, bool reply)
{
	struct l4_rd r = i->body;
	uint8_t type = l4_rd_u8(&r), target[16];
	m->local_port = m->remote_port = 0;
	if (type == (reply ? 134 : 133)) { /* RFC 4861 4.1, 4.2 */
		m->kind = L4_MK_RA;
		return true;
	}
	if (type != (reply ? 136 : 135)) /* 4.3, 4.4 */
		return false;
	l4_rd_skip(&r, 7);
	l4_rd_bytes(&r, target, 16);
	m->kind = L4_MK_ND;
	m->remote = l4_addr_from_ip6(target);
	return l4_rd_ok(&r);
}

/* The packet as a question: sent, or quoted by an error. */
static bool read_question(struct l4_match *m, struct ip *i)
{
	if (!read_transport(m, i, false))
		return false;
	m->group = l4_addr_is_multicast(&m->remote) || l4_addr_is_broadcast(&m->remote);
	if (i->proto == L4_PROTO_ICMP)
		read_echo(m, i, icmp4_kinds, false);
	else if (i->proto == L4_PROTO_ICMP6 && !read_echo(m, i, icmp6_kinds, false))
		read_target(m, i, false);
	return true;
}

static bool read_arp(struct l4_match *m, struct l4_rd *r, bool reply)
{
	uint8_t sender[4], target[4];
	l4_rd_skip(r, 2);
	uint16_t type = l4_rd_u16(r), lengths = l4_rd_u16(r), op = l4_rd_u16(r);
	l4_rd_skip(r, 6);
	l4_rd_bytes(r, sender, 4);
	l4_rd_skip(r, 6);
	l4_rd_bytes(r, target, 4);
	if (!l4_rd_ok(r) || type != L4_ETHERTYPE_IP4 || lengths != 0x0604 ||
	    op != (reply ? 2 : 1)) /* RFC 826 */
		return false;
	m->kind = L4_MK_ARP;
	m->local = l4_addr_from_ip4(reply ? target : sender);
	m->remote = l4_addr_from_ip4(reply ? sender : target);
	return true;
}

int l4_match_sent(struct l4_match *m, uint16_t linktype, const void *packet, size_t n)
{
	struct l4_rd r = l4_rd_init(packet, n);
	uint16_t type = read_link(&r, linktype);
	struct ip i;
	memset(m, 0, sizeof *m);
	if (type == L4_ETHERTYPE_ARP ? !read_arp(m, &r, false)
				     : !type || !read_ip(&r, &i) || !read_question(m, &i))
		return L4_EUNSUPPORTED;
	set_keys(m);
	return 0;
}

/* Whether this is an error, with the packet in question behind 8 bytes. Redirects are none: the
 * packet went on. */
static bool is_error(const struct ip *i)
{
	if (!i->first || !l4_rd_left(&i->body))
		return false;
	uint8_t type = i->body.p[0];
	if (i->proto == L4_PROTO_ICMP) /* RFC 792 */
		return type == 3 || type == 4 || type == 11 || type == 12;
	return i->proto == L4_PROTO_ICMP6 && type >= 1 && type <= 4; /* RFC 4443 2.1 */
}

static int heard_ip(struct l4_match *m, struct ip *i)
{
	struct ip quoted;
	if (is_error(i)) {
		struct l4_rd r = i->body;
		l4_rd_skip(&r, 8);
		return l4_rd_ok(&r) && read_ip(&r, &quoted) && read_question(m, &quoted)
			   ? L4_MATCH_ERROR
			   : L4_MATCH_NONE;
	}
	if (!read_transport(m, i, true))
		return L4_MATCH_NONE;
	if (i->proto == L4_PROTO_ICMP && !read_echo(m, i, icmp4_kinds, true))
		return L4_MATCH_NONE;
	if (i->proto == L4_PROTO_ICMP6 && !read_echo(m, i, icmp6_kinds, true) &&
	    !read_target(m, i, true))
		return L4_MATCH_NONE;
	return L4_MATCH_ANSWER;
}

int l4_match_heard(struct l4_match *m, uint16_t linktype, const void *packet, size_t n)
{
	struct l4_rd r = l4_rd_init(packet, n);
	uint16_t type = read_link(&r, linktype);
	struct ip i;
	memset(m, 0, sizeof *m);
	if (type == L4_ETHERTYPE_ARP)
		m->how = read_arp(m, &r, true) ? L4_MATCH_ANSWER : L4_MATCH_NONE;
	else if (type && read_ip(&r, &i))
		m->how = (uint8_t)heard_ip(m, &i);
	if (m->how != L4_MATCH_NONE)
		set_keys(m);
	return m->how;
}

/* RFC 9293 3.10.7: an answer acknowledges the segment; a reset to a segment with ACK takes its
 * number from there. A challenge ACK (RFC 5961 3.2, 4.2) acknowledges what it likes. */
static bool tcp_is(const struct l4_match *s, const struct l4_match *h)
{
	if (h->how == L4_MATCH_ERROR)
		return !h->has_seq || h->seq == s->seq;
	if (!(h->flags & ACK))
		return (h->flags & RST) && (s->flags & ACK) && h->seq == s->ack;
	if (h->flags & RST)
		return l4_seq_gt(h->ack, s->seq) ? l4_seq_leq(h->ack, s->end) : h->ack == s->seq;
	if ((s->flags & (SYN | RST)) && !(h->flags & SYN))
		return true;
	return l4_seq_geq(h->ack, s->end);
}

static bool udp_is(const struct l4_match *s, const struct l4_match *h)
{
	if (!s->has_dns || !h->has_dns || h->how == L4_MATCH_ERROR)
		return true;
	/* Answers to multicast questions need not repeat them (RFC 6762 6, 18.1). */
	if (s->group && s->remote_port == 5353)
		return true;
	return s->dns_id == h->dns_id &&
	       (!s->question || !h->question || s->question == h->question);
}

bool l4_match_is(const struct l4_match *s, const struct l4_match *h)
{
	if (h->how == L4_MATCH_NONE || s->kind != h->kind || s->protocol != h->protocol)
		return false;
	if (s->kind == L4_MK_DHCP)
		return s->question == h->question;
	if (s->kind == L4_MK_RA)
		return true;
	if (s->kind == L4_MK_ARP || s->kind == L4_MK_ND)
		return l4_addr_eq(&s->remote, &h->remote);
	if (!l4_addr_eq(&s->local, &h->local) || s->local_port != h->local_port)
		return false;
	bool anyone = s->group && h->how == L4_MATCH_ANSWER;
	if (!anyone && (!l4_addr_eq(&s->remote, &h->remote) || s->remote_port != h->remote_port))
		return false;
	if (s->kind == L4_MK_ECHO && (s->remote_port != h->remote_port || s->flags != h->flags))
		return false;
	if (s->kind == L4_MK_TCP)
		return tcp_is(s, h);
	return s->kind != L4_MK_UDP || udp_is(s, h);
}
