/* The interfaces that packets leave by and answers come in at.
 *
 * On Ethernet and TUN a packet socket (layer4/loop.h), on the loopback interface and tunnels of
 * other kinds raw sockets (rawdev.c). Large segments that the kernel hands over in one are split,
 * so that a packet here is one of the wire. With an address of our own (-a) the wire has a MAC
 * address of its own too, and this file answers ARP and neighbour solicitations for it: the kernel
 * never knows. Link addresses of others are taken from the kernel's table, or asked for in packets
 * of our own. */
#define _GNU_SOURCE /* ppoll */
#include "cli/wires.h"

#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/netconf.h"
#include "cli/rawdev.h"
#include "cli/signals.h"

enum { PART_BYTES = 65536 + 64, RX_BATCH = 64, TRIES = 3 };
#define TRY_TIME (400 * L4_MSEC)

/* The link address of a neighbour. */
struct neighbour_entry {
	struct l4_addr addr, src;
	struct l4_mac mac;
	int ifindex; /* 0: free */
	bool known, wanted;
};

l4_time wires_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

/* ---- link addresses ---- */

static struct neighbour_entry *neighbour(
    struct wires *s, int ifindex, const struct l4_addr *a, bool add)
{
	if (add && (s->n_neighbours + 1) * 2 > s->cap_neighbours) {
		size_t cap = s->cap_neighbours ? s->cap_neighbours * 2 : 64;
		struct neighbour_entry *old = s->neighbours, *t = calloc(cap, sizeof *t);
		size_t n = s->cap_neighbours;
		if (!t)
			return NULL;
		s->neighbours = t;
		s->cap_neighbours = cap;
		s->n_neighbours = 0;
		for (size_t i = 0; i < n; i++)
			if (old[i].ifindex)
				*neighbour(s, old[i].ifindex, &old[i].addr, true) = old[i];
		free(old);
	}
	if (!s->cap_neighbours)
		return NULL;
	uint64_t h = (uint64_t)ifindex;
	for (size_t i = 0; i < 16; i++)
		h = (h ^ a->b[i]) * UINT64_C(0x100000001b3);
	size_t mask = s->cap_neighbours - 1, at = (size_t)(h ^ h >> 32) & mask;
	while (s->neighbours[at].ifindex &&
	       (s->neighbours[at].ifindex != ifindex || !l4_addr_eq(&s->neighbours[at].addr, a)))
		at = (at + 1) & mask;
	struct neighbour_entry *e = &s->neighbours[at];
	if (e->ifindex)
		return e;
	if (!add)
		return NULL;
	*e = (struct neighbour_entry){ .addr = *a, .ifindex = ifindex };
	s->n_neighbours++;
	return e;
}

static void put_frame(struct wires *s, struct wire *w, const struct l4_mac *dst, uint16_t type,
    uint8_t *frame, size_t n)
{
	struct l4_eth_hdr eth = { .dst = *dst, .src = w->mac, .type = type };
	l4_eth_emit(&eth, frame, L4_ETH_HDR_LEN);
	wires_send(s, w, frame, n);
}

static void put_arp(struct wires *s, struct wire *w, uint16_t op, const struct l4_addr *spa,
    const struct l4_mac *tha, const struct l4_addr *tpa, const struct l4_mac *to)
{
	uint8_t f[L4_ETH_HDR_LEN + L4_ARP_LEN];
	struct l4_arp_hdr a = { .op = op, .sha = w->mac, .tha = *tha, .spa = *spa, .tpa = *tpa };
	l4_arp_emit(&a, f + L4_ETH_HDR_LEN, L4_ARP_LEN);
	put_frame(s, w, to, L4_ETHERTYPE_ARP, f, sizeof f);
}

