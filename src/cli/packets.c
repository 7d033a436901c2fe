/* Packets of an expression, ready to leave.
 *
 * The library builds what the expression says (layer4/packet.h). What only the network can tell is
 * filled in here, where the expression leaves it open: the source address by the route, an Ethernet
 * header by the link and the neighbour's address. And so that an answer finds its question, open
 * source ports, identifiers and first sequence numbers are drawn, different in each packet, and
 * the checksums over them brought up to date (RFC 1624). What is given stays as it is.
 *
 * Packets go different ways when destinations differ: the expression is then kept once for each
 * source address. */
#include "cli/packets.h"

#include <layer4/capfile.h>
#include <layer4/checksum.h>
#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/cli.h"

enum { WAYS = 4096 };

int packets_expression_error(const char *cmd, const char *text, const struct l4_craft_error *e)
{
	fprintf(stderr, "l4 %s: column %u: %s\n", cmd, e->column, e->text);
	size_t n = strlen(text), from = e->column > 41 ? e->column - 41 : 0;
	if (n && from <= n && !strpbrk(text, "\n\t\033"))
		fprintf(stderr, "  %.*s\n  %*s^\n", (int)(n - from < 78 ? n - from : 78),
		    text + from, (int)(e->column - 1 - from), "");
	return L4_EXIT_USAGE;
}

int64_t packets_load(void *ctx, const char *path, void *buf, size_t cap)
{
	(void)ctx;
	FILE *f = fopen(path, "rb");
	if (!f)
		return errno == ENOENT ? L4_ENOTFOUND : errno == EACCES ? L4_EPERM : L4_ESYS;
	size_t n = fread(buf, 1, cap, f);
	int64_t r = ferror(f) ? L4_ESYS : n == cap && fgetc(f) != EOF ? L4_EMSGSIZE : (int64_t)n;
	fclose(f);
	return r;
}

uint64_t packets_entropy(void)
{
	uint64_t v = 0;
	if (getrandom(&v, sizeof v, 0) != (ssize_t)sizeof v)
		v = wires_now() * UINT64_C(0x9e3779b97f4a7c15);
	return v;
}

/* ---- what is open ---- */

static bool is_open(const struct packets *p, uint32_t layer, const char *field)
{
	return l4_craft_given(p->x, layer, field) == 0;
}

static bool named(const struct l4_proto *p, const char *name)
{
	return p && !strcmp(p->name, name);
}

/* The outermost layer of IP or ARP and what stands in front of it. */
static void find_net(struct packets *p)
{
	p->kind = PACKETS_NONE;
	for (uint32_t i = 0; i < l4_craft_layers(p->x); i++) {
		const struct l4_proto *l = l4_craft_layer(p->x, i);
		if (!l)
			return;
		if (named(l, "ip") || named(l, "ipv6") || named(l, "arp")) {
			p->kind = named(l, "ip")     ? PACKETS_IP4
				  : named(l, "ipv6") ? PACKETS_IP6
						     : PACKETS_ARP;
			p->net = i;
			return;
		}
		p->net_at += l->header_bits / 8u;
	}
}

static void find_transport(struct packets *p)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = { { "tcp", L4_PROTO_TCP }, { "udp", L4_PROTO_UDP }, { "icmp", L4_PROTO_ICMP },
		{ "icmpv6", L4_PROTO_ICMP6 } };
	for (uint32_t i = p->net + 1; i < l4_craft_layers(p->x); i++) {
		const struct l4_proto *l = l4_craft_layer(p->x, i);
		if (!l || named(l, "ip") || named(l, "ipv6"))
			return;
		for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
			if (named(l, known[k].name)) {
				p->transport = i;
				p->proto = known[k].number;
				return;
			}
	}
}

