/* Which process holds a socket: one pass over /proc/PID/fd, on several threads.
 *
 * The kernel names a socket in /proc/PID/fd/N as "socket:[INODE]". Reading these links is most of
 * what a listing costs, so: /proc is read once with getdents64, every link with readlinkat from
 * its own directory (no long path to resolve), where the kernel says how many descriptors there are
 * without asking for their names, processes are handed to threads one by one, and the walk begins
 * while the main thread still dumps the sockets. Each thread keeps what it found; ports_walk_join()
 * then matches inodes in one hash table. Names are read only of processes that hold a listed
 * socket.
 *
 * Nothing here is stable: a process may end between two reads. Whatever cannot be read any more is
 * skipped; what we may not read (EACCES) is counted. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/ports.h"

#define MAX_THREADS 8
#define DENTS_BYTES 32768

/* A socket that a descriptor refers to. */
struct found {
	uint32_t inode;
	int32_t pid;
	int32_t fd;
};

struct worker {
	struct ports_walk *walk;
	struct found *found;
	size_t n, cap;
	size_t hidden; /* directories that we may not read */
	bool no_memory;
	pthread_t thread;
};

struct ports_walk {
	int proc_fd;
	int32_t *pids;
	size_t n_pids, cap_pids;
	atomic_size_t next; /* the next pid to take */
	struct worker workers[MAX_THREADS];
	int n_workers; /* the last is the caller of join */
};

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

/* Calls fn for each entry of dir whose name is a number. */
static void each_number(
    int dir, void (*fn)(void *arg, int dir, const char *name, int32_t number), void *arg)
{
	/* Aligned as the records are. */
	_Alignas(struct linux_dirent64) char buf[DENTS_BYTES];
	for (;;) {
		long n = syscall(SYS_getdents64, dir, buf, sizeof buf);
		if (n <= 0)
			return;
		for (long at = 0; at < n;) {
			const struct linux_dirent64 *e = (const void *)(buf + at);
			int32_t v = 0;
			const char *p = e->d_name;
			while (*p >= '0' && *p <= '9' && v < 100000000)
				v = v * 10 + (*p++ - '0');
			if (p != e->d_name && !*p)
				fn(arg, dir, e->d_name, v);
			at += e->d_reclen;
		}
	}
}

static void add_pid(void *arg, int dir, const char *name, int32_t pid)
{
	struct ports_walk *w = arg;
	(void)dir;
	(void)name;
	if (ports_grow((void **)&w->pids, &w->cap_pids, w->n_pids, sizeof *w->pids))
		w->pids[w->n_pids++] = pid;
}

struct fd_scan {
	struct worker *wk;
	int32_t pid;
};

/* False: there is no such descriptor. */
static bool read_fd(struct fd_scan *s, int dir, const char *name, int32_t fd)
{
	struct worker *k = s->wk;
	char link[32];
	ssize_t n = readlinkat(dir, name, link, sizeof link);
	if (n < 0)
		return false;
	if (n < 10 || memcmp(link, "socket:[", 8) != 0)
		return true;
	uint32_t inode = 0;
	for (ssize_t i = 8; i < n && link[i] >= '0' && link[i] <= '9'; i++)
		inode = inode * 10 + (uint32_t)(link[i] - '0');
	if (!ports_grow((void **)&k->found, &k->cap, k->n, sizeof *k->found)) {
		k->no_memory = true;
		return true;
	}
	k->found[k->n++] = (struct found){ .inode = inode, .pid = s->pid, .fd = fd };
	return true;
}

static void look_at_fd(void *arg, int dir, const char *name, int32_t fd)
{
	(void)read_fd(arg, dir, name, fd);
}

static void put_number(char *out, unsigned v)
{
	char digits[12];
	size_t n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*out++ = digits[--n];
	*out = 0;
}

/* Linux 6.2: the directory's size is the number of descriptors, and those are mostly the lowest
 * numbers. False: it is not told, or the numbers are too far apart; then what was found is undone
 * and the names must be asked for. */
static bool count_fds(struct fd_scan *s, int dir)
{
	struct stat st;
	size_t before = s->wk->n;
	if (fstat(dir, &st) < 0 || st.st_size <= 0)
		return false;
	off_t left = st.st_size, gaps = 16 + left / 4;
	for (unsigned fd = 0; left && gaps; fd++) {
		char name[12];
		put_number(name, fd);
		if (read_fd(s, dir, name, (int32_t)fd))
			left--;
		else
			gaps--;
	}
	if (!left)
		return true;
	s->wk->n = before;
	return false;
}

