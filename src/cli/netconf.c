/* What the system knows of its network, read from getifaddrs, /proc and /etc/resolv.conf. */
#include "cli/netconf.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static unsigned bits(const uint8_t *mask, size_t n)
{
	unsigned b = 0;
	for (size_t i = 0; i < n; i++)
		for (int k = 7; k >= 0 && (mask[i] >> k & 1); k--)
			b++;
	return b;
}

unsigned netconf_addresses(const char *interface, struct l4_prefix *out, unsigned max)
{
	struct ifaddrs *list;
	unsigned n = 0;
	if (getifaddrs(&list) < 0)
		return 0;
	for (struct ifaddrs *i = list; i && n < max; i = i->ifa_next) {
		if (!i->ifa_addr || !i->ifa_netmask || strcmp(i->ifa_name, interface) != 0)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in a, m;
			memcpy(&a, i->ifa_addr, sizeof(a));
			memcpy(&m, i->ifa_netmask, sizeof(m));
			uint8_t ip[4], mask[4];
			memcpy(ip, &a.sin_addr, 4);
			memcpy(mask, &m.sin_addr, 4);
			out[n].addr = l4_addr_from_ip4(ip);
			out[n++].len = (uint8_t)(96 + bits(mask, 4));
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 a, m;
			memcpy(&a, i->ifa_addr, sizeof(a));
			memcpy(&m, i->ifa_netmask, sizeof(m));
			out[n].addr = l4_addr_from_ip6(a.sin6_addr.s6_addr);
			out[n++].len = (uint8_t)bits(m.sin6_addr.s6_addr, 16);
		}
	}
	freeifaddrs(list);
	return n;
}

/* The default routes of an interface in /proc/net/route and /proc/net/ipv6_route. */
unsigned netconf_gateways(const char *interface, struct l4_addr *out, unsigned max)
{
	char line[512], name[64];
	unsigned n = 0, dst, gw, flags;
	FILE *f = fopen("/proc/net/route", "re");
	while (f && n < max && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %x %x %x", name, &dst, &gw, &flags) != 4 || dst != 0 ||
		    gw == 0 || strcmp(name, interface) != 0)
			continue;
		uint8_t ip[4];
		memcpy(ip, &gw, 4); /* as the kernel stores it */
		out[n++] = l4_addr_from_ip4(ip);
		break;
	}
	if (f)
		fclose(f);
	f = fopen("/proc/net/ipv6_route", "re");
	while (f && n < max && fgets(line, sizeof(line), f)) {
		char hop[33];
		if (sscanf(line,
			"00000000000000000000000000000000 00 %*32s %*2s %32s %*8s %*8s %*8s %*8s "
			"%63s",
			hop, name) != 2 ||
		    strcmp(name, interface) != 0 || strspn(hop, "0") == 32)
			continue;
		uint8_t ip[16];
		for (size_t i = 0; i < 16; i++) {
			unsigned v = 0;
			sscanf(hop + 2 * i, "%2x", &v);
			ip[i] = (uint8_t)v;
		}
		out[n++] = l4_addr_from_ip6(ip);
		break;
	}
	if (f)
		fclose(f);
	return n;
}

unsigned netconf_dns(struct l4_addr *out, unsigned max)
{
	char line[512], text[128];
	unsigned n = 0;
	FILE *f = fopen("/etc/resolv.conf", "re");
	while (f && n < max && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %127s", text) == 1 &&
		    l4_addr_parse(&out[n], text) == 0)
			n++;
	if (f)
		fclose(f);
	return n;
}
