/* UDP (RFC 768; RFC 1122 4.1; RFC 8200 8.1; RFC 8085).
 *
 * An endpoint is bound, or connected, or both; its key in the demultiplexer is its local end when
 * bound and both ends when connected. Datagrams wait in a list charged with what they really take
 * (descriptor included); when the receive buffer is full the newest is dropped. What is sent is
 * copied into a packet at once and charged to the send buffer until the device has taken it.
 *
 * ICMP errors become a pending error, told once, of the endpoint that sent the quoted datagram: the
 * connected one, or an unconnected one whose last destination it was. */
#include "udp/udp.h"

#include <stdio.h>
#include <string.h>

#define RCVBUF_DEFAULT (256u << 10)
#define SNDBUF_DEFAULT (256u << 10)
#define BUF_MIN        2048u
#define PAYLOAD_MAX4   65507u
#define PAYLOAD_MAX6   65527u
#define PMTU_FLOOR4    552u
#define IP_OPTS_MAX    40u

static struct l4_uep *get(const struct l4_udp_stack *us, l4_ep ep)
{
	uint32_t i = (uint32_t)ep, gen = (uint32_t)(ep >> 32) & 0xffffff;
	if ((uint64_t)ep >> 60 != 2 || i >= us->n_slots || us->slots[i].gen != gen)
		return NULL;
	return us->slots[i].u;
}

static void raise_event(struct l4_udp_stack *us, struct l4_uep *u, uint32_t bits)
{
	u->events |= bits;
	us->env.event(us->env.ctx, u->ep);
}

/* ---- Life ----------------------------------------------------------------------------------- */

int l4_udp_stack_new(struct l4_udp_stack **out, const struct l4_udp_env *env)
{
	struct l4_udp_stack *us = l4_mem_zalloc(env->mem, sizeof(*us));
	if (!us)
		return L4_ENOMEM;
	us->env = *env;
	us->free_slot = UINT32_MAX;
	l4_rng_bytes(env->rng, us->key, sizeof(us->key));
	*out = us;
	return L4_OK;
}

static void drop_queue(struct l4_udp_stack *us, struct l4_uep *u)
{
	while (u->head) {
		struct l4_dgram *d = u->head;
		u->head = d->next;
		us->rcv_bytes -= d->size;
		l4_mem_free(us->env.mem, d, d->size);
	}
	u->tail = NULL;
	u->rcvq_bytes = 0;
}

static void unblock_one(struct l4_udp_stack *us, struct l4_uep *u)
{
	if (!u->blocked)
		return;
	u->blocked = false;
	for (struct l4_uep **at = &us->blocked; *at; at = &(*at)->blocked_next) {
		if (*at == u) {
			*at = u->blocked_next;
			return;
		}
	}
}

static void release(struct l4_udp_stack *us, struct l4_uep *u, bool leave, l4_time now)
{
	while (u->groups) {
		struct l4_membership *m = u->groups;
		struct l4_if *ifp = l4_ip_if(us->env.ip, m->ifindex);
		if (ifp && leave)
			(void)l4_group_leave(
			    us->env.ip, ifp, &m->group, m->any ? NULL : &m->source, now);
		u->groups = m->next;
		us->n_groups--;
		l4_mem_free(us->env.mem, m, sizeof(*m));
	}
	if (u->flags) {
		l4_udp_hash_remove(us, u);
		l4_udp_port_unref(us, u);
	}
	if (us->catch_all == u)
		us->catch_all = NULL;
	drop_queue(us, u);
	unblock_one(us, u);
	l4_mem_free(us->env.mem, u->ip_opts, IP_OPTS_MAX);
	l4_mem_free(us->env.mem, u, sizeof(*u));
}

void l4_udp_stack_free(struct l4_udp_stack *us)
{
	if (!us)
		return;
	struct l4_mem *mem = us->env.mem;
	for (uint32_t i = 0; i < us->n_slots; i++)
		if (us->slots[i].u)
			release(us, us->slots[i].u, false, 0);
	for (unsigned i = 0; i < 256; i++)
		l4_mem_free(mem, us->ports[i], 256 * sizeof(struct l4_uport));
	if (us->bound.b)
		l4_mem_free(mem, us->bound.b, (us->bound.mask + 1) * sizeof(*us->bound.b));
	if (us->conn.b)
		l4_mem_free(mem, us->conn.b, (us->conn.mask + 1) * sizeof(*us->conn.b));
	l4_mem_free(mem, us->slots, us->cap_slots * sizeof(us->slots[0]));
	l4_mem_free(mem, us, sizeof(*us));
}

