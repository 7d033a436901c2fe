/* l4 drill: runs packetdrill scripts against the stack.
 *
 * Scripts are independent of each other, so a pool of threads takes them from one counter; results
 * are printed in the order of the arguments as they become ready. Folders are searched for .pkt. */
#include <layer4/drill.h>
#include <layer4/err.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define JOBS_MAX   64
#define SCRIPT_MAX ((size_t)4 << 20)

struct job {
	char *path;
	struct l4_drill_result result;
	int status; /* of l4_drill_run, or L4_ESYS */
	int error;  /* errno when the file could not be read */
	double seconds;
	bool done;
	char *lines; /* --verbose with several at once */
	size_t lines_len;
};

struct pool {
	struct job *jobs;
	size_t n, next, printed;
	const char **options;
	size_t n_options;
	bool verbose, tap, json, dry_run, quiet;
	pthread_mutex_t lock;
	size_t passed;
};

static const char usage_text[] =
    "Usage: l4 drill [OPTION...] SCRIPT.pkt|FOLDER...\n"
    "Run packetdrill scripts against the stack, in virtual time, without privileges.\n"
    "\n"
    "  -v, --verbose            print each packet and call as it happens\n"
    "  -q, --quiet              print failures only\n"
    "  -j, --jobs=N             run N scripts at a time (default: the processors)\n"
    "      --tap                print TAP (Test Anything Protocol)\n"
    "      --json               print one JSON object a script\n"
    "  -n, --dry-run            parse only\n"
    "  -D, --define=NAME=VALUE  replace the word NAME in the scripts\n"
    "  -s, --set=KEY=VALUE      a setting of the stack, as net.ipv4.tcp_sack=0\n"
    "  -6, -4, -m               same as --ip-version=ipv6, ipv4, ipv4-mapped-ipv6\n"
    "      --ip-version=V       ipv4 (default), ipv6 or ipv4-mapped-ipv6\n"
    "      --NAME[=VALUE]       an option of packetdrill: mtu, local_ip, remote_ip, bind_port,\n"
    "                           tolerance_usecs, tolerance_percent, tcp_ts_tick_usecs,\n"
    "                           tcp_ts_ecr_scaled, strict_segments, non_fatal, ...\n"
    "      --help               print this\n"
    "\n"
    "Examples:\n"
    "  l4 drill handshake.pkt\n"
    "  l4 drill -v --ip-version=ipv6 handshake.pkt\n"
    "  l4 drill --tap -j 4 tests/scripts\n"
    "  l4 drill -s net.ipv4.tcp_congestion_control=reno loss.pkt\n";

/* ---- Which scripts ---- */

static int add_path(struct pool *p, const char *path)
{
	struct job *grown = realloc(p->jobs, (p->n + 1) * sizeof(*grown));
	if (!grown)
		return L4_ENOMEM;
	p->jobs = grown;
	p->jobs[p->n] = (struct job){ .path = strdup(path) };
	return p->jobs[p->n++].path ? 0 : L4_ENOMEM;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_tree(struct pool *p, const char *path, int depth)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		fprintf(stderr, "l4 drill: %s: %s\n", path, strerror(errno));
		return L4_ESYS;
	}
	if (!S_ISDIR(st.st_mode))
		return add_path(p, path);
	struct dirent **list;
	int n = scandir(path, &list, NULL, by_name), r = 0;
	if (n < 0) {
		fprintf(stderr, "l4 drill: %s: %s\n", path, strerror(errno));
		return L4_ESYS;
	}
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		size_t len = strlen(name);
		char full[4096];
		snprintf(full, sizeof(full), "%s/%s", path, name);
		bool dir = name[0] != '.' && stat(full, &st) == 0 && S_ISDIR(st.st_mode);
		bool pkt = len > 4 && !strcmp(name + len - 4, ".pkt");
		if (!r && dir && depth < 16)
			r = add_tree(p, full, depth + 1);
		else if (!r && !dir && pkt)
			r = add_path(p, full);
		free(list[i]);
	}
	free(list);
	return r;
}

/* ---- Running ---- */

static void on_trace(void *ctx, const char *line)
{
	struct job *j = ctx;
	size_t n = strlen(line);
	char *grown = realloc(j->lines, j->lines_len + n + 2);
	if (!grown)
		return;
	j->lines = grown;
	memcpy(j->lines + j->lines_len, line, n);
	j->lines_len += n;
	j->lines[j->lines_len++] = '\n';
	j->lines[j->lines_len] = '\0';
}

static char *read_file(const char *path, size_t *len, int *error)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		*error = errno;
		return NULL;
	}
	size_t cap = 16384;
	char *text = malloc(cap);
	*len = 0;
	while (text) {
		size_t n = fread(text + *len, 1, cap - *len, f);
		*len += n;
		if (!n || *len > SCRIPT_MAX)
			break;
		if (*len == cap) {
			char *grown = realloc(text, cap *= 2);
			if (!grown)
				free(text);
			text = grown;
		}
	}
	*error = !text ? ENOMEM : ferror(f) ? EIO : *len > SCRIPT_MAX ? EFBIG : 0;
	fclose(f);
	if (*error) {
		free(text);
		return NULL;
	}
	return text;
}

