/* l4 ports: the TCP and UDP sockets of this machine and whose they are.
 *
 * Sockets come by netlink (ports_diag.c), processes from one walk of /proc on several threads
 * (ports_proc.c) that runs at the same time; this file reads the options, filters, sorts and, with
 * --watch, tells one listing from the one before. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/ports.h"
#include "cli/ports_names.h"

/* What the user wants to see. */
struct options {
	struct ports_query q;
	struct ports_format fmt;
	struct ports_set ports; /* of --port */
	const char *process;    /* name or pid; NULL: all */
	bool by_port, listening, watch, all_netns;
	double interval_s;
	struct ports_set asked; /* of the arguments: who has these? */
	uint8_t asked_proto;    /* 0: both */
	bool ask;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void usage(FILE *f)
{
	fputs(
	    "Usage: l4 ports [OPTION...] [PORT[/tcp|/udp]...]\n"
	    "\n"
	    "Lists the TCP and UDP sockets of this machine with their processes. With a PORT "
	    "(number,\n"
	    "range or name), answers in one line who has it; exit code 1 when nobody does.\n"
	    "\n"
	    "  -l, --listening        only sockets that wait for peers\n"
	    "  -t, --tcp  -u, --udp   only this protocol\n"
	    "  -4  -6                 only this version of IP\n"
	    "  -s, --state LIST       only these states: listen, established, time-wait, ...\n"
	    "  -p, --port LIST        only these ports at either end: 80,443 or 1-1023 or ssh\n"
	    "  -P, --process NAME     only sockets held by this process, by name or pid\n"
	    "  -i, --info             what the kernel knows of each connection: RTT, cwnd, losses\n"
	    "  -A, --all-namespaces   the sockets of all network namespaces (needs root)\n"
	    "  -w, --watch            keep running and print what changes\n"
	    "      --interval SEC     how often to look with --watch (default 1)\n"
	    "  -n, --numeric          no names of services and users\n"
	    "      --json             one JSON object a line\n"
	    "  -h, --help             this text\n"
	    "\n"
	    "Examples:\n"
	    "  l4 ports 8080                   who has port 8080\n"
	    "  l4 ports --listening            which services run here\n"
	    "  l4 ports -t -s established -i   connections with their RTT and losses\n"
	    "  l4 ports --watch -P nginx       what nginx opens and closes\n",
	    f);
}

static const struct {
	const char *name;
	unsigned states;
} state_names[] = {
#define PORTS_STATE(name, number, text) { text, 1u << (number) },
	PORTS_STATES(PORTS_STATE)
#undef PORTS_STATE
	/* The words of other tools, and groups. */
	{ "estab", 1u << PORTS_ESTABLISHED },
	{ "connected", 1u << PORTS_ESTABLISHED },
	{ "unconnected", 1u << PORTS_CLOSED },
	{ "unconn", 1u << PORTS_CLOSED },
	{ "closed", 1u << PORTS_BOUND },
	{ "listening", 1u << PORTS_LISTEN },
	{ "syn-recv", 1u << PORTS_SYN_RECEIVED | 1u << PORTS_NEW_SYN_RECEIVED },
	{ "all", PORTS_ALL_STATES },
};

static bool parse_states(const char *text, unsigned *states)
{
	char *copy = strdup(text), *save = NULL;
	*states = 0;
	for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w;
	     w = strtok_r(NULL, ",", &save)) {
		unsigned bits = 0;
		for (char *p = w; *p; p++)
			*p = *p == '_' ? '-' : *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
		for (size_t i = 0; i < sizeof state_names / sizeof *state_names; i++)
			if (!strcmp(w, state_names[i].name))
				bits |= state_names[i].states;
		if (!bits) {
			fprintf(stderr, "l4 ports: '%s' is no state; states are", w);
			for (size_t i = 0; i < 13; i++)
				if (i != 11)
					fprintf(stderr, " %s", state_names[i].name);
			fputc('\n', stderr);
			free(copy);
			return false;
		}
		*states |= bits;
	}
	free(copy);
	return *states != 0;
}

