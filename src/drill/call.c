/* System calls of a script: from the tree of arguments to a call on the socket layer, and back to
 * what the script says must come of it.
 *
 * Every call has a row: its name, the operation, how many arguments, a function that fills in the
 * struct l4_call. Output arguments (poll's revents, getsockopt's value, epoll_wait's first event,
 * recvmsg's flags and control messages) are compared after the call. Buffers for reading are
 * filled with a pattern first: what comes in has to be zero, as all payload of scripts is. */
#include "drill/run.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IOV_MAX_N  64
#define POLL_MAX_N 64
#define BUF_MAX    ((size_t)256 << 20)
#define PATTERN    0xa5

struct l4_bound {
	const struct l4_de *e;
	struct l4_call c;
	struct l4_run *r;
	bool bad;
	bool names_fd; /* the result names a descriptor */
	bool nothing;  /* a call that is passed over (cap_set) */
	bool reads;
	uint8_t *buf; /* of the iovecs */
	size_t buf_len;
	struct iovec iov[IOV_MAX_N];
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct pollfd fds[POLL_MAX_N];
	struct epoll_event ev[POLL_MAX_N];
	struct msghdr msg;
	uint8_t control[512];
	uint8_t val[512];
	socklen_t val_len;
	int ints[2];
	off_t offset;
	char path[512];
};

const struct l4_de *l4_bound_event(const struct l4_bound *b)
{
	return b->e;
}

static bool complain(struct l4_bound *b, const char *what)
{
	if (!b->bad)
		l4_run_fail(b->r, b->e, "%s", what);
	b->r->broken = true;
	b->bad = true;
	return false;
}

static const struct l4_dx *arg(const struct l4_bound *b, unsigned i)
{
	const struct l4_dx *d = b->e->call.args;
	while (d && i--)
		d = d->next;
	return d;
}

static int64_t value(struct l4_bound *b, const struct l4_dx *d)
{
	int64_t v = 0;
	if (!d) {
		complain(b, "an argument is missing");
	} else if (d->kind == L4_DX_INT) {
		v = d->num;
	} else if (d->kind == L4_DX_WORD) {
		if (strcmp(d->str, "NULL") != 0 && !l4_drill_symbol(d->str, &v)) {
			char what[100];
			snprintf(what, sizeof(what), "the name '%.60s' is not known", d->str);
			complain(b, what);
		}
	} else if (d->kind == L4_DX_OR) {
		for (const struct l4_dx *x = d->child; x; x = x->next)
			v |= value(b, x);
	} else if (d->kind == L4_DX_LIST && d->n == 1) {
		v = value(b, d->child);
	} else if (d->kind == L4_DX_CALL && !strcmp(d->str, "htons") && d->child) {
		v = htons((uint16_t)value(b, d->child));
	} else {
		complain(b, "a number is wanted as argument");
	}
	return v;
}

static int64_t number(struct l4_bound *b, unsigned i)
{
	return value(b, arg(b, i));
}

static int fd_of(struct l4_bound *b, const struct l4_dx *d)
{
	return l4_run_fd(b->r, value(b, d));
}

static const struct l4_dx *field(const struct l4_dx *d, const char *name)
{
	for (const struct l4_dx *x = d ? d->child : NULL; x; x = x->next)
		if (x->kind == L4_DX_FIELD && !strcmp(x->str, name))
			return x->child;
	return NULL;
}

static bool is_word(const struct l4_dx *d, const char *word)
{
	return d && d->kind == L4_DX_WORD && !strcmp(d->str, word);
}

static bool is_null(const struct l4_dx *d)
{
	return is_word(d, "NULL") || (d && d->kind == L4_DX_INT && d->num == 0);
}

/* ---- Addresses ---- */

static void put_addr(struct l4_bound *b, const struct l4_addr *a, uint16_t port)
{
	memset(&b->addr, 0, sizeof(b->addr));
	if (b->r->settings.ip == L4_WORLD_IP4) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&in.sin_addr, a->b + 12, 4);
		memcpy(&b->addr, &in, sizeof(in));
		b->addr_len = sizeof(in);
	} else {
		struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
		memcpy(&in.sin6_addr, a->b, 16);
		memcpy(&b->addr, &in, sizeof(in));
		b->addr_len = sizeof(in);
	}
}

