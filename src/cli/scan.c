/* l4 scan: which ports of which hosts are open, closed or filtered, and what answers there.
 *
 * This file reads the options, sees to courtesy (limits towards public addresses), chooses the
 * engine (scan_raw.c with packets of our own, scan_connect.c and scan_udp.c with the kernel's
 * sockets) and hands the results to the writers. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/scan.h"

#define PROBES_MAX       ((uint64_t)1 << 30) /* a byte each */
#define PUBLIC_HOSTS_MAX 65536u
#define PUBLIC_RATE_MAX  10000.0
#define PUBLIC_RATE      1000.0 /* unless told */
#define RETRIES_DEFAULT  (SCAN_ATTEMPTS_MAX - 1)

struct options {
	struct scan_targets targets;
	struct scan_job job;
	struct scan_output out;
	const char *ports, *xml, *resume, *fingerprints, *seed;
	unsigned long top;
	bool type_given, responsible, list, json, services, no_progress;
	double rate;
};

static void usage(FILE *f)
{
	fputs("Usage: l4 scan [OPTION...] TARGET...\n"
	      "\n"
	      "Finds which ports of the targets are open. A TARGET is a name, an address, a block\n"
	      "(192.0.2.0/24) or a range (192.0.2.1-20). Scan only what you are responsible for.\n"
	      "\n"
	      "  -p, --ports LIST       80,443 or 1-1024 or ssh or - for all 65535\n"
	      "      --top N            the N ports most often used (default 1000)\n"
	      "      --targets FILE     read targets from FILE ('-': standard input)\n"
	      "      --exclude LIST     leave these out; --exclude-file FILE\n"
	      "  -4  -6                 names stand for their address of this version\n"
	      "\n"
	      "  --syn (default with privileges), --connect (default without), --udp,\n"
	      "  --ack, --fin, --null, --xmas, --window\n"
	      "\n"
	      "      --services         find out what answers on open ports, and its version\n"
	      "      --fingerprints F   use these instead of the installed ones\n"
	      "      --kernel-tcp       connect for that with the kernel's TCP instead of our own\n"
	      "\n"
	      "      --rate N           at most N packets a second (default: as fast as nothing is "
	      "lost;\n"
	      "                         1000 towards public addresses)\n"
	      "      --retries N        ask a silent port up to N times more (default: by the loss "
	      "seen)\n"
	      "      --timeout MS       wait so long for an answer (default: by the round trips "
	      "seen)\n"
	      "      --shard I/N        only the I-th of N equal parts\n"
	      "      --resume FILE      keep the state in FILE on Ctrl-C, go on with it if it "
	      "exists\n"
	      "      --seed N           the same order and cookies again\n"
	      "      --no-discovery     take every target as up\n"
	      "      --interface IF     use this interface; -a, --address ADDR: send from this "
	      "address\n"
	      "      --list             print the targets and send nothing\n"
	      "      --i-am-responsible lift the limits towards public addresses\n"
	      "\n"
	      "      --open             list only open ports\n"
	      "      --json             one JSON object a line; -oX FILE: nmap's XML\n"
	      "  -n, --numeric          no service names; --no-progress; -h, --help\n"
	      "\n"
	      "Examples:\n"
	      "  l4 scan 192.168.1.0/24               the common ports of every host on a network\n"
	      "  l4 scan -p - --services server       all ports of one host, and what runs there\n"
	      "  l4 scan --udp -p 53,123,161 10.0.0.7\n"
	      "  l4 scan --resume scan.state -oX out.xml 10.0.0.0/16\n",
	    f);
}

static void on_signal(int sig)
{
	(void)sig;
	scan_stop = 1;
}

enum {
	OPT_TOP = 256,
	OPT_TARGETS,
	OPT_EXCLUDE,
	OPT_EXCLUDE_FILE,
	OPT_SERVICES,
	OPT_FINGERPRINTS,
	OPT_RATE,
	OPT_RETRIES,
	OPT_TIMEOUT,
	OPT_SHARD,
	OPT_RESUME,
	OPT_SEED,
	OPT_NO_DISCOVERY,
	OPT_LIST,
	OPT_RESPONSIBLE,
	OPT_OPEN,
	OPT_JSON,
	OPT_XML,
	OPT_NO_PROGRESS,
	OPT_KERNEL_TCP,
	OPT_TYPE,
};

