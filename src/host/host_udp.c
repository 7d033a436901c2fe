/* The functions of <layer4/udp.h>: the UDP endpoints' of the host, with its clock kept. */
#include "host/host.h"

l4_ep l4_udp_new(struct l4_host *h, void *user)
{
	l4_ep ep = l4_udps_new(h->udp, user);
	if (ep <= 0 || l4_events_reserve(h, ep) == 0)
		return ep;
	(void)l4_udps_close(h->udp, ep, h->now);
	return L4_ENOMEM;
}

int l4_udp_bind(struct l4_host *h, l4_ep ep, const struct l4_endpoint *local)
{
	return l4_udps_bind(h->udp, ep, local);
}

int l4_udp_connect(struct l4_host *h, l4_ep ep, const struct l4_endpoint *remote)
{
	return l4_udps_connect(h->udp, ep, remote);
}

int64_t l4_udp_send(struct l4_host *h, l4_ep ep, const struct l4_endpoint *to, const void *data,
    size_t len, l4_time now)
{
	return l4_udps_send(h->udp, ep, to, data, len, l4_host_enter(h, now));
}

int64_t l4_udp_recv(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, l4_time now)
{
	(void)l4_host_enter(h, now);
	return l4_udps_recv(h->udp, ep, buf, len, m, false);
}

int64_t l4_udp_peek(
    struct l4_host *h, l4_ep ep, void *buf, size_t len, struct l4_udp_msg *m, l4_time now)
{
	(void)l4_host_enter(h, now);
	return l4_udps_recv(h->udp, ep, buf, len, m, true);
}

int l4_udp_join(struct l4_host *h, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now)
{
	return l4_udps_join(h->udp, ep, group, ifindex, source, l4_host_enter(h, now));
}

int l4_udp_leave(struct l4_host *h, l4_ep ep, const struct l4_addr *group, unsigned ifindex,
    const struct l4_addr *source, l4_time now)
{
	return l4_udps_leave(h->udp, ep, group, ifindex, source, l4_host_enter(h, now));
}

int l4_udp_set(struct l4_host *h, l4_ep ep, int option, int64_t value)
{
	return l4_udps_set(h->udp, ep, option, value);
}

int l4_udp_get(struct l4_host *h, l4_ep ep, int option, int64_t *value)
{
	return l4_udps_get(h->udp, ep, option, value);
}

int l4_udp_set_ip_options(struct l4_host *h, l4_ep ep, const void *opts, size_t len)
{
	return l4_udps_set_ip_options(h->udp, ep, opts, len);
}

int l4_udp_local(struct l4_host *h, l4_ep ep, struct l4_endpoint *out)
{
	return l4_udps_local(h->udp, ep, out);
}

int l4_udp_remote(struct l4_host *h, l4_ep ep, struct l4_endpoint *out)
{
	return l4_udps_remote(h->udp, ep, out);
}

int l4_udp_error(struct l4_host *h, l4_ep ep)
{
	return l4_udps_error(h->udp, ep);
}

int64_t l4_udp_ready(struct l4_host *h, l4_ep ep)
{
	return l4_udps_ready(h->udp, ep);
}

int64_t l4_udp_inq(struct l4_host *h, l4_ep ep)
{
	return l4_udps_inq(h->udp, ep);
}

int l4_udp_close(struct l4_host *h, l4_ep ep, l4_time now)
{
	return l4_udps_close(h->udp, ep, l4_host_enter(h, now));
}
