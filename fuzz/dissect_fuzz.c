/* Fuzzes the dissectors directly. The first two bytes choose the link type; then come packets, each
 * with two bytes of length and two of what the wire had beyond it. State is kept across them. */
#include <layer4/dissect.h>

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	uint16_t link = (uint16_t)(data[0] | data[1] << 8);
	struct l4_dissect_config cfg = { .fragments_kib_max = 256,
		.streams_kib_max = 256,
		.connections_max = 64,
		.check_checksums = link & 0x8000 };
	struct l4_dissect *d = l4_dissect_new(&cfg);
	if (!d)
		__builtin_trap();
	l4_dissect_want_all(d);
	l4_dissect_want_columns(d);
	char text[256];
	uint64_t number = 0;
	for (size_t at = 2; at + 4 <= size;) {
		uint32_t n = (uint32_t)(data[at] | data[at + 1] << 8) & 2047;
		uint32_t beyond = (uint32_t)(data[at + 2] | data[at + 3] << 8);
		at += 4;
		if (n > size - at)
			n = (uint32_t)(size - at);
		struct l4_cap_packet c = { .data = data + at,
			.caplen = n,
			.len = n + beyond,
			.has_ts = true,
			.ts = (number + 1) * 1000,
			.number = number + 1,
			.linktype = link & 0x1ff,
			.fcs_len = -1 };
		const struct l4_dissected *p = l4_dissect_packet(d, &c);
		for (uint32_t i = 0; i < p->n_items; i++)
			(void)l4_item_text(&p->items[i], text, sizeof text);
		at += n;
		number++;
	}
	l4_dissect_free(d);
	return 0;
}
