/* What strangers' captures taught: each case is a packet, or a few of one connection, whose fields
 * were once read otherwise than Wireshark reads them. The bytes are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/dissect.h>
#include <layer4/err.h>

static struct l4_dissect *d;
static const struct l4_dissected *out;
static uint64_t number;

static int set_up(void **state)
{
	(void)state;
	number = 0;
	out = NULL;
	d = l4_dissect_new(NULL);
	if (!d)
		return -1;
	l4_dissect_want_all(d);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	l4_dissect_free(d);
	return 0;
}

/* Of an IP packet without a link layer; `beyond` bytes of it were not captured. */
static void give(const uint8_t *b, uint32_t n, uint32_t beyond)
{
	static struct l4_cap_packet c;
	static uint8_t copy[2048];
	assert_true(n <= sizeof copy);
	memcpy(copy, b, n);
	number++;
	c = (struct l4_cap_packet){ .data = copy,
		.caplen = n,
		.len = n + beyond,
		.has_ts = true,
		.ts = (number - 1) * 1000000,
		.number = number,
		.linktype = L4_LINK_RAW,
		.fcs_len = -1 };
	out = l4_dissect_packet(d, &c);
}

static uint32_t ip4(uint8_t *b, uint8_t proto, const char *options, size_t n_options,
    const void *payload, size_t n, bool reply)
{
	size_t hlen = 20 + n_options;
	memset(b, 0, hlen);
	b[0] = (uint8_t)(0x40 + hlen / 4);
	b[2] = (uint8_t)((hlen + n) >> 8);
	b[3] = (uint8_t)(hlen + n);
	b[8] = 64;
	b[9] = proto;
	memcpy(b + 12, reply ? "\x0a\0\0\2\x0a\0\0\1" : "\x0a\0\0\1\x0a\0\0\2", 8);
	if (n_options)
		memcpy(b + 20, options, n_options);
	if (n)
		memcpy(b + hlen, payload, n);
	return (uint32_t)(hlen + n);
}

static void give_ip4(
    uint8_t proto, const char *options, size_t n_options, const char *payload, size_t n)
{
	uint8_t b[1024];
	give(b, ip4(b, proto, options, n_options, payload, n, false), 0);
}

static void give_ip6(uint8_t next, const char *payload, size_t n)
{
	uint8_t b[1024] = { 0x60, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n, next, 64, 0xfe, 0x80 };
	b[23] = 1;
	b[24] = 0xfe;
	b[25] = 0x80;
	b[39] = 2;
	memcpy(b + 40, payload, n);
	give(b, (uint32_t)(40 + n), 0);
}