static void look_at(struct packets *p)
{
	const struct l4_proto *first = l4_craft_layer(p->x, 0);
	find_net(p);
	if (named(first, "eth")) {
		p->open_eth_src = is_open(p, 0, "src");
		p->open_eth_dst = is_open(p, 0, "dst");
	}
	if (p->kind == PACKETS_NONE)
		return;
	p->open_src = is_open(p, p->net, p->kind == PACKETS_ARP ? "psrc" : "src");
	if (p->kind == PACKETS_ARP) {
		p->open_hwsrc = is_open(p, p->net, "hwsrc");
		return;
	}
	find_transport(p);
	p->open_id = p->kind == PACKETS_IP4 && is_open(p, p->net, "id");
	p->open_ip_csum = p->kind == PACKETS_IP4 && is_open(p, p->net, "chksum");
	if (!p->transport)
		return;
	bool ports = p->proto == L4_PROTO_TCP || p->proto == L4_PROTO_UDP;
	p->open_sport = ports && is_open(p, p->transport, "sport");
	p->open_seq = p->proto == L4_PROTO_TCP && is_open(p, p->transport, "seq");
	p->open_echo_id = !ports && is_open(p, p->transport, "id");
	p->open_echo_seq = !ports && is_open(p, p->transport, "seq");
	p->open_csum = is_open(p, p->transport, p->proto == L4_PROTO_ICMP6 ? "cksum" : "chksum");
	p->open_dns_id = p->proto == L4_PROTO_UDP &&
			 named(l4_craft_layer(p->x, p->transport + 1), "dns") &&
			 is_open(p, p->transport + 1, "id");
}

static int wrong_start(const struct packets *p)
{
	const struct l4_proto *first = l4_craft_layer(p->x, 0);
	fprintf(stderr, "l4 %s: ", p->s->cmd);
	if (first)
		fprintf(stderr, "a packet to send begins with ip, ip6, arp or eth, not with %s",
		    first->name);
	else
		fprintf(stderr,
		    "a packet to send begins with ip, ip6, arp or eth; "
		    "or say raw(link=1,hex=...) for a whole frame, raw(link=101,hex=...) "
		    "for an IP packet");
	fprintf(stderr, "; as in 'ip(dst=192.0.2.2)/icmp()'\n");
	return L4_EXIT_USAGE;
}

int packets_open(struct packets *p, struct wires *s, const char *text, uint64_t max, uint64_t seed)
{
	struct l4_craft_error err;
	memset(p, 0, sizeof *p);
	p->s = s;
	p->seed = seed;
	int r = l4_craft_parse(&p->x, text, packets_load, NULL, &err);
	if (r == L4_EMALFORMED)
		return packets_expression_error(s->cmd, text, &err);
	p->text = strdup(text);
	p->buf = malloc(PACKETS_BYTES + PACKETS_HEAD);
	p->ways = calloc(WAYS, sizeof *p->ways);
	if (r < 0 || !p->text || !p->buf || !p->ways) {
		fprintf(stderr, "l4 %s: %s\n", s->cmd, l4_err_text(r < 0 ? r : L4_ENOMEM));
		return L4_EXIT_SYSTEM;
	}
	p->count = l4_craft_count(p->x);
	if (p->count > max) {
		fprintf(stderr,
		    "l4 %s: this makes %" PRIu64 "%s packets, more than --max %" PRIu64
		    "; raise --max if it is meant\n",
		    s->cmd, p->count, p->count == UINT64_MAX ? " or more" : "", max);
		return L4_EXIT_NO;
	}
	look_at(p);
	p->constant = p->count == 1 && p->kind != PACKETS_NONE && !strstr(text, "random") &&
		      !strstr(text, "fuzz");
	p->linktype = l4_craft_linktype(p->x);
	p->as_is = p->kind == PACKETS_NONE;
	p->bare_arp = p->kind == PACKETS_ARP && p->net == 0;
	if (p->linktype == L4_LINK_IPV4 || p->linktype == L4_LINK_IPV6)
		p->linktype = L4_LINK_RAW;
	if (p->bare_arp)
		p->linktype = L4_LINK_RAW;
	if (p->linktype != L4_LINK_ETHERNET && p->linktype != L4_LINK_RAW)
		return wrong_start(p);
	return L4_EXIT_DONE;
}

void packets_close(struct packets *p)
{
	for (unsigned i = 0; i < p->n_variants; i++)
		l4_craft_free(p->variant[i].x);
	l4_craft_free(p->x);
	free(p->text);
	free(p->buf);
	free(p->ways);
	memset(p, 0, sizeof *p);
}

/* ---- ways ---- */

