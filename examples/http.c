/* Example of <layer4/http.h>: a request head found in a stream, read, and a URL taken apart. */
#include <layer4/http.h>
#include <layer4/err.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	static const char stream[] = "GET /a%20b?x=1 HTTP/1.1\r\nHost: example.org\r\n"
				     "Accept-Encoding: br;q=0, gzip\r\n\r\nnext";
	static const char url[] = "http://example.org:8080/dir/page?q=1";
	struct l4_http_head head;
	struct l4_http_scan scan;
	struct l4_http_str host;
	struct l4_url u;
	char path[64];
	int64_t n;

	/* Bytes come in pieces: with the first 30 the head is not whole yet. */
	l4_http_scan_init(&scan);
	if (l4_http_scan(&scan, stream, 30) != L4_EAGAIN)
		return 1;
	n = l4_http_scan(&scan, stream, strlen(stream));
	if (n != (int64_t)strlen(stream) - 4 || l4_http_request_parse(&head, stream, (size_t)n) < 0)
		return 1;
	host = l4_http_find(&head, "host");
	if (l4_http_target_path(head.target, path, sizeof(path)) < 0)
		return 1;
	printf("%.*s '%s' of %.*s\n", (int)head.method.len, head.method.p, path, (int)host.len,
	    host.p);
	if (strcmp(path, "/a b") != 0 || !l4_http_accepts_coding(&head, "gzip") ||
	    l4_http_accepts_coding(&head, "br"))
		return 1;

	if (l4_url_parse(&u, url, strlen(url)) < 0)
		return 1;
	printf("%.*s and %.*s\n", (int)u.host.len, u.host.p, (int)u.target.len, u.target.p);
	return !l4_http_str_is(u.host, "example.org") || !l4_http_str_is(u.target, "/dir/page?q=1");
}