static const struct option long_options[] = {
	{ "ports", required_argument, NULL, 'p' },
	{ "top", required_argument, NULL, OPT_TOP },
	{ "targets", required_argument, NULL, OPT_TARGETS },
	{ "exclude", required_argument, NULL, OPT_EXCLUDE },
	{ "exclude-file", required_argument, NULL, OPT_EXCLUDE_FILE },
	{ "services", no_argument, NULL, OPT_SERVICES },
	{ "fingerprints", required_argument, NULL, OPT_FINGERPRINTS },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "retries", required_argument, NULL, OPT_RETRIES },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "shard", required_argument, NULL, OPT_SHARD },
	{ "resume", required_argument, NULL, OPT_RESUME },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "no-discovery", no_argument, NULL, OPT_NO_DISCOVERY },
	{ "interface", required_argument, NULL, 'i' },
	{ "address", required_argument, NULL, 'a' },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "i-am-responsible", no_argument, NULL, OPT_RESPONSIBLE },
	{ "open", no_argument, NULL, OPT_OPEN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "xml", required_argument, NULL, OPT_XML },
	{ "numeric", no_argument, NULL, 'n' },
	{ "no-progress", no_argument, NULL, OPT_NO_PROGRESS },
	{ "kernel-tcp", no_argument, NULL, OPT_KERNEL_TCP },
	{ "syn", no_argument, NULL, OPT_TYPE + SCAN_SYN },
	{ "connect", no_argument, NULL, OPT_TYPE + SCAN_CONNECT },
	{ "udp", no_argument, NULL, OPT_TYPE + SCAN_UDP },
	{ "ack", no_argument, NULL, OPT_TYPE + SCAN_ACK },
	{ "fin", no_argument, NULL, OPT_TYPE + SCAN_FIN },
	{ "null", no_argument, NULL, OPT_TYPE + SCAN_NULL },
	{ "xmas", no_argument, NULL, OPT_TYPE + SCAN_XMAS },
	{ "window", no_argument, NULL, OPT_TYPE + SCAN_WINDOW },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int wrong(const char *what, const char *value, const char *cure)
{
	fprintf(stderr, "l4 scan: %s %s: %s\n", what, value, cure);
	return L4_EXIT_USAGE;
}

static bool number(const char *text, double least, double most, double *out)
{
	char *end;
	*out = strtod(text, &end);
	return end != text && !*end && *out >= least && *out <= most;
}

static int parse_shard(struct scan_job *j, const char *text)
{
	unsigned i, n;
	char rest;
	if (sscanf(text, "%u/%u%c", &i, &n, &rest) != 2 || i < 1 || i > n || n > 1000000)
		return wrong("--shard", text, "say I/N with I from 1 to N, as 2/4");
	j->shard = i - 1;
	j->n_shards = n;
	return -1;
}

