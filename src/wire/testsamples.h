/* Sample frames for tests and fuzz corpora: one of every kind that the wire module knows. Only
 * tests include this.
 *
 * They are built by the emitters, with right lengths and checksums; that the emitters write what
 * the standards say is shown elsewhere (wire_test.c, and by another program that reads them). */
#ifndef L4_WIRE_TESTSAMPLES_H
#define L4_WIRE_TESTSAMPLES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/wire.h>

#define SAMPLE_MAX 1600

struct sample {
	const char *name;
	size_t len;
	uint8_t b[SAMPLE_MAX]; /* an Ethernet frame */
};

/* How a frame is put together; later members are filled by the steps below. */
struct build {
	uint8_t *p;
	size_t len;
	size_t ip_at;
	struct l4_addr src, dst;
};

static inline size_t must(int rc)
{
	if (rc < 0) {
		(void)fprintf(stderr, "sample: %s\n", l4_err_name(rc));
		abort();
	}
	return (size_t)rc;
}

static inline struct l4_addr sample_addr(const char *text)
{
	struct l4_addr a;
	must(l4_addr_parse(&a, text));
	return a;
}

static inline void add_eth(struct build *b, uint16_t type, unsigned vlans)
{
	struct l4_eth_hdr h = { .dst = { { 2, 0, 0, 0, 0, 2 } },
		.src = { { 2, 0, 0, 0, 0, 1 } },
		.type = type,
		.vlan_n = (uint8_t)vlans };
	for (unsigned i = 0; i < vlans; i++) {
		h.vlan[i].tpid = i + 1 < vlans ? L4_ETHERTYPE_QINQ : L4_ETHERTYPE_VLAN;
		h.vlan[i].tci = (uint16_t)(0x6000 + 100 + i);
	}
	b->len += must(l4_eth_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
}

static inline void add_bytes(struct build *b, const void *bytes, size_t n)
{
	memcpy(b->p + b->len, bytes, n);
	b->len += n;
}

#define ADD(b, ...) \
	add_bytes(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Starts an IPv4 packet; close_ip4 fills in its length. */
static inline void add_ip4(struct build *b, struct l4_ip4_hdr h)
{
	b->ip_at = b->len;
	b->src = sample_addr("192.0.2.1");
	if (l4_addr_is_ip4(&h.src))
		b->src = h.src;
	b->dst = l4_addr_is_ip4(&h.dst) ? h.dst : sample_addr("192.0.2.2");
	h.src = b->src;
	h.dst = b->dst;
	h.ttl = h.ttl ? h.ttl : 64;
	h.total_len = 60;
	b->len += must(l4_ip4_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
}

static inline void close_ip4(struct build *b)
{
	struct l4_ip4_hdr h;
	uint8_t *ip = b->p + b->ip_at;
	size_t len = b->len - b->ip_at;
	ip[2] = (uint8_t)(len >> 8);
	ip[3] = (uint8_t)len;
	must(l4_ip4_parse(&h, ip, len));
	must(l4_ip4_emit(&h, ip, len));
}

static inline void add_ip6(
    struct build *b, uint8_t next, const char *src, const char *dst, uint8_t hop_limit)
{
	b->ip_at = b->len;
	b->src = sample_addr(src);
	b->dst = sample_addr(dst);
	struct l4_ip6_hdr h = { .tclass = 2,
		.flow = 0xabcde,
		.next = next,
		.hop_limit = hop_limit,
		.src = b->src,
		.dst = b->dst };
	b->len += must(l4_ip6_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
}

static inline void close_ip6(struct build *b)
{
	size_t len = b->len - b->ip_at - L4_IP6_HDR_LEN;
	b->p[b->ip_at + 4] = (uint8_t)(len >> 8);
	b->p[b->ip_at + 5] = (uint8_t)len;
}

/* Sets the checksum at l4 + off over all that follows l4. */
static inline void set_csum(struct build *b, size_t l4, size_t off, uint8_t proto)
{
	memset(b->p + l4 + off, 0, 2);
	uint16_t c = proto == L4_PROTO_ICMP || proto == L4_PROTO_IGMP
			 ? l4_icmp_csum(b->p + l4, b->len - l4)
			 : l4_wire_csum(&b->src, &b->dst, proto, b->p + l4, b->len - l4);
	memcpy(b->p + l4 + off, &c, 2);
}

static inline void add_udp(
    struct build *b, uint16_t sport, uint16_t dport, const void *data, size_t n)
{
	struct l4_udp_hdr h = { .sport = sport, .dport = dport, .len = (uint16_t)(8 + n) };
	size_t at = b->len;
	b->len += must(l4_udp_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
	add_bytes(b, data, n);
	set_csum(b, at, 6, L4_PROTO_UDP);
}

static inline void add_tcp(struct build *b, struct l4_tcp_hdr h, const void *data, size_t n)
{
	size_t at = b->len;
	h.sport = 59468;
	h.dport = 80;
	h.seq = 0xfffffff0;
	h.wnd = 64240;
	b->len += must(l4_tcp_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
	add_bytes(b, data, n);
	set_csum(b, at, 16, L4_PROTO_TCP);
}

static inline void tcp_sample(
    struct build *b, uint16_t flags, struct l4_tcp_opts opts, const char *data)
{
	struct l4_tcp_hdr h = {
		.flags = flags, .ack = flags & L4_TCPF_ACK ? 0x12345678 : 0, .opts = opts
	};
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, (struct l4_ip4_hdr){ .proto = L4_PROTO_TCP, .df = true, .id = 7 });
	add_tcp(b, h, data, strlen(data));
	close_ip4(b);
}

static inline void s_arp(struct build *b)
{
	struct l4_arp_hdr h = { .op = L4_ARP_REQUEST,
		.sha = { { 2, 0, 0, 0, 0, 1 } },
		.spa = sample_addr("192.0.2.1"),
		.tpa = sample_addr("192.0.2.2") };
	add_eth(b, L4_ETHERTYPE_ARP, 0);
	b->len += must(l4_arp_emit(&h, b->p + b->len, SAMPLE_MAX - b->len));
	memset(b->p + b->len, 0xee, 18); /* padding of a real frame, not zero */
	b->len += 18;
}

static inline void s_vlan_udp(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP4, 1);
	add_ip4(b, (struct l4_ip4_hdr){ .proto = L4_PROTO_UDP });
	add_udp(b, 5000, 7, "odd", 3);
	close_ip4(b);
	memset(b->p + b->len, 0xee, 15);
	b->len += 15;
}

static inline void s_qinq_udp6(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP6, 2);
	add_ip6(b, L4_PROTO_UDP, "2001:db8::1", "2001:db8::2", 64);
	add_udp(b, 5000, 7, "twelve bytes", 12);
	close_ip6(b);
}

static inline void s_ip4_options(struct build *b)
{
	struct l4_ip4_hdr h = { .proto = L4_PROTO_ICMP,
		.opts_len = 22,
		.opts = {
		    7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0, 0x5e, 2 } };
	struct l4_icmp_hdr icmp = { .type = L4_ICMP_ECHO, .rest = 0x00010002 };
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, h);
	size_t at = b->len;
	b->len += must(l4_icmp_emit(&icmp, b->p + b->len, SAMPLE_MAX - b->len));
	ADD(b, 'p', 'i', 'n', 'g');
	set_csum(b, at, 2, L4_PROTO_ICMP);
	close_ip4(b);
}

static inline void s_tcp_syn(struct build *b)
{
	tcp_sample(b, L4_TCPF_SYN,
	    (struct l4_tcp_opts){
		.present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_TS | L4_TCPO_WSCALE,
		.mss = 1460,
		.wscale = 7,
		.ts_val = 1000 },
	    "");
}

static inline void s_tcp_ts(struct build *b)
{
	tcp_sample(b, L4_TCPF_ACK | L4_TCPF_PSH,
	    (struct l4_tcp_opts){ .present = L4_TCPO_TS, .ts_val = 1, .ts_ecr = 2 }, "data\n");
}

static inline void s_tcp_sack(struct build *b)
{
	tcp_sample(b, L4_TCPF_ACK | L4_TCPF_ECE,
	    (struct l4_tcp_opts){ .present = L4_TCPO_TS | L4_TCPO_SACK,
		.sack_n = 3,
		.ts_val = 1,
		.ts_ecr = 2,
		.sack = { { 100, 200 }, { 300, 400 }, { 0xffffff00, 10 } } },
	    "");
}

static inline void s_tcp_accecn(struct build *b)
{
	tcp_sample(b, L4_TCPF_ACK | L4_TCPF_AE | L4_TCPF_CWR,
	    (struct l4_tcp_opts){ .present = L4_TCPO_ACCECN1 | L4_TCPO_UTO | L4_TCPO_TS,
		.accecn_n = 3,
		.accecn = { 1, 0xfffffe, 3 },
		.uto = 0x8005 },
	    "");
}

static inline void s_tcp_fastopen(struct build *b)
{
	tcp_sample(b, L4_TCPF_SYN,
	    (struct l4_tcp_opts){
		.present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE | L4_TCPO_FASTOPEN,
		.mss = 1460,
		.wscale = 7,
		.fo_len = 8,
		.fo_cookie = "cookie8" },
	    "GET /");
}

static inline void s_tcp_fastopen_exp(struct build *b)
{
	tcp_sample(b, L4_TCPF_SYN | L4_TCPF_ACK,
	    (struct l4_tcp_opts){ .present = L4_TCPO_MSS | L4_TCPO_FASTOPEN_EXP,
		.mss = 1220,
		.fo_len = 16,
		.fo_cookie = "sixteen bytes  " },
	    "");
}

/* Options as a stranger writes them: TCPP-09, then MD5 and one of each experimental kind. */
static inline void s_tcp_strange(struct build *b)
{
	static const uint8_t opts[] = { 2, 4, 5, 0xac, 1, 3, 3, 2, 1, 1, 20, 2, 253, 3, 9, 254, 4,
		0, 0, 19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
	tcp_sample(b, L4_TCPF_SYN, (struct l4_tcp_opts){ 0 }, "");
	size_t at = b->len - 20;
	add_bytes(b, opts, 40);
	b->p[at + 12] = 0xf0;
	set_csum(b, at, 16, L4_PROTO_TCP);
	close_ip4(b);
}

static inline void s_frag4_first(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, (struct l4_ip4_hdr){ .proto = L4_PROTO_UDP, .mf = true, .id = 0x4321 });
	ADD(b, 0x13, 0x88, 0, 7, 0, 20, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);
	close_ip4(b);
}

static inline void s_frag4_last(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, (struct l4_ip4_hdr){ .proto = L4_PROTO_UDP, .frag_off = 16, .id = 0x4321 });
	ADD(b, 9, 10, 11, 12);
	close_ip4(b);
}

static inline void s_frag6_first(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_DSTOPTS, "2001:db8::1", "2001:db8::2", 64);
	ADD(b, L4_PROTO_FRAGMENT, 0, 1, 4, 0, 0, 0, 0);
	b->len += must(l4_ip6_frag_emit(L4_PROTO_UDP, 0, true, 77, b->p + b->len, 8));
	ADD(b, 0x13, 0x88, 0, 7, 0, 20, 0x6c, 0x98, 1, 2, 3, 4, 5, 6, 7, 8);
	close_ip6(b);
}

