/* Service detection: fingerprints, and the connections they are taken over. Included by
 * src/cli/scan_{services,fingerprint,transport,tls}*.c only. */
#ifndef L4_CLI_SCAN_SERVICES_H
#define L4_CLI_SCAN_SERVICES_H

#include "cli/scan.h"

/* --- transport: streams to hosts, without blocking -------------------------------------------- */

#define SCAN_READABLE 1u
#define SCAN_WRITABLE 2u /* connected, the first time */
#define SCAN_FAILED   4u

struct scan_event {
	int stream;
	unsigned what; /* SCAN_* */
};

/* A way to reach hosts by TCP: the kernel's sockets, or layer4's own stack. */
struct scan_transport {
	void *ctx;
	/* Starts connecting; a stream's number, or -1. */
	int (*open)(void *ctx, const struct l4_addr *a, uint16_t port);
	/* Bytes taken or given; 0 from recv: the other side has ended; -1: not now; -2: it failed.
	 */
	long (*send)(void *ctx, int stream, const void *data, size_t len);
	long (*recv)(void *ctx, int stream, void *data, size_t cap);
	/* Ends the stream at once, without lingering. */
	void (*close)(void *ctx, int stream);
	/* Waits at most `wait` for events; returns how many. */
	int (*wait)(void *ctx, struct scan_event *events, int max, l4_time wait);
	void (*fini)(void *ctx);
};

/* The kernel's sockets. scan_transport.c */
int scan_transport_kernel(struct scan_transport *t, const struct scan_job *j);
/* Our own, over the interface j->own_interface; on failure the reason is printed.
 * scan_transport_host.c */
int scan_transport_host(struct scan_transport *t, const struct scan_job *j);

/* --- TLS: scan_tls.c, or scan_tls_none.c without the library ---------------------------------- */

struct scan_tls;
/* Begins a handshake as client over a connected stream. NULL: no memory, or no TLS library. */
struct scan_tls *scan_tls_new(const struct scan_transport *t, int stream, const char *name);
/* 1: established, 0: needs more from the other side, -1: it is no TLS, or it failed. */
int scan_tls_handshake(struct scan_tls *s);
/* "TLS1.3, CN=..., names a b" */
void scan_tls_describe(struct scan_tls *s, char *out, size_t cap);
long scan_tls_send(struct scan_tls *s, const void *data, size_t len);
long scan_tls_recv(struct scan_tls *s, void *data, size_t cap);
void scan_tls_free(struct scan_tls *s);
bool scan_tls_available(void);

/* --- fingerprints: scan_fingerprint.c --------------------------------------------------------- */

#define SCAN_PROBES_MAX 64

/* What is said to a port. */
struct scan_probe {
	char name[32];
	bool udp, tls;
	struct ports_set ports; /* where it is tried first */
	uint8_t *send;
	size_t send_len;
};

struct scan_fingerprints;
/* Reads the file; NULL for the installed one. Returns NULL with a message that names the line. */
struct scan_fingerprints *scan_fingerprints_load(const char *path, char *error, size_t cap);
void scan_fingerprints_free(struct scan_fingerprints *f);
size_t scan_fingerprints_probes(
    const struct scan_fingerprints *f, const struct scan_probe **probes);
/* Judges an answer to `probe` ("banner": what was said unasked). Fills in what is known better than
 * before; returns the confidence 0..10 of the best rule that fits. */
unsigned scan_fingerprints_match(const struct scan_fingerprints *f, const char *probe,
    const uint8_t *data, size_t len, struct scan_service *out);

#endif