static void put_ndp(struct wires *s, struct wire *w, const struct l4_ndp_msg *m,
    const struct l4_addr *src, const struct l4_addr *dst, const struct l4_mac *to)
{
	uint8_t f[L4_ETH_HDR_LEN + 40 + 64], *icmp = f + L4_ETH_HDR_LEN + 40;
	int n = l4_ndp_emit(m, icmp, 64);
	if (n < 0)
		return;
	struct l4_ip6_hdr h = { .payload_len = (uint16_t)n,
		.next = L4_PROTO_ICMP6,
		.hop_limit = 255, /* RFC 4861 7.1 */
		.src = *src,
		.dst = *dst };
	l4_ip6_emit(&h, f + L4_ETH_HDR_LEN, 40);
	uint16_t c = l4_wire_csum(src, dst, L4_PROTO_ICMP6, icmp, (size_t)n);
	memcpy(icmp + 2, &c, 2);
	put_frame(s, w, to, L4_ETHERTYPE_IP6, f, L4_ETH_HDR_LEN + 40 + (size_t)n);
}

static void ask_mac(struct wires *s, struct wire *w, const struct neighbour_entry *e)
{
	static const struct l4_mac none, all = { { 255, 255, 255, 255, 255, 255 } };
	if (l4_addr_is_ip4(&e->addr)) {
		put_arp(s, w, L4_ARP_REQUEST, &e->src, &none, &e->addr, &all);
		return;
	}
	/* RFC 4291 2.7.1: the solicited-node group. */
	struct l4_addr group = { { 0xff, 2, [11] = 1, [12] = 0xff } };
	memcpy(group.b + 13, e->addr.b + 13, 3);
	struct l4_mac mac = l4_mac_from_group(&group);
	struct l4_ndp_msg m = {
		.type = L4_ICMP6_NS, .target = e->addr, .present = L4_NDPO_SLLA, .slla = w->mac
	};
	put_ndp(s, w, &m, &e->src, &group, &mac);
}

static void learn(struct wires *s, struct wire *w, const struct l4_addr *a, const struct l4_mac *m)
{
	struct neighbour_entry *e = neighbour(s, w->ifindex, a, false);
	if (!e || l4_mac_is_group(m))
		return;
	e->mac = *m;
	s->n_wanted -= e->wanted && !e->known;
	e->known = true;
}

static void on_arp(struct wires *s, struct wire *w, const uint8_t *p, size_t n)
{
	struct l4_arp_hdr a;
	if (l4_arp_parse(&a, p, n) < 0)
		return;
	if (a.op == L4_ARP_REPLY)
		learn(s, w, &a.spa, &a.sha);
	else if (wires_is_own(s, &a.tpa))
		put_arp(s, w, L4_ARP_REPLY, &a.tpa, &a.sha, &a.spa, &a.sha);
}

static void on_ndp(
    struct wires *s, struct wire *w, const uint8_t *p, size_t n, const struct l4_mac *from)
{
	struct l4_ip6_hdr h;
	struct l4_ndp_msg m;
	int at = l4_ip6_parse(&h, p, n);
	if (at < 0 || h.next != L4_PROTO_ICMP6 || h.hop_limit != 255 || h.payload_len < 24 ||
	    (p[at] != L4_ICMP6_NA && p[at] != L4_ICMP6_NS) ||
	    l4_ndp_parse(&m, p + at, h.payload_len) < 0)
		return;
	if (m.type == L4_ICMP6_NA) {
		learn(s, w, &m.target, m.present & L4_NDPO_TLLA ? &m.tlla : from);
	} else if (wires_is_own(s, &m.target)) {
		struct l4_ndp_msg na = { .type = L4_ICMP6_NA,
			.target = m.target,
			.solicited = true,
			.override_ = true,
			.present = L4_NDPO_TLLA,
			.tlla = w->mac };
		if (l4_addr_is_any(&h.src))
			return; /* somebody checks whether the address is free: it is ours */
		put_ndp(s, w, &na, &m.target, &h.src, from);
	}
}

static void on_link(struct wires *s, struct wire *w, const uint8_t *p, size_t n)
{
	struct l4_mac from;
	if (!w->ethernet || n < L4_ETH_HDR_LEN)
		return;
	uint16_t type = (uint16_t)(p[12] << 8 | p[13]);
	memcpy(from.b, p + 6, 6);
	if (type == L4_ETHERTYPE_ARP)
		on_arp(s, w, p + L4_ETH_HDR_LEN, n - L4_ETH_HDR_LEN);
	else if (type == L4_ETHERTYPE_IP6)
		on_ndp(s, w, p + L4_ETH_HDR_LEN, n - L4_ETH_HDR_LEN, &from);
}

