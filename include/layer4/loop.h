/* A loop for programs on Linux: hosts on real devices, the monotonic clock, poll(2). POSIX only;
 * embedders with a loop of their own need none of this. */
#ifndef LAYER4_LOOP_H
#define LAYER4_LOOP_H

#include <layer4/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Devices --- */

/* "tap:NAME", "tun:NAME", "packet:IF", "xdp:IF". Names what failed in err (cap bytes). L4_EPERM,
 * L4_EINVAL, L4_EUNSUPPORTED, L4_ESYS. */
struct l4_device_options {
	bool no_offload;  /* plain frames of at most the MTU */
	uint32_t mtu;     /* 0: the device's */
	bool promiscuous; /* packet: see frames for other MACs (needed for an own MAC) */
	uint16_t queues;  /* multi-queue TAP, fanout; 0: one */
};
L4_EXPORT int l4_device_open(struct l4_device **out, const char *spec,
    const struct l4_device_options *o, char *err, size_t cap);
/* Writes every frame both ways to a pcapng file, our decisions as packet comments; wraps inner. */
L4_EXPORT int l4_pcap_new(
    struct l4_device **out, struct l4_device *inner, const char *path, char *err, size_t cap);
/* Calls fn with every frame both ways; wraps inner. */
L4_EXPORT int l4_tap_new(struct l4_device **out, struct l4_device *inner,
    void (*fn)(void *ctx, bool sent, const struct l4_frame *f, l4_time now), void *ctx);

/* Keeps the kernel from answering for ports of ours on an address that we share with it: rules in
 * an nftables table with the owner flag, which the kernel removes when the process ends in whatever
 * way. Ports are added as they come into use. */
struct l4_guard;
L4_EXPORT int l4_guard_new(struct l4_guard **out, const char *interface, char *err, size_t cap);
L4_EXPORT int l4_guard_add(
    struct l4_guard *g, uint8_t protocol, uint16_t port, char *err, size_t cap);
L4_EXPORT void l4_guard_free(struct l4_guard *g);

/* --- The loop --- */
struct l4_loop;
L4_EXPORT int l4_loop_new(struct l4_loop **out);
L4_EXPORT void l4_loop_free(struct l4_loop *l); /* closes the devices; hosts are the caller's */
L4_EXPORT l4_time l4_loop_now(const struct l4_loop *l); /* CLOCK_MONOTONIC */
/* The device belongs to the loop from now on; frames go to the host's interface. */
L4_EXPORT int l4_loop_add(
    struct l4_loop *l, struct l4_host *h, unsigned ifindex, struct l4_device *d);
/* Also waits for a descriptor of the caller's; events as in poll(2), 0 removes it. */
L4_EXPORT int l4_loop_watch(struct l4_loop *l, int fd, short events,
    void (*fn)(void *ctx, int fd, short revents), void *ctx);
/* Moves frames and time once, waiting at most until `until` (L4_TIME_NEVER: for ever) for
 * something to happen. Returns 0, or L4_E* when a device failed (errno in its saved_errno), or
 * L4_EAGAIN after a signal. */
L4_EXPORT int l4_loop_once(struct l4_loop *l, l4_time until);
/* 32 bytes of the system's entropy; L4_EENTROPY when there is none. */
L4_EXPORT int l4_entropy(uint8_t out[32]);

#ifdef __cplusplus
}
#endif
#endif
