/* A hierarchical timing wheel, tickless.
 *
 * A deadline is written in digits of six bits. With `cur` as the wheel's own time, a node lives on
 * the level of the highest digit in which its deadline differs from cur, in the slot of that
 * digit's value. So everything on level l comes before everything on level l+1, on one level the
 * slots come in order, and a slot of level 0 holds one nanosecond. The earliest slot is found with
 * two bit scans.
 *
 * To pop: when the earliest slot is on level 0 its first node is the answer. Otherwise cur is
 * moved to the slot's lower bound (nothing is before it) and the slot's nodes are placed
 * anew, each on a lower level. A node moves down at most eleven times in its life, and a lone node
 * once, so the cost per node is constant; time that passes without due nodes costs nothing.
 *
 * Invariants (l4_wheel_check): bits match rings; each node's place follows from its deadline and
 * cur; no node is before its slot's lower bound. Nodes added late (deadline < cur) are placed at
 * cur. */
#include "base/wheel.h"

#include <string.h>

static int top_bit(uint64_t v)
{
	return 63 - __builtin_clzll(v);
}

static int low_bit(uint64_t v)
{
	return __builtin_ctzll(v);
}

void l4_wheel_init(struct l4_wheel *w, l4_time now)
{
	memset(w, 0, sizeof *w);
	w->cur = now;
	for (int l = 0; l < L4_WHEEL_LEVELS; l++) {
		for (int i = 0; i < L4_WHEEL_SLOTS; i++) {
			struct l4_wheel_node *s = &w->slot[l][i];
			s->next = s->prev = s;
			s->deadline = L4_TIME_NEVER;
		}
	}
}

static int level_of(l4_time cur, l4_time at)
{
	return cur == at ? 0 : top_bit(cur ^ at) / L4_WHEEL_BITS;
}

static int digit(l4_time at, int level)
{
	return (int)(at >> (level * L4_WHEEL_BITS) & (L4_WHEEL_SLOTS - 1));
}

static void place(struct l4_wheel *w, struct l4_wheel_node *n)
{
	l4_time at = n->deadline < w->cur ? w->cur : n->deadline;
	int level = level_of(w->cur, at), i = digit(at, level);
	struct l4_wheel_node *s = &w->slot[level][i];
	n->next = s;
	n->prev = s->prev;
	s->prev->next = n;
	s->prev = n;
	if (at < s->deadline)
		s->deadline = at;
	w->occupied[level] |= (uint64_t)1 << i;
	w->levels = (uint16_t)(w->levels | 1u << level);
}

static void empty_slot(struct l4_wheel *w, int level, int i)
{
	w->slot[level][i].deadline = L4_TIME_NEVER;
	w->occupied[level] &= ~((uint64_t)1 << i);
	if (!w->occupied[level])
		w->levels = (uint16_t)(w->levels & ~(1u << level));
}

void l4_wheel_del(struct l4_wheel *w, struct l4_wheel_node *n)
{
	if (!l4_wheel_is_armed(n))
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	if (n->next == n->prev) {
		/* It was alone: what it points to is the slot's head. */
		size_t index = (size_t)(n->next - &w->slot[0][0]);
		empty_slot(w, (int)(index / L4_WHEEL_SLOTS), (int)(index % L4_WHEEL_SLOTS));
	}
	n->next = n->prev = NULL;
	w->count--;
}

void l4_wheel_add(struct l4_wheel *w, struct l4_wheel_node *n, l4_time deadline)
{
	l4_wheel_del(w, n);
	if (deadline == L4_TIME_NEVER)
		return;
	n->deadline = deadline;
	w->count++;
	place(w, n);
}

l4_time l4_wheel_next(const struct l4_wheel *w)
{
	if (!w->levels)
		return L4_TIME_NEVER;
	int level = low_bit(w->levels);
	return w->slot[level][low_bit(w->occupied[level])].deadline;
}

/* Moves the nodes of a slot, the wheel's earliest, to lower levels. */
static void cascade(struct l4_wheel *w, int level, int i)
{
	struct l4_wheel_node *s = &w->slot[level][i];
	struct l4_wheel_node *n = s->next;
	w->cur = s->deadline;
	s->next = s->prev = s;
	empty_slot(w, level, i);
	while (n != s) {
		struct l4_wheel_node *next = n->next;
		place(w, n);
		n = next;
	}
}

struct l4_wheel_node *l4_wheel_pop(struct l4_wheel *w, l4_time now)
{
	while (w->levels) {
		int level = low_bit(w->levels), i = low_bit(w->occupied[level]);
		struct l4_wheel_node *s = &w->slot[level][i];
		if (s->deadline > now)
			break;
		if (level == 0) {
			struct l4_wheel_node *n = s->next;
			w->cur = s->deadline;
			l4_wheel_del(w, n);
			return n;
		}
		cascade(w, level, i);
	}
	/* Nothing due: follow the time as long as no node has to move for it, so that new nodes
	 * find fine slots. */
	if (now > w->cur) {
		int level = level_of(w->cur, now);
		if (!(w->occupied[level] >> digit(now, level) & 1))
			w->cur = now;
	}
	return NULL;
}

bool l4_wheel_check(const struct l4_wheel *w)
{
	size_t seen = 0;
	for (int l = 0; l < L4_WHEEL_LEVELS; l++) {
		if ((w->occupied[l] != 0) != (w->levels >> l & 1))
			return false;
		for (int i = 0; i < L4_WHEEL_SLOTS; i++) {
			const struct l4_wheel_node *s = &w->slot[l][i];
			if ((s->next != s) != (w->occupied[l] >> i & 1))
				return false;
			for (const struct l4_wheel_node *n = s->next; n != s; n = n->next, seen++) {
				l4_time at = n->deadline < w->cur ? w->cur : n->deadline;
				if (n->next->prev != n || at < s->deadline)
					return false;
				if (level_of(w->cur, at) != l || digit(at, l) != i)
					return false;
			}
		}
	}
	return seen == w->count;
}
