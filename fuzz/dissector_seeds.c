/* Writes start inputs for dissector_fuzz.c out of capture files: for each layer of each packet the
 * bytes from there on, in DIR/<protocol>/, a few of each length.
 *
 * Usage: dissector_seeds DIR CAPTURE... */
#include <layer4/capfile.h>
#include <layer4/dissect.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dissector.h"

enum { PER_PROTO = 300, PROTOS = 128 };

static unsigned written[PROTOS];
static unsigned char seen[PROTOS][4096];

static int64_t give(void *ctx, void *buf, size_t cap)
{
	return (int64_t)fread(buf, 1, cap, ctx);
}

static void seed(const char *dir, const struct l4_layer *l, bool stream)
{
	unsigned id = 0;
	while (l4_proto_at(id) != l->proto)
		id++;
	uint32_t n = l->caplen < DF_LENGTH ? l->caplen : DF_LENGTH, h = n;
	for (uint32_t i = 0; i < n && i < 12; i++)
		h = h * 31 + l->data[i];
	if (id >= PROTOS || written[id] >= PER_PROTO || seen[id][h % 4096]++)
		return;
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", dir, dissector_names[id]);
	(void)mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/%u", dir, dissector_names[id], written[id]++);
	FILE *f = fopen(path, "wb");
	if (!f) {
		perror(path);
		exit(3);
	}
	fprintf(f, "%s\n%c%c%c", dissector_names[id], stream ? DF_STREAM : 0, (int)(n & 255),
	    (int)(n >> 8));
	fwrite(l->data, 1, n, f);
	fclose(f);
}

static void capture(const char *dir, const char *path)
{
	FILE *in = fopen(path, "rb");
	struct l4_capfile *f = in ? l4_capfile_new(give, in) : NULL;
	struct l4_dissect *d = l4_dissect_new(NULL);
	if (!f || !d) {
		perror(path);
		exit(3);
	}
	struct l4_cap_packet c;
	while (l4_capfile_next(f, &c) == 1) {
		const struct l4_dissected *p = l4_dissect_packet(d, &c);
		bool tcp = false;
		for (uint32_t k = 0; k < p->n_layers; k++) {
			seed(dir, &p->layers[k], false);
			if (tcp)
				seed(dir, &p->layers[k], true);
			tcp = tcp || !strcmp(p->layers[k].proto->name, "tcp");
		}
	}
	l4_dissect_free(d);
	l4_capfile_free(f);
	fclose(in);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "Usage: dissector_seeds DIR CAPTURE...\n");
		return 2;
	}
	(void)mkdir(argv[1], 0777);
	for (int i = 2; i < argc; i++)
		capture(argv[1], argv[i]);
	return 0;
}
