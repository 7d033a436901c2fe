/* Settings of the stack under the names that scripts and kernels have for them.
 *
 * One table maps a name to a member of struct l4_tcp_config with its unit; names of Linux
 * (net.ipv4.tcp_*) and of FreeBSD (net.inet.tcp.*) stand side by side. What is not a plain member
 * (three-number buffers, port ranges, addresses) has a case of its own. Shell commands are read,
 * never run: words of the form name=value, `sysctl -w`, and paths under /proc/sys count. */
#include "drill/world.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill/py.h"

enum kind { K_BOOL, K_NOT, K_U8, K_U16, K_U32, K_TIME, K_SIZE };

struct row {
	const char *name;
	enum kind kind;
	size_t offset;
	l4_time unit; /* ns of one, for K_TIME */
};

#define AT(member) offsetof(struct l4_tcp_config, member)

static const struct row rows[] = {
	/* Linux, without net.ipv4. */
	{ "tcp_sack", K_BOOL, AT(sack), 0 },
	{ "tcp_dsack", K_BOOL, AT(dsack), 0 },
	{ "tcp_ecn_option", K_U8, AT(accecn_option), 0 },
	{ "tcp_ecn_fallback", K_BOOL, AT(ecn_fallback), 0 },
	{ "tcp_timestamps", K_BOOL, AT(timestamps), 0 },
	{ "tcp_window_scaling", K_BOOL, AT(window_scaling), 0 },
	{ "tcp_rfc1337", K_BOOL, AT(rfc1337), 0 },
	{ "tcp_syncookies", K_BOOL, AT(syncookies), 0 },
	{ "tcp_slow_start_after_idle", K_BOOL, AT(slow_start_after_idle), 0 },
	{ "tcp_abort_on_overflow", K_BOOL, AT(abort_on_overflow), 0 },
	{ "tcp_autocorking", K_BOOL, AT(autocorking), 0 },
	{ "tcp_moderate_rcvbuf", K_BOOL, AT(moderate_rcvbuf), 0 },
	{ "tcp_frto", K_BOOL, AT(frto), 0 },
	{ "tcp_early_retrans", K_BOOL, AT(early_tlp), 0 },
	{ "tcp_tw_reuse", K_BOOL, AT(tw_reuse), 0 },
	{ "tcp_min_snd_mss", K_U16, AT(mss_min), 0 },
	{ "tcp_syn_retries", K_U32, AT(syn_retries), 0 },
	{ "tcp_syn_linear_timeouts", K_U8, AT(syn_linear), 0 },
	{ "tcp_synack_retries", K_U32, AT(synack_retries), 0 },
	{ "tcp_retries1", K_U32, AT(retries1), 0 },
	{ "tcp_retries2", K_U32, AT(retries2), 0 },
	{ "tcp_orphan_retries", K_U32, AT(orphan_retries), 0 },
	{ "tcp_reordering", K_U32, AT(reordering), 0 },
	{ "tcp_min_tso_segs", K_U32, AT(min_tso_segs), 0 },
	{ "tcp_fin_timeout", K_TIME, AT(fin_timeout), L4_SEC },
	{ "tcp_keepalive_time", K_TIME, AT(keepalive_time), L4_SEC },
	{ "tcp_keepalive_intvl", K_TIME, AT(keepalive_interval), L4_SEC },
	{ "tcp_keepalive_probes", K_U32, AT(keepalive_probes), 0 },
	{ "tcp_notsent_lowat", K_U32, AT(notsent_lowat), 0 },
	{ "tcp_invalid_ratelimit", K_TIME, AT(challenge_window), L4_MSEC },
	{ "tcp_rto_min_us", K_TIME, AT(rto_min), L4_USEC },
	{ "tcp_rto_max_ms", K_TIME, AT(rto_max), L4_MSEC },
	{ "net.core.somaxconn", K_U32, AT(somaxconn), 0 },
	{ "somaxconn", K_U32, AT(somaxconn), 0 },
	{ "ip_no_pmtu_disc", K_NOT, AT(path_mtu), 0 },
	{ "route.advmss", K_U16, AT(mss_max), 0 },
	{ "route.min_pmtu", K_U16, AT(pmtu_floor), 0 },
	{ "l4.mtu_base", K_U16, AT(mtu_base), 0 },
	/* FreeBSD, without net.inet.tcp. */
	{ "insecure_rst", K_NOT, AT(secure_rst), 0 },
	{ "insecure_syn", K_NOT, AT(secure_syn), 0 },
	{ "tolerate_missing_ts", K_BOOL, AT(tolerate_missing_ts), 0 },
	{ "l4.tolerate_missing_ts", K_BOOL, AT(tolerate_missing_ts), 0 },
	{ "drop_synfin", K_BOOL, AT(drop_synfin), 0 },
	{ "sack.enable", K_BOOL, AT(sack), 0 },
	{ "recvspace", K_SIZE, AT(rcvbuf_default), 0 },
	{ "sendspace", K_SIZE, AT(sndbuf_default), 0 },
	{ "recvbuf_auto", K_BOOL, AT(moderate_rcvbuf), 0 },
	{ "recvbuf_max", K_SIZE, AT(rcvbuf_max), 0 },
	{ "sendbuf_max", K_SIZE, AT(sndbuf_max), 0 },
	{ "mssdflt", K_U16, AT(mss_default), 0 },
	{ "minmss", K_U16, AT(mss_min), 0 },
	{ "keepidle", K_TIME, AT(keepalive_time), L4_MSEC },
	{ "keepintvl", K_TIME, AT(keepalive_interval), L4_MSEC },
	{ "keepcnt", K_U32, AT(keepalive_probes), 0 },
	{ "msl", K_TIME, AT(msl), L4_MSEC },
	{ "finwait2_timeout", K_TIME, AT(fin_timeout), L4_MSEC },
	{ "rexmit_min", K_TIME, AT(rto_min), L4_MSEC },
	{ "rexmit_initial", K_TIME, AT(rto_init), L4_MSEC },
	{ "syncookies", K_BOOL, AT(syncookies), 0 },
	{ "pmtud_blackhole_detection", K_BOOL, AT(mtu_probing), 0 },
	{ "initcwnd_segments", K_U16, AT(initial_window), 0 },
	{ "ack_war_timewindow", K_TIME, AT(challenge_window), L4_MSEC },
	{ "delacktime", K_TIME, AT(delack_min), L4_MSEC },
	{ "do_lrd", K_BOOL, AT(rack), 0 },
	/* the library's own names */
	{ "l4.rack", K_BOOL, AT(rack), 0 },
	{ "l4.partial_ack_restarts", K_BOOL, AT(partial_ack_restarts), 0 },
	{ "l4.tlp", K_BOOL, AT(early_tlp), 0 },
	{ "l4.pacing", K_BOOL, AT(pacing), 0 },
	{ "l4.hystart", K_BOOL, AT(hystart), 0 },
	{ "hystart", K_BOOL, AT(hystart), 0 },
	{ "hystart_detect", K_BOOL, AT(hystart), 0 },
	{ "l4.secure_rst", K_BOOL, AT(secure_rst), 0 },
	{ "l4.secure_syn", K_BOOL, AT(secure_syn), 0 },
	{ "l4.paws_strict", K_BOOL, AT(paws_strict), 0 },
	{ "l4.rst_timestamps", K_BOOL, AT(rst_timestamps), 0 },
	{ "l4.drop_synfin", K_BOOL, AT(drop_synfin), 0 },
	{ "l4.bsd", K_BOOL, AT(bsd_ways), 0 },
	{ "l4.linux", K_BOOL, AT(linux_ways), 0 },
	{ "l4.push_bursts", K_BOOL, AT(push_bursts), 0 },
	{ "l4.syn_plain_after", K_U32, AT(syn_plain_after), 0 },
	{ "l4.simultaneous_open", K_BOOL, AT(simultaneous_open), 0 },
	{ "l4.probe_octets", K_BOOL, AT(probe_octets), 0 },
	{ "l4.initial_window", K_U16, AT(initial_window), 0 },
	{ "l4.mss_default", K_U16, AT(mss_default), 0 },
	{ "l4.rto_init", K_TIME, AT(rto_init), L4_MSEC },
	{ "l4.rto_min", K_TIME, AT(rto_min), L4_MSEC },
	{ "l4.rto_max", K_TIME, AT(rto_max), L4_MSEC },
	{ "l4.delack_min", K_TIME, AT(delack_min), L4_MSEC },
	{ "l4.delack_max", K_TIME, AT(delack_max), L4_MSEC },
	{ "l4.msl", K_TIME, AT(msl), L4_MSEC },
	{ "l4.ts_tick", K_TIME, AT(ts_tick), L4_USEC },
	{ "l4.challenge_window", K_TIME, AT(challenge_window), L4_MSEC },
	{ "l4.challenge_max", K_U8, AT(challenge_max), 0 },
	{ "l4.rcvbuf", K_SIZE, AT(rcvbuf_default), 0 },
	{ "l4.sndbuf", K_SIZE, AT(sndbuf_default), 0 },
};

