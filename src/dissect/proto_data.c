/* Bytes that no dissector knows. */
#include "dissect/engine.h"

enum { DATA, BYTES, LEN };

static const struct l4_field fields[] = {
	[DATA] = ROW0("data", "Data", 0),
	[BYTES] = ROW("data.data", "Data", BYTES, NONE, WALK),
	[LEN] = ROW("data.len", "Length", I32, DEC, GEN),
};

static void dissect_data(struct l4_dissect *d, struct l4_view v)
{
	uint32_t own = d->out.n_items;
	dis_layer(d, v, v.cap);
	if (d->w[DATA] && d->out.n_items > own) {
		struct l4_item *title = &d->items[own];
		title->v.p = v.p;
		title->n = v.cap;
		dis_text(d, title, "Data (%u bytes)", v.cap);
	}
	dis_p(d, BYTES, v.p, v.cap);
	struct l4_item *i = dis_u(d, LEN, NULL, 0, 0);
	if (i)
		i->v.i = v.cap;
}

const struct l4_dissector l4_dis_data = {
	.proto = PROTO_INIT("data", "Data", "", fields, 0, NULL),
	.run = dissect_data,
};