bool wires_mac(struct wires *s, struct wire *w, const struct l4_addr *hop, struct l4_mac *mac)
{
	struct neighbour_entry *e = neighbour(s, w->ifindex, hop, false);
	if (e && e->known)
		*mac = e->mac;
	return e && e->known;
}

void wires_want(struct wires *s, struct wire *w, const struct route *r)
{
	if (!w->ethernet || r->group)
		return;
	struct neighbour_entry *e = neighbour(s, w->ifindex, &r->hop, true);
	if (!e || e->known || e->wanted)
		return;
	e->src = r->src;
	e->known = route_neighbour(w->ifindex, &r->hop, &e->mac);
	e->wanted = !e->known;
	s->n_wanted += e->wanted;
}

void wires_resolve(struct wires *s)
{
	for (int k = 0; k < TRIES && s->n_wanted; k++) {
		size_t asked = 0;
		for (size_t i = 0; i < s->cap_neighbours; i++) {
			struct neighbour_entry *e = &s->neighbours[i];
			if (!e->ifindex || !e->wanted || e->known)
				continue;
			struct wire *w = wires_at(s, e->ifindex);
			if (w)
				ask_mac(s, w, e);
			if (++asked % 64 == 0)
				wires_poll(s, 0);
		}
		l4_time until = wires_now() + TRY_TIME;
		while (s->n_wanted && wires_now() < until)
			if (!wires_poll(s, until))
				return;
	}
	for (size_t i = 0; i < s->cap_neighbours; i++)
		s->neighbours[i].wanted = false;
	s->n_wanted = 0;
}

/* ---- interfaces ---- */

int wires_holder(const struct l4_addr *a)
{
	struct l4_prefix list[64];
	struct if_nameindex *names = if_nameindex();
	int found = 0;
	for (struct if_nameindex *i = names; i && i->if_index && !found; i++) {
		unsigned n = netconf_addresses(i->if_name, list, 64);
		while (n-- && !found)
			if (l4_addr_eq(&list[n].addr, a))
				found = (int)i->if_index;
	}
	if (names)
		if_freenameindex(names);
	return found;
}

bool wires_is_own(const struct wires *s, const struct l4_addr *a)
{
	for (unsigned i = 0; i < s->n_sources; i++)
		if (l4_addr_eq(&s->source[i], a))
			return s->wire[0].own || s->n == 0;
	return false;
}

/* Follows from the address, so that neighbours who remember us from the last call are right. */
static struct l4_mac own_mac(const struct wires *s)
{
	struct l4_mac m = s->mac;
	uint64_t v = UINT64_C(14695981039346656037);
	if (s->has_mac)
		return m;
	for (size_t i = 0; i < 16; i++)
		v = (v ^ s->source[0].b[i]) * UINT64_C(1099511628211);
	memcpy(m.b, &v, sizeof m.b);
	m.b[0] = (uint8_t)((m.b[0] & 0xfc) | 0x02);
	return m;
}

/* Whether frames of this kind of link cannot be made here: the loopback interface, tunnels. */
static bool needs_raw(const char *name)
{
	struct ifreq r;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(&r, 0, sizeof r);
	memcpy(r.ifr_name, name, strnlen(name, sizeof r.ifr_name - 1));
	bool known = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0;
	if (fd >= 0)
		close(fd);
	return known && r.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	       r.ifr_hwaddr.sa_family != ARPHRD_NONE;
}

static int open_device(struct wires *s, struct wire *w, char *err, size_t cap)
{
	char spec[32];
	struct l4_device_options o = { .no_offload = true };
	if (needs_raw(w->name))
		return rawdev_open(&w->dev, w->ifindex, err, cap);
	if (w->own)
		o.mac = own_mac(s);
	snprintf(spec, sizeof spec, "packet:%s", w->name);
	int e = l4_device_open(&w->dev, spec, &o, err, cap);
	if (e < 0)
		return e;
	if (s->shared)
		e = l4_guard_new(&w->guard, w->name, w->dev, err, cap);
	return e;
}