/* {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.0.2.1")} */
static void written_addr(struct l4_bound *b, const struct l4_dx *d)
{
	const struct l4_dx *addr = NULL, *port = NULL;
	static const char *const addr_names[] = { "sin_addr", "sin6_addr" };
	static const char *const port_names[] = { "sin_port", "sin6_port" };
	for (int i = 0; i < 2; i++) {
		addr = addr ? addr : field(d, addr_names[i]);
		port = port ? port : field(d, port_names[i]);
	}
	struct l4_addr a;
	if (!addr || addr->kind != L4_DX_CALL || !addr->child ||
	    addr->child->kind != L4_DX_STRING || l4_addr_parse(&a, addr->child->str) < 0) {
		complain(b, "this address cannot be read");
		return;
	}
	put_addr(b, &a, ntohs((uint16_t)(port ? value(b, port) : 0)));
}

static void address(struct l4_bound *b, const struct l4_dx *d, bool local)
{
	struct l4_settings *s = &b->r->settings;
	if (d && d->kind == L4_DX_STRUCT)
		written_addr(b, d);
	else if (is_word(d, "AF_UNSPEC"))
		b->addr_len = sizeof(sa_family_t), memset(&b->addr, 0, sizeof(b->addr));
	else if (is_null(d))
		b->addr_len = 0;
	else
		put_addr(b, local ? &s->local : &s->remote,
		    local ? b->r->bind_port : b->r->connect_port);
	b->c.cname = is_null(d) ? NULL : (const struct sockaddr *)&b->addr;
	b->c.cname_len = b->addr_len;
}

/* ---- Buffers ---- */

static bool buffer(struct l4_bound *b, int64_t len)
{
	if (len < 0 || (size_t)len > BUF_MAX)
		return complain(b, "this length cannot be had");
	b->buf_len = (size_t)len;
	b->buf = malloc(b->buf_len ? b->buf_len : 1);
	if (!b->buf) {
		b->r->nomem = true;
		return complain(b, "out of memory");
	}
	memset(b->buf, b->reads ? PATTERN : 0, b->buf_len);
	return true;
}

/* One buffer: `...` or "text" or NULL, and its length. */
static void one_buffer(struct l4_bound *b, const struct l4_dx *d, int64_t len)
{
	if (!buffer(b, len))
		return;
	if (d && d->kind == L4_DX_STRING && !b->reads)
		memcpy(b->buf, d->str, d->str_len < b->buf_len ? d->str_len : b->buf_len);
	b->iov[0] = (struct iovec){ .iov_base = is_null(d) ? NULL : b->buf, .iov_len = b->buf_len };
	b->c.iov = b->iov;
	b->c.iov_n = 1;
}

/* [{..., 10}, {..., 20}] */
static void buffers(struct l4_bound *b, const struct l4_dx *list)
{
	size_t total = 0, n = 0;
	int64_t lens[IOV_MAX_N];
	for (const struct l4_dx *x = list ? list->child : NULL; x; x = x->next) {
		if (n == IOV_MAX_N || x->kind != L4_DX_STRUCT || x->n != 2) {
			complain(b, "a list of {..., length} is wanted, at most 64");
			return;
		}
		lens[n] = value(b, x->child->next);
		if (lens[n] < 0 || (size_t)lens[n] > BUF_MAX) {
			complain(b, "this length cannot be had");
			return;
		}
		total += (size_t)lens[n++];
	}
	if (!buffer(b, (int64_t)total))
		return;
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		b->iov[i] = (struct iovec){ .iov_base = b->buf + at, .iov_len = (size_t)lens[i] };
		at += (size_t)lens[i];
	}
	b->c.iov = b->iov;
	b->c.iov_n = n;
}

/* ---- One function a group of calls ---- */

static void bind_socket(struct l4_bound *b)
{
	b->c.a = arg(b, 0)->kind == L4_DX_ELLIPSIS
		     ? b->r->settings.ip == L4_WORLD_IP4 ? AF_INET : AF_INET6
		     : (int)number(b, 0);
	b->c.b = (int)number(b, 1);
	b->c.c = (int)number(b, 2);
}

static void bind_bind(struct l4_bound *b)
{
	address(b, arg(b, 1), true);
}

static void bind_connect(struct l4_bound *b)
{
	address(b, arg(b, 1), false);
}

static void bind_int(struct l4_bound *b)
{
	if (b->e->call.n_args > 1)
		b->c.a = (int)number(b, 1);
	if (b->e->call.n_args > 2)
		b->c.b = (int)number(b, 2);
}

