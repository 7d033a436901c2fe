/* DNS: a whole message; the same bytes also as the text of a name. */
#include "wire/testdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[300];
	struct l4_dns_name name;
	exercise_dns(data, size, true);
	size_t n = size < sizeof text - 1 ? size : sizeof text - 1;
	memcpy(text, data, n);
	text[n] = '\0';
	if (l4_dns_name_from_text(&name, text) == L4_OK)
		exercise_dns_name(&name);
	(void)l4_dns_type_parse(text);
	(void)l4_dns_class_parse(text);
	return 0;
}
