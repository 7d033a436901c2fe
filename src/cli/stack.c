/* A host on a real device: the options that commands share, the chain of devices, the loop.
 *
 * From the wire to the host: the device (with --shared, guarded: what is not ours is the kernel's);
 * with --impair, the faults; with --pcap, the capture; with --trace, the ladder. So capture and
 * ladder show what our host sent and what reached it. */
#include "cli/stack.h"

#include <layer4/err.h>
#include <layer4/wire.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/ladder.h"
#include "cli/netconf.h"
#include "cli/signals.h"

#define ADDRESS_WAIT (10 * L4_SEC) /* for DHCP, SLAAC */
#define CLAIM_TRIES  50

const char stack_help[] =
    "Where the packets go:\n"
    "  -d, --device DEV      tap:NAME, tun:NAME, packet:INTERFACE or xdp:INTERFACE\n"
    "  -a, --address A/LEN   an address of our own (may be given several times, v4 and v6);\n"
    "                        without one: DHCP and router advertisements\n"
    "  -g, --gateway A       where packets for elsewhere go (one for v4, one for v6)\n"
    "      --mac MAC         our Ethernet address (default: made from the address)\n"
    "      --mtu N           bytes of an IP packet\n"
    "      --dns A           name server (default: those of /etc/resolv.conf)\n"
    "      --shared          with packet: use the interface's own addresses; the kernel is\n"
    "                        kept silent on our ports\n"
    "      --pcap FILE       write everything sent and received as pcapng\n"
    "      --impair SPEC     as loss=2%,delay=20ms,reorder=1%,dup=1%,corrupt=0.01%,rate=10mbit\n"
    "      --seed N          all randomness from one number\n"
    "      --trace           print each segment on standard error\n"
    "      --info            print the connection's statistics on standard error\n"
    "      --json            machine-readable output, one object a line\n"
    "      --help            this text\n";

/* --- options --- */

static int wrong(const char *cmd, const char *what, const char *arg, const char *hint)
{
	fprintf(stderr, "l4 %s: %s '%s'%s%s\n", cmd, what, arg, hint ? ": " : "", hint ? hint : "");
	return -1;
}

int stack_parse_number(uint64_t *out, const char *text, uint64_t lo, uint64_t hi)
{
	char *end;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 0);
	if (end == text || *end || errno || text[0] == '-' || v < lo || v > hi)
		return L4_EMALFORMED;
	*out = v;
	return 0;
}

int stack_parse_time(l4_time *out, const char *text)
{
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	double unit = 1e9;
	if (end == text || errno || !(v >= 0) || v > 1e9)
		return L4_EMALFORMED;
	if (!strcmp(end, "ms"))
		unit = 1e6;
	else if (!strcmp(end, "m"))
		unit = 60e9;
	else if (*end && strcmp(end, "s") != 0)
		return L4_EMALFORMED;
	*out = (l4_time)(v * unit);
	return 0;
}

static int opt_device(struct stack_opts *o, const char *cmd, const char *arg)
{
	static const char *const kinds[] = { "tap:", "tun:", "packet:", "xdp:" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i]);
		if (strncmp(arg, kinds[i], n) == 0 && arg[n]) {
			o->device = arg;
			return 1;
		}
	}
	return wrong(
	    cmd, "not a device", arg, "use tap:NAME, tun:NAME, packet:INTERFACE or xdp:INTERFACE");
}

static int opt_address(struct stack_opts *o, const char *cmd, const char *arg)
{
	if (o->address_n == STACK_ADDRESSES)
		return wrong(cmd, "too many addresses at", arg, NULL);
	if (!strchr(arg, '/') || l4_prefix_parse(&o->address[o->address_n], arg) < 0)
		return wrong(cmd, "not an address with its prefix length", arg,
		    "write it as 192.0.2.2/24 or 2001:db8::2/64");
	o->address_n++;
	return 1;
}