static struct wire *open_wire(struct wires *s, int ifindex)
{
	char err[256] = "";
	struct l4_device_caps caps;
	for (unsigned i = 0; i < s->n; i++)
		if (s->wire[i].ifindex == ifindex)
			return &s->wire[i];
	struct wire *w = &s->wire[s->n];
	if (s->n == WIRES_MAX) {
		fprintf(stderr, "l4 %s: more than %d interfaces\n", s->cmd, WIRES_MAX);
		return NULL;
	}
	memset(w, 0, sizeof *w);
	w->ifindex = ifindex;
	if (!if_indextoname((unsigned)ifindex, w->name)) {
		fprintf(stderr, "l4 %s: interface %d: %s\n", s->cmd, ifindex, strerror(errno));
		return NULL;
	}
	w->own = s->n_sources && !wires_holder(&s->source[0]);
	int e = open_device(s, w, err, sizeof err);
	if (e < 0) {
		fprintf(stderr, "l4 %s: %s%s\n", s->cmd, err[0] ? err : l4_err_text(e),
		    e == L4_EPERM
			? " (or once: setcap cap_net_raw,cap_net_admin+ep on the l4 program)"
			: "");
		if (w->dev)
			w->dev->ops->close(w->dev);
		return NULL;
	}
	w->dev->ops->caps(w->dev, &caps);
	w->ethernet = caps.medium == L4_MEDIUM_ETHERNET;
	w->linktype = w->ethernet ? L4_LINK_ETHERNET : L4_LINK_RAW;
	w->mac = caps.mac;
	w->mtu = caps.mtu;
	if (s->pcap)
		w->pcap = l4_pcap_add_iface(s->pcap, w->name, caps.medium);
	s->n++;
	return w;
}

struct wire *wires_at(struct wires *s, int ifindex)
{
	pthread_mutex_lock(&s->lock);
	struct wire *w = open_wire(s, ifindex);
	pthread_mutex_unlock(&s->lock);
	return w;
}

int wires_open(struct wires *s)
{
	char err[256] = "";
	pthread_mutex_init(&s->lock, NULL);
	s->buf = malloc(PART_BYTES);
	if (!s->buf) {
		fprintf(stderr, "l4 %s: no memory\n", s->cmd);
		return L4_EXIT_SYSTEM;
	}
	if (s->pcap_path) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		l4_time real = (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
		if (l4_pcap_open(&s->pcap, s->pcap_path, real - wires_now(), err, sizeof err) < 0) {
			fprintf(stderr, "l4 %s: %s\n", s->cmd, err);
			return L4_EXIT_SYSTEM;
		}
	}
	if (!s->interface)
		return L4_EXIT_DONE;
	int ifindex = (int)if_nametoindex(s->interface);
	if (!ifindex) {
		fprintf(stderr, "l4 %s: no interface '%s' ('ip link' lists them)\n", s->cmd,
		    s->interface);
		return L4_EXIT_USAGE;
	}
	return wires_at(s, ifindex) ? L4_EXIT_DONE : L4_EXIT_SYSTEM;
}

void wires_close(struct wires *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		l4_guard_free(s->wire[i].guard);
		s->wire[i].dev->ops->close(s->wire[i].dev);
	}
	s->n = 0;
	if (s->pcap && l4_pcap_close(s->pcap) < 0)
		fprintf(stderr, "l4 %s: %s: %s\n", s->cmd, s->pcap_path, strerror(errno));
	s->pcap = NULL;
	free(s->neighbours);
	free(s->buf);
	s->neighbours = NULL;
	s->buf = NULL;
	s->cap_neighbours = s->n_neighbours = 0;
}

