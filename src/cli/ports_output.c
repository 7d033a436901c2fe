/* How sockets are shown: a table with fitting columns, JSON objects, or one sentence a port.
 *
 * The table is laid out in two passes over text that is formatted once into one arena, since the
 * widths are known only at the end. Names of processes are chosen by their owners and so printed
 * with their control characters made visible. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/ports.h"
#include "cli/ports_names.h"

enum column {
	COL_PROTO,
	COL_STATE,
	COL_RECVQ,
	COL_SENDQ,
	COL_LOCAL,
	COL_REMOTE,
	COL_CLASS,
	COL_SERVICE,
	COL_NETNS,
	COL_USER,
	COL_PROCESS,
	COLUMNS,
};

static const struct {
	const char *title;
	bool right;
} columns[COLUMNS] = {
	[COL_PROTO] = { "PROTO", false },
	[COL_STATE] = { "STATE", false },
	[COL_RECVQ] = { "RECV-Q", true },
	[COL_SENDQ] = { "SEND-Q", true },
	[COL_LOCAL] = { "LOCAL", false },
	[COL_REMOTE] = { "REMOTE", false },
	[COL_CLASS] = { "CLASS", false },
	[COL_SERVICE] = { "SERVICE", false },
	[COL_NETNS] = { "NETNS", false },
	[COL_USER] = { "USER", false },
	[COL_PROCESS] = { "PROCESS", false },
};

const char *ports_state_name(const struct ports_sock *s)
{
	if (s->proto == PORTS_UDP)
		return s->state == PORTS_ESTABLISHED ? "connected" : "unconnected";
	switch ((enum ports_state)s->state) {
#define PORTS_STATE(name, number, text) \
	case PORTS_##name:              \
		return text;
		PORTS_STATES(PORTS_STATE)
#undef PORTS_STATE
	}
	return "unknown";
}

/* The address of one end; "*" for any address of both versions. */
static size_t format_address(
    const struct ports_sock *s, const struct l4_addr *a, char *text, size_t cap)
{
	static const struct l4_addr any6;
	char addr[L4_ADDR_TEXT_MAX], scope[IF_NAMESIZE + 1] = "";
	if (s->family == AF_INET)
		return l4_addr_format(a, text, cap);
	if (l4_addr_eq(a, &any6)) {
		bool both = !s->v6only && (s->state == PORTS_LISTEN || s->state == PORTS_BOUND ||
					      s->proto == PORTS_UDP);
		return (size_t)snprintf(text, cap, "%s", both ? "*" : "[::]");
	}
	size_t len = l4_addr_format(a, addr, sizeof addr);
	if (l4_addr_is_link_local(a) && s->ifindex) {
		char name[IF_NAMESIZE];
		if (s->netns == 0 && if_indextoname(s->ifindex, name))
			snprintf(scope, sizeof scope, "%%%s", name);
		else
			snprintf(scope, sizeof scope, "%%%u", s->ifindex);
	}
	/* A mapped address on a v6 socket is told from the plain v4 one. */
	return (size_t)snprintf(
	    text, cap, "[%s%.*s%s]", l4_addr_is_ip4(a) ? "::ffff:" : "", (int)len, addr, scope);
}

static size_t format_end(
    const struct ports_sock *s, const struct l4_addr *a, uint16_t port, char *text, size_t cap)
{
	size_t n = format_address(s, a, text, cap);
	if (n + 8 > cap)
		return n;
	if (port)
		n += (size_t)snprintf(text + n, cap - n, ":%u", port);
	else
		n += (size_t)snprintf(text + n, cap - n, ":*");
	return n;
}

size_t ports_format_local(const struct ports_sock *s, char *text, size_t cap)
{
	return format_end(s, &s->laddr, s->lport, text, cap);
}

size_t ports_format_remote(const struct ports_sock *s, char *text, size_t cap)
{
	if (!s->rport)
		return (size_t)snprintf(text, cap, "*:*");
	return format_end(s, &s->raddr, s->rport, text, cap);
}

/* A growing text without lines' limits. */
struct text {
	char *p;
	size_t n, cap;
	bool bad;
};

