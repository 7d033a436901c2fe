/* Example of <layer4/tcp.h>: a connection through a bad link: a megabyte sent, received into
 * memory that was posted before it came, compared byte by byte, and closed from both ends. */
#include <layer4/tcp.h>
#include <layer4/sim.h>

#include <stdio.h>

#define TOTAL 1000000

struct side {
	uint64_t done; /* bytes sent or received */
	bool wrong, closed;
	struct l4_tcp_info info;
	unsigned char memory[16384]; /* the connection's while it is posted */
};

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static void at_client(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct side *s = ctx;
	unsigned char data[4096];

	if (e->bits & L4_EV_ERROR)
		s->wrong = true;
	while (e->bits & (L4_EV_CONNECTED | L4_EV_WRITABLE) && s->done < TOTAL) {
		size_t n =
		    TOTAL - s->done < sizeof(data) ? (size_t)(TOTAL - s->done) : sizeof(data);
		int64_t taken;

		for (size_t i = 0; i < n; i++)
			data[i] = byte_at(s->done + i);
		taken = l4_tcp_send(h, e->ep, data, n, 0, now);
		if (taken < 0)
			return; /* L4_EAGAIN: WRITABLE follows */
		s->done += (uint64_t)taken;
		if (s->done == TOTAL)
			l4_tcp_shutdown(h, e->ep, now);
	}
	if (e->bits & L4_EV_EOF) {
		l4_tcp_info(h, e->ep, &s->info, now);
		l4_tcp_close(h, e->ep, now);
		s->closed = true;
	}
}

static void at_server(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct side *s = ctx;
	int64_t n = 0;

	if (e->bits & L4_EV_ACCEPT) {
		l4_ep ep = l4_tcp_accept(h, e->ep, NULL, NULL, now);

		l4_tcp_recv_post(h, ep, s->memory, sizeof(s->memory), now);
		return;
	}
	if (e->bits & L4_EV_ERROR)
		s->wrong = true;
	if (!(e->bits & (L4_EV_READABLE | L4_EV_EOF)))
		return;
	do { /* more may have waited for room */
		n = l4_tcp_recv_take(h, e->ep, now);
		for (int64_t i = 0; i < n; i++)
			s->wrong |= s->memory[i] != byte_at(s->done++);
	} while (n > 0 && l4_tcp_recv_post(h, e->ep, s->memory, sizeof(s->memory), now) > 0);
	if (n == 0) { /* the client's FIN: answer with ours */
		l4_tcp_close(h, e->ep, now);
		s->closed = true;
	}
}

int main(void)
{
	struct l4_link_config link = { .medium = L4_MEDIUM_ETHERNET, .mtu = 1500 };
	struct side client = { .done = 0 }, server = { .done = 0 };
	struct l4_endpoint to = { .port = 80 };
	struct l4_prefix pa, pb;
	struct l4_host *a, *b;
	struct l4_sim *sim;
	int ifindex[2], rc = 1;
	l4_ep c, listener;

	if (l4_impair_parse(&link.to[0], "loss=2%,delay=10ms,rate=20mbit", NULL) < 0 ||
	    l4_impair_parse(&link.to[1], "loss=2%,delay=10ms,rate=20mbit", NULL) < 0 ||
	    l4_prefix_parse(&pa, "192.0.2.1/24") < 0 || l4_prefix_parse(&pb, "192.0.2.2/24") < 0 ||
	    l4_sim_new(&sim, 1) < 0)
		return 1;
	to.addr = pb.addr;
	if (l4_sim_add_host(sim, &a, NULL) < 0 || l4_sim_add_host(sim, &b, NULL) < 0 ||
	    l4_sim_connect(sim, a, b, &link, NULL, ifindex) < 0 ||
	    l4_host_add_address(a, (unsigned)ifindex[0], &pa, 0) < 0 ||
	    l4_host_add_address(b, (unsigned)ifindex[1], &pb, 0) < 0 ||
	    (listener = l4_tcp_new(b, NULL)) < 0 || l4_tcp_bind(b, listener, &to) < 0 ||
	    l4_tcp_listen(b, listener, 8, 0) < 0 || (c = l4_tcp_new(a, NULL)) < 0)
		goto out;
	l4_sim_on_event(sim, a, at_client, &client);
	l4_sim_on_event(sim, b, at_server, &server);
	if (l4_tcp_connect(a, c, &to, 0) < 0)
		goto out;
	if (l4_sim_run(sim, 60 * L4_SEC, true) < 0) {
		puts(l4_sim_what(sim));
		goto out;
	}
	printf("%llu bytes arrived, %s; smoothed round trip %.1f ms, %u segments sent again\n",
	    (unsigned long long)server.done, server.wrong ? "changed" : "unchanged",
	    client.info.rtt / 1e3, (unsigned)client.info.total_retrans);
	rc = client.wrong || server.wrong || !client.closed || !server.closed ||
	     server.done != TOTAL;
out:
	l4_sim_free(sim);
	return rc;
}
