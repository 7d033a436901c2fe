/* Wire formats: the first byte chooses the parser, the rest is its input. */
#include "wire/testexercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const uint8_t *p = data + 1;
	size_t len = size - 1;
	switch (data[0]) {
	default: /* the corpus' frames begin with the first byte of a MAC address */
		exercise_frame(data, size);
		break;
	case 1:
		exercise_ip(p, len);
		break;
	case 3:
		exercise_tcp(p, len);
		break;
	case 5:
		exercise_udp(p, len);
		break;
	case 7:
		exercise_icmp(false, p, len);
		break;
	case 9:
		exercise_icmp(true, p, len);
		break;
	case 11:
		exercise_dhcp(p, len);
		break;
	}
	return 0;
}
