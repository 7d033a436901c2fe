/* Compressed files, kept while they fit: a list, the last used in front; the last in it goes first.
 * An entry that a connection is sending lives until it is put back. */
#include "cli/httpd_private.h"

#include <layer4/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t entry_bytes(const struct httpd_gz *g)
{
	return g->len + sizeof(*g) + strlen(g->key);
}

static void unlink_entry(struct httpd *s, struct httpd_gz *g)
{
	*(g->prev ? &g->prev->next : &s->cache_first) = g->next;
	*(g->next ? &g->next->prev : &s->cache_last) = g->prev;
	g->prev = g->next = NULL;
	s->cache_bytes -= entry_bytes(g);
}

static void push_entry(struct httpd *s, struct httpd_gz *g)
{
	g->next = s->cache_first;
	g->prev = NULL;
	*(g->next ? &g->next->prev : &s->cache_last) = g;
	s->cache_first = g;
	s->cache_bytes += entry_bytes(g);
}

void httpd_gz_put(struct httpd_gz *g)
{
	if (--g->refs)
		return;
	free(g->key);
	free(g->data);
	free(g);
}

void httpd_gz_clear(struct httpd *s)
{
	while (s->cache_last) {
		struct httpd_gz *g = s->cache_last;
		unlink_entry(s, g);
		httpd_gz_put(g);
	}
}

/* Reads the whole file and compresses it. NULL when it cannot be read or memory is short. */
static struct httpd_gz *compress(struct httpd *s, const char *key, struct httpd_file *f)
{
	size_t n = (size_t)f->size, got = 0;
	struct httpd_gz *g = calloc(1, sizeof(*g));
	char *plain = malloc(n ? n : 1);
	if (!g || !plain)
		goto fail;
	while (got < n) {
		int64_t r = s->c.source.read(s->c.source.ctx, f, got, plain + got, n - got);
		if (r <= 0)
			goto fail;
		got += (size_t)r;
	}
	g->refs = 1;
	g->key = malloc(strlen(key) + 1);
	if (!g->key)
		goto fail;
	memcpy(g->key, key, strlen(key) + 1);
	int rc = gz_whole(plain, n, &g->data, &g->len);
	if (rc < 0 && rc != L4_ELIMIT) {
		free(g->key);
		goto fail;
	}
	free(plain);
	return g;
fail:
	free(g);
	free(plain);
	return NULL;
}

struct httpd_gz *httpd_gz_get(
    struct httpd *s, const char *path, const char *etag, struct httpd_file *f)
{
	char key[HTTPD_PATH_MAX + 80];
	struct httpd_gz *g;
	snprintf(key, sizeof(key), "%s %s", path, etag);
	for (g = s->cache_first; g; g = g->next)
		if (strcmp(g->key, key) == 0)
			break;
	if (g) {
		unlink_entry(s, g);
	} else {
		g = compress(s, key, f);
		if (!g)
			return NULL;
	}
	push_entry(s, g);
	g->refs++;
	while (s->cache_bytes > s->c.cache_max) {
		struct httpd_gz *last = s->cache_last;
		unlink_entry(s, last);
		httpd_gz_put(last);
	}
	return g;
}
