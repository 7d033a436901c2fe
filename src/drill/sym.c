/* Names of the constants that scripts use, with their values on Linux, and ICMP's type names.
 *
 * The values come from the system's headers where those know the name; names younger than the
 * headers stand with their numbers, which are part of the kernel's stable interface. */
#include "drill/script.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct symbol {
	const char *name;
	int64_t value;
};

#define S(name)             \
	{                   \
#name, name \
	}

static const struct symbol symbols[] = {
	S(AF_UNSPEC),
	S(AF_INET),
	S(AF_INET6),
	S(AF_UNIX),
	S(PF_INET),
	S(PF_INET6),
	S(SOCK_STREAM),
	S(SOCK_DGRAM),
	S(SOCK_RAW),
	S(SOCK_SEQPACKET),
	S(SOCK_NONBLOCK),
	S(SOCK_CLOEXEC),
	S(IPPROTO_IP),
	S(IPPROTO_IPV6),
	S(IPPROTO_TCP),
	S(IPPROTO_UDP),
	S(IPPROTO_ICMP),
	S(IPPROTO_ICMPV6),
	S(IPPROTO_MPTCP),
	S(INADDR_ANY),
	S(SOL_SOCKET),
	S(SOL_IP),
	S(SOL_IPV6),
	S(SOL_TCP),
	S(SO_ACCEPTCONN),
	S(SO_BINDTODEVICE),
	S(SO_BROADCAST),
	S(SO_DEBUG),
	S(SO_DOMAIN),
	S(SO_DONTROUTE),
	S(SO_ERROR),
	S(SO_INCOMING_CPU),
	S(SO_KEEPALIVE),
	S(SO_LINGER),
	S(SO_MARK),
	S(SO_MAX_PACING_RATE),
	S(SO_MEMINFO),
	S(SO_NO_CHECK),
	S(SO_OOBINLINE),
	S(SO_PASSCRED),
	S(SO_PEEK_OFF),
	S(SO_PRIORITY),
	S(SO_PROTOCOL),
	S(SO_RCVBUF),
	S(SO_RCVBUFFORCE),
	S(SO_RCVLOWAT),
	S(SO_RCVTIMEO),
	S(SO_REUSEADDR),
	S(SO_REUSEPORT),
	S(SO_SNDBUF),
	S(SO_SNDBUFFORCE),
	S(SO_SNDLOWAT),
	S(SO_SNDTIMEO),
	S(SO_TIMESTAMP),
	S(SO_TIMESTAMPNS),
	S(SO_TIMESTAMPING),
	S(SO_TYPE),
	S(SO_ZEROCOPY),
	S(SO_BUSY_POLL),
	S(SO_TXTIME),
	S(SO_EE_ORIGIN_NONE),
	S(SO_EE_ORIGIN_LOCAL),
	S(SO_EE_ORIGIN_ICMP),
	S(SO_EE_ORIGIN_ICMP6),
	S(SO_EE_ORIGIN_TIMESTAMPING),
	S(SO_EE_ORIGIN_ZEROCOPY),
	S(SO_EE_CODE_ZEROCOPY_COPIED),
	S(SCM_TIMESTAMPING),
	S(SCM_TIMESTAMPING_OPT_STATS),
	S(IP_TOS),
	S(IP_TTL),
	S(IP_MTU),
	S(IP_MTU_DISCOVER),
	S(IP_RECVERR),
	S(IP_FREEBIND),
	S(IP_OPTIONS),
	S(IP_RECVTOS),
	S(IP_RECVTTL),
	S(IP_PKTINFO),
	S(IP_MINTTL),
	S(IP_BIND_ADDRESS_NO_PORT),
	S(IP_TRANSPARENT),
	S(IP_PMTUDISC_WANT),
	S(IP_PMTUDISC_DONT),
	S(IP_PMTUDISC_DO),
	S(IP_PMTUDISC_PROBE),
	S(IP_PMTUDISC_INTERFACE),
	S(IP_PMTUDISC_OMIT),
	S(IPV6_TCLASS),
	S(IPV6_MTU),
	S(IPV6_MTU_DISCOVER),
	S(IPV6_RECVERR),
	S(IPV6_V6ONLY),
	S(IPV6_UNICAST_HOPS),
	S(IPV6_RECVTCLASS),
	S(IPV6_RECVHOPLIMIT),
	S(IPV6_HOPLIMIT),
	S(IPV6_PKTINFO),
	S(IPV6_RECVPKTINFO),
	S(IPV6_PMTUDISC_WANT),
	S(IPV6_PMTUDISC_DONT),
	S(IPV6_PMTUDISC_DO),
	S(IPV6_PMTUDISC_PROBE),
	S(TCP_NODELAY),
	S(TCP_MAXSEG),
	S(TCP_CORK),
	S(TCP_KEEPIDLE),
	S(TCP_KEEPINTVL),
	S(TCP_KEEPCNT),
	S(TCP_SYNCNT),
	S(TCP_LINGER2),
	S(TCP_DEFER_ACCEPT),
	S(TCP_WINDOW_CLAMP),
	S(TCP_INFO),
	S(TCP_QUICKACK),
	S(TCP_CONGESTION),
	S(TCP_MD5SIG),
	S(TCP_COOKIE_TRANSACTIONS),
	S(TCP_THIN_LINEAR_TIMEOUTS),
	S(TCP_THIN_DUPACK),
	S(TCP_USER_TIMEOUT),
	S(TCP_REPAIR),
	S(TCP_FASTOPEN),
	S(TCP_TIMESTAMP),
	S(TCP_NOTSENT_LOWAT),
	S(TCP_CC_INFO),
	S(TCP_SAVE_SYN),
	S(TCP_SAVED_SYN),
	S(TCP_FASTOPEN_CONNECT),
	S(TCP_ULP),
	S(TCP_FASTOPEN_KEY),
	S(TCP_FASTOPEN_NO_COOKIE),
	S(TCP_ZEROCOPY_RECEIVE),
	S(TCP_INQ),
	S(TCP_CM_INQ),
	S(TCP_TX_DELAY),
	S(TCP_ESTABLISHED),
	S(TCP_SYN_SENT),
	S(TCP_SYN_RECV),
	S(TCP_FIN_WAIT1),
	S(TCP_FIN_WAIT2),
	S(TCP_TIME_WAIT),
	S(TCP_CLOSE),
	S(TCP_CLOSE_WAIT),
	S(TCP_LAST_ACK),
	S(TCP_LISTEN),
	S(TCP_CLOSING),
	S(MSG_OOB),
	S(MSG_PEEK),
	S(MSG_DONTROUTE),
	S(MSG_CTRUNC),
	S(MSG_TRUNC),
	S(MSG_DONTWAIT),
	S(MSG_EOR),
	S(MSG_WAITALL),
	S(MSG_FIN),
	S(MSG_SYN),
	S(MSG_CONFIRM),
	S(MSG_RST),
	S(MSG_ERRQUEUE),
	S(MSG_NOSIGNAL),
	S(MSG_MORE),
	S(MSG_WAITFORONE),
	S(MSG_ZEROCOPY),
	S(MSG_FASTOPEN),
	S(MSG_CMSG_CLOEXEC),
	S(SHUT_RD),
	S(SHUT_WR),
	S(SHUT_RDWR),
	S(O_RDONLY),
	S(O_WRONLY),
	S(O_RDWR),
	S(O_ACCMODE),
	S(O_CREAT),
	S(O_EXCL),
	S(O_NOCTTY),
	S(O_TRUNC),
	S(O_APPEND),
	S(O_NONBLOCK),
	S(F_DUPFD),
	S(F_GETFD),
	S(F_SETFD),
	S(F_GETFL),
	S(F_SETFL),
	S(FD_CLOEXEC),
	S(FIONREAD),
	S(FIONBIO),
	S(POLLIN),
	S(POLLPRI),
	S(POLLOUT),
	S(POLLRDNORM),
	S(POLLRDBAND),
	S(POLLWRNORM),
	S(POLLWRBAND),
	S(POLLERR),
	S(POLLHUP),
	S(POLLNVAL),
	S(EPOLLIN),
	S(EPOLLPRI),
	S(EPOLLOUT),
	S(EPOLLRDNORM),
	S(EPOLLRDBAND),
	S(EPOLLWRNORM),
	S(EPOLLWRBAND),
	S(EPOLLMSG),
	S(EPOLLERR),
	S(EPOLLHUP),
	S(EPOLLRDHUP),
	S(EPOLLONESHOT),
	S(EPOLLET),
	S(EPOLLEXCLUSIVE),
	S(EPOLL_CTL_ADD),
	S(EPOLL_CTL_MOD),
	S(EPOLL_CTL_DEL),
	{ "POLLRDHUP", 0x2000 },
	{ "SOL_UDP", 17 },
	{ "UDP_SEGMENT", 103 },
	{ "UDP_GRO", 104 },
	{ "SIOCINQ", 0x541b },
	{ "SIOCOUTQ", 0x5411 },
	{ "SIOCOUTQNSD", 0x894b },
	{ "SIOCATMARK", 0x8905 },
	{ "TCP_IS_MPTCP", 43 },
	{ "TCP_DELACK_MAX_US", 46 },
	{ "TCP_RTO_MAX_MS", 44 },
	{ "TCP_RTO_MIN_US", 45 },
	{ "SPLICE_F_MOVE", 1 },
	{ "SPLICE_F_NONBLOCK", 2 },
	{ "SPLICE_F_MORE", 4 },
	{ "SPLICE_F_GIFT", 8 },
	{ "SCM_TSTAMP_SND", 0 },
	{ "SCM_TSTAMP_SCHED", 1 },
	{ "SCM_TSTAMP_ACK", 2 },
	{ "TCP_INFINITE_SSTHRESH", 0x7fffffff },
	{ "SO_INCOMING_NAPI_ID", 56 },
	{ "SO_RESERVE_MEM", 73 },
	{ "SO_RCVMARK", 75 },
	{ "IP_LOCAL_PORT_RANGE", 51 },
	{ "SOF_TIMESTAMPING_TX_HARDWARE", 1 << 0 },
	{ "SOF_TIMESTAMPING_TX_SOFTWARE", 1 << 1 },
	{ "SOF_TIMESTAMPING_RX_HARDWARE", 1 << 2 },
	{ "SOF_TIMESTAMPING_RX_SOFTWARE", 1 << 3 },
	{ "SOF_TIMESTAMPING_SOFTWARE", 1 << 4 },
	{ "SOF_TIMESTAMPING_SYS_HARDWARE", 1 << 5 },
	{ "SOF_TIMESTAMPING_RAW_HARDWARE", 1 << 6 },
	{ "SOF_TIMESTAMPING_OPT_ID", 1 << 7 },
	{ "SOF_TIMESTAMPING_TX_SCHED", 1 << 8 },
	{ "SOF_TIMESTAMPING_TX_ACK", 1 << 9 },
	{ "SOF_TIMESTAMPING_OPT_CMSG", 1 << 10 },
	{ "SOF_TIMESTAMPING_OPT_TSONLY", 1 << 11 },
	{ "SOF_TIMESTAMPING_OPT_STATS", 1 << 12 },
	{ "SOF_TIMESTAMPING_OPT_PKTINFO", 1 << 13 },
	{ "SOF_TIMESTAMPING_OPT_TX_SWHW", 1 << 14 },
	{ "SOF_TIMESTAMPING_BIND_PHC", 1 << 15 },
	{ "SOF_TIMESTAMPING_OPT_ID_TCP", 1 << 16 },
};

