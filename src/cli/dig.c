/* l4 dig: one DNS question, asked over our own UDP and TCP. */
#include <layer4/dns.h>
#include <layer4/err.h>
#include <layer4/version.h>

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/dnsc.h"
#include "cli/json.h"
#include "cli/stack.h"

struct dig {
	struct stack_opts so;
	struct dnsc_opts o;
	const char *name_text;
	struct l4_dns_name name;
	uint16_t type;
	bool has_type, reverse, shorty, has_server;
	struct l4_endpoint server;
	uint16_t port;
};

static void usage(void)
{
	printf(
	    "Usage: l4 dig [OPTION...] NAME [TYPE] [@SERVER]\n\n"
	    "Asks a DNS server over layer4's own UDP, and TCP when the answer was cut.\n"
	    "TYPE is A (default), AAAA, MX, TXT, NS, SOA, SRV, CAA, HTTPS, PTR, ANY or TYPE123.\n\n"
	    "  -x, --reverse         NAME is an address; ask for its name (PTR)\n"
	    "  -p, --port N          the server's port (53)\n"
	    "      --tcp             TCP at once\n"
	    "      --no-tcp          take a cut answer as it is\n"
	    "      --bufsize N       EDNS buffer size (1232); 0: no EDNS\n"
	    "      --dnssec          ask for signatures\n"
	    "      --timeout T       of one try (2s)\n"
	    "      --tries N         questions sent (3)\n"
	    "      --short           only the data of the answers\n\n"
	    "%s\n"
	    "Exit: 0 answered, 1 no such name, no data, or no answer, 2 wrong use, 3 the system\n"
	    "failed or all answers were malformed.\n\n"
	    "Examples:\n"
	    "  l4 dig -d tap:l4 -a 10.4.0.2/24 example.test MX @10.4.0.1\n"
	    "  l4 dig -d packet:eth0 --shared --short example.org AAAA\n",
	    stack_help);
}

static const struct option longs[] = { STACK_LONG, { "reverse", no_argument, NULL, 'x' },
	{ "port", required_argument, NULL, 'p' }, { "tcp", no_argument, NULL, 1000 },
	{ "no-tcp", no_argument, NULL, 1001 }, { "bufsize", required_argument, NULL, 1002 },
	{ "dnssec", no_argument, NULL, 1003 }, { "timeout", required_argument, NULL, 1004 },
	{ "tries", required_argument, NULL, 1005 }, { "short", no_argument, NULL, 1006 },
	{ NULL, 0, NULL, 0 } };

static int bad_value(const char *what, const char *arg)
{
	fprintf(stderr, "l4 dig: not a %s: '%s'\n", what, arg);
	return -1;
}

/* 1 when taken, -1 when wrong. */
static int own_option(struct dig *d, int c, const char *arg)
{
	uint64_t v;
	switch (c) {
	case 'x':
		d->reverse = true;
		return 1;
	case 'p':
		if (stack_parse_number(&v, arg, 1, 65535) < 0)
			return bad_value("port", arg);
		d->port = (uint16_t)v;
		return 1;
	case 1000:
		d->o.tcp = true;
		return 1;
	case 1001:
		d->o.keep_tc = true;
		return 1;
	case 1002:
		if (stack_parse_number(&v, arg, 0, 65535) < 0)
			return bad_value("buffer size", arg);
		d->o.udp_size = (uint16_t)v;
		return 1;
	case 1003:
		d->o.dnssec = true;
		return 1;
	case 1004:
		if (stack_parse_time(&d->o.timeout, arg) < 0 || d->o.timeout == 0)
			return bad_value("time", arg);
		return 1;
	case 1005:
		if (stack_parse_number(&v, arg, 1, 100) < 0)
			return bad_value("number of tries", arg);
		d->o.tries = (unsigned)v;
		return 1;
	case 1006:
		d->shorty = true;
		return 1;
	default:
		return -1; /* getopt has said it */
	}
}

static int take_word(struct dig *d, const char *word)
{
	if (word[0] == '@') {
		if (l4_addr_parse(&d->server.addr, word + 1) < 0)
			return bad_value("server address", word + 1);
		d->has_server = true;
		return 0;
	}
	if (!d->name_text) {
		d->name_text = word;
		return 0;
	}
	int type = l4_dns_type_parse(word);
	if (type < 0 || d->has_type)
		return bad_value("record type", word);
	d->type = (uint16_t)type;
	d->has_type = true;
	return 0;
}

