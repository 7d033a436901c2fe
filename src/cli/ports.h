/* The sockets of this machine, as `l4 ports` sees them. Included by src/cli/ports*.c only. */
#ifndef L4_CLI_PORTS_H
#define L4_CLI_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <layer4/addr.h>

#define PORTS_TCP 6
#define PORTS_UDP 17

/* States of a socket, in Linux's numbering (include/net/tcp_states.h), which the kernel also uses
 * for UDP: connected is ESTABLISHED and all else is CLOSE. */
#define PORTS_STATES(X)                         \
	X(ESTABLISHED, 1, "established")        \
	X(SYN_SENT, 2, "syn-sent")              \
	X(SYN_RECEIVED, 3, "syn-received")      \
	X(FIN_WAIT_1, 4, "fin-wait-1")          \
	X(FIN_WAIT_2, 5, "fin-wait-2")          \
	X(TIME_WAIT, 6, "time-wait")            \
	X(CLOSED, 7, "closed")                  \
	X(CLOSE_WAIT, 8, "close-wait")          \
	X(LAST_ACK, 9, "last-ack")              \
	X(LISTEN, 10, "listen")                 \
	X(CLOSING, 11, "closing")               \
	X(NEW_SYN_RECEIVED, 12, "syn-received") \
	X(BOUND, 13, "bound")

enum ports_state {
#define PORTS_STATE(name, number, text) PORTS_##name = number,
	PORTS_STATES(PORTS_STATE)
#undef PORTS_STATE
};

#define PORTS_ALL_STATES 0x3ffeu

/* What tcp_info tells of a connection, and its congestion control; for UDP only drops. */
struct ports_info {
	char cc[16];
	uint32_t rtt_us, rttvar_us, rto_us, min_rtt_us;
	uint32_t cwnd_segments, ssthresh_segments; /* ssthresh 0: not set */
	uint32_t snd_mss, rcv_mss, pmtu;
	uint32_t retrans_now, retrans_total, lost, reordering;
	uint32_t idle_ms; /* since the last data either way */
	uint64_t bytes_acked, bytes_received;
	uint64_t delivery_rate, pacing_rate; /* bytes per second; 0: not known */
	uint32_t drops;                      /* datagrams dropped for want of room */
	bool has_tcp;
};

struct ports_sock {
	struct l4_addr laddr, raddr;
	uint64_t cookie;
	uint32_t inode; /* 0: held by no process (TIME-WAIT, half-open) */
	uint32_t uid;   /* of the socket's maker */
	uint32_t rqueue, wqueue;
	uint32_t ifindex;     /* bound to this interface; 0: any */
	uint32_t info;        /* index + 1 into ports_table.infos; 0: none */
	uint32_t holder;      /* index + 1 of the first holder; 0: none */
	uint32_t holder_tail; /* and of the last */
	uint16_t lport, rport;
	uint16_t netns; /* index into the namespaces' list; 0: our own */
	uint8_t proto, family, state;
	bool v6only;
};

/* A process that has a socket open, and under which descriptor. */
struct ports_holder {
	uint32_t proc; /* index into procs */
	int32_t fd;
	uint32_t next; /* index + 1 of the next holder of the same socket */
};

struct ports_proc {
	pid_t pid;
	uint32_t uid;
	char comm[32];
};

struct ports_netns {
	char name[64]; /* of /run/netns, or "net:[inode]" */
	uint64_t inode;
	pid_t pid; /* one process inside; 0: only the name holds it */
};

struct ports_table {
	struct ports_sock *socks;
	size_t n, cap;
	struct ports_info *infos;
	size_t n_infos, cap_infos;
	struct ports_holder *holders;
	size_t n_holders, cap_holders;
	struct ports_proc *procs;
	size_t n_procs, cap_procs;
	struct ports_netns *netns;
	size_t n_netns, cap_netns;
	size_t hidden_procs; /* processes whose descriptors we may not read */
	size_t hidden_socks; /* sockets with an inode and no holder found */
	size_t hidden_netns; /* namespaces that we could not enter */
};

/* What to ask the kernel for. */
struct ports_query {
	bool tcp, udp, ip4, ip6;
	unsigned states; /* bit 1 << state */
	bool info;
	uint16_t lport_min, lport_max; /* local ports wanted; 0..65535 for all */
};

/* Grows an array so that one more fits; false when there is no memory. */
bool ports_grow(void **array, size_t *cap, size_t n, size_t size);

/* Appends the sockets of the network namespace that the calling thread is in, marked `netns`.
 * Returns 0, or -1 with errno set and *what naming what failed. (ports_diag.c) */
int ports_diag_read(
    struct ports_table *t, const struct ports_query *q, uint16_t netns, const char **what);
/* The same from /proc/net, where the kernel has no sock_diag. (ports_procnet.c) */
int ports_procnet_read(struct ports_table *t, const struct ports_query *q, uint16_t netns);

#define PORTS_SOUGHT_MAX 2

/* Finds processes while the sockets are read: start, then join with the sockets. With n > 0, at
 * most PORTS_SOUGHT_MAX, only the holders of these sockets of t are sought, which is faster.
 * (ports_proc.c) */
struct ports_walk;
struct ports_walk *ports_walk_start(const struct ports_table *t, const uint32_t *sought, size_t n);
/* Works along until the walk ends, then links holders to the sockets of t, and frees the walk.
 * Returns 0 or -1 (no memory). */
int ports_walk_join(struct ports_walk *w, struct ports_table *t);

/* Lists the network namespaces other than ours. (ports_netns.c) */
int ports_netns_list(struct ports_table *t);
/* Reads the sockets of all listed namespaces. */
int ports_netns_read(struct ports_table *t, const struct ports_query *q);

/* One socket or all, in the forms the user asked for. (ports_output.c) */
struct ports_format {
	bool json, info, numeric, netns, colour;
};
const char *ports_state_name(const struct ports_sock *s);
/* Whether it waits for peers, or at least has taken the port for itself. */
bool ports_is_passive(const struct ports_sock *s);
void ports_print_table(FILE *f, const struct ports_table *t, const uint32_t *rows, size_t n,
    const struct ports_format *fmt);
void ports_print_json(FILE *f, const struct ports_table *t, const struct ports_sock *s,
    const struct ports_format *fmt, const char *event);
/* The one-line answer to "who has this port"; false when nobody has it. */
bool ports_print_answer(FILE *f, const struct ports_table *t, uint16_t port, uint8_t proto,
    const struct ports_format *fmt);
size_t ports_format_local(const struct ports_sock *s, char *text, size_t cap);
size_t ports_format_remote(const struct ports_sock *s, char *text, size_t cap);
size_t ports_format_holders(
    const struct ports_table *t, const struct ports_sock *s, char *text, size_t cap);

void ports_table_clear(struct ports_table *t); /* empties, keeps the memory */
void ports_table_fini(struct ports_table *t);

#endif
