/* Sockets by netlink: sock_diag(7) dumps of TCP and UDP over IPv4 and IPv6.
 *
 * One dump of TCP and one of UDP for each version, on one netlink socket. The kernel is asked only
 * for the states wanted, and for one local port by a little program in inet_diag's own byte code,
 * so that a question about one port moves a few records and not the whole table. A kernel without
 * sock_diag for a protocol (ENOENT) is answered from /proc/net, with less detail. Messages come
 * from the kernel, but their lengths are checked all the same: libmnl's mnl_*_ok do it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "cli/ports.h"

#define DUMP_BUFFER 65536

/* Where a dump goes. */
struct dump {
	struct ports_table *t;
	const struct ports_query *q;
	uint16_t netns;
	uint8_t proto;
};

bool ports_grow(void **array, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return true;
	size_t want = *cap ? *cap * 2 : 256;
	void *p = realloc(*array, want * size);
	if (!p)
		return false;
	*array = p;
	*cap = want;
	return true;
}

void ports_table_clear(struct ports_table *t)
{
	t->n = t->n_infos = t->n_holders = t->n_procs = t->n_netns = 0;
	t->hidden_procs = t->hidden_socks = t->hidden_netns = 0;
}

void ports_table_fini(struct ports_table *t)
{
	free(t->socks);
	free(t->infos);
	free(t->holders);
	free(t->procs);
	free(t->netns);
	memset(t, 0, sizeof *t);
}

/* The first attribute behind the message, and the next after a; NULL at the end. */
static const struct nlattr *attr_next(const struct nlmsghdr *nlh, const struct nlattr *a)
{
	a = a ? mnl_attr_next(a)
	      : (const struct nlattr *)mnl_nlmsg_get_payload_offset(
		    nlh, sizeof(struct inet_diag_msg));
	ptrdiff_t left = (const char *)mnl_nlmsg_get_payload_tail(nlh) - (const char *)a;
	return left > 0 && mnl_attr_ok(a, (int)left) ? a : NULL;
}

static struct l4_addr address(uint8_t family, const uint32_t *words)
{
	uint8_t b[16];
	memcpy(b, words, sizeof b);
	return family == AF_INET6 ? l4_addr_from_ip6(b) : l4_addr_from_ip4(b);
}

static void info_from_tcp(struct ports_info *o, const struct nlattr *a)
{
	/* Older kernels give a shorter structure, newer ones a longer. */
	struct tcp_info ti;
	size_t len = mnl_attr_get_payload_len(a);
	memset(&ti, 0, sizeof ti);
	memcpy(&ti, mnl_attr_get_payload(a), len < sizeof ti ? len : sizeof ti);
	o->has_tcp = true;
	o->rtt_us = ti.tcpi_rtt;
	o->rttvar_us = ti.tcpi_rttvar;
	o->rto_us = ti.tcpi_rto;
	o->min_rtt_us = ti.tcpi_min_rtt == UINT32_MAX ? 0 : ti.tcpi_min_rtt;
	o->cwnd_segments = ti.tcpi_snd_cwnd;
	o->ssthresh_segments = ti.tcpi_snd_ssthresh < 0x7fffffff ? ti.tcpi_snd_ssthresh : 0;
	o->snd_mss = ti.tcpi_snd_mss;
	o->rcv_mss = ti.tcpi_rcv_mss;
	o->pmtu = ti.tcpi_pmtu;
	o->retrans_now = ti.tcpi_retrans;
	o->retrans_total = ti.tcpi_total_retrans;
	o->lost = ti.tcpi_lost;
	o->reordering = ti.tcpi_reordering;
	o->idle_ms = ti.tcpi_last_data_sent < ti.tcpi_last_data_recv ? ti.tcpi_last_data_sent
								     : ti.tcpi_last_data_recv;
	o->bytes_acked = ti.tcpi_bytes_acked;
	o->bytes_received = ti.tcpi_bytes_received;
	o->delivery_rate = ti.tcpi_delivery_rate;
	o->pacing_rate = ti.tcpi_pacing_rate == UINT64_MAX ? 0 : ti.tcpi_pacing_rate;
}

