/* Packets back into expressions.
 *
 * The dissection says which layers there are and where their headers lie; the rows of the tables
 * give the values. What would come out the same by itself is left out, and that is not guessed but
 * tried: the text is built and compared with the packet. Derived fields that came out different
 * are given; if that does not help, the innermost layer becomes raw(hex=...), and so on outwards,
 * so that there is always a text that builds the packet exactly. */
#include <layer4/addr.h>
#include <layer4/capfile.h>
#include <layer4/dissect.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "craft/expr.h"

#include "craft/text.h"

enum { TRIES = 12 };

void text_add(struct text_reader *r, const char *fmt, ...)
{
	va_list ap;
	size_t left = r->len < r->cap ? r->cap - r->len : 0;
	va_start(ap, fmt);
	int n = vsnprintf(left ? r->out + r->len : NULL, left, fmt, ap);
	va_end(ap);
	r->len += n > 0 ? (size_t)n : 0;
}

void text_hex(struct text_reader *r, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++, r->len += 2)
		if (r->len + 2 < r->cap) {
			r->out[r->len] = digits[p[i] >> 4];
			r->out[r->len + 1] = digits[p[i] & 15];
			r->out[r->len + 2] = 0;
		}
}

static void add_tcp_flags(struct text_reader *r, uint64_t v)
{
	static const char letters[] = "FSRPAUECN";
	if (!v || v >> 9)
		text_add(r, "0x%" PRIx64, v);
	else
		for (unsigned i = 0; i < 9; i++)
			if (v >> i & 1)
				text_add(r, "%c", letters[i]);
}

static void add_value(struct text_reader *r, const struct l4_field *f, const uint8_t *h, uint64_t v)
{
	char t[L4_ADDR_TEXT_MAX];
	if (f->type == L4_FT_IP4 || f->type == L4_FT_IP6) {
		struct l4_addr a = f->type == L4_FT_IP4 ? l4_addr_from_ip4(h + f->bit / 8)
							: l4_addr_from_ip6(h + f->bit / 8);
		l4_addr_format(&a, t, sizeof t);
		/* An IPv4-mapped address keeps its colons. */
		text_add(r, f->type == L4_FT_IP6 && !strchr(t, ':') ? "::ffff:%s" : "%s", t);
	} else if (f->type == L4_FT_MAC) {
		struct l4_mac m;
		memcpy(m.b, h + f->bit / 8, 6);
		l4_mac_format(&m, t, sizeof t);
		text_add(r, "%s", t);
	} else if (!strcmp(f->name, "tcp.flags")) {
		add_tcp_flags(r, v);
	} else if (f->base == L4_BASE_HEX || f->base == L4_BASE_HEX_DEC) {
		text_add(r, "0x%" PRIx64, v);
	} else {
		text_add(r, "%" PRIu64, v);
	}
}

/* Whether the field holds what a builder would put there that was told nothing. */
static bool is_default(const struct l4_field *f, const uint8_t *h, uint32_t fixed, uint64_t *v)
{
	if (f->bits == 128 && f->bit % 8 == 0) {
		uint8_t def[16] = { 0 };
		l4_put_u32(def + 8, (uint32_t)(f->def >> 32));
		l4_put_u32(def + 12, (uint32_t)f->def);
		return !memcmp(h + f->bit / 8, def, 16);
	}
	if (f->bits > 64) {
		static const uint8_t zeros[128];
		return f->bits / 8u <= sizeof zeros && !memcmp(h + f->bit / 8, zeros, f->bits / 8u);
	}
	return l4_field_read(f, h, fixed, v) < 0 || *v == f->def;
}

/* The wide fields: text, or bytes without the zeros at their end. */
static void add_wide(struct text_reader *r, const struct l4_field *f, const uint8_t *p)
{
	uint32_t n = f->bits / 8u;
	bool plain = f->type == L4_FT_STRING;
	while (n && !p[n - 1])
		n--;
	for (uint32_t i = 0; i < n; i++)
		plain = plain && p[i] > 32 && p[i] < 127 && !strchr("\"\\[],()", p[i]);
	if (plain)
		text_add(r, "\"%.*s\"", (int)n, (const char *)p);
	else
		text_hex(r, p, n);
}

/* Whether another row says the same bits: the table's before that of a form that holds for every
 * header, a form's of its own before the table's. */
