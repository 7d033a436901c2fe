/* The TCP stack: handles, lists, and who gets a segment.
 *
 * Theory of operation. What a segment belongs to is found by demux.c; listeners are found by port.
 * A connection that may have something to send is in the ready list of its interface;
 * l4_tcp_stack_pull takes them in turn, one segment each, so that no connection starves another. A
 * connection whose next hop is not resolved waits in the blocked list until l4_tcp_stack_wake.
 *
 * Limits: connections, half-open and TIME-WAIT records, and bytes in buffers are counted against
 * struct l4_host_limits; see there for what happens when one is reached. */
#include "tcp/conn.h"
#include "base/cursor.h"
#include "tcp/cc.h"

/* --- Memory --- */

void *l4_tcp_alloc(struct l4_tcp_stack *ts, size_t size)
{
	return ts->env.alloc(ts->env.ctx, size);
}

void l4_tcp_free(struct l4_tcp_stack *ts, void *p, size_t size)
{
	if (p)
		ts->env.free(ts->env.ctx, p, size);
}

/* Chunks come and go with what is sent. Given back to a general allocator they cost page
 * faults and system calls every time, so some are kept: a sixteenth of the budget, and no more than
 * the largest send buffer takes. They are inside the budget and give way to what needs it. */
#define SPARE_MAX  128u
#define SPARE_PART 16u

static const uint32_t spare_size[2] = { L4_CHUNK_SMALL_BYTES, L4_CHUNK_BYTES };

static void drop_spare(struct l4_tcp_stack *ts, int k)
{
	struct l4_spare *s = ts->spare[k];
	ts->spare[k] = s->next;
	ts->n_spare[k]--;
	l4_tcp_free(ts, s, spare_size[k]);
}

uint64_t l4_tcp_spare_bytes(const struct l4_tcp_stack *ts)
{
	return (uint64_t)ts->n_spare[0] * L4_CHUNK_SMALL_BYTES +
	       (uint64_t)ts->n_spare[1] * L4_CHUNK_BYTES;
}

/* Whether size bytes fit the budget beside those in use and those kept. */
static bool fits(const struct l4_tcp_stack *ts, size_t size, uint64_t kept)
{
	uint64_t most = ts->lim.buffer_bytes;
	return size <= most && kept <= most - size && ts->buffer_used <= most - size - kept;
}

static int class_of(size_t size)
{
	return size == L4_CHUNK_SMALL_BYTES ? 0 : size == L4_CHUNK_BYTES ? 1 : -1;
}

void *l4_tcp_buf_alloc(struct l4_tcp_stack *ts, size_t size)
{
	void *p = NULL;
	int k = class_of(size);
	if (k >= 0 && ts->spare[k]) {
		p = ts->spare[k];
		ts->spare[k] = ts->spare[k]->next;
		ts->n_spare[k]--;
	} else {
		for (int i = 1; i >= 0; i--)
			while (ts->spare[i] && !fits(ts, size, l4_tcp_spare_bytes(ts)))
				drop_spare(ts, i);
		if (fits(ts, size, 0))
			p = l4_tcp_alloc(ts, size);
		else
			l4_tcp_need_room(ts);
	}
	if (p)
		ts->buffer_used += size;
	return p;
}

void l4_tcp_starve(struct l4_tcp *c)
{
	c->starved = c->app_wants_write = true;
	c->ts->starved = true;
}

/* Nothing of its own may be in flight for a starved connection, so no acknowledgement will wake it.
 * A sixteenth of the budget must be free, lest each chunk that is freed wakes all for nothing. */
static void feed_starved(struct l4_tcp_stack *ts)
{
	if (ts->buffer_used > ts->lim.buffer_bytes - ts->lim.buffer_bytes / 16)
		return;
	ts->starved = false;
	for (uint32_t i = 0; i < ts->n_slots; i++) {
		struct l4_tcp *c = l4_slot_conn(&ts->slot[i]);
		if (!c || !c->starved)
			continue;
		c->starved = c->app_wants_write = false;
		l4_tcp_event(c, L4_EV_WRITABLE);
	}
}

