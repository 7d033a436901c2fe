/* The evaluator's inside. Included by src/drill/py*.c only. */
#ifndef L4_DRILL_PY_PRIVATE_H
#define L4_DRILL_PY_PRIVATE_H

#include "drill/py.h"
#include "drill/script.h"

__extension__ typedef __int128 l4_i128;
__extension__ typedef unsigned __int128 l4_u128;

enum l4_pykind { L4_PY_NONE, L4_PY_INT, L4_PY_FLOAT, L4_PY_STR, L4_PY_LIST };

struct l4_pyval {
	enum l4_pykind kind;
	l4_i128 i;
	double f;
	const char *s; /* in the arena or the code; n bytes */
	struct l4_pyval *items;
	size_t n;
};

struct l4_pyvar {
	const char *name;
	struct l4_pyval value;
};

enum l4_pytok {
	L4_PYT_END,
	L4_PYT_NEWLINE,
	L4_PYT_SEMI,
	L4_PYT_NAME,
	L4_PYT_NUMBER,
	L4_PYT_STRING,
	L4_PYT_OP,
};

struct l4_py {
	struct l4_arena arena;
	struct l4_pyvar *vars;
	size_t n_vars, cap_vars;
	void (*print)(void *ctx, const char *text);
	void *ctx;
	const char *p; /* behind the current token */
	unsigned line;
	const char *tok;
	size_t tok_len;
	unsigned tok_line;
	enum l4_pytok kind;
	unsigned parens; /* inside brackets line ends do not count */
	unsigned depth, steps;
	bool skip; /* parse only */
	bool bad;
	unsigned err_line;
	char err[512];
};

void l4_py_fail(struct l4_py *py, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool l4_py_step(struct l4_py *py);
void l4_py_next(struct l4_py *py);
bool l4_py_is(const struct l4_py *py, const char *text);
bool l4_py_accept(struct l4_py *py, const char *text);
void l4_py_expect(struct l4_py *py, const char *text);
struct l4_pyval *l4_py_find(const struct l4_py *py, const char *name, size_t len);
bool l4_py_assign(struct l4_py *py, const char *name, size_t len, const struct l4_pyval *v);

/* One expression; a list of them, which is a tuple when there is a comma. */
void l4_py_expr(struct l4_py *py, struct l4_pyval *out);
void l4_py_expr_list(struct l4_py *py, struct l4_pyval *out);
void l4_py_binary(struct l4_py *py, const char *op, const struct l4_pyval *a,
    const struct l4_pyval *b, struct l4_pyval *out);
bool l4_py_true(const struct l4_pyval *v);
/* Writes what print() shows; returns the bytes written, at most cap - 1. */
size_t l4_py_text(const struct l4_pyval *v, char *text, size_t cap);

#endif
