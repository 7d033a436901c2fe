/* l4 send: packets of an expression, onto the network.
 *
 * What the expression leaves open is filled in (packets.c); then packets leave as the rate allows.
 */
#include <layer4/err.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/flood.h"
#include "cli/packets.h"
#include "cli/replay.h"
#include "cli/sendopt.h"
#include "cli/signals.h"

struct send {
	struct wires wires;
	struct packets packets;
	struct sendopt o;
	uint64_t total; /* packets to send; UINT64_MAX: until stopped */
	double rate;    /* packets a second; 0: as fast as can be */
	struct replay replay;
	struct flood_result got;
	unsigned threads;
	bool loop, rate_given;
};

enum {
	SLOW_RATE = 5000, /* packets a second: up to here one by one, and what comes is answered */
	MANY = 100000,    /* packets: from here on by two threads */
};

static void usage(FILE *f)
{
	fputs("Usage: l4 send [OPTION...] EXPRESSION\n"
	      "       l4 send [OPTION...] --replay FILE\n\n"
	      "Sends the packets of an expression ('l4 craft --help' shows how they are written).\n"
	      "Source and link addresses, source ports and identifiers that it leaves open are\n"
	      "derived from the route and drawn; what is given is kept, right or wrong.\n\n"
	      "  -c, --count N         so many packets; sets begin anew when they are through\n"
	      "      --loop            until Ctrl-C\n"
	      "  -r, --rate N          packets a second (1000; 0: as fast as the machine can)\n"
	      "      --flood           --loop --rate 0\n"
	      "      --threads N       that send with --rate 0 (2 when there is much to send)\n"
	      "      --replay FILE     the packets of a capture, with its timing ('-': standard "
	      "input);\n"
	      "                        --count is of rounds\n"
	      "      --speed X         so many times as fast (1; 0: without pauses)\n",
	    f);
	fputs(sendopt_help, f);
	fputs("\nExit: 0 sent, 1 too many packets for --max, or no answer to ARP or neighbour\n"
	      "discovery, 2 wrong use or a wrong expression, 3 the system failed: no route, no\n"
	      "permission, interface down.\n\n"
	      "Examples:\n"
	      "  l4 send 'ip(dst=192.0.2.2)/udp(dport=9)/\"hello\"'\n"
	      "  l4 send --count 100 --rate 10 'ip(dst=192.0.2.2)/icmp()'\n"
	      "  l4 send -i eth0 'eth(dst=ff:ff:ff:ff:ff:ff)/arp(pdst=192.0.2.0/28)'\n"
	      "  l4 send --flood 'ip(dst=192.0.2.2,src=random)/tcp(dport=80,flags=S)'\n"
	      "  l4 send -i eth0 --replay day.pcapng --speed 10\n",
	    f);
}

/* 0: go on; otherwise the exit code + 1. */
static int read_options(struct send *x, int argc, char **argv)
{
	static const struct option longs[] = { { "count", required_argument, NULL, 'c' },
		{ "loop", no_argument, NULL, 1000 }, { "rate", required_argument, NULL, 'r' },
		{ "flood", no_argument, NULL, 1001 }, { "threads", required_argument, NULL, 1002 },
		{ "replay", required_argument, NULL, 1003 },
		{ "speed", required_argument, NULL, 1004 }, SENDOPT_LONG, { NULL, 0, NULL, 0 } };
	int c;
	uint64_t count = 0, n;
	while ((c = getopt_long(argc, argv, "c:r:" SENDOPT_SHORT, longs, NULL)) != -1) {
		int k = sendopt_take(&x->o, "send", c, optarg);
		if (k < 0)
			return L4_EXIT_USAGE + 1;
		if (k)
			continue;
		switch (c) {
		case 'c':
			if (!sendopt_number(&count, "send", optarg, 1, UINT64_MAX - 1))
				return L4_EXIT_USAGE + 1;
			break;
		case 'r':
			if (!sendopt_rate(&x->rate, "send", optarg))
				return L4_EXIT_USAGE + 1;
			x->rate_given = true;
			break;
		case 1000:
			x->loop = true;
			break;
		case 1001:
			x->loop = x->rate_given = true;
			x->rate = 0;
			break;
		case 1002:
			if (!sendopt_number(&n, "send", optarg, 1, 16))
				return L4_EXIT_USAGE + 1;
			x->threads = (unsigned)n;
			break;
		case 1003:
			x->replay.path = optarg;
			break;
		case 1004:
			if (!sendopt_rate(&x->replay.speed, "send", optarg))
				return L4_EXIT_USAGE + 1;
			break;
		case 'h':
			usage(stdout);
			return L4_EXIT_DONE + 1;
		default:
			return L4_EXIT_USAGE + 1;
		}
	}
	x->total = count ? count : x->loop ? UINT64_MAX : 0;
	if (argc - optind != (x->replay.path ? 0 : 1)) {
		fprintf(stderr,
		    "l4 send: one expression in quotes, or --replay FILE; see 'l4 send --help'\n");
		return L4_EXIT_USAGE + 1;
	}
	return 0;
}

