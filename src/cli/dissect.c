/* l4 dissect: shows the packets of capture files.
 *
 * One pass: read a packet, dissect what the view needs, let the filter decide, show it. State
 * (connections, fragments) is kept for packets that the filter hides as well, since what a packet
 * means depends on those before it. */
#include <layer4/capfile.h>
#include <layer4/dissect.h>
#include <layer4/err.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/capin.h"
#include "cli/cli.h"
#include "cli/dissect.h"

static const char help[] =
    "Usage: l4 dissect [OPTION...] FILE...\n"
    "\n"
    "Shows the packets of capture files (pcap, pcapng; plain, gzip, zstd; '-' is standard\n"
    "input), a line each.\n"
    "\n"
    "  -d, --detail          every field, nested\n"
    "  -l, --layers          one row per layer\n"
    "      --bits            with --layers: the bytes of each header as bits\n"
    "  -x, --hex             the bytes of each packet as well\n"
    "  -j, --json            one JSON object a packet\n"
    "  -e, --fields LIST     only these fields, tab-separated (names as in Wireshark's filters)\n"
    "  -c, --count N         only the first N packets (of those selected)\n"
    "      --checksums       verify the checksums of IP, TCP and UDP\n"
    "      --help            this text\n"
    "\n"
    "Exit status: 0 done, 2 wrong use, 3 a file cannot be read or is damaged.\n"
    "\n"
    "Examples:\n"
    "  l4 dissect trace.pcapng\n"
    "  l4 dissect --fields frame.number,ip.src,tcp.dstport trace.pcap\n"
    "  zcat trace.pcap.gz | l4 dissect --detail -\n";

struct dissect {
	struct views views;
	struct l4_dissect_config cfg;
	struct l4_dissect *d;
	uint64_t count_max, shown;
	int status;
};

static struct out output;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

enum { OPT_HELP = 256, OPT_BITS, OPT_CHECKSUMS };

static const struct option options[] = {
	{ "detail", no_argument, NULL, 'd' },
	{ "layers", no_argument, NULL, 'l' },
	{ "bits", no_argument, NULL, OPT_BITS },
	{ "hex", no_argument, NULL, 'x' },
	{ "json", no_argument, NULL, 'j' },
	{ "fields", required_argument, NULL, 'e' },
	{ "count", required_argument, NULL, 'c' },
	{ "checksums", no_argument, NULL, OPT_CHECKSUMS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* The damage of a file, on stderr, after what could be read. */
static void report_damage(const char *path, const struct l4_capfile *f, int r)
{
	uint64_t offset;
	const char *why = l4_capfile_damage(f, &offset);
	out_flush(&output);
	if (r == L4_EUNSUPPORTED)
		fprintf(stderr, "l4 dissect: %s: %s\n", path, why);
	else
		fprintf(stderr, "l4 dissect: %s: damaged at offset %llu: %s (%s)\n", path,
		    (unsigned long long)offset, why, l4_err_text(r));
}

static void one_file(struct dissect *x, const char *path)
{
	struct capin *in = capin_open(path);
	if (!in) {
		fprintf(stderr, "l4 dissect: %s: %s\n", path, strerror(errno));
		x->status = L4_EXIT_SYSTEM;
		return;
	}
	struct l4_capfile *f = l4_capfile_new(capin_read, in);
	if (!f) {
		fprintf(stderr, "l4 dissect: no memory\n");
		capin_close(in);
		x->status = L4_EXIT_SYSTEM;
		return;
	}
	struct l4_cap_packet c;
	int r = 1;
	while (!stop && !output.failed && (r = l4_capfile_next(f, &c)) == 1) {
		if (!x->views.have_first) {
			x->views.first = c.ts;
			x->views.have_first = true;
		}
		const struct l4_dissected *p = l4_dissect_packet(x->d, &c);
		views_packet(&x->views, p);
		if (++x->shown == x->count_max)
			break;
	}
	if (r < 0) {
		report_damage(path, f, r);
		x->status = L4_EXIT_SYSTEM;
	}
	l4_capfile_free(f);
	capin_close(in);
}

static int set_view(struct dissect *x, enum view_kind k)
{
	if (x->views.kind != VIEW_SUMMARY && x->views.kind != k) {
		fprintf(
		    stderr, "l4 dissect: only one of --detail, --layers, --json and --fields\n");
		return -1;
	}
	x->views.kind = k;
	return 0;
}

static int read_options(struct dissect *x, int argc, char **argv, const char **fields)
{
	int c;
	optind = 1;
	while ((c = getopt_long(argc, argv, "dlxje:c:", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			if (set_view(x, VIEW_DETAIL))
				return L4_EXIT_USAGE;
			break;
		case 'l':
			if (set_view(x, VIEW_LAYERS))
				return L4_EXIT_USAGE;
			break;
		case 'j':
			if (set_view(x, VIEW_JSON))
				return L4_EXIT_USAGE;
			break;
		case 'e':
			if (set_view(x, VIEW_FIELDS))
				return L4_EXIT_USAGE;
			*fields = optarg;
			break;
		case 'x':
			x->views.hex = true;
			break;
		case OPT_BITS:
			x->views.bits = true;
			break;
		case OPT_CHECKSUMS:
			x->cfg.check_checksums = true;
			break;
		case 'c': {
			char *end;
			errno = 0;
			x->count_max = strtoull(optarg, &end, 10);
			if (errno || *end || !x->count_max || optarg[0] == '-') {
				fprintf(stderr, "l4 dissect: -c needs a number above 0, not '%s'\n",
				    optarg);
				return L4_EXIT_USAGE;
			}
			break;
		}
		case OPT_HELP:
			fputs(help, stdout);
			return -1;
		default:
			fprintf(stderr, "Try 'l4 dissect --help'.\n");
			return L4_EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "l4 dissect: no file given; '-' is standard input\n");
		return L4_EXIT_USAGE;
	}
	return 0;
}

int cmd_dissect(int argc, char **argv)
{
	struct dissect x = { .status = L4_EXIT_DONE };
	const char *fields = NULL;
	int r = read_options(&x, argc, argv, &fields);
	if (r)
		return r < 0 ? L4_EXIT_DONE : r;
	x.d = l4_dissect_new(&x.cfg);
	if (!x.d) {
		fprintf(stderr, "l4 dissect: no memory\n");
		return L4_EXIT_SYSTEM;
	}
	output.fd = STDOUT_FILENO;
	x.views.out = &output;
	if (fields && views_add_columns(&x.views, x.d, fields)) {
		l4_dissect_free(x.d);
		return L4_EXIT_USAGE;
	}
	views_prepare(&x.views, x.d);
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (int i = optind; i < argc && !stop && !(x.count_max && x.shown == x.count_max); i++)
		one_file(&x, argv[i]);
	out_flush(&output);
	l4_dissect_free(x.d);
	return x.status;
}