static int take_slot(struct l4_udp_stack *us, uint32_t *out)
{
	if (us->free_slot != UINT32_MAX) {
		*out = us->free_slot;
		us->free_slot = us->slots[*out].next_free;
		return L4_OK;
	}
	if (us->n_slots == us->cap_slots) {
		uint32_t cap = us->cap_slots ? us->cap_slots * 2 : 16;
		struct l4_uslot *s = l4_mem_grow(
		    us->env.mem, us->slots, us->cap_slots * sizeof(*s), cap * sizeof(*s));
		if (!s)
			return L4_ENOMEM;
		us->slots = s;
		us->cap_slots = cap;
	}
	*out = us->n_slots++;
	us->slots[*out].gen = (uint32_t)l4_rng_below(us->env.rng, 1u << 24);
	return L4_OK;
}

l4_ep l4_udps_new(struct l4_udp_stack *us, void *user)
{
	uint32_t i;
	if (us->n >= us->env.max)
		return L4_ELIMIT;
	struct l4_uep *u = l4_mem_zalloc(us->env.mem, sizeof(*u));
	if (!u)
		return L4_ENOMEM;
	int rc = take_slot(us, &i);
	if (rc < 0) {
		l4_mem_free(us->env.mem, u, sizeof(*u));
		return rc;
	}
	us->slots[i].u = u;
	us->slots[i].next_free = UINT32_MAX;
	us->n++;
	u->ep = (l4_ep)((uint64_t)2 << 60 | (uint64_t)us->slots[i].gen << 32 | i);
	u->user = user;
	u->ttl = -1;
	u->mcast_ttl = 1;
	u->mcast_loop = true;
	u->rcvbuf = RCVBUF_DEFAULT;
	u->sndbuf = SNDBUF_DEFAULT;
	return u->ep;
}

int l4_udps_close(struct l4_udp_stack *us, l4_ep ep, l4_time now)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	uint32_t i = (uint32_t)ep;
	release(us, u, true, now);
	us->slots[i].u = NULL;
	us->slots[i].gen = (us->slots[i].gen + 1) & 0xffffff;
	us->slots[i].next_free = us->free_slot;
	us->free_slot = i;
	us->n--;
	return L4_OK;
}

/* ---- Bind and connect ----------------------------------------------------------------------- */

static bool overlaps_any(const struct l4_udp_stack *us, const struct l4_uep *u)
{
	static const struct l4_addr any6, any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
	const struct l4_uep *o = l4_udp_bound_first(us, &u->local.addr, u->local.port);
	bool ip4 = l4_addr_is_ip4(&u->local.addr);
	if (o && !(o->reuse && u->reuse))
		return true;
	o = ip4 ? l4_udp_bound_first(us, &any4, u->local.port) : NULL;
	if (o && !(o->reuse && u->reuse))
		return true;
	o = l4_udp_bound_first(us, &any6, u->local.port);
	return o && !(ip4 && o->v6only) && !(o->reuse && u->reuse);
}

static bool in_use(const struct l4_udp_stack *us, const struct l4_uep *u)
{
	const struct l4_uport *p = l4_udp_port(us, u->local.port);
	if (!p)
		return false;
	if (!l4_addr_is_any(&u->local.addr))
		return overlaps_any(us, u);
	for (unsigned v = 0; v < 2; v++)
		if (l4_udp_takes(u, v) && p->refs[v] && (!u->reuse || p->exclusive[v]))
			return true;
	return false;
}

/* Gives the endpoint its place in the tables; local (and remote) are filled in. */
static int place(struct l4_udp_stack *us, struct l4_uep *u, uint8_t flags)
{
	if (!u->local.port) {
		int port = l4_udp_pick_port(us);
		if (port < 0)
			return port;
		u->local.port = (uint16_t)port;
	} else if (in_use(us, u)) {
		return L4_EINUSE;
	}
	int rc = l4_udp_port_ref(us, u);
	if (rc < 0)
		return rc;
	u->flags = flags;
	rc = l4_udp_hash_insert(us, u);
	if (rc < 0) {
		u->flags = 0;
		l4_udp_port_unref(us, u);
	}
	return rc;
}

static bool may_bind(const struct l4_udp_stack *us, const struct l4_endpoint *local)
{
	const struct l4_addr *a = &local->addr;
	if (us->env.ip->forwarder || l4_addr_is_any(a) || l4_addr_is_multicast(a))
		return true;
	if (l4_ip_is_local(us->env.ip, a, local->ifindex))
		return true;
	return l4_ip_is_broadcast(us->env.ip, a);
}