static void *walk_some(void *arg)
{
	struct worker *k = arg;
	struct ports_walk *w = k->walk;
	for (;;) {
		size_t i = atomic_fetch_add(&w->next, 1);
		if (i >= w->n_pids)
			return NULL;
		char path[24];
		snprintf(path, sizeof path, "%d/fd", w->pids[i]);
		int dir = openat(w->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0) {
			if (errno == EACCES || errno == EPERM)
				k->hidden++;
			continue;
		}
		struct fd_scan s = { .wk = k, .pid = w->pids[i] };
		if (!count_fds(&s, dir))
			each_number(dir, look_at_fd, &s);
		close(dir);
	}
}

struct ports_walk *ports_walk_start(void)
{
	struct ports_walk *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	w->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->proc_fd >= 0)
		each_number(w->proc_fd, add_pid, w);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int extra = (int)(cpus < 2 ? 0 : cpus > MAX_THREADS ? MAX_THREADS - 1 : cpus - 1);
	/* A thread costs more than reading a few processes. */
	if (w->n_pids < 8)
		extra = 0;
	for (int i = 0; i < extra; i++) {
		struct worker *k = &w->workers[w->n_workers];
		k->walk = w;
		if (pthread_create(&k->thread, NULL, walk_some, k) == 0)
			w->n_workers++;
	}
	return w;
}

/* Reads comm and owner of a process. */
static void describe(int proc_fd, struct ports_proc *p)
{
	char path[32];
	struct stat st;
	snprintf(path, sizeof path, "%d/comm", p->pid);
	int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	if (fd >= 0) {
		n = read(fd, p->comm, sizeof p->comm - 1);
		/* The owner of the files under /proc/PID is the process's effective user. */
		p->uid = fstat(fd, &st) == 0 ? st.st_uid : (uint32_t)-1;
		close(fd);
	}
	if (n > 0 && p->comm[n - 1] == '\n')
		n--;
	p->comm[n > 0 ? n : 0] = 0;
}

/* Open addressing from inode to socket index + 1. */
struct index {
	uint32_t *slot;
	size_t mask;
};

static size_t index_at(const struct index *x, const struct ports_table *t, uint32_t inode)
{
	size_t i = (size_t)(inode * 2654435761u) & x->mask;
	while (x->slot[i] && t->socks[x->slot[i] - 1].inode != inode)
		i = (i + 1) & x->mask;
	return i;
}

static bool index_init(struct index *x, const struct ports_table *t)
{
	size_t size = 16;
	while (size < t->n * 2)
		size *= 2;
	x->slot = calloc(size, sizeof *x->slot);
	x->mask = size - 1;
	if (!x->slot)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->socks[i].inode)
			x->slot[index_at(x, t, t->socks[i].inode)] = (uint32_t)(i + 1);
	return true;
}

/* One descriptor that refers to a listed socket. The found of one process stand together. */
static bool attach(struct ports_table *t, int proc_fd, struct ports_sock *s, const struct found *f)
{
	if (t->n_procs == 0 || t->procs[t->n_procs - 1].pid != f->pid) {
		if (!ports_grow((void **)&t->procs, &t->cap_procs, t->n_procs, sizeof *t->procs))
			return false;
		struct ports_proc *p = &t->procs[t->n_procs++];
		memset(p, 0, sizeof *p);
		p->pid = f->pid;
		describe(proc_fd, p);
	}
	if (!ports_grow((void **)&t->holders, &t->cap_holders, t->n_holders, sizeof *t->holders))
		return false;
	t->holders[t->n_holders++] =
	    (struct ports_holder){ .proc = (uint32_t)(t->n_procs - 1), .fd = f->fd };
	if (s->holder)
		t->holders[s->holder_tail - 1].next = (uint32_t)t->n_holders;
	else
		s->holder = (uint32_t)t->n_holders;
	s->holder_tail = (uint32_t)t->n_holders;
	return true;
}

int ports_walk_join(struct ports_walk *w, struct ports_table *t)
{
	struct index x = { 0 };
	int result = 0;
	struct worker *own = &w->workers[w->n_workers];
	own->walk = w;
	walk_some(own);
	for (int i = 0; i < w->n_workers; i++)
		pthread_join(w->workers[i].thread, NULL);
	if (t->n && !index_init(&x, t))
		result = -1;
	for (int i = 0; i <= w->n_workers; i++) {
		struct worker *k = &w->workers[i];
		t->hidden_procs += k->hidden;
		if (k->no_memory)
			result = -1;
		for (size_t j = 0; x.slot && j < k->n; j++) {
			uint32_t s = x.slot[index_at(&x, t, k->found[j].inode)];
			if (s && !attach(t, w->proc_fd, &t->socks[s - 1], &k->found[j]))
				result = -1;
		}
		free(k->found);
	}
	for (size_t i = 0; i < t->n; i++)
		t->hidden_socks += t->socks[i].inode && !t->socks[i].holder;
	if (w->proc_fd >= 0)
		close(w->proc_fd);
	free(x.slot);
	free(w->pids);
	free(w);
	return result;
}
