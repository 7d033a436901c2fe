/* The kernel's datagrams a second, by sendmmsg and recvmmsg in batches of 64, for bench/udp-64.
 *
 * Usage: udp.floor send ADDRESS PORT SECONDS     prints datagrams sent a second
 *        udp.floor receive PORT SECONDS          prints datagrams received a second, from the first
 *                                                one on; ends half a second after the last
 *        udp.floor sink PORT                     takes them, until it is ended */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define SIZE  64

static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static char bytes[BATCH][SIZE];

static double clock_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void lay_out(void)
{
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], SIZE };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

static int send_all(int s, double seconds)
{
	double start = clock_s(), now = start;
	unsigned long n = 0;
	while (now < start + seconds) {
		int k = sendmmsg(s, msgs, BATCH, 0);
		n += k > 0 ? (unsigned long)k : 0;
		now = clock_s();
	}
	printf("%.0f\n", (double)n / (now - start));
	return 0;
}

static int receive(int s, double seconds)
{
	const struct timeval half = { .tv_usec = 500000 };
	double first = 0, last = 0;
	unsigned long n = 0;
	int k;
	if (seconds > 0)
		setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof half);
	for (;;) {
		k = recvmmsg(s, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (k > 0) {
			last = clock_s();
			first = n ? first : last;
			n += (unsigned long)k;
		} else if (n || seconds <= 0) {
			break;
		}
	}
	printf("%.0f\n", last > first ? (double)n / (last - first) : 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int s = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	lay_out();
	if (argc == 5 && !strcmp(argv[1], "send")) {
		inet_pton(AF_INET, argv[2], &a.sin_addr);
		a.sin_port = htons((unsigned short)atoi(argv[3]));
		if (connect(s, (struct sockaddr *)&a, sizeof a) < 0)
			return 3;
		return send_all(s, atof(argv[4]));
	}
	if (argc < 3)
		return 2;
	a.sin_port = htons((unsigned short)atoi(argv[2]));
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (bind(s, (struct sockaddr *)&a, sizeof a) < 0)
		return 3;
	return receive(s, argc > 3 ? atof(argv[3]) : 0);
}
