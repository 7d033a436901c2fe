/* Writing JSON to a stream. Included by src/cli only. */
#ifndef L4_CLI_JSON_H
#define L4_CLI_JSON_H

#include <stdio.h>

/* Text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_str(FILE *f, const char *text, size_t len);
void json_cstr(FILE *f, const char *text);

#endif
