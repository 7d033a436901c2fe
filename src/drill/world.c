/* One host in virtual time: the clock, the wire, the queue of packets that left.
 *
 * The host hangs on an interface without link layer, so there is no ARP and nothing is resolved.
 * After every call that may have moved the host, l4_world_pump pulls until nothing more may leave
 * now: a packet's time is the moment of its pull. The clock stands still otherwise; l4_world_run
 * jumps from deadline to deadline. */
#include "drill/world.h"

#include <stdlib.h>
#include <string.h>

#define BATCH     32
#define TICKS_MAX 1000 /* at one moment, before time is pushed on */
#define PULLS_MAX 100000
#define FRAME_MAX 65536
#define NUDGE     L4_USEC

struct l4_world_buffers {
	struct l4_tx_frame frames[BATCH];
	uint8_t whole[FRAME_MAX];
};

int l4_world_new(struct l4_world *w, const struct l4_settings *s)
{
	*w = (struct l4_world){ .now = L4_WORLD_EPOCH };
	w->tail = &w->head;
	w->mtu = s->mtu;
	w->buffers = malloc(sizeof(*w->buffers));
	if (!w->buffers)
		return L4_ENOMEM;
	struct l4_host_config hc = s->host;
	hc.now = w->now;
	hc.has_seed = true;
	memset(hc.seed, 0, sizeof(hc.seed));
	memcpy(hc.seed, &s->seed, sizeof(s->seed));
	int r = l4_host_new(&w->host, &hc);
	if (r < 0)
		goto fail;
	struct l4_iface_config ic = { .name = "tun0" };
	ic.caps.medium = L4_MEDIUM_IP;
	ic.caps.mtu = s->mtu;
	ic.caps.tx_tso4 = ic.caps.tx_tso6 = s->tso;
	ic.caps.gso_max = s->tso ? 65535 : 0;
	r = l4_host_add_iface(w->host, &ic, w->now);
	if (r < 0)
		goto fail;
	w->ifindex = (unsigned)r;
	struct l4_prefix p = { .addr = s->local, .len = s->prefix_len };
	r = l4_host_add_address(w->host, w->ifindex, &p, w->now);
	if (r < 0)
		goto fail;
	struct l4_prefix any = { .len = 0 };
	if (l4_addr_is_ip4(&s->local)) {
		uint8_t zero[4] = { 0 };
		any.addr = l4_addr_from_ip4(zero);
		any.len = 96;
	}
	/* on-link: without a link layer a gateway says nothing */
	r = l4_host_add_route(w->host, &any, &any.addr, w->ifindex, 0);
	if (r < 0)
		goto fail;
	w->socks = l4_socks_new(w->host, L4_WORLD_FIRST_FD);
	r = L4_ENOMEM;
	if (!w->socks)
		goto fail;
	l4_socks_fastopen(w->socks, s->host.tcp.fastopen & 1);
	l4_socks_bsd(w->socks, s->host.tcp.bsd_ways);
	/* what a host says on its own at start-up (group reports) is not the script's */
	l4_world_pump(w);
	struct l4_wire_packet *first;
	while ((first = l4_world_take(w)))
		free(first);
	return 0;
fail:
	l4_host_free(w->host);
	free(w->buffers);
	w->host = NULL;
	w->buffers = NULL;
	return r;
}

int l4_world_configure(struct l4_world *w, struct l4_settings *s)
{
	if (s->forget) { /* a host that is no client of Fast Open keeps no cookies */
		struct l4_tcp_config c = s->host.tcp;
		c.fastopen &= (uint16_t)~1u;
		l4_host_set_tcp(w->host, &c);
		s->forget = false;
	}
	l4_socks_fastopen(w->socks, s->host.tcp.fastopen & 1);
	l4_socks_bsd(w->socks, s->host.tcp.bsd_ways);
	if (s->mtu != w->mtu) {
		l4_host_set_mtu(w->host, w->ifindex, s->mtu, w->now);
		w->mtu = s->mtu;
	}
	return l4_host_set_tcp(w->host, &s->host.tcp);
}

