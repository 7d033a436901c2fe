/* Timers of a connection.
 *
 * Each connection has an array of deadlines, one for each enum l4_tcp_timer, and one node in the
 * stack's wheel armed for the least of them or earlier: a deadline that moves later, as the RTO
 * does with every ACK, does not touch the wheel; the node fires, finds nothing due, and is armed
 * again.
 *
 * Who arms and who clears:
 *   RTX     rearm_rto: when something is sent or acknowledged; cleared with nothing outstanding.
 *           Mode SYN: the SYN. Mode RTO: data and FIN (RFC 6298). Mode PERSIST: data waits, nothing
 * is in flight (zero window, SWS avoidance, cork; RFC 9293 3.8.6.1) TLP     tlp.c, with RTX;
 * cleared by RTX, by any other recovery REO     rack.c DELACK  input: an ACK is owed; cleared by
 * any segment sent PACE    output: the next departure KEEP    established, with the option on; each
 * segment received puts it off LIFE    FIN-WAIT-2 without a user (RFC 9293 3.10.4 allows an end),
 * linger, user timeout */
#include "tcp/conn.h"

static l4_time backed_off(const struct l4_tcp *c, l4_time base)
{
	l4_time max = c->ts->cfg.rto_max;
	l4_time t = base;
	for (unsigned i = 0; i < c->backoff && t < max; i++)
		t *= 2;
	return t < max ? t : max;
}

/* RFC 5482: how long data may go unacknowledged; 0: until R2. */
static l4_time clamp_user_timeout(const struct l4_tcp *c, l4_time now, l4_time t)
{
	if (!c->opt_user_timeout || !c->first_rtx_time)
		return t;
	l4_time end = c->first_rtx_time + c->opt_user_timeout;
	if (end <= now)
		return 1;
	return end - now < t ? end - now : t;
}

void l4_tcp_rearm_rto(struct l4_tcp *c, l4_time now)
{
	if (c->sb.n || c->send_syn) {
		c->rtx_mode = c->state == L4_TCP_SYN_SENT || c->state == L4_TCP_SYN_RECEIVED
				  ? L4_RTX_SYN
				  : L4_RTX_RTO;
		l4_tcp_arm(
		    c, L4_TIMER_RTX, now + clamp_user_timeout(c, now, backed_off(c, c->rto)));
		return;
	}
	if (c->rtx_mode == L4_RTX_RTO) {
		c->rtx_mode = L4_RTX_OFF;
		l4_tcp_disarm(c, L4_TIMER_RTX);
	}
	l4_tcp_disarm(c, L4_TIMER_TLP);
}

/* One segment was sent while nothing was in flight: what l4_tcp_rearm_rto and l4_tcp_tlp_schedule
 * do then, with one look at the wheel. */
void l4_tcp_arm_alone(struct l4_tcp *c, l4_time now)
{
	if (c->backoff || c->opt_user_timeout || !c->srtt || !c->sack_ok ||
	    c->rto > c->ts->cfg.rto_max) {
		l4_tcp_rearm_rto(c, now);
		l4_tcp_tlp_schedule(c, now);
		return;
	}
	l4_time rto = now + c->rto, probe = now + 2 * c->srtt + L4_TLP_WC_DELACK;
	if (probe > rto)
		probe = rto;
	c->rtx_mode = L4_RTX_RTO;
	c->timer[L4_TIMER_RTX] = rto;
	l4_tcp_arm(c, L4_TIMER_TLP, c->ts->cfg.early_tlp ? probe : L4_TIME_NEVER);
	if (!c->ts->cfg.early_tlp)
		l4_tcp_arm(c, L4_TIMER_RTX, rto);
}

static void give_up(struct l4_tcp *c, bool rst)
{
	c->ts->ctr.abort_on_timeout++;
	int err = c->soft_err ? c->soft_err : L4_ETIMEDOUT;
	if (rst)
		l4_tcp_send_rst_of(c, L4_WHY_RST_TIMEOUT, c->ts->now);
	l4_tcp_done(c, err);
}

