/* Expressions: what they build, where they are wrong, and packets read back into them. */
#include <layer4/addr.h>
#include <layer4/checksum.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "craft/expr.h"

static size_t build(const char *text, uint64_t index, uint8_t *buf, size_t cap)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	size_t n = 0;
	int e = l4_craft_parse(&x, text, NULL, NULL, &err);
	if (e)
		fail_msg("%s: column %u: %s", text, err.column, err.text);
	assert_int_equal(l4_craft_build(x, index, 7, buf, cap, &n), 0);
	l4_craft_free(x);
	return n;
}

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned b;
	while (sscanf(hex, " %2x", &b) == 1) {
		out[n++] = (uint8_t)b;
		hex += strspn(hex, " ") + 2;
	}
	return n;
}

/* Bytes put down by hand from the drawings of the RFCs. */
static void test_bytes(void **state)
{
	static const struct {
		const char *expr, *hex;
	} rows[] = {
		{ "raw(hex=00ff10)", "00ff10" },
		{ "\"a\\n\\x00\\\"\"", "610a0022" },
		{ "raw(hex=ff,zeros=3)/\"x\"", "ff000000 78" },
		/* RFC 793 header, data offset 10 words with the four options of a SYN */
		{ "tcp(sport=1,dport=2,seq=3,ack=4,flags=S,window=5,chksum=0xabcd,"
		  "options=[mss(1460),sackok,ts(1,0),ws(7)])",
		    "0001000200000003 00000004a0020005 abcd0000 020405b4 0402 080a0000000100000000 "
		    "030307 00" },
		{ "udp(sport=1,dport=2,len=99,chksum=0)/\"x\"", "00010002 0063 0000 78" },
		{ "vlan(id=5,pcp=3)/raw(hex=01)", "6005 88b5 01" },
		{ "arp(psrc=192.0.2.1,pdst=192.0.2.2,hwsrc=02:00:00:00:00:01)",
		    "0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202" },
		{ "dns(id=0x1234,qname=example.test,qtype=A)",
		    "1234 0100 0001 0000 0000 0000 076578616d706c65 0474657374 00 0001 0001" },
		{ "dns(id=1,flags.response=1,qdcount=9)", "0001 8100 0009 0000 0000 0000" },
		{ "dns(id=0,flags=0,qname=\"a=\\.\\x00.b\")",
		    "0000 0000 0001 0000 0000 0000 04613d2e00 0162 00 0001 0001" },
		{ "dns(id=0,flags=0,qd=[q(\".\"),q(\"x.@12\",type=PTR)])",
		    "0000 0000 0002 0000 0000 0000 00 0001 0001 0178c00c 000c 0001" },
		/* padding counts in no length */
		{ "udp(sport=1,dport=2,chksum=0)/pad(2)", "00010002 0008 0000 0000" },
		{ "udp(sport=1,dport=2,chksum=0)/pad(to=9)", "00010002 0008 0000 00" },
		{ "tcp(flags=0,sport=0,dport=0,window=0,options=[opt(254,hex=f989),nop,nop,nop])",
		    "00000000 00000000 00000000 7000 0000 0000 0000 fe04f989 01010100" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t got[256], want[256];
		size_t n = build(rows[i].expr, 0, got, sizeof got);
		size_t m = unhex(rows[i].hex, want);
		if (n != m || memcmp(got, want, n))
			fail_msg("%s: other bytes (%zu, expected %zu)", rows[i].expr, n, m);
	}
}

static unsigned at16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* What is derived, checked by the rules of the protocols rather than by the code's own sums. */
static void test_derived(void **state)
{
	uint8_t b[256];
	(void)state;
	size_t n = build(
	    "eth()/vlan()/ip(dst=192.0.2.2,src=192.0.2.1)/udp(dport=9)/\"abc\"", 0, b, sizeof b);
	assert_int_equal(n, 14 + 4 + 20 + 8 + 3);
	assert_int_equal(at16(b + 12), 0x8100);
	assert_int_equal(at16(b + 16), 0x0800);
	assert_int_equal(b[18], 0x45);
	assert_int_equal(at16(b + 20), 31);
	assert_int_equal(b[27], 17);
	assert_int_equal(at16(b + 42), 11);
	/* Sums of everything with its checksum are all ones (RFC 1071). */
	assert_int_equal(l4_csum_fold(l4_csum_partial(b + 18, 20, 0)), 0);
	struct l4_addr s = l4_addr_from_ip4(b + 30), d = l4_addr_from_ip4(b + 34);
	assert_int_equal(
	    l4_csum_fold(l4_csum_partial(b + 38, 11, l4_csum_pseudo(&s, &d, 17, 11))), 0);
	n = build(
	    "ip6(dst=2001:db8::2,src=2001:db8::1)/icmp6(id=1,seq=2)/\"hello\"", 0, b, sizeof b);
	assert_int_equal(n, 40 + 8 + 5);
	assert_int_equal(b[0], 0x60);
	assert_int_equal(at16(b + 4), 13);
	assert_int_equal(b[6], 58);
	s = l4_addr_from_ip6(b + 8);
	d = l4_addr_from_ip6(b + 24);
	assert_int_equal(
	    l4_csum_fold(l4_csum_partial(b + 40, 13, l4_csum_pseudo(&s, &d, 58, 13))), 0);
	/* Given values stay, however wrong, and what is around them is summed with them. */
	n = build("ip(len=9999,proto=6,ihl=15)/udp(len=3)", 0, b, sizeof b);
	assert_int_equal(n, 28);
	assert_int_equal(b[0], 0x4f);
	assert_int_equal(at16(b + 2), 9999);
	assert_int_equal(b[9], 6);
	assert_int_equal(at16(b + 24), 3);
	assert_int_equal(l4_csum_fold(l4_csum_partial(b, 20, 0)), 0);
}

/* A sum of zero goes out as all ones (RFC 768); what follows nothing or something unknown. */
static void test_corner(void **state)
{
	static const struct {
		const char *expr;
		size_t at;
		uint8_t next;
	} rows[] = {
		{ "ip6()", 6, 59 }, /* no next header, RFC 8200 4.7 */
		{ "ip6()/pad(3)", 6, 59 },
		{ "ip()/\"x\"", 9, 253 }, /* experiments, RFC 3692 */
		{ "ip()/ip6()/ip()/tcp()", 9, 41 },
		{ "ip()/ip6()/ip()/tcp()", 26, 4 },
		{ "ip()/ip6()/ip()/tcp()", 69, 6 },
		{ "tcp(ack=7)", 11, 7 }, /* the number, not the flag */
		{ "tcp(flags.ack=1)", 13, 0x12 },
		{ "tcp(flags=syn+ack)", 13, 0x12 },
		{ "ip(flags=df+mf)", 6, 0x60 },
		{ "ip(proto=udp)", 9, 17 },
	};
	uint8_t b[128];
	char text[80];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		build(rows[i].expr, 0, b, sizeof b);
		if (b[rows[i].at] != rows[i].next)
			fail_msg("%s: byte %zu is %u", rows[i].expr, rows[i].at, b[rows[i].at]);
	}
	build("ip()/udp()/raw(hex=0000)", 0, b, sizeof b);
	snprintf(text, sizeof text, "ip()/udp()/raw(hex=%04x)", at16(b + 26));
	build(text, 0, b, sizeof b);
	assert_int_equal(at16(b + 26), 0xffff);
}

