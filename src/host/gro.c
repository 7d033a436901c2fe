/* Joining received segments (GRO): neighbours of one flow in a batch become one segment with
 * several pieces, so that the TCP stack runs once for many.
 *
 * A segment joins the one before when it follows it exactly and differs in nothing that means
 * something: same acknowledgment, window, options, TOS, TTL, no flags but ACK and PSH. PSH and a
 * shorter payload end the run. The order within a flow is kept; flows are independent. */
#include "host/host.h"

#include <string.h>

#define LEN_MAX 65535u

static bool same_flow(const struct l4_seg *a, const struct l4_seg *b)
{
	return a->h.sport == b->h.sport && a->h.dport == b->h.dport && a->ifindex == b->ifindex &&
	       l4_addr_eq(&a->src.addr, &b->src.addr) && l4_addr_eq(&a->dst.addr, &b->dst.addr);
}

static bool same_options(const struct l4_tcp_opts *a, const struct l4_tcp_opts *b)
{
	/* Only what a data segment usually carries; anything else goes alone. */
	uint32_t plain = L4_TCPO_TS | L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1;
	if (a->present != b->present || (a->present & ~plain))
		return false;
	if ((a->present & L4_TCPO_TS) && (a->ts_val != b->ts_val || a->ts_ecr != b->ts_ecr))
		return false;
	return a->accecn_n == b->accecn_n &&
	       memcmp(a->accecn, b->accecn, a->accecn_n * sizeof(a->accecn[0])) == 0;
}

static bool may_begin(const struct l4_seg *s)
{
	uint32_t plain = L4_TCPO_TS | L4_TCPO_ACCECN0 | L4_TCPO_ACCECN1;
	uint16_t odd =
	    (uint16_t)(s->h.flags & ~(L4_TCPF_ACK | L4_TCPF_PSH | L4_TCPF_ECE | L4_TCPF_AE));
	return s->len && !odd && (s->h.flags & L4_TCPF_ACK) && !(s->h.opts.present & ~plain);
}

static bool joins(const struct l4_gro_slot *g, const struct l4_seg *s)
{
	const struct l4_seg *f = &g->seg;
	return !g->ends && may_begin(s) && s->h.seq == g->next_seq && s->h.ack == f->h.ack &&
	       s->h.wnd == f->h.wnd && s->tos == f->tos && s->ttl == f->ttl &&
	       ((s->h.flags ^ f->h.flags) & ~L4_TCPF_PSH) == 0 && s->len <= g->seg_len &&
	       f->len + s->len <= LEN_MAX && f->n_pieces + s->n_pieces <= L4_GRO_PIECES &&
	       same_options(&f->h.opts, &s->h.opts);
}

/* The payload's pieces, without what stands before it. */
static void add_pieces(struct l4_gro_slot *g, const struct l4_seg *s)
{
	uint32_t skip = s->skip, left = s->len;
	for (uint32_t i = 0; i < s->n_pieces && left; i++) {
		const uint8_t *p = s->pieces[i].data;
		size_t n = s->pieces[i].len;
		if (skip >= n) {
			skip -= (uint32_t)n;
			continue;
		}
		n -= skip;
		if (n > left)
			n = left;
		g->pieces[g->seg.n_pieces++] = (struct l4_piece){ p + skip, n };
		left -= (uint32_t)n;
		skip = 0;
	}
}

void l4_gro_flush_slot(struct l4_host *h, unsigned slot, l4_time now)
{
	struct l4_gro_slot *g = &h->gro[slot];
	if (!g->used)
		return;
	g->used = false;
	h->gro_used &= ~(1u << slot);
	struct l4_tcp *c = g->c;
	g->c = NULL;
	if (c && g->flow->c == c)
		l4_tcp_stack_input_flow(h->tcp, c, &g->seg, now);
	else
		l4_tcp_stack_input(h->tcp, &g->seg, now);
}

static void begin(struct l4_gro_slot *g, const struct l4_seg *s)
{
	g->used = true;
	g->c = NULL;
	g->seg = *s;
	g->seg.n_pieces = 0;
	g->seg.skip = 0;
	g->seg.pieces = g->pieces;
	add_pieces(g, s);
	g->next_seq = s->h.seq + s->len;
	g->seg_len = s->len;
	g->ends = (s->h.flags & L4_TCPF_PSH) != 0;
	if (s->n_segs > 1)
		g->ends = true; /* joined already by the device */
}

void l4_gro_add(struct l4_host *h, const struct l4_seg *s, l4_time now)
{
	unsigned slot = l4_gro_slot_of(&s->src, &s->dst);
	struct l4_gro_slot *g = &h->gro[slot];
	if (g->used && same_flow(&g->seg, s) && joins(g, s)) {
		add_pieces(g, s);
		g->seg.len += s->len;
		g->seg.n_segs++;
		g->seg.h.flags |= s->h.flags & L4_TCPF_PSH;
		g->seg.time = s->time;
		g->next_seq += s->len;
		if (s->len < g->seg_len || (s->h.flags & L4_TCPF_PSH))
			g->ends = true;
		return;
	}
	l4_gro_flush_slot(h, slot, now);
	if (may_begin(s) && s->n_pieces < L4_GRO_PIECES / 2) {
		begin(g, s);
		h->gro_used |= 1u << slot;
	} else {
		l4_tcp_stack_input(h->tcp, s, now);
	}
}

void l4_gro_flush(struct l4_host *h, l4_time now)
{
	while (h->gro_used)
		l4_gro_flush_slot(h, (unsigned)__builtin_ctz(h->gro_used), now);
}
