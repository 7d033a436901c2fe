/* The l4 tool: finds the command and hands over to it. */
#include <layer4/version.h>

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* One row a command, in the order of the help; each lives in the file of its name. */
static const struct l4_command commands[] = {
#define L4_COMMAND(name, summary) { #name, cmd_##name, summary },
#include "cli/commands.def"
#undef L4_COMMAND
	{ NULL, NULL, NULL },
};

static void usage(FILE *f)
{
	fputs("Usage: l4 COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n", f);
	for (const struct l4_command *c = commands; c->name; c++)
		fprintf(f, "  %-9s %s\n", c->name, c->summary);
	fputs("\n'l4 COMMAND --help' tells more about one; 'l4 --version' the version.\n", f);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return L4_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("l4 %s\n", l4_version());
		return L4_EXIT_DONE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return L4_EXIT_DONE;
	}
	for (const struct l4_command *c = commands; c->name; c++)
		if (!strcmp(c->name, argv[1]))
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "l4: '%s' is not a command; 'l4 --help' lists them\n", argv[1]);
	return L4_EXIT_USAGE;
}
