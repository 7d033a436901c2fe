/* Example of <layer4/drop.h>: a frame that cannot be is dropped under a name. */
#include <layer4/drop.h>
#include <layer4/wire.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	/* Ethernet says IPv4, and then there are only eight bytes of it. */
	static const unsigned char frame[22] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
		0x45, 0, 0, 20, 0, 0, 0, 0 };
	struct l4_packet p;

	if (l4_packet_parse_eth(&p, frame, sizeof(frame), sizeof(frame), 0) == 0)
		return 1;
	printf("dropped: %s (%s)\n", l4_drop_text(p.drop), l4_drop_name(p.drop));
	return p.drop == L4_DROP_NONE || strcmp(l4_drop_name(L4_DROP_NONE), "NONE") != 0;
}
