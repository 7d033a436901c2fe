/* An interface to capture from: a packet socket with a ring of blocks (packet(7), TPACKET_V3).
 *
 * The socket gets its filter and its ring before it is bound, so that no packet comes past them.
 * The kernel fills blocks and hands over whole ones, after 50 ms at the latest. The capture filter
 * runs in the kernel, on what the kernel has:
 *
 *   with a link layer header   compiled for that link type
 *   cooked ("any", PPP, ...)   compiled for SLL2; what it loads from that header, which is ours and
 *                              not the kernel's, is asked of the kernel instead, the rest moves
 * down
 *
 * Where that does not go (VLAN tags, which the kernel keeps beside the packet) it runs here.
 * On the loopback a packet is seen on its way out and again coming in: the second is shown. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/cli.h"

enum { BLOCK_BYTES = 1 << 20, BLOCKS = 8, RETIRE_MS = 50, ALIAS = 96 };

static int system_error(const struct source *s, const char *what)
{
	int e = errno;
	fprintf(stderr, "l4 capture: %s: %s: %s%s\n", s->name, what, strerror(e),
	    e == EPERM || e == EACCES ? "; this needs CAP_NET_RAW: run it as root, or once "
					"'setcap cap_net_raw+ep' on the l4 program"
				      : "");
	return L4_EXIT_SYSTEM;
}

/* ---- what is said of an interface ---- */

static int take_attribute(const struct nlattr *a, void *alias)
{
	if (mnl_attr_get_type(a) == IFLA_IFALIAS && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(alias, ALIAS, "%s", mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int take_link(const struct nlmsghdr *nlh, void *alias)
{
	(void)mnl_attr_parse(nlh, sizeof(struct ifinfomsg), take_attribute, alias);
	return MNL_CB_STOP;
}

/* What the administrator calls it ("ip link set alias"), asked by netlink: /sys may be another
 * namespace's. */
static void alias_of(int index, char alias[ALIAS])
{
	char buf[16384];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof *m);
	m->ifi_index = index;
	alias[0] = 0;
	if (nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) &&
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof buf);
		if (n > 0)
			(void)mnl_cb_run(buf, (size_t)n, 0, 0, take_link, alias);
	}
	if (nl)
		mnl_socket_close(nl);
}

