/* Sockets as Linux has them, on a host of the library. Included by src/posix, src/drill and
 * src/adapter only.
 *
 * A table maps descriptors to endpoints of one host (and to pipes and epoll sets). A system call is
 * a struct l4_call that is stepped: one step does what can be done now; when that is not the end,
 * the call blocks and is stepped again after the host has moved. So the same code serves a runner
 * in virtual time, which has no threads, and a shared object whose callers sleep on a condition
 * variable. Nothing here waits, locks or reads a clock. */
#ifndef L4_POSIX_SOCK_H
#define L4_POSIX_SOCK_H

#include <layer4/host.h>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

enum l4_call_op {
	L4_CALL_SOCKET,  /* a domain, b type, c protocol */
	L4_CALL_BIND,    /* cname, cname_len */
	L4_CALL_LISTEN,  /* a backlog */
	L4_CALL_ACCEPT,  /* name, name_len; a: SOCK_NONBLOCK */
	L4_CALL_CONNECT, /* cname, cname_len */
	L4_CALL_RECV,    /* iov, iov_n, a flags, name, name_len, msg */
	L4_CALL_SEND,    /* iov, iov_n, a flags, cname, cname_len */
	L4_CALL_FCNTL,   /* a command, b argument */
	L4_CALL_IOCTL,   /* request, val (int *) */
	L4_CALL_CLOSE,
	L4_CALL_SHUTDOWN,   /* a how */
	L4_CALL_GETSOCKOPT, /* a level, b name, val, val_len */
	L4_CALL_SETSOCKOPT, /* a level, b name, cval, cval_len */
	L4_CALL_POLL,       /* fds, n, a timeout in ms */
	L4_CALL_EPOLL_CREATE,
	L4_CALL_EPOLL_CTL,   /* a operation, b descriptor, ev */
	L4_CALL_EPOLL_WAIT,  /* ev, n, a timeout in ms */
	L4_CALL_PIPE,        /* pair */
	L4_CALL_SPLICE,      /* fd in, b out, size, a flags */
	L4_CALL_SENDFILE,    /* fd out, b in, offset, size */
	L4_CALL_OPEN,        /* path, a flags: a file of the system, for SENDFILE */
	L4_CALL_GETSOCKNAME, /* name, name_len */
	L4_CALL_GETPEERNAME, /* name, name_len */
	L4_CALL_COUNT
};

/* One system call. Zero it, fill in op, fd and what the list above names, then step it until it is
 * done. All pointers are the caller's and stay valid until then. */
struct l4_call {
	enum l4_call_op op;
	int fd, a, b, c;
	unsigned long request;
	const struct iovec *iov;
	size_t iov_n;
	struct msghdr *msg; /* RECV by recvmsg: msg_flags, control and name are filled in */
	struct sockaddr *name;
	socklen_t *name_len;
	const struct sockaddr *cname;
	socklen_t cname_len;
	void *val;
	socklen_t *val_len;
	const void *cval;
	socklen_t cval_len;
	struct pollfd *fds;
	struct epoll_event *ev;
	size_t n;
	int *pair;
	off_t *offset;
	size_t size;
	const char *path;
	/* progress */
	bool started, has_deadline;
	bool
	    opens; /* a blocking send whose data went with the SYN: its result is the handshake's */
	size_t done;
	l4_time deadline;
	/* result, when done */
	int64_t ret; /* -1 on error */
	int err;     /* errno value, 0 when ret >= 0 */
};

struct l4_socks;

/* Descriptors are numbered from first_fd. The host is borrowed and must outlive the table. */
struct l4_socks *l4_socks_new(struct l4_host *h, int first_fd);
/* Frees the table; endpoints that are open are aborted. */
void l4_socks_free(struct l4_socks *s, l4_time now);
/* True when the call is done; false when it blocks. */
bool l4_call_step(struct l4_socks *s, struct l4_call *c, l4_time now);
/* Gives a blocked call up, so that its memory may go. */
void l4_call_cancel(struct l4_socks *s, struct l4_call *c);
/* When a blocked call wants a step though nothing happens: its time-out. L4_TIME_NEVER if never. */
l4_time l4_call_deadline(const struct l4_call *c);
/* Takes the host's events; to be called after the host has moved. True when there were any, so
 * that blocked calls are worth a step. */
bool l4_socks_events(struct l4_socks *s, l4_time now);
/* The endpoint behind a descriptor (TCP: *udp false), 0 when there is none. */
l4_ep l4_socks_ep(const struct l4_socks *s, int fd, bool *udp);
/* Descriptors in use, for closing what is left: the i-th, or -1. */
int l4_socks_nth(const struct l4_socks *s, size_t i);
/* Whether the host does Fast Open as a client (tcp_fastopen, bit 0); default false. Without it
 * MSG_FASTOPEN and TCP_FASTOPEN_CONNECT are EOPNOTSUPP. */
void l4_socks_fastopen(struct l4_socks *s, bool yes);
/* Whether calls do as FreeBSD's: buffer sizes read back as they were set, sendto() to an address
 * on a socket with TCP_FASTOPEN opens the connection. */
void l4_socks_bsd(struct l4_socks *s, bool yes);

/* struct tcp_info of Linux's interface, 280 bytes, in the machine's byte order. Returns bytes
 * written (at most cap). */
size_t l4_sock_tcp_info(const struct l4_tcp_info *in, void *out, size_t cap);
/* The errno value for an L4_E* code. */
int l4_sock_errno(int64_t l4_error);

#endif