#undef AT

/* Prefixes that say nothing further. */
static const char *bare(const char *name)
{
	static const char *const prefixes[] = { "net.ipv4.", "net.inet.tcp.", "net.inet6.tcp.",
		"net.ipv6.", "kern.ipc." };
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return name + strlen(prefixes[i]);
	return name;
}

static bool number(const char *text, uint64_t *out)
{
	char *end;
	*out = strtoull(text, &end, 0);
	while (*end == ' ' || *end == '\t' || *end == '\n')
		end++;
	return end != text && !*end;
}

static int set_row(struct l4_tcp_config *c, const struct row *r, const char *value)
{
	uint64_t v;
	if (!number(value, &v))
		return L4_EINVAL;
	uint8_t *at = (uint8_t *)c + r->offset;
	switch (r->kind) {
	case K_BOOL:
	case K_NOT:
		*(bool *)at = (v != 0) == (r->kind == K_BOOL);
		break;
	case K_U8:
		*at = (uint8_t)v;
		break;
	case K_U16:
		*(uint16_t *)(void *)at = v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
		break;
	case K_U32:
	case K_SIZE:
		*(uint32_t *)(void *)at = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
		break;
	case K_TIME:
		*(l4_time *)(void *)at = v > UINT64_MAX / r->unit ? L4_TIME_NEVER : v * r->unit;
		break;
	}
	return 1;
}