void l4_tcp_buf_free(struct l4_tcp_stack *ts, void *p, size_t size)
{
	if (!p)
		return;
	assert(ts->buffer_used >= size);
	ts->buffer_used -= size;
	int k = class_of(size);
	if (k >= 0 && ts->n_spare[k] < ts->most_spare[k]) {
		struct l4_spare *s = p;
		s->next = ts->spare[k];
		ts->spare[k] = s;
		ts->n_spare[k]++;
	} else {
		l4_tcp_free(ts, p, size);
	}
	if (ts->starved)
		feed_starved(ts);
}

/* --- Handles --- */

struct l4_tcp *l4_tcp_whole_from_ep(struct l4_tcp_stack *ts, l4_ep ep)
{
	uint32_t i = (uint32_t)ep;
	if (L4_EP_KIND(ep) != L4_EP_TCP || i >= ts->n_slots)
		return NULL;
	struct l4_slot *s = &ts->slot[i];
	if (s->gen != (uint32_t)(ep >> 32 & 0xffffff))
		return NULL;
	if (s->kind == L4_SLOT_FREE)
		return NULL;
	struct l4_tcp *c = s->kind == L4_SLOT_WHOLE ? s->u.c : l4_tcp_unpark(ts, s->u.parked);
	if (c)
		c->touched = true;
	return c;
}

static int grow_slots(struct l4_tcp_stack *ts)
{
	uint32_t n = ts->n_slots ? ts->n_slots * 2 : 16;
	struct l4_slot *s = n < L4_INDEX_MAX ? l4_tcp_alloc(ts, n * sizeof *s) : NULL;
	if (!s)
		return L4_ENOMEM;
	if (ts->n_slots)
		memcpy(s, ts->slot, ts->n_slots * sizeof *s);
	for (uint32_t i = ts->n_slots; i < n; i++)
		s[i] = (struct l4_slot){ .u.next_free = i + 1 < n ? i + 1 : UINT32_MAX, .gen = 1 };
	l4_tcp_free(ts, ts->slot, ts->n_slots * sizeof *s);
	ts->free_slot = ts->n_slots;
	ts->slot = s;
	ts->n_slots = n;
	return 0;
}

struct l4_tcp *l4_tcp_conn_new(struct l4_tcp_stack *ts, void *user)
{
	if (ts->n_conns >= ts->lim.connections) {
		l4_tcp_need_room(ts);
		return NULL;
	}
	if (ts->free_slot == UINT32_MAX && grow_slots(ts) < 0)
		return NULL;
	l4_tcp_park_some(ts);
	struct l4_tcp *c = l4_tcp_conn_alloc(ts);
	if (!c)
		return NULL;
	memset(c, 0, sizeof *c);
	uint32_t i = ts->free_slot;
	ts->free_slot = (uint32_t)ts->slot[i].u.next_free;
	ts->slot[i].u.c = c;
	ts->slot[i].kind = L4_SLOT_WHOLE;
	ts->n_conns++;

