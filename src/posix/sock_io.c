/* Sockets as Linux has them: moving bytes. recv and send in all their forms, pipes, splice,
 * sendfile, ioctl.
 *
 * A blocking send is stepped until all bytes are taken; a blocking receive until there is at least
 * one, or all with MSG_WAITALL. Several pieces are gathered first, so that segment boundaries do
 * not depend on how the caller cut them. */
#include "posix/sock_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CM_INQ 36 /* TCP_CM_INQ */

static size_t iov_bytes(const struct l4_call *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->iov_n; i++)
		n += c->iov[i].iov_len;
	return n;
}

/* ---- Control messages ---- */

/* Appends one control message where it fits; sets MSG_CTRUNC where not. */
void l4_sock_put_cmsg(
    struct msghdr *m, size_t *used, int level, int type, const void *data, size_t len)
{
	size_t room = m->msg_controllen > *used ? m->msg_controllen - *used : 0;
	if (!m->msg_control || room < CMSG_LEN(len)) {
		m->msg_flags |= MSG_CTRUNC;
		return;
	}
	struct cmsghdr h = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };
	uint8_t *p = (uint8_t *)m->msg_control + *used;
	memcpy(p, &h, sizeof(h));
	memcpy(p + CMSG_LEN(0), data, len);
	size_t space = CMSG_SPACE(len);
	*used += space < room ? space : room;
}

static void finish_msg(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, int flags)
{
	struct msghdr *m = c->msg;
	size_t used = 0;
	m->msg_flags = flags;
	if (k->kind == L4_SK_TCP && k->inq && !(flags & MSG_ERRQUEUE)) {
		int64_t q = l4_tcp_inq(s->host, k->ep);
		int inq = q > 0 ? (int)q : 0;
		/* the kernel counts the peer's FIN as one more byte to read */
		if (q >= 0 && !inq && (l4_tcp_ready(s->host, k->ep) & L4_EV_EOF))
			inq = 1;
		l4_sock_put_cmsg(m, &used, SOL_TCP, CM_INQ, &inq, sizeof(inq));
	}
	m->msg_controllen = used;
}

/* ---- Receiving ---- */

static bool recv_udp(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	size_t want = iov_bytes(c);
	uint8_t *buf = malloc(want ? want : 1);
	if (!buf)
		return l4_call_end(c, -ENOMEM);
	struct l4_udp_msg m;
	int64_t r = c->a & MSG_PEEK ? l4_udp_peek(s->host, k->ep, buf, want, &m, now)
				    : l4_udp_recv(s->host, k->ep, buf, want, &m, now);
	if (r < 0) {
		free(buf);
		if (r == L4_EAGAIN && k->shut_rd)
			return l4_call_end(c, 0);
		if (r == L4_EAGAIN)
			return l4_call_wait(
			    c, k->nonblock || (c->a & MSG_DONTWAIT), k->rcvtimeo_ns, now);
		return l4_call_end(c, -l4_sock_errno(r));
	}
	size_t at = 0;
	for (size_t i = 0; i < c->iov_n && at < (size_t)r; i++) {
		size_t n = (size_t)r - at;
		if (n > c->iov[i].iov_len)
			n = c->iov[i].iov_len;
		memcpy(c->iov[i].iov_base, buf + at, n);
		at += n;
	}
	free(buf);
	l4_sock_to_name(k, &m.from, c->name, c->name_len);
	if (c->msg)
		finish_msg(s, k, c, m.len > want ? MSG_TRUNC : 0);
	return l4_call_end(c, c->a & MSG_TRUNC ? (int64_t)m.len : r);
}

static bool recv_pipe(struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_PIPE_READ)
		return l4_call_end(c, -EBADF);
	size_t n = 0;
	for (size_t i = 0; i < c->iov_n; i++)
		n += l4_pipe_read(k->pipe, c->iov[i].iov_base, c->iov[i].iov_len);
	if (n || !k->pipe->writer || !iov_bytes(c))
		return l4_call_end(c, (int64_t)n);
	return l4_call_wait(c, k->nonblock, 0, now);
}

