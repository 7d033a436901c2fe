/* Our addresses: adding, removing, lifetimes, duplicate detection, choice of a source.
 *
 * An address is TENTATIVE while duplicate detection runs (RFC 4862 5.4 for v6, RFC 5227 for v4):
 * nothing is received or sent by it. Then it is PREFERRED, later DEPRECATED, and goes when its
 * valid lifetime ends. A conflict during detection makes it DUPLICATE; it stays listed so that the
 * user can see why it does not work. Usable addresses stand in a keyed hash table (ip->local), so
 * that a packet finds its address at once however many there are; the table is rebuilt at each
 * change, which is rare. */
#include "ip/ip.h"

#include <string.h>

#define PROBE_WAIT        (1 * L4_SEC) /* RFC 5227 1.1 */
#define PROBE_MIN         (1 * L4_SEC)
#define PROBE_MAX         (2 * L4_SEC)
#define PROBE_NUM         3
#define ANNOUNCE_NUM      2
#define ANNOUNCE_WAIT     (2 * L4_SEC)
#define ANNOUNCE_INTERVAL (2 * L4_SEC)
#define DEFEND_INTERVAL   (10 * L4_SEC)
#define IDGEN_RETRIES     3 /* RFC 7217 6 */

static bool usable(const struct l4_ifaddr *a)
{
	return a->state == L4_ADDR_PREFERRED || a->state == L4_ADDR_DEPRECATED;
}

static void local_insert(struct l4_ip *ip, const struct l4_if *ifp, uint32_t i)
{
	const struct l4_addr *a = &ifp->addrs[i].prefix.addr;
	uint32_t at = (uint32_t)l4_ip_hash(ip, a->b, 16) & ip->local_mask;
	while (ip->local[at].ifindex)
		at = (at + 1) & ip->local_mask;
	ip->local[at] = (struct l4_local){ .addr = *a, .ifindex = ifp->index, .i = i };
}

/* Makes room for n addresses; the table is then empty. */
static int local_resize(struct l4_ip *ip, uint32_t n)
{
	uint32_t slots = ip->local ? ip->local_mask + 1 : 0, want = 16;
	while (want < 2 * n)
		want *= 2;
	if (want > slots) {
		struct l4_local *t = l4_mem_alloc(ip->mem, want * sizeof(*t));
		if (!t)
			return L4_ENOMEM;
		l4_mem_free(ip->mem, ip->local, slots * sizeof(*t));
		ip->local = t;
		ip->local_mask = want - 1;
	}
	memset(ip->local, 0, (ip->local_mask + 1) * sizeof(ip->local[0]));
	return L4_OK;
}

/* After any change of state or position. Never needs more room than l4_ip_addr_add made. */
static void local_rebuild(struct l4_ip *ip)
{
	ip->gen++;
	if (!ip->local)
		return;
	memset(ip->local, 0, (ip->local_mask + 1) * sizeof(ip->local[0]));
	for (unsigned i = 1; i <= ip->n_ifs; i++)
		for (uint32_t k = 0; k < ip->ifs[i]->n_addrs; k++)
			if (usable(&ip->ifs[i]->addrs[k]))
				local_insert(ip, ip->ifs[i], k);
}

struct l4_ifaddr *l4_ip_local(
    const struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex, struct l4_if **ifp)
{
	if (!ip->local)
		return NULL;
	uint32_t at = (uint32_t)l4_ip_hash(ip, a->b, 16) & ip->local_mask;
	for (; ip->local[at].ifindex; at = (at + 1) & ip->local_mask) {
		const struct l4_local *l = &ip->local[at];
		if (!l4_addr_eq(&l->addr, a) || (ifindex && l->ifindex != ifindex))
			continue;
		if (ifp)
			*ifp = ip->ifs[l->ifindex];
		return &ip->ifs[l->ifindex]->addrs[l->i];
	}
	return NULL;
}

struct l4_ifaddr *l4_if_addr(const struct l4_if *ifp, const struct l4_addr *a)
{
	for (uint32_t i = 0; i < ifp->n_addrs; i++)
		if (l4_addr_eq(&ifp->addrs[i].prefix.addr, a))
			return &ifp->addrs[i];
	return NULL;
}

bool l4_ip_is_local(const struct l4_ip *ip, const struct l4_addr *a, unsigned ifindex)
{
	if (l4_addr_is_loopback(a))
		return true;
	/* A link-local address is ours on its own link only (RFC 4007). */
	return l4_ip_local(ip, a, l4_addr_is_link_local(a) ? ifindex : 0, NULL) != NULL;
}

