/* Tests of the simulated link and of the devices that wrap others: fault, watch, pcap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/loop.h>
#include <layer4/sim.h>

#include "device/testframes.h"

static struct made m;

static int send_one(struct l4_device *d, const struct shape *s, uint16_t gso, l4_time now)
{
	struct l4_piece p;
	make(&m, s);
	struct l4_frame f = one_piece(&p, m.bytes, m.len);
	f.off.needs_csum = true;
	f.off.csum_start = (uint16_t)m.l4;
	f.off.csum_offset = 16;
	if (gso) {
		f.off.gso_type = s->v6 ? L4_GSO_TCPV6 : L4_GSO_TCPV4;
		f.off.gso_size = gso;
		f.off.hdr_len = (uint16_t)m.hdr;
	}
	f.why.code = L4_WHY_DATA;
	f.why.a = 14600;
	return d->ops->tx(d, &f, 1, now);
}

static void frames_cross_at_their_time(void **state)
{
	static const struct shape s = { .payload = 1000 };
	struct l4_link_config c = { .mtu = 1500, .seed = 1 };
	struct l4_device *e[2];
	struct l4_link *l;
	struct l4_frame f[8];
	(void)state;
	c.to[0].delay = 3 * L4_MSEC;
	c.to[1].delay = 5 * L4_MSEC;
	assert_int_equal(l4_link_new(&l, &c, e), 0);
	assert_int_equal(e[1]->ops->deadline(e[1]), L4_TIME_NEVER);
	assert_int_equal(send_one(e[0], &s, 0, L4_SEC), 1);
	assert_int_equal(e[0]->ops->deadline(e[0]), L4_TIME_NEVER);
	assert_int_equal(e[1]->ops->deadline(e[1]), L4_SEC + 3 * L4_MSEC);
	assert_int_equal(e[1]->ops->rx(e[1], f, 8, L4_SEC + 3 * L4_MSEC - 1), 0);
	assert_int_equal(e[1]->ops->rx(e[1], f, 8, 2 * L4_SEC), 1);
	assert_int_equal(f[0].time, L4_SEC + 3 * L4_MSEC); /* arrival, not when we looked */
	finish_sum(&m, false);
	assert_int_equal(f[0].len, m.len);
	assert_memory_equal(f[0].pieces[0].data, m.bytes, m.len);
	assert_int_equal(send_one(e[1], &s, 0, 2 * L4_SEC), 1);
	assert_int_equal(e[0]->ops->rx(e[0], f, 8, 2 * L4_SEC + 5 * L4_MSEC), 1);
	/* A frame that may leave later, leaves later. */
	struct l4_piece p;
	struct l4_frame late = one_piece(&p, m.bytes, m.len);
	late.time = 4 * L4_SEC;
	assert_int_equal(e[0]->ops->tx(e[0], &late, 1, 3 * L4_SEC), 1);
	assert_int_equal(e[1]->ops->deadline(e[1]), 4 * L4_SEC + 3 * L4_MSEC);
	/* Larger than the link's MTU: lost, and counted. */
	static const struct shape big = { .payload = 1500 };
	assert_int_equal(send_one(e[0], &big, 0, 5 * L4_SEC), 1);
	struct l4_link_stats st;
	l4_link_stats(l, 0, &st);
	assert_int_equal(st.lost, 1);
	assert_int_equal(st.delivered, 1);
	assert_int_equal(st.sent, 3);
	l4_link_free(l);
}

static void super_frames_are_cut_and_joined(void **state)
{
	static const struct shape s = { .payload = 30000, .tcp_opts = 12 };
	struct l4_link_config c = { .mtu = 1500, .seed = 1, .tso = true };
	struct l4_device *e[2];
	struct l4_link *l;
	struct l4_frame f[64];
	(void)state;
	for (int gro = 0; gro < 2; gro++) {
		c.gro = gro;
		assert_int_equal(l4_link_new(&l, &c, e), 0);
		assert_int_equal(send_one(e[0], &s, 1448, 0), 1);
		int n = e[1]->ops->rx(e[1], f, 64, 0);
		assert_int_equal(n, gro ? 1 : 30000 / 1448 + 1);
		if (gro) {
			assert_int_equal(f[0].len, m.len);
			assert_int_equal(f[0].off.gso_size, 1448);
		}
		struct l4_link_stats st;
		l4_link_stats(l, 0, &st);
		assert_int_equal(st.sent, 30000 / 1448 + 1);
		l4_link_free(l);
	}
}

static void fault_delays_both_ways(void **state)
{
	static const struct shape s = { .payload = 30000, .tcp_opts = 12 };
	struct l4_link_config c = { .mtu = 1500, .seed = 1 };
	struct l4_impair im = { .delay = 7 * L4_MSEC };
	struct l4_device *e[2], *d;
	struct l4_device_caps caps;
	struct l4_link *l;
	struct l4_frame f[64];
	(void)state;
	assert_int_equal(l4_link_new(&l, &c, e), 0);
	assert_int_equal(l4_fault_new(&d, e[0], &im, 5), 0);
	d->ops->caps(d, &caps);
	assert_true(caps.tx_tso4 && caps.tx_csum && !caps.rx_csum);
	assert_int_equal(send_one(d, &s, 1448, 0), 1);
	assert_int_equal(e[1]->ops->deadline(e[1]), L4_TIME_NEVER);
	assert_int_equal(d->ops->deadline(d), 7 * L4_MSEC);
	assert_int_equal(d->ops->rx(d, f, 64, 7 * L4_MSEC), 0);
	assert_int_equal(e[1]->ops->rx(e[1], f, 64, 7 * L4_MSEC), 21);
	static const struct shape back = { .payload = 10 };
	assert_int_equal(send_one(e[1], &back, 0, 10 * L4_MSEC), 1);
	assert_int_equal(d->ops->deadline(d), 10 * L4_MSEC); /* the inner device's */
	assert_int_equal(d->ops->rx(d, f, 64, 10 * L4_MSEC), 0);
	assert_int_equal(d->ops->deadline(d), 17 * L4_MSEC);
	assert_int_equal(d->ops->rx(d, f, 64, 17 * L4_MSEC), 1);
	assert_int_equal(f[0].time, 17 * L4_MSEC);
	d->ops->close(d);
	l4_link_free(l);
}

