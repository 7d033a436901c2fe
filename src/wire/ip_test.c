/* Tests of IPv4, IPv6 with its extension headers, and the walk over a whole packet; security cases
 * IP4-01 to IP4-04, IP4-06, IP4-09, IP4-13, IP4-14, IP4-18, IP4-19, IP6-01 to IP6-05, IP6-08 to
 * IP6-10, IP6-12, IP6-15, IP6-16 as far as they concern one packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/wire.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t tcp_get[] = { 0x45, 0x02, 0x01, 0xd8, 0x9b, 0xd9, 0x40, 0x00, 0x80, 0x06, 0x00,
	0x00, 0xac, 0x12, 0x80, 0x01, 0xac, 0x12, 0x80, 0x01, 0xff, 0xfd, 0x22, 0xb8, 0x91, 0x53,
	0xaf, 0x33, 0xc5, 0x10, 0xd8, 0x5f, 0x50, 0x18, 0x04, 0xff, 0xac, 0xc9, 0x00, 0x00, 0x47,
	0x45, 0x54, 0x20, 0x2f, 0x20, 0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e, 0x31, 0x0d, 0x0a,
	0x48, 0x6f, 0x73, 0x74, 0x3a, 0x20, 0x31, 0x37, 0x32, 0x2e, 0x31, 0x38, 0x2e, 0x31, 0x32,
	0x38, 0x2e, 0x31, 0x3a, 0x38, 0x38, 0x38, 0x38, 0x0d, 0x0a, 0x43, 0x6f, 0x6e, 0x6e, 0x65,
	0x63, 0x74, 0x69, 0x6f, 0x6e, 0x3a, 0x20, 0x6b, 0x65, 0x65, 0x70, 0x2d, 0x61, 0x6c, 0x69,
	0x76, 0x65, 0x0d, 0x0a, 0x55, 0x70, 0x67, 0x72, 0x61, 0x64, 0x65, 0x2d, 0x49, 0x6e, 0x73,
	0x65, 0x63, 0x75, 0x72, 0x65, 0x2d, 0x52, 0x65, 0x71, 0x75, 0x65, 0x73, 0x74, 0x73, 0x3a,
	0x20, 0x31, 0x0d, 0x0a, 0x55, 0x73, 0x65, 0x72, 0x2d, 0x41, 0x67, 0x65, 0x6e, 0x74, 0x3a,
	0x20, 0x4d, 0x6f, 0x7a, 0x69, 0x6c, 0x6c, 0x61, 0x2f, 0x35, 0x2e, 0x30, 0x20, 0x28, 0x57,
	0x69, 0x6e, 0x64, 0x6f, 0x77, 0x73, 0x20, 0x4e, 0x54, 0x20, 0x31, 0x30, 0x2e, 0x30, 0x3b,
	0x20, 0x57, 0x69, 0x6e, 0x36, 0x34, 0x3b, 0x20, 0x78, 0x36, 0x34, 0x29, 0x20, 0x41, 0x70,
	0x70, 0x6c, 0x65, 0x57, 0x65, 0x62, 0x4b, 0x69, 0x74, 0x2f, 0x35, 0x33, 0x37, 0x2e, 0x33,
	0x36, 0x20, 0x28, 0x4b, 0x48, 0x54, 0x4d, 0x4c, 0x2c, 0x20, 0x6c, 0x69, 0x6b, 0x65, 0x20,
	0x47, 0x65, 0x63, 0x6b, 0x6f, 0x29, 0x20, 0x43, 0x68, 0x72, 0x6f, 0x6d, 0x65, 0x2f, 0x31,
	0x31, 0x34, 0x2e, 0x30, 0x2e, 0x30, 0x2e, 0x30, 0x20, 0x53, 0x61, 0x66, 0x61, 0x72, 0x69,
	0x2f, 0x35, 0x33, 0x37, 0x2e, 0x33, 0x36, 0x0d, 0x0a, 0x41, 0x63, 0x63, 0x65, 0x70, 0x74,
	0x3a, 0x20, 0x74, 0x65, 0x78, 0x74, 0x2f, 0x68, 0x74, 0x6d, 0x6c, 0x2c, 0x61, 0x70, 0x70,
	0x6c, 0x69, 0x63, 0x61, 0x74, 0x69, 0x6f, 0x6e, 0x2f, 0x78, 0x68, 0x74, 0x6d, 0x6c, 0x2b,
	0x78, 0x6d, 0x6c, 0x2c, 0x61, 0x70, 0x70, 0x6c, 0x69, 0x63, 0x61, 0x74, 0x69, 0x6f, 0x6e,
	0x2f, 0x78, 0x6d, 0x6c, 0x3b, 0x71, 0x3d, 0x30, 0x2e, 0x39, 0x2c, 0x69, 0x6d, 0x61, 0x67,
	0x65, 0x2f, 0x61, 0x76, 0x69, 0x66, 0x2c, 0x69, 0x6d, 0x61, 0x67, 0x65, 0x2f, 0x77, 0x65,
	0x62, 0x70, 0x2c, 0x69, 0x6d, 0x61, 0x67, 0x65, 0x2f, 0x61, 0x70, 0x6e, 0x67, 0x2c, 0x2a,
	0x2f, 0x2a, 0x3b, 0x71, 0x3d, 0x30, 0x2e, 0x38, 0x2c, 0x61, 0x70, 0x70, 0x6c, 0x69, 0x63,
	0x61, 0x74, 0x69, 0x6f, 0x6e, 0x2f, 0x73, 0x69, 0x67, 0x6e, 0x65, 0x64, 0x2d, 0x65, 0x78,
	0x63, 0x68, 0x61, 0x6e, 0x67, 0x65, 0x3b, 0x76, 0x3d, 0x62, 0x33, 0x3b, 0x71, 0x3d, 0x30,
	0x2e, 0x37, 0x0d, 0x0a, 0x41, 0x63, 0x63, 0x65, 0x70, 0x74, 0x2d, 0x45, 0x6e, 0x63, 0x6f,
	0x64, 0x69, 0x6e, 0x67, 0x3a, 0x20, 0x67, 0x7a, 0x69, 0x70, 0x2c, 0x20, 0x64, 0x65, 0x66,
	0x6c, 0x61, 0x74, 0x65, 0x0d, 0x0a, 0x41, 0x63, 0x63, 0x65, 0x70, 0x74, 0x2d, 0x4c, 0x61,
	0x6e, 0x67, 0x75, 0x61, 0x67, 0x65, 0x3a, 0x20, 0x65, 0x6e, 0x2d, 0x55, 0x53, 0x2c, 0x65,
	0x6e, 0x3b, 0x71, 0x3d, 0x30, 0x2e, 0x39, 0x0d, 0x0a, 0x0d, 0x0a };
static const uint8_t dns_answer[] = { 0x45, 0x00, 0x00, 0x74, 0x0a, 0x1a, 0x00, 0x00, 0x80, 0x11,
	0xcc, 0x77, 0xac, 0x12, 0x80, 0x01, 0xac, 0x12, 0x8b, 0xc1, 0x00, 0x35, 0xc9, 0xe4, 0x00,
	0x60, 0x51, 0xf0, 0x37, 0xa0, 0x81, 0x20, 0x00, 0x01, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00,
	0x07, 0x6d, 0x6f, 0x7a, 0x69, 0x6c, 0x6c, 0x61, 0x03, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x01,
	0x00, 0x01, 0x07, 0x6d, 0x6f, 0x7a, 0x69, 0x6c, 0x6c, 0x61, 0x03, 0x6f, 0x72, 0x67, 0x00,
	0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xec, 0x48, 0x5d, 0xc0,
	0x1d, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xeb, 0xf6, 0x9b,
	0xc0, 0x1d, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xec, 0x30,
	0x1f };

/* Two real packets whose checksums are known: 0xacc9 and 0x51f0. */
static void known_checksums(void **state)
{
	(void)state;
	static const struct {
		const uint8_t *p;
		size_t len, csum_at;
		uint16_t csum, sport, dport;
	} rows[] = {
		{ tcp_get, sizeof tcp_get, 16, 0xacc9, 65533, 8888 },
		{ dns_answer, sizeof dns_answer, 6, 0x51f0, 53, 51684 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_packet k;
		uint8_t *p = malloc(rows[i].len);
		memcpy(p, rows[i].p, rows[i].len);
		/* Sent from a machine that leaves the IP checksum of one to its card. */
		assert_int_equal(
		    l4_packet_parse_ip(&k, p, rows[i].len, rows[i].len, L4_PACKET_NO_CSUM), L4_OK);
		assert_int_equal(k.l4_off + k.l4_len, rows[i].len);
		uint8_t *l4 = p + k.l4_off;
		assert_int_equal(l4[0] << 8 | l4[1], rows[i].sport);
		assert_int_equal(l4[2] << 8 | l4[3], rows[i].dport);
		assert_int_equal(l4_wire_csum(&k.src, &k.dst, k.proto, l4, k.l4_len), 0);
		uint8_t *field = l4 + rows[i].csum_at;
		assert_int_equal(field[0] << 8 | field[1], rows[i].csum);
		memset(field, 0, 2);
		uint16_t c = l4_wire_csum(&k.src, &k.dst, k.proto, l4, k.l4_len);
		uint8_t be[2] = { (uint8_t)(rows[i].csum >> 8), (uint8_t)rows[i].csum };
		assert_memory_equal(&c, be, 2);
		free(p);
	}
	struct l4_packet k;
	assert_int_equal(
	    l4_packet_parse_ip(&k, tcp_get, sizeof tcp_get, sizeof tcp_get, 0), L4_EMALFORMED);
	assert_int_equal(k.drop, L4_DROP_IP4_CSUM);
	assert_int_equal(
	    l4_packet_parse_ip(&k, dns_answer, sizeof dns_answer, sizeof dns_answer, 0), L4_OK);
}

static void fix_csum(uint8_t *p)
{
	size_t hdr_len = (p[0] & 15u) * 4u;
	memset(p + 10, 0, 2);
	uint16_t c = l4_csum_fold(l4_csum_partial(p, hdr_len, 0));
	memcpy(p + 10, &c, 2);
}

/* A packet of len bytes with the given header length field and total length, all in order. */
static void make4(uint8_t *p, size_t len, unsigned ihl, unsigned total)
{
	memset(p, 1, len); /* options: NOP */
	p[0] = (uint8_t)(0x40 | ihl);
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[6] = p[7] = 0;
	p[9] = L4_PROTO_UDP;
}

static void header_and_total_length(void **state) /* IP4-01, IP4-02 */
{
	(void)state;
	static const size_t lens[] = { 20, 21, 24, 40, 59, 60, 61, 100 };
	for (size_t i = 0; i < N(lens); i++) {
		size_t len = lens[i];
		for (unsigned ihl = 0; ihl < 16; ihl++) {
			const unsigned totals[] = { 0, 1, 19, 20, ihl * 4 - 1, ihl * 4, ihl * 4 + 1,
				(unsigned)len - 1, (unsigned)len, (unsigned)len + 1, 65535 };
			for (size_t t = 0; t < N(totals); t++) {
				unsigned total = totals[t] & 0xffff;
				uint8_t *p = malloc(len);
				struct l4_packet k;
				struct l4_ip4_hdr h;
				make4(p, len, ihl, total);
				bool good = ihl >= 5 && total >= ihl * 4 && total <= len;
				int rc = l4_ip4_parse(&h, p, len);
				assert_int_equal(rc >= 0, good);
				rc = l4_packet_parse_ip(&k, p, len, len, L4_PACKET_NO_CSUM);
				assert_int_equal(rc == L4_OK, good);
				if (good) { /* what is beyond the total length is padding */
					assert_int_equal(k.l3_len, total);
					assert_int_equal(k.l4_len, total - ihl * 4);
				} else {
					assert_true(k.drop == L4_DROP_IP4_HDR_LEN ||
						    k.drop == L4_DROP_IP4_TOTAL_LEN);
				}
				free(p);
			}
		}
	}
	for (size_t len = 0; len < 20; len++) {
		uint8_t p[20] = { 0x45 };
		struct l4_packet k;
		assert_int_equal(l4_packet_parse_ip(&k, p, len, len, 0), L4_EMALFORMED);
		assert_int_equal(k.drop, len ? L4_DROP_IP4_SHORT : L4_DROP_IP_VERSION);
	}
	for (unsigned v = 0; v < 16; v++) {
		uint8_t p[40] = { (uint8_t)(v << 4 | 5) };
		struct l4_packet k;
		if (v == 4 || v == 6)
			continue;
		assert_int_equal(l4_packet_parse_ip(&k, p, 40, 40, 0), L4_EMALFORMED);
		assert_int_equal(k.drop, L4_DROP_IP_VERSION);
	}
}

static void ip4_options(void **state) /* IP4-03 */
{
	(void)state;
	static const uint8_t lens[] = { 0, 1, 2, 3, 4, 7, 39, 40, 41, 255 };
	for (unsigned kind = 2; kind < 256; kind++) {
		for (size_t l = 0; l < N(lens); l++) {
			for (size_t at = 0; at < 40; at++) {
				uint8_t *p = malloc(60);
				struct l4_packet k;
				make4(p, 60, 15, 60);
				p[20 + at] = (uint8_t)kind;
				if (at + 1 < 40)
					p[21 + at] = lens[l];
				int rc = l4_packet_parse_ip(&k, p, 60, 60, L4_PACKET_NO_CSUM);
				bool fits = at + 1 < 40 && lens[l] >= 2 && lens[l] <= 40 - at;
				bool pointed =
				    kind == 7 || kind == 68 || kind == 131 || kind == 137;
				if (!fits || pointed || (kind == 148 && lens[l] != 4)) {
					/* the pointer is 1 here, below the least */
					assert_int_equal(k.drop, L4_DROP_IP4_OPTION);
				} else {
					assert_int_equal(rc, L4_OK);
					assert_int_equal(k.ip_opts,
					    kind == 148 ? L4_IPO_ROUTER_ALERT : L4_IPO_OTHER);
				}
				free(p);
			}
		}
	}
}

static void ip4_option_pointers_and_routes(void **state) /* IP4-03, IP4-04 */
{
	(void)state;
	static const struct {
		uint8_t opt[12];
		enum l4_drop drop;
		uint8_t flags;
	} rows[] = {
		{ { 7, 11, 4 }, L4_DROP_NONE, L4_IPO_RR },
		{ { 7, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, L4_DROP_NONE, L4_IPO_RR }, /* full */
		{ { 7, 11, 13 }, L4_DROP_IP4_OPTION, 0 },
		{ { 7, 11, 3 }, L4_DROP_IP4_OPTION, 0 },
		{ { 7, 2, 1, 1 }, L4_DROP_IP4_OPTION, 0 },
		{ { 68, 12, 5 }, L4_DROP_NONE, L4_IPO_TS },
		{ { 68, 12, 4 }, L4_DROP_IP4_OPTION, 0 },
		{ { 68, 12, 14 }, L4_DROP_IP4_OPTION, 0 },
		{ { 68, 3, 5, 1 }, L4_DROP_IP4_OPTION, 0 },
		{ { 131, 7, 4 }, L4_DROP_IP4_SRCROUTE, L4_IPO_LSRR },
		{ { 137, 7, 4 }, L4_DROP_IP4_SRCROUTE, L4_IPO_SSRR },
		{ { 131, 3, 4, 137, 3, 4 }, L4_DROP_IP4_SRCROUTE, L4_IPO_LSRR | L4_IPO_SSRR },
		{ { 0, 131, 0, 0 }, L4_DROP_NONE, 0 }, /* nothing counts behind the end */
		{ { 1, 1, 1, 0x94, 4, 0, 0 }, L4_DROP_NONE, L4_IPO_ROUTER_ALERT },
	};
	for (size_t i = 0; i < N(rows); i++) {
		uint8_t p[40];
		struct l4_packet k;
		make4(p, 40, 8, 40);
		memcpy(p + 20, rows[i].opt, 12);
		fix_csum(p);
		(void)l4_packet_parse_ip(&k, p, 40, 40, 0);
		if (k.drop != rows[i].drop)
			fail_msg("row %zu: %s", i, l4_drop_text(k.drop));
		if (k.drop != L4_DROP_IP4_OPTION)
			assert_int_equal(k.ip_opts, rows[i].flags);
	}
}

static void ip4_fragments(void **state) /* IP4-06, IP4-09, IP4-13, IP4-14 */
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t flags; /* the three flag bits */
		unsigned off;  /* units of eight */
		unsigned data;
		uint8_t proto;
		enum l4_drop drop;
		bool frag;
	} rows[] = {
		{ "whole", 0, 0, 20, 17, L4_DROP_NONE, false },
		{ "whole, DF", 2, 0, 20, 17, L4_DROP_NONE, false },
		{ "IP4-14 reserved bit", 4, 0, 20, 17, L4_DROP_NONE, false },
		{ "IP4-14 DF and MF", 3, 0, 16, 17, L4_DROP_NONE, true },
		{ "first", 1, 0, 16, 17, L4_DROP_NONE, true },
		{ "last", 0, 2, 3, 17, L4_DROP_NONE, true },
		{ "IP4-13 MF of 13", 1, 0, 13, 17, L4_DROP_IP4_FRAG_LEN, true },
		{ "IP4-13 empty MF", 1, 0, 0, 17, L4_DROP_IP4_FRAG_LEN, true },
		{ "IP4-13 empty last", 0, 5, 0, 17, L4_DROP_IP4_FRAG_LEN, true },
		{ "IP4-06 beyond 65535", 0, 8189, 100, 17, L4_DROP_IP4_FRAG_BIG, true },
		{ "IP4-06 just beyond", 0, 8189, 4, 17, L4_DROP_IP4_FRAG_BIG, true },
		{ "just inside", 0, 8188, 11, 17, L4_DROP_NONE, true },
		{ "IP4-09 tiny first", 1, 0, 8, 6, L4_DROP_IP4_FRAG_TINY, true },
		{ "IP4-09 offset 8", 0, 1, 20, 6, L4_DROP_IP4_FRAG_TINY, true },
		{ "offset 8 of UDP", 0, 1, 20, 17, L4_DROP_NONE, true },
		{ "first of TCP", 1, 0, 24, 6, L4_DROP_NONE, true },
	};
	for (size_t i = 0; i < N(rows); i++) {
		size_t len = 20 + rows[i].data;
		uint8_t *p = malloc(len);
		struct l4_packet k;
		make4(p, len, 5, (unsigned)len);
		unsigned field = (unsigned)rows[i].flags << 13 | rows[i].off;
		p[6] = (uint8_t)(field >> 8);
		p[7] = (uint8_t)field;
		p[9] = rows[i].proto;
		fix_csum(p);
		int rc = l4_packet_parse_ip(&k, p, len, len, 0);
		if (k.drop != rows[i].drop || k.is_frag != rows[i].frag)
			fail_msg("%s: %s", rows[i].name, l4_drop_text(k.drop));
		assert_int_equal(rc == L4_OK, rows[i].drop == L4_DROP_NONE);
		assert_int_equal(k.frag_off, rows[i].off * 8);
		assert_int_equal(k.frag_more, rows[i].flags & 1);
		assert_int_equal(k.frag_data_len, rows[i].data);
		assert_int_equal(k.frag_id, 0x0101);
		free(p);
	}
	/* IP4-14: all flags with both offsets: never anything but these answers. */
	for (unsigned f = 0; f < 8; f++) {
		for (unsigned off = 0; off < 2; off++) {
			uint8_t p[44];
			struct l4_packet k;
			make4(p, 44, 5, 44);
			p[6] = (uint8_t)(f << 5);
			p[7] = (uint8_t)off;
			fix_csum(p);
			assert_int_equal(l4_packet_parse_ip(&k, p, 44, 44, 0), L4_OK);
			assert_int_equal(k.is_frag, (f & 1) || off);
		}
	}
}

