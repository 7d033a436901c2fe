/* The kernel's sockets under l4 bench: what our stack is measured against, and with.
 *
 * One epoll set, edge-triggered, because that is what the flows ask for: an event says that a flow
 * may go on, and it goes on until the socket would block. */
#define _GNU_SOURCE /* accept4 */
#include "cli/bench.h"

#include <layer4/err.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "cli/cli.h"
#include "cli/signals.h"

struct kernel {
	struct bench_net n;
	int ep;
	void *listener; /* user of the listening socket */
	struct epoll_event ready[64];
	size_t ready_n, ready_at;
};

static struct kernel *kernel(struct bench_net *n)
{
	return (struct kernel *)n;
}

static l4_time kernel_now(struct bench_net *n)
{
	struct timespec t;
	(void)n;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec;
}

static int code(int e)
{
	switch (e) {
	case EAGAIN:
	case EINPROGRESS:
	case ENOBUFS:
		return L4_EAGAIN;
	case ECONNREFUSED:
		return L4_EREFUSED;
	case ECONNRESET:
		return L4_ERESET;
	case EPIPE:
		return L4_EPIPE;
	case ETIMEDOUT:
		return L4_ETIMEDOUT;
	case EADDRINUSE:
		return L4_EINUSE;
	case EADDRNOTAVAIL:
		return L4_ENOADDR;
	case ENETUNREACH:
	case EHOSTUNREACH:
		return L4_ENOROUTE;
	case EMSGSIZE:
		return L4_EMSGSIZE;
	case EACCES:
	case EPERM:
		return L4_EPERM;
	case EMFILE:
	case ENFILE:
		return L4_ELIMIT;
	default:
		return L4_ESYS;
	}
}

/* Addresses in the mapped form that both sides know: one kind of socket serves both versions. */
static struct sockaddr_in6 name_of(const struct l4_endpoint *e)
{
	struct sockaddr_in6 a = {
		.sin6_family = AF_INET6, .sin6_port = htons(e->port), .sin6_scope_id = e->ifindex
	};
	if (!l4_addr_is_any(&e->addr))
		memcpy(&a.sin6_addr, e->addr.b, 16);
	return a;
}

static void endpoint_of(struct l4_endpoint *e, const struct sockaddr_in6 *a)
{
	memset(e, 0, sizeof *e);
	memcpy(e->addr.b, &a->sin6_addr, 16);
	e->port = ntohs(a->sin6_port);
	e->ifindex = (uint16_t)a->sin6_scope_id;
}

static int watch(struct kernel *k, int fd, void *user)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = user };
	return epoll_ctl(k->ep, EPOLL_CTL_ADD, fd, &e);
}

static int64_t give_up(int fd)
{
	int e = errno;
	if (fd >= 0)
		close(fd);
	return code(e);
}

static int64_t fresh(int type, const struct l4_endpoint *at)
{
	const int one = 1, zero = 0;
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return give_up(fd);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (at) {
		struct sockaddr_in6 a = name_of(at);
		if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
			return give_up(fd);
	}
	return fd;
}

