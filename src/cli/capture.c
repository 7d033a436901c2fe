/* l4 capture: packets of an interface, live, to pcapng and to the views of l4 dissect.
 *
 * An AF_PACKET socket with a ring of blocks (TPACKET_V3, packet(7)): the kernel fills blocks and
 * hands over whole ones, so that a busy link costs few system calls. The BPF filter runs in the
 * kernel. What the kernel had to drop is asked for at the end and on SIGUSR1, and stands in the
 * file as a statistics block. The file is whole after every block: Ctrl-C leaves nothing torn.
 *
 * Files may rotate: --ring COUNTxMEGABYTES keeps the newest COUNT files of that size. */
#include <layer4/capfile.h>
#include <layer4/dissect.h>
#include <layer4/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/bpf.h"
#include "cli/cli.h"
#include "cli/dissect.h"
#include "cli/filter.h"

static const char help[] =
    "Usage: l4 capture -i INTERFACE [OPTION...]\n"
    "\n"
    "Captures packets of an interface and shows a line for each.\n"
    "\n"
    "  -i, --interface IF    the interface ('any' for all, without link layer headers)\n"
    "  -f, --bpf FILTER      capture filter (BPF), run by the kernel\n"
    "  -Y, --filter FILTER   show and write only what matches a display filter\n"
    "  -w, --write FILE      to a pcapng file, '-' is standard output; shows nothing then\n"
    "      --print           show the packets although they are written\n"
    "      --ring NxM        rotate: the newest N files of M megabytes each\n"
    "  -c, --count N         end after N packets\n"
    "  -t, --time SECONDS    end after this time\n"
    "  -d, --detail  -l, --layers  -j, --json  -x, --hex  -e, --fields LIST\n"
    "                        as with l4 dissect\n"
    "  -p, --no-promiscuous  only what is meant for this host\n"
    "      --help            this text\n"
    "\n"
    "Needs CAP_NET_RAW. Exit status: 0 done, 2 wrong use, 3 the system refused.\n"
    "\n"
    "Examples:\n"
    "  l4 capture -i lo -f 'tcp port 80'\n"
    "  l4 capture -i eth0 -w trace.pcapng --ring 5x100\n";

enum { BLOCK_BYTES = 1 << 20, BLOCKS = 8, OPT_HELP = 256, OPT_PRINT, OPT_RING };

static volatile sig_atomic_t stop, show_counters;
static struct out output;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		show_counters = 1;
	else
		stop = 1;
}

struct capture {
	const char *interface, *bpf, *filter_text, *path, *fields;
	bool print, promiscuous, loopback;
	unsigned ring_files, file_number;
	uint64_t ring_bytes, written, count_max, seconds, seen;
	uint64_t received, dropped;
	int fd;
	uint8_t *ring;
	uint16_t linktype;
	FILE *file;
	struct l4_capwr writer;
	struct l4_dissect *d;
	struct views views;
	struct filter *filter;
};

static int system_error(const struct capture *c, const char *what)
{
	int e = errno;
	fprintf(stderr, "l4 capture: %s: %s: %s%s\n", c->interface, what, strerror(e),
	    e == EPERM || e == EACCES ? " (needs CAP_NET_RAW: root, or setcap cap_net_raw+ep)"
				      : "");
	return L4_EXIT_SYSTEM;
}

/* ---- the file ---- */

static int write_bytes(void *ctx, const void *data, size_t n)
{
	struct capture *c = ctx;
	c->written += n;
	return fwrite(data, 1, n, c->file) == n ? 0 : L4_ESYS;
}

static int open_file(struct capture *c)
{
	char name[4096];
	if (c->file && c->file != stdout && fclose(c->file))
		return -1;
	if (!strcmp(c->path, "-")) {
		c->file = stdout;
	} else if (c->ring_files) {
		snprintf(name, sizeof name, "%s.%u", c->path, c->file_number % c->ring_files);
		c->file_number++;
		c->file = fopen(name, "wb");
	} else {
		c->file = fopen(c->path, "wb");
	}
	c->written = 0;
	return !c->file || l4_capwr_init(&c->writer, write_bytes, c, "l4 capture") ||
		       l4_capwr_interface(&c->writer, c->linktype, 0, c->interface, NULL) < 0
		   ? -1
		   : 0;
}

