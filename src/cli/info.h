/* Statistics of a connection, with the names of Linux's tcp_info. Included by src/cli only. */
#ifndef L4_CLI_INFO_H
#define L4_CLI_INFO_H

#include <layer4/tcp.h>

#include <stdbool.h>
#include <stdio.h>

void info_print(FILE *f, const struct l4_tcp_info *i, const struct l4_endpoint *local,
    const struct l4_endpoint *remote, bool json);

#endif
