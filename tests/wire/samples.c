/* Writes the sample frames and a DNS message of every record type as a capture, for another
 * program to read: samples FILE. */
#include <layer4/capfile.h>

#include "wire/testdns.h"
#include "wire/testsamples.h"

static int to_file(void *ctx, const void *data, size_t n)
{
	return fwrite(data, 1, n, ctx) == n ? 0 : L4_ESYS;
}

static int put(struct l4_capwr *w, const uint8_t *p, size_t n, unsigned i)
{
	struct l4_capwr_packet k = {
		.data = p, .caplen = (uint32_t)n, .len = (uint32_t)n, .ts = (uint64_t)i * 1000000000
	};
	return l4_capwr_packet(w, &k);
}

/* The DNS message in UDP in IPv4 in a frame. */
static void dns_frame(struct sample *s)
{
	static uint8_t msg[1400];
	struct build b = { .p = s->b };
	size_t n = dns_zoo(msg, sizeof msg);
	add_eth(&b, L4_ETHERTYPE_IP4, 0);
	add_ip4(&b, (struct l4_ip4_hdr){ .proto = L4_PROTO_UDP });
	add_udp(&b, 53, 40000, msg, n);
	close_ip4(&b);
	s->len = b.len;
}

int main(int argc, char **argv)
{
	static struct sample s;
	struct l4_capwr w;
	FILE *f = argc == 2 ? fopen(argv[1], "wb") : NULL;
	if (!f) {
		(void)fprintf(stderr, "usage: samples FILE\n");
		return 2;
	}
	int rc = l4_capwr_init(&w, to_file, f, "samples");
	if (rc == 0)
		rc = l4_capwr_interface(&w, L4_LINK_ETHERNET, 65535, "samples", NULL);
	for (unsigned i = 0; i < SAMPLE_N && rc >= 0; i++) {
		sample_get(&s, i);
		rc = put(&w, s.b, s.len, i);
		(void)printf("%u %s\n", i + 1, s.name);
	}
	dns_frame(&s);
	if (rc >= 0)
		rc = put(&w, s.b, s.len, (unsigned)SAMPLE_N);
	(void)printf("%zu dns\n", SAMPLE_N + 1);
	return fclose(f) == 0 && rc >= 0 ? 0 : 3;
}