static struct packets_way *way_at(struct packets *p, const struct l4_addr *dst)
{
	uint64_t h = 0;
	for (size_t i = 0; i < 16; i++)
		h = (h ^ dst->b[i]) * UINT64_C(0x100000001b3);
	return &p->ways[(h ^ h >> 17) & (WAYS - 1)];
}

/* The way to dst; NULL: message printed. */
static struct packets_way *find_way(struct packets *p, const struct l4_addr *dst)
{
	char err[256];
	struct packets_way *y = way_at(p, dst);
	if (y->w && l4_addr_eq(&y->dst, dst))
		return y;
	if (wires_route(p->s, dst, &y->r, err, sizeof err) < 0) {
		fprintf(stderr, "l4 %s: %s\n", p->s->cmd, err);
		y->w = NULL;
		return NULL;
	}
	/* One's own is asked for on its link all the same; 127.0.0.9 is nobody's. */
	int holder = p->kind == PACKETS_ARP && y->r.local ? wires_holder(dst) : 0;
	if (holder)
		y->r.ifindex = holder;
	y->dst = *dst;
	y->w = wires_at(p->s, y->r.ifindex);
	return y->w ? y : NULL;
}

/* What has no destination that could be looked up leaves by --interface. */
static struct wire *only_wire(const struct packets *p)
{
	if (p->s->n)
		return &p->s->wire[0];
	fprintf(stderr,
	    "l4 %s: this packet has no address that says where to; name an interface with "
	    "--interface ('ip link' lists them)\n",
	    p->s->cmd);
	return NULL;
}

/* The destination in the bytes; false: they end before it. */
static bool destination(const struct packets *p, const uint8_t *b, size_t n, struct l4_addr *dst)
{
	static const struct {
		uint32_t at, size;
	} where[] = { { 16, 4 }, { 24, 16 }, { 24, 4 } };
	if (p->kind == PACKETS_NONE || p->net_at + where[p->kind].at + where[p->kind].size > n)
		return false;
	const uint8_t *a = b + p->net_at + where[p->kind].at;
	*dst = where[p->kind].size == 4 ? l4_addr_from_ip4(a) : l4_addr_from_ip6(a);
	return true;
}

/* The expression with this source address. NULL: message printed. */
static struct l4_craft_expr *variant(struct packets *p, const struct l4_addr *src)
{
	struct l4_craft_error err;
	char text[L4_ADDR_TEXT_MAX];
	for (unsigned i = 0; i < p->n_variants; i++)
		if (l4_addr_eq(&p->variant[i].src, src))
			return p->variant[i].x;
	if (p->n_variants == PACKETS_VARIANTS) {
		fprintf(
		    stderr, "l4 %s: more than %d source addresses\n", p->s->cmd, PACKETS_VARIANTS);
		return NULL;
	}
	struct packets_variant *v = &p->variant[p->n_variants];
	l4_addr_format(src, text, sizeof text);
	int e = l4_craft_parse(&v->x, p->text, packets_load, NULL, &err);
	if (e == 0 && (l4_addr_is_ip4(src) == (p->kind != PACKETS_IP6)))
		e = l4_craft_fill(v->x, p->net, p->kind == PACKETS_ARP ? "psrc" : "src", text);
	if (e < 0) {
		fprintf(stderr, "l4 %s: source address %s: %s\n", p->s->cmd, text, l4_err_text(e));
		return NULL;
	}
	v->src = *src;
	p->n_variants++;
	return v->x;
}

/* ---- fields that are drawn ---- */

