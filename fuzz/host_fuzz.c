/* A host on Ethernet fed (time, frame, call) tuples: everything but TCP (stack_fuzz.c has that).
 * The fuzzer's bytes are the upper part of a frame; addresses, lengths and checksums are made right
 * unless the fuzzer asks for a raw frame, so that ARP, NDP, SLAAC, DHCP, groups, reassembly, ICMP
 * and UDP are reached. DHCP replies get the transaction id last seen. After each operation all
 * invariants are walked. */
#include <layer4/host.h>
#include <layer4/wire.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	const uint8_t *p, *end;
	struct l4_host *h;
	l4_time now;
	l4_ep ep[4];
	struct l4_mac us;
	uint8_t xid[4]; /* of the last DHCP message seen */
};

static uint32_t take(struct fuzz *f, int n)
{
	uint32_t v = 0;
	while (n-- > 0)
		v = v << 8 | (f->p < f->end ? *f->p++ : 0);
	return v;
}

static void drain(struct fuzz *f)
{
	static struct l4_tx_frame out[8];
	size_t n;
	while ((n = l4_host_tx(f->h, 1, out, 8, f->now)) > 0)
		for (size_t i = 0; i < n; i++) {
			const uint8_t *b = out[i].f.pieces[0].data;
			struct l4_packet k;
			if (out[i].f.n_pieces < 2 || out[i].f.pieces[1].len < 8 ||
			    l4_packet_parse_eth(&k, b, out[i].f.pieces[0].len, out[i].f.len, 0) < 0)
				continue;
			if (k.version == 4 && k.proto == L4_PROTO_UDP)
				memcpy(f->xid, (const uint8_t *)out[i].f.pieces[1].data + 4, 4);
		}
}

static const struct l4_addr *pick(struct fuzz *f, bool v6, unsigned i)
{
	static struct l4_addr a[2][8];
	static const char *const text[2][8] = {
		{ "192.0.2.1", "192.0.2.2", "192.0.2.3", "255.255.255.255", "224.0.0.1",
		    "239.1.1.1", "198.51.100.1", "0.0.0.0" },
		{ "2001:db8::1", "2001:db8::2", "fe80::2", "ff02::1", "ff02::1:ff00:1", "ff05::1",
		    "2001:db8:9::1", "::" },
	};
	(void)f;
	(void)l4_addr_parse(&a[v6][i & 7], text[v6][i & 7]);
	return &a[v6][i & 7];
}

static void rx(struct fuzz *f, const uint8_t *b, uint32_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, b, len);
	struct l4_piece piece[2] = { { copy, len }, { NULL, 0 } };
	struct l4_frame fr = { .pieces = piece, .n_pieces = 1, .len = len, .time = f->now };
	uint32_t cut = take(f, 1);
	if (cut && cut < len) { /* in two pieces */
		piece[0].len = cut;
		piece[1] = (struct l4_piece){ copy + cut, len - cut };
		fr.n_pieces = 2;
	}
	l4_host_rx(f->h, 1, &fr, 1, f->now);
	free(copy);
}

/* The upper packet: len bytes of the fuzzer's at b, checksum field at `at` made right. */
static void fix(uint8_t *b, uint32_t len, uint32_t at, uint8_t proto, const struct l4_addr *src,
    const struct l4_addr *dst)
{
	if (len < at + 2)
		return;
	memset(b + at, 0, 2);
	bool plain = proto == L4_PROTO_ICMP || proto == L4_PROTO_IGMP;
	uint16_t c = plain ? l4_icmp_csum(b, len) : l4_wire_csum(src, dst, proto, b, len);
	memcpy(b + at, &c, 2);
}

