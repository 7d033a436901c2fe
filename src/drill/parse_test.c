/* Tests of the script lexer and parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <layer4/err.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill/script.h"

static void parse_ok(struct l4_script *s, const char *text)
{
	int r = l4_script_parse(s, "t.pkt", text, strlen(text), NULL, 0);
	if (r)
		fail_msg("%d:%d: %s in: %s", s->err_line, s->err_col, s->err, text);
}

static void test_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum l4_tok kind;
		int64_t num;
		const char *str;
	} rows[] = {
		{ "12", L4_TOK_INT, 12, NULL },
		{ "-12", L4_TOK_INT, -12, NULL },
		{ "0x1F", L4_TOK_HEX, 31, NULL },
		{ ".25", L4_TOK_DECIMAL, 250000, NULL },
		{ "1.0000019", L4_TOK_DECIMAL, 1000001, NULL },
		{ "0.3", L4_TOK_DECIMAL, 300000, NULL },
		{ "sackOK", L4_TOK_WORD, 0, "sackOK" },
		{ "0a1b", L4_TOK_WORD, 0, "0a1b" },
		{ "\"a\\\"b\"", L4_TOK_STRING, 0, "a\\\"b" },
		{ "`ls -l`", L4_TOK_COMMAND, 0, "ls -l" },
		{ "%{ a }% b", L4_TOK_CODE, 0, " a " },
		{ "--opt=1", L4_TOK_OPTION, 0, "opt" },
		{ "...4", L4_TOK_ELLIPSIS, 0, NULL },
		{ "// c\n /* d\n */ +", L4_TOK_PUNCT, '+', NULL },
		{ "", L4_TOK_END, 0, NULL },
		{ "/* open", L4_TOK_BAD, 0, NULL },
		{ "\"open", L4_TOK_BAD, 0, NULL },
		{ "`open", L4_TOK_BAD, 0, NULL },
		{ "%{ open }", L4_TOK_BAD, 0, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_lexer x;
		struct l4_token t;
		l4_lex_init(&x, rows[i].text, strlen(rows[i].text), NULL, 0);
		l4_lex_next(&x, &t);
		if (t.kind != rows[i].kind || (!rows[i].str && rows[i].num != t.num))
			fail_msg(
			    "'%s': kind %d, number %lld", rows[i].text, t.kind, (long long)t.num);
		if (rows[i].str &&
		    (t.len != strlen(rows[i].str) || memcmp(t.str, rows[i].str, t.len)))
			fail_msg("'%s': text '%.*s'", rows[i].text, (int)t.len, t.str);
	}
}

static void test_times(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum l4_de_time kind;
		int64_t at, end;
		bool blocking;
	} rows[] = {
		{ "0 `x`", L4_DT_ABS, 0, 0, false },
		{ "+0 `x`", L4_DT_REL, 0, 0, false },
		{ "+0...0.2 read(4, ..., 1) = 1", L4_DT_REL, 0, 200000, true },
		{ "0...1 read(4, ..., 1) = 1", L4_DT_ABS, 0, 1000000, true },
		{ "* > . 1:1(0) ack 1", L4_DT_ANY, 0, 0, false },
		{ "0~.5 > . 1:1(0) ack 1", L4_DT_ABS_RANGE, 0, 500000, false },
		{ "+0~+0.000001 > . 1:1(0) ack 1", L4_DT_REL_RANGE, 0, 1, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_script s;
		parse_ok(&s, rows[i].text);
		assert_int_equal(s.events->time_kind, rows[i].kind);
		assert_int_equal(s.events->at_us, rows[i].at);
		assert_int_equal(s.events->end_us, rows[i].end);
		assert_int_equal(s.events->blocking, rows[i].blocking);
		l4_script_free(&s);
	}
}

