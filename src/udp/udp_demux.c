/* Which endpoint a datagram is for.
 *
 * Two hash tables keyed by a secret: connected endpoints by both ends, bound ones by local address
 * and port (an address left open is the key "any"). A datagram tries the most specific first:
 * connected, bound to its destination, bound to any IPv4, bound to any IPv6 without V6ONLY. So the
 * cost is four look-ups at most, with one endpoint as with a million. */
#include "udp/udp.h"

#include <string.h>

static uint64_t conn_hash(const struct l4_udp_stack *us, const struct l4_endpoint *local,
    const struct l4_endpoint *remote)
{
	uint8_t t[L4_TUPLE_LEN];
	memcpy(t, local->addr.b, 16);
	memcpy(t + 16, remote->addr.b, 16);
	memcpy(t + 32, &local->port, 2);
	memcpy(t + 34, &remote->port, 2);
	return l4_siphash13_tuple(us->key, t);
}

static uint64_t bound_hash(const struct l4_udp_stack *us, const struct l4_addr *a, uint16_t port)
{
	uint8_t t[18];
	memcpy(t, a->b, 16);
	memcpy(t + 16, &port, 2);
	return l4_siphash13(us->key, t, sizeof(t));
}

static uint64_t hash_of(const struct l4_udp_stack *us, const struct l4_uep *u)
{
	return u->flags & L4_UEP_CONNECTED ? conn_hash(us, &u->local, &u->remote)
					   : bound_hash(us, &u->local.addr, u->local.port);
}

static struct l4_uhash *table_of(struct l4_udp_stack *us, const struct l4_uep *u)
{
	return u->flags & L4_UEP_CONNECTED ? &us->conn : &us->bound;
}

static void link_in(struct l4_udp_stack *us, struct l4_uhash *h, struct l4_uep *u)
{
	struct l4_uep **b = &h->b[hash_of(us, u) & h->mask];
	u->hash_next = *b; /* the latest is found first */
	*b = u;
}

static int grow(struct l4_udp_stack *us, struct l4_uhash *h)
{
	uint32_t slots = h->b ? (h->mask + 1) * 2 : 16;
	struct l4_uep **b = l4_mem_zalloc(us->env.mem, slots * sizeof(*b)), **old = h->b;
	uint32_t old_slots = h->b ? h->mask + 1 : 0;
	if (!b)
		return h->b ? L4_OK : L4_ENOMEM; /* longer chains will do */
	h->b = b;
	h->mask = slots - 1;
	for (uint32_t i = 0; i < old_slots; i++) {
		struct l4_uep *rev = NULL, *next;
		for (struct l4_uep *u = old[i]; u; u = next) { /* keep the order of chains */
			next = u->hash_next;
			u->hash_next = rev;
			rev = u;
		}
		for (struct l4_uep *u = rev; u; u = next) {
			next = u->hash_next;
			link_in(us, h, u);
		}
	}
	l4_mem_free(us->env.mem, old, old_slots * sizeof(*old));
	return L4_OK;
}

int l4_udp_hash_insert(struct l4_udp_stack *us, struct l4_uep *u)
{
	struct l4_uhash *h = table_of(us, u);
	if ((!h->b || h->n > h->mask) && grow(us, h) < 0)
		return L4_ENOMEM;
	link_in(us, h, u);
	h->n++;
	return L4_OK;
}

void l4_udp_hash_remove(struct l4_udp_stack *us, struct l4_uep *u)
{
	struct l4_uhash *h = table_of(us, u);
	struct l4_uep **at = &h->b[hash_of(us, u) & h->mask];
	while (*at != u)
		at = &(*at)->hash_next;
	*at = u->hash_next;
	h->n--;
}

static bool in_scope(const struct l4_uep *u, unsigned ifindex)
{
	return !u->local.ifindex || u->local.ifindex == ifindex;
}

struct l4_uep *l4_udp_find_connected(const struct l4_udp_stack *us, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, unsigned ifindex)
{
	if (!us->conn.n)
		return NULL;
	struct l4_uep *u = us->conn.b[conn_hash(us, local, remote) & us->conn.mask];
	for (; u; u = u->hash_next)
		if (u->local.port == local->port && u->remote.port == remote->port &&
		    l4_addr_eq(&u->local.addr, &local->addr) &&
		    l4_addr_eq(&u->remote.addr, &remote->addr) && in_scope(u, ifindex))
			return u;
	return NULL;
}