static void text_put(struct text *t, const char *s, size_t len)
{
	if (t->n + len + 1 > t->cap) {
		size_t cap = (t->cap ? t->cap * 2 : 65536) + len;
		char *p = realloc(t->p, cap);
		if (!p) {
			t->bad = true;
			return;
		}
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->n, s, len);
	t->n += len;
	t->p[t->n] = 0;
}

__attribute__((format(printf, 2, 3))) static void text_printf(struct text *t, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n > 0)
		text_put(t, buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1);
}

static void put_comm(struct text *t, const char *comm)
{
	for (; *comm; comm++) {
		unsigned char c = (unsigned char)*comm;
		if (c < 0x20 || c >= 0x7f)
			text_printf(t, "\\x%02x", c);
		else
			text_put(t, comm, 1);
	}
}

/* "nginx[812,6] nginx[813,6]": name, pid, descriptor. */
static void put_holders(
    struct text *t, const struct ports_table *tab, const struct ports_sock *s, size_t max)
{
	size_t n = 0;
	for (uint32_t h = s->holder; h; h = tab->holders[h - 1].next) {
		const struct ports_holder *ho = &tab->holders[h - 1];
		const struct ports_proc *p = &tab->procs[ho->proc];
		if (n++ == max)
			text_put(t, " ...", 4);
		if (n > max)
			continue;
		if (n > 1)
			text_put(t, " ", 1);
		put_comm(t, p->comm);
		text_printf(t, "[%d,%d]", p->pid, ho->fd);
	}
}

size_t ports_format_holders(
    const struct ports_table *t, const struct ports_sock *s, char *text, size_t cap)
{
	struct text x = { 0 };
	put_holders(&x, t, s, 4);
	size_t n = x.n < cap ? x.n : cap - 1;
	if (n)
		memcpy(text, x.p, n);
	text[n] = 0;
	free(x.p);
	return n;
}

/* The user to show: who runs the process, else who made the socket. */
static uint32_t shown_uid(const struct ports_table *t, const struct ports_sock *s)
{
	return s->holder ? t->procs[t->holders[s->holder - 1].proc].uid : s->uid;
}

static bool has_owner(const struct ports_sock *s)
{
	return s->inode || s->holder;
}

/* Whose port tells the service: ours when it is the fixed one, else the other side's. */
static const char *service_of(const struct ports_sock *s, uint16_t *port)
{
	const char *name = ports_service_name(s->lport, s->proto);
	*port = s->lport;
	if (!name && s->rport && (name = ports_service_name(s->rport, s->proto)))
		*port = s->rport;
	return name;
}

static void put_cell(struct text *t, const struct ports_table *tab, const struct ports_sock *s,
    enum column c, const struct ports_format *fmt)
{
	char buf[128];
	uint16_t port;
	const char *name;
	switch (c) {
	case COL_PROTO:
		text_printf(t, "%s%s", s->proto == PORTS_TCP ? "tcp" : "udp",
		    s->family == AF_INET6 ? "6" : "");
		break;
	case COL_STATE:
		text_printf(t, "%s", ports_state_name(s));
		break;
	case COL_RECVQ:
		text_printf(t, "%u", s->rqueue);
		break;
	case COL_SENDQ:
		text_printf(t, "%u", s->wqueue);
		break;
	case COL_LOCAL:
		text_put(t, buf, ports_format_local(s, buf, sizeof buf));
		break;
	case COL_REMOTE:
		text_put(t, buf, ports_format_remote(s, buf, sizeof buf));
		break;
	case COL_CLASS:
		text_printf(t, "%s", ports_class(s->lport));
		break;
	case COL_SERVICE:
		name = fmt->numeric ? NULL : service_of(s, &port);
		text_printf(t, "%s", name ? name : "-");
		break;
	case COL_NETNS:
		text_printf(t, "%s", s->netns < tab->n_netns ? tab->netns[s->netns].name : "-");
		break;
	case COL_USER:
		if (!has_owner(s))
			text_put(t, "-", 1);
		else if (fmt->numeric)
			text_printf(t, "%u", shown_uid(tab, s));
		else
			text_printf(t, "%s", ports_user_name(shown_uid(tab, s)));
		break;
	case COL_PROCESS:
		if (s->holder)
			put_holders(t, tab, s, 16);
		else
			text_put(t, "-", 1);
		break;
	case COLUMNS:
		break;
	}
}

