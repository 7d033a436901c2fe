/* Sockets as Linux has them: the descriptor table, names, and the calls that make, bind, listen,
 * accept, connect, shut down and close.
 *
 * Each call validates as the kernel does (descriptor, then kind, then state), acts on the host's
 * endpoint, and maps L4_E* to errno. What Linux tells once (the error that ended a connection) is
 * remembered here as told; after that, reads end and writes say EPIPE. */
#include "posix/sock_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX 65536

struct l4_socks *l4_socks_new(struct l4_host *h, int first_fd)
{
	struct l4_socks *s = calloc(1, sizeof(*s));
	if (s)
		*s = (struct l4_socks){ .host = h, .first_fd = first_fd };
	return s;
}

void l4_socks_fastopen(struct l4_socks *s, bool yes)
{
	s->fastopen = yes;
}

void l4_socks_bsd(struct l4_socks *s, bool yes)
{
	s->bsd = yes;
}

struct l4_sock *l4_sock_get(const struct l4_socks *s, int fd)
{
	if (fd < s->first_fd || (size_t)(fd - s->first_fd) >= s->n)
		return NULL;
	return s->table[fd - s->first_fd];
}

int l4_sock_alloc(struct l4_socks *s, enum l4_sock_kind kind, struct l4_sock **out)
{
	size_t i = 0;
	while (i < s->n && s->table[i])
		i++;
	if (i == TABLE_MAX)
		return -EMFILE;
	if (i == s->n) {
		size_t n = s->n ? s->n * 2 : 16;
		struct l4_sock **t = realloc(s->table, n * sizeof(struct l4_sock *));
		if (!t)
			return -ENOMEM;
		memset(t + s->n, 0, (n - s->n) * sizeof(struct l4_sock *));
		s->table = t;
		s->n = n;
	}
	struct l4_sock *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->kind = kind;
	k->id = ++s->next_id;
	k->file = -1;
	s->table[i] = k;
	*out = k;
	return s->first_fd + (int)i;
}

void l4_sock_release(struct l4_socks *s, int fd)
{
	struct l4_sock *k = l4_sock_get(s, fd);
	if (!k)
		return;
	s->table[fd - s->first_fd] = NULL;
	if (k->pipe) {
		if (k->kind == L4_SK_PIPE_READ)
			k->pipe->reader = false;
		else
			k->pipe->writer = false;
		if (!k->pipe->reader && !k->pipe->writer)
			free(k->pipe);
	}
	if (k->file >= 0)
		close(k->file);
	free(k->epoll.watches);
	free(k);
}

void l4_socks_free(struct l4_socks *s, l4_time now)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct l4_sock *k = s->table[i];
		if (!k)
			continue;
		if (k->kind == L4_SK_TCP)
			l4_tcp_abort(s->host, k->ep, now);
		else if (k->kind == L4_SK_UDP)
			l4_udp_close(s->host, k->ep, now);
		l4_sock_release(s, s->first_fd + (int)i);
	}
	free(s->table);
	free(s);
}

l4_ep l4_socks_ep(const struct l4_socks *s, int fd, bool *udp)
{
	const struct l4_sock *k = l4_sock_get(s, fd);
	*udp = k && k->kind == L4_SK_UDP;
	return k && (k->kind == L4_SK_TCP || k->kind == L4_SK_UDP) ? k->ep : 0;
}

int l4_socks_nth(const struct l4_socks *s, size_t i)
{
	for (size_t at = 0; at < s->n; at++)
		if (s->table[at] && i-- == 0)
			return s->first_fd + (int)at;
	return -1;
}

bool l4_call_end(struct l4_call *c, int64_t result)
{
	c->ret = result < 0 ? -1 : result;
	c->err = result < 0 ? (int)-result : 0;
	return true;
}

bool l4_call_wait(struct l4_call *c, bool nonblock, int64_t timeout_ns, l4_time now)
{
	if (nonblock)
		return l4_call_end(c, -EAGAIN);
	if (timeout_ns > 0 && !c->has_deadline) {
		c->has_deadline = true;
		c->deadline = now + (l4_time)timeout_ns;
	}
	if (c->has_deadline && now >= c->deadline)
		return l4_call_end(c, -EAGAIN);
	return false;
}