static inline void s_frag6_last(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_FRAGMENT, "2001:db8::1", "2001:db8::2", 64);
	b->len += must(l4_ip6_frag_emit(L4_PROTO_UDP, 16, false, 77, b->p + b->len, 8));
	ADD(b, 9, 10, 11, 12);
	close_ip6(b);
}

/* Hop-by-hop with router alert and an option to skip, destination options, an idle routing header,
 * an atomic fragment, UDP. */
static inline void s_ip6_chain(struct build *b)
{
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_HOPOPTS, "2001:db8::1", "2001:db8::2", 64);
	ADD(b, L4_PROTO_DSTOPTS, 1, 5, 2, 0, 0, 0x1e, 2, 1, 2, 0, 1, 3, 0, 0, 0);
	ADD(b, L4_PROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0);
	ADD(b, L4_PROTO_FRAGMENT, 2, 0, 0, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
	    0, 0, 0, 9);
	b->len += must(l4_ip6_frag_emit(L4_PROTO_UDP, 0, false, 78, b->p + b->len, 8));
	add_udp(b, 5000, 7, "chained", 7);
	close_ip6(b);
}

static inline void s_icmp_unreach(struct build *b)
{
	struct l4_icmp_hdr icmp = {
		.type = L4_ICMP_UNREACH, .code = L4_ICMP_UNREACH_NEEDED, .rest = 1400
	};
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, (struct l4_ip4_hdr){ .proto = L4_PROTO_ICMP });
	size_t at = b->len;
	b->len += must(l4_icmp_emit(&icmp, b->p + b->len, SAMPLE_MAX - b->len));
	ADD(b, 0x45, 0, 5, 0xdc, 0, 7, 0x40, 0, 63, 6, 0xb2, 0x11, 192, 0, 2, 2, 192, 0, 2, 1);
	ADD(b, 0, 80, 0xe8, 0x4c, 1, 2, 3, 4);
	set_csum(b, at, 2, L4_PROTO_ICMP);
	close_ip4(b);
}