/* "8080", "53/udp", "http", "1-1024": adds to what is asked. */
static bool parse_asked(struct options *o, const char *text)
{
	char buf[128];
	struct ports_set set;
	snprintf(buf, sizeof buf, "%s", text);
	char *slash = strchr(buf, '/');
	uint8_t proto = 0;
	if (slash) {
		*slash = 0;
		proto = !strcmp(slash + 1, "tcp")   ? PORTS_TCP
			: !strcmp(slash + 1, "udp") ? PORTS_UDP
						    : 1;
	}
	const char *error = proto == 1 ? "after the slash must stand tcp or udp"
				       : ports_set_parse(&set, buf, proto);
	if (error) {
		fprintf(stderr, "l4 ports: %s\n", error);
		return false;
	}
	for (size_t i = 0; i < 1024; i++)
		o->asked.bits[i] |= set.bits[i];
	o->asked_proto = o->ask && o->asked_proto != proto ? 0 : proto;
	o->ask = true;
	return true;
}

enum { OPT_JSON = 256, OPT_INTERVAL };

static const struct option long_options[] = {
	{ "listening", no_argument, NULL, 'l' },
	{ "tcp", no_argument, NULL, 't' },
	{ "udp", no_argument, NULL, 'u' },
	{ "state", required_argument, NULL, 's' },
	{ "port", required_argument, NULL, 'p' },
	{ "process", required_argument, NULL, 'P' },
	{ "info", no_argument, NULL, 'i' },
	{ "all-namespaces", no_argument, NULL, 'A' },
	{ "watch", no_argument, NULL, 'w' },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "numeric", no_argument, NULL, 'n' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Returns -1 to go on, else the exit code. */
static int parse_options(struct options *o, int argc, char **argv)
{
	const char *error;
	char *end;
	bool state = false;
	o->interval_s = 1;
	o->q = (struct ports_query){ .states = PORTS_ALL_STATES, .lport_max = 65535 };
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, "ltu46s:p:P:iAwnh", long_options, NULL)) != -1;) {
		switch (c) {
		case 'l':
			o->listening = true;
			break;
		case 't':
			o->q.tcp = true;
			break;
		case 'u':
			o->q.udp = true;
			break;
		case '4':
			o->q.ip4 = true;
			break;
		case '6':
			o->q.ip6 = true;
			break;
		case 's':
			if (!parse_states(optarg, &o->q.states))
				return L4_EXIT_USAGE;
			state = true;
			break;
		case 'p':
			error = ports_set_parse(&o->ports, optarg, 0);
			if (error) {
				fprintf(stderr, "l4 ports: --port: %s\n", error);
				return L4_EXIT_USAGE;
			}
			o->by_port = true;
			break;
		case 'P':
			o->process = optarg;
			break;
		case 'i':
			o->q.info = o->fmt.info = true;
			break;
		case 'A':
			o->all_netns = o->fmt.netns = true;
			break;
		case 'w':
			o->watch = true;
			break;
		case OPT_INTERVAL:
			o->interval_s = strtod(optarg, &end);
			if (*end || !(o->interval_s >= 0.01 && o->interval_s <= 86400)) {
				fprintf(stderr,
				    "l4 ports: --interval %s: say seconds, 0.01 to 86400\n",
				    optarg);
				return L4_EXIT_USAGE;
			}
			break;
		case 'n':
			o->fmt.numeric = true;
			break;
		case OPT_JSON:
			o->fmt.json = true;
			break;
		case 'h':
			usage(stdout);
			return L4_EXIT_DONE;
		default:
			fputs("Try 'l4 ports --help'.\n", stderr);
			return L4_EXIT_USAGE;
		}
	}
	for (int i = optind; i < argc; i++)
		if (!parse_asked(o, argv[i]))
			return L4_EXIT_USAGE;
	if (!o->q.tcp && !o->q.udp)
		o->q.tcp = o->q.udp = true;
	if (!o->q.ip4 && !o->q.ip6)
		o->q.ip4 = o->q.ip6 = true;
	if (o->listening && !state)
		o->q.states = 1u << PORTS_LISTEN | 1u << PORTS_CLOSED;
	if (o->ask) {
		o->q.lport_min = 65535;
		o->q.lport_max = 0;
		for (unsigned p = 0; p < 65536; p++)
			if (ports_set_has(&o->asked, (uint16_t)p)) {
				o->q.lport_min = p < o->q.lport_min ? (uint16_t)p : o->q.lport_min;
				o->q.lport_max = (uint16_t)p;
			}
	}
	const char *no_color = getenv("NO_COLOR");
	o->fmt.colour = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	return -1;
}

