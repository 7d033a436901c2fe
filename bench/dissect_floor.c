/* How fast a capture can be read at all: a libpcap loop that only counts, or a plain walk of the
 * mapped file (pcap of this machine's byte order) that touches each record's header.
 *
 * Usage: dissect.floor pcap|map FILE */
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t packets, bytes;

static void count(u_char *ctx, const struct pcap_pkthdr *h, const u_char *data)
{
	(void)ctx;
	(void)data;
	packets++;
	bytes += h->len;
}

static int by_pcap(const char *path)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, err);
	if (!p) {
		fprintf(stderr, "%s\n", err);
		return 3;
	}
	int r = pcap_loop(p, -1, count, NULL);
	pcap_close(p);
	return r ? 3 : 0;
}

static int by_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) || st.st_size < 24) {
		perror(path);
		return 3;
	}
	size_t n = (size_t)st.st_size;
	const uint8_t *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		perror(path);
		return 3;
	}
	for (size_t at = 24; n - at >= 16;) {
		uint32_t caplen, len;
		memcpy(&caplen, p + at + 8, 4);
		memcpy(&len, p + at + 12, 4);
		if (caplen > n - at - 16)
			break;
		packets++;
		bytes += len;
		at += 16 + (size_t)caplen;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3 || (strcmp(argv[1], "pcap") && strcmp(argv[1], "map"))) {
		fprintf(stderr, "Usage: dissect.floor pcap|map FILE\n");
		return 2;
	}
	int r = !strcmp(argv[1], "pcap") ? by_pcap(argv[2]) : by_map(argv[2]);
	printf(
	    "%llu packets, %llu bytes\n", (unsigned long long)packets, (unsigned long long)bytes);
	return r;
}