static void print_info(FILE *f, const struct ports_info *i)
{
	fputs("      ", f);
	if (!i->has_tcp) {
		fprintf(f, " drops %u\n", i->drops);
		return;
	}
	fprintf(f, " rtt %.3f/%.3f ms", i->rtt_us / 1e3, i->rttvar_us / 1e3);
	if (i->min_rtt_us)
		fprintf(f, " (least %.3f)", i->min_rtt_us / 1e3);
	fprintf(f, ", rto %.0f ms, cwnd %u", i->rto_us / 1e3, i->cwnd_segments);
	if (i->ssthresh_segments)
		fprintf(f, ", ssthresh %u", i->ssthresh_segments);
	fprintf(f,
	    ", mss %u/%u, retransmitted %u/%u, lost %u, acked %" PRIu64 ", received %" PRIu64,
	    i->snd_mss, i->rcv_mss, i->retrans_now, i->retrans_total, i->lost, i->bytes_acked,
	    i->bytes_received);
	if (i->delivery_rate)
		fprintf(f, ", delivery %.2f Mbit/s", (double)i->delivery_rate * 8 / 1e6);
	if (i->pacing_rate)
		fprintf(f, ", pacing %.2f Mbit/s", (double)i->pacing_rate * 8 / 1e6);
	if (i->cc[0])
		fprintf(f, ", %.15s", i->cc);
	fprintf(f, ", idle %u ms\n", i->idle_ms);
}

static void print_padded(FILE *f, const char *s, size_t len, size_t width, bool right, bool last)
{
	static const char spaces[] = "                                ";
	size_t pad = width > len ? width - len : 0;
	while (right && pad) {
		size_t n = pad < sizeof spaces - 1 ? pad : sizeof spaces - 1;
		fwrite(spaces, 1, n, f);
		pad -= n;
	}
	fwrite(s, 1, len, f);
	while (!last && pad) {
		size_t n = pad < sizeof spaces - 1 ? pad : sizeof spaces - 1;
		fwrite(spaces, 1, n, f);
		pad -= n;
	}
	if (!last)
		putc(' ', f);
}

void ports_print_table(FILE *f, const struct ports_table *t, const uint32_t *rows, size_t n,
    const struct ports_format *fmt)
{
	struct text cells = { 0 };
	size_t width[COLUMNS];
	uint32_t *start = calloc(n * COLUMNS + 1, sizeof *start);
	if (!start)
		return;
	for (int c = 0; c < COLUMNS; c++)
		width[c] = strlen(columns[c].title);
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < COLUMNS; c++) {
			start[i * COLUMNS + (size_t)c] = (uint32_t)cells.n;
			if (c == COL_NETNS && !fmt->netns)
				continue;
			put_cell(&cells, t, &t->socks[rows[i]], (enum column)c, fmt);
			size_t len = cells.n - start[i * COLUMNS + (size_t)c];
			if (len > width[c])
				width[c] = len;
		}
	start[n * COLUMNS] = (uint32_t)cells.n;
	for (int c = 0; c < COLUMNS; c++)
		if (c != COL_NETNS || fmt->netns)
			print_padded(f, columns[c].title, strlen(columns[c].title), width[c],
			    columns[c].right, c == COLUMNS - 1);
	putc('\n', f);
	for (size_t i = 0; i < n && !cells.bad; i++) {
		const struct ports_sock *s = &t->socks[rows[i]];
		for (int c = 0; c < COLUMNS; c++) {
			const uint32_t *at = &start[i * COLUMNS + (size_t)c];
			if (c == COL_NETNS && !fmt->netns)
				continue;
			if (fmt->colour && c == COL_STATE)
				fputs(s->state == PORTS_LISTEN ? "\033[32m" : "\033[36m", f);
			print_padded(f, cells.p + at[0], at[1] - at[0], width[c], columns[c].right,
			    c == COLUMNS - 1);
			if (fmt->colour && c == COL_STATE)
				fputs("\033[0m", f);
		}
		putc('\n', f);
		if (fmt->info && s->info)
			print_info(f, &t->infos[s->info - 1]);
	}
	free(cells.p);
	free(start);
}

