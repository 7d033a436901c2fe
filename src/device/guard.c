/* Keeping the kernel quiet on an address that we share with it.
 *
 * The kernel answers a segment for a port that it does not know with a reset, and a datagram with
 * an ICMP error. So what comes in for our ports is dropped before it gets there: in a table of
 * nftables of our own, at prerouting with raw priority (before connection tracking), for one
 * interface and the ports in two sets. Packet sockets see frames before that, so we still get them.
 *
 * The table has the owner flag: it belongs to our netlink socket, and the kernel removes it when
 * the socket is closed, that is when this process ends, by kill -9 too. Nobody else can change it.
 *
 * The other direction: the kernel's own connections must not be answered by us. The packet
 * device's filter passes only TCP and UDP for our ports, and of the protocols that both speak only
 * what is not the kernel's to answer (no echo requests, no address questions).
 *
 * A port is also bound in the kernel, without listening, so that no program gets it while it is
 * ours, and we do not take one that is in use. */
#include "device/sys.h"

#include <errno.h>
#include <layer4/err.h>

#ifdef L4_HAVE_NFTNL

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 2
#endif

#define PORTS_MAX 1024 /* the filter of a socket has at most 4096 instructions */

struct l4_guard {
	struct mnl_socket *nl;
	struct l4_device *packet;
	char table[32];
	uint32_t seq;
	uint32_t keys[PORTS_MAX]; /* protocol << 16 | port */
	int socks[PORTS_MAX];     /* holding them in the kernel */
	size_t n;
};

/* Messages of one transaction; the kernel does all of it or nothing. */
struct batch {
	struct l4_guard *g;
	struct mnl_nlmsg_batch *b;
	uint32_t first; /* sequence number of the first message */
	uint8_t buf[16384];
};

static void begin(struct batch *t, struct l4_guard *g)
{
	t->g = g;
	t->first = g->seq;
	t->b = mnl_nlmsg_batch_start(t->buf, sizeof t->buf / 2);
	nftnl_batch_begin(mnl_nlmsg_batch_current(t->b), g->seq++);
	mnl_nlmsg_batch_next(t->b);
}

static struct nlmsghdr *message(struct batch *t, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(t->b), type, NFPROTO_INET,
	    (uint16_t)(flags | NLM_F_ACK), t->g->seq++);
}

/* Sends the batch and waits for the answers. 0, or -1 with errno. */
static int commit(struct batch *t)
{
	struct l4_guard *g = t->g;
	uint32_t last = g->seq - 1; /* the last message wants an answer */
	nftnl_batch_end(mnl_nlmsg_batch_current(t->b), g->seq++);
	mnl_nlmsg_batch_next(t->b);
	ssize_t n =
	    mnl_socket_sendto(g->nl, mnl_nlmsg_batch_head(t->b), mnl_nlmsg_batch_size(t->b));
	mnl_nlmsg_batch_stop(t->b);
	if (n < 0)
		return -1;
	for (;;) {
		uint8_t buf[8192];
		n = mnl_socket_recvfrom(g->nl, buf, sizeof buf);
		if (n < 0)
			return -1;
		int left = (int)n;
		for (const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
		     mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq < t->first)
				continue; /* an answer to an earlier batch that failed */
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
			if (e->error) {
				errno = -e->error;
				return -1;
			}
			if (h->nlmsg_seq == last)
				return 0;
		}
	}
}

