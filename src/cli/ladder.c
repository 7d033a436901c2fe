/* The ladder of segments, in the words that Wireshark uses.
 *
 * Numbers are relative to the first ones seen of a connection; windows are scaled once both SYNs
 * were seen (RFC 7323 2.2). Connections are remembered in a table of fixed size by a hash of both
 * ends: when two meet in one place, the older is forgotten and begins anew at its next segment. */
#include "cli/ladder.h"

#include <layer4/dns.h>
#include <layer4/trace.h>
#include <layer4/wire.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

#define FLOWS 4096 /* a power of two */
#define PEEK  512  /* bytes of a frame that are looked at */

/* One direction of a connection. */
struct half {
	bool seen; /* base is known */
	bool scaled;
	uint8_t wscale;
	uint32_t base; /* first sequence number */
	uint32_t next; /* highest end seen, absolute */
};

struct flow {
	bool used, syn[2];
	struct l4_endpoint end[2]; /* end[0] is the lesser one */
	struct half half[2];       /* half[i] is sent by end[i] */
};

struct ladder {
	struct ladder_config c;
	bool started;
	l4_time start;
	struct flow flow[FLOWS];
};

struct ladder *ladder_new(const struct ladder_config *c)
{
	struct ladder *l = calloc(1, sizeof(*l));
	if (l)
		l->c = *c;
	return l;
}

void ladder_free(struct ladder *l)
{
	free(l);
}

/* Text that grows within a limit. */
struct text {
	char *p;
	size_t n, cap;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(t->p + t->n, t->cap - t->n, format, ap);
	va_end(ap);
	if (n > 0)
		t->n = t->n + (size_t)n < t->cap ? t->n + (size_t)n : t->cap - 1;
}

/* What is looked at of a frame. */
struct seen {
	struct l4_packet pk;
	uint8_t head[PEEK]; /* the first bytes */
	size_t n;           /* how many */
	bool ok;            /* pk is meaningful */
};

static void look(struct seen *s, enum l4_medium medium, const struct l4_frame *f)
{
	s->n = 0;
	for (uint32_t i = 0; i < f->n_pieces && s->n < PEEK; i++) {
		size_t k = f->pieces[i].len < PEEK - s->n ? f->pieces[i].len : PEEK - s->n;
		if (k)
			memcpy(s->head + s->n, f->pieces[i].data, k);
		s->n += k;
	}
	int rc = medium == L4_MEDIUM_ETHERNET
		     ? l4_packet_parse_eth(&s->pk, s->head, s->n, f->len, L4_PACKET_NO_CSUM)
		     : l4_packet_parse_ip(&s->pk, s->head, s->n, f->len, L4_PACKET_NO_CSUM);
	s->ok = rc == 0;
}

static uint32_t hash(const struct l4_endpoint *a, const struct l4_endpoint *b)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < 16; i++) {
		h = (h ^ a->addr.b[i]) * 16777619u;
		h = (h ^ b->addr.b[i]) * 16777619u;
	}
	h = (h ^ a->port) * 16777619u;
	h = (h ^ b->port) * 16777619u;
	return (h ^ h >> 15) & (FLOWS - 1);
}

static bool same(const struct l4_endpoint *a, const struct l4_endpoint *b)
{
	return a->port == b->port && l4_addr_eq(&a->addr, &b->addr);
}

/* The connection of a segment; *who is the index of its sender. */
static struct flow *flow_of(
    struct ladder *l, const struct l4_packet *pk, const struct l4_tcp_hdr *h, int *who)
{
	struct l4_endpoint src = { .addr = pk->src, .port = h->sport };
	struct l4_endpoint dst = { .addr = pk->dst, .port = h->dport };
	int c = memcmp(src.addr.b, dst.addr.b, 16);
	*who = c < 0 || (c == 0 && src.port <= dst.port) ? 0 : 1;
	const struct l4_endpoint *lo = *who ? &dst : &src, *hi = *who ? &src : &dst;
	struct flow *f = &l->flow[hash(lo, hi)];
	bool fresh_syn = (h->flags & (L4_TCPF_SYN | L4_TCPF_ACK)) == L4_TCPF_SYN;
	if (!f->used || !same(&f->end[0], lo) || !same(&f->end[1], hi) ||
	    (fresh_syn && f->half[*who].seen && f->half[*who].base != h->seq)) {
		memset(f, 0, sizeof(*f));
		f->used = true;
		f->end[0] = *lo;
		f->end[1] = *hi;
	}
	return f;
}

