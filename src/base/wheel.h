/* A hierarchical timing wheel: very many deadlines, each added, removed and fired in constant
 * time, exact to the nanosecond. Any layer may include this.
 *
 * Nodes live inside what they time (24 bytes each); the wheel allocates nothing. A node is in one
 * wheel at most. Zeroed memory is a node that is not armed. */
#ifndef L4_BASE_WHEEL_H
#define L4_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <layer4/time.h>

#define L4_WHEEL_BITS   6
#define L4_WHEEL_SLOTS  64
#define L4_WHEEL_LEVELS 11 /* 11 * 6 >= 64 bits of time */

struct l4_wheel_node {
	struct l4_wheel_node *next, *prev; /* in the slot's ring; NULL: not armed */
	l4_time deadline;
};

struct l4_wheel {
	l4_time cur;                        /* every node due before it was popped */
	size_t count;                       /* nodes armed */
	uint16_t levels;                    /* bit l: level l has nodes */
	uint64_t occupied[L4_WHEEL_LEVELS]; /* bit s: slot s of the level has nodes */
	/* Heads of the slots' rings; a head's deadline is a time before which no node of it is. */
	struct l4_wheel_node slot[L4_WHEEL_LEVELS][L4_WHEEL_SLOTS];
};

/* now: any time; later calls must not go back behind it. */
void l4_wheel_init(struct l4_wheel *w, l4_time now);
/* Arms the node, or moves it when it was armed. L4_TIME_NEVER disarms it. A deadline that passed
 * already is due at once. */
void l4_wheel_add(struct l4_wheel *w, struct l4_wheel_node *n, l4_time deadline);
/* Disarms the node; nothing happens when it is not armed. */
void l4_wheel_del(struct l4_wheel *w, struct l4_wheel_node *n);
/* A time before which nothing is due, L4_TIME_NEVER when no node is armed. It is the earliest
 * deadline itself, except after a node was removed: then it may be early, never late. */
l4_time l4_wheel_next(const struct l4_wheel *w);
/* Removes and returns the earliest node whose deadline is <= now, NULL when there is none. Nodes
 * come in the order of their deadlines. The caller loops until NULL, adding as it likes. */
struct l4_wheel_node *l4_wheel_pop(struct l4_wheel *w, l4_time now);
/* Checks the structure's invariants, for tests. */
bool l4_wheel_check(const struct l4_wheel *w);

static inline bool l4_wheel_is_armed(const struct l4_wheel_node *n)
{
	return n->next != NULL;
}

#endif
