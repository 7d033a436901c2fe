/* Options and messages that send, ask and script share. Included by src/cli only. */
#ifndef L4_CLI_SENDOPT_H
#define L4_CLI_SENDOPT_H

#include "cli/packets.h"

struct sendopt {
	const char *interface, *pcap;
	struct l4_addr source[WIRES_SOURCES];
	unsigned n_sources;
	struct l4_mac mac;
	bool has_mac, shared, json, quiet, has_seed;
	uint64_t seed, max;
};

#define SENDOPT_SHORT "i:a:qh"
#define SENDOPT_LONG                                                                              \
	{ "interface", required_argument, NULL, 'i' },                                            \
	    { "address", required_argument, NULL, 'a' }, { "mac", required_argument, NULL, 900 }, \
	    { "shared", no_argument, NULL, 901 }, { "pcap", required_argument, NULL, 902 },       \
	    { "seed", required_argument, NULL, 903 }, { "max", required_argument, NULL, 904 },    \
	    { "json", no_argument, NULL, 905 }, { "quiet", no_argument, NULL, 'q' },              \
	{                                                                                         \
		"help", no_argument, NULL, 'h'                                                    \
	}

extern const char sendopt_help[];

void sendopt_init(struct sendopt *o);
/* 1: it was one of these, 0: it was not, -1: wrong, message printed. */
int sendopt_take(struct sendopt *o, const char *cmd, int c, const char *arg);
/* false: message printed. */
bool sendopt_number(uint64_t *out, const char *cmd, const char *arg, uint64_t lo, uint64_t hi);
bool sendopt_rate(double *out, const char *cmd, const char *arg);
bool sendopt_time(l4_time *out, const char *cmd, const char *arg);
void sendopt_wires(const struct sendopt *o, struct wires *s, const char *cmd);
/* What is drawn for open fields: from the seed if there is one. */
uint64_t sendopt_draw(const struct sendopt *o);
void sendopt_no_mac(const char *cmd, const struct packet_out *o);
/* What helps against an error of sending, or "". */
const char *sendopt_errno_hint(int error, const struct wire *w, size_t n);

#endif
