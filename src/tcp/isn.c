/* What must not be guessed: initial sequence numbers (RFC 6528), ephemeral ports (RFC 6056), the
 * offset of timestamps (RFC 7323 5.4). Each is a keyed hash of the ends, with a key or a prefix of
 * its own, so that none tells anything about another. */
#include "tcp/conn.h"

static uint64_t hash_ends(const uint8_t key[16], const struct l4_endpoint *local,
    const struct l4_endpoint *remote, uint16_t local_port)
{
	uint8_t t[L4_TUPLE_LEN];
	memcpy(t, local->addr.b, 16);
	memcpy(t + 16, remote->addr.b, 16);
	memcpy(t + 32, &local_port, 2);
	memcpy(t + 34, &remote->port, 2);
	return l4_siphash24_tuple(key, t);
}

/* RFC 6528 3: ISN = M + F(ends, secret), M counting every 4 microseconds. */
uint32_t l4_tcp_isn(struct l4_tcp_stack *ts, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, l4_time now)
{
	return (uint32_t)(now / (4 * L4_USEC)) +
	       (uint32_t)hash_ends(ts->key_isn, local, remote, local->port);
}

uint32_t l4_tcp_ts_offset(
    struct l4_tcp_stack *ts, const struct l4_endpoint *local, const struct l4_endpoint *remote)
{
	/* by addresses only: a new connection between the same hosts goes on counting (RFC 6191) */
	struct l4_endpoint r = *remote;
	r.port = 0;
	return (uint32_t)(hash_ends(ts->key_port, local, &r, 0xffff) >> 32);
}

/* RFC 6056 3.3.4, double-hash: an offset by the ends and a counter, so that ports of one
 * destination go up and tell nothing about those of others. */
int l4_tcp_pick_port(struct l4_tcp_stack *ts, struct l4_tcp *c, l4_time now)
{
	uint32_t low = ts->cfg.port_low, n = (uint32_t)ts->cfg.port_high - low + 1;
	uint32_t off = (uint32_t)hash_ends(ts->key_port, &c->h.local, &c->h.remote, 0);
	(void)now;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(low + (off + ts->port_counter++) % n);
		bool taken = false;
		for (struct l4_tcp *b = ts->bind_bucket[port % L4_PORT_BUCKETS]; b && !taken;
		     b = b->bind_next)
			taken = b->h.local.port == port && b->state == L4_TCP_LISTEN;
		/* nor the peer's own port on our own address: it would answer itself */
		if (taken ||
		    (port == c->h.remote.port && l4_addr_eq(&c->h.local.addr, &c->h.remote.addr)))
			continue;
		c->h.local.port = port;
		uint32_t ref = l4_tcp_find(ts, &c->h.local, &c->h.remote);
		if (ref == L4_REF_NONE)
			return 0;
		if (l4_ref_kind(ref) == L4_REF_TW && ts->cfg.tw_reuse) {
			uint32_t k = l4_ref_index(ref);
			if (l4_tcp_tw_reusable(ts, l4_tw_at(ts, k), now)) {
				c->iss = l4_tw_at(ts, k)->snd_nxt + 65536;
				l4_tcp_tw_free(ts, k);
				ts->ctr.time_wait_recycled++;
				return 0;
			}
		}
	}
	c->h.local.port = 0;
	return L4_EINUSE;
}
