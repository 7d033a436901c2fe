/* Example of <layer4/trace.h>: an event of the trace, rendered by the embedder, and the reason of a
 * frame as text. */
#include <layer4/trace.h>

#include <stdio.h>
#include <string.h>

/* The library never prints: a sink like this one gets the events. */
static void print_event(void *ctx, const struct l4_trace_event *e)
{
	int *seen = ctx;

	printf("%.3f ms %s", (double)e->time / (double)L4_MSEC, l4_trace_label(e->kind));
	for (unsigned i = 0; i < 4; i++)
		if (*l4_trace_value_name(e->kind, i))
			printf(" %s=%lld", l4_trace_value_name(e->kind, i), (long long)e->v[i]);
	putchar('\n');
	++*seen;
}

int main(void)
{
	int seen = 0;
	struct l4_trace_sink sink = { print_event, &seen };
	struct l4_trace_event e = { .time = 1500 * L4_USEC,
		.kind = L4_TRACE_TCP_RTT,
		.v = { 20000000, 20500000, 900000, 200000000 } };
	struct l4_why why = { .code = L4_WHY_RTX_RTO, .a = 200000000, .b = 1 };
	char text[128];

	sink.event(sink.ctx, &e);
	l4_why_format(&why, text, sizeof(text));
	puts(text);
	return seen != 1 || strncmp(text, "retransmission: timeout", 23) != 0;
}