static void test_tcp_packet(void **state)
{
	(void)state;
	struct l4_script s;
	parse_ok(&s, "0 < [ect0, ttl 7] 9000 > 8080 SEW. 5:15(10) ack 7 win 100 urg 3"
		     " <mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7>\n"
		     "+0 > .5 1:1(0) ack 1 <...>\n"
		     "+0 > - 4294967295:4294967295(0)\n"
		     "+0 < . 1:1(0) ack 1 win 9 <nop,nop,sack 1:2 3:4>\n"
		     "+0 < S 0:0(0) win 1 <FO a1b2,FOEXP 0x0102,eol,eol>\n"
		     "+0 < . 0:0(0) win 1 <ECN e1b 1 ceb 2 e0b 3,nop>\n"
		     "+0 > (ect01) FP. 1:3(2) ack 1 win 5\n");
	const struct l4_de *e = s.events;
	assert_int_equal(s.n_events, 7);
	assert_true(e->packet.inbound);
	assert_int_equal(e->packet.flags, L4_DP_SYN | L4_DP_ECE | L4_DP_CWR | L4_DP_ACK);
	assert_int_equal(e->packet.sport, 9000);
	assert_int_equal(e->packet.dport, 8080);
	assert_int_equal(e->packet.tos, 2);
	assert_int_equal(e->packet.ttl, 7);
	assert_int_equal(e->packet.seq, 5);
	assert_int_equal(e->packet.len, 10);
	assert_int_equal(e->packet.urg, 3);
	static const uint8_t opts[] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3,
		7 };
	assert_int_equal(e->packet.opts_len, sizeof(opts));
	assert_memory_equal(e->packet.opts, opts, sizeof(opts));
	e = e->next;
	assert_int_equal(e->packet.flags, L4_DP_ACK | L4_DP_AE | L4_DP_ECE);
	assert_true(e->packet.any_options);
	assert_false(e->packet.has_win);
	e = e->next;
	assert_int_equal(e->packet.flags, 0);
	assert_int_equal(e->packet.seq, 0xffffffff);
	e = e->next;
	static const uint8_t sack[] = { 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0,
		4 };
	assert_int_equal(e->packet.opts_len, sizeof(sack));
	assert_memory_equal(e->packet.opts, sack, sizeof(sack));
	e = e->next;
	static const uint8_t fo[] = { 34, 4, 0xa1, 0xb2, 254, 6, 0xf9, 0x89, 1, 2, 0, 0 };
	assert_int_equal(e->packet.opts_len, sizeof(fo));
	assert_memory_equal(e->packet.opts, fo, sizeof(fo));
	e = e->next;
	static const uint8_t ecn[] = { 174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3, 1 };
	assert_int_equal(e->packet.opts_len, sizeof(ecn));
	assert_memory_equal(e->packet.opts, ecn, sizeof(ecn));
	e = e->next;
	assert_int_equal(e->packet.flags, L4_DP_FIN | L4_DP_PSH | L4_DP_ACK);
	assert_int_equal(e->packet.ecn, L4_DP_ECN_ECT01);
	l4_script_free(&s);
}

static void test_udp_icmp(void **state)
{
	(void)state;
	struct l4_script s;
	parse_ok(&s, "0 < [tos 0x10] udp (120)\n+0 > udp 8080 > 5353 (40)\n"
		     "+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]\n"
		     "+0 < icmp packet_too_big mtu 1280 [1:2(1)]\n"
		     "+0 < icmp echo_request id 7\n+0 > icmp type_3 code_3 [udp (9)]\n");
	const struct l4_de *e = s.events;
	assert_int_equal(e->packet.proto, L4_DP_UDP);
	assert_int_equal(e->packet.len, 120);
	assert_int_equal(e->packet.tos, 16);
	e = e->next;
	assert_int_equal(e->packet.sport, 8080);
	e = e->next;
	assert_int_equal(e->packet.icmp_type[0], 3);
	assert_int_equal(e->packet.icmp_code[0], 4);
	assert_true(e->packet.icmp_valid[0]);
	assert_false(e->packet.icmp_valid[1]);
	assert_int_equal(e->packet.mtu, 1200);
	assert_int_equal(e->packet.echo_len, 1000);
	e = e->next;
	assert_int_equal(e->packet.icmp_type[1], 2);
	assert_true(e->packet.icmp_valid[1]);
	e = e->next;
	assert_int_equal(e->packet.icmp_id, 7);
	e = e->next;
	assert_int_equal(e->packet.echo, L4_DP_ECHO_UDP);
	assert_int_equal(e->packet.icmp_code[0], 3);
	l4_script_free(&s);
}

static void test_call(void **state)
{
	(void)state;
	struct l4_script s;
	parse_ok(&s, "0 poll([{fd=4, events=POLLIN|POLLOUT,\n revents=POLLOUT}], 1, 0) = 1\n"
		     "+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 50}], msg_flags=0}, 0)\n"
		     "   = -1 EAGAIN (Resource temporarily unavailable)\n"
		     "+0 send(3, \"a\\x41\" \"b\\n\", 4, 0) = 4 // c\n");
	const struct l4_dcall *c = &s.events->call;
	assert_string_equal(c->name, "poll");
	assert_int_equal(c->n_args, 3);
	assert_int_equal(c->args->kind, L4_DX_LIST);
	const struct l4_dx *f = c->args->child->child->next;
	assert_string_equal(f->str, "events");
	assert_int_equal(f->child->kind, L4_DX_OR);
	assert_int_equal(f->child->n, 2);
	c = &s.events->next->call;
	assert_int_equal(c->result->num, -1);
	assert_string_equal(c->err, "EAGAIN");
	f = c->args->next->child->next;
	assert_string_equal(f->str, "msg_iov");
	assert_int_equal(f->num, 1);
	const struct l4_de *e = s.events->next->next;
	assert_int_equal(e->call.args->next->str_len, 4);
	assert_memory_equal(e->call.args->next->str, "aAb\n", 4);
	assert_int_equal(e->line, 5);
	assert_memory_equal(e->text + e->text_len - 3, "= 4", 3);
	l4_script_free(&s);
}

