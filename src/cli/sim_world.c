/* Builds the hosts and links of a scenario and gives its flows their applications.
 *
 * Networks: links that meet in a switch are one network, any other link is its own. Each host has
 * one address on each of its networks, 10.0.N.H/24 or 2001:db8:N::H/64 with N the network and H the
 * host in the order of the file; a flow uses the first network that both its hosts are on. There
 * are no routers.
 *
 * Every byte that arrives is compared with what was sent: the stream of a flow is a fixed pattern
 * by its offset. */
#include "cli/sim_world.h"

#include <layer4/udp.h>

#include <stdlib.h>
#include <string.h>

#define PORT       5000
#define PATTERN    65536u
#define QUEUE_WANT 2000 /* samples of each queue */
#define TICK       (5 * L4_MSEC)

static uint8_t pattern[2 * PATTERN]; /* twice, so that a run of 64 KiB may begin anywhere */

static void make_pattern(void)
{
	uint32_t x = 1;
	for (unsigned i = 0; i < PATTERN; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = pattern[i + PATTERN] = (uint8_t)(x >> 24);
	}
}

bool world_client_sends(const struct sc_flow *f)
{
	return f->kind != SC_REQUEST || f->request >= f->response;
}

static struct l4_host *client_host(const struct sim_flow *f)
{
	return f->w->host[f->f->end[0]];
}

static struct l4_host *server_host(const struct sim_flow *f)
{
	return f->w->host[f->f->end[1]];
}

static const uint8_t *bytes_at(const struct sim_flow *f, uint64_t off)
{
	return pattern + (off + f->index * 257) % PATTERN;
}

static void ended(struct sim_flow *f, int err, l4_time now)
{
	if (f->done)
		return;
	f->done = true;
	f->err = err;
	f->ended = now;
	recorder_note(
	    f->w->rec, err ? "flow_failed" : "flow_done", "flow", f->f->name, f->total, now);
}

/* Sends up to *left bytes of the stream at *off. */
static void send_stream(
    struct sim_flow *f, struct l4_host *h, l4_ep ep, uint64_t *off, uint64_t *left, l4_time now)
{
	while (*left) {
		size_t n = *left < PATTERN ? (size_t)*left : PATTERN;
		int64_t k = l4_tcp_send(h, ep, bytes_at(f, *off), n, 0, now);
		if (k <= 0)
			return;
		*off += (uint64_t)k;
		*left -= (uint64_t)k;
	}
}

/* Takes up to max bytes and compares them. Returns their number, or as l4_tcp_peek. */
static int64_t take_stream(
    struct sim_flow *f, struct l4_host *h, l4_ep ep, uint64_t *off, uint64_t max, l4_time now)
{
	struct l4_piece p[2];
	int got = l4_tcp_peek(h, ep, p);
	if (got <= 0)
		return got;
	size_t n = p[0].len < max ? p[0].len : (size_t)max;
	for (size_t i = 0; i < n;) {
		size_t part = n - i < PATTERN ? n - i : PATTERN;
		if (memcmp((const uint8_t *)p[0].data + i, bytes_at(f, *off + i), part) != 0)
			f->damaged = true;
		i += part;
	}
	*off += n;
	l4_tcp_consume(h, ep, n, now);
	return (int64_t)n;
}

/* --- bulk and onoff --- */

static void tick(void *ctx, l4_time now);

/* Writes what is due now. */
static void write_more(struct sim_flow *f, l4_time now)
{
	struct l4_host *h = client_host(f);
	uint64_t left = UINT64_MAX - f->sent;
	if (!f->client || f->stopped || f->done)
		return;
	if (f->f->kind == SC_ONOFF) {
		if (!f->on)
			return;
		if (f->f->rate) {
			/* on_since moves with what was written, so that a stall is not made up for
			 * beyond the buffer */
			uint64_t due =
			    (uint64_t)((double)(now - f->on_since) * (double)f->f->rate / 1e9);
			left = due > f->asked ? due - f->asked : 0;
			uint64_t before = f->sent;
			send_stream(f, h, f->client, &f->sent, &left, now);
			f->asked += f->sent - before;
			return;
		}
	} else if (f->f->size) {
		left = f->f->size - f->sent;
	}
	send_stream(f, h, f->client, &f->sent, &left, now);
	if (f->f->kind == SC_BULK && f->f->size && !left) {
		f->stopped = true;
		l4_tcp_shutdown(h, f->client, now);
	}
}

