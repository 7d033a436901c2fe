/* Requests of HTTP and their responses, by connection: numbers, packets, times.
 *
 * As Wireshark has it, a response belongs to the last request of its connection that has none; the
 * one before is remembered by its packets. A record is made with a connection's first message, at
 * most PAIRS_MAX of them; the URIs they keep take at most URIS_MAX bytes, and a longer or later one
 * is not kept. */
#include <stdlib.h>

#include "dissect/conv.h"

enum { PAIRS_MAX = 1 << 20, URI_MAX = 4096, URIS_MAX = 8 << 20 };

struct pair {
	uint32_t number;            /* of the last request or response */
	uint32_t request, response; /* packets, 0: none */
	uint32_t prev_request, prev_response;
	uint32_t uri_len;
	l4_time asked; /* ns */
	char *uri;
};

struct l4_http_pairs {
	struct pair *p;
	uint32_t n, cap;
	uint32_t uri_bytes;
};

static struct pair *record(struct l4_dissect *d, struct l4_conv *c)
{
	struct l4_http_pairs *t = d->http_pairs;
	if (!t && !(t = d->http_pairs = calloc(1, sizeof *t)))
		return NULL;
	if (c->http)
		return &t->p[c->http - 1];
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 64;
		struct pair *p = cap > PAIRS_MAX ? NULL : realloc(t->p, cap * sizeof *p);
		if (!p)
			return NULL;
		t->p = p;
		t->cap = cap;
	}
	t->p[t->n] = (struct pair){ .number = 0 };
	c->http = ++t->n;
	return &t->p[t->n - 1];
}

static void keep_uri(struct l4_http_pairs *t, struct pair *p, const char *uri, uint32_t n)
{
	t->uri_bytes -= p->uri_len;
	free(p->uri);
	p->uri = NULL;
	p->uri_len = 0;
	if (!n || n > URI_MAX || n > URIS_MAX - t->uri_bytes || !(p->uri = malloc(n)))
		return;
	memcpy(p->uri, uri, n);
	p->uri_len = n;
	t->uri_bytes += n;
}

static void next(struct pair *p)
{
	p->prev_request = p->request;
	p->prev_response = p->response;
	p->request = p->response = 0;
	p->number++;
}

bool l4_http_message(struct l4_dissect *d, struct l4_conv *c, bool response, const char *uri,
    uint32_t uri_len, struct l4_http_told *out)
{
	struct pair *p = record(d, c);
	if (!p)
		return false;
	uint32_t now = (uint32_t)d->out.cap->number;
	if (!response) {
		next(p);
		p->request = now;
		p->asked = d->out.cap->ts;
		keep_uri(d->http_pairs, p, uri, uri_len);
	} else {
		if (!p->number || p->response) {
			next(p);
			keep_uri(d->http_pairs, p, NULL, 0);
		}
		p->response = now;
	}
	*out = (struct l4_http_told){ .number = p->number,
		.request = p->request,
		.prev_request = p->prev_request,
		.prev_response = p->prev_response,
		.took = (int64_t)(d->out.cap->ts - p->asked),
		.uri = p->uri,
		.uri_len = p->uri_len };
	return true;
}

void l4_http_pairs_free(struct l4_http_pairs *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n; i++)
		free(t->p[i].uri);
	free(t->p);
	free(t);
}
