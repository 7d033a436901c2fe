/* Example of <layer4/host.h>: two hosts and no operating system. This program is the wire and the
 * clock: it pulls frames out of one host, hands them to the other, and moves the time on. */
#include <layer4/host.h>

#include <stdio.h>
#include <string.h>

static struct l4_host *make(const char *cidr, unsigned char seed, int *ifindex)
{
	struct l4_host_config config;
	struct l4_iface_config iface = { .name = "wire0",
		.caps = { .medium = L4_MEDIUM_IP, .mtu = 1500 } };
	struct l4_prefix prefix;
	struct l4_host *h;

	l4_host_config_init(&config);
	config.has_seed = true; /* a real program draws it: l4_entropy */
	memset(config.seed, seed, sizeof(config.seed));
	if (l4_host_new(&h, &config) < 0)
		return NULL;
	*ifindex = l4_host_add_iface(h, &iface, 0);
	if (*ifindex < 0 || l4_prefix_parse(&prefix, cidr) < 0 ||
	    l4_host_add_address(h, (unsigned)*ifindex, &prefix, 0) < 0) {
		l4_host_free(h);
		return NULL;
	}
	return h;
}

/* Carries what `from` wants to send to `to`. Returns the frames moved. */
static size_t carry(struct l4_host *from, struct l4_host *to, int from_if, int to_if, l4_time now)
{
	static struct l4_tx_frame out[8];
	size_t n = l4_host_tx(from, (unsigned)from_if, out, 8, now);

	for (size_t i = 0; i < n; i++) {
		out[i].f.time = now; /* its arrival */
		l4_host_rx(to, (unsigned)to_if, &out[i].f, 1, now);
	}
	return n;
}

int main(void)
{
	int a_if, b_if, rc = 1;
	struct l4_host *a = make("192.0.2.1/24", 1, &a_if), *b = make("192.0.2.2/24", 2, &b_if);
	struct l4_endpoint to = { .port = 7 };
	struct l4_udp_msg msg;
	char text[L4_ENDPOINT_TEXT_MAX], data[16];
	struct l4_event event = { .ep = 0 };
	l4_time now = 0;
	l4_ep client, server;

	if (!a || !b || l4_addr_parse(&to.addr, "192.0.2.2") < 0)
		goto out;
	server = l4_udp_new(b, "the server");
	client = l4_udp_new(a, "the client");
	if (server < 0 || client < 0 || l4_udp_bind(b, server, &to) < 0 ||
	    l4_udp_send(a, client, &to, "hello", 5, now) != 5)
		goto out;

	while (carry(a, b, a_if, b_if, now) + carry(b, a, b_if, a_if, now) > 0)
		now += 10 * L4_MSEC;

	/* Events of the host itself (its address is ready) have no endpoint. */
	while (l4_host_events(b, &event, 1) == 1 && event.ep != server)
		;
	if (event.ep != server || !(event.bits & L4_EV_READABLE) ||
	    l4_udp_recv(b, server, data, sizeof(data), &msg, now) != 5)
		goto out;
	l4_endpoint_format(&msg.from, text, sizeof(text));
	printf("%s got \"%.5s\" from %s\n", (const char *)event.user, data, text);
	rc = memcmp(data, "hello", 5) != 0 || l4_host_check(a, NULL, 0) < 0;
out:
	l4_host_free(a);
	l4_host_free(b);
	return rc;
}