/* One option; -1 to go on, else the exit code. */
static int on_option(struct options *o, int c, char **argv)
{
	struct scan_job *j = &o->job;
	char error[300];
	double v;
	switch (c) {
	case 'p':
		o->ports = optarg;
		break;
	case OPT_TOP:
		if (!number(optarg, 1, 65536, &v))
			return wrong("--top", optarg, "say a number from 1 to 65536");
		o->top = (unsigned long)v;
		break;
	case OPT_TARGETS:
	case OPT_EXCLUDE_FILE:
		if (scan_targets_file(
			&o->targets, optarg, c == OPT_EXCLUDE_FILE, error, sizeof error) < 0) {
			fprintf(stderr, "l4 scan: %s\n", error);
			return L4_EXIT_USAGE;
		}
		break;
	case OPT_EXCLUDE:
		if (scan_targets_exclude(&o->targets, optarg, error, sizeof error) < 0)
			return wrong("--exclude", optarg, error);
		break;
	case '4':
		o->targets.family = AF_INET;
		break;
	case '6':
		o->targets.family = AF_INET6;
		break;
	case OPT_SERVICES:
		o->services = true;
		break;
	case OPT_FINGERPRINTS:
		o->fingerprints = optarg;
		break;
	case OPT_RATE:
		if (!number(optarg, 0.1, 1e8, &o->rate))
			return wrong("--rate", optarg, "say packets per second, 0.1 or more");
		break;
	case OPT_RETRIES:
		if (!number(optarg, 0, SCAN_ATTEMPTS_MAX - 1, &v))
			return wrong("--retries", optarg, "say a number from 0 to 11");
		j->retries = (unsigned)v;
		break;
	case OPT_TIMEOUT:
		if (!number(optarg, 1, 600000, &v))
			return wrong("--timeout", optarg, "say milliseconds, 1 to 600000");
		j->timeout = (l4_time)(v * 1e6);
		break;
	case OPT_SHARD:
		return parse_shard(j, optarg);
	case OPT_RESUME:
		o->resume = optarg;
		break;
	case OPT_SEED:
		o->seed = optarg;
		break;
	case OPT_NO_DISCOVERY:
		j->no_discovery = true;
		break;
	case 'P':
		if (strcmp(optarg, "n"))
			return wrong("-P", optarg, "only -Pn is known: take every target as up");
		j->no_discovery = true;
		break;
	case 'i':
		if (!if_nametoindex(optarg))
			return wrong("--interface", optarg, "there is no such interface");
		j->interface = optarg;
		break;
	case 'a':
		if (l4_addr_parse(&j->source, optarg) < 0)
			return wrong("--address", optarg, "say an address");
		j->has_source = true;
		break;
	case OPT_LIST:
		o->list = true;
		break;
	case OPT_RESPONSIBLE:
		o->responsible = true;
		break;
	case OPT_OPEN:
		o->out.open_only = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case 'o':
		/* -oX FILE, as people are used to. */
		if (strcmp(optarg, "X") || !argv[optind])
			return wrong("-o", optarg, "only -oX FILE is known");
		o->xml = argv[optind++];
		break;
	case OPT_XML:
		o->xml = optarg;
		break;
	case 'n':
		o->out.numeric = true;
		break;
	case OPT_KERNEL_TCP:
		o->job.kernel_tcp = true;
		break;
	case OPT_NO_PROGRESS:
		o->no_progress = true;
		break;
	case 'h':
		usage(stdout);
		return L4_EXIT_DONE;
	default:
		if (c >= OPT_TYPE && c <= OPT_TYPE + SCAN_WINDOW) {
			if (o->type_given && j->type != (enum scan_type)(c - OPT_TYPE))
				return wrong("two kinds of scan", "", "one at a time");
			j->type = (enum scan_type)(c - OPT_TYPE);
			o->type_given = true;
			break;
		}
		fputs("Try 'l4 scan --help'.\n", stderr);
		return L4_EXIT_USAGE;
	}
	return -1;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	char error[300];
	o->job.n_shards = 1;
	o->job.retries = RETRIES_DEFAULT;
	o->top = 1000;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, "p:46i:a:o:P:nh", long_options, NULL)) != -1;) {
		int r = on_option(o, c, argv);
		if (r >= 0)
			return r;
	}
	for (int i = optind; i < argc; i++)
		if (scan_targets_add(&o->targets, argv[i], error, sizeof error) < 0) {
			fprintf(stderr, "l4 scan: %s\n", error);
			return L4_EXIT_USAGE;
		}
	if (!o->targets.set.n) {
		fputs("l4 scan: no target; say a name, an address, a block or a range\n", stderr);
		return L4_EXIT_USAGE;
	}
	if (scan_targets_finish(&o->targets, error, sizeof error) < 0) {
		fprintf(stderr, "l4 scan: %s\n", error);
		return L4_EXIT_USAGE;
	}
	if (!o->targets.n_hosts) {
		fprintf(stderr,
		    "l4 scan: nothing is left to scan (%llu reserved addresses are only scanned "
		    "when "
		    "each is named)\n",
		    (unsigned long long)o->targets.n_reserved);
		return L4_EXIT_USAGE;
	}
	return -1;
}

/* Courtesy: limits towards what is not ours. */
static int check_limits(struct options *o)
{
	if (o->targets.n_public > PUBLIC_HOSTS_MAX && !o->responsible) {
		fprintf(stderr,
		    "l4 scan: %llu public addresses are more than a /16. If you are responsible "
		    "for them, say\n"
		    "--i-am-responsible; otherwise do not scan them.\n",
		    (unsigned long long)o->targets.n_public);
		return L4_EXIT_USAGE;
	}
	if (o->targets.n_public && o->rate > PUBLIC_RATE_MAX && !o->responsible) {
		fprintf(stderr, "l4 scan: more than 10000 packets a second towards public "
				"addresses harm others. If you are\n"
				"responsible for them, say --i-am-responsible.\n");
		return L4_EXIT_USAGE;
	}
	o->job.rate_max = o->rate > 0 ? o->rate : o->targets.n_public ? PUBLIC_RATE : 0;
	return -1;
}

