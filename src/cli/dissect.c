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
#include <sys/random.h>
#include <unistd.h>

#include "cli/bpf.h"
#include "cli/capin.h"
#include "cli/cli.h"
#include "cli/dissect.h"
#include "cli/dissect_html.h"
#include "cli/dissect_report.h"
#include "cli/filter.h"

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
    "  -Y, --filter FILTER   only packets that match a display filter in Wireshark's syntax\n"
    "  -f, --bpf FILTER      only packets that match a capture filter (BPF)\n"
    "  -c, --count N         only the first N packets (of those selected)\n"
    "  -w, --write FILE      the selected packets as pcapng\n"
    "      --conversations[=tcp|udp|ip]  a line per conversation\n"
    "      --follow [udp:]N  the bytes of TCP stream N (tcp.stream), put together\n"
    "      --raw             with --follow: only the bytes\n"
    "      --expert          the events of the analysis, counted\n"
    "      --stats           rates, protocols, sizes, round trips\n"
    "      --checksums       verify the checksums of IP, TCP and UDP; those left to the sender's\n"
    "                        network card (offload) are told from wrong ones\n"
    "  -N, --names           ports by the names of /etc/services\n"
    "      --html FILE       one page: ladder, time-sequence graph, header bits, stream\n"
    "      --help            this text\n"
    "\n"
    "Exit status: 0 done, 2 wrong use, 3 a file cannot be read or is damaged.\n"
    "\n"
    "Examples:\n"
    "  l4 dissect trace.pcapng\n"
    "  l4 dissect --fields frame.number,ip.src,tcp.dstport trace.pcap\n"
    "  l4 dissect -Y 'tcp.analysis.retransmission && ip.dst == 192.0.2.0/24' trace.pcap\n"
    "  l4 dissect --follow 3 trace.pcap\n"
    "  zcat trace.pcap.gz | l4 dissect --detail -\n";

enum { SOURCES_MAX = 256 };

/* An interface of a file that is read. */
struct source {
	uint32_t file, section, id, linktype;
};

struct dissect {
	struct views views;
	struct l4_dissect_config cfg;
	struct l4_dissect *d;
	uint64_t count_max, shown;
	int status;
	const char *filter_text, *bpf_text, *write_path, *html_path, *html_name;
	struct filter *filter;
	struct bpf *bpf;
	FILE *write_file;
	struct l4_capwr writer;
	struct source sources[SOURCES_MAX]; /* of the written file's interfaces */
	uint32_t files;                     /* read so far */
	bool follow_udp;
	bool conversations, want_expert, want_stats, json, raw, quiet;
	int conv_proto;
	struct expert *expert;
	struct stats *stats;
	struct follow *follow;
	struct html *html;
};

static struct out output;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

enum {
	OPT_HELP = 256,
	OPT_BITS,
	OPT_CHECKSUMS,
	OPT_CONVERSATIONS,
	OPT_FOLLOW,
	OPT_RAW,
	OPT_EXPERT,
	OPT_STATS,
	OPT_HTML
};

static const struct option options[] = {
	{ "detail", no_argument, NULL, 'd' },
	{ "layers", no_argument, NULL, 'l' },
	{ "bits", no_argument, NULL, OPT_BITS },
	{ "hex", no_argument, NULL, 'x' },
	{ "json", no_argument, NULL, 'j' },
	{ "fields", required_argument, NULL, 'e' },
	{ "count", required_argument, NULL, 'c' },
	{ "filter", required_argument, NULL, 'Y' },
	{ "bpf", required_argument, NULL, 'f' },
	{ "write", required_argument, NULL, 'w' },
	{ "conversations", optional_argument, NULL, OPT_CONVERSATIONS },
	{ "follow", required_argument, NULL, OPT_FOLLOW },
	{ "raw", no_argument, NULL, OPT_RAW },
	{ "expert", no_argument, NULL, OPT_EXPERT },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "html", required_argument, NULL, OPT_HTML },
	{ "checksums", no_argument, NULL, OPT_CHECKSUMS },
	{ "names", no_argument, NULL, 'N' },
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

static int write_bytes(void *ctx, const void *data, size_t n)
{
	return fwrite(data, 1, n, ctx) == n ? 0 : L4_ESYS;
}

/* Adds a selected packet to the written file, where the interfaces of the read ones get new numbers
 * and keep their names. */
