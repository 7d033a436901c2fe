/* Trace: typed events that say what was decided and why. The library never prints; it hands events
 * to the embedder's sink (one branch when there is none) and the embedder renders them. */
#ifndef LAYER4_TRACE_H
#define LAYER4_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <layer4/drop.h>
#include <layer4/time.h>
#include <layer4/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A handle of a TCP connection, listener or UDP endpoint: positive, with a generation in it, so
 * that a stale one is an error (L4_EBADF) and never another endpoint. 0 is no endpoint; functions
 * that give a handle return L4_E* (negative) instead when they fail. */
typedef int64_t l4_ep;

/* Why a frame was sent. */
enum l4_why_code {
#define L4_WHY(name, text) L4_WHY_##name,
#include <layer4/why.def>
#undef L4_WHY
	L4_WHY_COUNT
};

struct l4_why {
	uint16_t code; /* enum l4_why_code */
	l4_ep ep;      /* whose frame; 0: the host's own */
	int64_t a, b;  /* the two values that the text names */
};

/* Writes "retransmission: RACK, reo_wnd 5.2 ms" and returns its length without NUL. */
L4_EXPORT size_t l4_why_format(const struct l4_why *w, char *text, size_t cap);

enum l4_trace_kind {
#define L4_TRACE(name, label, v0, v1, v2, v3) L4_TRACE_##name,
#include <layer4/trace.def>
#undef L4_TRACE
	L4_TRACE_COUNT
};

struct l4_trace_event {
	l4_time time;
	uint16_t kind;   /* enum l4_trace_kind */
	uint16_t reason; /* enum l4_drop for drops, enum l4_why_code for sends, else 0 */
	l4_ep ep;        /* 0: the host */
	int64_t v[4];    /* the values that trace.def names */
};

struct l4_trace_sink {
	void (*event)(void *ctx, const struct l4_trace_event *e); /* NULL: no trace */
	void *ctx;
};

/* Label of a kind ("tcp_state") and the name of its value i, "" when unused. Static memory. */
L4_EXPORT const char *l4_trace_label(unsigned kind);
L4_EXPORT const char *l4_trace_value_name(unsigned kind, unsigned i);

#ifdef __cplusplus
}
#endif
#endif