/* The urgent byte (RFC 9293 3.8.5, as the socket interface has it). */
static bool recv_urgent(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (!c->iov_n || !c->iov[0].iov_len)
		return l4_call_end(c, 0);
	int flags = L4_RECV_URGENT | (c->a & MSG_PEEK ? L4_RECV_PEEK : 0);
	int64_t r = l4_tcp_recv(s->host, k->ep, c->iov[0].iov_base, 1, flags, now);
	if (c->msg && r >= 0)
		finish_msg(s, k, c, MSG_OOB);
	if (r >= 0)
		return l4_call_end(c, r);
	/* EAGAIN while it is announced and not here, EINVAL when there is none */
	return l4_call_end(c, r == L4_EAGAIN ? -EAGAIN : -EINVAL);
}

/* As many bytes as are there; their number, or L4_E* when there are none. */
static int64_t recv_some(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	int flags = (c->a & MSG_PEEK ? L4_RECV_PEEK : 0) | (c->a & MSG_TRUNC ? L4_RECV_TRUNC : 0);
	size_t skip = c->done, got = 0;
	if (c->a & MSG_PEEK && c->iov_n > 1) {
		/* peeking always starts at the first byte: through one buffer */
		size_t want = iov_bytes(c);
		uint8_t *buf = malloc(want ? want : 1);
		if (!buf)
			return L4_ENOMEM;
		int64_t r = l4_tcp_recv(s->host, k->ep, buf, want, flags, now);
		size_t at = 0;
		for (size_t i = 0; i < c->iov_n && r > 0 && at < (size_t)r; i++) {
			size_t n = (size_t)r - at;
			n = n < c->iov[i].iov_len ? n : c->iov[i].iov_len;
			memcpy(c->iov[i].iov_base, buf + at, n);
			at += n;
		}
		free(buf);
		return r;
	}
	for (size_t i = 0; i < c->iov_n; i++) {
		size_t len = c->iov[i].iov_len;
		if (skip >= len) {
			skip -= len;
			continue;
		}
		uint8_t *base = c->iov[i].iov_base;
		int64_t r = l4_tcp_recv(s->host, k->ep, base ? base + skip : NULL, len - skip,
		    base ? flags : flags | L4_RECV_TRUNC, now);
		if (r <= 0)
			return got ? (int64_t)got : r;
		got += (size_t)r;
		if ((size_t)r < len - skip)
			break;
		skip = 0;
	}
	return (int64_t)got;
}

static bool recv_done(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, int64_t result)
{
	if (c->msg && result >= 0)
		finish_msg(s, k, c, 0);
	if (result >= 0 && c->name_len)
		*c->name_len = 0; /* TCP names no sender */
	return l4_call_end(c, result);
}

