/* Names of the protocol tables: what an expression may call a field, and what a typo was near. */
#include <layer4/packet.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	const struct l4_proto *tcp = l4_packet_proto("tcp");
	const struct l4_field *f = tcp ? l4_packet_field(tcp, "dport") : NULL;
	char near[80];
	if (!f)
		return 1;
	printf("dport is %s, %u bits, by default %u\n", f->name, f->bits, (unsigned)f->def);
	l4_packet_nearest(NULL, "tpc", near, sizeof near);
	printf("tpc: did you mean %s?\n", near);
	return strstr(near, "tcp") ? 0 : 1;
}