static void every_bit_of_the_checksum(void **state) /* IP4-18, IP4-19 */
{
	(void)state;
	uint8_t p[20];
	struct l4_packet k;
	make4(p, 20, 5, 20);
	fix_csum(p);
	assert_true(l4_ip4_csum_ok(p, 20));
	for (unsigned bit = 0; bit < 160; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(l4_ip4_csum_ok(p, 20));
		assert_int_equal(l4_packet_parse_ip(&k, p, 20, 20, 0), L4_EMALFORMED);
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned v = 0; v < 0x10000; v++) { /* the identification takes every value */
		p[4] = (uint8_t)(v >> 8);
		p[5] = (uint8_t)v;
		fix_csum(p);
		assert_true(l4_ip4_csum_ok(p, 20));
	}
}

/* ---- IPv6 ---- */

static const char dst_unicast[] = "2001:db8::2", dst_group[] = "ff02::1";

static size_t make6(uint8_t *p, uint8_t next, const uint8_t *rest, size_t n, const char *dst)
{
	struct l4_ip6_hdr h = { .payload_len = (uint16_t)n, .next = next, .hop_limit = 64 };
	l4_addr_parse(&h.src, "2001:db8::1");
	l4_addr_parse(&h.dst, dst);
	assert_int_equal(l4_ip6_emit(&h, p, 40), 40);
	if (n)
		memcpy(p + 40, rest, n);
	return 40 + n;
}

