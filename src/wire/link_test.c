/* Tests of Ethernet, ARP, UDP, ICMP, NDP, group membership and DHCP; security cases ETH-01 to
 * ETH-03, ARP-05, UDP-01, UDP-02 (the field), ICMP-01, ICMP-02, ICMP-14, ND-02 to ND-04. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/testsamples.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct sample *get(const char *name)
{
	static struct sample s;
	for (size_t i = 0; i < SAMPLE_N; i++) {
		if (strcmp(sample_list[i].name, name) == 0) {
			sample_get(&s, i);
			return &s;
		}
	}
	fail_msg("no sample %s", name);
	return NULL;
}

/* The upper protocol of a sample; its length in *len. */
static const uint8_t *upper(const char *name, struct l4_packet *k, size_t *len)
{
	struct sample *s = get(name);
	assert_int_equal(l4_packet_parse_eth(k, s->b, s->len, s->len, 0), L4_OK);
	*len = k->l4_len;
	return s->b + k->l4_off;
}

static void frames_cut_short(void **state) /* ETH-01 */
{
	(void)state;
	struct sample *s = get("arp");
	for (size_t n = 0; n <= 42; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		struct l4_packet k;
		struct l4_arp_hdr a;
		memcpy(exact, s->b, n);
		int rc = l4_packet_parse_eth(&k, exact, n, n, 0);
		if (n < 14) {
			assert_int_equal(rc, L4_EMALFORMED);
			assert_int_equal(k.drop, L4_DROP_LINK_SHORT);
		} else {
			assert_int_equal(rc, L4_OK);
			assert_int_equal(k.ethertype, L4_ETHERTYPE_ARP);
			assert_int_equal(
			    l4_arp_parse(&a, exact + 14, n - 14), n < 42 ? L4_ETRUNC : 28);
		}
		free(exact);
	}
}

static void lengths_instead_of_types(void **state) /* ETH-02 */
{
	(void)state;
	static const struct {
		uint16_t type;
		size_t payload;
		int rc;
		enum l4_drop drop;
	} rows[] = {
		{ 0x0000, 4, 14, L4_DROP_LINK_8023 },
		{ 0x0004, 4, 14, L4_DROP_LINK_8023 },
		{ 0x0005, 4, L4_EMALFORMED, L4_DROP_LINK_8023 },
		{ 0x05dc, 4, L4_EMALFORMED, L4_DROP_LINK_8023 },
		{ 0x05dd, 1600, L4_EMALFORMED, L4_DROP_LINK_8023 },
		{ 0x05dc, 1600, 14, L4_DROP_LINK_8023 },
		{ 0x05ff, 1600, L4_EMALFORMED, L4_DROP_LINK_8023 },
		{ 0x0600, 4, 14, L4_DROP_NONE },
		{ 0x88cc, 0, 14, L4_DROP_NONE },
	};
	for (size_t i = 0; i < N(rows); i++) {
		uint8_t *p = calloc(1, 14 + rows[i].payload);
		struct l4_eth_hdr h;
		struct l4_packet k;
		p[12] = (uint8_t)(rows[i].type >> 8);
		p[13] = (uint8_t)rows[i].type;
		size_t len = 14 + rows[i].payload;
		assert_int_equal(l4_eth_parse(&h, p, len), rows[i].rc);
		(void)l4_packet_parse_eth(&k, p, len, len, 0);
		assert_int_equal(k.drop, rows[i].drop);
		free(p);
	}
}

static void nested_tags(void **state) /* ETH-03 */
{
	(void)state;
	for (size_t tags = 0; tags <= 370; tags++) {
		size_t len = 14 + 4 * tags;
		uint8_t *p = calloc(1, len);
		struct l4_packet k;
		for (size_t i = 0; i < tags; i++) {
			p[12 + 4 * i] = 0x81;
			p[15 + 4 * i] = (uint8_t)i;
		}
		p[len - 2] = 0x88;
		p[len - 1] = 0xcc;
		int rc = l4_packet_parse_eth(&k, p, len, len, 0);
		if (tags <= L4_ETH_VLAN_MAX) {
			assert_int_equal(rc, L4_OK);
			assert_int_equal(k.vlan_n, tags);
			assert_int_equal(k.l3_off, len);
			if (tags)
				assert_int_equal(k.vlan_tci[tags - 1], tags - 1);
		} else {
			assert_int_equal(k.drop, L4_DROP_LINK_VLAN_DEPTH);
		}
		free(p);
		if (tags == 0)
			continue;
		p = calloc(1, len - 1); /* the last tag cut */
		for (size_t i = 0; i < tags; i++)
			p[12 + 4 * i] = 0x81;
		assert_int_equal(l4_packet_parse_eth(&k, p, len - 1, len - 1, 0), L4_EMALFORMED);
		free(p);
	}
}

