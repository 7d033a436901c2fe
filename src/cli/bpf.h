/* Capture filters (BPF, by libpcap) over packets of any link type. Included by src/cli only. */
#ifndef L4_CLI_BPF_H
#define L4_CLI_BPF_H

#include <layer4/capfile.h>
#include <stdbool.h>

struct bpf;

struct bpf *bpf_new(const char *text);
void bpf_free(struct bpf *b);
/* 1: the packet passes; 0: not; -1: the filter cannot be compiled for its link type (bpf_error). */
int bpf_match(struct bpf *b, const struct l4_cap_packet *p);
/* Gives the filter to the kernel, for a socket that receives packets of this link type; SLL2 means
 * a cooked socket, whose packets begin behind that header. 1; 0 with errno: the kernel does not
 * take it; -1 as above; 2: the kernel does not see what it asks for (VLAN tags, which it keeps
 * beside the packet, a sender's address of cooked packets): bpf_match() must decide. */
int bpf_attach(struct bpf *b, int fd, uint16_t linktype);
const char *bpf_error(const struct bpf *b);

#endif