static void tick(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	if (f->stopped || f->done || !f->on)
		return;
	write_more(f, now);
	l4_sim_at(f->w->sim, now + TICK, tick, f);
}

static void turn_off(void *ctx, l4_time now);

static void turn_on(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	if (f->stopped || f->done)
		return;
	f->on = true;
	f->on_since = now;
	f->asked = 0;
	write_more(f, now);
	if (f->f->rate)
		l4_sim_at(f->w->sim, now + TICK, tick, f);
	if (f->f->off)
		l4_sim_at(f->w->sim, now + f->f->on, turn_off, f);
}

static void turn_off(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	f->on = false;
	if (!f->stopped && !f->done)
		l4_sim_at(f->w->sim, now + f->f->off, turn_on, f);
}

static void read_bulk(struct sim_flow *f, l4_time now)
{
	int64_t n;
	while ((n = take_stream(f, server_host(f), f->server, &f->got, UINT64_MAX, now)) > 0) {
		f->total += (uint64_t)n;
		recorder_received(f->w->rec, f->index, (uint64_t)n, now);
	}
	if (n == 0) {
		ended(f, 0, now);
		l4_tcp_close(server_host(f), f->server, now);
		f->server = 0;
	}
}

/* --- request and response --- */

static void dial(struct sim_flow *f, l4_time now);

static void ask(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	if (f->stopped || f->done)
		return;
	if (!f->client) { /* a connection for each: the next one */
		dial(f, now);
		return;
	}
	uint64_t left = f->f->request;
	f->asked_at = f->f->fresh ? f->asked_at : now;
	f->left = f->f->response;
	send_stream(f, client_host(f), f->client, &f->request_sent, &left, now);
	f->wanted = left; /* of the request, when the buffer was too small */
}

static void answered(struct sim_flow *f, l4_time now)
{
	f->requests++;
	recorder_latency(f->w->rec, f->index, now - f->asked_at, now);
	bool last = f->f->count && f->requests >= f->f->count;
	if (f->f->fresh || last) {
		l4_tcp_close(client_host(f), f->client, now);
		f->client = 0;
	}
	if (last)
		ended(f, 0, now);
	else
		l4_sim_at(f->w->sim, now + f->f->think, ask, f);
}

static void read_response(struct sim_flow *f, l4_time now)
{
	int64_t n = 0;
	while (f->client && f->left &&
	       (n = take_stream(f, client_host(f), f->client, &f->got, f->left, now)) > 0) {
		f->left -= (uint64_t)n;
		f->total += (uint64_t)n;
		recorder_received(f->w->rec, f->index, (uint64_t)n, now);
		if (!f->left)
			answered(f, now);
	}
}

static void serve_request(struct sim_flow *f, l4_time now)
{
	struct l4_host *h = server_host(f);
	int64_t n;
	while ((n = take_stream(f, h, f->server, &f->request_got, f->f->request - f->asked, now)) >
	       0) {
		f->asked += (uint64_t)n;
		if (f->asked < f->f->request)
			continue;
		f->asked = 0;
		f->sent += f->f->response; /* to be sent in all on this connection */
	}
	uint64_t left = f->sent - f->response_sent;
	send_stream(f, h, f->server, &f->response_sent, &left, now);
	if (n == 0) {
		l4_tcp_close(h, f->server, now);
		f->server = 0;
	}
}

/* --- udp --- */

static void datagram(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	if (now >= f->f->stop || f->done)
		return;
	l4_udp_send(client_host(f), f->client, NULL, pattern, (size_t)f->f->size, now);
	f->datagrams[0]++;
	double at = (double)f->datagrams[0] * (double)f->f->size * 1e9 / (double)f->f->rate;
	l4_sim_at(f->w->sim, f->f->start + (l4_time)at, datagram, f);
}