/* The attributes of one message: tcp_info and the like. */
static bool take_info(struct dump *d, struct ports_sock *s, const struct nlmsghdr *nlh)
{
	struct ports_table *t = d->t;
	void **infos = (void **)&t->infos;
	if (!ports_grow(infos, &t->cap_infos, t->n_infos, sizeof *t->infos))
		return false;
	struct ports_info *o = &t->infos[t->n_infos];
	bool any = false;
	memset(o, 0, sizeof *o);
	for (const struct nlattr *a = attr_next(nlh, NULL); a; a = attr_next(nlh, a)) {
		size_t len = mnl_attr_get_payload_len(a);
		switch (mnl_attr_get_type(a)) {
		case INET_DIAG_INFO:
			if (d->proto == PORTS_TCP)
				info_from_tcp(o, a);
			any = true;
			break;
		case INET_DIAG_CONG:
			memcpy(o->cc, mnl_attr_get_payload(a),
			    len < sizeof o->cc ? len : sizeof o->cc - 1);
			break;
		case INET_DIAG_SKMEMINFO:
			if (len >= 4 * (SK_MEMINFO_DROPS + 1)) {
				const uint8_t *p = mnl_attr_get_payload(a);
				memcpy(&o->drops, p + sizeof(uint32_t) * SK_MEMINFO_DROPS,
				    sizeof o->drops);
				any = true;
			}
			break;
		default:
			break;
		}
	}
	if (any)
		s->info = (uint32_t)++t->n_infos;
	return true;
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	struct ports_table *t = d->t;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct inet_diag_msg))
		return MNL_CB_OK;
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	uint16_t lport = ntohs(m->id.idiag_sport);
	/* A UDP socket without a port has none to list; the query's port is checked again, since
	 * the byte code is only a hint for the /proc way. */
	if (lport < d->q->lport_min || lport > d->q->lport_max)
		return MNL_CB_OK;
	/* A bound socket that neither listens nor connects is CLOSED to TCP itself. */
	uint8_t state =
	    d->proto == PORTS_TCP && m->idiag_state == PORTS_CLOSED ? PORTS_BOUND : m->idiag_state;
	if (!(d->q->states >> (state & 31) & 1))
		return MNL_CB_OK;
	if (!ports_grow((void **)&t->socks, &t->cap, t->n, sizeof *t->socks))
		return MNL_CB_ERROR;
	struct ports_sock *s = &t->socks[t->n];
	memset(s, 0, sizeof *s);
	s->proto = d->proto;
	s->family = m->idiag_family;
	s->state = state;
	s->netns = d->netns;
	s->lport = lport;
	s->rport = ntohs(m->id.idiag_dport);
	s->laddr = address(m->idiag_family, m->id.idiag_src);
	s->raddr = address(m->idiag_family, m->id.idiag_dst);
	s->ifindex = m->id.idiag_if;
	s->cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
	s->inode = m->idiag_inode;
	s->uid = m->idiag_uid;
	s->rqueue = m->idiag_rqueue;
	s->wqueue = m->idiag_wqueue;
	if (s->family == AF_INET6) {
		for (const struct nlattr *a = attr_next(nlh, NULL); a; a = attr_next(nlh, a))
			if (mnl_attr_get_type(a) == INET_DIAG_SKV6ONLY &&
			    mnl_attr_get_payload_len(a) >= 1)
				s->v6only = mnl_attr_get_u8(a) != 0;
	}
	if (d->q->info && !take_info(d, s, nlh))
		return MNL_CB_ERROR;
	t->n++;
	return MNL_CB_OK;
}

/* The byte code for "lport_min <= local port <= lport_max": each condition is an operation and a
 * second slot whose `no` holds the port; failing jumps past the end, which rejects. */
