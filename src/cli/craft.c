/* l4 craft: packets from an expression, shown or written; and expressions from packets.
 *
 * The library builds (layer4/packet.h), the views of l4 dissect show, so that what is printed of a
 * packet is what was put into it, read back by other code. */
#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/packet.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/capin.h"
#include "cli/cli.h"
#include "cli/dissect.h"
#include "cli/out.h"

enum { PACKET_MAX = 262144, TEXT_MAX = 4 * PACKET_MAX + 4096 };

struct craft {
	struct views views;
	struct l4_dissect *d;
	struct l4_craft_expr *expr;
	const char *from, *write_path;
	FILE *file;
	struct l4_capwr writer;
	uint64_t seed, max;
	bool json, c_array, count_only, view;
	uint8_t *buf;
};

static struct out output;

static void usage(FILE *f)
{
	fputs(
	    "Usage: l4 craft [OPTION...] EXPRESSION\n"
	    "       l4 craft [OPTION...] --from FILE\n\n"
	    "Builds the packets of an expression and shows them; with --from, prints the "
	    "expressions\n"
	    "that build the packets of a capture file. 'l4 ls' lists the protocols and fields.\n"
	    "Lengths, checksums and the next protocol are derived; what is given is kept, right "
	    "or\n"
	    "wrong. Lists, ranges and prefixes make many packets.\n\n"
	    "  -d, --detail      every field\n"
	    "  -l, --layers      each layer with its bytes\n"
	    "  -x, --hex         the bytes\n"
	    "      --c-array     the bytes as C source\n"
	    "      --json        one object a packet: number, link type, length, bytes in hex\n"
	    "  -w, --write FILE  to a pcapng file ('-': standard output)\n"
	    "  -c, --count       only how many packets it makes\n"
	    "      --max N       refuse more packets than this (65536)\n"
	    "      --seed N      what 'random' and fuzz() draw from (1)\n"
	    "      --from FILE   read back: pcap or pcapng, plain or compressed ('-': standard "
	    "input)\n"
	    "  -h, --help        this text\n\n"
	    "Exit: 0 done, 1 too many packets for --max, 2 wrong use or a wrong expression,\n"
	    "3 the system failed or the file is damaged.\n\n"
	    "Examples:\n"
	    "  l4 craft --detail "
	    "'ip(dst=192.0.2.2)/tcp(dport=80,flags=S,options=[mss(1460),ws(7)])'\n"
	    "  l4 craft -x 'eth()/ip6(dst=2001:db8::1)/udp()/dns(qname=example.test,qtype=AAAA)'\n"
	    "  l4 craft 'ip()/icmp(mtu=1400)/ip(src=192.0.2.1)/udp()'\n"
	    "  l4 craft -w syn.pcapng 'ip(dst=192.0.2.0/28)/tcp(dport=[22,80,443])'\n"
	    "  l4 craft --from syn.pcapng\n",
	    f);
}

/* The expression with a mark below the place. */
static int expression_error(const char *text, const struct l4_craft_error *e)
{
	fprintf(stderr, "l4 craft: column %u: %s\n", e->column, e->text);
	size_t n = strlen(text), from = e->column > 41 ? e->column - 41 : 0;
	if (n && !strpbrk(text, "\n\t\033"))
		fprintf(stderr, "  %.*s\n  %*s^\n", (int)(n - from < 78 ? n - from : 78),
		    text + from, (int)(e->column - 1 - from), "");
	return L4_EXIT_USAGE;
}

static int64_t load(void *ctx, const char *path, void *buf, size_t cap)
{
	(void)ctx;
	FILE *f = fopen(path, "rb");
	if (!f)
		return errno == ENOENT ? L4_ENOTFOUND : errno == EACCES ? L4_EPERM : L4_ESYS;
	size_t n = fread(buf, 1, cap, f);
	int64_t r = ferror(f) ? L4_ESYS : n == cap && fgetc(f) != EOF ? L4_EMSGSIZE : (int64_t)n;
	fclose(f);
	return r;
}

static int write_bytes(void *ctx, const void *data, size_t n)
{
	return fwrite(data, 1, n, ctx) == n ? 0 : L4_ESYS;
}

static int file_error(const char *path)
{
	fprintf(stderr, "l4 craft: %s: %s\n", path, strerror(errno));
	return L4_EXIT_SYSTEM;
}