static void describe(struct source *s, const char *kind, const uint8_t *mac)
{
	char alias[ALIAS] = "";
	if (s->index)
		alias_of(s->index, alias);
	int n = snprintf(
	    s->description, sizeof s->description, "%s%s%s", alias, alias[0] ? ", " : "", kind);
	if (mac && n > 0 && (size_t)n < sizeof s->description)
		snprintf(s->description + n, sizeof s->description - (size_t)n,
		    " %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		    mac[5]);
}

static int link_type(struct source *s)
{
	struct ifreq r;
	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", s->name);
	if (ioctl(s->fd, SIOCGIFHWADDR, &r))
		return -1;
	s->linktype = L4_LINK_ETHERNET;
	switch (r.ifr_hwaddr.sa_family) {
	case ARPHRD_LOOPBACK:
		s->loopback = true;
		describe(s, "loopback", NULL);
		break;
	case ARPHRD_ETHER:
		describe(s, "Ethernet", (const uint8_t *)r.ifr_hwaddr.sa_data);
		break;
	case ARPHRD_NONE:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		s->linktype = L4_LINK_RAW;
		describe(s, "IP without link layer", NULL);
		break;
	default: {
		char kind[48];
		snprintf(kind, sizeof kind, "hardware type %u, cooked",
		    (unsigned)r.ifr_hwaddr.sa_family);
		describe(s, kind, NULL);
		s->cooked = true;
		s->linktype = L4_LINK_LINUX_SLL2;
		break;
	}
	}
	return 0;
}

void source_list(void)
{
	struct if_nameindex *list = if_nameindex();
	struct ifaddrs *addrs = NULL;
	(void)getifaddrs(&addrs);
	printf("%-16s %s\n", "any", "all of them");
	for (const struct if_nameindex *i = list; i && i->if_index; i++) {
		const char *state = "";
		printf("%-16s", i->if_name);
		for (const struct ifaddrs *a = addrs; a; a = a->ifa_next) {
			char t[INET6_ADDRSTRLEN] = "";
			if (strcmp(a->ifa_name, i->if_name))
				continue;
			if (!(a->ifa_flags & IFF_UP))
				state = " (down)";
			if (!a->ifa_addr)
				continue;
			if (a->ifa_addr->sa_family == AF_INET) {
				struct sockaddr_in in;
				memcpy(&in, a->ifa_addr, sizeof in);
				inet_ntop(AF_INET, &in.sin_addr, t, sizeof t);
			} else if (a->ifa_addr->sa_family == AF_INET6) {
				struct sockaddr_in6 in;
				memcpy(&in, a->ifa_addr, sizeof in);
				inet_ntop(AF_INET6, &in.sin6_addr, t, sizeof t);
			}
			if (t[0])
				printf(" %s", t);
		}
		printf("%s\n", state);
	}
	freeifaddrs(addrs);
	if_freenameindex(list);
}

static int no_interface(const struct source *s)
{
	struct if_nameindex *list = if_nameindex();
	fprintf(stderr, "l4 capture: there is no interface '%s'; there are any", s->name);
	for (const struct if_nameindex *i = list; i && i->if_index; i++)
		fprintf(stderr, ", %s", i->if_name);
	fputc('\n', stderr);
	if_freenameindex(list);
	return L4_EXIT_SYSTEM;
}

/* ---- the filter ---- */

static int attach_filter(struct source *s, const char *bpf, bool *slow)
{
	struct bpf *b = bpf_new(bpf);
	int r = b ? bpf_attach(b, s->fd, s->linktype) : -1;
	if (r < 0)
		fprintf(stderr, "l4 capture: %s: -f '%s': %s\n", s->name, bpf,
		    b ? bpf_error(b) : "no memory");
	bpf_free(b);
	*slow = *slow || r == 2;
	return r < 0 ? L4_EXIT_USAGE : r ? 0 : system_error(s, "filter");
}

/* ---- the socket ---- */

static int open_ring(struct source *s)
{
	int version = TPACKET_V3;
	struct tpacket_req3 q = { .tp_block_size = BLOCK_BYTES,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = 2048,
		.tp_frame_nr = BLOCKS * (BLOCK_BYTES / 2048),
		.tp_retire_blk_tov = RETIRE_MS };
	if (setsockopt(s->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
	    setsockopt(s->fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q))
		return system_error(s, "ring");
	s->ring =
	    mmap(NULL, (size_t)BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (s->ring == MAP_FAILED) {
		s->ring = NULL;
		return system_error(s, "ring memory");
	}
	return 0;
}

int source_open(struct source *s, const char *bpf, bool promiscuous, bool *slow)
{
	bool any = !strcmp(s->name, "any");
	s->fd = -1;
	s->index = any ? 0 : (int)if_nametoindex(s->name);
	if (!any && !s->index)
		return no_interface(s);
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return system_error(s, "packet socket");
	if (any) {
		s->cooked = true;
		s->linktype = L4_LINK_LINUX_SLL2;
		describe(s, "all interfaces, cooked", NULL);
	} else if (link_type(s)) {
		return system_error(s, "link type");
	}
	if (s->cooked) {
		close(s->fd);
		s->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (s->fd < 0)
			return system_error(s, "packet socket");
	}
	int r = bpf ? attach_filter(s, bpf, slow) : 0;
	if (!r)
		r = open_ring(s);
	if (r)
		return r;
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = s->index
	};
	if (bind(s->fd, (struct sockaddr *)&a, sizeof a))
		return system_error(s, "bind");
	if (promiscuous && !any) {
		struct packet_mreq m = { .mr_ifindex = s->index, .mr_type = PACKET_MR_PROMISC };
		(void)setsockopt(s->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m);
	}
	return 0;
}

void source_close(struct source *s)
{
	if (s->ring)
		munmap(s->ring, (size_t)BLOCK_BYTES * BLOCKS);
	if (s->fd >= 0)
		close(s->fd);
}

void source_counters(struct source *s)
{
	struct tpacket_stats_v3 t;
	socklen_t n = sizeof t;
	/* The kernel's counters start again with each reading; its packets include the dropped. */
	if (!getsockopt(s->fd, SOL_PACKET, PACKET_STATISTICS, &t, &n)) {
		s->received += t.tp_packets;
		s->dropped += t.tp_drops;
	}
}

int source_error(const struct source *s)
{
	int e = 0;
	char name[IF_NAMESIZE];
	socklen_t n = sizeof e;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n) || !e)
		return 0;
	/* An interface that is only down comes back. */
	return e == ENETDOWN && if_indextoname((unsigned)s->index, name) ? 0 : e;
}

/* ---- packets ---- */

