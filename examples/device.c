/* Example of <layer4/device.h>: a frame larger than the MTU is split at the edge, for a device that
 * cannot take it whole. */
#include <layer4/device.h>
#include <layer4/wire.h>

#include <stdio.h>
#include <string.h>

#define HEADERS (L4_IP4_HDR_LEN + L4_TCP_HDR_LEN)
#define MSS     1000

int main(void)
{
	static const unsigned char payload[2500];
	struct l4_ip4_hdr ip = { .total_len = HEADERS + sizeof(payload),
		.id = 7,
		.df = true,
		.ttl = 64,
		.proto = L4_PROTO_TCP };
	struct l4_tcp_hdr tcp = {
		.sport = 49152, .dport = 80, .seq = 1000, .flags = L4_TCPF_ACK, .wnd = 512
	};
	unsigned char headers[HEADERS], part[L4_IP4_HDR_LEN + L4_TCP_HDR_LEN + MSS];
	struct l4_piece pieces[2] = { { headers, sizeof(headers) }, { payload, sizeof(payload) } };
	struct l4_frame frame = {
		.pieces = pieces, .n_pieces = 2, .len = HEADERS + sizeof(payload)
	};
	struct l4_gso split;
	uint32_t sum;
	uint16_t folded;
	int n, parts = 0;

	if (l4_addr_parse(&ip.src, "192.0.2.1") < 0 || l4_addr_parse(&ip.dst, "192.0.2.2") < 0 ||
	    l4_ip4_emit(&ip, headers, L4_IP4_HDR_LEN) < 0 ||
	    l4_tcp_emit(&tcp, headers + L4_IP4_HDR_LEN, L4_TCP_HDR_LEN) < 0)
		return 1;

	/* The record of virtio_net_hdr: where the checksum goes, and how to cut. The field holds
	 * the pseudo-header's sum, folded and not complemented. */
	sum = l4_csum_pseudo(&ip.src, &ip.dst, L4_PROTO_TCP, L4_TCP_HDR_LEN + sizeof(payload));
	folded = (uint16_t)~l4_csum_fold(sum);
	memcpy(headers + L4_IP4_HDR_LEN + 16, &folded, sizeof(folded));
	frame.off = (struct l4_offload){ .needs_csum = true,
		.gso_type = L4_GSO_TCPV4,
		.gso_size = MSS,
		.hdr_len = HEADERS,
		.csum_start = L4_IP4_HDR_LEN,
		.csum_offset = 16 };

	l4_gso_begin(&split, &frame);
	while ((n = l4_gso_next(&split, part, sizeof(part))) > 0) {
		struct l4_tcp_hdr t;
		size_t len = (size_t)n - L4_IP4_HDR_LEN;

		if (l4_wire_csum(&ip.src, &ip.dst, L4_PROTO_TCP, part + L4_IP4_HDR_LEN, len) != 0 ||
		    l4_tcp_parse(&t, part + L4_IP4_HDR_LEN, len) < 0)
			return 1;
		printf("part %d: seq %lu, %zu bytes of payload\n", ++parts, (unsigned long)t.seq,
		    len - L4_TCP_HDR_LEN);
	}
	return n < 0 || parts != 3 || l4_gso_parts(&frame) != 3;
}