static int open_file(struct craft *x, uint16_t linktype)
{
	if (linktype == L4_LINK_UNKNOWN) {
		fprintf(stderr,
		    "l4 craft: a capture file needs a link type, and the first layer has "
		    "none; put eth() or ip() in front, or raw(link=N,...)\n");
		return L4_EXIT_USAGE;
	}
	x->file = !strcmp(x->write_path, "-") ? stdout : fopen(x->write_path, "wb");
	if (!x->file || l4_capwr_init(&x->writer, write_bytes, x->file, "l4 craft") < 0 ||
	    l4_capwr_interface(&x->writer, linktype, 0, NULL, NULL) < 0)
		return file_error(x->write_path);
	return 0;
}

static void hex_digits(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out_fmt(&output, "%02x", p[i]);
}

static void c_array(uint64_t number, const uint8_t *p, size_t n)
{
	out_fmt(&output, "static const unsigned char packet_%" PRIu64 "[%zu] = {", number, n);
	for (size_t i = 0; i < n; i++)
		out_fmt(&output, "%s0x%02x,", i % 12 ? " " : "\n\t", p[i]);
	out_str(&output, "\n};\n");
}

static int show(struct craft *x, uint64_t number, uint16_t linktype, size_t n)
{
	struct l4_cap_packet c = { .data = x->buf,
		.caplen = (uint32_t)n,
		.len = (uint32_t)n,
		.number = number,
		.linktype = linktype,
		.fcs_len = -1,
		.ts_precision = 9 };
	struct l4_capwr_packet w = { .data = x->buf, .caplen = (uint32_t)n };
	if (x->file && l4_capwr_packet(&x->writer, &w) < 0)
		return file_error(x->write_path);
	if (x->c_array)
		c_array(number, x->buf, n);
	if (x->json) {
		out_fmt(&output, "{\"number\":%" PRIu64 ",\"link\":%u,\"bytes\":%zu,\"hex\":\"",
		    number, linktype, n);
		hex_digits(x->buf, n);
		out_str(&output, "\"}\n");
	}
	if (x->view || !(x->file || x->c_array || x->json))
		views_packet(&x->views, l4_dissect_packet(x->d, &c));
	return 0;
}

static int build_all(struct craft *x)
{
	uint64_t count = l4_craft_count(x->expr);
	uint16_t linktype = l4_craft_linktype(x->expr);
	if (x->count_only) {
		printf("%" PRIu64 "%s\n", count, count == UINT64_MAX ? " or more" : "");
		return L4_EXIT_DONE;
	}
	if (count > x->max) {
		fprintf(stderr,
		    "l4 craft: this makes %" PRIu64 "%s packets, more than --max %" PRIu64 "\n",
		    count, count == UINT64_MAX ? " or more" : "", x->max);
		return L4_EXIT_NO;
	}
	if (x->write_path) {
		int r = open_file(x, linktype);
		if (r)
			return r;
	}
	/* What has no link type cannot be read back; its bytes can be shown. */
	if (linktype == L4_LINK_UNKNOWN)
		x->views.hex = true;
	for (uint64_t i = 0; i < count; i++) {
		size_t n;
		int e = l4_craft_build(x->expr, i, x->seed, x->buf, PACKET_MAX, &n);
		if (e < 0) {
			fprintf(
			    stderr, "l4 craft: packet %" PRIu64 ": %s\n", i + 1, l4_err_text(e));
			return L4_EXIT_SYSTEM;
		}
		int r = show(x, i + 1, linktype, n);
		if (r)
			return r;
	}
	return L4_EXIT_DONE;
}

static int read_back(struct craft *x)
{
	struct l4_cap_packet p;
	struct capin *in = capin_open(x->from);
	if (!in)
		return file_error(x->from);
	struct l4_capfile *f = l4_capfile_new(capin_read, in);
	char *text = malloc(TEXT_MAX);
	int e = f && text ? 0 : L4_ENOMEM, status = L4_EXIT_DONE;
	while (!e && (e = l4_capfile_next(f, &p)) == 1) {
		int64_t n = l4_craft_text(p.linktype, p.data, p.caplen, text, TEXT_MAX);
		e = 0;
		if (n < 0) {
			fprintf(stderr, "l4 craft: %s: packet %" PRIu64 ": %s\n", x->from, p.number,
			    l4_err_text((int)n));
			status = L4_EXIT_SYSTEM;
			continue;
		}
		if (x->json) {
			out_fmt(&output, "{\"number\":%" PRIu64 ",\"link\":%u,\"expression\":\"",
			    p.number, p.linktype);
			out_json(&output, text, (size_t)n);
			out_str(&output, "\"}\n");
		} else {
			out_bytes(&output, text, (size_t)n);
			out_char(&output, '\n');
		}
	}
	if (e < 0) {
		uint64_t at = 0;
		const char *why = f ? l4_capfile_damage(f, &at) : "";
		fprintf(stderr, "l4 craft: %s: %s%s%s (at byte %" PRIu64 ")\n", x->from,
		    l4_err_text(e), *why ? ": " : "", why, at);
		status = L4_EXIT_SYSTEM;
	}
	free(text);
	l4_capfile_free(f);
	capin_close(in);
	return status;
}