static void read_datagrams(struct sim_flow *f, l4_time now)
{
	static uint8_t buf[65536];
	int64_t n;
	while ((n = l4_udp_recv(server_host(f), f->listener, buf, sizeof buf, NULL, now)) >= 0) {
		if (memcmp(buf, pattern, (size_t)n) != 0)
			f->damaged = true;
		f->datagrams[1]++;
		f->total += (uint64_t)n;
		recorder_received(f->w->rec, f->index, (uint64_t)n, now);
	}
}

/* --- Events --- */

static void options(struct sim_flow *f, struct l4_host *h, l4_ep ep)
{
	const struct sc_flow *c = f->f;
	if (c->cc[0])
		l4_tcp_set_congestion(h, ep, c->cc);
	if (c->nodelay || c->kind == SC_REQUEST)
		l4_tcp_set(h, ep, L4_TCPOPT_NODELAY, 1, 0);
	if (c->sndbuf)
		l4_tcp_set(h, ep, L4_TCPOPT_SNDBUF, (int64_t)c->sndbuf, 0);
	if (c->rcvbuf)
		l4_tcp_set(h, ep, L4_TCPOPT_RCVBUF, (int64_t)c->rcvbuf, 0);
	if (c->max_rate)
		l4_tcp_set(h, ep, L4_TCPOPT_MAX_PACING_RATE, (int64_t)c->max_rate, 0);
	if (c->kind == SC_ONOFF) /* stop soon after the application does */
		l4_tcp_set(h, ep, L4_TCPOPT_NOTSENT_LOWAT, 16384, 0);
}

static void dial(struct sim_flow *f, l4_time now)
{
	struct l4_host *h = client_host(f);
	f->sent = f->got = f->asked = f->request_got = f->request_sent = f->response_sent = 0;
	f->asked_at = now;
	recorder_connection(f->w->rec, f->index);
	f->client = l4_tcp_new(h, &f->client_side);
	int rc = f->client < 0 ? (int)f->client : 0;
	if (rc == 0) {
		options(f, h, f->client);
		rc = l4_tcp_connect(h, f->client, &f->to, now);
	}
	if (rc < 0)
		ended(f, rc, now);
}

static void start(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	recorder_note(f->w->rec, "flow_start", "flow", f->f->name, 0, now);
	if (f->f->kind != SC_UDP) {
		dial(f, now);
		return;
	}
	f->client = l4_udp_new(client_host(f), &f->client_side);
	int rc = f->client < 0 ? (int)f->client : l4_udp_connect(client_host(f), f->client, &f->to);
	if (rc < 0)
		ended(f, rc, now);
	else
		datagram(f, now);
}

static void stop(void *ctx, l4_time now)
{
	struct sim_flow *f = ctx;
	if (f->stopped || f->done)
		return;
	f->stopped = true;
	if (f->f->kind == SC_UDP || f->f->kind == SC_REQUEST)
		ended(f, 0, now);
	else if (f->client)
		l4_tcp_shutdown(client_host(f), f->client, now);
}

static void on_client(struct sim_flow *f, const struct l4_event *e, l4_time now)
{
	if (f->f->kind == SC_UDP || e->ep != f->client)
		return;
	if (world_client_sends(f->f))
		l4_tcp_info(client_host(f), f->client, &f->info, now);
	if (e->bits & L4_EV_ERROR) {
		ended(f, e->err, now);
		f->client = 0;
		return;
	}
	if (f->f->kind == SC_REQUEST) {
		if (e->bits & L4_EV_CONNECTED)
			ask(f, now);
		else if (f->wanted)
			send_stream(
			    f, client_host(f), f->client, &f->request_sent, &f->wanted, now);
		read_response(f, now);
		return;
	}
	if (f->f->kind == SC_ONOFF && (e->bits & L4_EV_CONNECTED))
		turn_on(f, now);
	else
		write_more(f, now);
	if (e->bits & L4_EV_EOF) {
		l4_tcp_close(client_host(f), f->client, now);
		f->client = 0;
	}
}