static void bind_accept(struct l4_bound *b)
{
	b->addr_len = sizeof(b->addr);
	b->c.name = (struct sockaddr *)&b->addr;
	b->c.name_len = &b->addr_len;
	if (b->e->call.n_args > 3)
		b->c.a = (int)number(b, 3);
}

static void bind_transfer(struct l4_bound *b)
{
	unsigned n = b->e->call.n_args;
	one_buffer(b, arg(b, 1), number(b, 2));
	if (n > 3)
		b->c.a = (int)number(b, 3);
	if (n > 5 && !b->reads)
		address(b, arg(b, 4), false);
	if (n > 5 && b->reads) {
		b->addr_len = sizeof(b->addr);
		b->c.name = (struct sockaddr *)&b->addr;
		b->c.name_len = &b->addr_len;
	}
}

static void bind_vector(struct l4_bound *b)
{
	buffers(b, arg(b, 1));
}

static void bind_msg(struct l4_bound *b)
{
	const struct l4_dx *m = arg(b, 1);
	if (!m || m->kind != L4_DX_STRUCT) {
		complain(b, "{msg_name(...)=..., msg_iov(n)=[...]} is wanted");
		return;
	}
	buffers(b, field(m, "msg_iov"));
	b->c.a = (int)number(b, 2);
	const struct l4_dx *name = field(m, "msg_name");
	if (!b->reads && name && b->r->tut && b->r->tut->udp)
		address(b, name, false);
	else if (!b->reads && (b->c.a & MSG_FASTOPEN))
		address(b, name, false);
	if (!b->reads)
		return;
	/* room for exactly what the script expects */
	size_t room = 0;
	const struct l4_dx *list = field(m, "msg_control");
	for (const struct l4_dx *x = list ? list->child : NULL; x; x = x->next) {
		const struct l4_dx *data = field(x, "cmsg_data");
		bool err = data && data->kind == L4_DX_STRUCT && field(data, "ee_errno");
		room += CMSG_SPACE(err ? 16 + (b->r->settings.ip == L4_WORLD_IP4 ? 16 : 28)
				   : data && data->kind == L4_DX_STRUCT ? 48
									: sizeof(int));
	}
	b->msg.msg_control = b->control;
	b->msg.msg_controllen = room < sizeof(b->control) ? room : sizeof(b->control);
	b->c.msg = &b->msg;
}

static void bind_ioctl(struct l4_bound *b)
{
	b->c.request = (unsigned long)number(b, 1);
	const struct l4_dx *d = arg(b, 2);
	b->ints[0] = d && d->kind == L4_DX_LIST && d->n == 1 ? (int)value(b, d->child) : 0;
	b->ints[1] = b->ints[0];
	/* what is read is overwritten; what is set (FIONBIO) is taken */
	b->c.val = &b->ints[0];
}

/* The value of a socket option to b->val; returns its length. */
static size_t option_value(struct l4_bound *b, const struct l4_dx *d)
{
	int i;
	if (d->kind == L4_DX_STRING) {
		size_t n = d->str_len < sizeof(b->val) ? d->str_len : sizeof(b->val);
		memcpy(b->val, d->str, n);
		return n;
	}
	if (d->kind == L4_DX_STRUCT) {
		const struct l4_dx *on = field(d, "onoff"), *linger = field(d, "linger");
		const struct l4_dx *sec = field(d, "tv_sec"), *usec = field(d, "tv_usec");
		if (sec && usec) {
			long tv[2] = { (long)value(b, sec), (long)value(b, usec) };
			memcpy(b->val, tv, sizeof(tv));
			return sizeof(tv);
		}
		struct linger l = { .l_onoff = on ? (int)value(b, on) : 0,
			.l_linger = linger ? (int)value(b, linger) : 0 };
		memcpy(b->val, &l, sizeof(l));
		return sizeof(l);
	}
	if (d->kind == L4_DX_LIST && d->n > 1) {
		size_t n = 0;
		for (const struct l4_dx *x = d->child; x && n + sizeof(i) <= sizeof(b->val);
		     x = x->next, n += sizeof(i)) {
			i = (int)value(b, x);
			memcpy(b->val + n, &i, sizeof(i));
		}
		return n;
	}
	i = (int)value(b, d);
	memcpy(b->val, &i, sizeof(i));
	return sizeof(i);
}

static void bind_setsockopt(struct l4_bound *b)
{
	b->c.a = (int)number(b, 1);
	b->c.b = (int)number(b, 2);
	size_t have = is_word(arg(b, 3), "NULL") ? 0 : option_value(b, arg(b, 3));
	b->c.cval = have ? b->val : NULL;
	int64_t len = number(b, 4);
	const int64_t max = (int64_t)sizeof(b->val);
	b->c.cval_len = (socklen_t)(len < 0 ? 0 : len > max ? max : len);
}