	const struct l4_tcp_config *cfg = &ts->cfg;
	c->ts = ts;
	c->slot = i;
	c->user = user;
	c->ep = L4_EP_TCP | (l4_ep)ts->slot[i].gen << 32 | i;
	c->state = L4_TCP_CLOSED;
	c->opt_trouble = true;
	c->opt_pmtu = ts->cfg.path_mtu;
	c->opt_ttl = -1;
	c->opt_rcvlowat = 1;
	c->opt_notsent_lowat = cfg->notsent_lowat;
	c->opt_keepidle = cfg->keepalive_time;
	c->opt_keepintvl = cfg->keepalive_interval;
	c->opt_keepcnt = cfg->keepalive_probes;
	c->opt_linger = c->opt_linger2 = -1;
	c->opt_max_pacing = UINT64_MAX;
	c->opt_accecn = true;
	c->rcvbuf = cfg->rcvbuf_default;
	c->sndbuf = cfg->sndbuf_default;
	c->cc = l4_cc_find(cfg->congestion);
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		c->timer[t] = L4_TIME_NEVER;
	c->sb.thead = c->sb.ttail = L4_SLOT_NONE;
	c->rto = cfg->rto_init;
	c->ato = cfg->delack_min;
	c->ssthresh = UINT32_MAX;
	c->cwnd = cfg->initial_window;
	c->reordering = cfg->reordering;
	c->oow_ack_time = c->challenge_time = L4_TIME_NEVER;
	l4_recovery_init(c);
	l4_tcp_live_add(c);
	return c;
}

void l4_tcp_release_handle(struct l4_tcp *c)
{
	struct l4_tcp_stack *ts = c->ts;
	if (!c->ep)
		return;
	struct l4_slot *s = &ts->slot[c->slot];
	s->gen = (s->gen + 1) & 0xffffff;
	if (!s->gen)
		s->gen = 1;
	c->ep = 0;
}

void l4_tcp_conn_free(struct l4_tcp *c)
{
	struct l4_tcp_stack *ts = c->ts;
	if (c->in_batch) { /* freed when the batch ends */
		c->detached = true;
		c->orphan = true;
	}
	l4_tcp_conn_del(c);
	l4_tcp_bind_del(c);
	l4_tcp_unready(c);
	l4_wheel_del(&ts->wheel, &c->wheel);
	l4_sndbuf_clear(c);
	l4_sb_clear(c);
	l4_rcvbuf_clear(c);
	l4_tcp_drop_syn_text(c);
	l4_tcp_release_handle(c);
	if (c->in_batch)
		return;
	if (c->lst)
		l4_tcp_free(ts, c->lst, sizeof *c->lst);
	ts->n_conns--;
	ts->slot[c->slot].kind = L4_SLOT_FREE;
	ts->slot[c->slot].u.next_free = ts->free_slot;
	ts->free_slot = c->slot;
	l4_tcp_live_del(c);
	l4_tcp_conn_dealloc(ts, c);
}

/* --- Bound ports --- */

void l4_tcp_bind_add(struct l4_tcp *c)
{
	if (c->in_bind_list)
		return;
	struct l4_tcp **b = &c->ts->bind_bucket[c->h.local.port % L4_PORT_BUCKETS];
	c->bind_next = *b;
	*b = c;
	c->in_bind_list = true;
}

void l4_tcp_bind_del(struct l4_tcp *c)
{
	if (!c->in_bind_list)
		return;
	struct l4_tcp **p = &c->ts->bind_bucket[c->h.local.port % L4_PORT_BUCKETS];
	while (*p != c)
		p = &(*p)->bind_next;
	*p = c->bind_next;
	c->in_bind_list = false;
}

/* --- Ready and blocked lists --- */

static void list_add(struct l4_tcp_list *l, struct l4_tcp *c)
{
	c->ready_next = NULL;
	c->ready_prev = l->tail;
	if (l->tail)
		l->tail->ready_next = c;
	else
		l->head = c;
	l->tail = c;
}

static void list_del(struct l4_tcp_list *l, struct l4_tcp *c)
{
	if (c->ready_prev)
		c->ready_prev->ready_next = c->ready_next;
	else
		l->head = c->ready_next;
	if (c->ready_next)
		c->ready_next->ready_prev = c->ready_prev;
	else
		l->tail = c->ready_prev;
	c->ready_next = c->ready_prev = NULL;
}

void l4_tcp_make_ready(struct l4_tcp *c)
{
	if (c->in_ready || c->detached)
		return;
	unsigned i = c->path.ifindex % L4_IF_MAX;
	list_add(&c->ts->ready[i], c);
	c->in_ready = true;
	c->blocked = false;
	c->ts->env.kick(c->ts->env.ctx, c->path.ifindex);
}

