/* Tests of the tables and of the engine: rows that must hold for every protocol, fields read back
 * as written, and every truncation of real-looking packets through every dissector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <layer4/dissect.h>
#include <layer4/err.h>

static void tables_hold_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		assert_non_null(p->name);
		assert_true(p->n_fields >= 1);
		assert_int_equal(p->fields[0].type, L4_FT_PROTOCOL);
		assert_string_equal(p->fields[0].name, p->name);
		for (size_t k = 0; k < p->n_fields; k++) {
			const struct l4_field *f = &p->fields[k];
			if (!f->name || !f->label)
				fail_msg("%s: row %u is empty", p->name, (unsigned)k);
			if (f->derive == L4_DERIVE_NEXT && !f->bits &&
			    strcmp(f->name, "vlan.etype"))
				fail_msg("%s has no place", f->name);
			if (k && f->bits && p->header_bits && f->bit + f->bits > p->header_bits)
				fail_msg("%s ends beyond the header", f->name);
			if (f->bits <= 64 && f->bits && f->def && f->bits < 64 && f->def >> f->bits)
				fail_msg("%s: the default does not fit", f->name);
			assert_ptr_equal(l4_proto_find(p->name), p);
		}
	}
	assert_null(l4_proto_at(l4_proto_count()));
	assert_null(l4_proto_find("nothing"));
	assert_string_equal(l4_field_short(l4_proto_find("tcp"), "dport")->name, "tcp.dstport");
	assert_null(l4_field_find("tcp.nothing", NULL));
}

static void fields_read_back_as_written(void **state)
{
	(void)state;
	static const char *const names[] = { "ip", "ipv6", "tcp", "udp", "dns", "arp", "icmp",
		"vlan", "eth", "mpls", "gre", "vxlan" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const struct l4_proto *p = l4_proto_find(names[i]);
		for (size_t k = 1; k < p->n_fields; k++) {
			const struct l4_field *f = &p->fields[k];
			if (!f->bits || f->bits > 64)
				continue;
			for (int fill = 0; fill < 2; fill++) {
				uint8_t h[64], before[64];
				memset(h, fill ? 0xff : 0, sizeof h);
				memcpy(before, h, sizeof h);
				uint64_t max =
				    f->bits == 64 ? UINT64_MAX : ((uint64_t)1 << f->bits) - 1;
				uint64_t v = 0xa5a5a5a5a5a5a5a5u & max, got;
				assert_int_equal(l4_field_write(f, h, sizeof h, v), 0);
				assert_int_equal(l4_field_read(f, h, sizeof h, &got), 0);
				assert_true(got == v);
				/* neighbours stay */
				for (unsigned b = 0; b < 8 * sizeof h; b++)
					if (b < f->bit || b >= (unsigned)f->bit + f->bits)
						assert_int_equal(h[b / 8] >> (7 - b % 8) & 1,
						    before[b / 8] >> (7 - b % 8) & 1);
			}
		}
	}
	const struct l4_field *f = l4_field_find("tcp.srcport", NULL);
	uint64_t v;
	uint8_t h[1] = { 0 };
	assert_int_equal(l4_field_read(f, h, 1, &v), L4_ETRUNC);
	assert_int_equal(l4_field_write(f, h, 1, 1), L4_ETRUNC);
	assert_int_equal(l4_field_write(f, h, 1, 70000), L4_EINVAL);
}

/* Ethernet, IPv4, TCP SYN with options. */
static const uint8_t syn[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 60, 0, 1, 0x40,
	0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 80, 0, 0, 3, 0xe8, 0, 0, 0, 0,
	0xa0, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3,
	7 };
/* Ethernet, 802.1Q, IPv6, UDP, DNS answer with compression. */
static const uint8_t dns[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 0x86, 0xdd, 0x60,
	0, 0, 0, 0, 53, 17, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1,
	0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 53, 0x30, 0x39, 0, 53, 0, 0, 0x12, 0x34,
	0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1, 'a', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1,
	0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9 };

static const struct l4_dissected *run(
    struct l4_dissect *d, const uint8_t *b, uint32_t n, uint32_t len, struct l4_cap_packet *c)
{
	*c = (struct l4_cap_packet){ .data = b,
		.caplen = n,
		.len = len,
		.number = 1,
		.linktype = L4_LINK_ETHERNET,
		.fcs_len = -1 };
	return l4_dissect_packet(d, c);
}

static void value(const struct l4_dissected *p, const char *name, const char *expected)
{
	char t[256];
	for (uint32_t i = 0; i < p->n_items; i++)
		if (p->items[i].field->name && !strcmp(p->items[i].field->name, name)) {
			t[l4_item_text(&p->items[i], t, sizeof t - 1)] = 0;
			assert_string_equal(t, expected);
			return;
		}
	fail_msg("%s is not there", name);
}

