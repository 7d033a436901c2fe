/* Example of <layer4/sim.h>: 200 datagrams over a link that loses a tenth of them, in virtual time;
 * the same seed loses the same ones. */
#include <layer4/sim.h>

#include <stdio.h>

#define SENT 200

static void count(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	char data[64];

	if (e->bits & L4_EV_READABLE)
		while (l4_udp_recv(h, e->ep, data, sizeof(data), NULL, now) > 0)
			++*(int *)ctx;
}

/* Returns how many datagrams arrived, or -1. */
static int run(uint64_t seed)
{
	struct l4_link_config link = { .medium = L4_MEDIUM_IP, .mtu = 1500 };
	struct l4_host *a, *b;
	struct l4_prefix pa, pb;
	struct l4_endpoint to = { .port = 9 };
	struct l4_sim *sim;
	int ifindex[2], got = 0;
	l4_ep client, server;

	if (l4_impair_parse(&link.to[0], "loss=10%,delay=20ms,rate=10mbit", NULL) < 0 ||
	    l4_prefix_parse(&pa, "192.0.2.1/24") < 0 || l4_prefix_parse(&pb, "192.0.2.2/24") < 0 ||
	    l4_sim_new(&sim, seed) < 0)
		return -1;
	to.addr = pb.addr;
	if (l4_sim_add_host(sim, &a, NULL) < 0 || l4_sim_add_host(sim, &b, NULL) < 0 ||
	    l4_sim_connect(sim, a, b, &link, NULL, ifindex) < 0 ||
	    l4_host_add_address(a, (unsigned)ifindex[0], &pa, 0) < 0 ||
	    l4_host_add_address(b, (unsigned)ifindex[1], &pb, 0) < 0 ||
	    (client = l4_udp_new(a, NULL)) < 0 || (server = l4_udp_new(b, NULL)) < 0 ||
	    l4_udp_bind(b, server, &to) < 0) {
		l4_sim_free(sim);
		return -1;
	}
	l4_sim_on_event(sim, b, count, &got);
	for (int i = 0; i < SENT; i++) {
		l4_udp_send(a, client, &to, "datagram", 8, l4_sim_now(sim));
		if (l4_sim_run(sim, l4_sim_now(sim) + 10 * L4_MSEC, true) < 0) {
			puts(l4_sim_what(sim));
			got = -1;
			break;
		}
	}
	if (got >= 0 && l4_sim_run(sim, l4_sim_now(sim) + L4_SEC, true) < 0)
		got = -1;
	printf("seed %llu: %d of %d arrived in %.1f s of virtual time\n", (unsigned long long)seed,
	    got, SENT, (double)l4_sim_now(sim) / (double)L4_SEC);
	l4_sim_free(sim);
	return got;
}

int main(void)
{
	int first = run(1);

	return first <= SENT / 2 || first >= SENT || run(1) != first;
}
