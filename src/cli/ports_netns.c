/* Network namespaces: those of running processes and those with a name in /run/netns.
 *
 * A thread made for it enters each namespace in turn (setns moves one thread only), so that the
 * rest of the program stays where it was. Entering needs CAP_SYS_ADMIN. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ports.h"

#define NETNS_DIR "/run/netns"

static struct ports_netns *netns_find(struct ports_table *t, uint64_t inode)
{
	for (size_t i = 0; i < t->n_netns; i++)
		if (t->netns[i].inode == inode)
			return &t->netns[i];
	return NULL;
}

static struct ports_netns *netns_add(struct ports_table *t, uint64_t inode)
{
	if (t->n_netns >= UINT16_MAX ||
	    !ports_grow((void **)&t->netns, &t->cap_netns, t->n_netns, sizeof *t->netns))
		return NULL;
	struct ports_netns *ns = &t->netns[t->n_netns++];
	memset(ns, 0, sizeof *ns);
	ns->inode = inode;
	snprintf(ns->name, sizeof ns->name, "net:[%" PRIu64 "]", inode);
	return ns;
}

int ports_netns_list(struct ports_table *t)
{
	struct stat st;
	char path[300];
	if (stat("/proc/self/ns/net", &st) < 0 || !netns_add(t, st.st_ino))
		return -1;
	snprintf(t->netns[0].name, sizeof t->netns[0].name, "own");
	DIR *dir = opendir("/proc");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/ns/net", e->d_name);
		if (stat(path, &st) < 0 || netns_find(t, st.st_ino))
			continue;
		struct ports_netns *ns = netns_add(t, st.st_ino);
		if (ns)
			ns->pid = (pid_t)strtol(e->d_name, NULL, 10);
	}
	if (dir)
		closedir(dir);
	dir = opendir(NETNS_DIR);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		snprintf(path, sizeof path, NETNS_DIR "/%s", e->d_name);
		if (e->d_name[0] == '.' || stat(path, &st) < 0)
			continue;
		struct ports_netns *ns = netns_find(t, st.st_ino);
		if (!ns)
			ns = netns_add(t, st.st_ino);
		if (ns && ns != &t->netns[0])
			snprintf(ns->name, sizeof ns->name, "%.63s", e->d_name);
	}
	if (dir)
		closedir(dir);
	return 0;
}

struct visit {
	struct ports_table *t;
	const struct ports_query *q;
	int result;
};

static int netns_open(const struct ports_netns *ns)
{
	char path[128];
	if (ns->pid)
		snprintf(path, sizeof path, "/proc/%d/ns/net", ns->pid);
	else
		snprintf(path, sizeof path, NETNS_DIR "/%s", ns->name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void *visit_all(void *arg)
{
	struct visit *v = arg;
	const char *what;
	for (size_t i = 1; i < v->t->n_netns; i++) {
		int fd = netns_open(&v->t->netns[i]);
		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0 ||
		    ports_diag_read(v->t, v->q, (uint16_t)i, &what) < 0)
			v->t->hidden_netns++;
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

int ports_netns_read(struct ports_table *t, const struct ports_query *q)
{
	struct visit v = { .t = t, .q = q };
	pthread_t thread;
	if (t->n_netns < 2)
		return 0;
	int e = pthread_create(&thread, NULL, visit_all, &v);
	if (e) {
		errno = e;
		return -1;
	}
	pthread_join(thread, NULL);
	return v.result;
}
