/* What ACKs tell of data that came out of order, when it came in one batch. */
#include "base/seq.h"
#include "tcp/rig_test.h"

struct told {
	uint32_t acks, blocks;
	uint32_t first[64]; /* start of the first block of each ACK, as island number */
	unsigned count[64]; /* how often each island was told */
	struct l4_sack_block last[4];
	unsigned last_n;
};

/* Island i is the 100 bytes from 200 * i + 201 on: nothing touches. */
static uint32_t island(const struct rig *r, uint32_t start)
{
	return (start - r->irs - 201) / 200;
}

static void collect(struct rig *r, struct told *t)
{
	struct l4_tx_frame f;
	memset(t, 0, sizeof *t);
	while (l4_host_tx(r->h, r->ifx, &f, 1, r->now) > 0) {
		struct l4_packet k;
		struct l4_tcp_hdr h;
		const uint8_t *b = f.f.pieces[0].data;
		assert_int_equal(l4_packet_parse_ip(&k, b, f.f.pieces[0].len, f.f.len, 0), 0);
		assert_true(l4_tcp_parse(&h, b + k.l4_off, f.f.pieces[0].len - k.l4_off) > 0);
		t->last_n = h.opts.present & L4_TCPO_SACK ? h.opts.sack_n : 0;
		for (unsigned i = 0; i < t->last_n; i++) {
			t->last[i] = h.opts.sack[i];
			uint32_t is = island(r, h.opts.sack[i].start);
			if (l4_seq_geq(h.opts.sack[i].start, r->irs + 201) && is < 64) {
				t->count[is]++;
				t->blocks++;
				if (i == 0)
					t->first[t->acks] = is;
			}
		}
		t->acks++;
		assert_true(t->acks < 64);
	}
}

static void put(struct rig *r, uint32_t i)
{
	peer(r, L4_TCPF_ACK, 201 + 200 * i, 1, 100);
}

/* RFC 5681 4.2, RFC 2018 4: every island of a batch is reported, by as few ACKs as it takes, the
 * latest change first. */
static void every_island_is_told(void **state)
{
	(void)state;
	static const struct {
		uint32_t islands, acks;
	} row[] = { { 1, 1 }, { 2, 1 }, { 4, 1 }, { 5, 2 }, { 8, 2 }, { 9, 3 }, { 40, 10 } };
	for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
		struct rig r;
		struct told t;
		rig_up(&r, NULL);
		establish(&r);
		for (uint32_t i = 0; i < row[k].islands; i++)
			put(&r, i);
		collect(&r, &t);
		assert_int_equal(t.acks, row[k].acks);
		for (uint32_t i = 0; i < row[k].islands; i++)
			assert_true(t.count[i] >= 1);
		for (uint32_t a = 0; a + 1 < t.acks; a++) /* in the order they came */
			assert_int_equal(t.first[a], 4 * a + 3);
		assert_int_equal(t.first[t.acks - 1], row[k].islands - 1);
		collect(&r, &t);
		assert_int_equal(t.acks, 0);
		/* one more changed: one ACK, that island first, then the latest others */
		put(&r, 50);
		collect(&r, &t);
		assert_int_equal(t.acks, 1);
		assert_int_equal(t.first[0], 50);
		if (row[k].islands >= 4) {
			assert_int_equal(t.last_n, 4);
			assert_int_equal(island(&r, t.last[1].start), row[k].islands - 1);
		}
		rig_down(&r);
	}
}

/* In order, or with the gap filled in the same batch: one ACK. */
static void a_plain_batch_has_one_ack(void **state)
{
	(void)state;
	struct rig r;
	struct told t;
	rig_up(&r, NULL);
	establish(&r);
	for (uint32_t i = 0; i < 20; i++)
		peer(&r, L4_TCPF_ACK, 1 + 100 * i, 1, 100);
	collect(&r, &t);
	assert_int_equal(t.acks, 1);
	assert_int_equal(t.last_n, 0);
	for (uint32_t i = 20; i > 10; i--) /* last first */
		peer(&r, L4_TCPF_ACK, 1 + 100 * (10 + i - 1), 1, 100);
	collect(&r, &t);
	assert_int_equal(t.acks, 1);
	rig_down(&r);
}

/* RFC 2883 4: the duplicate is reported first, then the island that holds it; it waits for the
 * islands that were not told yet. */
static void a_duplicate_is_told_with_the_last(void **state)
{
	(void)state;
	struct rig r;
	struct told t;
	rig_up(&r, NULL);
	establish(&r);
	for (uint32_t i = 0; i < 6; i++)
		put(&r, i);
	put(&r, 2);
	collect(&r, &t);
	assert_int_equal(t.acks, 2);
	assert_int_equal(island(&r, t.last[0].start), 2);
	assert_int_equal(t.last[0].end, t.last[0].start + 100);
	assert_int_equal(t.last[1].start, t.last[0].start);
	for (uint32_t i = 0; i < 6; i++)
		assert_true(t.count[i] >= 1);
	/* four untold and a duplicate below the ACK: five blocks, two ACKs, the duplicate once */
	peer(&r, L4_TCPF_ACK, 1, 1, 200);
	for (uint32_t i = 10; i < 14; i++)
		put(&r, i);
	peer(&r, L4_TCPF_ACK, 1, 1, 100);
	collect(&r, &t);
	assert_int_equal(t.acks, 2);
	assert_int_equal(t.last[0].start, r.irs + 1);
	assert_int_equal(t.last[0].end, r.irs + 101);
	for (uint32_t i = 10; i < 14; i++)
		assert_true(t.count[i] >= 1);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_island_is_told),
		cmocka_unit_test(a_plain_batch_has_one_ack),
		cmocka_unit_test(a_duplicate_is_told_with_the_last),
	};
	return cmocka_run_group_tests_name("rcvbuf", tests, NULL, NULL);
}
