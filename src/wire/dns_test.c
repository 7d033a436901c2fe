/* Tests of DNS: names, messages, record data, text and building. Security cases DNS-01 to DNS-05,
 * DNS-10, DNS-11, DNS-13, DNS-16, DNS-17, and the parser's part of DNS-06 and DNS-08. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "wire/testdns.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* A real answer: mozilla.org A, three addresses, compressed owners. */
static const uint8_t mozilla[] = { 0x37, 0xa0, 0x81, 0x20, 0x00, 0x01, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x00, 0x07, 0x6d, 0x6f, 0x7a, 0x69, 0x6c, 0x6c, 0x61, 0x03, 0x6f, 0x72, 0x67, 0x00, 0x00,
	0x01, 0x00, 0x01, 0x07, 0x6d, 0x6f, 0x7a, 0x69, 0x6c, 0x6c, 0x61, 0x03, 0x6f, 0x72, 0x67,
	0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xec, 0x48, 0x5d,
	0xc0, 0x1d, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xeb, 0xf6,
	0x9b, 0xc0, 0x1d, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x2c, 0xec,
	0x30, 0x1f };

static struct l4_dns_name name_of(const char *text)
{
	struct l4_dns_name n;
	assert_int_equal(l4_dns_name_from_text(&n, text), L4_OK);
	return n;
}

static void real_answer_reads(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"mozilla.org.\tIN\tA",
		"mozilla.org.\t0\tIN\tA\t44.236.72.93",
		"mozilla.org.\t0\tIN\tA\t44.235.246.155",
		"mozilla.org.\t0\tIN\tA\t44.236.48.31",
	};
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr rr;
	char text[256];
	assert_int_equal(l4_dns_iter_init(&it, &h, mozilla, sizeof mozilla), L4_OK);
	assert_int_equal(h.id, 0x37a0);
	assert_true(h.qr && h.rd && h.ad && !h.ra && !h.tc && !h.aa);
	for (size_t i = 0; i < N(lines); i++) {
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		assert_int_equal(l4_dns_rr_format(&rr, mozilla, sizeof mozilla, text, sizeof text),
		    strlen(lines[i]));
		assert_string_equal(text, lines[i]);
	}
	assert_int_equal(l4_dns_iter_next(&it, &rr), 0);
	struct l4_addr a[8];
	struct l4_dns_name q = name_of("MOZILLA.org");
	assert_int_equal(l4_dns_addrs(a, 8, &q, mozilla, sizeof mozilla), 3);
	assert_int_equal(a[2].b[15], 31);
	assert_int_equal(l4_dns_addrs(a, 2, &q, mozilla, sizeof mozilla), 2);
	assert_true(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 1));
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a1, &q, 1, 1)); /* DNS-06 */
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 28, 1));
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 3));
	q = name_of("mozilla.com");
	assert_false(l4_dns_is_answer(mozilla, sizeof mozilla, 0x37a0, &q, 1, 1));
}

/* ---- names ---- */

static void name_text_both_ways(void **state) /* DNS-13 */
{
	(void)state;
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{ ".", "." },
		{ "org", "org." },
		{ "example.org", "example.org." },
		{ "example.org.", "example.org." },
		{ "Example.ORG", "Example.ORG." },
		{ "a\\.b.c", "a\\.b.c." },
		{ "a\\\\b", "a\\\\b." },
		{ "a\\000b", "a\\000b." },
		{ "a\\255", "a\\255." },
		{ "a\\@b", "a\\@b." },
		{ "a b", "a\\032b." },
		{ "a\\\"b", "a\\\"b." },
		{ "_sip._udp.x", "_sip._udp.x." },
		{ "*.x", "*.x." },
		{ "\xc3\xa4.de", "\\195\\164.de." },
		{ "", NULL },
		{ "..", NULL },
		{ ".a", NULL },
		{ "a..b", NULL },
		{ "a.b..", NULL },
		{ "a\\", NULL },
		{ "a\\2", NULL },
		{ "a\\25", NULL },
		{ "a\\256", NULL },
		{ "a\\2x5", NULL },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_dns_name n;
		char text[L4_DNS_NAME_TEXT_MAX];
		int rc = l4_dns_name_from_text(&n, rows[i].in);
		if ((rc == L4_OK) != (rows[i].out != NULL))
			fail_msg("'%s': %d", rows[i].in, rc);
		if (rc != L4_OK)
			continue;
		assert_int_equal(l4_dns_name_format(&n, text, sizeof text), strlen(rows[i].out));
		assert_string_equal(text, rows[i].out);
		exercise_dns_name(&n);
		size_t need = strlen(rows[i].out) + 1;
		assert_int_equal(l4_dns_name_format(&n, text, need), need - 1);
		assert_int_equal(l4_dns_name_format(&n, text, need - 1), L4_ETRUNC);
	}
}

