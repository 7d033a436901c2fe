/* Compiles the filter once for each link type that comes along. */
#include "cli/bpf.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINKS = 16 };

struct bpf {
	const char *text;
	unsigned n;
	struct {
		uint16_t linktype;
		struct bpf_program prog;
	} link[LINKS];
	char error[PCAP_ERRBUF_SIZE];
};

struct bpf *bpf_new(const char *text)
{
	struct bpf *b = calloc(1, sizeof *b);
	if (b)
		b->text = text;
	return b;
}

void bpf_free(struct bpf *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->n; i++)
		pcap_freecode(&b->link[i].prog);
	free(b);
}

const char *bpf_error(const struct bpf *b)
{
	return b->error;
}

/* LINKTYPE_ numbers of files are DLT_ numbers except for raw IP. */
static int dlt_of(uint16_t linktype)
{
	return linktype == L4_LINK_RAW ? DLT_RAW : linktype;
}

int bpf_match(struct bpf *b, const struct l4_cap_packet *p)
{
	unsigned i = 0;
	while (i < b->n && b->link[i].linktype != p->linktype)
		i++;
	if (i == b->n) {
		if (b->n == LINKS) {
			snprintf(b->error, sizeof b->error, "more than %d link types", LINKS);
			return -1;
		}
		pcap_t *h = pcap_open_dead(dlt_of(p->linktype), 262144);
		if (!h || pcap_compile(h, &b->link[i].prog, b->text, 1, PCAP_NETMASK_UNKNOWN)) {
			snprintf(b->error, sizeof b->error, "%s", h ? pcap_geterr(h) : "no memory");
			if (h)
				pcap_close(h);
			return -1;
		}
		pcap_close(h);
		b->link[i].linktype = p->linktype;
		b->n++;
	}
	struct pcap_pkthdr h = { .caplen = p->caplen, .len = p->len };
	return pcap_offline_filter(&b->link[i].prog, &h, p->data) != 0;
}
