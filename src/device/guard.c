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

#ifdef L4_HAVE_MNL

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
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

/* --- Messages to nf_tables (linux/netfilter/nf_tables.h): numbers are in network order --- */

/* One transaction; the kernel does all of it or nothing. */
struct batch {
	struct l4_guard *g;
	struct mnl_nlmsg_batch *b;
	struct nlmsghdr *m; /* the message being written */
	uint32_t first;     /* sequence number of the first message */
	uint8_t buf[16384];
};

static void start(struct batch *t, uint16_t type, uint16_t flags, uint16_t res_id)
{
	t->m = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(t->b));
	t->m->nlmsg_type = type;
	t->m->nlmsg_flags = NLM_F_REQUEST | flags;
	t->m->nlmsg_seq = t->g->seq++;
	struct nfgenmsg *n = mnl_nlmsg_put_extra_header(t->m, sizeof *n);
	n->nfgen_family = res_id ? NFPROTO_UNSPEC : NFPROTO_INET;
	n->version = NFNETLINK_V0;
	n->res_id = htons(res_id);
}

static void finish(struct batch *t)
{
	mnl_nlmsg_batch_next(t->b);
}

static void begin(struct batch *t, struct l4_guard *g)
{
	t->g = g;
	t->first = g->seq;
	t->b = mnl_nlmsg_batch_start(t->buf, sizeof t->buf / 2);
	start(t, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES);
	finish(t);
}

static void message(struct batch *t, uint16_t type, uint16_t flags)
{
	start(t, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_ACK | flags, 0);
}

static void put_u32(struct batch *t, uint16_t type, uint32_t v)
{
	mnl_attr_put_u32(t->m, type, htonl(v));
}

static void put_str(struct batch *t, uint16_t type, const char *v)
{
	mnl_attr_put_strz(t->m, type, v);
}

static struct nlattr *nest(struct batch *t, uint16_t type)
{
	return mnl_attr_nest_start(t->m, type);
}

static void end(struct batch *t, struct nlattr *n)
{
	mnl_attr_nest_end(t->m, n);
}