static bool is_doubled(const struct text_part *k, const struct l4_field *f)
{
	const struct l4_craft_form *form = k->layer.form;
	bool of_form = form && f >= form->fields && f < form->fields + form->n_fields;
	const struct l4_field *rows = of_form ? k->layer.proto->fields + 1
				      : form  ? form->fields
					      : NULL;
	size_t n = of_form ? k->layer.proto->n_fields - 1u : form ? form->n_fields : 0;
	if (!form || of_form != (form->n_values == 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (l4_craft_writable(&rows[i]) && rows[i].bit < f->bit + f->bits &&
		    f->bit < rows[i].bit + rows[i].bits)
			return true;
	return false;
}

static void add_part(struct text_reader *r, const struct text_part *k)
{
	static const char *const names[][2] = { { "ipv6", "ip6" }, { "icmpv6", "icmp6" },
		{ "ipv6.hopopts", "hopopts" }, { "ipv6.dstopts", "dstopts" },
		{ "ipv6.routing", "routing" }, { "ipv6.fraghdr", "frag" } };
	const uint8_t *h = r->data + k->at;
	const struct l4_proto *p = k->layer.proto;
	const struct l4_field *f;
	unsigned n = 0, row = 0;
	const char *name = p->name;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(names[i][0], name))
			name = names[i][1];
	text_add(r, "%s%s(", r->len ? "/" : "", name);
	for (uint32_t i = 0; (f = craft_row(&k->layer, &i)) != NULL; row++) {
		uint64_t v = 0;
		bool say = row < 64 && k->give >> row & 1;
		if (f->depth || is_doubled(k, f) || !strcmp(f->name, "dhcp.hw.addr"))
			continue;
		bool force = k->layer.form && k->layer.form->on_demand && f->bit >= 64;
		if (f->derive ? !say : is_default(f, h, k->layer.header, &v) && !force)
			continue;
		if (f->derive)
			l4_field_read(f, h, k->layer.header, &v);
		text_add(r, "%s%s=", n++ ? "," : "", craft_short(p, f));
		if (f->bits > 64 && f->type != L4_FT_IP6)
			add_wide(r, f, h + f->bit / 8);
		else
			add_value(r, f, h, v);
	}
	text_lists(r, k, n);
	text_add(r, ")");
}

/* Text when it is mostly that. */
static bool is_text(const uint8_t *p, uint32_t n)
{
	uint32_t odd = 0;
	for (uint32_t i = 0; i < n; i++)
		odd += !(p[i] >= 32 && p[i] < 127) && p[i] != '\r' && p[i] != '\n' && p[i] != '\t';
	return n && odd <= n / 16;
}

static void add_payload(struct text_reader *r)
{
	const uint8_t *p = r->data + r->payload;
	uint32_t n = r->pad - r->payload;
	const char *slash = r->len ? "/" : "";
	if (!n && r->n_parts)
		return;
	if (r->plain || !is_text(p, n) || !r->n_parts) {
		text_add(r, "%sraw(", slash);
		if (!r->n_parts)
			text_add(r, "link=%u,", r->linktype);
		text_add(r, "hex=");
		text_hex(r, p, n);
		text_add(r, ")");
		return;
	}
	text_add(r, "%s\"", slash);
	for (uint32_t i = 0; i < n; i++)
		if (p[i] == '"' || p[i] == '\\')
			text_add(r, "\\%c", p[i]);
		else if (p[i] == '\n' || p[i] == '\r' || p[i] == '\t')
			text_add(r, "\\%c", p[i] == '\n' ? 'n' : p[i] == '\r' ? 'r' : 't');
		else if (p[i] >= 32 && p[i] < 127)
			text_add(r, "%c", p[i]);
		else
			text_add(r, "\\x%02x", p[i]);
	text_add(r, "\"");
}

static void write_all(struct text_reader *r)
{
	r->len = 0;
	if (r->cap)
		r->out[0] = 0;
	for (uint32_t i = 0; i < r->n_parts; i++)
		add_part(r, &r->parts[i]);
	add_payload(r);
	if (r->pad < r->n) {
		text_add(r, "/pad(hex=");
		text_hex(r, r->data + r->pad, r->n - r->pad);
		text_add(r, ")");
	}
}

/* Marks derived fields that came out different: checksums only when nothing else did, for they
 * follow the rest. False: there is none. */
static bool mark(struct text_reader *r, const uint8_t *built)
{
	bool any = false;
	for (int sums = 0; sums < 2 && !any; sums++)
		for (uint32_t i = 0; i < r->n_parts; i++) {
			struct text_part *k = &r->parts[i];
			const struct l4_field *f;
			unsigned row = 0;
			for (uint32_t j = 0; (f = craft_row(&k->layer, &j)) && row < 64; row++) {
				uint64_t a, b;
				if (!f->derive || craft_is_sum(f) != sums || k->give >> row & 1 ||
				    l4_field_read(f, r->data + k->at, k->layer.header, &a) < 0 ||
				    l4_field_read(f, built + k->at, k->layer.header, &b) < 0 ||
				    a == b)
					continue;
				k->give |= UINT64_C(1) << row;
				any = true;
			}
		}
	return any;
}

/* Builds the text. 1: the packet again; 0: something else, in *built if of the same length. */
static int try_text(const struct text_reader *r, uint8_t *built, bool *same_length)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	size_t len;
	*same_length = false;
	if (r->len >= r->cap)
		return L4_EMSGSIZE;
	int e = l4_craft_parse(&x, r->out, NULL, NULL, &err);
	if (e < 0)
		return e == L4_ENOMEM ? e : 0;
	e = l4_craft_build(x, 0, 0, built, r->n, &len);
	bool link = l4_craft_linktype(x) == r->linktype ||
		    (l4_craft_linktype(x) == L4_LINK_RAW &&
			(r->linktype == L4_LINK_IPV4 || r->linktype == L4_LINK_IPV6));
	l4_craft_free(x);
	*same_length = e == 0 && len == r->n;
	return link && *same_length && !memcmp(built, r->data, r->n);
}