int l4_udps_bind(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *local)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	if (u->flags || u->catch_all)
		return L4_ESTATE;
	if (!may_bind(us, local))
		return L4_ENOADDR;
	if (us->env.ip->forwarder && !local->port && l4_addr_is_any(&local->addr)) {
		if (us->catch_all)
			return L4_EINUSE;
		us->catch_all = u;
		u->catch_all = true;
		u->local = *local;
		return L4_OK;
	}
	u->local = *local;
	int rc = place(us, u, L4_UEP_BOUND);
	if (rc < 0)
		u->local = (struct l4_endpoint){ 0 };
	return rc;
}

/* The source of a datagram to dst, by what the endpoint is bound to and the routes. */
static int find_source(struct l4_udp_stack *us, const struct l4_uep *u,
    const struct l4_endpoint *dst, struct l4_hop *hop, l4_time now)
{
	struct l4_addr src = u->local.addr;
	unsigned ifindex = dst->ifindex ? dst->ifindex : u->local.ifindex;
	if (l4_addr_is_multicast(&dst->addr) && !ifindex)
		ifindex = u->mcast_if;
	/* Bound to a group or broadcast address: that is no source (RFC 1122 3.2.1.3). */
	if (!u->flags || l4_addr_is_multicast(&src) || l4_ip_is_broadcast(us->env.ip, &src))
		src = (struct l4_addr){ { 0 } };
	if (!l4_addr_is_any(&src) && l4_addr_is_ip4(&src) != l4_addr_is_ip4(&dst->addr))
		return L4_ENOADDR;
	return l4_ip_route(us->env.ip, &src, &dst->addr, ifindex, hop, now);
}

static void disconnect(struct l4_udp_stack *us, struct l4_uep *u)
{
	l4_udp_hash_remove(us, u);
	l4_udp_port_unref(us, u);
	u->flags = 0;
	u->remote = (struct l4_endpoint){ 0 };
}

int l4_udps_connect(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *remote)
{
	struct l4_uep *u = get(us, ep);
	struct l4_hop hop;
	if (!u)
		return L4_EBADF;
	if (!remote->port || l4_addr_is_any(&remote->addr))
		return L4_EINVAL;
	if (l4_addr_is_ip4(&remote->addr) && u->v6only)
		return L4_ENOROUTE;
	struct l4_uep old = *u;
	int rc = find_source(us, u, remote, &hop, us->env.ip->now);
	if (rc < 0)
		return rc;
	if (hop.broadcast && !u->broadcast)
		return L4_EPERM;
	if (u->flags)
		disconnect(us, u);
	u->local.addr = hop.src;
	u->remote = *remote;
	if (l4_addr_is_link_local(&remote->addr) && !u->local.ifindex)
		u->local.ifindex = remote->ifindex;
	u->has_last = false;
	/* The port is ours already when it was bound; several connections may share it. */
	if (old.flags) {
		rc = l4_udp_find_connected(us, &u->local, remote, u->local.ifindex)
			 ? L4_EINUSE
			 : l4_udp_port_ref(us, u);
		if (rc == 0) {
			u->flags = L4_UEP_BOUND | L4_UEP_CONNECTED;
			rc = l4_udp_hash_insert(us, u);
			if (rc < 0) {
				u->flags = 0;
				l4_udp_port_unref(us, u);
			}
		}
	} else {
		rc = place(us, u, L4_UEP_BOUND | L4_UEP_CONNECTED);
	}
	if (rc == 0)
		return L4_OK;
	u->local = old.local;
	u->remote = old.remote;
	if (old.flags && l4_udp_port_ref(us, u) == 0) {
		u->flags = old.flags;
		(void)l4_udp_hash_insert(us, u);
	}
	return rc;
}

/* ---- Send ----------------------------------------------------------------------------------- */

static int take_error(struct l4_uep *u)
{
	int err = u->err;
	u->err = 0;
	return err;
}

static void block(struct l4_udp_stack *us, struct l4_uep *u)
{
	if (u->blocked)
		return;
	u->blocked = true;
	u->blocked_next = us->blocked;
	us->blocked = u;
}

/* What can be said against this datagram before it is built. */
static int check_send(const struct l4_uep *u, const struct l4_endpoint *dst, size_t len)
{
	bool ip4 = l4_addr_is_ip4(&dst->addr);
	if (!dst->port || l4_addr_is_any(&dst->addr))
		return L4_EINVAL;
	if (len > (ip4 ? PAYLOAD_MAX4 : PAYLOAD_MAX6))
		return L4_EMSGSIZE;
	if (ip4 && u->v6only)
		return L4_ENOROUTE;
	return L4_OK;
}

