#include "cli/dissect_html.h"

#include <errno.h>
#include <stdlib.h>

struct html {
	int dummy;
};

struct html *html_new(struct l4_dissect *d)
{
	(void)d;
	return calloc(1, sizeof(struct html));
}

void html_packet(struct html *h, const struct l4_dissected *p)
{
	(void)h;
	(void)p;
}

int html_write(struct html *h, const char *path)
{
	(void)path;
	free(h);
	errno = ENOSYS;
	return -1;
}
