/* The table of connections: open hashing over slabs of records that never move.
 *
 * Records come in slabs of 256, so that a pointer to one stays good while the table grows; buckets
 * are indexes and double when they are as many as records. The hash is keyed by a constant only: a
 * capture made to collide costs time (chains are cut at CHAIN_MAX and the connection is then not
 * analysed), never memory. Unacknowledged segments live in one pool for all connections, with a
 * limit for the whole. */
#include "dissect/conv.h"

#include <layer4/err.h>

#include <stdlib.h>

#define SLAB        256u
#define CHAIN_MAX   64u
#define POOL_SLAB   4096u
#define UNACKED_MAX (1u << 19) /* 12 MiB */

struct l4_conv_table {
	uint32_t max, count, buckets;
	uint32_t *bucket; /* index + 1 of the first record */
	struct l4_conv **slab;
	uint32_t n_slabs;
	struct l4_unacked **pool;
	uint32_t n_pool, pool_used, pool_free;
	/* the last one found: neighbours in a capture are often of one connection */
	struct l4_conv *last;
};

struct key {
	const uint8_t *a, *b; /* lower and higher end */
	uint16_t ap, bp;
	uint8_t n; /* bytes of an address */
	uint8_t kind;
};

struct l4_conv_table *l4_conv_new(uint32_t max)
{
	struct l4_conv_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->max = max ? max : 4u << 20;
	t->buckets = 1024;
	t->bucket = calloc(t->buckets, sizeof *t->bucket);
	if (!t->bucket) {
		free(t);
		return NULL;
	}
	return t;
}

void l4_conv_free(struct l4_conv_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_slabs; i++)
		free(t->slab[i]);
	for (uint32_t i = 0; i < t->n_pool; i++)
		free(t->pool[i]);
	free(t->slab);
	free(t->pool);
	free(t->bucket);
	free(t);
}

uint32_t l4_conv_count(const struct l4_conv_table *t)
{
	return t->count;
}

struct l4_conv *l4_conv_at(struct l4_conv_table *t, uint32_t index)
{
	return index < t->count ? &t->slab[index / SLAB][index % SLAB] : NULL;
}