int wires_route(struct wires *s, const struct l4_addr *dst, struct route *r, char *err, size_t cap)
{
	int oif = s->interface ? (int)if_nametoindex(s->interface) : 0;
	if (route_lookup(r, dst, oif, err, cap) < 0)
		return -1;
	for (unsigned i = 0; i < s->n_sources; i++)
		if (l4_addr_is_ip4(&s->source[i]) == l4_addr_is_ip4(dst))
			r->src = s->source[i];
	return 0;
}

bool wires_address(const struct wires *s, const struct wire *w, bool v4, struct l4_addr *out)
{
	struct l4_prefix list[32];
	for (unsigned i = 0; i < s->n_sources; i++)
		if (l4_addr_is_ip4(&s->source[i]) == v4) {
			*out = s->source[i];
			return true;
		}
	unsigned n = netconf_addresses(w->name, list, 32);
	for (unsigned i = 0; i < n; i++)
		if (l4_addr_is_ip4(&list[i].addr) == v4) {
			*out = list[i].addr;
			return true;
		}
	return false;
}

/* ---- packets ---- */

int wires_send(struct wires *s, struct wire *w, const void *p, size_t n)
{
	struct l4_piece piece = { p, n };
	struct l4_frame f;
	memset(&f, 0, sizeof f);
	f.pieces = &piece;
	f.n_pieces = 1;
	f.len = (uint32_t)n;
	l4_time now = wires_now();
	int k = 0;
	for (int tries = 0; tries < 100; tries++) {
		w->dev->saved_errno = 0;
		k = w->dev->ops->tx(w->dev, &f, 1, now);
		if (k)
			break;
		struct pollfd fd = { .fd = w->dev->ops->wait_fd(w->dev), .events = POLLOUT };
		poll(&fd, 1, 5); /* the queue is full: give it time */
	}
	if (k != 1 || w->dev->saved_errno) { /* refused frames count as taken */
		s->send_errors++;
		s->saved_errno = w->dev->saved_errno ? w->dev->saved_errno : ENOBUFS;
		return -1;
	}
	if (s->pcap)
		l4_pcap_frame(s->pcap, w->pcap, true, &f, now);
	return 0;
}

static void receive(struct wires *s, struct wire *w, const struct l4_frame *f)
{
	struct l4_gso g;
	int n;
	if (s->pcap)
		l4_pcap_frame(s->pcap, w->pcap, false, f, f->time);
	l4_gso_begin(&g, f);
	while ((n = l4_gso_next(&g, s->buf, PART_BYTES)) > 0) {
		on_link(s, w, s->buf, (size_t)n);
		if (s->on_frame)
			s->on_frame(s->ctx, w, s->buf, (size_t)n, f->time);
	}
}

static bool drain(struct wires *s)
{
	struct l4_frame f[RX_BATCH];
	bool any = false;
	for (unsigned i = 0; i < s->n; i++) {
		struct wire *w = &s->wire[i];
		int n = w->dev->ops->rx(w->dev, f, RX_BATCH, wires_now());
		for (int k = 0; k < n; k++)
			receive(s, w, &f[k]);
		any |= n > 0;
	}
	return any;
}

bool wires_poll(struct wires *s, l4_time until)
{
	struct pollfd p[WIRES_MAX];
	if (drain(s) || signals_stop())
		return !signals_stop();
	l4_time now = wires_now();
	if (until <= now)
		return true;
	l4_time wait = until - now < L4_SEC ? until - now : L4_SEC;
	for (unsigned i = 0; i < s->n; i++)
		p[i] = (struct pollfd){ .fd = s->wire[i].dev->ops->wait_fd(s->wire[i].dev),
			.events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)(wait / L4_SEC),
		.tv_nsec = (long)(wait % L4_SEC) };
	ppoll(p, s->n, &ts, NULL);
	if (!signals_stop())
		drain(s);
	return !signals_stop();
}

bool wires_claim(struct wires *s, struct wire *w, uint8_t protocol, uint16_t port)
{
	char err[256] = "";
	if (!w->guard || !port)
		return true;
	int e = l4_guard_add(w->guard, protocol, port, err, sizeof err);
	if (e < 0)
		fprintf(stderr, "l4 %s: --shared: %s\n", s->cmd, err[0] ? err : l4_err_text(e));
	return e == 0;
}