static void arp_formats(void **state) /* ARP-05 */
{
	(void)state;
	uint8_t good[28];
	memcpy(good, get("arp")->b + 14, 28);
	static const unsigned hlens[] = { 0, 5, 6, 7, 255 }, plens[] = { 0, 3, 4, 5, 16, 255 };
	static const unsigned ops[] = { 0, 1, 2, 3, 4, 8, 9, 65535 };
	static const unsigned types[] = { 0, 1, 6, 65535 };
	for (size_t a = 0; a < N(hlens); a++)
		for (size_t b = 0; b < N(plens); b++)
			for (size_t c = 0; c < N(ops); c++)
				for (size_t d = 0; d < N(types); d++) {
					uint8_t *p = malloc(28);
					struct l4_arp_hdr h;
					memcpy(p, good, 28);
					p[0] = (uint8_t)(types[d] >> 8);
					p[1] = (uint8_t)types[d];
					p[4] = (uint8_t)hlens[a];
					p[5] = (uint8_t)plens[b];
					p[6] = (uint8_t)(ops[c] >> 8);
					p[7] = (uint8_t)ops[c];
					bool ok = types[d] == 1 && hlens[a] == 6 && plens[b] == 4 &&
						  (ops[c] == 1 || ops[c] == 2);
					assert_int_equal(
					    l4_arp_parse(&h, p, 28), ok ? 28 : L4_EMALFORMED);
					free(p);
				}
	good[2] = 0x86; /* another protocol */
	struct l4_arp_hdr h;
	assert_int_equal(l4_arp_parse(&h, good, 28), L4_EMALFORMED);
	h.spa = sample_addr("::1"); /* not an address that ARP can carry */
	assert_int_equal(l4_arp_emit(&h, good, 28), L4_EINVAL);
}

