/* Which way the targets lie: groups of addresses with one route each.
 *
 * The routing tables are read once for the places where a route may change: the edges of every
 * prefix. Between two edges all addresses share a route, which is then asked of the kernel
 * (RTM_GETROUTE), so that policy rules, metrics and multipath are the kernel's matter. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "cli/scan_net.h"

/* Places where the route may change. */
struct edges {
	scan_u128 *v;
	size_t n, cap;
	bool no_memory;
};

static void edge_add(struct edges *e, scan_u128 v)
{
	if (e->n == e->cap) {
		size_t cap = e->cap ? e->cap * 2 : 64;
		scan_u128 *p = realloc(e->v, cap * sizeof *p);
		if (!p) {
			e->no_memory = true;
			return;
		}
		e->v = p;
		e->cap = cap;
	}
	e->v[e->n++] = v;
}

static const struct nlattr *next_attr(const struct nlmsghdr *nlh, const struct nlattr *a)
{
	a = a ? mnl_attr_next(a)
	      : (const struct nlattr *)mnl_nlmsg_get_payload_offset(nlh, sizeof(struct rtmsg));
	ptrdiff_t left = (const char *)mnl_nlmsg_get_payload_tail(nlh) - (const char *)a;
	return left > 0 && mnl_attr_ok(a, (int)left) ? a : NULL;
}

static bool attr_addr(const struct nlattr *a, struct l4_addr *out)
{
	uint8_t b[16];
	size_t len = mnl_attr_get_payload_len(a);
	if (len != 4 && len != 16)
		return false;
	memcpy(b, mnl_attr_get_payload(a), len);
	*out = len == 4 ? l4_addr_from_ip4(b) : l4_addr_from_ip6(b);
	return true;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	struct edges *e = arg;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	for (const struct nlattr *a = next_attr(nlh, NULL); a; a = next_attr(nlh, a)) {
		struct l4_addr dst;
		if (mnl_attr_get_type(a) != RTA_DST || !attr_addr(a, &dst))
			continue;
		unsigned bits = m->rtm_dst_len + (m->rtm_family == AF_INET ? 96u : 0u);
		if (bits == 0 || bits > 128)
			continue;
		scan_u128 host = bits >= 128 ? 0 : ~(scan_u128)0 >> bits;
		scan_u128 v = scan_addr_to_u128(&dst) & ~host;
		edge_add(e, v);
		edge_add(e, (v | host) + 1);
	}
	return MNL_CB_OK;
}

static int dump_routes(struct mnl_socket *nl, struct edges *e, uint8_t family)
{
	static char buf[32768];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = family;
	struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof *m);
	m->rtm_family = family;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
		if (n <= 0)
			return -1;
		int r = mnl_cb_run(buf, (size_t)n, family, mnl_socket_get_portid(nl), on_route, e);
		if (r == MNL_CB_STOP)
			return 0;
		if (r < 0 && errno != EINTR)
			return -1;
	}
}

/* The kernel's answer for one address. */
struct route {
	struct l4_addr src, gw;
	int ifindex;
	uint8_t type;
	bool has_gw, has_src;
};

static int on_answer(const struct nlmsghdr *nlh, void *arg)
{
	struct route *r = arg;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	r->type = m->rtm_type;
	for (const struct nlattr *a = next_attr(nlh, NULL); a; a = next_attr(nlh, a)) {
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			r->ifindex = (int)mnl_attr_get_u32(a);
			break;
		case RTA_GATEWAY:
			r->has_gw = attr_addr(a, &r->gw);
			break;
		case RTA_PREFSRC:
			r->has_src = attr_addr(a, &r->src);
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

static int ask_route(struct mnl_socket *nl, const struct l4_addr *a, int oif, struct route *r)
{
	static unsigned seq = 1000;
	static char buf[8192];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool v4 = l4_addr_is_ip4(a);
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++seq;
	struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof *m);
	m->rtm_family = v4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = v4 ? 32 : 128;
	mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, v4 ? a->b + 12 : a->b);
	if (oif)
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)oif);
	memset(r, 0, sizeof *r);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
		if (n <= 0)
			return -1;
		int k = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), on_answer, r);
		if (k <= MNL_CB_STOP)
			return k;
	}
}

static struct scan_link *find_link(struct scan_net *n, int ifindex)
{
	for (size_t i = 0; i < n->n_links; i++)
		if (n->links[i].ifindex == ifindex)
			return &n->links[i];
	return NULL;
}

static int add_link(struct scan_net *n, int ifindex, char *error, size_t cap)
{
	struct scan_link *l = find_link(n, ifindex);
	if (l)
		return (int)(l - n->links);
	struct scan_link *p = realloc(n->links, (n->n_links + 1) * sizeof *p);
	if (!p)
		return -1;
	n->links = p;
	if (scan_link_open(&n->links[n->n_links], ifindex, n->sport, error, cap) < 0)
		return -1;
	return (int)n->n_links++;
}

