/* A small evaluator for the Python of %{ }% blocks. Included by src/drill only.
 *
 * It knows integers (128 bits), floats, strings, tuples and lists; assignments, assert, print, if,
 * for, while, pass, import (passed over); all operators and the built-ins that scripts use.
 * Variables live from block to block. */
#ifndef L4_DRILL_PY_H
#define L4_DRILL_PY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct l4_py;

/* NULL without memory. print (may be NULL) is called with what the blocks print. */
struct l4_py *l4_py_new(void (*print)(void *ctx, const char *text), void *ctx);
void l4_py_free(struct l4_py *py);
/* Sets a variable to an integer. False without memory. */
bool l4_py_set(struct l4_py *py, const char *name, int64_t value);
bool l4_py_set_unsigned(struct l4_py *py, const char *name, uint64_t value);
/* Reads a variable that holds an integer. */
bool l4_py_get(const struct l4_py *py, const char *name, int64_t *value);
/* Runs one block. False when an assertion or something else failed; then *line counts lines of the
 * block from 0 and text (cap bytes) says what. */
bool l4_py_run(struct l4_py *py, const char *code, unsigned *line, char *text, size_t cap);

#endif
