/* UDP scan: sockets of the kernel, no privileges.
 *
 * One unconnected socket a version of IP, with its error queue switched on (IP_RECVERR): an answer
 * comes with its source, an ICMP error with the destination that it was about. An answer means
 * open, port unreachable closed, other errors filtered; silence leaves open|filtered.
 *
 * Hosts limit the ICMP errors they send (Linux: one a second to a peer, six at a burst), so silence
 * at full speed proves nothing where errors were seen at all. Such hosts get a patient second part:
 * once in a bit over a second a few of the silent ports are asked together. If none answers though
 * an error could have been sent, all of them are silent for sure; if one answers, it is closed, and
 * the others wait for another turn. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "cli/scan.h"

#define ATTEMPTS    3
#define PAYLOAD_MAX 1500
#define TURN        (1050 * L4_MSEC)
#define TURN_PORTS  8
#define STRIKES     3 /* turns without any answer before silence is believed */
#define WAIT_MIN    (150 * L4_MSEC)

struct udp {
	struct scan_job *j;
	struct scan_rate rate;
	int fd[2]; /* version 4, version 6 */
	uint64_t unanswered;
	uint8_t *limits; /* bit a host: it sends port unreachable */
	l4_time last_sent;
};

static void on_error(struct udp *u, struct msghdr *m, const struct l4_addr *host, uint16_t port)
{
	struct scan_job *j = u->j;
	int64_t h = scan_targets_find(j->targets, host);
	int32_t k = j->port_index[port];
	if (h < 0 || k < 0)
		return;
	uint64_t probe = (uint64_t)h * j->n_ports + (uint64_t)k;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct sock_extended_err e;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
		if (!v6 && !(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		uint8_t reason = 0;
		switch (e.ee_errno) {
		case ECONNREFUSED:
			reason = SCAN_R_PORT_UNREACH;
			break;
		case EHOSTUNREACH:
			reason = SCAN_R_HOST_UNREACH;
			break;
		case ENETUNREACH:
			reason = SCAN_R_NET_UNREACH;
			break;
		case EACCES:
			reason = SCAN_R_ADMIN_PROHIBITED;
			break;
		case ENOPROTOOPT:
			reason = SCAN_R_PROTO_UNREACH;
			break;
		default:
			break;
		}
		/* Administratively prohibited (v4 codes 9, 10, 13) comes as an unreachable host. */
		if (e.ee_origin == SO_EE_ORIGIN_ICMP && e.ee_type == 3 &&
		    (e.ee_code == 9 || e.ee_code == 10 || e.ee_code == 13))
			reason = SCAN_R_ADMIN_PROHIBITED;
		if (!reason)
			continue;
		u->unanswered -= j->reasons[probe] == SCAN_R_NONE;
		scan_job_answer(j, probe, reason);
		if (reason == SCAN_R_PORT_UNREACH) {
			u->limits[h >> 3] |= (uint8_t)(1u << (h & 7));
			if (!j->hosts[h])
				j->hosts[h] = reason;
		}
	}
}

static bool from_sockaddr(const struct sockaddr_storage *ss, struct l4_addr *a, uint16_t *port)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *s = (const struct sockaddr_in *)ss;
		uint8_t b[4];
		memcpy(b, &s->sin_addr, 4);
		*a = l4_addr_from_ip4(b);
		*port = ntohs(s->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)ss;
		*a = l4_addr_from_ip6(s->sin6_addr.s6_addr);
		*port = ntohs(s->sin6_port);
	} else {
		return false;
	}
	return true;
}

static bool receive_one(struct udp *u, int fd, int flags)
{
	struct scan_job *j = u->j;
	struct sockaddr_storage from;
	struct l4_addr host;
	uint16_t port;
	char data[2048];
	/* Aligned as control messages are. */
	_Alignas(struct cmsghdr) char control[512];
	struct iovec v = { .iov_base = data, .iov_len = sizeof data };
	struct msghdr m = { .msg_name = &from,
		.msg_namelen = sizeof from,
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &m, flags | MSG_DONTWAIT);
	if (n < 0)
		/* An error that waits on the socket is told once; what it means is in the queue. */
		return errno != EAGAIN && errno != EWOULDBLOCK && !(flags & MSG_ERRQUEUE);
	if (!from_sockaddr(&from, &host, &port))
		return true;
	if (flags & MSG_ERRQUEUE) {
		on_error(u, &m, &host, port);
		return true;
	}
	int64_t h = scan_targets_find(j->targets, &host);
	int32_t k = j->port_index[port];
	if (h < 0 || k < 0)
		return true;
	uint64_t probe = (uint64_t)h * j->n_ports + (uint64_t)k;
	u->unanswered -= j->reasons[probe] == SCAN_R_NONE;
	scan_job_answer(j, probe, SCAN_R_UDP_RESPONSE);
	if (!j->hosts[h])
		j->hosts[h] = SCAN_R_UDP_RESPONSE;
	if (u->rate.srtt == 0)
		scan_rate_on_rtt(&u->rate, scan_now() - u->last_sent);
	return true;
}

