/* Ctrl-C and friends, once for every command. Included by src/cli only. */
#ifndef L4_CLI_SIGNALS_H
#define L4_CLI_SIGNALS_H

/* SIGINT, SIGTERM and SIGHUP are noted; a second SIGINT ends at once. SIGPIPE is ignored. */
void signals_init(void);
/* The number of the signal that asked to stop, 0: none. */
int signals_stop(void);

#endif
