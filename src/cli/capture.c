/* l4 capture: packets of interfaces, live, to pcapng and to the views of l4 dissect.
 *
 * Each interface is a source (capture_sock.c); of the packets that the kernel has handed over the
 * earliest is next. It goes through the filters, is named after its process (capture_owner.c),
 * written (capture_file.c) and shown. What the kernel had to drop is asked for at the end and on
 * SIGUSR1, and stands in the file as statistics. Ctrl-C ends after what the kernel still holds was
 * taken (50 ms), and leaves a whole file. */
#include <layer4/capfile.h>
#include <layer4/dissect.h>
#include <layer4/err.h>

#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/capture.h"
#include "cli/cli.h"
#include "cli/dissect.h"
#include "cli/dissect_report.h"
#include "cli/filter.h"

static const char help[] =
    "Usage: l4 capture -i INTERFACE... [OPTION...]\n"
    "\n"
    "Captures packets of interfaces and shows a line for each.\n"
    "\n"
    "  -i, --interface IF    an interface, several times for several; 'any' for all\n"
    "  -D, --list-interfaces the interfaces there are\n"
    "  -f, --bpf FILTER      capture filter (BPF), run by the kernel\n"
    "  -Y, --filter FILTER   show and write only what matches a display filter\n"
    "  -w, --write FILE      to a pcapng file, '-' is standard output; shows nothing then\n"
    "      --print           show the packets although they are written\n"
    "      --ring N[,size=BYTES][,time=SECONDS][,packets=N]\n"
    "                        a new file (FILE.00001.pcapng, ...) after so much; the newest N are\n"
    "                        kept, 0 keeps all; BYTES may end in k, M, G; NxM: N files of M MB\n"
    "  -c, --count N         end after N packets (of those selected)\n"
    "  -t, --time SECONDS    end after this time\n"
    "  -s, --snaplen N       at most N bytes of each packet\n"
    "  -d, --detail  -l, --layers  -j, --json  -x, --hex  -e, --fields LIST\n"
    "  -N, --names  --bits  --checksums  --conversations  --expert  --stats\n"
    "                        as with l4 dissect; the last three at the end\n"
    "      --no-process      do not look for the process that a packet belongs to\n"
    "  -p, --no-promiscuous  only what is meant for this host\n"
    "      --help            this text\n"
    "\n"
    "Needs CAP_NET_RAW. Exit status: 0 done, 2 wrong use, 3 the system refused.\n"
    "\n"
    "Examples:\n"
    "  l4 capture -i lo -f 'tcp port 80'\n"
    "  l4 capture -i eth0 -i eth1 -w trace.pcapng --ring 5,size=100M\n"
    "  l4 capture -i any -t 10 --conversations\n";

enum {
	OPT_HELP = 256,
	OPT_PRINT,
	OPT_RING,
	OPT_BITS,
	OPT_CHECKSUMS,
	OPT_CONVERSATIONS,
	OPT_EXPERT,
	OPT_STATS,
	OPT_NO_PROCESS,
	DRAIN_MS = 120, /* of packets that the kernel holds when we are to stop */
	HOLD_MS = 100,  /* so old a packet is when it is its turn among several interfaces */
};

static volatile sig_atomic_t stop, show_counters;
static struct out output;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		show_counters = 1;
	else
		stop = 1;
}

struct capture {
	struct source source[SOURCES_MAX];
	unsigned n_sources;
	const char *bpf, *filter_text, *path, *fields;
	bool print, show, promiscuous, processes, conversations, want_expert, want_stats, enough;
	bool hold, held; /* packets wait for those of other interfaces; some do now */
	uint64_t count_max, seconds, snaplen, frames, selected, now_ms;
	struct sink sink;
	struct bpf *slow_bpf;
	struct owners *owners;
	struct l4_dissect_config cfg;
	struct l4_dissect *d;
	struct views views;
	struct filter *filter;
	struct expert *expert;
	struct stats *stats;
	/* cooked packets of "any": their interfaces as they come along */
	struct {
		int index;
		uint32_t id;
		struct l4_cap_interface described;
	} seen[SINK_INTERFACES];
	unsigned n_seen;
	struct l4_cap_interface described[SOURCES_MAX];
};

