/* A host on a real device with the options that get, serve, dig and nc share.
 * Included by src/cli only. */
#ifndef L4_CLI_STACK_H
#define L4_CLI_STACK_H

#include <layer4/host.h>
#include <layer4/loop.h>
#include <layer4/sim.h>

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#define STACK_ADDRESSES 16
#define STACK_DNS       4

struct stack_opts {
	const char *device;       /* NULL: none given */
	struct l4_device *opened; /* opened already by the command, which gives it; else NULL */
	struct l4_prefix address[STACK_ADDRESSES];
	unsigned address_n;
	struct l4_addr gateway[STACK_DNS];
	unsigned gateway_n;
	struct l4_addr dns[STACK_DNS];
	unsigned dns_n;
	struct l4_mac mac;
	bool has_mac;
	uint32_t mtu;
	bool shared, trace, info, json;
	bool no_offload; /* of the command's own option: plain frames of at most the MTU */
	const char *pcap;
	struct l4_impair impair;
	bool has_impair;
	uint64_t seed;
	bool has_seed;
};

/* Short options, and rows for getopt_long; commands add their own. Values from 900 to 999 are
 * these; a command's own long options begin at 1000. */
#define STACK_SHORT "d:a:g:"
#define STACK_LONG                                                                                \
	{ "device", required_argument, NULL, 'd' }, { "address", required_argument, NULL, 'a' },  \
	    { "gateway", required_argument, NULL, 'g' }, { "mac", required_argument, NULL, 900 }, \
	    { "mtu", required_argument, NULL, 901 }, { "dns", required_argument, NULL, 902 },     \
	    { "shared", no_argument, NULL, 903 }, { "pcap", required_argument, NULL, 904 },       \
	    { "impair", required_argument, NULL, 905 }, { "seed", required_argument, NULL, 906 }, \
	    { "trace", no_argument, NULL, 907 }, { "info", no_argument, NULL, 908 },              \
	    { "json", no_argument, NULL, 909 },                                                   \
	{                                                                                         \
		"help", no_argument, NULL, 910                                                    \
	}

/* The lines of --help for them. */
extern const char stack_help[];

/* Takes an option. 1: it was one of these, 0: it was not, -1: wrong, the message is printed. */
int stack_opt(struct stack_opts *o, const char *cmd, int c, const char *arg);
/* A number of seconds with an optional unit "ms", "s", "m"; plain numbers are seconds. */
int stack_parse_time(l4_time *out, const char *text);
/* A whole number in lo..hi. */
int stack_parse_number(uint64_t *out, const char *text, uint64_t lo, uint64_t hi);

struct ladder;

struct stack {
	const char *cmd;
	const struct stack_opts *o;
	struct l4_loop *loop;
	struct l4_host *host;
	unsigned ifindex;
	enum l4_medium medium;
	struct l4_guard *guard; /* --shared */
	struct ladder *ladder;  /* --trace */
	struct l4_addr dns[STACK_DNS];
	unsigned dns_n;
	uint64_t rng; /* of stack_random */
	bool failed;  /* the device is gone; the message is printed */
};

/* What the device options of the command line come to, for l4_device_open. */
struct l4_device_options stack_device_options(const struct stack_opts *o);
/* Opens device, host and loop, and waits until an address can be used (DHCP, SLAAC, duplicate
 * address detection; at most 10 s). Returns L4_EXIT_DONE, or the exit code with the message
 * printed. The options are borrowed until stack_close; o->opened is closed in either case. */
int stack_open(struct stack *s, const struct stack_opts *o, const char *cmd);
/* Moves frames and time once, at most until `until`. false: stop (device gone, or a signal). */
bool stack_step(struct stack *s, l4_time until);
l4_time stack_now(const struct stack *s);
/* 64 bits for ports and ids: from the seed with --seed, else from the system. */
uint64_t stack_random(struct stack *s);
/* With --shared, makes a port ours before it is used: reserves it in the kernel and keeps the
 * kernel silent on it; *port 0 chooses one. Without --shared nothing is done. false: message
 * printed. */
bool stack_claim(struct stack *s, uint8_t protocol, uint16_t *port);
/* Lets what is closing finish: runs at most `grace`, ended by `done`. */
void stack_drain(struct stack *s, l4_time grace, bool (*done)(void *ctx), void *ctx);
void stack_close(struct stack *s);

#endif