static int choose_ports(struct options *o)
{
	static uint16_t ports[65536];
	static int32_t index[65536];
	struct ports_set set;
	struct scan_job *j = &o->job;
	uint8_t proto = j->type == SCAN_UDP ? 17 : 6;
	if (o->ports) {
		const char *error =
		    ports_set_parse(&set, strcmp(o->ports, "-") ? o->ports : "1-65535", proto);
		if (error)
			return wrong("--ports", o->ports, error);
		for (unsigned p = 0; p < 65536; p++)
			if (ports_set_has(&set, (uint16_t)p))
				ports[j->n_ports++] = (uint16_t)p;
	} else {
		j->n_ports = (uint32_t)scan_top_ports(ports, o->top, proto);
	}
	memset(index, -1, sizeof index);
	for (uint32_t i = 0; i < j->n_ports; i++)
		index[ports[i]] = (int32_t)i;
	j->ports = ports;
	j->port_index = index;
	return -1;
}

static int prepare(struct options *o)
{
	struct scan_job *j = &o->job;
	uint64_t n = o->targets.n_hosts;
	j->targets = &o->targets;
	if (n > PROBES_MAX / j->n_ports) {
		fprintf(stderr,
		    "l4 scan: %llu hosts with %u ports each are more than 2^30 probes in one run; "
		    "name fewer\n",
		    (unsigned long long)n, j->n_ports);
		return L4_EXIT_USAGE;
	}
	j->n_probes = n * j->n_ports;
	j->reasons = calloc(j->n_probes, 1);
	j->hosts = calloc(n, 1);
	j->macs = calloc(n, sizeof *j->macs);
	j->host_rtt_ms = calloc(n, sizeof *j->host_rtt_ms);
	if (!j->reasons || !j->hosts || !j->macs || !j->host_rtt_ms) {
		fprintf(stderr, "l4 scan: no memory for %llu probes; scan in parts\n",
		    (unsigned long long)j->n_probes);
		return L4_EXIT_SYSTEM;
	}
	if (o->seed)
		j->key.k0 = strtoull(o->seed, NULL, 0);
	else if (getrandom(&j->key, sizeof j->key, 0) != (ssize_t)sizeof j->key) {
		fprintf(stderr, "l4 scan: no entropy: %s\n", strerror(errno));
		return L4_EXIT_SYSTEM;
	}
	if (o->resume) {
		char error[300];
		if (scan_resume_load(j, o->resume, error, sizeof error) < 0) {
			fprintf(stderr, "l4 scan: --resume: %s\n", error);
			return L4_EXIT_SYSTEM;
		}
	}
	scan_perm_init(&j->perm, j->n_probes, &j->key);
	/* A shard takes every n-th place of the order. */
	j->start = j->shard;
	return -1;
}

static void list(const struct options *o)
{
	const struct scan_job *j = &o->job;
	for (uint64_t i = 0; i < o->targets.n_hosts; i++) {
		char text[L4_ADDR_TEXT_MAX];
		struct l4_addr a = scan_targets_host(&o->targets, i);
		l4_addr_format(&a, text, sizeof text);
		const char *name = scan_targets_name(&o->targets, &a);
		if (o->json)
			printf("{\"address\":\"%s\",\"public\":%s}\n", text,
			    scan_addr_is_public(&a) ? "true" : "false");
		else
			printf("%s%s%s\n", text, name ? " " : "", name ? name : "");
	}
	fprintf(stderr,
	    "%llu hosts (%llu public), %u ports each; %llu reserved addresses left out\n",
	    (unsigned long long)o->targets.n_hosts, (unsigned long long)o->targets.n_public,
	    j->n_ports, (unsigned long long)o->targets.n_reserved);
}

static void choose_type(struct options *o)
{
	struct scan_job *j = &o->job;
	bool raw = j->type != SCAN_CONNECT && j->type != SCAN_UDP;
	if (!raw || scan_raw_allowed() || (o->type_given && j->type != SCAN_SYN))
		return;
	j->type = SCAN_CONNECT;
	snprintf(j->note, sizeof j->note,
	    "note: no permission for packets of our own (CAP_NET_RAW): connect scan instead of SYN "
	    "scan");
	fprintf(stderr, "l4 scan: %s\n", j->note + 6);
}

