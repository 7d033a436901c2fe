/* For the tests of src/host, src/ip and src/udp: hosts in memory, frames by hand, virtual time.
 *
 * struct tn is one host under test with one interface. Frames are given to it by tn_rx and friends,
 * and what it sends is collected by tn_pull into tn.out, each frame in one run of bytes in a heap
 * block of exactly its size, so that the address sanitizer sees every over-read. Two hosts are
 * wired back to back by struct tn_pair. */
#ifndef L4_HOST_NET_TEST_H
#define L4_HOST_NET_TEST_H

#include <layer4/host.h>
#include <layer4/wire.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"

#define TN_FRAMES 4096

struct tn_frame {
	uint8_t *p;
	uint32_t len;
	l4_time at;
};

struct tn {
	struct l4_host *h;
	int ifindex;
	l4_time now;
	struct l4_mac mac;
	struct tn_frame out[TN_FRAMES];
	unsigned n_out;
	struct l4_event ev[64];
	size_t n_ev;
};

static const struct l4_mac tn_mac_a = { { 2, 0, 0, 0, 0, 0xa } };
static const struct l4_mac tn_mac_b = { { 2, 0, 0, 0, 0, 0xb } };
static const struct l4_mac tn_mac_c = { { 2, 0, 0, 0, 0, 0xc } };
static const struct l4_mac tn_broadcast = { { 255, 255, 255, 255, 255, 255 } };

static inline struct l4_addr ad(const char *text)
{
	struct l4_addr a;
	assert_int_equal(l4_addr_parse(&a, text), 0);
	return a;
}

static inline struct l4_endpoint ep_of(const char *text, uint16_t port)
{
	return (struct l4_endpoint){ ad(text), port, 0 };
}

static inline struct l4_prefix px(const char *text)
{
	struct l4_prefix p;
	assert_int_equal(l4_prefix_parse(&p, text), 0);
	return p;
}

static inline void tn_clear(struct tn *t)
{
	for (unsigned i = 0; i < t->n_out; i++)
		free(t->out[i].p);
	t->n_out = 0;
}

/* Pulls everything that may leave now. */
static inline void tn_pull(struct tn *t)
{
	static struct l4_tx_frame f[8];
	size_t n;
	while ((n = l4_host_tx(t->h, (unsigned)t->ifindex, f, 8, t->now))) {
		for (size_t i = 0; i < n; i++) {
			assert_true(t->n_out < TN_FRAMES);
			struct tn_frame *o = &t->out[t->n_out++];
			o->p = malloc(f[i].f.len);
			o->len = 0;
			o->at = t->now;
			for (uint32_t k = 0; k < f[i].f.n_pieces; k++) {
				memcpy(o->p + o->len, f[i].f.pieces[k].data, f[i].f.pieces[k].len);
				o->len += (uint32_t)f[i].f.pieces[k].len;
			}
			assert_int_equal(o->len, f[i].f.len);
		}
	}
}

static inline void tn_check(struct tn *t)
{
	char what[128] = "";
	if (l4_host_check(t->h, what, sizeof(what)) != 0)
		fail_msg("invariant: %s", what);
}

/* Lets time pass, ticking at each deadline on the way. */
static inline void tn_run(struct tn *t, l4_time for_ns)
{
	l4_time end = t->now + for_ns;
	for (unsigned guard = 0;; guard++) {
		tn_pull(t);
		l4_time d = l4_host_deadline(t->h);
		if (d > end)
			break;
		assert_true(guard < 200000);
		if (d > t->now)
			t->now = d;
		l4_host_tick(t->h, t->now);
	}
	t->now = end;
	l4_host_tick(t->h, t->now);
	tn_pull(t);
	tn_check(t);
}

static inline void tn_iface(struct l4_iface_config *c, const struct l4_mac *mac)
{
	*c = (struct l4_iface_config){ .name = "test0" };
	c->caps = (struct l4_device_caps){ .medium = L4_MEDIUM_ETHERNET, .mtu = 1500, .mac = *mac };
}

static inline void tn_new_with(struct tn *t, struct l4_host_config *hc, struct l4_iface_config *ic)
{
	*t = (struct tn){ .now = L4_SEC };
	hc->has_seed = true;
	hc->now = t->now;
	assert_int_equal(l4_host_new(&t->h, hc), 0);
	t->ifindex = l4_host_add_iface(t->h, ic, t->now);
	assert_int_equal(t->ifindex, 1);
	assert_int_equal(l4_host_iface_mac(t->h, 1, &t->mac), 0);
}

