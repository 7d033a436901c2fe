/* Streams put together for the protocols above TCP. For src/dissect only. */
#ifndef L4_DISSECT_STREAM_H
#define L4_DISSECT_STREAM_H

#include "dissect/engine.h"

/* A dissector over TCP that finds its message incomplete from `offset` on says how many bytes more
 * it needs in all, or that it cannot know yet; and returns without having put anything of it. */
#define STREAM_ONE_MORE  (UINT32_MAX)     /* at least one more segment */
#define STREAM_UNTIL_FIN (UINT32_MAX - 1) /* everything that comes */

static inline bool stream_want(struct l4_dissect *d, uint32_t offset, uint32_t need)
{
	if (!d->can_desegment)
		return false;
	d->deseg_offset = offset;
	d->deseg_need = need;
	return true;
}

#endif
