/* Libraries that few runs need, loaded when one does: linking them to the tool would make every
 * command start slower (GnuTLS and libpcap with what they pull in: 3 of 5 ms). Included by src/cli
 * only.
 *
 *     #define FUNCTIONS(X) X(gnutls_init) X(gnutls_deinit)
 *     static struct { FUNCTIONS(LAZY_POINTER) } tls;
 *     static const char *const names[] = { FUNCTIONS(LAZY_NAME) };
 *     lazy_load("libgnutls.so.30", names, sizeof names / sizeof *names, &tls, sizeof tls)
 *
 * then tls.gnutls_init(...) has the type that the library's header declares. */
#ifndef L4_CLI_LAZY_H
#define L4_CLI_LAZY_H

#include <stdbool.h>
#include <stddef.h>

#define LAZY_POINTER(function) __typeof__(&function) function;
#define LAZY_NAME(function)    #function,

/* Fills `table`, n pointers to functions, with those of the names. False when the library or one
 * of them is not there; lazy_error() says why. The library stays loaded. */
bool lazy_load(
    const char *library, const char *const *names, size_t n, void *table, size_t table_len);
const char *lazy_error(void);

#endif
