/* The parts of l4 capture. Included by src/cli/capture*.c only.
 *
 * capture_sock.c   an interface: packet socket, ring, filter, counters
 * capture_file.c   the written files: rotation, whole blocks, a full disk
 * capture_owner.c  which process a packet belongs to */
#ifndef L4_CLI_CAPTURE_H
#define L4_CLI_CAPTURE_H

#include <layer4/capfile.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/bpf.h"

/* ---- interfaces ---- */

enum { SOURCES_MAX = 32, SLL2_BYTES = 20 };

struct source {
	const char *name; /* as given; "any" for all */
	int index;        /* of the interface; 0: any */
	bool cooked;      /* without link layer header: SLL2 is put in front */
	bool loopback;
	uint16_t linktype;
	char description[160];
	int fd;
	uint8_t *ring;
	unsigned block;               /* the next to look at */
	const struct tpacket3_hdr *h; /* the next packet; NULL: no block is ours */
	uint32_t left;                /* packets from h on in its block */
	uint64_t received, dropped;
	uint32_t id; /* in the written file */
};

/* Opens an interface with its filter (NULL: none). *slow is set when the filter must be run here,
 * packet by packet, since the kernel's copy would not see what it asks for. 0, or an exit code, a
 * message is printed. */
int source_open(struct source *s, const char *bpf, bool promiscuous, bool *slow);
void source_close(struct source *s);
/* Makes s->h the next packet. False: none is there now. */
bool source_peek(struct source *s);
void source_took(struct source *s);
/* Half of its ring is full. */
bool source_pressed(const struct source *s);
/* Adds what the kernel counted since the last call. */
void source_counters(struct source *s);
/* After POLLERR: 0 go on; otherwise an errno, the interface is gone. */
int source_error(const struct source *s);
/* The packet at s->h; false: not to be shown (the second sight of a packet on the loopback). *out
 * and its bytes are valid until the next call. */
bool source_packet(const struct source *s, struct l4_cap_packet *out, bool *outgoing, int *ifindex);
/* Prints the interfaces there are. */
void source_list(void);

/* ---- files ---- */

enum { SINK_INTERFACES = 256 };

struct sink_interface {
	char name[64], description[160];
	uint16_t linktype;
	uint64_t received, dropped;
	bool counted; /* received and dropped mean something */
};

struct sink {
	const char *path; /* "-": standard output */
	/* rotation; 0: not by this */
	bool ring;
	unsigned files_max; /* kept; 0: all */
	uint64_t bytes_max, packets_max, ms_max;
	/* brings the statistics of the interfaces up to date, before a file's end */
	void (*counters)(void *ctx);
	void *ctx;
	/* the current file */
	int fd;
	unsigned number;
	char name[4096];
	uint8_t *buf;
	size_t n;
	uint64_t on_disk; /* bytes */
	uint64_t packets;
	uint64_t opened_ms;
	bool whole; /* after a failed write: the file was cut to whole blocks */
	struct l4_capwr writer;
	struct sink_interface interfaces[SINK_INTERFACES];
	uint32_t n_interfaces;
};

/* All: 0, or -1 with errno set. */
int sink_open(struct sink *s, uint64_t now_ms);
/* The id of a described interface, or -1. */
int sink_interface(struct sink *s, const char *name, const char *description, uint16_t linktype);
int sink_packet(struct sink *s, const struct l4_capwr_packet *p, uint64_t now_ms);
/* What waits goes to the file; a file whose time is over is followed by the next. */
int sink_idle(struct sink *s, uint64_t now_ms);
/* Ends the last file with its statistics. */
int sink_close(struct sink *s);

/* ---- processes ---- */

struct owners;
struct owners *owners_new(void);
void owners_free(struct owners *o);
/* Writes who has the packet's ports on this machine: "from curl (1234)", "to nginx (45)", both, or
 * nothing. Returns the length of the text, 0: not known. */
size_t owners_text(
    struct owners *o, const struct l4_cap_packet *p, uint64_t now_ms, char *text, size_t cap);

#endif