static void on_event(void *ctx, struct l4_host *h, const struct l4_event *e, l4_time now)
{
	const struct sim_side *side = e->user;
	(void)ctx;
	if (!side)
		return;
	struct sim_flow *f = side->flow;
	if (!side->server) {
		on_client(f, e, now);
		return;
	}
	if (side->listens && f->f->kind == SC_UDP) {
		read_datagrams(f, now);
		return;
	}
	if (side->listens) {
		l4_ep ep = l4_tcp_accept(h, f->listener, NULL, &f->server_side, now);
		if (ep <= 0)
			return;
		if (f->server) /* of a connection before: its client has closed it */
			l4_tcp_close(h, f->server, now);
		f->server = ep;
		options(f, h, ep);
	} else if (e->ep != f->server) {
		return;
	}
	if (!world_client_sends(f->f))
		l4_tcp_info(h, f->server, &f->info, now);
	if ((e->bits & L4_EV_ERROR) && !side->listens) {
		ended(f, e->err, now);
		f->server = 0;
	} else if (f->f->kind == SC_REQUEST) {
		serve_request(f, now);
	} else {
		read_bulk(f, now);
	}
}

static void on_trace(void *ctx, const struct l4_trace_event *e)
{
	const struct host_ctx *c = ctx;
	struct world *w = c->w;
	int flow = -1;
	bool data = false;
	if (e->ep)
		for (unsigned i = 0; i < w->sc->n_flows; i++) {
			const struct sim_flow *f = &w->flow[i];
			bool client = f->client == e->ep && f->f->end[0] == c->node;
			bool server = f->server == e->ep && f->f->end[1] == c->node;
			if (client || server) {
				flow = (int)i;
				data = client == world_client_sends(f->f);
				break;
			}
		}
	recorder_event(w->rec, w->sc->node[c->node].name, flow, data, e);
}

static void on_frame(void *ctx, struct l4_host *h, unsigned ifindex, bool sent,
    const struct l4_frame *f, l4_time now)
{
	struct world *w = ctx;
	(void)ifindex;
	for (unsigned i = 0; i < w->sc->n_nodes; i++)
		if (w->host[i] == h)
			l4_pcap_frame(w->pcap, w->pcap_iface[i], sent, f, now);
}

/* --- Building --- */

static int fail(struct world *w, const char *what, const char *name, int rc)
{
	snprintf(w->err, sizeof w->err, "%s%s%s: %s", what, name ? " " : "", name ? name : "",
	    l4_err_text(rc));
	return -1;
}

static int make_nodes(struct world *w)
{
	const struct scenario *sc = w->sc;
	for (unsigned i = 0; i < sc->n_nodes; i++) {
		const struct sc_node *n = &sc->node[i];
		int rc;
		w->ctx[i] = (struct host_ctx){ w, i };
		if (n->is_switch) {
			rc = w->switch_no[i] = l4_sim_add_switch(w->sim);
		} else {
			struct l4_host_config c;
			l4_host_config_init(&c);
			c.tcp = n->tcp;
			c.limits.buffer_bytes = n->memory ? n->memory : 1u << 29;
			c.trace.event = on_trace;
			c.trace.ctx = &w->ctx[i];
			rc = l4_sim_add_host(w->sim, &w->host[i], &c);
			if (rc == 0)
				l4_sim_on_event(w->sim, w->host[i], on_event, w);
			if (rc == 0 && w->pcap)
				rc = w->pcap_iface[i] =
				    l4_pcap_add_iface(w->pcap, n->name, L4_MEDIUM_ETHERNET);
		}
		if (rc < 0)
			return fail(w, "host", n->name, rc);
	}
	return 0;
}

