/* Example of <layer4/udp.h>: a question and its answer over a simulated link, and what comes back
 * from a port that nobody has. */
#include <layer4/udp.h>
#include <layer4/sim.h>

#include <stdio.h>
#include <string.h>

struct seen {
	char answer[32];
	int error;
};

static void at_server(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct l4_udp_msg m;
	char data[32];
	int64_t n;

	(void)ctx;
	while (e->bits & L4_EV_READABLE &&
	       (n = l4_udp_recv(h, e->ep, data, sizeof(data), &m, now)) > 0)
		l4_udp_send(h, e->ep, &m.from, data, (size_t)n, now); /* echo */
}

static void at_client(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	struct seen *s = ctx;

	if (e->bits & L4_EV_ERROR)
		s->error = l4_udp_error(h, e->ep);
	if (e->bits & L4_EV_READABLE)
		l4_udp_recv(h, e->ep, s->answer, sizeof(s->answer) - 1, NULL, now);
}

int main(void)
{
	struct l4_link_config link = { .medium = L4_MEDIUM_ETHERNET, .mtu = 1500 };
	struct l4_endpoint echo = { .port = 7 }, nobody = { .port = 99 };
	struct l4_host *a, *b;
	struct l4_prefix pa, pb;
	struct seen seen = { .error = 0 };
	struct l4_sim *sim;
	int ifindex[2], rc = 1;
	l4_ep client, server;

	if (l4_prefix_parse(&pa, "2001:db8::1/64") < 0 ||
	    l4_prefix_parse(&pb, "2001:db8::2/64") < 0 || l4_sim_new(&sim, 1) < 0)
		return 1;
	echo.addr = nobody.addr = pb.addr;
	if (l4_sim_add_host(sim, &a, NULL) < 0 || l4_sim_add_host(sim, &b, NULL) < 0 ||
	    l4_sim_connect(sim, a, b, &link, NULL, ifindex) < 0 ||
	    l4_host_add_address(a, (unsigned)ifindex[0], &pa, 0) < 0 ||
	    l4_host_add_address(b, (unsigned)ifindex[1], &pb, 0) < 0 ||
	    (client = l4_udp_new(a, NULL)) < 0 || (server = l4_udp_new(b, NULL)) < 0 ||
	    l4_udp_bind(b, server, &echo) < 0 || l4_udp_connect(a, client, &echo) < 0)
		goto out;
	l4_sim_on_event(sim, a, at_client, &seen);
	l4_sim_on_event(sim, b, at_server, NULL);

	if (l4_udp_send(a, client, NULL, "is anybody there?", 17, l4_sim_now(sim)) != 17 ||
	    l4_sim_run(sim, L4_SEC, true) < 0)
		goto out;
	printf("answer: %s\n", seen.answer);

	if (l4_udp_connect(a, client, &nobody) < 0 ||
	    l4_udp_send(a, client, NULL, "and here?", 9, l4_sim_now(sim)) != 9 ||
	    l4_sim_run(sim, 2 * L4_SEC, true) < 0)
		goto out;
	printf("port 99: %s\n", l4_err_text(seen.error));
	rc = strcmp(seen.answer, "is anybody there?") != 0 || seen.error != L4_EREFUSED;
out:
	l4_sim_free(sim);
	return rc;
}