static struct l4_pkt *build(struct l4_udp_stack *us, const struct l4_uep *u,
    const struct l4_addr *src, const struct l4_endpoint *dst, const void *data, uint32_t len)
{
	uint32_t udp_len = L4_UDP_HDR_LEN + len;
	struct l4_pkt *p = l4_pkt_new(us->env.ip, L4_PKT_HEADROOM, udp_len);
	if (!p)
		return NULL;
	struct l4_udp_hdr h = {
		.sport = u->local.port, .dport = dst->port, .len = (uint16_t)udp_len
	};
	uint8_t *b = l4_pkt_bytes(p);
	(void)l4_udp_emit(&h, b, L4_UDP_HDR_LEN);
	uint32_t sum = l4_csum_copy(b + L4_UDP_HDR_LEN, data, len, 0);
	p->hdr_len = L4_UDP_HDR_LEN;
	if (u->no_checksum && l4_addr_is_ip4(&dst->addr))
		return p;
	sum = l4_csum_partial(b, L4_UDP_HDR_LEN, sum);
	sum = l4_csum_add(sum, l4_csum_pseudo(src, &dst->addr, L4_PROTO_UDP, udp_len), 0);
	uint16_t csum = l4_csum_fold(sum);
	if (!csum) /* RFC 768: a computed zero goes as all ones */
		csum = 0xffff;
	memcpy(b + 6, &csum, 2);
	return p;
}

int64_t l4_udps_send(struct l4_udp_stack *us, l4_ep ep, const struct l4_endpoint *to,
    const void *data, size_t len, l4_time now)
{
	struct l4_uep *u = get(us, ep);
	struct l4_hop hop;
	if (!u)
		return L4_EBADF;
	if (u->err)
		return take_error(u);
	const struct l4_endpoint *dst = to;
	if (!dst) {
		if (!(u->flags & L4_UEP_CONNECTED))
			return L4_ENOTCONN;
		dst = &u->remote;
	}
	int rc = check_send(u, dst, len);
	if (rc == 0)
		rc = find_source(us, u, dst, &hop, now);
	if (rc == 0 && hop.broadcast && !u->broadcast)
		rc = L4_EPERM;
	if (rc == 0 && !u->flags)
		rc = place(us, u, L4_UEP_BOUND);
	if (rc < 0)
		return rc;
	if (u->sndq_bytes && u->sndq_bytes + len > u->sndbuf) {
		block(us, u);
		return L4_EAGAIN;
	}
	struct l4_pkt *p = build(us, u, &hop.src, dst, data, (uint32_t)len);
	if (!p)
		return L4_ENOMEM;
	bool v6 = !l4_addr_is_ip4(&dst->addr);
	struct l4_ip_out o = { .src = hop.src,
		.dst = dst->addr,
		.ifindex = hop.ifp ? hop.ifp->index : 0,
		.proto = L4_PROTO_UDP,
		.ttl = hop.multicast ? u->mcast_ttl : (uint8_t)(u->ttl > 0 ? u->ttl : 0),
		.tos = u->tos,
		.df = u->dontfrag,
		.opts = v6 ? NULL : u->ip_opts,
		.opts_len = v6 ? 0 : u->ip_opts_len,
		.no_loop = hop.multicast && !u->mcast_loop };
	if (v6)
		o.flow = l4_ip_flow_label(
		    us->env.ip, &o.src, &o.dst, u->local.port, dst->port, L4_PROTO_UDP);
	if (u->dontfrag && v6 && p->len + L4_IP6_HDR_LEN > hop.mtu) {
		l4_pkt_free(us->env.ip, p, 0);
		return L4_EMSGSIZE;
	}
	p->why = (struct l4_why){ .code = L4_WHY_UDP, .ep = u->ep };
	p->ep = u->ep;
	u->sndq_bytes += p->size;
	u->last = *dst;
	u->has_last = true;
	rc = l4_ip_output(us->env.ip, p, &o, now);
	if (rc == L4_EAGAIN)
		block(us, u);
	if (rc < 0)
		return rc;
	us->env.c->udp_out++;
	return (int64_t)len;
}

void l4_udp_stack_pkt_done(struct l4_udp_stack *us, l4_ep ep, uint32_t size, int err)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return;
	u->sndq_bytes -= size < u->sndq_bytes ? size : u->sndq_bytes;
	if (err && err != L4_EABORTED) {
		u->err = err;
		raise_event(us, u, L4_EV_ERROR);
	}
}

void l4_udp_stack_unblock(struct l4_udp_stack *us)
{
	struct l4_uep **at = &us->blocked;
	while (*at) {
		struct l4_uep *u = *at;
		if (u->sndq_bytes > u->sndbuf / 2) {
			at = &u->blocked_next;
			continue;
		}
		*at = u->blocked_next;
		u->blocked = false;
		raise_event(us, u, L4_EV_WRITABLE);
	}
}