/* All ones or (the old form, RFC 1122 3.3.6) all zeros behind the prefix. */
static bool is_subnet_broadcast(const struct l4_prefix *p, const struct l4_addr *a)
{
	if (!l4_addr_is_ip4(&p->addr) || p->len < 97 || p->len > 126 || !l4_prefix_has(p, a))
		return false;
	uint32_t host = (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 |
			(uint32_t)a->b[14] << 8 | a->b[15];
	uint32_t mask = UINT32_MAX >> (p->len - 96);
	return (host & mask) == mask || (host & mask) == 0;
}

bool l4_if_is_broadcast(const struct l4_if *ifp, const struct l4_addr *a)
{
	if (!l4_addr_is_ip4(a))
		return false;
	if (l4_addr_is_broadcast(a) || l4_addr_is_any(a))
		return true;
	for (uint32_t i = 0; i < ifp->n_addrs; i++)
		if (is_subnet_broadcast(&ifp->addrs[i].prefix, a))
			return true;
	return false;
}

bool l4_ip_is_broadcast(const struct l4_ip *ip, const struct l4_addr *a)
{
	if (!l4_addr_is_ip4(a))
		return false;
	if (l4_addr_is_broadcast(a))
		return true;
	for (unsigned i = 1; i <= ip->n_ifs; i++)
		if (l4_if_is_broadcast(ip->ifs[i], a))
			return true;
	return false;
}

bool l4_if_on_link(const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *a)
{
	bool ip4 = l4_addr_is_ip4(a);
	if (!ip4 && l4_addr_is_link_local(a))
		return true;
	for (uint32_t i = 0; i < ip->n_routes; i++) {
		const struct l4_route *r = &ip->routes[i];
		if (r->ifindex == ifp->index && r->ip4 == ip4 && !r->has_gw &&
		    l4_prefix_has(&r->dst, a))
			return true;
	}
	return false;
}

struct l4_addr l4_addr_solicited_node(const struct l4_addr *a)
{
	struct l4_addr g = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff } };
	memcpy(g.b + 13, a->b + 13, 3);
	return g;
}

/* RFC 7217: an interface identifier that is stable on this network and tells nothing elsewhere. */
struct l4_addr l4_ip_stable_address(
    const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_prefix *p, unsigned tries)
{
	uint8_t in[16 + 16 + 6 + 1] = { 0 };
	memcpy(in, p->addr.b, 8);
	memcpy(in + 16, ifp->conf.name, strnlen(ifp->conf.name, sizeof(ifp->conf.name)));
	memcpy(in + 32, ifp->mac.b, 6);
	in[38] = (uint8_t)tries;
	uint64_t iid = l4_siphash24(ip->key_iid, in, sizeof(in));
	struct l4_addr a = p->addr;
	for (unsigned i = 0; i < 8; i++)
		a.b[8 + i] = (uint8_t)(iid >> (56 - 8 * i));
	/* Not the subnet-router anycast (RFC 4291 2.6.1) nor the reserved range of RFC 2526. */
	static const uint8_t zero[8];
	if (memcmp(a.b + 8, zero, 8) == 0 || (a.b[8] == 0xfd && a.b[9] == 0xff))
		a.b[8] ^= 0x10;
	return a;
}

static void add_connected(struct l4_ip *ip, const struct l4_if *ifp, const struct l4_ifaddr *a)
{
	if (a->prefix.len >= 128 || a->origin == L4_ORIGIN_SLAAC)
		return; /* RFC 5942 4: an address of SLAAC says nothing about what is on-link */
	struct l4_route r = { .dst = a->prefix,
		.ifindex = ifp->index,
		.origin = L4_ROUTE_CONNECTED,
		.until = L4_TIME_NEVER };
	(void)l4_route_add(ip, &r);
}

static void del_connected(struct l4_ip *ip, const struct l4_if *ifp, const struct l4_ifaddr *gone)
{
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		if (a->prefix.len == gone->prefix.len && a->origin != L4_ORIGIN_SLAAC &&
		    l4_prefix_has(&a->prefix, &gone->prefix.addr))
			return;
	}
	static const struct l4_addr none;
	(void)l4_route_del(ip, &gone->prefix, &none, ifp->index, L4_ROUTE_CONNECTED);
}

