/* Files below a directory. Every name is opened relative to the directory's descriptor with
 * openat2(2) and RESOLVE_BENEATH, so that the kernel itself refuses "..", absolute symbolic links
 * and links that lead outside, without a race between check and use. */
#include "cli/httpd.h"

#include <layer4/err.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int root_of(void *ctx)
{
	return *(int *)ctx;
}

static int open_beneath(int root, const char *path, uint64_t flags)
{
	struct open_how how;
	memset(&how, 0, sizeof(how));
	how.flags = flags;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int dir_open(void *ctx, const char *path, struct httpd_file *out)
{
	struct stat st;
	while (*path == '/')
		path++;
	/* NONBLOCK: opening a FIFO must not wait for its other end */
	int fd = open_beneath(root_of(ctx), *path ? path : ".", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			return L4_ELIMIT;
		return errno == EACCES || errno == EPERM ? L4_EPERM : L4_ENOTFOUND;
	}
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		close(fd);
		return L4_ENOTFOUND; /* devices, FIFOs and sockets are not served */
	}
	memset(out, 0, sizeof(*out));
	out->is_dir = S_ISDIR(st.st_mode);
	out->size = (uint64_t)st.st_size;
	out->mtime_s = st.st_mtim.tv_sec;
	out->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	out->fd = fd;
	return 0;
}

static int64_t dir_read(void *ctx, struct httpd_file *f, uint64_t off, void *buf, size_t n)
{
	(void)ctx;
	ssize_t got;
	do
		got = pread(f->fd, buf, n, (off_t)off);
	while (got < 0 && errno == EINTR);
	return got < 0 ? L4_ESYS : got;
}

static int dir_list(void *ctx, struct httpd_file *f,
    void (*each)(void *arg, const struct httpd_entry *e), void *arg)
{
	(void)ctx;
	int fd = dup(f->fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return L4_ESYS;
	}
	rewinddir(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		struct stat st;
		if (e->d_name[0] == '.' || fstatat(f->fd, e->d_name, &st, 0) < 0)
			continue;
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			continue;
		struct httpd_entry out = { e->d_name, S_ISDIR(st.st_mode), (uint64_t)st.st_size,
			st.st_mtim.tv_sec };
		each(arg, &out);
	}
	closedir(d);
	return 0;
}

static void dir_close(void *ctx, struct httpd_file *f)
{
	(void)ctx;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int httpd_dir_open(struct httpd_source *out, const char *dir)
{
	int *root = malloc(sizeof(*root));
	if (!root) {
		errno = ENOMEM;
		return L4_ESYS;
	}
	*root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*root >= 0) {
		/* openat2 needs Linux 5.6; without it nothing is served rather than unsafely */
		int probe = open_beneath(*root, ".", O_RDONLY | O_CLOEXEC);
		if (probe >= 0)
			close(probe);
		if (probe < 0) {
			int saved = errno;
			close(*root);
			errno = saved;
			*root = -1;
		}
	}
	if (*root < 0) {
		int saved = errno;
		free(root);
		errno = saved;
		return L4_ESYS;
	}
	*out = (struct httpd_source){ dir_open, dir_read, dir_list, dir_close, root };
	return 0;
}

void httpd_dir_close(struct httpd_source *s)
{
	if (!s->ctx)
		return;
	close(root_of(s->ctx));
	free(s->ctx);
	s->ctx = NULL;
}