void l4_world_free(struct l4_world *w)
{
	struct l4_wire_packet *p;
	while ((p = l4_world_take(w)))
		free(p);
	l4_socks_free(w->socks, w->now);
	l4_host_free(w->host);
	free(w->buffers);
	*w = (struct l4_world){ 0 };
}

static void enqueue(struct l4_world *w, const void *data, size_t len, const struct l4_why *why)
{
	struct l4_wire_packet *p = malloc(sizeof(*p) + len);
	if (!p) {
		w->nomem = true;
		return;
	}
	*p = (struct l4_wire_packet){ .time = w->now, .why = *why, .len = len };
	memcpy(p->data, data, len);
	*w->tail = p;
	w->tail = &p->next;
}

/* Splits what is larger than a segment, and copies. */
static void take_frame(struct l4_world *w, const struct l4_frame *f)
{
	uint8_t *buf = w->buffers->whole;
	if (f->off.gso_type != L4_GSO_NONE) {
		struct l4_gso g;
		int n;
		l4_gso_begin(&g, f);
		while ((n = l4_gso_next(&g, buf, FRAME_MAX)) > 0)
			enqueue(w, buf, (size_t)n, &f->why);
		return;
	}
	size_t len = 0;
	for (uint32_t i = 0; i < f->n_pieces; i++) {
		if (f->pieces[i].len > FRAME_MAX - len)
			return;
		memcpy(buf + len, f->pieces[i].data, f->pieces[i].len);
		len += f->pieces[i].len;
	}
	enqueue(w, buf, len, &f->why);
}

bool l4_world_pump(struct l4_world *w)
{
	struct l4_tx_frame *frames = w->buffers->frames;
	bool any = false;
	size_t n;
	for (int i = 0; i < PULLS_MAX; i++) {
		n = l4_host_tx(w->host, w->ifindex, frames, BATCH, w->now);
		if (!n)
			break;
		any = true;
		for (size_t f = 0; f < n; f++)
			take_frame(w, &frames[f].f);
	}
	if (w->socks && l4_socks_events(w->socks, w->now))
		any = true;
	return any;
}

void l4_world_inject(struct l4_world *w, const void *packet, size_t len)
{
	struct l4_piece piece = { .data = packet, .len = len };
	struct l4_frame f = {
		.pieces = &piece,
		.n_pieces = 1,
		.len = (uint32_t)len,
		.time = w->now,
	};
	/* A script's segment may be larger than the MTU, as if the device had joined several. */
	const uint8_t *b = packet;
	bool v6 = len > 40 && b[0] >> 4 == 6;
	if (len > w->mtu && len > 60 && b[v6 ? 6 : 9] == 6) {
		uint16_t ip = v6 ? 40 : (uint16_t)((b[0] & 15) * 4);
		f.off.gso_type = v6 ? L4_GSO_TCPV6 : L4_GSO_TCPV4;
		f.off.hdr_len = (uint16_t)(ip + (b[ip + 12] >> 4) * 4);
		f.off.gso_size = (uint16_t)(w->mtu - f.off.hdr_len);
		f.off.csum_start = ip;
		f.off.csum_offset = 16;
		f.off.csum_valid = true;
	}
	l4_host_rx(w->host, w->ifindex, &f, 1, w->now);
	l4_world_pump(w);
}

bool l4_world_run(struct l4_world *w, l4_time until)
{
	l4_time due = l4_host_deadline(w->host);
	if (due > until || due == L4_TIME_NEVER) {
		if (until != L4_TIME_NEVER && until > w->now)
			w->now = until;
		return false;
	}
	if (due > w->now)
		w->now = due;
	for (int i = 0; i < TICKS_MAX; i++) {
		l4_host_tick(w->host, w->now);
		l4_world_pump(w);
		if (l4_host_deadline(w->host) > w->now)
			return true;
	}
	/* a deadline that does not move: go on, so that no script hangs here */
	w->now += NUDGE;
	return true;
}

struct l4_wire_packet *l4_world_take(struct l4_world *w)
{
	struct l4_wire_packet *p = w->head;
	if (!p)
		return NULL;
	w->head = p->next;
	if (!w->head)
		w->tail = &w->head;
	p->next = NULL;
	return p;
}