/* "min default max", with spaces or commas between them. */
static int set_three(const char *value, uint32_t *min, uint32_t *def, uint32_t *max)
{
	unsigned long a, b, c;
	if (sscanf(value, "%lu%*[ \t,]%lu%*[ \t,]%lu", &a, &b, &c) != 3)
		return L4_EINVAL;
	*min = a > UINT32_MAX ? UINT32_MAX : (uint32_t)a;
	*def = b > UINT32_MAX ? UINT32_MAX : (uint32_t)b;
	*max = c > UINT32_MAX ? UINT32_MAX : (uint32_t)c;
	return 1;
}

static int set_ecn(struct l4_tcp_config *c, const char *name, const char *value)
{
	uint64_t v;
	if (!number(value, &v))
		return L4_EINVAL;
	if (!strcmp(
		name, "ecn.enable")) /* FreeBSD: 1 both ways, 2 when asked, 3 AccECN, 4 accept */
		c->ecn = v <= 4 ? (uint8_t)v : 1;
	else
		c->ecn = v == 5 ? 4 : v == 4 ? 5 : v > 5 ? 0 : (uint8_t)v; /* Linux's numbers */
	return 1;
}

static int set_congestion(struct l4_tcp_config *c, const char *value)
{
	if (!strcmp(value, "newreno"))
		value = "reno";
	if (strlen(value) >= sizeof(c->congestion))
		return L4_EINVAL;
	strcpy(c->congestion, value);
	return 1;
}

/* "00112233-44556677-8899aabb-ccddeeff": four words, each stored least significant byte first. */
static int set_fastopen_key(struct l4_tcp_config *c, const char *value)
{
	unsigned w[4];
	char end;
	if (sscanf(value, "%8x-%8x-%8x-%8x%c", &w[0], &w[1], &w[2], &w[3], &end) < 4)
		return L4_EINVAL;
	for (unsigned i = 0; i < 16; i++)
		c->fastopen_key[i] = (uint8_t)(w[i / 4] >> 8 * (i % 4));
	c->fastopen_key_set = true;
	return 1;
}