static inline void s_icmp6_too_big(struct build *b)
{
	struct l4_icmp_hdr icmp = { .type = L4_ICMP6_TOO_BIG, .rest = 1280 };
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_ICMP6, "2001:db8::fe", "2001:db8::1", 64);
	size_t at = b->len;
	b->len += must(l4_icmp_emit(&icmp, b->p + b->len, SAMPLE_MAX - b->len));
	ADD(b, 0x60, 0, 0, 0, 5, 0xb4, L4_PROTO_DSTOPTS, 63);
	add_bytes(b, sample_addr("2001:db8::1").b, 16);
	add_bytes(b, sample_addr("2001:db8::2").b, 16);
	ADD(b, L4_PROTO_UDP, 0, 1, 4, 0, 0, 0, 0, 0x13, 0x88, 0, 7, 5, 0xac, 1, 2);
	set_csum(b, at, 2, L4_PROTO_ICMP6);
	close_ip6(b);
}

static inline void ndp_sample(struct build *b, const struct l4_ndp_msg *m, const char *dst)
{
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_ICMP6, "fe80::1", dst, 255);
	size_t at = b->len;
	b->len += must(l4_ndp_emit(m, b->p + b->len, SAMPLE_MAX - b->len));
	set_csum(b, at, 2, L4_PROTO_ICMP6);
	close_ip6(b);
}