static void known_packets_are_read(void **state)
{
	(void)state;
	struct l4_dissect *d = l4_dissect_new(NULL);
	struct l4_cap_packet c;
	l4_dissect_want_all(d);
	l4_dissect_want_columns(d);
	const struct l4_dissected *p = run(d, syn, sizeof syn, sizeof syn, &c);
	static const struct {
		const char *name, *text;
	} rows[] = { { "eth.type", "0x0800" }, { "ip.src", "192.0.2.1" }, { "ip.flags.df", "1" },
		{ "tcp.srcport", "12345" }, { "tcp.seq", "0" }, { "tcp.seq_raw", "1000" },
		{ "tcp.flags", "0x0002" }, { "tcp.options.mss_val", "1460" },
		{ "tcp.options.wscale.multiplier", "128" }, { "tcp.options.timestamp.tsval", "7" },
		{ "frame.protocols", "eth:ethertype:ip:tcp" }, { "tcp.stream", "0" } };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		value(p, rows[i].name, rows[i].text);
	assert_string_equal(p->info, "12345 → 80 [SYN] Seq=0 Win=65535 Len=0 MSS=1460 SACK_PERM "
				     "TSval=7 TSecr=0 WS=128");
	assert_false(p->malformed || p->cut);
	p = run(d, dns, sizeof dns, sizeof dns, &c);
	value(p, "dns.qry.name", "a.example");
	value(p, "dns.resp.name", "a.example");
	value(p, "dns.a", "192.0.2.9");
	value(p, "vlan.id", "5");
	assert_string_equal(p->info, "Standard query response 0x1234 A a.example A 192.0.2.9");
	l4_dissect_free(d);
}

static void every_truncation_ends_well(void **state)
{
	(void)state;
	static const struct {
		const uint8_t *p;
		uint32_t n;
	} packets[] = { { syn, sizeof syn }, { dns, sizeof dns } };
	for (size_t k = 0; k < 2; k++)
		for (uint32_t n = 0; n < packets[k].n; n++) {
			/* exactly n bytes, so that tools see a read beyond */
			uint8_t *b = malloc(n ? n : 1);
			memcpy(b, packets[k].p, n);
			struct l4_dissect *d = l4_dissect_new(NULL);
			struct l4_cap_packet c;
			l4_dissect_want_all(d);
			l4_dissect_want_columns(d);
			const struct l4_dissected *p = run(d, b, n, packets[k].n, &c);
			assert_true(p->cut || p->malformed);
			p = run(d, b, n, n, &c);
			assert_true(p->n_layers >= 1);
			l4_dissect_free(d);
			free(b);
		}
}

static void every_link_type_bears_anything(void **state)
{
	(void)state;
	for (unsigned link = 0; link < 300; link++)
		for (unsigned fill = 0; fill < 256; fill += 15) {
			uint8_t b[96];
			memset(b, (int)fill, sizeof b);
			struct l4_dissect *d = l4_dissect_new(NULL);
			l4_dissect_want_all(d);
			l4_dissect_want_columns(d);
			struct l4_cap_packet c = { .data = b,
				.caplen = sizeof b,
				.len = sizeof b,
				.number = 1,
				.linktype = (uint16_t)link,
				.fcs_len = -1 };
			assert_true(l4_dissect_packet(d, &c)->n_layers >= 1);
			l4_dissect_free(d);
		}
}

static void loops_in_names_end(void **state)
{
	(void)state;
	uint8_t b[sizeof dns];
	memcpy(b, dns, sizeof b);
	b[sizeof b - 16] = 0xc0; /* the answer's name points at itself */
	b[sizeof b - 15] = (uint8_t)(sizeof b - 16 - 66);
	struct l4_dissect *d = l4_dissect_new(NULL);
	struct l4_cap_packet c;
	l4_dissect_want_all(d);
	const struct l4_dissected *p = run(d, b, sizeof b, sizeof b, &c);
	value(p, "dns.resp.name", "<Name contains a pointer that loops>");
	l4_dissect_free(d);
}

/* A text without bytes may come without an address (UBSan sees what is done with it). */
static void an_empty_text_has_no_bytes(void **state)
{
	(void)state;
	char t[8] = "x";
	struct l4_item i = { .field = l4_field_find("http.host", NULL) };
	assert_non_null(i.field);
	assert_int_equal(i.field->type, L4_FT_STRING);
	assert_int_equal(l4_item_text(&i, t, sizeof t), 0);
	assert_int_equal(t[0], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_hold_together),
		cmocka_unit_test(fields_read_back_as_written),
		cmocka_unit_test(known_packets_are_read),
		cmocka_unit_test(every_truncation_ends_well),
		cmocka_unit_test(every_link_type_bears_anything),
		cmocka_unit_test(loops_in_names_end),
		cmocka_unit_test(an_empty_text_has_no_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