static uint64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void counters(void *ctx)
{
	struct capture *c = ctx;
	for (unsigned i = 0; i < c->n_sources; i++) {
		struct source *s = &c->source[i];
		source_counters(s);
		if (c->path) {
			struct sink_interface *f = &c->sink.interfaces[s->id];
			f->received = s->received;
			f->dropped = s->dropped;
			f->counted = true;
		}
	}
}

static uint64_t dropped(const struct capture *c)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < c->n_sources; i++)
		n += c->source[i].dropped;
	return n;
}

static void print_counters(const struct capture *c)
{
	fprintf(stderr, "l4 capture: %llu packets, %llu dropped by the kernel\n",
	    (unsigned long long)c->selected, (unsigned long long)dropped(c));
	for (unsigned i = 0; i < c->n_sources && c->n_sources > 1; i++)
		fprintf(stderr, "  %s: %llu received, %llu dropped\n", c->source[i].name,
		    (unsigned long long)c->source[i].received,
		    (unsigned long long)c->source[i].dropped);
}

static int write_error(const struct capture *c)
{
	int e = errno;
	fprintf(stderr, "l4 capture: %s: cannot be written: %s%s\n", c->sink.name, strerror(e),
	    c->sink.whole ? "; what it holds is whole packets" : "");
	return L4_EXIT_SYSTEM;
}

/* ---- packets ---- */

/* The interface of a cooked packet, described in the file at its first. -1: cannot be. */
static int seen_interface(struct capture *c, int index)
{
	char name[IF_NAMESIZE];
	for (unsigned i = 0; i < c->n_seen; i++)
		if (c->seen[i].index == index)
			return (int)i;
	if (c->n_seen + SOURCES_MAX >= SINK_INTERFACES)
		return -1;
	if (!if_indextoname((unsigned)index, name))
		snprintf(name, sizeof name, "if%d", index);
	unsigned k = c->n_seen;
	c->seen[k].index = index;
	c->seen[k].described = (struct l4_cap_interface){
		.linktype = L4_LINK_LINUX_SLL2, .tsresol = 9, .fcs_len = -1
	};
	snprintf(c->seen[k].described.name, sizeof c->seen[k].described.name, "%s", name);
	if (c->path) {
		int id = sink_interface(&c->sink, name, "seen by any, cooked", L4_LINK_LINUX_SLL2);
		if (id < 0)
			return -1;
		c->seen[k].id = (uint32_t)id;
	} else {
		c->seen[k].id = c->n_sources + k;
	}
	c->n_seen++;
	return (int)k;
}

static void name_interface(
    struct capture *c, const struct source *s, struct l4_cap_packet *p, int ifindex)
{
	int k = s->index ? -1 : seen_interface(c, ifindex);
	p->pcapng = true;
	p->section = 1;
	p->interface_id = k < 0 ? s->id : c->seen[k].id;
	p->interface = k < 0 ? &c->described[s - c->source] : &c->seen[k].described;
}