/* Text of labels of the given lengths. */
static void label_text(char *t, const unsigned *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memset(t, 'a', labels[i]);
		t[labels[i]] = '.';
		t += labels[i] + 1;
	}
	*t = '\0';
}

static void name_lengths(void **state) /* DNS-02 */
{
	(void)state;
	static const struct {
		unsigned labels[128];
		size_t n;
		bool ok;
		size_t wire;
	} rows[] = {
		{ { 63 }, 1, true, 65 },
		{ { 64 }, 1, false, 0 },
		{ { 63, 63, 63, 60 }, 4, true, 254 },
		{ { 63, 63, 63, 61 }, 4, true, 255 },
		{ { 63, 63, 63, 62 }, 4, false, 0 },
		{ { 63, 63, 63, 63 }, 4, false, 0 },
		{ { 63, 63, 63, 59, 1 }, 5, true, 255 },
		{ { 63, 63, 63, 60, 1 }, 5, false, 0 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		char t[400];
		struct l4_dns_name n;
		label_text(t, rows[i].labels, rows[i].n);
		assert_int_equal(l4_dns_name_from_text(&n, t) == L4_OK, rows[i].ok);
		if (rows[i].ok)
			assert_int_equal(n.len, rows[i].wire);
	}
	unsigned ones[128];
	char t[400];
	struct l4_dns_name n;
	for (size_t i = 0; i < 128; i++)
		ones[i] = 1;
	label_text(t, ones, 127);
	assert_int_equal(l4_dns_name_from_text(&n, t), L4_OK);
	assert_int_equal(n.len, 255);
	exercise_dns_name(&n);
	label_text(t, ones, 128);
	assert_int_equal(l4_dns_name_from_text(&n, t), L4_EMALFORMED);
	/* The longest text: every byte an escape. */
	n.len = 255;
	memset(n.b, 0, sizeof n.b);
	for (size_t i = 0; i < 254; i += 64)
		n.b[i] = i < 192 ? 63 : 61;
	exercise_dns_name(&n);

	/* The same lengths from the wire: labels of 50 behind each other, then one of k. */
	for (size_t total = 200; total <= 300; total++) {
		uint8_t msg[400] = { 0 };
		size_t at = 12, left = total - 1;
		while (left > 0) {
			size_t k = left > 52 ? 50 : left - 1;
			msg[at] = (uint8_t)k;
			memset(msg + at + 1, 'x', k);
			at += k + 1;
			left -= k + 1;
		}
		int rc = l4_dns_name_parse(&n, msg, at + 1, 12);
		if (msg[at - 1] == 0)
			continue; /* the total came out as an empty label */
		assert_int_equal(rc, total <= 255 ? (int)total : L4_EMALFORMED);
	}
	/* DNS-02: the two label types that are not in use, at every length bit. */
	for (unsigned first = 0; first < 256; first++) {
		uint8_t *msg = calloc(1, 12 + 70);
		msg[12] = (uint8_t)first;
		int rc = l4_dns_name_parse(&n, msg, 82, 12);
		if (first >= 0x40 && first < 0xc0)
			assert_int_equal(rc, L4_EMALFORMED);
		if (first < 0x40)
			assert_int_equal(rc, first ? (int)first + 2 : 1);
		free(msg);
	}
}

static void pointers_lead_backwards(void **state) /* DNS-01 */
{
	(void)state;
	static uint8_t msg[0x4100];
	struct l4_dns_name n;
	memset(msg, 0, sizeof msg);
	msg[12] = 1;
	msg[13] = 'a';
	/* At 0x2000 a name "b" and a pointer to every offset there is. */
	msg[0x2000] = 1;
	msg[0x2001] = 'b';
	for (unsigned to = 0; to < 0x4000; to++) {
		msg[0x2002] = (uint8_t)(0xc0 | to >> 8);
		msg[0x2003] = (uint8_t)to;
		int rc = l4_dns_name_parse(&n, msg, sizeof msg, 0x2000);
		if (to < 12 || to >= 0x2000)
			assert_int_equal(rc, L4_EMALFORMED);
		else if (rc != L4_EMALFORMED) /* the byte there may be no label */
			assert_int_equal(rc, 4);
	}
	msg[0x2002] = 0xc0;
	msg[0x2003] = 12;
	assert_int_equal(l4_dns_name_parse(&n, msg, sizeof msg, 0x2000), 4);
	assert_memory_equal(n.b, "\1b\1a\0", 5);
	/* Two that lead to each other, and a chain that goes on for long. */
	static const uint8_t loop[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 14, 0xc0, 12 };
	assert_int_equal(l4_dns_name_parse(&n, loop, sizeof loop, 12), L4_EMALFORMED);
	assert_int_equal(l4_dns_name_parse(&n, loop, sizeof loop, 14), L4_EMALFORMED);
	memset(msg, 0, sizeof msg);
	for (unsigned at = 14; at < 0x3ffe; at += 2) {
		msg[at] = (uint8_t)(0xc0 | (at - 2) >> 8);
		msg[at + 1] = (uint8_t)(at - 2);
	}
	assert_int_equal(l4_dns_name_parse(&n, msg, sizeof msg, 0x3ffc), 2);
	assert_int_equal(n.len, 1);
	/* Cut inside the pointer. */
	uint8_t *cut = calloc(1, 13);
	cut[12] = 0xc0;
	assert_int_equal(l4_dns_name_parse(&n, cut, 13, 12), L4_ETRUNC);
	free(cut);
}

static void comparison_ignores_case_of_letters_only(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool eq;
	} rows[] = {
		{ "example.org", "EXAMPLE.Org.", true },
		{ "example.org", "example.or", false },
		{ "a.b", "a\\.b", false },
		{ "@", "`", false },
		{ "[", "{", false },
		{ "\\195", "\\227", false },
		{ ".", ".", true },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_dns_name a = name_of(rows[i].a), b = name_of(rows[i].b);
		assert_int_equal(l4_dns_name_eq(&a, &b), rows[i].eq);
	}
}