/* ---- Receive -------------------------------------------------------------------------------- */

static void deliver(struct l4_udp_stack *us, struct l4_uep *u, const struct l4_ip_in *in,
    const struct l4_udp_hdr *h, const uint8_t *data)
{
	uint32_t len = h->len - (uint32_t)L4_UDP_HDR_LEN;
	uint32_t size = (uint32_t)sizeof(struct l4_dgram) + len;
	struct l4_dgram *d = NULL;
	if (u->rcvq_bytes + size <= u->rcvbuf && us->rcv_bytes + size <= us->env.max_bytes)
		d = l4_mem_alloc(us->env.mem, size);
	if (!d) {
		l4_ip_drop(us->env.ip, L4_DROP_UDP_FULL, in->ifp->index, in->k.l3_len);
		return;
	}
	d->next = NULL;
	d->size = size;
	unsigned scope = l4_addr_is_link_local(&in->k.src) ? in->ifp->index : 0;
	d->m = (struct l4_udp_msg){ .from = { in->k.src, h->sport, (uint16_t)scope },
		.to = { in->k.dst, h->dport, (uint16_t)scope },
		.len = len,
		.ttl = in->k.ttl,
		.tos = in->k.tos,
		.ifindex = in->ifp->index,
		.time = in->time };
	const uint8_t *ip = in->data + in->k.l3_off;
	uint32_t ip_hdr = in->k.version == 4 ? (ip[0] & 15u) * 4 : 0;
	if (ip_hdr > L4_IP4_HDR_LEN) { /* RFC 1122 4.1.3.2 */
		d->m.ip_opts_len = (uint8_t)(ip_hdr - L4_IP4_HDR_LEN);
		memcpy(d->m.ip_opts, ip + L4_IP4_HDR_LEN, d->m.ip_opts_len);
	}
	if (len)
		memcpy(d->data, data, len);
	if (u->tail)
		u->tail->next = d;
	else
		u->head = d;
	u->tail = d;
	u->rcvq_bytes += size;
	us->rcv_bytes += size;
	us->env.c->udp_in++;
	raise_event(us, u, L4_EV_READABLE);
}

/* Whether the endpoint itself asked for this group from this source. */
static bool is_member(const struct l4_uep *u, const struct l4_ip_in *in)
{
	for (const struct l4_membership *m = u->groups; m; m = m->next)
		if (m->ifindex == in->ifp->index && l4_addr_eq(&m->group, &in->k.dst) &&
		    (m->any || l4_addr_eq(&m->source, &in->k.src)))
			return true;
	return false;
}

/* 224.0.0.1 and ff02::1 have every host as member. */
static bool is_all_hosts(const struct l4_addr *a)
{
	static const struct l4_addr all6 = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    1 } };
	static const uint8_t all4[4] = { 224, 0, 0, 1 };
	return l4_addr_is_ip4(a) ? memcmp(a->b + 12, all4, 4) == 0 : l4_addr_eq(a, &all6);
}

/* Multicast and broadcast go to every endpoint that wants them. */
static void deliver_group(struct l4_udp_stack *us, const struct l4_ip_in *in,
    const struct l4_udp_hdr *h, const uint8_t *data)
{
	static const struct l4_addr any6, any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
	bool ip4 = in->k.version == 4;
	struct l4_addr keys[3] = { in->k.dst, any6, any4 };
	unsigned n = 0;
	for (unsigned i = 0; i < (ip4 ? 3u : 2u); i++) {
		struct l4_uep *u = l4_udp_bound_first(us, &keys[i], h->dport);
		for (; u; u = l4_udp_bound_next(u)) {
			if (ip4 && i == 1 && u->v6only)
				continue;
			if (u->local.ifindex && u->local.ifindex != in->ifp->index)
				continue;
			if (in->dst_multicast && !is_member(u, in) && !is_all_hosts(&in->k.dst))
				continue;
			deliver(us, u, in, h, data);
			n++;
		}
	}
	if (!n)
		us->env.c->udp_no_port++;
}

