/* Options and messages that send, ask and script share. */
#include "cli/sendopt.h"

#include <layer4/wire.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/stack.h"

const char sendopt_help[] =
    "  -i, --interface NAME  out of this interface (default: as the route to the destination "
    "says)\n"
    "  -a, --address A       from an address of our own, which the kernel does not have: ARP and\n"
    "                        neighbour solicitations for it are answered (v4 and v6 may be given)\n"
    "      --mac MAC         its Ethernet address (default: made from the address)\n"
    "      --shared          with the interface's own address: the kernel is kept silent on our\n"
    "                        ports\n"
    "      --pcap FILE       write everything sent and received as pcapng\n"
    "      --seed N          what random, fuzz() and open fields are drawn from\n"
    "      --max N           refuse more packets than this\n"
    "      --json            one object a line\n"
    "  -q, --quiet           less text\n"
    "  -h, --help            this text\n";

void sendopt_init(struct sendopt *o)
{
	memset(o, 0, sizeof *o);
	o->max = 1000000;
	o->seed = 1;
}

bool sendopt_number(uint64_t *out, const char *cmd, const char *arg, uint64_t lo, uint64_t hi)
{
	if (stack_parse_number(out, arg, lo, hi) == 0)
		return true;
	fprintf(stderr, "l4 %s: '%s' is not a number from %llu to %llu\n", cmd, arg,
	    (unsigned long long)lo, (unsigned long long)hi);
	return false;
}

bool sendopt_rate(double *out, const char *cmd, const char *arg)
{
	char *end;
	*out = strtod(arg, &end);
	double unit = !strcmp(end, "k") ? 1e3 : !strcmp(end, "M") ? 1e6 : 1;
	if (end != arg && (!*end || unit > 1) && *out >= 0 && *out <= 1e12) {
		*out *= unit;
		return true;
	}
	fprintf(
	    stderr, "l4 %s: '%s' is not a rate: packets a second, as 1000, 20k, 1.5M\n", cmd, arg);
	return false;
}

bool sendopt_time(l4_time *out, const char *cmd, const char *arg)
{
	if (stack_parse_time(out, arg) == 0)
		return true;
	fprintf(stderr, "l4 %s: '%s' is not a time: seconds, or as 500ms, 2s, 1m\n", cmd, arg);
	return false;
}

int sendopt_take(struct sendopt *o, const char *cmd, int c, const char *arg)
{
	switch (c) {
	case 'i':
		o->interface = arg;
		return 1;
	case 'a':
		if (o->n_sources == WIRES_SOURCES ||
		    l4_addr_parse(&o->source[o->n_sources], arg) < 0) {
			fprintf(stderr,
			    "l4 %s: '%s' is not an IPv4 or IPv6 address, or one too many\n", cmd,
			    arg);
			return -1;
		}
		o->n_sources++;
		return 1;
	case 900:
		if (l4_mac_parse(&o->mac, arg) < 0 || l4_mac_is_group(&o->mac)) {
			fprintf(stderr, "l4 %s: '%s' is not an Ethernet address of one station\n",
			    cmd, arg);
			return -1;
		}
		o->has_mac = true;
		return 1;
	case 901:
		o->shared = true;
		return 1;
	case 902:
		o->pcap = arg;
		return 1;
	case 903:
		o->has_seed = true;
		return sendopt_number(&o->seed, cmd, arg, 0, UINT64_MAX) ? 1 : -1;
	case 904:
		return sendopt_number(&o->max, cmd, arg, 1, UINT64_MAX) ? 1 : -1;
	case 905:
		o->json = true;
		return 1;
	case 'q':
		o->quiet = true;
		return 1;
	default:
		return 0;
	}
}

void sendopt_wires(const struct sendopt *o, struct wires *s, const char *cmd)
{
	s->cmd = cmd;
	s->interface = o->interface;
	memcpy(s->source, o->source, sizeof s->source);
	s->n_sources = o->n_sources;
	s->mac = o->mac;
	s->has_mac = o->has_mac;
	s->shared = o->shared;
	s->pcap_path = o->pcap;
}

uint64_t sendopt_draw(const struct sendopt *o)
{
	return o->has_seed ? o->seed : packets_entropy();
}

void sendopt_no_mac(const char *cmd, const struct packet_out *o)
{
	char hop[L4_ADDR_TEXT_MAX];
	l4_addr_format(&o->r.hop, hop, sizeof hop);
	fprintf(stderr, "l4 %s: %s does not answer %s on %s: is it up, and on this link?\n", cmd,
	    hop, l4_addr_is_ip4(&o->r.hop) ? "ARP" : "neighbour solicitations", o->w->name);
}

const char *sendopt_errno_hint(int error, const struct wire *w, size_t n)
{
	if (error == EMSGSIZE || n > w->mtu + (w->ethernet ? 18u : 0u))
		return "; the packet is larger than the interface's MTU ('ip link' shows it)";
	if (error == ENETDOWN)
		return "; the interface is down: ip link set it up";
	if (error == EPERM)
		return "; needs CAP_NET_RAW: run as root";
	return "";
}