void l4_tcp_unready(struct l4_tcp *c)
{
	if (!c->in_ready)
		return;
	list_del(c->blocked ? &c->ts->blocked : &c->ts->ready[c->path.ifindex % L4_IF_MAX], c);
	c->in_ready = c->blocked = false;
}

static void block(struct l4_tcp *c)
{
	l4_tcp_unready(c);
	list_add(&c->ts->blocked, c);
	c->in_ready = c->blocked = true;
}

void l4_tcp_stack_wake(struct l4_tcp_stack *ts, l4_time now)
{
	ts->now = now > ts->now ? now : ts->now;
	struct l4_tcp *c = ts->blocked.head;
	while (c) {
		struct l4_tcp *next = c->ready_next;
		l4_tcp_unready(c);
		l4_tcp_make_ready(c);
		c = next;
	}
}

/* --- Events, drops, states --- */

void l4_tcp_event(struct l4_tcp *c, uint32_t bits)
{
	c->ev_bits |= bits;
	if (c->in_events || c->orphan || !c->ep || c->parent) /* not accepted yet: kept */
		return;
	c->in_events = true;
	c->ts->env.event(c->ts->env.ctx, c->ep);
}

bool l4_tcps_event(struct l4_tcp_stack *ts, l4_ep ep, struct l4_event *e)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return false;
	*e =
	    (struct l4_event){ .ep = ep, .bits = c->ev_bits, .user = c->user, .token = c->zc_done };
	if (c->ev_bits & L4_EV_ERROR)
		e->err = c->err ? c->err : c->soft_err;
	else if (c->ev_bits & L4_EV_TROUBLE)
		e->err = c->trouble;
	c->ev_bits = 0;
	c->in_events = false;
	return true;
}

/* RFC 9293 3.9.1.8, MUST-47: soft errors are told, unless the user does not want them (SHLD-20). */
void l4_tcp_trouble(struct l4_tcp *c, int err)
{
	if (!c->opt_trouble)
		return;
	c->trouble = err;
	l4_tcp_event(c, L4_EV_TROUBLE);
}

void l4_tcp_drop(struct l4_tcp_stack *ts, struct l4_tcp *c, unsigned reason, const struct l4_seg *s)
{
	ts->ctr.in_errs += reason == L4_DROP_TCP_CSUM;
	if (c)
		c->drops++;
	if (!ts->env.trace)
		return;
	struct l4_trace_event ev = { .time = ts->now,
		.kind = L4_TRACE_DROP,
		.reason = (uint16_t)reason,
		.ep = c ? c->ep : 0,
		.v = { s ? s->ifindex : 0, s ? s->len : 0 } };
	ts->env.trace(ts->env.ctx, &ev);
}

const char *l4_tcp_state_name(unsigned state)
{
	static const char *const name[] = { "?", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED",
		"FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK",
		"LISTEN", "CLOSING" };
	return state < sizeof name / sizeof name[0] ? name[state] : "?";
}

#define BIT(s) (1u << (s))
/* Which states may follow which (RFC 9293 3.3.2, figure 5, with abort and Fast Open). */
static const uint16_t moves[] = {
	[L4_TCP_CLOSED] = BIT(L4_TCP_LISTEN) | BIT(L4_TCP_SYN_SENT) | BIT(L4_TCP_SYN_RECEIVED) |
			  BIT(L4_TCP_ESTABLISHED),
	[L4_TCP_LISTEN] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_SYN_SENT),
	[L4_TCP_SYN_SENT] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_SYN_RECEIVED) | BIT(L4_TCP_ESTABLISHED),
	[L4_TCP_SYN_RECEIVED] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_ESTABLISHED) |
				BIT(L4_TCP_FIN_WAIT_1) | BIT(L4_TCP_CLOSE_WAIT),
	[L4_TCP_ESTABLISHED] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_FIN_WAIT_1) | BIT(L4_TCP_CLOSE_WAIT),
	[L4_TCP_FIN_WAIT_1] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_FIN_WAIT_2) | BIT(L4_TCP_CLOSING) |
			      BIT(L4_TCP_TIME_WAIT),
	[L4_TCP_FIN_WAIT_2] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_TIME_WAIT),
	[L4_TCP_CLOSING] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_TIME_WAIT),
	[L4_TCP_TIME_WAIT] = BIT(L4_TCP_CLOSED),
	[L4_TCP_CLOSE_WAIT] = BIT(L4_TCP_CLOSED) | BIT(L4_TCP_LAST_ACK),
	[L4_TCP_LAST_ACK] = BIT(L4_TCP_CLOSED),
};

