/* Shared by src/wire/http*.c only. */
#ifndef L4_WIRE_HTTP_PRIVATE_H
#define L4_WIRE_HTTP_PRIVATE_H

#include <layer4/http.h>

/* s without the blanks and tabs around it. */
struct l4_http_str l4_http_trim(struct l4_http_str s);
/* The next member of a comma-separated list, not empty; steps over it. Commas in quoted strings do
 * not separate. false at the end. */
bool l4_http_list_next(struct l4_http_str *list, struct l4_http_str *item);
/* Digits only (at least one), without overflow. */
bool l4_http_digits(struct l4_http_str s, uint64_t *out);

#endif
