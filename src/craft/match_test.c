/* Which packet answers which: rows of a question, a packet heard, and what it is to the question;
 * and every truncation of each, which may answer but must not be read past. */
#include <layer4/capfile.h>
#include <layer4/match.h>
#include <layer4/packet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A4 "src=192.0.2.1,dst=192.0.2.2"
#define B4 "src=192.0.2.2,dst=192.0.2.1"
#define R4 "src=192.0.2.9,dst=192.0.2.1"
#define A6 "src=2001:db8::1,dst=2001:db8::2"
#define B6 "src=2001:db8::2,dst=2001:db8::1"
#define R6 "src=2001:db8::9,dst=2001:db8::1"

enum { NO = L4_MATCH_NONE, ANSWER = L4_MATCH_ANSWER, ERROR = L4_MATCH_ERROR };

static const struct {
	const char *sent, *heard;
	int how;
} rows[] = {
	{ "ip(" A4 ")/icmp(id=1,seq=2)", "ip(" B4 ")/icmp(type=0,id=1,seq=2)", ANSWER },
	{ "ip(" A4 ")/icmp(id=1,seq=2)", "ip(" B4 ")/icmp(type=0,id=1,seq=3)", NO },
	{ "ip(" A4 ")/icmp(id=1,seq=2)", "ip(" B4 ")/icmp(type=8,id=1,seq=2)", NO },
	{ "ip(" A4 ")/icmp(id=1,seq=2)", "ip(" R4 ")/icmp(type=0,id=1,seq=2)", NO },
	{ "ip(" A4 ")/icmp(type=13,id=1)", "ip(" B4 ")/icmp(type=14,id=1)", ANSWER },
	{ "ip(" A4 ")/icmp(type=13,id=1)", "ip(" B4 ")/icmp(type=0,id=1)", NO },
	{ "ip6(" A6 ")/icmp6(id=1,seq=2)", "ip6(" B6 ")/icmp6(type=129,id=1,seq=2)", ANSWER },
	{ "ip6(" A6 ")/icmp6(id=1,seq=2)", "ip6(" B6 ")/icmp6(type=129,id=2,seq=2)", NO },
	/* a group: anyone */
	{ "ip(src=192.0.2.1,dst=224.0.0.1)/icmp(id=5)", "ip(" B4 ")/icmp(type=0,id=5)", ANSWER },
	/* errors by what they quote */
	{ "ip(" A4 ",ttl=1)/icmp(id=1,seq=2)",
	    "ip(" R4 ")/icmp(type=11)/ip(" A4 ")/icmp(id=1,seq=2)", ERROR },
	{ "ip(" A4 ",ttl=1)/icmp(id=1,seq=2)",
	    "ip(" R4 ")/icmp(type=11)/ip(" A4 ")/icmp(id=1,seq=3)", NO },
	{ "ip(" A4 ")/udp(sport=9,dport=33434)",
	    "ip(" B4 ")/icmp(type=3,code=3)/ip(" A4 ")/udp(sport=9,dport=33434)", ERROR },
	{ "ip(" A4 ")/udp(sport=9,dport=33434)",
	    "ip(" B4 ")/icmp(type=5)/ip(" A4 ")/udp(sport=9,dport=33434)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,seq=7)",
	    "ip(" R4 ")/icmp(type=11)/ip(" A4 ",len=40,proto=6)/raw(hex=0009005000000007)", ERROR },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,seq=8)",
	    "ip(" R4 ")/icmp(type=11)/ip(" A4 ",len=40,proto=6)/raw(hex=0009005000000007)", NO },
	{ "ip6(" A6 ")/udp(sport=9,dport=8)",
	    "ip6(" R6 ")/icmp6(type=3)/ip6(" A6 ")/udp(sport=9,dport=8)", ERROR },
	{ "ip6(" A6 ")/udp(sport=9,dport=8)",
	    "ip6(" R6 ")/icmp6(type=2)/ip6(" A6 ")/udp(sport=9,dport=8)", ERROR },
	/* TCP: an acknowledgement of the segment */
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=SA,seq=5,ack=101)", ANSWER },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=SA,seq=5,ack=100)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=80,dport=8,flags=SA,seq=5,ack=101)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=81,dport=9,flags=SA,seq=5,ack=101)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=0xffffffff)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=RA,ack=0)", ANSWER },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=RA,ack=7)", NO },
	/* RFC 5961 4.2: a challenge */
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=A,seq=5,ack=4000)", ANSWER },
	/* RFC 9293 3.10.7.1: the number of a reset to a segment with ACK */
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=A,seq=100,ack=77)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=R,seq=77)", ANSWER },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=A,seq=100,ack=77)",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=R,seq=78)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=PA,seq=100,ack=77)/\"abc\"",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=A,seq=77,ack=103)", ANSWER },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=PA,seq=100,ack=77)/\"abc\"",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=A,seq=77,ack=102)", NO },
	{ "ip(" A4 ")/tcp(sport=9,dport=80,flags=PA,seq=100,ack=77)/\"abc\"",
	    "ip(" B4 ")/tcp(sport=80,dport=9,flags=PA,seq=77,ack=103)/\"x\"", ANSWER },
	{ "ip6(" A6 ")/tcp(sport=9,dport=80,flags=S,seq=100)",
	    "ip6(" B6 ")/tcp(sport=80,dport=9,flags=SA,seq=5,ack=101)", ANSWER },
	/* UDP, DNS */
	{ "ip(" A4 ")/udp(sport=9,dport=8)", "ip(" B4 ")/udp(sport=8,dport=9)/\"x\"", ANSWER },
	{ "ip(" A4 ")/udp(sport=9,dport=8)", "ip(" R4 ")/udp(sport=8,dport=9)/\"x\"", NO },
	{ "ip(src=192.0.2.1,dst=239.255.255.250)/udp(sport=9,dport=1900)",
	    "ip(" B4 ")/udp(sport=55555,dport=9)/\"HTTP/1.1 200 OK\"", ANSWER },
	{ "ip(" A4 ")/udp(sport=9)/dns(id=4,qname=Example.test)",
	    "ip(" B4 ")/udp(dport=9)/dns(id=4,flags=0x8180,qname=example.TEST)", ANSWER },
	{ "ip(" A4 ")/udp(sport=9)/dns(id=4,qname=example.test)",
	    "ip(" B4 ")/udp(dport=9)/dns(id=5,flags=0x8180,qname=example.test)", NO },
	{ "ip(" A4 ")/udp(sport=9)/dns(id=4,qname=example.test)",
	    "ip(" B4 ")/udp(dport=9)/dns(id=4,flags=0x8180,qname=example.org)", NO },
	{ "ip(" A4 ")/udp(sport=9)/dns(id=4,qname=example.test,qtype=A)",
	    "ip(" B4 ")/udp(dport=9)/dns(id=4,flags=0x8180,qname=example.test,qtype=AAAA)", NO },
	/* cut: still ours, for the reader to call malformed */
	{ "ip(" A4 ")/udp(sport=9)/dns(id=4,qname=example.test)",
	    "ip(" B4 ")/udp(dport=9)/raw(hex=0004818000010000)", ANSWER },
	/* the link */
	{ "eth()/arp(psrc=192.0.2.1,pdst=192.0.2.2)",
	    "eth()/arp(op=2,psrc=192.0.2.2,pdst=192.0.2.1)", ANSWER },
	{ "eth()/arp(psrc=192.0.2.1,pdst=192.0.2.2)",
	    "eth()/arp(op=2,psrc=192.0.2.3,pdst=192.0.2.1)", NO },
	{ "eth()/arp(psrc=192.0.2.1,pdst=192.0.2.2)",
	    "eth()/arp(op=1,psrc=192.0.2.2,pdst=192.0.2.1)", NO },
	{ "eth()/vlan(id=5)/ip(" A4 ")/icmp(id=1)", "eth()/ip(" B4 ")/icmp(type=0,id=1)", ANSWER },
	{ "ip6(src=2001:db8::1,dst=ff02::1:ff00:2)/"
	  "icmp6(type=135,target=2001:db8::2)",
	    "ip6(" B6 ")/icmp6(type=136,target=2001:db8::2)", ANSWER },
	{ "ip6(src=2001:db8::1,dst=ff02::1:ff00:2)/"
	  "icmp6(type=135,target=2001:db8::2)",
	    "ip6(" B6 ")/icmp6(type=136,target=2001:db8::3)", NO },
	{ "ip6(src=fe80::1,dst=ff02::2)/icmp6(type=133)",
	    "ip6(src=fe80::2,dst=ff02::1)/icmp6(type=134)/raw(hex=0000000000000000)", ANSWER },
	/* what has no ports */
	{ "ip(" A4 ",proto=47)/\"x\"", "ip(" B4 ",proto=47)/\"y\"", ANSWER },
	{ "ip(" A4 ",proto=47)/\"x\"", "ip(" B4 ",proto=50)/\"y\"", NO },
	{ "ip(" A4 ")/udp(sport=9,dport=8)", "ip(" B4 ",frag=100)/udp(sport=8,dport=9)/\"x\"", NO },
};

