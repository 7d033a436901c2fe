/* Example of <layer4/err.h>: a negative result becomes a message. */
#include <layer4/err.h>
#include <layer4/addr.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct l4_addr a;
	int rc = l4_addr_parse(&a, "192.0.2.256");

	if (rc >= 0)
		return 1;
	printf("192.0.2.256: %s (%s)\n", l4_err_text(rc), l4_err_name(rc));
	return strcmp(l4_err_name(rc), "L4_EMALFORMED") != 0;
}
