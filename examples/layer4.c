/* Example of <layer4/layer4.h>: one header for the whole library. */
#include <layer4/layer4.h>

#include <stdio.h>

int main(void)
{
	printf("layer4 %s: %d reasons to drop a packet, %d to send one\n", l4_version(),
	    (int)L4_DROP_N, (int)L4_WHY_COUNT);
	return L4_ENOMEM >= 0;
}
