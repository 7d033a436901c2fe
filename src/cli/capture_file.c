/* The files that l4 capture writes: pcapng, whole whatever happens.
 *
 * Blocks gather in a buffer and leave it only whole, so that a reader of the growing file, and who
 * finds it after a kill -9, sees whole packets. When a write fails in the middle (a full disk, a
 * limit of size) the file is cut back to the last block that is whole on it: each block says its
 * length, so the boundary is found by going through what was being written.
 *
 * Rotation: names get a number before their end (trace.pcapng: trace.00001.pcapng, ...); a file
 * is followed by the next after so many bytes, packets or milliseconds, and of the files of this
 * run the oldest beyond the limit is removed. Each file describes the interfaces and ends with
 * their statistics. */
#include <errno.h>
#include <fcntl.h>
#include <layer4/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/capture.h"

enum { BUFFER = 1 << 20, FULL = 1 << 18, OPTIONS = 70000 };

static int gather(void *ctx, const void *data, size_t n)
{
	struct sink *s = ctx;
	if (n > BUFFER - s->n)
		return L4_ELIMIT; /* room() was asked before each block */
	memcpy(s->buf + s->n, data, n);
	s->n += n;
	return 0;
}

/* Where the last whole block of the buffer's first n bytes ends. The blocks are our own. */
static size_t whole_blocks(const struct sink *s, size_t n)
{
	size_t at = 0;
	uint32_t total;
	while (n - at >= 8) {
		memcpy(&total, s->buf + at + 4, 4);
		if (total > n - at)
			break;
		at += total;
	}
	return at;
}

static int flush(struct sink *s)
{
	size_t done = 0;
	while (done < s->n) {
		ssize_t r = write(s->fd, s->buf + done, s->n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			int e = r < 0 ? errno : EIO;
			s->on_disk += whole_blocks(s, done);
			s->whole = !ftruncate(s->fd, (off_t)s->on_disk);
			s->n = 0;
			s->writer.error = L4_ESYS;
			errno = e;
			return -1;
		}
		done += (size_t)r;
	}
	s->on_disk += s->n;
	s->n = 0;
	return 0;
}

static int room(struct sink *s, size_t n)
{
	return n > BUFFER - s->n ? flush(s) : 0;
}

/* The K-th name: the number stands before the last dot of the file's name. */
static void name_of(const struct sink *s, unsigned k, char *name, size_t cap)
{
	const char *slash = strrchr(s->path, '/'), *dot = strrchr(s->path, '.');
	if (!dot || (slash && dot < slash + 2) || dot == s->path)
		dot = s->path + strlen(s->path);
	snprintf(name, cap, "%.*s.%05u%s", (int)(dot - s->path), s->path, k, dot);
}

static int begin(struct sink *s, uint64_t now_ms)
{
	bool standard = !strcmp(s->path, "-");
	if (s->ring)
		name_of(s, ++s->number, s->name, sizeof s->name);
	else
		snprintf(s->name, sizeof s->name, "%s", standard ? "standard output" : s->path);
	s->fd = standard ? dup(STDOUT_FILENO)
			 : open(s->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (s->fd < 0)
		return -1;
	s->n = 0;
	s->on_disk = s->packets = 0;
	s->opened_ms = now_ms;
	(void)l4_capwr_init(&s->writer, gather, s, "l4 capture");
	for (uint32_t i = 0; i < s->n_interfaces; i++) {
		const struct sink_interface *f = &s->interfaces[i];
		(void)l4_capwr_interface(
		    &s->writer, f->linktype, 0, f->name, f->description[0] ? f->description : NULL);
	}
	return flush(s);
}

static int end(struct sink *s)
{
	struct timespec t;
	if (s->fd < 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &t);
	s->counters(s->ctx);
	for (uint32_t i = 0; i < s->n_interfaces && !s->writer.error; i++)
		if (s->interfaces[i].counted && !room(s, 64))
			(void)l4_capwr_stats(&s->writer, i,
			    (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec,
			    s->interfaces[i].received, s->interfaces[i].dropped);
	int r = flush(s), e = errno;
	if (close(s->fd) && !r) {
		r = -1;
		e = errno;
	}
	s->fd = -1;
	errno = e;
	return r;
}

static int next(struct sink *s, uint64_t now_ms)
{
	char old[4096];
	if (end(s) || begin(s, now_ms))
		return -1;
	if (s->files_max && s->number > s->files_max) {
		name_of(s, s->number - s->files_max, old, sizeof old);
		(void)unlink(old); /* it may have been taken away: that is fine */
	}
	return 0;
}

int sink_open(struct sink *s, uint64_t now_ms)
{
	s->fd = -1;
	s->buf = malloc(BUFFER);
	if (!s->buf)
		return -1;
	return begin(s, now_ms);
}

int sink_interface(struct sink *s, const char *name, const char *description, uint16_t linktype)
{
	if (s->n_interfaces == SINK_INTERFACES) {
		errno = ENOSPC;
		return -1;
	}
	struct sink_interface *f = &s->interfaces[s->n_interfaces];
	*f = (struct sink_interface){ .linktype = linktype };
	snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->description, sizeof f->description, "%s", description);
	if (s->buf && s->fd >= 0) {
		if (room(s, OPTIONS))
			return -1;
		(void)l4_capwr_interface(
		    &s->writer, linktype, 0, f->name, f->description[0] ? f->description : NULL);
	}
	return (int)s->n_interfaces++;
}

int sink_packet(struct sink *s, const struct l4_capwr_packet *p, uint64_t now_ms)
{
	bool full = (s->bytes_max && s->on_disk + s->n >= s->bytes_max) ||
		    (s->packets_max && s->packets >= s->packets_max) ||
		    (s->ms_max && now_ms - s->opened_ms >= s->ms_max);
	if (full && next(s, now_ms))
		return -1;
	if (room(s, (size_t)p->caplen + OPTIONS))
		return -1;
	if (l4_capwr_packet(&s->writer, p)) {
		errno = EIO;
		return -1;
	}
	s->packets++;
	return s->n >= FULL ? flush(s) : 0;
}

int sink_idle(struct sink *s, uint64_t now_ms)
{
	if (s->ms_max && now_ms - s->opened_ms >= s->ms_max)
		return next(s, now_ms);
	return flush(s);
}

int sink_close(struct sink *s)
{
	int r = end(s), e = errno;
	free(s->buf);
	s->buf = NULL;
	errno = e;
	return r;
}