static void reverse_names(void **state)
{
	(void)state;
	static const struct {
		const char *addr, *name;
	} rows[] = {
		{ "192.0.2.105", "105.2.0.192.in-addr.arpa." },
		{ "10.255.0.9", "9.0.255.10.in-addr.arpa." },
		{ "2001:db8::567:89ab",
		    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
		    "ip6.arpa." },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct l4_addr a;
		struct l4_dns_name n;
		char text[L4_DNS_NAME_TEXT_MAX];
		assert_int_equal(l4_addr_parse(&a, rows[i].addr), L4_OK);
		l4_dns_name_from_addr(&n, &a);
		l4_dns_name_format(&n, text, sizeof text);
		assert_string_equal(text, rows[i].name);
	}
}

/* ---- messages ---- */

/* A response of one record, type and data as given; its length. */
static size_t one_record(uint8_t *p, uint16_t type, const uint8_t *rdata, size_t rdlen, size_t said)
{
	static const uint8_t head[] = { 0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 'x', 0 };
	const uint8_t fixed[] = { (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, 60,
		(uint8_t)(said >> 8), (uint8_t)said };
	memcpy(p, head, sizeof head);
	memcpy(p + sizeof head, fixed, sizeof fixed);
	memcpy(p + sizeof head + sizeof fixed, rdata, rdlen);
	return sizeof head + sizeof fixed + rdlen;
}

static void data_of_exact_length(void **state) /* DNS-04 */
{
	(void)state;
	static const uint16_t types[] = { L4_DNS_A, L4_DNS_AAAA, L4_DNS_NS, L4_DNS_CNAME,
		L4_DNS_SOA, L4_DNS_PTR, L4_DNS_MX, L4_DNS_TXT, L4_DNS_SRV, L4_DNS_CAA, L4_DNS_SVCB,
		999 };
	uint8_t zeros[40] = { 0 };
	for (size_t t = 0; t < N(types); t++) {
		for (size_t rdlen = 0; rdlen <= 40; rdlen++) {
			uint8_t buf[100], *p;
			size_t len = one_record(buf, types[t], zeros, rdlen, rdlen);
			p = malloc(len);
			memcpy(p, buf, len);
			int rc = l4_dns_check(p, len);
			free(p);
			bool ok = false; /* how many zero bytes make sense */
			switch (types[t]) {
			case L4_DNS_A:
				ok = rdlen == 4;
				break;
			case L4_DNS_AAAA:
				ok = rdlen == 16;
				break;
			case L4_DNS_NS:
			case L4_DNS_CNAME:
			case L4_DNS_PTR:
				ok = rdlen == 1;
				break;
			case L4_DNS_SOA:
				ok = rdlen == 22;
				break;
			case L4_DNS_MX:
				ok = rdlen == 3;
				break;
			case L4_DNS_TXT: /* each zero an empty string */
				ok = rdlen >= 1;
				break;
			case L4_DNS_SRV:
				ok = rdlen == 7;
				break;
			case L4_DNS_SVCB: /* a second parameter of key 0, or a wrong one, is refused
					   */
				ok = rdlen == 3;
				break;
			case 999:
				ok = true;
				break;
			default:
				break;
			}
			if ((rc == L4_OK) != ok)
				fail_msg("type %u, %zu bytes: %d", types[t], rdlen, rc);
			/* Data that is said to pass the message. */
			assert_int_equal(
			    l4_dns_check(buf, one_record(buf, types[t], zeros, rdlen, rdlen + 1)),
			    L4_ETRUNC);
		}
	}
	/* A name that runs on behind the data's end, in both directions. */
	static const uint8_t name[] = { 1, 'a', 1, 'b', 0 };
	uint8_t p[100];
	for (size_t said = 0; said <= 5; said++) {
		size_t len = one_record(p, L4_DNS_CNAME, name, 5, said);
		struct l4_dns_iter it;
		struct l4_dns_rr rr;
		struct l4_dns_rdata d;
		assert_int_equal(l4_dns_iter_init(&it, NULL, p, len), L4_OK);
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		assert_int_equal(
		    l4_dns_rdata_parse(&d, &rr, p, len), said == 5 ? L4_OK : L4_EMALFORMED);
	}
}

static void counts_are_only_counted_down(void **state) /* DNS-05, DNS-16 */
{
	(void)state;
	static const uint16_t counts[] = { 0, 1, 2, 3, 4, 65535 };
	uint8_t p[sizeof mozilla];
	for (size_t q = 0; q < N(counts); q++) {
		for (size_t a = 0; a < N(counts); a++) {
			memcpy(p, mozilla, sizeof p);
			p[4] = (uint8_t)(counts[q] >> 8);
			p[5] = (uint8_t)counts[q];
			p[6] = (uint8_t)(counts[a] >> 8);
			p[7] = (uint8_t)counts[a];
			int rc = l4_dns_check(p, sizeof p);
			if (counts[q] == 1)
				assert_int_equal(rc, counts[a] <= 3 ? L4_OK : L4_ETRUNC);
			if (counts[q] == 65535 || counts[a] == 65535)
				assert_true(rc < 0);
		}
	}
	for (size_t n = 0; n < 12; n++) {
		struct l4_dns_hdr h;
		uint8_t *exact = calloc(1, n ? n : 1);
		assert_int_equal(l4_dns_hdr_parse(&h, exact, n), L4_ETRUNC);
		assert_int_equal(l4_dns_check(exact, n), L4_ETRUNC);
		free(exact);
	}
	memset(p, 0, 12);
	assert_int_equal(l4_dns_check(p, 12), L4_OK);
}

static void chains_of_aliases(void **state) /* DNS-08 */
{
	(void)state;
	static uint8_t p[4096];
	for (int links = 0; links <= 20; links++) {
		for (int loop = 0; loop < 2; loop++) {
			struct l4_dns_hdr h = { .qr = true };
			struct l4_dns_writer w;
			struct l4_addr a, got[2];
			struct l4_dns_rdata d = { .type = L4_DNS_CNAME };
			struct l4_dns_name first = name_of("n0.x"), owner = first;
			l4_addr_parse(&a, "192.0.2.1");
			assert_int_equal(l4_dns_writer_init(&w, p, sizeof p, &h), L4_OK);
			for (int i = 0; i < links; i++) {
				char text[16];
				(void)snprintf(
				    text, sizeof text, "n%d.x", loop && i == links - 1 ? 0 : i + 1);
				d.u.name = name_of(text);
				assert_int_equal(
				    l4_dns_add_rr(&w, L4_DNS_ANSWER, &owner, 60, &d), L4_OK);
				owner = d.u.name;
			}
			assert_int_equal(l4_dns_add_addr(&w, L4_DNS_ANSWER, &owner, 60, &a), L4_OK);
			struct l4_dns_name other = name_of("other.x"); /* not on the chain */
			assert_int_equal(l4_dns_add_addr(&w, L4_DNS_ANSWER, &other, 60, &a), L4_OK);
			int want = loop && links               ? L4_ELIMIT
				   : links <= L4_DNS_CHAIN_MAX ? 1
							       : L4_ELIMIT;
			assert_int_equal(l4_dns_addrs(got, 2, &first, p, w.len), want);
		}
	}
}

static void edns(void **state) /* DNS-10 */
{
	(void)state;
	uint8_t p[200];
	struct l4_dns_opt opt;
	struct l4_dns_name q = name_of("example.org");
	int n = l4_dns_query_emit(p, sizeof p, 7, &q, L4_DNS_MX, 1232, true);
	assert_int_equal(n, 12 + 17 + 11);
	assert_int_equal(l4_dns_check(p, (size_t)n), L4_OK);
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n), 1);
	assert_int_equal(opt.udp_size, 1232);
	assert_true(opt.dnssec_ok && opt.version == 0 && opt.options_len == 0);
	for (size_t cap = 0; cap < (size_t)n; cap++)
		assert_int_equal(
		    l4_dns_query_emit(p + 100, cap, 7, &q, L4_DNS_MX, 1232, true), L4_ETRUNC);
	uint8_t *o = p + n - 11; /* root, type, size, flags, length */
	o[3] = o[4] = 0;
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n), 1);
	assert_int_equal(opt.udp_size, 512); /* RFC 6891 6.2.3 */
	o[6] = 1;
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n), 1);
	assert_int_equal(opt.version, 1);
	memcpy(o + 11, o, 11); /* twice */
	p[11] = 2;
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n + 11), L4_EMALFORMED);
	p[11] = 1;
	o[10] = 3; /* options that end inside an option's head */
	memset(o + 11, 0, 3);
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n + 3), L4_EMALFORMED);
	n = l4_dns_query_emit(p, sizeof p, 7, &q, L4_DNS_MX, 0, false);
	assert_int_equal(n, 12 + 17);
	assert_int_equal(l4_dns_edns(&opt, p, (size_t)n), 0);
	/* In the answer section it is no OPT record but an error. */
	static const uint8_t none[1] = { 0 };
	size_t len = one_record(p, L4_DNS_OPT, none, 0, 0);
	assert_int_equal(l4_dns_edns(&opt, p, len), L4_EMALFORMED);
}