/* A host at 192.0.2.1/24 and 2001:db8::1/64 with MAC ...:0a; the peer is .2 and ::2, ...:0b. */
static inline void tn_new(struct tn *t)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	tn_new_with(t, &hc, &ic);
	struct l4_prefix p4 = px("192.0.2.1/24"), p6 = px("2001:db8::1/64");
	assert_int_equal(l4_host_add_address(t->h, 1, &p4, t->now), 0);
	assert_int_equal(l4_host_add_address(t->h, 1, &p6, t->now), 0);
}

static inline void tn_know_peer(struct tn *t)
{
	struct l4_addr a4 = ad("192.0.2.2"), a6 = ad("2001:db8::2");
	assert_int_equal(l4_host_add_neighbour(t->h, 1, &a4, &tn_mac_b, t->now), 0);
	assert_int_equal(l4_host_add_neighbour(t->h, 1, &a6, &tn_mac_b, t->now), 0);
}

/* Settles what starting up sends (groups), and forgets it. */
static inline void tn_settle(struct tn *t)
{
	tn_run(t, 30 * L4_SEC);
	tn_clear(t);
}

static inline void tn_free(struct tn *t)
{
	tn_clear(t);
	tn_check(t);
	l4_host_free(t->h);
}

/* One frame in, in a heap block of exactly its size. */
static inline void tn_rx(struct tn *t, const void *p, size_t len)
{
	uint8_t *b = malloc(len ? len : 1);
	memcpy(b, p, len);
	struct l4_piece piece = { b, len };
	struct l4_frame f = {
		.pieces = &piece, .n_pieces = 1, .len = (uint32_t)len, .time = t->now
	};
	l4_host_rx(t->h, (unsigned)t->ifindex, &f, 1, t->now);
	free(b);
	tn_pull(t);
}

/* ---- Frames by hand ------------------------------------------------------------------------- */

struct tf {
	uint8_t b[70000];
	uint32_t len;
};

/* How a test packet differs from the plain one from the peer (192.0.2.2 or 2001:db8::2) to us. */
struct tf_opt {
	const char *src, *dst;
	const struct l4_mac *eth_dst, *eth_src;
	uint8_t proto, ttl, tos;
	bool df, mf;
	uint16_t id, frag_off;
	uint8_t opts_len;
	uint8_t opts[40];
	bool keep_csum; /* the upper checksum is given */
};

static inline void tf_eth(
    struct tf *f, const struct l4_mac *dst, const struct l4_mac *src, uint16_t type)
{
	memcpy(f->b, dst->b, 6);
	memcpy(f->b + 6, src->b, 6);
	l4_put_u16(f->b + 12, type);
	f->len = 14;
}

static inline void tf_ip(
    struct tf *f, const struct tf_opt *o, uint8_t proto, const void *upper, uint32_t len)
{
	const char *src = o->src, *dst = o->dst;
	bool v6 = (dst && strchr(dst, ':')) || (src && strchr(src, ':'));
	if (!src)
		src = v6 ? "2001:db8::2" : "192.0.2.2";
	if (!dst)
		dst = v6 ? "2001:db8::1" : "192.0.2.1";
	tf_eth(f, o->eth_dst ? o->eth_dst : &tn_mac_a, o->eth_src ? o->eth_src : &tn_mac_b,
	    v6 ? L4_ETHERTYPE_IP6 : L4_ETHERTYPE_IP4);
	int n;
	if (v6) {
		struct l4_ip6_hdr h = { .next = o->proto ? o->proto : proto,
			.payload_len = (uint16_t)len,
			.hop_limit = o->ttl ? o->ttl : 64,
			.tclass = o->tos };
		h.src = ad(src);
		h.dst = ad(dst);
		n = l4_ip6_emit(&h, f->b + 14, 40);
	} else {
		struct l4_ip4_hdr h = { .proto = o->proto ? o->proto : proto,
			.total_len = (uint16_t)(20 + o->opts_len + len),
			.ttl = o->ttl ? o->ttl : 64,
			.tos = o->tos,
			.id = o->id,
			.df = o->df,
			.mf = o->mf,
			.frag_off = o->frag_off,
			.opts_len = o->opts_len };
		memcpy(h.opts, o->opts, sizeof(h.opts));
		h.src = ad(src);
		h.dst = ad(dst);
		n = l4_ip4_emit(&h, f->b + 14, 60);
	}
	assert_true(n > 0);
	memcpy(f->b + 14 + n, upper, len);
	f->len = 14 + (uint32_t)n + len;
}