static int write_packet(struct dissect *x, const struct l4_cap_packet *c)
{
	uint32_t id = 0;
	const struct source k = { x->files, c->section, c->interface_id, c->linktype };
	while (id < x->writer.interfaces && memcmp(&x->sources[id], &k, sizeof k))
		id++;
	if (id == x->writer.interfaces) {
		if (id == SOURCES_MAX)
			return L4_ELIMIT;
		const struct l4_cap_interface *f = c->interface;
		int r = l4_capwr_interface(&x->writer, c->linktype, f ? f->snaplen : 0,
		    f && f->name[0] ? f->name : NULL,
		    f && f->description[0] ? f->description : NULL);
		if (r < 0)
			return r;
		x->sources[id] = k;
	}
	char comment[1024];
	uint32_t n = c->comment_len < sizeof comment - 1 ? c->comment_len : sizeof comment - 1;
	if (c->comment)
		memcpy(comment, c->comment, n);
	comment[c->comment ? n : 0] = 0;
	struct l4_capwr_packet w = { .interface_id = id,
		.ts = c->ts,
		.data = c->data,
		.caplen = c->caplen,
		.len = c->len,
		.comment = c->comment ? comment : NULL,
		.direction =
		    c->has_flags && (c->flags & 3) != 3 ? c->flags & 3 : L4_CAPWR_UNKNOWN };
	return l4_capwr_packet(&x->writer, &w);
}

/* Everything that is done with a selected packet. False: go on. */
static bool one_packet(
    struct dissect *x, const struct l4_dissected *p, const struct l4_cap_packet *c)
{
	if (x->expert)
		expert_packet(x->expert, p);
	if (x->stats)
		stats_packet(x->stats, p);
	if (x->follow)
		follow_packet(x->follow, &output, p);
	if (x->html)
		html_packet(x->html, p);
	if (x->write_file && write_packet(x, c)) {
		out_flush(&output);
		fprintf(stderr, "l4 dissect: %s: cannot be written: %s\n", x->write_path,
		    strerror(errno));
		x->status = L4_EXIT_SYSTEM;
		return true;
	}
	if (!x->quiet)
		views_packet(&x->views, p);
	return false;
}

/* Who reads a pipe sees what came so far, and Ctrl-C ends the wait. */
static bool on_wait(void *ctx)
{
	(void)ctx;
	out_flush(&output);
	return !stop && !output.failed;
}