static void add_flags(struct text *t, unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ L4_TCPF_FIN, "FIN" },
		{ L4_TCPF_SYN, "SYN" },
		{ L4_TCPF_RST, "RST" },
		{ L4_TCPF_PSH, "PSH" },
		{ L4_TCPF_ACK, "ACK" },
		{ L4_TCPF_URG, "URG" },
		{ L4_TCPF_ECE, "ECE" },
		{ L4_TCPF_CWR, "CWR" },
		{ L4_TCPF_AE, "AE" },
	};
	const char *sep = "";
	add(t, "[");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & names[i].bit) {
			add(t, "%s%s", sep, names[i].name);
			sep = ", ";
		}
	}
	add(t, "]");
}

static void add_options(struct text *t, const struct l4_tcp_hdr *h, uint32_t ack_base)
{
	const struct l4_tcp_opts *o = &h->opts;
	if (o->present & L4_TCPO_MSS)
		add(t, " MSS=%u", o->mss);
	if (o->present & L4_TCPO_SACK_PERM)
		add(t, " SACK_PERM");
	if (o->present & L4_TCPO_TS)
		add(t, " TSval=%u TSecr=%u", o->ts_val, o->ts_ecr);
	if (o->present & L4_TCPO_WSCALE)
		add(t, " WS=%u", 1u << o->wscale);
	if (o->present & L4_TCPO_FASTOPEN)
		add(t, o->fo_len ? " TFO=C" : " TFO=R");
	for (unsigned i = 0; i < o->sack_n; i++)
		add(t, " SLE=%u SRE=%u", o->sack[i].start - ack_base, o->sack[i].end - ack_base);
}

/* The first words of a payload that is HTTP. */
static void add_http(struct text *t, const uint8_t *p, size_t n)
{
	static const char *const starts[] = { "GET ", "HEAD ", "HTTP/1." };
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t k = strlen(starts[i]);
		if (n < k || memcmp(p, starts[i], k) != 0)
			continue;
		add(t, "  ");
		for (size_t j = 0; j < n && j < 60 && p[j] >= 0x20 && p[j] < 0x7f; j++)
			add(t, "%c", p[j]);
		return;
	}
}

static void tcp_text(struct ladder *l, const struct seen *s, struct text *t)
{
	struct l4_tcp_hdr h;
	const struct l4_packet *pk = &s->pk;
	size_t have = s->n > pk->l4_off ? s->n - pk->l4_off : 0;
	int n = l4_tcp_parse(&h, s->head + pk->l4_off, have < pk->l4_len ? have : pk->l4_len);
	if (n < 0) {
		add(t, "TCP, malformed header");
		return;
	}
	int who;
	struct flow *f = flow_of(l, pk, &h, &who);
	struct half *me = &f->half[who], *peer = &f->half[!who];
	uint32_t len = pk->l4_len - (uint32_t)n;
	bool syn = h.flags & L4_TCPF_SYN, ack = h.flags & L4_TCPF_ACK;
	if (syn) {
		f->syn[who] = true;
		me->scaled = h.opts.present & L4_TCPO_WSCALE;
		me->wscale = h.opts.wscale;
	}
	if (!me->seen) {
		me->seen = true;
		/* as Wireshark counts: without a SYN the first byte seen is number 1 */
		me->base = me->next = syn ? h.seq : h.seq - 1;
	}
	if (ack && !peer->seen && !(h.flags & L4_TCPF_RST)) {
		peer->seen = true;
		peer->base = peer->next = h.ack - 1;
	}
	uint32_t end = h.seq + len + (syn ? 1 : 0) + (h.flags & L4_TCPF_FIN ? 1 : 0);
	bool again = end != h.seq && (int32_t)(me->next - h.seq) > 0 && me->next != me->base;
	if ((int32_t)(end - me->next) > 0)
		me->next = end;
	uint32_t wnd = h.wnd;
	if (!syn && f->syn[0] && f->syn[1] && f->half[0].scaled && f->half[1].scaled)
		wnd <<= me->wscale;
	add(t, "%u → %u ", h.sport, h.dport);
	add_flags(t, h.flags);
	add(t, " Seq=%u", h.seq - me->base);
	if (ack)
		add(t, " Ack=%u", h.ack - peer->base);
	add(t, " Win=%u Len=%u", wnd, len);
	if (h.flags & L4_TCPF_URG)
		add(t, " Urg=%u", h.urg);
	add_options(t, &h, peer->base);
	if (again)
		add(t, "  (again)");
	size_t off = pk->l4_off + (size_t)n;
	if (len && off < s->n)
		add_http(t, s->head + off, s->n - off);
}

