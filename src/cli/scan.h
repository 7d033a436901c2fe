/* What the parts of `l4 scan` share. Included by src/cli/scan*.c only.
 *
 * A scan is a set of hosts times a list of ports. A probe has a number, host * n_ports + port
 * index; the order in which probes are sent is a keyed permutation of these numbers. What is known
 * of each probe is one byte, its reason (enum scan_reason); the state follows from scan type and
 * reason. */
#ifndef L4_CLI_SCAN_H
#define L4_CLI_SCAN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <layer4/addr.h>
#include <layer4/time.h>

#include "cli/ports_names.h"

__extension__ typedef unsigned __int128 scan_u128;

/* --- what is scanned ---------------------------------------------------------------------- */

/* Addresses in their 128-bit form, first to last, both included. */
struct scan_range {
	scan_u128 first, last;
};

/* A set of addresses as sorted, disjoint ranges. */
struct scan_ranges {
	struct scan_range *r;
	size_t n, cap;
};

/* A name that the user gave, and the address it stands for. */
struct scan_name {
	struct l4_addr addr;
	char name[64];
};

struct scan_targets {
	struct scan_ranges set;
	uint64_t *before; /* hosts in all ranges before range i */
	uint64_t n_hosts;
	struct scan_name *names;
	size_t n_names, cap_names;
	struct scan_ranges exclude;
	struct scan_ranges named; /* single addresses named: never left out as reserved */
	uint64_t n_reserved;      /* left out as reserved */
	uint64_t n_public;        /* hosts of n_hosts that are public */
	int family;               /* AF_UNSPEC, or the one version wanted of names */
};

/* Adds a name, address, CIDR block or range (192.0.2.1-20, a-b, 192.0.2.1-192.0.2.9). On error
 * returns -1 and writes a message. scan_targets.c */
int scan_targets_add(struct scan_targets *t, const char *text, char *error, size_t cap);
int scan_targets_exclude(struct scan_targets *t, const char *text, char *error, size_t cap);
/* A file of targets, one or more a line, '#' begins a comment; "-" is standard input. */
int scan_targets_file(
    struct scan_targets *t, const char *path, bool exclude, char *error, size_t cap);
/* Sorts, merges, takes out exclusions and reserved addresses; then hosts can be counted. */
int scan_targets_finish(struct scan_targets *t, char *error, size_t cap);
struct l4_addr scan_targets_host(const struct scan_targets *t, uint64_t index);
/* The index of an address, or -1. */
int64_t scan_targets_find(const struct scan_targets *t, const struct l4_addr *a);
const char *scan_targets_name(const struct scan_targets *t, const struct l4_addr *a);
void scan_targets_fini(struct scan_targets *t);
bool scan_addr_is_public(const struct l4_addr *a);
scan_u128 scan_addr_to_u128(const struct l4_addr *a);
struct l4_addr scan_addr_from_u128(scan_u128 v);

/* --- order and secrets: scan_perm.c ------------------------------------------------------- */

struct scan_key {
	uint64_t k0, k1;
};
uint64_t scan_siphash(const struct scan_key *key, const void *data, size_t len);
/* A permutation of 0..n-1, both ways, without memory. */
struct scan_perm {
	uint64_t n;
	unsigned lo_bits, hi_bits;
	struct scan_key key;
};
void scan_perm_init(struct scan_perm *p, uint64_t n, const struct scan_key *key);
uint64_t scan_perm_at(const struct scan_perm *p, uint64_t i);
uint64_t scan_perm_index(const struct scan_perm *p, uint64_t v);

/* The ports most often in use, most used first; returns how many were written. scan_top.c */
size_t scan_top_ports(uint16_t *out, size_t n, uint8_t proto);

/* --- types, reasons, states ---------------------------------------------------------------- */

enum scan_type {
	SCAN_SYN,
	SCAN_CONNECT,
	SCAN_UDP,
	SCAN_ACK,
	SCAN_FIN,
	SCAN_NULL,
	SCAN_XMAS,
	SCAN_WINDOW,
};

/* Why a port is taken to be in its state. The texts are those that nmap's XML uses. */
#define SCAN_REASONS(X)                                                       \
	X(NONE, "unknown")                                                    \
	X(NO_RESPONSE, "no-response")                                         \
	X(SYN_ACK, "syn-ack")                                                 \
	X(RESET, "reset")                                                     \
	X(RESET_WINDOW, "reset") /* a reset with a window that is not zero */ \
	X(CONN_REFUSED, "conn-refused")                                       \
	X(UDP_RESPONSE, "udp-response")                                       \
	X(PORT_UNREACH, "port-unreach")                                       \
	X(HOST_UNREACH, "host-unreach")                                       \
	X(NET_UNREACH, "net-unreach")                                         \
	X(PROTO_UNREACH, "proto-unreach")                                     \
	X(ADMIN_PROHIBITED, "admin-prohibited")                               \
	X(TTL_EXCEEDED, "time-exceeded")                                      \
	X(NO_ROUTE, "no-route")                                               \
	X(ARP_RESPONSE, "arp-response")                                       \
	X(NDP_RESPONSE, "nd-response")                                        \
	X(ECHO_REPLY, "echo-reply")                                           \
	X(LOCALHOST, "localhost-response")                                    \
	X(USER_SET, "user-set")

