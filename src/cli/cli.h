/* What the commands of the l4 tool share. Included by src/cli only. */
#ifndef L4_CLI_H
#define L4_CLI_H

/* Exit codes, the same for every command. */
enum l4_exit {
	L4_EXIT_DONE = 0,   /* done */
	L4_EXIT_NO = 1,     /* the answer is no: no reply, mismatch, port closed */
	L4_EXIT_USAGE = 2,  /* wrong use */
	L4_EXIT_SYSTEM = 3, /* the system failed, or the input is damaged */
};

struct l4_command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
	const char *summary;
};

#define L4_COMMAND(name, summary) int cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef L4_COMMAND

#endif
