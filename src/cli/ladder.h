/* The ladder: one line a segment, with relative sequence numbers, times, arrows and hosts.
 * Included by src/cli only. */
#ifndef L4_CLI_LADDER_H
#define L4_CLI_LADDER_H

#include <layer4/addr.h>
#include <layer4/device.h>

#include <stdbool.h>
#include <stdio.h>

struct ladder;

enum ladder_way {
	LADDER_OUT, /* left to right: sent by the left host */
	LADDER_IN,  /* right to left */
};

struct ladder_config {
	FILE *out;
	bool json; /* one object a line */
	bool color;
	const char *left; /* names of the hosts; NULL: the addresses in the packets */
	const char *right;
};

/* NULL: no memory. */
struct ladder *ladder_new(const struct ladder_config *c);
void ladder_free(struct ladder *l);
/* One line of it, rendered. */
struct ladder_line {
	l4_time time;
	enum ladder_way way;
	uint32_t len; /* bytes of the frame */
	char text[400], why[160];
	char from[L4_ADDR_TEXT_MAX], to[L4_ADDR_TEXT_MAX];
};

/* Renders a frame. Remembers the connection's first sequence numbers and window scales, so frames
 * must come in the order in which they were sent or seen. */
void ladder_render(struct ladder *l, struct ladder_line *out, enum ladder_way way,
    enum l4_medium medium, const struct l4_frame *f, l4_time now);
/* Prints a rendered line. lost: it did not arrive (simulations know). */
void ladder_print(struct ladder *l, const struct ladder_line *line, bool lost);
/* Both. */
void ladder_frame(struct ladder *l, enum ladder_way way, enum l4_medium medium,
    const struct l4_frame *f, l4_time now);

#endif
