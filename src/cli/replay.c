/* Packets of a capture, sent again.
 *
 * Frames of Ethernet leave as they are, by the interface that was named. Bare IP packets get the
 * link header that the route to their destination asks for. Each leaves when its time has come,
 * counted from the first: errors of single waits do not add up. */
#include "cli/replay.h"

#include <layer4/capfile.h>
#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/burst.h"
#include "cli/capin.h"
#include "cli/cli.h"
#include "cli/sendopt.h"
#include "cli/signals.h"

enum { FRAME_MAX = 65536 + 64, SPIN = 60000 };

struct play {
	struct replay *r;
	struct wires *s;
	struct flood_result *out;
	struct burst *burst; /* without pauses, of the interface that was named */
	struct l4_addr dst;  /* the last way */
	struct route route;
	struct wire *w;
	l4_time start, first;
	uint64_t number;
	uint8_t frame[FRAME_MAX];
};

static int refuse(struct play *p, struct wire *w, size_t n, int error)
{
	fprintf(stderr, "l4 send: %s: packet %" PRIu64 ": %s%s\n", p->r->path, p->number,
	    strerror(error), sendopt_errno_hint(error, w, n));
	return L4_EXIT_SYSTEM;
}

static int transmit(struct play *p, struct wire *w, const uint8_t *f, size_t n)
{
	if (p->burst && w == &p->s->wire[0])
		return burst_put(p->burst, f, n) < 0 ? refuse(p, w, n, errno) : 0;
	if (wires_send(p->s, w, f, n) < 0)
		return refuse(p, w, n, p->s->saved_errno);
	p->out->sent++;
	p->out->bytes += n;
	return 0;
}

/* A bare IP packet: by the route. */
static int transmit_ip(struct play *p, const uint8_t *b, size_t n)
{
	char err[256];
	bool v6 = b[0] >> 4 == 6;
	struct l4_eth_hdr eth = { .type = v6 ? L4_ETHERTYPE_IP6 : L4_ETHERTYPE_IP4 };
	if (n < (v6 ? 40u : 20u) || n > FRAME_MAX - L4_ETH_HDR_LEN) {
		p->r->skipped++;
		return 0;
	}
	struct l4_addr dst = v6 ? l4_addr_from_ip6(b + 24) : l4_addr_from_ip4(b + 16);
	if (!p->w || !l4_addr_eq(&dst, &p->dst)) {
		if (wires_route(p->s, &dst, &p->route, err, sizeof err) < 0) {
			fprintf(stderr, "l4 send: %s: packet %" PRIu64 ": %s\n", p->r->path,
			    p->number, err);
			return L4_EXIT_SYSTEM;
		}
		p->dst = dst;
		p->w = wires_at(p->s, p->route.ifindex);
		if (!p->w)
			return L4_EXIT_SYSTEM;
		wires_want(p->s, p->w, &p->route);
		wires_resolve(p->s);
	}
	if (!p->w->ethernet)
		return transmit(p, p->w, b, n);
	eth.src = p->w->mac;
	if (p->route.group)
		eth.dst = l4_mac_from_group(&p->route.hop);
	else if (!wires_mac(p->s, p->w, &p->route.hop, &eth.dst)) {
		p->out->unresolved++;
		return 0;
	}
	l4_eth_emit(&eth, p->frame, L4_ETH_HDR_LEN);
	memcpy(p->frame + L4_ETH_HDR_LEN, b, n);
	return transmit(p, p->w, p->frame, n + L4_ETH_HDR_LEN);
}

/* Waits for the packet's time. false: a signal asks to stop. */
static bool pace(struct play *p, const struct l4_cap_packet *c)
{
	double ns;
	if (p->burst)
		return !signals_stop();
	if (p->r->rate > 0) {
		ns = (double)(p->number - 1) / p->r->rate * 1e9;
	} else {
		if (!c->has_ts || p->r->speed <= 0)
			return !signals_stop();
		if (!p->first)
			p->first = c->ts;
		ns = c->ts > p->first ? (double)(c->ts - p->first) / p->r->speed : 0;
	}
	l4_time due = p->start + (l4_time)ns;
	for (l4_time now; (now = wires_now()) < due;)
		/* Sleeping wakes late: the last of the time is waited out awake. */
		if (!wires_poll(p->s, due - now > SPIN ? due - SPIN : 0))
			return false;
	return !signals_stop();
}

static int one(struct play *p, const struct l4_cap_packet *c)
{
	if (c->caplen < c->len || !c->caplen || c->caplen > FRAME_MAX) {
		p->r->skipped++;
		return 0;
	}
	if (c->linktype == L4_LINK_ETHERNET) {
		if (p->s->n && p->s->wire[0].ethernet)
			return transmit(p, &p->s->wire[0], c->data, c->caplen);
		fprintf(stderr,
		    "l4 send: %s has Ethernet frames: name the interface with --interface ('ip "
		    "link' lists them)\n",
		    p->r->path);
		return L4_EXIT_USAGE;
	}
	if (c->linktype == L4_LINK_RAW || c->linktype == L4_LINK_IPV4 ||
	    c->linktype == L4_LINK_IPV6)
		return transmit_ip(p, c->data, c->caplen);
	p->r->skipped++;
	return 0;
}

static int play_once(struct play *p)
{
	struct l4_cap_packet c;
	struct capin *in = capin_open(p->r->path);
	if (!in) {
		fprintf(stderr, "l4 send: %s: %s\n", p->r->path, strerror(errno));
		return L4_EXIT_SYSTEM;
	}
	struct l4_capfile *f = l4_capfile_new(capin_read, in);
	int e = f ? 1 : L4_ENOMEM, r = 0;
	p->start = wires_now();
	p->first = 0;
	p->number = 0;
	while (!r && f && (e = l4_capfile_next(f, &c)) == 1) {
		p->number++;
		if (!pace(p, &c))
			break;
		r = one(p, &c);
	}
	if (!r && e < 0) {
		uint64_t at = 0;
		const char *why = f ? l4_capfile_damage(f, &at) : "";
		if (*why)
			fprintf(stderr, "l4 send: %s: at offset %" PRIu64 ": %s\n", p->r->path, at,
			    why);
		else
			fprintf(stderr, "l4 send: %s: %s\n", p->r->path, l4_err_text(e));
		r = L4_EXIT_SYSTEM;
	}
	l4_capfile_free(f);
	capin_close(in);
	return r;
}

int replay_run(struct replay *r, struct wires *s, struct flood_result *out)
{
	struct play *p = calloc(1, sizeof *p);
	int e = p ? 0 : L4_EXIT_SYSTEM;
	l4_time start = wires_now();
	memset(out, 0, sizeof *out);
	if (!p)
		return e;
	p->r = r;
	p->s = s;
	p->out = out;
	bool free_running = r->rate == 0 || (r->rate < 0 && r->speed <= 0);
	if (free_running && s->n && s->wire[0].ethernet && !s->pcap)
		p->burst = burst_open(s->wire[0].ifindex, FRAME_MAX);
	for (uint64_t i = 0; !e && i < r->rounds && !signals_stop(); i++)
		e = play_once(p);
	if (p->burst) {
		uint64_t bytes;
		if (burst_flush(p->burst) < 0 && !e)
			e = refuse(p, &s->wire[0], 0, errno);
		out->sent += burst_sent(p->burst, &bytes);
		out->bytes += bytes;
		burst_close(p->burst);
	}
	out->seconds = (double)(wires_now() - start) / 1e9;
	free(p);
	return e;
}