/* Takes the layers that lie one behind the other, from the packet's start. */
static void take_layers(struct text_reader *r, const struct l4_dissected *p)
{
	uint32_t at = 0;
	bool bounded = false;
	r->pad = r->n;
	for (uint32_t i = 0; i < p->n_layers && r->n_parts < EXPR_LAYERS - 4; i++) {
		const struct l4_layer *l = &p->layers[i];
		const char *name = l->proto->name;
		if (l->source || !l->proto->header_bits || !strcmp(name, "frame") ||
		    !strcmp(name, "ethertype") || !strcmp(name, "raw")) {
			if (l->source || !strcmp(name, "frame") || !strcmp(name, "ethertype") ||
			    !strcmp(name, "raw"))
				continue;
			break;
		}
		struct text_part k = { .at = at };
		/* A DNS message in TCP has its length in front, which the expression derives. */
		if (!strcmp(name, "dns") && r->n_parts && l->data == r->data + at &&
		    !strcmp(r->parts[r->n_parts - 1].layer.proto->name, "tcp")) {
			k.at = at + 2;
			k.prefixed = true;
		}
		if (l->data != r->data + at || !text_header(r, l->proto, &k))
			break;
		uint32_t len = 0;
		if (!strcmp(name, "ip"))
			len = l4_get_u16(l->data + 2);
		else if (!strcmp(name, "ipv6"))
			len = l4_get_u16(l->data + 4) + 40u;
		else if (!strcmp(name, "arp"))
			len = 28;
		/* Beyond the outermost IP length there is padding of the link. */
		if (len && !bounded && len >= k.header && len < r->n - at)
			r->pad = at + len;
		bounded |= len != 0;
		at = k.at + k.header;
		r->parts[r->n_parts++] = k;
	}
	/* What fills the last layer up to its end is found now that the end is known. */
	if (r->n_parts)
		at = text_open_end(r, &r->parts[r->n_parts - 1]);
	r->payload = at;
}

/* One go with the layers taken: 1 when the text builds the packet. */
static int settle(struct text_reader *r, uint8_t *built)
{
	for (int i = 0; i < TRIES; i++) {
		bool same;
		write_all(r);
		int e = try_text(r, built, &same);
		if (e)
			return e;
		if (!same || !mark(r, built))
			return 0;
	}
	return 0;
}

int64_t l4_craft_text(uint16_t linktype, const void *data, size_t n, char *out, size_t cap)
{
	if (n > EXPR_PACKET_MAX)
		return L4_EMSGSIZE;
	struct l4_dissect *d = l4_dissect_new(NULL);
	struct text_reader *r = calloc(1, sizeof *r);
	uint8_t *built = malloc(n + 1);
	int e = L4_ENOMEM;
	if (!d || !r || !built)
		goto out;
	struct l4_cap_packet c = { .data = data,
		.caplen = (uint32_t)n,
		.len = (uint32_t)n,
		.number = 1,
		.linktype = linktype,
		.fcs_len = -1 };
	*r = (struct text_reader){
		.data = data, .n = (uint32_t)n, .linktype = linktype, .out = out, .cap = cap
	};
	take_layers(r, l4_dissect_packet(d, &c));
	for (;;) {
		e = settle(r, built);
		if (e || (r->plain && !r->n_parts))
			break;
		if (r->plain) {
			r->payload = r->parts[--r->n_parts].at;
			if (r->payload && r->parts[r->n_parts].prefixed)
				r->payload -= 2;
			if (!r->n_parts)
				r->pad = r->n;
		} else if (r->n_parts) {
			struct text_part *k = &r->parts[r->n_parts - 1];
			if (k->open)
				r->payload = k->at + k->layer.header;
		}
		for (uint32_t i = 0; i < r->n_parts; i++)
			r->parts[i].give = 0;
		r->plain = true;
	}
out:
	free(built);
	l4_dissect_free(d);
	int64_t len = r ? (int64_t)r->len : 0;
	free(r);
	return e == 1 ? len : e < 0 ? e : L4_EMALFORMED;
}
