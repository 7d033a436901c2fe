/* The runner: takes a script's events one by one through virtual time.
 *
 * The clock stands still while an event is handled and moves only when the next one lies ahead, or
 * a packet is waited for, from one of the host's deadlines to the next. A blocking call is stepped
 * after each movement; the moment at which a step ends it is the moment at which it returns. So a
 * script with hours of timers takes as long as its packets take to make.
 *
 * Times are as the language says: relative ones count from the moment at which the event before
 * was done, after an inbound packet from its scheduled time. */
#include "drill/run.h"

#include <layer4/err.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MAX     (1u << 20)
#define LINGER_US   1000000                 /* how long a line waits for a blocked call to end */
#define CALL_MAX_US (7 * 24 * 3600000000LL) /* a call without end time, waited for */

int64_t l4_run_now(const struct l4_run *r)
{
	return (int64_t)((r->world.now - r->zero) / L4_USEC);
}

static void append(struct l4_run *r, const char *text, size_t n)
{
	if (r->log_len + n + 1 > LOG_MAX)
		return;
	if (r->log_len + n + 1 > r->log_cap) {
		size_t cap = r->log_cap ? r->log_cap * 2 : 4096;
		while (cap < r->log_len + n + 1)
			cap *= 2;
		char *grown = realloc(r->log, cap);
		if (!grown) {
			r->nomem = true;
			return;
		}
		r->log = grown;
		r->log_cap = cap;
	}
	memcpy(r->log + r->log_len, text, n);
	r->log_len += n;
	r->log[r->log_len] = '\0';
}

