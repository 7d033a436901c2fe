/* A thread on another processor than ours. Included by src/cli only. */
#ifndef L4_CLI_APART_H
#define L4_CLI_APART_H

#include <pthread.h>

/* As pthread_create() with default attributes, but the thread begins on the nth (from 0) allowed
 * processor that the caller is not on. It may be moved later, as any thread. */
int apart_start(pthread_t *thread, unsigned nth, void *(*run)(void *), void *arg);

#endif