bool l4_call_recv(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (c->a & MSG_ERRQUEUE && (k->kind == L4_SK_TCP || k->kind == L4_SK_UDP))
		return l4_call_recv_errqueue(s, k, c, now);
	if (k->kind == L4_SK_UDP)
		return recv_udp(s, k, c, now);
	if (k->kind == L4_SK_PIPE_READ || k->kind == L4_SK_PIPE_WRITE)
		return recv_pipe(k, c, now);
	if (k->kind == L4_SK_EPOLL || k->kind == L4_SK_FILE)
		return l4_call_end(c, -EINVAL);
	int state = l4_tcp_state(s->host, k->ep);
	if (state == L4_TCP_LISTEN)
		return l4_call_end(c, -ENOTCONN);
	if (c->a & MSG_OOB)
		return recv_urgent(s, k, c, now);
	size_t want = iov_bytes(c);
	bool nonblock = k->nonblock || (c->a & MSG_DONTWAIT);
	if (want && !c->iov[0].iov_base && !(c->a & MSG_TRUNC) && l4_tcp_inq(s->host, k->ep) > 0)
		return l4_call_end(c, -EFAULT);
	int64_t r = want ? recv_some(s, k, c, now) : 0;
	if (!want)
		return recv_done(s, k, c, 0);
	if (r > 0) {
		c->done += (size_t)r;
		bool all = (c->a & MSG_WAITALL) && !(c->a & MSG_PEEK) && !nonblock;
		if (!all || c->done >= want)
			return recv_done(s, k, c, (int64_t)c->done);
		r = L4_EAGAIN;
	}
	if (r == 0 || c->done)
		if (r != L4_EAGAIN)
			return recv_done(s, k, c, (int64_t)c->done);
	if (k->shut_rd && (r == L4_EAGAIN || r == L4_ENOTCONN))
		return recv_done(s, k, c, (int64_t)c->done);
	bool opening = state == L4_TCP_SYN_SENT || state == L4_TCP_SYN_RECEIVED;
	if (r == L4_EAGAIN || (opening && r == L4_ENOTCONN)) {
		if (!l4_call_wait(c, nonblock, k->rcvtimeo_ns, now))
			return false;
		return c->done ? recv_done(s, k, c, (int64_t)c->done) : true;
	}
	/* over: Linux tells the error once, then the end of the stream */
	if (r == L4_ENOTCONN && !k->connected && !k->connecting)
		return l4_call_end(c, -ENOTCONN);
	int err = l4_sock_take_error(s, k);
	if (err)
		return l4_call_end(c, -err);
	if (k->err_taken || r == L4_ENOTCONN)
		return recv_done(s, k, c, 0);
	k->err_taken = true;
	return l4_call_end(c, -l4_sock_errno(r));
}

/* ---- Sending ---- */

/* The bytes from `done` on, in one run; *owned is to be freed. NULL without memory. */
static const uint8_t *gather(struct l4_call *c, size_t total, uint8_t **owned)
{
	*owned = NULL;
	if (c->iov_n == 1)
		return (const uint8_t *)c->iov[0].iov_base + c->done;
	uint8_t *buf = malloc(total ? total : 1);
	if (!buf)
		return NULL;
	size_t at = 0;
	for (size_t i = 0; i < c->iov_n; i++) {
		if (c->iov[i].iov_len)
			memcpy(buf + at, c->iov[i].iov_base, c->iov[i].iov_len);
		at += c->iov[i].iov_len;
	}
	*owned = buf;
	return buf + c->done;
}

static bool send_udp(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	struct l4_endpoint to;
	bool named = c->cname && c->cname_len;
	if (named) {
		int r = l4_sock_from_name(k, c->cname, c->cname_len, &to);
		if (r < 0)
			return l4_call_end(c, r);
	}
	if (!named && !k->connected)
		return l4_call_end(c, -EDESTADDRREQ);
	if (k->shut_wr)
		return l4_call_end(c, -EPIPE);
	size_t total = iov_bytes(c);
	uint8_t *owned;
	const uint8_t *data = gather(c, total, &owned);
	if (!data && total)
		return l4_call_end(c, c->iov_n == 1 ? -EFAULT : -ENOMEM);
	int64_t r = l4_udp_send(s->host, k->ep, named ? &to : NULL, data, total, now);
	free(owned);
	if (r == L4_EAGAIN)
		return l4_call_wait(c, k->nonblock || (c->a & MSG_DONTWAIT), k->sndtimeo_ns, now);
	return l4_call_end(c, r < 0 ? -l4_sock_errno(r) : r);
}

static bool send_pipe(struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind != L4_SK_PIPE_WRITE)
		return l4_call_end(c, -EBADF);
	if (!k->pipe->reader)
		return l4_call_end(c, -EPIPE);
	size_t total = iov_bytes(c);
	uint8_t *owned;
	const uint8_t *data = gather(c, total, &owned);
	if (!data && total)
		return l4_call_end(c, c->iov_n == 1 ? -EFAULT : -ENOMEM);
	size_t n = l4_pipe_write(k->pipe, data, total - c->done);
	free(owned);
	c->done += n;
	if (c->done == total)
		return l4_call_end(c, (int64_t)total);
	if (c->done && k->nonblock)
		return l4_call_end(c, (int64_t)c->done);
	return l4_call_wait(c, k->nonblock, 0, now);
}