static int run(struct options *o, char *error, size_t cap)
{
	struct scan_job *j = &o->job;
	int r;
	if (j->type == SCAN_CONNECT)
		r = scan_connect_run(j, error, cap);
	else if (j->type == SCAN_UDP)
		r = scan_udp_run(j, error, cap);
	else
		r = scan_raw_run(j, error, cap);
	if (r == 0 && o->services && !scan_stop)
		r = scan_services_run(j, o->fingerprints, error, cap);
	return r;
}

/* Writes all that was asked for; an output that fails does not keep the others from it. */
static int write_results(struct options *o, int argc, char **argv)
{
	char command[1024] = "l4";
	int result = L4_EXIT_DONE;
	for (int i = 0; i < argc; i++) {
		size_t n = strlen(command);
		snprintf(command + n, sizeof command - n, " %s", argv[i]);
	}
	o->out.command = command;
	if (o->xml) {
		FILE *f = strcmp(o->xml, "-") ? fopen(o->xml, "we") : stdout;
		o->out.xml = f;
		int bad = !f || scan_output_xml(&o->job, &o->out) < 0 || fflush(f) != 0;
		int e = errno;
		if (f && f != stdout && fclose(f) != 0 && !bad) {
			bad = 1;
			e = errno;
		}
		if (bad) {
			fprintf(stderr, "l4 scan: writing %s: %s\n", o->xml, strerror(e));
			result = L4_EXIT_SYSTEM;
		}
	}
	o->out.table = o->out.json = stdout;
	int bad = 0;
	if (o->json)
		bad = scan_output_json(&o->job, &o->out);
	else if (!o->xml || strcmp(o->xml, "-"))
		bad = scan_output_table(&o->job, &o->out);
	if (fflush(stdout) != 0 || bad < 0) {
		fprintf(stderr, "l4 scan: writing the results: %s\n", strerror(errno));
		result = L4_EXIT_SYSTEM;
	}
	return result;
}

/* The state is kept when the scan was interrupted or its results could not be written. */
static int keep_state(struct options *o, int result)
{
	char error[300];
	if (!o->resume)
		return result;
	if (!scan_stop && result == L4_EXIT_DONE) {
		unlink(o->resume);
		return result;
	}
	if (scan_resume_save(&o->job, o->resume, NULL, 0, error, sizeof error) < 0) {
		fprintf(stderr, "l4 scan: %s\n", error);
		return L4_EXIT_SYSTEM;
	}
	fprintf(stderr, "l4 scan: the state is in %s; the same command goes on from there\n",
	    o->resume);
	return result;
}

static bool any_open(const struct scan_job *j)
{
	for (uint64_t i = 0; i < j->n_probes; i++)
		if (scan_state_of(j->type, j->reasons[i]) == SCAN_OPEN)
			return true;
	return false;
}

static int scan(struct options *o, int argc, char **argv)
{
	char error[300] = "";
	struct scan_job *j = &o->job;
	struct sigaction sa = { .sa_handler = on_signal };
	const char *no_color = getenv("NO_COLOR");
	o->out.colour = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	j->progress = !o->no_progress && isatty(STDERR_FILENO);
	o->out.unix_start = (int64_t)time(NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	j->started = scan_now();
	int r = run(o, error, sizeof error);
	j->ended = scan_now();
	if (r < 0) {
		fprintf(stderr, "l4 scan: %s\n", error);
		return L4_EXIT_SYSTEM;
	}
	if (scan_stop)
		snprintf(j->note, sizeof j->note, "interrupted: the results are not complete");
	int result = keep_state(o, write_results(o, argc, argv));
	if (result == L4_EXIT_DONE && (scan_stop || !any_open(j)))
		result = L4_EXIT_NO;
	return result;
}

int cmd_scan(int argc, char **argv)
{
	static struct options o;
	int r = parse_options(&o, argc, argv);
	if (r < 0)
		r = check_limits(&o);
	if (r < 0)
		r = choose_ports(&o);
	if (r < 0 && o.list) {
		list(&o);
		r = L4_EXIT_DONE;
	}
	if (r < 0) {
		choose_type(&o);
		r = prepare(&o);
	}
	if (r < 0)
		r = scan(&o, argc, argv);
	free(o.job.reasons);
	free(o.job.hosts);
	free(o.job.host_down);
	free(o.job.macs);
	free(o.job.host_rtt_ms);
	free(o.job.services);
	scan_targets_fini(&o.targets);
	return r;
}
