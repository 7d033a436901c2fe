/* MIME types by file name: a table of the usual ones, with the system's mime.types over it. */
#include "cli/httpd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *ext, *type;
} builtin[] = {
	{ "avif", "image/avif" },
	{ "bmp", "image/bmp" },
	{ "c", "text/plain; charset=utf-8" },
	{ "css", "text/css; charset=utf-8" },
	{ "csv", "text/csv; charset=utf-8" },
	{ "gif", "image/gif" },
	{ "gz", "application/gzip" },
	{ "h", "text/plain; charset=utf-8" },
	{ "htm", "text/html; charset=utf-8" },
	{ "html", "text/html; charset=utf-8" },
	{ "ico", "image/vnd.microsoft.icon" },
	{ "jpeg", "image/jpeg" },
	{ "jpg", "image/jpeg" },
	{ "js", "text/javascript; charset=utf-8" },
	{ "json", "application/json" },
	{ "log", "text/plain; charset=utf-8" },
	{ "md", "text/markdown; charset=utf-8" },
	{ "mjs", "text/javascript; charset=utf-8" },
	{ "mp3", "audio/mpeg" },
	{ "mp4", "video/mp4" },
	{ "ogg", "audio/ogg" },
	{ "otf", "font/otf" },
	{ "pdf", "application/pdf" },
	{ "png", "image/png" },
	{ "svg", "image/svg+xml" },
	{ "tar", "application/x-tar" },
	{ "ttf", "font/ttf" },
	{ "txt", "text/plain; charset=utf-8" },
	{ "wasm", "application/wasm" },
	{ "wav", "audio/x-wav" },
	{ "webm", "video/webm" },
	{ "webp", "image/webp" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "xhtml", "application/xhtml+xml" },
	{ "xml", "application/xml" },
	{ "zip", "application/zip" },
};

struct pair {
	char *ext, *type;
};

struct httpd_mime {
	struct pair *pair;
	size_t n, cap;
};

static int compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	return strcasecmp(x->ext, y->ext);
}

static char *copy(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = malloc(n);
	if (p)
		memcpy(p, s, n);
	return p;
}

static int add(struct httpd_mime *m, const char *ext, const char *type)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 1024;
		struct pair *q = realloc(m->pair, cap * sizeof(*q));
		if (!q)
			return -1;
		m->pair = q;
		m->cap = cap;
	}
	struct pair p = { copy(ext), copy(type) };
	if (!p.ext || !p.type) {
		free(p.ext);
		free(p.type);
		return -1;
	}
	m->pair[m->n++] = p;
	return 0;
}

struct httpd_mime *httpd_mime_load(const char *path)
{
	struct httpd_mime *m = calloc(1, sizeof(*m));
	FILE *f = m ? fopen(path, "re") : NULL;
	char line[1024];
	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL, *type = strtok_r(line, " \t\r\n", &save), *ext;
		if (!type || type[0] == '#')
			continue;
		while ((ext = strtok_r(NULL, " \t\r\n", &save)) && add(m, ext, type) == 0)
			;
	}
	if (f)
		fclose(f);
	if (m && m->n)
		qsort(m->pair, m->n, sizeof(m->pair[0]), compare);
	return m;
}

void httpd_mime_free(struct httpd_mime *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->pair[i].ext);
		free(m->pair[i].type);
	}
	free(m->pair);
	free(m);
}

const char *httpd_mime_type(const struct httpd_mime *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	if (!dot || !dot[1])
		return "application/octet-stream";
	/* The table first: it carries the character set that text is in by now. */
	for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (strcasecmp(dot + 1, builtin[i].ext) == 0)
			return builtin[i].type;
	if (m && m->n) {
		union {
			const char *c;
			char *p;
		} u = { .c = dot + 1 };
		struct pair key = { u.p, NULL };
		const struct pair *hit = bsearch(&key, m->pair, m->n, sizeof(m->pair[0]), compare);
		if (hit)
			return hit->type;
	}
	return "application/octet-stream";
}

bool httpd_mime_compressible(const char *type)
{
	static const char *const prefix[] = { "text/", "application/json", "application/javascript",
		"application/xml", "application/xhtml", "application/wasm", "application/x-tar",
		"application/rtf", "application/x-sh", "image/svg", "image/bmp",
		"image/vnd.microsoft", "audio/x-wav", "font/otf", "font/ttf" };
	for (size_t i = 0; type && i < sizeof(prefix) / sizeof(prefix[0]); i++)
		if (strncasecmp(type, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}
