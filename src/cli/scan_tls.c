/* TLS for the service detection, by GnuTLS over a transport's streams.
 *
 * The certificate is read, not judged: an inventory wants the names of what is there, trusted or
 * not. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "cli/scan_services.h"

struct scan_tls {
	const struct scan_transport *t;
	int stream;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
};

static ssize_t push(gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
	struct scan_tls *s = ptr;
	long n = s->t->send(s->t->ctx, s->stream, data, len);
	if (n < 0)
		gnutls_transport_set_errno(s->session, n == -1 ? EAGAIN : EIO);
	return n < 0 ? -1 : n;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t cap)
{
	struct scan_tls *s = ptr;
	long n = s->t->recv(s->t->ctx, s->stream, data, cap);
	if (n < 0)
		gnutls_transport_set_errno(s->session, n == -1 ? EAGAIN : EIO);
	return n < 0 ? -1 : n;
}

/* The streams never block, so waiting for data is the engine's matter. */
static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	(void)ptr;
	(void)ms;
	return 1;
}

bool scan_tls_available(void)
{
	return true;
}

struct scan_tls *scan_tls_new(const struct scan_transport *t, int stream, const char *name)
{
	struct scan_tls *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->t = t;
	s->stream = stream;
	/* Old servers are the ones an inventory looks for. */
	if (gnutls_certificate_allocate_credentials(&s->cred) < 0 ||
	    gnutls_init(&s->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
	    gnutls_priority_set_direct(s->session, "NORMAL:+VERS-ALL:%COMPAT", NULL) < 0 ||
	    gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->cred) < 0) {
		scan_tls_free(s);
		return NULL;
	}
	if (name)
		gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, name, strlen(name));
	gnutls_transport_set_ptr(s->session, s);
	gnutls_transport_set_push_function(s->session, push);
	gnutls_transport_set_pull_function(s->session, pull);
	gnutls_transport_set_pull_timeout_function(s->session, pull_timeout);
	return s;
}

int scan_tls_handshake(struct scan_tls *s)
{
	int r = gnutls_handshake(s->session);
	return r == GNUTLS_E_SUCCESS ? 1 : gnutls_error_is_fatal(r) ? -1 : 0;
}

static void add(char *out, size_t cap, const char *before, const char *text, size_t len)
{
	size_t n = strlen(out);
	if (n + strlen(before) + len + 1 < cap)
		snprintf(out + n, cap - n, "%s%.*s", before, (int)len, text);
}

static void names(gnutls_x509_crt_t crt, char *out, size_t cap)
{
	char text[256];
	size_t len = sizeof text;
	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &len) == 0)
		add(out, cap, ", CN=", text, len);
	for (unsigned i = 0; i < 16; i++) {
		len = sizeof text;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, text, &len, NULL);
		if (type < 0)
			break;
		if (type == GNUTLS_SAN_DNSNAME)
			add(out, cap, i ? " " : ", names ", text, len);
	}
}

void scan_tls_describe(struct scan_tls *s, char *out, size_t cap)
{
	unsigned n = 0;
	const char *version = gnutls_protocol_get_name(gnutls_protocol_get_version(s->session));
	const gnutls_datum_t *list = gnutls_certificate_get_peers(s->session, &n);
	gnutls_x509_crt_t crt;
	snprintf(out, cap, "%s", version ? version : "TLS");
	if (!list || !n || gnutls_x509_crt_init(&crt) < 0)
		return;
	if (gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER) == 0)
		names(crt, out, cap);
	gnutls_x509_crt_deinit(crt);
}

static long result(ssize_t n)
{
	return n >= 0 ? n : gnutls_error_is_fatal((int)n) ? -2 : -1;
}

long scan_tls_send(struct scan_tls *s, const void *data, size_t len)
{
	return result(gnutls_record_send(s->session, data, len));
}

long scan_tls_recv(struct scan_tls *s, void *data, size_t cap)
{
	return result(gnutls_record_recv(s->session, data, cap));
}

void scan_tls_free(struct scan_tls *s)
{
	if (!s)
		return;
	if (s->session)
		gnutls_deinit(s->session);
	if (s->cred)
		gnutls_certificate_free_credentials(s->cred);
	free(s);
}
