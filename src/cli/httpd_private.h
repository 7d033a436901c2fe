/* The insides of the HTTP server. Included by src/cli/httpd*.c only. */
#ifndef L4_CLI_HTTPD_PRIVATE_H
#define L4_CLI_HTTPD_PRIVATE_H

#include "cli/httpd.h"

#include "cli/gzip.h"

#define HTTPD_OUT_SIZE   65536 /* bytes of an output buffer */
#define HTTPD_POOL_MAX   64    /* output buffers kept for reuse */
#define HTTPD_RANGES_MAX 16    /* ranges answered; more: the whole file */
#define HTTPD_PATH_MAX   4096
#define HTTPD_BODY_MAX   (1u << 20) /* bytes of a request body that are read over */
#define HTTPD_GZIP_MIN   256        /* smaller files are not compressed */
#define HTTPD_GZIP_WHOLE (1u << 20) /* larger files are compressed while they are sent */

/* A compressed file. In the cache's list, most recently used first, as long as it is valid. */
struct httpd_gz {
	struct httpd_gz *prev, *next;
	char *key;  /* path and entity tag */
	void *data; /* NULL: known not to shrink */
	size_t len;
	unsigned refs; /* of connections, and one of the cache */
};

struct httpd {
	struct httpd_config c;
	struct httpd_gz *cache_first, *cache_last;
	size_t cache_bytes;
	char *pool[HTTPD_POOL_MAX];
	unsigned pool_n;
	int64_t date_s;
	char date[L4_HTTP_DATE_LEN + 1];
};

enum httpd_body {
	HTTPD_BODY_NONE,
	HTTPD_BODY_FILE,  /* off, left */
	HTTPD_BODY_MULTI, /* ranges, each with a head of its own */
	HTTPD_BODY_GZ,    /* from the cache */
	HTTPD_BODY_GZIP,  /* compressed as it goes, chunked */
	HTTPD_BODY_TEXT,  /* owned memory */
};

struct httpd_conn {
	struct httpd *srv;
	struct l4_endpoint peer;
	/* request side */
	char *in;
	size_t in_n, in_cap;
	struct l4_http_scan scan;
	bool in_head;  /* a head has begun */
	bool draining; /* the request's body is still to be read over */
	bool chunked;
	struct l4_http_chunked chunks;
	uint64_t drain_left; /* bytes of a body with length; of a chunked one: allowed */
	bool eof;
	/* response side */
	bool responding;
	bool close_after;
	bool failed; /* abort */
	char *out;   /* HTTPD_OUT_SIZE, while responding */
	size_t out_n, out_pos;
	enum httpd_body body;
	bool has_file;
	struct httpd_file file;
	uint64_t off, left;
	struct l4_http_range ranges[HTTPD_RANGES_MAX];
	unsigned range_n, range_i;
	bool range_open; /* the head of ranges[range_i] is written */
	const char *type;
	char boundary[24];
	struct httpd_gz *gz;
	size_t mem_pos;
	char *text;
	size_t text_n;
	struct gz_stream *deflate;
	bool deflate_done;
	/* time */
	l4_time deadline;
	uint64_t moved; /* bytes taken since the deadline was set */
};

/* httpd_respond.c: answers a parsed request. */
void httpd_respond(struct httpd_conn *c, const struct l4_http_head *h);
/* A short page with a status; always closes when close is set. */
void httpd_error(struct httpd_conn *c, unsigned status, const struct l4_http_head *h, bool close);
/* httpd.c: bytes of a multipart/byteranges body, from range_n, ranges, type and boundary. */
uint64_t httpd_multi_length(const struct httpd_conn *c);
/* httpd_cache.c */
struct httpd_gz *httpd_gz_get(
    struct httpd *s, const char *path, const char *etag, struct httpd_file *f);
void httpd_gz_put(struct httpd_gz *g);
void httpd_gz_clear(struct httpd *s);
/* httpd_list.c: the page of a directory in fresh memory; L4_ENOMEM, L4_ESYS. */
int httpd_list_page(
    struct httpd *s, struct httpd_file *f, const char *path, char **page, size_t *n);
/* Percent-encodes a path into out. L4_ELIMIT. */
int httpd_encode_path(const char *path, char *out, size_t cap);

#endif
