/* Drop reasons: why a packet was not processed further. What a peer sends wrong is no error of
 * ours; it is dropped under one of these names, counted, and traced. */
#ifndef LAYER4_DROP_H
#define LAYER4_DROP_H

#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

enum l4_drop {
	L4_DROP_NONE = 0, /* not dropped */
#define L4_DROP(name, text) L4_DROP_##name,
#include <layer4/drop.def>
#undef L4_DROP
	L4_DROP_N /* number of reasons, L4_DROP_NONE included */
};

/* Text of a drop reason, "not dropped" for L4_DROP_NONE. Static memory, never NULL. */
L4_EXPORT const char *l4_drop_text(enum l4_drop d);
/* Name of a drop reason as in drop.def, "IP4_CSUM"; "NONE" for L4_DROP_NONE. Static memory, never
 * NULL. */
L4_EXPORT const char *l4_drop_name(enum l4_drop d);

#ifdef __cplusplus
}
#endif
#endif