static void dns_text(const uint8_t *p, size_t n, struct text *t)
{
	struct l4_dns_iter it;
	struct l4_dns_hdr h;
	struct l4_dns_rr rr;
	char name[L4_DNS_NAME_TEXT_MAX], type[16];
	if (l4_dns_iter_init(&it, &h, p, n) < 0 || l4_dns_iter_next(&it, &rr) != 1 ||
	    rr.section != L4_DNS_QUESTION || l4_dns_name_format(&rr.name, name, sizeof(name)) < 0)
		return;
	l4_dns_type_format(rr.type, type, sizeof(type));
	add(t, "  DNS %s 0x%04x %s %s", h.qr ? "answer" : "question", h.id, type, name);
	if (h.qr) {
		char code[24];
		l4_dns_rcode_format(h.rcode, code, sizeof(code));
		add(t, " %s%s, %u record%s", code, h.tc ? ", truncated" : "", h.count[1],
		    h.count[1] == 1 ? "" : "s");
	}
}

static void udp_text(const struct seen *s, struct text *t)
{
	struct l4_udp_hdr h;
	const struct l4_packet *pk = &s->pk;
	size_t have = s->n > pk->l4_off ? s->n - pk->l4_off : 0;
	if (have < L4_UDP_HDR_LEN || pk->l4_len < L4_UDP_HDR_LEN ||
	    l4_udp_parse(&h, s->head + pk->l4_off, pk->l4_len) < 0) {
		add(t, "UDP, malformed header");
		return;
	}
	add(t, "%u → %u UDP Len=%u", h.sport, h.dport, h.len - L4_UDP_HDR_LEN);
	if (h.sport == L4_DNS_PORT || h.dport == L4_DNS_PORT)
		dns_text(s->head + pk->l4_off + L4_UDP_HDR_LEN, have - L4_UDP_HDR_LEN, t);
}

static void icmp_text(const struct seen *s, struct text *t)
{
	static const struct {
		bool v6;
		uint8_t type;
		const char *name;
	} names[] = {
		{ false, L4_ICMP_ECHO, "echo request" },
		{ false, L4_ICMP_ECHO_REPLY, "echo reply" },
		{ false, L4_ICMP_UNREACH, "destination unreachable" },
		{ false, L4_ICMP_TIME_EXCEEDED, "time exceeded" },
		{ false, L4_ICMP_PARAM, "parameter problem" },
		{ true, L4_ICMP6_UNREACH, "destination unreachable" },
		{ true, L4_ICMP6_TOO_BIG, "packet too big" },
		{ true, L4_ICMP6_TIME_EXCEEDED, "time exceeded" },
		{ true, L4_ICMP6_PARAM, "parameter problem" },
		{ true, L4_ICMP6_ECHO, "echo request" },
		{ true, L4_ICMP6_ECHO_REPLY, "echo reply" },
		{ true, L4_ICMP6_RS, "router solicitation" },
		{ true, L4_ICMP6_RA, "router advertisement" },
		{ true, L4_ICMP6_NS, "neighbour solicitation" },
		{ true, L4_ICMP6_NA, "neighbour advertisement" },
		{ true, L4_ICMP6_MLD2_REPORT, "multicast listener report" },
	};
	struct l4_icmp_hdr h;
	const struct l4_packet *pk = &s->pk;
	bool v6 = pk->proto == L4_PROTO_ICMP6;
	size_t have = s->n > pk->l4_off ? s->n - pk->l4_off : 0;
	add(t, v6 ? "ICMPv6" : "ICMP");
	if (l4_icmp_parse(&h, s->head + pk->l4_off, have < pk->l4_len ? have : pk->l4_len) < 0)
		return;
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].v6 == v6 && names[i].type == h.type)
			name = names[i].name;
	if (name)
		add(t, " %s", name);
	else
		add(t, " type %u", h.type);
	if (h.code)
		add(t, ", code %u", h.code);
	if (v6 && (h.type == L4_ICMP6_NS || h.type == L4_ICMP6_NA) && have >= 24) {
		char a[L4_ADDR_TEXT_MAX];
		struct l4_addr target = l4_addr_from_ip6(s->head + pk->l4_off + 8);
		l4_addr_format(&target, a, sizeof(a));
		add(t, " for %s", a);
	}
}

static void arp_text(const struct seen *s, struct text *t)
{
	struct l4_arp_hdr h;
	char spa[L4_ADDR_TEXT_MAX], tpa[L4_ADDR_TEXT_MAX], mac[18];
	size_t have = s->n > s->pk.l3_off ? s->n - s->pk.l3_off : 0;
	if (l4_arp_parse(&h, s->head + s->pk.l3_off, have) < 0) {
		add(t, "ARP, malformed");
		return;
	}
	l4_addr_format(&h.spa, spa, sizeof(spa));
	l4_addr_format(&h.tpa, tpa, sizeof(tpa));
	l4_mac_format(&h.sha, mac, sizeof(mac));
	if (h.op == L4_ARP_REQUEST)
		add(t, "ARP who has %s? Tell %s", tpa, spa);
	else
		add(t, "ARP %s is at %s", spa, mac);
}

