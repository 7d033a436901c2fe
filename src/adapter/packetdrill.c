/* layer4-packetdrill.so: the stack behind packetdrill's --so_filename.
 *
 * packetdrill keeps the script, the comparison of times and of packets; this object is its kernel:
 * system calls, wire and clock. The clock is virtual. It moves by one microsecond at each
 * gettimeofday (packetdrill spins on it before an event), by usleep, and to the next deadline when
 * a packet is waited for.
 *
 * Two threads come in: one for lines with an end time, which may sleep in a call, and the main one,
 * which moves the clock meanwhile. One lock guards all. A call that blocks is registered and its
 * thread sleeps on a condition variable; whoever moves the world steps the registered calls, so
 * that the moment of completion is exact. That moment is what the sleeper's next gettimeofday says.
 * A call that blocks in the main thread moves the clock itself.
 *
 * The table's order is the interface: 33 words. Descriptors start at 10000, so that they are never
 * real ones. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <netinet/in.h>

#include "drill/world.h"

struct timezone;

struct packetdrill_interface {
	void *userdata;
	void (*free)(void *u);
	int (*socket)(void *u, int domain, int type, int protocol);
	int (*bind)(void *u, int fd, const struct sockaddr *a, socklen_t n);
	int (*listen)(void *u, int fd, int backlog);
	int (*accept)(void *u, int fd, struct sockaddr *a, socklen_t *n);
	int (*connect)(void *u, int fd, const struct sockaddr *a, socklen_t n);
	ssize_t (*read)(void *u, int fd, void *buf, size_t n);
	ssize_t (*readv)(void *u, int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(void *u, int fd, void *buf, size_t n, int flags);
	ssize_t (*recvfrom)(
	    void *u, int fd, void *buf, size_t n, int flags, struct sockaddr *src, socklen_t *len);
	ssize_t (*recvmsg)(void *u, int fd, struct msghdr *m, int flags);
	ssize_t (*write)(void *u, int fd, const void *buf, size_t n);
	ssize_t (*writev)(void *u, int fd, const struct iovec *iov, int n);
	ssize_t (*send)(void *u, int fd, const void *buf, size_t n, int flags);
	ssize_t (*sendto)(void *u, int fd, const void *buf, size_t n, int flags,
	    const struct sockaddr *dst, socklen_t len);
	ssize_t (*sendmsg)(void *u, int fd, const struct msghdr *m, int flags);
	int (*fcntl)(void *u, int fd, int cmd, ...);
	int (*ioctl)(void *u, int fd, unsigned long request, ...);
	int (*close)(void *u, int fd);
	int (*shutdown)(void *u, int fd, int how);
	int (*getsockopt)(void *u, int fd, int level, int name, void *val, socklen_t *len);
	int (*setsockopt)(void *u, int fd, int level, int name, const void *val, socklen_t len);
	int (*poll)(void *u, struct pollfd *fds, nfds_t n, int timeout);
	int (*netdev_send)(void *u, const void *packet, size_t n);
	int (*netdev_receive)(void *u, void *buf, size_t *n, long long *time_usecs);
	int (*usleep)(void *u, useconds_t usecs);
	int (*gettimeofday)(void *u, struct timeval *tv, struct timezone *tz);
	int (*epoll_create)(void *u, int size);
	int (*epoll_ctl)(void *u, int epfd, int op, int fd, struct epoll_event *ev);
	int (*epoll_wait)(void *u, int epfd, struct epoll_event *ev, int max, int timeout);
	int (*pipe)(void *u, int fds[2]);
	int (*splice)(
	    void *u, int in, loff_t *off_in, int out, loff_t *off_out, size_t n, unsigned flags);
};

_Static_assert(sizeof(struct packetdrill_interface) == 33 * sizeof(void *), "33 words");

__attribute__((visibility("default"))) void packetdrill_interface_init(
    const char *flags, struct packetdrill_interface *ifc);

/* A call whose thread sleeps. */
struct waiter {
	struct waiter *next;
	struct l4_call *c;
	bool done;
	l4_time done_at;
};