static void bind_getsockopt(struct l4_bound *b)
{
	b->c.a = (int)number(b, 1);
	b->c.b = (int)number(b, 2);
	int64_t len = number(b, 4);
	const int64_t max = (int64_t)sizeof(b->val);
	b->val_len = (socklen_t)(len < 0 || len > max ? max : len);
	b->c.val = b->val;
	b->c.val_len = &b->val_len;
}

static void bind_poll(struct l4_bound *b)
{
	const struct l4_dx *list = arg(b, 0);
	size_t n = 0;
	for (const struct l4_dx *x = list ? list->child : NULL; x; x = x->next) {
		const struct l4_dx *fd = field(x, "fd"), *events = field(x, "events");
		if (n == POLL_MAX_N || !fd || !events) {
			complain(b, "a list of {fd=, events=, revents=} is wanted");
			return;
		}
		b->fds[n].fd = fd_of(b, fd);
		b->fds[n++].events = (short)value(b, events);
	}
	b->c.fds = b->fds;
	b->c.n = n;
	b->c.a = (int)number(b, 2);
}

static void event_value(struct l4_bound *b, const struct l4_dx *d, struct epoll_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	const struct l4_dx *x = field(d, "events");
	ev->events = x ? (uint32_t)value(b, x) : 0;
	if ((x = field(d, "fd")))
		ev->data.fd = (int)value(b, x); /* a name of the script's, carried along */
	else if ((x = field(d, "ptr")) || (x = field(d, "u64")))
		ev->data.u64 = (uint64_t)value(b, x);
	else if ((x = field(d, "u32")))
		ev->data.u32 = (uint32_t)value(b, x);
}

static void bind_epoll_ctl(struct l4_bound *b)
{
	b->c.a = (int)number(b, 1);
	b->c.b = fd_of(b, arg(b, 2));
	if (b->e->call.n_args > 3 && arg(b, 3)->kind == L4_DX_STRUCT) {
		event_value(b, arg(b, 3), &b->ev[0]);
		b->c.ev = b->ev;
	}
}

static void bind_epoll_wait(struct l4_bound *b)
{
	int64_t max = number(b, 2);
	b->c.ev = b->ev;
	b->c.n = max < 0 ? 0 : max > POLL_MAX_N ? POLL_MAX_N : (size_t)max;
	b->c.a = (int)number(b, 3);
}

static void bind_pipe(struct l4_bound *b)
{
	b->c.pair = b->ints;
}

static void bind_splice(struct l4_bound *b)
{
	b->c.b = fd_of(b, arg(b, 2));
	b->c.size = (size_t)number(b, 4);
	b->c.a = (int)number(b, 5);
}

static void bind_sendfile(struct l4_bound *b)
{
	b->c.b = fd_of(b, arg(b, 1));
	const struct l4_dx *off = arg(b, 2);
	if (!is_null(off)) {
		b->offset = value(b, off);
		b->c.offset = &b->offset;
	}
	b->c.size = (size_t)number(b, 3);
}

static void bind_open(struct l4_bound *b)
{
	const struct l4_dx *d = arg(b, 0);
	if (!d || d->kind != L4_DX_STRING) {
		complain(b, "open wants a name in quotes");
		return;
	}
	snprintf(b->path, sizeof(b->path), "%s", d->str);
	b->c.path = b->path;
	b->c.a = (int)number(b, 1);
}

static void bind_create(struct l4_bound *b)
{
	b->c.a = (int)number(b, 0);
}

static void bind_nothing(struct l4_bound *b)
{
	b->nothing = true;
}