static void receive(struct udp *u)
{
	for (int i = 0; i < 2; i++) {
		if (u->fd[i] < 0)
			continue;
		while (receive_one(u, u->fd[i], MSG_ERRQUEUE))
			;
		for (int n = 0; n < 1024 && receive_one(u, u->fd[i], 0); n++)
			;
		while (receive_one(u, u->fd[i], MSG_ERRQUEUE))
			;
	}
}

static void wait_until(struct udp *u, l4_time end)
{
	l4_time now;
	receive(u);
	while (u->unanswered && !scan_stop && (now = scan_now()) < end) {
		struct pollfd p[2] = { { .fd = u->fd[0], .events = POLLIN },
			{ .fd = u->fd[1], .events = POLLIN } };
		struct timespec ts = { .tv_sec = (time_t)((end - now) / L4_SEC),
			.tv_nsec = (long)((end - now) % L4_SEC) };
		ppoll(p, 2, &ts, NULL);
		receive(u);
	}
}

static void send_probe(struct udp *u, uint64_t probe)
{
	struct scan_job *j = u->j;
	struct l4_addr a = scan_targets_host(j->targets, probe / j->n_ports);
	uint16_t port = j->ports[probe % j->n_ports];
	uint8_t data[PAYLOAD_MAX], id[18];
	memcpy(id, a.b, 16);
	scan_put16(id + 16, port);
	size_t len = scan_udp_payload(
	    port, (uint32_t)scan_siphash(&j->key, id, sizeof id), data, sizeof data);
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v4 = l4_addr_is_ip4(&a);
	memcpy(&to4.sin_addr, a.b + 12, 4);
	memcpy(&to6.sin6_addr, a.b, 16);
	if (l4_addr_is_link_local(&a) && j->interface)
		to6.sin6_scope_id = if_nametoindex(j->interface);
	const struct sockaddr *to = v4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6;
	/* An error that an earlier probe caused is told first, and this one not sent: again. */
	for (int i = 0; i < 16; i++) {
		if (sendto(u->fd[!v4], data, len, MSG_DONTWAIT, to, v4 ? sizeof to4 : sizeof to6) >=
		    0)
			break;
		if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd p = { .fd = u->fd[!v4], .events = POLLOUT };
			poll(&p, 1, 10);
		} else if (errno == EINVAL || errno == EAFNOSUPPORT || errno == EMSGSIZE) {
			j->c.send_errors++;
			break;
		}
		receive(u);
	}
	u->last_sent = scan_now();
	j->c.sent++;
}

/* All silent ports, at the full rate. */
static void ask_all(struct udp *u, unsigned attempt)
{
	struct scan_job *j = u->j;
	for (uint64_t i = j->start; i < j->n_probes && !scan_stop; i += j->n_shards) {
		uint64_t probe = scan_perm_at(&j->perm, i);
		if (j->reasons[probe] != SCAN_R_NONE)
			continue;
		while (!scan_rate_take(&u->rate, scan_now(), 1) && !scan_stop) {
			struct timespec ts = { .tv_nsec = 500000 };
			receive(u);
			ppoll(NULL, 0, &ts, NULL);
		}
		send_probe(u, probe);
		j->c.retries += attempt > 0;
		if (i % 16 == 0)
			receive(u);
		scan_rate_update(&u->rate, scan_now());
		scan_progress(
		    j, "udp", i + (uint64_t)attempt * j->n_probes, ATTEMPTS * j->n_probes, false);
	}
	l4_time wait = scan_rate_timeout(&u->rate, attempt + 1);
	wait_until(u, scan_now() + (wait > WAIT_MIN ? wait : WAIT_MIN));
}

/* --- hosts that limit their errors ---------------------------------------------------------- */

struct silent {
	uint64_t probe;
	uint8_t strikes;
};

static size_t collect(struct udp *u, struct silent **list)
{
	struct scan_job *j = u->j;
	size_t n = 0, cap = 0;
	*list = NULL;
	for (uint64_t i = j->start; i < j->n_probes; i += j->n_shards) {
		uint64_t probe = scan_perm_at(&j->perm, i), host = probe / j->n_ports;
		if (j->reasons[probe] != SCAN_R_NONE || !(u->limits[host >> 3] >> (host & 7) & 1))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 256;
			struct silent *p = realloc(*list, cap * sizeof *p);
			if (!p)
				return n;
			*list = p;
		}
		(*list)[n++] = (struct silent){ .probe = probe };
	}
	return n;
}

