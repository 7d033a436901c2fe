/* Options and records back into text, by the same table that writes them.
 *
 * Nothing here need be right in every case: the text is built and compared afterwards (text.c). An
 * option that its format does not fit is opt(kind, hex=...), what has no end raw(hex=...). A
 * first pass without output finds how far the lists of the last layer reach. */
#include <layer4/addr.h>
#include <layer4/packet.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "craft/text.h"

enum { NAME_TEXT = 1200 };

/* A byte of a label as it stands in quotes. */
static uint32_t label_byte(char *out, uint8_t c)
{
	if (c == '"' || c == '\\' || c == '.')
		return (uint32_t)sprintf(out, "\\%c", c);
	return (uint32_t)sprintf(out, c <= 32 || c >= 127 || c == '@' ? "\\x%02x" : "%c", c);
}

/* Whether a name can be written without quotes. */
static bool is_plain(const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n && p[i] && (p[i] & 0xc0) != 0xc0; i += p[i] + 1u)
		for (uint32_t j = 1; j <= p[i] && i + j < n; j++)
			if (p[i + j] <= 32 || p[i + j] >= 127 || strchr(",()[]=\".@\\", p[i + j]))
				return false;
	return true;
}

/* A name as it stands, with "@N" for a pointer: bytes it takes; 0: it cannot be written so. */
static uint32_t name_text(const uint8_t *p, uint32_t n, char *out)
{
	bool plain = is_plain(p, n);
	uint32_t i = 0, o = 0, end = 0;
	if (!plain)
		out[o++] = '"';
	while (i < n && p[i] && !end) {
		if (i)
			out[o++] = '.';
		if ((p[i] & 0xc0) == 0xc0) {
			if (i + 2 > n)
				return 0;
			o += (uint32_t)sprintf(out + o, "@%u", (p[i] & 63u) << 8 | p[i + 1]);
			end = i + 2;
			break;
		}
		uint32_t k = p[i];
		if (k > 63 || k >= n - i || o + 4 * k + 16 > NAME_TEXT || (plain && o + k > 240))
			return 0;
		for (uint32_t j = 1; j <= k; j++)
			if (plain)
				out[o++] = (char)p[i + j];
			else
				o += label_byte(out + o, p[i + j]);
		i += k + 1;
	}
	if (!end && i >= n)
		return 0;
	if (!o)
		out[o++] = '.';
	if (!plain)
		out[o++] = '"';
	out[o] = 0;
	return end ? end : i + 1;
}

static bool word_text(const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (p[i] < 32 || p[i] >= 127 || p[i] == '"' || p[i] == '\\')
			return false;
	return true;
}

