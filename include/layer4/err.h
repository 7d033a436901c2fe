/* Errors. Functions return 0 or a count on success, or one of these as a negative number. */
#ifndef LAYER4_ERR_H
#define LAYER4_ERR_H

#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

enum l4_err {
	L4_OK = 0,
#define L4_ERR(name, value, text) L4_E##name = -(value),
#include <layer4/err.def>
#undef L4_ERR
};

/* Text of an error code, "success" for values >= 0. Static memory, never NULL. */
L4_EXPORT const char *l4_err_text(int err);
/* Name of an error code as written in this header, "L4_ENOMEM". Static memory, never NULL. */
L4_EXPORT const char *l4_err_name(int err);

#ifdef __cplusplus
}
#endif
#endif
