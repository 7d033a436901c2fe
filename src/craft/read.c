/* Fields of a packet by name, for programs that want a few of them.
 *
 * The same tables and forms that write a packet say where its fields stand: a header's length, and
 * which protocol its "next" field or ports name. No state is kept, so a fragment behind the first
 * or a segment in the middle of a stream ends the walk where its payload begins. Every step is
 * checked against what remains. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

/* The form by what the choosing field holds. */
static const struct l4_craft_form *form_of(const struct l4_proto *p, const uint8_t *h, uint32_t n)
{
	const struct l4_craft_form *f;
	uint64_t v = 0;
	for (size_t i = 0; (f = l4_craft_form(p, i)) != NULL; i++) {
		const struct l4_field *by =
		    f->by ? craft_named(p, p->fields + 1, p->n_fields - 1u, f->by) : NULL;
		if (by && l4_field_read(by, h, n, &v) == 0)
			break;
	}
	/* A query of IGMPv3 is known by its length (RFC 3376 7.1). */
	for (size_t i = 0; v == 0x11 && n >= 12 && (f = l4_craft_form(p, i)) != NULL; i++)
		if (!strcmp(p->name, "igmp") && f->on_demand)
			return f;
	return craft_form_of(p, v);
}

/* What a header says of its own length, bytes; 0: nothing. */
static uint32_t own_length(const struct l4_proto *p, const uint8_t *h)
{
	if (!strcmp(p->name, "ip"))
		return (h[0] & 15u) * 4;
	if (!strcmp(p->name, "tcp"))
		return (h[12] >> 4) * 4u;
	if (!strcmp(p->name, "ipv6.hopopts") || !strcmp(p->name, "ipv6.dstopts") ||
	    !strcmp(p->name, "ipv6.routing"))
		return (h[1] + 1u) * 8;
	if (!strcmp(p->name, "gre") && !(h[1] & 7)) /* RFC 2890 2 */
		return 4u + (h[0] & 0xc0 ? 4 : 0) + (h[0] & 0x20 ? 4 : 0) + (h[0] & 0x10 ? 4 : 0);
	return 0;
}

uint32_t craft_header(const struct l4_proto *p, const uint8_t *h, uint32_t left,
    const struct l4_craft_form **form, uint32_t *fixed)
{
	uint32_t table = p->header_bits / 8u;
	if (!table || left < table)
		return 0;
	*form = form_of(p, h, left);
	*fixed = table;
	if (*form && (*form)->header_bits / 8u > table)
		*fixed = (*form)->header_bits / 8u;
	if (left < *fixed) { /* cut off in the form's part: without it */
		*form = NULL;
		*fixed = table;
	}
	uint32_t n = own_length(p, h);
	if (n < *fixed)
		n = *fixed;
	return n <= left ? n : 0;
}

static const struct l4_proto *bound(const char *table, uint32_t key)
{
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		for (const struct l4_binding *b = p->bindings; b && b->table; b++)
			if (b->key == key && !strcmp(b->table, table))
				return p;
	}
	return NULL;
}

static const struct l4_proto *first_of(uint16_t linktype, const uint8_t *h, uint32_t n)
{
	if (linktype == L4_LINK_RAW || linktype == L4_LINK_IPV4 || linktype == L4_LINK_IPV6)
		return !n               ? NULL
		       : h[0] >> 4 == 4 ? l4_proto_find("ip")
		       : h[0] >> 4 == 6 ? l4_proto_find("ipv6")
					: NULL;
	/* The table's form is that of version 1. */
	return linktype == L4_LINK_LINUX_SLL2 ? NULL : bound("linktype", linktype);
}

/* The packet that an ICMP error quotes (RFC 792, RFC 4443 2.1). */
static const struct l4_proto *quoted(const struct l4_proto *p, uint8_t type)
{
	if (!strcmp(p->name, "icmp") &&
	    (type == 3 || type == 4 || type == 5 || type == 11 || type == 12))
		return l4_proto_find("ip");
	return !strcmp(p->name, "icmpv6") && type >= 1 && type <= 4 ? l4_proto_find("ipv6") : NULL;
}

static const struct l4_proto *next_of(const struct l4_proto *p, const uint8_t *h)
{
	uint64_t v;
	/* Behind the first fragment there is no header. */
	if (!strcmp(p->name, "ip") && (l4_get_u16(h + 6) & 0x1fff))
		return NULL;
	if (!strcmp(p->name, "ipv6.fraghdr") && (l4_get_u16(h + 2) & 0xfff8))
		return NULL;
	if (!strcmp(p->name, "udp")) {
		const struct l4_proto *n = bound("udp.port", l4_get_u16(h + 2));
		return n ? n : bound("udp.port", l4_get_u16(h));
	}
	struct expr_layer l = {
		.proto = p, .form = craft_form_of(p, 0), .header = p->header_bits / 8u
	};
	const struct l4_field *f;
	for (uint32_t i = 0; (f = craft_row(&l, &i)) != NULL;)
		if (f->derive == L4_DERIVE_NEXT && l4_field_read(f, h, l.header, &v) == 0)
			return bound(craft_next_table(p, f), (uint32_t)v);
	return quoted(p, h[0]);
}