static int add_group(struct scan_net *n, const struct scan_job *j, struct mnl_socket *nl,
    scan_u128 first, scan_u128 last, char *error, size_t cap)
{
	struct scan_group g;
	struct route r;
	struct l4_addr a = scan_addr_from_u128(first);
	int oif = j->interface ? (int)if_nametoindex(j->interface) : 0;
	memset(&g, 0, sizeof g);
	g.first = first;
	g.last = last;
	if (ask_route(nl, &a, oif, &r) >= 0 && r.ifindex &&
	    (r.type == RTN_UNICAST || r.type == RTN_LOCAL)) {
		g.ok = true;
		g.local = r.type == RTN_LOCAL;
		int ifindex = g.local ? (int)if_nametoindex("lo") : r.ifindex;
		int link = add_link(n, ifindex, error, cap);
		if (link < 0)
			return -1;
		g.link = (uint32_t)link;
		g.on_link = !r.has_gw;
		g.gw = r.gw;
		g.src = g.local && !r.has_src ? a : r.src;
		if (j->has_source && l4_addr_is_ip4(&j->source) == l4_addr_is_ip4(&a))
			g.src = j->source;
		else if (!r.has_src && !g.local)
			g.ok = false;
	}
	struct scan_group *last_g = n->n_groups ? &n->groups[n->n_groups - 1] : NULL;
	if (last_g && last_g->last + 1 == first && last_g->ok == g.ok && last_g->link == g.link &&
	    last_g->on_link == g.on_link && last_g->local == g.local &&
	    l4_addr_eq(&last_g->gw, &g.gw) && l4_addr_eq(&last_g->src, &g.src)) {
		last_g->last = last;
		return 0;
	}
	if (n->n_groups == n->cap_groups) {
		size_t want = n->cap_groups ? n->cap_groups * 2 : 16;
		struct scan_group *p = realloc(n->groups, want * sizeof *p);
		if (!p)
			return -1;
		n->groups = p;
		n->cap_groups = want;
	}
	n->groups[n->n_groups++] = g;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	scan_u128 x = *(const scan_u128 *)a, y = *(const scan_u128 *)b;
	return x < y ? -1 : x > y;
}

int scan_net_init(struct scan_net *n, const struct scan_job *j, char *error, size_t cap)
{
	struct edges e = { 0 };
	int result = -1;
	memset(n, 0, sizeof *n);
	/* Sixteen ports of the dynamic range, other ones in each scan. */
	n->sport = (uint16_t)(49152 + (j->key.k0 % 1000) * 16);
	snprintf(error, cap, "no memory for routes");
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    dump_routes(nl, &e, AF_INET) < 0 || dump_routes(nl, &e, AF_INET6) < 0) {
		snprintf(error, cap, "reading the routes by netlink: %s", strerror(errno));
		goto out;
	}
	if (e.n)
		qsort(e.v, e.n, sizeof *e.v, by_value);
	const struct scan_ranges *set = &j->targets->set;
	size_t k = 0;
	for (size_t i = 0; i < set->n && !e.no_memory; i++) {
		scan_u128 at = set->r[i].first;
		for (;;) {
			while (k < e.n && e.v[k] <= at)
				k++;
			scan_u128 last =
			    k < e.n && e.v[k] - 1 < set->r[i].last ? e.v[k] - 1 : set->r[i].last;
			if (add_group(n, j, nl, at, last, error, cap) < 0)
				goto out;
			if (last == set->r[i].last)
				break;
			at = last + 1;
		}
	}
	result = e.no_memory ? -1 : 0;
out:
	if (nl)
		mnl_socket_close(nl);
	free(e.v);
	if (result < 0)
		scan_net_fini(n);
	return result;
}

int scan_net_share(struct scan_net *n, const struct scan_net *of)
{
	*n = *of;
	n->sport = (uint16_t)(of->sport + SCAN_PORTS_EACH);
	n->n_links = 0;
	n->links = calloc(of->n_links, sizeof *n->links);
	while (n->links && n->n_links < of->n_links) {
		size_t i = n->n_links++;
		if (scan_link_share(&n->links[i], &of->links[i], n->sport) < 0)
			break;
	}
	if (n->links && n->n_links == of->n_links)
		return 0;
	scan_net_unshare(n);
	return -1;
}

void scan_net_unshare(struct scan_net *n)
{
	for (size_t i = 0; i < n->n_links; i++)
		scan_link_close(&n->links[i]);
	free(n->links);
	n->links = NULL;
	n->n_links = 0;
}

void scan_net_fini(struct scan_net *n)
{
	for (size_t i = 0; i < n->n_links; i++)
		scan_link_close(&n->links[i]);
	free(n->links);
	free(n->groups);
	n->links = NULL;
	n->groups = NULL;
	n->n_links = n->n_groups = 0;
}

struct scan_group *scan_net_group(struct scan_net *n, const struct l4_addr *a)
{
	scan_u128 v = scan_addr_to_u128(a);
	size_t lo = 0, hi = n->n_groups;
	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (n->groups[mid].first <= v)
			lo = mid;
		else
			hi = mid;
	}
	return lo < n->n_groups && v >= n->groups[lo].first && v <= n->groups[lo].last
		   ? &n->groups[lo]
		   : NULL;
}