static bool add_table(struct batch *t)
{
	struct nftnl_table *o = nftnl_table_alloc();
	if (!o)
		return false;
	nftnl_table_set_str(o, NFTNL_TABLE_NAME, t->g->table);
	nftnl_table_set_u32(o, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nftnl_table_nlmsg_build_payload(message(t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL), o);
	mnl_nlmsg_batch_next(t->b);
	nftnl_table_free(o);
	return true;
}

static bool add_chain(struct batch *t)
{
	struct nftnl_chain *o = nftnl_chain_alloc();
	if (!o)
		return false;
	nftnl_chain_set_str(o, NFTNL_CHAIN_TABLE, t->g->table);
	nftnl_chain_set_str(o, NFTNL_CHAIN_NAME, "guard");
	nftnl_chain_set_str(o, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(o, NFTNL_CHAIN_HOOKNUM, NF_INET_PRE_ROUTING);
	nftnl_chain_set_s32(o, NFTNL_CHAIN_PRIO, -300); /* raw */
	nftnl_chain_set_u32(o, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_nlmsg_build_payload(message(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE), o);
	mnl_nlmsg_batch_next(t->b);
	nftnl_chain_free(o);
	return true;
}

static const char *set_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static bool add_set(struct batch *t, uint8_t protocol)
{
	struct nftnl_set *o = nftnl_set_alloc();
	if (!o)
		return false;
	nftnl_set_set_str(o, NFTNL_SET_TABLE, t->g->table);
	nftnl_set_set_str(o, NFTNL_SET_NAME, set_name(protocol));
	nftnl_set_set_u32(o, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(o, NFTNL_SET_KEY_LEN, 2);
	nftnl_set_set_u32(o, NFTNL_SET_KEY_TYPE, 13); /* inet_service, for nft list */
	nftnl_set_set_u32(o, NFTNL_SET_ID, protocol);
	nftnl_set_nlmsg_build_payload(message(t, NFT_MSG_NEWSET, NLM_F_CREATE), o);
	mnl_nlmsg_batch_next(t->b);
	nftnl_set_free(o);
	return true;
}

static bool expr_meta_cmp(struct nftnl_rule *r, uint32_t key, const void *data, uint32_t len)
{
	struct nftnl_expr *m = nftnl_expr_alloc("meta"), *c = nftnl_expr_alloc("cmp");
	if (!m || !c)
		return false;
	nftnl_expr_set_u32(m, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(m, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_rule_add_expr(r, m);
	nftnl_expr_set_u32(c, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(c, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(c, NFTNL_EXPR_CMP_DATA, data, len);
	nftnl_rule_add_expr(r, c);
	return true;
}

/* iifname IF meta l4proto P th dport @P counter drop */
static bool add_rule(struct batch *t, const char *interface, uint8_t protocol)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	char name[IFNAMSIZ] = { 0 };
	if (!r)
		return false;
	snprintf(name, sizeof name, "%s", interface);
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, t->g->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, "guard");
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, NFPROTO_INET);
	struct nftnl_expr *p = nftnl_expr_alloc("payload"), *l = nftnl_expr_alloc("lookup"),
			  *c = nftnl_expr_alloc("counter"), *d = nftnl_expr_alloc("immediate");
	if (!p || !l || !c || !d || !expr_meta_cmp(r, NFT_META_IIFNAME, name, sizeof name) ||
	    !expr_meta_cmp(r, NFT_META_L4PROTO, &protocol, 1))
		return false;
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_OFFSET, 2);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_LEN, 2);
	nftnl_expr_set_u32(p, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_rule_add_expr(r, p);
	nftnl_expr_set_u32(l, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(l, NFTNL_EXPR_LOOKUP_SET, set_name(protocol));
	nftnl_expr_set_u32(l, NFTNL_EXPR_LOOKUP_SET_ID, protocol);
	nftnl_rule_add_expr(r, l);
	nftnl_rule_add_expr(r, c);
	nftnl_expr_set_u32(d, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(d, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	nftnl_rule_add_expr(r, d);
	nftnl_rule_nlmsg_build_payload(message(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), r);
	mnl_nlmsg_batch_next(t->b);
	nftnl_rule_free(r);
	return true;
}

static bool add_element(struct batch *t, uint8_t protocol, uint16_t port)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	uint16_t key = htons(port);
	if (!s || !e)
		return false;
	nftnl_set_set_str(s, NFTNL_SET_TABLE, t->g->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set_name(protocol));
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &key, sizeof key);
	nftnl_set_elem_add(s, e);
	nftnl_set_elems_nlmsg_build_payload(message(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE), s);
	mnl_nlmsg_batch_next(t->b);
	nftnl_set_free(s);
	return true;
}

static int build(struct l4_guard *g, const char *interface)
{
	struct batch t;
	begin(&t, g);
	if (!add_table(&t) || !add_chain(&t) || !add_set(&t, IPPROTO_TCP) ||
	    !add_set(&t, IPPROTO_UDP) || !add_rule(&t, interface, IPPROTO_TCP) ||
	    !add_rule(&t, interface, IPPROTO_UDP)) {
		errno = ENOMEM;
		return -1;
	}
	return commit(&t);
}

int l4_guard_new(
    struct l4_guard **out, const char *interface, struct l4_device *packet, char *err, size_t cap)
{
	struct timespec t;
	*out = NULL;
	struct l4_guard *g = calloc(1, sizeof *g);
	if (!g)
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	g->packet = packet;
	g->seq = 1;
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(
	    g->table, sizeof g->table, "layer4-%ld-%lx", (long)getpid(), (unsigned long)t.tv_nsec);
	int e = l4_packet_share(packet, NULL, 0);
	if (e < 0) {
		l4_sys_fail(
		    err, cap, e, "sharing an address needs the device packet:%s", interface);
		goto fail;
	}
	g->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!g->nl || mnl_socket_bind(g->nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    build(g, interface) < 0) {
		int n = errno;
		e = l4_sys_fail(err, cap, l4_sys_code(n), "nftables: %s%s", strerror(n),
		    n == EPERM ? "; this needs CAP_NET_ADMIN: run as root"
		    : n == EPROTONOSUPPORT || n == EOPNOTSUPP
			? "; the kernel lacks it (modprobe nf_tables)"
			: "");
		goto fail;
	}
	*out = g;
	return 0;
fail:
	l4_guard_free(g);
	return e;
}

/* Takes the port in the kernel, for both versions of IP. Returns a socket, or -1 with errno. */
static int occupy(uint8_t protocol, uint16_t port)
{
	int type = (protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC;
	int s = socket(AF_INET6, type, 0), off = 0;
	if (s >= 0) {
		struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		if (bind(s, (struct sockaddr *)&a, sizeof a) == 0)
			return s;
	} else if (errno == EAFNOSUPPORT) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
		s = socket(AF_INET, type, 0);
		if (s < 0)
			return -1;
		if (bind(s, (struct sockaddr *)&a, sizeof a) == 0)
			return s;
	} else {
		return -1;
	}
	int e = errno;
	close(s);
	errno = e;
	return -1;
}

int l4_guard_add(struct l4_guard *g, uint8_t protocol, uint16_t port, char *err, size_t cap)
{
	uint32_t key = (uint32_t)protocol << 16 | port;
	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || !port)
		return l4_sys_fail(err, cap, L4_EINVAL, "guard: not a TCP or UDP port");
	for (size_t i = 0; i < g->n; i++)
		if (g->keys[i] == key)
			return 0;
	if (g->n == PORTS_MAX)
		return l4_sys_fail(err, cap, L4_ELIMIT, "guard: at most %d ports", PORTS_MAX);
	int s = occupy(protocol, port);
	if (s < 0)
		return l4_sys_fail(err, cap, l4_sys_code(errno), "%s port %u: %s%s",
		    set_name(protocol), port, strerror(errno),
		    errno == EADDRINUSE ? "; a program on this machine has it" : "");
	/* First the kernel is silenced, then we listen: no frame is answered by both. */
	struct batch t;
	begin(&t, g);
	if (!add_element(&t, protocol, port) || commit(&t) < 0) {
		int e = errno;
		close(s);
		return l4_sys_fail(
		    err, cap, l4_sys_code(e), "nftables: port %u: %s", port, strerror(e));
	}
	g->keys[g->n] = key;
	g->socks[g->n++] = s;
	int e = l4_packet_share(g->packet, g->keys, g->n);
	return e < 0 ? l4_sys_fail(err, cap, e, "guard: filter: %s", strerror(errno)) : 0;
}

void l4_guard_free(struct l4_guard *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		close(g->socks[i]);
	if (g->nl)
		mnl_socket_close(g->nl); /* and with it the table goes */
	free(g);
}

#else /* built without libmnl and libnftnl */

int l4_guard_new(
    struct l4_guard **out, const char *interface, struct l4_device *packet, char *err, size_t cap)
{
	*out = NULL;
	(void)packet;
	return l4_sys_fail(err, cap, L4_EUNSUPPORTED,
	    "sharing the address of %s: built without libmnl and libnftnl", interface);
}

int l4_guard_add(struct l4_guard *g, uint8_t protocol, uint16_t port, char *err, size_t cap)
{
	(void)g;
	(void)protocol;
	(void)port;
	return l4_sys_fail(err, cap, L4_EUNSUPPORTED, "built without libmnl and libnftnl");
}

void l4_guard_free(struct l4_guard *g)
{
	(void)g;
}

#endif
