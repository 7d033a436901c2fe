/* Functions that stay out of their callers, or in them. Any layer may include this.
 *
 * A caller with a short way and a long one saves the registers of the long one each time when the
 * compiler puts both into one function. */
#ifndef L4_BASE_APART_H
#define L4_BASE_APART_H

#define L4_APART  __attribute__((noinline))
#define L4_WITHIN inline __attribute__((always_inline)) /* and the opposite */

#endif