/* 0: go on; otherwise an exit code. */
static int one_packet(struct capture *c, const struct source *s)
{
	struct l4_cap_packet p;
	char who[128];
	bool outgoing;
	int ifindex, bpf;
	if (!source_packet(s, &p, &outgoing, &ifindex))
		return 0;
	if (c->slow_bpf && (bpf = bpf_match(c->slow_bpf, &p)) <= 0)
		return bpf < 0 ? L4_EXIT_USAGE : 0;
	if (c->snaplen && p.caplen > c->snaplen)
		p.caplen = (uint32_t)c->snaplen;
	name_interface(c, s, &p, ifindex);
	p.has_flags = true;
	p.flags = outgoing ? L4_CAPWR_OUT : L4_CAPWR_IN;
	p.number = ++c->frames;
	p.comment_len =
	    c->owners ? (uint32_t)owners_text(c->owners, &p, c->now_ms, who, sizeof who) : 0;
	p.comment = p.comment_len ? who : NULL;
	if (!c->views.have_first) {
		c->views.have_first = true;
		c->views.first = p.ts;
	}
	const struct l4_dissected *d = NULL;
	if (c->filter || c->show || c->expert || c->stats || c->conversations)
		d = l4_dissect_packet(c->d, &p);
	if (c->filter && !filter_match(c->filter, d))
		return 0;
	c->selected++;
	if (c->path) {
		struct l4_capwr_packet w = { .interface_id = p.interface_id,
			.ts = p.ts,
			.data = p.data,
			.caplen = p.caplen,
			.len = p.len,
			.comment = p.comment,
			.direction = outgoing ? L4_CAPWR_OUT : L4_CAPWR_IN };
		if (sink_packet(&c->sink, &w, c->now_ms)) {
			/* Who read from us went away: that is an end as good as any. */
			c->enough = errno == EPIPE;
			return c->enough ? 0 : write_error(c);
		}
	}
	if (c->expert)
		expert_packet(c->expert, d);
	if (c->stats)
		stats_packet(c->stats, d);
	if (c->show) {
		c->views.note = p.comment;
		views_packet(&c->views, d);
	}
	c->enough = c->enough || c->selected == c->count_max;
	return 0;
}

static bool earlier(const struct source *a, const struct source *b)
{
	return a->h->tp_sec != b->h->tp_sec ? a->h->tp_sec < b->h->tp_sec
					    : a->h->tp_nsec < b->h->tp_nsec;
}

static bool old_enough(const struct source *s)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t ms = ((int64_t)t.tv_sec - s->h->tp_sec) * 1000 +
		     ((int64_t)t.tv_nsec - s->h->tp_nsec) / 1000000;
	return ms >= HOLD_MS || ms < 0; /* a clock that was set back holds nothing */
}

/* Takes what the kernel has handed over, in the order of time. Each interface's packets come up to
 * 50 ms late, so where there are several a packet waits until the others' must be here, unless
 * its ring fills up. */
static int take(struct capture *c)
{
	for (unsigned n = 0; !c->enough && !output.failed; n++) {
		struct source *first = NULL;
		for (unsigned i = 0; i < c->n_sources; i++) {
			struct source *s = &c->source[i];
			if (source_peek(s) && (!first || earlier(s, first)))
				first = s;
		}
		c->held = first && c->hold && !source_pressed(first) && !old_enough(first);
		if (!first || c->held)
			return 0;
		if (n % 64 == 0)
			c->now_ms = clock_ms();
		int r = one_packet(c, first);
		source_took(first);
		if (r)
			return r;
		if (stop && n > 1000000)
			return 0; /* a flood does not hold us */
	}
	return 0;
}

static int wait_for_packets(struct capture *c, uint64_t until_ms)
{
	struct pollfd pf[SOURCES_MAX];
	for (unsigned i = 0; i < c->n_sources; i++)
		pf[i] = (struct pollfd){ .fd = c->source[i].fd, .events = c->held ? 0 : POLLIN };
	uint64_t most = c->held ? 20 : 200, now = clock_ms(),
		 left = until_ms > now ? until_ms - now : 0;
	(void)poll(pf, c->n_sources, (int)(left < most ? left : most));
	for (unsigned i = 0; i < c->n_sources; i++) {
		int e = pf[i].revents & POLLERR ? source_error(&c->source[i]) : 0;
		if (e) {
			fprintf(stderr, "l4 capture: %s: %s; the capture ends here\n",
			    c->source[i].name,
			    e == ENETDOWN ? "the interface is gone" : strerror(e));
			return L4_EXIT_SYSTEM;
		}
	}
	return 0;
}

