/* Display filters in Wireshark's syntax, over the fields of the tables. Included by src/cli only.
 */
#ifndef L4_CLI_FILTER_H
#define L4_CLI_FILTER_H

#include <layer4/dissect.h>
#include <stdbool.h>

struct filter;

/* Compiles text and asks d for the fields it needs. NULL: err (of cap bytes) says what is wrong and
 * where. */
struct filter *filter_new(struct l4_dissect *d, const char *text, char *err, size_t cap);
void filter_free(struct filter *f);
bool filter_match(const struct filter *f, const struct l4_dissected *p);

#endif
