/* Which process a packet belongs to, by its ports.
 *
 * The kernel does not say it with the packet, so the tables of sockets (sock_diag) and of who holds
 * them (/proc/PID/fd), as l4 ports reads them, are read when a packet of this machine has ports
 * that were not seen before. What was found stays known after the process closed the socket; a SYN
 * forgets what its ports meant before. A socket that lived shorter than the 50 ms in which the
 * kernel hands packets over is mostly not found any more: then nothing is said.
 *
 * Bounded: the tables are read at most five times a second and in a tenth of the time at most;
 * ports that nobody had are not asked for again for two seconds; ENTRIES_MAX are remembered, then
 * all is forgotten. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <layer4/addr.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/capture.h"
#include "cli/ports.h"

enum { SLOTS = 1 << 17, ENTRIES_MAX = SLOTS / 2, LOCALS_MAX = 256, NOBODY_MS = 2000 };

struct owner {
	struct l4_addr raddr;
	uint16_t lport, rport; /* rport 0: whoever is at the other end */
	uint8_t proto;         /* 0: a free slot */
	int32_t pid;           /* 0: nobody was found */
	uint64_t asked_ms;
	char comm[24];
};

struct owners {
	struct owner *slot;
	size_t n;
	struct l4_addr local[LOCALS_MAX];
	unsigned n_local;
	uint64_t next_read_ms; /* not before */
	struct ports_table table;
};

/* The ports and addresses of a packet. */
struct ends {
	uint8_t proto;
	bool syn;
	struct l4_addr src, dst;
	uint16_t sport, dport;
};

struct owners *owners_new(void)
{
	struct owners *o = calloc(1, sizeof *o);
	if (o && !(o->slot = calloc(SLOTS, sizeof *o->slot))) {
		free(o);
		return NULL;
	}
	return o;
}

void owners_free(struct owners *o)
{
	if (!o)
		return;
	ports_table_fini(&o->table);
	free(o->slot);
	free(o);
}

static unsigned u16_at(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

/* IPv4 or IPv6 without extension headers: the first fragment's ports. */
static bool ends_of_ip(const uint8_t *p, uint32_t n, struct ends *e)
{
	uint32_t head;
	if (n >= 20 && p[0] >> 4 == 4) {
		head = (p[0] & 15u) * 4;
		if (u16_at(p + 6) & 0x1fff)
			return false;
		e->proto = p[9];
		e->src = l4_addr_from_ip4(p + 12);
		e->dst = l4_addr_from_ip4(p + 16);
	} else if (n >= 40 && p[0] >> 4 == 6) {
		head = 40;
		e->proto = p[6];
		e->src = l4_addr_from_ip6(p + 8);
		e->dst = l4_addr_from_ip6(p + 24);
	} else {
		return false;
	}
	if ((e->proto != PORTS_TCP && e->proto != PORTS_UDP) || n < head + 4)
		return false;
	e->sport = (uint16_t)u16_at(p + head);
	e->dport = (uint16_t)u16_at(p + head + 2);
	e->syn = e->proto == PORTS_TCP && n >= head + 14 && (p[head + 13] & 0x12) == 2;
	return true;
}

static bool ends_of(const struct l4_cap_packet *c, struct ends *e)
{
	const uint8_t *p = c->data;
	uint32_t n = c->caplen, at = 0;
	if (c->linktype == L4_LINK_ETHERNET) {
		at = 14;
		for (int tags = 0; tags < 2 && n >= at + 4; tags++, at += 4) {
			unsigned type = u16_at(p + at - 2);
			if (type != 0x8100 && type != 0x88a8)
				break;
		}
	} else if (c->linktype == L4_LINK_LINUX_SLL2) {
		at = SLL2_BYTES;
	}
	return n > at && ends_of_ip(p + at, n - at, e);
}

static size_t slot_of(const struct owners *o, uint8_t proto, uint16_t lport, uint16_t rport,
    const struct l4_addr *raddr)
{
	uint64_t a, b;
	memcpy(&a, raddr->b, 8);
	memcpy(&b, raddr->b + 8, 8);
	uint64_t h =
	    (a ^ b ^ ((uint64_t)lport << 32 | (uint64_t)rport << 8 | proto)) * 0x9e3779b97f4a7c15u;
	size_t i = (size_t)(h >> 40) & (SLOTS - 1);
	for (;; i = (i + 1) & (SLOTS - 1)) {
		const struct owner *x = &o->slot[i];
		if (!x->proto || (x->proto == proto && x->lport == lport && x->rport == rport &&
				     l4_addr_eq(&x->raddr, raddr)))
			return i;
	}
}

static struct owner *put(
    struct owners *o, uint8_t proto, uint16_t lport, uint16_t rport, const struct l4_addr *raddr)
{
	size_t i = slot_of(o, proto, lport, rport, raddr);
	if (!o->slot[i].proto) {
		if (o->n == ENTRIES_MAX) {
			memset(o->slot, 0, SLOTS * sizeof *o->slot);
			o->n = 0;
			i = slot_of(o, proto, lport, rport, raddr);
		}
		o->n++;
		o->slot[i] = (struct owner){
			.proto = proto, .lport = lport, .rport = rport, .raddr = *raddr
		};
	}
	return &o->slot[i];
}

static void read_locals(struct owners *o)
{
	struct ifaddrs *list;
	if (getifaddrs(&list))
		return;
	o->n_local = 0;
	for (const struct ifaddrs *i = list; i && o->n_local < LOCALS_MAX; i = i->ifa_next) {
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in a;
			memcpy(&a, i->ifa_addr, sizeof a);
			uint8_t b[4];
			memcpy(b, &a.sin_addr, 4);
			o->local[o->n_local++] = l4_addr_from_ip4(b);
		} else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 a;
			memcpy(&a, i->ifa_addr, sizeof a);
			o->local[o->n_local++] = l4_addr_from_ip6(a.sin6_addr.s6_addr);
		}
	}
	freeifaddrs(list);
}

