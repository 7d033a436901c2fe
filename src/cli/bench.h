/* l4 bench: what its parts share. Included by src/cli/bench*.c only.
 *
 * bench.c reads the options, bench_net.c and bench_kernel.c move bytes (our stack, the kernel's
 * sockets) behind one table of functions, bench_flow.c is one flow of data, bench_server.c and
 * bench_client.c are the two ends of a test, bench_report.c prints. */
#ifndef L4_CLI_BENCH_H
#define L4_CLI_BENCH_H

#include <layer4/addr.h>
#include <layer4/time.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/stack.h"

#define BENCH_PORT    5210
#define BENCH_STREAMS 128        /* most of one test and direction */
#define BENCH_LEN_MAX (1u << 20) /* bytes of a write, a request, an answer */
#define BENCH_LINE    512        /* bytes of a line of the control connection */

/* --- What carries the bytes --- */

struct bench_net;

struct bench_tune {
	uint32_t window;        /* bytes of each buffer; 0: tuned by itself */
	const char *congestion; /* NULL: the stack's */
	bool nodelay;
};

struct bench_info {
	uint64_t waiting; /* bytes accepted and not yet acknowledged */
	uint32_t retrans, cwnd_bytes, rtt_us;
};

enum { BENCH_EV_ACCEPT = 1, BENCH_EV_ERROR = 2, BENCH_EV_OTHER = 4 };

struct bench_event {
	void *user;
	unsigned bits;
	int err;
};

/* Handles are not negative; failures are L4_E*. Events are edges: who gets one moves on as far as
 * L4_EAGAIN. */
struct bench_ops {
	int64_t (*listen)(struct bench_net *n, const struct l4_endpoint *at, void *user);
	int64_t (*accept)(
	    struct bench_net *n, int64_t listener, struct l4_endpoint *from, void *user);
	int64_t (*connect)(struct bench_net *n, const struct l4_endpoint *to,
	    const struct bench_tune *t, void *user);
	void (*tune)(struct bench_net *n, int64_t h, const struct bench_tune *t);
	int64_t (*send)(struct bench_net *n, int64_t h, const void *p, size_t len);
	int64_t (*recv)(struct bench_net *n, int64_t h, void *p, size_t len);
	void (*shutdown)(struct bench_net *n, int64_t h);
	void (*close)(struct bench_net *n, int64_t h, bool udp, bool abort);
	void (*info)(struct bench_net *n, int64_t h, struct bench_info *out);
	/* at: our end; to: the only peer, or NULL */
	int64_t (*udp)(struct bench_net *n, const struct l4_endpoint *at,
	    const struct l4_endpoint *to, void *user);
	int64_t (*udp_send)(struct bench_net *n, int64_t h, const struct l4_endpoint *to,
	    const void *p, size_t len);
	/* *when: arrival */
	int64_t (*udp_recv)(struct bench_net *n, int64_t h, void *p, size_t len,
	    struct l4_endpoint *from, l4_time *when);
	size_t (*events)(struct bench_net *n, struct bench_event *out, size_t max);
	/* Moves frames and time, at most until then. false: stop (failed, or a signal: without one
	 * when `anyway`). */
	bool (*step)(struct bench_net *n, l4_time until, bool anyway);
	l4_time (*now)(struct bench_net *n);
	void (*close_all)(struct bench_net *n);
};

struct bench_net {
	const struct bench_ops *ops;
	const char *what; /* "our stack on tap:l4" */
	bool failed;      /* message printed */
};

/* Each 0 with *out, or an exit code with the message printed. */
int bench_stack_new(struct bench_net **out, struct stack_opts *o);
/* The address of a name, asked by that stack. */
int bench_stack_resolve(struct bench_net *n, const char *host, struct l4_addr *out);
int bench_kernel_new(struct bench_net **out);
/* Two hosts in this process; out[0] at 10.0.0.1, out[1] at 10.0.0.2. */
int bench_memory_new(struct bench_net *out[2], const struct stack_opts *o);
/* Ends what one of the two lends the other, before either end lets go of its flows. */
void bench_memory_settle(struct bench_net *n);

/* --- A test --- */

enum bench_mode { BENCH_BULK, BENCH_RR, BENCH_CRR };

/* What the client asks for; what both ends know. */
struct bench_test {
	uint64_t id;
	enum bench_mode mode;
	bool udp, up, down; /* up: the client sends; both: --bidir */
	unsigned streams;   /* each way */
	uint32_t len;       /* bytes of a write, datagram, request and answer */
	uint64_t rate_bps;  /* bits a second and stream; 0: no limit */
	uint64_t bytes;     /* bulk: of one stream and then it ends; 0: by time */
	l4_time time;       /* of the test */
	uint32_t window;
};

/* One line with all of it, "l4bench 1 id=... \n"; the number of bytes. */
size_t bench_test_format(const struct bench_test *t, char *line, size_t cap);
/* From a line without its end. false: malformed, or beyond the limits. */
bool bench_test_parse(struct bench_test *t, const char *line);

/* --- Flows --- */

#define BENCH_PREAMBLE 16 /* "l4bd", number of the flow, id of the test */
#define BENCH_DGRAM    32 /* bytes of the head of a datagram */

enum bench_dgram_kind { BENCH_D_DATA, BENCH_D_HELLO, BENCH_D_ASK, BENCH_D_ANSWER };

struct bench_dgram {
	uint64_t id;
	uint16_t flow;
	uint16_t kind;
	uint64_t serial, time; /* time: of the sender's clock, ns */
};