static void test_sets(void **state)
{
	static const struct {
		const char *expr;
		uint64_t count, index;
		size_t at; /* where the 16 bits stand */
		unsigned value;
	} rows[] = {
		{ "tcp(dport=[22,80,443])", 3, 2, 2, 443 },
		{ "tcp(dport=1-1024)", 1024, 1023, 2, 1024 },
		{ "tcp(dport=[1-10,20,30-31])", 13, 12, 2, 31 },
		{ "ip(src=192.0.2.0/28)", 16, 15, 14, 0x020f },
		{ "ip(src=192.0.2.7-192.0.2.9)", 3, 1, 14, 0x0208 },
		{ "tcp(sport=[1,2],dport=[3,4,5])", 6, 4, 2, 4 },
		{ "tcp(sport=[1,2],dport=[3,4,5])", 6, 3, 0, 2 },
		{ "ip6(dst=2001:db8::/64)/tcp(dport=0-65535)", UINT64_MAX, 0, 24, 0x2001 },
		{ "ip6(dst=2001:db8::/120)", 256, 255, 38, 255 },
		{ "tcp()", 1, 0, 2, 80 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct l4_craft_expr *x;
		struct l4_craft_error err;
		uint8_t b[256];
		size_t n;
		int e = l4_craft_parse(&x, rows[i].expr, NULL, NULL, &err);
		if (i == 7 && e) { /* a /64 is more than can be counted: said so */
			assert_int_equal(err.column, 20);
			continue;
		}
		if (e)
			fail_msg("%s: column %u: %s", rows[i].expr, err.column, err.text);
		assert_true(l4_craft_count(x) == rows[i].count);
		assert_int_equal(l4_craft_build(x, rows[i].index, 0, b, sizeof b, &n), 0);
		if (at16(b + rows[i].at) != rows[i].value)
			fail_msg("%s: %u", rows[i].expr, at16(b + rows[i].at));
		if (rows[i].count != UINT64_MAX)
			assert_int_equal(
			    l4_craft_build(x, rows[i].count, 0, b, sizeof b, &n), L4_ENOTFOUND);
		assert_int_equal(l4_craft_build(x, 0, 0, b, 3, &n), L4_EMSGSIZE);
		l4_craft_free(x);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *expr;
		uint32_t column;
		const char *says;
	} rows[] = {
		{ "", 1, "expected a protocol" },
		{ "ip/", 4, "expected a protocol" },
		{ "tpc()", 1, "tcp" },
		{ "ip/zzzzzz", 4, "no protocol 'zzzzzz'" },
		{ "tcp(dprot=80)", 5, "dport" },
		{ "tcp(dport=70000)", 11, "65535" },
		{ "tcp(dport=9-3)", 13, "below" },
		{ "tcp(dport 80)", 11, "'='" },
		{ "tcp(dport=80", 13, "')'" },
		{ "tcp(dport=80,)", 14, "a field of tcp" },
		{ "tcp(dport=[80,443)", 18, "']'" },
		{ "tcp(flags=Q)", 11, "FSRPAUECN" },
		{ "tcp(options=[msss(1)])", 14, "near: mss" },
		{ "tcp(options=[mss(70000)])", 18, "65535" },
		{ "tcp(options=[mss])", 14, "mss(mss_val)" },
		{ "ip(dst=192.0.2)", 8, "IPv4" },
		{ "ip(dst=192.0.2.0/33)", 18, "32" },
		{ "ip(dst=::1)", 8, "IPv4" },
		{ "ip6(dst=192.0.2.1)", 9, "IPv6" },
		{ "eth(dst=xx)", 9, "MAC" },
		{ "raw(hex=0)", 9, "half a byte" },
		{ "raw(hex=zz)", 9, "hex digits" },
		{ "\"abc", 1, "closing" },
		{ "\"\\q\"", 2, "escape" },
		{ "ip() tcp()", 6, "'/'" },
		{ "file(/etc/passwd)", 1, "files" },
		{ "dns(qname=a..b)", 13, "label" },
		{ "http()", 1, "header" },
		{ "fuzz(ip()/fuzz(tcp()))", 11, "within" },
		{ "dns(qname=\"a..b\")", 14, "label" },
		{ "dns(qname=\"a)", 14, "after the name" },
		{ "pad(to=", 8, "the end" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct l4_craft_expr *x = NULL;
		struct l4_craft_error err;
		if (l4_craft_parse(&x, rows[i].expr, NULL, NULL, &err) != L4_EMALFORMED || x)
			fail_msg("%s: taken", rows[i].expr);
		if (err.column != rows[i].column || !strstr(err.text, rows[i].says))
			fail_msg("%s: column %u: %s", rows[i].expr, err.column, err.text);
	}
}

/* Random is a function of seed and index alone. */
static void test_random(void **state)
{
	static const char *const expr[] = { "ip(id=random)/tcp(seq=random)",
		"fuzz(ip()/tcp())/\"x\"" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct l4_craft_expr *x;
		struct l4_craft_error err;
		uint8_t a[64], b[64], c[64];
		size_t n, m;
		assert_int_equal(l4_craft_parse(&x, expr[i], NULL, NULL, &err), 0);
		assert_int_equal(l4_craft_build(x, 0, 1, a, sizeof a, &n), 0);
		assert_int_equal(l4_craft_build(x, 0, 2, c, sizeof c, &m), 0);
		assert_int_equal(l4_craft_build(x, 0, 1, b, sizeof b, &m), 0);
		assert_int_equal(n, m);
		assert_memory_equal(a, b, n);
		assert_memory_not_equal(a, c, n);
		assert_int_equal(a[0] >> 4, 4);
		l4_craft_free(x);
	}
}

/* The plan builds what the layers build, packet for packet; `planned`: there must be one. */
static void test_plan(void **state)
{
	static const struct {
		const char *expr;
		bool planned;
	} rows[] = {
		{ "eth()/ip(src=192.0.2.0/24,id=random)/tcp(dport=1-300,seq=random)/\"odd\"",
		    true },
		{ "ip(ttl=1-30)/udp(sport=random)/"
		  "dns(id=random,qname=[a.test,bb.test],qtype=[A,AAAA])",
		    true },
		{ "ip6(dst=2001:db8::/112,hlim=[1,random,9])/"
		  "tcp(options=[mss(536-1460),ts(random,0)])",
		    true },
		{ "ip(tos=0-255,flags.df=[0,1])/icmp(id=random)/ip(ttl=[1,2])/udp(sport=1-9)/\"x\"",
		    true },
		{ "ip(chksum=[1,2,random])/udp(chksum=0,dport=1-9)", true },
		{ "fuzz(eth()/ip()/tcp(dport=5))/\"abc\"", true },
		{ "fuzz(ip6()/udp())/\"abc\"", true },
		{ "fuzz(ip()/udp()/dns(qname=a))", true },
		{ "ip6(src=random)/icmp6(type=135,target=random,options=[sll(random)])", true },
		{ "ip6()/routing(type=0,segleft=[0,1],addrs=[2001:db8::1])/udp(sport=1-9)", false },
		{ "ip6()/routing(type=0,segleft=1,addrs=[2001:db8::1-2001:db8::9])/udp(sport=1-9)",
		    true },
		{ "ip()/tcp(flags=[S,SA],flags.ack=1,flags.res=random)", true },
		{ "ip(dst=[192.0.2.1,192.0.2.8-192.0.2.11])/udp(dport=[1-3,random,9])/raw(hex=00)",
		    true },
		{ "ip()/tcp()", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct l4_craft_expr *x;
		struct l4_craft_error err;
		uint8_t a[512], b[512];
		size_t n, m;
		if (l4_craft_parse(&x, rows[i].expr, NULL, NULL, &err))
			fail_msg("%s: column %u: %s", rows[i].expr, err.column, err.text);
		if ((x->plan != NULL) != rows[i].planned)
			fail_msg("%s: a plan: %d", rows[i].expr, x->plan != NULL);
		uint64_t step = x->count > 3000 ? x->count / 2999 : 1;
		for (uint64_t k = 0; k < x->count && k / step < 3000; k += step) {
			const struct l4_craft_expr *y =
			    k / x->each ? x->others[k / x->each - 1] : x;
			assert_int_equal(l4_craft_build(x, k, 5, a, sizeof a, &n), 0);
			assert_int_equal(craft_build_layers(y, k, 5, b, sizeof b, &m), 0);
			assert_int_equal(n, m);
			if (memcmp(a, b, n))
				fail_msg("%s: packet %u", rows[i].expr, (unsigned)k);
		}
		for (uint64_t seed = 0; seed < 200; seed++) {
			assert_int_equal(l4_craft_build(x, 0, seed, a, sizeof a, &n), 0);
			assert_int_equal(craft_build_layers(x, 0, seed, b, sizeof b, &m), 0);
			assert_memory_equal(a, b, n);
		}
		l4_craft_free(x);
	}
}

/* More writes than a plan has room for: built plainly, and right all the same. */
static void test_many_writes(void **state)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	static char text[4096];
	static uint8_t a[4096], b[4096];
	size_t n, m, at = (size_t)sprintf(text, "fuzz(");
	(void)state;
	for (unsigned i = 0; i < 60; i++)
		at += (size_t)sprintf(text + at, "arp()/");
	sprintf(text + at, "tcp(dport=1-9))");
	assert_int_equal(l4_craft_parse(&x, text, NULL, NULL, &err), 0);
	assert_null(x->plan);
	for (uint64_t k = 0; k < 9; k++) {
		assert_int_equal(l4_craft_build(x, k, 3, a, sizeof a, &n), 0);
		assert_int_equal(craft_build_layers(x, k, 3, b, sizeof b, &m), 0);
		assert_int_equal(n, 60 * 28 + 20);
		assert_memory_equal(a, b, n);
		assert_int_equal(at16(a + 60 * 28 + 2), k + 1);
	}
	l4_craft_free(x);
}

/* Fields left open are told, and take a value afterwards. */
static void test_fill(void **state)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	uint8_t b[128];
	size_t n;
	(void)state;
	assert_int_equal(l4_craft_parse(&x, "eth()/ip(dst=192.0.2.0/31)/udp(dport=[1,2])/\"x\"",
			     NULL, NULL, &err),
	    0);
	assert_int_equal(l4_craft_layers(x), 4);
	assert_string_equal(l4_craft_layer(x, 1)->name, "ip");
	assert_null(l4_craft_layer(x, 3));
	assert_null(l4_craft_layer(x, 4));
	assert_int_equal(l4_craft_given(x, 1, "dst"), 1);
	assert_int_equal(l4_craft_given(x, 1, "src"), 0);
	assert_int_equal(l4_craft_given(x, 1, "nope"), L4_ENOTFOUND);
	assert_int_equal(l4_craft_given(x, 3, "src"), L4_ENOTFOUND);
	assert_int_equal(l4_craft_fill(x, 1, "src", "192.0.2.99"), 0);
	assert_int_equal(l4_craft_fill(x, 1, "src", "192.0.2.98"), L4_EINVAL);
	assert_int_equal(l4_craft_fill(x, 1, "ttl", "300"), L4_EINVAL);
	assert_int_equal(l4_craft_fill(x, 1, "ttl", "[1,2]"), L4_EINVAL);
	assert_int_equal(l4_craft_fill(x, 0, "src", "02:00:00:00:00:09"), 0);
	assert_int_equal(l4_craft_given(x, 1, "src"), 1);
	assert_int_equal(l4_craft_count(x), 4);
	assert_int_equal(l4_craft_build(x, 2, 0, b, sizeof b, &n), 0);
	assert_int_equal(b[11], 9);
	assert_int_equal(b[29], 99);
	assert_int_equal(b[33], 1);
	assert_int_equal(at16(b + 36), 1);
	assert_int_equal(l4_csum_fold(l4_csum_partial(b + 14, 20, 0)), 0);
	l4_craft_free(x);
}

/* Fields by name, out of packets that expressions built. */
static void test_read(void **state)
{
	static const struct {
		const char *expr, *field;
		int64_t value; /* below 0: an error */
	} rows[] = {
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "udp.dport", 99 },
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "vlan.id", 7 },
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "ip.ttl", 9 },
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "tcp.dport", L4_ENOTFOUND },
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "udp.nothing", L4_ENOTFOUND },
		{ "eth()/vlan(id=7)/ip(ttl=9)/udp(dport=99)/\"x\"", "ttl", L4_ENOTFOUND },
		{ "ip()/tcp(flags=SA,options=[nop,ts(5,6),mss(1400)])", "tcp.tsecr", 6 },
		{ "ip()/tcp(flags=SA,options=[nop,ts(5,6),mss(1400)])", "tcp.mss_val", 1400 },
		{ "ip()/tcp(flags=SA,options=[nop,ts(5,6),mss(1400)])", "tcp.shift", L4_ENOTFOUND },
		{ "ip()/tcp(flags=SA,options=[nop,ts(5,6),mss(1400)])", "tcp.flags.ack", 1 },
		{ "ip()/icmp(mtu=1300)/ip(ttl=1)/udp(sport=5)", "icmp.mtu", 1300 },
		{ "ip()/icmp(mtu=1300)/ip(ttl=1)/udp(sport=5)", "udp.sport", 5 },
		{ "ip6()/hopopts(options=[ra(3)])/frag(id=8)/icmp6(mtu=1281)",
		    "ipv6.hopopts.router_alert", 3 },
		{ "ip6()/hopopts(options=[ra(3)])/frag(id=8)/icmp6(mtu=1281)", "frag.id", 8 },
		{ "ip6()/hopopts(options=[ra(3)])/frag(id=8)/icmp6(mtu=1281)", "icmp6.mtu", 1281 },
		{ "ip6()/hopopts(options=[ra(3)])/frag(id=8,offset=1)/icmp6()", "icmp6.type",
		    L4_ENOTFOUND },
		{ "ip6()/icmp6(target=::7,options=[sll(02:00:00:00:00:09)])", "icmp6.src_linkaddr",
		    0x020000000009 },
		{ "ip()/udp()/dhcp(options=[lease(77),type(Offer)])", "dhcp.dhcp", 2 },
		{ "ip(src=1.2.3.4)", "ip.src", 0x01020304 },
		{ "ip6()", "ip6.src", L4_EINVAL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t b[512];
		struct l4_craft_packet p;
		size_t n = build(rows[i].expr, 0, b, sizeof b);
		uint64_t v;
		assert_true(l4_craft_read(&p, *rows[i].expr == 'e' ? 1 : 101, b, n) > 0);
		int e = l4_craft_get(&p, rows[i].field, &v);
		if (rows[i].value < 0 ? e != rows[i].value : e || v != (uint64_t)rows[i].value)
			fail_msg("%s %s: %d, %u", rows[i].expr, rows[i].field, e, (unsigned)v);
		for (size_t cut = 0; cut < n; cut++) { /* never beyond the end */
			uint8_t *c = malloc(cut + 1);
			assert_non_null(c);
			memcpy(c, b, cut);
			l4_craft_read(&p, *rows[i].expr == 'e' ? 1 : 101, c, cut);
			(void)l4_craft_get(&p, rows[i].field, &v);
			free(c);
		}
	}
	uint8_t b[128];
	struct l4_craft_packet p;
	size_t m, n = build("ip6(dst=2001:db8::1)/udp(dport=9)/\"abc\"/pad(4)", 0, b, sizeof b);
	assert_int_equal(l4_craft_read(&p, 101, b, n), 2);
	assert_memory_equal(l4_craft_payload(&p, &m), "abc", 3);
	assert_int_equal(m, 3);
	assert_ptr_equal(l4_craft_bytes(&p, "ip6.dst", &m), b + 24);
	assert_int_equal(m, 16);
	assert_null(l4_craft_bytes(&p, "ip6.fl", &m));
}