/* Sends the batch and waits for the answers. 0, or -1 with errno. */
static int commit(struct batch *t)
{
	struct l4_guard *g = t->g;
	uint32_t last = g->seq - 1; /* the last message wants an answer */
	start(t, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES);
	finish(t);
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
			if (h->nlmsg_type != NLMSG_ERROR || (int32_t)(h->nlmsg_seq - t->first) < 0)
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

static void add_table(struct batch *t)
{
	message(t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	put_str(t, NFTA_TABLE_NAME, t->g->table);
	put_u32(t, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	finish(t);
}

static void add_chain(struct batch *t)
{
	message(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_str(t, NFTA_CHAIN_TABLE, t->g->table);
	put_str(t, NFTA_CHAIN_NAME, "guard");
	struct nlattr *hook = nest(t, NFTA_CHAIN_HOOK);
	put_u32(t, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	put_u32(t, NFTA_HOOK_PRIORITY, (uint32_t)-300); /* raw */
	end(t, hook);
	put_u32(t, NFTA_CHAIN_POLICY, NF_ACCEPT);
	put_str(t, NFTA_CHAIN_TYPE, "filter");
	finish(t);
}

static const char *set_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static void add_set(struct batch *t, uint8_t protocol)
{
	message(t, NFT_MSG_NEWSET, NLM_F_CREATE);
	put_str(t, NFTA_SET_TABLE, t->g->table);
	put_str(t, NFTA_SET_NAME, set_name(protocol));
	put_u32(t, NFTA_SET_KEY_TYPE, 13); /* inet_service, for nft list */
	put_u32(t, NFTA_SET_KEY_LEN, 2);
	put_u32(t, NFTA_SET_ID, protocol);
	finish(t);
}

/* An expression of a rule: the nests to end are left in n. */
static void expr(struct batch *t, const char *name, struct nlattr *n[2])
{
	n[0] = nest(t, NFTA_LIST_ELEM);
	put_str(t, NFTA_EXPR_NAME, name);
	n[1] = nest(t, NFTA_EXPR_DATA);
}

static void expr_end(struct batch *t, struct nlattr *n[2])
{
	end(t, n[1]);
	end(t, n[0]);
}

/* Goes on with the rule if meta key has this value. */
static void match_meta(struct batch *t, uint32_t key, const void *value, size_t len)
{
	struct nlattr *n[2], *data;
	expr(t, "meta", n);
	put_u32(t, NFTA_META_KEY, key);
	put_u32(t, NFTA_META_DREG, NFT_REG_1);
	expr_end(t, n);
	expr(t, "cmp", n);
	put_u32(t, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(t, NFTA_CMP_OP, NFT_CMP_EQ);
	data = nest(t, NFTA_CMP_DATA);
	mnl_attr_put(t->m, NFTA_DATA_VALUE, len, value);
	end(t, data);
	expr_end(t, n);
}

/* iifname IF meta l4proto P th dport @P counter drop */
static void add_rule(struct batch *t, const char *interface, uint8_t protocol)
{
	char name[IFNAMSIZ] = { 0 };
	struct nlattr *n[2], *data, *verdict;
	snprintf(name, sizeof name, "%s", interface);
	message(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_str(t, NFTA_RULE_TABLE, t->g->table);
	put_str(t, NFTA_RULE_CHAIN, "guard");
	struct nlattr *all = nest(t, NFTA_RULE_EXPRESSIONS);
	match_meta(t, NFT_META_IIFNAME, name, sizeof name);
	match_meta(t, NFT_META_L4PROTO, &protocol, 1);
	expr(t, "payload", n);
	put_u32(t, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(t, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	put_u32(t, NFTA_PAYLOAD_OFFSET, 2);
	put_u32(t, NFTA_PAYLOAD_LEN, 2);
	expr_end(t, n);
	expr(t, "lookup", n);
	put_str(t, NFTA_LOOKUP_SET, set_name(protocol));
	put_u32(t, NFTA_LOOKUP_SREG, NFT_REG_1);
	put_u32(t, NFTA_LOOKUP_SET_ID, protocol);
	expr_end(t, n);
	expr(t, "counter", n);
	expr_end(t, n);
	expr(t, "immediate", n);
	put_u32(t, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest(t, NFTA_IMMEDIATE_DATA);
	verdict = nest(t, NFTA_DATA_VERDICT);
	put_u32(t, NFTA_VERDICT_CODE, NF_DROP);
	end(t, verdict);
	end(t, data);
	expr_end(t, n);
	end(t, all);
	finish(t);
}

static void add_element(struct batch *t, uint8_t protocol, uint16_t port)
{
	uint16_t key = htons(port);
	message(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
	put_str(t, NFTA_SET_ELEM_LIST_TABLE, t->g->table);
	put_str(t, NFTA_SET_ELEM_LIST_SET, set_name(protocol));
	struct nlattr *list = nest(t, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *elem = nest(t, NFTA_LIST_ELEM);
	struct nlattr *k = nest(t, NFTA_SET_ELEM_KEY);
	mnl_attr_put(t->m, NFTA_DATA_VALUE, sizeof key, &key);
	end(t, k);
	end(t, elem);
	end(t, list);
	finish(t);
}

static int build(struct l4_guard *g, const char *interface)
{
	struct batch t;
	begin(&t, g);
	add_table(&t);
	add_chain(&t);
	add_set(&t, IPPROTO_TCP);
	add_set(&t, IPPROTO_UDP);
	add_rule(&t, interface, IPPROTO_TCP);
	add_rule(&t, interface, IPPROTO_UDP);
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
	add_element(&t, protocol, port);
	if (commit(&t) < 0) {
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

#else /* built without libmnl */

int l4_guard_new(
    struct l4_guard **out, const char *interface, struct l4_device *packet, char *err, size_t cap)
{
	*out = NULL;
	(void)packet;
	return l4_sys_fail(err, cap, L4_EUNSUPPORTED,
	    "sharing the address of %s: built without libmnl", interface);
}

int l4_guard_add(struct l4_guard *g, uint8_t protocol, uint16_t port, char *err, size_t cap)
{
	(void)g;
	(void)protocol;
	(void)port;
	return l4_sys_fail(err, cap, L4_EUNSUPPORTED, "built without libmnl");
}

void l4_guard_free(struct l4_guard *g)
{
	(void)g;
}

#endif