static bool is_local(const struct owners *o, const struct l4_addr *a)
{
	if (l4_addr_is_loopback(a))
		return true;
	for (unsigned i = 0; i < o->n_local; i++)
		if (l4_addr_eq(&o->local[i], a))
			return true;
	return false;
}

static void read_sockets(struct owners *o, uint64_t now_ms)
{
	static const struct l4_addr none;
	const struct ports_query q = { .tcp = true,
		.udp = true,
		.ip4 = true,
		.ip6 = true,
		.states = PORTS_ALL_STATES,
		.lport_max = 65535 };
	const char *what;
	struct ports_walk *w = ports_walk_start(&o->table, NULL, 0);
	ports_table_clear(&o->table);
	(void)ports_diag_read(&o->table, &q, 0, &what);
	if (!w || ports_walk_join(w, &o->table))
		return;
	for (size_t i = 0; i < o->table.n; i++) {
		const struct ports_sock *s = &o->table.socks[i];
		if (!s->holder)
			continue;
		const struct ports_holder *h = &o->table.holders[s->holder - 1];
		const struct ports_proc *p = &o->table.procs[h->proc];
		struct owner *x =
		    put(o, s->proto, s->lport, s->rport, s->rport ? &s->raddr : &none);
		x->pid = p->pid;
		x->asked_ms = now_ms;
		snprintf(x->comm, sizeof x->comm, "%.23s", p->comm);
		for (char *c = x->comm; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
	}
}

static uint64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Known, or NULL. *ask: it was not asked for lately. */
static const struct owner *look(
    const struct owners *o, const struct ends *e, bool source, uint64_t now_ms, bool *ask)
{
	static const struct l4_addr none;
	uint16_t lport = source ? e->sport : e->dport, rport = source ? e->dport : e->sport;
	const struct owner *x =
	    &o->slot[slot_of(o, e->proto, lport, rport, source ? &e->dst : &e->src)];
	if (x->proto && x->pid)
		return x;
	*ask = *ask || !x->proto || now_ms - x->asked_ms > NOBODY_MS;
	x = &o->slot[slot_of(o, e->proto, lport, 0, &none)];
	return x->proto && x->pid ? x : NULL;
}

size_t owners_text(
    struct owners *o, const struct l4_cap_packet *p, uint64_t now_ms, char *text, size_t cap)
{
	struct ends e = { 0 };
	const struct owner *who[2] = { NULL, NULL };
	bool ask = false, local[2];
	if (!ends_of(p, &e))
		return 0;
	if (!o->n_local)
		read_locals(o);
	local[0] = is_local(o, &e.src);
	local[1] = is_local(o, &e.dst);
	if (!local[0] && !local[1])
		return 0;
	for (int k = 0; k < 2 && e.syn; k++) {
		size_t i = slot_of(
		    o, e.proto, k ? e.dport : e.sport, k ? e.sport : e.dport, k ? &e.src : &e.dst);
		if (o->slot[i].proto) {
			o->slot[i].pid = 0;
			o->slot[i].asked_ms = 0;
		}
	}
	for (int k = 0; k < 2; k++)
		if (local[k])
			who[k] = look(o, &e, k == 0, now_ms, &ask);
	if (ask && now_ms >= o->next_read_ms) {
		uint64_t from = clock_ms();
		read_locals(o);
		read_sockets(o, now_ms);
		uint64_t took = clock_ms() - from;
		o->next_read_ms = now_ms + (took > 20 ? took * 10 : 200);
		for (int k = 0; k < 2; k++) {
			bool again = false;
			if (!local[k])
				continue;
			/* What nobody has is not asked for again at once. */
			struct owner *x = put(o, e.proto, k ? e.dport : e.sport,
			    k ? e.sport : e.dport, k ? &e.src : &e.dst);
			x->asked_ms = now_ms;
			who[k] = look(o, &e, k == 0, now_ms, &again);
		}
	}
	int n = 0;
	if (who[0] && who[1])
		n = snprintf(text, cap, "from %s (%d) to %s (%d)", who[0]->comm, who[0]->pid,
		    who[1]->comm, who[1]->pid);
	else if (who[0] || who[1])
		n = snprintf(text, cap, "%s %s (%d)", who[0] ? "from" : "to",
		    who[0] ? who[0]->comm : who[1]->comm, who[0] ? who[0]->pid : who[1]->pid);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
