/* Sockets as Linux has them: options.
 *
 * One table says for each option its level, its bounds, the library's option behind it and the
 * unit; what needs more is a case of its own. Options that a program may set but that mean nothing
 * here (SO_MARK, SO_PRIORITY ...) are remembered, so that reading them gives what was written. */
#include "posix/sock_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

/* Names younger than the C library's headers. */
#define O_MEMINFO          55
#define O_TCP_INQ          36
#define O_TCP_CC_INFO      26
#define O_TCP_TX_DELAY     37
#define O_FASTOPEN_KEY     33
#define O_FASTOPEN_NOCOOK  34
#define O_TCP_ULP          31
#define O_TCP_IS_MPTCP     43
#define O_IP_MINTTL        21
#define O_IPV6_MINHOPCOUNT 73

enum unit { U_BOOL, U_INT, U_SECONDS, U_MS };

struct row {
	int level, name;
	enum unit unit;
	int min, max;
	int tcp; /* enum l4_tcp_option, 0: none */
	int udp; /* enum l4_udp_option, 0: none */
};

static const struct row rows[] = {
	{ SOL_SOCKET, SO_REUSEADDR, U_BOOL, 0, 0, L4_TCPOPT_REUSEADDR, L4_UDPOPT_REUSEADDR },
	{ SOL_SOCKET, SO_REUSEPORT, U_BOOL, 0, 0, L4_TCPOPT_REUSEPORT, L4_UDPOPT_REUSEADDR },
	{ SOL_SOCKET, SO_KEEPALIVE, U_BOOL, 0, 0, L4_TCPOPT_KEEPALIVE, 0 },
	{ SOL_SOCKET, SO_OOBINLINE, U_BOOL, 0, 0, L4_TCPOPT_OOBINLINE, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, U_BOOL, 0, 0, L4_TCPOPT_DONTROUTE, 0 },
	{ SOL_SOCKET, SO_BROADCAST, U_BOOL, 0, 0, 0, L4_UDPOPT_BROADCAST },
	{ SOL_SOCKET, SO_NO_CHECK, U_BOOL, 0, 0, 0, L4_UDPOPT_NO_CHECKSUM },
	{ SOL_SOCKET, SO_RCVLOWAT, U_INT, 0, INT32_MAX, L4_TCPOPT_RCVLOWAT, 0 },
	{ IPPROTO_TCP, TCP_NODELAY, U_BOOL, 0, 0, L4_TCPOPT_NODELAY, 0 },
	{ IPPROTO_TCP, TCP_CORK, U_BOOL, 0, 0, L4_TCPOPT_CORK, 0 },
	{ IPPROTO_TCP, TCP_QUICKACK, U_BOOL, 0, 0, L4_TCPOPT_QUICKACK, 0 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, U_SECONDS, 1, 32767, L4_TCPOPT_KEEPIDLE, 0 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, U_SECONDS, 1, 32767, L4_TCPOPT_KEEPINTVL, 0 },
	{ IPPROTO_TCP, TCP_KEEPCNT, U_INT, 1, 127, L4_TCPOPT_KEEPCNT, 0 },
	{ IPPROTO_TCP, TCP_SYNCNT, U_INT, 1, 127, L4_TCPOPT_SYNCNT, 0 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, U_MS, 0, INT32_MAX, L4_TCPOPT_USER_TIMEOUT, 0 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, U_SECONDS, 0, 3600, L4_TCPOPT_DEFER_ACCEPT, 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN, U_INT, 0, INT32_MAX, L4_TCPOPT_FASTOPEN, 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, U_INT, 0, 1, L4_TCPOPT_FASTOPEN_CONNECT, 0 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, U_INT, 0, INT32_MAX, L4_TCPOPT_WINDOW_CLAMP, 0 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, U_BOOL, 0, 0, L4_TCPOPT_V6ONLY, L4_UDPOPT_V6ONLY },
	{ IPPROTO_IP, IP_FREEBIND, U_BOOL, 0, 0, L4_TCPOPT_FREEBIND, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, U_BOOL, 0, 0, L4_TCPOPT_FREEBIND, 0 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, U_INT, 0, 255, 0, L4_UDPOPT_MULTICAST_TTL },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, U_BOOL, 0, 0, 0, L4_UDPOPT_MULTICAST_LOOP },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, U_INT, 0, 255, 0, L4_UDPOPT_MULTICAST_TTL },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, U_BOOL, 0, 0, 0, L4_UDPOPT_MULTICAST_LOOP },
};