static void json_info(FILE *f, const struct ports_info *i)
{
	if (!i->has_tcp) {
		fprintf(f, ",\"info\":{\"drops\":%u}", i->drops);
		return;
	}
	fprintf(f,
	    ",\"info\":{\"rtt_us\":%u,\"rttvar_us\":%u,\"min_rtt_us\":%u,\"rto_us\":%u,\"cwnd\":%u,"
	    "\"ssthresh\":%u,\"snd_mss\":%u,\"rcv_mss\":%u,\"pmtu\":%u,\"retransmits\":%u,"
	    "\"retransmits_total\":%u,\"lost\":%u,\"reordering\":%u,\"bytes_acked\":%" PRIu64
	    ",\"bytes_received\":%" PRIu64 ",\"delivery_rate_bytes_per_s\":%" PRIu64
	    ",\"pacing_rate_bytes_per_s\":%" PRIu64 ",\"idle_ms\":%u,\"drops\":%u,\"congestion\":",
	    i->rtt_us, i->rttvar_us, i->min_rtt_us, i->rto_us, i->cwnd_segments,
	    i->ssthresh_segments, i->snd_mss, i->rcv_mss, i->pmtu, i->retrans_now, i->retrans_total,
	    i->lost, i->reordering, i->bytes_acked, i->bytes_received, i->delivery_rate,
	    i->pacing_rate, i->idle_ms, i->drops);
	ports_json_string(f, i->cc, strnlen(i->cc, sizeof i->cc));
	putc('}', f);
}

void ports_print_json(FILE *f, const struct ports_table *t, const struct ports_sock *s,
    const struct ports_format *fmt, const char *event)
{
	char l[L4_ADDR_TEXT_MAX], r[L4_ADDR_TEXT_MAX];
	bool v6 = s->family == AF_INET6;
	l4_addr_format(&s->laddr, l, sizeof l);
	l4_addr_format(&s->raddr, r, sizeof r);
	putc('{', f);
	if (event)
		fprintf(f, "\"event\":\"%s\",", event);
	fprintf(f,
	    "\"protocol\":\"%s\",\"family\":%d,\"state\":\"%s\",\"recv_q\":%u,\"send_q\":%u,"
	    "\"local_address\":\"%s%s\",\"local_port\":%u,",
	    s->proto == PORTS_TCP ? "tcp" : "udp", v6 ? 6 : 4, ports_state_name(s), s->rqueue,
	    s->wqueue, v6 && l4_addr_is_ip4(&s->laddr) ? "::ffff:" : "", l, s->lport);
	if (s->rport)
		fprintf(f, "\"remote_address\":\"%s%s\",\"remote_port\":%u,",
		    v6 && l4_addr_is_ip4(&s->raddr) ? "::ffff:" : "", r, s->rport);
	if (v6)
		fprintf(f, "\"v6only\":%s,", s->v6only ? "true" : "false");
	if (s->ifindex)
		fprintf(f, "\"ifindex\":%u,", s->ifindex);
	if (fmt->netns && s->netns < t->n_netns) {
		fputs("\"netns\":", f);
		ports_json_string(f, t->netns[s->netns].name, strlen(t->netns[s->netns].name));
		fprintf(f, ",\"netns_inode\":%" PRIu64 ",", t->netns[s->netns].inode);
	}
	fprintf(f, "\"class\":\"%s\",", ports_class(s->lport));
	uint16_t port;
	const char *name = fmt->numeric ? NULL : service_of(s, &port);
	if (name) {
		fputs("\"service\":", f);
		ports_json_string(f, name, strlen(name));
		putc(',', f);
	}
	if (has_owner(s)) {
		fprintf(f, "\"uid\":%u,\"user\":", s->uid);
		const char *user = ports_user_name(s->uid);
		ports_json_string(f, user, strlen(user));
		fprintf(f, ",\"inode\":%u,", s->inode);
	}
	fputs("\"processes\":[", f);
	for (uint32_t h = s->holder; h; h = t->holders[h - 1].next) {
		const struct ports_holder *ho = &t->holders[h - 1];
		const struct ports_proc *p = &t->procs[ho->proc];
		fprintf(f, "%s{\"name\":", h == s->holder ? "" : ",");
		ports_json_string(f, p->comm, strlen(p->comm));
		fprintf(f, ",\"pid\":%d,\"fd\":%d,\"uid\":%u,\"user\":", p->pid, ho->fd, p->uid);
		const char *user = ports_user_name(p->uid);
		ports_json_string(f, user, strlen(user));
		putc('}', f);
	}
	putc(']', f);
	if (fmt->info && s->info)
		json_info(f, &t->infos[s->info - 1]);
	fputs("}\n", f);
}

