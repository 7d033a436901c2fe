/* The page of a capture or connection. Included by src/cli only. */
#ifndef L4_CLI_DISSECT_HTML_H
#define L4_CLI_DISSECT_HTML_H

#include <layer4/dissect.h>

struct html;

struct html *html_new(struct l4_dissect *d);
void html_packet(struct html *h, const struct l4_dissected *p);
/* Writes the page and frees h; name: of the capture. 0, or -1 with errno. */
int html_write(struct html *h, const char *path, const char *name);

#endif