/* Remembered, without effect: level, name, value before anything was set. */
static const struct {
	int level, name, initial;
} remembered[] = {
	{ SOL_SOCKET, SO_PRIORITY, 0 },
	{ SOL_SOCKET, SO_MARK, 0 },
	{ SOL_SOCKET, SO_DEBUG, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_PASSCRED, 0 },
	{ SOL_SOCKET, SO_BROADCAST, 0 },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0 },
	{ IPPROTO_TCP, TCP_THIN_DUPACK, 0 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, 0 },
	{ IPPROTO_TCP, TCP_TIMESTAMP, 0 },
	{ IPPROTO_TCP, O_TCP_TX_DELAY, 0 },
	{ IPPROTO_TCP, O_FASTOPEN_NOCOOK, 0 },
	{ IPPROTO_IP, IP_RECVTOS, 0 },
	{ IPPROTO_IP, IP_RECVTTL, 0 },
	{ IPPROTO_IP, IP_PKTINFO, 0 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0 },
	{ IPPROTO_IP, O_IP_MINTTL, 0 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 0 },
	{ IPPROTO_IPV6, O_IPV6_MINHOPCOUNT, 0 },
};

static const struct row *find(int level, int name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].level == level && rows[i].name == name)
			return &rows[i];
	return NULL;
}

static bool is_remembered(int level, int name, int *initial)
{
	for (size_t i = 0; i < sizeof(remembered) / sizeof(remembered[0]); i++) {
		if (remembered[i].level == level && remembered[i].name == name) {
			*initial = remembered[i].initial;
			return true;
		}
	}
	return false;
}

static struct l4_sk_saved *saved(struct l4_sock *k, int level, int name)
{
	for (size_t i = 0; i < k->saved_n; i++)
		if (k->saved[i].level == level && k->saved[i].name == name)
			return &k->saved[i];
	return NULL;
}

static void save(struct l4_sock *k, int level, int name, int value)
{
	struct l4_sk_saved *v = saved(k, level, name);
	if (!v && k->saved_n < L4_SK_SAVED_MAX) {
		v = &k->saved[k->saved_n++];
		v->level = level;
		v->name = name;
	}
	if (v)
		v->value = value;
}

static int set_l4(struct l4_socks *s, struct l4_sock *k, int tcp, int udp, int64_t v, l4_time now)
{
	int r = 0;
	if (k->kind == L4_SK_TCP && tcp)
		r = l4_tcp_set(s->host, k->ep, tcp, v, now);
	else if (k->kind == L4_SK_UDP && udp)
		r = l4_udp_set(s->host, k->ep, udp, v);
	return r < 0 ? -l4_sock_errno(r) : 0;
}

static int64_t get_l4(struct l4_socks *s, struct l4_sock *k, int tcp, int udp, int64_t otherwise)
{
	int64_t v = otherwise;
	if (k->kind == L4_SK_TCP && tcp && l4_tcp_get(s->host, k->ep, tcp, &v) < 0)
		return otherwise;
	if (k->kind == L4_SK_UDP && udp && l4_udp_get(s->host, k->ep, udp, &v) < 0)
		return otherwise;
	return v;
}

/* The int that a caller passed; IP level options may be one byte. */
static int read_int(const struct l4_call *c, int *v)
{
	if (!c->cval)
		return -EFAULT;
	if (c->cval_len >= sizeof(int)) {
		memcpy(v, c->cval, sizeof(int));
		return 0;
	}
	if (c->a == IPPROTO_IP && c->cval_len >= 1) {
		*v = *(const uint8_t *)c->cval;
		return 0;
	}
	return -EINVAL;
}

/* ---- Setting ---- */