static enum l4_drop check(const struct l4_ip_in *in, struct l4_udp_hdr *h)
{
	const uint8_t *b = in->data + in->k.l4_off;
	if (in->k.l4_len < L4_UDP_HDR_LEN || in->avail < in->k.l4_off + in->k.l4_len)
		return L4_DROP_UDP_SHORT;
	if (l4_udp_parse(h, b, in->k.l4_len) < 0)
		return L4_DROP_UDP_LEN;
	if (h->csum_be == 0) { /* RFC 8200 8.1 */
		if (in->k.version == 6 && !in->csum_ok)
			return L4_DROP_UDP_CSUM_ZERO;
	} else if (!in->csum_ok &&
		   l4_wire_csum(&in->k.src, &in->k.dst, L4_PROTO_UDP, b, h->len) != 0) {
		return L4_DROP_UDP_CSUM;
	}
	return h->dport ? L4_DROP_NONE : L4_DROP_UDP_PORT_ZERO;
}

void l4_udp_stack_input(struct l4_udp_stack *us, const struct l4_ip_in *in)
{
	struct l4_udp_hdr h = { 0 };
	enum l4_drop why = check(in, &h);
	if (why) {
		l4_ip_drop(us->env.ip, why, in->ifp->index, in->k.l3_len);
		return;
	}
	const uint8_t *data = in->data + in->k.l4_off + L4_UDP_HDR_LEN;
	if (in->dst_multicast || in->dst_broadcast) {
		deliver_group(us, in, &h, data);
		return;
	}
	struct l4_endpoint local = { in->k.dst, h.dport, in->ifp->index };
	struct l4_endpoint remote = { in->k.src, h.sport, in->ifp->index };
	struct l4_uep *u = l4_udp_find(us, &local, &remote, in->ifp->index);
	if (u) {
		deliver(us, u, in, &h, data);
		return;
	}
	us->env.c->udp_no_port++;
	l4_ip_drop(us->env.ip, L4_DROP_UDP_NO_PORT, in->ifp->index, in->k.l3_len);
	if (!h.sport)
		return;         /* nobody to answer */
	if (in->k.version == 4) /* RFC 1122 4.1.3.1, RFC 4443 3.1 */
		l4_icmp_error(us->env.ip, in, L4_ICMP_UNREACH, L4_ICMP_UNREACH_PORT, 0);
	else
		l4_icmp_error(us->env.ip, in, L4_ICMP6_UNREACH, L4_ICMP6_UNREACH_PORT, 0);
}

int64_t l4_udps_recv(
    struct l4_udp_stack *us, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, bool peek)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	struct l4_dgram *d = u->head;
	if (u->err)
		return take_error(u);
	if (!d)
		return L4_EAGAIN;
	size_t n = d->m.len < len ? d->m.len : len;
	if (n)
		memcpy(buf, d->data, n);
	if (m)
		*m = d->m;
	if (peek)
		return (int64_t)n;
	u->head = d->next;
	if (!u->head)
		u->tail = NULL;
	u->rcvq_bytes -= d->size;
	us->rcv_bytes -= d->size;
	l4_mem_free(us->env.mem, d, d->size);
	return (int64_t)n;
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

void l4_udp_stack_icmp(struct l4_udp_stack *us, const struct l4_icmp_report *r, l4_time now)
{
	struct l4_ip *ip = us->env.ip;
	struct l4_endpoint local = { r->q.src, r->q.sport, r->ifindex };
	struct l4_endpoint remote = { r->q.dst, r->q.dport, r->ifindex };
	struct l4_uep *u = l4_udp_find(us, &local, &remote, r->ifindex);
	/* RFC 5927 4.1: only who sent such a datagram hears of it. */
	bool sent =
	    u && ((u->flags & L4_UEP_CONNECTED) || (u->has_last && u->last.port == remote.port &&
						       l4_addr_eq(&u->last.addr, &remote.addr)));
	if (!sent) {
		l4_ip_drop(ip, L4_DROP_ICMP_NOT_OURS, r->ifindex, 0);
		return;
	}
	if (r->err == L4_EMSGSIZE) {
		struct l4_hop hop;
		if (l4_ip_route(ip, &local.addr, &remote.addr, 0, &hop, now) == 0 && !hop.local)
			(void)l4_pmtu_lower(ip, &remote.addr, r->mtu, hop.mtu, PMTU_FLOOR4, now);
		if (!u->dontfrag)
			return; /* the next datagram will be cut */
	}
	u->err = r->err;
	raise_event(us, u, L4_EV_ERROR);
}

/* ---- Groups --------------------------------------------------------------------------------- */

static struct l4_if *group_interface(struct l4_udp_stack *us, const struct l4_uep *u,
    const struct l4_addr *group, unsigned ifindex, l4_time now)
{
	struct l4_hop hop;
	if (!ifindex)
		ifindex = u->mcast_if;
	if (ifindex)
		return l4_ip_if(us->env.ip, ifindex);
	if (l4_ip_route(us->env.ip, NULL, group, 0, &hop, now) < 0)
		return NULL;
	return hop.ifp;
}