static void payload_length(void **state) /* IP6-01 */
{
	(void)state;
	for (size_t len = 0; len <= 60; len++) {
		const size_t said[] = { 0, 1, 7, 8, len - 41, len - 40, len - 39, 65535 };
		for (size_t i = 0; i < N(said); i++) {
			uint8_t *p = calloc(1, len ? len : 1);
			struct l4_packet k;
			struct l4_ip6_hdr h;
			if (len)
				p[0] = 0x60;
			if (len > 6) {
				p[4] = (uint8_t)(said[i] >> 8);
				p[5] = (uint8_t)said[i];
				p[6] = L4_PROTO_UDP;
			}
			size_t want = said[i] & 0xffff;
			bool good = len >= 40 && want <= len - 40;
			assert_int_equal(l4_ip6_parse(&h, p, len) == 40, good);
			assert_int_equal(l4_packet_parse_ip(&k, p, len, len, 0) == L4_OK, good);
			if (good)
				assert_int_equal(k.l4_len, want);
			else
				assert_true(k.drop == L4_DROP_IP6_SHORT ||
					    k.drop == L4_DROP_IP6_PAYLOAD_LEN ||
					    k.drop == L4_DROP_IP_VERSION);
			free(p);
		}
	}
}

static void extension_lengths(void **state) /* IP6-02 */
{
	(void)state;
	static const uint8_t nexts[] = { L4_PROTO_HOPOPTS, L4_PROTO_DSTOPTS, L4_PROTO_ROUTING };
	for (size_t x = 0; x < N(nexts); x++) {
		for (unsigned ext = 0; ext < 256; ext++) {
			for (unsigned optlen = 0; optlen < 256; optlen++) {
				for (size_t n = 8; n <= 64; n += 8) {
					uint8_t rest[64] = { L4_PROTO_NONE, (uint8_t)ext, 1,
						(uint8_t)optlen };
					uint8_t buf[104], *p;
					struct l4_packet k;
					if (nexts[x] == L4_PROTO_ROUTING)
						rest[3] = 0; /* segments left */
					size_t len = make6(buf, nexts[x], rest, n, dst_unicast);
					p = malloc(len);
					memcpy(p, buf, len);
					(void)l4_packet_parse_ip(&k, p, len, len, 0);
					free(p);
					enum l4_drop want = L4_DROP_IP6_NO_NEXT;
					if (8 * (ext + 1) > n)
						want = L4_DROP_IP6_EXT_SHORT;
					else if (nexts[x] != L4_PROTO_ROUTING &&
						 optlen > 8 * (ext + 1) - 4)
						want = L4_DROP_IP6_OPTION;
					if (k.drop != want)
						fail_msg("next %u ext %u option %u of %zu: %s",
						    nexts[x], ext, optlen, n, l4_drop_text(k.drop));
				}
			}
		}
	}
}