/* Nothing more can be sent: the error that ended it, else EPIPE. */
static bool send_over(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, int64_t r)
{
	if (c->done && !c->opens)
		return l4_call_end(c, (int64_t)c->done);
	bool told = k->err_taken;
	int err = l4_sock_take_error(s, k);
	if (r != L4_EPIPE && r != L4_ENOTCONN &&
	    !told) { /* what the stack says for the first time */
		k->err_taken = true;
		return l4_call_end(c, -l4_sock_errno(r));
	}
	return l4_call_end(c, err ? -err : -EPIPE);
}

static int send_flags(const struct l4_call *c)
{
	return (c->a & MSG_MORE ? L4_SEND_MORE : 0) | (c->a & MSG_OOB ? L4_SEND_URGENT : 0) |
	       (c->a & MSG_EOR ? L4_SEND_EOR : 0);
}

/* What a SYN has not taken of a call that waits for the handshake follows it at once, and takes the
 * handshake's ACK along. Returns all that was taken. */
static int64_t behind_syn(struct l4_socks *s, struct l4_sock *k, const struct l4_call *c,
    const uint8_t *data, size_t len, int64_t n, l4_time now)
{
	if ((size_t)n < len) {
		int64_t more =
		    l4_tcp_send(s->host, k->ep, data + n, len - (size_t)n, send_flags(c), now);
		n += more > 0 ? more : 0;
	}
	return n;
}

/* The first part of a send with MSG_FASTOPEN: connects (RFC 7413 4.2.1). Without a cookie that is
 * an ordinary open, whose SYN asks for one, and the data waits outside. */
static int64_t send_fastopen(struct l4_socks *s, struct l4_sock *k, struct l4_call *c,
    const uint8_t *data, size_t len, l4_time now)
{
	struct l4_endpoint to;
	if (!s->fastopen)
		return -EOPNOTSUPP;
	if (c->cname && c->cname_len >= sizeof(sa_family_t) && c->cname->sa_family == AF_UNSPEC)
		return -EOPNOTSUPP;
	int r = l4_sock_from_name(k, c->cname, c->cname_len, &to);
	if (r < 0)
		return r;
	int64_t n =
	    l4_tcp_sendto(s->host, k->ep, &to, data, len, send_flags(c) | L4_SEND_FASTOPEN, now);
	if (n < 0 && n != L4_EAGAIN)
		return -l4_sock_errno(n);
	k->connecting = true;
	if (k->nonblock || c->a & MSG_DONTWAIT)
		return n > 0 ? n : -EINPROGRESS;
	return behind_syn(s, k, c, data, len, n > 0 ? n : 0, now);
}

/* sendto() of the BSDs: opens, and takes all bytes, in the SYN or behind it. */
static bool opens_as_bsd(struct l4_socks *s, struct l4_sock *k, const struct l4_call *c)
{
	int64_t on = 0;
	return s->bsd && s->fastopen && c->cname && !k->connected && !k->connecting &&
	       l4_tcp_get(s->host, k->ep, L4_TCPOPT_FASTOPEN, &on) == 0 && on;
}

static bool send_bsd(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, const uint8_t *data,
    size_t len, l4_time now)
{
	struct l4_endpoint to;
	int r = l4_sock_from_name(k, c->cname, c->cname_len, &to);
	if (r < 0)
		return l4_call_end(c, r);
	int64_t n = l4_tcp_sendto(s->host, k->ep, &to, data, len, send_flags(c), now);
	k->connecting = n >= 0;
	return l4_call_end(c, n < 0 ? -l4_sock_errno(n) : n);
}

