/* craft.gen EXPRESSION SECONDS: builds the packets of an expression, round and round, each into the
 * same buffer, and prints how many a second and a sum of their bytes that keeps the work needed.
 * craft.gen EXPRESSION: prints the first 20 packets in hex, for comparing. */
#include <layer4/packet.h>

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned char buf[65536];

static int show(const struct l4_craft_expr *x)
{
	for (uint64_t i = 0; i < 20 && i < l4_craft_count(x); i++) {
		size_t n;
		if (l4_craft_build(x, i, 1, buf, sizeof buf, &n) < 0)
			return 3;
		for (size_t k = 0; k < n; k++)
			(void)printf("%02x", buf[k]);
		(void)printf("\n");
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct l4_craft_expr *x;
	struct l4_craft_error err;
	if (argc < 2 || l4_craft_parse(&x, argv[1], NULL, NULL, &err) < 0) {
		(void)fprintf(stderr, "craft.gen EXPRESSION [SECONDS]\n");
		return 2;
	}
	int status = 0;
	if (argc < 3) {
		status = show(x);
	} else {
		double limit = atof(argv[2]), start = now_s(), took;
		uint64_t count = l4_craft_count(x), n = 0, index = 0, sum = 0;
		do {
			for (int k = 0; k < 4096; k++, n++) {
				size_t len;
				if (l4_craft_build(x, index, 1, buf, sizeof buf, &len) < 0)
					return 3;
				sum += buf[len - 1] + buf[len / 2];
				index = index + 1 == count ? 0 : index + 1;
			}
			took = now_s() - start;
		} while (took < limit);
		(void)printf("%.0f %" PRIu64 "\n", (double)n / took, sum);
	}
	l4_craft_free(x);
	return status;
}
