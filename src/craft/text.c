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

enum { TRIES = 4 };

/* A layer as it will be written. */
struct part {
	const struct l4_proto *proto;
	uint32_t at, header; /* bytes from the packet's start; header with options */
	uint64_t give[4];    /* rows of derived fields that must be said, a bit each */
};

struct reader {
	const uint8_t *data;
	uint32_t n;
	uint16_t linktype;
	struct part parts[EXPR_LAYERS];
	uint32_t n_parts;
	uint32_t payload, pad; /* where the payload begins, where padding begins */
	bool plain;            /* payload and options as hex only */
	char *out;
	size_t cap, len;
};

static void add(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct reader *r, const char *fmt, ...)
{
	va_list ap;
	size_t left = r->len < r->cap ? r->cap - r->len : 0;
	va_start(ap, fmt);
	int n = vsnprintf(left ? r->out + r->len : NULL, left, fmt, ap);
	va_end(ap);
	r->len += n > 0 ? (size_t)n : 0;
}

static void add_hex(struct reader *r, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++, r->len += 2)
		if (r->len + 2 < r->cap) {
			r->out[r->len] = digits[p[i] >> 4];
			r->out[r->len + 1] = digits[p[i] & 15];
			r->out[r->len + 2] = 0;
		}
}

static const char *short_name(const struct l4_proto *p, const struct l4_field *f)
{
	size_t n = strlen(p->name);
	if (f->alias)
		return f->alias;
	if (!strncmp(f->name, p->name, n) && f->name[n] == '.')
		return f->name + n + 1;
	const char *dot = strrchr(f->name, '.');
	return dot ? dot + 1 : f->name;
}

static void add_tcp_flags(struct reader *r, uint64_t v)
{
	static const char letters[] = "FSRPAUECN";
	if (!v || v >> 9)
		add(r, "0x%" PRIx64, v);
	else
		for (unsigned i = 0; i < 9; i++)
			if (v >> i & 1)
				add(r, "%c", letters[i]);
}

