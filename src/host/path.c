/* Paths: how the TCP stack asks the host for the way to a peer.
 *
 * A connection keeps its path: interface, index of the neighbour entry, MTU. Any change that could
 * make a kept path wrong (routes, addresses, neighbours that come and go, path MTUs) counts up
 * ip.gen; a path of an older count is looked up anew at its next use. */
#include "host/host.h"

static void fill(struct l4_host *h, const struct l4_hop *hop, struct l4_path *path, bool ip4)
{
	*path = (struct l4_path){
		.nh = L4_NEIGH_NONE, .nh_gen = h->ip.gen, .mtu = hop->mtu, .local = hop->local
	};
	if (hop->local) {
		path->csum = true;
		path->if_mtu = L4_IP_MTU_MAX;
		return;
	}
	const struct l4_device_caps *caps = &hop->ifp->conf.caps;
	uint32_t if_mtu = ip4 ? hop->ifp->mtu : hop->ifp->mtu6;
	path->ifindex = hop->ifp->index;
	path->if_mtu = (uint16_t)(if_mtu > L4_IP_MTU_MAX ? L4_IP_MTU_MAX : if_mtu);
	path->csum = caps->tx_csum;
	path->tso = caps->tx_csum && (ip4 ? caps->tx_tso4 : caps->tx_tso6);
	path->gso_max =
	    caps->gso_max && caps->gso_max < L4_IP_MTU_MAX ? caps->gso_max : L4_IP_MTU_MAX;
}

static int find_hop(struct l4_host *h, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, struct l4_hop *hop)
{
	unsigned ifindex = remote->ifindex ? remote->ifindex : local->ifindex;
	if (l4_addr_is_any(&remote->addr))
		return L4_ENOROUTE;
	int rc = l4_ip_route(&h->ip, &local->addr, &remote->addr, ifindex, hop, h->now);
	if (rc < 0)
		return rc;
	/* RFC 9293 3.9.2.3: no connection to a group. */
	if (hop->multicast || hop->broadcast)
		return L4_ENOROUTE;
	return l4_addr_is_ip4(&hop->src) == l4_addr_is_ip4(&remote->addr) ? 0 : L4_ENOADDR;
}

static int route(
    void *ctx, struct l4_endpoint *local, const struct l4_endpoint *remote, struct l4_path *path)
{
	struct l4_host *h = ctx;
	struct l4_hop hop;
	int rc = find_hop(h, local, remote, &hop);
	if (rc < 0)
		return rc;
	local->addr = hop.src;
	fill(h, &hop, path, l4_addr_is_ip4(&remote->addr));
	return L4_OK;
}

/* The neighbour of a path that has none yet. */
static int resolve(struct l4_host *h, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, struct l4_path *path, l4_time now)
{
	struct l4_hop hop;
	struct l4_neigh *n = NULL;
	int rc = find_hop(h, local, remote, &hop);
	if (rc < 0)
		return rc;
	fill(h, &hop, path, l4_addr_is_ip4(&remote->addr));
	if (hop.local || !hop.ifp->eth)
		return 1;
	rc = l4_neigh_use(&h->ip, hop.ifp, &hop.next, &hop.src, &n, now);
	if (rc == L4_ELIMIT)
		return L4_EUNREACH;
	if (n) {
		path->nh = (uint32_t)(n - hop.ifp->neigh.e);
		path->hop = true;
		path->nh_gen = h->ip.gen;
	}
	return rc;
}

int l4_path_ready(void *ctx, const struct l4_endpoint *local, const struct l4_endpoint *remote,
    struct l4_path *path, l4_time now)
{
	struct l4_host *h = ctx;
	if (path->nh_gen != h->ip.gen)
		return resolve(h, local, remote, path, now);
	if (path->local)
		return 1;
	struct l4_if *ifp = l4_ip_if(&h->ip, path->ifindex);
	if (!ifp || !ifp->up)
		return L4_ENOROUTE;
	if (!ifp->eth)
		return 1;
	if (path->nh == L4_NEIGH_NONE)
		return resolve(h, local, remote, path, now);
	return l4_neigh_touch(&h->ip, ifp, &ifp->neigh.e[path->nh], now);
}

static void confirm(void *ctx, struct l4_path *path, l4_time now)
{
	struct l4_host *h = ctx;
	struct l4_if *ifp = l4_ip_if(&h->ip, path->ifindex);
	if (path->local || !ifp || !ifp->eth || path->nh == L4_NEIGH_NONE ||
	    path->nh_gen != h->ip.gen)
		return;
	l4_neigh_confirm(&h->ip, ifp, &ifp->neigh.e[path->nh], now);
}

static void suspect(void *ctx, struct l4_path *path, l4_time now)
{
	struct l4_host *h = ctx;
	struct l4_if *ifp = l4_ip_if(&h->ip, path->ifindex);
	if (path->local || !ifp || !ifp->eth || path->nh == L4_NEIGH_NONE ||
	    path->nh_gen != h->ip.gen)
		return;
	l4_neigh_suspect(&h->ip, ifp, &ifp->neigh.e[path->nh], now);
}

static uint32_t set_pmtu(void *ctx, const struct l4_endpoint *remote, uint32_t mtu, l4_time now)
{
	struct l4_host *h = ctx;
	struct l4_hop hop;
	int rc = l4_ip_route(&h->ip, NULL, &remote->addr, remote->ifindex, &hop, now);
	if (rc < 0 || hop.local)
		return L4_IP_MTU_MAX;
	uint32_t if_mtu = l4_addr_is_ip4(&remote->addr) ? hop.ifp->mtu : hop.ifp->mtu6;
	uint32_t floor4 = h->conf.tcp.pmtu_floor ? h->conf.tcp.pmtu_floor : 552;
	return l4_pmtu_lower(&h->ip, &remote->addr, mtu, if_mtu, floor4, now);
}

static bool is_local(void *ctx, const struct l4_addr *a, unsigned ifindex)
{
	struct l4_host *h = ctx;
	return h->ip.forwarder || l4_ip_is_local(&h->ip, a, ifindex);
}

static void *env_alloc(void *ctx, size_t size)
{
	struct l4_host *h = ctx;
	return l4_mem_alloc(&h->mem, size);
}

static void env_free(void *ctx, void *p, size_t size)
{
	struct l4_host *h = ctx;
	l4_mem_free(&h->mem, p, size);
}

static void env_kick(void *ctx, unsigned ifindex)
{
	(void)ctx; /* l4_host_wants_tx and l4_host_deadline ask the stack itself */
	(void)ifindex;
}

static uint32_t env_random(void *ctx)
{
	struct l4_host *h = ctx;
	return l4_rng_u32(&h->rng);
}

static void env_trace(void *ctx, const struct l4_trace_event *e)
{
	struct l4_host *h = ctx;
	h->conf.trace.event(h->conf.trace.ctx, e);
}

void l4_host_fill_tcp_env(struct l4_host *h, struct l4_tcp_env *env)
{
	*env = (struct l4_tcp_env){ .ctx = h,
		.alloc = env_alloc,
		.free = env_free,
		.route = route,
		.path_ready = l4_path_ready,
		.path_confirm = confirm,
		.path_suspect = suspect,
		.set_pmtu = set_pmtu,
		.reply = l4_tx_reply,
		.is_local = is_local,
		.event = l4_events_push_tcp,
		.kick = env_kick,
		.random = env_random,
		.trace = h->conf.trace.event ? env_trace : NULL };
}
