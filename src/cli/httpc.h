/* The client's side of HTTP/1.1 without sockets: response bytes in, body bytes out to a function.
 * Included by src/cli only. */
#ifndef L4_CLI_HTTPC_H
#define L4_CLI_HTTPC_H

#include <layer4/http.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTPC_HEAD_MAX    65536 /* bytes of a response head */
#define HTTPC_INTERIM_MAX 32    /* 1xx answers before the final one */

/* Takes body bytes, decoded; returns 0 or a negative L4_E* that ends it all. */
typedef int httpc_body_fn(void *ctx, const void *data, size_t n);
/* The final head is there (valid during the call). Returns 0, or a negative L4_E*. */
typedef int httpc_head_fn(void *ctx, const struct l4_http_head *h);

enum httpc_phase {
	HTTPC_HEAD,
	HTTPC_BODY,
	HTTPC_DONE,  /* complete */
	HTTPC_ERROR, /* see error and why */
};

struct gz_stream;

struct httpc {
	enum httpc_phase phase;
	int error;       /* L4_E*: MALFORMED, LIMIT, TRUNC, NOMEM, or what a function returned */
	const char *why; /* static text of it */
	bool to_head;    /* the request was HEAD */
	bool decode;     /* undo Content-Encoding: gzip */
	httpc_head_fn *on_head; /* may be NULL */
	httpc_body_fn *on_body;
	void *ctx;
	/* of the final head */
	unsigned status;
	bool keep_alive, has_length, gzip;
	uint64_t content_length; /* bytes on the wire, with has_length */
	/* counted */
	uint64_t wire_bytes; /* of the body, before decoding */
	uint64_t body_bytes; /* after */
	/* inside */
	char *head;
	size_t head_n, head_cap;
	struct l4_http_scan scan;
	enum l4_http_framing framing;
	uint64_t left;
	struct l4_http_chunked chunks;
	struct gz_stream *inflate;
	bool inflate_done;
	unsigned interim;
};

void httpc_init(struct httpc *c, bool to_head, bool decode, httpc_head_fn *on_head,
    httpc_body_fn *on_body, void *ctx);
void httpc_fini(struct httpc *c);
/* Takes response bytes; returns how many belong to this response. */
size_t httpc_input(struct httpc *c, const void *data, size_t n);
/* The stream ended: in order (the peer's FIN), or not. Decides whether the response is complete
 * (RFC 9112 8). */
void httpc_end(struct httpc *c, bool in_order);

/* Writes a request head. headers: lines "Name: value" of the user's, n of them; they replace ours
 * of the same name, and "Name:" takes it away. Returns the length, L4_EINVAL (a line that cannot be
 * sent: CR, LF, NUL, no name), or L4_ELIMIT. */
int httpc_request(char *buf, size_t cap, const char *method, const struct l4_url *u,
    const char *const *headers, size_t n, bool gzip, uint64_t resume_from);

#endif