static void counters(struct capture *c)
{
	struct tpacket_stats_v3 s;
	socklen_t n = sizeof s;
	/* The kernel's counters start again with each reading. */
	if (!getsockopt(c->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n)) {
		c->received += s.tp_packets - s.tp_drops;
		c->dropped += s.tp_drops;
	}
}

/* ---- the socket ---- */

static int link_type(struct capture *c)
{
	struct ifreq r;
	memset(&r, 0, sizeof r);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", c->interface);
	if (ioctl(c->fd, SIOCGIFHWADDR, &r))
		return -1;
	switch (r.ifr_hwaddr.sa_family) {
	case ARPHRD_LOOPBACK:
		c->loopback = true;
		c->linktype = L4_LINK_ETHERNET;
		return 0;
	case ARPHRD_ETHER:
		c->linktype = L4_LINK_ETHERNET;
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		c->linktype = L4_LINK_RAW;
		return 0;
	default:
		errno = EPROTONOSUPPORT;
		return -1;
	}
}

static int attach_filter(struct capture *c)
{
	if (!c->bpf)
		return 0;
	struct bpf *b = bpf_new(c->bpf);
	int r = b ? bpf_attach(b, c->fd, c->linktype) : -1;
	if (r < 0)
		fprintf(
		    stderr, "l4 capture: -f '%s': %s\n", c->bpf, b ? bpf_error(b) : "no memory");
	bpf_free(b);
	return r < 0 ? L4_EXIT_USAGE : r ? 0 : system_error(c, "filter");
}