l4_time l4_call_deadline(const struct l4_call *c)
{
	return c->has_deadline ? c->deadline : L4_TIME_NEVER;
}

void l4_call_cancel(struct l4_socks *s, struct l4_call *c)
{
	(void)s;
	l4_call_end(c, -EINTR);
}

int l4_sock_errno(int64_t l4_error)
{
	static const struct {
		int l4, sys;
	} map[] = {
		{ L4_ENOMEM, ENOMEM },
		{ L4_EINVAL, EINVAL },
		{ L4_EBADF, EBADF },
		{ L4_EAGAIN, EAGAIN },
		{ L4_EINUSE, EADDRINUSE },
		{ L4_ENOADDR, EADDRNOTAVAIL },
		{ L4_ENOROUTE, ENETUNREACH },
		{ L4_ENOTCONN, ENOTCONN },
		{ L4_EISCONN, EISCONN },
		{ L4_EPIPE, EPIPE },
		{ L4_ERESET, ECONNRESET },
		{ L4_EREFUSED, ECONNREFUSED },
		{ L4_ETIMEDOUT, ETIMEDOUT },
		{ L4_EUNREACH, EHOSTUNREACH },
		{ L4_EABORTED, ECONNABORTED },
		{ L4_EMSGSIZE, EMSGSIZE },
		{ L4_ELIMIT, ENOBUFS },
		{ L4_EUNSUPPORTED, EOPNOTSUPP },
		{ L4_ESTATE, EINVAL },
		{ L4_EPERM, EACCES },
		{ L4_ENOTFOUND, ENOENT },
	};
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (map[i].l4 == l4_error)
			return map[i].sys;
	return l4_error ? EIO : 0;
}

/* ---- Names ---- */

int l4_sock_from_name(
    const struct l4_sock *k, const struct sockaddr *name, socklen_t len, struct l4_endpoint *out)
{
	memset(out, 0, sizeof(*out));
	if (!name)
		return -EFAULT;
	if (len < sizeof(sa_family_t))
		return -EINVAL;
	if (name->sa_family == AF_INET) {
		struct sockaddr_in in;
		if (len < sizeof(in))
			return -EINVAL;
		memcpy(&in, name, sizeof(in));
		if (k->domain == AF_INET6)
			return -EINVAL;
		uint8_t b[4];
		memcpy(b, &in.sin_addr, 4);
		out->addr = l4_addr_from_ip4(b);
		out->port = ntohs(in.sin_port);
		return 0;
	}
	if (name->sa_family == AF_INET6 && k->domain == AF_INET6) {
		struct sockaddr_in6 in6;
		if (len < sizeof(in6))
			return -EINVAL;
		memcpy(&in6, name, sizeof(in6));
		out->addr = l4_addr_from_ip6(in6.sin6_addr.s6_addr);
		out->port = ntohs(in6.sin6_port);
		out->ifindex = (uint16_t)in6.sin6_scope_id;
		return 0;
	}
	return -EAFNOSUPPORT;
}

void l4_sock_to_name(
    const struct l4_sock *k, const struct l4_endpoint *e, struct sockaddr *name, socklen_t *len)
{
	if (!name || !len)
		return;
	struct sockaddr_storage ss = { 0 };
	size_t n;
	if (k->domain == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(e->port) };
		if (l4_addr_is_ip4(&e->addr))
			memcpy(&in.sin_addr, e->addr.b + 12, 4);
		n = sizeof(in);
		memcpy(&ss, &in, n);
	} else {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
			.sin6_port = htons(e->port),
			.sin6_scope_id = e->ifindex };
		memcpy(in6.sin6_addr.s6_addr, e->addr.b, 16);
		n = sizeof(in6);
		memcpy(&ss, &in6, n);
	}
	memcpy(name, &ss, *len < n ? *len : n);
	*len = (socklen_t)n;
}

