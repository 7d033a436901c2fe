/* Multicast groups of an interface: receive filter, IGMPv3 and MLDv2 as a host (RFC 9776, 9777).
 *
 * A membership is for any source (EXCLUDE {}) or for one (INCLUDE {s}); the interface's state of a
 * group is their sum: EXCLUDE {} if one wants any source, else INCLUDE of the union. Changes are
 * reported at once and repeated (robustness - 1 more times) at random intervals. Queries are
 * answered after a random delay: a general one by one report about all groups, the others group by
 * group. While an older querier is heard its version is spoken: IGMPv1 and v2 reports and leaves,
 * MLDv1 reports and dones, with the sources left out.
 *
 * Simplification: a group-and-source query about a group in EXCLUDE {} is answered with the group's
 * whole state instead of the sources asked for, which tells the querier no less. */
#include "ip/ip.h"

#include <string.h>

#include "base/cursor.h"

#define ROBUSTNESS      2
#define UNSOLICITED     (1 * L4_SEC)   /* RFC 9776 8.11 */
#define UNSOLICITED_OLD (10 * L4_SEC)  /* IGMPv2 8.10, MLDv1 7.10 */
#define OLDER_QUERIER   (260 * L4_SEC) /* RFC 9776 8.12: 2 * 125 s + 10 s */
#define BATCH_RECORDS   40
#define BATCH_SOURCES   64

static const struct l4_addr all_hosts6 = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } };
static const struct l4_addr all_routers6 = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2 } };
static const struct l4_addr mld2_routers = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x16 } };

static struct l4_addr group4(uint8_t last)
{
	return l4_addr_from_ip4((const uint8_t[4]){ 224, 0, 0, last });
}

/* Groups that every host is in and that are never reported (RFC 9776 5, RFC 9777 6). */
static bool is_all_hosts(const struct l4_addr *g)
{
	if (l4_addr_is_ip4(g)) {
		struct l4_addr all = group4(1);
		return l4_addr_eq(g, &all);
	}
	return l4_addr_eq(g, &all_hosts6) || (g->b[1] & 15) <= 1;
}

static struct l4_group *find(const struct l4_if *ifp, const struct l4_addr *group)
{
	for (uint32_t i = 0; i < ifp->n_groups; i++)
		if (l4_addr_eq(&ifp->groups[i].addr, group))
			return &ifp->groups[i];
	return NULL;
}

static struct l4_group_src *find_src(struct l4_group *g, const struct l4_addr *a)
{
	for (uint32_t i = 0; i < g->n_src; i++)
		if (l4_addr_eq(&g->src[i].addr, a))
			return &g->src[i];
	return NULL;
}

bool l4_group_accepts(
    const struct l4_if *ifp, const struct l4_addr *group, const struct l4_addr *source)
{
	if (is_all_hosts(group))
		return true;
	struct l4_group *g = find(ifp, group);
	if (!g)
		return false;
	if (g->any_refs)
		return true;
	const struct l4_group_src *s = find_src(g, source);
	return s && s->refs;
}

bool l4_group_exists(const struct l4_if *ifp, const struct l4_addr *group)
{
	return is_all_hosts(group) || find(ifp, group);
}

