/* Real captures through every parser of wire: whatever is in them, what testexercise.h and
 * testdns.h promise must hold. Needs the folder that L4_CAPTURES names; says SKIP without. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <cmocka.h>

#include <layer4/capfile.h>

#include "wire/testdns.h"
#include "wire/testexercise.h"

static struct {
	unsigned files, packets, walked, dns;
} seen;

static int64_t read_file(void *ctx, void *buf, size_t cap)
{
	return (int64_t)fread(buf, 1, cap, ctx);
}

/* The DNS message in a packet, where ports say that there is one. */
static void try_dns(const struct l4_packet *k, const uint8_t *p, size_t len)
{
	struct l4_udp_hdr udp;
	if (k->proto != L4_PROTO_UDP || k->is_frag || k->l4_off + (size_t)k->l4_len > len)
		return;
	if (l4_udp_parse(&udp, p + k->l4_off, k->l4_len) < 0)
		return;
	if (udp.sport != 53 && udp.dport != 53 && udp.sport != 5353 && udp.dport != 5353)
		return;
	size_t n = udp.len - 8u;
	uint8_t *exact = malloc(n ? n : 1);
	memcpy(exact, p + k->l4_off + 8, n);
	exercise_dns(exact, n, true);
	seen.dns += l4_dns_check(exact, n) == L4_OK;
	free(exact);
}

static void try_packet(const struct l4_cap_packet *c)
{
	struct l4_packet k;
	uint8_t *exact = malloc(c->caplen ? c->caplen : 1);
	memcpy(exact, c->data, c->caplen);
	seen.packets++;
	exercise_frame(exact, c->caplen); /* also what is no Ethernet: bytes are bytes */
	exercise_ip(exact, c->caplen);
	int rc = L4_EMALFORMED;
	if (c->linktype == L4_LINK_ETHERNET)
		rc = l4_packet_parse_eth(&k, exact, c->caplen, c->caplen, L4_PACKET_NO_CSUM);
	else if (c->linktype == L4_LINK_RAW)
		rc = l4_packet_parse_ip(&k, exact, c->caplen, c->caplen, L4_PACKET_NO_CSUM);
	if (rc == L4_OK && k.version) {
		seen.walked++;
		try_dns(&k, exact, c->caplen);
	}
	free(exact);
}

static int try_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	FILE *f = type == FTW_F ? fopen(path, "rb") : NULL;
	if (!f)
		return 0;
	struct l4_capfile *r = l4_capfile_new(read_file, f);
	struct l4_cap_packet c;
	assert_non_null(r);
	seen.files++;
	while (l4_capfile_next(r, &c) == 1)
		try_packet(&c);
	l4_capfile_free(r);
	(void)fclose(f);
	return 0;
}

static void every_packet_of_every_capture(void **state)
{
	(void)state;
	const char *dir = getenv("L4_CAPTURES");
	assert_int_equal(nftw(dir, try_file, 16, FTW_PHYS), 0);
	print_message(
	    "# %u files, %u packets, %u walked to their upper protocol, %u DNS messages\n",
	    seen.files, seen.packets, seen.walked, seen.dns);
	assert_true(seen.files > 0 && seen.packets > 0 && seen.walked > seen.packets / 10);
}

int main(void)
{
	if (!getenv("L4_CAPTURES")) {
		puts("1..0 # SKIP L4_CAPTURES does not name a folder of captures");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packet_of_every_capture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