static const struct {
	const char *name;
	enum l4_call_op op;
	unsigned min, max; /* arguments */
	bool fd_first, names_fd, reads;
	void (*bind)(struct l4_bound *b);
} calls[] = {
	{ "socket", L4_CALL_SOCKET, 3, 3, false, true, false, bind_socket },
	{ "bind", L4_CALL_BIND, 3, 3, true, false, false, bind_bind },
	{ "listen", L4_CALL_LISTEN, 2, 2, true, false, false, bind_int },
	{ "accept", L4_CALL_ACCEPT, 3, 3, true, true, false, bind_accept },
	{ "accept4", L4_CALL_ACCEPT, 4, 4, true, true, false, bind_accept },
	{ "connect", L4_CALL_CONNECT, 3, 3, true, false, false, bind_connect },
	{ "read", L4_CALL_RECV, 3, 3, true, false, true, bind_transfer },
	{ "readv", L4_CALL_RECV, 3, 3, true, false, true, bind_vector },
	{ "recv", L4_CALL_RECV, 4, 4, true, false, true, bind_transfer },
	{ "recvfrom", L4_CALL_RECV, 6, 6, true, false, true, bind_transfer },
	{ "recvmsg", L4_CALL_RECV, 3, 3, true, false, true, bind_msg },
	{ "write", L4_CALL_SEND, 3, 3, true, false, false, bind_transfer },
	{ "writev", L4_CALL_SEND, 3, 3, true, false, false, bind_vector },
	{ "send", L4_CALL_SEND, 4, 4, true, false, false, bind_transfer },
	{ "sendto", L4_CALL_SEND, 6, 6, true, false, false, bind_transfer },
	{ "sendmsg", L4_CALL_SEND, 3, 3, true, false, false, bind_msg },
	{ "fcntl", L4_CALL_FCNTL, 2, 3, true, false, false, bind_int },
	{ "ioctl", L4_CALL_IOCTL, 2, 3, true, false, false, bind_ioctl },
	{ "close", L4_CALL_CLOSE, 1, 1, true, false, false, bind_int },
	{ "shutdown", L4_CALL_SHUTDOWN, 2, 2, true, false, false, bind_int },
	{ "getsockopt", L4_CALL_GETSOCKOPT, 5, 5, true, false, false, bind_getsockopt },
	{ "setsockopt", L4_CALL_SETSOCKOPT, 5, 5, true, false, false, bind_setsockopt },
	{ "poll", L4_CALL_POLL, 3, 3, false, false, false, bind_poll },
	{ "epoll_create", L4_CALL_EPOLL_CREATE, 1, 1, false, true, false, bind_create },
	{ "epoll_ctl", L4_CALL_EPOLL_CTL, 3, 4, true, false, false, bind_epoll_ctl },
	{ "epoll_wait", L4_CALL_EPOLL_WAIT, 4, 4, true, false, false, bind_epoll_wait },
	{ "pipe", L4_CALL_PIPE, 1, 1, false, false, false, bind_pipe },
	{ "splice", L4_CALL_SPLICE, 6, 6, true, false, false, bind_splice },
	{ "sendfile", L4_CALL_SENDFILE, 4, 4, true, false, false, bind_sendfile },
	{ "open", L4_CALL_OPEN, 2, 3, false, true, false, bind_open },
	{ "cap_set", L4_CALL_COUNT, 0, 9, false, false, false, bind_nothing },
};

struct l4_bound *l4_bound_new(struct l4_run *r, const struct l4_de *e)
{
	size_t i = 0, n = sizeof(calls) / sizeof(calls[0]);
	while (i < n && strcmp(calls[i].name, e->call.name) != 0)
		i++;
	if (i == n || e->call.n_args < calls[i].min || e->call.n_args > calls[i].max) {
		l4_run_fail(r, e,
		    i == n ? "the call '%.60s' is not known"
			   : "wrong number of arguments for '%.60s'",
		    e->call.name);
		r->broken = true;
		return NULL;
	}
	struct l4_bound *b = calloc(1, sizeof(*b));
	if (!b) {
		r->nomem = true;
		l4_run_fail(r, e, "out of memory");
		return NULL;
	}
	b->e = e;
	b->r = r;
	b->c.op = calls[i].op;
	b->names_fd = calls[i].names_fd;
	b->reads = calls[i].reads;
	if (calls[i].fd_first)
		b->c.fd = fd_of(b, arg(b, 0));
	if (!b->bad)
		calls[i].bind(b);
	if (b->bad) {
		l4_bound_free(b);
		return NULL;
	}
	return b;
}

void l4_bound_free(struct l4_bound *b)
{
	if (!b)
		return;
	free(b->buf);
	free(b);
}

bool l4_bound_step(struct l4_run *r, struct l4_bound *b)
{
	if (b->nothing)
		return true;
	bool done = l4_call_step(r->world.socks, &b->c, r->world.now);
	l4_world_pump(&r->world);
	return done;
}

l4_time l4_bound_deadline(const struct l4_bound *b)
{
	return l4_call_deadline(&b->c);
}

/* ---- Comparing ---- */