static bool on_syn_timeout(struct l4_tcp *c, l4_time now)
{
	uint32_t max = c->opt_syncnt ? c->opt_syncnt : c->ts->cfg.syn_retries;
	if (c->state == L4_TCP_SYN_RECEIVED)
		max = c->ts->cfg.synack_retries;
	bool late = c->opt_user_timeout && c->first_rtx_time &&
		    now - c->first_rtx_time >= c->opt_user_timeout;
	if (c->syn_retries >= max || late) {
		give_up(c, false);
		return false;
	}
	c->ts->ctr.timeouts++;
	c->total_rto++;
	c->syn_retries++;
	c->retransmits++;
	/* RFC 6298 5.5, unless the first ones are to come at one interval */
	if (c->state != L4_TCP_SYN_SENT || c->syn_retries > c->ts->cfg.syn_linear)
		c->backoff++;
	if (c->fo_syn_data) { /* RFC 7413 4.1.3: the retransmission goes without data and cookie */
		c->fo_fail = 1;
		c->ts->ctr.fastopen_active_fail++;
	}
	c->send_syn = true;
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
	return true;
}

static bool on_rto(struct l4_tcp *c, l4_time now)
{
	if (!c->sb.n)
		return true;
	const struct l4_tcp_config *cfg = &c->ts->cfg;
	if (!c->first_rtx_time)
		c->first_rtx_time =
		    l4_sb_at(&c->sb, 0)->xmit_time ? l4_sb_at(&c->sb, 0)->xmit_time : 1;
	uint32_t max = c->orphan ? cfg->orphan_retries : cfg->retries2;
	bool late = c->opt_user_timeout ? now - c->first_rtx_time >= c->opt_user_timeout
					: c->retransmits >= max;
	/* RFC 9293 3.8.6, SHLD-17 and MUST-37: into a window that shrank to nothing retransmissions
	 * are probes; while the peer answers them it is not gone. */
	if (late && !c->snd_wnd && !c->orphan && !c->opt_user_timeout &&
	    now - c->last_ack_in < 2 * cfg->rto_max)
		late = false;
	if (late) { /* R2 of RFC 9293 3.8.3, MUST-20 */
		give_up(c, true);
		return false;
	}
	c->ts->ctr.timeouts++;
	c->total_rto++;
	l4_tcp_trace(c, L4_TRACE_TCP_RTO, 0, (int64_t)c->rto, c->backoff, c->snd_una - c->iss,
	    l4_in_flight(c));
	l4_pmtu_on_rto(c, now);
	l4_recovery_on_rto(c, now);
	if (c->retransmits < UINT8_MAX)
		c->retransmits++;
	if (c->retransmits == cfg->retries1) { /* R1: RFC 9293 3.8.3, MUST-20 (a) and SHLD-9 */
		c->ts->env.path_suspect(c->ts->env.ctx, &c->path, now);
		l4_tcp_trouble(c, L4_ETIMEDOUT);
	}
	if (c->backoff < 30)
		c->backoff++; /* RFC 6298 5.5 */
	l4_tcp_rearm_rto(c, now);
	l4_tcp_make_ready(c);
	return true;
}

/* Data waits and nothing is in flight: probe the window, or overrule SWS avoidance and cork. */
static bool on_persist(struct l4_tcp *c, l4_time now)
{
	if (c->sb.n || (l4_seq_geq(c->snd_nxt, c->snd_end) && !(c->shut_wr && !c->fin_sent))) {
		c->rtx_mode = L4_RTX_OFF;
		return true;
	}
	if (!c->probe_start)
		c->probe_start = now ? now : 1;
	bool late = c->opt_user_timeout && now - c->probe_start >= c->opt_user_timeout;
	/* RFC 9293 3.8.6.1, MUST-37: while the peer answers, the window may stay closed for ever. A
	 * peer that does not answer is given up after R2; without a user, after orphan_retries. */
	uint32_t max = c->orphan ? c->ts->cfg.orphan_retries : c->ts->cfg.retries2;
	if (late || c->probes_out >= max) {
		give_up(c, c->orphan || late);
		return false;
	}
	c->ecn_hold = false;
	if (c->snd_wnd > 0) {
		c->sws_override = true;
		if (c->soft_err && c->probes_out < UINT8_MAX)
			c->probes_out++; /* not the window, the path is shut: no more for ever */
	} else {
		c->probe_now = 1;
		if (c->probes_out < UINT8_MAX)
			c->probes_out++;
	}
	if (c->backoff < 30)
		c->backoff++;
	l4_tcp_arm(c, L4_TIMER_RTX, now + backed_off(c, c->rto));
	l4_tcp_make_ready(c);
	return true;
}