static void kernel_tune(struct bench_net *n, int64_t h, const struct bench_tune *t)
{
	const int one = 1, size = (int)t->window;
	(void)n;
	if (t->nodelay)
		setsockopt((int)h, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (t->window) {
		setsockopt((int)h, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		setsockopt((int)h, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	}
	if (t->congestion)
		setsockopt((int)h, IPPROTO_TCP, TCP_CONGESTION, t->congestion,
		    (socklen_t)strlen(t->congestion));
}

static int64_t kernel_listen(struct bench_net *n, const struct l4_endpoint *at, void *user)
{
	int64_t fd = fresh(SOCK_STREAM, at);
	if (fd < 0)
		return fd;
	if (listen((int)fd, 1024) < 0 || watch(kernel(n), (int)fd, user) < 0)
		return give_up((int)fd);
	kernel(n)->listener = user;
	return fd;
}

static int64_t kernel_accept(
    struct bench_net *n, int64_t listener, struct l4_endpoint *from, void *user)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof a;
	int fd = accept4((int)listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return code(errno);
	endpoint_of(from, &a);
	if (watch(kernel(n), fd, user) < 0)
		return give_up(fd);
	return fd;
}

static int64_t kernel_connect(
    struct bench_net *n, const struct l4_endpoint *to, const struct bench_tune *t, void *user)
{
	struct sockaddr_in6 a = name_of(to);
	int64_t fd = fresh(SOCK_STREAM, NULL);
	if (fd < 0)
		return fd;
	kernel_tune(n, fd, t);
	if ((connect((int)fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) ||
	    watch(kernel(n), (int)fd, user) < 0)
		return give_up((int)fd);
	return fd;
}

static int64_t kernel_send(struct bench_net *n, int64_t h, const void *p, size_t len)
{
	(void)n;
	ssize_t k = send((int)h, p, len, MSG_NOSIGNAL);
	/* not connected yet: an event follows */
	return k >= 0 ? k : errno == ENOTCONN ? L4_EAGAIN : code(errno);
}

static int64_t kernel_recv(struct bench_net *n, int64_t h, void *p, size_t len)
{
	(void)n;
	ssize_t k = recv((int)h, p, len, 0);
	return k >= 0 ? k : errno == ENOTCONN ? L4_EAGAIN : code(errno);
}

static void kernel_shutdown(struct bench_net *n, int64_t h)
{
	(void)n;
	shutdown((int)h, SHUT_WR);
}

static void kernel_close(struct bench_net *n, int64_t h, bool udp, bool abort)
{
	(void)n;
	if (abort && !udp) {
		const struct linger l = { .l_onoff = 1, .l_linger = 0 };
		setsockopt((int)h, SOL_SOCKET, SO_LINGER, &l, sizeof l);
	}
	close((int)h);
}

static void kernel_info(struct bench_net *n, int64_t h, struct bench_info *out)
{
	struct tcp_info i;
	socklen_t len = sizeof i;
	int q = 0;
	(void)n;
	memset(out, 0, sizeof *out);
	memset(&i, 0, sizeof i);
	if (getsockopt((int)h, IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
		return;
	if (ioctl((int)h, SIOCOUTQ, &q) == 0 && q > 0)
		out->waiting = (uint64_t)q;
	out->retrans = i.tcpi_total_retrans;
	out->cwnd_bytes = i.tcpi_snd_cwnd * i.tcpi_snd_mss;
	out->rtt_us = i.tcpi_rtt;
}

static int64_t kernel_udp(
    struct bench_net *n, const struct l4_endpoint *at, const struct l4_endpoint *to, void *user)
{
	const int one = 1, size = 4 << 20;
	int64_t fd = fresh(SOCK_DGRAM, at);
	if (fd < 0)
		return fd;
	setsockopt((int)fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
	if (setsockopt((int)fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		setsockopt((int)fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (to) {
		struct sockaddr_in6 a = name_of(to);
		if (connect((int)fd, (struct sockaddr *)&a, sizeof a) < 0)
			return give_up((int)fd);
	}
	if (watch(kernel(n), (int)fd, user) < 0)
		return give_up((int)fd);
	return fd;
}

static int64_t kernel_udp_send(
    struct bench_net *n, int64_t h, const struct l4_endpoint *to, const void *p, size_t len)
{
	struct sockaddr_in6 a;
	(void)n;
	if (to)
		a = name_of(to);
	ssize_t k = sendto((int)h, p, len, MSG_DONTWAIT, to ? (struct sockaddr *)&a : NULL,
	    to ? (socklen_t)sizeof a : 0);
	return k >= 0 ? k : code(errno);
}

static int64_t kernel_udp_recv(
    struct bench_net *n, int64_t h, void *p, size_t len, struct l4_endpoint *from, l4_time *when)
{
	struct sockaddr_in6 a;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec v = { p, len };
	struct msghdr m = { .msg_name = &a,
		.msg_namelen = sizeof a,
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t k = recvmsg((int)h, &m, MSG_DONTWAIT);
	if (k < 0)
		return code(errno);
	endpoint_of(from, &a);
	*when = kernel_now(n);
	/* The stamp is of the wall clock: its age is taken off ours. */
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct timespec t, real;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof t);
		clock_gettime(CLOCK_REALTIME, &real);
		int64_t age = ((int64_t)real.tv_sec - t.tv_sec) * (int64_t)L4_SEC +
			      (real.tv_nsec - t.tv_nsec);
		if (age > 0 && age < (int64_t)L4_SEC)
			*when -= (l4_time)age;
	}
	return k;
}

static size_t kernel_events(struct bench_net *n, struct bench_event *out, size_t max)
{
	struct kernel *k = kernel(n);
	size_t got = 0;
	if (k->ready_at == k->ready_n) {
		int r = epoll_wait(k->ep, k->ready, 64, 0);
		k->ready_n = r > 0 ? (size_t)r : 0;
		k->ready_at = 0;
	}
	while (got < max && k->ready_at < k->ready_n) {
		const struct epoll_event *e = &k->ready[k->ready_at++];
		out[got] = (struct bench_event){ .user = e->data.ptr, .bits = BENCH_EV_OTHER };
		if (e->data.ptr == k->listener)
			out[got].bits = BENCH_EV_ACCEPT;
		got++;
	}
	return got;
}

static bool kernel_step(struct bench_net *n, l4_time until, bool anyway)
{
	struct kernel *k = kernel(n);
	l4_time now = kernel_now(n);
	if (!anyway && signals_stop())
		return false;
	if (k->ready_at < k->ready_n || until <= now)
		return true;
	struct timespec t = { .tv_sec = (time_t)((until - now) / L4_SEC),
		.tv_nsec = (long)((until - now) % L4_SEC) };
	int r = epoll_pwait2(k->ep, k->ready, 64, until == L4_TIME_NEVER ? NULL : &t, NULL);
	k->ready_n = r > 0 ? (size_t)r : 0;
	k->ready_at = 0;
	return anyway || !signals_stop();
}

static void kernel_close_all(struct bench_net *n)
{
	close(kernel(n)->ep);
	free(n);
}

static const struct bench_ops kernel_ops = { kernel_listen, kernel_accept, kernel_connect,
	kernel_tune, kernel_send, kernel_recv, kernel_shutdown, kernel_close, kernel_info,
	kernel_udp, kernel_udp_send, kernel_udp_recv, kernel_events, kernel_step, kernel_now,
	kernel_close_all };

int bench_kernel_new(struct bench_net **out)
{
	struct kernel *k = calloc(1, sizeof *k);
	if (!k || (k->ep = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		perror("l4 bench: epoll");
		free(k);
		return L4_EXIT_SYSTEM;
	}
	signals_init();
	k->n.ops = &kernel_ops;
	k->n.what = "the kernel";
	*out = &k->n;
	return L4_EXIT_DONE;
}