void l4_tcp_set_state(struct l4_tcp *c, uint8_t state)
{
	if (c->state == state)
		return;
	assert(moves[c->state] & BIT(state));
	l4_tcp_trace(c, L4_TRACE_TCP_STATE, 0, c->state, state, 0, 0);
	if (c->state == L4_TCP_SYN_RECEIVED && c->fo_child)
		l4_fo_settled(c);
	c->state = state;
}

void l4_tcp_done(struct l4_tcp *c, int err)
{
	struct l4_tcp_stack *ts = c->ts;
	if (err && !c->err)
		c->err = err;
	if (c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_SYN_RECEIVED)
		ts->ctr.attempt_fails++;
	else if (err && (c->state == L4_TCP_ESTABLISHED || c->state == L4_TCP_CLOSE_WAIT))
		ts->ctr.estab_resets++;
	l4_tcp_set_state(c, L4_TCP_CLOSED);
	l4_tcp_conn_del(c);
	l4_tcp_bind_del(c);
	l4_tcp_unready(c);
	l4_wheel_del(&ts->wheel, &c->wheel);
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		c->timer[t] = L4_TIME_NEVER;
	c->rtx_mode = L4_RTX_OFF;
	l4_sb_clear(c);
	l4_sndbuf_clear(c);
	l4_tcp_drop_syn_text(c);
	c->ack_now = c->ack_owed = false;
	c->probe_now = 0;
	c->snd_una = c->snd_nxt = c->snd_end;
	if (c->orphan) {
		l4_tcp_conn_free(c);
		return;
	}
	l4_tcp_event(c, err ? L4_EV_ERROR | L4_EV_CLOSED | L4_EV_READABLE | L4_EV_WRITABLE
			    : L4_EV_CLOSED | L4_EV_READABLE | L4_EV_WRITABLE);
}

/* --- Making and freeing --- */

int l4_tcp_stack_new(struct l4_tcp_stack **out, const struct l4_tcp_env *env,
    const struct l4_tcp_config *config, const struct l4_host_limits *limits,
    const uint8_t secret[64], l4_time now)
{
	if (!l4_cc_find(config->congestion))
		return L4_EINVAL;
	struct l4_tcp_stack *ts = env->alloc(env->ctx, sizeof *ts);
	if (!ts)
		return L4_ENOMEM;
	memset(ts, 0, sizeof *ts);
	ts->env = *env;
	ts->cfg = *config;
	ts->lim = *limits;
	memcpy(ts->key_hash, secret, 16);
	memcpy(ts->key_isn, secret + 16, 16);
	memcpy(ts->key_port, secret + 32, 16);
	memcpy(ts->key_cookie, secret + 48, 16);
	l4_fo_init(ts);
	for (int k = 0; k < 2; k++) {
		uint64_t most = limits->buffer_bytes / (SPARE_PART * spare_size[k]);
		ts->most_spare[k] = most < SPARE_MAX ? (uint32_t)most : SPARE_MAX;
	}
	ts->now = now;
	ts->free_slot = UINT32_MAX;
	if (l4_demux_init(ts) < 0) {
		env->free(env->ctx, ts, sizeof *ts);
		return L4_ENOMEM;
	}
	l4_wheel_init(&ts->wheel, now);
	l4_tcp_tw_init(ts);
	l4_tcp_req_init(ts);
	*out = ts;
	return 0;
}