/* The two ends in order. False: the packet has no network addresses. */
static bool make_key(const struct l4_dissect *d, struct key *k, bool *from_lo)
{
	static const uint8_t none[16];
	struct l4_net s = d->net_src, e = d->net_dst;
	k->kind = (uint8_t)s.kind;
	k->n = s.kind == L4_AK_IP6 ? 16 : s.kind == L4_AK_IP4 ? 4 : 0;
	if (!k->n)
		s.p = e.p = none;
	int c = memcmp(s.p, e.p, k->n);
	bool lo = c < 0 || (c == 0 && d->sport <= d->dport);
	k->a = lo ? s.p : e.p;
	k->b = lo ? e.p : s.p;
	k->ap = lo ? d->sport : d->dport;
	k->bp = lo ? d->dport : d->sport;
	*from_lo = lo;
	return true;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static uint32_t hash_of(const struct key *k, uint8_t proto)
{
	uint64_t h = (uint64_t)proto << 32 | (uint32_t)k->ap << 16 | k->bp;
	h = mix(h, 0x51ed270b);
	for (unsigned i = 0; i < k->n; i += 4) {
		uint32_t x, y;
		memcpy(&x, k->a + i, 4);
		memcpy(&y, k->b + i, 4);
		h = mix(h, (uint64_t)x << 32 | y);
	}
	return (uint32_t)(h ^ h >> 32);
}

static bool same(const struct l4_conv *c, const struct key *k, uint8_t proto, uint32_t h)
{
	return c->hash == h && c->proto == proto && c->kind == k->kind && c->lo_port == k->ap &&
	       c->hi_port == k->bp && !memcmp(c->lo_addr, k->a, k->n) &&
	       !memcmp(c->hi_addr, k->b, k->n);
}

struct l4_conv *l4_conv_find(struct l4_dissect *d, uint8_t proto, bool *from_lo)
{
	struct l4_conv_table *t = d->convs;
	struct key k;
	make_key(d, &k, from_lo);
	uint32_t h = hash_of(&k, proto);
	if (t->last && same(t->last, &k, proto, h))
		return t->last;
	uint32_t i = t->bucket[h & (t->buckets - 1)];
	for (unsigned n = 0; i && n < CHAIN_MAX; n++) {
		struct l4_conv *c = l4_conv_at(t, i - 1);
		if (same(c, &k, proto, h)) {
			t->last = c;
			return c;
		}
		i = c->next;
	}
	return NULL;
}

static void grow(struct l4_conv_table *t)
{
	uint32_t n = t->buckets * 2;
	uint32_t *b = calloc(n, sizeof *b);
	if (!b)
		return; /* longer chains */
	free(t->bucket);
	t->bucket = b;
	t->buckets = n;
	/* Older records first, so that the newest of a name stays in front. */
	for (uint32_t i = 0; i < t->count; i++) {
		struct l4_conv *c = l4_conv_at(t, i);
		uint32_t *head = &b[c->hash & (n - 1)];
		c->next = *head;
		*head = i + 1;
	}
}

struct l4_conv *l4_conv_add(struct l4_dissect *d, uint8_t proto, bool *from_lo)
{
	struct l4_conv_table *t = d->convs;
	if (t->count >= t->max)
		return NULL;
	if (t->count == t->buckets)
		grow(t);
	if (t->count == t->n_slabs * SLAB) {
		struct l4_conv **s = realloc(t->slab, (t->n_slabs + 1) * sizeof(*s));
		if (!s)
			return NULL;
		t->slab = s;
		t->slab[t->n_slabs] = malloc(SLAB * sizeof(struct l4_conv));
		if (!t->slab[t->n_slabs])
			return NULL;
		t->n_slabs++;
	}
	struct key k;
	make_key(d, &k, from_lo);
	uint32_t h = hash_of(&k, proto);
	uint32_t *head = &t->bucket[h & (t->buckets - 1)];
	struct l4_conv *c = &t->slab[t->count / SLAB][t->count % SLAB];
	memset(c, 0, sizeof *c);
	memcpy(c->lo_addr, k.a, k.n);
	memcpy(c->hi_addr, k.b, k.n);
	c->lo_port = k.ap;
	c->hi_port = k.bp;
	c->kind = k.kind;
	c->proto = proto;
	c->hash = h;
	c->app = PROTO_NONE;
	c->first_is_lo = *from_lo;
	c->first_frame = (uint32_t)d->out.cap->number;
	c->first_ts = c->last_ts = d->out.cap->ts;
	c->flow[0].win_scale = c->flow[1].win_scale = SCALE_UNKNOWN;
	c->flow[0].bits = c->flow[1].bits = FLOW_FIRST_ACK | FLOW_VALID_BIF;
	c->next = *head;
	*head = ++t->count;
	t->last = c;
	return c;
}

struct l4_unacked *l4_unacked_at(struct l4_conv_table *t, uint32_t handle)
{
	handle--;
	return &t->pool[handle / POOL_SLAB][handle % POOL_SLAB];
}

uint32_t l4_unacked_get(struct l4_conv_table *t)
{
	if (t->pool_free) {
		uint32_t h = t->pool_free;
		t->pool_free = l4_unacked_at(t, h)->next;
		return h;
	}
	if (t->pool_used == UNACKED_MAX)
		return 0;
	if (t->pool_used == t->n_pool * POOL_SLAB) {
		struct l4_unacked **s = realloc(t->pool, (t->n_pool + 1) * sizeof(*s));
		if (!s)
			return 0;
		t->pool = s;
		t->pool[t->n_pool] = malloc(POOL_SLAB * sizeof(struct l4_unacked));
		if (!t->pool[t->n_pool])
			return 0;
		t->n_pool++;
	}
	return ++t->pool_used;
}

void l4_unacked_put(struct l4_conv_table *t, uint32_t handle)
{
	l4_unacked_at(t, handle)->next = t->pool_free & 0x7fffffff;
	t->pool_free = handle;
}

/* ---- for those outside ---- */

uint32_t l4_dissect_conversations(const struct l4_dissect *d)
{
	return d->convs->count;
}

static struct l4_endpoint end_of(const struct l4_conv *c, bool lo)
{
	const uint8_t *p = lo ? c->lo_addr : c->hi_addr;
	struct l4_endpoint e = { .port = lo ? c->lo_port : c->hi_port };
	e.addr = c->kind == L4_AK_IP6 ? l4_addr_from_ip6(p) : l4_addr_from_ip4(p);
	return e;
}

int l4_dissect_conversation(const struct l4_dissect *d, uint32_t index, struct l4_conversation *out)
{
	const struct l4_conv *c = l4_conv_at(d->convs, index);
	if (!c)
		return L4_ENOTFOUND;
	bool lo = c->first_is_lo;
	*out = (struct l4_conversation){ .proto = c->proto,
		.id = c->id,
		.a = end_of(c, lo),
		.b = end_of(c, !lo),
		.first = c->first_ts,
		.last = c->last_ts,
		.rtt = c->first_rtt,
		.completeness = c->completeness };
	for (unsigned k = 0; k < 2; k++) {
		const struct l4_tcp_flow *f = &c->flow[k == 0 ? !lo : lo];
		out->packets[k] = f->packets;
		out->bytes[k] = f->bytes;
		out->payload[k] = f->payload;
		out->retransmissions[k] = f->retransmissions;
	}
	return 0;
}

void l4_conv_count_ip(struct l4_dissect *d)
{
	uint16_t s = d->sport, e = d->dport;
	d->sport = d->dport = 0;
	bool lo;
	struct l4_conv *c = l4_conv_find(d, 0, &lo);
	if (!c && (c = l4_conv_add(d, 0, &lo)))
		c->id = d->ip_pairs++;
	if (c) {
		c->flow[!lo].packets++;
		c->flow[!lo].bytes += d->out.cap->len;
		c->last_ts = d->out.cap->ts;
	}
	d->sport = s;
	d->dport = e;
}