static const struct symbol errnos[] = {
	S(EPERM),
	S(ENOENT),
	S(ESRCH),
	S(EINTR),
	S(EIO),
	S(ENXIO),
	S(E2BIG),
	S(EBADF),
	S(EAGAIN),
	S(ENOMEM),
	S(EACCES),
	S(EFAULT),
	S(EBUSY),
	S(EEXIST),
	S(ENODEV),
	S(ENOTDIR),
	S(EISDIR),
	S(EINVAL),
	S(ENFILE),
	S(EMFILE),
	S(ENOTTY),
	S(EFBIG),
	S(ENOSPC),
	S(ESPIPE),
	S(EROFS),
	S(EPIPE),
	S(EDOM),
	S(ERANGE),
	S(EDEADLK),
	S(ENAMETOOLONG),
	S(ENOSYS),
	S(ELOOP),
	S(EWOULDBLOCK),
	S(ENOMSG),
	S(ENODATA),
	S(ETIME),
	S(EPROTO),
	S(EBADMSG),
	S(EOVERFLOW),
	S(EILSEQ),
	S(ENOTSOCK),
	S(EDESTADDRREQ),
	S(EMSGSIZE),
	S(EPROTOTYPE),
	S(ENOPROTOOPT),
	S(EPROTONOSUPPORT),
	S(ESOCKTNOSUPPORT),
	S(EOPNOTSUPP),
	S(EPFNOSUPPORT),
	S(EAFNOSUPPORT),
	S(EADDRINUSE),
	S(EADDRNOTAVAIL),
	S(ENETDOWN),
	S(ENETUNREACH),
	S(ENETRESET),
	S(ECONNABORTED),
	S(ECONNRESET),
	S(ENOBUFS),
	S(EISCONN),
	S(ENOTCONN),
	S(ESHUTDOWN),
	S(ETOOMANYREFS),
	S(ETIMEDOUT),
	S(ECONNREFUSED),
	S(EHOSTDOWN),
	S(EHOSTUNREACH),
	S(EALREADY),
	S(EINPROGRESS),
	S(ESTALE),
	S(ECANCELED),
	S(ENONET),
	S(ENOTUNIQ),
};