void bench_dgram_emit(uint8_t out[BENCH_DGRAM], const struct bench_dgram *d);
bool bench_dgram_parse(struct bench_dgram *d, const uint8_t *p, size_t len);
void bench_preamble_emit(uint8_t out[BENCH_PREAMBLE], uint64_t id, unsigned flow);
bool bench_preamble_parse(const uint8_t in[BENCH_PREAMBLE], uint64_t *id, unsigned *flow);

/* Latencies in about 3 %. */
struct bench_hist {
	uint64_t n, sum, max;
	uint32_t slot[64 * 32];
};
void bench_hist_add(struct bench_hist *h, uint64_t ns);
uint64_t bench_hist_at(const struct bench_hist *h, double part); /* 0.5: the median */

/* What a flow has done. */
struct bench_count {
	uint64_t bytes;   /* bulk: payload moved */
	uint64_t packets; /* datagrams; rr, crr: transactions */
	uint64_t lost, late;
	uint64_t first, last; /* when the first byte and the last moved; 0: none */
	double jitter;        /* ns, RFC 3550 6.4.1 */
	uint32_t retrans;
	uint64_t failed; /* transactions */
};

enum bench_role {
	BENCH_SEND,   /* bytes out */
	BENCH_SINK,   /* bytes in */
	BENCH_ASK,    /* request, then answer */
	BENCH_ANSWER, /* answers requests */
};

struct bench_flow {
	struct bench_flow *next;
	const struct bench_test *t;
	struct bench_net *n;
	struct bench_hist *hist; /* of BENCH_ASK, or NULL */
	int64_t h;               /* -1: over */
	unsigned number;
	enum bench_role role;
	bool connected, more, stopped, done;
	l4_time start;               /* pacing counts from here */
	uint8_t pre[BENCH_PREAMBLE]; /* to be sent first */
	size_t pre_left;
	uint64_t moved; /* bytes of the current request or answer */
	uint64_t owed;  /* bytes of answers */
	l4_time asked;
	/* datagrams */
	struct l4_endpoint peer; /* server: where they go to */
	bool has_peer;
	uint64_t serial, high; /* of the next to send; one above the highest seen */
	double transit;
	bool has_transit;
	l4_time resend;
	struct bench_count c;
};

struct bench_buffer {
	uint8_t in[BENCH_LEN_MAX], out[BENCH_LEN_MAX];
};

void bench_flow_init(struct bench_flow *f, const struct bench_test *t, struct bench_net *n,
    enum bench_role role, unsigned number);
/* Sends the preamble of a TCP flow. 1: it is gone, 0: not yet, L4_E*. */
int bench_flow_open(struct bench_flow *f);
/* Moves a TCP flow as far as it goes; f->more: it could go on at once, f->done: it has ended in
 * order. L4_E*: it has failed. */
int bench_flow_pump(struct bench_flow *f, struct bench_buffer *b);
/* Sends datagrams that are due. */
int bench_flow_send(struct bench_flow *f, struct bench_buffer *b);
/* A datagram of this flow has arrived. */
void bench_flow_datagram(struct bench_flow *f, const struct bench_dgram *d, size_t len,
    l4_time when, const struct l4_endpoint *from, struct bench_buffer *b);
/* When it wants to be pumped though nothing happens. */
l4_time bench_flow_deadline(const struct bench_flow *f);

/* One line of results, "flow=1 bytes=...\n". */
size_t bench_count_format(const struct bench_count *c, unsigned number, char *line, size_t cap);
bool bench_count_parse(struct bench_count *c, unsigned *number, const char *line);

/* --- The two ends --- */

struct bench_server;
struct bench_server_config {
	struct l4_endpoint at;
	bool one_off, quiet, json;
	struct bench_tune tune;
};
/* Listens. NULL: message printed. */
struct bench_server *bench_server_new(struct bench_net *n, const struct bench_server_config *c);
void bench_server_free(struct bench_server *s);
/* Takes the events that wait, and what is due. */
void bench_server_run(struct bench_server *s);
l4_time bench_server_deadline(const struct bench_server *s);
bool bench_server_over(const struct bench_server *s); /* one_off: its test has ended */
uint64_t bench_server_tests(const struct bench_server *s);

struct bench_client;
struct bench_client_config {
	struct bench_test t;
	struct l4_endpoint to;
	const char *host; /* as the user wrote it */
	l4_time interval; /* 0: none */
	bool json;
	struct bench_tune tune;
	l4_time connect_timeout;
};
struct bench_client *bench_client_new(struct bench_net *n, const struct bench_client_config *c);
void bench_client_free(struct bench_client *c);
void bench_client_run(struct bench_client *c);
l4_time bench_client_deadline(const struct bench_client *c);
/* -1: goes on; else the exit code. */
int bench_client_over(const struct bench_client *c);
/* The user wants no more: ends the test with what has been done. */
void bench_client_stop(struct bench_client *c);

/* --- Reports --- */

struct bench_span {
	unsigned number; /* of the flow */
	unsigned sum;    /* above 0: the sum of so many */
	bool up;         /* client to server */
	bool sender;     /* counted where it is sent */
	double from, to; /* seconds since the start */
	struct bench_count c;
	struct bench_info info;
	bool has_info;
};

void bench_report_start(const struct bench_client_config *c, const char *what);
void bench_report_interval(const struct bench_client_config *c, const struct bench_span *s);
void bench_report_summary(const struct bench_client_config *c, const struct bench_span *s);
void bench_report_latency(
    const struct bench_client_config *c, const struct bench_hist *h, double seconds);
void bench_report_cpu(const struct bench_client_config *c, double local, double remote);

#endif
