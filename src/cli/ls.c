/* l4 ls: the protocol tables, for reading: protocols, their fields, widths, defaults, meaning.
 *
 * Nothing is known here of any protocol: what is printed is what dissect reads and craft writes.
 * Fields that are computed, or are second names for filters, are shown with --all only. */
#include <layer4/field.h>
#include <layer4/packet.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"

static void usage(FILE *f)
{
	fputs(
	    "Usage: l4 ls [OPTION...] [PROTOCOL[.FIELD]]\n\n"
	    "Without an argument the protocols; with one its fields: short name for expressions "
	    "of\n"
	    "l4 craft, width in bits, default, and meaning. 'derived' is computed when not given.\n"
	    "With a field, also the names of its values.\n\n"
	    "  -a, --all    also fields that are only read: computed ones, and names for filters\n"
	    "      --json   one object a line\n"
	    "  -h, --help   this text\n\n"
	    "Exit: 0 shown, 1 no such protocol or field, 2 wrong use.\n\n"
	    "Examples:\n"
	    "  l4 ls\n"
	    "  l4 ls tcp\n"
	    "  l4 ls ip.proto\n",
	    f);
}

static const char *derived(const struct l4_field *f)
{
	static const char *const text[] = { NULL, "length from here to the end",
		"bytes after the header", "header length in words", "checksum of the header",
		"checksum to the end", "checksum with pseudo-header", "protocol that follows",
		"number of records", "number of records less one",
		"header length in units of 8 bytes, less one", "port of the protocol that follows",
		"client's port of the protocol that follows" };
	return f->derive < sizeof text / sizeof text[0] ? text[f->derive] : NULL;
}

/* What an expression calls it: the alias, or what follows the protocol's name. */
static const char *short_name(const struct l4_proto *p, const struct l4_field *f)
{
	size_t n = strlen(p->name);
	if (f->alias)
		return f->alias;
	return !strncmp(f->name, p->name, n) && f->name[n] == '.' ? f->name + n + 1 : f->name;
}

static bool writable(const struct l4_field *f)
{
	return f->bits && !(f->flags & (L4_FF_GENERATED | L4_FF_HIDDEN | L4_FF_EXPERT));
}

static void default_text(const struct l4_field *f, char *out, size_t cap)
{
	uint64_t v = f->def;
	if (!writable(f))
		snprintf(out, cap, "-");
	else if (f->derive)
		snprintf(out, cap, "derived");
	else if (f->type == L4_FT_IP4)
		snprintf(out, cap, "%u.%u.%u.%u", (unsigned)(v >> 24 & 255),
		    (unsigned)(v >> 16 & 255), (unsigned)(v >> 8 & 255), (unsigned)(v & 255));
	else if (f->type == L4_FT_IP6)
		snprintf(out, cap, v ? "::%" PRIx64 : "::", v);
	else if (f->type == L4_FT_MAC)
		snprintf(out, cap, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(v >> 40 & 255),
		    (unsigned)(v >> 32 & 255), (unsigned)(v >> 24 & 255), (unsigned)(v >> 16 & 255),
		    (unsigned)(v >> 8 & 255), (unsigned)(v & 255));
	else if (v && (f->base == L4_BASE_HEX || f->base == L4_BASE_HEX_DEC))
		snprintf(out, cap, "0x%" PRIx64, v);
	else
		snprintf(out, cap, "%" PRIu64, v);
}

static void field_json(const struct l4_proto *p, const struct l4_field *f, bool values)
{
	char def[64];
	default_text(f, def, sizeof def);
	printf("{\"protocol\":\"%s\",\"name\":\"%s\",\"short\":\"%s\"", p->name, f->name,
	    short_name(p, f));
	printf(",\"bits\":%u", f->bits);
	if (f->bits)
		printf(",\"bit\":%u", f->bit);
	printf(",\"writable\":%s", writable(f) ? "true" : "false");
	if (writable(f) && !f->derive)
		printf(",\"default\":\"%s\"", def);
	if (writable(f) && f->derive)
		printf(",\"derived\":\"%s\"", derived(f));
	printf(",\"meaning\":");
	json_cstr(stdout, f->label);
	if (values && f->values) {
		printf(",\"values\":{");
		for (const struct l4_value *v = f->values; v->name; v++) {
			printf("%s\"%" PRIu64 "\":", v == f->values ? "" : ",", v->value);
			json_cstr(stdout, v->name);
		}
		printf("}");
	}
	printf("}\n");
}