bool l4_call_send(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	if (k->kind == L4_SK_UDP)
		return send_udp(s, k, c, now);
	if (k->kind == L4_SK_PIPE_READ || k->kind == L4_SK_PIPE_WRITE)
		return send_pipe(k, c, now);
	if (k->kind == L4_SK_EPOLL || k->kind == L4_SK_FILE)
		return l4_call_end(c, -EINVAL);
	bool nonblock = k->nonblock || (c->a & MSG_DONTWAIT);
	size_t total = iov_bytes(c);
	uint8_t *owned;
	for (size_t i = 0; i < c->iov_n; i++)
		if (!c->iov[i].iov_base && c->iov[i].iov_len)
			return l4_call_end(c, -EFAULT);
	const uint8_t *data = gather(c, total, &owned);
	if (!data && total)
		return l4_call_end(c, -ENOMEM);
	int state = l4_tcp_state(s->host, k->ep);
	bool opening = k->connecting && !k->shut_wr && !k->fo_deferred &&
		       (state == L4_TCP_SYN_SENT || state == L4_TCP_SYN_RECEIVED);
	int64_t r;
	if (!c->started && opens_as_bsd(s, k, c)) {
		bool done = send_bsd(s, k, c, data, total, now);
		free(owned);
		return done;
	}
	if ((c->a & MSG_FASTOPEN) && !c->started && !k->connected && !k->connecting) {
		c->started = true;
		r = send_fastopen(s, k, c, data, total, now);
		free(owned);
		if (r < 0)
			return l4_call_end(c, r);
		owned = NULL;
		c->opens = !nonblock; /* such a call ends as the handshake does */
		opening = r == 0 || c->opens;
	} else if ((c->a & MSG_FASTOPEN) && opening && !c->started) {
		free(owned);
		return l4_call_end(c, -EALREADY);
	} else if (opening) {
		r = L4_EAGAIN; /* bytes are taken when the connection stands */
	} else {
		r = l4_tcp_send(s->host, k->ep, data, total - c->done, send_flags(c), now);
		c->opens = c->opens && r < 0 && r != L4_EAGAIN;
		if (r > 0 && k->fo_deferred && !nonblock)
			r = behind_syn(s, k, c, data, total - c->done, r, now);
	}
	free(owned);
	if (!total && r == L4_EAGAIN && k->fo_deferred) { /* the SYN alone has gone */
		k->fo_deferred = false;
		if (nonblock)
			return l4_call_end(c, -EINPROGRESS);
	}
	if (r > 0 && k->fo_deferred) {
		k->fo_deferred = false;
		c->opens = opening = !nonblock;
	}
	if (r > 0) {
		c->done += (size_t)r;
		k->written += (uint64_t)r;
	}
	if (c->done == total && r >= 0 && !opening) {
		l4_sock_note_sent(k, c);
		return l4_call_end(c, (int64_t)total);
	}
	if (r >= 0 || r == L4_EAGAIN || (r == L4_ENOTCONN && opening)) {
		if (c->done && nonblock) {
			l4_sock_note_sent(k, c);
			return l4_call_end(c, (int64_t)c->done);
		}
		if (!l4_call_wait(c, nonblock, k->sndtimeo_ns, now))
			return false;
		return c->done ? l4_call_end(c, (int64_t)c->done) : true;
	}
	return send_over(s, k, c, r);
}

/* ---- Pipes ---- */

size_t l4_pipe_write(struct l4_sk_pipe *p, const void *data, size_t len)
{
	size_t n = 0;
	while (n < len && p->len < L4_SK_PIPE_SIZE) {
		size_t at = (p->start + p->len) % L4_SK_PIPE_SIZE;
		size_t run = L4_SK_PIPE_SIZE - p->len;
		if (run > L4_SK_PIPE_SIZE - at)
			run = L4_SK_PIPE_SIZE - at;
		if (run > len - n)
			run = len - n;
		memcpy(p->data + at, (const uint8_t *)data + n, run);
		p->len += run;
		n += run;
	}
	return n;
}

size_t l4_pipe_read(struct l4_sk_pipe *p, void *data, size_t len)
{
	size_t n = 0;
	while (n < len && p->len) {
		size_t run = p->len;
		if (run > L4_SK_PIPE_SIZE - p->start)
			run = L4_SK_PIPE_SIZE - p->start;
		if (run > len - n)
			run = len - n;
		if (data)
			memcpy((uint8_t *)data + n, p->data + p->start, run);
		p->start = (p->start + run) % L4_SK_PIPE_SIZE;
		p->len -= run;
		n += run;
	}
	return n;
}

