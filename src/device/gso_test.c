/* Tests of splitting and joining: every shape of frame is cut at many sizes, each part judged field
 * by field against a slow checksum, and joined again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <layer4/err.h>

#include "device/testframes.h"

static const struct shape shapes[] = {
	{ .name = "v4", .payload = 4000, .seq = 0xfffffc00 },
	{ .name = "v4, FIN PSH", .payload = 2921, .flags = 0x09, .tcp_opts = 12 },
	{ .name = "v4, CWR", .payload = 9000, .flags = 0x80, .tcp_opts = 12, .tos = 2 },
	{ .name = "v4 with options", .payload = 3001, .ip_opts = 8, .tcp_opts = 40 },
	{ .name = "v4, 64 KiB", .payload = 65535 - 40 },
	{ .name = "v4 bare", .bare_ip = true, .payload = 5000, .tcp_opts = 12 },
	{ .name = "v4, tag", .tags = 1, .payload = 3000 },
	{ .name = "v4, two tags", .tags = 2, .payload = 3000, .tcp_opts = 4 },
	{ .name = "v6", .v6 = true, .payload = 10001, .tcp_opts = 12, .flags = 0x88 },
	{ .name = "v6 bare", .v6 = true, .bare_ip = true, .payload = 4999 },
	{ .name = "v6, 64 KiB", .v6 = true, .payload = 65535 - 20 },
	{ .name = "one short part", .payload = 7 },
	{ .name = "udp4", .udp = true, .payload = 5000 },
	{ .name = "udp6", .udp = true, .v6 = true, .payload = 5001 },
	{ .name = "udp4 bare", .udp = true, .bare_ip = true, .payload = 1 },
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static struct made whole;
static uint8_t part[70000];

static struct l4_offload offload(const struct shape *s, uint16_t size)
{
	return (struct l4_offload){
		.needs_csum = true,
		.gso_type = s->udp  ? L4_GSO_UDP_L4
			    : s->v6 ? L4_GSO_TCPV6
				    : L4_GSO_TCPV4,
		.gso_size = size,
		.gso_ecn = s->flags & 0x80,
		.hdr_len = (uint16_t)whole.hdr,
		.csum_start = (uint16_t)whole.l4,
		.csum_offset = s->udp ? 6 : 16,
	};
}

/* Cuts the bytes of `whole` into pieces: headers, then runs of `run` bytes (0: one run). */
static struct l4_frame in_pieces(struct l4_piece *p, uint32_t run)
{
	struct l4_frame f = one_piece(p, whole.bytes, whole.len);
	uint32_t at = whole.hdr;
	if (!run)
		return f;
	p[0].len = whole.hdr;
	while (at < whole.len) {
		uint32_t n = whole.len - at < run ? whole.len - at : run;
		p[f.n_pieces++] = (struct l4_piece){ whole.bytes + at, n };
		at += n;
	}
	return f;
}

static void judge_part(const struct shape *s, uint32_t k, uint32_t at, uint32_t n, bool last)
{
	const uint8_t *ip = part + whole.l3, *t = part + whole.l4;
	uint32_t l4_len = whole.hdr - whole.l4 + n;
	if (s->v6) {
		assert_int_equal(l4_get_u16(ip + 4), l4_len);
	} else {
		assert_int_equal(l4_get_u16(ip + 2), whole.l4 - whole.l3 + l4_len);
		assert_int_equal(l4_get_u16(ip + 4), (uint16_t)(0xfffe + k));
		assert_int_equal(slow_sum(ip, whole.l4 - whole.l3, 0), 0xffff);
	}
	uint16_t pseudo = slow_pseudo(ip, l4_len, s->udp ? 17 : 6);
	assert_int_equal(slow_sum(t, l4_len, pseudo), 0xffff);
	assert_memory_equal(part, whole.bytes, whole.l3);
	assert_memory_equal(part + whole.hdr, whole.bytes + whole.hdr + at, n);
	assert_memory_equal(t, whole.bytes + whole.l4, 4);
	if (s->udp) {
		assert_int_equal(l4_get_u16(t + 4), l4_len);
		return;
	}
	uint8_t flags = 0x10 | s->flags;
	if (k)
		flags &= 0x7f;
	if (!last)
		flags &= 0xf6;
	assert_int_equal(t[13], flags);
	assert_int_equal(l4_get_u32(t + 4), (uint32_t)(s->seq + at));
	assert_memory_equal(t + 8, whole.bytes + whole.l4 + 8, 5);
	assert_memory_equal(t + 18, whole.bytes + whole.l4 + 18, whole.hdr - whole.l4 - 18);
}