static void give_udp(uint16_t from, uint16_t to, const char *payload, size_t n)
{
	uint8_t u[1024] = { (uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to,
		(uint8_t)((n + 8) >> 8), (uint8_t)(n + 8) };
	memcpy(u + 8, payload, n);
	give_ip4(17, NULL, 0, (const char *)u, n + 8);
}

/* A segment between port 1024 of 10.0.0.1 and `port` of 10.0.0.2. */
static void segment(
    bool reply, uint16_t port, uint32_t seq, uint8_t flags, const char *payload, size_t n)
{
	uint8_t b[1024], t[900] = { 0 };
	uint16_t from = reply ? port : 1024, to = reply ? 1024 : port;
	t[0] = (uint8_t)(from >> 8);
	t[1] = (uint8_t)from;
	t[2] = (uint8_t)(to >> 8);
	t[3] = (uint8_t)to;
	for (int k = 0; k < 4; k++)
		t[4 + k] = (uint8_t)(seq >> (24 - 8 * k));
	t[12] = 0x50;
	t[13] = flags;
	t[14] = 0x20;
	if (n)
		memcpy(t + 20, payload, n);
	give(b, ip4(b, 6, NULL, 0, t, 20 + n, reply), 0);
}

static void text(bool reply, uint16_t port, uint32_t seq, const char *s)
{
	segment(reply, port, seq, 16, s, strlen(s));
}

/* All values of a field, with commas between them; "" when it is not there. */
static void is(const char *name, const char *expected)
{
	char all[512] = "";
	size_t at = 0;
	for (uint32_t i = 0; i < out->n_items; i++) {
		const struct l4_item *item = &out->items[i];
		if (!item->field->name || strcmp(item->field->name, name) || at + 200 > sizeof all)
			continue;
		if (at)
			all[at++] = ',';
		if (item->text)
			at += (size_t)snprintf(all + at, 180, "%s", item->text);
		else
			at += l4_item_text(item, all + at, 180);
		all[at] = 0;
	}
	if (strcmp(all, expected))
		fail_msg(
		    "packet %u: %s is \"%s\", not \"%s\"", (unsigned)number, name, all, expected);
}

#define BYTES(s) (s), sizeof(s) - 1

static void source_routes_end_elsewhere(void **state)
{
	(void)state;
	static const struct {
		uint8_t ptr;
		const char *dst, *current, *to_go, *gone;
	} rows[] = {
		{ 3, "10.0.0.2", "", "", "" },
		{ 4, "3.3.3.3", "10.0.0.2", "1.1.1.1,2.2.2.2", "" },
		{ 8, "3.3.3.3", "10.0.0.2", "2.2.2.2", "1.1.1.1" },
		{ 16, "10.0.0.2", "", "", "1.1.1.1,2.2.2.2,3.3.3.3" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char o[16] = "\x83\x0f?\1\1\1\1\2\2\2\2\3\3\3\3";
		o[2] = (char)rows[i].ptr;
		give_ip4(253, o, 16, "", 0);
		is("ip.dst", rows[i].dst);
		is("ip.cur_rt", rows[i].current);
		is("ip.src_rt", rows[i].to_go);
		is("ip.rec_rt", rows[i].gone);
	}
	/* Where the options are cut nobody knows the destination. */
	uint8_t b[64];
	uint32_t n = ip4(b, 253, "\x83\7\4\1\1\1\1\0", 8, "", 0, false);
	give(b, n - 4, 4);
	is("ip.src", "10.0.0.1");
	is("ip.dst", "");
}

static void gre_tells_by_its_protocol(void **state)
{
	(void)state;
	give_ip4(47, NULL, 0, BYTES("\0\0\0\0"));
	is("gre", "Generic Routing Encapsulation (Possible GRE keepalive packet)");
	/* EoIP: the key is one number, and Ethernet follows */
	give_ip4(47, NULL, 0, BYTES("\x20\1\x64\0\0\x0e\x19\0\2\0\0\0\0\2\2\0\0\0\0\1\x90\0"));
	is("gre.key", "0x000e1900");
	is("gre.flags.ack", "");
	is("eth.src", "02:00:00:00:00:01");
	/* PPTP has an acknowledgement bit beside fewer reserved ones */
	give_ip4(47, NULL, 0, BYTES("\x30\x81\x88\x0b\0\0\0\1\0\0\0\2\0\0\0\3"));
	is("gre.flags.ack", "1");
	is("gre.flags.reserved", "0");
}

static void icmp_shows_what_is_there(void **state)
{
	(void)state;
	give_ip4(1, NULL, 0, BYTES("\x0c\0\0\0\5\1\2\3"));
	is("icmp.pointer", "5");
	is("icmp.unused", "010203");
	is("icmp.length", "");
	/* An echo is answered once, and by the checksum that follows from its own. */
	static const struct {
		const char *bytes, *answers;
	} rows[] = {
		{ "\x08\0\x11\x11\0\1\0\2", "" },
		{ "\0\0\x11\x11\0\1\0\2", "" },
		{ "\0\0\x19\x11\0\1\0\2", "2" },
		{ "\0\0\x19\x11\0\1\0\2", "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t b[64];
		give(b, ip4(b, 1, NULL, 0, rows[i].bytes, 8, i != 0), 0);
		is("icmp.resp_to", rows[i].answers);
	}
	give_ip6(58, BYTES("\x86\0\0\0\x40\x80\7\x08\0\0"));
	is("icmpv6.nd.ra.cur_hop_limit", "64");
	is("icmpv6.nd.ra.router_lifetime", "1800");
	is("icmpv6.nd.ra.reachable_time", "");
	give_ip6(58, BYTES("\x88\0\0\0\xa0\0\0\0\xfe\x80"));
	is("icmpv6.nd.na.flag.s", "0");
	is("icmpv6.nd.na.flag.r", "1");
	is("icmpv6.nd.na.target_address", "");
	/* Pad1 has no bits to speak of. */
	give_ip6(60, BYTES("\x3b\0\0\1\3\0\0\0"));
	is("ipv6.opt.type", "0x00,0x01");
	is("ipv6.opt.type.rest", "0x01");
}

static void datagrams_are_known_by_their_bytes(void **state)
{
	(void)state;
	static const char question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1";
	give_udp(2000, 443, BYTES(question));
	is("dns.qry.name", "www.example");
	give_udp(137, 137, BYTES(question)); /* NetBIOS has its own names */
	is("dns.qry.name", "");
	/* A short header of QUIC is known by the long one before it. */
	give_udp(3000, 443, BYTES("\x40whatever this is"));
	is("quic", "");
	give_udp(3000, 443, BYTES("\xc0\0\0\0\1\4abcd\2ef\0\5\1\2\3\4\5\xe0\0\0\0\1\4abcd\0\1\7"));
	is("quic.long.packet_type", "0,2");
	is("quic.dcid", "61626364,61626364");
	is("quic.scid", "6566");
	is("quic.length", "5,1");
	give_udp(3000, 443, BYTES("\x40whatever this is"));
	is("quic.header_form", "0");
	give_udp(1900, 1900, BYTES("M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n"));
	is("frame.protocols", "raw:ip:udp:ssdp");
	is("http.request.method", "M-SEARCH");
	is("http.request.full_uri", "http://239.255.255.250:1900*");
}

static void data_of_a_syn_counts(void **state)
{
	(void)state;
	segment(false, 80, 100, 2, BYTES("GET / HT"));
	is("tcp.analysis.bytes_in_flight", "8");
	text(false, 80, 109, "TP/1.1\r\n\r\n");
	is("http.request.version", "HTTP/1.1");
	is("tcp.segment", "1,2");
}

static void requests_are_read_word_by_word(void **state)
{
	(void)state;
	text(false, 80, 1, "GET /a b HTTP/1.1\r\n\r\n");
	is("http.request.uri", "/a");
	is("http.request.version", "b HTTP/1.1");
	text(false, 81, 1, "\1");
	text(false, 81, 2, "GET / HTTP/1.1\nHost: h\n\n");
	is("http.host", "h");
	text(true, 81, 1, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
	is("http.file_data", "");
	segment(true, 81, 41, 16, BYTES("\0c"));
	is("http.file_data", "ab");
}

static void responses_know_their_requests(void **state)
{
	(void)state;
	text(false, 80, 1, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	is("http.request_number", "1");
	text(true, 80, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	is("http.response_number", "1");
	is("http.request_in", "1");
	is("http.time", "0.001000000");
	is("http.response_for.uri", "http://h/a");
	text(false, 80, 29, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	is("http.prev_request_in", "1");
	/* This one lasts until its sender is done. */
	text(true, 80, 40, "HTTP/1.1 200 OK\r\n\r\nxyz");
	is("http", "");
	segment(true, 80, 62, 17, NULL, 0);
	is("http.file_data", "xyz");
	is("http.response_for.uri", "http://h/b");
	is("http.prev_response_in", "2");
}

static void a_tunnel_is_what_it_was_asked_for(void **state)
{
	(void)state;
	text(false, 8080, 1, "CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n\r\n");
	is("http.request.full_uri", "h.example:443");
	text(true, 8080, 1, "HTTP/1.1 200 Established\r\n\r\n");
	is("http.response.code", "200");
	segment(false, 8080, 56, 16, BYTES("\x16\3\1\0\4\0\0\0\0"));
	is("tls.record.content_type", "22");
	is("frame.protocols", "raw:ip:tcp:http:tls");
	text(false, 80, 1, "GET / HTTP/1.1\r\n\r\n");
	text(true, 80, 1, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
	text(false, 80, 19, "bytes");
	is("data.data", "6279746573");
	is("http", "");
}

static void tls_is_told_from_text(void **state)
{
	(void)state;
	text(true, 443, 1, "220 ready\r\n");
	is("tls", "");
	is("data.len", "11");
	/* ServerHello with version 1.3, then application data */
	static const char hello[] = "\x16\3\3\0\x32\2\0\0\x2e\3\3"
				    "0123456789abcdef0123456789abcdef"
				    "\0\x13\1\0\0\6\0\x2b\0\2\3\4"
				    "\x17\3\3\0\1x";
	segment(true, 444, 1, 16, BYTES(hello));
	is("tls.record.content_type", "22");
	is("tls.record.opaque_type", "23");
}

static void holes_in_a_message_are_filled(void **state)
{
	(void)state;
	text(true, 80, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
	text(true, 80, 45, "ghi");
	is("tcp.segment_data", "676869");
	is("http", "");
	text(true, 80, 42, "def");
	is("http.file_data", "abcdefghi");
	is("tcp.segment", "1,3,2");
	/* and once it is whole, its parts are nothing new */
	text(false, 80, 1, "GET / HTTP/1.1\r\n\r\n");
	text(true, 80, 42, "def");
	is("http", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(source_routes_end_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gre_tells_by_its_protocol, set_up, tear_down),
		cmocka_unit_test_setup_teardown(icmp_shows_what_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    datagrams_are_known_by_their_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(data_of_a_syn_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_are_read_word_by_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(responses_know_their_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_tunnel_is_what_it_was_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tls_is_told_from_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holes_in_a_message_are_filled, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
