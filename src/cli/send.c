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
#include "cli/packets.h"
#include "cli/sendopt.h"
#include "cli/signals.h"

struct send {
	struct wires wires;
	struct packets packets;
	struct sendopt o;
	uint64_t total; /* packets to send; UINT64_MAX: until stopped */
	double rate;    /* packets a second; 0: as fast as can be */
	uint64_t sent, bytes, unresolved;
	bool loop, json, quiet;
};

static void usage(FILE *f)
{
	fputs("Usage: l4 send [OPTION...] EXPRESSION\n\n"
	      "Sends the packets of an expression ('l4 craft --help' shows how they are written).\n"
	      "Source and link addresses, source ports and identifiers that it leaves open are\n"
	      "derived from the route and drawn; what is given is kept, right or wrong.\n\n"
	      "  -c, --count N         so many packets; sets begin anew when they are through\n"
	      "      --loop            until Ctrl-C\n"
	      "  -r, --rate N          packets a second (1000; 0: as fast as the machine can)\n"
	      "      --flood           --loop --rate 0\n",
	    f);
	fputs(sendopt_help, f);
	fputs("\nExit: 0 sent, 1 too many packets for --max, or no answer to ARP or neighbour\n"
	      "discovery, 2 wrong use or a wrong expression, 3 the system failed: no route, no\n"
	      "permission, interface down.\n\n"
	      "Examples:\n"
	      "  l4 send 'ip(dst=192.0.2.2)/udp(dport=9)/\"hello\"'\n"
	      "  l4 send --count 100 --rate 10 'ip(dst=192.0.2.2)/icmp()'\n"
	      "  l4 send -i eth0 'eth(dst=ff:ff:ff:ff:ff:ff)/arp(pdst=192.0.2.0/28)'\n"
	      "  l4 send --flood 'ip(dst=192.0.2.2,src=random)/tcp(dport=80,flags=S)'\n",
	    f);
}

/* 0: go on; otherwise the exit code + 1. */
static int read_options(struct send *x, int argc, char **argv)
{
	static const struct option longs[] = { { "count", required_argument, NULL, 'c' },
		{ "loop", no_argument, NULL, 1000 }, { "rate", required_argument, NULL, 'r' },
		{ "flood", no_argument, NULL, 1001 }, SENDOPT_LONG, { NULL, 0, NULL, 0 } };
	int c;
	uint64_t count = 0;
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
			break;
		case 1000:
			x->loop = true;
			break;
		case 1001:
			x->loop = true;
			x->rate = 0;
			break;
		case 'h':
			usage(stdout);
			return L4_EXIT_DONE + 1;
		default:
			return L4_EXIT_USAGE + 1;
		}
	}
	x->total = count ? count : x->loop ? UINT64_MAX : 0;
	if (argc - optind != 1) {
		fprintf(stderr, "l4 send: one expression in quotes; see 'l4 send --help'\n");
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

static int send_all(struct send *x)
{
	struct packets *p = &x->packets;
	struct packet_out o;
	l4_time start = wires_now();
	uint64_t total = x->total ? x->total : p->count;
	for (uint64_t i = 0; i < total && pace(x, start, i); i++) {
		enum packets_status s = packets_build(p, i, &o);
		if (s == PACKETS_FAILED)
			return L4_EXIT_SYSTEM;
		if (s == PACKETS_NO_MAC) {
			if (!x->unresolved++)
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
		x->sent++;
		x->bytes += o.n;
	}
	double took = (double)(wires_now() - start) / 1e9;
	if (x->o.json)
		printf("{\"type\":\"summary\",\"sent\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"seconds\":%.6f,\"errors\":%" PRIu64 ",\"unresolved\":%" PRIu64 "}\n",
		    x->sent, x->bytes, took, x->wires.send_errors, x->unresolved);
	else if (!x->o.quiet)
		printf("sent %" PRIu64 " packet%s, %" PRIu64 " bytes, in %.3f s (%.0f/s)\n",
		    x->sent, x->sent == 1 ? "" : "s", x->bytes, took,
		    took > 0 ? (double)x->sent / took : 0);
	if (x->wires.send_errors)
		return L4_EXIT_SYSTEM;
	return x->unresolved ? L4_EXIT_NO : L4_EXIT_DONE;
}

int cmd_send(int argc, char **argv)
{
	struct send *x = calloc(1, sizeof *x);
	if (!x)
		return L4_EXIT_SYSTEM;
	x->rate = 1000;
	sendopt_init(&x->o);
	int r = read_options(x, argc, argv);
	if (r) {
		free(x);
		return r - 1;
	}
	signals_init();
	sendopt_wires(&x->o, &x->wires, "send");
	r = packets_open(&x->packets, &x->wires, argv[optind], x->o.max, x->o.seed);
	x->packets.draw = sendopt_draw(&x->o);
	if (r == L4_EXIT_DONE)
		r = wires_open(&x->wires);
	if (r == L4_EXIT_DONE)
		r = packets_resolve(&x->packets) ? send_all(x) : L4_EXIT_SYSTEM;
	packets_close(&x->packets);
	wires_close(&x->wires);
	free(x);
	return r;
}