static struct l4_membership **find_membership(
    struct l4_uep *u, const struct l4_addr *group, unsigned ifindex, const struct l4_addr *source)
{
	struct l4_membership **at = &u->groups;
	for (; *at; at = &(*at)->next)
		if ((*at)->ifindex == ifindex && l4_addr_eq(&(*at)->group, group) &&
		    (*at)->any == !source && (!source || l4_addr_eq(&(*at)->source, source)))
			break;
	return at;
}

int l4_udps_join(struct l4_udp_stack *us, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	if (!l4_addr_is_multicast(group) ||
	    (source && l4_addr_is_ip4(source) != l4_addr_is_ip4(group)))
		return L4_EINVAL;
	struct l4_if *ifp = group_interface(us, u, group, ifindex, now);
	if (!ifp)
		return L4_ENOROUTE;
	if (*find_membership(u, group, ifp->index, source))
		return L4_EINUSE;
	if (us->n_groups >= us->env.max_groups)
		return L4_ELIMIT;
	struct l4_membership *m = l4_mem_alloc(us->env.mem, sizeof(*m));
	if (!m)
		return L4_ENOMEM;
	int rc = l4_group_join(us->env.ip, ifp, group, source, true, now);
	if (rc < 0) {
		l4_mem_free(us->env.mem, m, sizeof(*m));
		return rc;
	}
	*m = (struct l4_membership){
		.group = *group, .ifindex = ifp->index, .any = !source, .next = u->groups
	};
	if (source)
		m->source = *source;
	u->groups = m;
	us->n_groups++;
	return L4_OK;
}

int l4_udps_leave(struct l4_udp_stack *us, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	struct l4_if *ifp = group_interface(us, u, group, ifindex, now);
	if (!ifp)
		return L4_ENOROUTE;
	struct l4_membership **at = find_membership(u, group, ifp->index, source), *m = *at;
	if (!m)
		return L4_ENOTFOUND;
	*at = m->next;
	us->n_groups--;
	l4_mem_free(us->env.mem, m, sizeof(*m));
	return l4_group_leave(us->env.ip, ifp, group, source, now);
}

/* ---- Options and state ---------------------------------------------------------------------- */

int l4_udps_set(struct l4_udp_stack *us, l4_ep ep, int option, int64_t v)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	switch (option) {
	case L4_UDPOPT_BROADCAST:
		u->broadcast = v != 0;
		return L4_OK;
	case L4_UDPOPT_NO_CHECKSUM:
		u->no_checksum = v != 0;
		return L4_OK;
	case L4_UDPOPT_REUSEADDR:
	case L4_UDPOPT_V6ONLY:
		if (u->flags)
			return L4_ESTATE;
		if (option == L4_UDPOPT_REUSEADDR)
			u->reuse = v != 0;
		else
			u->v6only = v != 0;
		return L4_OK;
	case L4_UDPOPT_TTL:
		if (v != -1 && (v < 1 || v > 255))
			return L4_EINVAL;
		u->ttl = (int16_t)v;
		return L4_OK;
	case L4_UDPOPT_TOS:
		if (v < 0 || v > 255)
			return L4_EINVAL;
		u->tos = (uint8_t)v;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_TTL: /* 0 would never leave: RFC 1122 3.2.1.7 */
		if (v < 1 || v > 255)
			return L4_EINVAL;
		u->mcast_ttl = (uint8_t)v;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_LOOP:
		u->mcast_loop = v != 0;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_IF:
		if (v != 0 && (v < 0 || v > L4_IP_IFS_MAX || !l4_ip_if(us->env.ip, (unsigned)v)))
			return L4_EINVAL;
		u->mcast_if = (uint16_t)v;
		return L4_OK;
	case L4_UDPOPT_RCVBUF:
	case L4_UDPOPT_SNDBUF:
		if (v < 0)
			return L4_EINVAL;
		v = v < BUF_MIN ? BUF_MIN : v > UINT32_MAX / 2 ? UINT32_MAX / 2 : v;
		*(option == L4_UDPOPT_RCVBUF ? &u->rcvbuf : &u->sndbuf) = (uint32_t)v;
		return L4_OK;
	case L4_UDPOPT_DONTFRAG:
		u->dontfrag = v != 0;
		return L4_OK;
	default:
		return L4_EINVAL;
	}
}

