/* A host of layer4 on a device: peer DEVICE ADDRESS[,ADDRESS...] [OPTION...].
 * Services: echo (7) and discard (9) over TCP and UDP, and source (19), TCP bytes without end.
 * Options: plain, mac=M, mtu=N, pcap=FILE, impair=TEXT, seed=N (of impair), shared, cc=NAME,
 * paws-strict, log=MS (the state of what is sent, on standard error). Prints "ready"; at the end of
 * its standard input, figures. For tests and benchmarks with the kernel as the other end. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/err.h>
#include <layer4/loop.h>
#include <layer4/sim.h>

/* Ends by exit with what it holds; that is no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

enum { ECHO = 7, DISCARD = 9, SOURCE = 19 };

/* A TCP connection or listener. */
struct conn {
	l4_ep ep;
	unsigned service;
	bool listener, eof;
	size_t at, n; /* what is to be echoed */
	char buf[65536];
};

static struct l4_host *h;
static struct l4_loop *loop;
static bool over;
static unsigned long long received, sent, accepted, errors;
static l4_ep logged; /* the latest connection of source */

static void drop(struct conn *c, bool abort, l4_time now)
{
	if (abort)
		l4_tcp_abort(h, c->ep, now);
	else
		l4_tcp_close(h, c->ep, now);
	free(c);
}

static void serve_echo(struct conn *c, l4_time now)
{
	for (;;) {
		while (c->at < c->n) {
			int64_t e = l4_tcp_send(h, c->ep, c->buf + c->at, c->n - c->at, 0, now);
			if (e == L4_EAGAIN)
				return;
			if (e < 0) {
				drop(c, true, now);
				return;
			}
			c->at += (size_t)e;
			sent += (unsigned long long)e;
		}
		int64_t e = l4_tcp_recv(h, c->ep, c->buf, sizeof c->buf, 0, now);
		if (e == L4_EAGAIN)
			return;
		if (e <= 0) {
			drop(c, e < 0, now);
			return;
		}
		received += (unsigned long long)e;
		c->at = 0;
		c->n = (size_t)e;
	}
}

static void serve_discard(struct conn *c, l4_time now)
{
	int64_t e;
	struct l4_piece p[2];
	while ((e = l4_tcp_peek(h, c->ep, p)) > 0) {
		size_t n = p[0].len + (e > 1 ? p[1].len : 0);
		received += n;
		l4_tcp_consume(h, c->ep, n, now);
	}
	if (e != L4_EAGAIN)
		drop(c, e < 0, now);
}

static void serve_source(struct conn *c, l4_time now)
{
	static char bytes[1 << 18];
	int64_t e = l4_tcp_recv(h, c->ep, c->buf, sizeof c->buf, 0, now);
	if (e != L4_EAGAIN && e <= 0) {
		drop(c, e < 0, now);
		return;
	}
	while ((e = l4_tcp_send(h, c->ep, bytes, sizeof bytes, 0, now)) > 0)
		sent += (unsigned long long)e;
	if (e != L4_EAGAIN)
		drop(c, true, now);
}

static void serve(struct conn *c, l4_time now)
{
	if (c->service == ECHO)
		serve_echo(c, now);
	else if (c->service == DISCARD)
		serve_discard(c, now);
	else
		serve_source(c, now);
}

static void serve_udp(l4_ep ep, unsigned service, l4_time now)
{
	static char buf[65536];
	struct l4_udp_msg m;
	int64_t n;
	while ((n = l4_udp_recv(h, ep, buf, sizeof buf, &m, now)) >= 0) {
		received += (unsigned long long)n;
		if (service == ECHO && l4_udp_send(h, ep, &m.from, buf, (size_t)n, now) == n)
			sent += (unsigned long long)n;
	}
}

static void take(struct conn *l, l4_time now)
{
	for (;;) {
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			return;
		c->ep = l4_tcp_accept(h, l->ep, NULL, c, now);
		if (c->ep <= 0) {
			free(c);
			return;
		}
		c->service = l->service;
		logged = c->service == SOURCE ? c->ep : logged;
		accepted++;
		serve(c, now);
	}
}

static l4_ep udp[2];

static void events(l4_time now)
{
	struct l4_event e[64];
	size_t n;
	while ((n = l4_host_events(h, e, 64)) > 0)
		for (size_t i = 0; i < n; i++) {
			struct conn *c = e[i].user;
			if (e[i].ep == udp[0] || e[i].ep == udp[1]) {
				serve_udp(e[i].ep, e[i].ep == udp[0] ? ECHO : DISCARD, now);
			} else if (c && c->listener) {
				take(c, now);
			} else if (c && (e[i].bits & L4_EV_ERROR)) {
				errors++;
				drop(c, true, now);
			} else if (c) {
				serve(c, now);
			}
		}
}

static void on_stdin(void *ctx, int fd, short revents)
{
	(void)ctx;
	(void)fd;
	(void)revents;
	over = true;
}

static int fail(const char *what, int e)
{
	printf("%s: %s\n", what, l4_err_text(e));
	return 3;
}

static int listen_all(l4_time now)
{
	static const unsigned tcp[] = { ECHO, DISCARD, SOURCE };
	struct l4_endpoint any;
	memset(&any, 0, sizeof any);
	for (int i = 0; i < 3; i++) {
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			return L4_ENOMEM;
		c->listener = true;
		c->service = tcp[i];
		any.port = (uint16_t)tcp[i];
		c->ep = l4_tcp_new(h, c);
		int e = c->ep < 0 ? (int)c->ep : l4_tcp_bind(h, c->ep, &any);
		if (!e)
			e = l4_tcp_listen(h, c->ep, 128, now);
		if (e < 0)
			return e;
	}
	for (int i = 0; i < 2; i++) {
		any.port = i ? DISCARD : ECHO;
		udp[i] = l4_udp_new(h, NULL);
		int e = udp[i] < 0 ? (int)udp[i] : l4_udp_bind(h, udp[i], &any);
		if (e < 0)
			return e;
	}
	return 0;
}