/* What is no plain member of the configuration. */
static int set_special(struct l4_settings *s, const char *full, const char *name, const char *value)
{
	struct l4_tcp_config *c = &s->host.tcp;
	uint64_t v = 0;
	bool ok = number(value, &v);
	if (!strcmp(name, "tcp_ecn") || !strcmp(name, "ecn.enable"))
		return set_ecn(c, name, value);
	if (!strcmp(name, "tcp_congestion_control") || !strcmp(name, "cc.algorithm"))
		return set_congestion(c, value);
	if (!strcmp(name, "rexmit_drop_options")) { /* true: after the third retransmission */
		c->syn_plain_after = v ? 3 : 0;
		return ok ? 1 : L4_EINVAL;
	}
	if (!strcmp(name, "maxsockbuf")) { /* what FreeBSD derives a window scale from */
		c->rcvbuf_max = c->sndbuf_max = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
		return ok ? 1 : L4_EINVAL;
	}
	if (!strcmp(name, "tcp_fastopen_key"))
		return set_fastopen_key(c, value);
	if (!strcmp(name, "tcp_rmem"))
		return set_three(value, &c->rcvbuf_min, &c->rcvbuf_default, &c->rcvbuf_max);
	if (!strcmp(name, "tcp_wmem"))
		return set_three(value, &c->sndbuf_min, &c->sndbuf_default, &c->sndbuf_max);
	if (!strcmp(name, "ip_local_port_range")) {
		unsigned a, b;
		if (sscanf(value, "%u %u", &a, &b) != 2 || a > b || b > 65535)
			return L4_EINVAL;
		c->port_low = (uint16_t)a;
		c->port_high = (uint16_t)b;
		return 1;
	}
	static const char *const numeric[] = { "tcp_fastopen", "tcp_mtu_probing", "tcp_recovery",
		"rfc1323", "delayed_ack", "fastopen.client_enable", "fastopen.server_enable",
		"ip_default_ttl", "icmp_echo_ignore_all", "icmp_ratelimit", "tcp_max_syn_backlog",
		"tcp_max_tw_buckets", "mtu", "seed", "tso", "tcp_base_mss" };
	bool known = false;
	for (size_t i = 0; i < sizeof(numeric) / sizeof(numeric[0]); i++)
		known = known || !strcmp(name, numeric[i]);
	(void)full;
	if (!known)
		return 0;
	if (!ok)
		return L4_EINVAL;
	if (!strcmp(name, "tcp_fastopen"))
		c->fastopen = (uint16_t)v;
	else if (!strcmp(name, "tcp_mtu_probing")) /* Linux's 2: from tcp_base_mss upwards */
		c->mtu_probing = v, c->mtu_base = v == 2 ? (s->base_mss ? s->base_mss : 1024) : 0;
	else if (!strcmp(name, "tcp_base_mss"))
		s->base_mss = (uint16_t)v, c->mtu_base = c->mtu_base ? (uint16_t)v : 0;
	else if (!strcmp(name, "tcp_recovery"))
		c->rack = v & 1;
	else if (!strcmp(name, "rfc1323"))
		c->timestamps = v == 1 || v == 3, c->window_scaling = v == 1 || v == 2;
	else if (!strcmp(name, "delayed_ack"))
		c->delack_min = c->delack_max = v ? c->delack_max : 0;
	else if (!strcmp(name, "fastopen.client_enable"))
		c->fastopen = (uint16_t)((c->fastopen & ~1u) | (v ? 1 : 0));
	else if (!strcmp(name, "fastopen.server_enable"))
		c->fastopen = (uint16_t)((c->fastopen & ~2u) | (v ? 2 : 0));
	else if (!strcmp(name, "ip_default_ttl"))
		s->host.ttl = (uint8_t)v;
	else if (!strcmp(name, "icmp_echo_ignore_all"))
		s->host.icmp_echo = !v;
	else if (!strcmp(name, "tcp_max_syn_backlog"))
		s->host.limits.half_open = (uint32_t)v;
	else if (!strcmp(name, "tcp_max_tw_buckets"))
		s->host.limits.time_wait = (uint32_t)v;
	else if (!strcmp(name, "mtu"))
		s->mtu = (uint32_t)v, s->mtu_set = true;
	else if (!strcmp(name, "seed"))
		s->seed = v;
	else if (!strcmp(name, "tso"))
		s->tso = v;
	return 1;
}

