/* One interface split by flow: a device for each of several threads.
 *
 * The kernel deals frames out by a hash of their flow: to the queues of a TUN or TAP interface with
 * IFF_MULTI_QUEUE, to the packet sockets of a group with PACKET_FANOUT_HASH; with AF_XDP the
 * interface itself does, to its queues. So hosts with one address share nothing, and each sees all
 * of its connections.
 *
 * Some frames are of no flow, or of one that the hash does not see: who has an address (replies of
 * ARP, neighbour and router advertisements), and ICMP errors, whose flow is the quoted one. They
 * reach one member by chance and are meant for any: the one that gets such a frame copies it to the
 * others' inboxes. Requests are not passed on, so that one answers. An inbox that is full drops, as
 * a queue would.
 *
 * A member sleeps on an epoll descriptor over its own queue and an eventfd that says that the inbox
 * has something. */
#include "device/sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <threads.h>
#include <unistd.h>

#include <layer4/err.h>

#include "base/cursor.h"

#define INBOX     32
#define INBOX_MAX 2048u /* bytes of a frame passed on; longer ones are not of these kinds */

struct letter {
	uint32_t len;
	uint8_t bytes[INBOX_MAX];
};

struct member;

struct group {
	mtx_t lock; /* of all that follows, and of the inboxes */
	size_t n, open;
	struct member *member[L4_FANOUT_MAX];
};

struct member {
	struct l4_device d;
	struct l4_device *inner;
	struct group *g;
	int poll, wake;
	bool ethernet;
	_Atomic unsigned waiting; /* letters in the inbox */
	struct letter inbox[INBOX];
	struct letter read[INBOX]; /* handed out, until the next rx */
	struct l4_piece pieces[INBOX];
};

static struct member *member(struct l4_device *d)
{
	return (struct member *)d;
}

/* Whether others may wait for this frame. */
static bool is_for_all(const struct member *m, const uint8_t *p, size_t len)
{
	uint16_t type;
	if (m->ethernet) {
		if (len < 14)
			return false;
		type = l4_get_u16(p + 12);
		p += 14;
		len -= 14;
	} else {
		type = len && p[0] >> 4 == 6 ? 0x86dd : 0x0800;
	}
	if (type == 0x0806)
		return len >= 28 && l4_get_u16(p + 6) == 2; /* RFC 826: a reply */
	if (type == 0x0800 && len >= 20 && p[9] == 1) {
		size_t at = (size_t)(p[0] & 15) * 4;
		if (at < 20 || at >= len)
			return false;
		uint8_t icmp = p[at]; /* RFC 1122 3.2.2: errors */
		return icmp == 3 || icmp == 4 || icmp == 5 || icmp == 11 || icmp == 12;
	}
	if (type == 0x86dd && len > 40 && p[6] == 58) /* RFC 4443 2.1 errors; RFC 4861 */
		return (p[40] >= 1 && p[40] <= 4) || p[40] == 134 || p[40] == 136;
	return false;
}

static void pass_on(struct member *m, const uint8_t *p, size_t len)
{
	const uint64_t one = 1;
	mtx_lock(&m->g->lock);
	for (size_t i = 0; i < m->g->n; i++) {
		struct member *to = m->g->member[i];
		unsigned n = to ? atomic_load(&to->waiting) : 0;
		if (!to || to == m || n == INBOX)
			continue;
		to->inbox[n].len = (uint32_t)len;
		memcpy(to->inbox[n].bytes, p, len);
		atomic_store(&to->waiting, n + 1);
		if (write(to->wake, &one, sizeof one) < 0)
			continue; /* it counts to its limit: then it is awake */
	}
	mtx_unlock(&m->g->lock);
}

/* Hands out what others passed on. */
static size_t open_letters(struct member *m, struct l4_frame *out, size_t max, l4_time now)
{
	uint64_t count;
	size_t n = 0;
	mtx_lock(&m->g->lock);
	unsigned have = atomic_load(&m->waiting);
	for (; n < have && n < max; n++) {
		m->read[n].len = m->inbox[n].len;
		memcpy(m->read[n].bytes, m->inbox[n].bytes, m->inbox[n].len);
	}
	memmove(m->inbox, m->inbox + n, (have - n) * sizeof m->inbox[0]);
	atomic_store(&m->waiting, have - (unsigned)n);
	if (n == have && read(m->wake, &count, sizeof count) < 0)
		count = 0; /* nothing was told: nothing to take back */
	mtx_unlock(&m->g->lock);
	for (size_t i = 0; i < n; i++) {
		m->pieces[i] = (struct l4_piece){ m->read[i].bytes, m->read[i].len };
		out[i] = (struct l4_frame){
			.pieces = &m->pieces[i], .n_pieces = 1, .len = m->read[i].len, .time = now
		};
	}
	return n;
}

static int fanout_rx(struct l4_device *d, struct l4_frame *out, size_t max, l4_time now)
{
	struct member *m = member(d);
	int got = m->inner->ops->rx(m->inner, out, max, now);
	if (got < 0) {
		d->saved_errno = m->inner->saved_errno;
		return got;
	}
	for (int i = 0; i < got; i++) {
		const struct l4_piece *p = out[i].pieces;
		if (out[i].n_pieces == 1 && p->len <= INBOX_MAX && !out[i].off.gso_type &&
		    is_for_all(m, p->data, p->len))
			pass_on(m, p->data, p->len);
	}
	if (atomic_load(&m->waiting) && (size_t)got < max)
		got += (int)open_letters(m, out + got, max - (size_t)got, now);
	return got;
}