static inline void s_rs(struct build *b)
{
	struct l4_ndp_msg m = {
		.type = L4_ICMP6_RS, .present = L4_NDPO_SLLA, .slla = { { 2, 0, 0, 0, 0, 1 } }
	};
	ndp_sample(b, &m, "ff02::2");
}

static inline void s_ra(struct build *b)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_RA,
		.hop_limit = 64,
		.other = true,
		.pref = 1,
		.router_life_s = 1800,
		.reachable_ms = 30000,
		.retrans_ms = 1000,
		.present = L4_NDPO_SLLA | L4_NDPO_MTU,
		.slla = { { 2, 0, 0, 0, 0, 1 } },
		.mtu = 1500,
		.prefix_n = 2,
		.dns_n = 2,
		.dns_life_s = 600 };
	m.prefix[0] =
	    (struct l4_ndp_prefix){ { sample_addr("2001:db8::"), 64 }, true, true, 86400, 14400 };
	m.prefix[1] = (struct l4_ndp_prefix){ { sample_addr("2001:db8:1::"), 48 }, true, false,
		0xffffffff, 0xffffffff };
	m.dns[0] = sample_addr("2001:db8::53");
	m.dns[1] = sample_addr("2001:db8::54");
	ndp_sample(b, &m, "ff02::1");
}

static inline void s_ns(struct build *b)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_NS,
		.target = sample_addr("2001:db8::2"),
		.present = L4_NDPO_SLLA | L4_NDPO_NONCE,
		.slla = { { 2, 0, 0, 0, 0, 1 } },
		.nonce = { 1, 2, 3, 4, 5, 6 } };
	ndp_sample(b, &m, "ff02::1:ff00:2");
}

static inline void s_na(struct build *b)
{
	struct l4_ndp_msg m = { .type = L4_ICMP6_NA,
		.target = sample_addr("2001:db8::2"),
		.solicited = true,
		.override_ = true,
		.present = L4_NDPO_TLLA,
		.tlla = { { 2, 0, 0, 0, 0, 1 } } };
	ndp_sample(b, &m, "fe80::2");
}

static inline void s_redirect(struct build *b)
{
	static const uint8_t packet[48] = { 0x60, 0, 0, 0, 0, 8, 59, 64 };
	struct l4_ndp_msg m = { .type = L4_ICMP6_REDIRECT,
		.target = sample_addr("fe80::3"),
		.dst = sample_addr("2001:db8::9"),
		.present = L4_NDPO_TLLA | L4_NDPO_REDIRHDR,
		.tlla = { { 2, 0, 0, 0, 0, 3 } },
		.redirected = packet,
		.redirected_len = sizeof packet };
	ndp_sample(b, &m, "fe80::2");
}

