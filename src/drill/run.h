/* The runner's inside. Included by src/drill/run*.c and call.c only. */
#ifndef L4_DRILL_RUN_H
#define L4_DRILL_RUN_H

#include <layer4/drill.h>

#include "drill/packet.h"
#include "drill/py.h"
#include "drill/script.h"
#include "drill/world.h"

enum l4_tut_state {
	L4_TUT_NEW, /* socket() */
	L4_TUT_LISTENING,
	L4_TUT_SYN_SEEN, /* an inbound packet to a listener made it */
	L4_TUT_SYNACK,   /* the stack has answered */
	L4_TUT_ACKED,
	L4_TUT_CONNECTING, /* connect() or sendto() */
	L4_TUT_SYN_SENT,
	L4_TUT_CONNECTED,
};

/* A socket under test. */
struct l4_tut {
	struct l4_tut *next;
	enum l4_tut_state state;
	bool udp;
	bool learned;   /* the live local end is known */
	bool syn_again; /* another SYN came in after the first connection was made */
	uint32_t new_isn;
	int fd; /* live, -1: not accepted yet */
	struct l4_flow flow;
};

#define L4_RUN_FDS 256

struct l4_bound; /* a system call on its way */

struct l4_run {
	const struct l4_drill_options *o;
	struct l4_drill_result *result;
	const char *file;
	struct l4_script script;
	struct l4_settings settings;
	struct l4_world world;
	bool world_up;
	l4_time zero;       /* the clock at the script's time 0 */
	struct l4_tut *tut; /* under test: head of the list */
	struct {
		int script, live;
	} fds[L4_RUN_FDS];
	size_t n_fds;
	uint16_t bind_port, connect_port;
	int64_t tolerance_us;
	double tolerance_percent;
	bool setting_up; /* nothing but commands came yet */
	bool ts_scaled, strict_segments, soft_packet, soft_call, v6;
	uint32_t ts_tick_us;
	uint16_t next_port;
	struct l4_py *py;
	/* where the script stands, us from its start */
	int64_t scheduled_us, last_us;
	bool last_inbound;
	const struct l4_de *event;
	struct l4_bound *pending;
	int64_t pending_done_us;                 /* when it ended; -1: not yet */
	int64_t pending_end_us, pending_span_us; /* when it shall end; of its start and end */
	/* the ladder and what else is reported */
	char *log;
	size_t log_len, log_cap;
	uint8_t *packet_buf; /* for what is injected */
	bool failed, broken, nomem;
};

int64_t l4_run_now(const struct l4_run *r);
/* A line of the ladder at a time. */
void l4_run_log(struct l4_run *r, int64_t at_us, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the script at the event e (may be NULL). Always false. */
bool l4_run_fail(struct l4_run *r, const struct l4_de *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Steps a blocked call; then the clock may move on. */
void l4_run_step_pending(struct l4_run *r);
/* Moves the clock, at most to until_us; false when nothing is due before that. */
bool l4_run_move(struct l4_run *r, int64_t until_us);
int l4_run_fd(const struct l4_run *r, int64_t script_fd);
void l4_run_name_fd(struct l4_run *r, int64_t script_fd, int live);

/* ---- call.c ---- */
struct l4_bound *l4_bound_new(struct l4_run *r, const struct l4_de *e);
void l4_bound_free(struct l4_bound *b);
/* Tells the runner what a call will do to the socket under test; before the first step. */
void l4_bound_prepare(struct l4_run *r, struct l4_bound *b);
/* True when the call is done. */
bool l4_bound_step(struct l4_run *r, struct l4_bound *b);
l4_time l4_bound_deadline(const struct l4_bound *b);
/* Compares result and output arguments with the script; false after l4_run_fail. */
bool l4_bound_check(struct l4_run *r, struct l4_bound *b);
const struct l4_de *l4_bound_event(const struct l4_bound *b);

/* ---- run_packet.c ---- */
bool l4_run_packet(struct l4_run *r, const struct l4_de *e);
bool l4_run_tolerates(
    const struct l4_run *r, int64_t at, int64_t from, int64_t to, int64_t span_us);
struct l4_tut *l4_run_new_tut(struct l4_run *r, enum l4_tut_state state);

#endif
