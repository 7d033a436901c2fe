/* A sorted set of sequence ranges in an array.
 *
 * Invariants: each range is non-empty; range i ends before range i+1 starts (they would have been
 * joined if they touched). So one binary search over the ends finds where anything belongs, and a
 * new range replaces the run of ranges that it touches. */
#include "base/ranges.h"

#include <layer4/err.h>

#include <string.h>

#include "base/seq.h"

void l4_ranges_init(struct l4_ranges *s, struct l4_range *array, uint32_t cap)
{
	s->r = array;
	s->n = 0;
	s->cap = cap;
}

void l4_ranges_move(struct l4_ranges *s, struct l4_range *array, uint32_t cap)
{
	if (s->n)
		memcpy(array, s->r, s->n * sizeof *array);
	s->r = array;
	s->cap = cap;
}

/* Index of the first range that ends at or after seq. */
static uint32_t find_touching(const struct l4_ranges *s, uint32_t seq)
{
	uint32_t low = 0, high = s->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (l4_seq_lt(s->r[mid].end, seq))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t l4_ranges_find(const struct l4_ranges *s, uint32_t seq)
{
	uint32_t i = find_touching(s, seq);
	return i < s->n && s->r[i].end == seq ? i + 1 : i;
}

/* Replaces `gone` ranges at i by `come` ranges (to be filled by the caller). */
static void resize(struct l4_ranges *s, uint32_t i, uint32_t gone, uint32_t come)
{
	memmove(s->r + i + come, s->r + i + gone, (s->n - i - gone) * sizeof *s->r);
	s->n = s->n - gone + come;
}

int64_t l4_ranges_add(struct l4_ranges *s, uint32_t start, uint32_t end)
{
	if (!l4_seq_lt(start, end))
		return 0;
	uint32_t i = find_touching(s, start), j = i, old = 0;
	uint32_t low = start, high = end;
	for (; j < s->n && l4_seq_leq(s->r[j].start, end); j++) {
		low = l4_seq_min(low, s->r[j].start);
		high = l4_seq_max(high, s->r[j].end);
		old += s->r[j].end - s->r[j].start;
	}
	if (i == j && s->n == s->cap)
		return L4_ELIMIT;
	resize(s, i, j - i, 1);
	s->r[i] = (struct l4_range){ low, high };
	return (int64_t)(high - low) - old;
}

int64_t l4_ranges_remove(struct l4_ranges *s, uint32_t start, uint32_t end)
{
	if (!l4_seq_lt(start, end))
		return 0;
	uint32_t i = l4_ranges_find(s, start), j = i, left = 0, old = 0;
	struct l4_range keep[2];
	for (; j < s->n && l4_seq_lt(s->r[j].start, end); j++) {
		struct l4_range r = s->r[j];
		old += r.end - r.start;
		/* What is left stands before `start` in the first range, behind `end` in the last.
		 */
		if (l4_seq_lt(r.start, start))
			keep[left++] = (struct l4_range){ r.start, start };
		if (l4_seq_lt(end, r.end))
			keep[left++] = (struct l4_range){ end, r.end };
	}
	if (left > j - i && s->n == s->cap)
		return L4_ELIMIT;
	resize(s, i, j - i, left);
	for (uint32_t k = 0; k < left; k++) {
		s->r[i + k] = keep[k];
		old -= keep[k].end - keep[k].start;
	}
	return old;
}

uint32_t l4_ranges_remove_below(struct l4_ranges *s, uint32_t seq)
{
	uint32_t i = l4_ranges_find(s, seq), gone = 0;
	for (uint32_t k = 0; k < i; k++)
		gone += s->r[k].end - s->r[k].start;
	if (i)
		resize(s, 0, i, 0);
	if (s->n && l4_seq_lt(s->r[0].start, seq)) {
		gone += seq - s->r[0].start;
		s->r[0].start = seq;
	}
	return gone;
}

bool l4_ranges_contains(const struct l4_ranges *s, uint32_t start, uint32_t end)
{
	if (!l4_seq_lt(start, end))
		return true;
	uint32_t i = l4_ranges_find(s, start);
	return i < s->n && l4_seq_leq(s->r[i].start, start) && l4_seq_leq(end, s->r[i].end);
}

bool l4_ranges_touches(const struct l4_ranges *s, uint32_t start, uint32_t end)
{
	if (!l4_seq_lt(start, end))
		return false;
	uint32_t i = l4_ranges_find(s, start);
	return i < s->n && l4_seq_lt(s->r[i].start, end);
}

const struct l4_range *l4_ranges_first(const struct l4_ranges *s)
{
	return s->n ? &s->r[0] : NULL;
}

uint32_t l4_ranges_total(const struct l4_ranges *s)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < s->n; i++)
		sum += s->r[i].end - s->r[i].start;
	return sum;
}

bool l4_ranges_check(const struct l4_ranges *s)
{
	if (s->n > s->cap)
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!l4_seq_lt(s->r[i].start, s->r[i].end))
			return false;
		if (i > 0 && !l4_seq_lt(s->r[i - 1].end, s->r[i].start))
			return false;
	}
	return true;
}