static void add_value(struct reader *r, const struct l4_field *f, const uint8_t *h, uint64_t v)
{
	char t[L4_ADDR_TEXT_MAX];
	if (f->type == L4_FT_IP4 || f->type == L4_FT_IP6) {
		struct l4_addr a = f->type == L4_FT_IP4 ? l4_addr_from_ip4(h + f->bit / 8)
							: l4_addr_from_ip6(h + f->bit / 8);
		l4_addr_format(&a, t, sizeof t);
		/* An IPv4-mapped address keeps its colons. */
		add(r, f->type == L4_FT_IP6 && !strchr(t, ':') ? "::ffff:%s" : "%s", t);
	} else if (f->type == L4_FT_MAC) {
		struct l4_mac m;
		memcpy(m.b, h + f->bit / 8, 6);
		l4_mac_format(&m, t, sizeof t);
		add(r, "%s", t);
	} else if (!strcmp(f->name, "tcp.flags")) {
		add_tcp_flags(r, v);
	} else if (f->base == L4_BASE_HEX || f->base == L4_BASE_HEX_DEC) {
		add(r, "0x%" PRIx64, v);
	} else {
		add(r, "%" PRIu64, v);
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
	return l4_field_read(f, h, fixed, v) < 0 || *v == f->def;
}

static void add_tcp_options(struct reader *r, const uint8_t *p, uint32_t n)
{
	bool more = false;
	for (uint32_t i = 0; i < n;) {
		uint32_t len = p[i] < 2 ? 1 : i + 1 < n ? p[i + 1] : 0;
		add(r, more ? "," : "");
		more = true;
		if (len == 0 || (p[i] >= 2 && len < 2) || len > n - i) {
			add(r, "raw(hex=");
			add_hex(r, p + i, n - i);
			add(r, ")");
			return;
		}
		if (p[i] < 2)
			add(r, p[i] ? "nop" : "eol");
		else if (p[i] == 2 && len == 4)
			add(r, "mss(%u)", l4_get_u16(p + i + 2));
		else if (p[i] == 3 && len == 3)
			add(r, "ws(%u)", p[i + 2]);
		else if (p[i] == 4 && len == 2)
			add(r, "sackok");
		else if (p[i] == 8 && len == 10)
			add(r, "ts(%" PRIu32 ",%" PRIu32 ")", l4_get_u32(p + i + 2),
			    l4_get_u32(p + i + 6));
		else if (p[i] == 5 && len % 8 == 2 && len > 2) {
			for (uint32_t k = 2; k < len; k += 4)
				add(r, "%s%" PRIu32, k == 2 ? "sack(" : ",", l4_get_u32(p + i + k));
			add(r, ")");
		} else {
			add(r, "opt(%u", p[i]);
			if (len > 2)
				add(r, ",hex=");
			add_hex(r, p + i + 2, len - 2);
			add(r, ")");
		}
		i += len;
	}
}

static void add_part(struct reader *r, const struct part *k)
{
	const uint8_t *h = r->data + k->at;
	uint32_t fixed = k->proto->header_bits / 8u;
	unsigned n = 0;
	const char *name = !strcmp(k->proto->name, "ipv6")     ? "ip6"
			   : !strcmp(k->proto->name, "icmpv6") ? "icmp6"
							       : k->proto->name;
	add(r, "%s%s(", r->len ? "/" : "", name);
	for (uint32_t i = 1; i < k->proto->n_fields; i++) {
		const struct l4_field *f = &k->proto->fields[i];
		uint64_t v = 0;
		if (!l4_craft_writable(f) || f->depth || (f->bit + f->bits + 7u) / 8u > fixed)
			continue;
		if (f->derive ? !(i < 256 && k->give[i / 64] >> i % 64 & 1)
			      : is_default(f, h, fixed, &v))
			continue;
		if (f->derive)
			l4_field_read(f, h, fixed, &v);
		add(r, "%s%s=", n++ ? "," : "", short_name(k->proto, f));
		add_value(r, f, h, v);
	}
	if (k->header > fixed) {
		add(r, "%soptions=[", n ? "," : "");
		if (!r->plain && !strcmp(k->proto->name, "tcp")) {
			add_tcp_options(r, h + fixed, k->header - fixed);
		} else {
			add(r, "raw(hex=");
			add_hex(r, h + fixed, k->header - fixed);
			add(r, ")");
		}
		add(r, "]");
	}
	add(r, ")");
}

/* Text when it is mostly that. */
static bool is_text(const uint8_t *p, uint32_t n)
{
	uint32_t odd = 0;
	for (uint32_t i = 0; i < n; i++)
		odd += !(p[i] >= 32 && p[i] < 127) && p[i] != '\r' && p[i] != '\n' && p[i] != '\t';
	return n && odd <= n / 16;
}

static void add_payload(struct reader *r)
{
	const uint8_t *p = r->data + r->payload;
	uint32_t n = r->pad - r->payload;
	const char *slash = r->len ? "/" : "";
	if (!n && r->n_parts)
		return;
	if (r->plain || !is_text(p, n) || !r->n_parts) {
		add(r, "%sraw(", slash);
		if (!r->n_parts)
			add(r, "link=%u,", r->linktype);
		add(r, "hex=");
		add_hex(r, p, n);
		add(r, ")");
		return;
	}
	add(r, "%s\"", slash);
	for (uint32_t i = 0; i < n; i++)
		if (p[i] == '"' || p[i] == '\\')
			add(r, "\\%c", p[i]);
		else if (p[i] == '\n' || p[i] == '\r' || p[i] == '\t')
			add(r, "\\%c", p[i] == '\n' ? 'n' : p[i] == '\r' ? 'r' : 't');
		else if (p[i] >= 32 && p[i] < 127)
			add(r, "%c", p[i]);
		else
			add(r, "\\x%02x", p[i]);
	add(r, "\"");
}

static void write_all(struct reader *r)
{
	r->len = 0;
	if (r->cap)
		r->out[0] = 0;
	for (uint32_t i = 0; i < r->n_parts; i++)
		add_part(r, &r->parts[i]);
	add_payload(r);
	if (r->pad < r->n) {
		add(r, "/pad(hex=");
		add_hex(r, r->data + r->pad, r->n - r->pad);
		add(r, ")");
	}
}

/* Marks the derived fields that came out different. False: there is none. */
static bool mark(struct reader *r, const uint8_t *built)
{
	bool any = false;
	for (uint32_t i = 0; i < r->n_parts; i++) {
		struct part *k = &r->parts[i];
		uint32_t fixed = k->proto->header_bits / 8u;
		for (uint32_t j = 1; j < k->proto->n_fields && j < 256; j++) {
			const struct l4_field *f = &k->proto->fields[j];
			uint64_t a, b;
			if (!l4_craft_writable(f) || !f->derive || f->depth ||
			    l4_field_read(f, r->data + k->at, fixed, &a) < 0 ||
			    l4_field_read(f, built + k->at, fixed, &b) < 0 || a == b)
				continue;
			any |= !(k->give[j / 64] >> j % 64 & 1);
			k->give[j / 64] |= UINT64_C(1) << j % 64;
		}
	}
	return any;
}

/* Builds the text. 1: the packet again; 0: something else, in *built if of the same length. */
static int try_text(const struct reader *r, uint8_t *built, bool *same_length)
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
static void take_layers(struct reader *r, const struct l4_dissected *p)
{
	uint32_t at = 0;
	bool bounded = false;
	r->pad = r->n;
	for (uint32_t i = 0; i < p->n_layers && r->n_parts < EXPR_LAYERS - 3; i++) {
		const struct l4_layer *l = &p->layers[i];
		uint32_t fixed = l->proto->header_bits / 8u;
		if (l->source || !strcmp(l->proto->name, "frame") ||
		    !strcmp(l->proto->name, "ethertype") || !strcmp(l->proto->name, "raw"))
			continue;
		if (!fixed || l->data != r->data + at || r->pad - at < fixed)
			break;
		struct part k = { .proto = l->proto, .at = at, .header = fixed };
		/* Options: what IHL and data offset say. */
		if (!strcmp(l->proto->name, "ip"))
			k.header = (l->data[0] & 15u) * 4;
		else if (!strcmp(l->proto->name, "tcp"))
			k.header = (l->data[12] >> 4) * 4u;
		else if (!strcmp(l->proto->name, "hopopts") || !strcmp(l->proto->name, "dstopts") ||
			 strstr(l->proto->name, "opts") || strstr(l->proto->name, "routing"))
			k.header = (l->data[1] + 1u) * 8;
		if (k.header < fixed)
			k.header = fixed;
		if (k.header > r->pad - at)
			break;
		uint32_t len = 0;
		if (!strcmp(l->proto->name, "ip"))
			len = l4_get_u16(l->data + 2);
		else if (!strcmp(l->proto->name, "ipv6"))
			len = l4_get_u16(l->data + 4) + 40u;
		/* Beyond the outermost IP length there is padding of the link. */
		if (len && !bounded && len >= k.header && len < r->n - at)
			r->pad = at + len;
		bounded |= len != 0;
		at += k.header;
		r->parts[r->n_parts++] = k;
	}
	r->payload = at;
}

/* One go with the layers taken: 1 when the text builds the packet. */
static int settle(struct reader *r, uint8_t *built)
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
	struct reader *r = calloc(1, sizeof *r);
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
	*r = (struct reader){
		.data = data, .n = (uint32_t)n, .linktype = linktype, .out = out, .cap = cap
	};
	take_layers(r, l4_dissect_packet(d, &c));
	for (;;) {
		e = settle(r, built);
		if (e || (r->plain && !r->n_parts))
			break;
		if (r->plain) {
			r->payload = r->parts[--r->n_parts].at;
			if (!r->n_parts)
				r->pad = r->n;
			memset(r->parts[r->n_parts].give, 0, sizeof r->parts[0].give);
		}
		r->plain = true;
	}
out:
	free(built);
	l4_dissect_free(d);
	int64_t len = r ? (int64_t)r->len : 0;
	free(r);
	return e == 1 ? len : e < 0 ? e : L4_EMALFORMED;
}
