/* A host: creation, interfaces, addresses, routes, time.
 *
 * The host owns everything below it and gives it memory through one account (struct l4_mem). All
 * randomness comes from one generator made of the seed; without a seed there is no host. */
#include "host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *std_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void std_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

void l4_host_config_init(struct l4_host_config *c)
{
	*c = (struct l4_host_config){ .ttl = 64, .icmp_echo = true, .icmp_rate = 1000 };
	c->limits = (struct l4_host_limits){ .connections = 16384,
		.half_open = 4096,
		.time_wait = 16384,
		.udp = 16384,
		.buffer_bytes = (uint64_t)64 << 20,
		.fragment_bytes = 4u << 20,
		.neighbours = 1024,
		.routes = 256,
		.addresses = 32,
		.groups = 64,
		.queue_frames = 1024 };
	l4_tcp_config_init(&c->tcp);
}

/* ---- What the IP layer tells ---------------------------------------------------------------- */

static void udp_in(void *ctx, const struct l4_ip_in *in)
{
	struct l4_host *h = ctx;
	l4_udp_stack_input(h->udp, in);
}

static void icmp_in(void *ctx, const struct l4_icmp_report *r, l4_time now)
{
	struct l4_host *h = ctx;
	if (r->q.proto == L4_PROTO_UDP) {
		l4_udp_stack_icmp(h->udp, r, now);
		return;
	}
	l4_gro_flush(h, now); /* it may end a connection that segments wait for */
	uint16_t scope = l4_addr_is_link_local(&r->q.dst) ? r->ifindex : 0;
	struct l4_endpoint src = { r->q.src, r->q.sport, scope };
	struct l4_endpoint dst = { r->q.dst, r->q.dport, scope };
	l4_tcp_stack_icmp(h->tcp, &src, &dst, true, r->q.tcp_seq, r->err, r->hard, r->mtu, now);
}

static void pkt_done(void *ctx, l4_ep ep, uint32_t size, int err)
{
	struct l4_host *h = ctx;
	if (h->udp && L4_EP_KIND(ep) == L4_EP_UDP)
		l4_udp_stack_pkt_done(h->udp, ep, size, err);
}

static void wake(void *ctx)
{
	struct l4_host *h = ctx;
	h->wake = true;
}