static bool zeros(const uint8_t *p, uint32_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

/* The values of an option with n bytes, with `first` in front. False: the format does not fit. */
static bool values(struct text_reader *r, const struct l4_craft_option *o, const uint8_t *p,
    uint32_t n, const char *first)
{
	const char *f = o->format, *repeat = NULL;
	char t[L4_ADDR_TEXT_MAX], name[NAME_TEXT];
	uint32_t i = 0, used = 1;
	while (*f || (repeat && i < n)) {
		if (!*f)
			f = repeat;
		if (*f == '*') {
			repeat = ++f;
			if (i == n)
				break;
			continue;
		}
		char c = *f++;
		uint32_t width = c == 'a'               ? 4
				 : c == 'A'             ? 16
				 : c == 'm'             ? 6
				 : c == 'c'             ? 2
				 : c == 'z'             ? (uint32_t)(*f++ - '0')
				 : c >= '1' && c <= '9' ? (uint32_t)(c - '0')
							: 0;
		if (width > n - i)
			return false;
		if (c == 'z' || c == 'c') {
			if (c == 'z' && !zeros(p + i, width))
				return false;
			i += width;
			continue;
		}
		if ((c == 'h' || c == 's') && i == n)
			break;
		text_add(r, "%s", first);
		first = ",";
		if (c == 'a' || c == 'A') {
			struct l4_addr a =
			    c == 'a' ? l4_addr_from_ip4(p + i) : l4_addr_from_ip6(p + i);
			l4_addr_format(&a, t, sizeof t);
			text_add(r, c == 'A' && !strchr(t, ':') ? "::ffff:%s" : "%s", t);
		} else if (c == 'm') {
			struct l4_mac m;
			memcpy(m.b, p + i, 6);
			l4_mac_format(&m, t, sizeof t);
			text_add(r, "%s", t);
		} else if (c == 'n') {
			if (!(used = name_text(p + i, n - i, name)))
				return false;
			text_add(r, "%s", name);
			width = used;
		} else if (c == 't') {
			if (i == n || p[i] >= n - i || !word_text(p + i + 1, p[i]))
				return false;
			text_add(r, "\"%.*s\"", p[i], (const char *)p + i + 1);
			width = p[i] + 1u;
		} else if (c == 's') {
			if (!word_text(p + i, n - i))
				return false;
			text_add(r, "\"%.*s\"", (int)(n - i), (const char *)p + i);
			width = n - i;
		} else if (c == 'h') {
			text_hex(r, p + i, n - i);
			width = n - i;
		} else {
			uint64_t v = 0;
			for (uint32_t k = 0; k < width; k++)
				v = v << 8 | p[i + k];
			text_add(r, "%" PRIu64, v);
		}
		i += width;
	}
	return i == n;
}

/* An option by its table, or by its number. */
static void option(struct text_reader *r, const struct l4_proto *proto, uint32_t kind,
    const uint8_t *p, uint32_t n)
{
	const struct l4_craft_option *o = craft_option_of(proto, "options", kind);
	size_t before = r->len;
	if (o && o->style != STYLE_BARE) {
		text_add(r, "%s", o->name);
		size_t open = r->len;
		if (values(r, o, p, n, "(") &&
		    (r->len > open || !*o->format || *o->format == 'h')) {
			if (r->len > open)
				text_add(r, ")");
			return;
		}
		r->len = before;
	}
	text_add(r, "opt(%u", kind);
	if (n)
		text_add(r, ",hex=");
	text_hex(r, p, n);
	text_add(r, ")");
}

/* What the builder adds by itself from here to the end. */
static bool is_filling(const char *proto, const uint8_t *p, uint32_t i, uint32_t n)
{
	uint32_t left = n - i;
	if (!strcmp(proto, "tcp") || !strcmp(proto, "ip"))
		return i && left < 4 && zeros(p + i, left);
	if (!strcmp(proto, "dhcp"))
		return i && left == 1 && p[i] == 255;
	if (strcmp(proto, "ipv6.hopopts") && strcmp(proto, "ipv6.dstopts"))
		return false;
	if (left != (8 - (i + 2) % 8) % 8)
		return false;
	return left == 1
		   ? !p[i]
		   : left >= 2 && p[i] == 1 && p[i + 1] == left - 2 && zeros(p + i + 2, left - 2);
}

/* Kind, length, value. */
static void options(
    struct text_reader *r, const struct l4_proto *proto, const uint8_t *p, uint32_t n)
{
	const char *name = proto->name;
	bool ndp = !strcmp(name, "icmpv6"), tag = !strcmp(name, "pppoed");
	bool whole = !strcmp(name, "tcp") || !strcmp(name, "ip");
	bool dhcp = !strcmp(name, "dhcp"), ended = false;
	for (uint32_t i = 0; i < n && !is_filling(name, p, i, n);) {
		const struct l4_craft_option *o = craft_option_of(proto, "options", p[i]);
		uint32_t head = tag ? 4 : 2, len, kind = tag ? 0 : p[i];
		text_add(r, i ? "," : "");
		if (!tag && o && o->style == STYLE_BARE && !ended) {
			text_add(r, "%s", o->name);
			ended = dhcp && p[i] == 255;
			i++;
			continue;
		}
		if (n - i < head || ended) {
			text_add(r, "raw(hex=");
			text_hex(r, p + i, n - i);
			text_add(r, ")");
			return;
		}
		if (tag) {
			kind = l4_get_u16(p + i);
			len = l4_get_u16(p + i + 2) + 4u;
		} else {
			len = ndp ? p[i + 1] * 8u : whole ? p[i + 1] : p[i + 1] + 2u;
		}
		if (len < head || len > n - i) {
			text_add(r, "raw(hex=");
			text_hex(r, p + i, n - i);
			text_add(r, ")");
			return;
		}
		option(r, proto, kind, p + i + head, len - head);
		i += len;
	}
}

/* Values of one kind behind each other (records of reports, addresses): bytes taken. */
static uint32_t records(struct text_reader *r, const struct l4_proto *proto, const char *list,
    const uint8_t *p, uint32_t n, uint32_t size, uint32_t source)
{
	const struct l4_craft_option *o = craft_option_of(proto, list, 0);
	uint32_t i = 0;
	while (o && n - i >= size) {
		uint32_t len = size + (source ? source * l4_get_u16(p + i + 2) : 0);
		if (len > n - i)
			break;
		size_t before = r->len;
		text_add(r, "%s%s", i ? "," : "", o->name);
		if (!values(r, o, p + i, len, *o->name ? "(" : "")) {
			r->len = before;
			break;
		}
		text_add(r, *o->name ? ")" : "");
		i += len;
	}
	return i;
}

/* ---- DNS ---- */

/* A type or class as the table names it, or its number. */
static void named(struct text_reader *r, const char *row, uint32_t v)
{
	const struct l4_field *f = l4_field_find(row, NULL);
	const char *t = f ? l4_value_name(f->values, v) : NULL;
	if (t)
		text_add(r, "%s", t);
	else
		text_add(r, "%u", v);
}

static uint32_t question(struct text_reader *r, const uint8_t *p, uint32_t n, bool single)
{
	char name[NAME_TEXT];
	uint32_t k = name_text(p, n, name);
	if (!k || n - k < 4)
		return 0;
	uint16_t type = l4_get_u16(p + k), class = l4_get_u16(p + k + 2);
	text_add(r, single ? "qname=%s" : "q(%s", name);
	if (type != 1) {
		text_add(r, single ? ",qtype=" : ",type=");
		named(r, "dns.qry.type", type);
	}
	if (class != 1) {
		text_add(r, single ? ",qclass=" : ",class=");
		named(r, "dns.qry.class", class);
	}
	text_add(r, single ? "" : ")");
	return k + 4;
}

static void edns(struct text_reader *r, uint32_t class, uint32_t ttl, const uint8_t *p, uint32_t n)
{
	text_add(r, "edns(%u", class);
	if (ttl >> 24)
		text_add(r, ",ext_rcode=%u", ttl >> 24);
	if (ttl >> 16 & 255)
		text_add(r, ",version=%u", ttl >> 16 & 255);
	if (ttl >> 15 & 1)
		text_add(r, ",do=1");
	if (ttl & 0x7fff)
		text_add(r, ",z=%u", ttl & 0x7fff);
	text_add(r, n ? "," : "");
	text_hex(r, p, n);
	text_add(r, ")");
}

static uint32_t record(struct text_reader *r, const struct l4_proto *proto, const char *list,
    const uint8_t *p, uint32_t n)
{
	char name[NAME_TEXT];
	uint32_t k = name_text(p, n, name);
	if (!k || n - k < 10)
		return 0;
	uint16_t type = l4_get_u16(p + k), class = l4_get_u16(p + k + 2);
	uint32_t ttl = l4_get_u32(p + k + 4), len = l4_get_u16(p + k + 8);
	const uint8_t *data = p + k + 10;
	if (len > n - k - 10)
		return 0;
	if (type == 41 && k == 1) {
		edns(r, class, ttl, data, len);
		return k + 10 + len;
	}
	const struct l4_craft_option *o = type ? craft_option_of(proto, list, type) : NULL;
	for (int plain = !o || o->style != STYLE_RECORD; plain < 2; plain++) {
		size_t before = r->len;
		text_add(r, "%s(%s", plain ? "rr" : o->name, name);
		if (plain) {
			text_add(r, ",type=");
			named(r, "dns.resp.type", type);
		}
		if (class != 1) {
			text_add(r, ",class=");
			named(r, "dns.resp.class", class);
		}
		if (ttl != 300)
			text_add(r, ",ttl=%" PRIu32, ttl);
		if (plain) {
			text_add(r, len ? "," : "");
			text_hex(r, data, len);
		} else if (!len || !values(r, o, data, len, ",")) {
			r->len = before;
			continue;
		}
		text_add(r, ")");
		break;
	}
	return k + 10 + len;
}

/* The lists of a message: bytes taken. */
static uint32_t message(struct text_reader *r, const struct l4_proto *proto, const uint8_t *h,
    uint32_t n, unsigned before)
{
	static const char *const lists[] = { "qd", "an", "ns", "ar" };
	uint32_t at = 12;
	for (unsigned s = 0; s < 4; s++) {
		uint32_t count = l4_get_u16(h + 4 + 2 * s), done = 0;
		bool single = s == 0 && count == 1;
		for (; done < count && at < n; done++) {
			size_t back = r->len;
			if (single)
				text_add(r, before ? "," : "");
			else if (!done)
				text_add(r, "%s%s=[", before ? "," : "", lists[s]);
			else
				text_add(r, ",");
			uint32_t k = s ? record(r, proto, lists[s], h + at, n - at)
				       : question(r, h + at, n - at, single);
			if (!k) {
				r->len = back;
				break;
			}
			at += k;
		}
		if (done && !single)
			text_add(r, "]");
		before += done;
		if (done < count)
			break;
	}
	return at;
}

/* ---- layers ---- */

static bool is_dns(const char *name)
{
	return !strcmp(name, "dns") || !strcmp(name, "mdns") || !strcmp(name, "llmnr");
}

bool text_header(const struct text_reader *r, const struct l4_proto *p, struct text_part *k)
{
	const uint8_t *h = r->data + k->at;
	uint32_t left = r->pad - k->at;
	if (k->at > r->pad)
		return false;
	k->layer = (struct expr_layer){ .proto = p };
	k->header = craft_header(p, h, left, &k->layer.form, &k->layer.header);
	k->open = is_dns(p->name) || !strcmp(p->name, "dhcp") || !strcmp(p->name, "pppoed") ||
		  !strcmp(p->name, "igmp") || (!strcmp(p->name, "icmp") && left && h[0] == 9) ||
		  (!strcmp(p->name, "icmpv6") && left && h[0] >= 133 && h[0] != 138);
	return k->header != 0;
}

/* The lists of the open end: bytes taken behind the fixed header. */
static uint32_t open_lists(struct text_reader *r, const struct text_part *k, unsigned before)
{
	const struct l4_proto *p = k->layer.proto;
	uint32_t fixed = k->layer.header, n = r->pad - k->at;
	const uint8_t *h = r->data + k->at;
	const char *comma = before ? "," : "";
	if (n <= fixed)
		return 0;
	if (is_dns(p->name))
		return message(r, p, h, n, before) - fixed;
	bool icmp6 = !strcmp(p->name, "icmpv6"), igmp = !strcmp(p->name, "igmp");
	const char *list = !strcmp(p->name, "icmp") ? "routers"
			   : icmp6 && h[0] == 143   ? "records"
			   : igmp && h[0] == 0x22   ? "records"
			   : igmp && h[0] == 0x11   ? "sources"
						    : "options";
	if (igmp && list[0] == 'o')
		return 0;
	text_add(r, "%s%s=[", comma, list);
	size_t open = r->len;
	uint32_t taken = n - fixed;
	h += fixed;
	if (list[0] == 'o')
		options(r, p, h, taken);
	else if (list[0] == 'r' && list[1] == 'o')
		taken = records(r, p, list, h, taken, 8, 0);
	else if (list[0] == 's')
		taken = records(r, p, list, h, taken, 4, 0);
	else
		taken = records(r, p, list, h, taken, icmp6 ? 20 : 8, icmp6 ? 16 : 4);
	if (r->len == open)
		r->len -= strlen(list) + 2 + strlen(comma);
	else
		text_add(r, "]");
	return taken;
}

uint32_t text_open_end(struct text_reader *r, struct text_part *k)
{
	if (k->open) {
		k->header = k->layer.header + open_lists(r, k, 1);
		r->len = 0;
	}
	return k->at + k->header;
}

void text_lists(struct text_reader *r, const struct text_part *k, unsigned before)
{
	const struct l4_proto *p = k->layer.proto;
	const uint8_t *h = r->data + k->at + k->layer.header;
	uint32_t n = k->header - k->layer.header;
	uint32_t length = k->prefixed ? l4_get_u16(r->data + k->at - 2) : 0;
	if (k->prefixed && length != r->pad - k->at)
		text_add(r, before++ ? ",length=%u" : "length=%u", length);
	if (k->open) {
		if (!r->plain)
			open_lists(r, k, before);
		return;
	}
	if (!n)
		return;
	bool routing = !strcmp(p->name, "ipv6.routing");
	if (!r->plain && !strcmp(p->name, "gre")) {
		static const struct {
			uint8_t bit, size;
			const char *name;
		} parts[] = { { 0xc0, 4, "checksum" }, { 0x20, 4, "key" }, { 0x10, 4, "seq" } };
		uint8_t flags = r->data[k->at];
		text_add(r, "%soptions=[", before ? "," : "");
		for (unsigned i = 0, any = 0; i < 3; i++)
			if (flags & parts[i].bit) {
				text_add(r, any++ ? ",%s(" : "%s(", parts[i].name);
				if (i)
					text_add(r, "%" PRIu32 ")", l4_get_u32(h));
				else
					text_add(r, "%u,%u)", l4_get_u16(h), l4_get_u16(h + 2));
				h += 4;
			}
		text_add(r, "]");
		return;
	}
	if (!r->plain && routing && n % 16 == 0) {
		text_add(r, "%saddrs=[", before ? "," : "");
		records(r, p, "addrs", h, n, 16, 0);
		text_add(r, "]");
		return;
	}
	text_add(r, "%soptions=[", before ? "," : "");
	if (!r->plain && !routing) {
		options(r, p, h, n);
	} else {
		text_add(r, "raw(hex=");
		text_hex(r, h, n);
		text_add(r, ")");
	}
	text_add(r, "]");
}
