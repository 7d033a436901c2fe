/* Example of <layer4/drill.h>: a packetdrill script run on a host of its own: a connection is
 * accepted. Then one that is wrong on purpose, and what is said of it. */
#include <layer4/drill.h>

#include <stdio.h>
#include <string.h>

static const char good[] = "0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
			   "+0  bind(3, ..., ...) = 0\n"
			   "+0  listen(3, 1) = 0\n"
			   "+0  < S 0:0(0) win 32792 <mss 1000>\n"
			   "+0  > S. 0:0(0) ack 1 <mss 1460>\n"
			   "+.1 < . 1:1(0) ack 1 win 32792\n"
			   "+0  accept(3, ..., ...) = 4\n";
static const char wrong[] = "0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
			    "+0  bind(3, ..., ...) = 0\n"
			    "+0  listen(3, 1) = 0\n"
			    "+0  < S 0:0(0) win 32792 <mss 1000>\n"
			    "+0  > R. 0:0(0) ack 1\n";

static int run(const char *name, const char *script)
{
	struct l4_drill_options o = { 0 };
	struct l4_drill_result r;
	int status = l4_drill_run(&r, name, script, strlen(script), &o);

	if (status < 0)
		return status;
	printf("%s: %s, %u packets in, %u out, %.1f ms of virtual time\n", name,
	    status == L4_DRILL_PASSED ? "passed" : r.message, (unsigned)r.packets_in,
	    (unsigned)r.packets_out, (double)r.time_us / 1e3);
	l4_drill_result_free(&r);
	return status;
}

int main(void)
{
	return run("good.pkt", good) != L4_DRILL_PASSED ||
	       run("wrong.pkt", wrong) != L4_DRILL_FAILED;
}
