/* A SYN to three ports from one expression, its fields read by name, and a packet read back into
 * its expression. */
#include <layer4/packet.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	static const char text[] =
	    "ip(dst=192.0.2.2)/tcp(dport=[22,80,443],flags=S,options=[mss(1460),sackok])";
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	struct l4_craft_packet p;
	unsigned char buf[1500];
	char back[8192];
	uint64_t port = 0, mss = 0;
	size_t n = 0;
	if (l4_craft_parse(&x, text, NULL, NULL, &err) < 0) {
		fprintf(stderr, "column %u: %s\n", err.column, err.text);
		return 1;
	}
	for (uint64_t i = 0; l4_craft_build(x, i, 0, buf, sizeof buf, &n) == 0; i++) {
		l4_craft_read(&p, l4_craft_linktype(x), buf, n);
		l4_craft_get(&p, "tcp.dport", &port);
		l4_craft_get(&p, "tcp.mss_val", &mss);
		printf("%u bytes to port %" PRIu64 ", MSS %" PRIu64 "\n", (unsigned)p.n, port, mss);
	}
	if (l4_craft_text(l4_craft_linktype(x), buf, p.n, back, sizeof back) < 0)
		return 1;
	l4_craft_free(x);
	printf("%s\n", back);
	return strstr(back, "dport=443") && port == 443 && mss == 1460 ? 0 : 1;
}
