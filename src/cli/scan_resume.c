/* A scan that was interrupted, on disk, so that --resume goes on with it.
 *
 * A text file: a line with what identifies the scan (a hash over targets, ports, type and shard),
 * the key of its order and cookies, then the reasons known, as runs "COUNT REASON" over the
 * probes' numbers, and the hosts found up in the same way. Probes under way when the scan stopped
 * have no reason yet and are therefore asked again: nothing is lost. The file is written beside
 * its place and renamed, so that a full disk leaves the old one whole. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/scan.h"

static uint64_t identity(const struct scan_job *j)
{
	static const struct scan_key fixed = { 0x6c61796572340001u, 1 };
	uint64_t h = scan_siphash(&fixed, j->ports, j->n_ports * sizeof *j->ports);
	uint64_t rest[4] = { h, (uint64_t)j->type, j->shard, j->n_shards };
	h = scan_siphash(&fixed, rest, sizeof rest);
	for (size_t i = 0; i < j->targets->set.n; i++) {
		struct l4_addr a[2] = { scan_addr_from_u128(j->targets->set.r[i].first),
			scan_addr_from_u128(j->targets->set.r[i].last) };
		uint64_t pair[2] = { h, scan_siphash(&fixed, a, sizeof a) };
		h = scan_siphash(&fixed, pair, sizeof pair);
	}
	return h;
}

static void put_runs(FILE *f, const char *name, const uint8_t *v, uint64_t n)
{
	fprintf(f, "%s\n", name);
	for (uint64_t i = 0; i < n;) {
		uint64_t k = i;
		while (k < n && v[k] == v[i])
			k++;
		fprintf(f, "%" PRIu64 " %u\n", k - i, v[i]);
		i = k;
	}
}

static int get_runs(FILE *f, const char *name, uint8_t *v, uint64_t n)
{
	char word[16] = "";
	if (fscanf(f, " %15s", word) != 1 || strcmp(word, name))
		return -1;
	for (uint64_t i = 0; i < n;) {
		uint64_t k;
		unsigned r;
		if (fscanf(f, "%" SCNu64 " %u", &k, &r) != 2 || k == 0 || k > n - i ||
		    r >= SCAN_REASON_COUNT)
			return -1;
		memset(v + i, (int)r, k);
		i += k;
	}
	return 0;
}

int scan_resume_save(const struct scan_job *j, const char *path, const char *const *args,
    size_t n_args, char *error, size_t cap)
{
	char temp[4096];
	(void)args;
	(void)n_args;
	if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp) {
		snprintf(error, cap, "%s: name too long", path);
		return -1;
	}
	FILE *f = fopen(temp, "we");
	if (!f) {
		snprintf(error, cap, "%s: %s", temp, strerror(errno));
		return -1;
	}
	fprintf(f, "layer4-scan 1 %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", identity(j),
	    j->key.k0, j->key.k1);
	put_runs(f, "reasons", j->reasons, j->n_probes);
	put_runs(f, "hosts", j->hosts, j->targets->n_hosts);
	int bad = fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0;
	int e = errno;
	if (fclose(f) != 0 && !bad) {
		bad = 1;
		e = errno;
	}
	if (!bad && rename(temp, path) == 0)
		return 0;
	snprintf(error, cap, "%s: %s; the state was not saved", path, strerror(bad ? e : errno));
	unlink(temp);
	return -1;
}

int scan_resume_load(struct scan_job *j, const char *path, char *error, size_t cap)
{
	uint64_t id;
	int version;
	FILE *f = fopen(path, "re");
	if (!f) {
		if (errno == ENOENT)
			return 0;
		snprintf(error, cap, "%s: %s", path, strerror(errno));
		return -1;
	}
	if (fscanf(f, "layer4-scan %d %" SCNx64 " %" SCNx64 " %" SCNx64, &version, &id, &j->key.k0,
		&j->key.k1) != 4 ||
	    version != 1) {
		snprintf(error, cap, "%s is no state of a scan", path);
		fclose(f);
		return -1;
	}
	int r = -1;
	if (id != identity(j))
		snprintf(error, cap,
		    "%s belongs to a scan with other targets, ports, type or shard", path);
	else if (get_runs(f, "reasons", j->reasons, j->n_probes) < 0 ||
		 get_runs(f, "hosts", j->hosts, j->targets->n_hosts) < 0)
		snprintf(error, cap, "%s is damaged", path);
	else
		r = 1;
	fclose(f);
	return r;
}