static int make_links(struct world *w)
{
	const struct scenario *sc = w->sc;
	for (unsigned i = 0; i < sc->n_links; i++) {
		const struct sc_link *l = &sc->link[i];
		struct l4_link_config c = { .to = { l->to[0], l->to[1] },
			.medium = L4_MEDIUM_ETHERNET,
			.mtu = l->mtu,
			.seed = l4_sim_random(w->sim) };
		struct l4_device *ends[2];
		int rc = l4_link_new(&w->link[i], &c, ends);
		if (rc == 0)
			rc = l4_sim_adopt(w->sim, w->link[i]);
		for (int k = 0; k < 2 && rc >= 0; k++) {
			unsigned n = l->end[k];
			rc = sc->node[n].is_switch
				 ? l4_sim_plug(w->sim, w->switch_no[n], ends[k])
				 : l4_sim_attach(w->sim, w->host[n], ends[k], NULL);
			w->ifindex[i][k] = rc;
		}
		if (rc < 0)
			return fail(w, "link", l->name, rc);
	}
	return 0;
}

/* The network of each link, from 1. */
static void networks(const struct scenario *sc, unsigned net[SC_LINKS])
{
	bool again = true;
	for (unsigned i = 0; i < sc->n_links; i++)
		net[i] = i + 1;
	while (again) {
		again = false;
		for (unsigned i = 0; i < sc->n_links; i++)
			for (unsigned k = 0; k < sc->n_links; k++)
				for (int e = 0; e < 4; e++) {
					unsigned n = sc->link[i].end[e & 1];
					if (n == sc->link[k].end[e >> 1] && sc->node[n].is_switch &&
					    net[i] < net[k]) {
						net[k] = net[i];
						again = true;
					}
				}
	}
}

static void address(const struct scenario *sc, unsigned net, unsigned node, struct l4_prefix *out)
{
	char text[64];
	if (sc->v6)
		snprintf(text, sizeof text, "2001:db8:%x::%x/64", net, node + 1);
	else
		snprintf(text, sizeof text, "10.0.%u.%u/24", net, node + 1);
	l4_prefix_parse(out, text);
}

static int make_addresses(struct world *w)
{
	const struct scenario *sc = w->sc;
	unsigned net[SC_LINKS];
	networks(sc, net);
	for (unsigned i = 0; i < sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			unsigned n = sc->link[i].end[k];
			struct l4_prefix p;
			if (sc->node[n].is_switch)
				continue;
			for (unsigned j = 0; j < i; j++)
				if (net[j] == net[i] &&
				    (sc->link[j].end[0] == n || sc->link[j].end[1] == n)) {
					snprintf(w->err, sizeof w->err,
					    "host %s is twice on one network: links %s and %s",
					    sc->node[n].name, sc->link[j].name, sc->link[i].name);
					return -1;
				}
			address(sc, net[i], n, &p);
			int rc = l4_host_add_address(w->host[n], (unsigned)w->ifindex[i][k], &p, 0);
			if (rc < 0)
				return fail(w, "address of", sc->node[n].name, rc);
		}
	for (unsigned i = 0; i < sc->n_flows; i++) {
		const struct sc_flow *f = &sc->flow[i];
		unsigned on[2][SC_LINKS], n[2] = { 0, 0 }, found = 0;
		for (int e = 0; e < 2; e++)
			for (unsigned k = 0; k < sc->n_links; k++)
				if (sc->link[k].end[0] == f->end[e] ||
				    sc->link[k].end[1] == f->end[e])
					on[e][n[e]++] = net[k];
		for (unsigned a = 0; a < n[0] && !found; a++)
			for (unsigned b = 0; b < n[1] && !found; b++)
				found = on[0][a] == on[1][b] ? on[0][a] : 0;
		if (!found) {
			snprintf(w->err, sizeof w->err,
			    "flow %s: %s and %s are on no common network; link them, or by a "
			    "switch",
			    f->name, sc->node[f->end[0]].name, sc->node[f->end[1]].name);
			return -1;
		}
		struct l4_prefix p;
		address(sc, found, f->end[1], &p);
		w->flow[i].to.addr = p.addr;
		w->flow[i].to.port = (uint16_t)(PORT + i);
	}
	return 0;
}

