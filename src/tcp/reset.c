/* Resets: those that answer a segment, and those that end a connection of ours.
 *
 * A reset is built and handed over at once: what it belongs to may be gone afterwards. Both kinds
 * carry a timestamp where the peer uses them (RFC 7323 5.2): the one that answers a segment echoes
 * that segment's and has no time of its own, a connection's own has the connection's. */
#include "tcp/conn.h"

void l4_tcp_count_rst(struct l4_tcp_stack *ts)
{
	ts->ctr.out_rsts++;
	ts->ctr.out_segs++;
}

/* Resets without a connection are limited for all together, so that a flood is not doubled; the
 * number is drawn anew each second, so that it tells nothing to an observer (RFC 5961 7). */
static bool allowed(struct l4_tcp_stack *ts, l4_time now)
{
	uint32_t rate = ts->cfg.rst_rate;
	if (rate == UINT32_MAX)
		return true;
	if (now - ts->rst_epoch >= L4_SEC || !ts->rst_limit) {
		ts->rst_epoch = now;
		ts->rst_limit = rate - rate / 4 + ts->env.random(ts->env.ctx) % (rate / 2 + 1);
		ts->rst_count = 0;
	}
	if (ts->rst_count >= ts->rst_limit)
		return false;
	ts->rst_count++;
	return true;
}

/* RFC 7323 5.2: TSecr is the TSval of the segment that is answered, TSval is 0. */
void l4_tcp_rst_echo(const struct l4_tcp_stack *ts, const struct l4_seg *s, struct l4_tcp_opts *out)
{
	if (!ts->cfg.rst_timestamps || !(s->h.opts.present & L4_TCPO_TS))
		return;
	out->present |= L4_TCPO_TS;
	out->ts_val = 0;
	out->ts_ecr = s->h.opts.ts_val;
}

/* RFC 9293 3.10.7.1: the reset that answers a segment without a connection. */
void l4_tcp_send_rst_reply(
    struct l4_tcp_stack *ts, const struct l4_seg *s, unsigned why, l4_time now)
{
	if (s->h.flags & L4_TCPF_RST)
		return;
	if (!allowed(ts, now)) {
		ts->ctr.out_rsts_skipped++;
		return;
	}
	struct l4_seg_out o = { .src = s->dst,
		.dst = s->src,
		.df = true,
		.h = { .sport = s->dst.port, .dport = s->src.port, .flags = L4_TCPF_RST },
		.tos = (uint8_t)(s->tos & 0xfc),
		.why = { .code = (uint16_t)why } };
	if (s->h.flags & L4_TCPF_ACK) {
		o.h.seq = s->h.ack;
	} else {
		o.h.flags |= L4_TCPF_ACK;
		o.h.ack =
		    s->h.seq + s->len + !!(s->h.flags & L4_TCPF_SYN) + !!(s->h.flags & L4_TCPF_FIN);
	}
	l4_tcp_rst_echo(ts, s, &o.h.opts);
	l4_tcp_count_rst(ts);
	ts->env.reply(ts->env.ctx, &o, now);
}

/* RFC 9293 3.5.2: a reset in the connection's own numbers. */
void l4_tcp_send_rst_of(struct l4_tcp *c, unsigned why, l4_time now)
{
	struct l4_tcp_stack *ts = c->ts;
	struct l4_seg_out o = { .src = c->h.local,
		.dst = c->h.remote,
		.df = c->opt_pmtu,
		.ttl = c->opt_ttl > 0 ? (uint8_t)c->opt_ttl : 0,
		.tos = (uint8_t)(c->opt_tos & 0xfc),
		.h = { .sport = c->h.local.port,
		    .dport = c->h.remote.port,
		    .seq = c->snd_nxt,
		    .ack = c->rcv_nxt,
		    .flags = L4_TCPF_RST | L4_TCPF_ACK },
		.why = { .code = (uint16_t)why, .ep = c->ep } };
	if (c->ts_ok) { /* RFC 7323 5.2: SHOULD be on a user's abort, too */
		o.h.opts.present |= L4_TCPO_TS;
		o.h.opts.ts_val = l4_tcp_ts_now(ts, now) + c->ts_offset;
		o.h.opts.ts_ecr = c->ts_recent;
	}
	/* the peer believes it only inside its window */
	uint32_t edge = c->snd_una + c->snd_wnd;
	if (l4_seq_gt(o.h.seq, edge))
		o.h.seq = edge;
	l4_tcp_count_rst(ts);
	c->segs_out++;
	ts->env.reply(ts->env.ctx, &o, now);
}