static inline void tf_csum(
    const struct tf_opt *o, uint8_t proto, uint8_t *upper, uint32_t len, unsigned at)
{
	const char *src = o->src, *dst = o->dst;
	bool v6 = (dst && strchr(dst, ':')) || (src && strchr(src, ':'));
	struct l4_addr s = ad(src ? src : v6 ? "2001:db8::2" : "192.0.2.2");
	struct l4_addr d = ad(dst ? dst : v6 ? "2001:db8::1" : "192.0.2.1");
	memset(upper + at, 0, 2);
	uint16_t c = proto == L4_PROTO_ICMP ? l4_icmp_csum(upper, len)
					    : l4_wire_csum(&s, &d, proto, upper, len);
	if (proto == L4_PROTO_UDP && !c)
		c = 0xffff;
	memcpy(upper + at, &c, 2);
}

static inline void tf_udp(struct tf *f, const struct tf_opt *o, uint16_t sport, uint16_t dport,
    const void *data, uint32_t len)
{
	static uint8_t b[66000];
	struct l4_udp_hdr h = { .sport = sport, .dport = dport, .len = (uint16_t)(8 + len) };
	(void)l4_udp_emit(&h, b, 8);
	if (len)
		memcpy(b + 8, data, len);
	if (!o->keep_csum)
		tf_csum(o, L4_PROTO_UDP, b, 8 + len, 6);
	tf_ip(f, o, L4_PROTO_UDP, b, 8 + len);
}

/* An ICMP message of either version, by the addresses. */
static inline void tf_icmp(struct tf *f, const struct tf_opt *o, uint8_t type, uint8_t code,
    uint32_t rest, const void *data, uint32_t len)
{
	static uint8_t b[66000];
	bool v6 = (o->dst && strchr(o->dst, ':')) || (o->src && strchr(o->src, ':'));
	uint8_t proto = v6 ? L4_PROTO_ICMP6 : L4_PROTO_ICMP;
	struct l4_icmp_hdr h = { .type = type, .code = code, .rest = rest };
	(void)l4_icmp_emit(&h, b, 8);
	if (len)
		memcpy(b + 8, data, len);
	if (!o->keep_csum)
		tf_csum(o, proto, b, 8 + len, 2);
	tf_ip(f, o, proto, b, 8 + len);
}

static inline void tf_tcp(struct tf *f, const struct tf_opt *o, const struct l4_tcp_hdr *h,
    const void *data, uint32_t len)
{
	static uint8_t b[66000];
	int n = l4_tcp_emit(h, b, 60);
	assert_true(n > 0);
	if (len)
		memcpy(b + n, data, len);
	if (!o->keep_csum)
		tf_csum(o, L4_PROTO_TCP, b, (uint32_t)n + len, 16);
	tf_ip(f, o, L4_PROTO_TCP, b, (uint32_t)n + len);
}

static inline void tf_arp(struct tf *f, uint16_t op, const struct l4_mac *sha, const char *spa,
    const struct l4_mac *tha, const char *tpa, const struct l4_mac *eth_dst)
{
	struct l4_arp_hdr h = {
		.op = op, .sha = *sha, .spa = ad(spa), .tha = *tha, .tpa = ad(tpa)
	};
	tf_eth(f, eth_dst, sha, L4_ETHERTYPE_ARP);
	int n = l4_arp_emit(&h, f->b + 14, 28);
	assert_int_equal(n, 28);
	f->len = 42;
}

static inline void tn_rxf(struct tn *t, const struct tf *f)
{
	tn_rx(t, f->b, f->len);
}

/* ---- Frames that came out ------------------------------------------------------------------- */

/* Parses frame i; everything that a host sends must be whole and have right checksums. */
static inline const uint8_t *tn_packet(const struct tn *t, unsigned i, struct l4_packet *k)
{
	assert_true(i < t->n_out);
	const struct tn_frame *f = &t->out[i];
	assert_int_equal(l4_packet_parse_eth(k, f->p, f->len, f->len, 0), 0);
	if (!k->version || k->is_frag)
		return f->p;
	const uint8_t *u = f->p + k->l4_off;
	if (k->proto == L4_PROTO_ICMP)
		assert_int_equal(l4_icmp_csum(u, k->l4_len), 0);
	else if (k->proto == L4_PROTO_ICMP6 || k->proto == L4_PROTO_TCP)
		assert_int_equal(l4_wire_csum(&k->src, &k->dst, k->proto, u, k->l4_len), 0);
	return f->p;
}