int l4_tcp_stack_configure(struct l4_tcp_stack *ts, const struct l4_tcp_config *config)
{
	if (!l4_cc_find(config->congestion))
		return L4_EINVAL;
	bool new_key =
	    config->fastopen_key_set && memcmp(config->fastopen_key, ts->cfg.fastopen_key, 16) != 0;
	ts->cfg = *config;
	if (new_key)
		l4_fo_init(ts);
	if (!(config->fastopen & L4_FASTOPEN_CLIENT))
		memset(ts->fo, 0, sizeof ts->fo); /* no client any more: its cookies go */
	return 0;
}

void l4_tcp_stack_free(struct l4_tcp_stack *ts)
{
	if (!ts)
		return;
	for (uint32_t i = 0; i < ts->n_slots; i++) {
		struct l4_tcp *c = l4_slot_conn(&ts->slot[i]);
		if (ts->slot[i].kind == L4_SLOT_PARKED)
			l4_tcp_parked_free(ts, ts->slot[i].u.parked);
		if (!c)
			continue;
		if (c->lst)
			l4_tcp_req_close(c);
		c->in_batch = false;
		l4_tcp_conn_free(c);
	}
	while (ts->tw_head != L4_REF_NONE)
		l4_tcp_tw_free(ts, ts->tw_head);
	l4_pool_fini(ts, &ts->tw);
	l4_pool_fini(ts, &ts->req);
	while (ts->reserve)
		l4_tcp_free(ts, l4_tcp_conn_alloc(ts), sizeof(struct l4_tcp));
	l4_tcp_free(ts, ts->pattern, sizeof *ts->pattern);
	for (int k = 0; k < 2; k++)
		while (ts->spare[k])
			drop_spare(ts, k);
	l4_tcp_free(ts, ts->slot, ts->n_slots * sizeof *ts->slot);
	l4_demux_fini(ts);
	l4_tcp_free(ts, ts->loan, L4_LOANS * sizeof *ts->loan);
	struct l4_tcp_env env = ts->env;
	env.free(env.ctx, ts, sizeof *ts);
}

/* --- In, out, time --- */

static void advance(struct l4_tcp_stack *ts, l4_time now)
{
	if (now > ts->now)
		ts->now = now;
}

struct l4_tcp_flow *l4_tcp_stack_flows(struct l4_tcp_stack *ts)
{
	return ts->flow;
}

static void note_flow(struct l4_tcp_stack *ts, const struct l4_seg *s, struct l4_tcp *c)
{
	uint8_t key[12];
	struct l4_tcp_flow w = {
		.c = c, .gen = s->flow_gen, .ifindex = s->ifindex, .remote = s->src, .local = s->dst
	};
	memcpy(key, s->src.addr.b + 12, 4);
	memcpy(key + 4, s->dst.addr.b + 12, 4);
	l4_put_u16(key + 8, s->src.port);
	l4_put_u16(key + 10, s->dst.port);
	memcpy(&w.addrs, key, 8);
	memcpy(&w.ports, key + 8, 4);
	w.slot = s->flow_slot;
	unsigned i = l4_tcp_flow_index(w.addrs, w.ports);
	if (ts->flow[i].c)
		ts->flow[i].c->flow = 0;
	if (c->flow) /* the same addresses by another interface */
		ts->flow[c->flow - 1].c = NULL;
	ts->flow[i] = w;
	c->flow = (uint16_t)(i + 1);
}

static void conn_input(struct l4_tcp_stack *ts, struct l4_tcp *c, const struct l4_seg *s)
{
	c->touched = true;
	if (!c->in_batch) {
		c->in_batch = true;
		c->batch_next = ts->batch;
		ts->batch = c;
	}
	l4_tcp_conn_input(c, s, ts->now);
}

