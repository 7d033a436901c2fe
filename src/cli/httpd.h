/* A static HTTP/1.1 server without sockets: request bytes in, response bytes out, deadlines. The
 * files come from a source (a directory, or memory), the bytes go wherever the caller takes them.
 * Included by src/cli only. */
#ifndef L4_CLI_HTTPD_H
#define L4_CLI_HTTPD_H

#include <layer4/addr.h>
#include <layer4/http.h>
#include <layer4/time.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Where files come from ---- */

struct httpd_file {
	bool is_dir;
	uint64_t size;     /* bytes */
	int64_t mtime_s;   /* seconds since 1970 */
	uint32_t mtime_ns; /* and the fraction */
	int fd;            /* the source's own */
	const void *data;  /* the source's own */
};

struct httpd_entry {
	const char *name;
	bool is_dir;
	uint64_t size;
	int64_t mtime_s;
};

struct httpd_source {
	/* path begins with '/' and is free of dot segments. 0, L4_ENOTFOUND, L4_EPERM (not to be
	 * served), L4_ELIMIT (too many open), L4_ESYS. */
	int (*open)(void *ctx, const char *path, struct httpd_file *out);
	/* Bytes read, 0 at the end, L4_ESYS. */
	int64_t (*read)(void *ctx, struct httpd_file *f, uint64_t off, void *buf, size_t n);
	/* Calls each for every entry but those whose names begin with a dot. NULL: no listings. */
	int (*list)(void *ctx, struct httpd_file *f,
	    void (*each)(void *arg, const struct httpd_entry *e), void *arg);
	void (*close)(void *ctx, struct httpd_file *f);
	void *ctx;
};

/* The tree below a directory; nothing outside is ever opened, be it by symbolic links
 * (openat2, RESOLVE_BENEATH). Returns 0 or L4_ESYS with errno. Closed by httpd_dir_close. */
int httpd_dir_open(struct httpd_source *out, const char *dir);
void httpd_dir_close(struct httpd_source *s);

/* ---- The server ---- */

struct httpd_log {
	const struct l4_endpoint *peer;
	struct l4_http_str method, target; /* "-" when the request could not be read */
	unsigned status;
	uint64_t bytes; /* of the body that was announced */
	bool gzip;
};

struct httpd_config {
	struct httpd_source source;
	int64_t (*wall)(void *ctx); /* seconds since 1970, for Date and Last-Modified */
	void (*log)(void *ctx, const struct httpd_log *l); /* may be NULL */
	void *ctx;                                         /* of wall and log */
	bool gzip;                     /* compress what is accepted and worth it */
	bool list;                     /* pages of directories without index.html */
	size_t head_max;               /* bytes of a request head: 431 */
	l4_time head_timeout;          /* first byte to end of head: 408 */
	l4_time idle_timeout;          /* keep-alive without a request: closed */
	l4_time stall_timeout;         /* in this time at least stall_bytes must be taken … */
	uint32_t stall_bytes;          /* … by a client that is being sent to */
	size_t cache_max;              /* bytes of compressed files kept */
	const struct httpd_mime *mime; /* may be NULL: the built-in table */
};

struct httpd;
void httpd_config_init(struct httpd_config *c);
struct httpd *httpd_new(const struct httpd_config *c); /* NULL: no memory */
void httpd_free(struct httpd *s);                      /* after its connections */

/* ---- One connection ---- */

struct httpd_conn;
struct httpd_conn *httpd_conn_new(struct httpd *s, const struct l4_endpoint *peer, l4_time now);
void httpd_conn_free(struct httpd_conn *c);
/* Takes request bytes; returns how many were taken. Fewer than n: the rest is to be offered again
 * after output was sent (bounded pipelining). */
size_t httpd_conn_input(struct httpd_conn *c, const void *data, size_t n, l4_time now);
/* The peer will send no more. */
void httpd_conn_eof(struct httpd_conn *c, l4_time now);
/* Bytes to send now: their number, and where; 0 when there are none. *more: others follow. */
size_t httpd_conn_output(struct httpd_conn *c, const void **p, bool *more, l4_time now);
void httpd_conn_sent(struct httpd_conn *c, size_t n, l4_time now);
/* What the caller has to do with the connection when no output is left. */
enum httpd_state {
	HTTPD_OPEN,  /* go on */
	HTTPD_CLOSE, /* close it, in order */
	HTTPD_ABORT, /* reset it: the response cannot be completed, or the client is too slow */
};
enum httpd_state httpd_conn_state(const struct httpd_conn *c);
l4_time httpd_conn_deadline(const struct httpd_conn *c);
void httpd_conn_on_deadline(struct httpd_conn *c, l4_time now);
/* No new requests: close after the current response. */
void httpd_conn_finish(struct httpd_conn *c);

/* ---- MIME types ---- */

struct httpd_mime;
/* Reads a file as /etc/mime.types to follow the built-in table. NULL: no memory; a file that cannot
 * be read is left out. */
struct httpd_mime *httpd_mime_load(const char *path);
void httpd_mime_free(struct httpd_mime *m);
/* Type of a file name; never NULL. m may be NULL. */
const char *httpd_mime_type(const struct httpd_mime *m, const char *path);
/* Whether gzip is worth it for this type. */
bool httpd_mime_compressible(const char *type);

#endif