static void macs(void **state)
{
	(void)state;
	static const struct {
		const char *group, *mac;
	} rows[] = {
		{ "224.0.0.1", "01:00:5e:00:00:01" },
		{ "239.129.2.3", "01:00:5e:01:02:03" }, /* the low 23 bits only */
		{ "ff02::1:ff12:3456", "33:33:ff:12:34:56" },
		{ "255.255.255.255", "ff:ff:ff:ff:ff:ff" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_addr a = sample_addr(rows[i].group);
		struct l4_mac m = l4_mac_from_group(&a), want;
		assert_int_equal(l4_mac_parse(&want, rows[i].mac), L4_OK);
		assert_true(l4_mac_eq(&m, &want));
		assert_true(l4_mac_is_group(&m));
		assert_int_equal(l4_mac_is_broadcast(&m), i == 3);
	}
	struct l4_mac zero = { { 0 } };
	assert_true(l4_mac_is_zero(&zero) && !l4_mac_is_group(&zero));
}

static void udp_lengths(void **state) /* UDP-01 */
{
	(void)state;
	for (size_t len = 0; len <= 40; len++) {
		for (unsigned said = 0; said <= 64; said++) {
			uint8_t *p = calloc(1, len ? len : 1);
			struct l4_udp_hdr h;
			if (len > 5)
				p[5] = (uint8_t)said;
			int want = len < 8 ? L4_ETRUNC : said < 8 || said > len ? L4_EMALFORMED : 8;
			assert_int_equal(l4_udp_parse(&h, p, len), want);
			if (want == 8)
				assert_int_equal(h.len, said); /* what lies behind is not data */
			free(p);
		}
	}
}

/* A checksum that computes to zero is the caller's to send as 0xffff (UDP-02): both verify. */
static void udp_checksum_zero(void **state)
{
	(void)state;
	struct l4_addr s = sample_addr("192.0.2.1"), d = sample_addr("192.0.2.2");
	uint8_t p[10] = { 0, 1, 0, 2, 0, 10 };
	uint16_t c = l4_wire_csum(&s, &d, L4_PROTO_UDP, p, 10);
	memcpy(p + 8, &c, 2); /* data that cancels the rest */
	assert_int_equal(l4_wire_csum(&s, &d, L4_PROTO_UDP, p, 10), 0);
	memset(p + 6, 0xff, 2);
	assert_int_equal(l4_wire_csum(&s, &d, L4_PROTO_UDP, p, 10), 0);
}

static void icmp_quotes(void **state) /* ICMP-01, ICMP-02 */
{
	(void)state;
	struct l4_packet k;
	struct l4_icmp_quote q;
	struct l4_icmp_hdr h;
	size_t len;
	const uint8_t *p = upper("icmp-unreach", &k, &len);
	for (size_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, p, n);
		assert_int_equal(l4_icmp_parse(&h, exact, n), n < 8 ? L4_ETRUNC : 8);
		if (n >= 8)
			assert_int_equal(l4_icmp_quote_parse(&q, false, exact + 8, n - 8),
			    n < len ? L4_ETRUNC : 20);
		free(exact);
	}
	assert_int_equal(h.rest & 0xffff, 1400); /* next-hop MTU (RFC 1191) */
	assert_int_equal(q.proto, L4_PROTO_TCP);
	assert_int_equal(q.sport, 80);
	assert_int_equal(q.dport, 59468);
	assert_int_equal(q.tcp_seq, 0x01020304);
	assert_int_equal(q.ip_len, 1500);
	assert_true(l4_addr_eq(&q.dst, &k.src));

	p = upper("icmp6-too-big", &k, &len);
	assert_int_equal(l4_icmp_parse(&h, p, len), 8);
	assert_int_equal(h.rest, 1280);
	assert_int_equal(l4_icmp_quote_parse(&q, true, p + 8, len - 8), 48);
	assert_int_equal(q.proto, L4_PROTO_UDP);
	assert_int_equal(q.sport, 5000);
	assert_int_equal(q.dport, 7);
	for (size_t n = 0; n < len - 8; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, p + 8, n);
		int rc = l4_icmp_quote_parse(&q, true, exact, n);
		assert_int_equal(rc, n < 56 ? L4_ETRUNC : 48);
		free(exact);
	}
	/* RFC 4884 4.4, 4.1: the length of the quote in words of 32 or 64 bits */
	assert_int_equal(l4_icmp_quote_len(false, L4_ICMP_UNREACH, 5u << 16, 100), 20);
	assert_int_equal(l4_icmp_quote_len(false, L4_ICMP_UNREACH, 0, 100), 100);
	assert_int_equal(l4_icmp_quote_len(false, L4_ICMP_UNREACH, 200u << 16, 100), 100);
	assert_int_equal(l4_icmp_quote_len(true, L4_ICMP6_UNREACH, 5u << 24, 100), 40);
	assert_int_equal(l4_icmp_quote_len(true, L4_ICMP6_TOO_BIG, 5u << 24, 100), 100);
	for (unsigned type = 0; type < 256; type++) {
		assert_int_equal(l4_icmp_is_error(true, (uint8_t)type), type < 128);
		bool e = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
		assert_int_equal(l4_icmp_is_error(false, (uint8_t)type), e);
	}
}

static void ndp_messages(void **state)
{
	(void)state;
	struct l4_packet k;
	struct l4_ndp_msg m;
	size_t len;
	const uint8_t *p = upper("ra", &k, &len);
	assert_int_equal(k.ttl, 255);
	assert_int_equal(l4_wire_csum(&k.src, &k.dst, k.proto, p, len), 0);
	assert_int_equal(l4_ndp_parse(&m, p, len), len);
	assert_int_equal(m.hop_limit, 64);
	assert_true(m.other && !m.managed);
	assert_int_equal(m.router_life_s, 1800);
	assert_int_equal(m.reachable_ms, 30000);
	assert_int_equal(m.retrans_ms, 1000);
	assert_int_equal(m.present, L4_NDPO_SLLA | L4_NDPO_MTU);
	assert_int_equal(m.mtu, 1500);
	assert_int_equal(m.prefix_n, 2);
	assert_int_equal(m.prefix[0].prefix.len, 64);
	assert_true(m.prefix[0].on_link && m.prefix[0].autonomous && !m.prefix[1].autonomous);
	assert_int_equal(m.prefix[0].valid_s, 86400);
	assert_int_equal(m.prefix[1].preferred_s, 0xffffffff);
	assert_int_equal(m.dns_n, 2);
	assert_int_equal(m.dns_life_s, 600);
	assert_int_equal(m.dns[1].b[15], 0x54);
	p = upper("redirect", &k, &len);
	assert_int_equal(l4_ndp_parse(&m, p, len), len);
	assert_int_equal(m.redirected_len, 48);
	assert_int_equal(m.redirected[0], 0x60);
	assert_int_equal(m.dst.b[15], 9);
	/* RFC 4861 6.1, 7.1, 8.1 (ND-02): the least lengths, code 0, no group as target */
	static const struct {
		uint8_t type;
		size_t least;
	} least[] = { { 133, 8 }, { 134, 16 }, { 135, 24 }, { 136, 24 }, { 137, 40 } };
	for (size_t i = 0; i < N(least); i++) {
		for (size_t n = 0; n <= least[i].least; n++) {
			uint8_t *exact = calloc(1, n ? n : 1);
			if (n)
				exact[0] = least[i].type;
			int rc = l4_ndp_parse(&m, exact, n);
			if (n == least[i].least)
				assert_int_equal(rc, n);
			else
				assert_true(rc == L4_ETRUNC || (n == 0 && rc == L4_EMALFORMED));
			if (n > 1) {
				exact[1] = 1;
				assert_true(l4_ndp_parse(&m, exact, n) < 0);
				exact[1] = 0;
			}
			if (n >= 24 && least[i].type >= 135) {
				exact[8] = 0xff;
				assert_true(l4_ndp_parse(&m, exact, n) < 0);
			}
			free(exact);
		}
	}
}