#undef S

static const struct symbol *find(const struct symbol *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

bool l4_drill_symbol(const char *name, int64_t *value)
{
	const struct symbol *s = find(symbols, sizeof(symbols) / sizeof(symbols[0]), name);
	if (!s)
		s = find(errnos, sizeof(errnos) / sizeof(errnos[0]), name);
	if (!s)
		return false;
	*value = s->value;
	return true;
}

const char *l4_drill_errno_name(int err)
{
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].value == err)
			return errnos[i].name;
	return "E?";
}

struct icmp_name {
	const char *name;
	uint8_t value;
};

static const struct icmp_name types4[] = {
	{ "echo_reply", 0 },
	{ "unreachable", 3 },
	{ "source_quench", 4 },
	{ "redirect", 5 },
	{ "echo_request", 8 },
	{ "time_exceeded", 11 },
	{ "parameter_problem", 12 },
	{ "timestamp_request", 13 },
	{ "timestamp_reply", 14 },
	{ "information_request", 15 },
	{ "information_reply", 16 },
	{ "address_mask_request", 17 },
	{ "address_mask_reply", 18 },
	{ NULL, 0 },
};

static const struct icmp_name unreach4[] = {
	{ "net_unreachable", 0 },
	{ "host_unreachable", 1 },
	{ "protocol_unreachable", 2 },
	{ "port_unreachable", 3 },
	{ "frag_needed", 4 },
	{ "source_route_failed", 5 },
	{ "net_unknown", 6 },
	{ "host_unknown", 7 },
	{ "source_host_isolated", 8 },
	{ "net_prohibited", 9 },
	{ "host_prohibited", 10 },
	{ "net_unreachable_for_tos", 11 },
	{ "host_unreachable_for_tos", 12 },
	{ "packet_filtered", 13 },
	{ "precedence_violation", 14 },
	{ "precedence_cutoff", 15 },
	{ NULL, 0 },
};