/* Every row of these tables can be written: it has a place, alone or in a form, or is a value of an
 * option. What is left is listed with how it is said instead. */
static void test_every_row(void **state)
{
	static const char *const protos[] = { "eth", "vlan", "ieee8021ad", "arp", "ip", "ipv6",
		"ipv6.hopopts", "ipv6.dstopts", "ipv6.routing", "ipv6.fraghdr", "icmp", "icmpv6",
		"igmp", "udp", "tcp", "dns", "dhcp", "ntp", "gre" };
	/* A beginning of names, or the last part behind a star. */
	static const char *const otherwise[] = { "eth.padding", "eth.trailer", "vlan.trailer",
		"eth.fcs",                                  /* pad() */
		"eth.invalid_lentype",                      /* type= */
		"*payload", "*segment_data", "icmpv6.data", /* the next layer */
		/* other sizes of addresses: raw(hex=) */
		"arp.src.hw", "arp.src.proto", "arp.dst.hw", "arp.dst.proto",
		/* number and length of an option: opt(kind,hex=,len=), kind=, len= */
		"ip.opt.type", "ip.opt.len", "ipv6.opt.type", "ipv6.opt.length", "ipv6.opt.pad1",
		"*option_kind", "*option_len", "icmpv6.opt.type", "dhcp.option.type",
		"dhcp.option.length", "dhcp.option.value", "dns.opt", "dns.resp.len",
		"dns.txt.length", "icmpv6.mldr.mar.aux_data_len", "icmpv6.mldr.mar.nb_sources",
		"igmp.aux_data_len",
		/* bytes without a table: opt(kind,hex=) */
		"ipv6.opt.unknown", "*unknown_data", "tcp.options.unknown",
		/* second readings of values that are given: ptr and rr(), the flags' number */
		"ip.cur_rt", "ip.empty_rt", "ip.opt.overflow", "ip.opt.time_stamp_addr",
		"dhcp.hw.type", "dhcp.hw.mac_addr", "dhcp.option.end", "dhcp.option.padding",
		"icmp.ident_le", "icmp.seq_le", "icmpv6.opt.linkaddr", "icmpv6.opt.prefix.flag.",
		"icmpv6.opt.reserved", "icmpv6.opt", "tcp.flags.ace", "tcp.options.user_to_gran",
		"tcp.options.tfo.request", "gre.flags.ack", "tcp.reset_cause", "dns.srv.service",
		"dns.srv.proto", "dns.srv.name", "tcp.seq",
		"tcp.ack", /* relative; seq= and ack= are the raw ones */
		/* whole options, by their names: mss(), ts(), ... */
		"tcp.options",
		/* dns: qname=, qtype=, qclass=, and the head of a record: name, type=, class=, ttl=
		 */
		"dns.qry.", "dns.resp.", "dns.rr.", "dns.length",
		/* the counts of an update are those of a query under other names */
		"dns.count." };
	static const char *const whole[] = { "nop", "eol", "mss", "wscale", "sack_perm", "sack",
		"echo", "echoreply", "timestamp", "cc", "ccnew", "ccecho", "md5", "ao", "qs",
		"user_to", "tfo", "experimental", "unknown" };
	(void)state;
	unsigned left = 0;
	for (size_t k = 0; k < sizeof protos / sizeof protos[0]; k++) {
		const struct l4_proto *p = l4_proto_find(protos[k]);
		assert_non_null(p);
		for (size_t i = 1; i < p->n_fields; i++) {
			const struct l4_field *f = &p->fields[i];
			if (!f->name || f->bits ||
			    f->flags & (L4_FF_GENERATED | L4_FF_HIDDEN | L4_FF_EXPERT))
				continue;
			const char *last = strrchr(f->name, '.') + 1;
			const struct l4_craft_form *form;
			bool ok = expr_is_flat(p, last);
			for (size_t j = 0; (form = l4_craft_form(p, j)) != NULL; j++)
				for (size_t m = 0; m < form->n_fields; m++)
					ok |= !strcmp(form->fields[m].name, f->name);
			for (size_t j = 0; j < sizeof otherwise / sizeof otherwise[0]; j++) {
				const char *o = otherwise[j];
				ok |= *o == '*' ? !strcmp(o + 1, last)
				      : o[strlen(o) - 1] == '.'
					  ? !strncmp(f->name, o, strlen(o))
					  : !strcmp(f->name, o) ||
						(!strncmp(f->name, o, strlen(o)) && f->depth > 0 &&
						    f->name[strlen(o)] == '.');
			}
			for (size_t j = 0; j < sizeof whole / sizeof whole[0]; j++)
				ok |= !strncmp(f->name, "tcp.options.", 12) &&
				      !strcmp(f->name + 12, whole[j]);
			const struct l4_craft_option *o;
			for (size_t j = 0; (o = l4_craft_option(p, j)) != NULL; j++) {
				char args[128], name[64];
				snprintf(args, sizeof args, ",%s,", o->args);
				snprintf(name, sizeof name, ",%s,", last);
				ok |= strstr(args, name) != NULL;
			}
			if (!ok) {
				print_message("# %s cannot be written\n", f->name);
				left++;
			}
		}
	}
	assert_int_equal(left, 0);
	/* And each row of a form is one of its table's, by name. */
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_craft_form *form;
		for (size_t j = 0; (form = l4_craft_form(l4_proto_at(i), j)) != NULL; j++)
			for (size_t m = 0; m < form->n_fields; m++)
				if (!form->fields[m].label)
					assert_non_null(l4_field_find(form->fields[m].name, NULL));
	}
}