static bool held_by(const struct ports_table *t, const struct ports_sock *s, const char *who)
{
	char *end;
	long pid = strtol(who, &end, 10);
	for (uint32_t h = s->holder; h; h = t->holders[h - 1].next) {
		const struct ports_proc *p = &t->procs[t->holders[h - 1].proc];
		if (!strcmp(p->comm, who) || (!*end && p->pid == pid))
			return true;
	}
	return false;
}

static bool wanted(const struct options *o, const struct ports_table *t, const struct ports_sock *s)
{
	if (o->by_port && !ports_set_has(&o->ports, s->lport) &&
	    !(s->rport && ports_set_has(&o->ports, s->rport)))
		return false;
	if (o->ask &&
	    (!ports_set_has(&o->asked, s->lport) || (o->asked_proto && s->proto != o->asked_proto)))
		return false;
	return !o->process || held_by(t, s, o->process);
}

/* With a question about ports: the sockets whose processes will be shown, if they are few; else 0.
 * The answer in one line shows those of the sockets that wait for peers where there are any. */
static size_t choose_sought(const struct options *o, const struct ports_table *t, uint32_t *out)
{
	bool one = ports_set_count(&o->asked) == 1 && !o->fmt.json;
	bool passive[256] = { false }; /* by protocol */
	size_t n = 0;
	for (size_t i = 0; i < t->n && one; i++)
		if (t->socks[i].inode && ports_is_passive(&t->socks[i]))
			passive[t->socks[i].proto] = true;
	for (size_t i = 0; i < t->n; i++) {
		const struct ports_sock *s = &t->socks[i];
		if (!s->inode || (passive[s->proto] && !ports_is_passive(s)))
			continue;
		if (n == PORTS_SOUGHT_MAX)
			return 0;
		out[n++] = (uint32_t)i;
	}
	return n;
}

/* Reads everything; 0 or an exit code, with the message printed. */
static int read_all(const struct options *o, struct ports_table *t)
{
	const char *what = "the table of namespaces";
	ports_table_clear(t);
	/* Whom to look for is known only when the sockets are: that wait is worth it for few. */
	struct ports_walk *w = o->ask ? NULL : ports_walk_start(t, NULL, 0);
	int r = o->all_netns ? ports_netns_list(t) : 0;
	if (r == 0)
		r = ports_diag_read(t, &o->q, 0, &what);
	int e = errno;
	if (r == 0 && o->all_netns) {
		what = "other namespaces";
		r = ports_netns_read(t, &o->q);
		e = errno;
	}
	if (r == 0 && o->ask && t->n) {
		uint32_t sought[PORTS_SOUGHT_MAX];
		w = ports_walk_start(t, sought, choose_sought(o, t, sought));
	}
	if (w && ports_walk_join(w, t) < 0) {
		what = "processes";
		r = -1;
		e = ENOMEM;
	}
	if (r < 0) {
		fprintf(stderr, "l4 ports: %s: %s; is /proc mounted and netlink allowed?\n", what,
		    strerror(e));
		return L4_EXIT_SYSTEM;
	}
	return 0;
}