static uint64_t draw(const struct packets *p, uint64_t index)
{
	uint64_t z = p->draw + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Changes a 16-bit word and, if csum is not NULL, the checksum over it. */
static void set16(uint8_t *at, uint8_t *csum, uint16_t v)
{
	uint16_t old, new, c;
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	memcpy(&old, at, 2);
	memcpy(&new, b, 2);
	memcpy(at, b, 2);
	if (csum) {
		memcpy(&c, csum, 2);
		c = l4_csum_update16(c, old, new);
		memcpy(csum, &c, 2);
	}
}

/* Above the kernel's own ephemeral ports while there are enough of them. */
static uint16_t draw_port(const struct packets *p, uint64_t index)
{
	uint64_t n = p->draw + index;
	return p->count <= 4096 ? (uint16_t)(61000 + n % 4536) : (uint16_t)(1024 + n % 64512);
}

static void draw_transport(const struct packets *p, uint64_t index, uint8_t *t, size_t n)
{
	uint64_t v = draw(p, index);
	size_t at = p->proto == L4_PROTO_TCP ? 16 : p->proto == L4_PROTO_UDP ? 6 : 2;
	if (n < (p->proto == L4_PROTO_TCP ? 20u : 8u))
		return;
	uint8_t *csum = p->open_csum ? t + at : NULL;
	if (p->proto == L4_PROTO_UDP && csum && !csum[0] && !csum[1])
		csum = NULL; /* none: there was no address to compute it by */
	if (p->open_sport)
		set16(t, csum, draw_port(p, index));
	if (p->open_seq && (t[13] & 2)) { /* the first of a connection: RFC 9293 3.4.1 */
		set16(t + 4, csum, (uint16_t)(v >> 16));
		set16(t + 6, csum, (uint16_t)v);
	}
	bool echo = (p->proto == L4_PROTO_ICMP && (t[0] == 8 || t[0] == 13)) ||
		    (p->proto == L4_PROTO_ICMP6 && t[0] == 128);
	if (echo && p->open_echo_id)
		set16(t + 4, csum, (uint16_t)(p->draw + (index >> 16)));
	if (echo && p->open_echo_seq)
		set16(t + 6, csum, (uint16_t)(index + 1));
	if (p->open_dns_id && n >= 10)
		set16(t + 8, csum, (uint16_t)(v >> 32));
	if (p->proto == L4_PROTO_UDP && csum && !csum[0] && !csum[1])
		csum[0] = csum[1] = 0xff; /* RFC 768 */
}

/* Where the header above IP begins, as the layers say: bytes of b, or n. */
static size_t transport_at(const struct packets *p, const uint8_t *b, size_t n)
{
	size_t at = p->net_at;
	if (p->kind == PACKETS_IP4)
		return at < n ? at + (b[at] & 15u) * 4u : n;
	if (at + 40 > n)
		return n;
	uint8_t next = b[at + 6];
	at += 40;
	while (next != p->proto) {
		if (at + 8 > n || (next != 0 && next != 43 && next != 44 && next != 60))
			return n;
		size_t len = next == 44 ? 8 : (b[at + 1] + 1u) * 8u;
		next = b[at];
		at += len;
	}
	return at;
}

static void draw_open(const struct packets *p, uint64_t index, uint8_t *b, size_t n)
{
	if (p->kind != PACKETS_IP4 && p->kind != PACKETS_IP6)
		return;
	uint8_t *ip = b + p->net_at;
	if (p->open_id && p->net_at + 20 <= n) {
		uint16_t id = (uint16_t)(p->draw * 7 + index);
		set16(ip + 4, p->open_ip_csum ? ip + 10 : NULL, id ? id : 1);
	}
	if (!p->transport)
		return;
	size_t at = transport_at(p, b, n);
	if (at < n)
		draw_transport(p, index, b + at, n - at);
}

/* ---- frames ---- */

/* The link address of the next hop. */
static bool link_address(struct packets *p, const struct packet_out *o, struct l4_mac *mac)
{
	if (p->kind == PACKETS_ARP || p->kind == PACKETS_NONE)
		memset(mac->b, 0xff, sizeof mac->b);
	else if (o->r.group)
		*mac = l4_mac_from_group(&o->r.hop);
	else
		return wires_mac(p->s, o->w, &o->r.hop, mac);
	return true;
}

static enum packets_status put_link(struct packets *p, struct packet_out *o, uint8_t *b)
{
	struct l4_mac mac;
	bool ours = p->linktype == L4_LINK_RAW && o->w->ethernet;
	memset(&mac, 0, sizeof mac);
	if (p->linktype == L4_LINK_ETHERNET && !o->w->ethernet) {
		fprintf(stderr, "l4 %s: %s carries no Ethernet frames; leave eth() out\n",
		    p->s->cmd, o->w->name);
		return PACKETS_FAILED;
	}
	if (p->bare_arp && !o->w->ethernet) {
		fprintf(stderr, "l4 %s: %s has no ARP\n", p->s->cmd, o->w->name);
		return PACKETS_FAILED;
	}
	if (p->kind == PACKETS_ARP && p->open_hwsrc && o->w->ethernet)
		memcpy(b + p->net_at + 8, o->w->mac.b, 6);
	if ((ours || p->open_eth_dst) && !link_address(p, o, &mac))
		return PACKETS_NO_MAC;
	if (ours) {
		b -= PACKETS_HEAD;
		o->p = b;
		o->n += PACKETS_HEAD;
		o->link = PACKETS_HEAD;
		uint16_t type = p->kind == PACKETS_ARP ? L4_ETHERTYPE_ARP
				: b[PACKETS_HEAD] >> 4 == 6 && p->kind != PACKETS_IP4
				    ? L4_ETHERTYPE_IP6
				    : L4_ETHERTYPE_IP4;
		b[12] = (uint8_t)(type >> 8);
		b[13] = (uint8_t)type;
	}
	if (ours || p->open_eth_dst)
		memcpy(b, mac.b, 6);
	if (ours || p->open_eth_src)
		memcpy(b + 6, o->w->mac.b, 6);
	return PACKETS_OK;
}

/* Builds a packet as far as its way is to be found; link and drawn fields are open. */
static enum packets_status build_ip(struct packets *p, uint64_t serial, struct packet_out *o)
{
	uint64_t index = serial % p->count, seed = p->seed + serial / p->count;
	uint8_t *b = p->buf + PACKETS_HEAD;
	struct l4_addr dst;
	struct packets_way *y;
	memset(o, 0, sizeof *o);
	o->p = b;
	struct l4_craft_expr *x = p->n_variants ? p->variant[0].x : p->x;
	struct l4_craft_expr *built = x;
	int e = l4_craft_build(x, index, seed, b, PACKETS_BYTES, &o->n);
	/* raw(link=101): the addresses are where IP has them. */
	bool raw = p->as_is && p->linktype == L4_LINK_RAW && e == 0 && o->n;
	if (raw)
		p->kind = b[0] >> 4 == 6 ? PACKETS_IP6 : PACKETS_IP4;
	bool has = e == 0 && destination(p, b, o->n, &dst);
	if (e == 0 && !has) {
		o->w = only_wire(p);
		return o->w ? PACKETS_OK : PACKETS_FAILED;
	}
	if (e == 0) {
		y = find_way(p, &dst);
		if (!y)
			return PACKETS_FAILED;
		o->w = y->w;
		o->r = y->r;
		x = p->open_src ? variant(p, &y->r.src) : p->x;
		if (!x)
			return PACKETS_FAILED;
		if (x != built)
			e = l4_craft_build(x, index, seed, b, PACKETS_BYTES, &o->n);
	}
	if (e < 0) {
		fprintf(stderr, "l4 %s: packet %" PRIu64 ": %s\n", p->s->cmd, serial + 1,
		    l4_err_text(e));
		return PACKETS_FAILED;
	}
	return PACKETS_OK;
}

enum packets_status packets_build(struct packets *p, uint64_t serial, struct packet_out *o)
{
	uint8_t *b = p->buf + PACKETS_HEAD;
	if (p->ready) {
		draw_open(p, serial, b, p->last.n - p->last.link);
		*o = p->last;
		return PACKETS_OK;
	}
	enum packets_status s = build_ip(p, serial, o);
	if (s != PACKETS_OK)
		return s;
	if (!p->as_is)
		draw_open(p, serial, b, o->n);
	s = put_link(p, o, b);
	if (s == PACKETS_OK && p->constant) {
		p->ready = true;
		p->last = *o;
	}
	return s;
}

bool packets_resolve(struct packets *p)
{
	struct packet_out o;
	bool group = p->kind == PACKETS_ARP || (p->as_is && p->linktype != L4_LINK_RAW);
	if (group || (p->linktype == L4_LINK_ETHERNET && !p->open_eth_dst))
		return true;
	for (uint64_t i = 0; i < p->count && i < 65536; i++) {
		if (build_ip(p, i, &o) != PACKETS_OK)
			return false;
		wires_want(p->s, o.w, &o.r);
	}
	wires_resolve(p->s);
	return true;
}
