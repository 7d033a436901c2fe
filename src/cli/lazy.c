/* Loading a library by dlopen. POSIX gives the address of a function as void *; it is copied, byte
 * for byte, into the pointer that C wants. */
#include "cli/lazy.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static char why[256];

bool lazy_load(
    const char *library, const char *const *names, size_t n, void *table, size_t table_len)
{
	assert(table_len == n * sizeof(void *));
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; handle && i < n; i++) {
		void *f = dlsym(handle, names[i]);
		if (!f)
			handle = NULL; /* an older one; it stays loaded and unused */
		else
			memcpy((char *)table + i * sizeof f, &f, sizeof f);
	}
	if (!handle) {
		const char *e = dlerror();
		snprintf(why, sizeof why, "%s", e ? e : library);
	}
	return handle;
}

const char *lazy_error(void)
{
	return why;
}
