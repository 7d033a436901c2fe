/* Targets: names, addresses, blocks, ranges and files become one sorted set of addresses.
 *
 * Both versions of IP live in one 128-bit space (version 4 mapped, RFC 4291 2.5.5.2). The set is
 * kept as disjoint ranges, so that a target given twice counts once, exclusions are cut out, and
 * any host is found by its number in a binary search. Reserved addresses are left out of blocks
 * and ranges; whoever names a single address means it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "cli/scan.h"

#define HOSTS_MAX ((uint64_t)1 << 40) /* with 65536 ports, numbers of probes fit 56 bits */

scan_u128 scan_addr_to_u128(const struct l4_addr *a)
{
	scan_u128 v = 0;
	for (int i = 0; i < 16; i++)
		v = v << 8 | a->b[i];
	return v;
}

struct l4_addr scan_addr_from_u128(scan_u128 v)
{
	struct l4_addr a;
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (uint8_t)v;
		v >>= 8;
	}
	return a;
}

/* What no scan of a block should touch: "this network", loopback in a block that is wider,
 * protocol and test networks, multicast, broadcast (RFC 6890 and the registries it names). Private,
 * shared and link-local addresses are there to be used and stay. */
static const char *const reserved[] = {
	"0.0.0.0/8",
	"192.0.0.0/24",
	"192.0.2.0/24",
	"192.88.99.0/24",
	"198.51.100.0/24",
	"203.0.113.0/24",
	"224.0.0.0/4",
	"240.0.0.0/4",
	"::/128",
	"100::/64",
	"2001:db8::/32",
	"3fff::/20",
	"5f00::/16",
	"ff00::/8",
};
/* What is nobody's but ours: no limits of rate or size. */
static const char *const ours[] = {
	"127.0.0.0/8",
	"10.0.0.0/8",
	"172.16.0.0/12",
	"192.168.0.0/16",
	"169.254.0.0/16",
	"100.64.0.0/10",
	"198.18.0.0/15",
	"192.0.2.0/24",
	"198.51.100.0/24",
	"203.0.113.0/24",
	"::1/128",
	"fc00::/7",
	"fe80::/10",
	"2001:db8::/32",
	"3fff::/20",
};

static struct scan_range block(const char *text)
{
	struct l4_prefix p = { 0 };
	l4_prefix_parse(&p, text);
	scan_u128 v = scan_addr_to_u128(&p.addr);
	scan_u128 host = p.len >= 128 ? 0 : ~(scan_u128)0 >> p.len;
	return (struct scan_range){ v & ~host, v | host };
}

static bool ranges_add(struct scan_ranges *s, struct scan_range r)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct scan_range *p = realloc(s->r, cap * sizeof *p);
		if (!p)
			return false;
		s->r = p;
		s->cap = cap;
	}
	s->r[s->n++] = r;
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct scan_range *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorts and merges what overlaps or touches. */
static void ranges_normalize(struct scan_ranges *s)
{
	size_t out = 0;
	if (!s->n)
		return;
	qsort(s->r, s->n, sizeof *s->r, by_first);
	for (size_t i = 1; i < s->n; i++) {
		if (s->r[i].first <= s->r[out].last ||
		    (s->r[out].last != ~(scan_u128)0 && s->r[i].first == s->r[out].last + 1)) {
			if (s->r[i].last > s->r[out].last)
				s->r[out].last = s->r[i].last;
		} else {
			s->r[++out] = s->r[i];
		}
	}
	s->n = out + 1;
}

/* Cuts one range out of a normal set. */
static bool ranges_cut(struct scan_ranges *s, struct scan_range x)
{
	struct scan_ranges out = { 0 };
	bool ok = true;
	for (size_t i = 0; i < s->n && ok; i++) {
		struct scan_range r = s->r[i];
		if (x.last < r.first || x.first > r.last) {
			ok = ranges_add(&out, r);
			continue;
		}
		if (x.first > r.first)
			ok = ranges_add(&out, (struct scan_range){ r.first, x.first - 1 });
		if (ok && x.last < r.last)
			ok = ranges_add(&out, (struct scan_range){ x.last + 1, r.last });
	}
	free(s->r);
	*s = out;
	return ok;
}

static scan_u128 ranges_count(const struct scan_ranges *s)
{
	scan_u128 n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += s->r[i].last - s->r[i].first + 1;
	return n;
}

static bool in_any(const struct l4_addr *a, const char *const *list, size_t n)
{
	scan_u128 v = scan_addr_to_u128(a);
	for (size_t i = 0; i < n; i++) {
		struct scan_range r = block(list[i]);
		if (v >= r.first && v <= r.last)
			return true;
	}
	return false;
}

