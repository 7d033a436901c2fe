/* Runs every parser of the wire module over arbitrary bytes and checks what must hold whatever
 * they are. The exhaustive tests and the fuzz targets share it; nothing else includes it. */
#ifndef L4_WIRE_TESTEXERCISE_H
#define L4_WIRE_TESTEXERCISE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/wire.h>

#define HOLDS(x)                                                                           \
	do {                                                                               \
		if (!(x)) {                                                                \
			(void)fprintf(                                                     \
			    stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* A parser's answer: a length inside the input, or an error that wire.h names. */
static inline bool parsed(int rc, size_t len)
{
	HOLDS(rc >= 0 ? (size_t)rc <= len
		      : rc == L4_ETRUNC || rc == L4_EMALFORMED || rc == L4_ELIMIT);
	return rc >= 0;
}

static inline bool inside(const void *p, size_t n, const uint8_t *data, size_t len)
{
	const uint8_t *b = (const uint8_t *)p;
	return b >= data && (size_t)(b - data) <= len && n <= len - (size_t)(b - data);
}

static inline void exercise_tcp(const uint8_t *p, size_t len)
{
	struct l4_tcp_hdr h, back;
	uint8_t out[64], again[64];
	int rc = l4_tcp_parse(&h, p, len);
	if (!parsed(rc, len))
		return;
	HOLDS(rc >= 20 && rc <= 60 && rc % 4 == 0 && h.hdr_len == rc);
	HOLDS(h.opts.wscale <= 14 && h.opts.sack_n <= 4 && h.opts.accecn_n <= 3);
	HOLDS(h.opts.fo_len <= 16 && h.opts.fo_len % 2 == 0);
	int n = l4_tcp_emit(&h, out, sizeof out);
	bool syn = h.flags & L4_TCPF_SYN;
	HOLDS(l4_tcp_opts_len(&h.opts, syn) == (n < 0 ? n : n - 20));
	if (n < 0) {
		HOLDS(n == L4_EINVAL); /* packed more tightly than we pad */
		return;
	}
	HOLDS(n <= 60 && n % 4 == 0);
	HOLDS(memcmp(p, out, 12) == 0 && memcmp(p + 14, out + 14, 2) == 0);
	HOLDS((p[12] & 15) == (out[12] & 15) && p[13] == out[13]);
	HOLDS(l4_tcp_parse(&back, out, (size_t)n) == n);
	HOLDS(l4_tcp_emit(&back, again, sizeof again) == n && memcmp(out, again, (size_t)n) == 0);
}

static inline void exercise_quote(bool v6, const uint8_t *p, size_t len)
{
	struct l4_icmp_quote q;
	int rc = l4_icmp_quote_parse(&q, v6, p, len);
	if (parsed(rc, len))
		HOLDS(q.hdr_len == (size_t)rc && (q.is_frag_rest || len - q.hdr_len >= 8));
}

static inline void exercise_ndp(const uint8_t *p, size_t len)
{
	struct l4_ndp_msg m, back;
	uint8_t out[4096], again[4096];
	if (!parsed(l4_ndp_parse(&m, p, len), len))
		return;
	HOLDS(m.prefix_n <= L4_NDP_PREFIX_MAX && m.dns_n <= L4_NDP_DNS_MAX);
	if (m.present & L4_NDPO_REDIRHDR)
		HOLDS(inside(m.redirected, m.redirected_len, p, len));
	int n = l4_ndp_emit(&m, out, sizeof out);
	HOLDS(n > 0 && l4_ndp_parse(&back, out, (size_t)n) == n);
	HOLDS(l4_ndp_emit(&back, again, sizeof again) == n && memcmp(out, again, (size_t)n) == 0);
	HOLDS(m.present == back.present && m.prefix_n == back.prefix_n && m.dns_n == back.dns_n);
}

static inline void exercise_mcast(bool v6, const uint8_t *p, size_t len)
{
	struct l4_mcast_msg m;
	if (!parsed(l4_mcast_parse(&m, v6, p, len), len))
		return;
	HOLDS(m.src_n == 0 || inside(m.src, m.src_n * (size_t)(v6 ? 16 : 4), p, len));
	for (unsigned i = 0; i < m.src_n; i++)
		(void)l4_mcast_source(m.src, v6, i);
	size_t off = m.rec_off;
	for (unsigned i = 0; i < m.rec_n; i++) {
		struct l4_mcast_record rec, back;
		uint8_t out[2048];
		int n = l4_mcast_record_parse(&rec, v6, p, len, off);
		HOLDS(n >= 8 && (size_t)n <= len - off); /* l4_mcast_parse saw to it */
		HOLDS(inside(rec.src, rec.src_n * (size_t)(v6 ? 16 : 4), p, len));
		int k = l4_mcast_report_emit(&rec, 1, v6, out, sizeof out);
		if (k > 0) {
			HOLDS(l4_mcast_record_parse(&back, v6, out, (size_t)k, 8) == k - 8);
			HOLDS(back.type == rec.type && back.src_n == rec.src_n &&
			      l4_addr_eq(&back.group, &rec.group));
		}
		off += (size_t)n;
	}
}

static inline void exercise_dhcp(const uint8_t *p, size_t len)
{
	struct l4_dhcp_msg m, back;
	uint8_t out[2048], again[2048];
	if (!parsed(l4_dhcp_parse(&m, p, len), len))
		return;
	HOLDS(m.mask_len <= 32 && m.router_n <= L4_DHCP_LIST_MAX && m.dns_n <= L4_DHCP_LIST_MAX);
	HOLDS(m.hostname_len == 0 || inside(m.hostname, m.hostname_len, p, len));
	HOLDS(m.domain_len == 0 || inside(m.domain, m.domain_len, p, len));
	HOLDS(m.message_len == 0 || inside(m.message, m.message_len, p, len));
	int n = l4_dhcp_emit(&m, out, sizeof out);
	HOLDS(n >= L4_DHCP_LEN_MIN && l4_dhcp_parse(&back, out, (size_t)n) == n);
	HOLDS(back.present == m.present && back.type == m.type && back.xid == m.xid);
	HOLDS(l4_dhcp_emit(&back, again, sizeof again) == n && memcmp(out, again, (size_t)n) == 0);
}

static inline void exercise_icmp(bool v6, const uint8_t *p, size_t len)
{
	struct l4_icmp_hdr h;
	uint8_t out[8];
	if (parsed(l4_icmp_parse(&h, p, len), len)) {
		HOLDS(l4_icmp_emit(&h, out, 8) == 8 && memcmp(out, p, 8) == 0);
		size_t n = l4_icmp_quote_len(v6, h.type, h.rest, len - 8);
		HOLDS(n <= len - 8);
		exercise_quote(v6, p + 8, n);
	}
	if (v6)
		exercise_ndp(p, len);
	exercise_mcast(v6, p, len);
}

static inline void exercise_udp(const uint8_t *p, size_t len)
{
	struct l4_udp_hdr h;
	uint8_t out[8];
	if (!parsed(l4_udp_parse(&h, p, len), len))
		return;
	HOLDS(h.len >= 8 && h.len <= len);
	HOLDS(l4_udp_emit(&h, out, 8) == 8 && memcmp(out, p, 8) == 0);
	exercise_dhcp(p + 8, h.len - 8u);
}

static inline void exercise_upper(const struct l4_packet *k, const uint8_t *p, size_t len)
{
	switch (k->proto) {
	case L4_PROTO_TCP:
		exercise_tcp(p, len);
		break;
	case L4_PROTO_UDP:
		exercise_udp(p, len);
		break;
	case L4_PROTO_ICMP:
	case L4_PROTO_IGMP:
		exercise_icmp(false, p, len);
		break;
	case L4_PROTO_ICMP6:
		exercise_icmp(true, p, len);
		break;
	default:
		break;
	}
}

/* What l4_packet promises, for a walk over len bytes. */
static inline void exercise_packet(const struct l4_packet *k, int rc, const uint8_t *p, size_t len)
{
	HOLDS(
	    rc == L4_OK ? k->drop == L4_DROP_NONE : rc == L4_EMALFORMED && k->drop != L4_DROP_NONE);
	HOLDS(k->drop < L4_DROP_N && (k->icmp_type == 0 || k->drop != L4_DROP_NONE));
	HOLDS(k->l3_off <= len && k->l3_len <= len - k->l3_off);
	if (rc != L4_OK || k->version == 0)
		return;
	size_t end = k->l3_off + (size_t)k->l3_len;
	HOLDS(k->l4_off >= k->l3_off + (k->version == 4 ? 20u : 40u) && k->l4_off <= end);
	HOLDS(k->l4_off + (size_t)k->l4_len == end);
	HOLDS(k->l3_off + k->nh_off < k->l4_off && p[k->l3_off + k->nh_off] == k->proto);
	if (k->is_frag) {
		HOLDS(k->frag_data_off + (size_t)k->frag_data_len == end);
		HOLDS(k->frag_data_len > 0 && k->frag_off % 8 == 0);
		HOLDS(!k->frag_more || k->frag_data_len % 8 == 0);
		HOLDS(k->frag_off + (size_t)k->frag_data_len <= 65535);
	}
	if (k->version == 6 && k->has_frag_hdr)
		HOLDS(p[k->l3_off + k->frag_nh_off] == L4_PROTO_FRAGMENT);
	exercise_upper(k, p + k->l4_off, k->l4_len);
}

static inline void exercise_ip(const uint8_t *p, size_t len)
{
	struct l4_ip4_hdr h4;
	struct l4_ip6_hdr h6;
	struct l4_packet k;
	uint8_t out[64];
	int rc = l4_ip4_parse(&h4, p, len);
	if (parsed(rc, len)) {
		HOLDS(rc == h4.hdr_len && h4.total_len >= rc && h4.total_len <= len);
		HOLDS(l4_ip4_emit(&h4, out, sizeof out) == rc);
		out[10] = p[10];
		out[11] = p[11];
		HOLDS(memcmp(out, p, (size_t)rc) == 0);
	}
	rc = l4_ip6_parse(&h6, p, len);
	if (parsed(rc, len))
		HOLDS(l4_ip6_emit(&h6, out, sizeof out) == 40 && memcmp(out, p, 40) == 0);
	exercise_quote(false, p, len);
	exercise_quote(true, p, len);
	memset(&k, 0x5a, sizeof k);
	rc = l4_packet_parse_ip(&k, p, len, len, L4_PACKET_NO_CSUM);
	exercise_packet(&k, rc, p, len);
}

/* An Ethernet frame, and all that it holds. */
static inline void exercise_frame(const uint8_t *p, size_t len)
{
	struct l4_eth_hdr eth;
	struct l4_packet k;
	uint8_t out[64];
	memset(&k, 0x5a, sizeof k);
	int rc = l4_packet_parse_eth(&k, p, len, len, L4_PACKET_NO_CSUM);
	exercise_packet(&k, rc, p, len);
	rc = l4_eth_parse(&eth, p, len);
	if (!parsed(rc, len))
		return;
	HOLDS(l4_eth_emit(&eth, out, sizeof out) == rc && memcmp(out, p, (size_t)rc) == 0);
	if (eth.type == L4_ETHERTYPE_ARP) {
		struct l4_arp_hdr arp;
		int n = l4_arp_parse(&arp, p + rc, len - (size_t)rc);
		if (parsed(n, len - (size_t)rc))
			HOLDS(l4_arp_emit(&arp, out, sizeof out) == 28 &&
			      memcmp(out, p + rc, 28) == 0);
	} else if (eth.type >= 1536) {
		exercise_ip(p + rc, len - (size_t)rc);
	}
}

#endif
