/* What a scenario file says, for l4 sim. Included by src/cli/sim*.c and its test only. */
#ifndef L4_CLI_SIM_SCENARIO_H
#define L4_CLI_SIM_SCENARIO_H

#include <layer4/host.h>
#include <layer4/sim.h>

#include <stdio.h>

#define SC_NODES   64
#define SC_LINKS   128
#define SC_FLOWS   128
#define SC_CHANGES 512
#define SC_NAME    24

struct sc_node {
	char name[SC_NAME];
	bool is_switch;
	struct l4_tcp_config tcp;
	uint64_t memory; /* bytes of buffers; 0: the default */
};

struct sc_link {
	unsigned end[2]; /* nodes */
	char name[2 * SC_NAME];
	uint32_t mtu;
	struct l4_impair to[2]; /* at the start; to[0]: from end[0] to end[1] */
};

struct sc_change {
	l4_time when;
	unsigned link;
	struct l4_impair to[2];
};

enum sc_kind { SC_BULK, SC_REQUEST, SC_ONOFF, SC_UDP };

struct sc_flow {
	char name[SC_NAME];
	unsigned end[2]; /* client, server: nodes */
	enum sc_kind kind;
	char cc[16]; /* "": the host's */
	l4_time start, stop;
	uint64_t size;              /* bulk: bytes, 0: until stop; udp: of a datagram */
	uint64_t request, response; /* bytes */
	l4_time think, on, off;
	uint64_t rate; /* bytes/s; onoff: 0 as fast as it goes */
	uint64_t count;
	bool fresh; /* request: a connection for each */
	bool nodelay;
	uint64_t sndbuf, rcvbuf, max_rate; /* 0: the host's */
};

struct scenario {
	char title[160];
	uint64_t seed;
	l4_time time;
	bool v6;
	unsigned n_nodes, n_links, n_flows, n_changes;
	struct sc_node node[SC_NODES];
	struct sc_link link[SC_LINKS];
	struct sc_flow flow[SC_FLOWS];
	struct sc_change change[SC_CHANGES];
	struct l4_tcp_config base; /* what "set" makes of the defaults */
};

/* Reads a whole file. Returns 0, or -1 with "name:line: what is wrong" in err. */
int scenario_read(struct scenario *sc, FILE *f, const char *name, char *err, size_t cap);
const char *scenario_kind_name(enum sc_kind k);

#endif
