/* Packets of an expression, ready to leave: what only the network can tell is filled in. Included
 * by src/cli only. */
#ifndef L4_CLI_PACKETS_H
#define L4_CLI_PACKETS_H

#include <layer4/packet.h>

#include "cli/wires.h"

enum { PACKETS_BYTES = 262144, PACKETS_HEAD = 14, PACKETS_VARIANTS = 16 };

/* A way that was looked up. */
struct packets_way {
	struct l4_addr dst;
	struct route r;
	struct wire *w; /* NULL: not looked up */
};

/* The expression with one source address filled in. */
struct packets_variant {
	struct l4_addr src;
	struct l4_craft_expr *x;
};

/* One packet. The bytes are borrowed until the next is built. */
struct packet_out {
	const uint8_t *p;
	size_t n;
	size_t link; /* bytes in front that the expression does not have */
	struct wire *w;
	struct route r;
};

struct packets {
	struct wires *s;
	char *text;
	struct l4_craft_expr *x; /* as given */
	uint64_t count;
	uint64_t seed;     /* of what random and fuzz() draw from */
	uint64_t draw;     /* of what is drawn for fields left open */
	uint16_t linktype; /* L4_LINK_ETHERNET, L4_LINK_RAW */
	bool bare_arp;     /* begins with arp: the Ethernet header is ours */
	bool as_is;        /* raw bytes: nothing is derived */
	uint32_t net;      /* the outermost ip, ipv6 or arp layer */
	uint32_t net_at;   /* bytes in front of it */
	enum { PACKETS_IP4, PACKETS_IP6, PACKETS_ARP, PACKETS_NONE } kind;
	uint32_t transport; /* layer of TCP, UDP, ICMP above it; 0: none */
	uint8_t proto;      /* its number */
	bool open_src, open_eth_src, open_eth_dst, open_hwsrc, open_id, open_ip_csum;
	bool open_sport, open_seq, open_echo_id, open_echo_seq, open_csum, open_dns_id;
	struct packets_variant variant[PACKETS_VARIANTS];
	unsigned n_variants;
	struct packets_way *ways; /* a cache */
	uint8_t *buf;
	bool constant; /* one packet, nothing in it random: only drawn fields change */
	bool ready;    /* constant and built: it is `last` */
	struct packet_out last;
};

enum packets_status {
	PACKETS_OK,
	PACKETS_NO_MAC, /* the next hop's link address is not known */
	PACKETS_FAILED, /* message printed */
};

/* Reads the expression. 0, or the exit code with the message printed. max: refuse more packets. */
int packets_open(struct packets *p, struct wires *s, const char *text, uint64_t max, uint64_t seed);
void packets_close(struct packets *p);
/* Finds the link addresses of all packets' next hops at once. false: message printed. */
bool packets_resolve(struct packets *p);
/* Builds packet number serial; sets begin anew when they are through, with other drawn values. */
enum packets_status packets_build(struct packets *p, uint64_t serial, struct packet_out *out);
/* Prints where an expression is wrong. Returns L4_EXIT_USAGE. */
int packets_expression_error(const char *cmd, const char *text, const struct l4_craft_error *e);
/* A l4_craft_load_fn. */
int64_t packets_load(void *ctx, const char *path, void *buf, size_t cap);
/* 64 bits that nobody guesses. */
uint64_t packets_entropy(void);

#endif
