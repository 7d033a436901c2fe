/* Drill scripts: parsed, run against the stack, their code evaluated. A script may fail in any way
 * it likes; the runner and the stack must not. Scripts that open files are left out. */
#include <layer4/drill.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drill/py.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds(const char *text, size_t size, const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; n <= size && i <= size - n; i++)
		if (!memcmp(text + i, word, n))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 8192)
		return 0;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	struct l4_drill_result r;
	static const char *const six[] = { "ip_version=ipv6" };
	struct l4_drill_options o = { .options = six, .n_options = size & 1 };
	o.dry_run = holds(text, size, "open") || holds(text, size, ".sh");
	/* lengths that take long and prove nothing */
	o.dry_run = o.dry_run || holds(text, size, "00000000");
	l4_drill_run(&r, "fuzz.pkt", text, size, &o);
	l4_drill_result_free(&r);

	struct l4_py *py = l4_py_new(NULL, NULL);
	char what[100];
	unsigned line;
	if (py && l4_py_set(py, "tcpi_rtt", 7) && size < 1000)
		l4_py_run(py, text, &line, what, sizeof(what));
	l4_py_free(py);
	free(text);
	return 0;
}