static void changed(struct l4_ip *ip, struct l4_if *ifp, const struct l4_ifaddr *a)
{
	ifp->address_event = ip->address_event = true;
	l4_ip_trace(ip, L4_TRACE_ADDRESS, ifp->index, a->state, 0, 0);
}

static void set_due(struct l4_if *ifp)
{
	ifp->addr_due = L4_TIME_NEVER;
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		ifp->addr_due = l4_time_min(ifp->addr_due, a->dad_due);
		ifp->addr_due = l4_time_min(ifp->addr_due, a->valid_until);
		if (a->state == L4_ADDR_PREFERRED)
			ifp->addr_due = l4_time_min(ifp->addr_due, a->preferred_until);
	}
}

static void dad_begin(struct l4_ip *ip, struct l4_ifaddr *a, l4_time now)
{
	a->state = L4_ADDR_TENTATIVE;
	a->dad_sent = 0;
	l4_rng_bytes(ip->rng, a->nonce, sizeof(a->nonce));
	/* RFC 5227 2.1.1 and RFC 4862 5.4.2: not all hosts of a link at once. */
	a->dad_due = l4_ip_jitter(ip, now, 0, PROBE_WAIT);
}

static bool is_unicast(const struct l4_addr *a)
{
	return !l4_addr_is_any(a) && !l4_addr_is_multicast(a) && !l4_addr_is_broadcast(a);
}

int l4_ip_addr_add(struct l4_ip *ip, struct l4_if *ifp, const struct l4_prefix *p,
    enum l4_addr_origin origin, l4_time valid_until, l4_time preferred_until, l4_time now)
{
	bool ip4 = l4_addr_is_ip4(&p->addr);
	if (!is_unicast(&p->addr) || p->len > 128 || (ip4 && p->len < 96))
		return L4_EINVAL;
	if (l4_if_addr(ifp, &p->addr))
		return L4_EINUSE;
	if (ifp->n_addrs >= ip->limits.addresses)
		return L4_ELIMIT;
	if (ifp->n_addrs == ifp->cap_addrs) {
		uint32_t cap = ifp->cap_addrs ? ifp->cap_addrs * 2 : 4;
		struct l4_ifaddr *t =
		    l4_mem_grow(ip->mem, ifp->addrs, ifp->cap_addrs * sizeof(*t), cap * sizeof(*t));
		if (!t)
			return L4_ENOMEM;
		ifp->addrs = t;
		ifp->cap_addrs = cap;
	}
	uint32_t total = 1;
	for (unsigned i = 1; i <= ip->n_ifs; i++)
		total += ip->ifs[i]->n_addrs;
	int rc = local_resize(ip, total);
	if (rc < 0) {
		local_rebuild(ip);
		return rc;
	}
	struct l4_ifaddr *a = &ifp->addrs[ifp->n_addrs++];
	*a = (struct l4_ifaddr){ .prefix = *p,
		.origin = (uint8_t)origin,
		.state = L4_ADDR_PREFERRED,
		.dad_due = L4_TIME_NEVER,
		.valid_until = valid_until,
		.preferred_until = preferred_until };
	bool dad = ifp->eth && ifp->conf.dad;
	if (dad)
		dad_begin(ip, a, now);
	else if (preferred_until <= now)
		a->state = L4_ADDR_DEPRECATED;
	add_connected(ip, ifp, a);
	local_rebuild(ip);
	set_due(ifp);
	changed(ip, ifp, a);
	if (!ip4 && ifp->eth) {
		struct l4_addr group = l4_addr_solicited_node(&p->addr);
		(void)l4_group_join(ip, ifp, &group, NULL, true, now);
	}
	return L4_OK;
}

static void remove_at(struct l4_ip *ip, struct l4_if *ifp, uint32_t i, l4_time now)
{
	struct l4_ifaddr gone = ifp->addrs[i];
	memmove(&ifp->addrs[i], &ifp->addrs[i + 1], (ifp->n_addrs - i - 1) * sizeof(gone));
	ifp->n_addrs--;
	del_connected(ip, ifp, &gone);
	local_rebuild(ip);
	set_due(ifp);
	changed(ip, ifp, &gone);
	if (!l4_addr_is_ip4(&gone.prefix.addr) && ifp->eth) {
		struct l4_addr group = l4_addr_solicited_node(&gone.prefix.addr);
		(void)l4_group_leave(ip, ifp, &group, NULL, now);
	}
	if (usable(&gone) && !l4_ip_local(ip, &gone.prefix.addr, 0, NULL))
		ip->env.address_gone(ip->env.ctx, &gone.prefix.addr, now);
}