static size_t build(const char *text, uint8_t *buf, size_t cap, uint16_t *linktype)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	size_t n = 0;
	if (l4_craft_parse(&x, text, NULL, NULL, &err))
		fail_msg("%s: column %u: %s", text, err.column, err.text);
	*linktype = l4_craft_linktype(x);
	assert_int_equal(l4_craft_build(x, 0, 1, buf, cap, &n), 0);
	l4_craft_free(x);
	return n;
}

static int judge(const struct l4_match *q, uint16_t linktype, const uint8_t *p, size_t n)
{
	struct l4_match h;
	int how = l4_match_heard(&h, linktype, p, n);
	bool key = h.key == q->key || (q->group && h.any_key == q->any_key);
	bool is = l4_match_is(q, &h);
	if (is)
		assert_true(key); /* what is an answer is found */
	return is ? how : L4_MATCH_NONE;
}

static void answers_by_protocol(void **state)
{
	uint8_t a[512], b[512];
	uint16_t la, lb;
	struct l4_match q;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = build(rows[i].sent, a, sizeof a, &la);
		size_t m = build(rows[i].heard, b, sizeof b, &lb);
		if (l4_match_sent(&q, la, a, n))
			fail_msg("not understood: %s", rows[i].sent);
		int how = judge(&q, lb, b, m);
		if (how != rows[i].how)
			fail_msg("%s\n  and %s: %d, not %d", rows[i].sent, rows[i].heard, how,
			    rows[i].how);
	}
}

/* Cut anywhere, in memory of just that size, so that a sanitizer sees what reads past it. */
static void every_truncation(void **state)
{
	uint8_t a[512];
	uint16_t link;
	struct l4_match m;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int k = 0; k < 2; k++) {
			size_t n = build(k ? rows[i].heard : rows[i].sent, a, sizeof a, &link);
			for (size_t len = 0; len < n; len++) {
				uint8_t *p = malloc(len ? len : 1);
				assert_non_null(p);
				memcpy(p, a, len);
				l4_match_sent(&m, link, p, len);
				l4_match_heard(&m, link, p, len);
				l4_match_heard(&m, L4_LINK_NULL, p, len);
				free(p);
			}
		}
	assert_int_equal(l4_match_heard(&m, link, a, 0), L4_MATCH_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(answers_by_protocol),
		cmocka_unit_test(every_truncation) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