enum scan_reason {
#define SCAN_REASON(name, text) SCAN_R_##name,
	SCAN_REASONS(SCAN_REASON)
#undef SCAN_REASON
	    SCAN_REASON_COUNT,
};

enum scan_state {
	SCAN_UNKNOWN,
	SCAN_OPEN,
	SCAN_CLOSED,
	SCAN_FILTERED,
	SCAN_UNFILTERED,
	SCAN_OPEN_FILTERED,
};

enum scan_state scan_state_of(enum scan_type type, uint8_t reason);
const char *scan_state_name(enum scan_state s);
const char *scan_reason_name(uint8_t reason);
const char *scan_type_name(enum scan_type type); /* "syn", "connect", ... */

/* --- service detection's result ------------------------------------------------------------ */

struct scan_service {
	uint64_t probe;   /* its number */
	char name[32];    /* "http" */
	char product[80]; /* "nginx" */
	char version[64]; /* "1.22.1" */
	char info[160];   /* a title, names of a certificate */
	char banner[160]; /* what it said first, as far as it fits; bytes as they came */
	uint16_t banner_len;
	uint8_t confidence; /* 0..10 */
	bool tls;
};

/* --- the scan ------------------------------------------------------------------------------- */

struct scan_counters {
	uint64_t sent, retries, answers, late, forged, rx_drops, send_errors, lost;
};

struct scan_job {
	struct scan_targets *targets;
	const uint16_t *ports; /* in the order given */
	uint32_t n_ports;
	int32_t *port_index; /* of 65536: index into ports, -1 */
	enum scan_type type;
	struct scan_perm perm;
	struct scan_key key;
	uint64_t n_probes; /* hosts * ports */
	uint32_t shard, n_shards;
	uint64_t start;      /* first place in the order that is not done (--resume) */
	uint64_t done;       /* places before this one are done */
	uint8_t *reasons;    /* of each probe; 0: nothing known */
	uint8_t *hosts;      /* of each host: why it is up (enum scan_reason); 0: not known to be */
	uint8_t *host_down;  /* bit i: host i was asked and is silent */
	struct l4_mac *macs; /* of each on-link host, or NULL */
	float *host_rtt_ms;  /* NULL when there are too many */
	double rate_max;     /* packets per second; 0: no limit */
	unsigned retries;    /* most attempts - 1 */
	l4_time timeout;     /* of one attempt; 0: by the measured round trip */
	const char *interface; /* NULL: by the routes */
	struct l4_addr source; /* -a: an address of our own; any: the interface's */
	bool has_source;
	bool no_discovery, progress, kernel_tcp;
	/* The one Ethernet interface that leads to all targets, so that our own TCP can be used on
	 * it; empty: there is none. */
	char own_interface[16];
	bool own_tcp; /* --services went over layer4's own TCP */
	struct scan_counters c;
	l4_time started, ended;
	l4_time probing; /* from the first probe to the last answer or timeout */
	double loss;     /* of the probes that were answered in the end, how many had got lost */
	double rate_reached;
	struct scan_service *services;
	size_t n_services, cap_services;
	char note[256]; /* what went on that the user should know */
};

extern volatile sig_atomic_t scan_stop; /* Ctrl-C was pressed */

l4_time scan_now(void);
/* Records an answer for a probe; the first answer stands, except that an open port outweighs an
 * ICMP error. Returns whether it was the first. */
bool scan_job_answer(struct scan_job *j, uint64_t probe, uint8_t reason);
/* A host answered after the given round trip; the first to say so is kept. Any thread may. */
void scan_job_heard(struct scan_job *j, uint64_t host, uint8_t reason, l4_time rtt);
static inline bool scan_job_host_is_down(const struct scan_job *j, uint64_t host)
{
	return j->host_down && (j->host_down[host >> 3] >> (host & 7) & 1);
}
void scan_progress(
    const struct scan_job *j, const char *what, uint64_t done, uint64_t all, bool end);

/* The engines: 0, or -1 with a message. */
int scan_raw_run(struct scan_job *j, char *error, size_t cap);     /* SYN, ACK, FIN ... */
int scan_connect_run(struct scan_job *j, char *error, size_t cap); /* kernel sockets */
int scan_udp_run(struct scan_job *j, char *error, size_t cap);     /* kernel sockets */
int scan_services_run(struct scan_job *j, const char *fingerprints, char *error, size_t cap);
bool scan_raw_allowed(void);