int l4_sock_take_error(struct l4_socks *s, struct l4_sock *k)
{
	if (k->kind == L4_SK_UDP)
		return l4_sock_errno(l4_udp_error(s->host, k->ep));
	if (k->kind != L4_SK_TCP)
		return 0;
	int e = l4_tcp_error(s->host, k->ep);
	if (!e || e == L4_EBADF)
		return 0;
	k->err_taken = true;
	return l4_sock_errno(e);
}

/* ---- Calls ---- */

static bool call_socket(struct l4_socks *s, struct l4_call *c)
{
	int type = c->b & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->a != AF_INET && c->a != AF_INET6)
		return l4_call_end(c, -EAFNOSUPPORT);
	bool tcp = type == SOCK_STREAM, udp = type == SOCK_DGRAM;
	if (type < 0 || type > 10)
		return l4_call_end(c, -EINVAL);
	if (!tcp && !udp)
		return l4_call_end(c, type == SOCK_RAW ? -EPERM : -ESOCKTNOSUPPORT);
	if ((tcp && c->c && c->c != IPPROTO_TCP) || (udp && c->c && c->c != IPPROTO_UDP))
		return l4_call_end(c, -EPROTONOSUPPORT);
	struct l4_sock *k;
	int fd = l4_sock_alloc(s, tcp ? L4_SK_TCP : L4_SK_UDP, &k);
	if (fd < 0)
		return l4_call_end(c, fd);
	k->domain = c->a;
	k->type = type;
	k->nonblock = c->b & SOCK_NONBLOCK;
	k->pmtudisc = 1; /* IP_PMTUDISC_WANT */
	k->ep = tcp ? l4_tcp_new(s->host, k) : l4_udp_new(s->host, k);
	if (k->ep < 0) {
		int e = l4_sock_errno(k->ep);
		l4_sock_release(s, fd);
		return l4_call_end(c, -e);
	}
	return l4_call_end(c, fd);
}

static bool call_bind(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	struct l4_endpoint e;
	int r = l4_sock_from_name(k, c->cname, c->cname_len, &e);
	if (r < 0)
		return l4_call_end(c, r);
	r = k->kind == L4_SK_TCP ? l4_tcp_bind(s->host, k->ep, &e)
				 : l4_udp_bind(s->host, k->ep, &e);
	return l4_call_end(c, r < 0 ? -l4_sock_errno(r) : 0);
}

static bool call_listen(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_TCP)
		return l4_call_end(c, -EOPNOTSUPP);
	int r = l4_tcp_listen(s->host, k->ep, c->a < 0 ? 4096 : (uint32_t)c->a, now);
	if (r >= 0 && k->fo_key_set)
		l4_tcp_set_fastopen_key(s->host, k->ep, k->fo_key);
	if (r >= 0)
		k->listening = true;
	return l4_call_end(c, r < 0 ? -l4_sock_errno(r) : 0);
}

static bool call_accept(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_TCP)
		return l4_call_end(c, -EOPNOTSUPP);
	if (!k->listening)
		return l4_call_end(c, -EINVAL);
	struct l4_sock *n;
	int fd = l4_sock_alloc(s, L4_SK_TCP, &n);
	if (fd < 0)
		return l4_call_end(c, fd);
	struct l4_endpoint remote;
	l4_ep ep = l4_tcp_accept(s->host, k->ep, &remote, n, now);
	if (ep < 0) {
		l4_sock_release(s, fd);
		if (ep == L4_EAGAIN)
			return l4_call_wait(c, k->nonblock, k->rcvtimeo_ns, now);
		return l4_call_end(c, -l4_sock_errno(ep));
	}
	n->ep = ep;
	n->domain = k->domain;
	n->type = SOCK_STREAM;
	n->connected = true;
	n->nonblock = c->a & SOCK_NONBLOCK;
	n->pmtudisc = k->pmtudisc;
	n->inq = k->inq;
	n->recverr = k->recverr;
	n->zerocopy = k->zerocopy;
	n->sndbuf_set = k->sndbuf_set;
	n->rcvbuf_set = k->rcvbuf_set;
	n->sndbuf = k->sndbuf;
	n->rcvbuf = k->rcvbuf;
	n->linger_on = k->linger_on;
	n->linger_s = k->linger_s;
	memcpy(n->saved, k->saved, sizeof(n->saved));
	n->saved_n = k->saved_n;
	l4_sock_to_name(n, &remote, c->name, c->name_len);
	return l4_call_end(c, fd);
}

