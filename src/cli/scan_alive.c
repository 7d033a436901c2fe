/* Telling silence from a stall.
 *
 * A timeout measures our patience, not the port. On a busy machine the kernel's thread that handles
 * received packets may itself wait a hundred milliseconds for a processor, and a target may stop
 * for a while; then every probe of that time looks filtered. But packets do not overtake each other
 * much: once a probe that was sent later is answered, the answer to an earlier one is no longer on
 * its way. So that is asked for, and where nothing else is being answered, a port known to answer
 * is probed again to see. If that is silent too for PATIENCE, the path is down (or the target has
 * shut us out), and silence is taken for what it is. Where nothing has ever answered there is
 * nothing to compare with, and time alone decides. */
#include "cli/scan.h"

#define PATIENCE    L4_SEC
#define DELAY_FIRST (10 * L4_MSEC) /* between canaries, doubled each time */
#define DELAY_MOST  (160 * L4_MSEC)

void scan_alive_on_answer(struct scan_alive *a, uint64_t probe, l4_time sent)
{
	a->probe = probe;
	if (sent > a->sent)
		a->sent = sent;
	else if (!a->sent)
		a->sent = 1; /* something answers, we cannot say since when */
	if (a->wanted && a->sent >= a->wanted) {
		a->wanted = 0;
		a->delay = 0;
	}
}

bool scan_alive_since(struct scan_alive *a, l4_time sent, l4_time now, l4_time due)
{
	if (!a->sent || a->sent > sent || now > due + PATIENCE)
		return true;
	if (a->wanted < sent + 1)
		a->wanted = sent + 1;
	return false;
}

bool scan_alive_ask(struct scan_alive *a, l4_time now, uint64_t *probe)
{
	if (!a->wanted || (a->asked >= a->wanted && now < a->asked + a->delay))
		return false;
	a->delay = !a->delay ? DELAY_FIRST : a->delay * 2 > DELAY_MOST ? DELAY_MOST : a->delay * 2;
	a->asked = now;
	*probe = a->probe;
	return true;
}