void l4_tcp_stack_input_flow(
    struct l4_tcp_stack *ts, struct l4_tcp *c, const struct l4_seg *s, l4_time now)
{
	advance(ts, now);
	ts->ctr.in_segs += s->n_segs;
	conn_input(ts, c, s);
}

/* RFC 9293 3.10.7: finds the connection; without one, the segment belongs to CLOSED. */
void l4_tcp_stack_input(struct l4_tcp_stack *ts, const struct l4_seg *s, l4_time now)
{
	advance(ts, now);
	ts->ctr.in_segs += s->n_segs;
	/* flags that make no segment (security policy; RFC 9293 has no use for them) */
	uint16_t f = s->h.flags & 0x3f;
	if (!(f & (L4_TCPF_SYN | L4_TCPF_ACK | L4_TCPF_RST | L4_TCPF_FIN)) ||
	    ((f & L4_TCPF_SYN) && (f & (L4_TCPF_RST | (ts->cfg.drop_synfin ? L4_TCPF_FIN : 0u))) &&
		!(ts->cfg.linux_ways && (f & (L4_TCPF_RST | L4_TCPF_ACK)) == L4_TCPF_ACK))) {
		l4_tcp_drop(ts, NULL, L4_DROP_TCP_FLAGS, s);
		return;
	}
	uint32_t ref = l4_tcp_find(ts, &s->dst, &s->src);
	if (ref != L4_REF_NONE) {
		switch (l4_ref_kind(ref)) {
		case L4_REF_CONN: {
			struct l4_tcp *c = l4_tcp_of_ref(ts, ref);
			if (!c) { /* it will come again */
				l4_tcp_drop(ts, NULL, L4_DROP_TCP_MEMORY, s);
				return;
			}
			if (s->flow_gen && c->state == L4_TCP_ESTABLISHED)
				note_flow(ts, s, c);
			conn_input(ts, c, s);
			return;
		}
		case L4_REF_REQ:
			l4_tcp_req_input(ts, l4_ref_index(ref), s, ts->now);
			return;
		case L4_REF_TW:
			l4_tcp_tw_input(ts, l4_ref_index(ref), s, ts->now);
			return;
		}
	}
	struct l4_tcp *l = l4_tcp_find_listener(ts, &s->dst, &s->src);
	if (l) {
		l4_tcp_listen_input(l, s, ts->now);
		return;
	}
	l4_tcp_drop(ts, NULL, L4_DROP_TCP_NO_PORT, s);
	l4_tcp_send_rst_reply(ts, s, L4_WHY_RST_CLOSED, ts->now);
}

void l4_tcp_stack_settle(struct l4_tcp_stack *ts)
{
	for (uint32_t i = 0; i < ts->n_loans; i++)
		if (ts->loan[i].c)
			l4_rcvbuf_settle(ts->loan[i].c);
	ts->n_loans = 0;
}

void l4_tcp_stack_input_end(struct l4_tcp_stack *ts, l4_time now)
{
	advance(ts, now);
	struct l4_tcp *c = ts->batch;
	ts->batch = NULL;
	while (c) {
		struct l4_tcp *next = c->batch_next;
		c->batch_next = NULL;
		c->in_batch = false;
		if (c->detached)
			l4_tcp_conn_free(c);
		else if (c->state != L4_TCP_CLOSED)
			l4_tcp_input_end(c, ts->now);
		c = next;
	}
	if (ts->room_wanted)
		l4_tcp_make_room(ts);
}

/* Whether another pull may find something at once, by what a pull looks for. */
static bool more(const struct l4_tcp *c)
{
	return c->state != L4_TCP_ESTABLISHED || l4_unsent(c) || c->ack_now || c->probe_now ||
	       c->sb.n_lost || c->frto_new;
}