static void address_gone(void *ctx, const struct l4_addr *a, l4_time now)
{
	struct l4_host *h = ctx;
	l4_gro_flush(h, now);
	l4_tcp_stack_address_gone(h->tcp, a, now);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int new_udp(struct l4_host *h)
{
	struct l4_udp_env env = { .ctx = h,
		.ip = &h->ip,
		.mem = &h->mem,
		.rng = &h->rng,
		.c = &h->c,
		.event = l4_events_push_udp,
		.max = h->conf.limits.udp,
		/* Of the budget for buffered bytes UDP may use a quarter, TCP the rest. */
		.max_bytes = h->conf.limits.buffer_bytes / 4,
		.max_groups = h->conf.limits.groups,
		.port_low = h->conf.tcp.port_low,
		.port_high = h->conf.tcp.port_high };
	return l4_udp_stack_new(&h->udp, &env);
}

static int new_tcp(struct l4_host *h)
{
	struct l4_tcp_env env;
	struct l4_host_limits limits = h->conf.limits;
	uint8_t secret[64];
	limits.buffer_bytes -= limits.buffer_bytes / 4;
	l4_host_fill_tcp_env(h, &env);
	l4_rng_bytes(&h->rng, secret, sizeof(secret));
	int rc = l4_tcp_stack_new(&h->tcp, &env, &h->conf.tcp, &limits, secret, h->now);
	memset(secret, 0, sizeof(secret));
	if (rc == 0)
		h->flow = l4_tcp_stack_flows(h->tcp);
	return rc;
}

static int bring_up(struct l4_host *h)
{
	struct l4_ip_env env = { .ctx = h,
		.tcp_in = l4_rx_tcp,
		.udp_in = udp_in,
		.icmp_in = icmp_in,
		.pkt_done = pkt_done,
		.wake = wake,
		.address_gone = address_gone };
	int rc = l4_ip_init(&h->ip, &env, &h->mem, &h->rng, &h->c, &h->conf);
	if (rc < 0)
		return rc;
	h->gro = l4_mem_zalloc(&h->mem, L4_GRO_SLOTS * sizeof(*h->gro));
	if (!h->gro)
		return L4_ENOMEM;
	rc = new_udp(h);
	return rc < 0 ? rc : new_tcp(h);
}

int l4_host_new(struct l4_host **out, const struct l4_host_config *c)
{
	struct l4_mem mem = {
		.alloc = c->allocator.alloc, .free = c->allocator.free, .ctx = c->allocator.ctx
	};
	if (!c->has_seed) /* fail closed: without entropy every secret is known */
		return L4_EENTROPY;
	if (!mem.alloc != !mem.free || c->tcp.port_low > c->tcp.port_high || !c->tcp.port_low)
		return L4_EINVAL;
	if (!mem.alloc) {
		mem.alloc = std_alloc;
		mem.free = std_free;
	}
	struct l4_host *h = l4_mem_zalloc(&mem, sizeof(*h));
	if (!h)
		return L4_ENOMEM;
	h->mem = mem;
	h->conf = *c;
	h->now = c->now;
	l4_rng_init(&h->rng, c->seed);
	memset(h->conf.seed, 0, sizeof(h->conf.seed));
	int rc = bring_up(h);
	if (rc < 0) {
		l4_host_free(h);
		return rc;
	}
	*out = h;
	return L4_OK;
}

int l4_host_set_tcp(struct l4_host *h, const struct l4_tcp_config *c)
{
	if (c->port_low > c->port_high || !c->port_low)
		return L4_EINVAL;
	int rc = l4_tcp_stack_configure(h->tcp, c);
	if (!rc)
		h->conf.tcp = *c;
	return rc;
}

void l4_host_free(struct l4_host *h)
{
	if (!h)
		return;
	struct l4_mem mem = h->mem;
	/* UDP goes before the packets of its endpoints: their handles are stale then. */
	l4_udp_stack_free(h->udp);
	h->udp = NULL;
	if (h->tcp)
		l4_tcp_stack_free(h->tcp);
	l4_ip_fini(&h->ip);
	l4_events_fini(h);
	l4_mem_free(&h->mem, h->gro, L4_GRO_SLOTS * sizeof(*h->gro));
	l4_mem_free(&h->mem, h->linear, L4_LINEAR_SIZE);
	mem.free(mem.ctx, h, sizeof(*h));
}

/* ---- Interfaces ----------------------------------------------------------------------------- */

static void draw_mac(struct l4_host *h, struct l4_mac *m)
{
	l4_rng_bytes(&h->rng, m->b, 6);
	m->b[0] = (uint8_t)((m->b[0] & ~1u) | 2u); /* unicast, locally administered */
}

static void start_services(struct l4_host *h, struct l4_if *ifp, l4_time now)
{
	if (ifp->conf.link_local && ifp->mtu >= L4_IP6_MTU_MIN) {
		struct l4_prefix p = { { { 0xfe, 0x80 } }, 64 };
		p.addr = l4_ip_stable_address(&h->ip, ifp, &p, 0);
		(void)l4_ip_addr_add(
		    &h->ip, ifp, &p, L4_ORIGIN_LINK_LOCAL, L4_TIME_NEVER, L4_TIME_NEVER, now);
	}
	if (ifp->conf.accept_ra && ifp->eth)
		(void)l4_ra_start(&h->ip, ifp, now);
	if (ifp->conf.dhcp4 && ifp->eth)
		(void)l4_dhcp_start(&h->ip, ifp, now);
}

int l4_host_add_iface(struct l4_host *h, const struct l4_iface_config *c, l4_time now)
{
	struct l4_ip *ip = &h->ip;
	now = l4_host_enter(h, now);
	if (c->caps.mtu < L4_IP4_MTU_MIN ||
	    (c->caps.medium != L4_MEDIUM_ETHERNET && c->caps.medium != L4_MEDIUM_IP) ||
	    l4_mac_is_group(&c->caps.mac))
		return L4_EINVAL;
	if (ip->n_ifs >= L4_IP_IFS_MAX)
		return L4_ELIMIT;
	struct l4_if *ifp = l4_mem_zalloc(&h->mem, sizeof(*ifp));
	if (!ifp)
		return L4_ENOMEM;
	ifp->index = (uint16_t)(ip->n_ifs + 1);
	ifp->up = true;
	ifp->eth = c->caps.medium == L4_MEDIUM_ETHERNET;
	ifp->conf = *c;
	ifp->conf.name[sizeof(ifp->conf.name) - 1] = '\0';
	ifp->mac = c->caps.mac;
	if (ifp->eth && l4_mac_is_zero(&ifp->mac))
		draw_mac(h, &ifp->mac);
	ifp->mtu = ifp->mtu6 = c->caps.mtu > L4_IP_MTU_MAX ? L4_IP_MTU_MAX : c->caps.mtu;
	ifp->addr_due = ifp->group_due = L4_TIME_NEVER;
	(void)l4_neigh_init(ip, ifp);
	ip->ifs[++ip->n_ifs] = ifp;
	l4_group_on_link(ip, ifp, now);
	start_services(h, ifp, now);
	return (int)ifp->index;
}

int l4_host_set_link(struct l4_host *h, unsigned ifindex, bool up, l4_time now)
{
	struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	now = l4_host_enter(h, now);
	if (!ifp)
		return L4_EINVAL;
	if (ifp->up == up)
		return L4_OK;
	ifp->up = up;
	l4_if_link_changed(&h->ip, ifp, now);
	h->wake = true;
	l4_host_wake(h, now);
	return L4_OK;
}

int l4_host_set_mtu(struct l4_host *h, unsigned ifindex, uint32_t mtu, l4_time now)
{
	struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	(void)l4_host_enter(h, now);
	if (!ifp || mtu < L4_IP4_MTU_MIN)
		return L4_EINVAL;
	ifp->mtu = ifp->mtu6 = mtu > L4_IP_MTU_MAX ? L4_IP_MTU_MAX : mtu;
	h->ip.gen++;
	return L4_OK;
}

int l4_host_iface_mac(const struct l4_host *h, unsigned ifindex, struct l4_mac *out)
{
	const struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	if (!ifp)
		return L4_EINVAL;
	*out = ifp->mac;
	return L4_OK;
}

int l4_host_add_address(struct l4_host *h, unsigned ifindex, const struct l4_prefix *p, l4_time now)
{
	struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	now = l4_host_enter(h, now);
	if (!ifp)
		return L4_EINVAL;
	return l4_ip_addr_add(&h->ip, ifp, p, L4_ORIGIN_USER, L4_TIME_NEVER, L4_TIME_NEVER, now);
}

int l4_host_del_address(struct l4_host *h, unsigned ifindex, const struct l4_addr *a, l4_time now)
{
	struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	now = l4_host_enter(h, now);
	return ifp ? l4_ip_addr_del(&h->ip, ifp, a, now) : L4_EINVAL;
}

int l4_host_addresses(
    const struct l4_host *h, unsigned ifindex, struct l4_iface_address *out, size_t max)
{
	const struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	if (!ifp)
		return L4_EINVAL;
	for (uint32_t i = 0; i < ifp->n_addrs && i < max; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		out[i] = (struct l4_iface_address){ .prefix = a->prefix,
			.state = (enum l4_addr_state)a->state,
			.valid_until = a->valid_until,
			.preferred_until = a->preferred_until };
	}
	return (int)ifp->n_addrs;
}

int l4_host_add_route(struct l4_host *h, const struct l4_prefix *dst, const struct l4_addr *gateway,
    unsigned ifindex, uint32_t metric)
{
	if (!ifindex || !l4_ip_if(&h->ip, ifindex))
		return L4_EINVAL;
	struct l4_route r = { .dst = *dst,
		.ifindex = (uint16_t)ifindex,
		.origin = L4_ROUTE_USER,
		.metric = metric,
		.until = L4_TIME_NEVER };
	if (gateway)
		r.gw = *gateway;
	return l4_route_add(&h->ip, &r);
}

int l4_host_del_route(
    struct l4_host *h, const struct l4_prefix *dst, const struct l4_addr *gateway, unsigned ifindex)
{
	static const struct l4_addr none;
	return l4_route_del(&h->ip, dst, gateway ? gateway : &none, ifindex, L4_ROUTE_USER);
}

int l4_host_add_neighbour(struct l4_host *h, unsigned ifindex, const struct l4_addr *a,
    const struct l4_mac *mac, l4_time now)
{
	struct l4_if *ifp = ifindex ? l4_ip_if(&h->ip, ifindex) : NULL;
	now = l4_host_enter(h, now);
	if (!ifp || !ifp->eth || l4_mac_is_group(mac) || l4_mac_is_zero(mac))
		return L4_EINVAL;
	int rc = l4_neigh_set_permanent(&h->ip, ifp, a, mac, now);
	l4_host_wake(h, now);
	return rc;
}

int l4_host_source_for(struct l4_host *h, const struct l4_addr *dst, struct l4_addr *out)
{
	struct l4_hop hop;
	int rc = l4_ip_route(&h->ip, NULL, dst, 0, &hop, h->now);
	if (rc == 0)
		*out = hop.src;
	return rc;
}

int l4_host_dns_servers(const struct l4_host *h, struct l4_addr *out, size_t max)
{
	for (unsigned i = 0; i < h->ip.n_dns && i < max; i++)
		out[i] = h->ip.dns[i];
	return (int)h->ip.n_dns;
}

/* ---- Time ----------------------------------------------------------------------------------- */

void l4_host_loop(struct l4_host *h, l4_time now)
{
	for (unsigned round = 0; round < 16; round++) {
		if (!h->ip.lo.n && !l4_tcp_stack_wants_pull(h->tcp, 0))
			return;
		l4_tx_loopback_tcp(h, 64, now);
		l4_ip_run_loopback(&h->ip, 64, now);
		l4_tcp_stack_input_end(h->tcp, now);
	}
}

l4_time l4_host_deadline(const struct l4_host *h)
{
	if (h->wake || h->ip.lo.n || l4_tcp_stack_wants_pull(h->tcp, 0))
		return h->now;
	return l4_time_min(l4_ip_deadline(&h->ip), l4_tcp_stack_deadline(h->tcp));
}

void l4_host_tick(struct l4_host *h, l4_time now)
{
	now = l4_host_enter(h, now);
	l4_ip_tick(&h->ip, now);
	l4_host_wake(h, now);
	l4_tcp_stack_tick(h->tcp, now);
	l4_host_loop(h, now);
}

void l4_host_counters(const struct l4_host *h, struct l4_host_counters *out)
{
	*out = h->c;
	out->alloc_bytes = h->mem.used;
}

int l4_host_check(const struct l4_host *h, char *what, size_t cap)
{
	int rc = l4_ip_check(&h->ip, what, cap);
	if (rc == 0)
		rc = l4_udp_stack_check(h->udp, what, cap);
	if (rc == 0)
		rc = l4_tcp_stack_check(h->tcp, what, cap);
	if (rc == 0 && h->ev.n > h->ev.cap) {
		if (cap)
			(void)snprintf(what, cap, "host: event queue");
		rc = L4_ESTATE;
	}
	return rc;
}
