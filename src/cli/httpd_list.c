/* The page of a directory: names sorted, directories first, everything escaped. */
#include "cli/httpd_private.h"

#include <layer4/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 10000 /* entries shown */

struct row {
	char *name;
	bool is_dir;
	uint64_t size;
	int64_t mtime_s;
};

struct rows {
	struct row *row;
	size_t n, cap;
	bool failed, cut;
};

/* Text that grows; full memory sticks. */
struct text {
	char *p;
	size_t n, cap;
	bool failed;
};

static void add(struct text *t, const char *s, size_t n)
{
	if (t->failed)
		return;
	if (t->cap - t->n < n + 1) {
		size_t cap = t->cap ? t->cap : 4096;
		while (cap - t->n < n + 1)
			cap *= 2;
		char *q = realloc(t->p, cap);
		if (!q) {
			t->failed = true;
			return;
		}
		t->p = q;
		t->cap = cap;
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static void adds(struct text *t, const char *s)
{
	add(t, s, strlen(s));
}

static void add_html(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			adds(t, "&lt;");
		else if (*s == '>')
			adds(t, "&gt;");
		else if (*s == '&')
			adds(t, "&amp;");
		else if (*s == '"')
			adds(t, "&quot;");
		else if (*s == '\'')
			adds(t, "&#39;");
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			adds(t, "\xef\xbf\xbd");
		else
			add(t, s, 1);
	}
}

int httpd_encode_path(const char *path, char *out, size_t cap)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;
	for (; *path; path++) {
		unsigned char ch = (unsigned char)*path;
		bool plain = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
			     (ch >= 'A' && ch <= 'Z') || strchr("/-._~!$()*+,;=@", ch) != NULL;
		if (n + 4 > cap)
			return L4_ELIMIT;
		if (plain) {
			out[n++] = (char)ch;
		} else {
			out[n++] = '%';
			out[n++] = hex[ch >> 4];
			out[n++] = hex[ch & 15];
		}
	}
	out[n] = '\0';
	return (int)n;
}

static void each(void *arg, const struct httpd_entry *e)
{
	struct rows *r = arg;
	if (r->n == LIST_MAX || r->failed) {
		r->cut = true;
		return;
	}
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct row *q = realloc(r->row, cap * sizeof(*q));
		if (!q) {
			r->failed = true;
			return;
		}
		r->row = q;
		r->cap = cap;
	}
	char *name = malloc(strlen(e->name) + 1);
	if (!name) {
		r->failed = true;
		return;
	}
	memcpy(name, e->name, strlen(e->name) + 1);
	struct row *row = &r->row[r->n++];
	row->name = name;
	row->is_dir = e->is_dir;
	row->size = e->size;
	row->mtime_s = e->mtime_s;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	if (x->is_dir != y->is_dir)
		return x->is_dir ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void add_row(struct text *t, const struct row *r)
{
	char href[3 * 256 + 1], date[L4_HTTP_DATE_LEN + 1], size[32];
	if (httpd_encode_path(r->name, href, sizeof(href)) < 0)
		return;
	l4_http_date_format(r->mtime_s, date);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)r->size);
	adds(t, "<tr><td><a href=\"./");
	adds(t, href);
	adds(t, r->is_dir ? "/\">" : "\">");
	add_html(t, r->name);
	adds(t, r->is_dir ? "/</a><td class=n><td>" : "</a><td class=n>");
	if (!r->is_dir) {
		adds(t, size);
		adds(t, "<td>");
	}
	adds(t, date);
	adds(t, "\n");
}

int httpd_list_page(struct httpd *s, struct httpd_file *f, const char *path, char **page, size_t *n)
{
	struct rows r = { NULL, 0, 0, false, false };
	struct text t = { NULL, 0, 0, false };
	int rc = s->c.source.list(s->c.source.ctx, f, each, &r);
	if (r.n)
		qsort(r.row, r.n, sizeof(r.row[0]), compare);
	adds(&t, "<!DOCTYPE html>\n<meta charset=utf-8>\n<meta name=viewport "
		 "content=\"width=device-width\">\n<title>");
	add_html(&t, path);
	adds(&t,
	    "</title>\n<style>body{font:15px sans-serif;margin:2em}td{padding:.1em 1.5em .1em 0}"
	    ".n{text-align:right}</style>\n<h1>");
	add_html(&t, path);
	adds(&t, "</h1>\n<table>\n");
	if (path[1])
		adds(&t, "<tr><td><a href=\"../\">../</a><td><td>\n");
	for (size_t i = 0; i < r.n; i++)
		add_row(&t, &r.row[i]);
	adds(&t, "</table>\n");
	if (r.cut)
		adds(&t, "<p>There is more than is shown here.\n");
	for (size_t i = 0; i < r.n; i++)
		free(r.row[i].name);
	free(r.row);
	if (rc < 0 || r.failed || t.failed) {
		free(t.p);
		return rc < 0 ? rc : L4_ENOMEM;
	}
	*page = t.p;
	*n = t.n;
	return 0;
}