struct chain_row {
	const char *name;
	const char *dst;
	uint8_t next;
	uint8_t n, rest[64];
	enum l4_drop drop;
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_ptr;
};

#define F  L4_PROTO_FRAGMENT
#define HH L4_PROTO_HOPOPTS
#define DO L4_PROTO_DSTOPTS
#define RH L4_PROTO_ROUTING
#define U8 0x13, 0x88, 0, 7, 0, 8, 0, 1 /* a UDP header */

static const struct chain_row chain_rows[] = {
	{ "UDP", dst_unicast, 17, 8, { U8 }, L4_DROP_NONE, 0, 0, 0 },
	{ "padding only", dst_unicast, DO, 16, { 17, 0, 0, 0, 0, 0, 0, 0, U8 }, L4_DROP_NONE, 0, 0,
	    0 },
	{ "IP6-03 hop-by-hop second", dst_unicast, DO, 24,
	    { HH, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, U8 }, L4_DROP_IP6_EXT_ORDER, 4, 1,
	    40 },
	{ "IP6-03 hop-by-hop twice", dst_unicast, HH, 24,
	    { HH, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, U8 }, L4_DROP_IP6_EXT_ORDER, 4, 1,
	    40 },
	{ "IP6-04 unknown 00", dst_unicast, DO, 16, { 17, 0, 0x1e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_NONE, 0, 0, 0 },
	{ "IP6-04 unknown 01", dst_unicast, DO, 16, { 17, 0, 0x5e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 0, 0, 0 },
	{ "IP6-04 unknown 10", dst_unicast, DO, 16, { 17, 0, 0x9e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 4, 2, 42 },
	{ "IP6-04 unknown 11", dst_unicast, DO, 16, { 17, 0, 0xde, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 4, 2, 42 },
	{ "IP6-04 unknown 00 to a group", dst_group, DO, 16, { 17, 0, 0x1e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_NONE, 0, 0, 0 },
	{ "IP6-04 unknown 01 to a group", dst_group, DO, 16, { 17, 0, 0x5e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 0, 0, 0 },
	{ "IP6-04 unknown 10 to a group", dst_group, DO, 16, { 17, 0, 0x9e, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 4, 2, 42 },
	{ "IP6-04 unknown 11 to a group", dst_group, DO, 16, { 17, 0, 0xde, 4, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 0, 0, 0 },
	{ "IP6-04 behind padding", dst_unicast, HH, 16, { 17, 0, 0, 1, 0, 0x9e, 1, 0, U8 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 4, 2, 45 },
	{ "IP6-05 RH0", dst_unicast, RH, 16, { 17, 0, 0, 1, 0, 0, 0, 0, U8 }, L4_DROP_IP6_ROUTING,
	    4, 0, 42 },
	{ "IP6-05 unknown routing", dst_unicast, RH, 16, { 17, 0, 200, 255, 0, 0, 0, 0, U8 },
	    L4_DROP_IP6_ROUTING, 4, 0, 42 },
	{ "IP6-05 nothing left", dst_unicast, RH, 16, { 17, 0, 0, 0, 0, 0, 0, 0, U8 }, L4_DROP_NONE,
	    0, 0, 0 },
	{ "IP6-08 fragment in a fragment", dst_unicast, F, 24,
	    { F, 0, 0, 0, 0, 0, 0, 1, 17, 0, 0, 0, 0, 0, 0, 1, U8 }, L4_DROP_IP6_FRAG_NESTED, 0, 0,
	    0 },
	{ "IP6-09 chain cut", dst_unicast, F, 16,
	    { DO, 0, 0, 1, 0, 0, 0, 1, 6, 0, 1, 4, 0, 0, 0, 0 }, L4_DROP_IP6_FRAG_CHAIN, 4, 3, 0 },
	{ "IP6-09 chain cut in a header", dst_unicast, F, 16,
	    { DO, 0, 0, 1, 0, 0, 0, 1, 6, 3, 1, 4, 0, 0, 0, 0 }, L4_DROP_IP6_FRAG_CHAIN, 4, 3, 0 },
	{ "IP6-09 TCP header cut", dst_unicast, F, 24,
	    { 6, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0 },
	    L4_DROP_IP6_FRAG_CHAIN, 4, 3, 0 },
	{ "IP6-09 TCP options cut", dst_unicast, F, 32, { 6, 0, 0, 1, 0, 0, 0, 1, [20] = 0x70 },
	    L4_DROP_IP6_FRAG_CHAIN, 4, 3, 0 },
	{ "TCP header whole", dst_unicast, F, 32, { 6, 0, 0, 1, 0, 0, 0, 1, [20] = 0x60 },
	    L4_DROP_NONE, 0, 0, 0 },
	{ "IP6-10 M of 7", dst_unicast, F, 15, { 17, 0, 0, 1, 0, 0, 0, 1 }, L4_DROP_IP6_FRAG_LEN, 4,
	    0, 4 },
	{ "IP6-10 beyond 65535", dst_unicast, F, 16, { 17, 0, 0xff, 0xf8, 0, 0, 0, 1 },
	    L4_DROP_IP6_FRAG_BIG, 4, 0, 42 },
	{ "just inside 65535", dst_unicast, F, 15, { 17, 0, 0xff, 0xf8, 0, 0, 0, 1 }, L4_DROP_NONE,
	    0, 0, 0 },
	{ "beyond 65535 with options before", dst_unicast, DO, 23,
	    { F, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0xff, 0xf8, 0, 0, 0, 1 }, L4_DROP_IP6_FRAG_BIG, 4, 0,
	    50 },
	{ "empty fragment", dst_unicast, F, 8, { 17, 0, 0, 1, 0, 0, 0, 1 }, L4_DROP_IP6_FRAG_LEN, 0,
	    0, 0 },
	{ "atomic fragment", dst_unicast, F, 16, { 17, 0, 0, 0, 0, 0, 0, 1, U8 }, L4_DROP_NONE, 0,
	    0, 0 },
	{ "IP6-12 jumbo", dst_unicast, HH, 8, { 59, 0, 0xc2, 4, 0, 1, 0, 0 },
	    L4_DROP_IP6_OPTION_UNKNOWN, 4, 2, 42 },
	{ "IP6-15 no next header", dst_unicast, 59, 8, { U8 }, L4_DROP_IP6_NO_NEXT, 0, 0, 0 },
	{ "IP6-15 unknown header", dst_unicast, 253, 8, { U8 }, L4_DROP_NONE, 0, 0, 0 },
	{ "IP6-16 AH is not walked", dst_unicast, HH, 24,
	    { 51, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1, U8 }, L4_DROP_NONE, 0, 0, 0 },
	{ "IP6-16 ESP is not walked", dst_unicast, 50, 8, { U8 }, L4_DROP_NONE, 0, 0, 0 },
	{ "option cut", dst_unicast, DO, 8, { 17, 0, 1, 2, 0, 0, 0, 5 }, L4_DROP_IP6_OPTION, 0, 0,
	    0 },
};

static void chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(chain_rows); i++) {
		const struct chain_row *row = &chain_rows[i];
		uint8_t buf[128];
		struct l4_packet k;
		size_t len = make6(buf, row->next, row->rest, row->n, row->dst);
		uint8_t *p = malloc(len);
		memcpy(p, buf, len);
		(void)l4_packet_parse_ip(&k, p, len, len, 0);
		free(p);
		if (k.drop != row->drop)
			fail_msg("%s: %s", row->name, l4_drop_text(k.drop));
		if (k.icmp_type != row->icmp_type || k.icmp_code != row->icmp_code ||
		    k.icmp_ptr != row->icmp_ptr)
			fail_msg("%s: answer %u code %u pointer %u", row->name, k.icmp_type,
			    k.icmp_code, k.icmp_ptr);
	}
}

static void chain_results(void **state)
{
	(void)state;
	static const uint8_t rest[] = { DO, 0, 5, 2, 0, 0, 1, 0, F, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 9,
		1, 2, 3, 4, 0, 80, 1, 2, 3, 4, 5, 6 };
	uint8_t p[128];
	struct l4_packet k;
	size_t len = make6(p, HH, rest, sizeof rest, dst_unicast);
	assert_int_equal(l4_packet_parse_ip(&k, p, len, len, 0), L4_OK);
	assert_true(k.is_frag && k.has_frag_hdr && k.frag_more);
	assert_int_equal(k.ip_opts, L4_IPO_ROUTER_ALERT);
	assert_int_equal(k.frag_off, 8);
	assert_int_equal(k.frag_id, 0x01020304);
	assert_int_equal(k.frag_next, 6);
	assert_int_equal(k.frag_hdr_len, 56);
	assert_int_equal(k.frag_nh_off, 48);
	assert_int_equal(k.frag_data_off, 64);
	assert_int_equal(k.frag_data_len, 8);
	assert_int_equal(k.proto, 6);
	assert_int_equal(k.nh_off, 56);
	assert_int_equal(l4_packet_parse_ip(&k, p, len, len, L4_PACKET_REASSEMBLED), L4_EMALFORMED);
	assert_int_equal(k.drop, L4_DROP_IP6_FRAG_NESTED); /* IP6-08 */
}

static void long_chains_end(void **state) /* IP6-03 */
{
	(void)state;
	static uint8_t rest[1480], p[1600];
	for (size_t n = 1; n <= 180; n++) {
		struct l4_packet k;
		for (size_t i = 0; i < n; i++)
			memcpy(rest + 8 * i,
			    ((const uint8_t[]){
				i + 1 < n ? DO : L4_PROTO_UDP, 0, 1, 4, 0, 0, 0, 0 }),
			    8);
		memcpy(rest + 8 * n, ((const uint8_t[]){ U8 }), 8);
		size_t len = make6(p, DO, rest, 8 * n + 8, dst_unicast);
		(void)l4_packet_parse_ip(&k, p, len, len, 0);
		assert_int_equal(k.drop, n <= L4_IP6_EXT_MAX ? L4_DROP_NONE : L4_DROP_IP6_EXT_MANY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_checksums),
		cmocka_unit_test(header_and_total_length),
		cmocka_unit_test(ip4_options),
		cmocka_unit_test(ip4_option_pointers_and_routes),
		cmocka_unit_test(ip4_fragments),
		cmocka_unit_test(every_bit_of_the_checksum),
		cmocka_unit_test(payload_length),
		cmocka_unit_test(extension_lengths),
		cmocka_unit_test(chains),
		cmocka_unit_test(chain_results),
		cmocka_unit_test(long_chains_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