int l4_ip_addr_del(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *a, l4_time now)
{
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		if (!l4_addr_eq(&ifp->addrs[i].prefix.addr, a))
			continue;
		remove_at(ip, ifp, i, now);
		return L4_OK;
	}
	return L4_ENOTFOUND;
}

/* One step of duplicate detection. */
static void dad_step4(struct l4_ip *ip, struct l4_if *ifp, struct l4_ifaddr *a, l4_time now)
{
	struct l4_addr zero = l4_addr_from_ip4((const uint8_t[4]){ 0, 0, 0, 0 });
	if (a->dad_sent < PROBE_NUM) { /* RFC 5227 2.1.1 */
		l4_arp_request(ip, ifp, &zero, &a->prefix.addr, NULL);
		a->dad_sent++;
		a->dad_due = a->dad_sent < PROBE_NUM ? l4_ip_jitter(ip, now, PROBE_MIN, PROBE_MAX)
						     : now + ANNOUNCE_WAIT;
		return;
	}
	if (a->state == L4_ADDR_TENTATIVE) {
		a->state = L4_ADDR_PREFERRED;
		local_rebuild(ip);
		changed(ip, ifp, a);
	}
	l4_arp_request(ip, ifp, &a->prefix.addr, &a->prefix.addr, NULL); /* 2.3: announcement */
	a->dad_sent++;
	a->dad_due =
	    a->dad_sent < PROBE_NUM + ANNOUNCE_NUM ? now + ANNOUNCE_INTERVAL : L4_TIME_NEVER;
}

static void dad_step6(struct l4_ip *ip, struct l4_if *ifp, struct l4_ifaddr *a, l4_time now)
{
	if (a->dad_sent == 0) { /* RFC 4862 5.4.2: DupAddrDetectTransmits is 1 */
		static const struct l4_addr any;
		a->dad_sent = 1;
		a->dad_due = now + ifp->retrans_ms * L4_MSEC;
		l4_ndp_solicit(ip, ifp, &any, &a->prefix.addr, NULL, a->nonce);
		return;
	}
	a->dad_due = L4_TIME_NEVER;
	a->state = a->preferred_until > now ? L4_ADDR_PREFERRED : L4_ADDR_DEPRECATED;
	local_rebuild(ip);
	changed(ip, ifp, a);
}

void l4_ip_addr_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	for (uint32_t i = 0; i < ifp->n_addrs;) {
		struct l4_ifaddr *a = &ifp->addrs[i];
		if (a->valid_until <= now) {
			remove_at(ip, ifp, i, now);
			continue;
		}
		if (a->dad_due <= now) {
			if (l4_addr_is_ip4(&a->prefix.addr))
				dad_step4(ip, ifp, a, now);
			else
				dad_step6(ip, ifp, a, now);
		}
		if (a->state == L4_ADDR_PREFERRED && a->preferred_until <= now) {
			a->state = L4_ADDR_DEPRECATED; /* RFC 4862 5.5.4 */
			changed(ip, ifp, a);
		}
		i++;
	}
	set_due(ifp);
}

void l4_ip_addr_conflict(struct l4_ip *ip, struct l4_if *ifp, struct l4_ifaddr *a, l4_time now)
{
	bool ip4 = l4_addr_is_ip4(&a->prefix.addr);
	struct l4_addr addr = a->prefix.addr;
	if (a->state == L4_ADDR_TENTATIVE) {
		a->state = L4_ADDR_DUPLICATE;
		a->dad_due = L4_TIME_NEVER;
		set_due(ifp);
		changed(ip, ifp, a);
		if (a->origin == L4_ORIGIN_DHCP) {
			l4_dhcp_on_conflict(ip, ifp, &addr, now);
		} else if ((a->origin == L4_ORIGIN_SLAAC || a->origin == L4_ORIGIN_LINK_LOCAL) &&
			   a->dad_tries + 1 < IDGEN_RETRIES) {
			/* RFC 7217 6: another identifier of the same prefix. */
			struct l4_ifaddr old = *a;
			(void)l4_ip_addr_del(ip, ifp, &addr, now);
			struct l4_prefix p = old.prefix;
			p.addr = l4_ip_stable_address(ip, ifp, &p, old.dad_tries + 1u);
			if (l4_ip_addr_add(ip, ifp, &p, old.origin, old.valid_until,
				old.preferred_until, now) == 0)
				ifp->addrs[ifp->n_addrs - 1].dad_tries =
				    (uint8_t)(old.dad_tries + 1);
		}
		return;
	}
	/* RFC 5227 2.4 (b): defend, but not in a storm. The address stays. */
	if (!ip4 || !usable(a))
		return;
	if (a->defended && now - a->defended < DEFEND_INTERVAL)
		return;
	a->defended = now ? now : 1;
	ifp->address_event = ip->address_event = true;
	l4_arp_request(ip, ifp, &addr, &addr, NULL);
}

