/* A SYN to three ports from one expression, and a packet read back into its expression. */
#include <layer4/packet.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	static const char text[] =
	    "ip(dst=192.0.2.2)/tcp(dport=[22,80,443],flags=S,options=[mss(1460),sackok])";
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	unsigned char buf[1500];
	char back[8192];
	size_t n = 0;
	if (l4_craft_parse(&x, text, NULL, NULL, &err) < 0) {
		fprintf(stderr, "column %u: %s\n", err.column, err.text);
		return 1;
	}
	for (uint64_t i = 0; i < l4_craft_count(x); i++)
		if (l4_craft_build(x, i, 0, buf, sizeof buf, &n) == 0)
			printf("%u bytes to port %u\n", (unsigned)n, buf[22] * 256u + buf[23]);
	if (l4_craft_text(l4_craft_linktype(x), buf, n, back, sizeof back) < 0)
		return 1;
	l4_craft_free(x);
	printf("%s\n", back);
	return strstr(back, "dport=443") ? 0 : 1;
}