/* Number of frames out of a kind: EtherType ARP, or IP protocol. */
static inline unsigned tn_count(const struct tn *t, uint16_t ethertype, uint8_t proto)
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->n_out; i++) {
		struct l4_packet k;
		(void)tn_packet(t, i, &k);
		n += ethertype ? k.ethertype == ethertype : k.version && k.proto == proto;
	}
	return n;
}

static inline uint64_t tn_drops(const struct tn *t, enum l4_drop why)
{
	struct l4_host_counters c;
	l4_host_counters(t->h, &c);
	return c.drops[why];
}

static inline uint64_t tn_alloc(const struct tn *t)
{
	struct l4_host_counters c;
	l4_host_counters(t->h, &c);
	return c.alloc_bytes;
}

static inline void tn_events(struct tn *t)
{
	t->n_ev = l4_host_events(t->h, t->ev, 64);
}

/* The bits of the first event of an endpoint, 0 when it has none. */
static inline uint32_t tn_event_of(struct tn *t, l4_ep ep)
{
	tn_events(t);
	for (size_t i = 0; i < t->n_ev; i++)
		if (t->ev[i].ep == ep)
			return t->ev[i].bits;
	return 0;
}

/* ---- Two hosts back to back ----------------------------------------------------------------- */

struct tn_pair {
	struct tn a, b;
	/* Sees every frame; false: it is lost. NULL: all pass. */
	bool (*pass)(void *ctx, bool from_a, struct tn_frame *f);
	void *ctx;
};

static inline void tn_pair_init(struct tn_pair *p)
{
	struct l4_host_config hc;
	struct l4_iface_config ic;
	p->pass = NULL;
	l4_host_config_init(&hc);
	tn_iface(&ic, &tn_mac_a);
	hc.seed[0] = 1;
	tn_new_with(&p->a, &hc, &ic);
	tn_iface(&ic, &tn_mac_b);
	hc.seed[0] = 2;
	tn_new_with(&p->b, &hc, &ic);
}

static inline void tn_pair_new(struct tn_pair *p)
{
	tn_pair_init(p);
	struct l4_prefix a4 = px("192.0.2.1/24"), a6 = px("2001:db8::1/64");
	struct l4_prefix b4 = px("192.0.2.2/24"), b6 = px("2001:db8::2/64");
	assert_int_equal(l4_host_add_address(p->a.h, 1, &a4, p->a.now), 0);
	assert_int_equal(l4_host_add_address(p->a.h, 1, &a6, p->a.now), 0);
	assert_int_equal(l4_host_add_address(p->b.h, 1, &b4, p->b.now), 0);
	assert_int_equal(l4_host_add_address(p->b.h, 1, &b6, p->b.now), 0);
}

static inline bool tn_pair_carry(struct tn_pair *p, struct tn *from, struct tn *to)
{
	tn_pull(from);
	unsigned n = from->n_out;
	struct tn_frame f[TN_FRAMES];
	memcpy(f, from->out, n * sizeof(f[0]));
	from->n_out = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!p->pass || p->pass(p->ctx, from == &p->a, &f[i]))
			tn_rx(to, f[i].p, f[i].len);
		free(f[i].p);
	}
	return n != 0;
}

/* Runs both, frames without delay, for a time. */
static inline void tn_pair_run(struct tn_pair *p, l4_time for_ns)
{
	l4_time end = p->a.now + for_ns;
	for (unsigned guard = 0;; guard++) {
		assert_true(guard < 1000000);
		bool more = tn_pair_carry(p, &p->a, &p->b);
		more |= tn_pair_carry(p, &p->b, &p->a);
		l4_time da = l4_host_deadline(p->a.h), db = l4_host_deadline(p->b.h);
		l4_time d = da < db ? da : db;
		if (more && d > p->a.now)
			continue;
		if (d > end)
			break;
		if (d > p->a.now)
			p->a.now = p->b.now = d;
		l4_host_tick(p->a.h, p->a.now);
		l4_host_tick(p->b.h, p->b.now);
	}
	p->a.now = p->b.now = end;
	tn_check(&p->a);
	tn_check(&p->b);
}

static inline void tn_pair_free(struct tn_pair *p)
{
	tn_free(&p->a);
	tn_free(&p->b);
}

#endif