struct adapter {
	struct l4_world w;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t main;
	struct waiter *waiters;
};

/* What the next gettimeofday of this thread says: when its call was completed; 0: the clock. */
static _Thread_local l4_time completed_at;

/* ---- The world, under the lock ---- */

static void step_waiters(struct adapter *a)
{
	for (struct waiter *x = a->waiters; x; x = x->next) {
		if (x->done || !l4_call_step(a->w.socks, x->c, a->w.now))
			continue;
		l4_world_pump(&a->w);
		x->done = true;
		x->done_at = a->w.now;
		pthread_cond_broadcast(&a->moved);
	}
}

/* The nearest time-out of a sleeping call. */
static l4_time waiters_deadline(const struct adapter *a)
{
	l4_time d = L4_TIME_NEVER;
	for (const struct waiter *x = a->waiters; x; x = x->next)
		if (!x->done && l4_call_deadline(x->c) < d)
			d = l4_call_deadline(x->c);
	return d;
}

/* Moves the world once, at most to until. False when nothing was left to do before it. */
static bool move(struct adapter *a, l4_time until)
{
	l4_time d = waiters_deadline(a);
	if (d <= a->w.now)
		d = L4_TIME_NEVER; /* its step is due now */
	bool did = l4_world_run(&a->w, d < until ? d : until);
	step_waiters(a);
	return did || d < until;
}

static void move_to(struct adapter *a, l4_time until)
{
	while (a->w.now < until)
		move(a, until);
}

/* Runs a call to its end, asleep or moving the clock. */
static int64_t run(struct adapter *a, struct l4_call *c)
{
	pthread_mutex_lock(&a->lock);
	bool main = pthread_equal(pthread_self(), a->main);
	bool done = l4_call_step(a->w.socks, c, a->w.now);
	l4_world_pump(&a->w);
	l4_time at = a->w.now;
	if (done) {
		step_waiters(a);
	} else if (main) {
		for (;;) {
			l4_time until = l4_call_deadline(c);
			bool did = move(a, until);
			at = a->w.now;
			done = l4_call_step(a->w.socks, c, a->w.now);
			l4_world_pump(&a->w);
			if (done)
				break;
			if (!did && until == L4_TIME_NEVER) {
				/* nothing can ever wake it */
				l4_call_cancel(a->w.socks, c);
				break;
			}
		}
	} else {
		struct waiter x = { .next = a->waiters, .c = c };
		a->waiters = &x;
		while (!x.done)
			pthread_cond_wait(&a->moved, &a->lock);
		for (struct waiter **p = &a->waiters; *p; p = &(*p)->next) {
			if (*p == &x) {
				*p = x.next;
				break;
			}
		}
		at = x.done_at;
	}
	if (!main)
		completed_at = at;
	pthread_mutex_unlock(&a->lock);
	if (c->ret < 0)
		errno = c->err;
	return c->ret;
}

/* ---- The clock and the wire ---- */

static int ifc_gettimeofday(void *u, struct timeval *tv, struct timezone *tz)
{
	struct adapter *a = u;
	(void)tz;
	pthread_mutex_lock(&a->lock);
	l4_time t = completed_at;
	completed_at = 0;
	if (!t) {
		move_to(a, a->w.now + L4_USEC);
		t = a->w.now;
	}
	pthread_mutex_unlock(&a->lock);
	tv->tv_sec = (time_t)(t / L4_SEC);
	tv->tv_usec = (suseconds_t)(t % L4_SEC / L4_USEC);
	return 0;
}

