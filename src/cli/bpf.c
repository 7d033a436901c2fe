/* Compiles the filter once for each link type that comes along. libpcap is loaded with the first
 * filter: most commands have none. */
#include "cli/bpf.h"

#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/lazy.h"

#define FUNCTIONS(X)           \
	X(pcap_close)          \
	X(pcap_compile)        \
	X(pcap_freecode)       \
	X(pcap_geterr)         \
	X(pcap_offline_filter) \
	X(pcap_open_dead)

static struct {
	FUNCTIONS(LAZY_POINTER)
} pcap;

enum { LINKS = 16, SLL2_BYTES = 20 };

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
		pcap.pcap_freecode(&b->link[i].prog);
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

/* Debian's name for it, and its authors'. */
static bool load(void)
{
	static const char *const names[] = { FUNCTIONS(LAZY_NAME) };
	const size_t n = sizeof names / sizeof *names;
	return pcap.pcap_compile || lazy_load("libpcap.so.0.8", names, n, &pcap, sizeof pcap) ||
	       lazy_load("libpcap.so.1", names, n, &pcap, sizeof pcap);
}

/* The place of the program for a link type, or -1. */
static int find(struct bpf *b, uint16_t linktype)
{
	unsigned i = 0;
	while (i < b->n && b->link[i].linktype != linktype)
		i++;
	if (i < b->n)
		return (int)i;
	if (!load()) {
		snprintf(b->error, sizeof b->error, "libpcap: %s", lazy_error());
		return -1;
	}
	if (b->n == LINKS) {
		snprintf(b->error, sizeof b->error, "more than %d link types", LINKS);
		return -1;
	}
	pcap_t *h = pcap.pcap_open_dead(dlt_of(linktype), 262144);
	if (!h || pcap.pcap_compile(h, &b->link[i].prog, b->text, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(b->error, sizeof b->error, "%s", h ? pcap.pcap_geterr(h) : "no memory");
		if (h)
			pcap.pcap_close(h);
		return -1;
	}
	pcap.pcap_close(h);
	b->link[i].linktype = linktype;
	b->n++;
	return (int)i;
}

int bpf_match(struct bpf *b, const struct l4_cap_packet *p)
{
	int i = find(b, p->linktype);
	if (i < 0)
		return -1;
	struct pcap_pkthdr h = { .caplen = p->caplen, .len = p->len };
	return pcap.pcap_offline_filter(&b->link[i].prog, &h, p->data) != 0;
}

/* Moves what a program for SLL2 loads to where the kernel has it. False: it has it nowhere. */
static bool move_loads(struct bpf_insn *insns, unsigned n)
{
	static const struct {
		uint32_t at, size, ad;
	} fields[] = { { 0, BPF_H, SKF_AD_PROTOCOL }, { 4, BPF_W, SKF_AD_IFINDEX },
		{ 8, BPF_H, SKF_AD_HATYPE }, { 10, BPF_B, SKF_AD_PKTTYPE } };
	for (unsigned i = 0; i < n; i++) {
		struct bpf_insn *c = &insns[i];
		unsigned kind = BPF_CLASS(c->code), mode = BPF_MODE(c->code);
		if ((kind != BPF_LD || (mode != BPF_ABS && mode != BPF_IND)) &&
		    (kind != BPF_LDX || mode != BPF_MSH))
			continue;
		if (c->k >= SLL2_BYTES && c->k < 1u << 20) {
			c->k -= SLL2_BYTES;
			continue;
		}
		bool found = false;
		for (size_t k = 0; k < sizeof fields / sizeof fields[0] && !found; k++)
			if (kind == BPF_LD && mode == BPF_ABS && c->k == fields[k].at &&
			    BPF_SIZE(c->code) == fields[k].size) {
				c->k = (uint32_t)SKF_AD_OFF + fields[k].ad;
				c->code = BPF_LD | BPF_W | BPF_ABS;
				found = true;
			}
		if (!found)
			return false;
	}
	return true;
}

int bpf_attach(struct bpf *b, int fd, uint16_t linktype)
{
	int i = find(b, linktype);
	if (i < 0)
		return -1;
	struct bpf_insn insns[BPF_MAXINSNS];
	unsigned n = b->link[i].prog.bf_len;
	if (strstr(b->text, "vlan") || n > BPF_MAXINSNS)
		return 2;
	memcpy(insns, b->link[i].prog.bf_insns, n * sizeof insns[0]);
	if (linktype == L4_LINK_LINUX_SLL2 && !move_loads(insns, n))
		return 2;
	/* libpcap's instructions are the kernel's. */
	struct sock_fprog f = { .len = (unsigned short)n, .filter = (struct sock_filter *)insns };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f) == 0;
}
