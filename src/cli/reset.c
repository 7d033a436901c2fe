/* Ends a half-open connection: a peer that answered our SYN keeps state until it is acknowledged or
 * reset (RFC 9293 3.10.7.4). With the kernel kept out nobody would. */
#include <layer4/capfile.h>
#include <layer4/wire.h>

#include <string.h>

#include "cli/ask.h"

static void put_reset(struct wires *s, struct wire *w, uint8_t *f, size_t at, bool v6,
    const struct l4_addr *src, const struct l4_addr *dst, const struct l4_tcp_hdr *t)
{
	struct l4_tcp_hdr r = {
		.sport = t->dport, .dport = t->sport, .seq = t->ack, .flags = L4_TCPF_RST
	};
	uint8_t *tcp = f + at + (v6 ? 40 : 20);
	l4_tcp_emit(&r, tcp, 20);
	uint16_t c = l4_wire_csum(dst, src, L4_PROTO_TCP, tcp, 20);
	memcpy(tcp + 16, &c, 2);
	if (v6) {
		struct l4_ip6_hdr h = { .payload_len = 20,
			.next = L4_PROTO_TCP,
			.hop_limit = 64,
			.src = *dst,
			.dst = *src };
		l4_ip6_emit(&h, f + at, 40);
	} else {
		struct l4_ip4_hdr h = {
			.total_len = 40, .ttl = 64, .proto = L4_PROTO_TCP, .src = *dst, .dst = *src
		};
		l4_ip4_emit(&h, f + at, 20);
	}
	wires_send(s, w, f, at + (v6 ? 60 : 40));
}

void reset_half_open(struct wires *s, struct wire *w, const uint8_t *frame, size_t n)
{
	uint8_t f[128];
	size_t at = w->ethernet ? 14 : 0;
	struct l4_tcp_hdr t;
	if (n < at + 40)
		return;
	uint16_t type = w->ethernet ? (uint16_t)(frame[12] << 8 | frame[13])
				    : (frame[0] >> 4 == 6 ? L4_ETHERTYPE_IP6 : L4_ETHERTYPE_IP4);
	if (w->ethernet) {
		memcpy(f, frame + 6, 6);
		memcpy(f + 6, frame, 6);
		memcpy(f + 12, frame + 12, 2);
	}
	struct l4_ip4_hdr h4;
	struct l4_ip6_hdr h6;
	int k = 0;
	if (type == L4_ETHERTYPE_IP4) {
		k = l4_ip4_parse(&h4, frame + at, n - at);
		if (k < 0 || h4.proto != L4_PROTO_TCP ||
		    l4_tcp_parse(&t, frame + at + k, h4.total_len - (size_t)k) < 0)
			return;
		put_reset(s, w, f, at, false, &h4.src, &h4.dst, &t);
	} else if (type == L4_ETHERTYPE_IP6) {
		k = l4_ip6_parse(&h6, frame + at, n - at);
		if (k < 0 || h6.next != L4_PROTO_TCP ||
		    l4_tcp_parse(&t, frame + at + k, h6.payload_len) < 0)
			return;
		put_reset(s, w, f, at, true, &h6.src, &h6.dst, &t);
	}
}
