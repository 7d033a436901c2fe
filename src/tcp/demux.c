/* The demultiplexer: whose a segment is.
 *
 * Every object that a segment can belong to (connection whole or parked, half-open record,
 * TIME-WAIT record) stands in one chained hash keyed with SipHash over the four-tuple, so that an
 * outsider cannot make long chains. Chains are of 32-bit references, not pointers, and the table
 * has at least as many buckets as there are objects: 4 to 8 bytes for each. A TIME-WAIT record does
 * not keep its hash, which is computed again in the rare case that it is needed. */
#include "tcp/conn.h"

#define BUCKETS_MIN 256u

int l4_demux_init(struct l4_tcp_stack *ts)
{
	ts->n_buckets = BUCKETS_MIN;
	ts->bucket = l4_tcp_alloc(ts, BUCKETS_MIN * sizeof *ts->bucket);
	if (!ts->bucket)
		return L4_ENOMEM;
	memset(ts->bucket, 0xff, BUCKETS_MIN * sizeof *ts->bucket);
	return 0;
}

void l4_demux_fini(struct l4_tcp_stack *ts)
{
	l4_tcp_free(ts, ts->bucket, ts->n_buckets * sizeof *ts->bucket);
}

uint32_t l4_tcp_hash(const struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote)
{
	uint8_t t[L4_TUPLE_LEN];
	memcpy(t, local->addr.b, 16);
	memcpy(t + 16, remote->addr.b, 16);
	memcpy(t + 32, &local->port, 2);
	memcpy(t + 34, &remote->port, 2);
	return (uint32_t)l4_siphash13_tuple(ts->key_hash, t);
}

static bool same_end(const struct l4_endpoint *a, const struct l4_endpoint *b)
{
	return a->port == b->port && l4_addr_eq(&a->addr, &b->addr) &&
	       (a->ifindex == b->ifindex || a->ifindex == 0 || b->ifindex == 0);
}

/* The node of a connection, whole or parked, or of a half-open record. */
static struct l4_hnode *node(const struct l4_tcp_stack *ts, uint32_t ref)
{
	uint32_t i = l4_ref_index(ref);
	if (l4_ref_kind(ref) == L4_REF_REQ)
		return &l4_req_at(ts, i)->h;
	const struct l4_slot *s = &ts->slot[i];
	return s->kind == L4_SLOT_WHOLE ? &s->u.c->h : l4_tcp_parked_node(s->u.parked);
}

static uint32_t *next_of(const struct l4_tcp_stack *ts, uint32_t ref)
{
	if (l4_ref_kind(ref) == L4_REF_TW)
		return &l4_tw_at(ts, l4_ref_index(ref))->hnext;
	return &node(ts, ref)->next;
}

uint32_t l4_ref_next(const struct l4_tcp_stack *ts, uint32_t ref)
{
	return *next_of(ts, ref);
}

uint32_t l4_ref_hash(const struct l4_tcp_stack *ts, uint32_t ref)
{
	if (l4_ref_kind(ref) != L4_REF_TW)
		return node(ts, ref)->hash;
	struct l4_endpoint local, remote;
	l4_tcp_tw_ends(l4_tw_at(ts, l4_ref_index(ref)), &local, &remote);
	return l4_tcp_hash(ts, &local, &remote);
}

uint32_t l4_tcp_find(const struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote)
{
	uint32_t hash = l4_tcp_hash(ts, local, remote);
	uint32_t ref = ts->bucket[hash & (ts->n_buckets - 1)];
	while (ref != L4_REF_NONE) {
		if (l4_ref_kind(ref) == L4_REF_TW) {
			const struct l4_tcp_tw *t = l4_tw_at(ts, l4_ref_index(ref));
			struct l4_endpoint l, r;
			if (t->local_port == local->port && t->remote_port == remote->port) {
				l4_tcp_tw_ends(t, &l, &r);
				if (same_end(&l, local) && same_end(&r, remote))
					return ref;
			}
			ref = t->hnext;
		} else {
			const struct l4_hnode *n = node(ts, ref);
			if (n->hash == hash && same_end(&n->local, local) &&
			    same_end(&n->remote, remote))
				return ref;
			ref = n->next;
		}
	}
	return L4_REF_NONE;
}

static void grow(struct l4_tcp_stack *ts)
{
	uint32_t n = ts->n_buckets * 2;
	uint32_t *b = l4_tcp_alloc(ts, n * sizeof *b);
	if (!b)
		return; /* longer chains, still right */
	memset(b, 0xff, n * sizeof *b);
	for (uint32_t i = 0; i < ts->n_buckets; i++) {
		for (uint32_t ref = ts->bucket[i], next; ref != L4_REF_NONE; ref = next) {
			uint32_t *at = next_of(ts, ref), to = l4_ref_hash(ts, ref) & (n - 1);
			next = *at;
			*at = b[to];
			b[to] = ref;
		}
	}
	l4_demux_fini(ts);
	ts->bucket = b;
	ts->n_buckets = n;
}

void l4_tcp_hash_add(struct l4_tcp_stack *ts, uint32_t ref, uint32_t hash)
{
	if (ts->n_hashed >= ts->n_buckets && ts->n_buckets < 1u << 31)
		grow(ts);
	uint32_t *b = &ts->bucket[hash & (ts->n_buckets - 1)];
	*next_of(ts, ref) = *b;
	if (l4_ref_kind(ref) != L4_REF_TW)
		node(ts, ref)->hash = hash;
	*b = ref;
	ts->n_hashed++;
}

void l4_tcp_hash_del(struct l4_tcp_stack *ts, uint32_t ref, uint32_t hash)
{
	uint32_t *p = &ts->bucket[hash & (ts->n_buckets - 1)];
	while (*p != ref)
		p = next_of(ts, *p);
	*p = l4_ref_next(ts, ref);
	ts->n_hashed--;
}

void l4_tcp_conn_add(struct l4_tcp *c, uint32_t hash)
{
	assert(!c->hashed);
	l4_tcp_hash_add(c->ts, l4_ref(L4_REF_CONN, c->slot), hash);
	c->hashed = true;
}

void l4_tcp_conn_del(struct l4_tcp *c)
{
	if (!c->hashed)
		return;
	l4_tcp_hash_del(c->ts, l4_ref(L4_REF_CONN, c->slot), c->h.hash);
	c->hashed = false;
	l4_tcp_forget_flow(c);
}

void l4_tcp_forget_flow(struct l4_tcp *c)
{
	if (c->flow)
		c->ts->flow[c->flow - 1].c = NULL;
	c->flow = 0;
}

struct l4_tcp *l4_tcp_of_ref(struct l4_tcp_stack *ts, uint32_t ref)
{
	const struct l4_slot *s = &ts->slot[l4_ref_index(ref)];
	return s->kind == L4_SLOT_WHOLE ? s->u.c : l4_tcp_unpark(ts, s->u.parked);
}
