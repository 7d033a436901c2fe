/* What the parts of craft share: the parsed expression. Included by src/craft only. */
#ifndef L4_CRAFT_EXPR_H
#define L4_CRAFT_EXPR_H

#include <layer4/packet.h>

#include <stdbool.h>

/* Whether an expression may set this row: it has a place and is neither computed nor a second
 * name. */
bool l4_packet_writable(const struct l4_field *f);

#endif
