/* Example of <layer4/dissect.h>: a packet's layers, some of its fields, and the line that sums it
 * up. */
#include <layer4/dissect.h>
#include <layer4/wire.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct l4_ip4_hdr ip = { .total_len = 40, .ttl = 64, .proto = L4_PROTO_TCP };
	struct l4_tcp_hdr tcp = { .sport = 49152, .dport = 80, .seq = 7, .flags = L4_TCPF_SYN };
	unsigned char bytes[40];
	struct l4_cap_packet captured = { .data = bytes,
		.caplen = sizeof(bytes),
		.len = sizeof(bytes),
		.number = 1,
		.linktype = L4_LINK_RAW,
		.fcs_len = -1 };
	const struct l4_dissected *p;
	struct l4_dissect *d;
	char text[64];
	int rc = 1;

	if (l4_addr_parse(&ip.src, "192.0.2.1") < 0 || l4_addr_parse(&ip.dst, "192.0.2.2") < 0 ||
	    l4_ip4_emit(&ip, bytes, 20) < 0 || l4_tcp_emit(&tcp, bytes + 20, 20) < 0)
		return 1;
	d = l4_dissect_new(NULL);
	if (!d)
		return 1;
	/* Only what is asked for is computed. */
	l4_dissect_want_columns(d);
	if (l4_dissect_want(d, "ip.dst") < 0 || l4_dissect_want(d, "tcp.dstport") < 0 ||
	    l4_dissect_want(d, "no.such.field") >= 0)
		goto out;

	p = l4_dissect_packet(d, &captured);
	for (uint32_t i = 0; i < p->n_layers; i++)
		printf("%s%s", i ? " > " : "", p->layers[i].proto->name);
	printf("\n%s %.*s\n", p->protocol, (int)p->info_len, p->info);
	for (uint32_t i = 0; i < p->n_items; i++) {
		size_t n = l4_item_text(&p->items[i], text, sizeof(text));

		printf("%s = %.*s\n", p->items[i].field->name, (int)n, text);
	}
	rc = p->malformed || p->n_items != 2 || strcmp(p->protocol, "TCP") != 0;
out:
	l4_dissect_free(d);
	return rc;
}