static void packet(struct fuzz *f, bool v6)
{
	static const uint8_t proto4[] = { L4_PROTO_UDP, L4_PROTO_ICMP, L4_PROTO_IGMP,
		L4_PROTO_UDP };
	static const uint8_t proto6[] = { L4_PROTO_UDP, L4_PROTO_ICMP6, L4_PROTO_ICMP6,
		L4_PROTO_UDP };
	uint8_t b[2100];
	uint32_t how = take(f, 1), len = take(f, 2) & 1023, frag = take(f, 2);
	const struct l4_addr *src = pick(f, v6, take(f, 1)), *dst = pick(f, v6, take(f, 1));
	uint8_t proto = v6 ? proto6[how & 3] : proto4[how & 3];
	struct l4_eth_hdr eth = { .dst = f->us, .type = v6 ? L4_ETHERTYPE_IP6 : L4_ETHERTYPE_IP4 };
	eth.src.b[0] = 2;
	eth.src.b[5] = (uint8_t)(how >> 6);
	if (l4_addr_is_multicast(dst) || l4_addr_is_broadcast(dst))
		eth.dst = l4_mac_from_group(dst);
	uint32_t ip_len = v6 ? 40 : 20, ext = 0, at = 14 + ip_len;
	bool fragment = how & 4;
	uint8_t next = proto;
	if (v6 && fragment) {
		uint16_t off = (uint16_t)((frag & 63) * 8);
		(void)l4_ip6_frag_emit(proto, off, frag & 64, frag >> 13, b + at, 8);
		next = L4_PROTO_FRAGMENT;
		ext = 8;
	} else if (v6 && (how & 3) == 2) { /* MLD wants Router Alert */
		static const uint8_t alert[8] = { L4_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0 };
		memcpy(b + at, alert, 8);
		next = L4_PROTO_HOPOPTS;
		ext = 8;
	}
	uint8_t *upper = b + at + ext;
	for (uint32_t i = 0; i < len; i++)
		upper[i] = (uint8_t)take(f, 1);
	if (proto == L4_PROTO_UDP && len >= 8) {
		upper[4] = (uint8_t)(len >> 8);
		upper[5] = (uint8_t)len;
		if (how & 8) { /* DHCP reply to our last question */
			static const uint8_t ports[4] = { 0, 67, 0, 68 };
			memcpy(upper, ports, 4);
			if (len >= 16)
				memcpy(upper + 12, f->xid, 4);
			if (len >= 42)
				memcpy(upper + 8 + 28, f->us.b, 6);
		}
	}
	fix(upper, len, proto == L4_PROTO_UDP ? 6 : 2, proto, src, dst);
	(void)l4_eth_emit(&eth, b, 14);
	uint8_t ttl = (how & 3) == 2 ? 1 : how & 16 ? 64 : 255;
	if (v6) {
		struct l4_ip6_hdr h = { .next = next,
			.payload_len = (uint16_t)(ext + len),
			.hop_limit = ttl,
			.src = *src,
			.dst = *dst };
		(void)l4_ip6_emit(&h, b + 14, 40);
	} else {
		struct l4_ip4_hdr h = { .proto = proto,
			.total_len = (uint16_t)(20 + len),
			.ttl = ttl,
			.id = fragment ? (uint16_t)(frag >> 13) : 0,
			.mf = fragment && (frag & 64),
			.frag_off = fragment ? (uint16_t)((frag & 63) * 8) : 0,
			.src = *src,
			.dst = *dst };
		(void)l4_ip4_emit(&h, b + 14, 20);
	}
	rx(f, b, at + ext + len);
}

static void arp(struct fuzz *f)
{
	uint8_t b[42];
	uint32_t how = take(f, 1);
	struct l4_eth_hdr eth = { .dst = f->us, .type = L4_ETHERTYPE_ARP };
	struct l4_arp_hdr h = { .op = how & 1 ? L4_ARP_REPLY : L4_ARP_REQUEST };
	h.sha.b[0] = 2;
	h.sha.b[5] = (uint8_t)(how >> 4);
	eth.src = h.sha;
	if (how & 2)
		memset(eth.dst.b, 255, 6);
	h.tha = f->us;
	h.spa = *pick(f, false, take(f, 1));
	h.tpa = *pick(f, false, take(f, 1));
	(void)l4_eth_emit(&eth, b, 14);
	if (l4_arp_emit(&h, b + 14, 28) == 28)
		rx(f, b, 42);
}

static void raw(struct fuzz *f)
{
	uint8_t b[256];
	uint32_t len = take(f, 1);
	for (uint32_t i = 0; i < len; i++)
		b[i] = (uint8_t)take(f, 1);
	rx(f, b, len);
}

