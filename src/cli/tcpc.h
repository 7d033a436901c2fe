/* One TCP connection of a command that waits for it. Included by src/cli only. */
#ifndef L4_CLI_TCPC_H
#define L4_CLI_TCPC_H

#include <layer4/tcp.h>

#include <stdbool.h>

#include "cli/stack.h"

struct tcpc {
	struct stack *s;
	l4_ep ep; /* 0: none */
	bool connected, eof, closed;
	int err; /* L4_E* that ended it; 0 */
	bool has_info;
	struct l4_tcp_info info; /* as last seen: kept for after the end */
	struct l4_endpoint local, remote;
};

/* Makes the endpoint and sends the SYN; local may be NULL (any). 0 or L4_E*; message not printed.
 */
int tcpc_start(struct tcpc *c, struct stack *s, const struct l4_endpoint *local,
    const struct l4_endpoint *remote);
/* The same, then waits at most `timeout` for the connection. 0, L4_ETIMEDOUT, L4_EABORTED (a
 * signal), or what ended it. */
int tcpc_connect(
    struct tcpc *c, struct stack *s, const struct l4_endpoint *remote, l4_time timeout);
/* From a given port (0: any). */
int tcpc_connect_from(struct tcpc *c, struct stack *s, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, l4_time timeout);
/* Takes the events that wait and notes what concerns the connection. */
void tcpc_events(struct tcpc *c);
void tcpc_note_info(struct tcpc *c);
/* Ends it: in order when that can be had within `grace` (our FIN sent and acknowledged), else by
 * reset. */
void tcpc_finish(struct tcpc *c, bool in_order, l4_time grace);

#endif
