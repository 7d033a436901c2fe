/* The table of connections: open addressing over records that never move.
 *
 * A slot is a hash and the number of a record, eight bytes, so that a search stays within one cache
 * line until it has found the record. There are always more than twice as many slots as names. A
 * new connection of a known name takes over the name's slot: the older stays in the list and is not
 * found any more. Records come out of blocks, TCP's with two flows behind them, the others without.
 *
 * The hash is keyed (config.hash_seed), so that a capture cannot be made to collide. Should a run
 * of slots be full all the same (PROBES), the newest name takes the place of another.
 *
 * Memory of a connection: CONV_BYTES of UDP or of a pair of addresses, CONV_TCP_BYTES of TCP, and
 * 24 to 48 bytes of slots and list. Unacknowledged segments live in one pool for all connections,
 * with a limit for the whole. */
#include "dissect/conv.h"

#include <layer4/err.h>

#include <stdlib.h>

#define CONV_BYTES     sizeof(struct l4_conv)
#define CONV_TCP_BYTES (sizeof(struct l4_conv) + 2 * sizeof(struct l4_tcp_flow))
#define BLOCK          (1u << 16)
#define PROBES         256u
#define POOL_SLAB      4096u
#define UNACKED_MAX    (1u << 19) /* 12 MiB */

struct slot {
	uint32_t hash;
	uint32_t record; /* index + 1; 0: free */
};

struct l4_conv_table {
	uint32_t max, count, list_cap;
	uint32_t n_slots, used; /* used: names, fewer than count where ports were reused */
	struct slot *slot;
	struct l4_conv **list; /* in the order of their beginning */
	uint64_t seed;
	uint8_t **block;
	uint32_t n_blocks;
	size_t block_used;
	struct l4_unacked **pool;
	uint32_t n_pool, pool_used, pool_free;
};

struct key {
	const uint8_t *a, *b; /* lower and higher end */
	uint16_t ap, bp;
	uint8_t n; /* bytes of an address */
	uint8_t kind;
};

struct l4_conv_table *l4_conv_new(uint32_t max, uint64_t seed)
{
	struct l4_conv_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->max = max ? max : 4u << 20;
	t->seed = seed;
	t->n_slots = 2048;
	t->slot = calloc(t->n_slots, sizeof *t->slot);
	if (!t->slot) {
		free(t);
		return NULL;
	}
	return t;
}

void l4_conv_free(struct l4_conv_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_blocks; i++)
		free(t->block[i]);
	for (uint32_t i = 0; i < t->n_pool; i++)
		free(t->pool[i]);
	free(t->block);
	free(t->list);
	free(t->pool);
	free(t->slot);
	free(t);
}

uint32_t l4_conv_count(const struct l4_conv_table *t)
{
	return t->count;
}

struct l4_conv *l4_conv_at(struct l4_conv_table *t, uint32_t index)
{
	return index < t->count ? t->list[index] : NULL;
}

/* The two ends in order. An address of IPv4 is compared as a number. */
static void make_key(const struct l4_dissect *d, struct key *k, bool *from_lo)
{
	static const uint8_t none[16];
	struct l4_net s = d->net_src, e = d->net_dst;
	k->kind = (uint8_t)s.kind;
	int c = 0;
	if (s.kind == L4_AK_IP4) {
		k->n = 4;
		uint32_t x = l4_get_u32(s.p), y = l4_get_u32(e.p);
		c = x < y ? -1 : x > y;
	} else if (s.kind == L4_AK_IP6) {
		k->n = 16;
		c = memcmp(s.p, e.p, 16);
	} else {
		k->n = 0;
		s.p = e.p = none;
	}
	bool lo = c < 0 || (c == 0 && d->sport <= d->dport);
	k->a = lo ? s.p : e.p;
	k->b = lo ? e.p : s.p;
	k->ap = lo ? d->sport : d->dport;
	k->bp = lo ? d->dport : d->sport;
	*from_lo = lo;
}

/* Every bit of v reaches the low half (a product alone carries upwards only). */
static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint32_t hash_of(const struct l4_conv_table *t, const struct key *k, uint8_t proto)
{
	uint64_t h = mix(
	    t->seed ^ 0x51ed270b9c1f63a7u, (uint64_t)proto << 32 | (uint32_t)k->ap << 16 | k->bp);
	for (unsigned i = 0; i < k->n; i += 4) {
		uint32_t x, y;
		memcpy(&x, k->a + i, 4);
		memcpy(&y, k->b + i, 4);
		h = mix(h, (uint64_t)x << 32 | y);
	}
	return (uint32_t)mix(h, h >> 29);
}