static void call(struct fuzz *f)
{
	static uint8_t buf[4096];
	uint32_t what = take(f, 1), i = take(f, 1);
	l4_ep *ep = &f->ep[i & 3];
	bool v6 = i & 4;
	struct l4_endpoint to = { *pick(f, v6, take(f, 1)), (uint16_t)(take(f, 1) & 15), 1 };
	struct l4_prefix p = { to.addr, v6 ? 64 : 120 };
	int64_t v;
	struct l4_event ev[4];
	switch (what % 16) {
	case 0:
		*ep = l4_udp_new(f->h, f);
		break;
	case 1:
		(void)l4_udp_bind(f->h, *ep, &to);
		break;
	case 2:
		(void)l4_udp_connect(f->h, *ep, &to);
		break;
	case 3:
		(void)l4_udp_send(
		    f->h, *ep, what & 16 ? &to : NULL, buf, take(f, 2) & 4095, f->now);
		break;
	case 4:
		(void)l4_udp_recv(f->h, *ep, buf, take(f, 1), NULL, f->now);
		break;
	case 5:
		(void)l4_udp_join(
		    f->h, *ep, &to.addr, 1, what & 16 ? pick(f, v6, 1) : NULL, f->now);
		break;
	case 6:
		(void)l4_udp_leave(
		    f->h, *ep, &to.addr, 1, what & 16 ? pick(f, v6, 1) : NULL, f->now);
		break;
	case 7:
		(void)l4_udp_set(f->h, *ep, (int)(i >> 3), (int64_t)take(f, 2) - 1);
		(void)l4_udp_get(f->h, *ep, (int)(i >> 3), &v);
		break;
	case 8:
		(void)l4_udp_close(f->h, *ep, f->now);
		break;
	case 9:
		(void)l4_host_add_address(f->h, 1, &p, f->now);
		break;
	case 10:
		(void)l4_host_del_address(f->h, 1, &to.addr, f->now);
		break;
	case 11:
		(void)l4_host_add_route(f->h, &p, pick(f, v6, 2), 1, i);
		break;
	case 12:
		(void)l4_host_set_link(f->h, 1, i & 1, f->now);
		break;
	case 13:
		(void)l4_host_set_mtu(f->h, 1, 576 + take(f, 2) % 1000, f->now);
		break;
	case 14:
		(void)l4_host_events(f->h, ev, 4);
		break;
	default:
		(void)l4_host_del_route(f->h, &p, pick(f, v6, 2), 1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .p = data, .end = data + size, .now = L4_SEC };
	struct l4_host_config hc;
	struct l4_iface_config ic = { .name = "fuzz0" };
	l4_host_config_init(&hc);
	uint32_t flags = take(&f, 1);
	hc.has_seed = true;
	hc.forwarder = flags & 16;
	hc.limits.connections = hc.limits.half_open = hc.limits.time_wait = 16;
	hc.limits.neighbours = 8;
	hc.limits.queue_frames = 64;
	hc.limits.fragment_bytes = 32768;
	hc.limits.addresses = 6;
	hc.limits.groups = 6;
	ic.caps.medium = L4_MEDIUM_ETHERNET;
	ic.caps.mtu = 1500;
	ic.link_local = flags & 1;
	ic.accept_ra = flags & 2;
	ic.dad = flags & 4;
	ic.dhcp4 = flags & 8;
	if (l4_host_new(&f.h, &hc) < 0)
		abort();
	if (l4_host_add_iface(f.h, &ic, f.now) != 1)
		abort();
	(void)l4_host_iface_mac(f.h, 1, &f.us);
	struct l4_prefix p = { *pick(&f, false, 0), 120 };
	(void)l4_host_add_address(f.h, 1, &p, f.now);
	p = (struct l4_prefix){ *pick(&f, true, 0), 64 };
	(void)l4_host_add_address(f.h, 1, &p, f.now);
	for (unsigned ops = 0; f.p < f.end && ops < 400; ops++) {
		switch (take(&f, 1) & 7) {
		case 0:
			f.now += take(&f, 2) * L4_MSEC;
			break;
		case 1: {
			l4_time d = l4_host_deadline(f.h);
			if (d != L4_TIME_NEVER && d > f.now)
				f.now = d;
			break;
		}
		case 2:
		case 3:
			call(&f);
			break;
		case 4:
			arp(&f);
			break;
		case 5:
			packet(&f, false);
			break;
		case 6:
			packet(&f, true);
			break;
		default:
			raw(&f);
			break;
		}
		l4_host_tick(f.h, f.now);
		drain(&f);
		char what[128];
		if (l4_host_check(f.h, what, sizeof(what)) < 0) {
			fprintf(stderr, "%s\n", what);
			abort();
		}
	}
	l4_host_free(f.h);
	return 0;
}