static inline void mcast4_sample(struct build *b, size_t n, const uint8_t *msg)
{
	struct l4_ip4_hdr h = { .proto = L4_PROTO_IGMP,
		.ttl = 1,
		.opts_len = 4,
		.opts = { 148, 4, 0, 0 },
		.dst = sample_addr("224.0.0.22") };
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, h);
	add_bytes(b, msg, n);
	close_ip4(b);
}

static inline void s_igmp3_report(struct build *b)
{
	uint8_t msg[64];
	struct l4_addr src[2] = { sample_addr("192.0.2.7"), sample_addr("192.0.2.8") };
	struct l4_mcast_record rec[2] = {
		{ .type = L4_MCAST_TO_EX, .group = sample_addr("239.1.2.3") },
		{ .type = L4_MCAST_ALLOW,
		    .group = sample_addr("232.1.2.3"),
		    .src_n = 2,
		    .src_addr = src },
	};
	mcast4_sample(b, must(l4_mcast_report_emit(rec, 2, false, msg, sizeof msg)), msg);
}

static inline void s_igmp3_query(struct build *b)
{
	uint8_t msg[64];
	struct l4_mcast_msg m = { .max_resp_ms = 20000,
		.group = sample_addr("239.1.2.3"),
		.qrv = 2,
		.qqi_s = 125,
		.suppress = true };
	mcast4_sample(b, must(l4_mcast_query_emit(&m, false, msg, sizeof msg)), msg);
}

static inline void s_igmp2_report(struct build *b)
{
	static const uint8_t msg[8] = { 0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3 };
	mcast4_sample(b, 8, msg);
}

static inline void mld_sample(struct build *b, size_t n, const uint8_t *msg, const char *dst)
{
	add_eth(b, L4_ETHERTYPE_IP6, 0);
	add_ip6(b, L4_PROTO_HOPOPTS, "fe80::1", dst, 1);
	ADD(b, L4_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0);
	size_t at = b->len;
	add_bytes(b, msg, n);
	set_csum(b, at, 2, L4_PROTO_ICMP6);
	close_ip6(b);
}

static inline void s_mld2_report(struct build *b)
{
	uint8_t msg[128];
	struct l4_addr src = sample_addr("2001:db8::7");
	struct l4_mcast_record rec[2] = {
		{ .type = L4_MCAST_TO_EX, .group = sample_addr("ff02::fb") },
		{ .type = L4_MCAST_IS_IN,
		    .group = sample_addr("ff35::1"),
		    .src_n = 1,
		    .src_addr = &src },
	};
	mld_sample(b, must(l4_mcast_report_emit(rec, 2, true, msg, sizeof msg)), msg, "ff02::16");
}

/* With two sources, which the emitter does not write. */
static inline void s_mld2_query(struct build *b)
{
	uint8_t msg[60];
	struct l4_mcast_msg m = {
		.max_resp_ms = 40000, .group = sample_addr("ff35::1"), .qrv = 3, .qqi_s = 1000
	};
	size_t n = must(l4_mcast_query_emit(&m, true, msg, sizeof msg));
	msg[27] = 2;
	memset(msg + n, 0x20, 32);
	mld_sample(b, n + 32, msg, "ff35::1");
}

static inline void dhcp_sample(struct build *b, const struct l4_dhcp_msg *m, bool to_server)
{
	uint8_t msg[600];
	size_t n = must(l4_dhcp_emit(m, msg, sizeof msg));
	struct l4_ip4_hdr h = { .proto = L4_PROTO_UDP, .dst = sample_addr("255.255.255.255") };
	if (to_server)
		h.src = sample_addr("0.0.0.0");
	add_eth(b, L4_ETHERTYPE_IP4, 0);
	add_ip4(b, h);
	add_udp(b, to_server ? 68 : 67, to_server ? 67 : 68, msg, n);
	close_ip4(b);
}

static inline void s_dhcp_discover(struct build *b)
{
	struct l4_dhcp_msg m = { .type = L4_DHCP_DISCOVER,
		.xid = 0x12345678,
		.secs = 3,
		.broadcast_flag = true,
		.chaddr = { { 2, 0, 0, 0, 0, 1 } },
		.present = L4_DHCPO_CLIENT_ID | L4_DHCPO_REQ_ADDR,
		.req_addr = sample_addr("192.0.2.77"),
		.hostname = "host",
		.hostname_len = 4,
		.ask_params = true };
	dhcp_sample(b, &m, true);
}