static void on_delack(struct l4_tcp *c, l4_time now)
{
	if (!c->ack_owed)
		return;
	if (c->pingpong < 3) { /* not a conversation: our guess was too long or too short */
		c->ato = c->ato * 2 < c->rto ? c->ato * 2 : c->rto;
		if (c->ato > c->ts->cfg.delack_max)
			c->ato = c->ts->cfg.delack_max;
	} else { /* the answer that would have carried it did not come */
		c->pingpong = 0;
		c->ato = c->ts->cfg.delack_min;
	}
	c->ts->ctr.delayed_acks++;
	l4_tcp_ack_now(c, L4_WHY_ACK_DELAYED);
	(void)now;
}

/* RFC 9293 3.8.4: an idle connection is probed; an unanswered series ends it. */
static bool on_keep(struct l4_tcp *c, l4_time now)
{
	if (!c->opt_keepalive || c->state < L4_TCP_ESTABLISHED || c->state == L4_TCP_SYN_SENT ||
	    c->state == L4_TCP_CLOSED)
		return true;
	if (c->sb.n || l4_unsent(c)) { /* data in flight has its own timer */
		l4_tcp_arm(c, L4_TIMER_KEEP, now + c->opt_keepidle);
		return true;
	}
	l4_time last = c->last_data_in > c->last_ack_in ? c->last_data_in : c->last_ack_in;
	l4_time idle = now - last;
	if (idle < c->opt_keepidle) {
		l4_tcp_arm(c, L4_TIMER_KEEP, last + c->opt_keepidle);
		return true;
	}
	bool late = c->opt_user_timeout ? idle >= c->opt_user_timeout && c->probes_out > 0
					: c->probes_out >= c->opt_keepcnt;
	if (late) {
		give_up(c, true);
		return false;
	}
	c->probes_out++;
	c->probe_now = 2;
	c->ts->ctr.keepalives++;
	l4_tcp_arm(c, L4_TIMER_KEEP, now + c->opt_keepintvl);
	l4_tcp_make_ready(c);
	return true;
}

void l4_tcp_start_keepalive(struct l4_tcp *c, l4_time now)
{
	if (c->opt_keepalive)
		l4_tcp_arm(c, L4_TIMER_KEEP, now + c->opt_keepidle);
	else
		l4_tcp_disarm(c, L4_TIMER_KEEP);
}

static bool due(struct l4_tcp *c, enum l4_tcp_timer t, l4_time now)
{
	if (c->timer[t] > now)
		return false;
	c->timer[t] = L4_TIME_NEVER;
	return true;
}

void l4_tcp_on_timer(struct l4_tcp *c, l4_time now)
{
	/* a handler that returns false has ended the connection, which may be freed */
	if (due(c, L4_TIMER_LIFE, now)) {
		if (c->state == L4_TCP_FIN_WAIT_2) {
			if (l4_tcp_enter_time_wait(c, now) < 0)
				l4_tcp_done(c, 0);
		} else {
			give_up(c, true);
		}
		return;
	}
	if (due(c, L4_TIMER_KEEP, now) && !on_keep(c, now))
		return;
	if (due(c, L4_TIMER_REO, now))
		l4_recovery_on_reo(c, now);
	if (due(c, L4_TIMER_TLP, now)) /* first: a probe in time puts the timeout off */
		l4_tcp_tlp_fire(c, now);
	if (due(c, L4_TIMER_RTX, now)) {
		l4_tcp_disarm(c, L4_TIMER_TLP);
		bool alive = true;
		switch ((enum l4_rtx_mode)c->rtx_mode) {
		case L4_RTX_SYN:
			alive = on_syn_timeout(c, now);
			break;
		case L4_RTX_RTO:
			alive = on_rto(c, now);
			break;
		case L4_RTX_PERSIST:
			alive = on_persist(c, now);
			break;
		case L4_RTX_OFF:
			break;
		}
		if (!alive)
			return;
	}
	if (due(c, L4_TIMER_DELACK, now))
		on_delack(c, now);
	if (due(c, L4_TIMER_PACE, now))
		l4_tcp_make_ready(c);
	l4_time least = L4_TIME_NEVER;
	for (int t = 0; t < L4_TIMER_COUNT; t++)
		if (c->timer[t] < least)
			least = c->timer[t];
	l4_wheel_add(&c->ts->wheel, &c->wheel, least);
}
