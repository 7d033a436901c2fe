/* Every truncation and every single-byte change of every sample, through every parser, in blocks
 * of exact size (AddressSanitizer sees one byte too far). The first answer of each security case
 * about parsing is here: ETH-01, IP4-01, IP4-03, IP6-01, IP6-02, UDP-01, TCPP-01 to TCPP-03,
 * ICMP-01, ICMP-02, ICMP-14, ND-03. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "wire/testexercise.h"
#include "wire/testsamples.h"

typedef void (*exercise_fn)(const uint8_t *p, size_t len);

static void icmp4(const uint8_t *p, size_t len)
{
	exercise_icmp(false, p, len);
}

static void icmp6(const uint8_t *p, size_t len)
{
	exercise_icmp(true, p, len);
}

static void every_cut(exercise_fn run, const uint8_t *data, size_t len)
{
	for (size_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, data, n);
		run(exact, n);
		free(exact);
	}
}

static void every_byte(exercise_fn run, const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	memcpy(exact, data, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			exact[i] = (uint8_t)(data[i] ^ flip);
			run(exact, len);
		}
		exact[i] = data[i];
	}
	free(exact);
}

static exercise_fn upper_of(uint8_t proto)
{
	switch (proto) {
	case L4_PROTO_TCP:
		return exercise_tcp;
	case L4_PROTO_UDP:
		return exercise_udp;
	case L4_PROTO_ICMP6:
		return icmp6;
	default:
		return icmp4;
	}
}

static void samples_parse(void **state)
{
	(void)state;
	static struct sample s;
	for (size_t i = 0; i < SAMPLE_N; i++) {
		struct l4_packet k;
		sample_get(&s, i);
		int rc = l4_packet_parse_eth(&k, s.b, s.len, s.len, 0);
		enum l4_drop want = L4_DROP_NONE;
		if (strcmp(s.name, "llc") == 0)
			want = L4_DROP_LINK_8023;
		if (k.drop != want || (rc == L4_OK) != (want == L4_DROP_NONE))
			fail_msg("%s: %s", s.name, l4_drop_text(k.drop));
	}
}

static void whole_frames_survive(void **state)
{
	(void)state;
	static struct sample s;
	for (size_t i = 0; i < SAMPLE_N; i++) {
		sample_get(&s, i);
		every_cut(exercise_frame, s.b, s.len);
		every_byte(exercise_frame, s.b, s.len);
	}
}

/* The upper protocol alone, so that a cut reaches it without the IP length saying so. */
static void upper_protocols_survive(void **state)
{
	(void)state;
	static struct sample s;
	for (size_t i = 0; i < SAMPLE_N; i++) {
		struct l4_packet k;
		sample_get(&s, i);
		if (l4_packet_parse_eth(&k, s.b, s.len, s.len, 0) != L4_OK || k.version == 0)
			continue;
		exercise_fn run = upper_of(k.proto);
		every_cut(run, s.b + k.l4_off, k.l4_len);
		every_byte(run, s.b + k.l4_off, k.l4_len);
		if (k.proto == L4_PROTO_UDP && k.l4_len > 240)
			every_cut(exercise_dhcp, s.b + k.l4_off + 8, k.l4_len - 8);
	}
}

/* Two bytes at once, and pieces swapped between samples, from a fixed seed. */
static void random_changes_survive(void **state)
{
	(void)state;
	static struct sample a, b;
	struct l4_rng r;
	l4_rng_init_u64(&r, 2);
	for (int round = 0; round < 60000; round++) {
		if (round % 50 == 0) {
			sample_get(&a, l4_rng_below(&r, SAMPLE_N));
			sample_get(&b, l4_rng_below(&r, SAMPLE_N));
		}
		uint8_t *exact = malloc(a.len);
		memcpy(exact, a.b, a.len);
		size_t at = l4_rng_below(&r, a.len), n = l4_rng_below(&r, 24);
		n = n > a.len - at ? a.len - at : n;
		size_t from = l4_rng_below(&r, b.len);
		n = n > b.len - from ? b.len - from : n;
		if (round % 2)
			memcpy(exact + at, b.b + from, n);
		for (int k = 0; k < 3; k++)
			exact[l4_rng_below(&r, a.len)] = (uint8_t)l4_rng_u32(&r);
		exercise_frame(exact, a.len);
		free(exact);
	}
}

/* A frame in pieces: only its first bytes are at hand. Nothing beyond them may be read, and with
 * all headers there the answer must be the same. */
static void headers_in_the_first_piece_are_enough(void **state)
{
	(void)state;
	static struct sample s;
	for (size_t i = 0; i < SAMPLE_N; i++) {
		struct l4_packet whole, part;
		sample_get(&s, i);
		int rc = l4_packet_parse_eth(&whole, s.b, s.len, s.len, 0);
		if (rc != L4_OK || whole.version == 0)
			continue;
		for (size_t n = 0; n < s.len; n++) {
			uint8_t *exact = malloc(n ? n : 1);
			memcpy(exact, s.b, n);
			rc = l4_packet_parse_eth(&part, exact, n, s.len, 0);
			/* A first fragment is judged by its upper header too (RFC 7112). */
			bool enough = n >= whole.l4_off + (whole.is_frag ? 8u : 0u);
			if (enough) {
				assert_int_equal(rc, L4_OK);
				assert_memory_equal(&part, &whole, sizeof whole);
			}
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_parse),
		cmocka_unit_test(whole_frames_survive),
		cmocka_unit_test(upper_protocols_survive),
		cmocka_unit_test(random_changes_survive),
		cmocka_unit_test(headers_in_the_first_piece_are_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