/* --- one port, one line ------------------------------------------------------------------- */

bool ports_is_passive(const struct ports_sock *s)
{
	return s->state == PORTS_LISTEN || s->state == PORTS_BOUND ||
	       (s->proto == PORTS_UDP && s->state != PORTS_ESTABLISHED);
}

/* The processes that have the passive sockets of a port open, or with none any of its sockets. */
static void answer_holders(FILE *f, const struct ports_table *t, uint16_t port, uint8_t proto,
    const struct ports_sock *first)
{
	struct text x = { 0 };
	bool passive = ports_is_passive(first);
	unsigned n = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct ports_sock *s = &t->socks[i];
		if (s->proto != proto || s->lport != port || !s->holder ||
		    (passive ? !ports_is_passive(s) : n > 0))
			continue;
		if (n++ < 4) {
			text_put(&x, " ", n > 1);
			put_holders(&x, t, s, 4);
		}
	}
	if (n > 4)
		text_printf(&x, " and of %u more sockets", n - 4);
	if (n)
		fprintf(f, "%.*s, user %s", (int)x.n, x.p, ports_user_name(shown_uid(t, first)));
	else if (first->inode)
		fprintf(f, "a process that we may not see of user %s", ports_user_name(first->uid));
	else
		fputs("no process any more", f);
	free(x.p);
}

bool ports_print_answer(FILE *f, const struct ports_table *t, uint16_t port, uint8_t proto,
    const struct ports_format *fmt)
{
	const struct ports_sock *first = NULL;
	size_t listening = 0, others = 0;
	char where[256] = "", text[128];
	for (size_t i = 0; i < t->n; i++) {
		const struct ports_sock *s = &t->socks[i];
		if (s->proto != proto || s->lport != port)
			continue;
		bool passive = ports_is_passive(s);
		listening += passive;
		others += !passive;
		if (!first || (passive && !ports_is_passive(first)) ||
		    (!first->holder && s->holder && passive == ports_is_passive(first)))
			first = s;
		size_t used = strlen(where);
		size_t len = ports_format_local(s, text, sizeof text);
		if (passive && used + len + 3 < sizeof where && !strstr(where, text))
			snprintf(where + used, sizeof where - used, "%s%s", used ? " " : "", text);
	}
	if (!first)
		return false;
	const char *name = fmt->numeric ? NULL : ports_service_name(port, proto);
	fprintf(f, "%u/%s", port, proto == PORTS_TCP ? "tcp" : "udp");
	if (name)
		fprintf(f, " (%s)", name);
	fputs(": ", f);
	answer_holders(f, t, port, proto, first);
	if (listening)
		fprintf(f, ", %s on %s",
		    first->state == PORTS_BOUND ? "bound"
		    : proto == PORTS_TCP        ? "listening"
						: "receiving",
		    where);
	else
		fprintf(f, ", %s", ports_state_name(first));
	if (others > (listening ? 0u : 1u))
		fprintf(f, ", %zu connection%s", others, others == 1 ? "" : "s");
	putc('\n', f);
	return true;
}