static bool check_result(struct l4_run *r, struct l4_bound *b)
{
	const struct l4_dcall *d = &b->e->call;
	int64_t want = d->result->kind == L4_DX_ELLIPSIS ? 0 : value(b, d->result);
	bool any = d->result->kind == L4_DX_ELLIPSIS;
	bool ok = any || want == b->c.ret || (b->names_fd && want >= 0 && b->c.ret >= 0);
	if (!ok && b->c.ret < 0)
		return l4_run_fail(r, b->e, "%s returned -1 %s, expected %" PRId64 "%s%s", d->name,
		    l4_drill_errno_name(b->c.err), want, d->err ? " " : "", d->err ? d->err : "");
	if (!ok)
		return l4_run_fail(r, b->e, "%s returned %" PRId64 ", expected %" PRId64 "%s%s",
		    d->name, b->c.ret, want, d->err ? " " : "", d->err ? d->err : "");
	int64_t err = 0;
	if (d->err && !l4_drill_symbol(d->err, &err)) {
		r->broken = true;
		return l4_run_fail(r, b->e, "the error '%.60s' is not known", d->err);
	}
	if (d->err && b->c.ret < 0 && err != b->c.err)
		return l4_run_fail(r, b->e, "%s failed with %s, expected %s", d->name,
		    l4_drill_errno_name(b->c.err), d->err);
	return true;
}

static bool check_poll(struct l4_run *r, struct l4_bound *b)
{
	size_t i = 0;
	for (const struct l4_dx *x = arg(b, 0)->child; x; x = x->next, i++) {
		const struct l4_dx *d = field(x, "revents");
		short want = (short)(d ? value(b, d) : 0);
		if (b->fds[i].revents != want)
			return l4_run_fail(r, b->e, "revents is 0x%x, expected 0x%x",
			    (unsigned)b->fds[i].revents, (unsigned)want);
	}
	return true;
}

static bool check_epoll(struct l4_run *r, struct l4_bound *b)
{
	const struct l4_dx *d = arg(b, 1);
	if (!d || d->kind != L4_DX_STRUCT)
		return true;
	struct epoll_event want;
	event_value(b, d, &want);
	if (b->ev[0].events != want.events)
		return l4_run_fail(
		    r, b->e, "events is 0x%x, expected 0x%x", b->ev[0].events, want.events);
	if (b->ev[0].data.u64 != want.data.u64)
		return l4_run_fail(r, b->e, "data is %" PRIu64 ", expected %" PRIu64,
		    (uint64_t)b->ev[0].data.u64, (uint64_t)want.data.u64);
	return true;
}

static bool check_getsockopt(struct l4_run *r, struct l4_bound *b)
{
	const struct l4_dx *d = arg(b, 3);
	int64_t len = number(b, 4);
	if ((int64_t)b->val_len != len)
		return l4_run_fail(
		    r, b->e, "the option has %u bytes, expected %" PRId64, b->val_len, len);
	if (d->kind == L4_DX_ELLIPSIS || (d->child && d->child->kind == L4_DX_ELLIPSIS))
		return true;
	uint8_t have[sizeof(b->val)];
	memcpy(have, b->val, sizeof(have));
	size_t n = option_value(b, d);
	if (n > b->val_len)
		n = b->val_len;
	if (!memcmp(have, b->val, n))
		return true;
	int seen = 0, want = 0;
	memcpy(&seen, have, n < sizeof(seen) ? n : sizeof(seen));
	memcpy(&want, b->val, n < sizeof(want) ? n : sizeof(want));
	if (d->kind == L4_DX_STRING)
		return l4_run_fail(r, b->e, "the option is \"%.*s\", expected \"%.*s\"", (int)n,
		    (const char *)have, (int)n, d->str);
	return l4_run_fail(r, b->e, "the option is %d, expected %d", seen, want);
}

/* The bytes of a control message that the script expects. */
static size_t cmsg_bytes(struct l4_bound *b, const struct l4_dx *data, uint8_t out[64])
{
	memset(out, 0, 64);
	if (data->kind != L4_DX_STRUCT) {
		int v = (int)value(b, data);
		memcpy(out, &v, sizeof(v));
		return sizeof(v);
	}
	if (!field(data, "ee_errno"))
		return 0; /* moments have a tolerance: check_stamp */
	static const char *const names[] = { "ee_errno", "ee_origin", "ee_type", "ee_code",
		"ee_info", "ee_data" };
	int64_t v[6];
	for (int i = 0; i < 6; i++) {
		const struct l4_dx *x = field(data, names[i]);
		v[i] = x ? value(b, x) : 0;
	}
	uint32_t w[3] = { (uint32_t)v[0], (uint32_t)v[4], (uint32_t)v[5] };
	memcpy(out, &w[0], 4);
	out[4] = (uint8_t)v[1];
	out[5] = (uint8_t)v[2];
	out[6] = (uint8_t)v[3];
	memcpy(out + 8, &w[1], 8);
	return 16;
}

