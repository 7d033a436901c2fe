/* Packets that have a name in a script, and their fields.
 *
 * A field with a fixed place is read from the bytes, so that $synack.tcp.seq is what stands in the
 * header; any other is what dissection found. */
#include <layer4/capfile.h>
#include <layer4/packet.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/script.h"

void bound_free(struct bound *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_items; i++)
		free(b->items[i].text);
	free(b->items);
	free(b->info);
	free(b->data);
	free(b);
}

static void put_address(char *t, size_t cap, enum l4_addr_kind kind, const uint8_t *p)
{
	struct l4_addr a;
	struct l4_mac m;
	t[0] = 0;
	if (kind == L4_AK_MAC) {
		memcpy(m.b, p, 6);
		l4_mac_format(&m, t, cap);
	} else if (kind == L4_AK_IP4 || kind == L4_AK_IP6) {
		a = kind == L4_AK_IP4 ? l4_addr_from_ip4(p) : l4_addr_from_ip6(p);
		l4_addr_format(&a, t, cap);
	}
}

struct bound *script_bind(const struct l4_dissected *p, uint16_t linktype, l4_time rtt)
{
	struct bound *b = calloc(1, sizeof *b);
	char text[4096];
	if (!b)
		return NULL;
	b->n = p->cap->caplen;
	b->linktype = linktype;
	b->rtt = rtt;
	b->data = malloc(b->n ? b->n : 1);
	b->items = calloc(p->n_items ? p->n_items : 1, sizeof *b->items);
	b->info = malloc(p->info_len + 1u);
	if (!b->data || !b->items || !b->info) {
		bound_free(b);
		return NULL;
	}
	memcpy(b->data, p->cap->data, b->n);
	memcpy(b->info, p->info, p->info_len);
	b->info[p->info_len] = 0;
	snprintf(b->protocol, sizeof b->protocol, "%s", p->protocol);
	put_address(b->src, sizeof b->src, p->src_kind, p->src);
	put_address(b->dst, sizeof b->dst, p->dst_kind, p->dst);
	for (uint32_t i = 0; i < p->n_layers && b->n_layers < 64; i++)
		if (p->layers[i].source == 0)
			b->layers[b->n_layers++] = (struct bound_layer){ p->layers[i].proto,
				(uint32_t)(p->layers[i].data - p->cap->data),
				p->layers[i].header_len };
	for (uint32_t i = 0; i < p->n_items; i++) {
		size_t n = l4_item_text(&p->items[i], text, sizeof text - 1);
		struct bound_item *t = &b->items[b->n_items];
		t->text = malloc(n + 1);
		if (!t->text)
			break;
		memcpy(t->text, text, n);
		t->text[n] = 0;
		t->len = n;
		t->field = p->items[i].field;
		b->n_items++;
	}
	return b;
}

static bool give_number(struct value *out, int64_t n)
{
	*out = (struct value){ .n = n };
	return true;
}

static bool give_text(struct value *out, const char *text)
{
	*out = (struct value){ .is_text = true, .text = strdup(text), .len = strlen(text) };
	return out->text != NULL;
}

/* What a packet has besides its fields. */
static bool of_packet(const struct bound *b, const char *path, struct value *out)
{
	if (!strcmp(path, "rtt_us"))
		return give_number(out, (int64_t)(b->rtt / 1000));
	if (!strcmp(path, "rtt_ms")) {
		char t[32];
		snprintf(t, sizeof t, "%.3f", (double)b->rtt / 1e6);
		return give_text(out, t);
	}
	if (!strcmp(path, "bytes"))
		return give_number(out, (int64_t)b->n);
	if (!strcmp(path, "info"))
		return give_text(out, b->info);
	if (!strcmp(path, "protocol"))
		return give_text(out, b->protocol);
	if (!strcmp(path, "src"))
		return give_text(out, b->src);
	if (!strcmp(path, "dst"))
		return give_text(out, b->dst);
	return false;
}

/* The field at its place in the bytes. */
static bool fixed_field(
    const struct bound *b, const struct l4_proto *p, const struct l4_field *f, struct value *out)
{
	for (unsigned i = 0; i < b->n_layers; i++) {
		const struct bound_layer *l = &b->layers[i];
		const uint8_t *h = b->data + l->at;
		uint64_t v;
		char t[64];
		if (l->proto != p || l->at > b->n || (f->bit + f->bits + 7u) / 8u > b->n - l->at)
			continue;
		if (f->type == L4_FT_IP4 || f->type == L4_FT_IP6) {
			struct l4_addr a = f->type == L4_FT_IP4 ? l4_addr_from_ip4(h + f->bit / 8)
								: l4_addr_from_ip6(h + f->bit / 8);
			l4_addr_format(&a, t, sizeof t);
			return give_text(out, t);
		}
		if (f->type == L4_FT_MAC) {
			struct l4_mac m;
			memcpy(m.b, h + f->bit / 8, 6);
			l4_mac_format(&m, t, sizeof t);
			return give_text(out, t);
		}
		if (l4_field_read(f, h, b->n - l->at, &v) < 0)
			return false;
		give_number(out, (int64_t)v);
		out->seq = !strcmp(p->name, "tcp") && f->bits == 32;
		return true;
	}
	return false;
}

static bool item_field(const struct bound *b, const char *name, struct value *out)
{
	for (size_t i = 0; i < b->n_items; i++) {
		const struct bound_item *t = &b->items[i];
		char *end;
		if (strcmp(t->field->name, name))
			continue;
		errno = 0;
		uint64_t v = strtoull(t->text, &end, 0);
		if (t->len && !*end && !errno && t->field->type != L4_FT_STRING &&
		    t->field->type != L4_FT_BYTES && t->text[0] >= '0' && t->text[0] <= '9')
			return give_number(out, (int64_t)v);
		return give_text(out, t->text);
	}
	return false;
}

bool bound_field(const struct bound *b, const char *path, struct value *out, char *err, size_t cap)
{
	char proto[48], full[160], near[120] = "";
	if (of_packet(b, path, out))
		return true;
	size_t n = strcspn(path, ".");
	const struct l4_proto *p = NULL;
	if (n < sizeof proto) {
		memcpy(proto, path, n);
		proto[n] = 0;
		p = l4_craft_proto(proto);
	}
	if (!p) {
		if (n < sizeof proto)
			l4_craft_nearest(NULL, proto, near, sizeof near);
		snprintf(err, cap, "there is no protocol '%.*s'%s%s", (int)(n < 40 ? n : 40), path,
		    near[0] ? "; near: " : "", near);
		return false;
	}
	const char *rest = path[n] ? path + n + 1 : "";
	const struct l4_field *f = l4_craft_field(p, rest);
	if (f && f->bits && fixed_field(b, p, f, out))
		return true;
	snprintf(full, sizeof full, "%s%s%s", p->name, *rest ? "." : "", rest);
	if (item_field(b, full, out) || (f && item_field(b, f->name, out)))
		return true;
	if (f || l4_field_find(full, NULL)) {
		snprintf(err, cap, "this packet has no %s: %s", full, b->info);
		return false;
	}
	l4_craft_nearest(p, rest, near, sizeof near);
	snprintf(err, cap, "%s has no field '%s'%s%s ('l4 ls %s' lists them)", p->name, rest,
	    near[0] ? "; near: " : "", near, p->name);
	return false;
}