static void every_part_is_a_valid_packet(void **state)
{
	static const uint16_t sizes[] = { 1460, 1448, 536, 999, 1, 65535 };
	static const uint32_t runs[] = { 0, 4096, 1461, 333 };
	static struct l4_piece pieces[70000 / 333 + 2];
	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++)
		for (size_t z = 0; z < sizeof sizes / sizeof sizes[0]; z++)
			for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
				const struct shape *s = &shapes[i];
				if (sizes[z] == 1 && s->payload > 5001)
					continue;
				make(&whole, s);
				struct l4_frame f = in_pieces(pieces, runs[r]);
				f.off = offload(s, sizes[z]);
				struct l4_gso g;
				l4_gso_begin(&g, &f);
				uint32_t at = 0, k = 0;
				int n;
				while ((n = l4_gso_next(&g, part, sizeof part)) > 0) {
					uint32_t data = (uint32_t)n - whole.hdr;
					bool last = at + data == s->payload;
					assert_true(last || data == sizes[z]);
					judge_part(s, k++, at, data, last);
					at += data;
				}
				assert_int_equal(n, 0);
				assert_int_equal(at, s->payload);
				assert_int_equal(k, l4_gso_parts(&f));
			}
}

static void plain_frame_gets_its_checksum(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct l4_piece p[400];
		make(&whole, s);
		struct l4_frame f = in_pieces(p, 333);
		f.off.needs_csum = true;
		f.off.csum_start = (uint16_t)whole.l4;
		f.off.csum_offset = s->udp ? 6 : 16;
		struct l4_gso g;
		l4_gso_begin(&g, &f);
		assert_int_equal(l4_gso_next(&g, part, whole.len - 1), L4_EMSGSIZE);
		assert_int_equal(l4_gso_next(&g, part, sizeof part), whole.len);
		assert_int_equal(l4_gso_next(&g, part, sizeof part), 0);
		finish_sum(&whole, s->udp);
		assert_memory_equal(part, whole.bytes, whole.len);
	}
}

static void records_that_lie_are_refused(void **state)
{
	(void)state;
	struct l4_piece p[1];
	const struct shape *s = &shapes[0];
	make(&whole, s);
	/* Every csum_start and every length of frame: nothing is read outside, and an error is an
	 * error for good. */
	for (uint32_t len = 0; len < 80; len++)
		for (uint16_t start = 0; start < 90; start++) {
			struct l4_frame f = one_piece(p, whole.bytes, len);
			f.off = offload(s, 100);
			f.off.csum_start = start;
			struct l4_gso g;
			l4_gso_begin(&g, &f);
			int n = l4_gso_next(&g, part, sizeof part);
			if (len < whole.hdr || start != whole.l4)
				assert_int_equal(n, L4_EMALFORMED);
			else
				assert_true(n > 0);
		}
	static const struct {
		const char *name;
		uint32_t at; /* byte changed */
		uint8_t to;
		uint8_t type;
		uint16_t size;
	} rows[] = {
		{ "size zero", 0, 2, L4_GSO_TCPV4, 0 },
		{ "v6 record on v4", 0, 2, L4_GSO_TCPV6, 100 },
		{ "data offset below 5", 46, 0x40, L4_GSO_TCPV4, 100 },
		{ "header length not csum_start", 14, 0x46, L4_GSO_TCPV4, 100 },
		{ "ARP", 13, 0x06, L4_GSO_TCPV4, 100 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		make(&whole, s);
		whole.bytes[rows[i].at] = rows[i].to;
		struct l4_frame f = one_piece(p, whole.bytes, whole.len);
		f.off = offload(s, rows[i].size);
		f.off.gso_type = rows[i].type;
		struct l4_gso g;
		l4_gso_begin(&g, &f);
		if (l4_gso_next(&g, part, sizeof part) != L4_EMALFORMED)
			fail_msg("%s: not refused", rows[i].name);
	}
}

/* Splits a shape, then joins the parts; `spoil` changes part k before that. */
static size_t split_and_join(const struct shape *s, uint16_t size,
    void (*spoil)(uint8_t *, uint32_t), struct l4_frame *out, struct l4_piece *pool)
{
	static uint8_t parts[64][1600];
	static struct l4_piece p[64];
	struct l4_frame in[64];
	struct l4_piece w[1];
	make(&whole, s);
	struct l4_frame f = one_piece(w, whole.bytes, whole.len);
	f.off = offload(s, size);
	struct l4_gso g;
	l4_gso_begin(&g, &f);
	uint32_t n = 0;
	int len;
	while (n < 64 && (len = l4_gso_next(&g, parts[n], sizeof parts[n])) > 0) {
		if (spoil)
			spoil(parts[n], n);
		in[n] = one_piece(&p[n], parts[n], (uint32_t)len);
		in[n].time = n;
		n++;
	}
	return l4_gro_join(s->bare_ip ? L4_MEDIUM_IP : L4_MEDIUM_ETHERNET, in, n, out, pool, 64);
}

static uint32_t whole_len(const struct shape *s)
{
	return (s->v6 ? 40 : 20) + 20 + s->tcp_opts + s->payload;
}

static void joined_is_what_was_split(void **state)
{
	struct l4_frame out[64];
	struct l4_piece pool[64];
	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		if (s->udp || s->tags || s->ip_opts || (s->flags & ~8) || s->payload < 1000 ||
		    whole_len(s) > 65535) /* a joined frame keeps to gso_max */
			continue;
		assert_int_equal(split_and_join(s, 1400, NULL, out, pool), 1);
		assert_int_equal(out[0].len, whole.len);
		assert_true(out[0].off.csum_valid);
		assert_int_equal(out[0].off.gso_size, 1400);
		assert_int_equal(out[0].time, (s->payload - 1) / 1400);
		uint32_t at = 0;
		for (uint32_t k = 0; k < out[0].n_pieces; k++) {
			memcpy(part + at, out[0].pieces[k].data, out[0].pieces[k].len);
			at += (uint32_t)out[0].pieces[k].len;
		}
		assert_int_equal(at, whole.len);
		memset(part + whole.l4 + 16, 0,
		    2); /* the checksum is the first part's: csum_valid says */
		memset(whole.bytes + whole.l4 + 16, 0, 2);
		assert_memory_equal(part, whole.bytes, whole.len);
	}
}