static int make_flows(struct world *w)
{
	const struct scenario *sc = w->sc;
	for (unsigned i = 0; i < sc->n_flows; i++) {
		struct sim_flow *f = &w->flow[i];
		struct l4_endpoint at = { .port = f->to.port };
		int rc;
		f->w = w;
		f->f = &sc->flow[i];
		f->index = i;
		f->client_side = (struct sim_side){ f, false, false };
		f->server_side = (struct sim_side){ f, true, false };
		f->listener_side = (struct sim_side){ f, true, true };
		struct l4_host *h = server_host(f);
		at.addr = f->to.addr;
		if (f->f->kind == SC_UDP) {
			f->listener = l4_udp_new(h, &f->listener_side);
			rc = f->listener < 0 ? (int)f->listener : l4_udp_bind(h, f->listener, &at);
		} else {
			f->listener = l4_tcp_new(h, &f->listener_side);
			if ((rc = (int)(f->listener < 0 ? f->listener : 0)) == 0) {
				options(f, h, f->listener);
				rc = l4_tcp_bind(h, f->listener, &at);
			}
			if (rc == 0)
				rc = l4_tcp_listen(h, f->listener, 16, 0);
		}
		if (rc == 0)
			rc = l4_sim_at(w->sim, f->f->start, start, f);
		if (rc == 0 && f->f->stop != L4_TIME_NEVER && f->f->stop < sc->time)
			rc = l4_sim_at(w->sim, f->f->stop, stop, f);
		if (rc < 0)
			return fail(w, "flow", f->f->name, rc);
	}
	return 0;
}

static void change(void *ctx, l4_time now)
{
	struct world *w = ctx;
	for (unsigned i = 0; i < w->sc->n_changes; i++) {
		const struct sc_change *c = &w->sc->change[i];
		if (c->when != now)
			continue;
		for (int k = 0; k < 2; k++)
			l4_link_impair(w->link[c->link], k, &c->to[k]);
		recorder_note(w->rec, "link_change", "link", w->sc->link[c->link].name, i, now);
	}
}

static void sample(void *ctx, l4_time now)
{
	struct world *w = ctx;
	struct l4_link_stats s;
	for (unsigned i = 0; i < w->sc->n_links; i++)
		for (int k = 0; k < 2; k++) {
			l4_link_stats(w->link[i], k, &s);
			recorder_queue(w->rec, i, k, &s, now);
		}
	l4_sim_at(w->sim, now + w->sample, sample, w);
}

int world_init(
    struct world *w, const struct scenario *sc, struct recorder *rec, struct l4_pcap *pcap)
{
	memset(w, 0, sizeof *w);
	w->sc = sc;
	w->rec = rec;
	w->pcap = pcap;
	make_pattern();
	int rc = l4_sim_new(&w->sim, sc->seed);
	if (rc < 0)
		return fail(w, "simulation", NULL, rc);
	if (make_nodes(w) < 0 || make_links(w) < 0 || make_addresses(w) < 0 || make_flows(w) < 0)
		return -1;
	for (unsigned i = 0; i < sc->n_changes;
	     i++) /* equal times: the later one of the file last */
		if (l4_sim_at(w->sim, sc->change[i].when, change, w) < 0)
			return fail(w, "changes", NULL, L4_ENOMEM);
	if (pcap)
		l4_sim_on_frame(w->sim, on_frame, w);
	w->sample = sc->time / QUEUE_WANT;
	if (w->sample < 100 * L4_USEC)
		w->sample = 100 * L4_USEC;
	if (rec->points && l4_sim_at(w->sim, 0, sample, w) < 0)
		return fail(w, "samples", NULL, L4_ENOMEM);
	return 0;
}

int world_run(struct world *w, bool check)
{
	int rc = l4_sim_run(w->sim, w->sc->time, check);
	if (rc == 0 && !w->rec->failed)
		return 0;
	if (rc == 0)
		return fail(w, "report", NULL, L4_ENOMEM);
	snprintf(w->err, sizeof w->err, "%s%s%s", l4_err_text(rc),
	    l4_sim_what(w->sim)[0] ? ": " : "", l4_sim_what(w->sim));
	return -1;
}

void world_fini(struct world *w)
{
	l4_sim_free(w->sim);
	w->sim = NULL;
}
