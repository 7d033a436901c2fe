/* Path MTU: what routers say (RFC 1191, RFC 8201), and black holes that say nothing (RFC 4821,
 * RFC 8899).
 *
 * An ICMP message is believed after icmp.c has matched it to what is in flight. When timeouts
 * repeat and full-sized segments are what is lost, the path may swallow large packets in silence,
 * or be bad in another way: the segment size is lowered to one that nearly all paths carry. From
 * there larger ones are tried (RFC 4821 7, RFC 8899 5.3): a probe is one packet of new data that
 * the scoreboard knows as segments of the present size, so that after its loss they are sent again
 * one by one; losing it says nothing of congestion (RFC 4821 7.6.1) and reduces nothing. */
#include "tcp/cc.h"

/* Typical MTUs of paths, for the search (RFC 8899 5.3.2 leaves the table open). */
static const uint16_t plateau[] = { 9000, 4352, 1500, 1492, 1400, 1280, 1024, 576 };
#define BASE_MTU    1280u          /* what is tried first when large packets vanish */
#define SMALL_MTU   576u           /* and when these vanish, too: every host takes it (RFC 791) */
#define PROBES_MAX  3u             /* of one size (RFC 8899 5.1.2, MAX_PROBES) */
#define PROBE_AFTER L4_SEC         /* a lost probe, at least */
#define RAISE_AFTER (600 * L4_SEC) /* all sizes were tried (RFC 8899 5.1.1, PMTU_RAISE_TIMER) */

void l4_pmtu_reduced(struct l4_tcp *c, uint32_t mtu, l4_time now)
{
	uint32_t floor = l4_addr_is_ip4(&c->h.remote.addr) ? c->ts->cfg.pmtu_floor : 1280;
	if (mtu < floor)
		mtu = floor;
	if (c->mtu_probe_size && mtu < c->mtu_probe_size) { /* the router speaks of the probe */
		c->mtu_search_high = (uint16_t)mtu;
		c->mtu_search_up = false;
	}
	if (!c->pmtu || mtu >= c->pmtu)
		return;
	c->pmtu = (uint16_t)mtu;
	c->path.mtu = (uint16_t)mtu;
	l4_tcp_sync_mss(c);
	l4_sb_resize_segments(c, c->snd_mss);
	c->rtx_why = (struct l4_why){ .code = L4_WHY_PMTU_RTX, .a = (int64_t)mtu };
	if (c->sb.n) { /* RFC 1191 6.5: send again at once; no congestion */
		l4_tcp_rearm_rto(c, now);
		l4_tcp_output_check(c);
	}
}

static uint32_t headers(const struct l4_tcp *c)
{
	return (l4_addr_is_ip4(&c->h.remote.addr) ? 40u : 60u) + (c->ts_ok ? 12 : 0);
}

/* Called at each timeout. Packets above BASE_MTU are suspected after two timeouts in a row, smaller
 * ones, which nearly all paths carry, after four if data had come through before, else after seven.
 * A segment shorter than any size to try is lost for another reason; one shorter than the MSS may
 * still be too long for the path, as the last of a stream often is. */
void l4_pmtu_on_rto(struct l4_tcp *c, l4_time now)
{
	if (!c->ts->cfg.mtu_probing || !c->opt_pmtu || !c->sb.n || !c->pmtu)
		return;
	uint32_t lost = l4_sb_at(&c->sb, 0)->len + headers(c);
	uint32_t to = BASE_MTU;
	if (lost <= BASE_MTU)
		to = l4_addr_is_ip4(&c->h.remote.addr) ? SMALL_MTU : BASE_MTU;
	if (lost <= to || c->retransmits < (to == BASE_MTU ? 2 : c->bytes_acked ? 4 : 7))
		return;
	if (c->pmtu > to) {
		c->ts->ctr.blackholes++;
		c->pmtu = (uint16_t)to;
		c->mtu_search_high = 0;
		c->mtu_search_up = true;
		c->mtu_probe_fails = 0;
		c->mtu_probe_time = now;
		l4_tcp_sync_mss(c);
	}
	l4_sb_resize_segments(c, c->snd_mss);
}

/* With mtu_base the search starts from below (RFC 8899 5.2, BASE). */
void l4_pmtu_start(struct l4_tcp *c)
{
	uint32_t base = c->ts->cfg.mtu_base + headers(c);
	if (c->ts->cfg.mtu_base && c->ts->cfg.mtu_probing && c->opt_pmtu && base < c->pmtu)
		c->pmtu = (uint16_t)base;
}

/* RFC 4821 4: after a failed probe, for which no window was cut, none for as many round trips as
 * the window holds segments, about what lies between two losses at that window. */
