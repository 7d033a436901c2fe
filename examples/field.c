/* Example of <layer4/field.h>: the table that dissecting and crafting share: a field is found by
 * its name, read from a header, and written into it. */
#include <layer4/field.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	unsigned char udp[8] = { 0xc0, 0x00, 0x00, 0x35, 0x00, 0x08, 0x00, 0x00 };
	const struct l4_proto *proto = l4_proto_find("udp");
	const struct l4_field *port = l4_field_find("udp.dstport", NULL);
	uint64_t value;

	if (!proto || !port || l4_field_short(proto, "dstport") != port ||
	    l4_field_find("udp.nonsense", NULL))
		return 1;
	if (l4_field_read(port, udp, sizeof(udp), &value) < 0 || value != 53)
		return 1;
	printf("%s (%s), %u bits at bit %u: %llu\n", port->name, port->label, port->bits, port->bit,
	    (unsigned long long)value);
	if (l4_field_write(port, udp, sizeof(udp), 5353) < 0 || udp[2] != 0x14 || udp[3] != 0xe9)
		return 1;
	/* What does not fit is refused, and so is a header cut short. */
	return l4_field_write(port, udp, sizeof(udp), 65536) >= 0 ||
	       l4_field_read(port, udp, 3, &value) >= 0;
}
