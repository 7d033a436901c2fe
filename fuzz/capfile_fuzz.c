/* Fuzzes the capture file reader and, on what it gives, every dissector with every field wanted:
 * the input is a whole file. With L4_FUZZ_FORMAT=pcap or pcapng (tools/fuzz capfile.pcap, ...) all
 * inputs begin with that format's magic number. */
#include <layer4/capfile.h>
#include <layer4/dissect.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *p;
	size_t n;
};

static int64_t give(void *ctx, void *buf, size_t cap)
{
	struct input *i = ctx;
	size_t k = i->n < cap ? i->n : cap;
	memcpy(buf, i->p, k);
	i->p += k;
	i->n -= k;
	return (int64_t)k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct l4_capfile *f = l4_capfile_new(give, &in);
	struct l4_dissect *d = l4_dissect_new(NULL);
	if (!f || !d)
		__builtin_trap();
	l4_dissect_want_all(d);
	l4_dissect_want_columns(d);
	struct l4_cap_packet c;
	char text[256];
	for (int k = 0; k < 200 && l4_capfile_next(f, &c) == 1; k++) {
		const struct l4_dissected *p = l4_dissect_packet(d, &c);
		for (uint32_t i = 0; i < p->n_items; i++)
			(void)l4_item_text(&p->items[i], text, sizeof text);
	}
	l4_dissect_free(d);
	l4_capfile_free(f);
	return 0;
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static const uint8_t magic[5][4] = { { 0x0a, 0x0d, 0x0d, 0x0a }, { 0xd4, 0xc3, 0xb2, 0xa1 },
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0x4d, 0x3c, 0xb2, 0xa1 },
		{ 0xa1, 0xb2, 0x3c, 0x4d } };
	const char *format = getenv("L4_FUZZ_FORMAT");
	size_t n = LLVMFuzzerMutate(data, size, max);
	if (format && n >= 4)
		memcpy(data, magic[strcmp(format, "pcapng") ? 1 + seed % 4 : 0], 4);
	return n;
}
#endif
