/* Options of an endpoint, and the defaults of a host's TCP. */
#include "tcp/conn.h"
#include "tcp/cc.h"

void l4_tcp_config_init(struct l4_tcp_config *c)
{
	*c = (struct l4_tcp_config){
		.sack = true,
		.dsack = true,
		.timestamps = true,
		.window_scaling = true,
		.ecn = 2,
		.rfc1337 = true,
		.syncookies = true,
		.slow_start_after_idle = true,
		.moderate_rcvbuf = true,
		.mtu_probing = true,
		.accecn_option = 1,
		.ecn_fallback = true,
		.push_bursts = true,
		.frto = true,
		.early_tlp = true,
		.rack = true,
		.tw_reuse = true,
		.hystart = true,
		.path_mtu = true,
		.simultaneous_open = true,
		.secure_rst = true,
		.secure_syn = true,
		.rst_timestamps = true,
		.drop_synfin = true,
		.congestion = "cubic",
		.initial_window = 10,
		.mss_default = 536,
		.mss_min = 88,
		.pmtu_floor = 552,
		.syn_retries =
		    7, /* with the waits above: 183 s; RFC 9293 3.8.3 MUST-23: 3 minutes */
		.synack_retries = 5,
		.retries1 = 3,
		.retries2 = 15,
		.orphan_retries = 8,
		.reordering = 3,
		.min_tso_segs = 2,
		.rto_min = 200 * L4_MSEC,
		.rto_max = 60 * L4_SEC,
		.rto_init = L4_SEC,
		.delack_min = 40 * L4_MSEC,
		.delack_max = 200 * L4_MSEC,
		.msl = 30 * L4_SEC,
		.fin_timeout = 60 * L4_SEC,
		.keepalive_time = 7200 * L4_SEC,
		.keepalive_interval = 75 * L4_SEC,
		.keepalive_probes = 9,
		.challenge_window = 500 * L4_MSEC,
		.challenge_max = 1,
		.ts_tick = L4_MSEC,
		.rcvbuf_min = 4096,
		.rcvbuf_default = 131072,
		.rcvbuf_max = 6 << 20,
		.sndbuf_min = 4096,
		.sndbuf_default = 65536,
		.sndbuf_max = 4 << 20,
		.notsent_lowat = UINT32_MAX,
		.probe_octets = true,
		.somaxconn = 4096,
		.rst_rate = 10000,
		.port_low = 1024,
		.port_high = 65535,
	};
}

static int set_bytes(uint32_t *field, bool *fixed, int64_t v, uint32_t min, uint32_t max)
{
	if (v < 0)
		return L4_EINVAL;
	uint64_t n = (uint64_t)v;
	*field = n < min ? min : n > max ? max : (uint32_t)n;
	*fixed = true;
	return 0;
}

static int set_bool(bool *field, int64_t v)
{
	*field = v != 0;
	return 0;
}

static int set_time(l4_time *field, int64_t v)
{
	if (v < 0)
		return L4_EINVAL;
	*field = (l4_time)v;
	return 0;
}

static int set_u32(uint32_t *field, int64_t v, int64_t min, int64_t max)
{
	if (v < min || v > max)
		return L4_EINVAL;
	*field = (uint32_t)v;
	return 0;
}