/* The state of an active open that has been started. */
static bool connect_progress(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	int state = l4_tcp_state(s->host, k->ep);
	if (k->fo_deferred && !c->started)
		return l4_call_end(c, -EISCONN); /* it was told so: the first write connects */
	if (state == L4_TCP_SYN_SENT || state == L4_TCP_SYN_RECEIVED) {
		if (k->nonblock && !c->started)
			return l4_call_end(c, -EALREADY);
		if (c->has_deadline && now >= c->deadline)
			return l4_call_end(c, -EINPROGRESS);
		return l4_call_wait(c, false, k->sndtimeo_ns, now);
	}
	int e = l4_sock_take_error(s, k);
	k->connecting = false;
	if (e) {
		/* as Linux: after a failed attempt the socket may be used again */
		l4_tcp_disconnect(s->host, k->ep, now);
		k->err_taken = false;
		return l4_call_end(c, -e);
	}
	if (state == L4_TCP_CLOSED)
		return l4_call_end(c, -ECONNABORTED);
	k->connected = true;
	return l4_call_end(c, 0);
}

static bool call_connect(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (c->started)
		return connect_progress(s, k, c, now);
	if (!c->cname || c->cname_len < sizeof(sa_family_t))
		return l4_call_end(c, c->cname ? -EINVAL : -EFAULT);
	if (c->cname->sa_family == AF_UNSPEC) {
		if (k->kind == L4_SK_TCP)
			l4_tcp_disconnect(s->host, k->ep, now);
		else
			l4_udp_connect(s->host, k->ep, NULL);
		k->connected = k->connecting = k->listening = false;
		k->shut_rd = k->shut_wr = k->err_taken = false;
		return l4_call_end(c, 0);
	}
	if (k->kind == L4_SK_TCP && k->connecting)
		return connect_progress(s, k, c, now);
	struct l4_endpoint e;
	int r = l4_sock_from_name(k, c->cname, c->cname_len, &e);
	if (r < 0)
		return l4_call_end(c, r);
	if (k->kind == L4_SK_UDP) {
		r = l4_udp_connect(s->host, k->ep, &e);
		k->connected = r >= 0;
		return l4_call_end(c, r < 0 ? -l4_sock_errno(r) : 0);
	}
	if (k->connected || k->listening)
		return l4_call_end(c, -EISCONN);
	r = l4_tcp_connect(s->host, k->ep, &e, now);
	if (r == L4_EINUSE)
		return l4_call_end(c, -EADDRNOTAVAIL);
	if (r < 0)
		return l4_call_end(c, -l4_sock_errno(r));
	k->err_taken = false;
	k->connecting = true;
	k->fo_deferred = r == 1;
	if (k->fo_deferred)
		return l4_call_end(c, 0);
	if (k->nonblock)
		return l4_call_end(c, -EINPROGRESS);
	c->started = true;
	return connect_progress(s, k, c, now);
}

static bool call_fcntl(struct l4_sock *k, struct l4_call *c)
{
	switch (c->a) {
	case F_GETFL:
		if (k->kind == L4_SK_PIPE_READ)
			return l4_call_end(c, O_RDONLY | (k->nonblock ? O_NONBLOCK : 0));
		if (k->kind == L4_SK_PIPE_WRITE)
			return l4_call_end(c, O_WRONLY | (k->nonblock ? O_NONBLOCK : 0));
		return l4_call_end(c, O_RDWR | (k->nonblock ? O_NONBLOCK : 0));
	case F_SETFL:
		k->nonblock = c->b & O_NONBLOCK;
		return l4_call_end(c, 0);
	case F_GETFD:
		return l4_call_end(c, k->cloexec ? FD_CLOEXEC : 0);
	case F_SETFD:
		k->cloexec = c->b & FD_CLOEXEC;
		return l4_call_end(c, 0);
	default:
		return l4_call_end(c, -EINVAL);
	}
}

