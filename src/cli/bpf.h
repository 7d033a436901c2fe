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
const char *bpf_error(const struct bpf *b);

#endif