static void ndp_option_lengths(void **state) /* ND-03, ND-04 */
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned units = 0; units < 256; units++) {
			uint8_t *p = calloc(1, 16 + 40);
			struct l4_ndp_msg m;
			p[0] = L4_ICMP6_RA;
			p[16] = (uint8_t)type;
			p[17] = (uint8_t)units;
			for (size_t at = 16 + 8 * units; units && at < 56; at += 8)
				p[at] = 200, p[at + 1] = 1; /* unknown ones up to the end */
			int rc = l4_ndp_parse(&m, p, 56);
			assert_int_equal(rc, units >= 1 && units <= 5 ? 56 : L4_EMALFORMED);
			if (rc > 0) {
				assert_int_equal(m.dns_n, type == 25 && units == 3   ? 1
							  : type == 25 && units == 5 ? 2
										     : 0);
				assert_int_equal(m.prefix_n, type == 3 && units == 4);
				uint8_t one = units != 1   ? 0
					      : type == 1  ? L4_NDPO_SLLA
					      : type == 2  ? L4_NDPO_TLLA
					      : type == 5  ? L4_NDPO_MTU
					      : type == 14 ? L4_NDPO_NONCE
							   : 0;
				assert_int_equal(m.present & ~(unsigned)L4_NDPO_REDIRHDR, one);
			}
			free(p);
		}
	}
	/* ND-04: an even RDNSS whose bytes look like options is passed over by its length. */
	uint8_t p[16 + 32 + 8] = { [0] = L4_ICMP6_RA,
		[16] = 25,
		4,
		[40] = 5,
		1,
		0,
		0,
		0,
		0,
		5,
		0,
		[48] = 5,
		1,
		0,
		0,
		0,
		0,
		6,
		0 };
	struct l4_ndp_msg m;
	assert_int_equal(l4_ndp_parse(&m, p, sizeof p), sizeof p);
	assert_int_equal(m.dns_n, 0);
	assert_int_equal(m.mtu, 1536);
	/* More prefixes than are kept. */
	uint8_t many[16 + 32 * 40] = { [0] = L4_ICMP6_RA };
	for (size_t i = 0; i < 40; i++)
		memcpy(many + 16 + 32 * i, ((const uint8_t[]){ 3, 4, 64 }), 3);
	assert_int_equal(l4_ndp_parse(&m, many, sizeof many), sizeof many);
	assert_int_equal(m.prefix_n, L4_NDP_PREFIX_MAX);
}