bool scan_addr_is_public(const struct l4_addr *a)
{
	return !in_any(a, ours, sizeof ours / sizeof *ours);
}

/* "192.0.2.1-20", "192.0.2.1-192.0.2.20", "2001:db8::1-2001:db8::ff". */
static bool parse_range(const char *text, struct scan_range *out)
{
	char buf[128];
	struct l4_addr a, b;
	const char *dash = strchr(text, '-');
	if (!dash || (size_t)(dash - text) >= sizeof buf)
		return false;
	memcpy(buf, text, (size_t)(dash - text));
	buf[dash - text] = 0;
	if (l4_addr_parse(&a, buf) < 0)
		return false;
	out->first = scan_addr_to_u128(&a);
	if (l4_addr_parse(&b, dash + 1) == 0) {
		out->last = scan_addr_to_u128(&b);
	} else {
		/* The last byte (v4) alone. */
		char *end;
		unsigned long v = strtoul(dash + 1, &end, 10);
		if (!l4_addr_is_ip4(&a) || !isdigit((unsigned char)dash[1]) || *end || v > 255)
			return false;
		out->last = (out->first & ~(scan_u128)255) | v;
	}
	return out->last >= out->first && (l4_addr_is_ip4(&a) == (out->last >> 32 == 0xffff));
}

static bool add_name(struct scan_targets *t, const struct l4_addr *a, const char *name)
{
	if (t->n_names == t->cap_names) {
		size_t cap = t->cap_names ? t->cap_names * 2 : 8;
		struct scan_name *p = realloc(t->names, cap * sizeof *p);
		if (!p)
			return false;
		t->names = p;
		t->cap_names = cap;
	}
	struct scan_name *n = &t->names[t->n_names++];
	n->addr = *a;
	snprintf(n->name, sizeof n->name, "%s", name);
	return true;
}

/* A name's first address (of the version wanted). */
static int resolve(
    struct scan_targets *t, const char *name, struct l4_addr *a, char *error, size_t cap)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = t->family }, *res = NULL;
	int e = getaddrinfo(name, NULL, &hints, &res);
	if (e || !res) {
		snprintf(error, cap,
		    "'%s': %s; say an address, a block as 192.0.2.0/24, a range as 192.0.2.1-20, "
		    "or a name "
		    "that resolves",
		    name, e == EAI_SYSTEM ? strerror(errno) : gai_strerror(e));
		return -1;
	}
	if (res->ai_family == AF_INET6) {
		struct sockaddr_in6 s;
		memcpy(&s, res->ai_addr, sizeof s);
		*a = l4_addr_from_ip6(s.sin6_addr.s6_addr);
	} else {
		struct sockaddr_in s;
		uint8_t b[4];
		memcpy(&s, res->ai_addr, sizeof s);
		memcpy(b, &s.sin_addr, 4);
		*a = l4_addr_from_ip4(b);
	}
	freeaddrinfo(res);
	return add_name(t, a, name) ? 0 : -1;
}

static int add(
    struct scan_targets *t, struct scan_ranges *set, const char *text, char *error, size_t cap)
{
	struct l4_prefix p;
	struct l4_addr a;
	struct scan_range r;
	bool single = false;
	if (l4_addr_parse(&a, text) == 0) {
		r.first = r.last = scan_addr_to_u128(&a);
		single = true;
	} else if (strchr(text, '/') && l4_prefix_parse(&p, text) == 0) {
		r = block(text);
	} else if (!parse_range(text, &r)) {
		if (strchr(text, '/') ||
		    (!strpbrk(text, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ") &&
			strspn(text, "0123456789.-:abcdefABCDEF") == strlen(text) &&
			strpbrk(text, ".:") && isdigit((unsigned char)*text))) {
			snprintf(error, cap,
			    "'%s' is no address, block or range (192.0.2.1, 192.0.2.0/24, "
			    "192.0.2.1-20)",
			    text);
			return -1;
		}
		if (resolve(t, text, &a, error, cap) < 0)
			return -1;
		r.first = r.last = scan_addr_to_u128(&a);
		single = true;
	}
	if (!ranges_add(set, r) || (single && set == &t->set && !ranges_add(&t->named, r))) {
		snprintf(error, cap, "no memory for targets");
		return -1;
	}
	return 0;
}

int scan_targets_add(struct scan_targets *t, const char *text, char *error, size_t cap)
{
	return add(t, &t->set, text, error, cap);
}

int scan_targets_exclude(struct scan_targets *t, const char *text, char *error, size_t cap)
{
	char *copy = strdup(text), *save = NULL;
	int r = copy ? 0 : -1;
	for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w && r == 0;
	     w = strtok_r(NULL, ",", &save))
		r = add(t, &t->exclude, w, error, cap);
	free(copy);
	return r;
}

