/* Names of protocols and fields as expressions write them, and the nearest ones to a typo.
 *
 * An expression may only name what has a fixed place in the header (a row with a width that is
 * neither computed nor a second name). Looked for in this order: the alias, the whole rest of the
 * name after the protocol's ("flags.ack"), what follows the last dot. The alias leads, so that
 * "ack" is the number of TCP and not the flag. */
#include <layer4/packet.h>

#include <string.h>

#include "craft/expr.h"

const struct l4_proto *l4_craft_proto(const char *name)
{
	static const char *const other[][2] = { { "ip6", "ipv6" }, { "ip4", "ip" },
		{ "icmp6", "icmpv6" }, { "ether", "eth" }, { "dot1q", "vlan" },
		{ "qinq", "ieee8021ad" }, { "hopopts", "ipv6.hopopts" },
		{ "dstopts", "ipv6.dstopts" }, { "routing", "ipv6.routing" },
		{ "frag", "ipv6.fraghdr" } };
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		if (!strcmp(other[i][0], name))
			return l4_proto_find(other[i][1]);
	return l4_proto_find(name);
}

bool l4_craft_writable(const struct l4_field *f)
{
	return f->name && f->bits && !(f->flags & (L4_FF_GENERATED | L4_FF_HIDDEN | L4_FF_EXPERT));
}

/* What follows the protocol's name and a dot, or the first dot: the tables of mDNS and of IPv6's
 * extension headers have names of their family. */
const char *craft_tail(const struct l4_proto *p, const char *name)
{
	size_t n = strlen(p->name);
	if (!strncmp(name, p->name, n) && name[n] == '.')
		return name + n + 1;
	const char *dot = strchr(name, '.');
	return dot ? dot + 1 : name;
}

const char *craft_short(const struct l4_proto *p, const struct l4_field *f)
{
	return f->alias ? f->alias : craft_tail(p, f->name);
}

const struct l4_field *craft_named(
    const struct l4_proto *p, const struct l4_field *rows, size_t n, const char *name)
{
	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < n; i++) {
			const struct l4_field *f = &rows[i];
			if (!l4_craft_writable(f))
				continue;
			const char *dot = strrchr(f->name, '.');
			const char *k = pass == 0   ? f->alias
					: pass == 1 ? craft_tail(p, f->name)
					: dot       ? dot + 1
						    : NULL;
			if (k && !strcmp(k, name))
				return f;
		}
	return NULL;
}

const struct l4_field *l4_craft_field(const struct l4_proto *p, const char *name)
{
	const struct l4_craft_form *form;
	const struct l4_field *f = craft_named(p, p->fields + 1, p->n_fields - 1u, name);
	return f ? f : craft_form_field(p, name, -1, &form);
}

/* Edits from a to b: insert, delete, replace, exchange two neighbours, each 1 (optimal string
 * alignment), on three rows. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][64];
	size_t n = strlen(b);
	if (n >= 63 || strlen(a) >= 63)
		return 99;
	for (unsigned j = 0; j <= n; j++)
		rows[0][j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[strlen(a) % 3][n];
}

/* The three nearest, nearest first: of at most an edit for every three letters begun, or that begin
 * with what is wanted. */
struct nearest {
	const char *name[3];
	unsigned edits[3];
};

static void offer(struct nearest *s, const char *wanted, const char *name)
{
	unsigned e = distance(wanted, name);
	size_t n = strlen(wanted);
	if (n > 1 && !strncmp(name, wanted, n))
		e = 1;
	if (e > (n + 2) / 3 || e >= strlen(name))
		return;
	for (size_t i = 0; i < 3; i++)
		if (s->name[i] && !strcmp(s->name[i], name))
			return;
	for (size_t i = 0; i < 3; i++)
		if (!s->name[i] || e < s->edits[i]) {
			for (size_t k = 2; k > i; k--) {
				s->name[k] = s->name[k - 1];
				s->edits[k] = s->edits[k - 1];
			}
			s->name[i] = name;
			s->edits[i] = e;
			return;
		}
}

static void offer_rows(struct nearest *s, const char *wanted, const struct l4_proto *p,
    const struct l4_field *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (l4_craft_writable(&rows[i])) {
			if (rows[i].alias)
				offer(s, wanted, rows[i].alias);
			offer(s, wanted, craft_tail(p, rows[i].name));
		}
}

/* The names of lists, and of the fields in them, which stand in one text with commas. */
static void offer_options(struct nearest *s, const char *wanted, const struct l4_proto *p)
{
	const struct l4_craft_option *o;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++)
		offer(s, wanted, o->list);
}

/* The names found, as "tcp, udp". */
static size_t names_text(const struct nearest *s, char *out, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < 3 && s->name[i]; i++) {
		size_t l = strlen(s->name[i]);
		if (n + l + 3 > cap)
			break;
		if (n) {
			memcpy(out + n, ", ", 2);
			n += 2;
		}
		memcpy(out + n, s->name[i], l);
		n += l;
	}
	out[n] = 0;
	return n;
}

size_t craft_nearest_option(
    const struct l4_proto *p, const char *list, const char *wanted, char *out, size_t cap)
{
	struct nearest s = { { NULL }, { 0 } };
	const struct l4_craft_option *o;
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++)
		if (!strcmp(o->list, list))
			offer(&s, wanted, o->name);
	return names_text(&s, out, cap);
}

size_t l4_craft_nearest(const struct l4_proto *p, const char *wanted, char *out, size_t cap)
{
	static const char *const words[] = { "raw", "pad", "file", "fuzz", "ip6", "icmp6",
		"hopopts", "dstopts", "routing", "frag" };
	struct nearest s = { { NULL }, { 0 } };
	const struct l4_craft_form *form;
	if (!cap)
		return 0;
	for (size_t i = 0; !p && i < sizeof words / sizeof words[0]; i++)
		offer(&s, wanted, words[i]);
	for (size_t i = 0; !p && i < l4_proto_count(); i++)
		offer(&s, wanted, l4_proto_at(i)->name);
	if (p) {
		offer_rows(&s, wanted, p, p->fields + 1, p->n_fields - 1u);
		for (size_t i = 0; (form = l4_craft_form(p, i)) != NULL; i++)
			offer_rows(&s, wanted, p, form->fields, form->n_fields);
		offer_options(&s, wanted, p);
	}
	return names_text(&s, out, cap);
}