static void round_trip(uint16_t link, const uint8_t *p, size_t n, const char *want)
{
	char *text = malloc(4 * n + 4096);
	uint8_t *again = malloc(n + 1);
	assert_non_null(text);
	assert_non_null(again);
	int64_t len = l4_craft_text(link, p, n, text, 4 * n + 4096);
	if (len <= 0)
		fail_msg("no text: %d", (int)len);
	assert_int_equal(strlen(text), len);
	if (want)
		assert_string_equal(text, want);
	assert_int_equal(build(text, 0, again, n), n);
	assert_memory_equal(again, p, n);
	free(again);
	free(text);
}

static void test_read_back(void **state)
{
	static const struct {
		uint16_t link;
		const char *expr;
	} rows[] = {
		{ 101, "ip(dst=192.0.2.2)/"
		       "tcp(dport=443,options=[mss(1460),sackok,ts(1,0),ws(7)])" },
		{ 101, "ip(ttl=3)/udp(sport=1000,dport=9)/\"text\\r\\n\"" },
		{ 101, "ip(len=40,chksum=0x1)/icmp(id=1,seq=2)/raw(hex=0001020304050607)" },
		{ 101, "ip6(dst=2001:db8::2)/icmp6(id=0x1)" },
		{ 1, "eth(src=02:00:00:00:00:01)/vlan(id=7)/ip()/udp(sport=1000,dport=7)" },
		{ 1, "eth()/arp(psrc=192.0.2.1,pdst=192.0.2.9)/pad(hex=000000)" },
		{ 147, "raw(link=147,hex=0102)" },
	};
	uint8_t b[512];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		round_trip(rows[i].link, b, build(rows[i].expr, 0, b, sizeof b),
		    i == 5 ? NULL : rows[i].expr);
}