static unsigned seen[2];

static void see(void *ctx, bool sent, const struct l4_frame *f, l4_time now)
{
	(void)now;
	assert_ptr_equal(ctx, seen);
	seen[sent] += f->len;
}

static void watcher_sees_all(void **state)
{
	static const struct shape s = { .payload = 100 };
	struct l4_link_config c = { .mtu = 1500, .seed = 1 };
	struct l4_device *e[2], *d;
	struct l4_link *l;
	struct l4_frame f[4];
	(void)state;
	assert_int_equal(l4_link_new(&l, &c, e), 0);
	assert_int_equal(l4_tap_new(&d, e[0], see, seen), 0);
	send_one(d, &s, 0, 0);
	send_one(e[1], &s, 0, 0);
	send_one(e[1], &s, 0, 0);
	assert_int_equal(d->ops->rx(d, f, 4, 0), 2);
	assert_int_equal(seen[1], 154);
	assert_int_equal(seen[0], 2 * 154);
	d->ops->close(d);
	l4_link_free(l);
}

static int64_t from_file(void *ctx, void *buf, size_t cap)
{
	return (int64_t)fread(buf, 1, cap, ctx);
}

static void capture_holds_wire_packets(void **state)
{
	static const struct shape s = { .payload = 30000, .tcp_opts = 12 };
	struct l4_link_config c = { .mtu = 1500, .seed = 1, .tso = true };
	struct l4_device *e[2];
	struct l4_link *l;
	struct l4_frame f[64];
	struct l4_pcap *p;
	struct l4_cap_packet k;
	char path[] = "/tmp/l4-link-test-XXXXXX", err[128];
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(l4_link_new(&l, &c, e), 0);
	assert_int_equal(l4_pcap_open(&p, path, 1000, err, sizeof err), 0);
	assert_int_equal(l4_pcap_add_iface(p, "a", L4_MEDIUM_ETHERNET), 0);
	struct l4_piece w;
	make(&m, &s);
	struct l4_frame out = one_piece(&w, m.bytes, m.len);
	out.off = (struct l4_offload){ .needs_csum = true,
		.gso_type = L4_GSO_TCPV4,
		.gso_size = 1448,
		.csum_start = (uint16_t)m.l4,
		.csum_offset = 16 };
	out.why = (struct l4_why){ .code = L4_WHY_DATA, .a = 14600, .b = 0 };
	assert_int_equal(l4_pcap_frame(p, 0, true, &out, 5), 0);
	assert_int_equal(e[0]->ops->tx(e[0], &out, 1, 5), 1);
	int n = e[1]->ops->rx(e[1], f, 64, 5);
	for (int i = 0; i < n; i++)
		assert_int_equal(l4_pcap_frame(p, 0, false, &f[i], 6), 0);
	assert_int_equal(l4_pcap_close(p), 0);

	FILE *in = fopen(path, "rb");
	struct l4_capfile *r = l4_capfile_new(from_file, in);
	unsigned sent = 0, received = 0;
	while (l4_capfile_next(r, &k) == 1) {
		assert_true(k.caplen <= 1514);
		assert_int_equal(k.linktype, L4_LINK_ETHERNET);
		uint32_t len = k.caplen - m.l4;
		uint16_t pseudo = slow_pseudo(k.data + m.l3, len, 6);
		assert_int_equal(slow_sum(k.data + m.l4, len, pseudo), 0xffff);
		if ((k.flags & 3) == 2) {
			assert_int_equal(k.ts, 1005);
			assert_int_equal(!k.comment, sent > 0); /* on the first part only */
			if (k.comment)
				assert_memory_equal(k.comment, "new data: cwnd 14600 bytes", 26);
			sent++;
		} else {
			assert_int_equal(k.ts, 1005); /* arrival */
			received++;
		}
	}
	assert_int_equal(sent, 21);
	assert_int_equal(received, 21);
	l4_capfile_free(r);
	fclose(in);
	unlink(path);
	l4_link_free(l);
	assert_int_equal(l4_pcap_open(&p, "/nonexistent/file", 0, err, sizeof err), L4_ESYS);
	assert_non_null(strstr(err, "/nonexistent/file"));
}

static void device_names_are_checked(void **state)
{
	static const struct {
		const char *spec;
		int e;
	} rows[] = {
		{ "", L4_EINVAL },
		{ "tap", L4_EINVAL },
		{ "tap:", L4_EINVAL },
		{ "tape:x", L4_EINVAL },
		{ "tap:name-of-16-chars", L4_EINVAL },
		{ "tun:a b", L4_EINVAL },
		{ "xdp:", L4_EINVAL },
		{ "dpdk:eth0", L4_EINVAL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct l4_device *d;
		char err[200] = "";
		int e = l4_device_open(&d, rows[i].spec, NULL, err, sizeof err);
		if (e != rows[i].e || d || !err[0])
			fail_msg("'%s': %d %s", rows[i].spec, e, err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_cross_at_their_time),
		cmocka_unit_test(super_frames_are_cut_and_joined),
		cmocka_unit_test(fault_delays_both_ways),
		cmocka_unit_test(watcher_sees_all),
		cmocka_unit_test(capture_holds_wire_packets),
		cmocka_unit_test(device_names_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