static int set_timeout(const struct l4_call *c, int64_t *ns)
{
	struct timeval tv;
	if (c->cval_len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, c->cval, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*ns = tv.tv_sec < 0 ? 1 : (int64_t)tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
	return 0;
}

static int set_linger(struct l4_socks *s, struct l4_sock *k, const struct l4_call *c, l4_time now)
{
	struct linger l;
	if (c->cval_len < sizeof(l))
		return -EINVAL;
	memcpy(&l, c->cval, sizeof(l));
	k->linger_on = l.l_onoff != 0;
	k->linger_s = l.l_linger;
	int64_t ns = l.l_onoff ? (int64_t)l.l_linger * 1000000000 : -1;
	return set_l4(s, k, L4_TCPOPT_LINGER, 0, ns, now);
}

static int set_socket(
    struct l4_socks *s, struct l4_sock *k, const struct l4_call *c, int v, l4_time now)
{
	switch (c->b) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		/* the kernel doubles it for its own overhead, which is small for large writes */
		if (v < 2304 || v > INT32_MAX / 2)
			v = v < 2304 ? 2304 : INT32_MAX / 2;
		k->sndbuf_set = true;
		k->sndbuf = v;
		return set_l4(s, k, L4_TCPOPT_SNDBUF, L4_UDPOPT_SNDBUF, (int64_t)v * 2, now);
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		if (v < 1152 || v > INT32_MAX / 2)
			v = v < 1152 ? 1152 : INT32_MAX / 2;
		k->rcvbuf_set = true;
		k->rcvbuf = v;
		return set_l4(s, k, L4_TCPOPT_RCVBUF, L4_UDPOPT_RCVBUF, v, now);
	case SO_ZEROCOPY:
		if (v < 0 || v > 1)
			return -EINVAL;
		k->zerocopy = v;
		return 0;
	case SO_MAX_PACING_RATE: {
		int64_t rate = (uint32_t)v == UINT32_MAX ? -1 : (int64_t)(uint32_t)v;
		if (c->cval_len >= sizeof(uint64_t)) {
			uint64_t big;
			memcpy(&big, c->cval, sizeof(big));
			rate = big > INT64_MAX ? -1 : (int64_t)big;
		}
		return set_l4(s, k, L4_TCPOPT_MAX_PACING_RATE, 0, rate, now);
	}
	case SO_TIMESTAMPING:
		save(k, SOL_SOCKET, SO_TIMESTAMPING, v);
		l4_sock_stamping(k, v);
		return 0;
	case SO_BINDTODEVICE:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int set_tcp(
    struct l4_socks *s, struct l4_sock *k, const struct l4_call *c, int v, l4_time now)
{
	int state = l4_tcp_state(s->host, k->ep);
	switch (c->b) {
	case TCP_MAXSEG:
		if (v && (v < 88 || v > 32767))
			return -EINVAL;
		save(k, IPPROTO_TCP, TCP_MAXSEG, v);
		return set_l4(s, k, L4_TCPOPT_MAXSEG, 0, v, now);
	case TCP_LINGER2:
		return set_l4(
		    s, k, L4_TCPOPT_LINGER2, 0, v < 0 ? -1 : (int64_t)v * 1000000000, now);
	case TCP_NOTSENT_LOWAT:
		save(k, IPPROTO_TCP, TCP_NOTSENT_LOWAT, v);
		return set_l4(s, k, L4_TCPOPT_NOTSENT_LOWAT, 0, (int64_t)(uint32_t)v, now);
	case O_TCP_INQ:
		if (v < 0 || v > 1)
			return -EINVAL;
		k->inq = v;
		return 0;
	case TCP_MD5SIG:
		return -EOPNOTSUPP;
	case TCP_REPAIR:
		return -EPERM;
	default:
		(void)state;
		return -ENOPROTOOPT;
	}
}

static int set_ip(
    struct l4_socks *s, struct l4_sock *k, const struct l4_call *c, int v, l4_time now)
{
	bool v6 = c->a == IPPROTO_IPV6;
	if (v6 && k->domain != AF_INET6)
		return -ENOPROTOOPT;
	int name = c->b;
	if ((!v6 && name == IP_TOS) || (v6 && name == IPV6_TCLASS)) {
		if (v < -1 || v > 255)
			return v6 ? -EINVAL
				  : set_l4(s, k, L4_TCPOPT_TOS, L4_UDPOPT_TOS, v & 255, now);
		if (k->kind == L4_SK_TCP)
			v &= ~3; /* the ECN bits are TCP's own (RFC 3168) */
		return set_l4(s, k, L4_TCPOPT_TOS, L4_UDPOPT_TOS, v < 0 ? 0 : v, now);
	}
	if ((!v6 && name == IP_TTL) || (v6 && name == IPV6_UNICAST_HOPS)) {
		if (v != -1 && (v < (v6 ? 0 : 1) || v > 255))
			return -EINVAL;
		return set_l4(s, k, L4_TCPOPT_TTL, L4_UDPOPT_TTL, v, now);
	}
	if ((!v6 && name == IP_MTU_DISCOVER) || (v6 && name == IPV6_MTU_DISCOVER)) {
		if (v < 0 || v > 5)
			return -EINVAL;
		k->pmtudisc = v;
		return set_l4(s, k, L4_TCPOPT_MTU_DISCOVER, L4_UDPOPT_DONTFRAG, v != 0, now);
	}
	if ((!v6 && name == IP_RECVERR) || (v6 && name == IPV6_RECVERR)) {
		k->recverr = v;
		return 0;
	}
	return -ENOPROTOOPT;
}

static int set_congestion(struct l4_socks *s, struct l4_sock *k, const struct l4_call *c)
{
	char name[16] = "";
	if (!c->cval_len || k->kind != L4_SK_TCP)
		return c->cval_len ? -ENOPROTOOPT : -EINVAL;
	size_t n = c->cval_len < sizeof(name) - 1 ? c->cval_len : sizeof(name) - 1;
	memcpy(name, c->cval, n);
	int r = l4_tcp_set_congestion(s->host, k->ep, name);
	return r < 0 ? -ENOENT : 0;
}

static int set_row(struct l4_socks *s, struct l4_sock *k, const struct row *row, int v, l4_time now)
{
	if (row->level == IPPROTO_TCP && k->kind != L4_SK_TCP)
		return -ENOPROTOOPT;
	if (row->unit == U_BOOL) {
		if (row->level == IPPROTO_IP && row->name == IP_FREEBIND)
			k->freebind = v != 0;
		if (row->level == SOL_SOCKET && row->name == SO_BROADCAST)
			save(k, SOL_SOCKET, SO_BROADCAST, v != 0);
		return set_l4(s, k, row->tcp, row->udp, v != 0, now);
	}
	if (row->name == SO_RCVLOWAT && row->level == SOL_SOCKET)
		v = v < 0 ? INT32_MAX : v ? v : 1;
	if (row->level == IPPROTO_TCP && row->name == TCP_DEFER_ACCEPT && v < 0)
		v = 0;
	if (v < row->min || v > row->max)
		return -EINVAL;
	if (row->level == IPPROTO_TCP && row->name == TCP_FASTOPEN_CONNECT && !s->fastopen)
		return -EOPNOTSUPP;
	int64_t scaled = row->unit == U_SECONDS ? v * INT64_C(1000000000)
			 : row->unit == U_MS    ? v * INT64_C(1000000)
						: v;
	return set_l4(s, k, row->tcp, row->udp, scaled, now);
}

/* One key, or two, of which the first makes cookies. */
static int set_fastopen_key(struct l4_socks *s, struct l4_sock *k, const struct l4_call *c)
{
	if (!c->cval || (c->cval_len != 16 && c->cval_len != 32))
		return -EINVAL;
	memcpy(k->fo_key, c->cval, sizeof(k->fo_key));
	k->fo_key_set = true;
	if (k->listening)
		l4_tcp_set_fastopen_key(s->host, k->ep, k->fo_key);
	return 0;
}

bool l4_call_setsockopt(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	int v = 0, initial;
	if (c->a == IPPROTO_TCP && c->b == TCP_CONGESTION)
		return l4_call_end(c, c->cval ? set_congestion(s, k, c) : -EFAULT);
	if (c->a == IPPROTO_TCP && c->b == O_FASTOPEN_KEY)
		return l4_call_end(c, set_fastopen_key(s, k, c));
	int r = read_int(c, &v);
	if (r < 0)
		return l4_call_end(c, r);
	if (c->a == SOL_SOCKET && c->b == SO_LINGER)
		return l4_call_end(c, set_linger(s, k, c, now));
	if (c->a == SOL_SOCKET && c->b == SO_RCVTIMEO)
		return l4_call_end(c, set_timeout(c, &k->rcvtimeo_ns));
	if (c->a == SOL_SOCKET && c->b == SO_SNDTIMEO)
		return l4_call_end(c, set_timeout(c, &k->sndtimeo_ns));
	const struct row *row = find(c->a, c->b);
	if (row)
		r = set_row(s, k, row, v, now);
	else if (is_remembered(c->a, c->b, &initial))
		save(k, c->a, c->b, v);
	else if (c->a == SOL_SOCKET)
		r = set_socket(s, k, c, v, now);
	else if (c->a == IPPROTO_TCP && k->kind == L4_SK_TCP)
		r = set_tcp(s, k, c, v, now);
	else if (c->a == IPPROTO_IP || c->a == IPPROTO_IPV6)
		r = set_ip(s, k, c, v, now);
	else
		r = -ENOPROTOOPT;
	return l4_call_end(c, r);
}

/* ---- Getting ---- */

static bool give(struct l4_call *c, const void *data, size_t n)
{
	if (*c->val_len < n)
		n = *c->val_len;
	if (n)
		memcpy(c->val, data, n);
	*c->val_len = (socklen_t)n;
	return l4_call_end(c, 0);
}

static bool give_int(struct l4_call *c, int64_t v)
{
	int i = (int)v;
	if ((c->a == IPPROTO_IP || c->a == IPPROTO_IPV6) && *c->val_len > 0 &&
	    *c->val_len < sizeof(i) && i >= 0 && i <= 255) {
		uint8_t b = (uint8_t)i;
		return give(c, &b, 1);
	}
	return give(c, &i, sizeof(i));
}

static bool get_timeout(struct l4_call *c, int64_t ns)
{
	struct timeval tv = { .tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 };
	return give(c, &tv, sizeof(tv));
}

static int buffer_size(struct l4_socks *s, struct l4_sock *k, bool send)
{
	if (send && k->sndbuf_set)
		return s->bsd ? k->sndbuf : 2 * k->sndbuf;
	if (!send && k->rcvbuf_set)
		return s->bsd ? k->rcvbuf : 2 * k->rcvbuf;
	return (int)(send ? get_l4(s, k, L4_TCPOPT_SNDBUF, L4_UDPOPT_SNDBUF, 212992)
			  : get_l4(s, k, L4_TCPOPT_RCVBUF, L4_UDPOPT_RCVBUF, 212992));
}

static bool get_meminfo(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	int64_t in = k->kind == L4_SK_TCP ? l4_tcp_inq(s->host, k->ep) : 0;
	int64_t out = k->kind == L4_SK_TCP ? l4_tcp_outq(s->host, k->ep) : 0;
	uint32_t m[9] = { 0 };
	m[0] = in > 0 ? (uint32_t)in : 0;
	m[1] = (uint32_t)buffer_size(s, k, false);
	m[2] = out > 0 ? (uint32_t)out : 0;
	m[3] = (uint32_t)buffer_size(s, k, true);
	m[5] = m[2];
	return give(c, m, sizeof(m));
}

static bool get_socket(struct l4_socks *s, struct l4_sock *k, struct l4_call *c)
{
	switch (c->b) {
	case SO_ERROR:
		return give_int(c, l4_sock_take_error(s, k));
	case SO_TYPE:
		return give_int(c, k->type);
	case SO_DOMAIN:
		return give_int(c, k->domain);
	case SO_PROTOCOL:
		return give_int(c, k->kind == L4_SK_TCP ? IPPROTO_TCP : IPPROTO_UDP);
	case SO_ACCEPTCONN:
		return give_int(
		    c, k->kind == L4_SK_TCP && l4_tcp_state(s->host, k->ep) == L4_TCP_LISTEN);
	case SO_SNDBUF:
		return give_int(c, buffer_size(s, k, true));
	case SO_RCVBUF:
		return give_int(c, buffer_size(s, k, false));
	case SO_SNDLOWAT:
		return give_int(c, 1);
	case SO_RCVTIMEO:
		return get_timeout(c, k->rcvtimeo_ns);
	case SO_SNDTIMEO:
		return get_timeout(c, k->sndtimeo_ns);
	case SO_LINGER: {
		struct linger l = { .l_onoff = k->linger_on, .l_linger = k->linger_s };
		return give(c, &l, sizeof(l));
	}
	case SO_ZEROCOPY:
		return give_int(c, k->zerocopy);
	case SO_MAX_PACING_RATE: {
		int64_t rate = get_l4(s, k, L4_TCPOPT_MAX_PACING_RATE, 0, -1);
		if (*c->val_len >= sizeof(rate))
			return give(c, &rate, sizeof(rate));
		return give_int(c, rate < 0 || rate > UINT32_MAX ? -1 : rate);
	}
	case SO_TIMESTAMPING: {
		const struct l4_sk_saved *v = saved(k, SOL_SOCKET, SO_TIMESTAMPING);
		return give_int(c, v ? v->value : 0);
	}
	case O_MEMINFO:
		return get_meminfo(s, k, c);
	default:
		return l4_call_end(c, -ENOPROTOOPT);
	}
}

static bool get_tcp(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	switch (c->b) {
	case TCP_INFO: {
		struct l4_tcp_info info;
		uint8_t block[280];
		int r = l4_tcp_info(s->host, k->ep, &info, now);
		if (r < 0)
			return l4_call_end(c, -l4_sock_errno(r));
		return give(c, block, l4_sock_tcp_info(&info, block, sizeof(block)));
	}
	case O_TCP_CC_INFO:
		return give(c, "", 0);
	case TCP_CONGESTION: {
		char name[16] = "";
		const char *cc = l4_tcp_get_congestion(s->host, k->ep);
		strncpy(name, cc ? cc : "", sizeof(name) - 1);
		return give(c, name, sizeof(name));
	}
	case TCP_MAXSEG: {
		const struct l4_sk_saved *user = saved(k, IPPROTO_TCP, TCP_MAXSEG);
		int state = l4_tcp_state(s->host, k->ep);
		if (user && user->value && (state == L4_TCP_CLOSED || state == L4_TCP_LISTEN))
			return give_int(c, user->value);
		return give_int(c, get_l4(s, k, L4_TCPOPT_MAXSEG, 0, 536));
	}
	case TCP_LINGER2: {
		int64_t ns = get_l4(s, k, L4_TCPOPT_LINGER2, 0, -1);
		return give_int(c, ns < 0 ? -1 : ns / 1000000000);
	}
	case TCP_NOTSENT_LOWAT: {
		const struct l4_sk_saved *v = saved(k, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
		return give_int(c, v ? v->value : 0); /* 0: the host's setting rules */
	}
	case O_TCP_INQ:
		return give_int(c, k->inq);
	case TCP_REPAIR:
	case O_TCP_IS_MPTCP:
		return give_int(c, 0);
	case O_TCP_ULP:
		return give(c, "", 0);
	default:
		return l4_call_end(c, -ENOPROTOOPT);
	}
}

static bool get_ip(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	bool v6 = c->a == IPPROTO_IPV6;
	int name = c->b;
	if (v6 && k->domain != AF_INET6)
		return l4_call_end(c, -ENOPROTOOPT);
	if ((!v6 && name == IP_TOS) || (v6 && name == IPV6_TCLASS))
		return give_int(c, get_l4(s, k, L4_TCPOPT_TOS, L4_UDPOPT_TOS, 0));
	if ((!v6 && name == IP_TTL) || (v6 && name == IPV6_UNICAST_HOPS)) {
		int64_t ttl = get_l4(s, k, L4_TCPOPT_TTL, L4_UDPOPT_TTL, 64);
		return give_int(c, ttl < 0 ? 64 : ttl);
	}
	if ((!v6 && name == IP_MTU_DISCOVER) || (v6 && name == IPV6_MTU_DISCOVER))
		return give_int(c, k->pmtudisc);
	if ((!v6 && name == IP_RECVERR) || (v6 && name == IPV6_RECVERR))
		return give_int(c, k->recverr);
	if ((!v6 && name == IP_MTU) || (v6 && name == IPV6_MTU)) {
		struct l4_tcp_info info;
		if (k->kind == L4_SK_TCP && l4_tcp_info(s->host, k->ep, &info, now) >= 0 &&
		    info.pmtu)
			return give_int(c, info.pmtu);
		return l4_call_end(c, -ENOTCONN);
	}
	return l4_call_end(c, -ENOPROTOOPT);
}

bool l4_call_getsockopt(struct l4_socks *s, struct l4_sock *k, struct l4_call *c, l4_time now)
{
	int initial;
	if (!c->val_len || (!c->val && *c->val_len))
		return l4_call_end(c, -EFAULT);
	if ((int)*c->val_len < 0)
		return l4_call_end(c, -EINVAL);
	const struct row *row = find(c->a, c->b);
	if (c->a == SOL_SOCKET && c->b == SO_BROADCAST && k->kind == L4_SK_TCP)
		row = NULL;
	if (row && row->level == IPPROTO_TCP && k->kind != L4_SK_TCP)
		return l4_call_end(c, -ENOPROTOOPT);
	if (row) {
		int64_t v = get_l4(s, k, row->tcp, row->udp, row->unit == U_INT ? 1 : 0);
		if (row->unit == U_SECONDS)
			v /= 1000000000;
		else if (row->unit == U_MS)
			v /= 1000000;
		return give_int(c, v);
	}
	if (is_remembered(c->a, c->b, &initial)) {
		const struct l4_sk_saved *v = saved(k, c->a, c->b);
		return give_int(c, v ? v->value : initial);
	}
	if (c->a == SOL_SOCKET)
		return get_socket(s, k, c);
	if (c->a == IPPROTO_TCP && k->kind == L4_SK_TCP)
		return get_tcp(s, k, c, now);
	if (c->a == IPPROTO_IP || c->a == IPPROTO_IPV6)
		return get_ip(s, k, c, now);
	return l4_call_end(c, c->a == IPPROTO_TCP ? -ENOPROTOOPT : -EOPNOTSUPP);
}

/* ---- struct tcp_info ---- */

static void put(uint8_t *out, size_t at, size_t width, uint64_t v)
{
	uint8_t b8;
	uint16_t b16;
	uint32_t b32;
	if (width == 1) {
		b8 = (uint8_t)v;
		memcpy(out + at, &b8, 1);
	} else if (width == 2) {
		b16 = (uint16_t)v;
		memcpy(out + at, &b16, 2);
	} else if (width == 4) {
		b32 = (uint32_t)v;
		memcpy(out + at, &b32, 4);
	} else {
		memcpy(out + at, &v, 8);
	}
}

size_t l4_sock_tcp_info(const struct l4_tcp_info *in, void *out, size_t cap)
{
	uint8_t b[280] = { 0 };
	const uint8_t head[6] = { in->state, in->ca_state, in->retransmits, in->probes, in->backoff,
		in->options };
	memcpy(b, head, sizeof(head));
	b[6] = (uint8_t)((in->snd_wscale & 15) | (in->rcv_wscale & 15) << 4);
	b[7] = (uint8_t)((in->delivery_rate_app_limited & 1) | (in->fastopen_client_fail & 3) << 1);
	const uint32_t words[24] = { in->rto, in->ato, in->snd_mss, in->rcv_mss, in->unacked,
		in->sacked, in->lost, in->retrans, in->fackets, in->last_data_sent,
		in->last_ack_sent, in->last_data_recv, in->last_ack_recv, in->pmtu,
		in->rcv_ssthresh, in->rtt, in->rttvar, in->snd_ssthresh, in->snd_cwnd, in->advmss,
		in->reordering, in->rcv_rtt, in->rcv_space, in->total_retrans };
	memcpy(b + 8, words, sizeof(words));
	const uint64_t rates[4] = { in->pacing_rate, in->max_pacing_rate, in->bytes_acked,
		in->bytes_received };
	memcpy(b + 104, rates, sizeof(rates));
	const uint32_t counts[6] = { in->segs_out, in->segs_in, in->notsent_bytes, in->min_rtt,
		in->data_segs_in, in->data_segs_out };
	memcpy(b + 136, counts, sizeof(counts));
	const uint64_t busy[4] = { in->delivery_rate, in->busy_time, in->rwnd_limited,
		in->sndbuf_limited };
	memcpy(b + 160, busy, sizeof(busy));
	put(b, 192, 4, in->delivered);
	put(b, 196, 4, in->delivered_ce);
	put(b, 200, 8, in->bytes_sent);
	put(b, 208, 8, in->bytes_retrans);
	const uint32_t tail[6] = { in->dsack_dups, in->reord_seen, in->rcv_ooopack, in->snd_wnd,
		in->rcv_wnd, in->rehash };
	memcpy(b + 216, tail, sizeof(tail));
	put(b, 240, 2, in->total_rto);
	put(b, 242, 2, in->total_rto_recoveries);
	put(b, 244, 4, in->total_rto_time);
	const uint32_t accecn[7] = { in->received_ce, in->delivered_e1_bytes,
		in->delivered_e0_bytes, in->delivered_ce_bytes, in->received_e1_bytes,
		in->received_e0_bytes, in->received_ce_bytes };
	memcpy(b + 248, accecn, sizeof(accecn));
	b[276] = (uint8_t)(in->ecn_mode | in->accecn_opt_seen << 2 | in->accecn_fail_mode << 4);
	size_t n = cap < sizeof(b) ? cap : sizeof(b);
	memcpy(out, b, n);
	return n;
}