static void put_port_filter(struct nlmsghdr *nlh, const struct ports_query *q)
{
	struct inet_diag_bc_op code[4] = {
		{ INET_DIAG_BC_S_GE, 8, sizeof code + 4 },
		{ INET_DIAG_BC_NOP, 4, q->lport_min },
		{ INET_DIAG_BC_S_LE, 8, sizeof code / 2 + 4 },
		{ INET_DIAG_BC_NOP, 4, q->lport_max },
	};
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, sizeof code, code);
}

/* The request for both versions at once is inet_diag's first one, of TCP alone; later ones are for
 * one version, and the kernel goes through its tables for each. */
static void put_request(struct nlmsghdr *nlh, const struct dump *d, uint8_t family)
{
	uint8_t ext = !d->q->info ? 0
				  : 1 << (INET_DIAG_INFO - 1) | 1 << (INET_DIAG_CONG - 1) |
					1 << (INET_DIAG_SKMEMINFO - 1);
	if (family == AF_UNSPEC) {
		nlh->nlmsg_type = TCPDIAG_GETSOCK;
		struct inet_diag_req *r = mnl_nlmsg_put_extra_header(nlh, sizeof *r);
		r->idiag_family = AF_INET;
		r->idiag_states = d->q->states;
		r->idiag_ext = ext;
		return;
	}
	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	struct inet_diag_req_v2 *r = mnl_nlmsg_put_extra_header(nlh, sizeof *r);
	r->sdiag_family = family;
	r->sdiag_protocol = d->proto;
	r->idiag_states = d->q->states;
	r->idiag_ext = ext;
}

/* family: AF_UNSPEC for both. */
static int dump_one(struct mnl_socket *nl, struct dump *d, uint8_t family, char *buf)
{
	static unsigned seq;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++seq;
	put_request(nlh, d, family);
	if (d->q->lport_min > 0 || d->q->lport_max < 65535)
		put_port_filter(nlh, d->q);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -1;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, DUMP_BUFFER);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		int r2 = mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq == 0 ? 0 : seq,
		    mnl_socket_get_portid(nl), on_message, d);
		if (r2 < 0) {
			/* The table moved while it was read: what was read stands. */
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (r2 == MNL_CB_STOP)
			return 0;
	}
}

static int dump_protocol(struct mnl_socket *nl, struct dump *d, char *buf)
{
	size_t start = d->t->n;
	const struct ports_query *q = d->q;
	if (d->proto == PORTS_TCP && q->ip4 && q->ip6) {
		if (dump_one(nl, d, AF_UNSPEC, buf) == 0)
			return 0;
		d->t->n = start;
	}
	if (q->ip4 && dump_one(nl, d, AF_INET, buf) < 0)
		return -1;
	return q->ip6 ? dump_one(nl, d, AF_INET6, buf) : 0;
}

int ports_diag_read(
    struct ports_table *t, const struct ports_query *q, uint16_t netns, const char **what)
{
	static const uint8_t protos[] = { PORTS_TCP, PORTS_UDP };
	size_t start = t->n;
	int result = -1;
	char *buf = malloc(DUMP_BUFFER);
	*what = "netlink socket for sock_diag";
	struct mnl_socket *nl = buf ? mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC) : NULL;
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fallback;
	*what = "sock_diag dump";
	for (size_t p = 0; p < 2; p++) {
		if (!(protos[p] == PORTS_TCP ? q->tcp : q->udp))
			continue;
		struct dump d = { .t = t, .q = q, .netns = netns, .proto = protos[p] };
		if (dump_protocol(nl, &d, buf) < 0)
			goto fallback;
	}
	result = 0;
	goto out;
fallback:
	if (errno == ENOENT || errno == EPROTONOSUPPORT || errno == EOPNOTSUPP || errno == EINVAL) {
		t->n = start;
		*what = "/proc/net";
		result = ports_procnet_read(t, q, netns);
	}
out:
	if (nl)
		mnl_socket_close(nl);
	free(buf);
	return result;
}
