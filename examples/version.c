/* Example of <layer4/version.h>: the library that runs is the one the program was built for. */
#include <layer4/version.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	char built_for[32];

	snprintf(built_for, sizeof(built_for), "%d.%d.%d", L4_VERSION_MAJOR, L4_VERSION_MINOR,
	    L4_VERSION_PATCH);
	printf("built for layer4 %s, running with %s\n", built_for, l4_version());
	return strcmp(built_for, l4_version()) != 0;
}