static const struct ports_table *sort_table;

static int by_place(const void *a, const void *b)
{
	const struct ports_sock *x = &sort_table->socks[*(const uint32_t *)a];
	const struct ports_sock *y = &sort_table->socks[*(const uint32_t *)b];
	bool lx = x->state == PORTS_LISTEN, ly = y->state == PORTS_LISTEN;
	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (lx != ly)
		return lx ? -1 : 1;
	if (x->lport != y->lport)
		return x->lport < y->lport ? -1 : 1;
	if (x->rport != y->rport)
		return x->rport < y->rport ? -1 : 1;
	return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

/* The rows to show, in order; caller frees. NULL: no memory. */
static uint32_t *choose(const struct options *o, const struct ports_table *t, size_t *n)
{
	uint32_t *rows = malloc((t->n + 1) * sizeof *rows);
	*n = 0;
	for (size_t i = 0; rows && i < t->n; i++)
		if (wanted(o, t, &t->socks[i]))
			rows[(*n)++] = (uint32_t)i;
	if (rows) {
		sort_table = t;
		qsort(rows, *n, sizeof *rows, by_place);
	}
	return rows;
}

/* What we could not see, and what would help. */
static void tell_hidden(const struct ports_table *t)
{
	if (t->hidden_socks && geteuid() != 0)
		fprintf(stderr,
		    "l4 ports: the processes of %zu socket%s cannot be seen: %zu process%s of "
		    "other users; "
		    "run it as root to see them\n",
		    t->hidden_socks, t->hidden_socks == 1 ? "" : "s", t->hidden_procs,
		    t->hidden_procs == 1 ? "" : "es");
	else if (t->hidden_socks && t->hidden_procs)
		fprintf(stderr, "l4 ports: the processes of %zu sockets cannot be seen here\n",
		    t->hidden_socks);
	if (t->hidden_netns)
		fprintf(stderr, "l4 ports: %zu network namespace%s could not be entered%s\n",
		    t->hidden_netns, t->hidden_netns == 1 ? "" : "s",
		    geteuid() ? " (run it as root)" : "");
}

static int list(const struct options *o, struct ports_table *t)
{
	int r = read_all(o, t);
	if (r)
		return r;
	size_t n;
	uint32_t *rows = choose(o, t, &n);
	if (!rows) {
		fputs("l4 ports: no memory for the list\n", stderr);
		return L4_EXIT_SYSTEM;
	}
	if (o->fmt.json)
		for (size_t i = 0; i < n; i++)
			ports_print_json(stdout, t, &t->socks[rows[i]], &o->fmt, NULL);
	else
		ports_print_table(stdout, t, rows, n, &o->fmt);
	free(rows);
	tell_hidden(t);
	return L4_EXIT_DONE;
}

static int answer(const struct options *o, struct ports_table *t)
{
	int r = read_all(o, t);
	if (r)
		return r;
	bool any = false, one = ports_set_count(&o->asked) == 1;
	unsigned last = 0;
	for (unsigned p = o->q.lport_min; p <= o->q.lport_max; p++) {
		if (!ports_set_has(&o->asked, (uint16_t)p))
			continue;
		last = p;
		if (o->asked_proto != PORTS_UDP && o->q.tcp)
			any |= ports_print_answer(stdout, t, (uint16_t)p, PORTS_TCP, &o->fmt);
		if (o->asked_proto != PORTS_TCP && o->q.udp)
			any |= ports_print_answer(stdout, t, (uint16_t)p, PORTS_UDP, &o->fmt);
	}
	if (!any && one)
		printf("nobody has port %u\n", last);
	else if (!any)
		puts("nobody has any of these ports");
	tell_hidden(t);
	return any ? L4_EXIT_DONE : L4_EXIT_NO;
}

/* --- watch -------------------------------------------------------------------------------- */

static int by_identity(const void *a, const void *b)
{
	const struct ports_sock *x = a, *y = b;
	if (x->cookie != y->cookie)
		return x->cookie < y->cookie ? -1 : 1;
	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	return x->lport != y->lport ? (x->lport < y->lport ? -1 : 1) : 0;
}

static void print_event(const struct options *o, const struct ports_table *t,
    const struct ports_sock *s, const char *event, const struct ports_sock *before)
{
	char l[128], r[128], who[256];
	if (!wanted(o, t, s))
		return;
	if (o->fmt.json) {
		ports_print_json(stdout, t, s, &o->fmt, event);
		return;
	}
	ports_format_local(s, l, sizeof l);
	ports_format_remote(s, r, sizeof r);
	ports_format_holders(t, s, who, sizeof who);
	time_t now = time(NULL);
	char clock[16] = "";
	struct tm tm;
	if (localtime_r(&now, &tm))
		strftime(clock, sizeof clock, "%H:%M:%S", &tm);
	printf("%s %-7s %s %s -> %s %s%s%s %s\n", clock, event,
	    s->proto == PORTS_TCP ? "tcp" : "udp", l, r, before ? ports_state_name(before) : "",
	    before ? " -> " : "", ports_state_name(s), who);
}

/* Both tables sorted by identity: merge them. */
static void compare(
    const struct options *o, const struct ports_table *old, const struct ports_table *new)
{
	size_t i = 0, j = 0;
	while (i < old->n || j < new->n) {
		const struct ports_sock *a = i < old->n ? &old->socks[i] : NULL;
		const struct ports_sock *b = j < new->n ? &new->socks[j] : NULL;
		int c = !a ? 1 : !b ? -1 : by_identity(a, b);
		if (c < 0) {
			print_event(o, old, a, "closed", NULL);
			i++;
		} else if (c > 0) {
			print_event(o, new, b, "opened", NULL);
			j++;
		} else {
			if (a->state != b->state || a->rport != b->rport)
				print_event(o, new, b, "changed", a);
			i++;
			j++;
		}
	}
}

static int watch(const struct options *o)
{
	struct ports_table tables[2] = { 0 };
	struct sigaction sa = { .sa_handler = on_signal };
	int result = L4_EXIT_DONE, now = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	result = list(o, &tables[0]);
	if (tables[0].n)
		qsort(tables[0].socks, tables[0].n, sizeof *tables[0].socks, by_identity);
	while (result == L4_EXIT_DONE && !stopped && fflush(stdout) == 0) {
		struct timespec ts = { .tv_sec = (time_t)o->interval_s };
		ts.tv_nsec = (long)((o->interval_s - (double)ts.tv_sec) * 1e9);
		nanosleep(&ts, NULL);
		if (stopped)
			break;
		struct ports_table *old = &tables[now], *new = &tables[now ^ 1];
		result = read_all(o, new);
		if (new->n)
			qsort(new->socks, new->n, sizeof *new->socks, by_identity);
		compare(o, old, new);
		now ^= 1;
	}
	ports_table_fini(&tables[0]);
	ports_table_fini(&tables[1]);
	return result;
}

int cmd_ports(int argc, char **argv)
{
	static struct options o;
	struct ports_table t = { 0 };
	static char out[1 << 16];
	int r = parse_options(&o, argc, argv);
	if (r >= 0)
		return r;
	setvbuf(stdout, out, _IOFBF, sizeof out);
	if (o.watch)
		r = watch(&o);
	else if (o.ask && !o.fmt.json)
		r = answer(&o, &t);
	else
		r = list(&o, &t);
	if (o.ask && o.fmt.json && r == L4_EXIT_DONE && t.n == 0)
		r = L4_EXIT_NO;
	ports_table_fini(&t);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "l4 ports: writing the output: %s\n", strerror(errno));
		return L4_EXIT_SYSTEM;
	}
	return r;
}
