/* Bytes on their way to a descriptor.
 *
 * The descriptor stays in blocking mode, for it may be shared with others (a terminal, the shell's
 * pipe). A pipe or socket that poll(2) calls writable takes at least PIPE_BUF bytes without
 * waiting, so no more is written at a time. */
#include "cli/outq.h"

#include <layer4/err.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void outq_init(struct outq *q, int fd)
{
	struct stat st;
	memset(q, 0, sizeof(*q));
	q->fd = fd;
	q->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

void outq_fini(struct outq *q)
{
	free(q->buf);
	q->buf = NULL;
	q->n = q->at = q->cap = 0;
}

/* Writes up to n bytes without waiting. Bytes written, or -1 with errnum set. */
static int64_t write_now(struct outq *q, const char *p, size_t n)
{
	size_t done = 0;
	while (done < n) {
		size_t part = n - done;
		if (!q->regular) {
			struct pollfd f = { .fd = q->fd, .events = POLLOUT };
			if (poll(&f, 1, 0) <= 0)
				break;
			if (part > PIPE_BUF)
				part = PIPE_BUF;
		}
		ssize_t w = write(q->fd, p + done, part);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (w < 0) {
			q->errnum = errno;
			return -1;
		}
		done += (size_t)w;
	}
	q->written += done;
	return (int64_t)done;
}

int outq_flush(struct outq *q)
{
	if (q->errnum)
		return L4_ESYS;
	if (q->n == 0)
		return 0;
	int64_t w = write_now(q, q->buf + q->at, q->n);
	if (w < 0)
		return L4_ESYS;
	q->at += (size_t)w;
	q->n -= (size_t)w;
	if (q->n == 0)
		q->at = 0;
	return 0;
}

int outq_put(struct outq *q, const void *data, size_t n)
{
	const char *p = data;
	if (outq_flush(q) < 0)
		return L4_ESYS;
	if (q->n == 0) {
		int64_t w = write_now(q, p, n);
		if (w < 0)
			return L4_ESYS;
		p += w;
		n -= (size_t)w;
	}
	if (n == 0)
		return 0;
	if (q->at && q->at + q->n + n > q->cap) {
		memmove(q->buf, q->buf + q->at, q->n);
		q->at = 0;
	}
	if (q->n + n > q->cap) {
		size_t cap = q->cap ? q->cap : 65536;
		while (cap < q->n + n)
			cap *= 2;
		char *b = realloc(q->buf, cap);
		if (!b)
			return L4_ENOMEM;
		q->buf = b;
		q->cap = cap;
	}
	memcpy(q->buf + q->at + q->n, p, n);
	q->n += n;
	return 0;
}