bool l4_call_pipe(struct l4_socks *s, struct l4_call *c)
{
	if (!c->pair)
		return l4_call_end(c, -EFAULT);
	struct l4_sk_pipe *p = calloc(1, sizeof(*p));
	struct l4_sock *r, *w;
	if (!p)
		return l4_call_end(c, -ENOMEM);
	int a = l4_sock_alloc(s, L4_SK_PIPE_READ, &r);
	int b = a < 0 ? a : l4_sock_alloc(s, L4_SK_PIPE_WRITE, &w);
	if (b < 0) {
		if (a >= 0)
			l4_sock_release(s, a);
		free(p);
		return l4_call_end(c, b);
	}
	p->reader = p->writer = true;
	r->pipe = w->pipe = p;
	c->pair[0] = a;
	c->pair[1] = b;
	return l4_call_end(c, 0);
}

/* ---- splice, sendfile ---- */

static bool splice_in(struct l4_socks *s, struct l4_sock *in, struct l4_sk_pipe *p,
    struct l4_call *c, bool nonblock, l4_time now)
{
	uint8_t buf[L4_SK_PIPE_SIZE];
	size_t want = L4_SK_PIPE_SIZE - p->len;
	if (want > c->size)
		want = c->size;
	if (!want)
		return l4_call_wait(c, nonblock, 0, now);
	int64_t r = l4_tcp_recv(s->host, in->ep, buf, want, 0, now);
	if (r == L4_EAGAIN)
		return in->shut_rd ? l4_call_end(c, 0)
				   : l4_call_wait(c, nonblock || in->nonblock, 0, now);
	if (r < 0) {
		int err = l4_sock_take_error(s, in);
		if (!err && in->err_taken)
			return l4_call_end(c, 0);
		return l4_call_end(c, err ? -err : -l4_sock_errno(r));
	}
	l4_pipe_write(p, buf, (size_t)r);
	return l4_call_end(c, r);
}

static bool splice_out(struct l4_socks *s, struct l4_sk_pipe *p, struct l4_sock *out,
    struct l4_call *c, bool nonblock, l4_time now)
{
	uint8_t buf[L4_SK_PIPE_SIZE];
	if (!p->len)
		return !p->writer ? l4_call_end(c, 0) : l4_call_wait(c, nonblock, 0, now);
	/* a copy, so that what the socket does not take stays in the pipe */
	struct l4_sk_pipe *peek = malloc(sizeof(*peek));
	if (!peek)
		return l4_call_end(c, -ENOMEM);
	*peek = *p;
	size_t n = l4_pipe_read(peek, buf, c->size < p->len ? c->size : p->len);
	free(peek);
	int64_t r = l4_tcp_send(s->host, out->ep, buf, n, c->a & 4 ? L4_SEND_MORE : 0, now);
	if (r == L4_EAGAIN)
		return l4_call_wait(c, nonblock || out->nonblock, 0, now);
	if (r < 0)
		return send_over(s, out, c, r);
	out->written += (uint64_t)r;
	l4_pipe_read(p, NULL, (size_t)r);
	return l4_call_end(c, r);
}

