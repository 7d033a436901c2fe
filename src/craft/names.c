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
		{ "icmp6", "icmpv6" }, { "ether", "eth" }, { "dot1q", "vlan" } };
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		if (!strcmp(other[i][0], name))
			return l4_proto_find(other[i][1]);
	return l4_proto_find(name);
}

bool l4_craft_writable(const struct l4_field *f)
{
	return f->name && f->bits && !(f->flags & (L4_FF_GENERATED | L4_FF_HIDDEN | L4_FF_EXPERT));
}

/* What follows the protocol's name and a dot, or the whole name. */
static const char *tail(const struct l4_proto *p, const char *name)
{
	size_t n = strlen(p->name);
	return !strncmp(name, p->name, n) && name[n] == '.' ? name + n + 1 : name;
}

const struct l4_field *l4_craft_field(const struct l4_proto *p, const char *name)
{
	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 1; i < p->n_fields; i++) {
			const struct l4_field *f = &p->fields[i];
			if (!l4_craft_writable(f))
				continue;
			const char *dot = strrchr(f->name, '.');
			const char *n = pass == 0   ? f->alias
					: pass == 1 ? tail(p, f->name)
					: dot       ? dot + 1
						    : NULL;
			if (n && !strcmp(n, name))
				return f;
		}
	return NULL;
}

/* Edits from a to b: insert, delete, replace, each 1 (Levenshtein), on two rows. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t n = strlen(b);
	if (n >= 63 || strlen(a) >= 63)
		return 99;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diag = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = diag + (a[i - 1] != b[j - 1]);
			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

/* The three nearest of at most 1 + length / 2 edits, nearest first. */
struct nearest {
	const char *name[3];
	unsigned edits[3];
};

static void offer(struct nearest *s, const char *wanted, const char *name)
{
	unsigned e = distance(wanted, name);
	if (e > 1 + strlen(wanted) / 2 || e >= strlen(name))
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

size_t l4_craft_nearest(const struct l4_proto *p, const char *wanted, char *out, size_t cap)
{
	struct nearest s = { { NULL }, { 0 } };
	size_t n = 0;
	if (!cap)
		return 0;
	for (size_t i = 0; !p && i < l4_proto_count(); i++)
		offer(&s, wanted, l4_proto_at(i)->name);
	for (size_t i = 1; p && i < p->n_fields; i++)
		if (l4_craft_writable(&p->fields[i])) {
			if (p->fields[i].alias)
				offer(&s, wanted, p->fields[i].alias);
			offer(&s, wanted, tail(p, p->fields[i].name));
		}
	for (size_t i = 0; i < 3 && s.name[i]; i++) {
		size_t l = strlen(s.name[i]);
		if (n + l + 3 > cap)
			break;
		if (n) {
			memcpy(out + n, ", ", 2);
			n += 2;
		}
		memcpy(out + n, s.name[i], l);
		n += l;
	}
	out[n] = 0;
	return n;
}