void l4_run_log(struct l4_run *r, int64_t at_us, const char *format, ...)
{
	char line[800];
	int n = snprintf(
	    line, sizeof(line), "%5" PRId64 ".%06" PRId64 " ", at_us / 1000000, at_us % 1000000);
	va_list ap;
	va_start(ap, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if (r->o->trace)
		r->o->trace(r->o->ctx, line);
	append(r, "  ", 2);
	append(r, line, strlen(line));
	append(r, "\n", 1);
}

bool l4_run_fail(struct l4_run *r, const struct l4_de *e, const char *format, ...)
{
	if (r->failed)
		return false;
	r->failed = true;
	char text[1200];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	struct l4_drill_result *res = r->result;
	res->line = e ? e->line : res->line;
	size_t first = strcspn(text, "\n");
	snprintf(res->message, sizeof(res->message), "%.*s", (int)first, text);
	/* the report: the line, what was wanted and seen, the ladder */
	char *ladder = r->log;
	size_t ladder_len = r->log_len;
	r->log = NULL;
	r->log_len = r->log_cap = 0;
	if (e) {
		size_t n = e->text_len;
		append(r, "  script    ", 12);
		for (size_t i = 0; i < n; i++) {
			append(r, e->text + i, 1);
			if (e->text[i] == '\n')
				append(r, "            ", 12);
		}
		append(r, "\n", 1);
	}
	if (text[first]) {
		append(r, text + first + 1, strlen(text + first + 1));
		append(r, "\n", 1);
	}
	if (ladder_len) {
		append(r, "  so far:\n", 10);
		append(r, ladder, ladder_len);
	}
	free(ladder);
	return false;
}

int l4_run_fd(const struct l4_run *r, int64_t script_fd)
{
	for (size_t i = r->n_fds; i-- > 0;)
		if (r->fds[i].script == script_fd)
			return r->fds[i].live;
	return -1;
}

void l4_run_name_fd(struct l4_run *r, int64_t script_fd, int live)
{
	size_t i = 0;
	while (i < r->n_fds && r->fds[i].script != script_fd)
		i++;
	if (i == L4_RUN_FDS)
		return;
	r->fds[i].script = (int)script_fd;
	r->fds[i].live = live;
	if (i == r->n_fds)
		r->n_fds++;
}

/* ---- Time ---- */

void l4_run_step_pending(struct l4_run *r)
{
	if (!r->pending || r->pending_done_us >= 0)
		return;
	if (l4_bound_step(r, r->pending))
		r->pending_done_us = l4_run_now(r);
}

bool l4_run_move(struct l4_run *r, int64_t until_us)
{
	l4_time until = r->zero + (l4_time)(until_us < 0 ? 0 : until_us) * L4_USEC;
	l4_time stop = until;
	if (r->pending && r->pending_done_us < 0 && l4_bound_deadline(r->pending) < stop)
		stop = l4_bound_deadline(r->pending);
	bool did = l4_world_run(&r->world, stop);
	bool timed_out = !did && stop < until;
	l4_run_step_pending(r);
	return did || timed_out || r->world.head;
}

/* Lets time pass up to to_us. */
static void advance(struct l4_run *r, int64_t to_us)
{
	l4_time until = r->zero + (l4_time)(to_us < 0 ? 0 : to_us) * L4_USEC;
	while (r->world.now < until) {
		l4_time stop = until;
		if (r->pending && r->pending_done_us < 0 && l4_bound_deadline(r->pending) < stop)
			stop = l4_bound_deadline(r->pending);
		l4_world_run(&r->world, stop);
		l4_run_step_pending(r);
	}
}

/* ---- Calls ---- */

static void log_call(struct l4_run *r, const struct l4_bound *b, const char *remark)
{
	const struct l4_de *e = l4_bound_event(b);
	/* from the name of the call on */
	const char *p = e->call.name ? strstr(e->text, e->call.name) : NULL;
	size_t n = e->text_len;
	if (p && p < e->text + n)
		n -= (size_t)(p - e->text);
	else
		p = e->text;
	char text[160];
	size_t k = 0;
	for (size_t i = 0; i < n && k < sizeof(text) - 1; i++)
		if ((p[i] != '\n' && p[i] != '\t' && p[i] != ' ') || (k && text[k - 1] != ' '))
			text[k++] = p[i] == '\n' || p[i] == '\t' ? ' ' : p[i];
	text[k] = '\0';
	l4_run_log(r, l4_run_now(r), "%s%s", text, remark);
}

/* If the blocked call has ended: compares how and when. */
static bool settle(struct l4_run *r)
{
	struct l4_bound *b = r->pending;
	if (!b || r->pending_done_us < 0)
		return true;
	r->pending = NULL;
	const struct l4_de *e = l4_bound_event(b);
	int64_t at = r->pending_done_us, end = r->pending_end_us;
	l4_run_log(r, at, "%s returned", e->call.name);
	bool ok = l4_bound_check(r, b);
	if (ok && !l4_run_tolerates(r, at, end, end, r->pending_span_us))
		ok = l4_run_fail(r, e, "%s returned at %.6f s, expected at %.6f s", e->call.name,
		    (double)at / 1e6, (double)end / 1e6);
	l4_bound_free(b);
	return ok;
}

/* A line that needs the place of the blocked call: it has a second to end. */
static bool await_pending(struct l4_run *r)
{
	int64_t limit = l4_run_now(r) + LINGER_US;
	while (r->pending && r->pending_done_us < 0 && l4_run_now(r) < limit)
		if (!l4_run_move(r, limit))
			break;
	if (r->pending && r->pending_done_us < 0) {
		const struct l4_de *e = l4_bound_event(r->pending);
		return l4_run_fail(r, e, "%s still blocks", e->call.name);
	}
	return settle(r);
}

static bool run_call(struct l4_run *r, const struct l4_de *e, int64_t base_us)
{
	if (!await_pending(r))
		return false;
	struct l4_bound *b = l4_bound_new(r, e);
	if (!b)
		return false;
	log_call(r, b, "");
	l4_bound_prepare(r, b);
	r->result->calls++;
	bool done = l4_bound_step(r, b);
	if (e->blocking) {
		r->pending = b;
		r->pending_done_us = done ? l4_run_now(r) : -1;
		r->pending_end_us = e->time_kind == L4_DT_REL ? base_us + e->end_us : e->end_us;
		r->pending_span_us = e->end_us - e->at_us;
		return settle(r);
	}
	/* no end time: the call itself makes time pass */
	int64_t limit = l4_run_now(r) + CALL_MAX_US;
	r->pending = b;
	r->pending_done_us = done ? l4_run_now(r) : -1;
	while (r->pending_done_us < 0 && l4_run_now(r) < limit)
		if (!l4_run_move(r, limit))
			break;
	r->pending = NULL;
	bool ok = r->pending_done_us >= 0;
	if (!ok)
		l4_run_fail(
		    r, e, "%s blocks, and nothing is left that could wake it", e->call.name);
	ok = ok && l4_bound_check(r, b);
	l4_bound_free(b);
	return ok;
}

/* ---- Commands and code ---- */

static void note_setting(void *ctx, const char *text)
{
	struct l4_run *r = ctx;
	if (r->o->trace) {
		char line[300];
		snprintf(line, sizeof(line), "      note: no setting here: %.200s", text);
		r->o->trace(r->o->ctx, line);
	}
}

/* A command is not run: the settings that it makes are made here. One that sleeps takes its time.
 * Those before the first call or packet were read before the stack was set up. */
static bool run_command(struct l4_run *r, const struct l4_de *e)
{
	const char *p = strstr(e->code, "sleep ");
	double seconds = p ? strtod(p + 6, NULL) : 0;
	int n = 0;
	if (r->setting_up)
		l4_run_log(r, l4_run_now(r), "command read before the start");
	else
		n = l4_settings_command(&r->settings, e->code, r->file, note_setting, r);
	if (n > 0) {
		if (l4_world_configure(&r->world, &r->settings) < 0)
			return l4_run_fail(r, e, "the stack does not take these settings");
		l4_run_log(r, l4_run_now(r), "settings changed: %d", n);
	} else if (!r->setting_up) {
		l4_run_log(r, l4_run_now(r), "command passed over");
	}
	if (seconds > 0 && seconds < 1e6)
		advance(r, l4_run_now(r) + (int64_t)(seconds * 1e6));
	return true;
}

static void print_line(void *ctx, const char *text)
{
	struct l4_run *r = ctx;
	l4_run_log(r, l4_run_now(r), "print: %.600s", text);
}

static const struct {
	const char *name;
	int64_t value;
} py_names[] = {
	{ "TCP_ESTABLISHED", 1 },
	{ "TCP_SYN_SENT", 2 },
	{ "TCP_SYN_RECV", 3 },
	{ "TCP_FIN_WAIT1", 4 },
	{ "TCP_FIN_WAIT2", 5 },
	{ "TCP_TIME_WAIT", 6 },
	{ "TCP_CLOSE", 7 },
	{ "TCP_CLOSE_WAIT", 8 },
	{ "TCP_LAST_ACK", 9 },
	{ "TCP_LISTEN", 10 },
	{ "TCP_CLOSING", 11 },
	{ "TCP_CA_Open", 0 },
	{ "TCP_CA_Disorder", 1 },
	{ "TCP_CA_CWR", 2 },
	{ "TCP_CA_Recovery", 3 },
	{ "TCP_CA_Loss", 4 },
	{ "TCPI_OPT_TIMESTAMPS", 1 },
	{ "TCPI_OPT_SACK", 2 },
	{ "TCPI_OPT_WSCALE", 4 },
	{ "TCPI_OPT_ECN", 8 },
	{ "TCPI_OPT_ECN_SEEN", 16 },
	{ "TCPI_OPT_SYN_DATA", 32 },
	{ "TCPI_OPT_USEC_TS", 64 },
	{ "TCP_INFINITE_SSTHRESH", 0x7fffffff },
	{ "TCPI_ECN_MODE_DISABLED", 0 },
	{ "TCPI_ECN_MODE_RFC3168", 1 },
	{ "TCPI_ECN_MODE_ACCECN", 2 },
	{ "TCPI_ECN_MODE_PENDING", 3 },
	/* as other versions of packetdrill spell them */
	{ "TCPI_ESTABLISHED", 1 },
	{ "TCPI_SYN_SENT", 2 },
	{ "TCPI_SYN_RECEIVED", 3 },
	{ "TCPI_FIN_WAIT_1", 4 },
	{ "TCPI_FIN_WAIT_2", 5 },
	{ "TCPI_TIME_WAIT", 6 },
	{ "TCPI_CLOSED", 7 },
	{ "TCPI_CLOSE_WAIT", 8 },
	{ "TCPI_LAST_ACK", 9 },
	{ "TCPI_LISTEN", 10 },
	{ "TCPI_CLOSING", 11 },
};

static void set_info(struct l4_py *py, const struct l4_tcp_info *i)
{
#define P(name) l4_py_set_unsigned(py, "tcpi_" #name, i->name);
	P(state)
	P(ca_state)
	P(retransmits)
	P(probes)
	P(backoff)
	P(options)
	P(snd_wscale)
	P(rcv_wscale)
	P(delivery_rate_app_limited)
	P(fastopen_client_fail)
	P(rto)
	P(ato)
	P(snd_mss)
	P(rcv_mss)
	P(unacked)
	P(sacked)
	P(lost)
	P(retrans)
	P(fackets)
	P(last_data_sent)
	P(last_ack_sent)
	P(last_data_recv)
	P(last_ack_recv)
	P(pmtu)
	P(rcv_ssthresh)
	P(rtt)
	P(rttvar)
	P(snd_ssthresh)
	P(snd_cwnd)
	P(advmss)
	P(reordering)
	P(rcv_rtt)
	P(rcv_space)
	P(total_retrans)
	P(pacing_rate)
	P(max_pacing_rate)
	P(bytes_acked)
	P(bytes_received)
	P(segs_out)
	P(segs_in)
	P(notsent_bytes)
	P(min_rtt)
	P(data_segs_in)
	P(data_segs_out)
	P(delivery_rate)
	P(busy_time)
	P(rwnd_limited)
	P(sndbuf_limited)
	P(delivered)
	P(delivered_ce)
	P(bytes_sent)
	P(bytes_retrans)
	P(dsack_dups)
	P(reord_seen)
	P(rcv_ooopack)
	P(snd_wnd)
	P(rcv_wnd)
	P(rehash)
	P(total_rto)
	P(total_rto_recoveries)
	P(total_rto_time)
	P(received_ce)
	P(delivered_e1_bytes)
	P(delivered_e0_bytes)
	P(delivered_ce_bytes)
	P(received_e1_bytes)
	P(received_e0_bytes)
	P(received_ce_bytes)
	P(ecn_mode)
	P(accecn_opt_seen)
	P(accecn_fail_mode)
	P(cwnd_bytes)
	P(ssthresh_bytes)
	P(in_flight_bytes)
	P(tlp_probes)
	P(spurious_undone)
	P(rack_reo_wnd_us)
	P(drops)
#undef P
}

static void set_meminfo(struct l4_py *py, struct l4_run *r, int fd)
{
	static const char *const names[9] = { "SK_MEMINFO_RMEM_ALLOC", "SK_MEMINFO_RCVBUF",
		"SK_MEMINFO_WMEM_ALLOC", "SK_MEMINFO_SNDBUF", "SK_MEMINFO_FWD_ALLOC",
		"SK_MEMINFO_WMEM_QUEUED", "SK_MEMINFO_OPTMEM", "SK_MEMINFO_BACKLOG",
		"SK_MEMINFO_DROPS" };
	uint32_t m[9] = { 0 };
	socklen_t len = sizeof(m);
	struct l4_call c = { .op = L4_CALL_GETSOCKOPT, .fd = fd, .a = SOL_SOCKET, .b = 55 };
	c.val = m;
	c.val_len = &len;
	l4_call_step(r->world.socks, &c, r->world.now);
	for (int i = 0; i < 9; i++)
		l4_py_set(py, names[i], m[i]);
}

static bool run_code(struct l4_run *r, const struct l4_de *e)
{
	if (!r->py) {
		r->py = l4_py_new(print_line, r);
		if (!r->py)
			return l4_run_fail(r, e, "out of memory");
		for (size_t i = 0; i < sizeof(py_names) / sizeof(py_names[0]); i++)
			l4_py_set(r->py, py_names[i].name, py_names[i].value);
	}
	bool udp;
	struct l4_tcp_info info;
	int fd = r->tut ? r->tut->fd : -1;
	l4_ep ep = l4_socks_ep(r->world.socks, fd, &udp);
	if (!ep || udp || l4_tcp_info(r->world.host, ep, &info, r->world.now) < 0)
		return l4_run_fail(r, e, "no socket under test to take tcp_info of%s",
		    r->tut && fd < 0 ? " (accept it first)" : "");
	set_info(r->py, &info);
	set_meminfo(r->py, r, fd);
	unsigned line = 0;
	char text[400];
	if (l4_py_run(r->py, e->code, &line, text, sizeof(text)))
		return true;
	r->result->line = e->line + (int)line;
	struct l4_de at = *e;
	at.line += (int)line;
	return l4_run_fail(r, &at, "%s", text);
}

/* What the stack dropped, and why, belongs into the ladder. */
static void on_stack_event(void *ctx, const struct l4_trace_event *e)
{
	struct l4_run *r = ctx;
	if (e->kind == L4_TRACE_DROP && r->zero)
		l4_run_log(r, (int64_t)((e->time - r->zero) / L4_USEC), "# dropped: %s",
		    l4_drop_text((enum l4_drop)e->reason));
}

/* ---- Events ---- */

static bool run_event(struct l4_run *r, const struct l4_de *e)
{
	if (!settle(r))
		return false;
	int64_t now = l4_run_now(r);
	bool inbound = e->kind == L4_DE_PACKET && e->packet.inbound;
	bool outbound = e->kind == L4_DE_PACKET && !inbound;
	int64_t base = inbound && r->last_inbound ? r->scheduled_us : now;
	bool rel = e->time_kind == L4_DT_REL || e->time_kind == L4_DT_REL_RANGE;
	r->last_us = r->scheduled_us;
	r->scheduled_us = e->time_kind == L4_DT_ANY ? now : e->at_us + (rel ? base : 0);
	r->last_inbound = inbound;
	r->event = e;
	if (!outbound) {
		advance(r, r->scheduled_us);
		now = l4_run_now(r);
		int64_t span = r->scheduled_us - r->last_us;
		if (!l4_run_tolerates(
			r, now, r->scheduled_us, r->scheduled_us, span > 0 ? span : 0))
			return l4_run_fail(r, e, "it is %.6f s already, this is for %.6f s",
			    (double)now / 1e6, (double)r->scheduled_us / 1e6);
		if (!settle(r))
			return false;
	}
	r->setting_up = r->setting_up && e->kind == L4_DE_COMMAND;
	switch (e->kind) {
	case L4_DE_PACKET:
		return l4_run_packet(r, e);
	case L4_DE_CALL:
		return run_call(r, e, base);
	case L4_DE_COMMAND:
		return run_command(r, e);
	case L4_DE_CODE:
		return run_code(r, e);
	}
	return true;
}

/* --non_fatal: a mismatch is told and passed over. */
static bool forgive(struct l4_run *r, const struct l4_de *e)
{
	bool soft =
	    (e->kind == L4_DE_PACKET && r->soft_packet) || (e->kind == L4_DE_CALL && r->soft_call);
	if (!soft || r->broken || r->nomem)
		return false;
	char line[320];
	snprintf(
	    line, sizeof(line), "warning: %s:%d: %s", r->file, r->result->line, r->result->message);
	if (r->o->trace)
		r->o->trace(r->o->ctx, line);
	r->failed = false;
	r->result->line = 0;
	r->result->message[0] = '\0';
	return true;
}

static void run_events(struct l4_run *r)
{
	for (const struct l4_de *e = r->script.events; e; e = e->next)
		if (!run_event(r, e) && !forgive(r, e))
			return;
	if (r->pending && r->pending_done_us < 0) {
		const struct l4_de *e = l4_bound_event(r->pending);
		/* its end may still lie ahead */
		advance(r, r->pending_end_us);
		if (r->pending_done_us < 0) {
			l4_run_fail(r, e, "%s still blocks at the end of the script", e->call.name);
			return;
		}
	}
	if (!settle(r))
		return;
	char what[160];
	if (l4_host_check(r->world.host, what, sizeof(what)) < 0)
		l4_run_fail(r, NULL, "an invariant of the stack is broken: %s", what);
}

/* ---- Options ---- */

static bool set_option(struct l4_run *r, const char *name, const char *value)
{
	static const char *const passed_over[] = { "define", "mss", "netmask_ip", "speed",
		"init_scripts", "code_command", "code_format", "code_sockopt", "send_omit_free",
		"verbose", "debug", "dry_run", "is_anyip", "psp_udp_port" };
	if (!strcmp(name, "tolerance_usecs"))
		r->tolerance_us = strtoll(value, NULL, 10);
	else if (!strcmp(name, "tolerance_percent"))
		r->tolerance_percent = strtod(value, NULL);
	else if (!strcmp(name, "tcp_ts_ecr_scaled"))
		r->ts_scaled = true;
	else if (!strcmp(name, "tcp_ts_tick_usecs"))
		r->ts_tick_us = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(name, "strict_segments"))
		r->strict_segments = true;
	else if (!strcmp(name, "bind_port"))
		r->bind_port = (uint16_t)strtoul(value, NULL, 10);
	else if (!strcmp(name, "connect_port"))
		r->connect_port = (uint16_t)strtoul(value, NULL, 10);
	else if (!strcmp(name, "layer4") || !strcmp(name, "so_flags"))
		l4_settings_flags(&r->settings, value);
	else if (!strcmp(name, "non_fatal")) {
		r->soft_packet = strstr(value, "packet");
		r->soft_call = strstr(value, "syscall");
	} else {
		for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++)
			if (!strcmp(name, passed_over[i]))
				return true;
		int set = l4_settings_set(&r->settings, name, value);
		if (set <= 0) {
			r->broken = true;
			return l4_run_fail(r, NULL,
			    set < 0 ? "--%s: '%.80s' is of no use" : "--%s=%.80s is not known",
			    name, value);
		}
	}
	return true;
}