static int parse(struct dig *d, int argc, char **argv)
{
	int c;
	d->type = L4_DNS_A;
	d->port = L4_DNS_PORT;
	dnsc_opts_init(&d->o);
	optind = 1;
	while ((c = getopt_long(argc, argv, STACK_SHORT "xp:", longs, NULL)) != -1) {
		if (c == 910)
			return 1;
		int rc = stack_opt(&d->so, "dig", c, optarg);
		if (rc == 0)
			rc = own_option(d, c, optarg);
		if (rc < 0)
			return -1;
	}
	for (; optind < argc; optind++)
		if (take_word(d, argv[optind]) < 0)
			return -1;
	if (!d->name_text) {
		fprintf(stderr, "l4 dig: no name to ask for; see 'l4 dig --help'\n");
		return -1;
	}
	if (d->reverse) {
		struct l4_addr a;
		if (l4_addr_parse(&a, d->name_text) < 0)
			return bad_value("address", d->name_text);
		l4_dns_name_from_addr(&d->name, &a);
		d->type = d->has_type ? d->type : L4_DNS_PTR;
	} else if (l4_dns_name_from_text(&d->name, d->name_text) < 0) {
		return bad_value("domain name", d->name_text);
	}
	return 0;
}

/* --- output --- */

static const char *const section_name[] = { "question", "answer", "authority", "additional" };

/* The response code with EDNS's eight more bits. */
static uint16_t full_rcode(const struct dnsc_answer *a, const struct l4_dns_hdr *h)
{
	struct l4_dns_opt opt;
	if (l4_dns_edns(&opt, a->msg, a->len) == 1)
		return (uint16_t)(opt.ext_rcode << 4 | h->rcode);
	return h->rcode;
}

static void flags_text(const struct l4_dns_hdr *h, char *out, size_t cap)
{
	snprintf(out, cap, "%s%s%s%s%s%s%s", h->qr ? " qr" : "", h->aa ? " aa" : "",
	    h->tc ? " tc" : "", h->rd ? " rd" : "", h->ra ? " ra" : "", h->ad ? " ad" : "",
	    h->cd ? " cd" : "");
}

/* Data of a record as text; never fails. Room for any rdata: 4 characters a byte, and more. */
static char data_buf[4 * 65535 + 4096];

static const char *data_text(const struct l4_dns_rr *rr, const struct dnsc_answer *a)
{
	if (l4_dns_rdata_format(rr, a->msg, a->len, data_buf, sizeof(data_buf)) < 0)
		snprintf(data_buf, sizeof(data_buf), "(malformed)");
	return data_buf;
}

static unsigned print_short(const struct dnsc_answer *a)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	unsigned n = 0;
	l4_dns_iter_init(&it, NULL, a->msg, a->len);
	while (l4_dns_iter_next(&it, &rr) == 1) {
		if (rr.section != L4_DNS_ANSWER)
			continue;
		puts(data_text(&rr, a));
		n++;
	}
	return n;
}

static unsigned print_text(
    const struct dig *d, const struct dnsc_answer *a, const struct l4_dns_hdr *h)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	struct l4_dns_opt opt;
	char code[24], flags[40], server[L4_ENDPOINT_TEXT_MAX], name[L4_DNS_NAME_TEXT_MAX],
	    type[16], class_[16];
	unsigned n = 0;
	int section = -1;
	l4_dns_rcode_format(full_rcode(a, h), code, sizeof(code));
	flags_text(h, flags, sizeof(flags));
	l4_endpoint_format(&d->server, server, sizeof(server));
	printf("; status %s, id %u, flags%s\n", code, h->id, flags);
	if (l4_dns_edns(&opt, a->msg, a->len) == 1)
		printf("; EDNS version %u, UDP size %u%s\n", opt.version, opt.udp_size,
		    opt.dnssec_ok ? ", DNSSEC OK" : "");
	if (a->truncated_udp)
		printf("; the UDP answer was cut; asked again by TCP\n");
	l4_dns_iter_init(&it, NULL, a->msg, a->len);
	while (l4_dns_iter_next(&it, &rr) == 1) {
		if (rr.type == L4_DNS_OPT && rr.section == L4_DNS_ADDITIONAL)
			continue;
		if (rr.section != section) {
			section = rr.section;
			printf("\n; %s\n", section_name[section]);
		}
		l4_dns_name_format(&rr.name, name, sizeof(name));
		l4_dns_type_format(rr.type, type, sizeof(type));
		l4_dns_class_format(rr.class_, class_, sizeof(class_));
		if (rr.section == L4_DNS_QUESTION) {
			printf(";%-31s %-7s %-5s %s\n", name, "", class_, type);
			continue;
		}
		n += rr.section == L4_DNS_ANSWER;
		printf(
		    "%-32s %-7u %-5s %-7s %s\n", name, rr.ttl_s, class_, type, data_text(&rr, a));
	}
	printf("\n; %zu bytes by %s from %s in %.1f ms%s\n", a->len, a->tcp ? "TCP" : "UDP", server,
	    (double)a->rtt / 1e6, a->tries > 1 ? ", after several tries" : "");
	return n;
}

