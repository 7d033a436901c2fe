/* The Internet checksum against memcpy: what it costs to sum while copying, and to sum alone. One
 * core, data in the cache that its size allows; the best of five runs counts, since whatever else
 * runs on the machine can only slow it down. */
#include <layer4/checksum.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEN_MAX 65536
#define RUNS    5

static uint8_t src[LEN_MAX + 64], dst[LEN_MAX + 64];

static double now_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum what { COPY, COPY_SUM, SUM };

/* GB/s. The data starts at offset 2, as an IP packet behind an Ethernet header does. */
static double rate(enum what what, size_t len)
{
	size_t rounds = 400000000 / (len + 200);
	double best = 0;
	for (int run = 0; run < RUNS; run++) {
		uint32_t sum = 0;
		double start = now_s();
		for (size_t i = 0; i < rounds; i++) {
			if (what == COPY)
				memcpy(dst + 2, src, len);
			else if (what == COPY_SUM)
				sum = l4_csum_copy(dst + 2, src, len, sum);
			else
				sum = l4_csum_partial(src + 2, len, sum);
			__asm__ volatile("" : "+r"(sum) : : "memory"); /* each round is needed */
		}
		double r = (double)len * (double)rounds / (now_s() - start) * 1e-9;
		best = r > best ? r : best;
	}
	return best;
}

int main(void)
{
	static const size_t lens[] = { 64, 1460, LEN_MAX };
	for (size_t i = 0; i < sizeof src; i++)
		src[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		double copy = rate(COPY, lens[i]), both = rate(COPY_SUM, lens[i]);
		double sum = rate(SUM, lens[i]);
		(void)printf(
		    "{\"name\": \"checksum-copy-%zu\", \"unit\": \"GB/s\", \"layer4\": %.2f, "
		    "\"peer_name\": \"memcpy\", \"peer\": %.2f, \"ratio\": %.3f, "
		    "\"conditions\": \"copy and sum against copy alone, in cache\"}\n",
		    lens[i], both, copy, both / copy);
		(void)printf(
		    "{\"name\": \"checksum-sum-%zu\", \"unit\": \"GB/s\", \"layer4\": %.2f, "
		    "\"peer_name\": \"memcpy\", \"peer\": %.2f, \"ratio\": %.3f, "
		    "\"conditions\": \"sum alone against copy alone, in cache\"}\n",
		    lens[i], sum, copy, sum / copy);
	}
	return 0;
}