int l4_tcps_set(struct l4_tcp_stack *ts, l4_ep ep, int option, int64_t v, l4_time now)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	if (now > ts->now)
		ts->now = now;
	now = ts->now;
	switch ((enum l4_tcp_option)option) {
	case L4_TCPOPT_NODELAY:
		c->opt_nodelay = v != 0;
		if (v) { /* what Nagle or the cork held back goes now */
			c->push_seq = c->snd_end;
			c->sws_override = l4_unsent(c) > 0;
			l4_tcp_output_check(c);
		}
		return 0;
	case L4_TCPOPT_CORK:
		c->opt_cork = v != 0;
		if (!v) {
			c->push_seq = c->snd_end;
			c->sws_override = l4_unsent(c) > 0;
			l4_tcp_output_check(c);
		}
		return 0;
	case L4_TCPOPT_QUICKACK:
		if (v) {
			c->quick = 16;
			c->pingpong = 0;
			if (c->ack_owed)
				l4_tcp_ack_now(c, L4_WHY_ACK_QUICK);
		} else {
			c->quick = 0;
			c->pingpong = 3;
		}
		return 0;
	case L4_TCPOPT_KEEPALIVE:
		c->opt_keepalive = v != 0;
		if (c->state == L4_TCP_ESTABLISHED || c->state == L4_TCP_CLOSE_WAIT)
			l4_tcp_start_keepalive(c, now);
		return 0;
	case L4_TCPOPT_KEEPIDLE: {
		int e = v > 0 ? set_time(&c->opt_keepidle, v) : L4_EINVAL;
		if (!e && c->opt_keepalive && c->timer[L4_TIMER_KEEP] != L4_TIME_NEVER) {
			l4_time last =
			    c->last_data_in > c->last_ack_in ? c->last_data_in : c->last_ack_in;
			l4_tcp_arm(c, L4_TIMER_KEEP, last + c->opt_keepidle);
		}
		return e;
	}
	case L4_TCPOPT_KEEPINTVL:
		return v > 0 ? set_time(&c->opt_keepintvl, v) : L4_EINVAL;
	case L4_TCPOPT_KEEPCNT:
		return set_u32(&c->opt_keepcnt, v, 1, 127);
	case L4_TCPOPT_USER_TIMEOUT:
		return set_time(&c->opt_user_timeout, v);
	case L4_TCPOPT_LINGER:
		c->opt_linger = v < 0 ? -1 : v;
		return 0;
	case L4_TCPOPT_LINGER2:
		c->opt_linger2 = v < 0 ? -1 : v;
		return 0;
	case L4_TCPOPT_SNDBUF: {
		int e =
		    set_bytes(&c->sndbuf, &c->opt_sndbuf_fixed, v, ts->cfg.sndbuf_min, 1u << 30);
		return e;
	}
	case L4_TCPOPT_RCVBUF:
		if (c->rcv_ssthresh > (uint64_t)v && c->state >= L4_TCP_ESTABLISHED &&
		    c->state < L4_TCP_CLOSED && v > 0 && (uint64_t)v < c->rcv_wnd)
			v = c->rcv_wnd; /* what was advertised stays promised */
		return set_bytes(&c->rcvbuf, &c->opt_rcvbuf_fixed, v, 2048, 1u << 30);
	case L4_TCPOPT_MAXSEG:
		if (v < ts->cfg.mss_min || v > 65495)
			return L4_EINVAL;
		c->opt_maxseg = (uint16_t)v;
		if (c->state != L4_TCP_CLOSED && c->state != L4_TCP_LISTEN)
			l4_tcp_sync_mss(c);
		return 0;
	case L4_TCPOPT_WINDOW_CLAMP:
		return set_u32(&c->opt_window_clamp, v, 0, 1 << 30);
	case L4_TCPOPT_SYNCNT:
		if (v < 1 || v > 127)
			return L4_EINVAL;
		c->opt_syncnt = (uint8_t)v;
		return 0;
	case L4_TCPOPT_DEFER_ACCEPT:
		return set_time(&c->opt_defer_accept, v);
	case L4_TCPOPT_FASTOPEN:
		return set_u32(&c->opt_fo_queue, v, 0, 65535);
	case L4_TCPOPT_FASTOPEN_CONNECT:
		return set_bool(&c->opt_fo_connect, v);
	case L4_TCPOPT_NOTSENT_LOWAT:
		return set_u32(&c->opt_notsent_lowat, v, 0, UINT32_MAX);
	case L4_TCPOPT_MAX_PACING_RATE:
		c->opt_max_pacing = v < 0 ? UINT64_MAX : (uint64_t)v;
		if (v >= 0)
			c->paces = true;
		return 0;
	case L4_TCPOPT_OOBINLINE:
		return set_bool(&c->opt_oobinline, v);
	case L4_TCPOPT_TTL:
		if (v != -1 && (v < 1 || v > 255))
			return L4_EINVAL;
		c->opt_ttl = (int16_t)v;
		return 0;
	case L4_TCPOPT_TOS:
		if (v < 0 || v > 255)
			return L4_EINVAL;
		c->opt_tos = (uint8_t)v;
		return 0;
	case L4_TCPOPT_RCVLOWAT:
		return set_u32(&c->opt_rcvlowat, v ? v : 1, 1, INT32_MAX);
	case L4_TCPOPT_ACCECN_OPTION:
		return set_bool(&c->opt_accecn, v);
	case L4_TCPOPT_REUSEADDR:
		return set_bool(&c->opt_reuseaddr, v);
	case L4_TCPOPT_REUSEPORT:
		return set_bool(&c->opt_reuseport, v);
	case L4_TCPOPT_V6ONLY:
		return set_bool(&c->opt_v6only, v);
	case L4_TCPOPT_FREEBIND:
		return set_bool(&c->opt_freebind, v);
	case L4_TCPOPT_DONTROUTE:
		return set_bool(&c->opt_dontroute, v);
	case L4_TCPOPT_MTU_DISCOVER:
		return set_bool(&c->opt_pmtu, v);
	case L4_TCPOPT_TROUBLE:
		return set_bool(&c->opt_trouble, v);
	case L4_TCPOPT_MD5_REQUIRED:
	case L4_TCPOPT_COUNT:
		break;
	}
	return L4_EUNSUPPORTED;
}

