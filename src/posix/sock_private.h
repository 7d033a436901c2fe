/* Inside of the socket layer. Included by src/posix only. */
#ifndef L4_POSIX_SOCK_PRIVATE_H
#define L4_POSIX_SOCK_PRIVATE_H

#include "posix/sock.h"

enum l4_sock_kind {
	L4_SK_FREE,
	L4_SK_TCP,
	L4_SK_UDP,
	L4_SK_EPOLL,
	L4_SK_PIPE_READ,
	L4_SK_PIPE_WRITE,
	L4_SK_FILE, /* a descriptor of the system */
};

#define L4_SK_PIPE_SIZE 65536

struct l4_sk_pipe {
	uint8_t data[L4_SK_PIPE_SIZE];
	size_t start, len;
	bool reader, writer; /* ends that are open */
};

/* One registration in an epoll set. */
struct l4_sk_watch {
	int fd;
	uint64_t id; /* of the socket, so that a reused number is another one */
	uint32_t events;
	epoll_data_t data;
	bool disabled;  /* one-shot that has fired */
	uint64_t ready; /* order in which it became ready; 0: not */
};

struct l4_sk_epoll {
	struct l4_sk_watch *watches;
	size_t n, cap;
};

/* An option that is remembered and has no further effect here. */
struct l4_sk_saved {
	int level, name;
	int value;
};

#define L4_SK_SAVED_MAX 24
#define L4_SK_ERRQ_MAX  64

/* A notification of the error queue: zero copy, or a moment of sending. */
struct l4_sk_note {
	uint32_t lo, hi; /* send calls; which moment (SCM_TSTAMP_), and of which byte */
	bool copied;
	l4_time stamp; /* 0: zero copy */
};

/* A send whose moments are asked for (SO_TIMESTAMPING). */
struct l4_sk_stamp {
	uint64_t end; /* bytes of the stream up to its end */
	int flags;    /* SOF_TIMESTAMPING_TX_ when it was sent */
	bool sent;
};

/* A send with MSG_ZEROCOPY that is not acknowledged yet. */
struct l4_sk_zc {
	uint32_t id;
	uint64_t end; /* bytes of the stream up to its end */
};

struct l4_sock {
	enum l4_sock_kind kind;
	uint64_t id;
	l4_ep ep;
	int domain;
	int type;
	bool nonblock, cloexec;
	bool listening, connecting, connected;
	bool fo_deferred; /* TCP_FASTOPEN_CONNECT: the SYN waits for the first write */
	bool shut_rd, shut_wr;
	bool err_taken; /* the error that ended it has been told */
	bool sndbuf_set, rcvbuf_set, inq, zerocopy, recverr, freebind, recvtos;
	int sndbuf, rcvbuf;               /* as asked for */
	int64_t rcvtimeo_ns, sndtimeo_ns; /* 0: none */
	bool linger_on;
	int linger_s;
	int pmtudisc;
	uint64_t written; /* bytes taken from the caller */
	uint32_t zc_next;
	struct l4_sk_zc zc[L4_SK_ERRQ_MAX];
	size_t zc_n;
	bool fo_key_set; /* TCP_FASTOPEN_KEY */
	uint8_t fo_key[16];
	int stamping; /* SO_TIMESTAMPING */
	uint64_t stamp_base;
	struct l4_sk_stamp stamps[L4_SK_ERRQ_MAX];
	size_t stamps_n;
	struct l4_sk_note notes[L4_SK_ERRQ_MAX];
	size_t notes_n;
	struct l4_sk_pipe *pipe;
	struct l4_sk_epoll epoll;
	int file;
	struct l4_sk_saved saved[L4_SK_SAVED_MAX];
	size_t saved_n;
};

struct l4_socks {
	struct l4_host *host;
	int first_fd;
	struct l4_sock **table;
	size_t n;
	uint64_t next_id, next_ready;
	bool fastopen, bsd;
};

/* Ends a call: a result >= 0, or a negative errno value. Always true. */
bool l4_call_end(struct l4_call *c, int64_t result);
struct l4_sock *l4_sock_get(const struct l4_socks *s, int fd);
/* A fresh entry; its descriptor, or a negative errno value. */
int l4_sock_alloc(struct l4_socks *s, enum l4_sock_kind kind, struct l4_sock **out);
void l4_sock_release(struct l4_socks *s, int fd);
/* The call cannot go on now. Ends it with EAGAIN when it must not wait or its time is over. */
bool l4_call_wait(struct l4_call *c, bool nonblock, int64_t timeout_ns, l4_time now);
int l4_sock_from_name(
    const struct l4_sock *k, const struct sockaddr *name, socklen_t len, struct l4_endpoint *out);
void l4_sock_to_name(
    const struct l4_sock *k, const struct l4_endpoint *e, struct sockaddr *name, socklen_t *len);
/* The error of a TCP socket, told once: then 0. As errno value. */
int l4_sock_take_error(struct l4_socks *s, struct l4_sock *k);

bool l4_call_recv(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
bool l4_call_send(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
bool l4_call_splice(struct l4_socks *s, struct l4_call *c, l4_time now);
bool l4_call_sendfile(struct l4_socks *s, struct l4_call *c, l4_time now);
bool l4_call_ioctl(struct l4_socks *s, struct l4_sock *k, struct l4_call *c);
bool l4_call_getsockopt(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
bool l4_call_setsockopt(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
bool l4_call_poll(struct l4_socks *s, struct l4_call *c, l4_time now);
bool l4_call_epoll_ctl(struct l4_socks *s, struct l4_sock *k, struct l4_call *c);
bool l4_call_epoll_wait(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
bool l4_call_pipe(struct l4_socks *s, struct l4_call *c);
/* Level-triggered readiness as poll(2) sees it, all bits. */
uint32_t l4_sock_readiness(struct l4_socks *s, struct l4_sock *k);
/* Something happened to the socket: its watches become ready. */
void l4_sock_wake(struct l4_socks *s, const struct l4_sock *k);
size_t l4_pipe_write(struct l4_sk_pipe *p, const void *data, size_t len);
size_t l4_pipe_read(struct l4_sk_pipe *p, void *data, size_t len);
/* Zero-copy sends whose bytes are acknowledged become notifications. */
void l4_sock_zc_update(struct l4_socks *s, struct l4_sock *k);
/* So do the moments of sends that are due by now. True when there are new ones. */
bool l4_sock_stamp_update(struct l4_socks *s, struct l4_sock *k, l4_time now);
void l4_sock_stamping(struct l4_sock *k, int flags);
/* A send has ended: what it asked to be told of. */
void l4_sock_note_sent(struct l4_sock *k, const struct l4_call *c);
bool l4_call_recv_errqueue(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now);
/* Appends one control message where it fits; sets MSG_CTRUNC where not. */
void l4_sock_put_cmsg(
    struct msghdr *m, size_t *used, int level, int type, const void *data, size_t len);

#endif
