/* Sockets from /proc/net/{tcp,tcp6,udp,udp6}: the way out where the kernel has no sock_diag.
 *
 * The lines are fixed text: slot, local and remote address in hex of the machine's own byte order
 * (32-bit words), state, queues, timers, retransmissions, uid, timeout, inode. What they do not
 * tell (v6only, tcp_info, sockets bound and not listening) is left out. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/ports.h"

static bool parse_address(struct l4_addr *out, const char *hex, uint8_t family)
{
	uint8_t b[16];
	size_t words = family == AF_INET6 ? 4 : 1;
	if (strlen(hex) != words * 8)
		return false;
	for (size_t i = 0; i < words; i++) {
		uint32_t w;
		if (sscanf(hex + 8 * i, "%8" SCNx32, &w) != 1)
			return false;
		memcpy(b + 4 * i, &w, 4);
	}
	*out = family == AF_INET6 ? l4_addr_from_ip6(b) : l4_addr_from_ip4(b);
	return true;
}

static bool parse_line(struct ports_sock *s, const char *line)
{
	char l[33], r[33];
	unsigned lport, rport, state, uid;
	unsigned long inode;
	if (sscanf(line,
		"%*d: %32[0-9A-Fa-f]:%4x %32[0-9A-Fa-f]:%4x %2x %8x:%8x %*x:%*x %*x %u %*d %lu", l,
		&lport, r, &rport, &state, &s->wqueue, &s->rqueue, &uid, &inode) != 9)
		return false;
	s->lport = (uint16_t)lport;
	s->rport = (uint16_t)rport;
	s->state = (uint8_t)(state & 31);
	s->uid = uid;
	s->inode = (uint32_t)inode;
	return parse_address(&s->laddr, l, s->family) && parse_address(&s->raddr, r, s->family);
}

static int read_one(struct ports_table *t, const struct ports_query *q, uint16_t netns,
    const char *path, uint8_t proto, uint8_t family)
{
	char line[512];
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -1;
	while (fgets(line, sizeof line, f)) {
		struct ports_sock s = { .proto = proto, .family = family, .netns = netns };
		if (!parse_line(&s, line) || !(q->states >> s.state & 1))
			continue;
		if (s.lport < q->lport_min || s.lport > q->lport_max)
			continue;
		if (!ports_grow((void **)&t->socks, &t->cap, t->n, sizeof *t->socks))
			break;
		/* There is no cookie; the ends and the inode serve to tell sockets apart. */
		s.cookie = (uint64_t)s.inode << 32 | (uint32_t)s.lport << 16 | s.rport;
		t->socks[t->n++] = s;
	}
	int bad = ferror(f);
	fclose(f);
	return bad ? -1 : 0;
}

int ports_procnet_read(struct ports_table *t, const struct ports_query *q, uint16_t netns)
{
	/* thread-self, since setns moves one thread. */
	static const struct {
		const char *path;
		uint8_t proto, family;
	} files[] = {
		{ "/proc/thread-self/net/tcp", PORTS_TCP, AF_INET },
		{ "/proc/thread-self/net/tcp6", PORTS_TCP, AF_INET6 },
		{ "/proc/thread-self/net/udp", PORTS_UDP, AF_INET },
		{ "/proc/thread-self/net/udp6", PORTS_UDP, AF_INET6 },
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (!(files[i].proto == PORTS_TCP ? q->tcp : q->udp) ||
		    !(files[i].family == AF_INET ? q->ip4 : q->ip6))
			continue;
		if (read_one(t, q, netns, files[i].path, files[i].proto, files[i].family) < 0)
			return -1;
	}
	return 0;
}