/* Where the layer says that it ends; `end` if it says nothing that fits. */
static uint32_t end_of(const struct l4_proto *p, const uint8_t *h, uint32_t at, uint32_t end)
{
	uint32_t n = !strcmp(p->name, "ip")     ? l4_get_u16(h + 2)
		     : !strcmp(p->name, "ipv6") ? l4_get_u16(h + 4) + 40u
		     : !strcmp(p->name, "udp")  ? l4_get_u16(h + 4)
		     : !strcmp(p->name, "arp")  ? 28u
						: 0;
	return n && n < end - at ? at + n : end;
}

uint32_t l4_craft_read(struct l4_craft_packet *p, uint16_t linktype, const void *data, size_t n)
{
	const struct l4_craft_form *form;
	uint32_t at = 0, end = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX, fixed;
	*p = (struct l4_craft_packet){ .data = data, .n = end };
	const struct l4_proto *proto = first_of(linktype, data, end);
	while (proto && p->n_layers < L4_CRAFT_LAYERS) {
		const uint8_t *h = p->data + at;
		uint32_t header = craft_header(proto, h, end - at, &form, &fixed);
		if (!header)
			break;
		uint32_t own = end_of(proto, h, at, end);
		if (own < at + header)
			own = at + header;
		p->layers[p->n_layers].proto = proto;
		p->layers[p->n_layers].at = at;
		p->layers[p->n_layers].header = header;
		p->layers[p->n_layers++].end = own;
		end = own;
		at += header;
		proto = next_of(proto, h);
	}
	return p->n_layers;
}

/* The value called `name` in the options of a layer: where its option begins, and its place. */
static const uint8_t *in_options(const struct l4_craft_packet *p, uint32_t layer, uint32_t fixed,
    const char *name, struct expr_place *at)
{
	const struct l4_proto *proto = p->layers[layer].proto;
	bool ndp = !strcmp(proto->name, "icmpv6"), tcp = !strcmp(proto->name, "tcp");
	bool whole = tcp || !strcmp(proto->name, "ip");
	bool to_end = ndp || !strcmp(proto->name, "dhcp");
	const uint8_t *o = p->data + p->layers[layer].at + fixed;
	const uint8_t *end = p->data + (to_end ? p->layers[layer].end
					       : p->layers[layer].at + p->layers[layer].header);
	while (end - o >= 2) {
		const struct l4_craft_option *t = craft_option_of(proto, "options", o[0]);
		if (t && t->style == STYLE_BARE) {
			o++;
			continue;
		}
		uint32_t n = ndp ? o[1] * 8u : whole ? o[1] : o[1] + 2u;
		if (n < 2 || n > (size_t)(end - o))
			return NULL;
		if (t && craft_option_place(t, name, at) && at->bit + at->bits <= n * 8)
			return o;
		o += n;
	}
	return NULL;
}

/* Where a field stands: its layer's (or option's) first byte and its place from there. */
static const uint8_t *find(
    const struct l4_craft_packet *p, const char *field, struct expr_place *at)
{
	char proto[32];
	const char *name = strchr(field, '.');
	/* Some protocols have a dot in their name. */
	if (name && !strncmp(field, "ipv6.", 5) && strchr(name + 1, '.'))
		name = strchr(name + 1, '.');
	if (!name || (size_t)(name - field) >= sizeof proto)
		return NULL;
	memcpy(proto, field, (size_t)(name - field));
	proto[name - field] = 0;
	name++;
	const struct l4_proto *wanted = l4_craft_proto(proto);
	for (uint32_t i = 0; wanted && i < p->n_layers; i++) {
		if (p->layers[i].proto != wanted)
			continue;
		const uint8_t *h = p->data + p->layers[i].at;
		const struct l4_craft_form *form, *of = NULL;
		uint32_t fixed = 0;
		craft_header(wanted, h, p->layers[i].header, &form, &fixed);
		const struct l4_field *f =
		    craft_named(wanted, wanted->fields + 1, wanted->n_fields - 1u, name);
		if (!f && form) {
			f = craft_named(wanted, form->fields, form->n_fields, name);
			of = form;
		}
		if (!f)
			return in_options(p, i, fixed, name, at);
		*at = (struct expr_place){ f->bit, f->bits };
		uint32_t room = of ? fixed : wanted->header_bits / 8u;
		return (f->bit + f->bits + 7u) / 8u <= room ? h : NULL;
	}
	return NULL;
}

int l4_craft_get(const struct l4_craft_packet *p, const char *field, uint64_t *value)
{
	struct expr_place at;
	const uint8_t *h = find(p, field, &at);
	*value = 0;
	if (!h)
		return L4_ENOTFOUND;
	struct l4_field f = { .bit = (uint16_t)at.bit, .bits = (uint16_t)at.bits };
	return l4_field_read(&f, h, (at.bit + at.bits + 7) / 8, value);
}

const uint8_t *l4_craft_bytes(const struct l4_craft_packet *p, const char *field, size_t *n)
{
	struct expr_place at;
	const uint8_t *h = find(p, field, &at);
	*n = 0;
	if (!h || at.bit % 8 || at.bits % 8)
		return NULL;
	*n = at.bits / 8;
	return h + at.bit / 8;
}

const uint8_t *l4_craft_payload(const struct l4_craft_packet *p, size_t *n)
{
	uint32_t at = 0, end = p->n;
	if (p->n_layers) {
		at = p->layers[p->n_layers - 1].at + p->layers[p->n_layers - 1].header;
		end = p->layers[p->n_layers - 1].end;
	}
	*n = end - at;
	return p->data + at;
}
