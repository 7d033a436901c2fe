/* What l4 sim tells after a run: the summary, as text or JSON, and the report as a page.
 * Included by src/cli/sim*.c only. */
#ifndef L4_CLI_SIM_REPORT_H
#define L4_CLI_SIM_REPORT_H

#include "cli/sim_world.h"

/* How the bulk flows shared: Jain's index (1 is fair, 1/n one has all) of their goodputs over the
 * time in which all of them ran. flows < 2: nothing to share. */
struct sim_fairness {
	unsigned flows;
	double index, from_s, to_s;
	double share[SC_FLOWS]; /* of each flow of the scenario; 0 when it does not count */
};
void sim_fairness(const struct world *w, const struct recorder *r, struct sim_fairness *out);
/* Bits per second that reached the application, over the time that the flow ran. */
double sim_goodput(const struct world *w, unsigned flow);
/* Whether the flow did all that it should have; *why says how it ended. */
bool sim_flow_good(const struct sim_flow *f, const char **why);
/* The congestion control of a flow; "" for udp. */
const char *sim_flow_cc(const struct world *w, unsigned flow);

/* Whether the tool was built with the plotting library. */
bool sim_html_available(void);
/* Writes the page. scenario: the text of the file. points: at most so many of a curve. Returns 0,
 * or -1 with errno set. */
int sim_html_write(const char *path, const struct world *w, const struct recorder *r,
    const char *scenario, size_t points);

#endif