static bool has_members(const struct l4_group *g)
{
	for (uint32_t i = 0; !g->any_refs && i < g->n_src; i++)
		if (g->src[i].refs)
			return true;
	return g->any_refs != 0;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* Version to speak now: IGMP 1..3, MLD 1..2. */
static unsigned version(const struct l4_if *ifp, bool v6, l4_time now)
{
	if (v6)
		return now < ifp->mc6.v1_until ? 1 : 2;
	return now < ifp->mc4.v1_until ? 1 : now < ifp->mc4.v2_until ? 2 : 3;
}

static unsigned robustness(const struct l4_if *ifp, bool v6)
{
	unsigned r = v6 ? ifp->mc6.robustness : ifp->mc4.robustness;
	return r ? r : ROBUSTNESS;
}

static struct l4_addr source_of(const struct l4_if *ifp, bool v6)
{
	for (uint32_t i = 0; i < ifp->n_addrs; i++) {
		const struct l4_ifaddr *a = &ifp->addrs[i];
		const struct l4_addr *p = &a->prefix.addr;
		if (a->state != L4_ADDR_PREFERRED && a->state != L4_ADDR_DEPRECATED)
			continue;
		if (v6 ? !l4_addr_is_ip4(p) && l4_addr_is_link_local(p) : l4_addr_is_ip4(p))
			return *p;
	}
	return v6 ? (struct l4_addr){ { 0 } } : l4_addr_from_ip4((const uint8_t[4]){ 0 });
}

/* RFC 9776 4, RFC 9777 5: TTL 1, Router Alert; MLD from a link-local address or none. */
static void send(struct l4_ip *ip, struct l4_if *ifp, const uint8_t *msg, uint32_t len,
    const struct l4_addr *dst)
{
	bool v6 = !l4_addr_is_ip4(dst);
	struct l4_pkt *p = l4_pkt_new(ip, L4_PKT_HEADROOM, len);
	if (!p)
		return;
	struct l4_ip_out o = { .src = source_of(ifp, v6),
		.dst = *dst,
		.ifindex = ifp->index,
		.proto = v6 ? L4_PROTO_ICMP6 : L4_PROTO_IGMP,
		.ttl = 1,
		.tos = v6 ? 0 : 0xc0,
		.router_alert = true,
		.no_loop = true,
		.unspecified = true };
	uint8_t *b = l4_pkt_bytes(p);
	memcpy(b, msg, len);
	memset(b + 2, 0, 2);
	uint16_t csum =
	    v6 ? l4_wire_csum(&o.src, dst, L4_PROTO_ICMP6, b, len) : l4_icmp_csum(b, len);
	memcpy(b + 2, &csum, 2);
	p->hdr_len = len < L4_ICMP_HDR_LEN ? len : L4_ICMP_HDR_LEN;
	p->why.code = L4_WHY_GROUP;
	(void)l4_ip_output(ip, p, &o, ip->now);
}

/* A message of the older versions, which name one group. */
static void send_old(
    struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group, bool leave, l4_time now)
{
	uint8_t b[24] = { 0 };
	if (l4_addr_is_ip4(group)) {
		unsigned v = version(ifp, false, now);
		struct l4_addr dst = leave ? group4(2) : *group;
		if (leave && v == 1)
			return; /* version 1 leaves in silence */
		b[0] = leave ? L4_IGMP_LEAVE : v == 1 ? L4_IGMP_REPORT1 : L4_IGMP_REPORT2;
		memcpy(b + 4, group->b + 12, 4);
		send(ip, ifp, b, 8, &dst);
		return;
	}
	b[0] = leave ? L4_ICMP6_MLD1_DONE : L4_ICMP6_MLD1_REPORT;
	memcpy(b + 8, group->b, 16);
	send(ip, ifp, b, 24, leave ? &all_routers6 : group);
}

/* Records on their way into one or more reports. */
struct batch {
	struct l4_ip *ip;
	struct l4_if *ifp;
	bool v6;
	struct l4_mcast_record rec[BATCH_RECORDS];
	unsigned n;
	struct l4_addr src[BATCH_SOURCES];
	unsigned n_src;
};

static void batch_send(struct batch *b)
{
	uint8_t buf[1400];
	if (!b->n)
		return;
	int len = l4_mcast_report_emit(b->rec, b->n, b->v6, buf, sizeof(buf));
	struct l4_addr dst = b->v6 ? mld2_routers : group4(22);
	if (len > 0)
		send(b->ip, b->ifp, buf, (uint32_t)len, &dst);
	b->n = b->n_src = 0;
}

/* Which sources of a group a record names. */
enum pick { PICK_NONE, PICK_MEMBERS, PICK_ALLOW, PICK_BLOCK, PICK_QUERIED };

static bool picked(const struct l4_group_src *s, enum pick what)
{
	switch (what) {
	case PICK_MEMBERS:
		return s->refs != 0;
	case PICK_ALLOW:
		return s->refs && s->rtx;
	case PICK_BLOCK:
		return !s->refs && s->rtx;
	case PICK_QUERIED:
		return s->refs && s->queried;
	case PICK_NONE:
		break;
	}
	return false;
}

static void batch_add(
    struct batch *b, const struct l4_group *g, uint8_t type, enum pick what, bool even_if_empty)
{
	/* 40 records of 20 bytes and 36 sources of 16, or so, fit one packet of 1280. */
	if (b->n >= BATCH_RECORDS || b->n_src >= BATCH_SOURCES / 2)
		batch_send(b);
	struct l4_mcast_record r = {
		.type = type, .group = g->addr, .src_addr = &b->src[b->n_src]
	};
	for (uint32_t i = 0; i < g->n_src; i++) {
		if (!picked(&g->src[i], what))
			continue;
		if (b->n_src == BATCH_SOURCES) { /* the rest in another record of the same type */
			b->rec[b->n++] = r;
			batch_send(b);
			r.src_n = 0;
			r.src_addr = b->src;
		}
		b->src[b->n_src++] = g->src[i].addr;
		r.src_n++;
	}
	if (r.src_n || even_if_empty)
		b->rec[b->n++] = r;
}

static void batch_current(struct batch *b, const struct l4_group *g)
{
	if (g->any_refs)
		batch_add(b, g, L4_MCAST_IS_EX, PICK_NONE, true);
	else
		batch_add(b, g, L4_MCAST_IS_IN, PICK_MEMBERS, false);
}

/* One state-change report of the group (RFC 9776 5.1). */
static void report_change(struct l4_ip *ip, struct l4_if *ifp, struct l4_group *g, l4_time now)
{
	bool v6 = !l4_addr_is_ip4(&g->addr);
	struct batch b = { .ip = ip, .ifp = ifp, .v6 = v6 };
	bool old = version(ifp, v6, now) < (v6 ? 2u : 3u);
	bool more = false;
	if (old)
		send_old(ip, ifp, &g->addr, !has_members(g), now);
	else if (g->mode_rtx)
		batch_add(&b, g, g->any_refs ? L4_MCAST_TO_EX : L4_MCAST_TO_IN,
		    g->any_refs ? PICK_NONE : PICK_MEMBERS, true);
	else {
		batch_add(&b, g, L4_MCAST_ALLOW, PICK_ALLOW, false);
		batch_add(&b, g, L4_MCAST_BLOCK, PICK_BLOCK, false);
	}
	if (!old)
		batch_send(&b);
	if (old && !has_members(g)) { /* a leave is said once (RFC 2236 3) */
		g->mode_rtx = 0;
		g->n_src = 0;
	}
	if (g->mode_rtx)
		more = --g->mode_rtx != 0;
	for (uint32_t i = 0; i < g->n_src;) {
		struct l4_group_src *s = &g->src[i];
		if (s->rtx)
			s->rtx--;
		more |= s->rtx != 0;
		if (s->refs || s->rtx)
			i++;
		else
			*s = g->src[--g->n_src];
	}
	g->rtx_due =
	    more ? l4_ip_jitter(ip, now, 1, old ? UNSOLICITED_OLD : UNSOLICITED) : L4_TIME_NEVER;
}

/* The answer to a query about the group. */
static void answer(struct l4_ip *ip, struct l4_if *ifp, struct l4_group *g, l4_time now)
{
	bool v6 = !l4_addr_is_ip4(&g->addr);
	struct batch b = { .ip = ip, .ifp = ifp, .v6 = v6 };
	g->query_due = L4_TIME_NEVER;
	if (g->reported && has_members(g)) {
		if (version(ifp, v6, now) < (v6 ? 2u : 3u))
			send_old(ip, ifp, &g->addr, false, now);
		else if (g->query_all || g->any_refs)
			batch_current(&b, g);
		else
			batch_add(&b, g, L4_MCAST_IS_IN, PICK_QUERIED, false);
		batch_send(&b);
	}
	g->query_all = false;
	for (uint32_t i = 0; i < g->n_src; i++)
		g->src[i].queried = false;
}

static void answer_general(struct l4_ip *ip, struct l4_if *ifp, bool v6)
{
	struct batch b = { .ip = ip, .ifp = ifp, .v6 = v6 };
	for (uint32_t i = 0; i < ifp->n_groups; i++) {
		const struct l4_group *g = &ifp->groups[i];
		if (g->reported && l4_addr_is_ip4(&g->addr) != v6 && has_members(g))
			batch_current(&b, g);
	}
	batch_send(&b);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void set_due(struct l4_if *ifp)
{
	l4_time t = L4_TIME_NEVER;
	if (ifp->mc4.general_due)
		t = l4_time_min(t, ifp->mc4.general_due);
	if (ifp->mc6.general_due)
		t = l4_time_min(t, ifp->mc6.general_due);
	for (uint32_t i = 0; i < ifp->n_groups; i++)
		t = l4_time_min(t, l4_time_min(ifp->groups[i].rtx_due, ifp->groups[i].query_due));
	ifp->group_due = t;
}

static void free_group(struct l4_ip *ip, struct l4_if *ifp, struct l4_group *g)
{
	l4_mem_free(ip->mem, g->src, g->cap_src * sizeof(g->src[0]));
	*g = ifp->groups[--ifp->n_groups];
}

void l4_group_tick(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	if (ifp->mc4.general_due && ifp->mc4.general_due <= now) {
		ifp->mc4.general_due = 0;
		answer_general(ip, ifp, false);
	}
	if (ifp->mc6.general_due && ifp->mc6.general_due <= now) {
		ifp->mc6.general_due = 0;
		answer_general(ip, ifp, true);
	}
	for (uint32_t i = 0; i < ifp->n_groups;) {
		struct l4_group *g = &ifp->groups[i];
		if (g->query_due <= now)
			answer(ip, ifp, g, now);
		if (g->rtx_due <= now)
			report_change(ip, ifp, g, now);
		if (!has_members(g) && g->rtx_due == L4_TIME_NEVER)
			free_group(ip, ifp, g);
		else
			i++;
	}
	set_due(ifp);
}

/* ---- Joining and leaving -------------------------------------------------------------------- */

static struct l4_group *make(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group)
{
	/* The groups that our own addresses need come on top of the user's. */
	if (ifp->n_groups >= ip->limits.groups + ip->limits.addresses)
		return NULL;
	if (ifp->n_groups == ifp->cap_groups) {
		uint32_t cap = ifp->cap_groups ? ifp->cap_groups * 2 : 4;
		struct l4_group *g = l4_mem_grow(
		    ip->mem, ifp->groups, ifp->cap_groups * sizeof(*g), cap * sizeof(*g));
		if (!g)
			return NULL;
		ifp->groups = g;
		ifp->cap_groups = cap;
	}
	struct l4_group *g = &ifp->groups[ifp->n_groups++];
	*g = (struct l4_group){
		.addr = *group, .rtx_due = L4_TIME_NEVER, .query_due = L4_TIME_NEVER
	};
	return g;
}

static struct l4_group_src *make_src(struct l4_ip *ip, struct l4_group *g, const struct l4_addr *a)
{
	if (g->n_src == g->cap_src) {
		uint32_t cap = g->cap_src ? g->cap_src * 2 : 4;
		struct l4_group_src *s =
		    l4_mem_grow(ip->mem, g->src, g->cap_src * sizeof(*s), cap * sizeof(*s));
		if (!s)
			return NULL;
		g->src = s;
		g->cap_src = cap;
	}
	struct l4_group_src *s = &g->src[g->n_src++];
	*s = (struct l4_group_src){ .addr = *a };
	return s;
}

/* The group's filter changed: report it now, again later. */
static void changed(struct l4_ip *ip, struct l4_if *ifp, struct l4_group *g, l4_time now)
{
	if (!g->reported || !ifp->up) {
		g->mode_rtx = 0;
		for (uint32_t i = 0; i < g->n_src; i++)
			g->src[i].rtx = 0;
		g->rtx_due = L4_TIME_NEVER;
	} else {
		report_change(ip, ifp, g, now);
	}
	if (!has_members(g) && g->rtx_due == L4_TIME_NEVER)
		free_group(ip, ifp, g);
	set_due(ifp);
}

int l4_group_join(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, bool reported, l4_time now)
{
	bool v6 = !l4_addr_is_ip4(group);
	uint8_t again = (uint8_t)robustness(ifp, v6);
	struct l4_group *g = find(ifp, group);
	if (!g)
		g = make(ip, ifp, group);
	if (!g)
		return L4_ELIMIT;
	g->reported = reported && !is_all_hosts(group);
	if (source) {
		struct l4_group_src *s = find_src(g, source);
		if (!s)
			s = make_src(ip, g, source);
		if (!s) {
			if (!has_members(g) && g->rtx_due == L4_TIME_NEVER)
				free_group(ip, ifp, g);
			return L4_ENOMEM;
		}
		if (s->refs++ || g->any_refs)
			return L4_OK;
		s->rtx = again;
	} else {
		if (g->any_refs++)
			return L4_OK;
		g->mode_rtx = again;
	}
	changed(ip, ifp, g, now);
	return L4_OK;
}

int l4_group_leave(struct l4_ip *ip, struct l4_if *ifp, const struct l4_addr *group,
    const struct l4_addr *source, l4_time now)
{
	bool v6 = !l4_addr_is_ip4(group);
	uint8_t again = (uint8_t)robustness(ifp, v6);
	struct l4_group *g = find(ifp, group);
	if (!g)
		return L4_ENOTFOUND;
	if (source) {
		struct l4_group_src *s = find_src(g, source);
		if (!s || !s->refs)
			return L4_ENOTFOUND;
		if (--s->refs || g->any_refs)
			return L4_OK;
		s->rtx = again;
	} else {
		if (!g->any_refs)
			return L4_ENOTFOUND;
		if (--g->any_refs)
			return L4_OK;
		g->mode_rtx = again;
	}
	changed(ip, ifp, g, now);
	return L4_OK;
}

void l4_group_on_link(struct l4_ip *ip, struct l4_if *ifp, l4_time now)
{
	ifp->mc4.v1_until = ifp->mc4.v2_until = ifp->mc6.v1_until = 0;
	for (uint32_t i = 0; i < ifp->n_groups; i++) {
		struct l4_group *g = &ifp->groups[i];
		if (!g->reported || !has_members(g))
			continue;
		g->mode_rtx = (uint8_t)robustness(ifp, !l4_addr_is_ip4(&g->addr));
		report_change(ip, ifp, g, now);
	}
	set_due(ifp);
}

void l4_group_free_all(struct l4_ip *ip, struct l4_if *ifp)
{
	while (ifp->n_groups)
		free_group(ip, ifp, &ifp->groups[ifp->n_groups - 1]);
	l4_mem_free(ip->mem, ifp->groups, ifp->cap_groups * sizeof(ifp->groups[0]));
	ifp->groups = NULL;
	ifp->cap_groups = 0;
}

/* ---- Queries -------------------------------------------------------------------------------- */

static void heard_older(struct l4_if *ifp, bool v6, unsigned v, l4_time now)
{
	if (v6 && v == 1)
		ifp->mc6.v1_until = now + OLDER_QUERIER;
	if (!v6 && v == 1)
		ifp->mc4.v1_until = now + OLDER_QUERIER;
	if (!v6 && v == 2)
		ifp->mc4.v2_until = now + OLDER_QUERIER;
}

static void on_general(
    struct l4_ip *ip, struct l4_if *ifp, bool v6, const struct l4_mcast_msg *m, l4_time now)
{
	l4_time max = m->max_resp_ms * L4_MSEC;
	if (version(ifp, v6, now) == (v6 ? 2u : 3u)) {
		struct l4_mcast_if *mc = v6 ? &ifp->mc6 : &ifp->mc4;
		l4_time due = l4_ip_jitter(ip, now, 1, max);
		if (!mc->general_due || due < mc->general_due)
			mc->general_due = due;
		return;
	}
	for (uint32_t i = 0; i < ifp->n_groups; i++) {
		struct l4_group *g = &ifp->groups[i];
		if (g->reported && l4_addr_is_ip4(&g->addr) != v6)
			g->query_due = l4_time_min(g->query_due, l4_ip_jitter(ip, now, 1, max));
	}
}

static void on_specific(
    struct l4_ip *ip, struct l4_if *ifp, bool v6, const struct l4_mcast_msg *m, l4_time now)
{
	struct l4_group *g = find(ifp, &m->group);
	if (!g || !g->reported)
		return;
	if (m->src_n == 0)
		g->query_all = true;
	for (unsigned i = 0; i < m->src_n && i < 366; i++) {
		struct l4_addr a = l4_mcast_source(m->src, v6, i);
		struct l4_group_src *s = find_src(g, &a);
		if (s)
			s->queried = true;
	}
	l4_time due = l4_ip_jitter(ip, now, 1, m->max_resp_ms * L4_MSEC);
	g->query_due = l4_time_min(g->query_due, due);
}

/* Another member told it: in the older versions that is enough (RFC 2236 3). */
static void on_old_report(struct l4_if *ifp, bool v6, const struct l4_mcast_msg *m, l4_time now)
{
	struct l4_group *g = find(ifp, &m->group);
	if (g && version(ifp, v6, now) < (v6 ? 2u : 3u))
		g->query_due = L4_TIME_NEVER;
}

static enum l4_drop check(const struct l4_ip_in *in, struct l4_mcast_msg *m, bool v6)
{
	const uint8_t *b = in->data + in->k.l4_off;
	if (in->avail < in->k.l4_off + in->k.l4_len)
		return v6 ? L4_DROP_MLD_FORMAT : L4_DROP_IGMP_FORMAT;
	if (v6) { /* RFC 9777 6.2: link-local source, hop limit 1, Router Alert */
		if (in->k.ttl != 1 || !l4_addr_is_link_local(&in->k.src) ||
		    !(in->k.ip_opts & L4_IPO_ROUTER_ALERT))
			return L4_DROP_MLD_FORMAT;
		return l4_mcast_parse(m, true, b, in->k.l4_len) < 0 ? L4_DROP_MLD_FORMAT
								    : L4_DROP_NONE;
	}
	if (in->k.ttl != 1 || l4_icmp_csum(b, in->k.l4_len) != 0)
		return L4_DROP_IGMP_FORMAT;
	if (l4_mcast_parse(m, false, b, in->k.l4_len) < 0)
		return L4_DROP_IGMP_FORMAT;
	/* RFC 9776 5.2, 9.1: a general query goes to all systems, nothing else is one. */
	if (m->type == L4_IGMP_QUERY && m->version == 3 && l4_addr_is_any(&m->group) &&
	    !is_all_hosts(&in->k.dst))
		return L4_DROP_IGMP_FORMAT;
	return L4_DROP_NONE;
}

void l4_group_query_input(struct l4_ip *ip, const struct l4_ip_in *in)
{
	struct l4_mcast_msg m;
	bool v6 = in->k.version == 6;
	struct l4_if *ifp = in->ifp;
	enum l4_drop why = check(in, &m, v6);
	if (why) {
		l4_ip_drop(ip, why, ifp->index, in->k.l3_len);
		return;
	}
	if (m.type == L4_IGMP_REPORT1 || m.type == L4_IGMP_REPORT2 ||
	    (v6 && m.type == L4_ICMP6_MLD1_REPORT)) {
		on_old_report(ifp, v6, &m, in->now);
	} else if (m.type == (v6 ? L4_ICMP6_MLD_QUERY : L4_IGMP_QUERY)) {
		heard_older(ifp, v6, m.version, in->now);
		if (m.version == (v6 ? 2 : 3))
			*(v6 ? &ifp->mc6.robustness : &ifp->mc4.robustness) = m.qrv;
		if (l4_addr_is_any(&m.group))
			on_general(ip, ifp, v6, &m, in->now);
		else
			on_specific(ip, ifp, v6, &m, in->now);
	}
	set_due(ifp);
}