static bool set_text_option(struct l4_run *r, const char *text)
{
	char name[64];
	size_t n = strcspn(text, "=");
	if (n >= sizeof(name))
		return true;
	memcpy(name, text, n);
	name[n] = '\0';
	return set_option(r, name, text[n] ? text + n + 1 : "");
}

static bool is_ip_option(const char *text)
{
	return !strncmp(text, "ip_version", 10);
}

/* The version of IP first, for it chooses addresses; the script's before the caller's. */
static bool apply_options(struct l4_run *r)
{
	for (int pass = 0; pass < 2; pass++) {
		for (const struct l4_dopt *o = r->script.options; o; o = o->next) {
			r->result->line = o->line;
			if (is_ip_option(o->name) == (pass == 0) &&
			    !set_option(r, o->name, o->value))
				return false;
		}
		r->result->line = 0;
		for (size_t i = 0; i < r->o->n_options; i++)
			if (is_ip_option(r->o->options[i]) == (pass == 0) &&
			    !set_text_option(r, r->o->options[i]))
				return false;
		if (pass == 0 && r->script.init)
			l4_settings_command(&r->settings, r->script.init, r->file, note_setting, r);
		const struct l4_de *e = pass == 0 ? r->script.events : NULL;
		for (; e && e->kind == L4_DE_COMMAND; e = e->next)
			l4_settings_command(&r->settings, e->code, r->file, note_setting, r);
	}
	r->setting_up = true;
	r->settings.forget = false; /* nothing was learned yet */
	l4_settings_ip(&r->settings, r->settings.ip);
	r->v6 = r->settings.ip == L4_WORLD_IP6;
	return true;
}