static inline void s_dhcp_ack(struct build *b)
{
	struct l4_dhcp_msg m = { .reply = true,
		.type = L4_DHCP_ACK,
		.xid = 0x12345678,
		.yiaddr = sample_addr("192.0.2.77"),
		.siaddr = sample_addr("192.0.2.1"),
		.chaddr = { { 2, 0, 0, 0, 0, 1 } },
		.present = L4_DHCPO_MASK | L4_DHCPO_SERVER_ID | L4_DHCPO_LEASE | L4_DHCPO_T1 |
			   L4_DHCPO_T2 | L4_DHCPO_MTU | L4_DHCPO_BROADCAST,
		.mask_len = 24,
		.mtu = 1400,
		.server_id = sample_addr("192.0.2.1"),
		.broadcast = sample_addr("192.0.2.255"),
		.lease_s = 3600,
		.t1_s = 1800,
		.t2_s = 3150,
		.router_n = 1,
		.router = { sample_addr("192.0.2.1") },
		.dns_n = 2,
		.dns = { sample_addr("192.0.2.53"), sample_addr("192.0.2.54") },
		.domain = "example.org",
		.domain_len = 11,
		.message = "hello",
		.message_len = 5 };
	dhcp_sample(b, &m, false);
}

/* Option overload: the lease is in `file`, the router in `sname`. */
static inline void s_dhcp_overload(struct build *b)
{
	struct l4_dhcp_msg m = { .reply = true,
		.type = L4_DHCP_OFFER,
		.xid = 1,
		.yiaddr = sample_addr("192.0.2.77"),
		.chaddr = { { 2, 0, 0, 0, 0, 1 } } };
	dhcp_sample(b, &m, false);
	uint8_t *msg = b->p + b->ip_at + 28;
	memcpy(msg + 44, (const uint8_t[]){ 3, 4, 192, 0, 2, 1, 255 }, 7);
	memcpy(msg + 108, (const uint8_t[]){ 51, 4, 0, 0, 14, 16, 255 }, 7);
	memcpy(msg + 240, (const uint8_t[]){ 53, 1, 2, 52, 1, 3, 255 }, 7);
	set_csum(b, b->ip_at + 20, 6, L4_PROTO_UDP);
}

static inline void s_llc(struct build *b)
{
	add_eth(b, 7, 0); /* a length */
	ADD(b, 0x42, 0x42, 3, 0, 0, 0, 0, 0xee, 0xee);
}

static const struct {
	const char *name;
	void (*make)(struct build *b);
} sample_list[] = {
	{ "arp", s_arp },
	{ "vlan-udp", s_vlan_udp },
	{ "qinq-udp6", s_qinq_udp6 },
	{ "ip4-options", s_ip4_options },
	{ "tcp-syn", s_tcp_syn },
	{ "tcp-ts", s_tcp_ts },
	{ "tcp-sack", s_tcp_sack },
	{ "tcp-accecn", s_tcp_accecn },
	{ "tcp-fastopen", s_tcp_fastopen },
	{ "tcp-fastopen-exp", s_tcp_fastopen_exp },
	{ "tcp-strange", s_tcp_strange },
	{ "frag4-first", s_frag4_first },
	{ "frag4-last", s_frag4_last },
	{ "frag6-first", s_frag6_first },
	{ "frag6-last", s_frag6_last },
	{ "ip6-chain", s_ip6_chain },
	{ "icmp-unreach", s_icmp_unreach },
	{ "icmp6-too-big", s_icmp6_too_big },
	{ "rs", s_rs },
	{ "ra", s_ra },
	{ "ns", s_ns },
	{ "na", s_na },
	{ "redirect", s_redirect },
	{ "igmp3-report", s_igmp3_report },
	{ "igmp3-query", s_igmp3_query },
	{ "igmp2-report", s_igmp2_report },
	{ "mld2-report", s_mld2_report },
	{ "mld2-query", s_mld2_query },
	{ "dhcp-discover", s_dhcp_discover },
	{ "dhcp-ack", s_dhcp_ack },
	{ "dhcp-overload", s_dhcp_overload },
	{ "llc", s_llc },
};

#define SAMPLE_N (sizeof sample_list / sizeof sample_list[0])

static inline void sample_get(struct sample *s, size_t i)
{
	struct build b = { .p = s->b };
	memset(s, 0, sizeof *s);
	s->name = sample_list[i].name;
	sample_list[i].make(&b);
	s->len = b.len;
}

#endif
