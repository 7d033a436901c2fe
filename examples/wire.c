/* Example of <layer4/wire.h>: a TCP SYN, written with its options and checksum, and read back. */
#include <layer4/wire.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct l4_tcp_hdr syn = {
		.sport = 49152,
		.dport = 80,
		.seq = 1000,
		.flags = L4_TCPF_SYN,
		.wnd = 64240,
		.opts = { .present = L4_TCPO_MSS | L4_TCPO_SACK_PERM | L4_TCPO_WSCALE,
		    .mss = 1460,
		    .wscale = 7 },
	};
	struct l4_tcp_hdr seen;
	struct l4_addr src, dst;
	unsigned char segment[L4_TCP_HDR_LEN_MAX];
	uint16_t sum;
	int n;

	if (l4_addr_parse(&src, "192.0.2.1") < 0 || l4_addr_parse(&dst, "192.0.2.2") < 0)
		return 1;
	n = l4_tcp_emit(&syn, segment, sizeof(segment));
	if (n < 0)
		return 1;
	sum = l4_wire_csum(&src, &dst, L4_PROTO_TCP, segment, (size_t)n);
	memcpy(segment + 16, &sum, sizeof(sum));

	/* The receiver's side: the sum over everything is 0 when the segment is whole. */
	if (l4_wire_csum(&src, &dst, L4_PROTO_TCP, segment, (size_t)n) != 0 ||
	    l4_tcp_parse(&seen, segment, (size_t)n) != n)
		return 1;
	printf("%u to %u, seq %lu, mss %u, window scale %u, %d bytes\n", seen.sport, seen.dport,
	    (unsigned long)seen.seq, seen.opts.mss, seen.opts.wscale, n);

	/* Cut short anywhere, it is an error and nothing is read beyond its end. */
	for (int len = 0; len < n; len++)
		if (l4_tcp_parse(&seen, segment, (size_t)len) >= 0)
			return 1;
	return 0;
}