int l4_udps_get(struct l4_udp_stack *us, l4_ep ep, int option, int64_t *v)
{
	const struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	switch (option) {
	case L4_UDPOPT_BROADCAST:
		*v = u->broadcast;
		return L4_OK;
	case L4_UDPOPT_NO_CHECKSUM:
		*v = u->no_checksum;
		return L4_OK;
	case L4_UDPOPT_REUSEADDR:
		*v = u->reuse;
		return L4_OK;
	case L4_UDPOPT_V6ONLY:
		*v = u->v6only;
		return L4_OK;
	case L4_UDPOPT_TTL:
		*v = u->ttl;
		return L4_OK;
	case L4_UDPOPT_TOS:
		*v = u->tos;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_TTL:
		*v = u->mcast_ttl;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_LOOP:
		*v = u->mcast_loop;
		return L4_OK;
	case L4_UDPOPT_MULTICAST_IF:
		*v = u->mcast_if;
		return L4_OK;
	case L4_UDPOPT_RCVBUF:
		*v = u->rcvbuf;
		return L4_OK;
	case L4_UDPOPT_SNDBUF:
		*v = u->sndbuf;
		return L4_OK;
	case L4_UDPOPT_DONTFRAG:
		*v = u->dontfrag;
		return L4_OK;
	default:
		return L4_EINVAL;
	}
}

/* Whether the options can be walked: each inside the list. */
static bool options_ok(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		if (p[i] == 0)
			return true;
		if (p[i] == 1) {
			i++;
			continue;
		}
		if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
			return false;
		i += p[i + 1];
	}
	return true;
}

int l4_udps_set_ip_options(struct l4_udp_stack *us, l4_ep ep, const void *opts, size_t len)
{
	struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	if (len > IP_OPTS_MAX || !options_ok(opts, len))
		return L4_EINVAL;
	if (len && !u->ip_opts)
		u->ip_opts = l4_mem_alloc(us->env.mem, IP_OPTS_MAX);
	if (len && !u->ip_opts)
		return L4_ENOMEM;
	u->ip_opts_len = (uint8_t)len;
	if (len)
		memcpy(u->ip_opts, opts, len);
	return L4_OK;
}

int l4_udps_local(struct l4_udp_stack *us, l4_ep ep, struct l4_endpoint *out)
{
	const struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	*out = u->local;
	return L4_OK;
}

int l4_udps_remote(struct l4_udp_stack *us, l4_ep ep, struct l4_endpoint *out)
{
	const struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	if (!(u->flags & L4_UEP_CONNECTED))
		return L4_ENOTCONN;
	*out = u->remote;
	return L4_OK;
}

int l4_udps_error(struct l4_udp_stack *us, l4_ep ep)
{
	struct l4_uep *u = get(us, ep);
	return u ? take_error(u) : L4_EBADF;
}

int64_t l4_udps_ready(struct l4_udp_stack *us, l4_ep ep)
{
	const struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	int64_t bits = u->head ? L4_EV_READABLE : 0;
	if (u->err)
		bits |= L4_EV_ERROR;
	if (!u->blocked && u->sndq_bytes < u->sndbuf)
		bits |= L4_EV_WRITABLE;
	return bits;
}

int64_t l4_udps_inq(struct l4_udp_stack *us, l4_ep ep)
{
	const struct l4_uep *u = get(us, ep);
	if (!u)
		return L4_EBADF;
	return u->head ? (int64_t)u->head->m.len : 0;
}

bool l4_udps_event(struct l4_udp_stack *us, l4_ep ep, struct l4_event *e)
{
	struct l4_uep *u = get(us, ep);
	if (!u || !u->events)
		return false;
	*e = (struct l4_event){ .ep = ep, .bits = u->events, .user = u->user };
	if (u->events & L4_EV_ERROR)
		e->err = u->err;
	u->events = 0;
	return true;
}

int l4_udp_stack_check(const struct l4_udp_stack *us, char *what, size_t cap)
{
	uint64_t bytes = 0;
	uint32_t n = 0, hashed = 0;
	const char *bad = NULL;
	for (uint32_t i = 0; i < us->n_slots; i++) {
		const struct l4_uep *u = us->slots[i].u;
		if (!u)
			continue;
		uint32_t q = 0;
		for (const struct l4_dgram *d = u->head; d; d = d->next)
			q += d->size;
		if (q != u->rcvq_bytes)
			bad = "receive queue";
		bytes += q;
		n++;
		hashed += u->flags != 0;
	}
	if (bytes != us->rcv_bytes || bytes > us->env.max_bytes)
		bad = "bytes of all receive queues";
	if (n != us->n || n > us->env.max)
		bad = "count of endpoints";
	if (hashed != us->bound.n + us->conn.n)
		bad = "endpoints in the tables";
	if (!bad)
		return L4_OK;
	if (cap)
		(void)snprintf(what, cap, "udp: %s", bad);
	return L4_ESTATE;
}
