/* Example of <layer4/time.h>: one unit, nanoseconds; the origin is the embedder's choice. */
#include <layer4/time.h>

#include <stdio.h>

int main(void)
{
	l4_time start = 5 * L4_SEC; /* any origin will do */
	l4_time deadline = start + 200 * L4_MSEC;
	l4_time now = start + 150 * L4_MSEC;
	l4_time left = now < deadline ? deadline - now : 0;

	printf("%llu us left\n", (unsigned long long)(left / L4_USEC));
	return left != 50 * L4_MSEC || deadline >= L4_TIME_NEVER;
}