static void membership(void **state) /* ICMP-14 */
{
	(void)state;
	struct l4_packet k;
	struct l4_mcast_msg m;
	struct l4_mcast_record rec;
	size_t len;
	const uint8_t *p = upper("igmp3-report", &k, &len);
	assert_int_equal(k.ip_opts, L4_IPO_ROUTER_ALERT);
	assert_int_equal(l4_icmp_csum(p, len), 0);
	assert_int_equal(l4_mcast_parse(&m, false, p, len), len);
	assert_int_equal(m.version, 3);
	assert_int_equal(m.rec_n, 2);
	int n = l4_mcast_record_parse(&rec, false, p, len, m.rec_off);
	assert_int_equal(n, 8);
	assert_int_equal(rec.type, L4_MCAST_TO_EX);
	n = l4_mcast_record_parse(&rec, false, p, len, m.rec_off + (size_t)n);
	assert_int_equal(n, 16);
	assert_int_equal(rec.src_n, 2);
	struct l4_addr a = l4_mcast_source(rec.src, false, 1), want = sample_addr("192.0.2.8");
	assert_true(l4_addr_eq(&a, &want));
	p = upper("mld2-query", &k, &len);
	assert_int_equal(l4_mcast_parse(&m, true, p, len), len);
	assert_int_equal(m.version, 2);
	assert_int_equal(m.max_resp_ms, 40000);
	assert_int_equal(m.qqi_s, 992); /* what the eight bits can say of 1000 */
	assert_int_equal(m.src_n, 2);

	static const struct {
		const char *name;
		uint8_t msg[16];
		size_t len;
		int version; /* 0: refused */
		uint32_t max_resp_ms;
	} rows[] = {
		{ "version 1", { 0x11, 0, 0, 0 }, 8, 1, 10000 },
		{ "version 2", { 0x11, 100, 0, 0 }, 8, 2, 10000 },
		{ "version 2, one group", { 0x11, 10, 0, 0, 239, 1, 2, 3 }, 8, 2, 1000 },
		{ "version 3, code 127", { 0x11, 127 }, 12, 3, 12700 },
		{ "version 3, code 128", { 0x11, 128 }, 12, 3, 12800 },
		{ "version 3, code 255", { 0x11, 255 }, 12, 3, 3174400 },
		{ "nine bytes", { 0x11, 10 }, 9, 0, 0 },
		{ "eleven bytes", { 0x11, 10 }, 11, 0, 0 },
		{ "group not multicast", { 0x11, 10, 0, 0, 10, 1, 2, 3 }, 8, 0, 0 },
		{ "sources beyond", { 0x11, 10, 0, 0, 239, 1, 2, 3, 0, 0, 0, 2 }, 16, 0, 0 },
		{ "65535 sources", { 0x11, 10, 0, 0, 239, 1, 2, 3, 0, 0, 255, 255 }, 16, 0, 0 },
		{ "one source", { 0x11, 10, 0, 0, 239, 1, 2, 3, 0, 0, 0, 1 }, 16, 3, 1000 },
		{ "report 2", { 0x16, 0, 0, 0, 239, 1, 2, 3 }, 8, 2, 0 },
		{ "report 2 of no group", { 0x16, 0, 0, 0, 10, 1, 2, 3 }, 8, 0, 0 },
		{ "report 3 without records", { 0x22, 0, 0, 0, 0, 0, 0, 0 }, 8, 3, 0 },
		{ "record cut", { 0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 239, 1, 2 }, 15, 0, 0 },
		{ "record's sources cut", { 0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 239, 1, 2, 3 },
		    16, 0, 0 },
		{ "record's auxiliary data cut",
		    { 0x22, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 239, 1, 2, 3 }, 16, 0, 0 },
		{ "unknown type", { 0x13, 0, 0, 0, 239, 1, 2, 3 }, 8, 0, 0 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		uint8_t *exact = malloc(rows[i].len);
		memcpy(exact, rows[i].msg, rows[i].len);
		int rc = l4_mcast_parse(&m, false, exact, rows[i].len);
		free(exact);
		if ((rc > 0) != (rows[i].version > 0))
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc > 0 &&
		    (m.version != rows[i].version || m.max_resp_ms != rows[i].max_resp_ms))
			fail_msg("%s: version %u, %u ms", rows[i].name, m.version, m.max_resp_ms);
	}
}

