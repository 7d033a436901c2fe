/* Routes and link addresses, asked of the kernel by netlink.
 *
 * One question a destination (RTM_GETROUTE), so that policy rules, metrics and multipath are the
 * kernel's matter. */
#include "cli/route.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

enum { ANSWER_BYTES = 16384 };

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct l4_addr *a)
{
	bool v4 = l4_addr_is_ip4(a);
	mnl_attr_put(h, type, v4 ? 4 : 16, v4 ? a->b + 12 : a->b);
}

static bool get_addr(const struct nlattr *a, struct l4_addr *out)
{
	uint8_t b[16];
	size_t n = mnl_attr_get_payload_len(a);
	if (n != 4 && n != 16)
		return false;
	memcpy(b, mnl_attr_get_payload(a), n);
	*out = n == 4 ? l4_addr_from_ip4(b) : l4_addr_from_ip6(b);
	return true;
}

/* Sends a question and feeds the answers to fn. 0, or -1 with errno. */
static int ask(struct nlmsghdr *h, mnl_cb_t fn, void *ctx)
{
	char buf[ANSWER_BYTES];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = -1, e;
	if (!nl)
		return -1;
	h->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, h, h->nlmsg_len) >= 0) {
		do {
			ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
			r = n <= 0
				? -1
				: mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), fn, ctx);
		} while (r > MNL_CB_STOP);
	}
	e = errno;
	mnl_socket_close(nl);
	errno = e;
	return r < 0 ? -1 : 0;
}

struct answer {
	struct l4_addr src, gw;
	int ifindex;
	uint8_t type;
	bool has_src, has_gw, done;
};

/* The attributes behind a header of `fixed` bytes, one after the other. */
static const struct nlattr *next_attr(
    const struct nlmsghdr *h, size_t fixed, const struct nlattr *a)
{
	a = a ? mnl_attr_next(a) : (const struct nlattr *)mnl_nlmsg_get_payload_offset(h, fixed);
	ptrdiff_t left = (const char *)mnl_nlmsg_get_payload_tail(h) - (const char *)a;
	return left > 0 && mnl_attr_ok(a, (int)left) ? a : NULL;
}

static int on_route(const struct nlmsghdr *h, void *ctx)
{
	struct answer *r = ctx;
	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	r->type = ((const struct rtmsg *)mnl_nlmsg_get_payload(h))->rtm_type;
	r->done = true;
	for (const struct nlattr *a = NULL; (a = next_attr(h, sizeof(struct rtmsg), a));) {
		uint16_t type = mnl_attr_get_type(a);
		if (type == RTA_OIF)
			r->ifindex = (int)mnl_attr_get_u32(a);
		else if (type == RTA_GATEWAY)
			r->has_gw = get_addr(a, &r->gw);
		else if (type == RTA_PREFSRC)
			r->has_src = get_addr(a, &r->src);
		else if (type == RTA_VIA && mnl_attr_get_payload_len(a) == 18) {
			struct l4_addr via;
			uint8_t b[16];
			memcpy(b, (const char *)mnl_attr_get_payload(a) + 2, 16);
			via = l4_addr_from_ip6(b);
			r->gw = via;
			r->has_gw = true;
		}
	}
	return MNL_CB_OK;
}

int route_lookup(struct route *out, const struct l4_addr *dst, int oif, char *err, size_t cap)
{
	char buf[256], text[L4_ADDR_TEXT_MAX], name[IF_NAMESIZE] = "";
	struct answer r;
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	memset(&r, 0, sizeof r);
	memset(out, 0, sizeof *out);
	l4_addr_format(dst, text, sizeof text);
	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	bool v4 = l4_addr_is_ip4(dst);
	m->rtm_family = v4 ? AF_INET : AF_INET6;
	m->rtm_dst_len = v4 ? 32 : 128;
	put_addr(h, RTA_DST, dst);
	if (oif)
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)oif);
	if (oif && if_indextoname((unsigned)oif, name) == NULL)
		name[0] = 0;
	int e = ask(h, on_route, &r) < 0 ? errno : 0;
	if (e && e != ENETUNREACH && e != EHOSTUNREACH && e != EACCES && e != EINVAL) {
		snprintf(err, cap, "route to %s: %s", text, strerror(e));
		return -1;
	}
	if (e || !r.done || !r.ifindex ||
	    (r.type != RTN_UNICAST && r.type != RTN_LOCAL && r.type != RTN_MULTICAST &&
		r.type != RTN_BROADCAST)) {
		snprintf(err, cap,
		    "no route to %s%s%s%s; see 'ip route get %s', or name an interface with "
		    "--interface",
		    text, name[0] ? " out of " : "", name,
		    e == EACCES || r.type == RTN_PROHIBIT ? " (prohibited by a route)" : "", text);
		return -1;
	}
	out->local = r.type == RTN_LOCAL;
	out->group = r.type == RTN_MULTICAST || r.type == RTN_BROADCAST ||
		     l4_addr_is_multicast(dst) || l4_addr_is_broadcast(dst);
	out->ifindex = out->local ? (int)if_nametoindex("lo") : r.ifindex;
	out->src = r.has_src ? r.src : out->local ? *dst : (struct l4_addr){ { 0 } };
	if (!r.has_src && !out->local && v4)
		out->src = l4_addr_from_ip4((const uint8_t[4]){ 0, 0, 0, 0 });
	out->hop = r.has_gw && !out->group ? r.gw : *dst;
	return 0;
}

struct neighbour {
	const struct l4_addr *hop;
	int ifindex;
	struct l4_mac mac;
	bool found;
};

static int on_neighbour(const struct nlmsghdr *h, void *ctx)
{
	struct neighbour *n = ctx;
	struct l4_mac mac;
	bool has_mac = false, same = false;
	struct l4_addr a;
	if (h->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(h) < sizeof(struct ndmsg))
		return MNL_CB_OK;
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	if (m->ndm_ifindex != n->ifindex ||
	    !(m->ndm_state & (NUD_REACHABLE | NUD_PERMANENT | NUD_DELAY | NUD_PROBE)))
		return MNL_CB_OK;
	for (const struct nlattr *t = NULL; (t = next_attr(h, sizeof *m, t));) {
		if (mnl_attr_get_type(t) == NDA_DST)
			same = get_addr(t, &a) && l4_addr_eq(&a, n->hop);
		else if (mnl_attr_get_type(t) == NDA_LLADDR && mnl_attr_get_payload_len(t) == 6) {
			memcpy(mac.b, mnl_attr_get_payload(t), 6);
			has_mac = true;
		}
	}
	if (same && has_mac) {
		n->mac = mac;
		n->found = true;
	}
	return MNL_CB_OK;
}

bool route_neighbour(int ifindex, const struct l4_addr *hop, struct l4_mac *mac)
{
	char buf[256];
	struct neighbour n;
	memset(&n, 0, sizeof n);
	n.hop = hop;
	n.ifindex = ifindex;
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = RTM_GETNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK; /* one entry: Linux 5.0 */
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof *m);
	m->ndm_family = l4_addr_is_ip4(hop) ? AF_INET : AF_INET6;
	m->ndm_ifindex = ifindex;
	put_addr(h, NDA_DST, hop);
	if (ask(h, on_neighbour, &n) < 0 || !n.found)
		return false;
	*mac = n.mac;
	return true;
}
