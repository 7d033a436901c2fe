/* A sorted set of ranges of sequence numbers, [start, end) each, that neither touch nor overlap.
 * Any layer may include this. Used for reassembly queues and SACK scoreboards.
 *
 * The array is the caller's, so is its growth (l4_ranges_move); the set never allocates. All
 * numbers in a set must lie within 2^31 of each other. Finding is O(log n), changing O(n) moves. */
#ifndef L4_BASE_RANGES_H
#define L4_BASE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct l4_range {
	uint32_t start, end; /* [start, end), end after start */
};

struct l4_ranges {
	struct l4_range *r; /* n ranges in order */
	uint32_t n;
	uint32_t cap; /* room in r */
};

void l4_ranges_init(struct l4_ranges *s, struct l4_range *array, uint32_t cap);
/* Takes a larger array: copies the ranges there; the old one is the caller's again. */
void l4_ranges_move(struct l4_ranges *s, struct l4_range *array, uint32_t cap);
/* Adds [start, end), joining what it touches. Returns how many numbers are new (0 for an empty
 * range), or L4_ELIMIT when one more range would be needed than fits; then nothing changed. At
 * most 2^31 - 1 numbers fit in one set. */
int64_t l4_ranges_add(struct l4_ranges *s, uint32_t start, uint32_t end);
/* Removes [start, end). Returns how many numbers went, or L4_ELIMIT when a range would have to be
 * split and there is no room. */
int64_t l4_ranges_remove(struct l4_ranges *s, uint32_t start, uint32_t end);
/* Removes everything before seq; returns how many numbers went. */
uint32_t l4_ranges_remove_below(struct l4_ranges *s, uint32_t seq);
/* Whether all of [start, end) is in the set; an empty range is. */
bool l4_ranges_contains(const struct l4_ranges *s, uint32_t start, uint32_t end);
/* Whether any of [start, end) is in the set. */
bool l4_ranges_touches(const struct l4_ranges *s, uint32_t start, uint32_t end);
/* Index of the first range whose end is after seq; n when there is none. */
uint32_t l4_ranges_find(const struct l4_ranges *s, uint32_t seq);
/* The lowest range, NULL when the set is empty. */
const struct l4_range *l4_ranges_first(const struct l4_ranges *s);
/* How many numbers the set holds. */
uint32_t l4_ranges_total(const struct l4_ranges *s);
/* Checks the invariants, for tests. */
bool l4_ranges_check(const struct l4_ranges *s);

#endif
