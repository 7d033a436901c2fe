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
	    "Then the fields that stand there only with some values of another field, and what "
	    "may\n"
	    "stand in the lists of a layer. With a field, also the names of its values.\n\n"
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

/* What an expression calls it: the alias, or what follows the protocol's name. Tables with names of
 * their family (mdns, ipv6.hopopts) have them behind the first dot. */
static const char *short_name(const struct l4_proto *p, const struct l4_field *f)
{
	size_t n = strlen(p->name);
	if (f->alias)
		return f->alias;
	if (!strncmp(f->name, p->name, n) && f->name[n] == '.')
		return f->name + n + 1;
	const char *dot = strchr(f->name, '.');
	return dot ? dot + 1 : f->name;
}

/* The shorter name that expressions take too. */
static const char *second_name(const struct l4_proto *p)
{
	static const char *const names[] = { "ip6", "icmp6", "hopopts", "dstopts", "routing",
		"frag", "qinq" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (l4_craft_proto(names[i]) == p)
			return names[i];
	return NULL;
}

/* The table's row of a form's: that has the meaning and the names of values. */
static const struct l4_field *table_row(const struct l4_field *f)
{
	const struct l4_field *t = f->label ? f : l4_field_find(f->name, NULL);
	return t ? t : f;
}

/* "type=5", or nothing for what holds always. */
static void when_text(const struct l4_craft_form *form, char *out, size_t cap)
{
	size_t n = 0;
	*out = 0;
	for (unsigned i = 0; i < form->n_values && n < cap; i++)
		n += (size_t)(i ? snprintf(out + n, cap - n, " or %u", form->values[i])
				: snprintf(out, cap, "%s=%u", form->by, form->values[i]));
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

static void field_json(const struct l4_proto *p, const struct l4_field *f,
    const struct l4_craft_form *form, bool values)
{
	char def[64], when[48];
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
	if (form && form->n_values) {
		when_text(form, when, sizeof when);
		printf(",\"when\":\"%s\"", when);
	}
	const struct l4_field *t = table_row(f);
	printf(",\"meaning\":");
	json_cstr(stdout, t->label ? t->label : "");
	if (values && t->values) {
		printf(",\"values\":{");
		for (const struct l4_value *v = t->values; v->name; v++) {
			printf("%s\"%" PRIu64 "\":", v == t->values ? "" : ",", v->value);
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
	const struct l4_field *t = table_row(f);
	printf("  %-18s %s", def, t->label ? t->label : "");
	if (writable(f) && f->derive)
		printf(" (%s)", derived(f));
	if (t->unit)
		printf(" [%s]", t->unit);
	putchar('\n');
}

/* Fields that stand there only in some headers. */
static void show_forms(const struct l4_proto *p, bool json)
{
	const struct l4_craft_form *form;
	char when[48];
	for (size_t i = 0; (form = l4_craft_form(p, i)) != NULL; i++) {
		when_text(form, when, sizeof when);
		if (!json)
			printf(*when ? "\n  with %s, header %u bytes\n" : "\n  in every header\n",
			    when, form->header_bits / 8u);
		for (size_t k = 0; k < form->n_fields; k++)
			if (json)
				field_json(p, &form->fields[k], form, false);
			else
				field_line(p, &form->fields[k]);
	}
}

static void option_json(const struct l4_proto *p, const struct l4_craft_option *o)
{
	printf("{\"protocol\":\"%s\",\"list\":\"%s\",\"option\":\"%s\",\"kind\":%" PRIu32
	       ",\"values\":\"%s\",\"meaning\":",
	    p->name, o->list, o->name, o->kind, o->args);
	json_cstr(stdout, o->title);
	printf("}\n");
}

/* What may stand in the lists of the layer. */
static void show_options(const struct l4_proto *p, bool json)
{
	const struct l4_craft_option *o;
	const char *list = "";
	char text[120];
	for (size_t i = 0; (o = l4_craft_option(p, i)) != NULL; i++) {
		if (json) {
			option_json(p, o);
			continue;
		}
		if (strcmp(list, o->list))
			printf("\n  %s=[...]\n", o->list);
		list = o->list;
		bool more = strchr(o->format, '*') != NULL, record = !strncmp(o->list, "qd", 2);
		record |=
		    !strcmp(o->list, "an") || !strcmp(o->list, "ns") || !strcmp(o->list, "ar");
		if (!*o->name)
			snprintf(text, sizeof text, "%s, ...", o->args);
		else if (*o->args || record)
			snprintf(text, sizeof text, "%s(%s%s%s%s)", o->name,
			    !record         ? ""
			    : o->kind == 41 ? "size"
					    : "name",
			    record && *o->args ? "," : "", o->args, more ? ",..." : "");
		else
			snprintf(text, sizeof text, "%s", o->name);
		printf("    %-40s ", text);
		if (*o->name && o->kind)
			printf("%5" PRIu32 "  ", o->kind);
		else
			printf("%7s", "");
		printf("%s\n", o->title);
	}
}

static void show_protocol(const struct l4_proto *p, bool all, bool json)
{
	bool head = false;
	const char *second = second_name(p);
	if (!json)
		printf("%s%s%s%s: %s, header %u bytes\n", p->name, second ? " (" : "",
		    second ? second : "", second ? ")" : "", p->title, p->header_bits / 8u);
	for (size_t i = 1; i < p->n_fields; i++) {
		const struct l4_field *f = &p->fields[i];
		if (!f->name || (!all && !writable(f)))
			continue;
		if (json) {
			field_json(p, f, NULL, false);
			continue;
		}
		if (!head)
			printf("  %-22s bits  %-18s %s\n", "field", "default", "meaning");
		head = true;
		field_line(p, f);
	}
	if (!json && !head)
		printf("  no field with a fixed place%s\n", all ? "" : "; see --all");
	show_forms(p, json);
	show_options(p, json);
}

static void show_field(const struct l4_proto *p, const struct l4_field *f, bool json)
{
	if (json) {
		field_json(p, f, NULL, true);
		return;
	}
	field_line(p, f);
	for (const struct l4_value *v = table_row(f)->values; v && v->name; v++)
		printf("    %8" PRIu64 "  0x%04" PRIx64 "  %s\n", v->value, v->value, v->name);
}

static void show_all(bool json)
{
	for (size_t i = 0; i < l4_proto_count(); i++) {
		const struct l4_proto *p = l4_proto_at(i);
		const struct l4_craft_form *form;
		const char *second = second_name(p);
		unsigned n = 0, w = 0, o = 0;
		char name[40];
		for (size_t k = 1; k < p->n_fields; k++) {
			n += p->fields[k].name != NULL;
			w += p->fields[k].name && writable(&p->fields[k]);
		}
		for (size_t k = 0; (form = l4_craft_form(p, k)) != NULL; k++)
			w += form->n_fields;
		while (l4_craft_option(p, o))
			o++;
		if (json) {
			printf("{\"protocol\":\"%s\",\"title\":", p->name);
			json_cstr(stdout, p->title);
			if (second)
				printf(",\"short\":\"%s\"", second);
			printf(
			    ",\"header_bytes\":%u,\"fields\":%u,\"writable\":%u,\"options\":%u}\n",
			    p->header_bits / 8u, n, w, o);
			continue;
		}
		snprintf(
		    name, sizeof name, "%s%s%s", p->name, second ? " " : "", second ? second : "");
		printf("%-20s %3u fields, %3u to write", name, n, w);
		if (o)
			printf(", %2u options", o);
		else
			printf("%12s", "");
		printf("  %s\n", p->title);
	}
	if (!json)
		printf("\n\"text\", raw(hex=), file(path), pad(n), pad(to=n), fuzz(layers): see "
		       "l4-craft(1)\n");
}

static int unknown(const char *what, const char *name, const struct l4_proto *p)
{
	char near[160];
	fprintf(stderr, "l4 ls: no %s '%s'", what, name);
	const char *last = p && strchr(name, '.') ? strrchr(name, '.') + 1 : name;
	if (l4_craft_nearest(p, last, near, sizeof near))
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
	/* Some protocols have a dot in their name. */
	const struct l4_proto *p = l4_craft_proto(arg);
	if (p) {
		show_protocol(p, all, json);
		return L4_EXIT_DONE;
	}
	while (dot && !strncmp(arg, "ipv6.", 5) && strchr(dot + 1, '.'))
		dot = strchr(dot + 1, '.');
	snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - arg) : (int)strlen(arg), arg);
	p = l4_craft_proto(name);
	if (!p)
		return unknown("protocol", name, NULL);
	const struct l4_field *f = dot ? l4_craft_field(p, dot + 1) : NULL;
	if (!f && dot)
		f = l4_field_short(p, dot + 1);
	if (!f)
		return unknown("field", arg, p);
	show_field(p, f, json);
	return L4_EXIT_DONE;
}
