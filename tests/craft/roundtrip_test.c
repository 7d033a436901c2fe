/* Every packet becomes an expression that builds the same bytes: the corpus of the wire fuzzer, the
 * captures of our own tests, those that L4_CAPTURES and L4_SHARED name, and packets drawn by fuzz()
 * from seeds. Without an argument a sample of them, enough to see every protocol; with "whole" all
 * packets of all captures and 100,000 drawn ones. */
#define _XOPEN_SOURCE 700
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A sample: of each file, and of each expression. */
enum { PER_FILE = 5, DRAWN = 40, ALL_DRAWN = 5000 };
enum { PACKET_MAX = 65535, TEXT_MAX = 4 * PACKET_MAX + 4096 };

static struct {
	unsigned files, packets, raw, bad;
	bool captures; /* of files that are captures; otherwise each file is a packet */
} seen;

static bool whole;
static char text[TEXT_MAX];
static uint8_t built[PACKET_MAX + 1];

static void try_packet(const char *from, uint64_t number, uint16_t link, const void *p, size_t n)
{
	struct l4_craft_expr *x = NULL;
	struct l4_craft_error err = { 0, "" };
	size_t len = 0;
	int64_t t = l4_craft_text(link, p, n, text, sizeof text);
	int e = t < 0 ? (int)t : l4_craft_parse(&x, text, NULL, NULL, &err);
	seen.packets++;
	seen.raw += t > 0 && !strncmp(text, "raw(", 4);
	if (!e)
		e = l4_craft_build(x, 0, 0, built, sizeof built, &len);
	if (e || len != n || memcmp(built, p, n)) {
		print_message("# %s: packet %u, link type %u: %s %s, from %.300s\n", from,
		    (unsigned)number, link, l4_err_text(e), err.text, t > 0 ? text : "");
		seen.bad++;
	}
	l4_craft_free(x);
}

static int64_t read_file(void *ctx, void *buf, size_t cap)
{
	size_t n = fread(buf, 1, cap, ctx);
	return n ? (int64_t)n : ferror((FILE *)ctx) ? L4_ESYS : 0;
}

static void try_capture(const char *path, FILE *f)
{
	struct l4_capfile *c = l4_capfile_new(read_file, f);
	struct l4_cap_packet p;
	unsigned n = 0;
	while (c && (whole || n < PER_FILE) && l4_capfile_next(c, &p) == 1)
		if (p.caplen <= PACKET_MAX) {
			try_packet(path, p.number, p.linktype, p.data, p.caplen);
			n++;
		}
	seen.files += n > 0;
	l4_capfile_free(c);
}

static int try_file(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)w;
	if (type != FTW_F)
		return 0;
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	if (seen.captures) {
		try_capture(path, f);
	} else {
		static uint8_t b[PACKET_MAX];
		size_t n = fread(b, 1, sizeof b, f);
		seen.files++;
		try_packet(path, 1, L4_LINK_ETHERNET, b, n);
		try_packet(path, 1, L4_LINK_RAW, b, n);
	}
	(void)fclose(f);
	return 0;
}

static void told(void)
{
	print_message("# %u files, %u packets, %u of them only as raw(hex=), %u other bytes\n",
	    seen.files, seen.packets, seen.raw, seen.bad);
	assert_true(seen.packets > 0);
	assert_int_equal(seen.bad, 0);
}

static void test_corpus(void **state)
{
	(void)state;
	char path[4096];
	const char *root = getenv("L4_SOURCE_ROOT");
	memset(&seen, 0, sizeof seen);
	snprintf(path, sizeof path, "%s/fuzz/corpus/wire", root ? root : ".");
	assert_int_equal(nftw(path, try_file, 16, FTW_PHYS), 0);
	told();
}

/* All captures below a folder of the tree, or one that the environment names. */
static void captures_below(const char *variable, const char *below)
{
	char path[4096];
	const char *root = getenv(variable);
	snprintf(path, sizeof path, "%s/%s", root ? root : ".", below);
	seen.captures = true;
	assert_int_equal(nftw(path, try_file, 16, FTW_PHYS), 0);
}

static void test_own_captures(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof seen);
	captures_below("L4_SOURCE_ROOT", "tests/dissect/golden");
	captures_below("L4_SOURCE_ROOT", "fuzz/corpus/capfile");
	told();
}

static void test_captures(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof seen);
	captures_below("L4_CAPTURES", "");
	if (getenv("L4_SHARED"))
		captures_below("L4_SHARED", "vectors");
	told();
}

static void test_fuzz(void **state)
{
	static const char *const expr[] = {
		"fuzz(eth()/ip()/tcp())/\"x\"",
		"fuzz(ip6()/udp())",
		"fuzz(eth()/vlan()/arp())",
		"fuzz(ip()/icmp())/raw(hex=00)",
		"fuzz(eth()/ip6()/icmp6())",
		"fuzz(ip()/udp()/dns())",
		"fuzz(ip()/udp()/dns(qname=example.test,an=[a(@12,192.0.2.1),aaaa(b.test,::1)]))",
		"fuzz(ip()/icmp(type=5))/ip(src=random)/udp()",
		"fuzz(ip()/icmp(type=13))",
		"fuzz(ip()/icmp(type=3,code=4))/fuzz(ip()/tcp())",
		"fuzz(eth()/ip6()/icmp6(type=135,options=[sll(random)]))",
		"fuzz(ip6()/"
		"icmp6(type=134,options=[prefix(64,random,random,9,2001:db8::),mtu(random)]))",
		"fuzz(ip6()/icmp6(type=143,records=[rec(random,ff02::1,2001:db8::1)]))",
		"fuzz(ip()/igmp(records=[rec(random,random)]))",
		"ip(id=random)/"
		"fuzz(tcp(options=[mss(random),sackok,ts(random,random),nop,ws(random)]))",
		"fuzz(ip6()/hopopts(options=[ra(random)])/routing(type=0,addrs=[random])/frag())/"
		"\"x\"",
		"fuzz(ip6()/dstopts(options=[home(random),tel(random)])/udp())",
		"fuzz(ip()/udp()/dhcp(options=[type(random),requested(random),params(1,random)]))",
		"fuzz(ip()/gre(key=random)/ip()/udp())",
		"fuzz(eth()/ieee8021ad()/vlan()/ip6()/tcp())/\"text\"/pad(4)",
	};
	(void)state;
	memset(&seen, 0, sizeof seen);
	for (size_t i = 0; i < sizeof expr / sizeof expr[0]; i++) {
		struct l4_craft_expr *x;
		struct l4_craft_error err;
		uint8_t b[512];
		size_t n;
		if (l4_craft_parse(&x, expr[i], NULL, NULL, &err))
			fail_msg("%s: column %u: %s", expr[i], err.column, err.text);
		for (uint64_t k = 0; k < (whole ? ALL_DRAWN : DRAWN); k++) {
			assert_int_equal(l4_craft_build(x, 0, k, b, sizeof b, &n), 0);
			try_packet(expr[i], k, l4_craft_linktype(x), b, n);
		}
		l4_craft_free(x);
	}
	told();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_own_captures),
		cmocka_unit_test(test_fuzz),
	};
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_own_captures),
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_captures),
	};
	whole = argc > 1 && !strcmp(argv[1], "whole");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("L4_CAPTURES"))
		return cmocka_run_group_tests_name("craft round trip", more, NULL, NULL);
	puts("# SKIP of the captures: L4_CAPTURES does not name a folder of them");
	return cmocka_run_group_tests_name("craft round trip", tests, NULL, NULL);
}