static void resum(uint8_t *p)
{
	uint32_t len = l4_get_u16(p + 16) - 20u;
	l4_put_u16(p + 14 + 10, 0);
	l4_put_u16(p + 14 + 10, (uint16_t)~slow_sum(p + 14, 20, 0));
	l4_put_u16(p + 50, 0);
	l4_put_u16(p + 50, (uint16_t)~slow_sum(p + 34, len, slow_pseudo(p + 14, len, 6)));
}

static void spoil_sum(uint8_t *p, uint32_t k)
{
	if (k == 1)
		p[60] ^= 4;
}
static void spoil_window(uint8_t *p, uint32_t k)
{
	if (k == 1) {
		p[49] ^= 1;
		resum(p);
	}
}
static void spoil_tos(uint8_t *p, uint32_t k)
{
	if (k == 1) {
		p[15] ^= 3;
		resum(p);
	}
}
static void spoil_port(uint8_t *p, uint32_t k)
{
	if (k == 1) {
		p[35] ^= 1;
		resum(p);
	}
}
static void spoil_urg(uint8_t *p, uint32_t k)
{
	if (k == 1) {
		p[47] |= 0x20;
		resum(p);
	}
}
static void spoil_push(uint8_t *p, uint32_t k)
{
	if (k == 1) {
		p[47] |= 0x08;
		resum(p);
	}
}

static void what_does_not_fit_stays_alone(void **state)
{
	static const struct {
		const char *name;
		void (*spoil)(uint8_t *, uint32_t);
		size_t n; /* frames out of the four parts that went in */
	} rows[] = {
		{ "nothing", NULL, 1 },
		{ "checksum", spoil_sum, 3 },
		{ "window", spoil_window, 3 },
		{ "ECN mark", spoil_tos, 3 },
		{ "port", spoil_port, 3 },
		{ "urgent", spoil_urg, 3 },
		{ "push ends a frame", spoil_push, 2 },
	};
	struct l4_frame out[64];
	struct l4_piece pool[64];
	(void)state;
	static const struct shape s = { .payload = 4000 };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = split_and_join(&s, 1000, rows[i].spoil, out, pool);
		if (n != rows[i].n)
			fail_msg("%s: %zu frames, not %zu", rows[i].name, n, rows[i].n);
	}
}

/* A sum of all ones folds to zero. UDP stores 0xffff for it, as zero would mean none (RFC 768); TCP
 * stores what it is (RFC 9293 3.1), which a reader of captures calls right. */
static void zero_is_told_otherwise_by_udp_only(void **state)
{
	static const uint16_t offset[2] = { 6, 16 };
	(void)state;
	for (int k = 0; k < 2; k++) {
		unsigned zeros = 0, ones = 0;
		for (uint32_t word = 0; word < 65536; word++) {
			uint8_t in[42] = { 0x45 }, out[42];
			in[40] = (uint8_t)(word >> 8);
			in[41] = (uint8_t)word;
			struct l4_piece p = { in, sizeof in };
			struct l4_frame f = { .pieces = &p, .n_pieces = 1, .len = sizeof in };
			f.off.needs_csum = true;
			f.off.csum_start = 20;
			f.off.csum_offset = offset[k];
			in[20] = 0x12; /* so that the sum is not zero to begin with */
			struct l4_gso g;
			l4_gso_begin(&g, &f);
			assert_int_equal(l4_gso_next(&g, out, sizeof out), sizeof out);
			uint16_t c = (uint16_t)(out[20 + offset[k]] << 8 | out[21 + offset[k]]);
			zeros += c == 0;
			ones += c == 0xffff;
		}
		assert_int_equal(zeros, k ? 1 : 0);
		assert_int_equal(ones, k ? 0 : 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_is_a_valid_packet),
		cmocka_unit_test(plain_frame_gets_its_checksum),
		cmocka_unit_test(records_that_lie_are_refused),
		cmocka_unit_test(joined_is_what_was_split),
		cmocka_unit_test(what_does_not_fit_stays_alone),
		cmocka_unit_test(zero_is_told_otherwise_by_udp_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