static bool call_shutdown(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (c->a < SHUT_RD || c->a > SHUT_RDWR)
		return l4_call_end(c, -EINVAL);
	bool rd = c->a != SHUT_WR, wr = c->a != SHUT_RD;
	if (k->kind == L4_SK_UDP) {
		k->shut_rd |= rd;
		k->shut_wr |= wr;
		return l4_call_end(c, k->connected ? 0 : -ENOTCONN);
	}
	int state = l4_tcp_state(s->host, k->ep);
	if (state == L4_TCP_LISTEN || state == L4_TCP_SYN_SENT) {
		if (rd || state == L4_TCP_SYN_SENT) {
			l4_tcp_disconnect(s->host, k->ep, now);
			k->listening = k->connecting = false;
		}
		return l4_call_end(c, 0);
	}
	bool closed = state == L4_TCP_CLOSED || state < 0;
	k->shut_rd |= rd;
	k->shut_wr |= wr;
	if (closed)
		return l4_call_end(c, -ENOTCONN);
	/* for reading it only changes what read says when nothing is there, as on Linux: what the
	 * peer sends is still taken and acknowledged */
	if (wr)
		l4_tcp_shutdown(s->host, k->ep, now);
	l4_sock_wake(s, k);
	return l4_call_end(c, 0);
}

/* SO_LINGER with a time: close waits for the FIN to be acknowledged. */
static bool lingers(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (!k->linger_on || k->linger_s <= 0)
		return false;
	int state = l4_tcp_state(s->host, k->ep);
	if (!c->started) {
		if (state != L4_TCP_ESTABLISHED && state != L4_TCP_CLOSE_WAIT)
			return false;
		if (l4_tcp_inq(s->host, k->ep) > 0)
			return false; /* unread bytes: close resets at once */
		c->started = true;
		c->has_deadline = true;
		c->deadline = now + (l4_time)k->linger_s * L4_SEC;
		l4_tcp_shutdown(s->host, k->ep, now);
		state = l4_tcp_state(s->host, k->ep);
	}
	return (state == L4_TCP_FIN_WAIT_1 || state == L4_TCP_CLOSING ||
		   state == L4_TCP_LAST_ACK) &&
	       now < c->deadline;
}

static bool call_close(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind == L4_SK_TCP) {
		if (lingers(s, k, c, now))
			return false;
		l4_tcp_close(s->host, k->ep, now);
	} else if (k->kind == L4_SK_UDP) {
		l4_udp_close(s->host, k->ep, now);
	}
	l4_sock_release(s, c->fd);
	return l4_call_end(c, 0);
}

static bool call_open(struct l4_socks *s, struct l4_call *c)
{
	if (!c->path)
		return l4_call_end(c, -EFAULT);
	int file = open(c->path, c->a | O_CLOEXEC, 0600);
	if (file < 0)
		return l4_call_end(c, -errno);
	struct l4_sock *k;
	int fd = l4_sock_alloc(s, L4_SK_FILE, &k);
	if (fd < 0) {
		close(file);
		return l4_call_end(c, fd);
	}
	k->file = file;
	return l4_call_end(c, fd);
}

static bool call_name(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	struct l4_endpoint e = { 0 };
	bool local = c->op == L4_CALL_GETSOCKNAME;
	int r;
	if (k->kind == L4_SK_TCP)
		r = local ? l4_tcp_local(s->host, k->ep, &e) : l4_tcp_remote(s->host, k->ep, &e);
	else
		r = local ? l4_udp_local(s->host, k->ep, &e) : l4_udp_remote(s->host, k->ep, &e);
	if (r < 0 && !local)
		return l4_call_end(c, -ENOTCONN);
	l4_sock_to_name(k, &e, c->name, c->name_len);
	return l4_call_end(c, 0);
}