static const struct icmp_name exceeded4[] = {
	{ "ttl_exceeded_in_transit", 0 },
	{ "frag_reass_exceeded", 1 },
	{ NULL, 0 },
};

static const struct icmp_name types6[] = {
	{ "unreachable", 1 },
	{ "packet_too_big", 2 },
	{ "time_exceeded", 3 },
	{ "parameter_problem", 4 },
	{ "echo_request", 128 },
	{ "echo_reply", 129 },
	{ NULL, 0 },
};

static const struct icmp_name unreach6[] = {
	{ "net_unreachable", 0 },
	{ "no_route", 0 },
	{ "admin_prohibited", 1 },
	{ "not_neighbour", 2 },
	{ "address_unreachable", 3 },
	{ "port_unreachable", 4 },
	{ NULL, 0 },
};

static const struct icmp_name exceeded6[] = {
	{ "exceeded_hop_limit", 0 },
	{ "exceeded_frag_time", 1 },
	{ NULL, 0 },
};

static const struct icmp_name param6[] = {
	{ "header_field", 0 },
	{ "unknown_next_header", 1 },
	{ "unknown_option", 2 },
	{ NULL, 0 },
};

/* By name, or "<prefix>N" for the number itself. */
static bool by_name(const struct icmp_name *t, const char *name, const char *prefix, uint8_t *out)
{
	size_t n = strlen(prefix);
	if (!strncmp(name, prefix, n) && name[n] >= '0' && name[n] <= '9') {
		char *end;
		unsigned long v = strtoul(name + n, &end, 0);
		*out = (uint8_t)v;
		return !*end && v <= 255;
	}
	for (; t && t->name; t++) {
		if (!strcmp(t->name, name)) {
			*out = t->value;
			return true;
		}
	}
	return false;
}

bool l4_drill_icmp(int v6, const char *type, const char *code, uint8_t *type_out, uint8_t *code_out)
{
	*code_out = 0;
	if (!by_name(v6 ? types6 : types4, type, "type_", type_out))
		return false;
	if (!code)
		return true;
	const struct icmp_name *codes = NULL;
	if (!v6 && *type_out == 3)
		codes = unreach4;
	else if (!v6 && *type_out == 11)
		codes = exceeded4;
	else if (v6 && *type_out == 1)
		codes = unreach6;
	else if (v6 && *type_out == 3)
		codes = exceeded6;
	else if (v6 && *type_out == 4)
		codes = param6;
	return by_name(codes, code, "code_", code_out);
}
