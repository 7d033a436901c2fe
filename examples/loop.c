/* Example of <layer4/loop.h>: the system's entropy, the monotonic clock, and a wait for a
 * descriptor of one's own. Opening devices needs privileges, so this one opens none. */
#include <layer4/loop.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void readable(void *ctx, int fd, short revents)
{
	char byte;

	if ((revents & POLLIN) && read(fd, &byte, 1) == 1)
		*(char *)ctx = byte;
}

int main(void)
{
	uint8_t a[32], b[32];
	struct l4_loop *loop;
	struct l4_device *device;
	char got = 0, why[256];
	int fds[2];
	l4_time start;

	if (l4_entropy(a) < 0 || l4_entropy(b) < 0 || memcmp(a, b, sizeof(a)) == 0)
		return 1;
	/* A device that does not exist is refused with a line that says so. */
	if (l4_device_open(&device, "teapot:0", NULL, why, sizeof(why)) >= 0)
		return 1;
	printf("teapot:0: %s\n", why);

	if (pipe(fds) < 0 || l4_loop_new(&loop) < 0)
		return 1;
	start = l4_loop_now(loop);
	if (l4_loop_watch(loop, fds[0], POLLIN, readable, &got) < 0 || write(fds[1], "x", 1) != 1 ||
	    l4_loop_once(loop, start + L4_SEC) < 0)
		return 1;
	printf("got '%c'\n", got);
	l4_loop_free(loop);
	close(fds[0]);
	close(fds[1]);
	return got != 'x';
}