/* Waits until packet number n may leave. false: a signal asks to stop. */
static bool pace(struct send *x, l4_time start, uint64_t n)
{
	if (x->rate > 0) {
		l4_time due = start + (l4_time)((double)n / x->rate * 1e9);
		while (wires_now() < due)
			if (!wires_poll(&x->wires, due))
				return false;
	}
	return !signals_stop();
}

/* One packet after the other, through the devices that also receive. */
static int send_single(struct send *x)
{
	struct packets *p = &x->packets;
	struct packet_out o;
	l4_time start = wires_now();
	for (uint64_t i = 0; i < x->total && pace(x, start, i); i++) {
		enum packets_status s = packets_build(p, i, &o);
		if (s == PACKETS_FAILED)
			return L4_EXIT_SYSTEM;
		if (s == PACKETS_NO_MAC) {
			if (!x->got.unresolved++)
				sendopt_no_mac("send", &o);
			continue;
		}
		if (wires_send(&x->wires, o.w, o.p, o.n) < 0) {
			if (x->wires.send_errors == 1)
				fprintf(stderr, "l4 send: %s: %s%s\n", o.w->name,
				    strerror(x->wires.saved_errno),
				    sendopt_errno_hint(x->wires.saved_errno, o.w, o.n));
			continue;
		}
		x->got.sent++;
		x->got.bytes += o.n;
	}
	x->got.seconds = (double)(wires_now() - start) / 1e9;
	return L4_EXIT_DONE;
}

static int send_fast(struct send *x)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = x->threads;
	if (!n)
		n = x->rate <= 0 && x->total >= MANY && cpus > 1 ? 2 : 1;
	if (!flood(&x->packets, x->total, x->rate, n, &x->got))
		return L4_EXIT_SYSTEM;
	if (x->got.error) {
		fprintf(stderr, "l4 send: %s: %s%s\n", x->got.w->name, strerror(x->got.error),
		    sendopt_errno_hint(x->got.error, x->got.w, x->got.large));
		return L4_EXIT_SYSTEM;
	}
	return L4_EXIT_DONE;
}

/* Whether packets can leave past the device: it is Ethernet, and nobody wants to see them. */
static bool can_hurry(struct send *x)
{
	struct packet_out o;
	return !x->o.pcap && (x->rate <= 0 || x->rate > SLOW_RATE) && x->total > 1 &&
	       packets_build(&x->packets, 0, &o) == PACKETS_OK && o.w->ethernet;
}

static int send_expression(struct send *x)
{
	if (!x->total)
		x->total = x->packets.count;
	if (!packets_resolve(&x->packets))
		return L4_EXIT_SYSTEM;
	return can_hurry(x) ? send_fast(x) : send_single(x);
}

static int send_replay(struct send *x)
{
	x->replay.rounds = x->total ? x->total : 1;
	x->replay.rate = x->rate_given ? x->rate : -1;
	int r = replay_run(&x->replay, &x->wires, &x->got);
	if (x->replay.skipped)
		fprintf(stderr,
		    "l4 send: %s: %" PRIu64
		    " packets left out: cut by the capture, or of another kind of link\n",
		    x->replay.path, x->replay.skipped);
	return r;
}

static void summary(const struct send *x)
{
	const struct flood_result *g = &x->got;
	double rate = g->seconds > 0 ? (double)g->sent / g->seconds : 0;
	if (x->o.json)
		printf("{\"type\":\"summary\",\"sent\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"seconds\":%.6f,\"errors\":%" PRIu64 ",\"unresolved\":%" PRIu64 "}\n",
		    g->sent, g->bytes, g->seconds, x->wires.send_errors, g->unresolved);
	else if (!x->o.quiet)
		printf("sent %" PRIu64 " packet%s, %" PRIu64 " bytes, in %.3f s (%.0f/s)\n",
		    g->sent, g->sent == 1 ? "" : "s", g->bytes, g->seconds, rate);
}

static int run(struct send *x, const char *text)
{
	int r = L4_EXIT_DONE;
	if (text) {
		r = packets_open(&x->packets, &x->wires, text, x->o.max, x->o.seed);
		x->packets.draw = sendopt_draw(&x->o);
	}
	if (r == L4_EXIT_DONE)
		r = wires_open(&x->wires);
	if (r != L4_EXIT_DONE)
		return r;
	r = text ? send_expression(x) : send_replay(x);
	if (r == L4_EXIT_USAGE)
		return r;
	summary(x);
	if (x->wires.send_errors)
		return L4_EXIT_SYSTEM;
	return r == L4_EXIT_DONE && x->got.unresolved ? L4_EXIT_NO : r;
}

int cmd_send(int argc, char **argv)
{
	struct send *x = calloc(1, sizeof *x);
	if (!x)
		return L4_EXIT_SYSTEM;
	x->rate = 1000;
	x->replay.speed = 1;
	sendopt_init(&x->o);
	int r = read_options(x, argc, argv);
	if (r) {
		free(x);
		return r - 1;
	}
	signals_init();
	sendopt_wires(&x->o, &x->wires, "send");
	r = run(x, x->replay.path ? NULL : argv[optind]);
	packets_close(&x->packets);
	wires_close(&x->wires);
	free(x);
	return r;
}
