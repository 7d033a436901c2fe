/* Which hosts are there, and by which link address.
 *
 * On the link, ARP (version 4) or neighbour solicitations (version 6) both find a host and give
 * the address that frames need; who stays silent is down. Beyond a gateway only the gateway's
 * address is needed; the hosts are asked with an ICMP echo and SYNs to 443 and 80, any of whose
 * answers proves them up. Hosts of this machine are up. Asking is repeated with growing waits, as
 * often as a lossy link may need. */
#include <stdlib.h>
#include <string.h>

#include "cli/scan_net.h"

#define ROUNDS         6
#define ROUND_WAIT     (50 * L4_MSEC) /* of the first round on the link; later ones grow by it */
#define ROUND_WAIT_FAR (250 * L4_MSEC)

struct hosts {
	struct scan_job *j;
	struct scan_net *n;
	struct scan_rate *r;
	uint64_t waiting; /* hosts and gateways without an answer */
	l4_time round_start;
	bool far; /* the rounds beyond gateways */
};

static struct scan_group *gateway_group(struct hosts *h, const struct l4_addr *a)
{
	for (size_t i = 0; i < h->n->n_groups; i++) {
		struct scan_group *g = &h->n->groups[i];
		if (g->ok && !g->on_link && !g->gw_known && l4_addr_eq(&g->gw, a))
			return g;
	}
	return NULL;
}

static void up(struct hosts *h, uint64_t host, uint8_t reason)
{
	struct scan_job *j = h->j;
	if (j->hosts[host])
		return;
	j->hosts[host] = reason;
	h->waiting--;
	l4_time rtt = scan_now() - h->round_start;
	if (j->host_rtt_ms)
		j->host_rtt_ms[host] = (float)((double)rtt / 1e6);
	/* In a long round the time since its start is no round trip. */
	if (h->waiting < 256)
		scan_rate_on_rtt(h->r, rtt);
}

static void on_packet(struct hosts *h, struct scan_link *l, const uint8_t *p, size_t len,
    uint16_t ethertype, const struct l4_mac *from)
{
	struct scan_job *j = h->j;
	struct scan_answer a;
	struct l4_addr whose;
	struct l4_mac mac;
	if (scan_learn_mac(j, h->n, l, ethertype, p, len, from, &whose, &mac)) {
		struct scan_group *g;
		while ((g = gateway_group(h, &whose))) {
			g->gw_known = true;
			g->gw_mac = mac;
			h->waiting--;
			scan_rate_on_rtt(h->r, scan_now() - h->round_start);
		}
		int64_t host = scan_targets_find(j->targets, &whose);
		g = host >= 0 ? scan_net_group(h->n, &whose) : NULL;
		if (g && g->ok && g->on_link && !g->local && j->macs) {
			j->macs[host] = mac;
			up(h, (uint64_t)host,
			    l4_addr_is_ip4(&whose) ? SCAN_R_ARP_RESPONSE : SCAN_R_NDP_RESPONSE);
		}
		return;
	}
	if (!h->far)
		return;
	scan_probe_parse(j, h->n, SCAN_SYN, p, len, &a);
	int64_t host = a.reason ? scan_targets_find(j->targets, &a.host) : -1;
	if (host >= 0 && (a.reason == SCAN_R_ECHO_REPLY || a.reason == SCAN_R_SYN_ACK ||
			     a.reason == SCAN_R_RESET))
		up(h, (uint64_t)host, a.reason);
}

static void receive(struct hosts *h)
{
	for (size_t i = 0; i < h->n->n_links; i++) {
		struct scan_link *l = &h->n->links[i];
		const uint8_t *p;
		size_t len;
		uint16_t type;
		struct l4_mac from;
		while ((p = scan_link_receive(l, &len, &type, &from))) {
			on_packet(h, l, p, len, type, &from);
			scan_link_release(l);
		}
	}
}

static void flush(struct hosts *h)
{
	for (size_t i = 0; i < h->n->n_links; i++)
		scan_link_flush(&h->n->links[i], &h->j->c);
}

/* Waits until `n` packets may leave, receiving meanwhile. */
static void pace(struct hosts *h, unsigned n)
{
	while (n && !scan_stop) {
		unsigned got = scan_rate_take(h->r, scan_now(), n);
		n -= got;
		if (!n)
			return;
		flush(h);
		receive(h);
		scan_net_wait(h->n, L4_MSEC);
	}
}

