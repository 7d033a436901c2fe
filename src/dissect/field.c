/* The protocol tables as a whole: finding protocols and fields by name, and reading and writing
 * the fields that have a fixed place, bit by bit as their rows say. */
#include <layer4/err.h>
#include <layer4/field.h>

#include "dissect/engine.h"

const struct l4_dissector *const l4_dissectors[PROTO_COUNT] = {
#define L4_PROTO(name) &l4_dis_##name,
#include "dissect/protos.def"
#undef L4_PROTO
};

size_t l4_proto_count(void)
{
	return PROTO_COUNT;
}

const struct l4_proto *l4_proto_at(size_t index)
{
	return index < PROTO_COUNT ? &l4_dissectors[index]->proto : NULL;
}

const struct l4_proto *l4_proto_find(const char *name)
{
	for (size_t i = 0; i < PROTO_COUNT; i++)
		if (!strcmp(l4_dissectors[i]->proto.name, name))
			return &l4_dissectors[i]->proto;
	return NULL;
}

/* A name is looked for in every table: some tables hold names of another family (http.chat, ...),
 * so the part before the dot does not tell the table. Called at start-up only. */
const struct l4_field *l4_field_find(const char *name, size_t *proto_index)
{
	for (size_t i = 0; i < PROTO_COUNT; i++) {
		const struct l4_proto *p = &l4_dissectors[i]->proto;
		for (size_t k = 0; k < p->n_fields; k++)
			if (p->fields[k].name && !strcmp(p->fields[k].name, name)) {
				if (proto_index)
					*proto_index = i;
				return &p->fields[k];
			}
	}
	return NULL;
}

const struct l4_field *l4_field_short(const struct l4_proto *p, const char *name)
{
	for (size_t k = 1; k < p->n_fields; k++) {
		const struct l4_field *f = &p->fields[k];
		if (!f->name)
			continue;
		const char *dot = strrchr(f->name, '.');
		if ((dot && !strcmp(dot + 1, name)) || (f->alias && !strcmp(f->alias, name)))
			return f;
	}
	return NULL;
}

const char *l4_value_name(const struct l4_value *values, uint64_t value)
{
	for (; values && values->name; values++)
		if (values->value == value)
			return values->name;
	return NULL;
}

int l4_field_read(const struct l4_field *f, const void *header, size_t n, uint64_t *out)
{
	const uint8_t *p = header;
	*out = 0;
	if (!f->bits || f->bits > 64)
		return L4_EINVAL;
	size_t first = f->bit / 8u, last = (f->bit + f->bits - 1u) / 8u;
	if (last >= n)
		return L4_ETRUNC;
	uint64_t v = 0;
	unsigned skip = f->bit % 8u;
	unsigned tail = 7u - (f->bit + f->bits - 1u) % 8u;
	for (size_t i = first; i <= last; i++) {
		uint64_t b = p[i];
		if (i == first)
			b &= 0xffu >> skip;
		v = i == last ? v << (8 - tail) | b >> tail : v << 8 | b;
	}
	*out = v;
	return 0;
}

int l4_field_write(const struct l4_field *f, void *header, size_t n, uint64_t value)
{
	uint8_t *p = header;
	if (!f->bits || f->bits > 64 || (f->bits < 64 && value >> f->bits))
		return L4_EINVAL;
	if ((f->bit + f->bits - 1u) / 8u >= n)
		return L4_ETRUNC;
	for (unsigned i = 0; i < f->bits; i++) {
		unsigned at = f->bit + f->bits - 1u - i;
		uint8_t mask = (uint8_t)(0x80u >> at % 8u);
		if (value >> i & 1)
			p[at / 8u] |= mask;
		else
			p[at / 8u] &= (uint8_t)~mask;
	}
	return 0;
}
