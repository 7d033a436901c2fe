/* One TCP connection of a command that waits for it: connecting, noting events, ending. */
#include "cli/tcpc.h"

#include <layer4/err.h>
#include <layer4/host.h>
#include <layer4/wire.h>

#include <string.h>

int tcpc_start(struct tcpc *c, struct stack *s, const struct l4_endpoint *local,
    const struct l4_endpoint *remote)
{
	struct l4_endpoint me;
	memset(c, 0, sizeof(*c));
	c->s = s;
	c->remote = *remote;
	memset(&me, 0, sizeof(me));
	if (local)
		me = *local;
	if (!stack_claim(s, L4_PROTO_TCP, &me.port))
		return L4_EINUSE;
	l4_ep ep = l4_tcp_new(s->host, NULL);
	if (ep < 0)
		return (int)ep;
	c->ep = ep;
	int rc = me.port ? l4_tcp_bind(s->host, ep, &me) : 0;
	if (rc == 0)
		rc = l4_tcp_connect(s->host, ep, remote, stack_now(s));
	if (rc < 0) {
		l4_tcp_abort(s->host, ep, stack_now(s));
		c->ep = 0;
	}
	return rc;
}

void tcpc_events(struct tcpc *c)
{
	struct l4_event ev[32];
	size_t n;
	while ((n = l4_host_events(c->s->host, ev, 32)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (ev[i].ep != c->ep || !c->ep)
				continue;
			if (ev[i].bits & L4_EV_CONNECTED)
				c->connected = true;
			if (ev[i].bits & L4_EV_EOF)
				c->eof = true;
			if (ev[i].bits & L4_EV_CLOSED)
				c->closed = true;
			if (ev[i].bits & L4_EV_ERROR)
				c->err = ev[i].err < 0 ? ev[i].err : L4_EABORTED;
		}
	}
}

void tcpc_note_info(struct tcpc *c)
{
	struct l4_tcp_info i;
	if (!c->ep || l4_tcp_info(c->s->host, c->ep, &i, stack_now(c->s)) < 0)
		return;
	c->info = i;
	c->has_info = true;
	l4_tcp_local(c->s->host, c->ep, &c->local);
}

int tcpc_connect(struct tcpc *c, struct stack *s, const struct l4_endpoint *remote, l4_time timeout)
{
	return tcpc_connect_from(c, s, NULL, remote, timeout);
}

int tcpc_connect_from(struct tcpc *c, struct stack *s, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, l4_time timeout)
{
	l4_time until = stack_now(s) + timeout;
	int rc = tcpc_start(c, s, local, remote);
	if (rc < 0)
		return rc;
	for (;;) {
		tcpc_events(c);
		if (c->connected)
			return 0;
		if (c->err || c->closed)
			rc = c->err ? c->err : L4_ERESET;
		else if (stack_now(s) >= until)
			rc = L4_ETIMEDOUT;
		else if (!stack_step(s, until))
			rc = s->failed ? L4_ESYS : L4_EABORTED;
		if (rc < 0)
			break;
	}
	l4_tcp_abort(s->host, c->ep, stack_now(s));
	c->ep = 0;
	return rc;
}

/* Whether nothing is left to wait for: both directions are over, or all we sent is acknowledged and
 * the peer keeps its side open. */
static bool is_over(void *ctx)
{
	struct tcpc *c = ctx;
	char waste[4096];
	while (l4_tcp_recv(c->s->host, c->ep, waste, sizeof(waste), 0, stack_now(c->s)) > 0)
		;
	tcpc_events(c);
	if (c->closed || c->err)
		return true;
	int st = l4_tcp_state(c->s->host, c->ep);
	return st < 0 || st == L4_TCP_TIME_WAIT || st == L4_TCP_CLOSED;
}

void tcpc_finish(struct tcpc *c, bool in_order, l4_time grace)
{
	if (!c->ep)
		return;
	tcpc_note_info(c);
	if (in_order && !c->err && !c->s->failed) {
		l4_tcp_shutdown(c->s->host, c->ep, stack_now(c->s));
		stack_drain(c->s, grace, is_over, c);
		tcpc_note_info(c);
		l4_tcp_close(c->s->host, c->ep, stack_now(c->s));
	} else {
		l4_tcp_abort(c->s->host, c->ep, stack_now(c->s));
	}
	c->ep = 0;
	/* the last segment leaves at the loop's next turn */
	if (!c->s->failed)
		l4_loop_once(c->s->loop, stack_now(c->s));
}
