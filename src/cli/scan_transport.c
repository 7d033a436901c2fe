/* Streams of the service detection over the kernel's sockets: non-blocking, under one epoll. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/scan_services.h"

struct kernel {
	const struct scan_job *j;
	int epoll;
};

static int k_open(void *ctx, const struct l4_addr *a, uint16_t port)
{
	struct kernel *k = ctx;
	struct sockaddr_in s4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v4 = l4_addr_is_ip4(a);
	memcpy(&s4.sin_addr, a->b + 12, 4);
	memcpy(&s6.sin6_addr, a->b, 16);
	if (l4_addr_is_link_local(a) && k->j->interface)
		s6.sin6_scope_id = if_nametoindex(k->j->interface);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	const struct sockaddr *to = v4 ? (struct sockaddr *)&s4 : (struct sockaddr *)&s6;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data = { .fd = fd } };
	if ((connect(fd, to, v4 ? sizeof s4 : sizeof s6) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static long result(ssize_t n)
{
	return n >= 0 ? n : errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? -1 : -2;
}

static long k_send(void *ctx, int stream, const void *data, size_t len)
{
	(void)ctx;
	return result(send(stream, data, len, MSG_NOSIGNAL));
}

static long k_recv(void *ctx, int stream, void *data, size_t cap)
{
	(void)ctx;
	return result(recv(stream, data, cap, 0));
}

static void k_close(void *ctx, int stream)
{
	struct linger hard = { .l_onoff = 1 };
	(void)ctx;
	setsockopt(stream, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(stream);
}

static int k_wait(void *ctx, struct scan_event *events, int max, l4_time wait)
{
	struct kernel *k = ctx;
	struct epoll_event ev[64];
	int n =
	    epoll_wait(k->epoll, ev, max < 64 ? max : 64, (int)((wait + L4_MSEC - 1) / L4_MSEC));
	for (int i = 0; i < n; i++) {
		events[i].stream = ev[i].data.fd;
		events[i].what = (ev[i].events & EPOLLIN ? SCAN_READABLE : 0u) |
				 (ev[i].events & EPOLLOUT ? SCAN_WRITABLE : 0u) |
				 (ev[i].events & (EPOLLERR | EPOLLHUP) ? SCAN_FAILED : 0u);
	}
	return n < 0 ? 0 : n;
}

static void k_fini(void *ctx)
{
	struct kernel *k = ctx;
	close(k->epoll);
	free(k);
}

int scan_transport_kernel(struct scan_transport *t, const struct scan_job *j)
{
	struct kernel *k = calloc(1, sizeof *k);
	if (!k)
		return -1;
	k->j = j;
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll < 0) {
		free(k);
		return -1;
	}
	*t = (struct scan_transport){ k, k_open, k_send, k_recv, k_close, k_wait, k_fini };
	return 0;
}
