/* Tests of the capture file reader and writer: what is written is read back; every truncation of
 * a good file ends in a named error; lengths that lie are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/capfile.h>
#include <layer4/err.h>

struct mem {
	uint8_t b[8192];
	size_t n, at;
	size_t chunk; /* bytes a read gives at most; 0: no limit */
};

static int mem_write(void *ctx, const void *data, size_t n)
{
	struct mem *m = ctx;
	if (n > sizeof m->b - m->n)
		return L4_ELIMIT;
	memcpy(m->b + m->n, data, n);
	m->n += n;
	return 0;
}

static int64_t mem_read(void *ctx, void *buf, size_t cap)
{
	struct mem *m = ctx;
	size_t k = m->n - m->at;
	if (k > cap)
		k = cap;
	if (m->chunk && k > m->chunk)
		k = m->chunk;
	memcpy(buf, m->b + m->at, k);
	m->at += k;
	return (int64_t)k;
}

static void sample_pcapng(struct mem *m)
{
	struct l4_capwr w;
	memset(m, 0, sizeof *m);
	assert_int_equal(l4_capwr_init(&w, mem_write, m, "test"), 0);
	assert_int_equal(l4_capwr_interface(&w, L4_LINK_ETHERNET, 0, "eth0", NULL), 0);
	assert_int_equal(l4_capwr_interface(&w, L4_LINK_RAW, 100, NULL, "a tunnel"), 1);
	struct l4_capwr_packet p = { .interface_id = 0,
		.ts = 1234567890123456789u,
		.data = "abcde",
		.caplen = 5,
		.len = 77,
		.direction = L4_CAPWR_OUT,
		.comment = "retransmission: RACK" };
	assert_int_equal(l4_capwr_packet(&w, &p), 0);
	p = (struct l4_capwr_packet){ .interface_id = 1, .ts = 1, .data = "xyzw", .caplen = 4 };
	assert_int_equal(l4_capwr_packet(&w, &p), 0);
	p.interface_id = 2;
	assert_int_equal(l4_capwr_packet(&w, &p), L4_EINVAL);
	assert_int_equal(l4_capwr_stats(&w, 0, 5, 10, 1), 0);
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	for (size_t chunk = 0; chunk < 9; chunk++) {
		struct mem m;
		sample_pcapng(&m);
		m.chunk = chunk;
		struct l4_capfile *f = l4_capfile_new(mem_read, &m);
		struct l4_cap_packet p;
		assert_int_equal(l4_capfile_next(f, &p), 1);
		assert_int_equal(l4_capfile_format(f), L4_CAPFILE_PCAPNG);
		assert_true(p.ts == 1234567890123456789u);
		assert_int_equal(p.caplen, 5);
		assert_int_equal(p.len, 77);
		assert_int_equal(p.number, 1);
		assert_memory_equal(p.data, "abcde", 5);
		assert_int_equal(p.comment_len, 20);
		assert_memory_equal(p.comment, "retransmission: RACK", 20);
		assert_true(p.has_flags && (p.flags & 3) == 2);
		assert_int_equal(p.linktype, L4_LINK_ETHERNET);
		assert_int_equal(l4_capfile_next(f, &p), 1);
		assert_int_equal(p.linktype, L4_LINK_RAW);
		assert_int_equal(p.len, 4);
		assert_null(p.comment);
		assert_string_equal(l4_capfile_interface(f, 0)->name, "eth0");
		assert_string_equal(l4_capfile_interface(f, 1)->description, "a tunnel");
		assert_int_equal(l4_capfile_next(f, &p), 0);
		assert_int_equal(l4_capfile_next(f, &p), 0);
		l4_capfile_free(f);
	}
}

/* Reads all of it; returns the last code and counts the packets. */
static int drain(struct mem *m, int *packets)
{
	struct l4_capfile *f = l4_capfile_new(mem_read, m);
	struct l4_cap_packet p;
	int r;
	*packets = 0;
	while ((r = l4_capfile_next(f, &p)) == 1)
		++*packets;
	uint64_t at;
	if (r < 0) {
		assert_true(l4_capfile_damage(f, &at)[0] != 0);
		assert_true(at <= m->n);
	}
	l4_capfile_free(f);
	return r;
}

static void every_truncation_is_an_error(void **state)
{
	(void)state;
	struct mem whole, m;
	sample_pcapng(&whole);
	int packets, clean = 0;
	for (size_t n = 0; n <= whole.n; n++) {
		m = whole;
		m.n = n;
		int r = drain(&m, &packets);
		clean += r == 0;
		if (r == 0)
			assert_true(n > 0);
	}
	/* whole blocks only: the header, two interfaces, two packets, the statistics */
	assert_int_equal(clean, 6);
}

static void put32(uint8_t *p, uint32_t v, bool big)
{
	for (int i = 0; i < 4; i++)
		p[big ? i : 3 - i] = (uint8_t)(v >> (24 - 8 * i));
}

static void pcap_in_four_forms(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		bool big = form & 1, nano = form & 2;
		struct mem m;
		memset(&m, 0, sizeof m);
		put32(m.b, nano ? 0xa1b23c4d : 0xa1b2c3d4, big);
		put32(m.b + 16, 65535, big);
		put32(m.b + 20, 1, big);
		put32(m.b + 24, 100, big);
		put32(m.b + 28, 7, big);
		put32(m.b + 32, 3, big);
		put32(m.b + 36, 60, big);
		memcpy(m.b + 40, "abc", 3);
		m.n = 43;
		struct l4_capfile *f = l4_capfile_new(mem_read, &m);
		struct l4_cap_packet p;
		assert_int_equal(l4_capfile_next(f, &p), 1);
		assert_true(p.ts == 100 * L4_SEC + (nano ? 7 : 7000));
		assert_int_equal(p.caplen, 3);
		assert_int_equal(p.len, 60);
		assert_int_equal(l4_capfile_next(f, &p), 0);
		l4_capfile_free(f);
		int packets;
		m.at = 0;
		m.n = 42;
		assert_int_equal(drain(&m, &packets), L4_ETRUNC);
		m.at = 0;
		m.n = 43;
		put32(m.b + 32, 0x7fffffff, big);
		assert_int_equal(drain(&m, &packets), L4_EMALFORMED);
	}
}

static void lies_are_refused(void **state)
{
	(void)state;
	struct mem whole, m;
	sample_pcapng(&whole);
	int packets;
	/* Every byte changed to values that hurt lengths most: never a crash, always an end. */
	static const uint8_t v[] = { 0, 1, 3, 0x7f, 0x80, 0xff };
	for (size_t i = 0; i < whole.n; i++)
		for (size_t k = 0; k < sizeof v; k++) {
			m = whole;
			m.b[i] = v[k];
			int r = drain(&m, &packets);
			assert_true(r <= 0 && packets <= 3);
		}
	m = whole;
	m.b[0] = 1;
	assert_int_equal(drain(&m, &packets), L4_EUNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(pcap_in_four_forms),
		cmocka_unit_test(lies_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