/* The path of c cannot be used now. */
L4_APART static void no_path(struct l4_tcp *c, int r)
{
	struct l4_tcp_stack *ts = c->ts;
	if (r == 0) {
		block(c);
		return;
	}
	/* RFC 1122 4.2.3.9: no route is a soft error of a connection; it waits for
	 * its timer; where nothing is in flight, that is the persist timer */
	c->soft_err = r;
	l4_tcp_unready(c);
	if (l4_unsent(c) || (c->shut_wr && !c->fin_sent))
		l4_tcp_persist(c, ts->now);
	/* what waits for a neighbour that does not answer looks again sooner than
	 * its timer, which backs off for other reasons */
	if (r == L4_EUNREACH && c->timer[L4_TIMER_PACE] == L4_TIME_NEVER)
		l4_tcp_arm(c, L4_TIMER_PACE, ts->now + 2 * L4_SEC);
	if (c->state == L4_TCP_SYN_SENT && r != L4_EUNREACH)
		l4_tcp_done(c, r);
}

int l4_tcp_stack_pull(
    struct l4_tcp_stack *ts, unsigned ifindex, struct l4_seg_out *o, uint32_t max, l4_time now)
{
	advance(ts, now);
	struct l4_tcp_list *l = &ts->ready[ifindex % L4_IF_MAX];
	while (l->head) {
		struct l4_tcp *c = l->head;
		int r =
		    ts->env.path_ready(ts->env.ctx, &c->h.local, &c->h.remote, &c->path, ts->now);
		if (r <= 0) {
			no_path(c, r);
			continue;
		}
		/* RFC 8201 5.2: another user of the path has learned of a smaller MTU */
		if (c->opt_pmtu && c->path.mtu < c->pmtu)
			l4_pmtu_reduced(c, c->path.mtu, ts->now);
		if (l4_tcp_pull_short(c, o, ts->now)) {
			l4_rate_check_app_limited(c);
			l4_tcp_unready(c);
			return 1;
		}
		if (l4_tcp_conn_pull(c, o, max, ts->now)) {
			if (l->head == c && !more(c)) {
				l4_rate_check_app_limited(c);
				c->burst_left = 0;
				l4_tcp_unready(c);
				return 1;
			}
			/* turn about: the next pull serves the next connection */
			if (l->head == c && l->tail != c && !c->burst_left) {
				list_del(l, c);
				list_add(l, c);
			}
			return 1;
		}
		if (l->head == c) /* nothing (more) to send */
			l4_tcp_unready(c);
	}
	return 0;
}

bool l4_tcp_stack_wants_pull(const struct l4_tcp_stack *ts, unsigned ifindex)
{
	return ts->ready[ifindex % L4_IF_MAX].head != NULL;
}

l4_time l4_tcp_stack_deadline(const struct l4_tcp_stack *ts)
{
	return l4_wheel_next(&ts->wheel);
}

static struct l4_tcp *conn_of_wheel(struct l4_wheel_node *n)
{
	return (struct l4_tcp *)(void *)((char *)n - offsetof(struct l4_tcp, wheel));
}

void l4_tcp_stack_tick(struct l4_tcp_stack *ts, l4_time now)
{
	advance(ts, now);
	struct l4_wheel_node *n;
	while ((n = l4_wheel_pop(&ts->wheel, ts->now)) != NULL) {
		if (n == &ts->tw_wheel) {
			l4_tcp_tw_expire(ts, ts->now);
		} else if (l4_tcp_req_is_timer(ts, n)) {
			l4_tcp_req_expire(ts, n, ts->now);
		} else {
			l4_tcp_on_timer(conn_of_wheel(n), ts->now);
		}
	}
	l4_tcp_park_some(ts);
	if (ts->room_wanted)
		l4_tcp_make_room(ts);
}

void l4_tcps_counters(const struct l4_tcp_stack *ts, struct l4_tcp_counters *out)
{
	*out = ts->ctr;
}