static void field_line(const struct l4_proto *p, const struct l4_field *f)
{
	char def[64], name[80];
	default_text(f, def, sizeof def);
	snprintf(name, sizeof name, "%*s%s", f->depth * 2, "", short_name(p, f));
	printf("  %-22s ", name);
	if (f->bits)
		printf("%4u", f->bits);
	else
		printf("   -");
	printf("  %-18s %s", def, f->label);
	if (writable(f) && f->derive)
		printf(" (%s)", derived(f));
	if (f->unit)
		printf(" [%s]", f->unit);
	putchar('\n');
}

static void show_protocol(const struct l4_proto *p, bool all, bool json)
{
	bool head = false;
	if (!json)
		printf("%s: %s, header %u bytes\n", p->name, p->title, p->header_bits / 8u);
	for (size_t i = 1; i < p->n_fields; i++) {
		const struct l4_field *f = &p->fields[i];
		if (!f->name || (!all && !writable(f)))
			continue;
		if (json) {
			field_json(p, f, false);
			continue;
		}
		if (!head)
			printf("  %-22s bits  %-18s %s\n", "field", "default", "meaning");
		head = true;
		field_line(p, f);
	}
	if (!json && !head)
		printf("  no field with a fixed place%s\n", all ? "" : "; see --all");
}

static void show_field(const struct l4_proto *p, const struct l4_field *f, bool json)
{
	if (json) {
		field_json(p, f, true);
		return;
	}
	field_line(p, f);
	for (const struct l4_value *v = f->values; v && v->name; v++)
		printf("    %8" PRIu64 "  0x%04" PRIx64 "  %s\n", v->value, v->value, v->name);
}

static void show_all(bool json)
{
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		unsigned n = 0, w = 0;
		for (size_t k = 1; k < p->n_fields; k++) {
			n += p->fields[k].name != NULL;
			w += p->fields[k].name && writable(&p->fields[k]);
		}
		if (json) {
			printf("{\"protocol\":\"%s\",\"title\":", p->name);
			json_cstr(stdout, p->title);
			printf(",\"header_bytes\":%u,\"fields\":%u,\"writable\":%u}\n",
			    p->header_bits / 8u, n, w);
		} else {
			printf("%-12s %3u fields, %3u to write  %s\n", p->name, n, w, p->title);
		}
	}
}

static int unknown(const char *what, const char *name, const struct l4_proto *p)
{
	char near[160];
	fprintf(stderr, "l4 ls: no %s '%s'", what, name);
	if (l4_craft_nearest(p, name, near, sizeof near))
		fprintf(stderr, "; near: %s", near);
	fputc('\n', stderr);
	return L4_EXIT_NO;
}

int cmd_ls(int argc, char **argv)
{
	static const struct option longs[] = { { "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	bool all = false, json = false;
	int c;
	while ((c = getopt_long(argc, argv, "ah", longs, NULL)) != -1)
		switch (c) {
		case 'a':
			all = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return L4_EXIT_DONE;
		default:
			return L4_EXIT_USAGE;
		}
	if (argc - optind > 1) {
		fprintf(stderr, "l4 ls: one protocol at a time; see 'l4 ls --help'\n");
		return L4_EXIT_USAGE;
	}
	if (optind == argc) {
		show_all(json);
		return L4_EXIT_DONE;
	}
	char name[64];
	const char *arg = argv[optind], *dot = strchr(arg, '.');
	snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - arg) : (int)strlen(arg), arg);
	/* Some protocols have a dot in their names (ipv6.routing). */
	const struct l4_proto *p = l4_proto_find(arg);
	if (p)
		dot = NULL;
	else
		p = l4_craft_proto(name);
	if (!p)
		return unknown("protocol", name, NULL);
	if (!dot) {
		show_protocol(p, all, json);
		return L4_EXIT_DONE;
	}
	const struct l4_field *f = l4_craft_field(p, dot + 1);
	if (!f)
		f = l4_field_short(p, dot + 1);
	if (!f)
		return unknown("field", arg, p);
	show_field(p, f, json);
	return L4_EXIT_DONE;
}