static struct tpacket_block_desc *block_of(const struct source *s)
{
	return (struct tpacket_block_desc *)(void *)(s->ring + (size_t)s->block * BLOCK_BYTES);
}

bool source_pressed(const struct source *s)
{
	size_t half = (s->block + BLOCKS / 2) % BLOCKS;
	const struct tpacket_block_desc *b = (const void *)(s->ring + half * BLOCK_BYTES);
	return __atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

bool source_peek(struct source *s)
{
	while (!s->h) {
		struct tpacket_block_desc *b = block_of(s);
		uint32_t status = __atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
		if (!(status & TP_STATUS_USER))
			return false;
		s->left = b->hdr.bh1.num_pkts;
		s->h = (const void *)((const uint8_t *)b + b->hdr.bh1.offset_to_first_pkt);
		if (!s->left)
			source_took(s);
	}
	return true;
}

void source_took(struct source *s)
{
	if (s->left > 1) {
		s->left--;
		s->h = (const void *)((const uint8_t *)s->h + s->h->tp_next_offset);
		return;
	}
	s->h = NULL;
	__atomic_store_n(&block_of(s)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	s->block = (s->block + 1) % BLOCKS;
}

static uint8_t copy[L4_CAPFILE_SNAP_MAX];

/* A tag that the network card took off stands beside the packet: it goes back in its place. */
static void with_tag(const struct tpacket3_hdr *h, struct l4_cap_packet *c)
{
	if (!(h->tp_status & TP_STATUS_VLAN_VALID) || c->caplen < 12 || c->caplen + 4 > sizeof copy)
		return;
	uint16_t tpid =
	    h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid : ETH_P_8021Q;
	uint16_t tci = (uint16_t)h->hv1.tp_vlan_tci;
	memcpy(copy, c->data, 12);
	copy[12] = (uint8_t)(tpid >> 8);
	copy[13] = (uint8_t)tpid;
	copy[14] = (uint8_t)(tci >> 8);
	copy[15] = (uint8_t)tci;
	memcpy(copy + 16, c->data + 12, c->caplen - 12);
	c->data = copy;
	c->caplen += 4;
	c->len += 4;
}

/* LINKTYPE_LINUX_SLL2: protocol, 2 reserved bytes, interface, hardware type, packet type, length of
 * the sender's address, the address. */
static void with_sll2(const struct sockaddr_ll *from, struct l4_cap_packet *c)
{
	if (c->caplen + SLL2_BYTES > sizeof copy)
		c->caplen = sizeof copy - SLL2_BYTES;
	uint16_t type = htons(from->sll_hatype);
	uint32_t index = htonl((uint32_t)from->sll_ifindex);
	memset(copy, 0, SLL2_BYTES);
	memcpy(copy, &from->sll_protocol, 2);
	memcpy(copy + 4, &index, 4);
	memcpy(copy + 8, &type, 2);
	copy[10] = from->sll_pkttype;
	copy[11] = from->sll_halen < 8 ? from->sll_halen : 8;
	memcpy(copy + 12, from->sll_addr, copy[11]);
	memcpy(copy + SLL2_BYTES, c->data, c->caplen);
	c->data = copy;
	c->caplen += SLL2_BYTES;
	c->len += SLL2_BYTES;
}

bool source_packet(const struct source *s, struct l4_cap_packet *out, bool *outgoing, int *ifindex)
{
	const struct tpacket3_hdr *h = s->h;
	const struct sockaddr_ll *from =
	    (const void *)((const uint8_t *)h + TPACKET_ALIGN(sizeof *h));
	*outgoing = from->sll_pkttype == PACKET_OUTGOING;
	*ifindex = from->sll_ifindex;
	if (*outgoing && (s->loopback || from->sll_hatype == ARPHRD_LOOPBACK))
		return false;
	*out = (struct l4_cap_packet){ .data = (const uint8_t *)h + h->tp_mac,
		.caplen = h->tp_snaplen,
		.len = h->tp_len,
		.ts = (l4_time)h->tp_sec * L4_SEC + h->tp_nsec,
		.linktype = s->linktype,
		.has_ts = true,
		.fcs_len = -1,
		.ts_precision = 9 };
	if (out->caplen > sizeof copy)
		out->caplen = sizeof copy;
	if (s->cooked) {
		/* without its link layer header a packet begins at the network layer's */
		out->data = (const uint8_t *)h + h->tp_net;
		with_sll2(from, out);
	} else {
		with_tag(h, out);
	}
	return true;
}
