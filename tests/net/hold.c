/* Holds ports of a shared address as layer4 does, and nothing else: hold IF PROTOCOL/PORT...
 * Prints "ready", then a line for every frame that arrives: "tcp 80", "udp 53", "icmp 0", "arp 2".
 * Ends when its standard input does. For the test of the guard. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <layer4/err.h>
#include <layer4/loop.h>

/* Ends by exit with what it holds; that is no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}

static void show(const struct l4_frame *f)
{
	const unsigned char *p = f->pieces[0].data;
	unsigned type = f->len > 14 ? (unsigned)(p[12] << 8 | p[13]) : 0;
	const unsigned char *up = p + (type == 0x0800 ? 14 + 4 * (p[14] & 15) : 54);
	unsigned proto = type == 0x0800 ? p[23] : type == 0x86dd ? p[20] : 0;
	if (type == 0x0806)
		printf("arp %u\n", p[21]);
	else if (proto == 6 || proto == 17)
		printf("%s %u\n", proto == 6 ? "tcp" : "udp", (unsigned)(up[2] << 8 | up[3]));
	else if (proto == 1 || proto == 58)
		printf("icmp %u\n", up[0]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct l4_device *d;
	struct l4_guard *g;
	char err[256], spec[64];
	if (argc < 2)
		return 2;
	snprintf(spec, sizeof spec, "packet:%s", argv[1]);
	if (l4_device_open(&d, spec, NULL, err, sizeof err) < 0 ||
	    l4_guard_new(&g, argv[1], d, err, sizeof err) < 0) {
		printf("%s\n", err);
		return 3;
	}
	for (int i = 2; i < argc; i++) {
		const char *port = strchr(argv[i], '/');
		unsigned char proto = argv[i][0] == 't' ? 6 : 17;
		int e = l4_guard_add(
		    g, proto, (unsigned short)(port ? atoi(port + 1) : 0), err, sizeof err);
		if (e < 0) {
			printf("%s\n", err);
			return e == L4_EINUSE ? 1 : 3;
		}
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
			{ .fd = d->ops->wait_fd(d), .events = POLLIN } };
		struct l4_frame f[16];
		if (poll(p, 2, -1) < 0 || p[0].revents)
			break;
		int n = d->ops->rx(d, f, 16, 0);
		if (n < 0)
			break;
		for (int i = 0; i < n; i++)
			show(&f[i]);
	}
	l4_guard_free(g);
	d->ops->close(d);
	return 0;
}