/* One turn: up to TURN_PORTS ports of each host. The list is in random order, so hosts mix. */
static void turn(struct udp *u, struct silent *s, size_t *n, uint8_t *asked_of, uint8_t *heard)
{
	struct scan_job *j = u->j;
	size_t kept = 0, moved = 0;
	static struct silent tail[65536];
	memset(asked_of, 0, j->targets->n_hosts);
	memset(heard, 0, j->targets->n_hosts);
	l4_time start = scan_now();
	size_t asked = 0;
	for (size_t i = 0; i < *n && asked < 4096 && !scan_stop; i++) {
		uint64_t host = s[i].probe / j->n_ports;
		if (j->reasons[s[i].probe] != SCAN_R_NONE || asked_of[host] >= TURN_PORTS)
			continue;
		asked_of[host]++;
		s[i].strikes |= 0x80; /* asked in this turn */
		send_probe(u, s[i].probe);
		j->c.retries++;
		asked++;
	}
	wait_until(u, start + TURN);
	for (size_t i = 0; i < *n; i++)
		if (j->reasons[s[i].probe] != SCAN_R_NONE && s[i].strikes & 0x80)
			heard[s[i].probe / j->n_ports] = 1;
	for (size_t i = 0; i < *n; i++) {
		struct silent x = s[i];
		bool was_asked = x.strikes & 0x80;
		x.strikes &= 0x7f;
		if (j->reasons[x.probe] != SCAN_R_NONE)
			continue;
		if (was_asked && !heard[x.probe / j->n_ports] && ++x.strikes >= STRIKES) {
			u->unanswered--;
			scan_job_answer(j, x.probe, SCAN_R_NO_RESPONSE);
		} else if (was_asked && heard[x.probe / j->n_ports] && moved < 65536) {
			tail[moved++] = x; /* others first now */
		} else {
			s[kept++] = x;
		}
	}
	memcpy(s + kept, tail, moved * sizeof *s);
	*n = kept + moved;
}

static int be_patient(struct udp *u)
{
	struct scan_job *j = u->j;
	struct silent *list;
	size_t n = collect(u, &list), all = n;
	uint8_t *asked_of = calloc(j->targets->n_hosts, 1), *heard = calloc(j->targets->n_hosts, 1);
	int r = asked_of && heard ? 0 : -1;
	while (r == 0 && n && !scan_stop) {
		/* Not before the host may send an error again. */
		turn(u, list, &n, asked_of, heard);
		scan_progress(j, "udp, host limits its errors", all - n, all, false);
	}
	free(asked_of);
	free(heard);
	free(list);
	return r;
}

static int open_socket(struct udp *u, int family)
{
	const struct scan_job *j = u->j;
	int one = 1, room = 16 << 20;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (j->interface)
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, j->interface,
		    (socklen_t)strlen(j->interface) + 1);
	if (j->has_source && l4_addr_is_ip4(&j->source) == (family == AF_INET)) {
		struct sockaddr_in s4 = { .sin_family = AF_INET };
		struct sockaddr_in6 s6 = { .sin6_family = AF_INET6 };
		memcpy(&s4.sin_addr, j->source.b + 12, 4);
		memcpy(&s6.sin6_addr, j->source.b, 16);
		int r = family == AF_INET ? bind(fd, (struct sockaddr *)&s4, sizeof s4)
					  : bind(fd, (struct sockaddr *)&s6, sizeof s6);
		if (r < 0) {
			int e = errno;
			close(fd);
			errno = e;
			return -1;
		}
	}
	return fd;
}

int scan_udp_run(struct scan_job *j, char *error, size_t cap)
{
	struct udp u = { .j = j, .fd = { -1, -1 } };
	int result = -1;
	u.limits = calloc((j->targets->n_hosts + 7) / 8, 1);
	u.fd[0] = open_socket(&u, AF_INET);
	u.fd[1] = open_socket(&u, AF_INET6);
	if (!u.limits || (u.fd[0] < 0 && u.fd[1] < 0)) {
		snprintf(error, cap, "preparing the UDP scan: %s", strerror(errno));
		goto out;
	}
	scan_rate_init(
	    &u.rate, j->rate_max > 0 ? j->rate_max : 50000, ATTEMPTS, j->timeout, scan_now());
	for (uint64_t i = j->start; i < j->n_probes; i += j->n_shards)
		u.unanswered += j->reasons[scan_perm_at(&j->perm, i)] == SCAN_R_NONE;
	for (unsigned k = 0; k < ATTEMPTS && k <= j->retries && u.unanswered && !scan_stop; k++)
		ask_all(&u, k);
	if (j->retries && be_patient(&u) < 0) {
		snprintf(error, cap, "no memory for silent ports");
		goto out;
	}
	for (uint64_t i = j->start; i < j->n_probes && !scan_stop; i += j->n_shards) {
		uint64_t probe = scan_perm_at(&j->perm, i);
		if (j->reasons[probe] == SCAN_R_NONE)
			scan_job_answer(j, probe, SCAN_R_NO_RESPONSE);
	}
	j->done = j->n_probes;
	scan_progress(j, "udp", 1, 1, true);
	result = 0;
out:
	for (int i = 0; i < 2; i++)
		if (u.fd[i] >= 0)
			close(u.fd[i]);
	free(u.limits);
	return result;
}