static int fanout_tx(struct l4_device *d, const struct l4_frame *frames, size_t n, l4_time now)
{
	struct member *m = member(d);
	int took = m->inner->ops->tx(m->inner, frames, n, now);
	d->saved_errno = m->inner->saved_errno;
	return took;
}

static int fanout_fd(const struct l4_device *d)
{
	return ((const struct member *)d)->poll;
}

static l4_time fanout_deadline(const struct l4_device *d)
{
	const struct member *m = (const struct member *)d;
	return m->inner->ops->deadline(m->inner);
}

static void fanout_caps(const struct l4_device *d, struct l4_device_caps *out)
{
	const struct member *m = (const struct member *)d;
	m->inner->ops->caps(m->inner, out);
}

static void fanout_close(struct l4_device *d)
{
	struct member *m = member(d);
	struct group *g = m->g;
	mtx_lock(&g->lock);
	for (size_t i = 0; i < g->n; i++)
		if (g->member[i] == m)
			g->member[i] = NULL;
	size_t left = --g->open;
	mtx_unlock(&g->lock);
	if (m->inner)
		m->inner->ops->close(m->inner);
	if (m->poll >= 0)
		close(m->poll);
	if (m->wake >= 0)
		close(m->wake);
	free(m);
	if (left)
		return;
	mtx_destroy(&g->lock);
	free(g);
}

static void fanout_stats(struct l4_device *d, struct l4_device_stats *out)
{
	struct member *m = member(d);
	m->inner->ops->stats(m->inner, out);
}

static const struct l4_device_ops fanout_ops = {
	.name = "fanout",
	.rx = fanout_rx,
	.tx = fanout_tx,
	.wait_fd = fanout_fd,
	.deadline = fanout_deadline,
	.caps = fanout_caps,
	.close = fanout_close,
	.stats = fanout_stats,
};

static int add(struct member *m, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	return epoll_ctl(m->poll, EPOLL_CTL_ADD, fd, &e);
}

/* Opens one member; id: of the packet sockets' group, 0 before the first. */
static int open_one(struct group *g, struct l4_device **out, const char *spec,
    const struct l4_device_options *o, uint16_t *id, char *err, size_t cap)
{
	struct l4_device_caps caps;
	struct member *m = calloc(1, sizeof *m);
	if (!m)
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	m->d.ops = &fanout_ops;
	m->g = g;
	m->poll = epoll_create1(EPOLL_CLOEXEC);
	m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->open++;
	int e;
	if (!strncmp(spec, "xdp:", 4))
		e = l4_xdp_open(&m->inner, spec + 4, (uint32_t)g->n,
		    g->n ? g->member[0]->inner : NULL, o, err, cap);
	else
		e = l4_device_open(&m->inner, spec, o, err, cap);
	if (!e && !strncmp(spec, "packet:", 7) && l4_packet_fanout(m->inner, id) < 0)
		e = l4_sys_fail(
		    err, cap, l4_sys_code(errno), "%s: fan-out: %s", spec, strerror(errno));
	if (!e && (m->poll < 0 || m->wake < 0 || add(m, m->inner->ops->wait_fd(m->inner)) < 0 ||
		      add(m, m->wake) < 0))
		e = l4_sys_fail(err, cap, L4_ESYS, "%s: epoll: %s", spec, strerror(errno));
	if (e < 0) {
		g->open++; /* the caller lets go of the group */
		fanout_close(&m->d);
		g->open--;
		return e;
	}
	m->inner->ops->caps(m->inner, &caps);
	m->ethernet = caps.medium == L4_MEDIUM_ETHERNET;
	g->member[g->n++] = m;
	*out = &m->d;
	return 0;
}

int l4_device_open_many(struct l4_device **out, size_t n, const char *spec,
    const struct l4_device_options *o, char *err, size_t cap)
{
	struct l4_device_options with = { 0 };
	struct group *g;
	uint16_t id = 0;
	int e = 0;
	if (err && cap)
		err[0] = 0;
	if (!n || n > L4_FANOUT_MAX)
		return l4_sys_fail(err, cap, L4_EINVAL, "%s: 1 to %d devices", spec, L4_FANOUT_MAX);
	bool xdp = !strncmp(spec, "xdp:", 4);
	if (!xdp && strncmp(spec, "tap:", 4) && strncmp(spec, "tun:", 4) &&
	    strncmp(spec, "packet:", 7))
		return l4_sys_fail(err, cap, L4_EUNSUPPORTED,
		    "device '%s': only tap, tun, packet and xdp are split by flow", spec);
	int queues = xdp ? l4_xdp_queues(spec + 4) : 0;
	if (queues && (size_t)queues != n)
		return l4_sys_fail(err, cap, L4_EINVAL,
		    "%s receives by %d queues, and each of %zu devices needs one: "
		    "ethtool -L %s combined %zu (veth: rx %zu tx %zu)",
		    spec, queues, n, spec + 4, n, n, n);
	if (o)
		with = *o;
	with.queues = (uint16_t)n;
	g = calloc(1, sizeof *g);
	if (!g)
		return l4_sys_fail(err, cap, L4_ENOMEM, "no memory");
	mtx_init(&g->lock, mtx_plain);
	size_t i = 0;
	while (i < n && !e)
		if (!(e = open_one(g, &out[i], spec, &with, &id, err, cap)))
			i++;
	if (!e)
		return 0;
	size_t opened = i;
	for (; i; i--)
		out[i - 1]->ops->close(out[i - 1]); /* the last frees the group */
	if (!opened) {
		mtx_destroy(&g->lock);
		free(g);
	}
	return e;
}