static int opt_list(
    struct l4_addr *list, unsigned *n, const char *cmd, const char *what, const char *arg)
{
	if (*n == STACK_DNS || l4_addr_parse(&list[*n], arg) < 0)
		return wrong(cmd, what, arg, "it must be an IPv4 or IPv6 address");
	(*n)++;
	return 1;
}

static int opt_impair(struct stack_opts *o, const char *cmd, const char *arg)
{
	size_t at = 0;
	if (l4_impair_parse(&o->impair, arg, &at) < 0) {
		fprintf(stderr, "l4 %s: --impair: cannot read '%s' at '%s'\n", cmd, arg, arg + at);
		return -1;
	}
	o->has_impair = true;
	return 1;
}

int stack_opt(struct stack_opts *o, const char *cmd, int c, const char *arg)
{
	uint64_t v;
	switch (c) {
	case 'd':
		return opt_device(o, cmd, arg);
	case 'a':
		return opt_address(o, cmd, arg);
	case 'g':
		return opt_list(o->gateway, &o->gateway_n, cmd, "gateway", arg);
	case 900:
		if (l4_mac_parse(&o->mac, arg) < 0 || l4_mac_is_group(&o->mac))
			return wrong(cmd, "not an Ethernet address", arg, NULL);
		o->has_mac = true;
		return 1;
	case 901:
		if (stack_parse_number(&v, arg, 576, 65535) < 0)
			return wrong(cmd, "not an MTU", arg, "576 to 65535 bytes");
		o->mtu = (uint32_t)v;
		return 1;
	case 902:
		return opt_list(o->dns, &o->dns_n, cmd, "name server", arg);
	case 903:
		o->shared = true;
		return 1;
	case 904:
		o->pcap = arg;
		return 1;
	case 905:
		return opt_impair(o, cmd, arg);
	case 906:
		if (stack_parse_number(&o->seed, arg, 0, UINT64_MAX) < 0)
			return wrong(cmd, "not a seed", arg, "a whole number");
		o->has_seed = true;
		return 1;
	case 907:
		o->trace = true;
		return 1;
	case 908:
		o->info = true;
		return 1;
	case 909:
		o->json = true;
		return 1;
	default:
		return 0;
	}
}

/* --- randomness --- */

