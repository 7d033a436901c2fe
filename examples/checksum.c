/* Example of <layer4/checksum.h>: the checksum of an IPv4 header, written, verified, and changed
 * in place when a router lowers the time to live. */
#include <layer4/checksum.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	/* 192.0.2.1 to 192.0.2.2, UDP, 28 bytes, time to live 64; checksum field zero. */
	unsigned char ip[20] = { 0x45, 0, 0, 28, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192,
		0, 2, 2 };
	uint16_t sum, before, after;

	sum = l4_csum_fold(l4_csum_partial(ip, sizeof(ip), 0));
	memcpy(ip + 10, &sum, sizeof(sum));
	printf("checksum %02x%02x\n", ip[10], ip[11]);
	/* A receiver sums the whole header; it is good when nothing remains. */
	if (l4_csum_fold(l4_csum_partial(ip, sizeof(ip), 0)) != 0)
		return 1;

	memcpy(&before, ip + 8, sizeof(before));
	ip[8]--;
	memcpy(&after, ip + 8, sizeof(after));
	sum = l4_csum_update16(sum, before, after);
	memcpy(ip + 10, &sum, sizeof(sum));
	printf("checksum %02x%02x after one hop\n", ip[10], ip[11]);
	return l4_csum_fold(l4_csum_partial(ip, sizeof(ip), 0)) != 0;
}