static void test_options_and_commands(void **state)
{
	(void)state;
	struct l4_script s;
	parse_ok(&s, "--tolerance_usecs=10000 // slow\n--strict_segments\n--define=N=7\n"
		     "--local_ip=192.0.2.1\n--define=S=\"a b\"\n`init\n me`\n"
		     "0 listen(N, S) = 0\n+1 `mid`\n+0 %{ a }%\n`end`\n");
	const struct l4_dopt *o = s.options;
	assert_string_equal(o->name, "tolerance_usecs");
	assert_string_equal(o->value, "10000");
	assert_string_equal(o->next->name, "strict_segments");
	assert_string_equal(o->next->next->next->value, "192.0.2.1");
	assert_string_equal(s.init, "init\n me");
	assert_string_equal(s.cleanup, "end");
	assert_int_equal(s.events->call.args->kind, L4_DX_INT);
	assert_int_equal(s.events->call.args->num, 7);
	assert_int_equal(s.events->call.args->next->kind, L4_DX_STRING);
	assert_int_equal(s.events->next->kind, L4_DE_COMMAND);
	assert_string_equal(s.events->next->next->code, " a ");
	assert_int_equal(s.events->line, 8);
	l4_script_free(&s);
}

/* What is wrong is said with its line, and every prefix of a good script ends in peace. */
static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int line;
		const char *part;
	} rows[] = {
		{ "", 1, "event" },
		{ "1 `x`", 1, "time 0" },
		{ "0 `x`\n1 `x`\n.5 `x`", 3, "before" },
		{ "0 `x`\n+0 < S 0:1(0) win 5", 2, "plus the length" },
		{ "0 < S 0:0(0)", 1, "window" },
		{ "0 > S 0:0(0) <mss 1460,nop>", 1, "multiple of 4" },
		{ "0 > X 0:0(0)", 1, "flags" },
		{ "0 > SS 0:0(0)", 1, "flags" },
		{ "0 > S 0:0(0) <mss 65536>", 1, "65535" },
		{ "0 < S 0:0(0) win 1 <...>", 1, "spelled out" },
		{ "* < S 0:0(0) win 1", 1, "outbound" },
		{ "0~1 `x`", 1, "outbound" },
		{ "0 foo(1) = ", 1, "ends here" },
		{ "0 foo(1", 1, "')'" },
		{ "0 foo([[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]) = 0", 1, "deeply" },
		{ "0 < icmp nonsense", 1, "ICMP" },
		{ "0 > ipv4 1.2.3.4 > 5.6.7.8: udp (9)", 1, "outer" },
		{ "0 > S 0:0(0) <sack 1:2 2:3 3:4 4:5 5:6>", 1, "40 bytes" },
		{ "0 `x`\n`y`\n+0 `z`", 3, "clean-up" },
		{ "0 > S 99999999999999999999:0(0)", 1, "reasonable" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct l4_script s;
		int r = l4_script_parse(&s, "t", rows[i].text, strlen(rows[i].text), NULL, 0);
		if (r != L4_EMALFORMED || s.err_line != rows[i].line ||
		    !strstr(s.err, rows[i].part))
			fail_msg("'%s': %d, line %d: %s", rows[i].text, r, s.err_line, s.err);
		l4_script_free(&s);
	}
	static const char good[] =
	    "--a=b\n`i`\n0 socket(..., SOCK_STREAM, 6) = 3\n+0 < S 0:0(0) win 5 <mss "
	    "1460,sackOK,TS "
	    "val 1 ecr 2,nop,wscale 7>\n+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 50}],"
	    "msg_flags=0}, 0) = -1 EAGAIN (no)\n+0 %{ x }%\n+0 > . 1:1(0) ack 1 <nop,nop,sack 1:2>";
	for (size_t n = 0; n < sizeof(good); n++) {
		/* in memory of its own length, so that a sanitizer sees a read behind the end */
		char *copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy, good, n);
		struct l4_script s;
		l4_script_parse(&s, "t", copy, n, NULL, 0);
		l4_script_free(&s);
		free(copy);
	}
}

static void test_symbols(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int64_t value;
	} rows[] = {
		{ "AF_INET", 2 },
		{ "AF_INET6", 10 },
		{ "SO_REUSEADDR", 2 },
		{ "TCP_INFO", 11 },
		{ "TCP_INQ", 36 },
		{ "TCP_CM_INQ", 36 },
		{ "MSG_ZEROCOPY", 0x4000000 },
		{ "MSG_FASTOPEN", 0x20000000 },
		{ "SIOCINQ", 0x541b },
		{ "EPOLLRDHUP", 0x2000 },
		{ "EAGAIN", 11 },
		{ "ETIMEDOUT", 110 },
		{ "O_NONBLOCK", 2048 },
		{ "SO_MAX_PACING_RATE", 47 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t v = -1;
		if (!l4_drill_symbol(rows[i].name, &v) || v != rows[i].value)
			fail_msg("%s is %lld", rows[i].name, (long long)v);
	}
	int64_t v;
	assert_false(l4_drill_symbol("NO_SUCH_NAME", &v));
	assert_string_equal(l4_drill_errno_name(ECONNRESET), "ECONNRESET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_tcp_packet),
		cmocka_unit_test(test_udp_icmp),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_options_and_commands),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_symbols),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
