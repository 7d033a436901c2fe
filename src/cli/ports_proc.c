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
 * When only one or two sockets are sought, most descriptors need not be read at all. Once one
 * process is known to have the socket, kcmp(2) compares its descriptor with every other one: that
 * makes no name, looks up no file of /proc and takes a half to a fifth of the time. So that the
 * first is found soon, each process is tried by two of its descriptors first: sockets made one
 * after the other have numbers one after the other, and where the number sought does not lie
 * between the first and the last, the process has to wait. In the end the known descriptor is read
 * again: if it is another one by now, the walk begins anew without this.
 *
 * Nothing here is stable: a process may end between two reads. Whatever cannot be read any more is
 * skipped; what we may not read (EACCES) is counted. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/apart.h"
#include "cli/ports.h"

#define MAX_THREADS 8
#define DENTS_BYTES 32768

/* A socket that a descriptor refers to. */
struct found {
	uint32_t inode;
	int32_t pid;
	int32_t fd;
};

/* A socket that is sought, and one descriptor that is known to refer to it. */
struct sought {
	uint32_t inode;
	_Atomic uint64_t at; /* pid << 32 | descriptor; 0: none is known */
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
	/* When few are sought: */
	struct sought sought[PORTS_SOUGHT_MAX];
	size_t n_sought;      /* 0: all are */
	bool no_kcmp;         /* the known descriptor went away */
	atomic_bool kcmped;   /* it was used */
	pthread_mutex_t lock; /* of the rest */
	int32_t *later;       /* those that have to wait; NULL: nobody has */
	size_t n_later;
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
	bool no_kcmp;
};

/* The inode that a descriptor's link names; 0: no socket; -1: no such descriptor. */
static int64_t socket_at(int dir, const char *name)
{
	char link[32];
	ssize_t n = readlinkat(dir, name, link, sizeof link);
	if (n < 0)
		return -1;
	if (n < 10 || memcmp(link, "socket:[", 8) != 0)
		return 0;
	uint32_t inode = 0;
	for (ssize_t i = 8; i < n && link[i] >= '0' && link[i] <= '9'; i++)
		inode = inode * 10 + (uint32_t)(link[i] - '0');
	return inode;
}

static void note(struct fd_scan *s, uint32_t inode, int32_t fd)
{
	struct worker *k = s->wk;
	if (!ports_grow((void **)&k->found, &k->cap, k->n, sizeof *k->found)) {
		k->no_memory = true;
		return;
	}
	k->found[k->n++] = (struct found){ .inode = inode, .pid = s->pid, .fd = fd };
}

/* The descriptor by kcmp: 1 it is there, 0 it is not, -1: read its name. */
static int compare_fd(struct fd_scan *s, int32_t fd)
{
	struct ports_walk *w = s->wk->walk;
	if (!w->n_sought || s->no_kcmp || w->no_kcmp)
		return -1;
	for (size_t i = 0; i < w->n_sought; i++) {
		struct sought *x = &w->sought[i];
		uint64_t at = atomic_load(&x->at);
		if (!at)
			return -1;
		long r = syscall(SYS_kcmp, at >> 32, s->pid, KCMP_FILE, at & UINT32_MAX, fd);
		if (r < 0 && errno == EBADF)
			return 0;
		if (r < 0) {
			/* Not in this kernel, or not for us. */
			s->no_kcmp = true;
			return -1;
		}
		atomic_store_explicit(&w->kcmped, true, memory_order_relaxed);
		if (r == 0)
			note(s, x->inode, fd);
	}
	return 1;
}

