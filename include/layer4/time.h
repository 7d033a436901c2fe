/* Time: one unit in the whole library, nanoseconds since an origin that the embedder chooses. */
#ifndef LAYER4_TIME_H
#define LAYER4_TIME_H

#include <stdint.h>

typedef uint64_t l4_time; /* ns */

#define L4_TIME_NEVER UINT64_MAX

#define L4_NSEC ((l4_time)1)
#define L4_USEC ((l4_time)1000)
#define L4_MSEC ((l4_time)1000000)
#define L4_SEC  ((l4_time)1000000000)

#endif
