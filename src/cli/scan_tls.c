/* TLS for the service detection, by GnuTLS over a transport's streams.
 *
 * The certificate is read, not judged: an inventory wants the names of what is there, trusted or
 * not. The library is loaded when the first port is asked. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "cli/lazy.h"
#include "cli/scan_services.h"

#define LIBRARY "libgnutls.so.30" /* since GnuTLS 3.4 of 2015 */
#define FUNCTIONS(X)                                  \
	X(gnutls_certificate_allocate_credentials)    \
	X(gnutls_certificate_free_credentials)        \
	X(gnutls_certificate_get_peers)               \
	X(gnutls_credentials_set)                     \
	X(gnutls_deinit)                              \
	X(gnutls_error_is_fatal)                      \
	X(gnutls_handshake)                           \
	X(gnutls_init)                                \
	X(gnutls_priority_set_direct)                 \
	X(gnutls_protocol_get_name)                   \
	X(gnutls_protocol_get_version)                \
	X(gnutls_record_recv)                         \
	X(gnutls_record_send)                         \
	X(gnutls_server_name_set)                     \
	X(gnutls_transport_set_errno)                 \
	X(gnutls_transport_set_ptr)                   \
	X(gnutls_transport_set_pull_function)         \
	X(gnutls_transport_set_pull_timeout_function) \
	X(gnutls_transport_set_push_function)         \
	X(gnutls_x509_crt_deinit)                     \
	X(gnutls_x509_crt_get_dn_by_oid)              \
	X(gnutls_x509_crt_get_subject_alt_name)       \
	X(gnutls_x509_crt_import)                     \
	X(gnutls_x509_crt_init)

static struct {
	FUNCTIONS(LAZY_POINTER)
} tls;

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
		tls.gnutls_transport_set_errno(s->session, n == -1 ? EAGAIN : EIO);
	return n < 0 ? -1 : n;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t cap)
{
	struct scan_tls *s = ptr;
	long n = s->t->recv(s->t->ctx, s->stream, data, cap);
	if (n < 0)
		tls.gnutls_transport_set_errno(s->session, n == -1 ? EAGAIN : EIO);
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
	static const char *const names[] = { FUNCTIONS(LAZY_NAME) };
	static enum { UNKNOWN, NO, YES } loaded;
	if (loaded == UNKNOWN)
		loaded = lazy_load(LIBRARY, names, sizeof names / sizeof *names, &tls, sizeof tls)
			     ? YES
			     : NO;
	return loaded == YES;
}

struct scan_tls *scan_tls_new(const struct scan_transport *t, int stream, const char *name)
{
	struct scan_tls *s = scan_tls_available() ? calloc(1, sizeof *s) : NULL;
	if (!s)
		return NULL;
	s->t = t;
	s->stream = stream;
	/* Old servers are the ones an inventory looks for. */
	if (tls.gnutls_certificate_allocate_credentials(&s->cred) < 0 ||
	    tls.gnutls_init(&s->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
	    tls.gnutls_priority_set_direct(s->session, "NORMAL:+VERS-ALL:%COMPAT", NULL) < 0 ||
	    tls.gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->cred) < 0) {
		scan_tls_free(s);
		return NULL;
	}
	if (name)
		tls.gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, name, strlen(name));
	tls.gnutls_transport_set_ptr(s->session, s);
	tls.gnutls_transport_set_push_function(s->session, push);
	tls.gnutls_transport_set_pull_function(s->session, pull);
	tls.gnutls_transport_set_pull_timeout_function(s->session, pull_timeout);
	return s;
}

int scan_tls_handshake(struct scan_tls *s)
{
	int r = tls.gnutls_handshake(s->session);
	return r == GNUTLS_E_SUCCESS ? 1 : tls.gnutls_error_is_fatal(r) ? -1 : 0;
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
	if (tls.gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &len) ==
	    0)
		add(out, cap, ", CN=", text, len);
	for (unsigned i = 0; i < 16; i++) {
		len = sizeof text;
		int type = tls.gnutls_x509_crt_get_subject_alt_name(crt, i, text, &len, NULL);
		if (type < 0)
			break;
		if (type == GNUTLS_SAN_DNSNAME)
			add(out, cap, i ? " " : ", names ", text, len);
	}
}

void scan_tls_describe(struct scan_tls *s, char *out, size_t cap)
{
	unsigned n = 0;
	const char *version =
	    tls.gnutls_protocol_get_name(tls.gnutls_protocol_get_version(s->session));
	const gnutls_datum_t *list = tls.gnutls_certificate_get_peers(s->session, &n);
	gnutls_x509_crt_t crt;
	snprintf(out, cap, "%s", version ? version : "TLS");
	if (!list || !n || tls.gnutls_x509_crt_init(&crt) < 0)
		return;
	if (tls.gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER) == 0)
		names(crt, out, cap);
	tls.gnutls_x509_crt_deinit(crt);
}

static long result(ssize_t n)
{
	return n >= 0 ? n : tls.gnutls_error_is_fatal((int)n) ? -2 : -1;
}

long scan_tls_send(struct scan_tls *s, const void *data, size_t len)
{
	return result(tls.gnutls_record_send(s->session, data, len));
}

long scan_tls_recv(struct scan_tls *s, void *data, size_t cap)
{
	return result(tls.gnutls_record_recv(s->session, data, cap));
}

void scan_tls_free(struct scan_tls *s)
{
	if (!s)
		return;
	if (s->session)
		tls.gnutls_deinit(s->session);
	if (s->cred)
		tls.gnutls_certificate_free_credentials(s->cred);
	free(s);
}