/* The moment in a control message, of the script's clock; 0 s in the script: any. */
static bool check_stamp(
    struct l4_run *r, struct l4_bound *b, const struct l4_dx *data, const uint8_t *have, size_t n)
{
	const struct l4_dx *sec = field(data, "scm_sec"), *nsec = field(data, "scm_nsec");
	int64_t want = (sec ? value(b, sec) : 0) * 1000000 + (nsec ? value(b, nsec) : 0) / 1000;
	struct timespec t = { 0 };
	if (!want)
		return true;
	memcpy(&t, have, n < sizeof(t) ? n : sizeof(t));
	int64_t seen =
	    (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 - (int64_t)(r->zero / L4_USEC);
	if (seen <= want + r->tolerance_us && seen >= want - r->tolerance_us)
		return true;
	return l4_run_fail(r, b->e, "the control message tells %.6f s, expected %.6f s",
	    (double)seen / 1e6, (double)want / 1e6);
}

static bool check_msg(struct l4_run *r, struct l4_bound *b)
{
	const struct l4_dx *m = arg(b, 1), *flags = field(m, "msg_flags");
	int64_t want = flags ? value(b, flags) : 0;
	if (flags && b->msg.msg_flags != want)
		return l4_run_fail(r, b->e, "msg_flags is 0x%x, expected 0x%x",
		    (unsigned)b->msg.msg_flags, (unsigned)want);
	const struct l4_dx *list = field(m, "msg_control");
	size_t at = 0;
	for (const struct l4_dx *x = list ? list->child : NULL; x; x = x->next) {
		const struct l4_dx *level = field(x, "cmsg_level"), *type = field(x, "cmsg_type"),
				   *data = field(x, "cmsg_data");
		struct cmsghdr h;
		if (at + sizeof(h) > b->msg.msg_controllen)
			return l4_run_fail(r, b->e, "a control message is missing");
		memcpy(&h, b->control + at, sizeof(h));
		if ((level && h.cmsg_level != value(b, level)) ||
		    (type && h.cmsg_type != value(b, type)))
			return l4_run_fail(r, b->e, "control message of level %d type %d",
			    h.cmsg_level, h.cmsg_type);
		uint8_t bytes[64];
		size_t n = data ? cmsg_bytes(b, data, bytes) : 0;
		const uint8_t *have = b->control + at + CMSG_LEN(0);
		if (data && data->kind == L4_DX_STRUCT && !n &&
		    !check_stamp(r, b, data, have, h.cmsg_len - CMSG_LEN(0)))
			return false;
		if (n && (h.cmsg_len < CMSG_LEN(n) || memcmp(have, bytes, n) != 0)) {
			int seen = 0, wanted = 0;
			memcpy(&seen, have, sizeof(seen));
			memcpy(&wanted, bytes, sizeof(wanted));
			return l4_run_fail(r, b->e, "the control message holds %d, expected %d%s",
			    seen, wanted, n > 4 ? " (first word)" : "");
		}
		at += h.cmsg_len > sizeof(h) ? CMSG_SPACE(h.cmsg_len - CMSG_LEN(0)) : sizeof(h);
	}
	return true;
}

static bool check_read(struct l4_run *r, struct l4_bound *b)
{
	if (b->c.ret <= 0 || b->c.a & MSG_TRUNC)
		return true;
	for (size_t i = 0; i < (size_t)b->c.ret && i < b->buf_len; i++)
		if (b->buf[i] && b->iov[0].iov_base)
			return l4_run_fail(
			    r, b->e, "byte %zu that was read is 0x%02x, not 0", i, b->buf[i]);
	return true;
}

/* What the runner has to know of a call that went well. */
static void follow_up(struct l4_run *r, struct l4_bound *b)
{
	const struct l4_dcall *d = &b->e->call;
	int64_t script_fd = d->result->kind == L4_DX_INT ? d->result->num : -1;
	struct l4_tut *t = r->tut;
	if (b->c.op == L4_CALL_SOCKET && b->c.ret >= 0) {
		l4_run_name_fd(r, script_fd, (int)b->c.ret);
		t = l4_run_new_tut(r, L4_TUT_NEW);
		if (!t)
			return;
		t->fd = (int)b->c.ret;
		t->udp = (b->c.b & 15) == SOCK_DGRAM;
	} else if (b->c.op == L4_CALL_ACCEPT && b->c.ret >= 0) {
		l4_run_name_fd(r, script_fd, (int)b->c.ret);
		for (t = r->tut; t; t = t->next)
			if ((t->state == L4_TUT_SYNACK || t->state == L4_TUT_ACKED) && t->fd < 0)
				break;
		if (t)
			t->fd = (int)b->c.ret;
	} else if (b->names_fd && b->c.ret >= 0) {
		l4_run_name_fd(r, script_fd, (int)b->c.ret);
	} else if (b->c.op == L4_CALL_PIPE && b->c.ret == 0 && arg(b, 0)->n == 2) {
		l4_run_name_fd(r, value(b, arg(b, 0)->child), b->ints[0]);
		l4_run_name_fd(r, value(b, arg(b, 0)->child->next), b->ints[1]);
	} else if (b->c.op == L4_CALL_LISTEN && b->c.ret == 0) {
		for (; t; t = t->next)
			if (t->fd == b->c.fd)
				t->state = L4_TUT_LISTENING;
	}
}

/* connect and sendto name the remote end before the call, for the SYN that it sends. */
void l4_bound_prepare(struct l4_run *r, struct l4_bound *b)
{
	struct l4_tut *t = r->tut;
	while (t && t->fd != b->c.fd)
		t = t->next;
	if (!t || !b->c.cname || b->c.cname_len < sizeof(struct sockaddr_in))
		return;
	struct l4_endpoint e = { 0 };
	if (b->addr.ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, &b->addr, sizeof(in));
		uint8_t a[4];
		memcpy(a, &in.sin_addr, 4);
		e.addr = l4_addr_from_ip4(a);
		e.port = ntohs(in.sin_port);
	} else {
		struct sockaddr_in6 in;
		memcpy(&in, &b->addr, sizeof(in));
		e.addr = l4_addr_from_ip6(in.sin6_addr.s6_addr);
		e.port = ntohs(in.sin6_port);
	}
	if (b->c.op == L4_CALL_BIND) {
		t->flow.local = e;
		t->learned = t->udp;
	} else if (b->c.op == L4_CALL_CONNECT || b->c.op == L4_CALL_SEND) {
		if (t->state == L4_TUT_NEW || t->udp)
			t->flow.remote = e;
		if (t->state == L4_TUT_NEW ||
		    (t->state == L4_TUT_CONNECTED && !t->udp && b->c.op == L4_CALL_CONNECT))
			t->state = L4_TUT_CONNECTING;
	}
}