static void one_file(struct dissect *x, const char *path)
{
	struct capin *in = capin_open(path);
	if (!in) {
		fprintf(stderr, "l4 dissect: %s: %s\n", path, strerror(errno));
		x->status = L4_EXIT_SYSTEM;
		return;
	}
	capin_on_wait(in, on_wait, NULL);
	struct l4_capfile *f = l4_capfile_new(capin_read, in);
	if (!f) {
		fprintf(stderr, "l4 dissect: no memory\n");
		capin_close(in);
		x->status = L4_EXIT_SYSTEM;
		return;
	}
	struct l4_cap_packet c;
	int r = 1;
	x->files++;
	while (!stop && !output.failed && (r = l4_capfile_next(f, &c)) == 1) {
		if (!x->views.have_first) {
			x->views.first = c.ts;
			x->views.have_first = true;
		}
		int pass = x->bpf ? bpf_match(x->bpf, &c) : 1;
		if (pass < 0) {
			out_flush(&output);
			fprintf(stderr, "l4 dissect: -f: %s\n", bpf_error(x->bpf));
			x->status = L4_EXIT_USAGE;
			break;
		}
		if (!pass)
			continue;
		const struct l4_dissected *p = l4_dissect_packet(x->d, &c);
		if (x->filter && !filter_match(x->filter, p))
			continue;
		if (one_packet(x, p, &c))
			break;
		if (++x->shown == x->count_max)
			break;
	}
	if (r == 0 && *l4_capfile_damage(f, NULL))
		r = L4_EMALFORMED;
	if (r < 0 && !stop) {
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
	while ((c = getopt_long(argc, argv, "dlxje:c:Y:f:w:N", options, NULL)) != -1) {
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
			x->json = true;
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
		case 'N':
			x->views.names = true;
			x->cfg.port_name = views_port_name;
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
		case 'Y':
			x->filter_text = optarg;
			break;
		case 'f':
			x->bpf_text = optarg;
			break;
		case 'w':
			x->write_path = optarg;
			break;
		case OPT_CONVERSATIONS:
			x->conversations = true;
			x->conv_proto = !optarg                  ? -1
					: !strcmp(optarg, "tcp") ? 6
					: !strcmp(optarg, "udp") ? 17
					: !strcmp(optarg, "ip")  ? 0
								 : -2;
			if (x->conv_proto == -2) {
				fprintf(stderr,
				    "l4 dissect: conversations of tcp, udp or ip, not '%s'\n",
				    optarg);
				return L4_EXIT_USAGE;
			}
			break;
		case OPT_FOLLOW: {
			bool udp = !strncmp(optarg, "udp:", 4);
			const char *t = optarg + (udp || !strncmp(optarg, "tcp:", 4) ? 4 : 0);
			char *end;
			unsigned long id = strtoul(t, &end, 10);
			if (*end || !*t || id > UINT32_MAX) {
				fprintf(stderr,
				    "l4 dissect: --follow needs a stream's number, not '%s'\n",
				    optarg);
				return L4_EXIT_USAGE;
			}
			free(x->follow);
			x->follow_udp = udp;
			x->follow = follow_new(udp ? 17 : 6, (uint32_t)id, false, 16u << 20);
			break;
		}
		case OPT_RAW:
			x->raw = true;
			break;
		case OPT_EXPERT:
			x->want_expert = true;
			break;
		case OPT_STATS:
			x->want_stats = true;
			break;
		case OPT_HTML:
			x->html_path = optarg;
			break;
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

/* Sets up what the options asked for. Nonzero: x->status says why not. */
static int prepare(struct dissect *x)
{
	char err[256];
	/* A report over the whole capture takes the place of the packets. */
	x->quiet = x->conversations || x->want_expert || x->want_stats || x->follow ||
		   x->html_path || (x->write_path && x->views.kind == VIEW_SUMMARY);
	if (!x->quiet)
		views_prepare(&x->views, x->d);
	if (x->filter_text && !(x->filter = filter_new(x->d, x->filter_text, err, sizeof err))) {
		fprintf(stderr, "l4 dissect: -Y '%s': %s\n", x->filter_text, err);
		return x->status = L4_EXIT_USAGE;
	}
	if (x->bpf_text)
		x->bpf = bpf_new(x->bpf_text);
	if (x->conversations || x->html_path || (x->follow && x->follow_udp))
		l4_dissect_want_connections(x->d);
	if (x->want_expert)
		x->expert = expert_new(x->d);
	if (x->want_stats)
		x->stats = stats_new(x->d);
	if (x->follow && x->raw)
		follow_raw(x->follow);
	if (x->html_path)
		x->html = html_new(x->d);
	/* Views that show no layers: what is above TCP matters only to a field that stands there.
	 */
	bool layers = x->views.kind != VIEW_FIELDS && x->views.kind != VIEW_SUMMARY;
	if (x->quiet ? !x->want_stats && !x->want_expert && !x->html_path : !layers)
		l4_dissect_stop_at_tcp(x->d);
	if (x->write_path) {
		x->write_file = !strcmp(x->write_path, "-") ? stdout : fopen(x->write_path, "wb");
		if (!x->write_file ||
		    l4_capwr_init(&x->writer, write_bytes, x->write_file, "l4 dissect")) {
			fprintf(stderr, "l4 dissect: %s: %s\n", x->write_path, strerror(errno));
			return x->status = L4_EXIT_SYSTEM;
		}
	}
	return 0;
}

static void finish(struct dissect *x)
{
	if (x->follow && !follow_end(x->follow, &output)) {
		fprintf(stderr, "l4 dissect: there is no such stream\n");
		if (x->status == L4_EXIT_DONE)
			x->status = L4_EXIT_NO;
	}
	if (x->conversations)
		report_conversations(&output, x->d, x->conv_proto, x->json, x->views.names);
	if (x->expert)
		expert_print(x->expert, &output, x->json);
	if (x->stats)
		stats_print(x->stats, &output, x->json);
	if (x->html && html_write(x->html, x->html_path, x->html_name)) {
		fprintf(stderr, "l4 dissect: %s: %s\n", x->html_path, strerror(errno));
		x->status = L4_EXIT_SYSTEM;
	}
	out_flush(&output);
	if (x->write_file && x->write_file != stdout && fclose(x->write_file)) {
		fprintf(stderr, "l4 dissect: %s: %s\n", x->write_path, strerror(errno));
		x->status = L4_EXIT_SYSTEM;
	}
	if (x->write_file == stdout)
		fflush(stdout);
	filter_free(x->filter);
	bpf_free(x->bpf);
}

int cmd_dissect(int argc, char **argv)
{
	struct dissect x = { .status = L4_EXIT_DONE };
	const char *fields = NULL;
	int r = read_options(&x, argc, argv, &fields);
	if (r)
		return r < 0 ? L4_EXIT_DONE : r;
	(void)!getrandom(&x.cfg.hash_seed, sizeof x.cfg.hash_seed, GRND_NONBLOCK);
	x.cfg.decode = dissect_decode;
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
	if (prepare(&x)) {
		views_end(&x.views);
		l4_dissect_free(x.d);
		return x.status;
	}
	struct sigaction sa = { .sa_handler = on_signal };
	const char *slash = strrchr(argv[optind], '/');
	x.html_name = argc - optind > 1 ? "several captures" : slash ? slash + 1 : argv[optind];
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (int i = optind; i < argc && !stop && !(x.count_max && x.shown == x.count_max); i++)
		one_file(&x, argv[i]);
	finish(&x);
	views_end(&x.views);
	l4_dissect_free(x.d);
	return x.status;
}