int l4_tcps_get(struct l4_tcp_stack *ts, l4_ep ep, int option, int64_t *value)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	switch ((enum l4_tcp_option)option) {
	case L4_TCPOPT_NODELAY:
		*value = c->opt_nodelay;
		return 0;
	case L4_TCPOPT_CORK:
		*value = c->opt_cork;
		return 0;
	case L4_TCPOPT_QUICKACK:
		*value = c->pingpong < 3;
		return 0;
	case L4_TCPOPT_KEEPALIVE:
		*value = c->opt_keepalive;
		return 0;
	case L4_TCPOPT_KEEPIDLE:
		*value = (int64_t)c->opt_keepidle;
		return 0;
	case L4_TCPOPT_KEEPINTVL:
		*value = (int64_t)c->opt_keepintvl;
		return 0;
	case L4_TCPOPT_KEEPCNT:
		*value = c->opt_keepcnt;
		return 0;
	case L4_TCPOPT_USER_TIMEOUT:
		*value = (int64_t)c->opt_user_timeout;
		return 0;
	case L4_TCPOPT_LINGER:
		*value = c->opt_linger;
		return 0;
	case L4_TCPOPT_LINGER2:
		*value = c->opt_linger2 >= 0 ? c->opt_linger2 : (int64_t)ts->cfg.fin_timeout;
		return 0;
	case L4_TCPOPT_SNDBUF:
		*value = c->sndbuf;
		return 0;
	case L4_TCPOPT_RCVBUF:
		*value = c->rcvbuf;
		return 0;
	case L4_TCPOPT_MAXSEG:
		*value = c->snd_mss      ? c->snd_mss
			 : c->opt_maxseg ? c->opt_maxseg
					 : ts->cfg.mss_default;
		return 0;
	case L4_TCPOPT_WINDOW_CLAMP:
		*value = c->opt_window_clamp;
		return 0;
	case L4_TCPOPT_SYNCNT:
		*value = c->opt_syncnt ? c->opt_syncnt : ts->cfg.syn_retries;
		return 0;
	case L4_TCPOPT_DEFER_ACCEPT:
		*value = (int64_t)c->opt_defer_accept;
		return 0;
	case L4_TCPOPT_FASTOPEN:
		*value = c->opt_fo_queue;
		return 0;
	case L4_TCPOPT_FASTOPEN_CONNECT:
		*value = c->opt_fo_connect;
		return 0;
	case L4_TCPOPT_NOTSENT_LOWAT:
		*value = c->opt_notsent_lowat;
		return 0;
	case L4_TCPOPT_MAX_PACING_RATE:
		*value = c->opt_max_pacing > INT64_MAX ? -1 : (int64_t)c->opt_max_pacing;
		return 0;
	case L4_TCPOPT_OOBINLINE:
		*value = c->opt_oobinline;
		return 0;
	case L4_TCPOPT_TTL:
		*value = c->opt_ttl;
		return 0;
	case L4_TCPOPT_TOS:
		*value = c->opt_tos;
		return 0;
	case L4_TCPOPT_RCVLOWAT:
		*value = c->opt_rcvlowat;
		return 0;
	case L4_TCPOPT_ACCECN_OPTION:
		*value = c->opt_accecn;
		return 0;
	case L4_TCPOPT_REUSEADDR:
		*value = c->opt_reuseaddr;
		return 0;
	case L4_TCPOPT_REUSEPORT:
		*value = c->opt_reuseport;
		return 0;
	case L4_TCPOPT_V6ONLY:
		*value = c->opt_v6only;
		return 0;
	case L4_TCPOPT_FREEBIND:
		*value = c->opt_freebind;
		return 0;
	case L4_TCPOPT_DONTROUTE:
		*value = c->opt_dontroute;
		return 0;
	case L4_TCPOPT_MTU_DISCOVER:
		*value = c->opt_pmtu;
		return 0;
	case L4_TCPOPT_TROUBLE:
		*value = c->opt_trouble;
		return 0;
	case L4_TCPOPT_MD5_REQUIRED:
	case L4_TCPOPT_COUNT:
		break;
	}
	return L4_EUNSUPPORTED;
}

int l4_tcps_set_congestion(struct l4_tcp_stack *ts, l4_ep ep, const char *name)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	if (!c)
		return L4_EBADF;
	const struct l4_cc_ops *cc = l4_cc_find(name);
	if (!cc)
		return L4_ENOTFOUND;
	if (cc == c->cc)
		return 0;
	c->cc = cc;
	memset(&c->ccs, 0, sizeof c->ccs);
	c->pacing_rate = 0;
	c->paces = cc->paces || ts->cfg.pacing || c->opt_max_pacing != UINT64_MAX;
	c->cwnd_cnt = 0;
	if (cc->init)
		cc->init(c, ts->now);
	return 0;
}

const char *l4_tcps_get_congestion(struct l4_tcp_stack *ts, l4_ep ep)
{
	struct l4_tcp *c = l4_tcp_from_ep(ts, ep);
	return c ? c->cc->name : NULL;
}