bool l4_bound_check(struct l4_run *r, struct l4_bound *b)
{
	if (b->nothing)
		return true;
	follow_up(r, b);
	if (!check_result(r, b))
		return false;
	if (b->c.ret < 0)
		return true;
	switch (b->c.op) {
	case L4_CALL_POLL:
		return check_poll(r, b);
	case L4_CALL_EPOLL_WAIT:
		return check_epoll(r, b);
	case L4_CALL_GETSOCKOPT:
		return check_getsockopt(r, b);
	case L4_CALL_IOCTL:
		if (b->ints[0] != b->ints[1] && b->e->call.n_args > 2)
			return l4_run_fail(
			    r, b->e, "the value is %d, expected %d", b->ints[0], b->ints[1]);
		return true;
	case L4_CALL_RECV:
		if (b->c.msg && !check_msg(r, b))
			return false;
		return check_read(r, b);
	case L4_CALL_SOCKET:
	case L4_CALL_BIND:
	case L4_CALL_LISTEN:
	case L4_CALL_ACCEPT:
	case L4_CALL_CONNECT:
	case L4_CALL_SEND:
	case L4_CALL_FCNTL:
	case L4_CALL_CLOSE:
	case L4_CALL_SHUTDOWN:
	case L4_CALL_SETSOCKOPT:
	case L4_CALL_EPOLL_CREATE:
	case L4_CALL_EPOLL_CTL:
	case L4_CALL_PIPE:
	case L4_CALL_SPLICE:
	case L4_CALL_SENDFILE:
	case L4_CALL_OPEN:
	case L4_CALL_GETSOCKNAME:
	case L4_CALL_GETPEERNAME:
	case L4_CALL_COUNT:
		break;
	}
	return true;
}