static int set_address(struct l4_settings *s, const char *name, const char *value)
{
	static const struct {
		const char *name;
		int which;
	} names[] = { { "local", 0 }, { "local_ip", 0 }, { "remote", 1 }, { "remote_ip", 1 },
		{ "gateway", 2 }, { "gateway_ip", 2 } };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		struct l4_prefix p;
		if (l4_prefix_parse(&p, value) < 0)
			return L4_EINVAL;
		if (names[i].which == 0)
			s->local = p.addr, s->local_set = true;
		else if (names[i].which == 1)
			s->remote = p.addr, s->remote_set = true;
		else
			s->gateway = p.addr, s->gateway_set = true;
		return 1;
	}
	if (strcmp(name, "ip") != 0 && strcmp(name, "ip_version") != 0)
		return 0;
	if (!strcmp(value, "ipv4"))
		l4_settings_ip(s, L4_WORLD_IP4);
	else if (!strcmp(value, "ipv6"))
		l4_settings_ip(s, L4_WORLD_IP6);
	else if (!strcmp(value, "ipv4-mapped-ipv6"))
		l4_settings_ip(s, L4_WORLD_MAPPED);
	else
		return L4_EINVAL;
	return 1;
}

/* Whoever sets FreeBSD's settings has FreeBSD's ways in mind where no RFC rules. */
static void become_bsd(struct l4_settings *s)
{
	struct l4_tcp_config *c = &s->host.tcp;
	if (c->bsd_ways)
		return;
	c->bsd_ways = true;
	c->drop_synfin = false;
	c->rst_timestamps = false;
	c->push_bursts = false;
	c->syn_plain_after = 3;
	c->rcvbuf_default = 65536;
	c->sndbuf_default = 32768;
	c->rcvbuf_max = c->sndbuf_max = 2097152;
	if (!s->mtu_set)
		s->mtu = 1500; /* with IPv6 too */
}

/* Likewise who sets Linux's under their full names. */
static void become_linux(struct l4_settings *s)
{
	struct l4_tcp_config *c = &s->host.tcp;
	if (c->bsd_ways || c->linux_ways)
		return;
	c->linux_ways = true;
	c->syn_linear = 4;
	c->rst_timestamps = false;
	c->tolerate_missing_ts = true;
	c->accecn_option = 2;
	c->partial_ack_restarts = true;
	c->paws_strict = true;
}

int l4_settings_set(struct l4_settings *s, const char *name, const char *value)
{
	if (!strncmp(name, "net.ipv4.", 9))
		become_linux(s);
	if (!strncmp(name, "net.inet.tcp.", 13) || !strncmp(name, "kern.ipc.", 9))
		become_bsd(s);
	int r = set_address(s, name, value);
	const char *b = bare(name);
	for (size_t i = 0; !r && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, b) || !strcmp(rows[i].name, name))
			r = set_row(&s->host.tcp, &rows[i], value);
	return r ? r : set_special(s, name, b, value);
}