/* Calls that want a socket and nothing else. */
static bool step_socket(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_TCP && k->kind != L4_SK_UDP)
		return l4_call_end(c, -ENOTSOCK);
	if (c->op == L4_CALL_BIND)
		return call_bind(s, k, c);
	if (c->op == L4_CALL_LISTEN)
		return call_listen(s, k, c, now);
	if (c->op == L4_CALL_ACCEPT)
		return call_accept(s, k, c, now);
	if (c->op == L4_CALL_CONNECT)
		return call_connect(s, k, c, now);
	if (c->op == L4_CALL_SHUTDOWN)
		return call_shutdown(s, k, c, now);
	if (c->op == L4_CALL_GETSOCKOPT)
		return l4_call_getsockopt(s, k, c, now);
	if (c->op == L4_CALL_SETSOCKOPT)
		return l4_call_setsockopt(s, k, c, now);
	return call_name(s, k, c);
}

bool l4_call_step(struct l4_socks *s, struct l4_call *c, l4_time now)
{
	struct l4_sock *k = NULL;
	if (c->op == L4_CALL_SOCKET)
		return call_socket(s, c);
	if (c->op == L4_CALL_OPEN)
		return call_open(s, c);
	if (c->op == L4_CALL_PIPE)
		return l4_call_pipe(s, c);
	if (c->op == L4_CALL_POLL)
		return l4_call_poll(s, c, now);
	if (c->op == L4_CALL_EPOLL_CREATE) {
		if (c->a < 0)
			return l4_call_end(c, -EINVAL);
		return l4_call_end(c, l4_sock_alloc(s, L4_SK_EPOLL, &k));
	}
	k = l4_sock_get(s, c->fd);
	if (!k)
		return l4_call_end(c, -EBADF);
	switch (c->op) {
	case L4_CALL_RECV:
		return l4_call_recv(s, k, c, now);
	case L4_CALL_SEND:
		return l4_call_send(s, k, c, now);
	case L4_CALL_FCNTL:
		return call_fcntl(k, c);
	case L4_CALL_IOCTL:
		return l4_call_ioctl(s, k, c);
	case L4_CALL_CLOSE:
		return call_close(s, k, c, now);
	case L4_CALL_EPOLL_CTL:
		return l4_call_epoll_ctl(s, k, c);
	case L4_CALL_EPOLL_WAIT:
		return l4_call_epoll_wait(s, k, c, now);
	case L4_CALL_SPLICE:
		return l4_call_splice(s, c, now);
	case L4_CALL_SENDFILE:
		return l4_call_sendfile(s, c, now);
	case L4_CALL_BIND:
	case L4_CALL_LISTEN:
	case L4_CALL_ACCEPT:
	case L4_CALL_CONNECT:
	case L4_CALL_SHUTDOWN:
	case L4_CALL_GETSOCKOPT:
	case L4_CALL_SETSOCKOPT:
	case L4_CALL_GETSOCKNAME:
	case L4_CALL_GETPEERNAME:
		return step_socket(s, k, c, now);
	case L4_CALL_SOCKET:
	case L4_CALL_OPEN:
	case L4_CALL_PIPE:
	case L4_CALL_POLL:
	case L4_CALL_EPOLL_CREATE:
	case L4_CALL_COUNT:
		break;
	}
	return l4_call_end(c, -ENOSYS);
}

bool l4_socks_events(struct l4_socks *s, l4_time now)
{
	struct l4_event e[32];
	size_t n;
	bool any = false;
	for (size_t at = 0; at < s->n; at++) {
		struct l4_sock *k = s->table[at];
		if (k && k->kind == L4_SK_TCP && l4_sock_stamp_update(s, k, now))
			l4_sock_wake(s, k);
	}
	while ((n = l4_host_events(s->host, e, 32)) > 0) {
		any = true;
		for (size_t i = 0; i < n; i++) {
			for (size_t at = 0; at < s->n; at++) {
				struct l4_sock *k = s->table[at];
				if (k && k->ep == e[i].ep && e[i].ep)
					l4_sock_wake(s, k);
			}
		}
	}
	return any;
}