/* Damaged packets are read back too: every byte of a packet changed, every length of it. */
static void test_read_back_damaged(void **state)
{
	uint8_t b[128];
	(void)state;
	size_t n =
	    build("eth()/ip()/tcp(dport=80,options=[mss(1460),sackok])/\"GET /\"", 0, b, sizeof b);
	for (size_t i = 0; i < n; i++) {
		uint8_t c[128];
		memcpy(c, b, n);
		c[i] ^= (uint8_t)(1u << i % 8);
		round_trip(1, c, n, NULL);
		c[i] = 0xff;
		round_trip(1, c, n, NULL);
		round_trip(1, b, i + 1, NULL);
	}
}

static void test_read_back_fuzz(void **state)
{
	static const char *const expr[] = { "fuzz(eth()/ip()/tcp())/\"x\"", "fuzz(ip6()/udp())",
		"fuzz(eth()/vlan()/arp())", "fuzz(ip()/icmp())/raw(hex=00)",
		"fuzz(ip6()/icmp6())/raw(hex=000000)", "fuzz(ip()/udp()/dns())" };
	(void)state;
	for (size_t i = 0; i < sizeof expr / sizeof expr[0]; i++) {
		struct l4_craft_expr *x;
		struct l4_craft_error err;
		uint8_t b[256];
		size_t n;
		assert_int_equal(l4_craft_parse(&x, expr[i], NULL, NULL, &err), 0);
		for (uint64_t k = 0; k < 50; k++) {
			assert_int_equal(l4_craft_build(x, 0, k, b, sizeof b, &n), 0);
			round_trip(l4_craft_linktype(x), b, n, NULL);
		}
		l4_craft_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_derived),
		cmocka_unit_test(test_corner),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_many_writes),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_read_back_damaged),
		cmocka_unit_test(test_read_back_fuzz),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("craft", tests, NULL, NULL);
}