void l4_settings_ip(struct l4_settings *s, enum l4_world_ip ip)
{
	bool v6 = ip == L4_WORLD_IP6;
	s->ip = ip;
	/* packetdrill's choice: private and unique local nets here, documentation nets there */
	if (!s->local_set)
		l4_addr_parse(&s->local, v6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1");
	if (!s->remote_set)
		l4_addr_parse(&s->remote, v6 ? "2001:db8::1" : "192.0.2.1");
	if (!s->gateway_set)
		l4_addr_parse(&s->gateway, v6 ? "fd3d:fa7b:d17d:8888::1" : "192.168.0.2");
	if (!s->mtu_set)
		s->mtu =
		    v6 && !s->host.tcp.bsd_ways ? 1520 : 1500; /* so that the MSS is 1460 in both */
	s->prefix_len = l4_addr_is_ip4(&s->local) ? 112 : 48;
}

void l4_settings_init(struct l4_settings *s)
{
	memset(s, 0, sizeof(*s));
	l4_host_config_init(&s->host);
	s->seed = 1;
	l4_settings_ip(s, L4_WORLD_IP4);
	/* what scripts written for Linux assume: a window scale of 8, buffers that do not get in
	 * the way */
	s->host.tcp.rcvbuf_max = 15 * 1024 * 1024;
	s->host.icmp_rate = 1000000;
	/* a script has a handful of connections; packetdrill locks all memory */
	s->host.limits.connections = 256;
	s->host.limits.time_wait = 256;
	s->host.limits.half_open = 256;
	s->host.limits.udp = 64;
	s->host.limits.buffer_bytes = (uint64_t)256 << 20;
}

int l4_settings_flags(struct l4_settings *s, const char *flags)
{
	int n = 0;
	/* the version of IP first: it chooses the addresses that others may then replace */
	for (int pass = 0; pass < 2; pass++) {
		const char *p = flags ? flags : "";
		while (*p) {
			char name[80], value[200];
			size_t len = strcspn(p, ";"), eq = strcspn(p, "=;");
			if (eq < len && eq < sizeof(name) && len - eq - 1 < sizeof(value)) {
				memcpy(name, p, eq);
				name[eq] = '\0';
				memcpy(value, p + eq + 1, len - eq - 1);
				value[len - eq - 1] = '\0';
				const char *nm = name + strspn(name, " \t\n");
				bool ip = !strcmp(nm, "ip") || !strcmp(nm, "ip_version");
				if (ip == (pass == 0) && l4_settings_set(s, nm, value) > 0)
					n++;
			}
			p += len + (p[len] == ';');
		}
	}
	return n;
}

/* ---- Shell commands ---- */

struct reader {
	struct l4_settings *s;
	void (*note)(void *ctx, const char *text);
	void *ctx;
	int count;
	int depth;
};

static void read_command(struct reader *r, const char *text, const char *base);

/* $((15*1024*1024)) becomes its value. */
static void arithmetic(char *value, size_t cap)
{
	char *a;
	while ((a = strstr(value, "$(("))) {
		char *end = strstr(a, "))");
		if (!end)
			return;
		char code[120], rest[200];
		snprintf(code, sizeof(code), "x = %.*s", (int)(end - a - 3), a + 3);
		struct l4_py *py = l4_py_new(NULL, NULL);
		unsigned line;
		char err[80];
		int64_t v = 0;
		if (py && l4_py_run(py, code, &line, err, sizeof(err)))
			l4_py_get(py, "x", &v);
		l4_py_free(py);
		snprintf(rest, sizeof(rest), "%s", end + 2);
		snprintf(a, cap - (size_t)(a - value), "%lld%s", (long long)v, rest);
	}
}

/* A word of a command: name=value, /proc/sys/name=value. */
static void read_word(struct reader *r, const char *word)
{
	char name[200], value[300];
	const char *eq = strchr(word, '=');
	if (!eq || (size_t)(eq - word) >= sizeof(name) || strlen(eq + 1) >= sizeof(value))
		return;
	memcpy(name, word, (size_t)(eq - word));
	name[eq - word] = '\0';
	strcpy(value, eq + 1);
	arithmetic(value, sizeof(value));
	const char *n = name;
	if (!strncmp(n, "/proc/sys/", 10)) {
		n += 10;
		for (char *c = name; *c; c++)
			if (*c == '/')
				*c = '.';
	} else if (!strncmp(n, "/sys/module/", 12)) {
		n = strrchr(name, '/') + 1;
	} else if (strncmp(n, "net.", 4) != 0 && strncmp(n, "net/", 4) != 0 &&
		   strncmp(n, "kern.", 5) != 0) {
		return; /* FOO=bar of the shell */
	}
	int set = l4_settings_set(r->s, n, value);
	if (set > 0)
		r->count++;
	else if (r->note)
		r->note(r->ctx, word);
}

/* A script that the command names: read beside the file that names it. */
static void read_script(struct reader *r, const char *word, const char *base)
{
	size_t n = strlen(word);
	if (n < 4 || strcmp(word + n - 3, ".sh") != 0 || r->depth >= 4)
		return;
	char path[1024];
	const char *slash = base ? strrchr(base, '/') : NULL;
	if (word[0] == '/' || !slash)
		snprintf(path, sizeof(path), "%s", word);
	else
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - base), base, word);
	FILE *f = fopen(path, "r");
	if (!f) {
		if (r->note)
			r->note(r->ctx, word);
		return;
	}
	static const size_t cap = 65536;
	char *text = malloc(cap);
	size_t len = text ? fread(text, 1, cap - 1, f) : 0;
	fclose(f);
	if (!text)
		return;
	text[len] = '\0';
	r->depth++;
	read_command(r, text, path);
	r->depth--;
	free(text);
}

