/* Fuzzes the capture file reader and, on what it gives, every dissector with every field wanted:
 * the input is a whole file. */
#include <layer4/capfile.h>
#include <layer4/dissect.h>

#include <stdint.h>
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