int scan_targets_file(
    struct scan_targets *t, const char *path, bool exclude, char *error, size_t cap)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char *line = NULL, why[200];
	size_t size = 0;
	int r = 0, number = 0;
	if (!f) {
		snprintf(error, cap, "%s: %s", path, strerror(errno));
		return -1;
	}
	while (r == 0 && getline(&line, &size, f) >= 0) {
		char *save = NULL, *hash = strchr(line, '#');
		number++;
		if (hash)
			*hash = 0;
		for (char *w = strtok_r(line, " \t\r\n,", &save); w && r == 0;
		     w = strtok_r(NULL, " \t\r\n,", &save))
			if ((r = add(t, exclude ? &t->exclude : &t->set, w, why, sizeof why)) < 0)
				snprintf(error, cap, "%s:%d: %s", path, number, why);
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return r;
}

int scan_targets_finish(struct scan_targets *t, char *error, size_t cap)
{
	bool ok = true;
	ranges_normalize(&t->set);
	ranges_normalize(&t->named);
	scan_u128 before = ranges_count(&t->set);
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved && ok; i++)
		ok = ranges_cut(&t->set, block(reserved[i]));
	/* Whoever names one address means it. */
	for (size_t i = 0; i < t->named.n && ok; i++)
		ok = ranges_add(&t->set, t->named.r[i]);
	ranges_normalize(&t->set);
	t->n_reserved = (uint64_t)(before - ranges_count(&t->set));
	for (size_t i = 0; i < t->exclude.n && ok; i++)
		ok = ranges_cut(&t->set, t->exclude.r[i]);
	scan_u128 n = ranges_count(&t->set);
	if (n > HOSTS_MAX) {
		snprintf(error, cap, "more than 2^40 addresses; name a smaller block");
		return -1;
	}
	t->n_hosts = (uint64_t)n;
	t->before = ok ? calloc(t->set.n + 1, sizeof *t->before) : NULL;
	if (!t->before) {
		snprintf(error, cap, "no memory for targets");
		return -1;
	}
	for (size_t i = 0; i < t->set.n; i++)
		t->before[i + 1] =
		    t->before[i] + (uint64_t)(t->set.r[i].last - t->set.r[i].first + 1);
	/* Public addresses: what is left when our own blocks are cut out. */
	struct scan_ranges rest = { 0 };
	for (size_t i = 0; i < t->set.n && ok; i++)
		ok = ranges_add(&rest, t->set.r[i]);
	for (size_t i = 0; i < sizeof ours / sizeof *ours && ok; i++)
		ok = ranges_cut(&rest, block(ours[i]));
	t->n_public = (uint64_t)ranges_count(&rest);
	free(rest.r);
	if (!ok)
		snprintf(error, cap, "no memory for targets");
	return ok ? 0 : -1;
}

struct l4_addr scan_targets_host(const struct scan_targets *t, uint64_t index)
{
	size_t lo = 0, hi = t->set.n;
	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (t->before[mid] <= index)
			lo = mid;
		else
			hi = mid;
	}
	return scan_addr_from_u128(t->set.r[lo].first + (index - t->before[lo]));
}

int64_t scan_targets_find(const struct scan_targets *t, const struct l4_addr *a)
{
	scan_u128 v = scan_addr_to_u128(a);
	size_t lo = 0, hi = t->set.n;
	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (t->set.r[mid].first <= v)
			lo = mid;
		else
			hi = mid;
	}
	if (lo >= t->set.n || v < t->set.r[lo].first || v > t->set.r[lo].last)
		return -1;
	return (int64_t)(t->before[lo] + (uint64_t)(v - t->set.r[lo].first));
}

const char *scan_targets_name(const struct scan_targets *t, const struct l4_addr *a)
{
	for (size_t i = 0; i < t->n_names; i++)
		if (l4_addr_eq(&t->names[i].addr, a))
			return t->names[i].name;
	return NULL;
}

void scan_targets_fini(struct scan_targets *t)
{
	free(t->set.r);
	free(t->exclude.r);
	free(t->named.r);
	free(t->before);
	free(t->names);
	memset(t, 0, sizeof *t);
}
