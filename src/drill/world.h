/* One host in virtual time, with a wire on which packets are laid and taken. Included by src/drill
 * and src/adapter only.
 *
 * The world owns the host, its sockets and the clock. Packets that the host sends are queued with
 * the moment at which they left; packets for it are injected at the present moment. Time moves only
 * by l4_world_run. */
#ifndef L4_DRILL_WORLD_H
#define L4_DRILL_WORLD_H

#include <layer4/host.h>

#include "posix/sock.h"

enum l4_world_ip { L4_WORLD_IP4, L4_WORLD_MAPPED, L4_WORLD_IP6 };

/* What a script or its caller may set; l4_settings_init gives packetdrill's defaults. */
struct l4_settings {
	enum l4_world_ip ip;
	struct l4_addr local, remote, gateway;
	uint8_t prefix_len; /* of the local net, 128-bit form */
	bool local_set, remote_set, gateway_set;
	uint32_t mtu;
	bool mtu_set;
	uint64_t seed;
	uint16_t base_mss; /* tcp_base_mss, for tcp_mtu_probing=2 */
	bool forget;       /* cookies of servers, at the next l4_world_configure */
	bool tso;          /* the host hands down segments of up to 64 KiB, cut here */
	struct l4_host_config host;
};

void l4_settings_init(struct l4_settings *s);
/* Chooses the addresses of a version of IP. */
void l4_settings_ip(struct l4_settings *s, enum l4_world_ip ip);
/* One setting by name: "net.ipv4.tcp_sack", "net.inet.tcp.sack.enable", "ip", "local", "mtu",
 * "seed" ... Returns 1 when known and set, 0 when the name is unknown, L4_EINVAL when the value is
 * of no use. */
int l4_settings_set(struct l4_settings *s, const char *name, const char *value);
/* "key=value;key=value;". Unknown keys are passed over; returns how many were set. */
int l4_settings_flags(struct l4_settings *s, const char *flags);
/* Looks for settings in a shell command (sysctl lines, /proc/sys paths) and in the scripts that it
 * names, looked up beside base (a file name, or NULL). Nothing is executed. Returns how many were
 * set. note (may be NULL) is told of each name that is unknown. */
int l4_settings_command(struct l4_settings *s, const char *command, const char *base,
    void (*note)(void *ctx, const char *text), void *ctx);

struct l4_wire_packet {
	struct l4_wire_packet *next;
	l4_time time; /* when it left */
	struct l4_why why;
	size_t len;
	uint8_t data[];
};

struct l4_world {
	struct l4_host *host;
	struct l4_socks *socks;
	unsigned ifindex;
	uint32_t mtu;
	l4_time now;
	struct l4_wire_packet *head, **tail; /* left the host, oldest first */
	struct l4_world_buffers *buffers;
	bool nomem;
};

#define L4_WORLD_FIRST_FD 10000
#define L4_WORLD_EPOCH    (1000 * L4_SEC) /* what the clock shows at the start */

/* 0 or L4_E*. */
int l4_world_new(struct l4_world *w, const struct l4_settings *s);
/* Settings that changed while it runs: those of TCP and the MTU. 0 or L4_EINVAL. */
int l4_world_configure(struct l4_world *w, struct l4_settings *s);
void l4_world_free(struct l4_world *w);
/* Lays a whole IP packet on the wire to the host, now. */
void l4_world_inject(struct l4_world *w, const void *packet, size_t len);
/* Takes what the host has to send now to the queue, and its events. True when a packet left or an
 * event came. */
bool l4_world_pump(struct l4_world *w);
/* Moves to the next moment at which something is due, at most to `until`, and does it. True when it
 * did something; false when now == until or nothing is due ever (then now moves to until, unless
 * that is L4_TIME_NEVER). */
bool l4_world_run(struct l4_world *w, l4_time until);
/* The oldest packet in the queue, to be freed with free(); NULL when there is none. */
struct l4_wire_packet *l4_world_take(struct l4_world *w);

#endif