static bool same(const struct l4_conv *c, const struct key *k, uint8_t proto)
{
	if (c->proto != proto || c->kind != k->kind || c->lo_port != k->ap || c->hi_port != k->bp)
		return false;
	if (k->n == 4)
		return !memcmp(c->lo_addr, k->a, 4) && !memcmp(c->hi_addr, k->b, 4);
	return !memcmp(c->lo_addr, k->a, k->n) && !memcmp(c->hi_addr, k->b, k->n);
}

/* The slot of a name, or the free one where it belongs, or (all taken) the one to give up. */
static struct slot *search(struct l4_conv_table *t, const struct key *k, uint8_t proto, uint32_t h)
{
	struct slot *s = t->slot;
	for (uint32_t n = 0; n < PROBES; n++) {
		s = &t->slot[(h + n) & (t->n_slots - 1)];
		if (!s->record)
			return s;
		if (s->hash == h && same(t->list[s->record - 1], k, proto))
			return s;
	}
	return s;
}

struct l4_conv *l4_conv_find(struct l4_dissect *d, uint8_t proto, bool *from_lo)
{
	struct l4_conv_table *t = d->convs;
	struct key k;
	make_key(d, &k, from_lo);
	uint32_t h = hash_of(t, &k, proto);
	for (uint32_t n = 0; n < PROBES; n++) {
		const struct slot *s = &t->slot[(h + n) & (t->n_slots - 1)];
		if (!s->record)
			return NULL;
		if (s->hash != h)
			continue;
		struct l4_conv *c = t->list[s->record - 1];
		if (same(c, &k, proto))
			return c;
	}
	return NULL;
}

static void grow(struct l4_conv_table *t)
{
	uint32_t n = t->n_slots * 2;
	struct slot *b = calloc(n, sizeof *b);
	if (!b)
		return; /* longer searches */
	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (!t->slot[i].record)
			continue;
		uint32_t at = t->slot[i].hash;
		for (uint32_t k = 0; k < PROBES && b[at & (n - 1)].record; k++)
			at++;
		b[at & (n - 1)] = t->slot[i];
	}
	free(t->slot);
	t->slot = b;
	t->n_slots = n;
}

/* Memory for a record, zeroed, in the list. */
static struct l4_conv *record(struct l4_conv_table *t, size_t bytes)
{
	if (t->count == t->list_cap) {
		uint32_t cap = t->list_cap ? t->list_cap * 2 : 256;
		struct l4_conv **l = realloc(t->list, cap * sizeof(*l));
		if (!l)
			return NULL;
		t->list = l;
		t->list_cap = cap;
	}
	if (!t->n_blocks || BLOCK - t->block_used < bytes) {
		uint8_t **b = realloc(t->block, (t->n_blocks + 1) * sizeof(*b));
		if (!b)
			return NULL;
		t->block = b;
		if (!(b[t->n_blocks] = malloc(BLOCK)))
			return NULL;
		t->n_blocks++;
		t->block_used = 0;
	}
	void *c = t->block[t->n_blocks - 1] + t->block_used;
	t->block_used += bytes;
	memset(c, 0, bytes);
	return t->list[t->count++] = c;
}

struct l4_conv *l4_conv_add(struct l4_dissect *d, uint8_t proto, bool *from_lo)
{
	struct l4_conv_table *t = d->convs;
	if (t->count >= t->max)
		return NULL;
	if (t->used * 2 >= t->n_slots)
		grow(t);
	struct l4_conv *c = record(t, proto == 6 ? CONV_TCP_BYTES : CONV_BYTES);
	if (!c)
		return NULL;
	struct key k;
	make_key(d, &k, from_lo);
	uint32_t h = hash_of(t, &k, proto);
	struct slot *s = search(t, &k, proto, h);
	t->used += !s->record;
	*s = (struct slot){ h, t->count };
	memcpy(c->lo_addr, k.a, k.n);
	memcpy(c->hi_addr, k.b, k.n);
	c->lo_port = k.ap;
	c->hi_port = k.bp;
	c->kind = k.kind;
	c->proto = proto;
	c->app = PROTO_NONE;
	c->first_is_lo = *from_lo;
	c->first_frame = (uint32_t)d->out.cap->number;
	c->first_ts = c->last_ts = d->out.cap->ts;
	if (proto == 6) {
		c->flow[0].win_scale = c->flow[1].win_scale = SCALE_UNKNOWN;
		c->flow[0].bits = c->flow[1].bits = FLOW_FIRST_ACK | FLOW_VALID_BIF;
	}
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
		unsigned from = k == 0 ? !lo : lo;
		out->packets[k] = c->sent[from].packets;
		out->bytes[k] = c->sent[from].bytes;
		out->payload[k] = c->sent[from].payload;
		if (c->proto == 6)
			out->retransmissions[k] = c->flow[from].retransmissions;
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
		c->sent[!lo].packets++;
		c->sent[!lo].bytes += d->out.cap->len;
		c->last_ts = d->out.cap->ts;
	}
	d->sport = s;
	d->dport = e;
}