/* What is said to a UDP port so that its service answers. scan_payload.c */
size_t scan_udp_payload(uint16_t port, uint32_t cookie, uint8_t *out, size_t cap);

/* --- rate, round trips, loss: scan_rate.c --------------------------------------------------- */

#define SCAN_ATTEMPTS_MAX 12

struct scan_rate {
	double rate, max;        /* packets per second now, and never more */
	double tokens;           /* packets that may leave */
	l4_time last;            /* when tokens were last added */
	double srtt, rttvar;     /* ns; 0: no sample yet */
	uint64_t answered, lost; /* of all time: answers, and attempts before them */
	uint64_t epoch_answered, epoch_lost, epoch_drops, epoch_sent;
	bool slow_start; /* doubling until the first loss */
	double share;    /* of the probes that are answered, at best */
	l4_time epoch;
	double base_loss; /* what is lost at any rate */
	double cut_loss;  /* the loss that made us cut */
	double cut_rate;  /* the rate before; 0: the last step was no cut */
	l4_time timeout;  /* fixed by the user; 0: measured */
	unsigned attempts_max;
};
void scan_rate_init(
    struct scan_rate *r, double max, unsigned attempts_max, l4_time timeout, l4_time now);
/* How many packets may be sent now, at most `want`; they are taken as sent. */
unsigned scan_rate_take(struct scan_rate *r, l4_time now, unsigned want);
/* Of the packets taken, n were not needed. */
void scan_rate_on_unused(struct scan_rate *r, unsigned n);
void scan_rate_on_rtt(struct scan_rate *r, l4_time rtt);
/* An answer to the given attempt (1 is the first) arrived. */
void scan_rate_on_answer(struct scan_rate *r, unsigned attempt);
/* The same for n answers, in front of which `lost` attempts were not answered. */
void scan_rate_on_answers(struct scan_rate *r, uint64_t n, uint64_t lost);
void scan_rate_on_drops(struct scan_rate *r, uint64_t n); /* our own receiver lost packets */
void scan_rate_update(struct scan_rate *r, l4_time now);
l4_time scan_rate_timeout(const struct scan_rate *r, unsigned attempt);
/* After how many silent attempts a probe may be given up, for what is known of the loss. */
unsigned scan_rate_attempts(const struct scan_rate *r);

/* --- silence: scan_alive.c -------------------------------------------------------------------- */

/* Whether answers arrive at all. A probe's silence means something only once a probe that was sent
 * later has been answered: until then its answer may be stuck with all others, in a target or a
 * machine (ours too) that is busy for a moment. Where no other probe shows it, a port that answered
 * before is asked again, the canary. */
struct scan_alive {
	l4_time sent;   /* of the latest probe that was answered; 0: none was */
	uint64_t probe; /* one that was answered, the canary */
	l4_time wanted; /* an answer to something sent at this time or later is wanted; 0: none */
	l4_time asked;  /* when the canary was last asked */
	l4_time delay;  /* until it is asked again */
};
/* sent: 0 when it is not known. */
void scan_alive_on_answer(struct scan_alive *a, uint64_t probe, l4_time sent);
/* Whether a probe sent then, whose answer was due at `due`, may be called silent now. */
bool scan_alive_since(struct scan_alive *a, l4_time sent, l4_time now, l4_time due);
/* Whether the canary is to be asked now, and which probe it is. */
bool scan_alive_ask(struct scan_alive *a, l4_time now, uint64_t *probe);

/* --- output ----------------------------------------------------------------------------------- */

struct scan_output {
	FILE *json, *xml, *table;
	bool open_only, colour, numeric;
	const char *command;
	int64_t unix_start;
};
/* The ports scanned in ascending order; returns how many. */
size_t scan_ports_by_number(const struct scan_job *j, uint16_t out[65536]);
int scan_output_table(const struct scan_job *j, const struct scan_output *o);
int scan_output_json(const struct scan_job *j, const struct scan_output *o);
int scan_output_xml(const struct scan_job *j, const struct scan_output *o);
const struct scan_service *scan_service_of(const struct scan_job *j, uint64_t probe);

/* --- resume: scan_resume.c -------------------------------------------------------------------- */

int scan_resume_save(const struct scan_job *j, const char *path, const char *const *args,
    size_t n_args, char *error, size_t cap);
int scan_resume_load(struct scan_job *j, const char *path, char *error, size_t cap);

/* --- bytes ------------------------------------------------------------------------------------ */

static inline uint16_t scan_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t scan_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void scan_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void scan_put32(uint8_t *p, uint32_t v)
{
	scan_put16(p, v >> 16);
	scan_put16(p + 2, v);
}

#endif