/* ---- The whole ---- */

/* The caller's definitions, "define=NAME=value" among its options. Names are to be freed. */
static size_t caller_defs(const struct l4_drill_options *o, struct l4_ddef *defs, char **names)
{
	size_t n = 0;
	for (size_t i = 0; i < o->n_options; i++) {
		const char *text = o->options[i];
		const char *eq = !strncmp(text, "define=", 7) ? strchr(text + 7, '=') : NULL;
		if (!eq || !(names[n] = strndup(text + 7, (size_t)(eq - text - 7))))
			continue;
		defs[n] = (struct l4_ddef){ .name = names[n], .value = eq + 1 };
		n++;
	}
	return n;
}

static int parse(struct l4_run *r, const char *text, size_t len)
{
	struct l4_ddef *defs = calloc(r->o->n_options + 1, sizeof(*defs));
	char **names = calloc(r->o->n_options + 1, sizeof(char *));
	int status = L4_ENOMEM;
	size_t n = defs && names ? caller_defs(r->o, defs, names) : 0;
	if (defs && names)
		status = l4_script_parse(&r->script, r->file, text, len, defs, n);
	if (status == L4_EMALFORMED) {
		r->broken = r->failed = true;
		r->result->line = r->script.err_line;
		snprintf(r->result->message, sizeof(r->result->message), "column %d: %s",
		    r->script.err_col, r->script.err);
	}
	while (n > 0)
		free(names[--n]);
	free(defs);
	free(names);
	return status;
}

