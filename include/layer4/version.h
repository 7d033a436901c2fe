/* Version of the library, and the macros that every public header uses. */
#ifndef LAYER4_VERSION_H
#define LAYER4_VERSION_H

#define L4_VERSION_MAJOR 0
#define L4_VERSION_MINOR 1
#define L4_VERSION_PATCH 0

#if defined(__GNUC__)
#define L4_EXPORT __attribute__((visibility("default")))
#else
#define L4_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the version of the library that runs, as "0.1.0". Static memory. */
L4_EXPORT const char *l4_version(void);

#ifdef __cplusplus
}
#endif
#endif