struct l4_uep *l4_udp_bound_first(
    const struct l4_udp_stack *us, const struct l4_addr *a, uint16_t port)
{
	if (!us->bound.n)
		return NULL;
	struct l4_uep *u = us->bound.b[bound_hash(us, a, port) & us->bound.mask];
	while (u && (u->local.port != port || !l4_addr_eq(&u->local.addr, a)))
		u = u->hash_next;
	return u;
}

struct l4_uep *l4_udp_bound_next(struct l4_uep *from)
{
	struct l4_uep *u = from->hash_next;
	while (u && (u->local.port != from->local.port ||
			!l4_addr_eq(&u->local.addr, &from->local.addr)))
		u = u->hash_next;
	return u;
}

static struct l4_uep *find_bound(const struct l4_udp_stack *us, const struct l4_addr *a,
    uint16_t port, unsigned ifindex, bool ip4)
{
	struct l4_uep *u = l4_udp_bound_first(us, a, port);
	while (u && (!in_scope(u, ifindex) || (ip4 && u->v6only)))
		u = l4_udp_bound_next(u);
	return u;
}

struct l4_uep *l4_udp_find(const struct l4_udp_stack *us, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, unsigned ifindex)
{
	static const struct l4_addr any6, any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
	bool ip4 = l4_addr_is_ip4(&local->addr);
	struct l4_uep *u = l4_udp_find_connected(us, local, remote, ifindex);
	if (!u)
		u = find_bound(us, &local->addr, local->port, ifindex, false);
	if (!u && ip4)
		u = find_bound(us, &any4, local->port, ifindex, false);
	if (!u)
		u = find_bound(us, &any6, local->port, ifindex, ip4);
	return u ? u : us->catch_all;
}

/* ---- Local ports ---------------------------------------------------------------------------- */

const struct l4_uport *l4_udp_port(const struct l4_udp_stack *us, uint16_t port)
{
	const struct l4_uport *page = us->ports[port >> 8];
	return page ? &page[port & 255] : NULL;
}

bool l4_udp_takes(const struct l4_uep *u, unsigned v6)
{
	bool ip4 = l4_addr_is_ip4(&u->local.addr);
	if (v6)
		return !ip4;
	return ip4 || (l4_addr_is_any(&u->local.addr) && !u->v6only);
}

int l4_udp_port_ref(struct l4_udp_stack *us, struct l4_uep *u)
{
	struct l4_uport **page = &us->ports[u->local.port >> 8];
	if (!*page)
		*page = l4_mem_zalloc(us->env.mem, 256 * sizeof(**page));
	if (!*page)
		return L4_ENOMEM;
	struct l4_uport *p = &(*page)[u->local.port & 255];
	for (unsigned v = 0; v < 2; v++) {
		p->refs[v] += l4_udp_takes(u, v);
		p->exclusive[v] += l4_udp_takes(u, v) && !u->reuse;
	}
	return L4_OK;
}

void l4_udp_port_unref(struct l4_udp_stack *us, struct l4_uep *u)
{
	struct l4_uport *p = &us->ports[u->local.port >> 8][u->local.port & 255];
	for (unsigned v = 0; v < 2; v++) {
		p->refs[v] -= l4_udp_takes(u, v);
		p->exclusive[v] -= l4_udp_takes(u, v) && !u->reuse;
	}
}

/* RFC 6056 3.3.1: simple randomization, then the next free one. */
int l4_udp_pick_port(struct l4_udp_stack *us)
{
	uint32_t n = (uint32_t)us->env.port_high - us->env.port_low + 1;
	uint32_t start = (uint32_t)l4_rng_below(us->env.rng, n);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(us->env.port_low + (start + i) % n);
		const struct l4_uport *p = l4_udp_port(us, port);
		if (!p || (!p->refs[0] && !p->refs[1]))
			return port;
	}
	return L4_EINUSE;
}