/* One command: words up to ';', '&', '|' or the end of the line, quotes resolved. */
static const char *read_simple(struct reader *r, const char *p, const char *base)
{
	char echo[200] = "", last[16] = "";
	bool is_echo = false, to_file = false;
	for (int index = 0;; index++) {
		while (*p == ' ' || *p == '\t' || (*p == '\\' && p[1] == '\n'))
			p += *p == '\\' ? 2 : 1;
		if (!*p || *p == '\n' || *p == ';' || *p == '&' || *p == '|' || *p == '#')
			break;
		char word[512];
		size_t n = 0;
		char quote = 0;
		int parens = 0;
		while (*p && (quote || parens || !strchr(" \t\n;&|", *p))) {
			if (quote ? *p == quote : *p == '"' || *p == '\'') {
				quote = quote ? 0 : *p;
				p++;
				continue;
			}
			if (!quote && *p == '\\' && p[1] == '\n')
				break; /* the line goes on, the word does not */
			parens += *p == '(' ? 1 : *p == ')' && parens ? -1 : 0;
			if (n < sizeof(word) - 1)
				word[n++] = *p;
			p++;
		}
		word[n] = '\0';
		if (index == 0)
			is_echo = !strcmp(word, "echo");
		if (!strcmp(last, "initcwnd") &&
		    l4_settings_set(r->s, "l4.initial_window", word) > 0)
			r->count++;
		if (!strcmp(last, "advmss") && l4_settings_set(r->s, "route.advmss", word) > 0)
			r->count++;
		if (!strcmp(last, "lock") && l4_settings_set(r->s, "mtu", word) > 0) {
			/* `mtu lock N` of a route: that size, and no path MTU discovery */
			(void)l4_settings_set(r->s, "ip_no_pmtu_disc", "1");
			r->count++;
		}
		if (!strcmp(last, "tcp_metrics") && !strcmp(word, "flush")) {
			r->s->forget = true; /* what was learned of servers: Fast Open cookies */
			r->count++;
		}
		snprintf(last, sizeof(last), "%.15s", word);
		char *path = word + strspn(word, ">");
		if (is_echo && to_file && !strncmp(word, "/proc/sys/", 10)) {
			char set[512 + 200];
			snprintf(set, sizeof(set), "%s=%s", word, echo);
			read_word(r, set);
		} else if (is_echo && path != word && *path) {
			char set[512 + 200];
			snprintf(set, sizeof(set), "%s=%s", path, echo);
			read_word(r, set);
		} else if (!strcmp(word, ">")) {
			to_file = true;
		} else if (is_echo && index) {
			size_t len = strlen(echo);
			snprintf(echo + len, sizeof(echo) - len, "%s%.150s", len ? " " : "", word);
		} else {
			read_word(r, word);
			read_script(r, word, base);
		}
	}
	if (*p == '#')
		while (*p && *p != '\n')
			p++;
	return p;
}

static void read_command(struct reader *r, const char *text, const char *base)
{
	const char *p = text;
	while (*p) {
		p = read_simple(r, p, base);
		if (*p)
			p++;
	}
}

int l4_settings_command(struct l4_settings *s, const char *command, const char *base,
    void (*note)(void *ctx, const char *text), void *ctx)
{
	struct reader r = { .s = s, .note = note, .ctx = ctx };
	read_command(&r, command, base);
	return r.count;
}