static l4_time headway(const struct l4_tcp *c)
{
	l4_time t = (l4_time)(c->cwnd < 10000 ? c->cwnd : 10000) * c->srtt;
	return t < PROBE_AFTER ? PROBE_AFTER : t < RAISE_AFTER ? t : RAISE_AFTER;
}

static void search_over(struct l4_tcp *c)
{
	c->mtu_search_high = 0;
	c->mtu_search_up = false;
	c->mtu_probe_fails = 0;
	c->mtu_probe_time = c->ts->now + RAISE_AFTER;
}

/* The size to try next: all that the path may carry, once; when that fails, or has failed before,
 * the sizes of the table from below, because a probe that arrives costs nothing. */
static uint32_t next_size(const struct l4_tcp *c)
{
	uint32_t high = c->mtu_search_high ? c->mtu_search_high : c->path.mtu;
	for (size_t i = sizeof plateau / sizeof plateau[0]; i-- > 0 && c->mtu_search_up;)
		if (plateau[i] > c->pmtu + c->pmtu / 16) /* else not worth a probe */
			return plateau[i] < high ? plateau[i] : high;
	return high;
}

/* A segment of the probe is deemed lost: so is the probe. */
void l4_pmtu_probe_lost(struct l4_tcp *c)
{
	if (!c->mtu_probe_size)
		return;
	c->ts->ctr.mtu_probe_fail++;
	c->mtu_probe_time = c->ts->now + headway(c);
	if (c->mtu_search_high && c->mtu_search_high < c->mtu_probe_size) {
		/* a router has said what fits */
	} else if (!c->mtu_search_up) { /* a guess that failed; step by step, then */
		c->mtu_search_up = true;
	} else if (++c->mtu_probe_fails >= PROBES_MAX) {
		search_over(c);
	}
	c->mtu_probe_size = 0;
}

/* RFC 4821 4, RFC 8899 3 (7): the window must not grow in bytes because its segments do. After a
 * fall it stays what it is in segments: "so as not to raise the window size in packets". */
static void rescale(struct l4_tcp *c, uint32_t mss_was)
{
	if (c->snd_mss <= mss_was)
		return;
	double f = (double)mss_was / c->snd_mss;
	uint32_t *window[] = { &c->cwnd, &c->ssthresh, &c->prior_cwnd, &c->prior_ssthresh,
		&c->max_in_flight, &c->cwnd_used };
	for (size_t i = 0; i < sizeof window / sizeof window[0]; i++)
		if (*window[i] && *window[i] != UINT32_MAX) {
			*window[i] = (uint32_t)(*window[i] * f);
			*window[i] += !*window[i];
		}
	if (c->cc->on_mss)
		c->cc->on_mss(c, f);
}

void l4_pmtu_probe_acked(struct l4_tcp *c)
{
	uint32_t mss_was = c->snd_mss;
	c->ts->ctr.mtu_probe_success++;
	c->pmtu = c->mtu_probe_size;
	c->mtu_probe_size = 0;
	c->mtu_probe_fails = 0;
	if (c->mtu_search_high && c->pmtu >= c->mtu_search_high)
		search_over(c);
	l4_tcp_sync_mss(c);
	rescale(c, mss_was);
}

/* Payload bytes of a probe that may go now, 0: none. Only while nothing is missing, so that what is
 * lost then is the probe. */
uint32_t l4_pmtu_probe_len(const struct l4_tcp *c, uint32_t avail, uint32_t wnd, l4_time now)
{
	if (!c->pmtu || c->path.mtu <= c->pmtu || c->mtu_probe_size || !c->ts->cfg.mtu_probing ||
	    !c->opt_pmtu || c->ca_state != L4_CA_OPEN || c->sb.n_lost || c->cwnd < 2 ||
	    now < c->mtu_probe_time)
		return 0;
	uint32_t size = next_size(c);
	if (size <= c->pmtu)
		return 0;
	uint32_t len = size - headers(c);
	uint32_t most = c->mss_peer - (c->ts_ok ? 12 : 0);
	if (c->mss_peer && len > most)
		len = most;
	if (c->opt_maxseg && len > c->opt_maxseg)
		len = c->opt_maxseg;
	if (len <= c->snd_mss || len > avail || len > wnd)
		return 0;
	return len;
}

/* The last records, those of len bytes up to snd_nxt, left as one probe. */
void l4_pmtu_probe_sent(struct l4_tcp *c, uint32_t len)
{
	c->ts->ctr.mtu_probes++;
	c->mtu_probe_size = (uint16_t)(len + headers(c));
	c->mtu_probe_end = c->snd_nxt;
	for (uint32_t i = c->sb.n;
	     i-- > 0 && l4_seq_geq(l4_sb_at(&c->sb, i)->seq, c->snd_nxt - len);)
		l4_sb_at(&c->sb, i)->flags |= L4_TX_PROBE;
}