static void clean_up(struct l4_run *r)
{
	if (r->pending)
		l4_bound_free(r->pending);
	if (r->world_up)
		l4_world_free(&r->world);
	while (r->tut) {
		struct l4_tut *t = r->tut;
		r->tut = t->next;
		free(t);
	}
	l4_py_free(r->py);
	l4_script_free(&r->script);
}

int l4_drill_run(struct l4_drill_result *out, const char *file, const char *text, size_t len,
    const struct l4_drill_options *o)
{
	static const struct l4_drill_options none;
	*out = (struct l4_drill_result){ .status = L4_DRILL_PASSED };
	struct l4_run *r = calloc(1, sizeof(*r));
	if (!r)
		return L4_ENOMEM;
	r->o = o ? o : &none;
	r->result = out;
	r->file = file;
	r->bind_port = r->connect_port = 8080;
	r->tolerance_us = 4000;
	r->tolerance_percent = 12.5;
	r->next_port = 32768 + 17;
	l4_settings_init(&r->settings);
	int status = parse(r, text, len);
	bool go = !status && apply_options(r) && !r->o->dry_run;
	if (go) {
		r->settings.host.trace.event = on_stack_event;
		r->settings.host.trace.ctx = r;
		int e = l4_world_new(&r->world, &r->settings);
		if (e < 0) {
			r->broken = true;
			l4_run_fail(r, NULL, "the stack cannot be set up: %s", l4_err_text(e));
		} else {
			r->world_up = true;
			r->zero = r->world.now;
			run_events(r);
			out->time_us = (uint64_t)l4_run_now(r);
		}
	}
	if (r->failed)
		out->status = r->broken ? L4_DRILL_BROKEN : L4_DRILL_FAILED;
	if (r->failed && r->log) {
		out->report = r->log;
		r->log = NULL;
	}
	free(r->log);
	free(r->packet_buf);
	bool nomem = r->nomem || status == L4_ENOMEM;
	clean_up(r);
	free(r);
	return nomem ? L4_ENOMEM : (int)out->status;
}

void l4_drill_result_free(struct l4_drill_result *r)
{
	free(r->report);
	r->report = NULL;
}
