/* First tests of the wire formats: the two sample packets, through every layer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/wire.h>

static void tcp_options_go_out_as_linux_orders_them(void **state)
{
	(void)state;
	struct l4_tcp_hdr h = {
		.sport = 59468, .dport = 80, .seq = 1, .flags = L4_TCPF_SYN, .wnd = 64240
	};
	uint8_t buf[60];
	h.opts.mss = 1460;
	h.opts.wscale = 7;
	h.opts.ts_val = 0x11223344;
	static const struct {
		uint32_t present;
		uint8_t bytes[40];
		int len;
	} rows[] = {
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_TS | L4_TCPO_WSCALE,
		    { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 1, 3, 3, 7 },
		    20 },
		{ L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE,
		    { 2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7 }, 12 },
		{ L4_TCPO_MSS | L4_TCPO_TS | L4_TCPO_WSCALE,
		    { 2, 4, 5, 0xb4, 1, 1, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 1, 3, 3, 7 },
		    20 },
		{ L4_TCPO_MSS, { 2, 4, 5, 0xb4 }, 4 },
		{ 0, { 0 }, 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		h.opts.present = rows[i].present;
		assert_int_equal(l4_tcp_emit(&h, buf, sizeof buf), 20 + rows[i].len);
		assert_int_equal(l4_tcp_opts_len(&h.opts, true), rows[i].len);
		assert_memory_equal(buf + 20, rows[i].bytes, (size_t)rows[i].len);
		struct l4_tcp_hdr back;
		assert_int_equal(
		    l4_tcp_parse(&back, buf, 20 + (size_t)rows[i].len), 20 + rows[i].len);
		assert_int_equal(back.opts.present, rows[i].present);
		assert_int_equal(back.sport, 59468);
		assert_int_equal(back.flags, L4_TCPF_SYN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_options_go_out_as_linux_orders_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
