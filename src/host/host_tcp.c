/* The functions of <layer4/tcp.h>: the TCP stack's, with the host's clock kept. */
#include "host/host.h"

l4_ep l4_tcp_new(struct l4_host *h, void *user)
{
	l4_ep ep = l4_tcps_new(h->tcp, user);
	if (ep <= 0 || l4_events_reserve(h, ep) == 0)
		return ep;
	(void)l4_tcps_abort(h->tcp, ep, h->now);
	return L4_ENOMEM;
}

int l4_tcp_bind(struct l4_host *h, l4_ep ep, const struct l4_endpoint *local)
{
	return l4_tcps_bind(h->tcp, ep, local);
}

int l4_tcp_listen(struct l4_host *h, l4_ep ep, uint32_t backlog, l4_time now)
{
	return l4_tcps_listen(h->tcp, ep, backlog, l4_host_enter(h, now));
}

l4_ep l4_tcp_accept(
    struct l4_host *h, l4_ep listener, struct l4_endpoint *remote, void *user, l4_time now)
{
	now = l4_host_enter(h, now);
	l4_ep ep = l4_tcps_accept(h->tcp, listener, remote, user, now);
	if (ep <= 0 || l4_events_reserve(h, ep) == 0)
		return ep;
	(void)l4_tcps_abort(h->tcp, ep, now);
	return L4_ENOMEM;
}

int l4_tcp_connect(struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote, l4_time now)
{
	return l4_tcps_connect(h->tcp, ep, remote, l4_host_enter(h, now));
}

/* Sending and receiving mostly find nothing to be let go of; what lets go stands apart. */
L4_APART static int64_t enter_and_send(
    struct l4_host *h, l4_ep ep, const void *data, size_t len, int flags, l4_time now)
{
	now = l4_host_enter(h, now);
	return l4_tcps_send(h->tcp, ep, data, len, flags, now);
}

L4_APART static int64_t enter_and_recv(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, int flags, l4_time now)
{
	now = l4_host_enter(h, now);
	return l4_tcps_recv(h->tcp, ep, buf, len, flags, now);
}

int64_t l4_tcp_send(
    struct l4_host *h, l4_ep ep, const void *data, size_t len, int flags, l4_time now)
{
	if (h->ip.spent.n)
		return enter_and_send(h, ep, data, len, flags, now);
	return l4_tcps_send(h->tcp, ep, data, len, flags, l4_host_advance(h, now));
}

int64_t l4_tcp_sendto(struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote,
    const void *data, size_t len, int flags, l4_time now)
{
	return l4_tcps_sendto(h->tcp, ep, remote, data, len, flags, l4_host_enter(h, now));
}

int64_t l4_tcp_send_zc(struct l4_host *h, l4_ep ep, const void *data, size_t len, int flags,
    uint64_t token, l4_time now)
{
	return l4_tcps_send_zc(h->tcp, ep, data, len, flags, token, l4_host_enter(h, now));
}

int64_t l4_tcp_recv(struct l4_host *h, l4_ep ep, void *buf, size_t len, int flags, l4_time now)
{
	if (h->ip.spent.n)
		return enter_and_recv(h, ep, buf, len, flags, now);
	return l4_tcps_recv(h->tcp, ep, buf, len, flags, l4_host_advance(h, now));
}

int l4_tcp_recv_post(struct l4_host *h, l4_ep ep, void *buf, size_t len, l4_time now)
{
	return l4_tcps_recv_post(h->tcp, ep, buf, len, l4_host_enter(h, now));
}

int64_t l4_tcp_recv_take(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_recv_take(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_peek(struct l4_host *h, l4_ep ep, struct l4_piece pieces[2])
{
	return l4_tcps_peek(h->tcp, ep, pieces, 2);
}

int l4_tcp_peekv(struct l4_host *h, l4_ep ep, struct l4_piece *pieces, unsigned max)
{
	return max ? l4_tcps_peek(h->tcp, ep, pieces, max) : L4_EINVAL;
}

int l4_tcp_consume(struct l4_host *h, l4_ep ep, size_t n, l4_time now)
{
	return l4_tcps_consume(h->tcp, ep, n, l4_host_enter(h, now));
}

int l4_tcp_shutdown(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_shutdown(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_shutdown_recv(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_shutdown_recv(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_close(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_close(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_abort(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_abort(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_disconnect(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_tcps_disconnect(h->tcp, ep, l4_host_enter(h, now));
}

int l4_tcp_set(struct l4_host *h, l4_ep ep, int option, int64_t value, l4_time now)
{
	return l4_tcps_set(h->tcp, ep, option, value, l4_host_enter(h, now));
}

int l4_tcp_get(struct l4_host *h, l4_ep ep, int option, int64_t *value)
{
	return l4_tcps_get(h->tcp, ep, option, value);
}

int l4_tcp_set_congestion(struct l4_host *h, l4_ep ep, const char *name)
{
	return l4_tcps_set_congestion(h->tcp, ep, name);
}

int l4_tcp_set_fastopen_key(struct l4_host *h, l4_ep ep, const uint8_t key[16])
{
	return l4_tcps_set_fastopen_key(h->tcp, ep, key);
}

const char *l4_tcp_get_congestion(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_get_congestion(h->tcp, ep);
}

int l4_tcp_local(struct l4_host *h, l4_ep ep, struct l4_endpoint *out)
{
	return l4_tcps_local(h->tcp, ep, out);
}

int l4_tcp_remote(struct l4_host *h, l4_ep ep, struct l4_endpoint *out)
{
	return l4_tcps_remote(h->tcp, ep, out);
}

int l4_tcp_state(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_state(h->tcp, ep);
}

int l4_tcp_error(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_error(h->tcp, ep);
}

int64_t l4_tcp_ready(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_ready(h->tcp, ep);
}

int64_t l4_tcp_inq(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_inq(h->tcp, ep);
}

int64_t l4_tcp_outq(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_outq(h->tcp, ep);
}

int64_t l4_tcp_outq_unsent(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_outq_unsent(h->tcp, ep);
}

int l4_tcp_at_mark(struct l4_host *h, l4_ep ep)
{
	return l4_tcps_at_mark(h->tcp, ep);
}

int l4_tcp_info(struct l4_host *h, l4_ep ep, struct l4_tcp_info *out, l4_time now)
{
	return l4_tcps_info(h->tcp, ep, out, l4_host_enter(h, now));
}

int64_t l4_tcp_export(struct l4_host *h, l4_ep ep, void *buf, size_t cap, l4_time now)
{
	return l4_tcps_export(h->tcp, ep, buf, cap, l4_host_enter(h, now));
}

l4_ep l4_tcp_import(struct l4_host *h, const void *buf, size_t len, void *user, l4_time now)
{
	l4_ep ep = l4_tcps_import(h->tcp, buf, len, user, l4_host_enter(h, now));
	if (ep <= 0 || l4_events_reserve(h, ep) == 0)
		return ep;
	l4_tcps_forget(h->tcp, ep);
	return L4_ENOMEM;
}

void l4_tcp_counters(const struct l4_host *h, struct l4_tcp_counters *out)
{
	l4_tcps_counters(h->tcp, out);
}