static uint64_t splitmix(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t stack_random(struct stack *s)
{
	uint64_t v;
	if (!s->o->has_seed && getrandom(&v, sizeof(v), 0) == (ssize_t)sizeof(v))
		return v;
	return splitmix(&s->rng);
}

/* --- opening --- */

static int fail(const struct stack *s, const char *what, int rc)
{
	fprintf(stderr, "l4 %s: %s: %s\n", s->cmd, what, l4_err_text(rc));
	return L4_EXIT_SYSTEM;
}

static void on_frame(void *ctx, bool sent, const struct l4_frame *f, l4_time now)
{
	struct stack *s = ctx;
	ladder_frame(s->ladder, sent ? LADDER_OUT : LADDER_IN, s->medium, f, now);
}

static int no_device(const char *cmd)
{
	fprintf(stderr,
	    "l4 %s: no device to send on. Give one of\n"
	    "  -d packet:eth0 --shared                 the interface's own address\n"
	    "  -d packet:eth0 -a 192.0.2.9/24 -g 192.0.2.1   an address of our own on its network\n"
	    "  -d tap:l4 -a 10.4.0.2/24                a TAP interface (ip addr add 10.4.0.1/24 "
	    "dev l4)\n",
	    cmd);
	return L4_EXIT_USAGE;
}

/* Wraps *d by the devices that the options ask for. Closes it on failure. */
static int build_chain(struct stack *s, struct l4_device **d)
{
	const struct stack_opts *o = s->o;
	struct l4_device *out;
	char err[256] = "";
	int rc = 0;
	if (o->shared)
		rc = l4_guard_new(&s->guard, strchr(o->device, ':') + 1, *d, err, sizeof(err));
	if (rc == 0 && o->has_impair &&
	    (rc = l4_fault_new(&out, *d, &o->impair, stack_random(s))) == 0)
		*d = out;
	if (rc == 0 && o->pcap && (rc = l4_pcap_new(&out, *d, o->pcap, err, sizeof(err))) == 0)
		*d = out;
	if (rc == 0 && o->trace) {
		struct ladder_config lc = { .out = stderr,
			.json = o->json,
			.color = isatty(STDERR_FILENO) && !getenv("NO_COLOR") };
		s->ladder = ladder_new(&lc);
		rc = s->ladder ? l4_tap_new(&out, *d, on_frame, s) : L4_ENOMEM;
		if (rc == 0)
			*d = out;
	}
	if (rc < 0) {
		if (err[0])
			fprintf(stderr, "l4 %s: %s\n", s->cmd, err);
		else
			fail(s, "device", rc);
		(*d)->ops->close(*d);
		return L4_EXIT_SYSTEM;
	}
	return L4_EXIT_DONE;
}

static int make_host(struct stack *s)
{
	struct l4_host_config c;
	l4_host_config_init(&c);
	c.now = l4_loop_now(s->loop);
	c.icmp_echo = !s->o->shared;
	c.has_seed = true;
	if (s->o->has_seed) {
		for (size_t i = 0; i < sizeof(c.seed); i += 8) {
			uint64_t v = splitmix(&s->rng);
			memcpy(c.seed + i, &v, 8);
		}
	} else {
		int rc = l4_entropy(c.seed);
		if (rc < 0)
			return fail(s, "randomness", rc);
	}
	int rc = l4_host_new(&s->host, &c);
	return rc < 0 ? fail(s, "host", rc) : L4_EXIT_DONE;
}

/* An address of our own among Ethernet addresses, locally administered. With a fixed IP address it
 * follows from that, so that neighbours who remember us from the last call are right (Linux does
 * not take a new MAC for a known address within a second); else it is random: v. */
static struct l4_mac make_mac(const struct stack_opts *o, uint64_t v)
{
	struct l4_mac m;
	if (o->address_n) {
		v = 14695981039346656037u;
		for (size_t i = 0; i < 16; i++)
			v = (v ^ o->address[0].addr.b[i]) * 1099511628211u;
		v = splitmix(&v);
	}
	memcpy(m.b, &v, sizeof(m.b));
	m.b[0] = (uint8_t)((m.b[0] & 0xfc) | 0x02);
	return m;
}

static struct l4_mac choose_mac(struct stack *s)
{
	return make_mac(s->o, s->o->address_n ? 0 : stack_random(s));
}

struct l4_device_options stack_device_options(const struct stack_opts *o)
{
	struct l4_device_options dev = { .mtu = o->mtu, .no_offload = o->no_offload };
	if (strncmp(o->device, "packet:", 7) == 0 && !o->shared && (o->has_mac || o->address_n))
		dev.mac = o->has_mac ? o->mac : make_mac(o, 0);
	return dev;
}

static void add_default_route(struct stack *s, const struct l4_addr *gateway)
{
	struct l4_prefix all = { .len = 0 };
	if (l4_addr_is_ip4(gateway)) {
		l4_prefix_parse(&all, "0.0.0.0/0");
	} else {
		l4_prefix_parse(&all, "::/0");
	}
	int rc = l4_host_add_route(s->host, &all, gateway, s->ifindex, 100);
	if (rc < 0)
		fail(s, "route", rc);
}

static int add_addresses(struct stack *s)
{
	const struct stack_opts *o = s->o;
	struct l4_prefix list[STACK_ADDRESSES];
	struct l4_addr gw[STACK_DNS];
	unsigned n = o->address_n, gw_n = o->gateway_n;
	l4_time now = l4_loop_now(s->loop);
	memcpy(list, o->address, sizeof(list));
	memcpy(gw, o->gateway, sizeof(gw));
	if (o->shared && n == 0)
		n = netconf_addresses(strchr(o->device, ':') + 1, list, STACK_ADDRESSES);
	if (o->shared && n == 0) {
		fprintf(stderr, "l4 %s: --shared: %s has no address\n", s->cmd, o->device);
		return L4_EXIT_SYSTEM;
	}
	if (o->shared && gw_n == 0)
		gw_n = netconf_gateways(strchr(o->device, ':') + 1, gw, STACK_DNS);
	for (unsigned i = 0; i < n; i++) {
		int rc = l4_host_add_address(s->host, s->ifindex, &list[i], now);
		if (rc < 0)
			return fail(s, "address", rc);
	}
	for (unsigned i = 0; i < gw_n; i++)
		add_default_route(s, &gw[i]);
	if (s->medium == L4_MEDIUM_IP && gw_n == 0) { /* a line with one other end */
		struct l4_addr any4, any6;
		l4_addr_parse(&any4, "0.0.0.0");
		l4_addr_parse(&any6, "::");
		add_default_route(s, &any4);
		add_default_route(s, &any6);
	}
	return L4_EXIT_DONE;
}

/* Whether an address can be used that reaches further than the link. */
static bool has_address(const struct stack *s)
{
	struct l4_iface_address a[32];
	int n = l4_host_addresses(s->host, s->ifindex, a, 32);
	for (int i = 0; i < n && i < 32; i++)
		if (a[i].state == L4_ADDR_PREFERRED && !l4_addr_is_link_local(&a[i].prefix.addr))
			return true;
	return false;
}

static int wait_address(struct stack *s)
{
	l4_time until = l4_loop_now(s->loop) + ADDRESS_WAIT;
	struct l4_event ev[16];
	while (!has_address(s)) {
		if (l4_loop_now(s->loop) >= until) {
			fprintf(stderr,
			    "l4 %s: %s: no address by DHCP or router advertisement within 10 s; "
			    "give one "
			    "with -a\n",
			    s->cmd, s->o->device);
			return L4_EXIT_SYSTEM;
		}
		if (!stack_step(s, until))
			return L4_EXIT_SYSTEM;
		l4_host_events(s->host, ev, 16);
	}
	return L4_EXIT_DONE;
}

static int open_device(struct stack *s, struct l4_device **d)
{
	const struct stack_opts *o = s->o;
	struct l4_device_options dev = stack_device_options(o);
	char err[256] = "";
	if (strncmp(o->device, "packet:", 7) == 0 && !o->shared && l4_mac_is_zero(&dev.mac))
		dev.mac = choose_mac(s);
	int rc = 0;
	if (o->opened)
		*d = o->opened;
	else
		rc = l4_device_open(d, o->device, &dev, err, sizeof(err));
	if (rc < 0) {
		fprintf(stderr, "l4 %s: %s\n", s->cmd, err[0] ? err : l4_err_text(rc));
		return L4_EXIT_SYSTEM;
	}
	return build_chain(s, d);
}

static int open_all(struct stack *s)
{
	const struct stack_opts *o = s->o;
	struct l4_device *d;
	struct l4_iface_config ic;
	int rc = l4_loop_new(&s->loop);
	if (rc < 0)
		return fail(s, "loop", rc);
	if ((rc = open_device(s, &d)) != L4_EXIT_DONE)
		return rc;
	memset(&ic, 0, sizeof(ic));
	d->ops->caps(d, &ic.caps);
	s->medium = ic.caps.medium;
	if (o->has_mac)
		ic.caps.mac = o->mac;
	else if (s->medium == L4_MEDIUM_ETHERNET && l4_mac_is_zero(&ic.caps.mac))
		ic.caps.mac = choose_mac(s);
	snprintf(ic.name, sizeof(ic.name), "%s", strchr(o->device, ':') + 1);
	bool dynamic = o->address_n == 0 && !o->shared && s->medium == L4_MEDIUM_ETHERNET;
	ic.accept_ra = ic.dhcp4 = ic.dad = dynamic;
	ic.link_local = !o->shared && s->medium == L4_MEDIUM_ETHERNET;
	if ((rc = make_host(s)) != L4_EXIT_DONE) {
		d->ops->close(d);
		return rc;
	}
	rc = l4_host_add_iface(s->host, &ic, l4_loop_now(s->loop));
	if (rc > 0) {
		s->ifindex = (unsigned)rc;
		rc = l4_loop_add(s->loop, s->host, s->ifindex, d);
	}
	if (rc < 0) {
		d->ops->close(d);
		return fail(s, "interface", rc);
	}
	if ((rc = add_addresses(s)) != L4_EXIT_DONE)
		return rc;
	return dynamic ? wait_address(s) : L4_EXIT_DONE;
}

int stack_open(struct stack *s, const struct stack_opts *o, const char *cmd)
{
	memset(s, 0, sizeof(*s));
	s->cmd = cmd;
	s->o = o;
	s->rng = o->seed;
	if (!o->device)
		return no_device(cmd);
	if (o->shared && strncmp(o->device, "packet:", 7) != 0) {
		fprintf(stderr, "l4 %s: --shared goes with -d packet:INTERFACE only\n", cmd);
		return L4_EXIT_USAGE;
	}
	if (o->address_n == 0 && !o->shared && strncmp(o->device, "tun:", 4) == 0) {
		fprintf(stderr, "l4 %s: tun needs an address (-a 10.4.0.2/24)\n", cmd);
		return L4_EXIT_USAGE;
	}
	signals_init();
	int rc = open_all(s);
	if (rc != L4_EXIT_DONE) {
		stack_close(s);
		return rc;
	}
	s->dns_n = o->dns_n;
	memcpy(s->dns, o->dns, sizeof(s->dns));
	if (s->dns_n == 0) {
		int n = l4_host_dns_servers(s->host, s->dns, STACK_DNS);
		s->dns_n = n > 0 ? (unsigned)(n < STACK_DNS ? n : STACK_DNS) : 0;
	}
	if (s->dns_n == 0)
		s->dns_n = netconf_dns(s->dns, STACK_DNS);
	return L4_EXIT_DONE;
}

bool stack_step(struct stack *s, l4_time until)
{
	if (signals_stop() || s->failed)
		return false;
	int rc = l4_loop_once(s->loop, until);
	if (rc < 0 && rc != L4_EAGAIN) {
		fprintf(stderr, "l4 %s: %s: %s\n", s->cmd, s->o->device, l4_err_text(rc));
		s->failed = true;
		return false;
	}
	return !signals_stop();
}

l4_time stack_now(const struct stack *s)
{
	return l4_loop_now(s->loop);
}

bool stack_claim(struct stack *s, uint8_t protocol, uint16_t *port)
{
	char err[256] = "";
	bool any = *port == 0;
	int rc = 0;
	if (!s->o->shared)
		return true;
	for (int i = 0; i < CLAIM_TRIES; i++) {
		if (any) /* above those that the kernel gives out (ip_local_port_range) */
			*port = (uint16_t)(61000 + stack_random(s) % (65536 - 61000));
		rc = l4_guard_add(s->guard, protocol, *port, err, sizeof(err));
		if (rc != L4_EINUSE || !any)
			break;
	}
	if (rc < 0)
		fprintf(stderr, "l4 %s: --shared: %s\n", s->cmd, err[0] ? err : l4_err_text(rc));
	return rc == 0;
}

void stack_drain(struct stack *s, l4_time grace, bool (*done)(void *ctx), void *ctx)
{
	l4_time until = stack_now(s) + grace;
	while (!s->failed && stack_now(s) < until && !done(ctx)) {
		int rc = l4_loop_once(s->loop, until);
		if (rc < 0 && rc != L4_EAGAIN)
			return;
	}
}

void stack_close(struct stack *s)
{
	l4_guard_free(s->guard); /* before its device */
	l4_loop_free(s->loop);
	l4_host_free(s->host);
	ladder_free(s->ladder);
	memset(s, 0, sizeof(*s));
}