bool l4_call_splice(struct l4_socks *s, struct l4_call *c, l4_time now)
{
	struct l4_sock *in = l4_sock_get(s, c->fd), *out = l4_sock_get(s, c->b);
	bool nonblock = c->a & 2; /* SPLICE_F_NONBLOCK */
	if (!in || !out)
		return l4_call_end(c, -EBADF);
	if (in->kind == L4_SK_TCP && out->kind == L4_SK_PIPE_WRITE)
		return splice_in(s, in, out->pipe, c, nonblock, now);
	if (in->kind == L4_SK_PIPE_READ && out->kind == L4_SK_TCP)
		return splice_out(s, in->pipe, out, c, nonblock, now);
	if (in->kind == L4_SK_PIPE_READ && out->kind == L4_SK_PIPE_WRITE && in->pipe != out->pipe) {
		uint8_t buf[4096];
		size_t n = 0, room = L4_SK_PIPE_SIZE - out->pipe->len;
		size_t want = c->size < room ? c->size : room;
		while (n < want && in->pipe->len) {
			size_t run = want - n < sizeof(buf) ? want - n : sizeof(buf);
			run = l4_pipe_read(in->pipe, buf, run);
			n += l4_pipe_write(out->pipe, buf, run);
		}
		if (n || !in->pipe->writer)
			return l4_call_end(c, (int64_t)n);
		return l4_call_wait(c, nonblock, 0, now);
	}
	return l4_call_end(c, -EINVAL);
}

bool l4_call_sendfile(struct l4_socks *s, struct l4_call *c, l4_time now)
{
	struct l4_sock *out = l4_sock_get(s, c->fd), *in = l4_sock_get(s, c->b);
	if (!in || !out || in->kind != L4_SK_FILE || out->kind != L4_SK_TCP)
		return l4_call_end(c, !in || !out ? -EBADF : -EINVAL);
	while (c->done < c->size) {
		uint8_t buf[16384];
		size_t want = c->size - c->done < sizeof(buf) ? c->size - c->done : sizeof(buf);
		off_t at = c->offset ? *c->offset : lseek(in->file, 0, SEEK_CUR);
		ssize_t n = pread(in->file, buf, want, at);
		if (n <= 0)
			break;
		int64_t r = l4_tcp_send(s->host, out->ep, buf, (size_t)n, 0, now);
		if (r == L4_EAGAIN && c->done && out->nonblock)
			break;
		if (r == L4_EAGAIN)
			return l4_call_wait(c, out->nonblock, out->sndtimeo_ns, now);
		if (r < 0)
			return send_over(s, out, c, r);
		c->done += (size_t)r;
		out->written += (uint64_t)r;
		if (c->offset)
			*c->offset += r;
		else
			lseek(in->file, r, SEEK_CUR);
	}
	return l4_call_end(c, (int64_t)c->done);
}

/* ---- ioctl ---- */

bool l4_call_ioctl(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	int *out = c->val;
	if (!out)
		return l4_call_end(c, -EFAULT);
	if (c->request == FIONBIO) {
		k->nonblock = *out != 0;
		return l4_call_end(c, 0);
	}
	if (k->kind == L4_SK_PIPE_READ && c->request == FIONREAD) {
		*out = (int)k->pipe->len;
		return l4_call_end(c, 0);
	}
	if (k->kind == L4_SK_UDP && c->request == SIOCINQ) {
		int64_t n = l4_udp_inq(s->host, k->ep);
		*out = n > 0 ? (int)n : 0;
		return l4_call_end(c, 0);
	}
	if (k->kind != L4_SK_TCP)
		return l4_call_end(c, -ENOTTY);
	bool listen = l4_tcp_state(s->host, k->ep) == L4_TCP_LISTEN;
	int64_t n = -1;
	if (c->request == SIOCINQ) {
		n = l4_tcp_inq(s->host, k->ep);
		/* the kernel counts the peer's FIN as one more when all else is read */
		if (n == 0 && k->connected && (l4_tcp_ready(s->host, k->ep) & L4_EV_EOF) &&
		    l4_tcp_state(s->host, k->ep) != L4_TCP_CLOSED)
			n = 0;
	} else if (c->request == SIOCOUTQ) {
		n = l4_tcp_outq(s->host, k->ep);
	} else if (c->request == SIOCOUTQNSD) {
		n = l4_tcp_outq_unsent(s->host, k->ep);
	} else if (c->request == SIOCATMARK) {
		n = l4_tcp_at_mark(s->host, k->ep);
	} else {
		return l4_call_end(c, -ENOTTY);
	}
	if (listen && c->request != SIOCATMARK)
		return l4_call_end(c, -EINVAL);
	*out = n > 0 ? (int)n : 0;
	return l4_call_end(c, 0);
}