static void run_job(struct pool *p, struct job *j)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	size_t len = 0;
	char *text = read_file(j->path, &len, &j->error);
	if (!text) {
		j->status = L4_ESYS;
		return;
	}
	struct l4_drill_options o = {
		.options = p->options,
		.n_options = p->n_options,
		.dry_run = p->dry_run,
		.trace = p->verbose ? on_trace : NULL,
		.ctx = j,
	};
	j->status = l4_drill_run(&j->result, j->path, text, len, &o);
	free(text);
	clock_gettime(CLOCK_MONOTONIC, &b);
	j->seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* ---- Telling ---- */

static const char *message(const struct job *j)
{
	if (j->status == L4_ESYS)
		return strerror(j->error);
	if (j->status == L4_ENOMEM)
		return "out of memory";
	return j->result.message;
}

/* Each line with a prefix. */
static void print_block(const char *prefix, const char *text)
{
	while (text && *text) {
		size_t n = strcspn(text, "\n");
		printf("%s%.*s\n", prefix, (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void print_json_text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			printf("\\u%04x", (unsigned)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void print_json(const struct job *j)
{
	static const char *const words[] = { "passed", "failed", "broken" };
	printf("{\"script\":");
	print_json_text(j->path);
	printf(",\"status\":\"%s\"", j->status < 0 ? "error" : words[j->status]);
	if (j->status)
		printf(",\"line\":%d,\"message\":", j->result.line);
	if (j->status)
		print_json_text(message(j));
	printf(",\"virtual_us\":%llu,\"seconds\":%.6f,\"packets_in\":%u,\"packets_out\":%u,"
	       "\"calls\":%u}\n",
	    (unsigned long long)j->result.time_us, j->seconds, j->result.packets_in,
	    j->result.packets_out, j->result.calls);
}

static void print_job(const struct pool *p, size_t i)
{
	const struct job *j = &p->jobs[i];
	bool ok = j->status == L4_DRILL_PASSED;
	print_block(p->tap ? "# " : "", j->lines);
	if (p->json) {
		print_json(j);
	} else if (p->tap) {
		printf("%sok %zu - %s\n", ok ? "" : "not ", i + 1, j->path);
		if (!ok)
			printf("# %s:%d: %s\n", j->path, j->result.line, message(j));
		if (!ok)
			print_block("# ", j->result.report);
	} else if (!ok) {
		printf("%s:%d: %s\n", j->path, j->result.line, message(j));
		print_block("", j->result.report);
	} else if (!p->quiet && p->n > 1) {
		printf("ok %s\n", j->path);
	}
	fflush(stdout);
}

/* Prints what is ready, in order. Called with the lock held. */
static void print_ready(struct pool *p)
{
	while (p->printed < p->n && p->jobs[p->printed].done) {
		print_job(p, p->printed);
		p->passed += p->jobs[p->printed].status == L4_DRILL_PASSED;
		p->printed++;
	}
}

static void *work(void *arg)
{
	struct pool *p = arg;
	pthread_mutex_lock(&p->lock);
	while (p->next < p->n) {
		struct job *j = &p->jobs[p->next++];
		pthread_mutex_unlock(&p->lock);
		run_job(p, j);
		pthread_mutex_lock(&p->lock);
		j->done = true;
		print_ready(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int run_all(struct pool *p, long jobs)
{
	pthread_t threads[JOBS_MAX];
	long started = 0;
	if (jobs > (long)p->n)
		jobs = (long)p->n;
	if (p->tap)
		printf("1..%zu\n", p->n);
	for (; started < jobs - 1; started++)
		if (pthread_create(&threads[started], NULL, work, p))
			break;
	work(p);
	for (long i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	bool system = false, broken = false;
	for (size_t i = 0; i < p->n; i++) {
		system = system || p->jobs[i].status < 0;
		broken = broken || p->jobs[i].status == L4_DRILL_BROKEN;
	}
	if (!p->tap && !p->json && p->n > 1)
		printf("%zu of %zu scripts passed\n", p->passed, p->n);
	if (p->passed == p->n)
		return L4_EXIT_DONE;
	return system ? L4_EXIT_SYSTEM : broken ? L4_EXIT_USAGE : L4_EXIT_NO;
}

/* ---- Options ---- */

static bool add_option(struct pool *p, const char *name, const char *value)
{
	size_t n = strlen(name) + strlen(value) + 2;
	char *text = malloc(n);
	const char **grown = realloc(p->options, (p->n_options + 1) * sizeof(*grown));
	if (grown)
		p->options = grown;
	if (!text || !grown) {
		free(text);
		return false;
	}
	snprintf(text, n, "%s%s%s", name, value[0] ? "=" : "", value);
	p->options[p->n_options++] = text;
	return true;
}

static void free_pool(struct pool *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->jobs[i].path);
		free(p->jobs[i].lines);
		l4_drill_result_free(&p->jobs[i].result);
	}
	for (size_t i = 0; i < p->n_options; i++) {
		char *text;
		memcpy(&text, &p->options[i], sizeof(text));
		free(text);
	}
	free(p->options);
	free(p->jobs);
}

enum { OPT_TAP = 256, OPT_JSON, OPT_HELP, OPT_IP, OPT_PASS };

static const struct option long_options[] = {
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "jobs", required_argument, NULL, 'j' },
	{ "tap", no_argument, NULL, OPT_TAP },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "dry_run", no_argument, NULL, 'n' },
	{ "define", required_argument, NULL, 'D' },
	{ "set", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "ip-version", required_argument, NULL, OPT_IP },
	{ "ip_version", required_argument, NULL, OPT_IP },
	{ "local_ip", required_argument, NULL, OPT_PASS },
	{ "remote_ip", required_argument, NULL, OPT_PASS },
	{ "gateway_ip", required_argument, NULL, OPT_PASS },
	{ "netmask_ip", required_argument, NULL, OPT_PASS },
	{ "bind_port", required_argument, NULL, OPT_PASS },
	{ "connect_port", required_argument, NULL, OPT_PASS },
	{ "mtu", required_argument, NULL, OPT_PASS },
	{ "mss", required_argument, NULL, OPT_PASS },
	{ "speed", required_argument, NULL, OPT_PASS },
	{ "seed", required_argument, NULL, OPT_PASS },
	{ "tolerance_usecs", required_argument, NULL, OPT_PASS },
	{ "tolerance_percent", required_argument, NULL, OPT_PASS },
	{ "tcp_ts_tick_usecs", required_argument, NULL, OPT_PASS },
	{ "tcp_ts_ecr_scaled", no_argument, NULL, OPT_PASS },
	{ "strict_segments", no_argument, NULL, OPT_PASS },
	{ "non_fatal", required_argument, NULL, OPT_PASS },
	{ "layer4", required_argument, NULL, OPT_PASS },
	{ "so_flags", required_argument, NULL, OPT_PASS },
	{ NULL, 0, NULL, 0 },
};

/* Returns an exit code, or -1 to go on. */
static int parse_options(struct pool *p, int argc, char **argv, long *jobs)
{
	int c, index;
	bool ok = true;
	while ((c = getopt_long(argc, argv, "vqj:nD:s:64m", long_options, &index)) != -1) {
		switch (c) {
		case 'v':
			p->verbose = true;
			break;
		case 'q':
			p->quiet = true;
			break;
		case 'j': {
			char *end;
			*jobs = strtol(optarg, &end, 10);
			if (*end || *jobs < 1 || *jobs > JOBS_MAX) {
				fprintf(stderr,
				    "l4 drill: -j wants a number from 1 to %d, not '%s'\n",
				    JOBS_MAX, optarg);
				return L4_EXIT_USAGE;
			}
			break;
		}
		case 'n':
			p->dry_run = true;
			break;
		case 'D':
			ok = add_option(p, "define", optarg);
			break;
		case 's':
			ok = add_option(p, "layer4", optarg);
			break;
		case '6':
			ok = add_option(p, "ip_version", "ipv6");
			break;
		case '4':
			ok = add_option(p, "ip_version", "ipv4");
			break;
		case 'm':
			ok = add_option(p, "ip_version", "ipv4-mapped-ipv6");
			break;
		case OPT_TAP:
			p->tap = true;
			break;
		case OPT_JSON:
			p->json = true;
			break;
		case OPT_IP:
			ok = add_option(p, "ip_version", optarg);
			break;
		case OPT_PASS:
			ok = add_option(p, long_options[index].name, optarg ? optarg : "");
			break;
		case OPT_HELP:
			fputs(usage_text, stdout);
			return L4_EXIT_DONE;
		default:
			fputs("Try 'l4 drill --help'.\n", stderr);
			return L4_EXIT_USAGE;
		}
		if (!ok) {
			fputs("l4 drill: out of memory\n", stderr);
			return L4_EXIT_SYSTEM;
		}
	}
	return -1;
}

int cmd_drill(int argc, char **argv)
{
	struct pool p = { .jobs = NULL };
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);
	if (jobs < 1 || jobs > JOBS_MAX)
		jobs = jobs < 1 ? 1 : JOBS_MAX;
	int code = parse_options(&p, argc, argv, &jobs);
	if (code < 0 && optind == argc) {
		fputs("l4 drill: name a script or a folder of scripts; see 'l4 drill --help'\n",
		    stderr);
		code = L4_EXIT_USAGE;
	}
	for (int i = optind; code < 0 && i < argc; i++)
		if (add_tree(&p, argv[i], 0) < 0)
			code = L4_EXIT_SYSTEM;
	if (code < 0 && !p.n) {
		fputs("l4 drill: no .pkt file there\n", stderr);
		code = L4_EXIT_USAGE;
	}
	if (code < 0) {
		pthread_mutex_init(&p.lock, NULL);
		code = run_all(&p, jobs);
		pthread_mutex_destroy(&p.lock);
	}
	free_pool(&p);
	return code;
}