static bool number(const char *arg, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(arg, &end, 0);
	return arg[0] >= '0' && arg[0] <= '9' && !*end && !errno;
}

/* 0: go on; otherwise the exit code + 1. */
static int read_options(struct craft *x, int argc, char **argv)
{
	static const struct option longs[] = { { "detail", no_argument, NULL, 'd' },
		{ "layers", no_argument, NULL, 'l' }, { "hex", no_argument, NULL, 'x' },
		{ "c-array", no_argument, NULL, 1000 }, { "json", no_argument, NULL, 1001 },
		{ "write", required_argument, NULL, 'w' }, { "count", no_argument, NULL, 'c' },
		{ "max", required_argument, NULL, 1002 }, { "seed", required_argument, NULL, 1003 },
		{ "from", required_argument, NULL, 1004 }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	int c;
	while ((c = getopt_long(argc, argv, "dlxw:ch", longs, NULL)) != -1)
		switch (c) {
		case 'd':
		case 'l':
			x->views.kind = c == 'd' ? VIEW_DETAIL : VIEW_LAYERS;
			x->view = true;
			break;
		case 'x':
			x->views.hex = x->view = true;
			break;
		case 'w':
			x->write_path = optarg;
			break;
		case 'c':
			x->count_only = true;
			break;
		case 1000:
			x->c_array = true;
			break;
		case 1001:
			x->json = true;
			break;
		case 1002:
		case 1003:
			if (!number(optarg, c == 1002 ? &x->max : &x->seed)) {
				fprintf(stderr, "l4 craft: not a number: '%s'\n", optarg);
				return L4_EXIT_USAGE + 1;
			}
			break;
		case 1004:
			x->from = optarg;
			break;
		case 'h':
			usage(stdout);
			return L4_EXIT_DONE + 1;
		default:
			return L4_EXIT_USAGE + 1;
		}
	if (argc - optind != (x->from ? 0 : 1)) {
		fprintf(stderr,
		    "l4 craft: one expression in quotes, or --from FILE; see 'l4 craft --help'\n");
		return L4_EXIT_USAGE + 1;
	}
	return 0;
}

int cmd_craft(int argc, char **argv)
{
	struct craft *x = calloc(1, sizeof *x);
	struct l4_craft_error err;
	int status = L4_EXIT_SYSTEM;
	if (!x)
		return status;
	x->max = 65536;
	x->seed = 1;
	x->views.kind = VIEW_SUMMARY;
	x->views.out = &output;
	output.fd = STDOUT_FILENO;
	int r = read_options(x, argc, argv);
	if (r) {
		free(x);
		return r - 1;
	}
	x->buf = malloc(PACKET_MAX);
	x->d = l4_dissect_new(&(struct l4_dissect_config){ .check_checksums = true });
	if (!x->buf || !x->d) {
		fprintf(stderr, "l4 craft: no memory\n");
	} else if (x->from) {
		status = read_back(x);
	} else {
		const char *text = argv[optind];
		views_prepare(&x->views, x->d);
		r = l4_craft_parse(&x->expr, text, load, NULL, &err);
		if (r == L4_EMALFORMED)
			status = expression_error(text, &err);
		else if (r < 0)
			fprintf(stderr, "l4 craft: %s\n", l4_err_text(r));
		else
			status = build_all(x);
	}
	out_flush(&output);
	if (output.failed && status == L4_EXIT_DONE)
		status = L4_EXIT_SYSTEM;
	if (x->file && (x->file == stdout ? fflush(stdout) : fclose(x->file)) &&
	    status == L4_EXIT_DONE)
		status = file_error(x->write_path);
	l4_craft_free(x->expr);
	l4_dissect_free(x->d);
	free(x->buf);
	free(x);
	return status;
}
