/* Service detection without a TLS library: ports that speak TLS are recognised as such and no
 * further. */
#include "cli/scan_services.h"

bool scan_tls_available(void)
{
	return false;
}

struct scan_tls *scan_tls_new(const struct scan_transport *t, int stream, const char *name)
{
	(void)t;
	(void)stream;
	(void)name;
	return NULL;
}

int scan_tls_handshake(struct scan_tls *s)
{
	(void)s;
	return -1;
}

void scan_tls_describe(struct scan_tls *s, char *out, size_t cap)
{
	(void)s;
	if (cap)
		out[0] = 0;
}

long scan_tls_send(struct scan_tls *s, const void *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len;
	return -2;
}

long scan_tls_recv(struct scan_tls *s, void *data, size_t cap)
{
	(void)s;
	(void)data;
	(void)cap;
	return -2;
}

void scan_tls_free(struct scan_tls *s)
{
	(void)s;
}