static void ttl_of_31_bits(void **state) /* DNS-11 */
{
	(void)state;
	static const struct {
		uint8_t ttl[4];
		uint32_t want;
	} rows[] = {
		{ { 0, 0, 0, 0 }, 0 },
		{ { 0, 0, 14, 16 }, 3600 },
		{ { 0x7f, 0xff, 0xff, 0xff }, 0x7fffffff },
		{ { 0x80, 0, 0, 0 }, 0 },
		{ { 0xff, 0xff, 0xff, 0xff }, 0 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		uint8_t p[64], addr[4] = { 192, 0, 2, 1 };
		struct l4_dns_iter it;
		struct l4_dns_rr rr;
		size_t len = one_record(p, L4_DNS_A, addr, 4, 4);
		memcpy(p + 19, rows[i].ttl, 4);
		assert_int_equal(l4_dns_iter_init(&it, NULL, p, len), L4_OK);
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		assert_int_equal(rr.ttl_s, rows[i].want);
	}
}

/* ---- building and text ---- */

static const char *const zoo_lines[] = {
	"www.example.org.\tIN\tANY",
	"www.example.org.\t3605\tIN\tCNAME\talias.example.org.",
	"alias.example.org.\t3601\tIN\tA\t192.0.2.80",
	"alias.example.org.\t3628\tIN\tAAAA\t2001:db8::80",
	"example.org.\t3615\tIN\tMX\t10 mx1.example.org.",
	"example.org.\t3616\tIN\tTXT\t\"hello\" \"\" \"\\\"\\\\\\007\"",
	"_sip._udp.example.org.\t3633\tIN\tSRV\t1 2 5060 sip.example.org.",
	"example.org.\t3857\tIN\tCAA\t128 issue \"ca.example\"",
	"example.org.\t3665\tIN\tHTTPS\t1 . mandatory=alpn alpn=\"h2,h\\\\,\" no-default-alpn "
	"port=443 "
	"ipv4hint=192.0.2.1,192.0.2.2 ech=AQIDBA== ipv6hint=2001:db8::1 dohpath=\"/q\" "
	"key4660=\"x\"",
	"example.org.\t3664\tIN\tSVCB\t0 other.example.net.",
	"1.2.0.192.in-addr.arpa.\t3612\tIN\tPTR\thost.example.org.",
	"example.org.\t3639\tIN\tDNAME\thost.example.org.",
	"example.org.\t4834\tIN\tTYPE1234\t\\# 3 056865",
	"example.org.\t3606\tIN\tSOA\tns1.example.org. host\\.master.example.org. 2026112101 7200 "
	"3600 "
	"1209600 300",
	"example.org.\t3602\tIN\tNS\tns1.example.org.",
	".\tOPT\tversion 0 udp 1232 do opt10=0102030405060708",
};

static void every_type_written_read_and_shown(void **state)
{
	(void)state;
	static uint8_t p[2048];
	size_t len = dns_zoo(p, sizeof p);
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr rr;
	char text[1000];
	assert_int_equal(l4_dns_iter_init(&it, &h, p, len), L4_OK);
	for (size_t i = 0; i < N(zoo_lines); i++) {
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		assert_int_equal(
		    l4_dns_rr_format(&rr, p, len, text, sizeof text), strlen(zoo_lines[i]));
		assert_string_equal(text, zoo_lines[i]);
	}
	assert_int_equal(l4_dns_iter_next(&it, &rr), 0);
	assert_int_equal(it.off, len);
	assert_int_equal(h.count[0] + h.count[1] + h.count[2] + h.count[3], N(zoo_lines));
	assert_true(len < 530); /* without compression it would be 680 */
}

/* With too little room a record is left out whole, TC is set, and what is there reads well. */
static void writer_stops_at_whole_records(void **state)
{
	(void)state;
	struct l4_dns_name name = name_of("a.very.long.owner.example.org");
	for (size_t cap = 0; cap < 300; cap++) {
		uint8_t *p = malloc(cap ? cap : 1);
		struct l4_dns_hdr h = { .qr = true }, got;
		struct l4_dns_writer w;
		struct l4_addr a;
		l4_addr_parse(&a, cap % 2 ? "192.0.2.1" : "2001:db8::1");
		int rc = l4_dns_writer_init(&w, p, cap, &h), added = 0;
		assert_int_equal(rc, cap < 12 ? L4_ETRUNC : L4_OK);
		while (rc == L4_OK && added < 10) {
			rc = l4_dns_add_addr(&w, L4_DNS_ANSWER, &name, 60, &a);
			added += rc == L4_OK;
		}
		if (cap >= 12) {
			assert_int_equal(l4_dns_hdr_parse(&got, p, w.len), 12);
			assert_int_equal(got.count[L4_DNS_ANSWER], added);
			assert_int_equal(got.tc, added < 10);
			assert_int_equal(l4_dns_check(p, w.len), L4_OK);
			assert_true(w.len <= cap);
		}
		free(p);
	}
}

static void writer_keeps_order(void **state)
{
	(void)state;
	uint8_t p[512];
	struct l4_dns_hdr h = { .qr = true };
	struct l4_dns_writer w;
	struct l4_dns_name n = name_of("x");
	struct l4_addr v4, v6;
	struct l4_dns_rdata d = { .type = L4_DNS_A };
	l4_addr_parse(&v4, "192.0.2.1");
	l4_addr_parse(&v6, "2001:db8::1");
	assert_int_equal(l4_dns_writer_init(&w, p, sizeof p, &h), L4_OK);
	assert_int_equal(l4_dns_add_addr(&w, L4_DNS_AUTHORITY, &n, 1, &v4), L4_OK);
	assert_int_equal(l4_dns_add_addr(&w, L4_DNS_ANSWER, &n, 1, &v4), L4_ESTATE);
	assert_int_equal(l4_dns_add_question(&w, &n, 1, 1), L4_ESTATE);
	assert_int_equal(l4_dns_add_addr(&w, L4_DNS_QUESTION, &n, 1, &v4), L4_EINVAL);
	assert_int_equal(l4_dns_add_addr(&w, 4, &n, 1, &v4), L4_EINVAL);
	d.u.addr = v6; /* an A record holds no IPv6 address */
	assert_int_equal(l4_dns_add_rr(&w, L4_DNS_ADDITIONAL, &n, 1, &d), L4_EINVAL);
	d.type = L4_DNS_AAAA;
	assert_int_equal(l4_dns_add_rr(&w, L4_DNS_ADDITIONAL, &n, 1, &d), L4_OK);
	assert_int_equal(l4_dns_check(p, w.len), L4_OK);
}

/* Far into a message there are no pointers to new names, but the old ones still serve. */
static void large_messages_compress_as_far_as_pointers_reach(void **state)
{
	(void)state;
	static uint8_t p[65535];
	struct l4_dns_hdr h = { .qr = true }, got;
	struct l4_dns_writer w;
	struct l4_dns_rdata d = { .type = L4_DNS_NS };
	int n = 0, rc;
	assert_int_equal(l4_dns_writer_init(&w, p, sizeof p, &h), L4_OK);
	do {
		char text[40];
		(void)snprintf(text, sizeof text, "host%d.zone%d.example.org", n, n % 50);
		struct l4_dns_name owner = name_of(text);
		(void)snprintf(text, sizeof text, "ns%d.zone%d.example.org", n, n % 50);
		d.u.name = name_of(text);
		rc = l4_dns_add_rr(&w, L4_DNS_ANSWER, &owner, 1, &d);
		n++;
	} while (rc == L4_OK);
	assert_int_equal(rc, L4_ETRUNC);
	assert_int_equal(l4_dns_check(p, w.len), L4_OK);
	l4_dns_hdr_parse(&got, p, w.len);
	assert_int_equal(got.count[L4_DNS_ANSWER], n - 1);
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	l4_dns_iter_init(&it, NULL, p, w.len);
	for (int i = 0; i < n - 1; i++) {
		char text[40];
		assert_int_equal(l4_dns_iter_next(&it, &rr), 1);
		(void)snprintf(text, sizeof text, "host%d.zone%d.example.org", i, i % 50);
		struct l4_dns_name want = name_of(text);
		assert_true(l4_dns_name_eq(&rr.name, &want));
	}
}

static void names_of_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int value;
	} types[] = { { "A", 1 }, { "aaaa", 28 }, { "https", 65 }, { "ANY", 255 }, { "TYPE65", 65 },
		{ "type0", 0 }, { "TYPE65535", 65535 }, { "TYPE65536", L4_ENOTFOUND },
		{ "TYPE", L4_ENOTFOUND }, { "TYPE1x", L4_ENOTFOUND }, { "TYPE-1", L4_ENOTFOUND },
		{ "", L4_ENOTFOUND }, { "AA", L4_ENOTFOUND }, { "NSE", L4_ENOTFOUND },
		{ "TYPE99999999999", L4_ENOTFOUND } };
	for (size_t i = 0; i < N(types); i++)
		if (l4_dns_type_parse(types[i].text) != types[i].value)
			fail_msg("'%s'", types[i].text);
	char text[24];
	for (unsigned t = 0; t < 65536; t++) {
		assert_true(l4_dns_type_format((uint16_t)t, text, sizeof text) > 0);
		assert_int_equal(l4_dns_type_parse(text), t);
		assert_true(l4_dns_class_format((uint16_t)t, text, sizeof text) > 0);
		assert_int_equal(l4_dns_class_parse(text), t);
	}
	l4_dns_rcode_format(3, text, sizeof text);
	assert_string_equal(text, "NXDOMAIN");
	l4_dns_rcode_format(4000, text, sizeof text);
	assert_string_equal(text, "RCODE4000");
	l4_dns_opcode_format(5, text, sizeof text);
	assert_string_equal(text, "UPDATE");
	assert_int_equal(l4_dns_type_format(1234, text, 8), L4_ETRUNC);
}