static void dhcp_messages(void **state)
{
	(void)state;
	struct l4_packet k;
	struct l4_dhcp_msg m;
	size_t len;
	const uint8_t *p = upper("dhcp-ack", &k, &len) + 8;
	len -= 8;
	assert_int_equal(l4_dhcp_parse(&m, p, len), len);
	assert_true(m.reply && m.type == L4_DHCP_ACK && m.xid == 0x12345678);
	assert_int_equal(m.mask_len, 24);
	assert_int_equal(m.lease_s, 3600);
	assert_int_equal(m.t1_s, 1800);
	assert_int_equal(m.t2_s, 3150);
	assert_int_equal(m.mtu, 1400);
	assert_int_equal(m.router_n, 1);
	assert_int_equal(m.dns_n, 2);
	assert_int_equal(m.dns[1].b[15], 54);
	assert_memory_equal(m.domain, "example.org", m.domain_len);
	assert_memory_equal(m.message, "hello", m.message_len);
	p = upper("dhcp-overload", &k, &len) + 8;
	assert_int_equal(l4_dhcp_parse(&m, p, len - 8), len - 8);
	assert_int_equal(m.lease_s, 3600);
	assert_int_equal(m.router[0].b[15], 1);

	static const struct {
		const char *name;
		size_t at; /* in the message */
		uint8_t n, bytes[12];
		int rc; /* 0: parses */
	} rows[] = {
		{ "as it is", 240, 3, { 53, 1, 2 }, 0 },
		{ "no type", 240, 3, { 0, 0, 0 }, L4_EMALFORMED },
		{ "type 0", 240, 3, { 53, 1, 0 }, L4_EMALFORMED },
		{ "type 9", 240, 3, { 53, 1, 9 }, L4_EMALFORMED },
		{ "type of two bytes", 240, 4, { 53, 2, 2, 2 }, L4_EMALFORMED },
		{ "no magic", 236, 1, { 98 }, L4_EMALFORMED },
		{ "op 3", 0, 1, { 3 }, L4_EMALFORMED },
		{ "hardware of 16 bytes", 2, 1, { 16 }, L4_EMALFORMED },
		{ "other hardware", 1, 1, { 6 }, L4_EMALFORMED },
		{ "option beyond the end", 240, 5, { 53, 1, 2, 12, 255 }, L4_EMALFORMED },
		{ "mask with holes", 240, 9, { 53, 1, 2, 1, 4, 255, 0, 255, 0 }, L4_EMALFORMED },
		{ "mask of three bytes", 240, 8, { 53, 1, 2, 1, 3, 255, 0, 255 }, 0 },
		{ "routers of five bytes", 240, 10, { 53, 1, 2, 3, 5, 1, 2, 3, 4, 5 }, 0 },
		{ "nothing after the end", 240, 6, { 53, 1, 2, 255, 12, 255 }, 0 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_dhcp_msg offer = { .reply = true, .type = L4_DHCP_OFFER };
		uint8_t *msg = malloc(300);
		assert_int_equal(l4_dhcp_emit(&offer, msg, 300), 300);
		memset(msg + 240, 0, 60);
		memcpy(msg + 240, ((const uint8_t[]){ 53, 1, 2 }), 3);
		memcpy(msg + rows[i].at, rows[i].bytes, rows[i].n);
		int rc = l4_dhcp_parse(&m, msg, 300);
		free(msg);
		if (rc != (rows[i].rc ? rows[i].rc : 300))
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc > 0)
			assert_true(!(m.present & L4_DHCPO_MASK) && m.router_n == 0);
	}
	for (unsigned bits = 0; bits <= 32; bits++) {
		struct l4_dhcp_msg in = { .reply = true,
			.type = L4_DHCP_ACK,
			.present = L4_DHCPO_MASK,
			.mask_len = (uint8_t)bits };
		uint8_t msg[300];
		assert_int_equal(l4_dhcp_emit(&in, msg, sizeof msg), 300);
		assert_int_equal(l4_dhcp_parse(&m, msg, sizeof msg), 300);
		assert_int_equal(m.mask_len, bits);
	}
}

static void drop_reasons_have_texts(void **state)
{
	(void)state;
	assert_string_equal(l4_drop_name(L4_DROP_IP4_CSUM), "IP4_CSUM");
	assert_string_equal(l4_drop_name(L4_DROP_NONE), "NONE");
	for (enum l4_drop d = L4_DROP_NONE; d < L4_DROP_N; d++)
		for (enum l4_drop e = L4_DROP_NONE; e < d; e++)
			if (strcmp(l4_drop_text(d), l4_drop_text(e)) == 0)
				fail_msg("%s and %s read alike", l4_drop_name(d), l4_drop_name(e));
	assert_non_null(l4_drop_text(L4_DROP_N));
	assert_non_null(l4_drop_name(L4_DROP_N));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cut_short),
		cmocka_unit_test(lengths_instead_of_types),
		cmocka_unit_test(nested_tags),
		cmocka_unit_test(arp_formats),
		cmocka_unit_test(macs),
		cmocka_unit_test(udp_lengths),
		cmocka_unit_test(udp_checksum_zero),
		cmocka_unit_test(icmp_quotes),
		cmocka_unit_test(ndp_messages),
		cmocka_unit_test(ndp_option_lengths),
		cmocka_unit_test(membership),
		cmocka_unit_test(dhcp_messages),
		cmocka_unit_test(drop_reasons_have_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