static int ifc_usleep(void *u, useconds_t usecs)
{
	struct adapter *a = u;
	pthread_mutex_lock(&a->lock);
	move_to(a, a->w.now + usecs * L4_USEC);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

static int ifc_netdev_send(void *u, const void *packet, size_t n)
{
	struct adapter *a = u;
	pthread_mutex_lock(&a->lock);
	l4_world_inject(&a->w, packet, n);
	step_waiters(a);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

static int ifc_netdev_receive(void *u, void *buf, size_t *n, long long *time_usecs)
{
	struct adapter *a = u;
	pthread_mutex_lock(&a->lock);
	struct l4_wire_packet *p;
	while (!(p = l4_world_take(&a->w))) {
		if (l4_host_deadline(a->w.host) == L4_TIME_NEVER &&
		    waiters_deadline(a) == L4_TIME_NEVER)
			break;
		move(a, L4_TIME_NEVER);
	}
	size_t len = 0;
	if (p) {
		len = p->len < *n ? p->len : *n;
		memcpy(buf, p->data, len);
		*time_usecs = (long long)(p->time / L4_USEC);
		free(p);
	} else {
		/* no packet will ever come: an empty one makes the script fail */
		*time_usecs = (long long)(a->w.now / L4_USEC);
	}
	*n = len;
	pthread_mutex_unlock(&a->lock);
	return 0;
}

/* ---- System calls ---- */

static int ifc_socket(void *u, int domain, int type, int protocol)
{
	struct l4_call c = { .op = L4_CALL_SOCKET, .a = domain, .b = type, .c = protocol };
	return (int)run(u, &c);
}

/* The script's local address, when the flags have named none. */
static void learn_local(struct adapter *a, const struct sockaddr *name, socklen_t n)
{
	struct l4_prefix p = { .len = 128 };
	if (name && name->sa_family == AF_INET && n >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;
		uint8_t b[4];
		memcpy(&in, name, sizeof(in));
		memcpy(b, &in.sin_addr, 4);
		p.addr = l4_addr_from_ip4(b);
	} else if (name && name->sa_family == AF_INET6 && n >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in;
		memcpy(&in, name, sizeof(in));
		p.addr = l4_addr_from_ip6(in.sin6_addr.s6_addr);
	} else {
		return;
	}
	if (!l4_addr_is_any(&p.addr) && !l4_addr_is_multicast(&p.addr))
		l4_host_add_address(a->w.host, a->w.ifindex, &p, a->w.now);
}

static int ifc_bind(void *u, int fd, const struct sockaddr *name, socklen_t n)
{
	struct adapter *a = u;
	struct l4_call c = { .op = L4_CALL_BIND, .fd = fd, .cname = name, .cname_len = n };
	int r = (int)run(u, &c);
	if (r == 0 || errno != EADDRNOTAVAIL)
		return r;
	pthread_mutex_lock(&a->lock);
	learn_local(a, name, n);
	pthread_mutex_unlock(&a->lock);
	return (int)run(u, &c);
}

static int ifc_listen(void *u, int fd, int backlog)
{
	struct l4_call c = { .op = L4_CALL_LISTEN, .fd = fd, .a = backlog };
	return (int)run(u, &c);
}

static int ifc_accept(void *u, int fd, struct sockaddr *name, socklen_t *n)
{
	struct l4_call c = { .op = L4_CALL_ACCEPT, .fd = fd, .name = name, .name_len = n };
	return (int)run(u, &c);
}

static int ifc_connect(void *u, int fd, const struct sockaddr *name, socklen_t n)
{
	struct l4_call c = { .op = L4_CALL_CONNECT, .fd = fd, .cname = name, .cname_len = n };
	return (int)run(u, &c);
}

static ssize_t receive(void *u, int fd, const struct iovec *iov, int n, int flags,
    struct sockaddr *name, socklen_t *len, struct msghdr *m)
{
	struct l4_call c = { .op = L4_CALL_RECV, .fd = fd, .a = flags };
	c.iov = iov;
	c.iov_n = n < 0 ? 0 : (size_t)n;
	c.name = name;
	c.name_len = len;
	c.msg = m;
	return (ssize_t)run(u, &c);
}

static ssize_t transmit(void *u, int fd, const struct iovec *iov, int n, int flags,
    const struct sockaddr *name, socklen_t len)
{
	struct l4_call c = { .op = L4_CALL_SEND, .fd = fd, .a = flags };
	c.iov = iov;
	c.iov_n = n < 0 ? 0 : (size_t)n;
	c.cname = name;
	c.cname_len = len;
	return (ssize_t)run(u, &c);
}

/* One piece; the bytes are only read when it is sent. */
static struct iovec piece(const void *buf, size_t n)
{
	struct iovec iov = { .iov_len = n };
	memcpy(&iov.iov_base, &buf, sizeof(buf));
	return iov;
}

static ssize_t ifc_read(void *u, int fd, void *buf, size_t n)
{
	struct iovec iov = piece(buf, n);
	return receive(u, fd, &iov, 1, 0, NULL, NULL, NULL);
}

static ssize_t ifc_readv(void *u, int fd, const struct iovec *iov, int n)
{
	return receive(u, fd, iov, n, 0, NULL, NULL, NULL);
}

static ssize_t ifc_recv(void *u, int fd, void *buf, size_t n, int flags)
{
	struct iovec iov = piece(buf, n);
	return receive(u, fd, &iov, 1, flags, NULL, NULL, NULL);
}

static ssize_t ifc_recvfrom(
    void *u, int fd, void *buf, size_t n, int flags, struct sockaddr *src, socklen_t *len)
{
	struct iovec iov = piece(buf, n);
	return receive(u, fd, &iov, 1, flags, src, len, NULL);
}

static ssize_t ifc_recvmsg(void *u, int fd, struct msghdr *m, int flags)
{
	socklen_t len = m->msg_namelen;
	ssize_t r = receive(u, fd, m->msg_iov, (int)m->msg_iovlen, flags, m->msg_name,
	    m->msg_name ? &len : NULL, m);
	if (r >= 0)
		m->msg_namelen = m->msg_name ? len : 0;
	return r;
}

static ssize_t ifc_write(void *u, int fd, const void *buf, size_t n)
{
	struct iovec iov = piece(buf, n);
	return transmit(u, fd, &iov, 1, 0, NULL, 0);
}

static ssize_t ifc_writev(void *u, int fd, const struct iovec *iov, int n)
{
	return transmit(u, fd, iov, n, 0, NULL, 0);
}

static ssize_t ifc_send(void *u, int fd, const void *buf, size_t n, int flags)
{
	struct iovec iov = piece(buf, n);
	return transmit(u, fd, &iov, 1, flags, NULL, 0);
}

static ssize_t ifc_sendto(void *u, int fd, const void *buf, size_t n, int flags,
    const struct sockaddr *dst, socklen_t len)
{
	struct iovec iov = piece(buf, n);
	return transmit(u, fd, &iov, 1, flags, dst, len);
}

static ssize_t ifc_sendmsg(void *u, int fd, const struct msghdr *m, int flags)
{
	return transmit(u, fd, m->msg_iov, (int)m->msg_iovlen, flags, m->msg_name, m->msg_namelen);
}

static int ifc_fcntl(void *u, int fd, int cmd, ...)
{
	struct l4_call c = { .op = L4_CALL_FCNTL, .fd = fd, .a = cmd };
	if (cmd == F_SETFL || cmd == F_SETFD) {
		va_list ap;
		va_start(ap, cmd);
		c.b = va_arg(ap, int);
		va_end(ap);
	}
	return (int)run(u, &c);
}

static int ifc_ioctl(void *u, int fd, unsigned long request, ...)
{
	va_list ap;
	va_start(ap, request);
	struct l4_call c = { .op = L4_CALL_IOCTL, .fd = fd, .request = request };
	c.val = va_arg(ap, int *);
	va_end(ap);
	return (int)run(u, &c);
}

static int ifc_close(void *u, int fd)
{
	struct l4_call c = { .op = L4_CALL_CLOSE, .fd = fd };
	return (int)run(u, &c);
}

static int ifc_shutdown(void *u, int fd, int how)
{
	struct l4_call c = { .op = L4_CALL_SHUTDOWN, .fd = fd, .a = how };
	return (int)run(u, &c);
}

static int ifc_getsockopt(void *u, int fd, int level, int name, void *val, socklen_t *len)
{
	struct l4_call c = { .op = L4_CALL_GETSOCKOPT, .fd = fd, .a = level, .b = name };
	c.val = val;
	c.val_len = len;
	return (int)run(u, &c);
}

static int ifc_setsockopt(void *u, int fd, int level, int name, const void *val, socklen_t len)
{
	struct l4_call c = { .op = L4_CALL_SETSOCKOPT, .fd = fd, .a = level, .b = name };
	c.cval = val;
	c.cval_len = len;
	return (int)run(u, &c);
}

static int ifc_poll(void *u, struct pollfd *fds, nfds_t n, int timeout)
{
	struct l4_call c = { .op = L4_CALL_POLL, .fds = fds, .n = n, .a = timeout };
	return (int)run(u, &c);
}

static int ifc_epoll_create(void *u, int size)
{
	struct l4_call c = { .op = L4_CALL_EPOLL_CREATE };
	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	return (int)run(u, &c);
}

static int ifc_epoll_ctl(void *u, int epfd, int op, int fd, struct epoll_event *ev)
{
	struct l4_call c = { .op = L4_CALL_EPOLL_CTL, .fd = epfd, .a = op, .b = fd, .ev = ev };
	return (int)run(u, &c);
}

static int ifc_epoll_wait(void *u, int epfd, struct epoll_event *ev, int max, int timeout)
{
	struct l4_call c = { .op = L4_CALL_EPOLL_WAIT, .fd = epfd, .ev = ev, .a = timeout };
	c.n = max < 0 ? 0 : (size_t)max;
	return (int)run(u, &c);
}

static int ifc_pipe(void *u, int fds[2])
{
	struct l4_call c = { .op = L4_CALL_PIPE, .pair = fds };
	return (int)run(u, &c);
}

static int ifc_splice(
    void *u, int in, loff_t *off_in, int out, loff_t *off_out, size_t n, unsigned flags)
{
	(void)off_in; /* points to the script's number also where it says NULL */
	(void)off_out;
	struct l4_call c = { .op = L4_CALL_SPLICE, .fd = in, .b = out, .size = n, .a = (int)flags };
	return (int)run(u, &c);
}

static void ifc_free(void *u)
{
	struct adapter *a = u;
	l4_world_free(&a->w);
	pthread_cond_destroy(&a->moved);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *ifc)
{
	struct l4_settings s;
	struct adapter *a = calloc(1, sizeof(*a));
	l4_settings_init(&s);
	l4_settings_flags(&s, flags);
	int r = a ? l4_world_new(&a->w, &s) : L4_ENOMEM;
	if (r < 0) {
		fprintf(
		    stderr, "layer4-packetdrill: cannot set up the stack: %s\n", l4_err_text(r));
		exit(1);
	}
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->moved, NULL);
	a->main = pthread_self();
	*ifc = (struct packetdrill_interface){
		.userdata = a,
		.free = ifc_free,
		.socket = ifc_socket,
		.bind = ifc_bind,
		.listen = ifc_listen,
		.accept = ifc_accept,
		.connect = ifc_connect,
		.read = ifc_read,
		.readv = ifc_readv,
		.recv = ifc_recv,
		.recvfrom = ifc_recvfrom,
		.recvmsg = ifc_recvmsg,
		.write = ifc_write,
		.writev = ifc_writev,
		.send = ifc_send,
		.sendto = ifc_sendto,
		.sendmsg = ifc_sendmsg,
		.fcntl = ifc_fcntl,
		.ioctl = ifc_ioctl,
		.close = ifc_close,
		.shutdown = ifc_shutdown,
		.getsockopt = ifc_getsockopt,
		.setsockopt = ifc_setsockopt,
		.poll = ifc_poll,
		.netdev_send = ifc_netdev_send,
		.netdev_receive = ifc_netdev_receive,
		.usleep = ifc_usleep,
		.gettimeofday = ifc_gettimeofday,
		.epoll_create = ifc_epoll_create,
		.epoll_ctl = ifc_epoll_ctl,
		.epoll_wait = ifc_epoll_wait,
		.pipe = ifc_pipe,
		.splice = ifc_splice,
	};
}