static int open_socket(struct capture *c)
{
	bool any = !strcmp(c->interface, "any");
	unsigned index = any ? 0 : if_nametoindex(c->interface);
	if (!any && !index)
		return system_error(c, "interface");
	c->fd = socket(AF_PACKET, (any ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return system_error(c, "packet socket");
	c->linktype = L4_LINK_RAW;
	if (!any && link_type(c))
		return system_error(c, "link type");
	int r = attach_filter(c);
	if (r)
		return r;
	int version = TPACKET_V3;
	struct tpacket_req3 q = { .tp_block_size = BLOCK_BYTES,
		.tp_block_nr = BLOCKS,
		.tp_frame_size = 2048,
		.tp_frame_nr = BLOCKS * (BLOCK_BYTES / 2048),
		.tp_retire_blk_tov = 50 };
	if (setsockopt(c->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
	    setsockopt(c->fd, SOL_PACKET, PACKET_RX_RING, &q, sizeof q))
		return system_error(c, "ring");
	c->ring =
	    mmap(NULL, (size_t)BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->ring == MAP_FAILED) {
		c->ring = NULL;
		return system_error(c, "ring memory");
	}
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index
	};
	if (bind(c->fd, (struct sockaddr *)&a, sizeof a))
		return system_error(c, "bind");
	if (c->promiscuous && !any) {
		struct packet_mreq m = { .mr_ifindex = (int)index, .mr_type = PACKET_MR_PROMISC };
		(void)setsockopt(c->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m);
	}
	return 0;
}

/* ---- packets ---- */

/* A tag that the network card took off stands beside the packet: it goes back in its place. */
static const uint8_t *with_tag(
    const struct tpacket3_hdr *h, const uint8_t *p, uint32_t *caplen, uint32_t *len)
{
	static uint8_t copy[L4_CAPFILE_SNAP_MAX];
	if (!(h->tp_status & TP_STATUS_VLAN_VALID) || *caplen < 12 || *caplen + 4 > sizeof copy)
		return p;
	uint16_t tpid =
	    h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid : ETH_P_8021Q;
	uint16_t tci = (uint16_t)h->hv1.tp_vlan_tci;
	memcpy(copy, p, 12);
	copy[12] = (uint8_t)(tpid >> 8);
	copy[13] = (uint8_t)tpid;
	copy[14] = (uint8_t)(tci >> 8);
	copy[15] = (uint8_t)tci;
	memcpy(copy + 16, p + 12, *caplen - 12);
	*caplen += 4;
	*len += 4;
	return copy;
}

/* 0: go on; otherwise an exit code. */
static int one_packet(struct capture *c, const struct tpacket3_hdr *h)
{
	const struct sockaddr_ll *from =
	    (const struct sockaddr_ll *)((const uint8_t *)h + TPACKET_ALIGN(sizeof *h));
	/* The loopback shows each packet twice: on its way out and in. */
	if (c->loopback && from->sll_pkttype == PACKET_OUTGOING)
		return 0;
	struct l4_cap_packet p = { .caplen = h->tp_snaplen,
		.len = h->tp_len,
		.ts = (l4_time)h->tp_sec * L4_SEC + h->tp_nsec,
		.number = c->seen + 1,
		.linktype = c->linktype,
		.has_ts = true,
		.fcs_len = -1,
		.ts_precision = 9 };
	p.data = with_tag(h, (const uint8_t *)h + h->tp_mac, &p.caplen, &p.len);
	c->seen++;
	if (!c->views.have_first) {
		c->views.have_first = true;
		c->views.first = p.ts;
	}
	const struct l4_dissected *d = NULL;
	if (c->filter || c->print || !c->path)
		d = l4_dissect_packet(c->d, &p);
	if (c->filter && !filter_match(c->filter, d))
		return 0;
	if (c->path) {
		struct l4_capwr_packet w = { .ts = p.ts,
			.data = p.data,
			.caplen = p.caplen,
			.len = p.len,
			.direction =
			    from->sll_pkttype == PACKET_OUTGOING ? L4_CAPWR_OUT : L4_CAPWR_IN };
		bool full = c->ring_bytes && c->written > c->ring_bytes;
		if ((full && open_file(c)) || l4_capwr_packet(&c->writer, &w)) {
			fprintf(stderr, "l4 capture: %s: %s\n", c->path, strerror(errno));
			return L4_EXIT_SYSTEM;
		}
	}
	if (d && (c->print || !c->path))
		views_packet(&c->views, d);
	if (c->seen == c->count_max)
		stop = 1;
	return 0;
}

static int one_block(struct capture *c, struct tpacket_block_desc *b)
{
	uint8_t *p = (uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;
	int r = 0;
	for (uint32_t i = 0; i < b->hdr.bh1.num_pkts && !r && !stop; i++) {
		struct tpacket3_hdr *h = (struct tpacket3_hdr *)(void *)p;
		r = one_packet(c, h);
		p += h->tp_next_offset;
	}
	return r;
}

static int run(struct capture *c)
{
	struct pollfd pf = { .fd = c->fd, .events = POLLIN | POLLERR };
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	int r = 0;
	for (unsigned k = 0; !stop && !r && !output.failed;) {
		struct tpacket_block_desc *b =
		    (struct tpacket_block_desc *)(void *)(c->ring + (size_t)k * BLOCK_BYTES);
		uint32_t status = __atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
		if (status & TP_STATUS_USER) {
			r = one_block(c, b);
			__atomic_store_n(
			    &b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
			k = (k + 1) % BLOCKS;
			continue;
		}
		out_flush(&output);
		if (c->file)
			fflush(c->file);
		if (show_counters) {
			show_counters = 0;
			counters(c);
			fprintf(stderr, "l4 capture: %llu received, %llu dropped\n",
			    (unsigned long long)c->received, (unsigned long long)c->dropped);
		}
		(void)poll(&pf, 1, 200);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (c->seconds && (uint64_t)(now.tv_sec - start.tv_sec) >= c->seconds)
			break;
	}
	return r;
}

static const struct option options[] = { { "interface", required_argument, NULL, 'i' },
	{ "bpf", required_argument, NULL, 'f' }, { "filter", required_argument, NULL, 'Y' },
	{ "write", required_argument, NULL, 'w' }, { "print", no_argument, NULL, OPT_PRINT },
	{ "ring", required_argument, NULL, OPT_RING }, { "count", required_argument, NULL, 'c' },
	{ "time", required_argument, NULL, 't' }, { "detail", no_argument, NULL, 'd' },
	{ "layers", no_argument, NULL, 'l' }, { "json", no_argument, NULL, 'j' },
	{ "hex", no_argument, NULL, 'x' }, { "fields", required_argument, NULL, 'e' },
	{ "no-promiscuous", no_argument, NULL, 'p' }, { "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 } };

static bool number(const char *name, const char *text, uint64_t *v)
{
	char *end;
	errno = 0;
	*v = strtoull(text, &end, 10);
	if (!errno && !*end && *v && text[0] != '-')
		return true;
	fprintf(stderr, "l4 capture: %s needs a number above 0, not '%s'\n", name, text);
	return false;
}

/* 0; an exit code; or -1: done. */
static int read_options(struct capture *c, int argc, char **argv)
{
	int o;
	optind = 1;
	while ((o = getopt_long(argc, argv, "i:f:Y:w:c:t:dljxe:p", options, NULL)) != -1) {
		switch (o) {
		case 'i':
			c->interface = optarg;
			break;
		case 'f':
			c->bpf = optarg;
			break;
		case 'Y':
			c->filter_text = optarg;
			break;
		case 'w':
			c->path = optarg;
			break;
		case OPT_PRINT:
			c->print = true;
			break;
		case OPT_RING: {
			unsigned files, mb;
			if (sscanf(optarg, "%ux%u", &files, &mb) != 2 || !files || !mb) {
				fprintf(stderr, "l4 capture: --ring is FILESxMEGABYTES, not '%s'\n",
				    optarg);
				return L4_EXIT_USAGE;
			}
			c->ring_files = files;
			c->ring_bytes = (uint64_t)mb * 1000000;
			break;
		}
		case 'c':
			if (!number("-c", optarg, &c->count_max))
				return L4_EXIT_USAGE;
			break;
		case 't':
			if (!number("-t", optarg, &c->seconds))
				return L4_EXIT_USAGE;
			break;
		case 'd':
			c->views.kind = VIEW_DETAIL;
			break;
		case 'l':
			c->views.kind = VIEW_LAYERS;
			break;
		case 'j':
			c->views.kind = VIEW_JSON;
			break;
		case 'e':
			c->views.kind = VIEW_FIELDS;
			c->fields = optarg;
			break;
		case 'x':
			c->views.hex = true;
			break;
		case 'p':
			c->promiscuous = false;
			break;
		case OPT_HELP:
			fputs(help, stdout);
			return -1;
		default:
			fprintf(stderr, "Try 'l4 capture --help'.\n");
			return L4_EXIT_USAGE;
		}
	}
	if (optind < argc || !c->interface ||
	    (c->ring_files && (!c->path || !strcmp(c->path, "-")))) {
		fprintf(stderr, "l4 capture: %s\n",
		    optind < argc   ? "no arguments are taken; -f is the filter"
		    : !c->interface ? "-i is missing: which interface?"
				    : "--ring needs -w FILE");
		return L4_EXIT_USAGE;
	}
	return 0;
}

static int prepare(struct capture *c)
{
	char err[256];
	c->d = l4_dissect_new(NULL);
	if (!c->d)
		return L4_EXIT_SYSTEM;
	output.fd = c->path && !strcmp(c->path, "-") ? STDERR_FILENO : STDOUT_FILENO;
	c->views.out = &output;
	if (c->fields && views_add_columns(&c->views, c->d, c->fields))
		return L4_EXIT_USAGE;
	views_prepare(&c->views, c->d);
	if (c->filter_text && !(c->filter = filter_new(c->d, c->filter_text, err, sizeof err))) {
		fprintf(stderr, "l4 capture: -Y '%s': %s\n", c->filter_text, err);
		return L4_EXIT_USAGE;
	}
	int r = open_socket(c);
	if (!r && c->path && open_file(c)) {
		fprintf(stderr, "l4 capture: %s: %s\n", c->path, strerror(errno));
		r = L4_EXIT_SYSTEM;
	}
	return r;
}

int cmd_capture(int argc, char **argv)
{
	struct capture c = { .fd = -1, .promiscuous = true };
	int r = read_options(&c, argc, argv);
	if (r)
		return r < 0 ? L4_EXIT_DONE : r;
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = prepare(&c);
	if (!r) {
		r = run(&c);
		counters(&c);
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		if (c.file)
			(void)l4_capwr_stats(&c.writer, 0,
			    (l4_time)t.tv_sec * L4_SEC + (l4_time)t.tv_nsec, c.received, c.dropped);
		out_flush(&output);
		fprintf(stderr, "l4 capture: %llu packets, %llu dropped by the kernel\n",
		    (unsigned long long)c.seen, (unsigned long long)c.dropped);
	}
	if (c.file && (c.file == stdout ? fflush(stdout) : fclose(c.file)) && !r)
		r = system_error(&c, c.path);
	if (c.ring)
		munmap(c.ring, (size_t)BLOCK_BYTES * BLOCKS);
	if (c.fd >= 0)
		close(c.fd);
	filter_free(c.filter);
	views_end(&c.views);
	l4_dissect_free(c.d);
	return r;
}
