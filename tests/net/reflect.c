/* Sends every UDP datagram back where it came from, without a stack: reflect DEVICE [OPTION...].
 * Options: plain (no offload), queue (one of several), mac=M, pcap=FILE, impair=TEXT. Swaps
 * addresses and ports in place, which leaves checksums, finished or not, as right as they were; the
 * offload record goes back as it came. Prints "ready"; at the end of its standard input, figures.
 * For the test of the devices.
 */
#include <poll.h>
#include <stdio.h>
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

static void swap(unsigned char *a, unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char t = a[i];
		a[i] = b[i];
		b[i] = t;
	}
}

static unsigned frames, supers, unfinished, largest;

/* Turns a frame round; false for what is not UDP. */
static bool turn(struct l4_frame *f, enum l4_medium medium)
{
	unsigned char *p = (unsigned char *)(size_t)f->pieces[0].data;
	unsigned char *ip = medium == L4_MEDIUM_ETHERNET ? p + 14 : p;
	bool v6 = ip[0] >> 4 == 6;
	unsigned char *udp = ip + (v6 ? 40 : 4 * (ip[0] & 15));
	if (f->len < (size_t)(udp - p) + 8 || (ip[0] >> 4 != 4 && !v6) || ip[v6 ? 6 : 9] != 17)
		return false;
	if ((udp[2] << 8 | udp[3]) != 7)
		return false;
	if (medium == L4_MEDIUM_ETHERNET)
		swap(p, p + 6, 6);
	swap(ip + (v6 ? 8 : 12), ip + (v6 ? 24 : 16), v6 ? 16 : 4);
	swap(udp, udp + 2, 2);
	f->time = 0;
	frames++;
	supers += f->off.gso_type != 0;
	unfinished += f->off.needs_csum;
	largest = f->len > largest ? f->len : largest;
	return true;
}

static int wait_ms(struct l4_device *d, l4_time now)
{
	l4_time t = d->ops->deadline(d);
	return t == L4_TIME_NEVER ? -1 : t <= now ? 0 : (int)((t - now) / L4_MSEC) + 1;
}

int main(int argc, char **argv)
{
	struct l4_device_options o = { 0 };
	struct l4_device_caps caps;
	struct l4_impair im = { 0 };
	struct l4_device *d;
	struct l4_loop *clock;
	const char *pcap = NULL;
	bool fault = false;
	char err[256];
	if (argc < 2 || l4_loop_new(&clock) < 0)
		return 2;
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "plain"))
			o.no_offload = true;
		else if (!strcmp(argv[i], "queue"))
			o.queues = 2;
		else if (!strncmp(argv[i], "mac=", 4))
			l4_mac_parse(&o.mac, argv[i] + 4);
		else if (!strncmp(argv[i], "pcap=", 5))
			pcap = argv[i] + 5;
		else if (!strncmp(argv[i], "impair=", 7))
			fault = l4_impair_parse(&im, argv[i] + 7, NULL) == 0;
	}
	if (l4_device_open(&d, argv[1], &o, err, sizeof err) < 0 ||
	    (pcap && l4_pcap_new(&d, d, pcap, err, sizeof err) < 0)) {
		printf("%s\n", err);
		return 3;
	}
	if (fault && l4_fault_new(&d, d, &im, 1) < 0)
		return 3;
	d->ops->caps(d, &caps);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
			{ .fd = d->ops->wait_fd(d), .events = POLLIN } };
		struct l4_frame f[32];
		if (poll(p, 2, wait_ms(d, l4_loop_now(clock))) < 0 || p[0].revents)
			break;
		l4_time now = l4_loop_now(clock);
		int n = d->ops->rx(d, f, 32, now);
		if (n < 0)
			return 3;
		size_t back = 0;
		for (int i = 0; i < n; i++)
			if (turn(&f[i], caps.medium))
				f[back++] = f[i];
		if (back && d->ops->tx(d, f, back, now) != (int)back)
			return 3;
	}
	struct l4_device_stats st = { 0 };
	if (d->ops->stats)
		d->ops->stats(d, &st);
	printf("frames %u supers %u unfinished %u largest %u dropped %u\n", frames, supers,
	    unfinished, largest, (unsigned)(st.rx_dropped + st.tx_dropped));
	d->ops->close(d);
	l4_loop_free(clock);
	return 0;
}
