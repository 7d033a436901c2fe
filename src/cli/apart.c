/* Starting a thread on a processor of its own.
 *
 * On a busy machine the scheduler may leave a new thread beside its maker for longer than the work
 * of either lasts (seen: both threads of a walk of 30 ms on one processor, the other shared by
 * strangers). So the thread is made with one processor in its mask, which moves it at once, and
 * then given the maker's mask back. */
#define _GNU_SOURCE
#include "cli/apart.h"

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

struct start {
	void *(*run)(void *);
	void *arg;
	cpu_set_t mask; /* of the maker */
};

static void *start_main(void *p)
{
	struct start s = *(struct start *)p;
	free(p);
	(void)sched_setaffinity(0, sizeof s.mask, &s.mask);
	return s.run(s.arg);
}

/* The nth processor of the mask but ours; false when there is none. */
static bool pick(const cpu_set_t *mask, unsigned nth, cpu_set_t *one)
{
	int here = sched_getcpu(), others = CPU_COUNT(mask) - 1;
	if (others < 1)
		return false;
	nth %= (unsigned)others;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, mask) && i != here && nth-- == 0) {
			CPU_ZERO(one);
			CPU_SET(i, one);
			return true;
		}
	return false;
}

int apart_start(pthread_t *thread, unsigned nth, void *(*run)(void *), void *arg)
{
	struct start *s = malloc(sizeof *s);
	pthread_attr_t attr;
	cpu_set_t one;
	if (!s || sched_getaffinity(0, sizeof s->mask, &s->mask) < 0 ||
	    !pick(&s->mask, nth, &one) || pthread_attr_init(&attr) != 0) {
		free(s);
		return pthread_create(thread, NULL, run, arg);
	}
	s->run = run;
	s->arg = arg;
	int r = pthread_attr_setaffinity_np(&attr, sizeof one, &one);
	if (r == 0)
		r = pthread_create(thread, &attr, start_main, s);
	pthread_attr_destroy(&attr);
	if (r == 0)
		return 0;
	free(s);
	return pthread_create(thread, NULL, run, arg);
}
