/* Example of <layer4/addr.h>: one form for both versions of IP, from text and back. */
#include <layer4/addr.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct l4_prefix net;
	struct l4_endpoint server = { .port = 443 };
	char text[L4_ENDPOINT_TEXT_MAX];

	if (l4_prefix_parse(&net, "2001:db8::/32") < 0 ||
	    l4_addr_parse(&server.addr, "2001:DB8:0:0::1") < 0)
		return 1;
	l4_endpoint_format(&server, text, sizeof(text));
	printf("%s is %sin 2001:db8::/32\n", text, l4_prefix_has(&net, &server.addr) ? "" : "not ");
	if (strcmp(text, "[2001:db8::1]:443") != 0 || !l4_prefix_has(&net, &server.addr))
		return 1;

	/* The same calls take IPv4: it is kept as ::ffff:a.b.c.d. */
	if (l4_addr_parse(&server.addr, "192.0.2.7") < 0 || !l4_addr_is_ip4(&server.addr))
		return 1;
	l4_endpoint_format(&server, text, sizeof(text));
	printf("%s is %sin 2001:db8::/32\n", text, l4_prefix_has(&net, &server.addr) ? "" : "not ");
	return strcmp(text, "192.0.2.7:443") != 0 || l4_prefix_has(&net, &server.addr);
}
