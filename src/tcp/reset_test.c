/* What resets carry. */
#include "rig_test.h"

static void no_echo(struct l4_host_config *c)
{
	c->tcp.rst_timestamps = false;
}

/* RFC 7323 5.2: TSecr is the TSval of the segment that is answered, TSval is 0; without the option
 * in the segment there is none in the reset. Proves: 7323-5.2b */
static void rst_echoes_the_timestamp(void **state)
{
	(void)state;
	static const struct {
		unsigned flags, present, want;
	} rows[] = {
		{ L4_TCPF_SYN, L4_TCPO_TS, L4_TCPO_TS },
		{ L4_TCPF_SYN, 0, 0 },
		{ L4_TCPF_ACK, L4_TCPO_TS, L4_TCPO_TS },
		{ L4_TCPF_ACK, 0, 0 },
		{ L4_TCPF_SYN | L4_TCPF_ACK, L4_TCPO_TS, L4_TCPO_TS },
		{ L4_TCPF_FIN | L4_TCPF_ACK, L4_TCPO_TS, L4_TCPO_TS },
	};
	for (int on = 0; on < 2; on++) {
		struct rig r;
		rig_up(&r, on ? NULL : no_echo);
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			struct l4_tcp_hdr t = { .sport = 5000,
				.dport = 4444,
				.seq = 77,
				.ack = 99,
				.flags = (uint16_t)rows[i].flags,
				.opts = {
				    .present = rows[i].present, .ts_val = 12345, .ts_ecr = 6 } };
			inject(&r, &t, 0);
			look(&r);
			assert_int_equal(r.out_n, 1);
			assert_true(r.out.flags & L4_TCPF_RST);
			assert_int_equal(r.out.opts.present, on ? rows[i].want : 0);
			if (r.out.opts.present) {
				assert_int_equal(r.out.opts.ts_ecr, 12345);
				assert_int_equal(r.out.opts.ts_val, 0);
			}
		}
		rig_down(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rst_echoes_the_timestamp),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
