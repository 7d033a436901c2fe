/* Expressions and packets. The first byte chooses: an expression to be read and built, by its plan
 * and plainly, which must agree; or a packet, whose expression must build the same bytes again. */
#include <layer4/capfile.h>
#include <layer4/packet.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "craft/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES = 70000 };

static void build(const struct l4_craft_expr *x, uint64_t index, uint8_t *a, uint8_t *b)
{
	size_t n, m;
	uint64_t k = x->n_others ? index / x->each : 0;
	int e = l4_craft_build(x, index, 1, a, BYTES, &n);
	int f = craft_build_layers(k ? x->others[k - 1] : x, index, 1, b, BYTES, &m);
	if (e != f || (!e && (n != m || memcmp(a, b, n))))
		abort();
}

static void expression(const char *text, uint8_t *a, uint8_t *b)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	if (l4_craft_parse(&x, text, NULL, NULL, &err) < 0) {
		if (err.column > strlen(text) + 1)
			abort();
		return;
	}
	uint64_t n = l4_craft_count(x);
	build(x, 0, a, b);
	build(x, n / 2, a, b);
	build(x, n - 1, a, b);
	(void)l4_craft_linktype(x);
	(void)l4_craft_fill(x, 0, "src", "192.0.2.1");
	l4_craft_free(x);
}

static void packet(const uint8_t *data, size_t size, uint8_t *a)
{
	static const uint16_t links[] = { L4_LINK_ETHERNET, L4_LINK_RAW, L4_LINK_IPV6, L4_LINK_PPP,
		L4_LINK_NULL, L4_LINK_LINUX_SLL };
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	size_t n, cap = 4 * size + 4096;
	char *text = malloc(cap);
	if (!text || !size)
		goto out;
	uint16_t link = links[data[0] % (sizeof links / sizeof links[0])];
	static const char *const fields[] = { "tcp.dport", "tcp.tsval", "ip6.src", "icmp6.target",
		"icmp6.src_linkaddr", "dhcp.dhcp", "ip.ra", "icmp.gw", "ipv6.hopopts.len" };
	struct l4_craft_packet p;
	l4_craft_read(&p, link, data + 1, size - 1);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		uint64_t v;
		(void)l4_craft_get(&p, fields[i], &v);
		const uint8_t *b = l4_craft_bytes(&p, fields[i], &n);
		if (b && (b < data + 1 || b + n > data + size))
			abort();
	}
	const uint8_t *b = l4_craft_payload(&p, &n);
	if (b + n > data + size)
		abort();
	if (l4_craft_text(link, data + 1, size - 1, text, cap) < 0 ||
	    l4_craft_parse(&x, text, NULL, NULL, &err) < 0)
		abort();
	if (l4_craft_build(x, 0, 0, a, BYTES, &n) < 0 || n != size - 1 || memcmp(a, data + 1, n))
		abort();
	l4_craft_free(x);
out:
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *a = malloc(BYTES), *b = malloc(BYTES);
	if (a && b && size && size < 8192) {
		if (data[0] < 128) { /* an expression begins with its first letter */
			char *text = malloc(size + 1);
			if (text) {
				memcpy(text, data, size);
				text[size] = 0;
				expression(text, a, b);
			}
			free(text);
		} else {
			packet(data + 1, size - 1, a);
		}
	}
	free(a);
	free(b);
	return 0;
}