static int run(struct capture *c)
{
	uint64_t start = clock_ms(), until = c->seconds ? start + c->seconds * 1000 : UINT64_MAX;
	bool last = false;
	c->hold = c->n_sources > 1;
	for (;;) {
		c->hold = c->hold && !(last && clock_ms() >= until);
		int r = take(c);
		if (r)
			return r;
		c->now_ms = clock_ms();
		out_flush(&output);
		if (c->path) {
			if (sink_idle(&c->sink, c->now_ms) && !c->enough) {
				if (errno == EPIPE)
					return 0;
				return write_error(c);
			}
		}
		if (show_counters) {
			show_counters = 0;
			counters(c);
			print_counters(c);
		}
		if (c->enough || output.failed || (last && c->now_ms >= until))
			return 0;
		if (!last && (stop || c->now_ms >= until)) {
			last = true;
			until = c->now_ms + DRAIN_MS;
		}
		r = wait_for_packets(c, until);
		if (r) {
			struct timespec t = { .tv_nsec = DRAIN_MS * 1000000 };
			(void)nanosleep(&t, NULL);
			c->hold = false;
			(void)take(c);
			return r;
		}
	}
}

/* ---- options ---- */

static const struct option options[] = { { "interface", required_argument, NULL, 'i' },
	{ "list-interfaces", no_argument, NULL, 'D' }, { "bpf", required_argument, NULL, 'f' },
	{ "filter", required_argument, NULL, 'Y' }, { "write", required_argument, NULL, 'w' },
	{ "print", no_argument, NULL, OPT_PRINT }, { "ring", required_argument, NULL, OPT_RING },
	{ "count", required_argument, NULL, 'c' }, { "time", required_argument, NULL, 't' },
	{ "snaplen", required_argument, NULL, 's' }, { "detail", no_argument, NULL, 'd' },
	{ "layers", no_argument, NULL, 'l' }, { "json", no_argument, NULL, 'j' },
	{ "hex", no_argument, NULL, 'x' }, { "fields", required_argument, NULL, 'e' },
	{ "names", no_argument, NULL, 'N' }, { "bits", no_argument, NULL, OPT_BITS },
	{ "checksums", no_argument, NULL, OPT_CHECKSUMS },
	{ "conversations", no_argument, NULL, OPT_CONVERSATIONS },
	{ "expert", no_argument, NULL, OPT_EXPERT }, { "stats", no_argument, NULL, OPT_STATS },
	{ "no-process", no_argument, NULL, OPT_NO_PROCESS },
	{ "no-promiscuous", no_argument, NULL, 'p' }, { "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 } };

static bool number(const char *name, const char *text, uint64_t *v)
{
	char *end;
	errno = 0;
	*v = strtoull(text, &end, 10);
	if (!errno && !*end && *v && text[0] != '-')
		return true;
	fprintf(stderr, "l4 capture: %s needs a number above 0, not '%s'\n", name, text);
	return false;
}

/* "5x100" or "5,size=100M,time=60,packets=1000". */
static bool read_ring(struct sink *s, const char *text)
{
	char *end;
	s->ring = true;
	s->files_max = (unsigned)strtoul(text, &end, 10);
	bool ok = end != text && text[0] != '-';
	if (ok && *end == 'x') {
		const char *from = end + 1;
		s->bytes_max = strtoull(from, &end, 10) * 1000000;
		ok = end != from && !*end && s->files_max;
	}
	while (ok && *end == ',') {
		const char *from = end + 1;
		uint64_t *v = !strncmp(from, "size=", 5)      ? &s->bytes_max
			      : !strncmp(from, "time=", 5)    ? &s->ms_max
			      : !strncmp(from, "packets=", 8) ? &s->packets_max
							      : NULL;
		if (!v)
			break;
		from = strchr(from, '=') + 1;
		*v = strtoull(from, &end, 10);
		ok = end != from && *from != '-' && *v;
		if (v == &s->ms_max)
			*v *= 1000;
		if (v == &s->bytes_max && *end && strchr("kMG", *end)) {
			*v *= *end == 'k' ? 1000 : *end == 'M' ? 1000000 : 1000000000;
			end++;
		}
	}
	if (ok && !*end && (s->bytes_max || s->ms_max || s->packets_max))
		return true;
	fprintf(stderr,
	    "l4 capture: --ring is N and at least one of ,size=BYTES ,time=SECONDS ,packets=N "
	    "(or NxMEGABYTES), not '%s'\n",
	    text);
	return false;
}

static bool add_source(struct capture *c, const char *name)
{
	if (c->n_sources == SOURCES_MAX) {
		fprintf(stderr, "l4 capture: more than %d interfaces\n", SOURCES_MAX);
		return false;
	}
	for (unsigned i = 0; i < c->n_sources; i++)
		if (!strcmp(c->source[i].name, name) || !strcmp(c->source[i].name, "any") ||
		    !strcmp(name, "any")) {
			fprintf(stderr,
			    "l4 capture: -i %s: that interface is captured already by -i %s\n",
			    name, c->source[i].name);
			return false;
		}
	c->source[c->n_sources++] = (struct source){ .name = name, .fd = -1 };
	return true;
}

static const char *missing(const struct capture *c, int optind_, int argc)
{
	bool file = c->path && strcmp(c->path, "-") != 0;
	return optind_ < argc          ? "no arguments are taken; -f is the filter"
	       : !c->n_sources         ? "-i is missing: which interface? -D lists them"
	       : c->sink.ring && !file ? "--ring needs -w FILE"
	       : c->views.bits && c->views.kind != VIEW_LAYERS ? "--bits goes with --layers"
							       : NULL;
}

/* 0; an exit code; or -1: done. */
static int read_options(struct capture *c, int argc, char **argv)
{
	int o;
	bool ok = true;
	optind = 1;
	while (
	    ok && (o = getopt_long(argc, argv, "i:Df:Y:w:c:t:s:dljxe:Np", options, NULL)) != -1) {
		switch (o) {
		case 'i':
			ok = add_source(c, optarg);
			break;
		case 'D':
			source_list();
			return -1;
		case 'f':
			c->bpf = optarg;
			break;
		case 'Y':
			c->filter_text = optarg;
			break;
		case 'w':
			c->path = optarg;
			break;
		case OPT_PRINT:
			c->print = true;
			break;
		case OPT_RING:
			ok = read_ring(&c->sink, optarg);
			break;
		case 'c':
			ok = number("-c", optarg, &c->count_max);
			break;
		case 't':
			ok = number("-t", optarg, &c->seconds);
			break;
		case 's':
			ok = number("-s", optarg, &c->snaplen);
			break;
		case 'd':
			c->views.kind = VIEW_DETAIL;
			break;
		case 'l':
			c->views.kind = VIEW_LAYERS;
			break;
		case 'j':
			c->views.kind = VIEW_JSON;
			break;
		case 'e':
			c->views.kind = VIEW_FIELDS;
			c->fields = optarg;
			break;
		case 'x':
			c->views.hex = true;
			break;
		case 'N':
			c->views.names = true;
			c->cfg.port_name = views_port_name;
			break;
		case OPT_BITS:
			c->views.bits = true;
			break;
		case OPT_CHECKSUMS:
			c->cfg.check_checksums = true;
			break;
		case OPT_CONVERSATIONS:
			c->conversations = true;
			break;
		case OPT_EXPERT:
			c->want_expert = true;
			break;
		case OPT_STATS:
			c->want_stats = true;
			break;
		case OPT_NO_PROCESS:
			c->processes = false;
			break;
		case 'p':
			c->promiscuous = false;
			break;
		case OPT_HELP:
			fputs(help, stdout);
			return -1;
		default:
			fprintf(stderr, "Try 'l4 capture --help'.\n");
			return L4_EXIT_USAGE;
		}
	}
	const char *why = ok ? missing(c, optind, argc) : NULL;
	if (why)
		fprintf(stderr, "l4 capture: %s\n", why);
	return why || !ok ? L4_EXIT_USAGE : 0;
}

static int open_sources(struct capture *c)
{
	bool slow = false;
	for (unsigned i = 0; i < c->n_sources; i++) {
		struct source *s = &c->source[i];
		int r = source_open(s, c->bpf, c->promiscuous, &slow);
		if (r)
			return r;
		struct l4_cap_interface *f = &c->described[i];
		*f = (struct l4_cap_interface){
			.linktype = s->linktype, .tsresol = 9, .fcs_len = -1
		};
		snprintf(f->name, sizeof f->name, "%s", s->name);
		snprintf(f->description, sizeof f->description, "%.127s", s->description);
		s->id = i;
		if (c->path)
			(void)sink_interface(&c->sink, s->name, s->description, s->linktype);
	}
	if (slow)
		c->slow_bpf = bpf_new(c->bpf);
	return 0;
}

static int prepare(struct capture *c)
{
	char err[256];
	bool report = c->conversations || c->want_expert || c->want_stats;
	c->show = c->print || (!c->path && !report);
	(void)!getrandom(&c->cfg.hash_seed, sizeof c->cfg.hash_seed, GRND_NONBLOCK);
	c->d = l4_dissect_new(&c->cfg);
	if (!c->d) {
		fprintf(stderr, "l4 capture: no memory\n");
		return L4_EXIT_SYSTEM;
	}
	output.fd = c->path && !strcmp(c->path, "-") ? STDERR_FILENO : STDOUT_FILENO;
	c->views.out = &output;
	if (c->fields && views_add_columns(&c->views, c->d, c->fields))
		return L4_EXIT_USAGE;
	if (c->show)
		views_prepare(&c->views, c->d);
	if (c->filter_text && !(c->filter = filter_new(c->d, c->filter_text, err, sizeof err))) {
		fprintf(stderr, "l4 capture: -Y '%s': %s\n", c->filter_text, err);
		return L4_EXIT_USAGE;
	}
	if (c->conversations)
		l4_dissect_want_connections(c->d);
	if (c->want_expert)
		c->expert = expert_new(c->d);
	if (c->want_stats)
		c->stats = stats_new(c->d);
	if (c->processes && (c->show || c->path))
		c->owners = owners_new();
	int r = open_sources(c);
	c->sink.path = c->path;
	c->sink.counters = counters;
	c->sink.ctx = c;
	if (!r && c->path && sink_open(&c->sink, clock_ms()))
		r = write_error(c);
	return r;
}

static int finish(struct capture *c, int r)
{
	counters(c);
	if (c->conversations)
		report_conversations(&output, c->d, -1, c->views.kind == VIEW_JSON, c->views.names);
	if (c->expert)
		expert_print(c->expert, &output, c->views.kind == VIEW_JSON);
	if (c->stats)
		stats_print(c->stats, &output, c->views.kind == VIEW_JSON);
	out_flush(&output);
	print_counters(c);
	return r;
}

int cmd_capture(int argc, char **argv)
{
	static struct capture c = { .promiscuous = true, .processes = true, .sink.fd = -1 };
	int r = read_options(&c, argc, argv);
	if (r)
		return r < 0 ? L4_EXIT_DONE : r;
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A limit of file size is an error of write(), as a full disk is. */
	signal(SIGXFSZ, SIG_IGN);
	r = prepare(&c);
	if (!r)
		r = finish(&c, run(&c));
	if (c.sink.buf && sink_close(&c.sink) && !r && errno != EPIPE)
		r = write_error(&c);
	for (unsigned i = 0; i < c.n_sources; i++)
		source_close(&c.source[i]);
	bpf_free(c.slow_bpf);
	owners_free(c.owners);
	filter_free(c.filter);
	views_end(&c.views);
	l4_dissect_free(c.d);
	return r;
}