static void text_of(struct ladder *l, const struct seen *s, struct text *t)
{
	const struct l4_packet *pk = &s->pk;
	t->p[0] = '\0';
	if (!s->ok)
		add(t, "malformed: %s", l4_drop_text(pk->drop));
	else if (pk->version == 0 && pk->ethertype == L4_ETHERTYPE_ARP)
		arp_text(s, t);
	else if (pk->version == 0)
		add(t, "EtherType 0x%04x", pk->ethertype);
	else if (pk->is_frag)
		add(t, "IP fragment id 0x%x offset %u Len=%u%s", pk->frag_id, pk->frag_off,
		    pk->frag_data_len, pk->frag_more ? ", more" : "");
	else if (pk->proto == L4_PROTO_TCP)
		tcp_text(l, s, t);
	else if (pk->proto == L4_PROTO_UDP)
		udp_text(s, t);
	else if (pk->proto == L4_PROTO_ICMP || pk->proto == L4_PROTO_ICMP6)
		icmp_text(s, t);
	else
		add(t, "IP protocol %u", pk->proto);
}

/* Name of the end on one side: as given, or the packet's address. */
static void name_of(const char *given, const struct seen *s, bool source, char *buf, size_t cap)
{
	if (given)
		snprintf(buf, cap, "%s", given);
	else if (!s->ok || s->pk.version == 0)
		snprintf(buf, cap, "-");
	else
		l4_addr_format(source ? &s->pk.src : &s->pk.dst, buf, cap);
}

void ladder_render(struct ladder *l, struct ladder_line *out, enum ladder_way way,
    enum l4_medium medium, const struct l4_frame *f, l4_time now)
{
	struct seen s;
	struct text t = { out->text, 0, sizeof(out->text) };
	bool right = way == LADDER_OUT; /* left to right */
	look(&s, medium, f);
	text_of(l, &s, &t);
	out->time = now;
	out->way = way;
	out->len = f->len;
	out->why[0] = '\0';
	if (f->why.code)
		l4_why_format(&f->why, out->why, sizeof(out->why));
	name_of(right ? l->c.left : l->c.right, &s, true, out->from, sizeof(out->from));
	name_of(right ? l->c.right : l->c.left, &s, false, out->to, sizeof(out->to));
}

static void print_json(FILE *o, const struct ladder_line *n, bool lost, l4_time us)
{
	fprintf(o, "{\"time\":%llu.%06llu,\"from\":", (unsigned long long)(us / 1000000),
	    (unsigned long long)(us % 1000000));
	json_cstr(o, n->from);
	fputs(",\"to\":", o);
	json_cstr(o, n->to);
	fprintf(o, ",\"sent\":%s,\"lost\":%s,\"len\":%u,\"text\":",
	    n->way == LADDER_OUT ? "true" : "false", lost ? "true" : "false", n->len);
	json_cstr(o, n->text);
	if (n->why[0]) {
		fputs(",\"why\":", o);
		json_cstr(o, n->why);
	}
	fputs("}\n", o);
}

void ladder_print(struct ladder *l, const struct ladder_line *n, bool lost)
{
	FILE *o = l->c.out;
	if (!l->started) {
		l->started = true;
		l->start = n->time;
	}
	l4_time us = (n->time > l->start ? n->time - l->start : 0) / 1000;
	if (l->c.json) {
		print_json(o, n, lost, us);
		return;
	}
	bool right = n->way == LADDER_OUT;
	const char *arrow = right ? lost ? "──✗" : "──▶" : lost ? "✗──" : "◀──";
	const char *on = "", *off = "", *dim = "";
	if (l->c.color) {
		on = lost ? "\033[31m" : right ? "\033[36m" : "\033[32m";
		dim = "\033[2m";
		off = "\033[0m";
	}
	fprintf(o, "%4llu.%06llu  %s %s%s%s %s  %s%s%s", (unsigned long long)(us / 1000000),
	    (unsigned long long)(us % 1000000), right ? n->from : n->to, on, arrow, off,
	    right ? n->to : n->from, lost ? on : "", n->text, lost ? off : "");
	if (lost)
		fprintf(o, "  %slost%s", on, off);
	if (n->why[0])
		fprintf(o, "  %s(%s)%s", dim, n->why, off);
	putc('\n', o);
}

void ladder_frame(struct ladder *l, enum ladder_way way, enum l4_medium medium,
    const struct l4_frame *f, l4_time now)
{
	struct ladder_line n;
	ladder_render(l, &n, way, medium, f, now);
	ladder_print(l, &n, false);
}