static unsigned print_json(
    const struct dig *d, const struct dnsc_answer *a, const struct l4_dns_hdr *h)
{
	struct l4_dns_iter it;
	struct l4_dns_rr rr;
	char code[24], server[L4_ENDPOINT_TEXT_MAX], name[L4_DNS_NAME_TEXT_MAX], text[16];
	unsigned n = 0;
	l4_dns_rcode_format(full_rcode(a, h), code, sizeof(code));
	l4_endpoint_format(&d->server, server, sizeof(server));
	l4_dns_name_format(&d->name, name, sizeof(name));
	l4_dns_type_format(d->type, text, sizeof(text));
	fputs("{\"name\":", stdout);
	json_cstr(stdout, name);
	printf(
	    ",\"type\":\"%s\",\"server\":\"%s\",\"status\":\"%s\",\"id\":%u,\"transport\":\"%s\","
	    "\"ms\":%.3f,\"size\":%zu,\"tries\":%u,\"truncated\":%s,\"flags\":[",
	    text, server, code, h->id, a->tcp ? "tcp" : "udp", (double)a->rtt / 1e6, a->len,
	    a->tries, a->truncated_udp || h->tc ? "true" : "false");
	static const char *const names[] = { "qr", "aa", "tc", "rd", "ra", "ad", "cd" };
	const bool set[] = { h->qr, h->aa, h->tc, h->rd, h->ra, h->ad, h->cd };
	const char *sep = "";
	for (size_t i = 0; i < 7; i++) {
		if (set[i]) {
			printf("%s\"%s\"", sep, names[i]);
			sep = ",";
		}
	}
	printf("]");
	for (int section = L4_DNS_ANSWER; section <= L4_DNS_ADDITIONAL; section++) {
		printf(",\"%s\":[", section_name[section]);
		sep = "";
		l4_dns_iter_init(&it, NULL, a->msg, a->len);
		while (l4_dns_iter_next(&it, &rr) == 1) {
			if (rr.section != section || rr.type == L4_DNS_OPT)
				continue;
			n += section == L4_DNS_ANSWER;
			l4_dns_name_format(&rr.name, name, sizeof(name));
			printf("%s{\"name\":", sep);
			json_cstr(stdout, name);
			l4_dns_type_format(rr.type, text, sizeof(text));
			printf(",\"ttl\":%u,\"type\":\"%s\",", rr.ttl_s, text);
			l4_dns_class_format(rr.class_, text, sizeof(text));
			printf("\"class\":\"%s\",\"data\":", text);
			json_cstr(stdout, data_text(&rr, a));
			printf("}");
			sep = ",";
		}
		printf("]");
	}
	printf("}\n");
	return n;
}

static int report(const struct dig *d, const struct dnsc_answer *a)
{
	struct l4_dns_hdr h;
	l4_dns_hdr_parse(&h, a->msg, a->len);
	unsigned n = d->so.json  ? print_json(d, a, &h)
		     : d->shorty ? print_short(a)
				 : print_text(d, a, &h);
	if (a->malformed || a->strange)
		fprintf(stderr, "l4 dig: passed over %u malformed and %u unfitting answers\n",
		    a->malformed, a->strange);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("l4 dig: standard output");
		return L4_EXIT_SYSTEM;
	}
	return full_rcode(a, &h) == L4_DNS_NOERROR && n ? L4_EXIT_DONE : L4_EXIT_NO;
}

static int ask(struct dig *d, struct stack *s)
{
	char server[L4_ENDPOINT_TEXT_MAX];
	if (!d->has_server && s->dns_n == 0) {
		fprintf(stderr, "l4 dig: no server to ask; give one as @ADDRESS or with --dns\n");
		return L4_EXIT_USAGE;
	}
	if (!d->has_server)
		d->server.addr = s->dns[0];
	d->server.port = d->port;
	l4_endpoint_format(&d->server, server, sizeof(server));
	struct dnsc_answer *a = calloc(1, sizeof(*a));
	if (!a) {
		fprintf(stderr, "l4 dig: no memory\n");
		return L4_EXIT_SYSTEM;
	}
	int rc = dnsc_ask(s, &d->server, &d->name, d->type, &d->o, a), code;
	if (rc == 0) {
		code = report(d, a);
	} else if (rc == L4_EABORTED || rc == L4_ESYS) {
		code = L4_EXIT_SYSTEM;
	} else if (rc == L4_EMALFORMED || a->malformed) {
		fprintf(stderr, "l4 dig: %s sent %u malformed answer%s and no good one\n", server,
		    a->malformed + a->strange, a->malformed + a->strange == 1 ? "" : "s");
		code = L4_EXIT_SYSTEM;
	} else if (rc == L4_ETIMEDOUT) {
		fprintf(stderr, "l4 dig: no answer from %s after %u tries\n", server, a->tries);
		code = L4_EXIT_NO;
	} else {
		fprintf(stderr, "l4 dig: %s: %s\n", server, l4_err_text(rc));
		code = L4_EXIT_NO;
	}
	free(a);
	return code;
}

int cmd_dig(int argc, char **argv)
{
	struct dig d;
	struct stack s;
	memset(&d, 0, sizeof(d));
	int rc = parse(&d, argc, argv);
	if (rc > 0) {
		usage();
		return L4_EXIT_DONE;
	}
	if (rc < 0)
		return L4_EXIT_USAGE;
	rc = stack_open(&s, &d.so, "dig");
	if (rc != L4_EXIT_DONE)
		return rc;
	rc = ask(&d, &s);
	stack_close(&s);
	return rc;
}