static void ask_host(struct hosts *h, struct scan_group *g, const struct l4_addr *a)
{
	if (g->on_link) {
		pace(h, 1);
		scan_ask_mac(h->j, h->n, g, a);
		return;
	}
	if (!g->gw_known)
		return;
	pace(h, 3);
	scan_echo_send(h->j, h->n, g, a, &g->gw_mac);
	scan_probe_send(h->j, h->n, g, a, &g->gw_mac, 443, 1);
	scan_probe_send(h->j, h->n, g, a, &g->gw_mac, 80, 1);
}

/* One round: everyone still silent is asked, then answers are awaited. */
static void ask_all(struct hosts *h, unsigned round)
{
	struct scan_job *j = h->j;
	h->round_start = scan_now();
	if (!h->far)
		for (size_t i = 0; i < h->n->n_groups; i++) {
			struct scan_group *g = &h->n->groups[i];
			if (g->ok && !g->on_link && !g->gw_known && h->n->links[g->link].ethernet)
				scan_ask_mac(j, h->n, g, &g->gw);
		}
	for (uint64_t k = 0; k < j->targets->n_hosts && !scan_stop; k++) {
		if (j->hosts[k])
			continue;
		struct l4_addr a = scan_targets_host(j->targets, k);
		struct scan_group *g = scan_net_group(h->n, &a);
		if (!g || !g->ok || g->on_link == h->far)
			continue;
		ask_host(h, g, &a);
		if (k % 64 == 0)
			receive(h);
		if (k % 4096 == 0)
			scan_progress(j, "looking for hosts", k, j->targets->n_hosts, false);
	}
	flush(h);
	l4_time step = h->far ? ROUND_WAIT_FAR : ROUND_WAIT;
	l4_time end = scan_now() + step * (round + 1), now;
	receive(h);
	while (h->waiting && (now = scan_now()) < end && !scan_stop) {
		scan_net_wait(h->n, end - now);
		receive(h);
	}
}

static void count_waiting(struct hosts *h)
{
	struct scan_job *j = h->j;
	h->waiting = 0;
	if (!h->far)
		for (size_t i = 0; i < h->n->n_groups; i++) {
			struct scan_group *g = &h->n->groups[i];
			if (g->ok && !g->on_link && !h->n->links[g->link].ethernet)
				g->gw_known = true;
			h->waiting += g->ok && !g->on_link && !g->gw_known;
		}
	for (uint64_t k = 0; k < j->targets->n_hosts; k++) {
		struct l4_addr a = scan_targets_host(j->targets, k);
		struct scan_group *g = scan_net_group(h->n, &a);
		if (!g || !g->ok)
			continue;
		if (g->local)
			j->hosts[k] = SCAN_R_LOCALHOST;
		else if (g->on_link && !h->n->links[g->link].ethernet)
			j->hosts[k] = SCAN_R_USER_SET;
		else if (g->on_link && !h->far)
			j->hosts[k] = 0; /* of a resumed scan: its link address is not known now */
		h->waiting += !j->hosts[k] && g->on_link != h->far;
	}
}

static void mark_down(struct hosts *h)
{
	struct scan_job *j = h->j;
	for (uint64_t k = 0; k < j->targets->n_hosts; k++) {
		struct l4_addr a = scan_targets_host(j->targets, k);
		struct scan_group *g = scan_net_group(h->n, &a);
		bool dead = !g || !g->ok || (g->on_link && !j->hosts[k]) ||
			    (!g->on_link && !g->gw_known) || (h->far && !j->hosts[k]);
		if (dead)
			j->host_down[k >> 3] |= (uint8_t)(1u << (k & 7));
	}
}

int scan_hosts_run(
    struct scan_job *j, struct scan_net *n, struct scan_rate *r, char *error, size_t cap)
{
	struct hosts h = { .j = j, .n = n, .r = r };
	bool any_far = false;
	for (size_t i = 0; i < n->n_groups; i++)
		if (n->groups[i].ok) {
			any_far |= !n->groups[i].on_link;
			/* The SYNs of discovery, whatever the scan's own type. */
			scan_probe_template(j, n, &n->groups[i], SCAN_SYN);
		}
	j->host_down = calloc((j->targets->n_hosts + 7) / 8, 1);
	if (!j->host_down) {
		snprintf(error, cap, "no memory for %llu hosts",
		    (unsigned long long)j->targets->n_hosts);
		return -1;
	}
	count_waiting(&h);
	for (unsigned round = 0; round < ROUNDS && h.waiting && !scan_stop; round++)
		ask_all(&h, round);
	/* One host, or few ports: the scan itself shows who is there. */
	if (any_far && !j->no_discovery && j->targets->n_hosts > 1 && j->n_ports > 4) {
		h.far = true;
		count_waiting(&h);
		for (unsigned round = 0; round < 3 && h.waiting && !scan_stop; round++)
			ask_all(&h, round);
	}
	mark_down(&h);
	return 0;
}
