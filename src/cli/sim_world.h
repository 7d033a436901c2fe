/* A scenario come to life: hosts, switches and links, and the applications of its flows.
 * Included by src/cli/sim*.c only. */
#ifndef L4_CLI_SIM_WORLD_H
#define L4_CLI_SIM_WORLD_H

#include "cli/sim_record.h"
#include "cli/sim_scenario.h"

#include <layer4/loop.h>

struct world;

struct sim_side {
	struct sim_flow *flow;
	bool server, listens;
};

/* A flow at work. */
struct sim_flow {
	struct world *w;
	const struct sc_flow *f;
	unsigned index;
	struct sim_side client_side, server_side, listener_side;
	struct l4_endpoint to;
	l4_ep listener, client, server;
	uint64_t sent, got;     /* bytes of the present connection, main direction */
	uint64_t total;         /* bytes that reached the application, all connections */
	uint64_t wanted;        /* response bytes still to be sent */
	uint64_t asked;         /* request bytes received, of the present request */
	uint64_t request_got;   /* offset of the request stream */
	uint64_t request_sent;  /* of it, sent */
	uint64_t response_sent; /* offset of the response stream */
	uint64_t left;          /* response bytes still to come */
	uint64_t requests;      /* answered */
	uint64_t datagrams[2];  /* udp: sent, received */
	l4_time asked_at, on_since;
	bool on, stopped, done, damaged;
	int err; /* L4_E* that ended it, 0 */
	l4_time ended;
	struct l4_tcp_info info; /* the latest of the end that sends most */
};

struct world {
	const struct scenario *sc;
	struct recorder *rec;
	struct l4_sim *sim;
	struct l4_host *host[SC_NODES]; /* NULL: a switch */
	int switch_no[SC_NODES];
	struct l4_link *link[SC_LINKS];
	int ifindex[SC_LINKS][2];
	struct sim_flow flow[SC_FLOWS];
	struct host_ctx {
		struct world *w;
		unsigned node;
	} ctx[SC_NODES];
	l4_time sample; /* of queues */
	unsigned changed;
	struct l4_pcap *pcap;
	int pcap_iface[SC_NODES];
	char err[256];
};

/* Builds it. Returns 0, or -1 with the reason in w->err. pcap may be NULL; borrowed. */
int world_init(
    struct world *w, const struct scenario *sc, struct recorder *rec, struct l4_pcap *pcap);
/* Runs to the scenario's end. Returns 0, or -1 with the reason in w->err. */
int world_run(struct world *w, bool check);
void world_fini(struct world *w);
/* Whether the client of a flow sends most of its data. */
bool world_client_sends(const struct sc_flow *f);

#endif
