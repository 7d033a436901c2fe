/* Opening devices by their text form, and what they have in common: errors and interface ioctls. */
#include "device/sys.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <layer4/err.h>

int l4_sys_fail(char *err, size_t cap, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (err && cap)
		vsnprintf(err, cap, fmt, ap);
	va_end(ap);
	return code;
}

int l4_sys_code(int errnum)
{
	switch (errnum) {
	case EPERM:
	case EACCES:
		return L4_EPERM;
	case EINVAL:
		return L4_EINVAL;
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return L4_ENOTFOUND;
	case EBUSY:
	case EADDRINUSE:
		return L4_EINUSE;
	case ENOMEM:
		return L4_ENOMEM;
	default:
		return L4_ESYS;
	}
}

int l4_sys_if_mtu(int sock, const char *name, uint32_t set, uint32_t *mtu)
{
	struct ifreq r = { 0 };
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (set) {
		r.ifr_mtu = (int)set;
		if (ioctl(sock, SIOCSIFMTU, &r) < 0)
			return -1;
	}
	if (ioctl(sock, SIOCGIFMTU, &r) < 0)
		return -1;
	*mtu = (uint32_t)r.ifr_mtu;
	return 0;
}

int l4_sys_if_up(int sock, const char *name)
{
	struct ifreq r = { 0 };
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	if (ioctl(sock, SIOCGIFFLAGS, &r) < 0)
		return -1;
	if (r.ifr_flags & IFF_UP)
		return 0;
	r.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &r);
}

int l4_device_open(struct l4_device **out, const char *spec, const struct l4_device_options *o,
    char *err, size_t cap)
{
	static const struct l4_device_options none;
	*out = NULL;
	if (err && cap)
		err[0] = 0;
	if (!o)
		o = &none;
	const char *name = strchr(spec, ':');
	size_t n = name ? (size_t)(name - spec) : 0;
	if (!name || !name[1])
		return l4_sys_fail(err, cap, L4_EINVAL,
		    "device '%s': want tap:NAME, tun:NAME, packet:INTERFACE or xdp:INTERFACE",
		    spec);
	name++;
	if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/ \t\n"))
		return l4_sys_fail(err, cap, L4_EINVAL,
		    "device '%s': an interface name has at most %d characters, no space, no '/'",
		    spec, IFNAMSIZ - 1);
	if (n == 3 && !strncmp(spec, "tap", 3))
		return l4_tuntap_open(out, true, name, o, err, cap);
	if (n == 3 && !strncmp(spec, "tun", 3))
		return l4_tuntap_open(out, false, name, o, err, cap);
	if (n == 6 && !strncmp(spec, "packet", 6))
		return l4_packet_open(out, name, o, err, cap);
	if (n == 3 && !strncmp(spec, "xdp", 3))
		return l4_xdp_open(out, name, 0, NULL, o, err, cap);
	return l4_sys_fail(err, cap, L4_EINVAL,
	    "device '%s': unknown kind '%.*s'; want tap, tun, packet or xdp", spec, (int)n, spec);
}

int l4_entropy(uint8_t out[32])
{
	size_t have = 0;
	while (have < 32) {
		ssize_t n = getrandom(out + have, 32 - have, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return L4_EENTROPY;
		have += (size_t)n;
	}
	return 0;
}