static int add_addresses(char *list, unsigned ifindex, l4_time now)
{
	for (char *a = strtok(list, ","); a; a = strtok(NULL, ",")) {
		struct l4_prefix p;
		int e = l4_prefix_parse(&p, a);
		if (!e)
			e = l4_host_add_address(h, ifindex, &p, now);
		if (e < 0)
			return e;
	}
	return 0;
}

static void log_state(l4_time now)
{
	struct l4_tcp_info i;
	if (logged && l4_tcp_info(h, logged, &i, now) == 0)
		fprintf(stderr,
		    "%.3f cwnd %u ssthresh %u unacked %u rtt %u min %u rwnd %u again %u rto %u "
		    "dsack %u reord %u acked %llu\n",
		    (double)now / 1e9, i.snd_cwnd, i.snd_ssthresh, i.unacked, i.rtt, i.min_rtt,
		    i.snd_wnd, i.total_retrans, i.total_rto, i.dsack_dups, i.reordering,
		    (unsigned long long)i.bytes_acked);
}

int main(int argc, char **argv)
{
	struct l4_device_options o = { 0 };
	struct l4_host_config hc;
	struct l4_iface_config ic = { .name = "if0" };
	struct l4_impair im = { 0 };
	struct l4_device *d;
	struct l4_guard *guard = NULL;
	const char *pcap = NULL;
	bool fault = false, shared = false;
	uint64_t seed = 1;
	l4_time every = 0, next = 0;
	char err[256];
	l4_host_config_init(&hc);
	if (argc < 3 || l4_loop_new(&loop) < 0)
		return 2;
	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "plain"))
			o.no_offload = true;
		else if (!strcmp(argv[i], "shared"))
			shared = true;
		else if (!strncmp(argv[i], "mac=", 4))
			l4_mac_parse(&o.mac, argv[i] + 4);
		else if (!strncmp(argv[i], "mtu=", 4))
			o.mtu = (uint32_t)atoi(argv[i] + 4);
		else if (!strncmp(argv[i], "pcap=", 5))
			pcap = argv[i] + 5;
		else if (!strncmp(argv[i], "cc=", 3))
			snprintf(hc.tcp.congestion, sizeof hc.tcp.congestion, "%s", argv[i] + 3);
		else if (!strcmp(argv[i], "paws-strict"))
			hc.tcp.paws_strict = true;
		else if (!strncmp(argv[i], "seed=", 5))
			seed = strtoull(argv[i] + 5, NULL, 10);
		else if (!strncmp(argv[i], "log=", 4))
			every = strtoull(argv[i] + 4, NULL, 10) * L4_MSEC;
		else if (!strncmp(argv[i], "impair=", 7))
			fault = l4_impair_parse(&im, argv[i] + 7, NULL) == 0;
	}
	if (l4_device_open(&d, argv[1], &o, err, sizeof err) < 0) {
		printf("%s\n", err);
		return 3;
	}
	if (shared) {
		static const unsigned char ports[][2] = { { 6, 7 }, { 6, 9 }, { 6, 19 }, { 17, 7 },
			{ 17, 9 } };
		int e = l4_guard_new(&guard, strchr(argv[1], ':') + 1, d, err, sizeof err);
		for (int i = 0; i < 5 && !e; i++)
			e = l4_guard_add(guard, ports[i][0], ports[i][1], err, sizeof err);
		if (e < 0) {
			printf("%s\n", err);
			return 3;
		}
		hc.icmp_echo = false; /* the kernel answers */
	}
	if ((fault && l4_fault_new(&d, d, &im, seed) < 0) ||
	    (pcap && l4_pcap_new(&d, d, pcap, err, sizeof err) < 0))
		return 3;
	d->ops->caps(d, &ic.caps);
	hc.now = l4_loop_now(loop);
	hc.has_seed = l4_entropy(hc.seed) == 0;
	int e = l4_host_new(&h, &hc);
	if (e < 0)
		return fail("host", e);
	int ifindex = l4_host_add_iface(h, &ic, hc.now);
	if (ifindex < 0)
		return fail("interface", ifindex);
	e = l4_loop_add(loop, h, (unsigned)ifindex, d);
	if (!e)
		e = add_addresses(argv[2], (unsigned)ifindex, hc.now);
	if (!e)
		e = listen_all(hc.now);
	if (e < 0)
		return fail("set-up", e);
	l4_loop_watch(loop, 0, POLLIN, on_stdin, NULL);
	printf("ready\n");
	fflush(stdout);
	while (!over) {
		e = l4_loop_once(loop, every ? l4_loop_now(loop) + every : L4_TIME_NEVER);
		if (e < 0 && e != L4_EAGAIN)
			return fail("loop", e);
		events(l4_loop_now(loop));
		if (every && l4_loop_now(loop) >= next) {
			log_state(l4_loop_now(loop));
			next = l4_loop_now(loop) + every;
		}
	}
	struct l4_device_stats st = { 0 };
	if (d->ops->stats)
		d->ops->stats(d, &st);
	printf("accepted %llu received %llu sent %llu errors %llu dropped %llu\n", accepted,
	    received, sent, errors, (unsigned long long)(st.rx_dropped + st.tx_dropped));
	l4_guard_free(guard);
	l4_loop_free(loop);
	l4_host_free(h);
	return 0;
}