/* False: there is no such descriptor. */
static bool read_fd(struct fd_scan *s, int dir, const char *name, int32_t fd)
{
	struct ports_walk *w = s->wk->walk;
	int there = compare_fd(s, fd);
	if (there >= 0)
		return there;
	int64_t inode = socket_at(dir, name);
	if (inode <= 0)
		return inode == 0;
	if (!w->n_sought)
		note(s, (uint32_t)inode, fd);
	for (size_t i = 0; i < w->n_sought; i++) {
		struct sought *x = &w->sought[i];
		if (x->inode != inode)
			continue;
		note(s, (uint32_t)inode, fd);
		uint64_t unknown = 0;
		atomic_compare_exchange_strong(
		    &x->at, &unknown, (uint64_t)s->pid << 32 | (uint32_t)fd);
	}
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

/* Whether this process may well have what is sought, by its first socket and its last. */
static bool is_likely(const struct ports_walk *w, int dir)
{
	struct stat st;
	char name[12];
	int64_t first = 0, last = 0;
	if (fstat(dir, &st) < 0 || st.st_size <= 0)
		return false;
	unsigned n = (unsigned)st.st_size;
	for (unsigned fd = 0; fd < n && fd < 5 && first <= 0; fd++) {
		put_number(name, fd);
		first = socket_at(dir, name);
	}
	for (unsigned fd = n; first > 0 && fd-- > 0 && fd + 3 > n && last <= 0;) {
		put_number(name, fd);
		last = socket_at(dir, name);
	}
	for (size_t i = 0; i < w->n_sought; i++)
		if (w->sought[i].inode >= first && w->sought[i].inode <= last)
			return true;
	return false;
}

static bool all_known(const struct ports_walk *w)
{
	for (size_t i = 0; i < w->n_sought; i++)
		if (!atomic_load(&w->sought[i].at))
			return false;
	return w->n_sought > 0;
}

/* Reads one process; false: it has to wait. */
static bool walk_one(struct worker *k, int32_t pid, bool may_wait)
{
	struct ports_walk *w = k->walk;
	char path[24];
	snprintf(path, sizeof path, "%d/fd", pid);
	int dir = openat(w->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		if (errno == EACCES || errno == EPERM)
			k->hidden++;
		return true;
	}
	bool now = !may_wait || all_known(w) || is_likely(w, dir);
	struct fd_scan s = { .wk = k, .pid = pid };
	if (now && !count_fds(&s, dir))
		each_number(dir, look_at_fd, &s);
	close(dir);
	return now;
}

static void put_off(struct ports_walk *w, int32_t pid)
{
	pthread_mutex_lock(&w->lock);
	w->later[w->n_later++] = pid;
	pthread_mutex_unlock(&w->lock);
}

static bool take_later(struct ports_walk *w, int32_t *pid)
{
	pthread_mutex_lock(&w->lock);
	bool any = w->n_later > 0;
	if (any)
		*pid = w->later[--w->n_later];
	pthread_mutex_unlock(&w->lock);
	return any;
}

static void *walk_some(void *arg)
{
	struct worker *k = arg;
	struct ports_walk *w = k->walk;
	int32_t pid;
	for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n_pids;)
		if (!walk_one(k, w->pids[i], w->later != NULL))
			put_off(w, w->pids[i]);
	while (w->later && take_later(w, &pid))
		(void)walk_one(k, pid, false);
	return NULL;
}

/* Hands the processes to as many threads as there are processors, ours among them (join). */
static void start_workers(struct ports_walk *w)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int extra = (int)(cpus < 2 ? 0 : cpus > MAX_THREADS ? MAX_THREADS - 1 : cpus - 1);
	/* A thread costs more than reading a few processes. */
	if (w->n_pids < 8)
		extra = 0;
	for (int i = 0; i < extra; i++) {
		struct worker *k = &w->workers[w->n_workers];
		k->walk = w;
		if (apart_start(&k->thread, (unsigned)i, walk_some, k) == 0)
			w->n_workers++;
	}
}

struct ports_walk *ports_walk_start(const struct ports_table *t, const uint32_t *sought, size_t n)
{
	struct ports_walk *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	w->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->proc_fd >= 0)
		each_number(w->proc_fd, add_pid, w);
	if (n)
		w->later = malloc((w->n_pids + 1) * sizeof *w->later);
	for (size_t i = 0; w->later && i < n && i < PORTS_SOUGHT_MAX; i++)
		w->sought[w->n_sought++].inode = t->socks[sought[i]].inode;
	start_workers(w);
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

/* Whether what kcmp was asked about is still what it was. */
static bool is_still_known(const struct ports_walk *w)
{
	char path[40];
	if (!atomic_load(&w->kcmped))
		return true;
	for (size_t i = 0; i < w->n_sought; i++) {
		uint64_t at = atomic_load(&w->sought[i].at);
		snprintf(path, sizeof path, "%u/fd/%u", (unsigned)(at >> 32),
		    (unsigned)(at & UINT32_MAX));
		if (socket_at(w->proc_fd, path) != w->sought[i].inode)
			return false;
	}
	return true;
}

static void work(struct ports_walk *w)
{
	struct worker *own = &w->workers[w->n_workers];
	own->walk = w;
	walk_some(own);
	for (int i = 0; i < w->n_workers; i++)
		pthread_join(w->workers[i].thread, NULL);
}

/* Names alone, from the beginning. */
static void work_again(struct ports_walk *w)
{
	for (int i = 0; i <= w->n_workers; i++)
		w->workers[i].n = w->workers[i].hidden = 0;
	w->no_kcmp = true;
	w->n_workers = 0;
	atomic_store(&w->next, 0);
	work(w);
}

static bool is_sought(const struct ports_walk *w, const struct ports_sock *s)
{
	for (size_t i = 0; i < w->n_sought; i++)
		if (w->sought[i].inode == s->inode)
			return true;
	return w->n_sought == 0;
}

int ports_walk_join(struct ports_walk *w, struct ports_table *t)
{
	struct index x = { 0 };
	int result = 0;
	work(w);
	if (!is_still_known(w))
		work_again(w);
	if (t->n && !index_init(&x, t))
		result = -1;
	for (int i = 0; i < MAX_THREADS; i++) {
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
		t->hidden_socks +=
		    t->socks[i].inode && !t->socks[i].holder && is_sought(w, &t->socks[i]);
	if (w->proc_fd >= 0)
		close(w->proc_fd);
	pthread_mutex_destroy(&w->lock);
	free(x.slot);
	free(w->pids);
	free(w->later);
	free(w);
	return result;
}
