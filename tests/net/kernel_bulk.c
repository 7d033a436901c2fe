/* The kernel's end of a bulk transfer: kernel_bulk send|recv ADDRESS PORT SECONDS, or
 * kernel_bulk source|sink PORT to be the peer of another one. Prints bytes per second as the
 * receiver's or sender's socket sees it, and the CPU seconds that this process took. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buf[1 << 20];

static double clock_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Moves bytes until the time is over; returns bytes per second, leaving out the first tenth. */
static double move(int s, int sending, double seconds)
{
	double start = clock_s(), from = start + seconds / 10, end = start + seconds, now = start;
	unsigned long long n = 0;
	while (now < end) {
		ssize_t k =
		    sending ? send(s, buf, sizeof buf, MSG_NOSIGNAL) : recv(s, buf, sizeof buf, 0);
		if (k <= 0)
			break;
		now = clock_s();
		if (now >= from)
			n += (unsigned long long)k;
	}
	return (double)n / (now - from);
}

static int serve(int sending, const char *port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
		.sin6_port = htons((unsigned short)atoi(port)) };
	int l = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 8) < 0)
		return 3;
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int s = accept(l, NULL, NULL);
		if (s < 0)
			return 3;
		move(s, sending, 3600);
		close(s);
	}
}

int main(int argc, char **argv)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *a;
	struct rusage u;
	if (argc == 3)
		return serve(!strcmp(argv[1], "source"), argv[2]);
	if (argc != 5 || getaddrinfo(argv[2], argv[3], &hint, &a))
		return 2;
	int s = socket(a->ai_family, SOCK_STREAM, 0);
	if (s < 0 || connect(s, a->ai_addr, a->ai_addrlen) < 0) {
		perror(argv[2]);
		return 3;
	}
	double rate = move(s, !strcmp(argv[1], "send"), atof(argv[4]));
	getrusage(RUSAGE_SELF, &u);
	printf("%.0f %.3f\n", rate,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6);
	return 0;
}