void l4_if_link_changed(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	ip->gen++;
	if (!ifp->up) {
		l4_pktq_clear(ip, &ifp->out, L4_EUNREACH);
		l4_neigh_flush(ip, ifp);
		return;
	}
	/* The other link may have another owner of our addresses (RFC 4862 5.4, RFC 5227 2.1). */
	for (uint32_t i = 0; i < ifp->n_addrs; i++)
		if (ifp->eth && ifp->conf.dad)
			dad_begin(ip, &ifp->addrs[i], now);
	local_rebuild(ip);
	set_due(ifp);
	l4_group_on_link(ip, ifp, now);
	if (ifp->ra)
		(void)l4_ra_start(ip, ifp, now);
	if (ifp->dhcp)
		l4_dhcp_on_link(ip, ifp, now);
}

/* ---- RFC 6724: which source ----------------------------------------------------------------- */

static unsigned scope_of(const struct l4_addr *a)
{
	if (l4_addr_is_multicast(a) && !l4_addr_is_ip4(a))
		return a->b[1] & 15;
	if (l4_addr_is_link_local(a) || l4_addr_is_loopback(a))
		return 2;
	return 14;
}

/* The labels of RFC 6724 2.1 that unicast sources can have. */
static unsigned label_of(const struct l4_addr *a)
{
	if (l4_addr_is_ip4(a))
		return 4;
	if (l4_addr_is_loopback(a))
		return 0;
	if (a->b[0] == 0x20 && a->b[1] == 0x02)
		return 2;
	if (a->b[0] == 0x20 && a->b[1] == 0x01 && a->b[2] == 0 && a->b[3] == 0)
		return 5;
	if ((a->b[0] & 0xfe) == 0xfc)
		return 13;
	return 1;
}

static unsigned common_bits(const struct l4_addr *a, const struct l4_addr *b, unsigned max)
{
	unsigned n = 0;
	while (n < max && !((a->b[n / 8] ^ b->b[n / 8]) & (0x80u >> n % 8)))
		n++;
	return n;
}

/* Whether a is a better source than b (RFC 6724 5; rules 4 and 7 do not apply). */
static bool better(const struct l4_ifaddr *a, const struct l4_ifaddr *b, const struct l4_addr *dst)
{
	const struct l4_addr *pa = &a->prefix.addr, *pb = &b->prefix.addr;
	if (l4_addr_eq(pa, dst) != l4_addr_eq(pb, dst))
		return l4_addr_eq(pa, dst); /* rule 1 */
	unsigned sa = scope_of(pa), sb = scope_of(pb), sd = scope_of(dst);
	if (sa != sb) /* rule 2 */
		return sa < sb ? sa >= sd : sb < sd;
	if (a->state != b->state) /* rule 3 */
		return a->state == L4_ADDR_PREFERRED;
	bool la = label_of(pa) == label_of(dst), lb = label_of(pb) == label_of(dst);
	if (la != lb) /* rule 6 */
		return la;
	return common_bits(pa, dst, a->prefix.len) > common_bits(pb, dst, b->prefix.len);
}

static const struct l4_ifaddr *best_source(
    const struct l4_if *ifp, const struct l4_addr *dst, const struct l4_ifaddr *best)
{
	bool ip4 = l4_addr_is_ip4(dst);
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		if (!usable(a) || l4_addr_is_ip4(&a->prefix.addr) != ip4)
			continue;
		if (!best || better(a, best, dst))
			best = a;
	}
	return best;
}

int l4_ip_source(
    const struct l4_ip *ip, const struct l4_if *ifp, const struct l4_addr *dst, struct l4_addr *out)
{
	const struct l4_ifaddr *best = ifp ? best_source(ifp, dst, NULL) : NULL; /* rule 5 */
	for (unsigned i = 1; !best && i <= ip->n_ifs; i++)
		best = best_source(ip->ifs[i], dst, NULL);
	if (!best)
		return L4_ENOADDR;
	*out = best->prefix.addr;
	return L4_OK;
}
