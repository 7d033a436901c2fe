/* Runs a fuzz target without a fuzzer: over each file of its corpus, each file cut short, and a
 * fixed number of variations of each, drawn from a fixed seed. So every build, with any compiler
 * and under any sanitizer, goes over what fuzzing found, and the same bytes each time. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX  ((size_t)1 << 20)
#define VARIATIONS 64
#define CUTS_MAX   256

static uint64_t state = 0x9e3779b97f4a7c15u;
static unsigned long runs;

/* xorshift64*: good enough to vary bytes, and the same everywhere. */
static uint32_t draw(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 0x2545f4914f6cdd1du) >> 32) % below;
}

/* Each input lies in a block of exactly its size, so that a sanitizer sees one byte too far. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	if (size)
		memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	runs++;
}

static void vary(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 16);

	if (!copy)
		abort();
	for (int i = 0; i < VARIATIONS; i++) {
		size_t n = size;

		if (size)
			memcpy(copy, data, size);
		for (uint32_t changes = 1 + draw(4); changes > 0; changes--) {
			switch (draw(4)) {
			case 0: /* a bit */
				if (n)
					copy[draw((uint32_t)n)] ^= (uint8_t)(1u << draw(8));
				break;
			case 1: /* a byte that tends to be a limit */
				if (n)
					copy[draw((uint32_t)n)] =
					    (uint8_t[]){ 0, 1, 0x7f, 0x80, 0xff, 0x40 }[draw(6)];
				break;
			case 2: /* shorter */
				n = n ? draw((uint32_t)n + 1) : 0;
				break;
			default: /* longer */
				for (uint32_t more = draw(8); more && n < size + 16; more--)
					copy[n++] = (uint8_t)draw(256);
			}
		}
		run(copy, n);
	}
	free(copy);
}

static void all_of(const uint8_t *data, size_t size)
{
	size_t step = size / CUTS_MAX + 1;

	run(data, size);
	for (size_t n = 0; n < size; n += step)
		run(data, n);
	vary(data, size);
}

static bool file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX);
	size_t n;

	if (!f || !data) {
		perror(path);
		free(data);
		if (f)
			fclose(f);
		return false;
	}
	n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	all_of(data, n);
	free(data);
	return true;
}

static bool directory(const char *path)
{
	struct dirent **names;
	bool ok = true;
	/* Sorted, so that the variations of each file are the same on every machine. */
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0)
		return true; /* no corpus yet: the built-in inputs remain */
	for (int i = 0; i < n; i++) {
		char name[4096];

		if (names[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
			ok = file(name) && ok;
		}
		free(names[i]);
	}
	free(names);
	return ok;
}

int main(int argc, char **argv)
{
	uint8_t plain[256];
	bool ok = true;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)draw(256);
	all_of(plain, sizeof(plain));
	memset(plain, 0, sizeof(plain));
	all_of(plain, sizeof(plain));
	for (int i = 1; i < argc; i++)
		ok = directory(argv[i]) && ok;
	printf("%lu inputs\n", runs);
	return ok ? 0 : 1;
}
