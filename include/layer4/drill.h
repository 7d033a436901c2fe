/* packetdrill scripts against the stack, in one process, in virtual time.
 *
 * A script is run on a host of its own: nothing else is touched, no privileges are needed, and
 * minutes of timers pass in milliseconds. The same script, options and seed give the same result.
 */
#ifndef LAYER4_DRILL_H
#define LAYER4_DRILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

enum l4_drill_status {
	L4_DRILL_PASSED = 0,
	L4_DRILL_FAILED = 1, /* the stack did something else than the script says */
	L4_DRILL_BROKEN = 2, /* the script cannot be parsed or asks for what there is not */
};

struct l4_drill_options {
	/* Options of packetdrill's command line, "name" or "name=value" without dashes, as they may
	 * also stand in a script ("ip_version=ipv6", "mtu=1400", "define=NAME=value",
	 * "layer4=tcp_sack=0;mtu=1400"). They win over the script's. Borrowed. */
	const char *const *options;
	size_t n_options;
	bool dry_run; /* parse only */
	/* When set: told of each packet and call as it happens, a line at a time without its end.
	 */
	void (*trace)(void *ctx, const char *line);
	/* When set: takes every packet both ways, from its IP header on, with the script's time in
	 * nanoseconds. sent: by the stack. */
	void (*packet)(void *ctx, bool sent, const void *data, size_t len, uint64_t time_ns);
	void *ctx;
};

struct l4_drill_result {
	enum l4_drill_status status;
	int line;          /* where it failed, 1 the first; 0: nowhere in particular */
	char message[256]; /* "expected ..., seen ..." in one line; "" when passed */
	char *report;      /* several lines: the two packets, the ladder so far; or NULL */
	uint64_t time_us;  /* virtual time that the script took */
	uint32_t packets_in, packets_out, calls;
};

/* Runs the script in text (len bytes). file names it in messages and is where scripts that it calls
 * are looked up; it is not opened. The report is to be freed with l4_drill_result_free. Returns the
 * status, or L4_ENOMEM. */
L4_EXPORT int l4_drill_run(struct l4_drill_result *out, const char *file, const char *text,
    size_t len, const struct l4_drill_options *o);
L4_EXPORT void l4_drill_result_free(struct l4_drill_result *r);

#ifdef __cplusplus
}
#endif
#endif