/* ---- every byte ---- */

static void every_cut_and_every_byte(void **state) /* DNS-03, DNS-17 */
{
	(void)state;
	static uint8_t zoo[2048];
	size_t zoo_len = dns_zoo(zoo, sizeof zoo);
	const struct {
		const uint8_t *p;
		size_t len;
	} samples[] = { { mozilla, sizeof mozilla }, { zoo, zoo_len } };
	for (size_t s = 0; s < N(samples); s++) {
		size_t len = samples[s].len;
		for (size_t n = 0; n <= len; n++) {
			uint8_t *exact = malloc(n ? n : 1);
			memcpy(exact, samples[s].p, n);
			exercise_dns(exact, n, true);
			assert_int_equal(l4_dns_check(exact, n), n == len ? L4_OK : L4_ETRUNC);
			free(exact);
		}
		uint8_t *exact = malloc(len);
		memcpy(exact, samples[s].p, len);
		for (size_t i = 0; i < len; i++) {
			for (unsigned flip = 1; flip < 256; flip++) {
				exact[i] = (uint8_t)(samples[s].p[i] ^ flip);
				exercise_dns(
				    exact, len, (flip & (flip - 1)) == 0); /* one bit: thoroughly */
			}
			exact[i] = samples[s].p[i];
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_answer_reads),
		cmocka_unit_test(name_text_both_ways),
		cmocka_unit_test(name_lengths),
		cmocka_unit_test(pointers_lead_backwards),
		cmocka_unit_test(comparison_ignores_case_of_letters_only),
		cmocka_unit_test(reverse_names),
		cmocka_unit_test(data_of_exact_length),
		cmocka_unit_test(counts_are_only_counted_down),
		cmocka_unit_test(chains_of_aliases),
		cmocka_unit_test(edns),
		cmocka_unit_test(ttl_of_31_bits),
		cmocka_unit_test(every_type_written_read_and_shown),
		cmocka_unit_test(writer_stops_at_whole_records),
		cmocka_unit_test(writer_keeps_order),
		cmocka_unit_test(large_messages_compress_as_far_as_pointers_reach),
		cmocka_unit_test(names_of_numbers),
		cmocka_unit_test(every_cut_and_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
